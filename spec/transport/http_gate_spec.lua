-- SPDX-License-Identifier: MIT
-- http_gate_spec.lua: src/transport/http_gate.c over sockets: who gets in, and what those are told
-- who do not. Rules HL-02, HL-03, HL-06 to HL-08, HM-02, HM-04, HM-09.
local support = require "spec.support"

local PING = support.call_body(1, "echo", { text = "in" })
local IN = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
  ["Mcp-Name"] = "echo" }

local server

-- The answer to a good call with `fields` changed.
local function knock(fields, to)
  local client <close> = support.client(to or server)
  local all = {}
  for name, value in pairs(IN) do all[name] = value end
  for name, value in pairs(fields) do all[name] = value end
  return client:ask(support.request("POST", all, PING))
end

local function statuses(name, cases, to)
  for _, case in ipairs(cases) do
    local value = case[1]
    if type(value) == "string" then value = value:gsub("PORT", tostring((to or server).port)) end
    local answer = knock({ [name] = value }, to)
    assert.equal(case[2], answer.status, ("%s: %s"):format(name, tostring(value)))
    if case[2] == 200 then
      assert.equal("in", answer.json.result.content[1].text)
    elseif case[2] ~= 400 then
      assert.equal("text/plain; charset=utf-8", answer.fields["content-type"])
    end
  end
end

describe("the gate", function()
  setup(function() server = support.http() end)
  teardown(support.stop_all)
  after_each(function() assert.is_true(support.alive(server)) end)

  it("lets loopback names in and no other Host (HL-03, SEC-02, DNS rebinding, T-28)", function()
    statuses("Host", {
      { "localhost", 200 }, { "localhost:PORT", 200 }, { "LOCALHOST:PORT", 200 },
      { "LocalHost", 200 }, { "127.0.0.1", 200 }, { "127.0.0.1:PORT", 200 },
      { "[::1]", 200 }, { "[::1]:PORT", 200 }, { "localhost:1", 200 },
      { "localhost.", 421 }, { "localhost.:PORT", 421 }, { "localhost.evil", 421 },
      { "localhost.evil:PORT", 421 }, { "evil.localhost", 421 }, { "evil.example", 421 },
      { "127.0.0.1.evil.example", 421 }, { "127.0.0.2", 421 }, { "127.1", 421 },
      { "2130706433", 421 }, { "0.0.0.0:PORT", 421 }, { "[::]", 421 },
      { "[::ffff:127.0.0.1]", 421 },
      { "localhost:PORT:80", 400 }, { "localhost:123456", 400 }, { "localhost@evil.example", 400 },
      { "evil.example@localhost", 400 }, { "user:word@localhost:PORT", 400 }, { "::1", 400 },
      { "local host", 400 }, { "localhost/mcp", 400 }, { "localhost, evil.example", 400 },
      { "", 400 }, { false, 400 },
    })
  end)

  it("is on loopback alone unless told otherwise (HM-03)", function()
    assert.equal("127.0.0.1", server:told():match "answers at http://([^:/]+):")
    -- Another address of this machine reaches what is bound to all of them.
    local everywhere = support.start [[{ http = { host = "0.0.0.0", port = 0 } }]]
    everywhere.port = math.tointeger(everywhere:wait_said "answers at http://0.0.0.0:(%d+)/mcp")
    local other = support.system.connect("127.0.0.2", everywhere.port)
    if not other then return pending "this machine has one loopback address only" end
    other:close()
    assert.is_nil((support.system.connect("127.0.0.2", server.port)))
  end)

  it("refuses two Hosts, also equal ones (RFC 9112 3.2)", function()
    local client <close> = support.client(server)
    local twice = { Host = "localhost\r\nHost: localhost" }
    assert.equal(400, client:ask(support.request("POST", twice, PING)).status)
  end)

  it("takes a target in absolute-form if its authority is the Host (RFC 9112 3.2.2)", function()
    local cases = { { "http://localhost/mcp", 200 }, { "http://LOCALHOST/mcp", 200 },
      { "http://evil.example/mcp", 400 }, { "http://localhost@evil.example/mcp", 400 },
      { "http://localhost:1/mcp", 400 }, { "http://127.0.0.1/mcp", 400 } }
    for _, case in ipairs(cases) do
      local client <close> = support.client(server)
      local answer = client:ask(support.request("POST", IN, PING, case[1]))
      assert.equal(case[2], answer.status, case[1])
    end
  end)

  it("lets no Origin and its own Origin in, and no other (HL-02, HM-02, SEC-01)", function()
    for _, host in ipairs { "localhost:" .. server.port, "127.0.0.1:" .. server.port } do
      local cases = { { false, 200 }, { "http://" .. host, 200 },
        { "HTTP://" .. host:upper(), 200 },
        { "http://localhost:1", 403 }, { "http://localhost", 403 }, { "https://" .. host, 403 },
        { "null", 403 }, { "", 403 }, { "http://evil.example", 403 }, { "http://", 403 },
        { "http://" .. host .. ".evil.example", 403 }, { "http://" .. host .. "/", 403 },
        { "http://evil@" .. host, 403 }, { host, 403 }, { "file://", 403 },
        { "chrome-extension://abc", 403 }, { "http://" .. host .. ", http://evil.example", 403 } }
      for _, case in ipairs(cases) do
        local answer = knock { Host = host, Origin = case[1] }
        assert.equal(case[2], answer.status, ("%s to %s"):format(tostring(case[1]), host))
      end
    end
  end)

  it("refuses two Origins, although the first is good (HL-02)", function()
    local own = "http://localhost"
    assert.equal(200, knock { Origin = own }.status)
    assert.equal(403, knock { Origin = own .. "\r\nOrigin: " .. own }.status)
    assert.equal(403, knock { Origin = own .. "\r\nOrigin: http://evil.example" }.status)
  end)

  it("refuses the types a form can send, whatever the Origin (HL-07)", function()
    for _, kind in ipairs { "text/plain", "text/plain; charset=UTF-8",
      "application/x-www-form-urlencoded", "multipart/form-data; boundary=x" } do
      assert.equal(415, knock { ["Content-Type"] = kind }.status)
      assert.equal(403, knock { ["Content-Type"] = kind, Origin = "http://evil.example" }.status)
    end
  end)

  it("wants JSON, by its essence only (HL-07)", function()
    statuses("Content-Type", {
      { "application/json", 200 }, { "application/json; charset=utf-8", 200 },
      { "APPLICATION/JSON", 200 }, { "application/json;charset=utf-8", 200 },
      { "application/json ; x=\"a;b\"", 200 }, { "application/jsonp", 415 },
      { "application/json-seq", 415 }, { "text/json", 415 }, { "application/vnd.api+json", 415 },
      { "application/*", 415 }, { "json", 415 }, { "", 415 }, { false, 415 },
      { "text/plain, application/json", 415 },
      { "application/json\r\nContent-Type: application/json", 415 },
    })
    assert.equal(415, knock { ["Content-Encoding"] = "gzip" }.status)
    assert.equal(200, knock { ["Content-Encoding"] = "identity" }.status)
  end)

  it("wants an Accept that can carry the answer in one form (HL-06, HM-09, T-27)", function()
    statuses("Accept", {
      { false, 200 }, { "*/*", 200 }, { "application/json, text/event-stream", 200 },
      { "text/event-stream, application/json", 200 }, { "application/*, text/*", 200 },
      { "application/json;q=0.1, text/event-stream;q=0.9", 200 },
      { "APPLICATION/JSON, TEXT/EVENT-STREAM", 200 }, { "text/html, */*;q=0.1", 200 },
      { "application/json\r\nAccept: text/event-stream", 200 },
      { "application/json", 200 }, { "application/json, text/event-stream;q=0", 200 },
      { "application/json, text/plain", 200 },
      { "text/html", 406 }, { "text/event-stream;q=0", 406 }, { "*/*;q=0", 406 },
    })
  end)

  it("wants text/event-stream of a GET (HL-30)", function()
    local client <close> = support.client(server)
    assert.equal(406, client:ask(support.request("GET", { Accept = "application/json" })).status)
    assert.equal(406, client:ask(support.request("GET", { Accept = "text/html" })).status)
    -- Let in: what is missing now is a session.
    assert.equal(404, client:ask(support.request("GET", { Accept = "text/event-stream",
      ["Mcp-Session-Id"] = "none" })).status)
  end)

  it("knows one path (HL-01, HM-01)", function()
    local client <close> = support.client(server)
    for _, target in ipairs { "/", "/mcp//", "/MCP", "/mcp2", "/m", "//mcp", "/mcp%2F", "/%6dcp",
      "/mcp/../mcp", "/health" } do
      for _, method in ipairs { "GET", "DELETE", "OPTIONS", "PUT" } do
        assert.equal(404, client:ask(support.request(method, nil, nil, target)).status, target)
      end
      local posting <close> = support.client(server)
      assert.equal(404, posting:ask(support.request("POST", IN, PING, target)).status, target)
    end
    assert.equal(200, client:ask(support.request("POST", IN, PING, "/mcp?x=/other")).status)
  end)

  it("names the methods it knows (RFC 9110 9.1, 15.5.6)", function()
    local client <close> = support.client(server)
    for _, method in ipairs { "PUT", "PATCH", "PROPFIND", "TRACE", "M-SEARCH" } do
      local answer = client:ask(support.request(method))
      assert.equal(405, answer.status, method)
      assert.equal("GET, POST, DELETE, OPTIONS", answer.fields.allow)
    end
    for _, target in ipairs { "/mcp", "*" } do
      local answer = client:ask(support.request("OPTIONS", nil, nil, target))
      assert.equal(204, answer.status)
      assert.equal("GET, POST, DELETE, OPTIONS", answer.fields.allow)
      assert.is_nil(answer.fields["content-length"])
    end
  end)

  it("answers HEAD without a body (RFC 9110 9.3.2)", function()
    local client <close> = support.client(server)
    client:send(support.request("HEAD") .. support.request("HEAD", nil, nil, "/other"))
    local answer = client:answer(true)
    assert.equal(405, answer.status)
    assert.is_truthy(tonumber(answer.fields["content-length"]) > 0)
    assert.equal(404, client:answer(true).status)
    assert.equal("still", client:call(1, "echo", { text = "still" }))
  end)

  it("ends the connection of a request it refused unread, and not of others", function()
    local client <close> = support.client(server)
    assert.is_nil(client:ask(support.request("PUT")).fields.connection)
    local answer = client:ask(support.request("PUT", nil, "body"))
    assert.equal(405, answer.status)
    assert.equal("close", answer.fields.connection)
  end)

  it("answers 417 to an expectation it does not know (RFC 9110 10.1.1)", function()
    assert.equal(417, knock { Expect = "200-ok" }.status)
    assert.equal(417, knock { Expect = "100-continue, other" }.status)
  end)
end)

describe("the gate's settings", function()
  after_each(support.stop_all)

  it("let further Hosts and Origins in", function()
    local it = support.http [[security = { allowed_hosts = { "mcp.example" },
      allowed_origins = { "https://app.example", "null", "http://localhost:*" } }]]
    it.shares = true
    statuses("Host", { { "localhost", 200 }, { "mcp.example", 200 }, { "MCP.example:81", 200 },
      { "mcp.example.evil", 421 }, { "other.example", 421 } }, it)
    statuses("Origin", { { "https://app.example", 200 }, { "HTTPS://APP.example", 200 },
      { "null", 200 }, { "https://app.example:8443", 403 }, { "http://app.example", 403 },
      { "https://app.example.evil", 403 }, { "http://localhost", 200 },
      { "http://localhost:6274", 200 }, { "http://localhost:", 403 },
      { "http://localhost:6x", 403 },
      { "http://localhost:123456", 403 }, { "http://localhost.evil", 403 },
      { "http://localhost:80.evil", 403 }, { "https://localhost:80", 403 } }, it)
  end)

  it("a Host with a port is let in with that port only", function()
    local it = support.http
      [[security = { allowed_hosts = { "mcp.example:8443", "any.example:*" } }]]
    statuses("Host", { { "mcp.example:8443", 200 }, { "MCP.example:8443", 200 },
      { "mcp.example", 421 }, { "mcp.example:8444", 421 }, { "any.example", 200 },
      { "any.example:1", 200 } }, it)
  end)

  it("are kept although nobody else keeps their strings", function()
    local it = support.http([[security = { allowed_hosts = { ("made"):rep(20) .. ".example" },
      allowed_origins = { "https://" .. ("made"):rep(20) } }]])
    it.shares = true
    do
      local client <close> = support.client(it)
      client:call(1, "memory") -- two full collections
    end
    statuses("Host", { { ("made"):rep(20) .. ".example", 200 }, { "made.example", 421 } }, it)
    statuses("Origin", { { "https://" .. ("made"):rep(20), 200 }, { "https://made", 403 } }, it)
  end)

  it("switch the protection off", function()
    local it = support.http "security = { dns_rebinding_protection = false }"
    statuses("Host", { { "evil.example", 200 }, { "a@b", 400 } }, it)
    statuses("Origin", { { "http://evil.example", 200 }, { "null", 200 } }, it)
  end)

  it("choose another path and another loopback address", function()
    local it = support.start [[{ http = { host = "::1", port = 0, path = "/other" } }]]
    it.host, it.port = "::1", math.tointeger(it:wait_said "answers at http://%[::1%]:(%d+)/other")
    local client <close> = support.client(it)
    assert.equal(404, client:ask(support.request("OPTIONS")).status)
    local fields = { Host = "[::1]:" .. it.port }
    for name, value in pairs(IN) do fields[name] = value end
    assert.equal(200, client:ask(support.request("POST", fields, PING, "/other")).status)
  end)

  it("answer any Host on a public address, with a warning, but not any Origin", function()
    local it = support.start [[{ http = { host = "0.0.0.0", port = 0 } }]]
    it.port = math.tointeger(it:wait_said "answers at http://0.0.0.0:(%d+)/mcp")
    assert.is_truthy(it:told():find("open to the network", 1, true))
    statuses("Host", { { "any.example", 200 } }, it)
    statuses("Origin", { { "http://evil.example", 403 } }, it)
  end)
end)
