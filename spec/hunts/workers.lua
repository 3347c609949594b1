-- SPDX-License-Identifier: MIT
-- workers: a server of two workers under clients of both eras, with their streams open and calls
-- with progress in progress, while a worker is killed every second, then while the workers are
-- replaced again and again, and once with another script. No session may be lost, no call without
-- its answer, none done twice; one may fail only because its worker was killed.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"
local support = hunt.support

-- What a call may take: one that has no answer by then is lost.
local TIME = 30
-- How late this process may learn of what it has done itself, on a machine that is busy.
local LATE = 0.5
-- Of every so many stateless clients one has a subscription.
local SUBSCRIBED = 5
local GROWTH = 4 << 20
local URI = "hunt://version"

-- Each execution of a call is a line in a file, with the worker that began it.
local SCRIPT = [==[
local mcp = require "mcp"
local stat <close> = io.open "/proc/self/stat"
local pid = stat:read "a":match "^%d+"
local note = io.open(os.getenv "HUNT_NOTES", "a")
note:setvbuf "line"
local app = mcp.server { name = "hunt", version = "1", sessions = { idle = 60 } }
app:tool "work" { input = { key = "string", seconds = "number" } } (function(args, ctx)
  note:write(args.key, " ", pid, "\n")
  for i = 1, 3 do
    ctx:progress(i, 3, "at work")
    ctx:sleep(args.seconds / 3)
  end
  return args.key .. " " .. pid
end)
app:tool "change" (function()
  app:resource_updated "hunt://version"
  return "changed"
end)
local how <close> = io.open(os.getenv "HUNT_VERSION")
local version = how:read "a"
app:resource "hunt://version" (function() return version end)
if version ~= "1" then app:tool "fresh" (function() return version end) end
return app
]==]

-- Clients come back at once, and do not give up.
local http, watch = require "mcp.client.transport.http", require "mcp.client.watch"
http.BACKOFF, http.BACKOFF_MAX, http.LISTENS = 0.2, 2, 1000
watch.PAUSE, watch.PAUSE_MAX = 0.2, 2

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

-- The processes that serve.
local function workers_of(server)
  local list = {}
  -- Between the supervisor and each of them stands a guard.
  for _, guard in ipairs(hunt.children(server.pid)) do
    for _, pid in ipairs(hunt.children(guard)) do
      if hunt.lives(pid) then list[#list + 1] = pid end
    end
  end
  return list
end

local function count_said(server, text)
  local _, count = server:told():gsub(text, "")
  return count
end

-- What the server has logged that it should not.
local function check_log(h, server)
  for line in server:told():gmatch "[^\n]+" do
    h:check(not line:find "error:" and not line:find "warning:"
      or line:find "was ended by SIGKILL: it is replaced$" or line:find "starts again in",
      "the server says: %s", line)
  end
end

-- --- the load ------------------------------------------------------------------------------------

local load = { clients = {}, calls = {}, stop = false, count = 0 }

local function call(each, seconds)
  load.count = load.count + 1
  local record = { key = ("c%d"):format(load.count), began = hunt.now(), era = each.era }
  load.calls[record.key] = record
  local result, text, code = each.client:call_tool("work",
    { key = record.key, seconds = seconds }, { on_progress = function()
      record.progress = (record.progress or 0) + 1
    end })
  record.ended = hunt.now()
  if result and not result.isError then
    record.answer = result.content[1].text
  else
    record.text, record.code = text or result.content[1].text, code or "ETOOL"
  end
end

-- One client, until the load ends: calls, with pauses of `pause` seconds on average.
local function drive(each, pause)
  while not load.stop do
    -- In parts, so that the end of the load is not waited for.
    local until_call = core.now() + pause * 2 * math.random()
    while core.now() < until_call and not load.stop do
      core.sleep(math.min(0.25, math.max(0, until_call - core.now())))
    end
    if load.stop then break end
    if math.random(5) > 1 then
      call(each, 0.03 + math.random() * 0.3)
    else
      local result, text, code = each.client:read_resource(URI, { fresh = true })
      load.reads = (load.reads or 0) + 1
      if not result then
        load.failed_reads[#load.failed_reads + 1] = { at = hunt.now(), text = text, code = code }
      end
    end
  end
end

local function open(url, era, index)
  local each = { era = era, notices = 0 }
  local client, text = mcp.connect(url, { era = era, timeout = TIME })
  if not client then return nil, text end
  each.client = client
  if era == "legacy" or index % SUBSCRIBED == 0 then
    each.subscribed = true
    local ok, reason = client:subscribe(URI, function() each.notices = each.notices + 1 end)
    if not ok then return nil, reason end
  end
  each.session = client.transport.sid
  return each
end

-- Opens all of them, some at a time.
local function open_all(h, url, number)
  local all, at = core.waiter(), 0
  for _ = 1, 20 do
    all:spawn(function()
      while at < 2 * number do
        at = at + 1
        local index = at
        local each, text = open(url, index % 2 == 0 and "legacy" or "modern", index // 2)
        if h:check(each, "client %d cannot connect: %s", index, text) then
          table.insert(load.clients, each)
        end
      end
    end)
  end
  all:wait()
end

-- Those whose stream or subscription is not open.
local function deaf()
  local count = 0
  for _, each in ipairs(load.clients) do
    local client = each.client
    local ear = client.transport.ear
    if each.subscribed and not (each.era == "legacy" and ear and ear.open
      or each.era == "modern" and client.listening) then
      count = count + 1
    end
  end
  return count
end

-- --- the judgement -------------------------------------------------------------------------------

-- The executions of each call: the numbers of the workers that began it.
local function read_notes(path)
  local out = {}
  for line in io.lines(path) do
    local key, pid = line:match "^(%S+) (%d+)$"
    if key then
      out[key] = out[key] or {}
      table.insert(out[key], math.tointeger(tonumber(pid)))
    end
  end
  return out
end

-- Was a worker killed while the call was in progress: this one, if it is known?
local function was_killed(killed, call_record, pid)
  for _, kill in ipairs(killed) do
    if (not pid or kill.pid == pid) and kill.at <= call_record.ended
      and kill.at >= call_record.began - LATE then
      return true
    end
  end
  return false
end

-- Judges the calls since the last judgement. `killed`: a list of { pid, at }.
local function judge(h, what, notes_path, killed)
  local notes, out = read_notes(notes_path), { answered = 0, failed = 0, codes = {} }
  for key, record in pairs(load.calls) do
    local done = notes[key] or {}
    h:check(#done <= 1, "%s: call %s was done %d times (%s)", what, key, #done,
      record.answer or record.text)
    if record.answer then
      out.answered = out.answered + 1
      h:check(record.answer == ("%s %d"):format(key, done[1] or 0), "%s: call %s, done by %s, "
        .. "got the answer %q", what, key, done[1], record.answer)
    else
      out.failed = out.failed + 1
      out.codes[record.code] = (out.codes[record.code] or 0) + 1
      h:check(record.code ~= "ETIMEDOUT", "%s: call %s (%s) has no answer: %s", what, key,
        record.era, record.text)
      h:check(was_killed(killed, record, done[1]), "%s: call %s (%s) failed and its worker %s "
        .. "was not killed: %s (%s)", what, key, record.era, done[1], record.text, record.code)
    end
  end
  for _, read in ipairs(load.failed_reads) do
    out.failed_reads = (out.failed_reads or 0) + 1
    h:check(was_killed(killed, { began = read.at - 1, ended = read.at }), "%s: a resource was not "
      .. "read: %s (%s)", what, read.text, read.code)
  end
  load.calls, load.failed_reads = {}, {}
  return out
end

-- Runs `fn` while the clients call, and judges their calls.
local function under_load(h, what, notes_path, fn, rate)
  load.stop = false
  local all = core.waiter()
  for _, each in ipairs(load.clients) do
    all:spawn(drive, each, #load.clients / rate)
  end
  local killed = fn() or {}
  load.stop = true
  all:wait()
  return judge(h, what, notes_path, killed)
end

-- Every session is what it was, every stream comes back, and each gets a change once.
local function check_clients(h, what)
  local began = hunt.now()
  h:check(hunt.wait(60, function() return deaf() == 0 end), "%s: %d clients have no stream", what,
    deaf())
  local took, lost = hunt.now() - began, 0
  for _, each in ipairs(load.clients) do
    if each.client.transport.sid ~= each.session then lost = lost + 1 end
  end
  h:check(lost == 0, "%s: %d sessions were lost", what, lost)
  -- What was missed comes first.
  core.sleep(1)
  for _, each in ipairs(load.clients) do each.notices = 0 end
  assert(load.clients[1].client:call_tool("change", {}))
  local function unaware()
    local count = 0
    for _, each in ipairs(load.clients) do
      if each.subscribed and each.notices == 0 then count = count + 1 end
    end
    return count
  end
  h:check(hunt.wait(30, function() return unaware() == 0 end), "%s: %d clients were not notified",
    what, unaware())
  core.sleep(0.5)
  local twice = 0
  for _, each in ipairs(load.clients) do twice = twice + (each.notices > 1 and 1 or 0) end
  h:check(twice == 0, "%s: %d clients were notified twice of one change", what, twice)
  return took
end

local function codes_of(result)
  local list = {}
  for code, count in pairs(result.codes) do list[#list + 1] = ("%d %s"):format(count, code) end
  table.sort(list)
  return list[1] and (" (%s)"):format(table.concat(list, ", ")) or ""
end

-- --- the phases ----------------------------------------------------------------------------------

local function kill_workers(h, server, seconds)
  local killed, began = {}, hunt.now()
  for i = 1, seconds do
    core.sleep(math.max(0, began + i - hunt.now()))
    local list = workers_of(server)
    local pid = list[1]
    if pid then
      killed[#killed + 1] = { pid = pid, at = hunt.now() }
      os.execute("kill -KILL " .. pid)
    end
  end
  h:check(#killed > 0, "no worker was killed")
  core.sleep(1)
  h:check(hunt.wait(20, function() return #workers_of(server) == 2 end), "%d workers serve",
    #workers_of(server))
  return killed
end

local ROLLED = "all workers have been replaced"

local function roll(h, server)
  local before = count_said(server, ROLLED)
  server.process:kill "HUP"
  return h:check(hunt.wait(60, function() return count_said(server, ROLLED) > before end),
    "the workers were not replaced within 60 s")
end

local function memory_of(server)
  local total = 0
  for _, pid in ipairs(workers_of(server)) do total = total + hunt.rss(pid) end
  return { supervisor = hunt.rss(server.pid), workers = total, fds = hunt.fds(server.pid) }
end

local function hunt_them(h, server, notes, version)
  local number, rate = hunt.depth(500, 40), hunt.shallow and 60 or 150
  local began = hunt.now()
  open_all(h, server.url, number)
  hunt.wait(20, function() return deaf() == 0 end)
  h:figure("%d sessions with a stream and %d stateless clients, open after %.1f s", number,
    number, hunt.now() - began)
  load.failed_reads = {}

  local quiet = under_load(h, "before", notes, function() core.sleep(hunt.depth(5, 1)) end, rate)
  h:check(quiet.failed == 0, "%d of %d calls failed before anything was done", quiet.failed,
    quiet.answered + quiet.failed)
  local before = memory_of(server)

  local kills
  local result = under_load(h, "killed", notes, function()
    kills = kill_workers(h, server, hunt.depth(60, 3))
    return kills
  end, rate)
  local back = check_clients(h, "killed")
  h:figure("%d workers killed, one a second: %d calls answered once, %d failed in a killed worker"
    .. "%s, %d of %d reads; 0 sessions lost, all streams back after %.1f s", #kills,
    result.answered, result.failed, codes_of(result), result.failed_reads or 0, load.reads, back)

  local rounds, warm = hunt.depth(200, 3), nil
  result = under_load(h, "reloaded", notes, function()
    for i = 1, rounds do
      roll(h, server)
      if hunt.shallow then core.sleep(0.3) end
      if i == rounds // 2 then warm = memory_of(server) end
    end
  end, rate)
  if not hunt.shallow then check_clients(h, "reloaded") end
  h:check(result.failed == 0, "%d calls failed during reloads%s", result.failed, codes_of(result))
  local calls = result.answered

  write(version, "2")
  result = under_load(h, "rolled", notes, function()
    roll(h, server)
    core.sleep(1)
  end, rate)
  check_clients(h, "rolled")
  h:check(result.failed == 0, "%d calls failed during the rolling restart%s", result.failed,
    codes_of(result))
  local old = 0
  for _, each in ipairs(load.clients) do
    local read = each.client:read_resource(URI, { fresh = true })
    if not read or read.contents[1].text ~= "2" then old = old + 1 end
  end
  h:check(old == 0, "%d clients still see the old script", old)
  h:figure("%d reloads: %d calls, 0 failed; a rolling restart with another script: %d calls, "
    .. "%d failed", rounds, calls, result.answered, result.failed)

  -- A few seconds show nothing, and streams keep old workers for ten.
  if hunt.shallow then return end
  h:check(hunt.wait(30, function() return #workers_of(server) == 2 end), "%d workers are left",
    #workers_of(server))
  hunt.wait(5, function() return hunt.fds(server.pid) <= before.fds + 2 end)
  local last = memory_of(server)
  warm = warm or before
  h:check(last.supervisor - warm.supervisor <= GROWTH, "the supervisor grew by %d KiB",
    (last.supervisor - warm.supervisor) // 1024)
  h:check(last.workers - before.workers <= GROWTH, "the workers have %d KiB more than at first",
    (last.workers - before.workers) // 1024)
  h:check(last.fds <= before.fds + 2, "the supervisor has %d descriptors, %d before", last.fds,
    before.fds)
  h:figure("supervisor %.1f MiB, %+d KiB in the second half; workers %.1f MiB, %+d KiB",
    last.supervisor / 2^20, (last.supervisor - warm.supervisor) // 1024, last.workers / 2^20,
    (last.workers - before.workers) // 1024)
end

hunt.run("workers", function(h)
  local notes, version = os.tmpname(), os.tmpname()
  local _ <close> = setmetatable({}, { __close = function()
    os.remove(notes)
    os.remove(version)
  end })
  write(version, "1")
  local server = support.start("{}", { script = SCRIPT, words = { "--http", "127.0.0.1:0",
    "--workers", "2" }, env = { "MCP_LOG=notice", "HUNT_NOTES=" .. notes,
    "HUNT_VERSION=" .. version } })
  server.pid = server.process:pid()
  server.port = math.tointeger(tonumber((server:wait_said "at http://[^%s]-:(%d+)/")))
  server.url = ("http://127.0.0.1:%d/mcp"):format(server.port)
  mcp.run(function()
    hunt_them(h, server, notes, version)
    local all = core.waiter()
    for _, each in ipairs(load.clients) do all:spawn(each.client.close, each.client) end
    all:wait()
  end)
  check_log(h, server)
  server.process:kill "TERM"
  local how, status = server:wait_end(30)
  h:check(how == "exit" and status == 0, "the server ended with %s %s", how, status)
end)
