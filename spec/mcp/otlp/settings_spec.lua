-- SPDX-License-Identifier: MIT
-- The option `tracing`, and the variables of the environment that stand in for what it leaves out.
local settings = require "mcp.otlp.settings"

local APP = { name = "app", version = "1.2" }

local function read(given, env)
  return settings.read(given, APP, function(name) return env and env[name] end)
end

local function refused(words, given, env)
  local ok, text = pcall(read, given, env)
  assert.is_false(ok)
  assert.is_truthy(tostring(text):find(words, 1, true), text)
end

describe("the settings of tracing", function()
  it("have defaults", function()
    assert.same({ address = "http://127.0.0.1:4318/v1/traces", headers = {}, ratio = 1,
      parent = true, delay = 1, timeout = 10,
      resource = { ["service.name"] = "app", ["service.version"] = "1.2" } }, read(true))
  end)

  it("take an endpoint with or without the path of traces", function()
    for given, address in pairs { ["http://c:4318"] = "http://c:4318/v1/traces",
      ["http://c:4318/"] = "http://c:4318/v1/traces",
      ["https://c/otlp"] = "https://c/otlp/v1/traces",
      ["https://c/otlp/v1/traces"] = "https://c/otlp/v1/traces" } do
      assert.equal(address, read({ endpoint = given }).address)
      assert.equal(address, read(true, { OTEL_EXPORTER_OTLP_ENDPOINT = given }).address)
    end
    -- That of traces alone is taken as it is.
    assert.equal("http://t/x", read(true, { OTEL_EXPORTER_OTLP_ENDPOINT = "http://c",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = "http://t/x" }).address)
    assert.equal("http://o/v1/traces", read({ endpoint = "http://o" },
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = "http://t/x" }).address)
  end)

  it("take the address and the interval of metrics, where they are asked for", function()
    local function metrics(given, env)
      local found = read(given, env)
      return { found.metrics, found.interval }
    end
    assert.same({}, metrics(true))
    assert.same({}, metrics(true, { OTEL_METRICS_EXPORTER = "none",
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT = "http://m/x" }))
    assert.same({ "http://127.0.0.1:4318/v1/metrics", 60 }, metrics { metrics = true })
    assert.same({ "http://c/o/v1/metrics", 5 }, metrics { metrics = true, interval = 5,
      endpoint = "http://c/o/v1/traces" })
    assert.same({ "http://c/v1/metrics", 1.5 }, metrics(true, { OTEL_METRICS_EXPORTER = "otlp",
      OTEL_EXPORTER_OTLP_ENDPOINT = "http://c", OTEL_METRIC_EXPORT_INTERVAL = "1500" }))
    assert.same({ "http://m/x", 60 }, metrics(true, {
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT = "http://m/x" }))
    assert.same({}, metrics({ metrics = false }, {
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT = "http://m/x" }))
    refused("interval: expected seconds", { metrics = true, interval = 0 })
    refused("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: expected a URL", true,
      { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT = "m" })
  end)

  it("take headers, names and attributes of the environment, where the option has none", function()
    local env = { OTEL_EXPORTER_OTLP_HEADERS = "api-key=a%2Cb, x = 1,,broken",
      OTEL_SERVICE_NAME = "named", OTEL_RESOURCE_ATTRIBUTES = "service.name=other,env=te%20st" }
    local got = read(true, env)
    assert.same({ ["api-key"] = "a,b", x = "1" }, got.headers)
    assert.same({ ["service.name"] = "named", ["service.version"] = "1.2", env = "te st" },
      got.resource)
    got = read({ headers = { x = "2" }, service = "mine", attributes = { env = "prod", n = 1 } },
      env)
    assert.same({ ["api-key"] = "a,b", x = "2" }, got.headers)
    assert.same({ ["service.name"] = "mine", ["service.version"] = "1.2", env = "prod", n = 1 },
      got.resource)
    env.OTEL_SERVICE_NAME = nil
    assert.equal("other", read(true, env).resource["service.name"])
    env.OTEL_EXPORTER_OTLP_TRACES_HEADERS = "y=2"
    assert.same({ y = "2" }, read(true, env).headers)
  end)

  it("know the samplers", function()
    local function sampler(given, name, arg)
      local got = read({ sample = given }, { OTEL_TRACES_SAMPLER = name,
        OTEL_TRACES_SAMPLER_ARG = arg })
      return { got.ratio, got.parent or false }
    end
    assert.same({ 1, false }, sampler(nil, "always_on"))
    assert.same({ 0, false }, sampler(nil, "always_off"))
    assert.same({ 0.5, false }, sampler(nil, "traceidratio", "0.5"))
    assert.same({ 1, false }, sampler(nil, "TraceIdRatio"))
    assert.same({ 1, true }, sampler(nil, "parentbased_always_on"))
    assert.same({ 0, true }, sampler(nil, "parentbased_always_off"))
    assert.same({ 0.25, true }, sampler(nil, "parentbased_traceidratio", "0.25"))
    assert.same({ 0.1, true }, sampler(0.1, "always_off"))
    assert.same({ 1, false }, sampler("always_on", "always_off"))
  end)

  it("say what is wrong with them", function()
    refused("tracing: endpoint: expected a URL", { endpoint = "127.0.0.1:4318" })
    refused("got \"ws://c\"", { endpoint = "ws://c" })
    refused("tracing: OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL", true,
      { OTEL_EXPORTER_OTLP_ENDPOINT = "c:1" })
    refused("sample: expected 0 to 1, or the name of a sampler, got 2", { sample = 2 })
    refused("sample: expected one of always_off", { sample = "often" })
    refused('OTEL_TRACES_SAMPLER: expected one of', true, { OTEL_TRACES_SAMPLER = "xray" })
    refused('OTEL_TRACES_SAMPLER_ARG: expected 0 to 1, got "9"', true,
      { OTEL_TRACES_SAMPLER = "traceidratio", OTEL_TRACES_SAMPLER_ARG = "9" })
    refused("headers: expected strings as names and values, got string = number",
      { headers = { a = 1 } })
    refused("attributes: expected names with texts", { attributes = { a = {} } })
    refused('unknown option "endpont", did you mean "endpoint"?', { endpont = "x" })
    refused("delay: expected seconds", { delay = 0 })
    refused("timeout: expected seconds", { timeout = 301 })
  end)

  it("are asked for, or forbidden, by the environment", function()
    local function asked(env) return settings.environment(function(name) return env[name] end) end
    assert.is_nil(asked {})
    assert.is_nil(asked { OTEL_EXPORTER_OTLP_ENDPOINT = "" })
    assert.is_true(asked { OTEL_EXPORTER_OTLP_ENDPOINT = "http://c" })
    assert.is_true(asked { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = "http://c" })
    assert.is_false(asked { OTEL_EXPORTER_OTLP_ENDPOINT = "http://c", OTEL_SDK_DISABLED = "TRUE" })
    assert.is_false(asked { OTEL_EXPORTER_OTLP_ENDPOINT = "http://c",
      OTEL_TRACES_EXPORTER = "none" })
  end)
end)
