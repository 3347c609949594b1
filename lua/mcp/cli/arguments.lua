-- SPDX-License-Identifier: MIT
-- arguments: words of the command line become the arguments of a tool or prompt:
--
--   key=text     by the type that the schema gives to `key`
--   key:=json    JSON
--   key=@file    the contents of a file; key=- and key=@- standard input
--   @file, -     all arguments, as a JSON object
--
-- A text that begins with @ is written as JSON: key:='"@home"'.
local core = require "mcp.core"
local foreign = require "mcp.foreign"
local nearest = require "mcp.nearest"
local signature = require "mcp.signature"
local value = require "mcp.value"

local arguments = {}

local function read_file(path)
  if path == "-" then return io.stdin:read "a" end
  local file, text = io.open(path, "rb")
  if not file then return nil, text end
  local bytes
  bytes, text = file:read "a"
  file:close()
  return bytes, text
end

local TYPES = {}

function TYPES.integer(text)
  return math.tointeger(tonumber(text)), "an integer"
end

function TYPES.number(text)
  local number = text:find "^[%d.+-]" and tonumber(text)
  return number or nil, "a number"
end

local BOOLEANS = { ["true"] = true, ["1"] = true, yes = true, on = true, ["false"] = false,
  ["0"] = false, no = false, off = false }

function TYPES.boolean(text)
  return BOOLEANS[text:lower()], "true or false"
end

function TYPES.null(text)
  if text == "null" or text == "" then return value.null end
  return nil, "null"
end

local function from_json(text, kind)
  local decoded = core.decode(text)
  if type(decoded) == "table" and value.kind(decoded) == kind then return decoded end
  return nil, ("a JSON %s"):format(kind)
end

function TYPES.array(text) return from_json(text, "array") end
function TYPES.object(text) return from_json(text, "object") end
function TYPES.string(text) return text end

-- The most specific types first: what a text could be is a string last.
local ORDER = { "null", "boolean", "integer", "number", "array", "object", "string" }

local convert

-- The first of several schemas that takes the text; strings last.
local function convert_choice(text, choice, root, budget)
  local as_string
  for _, each in ipairs(choice) do
    local schema = signature.follow(each, root)
    budget.left = budget.left - 1
    if budget.left < 0 then break end
    if schema.type == "string" then
      as_string = text
    else
      local got = convert(text, each, root, budget)
      if got ~= nil then return got end
    end
  end
  if as_string then return as_string end
  return nil, "one of the types of the schema"
end

function convert(text, schema, root, budget)
  local choice
  schema, choice = signature.follow(schema, root)
  if choice then
    return convert_choice(text, choice, root, budget or { left = signature.SCHEMAS })
  end
  local wanted = schema.type
  if type(schema.enum) == "table" then
    for _, member in ipairs(schema.enum) do
      if tostring(member) == text then return member end
    end
    if wanted == nil or wanted == "string" then return text end -- the server says what it allows
  end
  if type(wanted) == "table" then
    local set = {}
    wanted = foreign.strings(wanted)
    for _, name in ipairs(wanted) do set[name] = true end
    for _, name in ipairs(ORDER) do
      local got = set[name] and TYPES[name](text)
      if got ~= nil and got ~= false or set[name] and got == false and name == "boolean" then
        return got
      end
    end
    return nil, "one of " .. table.concat(wanted, ", ")
  end
  local by = TYPES[foreign.string(wanted) or ""]
  if not by then return text end
  local got, expected = by(text)
  if got == nil then return nil, expected end
  return got
end

local function whole_object(word)
  local text, reason = read_file(word == "-" and "-" or word:sub(2))
  if not text then return nil, reason end
  local decoded, wrong = core.decode(text)
  if type(decoded) ~= "table" or value.kind(decoded) ~= "object" then
    return nil, ("%s: expected a JSON object%s"):format(word, wrong and ": " .. wrong or "")
  end
  return decoded
end

---Reads the words.
---@param words string[]
---@param schema table|nil the JSON Schema of the arguments, an object's
---@return table|nil arguments
---@return string|nil text what is wrong
function arguments.read(words, schema)
  local out = {}
  local properties = foreign.object(foreign.object(schema).properties)
  for _, word in ipairs(words) do
    local key, json = word:match "^([^=:]+):=(.*)$"
    local text
    if not key then key, text = word:match "^([^=]+)=(.*)$" end
    if word == "-" or not key and word:sub(1, 1) == "@" then
      local given, reason = whole_object(word)
      if not given then return nil, reason end
      for name, member in pairs(given) do out[name] = member end
    elseif not key then
      return nil, ("%s: expected key=value, key:=json, @file or -%s"):format(word,
        word:find "^%s*{" and " (- reads a JSON object from standard input)" or "")
    elseif json then
      local decoded, reason = core.decode(json)
      if decoded == nil then return nil, ("%s: expected JSON: %s"):format(key, reason) end
      out[key] = decoded
    else
      if text == "-" or text:sub(1, 1) == "@" then
        local reason
        text, reason = read_file(text == "-" and "-" or text:sub(2))
        if not text then return nil, ("%s: %s"):format(key, reason) end
      end
      local known = properties[key]
      if known == nil and next(properties) ~= nil and schema.additionalProperties == false then
        return nil, nearest.unknown("argument", key, nearest.keys(properties))
      end
      local got, expected = text, nil
      if known ~= nil then got, expected = convert(text, known, schema) end
      if got == nil then
        return nil, ("%s: expected %s, got %q"):format(key, expected, text)
      end
      out[key] = got
    end
  end
  return out
end

---The names of required arguments that are missing.
---@param given table
---@param schema table|nil
---@return string[] names
function arguments.missing(given, schema)
  local out = {}
  for _, name in ipairs(foreign.strings(foreign.object(schema).required)) do
    if given[name] == nil then out[#out + 1] = name end
  end
  return out
end

---The type that a schema describes, in words.
arguments.type_name = signature.type_name
---The arguments of a schema as a signature.
arguments.signature = signature.of

return arguments
