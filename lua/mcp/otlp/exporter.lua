-- SPDX-License-Identifier: MIT
-- exporter: sends spans to a collector, several at a time: OTLP over HTTP in its JSON encoding
-- (OpenTelemetry Protocol 1.x, "OTLP/HTTP"). It knows spans as texts. What waits is bounded in
-- bytes; the oldest are dropped. A request to the collector is never part of a trace.
local collector = require "mcp.otlp.collector"
local core = require "mcp.core"

local exporter = {}

---What may wait for a collector that does not answer, in bytes.
exporter.QUEUE = 4 << 20
---The size of one request to it, in bytes, unless one span is larger.
exporter.BATCH = 512 << 10
---The longest span that is sent, in bytes; longer ones are dropped.
exporter.SPAN = 256 << 10
---Seconds between the first two attempts; then twice as long each time.
exporter.PAUSE = 1
---The longest of these pauses, also where the collector names one (Retry-After).
exporter.PAUSE_MAX = 30
---Seconds between two lines of the log about spans that were dropped.
exporter.QUIET = 60

local Exporter = { __name = "mcp.otlp.exporter" }
Exporter.__index = Exporter

---@param settings table see mcp.otlp.settings
---@param resource table of the spans
---@param scope table what makes them
---@return table
function exporter.new(settings, resource, scope)
  local head = assert(core.encode(resource))
  return setmetatable({ settings = settings, first = 1, last = 0, spans = {}, bytes = 0,
    sent = 0, dropped = 0, rejected = 0, logged_at = -math.huge,
    head = ('{"resourceSpans":[{"resource":%s,"scopeSpans":[{"scope":%s,"spans":['):format(head,
      assert(core.encode(scope))),
  }, Exporter)
end

-- Lost spans, with a line of the log now and then.
local function drop(self, count, reason)
  self.dropped = self.dropped + count
  local now = core.now()
  if now - self.logged_at < exporter.QUIET then return end
  self.logged_at = now
  core.log("warning", ("tracing: spans are dropped (%d so far): %s"):format(self.dropped, reason))
end

local function shift(self)
  local span = self.spans[self.first]
  self.spans[self.first] = nil
  self.first = self.first + 1
  self.bytes = self.bytes - #span
  return span
end

-- Texts of spans that make one request, which stay in the queue until they have been sent.
local function batch(self)
  local list, bytes = {}, 0
  for i = self.first, self.last do
    local span = self.spans[i]
    if list[1] and bytes + #span > exporter.BATCH then break end
    list[#list + 1], bytes = span, bytes + #span + 1
  end
  return list
end

-- Posts them. True, or nil, why not and for how long to wait (nil: not to be sent again).
local function post(self, list)
  local body = self.head .. table.concat(list, ",") .. "]}]}]}"
  local left = self.deadline and self.deadline - core.now() or math.huge
  if left <= 0 then return nil, "the process ends", 0 end
  local partial, text, wait = collector.post(self.settings, self.settings.address, body, self.pool,
    left)
  if not partial then return nil, text, wait and math.max(wait, exporter.PAUSE) end
  local refused = math.tointeger(tonumber(partial.rejectedSpans))
  if refused and refused > 0 then
    self.rejected = self.rejected + refused
    drop(self, refused, "the collector refused them: " .. tostring(partial.errorMessage))
  end
  return true
end

-- Sends until nothing waits any more.
local function run(self)
  core.trace(false) -- not part of what was running when the first of them came
  local pause = exporter.PAUSE
  self.pool = core.http_pool {}
  local _ <close> = setmetatable({}, { __close = function()
    self.pool:close()
    self.working, self.deadline = nil, nil
  end })
  while self.first <= self.last do
    if not self.deadline then
      self.wake = core.waiter()
      local ok, _, code = self.wake:wait(self.settings.delay)
      if not ok and code == "ECANCELED" then return end
    end
    local list, from = batch(self), self.first
    local ok, text, wait = post(self, list)
    -- What was dropped meanwhile, because too much waited, is not there any more.
    local rest = math.max(0, from + #list - self.first)
    if ok or not wait then
      for _ = 1, rest do shift(self) end
      if ok then
        self.sent, pause = self.sent + #list, exporter.PAUSE
      else
        drop(self, rest, text)
      end
    else
      if not self.failing then
        core.log("warning", ("tracing: %s; trying again"):format(text))
      end
      if self.deadline then
        drop(self, self.last - self.first + 1, text)
        while self.first <= self.last do shift(self) end
        return
      end
      self.wake = core.waiter()
      local _, _, code = self.wake:wait(math.min(math.max(wait, pause), exporter.PAUSE_MAX))
      if code == "ECANCELED" then return end
      pause = math.min(pause * 2, exporter.PAUSE_MAX)
    end
    self.failing = not ok
  end
end

---Takes a span that has ended.
---@param span string JSON
function Exporter:add(span)
  if #span > exporter.SPAN then
    return drop(self, 1, ("one has %d bytes"):format(#span))
  end
  self.last = self.last + 1
  self.spans[self.last], self.bytes = span, self.bytes + #span
  local before = self.first
  while self.bytes > exporter.QUEUE do shift(self) end
  if self.first > before then
    drop(self, self.first - before, ("%d bytes wait for %s"):format(self.bytes,
      self.settings.address))
  end
  if not self.working then
    self.working = core.waiter()
    self.working:spawn(run, self)
  end
end

---Sends what waits at once, without another attempt: the program ends soon.
---@param seconds number that it may still take
function Exporter:finish(seconds)
  if not self.working then return end
  self.deadline = core.now() + seconds
  if self.wake then self.wake:wake(true) end
end

---The same, and waits for it. What does not go is dropped.
---@param seconds number
function Exporter:flush(seconds)
  if not self.working then return end
  local work = self.working
  self:finish(seconds)
  if not work:wait(seconds) then
    work:cancel()
    work:wait(1)
    if self.last >= self.first then
      drop(self, self.last - self.first + 1, "the process ends")
      while self.first <= self.last do shift(self) end
    end
  end
end

return exporter
