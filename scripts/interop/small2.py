# SPDX-License-Identifier: MIT
"""small2.py: what small.mjs offers, made with version 2 of the Python SDK.

python small2.py stdio | sse | http
"""
import sys
from typing import Annotated

import anyio
from mcp.server.mcpserver import (
    AcceptedElicitation, Context, Elicit, ElicitationResult, MCPServer, Resolve, Sample,
)
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import Completion, CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("small", instructions="Be brief.", log_level="INFO")
level = 0
ended = 0


class Name(BaseModel):
    name: str


def who() -> Elicit[Name]:
    return Elicit("Who is there?", Name)


def model(prompt: str) -> Sample:
    text = TextContent(type="text", text=prompt)
    return Sample([SamplingMessage(role="user", content=text)], max_tokens=10)


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
    raise ToolError("no such luck")


@server.tool(structured_output=False)
async def ask(name: Annotated[ElicitationResult[Name], Resolve(who)]) -> str:
    return f"Hello, {name.data.name}!" if isinstance(name, AcceptedElicitation) else "Nobody."


@server.tool(structured_output=False)
async def sample(prompt: str, answer: Annotated[CreateMessageResult, Resolve(model)]) -> str:
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
    await ctx.notify_resource_updated("note://level")
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
    if sys.argv[1] == "stdio":
        server.run()
    else:
        server.run({"http": "streamable-http"}.get(sys.argv[1], sys.argv[1]),
                   host="127.0.0.1", port=0)
