-- SPDX-License-Identifier: MIT
-- timeout: how long a request may take, and the response when that time is over. The clocks are the
-- runtime's (src/lua/coroutine.c); this file sets them and makes the response in place of a handler
-- that is still running.
--
-- A request that never waits has no clock, and is not recorded anywhere for one. So the request
-- that a late handler serves is found where it is: on the stack of the handler's coroutine, as an
-- argument of dispatch.request or legacy.batch. Both say at which position.
local arrival = require "mcp.server.front.arrival"
local core = require "mcp.core"
local dispatch = require "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local heartbeat = require "mcp.later" "mcp.server.heartbeat"
local legacy = require "mcp.server.front.legacy"
local tool = require "mcp.server.feature.tool"
local value = require "mcp.value"

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

-- The number of functions on the stack of a coroutine that waits. Looking at a level takes time in
-- proportion to its depth, so this is a binary search.
local function depth_of(thread)
  local low, high = 0, 1
  while debug.getinfo(thread, high - 1, "l") do low, high = high, high * 2 end
  while high - low > 1 do
    local middle = (low + high) // 2
    if debug.getinfo(thread, middle - 1, "l") then low = middle else high = middle end
  end
  return low
end

-- Ours are the outermost functions: a front, perhaps a batch, then dispatch.
local OURS = 16

---An argument of the outermost call of `fn` in a coroutine that waits; nil if it calls no `fn`.
---@param thread thread
---@param fn function
---@param position integer of the argument
---@return any
function timeout.argument(thread, fn, position)
  local depth = depth_of(thread)
  for level = depth - 1, math.max(0, depth - OURS), -1 do
    if debug.getinfo(thread, level, "f").func == fn then
      local _, argument = debug.getlocal(thread, level, position)
      return argument
    end
  end
  return nil
end

local function context_of(thread)
  return timeout.argument(thread, dispatch.request, dispatch.request_ctx)
end

local function text_of(ctx, seconds)
  if not ctx then return ("Timed out after %.14g s"):format(seconds) end
  local entry = ctx.entry
  return ("%s timed out after %.14g s"):format(
    entry and ("%s %q"):format(entry.kind, entry.name) or ctx.method, seconds)
end

-- The response to a batch so far. The request that took too long and those after it get an error.
local function batch_answer(messages, text)
  local answers = messages.answers
  for i = messages.at, #messages do
    local message = messages[i]
    if arrival.is_request(message) then
      answers[#answers + 1] = { jsonrpc = "2.0", id = message.raw_id or value.null,
        error = { code = errors.TIMED_OUT, message = text } }
    end
  end
  return answers
end

-- Answers for the handler in `thread`, whose wait has ended but which has not been resumed yet.
local function answer(app, thread, seconds)
  local ctx = context_of(thread)
  local text = text_of(ctx, seconds)
  core.log("warning", text)
  if ctx and app.access then app.access:expired(ctx) end
  local messages = timeout.argument(thread, legacy.batch, legacy.batch_messages)
  if messages then return batch_answer(messages, text) end
  if ctx and ctx.entry and ctx.entry.kind == "tool" then
    return dispatch.stamped(app, ctx, tool.failed(text))
  end
  -- A path of the program's own is HTTP and not JSON-RPC: its status says it (RFC 9110 15.6.5).
  local route = package.loaded["mcp.server.front.route"]
  local is_route = route and timeout.argument(thread, route.serve, 1)
  return nil, failure.new(errors.TIMED_OUT, text, nil, is_route and 504 or nil)
end

---Puts the messages of an endpoint under the limits of the app.
---@param app table
---@param endpoint userdata
function timeout.watch(app, endpoint)
  local clock = app.clock
  endpoint:clock {
    time = clock.time, max = clock.max, interval = clock.interval,
    expired = function(thread, seconds) return answer(app, thread, seconds) end,
    on_heartbeat = function(thread)
      local ctx = context_of(thread)
      if ctx then heartbeat.send(ctx) end
    end,
  }
end

return timeout
