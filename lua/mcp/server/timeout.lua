-- SPDX-License-Identifier: MIT
-- timeout: how long a request may take, and what its client is told when that is over. The clocks
-- are the runtime's (src/lua/coroutine.c); here is what they are set to, and the answer in place
-- of a handler that has not come to an end.
--
-- A request that never waits has no clock and pays nothing for this, not even by being written down
-- somewhere. So the request that a late handler serves is looked for where it is: on the stack of
-- the handler's coroutine, as the arguments of our own functions.
local core = require "mcp.core"
local dispatch = require "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local heartbeat = require "mcp.server.heartbeat"
local legacy = require "mcp.server.front.legacy"
local tool = require "mcp.server.feature.tool"
local value = require "mcp.value"

local timeout = {}

---How long a request may take, in seconds, unless the server or the tool says otherwise.
timeout.TIME = 60
---How far progress can put that off.
timeout.MOST = 600

local function checked(options, name, default)
  local given = options[name]
  if given == nil then return default end
  if not (given >= 0 and given < math.huge) then
    error(("%s: seconds, 0 or more, expected, got %s"):format(name, given), 0)
  end
  return given
end

---What a server's options say. Raises (level 0) what is wrong.
---@param options table timeout, timeout_max, heartbeat: seconds, 0 for none
---@return table clock time, most, beat
function timeout.settings(options)
  local time = checked(options, "timeout", timeout.TIME)
  return {
    time = time, most = math.max(time, checked(options, "timeout_max", timeout.MOST)),
    beat = checked(options, "heartbeat", 0),
  }
end

-- How many functions are on the stack of a coroutine that waits. Looking at one takes time in
-- proportion to its depth, so they are not counted one by one.
local function depth_of(thread)
  local low, high = 0, 1
  while debug.getinfo(thread, high - 1, "l") do low, high = high, high * 2 end
  while high - low > 1 do
    local middle = (low + high) // 2
    if debug.getinfo(thread, middle - 1, "l") then low = middle else high = middle end
  end
  return low
end

-- Ours are the outermost: a front, perhaps a batch, then dispatch.
local OURS = 16

---The argument number `place` of the outermost call of `fn` in a coroutine that waits, or nil.
---@param thread thread
---@param fn function
---@param place integer
---@return any
function timeout.argument(thread, fn, place)
  local depth = depth_of(thread)
  for level = depth - 1, math.max(0, depth - OURS), -1 do
    if debug.getinfo(thread, level, "f").func == fn then
      local _, argument = debug.getlocal(thread, level, place)
      return argument
    end
  end
  return nil
end

-- What is told of one request.
local function told(ctx, seconds)
  local entry = ctx.entry
  return ("%s timed out after %.14g s"):format(
    entry and ("%s %q"):format(entry.kind, entry.name) or ctx.method, seconds)
end

-- The answers to a batch as far as it has come. The message that has taken so long, and those that
-- nobody has looked at, get an error.
local function batch_answer(messages, text)
  local answers = messages.answers
  for i = messages.at, #messages do
    local message = messages[i]
    if message[1] == "request" then
      answers[#answers + 1] = { jsonrpc = "2.0", id = message.raw_id or value.null,
        error = { code = errors.TIMED_OUT, message = text } }
    end
  end
  return answers
end

-- Answers for the handler in `thread`. Its wait has ended, but it does not know yet.
local function answer(app, thread, seconds)
  local ctx = timeout.argument(thread, dispatch.request, 2)
  local text = ctx and told(ctx, seconds) or ("Timed out after %.14g s"):format(seconds)
  core.log("warning", text)
  local messages = timeout.argument(thread, legacy.batch, 4)
  if messages then return batch_answer(messages, text) end
  if ctx and ctx.entry and ctx.entry.kind == "tool" then
    return dispatch.stamped(app, ctx, tool.failed(text))
  end
  return nil, failure.new(errors.TIMED_OUT, text)
end

---Puts what comes by a host under the limits of the app.
---@param app table
---@param host userdata
function timeout.watch(app, host)
  local clock = app.clock
  host:clock {
    time = clock.time, most = clock.most, beat = clock.beat,
    expired = function(thread, seconds) return answer(app, thread, seconds) end,
    on_beat = function(thread)
      local ctx = timeout.argument(thread, dispatch.request, 2)
      if ctx then heartbeat.send(ctx) end
    end,
  }
end

return timeout
