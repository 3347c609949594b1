-- SPDX-License-Identifier: MIT
-- bus: delivers changes to the subscribers: to a session by a notification on its stream, to a
-- listen request (subscriptions/listen) by a notification with its id on its exchange. Changes of
-- one turn of the loop are sent in the next, each once.
--
-- The bus never waits: a subscriber that does not read loses its stream and does not delay others.
-- Subscribing is in server/feature/subscription.lua.
local core = require "mcp.core"
local protocol = require "mcp.protocol"
local sessions = require "mcp.server.session"
local uris = require "mcp.later" "mcp.uri"
local watchers = require "mcp.later" "mcp.server.watchers"

local bus = {}

---Open listen requests of all clients.
bus.MAX = 1024
---Resources that one session, or one listen request, can subscribe to.
bus.MAX_URIS = 64
---Bytes of the URI of a subscription.
bus.URI_LENGTH = 1024

-- Between two searches for listen requests that have ended, at least so many are added.
local SWEEP = 16

-- A change is named by its kind or, of a resource, by its URI, which has a colon.
local METHODS = {
  tools = "notifications/tools/list_changed",
  prompts = "notifications/prompts/list_changed",
  resources = "notifications/resources/list_changed",
}
local UPDATED = "notifications/resources/updated"

-- A subscriber has a set of such names. Most sets have kinds only; subscribers share those.
local SETS, SHARED = {}, {}
for i = 0, 7 do
  SETS[i] = { tools = i & 1 ~= 0 or nil, prompts = i & 2 ~= 0 or nil,
    resources = i & 4 ~= 0 or nil }
  SHARED[SETS[i]] = true
end

---Is it a kind of list? Everything else that can be published is a URI.
---@param kind any
---@return boolean
function bus.is_kind(kind) return METHODS[kind] ~= nil end

---A set of kinds, and of URIs if there are some.
---@param tools any
---@param prompts any
---@param resources any
---@param subscribed string[]|nil URIs
---@return table<string, true|string> read-only; the value of a URI is the spelling of the client
function bus.set(tools, prompts, resources, subscribed)
  local shared = SETS[(tools and 1 or 0) | (prompts and 2 or 0) | (resources and 4 or 0)]
  if not subscribed or not subscribed[1] then return shared end
  local set = {}
  for kind in pairs(shared) do set[kind] = true end
  for _, uri in ipairs(subscribed) do set[bus.key(uri)] = uri end
  return set
end

---The key of a resource: the same for all spellings of its URI.
---@param uri string
---@return string
function bus.key(uri) return uris.normal(uri) end

local Bus = { __name = "mcp.server.bus" }
Bus.__index = {}

---@param app table
---@param options table|nil max (listen requests), max_uris (of a session or a listen request)
---@return table
function bus.new(app, options)
  options = options or {}
  return setmetatable({
    app = app, max = options.max or bus.MAX, max_uris = options.max_uris or bus.MAX_URIS,
    listens = {}, count = 0, sweep_at = SWEEP, lost = 0, -- exchange -> set
    -- Connections that are a session, by themselves and by their session.
    links = setmetatable({}, { __mode = "k" }),
    link_of = setmetatable({}, { __mode = "k" }),
    changes = {}, noted = {}, -- not yet sent: in order, and as a set
    due = false,
  }, Bus)
end

---A connection has become a session.
---@param link table
function Bus.__index:join(link)
  self.links[link], self.link_of[link.session] = true, link
end

---It is gone.
---@param link table
function Bus.__index:leave(link) self.links[link] = nil end

---Forgets the listen requests that have ended, such as with their connection, which no event tells.
---@return integer open
function Bus.__index:sweep()
  for x in pairs(self.listens) do
    if not x:is_open() then self:forget(x) end
  end
  self.sweep_at = self.count + math.max(self.count, SWEEP)
  return self.count
end

---Is there room for one more listen? What is gone makes room.
---@return boolean
function Bus.__index:has_room() return self.count < self.max or self:sweep() < self.max end

---Subscribes an exchange to the changes in `set`, from now on. The exchange must be kept open
---(exchange:keep).
---@param x userdata
---@param set table<string, boolean>
function Bus.__index:add(x, set)
  self:flush()
  if self.count >= self.sweep_at then self:sweep() end
  self.listens[x] = set
  self.count = self.count + 1
  if SHARED[set] then return end
  for key in pairs(set) do
    if not METHODS[key] then watchers.add(key, x) end
  end
end

---@param x userdata
function Bus.__index:forget(x)
  local set = self.listens[x]
  if not set then return end
  self.listens[x] = nil
  self.count = self.count - 1
  if not SHARED[set] then watchers.drop(set, x) end
end

local function tell_listen(self, x, method, uri)
  local ok, text = x:send(method, { uri = uri, _meta = { [protocol.KEY_SUBSCRIPTION] = x:id() } })
  if ok then return end
  self:forget(x)
  if x:is_open() then
    self.lost = self.lost + 1
    core.log("warning", ("closing subscription: notification could not be delivered: %s")
      :format(text))
    x:cut()
  end
end

local function wants(session, change)
  local declared = session.initialized
  if not declared then return false end
  if METHODS[change] then return declared ~= true and declared[change] end
  return session.subscribed ~= nil and session.subscribed[change]
end

---Does any subscriber want the changes of this resource?
---@param uri string
---@return boolean
function Bus.__index:watches(uri)
  for subscriber in pairs(watchers.of(bus.key(uri))) do
    if self.listens[subscriber] then
      if subscriber:is_open() then return true end
    elseif self.links[self.link_of[subscriber]]
      or self.app.sessions.by_id[subscriber.id] == subscriber then
      return true
    end
  end
  return false
end

-- Notifies a session by its stream or connection. A change that cannot be sent is recorded and sent
-- later; the order of such changes is lost.
local function tell_session(session, way, change)
  local ok, text, code
  if way then
    ok, text, code = way:send(METHODS[change] or UPDATED,
      not METHODS[change] and { uri = session.subscribed[change] } or nil)
  end
  if not ok then
    session.missed = session.missed or {}
    session.missed[change] = true
  end
  return ok, text, code
end

---Sends a session the changes that it has missed.
---@param session table
---@param way userdata its stream or connection
function bus.catch_up(session, way)
  local missed = session.missed
  if not missed then return end
  session.missed = nil
  for change in pairs(missed) do
    if wants(session, change) then tell_session(session, way, change) end
  end
end

-- The stream of a session over HTTP, or nil.
local function stream_of(app, session)
  local stream = sessions.stream_of(session)
  if stream and sessions.is_resumable(app, session) then
    stream = require("mcp.server.resumable").standalone(app, session, stream)
    session.stream = stream
  end
  return stream
end

---Sends a session a notification that belongs to no request. Without an open stream it is lost.
---@param session table the session
---@param method string
---@param params table
---@return true|nil sent, string|nil message, string|nil code
function Bus.__index:announce(session, method, params)
  if not session.initialized then return nil, "the client is not ready", "EAGAIN" end
  local way, shared = session.sender or stream_of(self.app, session), self.app.shared
  if not way and shared and not session.seen then
    return shared:announce(session, method, params)
  end
  if not way then return nil, "the session has no stream", "ECLOSED" end
  return way:send(method, params)
end

local function tell_stored(app, session, change)
  local stream = stream_of(app, session)
  -- Another process may have the stream; if none has, the store has the change.
  if app.shared and not stream and not session.seen then return end
  if stream then bus.catch_up(session, stream) end
  local ok, text = tell_session(session, stream, change)
  if ok or not stream or not stream:is_open() then return end
  app.bus.lost = app.bus.lost + 1
  core.log("warning", ("closing the stream of a session: notification could not be delivered: %s")
    :format(text))
  stream:cut()
  session.stream = nil
end

local function tell_link(self, link, change)
  local session = link.session
  bus.catch_up(session, link.sender)
  local ok, text, code = tell_session(session, link.sender, change)
  if code == "ECLOSED" then
    self.links[link] = nil
  elseif not ok and not link.deaf then
    self.lost = self.lost + 1
    core.log("warning", ("notification could not be delivered to a peer that does not read: %s")
      :format(text))
  end
  link.deaf = not ok
end

-- To all whose lists have changed.
local function send_list_change(self, kind)
  for x, set in pairs(self.listens) do
    if set[kind] then tell_listen(self, x, METHODS[kind]) end
  end
  for _, session in pairs(self.app.sessions.by_id) do
    if wants(session, kind) then tell_stored(self.app, session, kind) end
  end
  for link in pairs(self.links) do
    if wants(link.session, kind) then tell_link(self, link, kind) end
  end
end

-- To the subscribers of a resource. Those of other apps in this Lua state are not ours.
local function send_update(self, key)
  for subscriber in pairs(watchers.of(key)) do
    local set, link = self.listens[subscriber], self.link_of[subscriber]
    if set then
      tell_listen(self, subscriber, UPDATED, set[key])
    elseif link then
      if self.links[link] and wants(subscriber, key) then tell_link(self, link, key) end
    elseif self.app.sessions.by_id[subscriber.id] == subscriber and wants(subscriber, key) then
      tell_stored(self.app, subscriber, key)
    end
  end
end

---Sends the changes that are due.
function Bus.__index:flush()
  local changes, shared = self.changes, self.app.shared
  if not changes[1] then return end
  self.changes, self.noted = {}, {}
  local at = shared and shared.changes_at
  for _, change in ipairs(changes) do
    if METHODS[change] then send_list_change(self, change) else send_update(self, change) end
  end
  if shared then shared:sent(at) end
end

local function tell_soon(self)
  core.sleep(0)
  self.due = false
  self:flush()
end

---Records that a kind of list, or the resource with a URI, has changed.
---@param change string "tools", "prompts", "resources", or a URI
function Bus.__index:publish(change)
  -- An app that has this one mounted tells its own clients.
  if self.also then self.also(change) end
  if not METHODS[change] then change = bus.key(change) end
  local shared = self.app.shared
  if shared then shared:publish(change) end
  self:note(change)
end

---Records a change for the subscribers of this process.
---@param change string a kind, or the key of a resource
function Bus.__index:note(change)
  if self.noted[change] then return end
  if self.count == 0 and next(self.links) == nil and self.app.sessions.count == 0 then return end
  if not METHODS[change] and not self.app.shared and not next(watchers.of(change)) then return end
  self.noted[change] = true
  self.changes[#self.changes + 1] = change
  if self.due then return end
  self.due = true
  if not pcall(core.spawn, tell_soon, self) then
    -- No coroutine: the runtime is closing, or there is not enough memory.
    self.due = false
    self:flush()
  end
end

---Ends all listen requests, each with its result.
function Bus.__index:close()
  self:flush()
  -- Ending one may admit another at once, which is not ended here.
  local listens = self.listens
  self.listens, self.count = {}, 0
  for x, set in pairs(listens) do
    if not SHARED[set] then watchers.drop(set, x) end
    local ended, ok = pcall(x.finish, x, { resultType = "complete", _meta = {
      [protocol.KEY_SUBSCRIPTION] = x:id(), [protocol.KEY_SERVER] = self.app.server_info,
    } })
    if not (ended and ok) then x:release() end
  end
end

return bus
