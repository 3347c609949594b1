# SPDX-License-Identifier: MIT
"""apps.py: FastMCP's client finds the page of examples/garden.lua, reads it and calls its tools.

python apps.py legacy | auto PROGRAM ARGUMENT... | URL
"""
import sys

import anyio
from fastmcp import Client
from fastmcp.apps import UI_EXTENSION_ID, UI_MIME_TYPE, AppConfig
from fastmcp.client.transports import StdioTransport
from mcp.client.extension import advertise

mode, *words = sys.argv[1:]
target = words[0] if words[0].startswith("http") else StdioTransport(words[0], words[1:])


async def main():
    extension = advertise(UI_EXTENSION_ID, {"mimeTypes": [UI_MIME_TYPE]})
    async with Client(target, mode=mode, extensions=[extension], timeout=20) as client:
        tools = {tool.name: AppConfig.model_validate(tool.meta["ui"])
                 for tool in await client.list_tools()}
        uri = tools["watering_plan"].resource_uri
        assert uri == "ui://garden/plan", tools
        assert tools["water"].visibility == ["app"], tools
        listed, = [resource for resource in await client.list_resources()
                   if str(resource.uri) == uri]
        page, = await client.read_resource(uri)
        assert listed.mime_type == page.mime_type == UI_MIME_TYPE, (listed, page)
        assert AppConfig.model_validate(page.meta["ui"]).prefers_border is True, page.meta
        assert page.text.startswith("<!doctype html>"), page.text[:80]
        plan = await client.call_tool("watering_plan")
        assert plan.content[0].text.startswith("roses: "), plan
        watered = await client.call_tool("water", {"bed": "herbs"})
        assert watered.structured_content["beds"][2]["watered"], watered


anyio.run(main)
