-- SPDX-License-Identifier: MIT
-- A whole client against a whole server, both ours, over loopback in one process. Servers that
-- are wrong are in spec/mcp/client/transport/http_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local probe = require "mcp.client.probe"
local raw_server = require "spec.raw_server"

local LEGACY, MODERN = "2025-11-25", "2026-07-28"

local function new_app(name)
  local app = mcp.server { name = name or "own", version = "1.0.0" }
  app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
  app:tool "steps" { input = { count = "integer" } } (function(a, ctx)
    for i = 1, a.count do ctx:progress(i, a.count, "step " .. i) end
    return "done"
  end)
  app:tool "who" {} (function(_, ctx) return ctx:elicit("Who?", { name = "string" }).name end)
  app:tool "hang" {} (function(_, ctx)
    app.hung = true
    local _, _, code = ctx:sleep(60)
    app.woken = code
  end)
  app:tool "where" { input_schema = { type = "object", properties = {
    region = { type = "string", ["x-mcp-header"] = "Region" } } } } (function(a, ctx)
    return ("%s %s"):format(a.region, ctx.headers["mcp-param-region"])
  end)
  app:tool "fields" {} (function(_, ctx)
    return ("%s %s"):format(ctx.headers["x-team"], ctx.headers.authorization)
  end)
  app:resource "note://{name}" (function(vars) return "note " .. vars.name end)
  app:prompt "review" { arguments = { code = "string" } } (function(a) return "See " .. a.code end)
  return app
end

local function text_of(result) return assert(result).content[1].text end

-- Runs fn with a client in each era.
local function each_era(app, options, fn)
  local listening <close> = app:listen { http = 0, quiet = true }
  for _, revision in ipairs { LEGACY, MODERN } do
    options.revision = revision
    local client <close> = assert(mcp.connect(listening.urls[1], options))
    fn(client, revision, listening)
  end
end

describe("a client over HTTP", function()
  before_each(probe.forget)
  after_each(helper.leftovers)

  it("speaks every revision with every verb", function()
    local app = new_app()
    local listening <close> = app:listen { http = 0, quiet = true }
    for _, revision in ipairs(helper.revisions) do
      local client <close> = assert(mcp.connect(listening.urls[1], { revision = revision }))
      assert.equal(revision, client.revision)
      assert.equal("own", client.server.name)
      assert.equal("hello", text_of(client:call_tool("echo", { text = "hello" })))
      assert.equal(6, #assert(client:list_tools()))
      assert.equal("note x", assert(client:read_resource "note://x").contents[1].text)
      assert.equal("See y", assert(client:get_prompt("review", { code = "y" }))
        .messages[1].content.text)
    end
  end)

  it("chooses the newest era by itself (T-05)", function()
    local listening <close> = new_app():listen { http = 0, quiet = true }
    local client <close> = assert(mcp.connect(listening.urls[1]))
    assert.equal(MODERN, client.revision)
    assert.equal("modern", probe.verdict(listening.urls[1]))
  end)

  it("brings progress before the answer", function()
    each_era(new_app(), {}, function(client)
      local seen = {}
      assert.equal("done", text_of(client:call_tool("steps", { count = 3 }, {
        on_progress = function(done, total, text) seen[#seen + 1] = ("%d/%d %s"):format(done, total,
          text) end })))
      assert.same({ "1/3 step 1", "2/3 step 2", "3/3 step 3" }, seen)
    end)
  end)

  it("answers what the server asks, in either way", function()
    each_era(new_app(), { on_elicit = function() return { name = "Ada" } end }, function(client)
      assert.equal("Ada", text_of(client:call_tool("who", {})))
    end)
  end)

  it("cancels what is given up", function()
    each_era(new_app(), {}, function(client, revision)
      local app = new_app()
      local listening <close> = app:listen { http = 0, quiet = true }
      local own <close> = assert(mcp.connect(listening.urls[1], { revision = revision }))
      local stop, code = mcp.canceller(), nil
      core.spawn(function()
        code = select(3, own:call_tool("hang", {}, { cancel = stop }))
      end)
      helper.wait_until(function() return app.hung end)
      stop:cancel "enough"
      helper.wait_until(function() return app.woken end, "the handler's end")
      assert.same({ "ECANCELED", "ECANCELED" }, { code, app.woken })
      assert.equal("x", text_of(client:call_tool("echo", { text = "x" })))
    end)
  end)

  it("makes several calls at once (HL-35)", function()
    each_era(new_app(), {}, function(client)
      local texts = mcp.all {
        function() return text_of(client:call_tool("echo", { text = "a" })) end,
        function() return text_of(client:call_tool("steps", { count = 2 })) end,
        function() return text_of(client:call_tool("echo", { text = "b" })) end,
      }
      assert.same({ "a", "done", "b" }, texts)
    end)
  end)

  it("sends the fields that it was given, and a token", function()
    each_era(new_app(), { headers = { ["X-Team"] = "blue" }, auth = mcp.auth.bearer "t0ken" },
      function(client)
        assert.equal("blue Bearer t0ken", text_of(client:call_tool("fields", {})))
      end)
  end)

  describe("repeats annotated arguments in fields", function()
    it("although nobody has listed the tools (HM-47, HM-48)", function()
      each_era(new_app(), {}, function(client, revision)
        local field = revision == MODERN and "eu" or "nil"
        assert.equal("eu " .. field, text_of(client:call_tool("where", { region = "eu" })))
        assert(client:list_tools())
        assert.equal("eu " .. field, text_of(client:call_tool("where", { region = "eu" })))
      end)
    end)

    it("encoded where no field can carry them (HM-31)", function()
      local listening <close> = new_app():listen { http = 0, quiet = true }
      local client <close> = assert(mcp.connect(listening.urls[1]))
      assert(client:list_tools())
      assert.equal("  ü =?base64?ICDDvA==?=",
        text_of(client:call_tool("where", { region = "  ü" })))
    end)

    it("as the tool has them now, when it has changed (HM-47)", function()
      local calls = {}
      local name, refuses = "Old", false
      local server <close> = raw_server.start(function(request, c)
        local message = request.message
        local id = message.id
        local result
        if message.method == "server/discover" then
          result = { supportedVersions = { MODERN }, capabilities = { tools = {} } }
        elseif message.method == "tools/list" then
          result = { ttlMs = 60000, cacheScope = "private", tools = { { name = "t",
            inputSchema = { type = "object",
              properties = { a = { type = "string", ["x-mcp-header"] = name } } } } } }
        else
          calls[#calls + 1] = request.fields
          if refuses or not request.fields["mcp-param-" .. name:lower()] then
            return c:json(400, { jsonrpc = "2.0", id = id,
              error = { code = -32020, message = "Mcp-Param-New is missing" } })
          end
          result = { content = mcp.array(), resultType = "complete" }
        end
        c:json(200, { jsonrpc = "2.0", id = id, result = result })
      end)
      local client <close> = assert(mcp.connect(server.url))
      assert(client:list_tools())
      assert(client:call_tool("t", { a = "x" }))
      name = "New"
      assert(client:call_tool("t", { a = "x" }))
      assert.equal(3, #calls)
      assert.equal("x", calls[3]["mcp-param-new"])
      assert.is_nil(calls[3]["mcp-param-old"])
      -- Once: what is refused again is the caller's to know.
      refuses = true
      local none, text, code = client:call_tool("t", { a = "x" })
      assert.is_nil(none)
      assert.matches("is missing", text, 1, true)
      assert.equal(-32020, code)
      assert.equal(5, #calls)
    end)
  end)

  describe("whose server is started anew", function()
    it("goes on with the next call, in both eras (HL-55)", function()
      for _, revision in ipairs { LEGACY, MODERN } do
        local listening = new_app "first":listen { http = 0, quiet = true }
        local port = listening.port
        local client <close> = assert(mcp.connect(listening.urls[1], { revision = revision }))
        assert.equal("a", text_of(client:call_tool("echo", { text = "a" })))
        listening:close()
        local again <close> = new_app "second":listen { http = port, quiet = true }
        assert.equal("b", text_of(client:call_tool("echo", { text = "b" })))
        assert.equal("c", text_of(client:call_tool("echo", { text = "c" })))
        assert.is_true(again:is_open())
      end
    end)

    it("begins one session only, however many find out", function()
      local listening = new_app():listen { http = 0, quiet = true }
      local port = listening.port
      local client <close> = assert(mcp.connect(listening.urls[1], { revision = LEGACY }))
      listening:close()
      local app = new_app()
      local again <close> = app:listen { http = port, quiet = true } -- luacheck: ignore
      local calls = {}
      for i = 1, 5 do
        calls[i] = function() return text_of(client:call_tool("echo", { text = "n" .. i })) end
      end
      assert.same({ "n1", "n2", "n3", "n4", "n5" }, mcp.all(calls))
      assert.equal(1, app.sessions.count)
    end)

    it("hears of changes again", function()
      for _, revision in ipairs { LEGACY, MODERN } do
        local watch = require "mcp.client.watch"
        local http = require "mcp.client.transport.http"
        local kept = { watch.PAUSE, http.BACKOFF }
        watch.PAUSE, http.BACKOFF = 0.01, 0.01
        local listening = new_app():listen { http = 0, quiet = true }
        local port, told = listening.port, 0
        local client <close> = assert(mcp.connect(listening.urls[1], { revision = revision,
          on_change = function(what) if what == "tools" then told = told + 1 end end }))
        listening:close()
        local app = new_app()
        local again <close> = app:listen { http = port, quiet = true } -- luacheck: ignore
        assert.equal("x", text_of(client:call_tool("echo", { text = "x" })))
        local before = told
        local count = 0
        helper.wait_until(function()
          count = count + 1
          app:tool("extra" .. count) (function() end)
          return told > before
        end, "the change, in " .. revision)
        watch.PAUSE, http.BACKOFF = kept[1], kept[2]
      end
    end)

    it("is told who is not there while it is down", function()
      local listening = new_app():listen { http = 0, quiet = true }
      local client <close> = assert(mcp.connect(listening.urls[1], { revision = MODERN }))
      listening:close()
      local none, text, code = client:call_tool("echo", { text = "x" })
      assert.is_nil(none)
      assert.matches(listening.urls[1], text, 1, true)
      assert.equal("ECONNREFUSED", code)
    end)
  end)

  it("ends its session when it is closed (HL-56)", function()
    local app = new_app()
    local listening <close> = app:listen { http = 0, quiet = true }
    local client = assert(mcp.connect(listening.urls[1], { revision = LEGACY }))
    assert.equal(1, app.sessions.count)
    client:close()
    assert.equal(0, app.sessions.count)
  end)

  it("finds a server of 2024-11-05 behind the same address, and goes on there (T-10)", function()
    local stream
    local server <close> = raw_server.start(function(request, c)
      local message = request.message
      if request.method == "GET" then
        stream = c
        c:stream()
        c:event "event: endpoint\ndata: /messages"
        c:wait_end()
      elseif request.target ~= "/messages" then
        c:answer(405)
      else
        c:answer(202)
        if message.method == "initialize" then
          stream:event { jsonrpc = "2.0", id = message.id, result = {
            protocolVersion = "2024-11-05", capabilities = { tools = {} },
            serverInfo = { name = "old", version = "1" } } }
        elseif message.id then
          stream:event { jsonrpc = "2.0", id = message.id, result = { tools = { { name = "t",
            inputSchema = { type = "object" } } } } }
        end
      end
    end)
    for _ = 1, 2 do
      local client <close> = assert(mcp.connect(server.url))
      assert.equal("2024-11-05", client.revision)
      assert.equal("t", assert(client:list_tools())[1].name)
    end
    assert.equal("sse", probe.verdict(server.url))
    local asked = {}
    for i, request in ipairs(server.requests) do
      asked[i] = request.method .. " " .. (request.message and request.message.method or "stream")
    end
    -- The second time nothing had to be tried.
    assert.equal("POST server/discover, POST initialize, GET stream, POST initialize, "
      .. "POST notifications/initialized, POST tools/list, GET stream, POST initialize, "
      .. "POST notifications/initialized, POST tools/list", table.concat(asked, ", "))
  end)

  it("is no HTML reader", function()
    local server <close> = raw_server.start(function(_, c)
      c:answer(200, { ["Content-Type"] = "text/html" }, "<p>hello</p>")
    end)
    local none, text = mcp.connect(server.url)
    assert.is_nil(none)
    assert.matches("got text/html", text, 1, true)
  end)

  it("goes by a socket file", function()
    local path = os.tmpname()
    os.remove(path)
    local listening <close> = new_app():listen { unix = path, quiet = true } -- luacheck: ignore
    for _, revision in ipairs { LEGACY, MODERN } do
      local client <close> = assert(mcp.connect("unix:" .. path, { revision = revision }))
      assert.equal("x", text_of(client:call_tool("echo", { text = "x" })))
      assert.matches("unix", tostring(client), 1, true)
    end
    local none, text, code = mcp.connect("unix:" .. path .. ".not")
    assert.is_nil(none)
    assert.matches(path .. ".not", text, 1, true)
    assert.equal("ENOENT", code)
  end)

  it("goes by TLS, and says what is wrong with whose certificate", function()
    local certificate = require "codecs.certificate"
    local ca = certificate.make { name = "Spec CA", ca = true }
    local own = certificate.make { issuer = ca, names = "DNS:localhost", serial = 2 }
    local listening <close> = new_app():listen { http = 0, quiet = true,
      tls = { cert = own.cert, key = own.key } }
    local url = ("https://localhost:%d/mcp"):format(listening.port)
    for _, revision in ipairs { LEGACY, MODERN } do
      local client <close> = assert(mcp.connect(url, { revision = revision,
        tls = { ca = ca.cert } }))
      assert.equal("x", text_of(client:call_tool("echo", { text = "x" })))
    end
    local none, text, code = mcp.connect(url)
    assert.is_nil(none)
    assert.matches(url, text, 1, true)
    assert.matches("^ETLS", code)
    none, text, code = mcp.connect(("https://127.0.0.1:%d/mcp"):format(listening.port),
      { tls = { ca = ca.cert } })
    assert.is_nil(none)
    assert.matches("127.0.0.1", text, 1, true)
    assert.matches("^ETLS", code)
    assert.matches('tls: unknown option "cax"',
      select(2, pcall(mcp.connect, url, { tls = { cax = "x" } })))
    assert.matches("expected an https address", select(2, pcall(mcp.connect,
      "http://127.0.0.1:1/mcp", { tls = {} })), 1, true)
  end)

  it("gives its own transports to mcp.session", function()
    local listening <close> = new_app():listen { http = 0, quiet = true }
    local client <close> = mcp.session(mcp.streamable_http_client(listening.urls[1], {
      headers = { ["X-Team"] = "red" } }))
    assert(client:initialize())
    assert.equal("red nil", text_of(client:call_tool("fields", {})))
  end)
end)
