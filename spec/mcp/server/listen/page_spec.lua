-- SPDX-License-Identifier: MIT
-- The proxy of the inspect page: a second origin beside it, with one document
-- (lua/mcp/server/listen/page.lua, lua/mcp/server/inspect/proxy). `make browser` tries what it does
-- in a browser.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local page = require "mcp.server.listen.page"
local support = require "spec.support"

local server, proxy

local function ask(method, target, fields, body)
  local client <close> = support.client(proxy)
  return client:ask(support.request(method, fields, body, target))
end

describe("the proxy of the inspect page", function()
  setup(function()
    server = support.http "inspect = true"
    local client <close> = support.client(server)
    local body = client:ask(support.request("GET", nil, nil, "/")).body
    local port = body:match '<meta name="mcp%-proxy" content="http://127%.0%.0%.1:(%d+)'
      or body:match '<meta name="mcp%-proxy" content="[^"]*http://127%.0%.0%.1:(%d+)'
    proxy = { port = math.tointeger(port) }
  end)
  teardown(support.stop_all)
  after_each(function()
    collectgarbage "restart"
    assert.is_true(support.alive(server))
  end)

  it("has another origin than the page, which alone may frame it (APP-42, APP-43)", function()
    assert.not_equal(server.port, proxy.port)
    local answer = ask("GET", "/")
    assert.equal(200, answer.status)
    local policy = answer.fields["content-security-policy"]
    assert.equal(("frame-ancestors http://127.0.0.1:%d http://localhost:%d"):format(server.port,
      server.port), policy)
    assert.equal("text/html; charset=utf-8", answer.fields["content-type"])
    assert.equal("nosniff", answer.fields["x-content-type-options"])
    assert.equal("no-referrer", answer.fields["referrer-policy"])
    assert.equal("no-store", answer.fields["cache-control"])
    assert.is_nil(answer.fields["access-control-allow-origin"])
  end)

  it("has one document, which depends on nothing that a request says (APP-48)", function()
    local first = ask("GET", "/").body
    assert.equal(first, ask("GET", "/?csp=x").body)
    assert.equal(first, ask("GET", "/", { ["X-Forwarded-Host"] = "evil.example" }).body)
    assert.is_nil(first:match "fetch" or first:match "XMLHttpRequest" or first:match "WebSocket")
  end)

  it("answers nothing else: no MCP, no other path or method", function()
    for _, target in ipairs { "/x", "/mcp/message", "/index.html", "//" } do
      assert.equal(404, ask("GET", target).status, target)
    end
    for _, method in ipairs { "POST", "PUT", "DELETE", "OPTIONS" } do
      assert.equal(405, ask(method, "/", nil, method == "POST" and "{}" or nil).status, method)
    end
    for _, body in ipairs { "{}", '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}' } do
      local status = ask("POST", "/mcp", nil, body).status
      assert.is_true(status == 404 or status == 413, status)
    end
    assert.equal(404, ask("GET", "/mcp", { Accept = "text/event-stream" }).status)
    local status = ask("GET", "/mcp", { Connection = "Upgrade", Upgrade = "websocket",
      ["Sec-WebSocket-Version"] = "13", ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==",
      ["Sec-WebSocket-Protocol"] = "mcp" }).status
    assert.is_true(status >= 400, status)
  end)

  it("answers the names of loopback only (SEC-02)", function()
    for _, host in ipairs { "evil.example", "0.0.0.0" } do
      assert.equal(421, ask("GET", "/", { Host = host }).status, host)
    end
    assert.equal(403, ask("GET", "/", { Origin = "https://evil.example" }).status)
  end)

  it("serves so many connections and no more", function()
    local listening <close> = mcp.server "spec":listen { http = 0, inspect = true, quiet = true }
    local host, clients = listening.hosts[2], {}
    for i = 1, page.CONNECTIONS + 1 do clients[i] = support.client { port = host:port() } end
    local most = 0
    helper.wait_until(function()
      most = math.max(most, host:connections())
      return most >= page.CONNECTIONS
    end, "connections")
    for _ = 1, 20 do
      core.step(0)
      most = math.max(most, host:connections())
    end
    assert.equal(page.CONNECTIONS, most)
    for _, client in ipairs(clients) do client.socket:close() end
  end)

  it("leaves a port alone that another program has on ::1", function()
    local function listen(host, port)
      return core.listen_http({ host = host, port = port }, function() return 404 end)
    end
    -- A port of ::1 that is taken, and two of 127.0.0.1 that are free: the page's and the next.
    local taken, listening
    for _ = 1, 20 do
      taken = listen("::1", 0)
      if not taken then return pending "no IPv6 here" end
      local before = listen("127.0.0.1", taken:port() - 1)
      local same = listen("127.0.0.1", taken:port())
      local free = before and same
      for _, host in pairs { before, same } do
        host:close()
        helper.wait_until(function() return host:is_gone() end)
      end
      if free then break end
      taken:close()
    end
    collectgarbage "stop" -- which would close a listener that is forgotten
    listening = mcp.server "spec":listen { http = taken:port() - 1, inspect = true, quiet = true }
    local port = listening.hosts[2]:port()
    assert.not_equal(taken:port(), port)
    assert.equal(port, listening.hosts[3]:port())
    -- It was tried on 127.0.0.1, and is free again.
    local again, text = listen("127.0.0.1", taken:port())
    assert.is_truthy(again, text)
    for _, open in ipairs { again, taken, listening } do open:close() end
    while not listening:is_gone() do core.step() end
  end)

  it("is closed with its page", function()
    local listening = mcp.server "spec":listen { http = 0, inspect = true, quiet = true }
    assert.is_true(#listening.hosts >= 2)
    listening:close()
    while not listening:is_gone() do core.step() end
    helper.leftovers()
  end)
end)
