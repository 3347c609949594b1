-- SPDX-License-Identifier: MIT
-- overdue: the response in place of a handler that is still running when its time is over
-- (server/timeout.lua).
--
-- A request that never waits has no clock, and is not recorded anywhere for one. So the request
-- that a late handler serves is found where it is: on the stack of the handler's coroutine, as an
-- argument of dispatch.request or legacy.batch. Both say at which position.
local arrival = require "mcp.server.front.arrival"
local core = require "mcp.core"
local dispatch = require "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local legacy = require "mcp.server.front.legacy"
local tool = require "mcp.server.feature.tool"
local value = require "mcp.value"

local overdue = {}

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
function overdue.argument(thread, fn, position)
  local depth = depth_of(thread)
  for level = depth - 1, math.max(0, depth - OURS), -1 do
    if debug.getinfo(thread, level, "f").func == fn then
      local _, argument = debug.getlocal(thread, level, position)
      return argument
    end
  end
  return nil
end

---The context of the request that a coroutine which waits serves.
---@param thread thread
---@return mcp.Context|nil
function overdue.context_of(thread)
  return overdue.argument(thread, dispatch.request, dispatch.request_ctx)
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

---Answers for the handler in `thread`, whose wait has ended but which has not been resumed yet.
---@param app table
---@param thread thread
---@param seconds number
---@return table|nil result
---@return table|nil err
function overdue.answer(app, thread, seconds)
  local ctx = overdue.context_of(thread)
  local text = text_of(ctx, seconds)
  core.log("warning", text)
  if ctx and app.access then app.access:expired(ctx) end
  local messages = overdue.argument(thread, legacy.batch, legacy.batch_messages)
  if messages then return batch_answer(messages, text) end
  if ctx and ctx.entry and ctx.entry.kind == "tool" then
    return dispatch.stamped(app, ctx, tool.failed(text))
  end
  -- A path of the program's own is HTTP and not JSON-RPC: its status says it (RFC 9110 15.6.5).
  local route = package.loaded["mcp.server.front.route"]
  local is_route = route and overdue.argument(thread, route.serve, 1)
  return nil, failure.new(errors.TIMED_OUT, text, nil, is_route and 504 or nil)
end

return overdue
