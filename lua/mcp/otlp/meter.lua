-- SPDX-License-Identifier: MIT
-- meter: how long requests and sessions took, for a collector: histograms of the OpenTelemetry
-- conventions for MCP. They count since the process began (cumulative), so that one that does not
-- arrive is made up for by the next. What a server's requests have is in
-- lua/mcp/server/listen/measuring.lua.
local collector = require "mcp.otlp.collector"
local core = require "mcp.core"
local cut = require("mcp.text").cut
local measures = require "mcp.measures"
local methods = require "mcp.protocol.methods"
local recorder = require "mcp.otlp.recorder"
local value = require "mcp.value"

local meter = {}

---The upper bounds of the histograms, in seconds: those of the conventions.
meter.BOUNDS = { 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300 }
---Sets of attributes of one histogram; further ones are counted as one.
meter.SERIES = 2000

local DESCRIPTIONS = {
  ["mcp.server.operation.duration"] = "How long requests took, as the server sees them.",
  ["mcp.server.session.duration"] = "How long sessions lasted, as the server sees them.",
  ["mcp.client.operation.duration"] = "How long requests took, as the client sees them.",
  ["mcp.client.session.duration"] = "How long sessions lasted, as the client sees them.",
}

-- What the OpenTelemetry SDKs count in place of more series.
local OVERFLOW = "otel.metric.overflow"
-- A sum that grows for as long as the process lives.
local CUMULATIVE = 2

---@class mcp.Meter
---@field settings table see mcp.otlp.settings
local Meter = { __name = "mcp.otlp.meter" }
Meter.__index = Meter

-- A list of attributes: names and values in turn.
local List = {}
List.__index = List

---Adds an attribute, unless its value is nil.
---@param key string
---@param given string|integer|boolean|nil
function List:set(key, given)
  if given == nil then return end
  if type(given) == "string" then
    if not utf8.len(given) then return end
    given = cut(given, recorder.TEXT)
  end
  self[#self + 1] = key
  self[#self + 1] = given
end

---A list of attributes, which are always set in the same order.
---@return table
function meter.attributes() return setmetatable({}, List) end

---@param settings table see mcp.otlp.settings
---@return mcp.Meter
function meter.new(settings)
  local resource = { ["service.instance.id"] = core.random_hex(16) }
  for key, given in pairs(settings.resource) do resource[key] = given end
  local self = setmetatable({ settings = settings, histograms = {}, began = (core.time()),
    resource = { attributes = recorder.attributes(resource) } }, Meter)
  measures.meter = self
  return self
end

-- --- what is counted -----------------------------------------------------------------------------

local function series_of(self, name, attributes)
  local of = self.histograms[name]
  if not of then
    of = { count = 0, by_key = {} }
    self.histograms[name] = of
  end
  local parts = {}
  for i, part in ipairs(attributes) do parts[i] = tostring(part) end
  local key = table.concat(parts, "\0")
  local histogram = of.by_key[key]
  if histogram then return histogram end
  if of.count >= meter.SERIES then
    key, attributes = OVERFLOW, { OVERFLOW, true }
    if of.by_key[key] then return of.by_key[key] end
  end
  histogram = { attributes = attributes, count = 0, sum = 0.0, buckets = {} }
  for i = 1, #meter.BOUNDS + 1 do histogram.buckets[i] = 0 end
  of.by_key[key], of.count = histogram, of.count + 1
  return histogram
end

---Counts a time.
---@param name string of the histogram
---@param seconds number
---@param attributes table made by meter.attributes; it is kept
function Meter:record(name, seconds, attributes)
  if self.deadline then return end
  local histogram = series_of(self, name, attributes)
  local at = #meter.BOUNDS + 1
  for i, bound in ipairs(meter.BOUNDS) do
    if seconds <= bound then at = i break end
  end
  histogram.buckets[at] = histogram.buckets[at] + 1
  histogram.count, histogram.sum = histogram.count + 1, histogram.sum + seconds
  self.changed = true
  self:start()
end

-- A request of a client, whatever becomes of it.
local Request = {}
function Request.__close(self)
  local _, now = core.time()
  local client, about, list = self.client, self.about, meter.attributes()
  local params, row = self.params, methods[self.method]
  local name = row and row.target and type(params) == "table" and params[row.target] or nil
  list:set("mcp.method.name", self.method)
  if type(name) == "string" and row.kind == "tool" then
    list:set("gen_ai.operation.name", "execute_tool")
    list:set("gen_ai.tool.name", name)
  elseif type(name) == "string" and row.kind == "prompt" then
    list:set("gen_ai.prompt.name", name)
  end
  list:set("error.type", self.failed)
  list:set("rpc.response.status_code", self.status)
  list:set("mcp.protocol.version", about.revision or client.revision)
  recorder.add_peer(list, about.transport or client.transport)
  self.meter:record("mcp.client.operation.duration", now - self.began, list)
end

---Measures a request that a client makes: `send(client, method, params, options, about)`.
---@param send function
---@param client table
---@param method string
---@param params table|nil
---@param options table
---@param about table
---@return table|nil reply
---@return string|nil message
---@return any code
function Meter:request(send, client, method, params, options, about)
  local _, began = core.time()
  local request <close> = setmetatable({ meter = self, client = client, method = method,
    params = params, about = about, began = began, failed = "cancelled" }, Request)
  local reply, text, code = send(client, method, params, options, about)
  if not reply then
    request.failed = tostring(code or "error")
  elseif reply.error ~= nil then
    request.status = value.is_object(reply.error) and tostring(reply.error.code) or nil
    request.failed = request.status or "error"
  else
    request.failed = type(reply.result) == "table" and reply.result.isError and "tool_error" or nil
  end
  return reply, text, code
end

---Counts the session of a client, which has ended.
---@param client table
---@param seconds number
function Meter:session(client, seconds)
  local list = meter.attributes()
  list:set("mcp.protocol.version", client.revision)
  recorder.add_peer(list, client.transport)
  self:record("mcp.client.session.duration", seconds, list)
end

-- --- sending -------------------------------------------------------------------------------------

local function nanoseconds(seconds) return ("%d"):format(seconds * 1e9 // 1) end

local function point(self, histogram, now)
  local members, counts = {}, {}
  for i = 1, #histogram.attributes, 2 do
    members[histogram.attributes[i]] = histogram.attributes[i + 1]
  end
  for i, count in ipairs(histogram.buckets) do counts[i] = ("%d"):format(count) end
  return { attributes = recorder.attributes(members), startTimeUnixNano = nanoseconds(self.began),
    timeUnixNano = nanoseconds(now), count = ("%d"):format(histogram.count), sum = histogram.sum,
    bucketCounts = value.array(counts), explicitBounds = value.array(meter.BOUNDS) }
end

-- All histograms as the body of a request.
local function body_of(self)
  local now, list = (core.time()), {}
  for _, name in ipairs(require("mcp.nearest").keys(self.histograms)) do
    local points = {}
    for _, histogram in pairs(self.histograms[name].by_key) do
      points[#points + 1] = point(self, histogram, now)
    end
    list[#list + 1] = { name = name, unit = "s", description = DESCRIPTIONS[name],
      histogram = { aggregationTemporality = CUMULATIVE, dataPoints = value.array(points) } }
  end
  return assert(core.encode { resourceMetrics = value.array { { resource = self.resource,
    scopeMetrics = value.array { { scope = { name = "luamcp", version = core.version },
      metrics = value.array(list) } } } } })
end

local function send(self, pool)
  local left = self.deadline and self.deadline - core.now() or math.huge
  self.changed = false
  local partial, text = collector.post(self.settings, self.settings.metrics, body_of(self), pool,
    left)
  local refused = partial and math.tointeger(tonumber(partial.rejectedDataPoints)) or 0
  if refused > 0 then
    text = ("the collector refused %d of them: %s"):format(refused, tostring(partial.errorMessage))
  end
  local failed = not partial or refused > 0
  -- They are part of what is sent next.
  if failed then self.changed = true end
  if failed and not self.failing then core.log("warning", "tracing: metrics: " .. text) end
  self.failing = failed
end

local function run(self)
  core.trace(false) -- not part of what was running when the first of them came
  local pool = core.http_pool {}
  local _ <close> = setmetatable({}, { __close = function()
    pool:close()
    self.working = nil
  end })
  while true do
    if not self.deadline then
      self.wake = core.waiter()
      local _, _, code = self.wake:wait(self.settings.interval)
      if code == "ECANCELED" then return end
    end
    if self.changed then send(self, pool) end
    if self.deadline then return end
  end
end

---Sends from now on what is counted.
function Meter:start()
  if self.working then return end
  self.working = core.waiter()
  self.working:spawn(run, self)
end

---Sends what was counted, for the last time: the program ends soon.
---@param seconds number that it may still take
function Meter:finish(seconds)
  if measures.meter == self then measures.meter = false end
  if self.deadline then return end
  self.deadline = core.now() + seconds
  if self.wake then self.wake:wake(true) end
end

---The same, and waits for it.
---@param seconds number
function Meter:flush(seconds)
  self:finish(seconds)
  local work = self.working
  if not work or work:wait(seconds) then return end
  work:cancel()
  work:wait(1)
end

return meter
