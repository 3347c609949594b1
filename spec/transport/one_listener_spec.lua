-- SPDX-License-Identifier: MIT
-- One address, one set of handlers, every kind of client at once: Streamable HTTP with and without
-- sessions, HTTP+SSE, WebSocket. What each of them does is counted by one app.
local core = require "mcp.core"
local support = require "spec.support"

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local app = mcp.server { name = "spec" }
local total, by = 0, {}
app:tool "count" (function(_, ctx)
  local way = ctx.transport .. " " .. ctx.revision.era
  total = total + 1
  by[way] = (by[way] or 0) + 1
  local mine = total
  if not ctx:sleep(0.002) then return nil, "cancelled" end
  return mine
end)
app:tool "counts" (function()
  by.total = total
  return by
end)
app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
app:tool "slow" (function(_, ctx)
  io.stderr:write("began ", ctx.transport, "\n")
  ctx:sleep(0.3)
  return "slow " .. ctx.transport
end)
app:run(options)
]==]

local READY = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

local function call(id, name)
  return support.legacy_body(id, "tools/call", { name = name, arguments = core.decode "{}" })
end

-- --- clients: each with `send(body)`, and `receive()` for the next message -----------

local ways = {}

function ways.modern(server)
  local client = support.client(server)
  return {
    send = function(id, name) client:send(support.call(id, name)) end,
    receive = function() return client:answer().json end,
  }
end

function ways.session(server)
  local client = support.client(server)
  local sid = client:initialize()
  return {
    send = function(id, name) client:send(support.legacy(sid, call(id, name))) end,
    receive = function() return client:answer().json end,
  }
end

function ways.sse(server)
  local stream, poster = support.client(server), support.client(server)
  stream:send(support.request("GET", { Accept = "text/event-stream" }))
  assert.equal(200, stream:head().status)
  local address = stream:chunk():match "data: ([^\n]*)"
  local function post(body)
    poster:send(support.request("POST", nil, body, address))
    assert.equal(202, poster:answer().status)
  end
  local pending = ""
  local function receive()
    if pending == "" then pending = stream:chunk() end
    local data
    data, pending = pending:match "^event: message\ndata: ([^\n]*)\n\n(.*)$"
    return core.decode(data)
  end
  post(support.initialize_body(0, "2024-11-05"))
  assert.equal(0, receive().id)
  post(READY)
  return { send = function(id, name) post(call(id, name)) end, receive = receive }
end

function ways.websocket(server)
  local client = support.client(server)
  client:send(support.request("GET", { Upgrade = "websocket", Connection = "Upgrade",
    ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Version"] = "13",
    ["Sec-WebSocket-Protocol"] = "mcp" }))
  local head = client:head()
  assert.equal(101, head.status)
  assert.equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", head.fields["sec-websocket-accept"])
  -- A text message in one frame, masked with zeros (RFC 6455 5.2).
  local function put(text)
    local length = #text < 126 and string.char(0x80 | #text)
      or string.pack(">BI2", 0x80 | 126, #text)
    client:send("\x81" .. length .. "\0\0\0\0" .. text)
  end
  local function receive()
    local first, length = client:take_bytes(2):byte(1, 2)
    assert.equal(0x81, first)
    if length == 126 then length = string.unpack(">I2", client:take_bytes(2)) end
    return core.decode(client:take_bytes(length))
  end
  put(support.initialize_body(0, "2025-11-25"))
  assert.equal(0, receive().id)
  put(READY)
  return { send = function(id, name) put(call(id, name)) end, receive = receive,
    -- The closing handshake (RFC 6455 7.1.2): the server begins it with 1001, going away.
    part = function()
      assert.equal("\x88\x02\x03\xe9", client:take_bytes(4))
      client:send "\x88\x82\0\0\0\0\x03\xe9"
    end }
end

local KINDS = { "modern", "session", "sse", "websocket" }

local function text_of(message) return message.result.content[1].text end

describe("one listener", function()
  after_each(support.stop_all)

  it("answers clients of every transport at once, and counts each call once", function()
    local server = support.http(nil, { script = SCRIPT })
    local clients, rounds = {}, 20
    for i, kind in ipairs(KINDS) do clients[i] = ways[kind](server) end
    local seen = {}
    for round = 1, rounds do
      -- All four are under way before the first is answered.
      for _, client in ipairs(clients) do client.send(round, "count") end
      for _, client in ipairs(clients) do
        local message = client.receive()
        assert.equal(round, message.id)
        seen[#seen + 1] = math.tointeger(tonumber(text_of(message)))
      end
    end
    table.sort(seen)
    for i, count in ipairs(seen) do assert.equal(i, count) end
    assert.equal(#KINDS * rounds, #seen)
    local expected = { total = #seen, ["http modern"] = rounds, ["http legacy"] = rounds,
      ["sse legacy"] = rounds, ["websocket legacy"] = rounds }
    for i, client in ipairs(clients) do
      client.send("counts", "counts")
      assert.same(expected, core.decode(text_of(client.receive())), KINDS[i])
    end
  end)

  it("ends once for all of them, after what is under way", function()
    local server = support.http(nil, { script = SCRIPT })
    local clients = {}
    for i, kind in ipairs(KINDS) do clients[i] = ways[kind](server) end
    for _, client in ipairs(clients) do client.send(1, "slow") end
    server:wait_said "began websocket"
    server.process:kill "TERM"
    local texts = {}
    for i, client in ipairs(clients) do texts[i] = text_of(client.receive()) end
    assert.same({ "slow http", "slow http", "slow sse", "slow websocket" }, texts)
    clients[4].part()
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)

  it("each kind can be switched off, and the others stay", function()
    local server = support.http("sse = false, websocket = false", { script = SCRIPT })
    for _, kind in ipairs { "modern", "session" } do
      local client = ways[kind](server)
      client.send(1, "count")
      assert.equal(1, client.receive().id)
    end
    for _, kind in ipairs { "sse", "websocket" } do
      assert.is_false(pcall(ways[kind], server), kind)
    end
    -- Who asks for one of the two does not get the other.
    local asked <close> = support.client(support.http("websocket = false", { script = SCRIPT }))
    assert.equal(400, asked:ask(support.request("GET", { Upgrade = "websocket",
      Connection = "Upgrade", ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==",
      ["Sec-WebSocket-Version"] = "13", ["Sec-WebSocket-Protocol"] = "mcp" })).status)
  end)

  it("or have a listener of its own, beside others and standard input and output", function()
    local server = support.start("{ stdio = true, http = 0, sse = 0, websocket = 0 }",
      { script = SCRIPT })
    server.port = math.tointeger(server:wait_said "answers at http://[^%s]-:(%d+)/mcp\n")
    local second = math.tointeger(server:wait_said
      "answers at http://.-answers at http://[^%s]-:(%d+)/mcp\n")
    local third = math.tointeger(server:wait_said "answers at ws://[^%s]-:(%d+)/mcp\n")
    local total = 0
    for _, case in ipairs { { server.port, "sse" }, { server.port, "websocket" },
      { second, "sse" }, { third, "websocket" }, { second, "modern" }, { third, "session" } } do
      local client = ways[case[2]](setmetatable({ port = case[1] }, { __index = server }))
      client.send(1, "count")
      total = total + 1
      assert.equal(("%d"):format(total), text_of(client.receive()))
    end
    assert.is_false(pcall(ways.websocket, setmetatable({ port = second }, { __index = server })))
    assert.is_false(pcall(ways.sse, setmetatable({ port = third }, { __index = server })))
    server:write(support.call_body(1, "count") .. "\n")
    assert.equal(("%d"):format(total + 1), text_of(server:read_line()))
    -- The end of standard input ends it all.
    server.process:close_stdin()
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)
end)
