-- SPDX-License-Identifier: MIT
-- http: Streamable HTTP from the client's side. Every message is a POST of its
-- own; its answer is JSON or an event stream, as the content type says.
--
-- In a session (the older era) there is an id to send along, a standalone
-- stream for what belongs to no request, and streams that broke are resumed. In
-- the stateless era there is none of that, and closing the response stream of a
-- request is how it is cancelled.
--
-- Which era it is, and what is in the messages, is the Client's affair.
local core = require "mcp.core"
local endpoint = require "mcp.client.transport.endpoint"
local closing = require "mcp.closing"
local errors = require "mcp.protocol.errors"
local incoming = require "mcp.client.transport.incoming"
local methods = require "mcp.protocol.methods"
local param_headers = require "mcp.message.param_headers"
local usage = require "mcp.client.usage"
local value = require "mcp.value"
local wait_for_answer = require("mcp.client.call").wait
local cut = require("mcp.text").cut

local http = {}

---A message of the server, JSON or event, in bytes.
http.MESSAGE = 4 << 20
---How often in a row a broken stream is taken up again without anything new on it.
http.RESUMES = 5
---The same for the standalone stream, which has more time.
http.LISTENS = 8
---The first pause before it, doubled each time, and the longest; the server's
---`retry:` counts if it is longer. In seconds.
http.BACKOFF = 1
http.BACKOFF_MOST = 30
---No server can make us wait longer than that, whatever it says in `retry:`.
http.RETRY_MOST = 300
---A standalone stream that was open so long was no failure, even if it brought nothing.
http.LASTING = 10
---How long connecting waits for the head of the standalone stream: a server may
---need it for the first call, but some send no head before the first event.
http.STREAM_WAIT = 0.25
---How long the answer to a notice, to an answer of ours, or to the end of a session may take.
http.POST_TIME = 30
http.DELETE_TIME = 2
---Of an error's body, in bytes.
http.ERROR_BODY = 65536
---A session id longer than that is none (HL-51).
http.SESSION_ID = 1024
---Nor does an id of an event that is longer go back to the server as Last-Event-ID.
http.EVENT_ID = 1024

local OPTIONS = {
  headers = "table", auth = "table", tls = "table|userdata", limits = "table", stream = "boolean",
  method = "internal string", terminate_on_close = "boolean",
}

local LIMITS = {
  message = http.MESSAGE, resumes = http.RESUMES, connections = endpoint.CONNECTIONS,
  stream_wait = http.STREAM_WAIT,
}

local BOTH = { "Accept", "application/json, text/event-stream" }
local EVENTS = { "Accept", "text/event-stream" }
local JSON = { "Content-Type", "application/json" }

---@class mcp.client.Http
---@field name string "http" or "unix"
local Http = { __name = "mcp.streamable_http_client" }
Http.__index = {}

function Http.__tostring(self)
  return ("mcp.streamable_http_client (%s)"):format(self.endpoint.text)
end

---A transport, not opened yet. Raises what is wrong with the options.
---@param address string http, https or unix
---@param options table|nil headers, auth, tls, limits, stream, method, terminate_on_close
---@return mcp.client.Http
function http.new(address, options)
  local what = "streamable_http_client"
  options = usage.check(what, options, OPTIONS)
  if options.method and options.method ~= "POST" then
    usage.raise("%s: method: %q: Streamable HTTP sends by POST and nothing else", what,
      options.method)
  end
  local limits = endpoint.limits(what, options.limits, LIMITS)
  local to = endpoint.new(what, address, { headers = options.headers, auth = options.auth,
    tls = options.tls, connections = limits.connections })
  return setmetatable({
    name = to.url.unix and "unix" or "http", duplex = false, timed = true, endpoint = to,
    limits = limits,
    wants_stream = options.stream ~= false,
    terminates = options.terminate_on_close ~= false,
    running = {}, -- requests under way, by their `call`
    sid = nil, era = nil, revision = nil, closed = false, shut = false,
  }, Http)
end

-- What every request says of the session or the revision, behind `...`. It is
-- made of what holds for this one: nothing of a probe may leak into a session
-- (T-09), and `initialize` carries nothing of what was before (HL-52, HL-60).
local function fields_of(self, call, ...)
  local list = { ... }
  local era, revision = call and call.era or self.era, call and call.revision or self.revision
  if revision then list[#list + 1] = { "MCP-Protocol-Version", revision } end
  if era ~= "modern" and self.sid then list[#list + 1] = { "Mcp-Session-Id", self.sid } end
  return list, era
end

-- A status that is no success: the error in its body if there is one, else nil, text, code, and
-- what the body says.
local function refused(self, response, id)
  local status = response.status
  local err, plain = nil, true
  if endpoint.media_type(response) == "application/json" then
    plain = false
    local message = response:json(http.ERROR_BODY, http.POST_TIME)
    if value.is_object(message) and value.is_object(message.error) and status < 500
      and status ~= 401 and status ~= 403 and status ~= 429 then
      local reply = incoming.reply(message)
      if reply then
        reply.status = status
        -- Not that of this request, if it says so: then it tells nothing of its sender.
        reply.unasked = message.id ~= id
        return reply
      end
    end
    err = value.is_object(message) and value.is_object(message.error)
      and type(message.error.message) == "string" and message.error.message
      or value.is_object(message) and type(message.error) == "string" and message.error or nil
  end
  local refusal = endpoint.refusal(status, plain and response or nil)
  local text = ("%s: %s"):format(self.endpoint.text, refusal)
  if err then text = ("%s: %s"):format(text, cut(err, 200)) end
  return nil, text, "EHTTP" .. status, err or plain and refusal or nil
end

-- Deployed servers say 400 where they mean that they do not know the session (any more), most of
-- them after a restart. Is that what the text of an error says? A request that was refused so has
-- not been looked at, and may be sent again.
local function is_about_session(text)
  text = text:lower()
  if text:find("not initialized", 1, true) or text:find("not been initialized", 1, true) then
    return true
  end
  if not text:find "session" then return false end
  for _, word in ipairs { "session[ _-]?id", "not found", "no valid", "invalid", "unknown",
    "expired", "missing", "terminated", "closed", "does not exist", "no longer", "no session",
    "required" } do
    if text:find(word) then return true end
  end
  return false
end

-- The answer 400 to a request in a session: is the session lost?
local function says_session_lost(reply, text)
  if not reply then return text ~= nil and is_about_session(text) end
  local err = reply.error
  -- What is wrong with the params of a call is no business of the session.
  return err.code ~= errors.INVALID_PARAMS and err.code ~= errors.METHOD_NOT_FOUND
    and is_about_session(err.message)
end

-- The response to `id` among what came as one JSON text.
local function pick(self, message, run)
  local list = value.is_array(message) and message or { message }
  local found = nil
  for _, one in ipairs(list) do
    local response = self.incoming:take(one, run.era ~= "modern")
    local answers, bad = false, nil
    if response and run.id then answers, bad = incoming.match(response, run.id) end
    if bad then return nil, bad end
    if answers
      -- The server could not even read the id.
      or response and run.id and response.error
        and (response.id == nil or response.id == value.null) then
      found = response
    elseif response then
      core.log("warning", "the server answered a request that was not asked")
    end
  end
  return found
end

-- Reads events until the answer has come. What is new is noted in `place`, from
-- where the stream can be resumed. nil, text, code if it ended before; `final`
-- if it is no use to read on.
---@return table|nil reply, string|nil message, string|nil code, boolean|nil final
local function read_events(self, response, run, place)
  while true do
    local event, message, code = response:event()
    if not event then
      if not message then return nil, "the stream ended before the answer came", "EGONE" end
      local lost = code == "ETOOBIG" or code == "EUTF8" or code == "EJSON" or code == "ESSE"
      return nil, ("%s: %s"):format(self.endpoint.text, message), code, lost
    end
    local id = event.id
    if id and id ~= "" then
      place.last, place.attempts = #id <= http.EVENT_ID and not id:find "%c" and id or nil, 0
    end
    if event.retry then place.retry = event.retry / 1000 end
    -- Other names of events are nobody's affair, and empty data is there for its id (HL-26).
    if message ~= nil then
      local answer, bad = pick(self, message, run)
      if answer then return incoming.reply(answer) end
      if bad then return nil, incoming.unusable(bad), "ERPC", true end
    elseif not event.event and event.data and event.data ~= "" then
      if run.id and incoming.spoils(event.data, run.id) then
        return nil, incoming.unusable(tostring(code)), "ERPC", true
      end
      core.log("warning", "the server sent an event that is not JSON: " .. tostring(code))
    end
  end
end

-- The pause before the next attempt: the server's, or ours if that is longer.
local function pause(place)
  local ours = math.min(http.BACKOFF * 2 ^ place.attempts, http.BACKOFF_MOST)
  -- The first time it is the server's alone: it knows when it will be there again.
  if place.retry and place.attempts == 0 then ours = 0 end
  place.attempts = place.attempts + 1
  return core.sleep(math.min(math.max(place.retry or 0, ours), http.RETRY_MOST))
end

-- GET: a stream of events, from behind `last` if given. The response, or nil, text, code.
local function get_stream(self, last, lasting)
  local list = fields_of(self, nil, EVENTS)
  if last then list[#list + 1] = { "Last-Event-ID", last } end
  return self.endpoint:send { method = "GET", fields = list, idempotent = true, timeout = 0,
    event_limit = self.limits.message, lasting = lasting }
end

-- Takes a broken stream up again. nil, text, code when it cannot be.
local function resume(self, place, why)
  while place.attempts < self.limits.resumes do
    local ok, text, code = pause(place)
    if not ok then return nil, text, code end
    local response
    response, text, code = get_stream(self, place.last)
    if not response then
      if code == "ECANCELED" or code == "ECLOSED" then return nil, text, code end
      why = text
    elseif response.status == 200 and endpoint.media_type(response) == "text/event-stream" then
      return response
    else
      local status = response.status
      endpoint.drop(response)
      why = ("%s: the stream could not be resumed (status %d)"):format(self.endpoint.text, status)
      if status < 500 and status ~= 409 and status ~= 429 then
        return nil, why, "EHTTP" .. status
      end
    end
  end
  return nil, ("%s; given up after %d attempts to resume it"):format(why, place.attempts), "EGONE"
end

-- The answer of a request whose answer is a stream.
local function follow(self, first, run)
  local place = { last = nil, retry = nil, attempts = 0 }
  local response = first
  while true do
    local current <close> = response
    local reply, text, code, final = read_events(self, current, run, place)
    if reply or final or code == "ECANCELED" then return reply, text, code end
    current:close()
    -- Without an id of an event nobody can say where to go on (HL-41).
    if run.era == "modern" or not place.last then
      return nil, ("%s: %s"):format(self.endpoint.text, text), code or "EGONE"
    end
    response, text, code = resume(self, place, text)
    if not response then return nil, text, code end
  end
end

-- The id of a session, or nothing (HL-50, HL-51).
local function adopt_session(self, response)
  local sid = response:header "mcp-session-id"
  if not sid then return true end
  if #sid > http.SESSION_ID or not sid:find "^[!-~]+$" then
    return nil, "the server gave its session an id that no header may carry", "EHTTP"
  end
  self.sid = sid
  return true
end

-- A request from its POST to its answer.
local function perform(self, run, method, params, call)
  local body, why = core.encode { jsonrpc = "2.0", id = run.id, method = method, params = params }
  if not body then return nil, ("%s: %s"):format(method, why), "EENCODE" end
  local list, era = { JSON, BOTH }, "legacy"
  if not run.fresh then list, era = fields_of(self, call, JSON, BOTH) end
  run.era = era
  local sid = not run.fresh and self.sid or nil
  if era == "modern" then
    for _, field in ipairs(param_headers.of_request(method, params)) do list[#list + 1] = field end
    for _, field in ipairs(call.headers or {}) do list[#list + 1] = field end
  end
  local row = methods[method]
  local response, text, code = self.endpoint:send { method = "POST", fields = list, body = body,
    timeout = 0, event_limit = self.limits.message, idempotent = row and row.idempotent or false,
    lasting = method == "subscriptions/listen" }
  if not response then return nil, text, code end
  local open <close> = response
  local status = open.status
  if status == 404 and sid and era ~= "modern" then
    endpoint.drop(open)
    -- Of several that find out, one tells (HL-55).
    if self.sid == sid then
      self.sid = nil
      self.peer.forgotten()
    end
    return nil, ("%s: the server has forgotten the session"):format(self.endpoint.text), "ESESSION"
  end
  if status < 200 or status > 299 then
    local reply, said
    reply, text, code, said = refused(self, open, run.id)
    if status == 400 and sid and era ~= "modern" and says_session_lost(reply, said) then
      if self.sid == sid then
        self.sid = nil
        self.peer.forgotten()
      end
      return nil, ("%s: the server does not know the session: %s"):format(self.endpoint.text,
        reply and reply.error.message or said), "ESESSION"
    end
    return reply, text, code
  end
  local kind = endpoint.media_type(open)
  if kind == "text/event-stream" or kind == "application/json" then
    if run.fresh then
      local ok
      ok, text, code = adopt_session(self, open)
      if not ok then return nil, text, code end
    end
    if kind == "text/event-stream" then return follow(self, open, run) end
    local message
    message, text, code = open:json(self.limits.message)
    if message == nil then return nil, ("%s: %s"):format(self.endpoint.text, text), code end
    local answer, bad = pick(self, message, run)
    if answer then return incoming.reply(answer) end
    return nil, bad and ("%s: %s"):format(self.endpoint.text, incoming.unusable(bad))
      or ("%s: what came for %s is not its answer"):format(self.endpoint.text, method), "ERPC"
  end
  endpoint.drop(open)
  if status == 202 or status == 204 then
    return nil, ("%s: the server took %s for something that needs no answer (status %d)")
      :format(self.endpoint.text, method, status), "EHTTP"
  end
  return nil, ("%s: expected JSON or an event stream, got %s")
    :format(self.endpoint.text, kind ~= "" and kind or "something without a content type"), "EHTTP"
end

-- Sends what has no answer.
local function post(self, text, call, method, params)
  local list, era = fields_of(self, call, JSON, BOTH)
  if era == "modern" and method then
    for _, field in ipairs(param_headers.of_request(method, params)) do list[#list + 1] = field end
  end
  local response, why, code = self.endpoint:send { method = "POST", fields = list, body = text,
    timeout = http.POST_TIME, idempotent = method == "notifications/initialized" or nil,
    aside = true }
  if not response then return nil, why, code end
  local open <close> = response
  if open.status >= 200 and open.status <= 299 then
    endpoint.drop(open)
    return true
  end
  local reply
  reply, why, code = refused(self, open, nil)
  if reply then
    why, code = ("%s: %s"):format(self.endpoint.text, reply.error.message), "EHTTP" .. reply.status
  end
  return nil, why, code
end

---Nothing is sent yet: the first message opens the first connection.
---@param peer table what the Client wants to be told
---@return true
function Http.__index:open(peer)
  self.peer = peer
  self.incoming = incoming.new(peer, function(text)
    local ok, why = post(self, text)
    if not ok and not self.closed then
      core.log("warning", "an answer to the server did not arrive: " .. why)
    end
  end)
  return true
end

-- The standalone stream: read until there is no point in it any more.
local function listen(self, ear)
  local place = { attempts = 0 }
  while self.ear == ear and not self.closed do
    local response, _, code = get_stream(self, place.last, true)
    if code == "ECANCELED" or code == "ECLOSED" then return end
    local status = response and response.status
    if status == 200 and endpoint.media_type(response) == "text/event-stream" then
      local open <close> = response
      local since = core.now()
      ear.open = true
      ear.waiter:wake()
      -- Nobody asked here, so nothing is the answer: it reads to the end.
      local _, why, lost_code, final = read_events(self, open, { id = false }, place)
      ear.open = false
      if lost_code == "ECANCELED" then return end
      if final then
        return core.log("warning", "the standalone stream is given up: " .. tostring(why))
      end
      if core.now() - since >= http.LASTING then place.attempts = 0 end
    elseif response then
      endpoint.drop(response)
      -- 405: the server has none (HL-37). Nothing here tells that a session is over: servers
      -- without such a stream say 404 as well.
      if status < 500 and status ~= 409 and status ~= 429 then
        ear.refused = true
        return ear.waiter:wake()
      end
    end
    ear.waiter:wake()
    if place.attempts >= http.LISTENS or not pause(place) then return end
  end
end

-- Opens the standalone stream, if there is none and the server may have one.
local function open_stream(self)
  local ear = self.ear
  if not self.wants_stream or self.closed or self.era ~= "legacy" then return end
  if ear and (ear.refused or not ear.ended) then return end
  ear = { waiter = core.waiter(), tasks = core.waiter(), open = false }
  self.ear = ear
  ear.tasks:spawn(function()
    local over <close> = setmetatable({}, { __close = function() ear.ended = true end }) -- luacheck: ignore
    listen(self, ear)
  end)
  return ear
end

local function close_stream(self)
  if self.ear then self.ear.tasks:cancel() end
  self.ear = nil
end

-- Ends a request that is under way. A session is told (4.2); without one the
-- end of the response stream says it (HM-71).
local function abandon(self, call, run, reason)
  self.running[call] = nil
  run.waiter:cancel()
  if run.era == "modern" or run.fresh or call.handshake or self.closed then return end
  core.spawn(function()
    self:notify("notifications/cancelled", { requestId = run.id, reason = reason }, call)
  end)
end

-- A request under way. Where its wait ends with an error, nobody would end the rest of it. Its
-- members are there from the beginning: what ends it must not need memory.
local Run = { __close = function(run)
  if run.running[run.call] ~= run then return end
  run.running[run.call] = nil
  run.waiter:cancel()
end }

---Sends a request and waits for its answer.
---@param id integer|string
---@param method string
---@param params table|nil
---@param call table|nil era, revision, headers; left(): seconds it may still take; handshake: the
---server is not told if it is given up
---@return table|nil reply { result = … } or { error = …, status = … }
---@return string|nil message
---@return string|nil code "ESESSION": the session is gone, and the Client was told; "EHTTP" and a
---status; what connections end with
function Http.__index:request(id, method, params, call)
  call = call or {}
  if self.closed then return nil, "the client is closed", "ECLOSED" end
  local run <close> = setmetatable({ id = id, waiter = core.waiter(),
    fresh = method == "initialize", cancelled = false, code = false, running = self.running,
    call = call }, Run)
  if run.fresh then
    -- It begins anew, and carries nothing of what was before (HL-52, HL-60).
    close_stream(self)
    self.sid, self.era, self.revision = nil, nil, nil
  end
  self.running[call] = run
  local reply, text, code = nil, "the request failed here; the log says why", "EFAILED"
  run.waiter:spawn(function() reply, text, code = perform(self, run, method, params, call) end)
  local ok, why, why_code, reason = wait_for_answer(run.waiter, call)
  if run.cancelled then return nil, run.cancelled, run.code end
  if not ok then
    abandon(self, call, run, reason)
    return nil, why, why_code
  end
  self.running[call] = nil
  -- The server is there again: so may its stream be.
  if reply and self.ear and self.ear.ended then open_stream(self) end
  return reply, text, code
end

---Sends a notification.
---@param method string
---@param params table|nil
---@param call table|nil era, revision
---@return true|nil sent, string|nil message, string|nil code
function Http.__index:notify(method, params, call)
  if self.closed then return nil, "the client is closed", "ECLOSED" end
  local text, why = core.encode { jsonrpc = "2.0", method = method, params = params }
  if not text then return nil, ("%s: %s"):format(method, why), "EENCODE" end
  local ok, code
  ok, why, code = post(self, text, call, method, params)
  if ok and method == "notifications/initialized" then
    local ear = open_stream(self)
    if ear then ear.waiter:wait(self.limits.stream_wait) end
  end
  return ok, why, code
end

---Ends a request that is under way: it returns nil, text, "ECANCELED".
---@param call table the one that the request was given
---@param reason string|nil
function Http.__index:cancel(call, reason)
  local run = self.running[call]
  if not run then return end
  run.cancelled, run.code = reason or "cancelled", "ECANCELED"
  abandon(self, call, run, reason)
end

---What the handshake has agreed on: from now on it goes along with every request.
---@param era "legacy"|"modern"
---@param revision string
function Http.__index:settle(era, revision)
  self.era, self.revision = era, revision
  if era == "modern" then
    close_stream(self)
    self.sid = nil
  end
end

-- Tells the server that its session is over (HL-56). 405 is fine, too.
local function delete(self, time)
  local response = self.endpoint:send { method = "DELETE", fields = fields_of(self),
    timeout = time, idempotent = true, aside = true }
  if response then response:close() end
end

-- The session is ended, and then the connections are.
local function say_goodbye(self, time)
  closing.run(time, function()
    local shut <close> = setmetatable({}, { __close = function() self.endpoint:close() end }) -- luacheck: ignore
    delete(self, time)
  end)
end

---Ends what is under way, the session and the connections.
---@param grace number|nil how long the end of the session may take, in seconds
function Http.__index:close(grace)
  if self.shut then return end
  self.closed = true
  close_stream(self)
  if self.incoming then self.incoming:close() end
  for call, run in pairs(self.running) do
    self.running[call] = nil
    run.cancelled, run.code = "the client is closed", "ECLOSED"
    run.waiter:cancel()
  end
  self.shut = true
  if not self.sid or not self.terminates then return self.endpoint:close() end
  local ok, why = pcall(say_goodbye, self, grace or http.DELETE_TIME)
  if ok then return end
  self.endpoint:close()
  error(why, 0)
end
Http.__close = function(self) self:close() end

return http
