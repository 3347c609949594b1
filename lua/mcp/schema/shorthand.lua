-- SPDX-License-Identifier: MIT
-- shorthand.lua: schemas in a few words.
--
--   "number"  "string?"  "string[]"  "string[]?"    a type, optional, a list of it, both
--   { x = "integer" }                               an object with these members and no others
--   integer { min = 1, default = 3 }                a constructor with options
--   integer                                         a constructor without
--
-- A mistake raises at the line of whoever wrote it.

local value = require "mcp.value"
local compile = require "mcp.schema.compile"
local describe = require "mcp.schema.describe"
local nearest = require "mcp.nearest"
local limits = require "mcp.schema.limits"

local shorthand = {}

---@class mcp.schema.Spec  what a constructor returns
---@field schema table
---@field optional boolean

local Spec_mt = { __name = "mcp.schema.Spec" }
local Constructor_mt = { __name = "mcp.schema.Constructor" }

local TYPES = { "any", "array", "boolean", "integer", "null", "number", "object", "string" }
local IS_TYPE = {}
for _, name in ipairs(TYPES) do IS_TYPE[name] = true end

-- A member of a mistyped schema can hold itself.
local DEPTH = limits.with().depth

local convert, construct

-- The schema of an object with these members. nil and a message on a mistake.
local function object(members, depth)
  if depth > DEPTH then return nil, ("nested deeper than %d levels"):format(DEPTH) end
  local properties, required = {}, {}
  for name in pairs(members) do
    if type(name) ~= "string" then
      return nil, "names expected as keys, got a list (for a choice there is enum { ... })"
    end
  end
  for _, name in ipairs(nearest.keys(members)) do
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

local function from_text(text)
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
  for _ = 1, #lists // 2 do schema = { type = "array", items = schema } end
  return schema, mark == "?"
end

-- The schema of one spec and whether it is optional, or nil and what is wrong.
function convert(spec, depth)
  if type(spec) == "string" then return from_text(spec) end
  local mt = getmetatable(spec)
  if mt == Spec_mt then return spec.schema, spec.optional end
  if mt == Constructor_mt then
    local schema, message = construct(spec.kind, {})
    return schema, schema == nil and ("%s: %s"):format(spec.kind, message) or false
  end
  if type(spec) ~= "table" then
    return nil, ("a type expected, got %s"):format(describe.got(spec))
  end
  local schema, message = object(spec, depth)
  if not schema and type(spec.type) == "string" then
    message = message .. " (a table is an object with members; a type with options is written " ..
      "like string { description = ... })"
  end
  return schema, schema == nil and message or false
end

-- Option, keyword, Lua type of its value.
local function numbers()
  return {
    min = { "minimum", "number" }, max = { "maximum", "number" },
    above = { "exclusiveMinimum", "number" }, below = { "exclusiveMaximum", "number" },
    multiple_of = { "multipleOf", "number" },
  }
end

local OPTIONS = {
  string = {
    min = { "minLength", "number" }, max = { "maxLength", "number" },
    min_length = { "minLength", "number" }, max_length = { "maxLength", "number" },
    pattern = { "pattern", "string" }, format = { "format", "string" },
  },
  number = numbers(),
  integer = numbers(),
  boolean = {},
  any = {},
  enum = {},
  array = {
    min = { "minItems", "number" }, max = { "maxItems", "number" },
    min_items = { "minItems", "number" }, max_items = { "maxItems", "number" },
    unique = { "uniqueItems", "boolean" }, items = { "items" },
  },
  object = { properties = { "properties" }, additional = { "additionalProperties" } },
}

for _, options in pairs(OPTIONS) do
  options.description = { "description", "string" }
  options.title = { "title", "string" }
  options.default = { "default" }
  options.optional = { "optional", "boolean" }
end

-- Arguments that a client repeats in a header field; a number is written in too many ways.
for _, kind in ipairs { "string", "integer", "boolean", "enum" } do
  OPTIONS[kind].header = { "x-mcp-header", "string" }
end

-- What others call an option: the keywords of JSON Schema, and names of other libraries.
local MEANT = {
  minimum = "min", maximum = "max", ge = "min", le = "max", gt = "above", lt = "below",
  minLength = "min", maxLength = "max", minItems = "min", maxItems = "max", length = "max",
  exclusiveMinimum = "above", exclusiveMaximum = "below", multipleOf = "multiple_of",
  step = "multiple_of", uniqueItems = "unique", regex = "pattern", desc = "description",
  doc = "description", additionalProperties = "additional", required = "optional",
}

local function unknown_option(name, known)
  local meant = MEANT[name]
  if not meant or not known[meant] then
    return nearest.unknown("option", name, nearest.keys(known))
  end
  return ('unknown option "%s", did you mean "%s"?'):format(name, meant)
end

-- The type that all values of an enum have.
local function common_type(values)
  local common
  for _, one in ipairs(values) do
    local kind = value.kind(one)
    if common and kind ~= common then return nil end
    common = kind
  end
  return common
end

-- What the options of each kind mean beyond keywords with plain values; nil or a message.
local finish = {}

function finish.enum(schema, options)
  if #options == 0 then return "at least one value expected" end
  local values = value.array()
  for i, one in ipairs(options) do values[i] = one end
  schema.enum, schema.type = values, common_type(values)
end

function finish.array(schema, options)
  local items = options.items
  if items == nil then items = options[1] end
  if items == nil then return nil end
  local message
  schema.items, message = convert(items, 1)
  return not schema.items and message or nil
end

function finish.object(schema, options)
  local members = options.properties
  if members == nil then members = options[1] end
  local additional = options.additional
  if members ~= nil then
    if type(members) ~= "table" then return "properties: table expected" end
    local made, message = object(members, 1)
    if not made then return message end
    schema.properties, schema.required = made.properties, made.required
    if additional == nil then additional = false end
  end
  if type(additional) == "boolean" then
    schema.additionalProperties = additional
  elseif additional ~= nil then
    local made, message = convert(additional, 1)
    if not made then return "additional: " .. message end
    schema.additionalProperties = made
  end
end

-- The schema's default must hold for it, and a pattern must be one.
local function check(schema)
  if schema.default == nil and schema.pattern == nil then return nil end
  local good, root, bounds = pcall(compile.root, schema, { formats = true })
  if not good then
    return type(root) == "table" and root.complaint or error(root, 0)
  elseif schema.default ~= nil then
    local state = { steps = bounds.steps, depth = 0 }
    if not root.check(schema.default, state) or state.steps < 0 then
      -- Loaded only when there is something to report.
      local found = require("mcp.schema.report").new(state, 1)
      found:explain(root, schema.default)
      return "default: " .. (found.errors[1] and found.errors[1].message or "not valid")
    end
  end
end

-- The schema of `kind` with these options, or nil and a message.
function construct(kind, options)
  local known, schema = OPTIONS[kind], {}
  if kind ~= "any" and kind ~= "enum" then schema.type = kind end
  for name, given in pairs(options) do
    local option = known[name]
    local positional = math.type(name) == "integer"
      and (kind == "enum" or name == 1 and (kind == "array" or kind == "object"))
    if not option and not positional then
      return nil, unknown_option(name, known)
    elseif option and option[2] and type(given) ~= option[2] then
      return nil, ('option "%s": %s expected, got %s'):format(name, option[2], describe.got(given))
    elseif option then
      schema[option[1]] = given
    end
  end
  schema.optional = nil
  local message = finish[kind] and finish[kind](schema, options)
  message = message or check(schema)
  if message then return nil, message end
  return schema
end

function Constructor_mt.__call(self, options, ...)
  local kind = self.kind
  if type(options) ~= "table" or getmetatable(options) == Spec_mt or select("#", ...) > 0 then
    error(("%s: one table of options expected, got %s"):format(kind, describe.got(options)), 2)
  end
  local schema, message = construct(kind, options)
  if not schema then error(("%s: %s"):format(kind, message), 2) end
  return setmetatable({
    schema = schema,
    optional = options.optional or options.default ~= nil,
  }, Spec_mt)
end

---@type table<string, fun(options: table): mcp.schema.Spec>
shorthand.constructors = {}
for kind in pairs(OPTIONS) do
  shorthand.constructors[kind] = setmetatable({ kind = kind }, Constructor_mt)
end

--- The schema that a shorthand means: for a plain table an object with its members, those that are
--- not optional required, and no others allowed.
---@param spec any
---@param level? integer  whose line a mistake is blamed on: 1, the caller, if absent; 0 names none
---@return table schema
function shorthand.schema(spec, level)
  local schema, message = convert(spec, 1)
  if not schema then error(message, level == 0 and 0 or (level or 1) + 1) end
  return schema
end

return shorthand
