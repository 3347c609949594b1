-- SPDX-License-Identifier: MIT
-- refusal: a request that is refused before its handler runs. The client gets an error, and the log
-- a line at `info` with the value or the option that decided, so that those who run the server see
-- which clients are refused and why. Secrets (tokens, ids of sessions) are in neither.
local core = require "mcp.core"
local failure = require "mcp.failure"

local refusal = {}

---Writes the line of a refusal.
---@param err table with an HTTP status
---@param reason string|nil for the log: more than the client may know. Default: the message
---@param transport string|nil Default: "http"
function refusal.log(err, reason, transport)
  core.log_refusal(("%s: request refused with %d: %s"):format(transport or "http", err.status,
    reason or err.message))
end

---Refuses a request over HTTP.
---@param status integer of the response
---@param code integer JSON-RPC error code
---@param message string for the client
---@param data any|nil
---@return nil
---@return table err
function refusal.new(status, code, message, data)
  local err = failure.new(code, message, data, status)
  refusal.log(err)
  return nil, err
end

return refusal
