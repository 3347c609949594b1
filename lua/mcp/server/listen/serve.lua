-- SPDX-License-Identifier: MIT
-- serve: from an open listener to the end of the process: signals, saying where it answers.
local core = require "mcp.core"

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

-- What a terminal that goes away sends, and, to a server, whoever has exchanged its certificates.
local SIGHUP = 1

local function reload(app)
  local ok, message = app:reload_tls()
  if ok then
    core.log("notice", "the certificates of TLS have been read again")
  else
    core.log("error", "the certificates of TLS stay as they were: " .. message)
  end
end

local function check(started, text)
  if started then return end
  core.log("warning", "signals cannot end a handler that computes: " .. text)
end

-- Its thread is not on the way to the first answer: it starts when the app is first asked for
-- something that has a handler, or a moment later.
local function open_watchdog(listening)
  local app = listening.app
  check(core.watch_over { drain = serve.GRACE, leave = serve.LEAVE, stall = serve.STALL,
    hangup = not listening.tls, input = listening:is_open() })
  app.before_work = function()
    app.before_work = nil
    check(core.start_watch())
  end
  core.spawn(function()
    if core.sleep(serve.UNWATCHED) and app.before_work then app.before_work() end
  end)
end

---Turns the loop until everything is closed. SIGINT and SIGTERM close it, with a grace for what is
---under way; the second one at once. SIGHUP does so too where there is no TLS whose files could be
---read again. A handler that computes all the while holds none of this up: see net/watchdog.h.
---@param listening mcp.Listening
---@param announce boolean say on standard error where HTTP is answered
function serve.run(listening, announce)
  local app, asked = listening.app, 0
  core.catch_signals(function(number)
    if number == SIGHUP and listening.tls then return reload(app) end
    asked = asked + 1
    listening:close(asked == 1 and serve.GRACE or 0)
  end)
  open_watchdog(listening)
  local program = package.loaded["mcp.program"] -- in the luamcp command only
  if program then program.settle() end
  -- Only now: a program that reads this line may send a signal at once.
  for _, url in ipairs(announce and listening.urls or {}) do
    io.stderr:write(("%s %s answers at %s\n"):format(app.name, app.version, url))
  end
  if announce and listening.inspect then
    io.stderr:write(("inspect it at %s\n"):format(listening.inspect))
  end
  while listening:is_open() do core.step() end
  if asked == 0 then listening:close(0) end
  while not listening:is_gone() do core.step() end
  listening:close()
  -- Clients that handlers have closed may still be ending their sessions and children.
  local closing = package.loaded["mcp.closing"]
  if closing then closing.await() end
  app.before_work = nil
  core.catch_signals(nil)
end

return serve
