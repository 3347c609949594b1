# SPDX-License-Identifier: MIT
"""FastMCP's proxy, for the part "hop": python fastmcp_proxy.py PORT URL"""
import sys

from fastmcp.server import create_proxy

port, url = int(sys.argv[1]), sys.argv[2]
create_proxy(url).run(
    transport="http", host="127.0.0.1", port=port, show_banner=False, log_level="ERROR"
)
