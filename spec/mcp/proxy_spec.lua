-- SPDX-License-Identifier: MIT
-- Proxies: which one the environment names for an address, and requests through one: plain http,
-- TLS and WebSocket by CONNECT, with credentials, refused, silent.
local core = require "mcp.core"
local helper = require "spec.helper"
local jwks = require "mcp.auth.jwks"
local mcp = require "mcp"
local proxy = require "mcp.proxy"
local proxy_server = require "spec.proxy_server"
local raw = require "codecs.raw"
local raw_server = require "spec.raw_server"
local system = require "codecs.system"
local url = require "mcp.url"

local function failed(code, words, answer, text, given)
  assert.is_nil(answer)
  assert.equal(code, given, text)
  assert.is_truthy(text:find(words, 1, true), text)
  assert.is_nil(text:find("secret", 1, true), text)
end

-- The proxy that an environment names for an address: its URL, "-" for none.
local function named(address, env)
  local found, text, code = proxy.find(assert(url.parse(address)), nil,
    function(name) return env[name] end)
  if code then return text end
  return found and found.text or "-"
end

describe("the environment's proxy", function()
  it("is chosen by scheme, and lower case counts", function()
    local env = { http_proxy = "http://a:1", HTTPS_PROXY = "http://b:2" }
    assert.equal("http://a:1", named("http://x.example/", env))
    assert.equal("http://a:1", named("ws://x.example/", env))
    assert.equal("http://b:2", named("https://x.example/", env))
    assert.equal("http://b:2", named("wss://x.example/", env))
    assert.equal("-", named("unix:/run/x", env))
    assert.equal("-", named("http://x.example/", { https_proxy = "http://b:2" }))
    assert.equal("http://c:3", named("http://x.example/", { all_proxy = "c:3" }))
    assert.equal("http://c:3", named("https://x.example/", { ALL_PROXY = "c:3" }))
    assert.equal("http://a:1", named("http://x.example/",
      { http_proxy = "http://a:1", HTTP_PROXY = "http://b:2", all_proxy = "http://c:3" }))
    -- Set to nothing: directly.
    assert.equal("-", named("http://x.example/",
      { http_proxy = "", HTTP_PROXY = "http://b:2", all_proxy = "http://c:3" }))
    assert.equal("http://a", named("http://x.example/", { http_proxy = " http://a/ " }))
  end)

  it("is not a header field of a request under CGI", function()
    local env = { HTTP_PROXY = "http://evil:1", REQUEST_METHOD = "GET" }
    assert.equal("-", named("http://x.example/", env))
    env.http_proxy = "http://a:1"
    assert.equal("http://a:1", named("http://x.example/", env))
    env.REQUEST_METHOD = nil
    env.http_proxy = nil
    assert.equal("http://evil:1", named("http://x.example/", env))
  end)

  it("is not asked for this machine", function()
    for _, host in ipairs { "127.0.0.1", "127.1.2.3", "[::1]", "localhost", "a.localhost" } do
      assert.equal("-", named("http://" .. host .. "/", { http_proxy = "http://a:1" }))
    end
  end)

  it("is not asked for what no_proxy lists", function()
    local function direct(host, list, upper)
      return named("http://" .. host .. "/", { http_proxy = "http://a:1", no_proxy = list,
        NO_PROXY = upper }) == "-"
    end
    for _, list in ipairs { "*", "x.example", ".x.example", "*.x.example", "X.Example.",
      "example", "y,x.example", "y x.example", "x.example:80", "a, x.example ,b" } do
      assert.is_true(direct("x.example", list), list)
      assert.is_true(direct("x.example.", list), list)
    end
    for _, list in ipairs { "", "x", "ple", ".ple", "xx.example", "a.x.example", "x.example:81",
      "x.example.com", "10.0.0.0/8" } do
      assert.is_false(direct("x.example", list), list)
    end
    assert.is_true(direct("www.x.example", "x.example"))
    assert.is_true(direct("x.example:8080", "x.example:8080"))
    assert.is_false(direct("x.example:8080", "x.example:80"))
    for _, list in ipairs { "10.1.2.3", "10.0.0.0/8", "10.1.2.3/32", "10.1.0.0/15", "0.0.0.0/0" } do
      assert.is_true(direct("10.1.2.3", list), list)
    end
    for _, list in ipairs { "10.1.2", "2.3", "10.1.2.4", "11.0.0.0/8", "10.1.2.2/32",
      "10.0.0.0/99", "::/0" } do
      assert.is_false(direct("10.1.2.3", list), list)
    end
    for _, list in ipairs { "2001:db8::1", "[2001:db8::1]", "[2001:DB8:0::1]:80",
      "2001:db8::/32" } do
      assert.is_true(direct("[2001:db8::1]", list), list)
    end
    assert.is_false(direct("[2001:db9::1]", "2001:db8::/32"))
    -- Lower case counts.
    assert.is_false(direct("x.example", "y", "x.example"))
    assert.is_true(direct("x.example", nil, "x.example"))
  end)

  it("is named if it cannot be used, without its credentials", function()
    for text, words in pairs {
      ["socks5://u:secret@h:1"] = "expected a proxy of http, such as http://host:3128, got socks5",
      ["https://u:secret@h:1"] = "got https", ["http://u:secret@h h:1"] = "cannot stand in a host",
      ["http://h:1/path"] = "expected no path", ["http://h:99999"] = "the port",
      ["http://u%0asecret:x@h:1"] = "a control character in the credentials" } do
      local said = named("http://x.example/", { http_proxy = text })
      assert.is_truthy(said:find("http_proxy: ", 1, true), said)
      assert.is_truthy(said:find(words, 1, true), said)
      assert.is_nil(said:find("secret", 1, true), said)
      assert.is_truthy(proxy.error_in(text):find(words, 1, true))
    end
    assert.is_nil(proxy.error_in(false))
    assert.is_nil(proxy.error_in "http://u:p@h:1")
    assert.equal("proxy: expected a URL or false, got true", proxy.error_in(true))
  end)

  it("gets its credentials decoded", function()
    local at = url.parse "http://x.example/"
    local function of(text) return proxy.find(at, text).authorization end
    assert.equal("Basic dXNlcjpwQHNz", of "http://user:p%40ss@h:1") -- user:p@ss
    assert.equal("Basic dXNlcjo=", of "user@h") -- user:
    assert.equal("Basic dTpwQHE=", of "http://u:p@q@h") -- u:p@q
    assert.is_nil(of "http://h")
  end)
end)

describe("through a proxy", function()
  local servers, getenv = {}, os.getenv

  after_each(function()
    os.getenv = getenv -- luacheck: ignore
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  local function started(server)
    servers[#servers + 1] = server
    return server
  end

  local function origin(handler)
    return started(raw_server.start(handler or function(request)
      return 200, { ["X-Target"] = request.target }, request.method .. request.body
    end))
  end

  local function environment(env)
    os.getenv = function(name) return env[name] end -- luacheck: ignore
  end

  it("plain requests go with the whole URL, on one connection", function()
    local server, through = origin(), started(proxy_server.start())
    environment { http_proxy = through.address }
    local address = ("http://server.example:%d/a?b=c"):format(server.port)
    local response = assert(mcp.fetch(address, { json = { 1 } }))
    assert.equal("POST[1]", response.body)
    assert.equal("/a?b=c", response.headers["x-target"])
    assert.equal(address, response.url)
    assert.same({ "POST " .. address }, through.seen)
    assert.equal(("server.example:%d"):format(server.port), through.requests[1].fields.host)
    -- The option says otherwise.
    failed("EAI_NONAME", "cannot resolve the name", mcp.fetch("http://server.invalid/",
      { proxy = false }))
    assert.equal(1, #through.seen)
  end)

  it("TLS goes by CONNECT, and certificates are checked for the server's name", function()
    local certificate = require("codecs.certificate").make { names = "DNS:server.example" }
    local app = mcp.server "secure"
    app:tool "who" (function() return "me" end)
    local listening <close> = app:listen { http = { port = 0 }, quiet = true,
      tls = { cert = certificate.cert, key = certificate.key },
      security = { allowed_hosts = { "server.example" } } }
    local through = started(proxy_server.start { authorization = "Basic dTpzZWNyZXQ=" })
    environment { https_proxy = ("http://u:secret@127.0.0.1:%d"):format(through.port) }
    local port = listening.urls[1]:match ":(%d+)"
    local address = ("https://server.example:%d/mcp"):format(port)
    local tls = { ca = certificate.cert }
    local response = assert(mcp.fetch(address, { tls = tls, method = "DELETE" }))
    assert.is_true(response.status >= 400, response.status)
    assert.same({ "CONNECT server.example:" .. port }, through.seen)
    assert.is_nil(through.requests[1].fields["content-length"])
    failed("ETLSHOST", "through the proxy http://127.0.0.1:" .. through.port,
      mcp.fetch(("https://other.example:%d/"):format(port), { tls = tls }))
    -- A client of MCP as well.
    local client <close> = assert(mcp.connect(address, { tls = tls }))
    assert.equal("me", assert(client:call_tool "who").content[1].text)
    client:close()
    environment {}
    local explicit <close> = assert(mcp.connect(address, { tls = tls,
      proxy = ("http://u:secret@127.0.0.1:%d"):format(through.port) }))
    assert.equal("me", assert(explicit:call_tool "who").content[1].text)
    explicit:close()
    local refused, text, code = mcp.connect(address, { tls = tls, proxy = through.address })
    failed("EPROXY", "407: it requires credentials", refused, text, code)
  end)

  it("WebSocket goes by CONNECT", function()
    local app = mcp.server "socket"
    app:tool "who" (function() return "me" end)
    local listening <close> = app:listen { http = { port = 0 }, quiet = true,
      security = { allowed_hosts = { "server.example" } } }
    local through = started(proxy_server.start())
    environment { HTTP_PROXY = through.address }
    local port = listening.urls[1]:match ":(%d+)"
    local address = ("ws://server.example:%d/mcp"):format(port)
    local client <close> = assert(mcp.connect(address))
    assert.equal("me", assert(client:call_tool "who").content[1].text)
    assert.same({ "CONNECT server.example:" .. port }, through.seen)
    client:close()
    local refusing = started(proxy_server.start { refuse = 403 })
    local refused, text, code = mcp.connect(address, { proxy = refusing.address })
    failed("EPROXY", "Forbidden, through the proxy " .. refusing.address, refused, text, code)
  end)

  it("HTTP and HTTP+SSE of a client go as well", function()
    local app = mcp.server "plain"
    app:tool "who" (function() return "me" end)
    local through = started(proxy_server.start())
    environment { http_proxy = through.address }
    local listening <close> = app:listen { http = { port = 0 }, sse = 0, quiet = true,
      security = { allowed_hosts = { "server.example" } } }
    local port = listening.urls[1]:match ":(%d+)"
    local client <close> = assert(mcp.connect(("http://server.example:%s/mcp"):format(port)))
    assert.equal("me", assert(client:call_tool "who").content[1].text)
    client:close()
    assert.matches("^POST http://server.example:", through.seen[1])
    local events = listening.urls[2]:gsub("127%.0%.0%.1", "server.example")
    local session <close> = mcp.session(mcp.sse_client(events))
    assert(session:initialize())
    assert.equal("me", assert(session:call_tool "who").content[1].text)
    session:close()
  end)

  it("keys, introspection and tokens go as well", function()
    local through = started(proxy_server.start { refuse = 403 })
    local option = { proxy = through.address }
    local text
    helper.logged(function()
      text = select(2, jwks.new { url = "https://keys.example/jwks", proxy = option.proxy }
        :find { kid = "a" })
    end)
    assert.is_string(text)
    assert.same({ "CONNECT keys.example:443" }, through.seen)
    local verify = mcp.auth.introspection { url = "https://as.example/introspect",
      client_id = "a", client_secret = "b", audience = false, proxy = option.proxy }
    helper.logged(function() assert.is_nil((verify("token", {}))) end)
    assert.equal("CONNECT as.example:443", through.seen[2])
    -- This machine is reached directly.
    helper.logged(function()
      local _, reason = jwks.new { url = "http://127.0.0.1:1/jwks", proxy = option.proxy }
        :find { kid = "a" }
      assert.is_string(reason)
    end)
    assert.equal(2, #through.seen)
    for _, make in ipairs {
      function() mcp.auth.introspection { url = "https://h/", token = "x", proxy = true } end,
      function()
        mcp.auth.jwt { issuer = "https://h", jwks = "https://h/", proxy = "socks5://h" }
      end,
    } do
      local ok, said = pcall(make)
      assert.is_false(ok)
      assert.is_truthy(said:find("proxy: expected", 1, true), said)
    end
  end)

  it("documents of authorization go as well, by option only", function()
    local through = started(proxy_server.start { refuse = 403 })
    local server = origin(function(request)
      if request.target == "/mcp" then
        return 401, { ["WWW-Authenticate"] = "Bearer resource_metadata="
          .. '"https://as.example/.well-known/oauth-protected-resource"' }
      end
      return 404
    end)
    environment { http_proxy = through.address, https_proxy = through.address }
    local function authorize(given)
      through.seen = {}
      local client, text = mcp.connect(("http://server.example:%d/mcp"):format(server.port), {
        auth = mcp.auth.client_credentials { client_id = "a", client_secret = "b",
          proxy = given } })
      assert.is_nil(client)
      local tunnels = {}
      for _, line in ipairs(through.seen) do
        if line:find "^CONNECT" then tunnels[#tunnels + 1] = line end
      end
      return text, tunnels
    end
    local text, tunnels = authorize()
    assert.same({}, tunnels)
    assert.is_truthy(text:find("the option proxy", 1, true), text)
    text, tunnels = authorize(through.address)
    assert.equal("CONNECT as.example:443", tunnels[1], text)
  end)

  it("what the proxy does wrong is named", function()
    local address = "https://server.example/"
    local function through(options)
      local server = started(proxy_server.start(options))
      return mcp.fetch(address, { proxy = server.address, timeout = 0.2 })
    end
    failed("EPROXY", "https://server.example/: the proxy refused the connection (Forbidden), "
      .. "through the proxy http://127.0.0.1:", through { refuse = 403 })
    failed("EPROXY", "Bad Gateway", through { refuse = 502 })
    failed("EPROXY", "407: it requires credentials", through { authorization = "Basic x" })
    failed("EPROXY", "data of its own after its answer", through { extra = "hello" })
    failed("ETIMEDOUT", "through the proxy", through { silent = true })
    failed("ECONNREFUSED", "cannot connect to the proxy", mcp.fetch(address,
      { proxy = "http://u:secret@127.0.0.1:1" }))
    local junk = origin(function(_, connection)
      connection:send "SSH-2.0-x\r\n"
      connection:close()
    end)
    failed("EPROXY", "not HTTP/1.1", mcp.fetch(address,
      { proxy = ("http://127.0.0.1:%d"):format(junk.port) }))
    local gone = origin(function(_, connection) connection:close() end)
    failed("EGONE", "before it answered", mcp.fetch(address,
      { proxy = ("http://127.0.0.1:%d"):format(gone.port) }))
    -- Of a plain request the proxy's answer is the response.
    local strict = started(proxy_server.start { authorization = "Basic x" })
    local response = assert(mcp.fetch("http://server.example/", { proxy = strict.address }))
    assert.equal(407, response.status)
  end)

  it("credentials go to the proxy only", function()
    local server = origin()
    local through = started(proxy_server.start { authorization = "Basic dTpw" })
    local option = ("http://u:p@127.0.0.1:%d"):format(through.port)
    assert(mcp.fetch(("http://server.example:%d/"):format(server.port), { proxy = option }))
    assert.equal("Basic dTpw", through.requests[1].fields["proxy-authorization"])
    assert.is_nil(server.requests[1].fields["proxy-authorization"])
  end)

  it('only = "public" is refused unless an option names the proxy', function()
    local server, through = origin(), started(proxy_server.start())
    environment { http_proxy = through.address, https_proxy = through.address }
    local address = ("http://server.example:%d/"):format(server.port)
    failed("ENOTPUBLIC", 'only = "public" cannot be checked through ' .. through.address,
      mcp.fetch(address, { only = "public" }))
    assert.same({}, through.seen)
    local options = { only = "public", proxy = through.address }
    assert(mcp.fetch(address, options))
    -- What can be seen is checked all the same.
    for _, host in ipairs { "127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "localhost",
      "169.254.169.254" } do
      failed("ENOTPUBLIC", "the address is not public",
        mcp.fetch("http://" .. host .. "/", options))
    end
    assert.equal(1, #through.seen)
    local ok, text = pcall(mcp.fetch, address, { only = "loopback", proxy = through.address })
    assert.is_false(ok)
    assert.is_truthy(text:find('cannot be combined with only = "loopback"', 1, true), text)
  end)

  it("tinyproxy does what it should", function()
    local found = os.execute "command -v tinyproxy >/dev/null"
    if not found then return pending "tinyproxy is not installed: scripts/deps" end
    local port = raw.listen(0)
    local free = port:port()
    port:close()
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write(("Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 10\nAllow 127.0.0.1\n"
      .. "BasicAuth u secret\n"):format(free))
    file:close()
    local process <close> = system.spawn { "tinyproxy", "-d", "-c", name }
    helper.wait_until(function()
      local there = raw.connect(free)
      if there then there:close() end
      -- Nothing of the loop says when it listens.
      return there or not core.sleep(0.005)
    end)
    local through = ("http://u:secret@127.0.0.1:%d"):format(free)
    local server = origin()
    local plain = ("http://127.0.0.1:%d/a"):format(server.port)
    assert.equal("GET", assert(mcp.fetch(plain, { proxy = through })).body)
    assert.is_truthy(server.requests[1].fields.via:find("tinyproxy", 1, true))
    local bare = ("http://127.0.0.1:%d"):format(free)
    assert.equal(407, assert(mcp.fetch(plain, { proxy = bare })).status)
    local app = mcp.server "app"
    app:tool "who" (function() return "me" end)
    local certificate = require("codecs.certificate").make { names = "IP:127.0.0.1" }
    local listening <close> = app:listen { http = { port = 0 }, quiet = true,
      tls = { cert = certificate.cert, key = certificate.key } }
    local options = { proxy = through, tls = { ca = certificate.cert } }
    local client <close> = assert(mcp.connect(listening.urls[1], options))
    assert.equal("me", assert(client:call_tool "who").content[1].text)
    client:close()
    local socket <close> = assert(mcp.connect(listening.urls[1]:gsub("^https", "wss"), options))
    assert.equal("websocket", socket.transport.name)
    assert.equal("me", assert(socket:call_tool "who").content[1].text)
    socket:close()
    options.proxy = bare
    local refused, text, code = mcp.connect(listening.urls[1], options)
    failed("EPROXY", "407", refused, text, code)
    -- It would wait for its connections.
    process:kill "KILL"
    os.remove(name)
  end)

  it("a cancelled call leaves no connection", function()
    local through = started(proxy_server.start { silent = true })
    for _ = 1, 20 do
      local waiter, code = core.waiter(), nil
      local seen = #through.seen
      waiter:spawn(function()
        code = select(3, mcp.fetch("https://server.example/", { proxy = through.address }))
      end)
      helper.wait_until(function() return #through.seen > seen end)
      waiter:cancel()
      assert.equal("ECANCELED", code)
    end
    helper.wait_until(function() return next(through.connections) == nil end)
  end)

  it("what is wrong with the option is raised where it was given", function()
    for _, call in ipairs {
      function() mcp.fetch("http://h/", { proxy = "socks5://h" }) end,
      function() mcp.connect("http://h/", { proxy = "socks5://h" }) end,
      function() mcp.connect("ws://h/", { proxy = "socks5://h" }) end,
      function() mcp.auth.client_credentials { client_id = "a", client_secret = "b",
        proxy = "socks5://h" } end,
    } do
      local ok, text = pcall(call)
      assert.is_false(ok)
      assert.is_truthy(text:find("expected a proxy of http", 1, true), text)
      assert.is_truthy(text:find("proxy_spec.lua", 1, true), text)
    end
    environment { http_proxy = "socks5://h" }
    failed("EINVAL", "http_proxy: expected a proxy of http", mcp.fetch "http://server.example/")
    failed("EINVAL", "http_proxy: expected a proxy of http", mcp.connect "http://server.example/")
    failed("EINVAL", "http_proxy: expected a proxy of http", mcp.connect "ws://server.example/")
  end)
end)
