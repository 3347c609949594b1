-- SPDX-License-Identifier: MIT
-- settings: where spans go and which are made: the option `tracing` of app:run, and what the
-- environment says where it says nothing (OpenTelemetry: environment variables of SDKs and of the
-- OTLP exporter).
local check = require("mcp.options").error_in
local url = require "mcp.url"

local settings = {}

---Where a collector listens if nothing else is said.
settings.ENDPOINT = "http://127.0.0.1:4318"
---The path of traces, below an endpoint.
settings.PATH = "/v1/traces"
---The path of metrics.
settings.METRICS_PATH = "/v1/metrics"
---How often metrics are sent, in seconds.
settings.INTERVAL = 60
---How long a span may wait for others, in seconds.
settings.DELAY = 1
---How long one request to the collector may take, in seconds.
settings.TIMEOUT = 10

local OPTIONS = { endpoint = "string", headers = "table", service = "string", attributes = "table",
  sample = "number|string", content = "boolean", delay = "number", timeout = "number",
  metrics = "boolean", interval = "number" }

local function fail(text, ...) error("tracing: " .. text:format(...), 0) end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

---Reads `key=value,…`, whose values are percent-encoded. What is not of that form is left out.
---@param text string|nil
---@return table<string, string>
function settings.pairs_of(text)
  local out = {}
  for member in (text or ""):gmatch "[^,]+" do
    local key, value = member:match "^%s*([^=%s]+)%s*=%s*(.-)%s*$"
    if key then out[decoded(key)] = decoded(value) end
  end
  return out
end

local function env_of(getenv)
  return function(name)
    local value = getenv(name)
    return value and value ~= "" and value or nil
  end
end

-- The URL that spans, or metrics, are posted to: an endpoint without a path, or with that of a
-- folder, gets theirs.
local function address_of(given, env, variable, path)
  local whole = not given and env(variable)
  local text = given or whole or env "OTEL_EXPORTER_OTLP_ENDPOINT" or settings.ENDPOINT
  local what = given and "endpoint" or whole and variable or "OTEL_EXPORTER_OTLP_ENDPOINT"
  local at, reason = url.parse(text)
  if not at or at.unix or at.scheme ~= "http" and at.scheme ~= "https" then
    fail("%s: expected a URL such as %q, got %q%s", what, settings.ENDPOINT, text,
      reason and " (" .. reason .. ")" or "")
  end
  if whole then return text end
  if text:sub(-#settings.PATH) == settings.PATH then text = text:sub(1, -#settings.PATH - 1) end
  return text:gsub("/$", "") .. path
end

-- The URL of metrics, and how often they are sent; nil if they are not.
local function metrics_of(given, env)
  local variable = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
  local asked, named = given.metrics, env "OTEL_METRICS_EXPORTER"
  if asked == nil then asked = named == "otlp" or named == nil and env(variable) ~= nil end
  if not asked then return nil end
  local ms = tonumber(env "OTEL_METRIC_EXPORT_INTERVAL")
  local seconds = given.interval or ms and ms / 1000 or settings.INTERVAL
  if not (seconds > 0 and seconds <= 86400) then
    fail("interval: expected seconds, more than 0 and at most 86400, got %s", seconds)
  end
  return address_of(given.endpoint, env, variable, settings.METRICS_PATH), seconds
end

local NAMES = { always_on = { ratio = 1 }, always_off = { ratio = 0 }, traceidratio = {},
  parentbased_always_on = { ratio = 1, parent = true },
  parentbased_always_off = { ratio = 0, parent = true },
  parentbased_traceidratio = { parent = true } }

-- ratio: the part of new traces that is recorded; parent: what the caller decided counts first.
local function sampler_of(given, env)
  if type(given) == "number" then
    if not (given >= 0 and given <= 1) then
      fail("sample: expected 0 to 1, or the name of a sampler, got %s", given)
    end
    return { ratio = given, parent = true }
  end
  local name = given or env "OTEL_TRACES_SAMPLER" or "parentbased_always_on"
  local row = NAMES[name:lower()]
  if not row then
    fail("%s: expected one of %s, got %q", given and "sample" or "OTEL_TRACES_SAMPLER",
      table.concat(require("mcp.nearest").keys(NAMES), ", "), name)
  end
  local ratio = row.ratio
  if not ratio then
    local text = env "OTEL_TRACES_SAMPLER_ARG" or "1"
    ratio = tonumber(text)
    if not ratio or not (ratio >= 0 and ratio <= 1) then
      fail("OTEL_TRACES_SAMPLER_ARG: expected 0 to 1, got %q", text)
    end
  end
  return { ratio = ratio, parent = row.parent }
end

local function headers_of(given, env)
  local out = settings.pairs_of(env "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
    or env "OTEL_EXPORTER_OTLP_HEADERS")
  for name, text in pairs(given or {}) do
    if type(name) ~= "string" or type(text) ~= "string" then
      fail("headers: expected strings as names and values, got %s = %s", type(name), type(text))
    end
    out[name] = text
  end
  return out
end

local function seconds(given, name, default)
  local value = given[name]
  if value and not (value > 0 and value <= 300) then
    fail("%s: expected seconds, more than 0 and at most 300, got %s", name, value)
  end
  return value or default
end

---Does the environment ask for spans, or forbid them?
---@param getenv fun(name: string): string|nil
---@return boolean|nil asked false: forbidden; nil: nothing is said
function settings.environment(getenv)
  local env = env_of(getenv)
  if (env "OTEL_SDK_DISABLED" or ""):lower() == "true" or env "OTEL_TRACES_EXPORTER" == "none" then
    return false
  end
  return (env "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" or env "OTEL_EXPORTER_OTLP_ENDPOINT") and true
    or nil
end

---@class mcp.Tracing
---@field endpoint? string URL of a collector: OTLP over HTTP ("http://127.0.0.1:4318")
---@field headers? table<string, string> sent to it
---@field service? string the name of the service (that of the server)
---@field attributes? table<string, string|number|boolean> of the resource
---@field sample? number|string part of the traces that begin here, 0 to 1, or the name of a sampler
---@field content? boolean arguments, results and messages of errors too (false)
---@field delay? number seconds that a span may wait for others (1)
---@field timeout? number seconds that one request to the collector may take (10)
---@field metrics? boolean send how long requests and sessions took (false)
---@field interval? number seconds between two of these (60)

---Reads the option. Raises (level 0) what is wrong with it or with the environment.
---@param given mcp.Tracing|true
---@param app table name, version
---@param getenv fun(name: string): string|nil
---@return table read address, headers, resource, ratio, parent, content, delay, timeout; metrics
---(their address) and interval, if they are to be sent
function settings.read(given, app, getenv)
  local env = env_of(getenv)
  if given == true then given = {} end
  local message = check(given, OPTIONS)
  if message then fail("%s", message) end
  local sampler = sampler_of(given.sample, env)
  local resource = {}
  for key, value in pairs(settings.pairs_of(env "OTEL_RESOURCE_ATTRIBUTES")) do
    resource[key] = value
  end
  for key, value in pairs(given.attributes or {}) do
    if type(key) ~= "string" or type(value) == "table" or type(value) == "function" then
      fail("attributes: expected names with texts, numbers or booleans, got %s = %s", type(key),
        type(value))
    end
    resource[key] = value
  end
  local named = given.service or env "OTEL_SERVICE_NAME"
  resource["service.name"] = named or resource["service.name"] or app.name
  resource["service.version"] = resource["service.version"] or app.version
  local metrics, interval = metrics_of(given, env)
  local address = address_of(given.endpoint, env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    settings.PATH)
  return { address = address, headers = headers_of(given.headers, env),
    metrics = metrics, interval = interval, resource = resource, ratio = sampler.ratio,
    parent = sampler.parent, content = given.content,
    delay = seconds(given, "delay", settings.DELAY),
    timeout = seconds(given, "timeout", settings.TIMEOUT) }
end

return settings
