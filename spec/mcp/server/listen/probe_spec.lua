-- SPDX-License-Identifier: MIT
-- What watches a server: health, readiness, draining, and metrics.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local metrics = require "mcp.server.listen.metrics"
local support = require "spec.support"

local quote = helper.quote

describe("probes", function()
  local app, listening, base

  local function listen(options)
    options.http, options.quiet = options.http or "127.0.0.1:0", true
    listening = app:listen(options)
    base = listening.urls[1]:gsub("/mcp$", "")
  end

  before_each(function() app = mcp.server { name = "probed", version = "1.2.3" } end)

  after_each(function()
    if listening then listening:close() end
    listening = nil
    helper.leftovers()
  end)

  local function get(path, host)
    -- The server as a proxy: the request goes to it with another Host.
    local response = assert(host and mcp.fetch("http://" .. host .. path, { proxy = base })
      or not host and mcp.fetch(base .. path))
    return response.status, response.body, response
  end

  local function said(path, host)
    local status, body = get(path, host)
    return status .. " " .. body
  end

  it("are there only if they are asked for", function()
    listen {}
    for _, path in ipairs { "/healthz", "/readyz", "/metrics" } do
      assert.equal(404, (get(path)))
    end
  end)

  it("health and ready answer whatever Host says, metrics do not", function()
    listen { health = true, ready = true, metrics = true }
    assert.equal("200 ok", said("/healthz", "10.1.2.3:8000"))
    assert.equal("200 ready", said("/readyz", "10.1.2.3:8000"))
    assert.equal(421, (get("/metrics", "10.1.2.3:8000")))
    assert.equal(200, (get "/metrics"))
  end)

  it("have other paths, and readiness a function", function()
    local ready, reason = false, "the database is away"
    listen { health = "/live", metrics = "/figures", ready = function() return ready, reason end }
    assert.equal(200, (get "/live"))
    assert.equal(404, (get "/healthz"))
    assert.equal(200, (get "/figures"))
    assert.equal("503 the database is away", said "/readyz")
    ready = true
    assert.equal(200, (get "/readyz"))
    app.draining = true
    assert.equal("503 draining", said "/readyz")
    assert.equal(200, (get "/live"))
  end)

  it("need no token", function()
    app = mcp.server { name = "probed", auth = {
      authorization_servers = { "https://issuer.example" },
      verify = function() end } }
    listen { health = true, ready = true, metrics = true }
    for _, path in ipairs { "/healthz", "/readyz", "/metrics" } do
      assert.equal(200, (get(path)))
    end
  end)

  it("stay when the app listens again", function()
    listen { health = true, ready = true, metrics = true }
    listening:close()
    listen { health = true, ready = true, metrics = true }
    assert.equal(200, (get "/healthz"))
    assert.equal(200, (get "/metrics"))
  end)

  it("take the function of the last listener, and count each request once", function()
    listen { ready = function() return nil, "first" end, metrics = true }
    listening:close()
    listen { ready = function() return nil, "second" end, metrics = true }
    local status, text = get "/readyz"
    assert.same({ 503, "second" }, { status, text })
    app:tool "t" (function() return "t" end)
    local client <close> = assert(mcp.connect(listening.urls[1]))
    assert(client:call_tool "t")
    local _, body = get "/metrics"
    local count = body:match 'luamcp_requests_total{method="tools/call",name="t"[^\n]* (%d+)\n'
    assert.equal("1", count)
  end)

  it("refuses one path for two of them", function()
    local ok, message = pcall(app.listen, app,
      { http = "127.0.0.1:0", health = "/up", ready = "/up" })
    assert.is_false(ok)
    assert.truthy(message:find('ready: "/up" is the path of health', 1, true), message)
  end)

  it("say what is wrong with their options", function()
    local function refused(text, options)
      local ok, message = pcall(app.listen, app, options)
      assert.is_false(ok, text)
      assert.truthy(message:find(text, 1, true), message)
    end
    refused('health: expected true or a path such as "/healthz", got "live"',
      { http = "127.0.0.1:0", health = "live" })
    refused("metrics: needs http, unix, sse or websocket", { stdio = true, metrics = true })
    refused("drain: expected 0 to 3600 seconds, got -1", { http = "127.0.0.1:0", drain = -1 })
  end)

  describe("metrics", function()
    -- The samples of a page, and what its format says of families.
    local function read()
      local status, body, response = get "/metrics"
      assert.equal(200, status)
      assert.equal(metrics.TYPE, response.headers["content-type"])
      assert.equal("\n", body:sub(-1))
      local samples, kinds, family = {}, {}, nil
      for line in body:gmatch "([^\n]*)\n" do
        local name, kind = line:match "^# TYPE ([%w_:]+) (%a+)$"
        if name then
          assert.is_nil(kinds[name], name .. " comes twice")
          kinds[name], family = kind, name
        elseif not line:find "^# HELP [%w_:]+ " then
          local sample, labels, value = line:match '^([%w_:]+)(%b{}) (%S+)$'
          if not sample then sample, value = line:match "^([%w_:]+) (%S+)$" end
          assert.truthy(sample, line)
          assert.equal(family, (kinds[sample] and sample) or sample:gsub("_%a+$", ""), line)
          assert.truthy(value == "+Inf" or tonumber(value), line)
          assert.is_nil(samples[sample .. (labels or "")], line)
          samples[sample .. (labels or "")] = tonumber(value) or math.huge
        end
      end
      return samples, kinds
    end

    it("count requests by method, name, era and outcome", function()
      app:tool "add" { input = { a = "number" } } (function(args) return args.a end)
      app:tool "fail" (function() return nil, "no" end)
      app:prompt "p" (function() return "p" end)
      listen { metrics = true }
      local old <close> = assert(mcp.connect(listening.urls[1], { era = "legacy" }))
      local new <close> = assert(mcp.connect(listening.urls[1], { era = "modern" }))
      for _ = 1, 3 do old:call_tool("add", { a = 1 }) end
      new:call_tool("add", { a = "x" })
      new:call_tool "fail"
      for i = 1, 20 do new:call_tool("made up " .. i) end
      new:get_prompt "p"
      local samples, kinds = read()
      local function total(method, name, era, outcome)
        return samples[('luamcp_requests_total{method="%s",name="%s",era="%s",outcome="%s"}')
          :format(method, name, era, outcome)]
      end
      assert.equal(3, total("tools/call", "add", "session", "ok"))
      assert.equal(1, total("tools/call", "add", "stateless", "failed"))
      assert.equal(1, total("tools/call", "fail", "stateless", "failed"))
      assert.equal(20, total("tools/call", "_OTHER", "stateless", "error"))
      assert.equal(1, total("prompts/get", "p", "stateless", "ok"))
      local name = "mcp_server_operation_duration_seconds"
      local labels = '{method="tools/call",name="add"'
      assert.equal(4, samples[name .. "_count" .. labels .. "}"])
      assert.equal(4, samples[name .. "_bucket" .. labels .. ',le="+Inf"}'])
      local before = 0
      for _, bound in ipairs(metrics.BUCKETS) do
        local value = samples[name .. "_bucket" .. labels .. (',le="%.15g"}'):format(bound)]
        assert.is_true(value >= before and value <= 4)
        before = value
      end
      assert.is_true(samples[name .. "_sum" .. labels .. "}"] > 0)
      assert.equal("histogram", kinds[name])
      assert.equal(1, samples.luamcp_sessions)
      assert.equal(1, samples['luamcp_build_info{version="' .. core.version
        .. '",server="probed",server_version="1.2.3"}'])
    end)

    it("escape names", function()
      app = mcp.server { name = 'a "b"\\\n', version = "1" }
      listen { metrics = true }
      local samples = read()
      assert.equal(1, samples['luamcp_build_info{version="' .. core.version
        .. [[",server="a \"b\"\\\n",server_version="1"}]]])
    end)

    it("show how late the loop is", function()
      listen { metrics = true }
      read()
      core.sleep(2 * metrics.PROBE)
      local from = os.clock()
      repeat until os.clock() - from > 0.3
      core.sleep(metrics.PROBE)
      local samples = read()
      assert.is_true(samples.luamcp_loop_delay_max_seconds > 0.02)
      listening:close()
      listening = nil
      helper.wait_until(function() return core.task_count() == 0 end, "the end of the look")
    end)
  end)
end)

describe("luamcp run --drain", function()
  after_each(helper.remove_files)

  it("goes on after the signal, is not ready meanwhile, and ends", function()
    local script = helper.file([[
      local app = require "mcp".server "drained"
      app:tool "t" (function() return "t" end)
      app:run()
    ]], ".lua")
    mcp.run(function()
      local process <close> = assert(mcp.process.start { helper.program(), "run", script, "--http",
        "127.0.0.1:0", "--health", "--ready", "--drain", "1", stderr = "merge" })
      local base = assert(process:line()):match "answers at (http://.*)/mcp$"
      local function status(path)
        local response, _, code = mcp.fetch(base .. path)
        return response and response.status or code
      end
      assert.equal(200, status "/readyz")
      assert(process:kill "TERM")
      local deadline = core.now() + support.LIMIT
      while status "/readyz" == 200 and core.now() < deadline do mcp.sleep(0.01) end
      assert.equal(503, status "/readyz")
      assert.equal(200, status "/healthz")
      assert.equal(0, assert(process:wait(support.LIMIT)).code)
      assert.equal("ECONNREFUSED", status "/healthz")
    end)
  end)

  it("refuses what is no time", function()
    local out, status = helper.shell(quote(helper.program()) .. " run --drain soon x.lua 2>&1")
    assert.equal(1, status)
    assert.equal("luamcp: --drain: expected 0 to 3600 seconds, got soon\n", out)
  end)
end)
