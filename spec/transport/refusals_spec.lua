-- SPDX-License-Identifier: MIT
-- refusals_spec.lua: no request is refused in silence. Every refusal is one line at `info`, which
-- names what came and the option that decides; the body says the same, and our client passes it on.
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

local PING = support.call_body(1, "echo", { text = "in" })

-- What is refused: status, words of the line, method, fields, body, target.
local CASES = {
  { 421, 'Host: expected a name of this server, got "evil.example" (the server\'s option '
    .. "security.allowed_hosts decides)", "POST", { Host = "evil.example" }, PING },
  { 403, 'got "https://evil.example" (the server\'s option security.allowed_origins decides)',
    "POST", { Origin = "https://evil.example" }, PING },
  { 404, 'got "/other" (the server\'s option http.path decides)', "POST", {}, PING, "/other" },
  { 405, 'method: expected GET, POST or DELETE, got "PATCH"', "PATCH", {} },
  { 405, 'method: expected POST, got "GET"', "GET", {}, nil, "/mcp/message" },
  { 406, 'Accept: expected application/json or text/event-stream, got "text/html"', "POST",
    { Accept = "text/html" }, PING },
  { 406, 'because GET opens an event stream, got "application/json"', "GET",
    { Accept = "application/json" } },
  { 413, "(the server's option limits.body decides)", "POST", { ["Content-Length"] = "999999999" },
    "" },
  { 415, 'Content-Type: expected application/json, got "text/plain"', "POST",
    { ["Content-Type"] = "text/plain" }, PING },
  { 415, 'Content-Encoding: expected identity, got "gzip"', "POST",
    { ["Content-Encoding"] = "gzip" }, PING },
  { 417, "Expect: expected 100-continue", "POST", { Expect = "else" }, PING },
  { 426, "Sec-WebSocket-Version: 13 expected", "GET", { Upgrade = "websocket",
    Connection = "Upgrade", ["Sec-WebSocket-Version"] = "8" } },
  { 400, "expected Sec-WebSocket-Protocol: mcp", "GET", { Upgrade = "websocket",
    Connection = "Upgrade", ["Sec-WebSocket-Version"] = "13",
    ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==" } },
  { 400, "Parse error", "POST", {}, "{" },
  { 400, "jsonrpc must be", "POST", {}, "{}" },
  { 431, "too many header fields", "GET", { X = ("a\r\nX: "):rep(200) .. "a" } },
  { 414, "target too long", "GET", {}, nil, "/" .. ("a"):rep(9000) },
  { 505, "", "GET", {}, nil, "/mcp HTTP/2.0\r\nX: y" },
}

describe("a refusal", function()
  after_each(function()
    support.stop_all()
    helper.leftovers()
  end)

  it("is a line in the log and in the body, each of them", function()
    local server = support.http("", { env = { "MCP_LOG=info" } })
    for _, case in ipairs(CASES) do
      local from = #server:told() + 1
      local client <close> = support.client(server)
      local text = support.request(case[3], case[4], case[5], case[6])
      if case[1] == 505 then text = text:gsub(" HTTP/1.1", "", 1):gsub("X: y HTTP/1.1", "X: y") end
      local answer = client:ask(text)
      assert.equal(case[1], answer.status, case[2])
      local body = answer.json and answer.json.error.message or answer.body
      assert.is_truthy(body:find(case[2], 1, true), body)
      local line = server:wait_said("(http: request refused with " .. case[1] .. ": [^\n]*)\n",
        from)
      assert.is_truthy(line:find(case[2], 1, true), line)
      -- One line, no more.
      assert.is_nil(server:told():find("refused with", select(2, server:told():find(line, from,
        true)), true))
    end
  end)

  -- What is decided after the head has been read, by Lua: status, words of the log, words of the
  -- body, the request.
  local function legacy(body, fields)
    local all = { ["Content-Type"] = "application/json" }
    for name, text in pairs(fields or {}) do all[name] = text end
    return support.request("POST", all, body)
  end

  local function check_each(server, cases)
    for _, case in ipairs(cases) do
      local from = #server:told() + 1
      local client <close> = support.client(server)
      local answer = client:ask(case[4])
      assert.equal(case[1], answer.status, case[2])
      local body = answer.json and answer.json.error.message or answer.body
      assert.is_truthy(body:find(case[3], 1, true), body)
      local line = server:wait_said("(http: request refused with " .. case[1] .. ": [^\n]*)\n",
        from)
      assert.is_truthy(line:find(case[2], 1, true), line)
      assert.is_nil(server:told():find("refused with", select(2, server:told():find(line, from,
        true)), true))
      -- Neither ids of sessions nor tokens.
      assert.is_nil(server:told():find("SECRET", 1, true))
    end
  end

  it("of a session or a revision is one, too, with the value or the option", function()
    local server = support.http("", { env = { "MCP_LOG=info" } })
    local list = support.legacy_body(1, "tools/list")
    check_each(server, {
      { 404, "(the server's option sessions decides)", "Session not found: ",
        legacy(list, { ["Mcp-Session-Id"] = "SECRET" }) },
      { 400, "Mcp-Session-Id is missing", "Mcp-Session-Id is missing", legacy(list) },
      { 404, "(the server's option sessions decides)", "Session not found: ",
        support.request("DELETE", { ["Mcp-Session-Id"] = "SECRET" }) },
      { 400, "Unsupported protocol version 1999-01-01", "Unsupported protocol version 1999-01-01",
        (support.call(1, "echo", { text = "x" }):gsub("2026%-07%-28", "1999-01-01")) },
      { 400, "Mcp-Name does not match", "Mcp-Name does not match",
        (support.call(1, "echo", { text = "x" }):gsub("Mcp%-Name: echo", "Mcp-Name: other")) },
    })
  end)

  it("of a token or for a scope is one, too, with the reason and the option", function()
    local server = support.http([[app = { auth = { scopes = { "notes" },
      verify = function(token)
        if token == "SECRETok" then return { subject = "ada", scopes = { "other" } } end
        return nil, "no such token: " .. token
      end, authorization_servers = { "https://issuer.example" } } }]],
      { env = { "MCP_LOG=info" } })
    local function call(authorization)
      return support.call(1, "echo", { text = "x" }, { Authorization = authorization })
    end
    check_each(server, {
      { 401, "Authorization: expected an access token", "expected an access token", call() },
      { 401, "(the server's option auth decides)", "Bearer", call "Basic SECRET" },
      { 401, "no such token: [hidden] (the server's option auth.verify decides)",
        "The access token is expired", call "Bearer SECRETbad" },
      { 403, "it lacks the scope notes (the server's option auth.scopes decides)",
        "it lacks the scope notes", call "Bearer SECRETok" },
    })
  end)

  it("is counted where there are many, so that nobody can fill the log", function()
    local server = support.http("", { env = { "MCP_LOG=info" } })
    local request = legacy(support.legacy_body(1, "tools/list"), { ["Mcp-Session-Id"] = "x" })
    local other = support.request("POST", { Accept = "text/html" }, PING)
    local client = support.client(server)
    local begun = support.system.now()
    local count = 0
    repeat
      for _, text in ipairs { request, other } do
        local answer = client:ask(text)
        assert.is_true(answer.status >= 400)
        if answer.fields.connection == "close" then
          client:close()
          client = support.client(server)
        end
        count = count + 1
      end
    until support.system.now() - begun > 1.2 and count > 400
    local seconds = support.system.now() - begun
    client:ask(request)
    client:close()
    server:wait_said "%d+ refusals of the last second were not logged"
    local _, lines = server:told():gsub("refused with", "")
    assert.is_true(lines <= 100 * (seconds + 2), lines)
  end)

  it("of a request that is too slow says which limit that was", function()
    local server = support.http("limits = { head_timeout = 0.1, body_timeout = 0.1 }",
      { env = { "MCP_LOG=info" } })
    for _, case in ipairs { { "POST /mcp", "limits.head_timeout" },
      { support.request("POST", { ["Content-Length"] = "9" }, ""), "limits.body_timeout" } } do
      local client <close> = support.client(server)
      local answer = client:ask(case[1])
      assert.equal(408, answer.status)
      assert.is_truthy(answer.body:find(case[2], 1, true), answer.body)
      server:wait_said("refused with 408: [^\n]*" .. case[2])
    end
  end)

  it("shows foreign text harmlessly, and not all of it", function()
    local server = support.http("", { env = { "MCP_LOG=info" } })
    local client <close> = support.client(server)
    local answer = client:ask(support.request("POST", nil, PING, "/" .. ("x"):rep(5000)))
    assert.equal(404, answer.status)
    assert.is_true(#answer.body < 512)
    local other <close> = support.client(server)
    answer = other:ask(support.request("POST", { Accept = "a\xe9\x09b\xff" }, PING))
    assert.equal(406, answer.status)
    assert.is_nil(answer.body:find "[^\x20-\x7e\n]")
  end)

  it("is silent below info", function()
    local server = support.http("", { env = { "MCP_LOG=warning" } })
    local client <close> = support.client(server)
    assert.equal(404, client:ask(support.request("POST", nil, PING, "/other")).status)
    assert.is_true(support.alive(server))
    assert.is_nil(server:told():find("refused", 1, true))
  end)

  it("is passed on by our client where Lua refused, too", function()
    local server = support.http [[app = { auth = { scopes = { "notes" },
      verify = function() return { subject = "ada", scopes = { "other" } } end,
      authorization_servers = { "https://issuer.example" } } }]]
    local client, text = mcp.connect(("http://127.0.0.1:%d/mcp"):format(server.port),
      { headers = { Authorization = "Bearer x" } })
    assert.is_nil(client)
    assert.is_truthy(text:find("it lacks the scope notes", 1, true), text)
  end)

  it("is passed on by our client: its words stand in the error", function()
    local server = support.http()
    local client, text = mcp.connect(("http://127.0.0.1:%d/other"):format(server.port))
    assert.is_nil(client)
    assert.is_truthy(text:find("the server refused the request (status 404): path:", 1, true), text)
    client, text = mcp.connect(("http://127.0.0.1:%d/mcp"):format(server.port),
      { headers = { Origin = "https://evil.example" } })
    assert.is_nil(client)
    assert.is_truthy(text:find("the server denied access (status 403): Origin:", 1, true), text)
    assert.is_truthy(text:find('got "https://evil.example"', 1, true), text)
    client, text = mcp.connect(mcp.sse_client(("http://127.0.0.1:%d/other"):format(server.port)))
    assert.is_nil(client)
    assert.is_truthy(text:find('got "/other"', 1, true), text)
    client, text = mcp.connect(("ws://127.0.0.1:%d/other"):format(server.port))
    assert.is_nil(client)
    assert.is_truthy(text:find('got "/other"', 1, true), text)
  end)
end)
