-- SPDX-License-Identifier: MIT
-- recorder: spans: when something began and ended, what it was, and how it went. Which attributes
-- there are is said by the OpenTelemetry conventions for MCP; what a server's requests have is in
-- lua/mcp/server/listen/tracing.lua.
local core = require "mcp.core"
local exporter = require "mcp.otlp.exporter"
local methods = require "mcp.protocol.methods"
local cut = require("mcp.text").cut
local trace = require "mcp.trace"
local value = require "mcp.value"

local recorder = {}

---The longest attribute, in bytes: names and addresses come from clients.
recorder.TEXT = 256
---The longest arguments or result, in bytes, where they are asked for.
recorder.CONTENT = 16 << 10

---The kinds of OTLP.
recorder.INTERNAL, recorder.SERVER, recorder.CLIENT = 1, 2, 3

local ERROR = 2 -- a status of OTLP

-- An attribute as OTLP writes it in JSON: 64-bit integers are texts.
local function attribute(key, given)
  local kind = math.type(given)
  local as = kind == "integer" and { intValue = tostring(given) }
    or kind == "float" and { doubleValue = given }
    or type(given) == "boolean" and { boolValue = given }
    or { stringValue = tostring(given) }
  return { key = key, value = as }
end

---Attributes of a table, by name.
---@param members table<string, string|number|boolean>
---@return table[]
function recorder.attributes(members)
  local list = {}
  for _, key in ipairs(require("mcp.nearest").keys(members)) do
    list[#list + 1] = attribute(key, members[key])
  end
  return value.array(list)
end

-- --- one span -----------------------------------------------------------------------------------

local Span = { __name = "mcp.span" }
Span.__index = Span

---Adds an attribute, unless its value is nil.
---@param key string
---@param given string|number|boolean|nil
function Span:set(key, given)
  if given == nil then return end
  if type(given) == "string" then
    -- JSON cannot carry other bytes, and the rest of the span is worth having.
    if not utf8.len(given) then return end
    given = cut(given, recorder.TEXT)
  end
  self.attributes[#self.attributes + 1] = attribute(key, given)
end

---Adds arguments or a result, if the option `content` asks for them.
---@param key string
---@param given any
function Span:content(key, given)
  if not self.recorder.settings.content or given == nil then return end
  local text = core.encode(given)
  if not text then return end
  self.attributes[#self.attributes + 1] = attribute(key, cut(text, recorder.CONTENT))
end

---It has failed.
---@param kind string `error.type`
---@param message string|nil shown with the option `content` only: it may repeat arguments
function Span:fail(kind, message)
  self.failed = true
  self:set("error.type", kind)
  if message and self.recorder.settings.content then
    self.message = cut(message, recorder.TEXT)
  end
end

---How a request went, by its result or error.
---@param result any
---@param err table|nil code, message
function Span:judge(result, err)
  if err then
    self:set("rpc.response.status_code", tostring(err.code))
    self:fail(tostring(err.code), err.message)
  elseif type(result) == "table" and result.isError then
    self:fail "tool_error"
  end
end

local function nanoseconds(seconds) return ("%d"):format(seconds * 1e9 // 1) end

---It has ended.
function Span:finish()
  if self.ended then return end
  self.ended = true
  local _, now = core.time()
  local context, links = self.context, nil
  if self.link then
    links = value.array { { traceId = self.link.trace_id, spanId = self.link.span_id } }
  end
  local text = core.encode {
    traceId = context.trace_id, spanId = context.span_id, parentSpanId = self.parent,
    traceState = context.tracestate, flags = 1,
    name = self.name, kind = self.kind,
    startTimeUnixNano = nanoseconds(self.wall),
    endTimeUnixNano = nanoseconds(self.wall + (now - self.began)),
    attributes = value.array(self.attributes), links = links,
    status = self.failed and { code = ERROR, message = self.message } or nil,
  }
  -- A name that is not UTF-8 cannot be sent.
  if text then self.recorder.exporter:add(text) end
end

-- --- all of them --------------------------------------------------------------------------------

local Recorder = { __name = "mcp.otlp.recorder" }
Recorder.__index = Recorder

---@param settings table see mcp.otlp.settings
---@return table
function recorder.new(settings)
  return setmetatable({ settings = settings,
    exporter = exporter.new(settings, { attributes = recorder.attributes(settings.resource) },
      { name = "luamcp", version = core.version }) }, Recorder)
end

-- Is a trace recorded? The caller's decision counts, if there is a caller and the sampler asks for
-- it; else a part of the trace ids, so that all services decide alike.
local function samples(self, parent, trace_id)
  local settings = self.settings
  if settings.parent and parent then return parent.sampled end
  if settings.ratio >= 1 or settings.ratio <= 0 then return settings.ratio >= 1 end
  return tonumber(trace_id:sub(-14), 16) < settings.ratio * (1 << 56)
end

---The context of something that begins, and its span if it is recorded.
---@param parent table|nil of the trace that it is part of
---@param kind integer
---@param name string
---@return table context for core.trace
---@return table|nil span
function Recorder:begin(parent, kind, name)
  local trace_id = parent and parent.trace_id or core.random_hex(16)
  local sampled = samples(self, parent, trace_id)
  -- One that is not recorded has no span of its own: what it calls belongs to the caller's.
  if not sampled and parent and not parent.sampled then return parent end
  local context = trace.new(trace_id, core.random_hex(8), sampled, parent and parent.tracestate,
    parent and parent.baggage)
  if not sampled then return context end
  local wall, now = core.time()
  context.recorder = self
  local span = setmetatable({ recorder = self, context = context, kind = kind, name = name,
    parent = parent and parent.span_id, link = parent and parent.link, wall = wall, began = now,
    attributes = {} }, Span)
  context.span = span
  return context, span
end

-- Ends a span whatever happens, and goes back to the trace that was there before.
local Scope = {}
function Scope.__close(scope, problem)
  core.trace(scope.before or false)
  if problem ~= nil then
    scope.span:fail("error", type(problem) == "string" and problem or nil)
  end
  scope.span:finish()
end

---Runs `fn(…)` as a span of the program's own.
---@param current table the trace
---@param name string
---@param fn function
---@param ... any for fn
---@return any ... what fn returns
function Recorder:part(current, name, fn, ...)
  local context, span = self:begin(current, recorder.INTERNAL, cut(name, recorder.TEXT))
  if not span then return fn(...) end
  core.trace(context)
  local _ <close> = setmetatable({ before = current, span = span }, Scope)
  -- Not a tail call: the span ends after it.
  local results = table.pack(fn(...))
  return table.unpack(results, 1, results.n)
end

---What a request is about: the tool or prompt by name, or the URI. A name is part of the span's
---name only if `known`: clients make up others.
---@param span table
---@param row mcp.Method|table
---@param params table|nil
---@param known boolean
function recorder.describe(span, row, params, known)
  local name = row.target and type(params) == "table" and params[row.target] or nil
  if type(name) ~= "string" then return end
  if row.kind == "tool" then
    span:set("gen_ai.operation.name", "execute_tool")
    span:set("gen_ai.tool.name", name)
    span:content("gen_ai.tool.call.arguments", params.arguments)
  elseif row.kind == "prompt" then
    span:set("gen_ai.prompt.name", name)
  elseif row.target == "uri" then
    span:set("mcp.resource.uri", name)
    return
  end
  if known then span.name = cut(span.name .. " " .. name, recorder.TEXT) end
end

---What the conventions call our transports.
recorder.TRANSPORTS = { stdio = "pipe", memory = "pipe", http = "tcp", sse = "tcp",
  websocket = "tcp" }

---Adds where the requests of a client go.
---@param span table a span, or what has `set` as it does
---@param transport table
function recorder.add_peer(span, transport)
  local at = transport.endpoint and transport.endpoint.url
  span:set("network.transport", at and at.unix and "unix" or recorder.TRANSPORTS[transport.name])
  if not at then return end
  span:set("network.protocol.name", transport.name == "websocket" and "websocket" or "http")
  span:set("server.address", at.unix or at.host)
  span:set("server.port", not at.unix and at.port or nil)
end

---A request that a client makes: `send(client, method, params, options, about, trace)`.
---@param current table the trace
---@param send function
---@param client table
---@param method string
---@param params table|nil
---@param options table
---@param about table
---@return table|nil reply
---@return string|nil message
---@return any code
function Recorder:request(current, send, client, method, params, options, about)
  local context, span = self:begin(current, recorder.CLIENT, method)
  if not span then return send(client, method, params, options, about, context) end
  span:set("mcp.method.name", method)
  recorder.describe(span, methods[method] or {}, params, true)
  span:set("mcp.protocol.version", about.revision or client.revision)
  span:set("jsonrpc.request.id", tostring(client.last_id + 1))
  recorder.add_peer(span, about.transport or client.transport)
  local _ <close> = setmetatable({ span = span, before = current }, Scope)
  local reply, text, code = send(client, method, params, options, about, context)
  if not reply then
    span:fail(tostring(code or "error"), text)
  elseif reply.error ~= nil then
    span:judge(nil, value.is_object(reply.error) and reply.error or { code = "error" })
  else
    span:judge(reply.result)
    if method == "tools/call" and value.is_object(reply.result) then
      span:content("gen_ai.tool.call.result", reply.result)
    end
  end
  return reply, text, code
end

return recorder
