-- SPDX-License-Identifier: MIT
-- json.lua: JSON texts to Lua values and back, by the codec that messages go through. Null is
-- mcp.null; arrays have the metatable of mcp.array, so [] and {} stay apart; integers of 64 bits
-- stay integers and floats floats.
local core = require "mcp.core"
local options = require "mcp.options"
local value = require "mcp.value"

local json = {}

-- The deepest text that the core reads or writes.
local DEPTH = 128
-- Wider indentation is a mistake.
local SPACES = 16

local ENCODE = { sorted = "boolean", indent = "number", limit = "number" }
local DECODE = { limit = "number", depth = "number", values = "number" }

local function check_integer(what, given, name, least, most)
  local n = given[name]
  if n ~= nil and (math.type(n) ~= "integer" or n < least or n > most) then
    error(("%s: option %q: expected an integer from %d to %d, got %s"):format(what, name, least,
      most, n), 3)
  end
end

---Writes a value as JSON. Tables with mcp.array's metatable, or with something at [1], are arrays,
---other tables are objects. What lua-cjson decoded or marked passes too: its null, and the array
---marks of its forks.
---@param v any nil, booleans, numbers, strings, mcp.null and tables of these
---@param given? { sorted: boolean?, indent: integer?, limit: integer? } sorted: keys in the order
---of their bytes, so that equal values give equal texts; indent: spaces for each level (1 to 16),
---with one member on a line; limit: bytes of the text
---@return string? text
---@return string? message with the way to what cannot be written: "items[3].price: NaN"
---@return string? code "EENCODE", "EUTF8", "ETOOBIG"
function json.encode(v, given)
  value.learn_arrays()
  if v == nil then return nil, "nil: use mcp.null for null", "EENCODE" end
  if given == nil then return core.json_encode(v) end
  options.check("mcp.json.encode", given, ENCODE, 2)
  check_integer("mcp.json.encode", given, "indent", 0, SPACES)
  check_integer("mcp.json.encode", given, "limit", 0, math.maxinteger)
  return core.json_encode(v, given.sorted, given.indent, given.limit)
end

---@class mcp.JsonPlace
---@field line integer from 1
---@field column integer from 1, in characters
---@field byte integer from 1
---@field path string "items[3].price"; "" outside arrays and objects

---Reads a JSON text (RFC 8259). It is strict: UTF-8 without a BOM, no key twice, no comment.
---Numbers without "." and exponent that fit 64 bits are integers, others floats.
---@param text string
---@param given? { limit: integer?, depth: integer?, values: integer? } limit: bytes of the
---text; depth: arrays and objects inside each other, at most and by default 128; values: values
---and keys in all, 200,000 by default
---@return any value mcp.null for null
---@return string? message with line, column, byte and the way there
---@return string? code "EJSON", "EUTF8", "EDUPLICATE", "EDEPTH", "ENODES", "ENUMBER", "ETOOBIG"
---@return mcp.JsonPlace? place the same place in numbers; absent for "ETOOBIG" of the limit
function json.decode(text, given)
  if type(text) ~= "string" then
    error(("mcp.json.decode: expected a string, got %s"):format(type(text)), 2)
  end
  if given == nil then return core.json_decode(text) end
  options.check("mcp.json.decode", given, DECODE, 2)
  check_integer("mcp.json.decode", given, "limit", 0, math.maxinteger)
  check_integer("mcp.json.decode", given, "depth", 0, DEPTH)
  check_integer("mcp.json.decode", given, "values", 1, 0x7ffffff)
  if given.limit and #text > given.limit then
    return nil, ("the text has %d bytes, more than its limit of %d"):format(#text, given.limit),
      "ETOOBIG"
  end
  return core.json_decode(text, given.depth, given.values)
end

return json
