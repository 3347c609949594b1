-- SPDX-License-Identifier: MIT
-- A process as a service of the system: what the service manager is sent, the file with the
-- process's number, and the user that it goes on as.
local core = require "mcp.core"
local helper = require "spec.helper"
local support = require "spec.support"
local system = support.system

describe("a service", function()
  local folder, socket
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    helper.shell("mkdir -m 755 " .. helper.quote(folder))
  end)
  after_each(function()
    support.stop_all()
    if socket then socket:close() end
    socket = nil
    helper.shell("rm -rf " .. helper.quote(folder))
  end)

  -- Datagrams until one has this line, as a list.
  local function until_line(line)
    local got = {}
    repeat
      got[#got + 1] = assert(socket:receive(support.LIMIT))
    until ("\n" .. got[#got] .. "\n"):find("\n" .. line .. "\n", 1, true)
    return got
  end

  for _, kind in ipairs { "path", "abstract" } do
    it("notifies the manager of its start, its reloads and its end: " .. kind, function()
      local address = kind == "path" and folder .. "/notify"
        or "@luamcp-spec-" .. folder:match "[^/]*$"
      socket = assert(system.listen(address, -1))
      local server = support.http("drain = 0.05", { env = { "NOTIFY_SOCKET=" .. address } })
      assert.same({ ("READY=1\nSTATUS=serving http://127.0.0.1:%d/mcp"):format(server.port) },
        until_line "READY=1")
      server.process:kill "HUP"
      local got = until_line "READY=1"
      assert.equal(2, #got)
      local at = tonumber(got[1]:match "^RELOADING=1\nMONOTONIC_USEC=(%d+)$")
      assert.is_true(math.abs(at / 1e6 - select(2, core.time())) < 60)
      server.process:kill "TERM"
      assert.same({ "STOPPING=1\nSTATUS=draining" }, until_line "STOPPING=1")
      assert.same({ "exit", 0 }, { server:wait_end() })
      assert.is_nil((socket:receive(0)))
    end)
  end

  it("is notified by the supervisor where there are workers, which go on as the user", function()
    local address, path = folder .. "/notify", folder .. "/server.pid"
    socket = assert(system.listen(address, -1))
    local user = core.find_user() == 0 and "daemon" or nil
    local server = support.http("workers = 2" .. (user and (", user = %q"):format(user) or ""),
      { words = { "--pid-file", path }, env = { "NOTIFY_SOCKET=" .. address } })
    local got = until_line "READY=1"
    assert.equal(1, #got)
    assert.matches("\nSTATUS=2 workers serve http://127.0.0.1:%d+/mcp$", got[1])
    local file <close> = assert(io.open(path))
    assert.equal(("%d\n"):format(server.process:pid()), file:read "a")
    local children = helper.shell(("cat /proc/%d/task/*/children"):format(server.process:pid()))
    local count = 0
    for pid in children:gmatch "%d+" do
      -- The guard of a process is its parent.
      for worker in helper.shell(("cat /proc/%s/task/*/children"):format(pid)):gmatch "%d+" do
        local status <close> = assert(io.open(("/proc/%s/status"):format(worker)))
        local uid = status:read "a":match "Uid:\t(%d+)"
        assert.equal(("%d"):format((core.find_user(user))), uid)
        count = count + 1
      end
    end
    assert.equal(2, count)
    server.process:kill "HUP"
    got = until_line "READY=1"
    assert.matches("^RELOADING=1\nMONOTONIC_USEC=%d+$", got[1])
    server.process:kill "TERM"
    assert.same({ "STOPPING=1\nSTATUS=ending" }, until_line "STOPPING=1")
    assert.same({ "exit", 0 }, { server:wait_end() })
    assert.is_nil((io.open(path)))
  end)

  it("feeds the watchdog at half of its time, if it is meant", function()
    local address = folder .. "/notify"
    socket = assert(system.listen(address, -1))
    support.http("", { env = { "NOTIFY_SOCKET=" .. address, "WATCHDOG_USEC=200000" } })
    until_line "READY=1"
    local began = system.now()
    for _ = 1, 4 do assert.equal("WATCHDOG=1", (assert(socket:receive(support.LIMIT)))) end
    local took = system.now() - began
    assert.is_true(took > 0.25, took)
    support.stop_all()
    while socket:receive(0) do end
    support.http("", { env = { "NOTIFY_SOCKET=" .. address, "WATCHDOG_USEC=50000",
      "WATCHDOG_PID=1" } })
    until_line "READY=1"
    assert.is_nil((socket:receive(0.2)))
  end)

  it("hides the manager's variables from children, and goes on without the manager", function()
    local server = support.start("{}", { script = [[
      local mcp = require "mcp"
      local app = mcp.server "s"
      app:tool "env" (function()
        return mcp.process.run { "sh", "-c", "echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none}" }
          .stdout
      end)
      app:run { http = { port = 0 } }]], env = { "WATCHDOG_USEC=1000000",
      "NOTIFY_SOCKET=" .. folder .. "/nothing" } })
    local port = server:wait_said "at http://[^%s]-:(%d+)/"
    server:wait_said "warning: NOTIFY_SOCKET: .-/nothing: no such file"
    local client <close> = assert(require("mcp").connect(("http://127.0.0.1:%d/mcp"):format(port)))
    assert.equal("none none\n", client:call_tool("env").content[1].text)
  end)

  it("writes its number to a file, which it removes, and respects that of another", function()
    local path = folder .. "/server.pid"
    local server = support.http(("pid_file = %q"):format(path))
    local file <close> = assert(io.open(path))
    assert.equal(("%d\n"):format(server.process:pid()), file:read "a")
    local second = support.start(("{ http = { port = 0 }, pid_file = %q }"):format(path))
    second:wait_said(("pid_file: %s: process %d is running"):format(path:gsub("%p", "%%%0"),
      server.process:pid()))
    assert.same({ "exit", 1 }, { second:wait_end() })
    server.process:kill "TERM"
    server:wait_end()
    assert.is_nil((io.open(path)))
    -- One that was left behind is of no process.
    local left <close> = assert(io.open(path, "w"))
    left:write "999999999\n"
    left:close()
    local third = support.http("", { words = { "--pid-file", path } })
    third.process:kill "KILL"
    third:wait_end()
    local again <close> = assert(io.open(path))
    assert.equal(("%d\n"):format(third.process:pid()), again:read "a")
    local lost = support.start(("{ http = { port = 0 }, pid_file = %q }"):format(
      folder .. "/no/folder"))
    lost:wait_said "pid_file: .-/no/folder: No such file"
    assert.same({ "exit", 1 }, { lost:wait_end() })
    assert.is_nil(lost.said:find("traceback", 1, true), lost.said)
  end)

  local is_root = core.find_user() == 0

  it("goes on as another user, for good, once it listens", function()
    if not is_root then return pending "root is needed" end
    local uid, gid = core.find_user "daemon"
    local path = folder .. "/socket"
    local server = support.start(("{ unix = %q, http = { port = 0 } }"):format(path),
      { words = { "--user", "daemon" } })
    server:wait_said "at http://"
    local function ids()
      local file <close> = assert(io.open(("/proc/%d/status"):format(server.process:pid())))
      local text = file:read "a"
      return text:match "Uid:\t([%d\t]+)", text:match "Gid:\t([%d\t]+)",
        text:match "Groups:\t([^\n]*)"
    end
    local user, group, groups = ids()
    assert.equal(("%d\t%d\t%d\t%d"):format(uid, uid, uid, uid), user)
    assert.equal(("%d\t%d\t%d\t%d"):format(gid, gid, gid, gid), group)
    assert.is_nil(groups:find("%f[%d]0%f[%D]"))
    local owner = helper.shell("stat -c %u " .. helper.quote(path))
    assert.equal(("%d\n"):format(uid), owner)
    server.process:kill "TERM"
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)

  it("refuses users that are not there, and to go on as root in place of another", function()
    for _, case in ipairs {
      { { "--user", "nosuchuser" }, 'user: there is no user "nosuchuser"' },
      { { "--user", "0", "--group", "nosuchgroup" }, 'group: there is no group "nosuchgroup"' },
      { { "--user", "4000000000" }, 'user: there is no user "4000000000"' },
    } do
      local server = support.start("{ http = { port = 0 } }", { words = case[1] })
      server:wait_said(case[2])
      assert.same({ "exit", 1 }, { server:wait_end() })
    end
    if is_root then
      -- The process of another user: it cannot become anyone else.
      local program = folder .. "/luamcp"
      helper.shell(("cp %s %s"):format(helper.quote(support.program()), helper.quote(program)))
      local script <close> = assert(io.open(folder .. "/s.lua", "w"))
      script:write [[require("mcp").server "s":run { http = { port = 0 }, user = "daemon" }]]
      script:close()
      local out = helper.shell(("setpriv --reuid=2 --regid=2 --clear-groups timeout 10 %s run "
        .. "%s/s.lua 2>&1 </dev/null"):format(program, folder))
      assert.matches("user: only root can give up its rights", out)
    end
  end)

  it("is only for programs that have the process for themselves", function()
    local app = require("mcp").server "s"
    assert.has_error(function() app:listen { http = 0, user = "daemon" } end,
      "app:listen: user: it is an option of app:run, which has the process for itself")
    assert.has_error(function() app:listen { http = 0, pid_file = "x" } end,
      "app:listen: pid_file: it is an option of app:run, which has the process for itself")
  end)
end)
