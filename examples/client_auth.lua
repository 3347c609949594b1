-- SPDX-License-Identifier: MIT
-- client_auth.lua: a client that shows a token. The server is examples/auth_server.lua.
--
--   TOKEN=eyJ… luamcp run examples/client_auth.lua http://127.0.0.1:8000/mcp 'buy tea'
--
-- Where there is no token yet, but a user at a browser: auth = mcp.auth.oauth { … }, and the rest
-- stays as it is.
local mcp = require "mcp"

local token = os.getenv "TOKEN" or error("TOKEN is not set", 0)

local session <close> = assert(mcp.connect(arg[1] or "http://127.0.0.1:8000/mcp", {
  auth = mcp.auth.bearer(token),
}))

-- A refused call returns nil, a message and a code; it raises no error.
local result, text, code = session:call_tool("add", { text = arg[2] or "buy tea" })
if result then
  print(result.content[1].text)
else
  print(("refused: %s (%s)"):format(text, code))
end
print(assert(session:call_tool("list", {})).content[1].text)
