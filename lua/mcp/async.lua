-- SPDX-License-Identifier: MIT
-- async: doing several things at once. Inside a task waiting yields; outside
-- any task it turns the loop until it is done.
local core = require "mcp.core"
local loading = require "mcp.loading"

local async = {}

local NONE = {}

-- Raises at the line of the caller's caller unless `fn` is a function.
local function check_function(what, fn)
  if type(fn) == "function" or (getmetatable(fn) or NONE).__call then return end
  error(("%s: expected a function, got %s"):format(what, type(fn)), 3)
end

---Runs `fn(…)` in a task of its own, at once up to its first wait. An error it
---does not catch goes to the log.
---@param fn function
function async.spawn(fn, ...)
  check_function("mcp.spawn", fn)
  local script = loading.script
  if script and script.thread == coroutine.running() then
    local started = script.started
    started.tasks = started.tasks or core.waiter()
    return started.tasks:spawn(fn, ...)
  end
  return core.spawn(fn, ...)
end

---Waits, while other things go on.
---@param seconds number
---@return boolean|nil slept, string|nil message, string|nil code "ECANCELED"
function async.sleep(seconds)
  local time = tonumber(seconds)
  if not time or time ~= time or time < 0 then
    error(("mcp.sleep: expected seconds, 0 or more, got %s"):format(time or type(seconds)), 2)
  end
  return core.sleep(time)
end

---Runs functions side by side and waits for all of them.
---@param functions function[]|table<any, function>
---@return table results what each returned first, under its key
function async.all(functions)
  if type(functions) ~= "table" then
    error("mcp.all: expected a table of functions, got " .. type(functions), 2)
  end
  local results, open, waiter, failed = {}, 0, core.waiter(), nil
  for key, fn in pairs(functions) do
    check_function(("mcp.all: [%s]"):format(tostring(key)), fn)
    open = open + 1
  end
  if open == 0 then return results end
  for key, fn in pairs(functions) do
    waiter:spawn(function()
      -- The first error counts; it is raised again where it was waited for. Where it came from
      -- goes to the log only: the error itself may go to a peer.
      local ok, result = xpcall(fn, function(err)
        if type(err) == "string" then core.log_lines("debug", debug.traceback(err, 2)) end
        return err
      end)
      if ok then
        results[key] = result
      elseif not failed then
        failed = { result }
      end
      open = open - 1
      if failed then waiter:wake() end
    end)
  end
  local ok, text, code = waiter:wait()
  if not ok then return nil, text, code end
  if failed then error(failed[1], 0) end
  -- A task ended and left neither a result nor an error: there was no memory to catch it.
  if open > 0 then error("not enough memory", 0) end
  return results
end

---Runs `fn(…)` in a task and turns the loop until it has returned; without
---`fn`, until nothing is open any more. Where nothing can wait any more (its task is being closed)
---it returns nil, a text and "ECANCELED", and `fn` is cancelled.
---@param fn function|nil
---@return any result what fn returned
function async.run(fn, ...)
  if not fn then
    while core.step() do end
    return nil
  end
  check_function("mcp.run", fn)
  if core.in_task() then return fn(...) end
  local done, arguments, waiter = nil, table.pack(...), core.waiter()
  waiter:spawn(function()
    done = table.pack(xpcall(fn, function(err)
      return type(err) == "string" and debug.traceback(err, 2) or err
    end, table.unpack(arguments, 1, arguments.n)))
  end)
  local ok, text, code = waiter:wait()
  if not ok then
    waiter:cancel()
    return nil, text, code
  end
  -- What the function closed may still be saying goodbye.
  local closing = package.loaded["mcp.closing"]
  if closing then closing.await() end
  if not done then error("not enough memory", 0) end
  if not done[1] then error(done[2], 0) end
  return table.unpack(done, 2, done.n)
end

---Turns the loop until something has happened, for hosts that own the loop.
---@param seconds number|nil how long to wait: 0 not at all, nil as long as it takes
---@return boolean open false when there is nothing left that could happen
function async.step(seconds) return core.step(seconds) end

---A descriptor that is readable when mcp.step has something to do.
---@return integer
function async.fd() return core.fd() end

---How long a wait on mcp.fd may last before mcp.step is due again.
---@return number|nil seconds nil: for ever
function async.timeout() return core.timeout() end

return async
