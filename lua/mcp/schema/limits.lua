-- SPDX-License-Identifier: MIT
-- limits.lua: what a schema and a validation may cost. A schema can come from a stranger (a tool of
-- some server, read by a client), a value nearly always does. Each number has the attack it stops.

local nearest = require "mcp.nearest"

---@class mcp.schema.Limits
local DEFAULTS = {
  -- A schema that fills memory with closures.
  subschemas = 2000,
  -- Schemas inside schemas: whoever reads, compiles or explains one recurses.
  depth = 64,
  -- The same attack outside of subschemas: a "const" or "enum" of many values.
  values = 50000,
  -- Dynamic references: one subschema compiled again for every scope it can be reached in.
  variants = 10000,
  -- References that lead in a circle, and values nested to match a recursive schema.
  references = 256,
  -- Schemas whose work is exponential in their size ($ref doubled at every level), uniqueItems in
  -- uniqueItems, thousands of items against thousands of subschemas. One step is about one check.
  steps = 1000000,
  -- Slow patterns; in bytes. The work of a match is bounded in wire/regex.h and taken from steps.
  pattern = 1024,
  -- A report as long as the value it is about.
  errors = 20,
}

local limits = {}

--- The defaults with some numbers replaced.
---@param given? mcp.schema.Limits
---@param level? integer  of the caller to blame for an unknown name; 1 is whoever calls this
---@return mcp.schema.Limits
function limits.with(given, level)
  if not given then return DEFAULTS end
  local all = {}
  for name, number in pairs(DEFAULTS) do all[name] = number end
  for name, number in pairs(given) do
    if not DEFAULTS[name] then
      error(nearest.unknown("limit", name, nearest.keys(DEFAULTS)), (level or 1) + 1)
    elseif math.type(number) ~= "integer" or number < 1 then
      error(("limit %q: positive integer expected"):format(name), (level or 1) + 1)
    end
    all[name] = number
  end
  return all
end

return limits
