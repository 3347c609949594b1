-- SPDX-License-Identifier: MIT
-- ws_open_spec.lua: src/wire/ws_handshake.c: the opening handshake, RFC 6455 section 4.
local ws = require "codecs.ws"

local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

-- A good request, with fields replaced (false: left out) or lines added.
local function request(fields, more, line)
  local with = { Host = "127.0.0.1", Upgrade = "websocket", Connection = "Upgrade",
    ["Sec-WebSocket-Key"] = KEY, ["Sec-WebSocket-Version"] = "13",
    ["Sec-WebSocket-Protocol"] = "mcp" }
  for name, value in pairs(fields or {}) do with[name] = value end
  local text = (line or "GET /mcp HTTP/1.1") .. "\r\n"
  for name, value in pairs(with) do
    if value then text = text .. name .. ": " .. value .. "\r\n" end
  end
  return text .. (more or "") .. "\r\n"
end

describe("a request for a WebSocket", function()
  it("is granted with the digest of its key (RFC 6455 1.3)", function()
    assert.equal(ACCEPT, ws.accept(KEY))
    local status, fields = ws.judge(request())
    assert.equal(0, status)
    assert.equal("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " .. ACCEPT
      .. "\r\nSec-WebSocket-Protocol: mcp\r\n", fields)
  end)

  it("may be spelt as fields may be", function()
    for _, fields in ipairs { { Upgrade = "WebSocket" }, { Connection = "keep-alive, upgrade" },
      { Connection = "UPGRADE" }, { Upgrade = "h2c, websocket" },
      { ["Sec-WebSocket-Protocol"] = "chat,mcp , other" },
      { ["Sec-WebSocket-Extensions"] = "permessage-deflate; client_max_window_bits" } } do
      local status, granted = ws.judge(request(fields))
      assert.equal(0, status)
      assert.is_nil(granted:find("Extensions", 1, true), "WS-14: nothing compresses")
    end
    assert.equal(0, (ws.judge(request({ ["Sec-WebSocket-Protocol"] = "chat" },
      "Sec-WebSocket-Protocol: mcp\r\n"))))
  end)

  it("is none without Upgrade: websocket, or with another method", function()
    assert.is_false(ws.judge(request { Upgrade = false, Connection = "keep-alive" }))
    assert.is_false(ws.judge(request { Upgrade = "h2c" }))
    assert.is_false(ws.judge(request({ ["Content-Length"] = "0" }, nil, "POST /mcp HTTP/1.1")))
  end)

  it("needs HTTP/1.1 and Connection: Upgrade", function()
    assert.equal(400, (ws.judge(request { Connection = "keep-alive" })))
    assert.equal(400, (ws.judge(request { Connection = false })))
    assert.equal(400, (ws.judge(request({}, nil, "GET /mcp HTTP/1.0"))))
  end)

  it("needs version 13, or gets 426 (RFC 6455 4.2.2)", function()
    for _, version in ipairs { false, "8", "12", "14", "013", "13, 8", "" } do
      assert.equal(426, (ws.judge(request { ["Sec-WebSocket-Version"] = version })), version)
    end
    assert.equal(426, (ws.judge(request({}, "Sec-WebSocket-Version: 13\r\n"))))
  end)

  it("needs one key of 16 bytes in Base64 (RFC 6455 4.2.1)", function()
    for _, key in ipairs { false, "", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=",
      "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZTE=", "dGhlIHNhbXBsZSBub25jZR==",
      "dGhl-HNhbXBsZSBub25jZQ==", ("A"):rep(24), ("A"):rep(4000) } do
      local status, why = ws.judge(request { ["Sec-WebSocket-Key"] = key })
      assert.equal(400, status, key)
      assert.is_truthy(why:find("Sec-WebSocket-Key", 1, true))
    end
    assert.equal(400, (ws.judge(request({}, "Sec-WebSocket-Key: " .. KEY .. "\r\n"))))
  end)

  it("offers mcp, or goes without a subprotocol where that is allowed (WS-10)", function()
    for _, offer in ipairs { false, "", "chat", "MCP", "mcp2", "mcp chat", "xmcp" } do
      local status, why = ws.judge(request { ["Sec-WebSocket-Protocol"] = offer })
      assert.equal(400, status, offer)
      assert.is_truthy(why:find("mcp", 1, true))
      local fields
      status, fields = ws.judge(request { ["Sec-WebSocket-Protocol"] = offer }, true)
      assert.equal(0, status)
      assert.is_nil(fields:find("Protocol", 1, true), "none is chosen that was not offered")
    end
  end)
end)

describe("our request for a WebSocket", function()
  it("is one that we would grant (WS-01)", function()
    local key = ws.make_key()
    assert.equal(24, #key)
    assert.is_not_equal(key, ws.make_key())
    local text = "GET /mcp HTTP/1.1\r\nHost: a\r\n" .. ws.request(key) .. "\r\n"
    local status, fields = ws.judge(text)
    assert.equal(0, status)
    assert.is_true(ws.granted("HTTP/1.1 101 Switching Protocols\r\n" .. fields .. "\r\n", key))
  end)

  it("is granted by the right digest and the subprotocol mcp only", function()
    local function answer(fields, more)
      local with = { Upgrade = "websocket", Connection = "Upgrade",
        ["Sec-WebSocket-Accept"] = ACCEPT, ["Sec-WebSocket-Protocol"] = "mcp" }
      for name, value in pairs(fields or {}) do with[name] = value end
      local text = "HTTP/1.1 101 Switching Protocols\r\n"
      for name, value in pairs(with) do
        if value then text = text .. name .. ": " .. value .. "\r\n" end
      end
      return text .. (more or "") .. "\r\n"
    end
    assert.is_true(ws.granted(answer(), KEY))
    assert.is_true(ws.granted(answer { Upgrade = "WebSocket", Connection = "upgrade" }, KEY))
    for _, wrong in ipairs { { ["Sec-WebSocket-Accept"] = false },
      { ["Sec-WebSocket-Accept"] = ws.accept "another" },
      { ["Sec-WebSocket-Accept"] = ACCEPT:lower() }, { Upgrade = "h2c" },
      { ["Sec-WebSocket-Extensions"] = "permessage-deflate" },
      { ["Sec-WebSocket-Protocol"] = "chat" }, { ["Sec-WebSocket-Protocol"] = "mcp, chat" },
      { ["Sec-WebSocket-Protocol"] = false } } do
      local ok, why = ws.granted(answer(wrong), KEY)
      assert.is_false(ok)
      assert.is_true(#why > 10)
    end
    assert.is_false(ws.granted(answer(nil, "Sec-WebSocket-Accept: " .. ACCEPT .. "\r\n"), KEY))
    assert.is_false(ws.granted(answer(nil, "Sec-WebSocket-Protocol: mcp\r\n"), KEY))
    -- Servers of old that choose nothing, where that is allowed.
    assert.is_true(ws.granted(answer { ["Sec-WebSocket-Protocol"] = false }, KEY, true))
    assert.is_false(ws.granted(answer { ["Sec-WebSocket-Protocol"] = "chat" }, KEY, true))
  end)
end)
