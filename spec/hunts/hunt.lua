-- SPDX-License-Identifier: MIT
-- hunt.lua: what every hunt shares: its depth and seed, our server as a process, what /proc says
-- about a process, and one row of the table of results.
--
-- Environment: SHALLOW=1 takes the small numbers; DEPTH=0.1 a tenth of the large ones; SEED repeats
-- a run. Each hunt prints its seed, ends by itself, and exits with 1 if it found something.
local core = require "mcp.core"
local support = require "spec.support"
local system = require "codecs.system"

local hunt = { support = support, system = system, now = system.now }

local SHALLOW = (os.getenv "SHALLOW" or "") ~= ""
local DEPTH = tonumber(os.getenv "DEPTH" or "") or 1
local BUILD = assert(os.getenv "MCP_BUILD", "MCP_BUILD is not set: run hunts by make")

-- Finer than /proc's clock ticks cannot be.
local TICKS = 100

---@class hunt.Hunt
---@field name string
---@field seed integer
local Hunt = {}
Hunt.__index = Hunt

---The number to use: `full`, times DEPTH; or `shallow`.
---@param full number
---@param shallow number
---@return integer
function hunt.depth(full, shallow)
  if SHALLOW then return shallow end
  return math.max(1, math.floor(full * DEPTH))
end

---Is this a shallow run?
hunt.shallow = SHALLOW

---@param format string
function hunt.say(format, ...)
  io.stdout:write(format:format(...), "\n")
  io.stdout:flush()
end

---Records a fault unless `ok`. Returns `ok`.
function Hunt:check(ok, format, ...)
  if ok then return ok end
  self.faults = self.faults + 1
  -- The first few say what the rest would say.
  if self.faults <= 20 then hunt.say("FOUND by %s: " .. format, self.name, ...) end
  return ok
end

---Adds a figure to the row.
function Hunt:figure(format, ...)
  local text = format:format(...)
  self.figures[#self.figures + 1] = text
  hunt.say("  %s", text)
end

local function write_row(self, verdict, seconds)
  os.execute(("mkdir -p '%s/hunts'"):format(BUILD))
  local file <close> = assert(io.open(("%s/hunts/%s.row"):format(BUILD, self.name), "w"))
  file:write(("| `make hunt-%s` | %s | %s | %s, %d s, seed %d |\n"):format(self.name,
    table.concat(self.figures, "; "), verdict,
    SHALLOW and "shallow" or ("depth %g"):format(DEPTH), math.ceil(seconds), self.seed))
end

---Runs a hunt and exits the process with its result.
---@param name string
---@param fn fun(h: hunt.Hunt)
function hunt.run(name, fn)
  local seed = math.tointeger(tonumber(os.getenv "SEED" or "")) or os.time() % 1000000
  math.randomseed(seed)
  local self = setmetatable({ name = name, seed = seed, faults = 0, figures = {} }, Hunt)
  local began = system.now()
  hunt.say("hunt %s: seed %d%s", name, seed, SHALLOW and ", shallow" or "")
  local ok, err = xpcall(fn, debug.traceback, self)
  if not ok then self:check(false, "%s", err) end
  support.stop_all()
  local seconds = system.now() - began
  local verdict = self.faults == 0 and "pass" or ("FAIL (%d)"):format(self.faults)
  write_row(self, verdict, seconds)
  hunt.say("hunt %s: %s, %.1f s", name, verdict, seconds)
  os.exit(self.faults == 0, true)
end

-- --- our server ----------------------------------------------------------------------------------

local function read_file(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

---Starts spec/hunts/server.lua with HTTP on a free port. `options` is Lua source: fields of what
---app:run gets. The result has `port`, and with TLS `secure` and `ca`.
---@param options string?
---@param more table? tls = true, and what system.spawn takes
function hunt.server(options, more)
  more = more or {}
  local secure, ca = "", nil
  if more.tls then
    local certificate = require "codecs.certificate"
    ca = certificate.make { name = "Hunt", ca = true }
    local own = certificate.make { issuer = ca, names = "IP:127.0.0.1" }
    secure = ("secure = { cert = %q, key = %q },"):format(own.cert, own.key)
  end
  local spawn = { script = read_file "spec/hunts/server.lua" }
  for key, value in pairs(more) do
    if key ~= "tls" then spawn[key] = value end
  end
  local server = support.start(("{ http = { port = 0 }, %s %s }"):format(secure, options or ""),
    spawn)
  if more.tls then
    server.secure = math.tointeger(tonumber((server:wait_said "secure at (%d+)")))
    server.ca = ca.cert
  end
  server.port = math.tointeger(tonumber((server:wait_said "answers at http://[^%s]-:(%d+)/")))
  server.pid = server.process:pid()
  server.url = ("http://127.0.0.1:%d/mcp"):format(server.port)
  return server
end

---What the server says about itself: its Lua heap and tasks, after a full collection.
---@return { heap: integer, tasks: integer, sessions: integer }
function hunt.facts(server)
  local client <close> = support.client(server)
  return assert(core.decode(client:call(1, "facts")))
end

---A text frame as a client sends it.
function hunt.frame(text)
  local length = #text < 126 and string.char(128 | #text) or string.pack(">BI2", 128 | 126, #text)
  return "\x81" .. length .. "\0\0\0\0" .. text
end

---What asks for a WebSocket.
hunt.UPGRADE = support.request("GET", { Upgrade = "websocket", Connection = "Upgrade",
  ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Version"] = "13",
  ["Sec-WebSocket-Protocol"] = "mcp" })

---Reads until `pattern` has come: true, or nil and why not.
function hunt.until_text(socket, pattern, limit)
  local heard, deadline = "", hunt.now() + (limit or 5)
  while not heard:find(pattern) do
    local piece, why = socket:receive(math.max(0, deadline - hunt.now()))
    if not piece then return nil, why end
    heard = heard .. piece
  end
  return true
end

---Is it alive, and does it answer?
function hunt.answers(server)
  local ok, text = pcall(function()
    local client <close> = support.client(server)
    return client:call(1, "echo", { text = "alive" })
  end)
  return ok and text == "alive", text
end

-- --- facts about a process -----------------------------------------------------------------------

---Resident bytes of the process itself. Pages of its program and libraries are the system's, which
---maps more of them in whenever it likes: a megabyte more between two looks, in one of a dozen
---runs.
function hunt.rss(pid)
  local file = io.open(("/proc/%d/status"):format(pid))
  if not file then return 0 end
  local text = file:read "a"
  file:close()
  local kb = 0
  for _, name in ipairs { "RssAnon", "RssShmem" } do
    kb = kb + (math.tointeger(tonumber(text:match("\n" .. name .. ":%s*(%d+)"))) or 0)
  end
  return kb << 10
end

---Open descriptors.
function hunt.fds(pid) return system.fd_count(tostring(pid)) or 0 end

local function stat(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if not file then return nil end
  local text = file:read "a"
  file:close()
  local fields = {}
  -- The name may hold anything, blanks too.
  for field in (text or ""):gsub("^.*%) ", ""):gmatch "%S+" do fields[#fields + 1] = field end
  return fields
end

---Seconds of processor time until now.
function hunt.cpu(pid)
  local fields = stat(pid)
  if not fields then return 0 end
  return (tonumber(fields[12]) + tonumber(fields[13])) / TICKS
end

---A letter: "R", "S", "Z", …; nil if there is no such process.
function hunt.state(pid)
  local fields = stat(pid)
  return fields and fields[1]
end

---Is there such a process, and is it more than a zombie?
function hunt.lives(pid)
  local state = hunt.state(pid)
  return state ~= nil and state ~= "Z" and state ~= "X"
end

---The numbers of a process's children, zombies too.
function hunt.children(pid)
  local file = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
  if not file then return {} end
  local list = {}
  for number in (file:read "a" or ""):gmatch "%d+" do list[#list + 1] = math.tointeger(number) end
  file:close()
  return list
end

---Waits until `test()` gives something true; false after `limit` seconds.
function hunt.wait(limit, test)
  local deadline = system.now() + limit
  while true do
    local found = test()
    if found then return found end
    if system.now() > deadline then return false end
    -- Turns the loop, so that clients in this process go on too.
    core.sleep(0.005)
  end
end

---The value below which the share `p` of a list lies.
function hunt.percentile(list, p)
  if #list == 0 then return 0 end
  table.sort(list)
  return list[math.max(1, math.ceil(#list * p))]
end

---Repeats echo calls over one connection; returns the seconds each took, and failures.
function hunt.latency(server, count)
  local taken, failed = {}, 0
  local client <close> = support.client(server)
  for i = 1, count do
    local began = system.now()
    local ok = pcall(client.call, client, i, "echo", { text = "x" })
    if not ok then
      failed = failed + 1
      break
    end
    taken[#taken + 1] = system.now() - began
  end
  return taken, failed
end

return hunt
