-- SPDX-License-Identifier: MIT
-- busy.lua: a server whose handlers do real work, for spec/hunts/busy.lua and its short form in
-- spec/mcp/busy_spec.lua: how long others wait meanwhile, and what is left once it is cancelled.
local core = require "mcp.core"
local pace = require "spec.pace"
local support = require "spec.support"
local system = support.system

local busy = {}

-- So long may a call take to begin, and to end. In seconds.
local LIMIT = pace.limit(5)
-- Between two pings, in seconds.
local PAUSE = 0.001
-- What runs in a worker.
local IN_WORKER = { loop = true, loop_process = true, sql = true }

local SCRIPT = [==[
local mcp = require "mcp"
local worker = require "mcp.worker"
local app = mcp.server { name = "busy", timeout = 300, timeout_max = 300 }

local code = function()
  local calls = {}
  function calls.loop() while true do end end
  function calls.ready() return true end
  -- In the library, where no hook of Lua's runs.
  function calls.sql()
    local connection = require "luasql.sqlite3".sqlite3():connect ":memory:"
    local cursor = assert(connection:execute(
      "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"))
    return cursor:fetch()
  end
  return calls
end
local thread = mcp.worker { code, name = "thread" }
local process = mcp.worker { code, name = "process", process = true }
local database = mcp.worker { code, name = "database", process = true }

app:tool "loop" (function() return thread:loop() end)
app:tool "loop_process" (function() return process:loop() end)
app:tool "sql" (function() return database:sql() end)
app:tool "fetch" { input = { url = "string" } } (function(args)
  return tostring(mcp.fetch(args.url, { timeout = 300 }))
end)
app:tool "run" (function()
  return tostring(mcp.process.run { "sleep", "60" })
end)

-- Which kinds there are here, and how many calls run in workers.
app:tool "kinds" (function()
  local kinds = { "loop", "loop_process", "fetch" }
  if pcall(require, "luasql.sqlite3") then kinds[#kinds + 1] = "sql" end
  if pcall(function() return mcp.process.run end) then kinds[#kinds + 1] = "run" end
  return table.concat(kinds, " ")
end)
app:tool "state" (function()
  local count = 0
  for _, own in ipairs { thread, process, database } do
    local counts = worker.counts(own)
    count = count + counts.busy + counts.waiting
  end
  collectgarbage()
  return ("%d %d %d"):format(count, require "mcp.core".task_count(),
    math.floor(collectgarbage "count"))
end)
app:run(load("return " .. os.getenv "SPEC_OPTIONS")())
]==]

---Starts the server.
function busy.server()
  local server = support.http("", { script = SCRIPT, env = { "MCP_LOG=notice" } })
  server.pid = server.process:pid()
  return server
end

---@class spec.Busy a session, and what it has under way
local Busy = {}
Busy.__index = Busy
Busy.__close = function(self) self:close() end

---A session with a server of busy.server.
function busy.session(server)
  local client = support.client(server)
  local self = setmetatable({ server = server, client = client, last = 100, calls = {} }, Busy)
  self.sid = client:initialize()
  -- What a fetch waits for: it is connected to and never answers.
  self.silent, self.port = system.listen("127.0.0.1", 0, 64)
  return self
end

function Busy:request(method, params)
  self.last = self.last + 1
  local answer = self.client:ask(support.legacy(self.sid,
    support.legacy_body(self.last, method, params)))
  assert(answer.status == 200 and answer.json and answer.json.result, answer.body)
  return answer.json.result
end

---The text of a tool's result.
function Busy:text(name)
  return self:request("tools/call", { name = name, arguments = {} }).content[1].text
end

---The kinds of work that this server has.
function Busy:kinds()
  local kinds = {}
  for kind in self:text("kinds"):gmatch "%S+" do kinds[#kinds + 1] = kind end
  return kinds
end

---Calls that run in workers or wait for them, tasks (this call is one), KiB of Lua.
function Busy:state()
  local calls, tasks, heap = self:text("state"):match "^(%d+) (%d+) (%d+)$"
  return math.tointeger(tonumber(calls)), math.tointeger(tonumber(tasks)),
    math.tointeger(tonumber(heap))
end

---Begins a call that does not end by itself. Returns what Busy:cancel takes.
function Busy:begin(kind)
  self.last = self.last + 1
  local client = support.client(self.server)
  local arguments = kind == "fetch" and { url = ("http://127.0.0.1:%d/"):format(self.port) } or {}
  client:send(support.legacy(self.sid, support.legacy_body(self.last, "tools/call",
    { name = kind, arguments = arguments })))
  self.calls[self.last] = client
  return self.last
end

function Busy:cancel(id)
  local answer = self.client:ask(support.legacy(self.sid, assert(core.encode { jsonrpc = "2.0",
    method = "notifications/cancelled", params = { requestId = id } })))
  assert(answer.status == 202, answer.body)
  self.calls[id]:close()
  self.calls[id] = nil
end

local function wait(limit, test)
  local deadline = system.now() + limit
  while not test() do
    if system.now() > deadline then return false end
    system.block(0.001)
  end
  return true
end

---Begins a call, waits until it is at work, cancels it, and waits until it and its work have ended.
---Raises where it does not begin or end.
function Busy:begin_and_cancel(kind)
  local id = self:begin(kind)
  assert(wait(LIMIT, function()
    local calls, tasks = self:state()
    return tasks > 1 and (calls > 0 or not IN_WORKER[kind])
      and (kind ~= "run" or busy.has(self.server.pid).processes > 0)
  end), kind .. ": the call does not begin")
  self:cancel(id)
  assert(wait(LIMIT, function()
    local calls, tasks = self:state()
    return calls == 0 and tasks == 1
  end), kind .. ": the call does not end")
end

---p99 of `count` pings while nothing else is done, and while one call of each kind is at work. The
---two take turns, so that both see the same machine.
function Busy:latency(count)
  local idle, taken, kinds, turns = {}, {}, self:kinds(), 4
  local in_workers = 0
  for _, kind in ipairs(kinds) do in_workers = in_workers + (IN_WORKER[kind] and 1 or 0) end
  for _ = 1, turns do
    table.move(self:ping(count // turns, PAUSE), 1, count // turns, #idle + 1, idle)
    local ids = {}
    for i, kind in ipairs(kinds) do ids[i] = self:begin(kind) end
    assert(wait(LIMIT, function() return (self:state()) == in_workers end), "calls begin")
    table.move(self:ping(count // turns, PAUSE), 1, count // turns, #taken + 1, taken)
    for _, id in ipairs(ids) do self:cancel(id) end
    assert(wait(LIMIT, function() return (self:state()) == 0 end), "calls end")
  end
  return busy.percentile(idle, 0.99), busy.percentile(taken, 0.99)
end

---Sends `count` pings and returns how many seconds each took. `pause` in seconds between them: a
---client that never pauses measures what share of the processor the system gives it.
function Busy:ping(count, pause)
  local taken = {}
  for i = 1, count do
    if pause then system.block(pause) end
    self.last = self.last + 1
    local text = support.legacy(self.sid, support.legacy_body(self.last, "ping"))
    local began = system.now()
    local answer = self.client:ask(text)
    taken[i] = system.now() - began
    assert(answer.json and answer.json.result, answer.body)
  end
  return taken
end

function Busy:close()
  for _, client in pairs(self.calls) do client:close() end
  self.client:close()
  self.silent:close()
end

-- --- what a process has -------------------------------------------------------------------------

-- What a command prints.
local function output(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

-- How many processes descend from this one; a zombie counts.
local function count_descendants(pid)
  local count = 0
  for child in output(("cat /proc/%d/task/*/children 2>/dev/null"):format(pid)):gmatch "%d+" do
    count = count + 1 + count_descendants(child)
  end
  return count
end

---Threads, descendants and descriptors of a process.
function busy.has(pid)
  local threads = select(2, output(("ls /proc/%d/task"):format(pid)):gsub("%d+", ""))
  return { threads = threads, processes = count_descendants(pid),
    descriptors = system.fd_count(tostring(pid)) }
end

---Is nothing left that `before` did not have?
function busy.is_back(pid, before)
  local now = busy.has(pid)
  for name, count in pairs(before) do
    if now[name] > count then return false, ("%s: %d, before %d"):format(name, now[name], count) end
  end
  return true
end

---Waits until busy.is_back; false and what is left after `limit` seconds.
function busy.wait_back(pid, before, limit)
  local left
  local back = wait(limit, function()
    local is
    is, left = busy.is_back(pid, before)
    return is
  end)
  return back, left
end

---The value below which the share `p` of a list lies.
function busy.percentile(list, p)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * p))]
end

return busy
