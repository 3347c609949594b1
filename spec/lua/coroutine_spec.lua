-- SPDX-License-Identifier: MIT
-- task_spec.lua: src/lua/coroutine.c: the life of tasks, and of those that were cancelled. An
-- exchange in memory is what cancels here.
local core = require "mcp.core"
local helper = require "spec.helper"

local PING = '{"jsonrpc":"2.0","id":%d,"method":"m"}\n'

local host, peer, exchange

-- A handler that runs in a task of an exchange.
local function serve(handler)
  host, peer = core.memory_pair(function(x, ...)
    exchange = x
    return handler(x, ...)
  end)
  peer:send(PING:format(1))
  repeat core.step(1) until exchange
end

describe("a task", function()
  after_each(function()
    if host then
      host:close()
      while not host:is_gone() do core.step(1) end
      host, peer, exchange = nil, nil, nil
    end
    assert.equal(0, core.task_count())
  end)

  it("runs at once up to its first wait", function()
    local steps = {}
    core.spawn(function(...)
      steps = { ..., core.in_task() }
      core.sleep(0)
      steps[#steps + 1] = "after"
    end, 1, 2)
    assert.same({ 1, 2, true }, { steps[1], 2, steps[2] })
    assert.is_nil(steps[3])
    while core.task_count() > 0 do core.step(1) end
    assert.equal("after", steps[#steps])
    assert.is_false(core.in_task())
  end)

  it("that fails ends alone", function()
    core.spawn(function() error "this line is expected" end)
    core.spawn(function() error {} end)
    core.spawn(function() error(nil) end)
    local done
    core.spawn(function() done = true end)
    assert.is_true(done)
  end)

  it("that yields for nobody is named in the log; one that was cancelled is not", function()
    local script = helper.file([[
      local core, mcp = require "mcp.core", require "mcp"
      mcp.run(function()
        local waiter = core.waiter()
        waiter:spawn(function()
          mcp.sleep(60)
          mcp.sleep(60)
        end)
        waiter:cancel()
        if os.getenv "YIELD" then mcp.spawn(function() coroutine.yield() end) end
        mcp.sleep(0.01)
      end)]], ".lua")
    for _, variable in ipairs { "", "YIELD=1 " } do
      local out, status = helper.shell(("%stimeout 20 %s run %s 2>&1"):format(variable,
        helper.quote(helper.program()), helper.quote(script)))
      assert.equal(0, status)
      assert.equal(variable == "" and "" or "luamcp: error: a handler called coroutine.yield "
        .. "outside a coroutine of its own; the handler is closed\n", out)
    end
    helper.remove_files()
  end)

  it("that yields for nobody is closed", function()
    local closed
    core.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      coroutine.yield()
    end)
    assert.is_true(closed)
  end)

  it("may turn no loop", function()
    local ok, text
    core.spawn(function() ok, text = pcall(core.step, 0) end)
    assert.is_false(ok)
    assert.matches("from inside a handler", text)
  end)

  it("may be one of ten thousand", function()
    local count, waiter = 0, core.waiter()
    for _ = 1, 10000 do
      core.spawn(function()
        core.sleep(0)
        count = count + 1
        if count == 10000 then waiter:wake() end
      end)
    end
    assert.equal(10000, core.task_count())
    waiter:wait()
    while core.task_count() > 0 do core.step(1) end
    assert.equal(10000, count)
  end)

  it("gives its memory back", function()
    local function round()
      for _ = 1, 1000 do core.spawn(function() core.sleep(0) end) end
      while core.task_count() > 0 do core.step(1) end
      collectgarbage()
      return core.bytes_held(), collectgarbage "count"
    end
    round()
    local held, count = round()
    local held_after, count_after = round()
    assert.is_true(held_after <= held)
    assert.is_true(count_after <= count + 16)
  end)

  it("that is cancelled hears of it from its wait, once", function()
    local got, closed = {}, false
    serve(function(x)
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      got[1] = x:is_cancelled()
      got[2] = select(3, core.sleep(60))
      got[3] = x:is_cancelled()
      core.sleep(60) -- does not listen: this is the end
      got[4] = "never"
    end)
    assert.is_false(closed)
    exchange:cancel()
    assert.same({ false, "ECANCELED", true }, got)
    assert.is_true(closed)
    assert.equal(0, core.task_count())
  end)

  it("that is cancelled ends pcall or not", function()
    local count = 0
    serve(function()
      while true do
        count = count + 1
        pcall(core.sleep, 60)
        pcall(pcall, function() pcall(core.sleep, 60) end)
      end
    end)
    exchange:cancel()
    assert.equal(0, core.task_count())
    assert.equal(1, count)
  end)

  it("cancelled while it runs hears of it at its next wait", function()
    local code
    serve(function(x)
      x:cancel()
      code = select(3, core.sleep(60))
      return {}
    end)
    assert.equal("ECANCELED", code)
  end)

  it("that waits for a waiter is cancelled; the waiter is free again", function()
    local waiter, code = core.waiter(), nil
    serve(function()
      code = select(3, waiter:wait(60))
      return {}
    end)
    exchange:cancel()
    assert.equal("ECANCELED", code)
    local got
    core.spawn(function() got = { waiter:wait(60) } end)
    waiter:wake "x"
    while core.task_count() > 0 do core.step(0) end
    assert.same({ "x" }, got)
  end)

  it("may end its own connection", function()
    local closed
    serve(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      host:close()
      core.sleep(60)
      core.sleep(60)
    end)
    while not host:is_gone() do core.step(1) end
    assert.is_true(closed)
  end)

  it("whose <close> variable fails is still over, and answered", function()
    serve(function()
      local _ <close> = setmetatable({}, { __close = function() error "in close" end })
      core.sleep(0)
      return {}
    end)
    local text = peer:take()
    while not text:find "\n" do
      core.step(1)
      text = text .. peer:take()
    end
    assert.equal(-32603, core.decode(text).error.code)
  end)
end)
