-- SPDX-License-Identifier: MIT
-- kill: either side of a connection is killed, asked to end, or stopped, at every step, over every
-- transport. Calls must end within their time, and nothing may stay: no process, no zombie, no
-- descriptor. Other clients of the same server must not notice.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"

-- What a call of ours may take, and how much later it may end.
local TIME, LATE = 1, 1.5
local SIGNALS = { "KILL", "TERM", "STOP" }

local function address(server, kind)
  if kind == "unix" then return "unix:" .. server.path end
  if kind == "websocket" then return (server.url:gsub("^http", "ws")) end
  if kind == "https" then return ("https://127.0.0.1:%d/mcp"):format(server.secure) end
  return server.url
end

local function open(server, kind)
  local options = { timeout = TIME, probe_timeout = TIME }
  if kind == "sse" then
    local client = mcp.session(mcp.sse_client(server.url, { timeout = TIME }), options)
    local ok, text, code = client:initialize()
    if ok then return client end
    client:close()
    return nil, text, code
  end
  if kind == "https" then options.tls = { ca = server.ca } end
  return mcp.connect(address(server, kind), options)
end

-- --- the server's side goes ----------------------------------------------------------------------

-- What the client is doing when its server goes.
local STEPS = {
  connecting = function(server, kind, strike)
    strike()
    return open(server, kind)
  end,
  idle = function(server, kind, strike)
    local client <close> = assert(open(server, kind)) -- luacheck: ignore
    strike()
    return client:call_tool("echo", { text = "x" })
  end,
  calling = function(server, kind, strike)
    local client <close> = assert(open(server, kind)) -- luacheck: ignore
    core.spawn(function()
      core.sleep(0.05)
      strike()
    end)
    return client:call_tool("sleep", { seconds = 60 })
  end,
  streaming = function(server, kind, strike)
    local client <close> = assert(open(server, kind)) -- luacheck: ignore
    local told = false
    return client:call_tool("steps", { count = 10000000 }, { on_progress = function()
      if not told then
        told = true
        strike()
      end
    end })
  end,
}
local STEP_NAMES = { "connecting", "idle", "calling", "streaming" }

local function strike_server(h, kind, step, signal)
  local path = os.tmpname()
  os.remove(path)
  local server = hunt.server(("unix = %q"):format(path), { tls = kind == "https",
    env = { "MCP_LOG=off" } })
  server.path = path
  local fds = hunt.fds "self"
  local what = ("%s, %s, server gets %s"):format(kind, step, signal)
  local struck
  local ok, result, why
  mcp.run(function()
    ok, result, why = pcall(STEPS[step], server, kind, function()
      struck = hunt.now()
      server.process:kill(signal)
    end)
  end)
  local took = hunt.now() - (struck or 0)
  h:check(ok, "%s: %s", what, result)
  -- With TERM the server may answer what it has; a call never takes longer than its time.
  local most = TIME * 2 + LATE
  -- Documented in docs/limits.md: what goes on while a server drains ("signal"), and how long the
  -- close of a WebSocket waits for its answer ("close_timeout").
  if signal == "TERM" and step == "streaming" then most = most + 10 end
  if kind == "websocket" then most = most + 5 end
  h:check(took <= most, "%s: the call ended after %.1f s (%s)", what, took, why)
  if signal ~= "STOP" then
    server.process:kill "KILL"
  end
  server.process:close()
  os.remove(path)
  collectgarbage()
  h:check(hunt.wait(1.5, function() return hunt.fds "self" <= fds end),
    "%s: %d descriptors more than before", what, hunt.fds "self" - fds)
  h:check(hunt.wait(5, function() return core.task_count() == 0 end), "%s: %d tasks are left", what,
    core.task_count())
end

-- --- the client's side goes ----------------------------------------------------------------------

local CLIENT = [==[
local mcp = require "mcp"
local target, step, ca = os.getenv "TARGET", os.getenv "STEP", os.getenv "CA"
local options = { timeout = 60, tls = ca and { ca = ca } }
mcp.run(function()
  if step == "connecting" then io.stderr:write "ready\n" end
  local client
  if target:find "^sse:" then
    client = mcp.session(mcp.sse_client((target:gsub("^sse:", "")), { timeout = 60 }), options)
    assert(client:initialize())
  elseif target:find "^command:" then
    client = assert(mcp.connect({ command = "sh", args = { "-c", (target:gsub("^command:", "")) },
      stderr = "null" }, options))
  else
    client = assert(mcp.connect(target, options))
  end
  if step ~= "connecting" then io.stderr:write "ready\n" end
  if step == "streaming" then client:call_tool("steps", { count = 10000000 },
    { timeout = 60, on_progress = function() end }) end
  if step == "calling" then client:call_tool("sleep", { seconds = 60 }) end
  mcp.sleep(60)
end)
]==]

local function start_client(target, step, ca)
  local client = hunt.support.start("{}", { script = CLIENT, env = { "TARGET=" .. target,
    "STEP=" .. step, "MCP_LOG=off", ca and "CA=" .. ca } })
  client:wait_said "ready"
  return client
end

local function strike_client(h, server, kind, step, signal)
  local what = ("%s, %s, client gets %s"):format(kind, step, signal)
  local fds = hunt.fds(server.pid)
  local target = kind == "sse" and "sse:" .. server.url or address(server, kind)
  local client = start_client(target, step, kind == "https" and server.ca or nil)
  hunt.wait(0.03, function() end)
  client.process:kill(signal)
  -- One that is stopped holds its connection until the server's own limits end it.
  if signal == "STOP" then hunt.wait(0.3, function() end) end
  h:check(hunt.answers(server), "%s: others are not answered", what)
  client.process:close()
  h:check(hunt.wait(1.5, function() return hunt.fds(server.pid) <= fds end),
    "%s: %d descriptors more than before", what, hunt.fds(server.pid) - fds)
end

-- --- children ------------------------------------------------------------------------------------

-- A wrapper, and beside the server a process that ignores TERM and its input's end.
local function wrapper(note)
  return ([[trap '' TERM; sh -c 'trap "" TERM HUP; echo $$ >%s; while :; do sleep 1; done' & ]]
    .. [[%s run spec/hunts/server.lua]]):format(note, hunt.support.program())
end

local function read_pid(path)
  local file = io.open(path)
  local number = file and math.tointeger(tonumber((file:read "a")))
  if file then file:close() end
  return number
end

local function strike_child(h, step, how)
  local note = os.tmpname()
  local what = ("child with a wrapper and a stubborn grandchild, %s, client %s"):format(step, how)
  local command = "export SPEC_OPTIONS='{ stdio = true }'; " .. wrapper(note)
  local client = start_client("command:" .. command, step)
  local grandchild = hunt.wait(2, function() return read_pid(note) end)
  local guard = hunt.children(client.process:pid())[1]
  local child = guard and hunt.children(guard)[1]
  h:check(grandchild and child, "%s: it did not start", what)
  if how == "STOP" then
    client.process:kill "STOP"
    hunt.wait(0.2, function() end)
    h:check(not child or hunt.lives(child), "%s: the child is gone while its client stands", what)
    client.process:kill "CONT"
    client.process:kill "TERM"
  else
    client.process:kill(how)
  end
  client.process:wait(8)
  local gone = hunt.wait(8, function()
    return not (child and hunt.lives(child)) and not (grandchild and hunt.lives(grandchild))
  end)
  h:check(gone, "%s: %s", what, child and hunt.lives(child) and "the child lives"
    or "the grandchild lives")
  -- Nothing of ours may stay behind, whatever was found.
  if grandchild and hunt.lives(grandchild) then os.execute("kill -KILL " .. grandchild) end
  if child and hunt.lives(child) then os.execute("kill -KILL " .. child) end
  client.process:close()
  os.remove(note)
end

-- Our side of a child that is killed, asked to end or stopped.
local function strike_own_child(h, step, signal)
  local what = ("stdio, %s, server gets %s"):format(step, signal)
  local fds = hunt.fds "self"
  local pid
  local ok, result
  local began = hunt.now()
  mcp.run(function()
    ok, result = pcall(function()
      local client <close> = assert(mcp.connect({ -- luacheck: ignore
        command = hunt.support.program(), args = { "run", "spec/hunts/server.lua" },
        env = { SPEC_OPTIONS = "{ stdio = true }",
          MCP_LOG = "off" }, stderr = "null" }, { timeout = TIME, probe_timeout = TIME }))
      -- Between us and the server stands its guard.
      local own = hunt.children(math.tointeger(io.open("/proc/self/stat"):read "n"))
      pid = hunt.children(own[#own])[1]
      local function strike()
        h:check(os.execute(("kill -%s %d"):format(signal, pid)), "%s: nothing to strike", what)
      end
      if step == "idle" then
        strike()
        return client:call_tool("echo", { text = "x" })
      end
      core.spawn(function()
        core.sleep(0.05)
        strike()
      end)
      if step == "calling" then return client:call_tool("sleep", { seconds = 60 }) end
      return client:call_tool("steps", { count = 10000000 }, { on_progress = function() end })
    end)
  end)
  h:check(ok, "%s: %s", what, result)
  -- Its time, and then the grace of a child that has to be killed.
  h:check(hunt.now() - began <= TIME * 2 + 5 + LATE, "%s: took %.1f s", what, hunt.now() - began)
  h:check(hunt.wait(5, function() return not hunt.state(pid) end), "%s: the child is %s", what,
    pid and hunt.state(pid))
  collectgarbage()
  h:check(hunt.wait(1.5, function() return hunt.fds "self" <= fds end),
    "%s: %d descriptors more than before", what, hunt.fds "self" - fds)
end

hunt.run("kill", function(h)
  local kinds = hunt.shallow and { "http", "websocket" } or { "http", "https", "unix", "websocket",
    "sse" }
  local steps = hunt.shallow and { "idle", "calling" } or STEP_NAMES
  local cells = 0
  for _, signal in ipairs(SIGNALS) do
    for _, kind in ipairs(kinds) do
      for _, step in ipairs(steps) do
        strike_server(h, kind, step, signal)
        cells = cells + 1
      end
    end
    for _, step in ipairs(hunt.shallow and { "calling" } or { "idle", "calling", "streaming" }) do
      strike_own_child(h, step, signal)
      cells = cells + 1
    end
  end
  local path = os.tmpname()
  os.remove(path)
  local server = hunt.server(("unix = %q"):format(path), { tls = true, env = { "MCP_LOG=off" } })
  server.path = path
  -- One that looks on: its call must not notice.
  local witness = hunt.support.client(server)
  witness:call(1, "echo", { text = "before" })
  for _, signal in ipairs(SIGNALS) do
    for _, kind in ipairs(kinds) do
      for _, step in ipairs(steps) do
        strike_client(h, server, kind, step, signal)
        cells = cells + 1
      end
    end
  end
  h:check(pcall(witness.call, witness, 2, "echo", { text = "after" }), "the witness was cut off")
  witness:close()
  for _, how in ipairs { "KILL", "TERM", "STOP" } do
    for _, step in ipairs(hunt.shallow and { "calling" } or { "idle", "calling", "streaming" }) do
      strike_child(h, step, how)
      cells = cells + 1
    end
  end
  local left = hunt.children(math.tointeger(io.open("/proc/self/stat"):read "n"))
  h:check(#left <= 1, "%d children are left", #left)
  h:figure("%d cells of side, transport, step and signal", cells)
end)
