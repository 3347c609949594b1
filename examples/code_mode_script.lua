-- SPDX-License-Identifier: MIT
-- code_mode_script.lua: what a model sends to run_lua of code_mode.lua: where is the tea?
-- luacheck: globals tools parallel
local calls = {}
for i, name in ipairs(tools.list_ships()) do
  calls[i] = function() return tools.get_ship { name = name } end
end
local found = {}
for _, ship in ipairs(parallel(calls)) do
  for _, thing in ipairs(ship.cargo) do
    if thing == "tea" and ship.berth then
      found[#found + 1] = ("%s, berth %d"):format(ship.name, ship.berth)
    end
  end
end
return found
