-- SPDX-License-Identifier: MIT
-- plain.lua: what most schemas of arguments are: known keywords with values that cannot be wrong.
-- They are found right by a look at them, which makes nothing; the compiler (compile.lua) is asked
-- about all others, so it alone knows what is wrong with a schema. And the plainest, an object of
-- strings, numbers and booleans, is checked without it, until a value is refused.

local value = require "mcp.value"

local type, next, getmetatable, tointeger = type, next, getmetatable, math.tointeger
local null, array_mt = value.null, value.array_mt

local plain = {}

-- Far within limits.lua: what is larger is the compiler's to judge.
local DEPTH, VALUES = 16, 500

local TYPES = { string = true, number = true, integer = true, boolean = true, null = true,
  array = true, object = true }
-- The types that the check in C knows.
local FLAT = { string = true, number = true, integer = true, boolean = true }

-- Each of these gets what stands at the keyword, the depth, and how many values there may still be;
-- it returns how many are left, or nil where it is not certain.
local holds

local function is_text(v, _, left) return type(v) == "string" and left or nil end
local function is_flag(v, _, left) return type(v) == "boolean" and left or nil end

local function is_number(v, _, left)
  return type(v) == "number" and v == v and left or nil
end

local function is_count(v, _, left)
  local count = type(v) == "number" and tointeger(v)
  return count and count >= 0 and left or nil
end

local function is_scalar(v, _, left)
  local t = type(v)
  return (t == "string" or t == "boolean" or t == "number" and v == v or v == null) and left or nil
end

local function is_list(v)
  local mt = getmetatable(v)
  return type(v) == "table" and (mt == nil or mt == array_mt)
end

-- A list, each of its items by `fits`.
local function list_of(fits, needs_one)
  return function(v, depth, left)
    if not is_list(v) or needs_one and v[1] == nil then return nil end
    local count = #v
    for key, item in next, v do
      if not (tointeger(key) and key >= 1 and key <= count) then return nil end
      left = left > 0 and fits(item, depth, left - 1)
      if not left then return nil end
    end
    return left
  end
end

local function is_schema(v, depth, left)
  if type(v) == "boolean" then return left end
  return holds(v, depth + 1, left)
end

local function is_type(v, _, left) return TYPES[v] and left or nil end

local is_types = list_of(is_type, true)

local function are_schemas(v, depth, left)
  if type(v) ~= "table" or getmetatable(v) ~= nil then return nil end
  for name, schema in next, v do
    if type(name) ~= "string" then return nil end
    left = left > 0 and is_schema(schema, depth, left - 1)
    if not left then return nil end
  end
  return left
end

local KEYWORDS = {
  type = function(v, depth, left)
    if TYPES[v] then return left end
    return is_types(v, depth, left)
  end,
  title = is_text, description = is_text, format = is_text, ["x-mcp-header"] = is_text,
  default = is_scalar, const = is_scalar, examples = list_of(is_scalar),
  enum = list_of(is_scalar, true),
  minimum = is_number, maximum = is_number, exclusiveMinimum = is_number,
  exclusiveMaximum = is_number,
  minLength = is_count, maxLength = is_count, minItems = is_count, maxItems = is_count,
  minProperties = is_count, maxProperties = is_count, uniqueItems = is_flag,
  properties = are_schemas, required = list_of(is_text), additionalProperties = is_schema,
  items = is_schema,
  anyOf = list_of(is_schema, true), oneOf = list_of(is_schema, true),
  allOf = list_of(is_schema, true),
}

function holds(schema, depth, left)
  if type(schema) ~= "table" or getmetatable(schema) ~= nil or depth > DEPTH then return nil end
  for keyword, v in next, schema do
    local fits = KEYWORDS[keyword]
    left = fits and left > 0 and fits(v, depth, left - 1)
    if not left then return nil end
  end
  return left
end

--- Is the schema certainly one that compiles? false says nothing.
---@param schema any
---@return boolean
function plain.is_sound(schema)
  return type(schema) == "boolean" or holds(schema, 0, VALUES) ~= nil
end

-- Keywords that decide nothing.
local REMARKS = { title = true, description = true, default = true, examples = true,
  format = true, ["x-mcp-header"] = true }
local OF_OBJECTS = { type = true, properties = true, required = true, additionalProperties = true,
  title = true, description = true, examples = true }

-- The type of each member of an object of scalars; nil if it is another schema.
local function members_of(schema)
  if type(schema) ~= "table" or schema.type ~= "object" or type(schema.properties) ~= "table" then
    return nil
  end
  for keyword in next, schema do
    if not OF_OBJECTS[keyword] then return nil end
  end
  local known = {}
  for name, member in next, schema.properties do
    if type(member) ~= "table" or not FLAT[member.type] then return nil end
    for keyword in next, member do
      if keyword ~= "type" and not REMARKS[keyword] then return nil end
    end
    known[name] = member.type
  end
  return known
end

-- The check in C of such an object, which gives what does not fit to `other`.
local function flat(schema, other, itself)
  if not value.members_check or not plain.is_sound(schema) then return nil end
  local known = members_of(schema)
  local open = known and schema.additionalProperties
  if not known or type(open) == "table" then return nil end
  return value.members_check(known, schema.required or {}, other, open ~= false, true, itself)
end

--- A validator like that of schema.compile, for an object whose members are strings, numbers,
--- integers and booleans; nil for all other schemas. It knows what fits; what does not is given to
--- `compile`, whose validator has the last word: there are floats that are integers, tables with a
--- metatable, and reasons.
---@param schema any
---@param compile fun(schema: table): function
---@return (fun(value: any): boolean, (mcp.schema.Error[]|true)?)? validator
function plain.validator(schema, compile)
  local whole
  return flat(schema, function(v)
    whole = whole or compile(schema)
    return whole(v)
  end)
end

--- What returns a value for which such a validator returns true and false; all others are given to
--- `other`, whose results are returned.
---@param schema any
---@param other fun(value: any): any ...
---@return (fun(value: any): any ...)? reader
function plain.reader(schema, other) return flat(schema, other, true) end

return plain
