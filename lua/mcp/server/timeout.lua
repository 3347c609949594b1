-- SPDX-License-Identifier: MIT
-- timeout: how long a request may take. The clocks are the runtime's (src/lua/coroutine.c); this
-- file sets them. The response when that time is over is made by server/overdue.lua.
local core = require "mcp.core"
local dispatch = require "mcp.later" "mcp.server.dispatch"
local heartbeat = require "mcp.later" "mcp.server.heartbeat"
local overdue = require "mcp.later" "mcp.server.overdue"

local timeout = {}

---How long a request may take, in seconds, unless the server or the tool says otherwise.
timeout.TIME = 60
---How far progress can extend that, in seconds.
timeout.MAX = 600
---How long a handler may hold the loop before that is logged, in seconds.
timeout.WATCHDOG = 0.1

local function checked(options, name, default)
  local given = options[name]
  if given == nil then return default end
  if not (given >= 0 and given < math.huge) then
    error(("%s: expected seconds, 0 or more, got %s"):format(name, given), 0)
  end
  return given
end

---Reads the option `watchdog` of a server. Raises (level 0) what is wrong with it.
---@param given number|boolean|nil seconds; false for none
---@return number|false
function timeout.watchdog(given)
  if given == nil or given == true then return timeout.WATCHDOG end
  if given and not (given > 0 and given < 1e6) then
    error(("watchdog: expected seconds, more than 0, or false, got %s"):format(given), 0)
  end
  return given
end

---Starts what logs handlers of the app that hold the loop too long.
---@param app table
---@return true|nil started, string|nil message
function timeout.watch_handlers(app)
  -- Loaded now: when a handler is late there may be no descriptor left to read a file with.
  require "mcp.server.overdue"
  if not app.watchdog then return true end
  return core.watch_handlers(app.watchdog, dispatch.request, dispatch.request_ctx)
end

---Reads a server's options. Raises (level 0) what is wrong with them.
---@param options table timeout, timeout_max, heartbeat: seconds, 0 for none
---@return table clock time, max, interval (of heartbeats)
function timeout.settings(options)
  local time = checked(options, "timeout", timeout.TIME)
  return {
    time = time, max = math.max(time, checked(options, "timeout_max", timeout.MAX)),
    interval = checked(options, "heartbeat", 0),
  }
end

---Puts the messages of an endpoint under the limits of the app.
---@param app table
---@param endpoint userdata
function timeout.watch(app, endpoint)
  local clock = app.clock
  endpoint:clock {
    time = clock.time, max = clock.max, interval = clock.interval,
    expired = function(thread, seconds) return overdue.answer(app, thread, seconds) end,
    on_heartbeat = function(thread)
      local ctx = overdue.context_of(thread)
      if ctx then heartbeat.send(ctx) end
    end,
  }
end

return timeout
