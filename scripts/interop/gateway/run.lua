-- SPDX-License-Identifier: MIT
-- run.lua: `luamcp gateway` over five servers that are not ours, used by clients that are not ours:
-- what comes through, feature by feature. Then each server is killed while calls are in progress on
-- all of them.
--
--   luamcp run scripts/interop/gateway/run.lua BUILD [WORD]
--
-- WORD: only the clients whose name contains it; "kill": only the last part.
package.path = "./scripts/?.lua;" .. package.path
local mcp = require "mcp"
local core = require "mcp.core"
local free_port = require("children").free_port

local build, only = arg[1], arg[2] or ""
local PROGRAM = os.getenv "PROGRAM" or build .. "/luamcp"
local NODE = build .. "/node/node_modules/.bin/node"
local PACKAGES = build .. "/node/node_modules/@modelcontextprotocol/"
-- Scripts find their packages there.
local SCRIPTS = build .. "/node/interop/"
local OUT = build .. "/interop/"
local function python(version) return ("%s/python%d/bin/python"):format(build, version) end

-- What takes longer does not happen, in seconds.
local PATIENCE = 20
-- A client takes half a minute.
local LIMIT = 180
-- By this variable the processes are found.
local MARK = "INTEROP_GATEWAY"
-- How long calls are in progress, and when the server is killed, in seconds.
local BUSY, KILL = 2, 0.5

local passed, failed = 0, 0

local function report(fine, text, ...)
  text = text:format(...)
  if fine then passed = passed + 1 else failed = failed + 1 end
  io.write(fine and "ok      " or "FAILED  ", text, "\n")
  io.flush()
end

local function soon(what, fn)
  local deadline = core.now() + PATIENCE
  repeat
    local found = fn()
    if found then return found end
    mcp.sleep(0.02)
  until core.now() > deadline
  error("did not happen: " .. what, 0)
end

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

-- The process of a server, by the variable that it has got.
local function pid_of(name)
  local found
  for entry in assert(io.popen "ls /proc"):lines() do
    if entry:find "^%d+$" and ("\0" .. read("/proc/" .. entry .. "/environ"))
      :find(("\0%s=%s\0"):format(MARK, name), 1, true) then
      found = math.tointeger(tonumber(entry))
    end
  end
  return found
end

local function signal(which, pid) os.execute(("kill -%s %d"):format(which, pid)) end

-- --- the servers and the gateway ----------------------------------------------------------------

-- Those at an address, which this script starts, also again.
local function remote()
  local fast, small = free_port(), free_port()
  return {
    fast = { url = ("http://127.0.0.1:%d/mcp"):format(fast),
      words = { python(3), "scripts/interop/gateway/server.py", fast } },
    small = { url = ("http://127.0.0.1:%d/mcp"):format(small),
      words = { NODE, SCRIPTS .. "small.mjs", "http", small } },
  }
end

local function start(name, server)
  local words = { table.unpack(server.words) }
  words.env, words.stdout, words.stderr = { [MARK] = name }, "discard", "discard"
  server.process = assert(mcp.process.start(words))
  soon(name .. " answers", function()
    return mcp.fetch(server.url, { method = "GET", timeout = 1 }) ~= nil
  end)
end

local function config(servers)
  local function program(name, ...)
    return { command = NODE, args = { PACKAGES .. "server-" .. name .. "/dist/index.js", ... } }
  end
  local all = { everything = program "everything", files = program("filesystem", "examples"),
    memory = program "memory" }
  for name, server in pairs(all) do
    server.env = { [MARK] = name, MEMORY_FILE_PATH = OUT .. "memory.json" }
  end
  for name, server in pairs(servers) do all[name] = { url = server.url } end
  local path = OUT .. "gateway.json"
  local file <close> = assert(io.open(path, "w"))
  file:write(core.encode { mcpServers = all })
  return path
end

local function gateway(path)
  local port = free_port()
  local process = assert(mcp.process.start { PROGRAM, "gateway", path, "--http",
    "127.0.0.1:" .. port, stdout = "discard", stderr = "discard" })
  local url = ("http://127.0.0.1:%d/mcp"):format(port)
  soon("the gateway answers", function()
    local client = mcp.connect(url, { timeout = 10 })
    local tools = client and client:list_tools()
    if client then client:close() end
    return tools and #tools > 0
  end)
  return process, url
end

-- --- clients ------------------------------------------------------------------------------------

local CLIENTS = {
  { name = "TypeScript 1", words = { NODE, SCRIPTS .. "client.mjs", "sdk1" }, eras = { "legacy" } },
  { name = "TypeScript 2", words = { NODE, SCRIPTS .. "client.mjs", "sdk2" },
    eras = { "legacy", "modern" } },
  { name = "Python 1", words = { python(1), "scripts/interop/gateway/client.py", "mcp1" },
    eras = { "legacy" } },
  { name = "Python 2", words = { python(2), "scripts/interop/gateway/client.py", "mcp2" },
    eras = { "legacy", "modern" } },
  { name = "FastMCP", words = { python(3), "scripts/interop/gateway/client.py", "fastmcp" },
    eras = { "legacy", "modern" } },
}

-- Runs a client of another project, which prints a line for each feature.
local function run_client(client, era, url)
  local words = table.move(client.words, 1, #client.words, 1, {})
  words[#words + 1], words[#words + 2], words.timeout = era, url, LIMIT
  local name = ("%-12s  %-6s"):format(client.name, era)
  local result, text, _, partial = mcp.process.run(words)
  local said, rows = (result or partial or { stdout = "" }).stdout, 0
  for feature, verdict in said:gmatch "row\t([^\t\n]+)\t([^\n]+)" do
    rows = rows + 1
    report(not verdict:find "^FAILED", "%s  %-28s  %s", name, feature, verdict)
  end
  if not result or result.code ~= 0 or rows == 0 then
    report(false, "%s  %s", name, text or result.stderr)
  end
end

-- --- kill -9 ------------------------------------------------------------------------------------

-- Calls that take some time, or many short ones.
local CALLS = {
  everything = { "trigger-long-running-operation", { duration = BUSY, steps = 2 } },
  fast = { "slow", { seconds = BUSY } },
  small = { "count", { to = BUSY // 0.02 } },
  files = { "list_allowed_directories", {}, short = true },
  memory = { "read_graph", {}, short = true },
}
local NAMES = { "everything", "fast", "files", "memory", "small" }

-- A call of one server; nil and a text if it fails.
local function call(client, name)
  local tool, args = CALLS[name][1], CALLS[name][2]
  local result, text = client:call_tool(name .. "_" .. tool, args, { timeout = PATIENCE })
  if result and result.isError then return nil, result.content[1].text end
  return result, text
end

-- Calls of one server for some time; nil and the text of the first that fails.
local function keep_calling(client, name)
  local deadline = core.now() + BUSY
  repeat
    local fine, text = call(client, name)
    if not fine then return nil, text end
  until not CALLS[name].short or core.now() > deadline
  return true
end

local function kill_one(client, era, victim, servers)
  local outcomes, running = {}, core.waiter()
  local left = #NAMES
  local pid = assert(pid_of(victim), "no process of " .. victim)
  -- Its short calls are in progress when it is killed.
  if CALLS[victim].short then signal("STOP", pid) end
  for _, name in ipairs(NAMES) do
    core.spawn(function()
      outcomes[name] = { keep_calling(client, name) }
      left = left - 1
      if left == 0 then running:wake() end
    end)
  end
  mcp.sleep(KILL)
  signal("KILL", pid)
  local killed = core.now()
  if servers[victim] then
    servers[victim].process:close()
    start(victim, servers[victim])
  end
  running:wait(PATIENCE)
  local others = {}
  for _, name in ipairs(NAMES) do
    local outcome = outcomes[name] or { nil, "it has not ended" }
    if name ~= victim and not outcome[1] then others[#others + 1] = name .. ": " .. outcome[2] end
  end
  local own = outcomes[victim] or { true }
  local text = tostring(own[2])
  report(#others == 0, "kill -9 %-10s  %-6s  the other servers' calls end well%s", victim, era,
    #others == 0 and "" or ": " .. table.concat(others, "; "))
  report(not own[1] and text:find(('"%s"'):format(victim), 1, true) ~= nil,
    "kill -9 %-10s  %-6s  its own call fails: %s", victim, era, text)
  local back = pcall(soon, victim, function() return call(client, victim) end)
  report(back, "kill -9 %-10s  %-6s  it is back, %.1f s after it was killed", victim, era,
    core.now() - killed)
end

-- --- the run ------------------------------------------------------------------------------------

local function main()
  local servers = remote()
  for name, server in pairs(servers) do start(name, server) end
  local process, url = gateway(config(servers))
  for _, client in ipairs(CLIENTS) do
    if client.name:lower():find(only:lower(), 1, true) then
      for _, era in ipairs(client.eras) do run_client(client, era, url) end
    end
  end
  if ("kill"):find(only, 1, true) then
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = assert(mcp.connect(url, { era = era }))
      for _, victim in ipairs(NAMES) do kill_one(client, era, victim, servers) end
    end
  end
  process:close()
  for _, server in pairs(servers) do server.process:close() end
  local remaining
  -- The guards of the gateway's programs take a moment to end them.
  pcall(soon, "the end", function()
    remaining = {}
    for _, name in ipairs(NAMES) do
      if pid_of(name) then remaining[#remaining + 1] = name end
    end
    return #remaining == 0
  end)
  report(#remaining == 0, "no process is left behind%s", #remaining == 0 and ""
    or ": " .. table.concat(remaining, ", "))
end

local ok, text = pcall(main)
if not ok then report(false, "%s", tostring(text)) end
print(("interop-gateway: %d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 1, true)
