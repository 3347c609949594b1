-- SPDX-License-Identifier: MIT
-- hello.lua: a whole MCP server. Start it with `luamcp run examples/hello.lua`.
local mcp = require "mcp"
local app = mcp.server "hello"
app:tool "greet" { description = "Greet a person", input = { name = "string" } } (function(args)
  return "Hello, " .. args.name .. "!"
end)
app:run()
