-- SPDX-License-Identifier: MIT
-- call: one request of the client from its id to its answer: the envelope of the stateless era, the
-- time it may take, which progress extends, and cancelling it. It knows neither what methods mean
-- nor how a transport sends.
local core = require "mcp.core"
local usage = require "mcp.client.usage"
local protocol = require "mcp.protocol"
local tell = require "mcp.client.callbacks"
local value = require "mcp.value"

local call = {}

---How long a request may take, in seconds, and how far progress can put that off.
call.TIME = 60
call.MOST = 600
---Requests under way at once; a program that asks for more does not wait for its answers.
call.PENDING = 256

---What each request may be told.
call.OPTIONS = {
  timeout = "number", max_timeout = "number", on_progress = "function", meta = "table",
  cancel = "table", fresh = "boolean",
}

-- --- giving up ----------------------------------------------------------------

---@class mcp.Canceller
---@field cancelled boolean
---@field reason string|nil
local Canceller = { __name = "mcp.canceller" }
Canceller.__index = {}

function Canceller.__tostring(self)
  return ("mcp.canceller (%s)"):format(self.cancelled and "cancelled" or "waiting")
end

---Ends the requests that were given it, and all that will be.
---@param reason string|nil for the server
function Canceller.__index:cancel(reason)
  if self.cancelled then return end
  self.cancelled, self.reason = true, reason or "cancelled"
  local ends = self.ends
  self.ends = {}
  for stop in pairs(ends) do stop(self.reason) end
end

---Something to give up requests with, from another task: the option `cancel` of any of them.
---@return mcp.Canceller
function call.canceller()
  return setmetatable({ cancelled = false, ends = {} }, Canceller)
end

-- --- time ---------------------------------------------------------------------

local Call = { __name = "mcp.call" }
Call.__index = {}

---Seconds that are left. While we do what the server asks (a user fills in a form) the clock
---stands, within what the call may take in all.
function Call.__index:left()
  if self.time == 0 then return math.huge end
  local now = core.now()
  if self.client.serving > 0 then self.deadline = math.min(now + self.time, self.last) end
  return self.deadline - now
end

-- It has shown a sign of life.
local function put_off(sent)
  sent.deadline = math.min(core.now() + sent.time, sent.last)
end

-- Its end, whatever that is.
Call.__close = function(sent)
  local client = sent.client
  client.in_flight = client.in_flight - 1
  client.calls[sent.id] = nil
  if sent.cancel then sent.cancel.ends[sent.stop] = nil end
  if sent.watchdog then sent.watchdog:wake() end
end

-- For transports that know no time.
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

---What comes of a notice of progress. That of nobody, and what does not go on, is dropped.
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
    tell.run(client, sent.on_progress, done, total, text)
  end
end

-- --- the request ----------------------------------------------------------------

-- The members of _meta that this request carries, or nil.
local function meta_of(client, sent, options)
  local meta
  if options.meta then
    meta = {}
    for key, member in pairs(options.meta) do meta[key] = member end
  end
  if sent.on_progress then
    meta = meta or {}
    meta.progressToken = sent.id
  end
  if sent.era == "modern" then
    meta = meta or {}
    meta[protocol.KEY_VERSION] = sent.revision
    meta[protocol.KEY_CAPABILITIES] = client.declared
    meta[protocol.KEY_CLIENT] = client.info
    meta[protocol.KEY_LOG_LEVEL] = client.log_level
  end
  return meta
end

local function new_call(client, options, about)
  local time = about.time or options.timeout or client.settings.timeout
  local most = options.max_timeout or client.settings.max_timeout
  client.last_id = client.last_id + 1
  local now = core.now()
  return setmetatable({
    client = client, id = client.last_id, time = time, began = now, deadline = now + time,
    last = most > 0 and now + math.max(most, time) or math.huge,
    era = about.era or client.era, revision = about.revision or client.revision,
    handshake = about.handshake, silent = about.silent or about.handshake,
    headers = about.headers, on_progress = options.on_progress, cancel = options.cancel,
  }, Call)
end

local function malformed(method, what)
  return nil, ("%s: the server's answer is malformed: %s"):format(method, what), "ERPC"
end

---Sends one request by a transport and waits for the reply as it came.
---@param client table
---@param method string
---@param params table|nil
---@param options table see call.OPTIONS; checked
---@param about table era, revision, time, handshake (it is initialize), silent (giving it up is
---told to nobody), headers, transport, started (called with the id before it is sent)
---@return table|nil reply { result = … } or { error = … }
---@return string|nil message
---@return string|nil code
function call.send(client, method, params, options, about)
  local transport = about.transport or client.transport
  local cancel = options.cancel
  if cancel and cancel.cancelled then
    return nil, ("%s: %s"):format(method, cancel.reason), "ECANCELED"
  end
  if client.in_flight >= client.settings.limits.pending then
    return nil, ("%s: %d requests are in progress, which is the limit"):format(method,
      client.in_flight), "EBUSY"
  end
  local sent = new_call(client, options, about)
  client.in_flight = client.in_flight + 1
  client.calls[sent.id] = sent
  local open <close> = sent -- luacheck: ignore
  if cancel then
    sent.stop = function(reason)
      sent.given_up = reason
      transport:cancel(sent, reason)
    end
    cancel.ends[sent.stop] = true
  end
  local meta = meta_of(client, sent, options)
  if meta then
    local with = { _meta = meta }
    for key, member in pairs(params or {}) do
      if key ~= "_meta" then with[key] = member end
    end
    params = with
  end
  if about.started then about.started(sent.id, sent) end
  if not transport.timed then watch(sent) end
  local ok, reply, text, code = pcall(transport.request, transport, sent.id, method, params, sent)
  if not ok then
    -- What cannot be JSON is the caller's to mend; anything else is ours.
    local why = type(reply) == "string" and reply:match "params cannot be JSON: .*$"
    if not why then error(reply, 0) end
    usage.raise("%s: %s", method, why)
  end
  if reply then return reply end
  if sent.expired or code == "ETIMEDOUT" then
    return nil, ("%s: no answer within %.3g s"):format(method, core.now() - sent.began),
      "ETIMEDOUT"
  end
  if sent.given_up then return nil, ("%s: %s"):format(method, sent.given_up), "ECANCELED" end
  if code == "EENCODE" then usage.raise("%s", text) end
  return nil, text, code
end

---What a reply says: a result, or nil, message, code and data.
---@param method string
---@param reply table
---@return table|nil result
---@return string|nil message
---@return integer|string|nil code
---@return any data
function call.read(method, reply)
  local err = reply.error
  if err ~= nil then
    if not value.is_object(err) or math.type(err.code) ~= "integer"
      or type(err.message) ~= "string" then
      return malformed(method, "an error needs an integer code and a message")
    end
    return nil, err.message, err.code, err.data
  end
  if not value.is_object(reply.result) then
    return malformed(method, "object expected, got " .. value.kind(reply.result))
  end
  return reply.result
end

-- --- waiting for an answer ------------------------------------------------------

-- How long the answer may still take, in seconds; nil without a limit. Progress can extend it.
local function time_left(sent)
  local seconds = sent.left and sent:left()
  return seconds and seconds < math.huge and math.max(seconds, 0) or nil
end

---Waits for the answer, for transports that watch the call's time themselves: until `waiter` is
---woken or the time is over. Progress may extend the time meanwhile.
---@param waiter mcp.core.Waiter
---@param sent table left(): seconds that it may still take
---@return true|nil woken
---@return string|nil text for the caller
---@return string|nil code "ETIMEDOUT" or "ECANCELED"
---@return string|nil reason for the server
function call.wait(waiter, sent)
  local ok, text, code
  repeat
    ok, text, code = waiter:wait(time_left(sent))
  until ok or code ~= "ETIMEDOUT" or time_left(sent) == 0
  if ok then return true end
  if code == "ETIMEDOUT" then return nil, "no answer in time", code, "The request timed out" end
  return nil, text, code, "The caller cancelled the request"
end

return call
