-- SPDX-License-Identifier: MIT
-- client_http.lua: a client of Streamable HTTP with header fields of its own, and several calls.
--
--   luamcp run examples/hello.lua --http 8000
--   luamcp run examples/client_http.lua http://127.0.0.1:8000/mcp
local mcp = require "mcp"

local transport = mcp.streamable_http_client(arg[1] or "http://127.0.0.1:8000/mcp", {
  headers = {
    ["User-Agent"] = "MCP-Client/1.0",
    ["X-API-Key"] = "secret_key",
  },
})

local session <close> = mcp.session(transport)
assert(session:initialize())
print(("%s, revision %s"):format(session.server.name, session.revision))

for _, tool in ipairs(assert(session:list_tools())) do
  print(("%s: %s"):format(tool.name, tool.description))
end

-- One connection carries them all; mcp.all { … } would have them go side by side.
for i = 1, 3 do
  local result = assert(session:call_tool("greet", { name = "number " .. i }))
  print(result.content[1].text)
end
