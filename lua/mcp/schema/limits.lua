-- SPDX-License-Identifier: MIT
-- limits.lua: what a schema and a validation may cost. Schemas can come from a peer (a server's
-- tools, read by a client), values nearly always do. Each number names the attack that it stops.

local check = require("mcp.options").check

---@class mcp.schema.Limits
local DEFAULTS = {
  -- A schema that fills memory with closures.
  subschemas = 2000,
  -- Schemas inside schemas: reading, compiling and explaining them recurses.
  depth = 64,
  -- The same attack by values: a "const" or "enum" with many of them.
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

local TYPES = {}
for name in pairs(DEFAULTS) do TYPES[name] = "number" end

local limits = {}

--- The defaults with some numbers replaced.
---@param given? mcp.schema.Limits
---@param level? integer  the position of an error, as for `error`; 1, the default, is the caller
---@return mcp.schema.Limits
function limits.with(given, level)
  if not given then return DEFAULTS end
  local all = {}
  for name, number in pairs(DEFAULTS) do all[name] = number end
  check("limits", given, TYPES, (level or 1) + 1)
  for name, number in pairs(given) do
    if math.type(number) ~= "integer" or number < 1 then
      error(("limits: %s: expected an integer, 1 or more, got %s"):format(name, number),
        (level or 1) + 1)
    end
    all[name] = number
  end
  return all
end

return limits
