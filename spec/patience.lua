-- SPDX-License-Identifier: MIT
-- patience.lua: waits for a condition by turning whatever has to turn meanwhile. For specs below
-- Lua's loop; the others have helper.wait_until.
local pace = require "spec.pace"
local system = require "codecs.system"

---Calls `turn` until `condition()` gives something, which it returns. Raises at the line of the
---caller's caller if that takes too long.
---@param condition fun(): any
---@param what string|nil what is waited for
---@param turn function
---@param limit number|nil seconds; 5 unless given, at the pace of this run
return function(condition, what, turn, limit)
  local deadline = system.now() + pace.limit(limit or 5)
  while true do
    local found = condition()
    if found then return found end
    if system.now() > deadline then
      error("waited in vain for " .. (what or "a condition"), 3)
    end
    turn()
  end
end
