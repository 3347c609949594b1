# SPDX-License-Identifier: MIT
"""FastMCP on the same documents and calls, for `make openapi`.

    python with_fastmcp.py calls BASE_URL STYLES CALLS     one line of JSON for each call
    python with_fastmcp.py cost BASE_URL STYLES TOOL ARGUMENTS COUNT     seconds for each call
    python with_fastmcp.py import DOCUMENT…                one line of JSON for each document
"""
import asyncio
import json
import logging
import sys
import time

import yaml

logging.disable(logging.CRITICAL)

import httpx2 as httpx  # noqa: E402
from fastmcp import Client, FastMCP  # noqa: E402


def with_text_keys(value):
    if isinstance(value, dict):
        return {str(key): with_text_keys(member) for key, member in value.items()}
    if isinstance(value, list):
        return [with_text_keys(member) for member in value]
    return value


def load(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".json"):
        return json.loads(text)
    return with_text_keys(yaml.load(text, yaml.CSafeLoader))


async def calls(base, document, path):
    server = FastMCP.from_openapi(load(document), client=httpx.AsyncClient(base_url=base))
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)
    async with Client(server) as client:
        for row in rows:
            try:
                result = await client.call_tool(row["tool"], row["arguments"],
                                                raise_on_error=False)
                text = result.content[0].text
                if result.is_error:
                    print(json.dumps({"error": text}))
                else:
                    print(text.replace("\n", " "))
            except Exception as error:  # a comparison goes on
                print(json.dumps({"error": f"{type(error).__name__}: {error}"}))


async def cost(base, document, tool, arguments, count):
    server = FastMCP.from_openapi(load(document), client=httpx.AsyncClient(base_url=base))
    async with Client(server) as client:
        started = time.process_time()
        for _ in range(int(count)):
            await client.call_tool(tool, json.loads(arguments))
        print(json.dumps({"cost": (time.process_time() - started) / int(count)}))


async def import_all(paths):
    for path in paths:
        out = {"document": path}
        try:
            started = time.process_time()
            document = load(path)
            out["read"] = time.process_time() - started
            started = time.process_time()
            server = FastMCP.from_openapi(
                document, client=httpx.AsyncClient(base_url="http://127.0.0.1:9"))
            out["import"] = time.process_time() - started
            started = time.process_time()
            async with Client(server) as client:
                tools = await client.list_tools()
            out["list"] = time.process_time() - started
            out["tools"] = len(tools)
            out["bytes"] = sum(len(tool.model_dump_json(exclude_none=True)) for tool in tools)
            out["outputs"] = sum(1 for tool in tools if tool.outputSchema)
        except Exception as error:
            out["error"] = f"{type(error).__name__}: {error}"[:300]
        print(json.dumps(out), flush=True)


if sys.argv[1] == "calls":
    asyncio.run(calls(*sys.argv[2:]))
elif sys.argv[1] == "cost":
    asyncio.run(cost(*sys.argv[2:]))
else:
    asyncio.run(import_all(sys.argv[2:]))
