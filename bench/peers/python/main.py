# SPDX-License-Identifier: MIT
"""The Python SDK with the tool `echo`:  main.py stdio | http PORT | session PORT

Plain JSON answers, no log, and of uvicorn the loop and parser that are written in C.
"""

import sys

from mcp.server.mcpserver import MCPServer

app = MCPServer("bench", version="1.0.0", log_level="ERROR")


@app.tool(description="Give back the text", structured_output=False)
async def echo(text: str) -> str:
    return text


if sys.argv[1] == "stdio":
    app.run()
else:
    import uvicorn

    uvicorn.run(
        app.streamable_http_app(json_response=True, stateless_http=sys.argv[1] == "http", max_sessions=None),
        host="127.0.0.1", port=int(sys.argv[2]),
        loop="uvloop", http="httptools", log_level="error", access_log=False,
    )
