-- SPDX-License-Identifier: MIT
-- report.lua: the reasons why a value is not valid, as a list of errors and as text. It runs only
-- after a check has failed: it walks the parts that fail and asks each for its reason.

local is_array = require("mcp.value").is_array
local nearest = require "mcp.nearest"
local reference = require "mcp.schema.reference"
local describe = require "mcp.schema.describe"

---@class mcp.schema.Error
---@field path string  JSON pointer to the value
---@field keyword string
---@field message string
---@field name? string  the member that is missing or unknown
---@field meant? string  the known name or value that was probably meant

---@class mcp.schema.Report
---@field errors mcp.schema.Error[]
local Report = {}
local Report_mt = { __index = Report }

local report = {}

---@param state table  of the validation
---@param limit integer  of errors
---@return mcp.schema.Report
function report.new(state, limit)
  return setmetatable({ errors = {}, steps = {}, state = state, limit = limit }, Report_mt)
end

---@param keyword string
---@param message string
---@param extra? table  fields of the error beside path, keyword and message
function Report:add(keyword, message, extra)
  if #self.errors >= self.limit then return end
  local found = extra or {}
  local path = {}
  for i, step in ipairs(self.steps) do path[i] = "/" .. reference.escape(step) end
  found.path, found.keyword, found.message = table.concat(path), keyword, message
  table.insert(self.errors, found)
end

--- Reports why `value` does not hold for `node`; nothing if it does.
---@param node mcp.schema.Node
---@param value any
function Report:explain(node, value)
  local state, before, failed = self.state, #self.errors, false
  for _, part in ipairs(node.parts) do
    -- Beyond the limit every check fails, and its reasons would be endless.
    if state.steps < 0 then return end
    -- What looks at the outcome of its neighbours has nothing to say when one of them failed.
    if part.check and not (failed and part.last) and not part.check(value, state) then
      failed = true
      if part.explain then
        part.explain(part, value, self)
      else
        self:add(part.keyword, part.message(value))
      end
    end
  end
  if failed and #self.errors == before and state.steps >= 0 then
    self:add(node.parts[1].keyword, "not valid")
  end
end

--- The same for a member or an item of the value.
---@param node mcp.schema.Node
---@param value any
---@param step string|integer  its name, or its place counted from 0
function Report:inside(node, value, step)
  if node.check(value, self.state) then return end
  table.insert(self.steps, step)
  self:explain(node, value)
  table.remove(self.steps)
end

--- The first reason alone, for messages about one of several ways to be valid.
---@param node mcp.schema.Node
---@param value any
---@return mcp.schema.Error?
function Report:first(node, value)
  local short = report.new(self.state, 1)
  short:explain(node, value)
  return short.errors[1]
end

-- --- as text --------------------------------------------------------------------

-- A path in the usual notation, `a.b[0]`: `v` shows which steps are into arrays. Nil for the root.
local function label(path, v)
  local text = ""
  for _, step in ipairs(reference.steps(path)) do
    if is_array(v) then
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
  if #err.known == 0 then return text .. ", expected none here" end
  return ("%s, expected one of %s"):format(text, nearest.list(err.known))
end

-- One error in one line.
local function line(err, v, noun)
  local place = label(err.path, v)
  if err.name and err.keyword == "required" then
    local wanted = err.wanted and (" (expected %s)"):format(err.wanted) or ""
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
function report.text(errors, v, _, noun)
  local lines = {}
  for i, err in ipairs(errors) do lines[i] = line(err, v, noun or "argument") end
  return table.concat(lines, "\n")
end

return report
