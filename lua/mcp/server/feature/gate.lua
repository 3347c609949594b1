-- SPDX-License-Identifier: MIT
-- gate: what a tool, resource or prompt may say of its callers, in three options:
--
--   visible = function(ctx) return boolean end    who may see it: for others it is not there
--   timeout = seconds                             how long a call may take, 0 for no limit
--   scopes = { "files:read" }                     what a caller's token must allow (scope.lua)
--
-- A list with such entries is made for each caller and not cached.
local cursor = require "mcp.later" "mcp.server.feature.cursor"
local definition = require "mcp.server.feature.definition"
local registry_of = require "mcp.server.feature.registry"
local value = require "mcp.value"

local gate = {}

---Takes these options over into an entry. Raises (level 0) what is wrong.
---@param entry table
---@param options table
---@return table entry
function gate.add(entry, options)
  local timeout = options.timeout
  if timeout and not (timeout >= 0 and timeout < math.huge) then
    error("timeout: expected seconds, 0 or more, got " .. timeout, 0)
  end
  entry.visible, entry.timeout = options.visible, timeout
  if options.scopes then
    local list, reason = require("mcp.auth.server.principal").scopes(options.scopes)
    if not list then error("scopes" .. reason, 0) end
    entry.scopes = list[1] and list or nil
  end
  -- One look for the many that have neither, and no miss.
  entry.gated = (entry.visible or timeout) and true or false
  return entry
end

---@param entry table
---@param ctx table
---@return boolean
function gate.sees(entry, ctx)
  local visible = entry.visible
  return not visible or visible(ctx) and true or false
end

---The call begins: from here on the entry's own limit counts.
---@param entry table
---@param ctx table
function gate.limit(entry, ctx)
  if entry.timeout then (rawget(ctx, "own_exchange") or ctx.exchange):limit(entry.timeout) end
end

---Both, for an entry that is gated.
---@param entry table
---@param ctx table
---@return boolean passed false: to this caller it is unknown
function gate.pass(entry, ctx)
  if not gate.sees(entry, ctx) then return false end
  gate.limit(entry, ctx)
  return true
end

---What MCP Apps says of an entry: its `_meta.ui`.
---@param entry table
---@return table|nil
function gate.ui_of(entry)
  local meta = definition.member(entry, "_meta")
  local ui = type(meta) == "table" and meta.ui
  return type(ui) == "table" and ui or nil
end

---Whether a model may be shown the entry: not a tool that is for pages alone (MCP Apps). Lists have
---it, because hosts choose from them; what the server itself shows a model has not (APP-22).
---@param entry table own or mounted
---@return boolean
function gate.for_model(entry)
  local ui = gate.ui_of(entry)
  local visibility = ui and ui.visibility
  if type(visibility) ~= "table" then return true end
  for _, user in ipairs(visibility) do
    if user == "model" then return true end
  end
  return false
end

---The names that this caller may see, in order of registration.
---@param registry table
---@param ctx table
---@param also nil|fun(entry: table): boolean a further condition
---@return string[]
function gate.names(registry, ctx, also)
  if registry.choosy == 0 and not also then return registry:names() end
  local names = {}
  for _, entry in ipairs(registry.order) do
    if (not also or also(entry)) and gate.sees(entry, ctx) then names[#names + 1] = entry.name end
  end
  return names
end

---What was made for one caller is good for no other (caching hints, scope).
---@param result table
---@return table result
function gate.private(result)
  if result.cacheScope then result.cacheScope = "private" end
  return result
end

---What a list answers to this caller; as cursor.list where all see the same.
---@param app table
---@param ctx table
---@param name string of the list
---@param registry table
---@param params table
---@param make fun(entry: table): table|nil
---@param wrap fun(list: table, next_cursor: string|nil): table
---@return table|userdata|nil result
---@return table|nil err
function gate.list(app, ctx, name, registry, params, make, wrap)
  if registry.choosy == 0 then
    return cursor.list(app, name, registry, ctx.revision, params, make, wrap)
  end
  return cursor.slice(app, name, cursor.generation(app, registry), params, function()
    local list = value.array {}
    for _, entry in ipairs(registry.order) do
      local made = gate.sees(entry, ctx) and make(entry)
      if made then list[#list + 1] = registry_of.encoded(entry, made) end
    end
    return list
  end, function(list, following) return gate.private(wrap(list, following)) end)
end

return gate
