-- SPDX-License-Identifier: MIT
-- form: the schema of what a user is asked for (protocol, Elicitation): one flat object whose
-- members are strings, numbers, booleans and choices. Checks it, shapes it as a revision knows it,
-- and checks what came back. Knows nothing of messages.
local nearest = require "mcp.nearest"
local value = require "mcp.value"

local form = {}

local COMMON = { type = "string", title = "string", description = "string" }

local function with(more)
  for key, kind in pairs(COMMON) do more[key] = kind end
  return more
end

-- What each kind of member may say, and of which type that is.
local KEYWORDS = {
  string = with { minLength = "number", maxLength = "number", format = "string",
    default = "string", enum = "table", enumNames = "table", oneOf = "table" },
  number = with { minimum = "number", maximum = "number", default = "number" },
  boolean = with { default = "boolean" },
  array = with { minItems = "number", maxItems = "number", items = "table", default = "table" },
}
KEYWORDS.integer = KEYWORDS.number

local FORMATS = { email = true, uri = true, date = true, ["date-time"] = true }

-- A list of strings, marked as an array; nil if it is none.
local function strings(list, empty)
  if type(list) ~= "table" or not (empty or list[1] ~= nil) then return nil end
  local out = value.array {}
  for i = 1, #list do
    if type(list[i]) ~= "string" then return nil end
    out[i] = list[i]
  end
  return out
end

-- The choices { const, title }; nil and what is wrong.
local function titled(keyword, list)
  local out = value.array {}
  for i, item in ipairs(list) do
    if type(item) ~= "table" or type(item.const) ~= "string" or type(item.title) ~= "string" then
      return nil, ("%s[%d]: { const = \"…\", title = \"…\" } expected"):format(keyword, i)
    end
    out[i] = { const = item.const, title = item.title }
  end
  if not out[1] then return nil, keyword .. ": at least one choice expected" end
  return out
end

local function check_choice(out)
  if out.enum and out.oneOf then return nil, "enum or oneOf, not both" end
  if out.enum then
    out.enum = strings(out.enum)
    if not out.enum then return nil, "enum: a list of strings expected" end
  end
  if out.enumNames then
    out.enumNames = strings(out.enumNames)
    if not out.enumNames or not out.enum or #out.enumNames ~= #out.enum then
      return nil, "enumNames: a list of strings as long as enum expected"
    end
  end
  if out.oneOf then
    local list, message = titled("oneOf", out.oneOf)
    if not list then return nil, message end
    out.oneOf = list
  end
  if out.format and not FORMATS[out.format] then
    return nil, ("format: one of %s expected, got %q"):format(nearest.list(nearest.keys(FORMATS)),
      out.format)
  end
  return out
end

-- A choice of several.
local function check_several(out)
  local items, inner = out.items
  if not items then return nil, "items: the choices expected" end
  for key in pairs(items) do
    if key ~= "type" and key ~= "enum" and key ~= "anyOf" then
      return nil, ("items: %s: only a choice of strings can be asked for"):format(tostring(key))
    end
  end
  if items.enum then
    if items.type ~= nil and items.type ~= "string" then
      return nil, "items: a choice is made of strings"
    end
    inner = strings(items.enum)
    if not inner then return nil, "items.enum: a list of strings expected" end
    out.items = { type = "string", enum = inner }
  elseif type(items.anyOf) == "table" then
    local list, message = titled("items.anyOf", items.anyOf)
    if not list then return nil, message end
    out.items = { anyOf = list }
  else
    return nil, "items: only a choice of strings (enum or anyOf) can be asked for"
  end
  if out.default then
    out.default = strings(out.default, true)
    if not out.default then return nil, "default: a list of strings expected" end
  end
  return out
end

-- One member of a form, copied; nil and what is wrong.
local function check_member(given)
  if type(given) ~= "table" then return nil, "a schema expected, got " .. value.kind(given) end
  local kind = given.type
  if kind == nil and given.oneOf then kind = "string" end
  local known = KEYWORDS[kind]
  if given.enum and kind ~= "string" and kind ~= "array" then
    return nil, "a choice is made of strings"
  end
  if not known then
    return nil, ("a form asks for strings, numbers, booleans and choices, not for %s")
      :format(kind == nil and "anything" or tostring(kind))
  end
  local out = {}
  for key, member in pairs(given) do
    if not known[key] then
      return nil, ("%s: a form has no such keyword for %s"):format(tostring(key), kind)
    end
    if type(member) ~= known[key] then
      return nil, ("%s: %s expected, got %s"):format(key, known[key], type(member))
    end
    out[key] = member
  end
  out.type = kind
  if kind == "string" then return check_choice(out) end
  if kind == "array" then return check_several(out) end
  return out
end

local ROOT = { type = true, properties = true, required = true, ["$schema"] = true,
  additionalProperties = true }

-- The whole, if it is written as a schema.
local function check_root(given)
  for key in pairs(given) do
    if not ROOT[key] then return nil, ("%s: a form has no such keyword"):format(tostring(key)) end
  end
  if type(given.properties) ~= "table" then return nil, "properties: an object expected" end
  if given.required ~= nil and not strings(given.required, true) then
    return nil, "required: a list of names expected"
  end
  return given
end

---Reads the schema of a form, in shorthand or in full, into a copy of its own.
---@param given any
---@return table|nil schema
---@return string|nil message what is wrong with it
function form.read(given)
  if type(given) ~= "table" then
    return nil, "schema: table expected, got " .. (given == nil and "nothing" or type(given))
  end
  local full = given
  if given.type ~= "object" then
    local ok, made = pcall(require("mcp.schema").from_shorthand, given, 0)
    if not ok then return nil, "schema: " .. tostring(made) end
    full = made
  end
  local good, message = check_root(full)
  if not good then return nil, "schema: " .. message end
  local schema = { type = "object", properties = {},
    required = full.required and strings(full.required, true) }
  for name, member in pairs(full.properties) do
    local made
    made, message = check_member(member)
    if not made then return nil, ("schema: %q: %s"):format(tostring(name), message) end
    schema.properties[name] = made
  end
  for _, name in ipairs(schema.required or {}) do
    if not schema.properties[name] then
      return nil, ("schema: required: there is no %q"):format(name)
    end
  end
  local check
  check, message = require("mcp.schema").compile(schema)
  if not check then return nil, "schema: " .. message end
  return schema
end

-- A member as the first revision with forms knows it: choices by enum and enumNames, and no
-- defaults but of booleans. nil: not at all.
local function plain_member(member)
  if member.type == "array" then return nil end
  local out = {}
  for key, given in pairs(member) do out[key] = given end
  if out.type ~= "boolean" then out.default = nil end
  if out.oneOf then
    out.enum, out.enumNames, out.oneOf = value.array {}, value.array {}, nil
    for i, choice in ipairs(member.oneOf) do
      out.enum[i], out.enumNames[i] = choice.const, choice.title
    end
  end
  return out
end

---The schema as a revision knows it.
---@param facts table
---@param schema table what form.read made
---@return table|nil schema
---@return string|nil message what the revision cannot ask for
function form.shape(facts, schema)
  if facts.elicitation == "full" then return schema end
  local required, out = {}, { type = "object", properties = {}, required = schema.required }
  for _, name in ipairs(schema.required or {}) do required[name] = true end
  for name, member in pairs(schema.properties) do
    local made = plain_member(member)
    if not made and required[name] then
      return nil, ("%q: clients of protocol revision %s cannot be asked for several of a choice")
        :format(name, facts.name)
    end
    out.properties[name] = made
  end
  return out
end

-- Fills in defaults. A field that is required is the user's to fill in, whatever its default.
local function add_defaults(schema, content)
  local required = {}
  for _, name in ipairs(schema.required or {}) do required[name] = true end
  for name, member in pairs(schema.properties) do
    local default = member.default
    if content[name] == nil and default ~= nil and not required[name] then
      if type(default) == "table" then
        default = value.array(table.move(default, 1, #default, 1, {}))
      end
      content[name] = default
    end
  end
end

---Checks what a user has filled in.
---@param schema table what form.shape made
---@param content any
---@param full table|nil what form.read made, which has the defaults that some revisions cannot show
---@return table|nil content what was asked for and nothing else, with defaults for what is missing
---@return string|nil message what is wrong with it, a line for each
function form.check(schema, content, full)
  if not value.is_object(content) then return nil, "content: object expected" end
  local json_schema = require "mcp.schema"
  local out = {}
  for name in pairs(schema.properties) do out[name] = content[name] end
  value.drop_nulls(out)
  add_defaults(full or schema, out)
  local check = assert(json_schema.compile(schema, { formats = true }))
  local ok, errors = check(out)
  if not ok then return nil, json_schema.explain(errors, out, schema, "field") end
  return json_schema.apply_integers(schema, out)
end

return form
