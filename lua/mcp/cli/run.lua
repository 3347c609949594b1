-- SPDX-License-Identifier: MIT
-- run: `luamcp run FILE`: serves a script. Parsed by hand, because most words belong to the script
-- and because the start of a server takes a few milliseconds only.
local exit = require "mcp.cli.exit"

local function fail(text, ...)
  io.stderr:write("luamcp: ", text:format(...), "\n")
  return exit.OTHER
end

-- Options with a value: what they ask for, and what to say when the value is missing.
local WITH_VALUE = {
  ["--http"] = { "http", "an address, such as 127.0.0.1:8000" },
  ["--sse"] = { "sse", "an address, such as 127.0.0.1:8000" },
  ["--websocket"] = { "websocket", "an address, such as 127.0.0.1:8000" },
  ["--unix"] = { "unix", "the path of a socket file" },
  ["--tls-cert"] = { "cert", "a file" },
  ["--tls-key"] = { "key", "a file" },
  ["--drain"] = { "drain", "seconds" },
  ["--access-log"] = { "access_log", "a file, or - for standard output" },
  ["--otlp"] = { "otlp", "the URL of a collector, such as http://127.0.0.1:4318" },
  ["--store"] = { "store", "an address, such as redis://127.0.0.1" },
  ["--pid-file"] = { "pid_file", "a file" },
  ["--user"] = { "user", "the name of a user" },
  ["--group"] = { "group", "the name of a group" },
  ["--allowed-host"] = { "allowed_hosts", "the name of a host" },
  ["--memory-limit"] = { "memory", "a size, such as 256M" },
  ["--workers"] = { "workers", "a number of processes" },
  ["--log-format"] = { "log_format", "text or json" },
}

local FLAGS = { ["--stdio"] = true, ["--inspect"] = true, ["--health"] = true, ["--ready"] = true,
  ["--metrics"] = true, ["--watch"] = true }

-- What of it is no address, or lacks its other half; nil if all is well.
local function complaint(asked)
  for _, way in ipairs { "http", "sse", "websocket" } do
    if asked[way] then
      local ok, text = pcall(require("mcp.server.listen.address").read, asked[way], way)
      if not ok then return "--" .. text end
    end
  end
  if asked.drain then
    local seconds = tonumber(asked.drain)
    if not seconds or not (seconds >= 0 and seconds <= 3600) then
      return ("--drain: expected 0 to 3600 seconds, got %s"):format(asked.drain)
    end
    asked.drain = seconds
  end
  if asked.workers then
    local count = math.tointeger(tonumber(asked.workers))
    local most = require("mcp.server.listen.options").WORKERS
    if not count or count < 1 or count > most then
      return ("--workers: expected a number from 1 to %d, got %s"):format(most, asked.workers)
    end
    asked.workers = count
  end
  for _, name in ipairs { "pid_file", "user", "group" } do
    if asked[name] == "" then
      return ("--%s: expected a name, got an empty one"):format((name:gsub("_", "-")))
    end
  end
  if asked.inspect and not asked.http then return "--inspect needs --http" end
  if asked.store then
    local ok, text = pcall(require("mcp.store").open, asked.store)
    if not ok then return "--" .. text end
  end
  if asked.unix == "" then return "--unix needs the path of a socket file" end
  local tls = asked.tls
  if not tls then return nil end
  if not (tls.cert and tls.key) then
    return ("--tls-%s needs --tls-%s beside it"):format(tls.cert and "cert" or "key",
      tls.cert and "key" or "cert")
  end
  if not (asked.http or asked.sse or asked.websocket) then
    return "--tls-cert needs --http, --sse or --websocket"
  end
  return nil
end

-- Is it an OpenAPI document? A script is not even looked at.
local function is_document(file)
  return file and not file:find "%.lua$" and require("mcp.openapi.document").is_path(file)
end

-- An option of a document, or nil.
local function of_documents(word, file)
  if word == "--read-only" then return word end
  if not word:find "^%-%-" or file and not is_document(file) then return nil end
  return require("mcp.cli.document").WITH_VALUE[word]
end

-- Splits the command line: what is ours, and what is the script's.
local function parse(args)
  local out = { script = {}, asked = nil, document = {} }
  local i, file = 1, nil
  local function ask(key, given)
    if key == "memory" or key == "log_format" or key == "watch" then
      out[key] = given
      return
    end
    out.asked = out.asked or {}
    local into = out.asked
    if key == "cert" or key == "key" then
      into.tls = into.tls or {}
      into = into.tls
    end
    if key == "allowed_hosts" then
      into.allowed_hosts = into.allowed_hosts or {}
      given, into, key = given, into.allowed_hosts, #into.allowed_hosts + 1
    end
    into[key] = given
  end
  while i <= #args do
    local word = args[i]
    local name, given = word:match "^(%-%-[%a-]+)=(.*)$"
    local option = WITH_VALUE[name or word]
    local special = not option and of_documents(name or word, file)
    if word == "--" then
      out.divided = file ~= nil
      for j = i + 1, #args do
        if file then out.script[#out.script + 1] = args[j] else file = args[j] end
      end
      break
    elseif FLAGS[word] then
      ask(word:sub(3), true)
    elseif option then
      if not name then
        i = i + 1
        given = args[i]
      end
      if not given then return nil, ("%s needs %s"):format(word, option[2]) end
      ask(option[1], given)
    elseif special == word then
      out.document.read_only = true
    elseif special then
      if not name then
        i = i + 1
        given = args[i]
      end
      if not given then return nil, ("%s needs %s"):format(word, special[2]) end
      local into = out.document
      if special[1] == "base_url" then
        into.base_url = given
      else
        into[special[1]] = into[special[1]] or {}
        table.insert(into[special[1]], given)
      end
    elseif not file and (word == "--help" or word == "-h") then
      out.help = true
      return out
    elseif not file and word:sub(1, 1) == "-" and word ~= "-" then
      return nil, ("unknown option %s; luamcp run --help lists them"):format(word)
    elseif not file then
      file = word
    elseif is_document(file) then
      return nil, ("unexpected word %s after the document"):format(word)
    else
      -- From its first own word on they are the script's, whatever they look like.
      table.move(args, i, #args, 1, out.script)
      break
    end
    i = i + 1
  end
  out.file = file
  return out
end

-- What is wrong with an argument after the script that resembles one of the program's options, or
-- nil: a server that listens elsewhere than it was asked to must not start.
local function typo_in(words)
  if not table.concat(words, " "):find("--", 1, true) then return nil end
  local nearest = require "mcp.nearest"
  local known = { "--stdio", "--inspect" }
  for name in pairs(WITH_VALUE) do known[#known + 1] = name end
  for _, word in ipairs(words) do
    local name = word:match "^(%-%-[%a-]+)"
    local meant = name and nearest.find(name, known)
    if meant and name ~= meant and nearest.distance(name, meant) == 1 then
      return ("unknown option %s, did you mean %s? Put -- before it if it is the script's"):format(
        name, meant)
    end
  end
  return nil
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
  local options, message = parse(args)
  if not options then return fail("%s", message) end
  if options.help then
    io.stdout:write(require("mcp.cli.run_help").text())
    return exit.OK
  end
  if not options.file then
    io.stderr:write(require("mcp.cli.run_help").text())
    return exit.OTHER
  end
  local wrong = options.asked and complaint(options.asked)
  if wrong then return fail("%s", wrong) end
  if options.log_format then
    wrong = require("mcp.cli.log_level").wrong_format("--log-format", options.log_format)
    if wrong then return fail("%s", wrong) end
    require("mcp.core").log_format(options.log_format)
  end
  if options.memory then
    local limits = require "mcp.limits"
    local size = limits.size(options.memory)
    if not size or size ~= 0 and size < limits.LEAST then
      return fail("--memory-limit: expected a size such as 256M, 1M or more, got %s",
        options.memory)
    end
    limits.set { memory = size }
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
  if is_document(options.file) and not source then
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
  local typo = not options.divided and typo_in(script)
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
