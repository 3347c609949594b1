-- SPDX-License-Identifier: MIT
-- client_oauth.lua: a client that has its user authorize it. It prints the address of a page and
-- waits on loopback for the browser to come back. The server is examples/auth_server.lua, with an
-- authorization server of yours.
--
--   luamcp run examples/client_oauth.lua http://127.0.0.1:8000/mcp 'buy tea'
--
-- STORE=tokens.json keeps what was given, for the next time: a file that only you can read.
local mcp = require "mcp"

local path = os.getenv "STORE"

local session <close> = assert(mcp.connect(arg[1] or "http://127.0.0.1:8000/mcp", {
  auth = mcp.auth.oauth {
    client_name = "notes on the command line",
    store = path and mcp.auth.file_store(path) or nil,
  },
}))

print("Your notes:\n" .. assert(session:call_tool("list", {})).content[1].text)
-- Writing takes a scope of its own: the user is asked again, once.
print(assert(session:call_tool("add", { text = arg[2] or "buy tea" })).content[1].text)
