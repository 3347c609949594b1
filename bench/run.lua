-- SPDX-License-Identifier: MIT
-- make bench: measures the server side by side with the bare limit, round by
-- round in one run, and prints ratios against the budgets. README.md beside
-- this file says what is compared with what, and how to read the table.
-- It talks to 127.0.0.1 only and ends only what it started.

local kit = require "bench.kit"
local drive = require "drive"
local build, out, log, cores = kit.build, kit.out, kit.log, kit.cores
local option, median, pick, words = kit.option, kit.median, kit.pick, kit.words
local save, thousands, ratio, interleave = kit.save, kit.thousands, kit.ratio, kit.interleave
local call, once = kit.call, kit.once
local start, stop, bare, record = kit.start, kit.stop, kit.bare, kit.record
local open_session, modern_headers = kit.open_session, kit.modern_headers
local measure, read_load, wrk, talk = kit.measure, kit.read_load, kit.wrk, kit.talk
local spawn_stdio, handshake, open_streams = kit.spawn_stdio, kit.handshake, kit.open_streams
local TEXT, META, LIST = kit.text, kit.meta, kit.list
local QUICK, ROUNDS, SECONDS = kit.quick, kit.rounds, kit.seconds
local SERVER_CORE, SHAKY = kit.server_core, kit.shaky

local CONNS = option("CONNS", "16,64,256")
local ONLY = option("ONLY", "")
local STRICT = option("STRICT", "") ~= ""
local STREAMS = kit.whole("STREAMS", QUICK and 300 or 1000)
local STARTS = kit.whole("STARTS", QUICK and 7 or 21)
local PROGRAM = option("PROGRAM", build .. "/luamcp")
-- Another luamcp, an older one say: the part "program" compares the two.
local OTHER = option("OTHER", "")
-- Any other server can be put to the same test.
local SERVER_HTTP =
  option("SERVER_HTTP", PROGRAM .. " run bench/server.lua --http 127.0.0.1:{port}")
local SERVER_STDIO = option("SERVER_STDIO", PROGRAM .. " run bench/server.lua --stdio")

-- -- the table ---------------------------------------------------------------

local misses, broken_rows, judged, rows = 0, 0, 0, 0
local COLUMNS = "  %-34s %12s %12s %8s %9s  %s"

local function heading(title, ours, other)
  io.write("\n", COLUMNS:format(title, ours or "ours", other or "bare", "ratio", "budget", ""),
    "\n")
  io.flush()
end

-- figure: what is judged; at_least or at_most: its budget (or neither)
local function row(name, t)
  rows = rows + 1
  local verdict = ""
  if t.at_least or t.at_most then
    judged = judged + 1
    local ok = t.at_least and t.figure >= t.at_least or t.at_most and t.figure <= t.at_most
    verdict = ok and "pass" or "MISS"
    if not ok then misses = misses + 1 end
  end
  local budget = t.at_least and ">= " .. t.budget or t.at_most and "<= " .. t.budget or "-"
  io.write((COLUMNS:format(name, t.ours, t.other or "", t.shown or "", budget,
    verdict .. (t.note and "  " .. t.note or "")):gsub(" +$", "")), "\n")
  io.flush()
end

-- A row that cannot be measured is shown as such and does not end the run.
local function attempt(name, f, ...)
  local ok, message = pcall(f, ...)
  if ok then return true end
  broken_rows = broken_rows + 1
  io.write(("  %-34s BROKEN: %s\n"):format(name, tostring(message):gsub("%s+$", "")))
  io.flush()
  return false
end

-- Which ratio tells the truth: where the bare limit leaves its core idle the
-- load is the bottleneck, and only the cost of a request can be compared. A
-- server that idles itself and still is slow, though, is stalling (unless others
-- took its core).
local function score(ours, other)
  local by_rate, by_cpu = ratio(ours, other, "rate"), ratio(other, ours, "cost")
  local judge, by = by_rate, "rate"
  if median(pick(other, "use")) < 0.95 then judge, by = by_cpu, "cpu" end
  if median(pick(ours, "use")) < 0.8 and median(pick(ours, "foreign")) < SHAKY
    and by_rate < judge then
    judge, by = by_rate, "rate"
  end
  return judge, ("by %s (cpu %.2f, rate %.2f)"):format(by, by_cpu, by_rate)
end

local function trouble(ours, other)
  local broken = 0
  for _, figures in ipairs(ours) do broken = broken + (figures.broken or 0) end
  if broken > 0 then return (", %d BROKEN answers"):format(broken) end
  -- The bare limit sends the recorded answer; another size is another answer.
  if other and ours[1].bytes then
    local size = ratio(ours, other, "bytes") / ratio(ours, other, "requests")
    if size < 0.98 or size > 1.02 then
      return (", answers differ in size: %.2f"):format(size)
    end
  end
  return ""
end

local function row_of_rates(name, ours, other, budget, extra)
  local judge, note = score(ours, other)
  local p99 = ours[1].p99 and (", p99 %.1f ms"):format(median(pick(ours, "p99")) / 1000) or ""
  row(name, { ours = thousands(median(pick(ours, "rate"))) .. "/s",
    other = thousands(median(pick(other, "rate"))) .. "/s",
    shown = ("%.2f"):format(judge), figure = judge, at_least = budget,
    budget = ("%.2f"):format(budget), note = note .. p99 .. trouble(ours, extra or other) })
end

local parts = {}
local function part(name, f) parts[#parts + 1] = { name = name, run = f } end

local function wanted(name)
  if ONLY == "" then return true end
  for word in ONLY:gmatch "[^|]+" do
    if name:find(word) then return true end
  end
  return false
end

local function needs_wrk()
  if not kit.have_wrk then error("wrk is not installed: scripts/deps bench", 0) end
end

-- -- what is measured --------------------------------------------------------

local function http_part(title, headers_of, body)
  needs_wrk()
  heading(title)
  local ours = start(SERVER_HTTP)
  local headers = headers_of(ours.port)
  local file = save("call.body", body)
  local limit = bare("raw", record("call", ours.port, headers, body))
  if not QUICK then wrk(ours, 64, file, headers, 1) end
  for conns in CONNS:gmatch "%d+" do
    local name = conns .. " connections"
    attempt(name, function()
      local samples = interleave {
        ours = function() return wrk(ours, conns, file, headers) end,
        other = function() return wrk(limit, conns, file, headers) end,
      }
      row_of_rates(name, samples.ours, samples.other, 0.70)
    end)
  end
  stop(ours, limit)
end

part("http session", function()
  http_part("HTTP tools/call, session", open_session, call(TEXT))
end)

part("http stateless", function()
  http_part("HTTP tools/call, stateless", modern_headers, call(TEXT, META))
end)

part("http list", function()
  needs_wrk()
  heading("HTTP tools/list of 100, 64 conns", "list", "call")
  local ours = start(SERVER_HTTP, { "TOOLS=100" })
  local headers = open_session(ours.port)
  local list, one = save("list.body", LIST), save("call.body", call(TEXT))
  local bare_list = bare("raw", record("list", ours.port, headers, LIST))
  local bare_call = bare("raw", record("call", ours.port, headers, call(TEXT)))
  local samples = interleave {
    list = function() return wrk(ours, 64, list, headers) end,
    call = function() return wrk(ours, 64, one, headers) end,
    bare_list = function() return wrk(bare_list, 64, list, headers) end,
    bare_call = function() return wrk(bare_call, 64, one, headers) end,
  }
  -- What the bytes alone cost is what they cost the bare limit.
  local list_of = {}
  for i = 1, ROUNDS do
    local bytes = samples.bare_list[i].cost - samples.bare_call[i].cost
    list_of[i] = (samples.list[i].cost - bytes) / samples.call[i].cost
  end
  local figure = median(list_of)
  row("cpu of a list / cpu of a call", {
    ours = thousands(median(pick(samples.list, "rate"))) .. "/s",
    other = thousands(median(pick(samples.call, "rate"))) .. "/s",
    shown = ("%.2f"):format(figure), figure = figure, at_most = 1.3, budget = "1.30",
    note = ("less the bytes, %.1f KB; with them %.2f"):format(
      median(pick(samples.list, "bytes")) / median(pick(samples.list, "requests")) / 1024,
      ratio(samples.list, samples.call, "cost")) .. trouble(samples.list, samples.bare_list) })
  stop(ours, bare_list, bare_call)
end)

part("http 100 KB", function()
  needs_wrk()
  heading("HTTP tools/call of 100 KB text", "ours", "Lua + cjson")
  local ours = start(SERVER_HTTP)
  local headers = open_session(ours.port)
  local body = call(kit.long_text(100000))
  local file = save("long.body", body)
  local limit = bare("raw", record("long", ours.port, headers, body))
  local lua = bare("lua", "bench/handler.lua")
  local samples = interleave {
    ours = function() return wrk(ours, 16, file, headers) end,
    limit = function() return wrk(limit, 16, file, headers) end,
    lua = function() return wrk(lua, 16, file, headers) end,
  }
  row_of_rates("16 connections", samples.ours, samples.lua, 3, samples.limit)
  local by_cpu = ratio(samples.limit, samples.ours, "cost")
  row("  beside the limit without Lua", {
    ours = thousands(median(pick(samples.ours, "rate"))) .. "/s",
    other = thousands(median(pick(samples.limit, "rate"))) .. "/s",
    shown = ("%.2f"):format(by_cpu), figure = by_cpu, at_least = 0.5, budget = "0.50",
    note = ("by cpu (rate %.2f)"):format(ratio(samples.ours, samples.limit, "rate")) })
  stop(ours, limit, lua)
end)

part("stdio", function()
  heading("stdio tools/call", "ours", "C / Lua")
  local body = call(TEXT)
  local ours = spawn_stdio(SERVER_STDIO)
  handshake(ours)
  local answer = ours:ask((body:gsub("__ID__", "1000000")) .. "\n")
  if not answer:find(TEXT, 1, true) then
    error("tools/call was answered with: " .. answer:sub(1, 300), 0)
  end
  local raw = spawn_stdio(build .. "/bench/echo raw " .. save("line.answer", answer))
  local lua = spawn_stdio(build .. "/bench/echo lua bench/handler.lua")
  for _, child in ipairs { ours, raw, lua } do child:ping(body, 0.2) end
  local function run(child, how)
    return measure(child, function() return child[how](child, body, SECONDS) end)
  end
  attempt("one at a time", function()
    local samples = interleave {
      ours = function() return run(ours, "ping") end,
      other = function() return run(raw, "ping") end,
    }
    -- One request at a time: this measures latency.
    local by_rate = ratio(samples.ours, samples.other, "rate")
    row("one at a time, beside C", {
      ours = thousands(median(pick(samples.ours, "rate"))) .. "/s",
      other = thousands(median(pick(samples.other, "rate"))) .. "/s",
      shown = ("%.2f"):format(by_rate), figure = by_rate, at_least = 0.9, budget = "0.90",
      note = ("p50 %.0f us, p99 %.0f us"):format(median(pick(samples.ours, "p50")),
        median(pick(samples.ours, "p99"))) .. trouble(samples.ours) })
  end)
  attempt("pipelined", function()
    local samples = interleave {
      ours = function() return run(ours, "flood") end,
      other = function() return run(lua, "flood") end,
    }
    row_of_rates("pipelined, beside Lua + cjson", samples.ours, samples.other, 0.9)
  end)
  stop(ours, raw, lua)
end)

-- -- two programs ------------------------------------------------------------

-- What a change costs: the same calls to PROGRAM and OTHER in turns, by processor time.
part("program", function()
  if OTHER == "" then return end
  heading("beside " .. OTHER, "ours", "other")
  local function compare(name, samples)
    local cost = ratio(samples.ours, samples.other, "cost")
    row(name, { ours = ("%.2f us"):format(median(pick(samples.ours, "cost")) * 1e6),
      other = ("%.2f us"):format(median(pick(samples.other, "cost")) * 1e6),
      shown = ("%.3f"):format(cost), figure = cost, at_most = 1.02, budget = "1.02",
      note = "cpu a call" .. trouble(samples.ours, samples.other) })
  end
  needs_wrk()
  for _, kind in ipairs {
    { "session", open_session, call(TEXT) }, { "stateless", modern_headers, call(TEXT, META) },
  } do
    local name, headers_of, body = table.unpack(kind)
    local ours = start(SERVER_HTTP)
    local other = start(OTHER .. " run bench/server.lua --http 127.0.0.1:{port}")
    local mine, theirs = headers_of(ours.port), headers_of(other.port)
    local file = save("call.body", body)
    attempt(name, function()
      compare(name .. ", 64 connections", interleave {
        ours = function() return wrk(ours, 64, file, mine) end,
        other = function() return wrk(other, 64, file, theirs) end,
      })
    end)
    stop(ours, other)
  end
  local ours = spawn_stdio(SERVER_STDIO)
  local other = spawn_stdio(OTHER .. " run bench/server.lua --stdio")
  handshake(ours)
  handshake(other)
  local function flood(child)
    return function()
      return measure(child, function() return child:flood(call(TEXT), SECONDS) end)
    end
  end
  compare("stdio, pipelined", interleave { ours = flood(ours), other = flood(other) })
  stop(ours, other)
end)

-- -- the other transports ----------------------------------------------------

local function certificate()
  if not os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
    .. "-days 2 -subj /CN=localhost -keyout %skey.pem -out %scert.pem 2>>%s"):format(out, out,
    log)) then
    error("openssl cannot make a certificate, see " .. log, 0)
  end
  return (" --tls-cert %scert.pem --tls-key %skey.pem"):format(out, out)
end

local function start_ours(scheme, more)
  local server = start(("%s run bench/server.lua --http 127.0.0.1:{port}%s"):format(PROGRAM,
    more or ""))
  server.scheme = scheme
  return server
end

part("transports", function()
  needs_wrk()
  heading("tools/call, stateless, 64 conns", "this", "HTTP")
  local path = os.tmpname()
  os.remove(path)
  local plain = start_ours("http", " --unix " .. path)
  local secure = start_ours("https", certificate())
  local headers, body = modern_headers(), save("call.body", call(TEXT, META))
  local function line(name, this, other)
    attempt(name, function()
      local samples = interleave { this = this, other = other }
      -- Loads differ in what they cost themselves, so rates compare little.
      local figure = ratio(samples.other, samples.this, "cost")
      row(name, { ours = thousands(median(pick(samples.this, "rate"))) .. "/s",
        other = thousands(median(pick(samples.other, "rate"))) .. "/s",
        shown = ("%.2f"):format(figure), note = ("by cpu (rate %.2f)"):format(
          ratio(samples.this, samples.other, "rate")) .. trouble(samples.this) })
    end)
  end
  local function by_wrk(server) return function() return wrk(server, 64, body, headers) end end
  local function by_talk(how, place)
    return function() return talk(plain, how, place, 64, body, how == "http" and headers or {}) end
  end
  line("HTTPS", by_wrk(secure), by_wrk(plain))
  line("HTTP over a socket file", by_talk("http", path), by_talk("http", plain.port))
  line("WebSocket", by_talk("websocket", plain.port), by_talk("http", plain.port))
  stop(plain, secure)
  os.remove(path)
end)

part("client", function()
  heading("our client, one call at a time", "ours", "bare loop")
  local plain, bare_stdio = start_ours "http", spawn_stdio(SERVER_STDIO)
  local body, headers = save("call.body", call(TEXT, META)), modern_headers()
  local url = ("127.0.0.1:%d/mcp"):format(plain.port)
  local function client(words_of)
    local child = drive.spawn(words(words_of), { pipes = true, log = log,
      env = { "BUILD=" .. build } })
    child:ask "0\n"
    return child
  end
  local function line(name, command, bare_of)
    attempt(name, function()
      local child <close> = client(command)
      local samples = interleave {
        ours = function()
          return measure(child, function() return read_load(child:ask(SECONDS .. "\n")) end)
        end,
        other = bare_of,
      }
      local figure = ratio(samples.ours, samples.other, "rate")
      row(name, { ours = thousands(median(pick(samples.ours, "rate"))) .. "/s",
        other = thousands(median(pick(samples.other, "rate"))) .. "/s",
        shown = ("%.2f"):format(figure),
        note = ("busy %.0f %% of the time"):format(median(pick(samples.ours, "use")) * 100) })
    end)
  end
  local ours = PROGRAM .. " run bench/client.lua call "
  line("HTTP", ours .. "http://" .. url, function()
    return talk(plain, "http", plain.port, 1, body, headers)
  end)
  line("WebSocket", ours .. "ws://" .. url, function()
    return talk(plain, "websocket", plain.port, 1, body, {})
  end)
  local on_core = SERVER_CORE and ("taskset -c %d "):format(SERVER_CORE) or ""
  line("stdio", ours .. "stdio " .. on_core .. SERVER_STDIO, function()
    return measure(bare_stdio, function()
      return bare_stdio:ping(call(TEXT, META), SECONDS)
    end)
  end)
  local lua <close> = client((os.getenv "LUA" or "lua5.4") .. " bench/client.lua bare")
  line("memory, beside Lua + cjson", ours .. "memory", function()
    return measure(lua, function() return read_load(lua:ask(SECONDS .. "\n")) end)
  end)
  stop(plain, bare_stdio)
end)

part("start", function()
  heading("exec to first answer")
  local function line(name, f, ours, other, budget)
    attempt(name, function()
      local mine, bares = {}, {}
      for i = 1, STARTS do
        mine[i], bares[i] = f(ours), f(other)
      end
      local figure = median(mine)
      row(name, { ours = ("%.1f ms"):format(figure), other = ("%.1f ms"):format(median(bares)),
        shown = ("%.2f"):format(figure / median(bares)), figure = figure, at_most = budget,
        budget = budget and ("%.1f ms"):format(budget) })
    end)
  end
  line("stdio", kit.start_of_stdio, SERVER_STDIO, build .. "/bench/echo lua bench/handler.lua", 4)
  line("HTTP", kit.start_of_http, SERVER_HTTP, build .. "/bench/limit {port} lua bench/handler.lua")
end)

part("memory", function()
  heading("resident memory")
  local ours = start(SERVER_HTTP)
  local lua = bare("lua", "bench/handler.lua")
  local headers = open_session(ours.port)
  local limit = bare("raw", record("call", ours.port, headers, call(TEXT)))
  once(lua.port, "POST", headers, (call(TEXT):gsub("__ID__", "1000000")), "tools/call")
  drive.sleep(0.3)
  attempt("idle server", function()
    local mine, other = ours.child:rss(), lua.child:rss()
    row("idle server", { ours = ("%.2f MB"):format(mine / 1024),
      other = ("%.2f MB"):format(other / 1024), shown = ("%.2f"):format(mine / other),
      figure = mine / 1024, at_most = 4, budget = "4 MB" })
  end)
  local name = ("session + stream, %d open"):format(STREAMS)
  attempt(name, function()
    local function each(server, session)
      local first = open_streams(server, 50, session) -- what grows only once has grown
      drive.sleep(0.3)
      local before = server.child:rss()
      local fds = open_streams(server, STREAMS, session)
      drive.sleep(0.5)
      local kb = (server.child:rss() - before) / STREAMS
      for _, list in ipairs { first, fds } do
        for _, fd in ipairs(list) do drive.close(fd) end
      end
      return kb
    end
    local mine, other = each(ours, true), each(limit, false)
    row(name, { ours = ("%.2f KB"):format(mine), other = ("%.2f KB"):format(other),
      shown = ("%.2f"):format(mine / other), figure = mine, at_most = 2, budget = "2 KB" })
  end)
  stop(ours, lua, limit)
  heading("tools registered, not called", "resident", "Lua's")
  for _, count in ipairs(QUICK and { 5000 } or { 100, 1000, 5000 }) do
    attempt(count .. " tools", function()
      local heaps, sizes, times = {}, {}, {}
      for i = 1, ROUNDS do
        local said = assert(io.popen(("%s run bench/tools.lua %d"):format(PROGRAM, count))):read "a"
        heaps[i], sizes[i], times[i] = said:match "^(%S+) (%S+) (%S+)\n$"
        if not heaps[i] then error(said, 0) end
        heaps[i], sizes[i], times[i] = tonumber(heaps[i]), tonumber(sizes[i]), tonumber(times[i])
      end
      local whole = count == 5000
      row(("one of %d"):format(count), { ours = ("%.2f KB"):format(median(sizes)),
        other = ("%.2f KB"):format(median(heaps)), figure = median(sizes),
        at_most = whole and 3 or nil, budget = "3 KB" })
      row(("%d registered"):format(count), { ours = ("%.3f s"):format(median(times)),
        figure = median(times), at_most = whole and 0.1 or nil, budget = "0.1 s",
        note = "processor time" })
    end)
  end
end)

part("connections", function()
  local count = math.max(100, STREAMS // 2)
  heading(("memory of a silent connection, %d"):format(count), "this", "HTTP")
  -- A server of its own for each: memory that has been free once tells nothing.
  local function each(scheme, more)
    local server = start_ours("http", more)
    local holder <close> = drive.spawn(words(("%s run bench/client.lua hold %s://127.0.0.1:%d/mcp")
      :format(PROGRAM, scheme, server.port)), { pipes = true, log = log,
      env = { "BUILD=" .. build } })
    holder:ask "50\n" -- what grows only once has grown
    drive.sleep(0.3)
    local before = server.child:rss()
    holder:ask(count .. "\n")
    drive.sleep(0.5)
    local kb = (server.child:rss() - before) / count
    stop(server)
    return kb
  end
  local http = each "http"
  for _, it in ipairs { { "HTTPS", "https", certificate() }, { "WebSocket", "ws" } } do
    attempt(it[1], function()
      local mine = each(it[2], it[3])
      row(it[1], { ours = ("%.2f KB"):format(mine), other = ("%.2f KB"):format(http),
        shown = ("%.2f"):format(mine / http) })
    end)
  end
end)

part("json", function()
  local ok, codec = pcall(require, "codec")
  if not ok then error("the codec does not load: " .. codec:match "[^\n]+", 0) end
  local cjson = require "cjson"
  heading("JSON to Lua values and back", "ours", "lua-cjson")
  local function tools(count)
    local list = {}
    for i = 1, count do
      list[i] = { name = "tool_" .. i, title = "Tool " .. i,
        description = "Does thing " .. i .. " to the given \"path\" and tells the outcome as text.",
        inputSchema = { type = "object", required = { "path" }, properties = {
          path = { type = "string", description = "File path" },
          limit = { type = "integer", minimum = 1, maximum = 1000 },
          flags = { type = "array", items = { type = "string" } } } },
        annotations = { readOnlyHint = true } }
    end
    return { jsonrpc = "2.0", id = 7, result = { tools = list } }
  end
  local function text(size)
    local line = "a line of text with \"quotes\" and a tail of plain words in it,\n"
    return { jsonrpc = "2.0", id = 7,
      result = { content = { { type = "text", text = line:rep(size // #line) } } } }
  end
  local length = QUICK and 0.1 or 0.3
  -- Megabytes a second, in a run of `length` seconds.
  local function speed(f, argument, size)
    local batch = math.max(1, 100000 // size)
    local count, begun = 0, os.clock()
    repeat
      for _ = 1, batch do f(argument) end
      count = count + batch
    until os.clock() - begun > length
    return { rate = count * size / (os.clock() - begun) / 1e6 }
  end
  for _, case in ipairs {
    { "1 KB of structure", tools(3) }, { "100 KB of structure", tools(290) },
    { "1 KB of text", text(1000) }, { "100 KB of text", text(100000) },
  } do
    local name, value = case[1], case[2]
    local json = cjson.encode(value)
    for _, verb in ipairs { "decode", "encode" } do
      local argument = verb == "decode" and json or value
      local samples = interleave {
        ours = function() return speed(codec[verb], argument, #json) end,
        other = function() return speed(cjson[verb], argument, #json) end,
      }
      local figure = ratio(samples.ours, samples.other, "rate")
      row(verb .. ", " .. name, {
        ours = ("%.0f MB/s"):format(median(pick(samples.ours, "rate"))),
        other = ("%.0f MB/s"):format(median(pick(samples.other, "rate"))),
        shown = ("%.2f"):format(figure), figure = figure, at_least = 1.5, budget = "1.50" })
    end
  end
end)

-- -- workers -----------------------------------------------------------------

-- Threads need all cores, so the program is not bound to one.
part("worker", function()
  if cores < 2 then error("two cores are needed", 0) end
  local pairs_of = { threads = {}, call = {}, process = {} }
  local command = ("taskset -c 0-%d %s run bench/worker.lua %d %g 2>>%s"):format(cores - 1, PROGRAM,
    QUICK and 3 or 15, QUICK and 0.2 or 0.3, log)
  for line in assert(io.popen(command)):lines() do
    local name, a, b = line:match "^(%a+) (%S+) (%S+)$"
    if not name then error(line, 0) end
    table.insert(pairs_of[name], { a = tonumber(a), b = tonumber(b) })
  end
  if #pairs_of.process == 0 then error("it ended early, see " .. log, 0) end
  heading("workers: four threads beside one", "four", "one")
  local gains, most = {}, 0
  for i, pair in ipairs(pairs_of.threads) do
    gains[i] = pair.b / pair.a
    most = math.max(most, gains[i])
  end
  row("calls that compute, on two cores", {
    ours = ("%.0f/s"):format(median(pick(pairs_of.threads, "b"))),
    other = ("%.0f/s"):format(median(pick(pairs_of.threads, "a"))),
    shown = ("%.2f"):format(median(gains)), figure = median(gains), at_least = 1.8,
    budget = "1.80", note = ("median of %d pairs, best %.2f"):format(#gains, most) })
  heading("workers: processor time of a call", "worker", "direct")
  for _, name in ipairs { "call", "process" } do
    local mine, direct, least = pick(pairs_of[name], "a"), pick(pairs_of[name], "b"), math.huge
    for _, figure in ipairs(mine) do least = math.min(least, figure) end
    row(name == "call" and "on a thread" or "in a process, the server's part", {
      ours = ("%.1f us"):format(median(mine) * 1e6),
      other = ("%.2f us"):format(median(direct) * 1e6),
      figure = (median(mine) - median(direct)) * 1e6, at_most = name == "call" and 40 or nil,
      budget = "+40 us", note = ("median of %d, best %.1f us"):format(#mine, least * 1e6) })
  end
end)

-- -- allocations -------------------------------------------------------------

dofile "bench/allocations.lua" (setmetatable({
  server_http = SERVER_HTTP, server_stdio = SERVER_STDIO, part = part, row = row,
  heading = heading, attempt = attempt,
}, { __index = kit }))

-- -- gateways ----------------------------------------------------------------

dofile "bench/hop/parts.lua" (setmetatable({
  program = PROGRAM, server_http = SERVER_HTTP, server_stdio = SERVER_STDIO, part = part,
  row = row, heading = heading, attempt = attempt, trouble = trouble,
}, { __index = kit }))

-- -- the run -----------------------------------------------------------------

os.remove(log)
local begun = drive.now()
io.write(("luamcp bench: %d rounds of %d s, %d cores%s\n"):format(ROUNDS, SECONDS, cores,
  cores > 1 and ", server on one and load on another" or " (the load shares it: read with care)"))
for _, it in ipairs(parts) do
  if wanted(it.name) then
    attempt(it.name, it.run)
    collectgarbage() -- ends what a broken part left running
  end
end

local shaken = median(kit.foreign)
io.write(("\n%d budgets: %d passed, %d missed%s. %.0f s.%s\n"):format(judged, judged - misses,
  misses, broken_rows > 0 and (", %d rows broken"):format(broken_rows) or "",
  drive.now() - begun, shaken and (" Other processes used %.0f %% of the machine%s."):format(
    shaken * 100, shaken > SHAKY and ": the figures are shaky, run it again" or "") or ""))
if rows == 0 and broken_rows == 0 then
  io.write("nothing was measured: ONLY=", ONLY, " names no part\n")
end
if STRICT and (misses > 0 or broken_rows > 0) then os.exit(1) end
