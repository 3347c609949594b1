-- SPDX-License-Identifier: MIT
-- event_store: what was sent on the streams of sessions, for clients that lost
-- the connection and come back for the rest. This one is in memory and bounded:
-- the oldest goes first. Another can take its place, see mcp.server.
--
-- A store has three functions, called as methods. None of them may wait.
--   append(session_id, stream_id, event_id, text)  keeps an event; ids are unique in a session
--   replay(session_id, event_id, fn) -> boolean    calls fn(event_id, text) for all that came after
--                                                  that event on its stream; false: it is unknown
--   drop(session_id)                               forgets a session
local check = require("mcp.options").check
local core = require "mcp.core"

local event_store = {}

---A client that streams and never reads: events, and bytes, kept for one session.
event_store.EVENTS = 256
event_store.BYTES = 1 << 20
---All sessions together.
event_store.TOTAL = 64 << 20
-- What an event costs beside its text.
local OVERHEAD = 200
-- So many of the oldest make room for a new one while memory is short.
local AT_ONCE = 8

---@class mcp.EventStore
local Store = { __name = "mcp.event_store" }
Store.__index = {}

function Store.__tostring(self)
  return ("mcp.event_store (%d bytes)"):format(self.bytes)
end

local OPTIONS = { events = "number", bytes = "number", total = "number" }
local DEFAULTS = { events = "EVENTS", bytes = "BYTES", total = "TOTAL" }

---A store in memory.
---@param options table|nil events and bytes (of one session), total (bytes of all)
---@return mcp.EventStore
function event_store.new(options)
  local self = { sessions = {}, bytes = 0, dropped = 0, share = core.share() }
  for name, default in pairs(DEFAULTS) do self["max_" .. name] = event_store[default] end
  check("event store", options or {}, OPTIONS, 2)
  for name, given in pairs(options or {}) do
    if math.type(given) ~= "integer" or given < 0 then
      error(("event store: %s: expected an integer, 0 or more, got %s"):format(name, given), 2)
    end
    self["max_" .. name] = given
  end
  -- All events, oldest first: a ring of which this is the head.
  self.ring = {}
  self.ring.newer, self.ring.older = self.ring, self.ring
  return setmetatable(self, Store)
end

---Says what is missing in what was given as a store; nil if nothing is.
---@param store any
---@return string|nil
function event_store.lacks(store)
  if type(store) ~= "table" and type(store) ~= "userdata" then
    return "expected an event store, or false to keep no events, got " .. type(store)
  end
  for _, name in ipairs { "append", "replay", "drop" } do
    local ok, member = pcall(function() return store[name] end)
    if not ok or type(member) ~= "function" then
      return ("expected an event store with the functions append, replay and drop, but %s is %s")
        :format(name, ok and type(member) or "not accessible")
    end
  end
  return nil
end

-- Takes the oldest event of a session away.
local function drop_oldest(self, session)
  local event = session.list[session.first]
  session.list[session.first] = nil
  session.first = session.first + 1
  session.by_id[event.id] = nil
  session.bytes = session.bytes - event.size
  self.bytes = self.bytes - event.size
  self.share:release(event.size)
  event.older.newer, event.newer.older = event.newer, event.older
end

local function is_empty(session) return session.first > session.last end

-- The oldest of all goes.
local function drop_oldest_of_all(self)
  self.dropped = self.dropped + 1
  local oldest = self.ring.newer.session
  drop_oldest(self, oldest)
  if is_empty(oldest) then self.sessions[oldest.id] = nil end
end

-- Charges a new event. The oldest make room, while the process is short of memory, too.
local function charge(self, size)
  for _ = 1, AT_ONCE do
    if self.bytes == 0 or not self.share:is_tight() then break end
    drop_oldest_of_all(self)
  end
  while not self.share:charge(size) do
    if self.bytes == 0 then return false end
    drop_oldest_of_all(self)
  end
  return true
end

function Store.__index:append(session_id, stream_id, event_id, text)
  local size = #text + OVERHEAD
  if not charge(self, size) then
    self.dropped = self.dropped + 1
    core.log("warning", "an event is not kept: over the memory limit")
    return
  end
  local session = self.sessions[session_id]
  if not session then
    session = { list = {}, first = 1, last = 0, by_id = {}, bytes = 0, id = session_id }
    self.sessions[session_id] = session
  end
  local event = { id = event_id, stream = stream_id, text = text, size = size, session = session,
    older = self.ring.older, newer = self.ring }
  self.ring.older.newer, self.ring.older = event, event
  session.last = session.last + 1
  session.list[session.last] = event
  session.by_id[event_id] = session.last
  session.bytes = session.bytes + size
  self.bytes = self.bytes + size
  while not is_empty(session) and (session.last - session.first >= self.max_events
    or session.bytes > self.max_bytes) do
    self.dropped = self.dropped + 1
    drop_oldest(self, session)
  end
  while self.bytes > self.max_total do drop_oldest_of_all(self) end
end

function Store.__index:replay(session_id, event_id, fn)
  local session = self.sessions[session_id]
  local at = session and session.by_id[event_id]
  if not at then return false end
  local stream = session.list[at].stream
  for i = at + 1, session.last do
    local event = session.list[i]
    if event.stream == stream then fn(event.id, event.text) end
  end
  return true
end

function Store.__index:drop(session_id)
  local session = self.sessions[session_id]
  if not session then return end
  while not is_empty(session) do drop_oldest(self, session) end
  self.sessions[session_id] = nil
end

return event_store
