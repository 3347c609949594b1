-- SPDX-License-Identifier: MIT
-- shorthand.lua: schemas in a few words.
--
--   "number"  "string?"  "string[]"  "string[]?"    a type, optional, a list of it, both
--   { x = "integer" }                               an object with these members and no others
--   integer { min = 1, default = 3 }                a constructor with options
--   integer                                         a constructor without
--
-- An error in a schema is raised at the user's line.

local value = require "mcp.value"
local describe = require "mcp.later" "mcp.schema.describe"
local keys = require "mcp.keys"
local nearest = require "mcp.later" "mcp.nearest"
local limits = require "mcp.schema.limits"

local shorthand = {}

---@class mcp.schema.Spec  what a constructor returns
---@field schema table
---@field optional boolean

local Spec_mt = { __name = "mcp.schema.Spec" }
local Constructor_mt = { __name = "mcp.schema.Constructor" }

---The metatables of what a constructor returns, and of constructors: see constructors.lua.
shorthand.spec_mt, shorthand.constructor_mt = Spec_mt, Constructor_mt

local TYPES = { "any", "array", "boolean", "integer", "null", "number", "object", "string" }
local IS_TYPE = {}
for _, name in ipairs(TYPES) do IS_TYPE[name] = true end

-- A member of a mistyped schema can hold itself.
local DEPTH = limits.with().depth

local convert

-- The schema of an object with these members. nil and a message on a mistake.
local function object(members, depth)
  if depth > DEPTH then return nil, ("nested deeper than %d levels"):format(DEPTH) end
  local properties, required = {}, {}
  for name in pairs(members) do
    if type(name) ~= "string" then
      return nil, "expected names as keys, got a list (for a choice, use enum { ... })"
    end
  end
  for _, name in ipairs(keys(members)) do
    local schema, optional = convert(members[name], depth + 1)
    if not schema then
      -- "outer": "inner": text becomes "outer.inner": text.
      local inner, text = optional:match '^"([^"]*)": (.*)$'
      if inner then return nil, ('"%s.%s": %s'):format(name, inner, text) end
      return nil, ('"%s": %s'):format(name, optional)
    end
    properties[name] = schema
    if not optional then required[#required + 1] = name end
  end
  return {
    type = "object", properties = properties, additionalProperties = false,
    required = #required > 0 and value.array(required) or nil,
  }
end

-- Types without brackets, as they were read, with whether they are optional.
local read = {}

local function from_text(text)
  local optional = read[text]
  if optional ~= nil then
    return { type = optional and text:sub(1, -2) or text }, optional
  end
  local name, lists, mark = text:match "^(%a+)([%[%]]*)(%??)$"
  if not name or lists:gsub("%[%]", "") ~= "" then
    return nil, ('bad type %s, expected one like "string", "string?" or "string[]"')
      :format(describe.quote(text))
  elseif not IS_TYPE[name] then
    local meant = nearest.find(name, TYPES)
    return nil, ("unknown type %s, expected one of %s%s"):format(describe.quote(text),
      table.concat(TYPES, ", "), meant and ('; did you mean "%s"?'):format(meant) or "")
  end
  local schema = {}
  if name ~= "any" then schema.type = name end
  if lists == "" and name ~= "any" then read[text] = mark == "?" end
  for _ = 1, #lists // 2 do schema = { type = "array", items = schema } end
  return schema, mark == "?"
end

-- What is often written where its name in quotes is meant.
local LIBRARIES = { [string] = 'write "string" in quotes, or mcp.string',
  [table] = 'write "object" or "array" in quotes' }

-- The schema of one spec and whether it is optional, or nil and what is wrong.
function convert(spec, depth)
  if type(spec) == "string" then return from_text(spec) end
  local mt = getmetatable(spec)
  if mt == Spec_mt then return spec.schema, spec.optional end
  if mt == Constructor_mt then
    local schema, message = Constructor_mt.construct(spec.kind, {})
    return schema, schema == nil and ("%s: %s"):format(spec.kind, message) or false
  end
  if type(spec) ~= "table" then
    return nil, ("expected a type, got %s"):format(describe.got(spec))
  elseif LIBRARIES[spec] then
    return nil, "expected a type, got a library of Lua: " .. LIBRARIES[spec]
  elseif depth > 1 and next(spec) == nil then
    return nil, 'an empty table allows no members: name them, or write "object" for any'
  end
  local schema, message = object(spec, depth)
  if not schema and type(spec.type) == "string" then
    message = message .. " (a table is an object with members; write a type with options as " ..
      "string { description = ... })"
  end
  return schema, schema == nil and message or false
end

---For constructors.lua: the schema of one spec and whether it is optional, or nil and a message.
---@param spec any
---@param depth integer
---@return table|nil schema, boolean|string optional_or_message
function shorthand.convert(spec, depth) return convert(spec, depth) end

---For constructors.lua: the schema of an object with these members, or nil and a message.
---@param members table
---@param depth integer
---@return table|nil schema, string|nil message
function shorthand.object(members, depth) return object(members, depth) end

--- The schema that a shorthand means: for a plain table an object with its members, those that are
--- not optional required, and no others allowed.
---@param spec any
---@param level? integer  the position of an error: 1, the default, is the caller; 0 names no line
---@return table schema
function shorthand.schema(spec, level)
  local schema, message = convert(spec, 1)
  if not schema then error(message, level == 0 and 0 or (level or 1) + 1) end
  return schema
end

--- Is this a shorthand without constructors, whose schema therefore compiles? false says nothing.
---@param spec any  that shorthand.schema has made a schema of
---@return boolean
function shorthand.is_sound(spec)
  if type(spec) ~= "table" or getmetatable(spec) ~= nil then return false end
  for _, member in next, spec do
    if type(member) ~= "string" then return false end
  end
  return true
end

return shorthand
