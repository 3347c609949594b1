-- SPDX-License-Identifier: MIT
-- kit: what bench/run.lua and bench/peers share: settings, the messages that are sent, servers that
-- are started and stopped, loads and what /proc says beside them. It knows no server by name and
-- prints nothing. It talks to 127.0.0.1 only and ends only what it started.

local build = os.getenv "BUILD" or "build"
package.cpath = build .. "/bench/?.so;" .. package.cpath
local drive = require "drive"
local machine = require "bench.machine"
local messages = require "bench.messages"
local numbers = require "bench.figures"
local settings = require "bench.settings"

local option, whole = settings.option, settings.whole

local QUICK = option("QUICK", "") ~= ""
local ROUNDS = whole("ROUNDS", QUICK and 1 or 3)
local SECONDS = whole("SECONDS", QUICK and 1 or 2, "wrk measures whole seconds")

local out = build .. "/bench/"
local log = out .. "servers.log"
local cores = drive.cores()
local SERVER_CORE = cores > 1 and 0 or nil
if cores > 1 then drive.pin(1) end -- wrk inherits it

-- -- small things ------------------------------------------------------------

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

local function save(name, text)
  local file = assert(io.open(out .. name, "wb"))
  file:write(text)
  file:close()
  return out .. name
end

-- -- messages ----------------------------------------------------------------

local TEXT, META = messages.TEXT, messages.META
local INITIALIZE, INITIALIZED = messages.INITIALIZE, messages.INITIALIZED

local function call(text, meta)
  return ([[{"jsonrpc":"2.0","id":__ID__,"method":"tools/call","params":]]
    .. [[{"name":"echo","arguments":{"text":"%s"}%s}}]]):format(text,
    meta and [[,"_meta":]] .. meta or "")
end

local LIST = [[{"jsonrpc":"2.0","id":__ID__,"method":"tools/list","params":{}}]]

-- 100 KB as a model would send them: mostly plain, an escape in each line.
local function long_text(size)
  local line = [[a line of text with \"quotes\" and a tail of plain words in it,\n]]
  return line:rep(size // #line)
end

local JSON = "Content-Type: application/json"
local ACCEPT = "Accept: application/json, text/event-stream"

-- -- HTTP --------------------------------------------------------------------

-- One request on an open connection; the whole response as it came.
local function exchange(fd, verb, port, headers, body)
  drive.send(fd, ("%s /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n%s\r\n%s"):format(verb, port,
    table.concat(headers, "\r\n"),
    body and ("Content-Length: %d\r\n"):format(#body) or "", body or ""))
  local raw = ""
  while true do
    local from, to = raw:find("\r\n\r\n", 1, true)
    if from then
      local head = raw:sub(1, from + 1):lower()
      local size = head:match "\r\ncontent%-length: *(%d+)"
      if size and #raw >= to + size then return raw:sub(1, to + math.tointeger(size)) end
      if not size and (verb == "GET" or head:match "^http/1.1 20[24]") then return raw end
      if not size and raw:sub(-5) == "0\r\n\r\n" then return raw end
    end
    local more = drive.receive(fd)
    if not more then return raw end
    raw = raw .. more
  end
end

local function expect(raw, what)
  if raw:find "^HTTP/1.1 2%d%d" and not raw:find('"error":', 1, true)
    and not raw:find('"isError":true', 1, true) then
    return raw
  end
  error(("%s was answered with: %s"):format(what, raw:sub(1, 300)), 0)
end

local function once(port, verb, headers, body, what)
  local fd = assert(drive.connect(port), "the server does not listen")
  local raw = expect(exchange(fd, verb, port, headers, body), what)
  drive.close(fd)
  return raw
end

local START_SECONDS = 30 -- an interpreter loads its modules on a busy machine

-- `command` is a text, or a list of words.
local function start(command, env)
  local port = drive.free_port()
  local list = {}
  for i, word in ipairs(type(command) == "table" and command or words(command)) do
    list[i] = word:gsub("{port}", tostring(port))
  end
  local child = drive.spawn(list, { core = SERVER_CORE, env = env, log = log })
  return machine.await({ child = child, port = port }, list, log, START_SECONDS)
end

local function stop(...)
  for _, server in ipairs { ... } do
    if server.child then server.child:stop() else server:stop() end
  end
end

-- A session, where the server gives one: the headers that belong to it.
local function open_session(port)
  local raw = once(port, "POST", { ACCEPT, JSON }, INITIALIZE, "initialize")
  local id = raw:match "[Mm][Cc][Pp]%-[Ss]ession%-[Ii][Dd]: *([^\r\n]+)"
  local headers = { ACCEPT, JSON, "MCP-Protocol-Version: 2025-11-25" }
  if id then
    headers[#headers + 1] = "Mcp-Session-Id: " .. id
    once(port, "POST", headers, INITIALIZED, "notifications/initialized")
  end
  return headers
end

local function modern_headers()
  return { ACCEPT, JSON, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call",
    "Mcp-Name: echo" }
end

-- What the server answers to a body, for the bare limit to send the same.
local function record(name, port, headers, body)
  local raw = once(port, "POST", headers, (body:gsub("__ID__", "1000000")), name)
  if body:find("tools/call", 1, true) and not raw:find('"text":"', 1, true) then
    error(name .. " was answered without text: " .. raw:sub(1, 300), 0)
  end
  return save(name .. ".answer", raw)
end

local function bare(mode, file)
  return start(("%sbench/limit {port} %s %s"):format(build .. "/", mode, file))
end

-- -- samples -----------------------------------------------------------------

local foreign = {} -- the share of the machine that others took, a sample each
local SHAKY = 0.1 -- more than this, and a rate says little

-- Runs `load` against a child and adds to its figures what only /proc knows.
local function measure(child, load)
  local before, mine, cpu, begun = machine.busy(), drive.own_cpu(), child:cpu(), drive.now()
  local figures = load()
  local spent = child:cpu() - cpu
  local took = drive.now() - begun
  figures.cpu = figures.cpu or spent
  figures.rate = figures.requests / figures.seconds
  figures.cost = figures.cpu / figures.requests
  figures.use = figures.cpu / figures.seconds
  local others = machine.busy() - before - (drive.own_cpu() - mine) - spent
  figures.foreign = math.max(0, others) / took / cores
  foreign[#foreign + 1] = figures.foreign
  return figures
end

local function read_load(said)
  local figures = {}
  for key, value in (said:match "load [^\n]+" or ""):gmatch "(%w+)=([%d.]+)" do
    figures[key] = tonumber(value)
  end
  return figures
end

local have_wrk = os.execute "command -v wrk >/dev/null"

-- A program that is the load, and says so in a line.
local function load_by(program, server, format, ...)
  local command = format:format(...)
  return measure(server.child, function()
    local pipe = assert(io.popen(command .. " 2>&1"))
    local said = pipe:read "a"
    pipe:close()
    local figures = read_load(said)
    if not figures.requests or figures.requests == 0 then
      error(program .. " says: " .. said, 0)
    end
    figures.broken = figures.broken + figures.refused
    return figures
  end)
end

local function quote(headers)
  local quoted = {}
  for i, header in ipairs(headers) do quoted[i] = "'" .. header .. "'" end
  return table.concat(quoted, " ")
end

local function wrk(server, conns, body, headers, seconds)
  return load_by("wrk", server, "wrk -t1 -c%d -d%ds --latency --timeout 10s -s bench/load.lua "
    .. "%s://127.0.0.1:%d/mcp -- %s %s", conns, seconds or SECONDS, server.scheme or "http",
    server.port, body, quote(headers))
end

-- The same where wrk cannot go: `place` is a port or a socket file.
local function talk(server, how, place, conns, body, headers)
  return load_by("talk", server, "%sbench/talk %s %s %d %d %s %s", build .. "/", how, place,
    conns, SECONDS, body, quote(headers))
end

-- Each side in turn, ROUNDS times; a side is a function that gives figures.
local function interleave(sides)
  local samples = {}
  for name in pairs(sides) do samples[name] = {} end
  local names = {}
  for name in pairs(sides) do names[#names + 1] = name end
  table.sort(names)
  for _ = 1, ROUNDS do
    for _, name in ipairs(names) do
      samples[name][#samples[name] + 1] = sides[name]()
    end
  end
  return samples
end

-- -- pipes -------------------------------------------------------------------

local function spawn_stdio(command)
  return drive.spawn(words(command), { core = SERVER_CORE, pipes = true, log = log })
end

local function handshake(child)
  local answer = child:ask(INITIALIZE .. "\n")
  if not answer:find('"result"', 1, true) then
    error("initialize was answered with: " .. answer:sub(1, 300), 0)
  end
  child:ask(INITIALIZED .. "\n", 0)
end

-- -- starts and streams --------------------------------------------------------

-- Milliseconds from exec to the answer to initialize.
local function start_of_stdio(command)
  local child <close> = spawn_stdio(command)
  child:ask(INITIALIZE .. "\n")
  return (drive.now() - child:born()) * 1000
end

local function start_of_http(command)
  local port = drive.free_port()
  local child <close> = drive.spawn(words((command:gsub("{port}", tostring(port)))),
    { core = SERVER_CORE, log = log })
  local fd
  repeat
    fd = drive.connect(port)
    if not fd then
      if not child:alive() then error("the server ended at its start, see " .. log, 0) end
      drive.sleep(0.0001)
    end
  until fd
  expect(exchange(fd, "POST", port, { ACCEPT, JSON }, INITIALIZE), "initialize")
  drive.close(fd)
  return (drive.now() - child:born()) * 1000
end

-- Event streams that stay open, each of a session of its own or of none.
local function open_streams(server, count, session)
  local open_ones = {}
  for i = 1, count do
    local own = { "Accept: text/event-stream" }
    if session then
      local all = open_session(server.port)
      table.move(all, 3, #all, 2, own)
    end
    local fd = assert(drive.connect(server.port))
    expect(exchange(fd, "GET", server.port, own), "GET")
    open_ones[i] = fd
  end
  return open_ones
end

return {
  build = build, out = out, log = log, option = option, whole = whole, quick = QUICK,
  rounds = ROUNDS, seconds = SECONDS, cores = cores, server_core = SERVER_CORE, shaky = SHAKY,
  foreign = foreign, accept = ACCEPT, json = JSON, text = TEXT, meta = META, list = LIST,
  initialize = INITIALIZE,
  words = words, save = save,
  median = numbers.median, pick = numbers.pick, ratio = numbers.ratio,
  thousands = numbers.thousands,
  call = call, long_text = long_text, exchange = exchange, expect = expect, once = once,
  start = start, stop = stop, open_session = open_session, modern_headers = modern_headers,
  record = record, bare = bare, measure = measure, read_load = read_load, have_wrk = have_wrk,
  wrk = wrk, talk = talk, interleave = interleave, spawn_stdio = spawn_stdio,
  handshake = handshake, start_of_stdio = start_of_stdio, start_of_http = start_of_http,
  open_streams = open_streams,
}
