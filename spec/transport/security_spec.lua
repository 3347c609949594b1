-- SPDX-License-Identifier: MIT
-- security_spec.lua: what somebody who means harm sends to a listener, attempt by attempt. The
-- numbers SEC-nn are those of this project's list of such attempts (docs/architecture.md); each
-- test says what must come of it. What a single file rules on has its tests there, too.
local core = require "mcp.core"
local support = require "spec.support"

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local app = mcp.server { name = "spec" }
local function note(...) io.stderr:write(string.format(...), "\n") end
app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
app:tool "safe" (function() return "safe" end)
app:tool "dangerous" (function() note "DANGER" return "done" end)
app:prompt "=?base64?c2FmZQ==?=" (function() return "literally" end)
app:prompt "with blanks 😀" (function() return "blanks" end)
app:prompt "safe" (function() return "safe" end)
app:tool "tenant" { input = { id = mcp.string { header = "Tenant" } } } (
  function(a) return a.id end)
app:tool "any" { input_schema = { type = "object", properties = { v = {} } } } (function(a)
  return { v = a.v }
end)
app:tool "asks" (function(_, ctx)
  local _ <close> = setmetatable({}, { __close = function() note "closed asks" end })
  note "began asks"
  local roots, why = ctx:roots { timeout = 5 }
  return roots and roots[1].uri or why
end)
app:tool "sets" { input = { name = "string", value = "string" } } (function(a, ctx)
  local ok, why = pcall(ctx.exchange.set_header, ctx.exchange, a.name, a.value)
  return tostring(ok) .. tostring(why)
end)
app:tool "sleep" (function(_, ctx)
  local _ <close> = setmetatable({}, { __close = function() note "closed sleep" end })
  note "began sleep"
  local ok, _, code = ctx:sleep(60)
  return tostring(ok or code)
end)
app:run(options)
]==]

local EVIL = "https://evil.example"
local READY = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

local server

local function ask(text)
  local client <close> = support.client(server)
  return client:ask(text)
end

local function post(fields, body) return ask(support.request("POST", fields, body)) end

-- A call in the stateless era with header fields of one's own.
local function call(tool, arguments, fields)
  return ask(support.call(1, tool, arguments, fields))
end

local function code_of(answer)
  return answer.json and answer.json.error and answer.json.error.code
end

local function open_session(capabilities)
  local answer = post({}, support.legacy_body(0, "initialize", { protocolVersion = "2025-11-25",
    capabilities = capabilities or {}, clientInfo = { name = "spec", version = "1" } }))
  local sid = answer.fields["mcp-session-id"]
  assert.equal(202, ask(support.legacy(sid, READY)).status)
  return sid
end

local function calling(id, name, arguments)
  return support.legacy_body(id, "tools/call", { name = name,
    arguments = arguments or core.decode "{}" })
end

local UPGRADE = { Upgrade = "websocket", Connection = "Upgrade", ["Sec-WebSocket-Version"] = "13",
  ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Protocol"] = "mcp" }

-- Every way in, with one header field more.
local function every_way_in(name, value)
  local ways = {}
  local function add(method, fields, body, target)
    local all = { [name] = value }
    for field, text in pairs(fields) do all[field] = text end
    ways[#ways + 1] = support.request(method, all, body, target)
  end
  add("POST", { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
    ["Mcp-Name"] = "safe" }, support.call_body(1, "safe"))
  add("POST", {}, support.initialize_body())
  add("GET", { Accept = "text/event-stream", ["Mcp-Session-Id"] = "x" })
  add("GET", { Accept = "text/event-stream" })
  add("DELETE", { ["Mcp-Session-Id"] = "x" })
  add("OPTIONS", { ["Access-Control-Request-Method"] = "POST" })
  add("GET", UPGRADE)
  add("POST", {}, READY, "/mcp/message?session_id=AAAAAAAAAAAAAAAAAAAAAA")
  return ways
end

describe("attempts at a listener", function()
  setup(function() server = support.http("limits = { body = 1 << 16 }", { script = SCRIPT }) end)
  teardown(support.stop_all)
  after_each(function()
    assert.is_nil(server:told():find("DANGER", 1, true))
    assert.is_true(support.alive(server))
  end)

  describe("to get in", function()
    it("SEC-01: a page of another origin is refused by every way in", function()
      for _, origin in ipairs { EVIL, "null", "http://localhost.evil.example",
        "http://127.0.0.1:1", "http://localhost:" .. server.port .. ".evil.example" } do
        for i, text in ipairs(every_way_in("Origin", origin)) do
          assert.equal(403, ask(text).status, ("%s, way %d"):format(origin, i))
        end
      end
    end)

    it("SEC-02: a name that is not ours is refused by every way in", function()
      for _, host in ipairs { "attacker.example", "localhost.attacker.example",
        "127.0.0.1.x.example" } do
        for i, text in ipairs(every_way_in("Host", host)) do
          assert.equal(421, ask(text).status, ("%s, way %d"):format(host, i))
        end
      end
      for _, text in ipairs {
        support.request("POST", { Host = false }, "{}"),
        support.request("POST", {}, "{}", "http://attacker.example/mcp"),
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n",
      } do
        assert.equal(400, ask(text).status)
      end
    end)

    it("SEC-03: what is too large or never ends is refused, and others are served", function()
      local large = support.call_body(1, "echo", { text = ("x"):rep(1 << 16) })
      assert.equal(413, post({}, large).status)
      local function raw(head, ...)
        local client <close> = support.client(server)
        client:send("POST /mcp HTTP/1.1\r\nHost: localhost\r\n" .. head)
        for _, piece in ipairs { ... } do
          -- The answer may come, and the connection go, before all is sent.
          if not pcall(client.send, client, piece) then break end
        end
        return client:answer().status
      end
      local chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
      local chunk = ("1000\r\n%s\r\n"):format(("x"):rep(0x1000))
      assert.equal(413, raw(chunked, chunk:rep(20)))
      assert.equal(400, raw(chunked, "1;" .. ("e"):rep(100000) .. "\r\nx\r\n0\r\n\r\n"))
      assert.equal(431, raw(("X-A: b\r\n"):rep(100000)))
      assert.equal(431, raw("X-A: " .. ("b"):rep(1 << 20)))
      assert.equal(414, ask("GET /" .. ("x"):rep(1 << 16) .. " HTTP/1.1\r\n\r\n").status)
    end)

    it("SEC-04: what a form can send is refused", function()
      for _, kind in ipairs { "text/plain", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "text/plain; application/json" } do
        local answer = post({ ["Content-Type"] = kind }, support.call_body(1, "dangerous"))
        assert.equal(415, answer.status, kind)
      end
    end)

    it("SEC-05: nothing can be read in two ways (the rest: spec/wire/http_desync_spec.lua)",
      function()
        for _, head in ipairs {
          "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length : 5\r\n",
          "Transfer-Encoding: xchunked\r\n", "Content-Length: 5\n", "X: a\r\n b\r\n",
          "Content-Length: +5\r\n",
        } do
          local client <close> = support.client(server)
          client:send("POST /mcp HTTP/1.1\r\nHost: localhost\r\n" .. head .. "\r\n0\r\n\r\n"
            .. support.call(1, "dangerous"))
          local answer = client:answer()
          assert.equal(400, answer.status, head)
          assert.equal("close", answer.fields.connection)
          -- What came behind it is thrown away, and answered by nobody.
          assert.is_true(support.alive(server))
          assert.is_nil(client:more(0))
          assert.equal("", client.buffer)
        end
      end)

    it("SEC-06: no handler splits an answer", function()
      for _, case in ipairs { { "X-A", "b\r\nX-Evil: 1" }, { "X-A", "b\nX-Evil: 1" },
        { "X-A", "b\0c" }, { "X-A\r\nX-Evil", "1" }, { "X-A: x", "1" }, { "", "1" } } do
        local answer = call("sets", { name = case[1], value = case[2] })
        assert.equal(200, answer.status)
        assert.is_nil(answer.fields["x-evil"])
        assert.matches("^false", answer.json.result.content[1].text)
      end
      -- Nor does what a client sends come back in a field.
      local answer = call("no such tool\r\nX-Evil: 1", nil, { ["Mcp-Name"] = "x" })
      assert.is_nil(answer.fields["x-evil"])
    end)

    it("SEC-07: JSON made to be expensive or ambiguous is refused, or comes back as it was",
      function()
        for _, text in ipairs { ("["):rep(20000), ("[]"):rep(30000), '{"a":' .. ("["):rep(20000),
          '{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}',
          '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
          '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{},"_meta":{}}}',
          '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\\ud800"}}',
          '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":1e400}}', "{\"a\":\"\0\"}" } do
          local answer = post({}, text)
          assert.equal(400, answer.status, text:sub(1, 40))
          assert.equal(-32700, code_of(answer))
        end
        for _, text in ipairs { "-0.0", "9223372036854775807", "-9223372036854775808",
          '"a\\u0000b"', "1.0", "1", '{"\\u0000":1}', "null", "[]", "{}", "[null,1]" } do
          local body = support.call_body(1, "any", { v = core.raw(text, true) })
          local answer = ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
            ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "any" }, body))
          assert.equal(200, answer.status, text)
          assert.is_truthy(answer.body:find('"structuredContent":{"v":' .. text .. "}", 1, true)
            or text == "null", text .. " came back in " .. answer.body)
        end
      end)

    it("SEC-08: a text with line ends stays one event", function()
      local text = "a\nb\r\n\r\ndata: {}\n\nevent: x\xe2\x80\xa8id: 5\r"
      local client <close> = support.client(server)
      local sid = open_session { roots = {} }
      client:send(support.legacy(sid, calling(1, "asks")))
      client:head()
      local asked = client:event()
      assert.equal(202, ask(support.legacy(sid, core.encode { jsonrpc = "2.0", id = asked.id,
        result = { roots = { { uri = text } } } })).status)
      assert.equal(text, client:event().result.content[1].text)
      assert.is_nil(client:event())
    end)

    it("SEC-10: refusals between answers keep their places", function()
      local client <close> = support.client(server)
      for i = 1, 5 do
        client:send(support.call(i, "echo", { text = "n" .. i })
          .. support.request("POST", nil, "{")
          .. support.request("GET", { ["Mcp-Session-Id"] = "x" }))
      end
      for i = 1, 5 do
        local answer = client:answer()
        assert.equal(i, answer.json.id)
        assert.equal("n" .. i, answer.json.result.content[1].text)
        assert.equal(-32700, code_of(client:answer()))
        assert.equal(404, client:answer().status)
      end
    end)
  end)

  describe("to be taken for another era", function()
    it("SEC-20: a body of one era under the other's header is served in neither (T-01)", function()
      assert.equal(-32020, code_of(call("dangerous", nil,
        { ["MCP-Protocol-Version"] = "2025-11-25" })))
      assert.equal(-32020, code_of(call("dangerous", nil, { ["MCP-Protocol-Version"] = false })))
      local sid = open_session()
      local answer = ask(support.legacy(sid, calling(1, "dangerous"),
        { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
          ["Mcp-Name"] = "dangerous" }))
      assert.equal(400, answer.status)
      assert.equal(-32602, code_of(answer))
    end)

    it("SEC-21: a living session's id on a stateless request is nothing to it", function()
      local sid = open_session { roots = {} }
      local answer = call("asks", nil, { ["Mcp-Session-Id"] = sid })
      -- Of the session's capabilities nothing is to be seen.
      assert.equal(-32021, code_of(answer))
      assert.is_nil(answer.fields["mcp-session-id"])
    end)

    it("SEC-22: methods of the other era are not there, and do nothing", function()
      for _, method in ipairs { "initialize", "ping", "logging/setLevel", "resources/subscribe",
        "resources/unsubscribe" } do
        local answer = ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
          ["Mcp-Method"] = method }, support.modern_body(1, method, {
          protocolVersion = "2025-11-25", capabilities = {}, level = "debug", uri = "a:b" })))
        assert.equal(404, answer.status, method)
        assert.equal(-32601, code_of(answer))
        assert.is_nil(answer.fields["mcp-session-id"])
      end
    end)

    it("SEC-23: a batch of both is refused as a whole", function()
      local sid = post({}, support.initialize_body(0, "2025-03-26")).fields["mcp-session-id"]
      for _, parts in ipairs { { calling(1, "dangerous"), support.call_body(2, "dangerous") },
        { support.call_body(2, "dangerous"), calling(1, "dangerous") } } do
        local answer = ask(support.legacy(sid, "[" .. table.concat(parts, ",") .. "]",
          { ["MCP-Protocol-Version"] = "2025-03-26" }))
        assert.equal(400, answer.status)
        assert.equal(-32600, code_of(answer))
      end
    end)

    it("SEC-24: initialize never comes to the stateless revision", function()
      local answer = post({}, support.initialize_body(0, support.MODERN))
      assert.equal("2025-11-25", answer.json.result.protocolVersion)
    end)

    it("SEC-25: what one request declares the next one has not", function()
      local client <close> = support.client(server)
      local fields = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
        ["Mcp-Name"] = "asks" }
      local declared = support.modern_body(1, "tools/call", { name = "asks" },
        { ["io.modelcontextprotocol/clientCapabilities"] = { roots = core.raw("{}", true) } })
      assert.equal("input_required", client:ask(support.request("POST", fields, declared))
        .json.result.resultType)
      assert.equal(-32021, code_of(client:ask(support.call(2, "asks"))))
    end)

    it("SEC-26: headers that are written twice or crookedly are no match", function()
      for _, name in ipairs { "Safe", "safe ", " safe", "\"safe\"", "safe,safe",
        "=?Base64?c2FmZQ==?=", "=?base64?c2FmZQ?=", "=?base64?c2FmZR==?=",
        "=?base64?c2Fm ZQ==?=", "=?base64?wK8=?=" } do
        local answer = call("safe", nil, { ["Mcp-Name"] = name })
        if name:match "^%s" or name:match "%s$" then
          -- Blanks around a value are not part of it (RFC 9110 5.5).
          assert.equal(200, answer.status, name)
        else
          assert.equal(400, answer.status, name)
          assert.equal(-32020, code_of(answer))
        end
      end
      local text = support.call(1, "safe"):gsub("Mcp%-Name: safe\r\n", "%0%0")
      assert.equal(-32020, code_of(ask(text)))
      text = support.call(1, "safe"):gsub("Mcp%-Method: [^\r]*\r\n", "%0%0")
      assert.equal(-32020, code_of(ask(text)))
    end)

    it("SEC-27: what a router reads is what is served", function()
      for _, fields in ipairs { { ["Mcp-Method"] = "tools/list" }, { ["Mcp-Name"] = "safe" },
        { ["Mcp-Name"] = false }, { ["Mcp-Method"] = false } } do
        local answer = call("dangerous", nil, fields)
        assert.equal(400, answer.status)
        assert.equal(-32020, code_of(answer))
      end
      assert.equal(200, call("tenant", { id = "a" }, { ["Mcp-Param-Tenant"] = "a" }).status)
      assert.equal(-32020, code_of(call("tenant", { id = "a" })))
      assert.equal(-32020, code_of(call("tenant", { id = "a" }, { ["Mcp-Param-Tenant"] = "b" })))
      assert.equal(-32020, code_of(call("tenant", {}, { ["Mcp-Param-Tenant"] = "a" })))
      local twice = support.call(1, "tenant", { id = "a" }, { ["Mcp-Param-Tenant"] = "a" })
        :gsub("Mcp%-Param%-Tenant: a\r\n", "%0%0")
      assert.equal(-32020, code_of(ask(twice)))
    end)

    it("SEC-28: what has the name of an encoding is that and nothing else", function()
      local function encoded(name) return ("=?base64?%s?="):format(core.base64(name)) end
      local function get(name, field)
        return ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
          ["Mcp-Method"] = "prompts/get", ["Mcp-Name"] = field },
          support.modern_body(1, "prompts/get", { name = name })))
      end
      local names = { ["=?base64?c2FmZQ==?="] = "literally", ["with blanks 😀"] = "blanks",
        safe = "safe" }
      for name, text in pairs(names) do
        local answer = get(name, encoded(name))
        assert.equal(200, answer.status)
        assert.equal(text, answer.json.result.messages[1].content.text)
      end
      -- Unencoded it says "safe", which is another.
      assert.equal(-32020, code_of(get("=?base64?c2FmZQ==?=", "=?base64?c2FmZQ==?=")))
      assert.equal(-32020, code_of(get("safe", encoded "=?base64?c2FmZQ==?=")))
    end)
  end)

  describe("to be taken for another client", function()
    it("SEC-40: a session's id is good as it is, and only so", function()
      local sid = open_session()
      local other = sid:gsub("%a", function(letter)
        return letter:lower() == letter and letter:upper() or letter:lower()
      end)
      local bodies = {}
      for _, id in ipairs { other, sid:sub(1, -2), sid .. "A", sid:reverse(), ("A"):rep(22),
        sid .. "," .. sid, ("A"):rep(8000) } do
        local answer = ask(support.legacy(id, calling(1, "dangerous")))
        assert.equal(404, answer.status)
        bodies[answer.body] = true
      end
      assert.is_nil(next(bodies, (next(bodies))))
      local twice = support.legacy(sid, calling(1, "dangerous"))
        :gsub("Mcp%-Session%-Id: [^\r]*\r\n", "%0%0")
      assert.equal(400, ask(twice).status)
    end)

    it("SEC-41: an event of another session, or of none, gives nothing away", function()
      local mine, theirs = open_session { roots = {} }, open_session { roots = {} }
      local client <close> = support.client(server)
      client:send(support.legacy(theirs, calling(1, "asks")))
      client:head()
      client:event()
      for _, id in ipairs { client.last_id, "x", "_1", client.last_id .. "0", ("9"):rep(5000),
        "../" .. client.last_id } do
        local answer = ask(support.request("GET", { Accept = "text/event-stream",
          ["Mcp-Session-Id"] = mine, ["Last-Event-ID"] = id }))
        assert.equal(400, answer.status, id:sub(1, 40))
      end
      client:close()
      ask(support.request("DELETE", { ["Mcp-Session-Id"] = theirs }))
    end)

    it("SEC-42: after DELETE there is nothing, and what ran is cancelled", function()
      local sid = open_session()
      local from = #server:told() + 1
      local running <close> = support.client(server)
      running:send(support.legacy(sid, calling(1, "sleep")))
      server:wait_said("began sleep\n", from)
      assert.equal(200, ask(support.request("DELETE", { ["Mcp-Session-Id"] = sid })).status)
      server:wait_said("closed sleep\n", from)
      assert.equal(404, ask(support.legacy(sid, calling(2, "safe"))).status)
      assert.equal(404, ask(support.request("DELETE", { ["Mcp-Session-Id"] = sid })).status)
      assert.equal(404, ask(support.request("GET", { ["Mcp-Session-Id"] = sid })).status)
    end)

    it("SEC-43: an answer to what was never asked, or asked elsewhere, resumes nothing", function()
      local asked, other = open_session { roots = {} }, open_session { roots = {} }
      local client <close> = support.client(server)
      client:send(support.legacy(asked, calling(1, "asks")))
      client:head()
      local id = client:event().id
      local function answer(sid, of, uri)
        return ask(support.legacy(sid, core.encode { jsonrpc = "2.0", id = of,
          result = { roots = { { uri = uri } } } })).status
      end
      assert.equal(202, answer(other, id, "file:///evil"))
      assert.equal(202, answer(asked, id + 1000, "file:///evil"))
      assert.equal(202, answer(asked, tostring(id + 1000), "file:///evil"))
      assert.equal(202, answer(asked, id, "file:///good"))
      assert.equal(202, answer(asked, id, "file:///late"))
      assert.equal("file:///good", client:event().result.content[1].text)
    end)

    it("SEC-44: nobody cancels what runs in another session", function()
      local mine, theirs = open_session(), open_session { roots = {} }
      local client <close> = support.client(server)
      client:send(support.legacy(theirs, calling(7, "asks")))
      client:head()
      local id = client:event().id
      assert.equal(202, ask(support.legacy(mine, '{"jsonrpc":"2.0",'
        .. '"method":"notifications/cancelled","params":{"requestId":7}}')).status)
      assert.equal(202, ask(support.legacy(theirs, core.encode { jsonrpc = "2.0", id = id,
        result = { roots = { { uri = "file:///on" } } } })).status)
      assert.equal("file:///on", client:event().result.content[1].text)
    end)

    it("SEC-45: whoever has not the address of an event stream gets nothing onto it", function()
      local stream <close> = support.client(server)
      stream:send(support.request("GET", { Accept = "text/event-stream" }))
      stream:head()
      local address = stream:chunk():match "data: ([^\n]*)"
      -- Root-relative: it cannot lead a client elsewhere.
      assert.matches("^/mcp/message%?session_id=[%w_-]+$", address)
      for _, target in ipairs { address:lower(), address .. "A", address:sub(1, -2) } do
        if target ~= address then
          assert.equal(404, ask(support.request("POST", nil, support.initialize_body(1), target))
            .status)
        end
      end
      assert.equal(202, ask(support.request("POST", nil, support.initialize_body(9), address))
        .status)
      assert.matches('"id":9,', stream:chunk(), 1, true)
    end)
  end)
end)

describe("attempts to take all there is", function()
  teardown(support.stop_all)

  it("SEC-09: many who only listen cost a bounded sum, and the others are served", function()
    server = support.http("limits = { connections = 300 }", { script = SCRIPT })
    local before, streams = server:rss(), {}
    for i = 1, 280 do
      local client = support.client(server)
      client:send(support.request("GET", { Accept = "text/event-stream" }))
      assert.equal(200, client:head().status)
      streams[i] = client
    end
    local grown = server:rss() - before
    assert.is_true(grown < math.max(support.ROOM, 280 * 8192), grown .. " bytes")
    assert.is_true(support.alive(server))
    -- At the limit further ones wait in the kernel's queue, until one goes.
    for i = 281, 300 do streams[i] = support.client(server) end
    local late <close> = support.client(server)
    late:send(support.call(1, "safe"))
    streams[1]:close()
    assert.equal(200, late:answer().status)
    for i = 2, 300 do streams[i]:close() end
  end)
end)
