-- SPDX-License-Identifier: MIT
-- tls_tickets_spec.lua: src/openssl/tls_tickets.c, seen by the server: which connections are
-- resumed. The clients are ours (tls_sessions_spec.lua), and the openssl command for TLS 1.2.
local certificate = require "codecs.certificate"
local hours = require "spec.openssl.hours"
local openssl = require "mcp.openssl"
local patience = require "spec.patience"
local scratch = require "spec.scratch"
local stream = require "codecs.stream"
local system = require "codecs.system"

local ca = certificate.make { name = "Spec CA", ca = true }
local other_ca = certificate.make { name = "Other CA", ca = true }
local own = certificate.make { issuer = ca, names = "DNS:localhost", serial = 2 }
local ada = certificate.make { issuer = ca, name = "Ada", serial = 3, use = "clientAuth" }

local function server_context(more)
  local options = { role = "server", cert = own.cert, key = own.key }
  for key, value in pairs(more or {}) do options[key] = value end
  return assert(openssl.tls(options))
end

local function client_context(more)
  local options = { role = "client", ca = ca.cert }
  for key, value in pairs(more or {}) do options[key] = value end
  return assert(openssl.tls(options))
end

describe("a server's session tickets", function()
  local loop, folder

  setup(function() folder = scratch() end)
  teardown(function() folder:remove() end)

  before_each(function() loop = stream.loop() end)
  after_each(function() loop:close() end)

  local function wait(condition, what)
    return patience(condition, what, function() loop:step(0.01) end)
  end

  -- One connection: a question, an answer, the end.
  local function talk(server_side, client_side)
    local a, b = loop:pair()
    local server = assert(a:wrap(server_side))
    local client = assert(b:wrap(client_side, "localhost"))
    assert(server:start())
    assert(client:start())
    assert(client:send "question")
    local function whole(side, size)
      wait(function()
        assert(not side:facts().ended, "the connection has failed")
        return side:facts().received >= size
      end, "bytes")
    end
    whole(server, 8)
    assert(server:send "answer")
    whole(client, 6)
    client:close(true)
    server:close(true)
  end

  local function counts(context) return { context:handshakes() } end

  it("let a client resume: one full handshake for many connections", function()
    local server, client = server_context(), client_context()
    for _ = 1, 5 do talk(server, client) end
    assert.same({ 1, 4 }, counts(server))
    assert.same({ 1, 4 }, counts(client))
  end)

  it("are of no use to another server, or to one with another secret", function()
    local client = client_context()
    local one, two = server_context(), server_context()
    talk(one, client)
    talk(two, client)
    assert.same({ 1, 0 }, counts(two))
    one:tickets(("a"):rep(32))
    two:tickets(("b"):rep(32))
    talk(one, client)
    talk(two, client)
    assert.same({ 2, 0 }, counts(two))
  end)

  it("are those of every process that has the same secret", function()
    local client = client_context()
    local one, two = server_context(), server_context()
    one:tickets(("s"):rep(32))
    two:tickets(("s"):rep(32))
    talk(one, client)
    for _ = 1, 3 do
      talk(two, client)
      talk(one, client)
    end
    assert.same({ 1, 3 }, counts(one))
    assert.same({ 0, 3 }, counts(two))
  end)

  it("are read for as long as their key is the one before the current", function()
    local server = server_context()
    local clients = { client_context(), client_context(), client_context() }
    server:tickets(("1"):rep(32))
    for _, client in ipairs(clients) do talk(server, client) end
    server:tickets(("1"):rep(32)) -- the same: nothing becomes older
    server:tickets(("2"):rep(32))
    talk(server, clients[1])
    assert.same({ 3, 1 }, counts(server))
    server:tickets(("3"):rep(32))
    talk(server, clients[2])
    assert.same({ 4, 1 }, counts(server))
    -- The first has a new ticket since.
    talk(server, clients[1])
    assert.same({ 4, 2 }, counts(server))
  end)

  it("outlive files that are read again and are the same", function()
    local server, client = server_context(), client_context()
    talk(server, client)
    assert(server:reload())
    talk(server, client)
    assert.same({ 1, 1 }, counts(server))
  end)

  local function write(name, text) return folder:write(name, text) end

  it("end where the rules for clients' certificates have changed", function()
    local path = write("clients.pem", ca.cert)
    local server = server_context { client_ca = path }
    local client = client_context { cert = ada.cert, key = ada.key }
    talk(server, client)
    talk(server, client)
    assert.same({ 1, 1 }, counts(server))
    write("clients.pem", ca.cert .. other_ca.cert)
    assert(server:reload())
    talk(server, client)
    assert.same({ 2, 1 }, counts(server))
    -- No ticket gets in a client whose certificate is not believed any more.
    write("clients.pem", other_ca.cert)
    assert(server:reload())
    assert.has_error(function() talk(server, client) end)
    assert.same({ 2, 1 }, counts(server))
  end)

  it("do not make a certificate optional that was required, or the reverse", function()
    local secret = ("s"):rep(32)
    local open = server_context { client_ca = ca.cert, require = false }
    local strict = server_context { client_ca = ca.cert }
    local free = server_context()
    for _, context in ipairs { open, strict, free } do context:tickets(secret) end
    local nobody = client_context()
    talk(open, nobody)
    assert.has_error(function() talk(strict, nobody) end)
    local client = client_context { cert = ada.cert, key = ada.key }
    talk(free, client)
    talk(strict, client)
    assert.same({ 1, 0 }, counts(strict))
  end)

  it("end with the certificate of the client", function()
    local short = certificate.make { issuer = ca, name = "Bob", serial = 4, use = "clientAuth",
      from = -10, to = 2 }
    local server = server_context { client_ca = ca.cert }
    local client = client_context { cert = short.cert, key = short.key }
    talk(server, client)
    talk(server, client)
    assert.same({ 1, 1 }, counts(server))
    local over = system.now() + 3.1
    wait(function() return system.now() > over end, "an expired certificate")
    assert.has_error(function() talk(server, client) end)
    assert.same({ 1, 1 }, counts(server))
  end)

  for _, protocol in ipairs { "tls1_2", "tls1_3" } do
    it("end an hour after the full handshake, however often they are replaced: " .. protocol,
      function()
        -- At last the clock is set back.
        assert.equal("full resumed full resumed full",
          hours("server", protocol, 600, 0, 40, 80, 120, 70))
      end)

    it("end with any certificate of the client's chain: " .. protocol, function()
      assert.equal("full resumed ETLSEXPIRED", hours("server", protocol, 50, 0, 40, 52))
    end)
  end

  it("end with the certificate that was shown", function()
    local mine = write("own.pem", own.cert .. own.key)
    local server, client = server_context { cert = mine, key = mine }, client_context()
    talk(server, client)
    local again = certificate.make { issuer = ca, names = "DNS:localhost", serial = 9 }
    write("own.pem", again.cert .. again.key)
    assert(server:reload())
    talk(server, client)
    assert.same({ 2, 0 }, counts(server))
  end)

  it("are of TLS 1.2, too", function()
    local server = server_context()
    local port = loop:listen()
    local path = write("ca.pem", ca.cert)
    local function command(...)
      local child <close> = system.spawn { "openssl", "s_client", "-connect",
        "127.0.0.1:" .. port, "-CAfile", path, "-verify_return_error", "-servername", "localhost",
        "-tls1_2", ... }
      local raw = wait(function() return loop:accept() end, "s_client")
      local connection = assert(raw:wrap(server))
      assert(connection:start())
      assert(connection:send "ready\n")
      local text = ""
      wait(function()
        text = text .. (child:read(0) or "") .. (child:read_error(0) or "")
        return text:find "ready\n"
      end, "ready")
      child:close_stdin()
      wait(function() return connection:facts().ended end, "its end")
      connection:close(true)
      return text
    end
    assert.matches("New, TLSv1.2", command("-sess_out", folder.path .. "/session"))
    assert.matches("Reused, TLSv1.2", command("-sess_in", folder.path .. "/session"))
    assert.same({ 1, 1 }, counts(server))
  end)

  it("need a secret of 32 bytes, and a server", function()
    assert.has_error(function() server_context():tickets "short" end)
    assert.has_error(function() client_context():tickets(("s"):rep(32)) end)
  end)
end)
