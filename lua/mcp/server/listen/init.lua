-- SPDX-License-Identifier: MIT
-- listen: opens the listeners that `app:run` or the command line asks for. They share the handlers
-- of the app and close together. server/listen/options.lua reads the options,
-- server/listen/http.lua opens what is on a network, server/listen/serve.lua runs the process.
local access = require "mcp.later" "mcp.server.listen.access"
local card = require "mcp.later" "mcp.server.listen.card"
local core = require "mcp.core"
local http = require "mcp.later" "mcp.server.listen.http"
local measuring = require "mcp.later" "mcp.server.listen.measuring"
local options = require "mcp.later" "mcp.server.listen.options"
local probe = require "mcp.later" "mcp.server.listen.probe"
local page = require "mcp.later" "mcp.server.listen.page"
local timeout = require "mcp.server.timeout"
local tracing = require "mcp.later" "mcp.server.listen.tracing"

local listen = {}

---Serves until the end; see server/listen/serve.lua.
---@param listening mcp.Listening
---@param announce boolean
function listen.serve(listening, announce)
  require("mcp.server.listen.serve").run(listening, announce)
end

---Do the options ask for any listener?
---@param given table
---@return boolean
function listen.asks(given)
  return given.stdio and true or next(given) ~= nil and options.any(given)
end

-- Standard input and output alone, as most servers are started, needs no look at the options.
local function read(given)
  if given.stdio ~= true or next(given, next(given)) ~= nil then return options.read(given) end
  return {}, true
end

---@class mcp.Listening
---@field hosts userdata[] what is open
---@field urls string[] the addresses of HTTP
---@field port integer|nil the first of their ports
---@field inspect string|nil the address of the inspect page
local Listening = { __name = "mcp.listening" }
Listening.__index = {}

function Listening.__tostring(self)
  return ("mcp.listening (%s)"):format(table.concat(self.urls, ", "))
end

-- Raises, at the user's line, that a method was called without its object.
local function check_self(self, name)
  if getmetatable(self) ~= Listening then
    error(("listening:%s is called with a colon, not with a dot"):format(name), 3)
  end
end

-- Calls in progress may need the other processes until they have ended.
local function stop_sharing(self, app, grace)
  local deadline = core.now() + grace
  repeat
    local slept = core.sleep(0.05)
  until not slept or self:is_gone() or core.now() > deadline
  if next(app.listening) == nil then app.shared:stop() end
end

---Closes all of it. Requests in progress may continue for `grace` seconds.
---@param grace number|nil 0 if not given
function Listening.__index:close(grace)
  check_self(self, "close")
  -- With the last listener, subscriptions end with a result. Those of other listeners end with
  -- their streams.
  local apps = { self.app, table.unpack(self.others) }
  for _, app in ipairs(apps) do
    local last = true
    for other in pairs(app.listening) do last = last and other == self end
    if last then
      app.bus:close()
      if app.loop_watch then app.loop_watch:cancel() end
      app.loop_watch = false
    end
  end
  for _, host in ipairs(self.hosts) do host:close(grace) end
  if self.tickets then self.tickets:cancel() end
  if self.access and not (grace and grace > 0) then self.access.file:close() end
  if self.recorder and not (grace and grace > 0) then
    self.recorder.exporter:finish(tracing.FLUSH)
  end
  for _, app in ipairs(apps) do
    app.listening[self] = nil
    -- Calls in progress may belong to a session: with a grace it outlives them.
    if next(app.listening) == nil and not (grace and grace > 0) then
      app.sessions:clear()
      if app.shared then app.shared:stop() end
      if app.task_store then app.task_store:clear() end
    elseif next(app.listening) == nil and app.shared then
      core.spawn(stop_sharing, self, app, grace)
    end
  end
  -- Now that the sessions have ended.
  if self.meter and not (grace and grace > 0) then self.meter:finish(tracing.FLUSH) end
end
Listening.__close = function(self) self:close() end

---@return boolean open
function Listening.__index:is_open()
  check_self(self, "is_open")
  for _, host in ipairs(self.hosts) do
    -- The end of standard input ends it all.
    if not host:is_open() then return false end
  end
  return true
end

---Has everything ended, including calls in progress?
---@return boolean
function Listening.__index:is_gone()
  check_self(self, "is_gone")
  for _, host in ipairs(self.hosts) do
    if not host:is_gone() then return false end
  end
  return true
end

---Reads the files of TLS again: connections from now on are served with what they hold. On
---failure what was there goes on.
---@return true|nil reloaded, string|nil message
function Listening.__index:reload_tls()
  check_self(self, "reload_tls")
  if not self.tls then return nil, "this server has no TLS" end
  return self.tls:reload()
end

local function open_stdio(self, duplex)
  -- Before it takes the descriptors away from everything else.
  local program = package.loaded["mcp.program"]
  self.at_terminal = program and program.terminal(0) ~= nil
  local host, text = core.serve_stdio(duplex)
  if not host then error("cannot serve standard input and output: " .. text, 0) end
  timeout.watch(self.app, host)
  self.hosts[#self.hosts + 1] = host
  self.watched[#self.watched + 1] = host
end

-- Spans, if the options or the environment ask for them.
local function add_tracing(self, given, receive, duplex)
  if given == false or not (given or os.getenv "OTEL_EXPORTER_OTLP_ENDPOINT"
    or os.getenv "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") then
    return receive, duplex
  end
  local app = self.app
  self.recorder = tracing.open(app, given)
  app.recorder = self.recorder
  if not self.recorder then return receive, duplex end
  tracing.add_batches(app, self.recorder)
  if self.recorder.settings.metrics then
    self.meter = measuring.open(app, self.recorder.settings)
  end
  return receive and tracing.around(app, self.recorder, receive),
    tracing.around(app, self.recorder, duplex)
end

local function open_all(self, given, places, stdio, inherited)
  if given.inspect then
    self.page = page.read(self, given.inspect == "private")
  end
  if given.card then self.card = card.option(given.card) end
  if self.card and not places[1] then
    error("card: needs http, sse or websocket: add one of them", 0)
  end
  self.drain, self.private = given.drain, given.inspect == "private"
  if given.health or given.ready or given.metrics then probe.add(self.app, given) end
  if given.tls then
    local context, text = require("mcp.tls").server(given.tls)
    if not context then error(text, 0) end
    self.tls = context
    if inherited and inherited.store then
      self.tickets = require("mcp.server.listen.tickets").share(context, inherited.store)
    end
  end
  if given.store then require("mcp.server.shared").join(self.app, given.store) end
  local duplex = require("mcp.server.front.duplex").receiver(self.app)
  local receive = places[1] and require("mcp.server.front.http").receiver(self.app,
    self.page and self.page.pages)
  if given.paths then receive = http.with_paths(self, given.paths, receive) end
  receive, duplex = add_tracing(self, given.tracing, receive, duplex)
  if given.access_log then
    if not places[1] then error("access_log: needs http, unix, sse or websocket: add one", 0) end
    self.access = access.open(given.access_log, stdio)
    self.app.access = self.access
    for _, place in ipairs(places) do place.access_log = self.access.file end
    receive = access.around(self.access, receive)
  end
  -- Network transports are authorized; standard input is not.
  local asked = self.app.auth and self.app.auth:duplex(duplex) or duplex
  if self.access then asked = access.around(self.access, asked) end
  for _, place in ipairs(places) do http.open(self, place, receive, asked, given.quiet) end
  if stdio then open_stdio(self, duplex) end
  local app = self.app
  app.before_work = function()
    app.before_work = nil
    local watched, text = timeout.watch_handlers(app)
    if not watched then core.log("warning", "handlers are not watched: " .. text) end
  end
  app.listening[self] = true
  if app.shared then app.shared:start() end
  for _, other in ipairs(self.others) do
    if other.shared then other.shared:start() end
  end
end

-- Undoes what was done before a failure. An app that kept it would keep its listeners open.
local function forget(self)
  for _, host in ipairs(self.hosts) do host:close() end
  if self.tickets then self.tickets:cancel() end
  self.app.listening[self] = nil
  for _, app in ipairs(self.others) do app.listening[self] = nil end
end

---Opens what `given` asks for: all of it, or nothing.
---@param app table
---@param given table stdio, http, sse, websocket, unix, tls, security, limits, inspect, quiet
---@param inherited table|nil server/listen/inherited.lua, where sockets were inherited
---@return mcp.Listening
function listen.open(app, given, inherited)
  local places, stdio = read(given)
  if inherited then places = inherited.assign(places, given) end
  require("mcp.value").learn_arrays()
  local self = setmetatable({ app = app, hosts = {}, urls = {}, others = {}, given = given,
    shown = {}, watched = {} }, Listening)
  local ok, message = pcall(open_all, self, given, places, stdio, inherited)
  if not ok then
    forget(self)
    error(message, 0)
  end
  return self
end

return listen
