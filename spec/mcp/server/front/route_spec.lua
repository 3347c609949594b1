-- SPDX-License-Identifier: MIT
-- Paths of a program's own beside the MCP endpoint, over sockets.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

describe("app:route", function()
  local app, listening, base

  local function listen(options)
    listening = app:listen(options or { http = "127.0.0.1:0", quiet = true })
    base = listening.urls[1]:gsub("/mcp$", "")
  end

  before_each(function() app = mcp.server "routes" end)

  after_each(function()
    if listening then listening:close() end
    listening = nil
    helper.leftovers()
  end)

  local function get(path, options) return assert(mcp.fetch(base .. path, options)) end

  it("answers with text, JSON, a status, a type and header fields", function()
    app:route("/text", function() return "plain" end)
    app:route("/json", function() return { a = { 1, 2 } } end)
    app:route("/typed", { type = "text/html" }, function() return "<p>" end)
    app:route("/made", function()
      return "made", { status = 201, type = "text/x", headers = { ["X-Made"] = "yes" } }
    end)
    app:route("/empty", function() return "", { status = 204 } end)
    app:route("/none", function() return nil end)
    listen()
    for path, expected in pairs {
      ["/text"] = { 200, "plain", "text/plain; charset=utf-8" },
      ["/json"] = { 200, '{"a":[1,2]}', "application/json" },
      ["/typed"] = { 200, "<p>", "text/html" },
      ["/made"] = { 201, "made", "text/x" },
      ["/empty"] = { 204, "" }, ["/none"] = { 404, "" },
    } do
      local response = get(path)
      assert.same(expected, { response.status, response.body, response.headers["content-type"] })
      assert.equal("nosniff", response.headers["x-content-type-options"])
    end
    assert.equal("yes", get "/made".headers["x-made"])
    assert.equal(404, get "/other".status)
    assert.equal(404, get "/text/more".status)
  end)

  it("gets the method, the query, the fields and the body, without the token", function()
    local seen
    app:route("/all", function(request)
      seen = request
      return "x"
    end)
    listen()
    local body = ("b\0y"):rep(30000)
    get("/all?a=1&b=x%20y+z&a=2&flag", { method = "POST", body = body,
      headers = { ["X-One"] = "1", Authorization = "Bearer secret" } })
    assert.equal("POST", seen.method)
    assert.equal("/all", seen.path)
    assert.equal("a=1&b=x%20y+z&a=2&flag", seen.query)
    assert.same({ a = "2", b = "x y z", flag = "" }, seen.params)
    assert.equal("1", seen.headers["x-one"])
    assert.is_nil(seen.headers.authorization)
    assert.is_true(body == seen.body)
    get("/all", { method = "POST", body = "small" })
    assert.equal("small", seen.body)
    local response = get("/all", { method = "HEAD" })
    assert.same({ "HEAD", "", "1" },
      { seen.method, response.body, response.headers["content-length"] })
  end)

  it("is on one connection with other requests, however many", function()
    app:route("/n", function(request) return request.body end)
    app:tool "t" (function() return "t" end)
    listen()
    local client <close> = assert(mcp.connect(listening.urls[1]))
    for i = 1, 30 do
      local body = ("x"):rep(i * 100)
      assert.equal(body, get("/n", { method = "POST", body = body }).body)
      assert.equal("t", assert(client:call_tool "t").content[1].text)
    end
  end)

  it("refuses other methods, bodies that are too long, foreign hosts and origins", function()
    app:route("/a", function() return "x" end)
    listen { http = "127.0.0.1:0", quiet = true, limits = { body = 1000 } }
    local response = get("/a", { method = "DELETE" })
    assert.equal(405, response.status)
    assert.equal("GET, HEAD, POST, OPTIONS", response.headers.allow)
    assert.equal(204, get("/a", { method = "OPTIONS" }).status)
    assert.equal(413, get("/a", { method = "POST", body = ("x"):rep(1001) }).status)
    assert.equal(403, get("/a", { headers = { Origin = "https://evil.example" } }).status)
    -- As a proxy it gets the Host of another server.
    assert.equal(421, assert(mcp.fetch("http://evil.example/a", { proxy = base })).status)
  end)

  it("answers 500 for what fails, and says it in the log alone", function()
    app:route("/raise", function() error "a secret" end)
    app:route("/number", function() return 7 end)
    app:route("/status", function() return "x", { status = 99 } end)
    app:route("/how", function() return "x", "y" end)
    app:route("/known", function() return "x", { stauts = 200 } end)
    app:route("/cycle", function()
      local t = {}
      t.t = t
      return t
    end)
    listen()
    local log = helper.logged(function()
      for _, path in ipairs { "/raise", "/number", "/status", "/how", "/known", "/cycle" } do
        local response = get(path)
        assert.same({ 500, "internal error\n" }, { response.status, response.body }, path)
      end
    end)
    for _, text in ipairs { "route /raise: ", "a secret", "/number: expected a string or a table",
      "/status: status: expected 200 to 599, got 99", "/how: expected a table of options",
      'did you mean "status"?' } do
      assert.truthy(log:find(text, 1, true), text .. "\n" .. log)
    end
  end)

  it("sends no body with a status that has none, so that the next response is read", function()
    local server = support.http("quiet = false", { script = [[
      local mcp = require "mcp"
      local app = mcp.server "bare"
      for _, status in ipairs { 204, 205, 304 } do
        app:route("/" .. status, function()
          return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", { status = status }
        end)
      end
      app:route("/next", function() return "next" end)
      app:run { http = { port = 0 } }
    ]] })
    for _, status in ipairs { 204, 205, 304 } do
      local client <close> = support.client(server)
      client:send(support.request("GET", {}, nil, "/" .. status)
        .. support.request("GET", { Connection = "close" }, nil, "/next"))
      assert.equal(status, client:head().status)
      assert.equal(200, client:head().status)
      assert.equal("next", (client:rest()))
    end
    support.stop_all()
  end)

  it("sets no field that says how the response is sent, and none after a mistake", function()
    for name, headers in pairs {
      length = { ["X-One"] = "1", ["Content-Length"] = "5" },
      coding = { ["transfer-encoding"] = "chunked" }, connection = { Connection = "close" },
      type = { ["Content-Type"] = "text/html" }, list = { "X-One: 1" },
      name = { ["X-One"] = "1", ["X Two"] = "2" }, line = { ["X-One"] = "1\r\nX-Two: 2" },
      value = { ["X-One"] = true },
    } do
      app:route("/" .. name, function() return "x", { headers = headers } end)
    end
    app:route("/media", function() return "x", { type = "a/b\r\nX-One: 1" } end)
    listen()
    local log = helper.logged(function()
      for _, name in ipairs { "length", "coding", "connection", "type", "list", "name", "line",
        "value", "media" } do
        local response = get("/" .. name)
        assert.equal(500, response.status, name)
        assert.equal("text/plain; charset=utf-8", response.headers["content-type"], name)
        assert.is_nil(response.headers["x-one"], name)
      end
    end)
    for _, text in ipairs { "/length: headers: Content-Length is the length of the body",
      "/coding: headers: transfer-encoding belongs to the connection",
      "/type: headers: Content-Type is an option of its own: type",
      "/list: headers: expected the names of fields, got 1",
      '/name: headers: expected the names of fields, got "X Two"',
      "/line: headers: X-One: expected text without control characters",
      "/value: headers: X-One: expected text without control characters, got boolean",
      "/media: type: expected a media type" } do
      assert.truthy(log:find(text, 1, true), text .. "\n" .. log)
    end
  end)

  it("waits as handlers do, and ends after its time or when its client leaves", function()
    local ended
    app:route("/slow", { timeout = 0.02 }, function()
      local ok, _, code = mcp.sleep(60)
      ended = { ok, code }
      return "late"
    end)
    app:route("/left", function()
      ended = { mcp.sleep(60) }
      return "late"
    end)
    listen()
    helper.logged(function() assert.equal(504, get "/slow".status) end)
    assert.same({ nil, "ETIMEDOUT" }, { ended[1], ended[2] })
    ended = nil
    assert.is_nil((mcp.fetch(base .. "/left", { timeout = 0.05 })))
    helper.wait_until(function() return ended end, "the end of the handler")
  end)

  it("needs a token only where it says so", function()
    app = mcp.server { name = "routes", auth = {
      authorization_servers = { "https://issuer.example" },
      verify = function(token)
        if token == "good" then return { subject = "ann", scopes = {} } end
      end } }
    app:route("/open", function(request) return tostring(request.auth) end)
    app:route("/closed", { auth = true }, function(request) return request.auth.subject end)
    listen()
    assert.equal("nil", get "/open".body)
    local response = get "/closed"
    assert.equal(401, response.status)
    assert.matches("^Bearer ", response.headers["www-authenticate"])
    assert.equal(401, get("/closed", { headers = { Authorization = "Bearer bad" } }).status)
    assert.equal("ann", get("/closed", { headers = { Authorization = "Bearer good" } }).body)
    assert.equal("ann", get("/closed", { method = "POST", body = ("x"):rep(100000),
      headers = { Authorization = "Bearer good" } }).body)
  end)

  it("says what is wrong where it is declared", function()
    local function refused(text, ...)
      local given = table.pack(...)
      local ok, message = pcall(function() app:route(table.unpack(given, 1, given.n)) end)
      assert.is_false(ok, text)
      assert.matches("route_spec.lua:%d+: app:route: ", message)
      assert.truthy(message:find(text, 1, true), message)
    end
    local function fn() end
    refused('expected a path such as "/status", got "status"', "status", fn)
    refused('expected a path such as "/status", got "/a b"', "/a b", fn)
    refused('expected a path such as "/status", got nil', nil, fn)
    refused("expected a function, got string", "/a", {}, "x")
    refused('unknown option "tpye", did you mean "type"?', "/a", { tpye = "x" }, fn)
    refused("auth: this server has no authorization", "/a", { auth = true }, fn)
    refused("timeout: expected seconds, 0 or more, got -1", "/a", { timeout = -1 }, fn)
    refused("type: expected a media type", "/a", { type = "a/b\r\nX: y" }, fn)
    app:route("/a", fn)
    refused('"/a" is a route already', "/a", fn)
    app:route("/mcp", fn)
    local ok, message = pcall(app.listen, app, { http = "127.0.0.1:0", quiet = true })
    assert.is_false(ok)
    assert.truthy(message:find('"/mcp" is taken: MCP is served there', 1, true), message)
    assert.equal(0, core.task_count())
  end)
end)
