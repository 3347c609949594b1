-- SPDX-License-Identifier: MIT
-- retry: does again what failed, where that does no harm: reads and lists, and tools that say of
-- themselves that they only read or that twice is as good as once.
local definition = require "mcp.server.feature.definition"
local errors = require "mcp.protocol.errors"
local methods = require "mcp.protocol.methods"
local options = require "mcp.options"

local KNOWN = { times = "number", delay = "number", when = "function" }

local TIMES, DELAY = 2, 0.1
-- The longest pause.
local LONGEST = 10

local function is_idempotent(request)
  if request.kind ~= "tool" then return (methods[request.method] or {}).idempotent == true end
  local app = request.ctx.app
  local tool = request.name and app.tools.by_name[request.name]
  local annotations = tool and definition.member(tool, "annotations")
  return annotations ~= nil
    and (annotations.readOnlyHint == true or annotations.idempotentHint == true)
end

-- What may go better another time: the server's own failure, or too much to do.
local function is_transient(err)
  return err ~= nil and (err.code == errors.INTERNAL_ERROR or err.code == errors.BUSY)
end

---Repeats requests that failed and may be repeated.
---@param given table|nil times (further tries, 2), delay (seconds before the first of them, 0.1;
---doubled each time, 10 at most), when (a function of request, result and error that returns true
---where another try is worth it; by default an internal error, or "Busy"). The result is a table or
---nil if there is an error: what is sent as bytes made before, as lists are, has not failed, and
---`when` is not asked.
---@return function
return function(given)
  given = given or {}
  options.check("mcp.middleware.retry", given, KNOWN, 2)
  local times, delay, when = given.times or TIMES, given.delay or DELAY, given.when
  if math.type(times) ~= "integer" or times < 1 then
    error("mcp.middleware.retry: times: expected an integer, 1 or more, got " .. times, 2)
  end
  if not (delay >= 0 and delay <= LONGEST) then
    error(("mcp.middleware.retry: delay: expected 0 to %d seconds, got %s"):format(LONGEST, delay),
      2)
  end
  return function(request, next)
    local result, err = next(request)
    if not is_idempotent(request) then return result, err end
    local pause = delay
    for _ = 1, times do
      local again
      if when then
        again = (result == nil or type(result) == "table") and when(request, result, err)
      else
        again = is_transient(err)
      end
      if not again or not request.ctx:sleep(pause) then break end
      pause = math.min(2 * pause, LONGEST)
      result, err = next(request)
    end
    return result, err
  end
end
