-- SPDX-License-Identifier: MIT
-- async: doing several things at once. Inside a task waiting yields; outside
-- any task it turns the loop until it is done.
local core = require "mcp.core"

local async = {}

-- What our own source names begin with: errors of the core are raised at the first line that is not
-- ours.
debug.getregistry()["mcp.sources"] = debug.getinfo(1, "S").source:match "^(.*)async%.lua$"

---Runs `fn(…)` in a task of its own, at once up to its first wait. An error it
---does not catch goes to the log.
---@param fn function
function async.spawn(fn, ...) return core.spawn(fn, ...) end

---Waits, while other things go on.
---@param seconds number
---@return boolean|nil slept, string|nil message, string|nil code "ECANCELED"
function async.sleep(seconds) return core.sleep(seconds) end

---Runs functions side by side and waits for all of them.
---@param functions function[]|table<any, function>
---@return table results what each returned first, under its key
function async.all(functions)
  local results, open, waiter, failed = {}, 0, core.waiter(), nil
  for _ in pairs(functions) do open = open + 1 end
  if open == 0 then return results end
  for key, fn in pairs(functions) do
    waiter:spawn(function()
      -- The first error counts; it is raised again where it was waited for. Where it came from
      -- goes to the log only: the error itself may go to a peer.
      local ok, result = xpcall(fn, function(err)
        if type(err) == "string" then core.log("debug", debug.traceback(err, 2)) end
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
