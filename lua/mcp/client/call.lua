-- SPDX-License-Identifier: MIT
-- call: one request of the client, from its id to its answer: the `_meta` of the stateless
-- revision, its timeout, which progress extends, and cancelling it. It knows neither what methods
-- mean nor how a transport sends.
local core = require "mcp.core"
local measures = require "mcp.measures"
local usage = require "mcp.client.usage"
local methods = require "mcp.protocol.methods"
local protocol = require "mcp.protocol"
local callbacks = require "mcp.client.callbacks"
local value = require "mcp.value"

local is_object = value.is_object

local call = {}

---Time for a request, in seconds, and the maximum to which progress can extend it.
call.TIME = 60
call.MAX_TIME = 600
---Requests in progress at once. A program that reaches this does not wait for its answers.
call.PENDING = 256

---The options of a request.
call.OPTIONS = {
  timeout = "number", max_timeout = "number", on_progress = "function", meta = "table",
  cancel = "table", fresh = "boolean", context = "any",
}

---The options of a request that has none: nothing changes them.
call.NO_OPTIONS = {}

local NO_OPTIONS, huge = call.NO_OPTIONS, math.huge

-- --- cancelling ---------------------------------------------------------------

---@class mcp.Canceller
---@field cancelled boolean
---@field reason string|nil
local Canceller = { __name = "mcp.canceller" }
Canceller.__index = {}

function Canceller.__tostring(self)
  return ("mcp.canceller (%s)"):format(self.cancelled and "cancelled" or "waiting")
end

---Cancels the requests that have this canceller, now and later.
---@param reason string|nil for the server
function Canceller.__index:cancel(reason)
  if getmetatable(self) ~= Canceller then
    usage.raise "canceller:cancel is called with a colon, not with a dot"
  end
  if self.cancelled then return end
  self.cancelled, self.reason = true, reason or "cancelled"
  local ends = self.ends
  self.ends = {}
  for stop in pairs(ends) do stop(self.reason) end
end

---A canceller: cancels, from another task, all requests that have it as option `cancel`.
---@return mcp.Canceller
function call.canceller()
  return setmetatable({ cancelled = false, ends = {} }, Canceller)
end

-- --- time ---------------------------------------------------------------------

local Call = { __name = "mcp.call" }
Call.__index = {}

---Seconds left. The timeout is paused while the client answers a question of the server (a user
---fills in a form); `max_timeout` is not.
function Call.__index:left()
  if self.time == 0 then return math.huge end
  local now = core.now()
  if self.client.serving > 0 then self.deadline = math.min(now + self.time, self.max_deadline) end
  return self.deadline - now
end

-- Extends the timeout after progress.
local function put_off(sent)
  sent.deadline = math.min(core.now() + sent.time, sent.max_deadline)
end

-- However the call ends.
Call.__close = function(sent)
  local client = sent.client
  client.in_flight = client.in_flight - 1
  client.calls[sent.id] = nil
  if sent.cancel then sent.cancel.ends[sent.stop] = nil end
  if sent.watchdog then sent.watchdog:wake() end
end

-- Watches the timeout for transports that do not.
local function watch(sent)
  local watchdog = core.waiter()
  sent.watchdog = watchdog
  core.spawn(function()
    while not watchdog:is_woken() do
      local left = sent:left()
      if left <= 0 then
        sent.expired = true
        return sent.client.transport:cancel(sent, "The request timed out")
      end
      local _, _, code = watchdog:wait(left < math.huge and left or nil)
      if code == "ECANCELED" then return end
    end
  end)
end

---Handles a progress notification. Ignored if its token is unknown or its value does not increase.
---@param client table
---@param params table
function call.progress(client, params)
  local sent = client.calls[params.progressToken]
  local done = params.progress
  if not sent or type(done) ~= "number" or (sent.done and done <= sent.done) then return end
  sent.done = done
  put_off(sent)
  if sent.on_progress then
    local total = type(params.total) == "number" and params.total or nil
    local text = type(params.message) == "string" and params.message or nil
    callbacks.run(client, sent.on_progress, done, total, text)
  end
end

-- --- the request ----------------------------------------------------------------

-- The members that each request of the stateless revision has, as text: they are the same for most.
local function envelope(client, sent, level)
  local declared, kept = sent.declared or client.declared, client.envelope
  if not kept or kept.declared ~= declared or kept.level ~= level
    or kept.revision ~= sent.revision or kept.info ~= client.info then
    kept = { declared = declared, level = level, revision = sent.revision, info = client.info }
    kept.text = core.raw {
      [protocol.KEY_VERSION] = sent.revision, [protocol.KEY_CAPABILITIES] = declared,
      [protocol.KEY_CLIENT] = client.info, [protocol.KEY_LOG_LEVEL] = level,
    }
    client.envelope = kept
  end
  return kept.text
end

-- The members of _meta that this request carries, as a table or a text; or nil.
local function meta_of(client, sent, options, trace)
  if sent.era == "modern" and not (options.meta or sent.on_progress or trace) then
    local level = sent.level
    if level == nil then level = client.log_level end
    return envelope(client, sent, level or nil)
  end
  local meta
  if options.meta then
    meta = {}
    for key, member in pairs(options.meta) do meta[key] = member end
  end
  if trace and not (meta and meta.traceparent) then -- SEP-414
    meta = meta or {}
    meta.traceparent, meta.tracestate = trace.traceparent, trace.tracestate
    meta.baggage = meta.baggage or trace.baggage
  end
  if sent.on_progress then
    meta = meta or {}
    meta.progressToken = sent.id
  end
  if sent.era == "modern" then
    meta = meta or {}
    meta[protocol.KEY_VERSION] = sent.revision
    meta[protocol.KEY_CAPABILITIES] = sent.declared or client.declared
    meta[protocol.KEY_CLIENT] = client.info
    if sent.level ~= nil then
      meta[protocol.KEY_LOG_LEVEL] = sent.level or nil
    else
      meta[protocol.KEY_LOG_LEVEL] = client.log_level or nil
    end
  end
  return meta
end

---The params of a notification, with the members of _meta that each message of the stateless
---revision carries.
---@param client table
---@param params table|nil
---@return table params
function call.enveloped(client, params)
  local out = {}
  for key, member in pairs(params or {}) do out[key] = member end
  local meta = {}
  for key, member in pairs(value.object(out._meta)) do
    meta[key] = member
  end
  meta[protocol.KEY_VERSION] = client.revision
  meta[protocol.KEY_CAPABILITIES] = client.declared
  meta[protocol.KEY_CLIENT] = client.info
  out._meta = meta
  return out
end

---What is known of a method: by the protocol, or by an extension of the program.
---@param client table
---@param method string
---@return mcp.Method|nil
function call.row(client, method)
  local extensions = client.settings.extensions
  return methods[method] or extensions and extensions.rows[method]
end

-- A call without options, of the revision and of the transport of its client: nearly all are. It
-- takes the table of one before it that had its answer, since no one refers to that any more.
local function plain_call(client, about)
  local settings, now, id = client.settings, core.now(), client.last_id + 1
  local time, max_time, sent = settings.timeout, settings.max_timeout, client.spare
  client.last_id = id
  if sent then
    client.spare = false
    sent.slot, sent.done = false, false
  else
    -- Members that are looked for are there, since that costs least. `context` is for callbacks.
    sent = setmetatable({ client = client, on_progress = false, cancel = false, handshake = false,
      silent = false, declared = false, away = false, watchdog = false, slot = false, done = false,
      row = false }, Call)
  end
  sent.id, sent.began, sent.time, sent.deadline = id, now, time, now + time
  sent.max_deadline = max_time <= 0 and huge or now + (max_time > time and max_time or time)
  sent.era, sent.revision, sent.headers = client.era, client.revision, about.headers
  return sent
end

local function new_call(client, options, about)
  local time = about.time or options.timeout or client.settings.timeout
  local max_time = options.max_timeout or client.settings.max_timeout
  client.last_id = client.last_id + 1
  local now = core.now()
  return setmetatable({
    client = client, id = client.last_id, time = time, began = now, deadline = now + time,
    max_deadline = max_time > 0 and now + math.max(max_time, time) or math.huge,
    era = about.era or client.era, revision = about.revision or client.revision,
    handshake = about.handshake, silent = about.silent or about.handshake,
    headers = about.headers, on_progress = options.on_progress, cancel = options.cancel,
    context = options.context, declared = about.declared, level = about.level,
    away = about.away,
  }, Call)
end

---The error for an answer that does not have the form that the protocol requires.
---@param method string
---@param text string `member: expected X, got Y`
---@param ... any for string.format
---@return nil, string, string
function call.malformed(method, text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  return nil, ("%s: malformed result from the server: %s"):format(method, text), "ERPC"
end

-- Why a request has no answer: nil, text, code. Raises, at the user's line, if its params
-- cannot be encoded.
local function failed(sent, method, text, code)
  if sent.expired or code == "ETIMEDOUT" then
    -- In tenths, so that a timer that was late does not show.
    local took = core.now() - sent.began
    if took > 0.1 then took = took * 10 // 1 / 10 end
    return nil, ("%s: no answer within %.3g s"):format(method, took), "ETIMEDOUT"
  end
  if sent.given_up then return nil, ("%s: %s"):format(method, sent.given_up), "ECANCELED" end
  if code == "EENCODE" then usage.raise("%s", text) end
  return nil, text, code
end

-- What call.send does, within a trace or without one.
local function transfer(client, method, params, options, about, trace)
  local transport = client.transport
  local plain, cancel = options == NO_OPTIONS and about.plain and transport.timed, nil
  if not plain then
    transport, cancel = about.transport or transport, options.cancel
    if cancel and cancel.cancelled then
      return nil, ("%s: %s"):format(method, cancel.reason), "ECANCELED"
    end
  end
  local in_flight = client.in_flight
  if in_flight >= client.settings.limits.pending then
    return nil, ("%s: %d requests are in progress, which is the limit"):format(method,
      in_flight), "EBUSY"
  end
  local sent = plain and plain_call(client, about) or new_call(client, options, about)
  if not plain and options.target then
    sent.row = { target = options.target }
  elseif not methods[method] then
    sent.row = call.row(client, method)
  end
  sent.method, sent.params = method, params
  client.in_flight = in_flight + 1
  client.calls[sent.id] = sent
  local open <close> = sent -- luacheck: ignore
  if cancel then
    sent.stop = function(reason)
      sent.given_up = reason
      transport:cancel(sent, reason)
    end
    cancel.ends[sent.stop] = true
  end
  local meta
  if plain and not trace then
    meta = sent.era == "modern" and envelope(client, sent, client.log_level or nil) or nil
  else
    meta = meta_of(client, sent, options, trace)
  end
  if meta and about.own_params then
    params._meta = meta
  elseif meta then
    local with = { _meta = meta }
    for key, member in pairs(params or {}) do
      if key ~= "_meta" then with[key] = member end
    end
    params = with
  elseif params and params._meta == false then
    params._meta = nil
  end
  if not plain then
    if about.started then about.started(sent.id, sent) end
    if not transport.timed then watch(sent) end
  end
  local reply, text, code = transport:request(sent.id, method, params, sent)
  if not reply then return failed(sent, method, text, code) end
  if plain then
    -- It ends with this return, before anything else can take it.
    sent.params, sent.row, client.spare = false, false, sent
  end
  return reply
end

-- Sends a request, in a span where the trace is recorded.
local function send(client, method, params, options, about)
  local trace = core.trace()
  if not trace or not trace.recorder then
    return transfer(client, method, params, options, about, trace)
  end
  return trace.recorder:request(trace, transfer, client, method, params, options, about)
end

---Sends one request by a transport and waits for the reply as it came.
---@param client table
---@param method string
---@param params table|nil
---@param options table see call.OPTIONS; checked
---@param about table era, revision, time, handshake (it is initialize), silent (no
---`notifications/cancelled` if it is given up), headers, transport, started (called with the id
---before it is sent), declared and level (the capabilities and the log level of this request, in
---place of the client's; level = false: none), own_params (params belong to this request: its
---_meta, which may be false, is put into them), away (called with the call and seconds when the
---server ends the stream of the response and says when to come back), plain (it has nothing else
---but headers and own_params)
---@return table|nil reply { result = … } or { error = … }
---@return string|nil message
---@return string|nil code
function call.send(client, method, params, options, about)
  if not measures.meter then return send(client, method, params, options, about) end
  return measures.meter:request(send, client, method, params, options, about)
end

---The result in a reply, or nil, message, code and data of its error.
---@param method string
---@param reply table
---@return table|nil result
---@return string|nil message
---@return integer|string|nil code
---@return any data
function call.read(method, reply)
  local err, result = reply.error, reply.result
  if err == nil and is_object(result) then return result end
  if err ~= nil then
    if not value.is_object(err) or math.type(err.code) ~= "integer"
      or type(err.message) ~= "string" then
      return call.malformed(method, "error: expected an integer code and a message")
    end
    return nil, err.message, err.code, err.data
  end
  return call.malformed(method, "expected an object, got %s", value.kind(result))
end

-- --- waiting for an answer ------------------------------------------------------

-- How long the answer may still take, in seconds; nil without a limit. Progress can extend it.
local function time_left(sent)
  local seconds = sent.left and sent:left()
  return seconds and seconds < math.huge and math.max(seconds, 0) or nil
end

---Waits until `waiter` is woken or the time of the call is over, for transports that watch the
---timeout themselves. Progress may extend the time meanwhile.
---@param waiter mcp.core.Waiter
---@param sent table left(): seconds that it may still take
---@param time number|nil what left() gives now, if that is known; 0 for no limit
---@return true|nil woken
---@return string|nil text for the caller
---@return string|nil code "ETIMEDOUT" or "ECANCELED"
---@return string|nil reason for the server
function call.wait(waiter, sent, time)
  local ok, text, code
  if not time then
    time = time_left(sent)
  elseif time == 0 then
    time = nil
  end
  repeat
    ok, text, code = waiter:wait(time)
    if ok then return true end
    time = code ~= "ETIMEDOUT" and 0 or time_left(sent)
  until time == 0
  if code == "ETIMEDOUT" then return nil, "no answer in time", code, "The request timed out" end
  return nil, text, code, "The caller cancelled the request"
end

return call
