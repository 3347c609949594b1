-- SPDX-License-Identifier: MIT
-- client_sse.lua: a client of HTTP+SSE, the transport of 2024-11-05, for servers that speak nothing
-- newer. (mcp.connect finds out by itself which transport a server speaks.)
--
--   luamcp run examples/files.lua --sse 8080 -- examples/library
--   luamcp run examples/client_sse.lua http://127.0.0.1:8080/mcp
local mcp = require "mcp"

local transport = mcp.sse_client(arg[1] or "http://127.0.0.1:8080/mcp", {
  headers = { Authorization = "Bearer token123" },
})

local session <close> = mcp.session(transport)
assert(session:initialize())

for _, prompt in ipairs(assert(session:list_prompts())) do
  print(("prompt %s: %s"):format(prompt.name, prompt.description))
end
for _, resource in ipairs(assert(session:list_resources())) do print(resource.uri) end
