-- SPDX-License-Identifier: MIT
-- auth_server.lua: notes of many users, each with a token of their own. An authorization server
-- run by others issues the tokens; this server knows its name and its keys.
--
--   ISSUER=https://as.example JWKS=https://as.example/jwks.json luamcp run examples/auth_server.lua
local mcp = require "mcp"

local app = mcp.server {
  name = "notes",
  auth = {
    verify = mcp.auth.jwt {
      issuer = os.getenv "ISSUER" or "https://as.example",
      jwks = os.getenv "JWKS" or "https://as.example/jwks.json",
    },
    -- How clients call this server. Tokens must have been issued for it.
    resource = os.getenv "RESOURCE",
    -- What every request needs, and which scopes stand for others.
    scopes = { "notes" },
    includes = { ["notes:all"] = { "notes:write", "notes:delete" } },
  },
}

local notes = {}

-- `key` identifies the user: it is the same in each of their requests, and unique.
local function mine(ctx)
  local list = notes[ctx.auth.key] or {}
  notes[ctx.auth.key] = list
  return list
end

app:tool "list" { description = "Your notes" } (function(_, ctx)
  return table.concat(mine(ctx), "\n")
end)

app:tool "add" {
  description = "Write a note",
  input = { text = "string" },
  scopes = { "notes:write" },
} (function(args, ctx)
  table.insert(mine(ctx), args.text)
  return ("Noted for %s"):format(ctx.auth.subject)
end)

app:run { http = os.getenv "PORT" or 8000 }
