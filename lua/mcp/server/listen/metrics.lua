-- SPDX-License-Identifier: MIT
-- metrics: the figures of a server in the text format of Prometheus (version 0.0.4). Names of
-- methods, tools and prompts become labels only if they are registered: what clients make up would
-- add series without end.
local core = require "mcp.core"
local failure = require "mcp.failure"
local keys = require("mcp.nearest").keys
local methods = require "mcp.protocol.methods"
local middleware = require "mcp.server.middleware"
local session_clock = require "mcp.server.session_clock"

local metrics = {}

---The media type of the format.
metrics.TYPE = "text/plain; version=0.0.4; charset=utf-8"

---The upper bounds of the histograms, in seconds: those of the OpenTelemetry conventions for MCP,
---and two below them, since most calls here take less than 10 ms.
metrics.BUCKETS = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120,
  300 }

---How often the loop's delay is measured, in seconds.
metrics.PROBE = 0.25

-- A name that is not registered.
local OTHER = "_OTHER"

local function escape(text)
  return (text:gsub("[\\\"\n]", { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

local function number(value)
  if value ~= value then return "NaN" end
  if value == math.huge then return "+Inf" end
  if value == -math.huge then return "-Inf" end
  return math.type(value) == "integer" and ("%d"):format(value) or ("%.15g"):format(value)
end

-- --- what is counted ----------------------------------------------------------------------------

local function name_of(app, request)
  if request.kind == "tool" then
    local name = request.name
    return app.tools.by_name[name] and name or OTHER
  elseif request.kind == "prompt" then
    return app.prompts.by_name[request.name] and request.name or OTHER
  end
  return ""
end

local OUTCOMES = { ok = true, failed = true, asks = true, cancelled = true, ["timed out"] = true }

-- Adds a time to the histogram with these labels.
local function observe(histograms, labels, seconds)
  local histogram = histograms[labels]
  if not histogram then
    histogram = { sum = 0.0, count = 0 }
    for i = 1, #metrics.BUCKETS do histogram[i] = 0 end
    histograms[labels] = histogram
  end
  histogram.sum, histogram.count = histogram.sum + seconds, histogram.count + 1
  for i, bound in ipairs(metrics.BUCKETS) do
    if seconds <= bound then
      histogram[i] = histogram[i] + 1
      break
    end
  end
end

---The method of a request and the name of its tool or prompt, which is "" if it has none. What is
---not known is "_OTHER".
---@param app mcp.App
---@param request mcp.Request
---@return string method, string name
function metrics.subject(app, request)
  local rows = app.extensions and app.extensions.rows
  local known = methods[request.method] or rows and rows[request.method]
  return known and request.method or OTHER, name_of(app, request)
end

-- `where`: a label of an app at a further path of the listeners, or "".
local function count(app, requests, durations, where)
  return function(request, seconds, outcome)
    local method, name = metrics.subject(app, request)
    if not OUTCOMES[outcome] then outcome = "error" end
    local labels = ('method="%s",name="%s",era="%s",outcome="%s"'):format(escape(method),
      escape(name), request.ctx.revision.era == "modern" and "stateless" or "session",
      outcome:gsub(" ", "_")) .. where
    requests[labels] = (requests[labels] or 0) + 1
    observe(durations, ('method="%s",name="%s"'):format(escape(method), escape(name)) .. where,
      seconds)
  end
end

-- Measures how late a timer is: what a handler that computes costs the others.
-- Ends with the last listener.
local function watch_loop(app, delay)
  app.loop_watch = core.waiter()
  app.loop_watch:spawn(function()
    while true do
      local _, from = core.time()
      if not core.sleep(metrics.PROBE) then return end
      local _, now = core.time()
      delay.last = math.max(0, now - from - metrics.PROBE)
      delay.most = math.max(delay.most, delay.last)
    end
  end)
end

-- --- what is shown ------------------------------------------------------------------------------

---@class mcp.MetricSample
---@field name string that of the family, of histograms with _bucket, _sum or _count
---@field labels string as the format writes them, without braces; may be empty
---@field value number

---@class mcp.MetricFamily
---@field name string
---@field kind "counter"|"gauge"|"histogram"
---@field help string
---@field samples mcp.MetricSample[]

local Families = {}
Families.__index = Families

function Families:family(name, kind, help)
  local made = { name = name, kind = kind, help = help, samples = {} }
  self[#self + 1] = made
  return made.samples
end

local function sample(samples, name, labels, value)
  samples[#samples + 1] = { name = name, labels = labels, value = value }
end

function Families:one(name, kind, help, value)
  if value == nil then return end
  sample(self:family(name, kind, help), name, "", value)
end

-- A value for each of several labels.
function Families:each(name, kind, help, label, values)
  local samples = self:family(name, kind, help)
  for _, key in ipairs(keys(values)) do
    sample(samples, name, ('%s="%s"'):format(label, escape(key)), values[key])
  end
end

local function add_requests(families, requests)
  local name = "luamcp_requests_total"
  local samples = families:family(name, "counter", "Requests by how they ended.")
  for _, labels in ipairs(keys(requests)) do sample(samples, name, labels, requests[labels]) end
end

local function add_histograms(families, name, help, histograms)
  local samples = families:family(name, "histogram", help)
  for _, labels in ipairs(keys(histograms)) do
    local histogram, so_far = histograms[labels], 0
    for i, bound in ipairs(metrics.BUCKETS) do
      so_far = so_far + histogram[i]
      sample(samples, name .. "_bucket", ('%s,le="%s"'):format(labels, number(bound)), so_far)
    end
    sample(samples, name .. "_bucket", labels .. ',le="+Inf"', histogram.count)
    sample(samples, name .. "_sum", labels, histogram.sum)
    sample(samples, name .. "_count", labels, histogram.count)
  end
end

-- Of the process, where the system has /proc (proc(5)); nil elsewhere.
local function read(path)
  local file <close> = io.open(path)
  return file and file:read "a"
end

local function add_process(families, started)
  families:one("process_start_time_seconds", "gauge", "When the process started, since 1970.",
    started)
  families:one("process_cpu_seconds_total", "counter", "Processor time of the process.",
    os.clock())
  local pages = tonumber((read "/proc/self/statm" or ""):match "^%d+ (%d+)")
  families:one("process_resident_memory_bytes", "gauge", "Memory of the process.",
    pages and pages * 4096)
end

-- What was refused or lost because a limit is reached.
local function add_limits(families, app)
  local held, limit, refused = core.memory()
  families:one("luamcp_memory_held_bytes", "gauge", "What is held on behalf of peers.", held)
  families:one("luamcp_memory_limit_bytes", "gauge", "How much may be.",
    limit == math.maxinteger and math.huge or limit)
  families:one("luamcp_memory_refused_total", "counter", "Charges that were refused.", refused)
  local busy = { requests = core.busy_count() }
  for name, times in pairs(failure.busy_counts) do busy[name] = times end
  families:each("luamcp_busy_total", "counter", "What was refused because a limit is reached.",
    "limit", busy)
  families:one("luamcp_notifications_lost_total", "counter",
    "Notifications that a client did not read in time.", app.bus.lost)
  families:one("luamcp_events_dropped_total", "counter",
    "Events of streams that are not kept for clients that come back.",
    type(app.event_store) == "table" and app.event_store.dropped or nil)
  if app.access then
    families:one("luamcp_access_log_dropped_total", "counter",
      "Lines of the access log that were lost.", app.access.file:dropped())
  end
  local spans = app.recorder and app.recorder.exporter
  if spans then
    families:one("luamcp_spans_sent_total", "counter", "Spans that the collector took.",
      spans.sent)
    families:one("luamcp_spans_dropped_total", "counter", "Spans that were lost.", spans.dropped)
  end
end

local function add_state(families, app, delay)
  families:one("luamcp_sessions", "gauge", "Open sessions.", app.sessions.count)
  families:one("luamcp_listens", "gauge", "Streams of clients without a session.",
    app.bus:sweep())
  families:one("luamcp_tasks_in_progress", "gauge", "Coroutines that run or wait, "
    .. "of calls and of the server itself (two or more while it is idle).",
    core.task_count())
  families:one("luamcp_lua_memory_bytes", "gauge", "Memory of the Lua state.",
    math.floor(collectgarbage "count" * 1024))
  local counters = app:counters()
  families:one("luamcp_loop_held_total", "counter", "How often a handler held the loop too long.",
    counters.held)
  families:one("luamcp_handlers_stopped_total", "counter", "Calls over their budget of time.",
    counters.stopped)
  families:one("luamcp_results_oversized_total", "counter", "Calls over their budget of output.",
    counters.oversized)
  families:one("luamcp_loop_delay_seconds", "gauge", "How late the loop was at the last look.",
    delay.last)
  families:one("luamcp_loop_delay_max_seconds", "gauge",
    "How late the loop was at most since the last scrape.", delay.most)
  delay.most = 0.0
end

---The figures in the text format.
---@param families mcp.MetricFamily[]
---@return string
function metrics.text(families)
  local out = {}
  for _, family in ipairs(families) do
    out[#out + 1] = ("# HELP %s %s\n# TYPE %s %s\n"):format(family.name,
      family.help:gsub("\\", "\\\\"), family.name, family.kind)
    for _, each in ipairs(family.samples) do
      out[#out + 1] = each.labels ~= ""
        and ("%s{%s} %s\n"):format(each.name, each.labels, number(each.value))
        or ("%s %s\n"):format(each.name, number(each.value))
    end
  end
  return table.concat(out)
end

---The figures of an app that counts, as values: for what adds up those of several processes.
---@param app mcp.App
---@return mcp.MetricFamily[]|nil families nil if it does not count
function metrics.values(app)
  return app.figures and app.figures()
end

---Adds middleware that stays: a reload puts it around that of the new script.
---@param app mcp.App
---@param fn function
function metrics.lasting(app, fn)
  app:use(fn)
  app.lasting = app.lasting or {}
  table.insert(app.lasting, fn)
end

---Begins to count, and makes the function of the route.
---@param app mcp.App
---@param paths table<string, mcp.App>|nil apps that its listeners serve besides, by path
---@return fun(): string
function metrics.of(app, paths)
  local requests, durations, lifetimes = {}, {}, {}
  local delay, started = { last = 0.0, most = 0.0 }, core.time()
  metrics.lasting(app, middleware.timing(count(app, requests, durations, "")))
  for path, other in pairs(paths or {}) do
    metrics.lasting(other, middleware.timing(count(other, requests, durations,
      (',path="%s"'):format(escape(path)))))
  end
  session_clock.watch(app, function(session, transport, seconds)
    observe(lifetimes, ('transport="%s",version="%s"'):format(transport, session.revision.name),
      seconds)
  end)
  function app.figures()
    if not app.loop_watch then watch_loop(app, delay) end
    local families = setmetatable({}, Families)
    sample(families:family("luamcp_build_info", "gauge",
      "The version of luamcp, and of the server."), "luamcp_build_info",
      ('version="%s",server="%s",server_version="%s"'):format(escape(core.version),
        escape(app.name), escape(app.version)), 1)
    add_requests(families, requests)
    add_histograms(families, "mcp_server_operation_duration_seconds", "How long requests took.",
      durations)
    add_histograms(families, "mcp_server_session_duration_seconds",
      "How long sessions lasted that have ended.", lifetimes)
    add_state(families, app, delay)
    add_limits(families, app)
    add_process(families, started)
    return families
  end
  return function()
    local families, sum = app.figures(), app.sum_figures
    return metrics.text(sum and sum(families) or families)
  end
end

return metrics
