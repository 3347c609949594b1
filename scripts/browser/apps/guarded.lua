-- SPDX-License-Identifier: MIT
-- guarded.lua: a server with authorization and an inspect page. No token is ever good.
local mcp = require "mcp"

local app = mcp.server { name = "guarded", version = "1", auth = {
  verify = function() return nil, "no token is good" end,
  authorization_servers = { "https://as.example" },
} }

app:tool "subject" { scopes = { "files:write" } } (function(_, ctx)
  return ctx.auth.subject .. " " .. tostring(ctx.auth.scopes["files:write"])
end)

app:run { http = { port = 0 }, inspect = true }
