-- SPDX-License-Identifier: MIT
-- worker_spec.lua: mcp.worker: calls, what they cost and how they end, on threads and in processes.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"
local system = support.system
local worker = require "mcp.worker"

-- ThreadSanitizer (make tsan) bears no shell beside it: what needs one is left out there, and said.
local TSAN = (os.getenv "LD_PRELOAD" or ""):find("tsan", 1, true) ~= nil
local SANITIZED = (os.getenv "LD_PRELOAD" or "") ~= ""
-- What is measured in time there takes longer.
local SLOW = SANITIZED and 5 or 1

local function with_shell(name, test)
  if not TSAN then return it(name, test) end
  pending(name .. ": SKIPPED, it needs a shell beside ThreadSanitizer")
end

local function pid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

local SELF = pid()

-- Entries of a folder of /proc.
local function entries(path)
  local folder <close> = assert(mcp.folder(path))
  return assert(folder:list())
end

-- The folder's own is one of them.
local function descriptors() return #entries "/proc/self/fd" - 1 end
local function threads() return #entries "/proc/self/task" end

-- Children of this process that are there, guards too.
local function children()
  local count = 0
  for _, entry in ipairs(entries "/proc") do
    local file <close> = entry.name:find "^%d" and io.open("/proc/" .. entry.name .. "/stat")
    local parent = file and (file:read "a" or ""):match "^%d+ %(.*%) %a (%d+)"
    if tonumber(parent) == SELF then count = count + 1 end
  end
  return count
end

local open = {}
local function start(options)
  local made = mcp.worker(options)
  open[#open + 1] = made
  return made
end

-- The file of a worker.
local function file(text) return helper.file(text, ".lua") end

-- Runs `fn` in a task that is cancelled after `seconds`; what it returned.
local function cancelled_after(seconds, fn)
  local done
  mcp.run(function()
    local waiter = core.waiter()
    waiter:spawn(function() done = table.pack(fn()) end)
    mcp.sleep(seconds)
    waiter:cancel()
    waiter:wait()
  end)
  return table.unpack(done, 1, done.n)
end

local MATHS = function()
  return {
    add = function(a, b) return a + b end,
    echo = function(...) return ... end,
    spin = function() while true do end end,
    nothing = function() end,
    fail = function() error "as told" end,
    fail_with = function(value) error(value) end,
    state = function() _G.counter = (_G.counter or 0) + 1 return _G.counter end,
    make = function(n) return ("x"):rep(n) end,
    bad = function() return 1, { rows = { print } } end,
    pid = function()
      local stat <close> = assert(io.open "/proc/self/stat")
      return stat:read "n"
    end,
  }
end

local function both(name, test)
  it(name .. ", on a thread", function() test(false) end)
  it(name .. ", in a process", function() test(true) end)
end

describe("mcp.worker", function()
  for _, process in ipairs { false, true } do
    local where = process and "in a process" or "on a thread"
    it("computes at a lower priority than the loop, " .. where, function()
      local own = start { file [[
        local function nice()
          local stat <close> = assert(io.open "/proc/thread-self/stat")
          local fields = {}
          for field in stat:read "a":match "%) (.*)":gmatch "%S+" do fields[#fields + 1] = field end
          return tonumber(fields[17])
        end
        return { nice = nice }]], process = process }
      assert.equal(10, own:nice())
    end)
  end

  after_each(function()
    for _, made in ipairs(open) do made:close() end
    for _, made in ipairs(open) do
      helper.wait_until(function() return worker.counts(made).slots == 0 end, "the end of a worker",
        5 * SLOW)
    end
    open = {}
    helper.remove_files()
    helper.leftovers()
  end)

  both("calls functions of a file as methods", function(process)
    local db = start { file [[
      local rows = { { id = 1, name = "Ada" } }
      return { query = function(sql, n) return rows, sql .. n end, none = function() end }
    ]], process = process }
    local rows, text = db:query("select ", 5)
    assert.same({ { id = 1, name = "Ada" } }, rows)
    assert.equal("select 5", text)
    assert.equal(0, select("#", db:none()))
  end)

  both("gives values back as they were", function(process)
    local echo = start { MATHS, process = process }
    local given = { mcp.null, 1, 1.0, "\0\xFF", mcp.array {}, { a = mcp.null }, false }
    local got = table.pack(echo:echo(nil, given, 1 << 62, nil))
    assert.equal(4, got.n)
    assert.same(given, got[2])
    assert.equal("float", math.type(got[2][3]))
    assert.equal(getmetatable(mcp.array {}), getmetatable(got[2][5]))
    assert.equal(1 << 62, got[3])
  end)

  both("keeps its state from call to call", function(process)
    local own = start { MATHS, process = process }
    assert.equal(1, own:state())
    assert.equal(2, own:state())
  end)

  both("waits in tasks while others go on", function(process)
    local maths = start { MATHS, process = process }
    local seen, got = 0, nil
    mcp.run(function()
      mcp.spawn(function() got = maths:add(1, 2) end)
      while not got do
        seen = seen + 1
        mcp.sleep(0.001)
      end
    end)
    assert.equal(3, got)
    assert.is_true(seen > 0)
  end)

  both("runs several calls at once", function(process)
    local many = start { function()
      return { nap = function(seconds) require "codecs.system".block(seconds) end }
    end, threads = 4, process = process }
    local began = system.now()
    mcp.run(function()
      mcp.all { function() return many:nap(0.3) end, function() return many:nap(0.3) end,
        function() return many:nap(0.3) end, function() return many:nap(0.3) end }
    end)
    assert.is_true(system.now() - began < 1.1 * SLOW)
    assert.equal(4, worker.counts(many).slots)
  end)

  it("opens a thread when there is something to do, and no earlier", function()
    local before = threads()
    local maths = start { MATHS, threads = 8 }
    assert.equal(before, threads())
    maths:add(1, 2)
    maths:add(1, 2)
    assert.equal(before + 1, threads())
  end)

  it("an idle one does not keep the loop going", function()
    for _, process in ipairs { false, true } do
      local maths = start { MATHS, process = process }
      maths:add(1, 2)
      helper.settle()
      assert.is_false(core.step(0), process and "a process" or "a thread")
    end
  end)

  describe("errors", function()
    both("are raised with their text", function(process)
      local maths = start { file "return { fail = function() error 'as told' end }",
        process = process }
      local ok, err = pcall(maths.fail, maths)
      assert.is_false(ok)
      assert.matches("%.lua:1: as told$", err)
    end)

    both("keep their values", function(process)
      local maths = start { MATHS, process = process }
      local ok, err = pcall(maths.fail_with, maths, { code = 5 })
      assert.is_false(ok)
      assert.same({ code = 5 }, err)
      assert.same({ false }, { pcall(maths.fail_with, maths, nil) })
    end)

    it("log their traceback", function()
      local maths = start { file "return { fail = function() error 'as told' end }" }
      local log = helper.logged(function() pcall(maths.fail, maths) end)
      assert.matches("as told", log, 1, true)
      assert.matches("stack traceback", log, 1, true)
    end)

    both("of mcp.error stay what they are", function(process)
      local own = start { file [[
        local mcp = require "mcp"
        return { fail = function() error(mcp.error(-32050, "no such row", { id = 3 })) end }
      ]], process = process }
      local ok, err = pcall(own.fail, own)
      assert.is_false(ok)
      assert.equal("mcp.error -32050: no such row", tostring(err))
      assert.same({ id = 3 }, err.data)
    end)

    both("of mcp.error keep an HTTP status of an error alone", function(process)
      local own = start { file [[
        local mcp = require "mcp"
        return { fail = function(status) error(mcp.error(-32050, "no", nil, status)) end }
      ]], process = process }
      for _, status in ipairs { 400, 599 } do
        assert.equal(status, select(2, pcall(own.fail, own, status)).status)
      end
      for _, status in ipairs { 399, 600, 200, "400" } do
        assert.is_nil(select(2, pcall(own.fail, own, status)).status)
      end
    end)

    both("that cannot be sent go as text", function(process)
      local own = start { function()
        return {
          object = function()
            error(setmetatable({}, { __tostring = function() return "me" end }))
          end,
          fn = function() error(print) end,
        }
      end, process = process }
      assert.same({ false, "me" }, { pcall(own.object, own) })
      local ok, err = pcall(own.fn, own)
      assert.is_false(ok)
      assert.matches("^function: ", err)
    end)

    both("have room whatever the budget of results is, and are cut beyond it", function(process)
      local own = start { file [[return {
        fail = function(n) error(("\xC3\xA4"):rep(n), 0) end,
        fail_with = function(n) error { text = ("x"):rep(n) } end,
      }]], budget = { output = 50 }, process = process }
      assert.same({ false, ("\u{E4}"):rep(1000) }, { pcall(own.fail, own, 1000) })
      local ok, err = pcall(own.fail, own, 100000)
      assert.is_false(ok)
      assert.equal(("\u{E4}"):rep(2048), err)
      ok, err = pcall(own.fail_with, own, 100000)
      assert.is_false(ok)
      assert.matches("^table: ", err)
    end)

    both("a result that cannot be sent names its place", function(process)
      local maths = start { MATHS, process = process }
      local ok, err = pcall(maths.bad, maths)
      assert.is_false(ok)
      assert.matches("result 2 cannot be sent: rows[1]: function", err, 1, true)
    end)

    it("of the caller are raised at the caller's line", function()
      local maths = start { MATHS }
      local function at_this_line(text, fn)
        local ok, err = pcall(fn)
        assert.is_false(ok)
        assert.matches("worker_spec.lua:%d+: ", err)
        assert.matches(text, err, 1, true)
      end
      at_this_line("argument 2 cannot be sent to a worker: x[1]: function", function()
        return (maths:add(1, { x = { print } }))
      end)
      at_this_line('it has no function "adds"; did you mean "add"?', function()
        return (maths:adds(1, 2))
      end)
      at_this_line("add is called with a colon", function() return (maths.add(1, 2)) end)
    end)

    both("a file that does not start says so each time, and starts when it can", function(process)
      local name = os.tmpname()
      local own = start { file(("if not io.open(%q) then error 'no database' end "
        .. "return { ok = function() return 1 end }"):format(name)), process = process }
      os.remove(name)
      for _ = 1, 2 do
        local ok, err = pcall(own.ok, own)
        assert.is_false(ok)
        assert.matches("it does not start: .*no database", err)
      end
      assert(io.open(name, "w")):close()
      assert.equal(1, own:ok())
      os.remove(name)
    end)

    it("a file that returns nothing of use says what it should", function()
      local own = start { file "return 5" }
      local ok, err = pcall(own.x, own)
      assert.is_false(ok)
      assert.matches("expected a table of functions or a function to be returned, got number", err,
        1, true)
    end)
  end)

  describe("mistakes", function()
    local function refused(text, options)
      local ok, err = pcall(mcp.worker, options)
      assert.is_false(ok)
      assert.matches(text, err, 1, true)
      assert.matches("^spec/mcp/worker_spec.lua:%d+: mcp.worker: ",
        select(2, pcall(function() mcp.worker(options) end)))
    end

    it("are told where the worker is made", function()
      local outer = 5
      refused('expected a table such as { "database.lua" }, got string', "database.lua")
      refused("expected the name of a file or a function first, got nil", {})
      local ok, err = pcall(function() mcp.worker { "none.lua" } end)
      assert.is_false(ok)
      assert.matches('no file "none.lua", and no ".*spec/mcp/none.lua"', err)
      refused("syntax error near 'is'", { file "this is no Lua" })
      refused('uses "outer", a local variable outside of it', { function() return outer end })
      -- Code without names may use global variables, and no others.
      local function bare(fn) return load(string.dump(fn, true), "bare", "b") end
      local held = bare(function() return outer end)
      debug.setupvalue(held, 1, 7)
      refused('uses "(no name)", a local variable outside of it', { held })
      local own <close> = start { bare(function()
        return { upper = function(text) return string.upper(text) end }
      end) }
      assert.equal("ABC", own:upper "abc")
      refused('unknown option "thread"', { MATHS, thread = 2 })
      refused("threads: expected a whole number from 1 to 64, got 0", { MATHS, threads = 0 })
      refused("threads: expected a whole number from 1 to 64, got 1.5", { MATHS, threads = 1.5 })
      refused("queue: expected a whole number", { MATHS, queue = -1 })
      refused('option "queue": expected a number, got string', { MATHS, queue = "x" })
      refused("stuck: expected seconds", { MATHS, stuck = 0 })
      refused("budget: unknown option", { MATHS, budget = { seconds = 1 } })
      refused("budget.time: expected seconds", { MATHS, budget = { time = -1 } })
      refused("budget.memory: expected a whole number", { MATHS, budget = { memory = 5 } })
      refused("untrusted: expected the name of a file", { MATHS, untrusted = true })
      refused("a function written in Lua is needed", { print })
    end)
  end)

  describe("the queue", function()
    both("has an end", function(process)
      local maths = start { MATHS, queue = 2, process = process }
      mcp.run(function()
        local busy, waiter = {}, core.waiter()
        for _ = 1, 3 do waiter:spawn(function() busy[#busy + 1] = { maths:spin() } end) end
        mcp.sleep(0.001)
        assert.equal(2, worker.counts(maths).waiting)
        local ok, text, code = maths:add(1, 2)
        assert.is_nil(ok)
        assert.equal("EBUSY", code)
        assert.matches("as many calls as may wait are waiting already", text, 1, true)
        assert.same({}, busy)
        waiter:cancel()
        waiter:wait()
      end)
      assert.equal(3, maths:add(1, 2))
      assert.equal(0, worker.counts(maths).waiting)
    end)

    it("counts bytes as well", function()
      local maths = start { MATHS, queue = 1000 }
      local big = ("x"):rep(31 << 20)
      mcp.run(function()
        local waiter, codes = core.waiter(), {}
        waiter:spawn(function() maths:spin() end)
        for _ = 1, 3 do
          waiter:spawn(function() codes[#codes + 1] = select(3, maths:echo(big)) or "none" end)
        end
        assert.same({ "EBUSY" }, codes)
        waiter:cancel()
        waiter:wait()
      end)
      local ok, _, code = maths:echo(("x"):rep(33 << 20))
      assert.is_nil(ok)
      assert.equal("ETOOBIG", code)
    end)
  end)

  describe("cancelling", function()
    both("ends a loop, and the worker goes on", function(process)
      local maths = start { MATHS, process = process }
      maths:nothing()
      local ok, text, code = cancelled_after(0.02, function() return maths:spin() end)
      assert.is_nil(ok)
      assert.matches("cancelled", text, 1, true)
      assert.equal("ECANCELED", code)
      assert.equal(3, maths:add(1, 2))
      assert.equal(1, maths:state())
    end)

    it("ends what tries to swallow it", function()
      local traps = start { function()
        local function spin() while true do end end
        local traps = require "spec.traps"(spin)
        for name, trap in pairs {
          handler = function() xpcall(error, spin) end,
          in_task = function()
            local inner = require "mcp"
            inner.run(function() while true do pcall(spin) end end)
          end,
          asleep = function() require "mcp".sleep(60) end,
          running = function()
            local inner = require "mcp"
            inner.run(function() inner.sleep(60) end)
          end,
          connecting = function()
            local inner = require "mcp"
            local app = inner.server "slow"
            app:tool "t" (function(_, ctx) ctx:sleep(60) end)
            inner.connect(app):call_tool("t")
          end,
        } do traps[name] = trap end
        return traps
      end, threads = 1, stuck = 2 }
      for _, name in ipairs { "in_pcall", "in_xpcall", "handler", "nest", "wrapped", "closing",
        "closed", "sort", "gsub", "meta", "in_task", "asleep", "running", "connecting",
        "made_before", "c_only" } do
        traps[name] = traps[name]
        local ok, text, code = cancelled_after(0.03, function() return traps[name](traps) end)
        assert.is_nil(ok, name)
        assert.equal("ECANCELED", code, text)
        helper.wait_until(function() return worker.counts(traps).busy == 0 end, name, 2)
        assert.equal(0, worker.counts(traps).lost, name)
      end
    end)

    it("200 times in a row leaves nothing", function()
      local at_first = { threads(), children(), descriptors() }
      for _, process in ipairs { false, true } do
        local maths <close> = mcp.worker { MATHS, threads = 2, process = process }
        for _ = 1, process and 40 or 200 do
          local _, _, code = cancelled_after(0.001, function() return maths:spin() end)
          assert.equal("ECANCELED", code)
        end
        assert.equal(3, maths:add(1, 2))
      end
      helper.wait_until(function()
        core.step(0)
        return children() <= at_first[2]
      end, "the end of the processes", 2)
      helper.wait_until(function() return threads() <= at_first[1] end, "the end of the threads", 2)
      helper.wait_until(function()
        core.step(0.01)
        return descriptors() <= at_first[3]
      end, "the end of the descriptors", 2)
    end)

    it("of a call that waits takes it out of the queue", function()
      local maths = start { MATHS, queue = 1 }
      mcp.run(function()
        local one, two = core.waiter(), core.waiter()
        one:spawn(function() maths:spin() end)
        two:spawn(function() maths:add(1, 2) end)
        assert.equal(1, worker.counts(maths).waiting)
        two:cancel()
        two:wait()
        assert.equal(0, worker.counts(maths).waiting)
        assert.equal(1, worker.counts(maths).busy)
        one:cancel()
        one:wait()
      end)
    end)

    it("a C function that does not return loses its thread, and another one comes", function()
      local own = start { function()
        return {
          nap = function(seconds) require "codecs.system".block(seconds) end,
          add = function(a, b) return a + b end,
        }
      end, stuck = 0.1 }
      local _, _, code = cancelled_after(0.05, function() return own:nap(1) end)
      assert.equal("ECANCELED", code)
      assert.equal(3, own:add(1, 2))
      assert.equal(1, worker.counts(own).lost)
      helper.wait_until(function()
        core.step(0.05)
        return worker.counts(own).lost == 0
      end, "the return of the lost thread", 3)
      assert.equal(1, worker.counts(own).slots)
    end)

    it("of too many such ends with an error that says so", function()
      local own = start { function()
        return { nap = function(seconds) require "codecs.system".block(seconds) end }
      end, stuck = 0.05 }
      for _ = 1, 4 do
        cancelled_after(0.02, function() return own:nap(1) end)
        helper.wait_until(function()
          core.step(0.02)
          return worker.counts(own).busy == worker.counts(own).lost
        end, "a lost thread")
      end
      local ok, text, code = own:nap(0)
      assert.is_nil(ok)
      assert.equal("EBUSY", code)
      assert.matches("held by C functions that do not return", text, 1, true)
    end)
  end)

  describe("budgets", function()
    both("of time end a call", function(process)
      local maths = start { MATHS, budget = { time = 0.1 }, process = process }
      maths:nothing()
      local began = system.now()
      local ok, text, code = maths:spin()
      local took = system.now() - began
      assert.is_nil(ok)
      assert.equal("ETIMEDOUT", code)
      assert.matches("the call took longer than its budget of 0.1 s", text, 1, true)
      assert.is_true(took >= 0.09 and took < 0.6 * SLOW, took)
      assert.equal(3, maths:add(1, 2))
    end)

    both("of memory end a call, and a large block is refused", function(process)
      local bombs = start { function()
        return {
          tables = function()
            local all = {}
            while true do table.insert(all, { ("x"):rep(1000) .. #all }) end
          end,
          trap = function()
            local all = {}
            local function fill() while true do all[#all + 1] = ("x"):rep(1000) .. #all end end
            while true do pcall(fill) end
          end,
          rep = function() return #("x"):rep(1 << 30) end,
          concat = function()
            local text = ("x"):rep(1 << 20)
            for _ = 1, 10 do text = text .. text end
            return #text
          end,
          garbage = function() for _ = 1, 200 do local _ = ("x"):rep(1 << 20) end return "fine" end,
        }
      end, budget = { memory = 16 << 20, time = 10 * SLOW }, process = process }
      for _, name in ipairs { "tables", "trap", "rep", "concat" } do
        local ok, text, code = bombs[name](bombs)
        assert.is_nil(ok, name)
        assert.equal("ENOMEM", code, name .. ": " .. text)
        assert.matches("its budget is 16777216 bytes", text, 1, true)
      end
      assert.equal("fine", bombs:garbage())
    end)

    both("of output refuse a result", function(process)
      local maths = start { MATHS, budget = { output = 1000 }, process = process }
      assert.equal(900, #maths:make(900))
      local ok, text, code = maths:make(2000)
      assert.is_nil(ok)
      assert.equal("ETOOBIG", code)
      assert.matches("larger than its budget of 1000 bytes", text, 1, true)
    end)
  end)

  describe("a process", function()
    it("is another one", function()
      local own = start { MATHS, process = true }
      assert.is_true(own:pid() ~= SELF)
      assert.equal(own:pid(), own:pid())
    end)

    it("that ends says how, and another one comes", function()
      local own = start { function()
        return { exit = os.exit, add = function(a, b) return a + b end }
      end, process = true }
      local ok, text, code = own:exit(3)
      assert.is_nil(ok)
      assert.equal("EGONE", code)
      assert.matches("its process ended with status 3", text, 1, true)
      assert.equal(3, own:add(1, 2))
    end)

    it("is what os.exit needs", function()
      local own = start { function() return { exit = function() os.exit(3) end } end }
      local ok, err = pcall(own.exit, own)
      assert.is_false(ok)
      assert.matches("os.exit: this worker is a thread of the program", err, 1, true)
    end)

    it("its prints are not the wire", function()
      local own = start { function()
        return { talk = function() io.stdout:write "" print "" io.write "" return io.read "a" end }
      end, process = true }
      assert.equal("", own:talk())
    end)

    it("takes large arguments and gives large results", function()
      local own = start { MATHS, process = true }
      local text = ("0123456789"):rep(2 << 20)
      assert.is_true(own:echo(text) == text)
    end)
  end)

  describe("closing", function()
    both("ends calls under way and those that wait", function(process)
      local maths = start { MATHS, process = process }
      local codes = {}
      mcp.run(function()
        local waiter = core.waiter()
        for i = 1, 2 do waiter:spawn(function() codes[i] = select(3, maths:spin()) end) end
        mcp.sleep(0.02)
        maths:close()
        waiter:wait()
      end)
      assert.same({ "ECLOSED", "ECLOSED" }, codes)
      assert.equal("ECLOSED", (select(3, maths:add(1, 2))))
      maths:close()
    end)

    it("comes with <close>, and with the collector", function()
      local before = threads()
      do
        local one <close> = mcp.worker { MATHS }
        one:add(1, 2)
      end
      do mcp.worker { MATHS }:add(1, 2) end
      collectgarbage()
      collectgarbage()
      helper.wait_until(function()
        core.step(0.02)
        return threads() == before
      end, "the end of the threads")
    end)

    with_shell("the end of the program waits for no thread", function()
      for _, process in ipairs { false, true } do
        local script = file(([[
          local mcp = require "mcp"
          local w = mcp.worker { function()
            return {
              nap = function() os.execute "exec sleep 3 >/dev/null" end,
              spin = function() while true do end end,
            }
          end, threads = 2, process = %s }
          mcp.spawn(function() w:nap() end)
          mcp.spawn(function() w:spin() end)
          mcp.sleep(0.1)
          print "end"
        ]]):format(process))
        local began = system.now()
        local out, status = helper.shell(("%s run %s 2>/dev/null"):format(helper.program(), script))
        assert.equal("end\n", out)
        assert.equal(0, status)
        assert.is_true(system.now() - began < 2.5 * SLOW)
      end
    end)
  end)

  describe("code that is not trusted", function()
    local function untrusted(text, more)
      local options = { file(text), untrusted = true }
      for key, value in pairs(more or {}) do options[key] = value end
      return start(options)
    end

    both("has no way out", function(process)
      local own = untrusted([[
        local function kind(...) return type(...) end
        return { look = function()
          local out = {}
          for _, name in ipairs { "io", "debug", "package", "require", "dofile", "loadfile" } do
            out[name] = _G[name] ~= nil
          end
          out.exit, out.dump = os.exit ~= nil, string.dump ~= nil
          out.popen, out.getenv = os.execute ~= nil, os.getenv ~= nil
          out.bytecode = (load("\27Lua")) ~= nil
          out.text = load("return 5")()
          out.strings = getmetatable("")
          out.gc = pcall(setmetatable, {}, { __gc = function() end })
          out.env = load("return x", "=x", "bt", { x = 7 })()
          return out
        end }
      ]], { process = process })
      assert.same({ io = false, debug = false, package = false, require = false, dofile = false,
        loadfile = false, exit = false, dump = false, popen = false, getenv = false,
        bytecode = false, text = 5, strings = false, gc = false, env = 7 }, own:look())
    end)

    it("has budgets that nobody had to ask for", function()
      local own = untrusted [[
        return {
          spin = function() while true do end end,
          tables = function()
            local all, block = {}, ("x"):rep(1000):rep(1000)
            while true do all[#all + 1] = { block .. #all } end
          end,
          make = function() return ("x"):rep(2 << 20) end,
        }
      ]]
      assert.equal("ETIMEDOUT", (select(3, own:spin())))
      -- A sanitizer may be slower than its budget of time.
      local _, _, code = own:tables()
      assert.is_true(code == "ENOMEM" or SANITIZED and code == "ETIMEDOUT", code)
      assert.equal("ETOOBIG", (select(3, own:make())))
    end)

    -- The budget is 0.2 s, and the state is made anew each time.
    both("the hostile set ends within its budget", function(process)
      local own = untrusted([[
        local function spin() while true do end end
        local H = {}
        function H.loop() spin() end
        function H.trap() while true do pcall(spin) end end
        function H.nest()
          local function deeper() coroutine.wrap(deeper)() end
          while true do pcall(deeper) end
        end
        function H.rep() while true do local _ = ("x"):rep(1 << 24) end end
        function H.rep_nothing() return (""):rep(1 << 62) end
        function H.move() pcall(table.move, {}, 1, 1 << 60, 2) spin() end
        function H.insert()
          pcall(table.insert, setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)
          spin()
        end
        function H.bomb() local t = {} while true do t[#t + 1] = { t } end end
        function H.concat() return ("x"):rep(1 << 29) .. ("x"):rep(1 << 29) end
        function H.exit() os.exit() end
        function H.finalizer() setmetatable({}, { __gc = spin }) end
        function H.len() while true do utf8.len(("x"):rep(1 << 20)) end end
        function H.format() while true do string.format("%99.99f", 1e300) end end
        function H.closes()
          local function deeper(n)
            local co = coroutine.create(function()
              local _ <close> = setmetatable({}, { __close = function() deeper(n + 1) end })
              coroutine.yield()
            end)
            coroutine.resume(co)
            coroutine.close(co)
          end
          while true do pcall(deeper, 1) end
        end
        local blow_up, text = ("a?"):rep(40) .. ("a"):rep(40), ("a"):rep(40)
        function H.find() return text:find(blow_up) end
        function H.gsub() while true do text:rep(1000):gsub("(.-)(.-)(.-)b", "%1") end end
        function H.gmatch() for _ in text:rep(1000):gmatch ".-.-.-.-b" do end end
        function H.add(a, b) return a + b end
        return H
      ]], { process = process, budget = { time = 0.2, memory = 32 << 20 },
        stuck = 2 * SLOW })
      local outcome = {}
      for _, name in ipairs { "loop", "trap", "nest", "rep", "rep_nothing", "move", "insert",
        "bomb", "concat", "exit", "finalizer", "len", "format", "closes", "find", "gsub",
        "gmatch" } do
        local began = system.now()
        local ok, _, _, code = pcall(own[name], own)
        local took = system.now() - began
        -- What is above twice its budget is the start of a state, or of a process.
        assert.is_true(took < (2 * 0.2 + 0.3) * SLOW, ("%s: %.2f s"):format(name, took))
        outcome[name] = ok and code or "raised"
        assert.equal(3, own:add(1, 2), name)
      end
      local stopped = { ETIMEDOUT = true, ENOMEM = true }
      for _, name in ipairs { "loop", "trap", "nest", "rep", "move", "insert", "bomb", "len",
        "format", "closes", "concat", "find", "gsub", "gmatch" } do
        assert.is_true(stopped[outcome[name]], name .. ": " .. tostring(outcome[name]))
      end
      assert.equal("raised", outcome.exit)
      assert.equal("raised", outcome.finalizer)
      assert.equal(0, worker.counts(own).lost)
    end)
  end)

  describe("a tool whose handler is a worker's file", function()
    local HANDLER = [[
      local calls = 0
      return function(args, ctx)
        calls = calls + 1
        if args.fail then error "the database is gone" end
        if args.none then return nil, "nothing found" end
        if args.nap then return tostring(ctx:sleep(args.nap)) end
        if args.spin then while true do end end
        for i = 1, args.steps or 0 do ctx:progress(i, args.steps, "step " .. i) end
        if args.log then ctx:log("info", { rows = 3 }, "db") end
        return { calls = calls, cancelled = ctx:cancelled() }
      end]]

    local function app_with(options)
      local app = mcp.server "spec"
      options.worker = file(HANDLER)
      app:tool "query" (options)
      return app
    end

    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      it("answers, in " .. revision, function()
        for _, process in ipairs { false, true } do
          local peer <close> = helper.open(app_with { process = process }, revision)
          assert.equal('{"calls":1,"cancelled":false}', peer:call("query").content[1].text)
          assert.equal('{"calls":2,"cancelled":false}', peer:call("query").content[1].text)
        end
      end)
    end

    it("says what went wrong without a path, and logs the worker's traceback", function()
      local peer <close> = helper.open(app_with {})
      local result
      local log = helper.logged(function() result = peer:call("query", { fail = true }) end)
      assert.is_true(result.isError)
      assert.equal("the database is gone", result.content[1].text)
      assert.matches('tool "query": ', log, 1, true)
      assert.matches("the database is gone\nerror: stack traceback:\nerror:   ", log, 1, true)
      result = peer:call("query", { none = true })
      assert.is_true(result.isError)
      assert.equal("nothing found", result.content[1].text)
    end)

    it("a call to a worker inside a handler shows no path either", function()
      local maths = start { file "return { fail = function() error 'as told' end }" }
      local app = mcp.server "spec"
      app:tool "t" (function() return maths:fail() end)
      local peer <close> = helper.open(app)
      local result
      helper.logged(function() result = peer:call "t" end)
      assert.equal("as told", result.content[1].text)
    end)

    it("reports progress and logs in order", function()
      for _, process in ipairs { false, true } do
        local peer <close> = helper.open(app_with { process = process })
        peer:request("logging/setLevel", { level = "debug" })
        peer:request("tools/call", { name = "query", arguments = { steps = 50, log = true },
          _meta = { progressToken = "p" } })
        local seen = {}
        for _, notice in ipairs(peer.notices) do
          if notice.method == "notifications/progress" then
            seen[#seen + 1] = notice.params.progress
            assert.equal("step " .. #seen, notice.params.message)
          else
            assert.equal("notifications/message", notice.method)
            assert.same({ rows = 3 }, helper.plain(notice.params.data))
          end
        end
        assert.equal(50, #seen)
        assert.equal(51, #peer.notices)
      end
    end)

    it("goes on when it has slept", function()
      for _, process in ipairs { false, true } do
        local peer <close> = helper.open(app_with { process = process })
        local began = system.now()
        assert.equal("true", peer:call("query", { nap = 0.03 }).content[1].text)
        assert.is_true(system.now() - began >= 0.03)
        assert.equal('{"calls":2,"cancelled":false}', peer:call("query").content[1].text)
      end
    end)

    it("ends when its client cancels, in its sleep and in its loop", function()
      for _, process in ipairs { false, true } do
        for _, arguments in ipairs { { nap = 60 }, { spin = true } } do
          local app = app_with { process = process }
          local peer <close> = helper.open(app)
          peer:send { jsonrpc = "2.0", id = 77, method = "tools/call",
            params = { name = "query", arguments = arguments } }
          core.sleep(0.05)
          peer:notify("notifications/cancelled", { requestId = 77 })
          peer:call("query")
          assert.equal(0, core.task_count())
        end
      end
    end)

    it("ends when its time is over", function()
      local app = app_with { timeout = 0.05 }
      local peer <close> = helper.open(app)
      local result
      helper.logged(function() result = peer:call("query", { spin = true }) end)
      assert.is_true(result.isError)
      assert.matches("timed out", result.content[1].text, 1, true)
      assert.is_nil(peer:call("query").isError)
    end)

    it("mistakes are told where it is declared", function()
      local app = mcp.server "spec"
      local ok, err = pcall(function() app:tool "q" { worker = "none.lua" } end)
      assert.is_false(ok)
      assert.matches('worker_spec.lua:%d+: tool "q": no file "none.lua"', err)
      ok, err = pcall(function() app:tool "q" { threads = 2 } (print) end)
      assert.is_false(ok)
      assert.matches('option "threads": only a tool with a worker has it', err, 1, true)
    end)
  end)

  it("a call costs little more than the way to another thread and back", function()
    local maths, rounds = start { MATHS }, 2000
    local hops = require("codecs.thread").hops
    maths:add(1, 2)
    local bare, call = math.huge, math.huge
    mcp.run(function()
      for _ = 1, 7 do
        bare = math.min(bare, hops(rounds))
        local began = os.clock()
        for _ = 1, rounds do maths:add(1, 2) end
        call = math.min(call, os.clock() - began)
      end
    end)
    -- Three to ten times, by how busy the machine is: other programs cost both, but not the same.
    -- A call that waits for a timer's turn costs some hundred times.
    local most = SANITIZED and 100 or 50
    assert.is_true(call / bare < most, ("%.1f times as much"):format(call / bare))
  end)
end)
