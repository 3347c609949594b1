-- SPDX-License-Identifier: MIT
local address_of = require("mcp.server.listen.address").read
local core = require "mcp.core"
local helper = require "spec.helper"
local listen = require "mcp.server.listen"
local mcp = require "mcp"

describe("listen", function()
  after_each(helper.leftovers)

  local function address(given)
    local a = address_of(given)
    return ("%s %d %s"):format(a.host, a.port, a.path)
  end

  it("reads addresses", function()
    local cases = {
      [8000] = "127.0.0.1 8000 /mcp", ["8000"] = "127.0.0.1 8000 /mcp",
      ["0"] = "127.0.0.1 0 /mcp", [0] = "127.0.0.1 0 /mcp", [true] = "127.0.0.1 8000 /mcp",
      ["127.0.0.1:9"] = "127.0.0.1 9 /mcp", ["localhost:9"] = "localhost 9 /mcp",
      ["[::1]:8000"] = "::1 8000 /mcp", ["[::]:80/x"] = ":: 80 /x",
      [":8000"] = "127.0.0.1 8000 /mcp",
      ["*:8000"] = "0.0.0.0 8000 /mcp", ["localhost:8000/mcp"] = "localhost 8000 /mcp",
      ["8000/a/b"] = "127.0.0.1 8000 /a/b", ["http://h:80/"] = "h 80 /mcp",
      ["http://h:80/p"] = "h 80 /p", ["h:65535"] = "h 65535 /mcp", ["h:080"] = "h 80 /mcp",
    }
    for given, expected in pairs(cases) do
      assert.equal(expected, address(given), tostring(given))
    end
    assert.equal("h 1 /p", address { host = "h", port = 1, path = "/p" })
    assert.equal("127.0.0.1 8000 /mcp", address {})
  end)

  it("says what is wrong with one", function()
    local wanted = "expected an address such as"
    local cases = { { "x", wanted }, { "", wanted }, { "h:", wanted },
      { "h:x", wanted }, { "a b:80", wanted }, { "::1:80", wanted },
      { "h:-1", wanted }, { "h:65536", "port: expected at most 65535" },
      { 70000, "port: expected at most 65535" },
      { -1, wanted }, { 1.5, "got number" }, { print, "got function" }, { false, "got" },
      { "99999999999999999999", "port: expected at most 65535" },
      { { prot = 1 }, 'did you mean "port"?' },
      { { port = "1" }, 'option "port": expected a number' },
      { { host = 1 }, 'option "host": expected a string' }, { { port = 65536 }, "65535" },
      { { port = -1 }, "port" }, { { port = 1.5 }, "port" }, { { path = "mcp" }, "path" } }
    for _, case in ipairs(cases) do
      local ok, err = pcall(address_of, case[1])
      assert.is_false(ok, tostring(case[1]))
      assert.matches(case[2], err, 1, true)
      assert.matches("^http", err)
    end
  end)

  local function refused(options)
    local ok, err = pcall(listen.open, mcp.server "spec", options)
    assert.is_false(ok)
    return err
  end

  it("refuses options it does not know, naming the nearest", function()
    assert.matches('unknown option "htpp", did you mean "http"?', refused { htpp = 1 }, 1, true)
    assert.matches('security: unknown option "allowed_host"',
      refused { http = 0, security = { allowed_host = {} } }, 1, true)
    assert.matches('"allowed_hosts": expected a table',
      refused { http = 0, security = { allowed_hosts = "x" } }, 1, true)
    assert.matches("allowed_origins[2]: expected a string, got number",
      refused { http = 0, security = { allowed_origins = { "x", 5 } } }, 1, true)
    assert.matches('limits: unknown option "bodyy", did you mean "body"?',
      refused { http = 0, limits = { bodyy = 1 } }, 1, true)
    assert.matches("limits: body: expected a number, 0 or more",
      refused { http = 0, limits = { body = -1 } }, 1, true)
    assert.matches('limits: option "body"',
      refused { http = 0, limits = { body = "1" } }, 1, true)
  end)

  it("says what is wrong with where and how to listen", function()
    local cases = {
      { { stdio = 1 }, 'option "stdio": expected a boolean, got number' },
      { { quiet = "yes", http = 0 }, 'option "quiet": expected a boolean' },
      { {}, "nothing to listen on" }, { { sse = true }, "nothing to listen on" },
      { { websocket = false, quiet = true }, "nothing to listen on" },
      { { sse = "x" }, 'sse: expected an address such as "127.0.0.1:8000" or "8000", got "x"' },
      { { websocket = { prot = 1 } }, 'websocket: unknown option "prot", did you mean "port"?' },
      { { http = { path = "/a b" } }, "expected the characters of a path" },
      { { http = { path = "/a?b" } }, "expected the characters of a path" },
      { { unix = 5 }, 'unix: expected a path such as "/run/mcp.sock", got number' },
      { { unix = "" }, "unix: path: expected the path of a socket file" },
      { { unix = {} }, "unix: path: expected the path" },
      { { unix = "unix:" }, "unix: path: expected the path" },
      { { unix = { pth = "/x" } }, 'unix: unknown option "pth", did you mean "path"?' },
      { { unix = { path = "/x", mode = "600" } }, 'unix: option "mode": expected a number' },
      { { unix = { path = "/x", mode = 1.5 } }, "unix: mode: expected the bits of a file mode" },
      { { unix = { path = "/x", mode = 01000 } }, "unix: mode: expected the bits of a file mode" },
      { { tls = true, http = 0 }, "tls: expected a table of options, got boolean" },
      { { tls = {}, http = 0 }, "tls: cert: expected the path of a file" },
      { { tls = { cert = "c", key = "" }, http = 0 }, "tls: key: expected the path of a file" },
      { { tls = { certt = "c" }, http = 0 }, 'tls: unknown option "certt", did you mean' },
      { { tls = { cert = 5 }, http = 0 }, 'tls: option "cert": expected a string' },
      { { tls = { cert = "c" }, stdio = true }, "tls: needs http, sse or websocket" },
      { { tls = { cert = "c" }, unix = "/x" }, "tls: needs http, sse or websocket" },
      { { tls = { cert = "/no/such/file.pem" }, http = 0 }, "tls: " },
      { { http = 0, limits = { connections = 1.5 } },
        "limits: connections: expected an integer" },
      { { http = 0, limits = { body = 1 << 40 } }, "limits: body: expected an integer below" },
      { { http = 0, limits = { pong = 5 } },
        'limits: unknown option "pong", did you mean "ping"?' },
    }
    for _, case in ipairs(cases) do
      assert.matches(case[2], refused(case[1]), 1, true)
    end
  end)

  it("an origin or a host that could never match is refused", function()
    for _, origin in ipairs { "*", "https://app.example/", "app.example", "https://*.example",
      "https://", "http://localhost:**" } do
      assert.matches("security: allowed_origins[1]: expected an origin",
        refused { http = 0, security = { allowed_origins = { origin } } }, 1, true)
    end
    for _, host in ipairs { "*", "https://mcp.example", "mcp.example/x", "a b" } do
      assert.matches("security: allowed_hosts[1]: expected a host",
        refused { http = 0, security = { allowed_hosts = { host } } }, 1, true)
    end
    for _, origin in ipairs { "null", "vscode-webview://abc", "http://[::1]:80",
      "http://localhost:*" } do
      local listening <close> = mcp.server "spec":listen { http = 0,
        security = { allowed_origins = { origin } } }
      assert.is_true(listening:is_open())
    end
  end)

  it("security and limits of the wrong type are refused in words", function()
    assert.matches('option "security": expected a table, got boolean',
      refused { http = 0, security = true }, 1, true)
    assert.matches('option "limits": expected a table, got number',
      refused { http = 0, limits = 5 }, 1, true)
  end)

  it("listens, says where, and closes", function()
    local app = mcp.server "spec"
    local listening <close> = app:listen { http = 0 }
    assert.is_true(listening.port > 0)
    assert.same({ ("http://127.0.0.1:%d/mcp"):format(listening.port) }, listening.urls)
    assert.equal(("mcp.listening (%s)"):format(listening.urls[1]), tostring(listening))
    assert.is_true(listening:is_open())
    assert.is_false(listening:is_gone())
    listening:close()
    assert.is_false(listening:is_open())
    helper.wait_until(function() return listening:is_gone() end, "the listener to be gone")
    listening:close()
    assert.is_nil(next(app.listening))
  end)

  for grace, left in pairs { [false] = 0, [0] = 0, [5] = 1 } do
    it(("closed with a grace of %s it leaves %d sessions"):format(grace or "nil", left), function()
      local app = mcp.server "spec"
      local listening <close> = app:listen { http = 0 }
      local other <close> = app:listen { http = 0 }
      assert(app.sessions:add(require("mcp.server.session").new({}, {})))
      -- Another listener may serve the session.
      other:close()
      assert.equal(1, app.sessions.count)
      listening:close(grace or nil)
      assert.equal(left, app.sessions.count)
      app.sessions:clear()
    end)
  end

  it("a port that is taken is an error that says what to do", function()
    local app = mcp.server "spec"
    local listening <close> = app:listen { http = 0 }
    local ok, err = pcall(function() app:listen { http = listening.port } end)
    assert.is_false(ok)
    assert.matches(("init_spec.lua:%%d+: cannot listen on 127.0.0.1 port %d: ")
      :format(listening.port), err)
    assert.matches("choose another", err, 1, true)
  end)

  it("one app can listen at several places", function()
    local app = mcp.server "spec"
    local one <close> = app:listen { http = 0 }
    local two <close> = app:listen { http = { path = "/other", port = 0 } }
    assert.not_equal(one.port, two.port)
    assert.matches("/other$", two.urls[1])
  end)

  it("listens in several ways at once, and says of each where", function()
    local app = mcp.server "spec"
    local path = os.tmpname()
    os.remove(path)
    local listening <close> = app:listen { http = { port = 0, path = "/p" }, sse = 0,
      websocket = { port = 0 }, unix = path }
    local urls = listening.urls
    assert.equal(4, #urls)
    assert.equal(("http://127.0.0.1:%d/p"):format(listening.port), urls[1])
    assert.matches("^http://127%.0%.0%.1:%d+/mcp$", urls[2])
    assert.matches("^ws://127%.0%.0%.1:%d+/mcp$", urls[3])
    assert.equal("unix:" .. path, urls[4])
    assert.is_not_nil(io.popen("ls -l " .. path):read "a":match "^srw%-%-%-%-%-%-%-")
    listening:close()
    helper.wait_until(function() return listening:is_gone() end, "the listeners to be gone")
    assert.is_nil(io.open(path))
  end)

  it("all of it or nothing: what was opened before a failure is closed", function()
    local app = mcp.server "spec"
    local held <close> = app:listen { http = 0 }
    local ok, err = pcall(function()
      app:listen { http = 0, sse = 0, websocket = { port = held.port } }
    end)
    assert.is_false(ok)
    assert.matches("choose another with websocket = PORT or --websocket PORT", err, 1, true)
    local count = 0
    for _ in pairs(app.listening) do count = count + 1 end
    assert.equal(1, count)
    assert.matches("cannot listen on /no/such/folder/x", refused { unix = "/no/such/folder/x" })
  end)

  it("ends subscriptions with a result when the last listener is closed", function()
    local app, ended = mcp.server "spec", 0
    local first = app:listen { http = 0, quiet = true }
    local second = app:listen { http = 0, quiet = true }
    local close = app.bus.close
    function app.bus.close(bus)
      ended = ended + 1
      close(bus)
    end
    second:close()
    assert.equal(0, ended)
    first:close()
    assert.equal(1, ended)
    while not (first:is_gone() and second:is_gone()) do core.step() end
  end)

  describe("on an address for all", function()
    -- What the log is told of a start.
    local function told(options, app)
      return helper.logged(function()
        local listening <close> = (app or mcp.server "spec"):listen(options)
        assert.is_true(listening:is_open())
      end)
    end

    local everywhere = { host = "0.0.0.0", port = 0 }

    it("says loudly what is open, and only that", function()
      local log = told { http = everywhere }
      assert.matches("^warning: http://0%.0%.0%.0:%d+/mcp is open to the network: ", log)
      for _, part in ipairs { "any client that reaches it can call everything",
        "nothing is encrypted",
        "any Host is answered" } do
        assert.matches(part, log, 1, true)
      end
      log = told { http = everywhere, security = { allowed_hosts = { "mcp.example" } } }
      assert.is_nil(log:find("any Host", 1, true))
      log = told { http = everywhere, security = { dns_rebinding_protection = true } }
      assert.is_nil(log:find("any Host", 1, true))
      log = told { http = everywhere, security = { dns_rebinding_protection = false } }
      assert.matches("neither Host nor Origin is checked", log, 1, true)
      log = told { sse = everywhere, websocket = everywhere }
      assert.equal(2, select(2, log:gsub("is open to the network", "")))
    end)

    it("is silent on loopback, on a socket file, and when told to be", function()
      assert.equal("", told { http = 0 })
      assert.equal("", told { http = { host = "::1", port = 0 } })
      assert.equal("", told { http = everywhere, quiet = true })
      local path = os.tmpname()
      os.remove(path)
      assert.equal("", told { unix = path })
    end)
  end)

  describe("with TLS", function()
    local certificate = require "codecs.certificate"
    local cert, key

    local function write(path, text)
      local file <close> = assert(io.open(path, "w"))
      file:write(text)
    end

    local function make(serial)
      local made = certificate.make { names = "DNS:localhost,IP:127.0.0.1", serial = serial }
      write(cert, made.cert)
      write(key, made.key)
    end

    before_each(function()
      cert, key = os.tmpname(), os.tmpname()
      make(5)
    end)
    after_each(function()
      os.remove(cert)
      os.remove(key)
    end)

    it("is https and wss; its files can be read again", function()
      local app = mcp.server "spec"
      local listening <close> = app:listen { http = 0, websocket = 0,
        tls = { cert = cert, key = key } }
      assert.matches("^https://127", listening.urls[1])
      assert.matches("^wss://127", listening.urls[2])
      assert.is_true(app:reload_tls())
      make(6)
      assert.is_true(listening:reload_tls())
      write(cert, "no certificate")
      local ok, why = app:reload_tls()
      assert.is_nil(ok)
      assert.is_string(why)
      -- What was there goes on.
      assert.is_true(listening:is_open())
    end)

    it("where there is none, nothing is read", function()
      local app = mcp.server "spec"
      local ok, why = app:reload_tls()
      assert.is_nil(ok)
      assert.equal("this server has no TLS", why)
      local listening <close> = app:listen { http = 0 }
      assert.is_nil(app:reload_tls())
      assert.is_nil(listening:reload_tls())
    end)

    it("a context made before is as good as its options", function()
      local context = assert(require("mcp.tls").server { cert = cert, key = key })
      local listening <close> = mcp.server "spec":listen { http = 0, tls = context }
      assert.matches("^https://", listening.urls[1])
    end)
  end)

  it("a listener that fails leaves nothing open", function()
    local app = mcp.server "spec"
    assert.is_false(pcall(function()
      app:listen { http = { host = "no host of that name can exist", port = 0 } }
    end))
    assert.is_nil(next(app.listening))
  end)

  it("serves other apps at paths of their own", function()
    local one, two = mcp.server "one", mcp.server "two"
    two:tool "t" (function() return "two" end)
    do
      local listening <close> = one:listen { http = 0, paths = { ["/two/mcp"] = two } }
      local url = listening.urls[1]:gsub("/mcp$", "")
      for _, era in ipairs { "legacy", "modern" } do
        local first <close> = assert(mcp.connect(url .. "/mcp", { era = era }))
        local second <close> = assert(mcp.connect(url .. "/two/mcp/", { era = era }))
        assert.same({ "one", "two" }, { first.server.name, second.server.name })
        assert.equal("two", second:call_tool("t").content[1].text)
      end
      local session = assert(mcp.connect(url .. "/two/mcp", { era = "legacy" }))
      assert.same({ 0, 1 }, { one.sessions.count, two.sessions.count })
      assert.is_nil((mcp.connect(url:gsub("^http", "ws") .. "/two/mcp")))
      assert.is_nil((mcp.connect(url .. "/three/mcp")))
      listening:close()
      assert.equal(0, two.sessions.count)
      session:close()
    end
    for text, paths in pairs {
      ['paths: expected a path such as "/weather/mcp", got "x"'] = { x = two },
      ['paths: "/x": expected an app, got number'] = { ["/x"] = 1 },
      ['paths: "/mcp" is the path of this app itself'] = { ["/mcp"] = two },
    } do
      local ok, message = pcall(function() one:listen { http = 0, paths = paths } end)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
    assert.is_false(pcall(function() one:listen { stdio = true, paths = { ["/x"] = two } } end))
    -- The second listener fails, when the first is open.
    assert.is_false(pcall(function()
      one:listen { http = 0, paths = { ["/two/mcp"] = two },
        websocket = { host = "no host of that name can exist", port = 0 } }
    end))
    assert.same({}, { next(one.listening), next(two.listening) })
    mcp.sleep(0.01)
  end)
end)
