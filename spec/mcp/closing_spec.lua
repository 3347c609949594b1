-- SPDX-License-Identifier: MIT
-- Closing that takes time, also where waiting is impossible.
local core = require "mcp.core"
local closing = require "mcp.closing"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("closing something that takes time", function()
  after_each(helper.leftovers)
  after_each(helper.remove_files)

  -- Runs `fn` in the <close> of a task that is cancelled, where nothing can wait.
  local function in_closing(fn)
    local waiter = core.waiter()
    waiter:spawn(function()
      local _ <close> = setmetatable({}, { __close = fn })
      mcp.sleep(60)
      mcp.sleep(60)
    end)
    waiter:cancel()
    waiter:wait()
  end

  it("is over when it returns, where it can wait", function()
    for _, run in ipairs { function(fn) fn() end, mcp.run } do
      local over = false
      run(function()
        closing.run(5, function(seconds)
          mcp.sleep(seconds)
          over = true
        end, 0.005)
      end)
      assert.is_true(over)
    end
    assert.equal(0, closing.count())
  end)

  it("goes on by itself where nothing can wait, and is waited for at the end", function()
    local over = false
    in_closing(function()
      closing.run(5, function()
        mcp.sleep(0.02)
        over = true
      end)
    end)
    assert.is_false(over)
    assert.equal(1, closing.count())
    closing.await()
    assert.is_true(over)
    assert.equal(0, closing.count())
  end)

  it("has its time and no more, and a program does not wait longer than asked", function()
    local code
    in_closing(function()
      closing.run(0.02, function() code = select(3, mcp.sleep(60)) end)
    end)
    closing.await(0)
    assert.is_nil(code)
    closing.await(5)
    assert.equal("ECANCELED", code)
  end)

  it("is waited for ten seconds at the end of a program", function()
    local waiter = core.waiter()
    in_closing(function() closing.run(60, function() waiter:wait() end) end)
    local now, step, passed = core.now, core.step, 0
    local began = now()
    -- A clock that moves by what the loop would wait.
    core.now = function() return began + passed end
    core.step = function(seconds)
      passed = passed + seconds
      step(0)
    end
    local ok, err = pcall(closing.await)
    core.now, core.step = now, step
    waiter:wake()
    closing.await(5)
    assert.is_true(ok, err)
    assert.is_true(math.abs(passed - 10) < 0.001, passed)
    assert.equal(0, closing.count())
  end)

  it("may begin some turns of the loop after the end, but the loop may be busy for ever", function()
    local step, timeout, turns = core.step, core.timeout, 0
    local over = false
    core.timeout = function() return 0 end
    core.step = function(...)
      turns = turns + 1
      if turns == 8 then
        in_closing(function()
          closing.run(5, function()
            mcp.sleep(0.005)
            over = true
          end)
        end)
        core.step = step
      end
      return step(...)
    end
    local ok, err = pcall(closing.await)
    core.step, core.timeout = step, timeout
    assert.is_true(ok, err)
    assert.is_true(over)

    turns = 0
    core.timeout = function() return 0 end
    core.step = function() turns = turns + 1 end
    ok, err = pcall(closing.await)
    core.step, core.timeout = step, timeout
    assert.is_true(ok, err)
    assert.equal(8, turns)
  end)

  it("that fails is over", function()
    in_closing(function()
      closing.run(5, function()
        mcp.sleep(0)
        error "this line in the log is part of the test"
      end)
    end)
    closing.await()
    assert.equal(0, closing.count())
  end)

  it("is waited for by mcp.run", function()
    local over = false
    mcp.run(function()
      in_closing(function()
        closing.run(5, function()
          mcp.sleep(0.01)
          over = true
        end)
      end)
    end)
    assert.is_true(over)
  end)

  local function far()
    local app = mcp.server { name = "far" }
    app:tool "wait" (function(_, ctx) ctx:sleep(60) end)
    return app
  end

  local function sessions(app)
    local count = 0
    for _ in pairs(app.sessions.by_id) do count = count + 1 end
    return count
  end

  it("of a client ends its session, however the handler that has it ends", function()
    local app = far()
    local listening <close> = app:listen { http = "127.0.0.1:0", quiet = true }
    local function open() return assert(mcp.connect(listening.urls[1], { era = "legacy" })) end
    local ends = {
      returns = function(fn) mcp.run(fn) end,
      fails = function(fn)
        mcp.spawn(function()
          fn()
          error "this line in the log is part of the test"
        end)
        helper.wait_until(function() return core.task_count() == 0 end)
      end,
    }
    for how, run in pairs(ends) do
      local before
      run(function()
        local client <close> = open() -- luacheck: ignore
        before = sessions(app)
      end)
      assert.equal(1, before, how)
      helper.wait_until(function() return sessions(app) == 0 end, how)
    end
    local client
    mcp.spawn(function() client = open() end)
    helper.wait_until(function() return client end)
    assert.equal(1, sessions(app))
    in_closing(function() client:close() end)
    helper.wait_until(function() return sessions(app) == 0 end, "the cancelled one")
    helper.settle()
  end)

  it("of a client ends its child, politely", function()
    local said = os.tmpname()
    local script = helper.file(([[
      local mcp = require "mcp"
      local app = mcp.server "child"
      app:run()
      local file <close> = io.open(%q, "w")
      file:write "it ended by itself"]]):format(said), ".lua")
    local program = helper.file(([[
      local core, mcp = require "mcp.core", require "mcp"
      mcp.run(function()
        local client = assert(mcp.connect { command = %q, args = { "run", %q } })
        local waiter = core.waiter()
        waiter:spawn(function()
          local open <close> = client
          mcp.sleep(60)
          mcp.sleep(60)
        end)
        waiter:cancel()
      end)]]):format(helper.program(), script), ".lua")
    local out, status = helper.shell(("timeout 20 %s run %s 2>&1 </dev/null"):format(
      helper.quote(helper.program()), helper.quote(program)))
    assert.equal(0, status, out)
    local file <close> = io.open(said)
    assert.equal("it ended by itself", file and file:read "a", out)
    os.remove(said)
  end)
end)
