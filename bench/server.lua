-- SPDX-License-Identifier: MIT
-- The server that is measured: one tool that gives back its text, and with
-- TOOLS=100 in the environment so many tools in all, for tools/list.

local mcp = require "mcp"
local app = mcp.server { name = "bench", version = "1.0.0" }

app:tool "echo" {
  description = "Give back the text",
  input = { text = "string" },
} (function(args)
  return args.text
end)

for i = 2, tonumber(os.getenv "TOOLS") or 1 do
  app:tool("tool_" .. i) {
    description = "Does the thing numbered " .. i .. " to a path and says how it went",
    input = { path = "string", limit = mcp.integer { min = 1, max = 1000 }, flags = "string[]?" },
  } (function(args)
    return args.path
  end)
end

if os.getenv "COUNT_ALLOCATIONS" then -- what a call allocates: allocations.lua
  local counts = dofile "bench/counted.lua"
  app:tool "counts" {} (function() return counts() end)
end

app:run()
