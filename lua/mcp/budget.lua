-- SPDX-License-Identifier: MIT
-- budget: reads what a call may use, `budget = { time =, memory =, output = }`, for workers and for
-- handlers in the server. Plain rules: worker.lua and server/feature/budget.lua apply them.
local error_in = require("mcp.options").error_in

local budget = {}

---No worker's state lives on less. In bytes.
budget.MEMORY_LEAST = 1 << 20

local KINDS = { time = true, memory = true, output = true }

---A whole number from `least` to `most`. Raises (level 0) what is wrong.
---@param what string
---@param given any nil: `default`
---@param default integer
---@param least integer
---@param most integer
---@return integer
function budget.whole(what, given, default, least, most)
  if given == nil then return default end
  local number = math.tointeger(given)
  if not number or number < least or number > most then
    error(("%s: expected a whole number from %d to %d, got %s"):format(what, least, most,
      tostring(given)), 0)
  end
  return number
end

---A time in seconds, more than 0. Raises (level 0) what is wrong.
---@param what string
---@param given any nil: `default`
---@param default number
---@return number
function budget.seconds(what, given, default)
  if given == nil then return default end
  if type(given) ~= "number" or not (given > 0 and given < 1e9) then
    error(("%s: expected seconds, more than 0, got %s"):format(what, tostring(given)), 0)
  end
  return given
end

---Reads a budget. Raises (level 0) what is wrong with it.
---@param given table|nil time (seconds; false for none), memory and output (bytes)
---@param default table time and output, 0 for none; memory, absent where it cannot be kept to
---@return { time: number, memory: integer|nil, output: integer }
function budget.read(given, default)
  local message = error_in(given or {}, KINDS)
  if message then error("budget: " .. message, 0) end
  given = given or {}
  local time = given.time
  if time == false then time = 0 else time = budget.seconds("budget.time", time, default.time) end
  if given.memory ~= nil and not default.memory then
    error("budget.memory: only a worker has memory of its own: add worker = \"file.lua\", or make "
      .. "an mcp.worker; a handler in the server shares the server's", 0)
  end
  return {
    time = time,
    memory = default.memory and budget.whole("budget.memory", given.memory, default.memory,
      budget.MEMORY_LEAST, 1 << 40),
    output = budget.whole("budget.output", given.output, default.output, 1, 1 << 30),
  }
end

return budget
