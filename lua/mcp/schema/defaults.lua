-- SPDX-License-Identifier: MIT
-- defaults.lua: fills in what a schema gives a default for. JSON Schema makes "default" a remark;
-- for the arguments of a handler it is meant, so it is put in before the check.

local copy = require("mcp.copy").deep
local value = require "mcp.value"
local limits = require "mcp.schema.limits"

local type, next = type, next
local is_array, is_object = value.is_array, value.is_object

local DEPTH = limits.with().depth

local defaults = {}

local compile

local function compile_members(properties, depth)
  local given, inner = {}, {}
  for name, schema in next, properties do
    if type(schema) == "table" then
      given[name] = schema.default
      inner[name] = compile(schema, depth + 1)
    end
  end
  if next(given) == nil and next(inner) == nil then return nil end
  return function(v)
    for name, default in next, given do
      if v[name] == nil then v[name] = copy(default) end
    end
    for name, fill in next, inner do
      if v[name] ~= nil then fill(v[name]) end
    end
  end
end

function compile(schema, depth)
  if type(schema) ~= "table" or depth > DEPTH then return nil end
  local members = type(schema.properties) == "table" and compile_members(schema.properties, depth)
  local item = compile(schema.items, depth + 1)
  if not members and not item then return nil end
  return function(v)
    if members and is_object(v) then
      members(v)
    elseif item and is_array(v) then
      for i = 1, #v do item(v[i]) end
    end
    return v
  end
end

--- A function that fills the defaults of `schema` into a value, in place, and returns it; nil if
--- there are none. Looks through "properties" and "items".
---@param schema table|boolean
---@return (fun(v: any): any)?
function defaults.compile(schema)
  return compile(schema, 0)
end

--- The same, done once.
---@param schema table|boolean
---@param v any  changed in place
---@return any v
function defaults.apply(schema, v)
  local fill = compile(schema, 0)
  return fill and fill(v) or v
end

return defaults
