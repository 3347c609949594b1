-- SPDX-License-Identifier: MIT
-- time.lua: what time it is, and as the text that MCP uses.
local core = require "mcp.core"

local time = {}

---The time now: of the day, to be shown and stored, and of a clock that never goes back, to
---measure with. Both with a fraction.
---@return number wall seconds since 1970
---@return number monotonic seconds since some moment, the same for all states of the process
time.now = core.time

-- Years that RFC 3339 can write: 0000 to 9999.
local FIRST, LAST = -62167219200, 253402300799

---A time as RFC 3339 (and ISO 8601) have it, in UTC: "2026-11-29T23:14:53Z". For lastModified of
---annotations, and for logs.
---@param seconds? number since 1970; now if not given
---@param digits? integer of the fraction, 0 to 9; 0 if not given
---@return string
function time.text(seconds, digits)
  if seconds == nil then seconds = core.time() end
  if digits == nil then digits = 0 end
  if type(seconds) ~= "number" or not (seconds >= FIRST and seconds < LAST + 1) then
    error(("mcp.timestamp: expected seconds in the years 0 to 9999, got %s"):format(
      type(seconds) == "number" and seconds or type(seconds)), 2)
  end
  if math.type(digits) ~= "integer" or digits < 0 or digits > 9 then
    error(("mcp.timestamp: digits: expected an integer from 0 to 9, got %s"):format(
      type(digits) == "number" and digits or type(digits)), 2)
  end
  -- Cut and not rounded: rounding up could be the next year.
  local whole = math.floor(seconds)
  local fraction = ""
  if digits > 0 then
    -- Just before a second, the difference is rounded to 1.
    local units = math.min(math.floor((seconds - whole) * 10 ^ digits), 10 ^ digits // 1 - 1)
    fraction = (".%0" .. digits .. "d"):format(units)
  end
  local at = os.date("!*t", whole)
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(at.year, at.month, at.day, at.hour, at.min,
    at.sec, fraction)
end

return time
