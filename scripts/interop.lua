-- SPDX-License-Identifier: MIT
-- interop.lua: other people's programs and ours, in four parts.
--
-- Their clients against the example servers, over stdio and HTTP, in both eras: the two major
-- versions of the TypeScript SDK, the inspector's command line and FastMCP. What they do and what
-- must come back is in interop/. Over HTTP each server is one process, then two workers, then two
-- processes that share a Redis with nginx in front (several.lua): all have to score the same.
-- Our client against their servers: in interop/ours/. And clients of all kinds that call one server
-- of ours at the same time: interop/mixed.lua. And a user, tokens, and an authorization server that
-- is not ours: interop/auth.lua.
--
--   lua5.4 scripts/interop.lua [WORD]     only the lines that contain WORD
--
-- MCP_BUILD is the build folder (build), PROGRAM the program in it.
package.path = "./scripts/?.lua;" .. package.path
local auth = require "interop.auth"
local background = require "background"
local servers = require "interop.servers"
local several = require "several"

local quote = background.quote

local BUILD = os.getenv "MCP_BUILD" or "build"
local PROGRAM = os.getenv "PROGRAM" or BUILD .. "/luamcp"
local OUT = BUILD .. "/interop"
local NODE = BUILD .. "/node/node_modules/.bin/node"
-- Here the scripts find the packages.
local SCRIPTS = BUILD .. "/node/interop"
local LOG = OUT .. "/output.log"
-- Where their servers may write.
local SCRATCH = OUT .. "/scratch"

local EXAMPLES = { "files", "hello", "notes" }

local ARGUMENTS = {
  files = { "examples/files.lua", "examples/library" },
  garden = { "examples/garden.lua" },
  hello = { "examples/hello.lua" },
  notes = { "examples/notes.lua", SCRATCH .. "/notes" },
  sqlite = { "examples/sqlite.lua", SCRATCH .. "/authors.db" },
  with_luv = { "examples/with_luv.lua" },
  with_cqueues = { "examples/with_cqueues.lua" },
}

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

local function shell(format, ...)
  return os.execute(format:format(...)) == true
end

local function words(list)
  local out = {}
  for i, word in ipairs(list) do out[i] = quote(word) end
  return table.concat(out, " ")
end

-- The clients. `run` gives the command for an example, an era, and a URL or nil for stdio.
local function sdk(script)
  return function(example, era, url)
    return words { NODE, SCRIPTS .. "/" .. script, example, era, url }
  end
end

-- The inspector, with its settings in the build folder. It must print the name of the tool.
local TOOLS = { files = '"name": *"search"', hello = '"name": *"greet"',
  notes = '"name": *"write_note"', sqlite = '"name": *"query"',
  with_luv = '"name": *"resolve"', with_cqueues = '"name": *"meet"' }

local function inspector(example, era, url)
  local command = words { NODE, BUILD .. "/node/node_modules/.bin/mcp-inspector", "--cli" }
  -- Arguments after the program belong to the program, so the inspector's options come first.
  local options = words { "--protocol-era", era, "--format", "json", "--quiet", "--method",
    "tools/list" }
  local target = url and words { "--transport", "http", "--server-url", url }
    or words { "--", PROGRAM, "run", table.unpack(ARGUMENTS[example]) }
  return ("HOME=%s %s %s %s && grep -q %s %s"):format(quote(OUT), command, options, target,
    quote(TOOLS[example]), quote(LOG))
end

-- The inspector again, asked for the pages of tools (MCP Apps).
local function inspector_pages(_, era, url)
  local command = words { NODE, BUILD .. "/node/node_modules/.bin/mcp-inspector", "--cli",
    "--protocol-era", era, "--format", "json", "--quiet", "--method", "tools/list", "--app-info" }
  local target = url and words { "--transport", "http", "--server-url", url }
    or words { "--", PROGRAM, "run", table.unpack(ARGUMENTS.garden) }
  return ("HOME=%s %s %s && grep -q %s %s"):format(quote(OUT), command, target,
    quote '"hasApp":true,"toolName":"watering_plan","resourceUri":"ui://garden/plan"', quote(LOG))
end

-- FastMCP's client; nil and the reason if it is not installed.
local function fastmcp(_, era, url)
  local python, missing = servers.python(BUILD, 3)
  if missing then return nil, missing end
  return words { python, "scripts/interop/apps.py", era,
    table.unpack(url and { url } or { PROGRAM, "run", table.unpack(ARGUMENTS.garden) }) }
end

local PAGES = { "garden" }

local CLIENTS = {
  { name = "sdk 1", run = sdk "sdk1.mjs", eras = { "legacy" }, examples = EXAMPLES },
  { name = "sdk 2", run = sdk "sdk2.mjs", eras = { "legacy", "modern", "auto" },
    examples = EXAMPLES },
  { name = "inspector", run = inspector, eras = { "legacy", "modern" }, examples = EXAMPLES },
  { name = "inspector", run = inspector_pages, eras = { "legacy", "modern" }, examples = PAGES },
  { name = "fastmcp", run = fastmcp, eras = { "legacy", "auto" }, examples = PAGES },
}

local passed, failed, skipped = 0, 0, 0

local function fail(name, text)
  failed = failed + 1
  io.write("FAILED  ", name, "\n")
  for line in text:gmatch "[^\n]+" do io.write("        ", line, "\n") end
end

local function skip(name, reason)
  skipped = skipped + 1
  io.write("skipped ", name, ": ", reason, "\n")
end

-- The processes that have `mark` in their environment, as text; on Linux only. One that ends by
-- itself may do so a moment later.
local function left_behind(mark)
  for _ = 1, 20 do
    local pipe <close> = assert(io.popen(
      ("grep -lsa %s /proc/[0-9]*/environ"):format(quote("INTEROP_MARK=" .. mark))))
    local found = pipe:read "a"
    if found == "" then return nil end
    os.execute "sleep 0.1"
  end
  return "left behind: a process of " .. mark
end

local function try(name, command, log)
  local mark = ("luamcp-%d-%d"):format(os.time(), passed + failed)
  local ok = shell("PROGRAM=%s INTEROP_MARK=%s INTEROP_SCRATCH=%s; " ..
    "export PROGRAM INTEROP_MARK INTEROP_SCRATCH; { %s; } >%s 2>&1 </dev/null", quote(PROGRAM),
    quote(mark), quote(SCRATCH), command, quote(LOG))
  local said = read_file(LOG)
  local left = left_behind(mark)
  if not ok or left then
    return fail(name, said .. (log and read_file(log) or "") .. "\n" .. (left or ""))
  end
  passed = passed + 1
  io.write("ok      ", name)
  for what in said:gmatch "left out: ([^\n]+)" do io.write("  (no ", what, ")") end
  io.write "\n"
end

-- What is started once and ended with the script.
local function group()
  return setmetatable({}, { __close = function(list)
    for _, server in pairs(list) do server:stop() end
  end })
end

-- Examples that keep something in the variables of one process: two calls meet there.
local OF_ONE_PROCESS = { with_cqueues = true }

-- How an example is served, by the name of the column: over HTTP by one process, by two workers,
-- and by two processes that share a Redis, with nginx in front of them.
local SERVE = {
  http = function(example)
    return background.start({ PROGRAM, "run", "--http", "127.0.0.1:0",
      table.unpack(ARGUMENTS[example]) }, ("%s/%s.log"):format(OUT, example))
  end,
}
for name, start in pairs { workers = several.workers, nginx = several.machines } do
  SERVE[name] = function(example)
    local out = ("%s/%s-%s"):format(OUT, name, example)
    assert(shell("mkdir -p %s", quote(out)))
    return start(PROGRAM, out, ARGUMENTS[example])
  end
end

-- Their clients, our examples.
local function theirs(only)
  local running <close> = group()
  local function server_of(example, transport)
    local key = example .. " " .. transport
    running[key] = running[key] or SERVE[transport](example)
    return running[key]
  end
  for _, client in ipairs(CLIENTS) do
    for _, era in ipairs(client.eras) do
      for _, transport in ipairs { "stdio", "http", "workers", "nginx" } do
        for _, example in ipairs(client.examples) do
          local name = ("%-9s  %-6s  %-7s  %s.lua"):format(client.name, era, transport, example)
          local possible = transport ~= "workers" and transport ~= "nginx"
            or not OF_ONE_PROCESS[example]
          if possible and name:find(only, 1, true) then
            local server = SERVE[transport] and server_of(example, transport)
            local command, missing = client.run(example, era, server and server.url)
            if command then
              try(name, command, server and server.log)
            else
              skip(name, missing)
            end
          end
        end
      end
    end
  end
  for name, server in pairs(running) do
    local status = server:stop()
    if status ~= 0 then
      fail(name, ("ended with status %s; see %s"):format(status, server.log))
    end
  end
end

-- Our client, their servers.
local function ours(only)
  for _, suite in ipairs(servers.list { build = BUILD, node = NODE, scripts = SCRIPTS,
    scratch = SCRATCH }) do
    for _, transport in ipairs { "stdio", "http", "sse" } do
      local how, server = suite[transport], nil
      for _, era in ipairs(how and how.eras or {}) do
        local name = ("%-9s  %-6s  %-5s  %s"):format("ours", era, transport, suite.name)
        if name:find(only, 1, true) then
          if suite.missing then
            skip(name, suite.missing)
          else
            if transport ~= "stdio" and not server then
              server = servers.start(how, PROGRAM, ("%s/%s.log"):format(OUT, transport))
            end
            local target = server and { server.url .. how.path } or how.command
            try(name, words { PROGRAM, "run", "scripts/interop/ours/" .. suite.errand, era,
              table.unpack(target) }, server and server.log)
          end
        end
      end
      if server then server:stop() end
    end
  end
end

-- All clients call one server of ours at the same time.
local MIXED = { "node http", "node sse", "node websocket", "node modern", "python websocket",
  "ours unix" }

local function mixed(only)
  local title = "mixed      one listener, at the same time"
  if not title:find(only, 1, true) then return end
  local python, missing = servers.python(BUILD, 1)
  local names = {}
  for _, name in ipairs(MIXED) do
    if missing and name:find "^python" then
      skip("mixed      " .. name, missing)
    else
      names[#names + 1] = name
    end
  end
  local socket = OUT:match "^/" and OUT or os.getenv "PWD" .. "/" .. OUT
  socket = socket .. "/mixed.sock"
  local server <close> = background.start({ PROGRAM, "run", "scripts/interop/mixed.lua", "--http",
    "127.0.0.1:0", "--unix", socket, tostring(#names) }, OUT .. "/mixed.log")
  local commands = {}
  for i, name in ipairs(names) do
    local kind = name:match " (%a+)$"
    commands[i] = name == "ours unix"
        and words { PROGRAM, "run", "scripts/interop/ours/mixed.lua", "unix:" .. socket }
      or name == "python websocket" and words { python, "scripts/interop/mixed.py", server.url }
      or words { NODE, SCRIPTS .. "/mixed.mjs", kind, server.url }
  end
  -- All at once; then what the server has seen.
  local all = "ids=; " .. table.concat(commands, " & ids=\"$ids $!\"; ")
    .. " & ids=\"$ids $!\"; for id in $ids; do wait $id || exit 1; done; "
    .. words { PROGRAM, "run", "scripts/interop/ours/mixed.lua", server.url, "--counts",
      table.unpack(names) }
  try(title .. ": " .. table.concat(names, ", "), all, server.log)
  local status = server:stop()
  if status ~= 0 then fail("mixed.lua", "ended with status " .. tostring(status)) end
end

-- With an authorization server that is not ours.
local function authorized(only)
  local python, missing = servers.python(BUILD, 2)
  for _, era in ipairs(missing and { "legacy", "modern" } or {}) do
    local name = ("%-9s  %-6s  http   oauth"):format("python", era)
    if name:find(only, 1, true) then skip(name, missing) end
  end
  local fine = auth.run({ program = PROGRAM, node = NODE, python = not missing and python,
    scripts = SCRIPTS, out = OUT }, try, only)
  if not fine then fail("auth_server.lua", "did not end as it should") end
end

-- A database for examples/sqlite.lua. Without the driver that example is left out.
local function make_database()
  local found, driver = pcall(require, "luasql.sqlite3")
  if not found then
    skip("sqlite.lua", "LuaSQL is not installed (Debian: lua-sql-sqlite3)")
    return
  end
  os.remove(ARGUMENTS.sqlite[2])
  local environment = driver.sqlite3()
  local connection = assert(environment:connect(ARGUMENTS.sqlite[2]))
  assert(connection:execute "CREATE TABLE author (id INTEGER, name TEXT)")
  assert(connection:execute "INSERT INTO author VALUES (1, 'Ada'), (2, 'Gr\u{E4}fin')")
  connection:close()
  environment:close()
  EXAMPLES[#EXAMPLES + 1] = "sqlite"
end

-- Examples that need other libraries. Without these they are left out.
local function add_examples()
  local luv = pcall(require, "luv")
  for name, found in pairs { with_luv = luv, with_cqueues = luv and pcall(require, "cqueues") } do
    if found then
      EXAMPLES[#EXAMPLES + 1] = name
    else
      skip(name .. ".lua", "luv or cqueues is not installed (Debian: lua-luv, lua-cqueues)")
    end
  end
end

local function main(only)
  if not shell("BUILD=%s scripts/deps interop", quote(BUILD)) then return false end
  assert(shell("mkdir -p %s %s %s && cp scripts/interop/*.mjs %s", quote(OUT), quote(SCRIPTS),
    quote(SCRATCH), quote(SCRIPTS)))
  make_database()
  add_examples()
  theirs(only)
  ours(only)
  mixed(only)
  authorized(only)
  print(("interop: %d passed, %d failed, %d skipped"):format(passed, failed, skipped))
  return failed == 0 and passed > 0
end

os.exit(main(arg[1] or ""), true)
