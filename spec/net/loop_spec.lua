-- SPDX-License-Identifier: MIT
-- loop_spec.lua: src/net/loop.c as a host sees it that drives us: step, fd, timeout.
local core = require "mcp.core"
local system = require "codecs.system"

describe("the loop", function()
  -- What was closed is gone a turn later.
  before_each(function() core.step(0) end)
  after_each(function()
    local left = core.task_count()
    while core.task_count() > 0 do core.step(5) end
    assert.equal(0, left)
  end)

  it("with nothing open is over at once", function()
    assert.is_false(core.step(0))
    assert.is_false(core.step())
    assert.is_nil(core.timeout())
  end)

  it("waits exactly as long as requested", function()
    core.spawn(function() core.sleep(0.4) end)
    local from = system.now()
    assert.is_true(core.step(0))
    assert.is_true(system.now() - from < 0.15)
    from = system.now()
    assert.is_true(core.step(0.02))
    assert.is_true(system.now() - from >= 0.019)
    assert.is_true(system.now() - from < 0.3)
    while core.task_count() > 0 do core.step(5) end
  end)

  it("names the time until it has something to do", function()
    core.spawn(function() core.sleep(0.05) end)
    local left = core.timeout()
    assert.is_true(left > 0.03 and left <= 0.051, left)
    assert.is_true(math.type(core.fd()) == "integer" and core.fd() >= 0)
    while core.task_count() > 0 do core.step(5) end
    core.step(0)
    assert.is_nil(core.timeout())
  end)

  it("is over after a timer's function has set and stopped a timer", function()
    assert.is_false(require "codecs.loop".stopped_in_timer())
  end)

  it("can be driven by its descriptor alone", function()
    local got
    local host = assert(core.listen_http({ port = 0 }, function(_, _, kind, _, method)
      got = kind .. " " .. method
      core.sleep(0.02)
      return { done = true }
    end))
    local socket <close> = system.connect("127.0.0.1", host:port())
    local body = '{"jsonrpc":"2.0","id":1,"method":"m"}'
    socket:send("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
    local answer, turns = nil, 0
    local deadline = system.now() + 5
    while not answer and system.now() < deadline do
      system.poll(core.fd(), math.min(core.timeout() or 5, 5))
      core.step(0)
      turns = turns + 1
      answer = socket:receive(0)
    end
    assert.equal("request m", got)
    assert.is_truthy(answer:find('"result":{"done":true}', 1, true))
    -- It waited, and did not spin.
    assert.is_true(turns < 50, turns)
    socket:close()
    host:close()
    while not host:is_gone() do core.step(5) end
  end)

  it("has a clock that goes on while nothing happens", function()
    local from = core.now()
    core.sleep(0.01)
    assert.is_true(core.now() > from)
  end)

  -- Whether a request is answered while `chain` is at it, a task that sleeps and sleeps: it gets a
  -- function that says for how long.
  local function answered_beside(chain)
    local over, answered = system.now() + 1.5, nil
    local host = assert(core.listen_http({ port = 0 }, function()
      answered = system.now()
      return {}
    end))
    local socket <close> = system.connect("127.0.0.1", host:port())
    local body = '{"jsonrpc":"2.0","id":1,"method":"m"}'
    socket:send("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
    core.spawn(chain, function() return not answered and system.now() < over end)
    while core.task_count() > 0 do core.step(5) end
    socket:close()
    host:close()
    while not host:is_gone() do core.step(5) end
    return answered and answered < over
  end

  it("comes to its sockets, however timers set each other", function()
    assert.is_true(answered_beside(function(goes_on)
      while goes_on() do core.sleep(0) end
    end), "of nothing")
    assert.is_true(answered_beside(function(goes_on)
      while goes_on() do
        core.sleep(0.001)
        local busy = system.now() + 0.002
        while system.now() < busy do end -- the next one is due before this one ends
      end
    end), "of less than what they do")
    assert.is_true(answered_beside(function(goes_on)
      local waiter
      for _ = 1, 2 do
        core.spawn(function()
          while goes_on() do
            if waiter then waiter:wake() end
            waiter = core.waiter()
            waiter:wait(0.001)
          end
        end)
      end
    end), "of tasks that wake each other")
  end)

  it("does not wait for timers of nothing", function()
    local from = system.now()
    core.spawn(function() for _ = 1, 2000 do core.sleep(0) end end)
    while core.task_count() > 0 do core.step(5) end
    assert.is_true(system.now() - from < 1, system.now() - from)
    -- A host that drives it learns that the timer has expired.
    core.spawn(function() for _ = 1, 3 do core.sleep(0) end end)
    while core.task_count() > 0 do
      assert.equal(0, core.timeout())
      assert.is_true(core.step(0) or core.task_count() == 0)
    end
  end)

  it("counts the time of a timer from when it was set", function()
    local took
    core.spawn(function()
      core.sleep(0)
      local busy = system.now() + 0.03
      while system.now() < busy do end
      local from = system.now()
      core.sleep(0.02)
      took = system.now() - from
    end)
    while core.task_count() > 0 do core.step(5) end
    -- Timers count whole milliseconds.
    assert.is_true(took >= 0.019 and took < 0.2, took)
  end)

  it("ends a step when something was due at once, although nothing else comes", function()
    local host = core.listen_http({ port = 0 }, function() end)
    local from = system.now()
    for _ = 1, 20 do core.sleep(0) end
    for _ = 1, 20 do
      core.spawn(function() core.sleep(0) end)
      while core.task_count() > 0 do core.step() end
    end
    for _ = 1, 20 do
      local waiter = core.waiter()
      core.spawn(function() waiter:wait() end)
      core.spawn(function() waiter:wake() end)
      while core.task_count() > 0 do core.step(5) end
    end
    assert.is_true(system.now() - from < 0.5, system.now() - from)
    host:close()
    while not host:is_gone() do core.step(5) end
  end)
end)
