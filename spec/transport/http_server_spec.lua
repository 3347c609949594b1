-- SPDX-License-Identifier: MIT
-- http_server_spec.lua: src/transport/http_server.c and http_connection.c over sockets:
-- connections, framing, limits and deadlines, clients that vanish, and the end of the server.
local support = require "spec.support"

local call, client_of = support.call, support.client

-- An echo call as a chunked body, cut into chunks of `size` bytes.
local function chunked(id, text, size)
  local body = support.call_body(id, "echo", { text = text })
  local out = { support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
    ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "echo", ["Content-Length"] = false,
    ["Content-Type"] = "application/json", ["Transfer-Encoding"] = "chunked" }) }
  for i = 1, #body, size do
    local piece = body:sub(i, i + size - 1)
    out[#out + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return table.concat(out) .. "0\r\n\r\n"
end

local function text_of(answer)
  assert(answer.json and answer.json.result, answer.body)
  return answer.json.result.content[1].text
end

describe("a connection", function()
  local server, before

  setup(function()
    server = support.http()
    assert.is_true(support.alive(server))
    before = server:fd_count()
  end)
  teardown(support.stop_all)
  after_each(function()
    assert.is_true(support.alive(server))
    server:wait_fd_count(before)
  end)

  it("carries 100 requests one after the other", function()
    local client <close> = client_of(server)
    for i = 1, 100 do assert.equal("n" .. i, client:call(i, "echo", { text = "n" .. i })) end
  end)

  it("answers 10 requests of one write in their order (RFC 9112 9.3.2, SEC-10)", function()
    local client <close> = client_of(server)
    local all = {}
    for i = 1, 10 do all[i] = call(i, "echo", { text = "n" .. i }) end
    client:send(table.concat(all))
    for i = 1, 10 do
      local answer = client:answer()
      assert.equal(i, answer.json.id)
      assert.equal("n" .. i, text_of(answer))
    end
  end)

  it("answers 10 requests of one write in their order although handlers wait", function()
    local client <close> = client_of(server)
    local all = {}
    for i = 1, 10 do
      -- The later, the shorter.
      all[i] = call(i, "sleep", { seconds = (10 - i) / 1000, name = "n" .. i })
    end
    client:send(table.concat(all))
    for i = 1, 10 do
      local answer = client:answer()
      assert.equal(i, answer.json.id)
      assert.equal("slept n" .. i, text_of(answer))
    end
  end)

  it("keeps streams, refusals and plain answers of one write in order", function()
    local client <close> = client_of(server)
    client:send(call(1, "sleep", { seconds = 0.01 }) .. call(2, "steps", { count = 2 })
      .. support.request("PUT") .. support.request("HEAD") .. call(3, "steps", { count = 0 })
      .. support.request("OPTIONS") .. call(4, "echo", { text = "last" }))
    assert.equal(1, client:answer().json.id)
    local stream = client:answer()
    assert.equal(3, #stream.events)
    assert.equal(2, stream.events[3].id)
    assert.equal(405, client:answer().status)
    assert.equal(405, client:answer(true).status)
    assert.equal(3, client:answer().json.id)
    assert.equal(204, client:answer().status)
    assert.equal("last", text_of(client:answer()))
  end)

  it("takes more pipelined bytes than it keeps while a handler waits", function()
    local client <close> = client_of(server)
    local text, all = ("x"):rep(2000), { call(0, "sleep", { seconds = 0.05 }) }
    for i = 1, 200 do all[i + 1] = call(i, "echo", { text = text }) end
    local bytes = table.concat(all)
    assert.is_true(#bytes > 4 * 65536)
    client.buffer = client.socket:exchange(bytes)
    for i = 0, 200 do assert.equal(i, client:answer().json.id) end
  end)

  it("reads chunked bodies, whatever the chunks (RFC 9112 7.1)", function()
    local client <close> = client_of(server)
    for _, size in ipairs { 1, 7, 100, 100000 } do
      client:send(chunked(1, "in chunks of " .. size, size))
      assert.equal("in chunks of " .. size, text_of(client:answer()))
    end
    local big = ("x"):rep(300000)
    client:send(chunked(2, big, 5000))
    assert.is_true(text_of(client:answer()) == big)
  end)

  it("reads requests that come byte by byte", function()
    local client <close> = client_of(server)
    for _, bytes in ipairs { call(1, "echo", { text = "slow" }), chunked(2, "slow", 9) } do
      for i = 1, #bytes do assert(client:send(bytes:sub(i, i))) end
      assert.equal("slow", text_of(client:answer()))
    end
  end)

  it("reads a request cut anywhere", function()
    local client <close> = client_of(server)
    local bytes = call(1, "echo", { text = "cut" })
    local head_end = select(2, bytes:find("\r\n\r\n", 1, true))
    for cut = head_end - 8, head_end + 8 do
      client:send(bytes:sub(1, cut))
      client:send(bytes:sub(cut + 1) .. bytes:sub(1, cut))
      assert.equal("cut", text_of(client:answer()))
      client:send(bytes:sub(cut + 1))
      assert.equal("cut", text_of(client:answer()))
    end
  end)

  it("reads a body of many pieces, to the limit", function()
    local client <close> = client_of(server)
    local text = ("x"):rep((4 << 20) - 400)
    assert.is_true(client:call(1, "echo", { text = text }) == text)
    assert.equal("after", client:call(2, "echo", { text = "after" }))
  end)

  it("says 100 Continue before the body is sent (RFC 9110 10.1.1)", function()
    local client <close> = client_of(server)
    local bytes = call(1, "echo", { text = "waited" }, { Expect = "100-continue" })
    local head_end = select(2, bytes:find("\r\n\r\n", 1, true))
    client:send(bytes:sub(1, head_end))
    client:take "^HTTP/1.1 100 Continue\r\n\r\n"
    client:send(bytes:sub(head_end + 1))
    assert.equal("waited", text_of(client:answer()))
  end)

  it("does not invite a body that it will refuse", function()
    local client <close> = client_of(server)
    client:send(support.request("POST", { Expect = "100-continue", ["Content-Length"] = "5000000",
      ["Content-Type"] = "application/json" }))
    assert.equal(413, client:answer().status)
  end)

  it("closes after an HTTP/1.0 request, unless asked to stay (RFC 9112 9.3)", function()
    local bytes = call(1, "echo", { text = "old" }):gsub("HTTP/1.1", "HTTP/1.0")
    local once <close> = client_of(server)
    local answer = once:ask(bytes)
    assert.equal("old", text_of(answer))
    assert.equal("close", answer.fields.connection)
    assert.equal("", (once:rest()))
    local stays <close> = client_of(server)
    for _ = 1, 3 do
      answer = stays:ask((bytes:gsub("\r\n", "\r\nConnection: keep-alive\r\n", 1)))
      assert.equal("old", text_of(answer))
      assert.equal("keep-alive", answer.fields.connection)
    end
  end)

  it("closes when the client says so (RFC 9112 9.6)", function()
    local client <close> = client_of(server)
    local answer = client:ask(call(1, "echo", { text = "bye" }, { Connection = "close" }))
    assert.equal("bye", text_of(answer))
    assert.equal("close", answer.fields.connection)
    assert.equal("", (client:rest()))
  end)

  it("answers bad JSON with 400 and -32700, and goes on (HM-73)", function()
    local client <close> = client_of(server)
    local ping = support.call_body(1, "echo", { text = "x" })
    for name, body in pairs {
      empty = "", ["UTF-16"] = ("\xff\xfe" .. ping:gsub(".", "%0\0")),
      ["UTF-16 without mark"] = ping:gsub(".", "\0%0"), BOM = "\xef\xbb\xbf" .. ping,
      ["bad UTF-8"] = ping:gsub('"x"', '"\xff"'), ["depth"] = ("["):rep(100000),
      ["depth, closed"] = ("["):rep(100000) .. ("]"):rep(100000),
      ["objects"] = ('{"a":'):rep(50000), ["duplicate key"] = '{"jsonrpc":"2.0","id":1,"id":2}',
      ["duplicate method"] = ping:gsub('"method":"tools/call"', "%0,%0"),
      ["two values"] = ping .. ping, rubbish = "rubbish", cut = ping:sub(1, -2),
      ["NUL behind"] = ping .. "\0", ["spaces"] = (" "):rep(1000),
    } do
      local answer = client:ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
        ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "echo" }, body))
      assert.equal(400, answer.status, name)
      assert.equal(-32700, answer.json.error.code, name)
      -- The id of its request wherever that can be read.
      local readable = name == "BOM" or name == "bad UTF-8" or name == "two values"
        or name == "cut" or name == "NUL behind" or name == "duplicate method"
      assert.equal(readable and 1 or require("mcp.core").null, answer.json.id, name)
    end
    assert.equal("lives", client:call(2, "echo", { text = "lives" }))
  end)

  it("answers what is no JSON-RPC with 400 and -32600, the id if it has one", function()
    local client <close> = client_of(server)
    for body, id in pairs { ["{}"] = false, ["5"] = false, ['"x"'] = false, ["null"] = false,
      ['{"jsonrpc":"1.0","id":7,"method":"ping"}'] = 7, ['{"jsonrpc":"2.0","id":8}'] = 8,
      ['{"jsonrpc":"2.0","id":9,"method":5}'] = 9,
      ['{"jsonrpc":"2.0","id":{},"method":"ping"}'] = false } do
      local answer = client:ask(support.request("POST", nil, body))
      assert.equal(400, answer.status, body)
      assert.equal(-32600, answer.json.error.code, body)
      assert.equal(id or require("mcp.core").null, answer.json.id, body)
    end
  end)

  it("refuses two lengths, and what else reads in two ways (RFC 9112 6.3, SEC-05)", function()
    local body = support.call_body(1, "echo", { text = "x" })
    for _, fields in ipairs {
      { ["Content-Length"] = #body .. "\r\nContent-Length: " .. #body },
      { ["Content-Length"] = #body .. "\r\nContent-Length: 0" },
      { ["Content-Length"] = #body .. ", " .. #body }, { ["Content-Length"] = "+" .. #body },
      { ["Content-Length"] = "-1" }, { ["Content-Length"] = "99999999999999999999" },
      { ["Content-Length"] = "0x10" },
      { ["Transfer-Encoding"] = "chunked" }, -- beside Content-Length
      { ["Transfer-Encoding"] = "gzip, chunked", ["Content-Length"] = false },
      { ["Transfer-Encoding"] = "chunked\r\nTransfer-Encoding: chunked",
        ["Content-Length"] = false },
      { ["Content-Length "] = tostring(#body), ["Content-Length"] = false },
      { ["X"] = "a\r\n folded" }, { ["X"] = "a\0b" },
    } do
      local client <close> = client_of(server)
      local answer = client:ask(support.request("POST", fields, body))
      assert.equal(400, answer.status)
      assert.equal("close", answer.fields.connection)
      client.socket:shutdown_write()
      assert.equal("", (client:rest()))
    end
  end)

  it("refuses lines that are no request", function()
    for line, status in pairs {
      ["rubbish\r\n\r\n"] = 400,
      ["\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a TLS hello\r\n\r\n"] = 400,
      ["GET /mcp\r\n\r\n"] = 400, ["GET /mcp HTTP/2.0\r\nHost: localhost\r\n\r\n"] = 505,
      ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] = 505, ["CONNECT localhost:1 HTTP/1.1\r\n\r\n"] = 400,
      ["GET  /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"] = 400,
      ["\r\n\r\n\r\n\r\nGET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"] = 400,
      ["GET mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"] = 400,
      ["{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\r\n\r\n"] = 400,
    } do
      local client <close> = client_of(server)
      client:send(line)
      local answer = client:answer()
      assert.equal(status, answer.status, line)
      assert.equal("close", answer.fields.connection)
    end
  end)

  it("refuses long targets with 414 and long heads with 431", function()
    for target, status in pairs { ["/" .. ("x"):rep(8200)] = 414, ["/" .. ("x"):rep(8000)] = 404,
      ["/mcp?" .. ("x"):rep(1 << 20)] = 414 } do
      local client <close> = client_of(server)
      client:send(support.request("OPTIONS", nil, nil, target))
      assert.equal(status, client:answer().status)
    end
    local many = { X = "1" .. ("\r\nY: 1"):rep(200) }
    for _, fields in ipairs { { X = ("x"):rep(1 << 20) }, { X = ("x"):rep(33000) }, many } do
      local client <close> = client_of(server)
      client:send(support.request("OPTIONS", fields))
      assert.equal(431, client:answer().status)
    end
  end)

  it("says 413 to a client that is still sending (HL-08, RFC 9110 15.5.14)", function()
    local size = 10 << 20
    local client <close> = client_of(server)
    local bytes = support.request("POST", { ["Content-Length"] = tostring(size),
      ["Content-Type"] = "application/json" }) .. ("x"):rep(size)
    client.socket:exchange(bytes:sub(1, 1 << 16))
    assert.equal(#bytes - (1 << 16), (client:send(bytes:sub((1 << 16) + 1))))
    local answer = client:answer()
    assert.equal(413, answer.status)
    assert.equal("close", answer.fields.connection)
  end)

  it("counts a body of unknown length while it reads it (HL-08, SEC-03)", function()
    local client <close> = client_of(server)
    local bytes = chunked(1, ("x"):rep(5 << 20), 65536)
    assert.equal(#bytes, (client:send(bytes)))
    assert.equal(413, client:answer().status)
  end)

  it("does not answer what was half sent, and forgets it", function()
    local bytes = call(1, "echo", { text = "never" })
    for _, cut in ipairs { 0, 1, 20, #bytes // 2, #bytes - 1 } do
      local client <close> = client_of(server)
      client:send(bytes:sub(1, cut))
      client.socket:shutdown_write()
      assert.equal("", (client:rest()))
    end
  end)

  it("is forgotten with all it held: 200 times", function()
    local bytes = call(1, "echo", { text = "x" })
    for i = 1, 200 do
      local client <close> = client_of(server)
      if i % 4 == 1 then client:ask(bytes) end
      if i % 4 == 2 then client:send(bytes:sub(1, i)) end
      if i % 4 == 3 then
        client:send(bytes)
        client.socket:reset()
      end
    end
    assert.is_true(support.alive(server))
    server:wait_fd_count(before)
  end)

  it("does not matter to others", function()
    local quiet <close> = client_of(server)
    local slow <close> = client_of(server)
    slow:send(call(1, "sleep", { seconds = 0.2 }))
    assert.equal("slept sleep", (function()
      for i = 1, 50 do quiet:call(i, "echo", { text = "x" }) end
      return text_of(slow:answer())
    end)())
  end)
end)

describe("a client that vanishes", function()
  local server, before
  before_each(function()
    server = support.http()
    assert.is_true(support.alive(server))
    before = server:fd_count()
  end)
  after_each(function()
    assert.is_true(support.alive(server))
    server:wait_fd_count(before)
    assert.is_nil(server:told():find("error", 1, true))
    support.stop_all()
  end)

  for _, way in ipairs { "close", "reset", "shutdown_write" } do
    it("by " .. way .. " cancels its handler in 2026-07-28 (HM-70)", function()
      local client <close> = client_of(server)
      client:send(call(1, "sleep", { seconds = 60 }))
      server:wait_said "began sleep\n"
      client.socket[way](client.socket)
      server:wait_said "woke sleep ECANCELED cancelled=true\nclosed sleep\n"
    end)

    it("by " .. way .. " cancels a stream of 2026-07-28 (HM-70)", function()
      local client <close> = client_of(server)
      client:send(call(1, "steps", { count = 1000000, delay = 0.001 }))
      client:head()
      client:event()
      client.socket[way](client.socket)
      server:wait_said "steps ended at %d+: %u+\nclosed steps\n"
    end)

    it("by " .. way .. " does not cancel a handler of a session (HL-27)", function()
      local client <close> = client_of(server)
      local sid = client:initialize()
      client:send(support.legacy(sid, support.legacy_body(1, "tools/call",
        { name = "sleep", arguments = { seconds = 0.3 } })))
      server:wait_said "began sleep\n"
      client.socket[way](client.socket)
      server:wait_fd_count(before)
      assert.is_nil(server:told():find "woke")
      server:wait_said "woke sleep whole cancelled=false\nclosed sleep\n"
    end)
  end

  it("ends a handler that does not listen, at its second wait", function()
    local client <close> = client_of(server)
    client:send(call(1, "stubborn"))
    server:wait_said "began stubborn\n"
    client:close()
    server:wait_said "closed stubborn\n"
  end)

  it("leaves its session's handler within reach of notifications/cancelled (HL-27)", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    client:send(support.legacy(sid, support.legacy_body(7, "tools/call",
      { name = "sleep", arguments = { seconds = 60 } })))
    server:wait_said "began sleep\n"
    client:close()
    server:wait_fd_count(before)
    local other <close> = client_of(server)
    assert.equal(202, other:ask(support.legacy(sid, '{"jsonrpc":"2.0",'
      .. '"method":"notifications/cancelled","params":{"requestId":7}}')).status)
    server:wait_said "woke sleep ECANCELED cancelled=true\nclosed sleep\n"
  end)

  it("leaves no handler of a session behind that waits for it to read", function()
    local client <close> = client_of(server, 4096)
    local sid = client:initialize()
    client:send(support.legacy(sid, support.legacy_body(7, "tools/call", { name = "steps",
      arguments = { count = 20000, size = 1000 }, _meta = { progressToken = 1 } })))
    server:wait_said "began steps\n"
    client:head()
    -- Others are served: it has filled what the system keeps, and waits.
    for _ = 1, 20 do support.alive(server) end
    assert.is_nil(server:told():find "ended")
    assert.is_nil(server:told():find "closed steps")
    client.socket:reset()
    -- It goes on, for the client may come back for the rest; but it waits no more.
    server:wait_said "closed steps\n"
  end)

  it("costs nothing, 100 times in the middle of an answer", function()
    for i = 1, 100 do
      local client <close> = client_of(server, 4096)
      client:send(call(i, i % 2 == 0 and "steps" or "echo",
        i % 2 == 0 and { count = 1000, size = 1000 } or { text = ("x"):rep(300000) }))
      client:take_bytes(100)
      if i % 3 == 0 then client.socket:reset() end
    end
  end)
end)

describe("a deadline", function()
  after_each(support.stop_all)

  it("ends slow heads, slow bodies and idle connections (SEC-03)", function()
    local server = support.http [[limits = { head_timeout = 0.5, body_timeout = 0.5,
      idle_timeout = 0.5 }]]
    local before = server:fd_count()
    local bytes = call(1, "echo", { text = "x" })
    local silent <close> = client_of(server)
    local head <close> = client_of(server)
    local body <close> = client_of(server)
    local idle <close> = client_of(server)
    local second <close> = client_of(server)
    local refused <close> = client_of(server)
    head:send(bytes:sub(1, 20))
    body:send(bytes:sub(1, -2))
    assert.equal(200, idle:ask(bytes).status)
    second:send(bytes .. bytes:sub(1, 20))
    assert.equal(200, second:answer().status)
    refused:send(support.request("PUT") .. bytes:sub(1, 20))
    assert.equal(405, refused:answer().status)
    for name, client in pairs { head = head, body = body, second = second, refused = refused } do
      local answer = client:answer()
      assert.equal(408, answer.status, name)
      assert.equal("close", answer.fields.connection)
    end
    assert.equal("", (silent:rest()))
    assert.equal("", (idle:rest()))
    server:wait_fd_count(before)
    assert.is_true(support.alive(server))
  end)

  it("of a head is not moved by bytes that trickle in", function()
    local server = support.http "limits = { head_timeout = 1 }"
    local client <close> = client_of(server)
    local bytes, from = call(1, "echo", { text = "x" }), support.system.now()
    for i = 1, #bytes do
      client:send(bytes:sub(i, i))
      if client:more(0.05) then break end
    end
    assert.equal(408, client:answer().status)
    assert.is_true(support.system.now() - from < 3)
  end)

  it("is the least rate of a body: 240 bytes a second after five seconds", function()
    local server = support.http()
    local slow <close> = client_of(server)
    local fast <close> = client_of(server)
    local text = ("x"):rep(1500)
    local bytes = call(1, "echo", { text = text })
    local head, body = bytes:match "^(.-\r\n\r\n)(.*)$"
    slow:send(head .. body:sub(1, 10))
    fast:send(head)
    -- Both send a byte now and then; one of them has sent enough before.
    local from, sent, refused = support.system.now(), 0, nil
    while support.system.now() - from < 8 and not refused do
      sent = sent + 1
      slow:send(body:sub(10 + sent, 10 + sent))
      fast:send(sent == 1 and body:sub(1, 1000) or body:sub(999 + sent, 999 + sent))
      refused = slow:more(0.2)
    end
    assert.is_truthy(refused, "it was not refused in 8 s")
    assert.is_true(support.system.now() - from > 4.5, "before its grace was over")
    assert.equal(408, slow:answer().status)
    fast:send(body:sub(1000 + sent))
    assert.equal(text, text_of(fast:answer()))
  end)

  it("ends a refused client that goes on sending, two seconds after its answer", function()
    local server = support.http()
    local client <close> = client_of(server)
    local from = support.system.now()
    client:send(support.request("POST", { ["Content-Type"] = "application/json",
      ["Content-Length"] = tostring(1 << 30) }))
    assert.equal(413, client:answer().status)
    local sent = true
    while sent and support.system.now() - from < 8 do
      sent = client:send "x"
      local _, why = client:more(0.1)
      if why ~= "timeout" then break end
    end
    local took = support.system.now() - from
    assert.is_true(took > 1.8 and took < 6, took)
    assert.is_true(support.alive(server))
  end)

  it("of a head begins when the request before it was refused", function()
    local server = support.http "limits = { head_timeout = 0.5, idle_timeout = 60 }"
    local client <close> = client_of(server)
    local bytes = call(1, "echo", { text = "x" })
    -- The end of one and the beginning of the next come in one piece.
    client:send(support.request("PUT"):sub(1, -2))
    assert.is_nil((client:more(0.01)))
    client:send("\n" .. bytes:sub(1, 20))
    assert.equal(405, client:answer().status)
    assert.equal(408, client:answer().status)
  end)

  it("of an idle connection begins when its answer has been read", function()
    local server = support.http "limits = { idle_timeout = 0.5 }"
    local client <close> = client_of(server, 4096)
    local text, from = ("x"):rep(3 << 20), support.system.now()
    client:send(call(1, "echo", { text = text }))
    local size = 0
    -- Reads so slowly that the sweep comes by three times.
    while support.system.now() - from < 3.2 do
      size = size + #assert(client.socket:receive())
      server.process:read_error(0.1)
    end
    assert.is_true(size < #text, "it was not slow")
    while size < #text do size = size + #assert(client.socket:receive()) end
  end)

  it("does not end a connection whose handler works", function()
    local server = support.http [[limits = { head_timeout = 0.5, body_timeout = 0.5,
      idle_timeout = 0.5 }]]
    local client <close> = client_of(server)
    assert.equal("slept sleep", client:call(1, "sleep", { seconds = 1.6 }))
  end)

  it("ends the connection of a client that stopped reading", function()
    local server = support.http "limits = { stall_timeout = 1 }"
    local before = server:fd_count()
    local client <close> = client_of(server, 4096)
    client:send(call(1, "steps", { count = 100000, size = 1000 }))
    server:wait_said "steps ended at %d+: ECANCELED\nclosed steps\n"
    server:wait_fd_count(before)
    assert.is_true(support.alive(server))
  end)
end)

describe("SIGTERM", function()
  local server
  before_each(function() server = support.http() end)
  after_each(support.stop_all)

  it("ends an idle server at once, with status 0", function()
    local idle <close> = client_of(server)
    local half <close> = client_of(server)
    local fresh <close> = client_of(server)
    idle:call(1, "echo", { text = "x" })
    half:send(call(1, "echo", { text = "x" }):sub(1, 30))
    server.process:kill()
    assert.same({ "exit", 0 }, { server:wait_end(1) })
    for _, client in ipairs { idle, half, fresh } do assert.equal("", (client:rest())) end
  end)

  it("lets calls of both eras finish, ends streams, takes nothing new", function()
    local idle <close> = client_of(server)
    local modern <close> = client_of(server)
    local stream <close> = client_of(server)
    local legacy <close> = client_of(server)
    local listener <close> = client_of(server)
    local sid = legacy:initialize()
    idle:call(1, "echo", { text = "x" })
    listener:send(support.request("GET", { ["Mcp-Session-Id"] = sid }))
    assert.equal(200, listener:head().status)
    -- What stands behind a call under way is new, too.
    modern:send(call(1, "sleep", { seconds = 0.5, name = "modern" })
      .. call(2, "echo", { text = "never" }))
    legacy:send(support.legacy(sid, support.legacy_body(3, "tools/call",
      { name = "sleep", arguments = { seconds = 0.5, name = "legacy" } })))
    stream:send(call(4, "steps", { count = 50, delay = 0.01 }))
    stream:head()
    stream:event()
    server:wait_said "began legacy"
    server.process:kill()
    assert.is_nil(listener:event()) -- the last chunk
    assert.equal("", (listener:rest()))
    assert.equal("", (idle:rest()))
    assert.same({ nil, "refused" }, { support.system.connect("127.0.0.1", server.port) })
    local count, last = 1, nil
    for event in function() return (stream:event()) end do
      count, last = count + 1, event
    end
    assert.equal(51, count)
    assert.equal("done", last.result.content[1].text)
    assert.equal("", (stream:rest()))
    for name, client in pairs { modern = modern, legacy = legacy } do
      local answer = client:answer()
      assert.equal("slept " .. name, text_of(answer))
      assert.equal("close", answer.fields.connection)
      assert.equal("", (client:rest()))
    end
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)

  it("answers what arrives on idle connections where others serve the address", function()
    local shared = support.http "workers = 2"
    local busy <close> = client_of(shared)
    local idle <close> = client_of(shared)
    busy:call(1, "echo", { text = "x" })
    idle:call(1, "echo", { text = "x" })
    shared.process:kill()
    for _ = 1, 1000 do
      local client = support.system.connect("127.0.0.1", shared.port)
      if not client then break end
      client:close()
    end
    busy:send(call(2, "echo", { text = "late" }))
    local answer = busy:answer()
    assert.equal("late", text_of(answer))
    assert.equal("close", answer.fields.connection)
    assert.equal("", (busy:rest()))
    assert.equal("", (idle:rest()))
    assert.same({ "exit", 0 }, { shared:wait_end(1) })
  end)

  it("for the second time ends at once; handlers are closed", function()
    local client <close> = client_of(server)
    client:send(call(1, "sleep", { seconds = 60 }))
    local old <close> = client_of(server)
    local sid = old:initialize()
    old:send(support.legacy(sid, support.legacy_body(3, "tools/call",
      { name = "stubborn", arguments = {} })))
    server:wait_said "began stubborn\n"
    server.process:kill()
    assert.equal("timeout", select(2, server:wait_end(0.3)))
    server.process:kill()
    assert.same({ "exit", 0 }, { server:wait_end(1) })
    server:wait_said "woke sleep ECANCELED cancelled=true\nclosed sleep\n"
    server:wait_said "closed stubborn\n"
  end)

  it("for the second time ends at once although nobody reads", function()
    local client <close> = client_of(server, 4096)
    client:send(call(1, "steps", { count = 100000, size = 1000 }))
    server:wait_said "began steps\n"
    server.process:kill()
    assert.equal("timeout", select(2, server:wait_end(0.3)))
    server.process:kill()
    assert.same({ "exit", 0 }, { server:wait_end(1) })
    server:wait_said "closed steps\n"
  end)

  it("is obeyed as SIGINT is", function()
    assert.is_true(support.alive(server))
    server.process:kill "INT"
    assert.same({ "exit", 0 }, { server:wait_end(1) })
  end)
end)
