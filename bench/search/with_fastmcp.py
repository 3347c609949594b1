# SPDX-License-Identifier: MIT
"""The row of FastMCP in docs/search.md: its index, with the tools and queries of run.lua.

    python3 -m pip install fastmcp
    make bench-search
    python3 bench/search/with_fastmcp.py build/bench/search/tools.json
"""
import json
import re
import sys

import fastmcp
from fastmcp.server.transforms.search.bm25 import _BM25Index


def text_of(tool):
    """What FastMCP indexes of a tool."""
    parts = [f"{tool['server']}_{tool['name']}", tool.get("description") or ""]
    for name, schema in (tool["inputSchema"].get("properties") or {}).items():
        parts.append(name)
        if isinstance(schema, dict):
            parts.append(schema.get("description") or "")
    return " ".join(parts)


def queries():
    with open("bench/search/queries.lua", encoding="utf-8") as file:
        for row in re.findall(r'\{ ("[^"]*"(?:,\s*"[^"]*")+) \}', file.read()):
            words = re.findall(r'"([^"]*)"', row)
            yield words[0], set(words[1:])


with open(sys.argv[1], encoding="utf-8") as file:
    tools = json.load(file)
index = _BM25Index()
index.build([text_of(tool) for tool in tools])
names = [f"{tool['server']}_{tool['name']}" for tool in tools]
rows = list(queries())
print(f"FastMCP {fastmcp.__version__}: {len(tools)} tools, {len(rows)} queries")
for count in (1, 5, 10):
    found = sum(any(names[i] in wanted for i in index.query(query, count))
                for query, wanted in rows)
    print(f"recall@{count} {found}")
