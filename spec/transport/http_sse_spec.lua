-- SPDX-License-Identifier: MIT
-- http_sse_spec.lua: src/transport/http_sse.c over sockets: the server side of HTTP+SSE, the
-- transport of 2024-11-05 (rules HS-nn).
local core = require "mcp.core"
local support = require "spec.support"

local UNKNOWN = "/mcp/message?session_id=AAAAAAAAAAAAAAAAAAAAAA"
local READY = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

local function open_request(fields)
  local all = { Accept = "text/event-stream" }
  for name, value in pairs(fields or {}) do all[name] = value end
  return support.request("GET", all)
end

-- A client of the transport: a stream, and a connection for what it says.
local Session = {}
Session.__index = Session
Session.__close = function(self)
  self.stream:close()
  self.poster:close()
end

-- The fields of the next event; comments are passed over, nil at the end of the stream.
function Session:event()
  while true do
    if self.events == "" then
      self.events = self.stream:chunk()
      if self.events == "" then return nil end
    end
    local event
    event, self.events = self.events:match "^(.-\n)\n(.*)$"
    if event:sub(1, 1) ~= ":" then
      local out = {}
      for line in event:gmatch "([^\n]*)\n" do
        local name, value = line:match "^(%a+): (.*)$"
        assert(name and not out[name], "a field of an event: " .. line)
        out[name] = value
      end
      return out
    end
  end
end

-- The next message; each is an event "message" (HS-03).
function Session:message()
  local event = assert(self:event(), "the stream has ended")
  assert.equal("message", event.event)
  assert.is_nil(event.id)
  return assert(core.decode(event.data))
end

function Session:post(body, fields) -- the answer to the POST
  return self.poster:ask(support.request("POST", fields, body, self.address))
end

function Session:request(id, method, params)
  local answer = self:post(support.legacy_body(id, method, params))
  assert.equal(202, answer.status)
  assert.equal("", answer.body)
end

function Session:response(id)
  while true do
    local message = self:message()
    if message.id == id and not message.method then return message end
    self.notices[#self.notices + 1] = message
  end
end

function Session:call(id, tool, arguments, meta)
  self:request(id, "tools/call", { name = tool, arguments = arguments or {}, _meta = meta })
end

function Session:text_of(id) return self:response(id).result.content[1].text end

-- Opens the stream; `revision`: does the handshake too.
local function connect(server, revision, receive_buffer, fields)
  local self = setmetatable({ stream = support.client(server, receive_buffer),
    poster = support.client(server), events = "", notices = {} }, Session)
  self.stream:send(open_request(fields))
  self.head = self.stream:head()
  assert.equal(200, self.head.status)
  self.endpoint = self:event()
  self.address = self.endpoint.data
  if revision then
    assert.equal(202, self:post(support.initialize_body(0, revision)).status)
    self.initialized = self:response(0).result
    assert.equal(202, self:post(READY).status)
  end
  return self
end

describe("HTTP+SSE", function()
  local server
  setup(function() server = support.http() end)
  teardown(support.stop_all)
  after_each(function() assert.is_true(support.alive(server)) end)

  it("is opened by a GET without a session, at the one address (HS-01, 3.4)", function()
    local session <close> = connect(server)
    local fields = session.head.fields
    assert.equal("text/event-stream", fields["content-type"])
    assert.equal("no-cache, no-transform", fields["cache-control"])
    assert.equal("no", fields["x-accel-buffering"])
    assert.is_nil(fields["mcp-session-id"])
    -- With one it is a client of the later transport.
    local client <close> = support.client(server)
    assert.equal(404, client:ask(open_request { ["Mcp-Session-Id"] = "2025-11-25" }).status)
  end)

  it("first tells where to POST (HS-02)", function()
    local session <close> = connect(server)
    assert.equal("endpoint", session.endpoint.event)
    assert.matches("^/mcp/message%?session_id=[%w_-]+$", session.address)
    assert.is_nil(session.endpoint.id)
  end)

  it("has addresses that nobody guesses: 128 bits, each its own (HS-07)", function()
    local seen = {}
    for _ = 1, 20 do
      local session <close> = connect(server)
      local id = session.address:match "=([%w_-]+)$"
      assert.equal(22, #id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("answers a POST with 202, and the request by an event (HS-03, HS-04, HS-06)", function()
    local session <close> = connect(server, "2024-11-05")
    assert.equal("2024-11-05", session.initialized.protocolVersion)
    session:call(1, "echo", { text = "over events" })
    assert.equal("over events", session:text_of(1))
    session:request("a", "ping")
    assert.same({}, session:response "a".result)
    assert.equal(202, session:post('{"jsonrpc":"2.0","method":"notifications/x"}').status)
    assert.equal(202, session:post('{"jsonrpc":"2.0","id":9,"result":{}}').status)
    session:request(2, "nonsense")
    assert.equal(-32601, session:response(2).error.code)
  end)

  it("carries every revision with a handshake (HS-09)", function()
    for _, revision in ipairs { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25" } do
      local session <close> = connect(server, revision)
      assert.equal(revision, session.initialized.protocolVersion)
      -- Clients of the later ones name it in a field, which changes nothing here.
      local answer = session:post(support.legacy_body(1, "tools/list"),
        { ["MCP-Protocol-Version"] = revision })
      assert.equal(202, answer.status)
      assert.is_true(#session:response(1).result.tools > 3)
      local batch = session:post('[{"jsonrpc":"2.0","id":7,"method":"ping"}]')
      assert.equal(202, batch.status)
      local message = session:message()
      if revision == "2025-03-26" then
        assert.equal(7, message[1].id)
      else
        assert.equal(-32600, message.error.code)
      end
    end
  end)

  it("is taken over by a second initialize", function()
    local session <close> = connect(server, "2025-11-25")
    session:call(7, "sleep", { seconds = 60, name = "sse" })
    server:wait_said "began sse"
    assert.equal(202, session:post(support.initialize_body(8, "2024-11-05")).status)
    assert.equal("2024-11-05", session:response(8).result.protocolVersion)
    server:wait_said "woke sse ECANCELED"
    session:call(7, "echo", { text = "again" })
    assert.equal("again", session:text_of(7))
  end)

  it("and not the stateless one (HS-10)", function()
    local session <close> = connect(server)
    assert.equal(202, session:post(support.call_body(1, "echo", { text = "x" })).status)
    local err = session:response(1).error
    assert.equal(-32600, err.code)
    assert.matches("HS-10", err.message, 1, true)
    -- A modern initialize counter-offers, as everywhere (SEC-24).
    assert.equal(202, session:post(support.initialize_body(2, support.MODERN)).status)
    assert.equal("2025-11-25", session:response(2).result.protocolVersion)
  end)

  it("handlers know how they were reached, and run side by side", function()
    local session <close> = connect(server, "2024-11-05")
    session:call(1, "sleep", { seconds = 0.05, name = "long" })
    session:call(2, "echo", { text = "short" })
    assert.equal("short", session:text_of(2))
    assert.equal("slept long", session:text_of(1))
  end)

  it("progress and log messages are events before the answer", function()
    local session <close> = connect(server, "2025-11-25")
    session:call(1, "steps", { count = 3 }, { progressToken = "p" })
    assert.equal("done", session:text_of(1))
    assert.equal(3, #session.notices)
    for i, notice in ipairs(session.notices) do
      assert.equal("notifications/progress", notice.method)
      assert.equal(i, notice.params.progress)
    end
  end)

  it("a call is cancelled by a notification; nothing answers it (4.2)", function()
    local session <close> = connect(server, "2024-11-05")
    local from = #server:told() + 1
    session:call(1, "sleep", { seconds = 60, name = "hs" })
    server:wait_said("began hs\n", from)
    assert.equal(202, session:post('{"jsonrpc":"2.0","method":"notifications/cancelled",'
      .. '"params":{"requestId":1}}').status)
    server:wait_said("closed hs\n", from)
    session:request(2, "ping")
    assert.equal(2, session:message().id)
  end)

  it("what is no message is refused with 400, and the session goes on (HS-06)", function()
    local session <close> = connect(server, "2024-11-05")
    for _, case in ipairs { { "{", -32700 }, { "\xff", -32700 }, { "{}", -32600 }, { "5", -32600 },
      { '{"jsonrpc":"1.0","id":"a","method":"ping"}', -32600, "a" },
      { '{"jsonrpc":"2.0","id":7.0,"method":"ping","params":{"x":"\\ud83d"}}', -32700, 7 },
      { '{"jsonrpc":"2.0","method":"a","method":"b"}', -32700 } } do
      local answer = session:post(case[1])
      assert.equal(400, answer.status, case[1])
      assert.equal(case[2], answer.json.error.code)
      assert.equal(case[3] or core.null, answer.json.id)
    end
    session:request(1, "ping")
    assert.equal(1, session:message().id)
  end)

  it("an unknown session is 404, whatever its name (HS-06, SEC-40)", function()
    local session <close> = connect(server)
    local path, id = session.address:match "^(.-)=(.*)$"
    local names = { "AAAAAAAAAAAAAAAAAAAAAA", "", "x", id .. "A", id:sub(1, 21),
      id:gsub("%a", function(letter)
        return letter:lower() == letter and letter:upper() or letter:lower()
      end), "%41", id .. "&x=1", id .. "&session_id=" .. id }
    local texts = {}
    for _, name in ipairs(names) do
      local client <close> = support.client(server)
      local answer = client:ask(support.request("POST", nil, READY, path .. "=" .. name))
      assert.equal(404, answer.status, name)
      texts[answer.body] = true
    end
    for _, target in ipairs { "/mcp/message", "/mcp/message?sessionId=" .. id,
      "/mcp/message?SESSION_ID=" .. id, "/mcp/message?x=" .. id } do
      local client <close> = support.client(server)
      local answer = client:ask(support.request("POST", nil, READY, target))
      assert.equal(404, answer.status, target)
      texts[answer.body] = true
    end
    -- Nobody learns how near a guess has come.
    assert.is_nil(next(texts, (next(texts))))
    assert.equal(202, session:post(READY).status)
  end)

  it("the session is gone with its stream, and what it was doing (HS-07, HS-08)", function()
    local session <close> = connect(server, "2024-11-05")
    local from = #server:told() + 1
    session:call(1, "sleep", { seconds = 60, name = "left" })
    server:wait_said("began left\n", from)
    session.stream:close()
    server:wait_said("closed left\n", from)
    assert.equal(404, session:post(READY).status)
  end)

  it("a connection that goes does not end the session; only the stream is it (HS-08)", function()
    local session <close> = connect(server, "2024-11-05")
    session:call(1, "sleep", { seconds = 0.03 })
    session.poster:close()
    assert.equal("slept sleep", session:text_of(1))
    session.poster = support.client(server)
    session:request(2, "ping")
    assert.equal(2, session:message().id)
  end)

  it("one session's messages never reach another (HS-07, SEC-45)", function()
    local one <close> = connect(server, "2024-11-05")
    local other <close> = connect(server, "2024-11-05")
    one:call(5, "echo", { text = "one" })
    other:call(5, "echo", { text = "other" })
    assert.equal("other", other:text_of(5))
    assert.equal("one", one:text_of(5))
  end)

  it("its id is of no use as a session of Streamable HTTP, nor the reverse (SEC-40)", function()
    local session <close> = connect(server, "2025-11-25")
    local client <close> = support.client(server)
    local id = session.address:match "=(.*)$"
    assert.equal(404, client:ask(support.legacy(id, support.legacy_body(1, "ping"))).status)
    local sid = client:initialize()
    assert.equal(404, client:ask(support.request("POST", nil, READY,
      "/mcp/message?session_id=" .. sid)).status)
  end)

  it("only JSON is POSTed, by POST (HS-06, SEC-04)", function()
    local session <close> = connect(server)
    for _, kind in ipairs { "text/plain", "text/event-stream", "application/json5" } do
      assert.equal(415, session:post(READY, { ["Content-Type"] = kind }).status)
      session.poster:close()
      session.poster = support.client(server)
    end
    assert.equal(202, session:post(READY, { Accept = "*/*",
      ["Content-Type"] = "application/json; charset=utf-8" }).status)
    assert.equal(202, session:post(READY, { Accept = "text/html" }).status)
    for _, method in ipairs { "GET", "DELETE", "PUT" } do
      local answer = session.poster:ask(support.request(method, nil, nil, session.address))
      assert.equal(405, answer.status)
      assert.equal("POST, OPTIONS", answer.fields.allow)
    end
    local answer = session.poster:ask(support.request("OPTIONS", nil, nil, session.address))
    assert.equal(204, answer.status)
    assert.equal("POST, OPTIONS", answer.fields.allow)
  end)

  it("Host and Origin are checked on both addresses (HS-07, SEC-01, SEC-02)", function()
    local session <close> = connect(server)
    for _, case in ipairs { { "Origin", "https://evil.example", 403 }, { "Origin", "null", 403 },
      { "Origin", "http://localhost.evil.example", 403 }, { "Host", "evil.example", 421 },
      { "Host", "localhost.evil.example", 421 } } do
      local client <close> = support.client(server)
      assert.equal(case[3], client:ask(open_request { [case[1]] = case[2] }).status, case[2])
      local other <close> = support.client(server)
      assert.equal(case[3], other:ask(support.request("POST", { [case[1]] = case[2] }, READY,
        session.address)).status, case[2])
    end
    -- Refused alike where there is no such session.
    local client <close> = support.client(server)
    assert.equal(403, client:ask(support.request("POST", { Origin = "https://evil.example" },
      READY, UNKNOWN)).status)
  end)

  it("a message is one event, whatever it holds (SEC-08)", function()
    local session <close> = connect(server, "2024-11-05")
    local text = "a\n\ndata: {}\r\nevent: endpoint\r\xe2\x80\xa8\0end"
    session:call(1, "echo", { text = text })
    assert.equal(text, session:text_of(1))
  end)

  it("an old client over HTTP/1.0 gets a stream without chunks", function()
    local client <close> = support.client(server)
    client:send "GET /mcp HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    local address = client:take "\r\n\r\nevent: endpoint\ndata: ([^\n]*)\n\n"
    local poster <close> = support.client(server)
    assert.equal(202, poster:ask(support.request("POST", nil, support.legacy_body(1, "ping"),
      address)).status)
    client:take '^event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
  end)

  it("a client that sends on behind its GET is not listened to", function()
    local session <close> = connect(server)
    session.stream:send(support.call(1, "echo", { text = "behind" }))
    session:request(2, "ping")
    assert.equal(2, session:message().id)
  end)

  it("answers in the order of the calls, many at once, and no more than 64 (SEC-09)", function()
    local session <close> = connect(server, "2024-11-05")
    local from = #server:told() + 1
    for i = 1, 65 do session:call(i, "sleep", { seconds = 60, name = "s" .. i }) end
    local busy = session:message()
    assert.equal(65, busy.id)
    assert.equal(-32000, busy.error.code)
    session.stream:close()
    server:wait_said("closed s64\n", from)
  end)
end)

describe("HTTP+SSE with authorization", function()
  after_each(support.stop_all)

  local SCRIPT = [==[
  local mcp = require "mcp"
  local options = load("return " .. os.getenv "SPEC_OPTIONS")()
  local app = mcp.server { name = "spec", auth = { resource = "https://mcp.example/mcp",
    authorization_servers = { "https://as.example" }, verify = function(token)
      local subject, expires = token:match "^(%a+)(%d*)$"
      return subject and { subject = subject, expires = tonumber(expires) } or nil
    end } }
  app:tool "who" (function(_, ctx) return ctx.auth.subject end)
  app:run(options)
  ]==]

  local function bearer(token) return { Authorization = "Bearer " .. token } end

  it("asks for a token on both addresses, and lets only who opened the stream POST (HS-07)",
    function()
      local server = support.http(nil, { script = SCRIPT })
      local client <close> = support.client(server)
      assert.equal(401, client:ask(open_request()).status)
      local session <close> = connect(server, nil, nil, bearer "ada")
      local function post(body, fields)
        local poster <close> = support.client(server)
        return poster:ask(support.request("POST", fields, body, session.address))
      end
      local hello = support.initialize_body(0)
      assert.equal(401, post(hello).status)
      assert.equal(401, post(hello, bearer "?").status)
      -- Somebody else's is as good as none, to the letter.
      local theirs = post(hello, bearer "eve")
      assert.equal(404, theirs.status)
      local mine = session.address
      session.address = UNKNOWN
      local none = post(hello, bearer "eve")
      assert.equal(404, none.status)
      assert.equal(none.body, theirs.body)
      session.address = mine
      assert.equal(202, post(hello, bearer "ada").status)
      assert.equal(0, session:message().id)
      assert.equal(202, post(READY, bearer "ada").status)
      assert.equal(202, post(support.legacy_body(1, "tools/call", { name = "who" }),
        bearer "ada").status)
      assert.equal("ada", session:text_of(1))
    end)

  it("a token that was renewed keeps the session alive, an old one does not", function()
    local server = support.http(nil, { script = SCRIPT })
    local soon = ("ada%d"):format(os.time() + 3600)
    local session <close> = connect(server, nil, nil, bearer(soon))
    session.poster:close()
    session.poster = support.client(server)
    assert.equal(202, session:post(support.initialize_body(0), bearer "ada").status)
    assert.equal(0, session:message().id)
    assert.equal(401, session:post(READY, bearer(("ada%d"):format(os.time() - 3600))).status)
  end)
end)

describe("HTTP+SSE settings", function()
  after_each(support.stop_all)

  it("sse = false: there is none (HS-10)", function()
    local server = support.http "sse = false"
    local client <close> = support.client(server)
    assert.equal(400, client:ask(open_request()).status)
    assert.equal(404, client:ask(support.request("POST", nil, READY, UNKNOWN)).status)
  end)

  it("the address follows the path (HS-02, HS-11)", function()
    local server = support.start [[{ http = { port = 0, path = "/a/b/" } }]]
    server.port = math.tointeger(server:wait_said "answers at http://[^%s]-:(%d+)/a/b/")
    local client <close> = support.client(server)
    client:send((open_request():gsub("/mcp", "/a/b/")))
    client:head()
    assert.matches("data: /a/b/message%?session_id=", client:chunk())
  end)

  it("a stream that nothing was ever POSTed for is closed (limits.idle_timeout, SEC-09)", function()
    local server = support.http "limits = { idle_timeout = 0.5 }"
    local used <close> = connect(server)
    used:request(1, "ping")
    used:message()
    local left <close> = connect(server)
    assert.is_nil(left:event())
    used.poster:close() -- which was idle, too
    used.poster = support.client(server)
    used:request(2, "ping")
    assert.equal(2, used:message().id)
  end)

  it("a comment is sent when there is nothing else to say (HS-09)", function()
    local server = support.http "limits = { heartbeat = 0.5 }"
    local session <close> = connect(server)
    assert.equal(": keep-alive\n\n", session.stream:chunk())
  end)

  it("a message over the limit is 413, with and without its length (HS-06, SEC-03)", function()
    local server = support.http "limits = { body = 1000 }"
    local session <close> = connect(server, "2024-11-05")
    local long = support.legacy_body(1, "tools/call", { name = "echo",
      arguments = { text = ("x"):rep(1000) } })
    assert.equal(413, session:post(long).status)
    local chunked <close> = support.client(server)
    chunked:send((support.request("POST", { ["Transfer-Encoding"] = "chunked",
      ["Content-Length"] = false }, long, session.address):gsub("\r\n\r\n.*", "\r\n\r\n"))
      .. ("%x\r\n%s\r\n0\r\n\r\n"):format(#long, long))
    assert.equal(413, chunked:answer().status)
    session.poster:close()
    session.poster = support.client(server)
    session:request(2, "ping")
    assert.equal(2, session:message().id)
  end)

  it("whoever does not read gets no more in: 503, then the stream ends (SEC-09)", function()
    local server = support.http "limits = { stall_timeout = 1 }"
    local session <close> = connect(server, "2024-11-05", 4096)
    local text = ("x"):rep(200000)
    local status, sent
    for i = 1, 100 do
      status = session:post(support.legacy_body(i, "tools/call",
        { name = "echo", arguments = { text = text } })).status
      sent = i
      if status ~= 202 then break end
    end
    assert.equal(503, status)
    assert.is_true(sent < 40, "taken in: " .. sent)
    server:wait_fd_count(server:fd_count() - 1)
    assert.equal(404, session:post(READY).status)
    assert.is_true(support.alive(server))
  end)

  it("closing ends the streams as streams end, after what is under way (HS-08)", function()
    local server = support.http()
    local idle <close> = connect(server, "2024-11-05")
    local busy <close> = connect(server, "2024-11-05")
    busy:call(1, "sleep", { seconds = 0.2, name = "last" })
    server:wait_said "began last\n"
    server.process:kill "TERM"
    assert.is_nil(idle:event())
    assert.equal("slept last", busy:text_of(1))
    assert.is_nil(busy:event())
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)
end)
