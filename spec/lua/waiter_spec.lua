-- SPDX-License-Identifier: MIT
-- mcp.waiter: every order of waking and waiting, in every place that either may happen.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local function settle()
  for _ = 1, 5 do core.step(0) end
end

-- Collects until finalizers have run, and what they woke has run too.
local function collect()
  for _ = 1, 3 do collectgarbage() end
  if not core.in_task() then settle() end
end

local function pack_wait(waiter, ...) return table.pack(waiter:wait(...)) end

-- Waits in a task; the table gets what the wait returned.
local function wait_in_task(waiter, ...)
  local got, arguments = {}, table.pack(...)
  mcp.spawn(function()
    got.result = pack_wait(waiter, table.unpack(arguments, 1, arguments.n))
  end)
  return got
end

-- Runs a handler, in a call that is complete when this returns.
local function handle(handler)
  local app = mcp.server "near"
  app:tool "t" { timeout = 5 } (function(args, ctx)
    handler(args, ctx)
    return ""
  end)
  local client <close> = assert(mcp.connect(app))
  assert(client:call_tool("t", {}, { timeout = 5 }))
end

local TIMED_OUT = { nil, "timed out", "ETIMEDOUT", n = 3 }
local CANCELED = { nil, "cancelled", "ECANCELED", n = 3 }

describe("a waiter", function()
  after_each(function()
    settle()
    helper.leftovers()
    assert.equal(0, core.task_count())
  end)

  it("is the one that our own waits use", function()
    assert.equal(getmetatable(core.waiter()), getmetatable(mcp.waiter()))
    assert.equal(core.waiter, mcp.waiter)
  end)

  it("can be made as new after its wait, for one wait after the other", function()
    local waiter = core.waiter()
    for i = 1, 3 do
      local got = wait_in_task(waiter)
      assert.is_true(waiter:wake(i, nil))
      settle()
      assert.same({ i, nil, n = 2 }, got.result)
      core.waiter_renew(waiter)
      assert.is_false(waiter:is_woken())
    end
    assert.same(TIMED_OUT, pack_wait(waiter, 0))
    local got = wait_in_task(waiter)
    assert.has_error(function() core.waiter_renew(waiter) end,
      "bad argument #1 to 'waiter_renew' (it is in use)")
    waiter:wake()
    settle()
    assert.same({ true, n = 1 }, got.result)
    assert.has_error(function() core.waiter_renew(io.stdout) end)
  end)

  describe("returns what it was woken with:", function()
    local CASES = {
      nothing = { { n = 0 }, { true, n = 1 } },
      ["a value"] = { { "x", n = 1 }, { "x", n = 1 } },
      ["nil"] = { { nil, n = 1 }, { nil, n = 1 } },
      ["false"] = { { false, n = 1 }, { false, n = 1 } },
      ["an error of a library"] = { { nil, "refused", "ECONNREFUSED", n = 3 },
        { nil, "refused", "ECONNREFUSED", n = 3 } },
      ["values with nils between and behind"] = { { 1, nil, 3, nil, n = 4 },
        { 1, nil, 3, nil, n = 4 } },
      ["more values than a stack has slots at first"] = { (function()
        local many = { n = 250 }
        for i = 1, 250 do many[i] = i end
        return many
      end)() },
    }
    for name, case in pairs(CASES) do
      it(name, function()
        local given, wanted = case[1], case[2] or case[1]
        for _, before in ipairs { true, false } do
          local waiter = mcp.waiter()
          local got = not before and wait_in_task(waiter)
          assert.is_true(waiter:wake(table.unpack(given, 1, given.n)))
          got = got or wait_in_task(waiter)
          settle()
          assert.same(wanted, got.result)
          -- And again: it stays woken, whoever asks and where.
          assert.same(wanted, pack_wait(waiter))
          assert.same(wanted, pack_wait(waiter, 0))
        end
      end)
    end
  end)

  describe("in this order:", function()
    it("woken twice: the first call counts, and each says whether it did", function()
      local waiter = mcp.waiter()
      local got = wait_in_task(waiter)
      assert.is_false(waiter:is_woken())
      assert.same({ true, n = 1 }, table.pack(waiter:wake "first"))
      assert.same({ false, n = 1 }, table.pack(waiter:wake("second", 2)))
      settle()
      assert.same({ "first", n = 1 }, got.result)
      assert.is_false(waiter:wake())
      assert.is_true(waiter:is_woken())
      assert.same({ "first", n = 1 }, pack_wait(waiter))
    end)

    it("woken before the wait: it returns at once, without a turn of the loop", function()
      local waiter = mcp.waiter()
      waiter:wake "x"
      local got = wait_in_task(waiter, 5)
      assert.same({ "x", n = 1 }, got.result)
    end)

    it("woken after the time is over: the next wait has it", function()
      local waiter = mcp.waiter()
      assert.same(TIMED_OUT, pack_wait(waiter, 0.001))
      assert.same(TIMED_OUT, pack_wait(waiter, 0))
      assert.is_true(waiter:wake "late")
      assert.same({ "late", n = 1 }, pack_wait(waiter, 0))
      local other, got = mcp.waiter(), nil
      mcp.spawn(function() got = { pack_wait(other, 0.001), pack_wait(other, 5) } end)
      core.sleep(0.01)
      other:wake "late"
      settle()
      assert.same({ TIMED_OUT, { "late", n = 1 } }, got)
    end)

    it("woken between the end of the time and the task's turn: nothing is lost", function()
      local waiter = mcp.waiter()
      local got = wait_in_task(waiter, 0.005)
      mcp.spawn(function()
        -- Its time is over when the loop has its next turn, in which this is resumed first.
        core.sleep(0.002)
        local till = os.clock() + 0.01
        repeat until os.clock() > till
        waiter:wake "just so"
      end)
      helper.wait_until(function() return got.result end)
      local result = got.result[1] and got.result or pack_wait(waiter, 5)
      assert.same({ "just so", n = 1 }, result)
    end)

    it("woken after its call has been cancelled: the waker is not disturbed", function()
      local app, waiter, codes = mcp.server "near", mcp.waiter(), {}
      app:tool "t" (function()
        codes[1] = select(3, waiter:wait())
        waiter:wait()
        codes[2] = "never"
      end)
      local client <close> = assert(mcp.connect(app))
      local cancel = mcp.canceller()
      mcp.spawn(function() client:call_tool("t", {}, { cancel = cancel }) end)
      settle()
      cancel:cancel "enough"
      helper.wait_until(function() return codes[1] end)
      settle()
      assert.same({ "ECANCELED" }, codes)
      assert.is_true(waiter:wake "late")
      assert.is_false(waiter:wake "later")
      assert.same({ "late", n = 1 }, pack_wait(waiter))
    end)

    it("woken after its call has timed out, and after it has returned", function()
      local app, waiter, code = mcp.server "near", mcp.waiter(), nil
      app:tool "slow" { timeout = 0.01 } (function() code = select(3, waiter:wait()) end)
      app:tool "fast" (function() return select(3, waiter:wait(0)) end)
      local client <close> = assert(mcp.connect(app))
      assert.matches("timed out", client:call_tool("slow").content[1].text)
      assert.equal("ETIMEDOUT", code)
      assert.equal("ETIMEDOUT", client:call_tool("fast").content[1].text)
      assert.is_true(waiter:wake "late")
    end)

    it("waited for twice at a time: the second is an error at its own line", function()
      local waiter, text = mcp.waiter(), nil
      local got = wait_in_task(waiter)
      local function second() text = select(2, pcall(function() waiter:wait(1) end)) end
      mcp.spawn(second)
      assert.matches("^spec/lua/waiter_spec.lua:%d+: another coroutine is waiting already", text)
      text = nil
      second()
      assert.matches("waiter_spec.lua:%d+: another coroutine is waiting already", text)
      waiter:wake()
      settle()
      assert.same({ true, n = 1 }, got.result)
      -- While the main thread waits, too.
      waiter, text = mcp.waiter(), nil
      mcp.spawn(function()
        core.sleep(0.001)
        second()
        waiter:wake "x"
      end)
      assert.same({ "x", n = 1 }, pack_wait(waiter))
      assert.matches("another coroutine is waiting already", text)
    end)

    it("waited for again after a wait was cancelled", function()
      local waiter, group, codes = mcp.waiter(), mcp.waiter(), {}
      group:spawn(function() codes[1] = select(3, waiter:wait()) end)
      group:cancel()
      settle()
      local got = wait_in_task(waiter)
      waiter:wake "x"
      settle()
      assert.same({ "ECANCELED" }, codes)
      assert.same({ "x", n = 1 }, got.result)
    end)
  end)

  describe("does not run the task inside wake:", function()
    local function check(wake_from)
      local waiter, order = mcp.waiter(), {}
      mcp.spawn(function()
        waiter:wait()
        order[#order + 1] = "task"
      end)
      wake_from(function()
        waiter:wake()
        order[#order + 1] = "waker"
      end)
      helper.wait_until(function() return #order == 2 end)
      assert.same({ "waker", "task" }, order)
    end
    local FROM = {
      ["the main thread"] = function(wake) wake() end,
      ["a coroutine on the main thread"] = function(wake) coroutine.wrap(wake)() end,
      ["another task"] = mcp.spawn,
      ["a task that has slept"] = function(wake)
        mcp.spawn(function()
          core.sleep(0.001)
          wake()
        end)
      end,
      ["a handler"] = handle,
      ["a coroutine inside a handler"] = function(wake)
        handle(function() coroutine.wrap(wake)() end)
      end,
      ["a metamethod"] = function(wake)
        local _ = -setmetatable({}, { __unm = function() wake() return 1 end })
      end,
      ["table.sort"] = function(wake)
        local once = wake
        table.sort({ 2, 1 }, function(a, b)
          if once then once() end
          once = nil
          return a < b
        end)
      end,
      ["a finalizer"] = function(wake)
        do local _ = setmetatable({}, { __gc = wake }) end
        collectgarbage()
      end,
      ["a <close> variable of a task that failed"] = function(wake)
        mcp.spawn(function()
          local _ <close> = setmetatable({}, { __close = wake })
          error "this line in the log is part of the test"
        end)
      end,
      ["a <close> variable of a task that is cancelled"] = function(wake)
        local group = mcp.waiter()
        group:spawn(function()
          local _ <close> = setmetatable({}, { __close = wake })
          core.sleep(60)
          core.sleep(60)
        end)
        group:cancel()
      end,
      ["on_progress of a client"] = function(wake)
        local app = mcp.server "near"
        app:tool "t" (function(_, ctx) ctx:progress(1) return "" end)
        local client <close> = assert(mcp.connect(app))
        client:call_tool("t", {}, { on_progress = wake })
        settle()
      end,
    }
    for name, wake_from in pairs(FROM) do
      it("from " .. name, function() check(wake_from) end)
    end
  end)

  describe("may be waited for in", function()
    local PLACES = {
      ["the main thread"] = function(wait) wait() end,
      ["a coroutine on the main thread"] = function(wait) coroutine.wrap(wait)() end,
      ["a task"] = mcp.spawn,
      ["a handler"] = handle,
      ["a <close> variable at a handler's return, in one of its own"] = function(wait)
        handle(function()
          local _ <close> = setmetatable({}, { __close = function()
            local _ <close> = setmetatable({}, { __close = wait })
          end })
        end)
      end,
    }
    for name, enter in pairs(PLACES) do
      it(name, function()
        for _, seconds in ipairs { false, 5 } do
          local waiter, got = mcp.waiter(), nil
          mcp.spawn(function()
            core.sleep(0.001)
            waiter:wake("a", nil)
          end)
          enter(function() got = pack_wait(waiter, seconds or nil) end)
          helper.wait_until(function() return got end)
          assert.same({ "a", nil, n = 2 }, got)
        end
      end)
    end

    it("but not in a finalizer, table.sort or a coroutine inside a handler, unless it is woken",
      function()
        local woken = mcp.waiter()
        woken:wake "x"
        local texts, count = {}, 0
        local function try()
          texts[#texts + 1] = select(2, pcall(function() mcp.waiter():wait(1) end))
          assert.same({ "x", n = 1 }, pack_wait(woken, 1))
          count = count + 1
        end
        do local _ = setmetatable({}, { __gc = try }) end
        collectgarbage()
        handle(function()
          coroutine.wrap(try)()
          table.sort({ 2, 1 }, function(a, b)
            try()
            return a < b
          end)
        end)
        assert.is_true(count >= 3)
        for _, text in ipairs(texts) do
          assert.matches("^spec/lua/waiter_spec.lua:%d+: cannot wait ", text)
        end
        assert.equal(count, #texts)
      end)
  end)

  describe("that nothing can wake", function()
    it("is an error on the main thread when nothing is open, not a hang", function()
      local waiter = mcp.waiter()
      for _ = 1, 2 do
        local _, text = pcall(function() waiter:wait() end)
        assert.matches("^spec/lua/waiter_spec.lua:%d+: the wait would never end", text)
      end
      waiter:wake "x"
      assert.same({ "x", n = 1 }, pack_wait(waiter))
    end)

    it("ends the task that waits for it: the program has lost it", function()
      local got, closed = nil, false
      mcp.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        local waiter = mcp.waiter()
        got = pack_wait(waiter)
      end)
      collect()
      assert.same(CANCELED, got)
      assert.is_true(closed)
    end)

    it("is closed where it waits again", function()
      local codes, closed = {}, false
      mcp.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        codes[1] = select(3, mcp.waiter():wait())
        codes[2] = select(3, mcp.waiter():wait())
      end)
      collect()
      assert.same({ "ECANCELED" }, codes)
      assert.is_true(closed)
    end)

    it("is kept by a callback that may still come, by its time, its call and its tasks",
      function()
        local wakers, got = {}, {}
        -- A callback.
        mcp.spawn(function()
          local waiter = mcp.waiter()
          wakers[1] = function() waiter:wake "called" end
          got.callback = pack_wait(waiter)
        end)
        -- A time.
        mcp.spawn(function() got.time = pack_wait(mcp.waiter(), 0.01) end)
        -- Tasks of its own.
        mcp.spawn(function()
          local waiter = mcp.waiter()
          waiter:spawn(core.sleep, 0.01)
          got.tasks = pack_wait(waiter)
        end)
        -- A call that is cancelled, or whose time is over.
        handle(function()
          mcp.spawn(function()
            core.sleep(0.001)
            collect()
          end)
          got.call = pack_wait(mcp.waiter(), 0.01)
        end)
        local app = mcp.server "near"
        app:tool "t" { timeout = 0.02 } (function() got.limit = pack_wait(mcp.waiter()) end)
        local client <close> = assert(mcp.connect(app))
        mcp.spawn(function()
          core.sleep(0.001)
          collect()
        end)
        client:call_tool("t", {})
        collect()
        assert.is_nil(got.callback)
        wakers[1]()
        helper.wait_until(function() return got.callback and got.time and got.tasks end)
        assert.same({ "called", n = 1 }, got.callback)
        assert.same(TIMED_OUT, got.time)
        assert.same({ true, n = 1 }, got.tasks)
        assert.same(TIMED_OUT, got.call)
        assert.same(TIMED_OUT, got.limit)
      end)

    it("leaks nothing: ten thousand of them, in both modes of the collector", function()
      for _, mode in ipairs { "generational", "incremental" } do
        local before_mode = collectgarbage(mode)
        collect()
        local before, count = collectgarbage "count", 0
        for _ = 1, 100 do
          for _ = 1, 100 do
            mcp.spawn(function()
              mcp.waiter():wait()
              count = count + 1
            end)
          end
          collect()
          assert.equal(0, core.task_count())
        end
        assert.equal(10000, count)
        collect()
        assert.is_true(collectgarbage "count" - before < 100)
        collectgarbage(before_mode)
      end
    end)

    it("may be collected at any step, while others of the kind are woken and cancelled", function()
      local before_mode, left = collectgarbage "incremental", 3000
      local function over() left = left - 1 end
      for i = 1, 1000 do
        local kept, group = mcp.waiter(), mcp.waiter()
        mcp.spawn(function() mcp.waiter():wait() over() end)
        mcp.spawn(function() kept:wait() over() end)
        group:spawn(function()
          local own = mcp.waiter()
          own:wait()
          over()
        end)
        collectgarbage("step", i % 7)
        if i % 2 == 0 then kept:wake(i, i) end
        collectgarbage("step", i % 5)
        group:cancel()
        if i % 50 == 0 then core.step(0) end
        if i % 2 == 1 then kept:wake() end
      end
      helper.wait_until(function()
        collectgarbage()
        return left == 0
      end)
      collectgarbage(before_mode)
    end)

    it("and a client, an mcp.all and a spawned loop go on through all collections", function()
      local app = mcp.server "near"
      app:tool "t" (function()
        mcp.spawn(collect)
        core.sleep(0.001)
        return "x"
      end)
      local done = 0
      local function work()
        local client <close> = assert(mcp.connect(app))
        local results = mcp.all {
          function() return client:call_tool("t").content[1].text end,
          function() collect() return client:call_tool("t").content[1].text end,
        }
        assert.same({ "x", "x" }, results)
      end
      -- The client is closed before it is done.
      mcp.spawn(function()
        work()
        done = done + 1
      end)
      helper.wait_until(function()
        collectgarbage()
        return done == 1
      end)
    end)
  end)

  describe("called with a dot names the colon, at the user's line:", function()
    for _, name in ipairs { "wait", "wake", "spawn", "cancel", "is_woken" } do
      it(name, function()
        local waiter = mcp.waiter()
        for _, given in ipairs { 1, print, {}, io.stdout } do
          local ok, text = pcall(function()
            local _ = waiter[name](given)
          end)
          assert.is_false(ok)
          assert.matches("^spec/lua/waiter_spec.lua:%d+: ", text)
          assert.matches(("waiter:%s is called with a colon, not with a dot"):format(name), text,
            1, true)
        end
        assert.error_matches(function() assert(pcall(waiter[name])) end, "colon")
      end)
    end
  end)

  it("refuses what is no time, and is free afterwards", function()
    local waiter = mcp.waiter()
    for _, seconds in ipairs { -1, 0 / 0, 1 / 0, 1e13, "x", {} } do
      assert.error(function() waiter:wait(seconds) end)
    end
    assert.same(TIMED_OUT, pack_wait(waiter, 0))
  end)

  it("says what it is", function()
    local waiter = mcp.waiter()
    assert.equal("mcp.waiter (not woken)", tostring(waiter))
    wait_in_task(waiter)
    assert.equal("mcp.waiter (waited for)", tostring(waiter))
    waiter:wake()
    assert.equal("mcp.waiter (woken)", tostring(waiter))
  end)
end)

describe("a waiter at the end of a process", function()
  after_each(helper.remove_files)

  -- Runs a script under both programs.
  local function each(text, check)
    for _, command in ipairs { os.getenv "LUA" or "lua5.4",
      helper.quote(helper.program()) .. " run" } do
      local path = helper.file("local mcp = require 'mcp'\n" .. text, ".lua")
      local out, status = helper.shell(("timeout 20 %s %s 2>&1 </dev/null"):format(command,
        helper.quote(path)))
      assert.equal(0, status, out)
      check(out)
    end
  end

  it("that is waited for is closed with its task", function()
    each([[
      kept = mcp.waiter()
      for _, waiter in ipairs { kept, mcp.waiter() } do
        mcp.spawn(function()
          local _ <close> = setmetatable({}, { __close = function()
            print("closed", select(3, mcp.waiter():wait(1)))
            print("woken", waiter:wake "x", (waiter:wait()))
          end })
          print("never", waiter:wait())
        end)
      end]], function(out)
      assert.equal(("closed\tECANCELED\nwoken\ttrue\tx\n"):rep(2), out)
    end)
  end)

  it("is woken from a finalizer that runs after the runtime has been closed", function()
    each([[
      waiter = mcp.waiter()
      first = setmetatable({}, { __gc = function() print("gc", pcall(waiter.wake, waiter, 1)) end })
      mcp.spawn(function() print("never", waiter:wait()) end)]], function(out)
      assert.equal("gc\ttrue\ttrue\n", out)
    end)
  end)
end)
