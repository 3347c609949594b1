-- SPDX-License-Identifier: MIT
-- search.lua: a server with many tools that lists three. The others are found with search_tools and
-- called with call_tool.
--
--   luamcp run examples/search.lua
--   luamcp call examples/search.lua search_tools query="how long is a mile in km"
--   luamcp call examples/search.lua call_tool name=mile_to_kilometre arguments:='{"value":26.2}'
local mcp = require "mcp"

local app = mcp.server "units"

-- From, to, and how many of the second are in one of the first.
local UNITS = {
  { "mile", "kilometre", 1.609344, "distance" }, { "foot", "metre", 0.3048, "length" },
  { "inch", "centimetre", 2.54, "length" }, { "pound", "kilogram", 0.45359237, "mass" },
  { "ounce", "gram", 28.349523125, "mass" }, { "gallon", "litre", 3.785411784, "volume" },
  { "acre", "hectare", 0.40468564224, "area" }, { "knot", "metre_per_second", 463 / 900, "speed" },
}

local function convert(from, to, factor, what)
  app:tool(from .. "_to_" .. to) {
    description = ("Converts a %s from %s to %s"):format(what, from, (to:gsub("_", " "))),
    input = { value = "number" },
  } (function(args) return args.value * factor end)
end

for _, unit in ipairs(UNITS) do
  convert(unit[1], unit[2], unit[3], unit[4])
  convert(unit[2], unit[1], 1 / unit[3], unit[4])
end

app:tool "list_units" { description = "Lists the units that can be converted" } (function()
  local names = {}
  for i, unit in ipairs(UNITS) do names[i] = unit[1] .. " and " .. unit[2] end
  return table.concat(names, ", ")
end)

app:search { pinned = { "list_units" } }

app:run()
