# SPDX-License-Identifier: MIT
"""small1.py: what small.mjs offers, made with version 1 of the Python SDK.

python small1.py stdio | sse | http
"""
import sys

import anyio
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import Completion, SamplingMessage, TextContent
from pydantic import BaseModel

server = FastMCP("small", instructions="Be brief.", host="127.0.0.1", port=0)
level = 0
ended = 0


class Name(BaseModel):
    name: str


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


@server.tool(structured_output=False)
async def count(to: int, ctx: Context) -> str:
    for i in range(1, to + 1):
        await anyio.sleep(0.02)
        await ctx.report_progress(i, to, f"step {i}")
    return "counted"


@server.tool(structured_output=False)
def fail() -> str:
    raise ValueError("no such luck")


@server.tool(structured_output=False)
async def ask(ctx: Context) -> str:
    answer = await ctx.elicit("Who is there?", Name)
    return f"Hello, {answer.data.name}!" if answer.action == "accept" else "Nobody."


@server.tool(structured_output=False)
async def sample(prompt: str, ctx: Context) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    # Where there are several streams, the question belongs to this one.
    answer = await ctx.session.create_message([message], max_tokens=10,
                                              related_request_id=ctx.request_id)
    return f"The model: {answer.content.text}"


@server.tool(structured_output=False)
async def slow() -> str:
    global ended
    try:
        await anyio.sleep(20)
    except anyio.get_cancelled_exc_class():
        ended += 1
        raise
    return "at last"


@server.tool(structured_output=False)
def cancelled() -> str:
    return str(ended)


@server.tool(structured_output=False)
def big(size: int) -> str:
    return "x" * size


@server.tool(structured_output=False)
async def fill(ctx: Context) -> str:
    global level
    level += 1
    return str(level)


@server.resource("note://level", mime_type="text/plain")
def read_level() -> str:
    return str(level)


@server.resource("note://about/{who}")
def about(who: str) -> str:
    return f"About {who}"


@server.prompt()
def greet(name: str) -> str:
    return f"Greet {name}."


@server.completion()
async def complete(ref, argument, context) -> Completion:
    names = ["Ada", "Alan", "Grace"]
    return Completion(values=[name for name in names if name.startswith(argument.value)])


if __name__ == "__main__":
    server.run({"http": "streamable-http"}.get(sys.argv[1], sys.argv[1]))
