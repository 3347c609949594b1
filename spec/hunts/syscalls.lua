-- SPDX-License-Identifier: MIT
-- syscalls: every read, write, accept, epoll_ctl, open, fork and getentropy of a conversation fails
-- once with each error it may legally give, or does a single byte. Afterwards the process must be
-- alive, have lost no descriptor and no task, and answer.
local hunt = require "spec.hunts.hunt"
local support = hunt.support

-- errno by its number on Linux. 0: no error, but one byte only.
local ERRNO = { SHORT = 0, EINTR = 4, EIO = 5, EAGAIN = 11, ENOMEM = 12, ENFILE = 23, EMFILE = 24,
  ENOSPC = 28, EPIPE = 32, ENOSYS = 38, ECONNABORTED = 103, ECONNRESET = 104 }

local PLAN = {
  { "read", { "SHORT", "EINTR", "EAGAIN", "ECONNRESET" } },
  { "write", { "SHORT", "EINTR", "EAGAIN", "EPIPE", "ECONNRESET", "ENOSPC" } },
  { "accept", { "EINTR", "EAGAIN", "EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED" } },
  { "open", { "EMFILE", "ENFILE", "ENOMEM", "EINTR" } },
  { "fork", { "EAGAIN", "ENOMEM" } },
  { "getrandom", { "EIO", "ENOSYS" } },
  { "epoll_ctl", { "ENOMEM", "ENOSPC" } },
}

-- libuv ends the process when the kernel refuses to watch a descriptor (uv__io_poll calls abort).
-- Nothing above it can prevent that: it is counted, and named in the row.
local ABORTS = { epoll_ctl = true }

-- Each in a time that ends; what fails for the client is its own business here.
local function act(fn, ...) return pcall(fn, ...) end

local function converse(server)
  act(function()
    local client <close> = support.client(server)
    client:call(1, "echo", { text = "one" })
    client:ask(support.call(2, "steps", { count = 5 }))
    client:call(3, "read_file")
    client:call(4, "child")
  end)
  act(function()
    local client <close> = support.client(server)
    local answer = client:ask(support.request("POST", {}, support.initialize_body()))
    client:ask(support.legacy(answer.fields["mcp-session-id"],
      support.legacy_body(2, "tools/list")))
  end)
  act(function()
    local socket <close> = assert(hunt.system.connect("127.0.0.1", server.port))
    socket:send(hunt.UPGRADE)
    assert(hunt.until_text(socket, "\r\n\r\n", 1))
    socket:send(hunt.frame(support.call_body(2, "echo", { text = "two" })))
    hunt.until_text(socket, "two", 1)
  end)
end

local function start(folder, call, nth, error)
  local path = folder .. "/log"
  os.remove(folder .. "/start")
  os.remove(folder .. "/count")
  local process = hunt.system.spawn { support.program(), "run", "spec/hunts/server.lua",
    stdout = "/dev/null", stderr = path, env = { "SPEC_OPTIONS={ http = { port = 0 } }",
      "LD_PRELOAD=" .. os.getenv "MCP_BUILD" .. "/spec/shim.so", "SHIM_CALL=" .. call,
      "SHIM_NTH=" .. nth, "SHIM_ERROR=" .. error, "SHIM_COUNT=" .. folder .. "/count",
      "SHIM_START=" .. folder .. "/start", "MCP_LOG=info" } }
  local port
  hunt.wait(5, function()
    local file = io.open(path)
    port = file and file:read("a"):match "answers at http://[^%s]-:(%d+)/"
    if file then file:close() end
    return port or process:wait(0)
  end)
  if not port then
    process:close()
    return nil
  end
  assert(io.open(folder .. "/start", "w")):close()
  return { process = process, port = math.tointeger(tonumber(port)), pid = process:pid() }
end

local function read_count(folder)
  local file = io.open(folder .. "/count")
  local count = file and math.tointeger(tonumber((file:read "a"))) or 0
  if file then file:close() end
  return count
end

-- Descriptors, calls and tasks of a server that has gone through the conversation with nothing
-- failing.
local function usual(folder, call)
  local server = assert(start(folder, call, 0, 0), "the server does not start")
  converse(server)
  assert(hunt.answers(server))
  hunt.wait(0.05, function() end)
  local fds, count = hunt.fds(server.pid), read_count(folder)
  local tasks = hunt.facts(server).tasks
  server.process:close()
  return fds, count, tasks
end

local function point(h, folder, call, nth, name, fds, tasks)
  local what = ("%s %d, %s"):format(call, nth, name)
  local server = start(folder, call, nth, ERRNO[name])
  if not h:check(server, "%s: it did not start", what) then return "struck" end
  converse(server)
  local struck = read_count(folder) >= nth
  local ok, why = hunt.answers(server)
  if not ok then
    -- While clients come at once again, libuv's way out of EMFILE goes on closing what it accepts.
    hunt.wait(0.05, function() end)
    ok, why = hunt.answers(server)
  end
  -- One that is ending takes a moment.
  local kind, number = server.process:wait(ok and 0 or 1)
  if kind then
    server.process:close()
    if ABORTS[call] and number == 6 then return "abort" end
    h:check(false, "%s: the process ended (%s %d)", what, kind, number)
    return "struck"
  end
  h:check(ok, "%s: a fresh call is not answered: %s", what, why)
  local back = hunt.wait(3, function() return hunt.fds(server.pid) <= fds end)
  h:check(back, "%s: %d descriptors more than usual", what, hunt.fds(server.pid) - fds)
  if ok then
    -- The one that asks may have been struck; and a child that closes takes a moment.
    local told, facts
    local gone = hunt.wait(3, function()
      told, facts = pcall(hunt.facts, server)
      return told and facts.tasks <= tasks
    end)
    h:check(gone, "%s: %s tasks, usually there are %d", what, told and facts.tasks or facts, tasks)
  end
  server.process:close()
  return struck and "struck" or "missed"
end

hunt.run("syscalls", function(h)
  support.LIMIT = 2
  local folder = os.tmpname()
  os.remove(folder)
  os.execute("mkdir " .. folder)
  local stride = hunt.shallow and 12 or math.max(1, hunt.depth(1, 1))
  for _, plan in ipairs(PLAN) do
    local call, errors = plan[1], plan[2]
    local fds, count, tasks = usual(folder, call)
    local struck, aborts = 0, 0
    -- Of few calls none is left out.
    local step = count <= 4 and 1 or stride
    for _, name in ipairs(errors) do
      for nth = math.random(1, math.min(step, math.max(1, count))), count, step do
        local result = point(h, folder, call, nth, name, fds, tasks)
        if result ~= "missed" then struck = struck + 1 end
        if result == "abort" then aborts = aborts + 1 end
      end
    end
    h:check(struck > 0, "%s: never struck", call)
    h:figure("%s: %d calls, %d struck%s", call, count, struck,
      aborts > 0 and (", libuv aborted %d times"):format(aborts) or "")
  end
  os.execute("rm -r " .. folder)
end)
