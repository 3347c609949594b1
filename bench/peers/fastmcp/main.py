# SPDX-License-Identifier: MIT
"""FastMCP with the tool `echo`:  main.py stdio | http PORT | session PORT

Plain JSON answers, no log, and of uvicorn the loop and parser that are written in C.
"""

import sys

from fastmcp import FastMCP

app = FastMCP("bench", version="1.0.0")


@app.tool(description="Give back the text", output_schema=None)
async def echo(text: str) -> str:
    return text


if sys.argv[1] == "stdio":
    app.run(show_banner=False, log_level="ERROR")
else:
    app.run(
        transport="http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False, log_level="ERROR",
        json_response=True, stateless_http=sys.argv[1] == "http",
        uvicorn_config={"loop": "uvloop", "http": "httptools", "log_level": "error", "access_log": False},
    )
