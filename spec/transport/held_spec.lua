-- SPDX-License-Identifier: MIT
-- What of a message has arrived is charged to its connection until the message is whole, on every
-- transport: otherwise peers that send half a message each would hold memory that no limit counts.
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local helper = require "spec.helper"
local mcp = require "mcp"
local system = require "codecs.system"

local HALF = ("x"):rep(1 << 20)

describe("half a message is charged", function()
  local before

  before_each(function()
    collectgarbage()
    before = core.memory()
  end)
  after_each(helper.leftovers)

  local function held() return core.memory() - before end

  -- Sends all of it, and waits until it is held; then ends the connection, and it is not.
  local function check(socket, bytes, close)
    while #bytes > 0 do
      bytes = bytes:sub(assert(socket:send(bytes, 0)) + 1)
      core.step(0)
    end
    helper.wait_until(function() return held() >= #HALF end, "the bytes to be charged")
    close()
    helper.wait_until(function() return held() < #HALF // 4 end, "the bytes to be released")
  end

  local function server(head, bytes)
    local listening <close> = mcp.server "spec":listen { http = "127.0.0.1:0", websocket = true,
      quiet = true }
    local socket = assert(system.connect("127.0.0.1", listening.port))
    socket:send((head:gsub("PORT", tostring(listening.port))))
    helper.wait_until(function() return listening.hosts[1]:connections() == 1 end)
    if head:find "Upgrade" then
      helper.wait_until(function() return (socket:receive(0)) end, "the upgrade")
    end
    check(socket, bytes, function() socket:close() end)
    listening:close()
    helper.settle()
  end

  it("to a server over HTTP", function()
    server("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Type: application/json\r\n"
      .. "Content-Length: 2000000\r\n\r\n", HALF)
  end)

  it("to a server over WebSocket, in a frame and between two", function()
    local head = "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUpgrade: websocket\r\n"
      .. "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mcp\r\n"
      .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    server(head, frames.text(HALF .. "x", { fin = false }):sub(1, -2))
    server(head, frames.text(HALF, { fin = false }))
  end)

  it("to a peer that reads lines", function()
    local listener, port = system.listen("127.0.0.1", 0, 1)
    local endpoint
    core.spawn(function()
      endpoint = assert(core.connect_socket({ host = "127.0.0.1", port = port }, function() end))
    end)
    helper.wait_until(function() return endpoint end, "the connection")
    local socket = assert(listener:accept(1))
    check(socket, HALF, function() endpoint:close() end)
    socket:close()
    listener:close()
    helper.settle()
  end)
end)
