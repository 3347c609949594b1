-- SPDX-License-Identifier: MIT
-- delivery: sends the changes that server/bus.lua has noted: to a session by a notification on its
-- stream or connection, to a listen request (subscriptions/listen) by a notification with its id on
-- its exchange. Loaded when the first change is due: many servers never change.
--
-- It never waits: a subscriber that does not read loses its stream and does not delay others.
local core = require "mcp.core"
local protocol = require "mcp.protocol"
local sessions = require "mcp.server.session"
local watchers = require "mcp.later" "mcp.server.watchers"

local delivery = {}

-- A change is named by its kind or, of a resource, by its URI.
local KINDS = protocol.LISTS
local UPDATED = "notifications/resources/updated"

local METHODS = {}
for kind in pairs(KINDS) do METHODS[kind] = ("notifications/%s/list_changed"):format(kind) end

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
  if KINDS[change] then return declared ~= true and declared[change] end
  return session.subscribed ~= nil and session.subscribed[change]
end

-- Notifies a session by its stream or connection. A change that cannot be sent is recorded and sent
-- later; the order of such changes is lost.
local function tell_session(session, way, change)
  local ok, text, code
  if way then
    ok, text, code = way:send(METHODS[change] or UPDATED,
      not KINDS[change] and { uri = session.subscribed[change] } or nil)
  end
  if not ok then
    session.missed = session.missed or {}
    session.missed[change] = true
  end
  return ok, text, code
end

---Sends a session the changes that it has missed; there are some.
---@param session table
---@param way userdata its stream or connection
function delivery.catch_up(session, way)
  local missed = session.missed
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
---@param self table the bus
---@param session table the session
---@param method string
---@param params table
---@return true|nil sent, string|nil message, string|nil code
function delivery.announce(self, session, method, params)
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
  if stream and session.missed then delivery.catch_up(session, stream) end
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
  if session.missed then delivery.catch_up(session, link.sender) end
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

---Sends the changes that are due; there are some.
---@param self table the bus
function delivery.send(self)
  local changes, shared = self.changes, self.app.shared
  self.changes, self.noted = {}, {}
  local at = shared and shared.changes_at
  for _, change in ipairs(changes) do
    if KINDS[change] then send_list_change(self, change) else send_update(self, change) end
  end
  if shared then shared:sent(at) end
end

---Ends a listen request with its result.
---@param self table the bus
---@param x userdata
function delivery.finish(self, x)
  local ended, ok = pcall(x.finish, x, { resultType = "complete", _meta = {
    [protocol.KEY_SUBSCRIPTION] = x:id(), [protocol.KEY_SERVER] = self.app.server_info,
  } })
  if not (ended and ok) then x:release() end
end

return delivery
