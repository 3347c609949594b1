-- SPDX-License-Identifier: MIT
-- failure: errors that are meant for the other side of the wire.
local errors = require "mcp.protocol.errors"

local failure = {}

local Failure = { __name = "mcp.error" }
Failure.__index = {}

function Failure.__tostring(self)
  return ("mcp.error %d: %s"):format(self.code, self.message)
end

---An error that becomes a JSON-RPC error as it is: `error(mcp.error(…))`.
---@param code integer JSON-RPC error code
---@param message string
---@param data any|nil anything JSON can carry
---@param status integer|nil HTTP status of the answer, 200 if not given
---@return table
function failure.new(code, message, data, status)
  if math.type(code) ~= "integer" then
    error("mcp.error: code: expected an integer, got " .. type(code), 2)
  end
  if type(message) ~= "string" then
    error("mcp.error: message: expected a string, got " .. type(message), 2)
  end
  return setmetatable({ code = code, message = message, data = data, status = status }, Failure)
end

---How often each limit has refused something, by its name. Names are those of
---`luamcp_busy_total`.
---@type table<string, integer>
failure.busy_counts = {}

---The error for a limit that is reached, which is counted.
---@param limit string
---@param message string
---@param data any|nil
---@param status integer|nil
---@return table
function failure.busy(limit, message, data, status)
  failure.busy_counts[limit] = (failure.busy_counts[limit] or 0) + 1
  return failure.new(errors.BUSY, message, data, status)
end

---@param value any
---@return boolean
function failure.is(value) return getmetatable(value) == Failure end

return failure
