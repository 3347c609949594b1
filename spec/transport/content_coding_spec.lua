-- SPDX-License-Identifier: MIT
-- content_coding_spec.lua: we ask that nothing is coded (RFC 9110 12.5.3). gzip and deflate are
-- decoded where a server sends them all the same, wherever a body comes from: an answer of MCP, an
-- event stream, a document of OAuth, keys. Any other coding is named; a body is never read for what
-- it is not.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local jwks = require "mcp.auth.jwks"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"

-- "{}" in each coding; servers mean two different formats by deflate.
local GZIP = "\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0"
local ZLIB = "\x78\x9c\xab\xae\x05\x00\x01\x75\x00\xf9"
local DEFLATE = "\xab\xae\x05\x00"

-- What the gzip program makes of a text.
local function gzip(text)
  local name <const> = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
  local pipe = assert(io.popen("gzip -9 -c " .. name, "r"))
  local packed = pipe:read "a"
  pipe:close()
  os.remove(name)
  return packed
end

local server

local function serve(handler)
  if server then server:close() end
  server = raw_server.start(function(request, connection)
    local status, fields, body = handler(request, connection)
    if math.type(status) then return status, fields, body end
  end)
end

local function coded(coding, kind)
  return 200, { ["Content-Type"] = kind or "application/json", ["Content-Encoding"] = coding }, GZIP
end

describe("content coding", function()
  after_each(function()
    if server then server:close() end
    server = nil
    helper.leftovers()
  end)

  it("is asked not to be used, by every request", function()
    serve(function() return 200, {}, "{}" end)
    local address = server.url
    assert(fetch.get(address))
    assert(fetch.post(address, { json = { 1 } }))
    assert(jwks.new { url = address }:find { kid = "none" } or true)
    mcp.connect(address)
    assert.is_true(#server.requests >= 4)
    for _, request in ipairs(server.requests) do
      assert.equal("identity", request.fields["accept-encoding"], request.head)
    end
  end)

  it("of an answer of MCP is named if it is not known", function()
    for _, coding in ipairs { "br", "zstd", "compress", "gzip, gzip", "gzip, identity" } do
      serve(function() return coded(coding) end)
      local client, text = mcp.connect(server.url)
      assert.is_nil(client)
      assert.is_truthy(text:find("Content-Encoding: expected identity, gzip or deflate, got "
        .. coding, 1, true), text)
      server:close()
    end
  end)

  it("of fetched bodies is decoded: gzip, zlib and bare deflate", function()
    for _, way in ipairs { { "gzip", GZIP }, { "GZIP", GZIP }, { "x-gzip", GZIP },
      { "deflate", ZLIB }, { "Deflate", DEFLATE } } do
      serve(function() return 200, { ["Content-Encoding"] = way[1] }, way[2] end)
      assert.equal("{}", assert(fetch.get(server.url)).body, way[1])
      server:close()
      -- Byte by byte, too.
      serve(function(_, connection)
        connection:answer(200, { ["Content-Encoding"] = way[1], ["Content-Length"] = #way[2] },
          false)
        for byte in way[2]:gmatch "(.)" do
          connection:send(byte)
          core.sleep(0.001)
        end
      end)
      assert.equal("{}", assert(fetch.get(server.url)).body, way[1])
      server:close()
    end
    server = nil
  end)

  it("is undone for files that were concatenated", function()
    serve(function() return 200, { ["Content-Encoding"] = "gzip" }, GZIP .. gzip "[]" .. GZIP end)
    assert.equal("{}[]{}", assert(fetch.get(server.url)).body)
  end)

  it("that is wrong or cut fails", function()
    local body
    serve(function(request)
      local kind = request.target:match "^/(%a+)"
      return 200, { ["Content-Encoding"] = kind == "zlib" and "deflate" or "gzip" }, body
    end)
    local function outcome(given, path)
      body = given
      local answer, text, code = fetch.get(("http://127.0.0.1:%d/%s"):format(server.port,
        path or ""))
      assert.is_nil(answer)
      assert.equal("ECODING", code)
      return text
    end
    assert.matches("invalid gzip data", outcome "{}", 1, true)
    assert.matches("invalid gzip data", outcome(GZIP:sub(1, -5) .. "\1\0\0\0"), 1, true)
    for n = 1, #GZIP - 1 do
      assert.matches("the compressed body ends too early", outcome(GZIP:sub(1, n)), 1, true)
    end
    assert.matches("invalid gzip data", outcome(GZIP .. "{}"), 1, true)
    assert.matches("ends too early", outcome("\x78", "zlib"), 1, true)
    assert.matches("data after the end", outcome(ZLIB .. "{}", "zlib"), 1, true)
    assert.matches("invalid deflate data", outcome("\x78\x9c\xff\xff\xff", "zlib"), 1, true)
  end)

  it("counts towards the limit after decoding, however small the body was", function()
    local size = 16 << 20
    local bomb = gzip(("x"):rep(size))
    assert.is_true(#bomb < 20000)
    serve(function() return 200, { ["Content-Encoding"] = "gzip" }, bomb end)
    local answer, text, code = fetch.get(server.url)
    assert.is_nil(answer)
    assert.equal("ETOOBIG", code, text)
    answer, text, code = fetch.get(server.url, { limit = size - 1 })
    assert.is_nil(answer)
    assert.equal("ETOOBIG", code, text)
    assert.equal(size, #assert(fetch.get(server.url, { limit = size })).body)
    -- Read in pieces it is never there as a whole.
    local count, largest = 0, 0
    local response <close> = assert(fetch.get(server.url, { stream = true, limit = size }))
    for chunk in response:chunks() do
      count, largest = count + #chunk, math.max(largest, #chunk)
    end
    assert.equal(size, count)
    assert.is_true(largest <= 300 << 10, largest)
  end)

  it("of a large body holds up nobody", function()
    local size = 64 << 20
    local bomb = gzip(("\0"):rep(size))
    serve(function() return 200, { ["Content-Encoding"] = "gzip" }, bomb end)
    for _, how in ipairs { "streamed", "whole" } do
      local waiter, count, turns = core.waiter(), nil, 0
      waiter:spawn(function()
        local got = 0
        local answer = fetch.get(server.url, { limit = how == "whole" and 24 << 20 or size,
          timeout = 30, on_data = how == "streamed" and function(chunk) got = got + #chunk end
            or nil })
        count = answer and got or "refused"
      end)
      while not count do
        core.sleep(0.0001)
        turns = turns + 1
      end
      assert.equal(how == "streamed" and size or "refused", count)
      -- A turn for each MiB or so; decoded in one go, others had three.
      assert.is_true(turns >= (how == "streamed" and 30 or 10), turns)
    end
  end)

  it("of a call's answer and of its event stream is decoded", function()
    for _, kind in ipairs { "application/json", "text/event-stream" } do
      serve(function(request)
        local message = request.message
        if not message then return 405, {}, "" end
        if message.id == nil then return 202, {}, "" end
        local answer = { jsonrpc = "2.0", id = message.id }
        if message.method == "tools/call" then
          answer.result = { content = { { type = "text", text = "packed" } } }
          local text = core.encode(answer)
          if kind == "text/event-stream" then text = "data: " .. text .. "\n\n" end
          return 200, { ["Content-Type"] = kind, ["Content-Encoding"] = "gzip" }, gzip(text)
        elseif message.method == "initialize" then
          answer.result = { protocolVersion = "2025-11-25",
            capabilities = { tools = { listChanged = false } },
            serverInfo = { name = "x", version = "1" } }
        else
          answer.error = { code = -32601, message = "none" }
        end
        return 200, { ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip" },
          gzip(core.encode(answer))
      end)
      local client <close> = assert(mcp.connect(server.url))
      local result = assert(client:call_tool("echo", {}, { timeout = 3 }))
      assert.equal("packed", result.content[1].text)
      client:close()
      server:close()
    end
    server = nil
  end)

  it("of an event stream is decoded as events arrive", function()
    -- Two blocks of deflate, each complete by itself (Z_SYNC_FLUSH), and no end.
    local head = "\x1f\x8b\x08\0\0\0\0\0\0\x03"
    local function stored(text)
      return "\0" .. ("<I2I2"):pack(#text, ~#text & 0xffff) .. text
    end
    serve(function(_, connection)
      connection:stream { ["Content-Encoding"] = "gzip" }
      connection:send(head .. stored "data: [1]\n\n")
      connection:wait_end()
    end)
    local pool <close> = core.http_pool()
    local response <close> = assert(pool:request { host = "127.0.0.1", port = server.port })
    local _, message = assert(response:event(1))
    assert.same({ 1 }, helper.plain(message))
    local event, _, code = response:event(0.02)
    assert.is_nil(event)
    assert.equal("ETIMEDOUT", code)
  end)

  it("of keys and documents is decoded", function()
    serve(function() return 200, { ["Content-Encoding"] = "gzip" }, gzip '{"keys":[]}' end)
    assert.same({}, assert(jwks.new { url = server.url }:find { kid = "a" }))
    serve(function(request)
      if request.target:find "well%-known" then return coded "gzip" end
      return 401, { ["WWW-Authenticate"] = ("Bearer resource_metadata=\"http://127.0.0.1:%d"
        .. "/.well-known/oauth-protected-resource\""):format(server.port) }, ""
    end)
    local client, text = mcp.connect(server.url, { auth = mcp.auth.client_credentials {
      client_id = "spec", client_secret = "word", allow_private = true } })
    assert.is_nil(client)
    -- The document was read: it is {}.
    assert.is_truthy(text:find("resource", 1, true), text)
    assert.is_nil(text:find("Content-Encoding", 1, true), text)
  end)

  it("that says identity, or has no body, is none", function()
    serve(function(request)
      if request.target == "/none" then
        return 200, { ["Content-Encoding"] = "gzip", ["Content-Length"] = "0" }, ""
      end
      return 200, { ["Content-Encoding"] = "Identity" }, "{}"
    end)
    assert.equal("{}", assert(fetch.get(server.url)).body)
    assert.equal("", assert(fetch.get(("http://127.0.0.1:%d/none"):format(server.port))).body)
  end)

  it("that a program asks for itself is its own to decode", function()
    serve(function() return coded "gzip" end)
    local answer = assert(fetch.get(server.url, { headers = { ["Accept-Encoding"] = "gzip" } }))
    assert.equal(GZIP, answer.body)
    assert.equal("gzip", answer.headers["content-encoding"])
    assert.equal("gzip", server.requests[1].fields["accept-encoding"])
  end)
end)
