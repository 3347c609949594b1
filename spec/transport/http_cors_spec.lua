-- SPDX-License-Identifier: MIT
-- http_cors_spec.lua: src/transport/http_cors.c over sockets: what pages of other origins may read
-- and send. The Fetch standard, 3.3 (CORS); SEC-01 says who must not.
local support = require "spec.support"

local APP, DEV = "https://app.example", "http://localhost:6274"
local EXPOSED = "Mcp-Session-Id, WWW-Authenticate, DPoP-Nonce, MCP-Protocol-Version"

local server

local function ask(method, fields, body, target, to)
  local client <close> = support.client(to or server)
  return client:ask(support.request(method, fields, body, target))
end

local function preflight(method, names, origin, target)
  return ask("OPTIONS", { Origin = origin or APP, ["Access-Control-Request-Method"] = method,
    ["Access-Control-Request-Headers"] = names }, nil, target)
end

-- The answer gives nothing away to a page.
local function assert_closed(answer)
  for name in pairs(answer.fields) do
    assert.is_nil(name:match "^access%-control%-", name)
  end
end

describe("CORS", function()
  setup(function()
    server = support.http [[security = { allowed_origins = { "https://app.example",
      "http://localhost:*" } }]]
    server.shares = true
  end)
  teardown(support.stop_all)
  after_each(function() assert.is_true(support.alive(server)) end)

  it("a preflight says which methods and fields may be sent, and no others", function()
    local answer = preflight("POST", "content-type, mcp-protocol-version,Mcp-Method , "
      .. "MCP-NAME, Mcp-Session-Id, authorization, accept, last-event-id, mcp-param-Tenant_1, "
      .. "x-other, cookie, mcp-param-, mcp-paramx, mcp-param-\"x\"")
    assert.equal(204, answer.status)
    assert.equal(APP, answer.fields["access-control-allow-origin"])
    assert.equal("GET, POST, DELETE", answer.fields["access-control-allow-methods"])
    assert.equal("content-type, mcp-protocol-version, Mcp-Method, MCP-NAME, Mcp-Session-Id, "
      .. "authorization, accept, last-event-id, mcp-param-Tenant_1",
      answer.fields["access-control-allow-headers"])
    assert.equal("600", answer.fields["access-control-max-age"])
    assert.equal("Origin", answer.fields.vary)
    assert.is_nil(answer.fields["access-control-expose-headers"])
  end)

  it("a preflight that asks for no fields is told of none", function()
    for _, method in ipairs { "GET", "DELETE", "POST", "PUT" } do
      local answer = preflight(method)
      assert.equal(204, answer.status)
      assert.equal("GET, POST, DELETE", answer.fields["access-control-allow-methods"])
      assert.is_nil(answer.fields["access-control-allow-headers"])
    end
  end)

  it("where messages of HTTP+SSE are POSTed, POST is all there is", function()
    local answer = preflight("POST", "content-type", APP, "/mcp/message?session_id=x")
    assert.equal(204, answer.status)
    assert.equal("POST", answer.fields["access-control-allow-methods"])
    assert.equal("content-type", answer.fields["access-control-allow-headers"])
  end)

  it("answers name the one origin that asked, never all (SEC-01)", function()
    for _, origin in ipairs { APP, "HTTPS://APP.example", DEV, "http://localhost" } do
      local answer = ask("POST", { Origin = origin }, support.initialize_body())
      assert.equal(200, answer.status)
      assert.equal(origin, answer.fields["access-control-allow-origin"])
      assert.equal(EXPOSED, answer.fields["access-control-expose-headers"])
      assert.equal("Origin", answer.fields.vary)
      assert.is_truthy(answer.fields["mcp-session-id"])
      assert.is_nil(answer.fields["access-control-allow-methods"])
    end
  end)

  it("so do refusals, errors and streams, that a page may see why", function()
    local cases = {
      { 404, "POST", {}, "{}", "/other" }, { 405, "PUT", {} }, { 406, "GET", { Accept = "x/y" } },
      { 415, "POST", { ["Content-Type"] = "text/plain" }, "{}" }, { 400, "POST", {}, "{" },
      { 400, "POST", {}, "{}" }, { 400, "POST", {}, support.legacy_body(1, "tools/list") },
      { 404, "DELETE", { ["Mcp-Session-Id"] = "x" } },
      { 202, "POST", {}, '{"jsonrpc":"2.0","method":"notifications/x"}', nil, true },
    }
    for _, case in ipairs(cases) do
      local fields = { Origin = APP }
      for name, value in pairs(case[3]) do fields[name] = value end
      if case[6] then fields["MCP-Protocol-Version"] = support.MODERN end
      local answer = ask(case[2], fields, case[4], case[5])
      assert.equal(case[1], answer.status, case[2])
      assert.equal(APP, answer.fields["access-control-allow-origin"])
    end
    local client <close> = support.client(server)
    client:send(support.call(1, "steps", { count = 2 }, { Origin = APP }))
    local answer = client:answer()
    assert.equal("text/event-stream", answer.fields["content-type"])
    assert.equal(APP, answer.fields["access-control-allow-origin"])
    assert.equal(3, #answer.events)
  end)

  it("an answer keeps nothing of the request before it", function()
    local client <close> = support.client(server)
    assert.equal(APP, client:ask(support.call(1, "echo", { text = "a" }, { Origin = APP }))
      .fields["access-control-allow-origin"])
    local answer = client:ask(support.call(2, "echo", { text = "b" }))
    assert_closed(answer)
    assert.equal("Origin", answer.fields.vary)
    assert.equal(DEV, client:ask(support.call(3, "echo", { text = "c" }, { Origin = DEV }))
      .fields["access-control-allow-origin"])
  end)

  it("who is not listed is refused, and told nothing (SEC-01)", function()
    for _, origin in ipairs { "https://evil.example", "null", "http://localhost.evil.example",
      "https://app.example:8443", "https://app.example, https://evil.example" } do
      local answer = preflight("POST", "content-type", origin)
      assert.equal(403, answer.status, origin)
      assert_closed(answer)
      assert.equal("Origin", answer.fields.vary)
    end
    local client <close> = support.client(server)
    client:send("OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: " .. APP
      .. "\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n")
    local answer = client:answer()
    assert.equal(403, answer.status)
    assert_closed(answer)
  end)

  it("our own pages need no leave and get none", function()
    local own = ("http://127.0.0.1:%d"):format(server.port)
    local client <close> = support.client(server)
    local answer = client:ask(support.call(1, "echo", { text = "x" },
      { Origin = own, Host = own:sub(8) }))
    assert.equal(200, answer.status)
    assert_closed(answer)
  end)
end)

describe("CORS where no origin is listed", function()
  teardown(support.stop_all)

  it("shares nothing, not even with the checks switched off (SEC-01)", function()
    for _, options in ipairs { "", "security = { dns_rebinding_protection = false }" } do
      local plain = support.http(options)
      local own = ("http://localhost:%d"):format(plain.port)
      for _, origin in ipairs { own, APP } do
        local answer = ask("OPTIONS", { Origin = origin, Host = own:sub(8),
          ["Access-Control-Request-Method"] = "POST" }, nil, nil, plain)
        assert.equal(options == "" and origin == APP and 403 or 204, answer.status)
        assert_closed(answer)
        assert.is_nil(answer.fields.vary)
      end
    end
  end)
end)

describe("CORS: further header fields that pages may send", function()
  after_each(support.stop_all)

  local function leave(server_, names)
    return ask("OPTIONS", { Origin = APP, ["Access-Control-Request-Method"] = "POST",
      ["Access-Control-Request-Headers"] = names }, nil, nil, server_)
      .fields["access-control-allow-headers"]
  end

  it("are those of security.allowed_headers, in any case, and the usual ones", function()
    local it_ = support.http [[security = { allowed_origins = { "https://app.example" },
      allowed_headers = { "X-API-Key", "x-tenant", "Traceparent" } }]]
    it_.shares = true
    assert.equal("x-api-key, X-TENANT, traceparent, content-type",
      leave(it_, "x-api-key, X-TENANT, traceparent, content-type, x-api-key2, cookie"))
    local client <close> = support.client(it_)
    assert.equal("sent", client:ask(support.call(1, "echo", { text = "sent" },
      { Origin = APP, ["X-API-Key"] = "k" })).json.result.content[1].text)
  end)

  it("are none unless they are named, and none for who is not listed", function()
    local plain = support.http [[security = { allowed_origins = { "https://app.example" } }]]
    plain.shares = true
    assert.equal("content-type", leave(plain, "x-api-key, content-type"))
    local it_ = support.http [[security = { allowed_origins = { "https://other.example" },
      allowed_headers = { "X-API-Key" } }]]
    it_.shares = true
    assert.is_nil(leave(it_, "x-api-key"))
  end)

  it("that could never be sent are refused at the start", function()
    for _, name in ipairs { "*", "", "X Y", "X:Y", "Sec-Fetch-Mode", "Proxy-X", "X\\r\\nY" } do
      local it_ = support.start(('{ http = { port = 0 }, security = { allowed_headers = '
        .. '{ "%s" } } }'):format(name))
      assert.same({ "exit", 1 }, { it_:wait_end() })
      assert.is_truthy(it_:told():find("allowed_headers[1]: expected the name of a header field", 1,
        true), name)
    end
  end)
end)
