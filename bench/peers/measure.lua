-- SPDX-License-Identifier: MIT
-- measure: the same calls to each server in turns, round by round in one run. A server that fails
-- leaves its place in that part empty and its reason in `failures`; the others go on.

local kit = require "bench.kit" -- first: it says where drive is
local drive = require "drive"

local measure = { failures = {} }

local CONNS = kit.option("CONNS", "16,64,256")
local STREAMS = kit.whole("STREAMS", kit.quick and 200 or 1000)
local STARTS = kit.whole("STARTS", kit.quick and 3 or 5)

measure.conns = {}
for count in CONNS:gmatch "%d+" do measure.conns[#measure.conns + 1] = math.tointeger(count) end
measure.streams, measure.starts = STREAMS, STARTS

-- An answer has another size when it is another answer; ids of events grow by a digit or two.
local SAME_SIZE = 0.05
-- Streams after which what grows only once has grown; with 1,000 more they are less than the 1,024
-- subscriptions that some allow.
local FIRST = 20
local TURNS, LONGEST = 3, 8 -- answers to each connection; seconds

local function say(format, ...)
  io.stderr:write(format:format(...), "\n")
end

-- f(side) for each side that has not failed in this part, nor at this `step` of it.
local function each(part, sides, f, step)
  for _, side in ipairs(sides) do
    if not side.failed and not (step and side.failed_at == step) then
      local ok, message = pcall(f, side)
      if not ok then
        message = tostring(message):gsub("%s+", " "):sub(1, 300)
        if step and side.server.child:alive() then
          side.failed_at = step
        else
          side.failed = message
        end
        local name = step and ("%s, %s"):format(part, step) or part
        say("%s: %s: %s", name, side.id, message)
        local failures = measure.failures
        failures[#failures + 1] = { part = name, title = side.title, reason = message }
      end
    end
  end
end

-- The sides in an order that moves by one with each round.
local function turned(sides, by)
  local list = {}
  for i = 1, #sides do list[i] = sides[(i + by - 2) % #sides + 1] end
  return list
end

local function sides_of(servers)
  local sides = {}
  for i, it in ipairs(servers) do sides[i] = setmetatable({}, { __index = it }) end
  return sides
end

local ERAS = {
  http = { title = "2026-07-28", headers = kit.modern_headers,
    body = kit.call(kit.text, kit.meta) },
  session = { title = "sessions", headers = kit.open_session, body = kit.call(kit.text) },
}

-- The whole answer to one call, checked.
local function answer(side, era)
  local body = era.body:gsub("__ID__", "1000000")
  local raw = kit.once(side.server.port, "POST", side.headers, body, "tools/call")
  if not (raw:find(kit.text, 1, true) and raw:find("1000000", 1, true)) then
    error("tools/call was answered with: " .. raw:sub(1, 300), 0)
  end
  return raw
end

---Calls over HTTP: `mode` is "http" for the stateless revision, "session" for sessions.
---@param servers table[] the first is luamcp, whose answer the limit sends
---@return table figures by id: list of samples for each number of connections, kilobytes
function measure.http(mode, servers)
  local era, sides, figures = ERAS[mode], sides_of(servers), {}
  local title = "HTTP, " .. era.title
  local body = kit.save("peer.body", era.body)
  each(title, sides, function(side)
    side.server = kit.start(side[mode])
    side.headers = era.headers(side.server.port)
    side.size = #answer(side, era)
    drive.sleep(0.3)
    figures[side.id] = { idle = side.server.child:rss() }
  end)
  local first = sides[1]
  if first.failed then error("luamcp: " .. first.failed, 0) end
  local limit = { id = "limit", title = "bare limit", headers = first.headers, size = first.size }
  limit.server = kit.bare("raw", kit.record("peer", first.server.port, first.headers, era.body))
  figures.limit, sides[#sides + 1] = {}, limit
  -- What compiles while it runs does so before it is measured.
  each(title, sides, function(side)
    side.rate = kit.wrk(side.server, 16, body, side.headers, 1).rate
  end)
  for _, conns in ipairs(measure.conns) do
    local step = conns .. " connections"
    for round = 1, kit.rounds do
      each(title, turned(sides, round), function(side)
        -- A slow server answers each connection a few times, too.
        local seconds = math.max(kit.seconds, math.min(LONGEST, TURNS * conns // side.rate))
        local sample = kit.wrk(side.server, conns, body, side.headers, seconds)
        side.rate = sample.rate
        local size = sample.bytes / sample.requests
        if math.abs(size / side.size - 1) > SAME_SIZE then
          error(("answers have %.0f bytes, one that was checked has %d"):format(size, side.size), 0)
        end
        local list = figures[side.id][conns] or {}
        figures[side.id][conns], list[#list + 1] = list, sample
      end, step)
    end
    for _, side in ipairs(sides) do
      if side.failed_at == step then figures[side.id][conns] = nil end
    end
    say("%s, %s: measured", title, step)
  end
  each(title, sides, function(side)
    if side ~= limit then answer(side, era) end
    figures[side.id].loaded = side.server.child:rss()
  end)
  for _, side in ipairs(sides) do
    if side.server then kit.stop(side.server) end
    if side.failed then figures[side.id] = nil end
  end
  return figures
end

---Calls over stdio in a session: one at a time, and as many as the server takes.
---@return table figures by id: { ping = samples, flood = samples }
function measure.stdio(servers)
  local sides, figures = sides_of(servers), {}
  local body = kit.call(kit.text)
  local request = body:gsub("__ID__", "1000000") .. "\n"
  local function check(side)
    local said = side.child:ask(request)
    if not (said:find(kit.text, 1, true) and said:find("1000000", 1, true)) then
      error("tools/call was answered with: " .. said:sub(1, 300), 0)
    end
    return said
  end
  each("stdio", sides, function(side)
    side.child = kit.spawn_stdio(side.stdio)
    kit.handshake(side.child)
    side.line = check(side)
  end)
  local limit = { id = "limit", title = "bare loop" }
  limit.child = kit.spawn_stdio(kit.build .. "/bench/echo raw "
    .. kit.save("peer.line", sides[1].line))
  sides[#sides + 1] = limit
  each("stdio", sides, function(side)
    figures[side.id] = { ping = {}, flood = {} }
    side.child:ping(body, 0.5)
  end)
  for _, how in ipairs { "ping", "flood" } do
    for round = 1, kit.rounds do
      each("stdio", turned(sides, round), function(side)
        local child = side.child
        local sample = kit.measure(child, function()
          return child[how](child, body, kit.seconds)
        end)
        if sample.broken > 0 then error(sample.broken .. " answers are errors", 0) end
        figures[side.id][how][round] = sample
      end)
    end
  end
  each("stdio", sides, function(side)
    if side ~= limit then check(side) end
  end)
  for _, side in ipairs(sides) do
    if side.child then side.child:stop() end
    if side.failed then figures[side.id] = nil end
  end
  say "stdio: measured"
  return figures
end

---Milliseconds from exec to the first answer.
---@return table figures by id: { stdio = list, http = list }
function measure.start(servers)
  local sides, figures = sides_of(servers), {}
  for _, side in ipairs(sides) do figures[side.id] = { stdio = {}, http = {} } end
  -- One more that does not count: files and compiled modules are then in the system's cache.
  for round = 0, STARTS do
    each("start", turned(sides, round), function(side)
      local mine = figures[side.id]
      mine.stdio[round] = kit.start_of_stdio(side.stdio)
      mine.http[round] = kit.start_of_http(side.session)
    end)
  end
  for _, side in ipairs(sides) do
    if side.failed then figures[side.id] = nil end
  end
  say "start: measured"
  return figures
end

local LISTEN = [[{"jsonrpc":"2.0","id":%d,"method":"subscriptions/listen","params":]]
  .. [[{"notifications":{"toolsListChanged":true},"_meta":%s}}]]

-- Streams of subscriptions/listen, each on a connection of its own.
local function open_listens(server, count)
  local fds = {}
  for i = 1, count do
    local fd = assert(drive.connect(server.port))
    local body = LISTEN:format(i, kit.meta)
    drive.send(fd, ("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n%s\r\n%s\r\n%s\r\n"
      .. "Content-Length: %d\r\n\r\n%s"):format(server.port, kit.accept, kit.json,
      "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen", #body, body))
    local raw = ""
    repeat
      local more = drive.receive(fd)
      raw = raw .. (more or "")
      if not more or raw:find '"error":' then
        error("subscriptions/listen was answered with: "
          .. (raw:match "\r\n\r\n(.*)" or raw):sub(1, 200), 0)
      end
    until raw:find("acknowledged", 1, true)
    fds[i] = fd
  end
  return fds
end

local function has_ended(fd)
  local raw = ""
  while true do
    local more = drive.pending(fd)
    if not more then return true end
    if more == "" then return raw:sub(-5) == "0\r\n\r\n" end
    raw = raw .. more
  end
end

-- Kilobytes of each of so many streams of a server that has nothing else to do.
local function cost_of_streams(command, open)
  local server = kit.start(command)
  local first = open(server, FIRST)
  drive.sleep(0.3)
  local before = server.child:rss()
  local fds = open(server, STREAMS)
  drive.sleep(0.5)
  local kb = (server.child:rss() - before) / STREAMS
  for _, list in ipairs { first, fds } do
    for _, fd in ipairs(list) do
      if has_ended(fd) then error("a stream has ended", 0) end
      drive.close(fd)
    end
  end
  kit.stop(server)
  return kb
end

---Kilobytes of an idle stream.
---@return table figures by id: { session = kilobytes, listen = kilobytes }
function measure.idle_streams(servers)
  local sides, figures = sides_of(servers), {}
  for _, side in ipairs(sides) do figures[side.id] = {} end
  each("streams of sessions", sides, function(side)
    figures[side.id].session = cost_of_streams(side.session, function(server, count)
      return kit.open_streams(server, count, true)
    end)
  end)
  sides = sides_of(servers)
  each("subscriptions/listen", sides, function(side)
    figures[side.id].listen = cost_of_streams(side.http, open_listens)
  end)
  say "streams: measured"
  return figures
end

return measure
