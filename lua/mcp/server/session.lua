-- SPDX-License-Identifier: MIT
-- session: state of the revisions that have a handshake. Over HTTP an app has one store of them;
-- the session of a duplex connection lives as long as the connection and is in no store.
local core = require "mcp.core"
-- Loaded with the first subscription.
local watchers = require "mcp.later" "mcp.server.watchers"

local sessions = {}

---Time after which an unused session ends: its client has probably gone away.
sessions.IDLE = 900 -- seconds
---Sessions at once; the one that was idle longest is removed for a new one.
sessions.MAX = 10000
---Sessions of one principal: a flood of sessions removes only sessions of the same principal.
sessions.MAX_PER_PRINCIPAL = 1000
---Time that a client may take between initialize and its next message.
sessions.INITIALIZE = 30 -- seconds
---Minimum time between two searches for idle sessions. Their clients send nothing any more, so
---only a search finds them before the store is full.
sessions.LOOK = 30 -- seconds
---What a session is charged for, in addition to the capabilities and client info it keeps.
sessions.COST = 2048 -- bytes

-- Bytes of an entry in a session's table of subscriptions, and of that in the index of resources.
local ENTRY = 128

-- The memory of all sessions of this Lua state; made with the first.
local memory

---Charges bytes to a session; they are released when it is closed.
---@param session table
---@param bytes integer
---@return boolean charged false: there is no room, so it must not be kept
---@return boolean|nil own its principal is over what one may hold
function sessions.charge(session, bytes)
  if session.closed then return false end
  memory = memory or require("mcp.server.owners").new()
  local ok, own = memory:charge(session.owner, bytes)
  if not ok then return false, own end
  session.charged = (session.charged or 0) + bytes
  return true
end

---Releases bytes that were charged to a session.
---@param session table
---@param bytes integer
function sessions.release(session, bytes)
  if session.closed then return end
  memory:release(session.owner, bytes)
  session.charged = session.charged - bytes
end

-- What a subscription costs: the URI and its normal form, which may be a little shorter.
local function subscription_cost(key) return 2 * core.weight(key) + ENTRY end

---Subscribes a session to a resource, or changes how its client spells the URI.
---@param session table
---@param key string the normal form of the URI
---@param uri string as the client writes it
---@return boolean subscribed false: there is not enough memory
function sessions.subscribe(session, key, uri)
  local subscribed = session.subscribed
  if not (subscribed and subscribed[key]) then
    if not sessions.charge(session, subscription_cost(key)) then return false end
    subscribed = subscribed or {}
    session.subscribed = subscribed
    watchers.add(key, session)
  end
  subscribed[key] = uri
  return true
end

---@param session table
---@param key string
function sessions.unsubscribe(session, key)
  local subscribed = session.subscribed
  if not (subscribed and subscribed[key]) then return end
  subscribed[key] = nil
  if next(subscribed) == nil then session.subscribed = nil end
  watchers.remove(key, session)
  sessions.release(session, subscription_cost(key))
end

-- The bytes of a session itself. Computed again when it is closed, rather than kept: with one field
-- more, the table of each session would be twice as large.
local function own_cost(session)
  return sessions.COST + core.weight(session.capabilities, session.client)
end

---Charges a session itself. Only a session that was admitted is closed.
---@param session table
---@return boolean
---@return boolean|nil own its principal is over what one may hold
function sessions.admit(session)
  memory = memory or require("mcp.server.owners").new()
  return memory:charge(session.owner, own_cost(session))
end

-- The capabilities of most clients. Shared, therefore read-only.
local NOTHING = setmetatable({}, { __newindex = function() error("read-only", 2) end })

-- The requests in progress: two parallel arrays, because a table whose keys come and go is rehashed
-- all the time. The arrays are made for the first request. `used` is set once a message has come
-- after initialize: to true, or to the pass of the session; it is here because this table has room
-- for it.
--
-- A request that came by a pass is not among them before it waits: until then no other looks.
local Running = { __name = "mcp.running" }
Running.__index = {}

---@param id string the key of the request's id
---@param exchange userdata
---@return boolean added false if a request with this id is in progress
function Running.__index:add(id, exchange)
  local ids, exchanges, count = self.ids, self.exchanges, self.count + 1
  if count > 1 then
    for i = 1, count - 1 do
      if ids[i] == id then
        if not exchanges[i]:is_cancelled() then return false end
        self:remove(exchanges[i])
        count = count - 1
        break
      end
    end
  elseif not ids then
    ids, exchanges = {}, {}
    self.ids, self.exchanges = ids, exchanges
  end
  self.count, ids[count], exchanges[count] = count, id, exchange
  return true
end

function Running.__index:remove(exchange)
  local ids, exchanges, count = self.ids, self.exchanges, self.count
  if count == 1 and exchanges[1] == exchange then
    ids[1], exchanges[1], self.count = false, false, 0
    return
  end
  for i = count, 1, -1 do
    if exchanges[i] == exchange then
      ids[i], exchanges[i] = ids[count], exchanges[count]
      -- Emptied, not taken out: the array keeps its size.
      ids[count], exchanges[count] = false, false
      self.count = count - 1
      return
    end
  end
end

---Replaces an exchange by an object that outlives the connection, with the same methods.
function Running.__index:replace(exchange, other)
  for i = 1, self.count do
    if self.exchanges[i] == exchange then
      self.exchanges[i] = other
      return
    end
  end
  local key = not exchange:is_cancelled() and core.key_of(exchange)
  if key then self:add(key, other) end
end

---Is no request in progress? Removes the entries of handlers that ended without returning, because
---they yielded where they must not.
---@return boolean
function Running.__index:is_empty()
  for i = self.count, 1, -1 do
    local exchange = self.exchanges[i]
    if exchange:is_cancelled() then self:remove(exchange) end
  end
  return self.count == 0
end

---Cancels the request with this id. It is removed at once: its handler may never return.
---@param id any as it stands in notifications/cancelled
---@return boolean found
function Running.__index:cancel(id)
  local key = core.id_key(id)
  if not key then return false end
  for i = 1, self.count do
    if self.ids[i] == key then
      local exchange = self.exchanges[i]
      self:remove(exchange)
      exchange:cancel()
      return true
    end
  end
  return false
end

---Cancels all of them.
function Running.__index:clear()
  while self.count > 0 do
    local exchange = self.exchanges[self.count]
    self:remove(exchange)
    exchange:cancel()
  end
end

local Store = { __name = "mcp.sessions" }
Store.__index = {}

---@param options table|nil idle (seconds), max, max_per_principal
---@return table
function sessions.store(options)
  options = options or {}
  return setmetatable({
    by_id = {}, count = 0,
    idle = options.idle or sessions.IDLE, max = options.max or sessions.MAX,
    owners = {}, max_per_principal = options.max_per_principal or sessions.MAX_PER_PRINCIPAL,
    look_at = 0, -- not before then
  }, Store)
end

---@param revision table facts
---@param params table of initialize; a store adds what HTTP needs
---@return table
function sessions.new(revision, params)
  return {
    revision = revision,
    capabilities = type(params.capabilities) == "table" and next(params.capabilities) ~= nil
      and params.capabilities or NOTHING,
    client = type(params.clientInfo) == "table" and params.clientInfo or nil,
    initialized = false, -- then the kinds of lists that were declared to it
    last_used = core.now(),
  }
end

---Changes what a session keeps, by fn(…). Where several processes serve it, they follow.
---@param ctx table of the request
---@param fn fun(...): any, table|nil a result, or nil and an error
---@param ... any its arguments
---@return any result, table|nil err
function sessions.change(ctx, fn, ...)
  local shared = ctx.app.shared
  -- The session of a duplex connection has no id: no other process serves it.
  if shared and ctx.session.id then return shared:change(ctx, fn, ...) end
  return fn(...)
end

---Called with each session before it is closed, where sessions are measured
---(lua/mcp/server/session_clock.lua).
---@type fun(session: table)|nil
sessions.ended = nil

---Ends a session: what runs in it is cancelled, its stream closed.
function sessions.close(session)
  if not session.closed then
    if sessions.ended then sessions.ended(session) end
    memory:release(session.owner, own_cost(session) + (session.charged or 0))
  end
  session.closed = true
  if session.subscribed then watchers.drop(session.subscribed, session) end
  if session.at_end then session.at_end() end
  if session.running then
    session.running:clear()
    local pass = session.running.used
    if type(pass) == "userdata" then pass:close() end
  end
  if session.streams then require("mcp.server.resumable").close(session) end
  if session.stream then session.stream:release() end
  session.stream = nil
end

---Can the streams of this session be resumed?
---@param app table
---@param session table
---@return boolean
function sessions.is_resumable(app, session)
  -- The session of a duplex connection has no list of requests.
  return session.running and app.event_store and session.revision.resume or false
end

---The open stream of a session, or nil. The idle time of a session begins when this function finds
---that its stream is closed.
---@param session table
---@return userdata|nil
function sessions.stream_of(session)
  local stream = session.stream
  if not stream or not stream:is_cancelled() then return stream end
  session.stream, session.last_used = nil, core.now()
  return nil
end

---When its client used it last.
---@param session table of a store
---@return number at by core.now
function sessions.last_used(session)
  local pass = session.running.used
  if type(pass) ~= "userdata" then return session.last_used end
  return math.max(session.last_used, pass:used())
end

local function is_over(store, session, now)
  -- A session with an open stream or a request in progress is not idle.
  if sessions.stream_of(session) or not session.running:is_empty() then return false end
  local limit = session.running.used and store.idle or math.min(sessions.INITIALIZE, store.idle)
  return now - sessions.last_used(session) > limit
end

---Ends the sessions that have been idle for too long.
function Store.__index:sweep()
  local now = core.now()
  for id, session in pairs(self.by_id) do
    if is_over(self, session, now) then self:remove(id) end
  end
end

-- Called when a session is added or used and `look_at` has come; a search takes less than a
-- microsecond per session.
local function look(store, now)
  store.look_at = now + math.min(sessions.LOOK, store.idle)
  store:sweep()
end

-- Removes the least recently used sessions: a tenth of them at a time, so that a flood of new
-- sessions does not sort the store each time.
local function drop_oldest(store)
  local idle = {}
  for _, session in pairs(store.by_id) do
    if session.running:is_empty() then idle[#idle + 1] = session end
  end
  table.sort(idle, function(a, b) return sessions.last_used(a) < sessions.last_used(b) end)
  for i = 1, math.max(1, #idle // 10) do
    if idle[i] then store:remove(idle[i].id) end
  end
end

-- Makes room: removes idle sessions, otherwise the least recently used ones.
local function make_room(store)
  store:sweep()
  if store.count >= store.max then drop_oldest(store) end
end

local function make_room_of_bytes(store)
  store:sweep()
  drop_oldest(store)
end

-- Removes the least recently used session of a principal.
local function make_room_for(store, owner)
  local oldest
  for _, session in pairs(store.by_id) do
    if session.owner == owner and session.running:is_empty() and not sessions.stream_of(session)
      and (not oldest or sessions.last_used(session) < sessions.last_used(oldest)) then
      oldest = session
    end
  end
  if not oldest then return false end
  store:remove(oldest.id)
  return true
end

---Adds a session and gives it an id, unless it has one.
---@return boolean taken false when there is no room
function Store.__index:add(session)
  local owner = session.owner
  local now = core.now()
  if now >= self.look_at then look(self, now) end
  if owner and (self.owners[owner] or 0) >= self.max_per_principal
    and not make_room_for(self, owner) then
    return false
  end
  if self.count >= self.max then make_room(self) end
  if self.count >= self.max then return false end
  local ok, own = sessions.admit(session)
  while own and make_room_for(self, owner) do ok, own = sessions.admit(session) end
  if not ok then
    -- Others make no room for a principal that is over its own limit.
    if own then return false end
    make_room_of_bytes(self)
    if not sessions.admit(session) then return false end
  end
  session.id = session.id or core.random_id()
  session.running = setmetatable({ count = 0 }, Running)
  self.by_id[session.id] = session
  self.count = self.count + 1
  if owner then self.owners[owner] = (self.owners[owner] or 0) + 1 end
  return true
end

---The session with this id, or nil. The session of another principal is left untouched.
---@param id string
---@param owner string|nil the key of the principal
function Store.__index:find(id, owner)
  local session = self.by_id[id]
  if not session or session.owner ~= (owner or nil) then return nil end
  local now, running = core.now(), session.running
  if running.used and now - sessions.last_used(session) <= self.idle then
    if session.stream then sessions.stream_of(session) end
    session.last_used = now
  elseif is_over(self, session, now) then
    self:remove(id)
    return nil
  else
    session.last_used, running.used = now, running.used or true
  end
  if now >= self.look_at then look(self, now) end
  return session
end

-- A request that came by a pass is about to wait. The session may have ended.
local function enter(session, x)
  -- It may be there already, with the same id.
  if session then session.running:add(core.key_of(x), x) end
end

---What requests of a session that `find` has found go by, instead of being found, until there is
---something to look at again.
---@param session table
---@return userdata pass
function Store.__index:pass(session)
  local running = session.running
  if type(running.used) ~= "userdata" then running.used = core.pass(session, enter) end
  running.used:open(self.look_at)
  return running.used
end

---Ends the session with this id because its client has no more use for it.
---@return true ended
function Store.__index:finish(id)
  self:remove(id)
  return true
end

---Ends the session with this id.
function Store.__index:remove(id)
  local session = self.by_id[id]
  if not session then return end
  self.by_id[id] = nil
  self.count = self.count - 1
  local owner = session.owner
  if owner then
    local left = self.owners[owner] - 1
    self.owners[owner] = left > 0 and left or nil
  end
  sessions.close(session)
end

---Ends all of them.
function Store.__index:clear()
  for id in pairs(self.by_id) do self:remove(id) end
end

return sessions
