-- SPDX-License-Identifier: MIT
-- streams: event streams of sessions that any process can serve.
--
-- Events are in the store: a list for each stream, whose id names the process that began it. A
-- client that comes back with Last-Event-ID gets the rest from any process.
--   * The stream of a call goes on where the call runs: the other process forwards it (`follow`).
--     When the process of a call has died, its client gets an error in place of the answer.
--   * The standalone stream of a session has one holder. A process that gets it says so in the
--     store, and takes over what the holder before it knew.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local resumable = require "mcp.server.resumable"
local sessions = require "mcp.server.session"

local streams = {}

---How often a process asks those whose streams it forwards what they have sent, in seconds.
streams.WATCH = 5
---How long the events of a stream are kept after its end, in seconds, where that was sent to a
---client: it may have lost it on the way. Others are kept as long as a session is.
streams.ENDED = 60

local DIED = "The process that ran this call has ended before its answer"

-- The process that began a stream, and the stream, out of the id of an event.
local EVENT = "^(%w+n(%d+)%.%d+)_%d+$"
-- The longest id of an event, in bytes.
local LONGEST = 100

-- What is kept of an event begins with one of these: whether the stream ends with it.
local LAST, MORE = "1", "0"

-- The name of a stream in the keys of the store: a client must not get those of other sessions.
local function name_of(session, stream) return ("%s/%s"):format(session, stream) end

local function list_key(self, name) return self:key("events", name) end

local function limits_of(self)
  local store = require "mcp.event_store"
  return { events = store.EVENTS, bytes = store.BYTES, ttl = self.app.sessions.idle }
end

-- The same with the last event of a stream. `sent`: there is a client that gets it now.
local function limits_at_end(self, sent)
  local limits = limits_of(self)
  limits.spare = true
  if sent then limits.ttl = math.min(limits.ttl, streams.ENDED) end
  return limits
end

-- --- the event store of the app ----------------------------------------------------------------

local Events = { __name = "mcp.shared_events" }
Events.__index = {}

function Events.__index:append(session, stream, id, text, last, sent)
  local shared = self.shared
  local name = name_of(session, stream)
  shared.store:append_later(list_key(shared, name), id, (last and LAST or MORE) .. text,
    last and limits_at_end(shared, sent) or self.limits)
  if last then shared.store:delete_later(shared:key("stream", name)) end
end

-- May wait, other than a store of one process.
function Events.__index:replay(session, id, fn)
  local shared = self.shared
  local list, text, code = shared.store:range(
    list_key(shared, name_of(session, id:match "^(.*)_%d+$")), id)
  if code then return nil, text, code end
  if not list then return false end
  for _, event in ipairs(list) do fn(event[1], event[2]:sub(2)) end
  return true
end

-- Lists of streams that are over go when their time is over; the session may have ended here only.
function Events.__index.drop() end

---A stream begins that a client may resume.
---@param self mcp.Shared
---@param session table
---@param stream string its id
---@param id userdata|string|false of the request; false: none, or a standalone stream
function streams.begin(self, session, stream, id)
  local text = assert(core.encode { id = id or nil, alone = not id })
  self.store:put_later(self:key("stream", name_of(session.id, stream)), text,
    self.app.sessions.idle)
end

-- --- the way to a process that forwards a stream -------------------------------------------------

-- In the place of an exchange.
local Remote = { __name = "mcp.remote_stream" }
Remote.__index = {}

function Remote.__index:event(text, id, retry, last)
  if not self.open then return nil, "the stream is closed", "ECLOSED" end
  self.count = self.count + 1
  local ok, reason = self.shared:tell(self.to, { verb = "stream_event", follow = self.follow,
    count = self.count, text = text, id = id, retry = retry, last = last or nil })
  -- The other process learns of it when it asks for the counts.
  if last or not ok then self:close() end
  if not ok then return nil, reason, "ECLOSED" end
  return true
end

function Remote.__index:is_open() return self.open end
function Remote.__index:keep() return self.open end
function Remote.__index:release() self:event(nil, nil, nil, true) end
function Remote.__index:cut() self:release() end

function Remote.__index:close()
  self.open = false
  self.shared.remotes[self.name] = nil
end

-- Asked by a process whose client wants the rest of a stream that goes on here.
local function follow(self, message)
  local session = self.app.sessions.by_id[message.session]
  if not session then return { live = false } end
  local name = ("%d %d"):format(message.from, message.follow)
  local remote = setmetatable({ shared = self, to = message.from, follow = message.follow,
    name = name, count = 0, open = true }, Remote)
  self.remotes[name] = remote
  local live, away = resumable.follow(session, remote, message.stream, message.last)
  if not live then remote:close() end
  return { live = live, away = away }
end

-- Asked by a process that forwards streams from here: how many events it was sent of each; -1: no
-- more will come.
local function counts(self, message)
  local list = {}
  for i, id in ipairs(message.follows) do
    local remote = self.remotes[("%d %d"):format(message.from, id)]
    list[i] = remote and remote.count or -1
  end
  return list
end

-- The other process cannot send any more.
local function gone(self, message)
  local remote = self.remotes[("%d %d"):format(message.from, message.follow)]
  if remote then remote:close() end
end

-- --- forwarding ----------------------------------------------------------------------------------

local function unfollow(self, following)
  self.follows[following.id] = nil
end

-- An event of a stream that is forwarded. What is lost on the way the client gets when it comes
-- again.
local function forward(self, message)
  local following = self.follows[message.follow]
  if not following then
    self:tell(message.from, { verb = "stream_gone", follow = message.follow })
    return
  end
  local x = following.x
  local ok = message.count == following.count + 1
  if ok then
    following.count, following.last = message.count, message.id or following.last
    ok = message.text == nil or x:event(message.text, message.id, message.retry, message.last)
    if message.text == nil then x:release() end
  end
  if ok and not message.last then return end
  unfollow(self, following)
  if not ok then
    x:cut()
    self:tell(message.from, { verb = "stream_gone", follow = message.follow })
  end
end

-- The events of the stream with this name after one, and whether the stream is over; nil, and
-- whether the store is away.
local function events_after(self, name, last)
  local list, _, code = self.store:range(list_key(self, name), last)
  if not list then return nil, code ~= nil end
  local out, over = {}, false
  for i, event in ipairs(list) do
    out[i] = { event[1], event[2]:sub(2) }
    over = event[2]:sub(1, 1) == LAST
  end
  if not list[1] then
    list = self.store:range(list_key(self, name)) or {}
    over = list[1] ~= nil and list[#list][2]:sub(1, 1) == LAST
  end
  return out, over
end

-- Ends the stream of a call whose process has died: the error is an event as the answer would have
-- been. Of several processes one adds it.
local function bury(self, name, last, info)
  local added = self.store:add(self:key("buried", name), "", self.app.sessions.idle)
  if not added then return end
  local list = self.store:range(list_key(self, name))
  local stream, count = (list and list[1] and list[#list][1] or last):match "^(.*)_(%d+)$"
  local text = assert(core.encode { jsonrpc = "2.0", id = info.id or core.raw("null", true),
    error = { code = errors.INTERNAL_ERROR, message = DIED } })
  self.store:append(list_key(self, name), ("%s_%d"):format(stream, tonumber(count) + 1),
    LAST .. text, limits_at_end(self, true))
end

-- Sends what the store has of a stream, and ends the response. `dead`: the call has ended, so that
-- without an answer there will be none; otherwise the client comes again for the rest.
local function conclude(self, x, name, last, info, dead)
  local list, over = events_after(self, name, last)
  if list and not over and dead then
    bury(self, name, last, info)
    list = events_after(self, name, last)
  end
  resumable.replay(x, list or {}, last, function() return true end)
  x:release()
end

-- Looks after a stream that is forwarded. `alive`: is the process of its call? `sent`: how many
-- events that has sent, -1: no more will come; nil: it has not said.
local function look_after(self, following, alive, sent)
  local x = following.x
  local lost = sent ~= nil and (sent == -1 or sent > following.count)
  if alive and x:is_open() and not lost then return end
  unfollow(self, following)
  if alive then
    self:tell(following.number, { verb = "stream_gone", follow = following.id })
  end
  if x:is_open() then
    conclude(self, x, following.name, following.last, following.info, not alive)
  end
end

-- Looks after streams that are forwarded from one process. Its messages arrive in order: what it
-- sent before its answer, and has not come by then, was lost while the store was away.
local function look_after_those(self, number, list)
  local alive, follows = self:is_alive(number), {}
  for i, following in ipairs(list) do follows[i] = following.id end
  local sent = alive and self:ask(number, { verb = "stream_counts", follows = follows }) or {}
  for i, following in ipairs(list) do
    -- Unless it has ended meanwhile.
    if self.follows[following.id] == following then look_after(self, following, alive, sent[i]) end
  end
end

-- Looks after all streams that are forwarded.
local function look_after_all(self)
  local from = {}
  for _, following in pairs(self.follows) do
    if following.live then
      local list = from[following.number] or {}
      from[following.number], list[#list + 1] = list, following
    end
  end
  for number, list in pairs(from) do look_after_those(self, number, list) end
end

-- Looks after the streams that are forwarded, while there are some.
local function watch(self)
  while core.sleep(streams.WATCH) and next(self.follows) do look_after_all(self) end
  self.watching = false
end

-- Messages were lost, so events of streams that are forwarded may have been.
local function doubt(self)
  if self.job and next(self.follows) then self.job:spawn(look_after_all, self) end
end

-- Forwards a stream from the process where its call runs. The exchange is kept.
local function forward_from(self, session, x, number, stream, last, info)
  self.follow_count = self.follow_count + 1
  local name = name_of(session.id, stream)
  local following = { id = self.follow_count, x = x, number = number, name = name, last = last,
    info = info, count = 0, live = false }
  self.follows[following.id] = following
  local alive = number ~= self.number and self:is_alive(number)
  local answer = alive and self:ask(number, {
    verb = "follow", session = session.id, stream = stream, last = last, follow = following.id })
  if answer and answer.live then
    following.live = true
    if not self.watching and self.job then
      self.watching = true
      self.job:spawn(watch, self)
    end
    return
  end
  if not self.follows[following.id] then return end
  unfollow(self, following)
  -- A process that does not answer in time, or cannot reach the store, may still run the call.
  conclude(self, x, name, following.last, info, not alive or answer and not answer.away)
end

-- --- the standalone stream of a session ----------------------------------------------------------

local function holder_key(self, session) return self:key("holder", session.id) end

local function write_holder(self, session, value)
  self.store:put_later(holder_key(self, session), assert(core.encode(value)),
    self.app.sessions.idle)
end

-- What the next process needs to know; this one forgets it.
local function knowledge(self, session)
  local alone = session.streams and session.streams.standalone
  local known = self:position(session)
  known.missed, known.count = session.missed, alone and alone.count or 0
  session.seen, session.sent_at, session.sent_from, session.missed = nil, nil, nil, nil
  return known
end

-- Asked by a process that wants to hold the stream of a session. `force`: whatever it does here.
local function release(self, message)
  local session = self.app.sessions.by_id[message.session]
  if not session or not session.seen then return {} end
  local stream = sessions.stream_of(session)
  if stream and not message.force then return { open = true } end
  local known = knowledge(self, session)
  session.stream = nil
  if session.streams then session.streams.standalone = false end
  if stream then stream:release() end
  return known
end

---This process does not have the stream of a session any more: writes what the next one needs.
---@param self mcp.Shared
---@param session table
function streams.leave(self, session)
  write_holder(self, session, knowledge(self, session))
end

---Becomes the process that has the stream of a session, and finds what it has missed.
---@param self mcp.Shared
---@param session table
---@param force boolean|nil whatever another process does with it
---@return table|nil known count (events of the stream so far); nil: another process has a stream
---open
function streams.claim(self, session, force)
  if session.seen then
    if session.claiming then return nil end
    return {}
  end
  session.claiming, session.seen = true, self.last_change
  session.sent_at, session.sent_from = self.changes_at, self.changes_at
  local _ <close> = setmetatable({}, { __close = function() session.claiming = nil end })
  local unlock <close> = self:lock(session)
  local text = unlock and self.store:get(holder_key(self, session))
  local known = text and core.decode(text) or {}
  if known.holder and known.holder ~= self.number and self:is_alive(known.holder) then
    local answer = self:ask(known.holder, { verb = "release_stream", session = session.id,
      force = force })
    if answer and answer.open then
      session.seen, session.sent_at, session.sent_from = nil, nil, nil
      return nil
    end
    if answer and answer.seen then known = answer end
  end
  -- While the store is away the session goes on here with what comes from now on.
  if unlock then
    local seen = known.seen or session.began or ""
    write_holder(self, session, { holder = self.number, seen = seen })
    local missed, last = self:changes_since(seen, known.sent)
    session.missed = session.missed or {}
    for name in pairs(missed) do session.missed[name] = true end
    for name in pairs(known.missed or {}) do session.missed[name] = true end
    session.seen = last or seen
    session.sent_at, session.sent_from = self.changes_at, self.changes_at
    if not next(session.missed) then session.missed = nil end
  end
  return known
end

local function has_one()
  return nil, failure.new(errors.INVALID_REQUEST, "This session has a stream already", nil, 409)
end

-- Goes on with a standalone stream that another process, or this one earlier, has begun.
local function take_over(self, session, x, stream, last)
  local known = self:claim_stream(session, true)
  if not known then return has_one() end
  session.claiming = true
  local _ <close> = setmetatable({}, { __close = function() session.claiming = nil end })
  x:open_stream()
  local count = math.max(known.count or 0, tonumber(last:match "_(%d+)$"))
  local name = name_of(session.id, stream)
  local list = events_after(self, name, last) or {}
  -- Each process that has it may end before it looks after its streams.
  self.store:touch_later(self:key("stream", name), self.app.sessions.idle)
  self.store:touch_later(list_key(self, name), self.app.sessions.idle)
  if not resumable.replay(x, list, last, function() return true end) or not x:keep() then
    return 200
  end
  if list[1] then count = math.max(count, tonumber(list[#list][1]:match "_(%d+)$")) end
  return 200, nil, resumable.adopt(self.app, session, x, stream, count)
end

---GET with Last-Event-ID, as resumable.resume: here, or with the help of another process.
---@param self mcp.Shared
---@param session table
---@param x userdata
---@param last string|false
---@return integer|nil status, table|nil err, mcp.Channel|nil standalone
function streams.resume(self, session, x, last)
  local stream, number
  if last and #last <= LONGEST then
    stream, number = last:match(EVENT)
    number = math.tointeger(tonumber(number))
  end
  if not stream then return resumable.unknown(last) end
  if resumable.has(session, stream) then
    if resumable.is_standalone(session, stream) and not self:claim_stream(session, true) then
      return has_one()
    end
    return resumable.resume(session, x, last)
  end
  local name = name_of(session.id, stream)
  local list, away = events_after(self, name, last)
  if not list then
    if away then return self:unavailable(x) end
    return resumable.unknown(last)
  end
  local text = self.store:get(self:key("stream", name))
  local info = text and core.decode(text)
  if not info and not away then
    -- It may have ended since its events were read.
    list = events_after(self, name, last) or list
  end
  local over = away
  -- One that this process has replaced goes on no more.
  if info and info.alone and not sessions.stream_of(session) then
    return take_over(self, session, x, stream, last)
  end
  over = over or info ~= nil and info.alone
  x:open_stream()
  local sent = resumable.replay(x, list, last, function() return true end)
  if over or not info or not sent or not x:keep() then return 200 end
  forward_from(self, session, x, number, stream, sent, info)
  return 200
end

-- Keeps alive what belongs to open streams.
local function care(self)
  local idle = self.app.sessions.idle
  for _, session in pairs(self.app.sessions.by_id) do
    if session.seen and not session.claiming then
      if sessions.stream_of(session) then
        local known = self:position(session)
        known.holder = self.number
        write_holder(self, session, known)
      else
        self:leave_stream(session)
      end
    end
    for id in pairs(session.streams and session.streams.live or {}) do
      local name = name_of(session.id, id)
      self.store:touch_later(self:key("stream", name), idle)
      self.store:touch_later(list_key(self, name), idle)
    end
  end
end

---@param shared mcp.Shared
function streams.share(shared)
  shared.follows, shared.follow_count, shared.remotes = {}, 0, {}
  shared.asked.follow, shared.asked.release_stream = follow, release
  shared.asked.stream_counts = counts
  shared.verbs.stream_event, shared.verbs.stream_gone = forward, gone
  table.insert(shared.cares, care)
  table.insert(shared.back, care)
  table.insert(shared.back, doubt)
  local app = shared.app
  if app.event_store == nil then
    shared.keeps_events = true
    app.event_store = setmetatable({ shared = shared, limits = limits_of(shared) }, Events)
  end
end

return streams
