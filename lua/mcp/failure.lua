-- SPDX-License-Identifier: MIT
-- failure: errors that are meant for the other side of the wire.
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
    error("mcp.error: code: integer expected, got " .. type(code), 2)
  end
  if type(message) ~= "string" then
    error("mcp.error: message: string expected, got " .. type(message), 2)
  end
  return setmetatable({ code = code, message = message, data = data, status = status }, Failure)
end

---@param value any
---@return boolean
function failure.is(value) return getmetatable(value) == Failure end

return failure
