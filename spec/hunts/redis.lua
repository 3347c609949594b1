-- SPDX-License-Identifier: MIT
-- redis: two processes that share a Redis, under calls in sessions and without, while that Redis is
-- stopped for some seconds, as by a lost network, and while it is killed and starts again with
-- nothing in it. What needs the store fails at once with its error, and nothing else fails; all of
-- it works again afterwards, and nothing is doubled.
local core = require "mcp.core"
local helper = require "spec.helper"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"
local redis_server = require "spec.mcp.store.redis_server"
local several = require "spec.several"
local support = hunt.support

-- What a call that needs the store waits for it, and what this machine may add.
local WAIT, LATE = 2, 1.5
-- After Redis is back: pauses before it is connected again grow to 5 s.
local BACK = 8

local SCRIPT = [==[
local mcp = require "mcp"
local note = io.open(os.getenv "HUNT_NOTES", "a")
note:setvbuf "line"
local app = mcp.server { name = "hunt", version = "1" }
app:tool "work" { input = { key = "string" } } (function(args, ctx)
  note:write(args.key, "\n")
  ctx:sleep(0.02)
  return args.key
end)
app:tool "change" (function()
  app:changed "tools"
  return "changed"
end)
app:tool "count" (function()
  local count, text = app.shared.store:count("hunt", 1, 3600)
  if not count then error(mcp.error(-32000, text)) end
  return ("%d"):format(count)
end)
return app
]==]

-- --- the load ------------------------------------------------------------------------------------

local load = { sessions = {}, stop = false, count = 0, log = {} }

-- Carries out one request; its record has how it went.
local function record(kind, fn, ...)
  local entry = { kind = kind, began = hunt.now() }
  local ok, result, err, status = pcall(fn, ...)
  entry.ended = hunt.now()
  entry.ok = ok and result ~= nil
  entry.text = not ok and tostring(result) or type(err) == "table" and err.message
  entry.code, entry.status = type(err) == "table" and err.code, status
  entry.result = ok and result
  load.log[#load.log + 1] = entry
  return entry
end

-- A call of a tool without a session.
local function stateless(all, i, name, arguments)
  all.last = all.last + 1
  local status, answer = all:post(i, { id = all.last, method = "tools/call",
    params = { name = name, arguments = arguments, _meta = helper.envelope() } },
    { ["MCP-Protocol-Version"] = several.STATELESS, ["Mcp-Method"] = "tools/call",
      ["Mcp-Name"] = name })
  return answer and answer.result, answer and answer.error, status
end

local function work(all, i, sid)
  load.count = load.count + 1
  local key = ("c%d"):format(load.count)
  if sid then return record("session", all.call, all, i, sid, "work", { key = key }) end
  return record("stateless", stateless, all, i, "work", { key = key })
end

local function open_session(all, i)
  return record("initialize", function()
    local result, err, status, response = all:request(i, "initialize", {
      protocolVersion = several.LATEST, capabilities = {},
      clientInfo = { name = "hunt", version = "1" } })
    return result and response:header "mcp-session-id" or nil, err, status
  end)
end

local function drive(all)
  while not load.stop do
    local dice, i = math.random(10), math.random(2)
    if dice <= 4 then
      work(all, i, load.sessions[math.random(#load.sessions)].sid)
    elseif dice <= 8 then
      work(all, i)
    elseif dice == 9 then
      record("count", stateless, all, i, "count", {})
    else
      local entry = open_session(all, i)
      if entry.ok then pcall(all.delete, all, i, entry.result) end
    end
    core.sleep(0.1 * math.random())
  end
end

-- Runs `fn` under load; what was recorded meanwhile, by kind.
local function under_load(all, fn)
  load.stop, load.log = false, {}
  local tasks = core.waiter()
  for _ = 1, 20 do tasks:spawn(drive, all) end
  fn()
  load.stop = true
  tasks:wait()
  return load.log
end

-- --- the judgement -------------------------------------------------------------------------------

-- What may need the store, and fail while that is away.
local NEEDS = { initialize = true, count = true }

-- `away`: { from, to }: between these the store could not be reached.
local function judge(h, what, log, away, forgotten)
  local out = { calls = 0, refused = 0, slowest = 0, forgotten = 0, counted = 0, uncounted = 0 }
  for _, entry in ipairs(log) do
    out.calls = out.calls + 1
    local took = entry.ended - entry.began
    local during = away and entry.ended >= away[1] and entry.began <= away[2] + BACK
    if entry.kind == "count" then
      out.counted = out.counted + (entry.ok and 1 or 0)
      out.uncounted = out.uncounted + (entry.ok and 0 or 1)
    end
    if not entry.ok then
      if forgotten and entry.status == 404 then
        out.forgotten = out.forgotten + 1
      else
        out.refused = out.refused + 1
        h:check(NEEDS[entry.kind] and during, "%s: %s failed: %s (%s)", what, entry.kind,
          entry.text, entry.code or entry.status)
        h:check(entry.kind == "count" or entry.status == 503 and entry.code == -32000,
          "%s: %s failed with %s, status %s", what, entry.kind, entry.code, entry.status)
        out.slowest = math.max(out.slowest, took)
      end
    end
    h:check(took <= WAIT + LATE, "%s: %s took %.1f s", what, entry.kind, took)
  end
  return out
end

local function check_notes(h, what, path)
  local seen = {}
  for key in io.lines(path) do
    h:check(not seen[key], "%s: call %s was done twice", what, key)
    seen[key] = true
  end
end

-- --- streams -------------------------------------------------------------------------------------

-- Reads the stream of a session for as long as there is one, and counts its notices.
local function listen(all, session, i)
  local opened, stream = pcall(all.get, all, i, session.sid)
  if not opened or stream.status ~= 200 then return false end
  session.stream, session.notices = stream, 0
  core.spawn(function()
    while true do
      local message = stream:next(3600)
      if not message then break end
      if message.method then session.notices = session.notices + 1 end
    end
    session.stream = nil
  end)
  return true
end

local function check_notices(h, what, make_change)
  for _, session in ipairs(load.sessions) do session.notices = 0 end
  make_change()
  local function missing()
    local count = 0
    for _, session in ipairs(load.sessions) do
      if session.notices == 0 then count = count + 1 end
    end
    return count
  end
  h:check(hunt.wait(BACK + 4, function() return missing() == 0 end), "%s: %d streams got nothing",
    what, missing())
  core.sleep(hunt.shallow and 0.3 or 1)
  local twice = 0
  for _, session in ipairs(load.sessions) do
    twice = twice + (session.notices > 1 and 1 or 0)
  end
  h:check(twice == 0, "%s: %d streams got a change twice", what, twice)
end

local function start(url, notes)
  local server = support.start("{}", { script = SCRIPT, words = { "--http", "127.0.0.1:0",
    "--ready", "--store", url }, env = { "MCP_LOG=off", "HUNT_NOTES=" .. notes } })
  server.port = math.tointeger(tonumber((server:wait_said "at http://[^%s]-:(%d+)/")))
  return server
end

local function is_ready(server)
  local answer = mcp.fetch(("http://127.0.0.1:%d/readyz"):format(server.port), { timeout = 3 })
  return answer and answer.status == 200
end

local function all_ready(servers)
  return is_ready(servers[1]) and is_ready(servers[2])
end

-- Sessions that both processes know, each with its stream at one of them.
local function open_sessions(h, all, number)
  load.sessions = {}
  for n = 1, number do
    local i = n % 2 + 1
    local sid = all:session(i, 3 - i)
    local session = { sid = sid }
    load.sessions[n] = session
    for j = 1, 2 do assert(all:call(j, sid, "work", { key = ("s%s%d"):format(sid, j) })) end
    h:check(listen(all, session, i), "the stream of a session was not opened")
  end
end

local function change(all, i) assert(all:call(i, load.sessions[1].sid, "change")) end

local function stay() core.sleep(hunt.shallow and 0.5 or 5) end

local function hunt_them(h, all, servers, redis, notes)
  local number = hunt.depth(100, 10)
  h:check(hunt.wait(10, function() return all_ready(servers) end), "not ready at first")
  open_sessions(h, all, number)
  check_notices(h, "before", function() change(all, 1) end)
  local calm = judge(h, "before", under_load(all, stay))

  -- Stopped, and back.
  local away = {}
  local frozen = under_load(all, function()
    away[1] = hunt.now()
    redis:freeze()
    core.sleep(hunt.shallow and 2.5 or 5)
    redis:thaw()
    away[2] = hunt.now()
    h:check(hunt.wait(BACK, function() return all_ready(servers) end), "not ready again")
    h:figure("ready again %.1f s after a partition", hunt.now() - away[2])
    core.sleep(1)
  end)
  local stopped = judge(h, "stopped", frozen, away)
  h:check(stopped.refused > 0, "nothing was refused while Redis was stopped")
  -- What has succeeded was counted, and what has failed at most once.
  local total = assert(tonumber((all:call(1, load.sessions[1].sid, "count"))))
  local least = calm.counted + stopped.counted + 1
  h:check(total >= least and total <= least + stopped.uncounted, "%d counted, expected %d to %d",
    total, least, least + stopped.uncounted)
  check_notices(h, "stopped", function() change(all, 2) end)
  -- A change while it is away reaches the streams of the other process afterwards.
  check_notices(h, "changed while stopped", function()
    redis:freeze()
    core.sleep(WAIT + 1)
    change(all, 1)
    core.sleep(0.5)
    redis:thaw()
  end)
  h:figure("%d sessions; stopped for %.1f s: %d calls, %d refused within %.1f s, 0 of the "
    .. "others failed, 0 sessions lost", number, away[2] - away[1], stopped.calls,
    stopped.refused, stopped.slowest)
  h:check(hunt.wait(BACK, function() return all_ready(servers) end), "not ready again")

  -- Killed, and started with nothing in it.
  local strangers = {}
  for n = 1, 10 do strangers[n] = all:session(1, 1) end
  local killed = under_load(all, function()
    away = { hunt.now() }
    redis:kill()
    core.sleep(hunt.shallow and 0.5 or 3)
    redis:start()
    away[2] = hunt.now()
    h:check(hunt.wait(BACK, function() return all_ready(servers) end), "not ready after a restart")
    core.sleep(1)
  end)
  local restarted = judge(h, "restarted", killed, away, true)
  local kept, gone = 0, 0
  for _, session in ipairs(load.sessions) do
    local text, _, status = all:call(math.random(2), session.sid, "work", { key = "r" ..
      session.sid })
    kept, gone = kept + (text and 1 or 0), gone + (status == 404 and 1 or 0)
    if session.stream then session.stream:close() end
  end
  -- Those of which only the other process knows.
  for _, sid in ipairs(strangers) do
    local text, _, status = all:call(2, sid, "work", { key = "s" .. sid })
    kept, gone = kept + (text and 1 or 0), gone + (status == 404 and 1 or 0)
  end
  number = number + #strangers
  h:check(kept + gone == number, "%d of %d sessions neither go on nor are said to be gone",
    number - kept - gone, number)
  open_sessions(h, all, number - #strangers)
  check_notices(h, "restarted", function() change(all, 1) end)
  local after = judge(h, "after", under_load(all, stay))
  h:figure("restarted with nothing: %d calls, %d refused within %.1f s, %d answered 404; "
    .. "%d sessions went on, %d were gone; %d calls afterwards, 0 failed", restarted.calls,
    restarted.refused, restarted.slowest, restarted.forgotten, kept, gone, after.calls)
  check_notes(h, "all", notes)
end

hunt.run("redis", function(h)
  if not redis_server.is_there() then
    return h:figure("left out: redis-server or hiredis is not installed")
  end
  local notes = os.tmpname()
  local _ <close> = setmetatable({}, { __close = function() os.remove(notes) end })
  mcp.run(function()
    local redis = redis_server.start()
    local ended <close> = setmetatable({}, { __close = function() redis:close() end }) -- luacheck: ignore
    local servers = { start(redis.unix_url, notes), start(redis.unix_url, notes) }
    local all = several.open(0, function() end)
    all.ports = { servers[1].port, servers[2].port }
    all.pool = core.http_pool { connections = 2000 }
    hunt_them(h, all, servers, redis, notes)
    all.pool:close()
  end)
end)
