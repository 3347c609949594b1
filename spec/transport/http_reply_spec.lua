-- SPDX-License-Identifier: MIT
-- http_reply_spec.lua: src/transport/http_reply.c over sockets: answers and event streams, their
-- framing, heartbeats, the stream of a session, and readers that do not read. Rules HL-11, HL-12,
-- HL-20, HL-29 to HL-36, HM-08, HM-63 to HM-67.
local support = require "spec.support"

local call, client_of = support.call, support.client

local function get(sid, fields)
  local all = { ["Mcp-Session-Id"] = sid, Accept = "text/event-stream" }
  for name, value in pairs(fields or {}) do all[name] = value end
  return support.request("GET", all)
end

local function delete(sid) return support.request("DELETE", { ["Mcp-Session-Id"] = sid }) end

describe("an answer", function()
  local server
  setup(function() server = support.http() end)
  teardown(support.stop_all)

  it("is one JSON object, in one piece, when it comes first (HM-08, HM-68)", function()
    local client <close> = client_of(server)
    client:send(call(1, "echo", { text = "x" }))
    local bytes = assert(client.socket:receive())
    local head, body = bytes:match "^(HTTP/1.1 200 OK\r\n.-\r\n)\r\n(.*)$"
    assert.is_truthy(head:find("\r\nContent-Type: application/json\r\n", 1, true))
    assert.is_truthy(head:find(("\r\nContent-Length: %d\r\n"):format(#body), 1, true))
    assert.is_nil(head:find("chunked", 1, true))
    assert.equal("x", require("mcp.core").decode(body).result.content[1].text)
  end)

  it("echoes its id as it stood there (HM-73)", function()
    local client <close> = client_of(server)
    for _, id in ipairs { "1", "-0", "9007199254740991", '""', '"\\u0041\\n"', '"' .. ("x"):rep(126)
      .. '"' } do
      local body = support.call_body(1, "echo", { text = "x" }):gsub('"id":1', function()
        return '"id":' .. id
      end)
      client:send(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
        ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "echo" }, body))
      local answer = client:answer()
      assert.is_truthy(answer.body:find('"id":' .. id .. ",", 1, true), answer.body)
    end
  end)

  it("of a notification is 202 without a body (HL-11, HM-07)", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    for _, text in ipairs {
      support.legacy(sid, '{"jsonrpc":"2.0","method":"notifications/unheard-of"}'),
      support.legacy(sid, '{"jsonrpc":"2.0","id":99,"result":{}}'),
      support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN },
        '{"jsonrpc":"2.0","method":"notifications/cancelled"}'),
    } do
      local answer = client:ask(text)
      assert.equal(202, answer.status)
      assert.equal("0", answer.fields["content-length"])
      assert.is_nil(answer.fields["content-type"])
    end
  end)

  it("becomes a stream at the first notice (HL-12, HL-20, HL-29, HM-64, T-21)", function()
    local client <close> = client_of(server)
    client:send(call("t", "steps", { count = 3 }))
    local head = client:head()
    assert.equal(200, head.status)
    assert.equal("text/event-stream", head.fields["content-type"])
    assert.equal("no-cache, no-transform", head.fields["cache-control"])
    assert.equal("no", head.fields["x-accel-buffering"])
    assert.equal("chunked", head.fields["transfer-encoding"])
    assert.is_nil(head.fields["content-length"])
    for i = 1, 3 do
      local event = client:event()
      assert.equal("notifications/progress", event.method)
      assert.same({ progressToken = "t", progress = i, total = 3 }, event.params)
    end
    assert.equal("done", client:event().result.content[1].text)
    assert.is_nil(client:event())
    assert.equal("after", client:call(2, "echo", { text = "after" }))
  end)

  it("is a stream to a notice's size, and back, without mixing up", function()
    local client <close> = client_of(server)
    for i = 1, 20 do
      client:send(call(i, "steps", { count = i % 3, size = i * 1000 }))
      local answer = client:answer()
      local last = answer.json or answer.events[#answer.events]
      assert.equal(i, last.id)
      if answer.events then
        assert.equal(i % 3 + 1, #answer.events)
        assert.equal(i * 1000, #answer.events[1].params.message)
      end
    end
  end)

  it("streams to HTTP/1.0 without chunks, until the connection ends (RFC 9112 7.1)", function()
    local client <close> = client_of(server)
    client:send((call(1, "steps", { count = 2 }):gsub("HTTP/1.1\r\n",
      "HTTP/1.0\r\nConnection: keep-alive\r\n")))
    local head = client:head()
    assert.equal("text/event-stream", head.fields["content-type"])
    assert.is_nil(head.fields["transfer-encoding"])
    assert.equal("close", head.fields.connection)
    local events = {}
    for data in client:rest():gmatch "event: message\ndata: ([^\n]*)\n\n" do
      events[#events + 1] = require("mcp.core").decode(data)
    end
    assert.equal(3, #events)
    assert.equal("done", events[3].result.content[1].text)
  end)

  it("that is large arrives whole, again and again", function()
    local client <close> = client_of(server)
    local text = ("0123456789abcdef"):rep(1 << 16)
    for i = 1, 5 do assert.is_true(client:call(i, "echo", { text = text }) == text) end
  end)

  it("gives its memory back", function()
    local client <close> = client_of(server)
    client:call(1, "memory")
    local before = tonumber(client:call(2, "memory"))
    for i = 1, 20 do
      client:ask(call(i, "steps", { count = 100, size = 1000 }))
      client:call(i, "echo", { text = ("x"):rep(100000) })
    end
    client:call(3, "memory")
    local after = tonumber(client:call(4, "memory"))
    assert.is_true(after < before + 65536, ("%d, then %d"):format(before, after))
  end)
end)

describe("the stream of a session", function()
  local server
  before_each(function() server = support.http "limits = { heartbeat = 1 }" end)
  after_each(function()
    assert.is_true(support.alive(server))
    assert.is_nil(server:told():find("error", 1, true))
    support.stop_all()
  end)

  it("opens with a head at once; a second one is refused (HL-31, HL-36)", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    local stream <close> = client_of(server)
    stream:send(get(sid))
    assert.equal("text/event-stream", stream:head().fields["content-type"])
    local answer = client:ask(get(sid))
    assert.equal(409, answer.status)
    -- That changed nothing.
    assert.equal(409, client:ask(get(sid)).status)
    assert.same({ nil, "timeout" }, { stream.socket:receive(0) })
  end)

  it("may be closed by the client, and opened again when it is gone (HL-38)", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    for _ = 1, 5 do
      local before = server:fd_count()
      local stream <close> = client_of(server)
      stream:send(get(sid))
      assert.equal(200, stream:head().status)
      stream.socket:reset()
      server:wait_fd_count(before)
    end
  end)

  it("ends with its session; its connection stays (HL-01, HL-38, HL-54, HL-57)", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    local stream <close> = client_of(server)
    stream:send(get(sid))
    assert.equal(200, stream:head().status)
    assert.equal(200, client:ask(delete(sid)).status)
    assert.is_nil(stream:event())
    assert.equal("x", stream:call(1, "echo", { text = "x" }))
    for _, text in ipairs { get(sid), delete(sid),
      support.legacy(sid, support.legacy_body(1, "ping")) } do
      assert.equal(404, client:ask(text).status)
    end
  end)

  it("does not make its connection an idle listener for ever after", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    local stream <close> = client_of(server)
    stream:send(get(sid))
    stream:head()
    client:ask(delete(sid))
    assert.is_nil(stream:event())
    -- SIGTERM lets the call finish, as it would on any other connection.
    stream:send(call(1, "sleep", { seconds = 0.2 }))
    server:wait_said "began sleep"
    server.process:kill()
    assert.equal("slept sleep", stream:answer().json.result.content[1].text)
    assert.same({ "exit", 0 }, { server:wait_end() })
    server = support.http()
  end)

  it("carries heartbeats while nothing else is sent, as does any other (HL-29, HM-65)", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    local stream <close> = client_of(server)
    local working <close> = client_of(server)
    stream:send(get(sid))
    working:send(call(1, "steps", { count = 1, delay = 2.5 }))
    stream:head()
    working:head()
    assert.equal(1, working:event().params.progress)
    for _, one in ipairs { stream, working } do
      local kind, text = one:event()
      assert.equal("comment", kind)
      assert.is_truthy(text:find "^:[^\n]*\n$")
    end
    local event
    repeat event = working:event() until event ~= "comment"
    assert.equal("done", event.result.content[1].text)
    assert.is_nil(working:event())
  end)

  it("wants a session, and one that lives (HL-53, HL-54)", function()
    local client <close> = client_of(server)
    assert.equal(400, client:ask(get(nil, { ["Last-Event-ID"] = "1" })).status)
    assert.equal(404, client:ask(get "AAAAAAAAAAAAAAAAAAAAAA").status)
    assert.equal(400, client:ask(support.request("DELETE")).status)
    assert.equal(404, client:ask(delete "AAAAAAAAAAAAAAAAAAAAAA").status)
  end)

  it("is cancelled with the call that is under way when its session ends", function()
    local client <close> = client_of(server)
    local sid = client:initialize()
    local other <close> = client_of(server)
    other:send(support.legacy(sid, support.legacy_body(1, "tools/call",
      { name = "sleep", arguments = { seconds = 60 } })))
    server:wait_said "began sleep\n"
    assert.equal(200, client:ask(delete(sid)).status)
    server:wait_said "woke sleep ECANCELED cancelled=true\nclosed sleep\n"
    other:answer()
  end)
end)

describe("a reader that does not read", function()
  local server
  before_each(function() server = support.http() end)
  after_each(support.stop_all)

  it("suspends the handler; others are served; then it gets all, in order", function()
    assert.is_true(support.alive(server))
    local before = server:rss()
    local count = 100000
    local slow <close> = client_of(server, 4096)
    slow:send(call(1, "steps", { count = count }))
    server:wait_said "began steps\n"
    local other <close> = client_of(server)
    for i = 1, 200 do assert.equal("x", other:call(i, "echo", { text = "x" })) end
    local grown = server:rss() - before
    assert.is_true(grown < support.ROOM, ("grew by %d bytes"):format(grown))
    assert.equal(200, slow:head().status)
    local next_one = 1
    local pattern = 'event: message\ndata: [^\n]-"progress":(%d+)[^\n]*\n\n\r\n()'
    local deadline = support.system.now() + 20
    -- Not by slow:event(): it would copy the buffer for every one of them.
    while next_one <= count and support.system.now() < deadline do
      local last = 1
      local rest = slow.buffer .. assert(slow.socket:receive())
      slow.buffer = ""
      for progress, to in rest:gmatch(pattern) do
        if tonumber(progress) ~= next_one then assert.equal(next_one, tonumber(progress)) end
        next_one, last = next_one + 1, to
      end
      slow.buffer = rest:sub(last)
    end
    assert.equal(count + 1, next_one)
    assert.equal("done", slow:event().result.content[1].text)
    assert.is_nil(slow:event())
    grown = server:rss() - before
    assert.is_true(grown < support.ROOM, ("grew by %d bytes"):format(grown))
    server:wait_said "closed steps\n"
  end)

  it("gets no further answers ready, however much it asks (pipelined)", function()
    assert.is_true(support.alive(server))
    local before = server:rss()
    local slow <close> = client_of(server, 4096)
    local text = ("x"):rep(10000)
    local all = {}
    for i = 1, 5000 do all[i] = call(i, "echo", { text = text }) end
    local bytes = table.concat(all)
    -- 50 MB of requests, of which the server takes what it can answer.
    local sent = slow.socket:send(bytes, 0.5)
    assert.is_true(sent < #bytes // 2, ("took %d of %d bytes"):format(sent, #bytes))
    local grown = server:rss() - before
    assert.is_true(grown < support.ROOM, ("grew by %d bytes"):format(grown))
    assert.is_true(support.alive(server))
    slow.buffer = slow.socket:exchange(bytes:sub(sent + 1), 10)
    -- All 5000, in order.
    local seen = 0
    local function look()
      local last = 1
      for id, to in slow.buffer:gmatch '"id":(%d+),"result"()' do
        seen, last = seen + 1, to
        assert.equal(seen, tonumber(id))
      end
      slow.buffer = slow.buffer:sub(math.max(last, #slow.buffer - 100))
    end
    look()
    while seen < 5000 do
      slow.buffer = slow.buffer .. assert(slow.socket:receive())
      look()
    end
  end)

  it("loses nothing of an answer that is larger than what is queued", function()
    local slow <close> = client_of(server, 4096)
    local text = ("0123456789abcdef"):rep(1 << 17)
    slow:send(call(1, "echo", { text = text }) .. call(2, "echo", { text = "second" }))
    for _ = 1, 20 do assert.is_true(support.alive(server)) end
    assert.is_true(slow:answer().json.result.content[1].text == text)
    assert.equal("second", slow:answer().json.result.content[1].text)
  end)
end)
