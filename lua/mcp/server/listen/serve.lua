-- SPDX-License-Identifier: MIT
-- serve: runs a process from its open listeners to its end: signals, and the line that names the
-- addresses.
local core = require "mcp.core"
local service = require "mcp.later" "mcp.server.listen.service"

local serve = {}

---How long calls in progress may continue after SIGINT or SIGTERM, in seconds.
serve.GRACE = 10

---How long a handler may compute once standard input has ended, in seconds.
serve.STALL = 2

---How long closing may take after the grace, in seconds; then the process ends in any case. More
---than closing in the background may take.
serve.LEAVE = 12

---How long a process may serve before its watchdog starts, in seconds.
serve.UNWATCHED = 0.05

-- Sent by a terminal that closes, and by programs that have replaced the certificates of a server.
local SIGHUP = 1

local function reload_tls(app)
  local ok, message = app:reload_tls()
  if ok then
    core.log("notice", "TLS certificates reloaded")
  else
    core.log("error", "TLS certificates not reloaded: " .. message)
  end
end

---Makes a function that tells whether the terminal of this process, if it had one, has been closed.
---@return fun(): boolean
function serve.watch_terminal()
  local function is_there()
    local file <close> = io.open("/dev/tty")
    return file ~= nil
  end
  local had = is_there()
  return function() return had and not is_there() end
end

-- What SIGHUP does: reads the files of TLS again, and runs the script again. nil: it ends the
-- process.
local function on_hangup(listening, manager)
  local app = listening.app
  local script = app.script
  local log = listening.access
  if not (listening.tls or script or log) then return nil end
  local is_closed = not listening.tls and serve.watch_terminal()
  return function()
    if is_closed and is_closed() then return false end
    if manager then manager:reloading() end
    if log then require("mcp.server.listen.access").reopen(log) end
    if listening.tls then reload_tls(app) end
    if script then script.again(app) end
    if manager and not app.draining then manager:ready() end
    return true
  end
end

local function check(started, text)
  if started then return end
  core.log("warning", "signals cannot end a handler that computes: " .. text)
end

-- Starting its thread must not delay the first answer: it starts when a handler is first called, or
-- a moment later. So does the program's release of what only its start has used.
local function open_watchdog(listening)
  local app = listening.app
  check(core.watch_over { drain = serve.GRACE + (listening.drain or 0), leave = serve.LEAVE,
    stall = serve.STALL, hangup = not (listening.tls or app.script or listening.access),
    input = listening:is_open() })
  local watch_handlers = app.before_work
  app.before_work = function()
    app.before_work = nil
    check(core.start_watch())
    if watch_handlers then watch_handlers() end
  end
  core.spawn(function()
    if not core.sleep(serve.UNWATCHED) then return end
    if app.before_work then app.before_work() end
    local program = package.loaded["mcp.program"] -- in the luamcp command only
    if program then program.settle() end
  end)
end

-- Where a server answers: for people, and for programs that wait for it. All of standard error is
-- JSON if the log is.
local function say(text)
  if core.log_format() == "json" then return core.log_asked(text) end
  io.stderr:write(text, "\n")
end

-- What the process is asked to be as a service. Nothing of it is loaded where nothing is asked.
local function enter_service(listening)
  local given, finish = listening.given, nil
  if given.pid_file or given.user or given.group then
    local ok
    ok, finish = pcall(service.enter, listening)
    if not ok then
      listening:close(0)
      error(finish, 0)
    end
  end
  return os.getenv "NOTIFY_SOCKET" and service.manager() or nil, finish
end

---Runs the loop until everything is closed. SIGINT and SIGTERM close the listeners, with a grace
---for calls in progress; a second signal closes at once. SIGHUP reads the files of TLS again and
---runs the script again; it closes as well if there is neither, or if the terminal has been closed.
---A handler that computes meanwhile delays none of this: see net/watchdog.h.
---@param listening mcp.Listening
---@param announce boolean write the addresses of HTTP to standard error
function serve.run(listening, announce)
  local app, asked, drain = listening.app, 0, listening.drain or 0
  local manager, finish = enter_service(listening)
  local hangup = on_hangup(listening, manager)
  core.catch_signals(function(number)
    if number == SIGHUP and hangup and hangup() then return end
    asked = asked + 1
    app.draining = true
    if manager then manager:stopping(drain > 0 and asked == 1 and "draining" or "ending") end
    if asked == 1 and drain > 0 then
      core.spawn(function()
        if core.sleep(drain) and listening:is_open() then listening:close(serve.GRACE) end
      end)
    else
      listening:close(asked == 1 and serve.GRACE or 0)
    end
  end)
  open_watchdog(listening)
  local member = listening.member -- in a worker: its supervisor says what there is to say
  if member then
    member.ready({ name = app.name, version = app.version, drain = drain,
      urls = announce and listening.urls or nil }, function()
      app.draining = true
      listening:close(serve.GRACE)
    end)
    announce = false
  end
  -- A person who has started it by hand sees nothing else.
  if announce and listening.at_terminal then
    say(("%s waits for MCP messages on standard input, which a client writes; Ctrl-D ends it, "
      .. "luamcp run --help shows other ways to serve"):format(app.name))
  end
  -- Only now: a program that reads this line may send a signal at once.
  -- An address that serves the inspect page alone would mislead.
  for _, url in ipairs(announce and not listening.private and listening.urls or {}) do
    say(("%s %s answers at %s"):format(app.name, app.version, url))
  end
  local script = app.script
  local watch = script and script.watched and script.watch(function() script.again(app) end)
  listening.announce = announce and say or nil
  if announce and listening.inspect then say("inspect it at " .. listening.inspect) end
  if manager then
    manager:ready("serving " .. (listening.urls[1] and table.concat(listening.urls, ", ")
      or "standard input and output"))
  end
  -- This is asked in each turn of the loop.
  local serving = #listening.hosts == 1 and listening.hosts[1] or listening
  while serving:is_open() do core.step() end
  if manager then manager:stopping "ending" end
  if watch then watch:close() end
  if asked == 0 then listening:close(0) end
  while not listening:is_gone() do core.step() end
  listening:close()
  -- Clients that handlers have closed may still be ending their sessions and children.
  local closing = package.loaded["mcp.closing"]
  if closing then closing.await() end
  if listening.recorder then
    local seconds = require("mcp.server.listen.tracing").FLUSH
    listening.recorder.exporter:flush(seconds)
    if listening.meter then listening.meter:flush(seconds) end
  end
  app.before_work = nil
  if manager then manager:close() end
  if finish then finish() end
  core.catch_signals(nil)
end

return serve
