-- SPDX-License-Identifier: MIT
-- lwatch_spec.lua: src/lua/lwatch.c and src/net/monitor.c: handlers that hold the loop are logged
-- and counted; the thread that looks for them sleeps while the server is idle.
local mcp = require "mcp"
local support = require "spec.support"
local system = support.system

local SCRIPT = [[
  local mcp = require "mcp"
  local options = load("return " .. os.getenv "SPEC_OPTIONS")()
  local app = mcp.server(options.app)
  local system = require "codecs.system"
  local function spin(seconds)
    local began = os.clock()
    while os.clock() - began < seconds do end -- line 7
  end
  app:tool "spin" { input = { seconds = "number" } } (function(a) spin(a.seconds) return "spun" end)
  app:tool "blocked" { input = { seconds = "number" } } (function(a)
    system.block(a.seconds) return "end"
  end)
  app:tool "inner" (function()
    return coroutine.wrap(function() spin(0.15) return "inner" end)()
  end)
  app:tool "spawns" (function()
    mcp.spawn(function() mcp.sleep(0.01) spin(0.15) io.stderr:write "spawned\n" end)
    return "spawns"
  end)
  app:tool "hooked" (function()
    local count = 0
    debug.sethook(function() count = count + 1 end, "", 1000)
    spin(0.15)
    local fn, mask, every = debug.gethook()
    debug.sethook()
    return ("%s %s %s"):format(type(fn), every, count > 0)
  end)
  app:tool "below" (function()
    local began, text = os.clock(), ("ü"):rep(50000)
    while os.clock() - began < 0.3 do
      mcp.uri.escape(text)
    end
    return "below"
  end)
  app:tool "quick" (function() return "quick" end)
  app:tool "count" (function() return app:counters().held end)
  app:resource "spec://slow" (function() spin(0.15) return "slow" end)
  app:prompt "slow" (function() spin(0.15) return "slow" end)
  if options.host then
    app:listen { http = { port = 0 }, quiet = true }
    for listening in pairs(app.listening) do
      io.stderr:write("answers at http://127.0.0.1:", listening.port, "/mcp\n")
    end
    mcp.run()
  else
    app:run { http = { port = 0 } }
  end
]]

local function start(options)
  local server = support.start("{ app = { name = 'spec' }, " .. (options or "") .. " }",
    { script = SCRIPT })
  server.port = math.tointeger(tonumber((server:wait_said "answers at http://[^%s]-:(%d+)/")))
  return server
end

local function ask(server, body)
  local client <close> = support.client(server)
  local method = body:match '"method":"([^"]+)"'
  return client:ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
    ["Mcp-Method"] = method, ["Mcp-Name"] = body:match '"[nu][ar][mi]e?":"([^"]+)"' }, body)).json
end

local function call(server, tool, arguments)
  local client <close> = support.client(server)
  return client:call(1, tool, arguments or {})
end

-- Context switches of all threads but the first.
local function switches(pid)
  local count, threads = 0, 0
  local pipe <close> = io.popen(("cat /proc/%d/task/*/status"):format(pid))
  local id
  for line in pipe:lines() do
    id = tonumber(line:match "^Pid:%s*(%d+)") or id
    local n = id ~= pid and line:match "^[%a_]*voluntary_ctxt_switches:%s*(%d+)"
    count = count + (n or 0)
    if line:find "^Pid:" then threads = threads + 1 end
  end
  return math.tointeger(count), threads
end

for _, where in ipairs { "the program", "a host" } do
  describe("a handler that holds the loop of " .. where, function()
    after_each(support.stop_all)

    local function server_with() return start(where == "a host" and "host = true" or "") end

    it("is logged with its name, line and time, once it has ended", function()
      local server = server_with()
      assert.equal("spun", call(server, "spin", { seconds = 0.2 }))
      local name, seconds, line = server:wait_said(
        'warning: (tool "spin") held the loop for ([%d.]+) s at [^\n]-:(%d+)\n')
      assert.equal('tool "spin"', name)
      assert.is_true(tonumber(seconds) >= 0.1, seconds)
      assert.equal("7", line)
      assert.equal("1", call(server, "count"))
    end)

    it("in a C function is logged when that returns", function()
      local server = server_with()
      assert.equal("end", call(server, "blocked", { seconds = 0.3 }))
      server:wait_said 'warning: tool "blocked" held the loop for %d+%.%d+ s at [^\n]-:11\n'
    end)

    it("for a second is logged meanwhile", function()
      local server = server_with()
      local client <close> = support.client(server)
      client:send(support.call(1, "blocked", { seconds = 1.4 }))
      server:wait_said("warning: a handler still holds the loop after 1 s, in a C function or a "
        .. "finalizer\n")
      assert.is_nil(server:told():find "held the loop for")
      server:wait_said 'warning: tool "blocked" held the loop for 1%.%d+ s'
      assert.equal("1", call(server, "count"))
    end)
  end)
end

describe("handlers that hold the loop", function()
  after_each(support.stop_all)

  it("are logged while they compute, at a second and its tenfold", function()
    local server = start()
    local client <close> = support.client(server)
    client:send(support.call(1, "spin", { seconds = 60 }))
    server:wait_said 'warning: tool "spin" still holds the loop after 1 s at [^\n]-:7\n'
  end)

  it("of resources and prompts have their names", function()
    local server = start()
    ask(server, support.modern_body(1, "resources/read", { uri = "spec://slow" }))
    server:wait_said 'warning: resource "spec://slow" held the loop for %d+%.%d+ s at [^\n]-:7\n'
    ask(server, support.modern_body(1, "prompts/get", { name = "slow" }))
    server:wait_said 'warning: prompt "slow" held the loop for %d+%.%d+ s at [^\n]-:7\n'
    assert.equal("2", call(server, "count"))
  end)

  it("in a function of luamcp have the line that calls it", function()
    local server = start()
    assert.equal("below", call(server, "below"))
    server:wait_said 'tool "below" held the loop for %d+%.%d+ s at [^\n]-:3[01]\n'
  end)

  it("in a coroutine of their own have the line where they are declared", function()
    local server = start()
    assert.equal("inner", call(server, "inner"))
    server:wait_said 'tool "inner" held the loop for %d+%.%d+ s %(declared at [^\n]-:13%)\n'
  end)

  it("that a program has spawned have a line", function()
    local server = start()
    call(server, "spawns")
    server:wait_said "a coroutine held the loop for %d+%.%d+ s at [^\n]-:7\n"
  end)

  it("keep a hook of their own", function()
    local server = start()
    assert.equal("function 1000 true", call(server, "hooked"))
    server:wait_said "held the loop for"
  end)

  it("are not logged below the limit, nor without a watchdog", function()
    for _, options in ipairs { "watchdog = 5", "watchdog = false" } do
      local server = support.start(("{ app = { name = 'spec', %s } }"):format(options),
        { script = SCRIPT })
      server.port = math.tointeger(tonumber((server:wait_said
        "answers at http://[^%s]-:(%d+)/")))
      call(server, "spin", { seconds = 0.3 })
      assert.equal("0", call(server, "count"))
      assert.is_nil(server:told():find "held the loop")
    end
  end)

  local TSAN = (os.getenv "LD_PRELOAD" or ""):find("tsan", 1, true) ~= nil
  local without_tsan = TSAN and function(name)
    pending(name .. ": SKIPPED, ThreadSanitizer has a thread that does not sleep")
  end or it
  without_tsan("are looked for by a thread that sleeps while the server does", function()
    local server = start()
    call(server, "quick")
    -- It goes to sleep after half a second.
    local before, now, threads
    local deadline = system.now() + support.LIMIT
    repeat
      before = switches(server.process:pid())
      system.block(0.5)
      now, threads = switches(server.process:pid())
      assert.is_true(threads >= 2, threads)
    until now == before or system.now() > deadline
    assert.equal(before, now)
    -- And wakes with the next call.
    call(server, "spin", { seconds = 0.2 })
    server:wait_said 'tool "spin" held the loop'
  end)

  it("have a limit that is checked", function()
    for _, given in ipairs { 0, -1, 1 / 0 } do
      local ok, err = pcall(function() mcp.server { name = "spec", watchdog = given } end)
      assert.is_false(ok)
      assert.matches("lwatch_spec.lua:%d+: mcp.server: watchdog: expected seconds, more than 0, or "
        .. "false", err)
    end
    assert.equal(0.1, mcp.server { name = "spec" }.watchdog)
    assert.is_false(mcp.server { name = "spec", watchdog = false }.watchdog)
  end)
end)
