-- SPDX-License-Identifier: MIT
-- tls_sessions_spec.lua: src/openssl/tls_sessions.c: which sessions a client resumes. What a
-- server makes of them is in tls_tickets_spec.lua.
local certificate = require "codecs.certificate"
local hours = require "spec.openssl.hours"
local openssl = require "mcp.openssl"
local patience = require "spec.patience"
local scratch = require "spec.scratch"
local stream = require "codecs.stream"
local system = require "codecs.system"

local ca = certificate.make { name = "Spec CA", ca = true }
local own = certificate.make { issuer = ca, names = "DNS:localhost,DNS:*.many.test", serial = 2 }

describe("a client's sessions", function()
  local loop, server, client

  before_each(function()
    loop = stream.loop()
    server = assert(openssl.tls { role = "server", cert = own.cert, key = own.key })
    client = assert(openssl.tls { role = "client", ca = ca.cert })
  end)
  after_each(function() loop:close() end)

  local function wait(condition, what)
    return patience(condition, what, function() loop:step(0.01) end)
  end

  local function open(name, port, context, server_side)
    local a, b = loop:pair()
    local near = assert(a:wrap(server_side or server))
    local far = assert(b:wrap(context or client, name or "localhost", false, port))
    assert(near:start())
    assert(far:start())
    return near, far
  end

  -- Was it resumed? Waits until both sides have said something.
  local function talk(...)
    local _, before = server:handshakes()
    local near, far = open(...)
    assert(far:send "question")
    wait(function() return near:facts().received >= 8 end, "the question")
    assert(near:send "answer")
    wait(function() return far:facts().received >= 6 end, "the answer")
    far:close(true)
    near:close(true)
    local _, after = server:handshakes()
    return after > before
  end

  it("are those of one name and one port", function()
    assert.is_false(talk("localhost", 1))
    assert.is_true(talk("localhost", 1))
    assert.is_false(talk("localhost", 2))
    assert.is_false(talk("a.many.test", 1))
    assert.is_true(talk("localhost", 2))
  end)

  it("are not used with other options", function()
    assert.is_false(talk("localhost", 1))
    local same = assert(openssl.tls { role = "client", ca = ca.cert })
    assert.is_false(talk("localhost", 1, same))
    local careless = assert(openssl.tls { role = "client", verify = false })
    assert.is_false(talk("localhost", 1, careless))
    assert.is_true(talk("localhost", 1, careless))
    -- What was accepted without a check is of no use where there is one.
    assert.is_true(talk("localhost", 1))
  end)

  it("end when files are read again", function()
    assert.is_false(talk())
    assert(client:reload())
    assert.is_false(talk())
    assert.is_true(talk())
  end)

  -- Opens connections at the same time, and waits until each has carried something.
  local function together(count)
    local pairs_of = {}
    for i = 1, count do pairs_of[i] = { open() } end
    for _, pair in ipairs(pairs_of) do assert(pair[2]:send "question") end
    for _, pair in ipairs(pairs_of) do
      wait(function() return pair[1]:facts().received >= 8 end, "the question")
    end
    for _, pair in ipairs(pairs_of) do
      assert(pair[1]:send "answer")
      wait(function() return pair[2]:facts().received >= 6 end, "the answer")
      pair[2]:close(true)
      pair[1]:close(true)
    end
  end

  it("are used once each in TLS 1.3, so as many can open together as there are", function()
    assert.is_false(talk())
    together(4)
    -- A full handshake gives two.
    assert.same({ 3, 2 }, { server:handshakes() })
  end)

  it("keeps four of a server that sends more", function()
    together(4)
    assert.same({ 4, 0 }, { server:handshakes() })
    together(6)
    assert.same({ 6, 4 }, { server:handshakes() })
  end)

  it("are kept for 64 servers, the ones used last", function()
    for i = 1, 66 do assert.is_false(talk(("s%d.many.test"):format(i))) end
    assert.is_true(talk "s66.many.test")
    assert.is_true(talk "s3.many.test")
    assert.is_false(talk "s1.many.test")
  end)

  it("are dropped with a handshake that fails", function()
    assert.is_false(talk())
    -- Another server at the same address, that no authority of ours has signed.
    local stranger = certificate.make { names = "DNS:localhost" }
    local false_server = assert(openssl.tls { role = "server", cert = stranger.cert,
      key = stranger.key })
    local near, far = open(nil, nil, nil, false_server)
    wait(function() return far:facts().ended end, "a failure")
    assert.equal("ETLSISSUER", far:facts().code)
    near:close()
    far:close()
    assert.is_false(talk())
  end)

  it("end with the certificate of the server", function()
    local short = certificate.make { issuer = ca, names = "DNS:localhost", from = -10, to = 2 }
    server = assert(openssl.tls { role = "server", cert = short.cert, key = short.key })
    assert.is_false(talk())
    assert.is_true(talk())
    local over = system.now() + 3.1
    wait(function() return system.now() > over end, "an expired certificate")
    local near, far = open()
    wait(function() return far:facts().ended end, "a failure")
    assert.equal("ETLSEXPIRED", far:facts().code)
    near:close()
    far:close()
  end)

  for _, protocol in ipairs { "tls1_2", "tls1_3" } do
    it("end an hour after the full handshake, however often they are replaced: " .. protocol,
      function()
        -- At last the clock is set back.
        assert.equal("full resumed full resumed full",
          hours("client", protocol, 600, 0, 40, 80, 120, 70))
      end)

    it("end with any certificate of the server's chain: " .. protocol, function()
      assert.equal("full resumed ETLSEXPIRED", hours("client", protocol, 50, 0, 40, 52))
    end)
  end

  it("are resumed with TLS 1.2, as often as one likes", function()
    local folder <close> = scratch()
    local child <close> = system.spawn { "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
      folder:write("cert", own.cert), "-key", folder:write("key", own.key), "-tls1_2" }
    local text = ""
    local port = wait(function()
      text = text .. (child:read(0) or "") .. (child:read_error(0) or "")
      return text:match "ACCEPT [^\n]*:(%d+)\n"
    end, "a port")
    port = math.tointeger(tonumber(port))
    for i = 1, 3 do
      local raw = assert(loop:connect(port))
      local far = assert(raw:wrap(client, "localhost", false, port))
      assert(far:start())
      assert(far:send "question\n")
      wait(function()
        local full, resumed = client:handshakes()
        return full + resumed == i
      end, "a handshake")
      wait(function()
        text = text .. (child:read(0) or "") .. (child:read_error(0) or "")
        return text:find "question"
      end, "the question")
      text = text:gsub("question", "")
      far:close(true)
    end
    assert.same({ 1, 2 }, { client:handshakes() })
  end)
end)
