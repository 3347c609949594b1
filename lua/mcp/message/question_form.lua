-- SPDX-License-Identifier: MIT
-- form: the schema of what a user is asked for (protocol, Elicitation): one flat object whose
-- members are strings, numbers, booleans and choices. Checks it, shapes it as a revision knows it,
-- and checks what came back. Knows nothing of messages.
local error_in = require("mcp.options").error_in
local nearest = require "mcp.nearest"
local value = require "mcp.value"

local form = {}

local COMMON = { type = "string", title = "string", description = "string" }

local function with(more)
  for key, kind in pairs(COMMON) do more[key] = kind end
  return more
end

-- The keywords of each kind of member, and their types.
local KEYWORDS = {
  string = with { minLength = "number", maxLength = "number", format = "string",
    default = "string", enum = "table", enumNames = "table", oneOf = "table" },
  number = with { minimum = "number", maximum = "number", default = "number" },
  boolean = with { default = "boolean" },
  array = with { minItems = "number", maxItems = "number", items = "table", default = "table" },
}
KEYWORDS.integer = KEYWORDS.number

local FORMATS = { email = true, uri = true, date = true, ["date-time"] = true }

-- A list of strings, marked as an array; nil if the value is anything else.
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
      return nil, ("%s[%d]: expected { const = \"…\", title = \"…\" }"):format(keyword, i)
    end
    out[i] = { const = item.const, title = item.title }
  end
  if not out[1] then return nil, keyword .. ": expected at least one choice" end
  return out
end

local function check_choice(out)
  if out.enum and out.oneOf then return nil, "expected enum or oneOf, got both" end
  if out.enum then
    out.enum = strings(out.enum)
    if not out.enum then return nil, "enum: expected a list of strings" end
  end
  if out.enumNames then
    out.enumNames = strings(out.enumNames)
    if not out.enumNames or not out.enum or #out.enumNames ~= #out.enum then
      return nil, "enumNames: expected a list of strings as long as enum"
    end
  end
  if out.oneOf then
    local list, message = titled("oneOf", out.oneOf)
    if not list then return nil, message end
    out.oneOf = list
  end
  if out.format and not FORMATS[out.format] then
    return nil, ("format: expected one of %s, got %q"):format(nearest.list(nearest.keys(FORMATS)),
      out.format)
  end
  return out
end

-- A choice of several values.
local function check_several(out)
  local items, inner = out.items
  if not items then return nil, "items: expected the choices" end
  for key in pairs(items) do
    if key ~= "type" and key ~= "enum" and key ~= "anyOf" then
      return nil, ("items: expected a choice of strings (enum or anyOf), got %s")
        :format(tostring(key))
    end
  end
  if items.enum then
    if items.type ~= nil and items.type ~= "string" then
      return nil, "items: expected a choice of strings"
    end
    inner = strings(items.enum)
    if not inner then return nil, "items.enum: expected a list of strings" end
    out.items = { type = "string", enum = inner }
  elseif type(items.anyOf) == "table" then
    local list, message = titled("items.anyOf", items.anyOf)
    if not list then return nil, message end
    out.items = { anyOf = list }
  else
    return nil, "items: expected a choice of strings (enum or anyOf)"
  end
  if out.default then
    out.default = strings(out.default, true)
    if not out.default then return nil, "default: expected a list of strings" end
  end
  return out
end

-- One member of a form, copied; nil and what is wrong.
local function check_member(given)
  if type(given) ~= "table" then return nil, "expected a schema, got " .. value.kind(given) end
  local kind = given.type
  if kind == nil and given.oneOf then kind = "string" end
  local known = KEYWORDS[kind]
  if given.enum and kind ~= "string" and kind ~= "array" then
    return nil, "expected a choice of strings"
  end
  if not known then
    return nil, ("expected a string, number, boolean or choice, got %s")
      :format(kind == nil and "anything" or tostring(kind))
  end
  local out, wrong = {}, error_in(given, known, "keyword")
  if wrong then return nil, wrong end
  for key, member in pairs(given) do out[key] = member end
  out.type = kind
  if kind == "string" then return check_choice(out) end
  if kind == "array" then return check_several(out) end
  return out
end

local ROOT = { type = "any", properties = "table", required = "any", ["$schema"] = "any",
  additionalProperties = "any" }

-- The whole form, if it is written as a schema.
local function check_root(given)
  local wrong = error_in(given, ROOT, "keyword")
  if wrong then return nil, wrong end
  if not given.properties then return nil, "properties: expected an object, got nothing" end
  if given.required ~= nil and not strings(given.required, true) then
    return nil, "required: expected a list of names"
  end
  return given
end

---Reads the schema of a form, in shorthand or in full, into a copy of its own.
---@param given any
---@return table|nil schema
---@return string|nil message what is wrong with it
function form.read(given)
  if type(given) ~= "table" then
    return nil, "schema: expected a table, got " .. (given == nil and "nothing" or type(given))
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
      return nil, ("schema: required: %q is not one of the properties"):format(name)
    end
  end
  local check
  check, message = require("mcp.schema").compile(schema)
  if not check then return nil, "schema: " .. message end
  return schema
end

-- A member in the form of the first revision with forms: choices by enum and enumNames, and
-- defaults for booleans alone. nil if that revision cannot express it.
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

---The schema in the form of a revision.
---@param facts table
---@param schema table as form.read returns it
---@return table|nil schema
---@return string|nil message what the revision cannot ask for
function form.shape(facts, schema)
  if facts.elicitation == "full" then return schema end
  local required, out = {}, { type = "object", properties = {}, required = schema.required }
  for _, name in ipairs(schema.required or {}) do required[name] = true end
  for name, member in pairs(schema.properties) do
    local made = plain_member(member)
    if not made and required[name] then
      return nil, ("%q: protocol revision %s has no choice of several values")
        :format(name, facts.name)
    end
    out.properties[name] = made
  end
  return out
end

-- Fills in defaults, except for required fields, which the user must fill in.
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

---Checks the answers of a user.
---@param schema table as form.shape returns it
---@param content any
---@param full table|nil as form.read returns it, with defaults that some revisions cannot show
---@return table|nil content the fields of the form alone, completed with defaults
---@return string|nil message what is wrong with it, a line for each
function form.check(schema, content, full)
  if not value.is_object(content) then return nil, "content: expected an object" end
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
