-- SPDX-License-Identifier: MIT
-- client: a connection to a server. It joins a transport, which carries messages, with the methods
-- of the protocol, and looks the same for all revisions and transports. Requests and notifications
-- of the server go to the program's callbacks.
local cache = require "mcp.client.cache"
local call = require "mcp.client.call"
local core = require "mcp.core"
local closing = require "mcp.closing"
local errors = require "mcp.protocol.errors"
local handshake = require "mcp.client.handshake"
local measures = require "mcp.measures"
local nearest = require "mcp.nearest"
local usage = require "mcp.client.usage"
local serve = require "mcp.later" "mcp.client.serve"
local settings = require "mcp.client.settings"
local callbacks = require "mcp.client.callbacks"
local tools = require "mcp.client.tools"
local verbs = require "mcp.client.verbs"
local watch = require "mcp.later" "mcp.client.watch"

local client = {}

---How long `close` waits for the end of the connection, in seconds; a child has times of its own.
client.CLOSE = 10

---@class mcp.Client
---@field server table|nil the server's description: name, version, …
---@field capabilities table|nil that it declares
---@field instructions string|nil for a model that uses the server
---@field revision string|nil of the protocol
---@field era "legacy"|"modern"|nil with sessions, or without
---@field supported string[]|nil the revisions that it lists
local Client = { __name = "mcp.client" }
local methods = {}
Client.__index = methods

function Client.__tostring(self)
  return ("mcp.client (%s, %s)"):format(self.transport and self.transport.name or "?",
    self.state == "open" and self.revision or self.state)
end

for name, verb in pairs(verbs) do methods[name] = verb end
local check_self = verbs.check_self
methods.check_self = nil

-- What a client has without being a method: what programs read, and what is nil until it is needed.
local MEMBERS = { "server", "capabilities", "instructions", "revision", "era", "supported" }
local ABSENT = { server = true, capabilities = true, instructions = true, revision = true,
  era = true, supported = true, facts = true, cache = true, changing = true,
  envelope = true, forgotten = true, listening = true, log_level = true, opened_at = true,
  opening = true, pages = true, pins = true,
  recorder = true, reopening = true, tools_known = true, transport = true, verdict = true }

-- Loaded when an unknown member is read.
local misspelt
setmetatable(methods, { __index = function(_, key)
  if ABSENT[key] then return nil end
  misspelt = misspelt or require("mcp.misspelt").index("client", function()
    local names = nearest.keys(methods)
    table.move(MEMBERS, 1, #MEMBERS, #names + 1, names)
    return names
  end)
  return misspelt(methods, key)
end })

-- --- what comes from the server ---------------------------------------------------------

local function on_log(self, params, sent)
  local fn = self.settings.on_log
  if not fn then return end
  -- Not an argument: those are weighed, and the program's `context` may hold anything.
  local info = serve.call_of(self, sent)
  callbacks.run(self, function(level, data, logger) return fn(level, data, logger, info) end,
    params.level, params.data, params.logger)
end

local function notice(self, method, params, sent)
  if params == nil then params = {} end
  if method == "notifications/progress" then
    call.progress(self, params)
  elseif method == "notifications/message" then
    on_log(self, params, sent)
  elseif method == "notifications/elicitation/complete" then
    local fn = self.settings.on_elicit_complete
    if fn and type(params.elicitationId) == "string" then
      callbacks.run(self, fn, params.elicitationId)
    end
  elseif not watch.notice(self, method, params)
    and not (self.settings.extensions and self.settings.extensions:notice(self, method, params,
      sent))
  then
    local fn = self.settings.on_notice
    if not fn then return core.log("debug", "ignored unknown notification: " .. method) end
    local info = serve.call_of(self, sent)
    callbacks.run(self, function(given) fn(method, given, info) end, params)
  end
end

-- The callbacks for a transport. They must not keep the client alive: a dropped client is closed.
local function peer_of(self)
  local held = setmetatable({ self }, { __mode = "v" })
  return {
    serve = function(method, params, _, sent)
      if not held[1] then return nil, { code = errors.INTERNAL_ERROR, message = "Closed" } end
      return serve.answer(held[1], method, params, sent)
    end,
    notice = function(method, params, sent)
      if held[1] then notice(held[1], method, params, sent) end
    end,
    lost = function(text, code)
      local me = held[1]
      if not me or me.state == "closed" then return end
      me.state, me.lost_text, me.lost_code = "lost", text, code
    end,
    forgotten = function()
      if held[1] then held[1].forgotten = true end
    end,
  }
end

-- --- opening --------------------------------------------------------------------------------

---Opens a transport, which belongs to the client from then on. Called by the handshake.
---@param transport table
---@return true|nil attached, string|nil message, string|nil code
function methods.attach(self, transport)
  check_self(self, "attach")
  if type(transport) ~= "table" or type(transport.open) ~= "function" then
    usage.raise("client:attach: expected a transport such as mcp.stdio_client { … }, got %s",
      type(transport))
  end
  if self.recorder then transport = self.recorder:wrap(transport) end
  self.transport = transport
  return transport:open(peer_of(self))
end

-- Forgets what belongs to one connection or session.
local function forget(self)
  tools.forget(self)
  if self.pins then self.pins:forget() end
  -- Other clients may share the cache: only the results of this server are dropped.
  if self.cache and self.era then self.cache:drop(self.place) end
  self.listening, self.opening, self.forgotten = nil, nil, nil
end

local function after_handshake(self)
  self.state = "open"
  if measures.meter and self.era == "legacy" then
    self.opened_at = self.opened_at or core.now()
  end
  if self.pins then self.pins:check_instructions(self) end
  if self.log_level and self.era == "legacy" and self.capabilities.logging then
    local ok, text = verbs.set_log_level(self, self.log_level)
    if not ok then core.log("warning", "logging/setLevel: " .. text) end
  end
  if self.settings.on_change or self.settings.extensions or next(self.subscribed) then
    watch.start(self)
  end
  return self
end

-- If opening raises an error, the tasks that read the streams would keep them open.
local Opening = { __close = function(opening)
  local self = opening.client
  if not self then return end
  self.state, self.spent = "lost", true
  self.lost_text, self.lost_code = "opening the client failed", "EFAILED"
  self.background:cancel()
  if self.transport then self.transport:close() end
end }

-- Opens the connection and performs the handshake, by `self.dial`.
local function begin(self)
  local opening <close> = setmetatable({ client = self }, Opening)
  -- `dial` makes another transport in place of the earlier one.
  if self.again and self.transport then self.transport:close() end
  self.state, self.facts = "opening", nil
  forget(self)
  local ok, text, code, data = self.dial(self)
  if self.state == "closed" then
    opening.client = nil
    return nil, "the client was closed", "ECLOSED"
  end
  if ok and self.state == "lost" then ok, text, code = nil, self.lost_text, self.lost_code end
  if not ok then
    opening.client = nil
    local transport = self.transport
    if self.state ~= "lost" then
      self.state, self.lost_text, self.lost_code = "lost", text, code
    end
    if transport then transport:close() end
    self.spent = true
    return nil, text, code, data
  end
  after_handshake(self)
  opening.client = nil
  return self
end

-- The `dial` of a client whose transport was made by the program.
local function connect_of(transport)
  return function(self)
    if transport.duplex or transport.only_era then
      local ok, text, code = self:attach(transport)
      if not ok then return nil, text, code end
      return handshake.duplex(self)
    end
    return handshake.http(self, transport.endpoint.text,
      { http = function() return transport end })
  end
end

---Opens the connection, finds out which revision the server speaks, and performs the handshake. May
---be called again after the connection was lost: subscriptions are then renewed.
---@return mcp.Client|nil self
---@return string|nil message
---@return any code
---@return any data
function methods.initialize(self)
  check_self(self, "initialize")
  if self.state == "closed" then return nil, "the client was closed", "ECLOSED" end
  if self.state == "open" then return self end
  if self.state == "opening" then usage.raise "client:initialize: already in progress" end
  if self.spent and not self.again then
    return nil, "the transport cannot be opened again: " .. tostring(self.lost_text), "ECLOSED"
  end
  self.spent = false
  return begin(self)
end

---Are requests possible? Raises at the user's line before the first `initialize`.
---@return true|nil ready, string|nil message, string|nil code
function methods.ready(self)
  check_self(self, "ready")
  if self.state == "open" then return true end
  if self.state == "closed" then return nil, "the client was closed", "ECLOSED" end
  if self.state == "lost" then return nil, self.lost_text, self.lost_code end
  if self.facts then return true end -- requests that belong to the handshake
  usage.raise "the client is not open: call client:initialize() first"
end

-- Wakes the requests that wait for the same session.
local function release(self)
  local waiting = self.reopening
  self.reopening = nil
  for _, waiter in ipairs(waiting) do waiter:wake() end
end

---Starts a new session after the server has forgotten the last one; once for all requests that find
---out.
---@return true|nil reopened, string|nil message, any code
function methods.reopen(self)
  check_self(self, "reopen")
  if self.reopening then
    local waiter = core.waiter()
    self.reopening[#self.reopening + 1] = waiter
    local ok, text, code = waiter:wait()
    if not ok then return nil, text, code end
    return self:ready()
  end
  if not self.forgotten then return self:ready() end
  self.reopening = {}
  local _ <close> = setmetatable({}, { __close = function() release(self) end })
  forget(self)
  local reply, text, code = handshake.initialize(self, self.transport)
  local ok = reply
  if reply then ok, text, code = handshake.adopt_legacy(self, reply) end
  if not ok then return nil, "the session was lost: " .. text, code end
  after_handshake(self)
  return true
end

-- --- its end --------------------------------------------------------------------------------

---@return boolean open true if requests are possible
function methods.is_open(self)
  check_self(self, "is_open")
  return self.state == "open"
end

-- No event says that an endpoint is gone, so a task polls it: often at first, since most end soon.
local POLL, POLL_MAX = 0.001, 0.05

local function until_gone(host)
  local pause = POLL
  while not host:is_gone() do
    if not core.sleep(pause) then return end
    pause = math.min(2 * pause, POLL_MAX)
  end
end

---Closes the client: calls in progress end with "ECLOSED", a session is ended, a child is stopped.
---Waits for that where waiting is possible (see closing.lua); elsewhere it continues in the
---background. Safe to call again.
---@param grace number|nil seconds that a child has to end by itself
function methods.close(self, grace)
  check_self(self, "close")
  if self.state == "closed" then return end
  self.state, self.closed = "closed", true
  local transport, ok, host = self.transport, true, nil
  -- The rest is closed even if the transport runs out of memory.
  if transport then ok, host = pcall(transport.close, transport, grace) end
  self.background:cancel()
  if self.opened_at and measures.meter then
    measures.meter:session(self, core.now() - self.opened_at)
  end
  if self.recorder then self.recorder:close() end
  if not ok then error(host, 0) end
  if type(host) == "userdata" and not host:is_gone() then
    -- Waiting may run out of memory; the endpoint ends in any case.
    pcall(closing.run, client.CLOSE, until_gone, host)
  end
end
Client.__close = function(self) self:close() end
-- A client that was dropped without `close`: its reading tasks would run for ever. It is closed in
-- a task, because a finalizer must not wait. When the Lua state ends there are no tasks, and C
-- closes all.
Client.__gc = function(self)
  if self.state ~= "new" and self.state ~= "closed" then pcall(core.spawn, self.close, self, 0) end
end

---A client, not opened yet.
---@param what string the function that makes it, for error texts
---@param options table checked for unknown names
---@param connect (fun(self: mcp.Client): any)|nil opens and performs the handshake
---@param transport table|nil in place of `connect`
---@param server string|nil what tells servers apart in a cache that is shared
---@return mcp.Client
function client.new(what, options, connect, transport, server)
  local read = settings.read(what, options)
  local self = setmetatable({
    settings = read, info = read.info, state = "new", dial = connect or connect_of(transport),
    transport = transport, again = connect ~= nil,
    -- Set from the start, since closing must not allocate.
    closed = false, lost_text = false, lost_code = false, spent = false,
    last_id = 0, in_flight = 0, serving = 0, callbacks = 0, calls = {}, mirrors = {},
    subscribed = {}, pins = false, log_level = read.log_level or false, tools_known = false,
    spare = false, background = core.waiter(),
  }, Client)
  -- Results are shared only between clients with the same server and principal.
  local own = core.random_id()
  self.place = { server = server or own, principal = read.principal or own }
  if options.cache ~= false then
    self.cache = type(options.cache) == "table" and options.cache or cache.new(read.limits.cache)
  end
  return self
end

return client
