-- SPDX-License-Identifier: MIT
-- changes: notices of changed lists and resources, for the clients of all processes. A change is
-- kept in the store, in a list that all sessions share, and announced; each process tells its own
-- streams and connections. A session without a stream in any process gets what it has missed when a
-- stream opens somewhere: what the list has after the last change that was sent to it.
--
-- Processes may get changes in another order than the list has them. So what was sent to a session
-- is described by an id in the list, and the ids of other changes around it.
--
-- In the process that has the stream of the session `session.seen` is such an id, and
-- `session.sent_at` says how many of those that the process has got were sent; in the others both
-- are nil.
local core = require "mcp.core"
local sessions = require "mcp.server.session"

local changes = {}

---Changes that are kept for sessions without a stream. One that has missed more gets all that
---are kept.
changes.KEPT = 1024
changes.KEPT_BYTES = 1 << 20
-- How long they are kept after the last one, in seconds.
local TTL = 7 * 86400
-- How long a change may be on its way from the process that has put it into the store, in seconds.
local ON_THE_WAY = 0.2
-- Changes that a process remembers to have got: their order may be wrong by half as many.
local RECENT = 64

local LIMITS = { events = changes.KEPT, bytes = changes.KEPT_BYTES, ttl = TTL }

-- This process has got a change; of the last ones it remembers which.
local function remember(self, id)
  local at = self.changes_at + 1
  self.changes_at, self.last_change = at, id
  self.recent[at], self.has[id] = id, true
  local old = self.recent[at - RECENT]
  if old then self.recent[at - RECENT], self.has[old] = nil, nil end
end

-- The turn of the loop is over: the same change is a new one.
local function forget(self)
  core.sleep(0)
  self.announced = false
end

-- The others hear of a change when the store can be reached.
local function put_off(self, change)
  if self.unsent[change] or self.unsent_count >= changes.KEPT then return end
  self.unsent[change], self.unsent_count = true, self.unsent_count + 1
end

---Announces a change to the other processes; of one turn of the loop each once.
---@param self mcp.Shared
---@param change string a kind, or the key of a resource
function changes.publish(self, change)
  -- What is registered before the app listens changes nothing for anyone.
  if not self.job or self.announced and self.announced[change] then return end
  if not self.number then return put_off(self, change) end
  if not self.announced then
    if not pcall(core.spawn, forget, self) then return end
    self.announced = {}
  end
  self.announced[change] = true
  self.change_count = self.change_count + 1
  local id = ("%d-%d-%s"):format(self.number, self.change_count, self.store.node)
  -- In this order: a process that has heard of a change finds it in the list.
  self.store:append_later(self:key("changes", "all"), id, change, LIMITS)
  if not self:tell_all { verb = "change", change = change, id = id } then
    return put_off(self, change)
  end
  remember(self, id)
end

---Announces what could not be announced. The clients of this process have been notified.
---@param self mcp.Shared
function changes.publish_late(self)
  local unsent = self.unsent
  self.unsent, self.unsent_count = {}, 0
  for change in pairs(unsent) do changes.publish(self, change) end
  changes.sent(self, self.changes_at)
end

---The changes that had come by `at` have been sent to those who want them.
---@param self mcp.Shared
---@param at integer of self.changes_at
function changes.sent(self, at)
  for _, session in pairs(self.app.sessions.by_id) do
    if session.seen and not session.claiming then
      if sessions.stream_of(session) then
        session.sent_at = at
      else
        self:leave_stream(session)
      end
    end
  end
end

---What was sent to a session, for the process that gets its stream next.
---@param self mcp.Shared
---@param session table
---@return table position seen, sent (ids)
function changes.position(self, session)
  local at, sent = session.sent_at, {}
  for i = at - RECENT + 1, at do sent[#sent + 1] = self.recent[i] end
  local middle = at - RECENT // 2
  return { seen = middle > session.sent_from and self.recent[middle] or session.seen, sent = sent }
end

-- Waits until this process has got the change that it has read from the store. Otherwise it would
-- send it twice.
local function catch_up(self, last)
  local deadline = core.now() + ON_THE_WAY
  while not self.has[last] and core.now() < deadline do
    if not core.sleep(0.01) then return end
  end
  -- What has come, but not been sent, goes where the caller collects what was missed.
  self.app.bus:flush()
end

---What a session has missed.
---@param self mcp.Shared
---@param seen string the id of a change that was sent to it; "": none
---@param sent string[]|nil ids of other changes that were sent to it
---@return table<string, true> missed
---@return string|nil last the id of the last of them
function changes.since(self, seen, sent)
  local key = self:key("changes", "all")
  local list = self.store:range(key, seen ~= "" and seen or nil)
  -- It is gone: more than are kept, or lost.
  if not list and seen ~= "" then list = self.store:range(key) end
  local missed, last, known = {}, nil, {}
  for _, id in ipairs(sent or {}) do known[id] = true end
  for _, entry in ipairs(list or {}) do
    last = entry[1]
    if not known[last] then missed[entry[2]] = true end
  end
  if last then catch_up(self, last) end
  return missed, last
end

---Sends a notification on the stream of a session, whichever process has it.
---@param self mcp.Shared
---@param session table
---@param method string
---@param params table
---@return true|nil sent as far as this process knows
---@return string|nil message, string|nil code
function changes.announce(self, session, method, params)
  -- A later copy of the session may have the stream here.
  local here = self.app.sessions.by_id[session.id]
  if here and here ~= session and here.seen then
    return self.app.bus:announce(here, method, params)
  end
  return self:tell_all { verb = "announce", session = session.id, method = method,
    params = params }
end

---Asks the other processes to notify their clients that have an extension.
---@param self mcp.Shared
---@param def mcp.Extension
---@param method string
---@param params table|nil
---@param options table
---@return boolean asked false: the store cannot be reached, or JSON cannot carry an option
function changes.notify(self, def, method, params, options)
  if not core.encode(options) then return false end
  return self:tell_all { verb = "extension", id = def.id, method = method, params = params,
    options = options } == true
end

-- The last change that there was before this process joined.
local function joined(self)
  local list = self.store:range(self:key("changes", "all"))
  local last = list and list[1] and list[#list][1]
  if last then remember(self, last) end
end

---@param shared mcp.Shared
function changes.share(shared)
  shared.recent, shared.has, shared.changes_at = {}, {}, 0
  shared.change_count, shared.last_change, shared.announced = 0, "", false
  shared.verbs.change = function(self, message)
    remember(self, message.id)
    self.app.bus:note(message.change)
  end
  shared.verbs.extension = function(self, message)
    require("mcp.server.feature.extension_listen").notify_for(self.app, message)
  end
  shared.verbs.announce = function(self, message)
    local session = self.app.sessions.by_id[message.session]
    if session and session.seen then
      self.app.bus:announce(session, message.method, message.params)
    end
  end
  shared.unsent, shared.unsent_count = {}, 0
  table.insert(shared.joins, joined)
  table.insert(shared.back, changes.publish_late)
end

return changes
