-- SPDX-License-Identifier: MIT
-- The inspect page as a listener serves it: src/transport/http_guard.c,
-- lua/mcp/server/inspect/init.lua. What it does in a browser is tried by `make browser`.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local openssl = require "mcp.openssl"
local support = require "spec.support"

local server, plain

local function ask(method, target, fields, to, body)
  local client <close> = support.client(to or server)
  return client:ask(support.request(method, fields, body, target))
end

-- The origins of the proxy, as the page has them.
local function proxies(body) return (body:match '<meta name="mcp%-proxy" content="([^"]+)">') end

describe("the inspect page", function()
  setup(function()
    server = support.http [[inspect = true, app = { instructions = "x" },
      security = { allowed_origins = { "https://app.example" } }]]
    plain = support.http ""
  end)
  teardown(support.stop_all)
  after_each(function() assert.is_true(support.alive(server)) end)

  it("is at /, says what it is and keeps to itself", function()
    local answer = ask("GET", "/")
    assert.equal(200, answer.status)
    assert.equal("text/html; charset=utf-8", answer.fields["content-type"])
    assert.equal("nosniff", answer.fields["x-content-type-options"])
    assert.equal("no-referrer", answer.fields["referrer-policy"])
    assert.equal("no-store", answer.fields["cache-control"])
    assert.equal("same-origin", answer.fields["cross-origin-opener-policy"])
    assert.equal("same-origin", answer.fields["cross-origin-resource-policy"])
    assert.is_nil(answer.fields["access-control-allow-origin"])
    assert.equal(tostring(#answer.body), answer.fields["content-length"])
    assert.matches("^<!doctype html>.*</html>\n$", answer.body)
    assert.matches('<meta name="mcp-path" content="/mcp">', answer.body, 1, true)
    assert.equal(200, ask("GET", "/?x=y").status)
    assert.matches(("inspect it at http://127.0.0.1:%d/\n"):format(server.port), server:told(), 1,
      true)
  end)

  it("runs what its policy has the digests of, loads nothing and is framed by nobody", function()
    local answer = ask("GET", "/")
    local policy = answer.fields["content-security-policy"]
    local rules, count = {}, 0
    for name, rule in policy:gmatch "([%a-]+) ([^;]+)" do
      rules[name], count = rule, count + 1
    end
    local function digest(tag)
      local text = answer.body:match(("<%s>(.*)</%s>"):format(tag, tag))
      return ("'sha256-%s'"):format(core.base64(openssl.sha256(text)))
    end
    assert.same({ ["default-src"] = "'none'", ["script-src"] = digest "script",
      ["style-src"] = digest "style", ["connect-src"] = "'self'", ["img-src"] = "data:",
      ["media-src"] = "data:", ["base-uri"] = "'none'", ["form-action"] = "'none'",
      ["frame-ancestors"] = "'none'", ["frame-src"] = proxies(answer.body) }, rules)
    assert.equal(10, count)
    -- One script, one style, no handler or style in an attribute, no address of another place.
    for _, tag in ipairs { "script", "style" } do
      assert.equal(1, select(2, answer.body:gsub("<" .. tag .. "[ >]", "")))
    end
    local markup = answer.body:gsub("<script>.*</script>", ""):gsub("<style>.*</style>", "")
      :gsub('<meta name="mcp%-%a+" content="[^"]*">', "")
    assert.is_nil(markup:match "<[^>]+ on%a+=")
    assert.is_nil(markup:match "<[^>]+ style=")
    assert.is_nil(markup:match ' src=')
    assert.is_nil(markup:match "https?://%w")
    assert.is_nil(answer.body:match("<script>.*</script>"):match "https?://%w")
    for _, way in ipairs { "innerHTML", "outerHTML", "insertAdjacentHTML", "document%.write",
      "eval%(", "new Function", "DOMParser", "createContextualFragment" } do
      assert.is_nil(answer.body:match(way), way)
    end
  end)

  it("HEAD gives the same fields and no body (RFC 9110 9.3.2)", function()
    local client <close> = support.client(server)
    client:send(support.request("HEAD", nil, nil, "/"))
    local head, get = client:answer(true), ask("GET", "/")
    assert.equal(200, head.status)
    head.fields.date, get.fields.date = nil, nil
    assert.same(get.fields, head.fields)
    -- The next answer begins right behind it.
    client:send(support.request("GET", nil, nil, "/"))
    assert.equal(get.body, client:answer().body)
  end)

  it("other methods are refused and name those that are not (RFC 9110 15.5.6)", function()
    for _, method in ipairs { "POST", "PUT", "DELETE", "OPTIONS", "PATCH" } do
      local answer = ask(method, "/", nil, nil, method == "POST" and "{}" or nil)
      assert.equal(405, answer.status, method)
      assert.equal("GET, HEAD", answer.fields.allow)
      assert.is_nil(answer.fields["content-security-policy"])
    end
  end)

  it("Host and Origin are checked as everywhere (SEC-01, SEC-02)", function()
    for _, host in ipairs { "evil.example", "localhost.evil.example", "0.0.0.0" } do
      assert.equal(421, ask("GET", "/", { Host = host }).status, host)
      assert.equal(421, ask("POST", "/", { Host = host }, nil, "{}").status, host)
    end
    for _, origin in ipairs { "https://evil.example", "null", "http://127.0.0.1:1" } do
      local answer = ask("GET", "/", { Origin = origin })
      assert.equal(403, answer.status, origin)
      assert.is_nil(answer.body:match "<html")
    end
    -- Who may call does not get leave to read it.
    local answer = ask("GET", "/", { Origin = "https://app.example" })
    assert.equal(200, answer.status)
    assert.is_nil(answer.fields["access-control-allow-origin"])
  end)

  it("is not there unless asked for, and nowhere else", function()
    assert.equal(404, ask("GET", "/", nil, plain).status)
    assert.is_nil(plain:told():match "inspect")
    for _, target in ipairs { "//", "/index.html", "/x", "/%2f" } do
      assert.equal(404, ask("GET", target).status, target)
    end
  end)

  it("has the names of the server as text", function()
    local app = mcp.server "</title><script>x</script>\"&"
    local page = require("mcp.server.inspect").new(app.name):document('/"><script>',
      { "http://a" }, { "http://b" }, false)
    assert.equal(1, select(2, page.body:gsub("<script", "")))
    assert.matches("<title>MCP: &lt;/title&gt;&lt;script&gt;x&lt;/script&gt;&quot;&amp;</title>",
      page.body, 1, true)
    assert.matches('content="/&quot;&gt;&lt;script&gt;"', page.body, 1, true)
  end)
end)

describe("the option inspect", function()
  after_each(helper.leftovers)

  local function refused(options, app)
    app = app or mcp.server "spec"
    local ok, err = pcall(app.listen, app, options)
    assert.is_false(ok)
    assert.is_nil(next(app.listening))
    return err
  end

  it("is refused where the page could not work or would be open to others", function()
    local cases = {
      { { inspect = 1, http = 0 }, 'option "inspect": expected a boolean or string, got number' },
      { { inspect = "yes", http = 0 }, 'inspect: expected true, false or "private", got "yes"' },
      { { inspct = true, http = 0 }, 'unknown option "inspct", did you mean "inspect"?' },
      { { inspect = true, http = 0, websocket = false }, "inspect: the page needs websocket" },
      { { inspect = true, stdio = true }, "inspect: the page needs http" },
      { { inspect = true, unix = "/tmp/x.sock" }, "inspect: the page needs http" },
      { { inspect = true, websocket = 0 }, "inspect: the page needs http" },
      { { inspect = true, sse = 0 }, "inspect: the page needs http" },
      { { inspect = true, http = { path = "/", port = 0 } }, "inspect: the page is at /" },
      { { inspect = true, http = 0, security = { dns_rebinding_protection = false } },
        "inspect: the page needs security.dns_rebinding_protection" },
    }
    for _, case in ipairs(cases) do
      assert.matches(case[2], refused(case[1]), 1, true)
    end
  end)

  it("is refused on an address that others reach, before anything is opened", function()
    for _, host in ipairs { "0.0.0.0", "::", "192.0.2.1", "server.example", "127.0.0.1.example",
      "::ffff:127.0.0.1", "127.0.0.2" } do
      local err = refused { inspect = true, http = { host = host, port = 0 } }
      assert.matches("inspect: the page is for this machine only: expected http at 127.0.0.1, "
        .. "::1 or localhost, got " .. host, err, 1, true)
      -- Nothing was tried: it would have said that it cannot be listened on.
      assert.is_nil(err:match "cannot listen")
    end
  end)

  it("goes with the names that Host may have on loopback, and says where the page is", function()
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      local listening <close> = mcp.server "spec":listen { http = { host = host, port = 0 },
        inspect = true, quiet = true }
      assert.equal(("http://%s:%d/"):format(host, listening.port), listening.inspect)
      listening:close()
    end
    local listening <close> = mcp.server "spec":listen { http = 0, inspect = false }
    assert.is_nil(listening.inspect)
  end)

  it("is not \"private\" with auth, where other clients need a token already", function()
    local app = mcp.server { name = "spec", auth = { verify = function() end,
      authorization_servers = { "https://as.example" } } }
    assert.matches('inspect: expected true, got "private": with auth other clients need a token',
      refused({ http = 0, inspect = "private" }, app), 1, true)
  end)

  it("says so where mcp.openssl cannot be loaded", function()
    local loaded, made = package.loaded["mcp.openssl"], package.preload["mcp.openssl"]
    package.loaded["mcp.openssl"] = nil
    package.preload["mcp.openssl"] = function() error "not here" end
    local err
    helper.logged(function() err = refused { http = 0, inspect = true } end)
    package.loaded["mcp.openssl"], package.preload["mcp.openssl"] = loaded, made
    assert.equal("inspect: the page needs mcp.openssl, which cannot be loaded", err)
  end)

  it("comes from the command line with --http, and not without", function()
    local script = helper.file([[require "mcp".server "spec":run { quiet = false }]], ".lua")
    local program = helper.quote(helper.program())
    local out, status = helper.shell(("timeout 5 %s %s --inspect </dev/null 2>&1")
      :format(program, helper.quote(script)))
    assert.equal("luamcp: --inspect needs --http\n", out)
    assert.equal(1, status)
    local started = support.start("{}", { script = [[
      local app = require "mcp".server "spec"
      app:run { http = 0, inspect = load("return " .. os.getenv "SPEC_OPTIONS")() == 1 }]] })
    started:wait_said "answers at"
    assert.is_nil(started:told():match "inspect it")
    support.stop_all()
    helper.remove_files()
  end)
end)
