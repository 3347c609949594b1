-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local mcp = require "mcp"
local system = require "system"
local testing = require "mcp.testing"

local SERVER = [[
local mcp = require "mcp"
local app = mcp.server "demo"
app:tool "add" { input = { a = "number", b = "number" }, output = { sum = "number" } }
  (function(args) return { sum = args.a + args.b } end)
local words = table.concat(arg, " ")
app:tool "echo" (function() return words end)
app:tool "fails" (function() return nil, "no luck at all" end)
app:tool "slow" (function(_, ctx)
  ctx:progress(1, 2, "half")
  if not ctx:sleep(45) then return nil, "cancelled" end
  ctx:log("info", "nearly")
  return "done"
end)
app:tool "late" { timeout = 60 } (function(_, ctx) ctx:sleep(3600) end)
app:tool "asks" (function(_, ctx)
  local answer, reason = ctx:elicit("Name?", { name = "string" })
  return answer and answer.name or reason
end)
app:tool "grow" (function() app:tool "grown" (function() return "x" end) end)
app:resource "notes://today" (function() return "# Milk" end)
app:prompt "review" { arguments = { code = "string" } } (function(args) return args.code end)
app:run()
error "not reached"
]]

describe("mcp.testing", function()
  local path

  before_each(function() path = helper.file(SERVER, ".lua") end)
  after_each(helper.remove_files)

  it("loads a script that ends in app:run()", function()
    local client <close> = testing.load(path, { args = { "x", "y" } })
    assert.returns_structured({ sum = 3 }, client:call_tool("add", { a = 1, b = 2 }))
    assert.returns_text("x y", client:call_tool "echo")
    assert.tool_fails("no luck", client:call_tool "fails")
    assert.is_not.tool_fails("no luck", client:call_tool "echo")
    assert.offers("tool", "add", client)
    assert.offers("resource", "notes://today", client)
    assert.offers("prompt", "review", client)
    assert.is_not.offers("tool", "ad", client)
    assert.equal("# Milk", testing.text(client:read_resource "notes://today"))
    assert.equal("1", testing.text(client:get_prompt("review", { code = "1" })))
    assert.equal("demo", client.app.name)
  end)

  it("loads an app, in either era", function()
    local app = mcp.server "own"
    app:tool "hello" (function() return "hi" end)
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = testing.load(app, { era = era })
      assert.equal(era, client.era)
      assert.equal("hi", testing.text(client:call_tool "hello"))
    end
  end)

  it("assertions fail where they should", function()
    local client <close> = testing.load(path)
    local result = client:call_tool("add", { a = 1, b = 2 })
    for _, claim in ipairs {
      function() assert.returns_structured({ sum = 4 }, result) end,
      function() assert.returns_text("4", result) end,
      function() assert.returns_text("4", nil, "Unknown tool: x", -32602) end,
      function() assert.tool_fails("no luck", result) end,
      function() assert.offers("tool", "nothing", client) end,
    } do
      assert.is_false((pcall(claim)))
    end
    assert.has_error(function() testing.text(client:call_tool "fails") end,
      "testing.text: the tool reported an error: no luck at all")
  end)

  it("records what the server sends, in order", function()
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = testing.load(path, { era = era,
        answers = { elicit = { name = "Ann" } } })
      local clock = testing.clock()
      local result
      mcp.spawn(function() result = client:call_tool "slow" end)
      clock:advance(46)
      assert.equal("done", testing.text(result))
      assert.same({ { done = 1, total = 2, text = "half" } }, client.recorded.progress)
      assert.equal("nearly", client.recorded.logs[1].data)
      assert.equal("Ann", testing.text(client:call_tool "asks"))
      assert.same({ "elicit", "Name?", { name = "Ann" } }, { client.recorded.questions[1].kind,
        client.recorded.questions[1].text, client.recorded.questions[1].answer })
      client:call_tool "grow"
      clock:advance(1)
      assert.equal("tools", client.recorded.changes[1].what)
    end
  end)

  it("questions without an answer are declined", function()
    local client <close> = testing.load(path)
    assert.equal("decline", testing.text(client:call_tool "asks"))
    assert.equal(1, #client.recorded.questions)
  end)

  it("a timeout of 60 s takes less than 50 ms", function()
    local client <close> = testing.load(path, { timeout = 0 })
    local clock, began = testing.clock(), system.gettime()
    local result
    mcp.spawn(function() result = client:call_tool "late" end)
    clock:advance(59)
    assert.is_nil(result)
    clock:advance(2)
    local took = system.gettime() - began
    assert.tool_fails("timed out", result)
    assert.is_true(took < 0.05, took)
    assert.is_true(clock:now() >= 61)
  end)

  it("the clock fires what is due, each at its time", function()
    local clock, fired = testing.clock(), {}
    for _, seconds in ipairs { 30, 10, 20 } do
      mcp.spawn(function()
        mcp.sleep(seconds)
        fired[#fired + 1] = math.floor(clock:now())
        mcp.sleep(5)
        fired[#fired + 1] = math.floor(clock:now())
      end)
    end
    clock:advance(24.9)
    assert.same({ 10, 15, 20 }, fired)
    clock:advance(100)
    assert.same({ 10, 15, 20, 25, 30, 35 }, fired)
    assert.has_error(function() clock:advance(-1) end,
      "clock:advance: expected seconds, 0 or more, got -1")
    local raised
    mcp.run(function() raised = select(2, pcall(clock.advance, clock, 1)) end)
    assert.matches("cannot be advanced from inside a handler", raised)
  end)

  it("says what is wrong with a script", function()
    for text, expected in pairs {
      ["x ="] = "unexpected symbol",
      ["error 'broken'"] = "broken",
      ["return 1"] = "the script makes no server, or never calls app:run()",
    } do
      local ok, raised = pcall(testing.load, helper.file(text, ".lua"))
      assert.is_false(ok)
      assert.matches(expected, raised, 1, true)
    end
    assert.has_error(function() testing.load(path, { arg = {} }) end,
      'testing.load: unknown option "arg", did you mean "args"?')
  end)

  it("raises why there is no client, at the line of the test", function()
    local connect = require "mcp.client.connect"
    local open = connect.open
    connect.open = function() return nil, "no luck" end
    local here = debug.getinfo(1, "l").currentline
    local ok, raised = pcall(function() local _ = testing.load(path) end)
    connect.open = open
    assert.is_false(ok)
    assert.equal(("spec/mcp/testing/init_spec.lua:%d: testing.load: no luck"):format(here + 1),
      raised)
  end)
end)
