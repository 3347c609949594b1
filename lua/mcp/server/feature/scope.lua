-- SPDX-License-Identifier: MIT
-- scope: the scopes that a tool, resource or prompt requires of its callers:
--
--   app:tool "read" { scopes = { "files:read" } } (function(args, ctx) … end)
--
-- Looked at before a request is dispatched, middleware included: only then can the refusal still be
-- an HTTP status with a challenge in it. Loaded by servers that have authorization.
local completion = require "mcp.server.feature.completion"
local gate = require "mcp.server.feature.gate"
local methods = require "mcp.protocol.methods"
local principal = require "mcp.auth.server.principal"
local resource = require "mcp.server.feature.resource"

local scope = {}

-- How the entry that a request is about is found: the `scope` of the method's row in
-- protocol/methods.lua. An entry that does not exist or is hidden is reported by the feature.
local FIND = {}

function FIND.tool(app, _, params) return app.tools.by_name[params.name] end

function FIND.prompt(app, _, params) return app.prompts.by_name[params.name] end

function FIND.resource(app, ctx, params)
  return type(params.uri) == "string" and resource.find(app, params.uri, ctx) or nil
end

function FIND.ref(app, _, params)
  local ref = params.ref
  if type(ref) ~= "table" then return nil end
  if ref.type == "ref/prompt" then return app.prompts.by_name[ref.name] end
  return completion.resource_of(app, ref.uri)
end

-- What a request is answered with whose caller lacks a scope; nil if it may go on.
local function refusal(app, ctx, method, params)
  local row = methods[method]
  local find = row and FIND[row.scope]
  local entry = find and find(app, ctx, params)
  if not entry or not entry.scopes or not principal.lacks(ctx.auth, entry.scopes)
    or not gate.sees(entry, ctx) then
    return nil
  end
  local all, seen = {}, {}
  for _, list in ipairs { app.auth.scopes, entry.scopes } do
    for _, name in ipairs(list) do
      if not seen[name] then all[#all + 1] = name end
      seen[name] = true
    end
  end
  return app.auth:insufficient(all)
end

---Sets the principal of a context. Returns the error if the principal lacks a scope.
---@param app table
---@param ctx table
---@param x userdata its exchange
---@param method string
---@param params table
---@return table|nil err
function scope.admit(app, ctx, x, method, params)
  ctx.auth = app.auth.of[x]
  if not ctx.auth or app.scoped == 0 then return nil end
  return refusal(app, ctx, method, params)
end

return scope
