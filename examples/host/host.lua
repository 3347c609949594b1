-- SPDX-License-Identifier: MIT
-- The MCP side of host.c: text sent to the program can be read as a resource.
local mcp = require "mcp"

local last = "(nothing yet)"

local app = mcp.server "host"
app:resource "host://last-line" (function() return last end)
local listening = app:listen { http = "127.0.0.1:0", quiet = true }

-- The host calls this with each line of its input.
function take(line) -- luacheck: ignore
  last = line
  app:resource_updated "host://last-line"
end

print(listening.urls[1])
io.stdout:flush()
