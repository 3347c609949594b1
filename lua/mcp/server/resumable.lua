-- SPDX-License-Identifier: MIT
-- resumable: the response stream of a request over HTTP in a session whose streams can be resumed
-- (HL-40 to HL-43). A handler gets it in place of its exchange, with the same methods; it outlives
-- the connection. Each event gets an id and is stored before it is sent, so that a client that lost
-- the connection gets the rest by GET with Last-Event-ID. It is made when the first message is sent
-- before the response: a call that is answered with plain JSON has none.
--
-- The standalone stream of a session is another kind of resumable stream.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"

local resumable = {}

---Seconds after which a client reconnects to a stream that the server has ended.
resumable.RETRY = 1

local encode = core.encode

---@class mcp.Channel
---@field session table
---@field own userdata|false the exchange that the request came by
---@field x userdata|false the exchange that the stream goes out by now
---@field id string of the stream
local Channel = { __name = "mcp.server.resumable" }
local methods = {}

-- Other methods are those of the exchange.
function Channel.__index(self, key)
  local method = methods[key]
  if method ~= nil then return method end
  local of_exchange = self.own and self.own[key]
  if of_exchange == nil then return nil end
  method = function(this, ...) return of_exchange(this.own, ...) end
  methods[key] = method
  return method
end

function Channel.__tostring(self) return ("mcp.channel (%s)"):format(self.id) end

-- The store may be user code: its errors do not fail the call.
local function ask_store(store, verb, ...)
  local ok, answer, text, code = pcall(store[verb], store, ...)
  if ok then return answer, text, code end
  core.log("error", ("event store: %s: %s"):format(verb, tostring(answer)))
  return nil
end

-- The streams of a session; made with the first.
local function streams_of(app, session)
  local streams = session.streams
  if not streams then
    streams = {
      store = app.event_store,
      -- Distinguishes the streams of this session from those of others.
      -- With several processes it ends with the number of this one.
      tag = core.random_id():gsub("[-_]", ""):sub(1, 8)
        .. (app.shared and ("n%d"):format(app.shared.number) or ""),
      shared = app.shared or false,
      count = 0,
      calls = {}, -- of requests in progress, by exchange
      live = {}, -- those that a client may resume, by id
      standalone = false, -- the channel of the latest standalone stream
    }
    session.streams = streams
  end
  return streams
end

local function new(streams, session, x)
  streams.count = streams.count + 1
  return setmetatable({
    session = session, streams = streams, x = x, own = x,
    id = ("%s.%d"):format(streams.tag, streams.count), count = 0,
    raw_id = x:id() or false, -- while it can be asked
    begun = false, over = false, dropped = false, coming = false, standalone = false,
  }, Channel)
end

---The channel of a request, made if it has none yet.
---@param app table
---@param session table the session
---@param x userdata
---@return mcp.Channel
function resumable.of(app, session, x)
  local streams = streams_of(app, session)
  local self = streams.calls[x]
  if not self then
    self = new(streams, session, x)
    streams.calls[x] = self
    session.running:replace(x, self)
  end
  return self
end

-- Keeps an event; returns its id, or nil if it is not kept. Other processes must know of the end of
-- a stream, and whether a client gets that now, also where its session ends.
local function keep(self, text, last)
  if self.dropped or self.session.closed and not last then return nil end
  self.count = self.count + 1
  local id = ("%s_%d"):format(self.id, self.count)
  ask_store(self.streams.store, "append", self.session.id, self.id, id, text, last,
    last and self:is_open())
  return id
end

-- Ends the HTTP response that carries the stream; the stream continues.
local function detach(self)
  local x = self.x
  self.x = false
  if not x or not x:is_open() then return end
  if x == self.own then
    x:event(nil, nil, nil, true)
  else
    x:release()
  end
end

-- Sends an event that has been stored. Fails for a cancelled handler only: an event that is lost
-- with the connection, or not read, can be fetched.
local function send_out(self, text, id, last, late)
  local x = self.x
  if not x then return true end
  local ok, reason, code = x:event(text, id, nil, last, late)
  if last and self.x == x then self.x = false end
  if ok then return true end
  if code == "ECANCELED" then return nil, reason, code end
  if self.x == x then detach(self) end
  return true
end

-- From now on a client may resume this stream.
local function publish(self)
  local streams = self.streams
  self.begun = true
  streams.live[self.id] = self
  if streams.shared then streams.shared:begin_stream(self.session, self.id, self.raw_id) end
end

-- The priming event. Older clients would read its empty data as JSON.
local function prime(self)
  if self.session.revision.polling then send_out(self, "", keep(self, "")) end
end

local function message(method, params, id)
  local text = params == nil and "" or nil
  if not text then
    local reason
    text, reason = encode(params)
    if not text then error(("%s: params cannot be JSON: %s"):format(method, reason), 0) end
    text = ',"params":' .. text
  end
  return ('{"jsonrpc":"2.0",%s"method":%s%s}'):format(id and ('"id":%d,'):format(id) or "",
    encode(method), text)
end

---Sends a notification, or with an id a request. Waits while the peer does not
---read. A connection that is lost is no error.
---@param method string
---@param params table|nil
---@param id integer|nil
---@param late boolean|nil also when the handler has been cancelled
---@return boolean|nil sent, string|nil message, string|nil code
function methods.send(self, method, params, id, late)
  if self.over and not (late and self.dropped and self.own:is_open()) then
    return nil, "the call has ended", "ECLOSED"
  end
  if self.standalone then
    if not self:is_open() then return nil, "the stream has no connection", "ECLOSED" end
  elseif self.own:is_cancelled() and not late then
    return nil, "operation canceled", "ECANCELED"
  end
  local text = message(method, params, id)
  if not self.begun then
    -- No client has an event id of this stream, so none can resume it.
    if not self.own:is_open() then return nil, "the connection is lost", "ECLOSED" end
    if not self.own:can_stream() then return self.own:send(method, params, id, late) end
    publish(self)
    prime(self)
  end
  if self.standalone then return self.x:event(text, keep(self, text)) end
  return send_out(self, text, keep(self, text), false, late)
end

---The event stream begins now.
---@return boolean|nil opened, string|nil message, string|nil code
function methods.open_stream(self)
  if self.begun then return true end
  local ok, reason, code = self.own:open_stream()
  if not ok then return nil, reason, code end
  publish(self)
  prime(self)
  return true
end

---Ends the HTTP response early; the handler continues, and the client reconnects for the rest, in
---the revisions that allow it.
---@param seconds number|nil how long the client should wait
---@return boolean closed
function methods.close_stream(self, seconds)
  if not self.session.revision.polling or self.over then return false end
  local x = self.x
  if not x or not x:is_open() then
    self.x = false
    return self.begun
  end
  local id = nil
  if not self.begun then
    if not x:can_stream() then return false end
    publish(self)
    id = keep(self, "")
  end
  self.x = false
  x:event("", id, math.floor((seconds or resumable.RETRY) * 1000), true)
  return true
end

---Is there a connection?
---@return boolean
function methods.is_open(self) return self.x ~= false and self.x:is_open() end

---@return boolean cancelled
---@return string|nil code
function methods.is_cancelled(self)
  if self.standalone then return not self:is_open() end
  return self.own:is_cancelled()
end

-- This stream can no longer be resumed.
local function forget(self)
  self.over = true
  self.streams.live[self.id] = nil
  self.streams.calls[self.own] = nil
end

-- Other processes must know that the stream ends without an answer.
local function end_list(self)
  if self.streams.shared and self.begun and not self.over then keep(self, "", true) end
end

---Cancels the handler: what it still says goes nowhere.
function methods.cancel(self)
  end_list(self)
  self.dropped, self.coming = true, false
  forget(self)
  if self.x and self.x ~= self.own then detach(self) end
  self.own:cancel()
end

---Ends a standalone stream.
function methods.release(self)
  if self.standalone then
    detach(self)
  else
    self.own:release()
  end
end

---Ends the connection of a standalone stream, whose peer does not read.
function methods.cut(self)
  local x = self.x
  self.x = false
  if x then x:cut() end
end

local function error_of(err) return { code = err.code, message = err.message, data = err.data } end

-- The text of the answer. What cannot be encoded is given to `mend`, if there is one.
local function answer(self, result, err, mend, ctx)
  local text, reason = encode(err and error_of(err) or result, err ~= nil)
  if not text and mend then
    result, err = mend(ctx, reason, err)
    text, reason = encode(err and error_of(err) or result, err ~= nil)
  end
  if not text then
    err = failure.new(errors.INTERNAL_ERROR,
      "Internal error: the result cannot be JSON: " .. reason)
    core.log("error", err.message)
    text = encode(error_of(err), true)
  end
  if not err and not self.raw_id then return text end
  return ('{"jsonrpc":"2.0","id":%s,"%s":%s}'):format(
    self.raw_id and encode(self.raw_id) or "null", err and "error" or "result", text)
end

---The handler has returned. Gives back what is left to be answered the usual way.
---@param result any
---@param err table|nil
---@param mend function|nil what an answer that JSON cannot carry is given to
---@param ctx any its argument
---@return any result, table|nil err, function|nil mend, any ctx
function methods.finish(self, result, err, mend, ctx)
  local dropped, begun = self.dropped, self.begun
  local cancelled, code = self.own:is_cancelled()
  local timed_out = code == "ETIMEDOUT"
  if cancelled and not timed_out then end_list(self) end
  forget(self)
  self.session.last_used = core.now()
  if dropped or not begun then return result, err, mend, ctx end
  -- A batch may be owed nothing.
  if cancelled and not timed_out or result == nil and not err and not self.raw_id then
    detach(self)
    return nil
  end
  if timed_out then err = failure.new(errors.TIMED_OUT, "Timed out") end
  if result == nil and not err then
    err = failure.new(errors.INTERNAL_ERROR, "a request was left without a result")
  end
  local text = answer(self, result, err, mend, ctx)
  send_out(self, text, keep(self, text, true), true)
  return nil
end

-- What came after an event on its stream, as a list of { id, text }; or nil, and whether a shared
-- store cannot be reached.
local function events_after(session, last)
  local list = {}
  local streams = session.streams
  local known, _, code = ask_store(streams.store, "replay", session.id, last, function(id, text)
    list[#list + 1] = { id, text }
  end)
  if known then return list end
  return nil, code ~= nil and streams.shared ~= false
end

-- Sends stored events. Returns the last id, or nil if sending failed or is no longer wanted.
local function replay(x, list, last, is_wanted)
  for _, event in ipairs(list) do
    -- An empty event only gave the client an id.
    if event[2] ~= "" and not (is_wanted() and x:event(event[2], event[1])) then return nil end
    last = event[1]
  end
  return last
end

-- Attempts to read events that were sent while a shared store was read.
local ATTEMPTS = 5

-- Has the stream gone on after the event `last`?
local function is_behind(self, last)
  return self.streams.shared and self.count > tonumber(last:match "_(%d+)$")
end

-- `x` takes over the stream after the event `last`. Of several exchanges the last one gets it.
local function attach(self, x, list, last)
  detach(self)
  self.coming = x
  local function is_wanted() return self.coming == x end
  local attempts = 0
  -- Sending may wait, and so may reading, and meanwhile there may be more.
  while list and (list[1] or attempts < ATTEMPTS and is_behind(self, last)) do
    attempts = list[1] and 0 or attempts + 1
    last = replay(x, list, last, is_wanted)
    list = last and events_after(self.session, last)
  end
  if not list or not is_wanted() then return false end
  self.coming = false
  if self.over or not x:keep() then return false end
  self.x = x
  return true
end

---The error of a Last-Event-ID that cannot be used.
---@param last string|false
---@return nil
---@return table err
function resumable.unknown(last)
  return nil, failure.new(errors.INVALID_REQUEST, last == false
    and "Last-Event-ID was sent twice"
    or "Last-Event-ID names no event that is kept for this session", nil, 400)
end

---Sends what has come, and what comes, on the stream of a call to another process, whose client has
---come there for the rest.
---@param session table the session
---@param x table the way to that process
---@param id string of the stream
---@param last string the id of the last event that the client has
---@return boolean live false: the stream is over
---@return boolean|nil away true: it may go on, but the store cannot be reached
function resumable.follow(session, x, id, last)
  local streams = session.streams
  local self = streams and streams.live[id]
  if not self then return false end
  local list, away = events_after(session, last)
  if not list then return false, away end
  return attach(self, x, list, last)
end

---Is this process the one that has the stream of an event?
---@param session table
---@param id string of the stream
---@return boolean
function resumable.has(session, id)
  local streams = session.streams
  return resumable.is_standalone(session, id) or streams and streams.live[id] ~= nil or false
end

---Is it the standalone stream that this process has, or had last?
---@param session table
---@param id string
---@return boolean
function resumable.is_standalone(session, id)
  local streams = session.streams
  return streams and streams.standalone and streams.standalone.id == id or false
end

---Goes on with a standalone stream that another process has begun.
---@param app table
---@param session table
---@param x userdata kept
---@param id string of the stream
---@param count integer events so far
---@return mcp.Channel
function resumable.adopt(app, session, x, id, count)
  local self = resumable.standalone(app, session, x)
  self.id, self.count = id, count
  return self
end

-- Sends events that were read; in the coroutine of the request.
resumable.replay = replay

---GET with Last-Event-ID: sends the events after that one, then new ones.
---@param session table the session that the request named
---@param x userdata
---@param last string|false
---@return integer|nil status, table|nil err, mcp.Channel|nil standalone if it is that stream
function resumable.resume(session, x, last)
  local streams = session.streams
  if not last or not streams then return resumable.unknown(last) end
  local list, away = events_after(session, last)
  if away then return streams.shared:unavailable(x) end
  if not list then return resumable.unknown(last) end
  local id = last:match "^(.*)_%d+$"
  local alone = streams.standalone
  local self = alone and alone.id == id and alone or streams.live[id]
  x:open_stream()
  if not self then
    replay(x, list, last, function() return true end)
  elseif attach(self, x, list, last) and self.standalone then
    return 200, nil, self
  end
  return 200
end

---The standalone stream of a session whose streams can be resumed, as a channel.
---@param app table
---@param session table
---@param stream userdata|mcp.Channel kept
---@return mcp.Channel
function resumable.standalone(app, session, stream)
  if type(stream) ~= "userdata" then return stream end
  local streams = streams_of(app, session)
  local self = new(streams, session, stream)
  self.standalone, self.own, self.begun = true, false, true
  streams.standalone = self
  if streams.shared then streams.shared:begin_stream(session, self.id, false) end
  return self
end

---The session has ended: nothing of its streams is left.
---@param session table
function resumable.close(session)
  local streams = session.streams
  for _, self in pairs(streams.calls) do self:cancel() end
  ask_store(streams.store, "drop", session.id)
  session.streams = nil
end

return resumable
