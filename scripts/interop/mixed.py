# SPDX-License-Identifier: MIT
"""mixed.py: a client of mixed.lua over WebSocket, with version 1 of the Python SDK.

python mixed.py URL
"""
import sys

import anyio
from mcp import ClientSession
from mcp.client.websocket import websocket_client
from mcp.types import Implementation

CALLS = 100
TOGETHER = 10
NAME = "python websocket"


async def call(session, n):
    result = await session.call_tool("count", {"n": n})
    assert result.structuredContent == {"n": n, "client": NAME}, result


async def main(url):
    with anyio.fail_after(30):
        await calls(url)


async def calls(url):
    async with websocket_client(url) as streams:
        info = Implementation(name=NAME, version="1.0.0")
        async with ClientSession(*streams, client_info=info) as session:
            await session.initialize()
            for first in range(1, CALLS + 1, TOGETHER):
                async with anyio.create_task_group() as group:
                    for n in range(first, first + TOGETHER):
                        group.start_soon(call, session, n)


anyio.run(main, sys.argv[1].replace("http:", "ws:", 1))
