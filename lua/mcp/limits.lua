-- SPDX-License-Identifier: MIT
-- limits: what the whole process may hold, whatever servers and clients are in it.
local check = require("mcp.options").check
local core = require "mcp.core"

local limits = {}

---The least that a limit can be: below it not even one message of the usual size fits.
limits.LEAST = 1 << 20 -- bytes

local UNITS = { k = 1 << 10, M = 1 << 20, G = 1 << 30 }

---Reads a size such as "64M": bytes, or a number with k, M or G after it (powers of 1024).
---@param text string
---@return integer|nil bytes
function limits.size(text)
  local digits, unit = text:match "^(%d+)([kMG]?)$"
  local number = math.tointeger(tonumber(digits))
  local factor = unit == "" and 1 or UNITS[unit]
  if not number or number > math.maxinteger // factor then return nil end
  return number * factor
end

---Sets what peers may make this process hold, and returns what is set: `memory` in bytes, 0 for no
---limit. At three quarters of it new requests are refused; at the limit, those in progress too.
---Raises on an invalid value.
---@param given table|nil memory (bytes; from 1 MiB on, or 0)
---@return { memory: integer, held: integer } now `held`: bytes that count at this moment
function limits.set(given)
  if given ~= nil then check("mcp.limits", given, { memory = "any" }, 2) end
  for _, value in pairs(given or {}) do
    local bytes = math.type(value) == "integer" and value
    if not bytes or bytes ~= 0 and bytes < limits.LEAST then
      error(("mcp.limits: memory: expected bytes, 0 or at least %d, got %s"):format(limits.LEAST,
        tostring(value)), 2)
    end
    core.limit_memory(bytes)
  end
  local held, memory = core.memory()
  return { memory = memory == math.maxinteger and 0 or memory, held = held }
end

return limits
