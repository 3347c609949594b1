-- SPDX-License-Identifier: MIT
-- closing: runs a close that takes time, such as deleting a session or letting a child process
-- exit. Code that may wait waits for it. Code that may not (a coroutine that is being closed, a
-- finalizer, a callback of the loop) leaves it to a coroutine in the background, and the program
-- waits for all of these before it exits.
local core = require "mcp.core"

local closing = {}

---How long an exiting program waits for closing in the background, in seconds. What has not
---finished by then ends with the Lua state: connections are cut, a child is killed by its guard.
closing.LIMIT = 10

---How long a cancelled close may take to end, in seconds.
closing.CANCELED = 1

-- Turns of the loop: what was just cancelled is closed in a later turn, and may start closing
-- something in the background then.
local TURNS = 8

-- How many closes are in progress.
local pending = 0

local In_progress = { __name = "mcp.closing", __close = function() pending = pending - 1 end }

local function close_within(seconds, fn, ...)
  local in_progress <close> = setmetatable({}, In_progress) -- luacheck: ignore
  pending = pending + 1
  local work = core.waiter()
  work:spawn(fn, ...)
  if work:wait(seconds) then return end
  work:cancel()
  work:wait(closing.CANCELED)
end

---Runs `fn(...)`, which closes something, in a coroutine, for `seconds` at most. Returns when it is
---over, or at once where waiting is impossible.
---@param seconds number
---@param fn function
---@param ... any
function closing.run(seconds, fn, ...)
  local waiter = core.waiter()
  waiter:spawn(close_within, seconds, fn, ...)
  if core.may_wait() then waiter:wait() end
end

---@return integer count of the closes in progress
function closing.count() return pending end

---Waits until all are over; for the end of a program, outside of any coroutine.
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
