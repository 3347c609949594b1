-- SPDX-License-Identifier: MIT
-- report.lua: why a value is not valid. Runs only after the checks have said that it is not, walks
-- the parts that fail and asks each for its reason.

local reference = require "mcp.schema.reference"

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
  local one = report.new(self.state, 1)
  one:explain(node, value)
  return one.errors[1]
end

return report
