-- SPDX-License-Identifier: MIT
-- websocket_spec.lua: src/transport/link_ws.c, ws_client.c and what http_connection.c does for an
-- upgrade, over sockets. The other side of each is written here, in Lua, by the book (RFC 6455) or
-- against it. `make autobahn` has more of the same.
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local patience = require "spec.patience"
local support = require "spec.support"
local ws = require "codecs.ws"

local system = support.system
local frame, text_frame, close_frame = frames.frame, frames.text, frames.close

local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

-- --- the other side -------------------------------------------------------------

local Peer = {}
Peer.__index = Peer
Peer.__close = function(self) self.socket:close() end

-- Somebody on a socket. `here`: what is tested is in this process, and its loop has to be turned.
local function new_peer(socket, here)
  return setmetatable({ socket = socket, here = here, buffer = "" }, Peer)
end

function Peer:send(bytes) return self.socket:send(bytes) end

-- More bytes into the buffer; nil and why not after `left` seconds.
function Peer:more(left)
  local piece, why
  if self.here then
    core.step(math.min(left, 0.005))
    piece, why = self.socket:receive(0)
  else
    piece, why = self.socket:receive(left)
  end
  if not piece then return nil, why end
  self.buffer = self.buffer .. piece
  return true
end

-- Waits until `test()` gives something.
function Peer:wait(test, what, limit)
  local deadline = system.now() + (limit or support.LIMIT)
  while true do
    local found = test()
    if found then return found end
    local left = deadline - system.now()
    local ok, why = true, "timeout"
    if left > 0 then ok, why = self:more(left) end
    if not ok and why ~= "timeout" then
      found = test()
      if found then return found end
    end
    if left <= 0 or not ok and why ~= "timeout" then
      error(("%s before %s; there is %q"):format(left <= 0 and "time is over" or why, what,
        self.buffer:sub(1, 200)), 2)
    end
  end
end

-- The next frame.
function Peer:frame(limit)
  return self:wait(function()
    local found, after = frames.read(self.buffer)
    if found then self.buffer = self.buffer:sub(after) end
    return found
  end, "a frame", limit)
end

-- The next message, decoded.
function Peer:message()
  local got = self:frame()
  assert(got.op == frames.TEXT and got.fin and got.rsv == 0,
    ("a text message; opcode %d %q"):format(got.op, got.payload))
  return assert(core.decode(got.payload))
end

-- Waits for the end of the connection; what came before it.
function Peer:rest(limit)
  local ended
  self:wait(function()
    if ended then return true end
    local ok, why = self:more(self.here and 0 or 0.01)
    ended = not ok and why ~= "timeout"
    return ended
  end, "its end", limit)
  return self.buffer
end

-- The close frame that comes next, and then the end.
function Peer:closed(status)
  local got = self:frame()
  assert(got.op == frames.CLOSE, "a close frame; opcode " .. got.op)
  assert.equal(status, got.status)
  return got.reason
end

-- The head that comes next.
function Peer:head()
  local head
  self:wait(function()
    head = self.buffer:match "^.-\r\n\r\n"
    return head
  end, "a head")
  self.buffer = self.buffer:sub(#head + 1)
  return head
end

-- Turns the loop until `test()` gives something.
local function turn_until(test, what)
  return patience(test, what, function() core.step(0.005) end)
end

local function upgrade_request(fields, line)
  local all = { Host = "localhost", Upgrade = "websocket", Connection = "Upgrade",
    ["Sec-WebSocket-Key"] = KEY, ["Sec-WebSocket-Version"] = "13",
    ["Sec-WebSocket-Protocol"] = "mcp", Accept = false }
  for name, value in pairs(fields or {}) do all[name] = value end
  return support.request("GET", all, nil, line)
end

-- A client whose WebSocket is open.
local function open(server, fields)
  local peer = new_peer(assert(system.connect(server.host or "127.0.0.1", server.port)),
    server.here)
  peer:send(upgrade_request(fields))
  local head = peer:head()
  assert(head:find "^HTTP/1.1 101 ", head)
  return peer, head
end

function Peer:call(id, tool, arguments)
  self:send(text_frame(support.call_body(id, tool, arguments)))
end

-- The text of the answer to `id`; what comes before is dropped.
function Peer:answer(id)
  while true do
    local message = self:message()
    if message.id == id then
      assert(message.result, core.encode(message))
      return message.result.content[1].text
    end
  end
end

function Peer:echo(id, text)
  self:call(id, "echo", { text = text })
  return self:answer(id)
end

-- --- the listener -----------------------------------------------------------------

describe("the upgrade", function()
  local server
  setup(function() server = support.http() end)
  teardown(support.stop_all)

  local function ask(fields, target)
    local client <close> = support.client(server)
    return client:ask(upgrade_request(fields, target))
  end

  it("is granted with the subprotocol mcp and without extensions (WS-01, WS-10, WS-14)", function()
    local peer <close>, head = open(server, { Connection = "keep-alive, Upgrade",
      ["Sec-WebSocket-Protocol"] = "chat, mcp",
      ["Sec-WebSocket-Extensions"] = "permessage-deflate; client_max_window_bits" })
    assert.is_truthy(head:find("\r\nSec-WebSocket-Accept: " .. ACCEPT .. "\r\n", 1, true))
    assert.is_truthy(head:find("\r\nSec-WebSocket-Protocol: mcp\r\n", 1, true))
    assert.is_truthy(head:find("\r\nUpgrade: websocket\r\n", 1, true))
    assert.is_truthy(head:find("\r\nConnection: Upgrade\r\n", 1, true))
    assert.is_nil(head:find("Extensions", 1, true))
    assert.is_nil(head:find("Content-Length", 1, true))
    assert.equal("hello", peer:echo(1, "hello"))
  end)

  it("is refused for other sites' pages (SEC-01, WS-10)", function()
    for _, origin in ipairs { "https://evil.example", "null", "http://localhost.evil.example",
      "http://127.0.0.1:1", "http://localhost:1" } do
      assert.equal(403, ask({ Origin = origin }).status, origin)
    end
    local peer <close> = open(server, { Origin = "http://localhost" })
    assert.equal("own page", peer:echo(1, "own page"))
  end)

  it("is refused for other hosts (SEC-02, WS-10)", function()
    for _, host in ipairs { "attacker.example", "localhost.attacker.example", "169.254.169.254" } do
      assert.equal(421, ask({ Host = host }).status, host)
    end
    assert.equal(400, ask({ Host = false }).status)
  end)

  it("is at the path of the endpoint only", function()
    assert.equal(404, ask({}, "/").status)
    assert.equal(404, ask({}, "/mcp/other").status)
  end)

  it("has version 13, else 426 says so (RFC 6455 4.4)", function()
    local answer = ask { ["Sec-WebSocket-Version"] = "8" }
    assert.equal(426, answer.status)
    assert.equal("13", answer.fields["sec-websocket-version"])
    assert.equal("websocket", answer.fields.upgrade)
    assert.equal(426, ask({ ["Sec-WebSocket-Version"] = false }).status)
  end)

  it("has a good key, offers mcp, and comes with HTTP/1.1 (WS-10)", function()
    for _, fields in ipairs { { ["Sec-WebSocket-Key"] = false },
      { ["Sec-WebSocket-Key"] = "short" },
      { ["Sec-WebSocket-Protocol"] = false }, { ["Sec-WebSocket-Protocol"] = "chat" },
      { Connection = "keep-alive" } } do
      local answer = ask(fields)
      assert.equal(400, answer.status)
      assert.is_true(#answer.body > 10)
    end
  end)

  it("that is refused leaves an HTTP connection", function()
    local client <close> = support.client(server)
    assert.equal(426, client:ask(upgrade_request { ["Sec-WebSocket-Version"] = "7" }).status)
    assert.equal("on", client:call(1, "echo", { text = "on" }))
    client:send(upgrade_request())
    assert.equal(101, client:head().status)
  end)

  it("may be followed by frames in the same write", function()
    local peer <close> = new_peer(assert(system.connect("127.0.0.1", server.port)))
    local all = upgrade_request() .. text_frame(support.call_body(1, "echo", { text = "early" }))
      .. frame { op = 9, payload = "p" }
    peer:send(all .. text_frame(support.call_body(2, "echo", { text = "too" })):sub(1, 30))
    assert.is_truthy(peer:head():find "^HTTP/1.1 101")
    assert.equal("early", peer:answer(1))
    assert.equal("p", peer:frame().payload)
    peer:send(text_frame(support.call_body(2, "echo", { text = "too" })):sub(31))
    assert.equal("too", peer:answer(2))
  end)

  it("may come byte by byte", function()
    local peer <close> = new_peer(assert(system.connect("127.0.0.1", server.port)))
    for c in (upgrade_request() .. text_frame(support.call_body(1, "echo", { text = "slow" })))
      :gmatch "." do
      peer:send(c)
    end
    assert.is_truthy(peer:head():find "^HTTP/1.1 101")
    assert.equal("slow", peer:answer(1))
  end)

  it("needs the token, while it lasts, where there is authorization (WS-10)", function()
    local guarded = support.http [[app = { auth = { resource = "http://localhost/mcp",
      authorization_servers = { "https://as.example" },
      verify = function(token)
        -- As late as it may be (the allowance for clocks is 300 s).
        return token == "good" and { subject = "ada", expires = os.time() - 298 } or nil
      end } }]]
    local client <close> = support.client(guarded)
    local answer = client:ask(upgrade_request())
    assert.equal(401, answer.status)
    assert.is_truthy(answer.fields["www-authenticate"]:find "^Bearer ")
    assert.equal(401, client:ask(upgrade_request { Authorization = "Bearer bad" }).status)
    local peer <close> = open(guarded, { Authorization = "Bearer good" })
    local message
    local id, deadline = 0, system.now() + support.LIMIT
    repeat
      id = id + 1
      peer:call(id, "echo", { text = "x" })
      message = peer:message()
    until message.error or system.now() > deadline
    assert.is_true(id > 1, "it was good at first")
    assert.is_truthy(message.error.message:find("expired", 1, true))
    assert.is_truthy(peer:closed(1008):find("expired", 1, true))
  end)

  it("can be switched off, and a subprotocol left out where that is allowed", function()
    local off = support.http "websocket = false"
    local client <close> = support.client(off)
    client:send(upgrade_request())
    -- It is a GET like any other then.
    local answer = client:head()
    assert.is_not_equal(101, answer.status)
    assert.is_nil(answer.fields.upgrade)
    local any = support.http "security = { any_subprotocol = true }"
    local peer <close>, head = open(any, { ["Sec-WebSocket-Protocol"] = false })
    assert.is_nil(head:find("Sec-WebSocket-Protocol", 1, true))
    assert.equal("any", peer:echo(1, "any"))
  end)
end)

describe("a WebSocket", function()
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

  it("carries a message in each text message, whole or in fragments (WS-02)", function()
    local peer <close> = open(server)
    for i = 1, 50 do assert.equal("n" .. i, peer:echo(i, "n" .. i)) end
    local body = support.call_body(51, "echo", { text = "in pieces" })
    peer:send(text_frame(body:sub(1, 10), { fin = false }) .. frame { op = 9, payload = "between" })
    local pong = peer:frame()
    assert.same({ frames.PONG, "between", false }, { pong.op, pong.payload, pong.masked })
    peer:send(frame { op = 0, payload = body:sub(11, 11), fin = false })
    peer:send(frame { op = 0, payload = body:sub(12) })
    assert.equal("in pieces", peer:answer(51))
    local big = ("x"):rep(300000)
    assert.equal(big, peer:echo(52, big))
  end)

  it("answers what came in one read with one write, in order", function()
    local peer <close> = open(server)
    local all = {}
    for i = 1, 60 do all[i] = text_frame(support.call_body(i, "echo", { text = "n" .. i })) end
    peer:send(table.concat(all))
    for i = 1, 60 do assert.equal("n" .. i, peer:answer(i)) end
  end)

  it("speaks either era, told by its first message (WS-13)", function()
    local old <close> = open(server)
    local new <close> = open(server)
    old:send(text_frame(support.initialize_body(1)))
    assert.equal("2025-11-25", old:message().result.protocolVersion)
    new:send(text_frame(support.modern_body(1, "server/discover")))
    assert.is_table(new:message().result.supportedVersions)
    assert.equal("new", new:echo(2, "new"))
    old:send(text_frame(support.legacy_body(2, "tools/list")))
    assert.is_table(old:message().result.tools)
  end)

  it("is taken over by a second initialize, also after a modern client", function()
    local peer <close> = open(server)
    peer:send(text_frame(support.modern_body(1, "tools/list")))
    assert.is_table(peer:message().result.tools)
    for id, revision in ipairs { "2025-11-25", "2024-11-05" } do
      peer:send(text_frame(support.initialize_body(id, revision)))
      assert.equal(revision, peer:message().result.protocolVersion)
      peer:send(text_frame(support.legacy_body(7, "tools/call",
        { name = "sleep", arguments = { seconds = 60, name = "w" .. id } })))
      server:wait_said("began w" .. id)
    end
    server:wait_said "woke w1 ECANCELED"
  end)

  it("lives after what is no JSON or no message (WS-11)", function()
    local peer <close> = open(server)
    for bad, code in pairs { ["{"] = -32700, ["[]"] = -32600, ["{}"] = -32600, [""] = -32700,
      ["{} {}"] = -32700 } do
      peer:send(text_frame(bad))
      assert.equal(code, peer:message().error.code, bad)
    end
    assert.equal("lives", peer:echo(1, "lives"))
  end)

  it("is closed with the code that says what was wrong (WS-11)", function()
    local limit = 4 << 20
    local head = frame { op = 1, size = limit + 1 }
    for status, bytes in pairs {
      [1002] = text_frame("x", { masked = false }),
      [1003] = frame { op = 2, payload = "x" },
      [1007] = text_frame "\xff",
      [1009] = head,
    } do
      local peer <close> = open(server)
      peer:send(text_frame(support.call_body(1, "echo", { text = "before" })) .. bytes)
      assert.equal("before", peer:answer(1))
      local reason = peer:closed(status)
      assert.is_true(#reason > 10, "it says why")
      -- It goes at once when we answer.
      local at = system.now()
      peer:send(close_frame(status))
      assert.equal("", peer:rest())
      assert.is_true(system.now() - at < 0.4)
    end
  end)

  it("that was closed for a broken rule ends without our answer, too", function()
    local peer <close> = open(server)
    peer:send(frame { op = 3 })
    peer:closed(1002)
    peer:send(("\0"):rep(1000))
    peer:rest(2)
  end)

  it("takes 1024 fragments of a message and no more, 1009 (WS-11)", function()
    local peer <close> = open(server)
    local body = support.call_body(1, "echo", { text = ("y"):rep(2000) })
    local all = { text_frame(body:sub(1, 1), { fin = false }) }
    for i = 2, 1023 do all[i] = frame { op = 0, payload = body:sub(i, i), fin = false } end
    all[1024] = frame { op = 0, payload = body:sub(1024) }
    peer:send(table.concat(all))
    assert.equal(("y"):rep(2000), peer:answer(1))
    peer:send(text_frame("{", { fin = false }) .. frame { op = 0, fin = false }:rep(1024))
    peer:closed(1009)
  end)

  it("answers pings, and closes with 1008 when there are too many", function()
    local peer <close> = open(server)
    local payload = ("\xfe"):rep(125)
    for i = 1, 20 do peer:send(frame { op = 9, payload = i .. payload:sub(4) }) end
    for i = 1, 20 do assert.equal(i .. payload:sub(4), peer:frame().payload) end
    peer:send(frame { op = 10, payload = "nobody asked" })
    peer:send(frame { op = 9 }:rep(200))
    local got
    repeat got = peer:frame() until got.op ~= frames.PONG
    assert.equal(1008, got.status)
  end)

  it("ends by the closing handshake; the server ends the connection (RFC 6455 7.1.1)", function()
    for _, status in ipairs { 1000, 1001, 3000, 4999 } do
      local peer <close> = open(server)
      peer:send(close_frame(status, "bye"))
      peer:closed(status)
      assert.equal("", peer:rest())
    end
    local peer <close> = open(server)
    peer:send(close_frame())
    local got = peer:frame()
    assert.same({ frames.CLOSE, "" }, { got.op, got.payload })
    assert.equal("", peer:rest())
  end)

  it("that ends cancels what is under way (WS-12)", function()
    for _, how in ipairs { "handshake", "end", "reset" } do
      local from = #server:told() + 1
      local peer <close> = open(server)
      peer:call(1, "sleep", { seconds = 60, name = how })
      server:wait_said("began " .. how, from)
      if how == "handshake" then
        peer:send(close_frame(1000))
        peer:closed(1000)
      elseif how == "end" then
        peer.socket:shutdown_write()
      else
        peer.socket:reset()
      end
      server:wait_said("woke " .. how .. " ECANCELED", from)
      server:wait_said("closed " .. how, from)
    end
  end)

  it("cancels a request by notifications/cancelled, on the same connection only (WS-12)", function()
    local from = #server:told() + 1
    local peer <close> = open(server)
    local other <close> = open(server)
    local notice = text_frame('{"jsonrpc":"2.0","method":"notifications/cancelled",'
      .. '"params":{"requestId":7}}')
    peer:call(7, "sleep", { seconds = 60, name = "mine" })
    server:wait_said("began mine", from)
    other:send(notice)
    assert.equal("still", other:echo(1, "still"))
    assert.is_nil(server:told():find("woke mine", from, true))
    peer:send(notice)
    server:wait_said("woke mine ECANCELED", from)
    assert.equal("lives", peer:echo(8, "lives"))
  end)

  it("has the limits of a connection: 64 requests, no id twice", function()
    local from = #server:told() + 1
    local peer <close> = open(server)
    for i = 1, 64 do peer:call(i, "sleep", { seconds = 60, name = "busy" .. i .. "." }) end
    server:wait_said("began busy64%.", from)
    peer:call(65, "echo", { text = "x" })
    local message = peer:message()
    assert.same({ 65, -32000 }, { message.id, message.error.code })
  end)

  it("are many, each for itself", function()
    local peers = setmetatable({}, { __close = function(all)
      for _, peer in ipairs(all) do peer.socket:close() end
    end })
    local guard <close> = peers
    for i = 1, 50 do peers[i] = open(server) end
    for i, peer in ipairs(peers) do peer:call(1, "echo", { text = "p" .. i }) end
    for i = #peers, 1, -1 do assert.equal("p" .. i, peers[i]:answer(1)) end
    assert.is_not_nil(guard)
  end)

  it("whose peer does not read holds its handler back, and nobody else", function()
    local from = #server:told() + 1
    local peer <close> = open(server)
    local rss = server:rss()
    peer:call(1, "steps", { count = 2000, size = 20000 })
    server:wait_said("began steps", from)
    for _ = 1, 20 do assert.is_true(support.alive(server)) end
    -- Pings wait, too. What they would say may be overtaken by the next.
    for i = 1, 30 do peer:send(frame { op = 9, payload = "ping " .. i }) end
    assert.is_true(support.alive(server))
    assert.is_true(server:rss() - rss < support.ROOM + (2 << 20))
    -- Read again, it goes on to its end, in order.
    local seen, pongs = 0, {}
    repeat
      local got = peer:frame()
      local message = got.op == frames.TEXT and core.decode(got.payload)
      if got.op == frames.PONG then
        pongs[#pongs + 1] = got.payload
      elseif message.method then
        seen = seen + 1
        assert.equal(seen, message.params.progress)
      end
    until message and message.result
    assert.equal(2000, seen)
    while pongs[#pongs] ~= "ping 30" do pongs[#pongs + 1] = peer:frame().payload end
    for i, pong in ipairs(pongs) do
      local n = tonumber(pong:match "^ping (%d+)$")
      assert.is_true(n >= i and n <= 30)
    end
  end)

  it("cut anywhere leaves nothing behind", function()
    local bytes = upgrade_request() .. text_frame(support.call_body(1, "echo", { text = "x" }))
      .. frame { op = 9, payload = "p" } .. close_frame(1000)
    for at = 1, #bytes, 7 do
      local peer <close> = new_peer(assert(system.connect("127.0.0.1", server.port)))
      peer:send(bytes:sub(1, at))
      if at % 2 == 0 then peer.socket:reset() end
    end
  end)
end)

describe("the end of the server", function()
  after_each(support.stop_all)

  it("lets calls under way be answered, takes no more, and says 1001 (WS-15)", function()
    local server = support.http()
    local peer <close> = open(server)
    local idle <close> = open(server)
    peer:call(1, "sleep", { seconds = 0.5, name = "last" })
    server:wait_said "began last"
    server.process:kill "TERM"
    assert.equal(1001, idle:frame().status)
    idle:send(close_frame(1001))
    idle:rest()
    peer:call(2, "echo", { text = "late" })
    local message = peer:message()
    assert.same({ 2, -32000 }, { message.id, message.error.code })
    assert.equal("slept last", peer:answer(1))
    peer:closed(1001)
    peer:send(close_frame(1001))
    peer:rest()
    assert.same({ "exit", 0 }, { server:wait_end(2) })
  end)

  it("does not wait for one that does not answer the close", function()
    local server = support.http "limits = { close_timeout = 0.3 }"
    local peer <close> = open(server)
    server.process:kill "TERM"
    assert.equal(1001, peer:frame().status)
    local at = system.now()
    assert.same({ "exit", 0 }, { server:wait_end(3) })
    assert.is_true(system.now() - at < 2)
  end)

  it("at the second signal is now", function()
    local server = support.http()
    local peer <close> = open(server)
    peer:call(1, "stubborn")
    server:wait_said "began stubborn"
    server.process:kill "TERM"
    turn_until(function()
      peer:call(2, "echo", { text = "x" })
      return peer:message().error
    end, "the first signal")
    server.process:kill "TERM"
    local got
    repeat got = peer:frame() until got.op == frames.CLOSE
    assert.equal(1001, got.status)
    assert.same({ "exit", 0 }, { server:wait_end(2) })
  end)
end)

-- --- in this process -----------------------------------------------------------------

local function close_host(host)
  host:close(0)
  -- Whoever calls again does not wait for the other side.
  host:close(0)
  turn_until(function() return host:is_gone() end, "the end of a host")
end

-- A listener whose WebSockets are handled by `receive`.
local function listen(options, receive)
  local all = { port = 0, websocket = true, duplex = receive or function() return {} end }
  for name, value in pairs(options) do all[name] = value end
  local host = assert(core.listen_http(all, function(x, _, kind)
    if kind ~= "upgrade" then return 404 end
    assert(x:upgrade())
  end))
  return setmetatable({ listener = host, port = host:port(), here = true }, {
    __close = function() close_host(host) end,
  })
end

describe("pings", function()
  it("go out as often as is said, and who is silent is cut (WS-14)", function()
    local server <close> = listen { ping = 0.05, silence = 0.3 }
    local peer <close> = open(server)
    for _ = 1, 8 do
      local got = peer:frame()
      assert.same({ frames.PING, "" }, { got.op, got.payload })
      peer:send(frame { op = 10 })
    end
    -- From here on it says nothing.
    local at = system.now()
    local rest = peer:rest(3)
    assert.is_true(system.now() - at >= 0.2)
    local last, position
    repeat
      local got, after = frames.read(rest, position)
      last, position = got or last, after
    until not got
    assert.same({ frames.CLOSE, 1008 }, { last.op, last.status })
  end)

  it("a message in trickling bytes is silence, and one in bytes that flow is not", function()
    local server <close> = listen { ping = 0.1, silence = 0.5 }
    local slow <close> = open(server)
    local steady <close> = open(server)
    local message = '{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":"'
      .. ("x"):rep(2000) .. '"}}'
    local bytes = text_frame(message)
    -- A byte at a time is far below the rate; so are whole fragments of a byte each.
    local began, at = system.now(), 0
    steady:send(bytes:sub(1, 100))
    while server.listener:connections() == 2 and system.now() - began < 3 do
      at = at + 1
      local deadline = system.now() + 0.05
      slow.socket:send(frame { op = at == 1 and 1 or 0, payload = " ", fin = false }, 0)
      if at < 40 then steady.socket:send(bytes:sub(at * 50 + 51, at * 50 + 100), 0) end
      while system.now() < deadline do core.step(0.005) end
    end
    assert.equal(1, server.listener:connections())
    assert.is_true(system.now() - began < 2)
    steady:send(bytes:sub(math.min(at, 39) * 50 + 101))
    local found
    repeat found = steady:frame() until found.op == 1
    assert.equal(7, core.decode(found.payload).id)
  end)

  it("can be switched off, and then nobody has to say anything", function()
    local server <close> = listen { ping = 0 }
    local peer <close> = open(server)
    assert.is_false((pcall(peer.frame, peer, 0.3)))
    peer:send(text_frame '{"jsonrpc":"2.0","id":1,"method":"x"}')
    assert.equal(1, peer:message().id)
  end)

  it("do not keep one that leaves everything unread", function()
    local payload = ("x"):rep(1 << 20)
    local server <close> = listen({ ping = 0.05, silence = 10, stall_timeout = 0.3 },
      function() return { payload } end)
    local peer <close> = open(server)
    for i = 1, 20 do
      peer:send(text_frame(('{"jsonrpc":"2.0","id":%d,"method":"x"}'):format(i)))
    end
    local function is_gone() return server.listener:connections() == 0 end
    turn_until(is_gone, "the end of the connection")
  end)
end)

describe("control frames", function()
  -- Sends so many, each answered before the next; or the status of the close that came instead.
  local function ping(peer, count, op)
    for i = 1, count do
      peer:send(frame { op = op or 9, payload = tostring(i) })
      if op ~= 10 then
        local got = peer:frame()
        if got.op == frames.CLOSE then return i, got.status end
        assert.same({ 10, tostring(i) }, { got.op, got.payload })
      end
    end
  end

  it("may be as many at once as is said, and one more is too many (WS-14)", function()
    for _, burst in ipairs { 1, 7, 100 } do
      -- 100 is what holds when nothing is said.
      local server <close> = listen { control_burst = burst ~= 100 and burst or nil,
        control_rate = 1, ping = 0 }
      local peer <close> = open(server)
      local from = system.now()
      local at, status = ping(peer, burst + 20)
      assert.equal(1008, status)
      -- One a second comes back meanwhile.
      assert.is_true(at > burst and at <= burst + 1 + (system.now() - from), at)
    end
  end)

  it("are counted whether they ask or answer", function()
    local server <close> = listen { control_burst = 3, control_rate = 1, ping = 0 }
    local peer <close> = open(server)
    ping(peer, 4, 10)
    assert.equal("too many control frames", peer:closed(1008))
  end)

  it("may come all the time at the rate that is said, and no faster", function()
    local server <close> = listen { control_burst = 2, control_rate = 20, ping = 0 }
    local peer <close> = open(server)
    local from, sent = system.now(), 0
    -- Half the rate: for ever.
    while system.now() - from < 1 do
      local at = system.now()
      assert.is_nil((ping(peer, 1)))
      sent = sent + 1
      turn_until(function() return system.now() - at >= 0.1 end, "a pause")
    end
    assert.is_true(sent > 4)
    -- What was not used is not saved up beyond the burst.
    local at, status = ping(peer, 20)
    assert.equal(1008, status)
    assert.is_true(at <= 6, at .. " were let through")
  end)

  it("fill what was used at the default rate, ten a second", function()
    local server <close> = listen { control_burst = 2, ping = 0 }
    local peer <close> = open(server)
    assert.is_nil((ping(peer, 2)))
    local at = system.now()
    turn_until(function() return system.now() - at >= 0.15 end, "a pause")
    assert.is_nil((ping(peer, 1)))
    assert.equal(1008, select(2, ping(peer, 3)))
  end)
end)

describe("a connection's own table", function()
  it("is one each, and hears of the end", function()
    local links, ends = {}, {}
    local server <close> = listen({}, function(_, link)
      if not links[link] then
        links[link], links[#links + 1] = true, link
        link.closed = function(text, code) ends[#ends + 1] = { text, code } end
      end
      return {}
    end)
    local one <close> = open(server)
    local two <close> = open(server)
    local request = text_frame '{"jsonrpc":"2.0","id":1,"method":"x"}'
    one:send(request)
    one:message()
    two:send(request:rep(1))
    two:message()
    assert.equal(2, #links)
    assert.equal(2, server.listener:connections())
    assert.is_true(links[1].sender:send("notice", { n = 1 }))
    assert.equal("notice", one:message().method)
    assert.is_true(links[2].sender:send("ask", nil, 5))
    assert.equal(5, two:message().id)
    one:send(close_frame(4000, "had enough"))
    one:closed(4000)
    turn_until(function() return ends[1] end, "the news")
    assert.is_truthy(ends[1][1]:find "closed by the peer with 4000: had enough")
    assert.same({ nil, "closed", "ECLOSED" }, { links[1].sender:send "late" })
    -- And from here, with a code of our own (WS-10).
    links[2].sender:close(1008, "the token has expired")
    assert.equal("the token has expired", two:closed(1008))
    two:send(close_frame(1008))
    turn_until(function() return ends[2] end, "the news")
    assert.is_truthy(ends[2][1]:find "closed by us with 1008: the token has expired")
    for _, bad in ipairs { 999, 1005, 1006, 2999, 5000, -1 } do
      assert.has_error(function() links[1].sender:close(bad) end)
    end
    assert.has_error(function() links[1].sender:close(1000, ("x"):rep(124)) end)
  end)

  it("hears of an end without a close frame that the peer or the network caused", function()
    for how, expected in pairs {
      shutdown_write = { "closed by the peer without a close frame", "EGONE" },
      reset = { "connection reset by peer", "ECONNRESET" },
    } do
      local told
      local server <close> = listen({}, function(_, link)
        link.closed = function(text, code) told = { text, code } end
        return {}
      end)
      local peer <close> = open(server)
      peer:send(text_frame '{"jsonrpc":"2.0","id":1,"method":"x"}')
      peer:message()
      peer.socket[how](peer.socket)
      turn_until(function() return told end, "the news")
      assert.same(expected, told)
    end
  end)

  it("is not wanted without a function that gets the messages", function()
    assert.has_error(function()
      core.listen_http({ port = 0, websocket = true }, function() end)
    end)
  end)
end)

-- --- the client --------------------------------------------------------------------

-- A server that we play: a socket that listens, in this process.
local function play()
  local socket, port = system.listen("127.0.0.1", 0, 5)
  return setmetatable({ socket = socket, port = port }, {
    __close = function() socket:close() end,
  })
end

-- Connects in a task; `result` gets what it returns.
local function dial(server, options, receive)
  local result = { got = {}, link = nil }
  local all = { host = "127.0.0.1", port = server.port, target = "/mcp", timeout = 5 }
  for name, value in pairs(options or {}) do all[name] = value end
  core.spawn(function()
    result.values = table.pack(core.connect_websocket(all, receive or function(_, link, ...)
      result.link = link
      result.got[#result.got + 1] = { ... }
      return {}
    end))
    result.host = result.values[1]
  end)
  return result
end

-- Who has connected to the server that we play.
local function accept(server)
  return new_peer(turn_until(function() return (server.socket:accept(0)) end, "a client"), true)
end

local function granted(head, fields)
  local all = { Upgrade = "websocket", Connection = "Upgrade",
    ["Sec-WebSocket-Accept"] = ws.accept(head:match "Sec%-WebSocket%-Key: ([^\r]+)\r\n"),
    ["Sec-WebSocket-Protocol"] = "mcp" }
  for name, value in pairs(fields or {}) do all[name] = value end
  local lines = { "HTTP/1.1 101 Switching Protocols\r\n" }
  for name, value in pairs(all) do
    if value then lines[#lines + 1] = ("%s: %s\r\n"):format(name, value) end
  end
  return table.concat(lines) .. "\r\n"
end

local function outcome(result)
  turn_until(function() return result.values end, "the outcome")
  return table.unpack(result.values, 1, result.values.n)
end

-- A client and the server that we play, open; what it is sent is unmasked.
local function open_client(options, behind)
  local server <close> = play()
  local result = dial(server, options)
  local peer = accept(server)
  local head = peer:head()
  peer:send(granted(head) .. (behind or ""))
  assert(outcome(result))
  result.peer, result.head = peer, head
  return setmetatable(result, { __close = function()
    peer.socket:close()
    close_host(result.host)
  end })
end

local function unmasked(op, payload) return frame { op = op, payload = payload, masked = false } end

describe("our client", function()
  it("asks by the book (WS-01, WS-04)", function()
    local server <close> = play()
    local result = dial(server, { target = "/mcp?x=1",
      headers = { { "Authorization", "Bearer t" }, { "X-Spec", " two " } } })
    local peer <close> = accept(server)
    local head = peer:head()
    assert.is_truthy(head:find "^GET /mcp%?x=1 HTTP/1.1\r\n")
    for _, line in ipairs { "Host: 127.0.0.1:" .. server.port, "Upgrade: websocket",
      "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: mcp",
      "Authorization: Bearer t", "X-Spec: two" } do
      assert.is_truthy(head:find("\r\n" .. line .. "\r\n", 1, true), line)
    end
    assert.equal(0, (ws.judge(head)))
    assert.is_nil(head:find("Extensions", 1, true))
    peer:send(granted(head))
    local host = outcome(result)
    assert.is_true(host:is_open())
    close_host(host)
  end)

  it("sends masked frames, and reads what comes with the answer", function()
    local client <close> = open_client({},
      unmasked(1, '{"jsonrpc":"2.0","id":1,"method":"early"}') .. unmasked(9, "p"))
    local got = client.peer:frame()
    assert.same({ frames.TEXT, true, '{"jsonrpc":"2.0","id":1,"result":{}}' },
      { got.op, got.masked, got.payload })
    got = client.peer:frame()
    assert.same({ frames.PONG, true, "p" }, { got.op, got.masked, got.payload })
    assert.is_true(client.link.sender:send("tools/list", nil, 9))
    assert.equal(9, client.peer:message().id)
    client.peer:send(unmasked(1, '{"jsonrpc":"2.0","id":9,"result":{"x":1}}'))
    turn_until(function() return client.got[2] end, "the answer")
    assert.same({ "result", "9", { x = 1 } }, { client.got[2][1], client.got[2][2],
      client.got[2][4] })
  end)

  it("is closed with the code that says what the server did wrong", function()
    for status, bytes in pairs { [1002] = text_frame "masked", [1003] = unmasked(2, "x"),
      [1007] = unmasked(1, "\xff"), [1009] = unmasked(1, ("x"):rep(101)):sub(1, 2) } do
      local client <close> = open_client { message_limit = 100 }
      client.peer:send(bytes)
      client.peer:closed(status)
      client.peer.socket:close()
      turn_until(function() return client.host:is_gone() end, "its end")
    end
  end)

  it("answers a close and leaves the end to the server (RFC 6455 7.1.1)", function()
    local client <close> = open_client({ close_timeout = 5 },
      unmasked(1, '{"jsonrpc":"2.0","method":"hello"}'))
    turn_until(function() return client.link end, "a message")
    local why
    client.link.closed = function(text, code) why = { text, code } end
    client.peer:send(frame { op = 8, masked = false, payload = "\3\xe9restart" })
    client.peer:closed(1001)
    assert.is_false((pcall(client.peer.rest, client.peer, 0.1)))
    client.peer.socket:close()
    turn_until(function() return why end, "the news")
    assert.same({ "closed by the peer with 1001: restart", "ECLOSED" }, why)
  end)

  it("closes with 1000 and does not wait for ever", function()
    local client <close> = open_client { close_timeout = 0.1 }
    client.host:close()
    client.peer:closed(1000)
    client.peer:rest(2)
    turn_until(function() return client.host:is_gone() end, "its end")
    local polite <close> = open_client()
    polite.host:close()
    polite.peer:closed(1000)
    polite.peer:send(unmasked(8, "\3\xe8"))
    polite.peer.socket:shutdown_write()
    turn_until(function() return polite.host:is_gone() end, "its end")
  end)

  it("notices that the server is gone", function()
    local client <close> = open_client({}, unmasked(1, '{"jsonrpc":"2.0","method":"hello"}'))
    turn_until(function() return client.link end, "a message")
    local why
    client.link.closed = function(text, code) why = { text, code } end
    client.peer.socket:close()
    turn_until(function() return why end, "the news")
    assert.equal("EGONE", why[2])
    local silent <close> = open_client { ping = 0.05, silence = 0.2 }
    silent.peer:rest(3)
  end)

  it("takes no other answer: a refusal has its status and what it says (WS-16)", function()
    for _, case in ipairs {
      { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\nWWW-Authenticate: Bearer realm=\"x\"\r\n"
        .. "\r\nno\ttoken\27", "EHTTP401", "401 Unauthorized: no token" },
      { "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "EHTTP403", "403 Forbidden" },
      { "HTTP/1.1 302 Found\r\nLocation: ws://evil\r\nContent-Length: 0\r\n\r\n", "EHTTP302",
        "302" },
      { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "EHTTP200",
        "200 OK: hello" },
      { "HTTP/1.1 500 X\r\nContent-Length: 5000\r\n\r\n" .. ("y"):rep(5000), "EHTTP500", "yyy" },
      { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 426 X\r\nContent-Length: 0\r\n\r\n", "EHTTP426",
        "426" },
      { "HTTP/1.1 400 X\r\nConnection: close\r\n\r\nuntil the end", "EHTTP400", "until the end",
        true },
    } do
      local server <close> = play()
      local result = dial(server)
      local peer <close> = accept(server)
      peer:head()
      peer:send(case[1])
      if case[4] then peer.socket:shutdown_write() end
      local host, text, code, fields = outcome(result)
      assert.is_nil(host)
      assert.equal(case[2], code)
      assert.is_truthy(text:find(case[3], 1, true), text)
      assert.is_nil(text:find "%c")
      if code == "EHTTP401" then assert.equal('Bearer realm="x"', fields["www-authenticate"]) end
      peer:rest()
    end
  end)

  it("takes no answer to another question, and no protocol but mcp (WS-01)", function()
    for _, fields in ipairs { { ["Sec-WebSocket-Accept"] = ACCEPT },
      { ["Sec-WebSocket-Accept"] = false }, { ["Sec-WebSocket-Protocol"] = false },
      { ["Sec-WebSocket-Protocol"] = "chat" }, { Upgrade = "h2c" }, { Upgrade = false },
      { Connection = false }, { ["Sec-WebSocket-Extensions"] = "permessage-deflate" } } do
      local server <close> = play()
      local result = dial(server)
      local peer <close> = accept(server)
      peer:send(granted(peer:head(), fields))
      local host, text, code = outcome(result)
      assert.is_nil(host)
      assert.equal("EHTTP", code)
      assert.is_true(#text > 10)
      peer:rest()
    end
    local server <close> = play()
    local result = dial(server, { any_protocol = true })
    local peer <close> = accept(server)
    peer:send(granted(peer:head(), { ["Sec-WebSocket-Protocol"] = false }))
    close_host((outcome(result)))
  end)

  it("says what went wrong before there was an answer", function()
    local server <close> = play()
    for bytes, expected in pairs { [""] = "EGONE", ["HTTP/1.1 101 Swi"] = "EGONE",
      ["SSH-2.0-OpenSSH\r\n\r\n"] = "EHTTP", ["HTTP/1.1 200 OK\nX: y\n\n"] = "EHTTP" } do
      local result = dial(server)
      local peer <close> = accept(server)
      peer:head()
      peer:send(bytes)
      peer.socket:shutdown_write()
      local host, text, code = outcome(result)
      assert.same({ nil, expected }, { host, code })
      assert.is_true(#text > 3)
    end
    local result = dial(server, { timeout = 0.1 })
    local peer <close> = accept(server)
    local host, _, code = outcome(result)
    assert.same({ nil, "ETIMEDOUT" }, { host, code })
    peer:head()
    peer:rest()
    server.socket:close()
    host, _, code = outcome(dial(server))
    assert.same({ nil, "ECONNREFUSED" }, { host, code })
    host, _, code = outcome(dial(server, { only = "public" }))
    assert.same({ nil, "ENOTPUBLIC" }, { host, code })
  end)

  it("refuses what cannot be sent, by name", function()
    local function never() end
    for expected, options in pairs {
      ["host or unix"] = {}, ["host: expected a string"] = { host = 1 },
      ["port"] = { host = "a", port = 0 }, ["target"] = { host = "a", target = "mcp" },
      ["control character"] = { host = "a", headers = { { "X", "a\r\nb" } } },
      ["handshake"] = { host = "a", headers = { { "sec-websocket-key", "x" } } },
      ["headers: Upgrade"] = { host = "a", headers = { { "Upgrade", "x" } } },
      ["name, value"] = { host = "a", headers = { "X" } },
      ["tls: expected a client's"] = { host = "a", tls = 1 },
      ["only"] = { host = "a", only = "private" },
      ["timeout"] = { host = "a", timeout = -1 },
    } do
      local ok, err = pcall(core.connect_websocket, options, never)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(expected, 1, true), tostring(err))
    end
  end)

  it("can be cancelled while it connects", function()
    local server <close> = play()
    local waiter, outcome_of = core.waiter(), nil
    waiter:spawn(function()
      outcome_of = table.pack(core.connect_websocket({ host = "127.0.0.1", port = server.port },
        function() end))
    end)
    local peer <close> = accept(server)
    peer:head()
    waiter:cancel()
    turn_until(function() return outcome_of end, "the outcome")
    assert.equal("ECANCELED", outcome_of[3])
    peer:rest()
  end)

  it("speaks with our listener, outside any task, and over a socket file", function()
    local server = support.http()
    local got = {}
    local host = assert(core.connect_websocket({ host = "127.0.0.1", port = server.port,
      target = "/mcp" }, function(_, _, kind, id, _, params)
      got[#got + 1] = { kind, id, params }
    end))
    host:sender():send("tools/call", { name = "echo", arguments = { text = "both ours" },
      _meta = { ["io.modelcontextprotocol/protocolVersion"] = support.MODERN,
        ["io.modelcontextprotocol/clientCapabilities"] = {} } }, 1)
    turn_until(function() return got[1] end, "an answer")
    assert.same({ "result", "1" }, { got[1][1], got[1][2] })
    assert.equal("both ours", got[1][3].content[1].text)
    close_host(host)
    support.stop_all()

    local path = os.tmpname()
    os.remove(path)
    local listener = assert(core.listen_http({ unix = path, websocket = true,
      duplex = function() return { "over a file" } end }, function(x) x:upgrade() end))
    local answer
    local function receive(_, _, _, _, _, params) answer = params end
    host = assert(core.connect_websocket({ unix = path, target = "/mcp" }, receive))
    host:sender():send("x", nil, 1)
    turn_until(function() return answer end, "an answer")
    assert.same({ "over a file" }, answer)
    close_host(host)
    close_host(listener)
  end)
end)
