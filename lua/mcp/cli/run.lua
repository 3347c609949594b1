-- SPDX-License-Identifier: MIT
-- run: `luamcp run FILE`: serves a script. The start of a server takes a few milliseconds only, so
-- what few are started with is read by run_words.lua.
local exit = require "mcp.cli.exit"
local run_words = require "mcp.later" "mcp.cli.run_words"

local function fail(text, ...)
  io.stderr:write("luamcp: ", text:format(...), "\n")
  return exit.OTHER
end

-- What is asked for. Most servers are started with a script, and with --stdio.
local function asked_for(args)
  local file, stdio
  for _, word in ipairs(args) do
    if word == "--stdio" then
      stdio = true
    elseif file or word:sub(1, 1) == "-" then
      return run_words.read(args)
    else
      file = word
    end
  end
  if not file then return run_words.read(args) end
  return { file = file, script = {}, document = {}, asked = stdio and { stdio = true } or nil }
end

-- Modules beside the script are found as well, but not the script itself: luv.lua may require luv.
local function add_path(file)
  local folder = file:match "^(.*)/[^/]*$" or "."
  local own = folder .. "/" .. file:match "[^/]*$"
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(folder, folder, package.path)
  local searchers = package.searchers
  -- The first one finds no files.
  for i = 2, #searchers do
    local find = searchers[i]
    searchers[i] = function(name)
      local ok, loader, found = pcall(find, name)
      -- It is the script's module that is wrong, and not this line.
      if not ok then error((tostring(loader):gsub("^[^\n:]*cli/run%.lua:%d+: ", "")), 0) end
      if found ~= own then return loader, found end
      local path, others = package.path, {}
      local wanted = name:gsub("%.", "/"):gsub("%%", "%%%%")
      for template in path:gmatch "[^;]+" do
        if template:gsub("%?", wanted) ~= own then others[#others + 1] = template end
      end
      package.path = table.concat(others, ";")
      loader, found = find(name)
      package.path = path
      return loader, found
    end
  end
end

-- Lua's own print flushes. Until a script serves, it is not known whether standard
-- output will carry messages; left in the buffer, a banner goes to standard error
-- when it turns out to be, and where it belongs when it does not.
local function print_buffered(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  io.stdout:write(table.concat(words, "\t"), "\n")
end

-- Lets SIGHUP, --watch and app:reload() run the script again.
local function may_run_again(file, args, read, watched)
  local self = { name = file, path = file:find "/" and file or "./" .. file, args = args,
    read = read, folder = file:match "^(.*)/[^/]*$" or ".", watched = watched,
    package_path = package.path, package_cpath = package.cpath }
  function self.build(building) return require("mcp.cli.script").build(self, building) end
  function self.again(app) return require("mcp.cli.script").again(self, app) end
  function self.watch(changed) return require("mcp.cli.watch").start(self, changed) end
  local server = require "mcp.server"
  server.script, server.token = self, server.new_token()
  require("mcp.loading").script = { thread = coroutine.running(), started = server.token.started }
end

-- What starts this program again, in a worker. A program that was replaced on the disk is
-- started as what is there now.
local function command_of(args, bundled)
  local own = package.loaded["mcp.program"].path():gsub(" %(deleted%)$", "")
  if bundled then return { own, table.unpack(args, 2) } end
  return { own, "run", table.unpack(args) }
end

-- With addresses from the command line, the script runs in the workers only.
local function run_workers(asked, command)
  local ok, text = pcall(require("mcp.server.workers").run, { stdio = asked.stdio,
    inspect = asked.inspect, http = asked.http, sse = asked.sse, websocket = asked.websocket,
    unix = asked.unix, workers = asked.workers, pid_file = asked.pid_file }, command)
  if not ok then return fail("%s", text) end
  return exit.OK
end

---Runs a script.
---@param args string[] the words after `run`
---@param bundled table|nil mcp.bundle, whose script runs; all words follow it
---@return integer status see mcp.cli.exit
return function(args, bundled)
  local path, source
  if bundled then
    path, source = bundled.script()
    args = { path, table.unpack(args) }
  end
  local options, message = asked_for(args)
  if not options then return fail("%s", message) end
  if options.help then
    io.stdout:write(require("mcp.cli.run_help").text())
    return exit.OK
  end
  if not options.file then
    io.stderr:write(require("mcp.cli.run_help").text())
    return exit.OTHER
  end
  if options.watch and source then return fail("--watch: this program has its script in it") end
  local asked = options.asked or {}
  if asked.workers and asked.workers > 1 and not os.getenv "LUAMCP_WORKER"
    and (asked.http or asked.sse or asked.websocket or asked.unix) then
    return run_workers(asked, command_of(args, bundled))
  end
  -- It asks a server to load again what is just being loaded.
  if asked.http or asked.sse or asked.websocket or asked.unix then
    require("mcp.core").keep_hangup()
  end
  if not source and not options.file:find "%.lua$" and run_words.is_document(options.file) then
    require("mcp.server").asked = options.asked
    require("mcp.server").started_as = command_of(args, bundled)
    local document = require "mcp.cli.document"
    local function serve() return document.serve(options.file, options.document) end
    may_run_again(options.file, {}, function() return serve end, options.watch)
    local ok, problem = pcall(serve)
    if not ok then return fail("%s", problem) end
    return exit.OK
  end
  if next(options.document) then
    return fail("--%s is for OpenAPI documents (.json, .yaml)",
      (next(options.document):gsub("_", "-")))
  end
  local chunk, text
  if source then
    chunk, text = load(source, "@" .. path, "t")
  else
    chunk, text = loadfile(options.file, "t")
  end
  if not chunk then return fail("%s", text) end
  local script = options.script
  local typo = script[1] and not options.divided and run_words.typo(script)
  if typo then return fail("%s", typo) end
  script[0] = options.file
  _G.arg = script
  _G.print = print_buffered
  if not bundled then
    add_path(options.file)
    may_run_again(options.file, script, function()
      return loadfile(options.file, "t")
    end, options.watch)
  end
  local server = require "mcp.server"
  server.asked, server.started_as = options.asked, command_of(args, bundled)
  local function explain(raised) return require "mcp.script_error"(raised) end
  local ok, problem = xpcall(chunk, explain, table.unpack(script))
  -- A script may leave the running to us: `return app`. What is wrong with that has no line of it.
  local meta = ok and type(problem) == "table" and getmetatable(problem)
  if type(meta) == "table" and meta.__name == "mcp.server" then
    ok, problem = xpcall(problem.run, explain, problem)
  end
  local closing = package.loaded["mcp.closing"]
  if closing then closing.await() end
  if not ok then
    return fail("%s", problem)
  end
  -- A script that serves, or connects to an app in memory, has loaded one of these.
  if server.made and not package.loaded["mcp.server.listen"]
    and not package.loaded["mcp.client.transport.memory"] then
    return fail("%s makes a server and never runs it: app:run() is missing", options.file)
  end
  return exit.OK
end
