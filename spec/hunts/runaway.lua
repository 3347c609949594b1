-- SPDX-License-Identifier: MIT
-- runaway: handlers that never end or never stop growing. For each: does anything stop it, and can
-- its process be ended; without a budget, and with a budget of time. What is known not to be
-- stopped is listed in the source and in the row; a change in either direction is a failure, so
-- that the list stays true.
local hunt = require "spec.hunts.hunt"
local support = hunt.support

-- "caught": the call fails and the server goes on. "dies": the process is ended by its limit of
-- memory. "memory": either of these two. "runs": nothing stops it, others are not answered; the
-- process can be ended. The last member: the same with a budget, if it is not "caught".
local SCRIPTS = {
  { "recursion", "caught", "local function f() return 1 + f() end f()" },
  { "error in error", "caught", "error(setmetatable({}, { __tostring = error }))" },
  { "pattern", "runs", "('a'):rep(40000):find(('a*'):rep(50) .. 'b')" },
  { "schema pattern", "caught", "error(mcp.error(1, ('x'):rep(100)))" },
  { "C stack", "caught", "local s = ('('):rep(300) assert(load('return ' .. s))" },
  { "coroutine chain", "caught",
    "local function f() return coroutine.wrap(f)() end f()" },
  { "string.rep", "caught", "return #(('x'):rep(1 << 62))" },
  { "loop", "runs", "while true do end" },
  { "loop in pcall", "runs", "while true do pcall(function() while true do end end) end" },
  { "finalizer", "runs",
    "setmetatable({}, { __gc = function() while true do end end }) collectgarbage() ", "runs" },
  { "coroutine nest", "runs", [[
    local function deeper(n)
      while n == 0 do end
      while true do coroutine.resume(coroutine.create(deeper), n - 1) end
    end
    deeper(20)]] },
  { "C function", "runs", "os.execute 'exec sleep 8'", "runs" },
  { "close", "runs",
    "local x <close> = setmetatable({}, { __close = function() while true do end end })" },
  { "table bomb", "memory", "local t = {} while true do t[#t + 1] = {} end", "memory" },
  { "string bomb", "memory", "local s = 'x' while true do s = s .. s end", "memory" },
  { "spawn bomb", "caught",
    "for _ = 1, 1e5 do mcp.spawn(function() mcp.sleep(0.2) end) end return 'spawned'" },
}

-- A process's address space, in KiB, so that a bomb hits a wall before it hits the machine.
local WALL = 256 << 10

local SERVER = [==[
local mcp = require "mcp"
local app = mcp.server { name = "runaway", timeout = 1 }
app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
local budget = { time = tonumber(os.getenv "RUNAWAY_BUDGET") or false }
app:tool "go" { budget = budget } (assert(load("local mcp = ... return function(_, ctx) "
  .. os.getenv "RUNAWAY" .. " end"))(mcp))
app:run { http = { port = 0 } }
]==]

local function start(code, budget)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(SERVER)
  file:close()
  local process = hunt.system.spawn { "sh", "-c", ("ulimit -v %d; exec %s run %s"):format(WALL,
    support.program(), path), env = { "RUNAWAY=" .. code, "RUNAWAY_BUDGET=" .. budget,
      "MCP_LOG=info" }, stdout = "/dev/null" }
  local heard, port = "", nil
  hunt.wait(5, function()
    heard = heard .. (process:read_error(0) or "")
    port = heard:match "answers at http://[^%s]-:(%d+)/"
    return port
  end)
  assert(port, heard)
  return { process = process, port = math.tointeger(tonumber(port)), path = path }
end

local function outcome(h, name, code, budget, limit)
  local server = start(code, budget)
  local client = support.client(server)
  client:send(support.call(1, "go"))
  local answered = hunt.wait(limit, function()
    server.process:read_error(0)
    client:more(0.01)
    return client.buffer:find "\r\n\r\n" ~= nil or server.process:wait(0) ~= nil
  end)
  local what
  if server.process:wait(0) then
    what = "dies"
  elseif answered and hunt.wait(2, function() return (hunt.answers(server)) end) then
    what = "caught"
  else
    what = "runs"
    -- Two signals must be enough for one that nothing else stops.
    server.process:kill "TERM"
    hunt.wait(0.3, function() end)
    server.process:kill "TERM"
    local ended = hunt.wait(3, function() return server.process:wait(0) ~= nil end)
    if not ended then h.stubborn = h.stubborn + 1 end
  end
  client:close()
  server.process:close()
  os.remove(server.path)
  hunt.say("  %-18s %-14s %s", name, budget == "" and "" or "with a budget", what)
  return what
end

-- The budget of time in seconds, as text.
local BUDGET = "0.3"

-- Runs it, and returns whether it was caught.
local function check(h, name, expected, code, budget)
  -- What ends by itself may take a while until it has filled its memory.
  local what = outcome(h, name, code, budget, expected == "runs" and 1.5 or 25)
  if expected == "memory" then
    -- The wall is the user's: with it, the call fails, or the process ends.
    h:check(what ~= "runs", "%s: %s, a failed call or an end expected", name, what)
  else
    h:check(what == expected, "%s: %s, %s expected", name, what, expected)
  end
  return what == "caught"
end

hunt.run("runaway", function(h)
  h.stubborn = 0
  for _, budget in ipairs { "", BUDGET } do
    local open, caught = {}, 0
    for _, script in ipairs(SCRIPTS) do
      local name, expected, code, limited = table.unpack(script, 1, 4)
      if budget ~= "" then expected = limited or "caught" end
      if check(h, name, expected, code, budget) then
        caught = caught + 1
      else
        open[#open + 1] = name
      end
    end
    h:figure("%s: %d of %d stopped with the server alive; not stopped: %s",
      budget == "" and "no budget" or "budget of " .. budget .. " s", caught, #SCRIPTS,
      table.concat(open, ", "))
  end
  h:check(h.stubborn == 0, "%d processes do not end by two TERM", h.stubborn)
end)
