-- SPDX-License-Identifier: MIT
-- A library with a loop of its own: a controller of cqueues runs inside the loop of luv and luamcp,
-- and handlers wait for what its coroutines find.
--
--   luamcp run examples/with_cqueues.lua [--http 8000]   (Debian: lua-cqueues, lua-luv)
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local uv = require "luv"
local mcp = require "mcp.on_luv"

-- The controller: luv watches its descriptor, and the time of its next step.
local controller = cqueues.new()
local poll, timer = uv.new_poll(controller:pollfd()), uv.new_timer()

local function step()
  local ok, problem = controller:step(0)
  if not ok then io.stderr:write("cqueues: ", tostring(problem), "\n") end
  local seconds = controller:timeout()
  timer:stop()
  if seconds then timer:start(math.ceil(seconds * 1000), 0, step) end
end
poll:start("r", step)
poll:unref()

-- Runs `fn(…)` in a coroutine of cqueues and waits for its first result, or its error.
local function run(fn, ...)
  local waiter, arguments = mcp.waiter(), table.pack(...)
  controller:wrap(function()
    local ok, result = pcall(fn, table.unpack(arguments, 1, arguments.n))
    if ok then waiter:wake(result) else waiter:wake(nil, tostring(result)) end
  end)
  step()
  return waiter:wait(10)
end

local app = mcp.server "cqueues"

app:tool "sleep" {
  description = "Sleep in a coroutine of cqueues",
  input = { seconds = mcp.number { min = 0, max = 9 } },
} (function(args)
  return run(function()
    cqueues.sleep(args.seconds)
    return ("slept %g s"):format(args.seconds)
  end)
end)

app:tool "first_line" {
  description = "Connect to a port of this machine and read a line",
  input = { port = mcp.integer { min = 1, max = 65535 } },
} (function(args)
  return run(function()
    local connection = assert(socket.connect("127.0.0.1", args.port))
    connection:settimeout(5)
    local line, code = connection:read "*l"
    connection:close()
    return line or error(code and ("no line: error %d"):format(code) or "no line", 0)
  end)
end)

-- Two calls that meet: the second wakes the first.
local arrival, count = condition.new(), 0
app:tool "meet" {
  description = "Wait for another call of this tool",
} (function()
  return run(function()
    count = count + 1
    arrival:signal()
    local mine = count
    while count // 2 * 2 < mine do arrival:wait() end
    return ("met as number %d"):format(mine)
  end)
end)

app:run()
