-- SPDX-License-Identifier: MIT
-- The spans of a server's requests, as a collector gets them.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"
local support = require "spec.support"

local ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
local PARENT = "00-" .. ID .. "-" .. SPAN .. "-01"

describe("tracing", function()
  local collector, app, listening, spans

  -- The value of an attribute of OTLP.
  local function plain(given)
    return given.stringValue or tonumber(given.intValue) or given.doubleValue or given.boolValue
  end

  before_each(function()
    spans = {}
    collector = raw_server.start(function(request)
      assert.equal("/v1/traces", request.target)
      for _, of in ipairs(request.message.resourceSpans) do
        for _, span in ipairs(of.scopeSpans[1].spans) do
          local attributes = {}
          for _, each in ipairs(span.attributes) do attributes[each.key] = plain(each.value) end
          span.attributes = attributes
          spans[#spans + 1] = span
        end
      end
      return 200, { ["Content-Type"] = "application/json" }, "{}"
    end)
    app = mcp.server { name = "spec", version = "1" }
    app:tool "ok" { input = { text = "string?" } } (function(a) return a.text or "fine" end)
    app:tool "fails" (function() error "as asked" end)
    app:prompt "greet" (function() return "hello" end)
    app:resource "notes://{name}" (function() return "a note" end)
  end)
  after_each(function()
    if listening then listening:close() end
    listening = nil
    collector:close()
    helper.leftovers()
  end)

  local function serve(options)
    options = options or {}
    options.endpoint = ("http://127.0.0.1:%d"):format(collector.port)
    options.delay = options.delay or 0.01
    listening = app:listen { http = "127.0.0.1:0", quiet = true, tracing = options }
    return listening.urls[1]
  end

  local function wait_for(count)
    helper.wait_until(function() return #spans >= count end, count .. " spans")
  end

  local function post(url, method, params, meta, fields)
    params = params or {}
    params._meta = helper.envelope(meta)
    local headers = { Accept = "application/json, text/event-stream",
      ["MCP-Protocol-Version"] = "2026-07-28", ["Mcp-Method"] = method,
      ["Mcp-Name"] = params.name or params.uri }
    for name, text in pairs(fields or {}) do headers[name] = text end
    return assert(fetch.post(url, { headers = headers,
      json = { jsonrpc = "2.0", id = "r1", method = method, params = params } }))
  end

  it("makes a span of each request, named and described as the conventions say", function()
    local url = serve()
    post(url, "tools/call", { name = "ok", arguments = { text = "secret" } },
      { traceparent = PARENT, tracestate = "a=b" },
      { traceparent = "00-" .. ("1"):rep(32) .. "-" .. ("2"):rep(16) .. "-01" })
    wait_for(1)
    local span = spans[1]
    assert.same({ ID, SPAN, "a=b", "tools/call ok", 2 },
      { span.traceId, span.parentSpanId, span.traceState, span.name, span.kind })
    assert.matches("^%x+$", span.spanId)
    assert.equal(16, #span.spanId)
    assert.same({ { traceId = ("1"):rep(32), spanId = ("2"):rep(16) } }, span.links)
    assert.is_nil(span.status)
    local began = math.tointeger(span.startTimeUnixNano)
    local ended = math.tointeger(span.endTimeUnixNano)
    assert.is_true(began <= ended and math.abs(began / 1e9 - core.time()) < 60)
    assert.same({ ["mcp.method.name"] = "tools/call", ["gen_ai.tool.name"] = "ok",
      ["gen_ai.operation.name"] = "execute_tool", ["jsonrpc.request.id"] = "r1",
      ["mcp.protocol.version"] = "2026-07-28", ["network.transport"] = "tcp",
      ["network.protocol.name"] = "http", ["client.address"] = "127.0.0.1" }, span.attributes)
  end)

  it("says unix of a socket file, and pipe of standard input", function()
    local path = os.tmpname()
    os.remove(path)
    listening = app:listen { unix = path, quiet = true, tracing = { delay = 0.01,
      endpoint = ("http://127.0.0.1:%d"):format(collector.port) } }
    local client <close> = assert(mcp.connect(listening.urls[1]))
    assert(client:call_tool "ok")
    wait_for(2)
    local attributes = spans[#spans].attributes
    assert.same({ "unix", "http" }, { attributes["network.transport"],
      attributes["network.protocol.name"] })
    assert.is_nil(attributes["client.address"])
    local server = support.start(("{ stdio = true, tracing = { delay = 0.01, endpoint = %q } }")
      :format("http://127.0.0.1:" .. collector.port))
    spans = {}
    server:write(assert(core.encode { jsonrpc = "2.0", id = 1, method = "tools/list",
      params = { _meta = helper.envelope() } }) .. "\n")
    wait_for(1)
    assert.equal("pipe", spans[1].attributes["network.transport"])
    support.stop_all()
  end)

  it("names prompts and resources, but not what clients make up", function()
    local url = serve()
    post(url, "prompts/get", { name = "greet" })
    post(url, "resources/read", { uri = "notes://x" })
    post(url, "tools/call", { name = "made-up" })
    post(url, "made/up")
    post(url, "tools/list")
    wait_for(5)
    local names = {}
    for i, span in ipairs(spans) do names[i] = span.name end
    assert.same({ "prompts/get greet", "resources/read", "tools/call", "_OTHER", "tools/list" },
      names)
    assert.equal("greet", spans[1].attributes["gen_ai.prompt.name"])
    assert.is_nil(spans[1].attributes["gen_ai.operation.name"])
    assert.equal("notes://x", spans[2].attributes["mcp.resource.uri"])
    assert.equal("made/up", spans[4].attributes["mcp.method.name"])
  end)

  it("says how a request failed", function()
    local url = serve()
    app:tool "slow" { timeout = 0.05 } (function(_, ctx) ctx:sleep(60) end)
    helper.logged(function()
      post(url, "tools/call", { name = "fails" })
      post(url, "made/up")
      post(url, "resources/read", { uri = "other://x" })
      post(url, "tools/call", { name = "slow" })
      wait_for(4)
    end)
    local errors = {}
    for i, span in ipairs(spans) do
      assert.equal(2, span.status.code)
      assert.is_nil(span.status.message)
      errors[i] = ("%s %s"):format(span.attributes["error.type"],
        span.attributes["rpc.response.status_code"])
    end
    assert.same({ "tool_error nil", "-32601 -32601", "-32602 -32602", "timeout nil" }, errors)
  end)

  it("shows arguments, results and messages only if the option asks for it", function()
    local url = serve { content = true }
    post(url, "tools/call", { name = "ok", arguments = { text = "secret" } })
    post(url, "made/up")
    wait_for(2)
    assert.equal('{"text":"secret"}', spans[1].attributes["gen_ai.tool.call.arguments"])
    assert.matches('"text":"secret"', spans[1].attributes["gen_ai.tool.call.result"], 1, true)
    assert.equal("Method not found: made/up", spans[2].status.message)
  end)

  it("leaves out an attribute that is not UTF-8, and keeps the span", function()
    app:tool "part" (function(_, ctx)
      return ctx:span("inner", function()
        core.trace().span:set("x.bytes", "\xff")
        core.trace().span:set("x.text", "é")
        return ""
      end)
    end)
    post(serve(), "tools/call", { name = "part" })
    wait_for(2)
    assert.same({ ["x.text"] = "é" }, spans[1].attributes)
  end)

  it("cuts what clients make up", function()
    local recorder = require "mcp.otlp.recorder"
    local url = serve { content = true }
    post(url, "tools/call", { name = ("n"):rep(1000), arguments = { text = ("t"):rep(20000) } })
    post(url, "tools/call", { name = "ok", arguments = { text = ("t"):rep(20000) } })
    wait_for(2)
    assert.is_true(#spans[1].attributes["gen_ai.tool.name"] <= recorder.TEXT + 3)
    assert.is_true(#spans[1].attributes["gen_ai.tool.call.arguments"] <= recorder.CONTENT + 3)
    assert.is_true(#spans[2].attributes["gen_ai.tool.call.result"] <= recorder.CONTENT + 3)
  end)

  it("has spans of requests that a handler makes, and of its own parts", function()
    local other_app = mcp.server "other"
    other_app:tool "inner" (function(_, ctx) return ctx.meta.traceparent end)
    local inside
    app:tool "outer" (function(_, ctx)
      local client <close> = assert(mcp.connect(other_app))
      local here = ctx.trace.traceparent
      ctx:span("part", function()
        assert(ctx.trace.traceparent ~= here)
        inside = client:call_tool("inner").content[1].text
        client:call_tool "not there"
      end)
      assert(ctx.trace.traceparent == here)
      pcall(ctx.span, ctx, "broken", function() error "no" end)
      return ""
    end)
    post(serve(), "tools/call", { name = "outer" }, { traceparent = PARENT })
    wait_for(6)
    local by_name = {}
    for _, span in ipairs(spans) do
      assert.equal(ID, span.traceId)
      by_name[span.name] = span
    end
    local outer, part = by_name["tools/call outer"], by_name.part
    assert.same({ 2, SPAN }, { outer.kind, outer.parentSpanId })
    assert.same({ 1, outer.spanId }, { part.kind, part.parentSpanId })
    assert.same({ 1, "error", 2 }, { by_name.broken.kind,
      by_name.broken.attributes["error.type"], by_name.broken.status.code })
    local call = by_name["tools/call inner"]
    assert.same({ 3, part.spanId, "inner" }, { call.kind, call.parentSpanId,
      call.attributes["gen_ai.tool.name"] })
    assert.equal(("00-%s-%s-01"):format(ID, call.spanId), inside)
    local failed = by_name["tools/call not there"]
    assert.equal("-32602", failed.attributes["rpc.response.status_code"])
  end)

  it("follows the decision of the caller, and decides for traces that begin here", function()
    local got = {}
    app:tool "look" (function(_, ctx)
      got[#got + 1] = ctx.trace.traceparent
      return ""
    end)
    local url = serve { sample = 0 }
    post(url, "tools/call", { name = "look" }, { traceparent = PARENT })
    post(url, "tools/call", { name = "look" }, { traceparent = PARENT:gsub("01$", "00") })
    post(url, "tools/call", { name = "look" })
    wait_for(1)
    helper.settle()
    assert.equal(1, #spans)
    assert.are_not.equal(PARENT, got[1])
    assert.equal((PARENT:gsub("01$", "00")), got[2])
    assert.matches("%-00$", got[3])
  end)

  it("sees sessions, their streams and batches", function()
    local url = serve()
    local client <close> = assert(mcp.connect(url, { revision = "2025-11-25" }))
    assert(client:call_tool "ok")
    client:close()
    wait_for(2)
    assert.equal("initialize", spans[1].name)
    local call
    for _, span in ipairs(spans) do
      if span.name == "tools/call ok" then call = span end
    end
    assert.equal("2025-11-25", call.attributes["mcp.protocol.version"])
    assert.is_string(call.attributes["mcp.session.id"])
  end)

  it("has a span of each request of a batch", function()
    serve()
    local tracing = require "mcp.server.listen.tracing"
    assert.is_function(tracing.around)
    local peer <close> = helper.open(app, "2025-03-26")
    local batch = {}
    for i = 1, 2 do
      batch[i] = { jsonrpc = "2.0", id = "b" .. i, method = "tools/call",
        params = { name = "ok", _meta = { traceparent = i == 1 and PARENT or nil } } }
    end
    peer:send(assert(core.encode(batch)))
    assert(peer:receive())
    wait_for(2)
    assert.same({ "b1", "b2" }, { spans[1].attributes["jsonrpc.request.id"],
      spans[2].attributes["jsonrpc.request.id"] })
    assert.equal(ID, spans[1].traceId)
    assert.are_not.equal(ID, spans[2].traceId)
  end)

  it("is off with tracing = false, and costs no span", function()
    listening = app:listen { http = "127.0.0.1:0", quiet = true, tracing = false }
    assert.is_nil(listening.recorder)
  end)

  it("says what is wrong with the option at the line of the caller", function()
    local ok, text = pcall(app.listen, app, { http = 0, tracing = { endpoint = "x" } })
    assert.is_false(ok)
    assert.matches("tracing: endpoint: expected a URL", text)
    ok, text = pcall(app.listen, app, { http = 0, tracing = "http://c" })
    assert.is_false(ok)
    assert.matches('option "tracing": expected a boolean or table, got string', text)
  end)

  it("sends what is left when the process ends", function()
    local server = support.http("", { env = {
      ("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:%d"):format(collector.port),
      "OTEL_SERVICE_NAME=named" } })
    local resource
    local handler = collector.handler
    collector.handler = function(request, ...)
      resource = request.message.resourceSpans[1].resource
      return handler(request, ...)
    end
    post(("http://127.0.0.1:%d/mcp"):format(server.port), "tools/call",
      { name = "echo", arguments = { text = "x" } })
    server.process:kill "TERM"
    wait_for(1)
    assert.equal("tools/call echo", spans[1].name)
    assert.same({ key = "service.name", value = { stringValue = "named" } }, resource.attributes[1])
    support.stop_all()
  end)

  it("gives the log of JSON the ids of the request's trace", function()
    local server = support.http("tracing = false", { env = { "MCP_LOG_FORMAT=json" } })
    local address = ("http://127.0.0.1:%d/mcp"):format(server.port)
    post(address, "tools/call", { name = "fail", arguments = {} }, { traceparent = PARENT })
    server:wait_said(('"request":"r1","trace_id":"%s","span_id":"%s","tool":"fail"'):format(ID,
      SPAN))
    support.stop_all()
    server = support.http(("tracing = { endpoint = %q, delay = 0.01 }"):format(
      "http://127.0.0.1:" .. collector.port), { env = { "MCP_LOG_FORMAT=json" } })
    address = ("http://127.0.0.1:%d/mcp"):format(server.port)
    post(address, "tools/call", { name = "fail", arguments = {} })
    wait_for(1)
    server:wait_said(('"trace_id":"%s","span_id":"%s"'):format(spans[1].traceId, spans[1].spanId))
    support.stop_all()
  end)

  it("ends in time where no collector answers", function()
    local silent = raw_server.start(function() core.sleep(60) end)
    local server = support.http("", { env = {
      ("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:%d"):format(silent.port) } })
    post(("http://127.0.0.1:%d/mcp"):format(server.port), "tools/call",
      { name = "echo", arguments = { text = "x" } })
    local before = core.time()
    server.process:kill "TERM"
    assert.same({ "exit", 0 }, { server:wait_end() })
    assert.is_true(core.time() - before < 3 + support.LIMIT / 2)
    server:wait_said "spans are dropped %(1 so far%)"
    silent:close()
    support.stop_all()
  end)
end)
