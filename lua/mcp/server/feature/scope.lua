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

local NO_ROW = {}

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

---What a request is answered with whose caller lacks a scope; nil if it may go on.
---@param app table
---@param ctx table with the principal
---@param method string
---@param params table
---@return table|nil err
function scope.refusal(app, ctx, method, params)
  local row = methods[method] or app.extensions and app.extensions.rows[method] or NO_ROW
  -- A method of an extension may require some itself.
  local own = row.scopes
  local find = FIND[row.scope]
  local entry = find and find(app, ctx, params)
  local needed = entry and entry.scopes and gate.sees(entry, ctx) and entry.scopes
  if not (own and principal.lacks(ctx.auth, own))
    and not (needed and principal.lacks(ctx.auth, needed)) then
    return nil
  end
  local all, seen = {}, {}
  for _, list in ipairs { app.auth.scopes, own or {}, needed or {} } do
    for _, name in ipairs(list) do
      if not seen[name] then all[#all + 1] = name end
      seen[name] = true
    end
  end
  return app.auth:insufficient(all, ctx.auth)
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
  local err = scope.refusal(app, ctx, method, params)
  if err then
    require("mcp.refusal").log(err, ("%s: %s (the option scopes of the entry decides)"):format(
      method, err.message), x:transport())
  end
  return err
end

return scope
