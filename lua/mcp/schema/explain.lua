-- SPDX-License-Identifier: MIT
-- explain.lua: the message that a bad call is repaired by: each line names an argument, what was
-- expected and what came.

local value = require "mcp.value"
local nearest = require "mcp.nearest"
local reference = require "mcp.schema.reference"
local describe = require "mcp.schema.describe"

local explain = {}

-- A path as people write it, `a.b[0]`, as far as `v` tells arrays from objects; nil for the root.
local function label(path, v)
  local text = ""
  for _, step in ipairs(reference.steps(path)) do
    if value.is_array(v) then
      text = ("%s[%s]"):format(text, step)
      v = v[(math.tointeger(tonumber(step)) or 0) + 1]
    else
      text = text == "" and step or text .. "." .. step
      v = type(v) == "table" and v[step] or nil
    end
  end
  return text ~= "" and text or nil
end

-- `name` inside of the value at `place`, quoted.
local function member(place, name)
  return describe.quote(place and place .. "." .. name or name)
end

local function unknown(place, err, noun)
  local text = ("unknown %s %s"):format(noun, member(place, err.name))
  if err.meant then return ("%s, did you mean %s?"):format(text, member(place, err.meant)) end
  if not err.known then return text end
  if #err.known == 0 then return text .. ", none is expected here" end
  return ("%s, expected one of %s"):format(text, nearest.list(err.known))
end

-- One error in one line.
local function line(err, v, noun)
  local place = label(err.path, v)
  if err.name and err.keyword == "required" then
    local wanted = err.wanted and (" (%s expected)"):format(err.wanted) or ""
    return ("%s %s is missing%s"):format(noun, member(place, err.name), wanted)
  elseif err.name and (err.keyword == "additionalProperties"
    or err.keyword == "unevaluatedProperties") then
    return unknown(place, err, noun)
  elseif place then
    return ("%s %s: %s"):format(noun, describe.quote(place), err.message)
  elseif err.keyword == "limit" then
    return err.message
  end
  return ("%ss: %s"):format(noun, err.message)
end

--- The errors of a validator in words, a line for each.
---@param errors mcp.schema.Error[]
---@param v any  the value they are about
---@param _? table|boolean  its schema
---@param noun? string  what a member is called: "argument" if absent
---@return string
function explain.text(errors, v, _, noun)
  local lines = {}
  for i, err in ipairs(errors) do lines[i] = line(err, v, noun or "argument") end
  return table.concat(lines, "\n")
end

return explain
