-- SPDX-License-Identifier: MIT
-- describe.lua: values and schemas in a few words, for messages that help a person or a model to
-- correct a call.

local cut = require("mcp.text").cut
local value = require "mcp.value"

local describe = {}

-- Bytes of a value that are shown: the full text would let a caller write anything into a log.
local SHOWN = 60

--- A string in quotes, shortened, control characters escaped.
---@param text string
---@return string
function describe.quote(text)
  local shown = cut(text, SHOWN):gsub('[%c"\\]', function(c)
    if c == '"' or c == "\\" then return "\\" .. c end
    return ("\\u%04x"):format(c:byte())
  end)
  return '"' .. shown .. '"'
end

--- A value as in JSON if it is short, else its kind: `"x"`, `5`, `null`, `an array`.
---@param v any
---@return string
function describe.literal(v)
  local kind = value.kind(v)
  if kind == "string" then return describe.quote(v) end
  local whole = kind == "integer" and math.tointeger(v)
  if whole then return ("%d"):format(whole) end
  -- A whole number may be beyond Lua's integers: 1e300.
  if kind == "integer" or kind == "number" then return ("%.14g"):format(v) end
  if kind == "boolean" then return tostring(v) end
  if kind == "array" then return #v == 0 and "[]" or "an array" end
  if kind == "object" then return next(v) == nil and "{}" or "an object" end
  return kind
end

--- What came, with its kind: `string "x"`, `number 5`, `array`.
---@param v any
---@return string
function describe.got(v)
  local kind = value.kind(v)
  if kind == "string" or kind == "boolean" then return kind .. " " .. describe.literal(v) end
  if kind == "integer" or kind == "number" then return "number " .. describe.literal(v) end
  return kind
end

--- Several allowed values: `"a", "b"`, or `"a", ... and 5 more`.
---@param values any[]
---@return string
function describe.choices(values)
  local shown = {}
  for i = 1, math.min(#values, 12) do shown[i] = describe.literal(values[i]) end
  local text = table.concat(shown, ", ")
  if #values > #shown then text = ("%s and %d more"):format(text, #values - #shown) end
  return text
end

--- What a schema wants, in a word or few: `number`, `string or null`, `one of "a", "b"`; nil where
--- that takes more words.
---@param schema any
---@return string?
function describe.wanted(schema)
  if type(schema) ~= "table" then return nil end
  if type(schema.enum) == "table" then return "one of " .. describe.choices(schema.enum) end
  if schema.const ~= nil then return describe.literal(schema.const) end
  if type(schema.type) == "string" then return schema.type end
  if type(schema.type) == "table" then return table.concat(schema.type, " or ") end
  return nil
end

return describe
