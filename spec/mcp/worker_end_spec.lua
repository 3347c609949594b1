-- SPDX-License-Identifier: MIT
-- worker_end_spec.lua: what ends workers that are at work: the end of the program, of the worker
-- they were made in, and of everything that refers to them.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local pace = require "spec.pace"
local support = require "spec.support"
local system = support.system
local worker = require "mcp.worker"

local SANITIZED = (os.getenv "LD_PRELOAD" or "") ~= ""
local SLOW = SANITIZED and 5 or 1

local function own_pid()
  local stat <close> = assert(io.open "/proc/self/stat")
  return stat:read "n"
end

local function count_threads()
  local folder <close> = assert(mcp.folder "/proc/self/task")
  return #assert(folder:list())
end

local function count_children()
  local text = ""
  local folder <close> = assert(mcp.folder "/proc/self/task")
  for _, entry in ipairs(assert(folder:list())) do
    local file <close> = io.open(("/proc/self/task/%s/children"):format(entry.name))
    text = text .. (file and file:read "a" or "")
  end
  return select(2, text:gsub("%d+", ""))
end

-- A server with a call in a worker; GRACE shortens what SIGTERM gives calls over HTTP.
local SERVER = [==[
local mcp = require "mcp"
require "mcp.server.listen.serve".GRACE = 0.3
local app = mcp.server { name = "end" }
local code = function()
  return {
    loop = function() while true do end end,
    block = function() require "codecs.system".block(60) end,
    inner = function()
      local inner = require "mcp".worker { function()
        return { loop = function() while true do end end }
      end }
      return inner:loop()
    end,
  }
end
local own = {
  thread = mcp.worker { code, stuck = 0.2, name = "thread" },
  process = mcp.worker { code, process = true, name = "process" },
}
app:tool "work" { input = { kind = "string", where = "string" } } (function(args)
  io.stderr:write "at work\n"
  return own[args.where][args.kind](own[args.where])
end)
app:run(load("return " .. os.getenv "SPEC_OPTIONS")())
]==]

describe("workers at work", function()
  after_each(function()
    support.stop_all()
    helper.remove_files()
    helper.leftovers()
  end)

  for _, where in ipairs { "thread", "process" } do
    for _, kind in ipairs { "loop", "block", "inner" } do
      it(("end with the program, by end of input and by SIGTERM: %s, %s"):format(kind, where),
        function()
          for _, how in ipairs { "input", "stdio", "http" } do
            local server = how == "http" and support.http("", { script = SERVER })
              or support.start("{ stdio = true }", { script = SERVER })
            local pid = server.process:pid()
            local arguments = { kind = kind, where = where }
            local client = how == "http" and support.client(server)
            if client then
              client:send(support.call(1, "work", arguments))
            else
              server.process:write(support.call_body(1, "work", arguments) .. "\n")
            end
            server:wait_said "at work"
            system.block(0.15)
            local began = system.now()
            if how == "input" then
              server.process:close_stdin()
            else
              server.process:kill "TERM"
            end
            local ended = server.process:wait(pace.limit(10))
            local took = system.now() - began
            if client then client:close() end
            assert.is_truthy(ended, how)
            -- Half a second for each worker's threads, and what a call may take over HTTP.
            assert.is_true(took < 3 * SLOW, ("%s: %.2f s"):format(how, took))
            assert.is_nil(io.open(("/proc/%d/stat"):format(pid)), how)
          end
        end)
    end
  end

  it("inside a worker end with the call that made them", function()
    local before = count_threads()
    do
      local outer <close> = mcp.worker { function()
        return {
          add = function(a, b) return a + b end,
          inner = function()
            local inner = require "mcp".worker { function()
              return {
                loop = function() while true do end end,
                add = function(a, b) return a + b end,
              }
            end, threads = 2 }
            assert(inner:add(1, 2) == 3)
            return inner:loop()
          end,
        }
      end }
      for _ = 1, 3 do
        mcp.run(function()
          local waiter, code = core.waiter(), nil
          waiter:spawn(function() code = select(3, outer:inner()) end)
          mcp.sleep(0.1 * SLOW)
          waiter:cancel()
          waiter:wait()
          assert.equal("ECANCELED", code)
        end)
        assert.equal(3, outer:add(1, 2))
        assert.equal(0, worker.counts(outer).lost)
        helper.wait_until(function() return count_threads() <= before + 1 end, "the inner threads")
      end
    end
    helper.wait_until(function() return count_threads() <= before end, "the outer thread")
  end)

  -- Runs `name` and cancels it; returns the code of its end.
  local function cancelled(own, name)
    local code
    mcp.run(function()
      local waiter = core.waiter()
      waiter:spawn(function() code = select(3, own[name](own)) end)
      mcp.sleep(0.05)
      waiter:cancel()
      waiter:wait()
    end)
    return code
  end

  it("are stopped where they take the hook away, and lost where they loop in one", function()
    local own <close> = mcp.worker { function()
      local function spin() while true do end end
      local H = {}
      function H.take() while true do debug.sethook() pcall(spin) end end
      function H.take_in_calls()
        local t = setmetatable({}, { __index = function() debug.sethook() spin() end })
        while true do pcall(function() return t.x end) end
      end
      function H.handler() while true do xpcall(spin, function() debug.sethook() spin() end) end end
      function H.other()
        local co = coroutine.create(spin)
        debug.sethook(co, function() end, "", 1)
        while true do
          coroutine.resume(co)
          co = coroutine.create(spin)
          debug.sethook(co, function() end, "", 1)
        end
      end
      function H.own_hook()
        debug.sethook(function() debug.sethook() end, "", 1)
        spin()
      end
      -- Hooks are off inside a hook: this one ends by itself, or the thread would stay.
      function H.loop_in_hook()
        local over = os.time() + 2
        debug.sethook(function()
          debug.sethook()
          while os.time() < over do end
        end, "", 1)
        spin()
      end
      function H.add(a, b) return a + b end
      return H
    end, stuck = 0.4 }
    own:add(1, 2)
    for _, name in ipairs { "take", "take_in_calls", "handler", "other", "own_hook" } do
      assert.equal("ECANCELED", cancelled(own, name), name)
      helper.wait_until(function() return worker.counts(own).busy == 0 end, name, 2 * SLOW)
      assert.equal(0, worker.counts(own).lost, name)
      assert.equal(3, own:add(1, 2))
    end
    assert.equal("ECANCELED", cancelled(own, "loop_in_hook"))
    helper.wait_until(function() return worker.counts(own).lost == 1 end, "a lost thread", 2 * SLOW)
    assert.equal(3, own:add(1, 2))
    helper.wait_until(function() return worker.counts(own).lost == 0 end, "its end", 8 * SLOW)
  end)

  it("end the programs that they run", function()
    -- A length that no other process of the machine sleeps for.
    local length = ("61.%d"):format(own_pid())
    for _, process in ipairs { false, true } do
      local before = count_children()
      local own <close> = mcp.worker { function()
        return { run = function(seconds)
          local done = require "mcp".process.run { "sleep", seconds }
          return done and done.code
        end }
      end, process = process }
      assert.equal(0, own:run("0"))
      assert.equal("ECANCELED", (function()
        local code
        mcp.run(function()
          local waiter = core.waiter()
          waiter:spawn(function() code = select(3, own:run(length)) end)
          mcp.sleep(0.3)
          waiter:cancel()
          waiter:wait()
        end)
        return code
      end)())
      own:close()
      helper.wait_until(function()
        core.step(0.02)
        return count_children() <= before
      end, "the end of the processes")
      -- Nothing of this loop happens when that program ends.
      local deadline, left = system.now() + pace.limit(5)
      repeat
        core.step(0.05)
        local pipe <close> = assert(io.popen
          "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
        left = pipe:read "a":find("sleep " .. length, 1, true)
      until not left or system.now() > deadline
      assert.is_nil(left, "the program goes on")
    end
  end)

  it("are not called lost where it is the loop that was held", function()
    local own <close> = mcp.worker { function()
      return { loop = function() while true do end end }
    end, stuck = 0.1 }
    mcp.run(function()
      local waiter = core.waiter()
      waiter:spawn(function() own:loop() end)
      mcp.sleep(0.05)
      waiter:cancel()
      -- The thread has long answered when the loop comes to look at it.
      system.block(0.5 * SLOW)
      waiter:wait()
    end)
    for _ = 1, 5 do
      core.step(0)
      assert.equal(0, worker.counts(own).lost)
    end
    assert.equal(0, worker.counts(own).busy)
  end)

  it("have kept to their budget of time where it is the loop that was held", function()
    for _, process in ipairs { false, true } do
      local own <close> = mcp.worker { function()
        return { add = function(a, b) return a + b end }
      end, budget = { time = 0.2 * SLOW }, process = process }
      -- A new process may take as long as that.
      helper.wait_until(function() return own:add(1, 2) == 3 end, "its start", 10)
      local sum, text
      mcp.run(function()
        local waiter = core.waiter()
        waiter:spawn(function() sum, text = own:add(1, 2) end)
        system.block(0.5 * SLOW)
        waiter:wait()
      end)
      assert.equal(3, sum, text)
    end
  end)

  it("made for each call and forgotten do not pile up", function()
    for _, process in ipairs { false, true } do
      local before, most = process and count_children() or count_threads(), 0
      local log = helper.logged(function()
        mcp.run(function()
          for i = 1, process and 60 or 200 do
            local own = mcp.worker { function()
              return { add = function(a, b) return a + b end }
            end, process = process }
            assert(own:add(1, 2) == 3)
            if i % 5 == 0 then
              most = math.max(most, process and count_children() or count_threads())
            end
          end
        end)
      end)
      assert.is_string(log)
      assert.is_true(most - before <= 40, most - before)
      collectgarbage()
      collectgarbage()
      helper.wait_until(function()
        core.step(0.02)
        return (process and count_children() or count_threads()) <= before
      end, "the end of the last ones")
    end
  end)

  it("a worker that is not referred to any more ends its call first", function()
    local result
    mcp.run(function()
      local own = mcp.worker { function()
        return { slow = function()
          local over = os.clock() + 0.1
          while os.clock() < over do end
          return "done"
        end }
      end }
      local waiter = core.waiter()
      waiter:spawn(function() result = own:slow() end)
      own = nil
      for _ = 1, 10 do
        collectgarbage()
        mcp.sleep(0.002)
      end
      waiter:wait()
    end)
    assert.equal("done", result)
  end)

  it("refuse a call whose arguments find no room before they copy them", function()
    local own <close> = mcp.worker { function()
      return { loop = function() while true do end end, echo = function(...) return ... end }
    end, queue = 1 }
    mcp.run(function()
      local waiter = core.waiter()
      for _ = 1, 2 do waiter:spawn(function() own:loop() end) end
      assert.equal(1, worker.counts(own).waiting)
      -- What cannot be copied is not looked at.
      local ok, text, code = own:echo(print)
      assert.is_nil(ok)
      assert.matches("as many calls as may wait", text, 1, true)
      assert.equal("EBUSY", code)
      waiter:cancel()
      waiter:wait()
    end)
  end)

  it("give back at once what a call took that cannot be made", function()
    local own <close> = mcp.worker { function() return { echo = function(...) return ... end } end }
    local big = ("x"):rep(24 << 20)
    assert.is_false(pcall(own.echo, own, big, print))
    local base = assert(system.rss(own_pid()))
    collectgarbage "stop"
    for _ = 1, 20 do assert.is_false(pcall(own.echo, own, big, print)) end
    collectgarbage "restart"
    local grown = system.rss(own_pid()) - base
    -- A sanitizer keeps for a while what is freed.
    assert.is_true(grown < 64 << 20 or SANITIZED, grown)
  end)

  local has_luv = pcall(require, "luv")
  local with_luv = has_luv and not SANITIZED and it or function(name)
    pending(name .. ": SKIPPED, luv is not installed, or not under a sanitizer")
  end

  with_luv("run on luv's loop, and end with it", function()
    local script = helper.file [[
      local luv = require "luv"
      local mcp = require "mcp.on_luv"
      local code = function()
        return { add = function(a, b) return a + b end, loop = function() while true do end end }
      end
      local thread, process = mcp.worker { code }, mcp.worker { code, process = true }
      local core = require "mcp.core"
      mcp.spawn(function()
        print(thread:add(1, 2), process:add(3, 4))
        local waiter = core.waiter()
        waiter:spawn(function() print((select(3, thread:loop()))) end)
        waiter:spawn(function() print((select(3, process:loop()))) end)
        mcp.sleep(0.1)
        waiter:cancel()
        waiter:wait()
        mcp.spawn(function() thread:loop() end)
        mcp.spawn(function() process:loop() end)
        mcp.sleep(0.05)
        luv.stop()
      end)
      luv.run()
      print "over"
    ]]
    local began = system.now()
    local out, status = helper.shell(("%s %s"):format(os.getenv "LUA" or "lua5.4", script))
    assert.equal("3\t7\nECANCELED\nECANCELED\nover\n", out)
    assert.equal(0, status)
    assert.is_true(system.now() - began < pace.limit(5))
  end)

  it("run where a standard descriptor is closed", function()
    local script = helper.file [[
      local mcp = require "mcp"
      local file = assert(io.open(arg[1], "w"))
      for _, process in ipairs { false, true } do
        local own <close> = mcp.worker { function()
          return { add = function(a, b) print "said" return a + b end }
        end, process = process }
        file:write(own:add(1, 2), " ")
      end
      file:close()
    ]]
    for _, closed in ipairs { "<&-", ">&-", "2>&-", "<&- >&- 2>&-" } do
      local out = helper.file ""
      local _, status = helper.shell(("{ %s run %s %s; } %s"):format(helper.program(), script, out,
        closed))
      assert.equal(0, status, closed)
      local file <close> = assert(io.open(out))
      assert.equal("3 3 ", file:read "a", closed)
    end
  end)
end)
