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
local compile = require "mcp.later" "mcp.schema.compile"
local describe = require "mcp.schema.describe"
local nearest = require "mcp.nearest"
local error_in = require("mcp.options").error_in
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
      return nil, "expected names as keys, got a list (for a choice, use enum { ... })"
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
    local schema, message = construct(spec.kind, {})
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
function construct(kind, options)
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
shorthand.constructors = {}
for kind in pairs(OPTIONS) do
  shorthand.constructors[kind] = setmetatable({ kind = kind }, Constructor_mt)
end

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
