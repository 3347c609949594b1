-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("async", function()
  after_each(helper.leftovers)

  describe("mcp.run", function()
    it("raises that it cannot wait at the line of the caller", function()
      local text
      local here = debug.getinfo(1, "l").currentline
      local function wait()
        mcp.sleep(1)
        return 1
      end
      core.spawn(function()
        local _, raised = coroutine.resume(coroutine.create(wait))
        text = raised
      end)
      assert.matches(("^spec/mcp/async_spec.lua:%d: "):format(here + 2), text)
    end)

    it("runs a function in a task and returns what it returns, nils included", function()
      local got = table.pack(mcp.run(function(a, b)
        assert.is_true(core.in_task())
        return b, nil, a, nil
      end, 1, 2))
      assert.same({ 2, nil, 1, nil, n = 4 }, got)
    end)

    it("hands on nil arguments", function()
      assert.equal(3, mcp.run(function(...) return select("#", ...) end, nil, 1, nil))
    end)

    it("inside a task just calls", function()
      assert.equal(5, mcp.run(function() return mcp.run(function() return 5 end) end))
    end)

    it("raises what the function raised", function()
      local ok, err = pcall(mcp.run, function() error "boom" end)
      assert.is_false(ok)
      assert.matches("async_spec.lua:%d+: boom", err)
      local object = {}
      ok, err = pcall(mcp.run, function() error(object) end)
      assert.is_false(ok)
      assert.equal(object, err)
    end)

    it("turns the loop while the function waits", function()
      local before = core.now()
      assert.is_true(mcp.run(function() return mcp.sleep(0.01) end))
      assert.is_true(core.now() - before >= 0.009)
    end)

    it("returns as soon as its function has, whatever else stays open", function()
      local peer = helper.open(mcp.server "spec")
      local guard = core.waiter()
      mcp.spawn(function() guard:wait(2) end) -- or a defect would hang here for ever
      local before = core.now()
      mcp.run(function() mcp.sleep(0) end)
      local took = core.now() - before
      guard:wake()
      helper.settle()
      peer:close()
      assert.is_true(took < 1, ("mcp.run took %.1f s for nothing"):format(took))
    end)

    it("says so when the function waits for what can never happen", function()
      local waiter = core.waiter()
      local ok, err = pcall(mcp.run, function() waiter:wait() end)
      waiter:wake()
      assert.is_false(ok)
      assert.matches("would never end", err, 1, true)
    end)

    it("without a function ends when nothing is open", function()
      local done
      mcp.spawn(function() mcp.sleep(0.005) done = true end)
      mcp.run()
      assert.is_true(done)
    end)
  end)

  describe("mcp.spawn", function()
    it("runs at once up to the first wait", function()
      local steps = {}
      mcp.spawn(function(a)
        steps[#steps + 1] = a
        mcp.sleep(0)
        steps[#steps + 1] = "later"
      end, "first")
      assert.same({ "first" }, steps)
      helper.wait_until(function() return steps[2] end)
    end)

    it("an error nobody catches ends that task only", function()
      mcp.spawn(function() error "this line in the log is part of the test" end)
      mcp.spawn(function() error { "a table" } end)
      mcp.spawn(function() error() end)
      assert.equal(0, core.task_count())
    end)

    it("refuses what is no function", function()
      assert.is_false(pcall(mcp.spawn, 5))
      assert.is_false(pcall(mcp.spawn))
    end)

    it("works from within a task", function()
      local order = {}
      mcp.run(function()
        mcp.spawn(function() order[#order + 1] = "inner" end)
        order[#order + 1] = "outer"
      end)
      assert.same({ "inner", "outer" }, order)
    end)
  end)

  describe("mcp.sleep", function()
    it("outside any task turns the loop", function()
      local other
      mcp.spawn(function() mcp.sleep(0.002) other = true end)
      assert.is_true(mcp.sleep(0.02))
      assert.is_true(other)
    end)

    it("of 0 lets others go first", function()
      local order = {}
      mcp.run(function()
        mcp.spawn(function() mcp.sleep(0) order[#order + 1] = "a" end)
        mcp.sleep(0)
        order[#order + 1] = "b"
      end)
      helper.wait_until(function() return order[2] end)
      assert.same({ "a", "b" }, order)
    end)

    it("refuses what is no time", function()
      for _, odd in ipairs { -1, 0 / 0, 1 / 0, "x" } do assert.is_false(pcall(mcp.sleep, odd)) end
      assert.is_false(pcall(mcp.sleep))
    end)
  end)

  describe("mcp.all", function()
    it("runs side by side and gives the results under their keys", function()
      local both = 0
      local function wait(result)
        return function()
          both = both + 1
          mcp.sleep(0.002)
          assert.equal(3, both)
          return result
        end
      end
      mcp.run(function()
        assert.same({ 1, 2, x = 3 }, mcp.all { wait(1), wait(2), x = wait(3) })
      end)
    end)

    it("works outside any task, and with nothing to do", function()
      assert.same({ 5 }, mcp.all { function() return 5 end })
      assert.same({}, mcp.all {})
    end)

    it("raises the first error, as it is, and without a traceback in it", function()
      local object = setmetatable({}, {})
      for _, raised in ipairs { object, mcp.error(-1, "x") } do
        local ok, err = pcall(mcp.all, { function() error(raised) end })
        assert.is_false(ok)
        assert.equal(raised, err)
      end
      local ok, err = pcall(mcp.all, {
        function() mcp.sleep(0.001) error "second" end,
        function() error "first" end,
      })
      assert.is_false(ok)
      assert.matches("async_spec.lua:%d+: first$", err)
      helper.wait_until(function() return core.task_count() == 0 end)
    end)

    it("an error of nil is an error", function()
      assert.is_false(pcall(mcp.all, { function() error(nil) end }))
    end)

    it("the others go on after an error, and their results are nobody's", function()
      local finished
      pcall(mcp.all, { function() error "x" end,
        function() mcp.sleep(0.001) finished = true end })
      helper.wait_until(function() return finished end)
    end)
  end)

  describe("a waiter", function()
    it("wakes who waits, in a task or outside", function()
      local waiter = core.waiter()
      mcp.spawn(function() mcp.sleep(0.001) waiter:wake "value" end)
      assert.same({ "value" }, { waiter:wait() })
      assert.same({ "value" }, { waiter:wait() })
      assert.is_true(waiter:is_woken())
      waiter:wake "another"
      assert.same({ "value" }, { waiter:wait() })
    end)

    it("times out, and can be waited for again", function()
      local waiter = core.waiter()
      mcp.run(function()
        local ok, _, code = waiter:wait(0.001)
        assert.is_nil(ok)
        assert.equal("ETIMEDOUT", code)
      end)
      assert.equal("ETIMEDOUT", select(3, waiter:wait(0.001)))
      waiter:wake()
      assert.is_true((waiter:wait()))
    end)

    it("is waited for by one at a time", function()
      local waiter = core.waiter()
      mcp.spawn(function() waiter:wait() end)
      mcp.run(function() assert.is_false(pcall(waiter.wait, waiter)) end)
      waiter:wake()
      helper.settle()
    end)

    it("outside a task says so when nothing could wake it", function()
      local ok, err = pcall(function() core.waiter():wait() end)
      assert.is_false(ok)
      assert.matches("never end", err, 1, true)
    end)
  end)

  describe("a host that owns the loop", function()
    it("finds a descriptor and a time", function()
      assert.equal("integer", math.type(mcp.fd()))
      mcp.spawn(function() mcp.sleep(0.05) end)
      local timeout = mcp.timeout()
      assert.is_true(timeout > 0 and timeout <= 0.051)
      mcp.run()
    end)

    it("step(0) does not wait", function()
      mcp.spawn(function() mcp.sleep(0.3) end)
      local before = core.now()
      for _ = 1, 5 do assert.is_true(mcp.step(0)) end
      assert.is_true(core.now() - before < 0.25)
      mcp.run()
      assert.is_false(mcp.step(0))
    end)

    it("step(seconds) waits no longer than that", function()
      local peer = helper.open(mcp.server "spec")
      local before = core.now()
      mcp.step(0.01)
      mcp.step(0)
      assert.is_true(core.now() - before < 2)
      peer:close()
    end)
  end)
end)
