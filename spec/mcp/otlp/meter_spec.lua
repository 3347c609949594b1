-- SPDX-License-Identifier: MIT
-- Durations as a collector gets them: of a server's requests and sessions, and of a client's.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local measures = require "mcp.measures"
local meters = require "mcp.otlp.meter"
local raw_server = require "spec.raw_server"

local CLIENT, SERVER = "mcp.client.operation.duration", "mcp.server.operation.duration"

describe("the durations that a collector gets", function()
  local collector, got, answers, app, listening, series

  -- The last of the durations are on their way once the listener is closed.
  local function stop()
    if not listening then return end
    local meter = listening.meter
    listening:close()
    listening = nil
    if meter then helper.wait_until(function() return not meter.working end, "the last ones") end
  end

  before_each(function()
    got, answers, series = {}, {}, meters.SERIES
    collector = raw_server.start(function(request)
      if request.target == "/v1/metrics" then
        got[#got + 1] = request
        local answer = table.remove(answers, 1) or { 200, {}, "{}" }
        return answer[1], answer[2], answer[3]
      end
      return 200, {}, "{}"
    end)
    app = mcp.server { name = "spec", version = "1" }
    app:tool "ok" (function() return "fine" end)
    app:tool "fails" (function() error("as asked", 0) end)
    app:prompt "greet" (function() return "hello" end)
  end)
  after_each(function()
    meters.SERIES = series
    stop()
    collector:close()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
    helper.leftovers()
    assert.is_false(measures.meter)
  end)

  local function serve(options)
    local tracing = { endpoint = ("http://127.0.0.1:%d"):format(collector.port), metrics = true,
      interval = 0.02, sample = 0 }
    for key, member in pairs(options or {}) do tracing[key] = member end
    listening = app:listen { http = "127.0.0.1:0", quiet = true, tracing = tracing }
    return listening.urls[1]
  end

  local function plain(list)
    local out = {}
    for _, each in ipairs(list) do
      out[each.key] = each.value.stringValue or tonumber(each.value.intValue)
        or each.value.boolValue
    end
    return out
  end

  -- The last points of a histogram that have all these attributes.
  local function points(name, wanted)
    local out = {}
    for _, request in ipairs(got) do
      local of = request.message.resourceMetrics[1]
      for _, metric in ipairs(of.scopeMetrics[1].metrics) do
        if metric.name == name then
          assert.same({ "s", 2 }, { metric.unit, metric.histogram.aggregationTemporality })
          out = {}
          for _, each in ipairs(metric.histogram.dataPoints) do
            each.attributes = each.attributes[1] and plain(each.attributes) or each.attributes
            local fits = true
            for key, value in pairs(wanted or {}) do
              fits = fits and each.attributes[key] == value
            end
            if fits then out[#out + 1] = each end
          end
        end
      end
    end
    return out
  end

  local function count(name, wanted)
    local sum = 0
    for _, each in ipairs(points(name, wanted)) do sum = sum + tonumber(each.count) end
    return sum
  end

  local function wait_for(name, wanted, number)
    helper.wait_until(function() return count(name, wanted) == number end,
      ("%d of %s"):format(number, name))
  end

  it("are those of the conventions, on both sides", function()
    local url = serve()
    local client = assert(mcp.connect(url, { era = "legacy" }))
    for _ = 1, 3 do assert(client:call_tool "ok") end
    helper.logged(function()
      client:call_tool "fails"
      client:call_tool "none"
    end)
    client:get_prompt "greet"
    local revision = client.revision
    client:close()
    wait_for("mcp.server.session.duration", nil, 1)
    wait_for("mcp.client.session.duration", nil, 1)
    for name, network in pairs { [SERVER] = {}, [CLIENT] = { ["server.address"] = "127.0.0.1",
      ["server.port"] = tonumber(url:match ":(%d+)") } } do
      wait_for(name, { ["gen_ai.tool.name"] = "ok" }, 3)
      local point = points(name, { ["gen_ai.tool.name"] = "ok" })[1]
      local expected = { ["mcp.method.name"] = "tools/call", ["gen_ai.tool.name"] = "ok",
        ["gen_ai.operation.name"] = "execute_tool", ["mcp.protocol.version"] = revision,
        ["network.transport"] = "tcp", ["network.protocol.name"] = "http" }
      for key, value in pairs(network) do expected[key] = value end
      assert.same(expected, point.attributes)
      assert.same(meters.BOUNDS, point.explicitBounds)
      assert.equal(#meters.BOUNDS + 1, #point.bucketCounts)
      local sum = 0
      for _, bucket in ipairs(point.bucketCounts) do sum = sum + tonumber(bucket) end
      assert.equal(3, sum)
      assert.is_true(point.sum > 0 and point.sum < 3 * helper.LIMIT)
      assert.is_true(tonumber(point.startTimeUnixNano) < tonumber(point.timeUnixNano))
      wait_for(name, { ["gen_ai.tool.name"] = "fails", ["error.type"] = "tool_error" }, 1)
      wait_for(name, { ["error.type"] = "-32602", ["rpc.response.status_code"] = "-32602" }, 1)
      wait_for(name, { ["gen_ai.prompt.name"] = "greet" }, 1)
    end
    -- A server does not repeat what clients make up.
    assert.equal(0, count(SERVER, { ["gen_ai.tool.name"] = "none" }))
    assert.equal(1, count(SERVER, { ["gen_ai.tool.name"] = "_OTHER" }))
    local resource = plain(got[1].message.resourceMetrics[1].resource.attributes)
    assert.equal("spec", resource["service.name"])
    assert.equal(32, #resource["service.instance.id"])
  end)

  it("are sent again with the next ones, with one line in the log", function()
    answers = { { 503, {}, "" }, { 404, {}, "" }, { 200, {},
      '{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"why"}}' } }
    local log = helper.logged(function()
      local client <close> = assert(mcp.connect(serve(), { era = "modern" }))
      assert(client:call_tool "ok")
      wait_for(CLIENT, { ["gen_ai.tool.name"] = "ok" }, 1)
      helper.wait_until(function() return #got >= 4 end, "the fourth attempt")
    end)
    local _, lines = log:gsub("tracing: metrics: ", "")
    assert.equal(1, lines)
    assert.matches("/v1/metrics answers with status 503", log, 1, true)
  end)

  it("are sent at the end, also those of a collector that was slow", function()
    local client <close> = assert(mcp.connect(serve { interval = 300 }, { era = "modern" }))
    assert(client:call_tool "ok")
    client:close()
    assert.equal(0, #got)
    stop()
    wait_for(SERVER, { ["gen_ai.tool.name"] = "ok" }, 1)
    assert.equal(1, #got)
  end)

  it("are as many as one histogram may have, and one more", function()
    meters.SERIES = 2
    serve { interval = 300 }
    local meter = measures.meter
    for i = 1, 5 do
      local list = meters.attributes()
      list:set("gen_ai.tool.name", "t" .. i)
      meter:record(CLIENT, 400, list)
    end
    stop()
    wait_for(CLIENT, { ["otel.metric.overflow"] = true }, 3)
    assert.equal(3, #points(CLIENT))
    assert.equal("1", points(CLIENT, { ["gen_ai.tool.name"] = "t1" })[1].bucketCounts[15])
  end)

  it("have attributes that JSON can carry, cut where they are long", function()
    serve { interval = 300 }
    local list = meters.attributes()
    list:set("a", ("x"):rep(300))
    list:set("b", "\xff")
    list:set("c", nil)
    measures.meter:record(CLIENT, 0.001, list)
    stop()
    helper.wait_until(function() return #got == 1 end, "the durations")
    local attributes = points(CLIENT)[1].attributes
    assert.is_true(#attributes.a <= 260)
    assert.same({ nil, nil }, { attributes.b, attributes.c })
  end)

  it("say what a client gave up, and have none where none are asked for", function()
    app:tool "endless" (function(_, ctx) ctx:sleep(60) end)
    local client <close> = assert(mcp.connect(serve(), { era = "modern" }))
    assert.equal("ETIMEDOUT", select(3, client:call_tool("endless", {}, { timeout = 0.05 })))
    wait_for(CLIENT, { ["error.type"] = "ETIMEDOUT" }, 1)
    wait_for(SERVER, { ["error.type"] = "cancelled" }, 1)
    client:close()
    stop()
    local before = #got
    serve { metrics = false }
    assert.is_false(measures.meter)
    local other <close> = assert(mcp.connect(listening.urls[1], { era = "modern" }))
    assert(other:call_tool "ok")
    assert.equal(before, #got)
  end)
end)
