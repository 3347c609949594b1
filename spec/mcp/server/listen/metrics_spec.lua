-- SPDX-License-Identifier: MIT
-- Figures about limits that were reached, figures as values, and the dashboard that shows them.
-- What is counted of requests is in probe_spec.lua.
local core = require "mcp.core"
local failure = require "mcp.failure"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local mcp = require "mcp"
local metrics = require "mcp.server.listen.metrics"

describe("the figures of a server", function()
  local app, listening, counts

  local function listen(options)
    options = options or {}
    options.http, options.quiet, options.metrics = "127.0.0.1:0", true, true
    listening = app:listen(options)
  end

  before_each(function()
    counts = failure.busy_counts
    failure.busy_counts = {}
    app = mcp.server { name = "figures", version = "1" }
  end)
  after_each(function()
    failure.busy_counts = counts
    if listening then listening:close() end
    listening = nil
    helper.leftovers()
  end)

  -- The value of a sample, or nil.
  local function value_of(name, labels)
    for _, family in ipairs(metrics.values(app)) do
      for _, each in ipairs(family.samples) do
        if each.name == name and each.labels == (labels or "") then return each.value end
      end
    end
    return nil
  end

  it("are values for programs, which give the same text", function()
    assert.is_nil(metrics.values(app))
    listen()
    local text = fetch.get((listening.urls[1]:gsub("/mcp$", "/metrics"))).body
    local function names(of)
      local out = {}
      for name, kind in of:gmatch "# TYPE ([%w_]+) (%a+)" do
        out[#out + 1] = name .. " " .. kind
      end
      return out
    end
    local values = metrics.values(app)
    assert.same(names(text), names(metrics.text(values)))
    for _, family in ipairs(values) do
      assert.is_true(#family.help > 0)
      for _, each in ipairs(family.samples) do
        assert.equal("number", type(each.value))
        assert.equal(1, (each.name:find(family.name, 1, true)))
      end
    end
    assert.equal(0, value_of("luamcp_busy_total", 'limit="requests"'))
    assert.is_nil(value_of "luamcp_spans_sent_total")
  end)

  it("count what a limit refuses", function()
    app:use(mcp.middleware.limit { concurrent = 1 })
    local release = core.waiter()
    app:tool "wait" (function()
      release:wait()
      return ""
    end)
    listen()
    local first, second = helper.open(app, "2026-07-28"), helper.open(app, "2026-07-28")
    first:send { jsonrpc = "2.0", id = 7, method = "tools/call",
      params = { name = "wait", _meta = helper.envelope() } }
    helper.settle()
    for i = 1, 2 do
      assert.equal(-32000, second:modern("tools/list").error.code)
      assert.equal(i, value_of("luamcp_busy_total", 'limit="concurrent"'))
    end
    release:wake()
    assert.is_nil(first:response(7).error)
    first:close()
    second:close()
  end)

  it("count events and notifications that are lost", function()
    listen()
    local store = app.event_store
    store.max_events = 2
    for i = 1, 5 do store:append("s", "t", "e" .. i, "text") end
    assert.equal(3, value_of "luamcp_events_dropped_total")
    store:drop "s"
    assert.equal(3, value_of "luamcp_events_dropped_total")
    assert.equal(0, value_of "luamcp_notifications_lost_total")
  end)

  it("say how long sessions lasted that have ended, by transport and version", function()
    listen()
    local name = "mcp_server_session_duration_seconds"
    local function labels(transport, version, le)
      return ('transport="%s",version="%s"%s'):format(transport, version,
        le and (',le="%s"'):format(le) or "")
    end
    local first, second = helper.open(app, "2025-11-25"), helper.open(app, "2025-06-18")
    assert.is_nil(value_of(name .. "_count", labels("memory", "2025-11-25")))
    first:close()
    helper.wait_until(function()
      return value_of(name .. "_count", labels("memory", "2025-11-25")) == 1
    end, "the end of the session")
    assert.is_nil(value_of(name .. "_count", labels("memory", "2025-06-18")))
    second:close()
    local client = assert(mcp.connect(listening.urls[1], { era = "legacy" }))
    client:close()
    helper.wait_until(function()
      return value_of(name .. "_count", labels("http", "2025-11-25")) == 1
    end, "the end of the session")
    assert.equal(1, value_of(name .. "_bucket", labels("http", "2025-11-25", "+Inf")))
    assert.is_true(value_of(name .. "_sum", labels("http", "2025-11-25")) < helper.LIMIT)
    local text = fetch.get((listening.urls[1]:gsub("/mcp$", "/metrics"))).body
    assert.matches("# TYPE " .. name .. " histogram", text, 1, true)
    assert.matches(name .. '_count{transport="memory",version="2025-06-18"} 1', text, 1, true)
  end)

  it("measure an idle session until its last message", function()
    listen()
    local opened = fetch.post(listening.urls[1], { headers = {
      Accept = "application/json, text/event-stream" }, json = { jsonrpc = "2.0", id = 1,
      method = "initialize", params = { protocolVersion = "2025-11-25", capabilities = {},
        clientInfo = { name = "spec", version = "1" } } } })
    assert.equal(200, opened.status)
    local id, session = next(app.sessions.by_id)
    session.last_used = session.last_used + 7
    app.sessions:remove(id)
    assert.is_true(math.abs(7 - value_of("mcp_server_session_duration_seconds_sum",
      'transport="http",version="2025-11-25"')) < 1)
  end)

  it("count spans where there are any", function()
    listen { tracing = { endpoint = "http://127.0.0.1:1" } }
    helper.logged(function() app.recorder.exporter:add(("x"):rep(1 << 20)) end)
    assert.same({ 0, 1 }, { value_of "luamcp_spans_sent_total",
      value_of "luamcp_spans_dropped_total" })
  end)

  it("are what the dashboard asks for, and nothing else", function()
    listen { tracing = { endpoint = "http://127.0.0.1:1" } }
    local known = {}
    for _, family in ipairs(metrics.values(app)) do
      if family.kind == "histogram" then
        for _, part in ipairs { "_bucket", "_sum", "_count" } do
          known[family.name .. part] = true
        end
      else
        known[family.name] = true
      end
    end
    local file <close> = assert(io.open "docs/grafana-dashboard.json")
    local board = assert(core.decode(file:read "a"))
    local queries, ids = 0, {}
    local function check(query)
      queries = queries + 1
      local found = 0
      for name in query:gmatch "%f[%a_][%a_:][%w_:]*" do
        if name:find "^luamcp_" or name:find "^mcp_" or name:find "^process_" then
          found = found + 1
          assert.is_true(known[name], name .. " is no figure of ours: " .. query)
        end
      end
      assert.is_true(found > 0, query)
    end
    for _, panel in ipairs(board.panels) do
      assert.is_nil(ids[panel.id])
      ids[panel.id] = true
      for _, target in ipairs(panel.targets or {}) do check(target.expr) end
    end
    for _, variable in ipairs(board.templating.list) do
      if variable.type == "query" then check(variable.query.query) end
    end
    assert.is_true(queries > 20)
  end)
end)
