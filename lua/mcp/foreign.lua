-- SPDX-License-Identifier: MIT
-- foreign: members of what a server sent. Any of them may have any type: a member of another type
-- than the protocol gives it counts as absent, so that one wrong entry does not end the command.
local value = require "mcp.value"

local foreign = {}

---@param given any
---@return string|nil
function foreign.string(given) return type(given) == "string" and given or nil end

foreign.object, foreign.array = value.object, value.list

---@param given any
---@return table[] the objects of an array
function foreign.objects(given)
  local out = {}
  for _, member in ipairs(value.list(given)) do
    if value.is_object(member) then out[#out + 1] = member end
  end
  return out
end

---@param given any
---@return string[] the strings of an array
function foreign.strings(given)
  local out = {}
  for _, member in ipairs(value.list(given)) do
    if type(member) == "string" then out[#out + 1] = member end
  end
  return out
end

---The first of these that is a string with at least one character.
---@param ... any
---@return string|nil
function foreign.first(...)
  for i = 1, select("#", ...) do
    local given = select(i, ...)
    if type(given) == "string" and given ~= "" then return given end
  end
  return nil
end

return foreign
