-- SPDX-License-Identifier: MIT
-- code_mode.lua: a server whose tools a model calls from a Lua script.
--
--   luamcp run examples/code_mode.lua
--   luamcp call examples/code_mode.lua run_lua code=@examples/code_mode_script.lua
local mcp = require "mcp"

local app = mcp.server "harbour"

local SHIPS = {
  { name = "Aurora", berth = 3, cargo = { "tea", "paper" } },
  { name = "Boreas", cargo = { "steel" } },
  { name = "Ceres", berth = 1, cargo = { "wheat", "barley", "tea" } },
}

app:tool "list_ships" {
  description = "Lists the names of the ships that are known", input = {},
} (function()
  local names = mcp.array {}
  for i, ship in ipairs(SHIPS) do names[i] = ship.name end
  return names
end)

app:tool "get_ship" {
  description = "Reads one ship: its cargo, and its berth if it is in the harbour",
  input = { name = "string" },
} (function(args)
  for _, ship in ipairs(SHIPS) do
    if ship.name == args.name then return ship end
  end
  return nil, ("there is no ship %q; list_ships has the names"):format(args.name)
end)

app:code_mode { budget = { time = 1, calls = 20 } }

app:run()
