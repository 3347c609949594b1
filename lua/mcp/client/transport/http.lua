-- SPDX-License-Identifier: MIT
-- http: the client's side of Streamable HTTP. Every message is a POST of its own; the content type
-- of the response says whether it is JSON or an event stream.
--
-- Revisions with sessions send a session id, have a standalone stream for messages that belong to
-- no request, and resume broken streams. The stateless revision has none of these; closing the
-- response stream of a request cancels it.
--
-- The client decides which era applies; this file does not look into the messages.
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

local encode_message, renew, math_type = core.encode_message, core.waiter_renew, math.type

local LISTEN = "subscriptions/listen"

local http = {}

---Length of a message from the server, JSON or event, in bytes.
http.MESSAGE = 4 << 20
---Attempts in a row to resume a broken stream on which nothing new arrives.
http.RESUMES = 5
---The same for the standalone stream, for which no caller waits.
http.LISTENS = 8
---The pause before the first attempt, doubled each time, and its maximum. The server's `retry:`
---applies if it is longer. In seconds.
http.BACKOFF = 1
http.BACKOFF_MAX = 30
---The maximum of the server's `retry:`, in seconds.
http.RETRY_MAX = 300
---A standalone stream that was open this long counts as a success, even if it carried nothing. In
---seconds.
http.LASTING = 10
---How long connecting waits for the head of the standalone stream, in seconds. A server may need
---the stream for the first call, but some send no head before the first event.
http.STREAM_WAIT = 0.25
---Time for the response to a notification or to one of our answers, and to DELETE, in seconds.
http.POST_TIME = 30
http.DELETE_TIME = 2
---Length of the body of an error, in bytes.
http.ERROR_BODY = 65536
---Length of a session id, in bytes; a longer one is refused (HL-51).
http.SESSION_ID = 1024
---Lists of header fields that are kept for further requests, and the length of a name of which one
---is kept, in bytes.
http.KEPT = 256
http.KEPT_NAME = 128
---Length of an event id, in bytes; a longer one is not sent back as Last-Event-ID.
http.EVENT_ID = 1024

local OPTIONS = {
  headers = "table", auth = "table", tls = "table|userdata", limits = "table", stream = "boolean",
  method = "internal string", terminate_on_close = "boolean", proxy = "string|boolean",
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

---A transport, not opened yet. Raises on an error in the options.
---@param address string http, https or unix
---@param options table|nil headers, auth, tls, proxy, limits, stream, method, terminate_on_close
---@return mcp.client.Http
function http.new(address, options)
  local what = "streamable_http_client"
  options = usage.check(what, options, OPTIONS)
  if options.method and options.method ~= "POST" then
    usage.raise("%s: method: expected \"POST\", which Streamable HTTP uses, got %q", what,
      options.method)
  end
  local limits = endpoint.limits(what, options.limits, LIMITS)
  local to = endpoint.new(what, address, { headers = options.headers, auth = options.auth,
    tls = options.tls, proxy = options.proxy, connections = limits.connections })
  return setmetatable({
    name = to.url.unix and "unix" or "http", duplex = false, timed = true, endpoint = to,
    limits = limits,
    wants_stream = options.stream ~= false,
    terminates = options.terminate_on_close ~= false,
    running = {}, -- requests in progress, by their `call`
    spare = false, -- what a request needed that was answered
    kept = { count = 0, lists = {} }, -- of header fields, by method and name
    sid = nil, era = nil, revision = nil, closed = false, shut = false,
  }, Http)
end

-- The header fields `...`, followed by those for the revision and the session of this request.
-- Values of a probe must not leak into a session (T-09), nor those of an earlier session into
-- `initialize` (HL-52, HL-60).
local function fields_of(self, call, ...)
  local list = { ... }
  local era, revision = call and call.era or self.era, call and call.revision or self.revision
  if revision then list[#list + 1] = { "MCP-Protocol-Version", revision } end
  if era ~= "modern" and self.sid then list[#list + 1] = { "Mcp-Session-Id", self.sid } end
  return list, era
end

-- A status other than success: the JSON-RPC error in the body if there is one, else nil, text,
-- code, and the text of the body.
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
        -- With another id the error is not about this request, so it does not reveal the era.
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

-- Does the text of an error say that the server does not know the session? Deployed servers answer
-- 400 instead of 404, mostly after a restart. They refuse such a request before they read it, so it
-- may be sent again.
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
  -- Wrong params or an unknown method do not concern the session.
  return err.code ~= errors.INVALID_PARAMS and err.code ~= errors.METHOD_NOT_FOUND
    and is_about_session(err.message)
end

-- The response to the request among the messages of one JSON text.
local function pick(self, message, run)
  -- What nearly all are: the response itself, with the id as it was sent.
  if type(message) == "table" and message.id == run.id and math_type(message.id) == "integer"
    and message.jsonrpc == "2.0" and message.method == nil then
    return message
  end
  local list = value.is_array(message) and message or { message }
  local found = nil
  for _, entry in ipairs(list) do
    local response = self.incoming:take(entry, run.era ~= "modern", run.call)
    local answers, bad = false, nil
    if response and run.id then answers, bad = incoming.match(response, run.id) end
    if bad then return nil, bad end
    if answers
      -- The server could not even read the id.
      or response and run.id and response.error
        and (response.id == nil or response.id == value.null) then
      found = response
    elseif response then
      core.log("warning", "the server sent a response to an unknown request")
    end
  end
  return found
end

-- Reads events until the answer has come. Updates `place`, from which the stream can be resumed.
-- nil, text, code if the stream ended before; `final` if resuming it would not help.
---@return table|nil reply, string|nil message, string|nil code, boolean|nil final
local function read_events(self, response, run, place)
  while true do
    local event, message, code = response:event()
    if not event then
      if not message then
        place.ended = true
        return nil, "the stream ended before the answer came", "EGONE"
      end
      local lost = code == "ETOOBIG" or code == "EUTF8" or code == "EJSON" or code == "ESSE"
      return nil, lost and ("%s: %s"):format(self.endpoint.text, message) or message, code, lost
    end
    local id = event.id
    if id and id ~= "" then
      place.last, place.attempts = #id <= http.EVENT_ID and not id:find "%c" and id or nil, 0
    end
    if event.retry then place.retry = event.retry / 1000 end
    -- Events with a name are ignored, and empty data is sent for its id alone (HL-26).
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

-- The pause before the next attempt: the server's `retry:` or the backoff, whichever is longer.
local function pause(place)
  local backoff = math.min(http.BACKOFF * 2 ^ place.attempts, http.BACKOFF_MAX)
  -- The first time only `retry:` counts: the server knows when it will accept a connection.
  if place.retry and place.attempts == 0 then backoff = 0 end
  place.attempts = place.attempts + 1
  return core.sleep(math.min(math.max(place.retry or 0, backoff), http.RETRY_MAX))
end

-- GET: an event stream, after the event id `last` if given. The response, or nil, text, code.
local function get_stream(self, last, lasting)
  local list = fields_of(self, nil, EVENTS)
  if last then list[#list + 1] = { "Last-Event-ID", last } end
  return self.endpoint:send { method = "GET", fields = list, idempotent = true, timeout = 0,
    event_limit = self.limits.message, lasting = lasting }
end

-- Resumes a broken stream. nil, text, code if that fails.
local function resume(self, place, reason)
  while place.attempts < self.limits.resumes do
    local ok, text, code = pause(place)
    if not ok then return nil, text, code end
    local response
    response, text, code = get_stream(self, place.last)
    if not response then
      if code == "ECANCELED" or code == "ECLOSED" then return nil, text, code end
      reason = text
    elseif response.status == 200 and endpoint.media_type(response) == "text/event-stream" then
      return response
    else
      local status = response.status
      endpoint.drop(response)
      reason = ("%s: the stream could not be resumed (status %d)")
        :format(self.endpoint.text, status)
      if status < 500 and status ~= 409 and status ~= 429 then
        return nil, reason, "EHTTP" .. status
      end
    end
  end
  return nil, ("%s; gave up after %d attempts to resume"):format(reason, place.attempts), "EGONE"
end

-- The answer to a request whose response is an event stream.
local function follow(self, first, run)
  local place = { last = nil, retry = nil, attempts = 0 }
  local response = first
  while true do
    local current <close> = response
    local reply, text, code, final = read_events(self, current, run, place)
    if reply or final or code == "ECANCELED" then return reply, text, code end
    current:close()
    text = ("%s: %s"):format(self.endpoint.text, text)
    -- Without an event id there is no position to resume from (HL-41).
    if run.era == "modern" or not place.last then return nil, text, code or "EGONE" end
    if place.ended and place.retry and run.call.away then run.call:away(place.retry) end
    place.ended = false
    response, text, code = resume(self, place, text)
    if not response then return nil, text, code end
  end
end

-- Keeps the session id of a response, if it has one (HL-50, HL-51).
local function adopt_session(self, response)
  local sid = response:header "mcp-session-id"
  if not sid then return true end
  if #sid > http.SESSION_ID or not sid:find "^[!-~]+$" then
    return nil, "the server sent a session id that is not valid in a header", "EHTTP"
  end
  self.sid = sid
  return true
end

-- The header fields of a request, and its era. The list is not changed any more: it is kept for
-- requests about the same, since those of a program are about few things.
local function fields_of_request(self, run, method, params, call)
  if run.fresh then return { JSON, BOTH }, "legacy" end
  local row = call.row or methods[method]
  local target = row and row.target
  local name = target and type(params) == "table" and params[target]
  if type(name) ~= "string" or #name > http.KEPT_NAME then name = "" end
  local own = call.headers and call.headers[1] ~= nil or target and name == ""
  local kept, era, revision = self.kept, call.era or self.era, call.revision or self.revision
  if kept.sid ~= self.sid or kept.era ~= era or kept.revision ~= revision
    or kept.count >= http.KEPT then
    kept = { sid = self.sid, era = era, revision = revision, count = 0, lists = {} }
    self.kept = kept
  end
  local lists = kept.lists[method]
  local list = lists and not own and lists[name]
  if list then return list, era end
  list = fields_of(self, call, JSON, BOTH)
  if era == "modern" then
    for _, field in ipairs(param_headers.of_request(method, params, row)) do
      list[#list + 1] = field
    end
    for _, field in ipairs(call.headers or {}) do list[#list + 1] = field end
  end
  if own then return list, era end
  if not lists then
    lists = {}
    kept.lists[method] = lists
  end
  list.fixed = true
  lists[name], kept.count = list, kept.count + 1
  return list, era
end

-- The answer in a response that is JSON.
local function read_json(self, response, run, method)
  local message, text, code = response:json(self.limits.message)
  if message == nil then return nil, ("%s: %s"):format(self.endpoint.text, text), code end
  local answer, bad = pick(self, message, run)
  if answer then return incoming.reply(answer) end
  return nil, bad and ("%s: %s"):format(self.endpoint.text, incoming.unusable(bad))
    or ("%s: the response to %s does not contain its answer"):format(self.endpoint.text, method),
    "ERPC"
end

-- A request from its POST to its answer.
local function perform(self, run, method, params, call)
  local body, text, code = encode_message(method, params, run.id)
  if not body then return nil, text, code end
  local list, era = fields_of_request(self, run, method, params, call)
  run.era = era
  local sid = not run.fresh and self.sid or nil
  local row, post = call.row or methods[method], run.post
  post.fields, post.body = list, body
  post.idempotent, post.lasting = row and row.idempotent or false, method == LISTEN
  local response, status, kind = self.endpoint:send(post)
  post.body = false
  if not response then return nil, status, kind end
  local open <close> = response
  if status == 200 and kind == "application/json" and not run.fresh then
    return read_json(self, open, run, method)
  end
  if status == 404 and sid and era ~= "modern" then
    endpoint.drop(open)
    -- Only the first request that finds out reports it (HL-55).
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
  if kind == "text/event-stream" or kind == "application/json" then
    if run.fresh then
      local ok
      ok, text, code = adopt_session(self, open)
      if not ok then return nil, text, code end
    end
    if kind == "text/event-stream" then return follow(self, open, run) end
    return read_json(self, open, run, method)
  end
  endpoint.drop(open)
  if status == 202 or status == 204 then
    return nil, ("%s: the server treated %s as a notification (status %d)")
      :format(self.endpoint.text, method, status), "EHTTP"
  end
  return nil, ("%s: expected JSON or an event stream, got %s")
    :format(self.endpoint.text, kind ~= "" and kind or "something without a content type"), "EHTTP"
end

-- Sends a message that has no answer.
local function post(self, text, call, method, params)
  local list, era = fields_of(self, call, JSON, BOTH)
  if era == "modern" and method then
    for _, field in ipairs(param_headers.of_request(method, params)) do list[#list + 1] = field end
  end
  local response, reason, code = self.endpoint:send { method = "POST", fields = list, body = text,
    timeout = http.POST_TIME, idempotent = method == "notifications/initialized" or nil,
    aside = true }
  if not response then return nil, reason, code end
  local open <close> = response
  if open.status >= 200 and open.status <= 299 then
    endpoint.drop(open)
    return true
  end
  local reply
  reply, reason, code = refused(self, open, nil)
  if reply then
    reason = ("%s: %s"):format(self.endpoint.text, reply.error.message)
    code = "EHTTP" .. reply.status
  end
  return nil, reason, code
end

---Sends nothing yet: the first message opens the first connection.
---@param peer table the client's callbacks: serve, notice, forgotten
---@return true
function Http.__index:open(peer)
  self.peer = peer
  self.incoming = incoming.new(peer, function(text)
    local ok, reason = post(self, text)
    if not ok and not self.closed then
      core.log("warning", "a response to the server was not delivered: " .. reason)
    end
  end)
  return true
end

-- Reads the standalone stream and reopens it, until the server refuses it or the attempts run out.
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
      -- No request belongs to this stream, so it is read to its end.
      local _, reason, lost_code, final = read_events(self, open, { id = false }, place)
      ear.open = false
      if lost_code == "ECANCELED" then return end
      if final then
        return core.log("warning", "closing the standalone stream: " .. tostring(reason))
      end
      if core.now() - since >= http.LASTING then place.attempts = 0 end
    elseif response then
      endpoint.drop(response)
      -- 405: the server has no such stream (HL-37). 404 does not mean here that the session is
      -- over: servers without a standalone stream send it as well.
      if place.last and (status == 400 or status == 404) then
        place.last = nil -- the server does not have that event any more: from now on, then
      elseif status < 500 and status ~= 409 and status ~= 429 then
        ear.refused = true
        ear.waiter:wake()
        return
      end
    end
    ear.waiter:wake()
    if place.attempts >= http.LISTENS or not pause(place) then return end
  end
end

-- Opens the standalone stream, unless it is open or the server has refused it.
local function open_stream(self)
  local ear = self.ear
  if not self.wants_stream or self.closed or self.era ~= "legacy" then return end
  if ear and (ear.refused or not ear.ended) then return end
  ear = { waiter = core.waiter(), tasks = core.waiter(), open = false }
  self.ear = ear
  ear.tasks:spawn(function()
    core.trace(false) -- it lasts longer than what has opened it
    local over <close> = setmetatable({}, { __close = function() ear.ended = true end }) -- luacheck: ignore
    listen(self, ear)
  end)
  return ear
end

local function close_stream(self)
  if self.ear then self.ear.tasks:cancel() end
  self.ear = nil
end

-- Ends a request in progress. In a session it sends `notifications/cancelled` (4.2); without one
-- closing the response stream cancels the request (HM-71).
local function abandon(self, call, run, reason)
  self.running[call] = nil
  run.waiter:cancel()
  if run.era == "modern" or run.fresh or call.handshake or self.closed then return end
  core.spawn(function()
    self:notify("notifications/cancelled", { requestId = run.id, reason = reason }, call)
  end)
end

-- A request in progress. Ends the task that performs it when the wait raises an error. All fields
-- are set from the start, since closing must not allocate.
local Run = { __close = function(run)
  if run.running[run.call] ~= run then return end
  run.running[run.call] = nil
  run.waiter:cancel()
end }

local NO_REPLY = "internal error in the client; see the log"

-- A run for a request. One whose request was answered serves again: nothing else knows it then.
local function take_run(self, id, method, params, call)
  local run = self.spare
  if run then
    self.spare = false
    renew(run.waiter)
  else
    run = setmetatable({ waiter = core.waiter(), running = self.running, cancelled = false,
      code = false, era = false, reply = false, text = false, reason = false,
      post = { method = "POST", timeout = 0, event_limit = self.limits.message } }, Run)
    function run.perform()
      run.reply, run.text, run.reason = perform(self, run, run.method, run.params, run.call)
    end
  end
  run.id, run.method, run.params, run.call = id, method, params, call
  run.fresh = method == "initialize"
  run.reply, run.text, run.reason = nil, NO_REPLY, "EFAILED"
  return run
end

---Sends a request and waits for its answer.
---@param id integer|string
---@param method string
---@param params table|nil
---@param call table|nil era, revision, headers; left(): seconds it may still take; handshake: no
---`notifications/cancelled` is sent for it
---@return table|nil reply { result = … } or { error = …, status = … }
---@return string|nil message
---@return string|nil code "ESESSION": the session is gone, and `peer.forgotten` was called; "EHTTP"
---and a status; or the code of a lost connection
function Http.__index:request(id, method, params, call)
  call = call or {}
  if self.closed then return nil, "the client is closed", "ECLOSED" end
  local run <close> = take_run(self, id, method, params, call)
  if run.fresh then
    -- A new session: nothing of an earlier one may be sent (HL-52, HL-60).
    close_stream(self)
    self.sid, self.era, self.revision = nil, nil, nil
  end
  self.running[call] = run
  run.waiter:spawn(run.perform)
  local ok, text, code, reason = wait_for_answer(run.waiter, call, call.time)
  if run.cancelled then return nil, run.cancelled, run.code end
  if not ok then
    abandon(self, call, run, reason)
    return nil, text, code
  end
  self.running[call] = nil
  local reply = run.reply
  if not reply then return nil, run.text, run.reason end
  -- The server can be reached again, so its standalone stream may be, too.
  if self.ear and self.ear.ended then open_stream(self) end
  run.call, run.params, run.reply, self.spare = false, false, nil, run
  return reply
end

---Sends a notification.
---@param method string
---@param params table|nil
---@param call table|nil era, revision
---@return true|nil sent, string|nil message, string|nil code
function Http.__index:notify(method, params, call)
  if self.closed then return nil, "the client is closed", "ECLOSED" end
  local text, reason, code = encode_message(method, params)
  if not text then return nil, reason, code end
  local ok
  ok, reason, code = post(self, text, call, method, params)
  if ok and method == "notifications/initialized" then
    local ear = open_stream(self)
    if ear then ear.waiter:wait(self.limits.stream_wait) end
  end
  return ok, reason, code
end

---Ends a request in progress: it returns nil, text, "ECANCELED".
---@param call table that was passed to `request`
---@param reason string|nil
function Http.__index:cancel(call, reason)
  local run = self.running[call]
  if not run then return end
  run.cancelled, run.code = reason or "cancelled", "ECANCELED"
  abandon(self, call, run, reason)
end

---Sets what the handshake has agreed on; each later request carries it.
---@param era "legacy"|"modern"
---@param revision string
function Http.__index:settle(era, revision)
  self.era, self.revision = era, revision
  if era == "modern" then
    close_stream(self)
    self.sid = nil
  end
end

-- Ends the session on the server (HL-56). Servers that do not support it answer 405.
local function delete(self, time)
  local response = self.endpoint:send { method = "DELETE", fields = fields_of(self),
    timeout = time, idempotent = true, aside = true }
  if response then response:close() end
end

-- Ends the session, then the connections.
local function end_session(self, time)
  closing.run(time, function()
    local shut <close> = setmetatable({}, { __close = function() self.endpoint:close() end }) -- luacheck: ignore
    delete(self, time)
  end)
end

---Ends the requests in progress, the session and the connections.
---@param grace number|nil time for ending the session, in seconds
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
  local ok, reason = pcall(end_session, self, grace or http.DELETE_TIME)
  if ok then return end
  self.endpoint:close()
  error(reason, 0)
end
Http.__close = function(self) self:close() end

return http
