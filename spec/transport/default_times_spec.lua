-- SPDX-License-Identifier: MIT
-- The times that apply where no option says otherwise, as docs/limits.md has them. Other specs set
-- short ones. Here the clock is moved: a peer is still served shortly before its time, and no
-- longer shortly after.
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"
local system = require "codecs.system"

-- Deadlines of a server are looked for once a second; a peer that is cut has some time to read why.
local SWEEP = 4

describe("by default", function()
  local listening, socket

  before_each(function()
    socket = nil
    local app = mcp.server "spec"
    app:tool "slow" (function(_, ctx)
      ctx:progress(1, 2)
      ctx:sleep(1000)
    end)
    app:tool "flood" (function() return ("x"):rep(8 << 20) end)
    listening = app:listen { http = "127.0.0.1:0", websocket = true, quiet = true }
  end)
  after_each(function()
    if socket then socket:close() end
    listening:close()
    helper.settle()
    helper.leftovers()
  end)

  local function connections() return listening.hosts[1]:connections() end

  local function send(bytes)
    if not socket then
      socket = assert(system.connect("127.0.0.1", listening.port, 4096))
      helper.wait_until(function() return connections() == 1 end, "the connection")
    end
    assert(socket:send(bytes))
    for _ = 1, 3 do helper.settle() end
  end

  -- The next bytes of the server.
  local function receive()
    return helper.wait_until(function() return (socket:receive(0)) end, "bytes of the server")
  end

  -- Is the connection cut after so many seconds, and not before?
  local function lasts(seconds)
    core.skip(seconds - 0.5)
    helper.settle()
    assert.equal(1, connections(), "cut too early")
    core.skip(0.5 + SWEEP)
    helper.settle()
    assert.equal(0, connections(), "not cut")
  end

  local function head(length, more)
    return ("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
      .. "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: %s\r\n"
      .. "%sContent-Length: %d\r\n\r\n"):format(listening.port, support.MODERN, more or "", length)
  end

  -- A call of the stateless revision.
  local function call(name)
    local body = assert(core.encode { jsonrpc = "2.0", id = 1, method = "tools/call", params = {
      name = name, _meta = { progressToken = 1,
        ["io.modelcontextprotocol/protocolVersion"] = support.MODERN,
        ["io.modelcontextprotocol/clientCapabilities"] = {} } } })
    return head(#body, "Mcp-Method: tools/call\r\nMcp-Name: " .. name .. "\r\n") .. body
  end

  it("a head has 10 s", function()
    send "POST /mcp HTTP/1.1\r\nHo"
    lasts(10)
  end)

  it("a body has 60 s, and 240 bytes a second after 5 s", function()
    send(head(100000) .. "{")
    lasts(5)
    socket:close()
    socket = nil
    send(head(100000))
    for _ = 1, 58 do
      send((" "):rep(260))
      core.skip(1)
      helper.settle()
    end
    assert.equal(1, connections())
    for _ = 1, 1 + SWEEP do
      if connections() > 0 then pcall(send, (" "):rep(260)) end
      core.skip(1)
      helper.settle()
    end
    assert.equal(0, connections())
  end)

  it("a connection is idle for 60 s", function()
    send("GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert.matches("^HTTP/1.1 %d", receive())
    lasts(60)
  end)

  it("a peer that reads nothing has 30 s", function()
    send(call "flood")
    lasts(30)
  end)

  it("a stream is never silent for more than 15 s", function()
    send(call "slow")
    assert.matches("notifications/progress", receive())
    core.skip(14.5)
    helper.settle()
    assert.is_nil((socket:receive(0)))
    core.skip(1)
    helper.settle()
    assert.matches("keep%-alive", receive())
  end)

  it("a WebSocket is asked for a sign of life after 30 s of silence, and has 60 s", function()
    send(("GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      .. "Sec-WebSocket-Protocol: mcp\r\n\r\n"):format(listening.port))
    assert.matches("^HTTP/1.1 101", receive())
    core.skip(29.5)
    helper.settle()
    assert.is_nil((socket:receive(0)))
    core.skip(1)
    helper.settle()
    assert.equal(frames.PING, frames.read(receive()).op)
    lasts(29)
  end)
end)

describe("a client by default", function()
  local pool, listener, port, accepted

  before_each(function()
    pool = core.http_pool()
    listener, port = system.listen("127.0.0.2", 0, 4)
  end)
  after_each(function()
    pool:close()
    listener:close()
    if accepted then accepted:close() end
    accepted = nil
    helper.settle()
    helper.leftovers()
  end)

  -- What `fn` returns as its code; it has to take so many seconds, and no longer.
  local function code_after(seconds, fn)
    local results
    core.spawn(function() results = table.pack(fn()) end)
    for _ = 1, 3 do helper.settle() end
    core.skip(seconds - 0.5)
    helper.settle()
    assert.is_nil(results, "over too early")
    core.skip(1)
    helper.settle()
    assert.is_table(results, "not over")
    return results[3]
  end

  -- Fills the queue of a listener: another connection hears nothing.
  local function fill()
    listener:close()
    listener, port = system.listen("127.0.0.2", 0, 0)
    local waiting = {}
    for i = 1, 3 do waiting[i] = system.begin("127.0.0.2", port) end
    return waiting
  end

  it("waits 10 s for a connection", function()
    local waiting = fill()
    local at = { host = "127.0.0.2", port = port }
    for _, fn in ipairs { function() return pool:request(at) end,
      function() return core.connect_stream(at) end,
      function() return core.connect_socket(at, function() end) end,
      function() return core.connect_websocket(at, function() end) end } do
      assert.equal("ETIMEDOUT", code_after(10, fn))
    end
    for _, each in ipairs(waiting) do each:close() end
  end)

  it("waits 10 s for a WebSocket", function()
    assert.equal("ETIMEDOUT", code_after(10, function()
      return core.connect_websocket({ host = "127.0.0.2", port = port }, function() end)
    end))
  end)

  it("waits 60 s for the head of a response", function()
    assert.equal("ETIMEDOUT", code_after(60, function()
      return pool:request { host = "127.0.0.2", port = port }
    end))
  end)

  -- Requests, and answers with some bytes.
  local function answered(bytes)
    local response
    core.spawn(function() response = assert(pool:request { host = "127.0.0.2", port = port }) end)
    helper.wait_until(function()
      accepted = accepted or listener:accept(0)
      return accepted
    end, "the connection")
    accepted:send(bytes)
    return helper.wait_until(function() return response end, "the response")
  end

  it("waits 30 s for the next bytes of a body", function()
    local response <close> = answered "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12"
    assert.equal("ETIMEDOUT", code_after(30, function() return response:read() end))
  end)

  it("keeps a connection that nothing uses for 30 s", function()
    local response <close> = answered "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n12"
    assert.equal("12", response:read())
    helper.settle()
    local before = table.pack(pool:connections())
    core.skip(29.5)
    helper.settle()
    assert.same(before, table.pack(pool:connections()))
    core.skip(2)
    helper.settle()
    assert.same({ 0, 0, 0 }, { pool:connections() })
  end)
end)
