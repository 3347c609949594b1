-- SPDX-License-Identifier: MIT
-- lclock_spec.lua: src/lua/lclock.c and the clocks of src/lua/coroutine.c, on which
-- mcp/server/timeout.lua builds.
local core = require "mcp.core"
local system = require "codecs.system"

local CALL = '{"jsonrpc":"2.0","id":%d,"method":"%s"}\n'

describe("a clock", function()
  local host, peer, beats, expired

  -- A peer whose requests are served by `receive`, under limits.
  local function open(limits, receive)
    beats, expired = 0, {}
    host, peer = core.memory_pair(receive)
    host:clock {
      time = limits.time, max = limits.max, interval = limits.interval,
      expired = limits.expired or function(thread, seconds)
        assert.equal("thread", type(thread))
        expired[#expired + 1] = seconds
        return { late = true }
      end,
      on_heartbeat = limits.on_heartbeat or function(thread)
        assert.equal("thread", type(thread))
        beats = beats + 1
      end,
    }
  end

  local function call(id, method) peer:send(CALL:format(id, method or "m")) end

  -- What comes next, as text.
  local function receive()
    local deadline, text = core.now() + 5, ""
    repeat
      text = text .. peer:take()
      if text:sub(-1) == "\n" then return text:sub(1, -2) end
      core.step(0.05)
    until core.now() > deadline
    error "nothing came"
  end

  after_each(function()
    if host then
      host:close()
      while not host:is_gone() do core.step(1) end
      host, peer = nil, nil
    end
    assert.equal(0, core.task_count())
  end)

  it("answers in place of a handler, and then ends it like one that was cancelled", function()
    local steps = {}
    open({ time = 0.01 }, function(x)
      steps[1] = table.pack(core.sleep(60))
      steps[2] = table.pack(x:is_cancelled())
      steps[3] = table.pack(x:is_open())
      steps[4] = table.pack(x:send("n", {}))
      core.sleep(60)
      steps[5] = "never"
    end)
    call(1)
    assert.equal('{"jsonrpc":"2.0","id":1,"result":{"late":true}}', receive())
    core.step(0)
    assert.same({ 0.01 }, expired)
    assert.equal("ETIMEDOUT", steps[1][3])
    assert.same({ true, "ETIMEDOUT", n = 2 }, steps[2])
    assert.same({ false, n = 1 }, steps[3])
    assert.equal("ECLOSED", steps[4][3])
    assert.is_nil(steps[5])
    assert.equal(0, core.task_count())
  end)

  it("ends every kind of wait", function()
    local codes = {}
    local handlers = {
      function() return core.sleep(60) end,
      function() return core.waiter():wait() end,
      function() return core.waiter():wait(60) end,
      function()
        local waiter = core.waiter()
        waiter:spawn(function() core.sleep(0.05) end)
        return waiter:wait()
      end,
    }
    open({ time = 0.01 }, function(_, _, _, id)
      local code = select(3, handlers[tonumber(id)]())
      codes[#codes + 1] = code
    end)
    for id = 1, #handlers do call(id) end
    repeat core.step(1) until core.task_count() == 0 and #codes > 0
    assert.same({ "ETIMEDOUT", "ETIMEDOUT", "ETIMEDOUT", "ETIMEDOUT" }, codes)
    assert.equal(#handlers, #expired)
  end)

  it("ends a wait for a peer that does not read", function()
    local code
    open({ time = 0.01 }, function(x)
      code = select(3, x:send("n", { ("x"):rep(600000) }))
    end)
    peer:pause(true)
    call(1)
    while #expired == 0 do core.step(1) end
    core.step(0)
    assert.equal("ETIMEDOUT", code)
    peer:pause(false)
    assert.matches('"late":true', receive():sub(-60))
  end)

  it("does not begin before the first wait, and counts from the turn before it", function()
    open({ time = 0.01 }, function() return { at = "once" } end)
    call(1)
    assert.matches("once", receive())
    assert.same({}, expired)
  end)

  it("can be restarted, up to its most, and stopped", function()
    -- Much longer than the sleeps below, for a busy machine.
    open({ time = 0.3, max = 0.6 }, function(x, _, _, _, method)
      if method == "stop" then
        x:stop_clock()
        x:stop_clock()
        core.sleep(0.35)
        x:restart_clock()
        core.sleep(0.02)
        return { ended = true }
      end
      for _ = 1, 100 do
        if not core.sleep(0.02) then return {} end
        x:restart_clock()
      end
    end)
    call(1, "stop")
    assert.matches("ended", receive())
    local start = core.now()
    call(2, "restart")
    assert.matches("late", receive())
    assert.same({ 0.6 }, expired)
    assert.is_true(core.now() - start >= 0.599)
  end)

  it("can be a handler's own, longer or shorter or none", function()
    open({ time = 0.02 }, function(x, _, _, _, method)
      x:limit(({ long = 2, short = 0.001, none = 0 })[method])
      local ok = core.sleep(method == "short" and 60 or 0.05)
      return { slept = ok }
    end)
    call(1, "long")
    assert.matches("slept", receive())
    call(2, "none")
    assert.matches("slept", receive())
    call(3, "short")
    assert.matches("late", receive())
    assert.same({ 0.001 }, expired)
  end)

  it("is not there for who was not given one", function()
    host, peer = core.memory_pair(function(x)
      x:limit(0.001)
      x:restart_clock()
      x:stop_clock()
      core.sleep(0.01)
      x:restart_clock()
      core.sleep(0.01)
      return { slept = true }
    end)
    call(1)
    assert.matches("slept", receive())
  end)

  it("whose function fails, or gives nothing, still answers", function()
    for _, broken in ipairs { function() error "this line is expected" end, function() end } do
      open({ time = 0.005, expired = broken }, function() core.sleep(60) end)
      call(1)
      assert.matches('"code":%-32603', receive())
      host:close()
    end
  end)

  it("gives signs of life while a handler waits", function()
    local took
    open({ interval = 0.01 }, function()
      local began = core.now()
      repeat core.sleep(0.005) until beats >= 3 or core.now() - began > 5
      took = core.now() - began
      return {}
    end)
    call(1)
    receive()
    assert.is_true(beats >= 3 and beats <= took / 0.01 + 1, beats)
  end)

  it("is nothing to a task of somebody else's that it wakes", function()
    local first
    open({ time = 0.01, expired = function()
      if first then first:wake() end
      return {}
    end }, function()
      local waiter = core.waiter()
      first = first or waiter
      waiter:wait()
      return { woken = waiter:is_woken() }
    end)
    -- Both are due in the same turn; the first is woken by what answers for it.
    call(1)
    call(2)
    receive()
    while core.task_count() > 0 do core.step(1) end
  end)

  it("that runs out while a call is ready, and not yet resumed, comes too late", function()
    -- The clocks may be looked at once more for a call that is over: not in between.
    core.sleep(0.4)
    for _, limits in ipairs { { time = 0.2 }, { interval = 0.2 } } do
      local waiter, woken = core.waiter(), nil
      open(limits, function()
        woken = table.pack(waiter:wait())
        return { woken = true }
      end)
      call(1)
      core.step(0)
      -- Both are due when the loop is turned again, the wake first; what it wakes is resumed
      -- after the clock has been looked at.
      core.spawn(function()
        core.sleep(0.01)
        waiter:wake "in time"
      end)
      local from = system.now()
      repeat until system.now() - from > 0.25
      assert.matches("woken", receive())
      assert.same({ "in time", n = 1 }, woken)
      assert.same({}, expired)
      assert.equal(0, beats)
      assert.equal(0, core.task_count())
      host:close()
    end
  end)

  it("that runs out while a call computes ends its next wait", function()
    local code
    open({ time = 0.01 }, function()
      core.sleep(0.001)
      local from = system.now()
      repeat until system.now() - from > 0.03
      code = select(3, core.sleep(60))
      return {}
    end)
    call(1)
    assert.matches("late", receive())
    core.step(0)
    assert.equal("ETIMEDOUT", code)
  end)

  it("of a host that goes while handlers wait is forgotten", function()
    open({ time = 0.01 }, function() core.sleep(0.03) end)
    call(1)
    core.step(0)
    host:close()
    while not host:is_gone() do core.step(1) end
    while core.task_count() > 0 do core.step(1) end
    assert.same({}, expired)
  end)

  it("refuses what is no time or function", function()
    host, peer = core.memory_pair(function() end)
    local function noop() end
    for _, bad in ipairs {
      5, {}, { expired = noop }, { on_heartbeat = noop },
      { time = "x", expired = noop, on_heartbeat = noop },
      { time = -1, expired = noop, on_heartbeat = noop },
      { interval = 0 / 0, expired = noop, on_heartbeat = noop },
    } do
      assert.is_false(pcall(host.clock, host, bad))
    end
    host:clock { time = 1e300, expired = noop, on_heartbeat = noop }
  end)
end)
