-- SPDX-License-Identifier: MIT
-- trace: the trace that a request belongs to: what came with it, and what goes on with the requests
-- that its handler makes. Formats: W3C Trace Context, W3C Baggage; members of params._meta as in
-- SEP-414. What is not valid is ignored, as the formats ask: it is never an error.
--
--   traceparent  00-<32 hex digits: trace id>-<16: span id>-<2: flags, of which 01 is "sampled">
--   tracestate   key=value,…   of the systems that trace
--   baggage      key=value;properties,…   of the application
local core = require "mcp.core"

local trace = {}

---The longest traceparent that is read, in bytes: versions to come may be longer than 55.
trace.PARENT = 256
---The longest tracestate that is passed on, in bytes. The format asks for at least 512.
trace.STATE = 1024
---The longest baggage that is passed on, in bytes; the format's own limit.
trace.BAGGAGE = 8192
---Members of a tracestate, as in the format.
trace.STATE_MEMBERS = 32
---Members of a baggage: the format asks for at least this many.
trace.BAGGAGE_MEMBERS = 64

---How requests went whose answers did not go to the caller of the front: result, err, ctx by
---exchange.
trace.settled = setmetatable({}, { __mode = "k" })

---@class mcp.Trace
---@field trace_id string 32 hexadecimal digits
---@field span_id string 16: of the span that the running code is part of, or of the caller's
---@field sampled boolean
---@field traceparent string for what is sent on
---@field tracestate string|nil
---@field baggage string|nil

local ZERO_TRACE, ZERO_SPAN = ("0"):rep(32), ("0"):rep(16)
local HEX = "[0-9a-f]"
local PARENT = ("^(%s)%%-(%s)%%-(%s)%%-(%s)(.*)$"):format(HEX:rep(2), HEX:rep(32), HEX:rep(16),
  HEX:rep(2))

---Reads a traceparent.
---@param text any
---@return string|nil trace_id nil if it is not valid
---@return string|nil span_id
---@return boolean|nil sampled
function trace.parse(text)
  if type(text) ~= "string" or #text > trace.PARENT then return nil end
  local version, trace_id, span_id, flags, rest = text:match(PARENT)
  if not version or version == "ff" or trace_id == ZERO_TRACE or span_id == ZERO_SPAN then
    return nil
  end
  -- Of later versions what is known here is used, if the rest is set apart.
  if rest ~= "" and (version == "00" or rest:byte() ~= 45) then return nil end
  return trace_id, span_id, tonumber(flags, 16) & 1 == 1
end

local function is_state_key(key)
  if key:find "^[a-z][a-z0-9_%-*/]*$" then return #key <= 256 end
  local tenant, system = key:match "^([a-z0-9][a-z0-9_%-*/]*)@([a-z][a-z0-9_%-*/]*)$"
  return tenant and #tenant <= 241 and #system <= 14
end

---Checks a tracestate.
---@param text any
---@return string|nil text nil if it is not valid, or empty
function trace.state(text)
  if type(text) ~= "string" or #text > trace.STATE then return nil end
  local seen, count = {}, 0
  for member in (text .. ","):gmatch "([^,]*)," do
    member = member:match "^[ \t]*(.-)[ \t]*$"
    if member ~= "" then
      local key, value = member:match "^([^=]+)=([\x20-\x2B\x2D-\x3C\x3E-\x7E]+)$"
      if not key or seen[key] or #value > 256 or not is_state_key(key) then return nil end
      seen[key], count = true, count + 1
    end
  end
  return count > 0 and count <= trace.STATE_MEMBERS and text or nil
end

local TOKEN = "[%w!#$%%&'*+%-.^_`|~]+"
-- Printable, without space, quote, comma, semicolon and backslash.
local OCTETS = "[%]\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5E-\x7E]*"
local MEMBER = ("^[ \t]*%s[ \t]*=[ \t]*%s[ \t]*$"):format(TOKEN, OCTETS)
local FLAG = ("^[ \t]*%s[ \t]*$"):format(TOKEN)

---Checks a baggage.
---@param text any
---@return string|nil text nil if it is not valid, or empty
function trace.baggage(text)
  if type(text) ~= "string" or text == "" or #text > trace.BAGGAGE then return nil end
  local count = 0
  for member in (text .. ","):gmatch "([^,]*)," do
    local first, properties = member:match "^([^;]*)(.*)$"
    if not first:find(MEMBER) then return nil end
    for property in properties:gmatch ";([^;]*)" do
      if not property:find(MEMBER) and not property:find(FLAG) then return nil end
    end
    count = count + 1
  end
  return count <= trace.BAGGAGE_MEMBERS and text or nil
end

---What goes with a coroutine. With a `recorder` (lua/mcp/otlp) what happens in it is recorded.
---@param trace_id string
---@param span_id string
---@param sampled boolean
---@param tracestate string|nil
---@param baggage string|nil
---@return table
function trace.new(trace_id, span_id, sampled, tracestate, baggage)
  return { trace_id = trace_id, span_id = span_id, sampled = sampled,
    traceparent = ("00-%s-%s-%s"):format(trace_id, span_id, sampled and "01" or "00"),
    tracestate = tracestate, baggage = baggage }
end

---A request has come with a traceparent. The one in params._meta is the parent, and the header
---field's a link; without one in _meta, the header field's is the parent.
---@param x userdata the exchange
---@param traceparent string|nil of params._meta
---@param tracestate string|nil
---@param baggage string|nil
function trace.arrived(x, traceparent, tracestate, baggage)
  local trace_id, span_id, sampled = trace.parse(traceparent)
  local of_field, field_span, field_sampled = trace.parse(x:header "traceparent")
  local made
  if trace_id then
    made = trace.new(trace_id, span_id, sampled, trace.state(tracestate), trace.baggage(baggage))
    if of_field then made.link = trace.new(of_field, field_span, field_sampled) end
  elseif of_field then
    -- Several fields of one name are one list.
    local fields = x:headers()
    made = trace.new(of_field, field_span, field_sampled, trace.state(fields.tracestate),
      trace.baggage(fields.baggage))
  end
  if made then core.trace(made) end
end

---The same for a message of a batch.
---@param x userdata the exchange
---@param meta string the text of params._meta
function trace.read(x, meta)
  local members = core.decode(meta) or {}
  trace.arrived(x, members.traceparent, members.tracestate, members.baggage)
end

---What a handler sees of it.
---@return mcp.Trace|nil
function trace.shown()
  local now = core.trace()
  return now and { trace_id = now.trace_id, span_id = now.span_id, sampled = now.sampled,
    traceparent = now.traceparent, tracestate = now.tracestate, baggage = now.baggage }
end

return trace
