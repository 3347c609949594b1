-- SPDX-License-Identifier: MIT
-- process_spec.lua: src/net/process.c, src/net/guard.c and src/lua/lchild.c: children, and that
-- nothing is left of them, however they and we end.
local core = require "mcp.core"
local process_facts = require "spec.process_facts"
local scratch = require "spec.scratch"
local support = require "spec.support"
local system = support.system

local HELLO = [[printf '{"jsonrpc":"2.0","method":"hello"}\n'; ]]

local state, parent_of = process_facts.state, process_facts.parent

-- Turns the loop until test() is true; returns how long that took.
local function turn(test, what, limit)
  local began = system.now()
  while not test() do
    assert(system.now() - began < (limit or support.LIMIT), "not within the limit: " .. what)
    core.step(0.05)
  end
  return system.now() - began
end

-- A child that is a shell script. What it says on standard error lies in `said`, its connection in
-- `link`.
local function shell(script, more)
  local child = { said = {} }
  local options = { command = "sh", args = { "-c", script },
    stderr = function(line) child.said[#child.said + 1] = line end }
  for name, value in pairs(more or {}) do options[name] = value end
  child.host = assert(core.connect_child(options, function(_, link)
    child.link = link
    link.closed = function(text, code)
      child.why, child.code, child.closed_at = text, code, system.now()
    end
  end))
  child.pid = child.host:pid()
  child.guard = parent_of(child.pid)
  return child
end

-- Waits for a line of standard error that matches; returns its captures.
local function heard(child, pattern)
  local found
  turn(function()
    for _, line in ipairs(child.said) do
      found = table.pack(line:match(pattern))
      if found[1] then return true end
    end
    return false
  end, pattern .. " in: " .. table.concat(child.said, "|"))
  return table.unpack(found, 1, found.n)
end

local function heard_pid(child, name) return math.tointeger(heard(child, name .. " (%d+)")) end

local function wait_gone(child, limit)
  return turn(function() return child.host:is_gone() end, "the end of the child", limit)
end

-- No trace of them, not even a zombie.
local function assert_none(...)
  for _, pid in ipairs { ... } do assert.is_nil(state(pid), ("%d is left"):format(pid)) end
end

local descriptors, held

local function settle()
  collectgarbage()
  collectgarbage()
  for _ = 1, 3 do core.step(0) end
end

describe("a child", function()
  setup(function()
    -- What a first use allocates for good is there.
    local child = shell(HELLO)
    wait_gone(child)
  end)
  before_each(function()
    settle()
    descriptors, held = system.fd_count "self", core.bytes_held()
  end)
  after_each(function()
    settle()
    assert.equal(0, core.task_count())
    assert.equal(descriptors, system.fd_count "self")
    assert.is_true(core.bytes_held() <= held + 4096)
  end)

  it("gets and sends messages over its standard input and output", function()
    local child = shell(HELLO .. "cat >&2")
    turn(function() return child.link end, "its first message")
    assert.is_true(child.link.sender:send("greet", { text = "hej" }))
    assert.equal("hej", (heard(child, '"text":"(%w+)"')))
    assert.is_true(child.host:is_open())
    assert.is_nil(child.host:exit())
    child.host:close()
    wait_gone(child)
    assert.equal(0, child.host:exit())
    assert_none(child.pid, child.guard)
  end)

  it("is started without a shell, its arguments as they are (IO-26)", function()
    local child = shell('echo "$# $1 $2 $3" >&2', { args = { "-c", 'echo "$#:$1:$2:$3" >&2', "sh",
      "a b", "$HOME;`id`", "" } })
    assert.equal("3:a b:$HOME;`id`:", (heard(child, "(.*)")))
    wait_gone(child)
  end)

  it("gets no more of the environment than the list, and what is given (IO-26, SEC-90)", function()
    local server = support.start("{}", { script = [[
      local core = require "mcp.core"
      local host = core.connect_child({ command = "sh", args = { "-c", "env >&2; echo END >&2" },
        env = { GIVEN = "yes", TERM = false }, stderr = "inherit" }, print)
      while not host:is_gone() do core.step(1) end
    ]], env = { "SECRET=token", "LC_TIME=sv_SE", "LANG=() { :;}; echo no", "USER=me", "TERM=x",
      "LD_NOTHING=1" } })
    server:wait_said "END\n"
    local said = "\n" .. server:told()
    assert.is_truthy(said:find("\nGIVEN=yes\n", 1, true))
    assert.is_truthy(said:find("\nLC_TIME=sv_SE\n", 1, true))
    assert.is_truthy(said:find("\nUSER=me\n", 1, true))
    assert.is_truthy(said:find("\nPATH=", 1, true))
    for _, name in ipairs { "SECRET", "LANG", "TERM", "LD_NOTHING", "SPEC_OPTIONS" } do
      assert.is_nil(said:find("\n" .. name .. "=", 1, true), name)
    end
    support.stop_all()
  end)

  it("is looked up in the PATH that it gets, and starts in the given folder", function()
    local folder <close> = scratch()
    os.execute("chmod +x " .. folder:write("mcp-spec-tool",
      "#!/bin/sh\necho \"here $(pwd)\" >&2\n"))
    local child = shell("", { command = "mcp-spec-tool", args = {}, cwd = "/usr",
      env = { PATH = folder.path .. ":/usr/bin:/bin" } })
    assert.equal("/usr", (heard(child, "here (.*)")))
    wait_gone(child)
  end)

  it("that cannot start is reported at once, with the reason", function()
    local function start(options)
      return core.connect_child(options, print)
    end
    assert.same({ nil, "no such file or directory", "ENOENT" },
      { start { command = "there-is-no-such-program" } })
    assert.same({ nil, "permission denied", "EACCES" }, { start { command = "/etc/passwd" } })
    assert.same({ nil, 'cwd "/nowhere": no such file or directory', "ENOENT" },
      { start { command = "true", cwd = "/nowhere" } })
    assert.equal("E2BIG", select(3, start { command = "true", args = { ("x"):rep(1 << 20) } }))
    for _ = 1, 5 do core.step(0) end
  end)

  it("refuses what is no option", function()
    local function refused(options, pattern)
      local ok, text = pcall(core.connect_child, options, print)
      assert.is_false(ok)
      assert.is_truthy(text:find(pattern, 1, true), text)
    end
    refused({}, "command: expected a string, got nil")
    refused({ command = "" }, "command: expected the name of a program")
    refused({ command = "a\0b" }, "command: contains a zero byte")
    refused({ command = "x", args = "y" }, "args: expected a list")
    refused({ command = "x", args = { 1 } }, "args: expected a string, got number")
    refused({ command = "x", env = { ["a=b"] = "c" } }, "env: expected a name without =")
    refused({ command = "x", env = { a = 1 } }, "a: expected a string, got number")
    refused({ command = "x", stderr = 5 }, "stderr:")
    refused({ command = "x", stderr = "nul" }, "nul")
    refused({ command = "x", cwd = 1 }, "cwd: expected a string")
    assert.is_false((pcall(core.connect_child, { command = "true" })))
  end)

  it("has no descriptors but its own (SEC-90)", function()
    -- Lua's own files are inherited by default.
    local file <close> = assert(io.open("/etc/passwd"))
    local other = shell(HELLO .. "cat >/dev/null")
    local child = shell "ls -l /proc/self/fd >&2; echo END >&2"
    heard(child, "END")
    local count = 0
    for _, line in ipairs(child.said) do
      if line:find(" -> ", 1, true) then
        count = count + 1
        assert.is_nil(line:find("passwd", 1, true), line)
        assert.is_nil(line:find("socket:", 1, true), line)
      end
    end
    -- ls has opened the folder it lists.
    assert.equal(4, count)
    file:close()
    wait_gone(child)
    -- Nor does one child, or its guard, hold the other's pipes open.
    other.host:close()
    assert.is_true(wait_gone(other) < 1.9)
  end)

  it("starts with no signal blocked or ignored but those we were started with", function()
    local child = shell "grep -E 'Sig(Blk|Ign)' /proc/self/status >&2; echo END >&2"
    heard(child, "END")
    assert.equal("0000000000000000", (heard(child, "SigBlk:%s*(%x+)")))
    -- All but two that the C library keeps for itself.
    local ignored = tonumber(heard(child, "SigIgn:%s*(%x+)"), 16)
    assert.equal(0, ignored & ~(3 << 31))
    wait_gone(child)
  end)
end)

describe("the standard error of a child", function()
  it("comes as lines, the last one without its end too (IO-05, IO-06)", function()
    local child = shell "printf 'one\\n\\ntwo\\r\\nthree' >&2"
    wait_gone(child)
    turn(function() return #child.said == 4 end, "four lines")
    assert.same({ "one", "", "two", "three" }, child.said)
  end)

  it("is nothing that went wrong (IO-06)", function()
    local child = shell(HELLO .. "echo 'error: all is well' >&2; cat >/dev/null")
    heard(child, "all is well")
    assert.is_true(child.host:is_open())
    child.host:close()
    wait_gone(child)
    assert.equal(0, child.host:exit())
  end)

  it("is read in pieces where a line has no end, and drained when it is not read (SEC-91)",
    function()
      local lines, bytes, most, waiting = 0, 0, 0, true
      local dropped = 0
      local child = shell("dd if=/dev/zero bs=65536 count=64 2>/dev/null | tr '\\0' x >&2;"
        .. "echo >&2; echo END >&2", {
        stderr = function(line)
          while waiting do core.sleep(0.01) end
          lines, bytes, most = lines + 1, bytes + #line, math.max(most, #line)
          dropped = dropped + (tonumber(line:match "^%((%d+) bytes were dropped here%)$") or 0)
        end })
      -- It could write all of it although no line was read.
      turn(function() return child.host:exit() end, "its end")
      waiting = false
      wait_gone(child)
      turn(function() return core.task_count() == 0 end, "the lines")
      assert.equal(8192, most)
      assert.is_true(bytes < 80000)
      assert.is_true(dropped > 4000000, "dropped " .. dropped)
    end)

  it("goes to the null device, or to ours", function()
    local server = support.start("{}", { script = [[
      local core = require "mcp.core"
      for _, where in ipairs { "null", "inherit" } do
        local host = assert(core.connect_child({ command = "sh", stderr = where,
          args = { "-c", "echo to " .. where .. " >&2" } }, print))
        while not host:is_gone() do core.step(1) end
      end
      io.stderr:write "END\n"
    ]] })
    server:wait_said "END\n"
    assert.is_nil(server:told():find("to null", 1, true))
    assert.is_truthy(server:told():find("to inherit", 1, true))
    support.stop_all()
  end)

  it("goes on after an error in the reader", function()
    local server = support.start("{}", { script = [[
      local core = require "mcp.core"
      local host = assert(core.connect_child({ command = "sh",
        args = { "-c", "echo 1 >&2; echo 2 >&2; echo 3 >&2" },
        stderr = function(line)
          io.stderr:write("line ", line, "\n")
          if line == "2" then error "as told" end
        end }, print))
      while not host:is_gone() do core.step(1) end
      io.stderr:write "END\n"
    ]] })
    server:wait_said "line 1\nline 2\n.*line 3\n.*END\n"
    support.stop_all()
  end)
end)

describe("closing a child (IO-20)", function()
  it("ends its input, and lets it say its last words", function()
    local child = shell(HELLO .. "while read -r line; do :; done; echo 'last words' >&2; exit 7")
    turn(function() return child.link end, "its first message")
    child.host:close()
    assert.is_true(wait_gone(child) < 1.9)
    heard(child, "last words")
    assert.same({ 7 }, { child.host:exit() })
    assert_none(child.pid, child.guard)
  end)

  it("reads on while it waits, so that a child that still writes can end (IO-21)", function()
    local child = shell(HELLO .. "cat >/dev/null; head -c 1000000 /dev/zero; echo done >&2")
    turn(function() return child.link end, "its first message")
    child.host:close()
    assert.is_true(wait_gone(child) < 1.9)
    assert.equal("done", child.said[#child.said])
    assert.equal(0, child.host:exit())
  end)

  it("sends TERM when the grace is over, and KILL after another", function()
    local child = shell(HELLO .. "trap 'echo got TERM >&2; exit 5' TERM;"
      .. "while :; do sleep 0.01; done")
    turn(function() return child.link end, "its first message")
    child.host:close(0.2)
    local took = wait_gone(child)
    assert.is_true(took > 0.18 and took < 1.9, took)
    heard(child, "got TERM")
    assert.equal(5, child.host:exit())

    child = shell(HELLO .. "trap '' TERM; while :; do sleep 0.01; done")
    turn(function() return child.link end, "its first message")
    child.host:close(0.2)
    took = wait_gone(child)
    assert.is_true(took > 0.38 and took < 1.9, took)
    assert.same({ nil, 9 }, { child.host:exit() })
    assert_none(child.pid, child.guard)
  end)

  it("kills at once with a grace of 0, also when it is closing already", function()
    for _, first in ipairs { false, 60 } do
      local child = shell(HELLO .. "trap '' TERM; while :; do sleep 0.01; done")
      turn(function() return child.link end, "its first message")
      if first then
        child.host:close(first)
        turn(function() return child.code end, "the end of the connection")
      end
      child.host:close(0)
      assert.is_true(wait_gone(child) < 1.9)
      assert.same({ nil, 9 }, { child.host:exit() })
    end
  end)

  it("leaves no grandchild, one that ignores TERM and one that holds the pipes (IO-21)", function()
    local child = shell(HELLO .. "(trap '' TERM; while :; do sleep 0.01; done) & echo grand $! >&2;"
      .. "sleep 60 & echo other $! >&2; cat >/dev/null")
    local grand, other = heard_pid(child, "grand"), heard_pid(child, "other")
    child.host:close()
    assert.is_true(wait_gone(child) < 2)
    assert.equal(0, child.host:exit())
    assert_none(child.pid, grand, other, child.guard)
  end)

  it("wakes a child that is stopped, so that TERM is enough", function()
    local child = shell(HELLO .. "trap 'echo got TERM >&2; exit 5' TERM; kill -STOP $$;"
      .. "while :; do sleep 0.01; done")
    turn(function() return state(child.pid) == "T" end, "its stop")
    child.host:close(1)
    -- KILL would come a second after that.
    assert.is_true(wait_gone(child) < 1.9)
    heard(child, "got TERM")
    assert.same({ 5 }, { child.host:exit() })
    assert_none(child.pid, child.guard)
  end)

  it("wakes a stopped child that knows nothing of TERM either", function()
    local child = shell(HELLO .. "kill -STOP $$; sleep 60")
    turn(function() return state(child.pid) == "T" end, "its stop")
    child.host:close(1)
    assert.is_true(wait_gone(child) < 1.9)
    assert.same({ nil, 15 }, { child.host:exit() })
    assert_none(child.pid, child.guard)
  end)

  it("does not wait for one that does not read what it was sent", function()
    local child = shell(HELLO .. "exec sleep 60")
    turn(function() return child.link end, "its first message")
    for _ = 1, 10 do child.link.sender:send("fill", { text = ("x"):rep(65536) }) end
    child.host:close(0.2)
    assert.is_true(wait_gone(child) < 1.9)
    assert.equal(15, select(2, child.host:exit()))
  end)

  it("is what the collector does, and what the end of a scope does", function()
    local function start() return core.connect_child({ command = "cat" }, print) end
    local pid = start():pid()
    settle()
    turn(function() return not state(pid) end, "the end of a process without a holder")
    do
      local host <close> = start()
      pid = host:pid()
    end
    turn(function() return not state(pid) end, "the end of what was closed")
  end)
end)

describe("a child that ends by itself", function()
  it("is known with how and why", function()
    local child = shell(HELLO .. "sleep 0.05; exit 3")
    wait_gone(child)
    assert.same({ 3 }, { child.host:exit() })
    assert.equal("the process ended with status 3", child.why)
    assert.equal("EGONE", child.code)
    assert.is_false(child.host:is_open())
    assert_none(child.pid, child.guard)
    child = shell(HELLO .. "sleep 0.05; kill -SEGV $$")
    wait_gone(child)
    assert.same({ nil, 11 }, { child.host:exit() })
    assert.equal("the process was ended by signal 11", child.why)
    child = shell(HELLO .. "sleep 0.05")
    wait_gone(child)
    assert.equal("the process ended with status 0", child.why)
  end)

  it("in the middle of a message: closed, with the reason", function()
    local child = shell(HELLO .. [[sleep 0.05; printf '{"jsonrpc":"2.0","id":1,"resu'; exit 1]])
    turn(function() return child.code end, "the end of the connection", 1.9)
    assert.equal("the process ended with status 1", child.why)
    wait_gone(child)
  end)

  it("has all of its output read first", function()
    local count = 0
    local host = assert(core.connect_child({ command = "sh", args = { "-c",
      [[i=0; while [ $i -lt 2000 ]; do i=$((i+1));
        echo '{"jsonrpc":"2.0","method":"tick","params":{"i":'$i'}}'; done; exit 9]] } },
      function() count = count + 1 end))
    turn(function() return host:is_gone() end, "its end")
    assert.equal(2000, count)
    assert.equal(9, host:exit())
  end)

  it("and leaves a grandchild with the pipes: closed, and the grandchild goes too", function()
    local child = shell(HELLO .. "(trap '' TERM HUP; while :; do sleep 0.01; done) &"
      .. "echo grand $! >&2; exit 4")
    local grand = heard_pid(child, "grand")
    turn(function() return child.code end, "the end of the connection", 1.9)
    assert.equal("the process ended with status 4", child.why)
    assert.is_true(wait_gone(child) < 2)
    assert_none(child.pid, grand, child.guard)
  end)

  it("and leaves the pipes to a process that goes on writing: read for two seconds more", function()
    -- It has left the group, so only the end of its pipe ends it.
    local child = shell(HELLO .. "setsid sh -c 'echo other $$ >&2; while echo more >&2;"
      .. " do sleep 0.02; done' & sleep 0.1; exit 4")
    local other = heard_pid(child, "other")
    turn(function() return child.host:exit() end, "its end")
    local ended = system.now()
    turn(function() return child.code end, "the end of the connection")
    local took = system.now() - ended
    assert.equal("the process ended with status 4", child.why)
    assert.is_true(took > 1.8 and took < 8, took)
    wait_gone(child)
    turn(function() return not state(other) or state(other) == "Z" end, "the end of the other")
  end)

  it("or closes its output and lives on: closed, and ended", function()
    local child = shell(HELLO .. "sleep 0.05; exec >&-; cat >/dev/null")
    turn(function() return child.code end, "the end of the connection", 1.9)
    assert.equal("the process closed its output", child.why)
    assert.is_true(wait_gone(child) < 1.9)
    assert.equal(0, child.host:exit())
  end)

  it("or does not read any more: its status is named where it has ended, else the write", function()
    local child = shell(HELLO .. "exec <&-; echo shut >&2; exec sleep 20")
    heard(child, "shut")
    turn(function() return child.link end, "its hello")
    assert(child.host:sender():send("note", {}))
    turn(function() return child.code end, "the end of the connection", 1.9)
    assert.same({ "broken pipe", "EPIPE" }, { child.why, child.code })
    child.host:close(0)
    wait_gone(child)
    child = shell(HELLO .. "exec <&-; echo shut >&2; sleep 0.5; exit 3")
    heard(child, "shut")
    turn(function() return child.link end, "its hello")
    -- The loop does not turn here, so the write fails before the news of the end is read.
    while state(child.pid) do os.execute "sleep 0.02" end
    assert.is_nil(child.code)
    assert(child.host:sender():send("note", {}))
    turn(function() return child.code end, "the end of the connection", 1.9)
    assert.same({ "the process ended with status 3", "EGONE" }, { child.why, child.code })
    wait_gone(child)
  end)

  it("is no zombie in any order: child, guard, both (SEC-91)", function()
    local child = shell(HELLO .. "trap '' TERM; while :; do sleep 0.01; done")
    assert(os.execute(("kill -KILL %d"):format(child.pid)))
    wait_gone(child)
    assert.same({ nil, 9 }, { child.host:exit() })
    assert_none(child.pid, child.guard)
    -- The guard is killed: its children die with it, and another process reaps them.
    child = shell(HELLO .. "trap '' TERM; (while :; do sleep 0.01; done) & echo grand $! >&2; wait")
    local grand = heard_pid(child, "grand")
    assert(os.execute(("kill -KILL %d"):format(child.guard)))
    wait_gone(child)
    assert.is_nil(state(child.guard))
    assert.equal("the process lost its guard", child.why)
    turn(function()
      for _, pid in ipairs { child.pid, grand } do
        local s = state(pid)
        if s and s ~= "Z" then return false end
      end
      return true
    end, "the end of the group")
    child = shell(HELLO .. "while :; do sleep 0.01; done")
    assert(os.execute(("kill -KILL %d %d"):format(child.guard, child.pid)))
    wait_gone(child)
    assert.is_nil(state(child.guard))
  end)
end)

-- --- we ourselves end ---------------------------------------------------------

-- A program that starts a child, and what its child says. `ending` is Lua that ends it.
local PARENT = [==[
local core = require "mcp.core"
local host = assert(core.connect_child({ command = "sh", args = { "-c", %q }, stderr = "inherit" },
  function() end))
io.stderr:write(("child %%d\n"):format(host:pid()))
%s
]==]
local LOOP = "while true do core.step(1) end"
local CATCH = "local over core.catch_signals(function() over = true end)\n"
  .. "while not over do core.step(1) end"

local CHILDREN = {
  ["that behaves"] = "echo grand $$ >&2; cat >/dev/null",
  ["that ignores the end of its input"] =
    "echo grand $$ >&2; while :; do sleep 0.01; done",
  ["that ignores TERM, INT and HUP too"] =
    "trap '' TERM INT HUP; echo grand $$ >&2; while :; do sleep 0.01; done",
  ["with a grandchild that ignores all"] =
    "(trap '' TERM INT HUP; while :; do sleep 0.01; done) & echo grand $! >&2; cat >/dev/null",
  ["with its output closed"] = "exec >&-; sleep 0.2; echo grand $$ >&2; exec sleep 60",
}

-- Waits until they are gone. A guard whose parent is gone is init's to bury, if it does that.
local function assert_all_gone(pids, limit)
  local began = system.now()
  while true do
    local left = {}
    for name, pid in pairs(pids) do
      local s = state(pid)
      if s and not (name:find "guard" and s == "Z") then left[#left + 1] = name .. " " .. s end
    end
    if #left == 0 then return end
    assert(system.now() - began < limit, "left: " .. table.concat(left, ", "))
    core.step(0.02)
  end
end

local function start_parent(script, ending)
  local parent = support.start("{}", { script = PARENT:format(script, ending), group = true })
  local pids = { child = math.tointeger(parent:wait_said "child (%d+)\n") }
  pids.guard = parent_of(pids.child)
  pids.grand = math.tointeger(parent:wait_said "grand (%d+)\n")
  return parent, pids
end

describe("two seconds after we were ended", function()
  after_each(support.stop_all)

  it("by KILL, TERM, INT, KILL to our group, or os.exit nothing is left of any child", function()
    local all, pids = {}, {}
    local function begin(ending, name, source)
      local parent, its = start_parent(CHILDREN[name], source)
      local caught = source == CATCH
      all[#all + 1] = { parent = parent, ending = ending,
        how = (caught or ending == "exit") and "exit" or "signal" }
      for who, pid in pairs(its) do
        pids[("%d: %s, %s %s"):format(#all, ending, who, name)] = pid
      end
    end
    for name in pairs(CHILDREN) do
      for _, ending in ipairs { "KILL", "TERM", "INT" } do begin(ending, name, LOOP) end
    end
    local worst = "that ignores TERM, INT and HUP too"
    begin("group", worst, LOOP)
    begin("TERM", worst, CATCH)
    begin("INT", worst, CATCH)
    begin("exit", worst, "core.step(0.05) core.sleep(0.3) os.exit(6)")
    begin("exit", worst, "core.step(0.05) core.sleep(0.3) os.exit(6, true)")
    for _, one in ipairs(all) do
      if one.ending == "group" then
        -- A supervisor, or a shell's job control: all of the group at once.
        local pid = one.parent.process:pid()
        assert(os.execute(("kill -KILL -%d"):format(pid)))
      elseif one.ending ~= "exit" then
        one.parent.process:kill(one.ending)
      end
    end
    for _, one in ipairs(all) do
      assert.equal(one.how, (one.parent:wait_end()))
    end
    assert_all_gone(pids, 2)
  end)

  it("by the end of the Lua state nothing is left, at once", function()
    local parent, pids = start_parent(CHILDREN["that ignores TERM, INT and HUP too"],
      "core.step(0.3) core.step(0.05)")
    assert.equal("exit", (parent:wait_end()))
    assert_all_gone(pids, 0.2)
  end)
end)
