# SPDX-License-Identifier: MIT
"""server.py: a server made with FastMCP, one of those that the gateway of ../gateway.lua mounts.

python server.py PORT
"""
import sys

import anyio
from fastmcp import Context, FastMCP
from mcp_types import Icon

ICON = Icon(src="data:image/png;base64,iVBORw0KGgo=", mimeType="image/png", sizes=["16x16"])

# More tools than a page.
server = FastMCP("fast", instructions="Be quick.", list_page_size=5)


@server.tool(icons=[ICON], meta={"team": "blue"}, annotations={"readOnlyHint": True})
def add(a: int, b: int) -> int:
    return a + b


@server.tool
async def log(text: str, ctx: Context) -> str:
    await ctx.log(text, level="warning", logger_name="fast")
    return "logged"


@server.tool
async def count(to: int, ctx: Context) -> str:
    for i in range(1, to + 1):
        await anyio.sleep(0.02)
        await ctx.report_progress(i, to)
    return "counted"


@server.tool
def trace(ctx: Context) -> str:
    """What came in _meta."""
    meta = ctx.request_context.meta or {}
    return str(meta.get("example.org/trace"))


@server.tool
async def slow(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "at last"


for i in range(12):
    def made(i: int = i) -> str:
        return str(i)

    made.__name__ = f"tool_{i}"
    server.tool(made)


@server.resource("note://{name}")
def note(name: str) -> str:
    return f"About {name}"


@server.prompt
def greet(name: str) -> str:
    return f"Greet {name}."


server.run(
    transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False,
    log_level="INFO",
)
