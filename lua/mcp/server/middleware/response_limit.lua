-- SPDX-License-Identifier: MIT
-- response_limit: keeps results from filling a model's context. A tool's result that is too long is
-- replaced by an error that says so, or its text is cut.
local cut = require("mcp.text").cut
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local options = require "mcp.options"

local KNOWN = { bytes = "number", cut = "boolean" }

-- A member beside its strings: quotes, a comma, a number.
local MEMBER = 8

-- About the length of the JSON text; counting stops above `most`.
local function length_of(given, most)
  if type(given) == "string" then return #given end
  if type(given) ~= "table" then return MEMBER end
  local length = 0
  for key, member in pairs(given) do
    length = length + MEMBER + (type(key) == "string" and #key or 0)
      + length_of(member, most - length)
    if length > most then break end
  end
  return length
end

-- Cuts the texts of a result, the last ones first: models are shown the beginning. False if what is
-- left is too long without any text.
local function shorten(result, most)
  local rest = length_of({ result.structuredContent, result._meta }, most)
  local texts, content = 0, {}
  for i, item in ipairs(result.content or {}) do
    content[i] = item
    if item.type == "text" then texts = texts + #item.text else
      rest = rest + length_of(item, most)
    end
  end
  local room = most - rest - 200 -- for the note
  if rest >= most or room <= 0 then return false end
  local left = room
  for i, item in ipairs(content) do
    if item.type == "text" and #item.text > left then
      local new = {}
      for key, member in pairs(item) do new[key] = member end
      new.text = cut(item.text, left)
      content[i] = setmetatable(new, getmetatable(item))
    end
    if item.type == "text" then left = math.max(0, left - #item.text) end
  end
  content[#content + 1] = { type = "text",
    text = ("[cut: %d bytes of %d; ask for less, or for a part]"):format(room, texts) }
  local new = {}
  for key, member in pairs(result) do new[key] = member end
  new.content = setmetatable(content, getmetatable(result.content))
  return new
end

---Limits the size of results.
---@param given table bytes (about, as JSON), cut (cut the texts of a tool's result instead of
---refusing it)
---@return function
return function(given)
  options.check("mcp.middleware.response_limit", given, KNOWN, 2)
  local most = given.bytes
  if math.type(most) ~= "integer" or most < 1000 then
    error("mcp.middleware.response_limit: bytes: expected an integer, 1000 or more, got "
      .. tostring(most), 2)
  end
  return function(request, next)
    local result, err = next(request)
    if type(result) ~= "table" then return result, err end
    local length = length_of(result, most)
    if length <= most then return result, err end
    local text = ("the result is larger than %d bytes, which is the limit here"):format(most)
    if request.kind ~= "tool" then
      return nil, failure.new(errors.INTERNAL_ERROR, ("%s: %s"):format(request.method, text))
    end
    local shorter = given.cut and shorten(result, most)
    if shorter then return shorter end
    return { content = { { type = "text", text = text .. ": ask for less, or for a part" } },
      isError = true }
  end
end
