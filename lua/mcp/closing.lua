-- SPDX-License-Identifier: MIT
-- farewell: the polite end of something, which takes a while: a session is deleted, a child is
-- given time to leave. Where the code that closes may wait, it waits for that. Where it may not (a
-- task that is being closed, a finalizer, a callback of the loop) a task of its own goes on with
-- it, and the program waits for all of these before it leaves. Knows nothing of what ends.
local core = require "mcp.core"

local closing = {}

---How long a program that leaves waits for all farewells, in seconds. What is not over then ends
---with the Lua state: connections are cut, the guard of a child kills it.
closing.LIMIT = 10

---How long one whose time is over has to end, once it is cancelled; in seconds.
closing.CANCELED = 1

-- What was cancelled a moment ago is closed in a later turn, and may say farewell then.
local TURNS = 8

-- How many are under way.
local pending = 0

local Under_way = { __name = "mcp.closing", __close = function() pending = pending - 1 end }

local function see_off(seconds, fn, ...)
  local under_way <close> = setmetatable({}, Under_way) -- luacheck: ignore
  pending = pending + 1
  local work = core.waiter()
  work:spawn(fn, ...)
  if work:wait(seconds) then return end
  work:cancel()
  work:wait(closing.CANCELED)
end

---Runs `fn(...)`, which waits for the end of something, in a task, for `seconds` at most. Returns
---when that is over, or at once where nothing can wait.
---@param seconds number
---@param fn function
---@param ... any
function closing.run(seconds, fn, ...)
  local waiter = core.waiter()
  waiter:spawn(see_off, seconds, fn, ...)
  if core.may_wait() then waiter:wait() end
end

---@return integer count of those that are under way
function closing.count() return pending end

---Waits until all are over; for the end of a program, outside any task.
---@param limit number|nil seconds, closing.LIMIT if not given
function closing.await(limit)
  local deadline = core.now() + (limit or closing.LIMIT)
  for _ = 1, TURNS do
    if not core.may_wait() or core.timeout() ~= 0 then break end
    core.step(0)
  end
  while pending > 0 and core.may_wait() do
    local left = deadline - core.now()
    if left <= 0 then return end
    core.step(left)
  end
end

return closing
