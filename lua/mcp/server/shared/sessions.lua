-- SPDX-License-Identifier: MIT
-- sessions: sessions that any process can serve. The store has a record of each; a process that
-- gets a request makes its own copy, and keeps it while it is used. Changes are made under a lock,
-- written to the record and announced, so that the copies follow.
--
-- A session that has ended leaves an empty record until its time is over. So it differs from one
-- that the store has lost, whose record is written again.
--
-- How many sessions there may be at once, in all and of one principal, is counted in each process.
local bus = require "mcp.server.bus"
local core = require "mcp.core"
local protocol = require "mcp.protocol"
local sessions = require "mcp.server.session"

local shared_sessions = {}

-- How long a process may take for a change of a session, in seconds; then others go on.
local LOCK = 5
-- How long a process waits for the change of another one, and between two looks, in seconds.
local PATIENCE, LOOK = 2, 0.01

local ID = "^[%w_-]+$"
local ID_LENGTH = #core.random_id()
-- What the record of a session that has ended says.
local ENDED = ""

-- --- records -----------------------------------------------------------------------------------

local KINDS = { "tools", "prompts", "resources" }

local function kinds_of(set)
  if type(set) ~= "table" then return nil end
  local out = {}
  for _, kind in ipairs(KINDS) do out[kind] = set[kind] end
  return out
end

local function set_of(kinds) return bus.set(kinds.tools, kinds.prompts, kinds.resources) end

local function record_of(session)
  return assert(core.encode {
    revision = session.revision.name, capabilities = session.capabilities,
    client = session.client, owner = session.owner or nil,
    ready = session.initialized and true or false,
    kinds = kinds_of(session.initialized or session.declared),
    subscribed = session.subscribed, log_rank = session.log_rank, began = session.began,
  })
end

-- The subscriptions of the record: what is new is charged, what is gone released.
local function apply_subscriptions(session, subscribed)
  local gone = {}
  for key in pairs(session.subscribed or gone) do
    if not subscribed[key] then gone[#gone + 1] = key end
  end
  for _, key in ipairs(gone) do sessions.unsubscribe(session, key) end
  for key, uri in pairs(subscribed) do
    if not sessions.subscribe(session, key, uri) then
      core.log("warning", "a subscription of a session is not kept: memory limit reached")
    end
  end
end

-- Makes a copy equal to the record.
local function apply(session, record)
  -- No client takes back that it is ready.
  if record.ready and not session.initialized then
    session.initialized, session.declared = record.kinds and set_of(record.kinds) or true, nil
    if session.waiting then require("mcp.server.ask.live").ready(session) end
  end
  session.log_rank = record.log_rank
  apply_subscriptions(session, record.subscribed or {})
end

-- --- the store of an app's sessions, in the place of the one for a single process --------------

local Store = { __name = "mcp.shared_sessions" }
local base = getmetatable(sessions.store()).__index
Store.__index = setmetatable({}, { __index = base })

local function key_of(self, id) return self.shared:key("session", id) end

---Adds a session, gives it an id, and writes its record.
---@return boolean taken
---@return boolean|nil away the store cannot be reached
function Store.__index:add(session)
  session.began = self.shared.last_change
  if not base.add(self, session) then return false end
  local ok = self.shared.store:put(key_of(self, session.id), record_of(session),
    math.min(sessions.INITIALIZE, self.idle))
  if ok then return true end
  self:remove(session.id)
  return false, true
end

-- The record of a session: a table, ENDED, or nil if there is none; or nil, text and code.
local function read(self, id)
  local text, reason, code = self.shared.store:get(key_of(self, id))
  if not text then return nil, reason, code end
  if text == ENDED then return ENDED end
  return core.decode(text)
end

-- Makes the copy of a session that this process has not seen yet, or has forgotten.
local function fetch(self, id, owner)
  if #id ~= ID_LENGTH or not id:find(ID) then return nil end
  local record, _, code = read(self, id)
  if code then return nil, true end
  local session = self.by_id[id]
  -- Another request was faster.
  if session then return session.owner == (owner or nil) and session or nil end
  if not record or record == ENDED or record.owner ~= (owner or nil) then return nil end
  session = sessions.new(protocol.revision(record.revision),
    { capabilities = record.capabilities, clientInfo = record.client })
  session.id, session.owner, session.began = id, record.owner, record.began
  session.declared = record.kinds and set_of(record.kinds) or nil
  if not base.add(self, session) then return nil, true end
  session.running.used = true
  apply(session, record)
  return session
end

-- Reads the record of a copy again. False: the session has ended; nil: the store is away.
local function refresh(self, session)
  local record, _, code = read(self, session.id)
  if code then return nil end
  if session.closed or record == ENDED then
    base.remove(self, session.id)
    return false
  end
  session.stale = nil
  if record then
    apply(session, record)
  else
    -- The store has lost it. Of several processes one writes it.
    self.shared.store:add(key_of(self, session.id), record_of(session), self.idle)
  end
  return true
end

---The session with this id, or nil.
---@param id string
---@param owner string|nil
---@return table|nil session
---@return boolean|nil away the store, which may have it, cannot be reached
function Store.__index:find(id, owner)
  local session = base.find(self, id, owner)
  if not session then
    if self.by_id[id] then return nil end
    local away
    session, away = fetch(self, id, owner)
    if not session then return nil, away end
  elseif session.stale or not session.initialized then
    if refresh(self, session) == false then return nil end
  end
  if session.last_used >= (session.touch_at or 0) then
    session.touch_at = session.last_used + self.idle / 10
    self.shared.store:touch_later(key_of(self, id), self.idle)
  end
  return session
end

---@param session table
---@return userdata pass
function Store.__index:pass(session)
  local pass = base.pass(self, session)
  -- What is done above has to be done again then; or at once.
  pass:open(session.initialized and not session.stale and math.min(self.look_at, session.touch_at)
    or 0)
  return pass
end

-- The copy of a session may differ from its record.
local function doubt(session)
  session.stale = true
  local pass = session.running.used
  if type(pass) == "userdata" then pass:open(0) end
end

---This process forgets a session, which has ended or was not used here for long.
---@param id string
function Store.__index:remove(id)
  local session = self.by_id[id]
  if session and session.seen then self.shared:leave_stream(session) end
  if session then session.forgotten = true end
  base.remove(self, id)
end

-- The tasks of a session that has ended end, those too that it has begun in an earlier copy.
local function end_tasks(app, id)
  local store = app.task_store
  if not store then return end
  for _, task in ipairs(store.order) do
    if type(task.owner) == "table" and task.owner.id == id then task.owner.forgotten = nil end
  end
  store:sweep()
end

---Ends a session, in all processes.
---@param id string
---@return true|nil ended nil: the store cannot be reached
function Store.__index:finish(id)
  if not self.shared.store:put(key_of(self, id), ENDED, self.idle) then return nil end
  base.remove(self, id)
  end_tasks(self.shared.app, id)
  self.shared:tell_all { verb = "session_ended", session = id }
  -- The store answers after it has passed that on: a request of the client that knows of the end
  -- finds no copy in another process.
  self.shared.store:get(key_of(self, id))
  return true
end

-- --- changes -----------------------------------------------------------------------------------

-- Waits for a lock. What was sent and not answered may be carried out later, when no one
-- needs the lock any more: so it is released after that.
local function take_lock(store, key, token)
  local deadline = core.now() + PATIENCE
  while true do
    local taken, text, code = store:add(key, token, LOCK)
    if taken then return true end
    if taken == nil then
      store:release_later(key, token)
      return nil, text, code
    end
    if core.now() > deadline then return nil, "another process holds it", "EBUSY" end
    local ok
    ok, text, code = core.sleep(LOOK)
    if not ok then return nil, text, code end
  end
end

---Waits for the right to change a session, or to take its stream.
---@param self mcp.Shared
---@param session table
---@return table|nil lock to be closed
---@return string|nil text, string|nil code
function shared_sessions.lock(self, session)
  local store, key, token = self.store, self:key("lock", session.id), core.random_id()
  local ok, text, code = take_lock(store, key, token)
  if not ok then return nil, text, code end
  -- If this took longer than the lock lasts, another process may hold it by now.
  return setmetatable({}, { __close = function() store:release_later(key, token) end })
end

-- Changes a session: `fn` gets the latest state, changes it and returns what the caller gets.
local function change(self, session, fn, ...)
  local store, key = self.shared.store, key_of(self, session.id)
  local held <close>, text, code = self.shared:lock(session)
  if not held then return nil, text, code end
  local fresh = refresh(self, session)
  if not fresh then
    return nil, "the session has ended", fresh == nil and "EUNAVAILABLE" or "ECLOSED"
  end
  local result, err = fn(...)
  if err then return result, err end
  local ok
  ok, text, code = store:put(key, record_of(session), self.idle)
  if not ok then
    session.unwritten = true
    return nil, text, code
  end
  session.unwritten = nil
  self.shared:tell_all { verb = "session_changed", session = session.id }
  return result
end

---Changes the session of a request, by fn(…), which finds the latest state.
---@param shared mcp.Shared
---@param ctx table
---@param fn fun(...): any, table|nil a result, or nil and an error
---@param ... any
---@return any result, table|nil err
function shared_sessions.change(shared, ctx, fn, ...)
  local result, err, code = change(shared.app.sessions, ctx.session, fn, ...)
  if code then return shared:unavailable(rawget(ctx, "own_exchange") or ctx.exchange) end
  return result, err
end

---The client of a session is ready: the others get to know it.
---@param shared mcp.Shared
---@param session table whose `initialized` has been set
function shared_sessions.ready(shared, session)
  local initialized = session.initialized
  local ok, _, code = change(shared.app.sessions, session, function()
    session.initialized, session.declared = initialized, nil
    return true
  end)
  if not ok and code ~= "ECLOSED" then session.unwritten = true end
end

-- --- following the others ----------------------------------------------------------------------

-- The copies of all sessions may differ from their records: messages were lost.
local function doubt_all(self)
  local list = self.app.sessions
  for _, session in pairs(list.by_id) do
    doubt(session)
    if session.unwritten then
      core.spawn(shared_sessions.ready, self, session)
    end
  end
end

-- Sessions that are in use without any request: by a stream, or by a call that takes long.
local function care(self)
  local list = self.app.sessions
  for id, session in pairs(list.by_id) do
    if sessions.stream_of(session) or not session.running:is_empty() then
      self.store:touch_later(key_of(list, id), list.idle)
    end
  end
end

---@param shared mcp.Shared
function shared_sessions.share(shared)
  local list = shared.app.sessions
  list.shared = shared
  setmetatable(list, Store)
  shared.verbs.session_changed = function(_, message)
    local session = list.by_id[message.session]
    if not session then return end
    doubt(session)
    core.spawn(refresh, list, session)
  end
  shared.verbs.session_ended = function(_, message)
    base.remove(list, message.session)
    end_tasks(shared.app, message.session)
  end
  table.insert(shared.cares, care)
  table.insert(shared.back, doubt_all)
end

return shared_sessions
