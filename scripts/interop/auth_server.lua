-- SPDX-License-Identifier: MIT
-- auth_server.lua: a server that takes tokens of an issuer which is not ours, for auth.lua.
--
--   luamcp run scripts/interop/auth_server.lua --http 127.0.0.1:0
--
-- ISSUER says whose. `whoami` takes what every request takes, `write` a scope of its own.
local mcp = require "mcp"

local ISSUER = assert(os.getenv "ISSUER", "ISSUER is not set")

local app = mcp.server {
  name = "protected",
  auth = {
    verify = mcp.auth.jwt { issuer = ISSUER, jwks = ISSUER .. "/jwks", typ = "at+jwt" },
    scopes = { "notes" },
    scopes_supported = { "notes" },
    authorization_servers = { ISSUER },
  },
}

app:tool "whoami" {} (function(_, ctx)
  return ("%s %s"):format(ctx.auth.subject, table.concat(ctx.auth.scopes, " "))
end)

app:tool "write" { input = { text = "string" }, scopes = { "notes:write" } } (function(args)
  return "noted: " .. args.text
end)

return app
