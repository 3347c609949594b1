-- SPDX-License-Identifier: MIT
-- value.lua: how JSON looks in Lua. Null is the light userdata NULL, an array is a table with the
-- metatable array_mt or with something at [1], every other table is an object. The core decides
-- what null and array_mt are; nothing else may.

local type, math_type = type, math.type

-- The pure codecs stand in for the core where only they are built, as in the specs.
local function find_core()
  local reason
  for _, name in ipairs { "mcp.core", "codecs.json" } do
    local found, core = pcall(require, name)
    if found and type(core) == "table" and core.array_mt and core.is_array then return core end
    reason = reason or tostring(core)
  end
  -- It is there and cannot start: out of descriptors, for example.
  if not reason:find "^module 'mcp.core' not found" then error("mcp.core: " .. reason, 0) end
  error("mcp.core is not built: it holds the null and the arrays of JSON", 0)
end

local core = find_core()
local null, array_mt = core.null, core.array_mt

local value = {
  --- JSON null; the same value as lua-cjson's.
  null = null,
  --- The metatable that marks arrays.
  array_mt = array_mt,
  --- A check of objects in C, for mcp.schema; nil where only the codecs are built.
  members_check = core.members_check,
}

--- Marks a table as an array, so that it is one even when it is empty.
---@param t? table  a new one if absent
---@return table t
function value.array(t)
  if t ~= nil and type(t) ~= "table" then
    error("mcp.array: expected a table, got " .. type(t), 2)
  end
  return setmetatable(t or {}, array_mt)
end

---Lets what lua-cjson marks arrays with, where it is loaded, be arrays here too: its array_mt and
---empty_array_mt, and the value empty_array. Not every lua-cjson has them.
function value.learn_arrays()
  for _, module in ipairs { "cjson", "cjson.safe" } do
    local cjson = package.loaded[module]
    for _, name in ipairs { "array_mt", "empty_array_mt", "empty_array" } do
      local mark = type(cjson) == "table" and cjson[name]
      if type(mark) == "table" or (type(mark) == "userdata" and mark ~= null) then
        core.mark_array(mark)
      end
    end
  end
end

--- Is it an array: marked, or a table with an element? Every other table is an object.
value.is_array, value.is_object = core.is_array, core.is_object

---What a peer sent where an object is expected: any other type counts as absent.
---@param v any
---@return table v itself, or {} unless it is an object
function value.object(v) return value.is_object(v) and v or {} end

---The same for an array.
---@param v any
---@return any[] v itself, or {} unless it is an array
function value.list(v) return value.is_array(v) and v or {} end

--- The JSON name of what it is: "object", "array", "string", "integer", "number", "boolean" or
--- "null". A float without a fraction is an "integer", as JSON Schema has it. Lua's own name for
--- what JSON has not ("function", "nil").
---@param v any
---@return string
function value.kind(v)
  local t = type(v)
  if t == "table" then
    return core.is_array(v) and "array" or "object"
  elseif t == "number" then
    if math_type(v) == "integer" or v % 1 == 0 then return "integer" end
    return "number"
  elseif v == null then
    return "null"
  end
  return t
end

---Removes the members of an object that are null, for places where null means absent: many clients
---write null for every optional field that they do not use.
---@param object any changed in place; anything but a table is left as it is
---@param deep? boolean also in the objects inside it
---@return any object the same
function value.drop_nulls(object, deep)
  if type(object) ~= "table" then return object end
  for key, member in next, object do
    if member == null then
      object[key] = nil
    elseif deep and type(member) == "table" then
      value.drop_nulls(member, true)
    end
  end
  return object
end

---What stands at a path of object keys; nil if it is absent or null.
---@param v any
---@param path string[]
---@return any
function value.at(v, path)
  for _, step in ipairs(path) do
    if not value.is_object(v) then return nil end
    v = v[step]
  end
  if v == null then return nil end
  return v
end

return value
