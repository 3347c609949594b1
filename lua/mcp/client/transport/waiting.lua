-- SPDX-License-Identifier: MIT
-- waiting: how transports that keep a call's clock themselves wait for its answer.
local waiting = {}

-- How long the answer may still take, which may grow meanwhile; nil: as long as it likes.
local function left(call)
  local seconds = call.left and call:left()
  return seconds and seconds < math.huge and math.max(seconds, 0) or nil
end

---Waits until `waiter` is woken or the time of the call is over, progress counted in.
---@param waiter mcp.core.Waiter
---@param call table left(): seconds it may still take
---@return true|nil woken
---@return string|nil text for whoever called
---@return string|nil code "ETIMEDOUT" or "ECANCELED"
---@return string|nil reason for the server
function waiting.for_answer(waiter, call)
  local ok, text, code
  repeat
    ok, text, code = waiter:wait(left(call))
  until ok or code ~= "ETIMEDOUT" or left(call) == 0
  if ok then return true end
  if code == "ETIMEDOUT" then return nil, "no answer in time", code, "It has taken too long" end
  return nil, text, code, "Nobody waits for it any more"
end

return waiting
