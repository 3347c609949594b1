-- SPDX-License-Identifier: MIT
-- budget_spec.lua: budgets of handlers in the server: the time that they run, and what they return.
local helper = require "spec.helper"
local mcp = require "mcp"
local system = require "codecs.system"

-- What is measured in time takes longer there.
local SLOW = (os.getenv "LD_PRELOAD" or "") ~= "" and 5 or 1
local TIME = 0.2

local function spin() while true do end end -- line 11

describe("a handler with a budget of time", function()
  local app, peer
  before_each(function()
    app = mcp.server { name = "spec", budget = { time = TIME } }
    peer = nil
  end)
  after_each(function()
    if peer then peer:close() end
    helper.remove_files()
    helper.leftovers()
  end)

  -- Calls the tool; its result, the log and the seconds it took.
  local function call(name, arguments)
    peer = peer or helper.open(app)
    local result
    local began = system.now()
    local log = helper.logged(function() result = peer:call(name, arguments) end)
    return result, log, system.now() - began
  end

  local function check_stopped(name, line)
    local result, log, took = call(name)
    assert.is_true(result.isError, name)
    assert.matches(('^tool "%s" exceeded its time budget of 0.2 s in line %s$'):format(name,
      line or "%d+"), result.content[1].text)
    assert.matches(('warning: tool "%s" exceeded its time budget of 0.2 s at [^\n]-:%s$'):format(
      name, line or "%d+"), log)
    -- What is above twice its budget is the machine's, when other specs run on it.
    assert.is_true(took >= TIME * 0.9 and took < 2 * TIME + 0.3 * SLOW, ("%s: %.2f s"):format(name,
      took))
    -- What comes after is not affected.
    assert.equal("fine", call("fine").content[1].text)
  end

  before_each(function() app:tool "fine" (function() return "fine" end) end)

  it("is stopped in its line", function()
    app:tool "loop" (spin)
    check_stopped("loop", 11)
    assert.same({ 1, 0 }, { app:counters().stopped, app:counters().oversized })
  end)

  local TRAPS = {
    find = function() return ("a"):rep(40):find(("a?"):rep(40) .. ("a"):rep(40)) end,
    match = function() return ("a"):rep(60):match(("a*"):rep(30) .. "b") end,
    rep = function() while true do local _ = ("x"):rep(1 << 24) end end,
    rep_nothing = function() while true do local _ = (""):rep(1 << 62) end end,
    load = function() return load("while true do end")() end,
    spawned = function() mcp.spawn(function() while true do pcall(spin) end end) spin() end,
    once = function(_, ctx) return ctx:once("a", spin) end,
    hookless = function() while true do debug.sethook() end end,
  }
  for name, trap in pairs(require "spec.traps"(spin)) do TRAPS[name] = trap end
  for name, trap in pairs(TRAPS) do
    it("is stopped in spite of " .. name, function()
      app:tool(name) (trap)
      if name == "spawned" or name == "load" then
        assert.matches("exceeded its time budget of 0.2 s in line", call(name).content[1].text, 1,
          true)
      else
        check_stopped(name)
      end
    end)
  end

  it("may wait as long as it likes", function()
    app:tool "waits" (function(_, ctx)
      for _ = 1, 4 do ctx:sleep(TIME / 2) end
      return "waited"
    end)
    assert.equal("waited", call("waits").content[1].text)
  end)

  it("spends it in pieces", function()
    local pieces = 0
    app:tool "pieces" (function(_, ctx)
      while true do
        local over = system.now() + TIME / 4
        while system.now() < over do end
        pieces = pieces + 1
        ctx:sleep(0.01)
      end
    end)
    local result = call "pieces"
    assert.matches("exceeded its time budget", result.content[1].text, 1, true)
    assert.is_true(pieces >= 2 and pieces <= 4, pieces)
  end)

  it("is stopped after a C function that took too long", function()
    app:tool "blocked" (function()
      system.block(TIME * 1.5)
      return "blocked"
    end)
    local result, _, took = call "blocked"
    assert.matches("exceeded its time budget", result.content[1].text, 1, true)
    assert.is_true(took >= TIME * 1.4)
  end)

  it("closes its variables, those of C too", function()
    local path, file, closed = helper.file "text", nil, false
    app:tool "closes" (function()
      local handle <close> = assert(io.open(path))
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      file = handle
      spin()
    end)
    call "closes"
    assert.equal("closed file", io.type(file))
    -- One in Lua stops at its first instruction.
    assert.is_false(closed)
  end)

  it("disturbs no other call, and none is taken for it", function()
    app:tool "loop" (spin)
    app:tool "slow" { budget = { time = false } } (function(_, ctx)
      local over = system.now() + TIME * 1.5
      while system.now() < over do end
      ctx:sleep(0.01)
      return "slow"
    end)
    peer = helper.open(app)
    helper.logged(function()
      for id, name in ipairs { "slow", "loop", "fine", "slow" } do
        peer:send { jsonrpc = "2.0", id = id, method = "tools/call", params = { name = name } }
      end
      local texts = {}
      for _ = 1, 4 do
        local answer = peer:receive()
        texts[answer.id] = answer.result.content[1].text
      end
      assert.matches("exceeded its time budget", texts[2], 1, true)
      assert.same({ "slow", "fine", "slow" }, { texts[1], texts[3], texts[4] })
    end)
  end)

  it("keeps errors, tracebacks and results as they are", function()
    app:tool "fail" (function() error "as told" end)
    app:tool "code" (function() error(mcp.error(-5, "coded")) end)
    app:tool "two" (function() return mcp.text "a", "b" end)
    app:tool "lost" (function() return nil, "not found" end)
    local result, log = call "fail"
    assert.equal("as told", result.content[1].text)
    assert.matches("budget_spec.lua:%d+: as told", log)
    assert.matches("budget_spec.lua:%d+: in function", log)
    assert.equal(2, #call("two").content)
    assert.equal("not found", call("lost").content[1].text)
    assert.equal(-5, peer:request("tools/call", { name = "code" }).error.code)
  end)

  it("is one of resources and prompts as well, in their words", function()
    app:resource "spec://loop" (spin)
    app:prompt "loop" (spin)
    peer = helper.open(app)
    local answers = {}
    helper.logged(function()
      answers[1] = peer:request("resources/read", { uri = "spec://loop" })
      answers[2] = peer:request("prompts/get", { name = "loop" })
    end)
    assert.same({ -32001, 'resource "spec://loop" exceeded its time budget of 0.2 s in line 11' },
      { answers[1].error.code, answers[1].error.message })
    assert.equal('prompt "loop" exceeded its time budget of 0.2 s in line 11',
      answers[2].error.message)
  end)

  it("as a task ends the task", function()
    app:tool "task" { task = "optional" } (spin)
    peer = helper.open(app, "2025-11-25")
    helper.logged(function()
      local made = peer:request("tools/call", { name = "task", task = { ttl = 60000 } })
      local result = peer:request("tasks/result", { taskId = made.result.task.taskId }).result
      assert.matches("exceeded its time budget", result.content[1].text, 1, true)
    end)
  end)

  it("leaves Lua's own functions as they were", function()
    app:tool "same" (function() return "same" end)
    assert.equal("xyxyx", ("x"):rep(3, "y"))
    assert.equal("", ("x"):rep(0))
    assert.equal("x", ("x"):rep(1, "y"))
    assert.same({ false, "resulting string too large" },
      { pcall(string.rep, "x", 1 << 62) })
    assert.same({ 2, 3, "b" }, { ("abbc"):find "(b)b" })
    local co = coroutine.wrap(function(...) return select("#", coroutine.yield(...)) end)
    assert.same({ "a", nil, "c" }, { co("a", nil, "c") })
    assert.equal(2, co(nil, nil))
    assert.same({ false, "as told" }, { xpcall(error, function(text) return text end, "as told") })
  end)
end)

describe("a handler with a budget of output", function()
  after_each(helper.leftovers)

  it("may return so many bytes", function()
    local app = mcp.server "spec"
    app:tool "make" { input = { n = "integer" }, budget = { output = 1000 } } (function(a)
      return ("x"):rep(a.n)
    end)
    app:tool "nested" { budget = { output = 1000 } } (function()
      return { list = { ("x"):rep(600), ("y"):rep(600) } }
    end)
    app:tool "content" { budget = { output = 1000 } } (function()
      return mcp.text "a", mcp.image(("x"):rep(1200))
    end)
    app:resource "spec://large" { budget = { output = 1000 } } (function()
      return ("x"):rep(2000)
    end)
    local peer <close> = helper.open(app)
    assert.equal(900, #peer:call("make", { n = 900 }).content[1].text)
    local log = helper.logged(function()
      for _, name in ipairs { "make", "nested", "content" } do
        local result = peer:call(name, { n = 2000 })
        assert.is_true(result.isError)
        assert.equal(('tool "%s" exceeded its output budget of 1000 bytes'):format(name),
          result.content[1].text)
      end
      local err = peer:request("resources/read", { uri = "spec://large" }).error
      assert.equal(-32603, err.code)
      assert.equal('resource "spec://large" exceeded its output budget of 1000 bytes', err.message)
    end)
    assert.matches('warning: tool "make" exceeded its output budget of 1000 bytes', log, 1, true)
    assert.same({ 0, 4 }, { app:counters().stopped, app:counters().oversized })
  end)
end)

describe("the table of a budget", function()
  local function refused(fn, text)
    local ok, err = pcall(fn)
    assert.is_false(ok)
    assert.matches("budget_spec.lua:%d+: ", err)
    assert.matches(text, err, 1, true)
  end

  it("has no memory where a handler shares it", function()
    local app = mcp.server "spec"
    for _, kind in ipairs { "tool", "prompt" } do
      refused(function() app[kind](app, "t") { budget = { memory = 1 << 20 } } (print) end,
        kind .. ' "t": budget.memory: only a worker has memory of its own: add worker = "file.lua"')
    end
    refused(function() mcp.server { name = "s", budget = { memory = 1 << 20 } } end,
      "mcp.server: budget.memory: only a worker has memory of its own")
  end)

  it("is checked alike for servers, handlers and workers", function()
    local app = mcp.server "spec"
    local function each(budget, text)
      refused(function() app:tool "t" { budget = budget } (print) end, text)
      refused(function() mcp.server { name = "s", budget = budget } end, text)
      refused(function() mcp.worker { function() return {} end, budget = budget } end, text)
    end
    each({ time = 0 }, "budget.time: expected seconds, more than 0, got 0")
    each({ output = 0 }, "budget.output: expected a whole number from 1 to 1073741824, got 0")
    each({ tiem = 1 }, 'budget: unknown option "tiem", did you mean "time"?')
  end)

  it("of a handler comes before the server's, member by member", function()
    local app = mcp.server { name = "spec", budget = { time = 60, output = 10 } }
    app:tool "own" { budget = { output = 100 } } (function() return ("x"):rep(50) end)
    app:tool "servers" (function() return ("x"):rep(50) end)
    local peer <close> = helper.open(app)
    assert.is_nil(peer:call("own").isError)
    helper.logged(function() assert.is_true(peer:call("servers").isError) end)
  end)

  it("costs a handler without one nothing", function()
    local app = mcp.server "spec"
    local handler = function() return "plain" end
    app:tool "plain" (handler)
    app:tool "unlimited" { budget = { time = false } } (handler)
    assert.equal(handler, app.tools.by_name.plain.handler)
    assert.equal(handler, app.tools.by_name.unlimited.handler)
  end)
end)
