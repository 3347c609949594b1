-- SPDX-License-Identifier: MIT
-- "Connection: close" was ignored where the body was refused with 400 (RFC 9112 9.6).
local core = require "mcp.core"
local wait_until = require("spec.helper").wait_until
local peers = require "codecs.peer"

describe("Connection: close", function()
  it("is honored when the body is no JSON-RPC message (RFC 9112 9.6)", function()
    for _, body in ipairs { "{", "7" } do
      local host = assert(core.listen_http({ host = "127.0.0.1", port = 0 },
        function() return {} end))
      local peer <close> = assert(peers.connect(host:port()))
      peer:send(("POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\n"
        .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      local text, closed
      wait_until(function()
        text, closed = peer:receive()
        return closed
      end)
      assert.matches("^HTTP/1%.1 400 ", text)
      host:close()
      wait_until(function() return host:is_gone() end)
    end
  end)
end)
