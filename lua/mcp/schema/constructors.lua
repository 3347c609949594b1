-- SPDX-License-Identifier: MIT
-- constructors.lua: the types of the shorthand that have options: integer { min = 1, default = 3 }.
-- Loaded by programs that use one.

local compile = require "mcp.later" "mcp.schema.compile"
local describe = require "mcp.later" "mcp.schema.describe"
local error_in = require("mcp.options").error_in
local shorthand = require "mcp.schema.shorthand"
local value = require "mcp.value"

local constructors = {}

local Spec_mt, Constructor_mt = shorthand.spec_mt, shorthand.constructor_mt
local convert, object = shorthand.convert, shorthand.object

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

-- Arguments that a client repeats in a header field. Not numbers, which have several spellings.
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

-- The types of the options of each kind, for the checker.
local TYPES_OF = {}
for kind, options in pairs(OPTIONS) do
  TYPES_OF[kind] = {}
  for name, option in pairs(options) do TYPES_OF[kind][name] = option[2] or "any" end
end

-- What is wrong with the named options, or nil.
local function complaint(kind, named)
  local known = TYPES_OF[kind]
  for name in pairs(named) do
    local meant = MEANT[name]
    if meant and known[meant] and not known[name] then
      return ('unknown option "%s", did you mean "%s"?'):format(name, meant)
    end
  end
  return error_in(named, known)
end

-- The type that all values of an enum have.
local function common_type(values)
  local common
  for _, entry in ipairs(values) do
    local kind = value.kind(entry)
    if common and kind ~= common then return nil end
    common = kind
  end
  return common
end

-- What the options of each kind mean beyond keywords with plain values; nil or a message.
local finish = {}

function finish.enum(schema, options)
  local values, last = value.array(), 0
  for i in pairs(options) do
    if math.type(i) == "integer" and i > last then last = i end
  end
  if last == 0 then return "expected at least one value" end
  for i = 1, last do
    if options[i] == nil then
      return ("value %d is nil; a name without quotes is a variable"):format(i)
    end
    values[i] = options[i]
  end
  schema.enum, schema.type = values, common_type(values)
end

function finish.array(schema, options)
  local items = options.items
  if items == nil then items = options[1] end
  if items == nil then return nil end
  local message
  schema.items, message = convert(items, 2)
  return not schema.items and message or nil
end

function finish.object(schema, options)
  local members = options.properties
  if members == nil then members = options[1] end
  local additional = options.additional
  if members ~= nil then
    if type(members) ~= "table" then return "properties: expected a table" end
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
local function construct(kind, options)
  local known, schema, named = OPTIONS[kind], {}, {}
  if kind ~= "any" and kind ~= "enum" then schema.type = kind end
  for name, given in pairs(options) do
    local positional = math.type(name) == "integer"
      and (kind == "enum" or name == 1 and (kind == "array" or kind == "object"))
    if not positional then named[name] = given end
  end
  local message = complaint(kind, named)
  if message then return nil, message end
  for name, given in pairs(named) do schema[known[name][1]] = given end
  schema.optional = nil
  message = finish[kind] and finish[kind](schema, options)
  message = message or check(schema)
  if message then return nil, message end
  return schema
end

Constructor_mt.construct = construct

function Constructor_mt.__call(self, options, ...)
  local kind = self.kind
  if type(options) ~= "table" or getmetatable(options) == Spec_mt or select("#", ...) > 0 then
    error(("%s: expected one table of options, got %s"):format(kind, describe.got(options)), 2)
  end
  local schema, message = construct(kind, options)
  if not schema then error(("%s: %s"):format(kind, message), 2) end
  -- A type that is an unknown variable is nil, and looks as if it were left out.
  if kind == "array" and not schema.items then
    error('list: expected the type of the items, such as mcp.list { "string" }; "any" for any', 2)
  end
  return setmetatable({
    schema = schema,
    optional = options.optional or options.default ~= nil,
  }, Spec_mt)
end

---@type table<string, fun(options: table): mcp.schema.Spec>
constructors.by_name = {}
for kind in pairs(OPTIONS) do
  constructors.by_name[kind] = setmetatable({ kind = kind }, Constructor_mt)
end

return constructors
