-- SPDX-License-Identifier: MIT
-- What an operation keeps of the memory that it took. A leak of C is seen by no other spec of the
-- ordinary build; `make asan` sees those of what the specs run.
local system = require "codecs.system"

local heap = {}

-- Lua's own memory is not what is asked for, and need not be flat.
local function used()
  collectgarbage()
  collectgarbage()
  return system.heap() - collectgarbage "count" * 1024
end

--- Bytes that each of so many runs keeps on average: the least of five rounds, for what is kept for
--- later grows in some rounds only. 0 under a sanitizer, which has a malloc of its own.
---@param times integer
---@param run fun()
---@return number bytes
function heap.kept(times, run)
  for _ = 1, times do run() end
  if system.heap() == 0 then return 0 end
  local before, least = used(), math.huge
  for _ = 1, 5 do
    for _ = 1, times do run() end
    local after = used()
    least, before = math.min(least, after - before), after
    if least <= 0 then return 0 end
  end
  return least / times
end

return heap
