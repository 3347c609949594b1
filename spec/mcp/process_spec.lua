-- SPDX-License-Identifier: MIT
-- process_spec.lua: mcp.process: what a command is given, what it returns, and that nothing of it
-- is left, however the call ends.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local pace = require "spec.pace"
local support = require "spec.support"
local system = support.system

local process = mcp.process

-- A sanitizer keeps memory that is freed, and takes longer.
local SANITIZED = (os.getenv "LD_PRELOAD" or "") ~= ""
local SLOW = (SANITIZED and 4 or 1) * pace.FACTOR

local SELF
do
  local file <close> = assert(io.open "/proc/self/stat")
  SELF = file:read "n"
end

-- The state and the parent of a process; nil for none.
local function stat(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid), "rb")
  local state, parent = (file and file:read "a" or ""):match "%) (%a) (%d+)"
  return state, tonumber(parent)
end

local function entries(path)
  local folder <close> = assert(mcp.folder(path))
  return assert(folder:list())
end

local function threads() return #entries "/proc/self/task" end

-- Children of this process, guards and zombies too.
local function children()
  local count = 0
  for _, entry in ipairs(entries "/proc") do
    local pid = tonumber(entry.name)
    if pid and select(2, stat(pid)) == SELF then count = count + 1 end
  end
  return count
end

local function gone(pid) return stat(pid) == nil end

-- What ends need not be our child, so nothing wakes the loop.
local function poll(condition, what, limit)
  local deadline = system.now() + (limit or 3) * SLOW
  while not condition() do
    assert(system.now() < deadline, "waited in vain for " .. what)
    core.step(core.timeout() == 0 and 0 or 0.005)
  end
end

local function wait_gone(pid, limit)
  poll(function() return gone(pid) end, "the end of a process", limit)
end

local function shell(script, more)
  local options = { "sh", "-c", script }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

-- Runs `fn` in a task that is cancelled once `when()` is true; what it returned.
local function cancelled(fn, when)
  local done
  mcp.run(function()
    local waiter = core.waiter()
    waiter:spawn(function() done = table.pack(fn()) end)
    when()
    waiter:cancel()
    waiter:wait()
  end)
  return table.unpack(done or {}, 1, done and done.n or 0)
end

local descriptors, held

local function settle()
  collectgarbage()
  collectgarbage()
  helper.settle()
end

local function expect_nothing_left()
  poll(function()
    settle()
    return children() == 0 and core.task_count() == 0
  end, "the end of all that was started", 5)
  assert.equal(descriptors, system.fd_count "self")
  assert.is_true(core.bytes_held() <= held + 8192,
    ("%d bytes more are held"):format(core.bytes_held() - held))
end

local function each_test()
  setup(function() process.run { "true" } end)
  before_each(function()
    settle()
    poll(function() return children() == 0 end, "an earlier child")
    descriptors, held = system.fd_count "self", core.bytes_held()
  end)
  after_each(function()
    expect_nothing_left()
    helper.remove_files()
    helper.leftovers()
  end)
end

describe("mcp.process.run", function()
  each_test()

  it("returns the status and what was written, apart", function()
    assert.same({ code = 3, stdout = "out\n", stderr = "err\n" },
      assert(process.run(shell "echo out; echo err >&2; exit 3")))
    assert.same({ signal = "SIGKILL", stdout = "", stderr = "" },
      assert(process.run(shell "kill -KILL $$")))
    assert.equal(1, select("#", process.run { "true" }))
  end)

  it("passes arguments as they are, without a shell", function()
    local result = assert(process.run { "printf", "%s|", "a b", "$HOME;`id`", "*", "", 5, 2.5 })
    assert.equal("a b|$HOME;`id`|*||5|2.5|", result.stdout)
  end)

  it("takes 4095 arguments after the program's name, and no more", function()
    local words = { "sh", "-c", "echo $#", "sh" }
    for i = #words + 1, 4096 do words[i] = "x" end
    assert.equal("4092\n", assert(process.run(words)).stdout)
    words[4097] = "x"
    local result, text, code = process.run(words)
    assert.same({ nil, "E2BIG" }, { result, code })
    assert.matches("4097 arguments, at most 4096", text, 1, true)
    -- What is beneath has the limit, too: the argument list of other ways to start a program.
    table.remove(words, 1)
    local ok, why = pcall(core.process, { command = "sh", args = words })
    assert.is_false(ok)
    assert.matches("args: expected at most 4095", why, 1, true)
  end)

  it("raises what is wrong with the options at the caller's line", function()
    local cases = {
      { { "x", shell = true }, "no shell is used" },
      { { "x", shell = "sh" }, "the program and each argument apart" },
      { "git log", 'expected a table such as { "git", "log" }, got string' },
      { {}, "expected the program and its arguments" },
      { { "" }, "expected the program and its arguments" },
      { { "x", true }, "argument 2: expected a string, got boolean" },
      { { "x", "a\0b" }, "argument 2: contains a zero byte" },
      { { "x", cdw = "/" }, 'unknown option "cdw", did you mean "cwd"?' },
      { { "x", env = { "A=1" } }, "env: expected a name" },
      { { "x", env = { A = 1 } }, "env: A: expected a string" },
      { { "x", stderr = "none" }, 'expected one of capture, discard, inherit, merge, got "none"' },
      { { "x", stdout = "merge" }, "expected one of capture, discard" },
      { { "x", timeout = 0 }, "timeout" },
      { { "x", limit = 1.5 }, "limit" },
    }
    for _, case in ipairs(cases) do
      local ok, text = pcall(process.run, case[1])
      assert.is_false(ok)
      assert.matches("^mcp.process.run: ", text)
      assert.matches(case[2], text, 1, true)
    end
    local line = debug.getinfo(1, "l").currentline + 1
    local _, text = pcall(function() process.run { shell = true } end)
    assert.matches("process_spec.lua:" .. line .. ":", text, 1, true)
    assert.matches('unknown option "limit"', select(2, pcall(process.start, { "x", limit = 1 })))
  end)

  it("says what could not be started, and what to do", function()
    local cases = {
      { { "no-such-one" }, "ENOENT", 'cannot start "no-such-one": no such program in PATH' },
      { { "git log" }, "ENOENT", 'apart: { "git", "log" }' },
      { { "/no/such" }, "ENOENT", 'cannot start "/no/such": no such program' },
      { { "/etc/passwd" }, "EACCES", "permission denied" },
      { { "ls", cwd = "/no/such" }, "ENOENT", 'cannot start "ls": cwd "/no/such"' },
      { { "true", ("x"):rep(1 << 18) }, "E2BIG", "pass large data through stdin" },
      { (function()
        local words = {}
        for i = 1, process.WORDS + 1 do words[i] = "x" end
        return words
      end)(), "E2BIG", "4097 arguments" },
    }
    for _, case in ipairs(cases) do
      local result, text, code = process.run(case[1])
      assert.is_nil(result)
      assert.equal(case[2], code)
      assert.matches(case[3], text, 1, true)
    end
  end)

  it("starts in a folder, with variables added, removed, or without any", function()
    assert.equal("/usr\n", process.run { "pwd", cwd = "/usr" }.stdout)
    local said = process.run { "env", env = { ADDED = "yes", HOME = false } }.stdout
    assert.matches("ADDED=yes\n", said)
    assert.matches("PATH=", said)
    assert.is_nil(("\n" .. said):find "\nHOME=")
    assert.equal("A=1\n",
      process.run { "/usr/bin/env", clean_env = true, env = { A = "1" } }.stdout)
  end)

  it("merges or discards outputs", function()
    local script = "echo 1; echo 2 >&2; echo 3"
    assert.same({ code = 0, stdout = "1\n2\n3\n", stderr = "" },
      process.run(shell(script, { stderr = "merge" })))
    assert.same({ code = 0, stdout = "1\n3\n", stderr = "" },
      process.run(shell(script, { stderr = "discard" })))
    assert.same({ code = 0, stdout = "", stderr = "2\n" },
      process.run(shell(script, { stdout = "discard" })))
    assert.same({ code = 0, stdout = "", stderr = "" },
      process.run(shell(script, { stdout = "discard", stderr = "merge" })))
  end)

  it("passes bytes of any value through", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local bytes = table.concat(all):rep(1000)
    assert.is_true(process.run { "cat", stdin = bytes }.stdout == bytes)
  end)

  it("gives empty input where none is given, and none that is not read is a failure", function()
    assert.equal("0\n", process.run(shell "wc -c | tr -d ' '").stdout)
    local result = assert(process.run { "true", stdin = ("x"):rep(1 << 20) })
    assert.equal(0, result.code)
    -- Closed before it is written, and output after that.
    result = assert(process.run(shell("exec <&-; sleep 0.05; echo still here",
      { stdin = ("x"):rep(1 << 20) })))
    assert.same({ code = 0, stdout = "still here\n", stderr = "" }, result)
  end)

  it("feeds 50 MB to a slow reader without holding them twice", function()
    local text, most = ("0123456789"):rep(5 << 20), 0
    mcp.run(function()
      local done
      mcp.spawn(function()
        done = process.run(shell("sleep 0.2; md5sum", { stdin = text }))
      end)
      while not done do
        most = math.max(most, core.bytes_held() - held)
        mcp.sleep(0.005)
      end
      local file = helper.file(text)
      assert.equal(process.run(shell("md5sum <" .. file)).stdout, done.stdout)
    end)
    assert.is_true(most < 1 << 20, most .. " bytes were held")
  end)

  it("keeps output up to its limit, and ends what writes more", function()
    local result = assert(process.run { "head", "-c", 1000, "/dev/zero", limit = 1000 })
    assert.equal(1000, #result.stdout)
    local text, code, partial
    result, text, code, partial = process.run { "yes", limit = 1000 }
    assert.is_nil(result)
    assert.equal("ETOOBIG", code)
    assert.matches('"yes": it wrote more than 1000 bytes', text, 1, true)
    assert.same({ stdout = ("y\n"):rep(500), stderr = "" }, partial)
    -- Of both outputs together.
    code, partial = select(3, process.run(shell("printf 123456; sleep 0.2; printf 123456 >&2",
      { limit = 10 })))
    assert.equal("ETOOBIG", code)
    assert.same({ stdout = "123456", stderr = "1234" }, partial)
    code, partial = select(3, process.run { "cat", "/dev/zero" })
    assert.equal("ETOOBIG", code)
    assert.equal(process.LIMIT, #partial.stdout)
  end)

  it("takes 100 MB where its limit allows it", function()
    local result = assert(process.run { "head", "-c", 100 << 20, "/dev/zero", limit = 128 << 20 })
    assert.equal(100 << 20, #result.stdout)
    assert.is_nil(result.stdout:find "[^%z]")
  end)

  it("holds no more than the account of bytes allows", function()
    mcp.limits { memory = 8 << 20 }
    local result, _, code = process.run { "head", "-c", 32 << 20, "/dev/zero", limit = 64 << 20 }
    mcp.limits { memory = 256 << 20 }
    assert.is_nil(result)
    assert.equal("EBUDGET", code)
  end)

  it("ends at its timeout, with all that it has started", function()
    local began = system.now()
    local result, text, code, partial =
      process.run(shell("echo $$; sleep 60 & echo $!; wait", { timeout = 0.3 }))
    assert.is_nil(result)
    assert.equal("ETIMEDOUT", code)
    assert.matches("ran longer than 0.3 seconds", text, 1, true)
    assert.is_true(system.now() - began < 2 * SLOW)
    for pid in partial.stdout:gmatch "%d+" do wait_gone(pid) end
  end)

  it("kills what ignores TERM a second later", function()
    local began = system.now()
    local _, _, code, partial = process.run(shell(
      "trap '' TERM; echo $$; while :; do sleep 0.05; done", { timeout = 0.3 }))
    assert.equal("ETIMEDOUT", code)
    assert.is_true(system.now() - began < 0.9 * SLOW, "the call does not wait for that")
    local pid = tonumber(partial.stdout)
    assert.is_string(stat(pid))
    wait_gone(pid)
  end)

  it("does not wait for a grandchild that holds its output, and ends it", function()
    local began = system.now()
    local result = assert(process.run(shell "sleep 60 & echo $!"))
    assert.is_true(system.now() - began < 2 * SLOW)
    wait_gone(tonumber(result.stdout))
    -- Standard error alone.
    result = assert(process.run(shell "sleep 60 >/dev/null & echo $!"))
    wait_gone(tonumber(result.stdout))
    -- Without any of our pipes.
    result = assert(process.run(shell "sleep 60 >/dev/null 2>&1 </dev/null & echo $!"))
    wait_gone(tonumber(result.stdout))
  end)

  it("leaves nothing after 200 cancellations in a row", function()
    local before, memory = threads(), nil
    -- A length that no other process of the machine sleeps for.
    local length = ("60.%d"):format(SELF)
    local script = ("sleep %s & sleep %s; wait"):format(length, length)
    for i = 1, 200 do
      local result, text, code = cancelled(function()
        return process.run(shell(script))
      end, function() mcp.sleep(0) end)
      assert.is_nil(result)
      assert.equal("ECANCELED", code)
      assert.matches('"sh": cancelled', text, 1, true)
      if i == 50 then
        expect_nothing_left()
        memory = collectgarbage "count"
      end
    end
    expect_nothing_left()
    assert.equal(before, threads())
    assert.is_true(collectgarbage "count" < memory + 64, "the state has grown")
    for _, entry in ipairs(entries "/proc") do
      local pid = tonumber(entry.name)
      local file <close> = pid and io.open("/proc/" .. pid .. "/cmdline")
      assert.is_not_equal(("sleep\0%s\0"):format(length), file and file:read "a",
        "a grandchild is left")
    end
  end)

  it("runs many at once, and answers others meanwhile", function()
    mcp.run(function()
      local jobs = {}
      for i = 1, 8 do
        jobs[i] = function() return process.run(shell("sleep 0.3; echo " .. i)).stdout end
      end
      local began, ticks, done = system.now(), 0, false
      mcp.spawn(function()
        repeat
          mcp.sleep(0.01)
          ticks = ticks + 1
        until done
      end)
      local results = mcp.all(jobs)
      done = true
      for i = 1, 8 do assert.equal(i .. "\n", results[i]) end
      assert.is_true(system.now() - began < 1.5 * SLOW)
      assert.is_true(ticks > 3)
    end)
  end)

  it("ends with a handler that is cancelled, times out or fails", function()
    local app = mcp.server { name = "x", timeout = 0.3 }
    local pids = {}
    local function note(pid) pids[#pids + 1] = pid end
    app:tool "run" (function()
      local made = assert(process.start(shell "sleep 60 & echo $!; wait"))
      note(made.pid)
      note(tonumber(made:line()))
      return process.run(shell "sleep 60")
    end)
    app:tool "fail" (function()
      local made = assert(process.start { "sleep", "60" })
      note(made.pid)
      error "as told"
    end)
    app:tool "return" (function()
      local made = assert(process.start { "sleep", "60" })
      note(made.pid)
      return "done"
    end)
    local peer <close> = helper.open(app)
    local log = helper.logged(function()
      for _, name in ipairs { "run", "fail", "return" } do
        peer:request("tools/call", { name = name })
      end
      peer:send { jsonrpc = "2.0", id = "c", method = "tools/call", params = { name = "run" } }
      helper.wait_until(function() return #pids == 6 end, "the call")
      peer:send { jsonrpc = "2.0", method = "notifications/cancelled",
        params = { requestId = "c" } }
    end)
    assert.matches("as told", log)
    for _, pid in ipairs(pids) do wait_gone(pid) end
  end)

  it("works in workers, on a thread and in a process", function()
    for _, in_process in ipairs { false, true } do
      local made <close> = mcp.worker { function()
        return { run = function(text)
          return require "mcp".process.run { "cat", stdin = text }.stdout
        end }
      end, process = in_process }
      assert.equal("hello", made:run "hello")
    end
    poll(function() return children() == 0 end, "the end of the workers", 5)
  end)

  it("works where a host turns the loop", function()
    local result
    mcp.spawn(function() result = process.run { "echo", "hosted" } end)
    helper.wait_until(function() return result end, "the result")
    assert.equal("hosted\n", result.stdout)
  end)

  local found = package.searchpath("luv", package.cpath)
  local with_luv = found and it or function(name)
    pending(name .. ": SKIPPED, luv is not installed (Debian: lua-luv)")
  end

  with_luv("works on luv's loop", function()
    local out, status = helper.shell(("timeout 10 %s %s 2>&1"):format(os.getenv "LUA" or "lua5.4",
      helper.quote(helper.file [[
        local uv, mcp = require "luv", require "mcp.on_luv"
        mcp.spawn(function()
          local result = assert(mcp.process.run { "cat", stdin = "over luv" })
          print(result.stdout, result.code)
          for line in mcp.process.start { "seq", 3 }:lines() do print(line) end
        end)
        uv.run()
        print(mcp.process.run { "echo", "outside" }.stdout)]])))
    assert.equal("over luv\t0\n1\n2\n3\noutside\n\n", out)
    assert.equal(0, status)
  end)

  it("works with few descriptors left, or says that there are too few", function()
    local server = support.start("", { descriptors = 40, script = [[
      local mcp = require "mcp"
      local files, seen = {}, {}
      for count = 1, 64 do
        files[count] = io.open "/dev/null"
        local result, text, code = mcp.process.run { "cat", stdin = "in order" }
        local how = result and result.stdout or code
        if not result and not text:find "ulimit" then how = text end
        if seen[#seen] ~= how then seen[#seen + 1] = how end
      end
      for _, file in ipairs(files) do file:close() end
      seen[#seen + 1] = mcp.process.run { "cat", stdin = "in order" }.stdout
      io.stderr:write("seen ", table.concat(seen, ","), "\n")
    ]] })
    server:wait_said "seen [^\n]*\n"
    assert.matches("seen in order,EMFILE,in order\n", server:told(), 1, true)
    support.stop_all()
  end)
end)

describe("mcp.process.start", function()
  each_test()

  local function lines_of(made, longest)
    local list = {}
    for line in made:lines(longest) do list[#list + 1] = line end
    return list
  end

  it("reads lines with any end, and the last one without", function()
    local made <close> = process.start { "printf", [[a\r\nb\n\nc\rd\nlast]] }
    assert.same({ "a", "b", "", "c\rd", "last" }, lines_of(made))
    assert.is_nil(made:line())
    assert.same({ code = 0 }, made:wait())
    local none <close> = process.start { "true" }
    assert.same({}, lines_of(none))
    local one <close> = process.start { "printf", [[\n]] }
    assert.same({ "" }, lines_of(one))
  end)

  it("gives huge lines in pieces, none of which is empty", function()
    local made <close> = process.start(shell [[
      head -c 3000000 /dev/zero | tr '\0' x; echo; echo short]])
    local sizes = {}
    for line in made:lines() do sizes[#sizes + 1] = #line end
    assert.same({ 1 << 20, 1 << 20, 3000000 - (2 << 20), 5 }, sizes)
    -- As much as a line may have, and then a wait: the next byte decides what it is.
    for rest, expected in pairs { ["printf x"] = { 1 << 20, 1 }, ["printf '\\n'"] = { 1 << 20 },
      ["printf '\\r\\nx'"] = { 1 << 20, 1 }, [":"] = { 1 << 20 } } do
      local late <close> = process.start(shell("head -c 1048576 /dev/zero; sleep 0.1; " .. rest))
      sizes = {}
      for line in late:lines() do sizes[#sizes + 1] = #line end
      assert.same(expected, sizes, rest)
    end
    local exact <close> = process.start { "printf", [[abc\nabc\r\nabcd\nabcdef\r\nx]] }
    assert.same({ "abc", "abc", "abc", "d", "abc", "def", "x" }, lines_of(exact, 3))
  end)

  it("finds lines wherever they are cut", function()
    local text = "one\r\n\ntwo\nthree\r\nfour"
    local made <close> = process.start { "cat" }
    mcp.run(function()
      mcp.spawn(function()
        for i = 1, #text do
          made:write(text:sub(i, i))
          mcp.sleep(0)
        end
        made:close_stdin()
      end)
      assert.same({ "one", "", "two", "three", "four" }, lines_of(made))
    end)
  end)

  it("reads what there is, a number of bytes, and standard error apart", function()
    local made <close> = process.start(shell "printf 12345; printf abc >&2; sleep 0.05; printf 678")
    assert.equal("1234", made:read(4))
    assert.equal("5678", made:read(100))
    assert.is_nil(made:read(1))
    assert.equal("ab", made:read_error(2))
    assert.equal("c", made:read_error())
    assert.equal(1, select("#", made:read_error()))
    for _, wrong in ipairs { 0, -1, 1 << 40 } do
      assert.has_error(function() made:read(wrong) end)
    end
  end)

  it("writes bit by bit, and waits while it is not read", function()
    local made <close> = process.start(shell "read line; echo got $line; cat | wc -c | tr -d ' '")
    assert.is_true(made:write "first\n")
    assert.equal("got first", made:line())
    local text = ("x"):rep(1 << 20)
    for _ = 1, 5 do assert.is_true(made:write(text)) end
    made:close_stdin()
    assert.equal(tostring(5 << 20), made:line())
    local _, reason, code = made:write "more"
    assert.equal("EPIPE", code)
    assert.matches("input", reason)
  end)

  it("lets a writer wait for a reader that does not come", function()
    local most, wrote = 0, nil
    mcp.run(function()
      local made <close> = process.start { "sleep", "60" }
      mcp.spawn(function() wrote = table.pack(made:write(("x"):rep(8 << 20))) end)
      for _ = 1, 20 do
        mcp.sleep(0.005)
        most = math.max(most, core.bytes_held() - held)
      end
      assert.is_nil(wrote)
    end)
    settle()
    assert.same({ nil, "the process is closed", "ECLOSED", n = 3 }, wrote)
    assert.is_true(most < 256 << 10, most .. " bytes were held")
  end)

  it("says that a process does not read any more", function()
    local made <close> = process.start { "true" }
    made:wait()
    local ok, _, code
    repeat ok, _, code = made:write(("x"):rep(1 << 17)) until not ok
    assert.equal("EPIPE", code)
    assert.same({ code = 0 }, made:wait())
  end)

  it("makes what nobody reads wait, and then gives all of it", function()
    local made <close> = process.start(shell "head -c 5000000 /dev/zero; echo done >&2")
    for _ = 1, 20 do
      mcp.sleep(0.01)
      assert.is_true(core.bytes_held() - held < 600 << 10, core.bytes_held() - held)
    end
    local _, _, code = made:wait(0.01)
    assert.equal("ETIMEDOUT", code)
    local size = 0
    for piece in function() return made:read() end do size = size + #piece end
    assert.equal(5000000, size)
    assert.equal("done\n", made:read_error())
    assert.same({ code = 0 }, made:wait())
  end)

  it("keeps the output of one that has ended for a late reader", function()
    local made <close> = process.start(shell "seq 1000; seq 1000 >&2")
    assert.same({ code = 0 }, made:wait())
    mcp.sleep(0.3)
    assert.equal(3893, #made:read(10000))
    assert.equal(3893, #made:read_error(10000))
    -- More than we hold: the rest lies in the pipe.
    local large <close> = process.start(shell "head -c 320000 /dev/zero >&2")
    assert.same({ code = 0 }, large:wait())
    mcp.sleep(0.3)
    assert.equal(320000, #large:read_error(1 << 20))
  end)

  it("waits for the end, for a time or as long as it takes", function()
    local made <close> = process.start(shell "sleep 0.2; exit 7")
    local result, text, code = made:wait(0.01)
    assert.is_nil(result)
    assert.equal("timed out", text)
    assert.equal("ETIMEDOUT", code)
    assert.same({ code = 7 }, made:wait(5))
    assert.same({ code = 7 }, made:wait())
  end)

  it("sends signals by name and number to the whole group", function()
    for name, expected in pairs { [false] = "SIGTERM", INT = "SIGINT", SIGUSR1 = "SIGUSR1",
      [9] = "SIGKILL" } do
      local made <close> = process.start(shell "sleep 60 & echo $!; wait")
      local grandchild = tonumber(made:line())
      assert.is_true(made:kill(name or nil))
      assert.same({ signal = expected }, made:wait())
      if expected ~= "SIGINT" then wait_gone(grandchild) end
    end
    local stopped <close> = process.start { "sleep", "60" }
    stopped:kill "STOP"
    poll(function() return stat(stopped.pid) == "T" end, "the stop")
    stopped:kill "CONT"
    stopped:kill "HUP"
    assert.same({ signal = "SIGHUP" }, stopped:wait())
    poll(function() return select(3, stopped:kill()) == "ESRCH" end, "its guard")
    assert.has_error(function() stopped:kill "SIGNOTHING" end)
    assert.has_error(function() stopped:kill(0) end)
  end)

  it("ends at <close>, when it is collected, and not with the end of another", function()
    local pid
    do
      local made <close> = process.start { "sleep", "60" }
      pid = made.pid
    end
    wait_gone(pid)
    pid = process.start { "sleep", "60" }.pid
    poll(function()
      collectgarbage()
      return gone(pid)
    end, "the collection")
    -- Started outside any task: a task that uses it does not end it.
    local made <close> = process.start { "cat" }
    mcp.run(function() made:write "one\n" end)
    assert.equal("one", made:line())
    assert.is_string(stat(made.pid))
  end)

  it("ends with the task that has started it", function()
    local made
    mcp.run(function()
      made = process.start { "sleep", "60" }
      assert.is_string(stat(made.pid))
    end)
    assert.same({ nil, "the process is closed", "ECLOSED" }, { made:read() })
    assert.same({ nil, "the process is closed", "ECLOSED" }, { made:wait() })
    wait_gone(made.pid)
    -- A coroutine of the user's belongs to its task.
    mcp.run(function()
      made = coroutine.wrap(function() return process.start { "sleep", "60" } end)()
    end)
    wait_gone(made.pid)
  end)

  it("ends a loop over lines quietly when it is closed or cancelled meanwhile", function()
    local count = 0
    mcp.run(function()
      local made = process.start(shell "echo 1; sleep 60")
      mcp.spawn(function()
        mcp.sleep(0.05)
        made:close()
      end)
      for _ in made:lines() do count = count + 1 end
      count = count + 10
    end)
    assert.equal(11, count)
    local outside <close> = process.start(shell "echo 1; sleep 60")
    cancelled(function()
      for _ in outside:lines() do count = count + 1 end
      count = count + 10
    end, function() mcp.sleep(0.05) end)
    assert.equal(22, count)
    -- A cancelled reader does not end a process that is not its own.
    assert.is_string(stat(outside.pid))
  end)

  it("lets one task read at a time, and another write", function()
    local made <close> = process.start { "cat" }
    mcp.run(function()
      mcp.spawn(function()
        assert.equal("x", made:read(1))
      end)
      local ok, text = pcall(made.read, made)
      assert.is_false(ok)
      assert.matches("another task reads its output already", text, 1, true)
      made:write "x"
      mcp.sleep(0.05)
    end)
  end)

  it("survives the death of its guard", function()
    local made <close> = process.start { "sleep", "60" }
    local _, guard = stat(made.pid)
    os.execute("kill -KILL " .. guard)
    local result, text, code = made:wait()
    assert.is_nil(result)
    assert.equal("EGONE", code)
    assert.matches("guard", text)
    wait_gone(made.pid)
    assert.is_nil(made:read())
  end)

  it("suggests the member that was meant", function()
    local made <close> = process.start { "true" }
    for wrong, meant in pairs { lnes = "lines", close_stdn = "close_stdin", pdi = "pid" } do
      local line = debug.getinfo(1, "l").currentline + 1
      local ok, text = pcall(function() return made[wrong] end)
      assert.is_false(ok)
      assert.matches(("process_spec.lua:%d: a process has no member %q, did you mean %q?"):format(
        line, wrong, meant), text, 1, true)
    end
    assert.is_nil(made.something_else)
    assert.is_nil(made[1])
  end)

  it("takes its whole input with stdin, and tells its number", function()
    local made <close> = process.start { "cat", stdin = ("x"):rep(1 << 20) }
    local size = 0
    for piece in function() return made:read() end do size = size + #piece end
    assert.equal(1 << 20, size)
    assert.equal(("mcp.process (%d)"):format(made.pid), tostring(made))
    local empty <close> = process.start { "cat", stdin = "" }
    assert.is_nil(empty:read())
  end)

  it("ends with this program, whatever becomes of that", function()
    for _, last in ipairs { "os.exit(0, true)", "os.exit(0)", "while true do end" } do
      local server = support.start("", { script = [[
        local mcp = require "mcp"
        local made = mcp.process.start { "sh", "-c", "sleep 60 & echo $!; wait" }
        io.stderr:write(("pids %d %s\n"):format(made.pid, made:line()))
        ]] .. last })
      local one, two = server:wait_said "pids (%d+) (%d+)\n"
      if last:find "while" then os.execute("kill -KILL " .. server.process:pid()) end
      wait_gone(tonumber(one), 4)
      wait_gone(tonumber(two), 4)
      support.stop_all()
    end
  end)
end)
