-- SPDX-License-Identifier: MIT
-- client_websocket.lua: a client of WebSocket.
--
--   luamcp run examples/files.lua --http 8000 -- examples/library
--   luamcp run examples/client_websocket.lua ws://127.0.0.1:8000/mcp
local mcp = require "mcp"

local transport = mcp.websocket_client(arg[1] or "ws://127.0.0.1:8000/mcp", {
  headers = { Authorization = "Bearer token123" },
})

local session <close> = mcp.session(transport)
assert(session:initialize())

-- One after the other, a page at a time; list_resources() has them all at once.
for resource in session:resources() do
  local contents = assert(session:read_resource(resource.uri)).contents[1]
  print(("%s: %d bytes"):format(resource.uri, #(contents.text or contents.blob)))
end
