-- SPDX-License-Identifier: MIT
-- Several workers on one socket: whole processes, as people start them.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local process_facts = require "spec.process_facts"
local support = require "spec.support"

local SCRIPT = [==[
local mcp = require "mcp"
local how = os.getenv "SPEC_HOW" and io.open(os.getenv "SPEC_HOW")
if how then
  local text = how:read "a"
  how:close()
  if text ~= "" then assert(load(text))() end
end
local file <close> = io.open "/proc/self/stat"
local pid = file:read "a":match "^%d+"
local app = mcp.server "spec"
app:tool "pid" (function() return pid end)
app:tool "hang" (function() while true do end end)
app:tool "wait" { input = { seconds = "number" } } (function(args, ctx)
  io.stderr:write "waiting\n"
  ctx:sleep(args.seconds)
  return pid
end)
app:tool "nodes" (function()
  local store, count = app.shared.store, 0
  for _ in pairs(store:nodes()) do count = count + 1 end
  return ("%d"):format(count)
end)
app:tool "count" (function() return ("%d"):format(app.shared.store:count("n", 1, 60)) end)
app:tool "environment" (function()
  local names = {}
  for _, name in ipairs { "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LUAMCP_WORKER" } do
    names[#names + 1] = os.getenv(name)
  end
  return table.concat(names, " ")
end)
]==]

local files, servers = {}, {}

local function write(text, suffix)
  local path = os.tmpname()
  os.remove(path)
  path = path .. (suffix or "")
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  files[#files + 1] = path
  return path
end

-- Starts a command; what it writes to standard error is gathered in `said`.
local function start(command)
  command.stderr = "capture"
  local process = assert(mcp.process.start(command))
  local self = { process = process, said = "", out = "" }
  servers[#servers + 1] = self
  self.readers = core.waiter()
  self.readers:spawn(function()
    for piece in function() return (process:read_error()) end do self.said = self.said .. piece end
  end)
  self.readers:spawn(function()
    for piece in function() return (process:read()) end do self.out = self.out .. piece end
  end)
  function self.wait_said(_, pattern, from)
    return helper.wait_until(function()
      local first, last, found = self.said:find(pattern, from or 1)
      return first and (found or last)
    end, ("%q in %q"):format(pattern, self.said:sub(from or 1)))
  end
  function self.wait_end()
    local ended = assert(process:wait(helper.LIMIT))
    assert(self.readers:wait(helper.LIMIT))
    return ended
  end
  function self.begun(_, count)
    self.url = self:wait_said(("answers at (%%S+) %%(%d workers%%)"):format(count or 2))
    return self
  end
  return self
end

-- luamcp run of a script, with workers.
local function run(words, script, env)
  return start { support.program(), "run", write(script or SCRIPT .. "return app", ".lua"),
    "--http", "0", "--workers", "2", env = env, table.unpack(words or {}) }
end

-- One call over a connection of its own.
local function call(server, name, args)
  local client <close>, problem = mcp.connect(server.url, { era = "modern",
    timeout = helper.LIMIT })
  if not client then return nil, problem end
  local result, text, code = client:call_tool(name, args or {})
  return result and result.content[1].text, text, code
end

-- Calls until both workers have answered.
local function pids(server, count)
  local seen, list = {}, {}
  helper.wait_until(function()
    local pid = call(server, "pid")
    if pid and not seen[pid] then
      seen[pid] = true
      list[#list + 1] = pid
    end
    return #list >= (count or 2)
  end, "both workers")
  return list, seen
end

local function kill(pid, name) os.execute(("kill -%s %s"):format(name, pid)) end

local function descriptors(pid)
  local pipe <close> = io.popen(("ls /proc/%s/fd"):format(pid))
  local count = 0
  for _ in pipe:lines() do count = count + 1 end
  return count
end

describe("workers", function()
  after_each(function()
    for _, server in ipairs(servers) do
      -- Workers of one that was killed take longer to end.
      server.process:kill "TERM"
      if not server.process:wait(0.2) then server.process:kill "TERM" end
      if not server.process:wait(0.2) then server.process:kill "KILL" end
      server.process:close()
      server.readers:wait(helper.LIMIT)
    end
    servers = {}
    for _, path in ipairs(files) do os.remove(path) end
    files = {}
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  end)

  it("resume each other's TLS sessions", function()
    local own = require("codecs.certificate").make { names = "DNS:localhost,IP:127.0.0.1" }
    local pem = write(own.cert .. own.key, ".pem")
    local server = run { "--tls-cert", pem, "--tls-key", pem }:begun()
    local context = assert(require("mcp.tls").client { ca = own.cert })
    local function ask()
      local client <close> = mcp.connect(server.url, { era = "modern", timeout = helper.LIMIT,
        tls = context })
      local result = client and client:call_tool("pid", {})
      return result and result.content[1].text
    end
    -- A worker has the keys of all a moment after it has begun to serve.
    local resumed, seen, count = 0, {}, 0
    helper.wait_until(function()
      local full = context:handshakes()
      local pid = ask()
      resumed = pid and full == context:handshakes() and resumed + 1 or 0
      if resumed == 0 then seen, count = {}, 0 end
      if resumed > 0 and not seen[pid] then seen[pid], count = true, count + 1 end
      return resumed >= 10 and count == 2
    end, "ten connections in a row that are resumed, at both workers")
  end)

  it("share a socket and a store, and end together", function()
    local server = run():begun()
    local list = pids(server)
    assert.equal("2", call(server, "nodes"))
    assert.equal("1", call(server, "count"))
    assert.equal("2", call(server, "count"))
    server.process:kill "TERM"
    assert.same({ code = 0 }, server:wait_end())
    for _, pid in ipairs(list) do assert.is_false(process_facts.is_running(pid)) end
    assert.equal("", server.out)
    -- The line about the address is all there is to say.
    assert.matches("^spec 0%.0%.0 answers at %S+ %(2 workers%)\n$", server.said)
  end)

  it("are replaced when they are killed, and nothing that waits in the queue is lost", function()
    local server = run():begun()
    local list, seen = pids(server)
    -- Both are stopped, so what connects now waits in the queue of the socket.
    kill(list[1], "STOP")
    kill(list[2], "STOP")
    local results, done = {}, core.waiter()
    for i = 1, 20 do
      done:spawn(function() results[i] = call(server, "pid") or false end)
    end
    helper.settle()
    core.step(0.05)
    kill(list[1], "KILL")
    server:wait_said "worker %d %(%d+%) was ended by SIGKILL: it is replaced"
    helper.wait_until(function()
      for i = 1, 20 do if results[i] then return true end end
    end, "an answer of the new worker")
    kill(list[2], "CONT")
    assert(done:wait(helper.LIMIT))
    for i = 1, 20 do assert.is_string(results[i]) end
    local _, now = pids(server)
    assert.is_true(now[list[2]])
    assert.is_nil(now[list[1]])
    assert.is_true(seen[list[1]])
    assert.equal("2", call(server, "nodes"))
  end)

  it("go on with a session whose worker was killed", function()
    local server = run():begun()
    local client <close> = assert(mcp.connect(server.url, { era = "legacy",
      timeout = helper.LIMIT }))
    local first = assert(client:call_tool("pid", {})).content[1].text
    kill(first, "KILL")
    server:wait_said "it is replaced"
    local result = assert(client:call_tool("pid", {}))
    assert.is_not_equal(first, result.content[1].text)
    assert.equal("legacy", client.era)
  end)

  it("pass messages of HTTP+SSE to the one that has the stream", function()
    local server = run():begun()
    local port = math.tointeger(tonumber(server.url:match ":(%d+)"))
    local pools = {}
    local _ <close> = setmetatable({}, { __close = function()
      for _, pool in ipairs(pools) do pool:close() end
    end })
    -- A request over a connection that only this pool has.
    local function ask(pool, method, target, body, fields)
      local headers = { { "Accept", "application/json, text/event-stream" } }
      if body then headers[2] = { "Content-Type", "application/json" } end
      for name, field in pairs(fields or {}) do headers[#headers + 1] = { name, field } end
      return assert(pool:request { host = "127.0.0.1", port = port, method = method,
        target = target, body = body, timeout = helper.LIMIT, headers = headers })
    end
    local function pool()
      pools[#pools + 1] = core.http_pool { connections = 1 }
      return pools[#pools]
    end
    local function call_pid(id)
      return ('{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"pid"}}'):format(id)
    end
    local stream = ask(pool(), "GET", "/mcp")
    local address = assert(stream:event(helper.LIMIT)).data
    local function post(from, body)
      local response = ask(from, "POST", address, body)
      response:read(1 << 20, helper.LIMIT)
      return response.status
    end
    local function answer()
      local _, message = stream:event(helper.LIMIT)
      return assert(message)
    end
    assert.equal(202, post(pool(), support.initialize_body(0, "2024-11-05")))
    assert.equal(0, answer().id)
    -- The workers that the connections lead to.
    local workers, holder = {}, nil
    local deadline = core.now() + helper.LIMIT
    while not next(workers, (next(workers))) do
      assert(core.now() < deadline, "one worker has all connections")
      local from = pool()
      local seen = ask(from, "POST", "/mcp", support.modern_body(1, "tools/call", { name = "pid",
        arguments = {} }), { ["MCP-Protocol-Version"] = support.MODERN,
        ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "pid" })
      local pid = assert(seen:json(1 << 20, helper.LIMIT)).result.content[1].text
      workers[pid] = workers[pid] or from
    end
    local id = 1
    for _, from in pairs(workers) do
      id = id + 1
      assert.equal(202, post(from, call_pid(id)))
      local message = answer()
      assert.equal(id, message.id)
      holder = holder or message.result.content[1].text
      assert.equal(holder, message.result.content[1].text)
    end
    -- Its stream goes with a worker.
    kill(holder, "KILL")
    server:wait_said "it is replaced"
    workers[holder] = nil
    local _, other = next(workers)
    assert.equal(404, post(other, call_pid(9)))
    local event, _, code = stream:event(helper.LIMIT)
    assert.is_nil(event)
    assert.is_not_equal("ETIMEDOUT", code)
  end)

  it("get no descriptor and no variable that is not theirs", function()
    local server = run():begun()
    assert.equal("", call(server, "environment"))
    local list = pids(server)
    -- Without a connection both have the same, and so has a third one.
    local before
    helper.wait_until(function()
      before = descriptors(list[1])
      return before == descriptors(list[2])
    end, "the end of the connections")
    local held = descriptors(server.process.pid)
    kill(list[1], "KILL")
    server:wait_said "it is replaced"
    local fresh
    helper.wait_until(function()
      local now = pids(server)
      fresh = now[1] == list[2] and now[2] or now[1]
      return now[1] ~= list[1] and now[2] ~= list[1]
    end, "its replacement")
    helper.wait_until(function() return descriptors(fresh) == before end, "its descriptors")
    helper.wait_until(function() return descriptors(server.process.pid) == held end,
      "those of the supervisor")
  end)

  it("are ready after a while where the store cannot be reached", function()
    if not pcall(require, "mcp.hiredis") then return pending "hiredis is not installed" end
    local server = start { support.program(), "run", write([[
      require "mcp.server.workers.member".JOIN = 0.2
      require "mcp.server.shared".TIMEOUT = 0.1
    ]] .. SCRIPT .. [[
      app:run { http = 0, workers = 2, health = true, store = "redis+unix:///nowhere/redis.sock" }
    ]], ".lua") }
    server:begun()
    assert.equal("ok", assert(mcp.fetch((server.url:gsub("/mcp$", "/healthz")))):text())
    assert.matches("the store of .- has not been reached yet", server.said)
  end)

  it("share new connections evenly, though one of them is always the first", function()
    local server = run():begun()
    local clients, count = {}, {}
    for i = 1, 20 do
      clients[i] = assert(mcp.connect(server.url, { era = "modern", timeout = helper.LIMIT }))
      local pid = assert(clients[i]:call_tool("pid", {})).content[1].text
      count[pid] = (count[pid] or 0) + 1
    end
    -- On a machine that is busy one of them may come too late for a few.
    for pid, number in pairs(count) do assert.is_true(number >= 5, number .. " of " .. pid) end
    -- One that has ended is not waited for, nor one that is stopped.
    local list = pids(server)
    kill(list[1], "STOP")
    local results, done, from = {}, core.waiter(), core.now()
    for i = 1, 20 do done:spawn(function() results[i] = call(server, "pid") end) end
    assert(done:wait(helper.LIMIT))
    for i = 1, 20 do assert.equal(list[2], results[i]) end
    assert.is_true(core.now() - from < helper.LIMIT / 2)
    kill(list[1], "CONT")
    for _, client in ipairs(clients) do client:close() end
  end)

  it("add up their figures, and keep those of the ones that have ended", function()
    local server = run({ "--metrics" }, nil, { MCP_LOG = "notice" }):begun()
    local url = server.url:gsub("/mcp$", "/metrics")
    local function figure(name)
      local text = assert(mcp.fetch(url)):text()
      return tonumber(text:match("\n" .. name .. "(%S+)\n"))
    end
    local calls = 'luamcp_requests_total{method="tools/call",name="pid",era="stateless",'
      .. 'outcome="ok"} '
    calls = calls:gsub("%p", "%%%0")
    local list = pids(server)
    local before = figure(calls)
    for _ = 1, 10 do call(server, "pid") end
    for _ = 1, 5 do assert.equal(before + 10, figure(calls)) end
    assert.equal(2, figure "luamcp_workers ")
    assert.equal(0, figure "luamcp_workers_replaced_total ")
    kill(list[1], "KILL")
    server:wait_said "it is replaced"
    helper.wait_until(function() return figure "luamcp_workers " == 2 end, "its replacement")
    assert.equal(before + 10, figure(calls))
    assert.equal(1, figure "luamcp_workers_replaced_total ")
    call(server, "pid")
    server.process:kill "HUP"
    server:wait_said "all workers have been replaced"
    helper.wait_until(function()
      return not process_facts.is_running(list[2])
    end, "the end of the old one")
    assert.equal(before + 11, figure(calls))
    assert.equal(1, figure "luamcp_workers_replaced_total ")
  end)

  it("that hang are replaced", function()
    local server = start { support.program(), "run", write([[
      local supervisor = require "mcp.server.workers.supervisor"
      supervisor.PING, supervisor.SILENT, supervisor.KILL = 0.05, 12, 0.1
    ]] .. SCRIPT .. "app:run { http = 0, workers = 2 }", ".lua") }
    server:begun()
    local list = pids(server)
    local client = assert(mcp.connect(server.url, { era = "modern" }))
    mcp.spawn(function() client:call_tool("hang", {}, { timeout = helper.LIMIT }) end)
    server:wait_said "has not answered for 0%.6 seconds: it is replaced"
    helper.wait_until(function()
      return not (process_facts.is_running(list[1]) and process_facts.is_running(list[2]))
    end, "its end")
    pids(server)
    helper.wait_until(function() return call(server, "nodes") == "2" end, "two nodes")
    client:close()
  end)

  it("are started by what runs the script: plain Lua", function()
    local server = start { os.getenv "LUA" or "lua5.4", "-W",
      write(SCRIPT .. "app:run { http = 0, workers = 2 }", ".lua"), "word" }
    server:begun()
    pids(server)
    server.process:kill "INT"
    assert.same({ code = 0 }, server:wait_end())
  end)

  it("serve a socket file", function()
    local path = os.tmpname()
    os.remove(path)
    local server = start { support.program(), "run", write(SCRIPT .. "return app", ".lua"),
      "--unix", path, "--workers", "2" }
    server:wait_said "answers at unix:"
    server.url = "unix:" .. path
    pids(server)
    server.process:kill "TERM"
    assert.same({ code = 0 }, server:wait_end())
    assert.is_nil(io.open(path))
  end)

  it("of a script that does not load are not tried again", function()
    local server = run({}, "local x = nil\nx.y = 1\n")
    assert.same({ code = 1 }, server:wait_end())
    assert.matches("attempt to index a nil value %(local 'x'%)", server.said)
    assert.matches("\nluamcp: worker 1 ended with status 1 before it was ready\n$", server.said)
  end)

  it("finish their calls after a first signal, and end at once after a second", function()
    local server = run():begun()
    local result
    mcp.spawn(function() result = call(server, "wait", { seconds = 0.4 }) or false end)
    server:wait_said "waiting"
    server.process:kill "TERM"
    assert.same({ code = 0 }, server:wait_end())
    helper.wait_until(function() return result ~= nil end)
    assert.is_string(result)

    server = run():begun()
    mcp.spawn(function() call(server, "wait", { seconds = 60 }) end)
    server:wait_said "waiting"
    server.process:kill "TERM"
    local from = core.now()
    helper.wait_until(function() return not mcp.fetch(server.url) end, "the closed socket")
    server.process:kill "TERM"
    assert.same({ code = 0 }, server:wait_end())
    -- The call would take 60 s.
    assert.is_true(core.now() - from < 6 * helper.LIMIT)
  end)

  it("do not wait for connections that are idle", function()
    local server = run({ "--health" }):begun()
    local client <close> = assert(mcp.connect(server.url, { era = "modern" }))
    assert(client:call_tool("pid", {}))
    assert.equal("ok", assert(mcp.fetch((server.url:gsub("/mcp$", "/healthz")))):text())
    local from = core.now()
    server.process:kill "TERM"
    assert.same({ code = 0 }, server:wait_end())
    assert.is_true(core.now() - from < 3)
  end)

  it("end with their supervisor", function()
    local server = run():begun()
    local list = pids(server)
    kill(server.process.pid, "KILL")
    helper.wait_until(function()
      return not process_facts.is_running(list[1]) and not process_facts.is_running(list[2])
    end, "their end")
  end)

  it("are replaced one by one on SIGHUP, while calls go on", function()
    local how = write ""
    local server = run({}, nil, { SPEC_HOW = how, MCP_LOG = "notice" }):begun()
    local list, old = pids(server)
    local failed, stop, rounds = {}, false, 0
    local load = core.waiter()
    load:spawn(function()
      while not stop do
        local pid, text = call(server, "pid")
        if not pid then failed[#failed + 1] = text end
        rounds = rounds + 1
      end
    end)
    server.process:kill "HUP"
    server:wait_said "all workers have been replaced"
    helper.wait_until(function()
      return not process_facts.is_running(list[1]) and not process_facts.is_running(list[2])
    end, "the end of the old ones")
    stop = true
    load:wait(helper.LIMIT)
    assert.same({}, failed)
    assert.is_true(rounds > 0)
    local _, now = pids(server)
    for pid in pairs(now) do assert.is_nil(old[pid]) end

    -- One that does not start keeps the old ones.
    local file <close> = assert(io.open(how, "w"))
    file:write "error('not today', 0)"
    file:flush()
    server.process:kill "HUP"
    server:wait_said "the workers are not replaced: worker 1 ended with status 1 .*not today"
    local _, after = pids(server)
    assert.same(now, after)
  end)

  it("notify clients of the lists that differ after a roll, and of no others", function()
    local how = write ""
    local server = start { support.program(), "run", write([[
      require "mcp.server.workers.supervisor".COME = 0.5
    ]] .. SCRIPT .. [[
      if more then app:tool "more" (function() return "" end) end
      app:prompt "constant" (function() return "" end)
      app:run { http = 0, workers = 2 }
    ]], ".lua"), env = { SPEC_HOW = how, MCP_LOG = "notice" } }
    server:begun()
    local watch = require "mcp.client.watch"
    local pause = watch.PAUSE
    watch.PAUSE = 0.05
    local _ <close> = setmetatable({}, { __close = function() watch.PAUSE = pause end })
    local seen = { legacy = {}, modern = {} }
    local function connect(era)
      return assert(mcp.connect(server.url, { era = era, timeout = helper.LIMIT,
        on_change = function(what) seen[era][what] = (seen[era][what] or 0) + 1 end }))
    end
    local legacy <close> = connect "legacy"
    local modern <close> = connect "modern"
    assert.equal("modern", modern.era)
    local file <close> = assert(io.open(how, "w"))
    file:write "more = true"
    file:flush()
    server.process:kill "HUP"
    local at = server:wait_said "all workers have been replaced"
    -- A client of the modern revision counts all as changed where its subscription was lost.
    helper.wait_until(function()
      return (seen.legacy.tools or 0) >= 1 and (seen.modern.tools or 0) > (seen.modern.prompts or 0)
    end, "the notifications")
    assert.is_nil(seen.legacy.prompts)
    assert.equal("", assert(legacy:call_tool("more", {})).content[1].text)
    local before = seen.legacy.tools
    server.process:kill "HUP"
    server:wait_said("all workers have been replaced", at)
    core.sleep(0.8)
    assert.equal(before, seen.legacy.tools)
    assert.equal(seen.modern.prompts + 1, seen.modern.tools)
  end)

  it("have the number of their supervisor in the file that the command line names", function()
    local path = write ""
    local server = run({ "--pid-file", path }):begun()
    local file <close> = assert(io.open(path))
    assert.equal(("%d\n"):format(server.process.pid), file:read "a")
    local socket = path .. ".socket"
    local second = start { support.program(), "run", write(SCRIPT .. "return app", ".lua"),
      "--unix", socket, "--workers", "2", "--pid-file", path }
    assert.same({ code = 1 }, second:wait_end())
    assert.matches(("pid_file: %s: process %d is running"):format(path:gsub("%p", "%%%0"),
      server.process.pid), second.said)
    assert.is_nil(io.open(socket))
    server.process:kill "TERM"
    assert.same({ code = 0 }, server:wait_end())
    assert.is_nil(io.open(path))
  end)

  it("that have served are replaced at once, however often they end", function()
    local server = start { support.program(), "run", write([[
      local supervisor = require "mcp.server.workers.supervisor"
      supervisor.STABLE, supervisor.PAUSE, supervisor.BACKOFF = 0.02, 60, 60
    ]] .. SCRIPT .. [[
      app:tool "crash" (function() os.exit(3, false) end)
      app:run { http = 0, workers = 2 }
    ]], ".lua") }
    server:begun()
    for _ = 1, 6 do
      pids(server)
      core.sleep(0.1)
      call(server, "crash")
    end
    pids(server)
    assert.matches("ended with status 3: it is replaced", server.said)
    assert.not_matches("starts again", server.said)
  end)

  it("that end soon after their start pause, for a time that does not grow", function()
    local server = start { support.program(), "run", write([[
      local supervisor = require "mcp.server.workers.supervisor"
      supervisor.STABLE, supervisor.PAUSE = 60, 0.1
    ]] .. SCRIPT .. "app:run { http = 0, workers = 2 }", ".lua") }
    server:begun()
    local at = 1
    for _ = 1, 4 do
      local list = pids(server)
      kill(list[1], "KILL")
      at = server:wait_said("it is replaced", at) + 1
    end
    pids(server)
    assert.matches("starts again in 0%.1 s", server.said)
    for delay in server.said:gmatch "starts again in (%S+) s" do assert.equal("0.1", delay) end
  end)

  it("start with growing pauses when they do not get ready", function()
    local how = write ""
    local server = start { support.program(), "run", write([[
      require "mcp.server.workers.supervisor".BACKOFF = 0.05
    ]] .. SCRIPT .. "app:run { http = 0, workers = 2 }", ".lua"), env = { SPEC_HOW = how } }
    server:begun()
    local list = pids(server)
    local file <close> = assert(io.open(how, "w"))
    file:write "error('broken', 0)"
    file:flush()
    kill(list[1], "KILL")
    server:wait_said "worker %d starts again in 0%.1 s"
    server:wait_said "worker %d starts again in 0%.2 s"
    assert.equal(list[2], call(server, "pid"))
    file:seek "set"
    file:write((" "):rep(100))
    file:flush()
    pids(server)
  end)
end)

describe("the options of workers", function()
  after_each(function()
    for _, server in ipairs(servers) do
      server.process:close()
      server.readers:wait(helper.LIMIT)
    end
    servers = {}
    for _, path in ipairs(files) do os.remove(path) end
    files = {}
  end)

  it("are checked before anything is started", function()
    local function fails(options)
      local server = start { support.program(), "run",
        write(SCRIPT .. "app:run " .. options, ".lua") }
      assert.same({ code = 1 }, server:wait_end())
      return server.said
    end
    assert.matches("workers: standard input is for one process", fails "{ workers = 2 }")
    assert.matches("workers: expected an integer from 1 to 64, got 65",
      fails "{ http = 0, workers = 65 }")
    assert.matches("workers: the inspect page is for one process",
      fails "{ http = 0, workers = 2, inspect = true }")
    local app = mcp.server "x"
    assert.has_error(function() app:listen { http = 0, workers = 2 } end)
  end)

  it("leave one worker without a supervisor", function()
    local server = start { support.program(), "run", write(SCRIPT .. "return app", ".lua"),
      "--http", "0", "--workers", "1" }
    server.url = server:wait_said "answers at (%S+)\n"
    assert.equal(("%d"):format(server.process.pid), call(server, "pid"))
    server.process:kill "TERM"
    server:wait_end()
  end)
end)
