-- SPDX-License-Identifier: MIT
-- client: a session with a server, or, in the stateless era, what stands for one. It joins a
-- transport, which carries messages, with the verbs of the protocol. All eras and transports have
-- one face; what the program is asked goes to its callbacks.
local cache = require "mcp.client.cache"
local call = require "mcp.client.call"
local core = require "mcp.core"
local closing = require "mcp.closing"
local errors = require "mcp.protocol.errors"
local handshake = require "mcp.client.handshake"
local usage = require "mcp.client.usage"
local serve = require "mcp.client.serve"
local settings = require "mcp.client.settings"
local tell = require "mcp.client.callbacks"
local tools = require "mcp.client.tools"
local verbs = require "mcp.client.verbs"
local watch = require "mcp.client.watch"

local client = {}

---How long `close` waits for the end of the connection, in seconds; a child has its own times.
client.CLOSE = 10

---@class mcp.Client
---@field server table|nil what the server calls itself: name, version, …
---@field capabilities table|nil what it declares
---@field instructions string|nil what a model should know of it
---@field revision string|nil of the protocol
---@field era "legacy"|"modern"|nil with sessions, or without
---@field supported string[]|nil the revisions that it has named
local Client = { __name = "mcp.client" }
local methods = {}
Client.__index = methods

function Client.__tostring(self)
  return ("mcp.client (%s, %s)"):format(self.transport and self.transport.name or "?",
    self.state == "open" and self.revision or self.state)
end

for name, verb in pairs(verbs) do methods[name] = verb end

-- --- what comes from the server ---------------------------------------------------------

local function on_log(self, params)
  local fn = self.settings.on_log
  if fn then tell.run(self, fn, params.level, params.data, params.logger) end
end

local function notice(self, method, params)
  if params == nil then params = {} end
  if method == "notifications/progress" then
    call.progress(self, params)
  elseif method == "notifications/message" then
    on_log(self, params)
  elseif method == "notifications/elicitation/complete" then
    local fn = self.settings.on_elicit_complete
    if fn and type(params.elicitationId) == "string" then
      tell.run(self, fn, params.elicitationId)
    end
  elseif not watch.notice(self, method, params) then
    core.log("debug", "a notice that means nothing here: " .. method)
  end
end

-- What a transport is given. It must not keep the client alive: who drops it closes it.
local function peer_of(self)
  local held = setmetatable({ self }, { __mode = "v" })
  return {
    serve = function(method, params)
      if not held[1] then return nil, { code = errors.INTERNAL_ERROR, message = "Closed" } end
      return serve.answer(held[1], method, params)
    end,
    notice = function(method, params)
      if held[1] then notice(held[1], method, params) end
    end,
    lost = function(text, code)
      local me = held[1]
      if not me or me.state == "closed" then return end
      me.state, me.why, me.why_code = "lost", text, code
    end,
    forgotten = function()
      if held[1] then held[1].forgotten = true end
    end,
  }
end

-- --- opening --------------------------------------------------------------------------------

---Opens a transport, which is the client's from then on. For who finds out what an address speaks.
---@param transport table
---@return true|nil attached, string|nil message, string|nil code
function methods.attach(self, transport)
  self.transport = transport
  return transport:open(peer_of(self))
end

-- Forgets what belongs to one connection or session.
local function forget(self)
  tools.forget(self)
  -- Others may share it: what they have learned stays, unless we know better.
  if self.cache and self.era then self.cache:drop(self.place) end
  self.listening, self.opening, self.forgotten = nil, nil, nil
end

local function after_handshake(self)
  self.state = "open"
  if self.log_level and self.era == "legacy" and self.capabilities.logging then
    local ok, text = verbs.set_log_level(self, self.log_level)
    if not ok then core.log("warning", "logging/setLevel: " .. text) end
  end
  watch.start(self)
  return self
end

-- Where opening ends with an error: what reads the streams would keep them open.
local Opening = { __close = function(opening)
  local self = opening.client
  if not self then return end
  self.state, self.spent = "lost", true
  self.why, self.why_code = "opening it has failed", "EFAILED"
  self.background:cancel()
  if self.transport then self.transport:close() end
end }

-- Opens and shakes hands; `self.way` says how.
local function begin(self)
  local opening <close> = setmetatable({ client = self }, Opening)
  -- What a way made before is gone; it makes another one.
  if self.again and self.transport then self.transport:close() end
  self.state, self.facts = "opening", nil
  forget(self)
  local ok, text, code, data = self.way(self)
  if self.state == "closed" then
    opening.client = nil
    return nil, "the client was closed", "ECLOSED"
  end
  if ok and self.state == "lost" then ok, text, code = nil, self.why, self.why_code end
  if not ok then
    opening.client = nil
    local transport = self.transport
    if self.state ~= "lost" then self.state, self.why, self.why_code = "lost", text, code end
    if transport then transport:close() end
    self.spent = true
    return nil, text, code, data
  end
  after_handshake(self)
  opening.client = nil
  return self
end

-- The way of a transport that was given as it is.
local function way_of(transport)
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

---Opens the connection, finds out what the server speaks, and shakes hands. After the connection
---was lost it may be called again: what was subscribed to is subscribed to anew.
---@return mcp.Client|nil self
---@return string|nil message
---@return any code
---@return any data
function methods.initialize(self)
  if self.state == "closed" then return nil, "the client was closed", "ECLOSED" end
  if self.state == "open" then return self end
  if self.state == "opening" then usage.raise "client:initialize: it is already in progress" end
  if self.spent and not self.again then
    return nil, "the transport cannot be opened again: " .. tostring(self.why), "ECLOSED"
  end
  self.spent = false
  return begin(self)
end

---Is a request possible? A program that asks too early is told so at its line.
---@return true|nil ready, string|nil message, string|nil code
function methods.ready(self)
  if self.state == "open" then return true end
  if self.state == "closed" then return nil, "the client was closed", "ECLOSED" end
  if self.state == "lost" then return nil, self.why, self.why_code end
  if self.facts then return true end -- in the middle of what follows the handshake
  usage.raise "client:initialize() comes first"
end

-- Those that wait for the same.
local function release(self)
  local waiting = self.reopening
  self.reopening = nil
  for _, waiter in ipairs(waiting) do waiter:wake() end
end

---The server has forgotten the session: another one is begun, once for all who find out.
---@return true|nil reopened, string|nil message, any code
function methods.reopen(self)
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

---@return boolean open requests can be made
function methods.is_open(self) return self.state == "open" end

-- Nothing wakes a task when a host is gone, so it looks: often at first, for most are gone at once.
local LOOK, LOOK_MOST = 0.001, 0.05

local function until_gone(host)
  local pause = LOOK
  while not host:is_gone() do
    if not core.sleep(pause) then return end
    pause = math.min(2 * pause, LOOK_MOST)
  end
end

---Closes it: calls under way end with "ECLOSED", a session is ended, a child is stopped. Waits for
---that where waiting is possible (see closing.lua); elsewhere it goes on by itself. Safe to call
---again.
---@param grace number|nil seconds that a child has to end by itself
function methods.close(self, grace)
  if self.state == "closed" then return end
  self.state, self.closed = "closed", true
  local transport, ok, host = self.transport, true, nil
  -- Where memory ends in the middle, the rest is closed all the same.
  if transport then ok, host = pcall(transport.close, transport, grace) end
  self.background:cancel()
  if not ok then error(host, 0) end
  if type(host) == "userdata" and not host:is_gone() then
    -- Without the memory for it the host goes all the same; nobody waits for it.
    pcall(closing.run, client.CLOSE, until_gone, host)
  end
end
Client.__close = function(self) self:close() end
-- One that was dropped: what reads its streams does not keep it, but would go on for ever. In a
-- task, because a collector must not wait; where the state ends there are none, and all is closed
-- anyway.
Client.__gc = function(self)
  if self.state ~= "new" and self.state ~= "closed" then pcall(core.spawn, self.close, self, 0) end
end

---A client, not opened yet.
---@param what string who makes it, in texts
---@param options table checked for unknown names
---@param way (fun(self: mcp.Client): any)|nil opens, and shakes hands
---@param transport table|nil in place of a way
---@param server string|nil what tells servers apart in a cache that is shared
---@return mcp.Client
function client.new(what, options, way, transport, server)
  local read = settings.read(what, options)
  local self = setmetatable({
    settings = read, info = read.info, state = "new", way = way or way_of(transport),
    transport = transport, again = way ~= nil,
    -- Closing must not need memory.
    closed = false, why = false, why_code = false, spent = false,
    last_id = 0, in_flight = 0, serving = 0, telling = 0, calls = {}, mirrors = {}, subscribed = {},
    log_level = read.log_level, background = core.waiter(),
  }, Client)
  -- Nobody shares what is kept, unless it is said which server and whose it is.
  local own = core.random_id()
  self.place = { server = server or own, principal = read.principal or own }
  if options.cache ~= false then
    self.cache = type(options.cache) == "table" and options.cache or cache.new(read.limits.cache)
  end
  return self
end

return client
