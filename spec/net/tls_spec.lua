-- SPDX-License-Identifier: MIT
-- tls_spec.lua: src/net/tls.c and its engine (src/openssl/module/tls_*.c): streams from below, and
-- the openssl command at the other end.
local certificate = require "codecs.certificate"
local openssl = require "mcp.openssl"
local patience = require "spec.patience"
local scratch = require "spec.scratch"
local stream = require "codecs.stream"
local system = require "codecs.system"

-- One authority, what it has signed, and what it has not.
local ca = certificate.make { name = "Spec CA", ca = true }
local other_ca = certificate.make { name = "Other CA", ca = true }
local NAMES = "DNS:localhost,DNS:*.wild.test,IP:127.0.0.1,IP:::1"
local own = certificate.make { issuer = ca, names = NAMES, serial = 2 }
local client_own = certificate.make { issuer = ca, name = "Ada", serial = 3, use = "clientAuth" }

local function server_context(more)
  local options = { role = "server", cert = own.cert, key = own.key, alpn = "http/1.1" }
  for key, value in pairs(more or {}) do options[key] = value end
  return assert(openssl.tls(options))
end

local function client_context(more)
  local options = { role = "client", ca = ca.cert, alpn = "http/1.1" }
  for key, value in pairs(more or {}) do options[key] = value end
  return assert(openssl.tls(options))
end

local loop

-- Turns the loop until condition() gives something, which it returns. `seconds`: how long a turn
-- may wait.
local function wait(condition, what, seconds)
  return patience(condition, what, function() loop:step(seconds or 0.01) end)
end

local function settle() for _ = 1, 30 do loop:step(0) end end

local function came(s, text)
  wait(function() return s:facts().received >= #text end, ("%d bytes"):format(#text))
  assert.is_true(text == s:take())
end

local function ended(s)
  wait(function() return s:facts().ended end, "an end")
  local facts = s:facts()
  return facts.code, facts.why
end

-- A client and a server over memory, both started.
local function join(server_more, client_more, name)
  local a, b = loop:pair()
  local server = assert(a:wrap(server_context(server_more)))
  local client = assert(b:wrap(client_context(client_more), name or "localhost"))
  assert(server:start())
  assert(client:start())
  return server, client
end

-- The same over two pairs, with us in the middle: relay(n) moves up to n bytes each way.
local function join_by_us()
  local a, a_far = loop:pair()
  local b_far, b = loop:pair()
  local server = assert(a:wrap(server_context()))
  local client = assert(b:wrap(client_context(), "localhost"))
  for _, s in ipairs { server, client, a_far, b_far } do assert(s:start()) end
  local rest = { [a_far] = "", [b_far] = "" }
  local function move(from, to, n)
    rest[from] = rest[from] .. from:take()
    local piece = rest[from]:sub(1, n)
    rest[from] = rest[from]:sub(n + 1)
    if piece ~= "" and not to:facts().closed then assert(to:send(piece)) end
    return #piece
  end
  local function relay(n)
    local moved = move(b_far, a_far, n or 1 << 30) + move(a_far, b_far, n or 1 << 30)
    loop:step(0)
    return moved
  end
  return server, client, relay, { to_server = a_far, to_client = b_far }
end

local function connect_pair()
  local port = loop:listen()
  local client = assert(loop:connect(port))
  local server = wait(function() return loop:accept() end, "a connection")
  return server, client
end

describe("a TLS stream", function()
  local held

  before_each(function()
    held = stream.held()
    loop = stream.loop()
  end)

  after_each(function()
    loop:close()
    assert.equal(held, (stream.held()))
  end)

  it("carries bytes both ways, and what was sent before the handshake", function()
    local server, client = join()
    assert(client:send "a question")
    assert(server:send "too early, but it waits")
    came(server, "a question")
    came(client, "too early, but it waits")
    assert.equal(0, client:facts().queued)
    assert(server:send "an answer")
    came(client, "an answer")
  end)

  it("hands up whole records, not copies of them put together", function()
    local server, client = join()
    assert(client:send(("x"):rep(40000)))
    came(server, ("x"):rep(40000))
    assert.equal(3, server:facts().pieces)
    assert.equal(16384, server:facts().largest)
  end)

  it("reads bytes one at a time", function()
    local server, client, relay = join_by_us()
    assert(client:send "question")
    local moved = 0
    wait(function()
      moved = moved + relay(1)
      return server:facts().received == 8
    end, "the question", 0)
    assert.is_true(moved > 1000)
    assert(server:send "answer")
    wait(function()
      relay(1)
      return client:facts().received == 6
    end, "the answer", 0)
    assert.equal("question", server:take())
    assert.equal("answer", client:take())
  end)

  it("says its end, and believes no other (truncation)", function()
    local server, client = join()
    assert(client:send "all of it")
    client:close(true)
    assert.same({ "" }, { (ended(server)) })
    assert.equal("all of it", server:take())
    local relay, far
    server, client, relay, far = join_by_us()
    assert(server:send "half of")
    wait(function()
      relay()
      return client:facts().received == 7
    end)
    far.to_client:close(true)
    assert.equal("ETLSCUT", (ended(client)))
    assert.equal("half of", client:take())
  end)

  it("ends with a code, wherever the handshake is cut", function()
    -- How much there is to cut.
    local server, client, relay = join_by_us()
    local whole = 0
    assert(client:send "x")
    wait(function()
      whole = whole + relay()
      return server:facts().received == 1
    end)
    local seen = {}
    for at = 0, whole, 97 do
      local far
      server, client, relay, far = join_by_us()
      local left = at
      for _ = 1, 30 do
        local n = left > 0 and relay(math.max(1, left // 2)) or 0
        left = left - n
      end
      far.to_server:close()
      far.to_client:close()
      local code, why = ended(client)
      assert.equal("ETLSCUT", code)
      seen[why] = true
      assert.equal("ETLSCUT", (ended(server)))
      server:close()
      client:close()
    end
    assert.is_true(seen["the connection was cut during the TLS handshake"])
  end)

  it("ends where a byte was changed, and the other side hears of it", function()
    local server, client, relay, far = join_by_us()
    assert(client:send "x")
    wait(function()
      relay()
      return server:facts().received == 1
    end)
    settle()
    relay()
    assert(client:send "changed")
    settle()
    local record = far.to_client:take()
    assert(far.to_server:send(record:sub(1, -2) .. string.char(record:byte(-1) ~ 1)))
    local code, why = ended(server)
    assert.equal("ETLS", code)
    assert.matches("bad record mac", why)
    wait(function()
      relay()
      return client:facts().ended
    end)
    assert.equal("ETLSREFUSED", client:facts().code)
    assert.equal(1, server:facts().received)
    assert.same({ nil, "ETLS" }, { server:send "more" })
  end)

  it("recognizes a peer that does not speak TLS", function()
    local a, b = loop:pair()
    local server = assert(a:wrap(server_context()))
    assert(server:start())
    assert(b:start())
    assert(b:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.equal("ETLSPLAIN", (ended(server)))
    local c, d = loop:pair()
    local client = assert(c:wrap(client_context(), "localhost"))
    assert(d:start())
    assert(client:start())
    assert(d:send "HTTP/1.1 400 Bad Request\r\n\r\n")
    local code, why = ended(client)
    assert.equal("ETLSPLAIN", code)
    assert.equal("the peer does not speak TLS", why)
    -- And what only begins like it.
    local e, f = loop:pair()
    server = assert(e:wrap(server_context()))
    assert(server:start())
    assert(f:start())
    assert(f:send "\22GET / HTTP/1.1\r\n\r\n")
    assert.equal("ETLSPLAIN", (ended(server)))
  end)

  it("goes away before it was started, and in the midst of a handshake", function()
    local a, b = loop:pair()
    local server = assert(a:wrap(server_context()))
    assert(server:send "never sent")
    server:close(true)
    wait(function() return server:facts().closed end)
    b:close()
    local _, client = join()
    client:close()
    client:close()
    wait(function() return client:facts().closed end)
  end)
end)

describe("back-pressure over TLS", function()
  local held

  before_each(function()
    held = stream.held()
    loop = stream.loop()
  end)

  after_each(function()
    loop:close()
    assert.equal(held, (stream.held()))
  end)

  local function text_of(size)
    local piece = {}
    for i = 1, 1024 do piece[i] = ("%07d\n"):format(i) end
    local block = table.concat(piece)
    return block:rep(size // #block + 1):sub(1, size)
  end

  it("1 MB each way at once, nothing lost", function()
    local a, b = connect_pair()
    local server, client = assert(a:wrap(server_context())), assert(b:wrap(client_context(),
      "localhost"))
    assert(server:start())
    assert(client:start())
    local up, down = text_of(1 << 20), text_of((1 << 20) + 3)
    assert(client:send(up))
    assert(server:send(down))
    wait(function() return server:facts().received == #up and client:facts().received == #down end)
    assert.is_true(up == server:take())
    assert.is_true(down == client:take())
    assert.equal(0, server:facts().queued)
    wait(function() return client:facts().queued == 0 end)
  end)

  it("a paused reader holds the writer back, which drains once it reads again", function()
    local a, b = connect_pair()
    local server, client = assert(a:wrap(server_context())), assert(b:wrap(client_context(),
      "localhost"))
    assert(server:start())
    assert(client:start())
    assert(client:send "ready")
    came(server, "ready")
    client:pause(true)
    local text = text_of(16 << 20)
    for i = 1, 16 do assert(server:send(text:sub(((i - 1) << 20) + 1, i << 20))) end
    for _ = 1, 50 do loop:step(0.002) end
    local facts = server:facts()
    assert.is_true(facts.queued > 4 << 20)
    assert.equal(0, facts.drains)
    -- Nothing came up while it was paused.
    assert.equal(0, client:facts().received)
    client:pause(false)
    wait(function() return client:facts().received == #text end, "all of it")
    assert.is_true(text == client:take())
    wait(function() return server:facts().drains == 1 end)
    assert.equal(0, server:facts().queued)
  end)

  it("a reader that pauses again and again gets all of it in order", function()
    local server, client = join()
    local text = text_of(1 << 20)
    assert(server:send(text))
    local turns = 0
    wait(function()
      turns = turns + 1
      client:pause(turns % 2 == 0)
      loop:step(0)
      return client:facts().received == #text
    end)
    assert.is_true(text == client:take())
  end)

  it("a peer that requests key updates for ever and does not read is not read", function()
    local a, a_far = loop:pair()
    local b_far, b = loop:pair()
    local server = assert(a:wrap(server_context()))
    local client = assert(b:wrap(client_context(), "localhost", true))
    for _, s in ipairs { server, client, a_far, b_far } do assert(s:start()) end
    local sent = 0
    local function relay(back)
      local bytes = b_far:take()
      if bytes ~= "" then assert(a_far:send(bytes)) end
      if back then
        bytes = a_far:take()
        if bytes ~= "" then assert(b_far:send(bytes)) end
      end
      loop:step(0)
    end
    assert(client:send "x")
    wait(function()
      relay(true)
      return server:facts().received == 1
    end, "the handshake", 0)
    settle()
    a_far:pause(true)
    -- 16 KiB of answers, and then nothing more of it is read.
    for _ = 1, 4000 do
      assert.is_true(client:rekey())
      assert(client:send "x")
      sent = sent + 1
      relay()
    end
    settle()
    local came_up = server:facts().received
    assert.is_true(came_up > 500 and came_up < 700, came_up)
    assert.is_false(server:facts().ended)
    -- Once it reads, all is read.
    a_far:pause(false)
    wait(function()
      relay(true)
      return server:facts().received == sent + 1
    end, "all of it", 0)
  end)

  it("closing flushes, and closing hard is never taken for the end of it all", function()
    local a, b = connect_pair()
    local server, client = assert(a:wrap(server_context())), assert(b:wrap(client_context(),
      "localhost"))
    assert(server:start())
    assert(client:start())
    local text = text_of(8 << 20)
    -- Before the handshake even.
    assert(server:send(text))
    server:close(true)
    assert.same({ nil, "ECLOSED" }, { server:send "more" })
    assert.same({ "" }, { (ended(client)) })
    assert.is_true(text == client:take())
    wait(function() return server:facts().closed end)

    a, b = connect_pair()
    server, client = assert(a:wrap(server_context())), assert(b:wrap(client_context(), "localhost"))
    assert(server:start())
    assert(client:start())
    assert(client:send "x")
    came(server, "x")
    client:pause(true)
    assert(server:send(text))
    settle()
    assert.is_true(server:facts().queued > 0)
    server:close(false)
    wait(function() return server:facts().closed end)
    client:pause(false)
    local code = ended(client)
    assert.is_true(code == "ETLSCUT" or code == "ECONNRESET", code)
    assert.is_true(client:facts().received < #text)
  end)
end)

describe("a TLS client trusts", function()
  before_each(function() loop = stream.loop() end)
  after_each(function() loop:close() end)

  -- What the client and the server end with; "" for the client: it works.
  local function try(shown, name, client_more)
    local a, b = loop:pair()
    local server = assert(a:wrap(server_context { cert = shown.cert, key = shown.key }))
    local client = assert(b:wrap(client_context(client_more), name))
    assert(server:start())
    assert(client:start())
    assert(server:send "hello")
    wait(function() return client:facts().ended or client:facts().received == 5 end)
    local facts = client:facts()
    if not facts.ended then return "", "", "" end
    local server_code, server_why = ended(server)
    return facts.code, facts.why, server_code .. " " .. server_why
  end

  it("SEC: no certificate that has expired or is not yet valid", function()
    local code, why, server = try(certificate.make { issuer = ca, names = NAMES, from = -7200,
      to = -3600 }, "localhost")
    assert.equal("ETLSEXPIRED", code)
    assert.matches("^the certificate of CN=localhost expired on %d+%-%d%d%-%d%d %d%d:%d%d UTC$",
      why)
    assert.matches("ETLSREFUSED .*: certificate expired", server)
    code, why = try(certificate.make { issuer = ca, names = NAMES, from = 3600, to = 7200 },
      "localhost")
    assert.equal("ETLSEARLY", code)
    assert.matches("^the certificate of CN=localhost is not valid before %d", why)
  end)

  it("SEC: no certificate for another host (RFC 9525)", function()
    local code, why = try(own, "example.test")
    assert.equal("ETLSHOST", code)
    assert.equal("the certificate is for localhost, not for example.test", why)
    assert.equal("ETLSHOST", (try(own, "192.0.2.1")))
    assert.equal("ETLSHOST", (try(own, "a.b.wild.test")))
    assert.equal("ETLSHOST", (try(own, "wild.test")))
    -- A common name is no host name, and a piece of a label no wildcard.
    assert.equal("ETLSHOST", (try(certificate.make { issuer = ca, name = "localhost" },
      "localhost")))
    assert.equal("ETLSHOST", (try(certificate.make { issuer = ca, names = "DNS:w*.wild.test" },
      "www.wild.test")))
    -- An address is compared as an address, not as a name.
    assert.equal("ETLSHOST", (try(certificate.make { issuer = ca, names = "DNS:127.0.0.1" },
      "127.0.0.1")))
    for _, name in ipairs { "localhost", "LOCALHOST", "localhost.", "x.wild.test", "127.0.0.1",
      "::1" } do
      assert.equal("", (try(own, name)), name)
    end
  end)

  it("SEC: no certificate of an unknown issuer", function()
    local code, why, server = try(certificate.make { issuer = other_ca, names = NAMES },
      "localhost")
    assert.equal("ETLSISSUER", code)
    assert.equal("the certificate of CN=localhost is from an unknown issuer: CN=Other CA", why)
    assert.matches("ETLSREFUSED .*: unknown CA", server)
    code = try(certificate.make { names = NAMES }, "localhost")
    assert.equal("ETLSISSUER", code)
    -- Not even the system's own, by default: ours is not among those.
    local a, b = loop:pair()
    local far = assert(a:wrap(server_context()))
    local client = assert(b:wrap(assert(openssl.tls { role = "client" }), "localhost"))
    assert(far:start())
    assert(client:start())
    assert.equal("ETLSISSUER", (ended(client)))
  end)

  it("no certificate signed by a non-authority, or made for clients", function()
    local leaf = certificate.make { issuer = ca, name = "leaf" }
    local forged = certificate.make { issuer = leaf, names = NAMES }
    assert.equal("ETLSCERT", (try({ cert = forged.cert .. leaf.cert, key = forged.key },
      "localhost")))
    local code, why = try(certificate.make { issuer = ca, names = NAMES, use = "clientAuth" },
      "localhost")
    assert.equal("ETLSCERT", code)
    assert.matches("purpose", why)
  end)

  it("a server that sends the chain to its authority", function()
    local middle = certificate.make { issuer = ca, name = "Middle CA", ca = true }
    local leaf = certificate.make { issuer = middle, names = NAMES }
    assert.equal("ETLSISSUER", (try(leaf, "localhost")))
    assert.equal("", (try({ cert = leaf.cert .. middle.cert, key = leaf.key }, "localhost")))
  end)

  it("any certificate, with verify = false", function()
    local bad = certificate.make { names = "DNS:x", from = -7200, to = -3600 }
    assert.equal("", (try(bad, "localhost", { verify = false })))
    assert.equal("", (try(bad, nil, { verify = false })))
  end)

  it("nothing without a name to compare", function()
    local a = loop:pair()
    assert.same({ nil, "ETLSHOST" }, { a:wrap(client_context()) })
    assert.same({ nil, "ETLSHOST" }, { a:wrap(client_context(), ("x"):rep(300)) })
    assert.same({ nil, "ETLSHOST" }, { a:wrap(client_context(), "") })
  end)

  it("names in certificates cannot write into a log", function()
    local _, why = try(certificate.make { name = "a\nluamcp: error: forged\27[2J" }, "localhost")
    assert.is_nil(why:find "%c")
    local code
    code, why = try(certificate.make { issuer = ca, names = "DNS:" .. ("long."):rep(40) .. "x" },
      "localhost")
    assert.equal("ETLSHOST", code)
    assert.is_true(#why < 192)
  end)
end)

describe("client certificates", function()
  before_each(function() loop = stream.loop() end)
  after_each(function() loop:close() end)

  local function try(server_more, client_more)
    server_more.client_ca = ca.cert
    local server, client = join(server_more, client_more)
    assert(client:send "hello")
    wait(function() return server:facts().ended or server:facts().received == 5 end)
    if not server:facts().ended then return "" end
    wait(function() return client:facts().ended end)
    local s, c = server:facts(), client:facts()
    return s.code, s.why, c.code, c.why
  end

  it("wanted, and shown", function()
    assert.equal("", (try({}, { cert = client_own.cert, key = client_own.key })))
  end)

  it("wanted, and missing", function()
    local code, why, client_code, client_why = try({}, {})
    assert.equal("ETLSMISSING", code)
    assert.equal("a client certificate is required", why)
    assert.equal("ETLSMISSING", client_code)
    assert.equal("a client certificate is required", client_why)
  end)

  it("wanted, and a stranger's", function()
    local stranger = certificate.make { issuer = other_ca, name = "Eve", use = "clientAuth" }
    local code, why, client_code = try({}, { cert = stranger.cert, key = stranger.key })
    assert.equal("ETLSISSUER", code)
    assert.matches("CN=Eve .*CN=Other CA", why)
    assert.equal("ETLSREFUSED", client_code)
  end)

  it("welcome, and not required; but a bad one is refused", function()
    assert.equal("", (try({ require = false }, {})))
    assert.equal("", (try({ require = false }, { cert = client_own.cert, key = client_own.key })))
    local expired = certificate.make { issuer = ca, name = "Old", from = -7200, to = -3600 }
    assert.equal("ETLSEXPIRED", (try({ require = false }, { cert = expired.cert,
      key = expired.key })))
  end)
end)

describe("a TLS context", function()
  local folder

  setup(function() folder = scratch() end)
  teardown(function() folder:remove() end)

  before_each(function() loop = stream.loop() end)
  after_each(function() loop:close() end)

  local function file(name, text) return folder:write(name, text) end

  local function works(server, client)
    local a, b = loop:pair()
    local s, c = assert(a:wrap(server)), assert(b:wrap(client, "localhost"))
    assert(s:start())
    assert(c:start())
    assert(s:send "hello")
    wait(function() return c:facts().ended or c:facts().received == 5 end)
    return not c:facts().ended, c:facts().why
  end

  local function refused(options)
    local context, why = openssl.tls(options)
    assert.is_nil(context)
    return why
  end

  it("takes files and texts; one file may hold both", function()
    local both = file("both.pem", own.key .. own.cert)
    local server = assert(openssl.tls { role = "server", cert = both })
    assert.equal("server", server:role())
    assert.is_true(works(server, client_context()))
    assert.is_true(works(server, client_context { ca = file("ca.pem", ca.cert) }))
    assert.equal("mcp.tls (server)", tostring(server))
    assert.equal("client", assert(openssl.tls { role = "client" }):role())
  end)

  it("believes those of a folder, hashed or not", function()
    local path = folder.path
    assert(os.execute(("mkdir %s/ca %s/hashed %s/empty"):format(path, path, path)))
    file("ca/one.pem", other_ca.cert)
    file("ca/two.crt", ca.cert)
    file("ca/README", "no certificate")
    assert.is_true(works(server_context(), client_context { ca = path .. "/ca" }))
    file("hashed/x.pem", ca.cert)
    local hash = assert(io.popen(("openssl x509 -noout -hash -in %s/hashed/x.pem"):format(path)))
    local name = hash:read "l"
    hash:close()
    assert(os.rename(path .. "/hashed/x.pem", ("%s/hashed/%s.0"):format(path, name)))
    assert.is_true(works(server_context(), client_context { ca = path .. "/hashed" }))
    assert.matches("expected a file ending in %.pem, %.crt or %.cer, found none",
      refused { role = "client", ca = path .. "/empty" })
  end)

  it("reads no more of a file than 4 MiB", function()
    -- Text before a certificate counts.
    local fits = file("fits.pem", (" "):rep((4 << 20) - #own.cert - 1) .. "\n" .. own.cert)
    assert(openssl.tls { role = "server", cert = fits, key = own.key })
    local large = file("large.pem", (" "):rep((4 << 20) - #own.cert) .. "\n" .. own.cert)
    assert.matches("cert: .*/large.pem: larger than the limit for certificates",
      refused { role = "server", cert = large, key = own.key })
  end)

  it("says what is wrong with what it was given", function()
    local cert, key = file("cert.pem", own.cert), file("key.pem", own.key)
    local none = folder.path .. "/none.pem"
    local server = function(options)
      options.role = "server"
      return refused(options)
    end
    assert.equal(("cert: %s: No such file or directory"):format(none),
      server { cert = none, key = key })
    assert.equal(("key: %s: No such file or directory"):format(none),
      server { cert = cert, key = none })
    assert.equal("cert: required for a server", server {})
    assert.equal("cert: required with key", server { key = key })
    assert.matches("cert: .*/key.pem: no certificate found",
      server { cert = key, key = key })
    assert.matches("key: .*/cert.pem: no readable private key found", server { cert = cert })
    assert.matches("key: the text: does not match the certificate",
      server { cert = cert, key = client_own.key })
    assert.matches("cert: .*: expected a file, got a folder",
      server { cert = folder.path, key = key })
    assert.matches("client_ca: .*: No such file",
      server { cert = cert, key = key, client_ca = none })
    assert.matches("ca: the text: certificate 1: ", refused { role = "client",
      ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" })
    local small = certificate.make { rsa = 1024 }
    assert.matches("cert: the text: certificate 1: ee key too small",
      server { cert = small.cert, key = small.key })
    -- A key with a password never prompts for it.
    local out = assert(io.popen(("openssl pkey -aes256 -passout pass:secret -in %s"):format(key)))
    local locked = out:read "a"
    out:close()
    assert.matches("ENCRYPTED", locked)
    assert.matches("expected PEM without a password", server { cert = cert, key = locked })
  end)

  it("raises programming errors", function()
    local function raises(options)
      local ok, text = pcall(openssl.tls, options)
      assert.is_false(ok)
      return text
    end
    assert.matches("bad argument", raises {})
    assert.matches("bad argument", raises { role = "peer" })
    assert.matches("tls: ca: expected a string, got boolean", raises { role = "client", ca = true })
    assert.matches("tls: ca: expected a string, got an empty one",
      raises { role = "client", ca = "" })
    assert.matches("tls: verify: expected a boolean, got string",
      raises { role = "client", verify = "no" })
  end)

  it("reads its files again, and keeps what it has if they are bad", function()
    local new = certificate.make { issuer = other_ca, names = NAMES, serial = 9 }
    local cert, key = file("cert.pem", own.cert), file("key.pem", own.key)
    local server = server_context { cert = cert, key = key }
    local old_client = client_context()
    local new_client = client_context { ca = other_ca.cert }
    assert.is_true(works(server, old_client))
    local a, b = loop:pair()
    local s, c = assert(a:wrap(server)), assert(b:wrap(old_client, "localhost"))
    assert(s:start())
    assert(c:start())
    -- Half of the change: the certificate is new, the key is not.
    file("cert.pem", new.cert)
    local done, why = server:reload()
    assert.is_nil(done)
    assert.matches("key: .*/key.pem: does not match the certificate", why)
    assert.is_true(works(server, old_client))
    file("key.pem", new.key)
    assert.is_true(server:reload())
    assert.is_false(works(server, old_client))
    assert.is_true(works(server, new_client))
    -- The connection that was there lives on.
    assert(s:send "still here")
    came(c, "still here")
    os.remove(cert)
    assert.is_nil((server:reload()))
    assert.is_true(works(server, new_client))
  end)

  it("is counted by its connections", function()
    local a, b = loop:pair()
    local s = assert(a:wrap(server_context()))
    local c = assert(b:wrap(client_context(), "localhost"))
    collectgarbage()
    collectgarbage()
    assert(s:start())
    assert(c:start())
    assert(s:send "hello")
    came(c, "hello")
  end)

  it("speaks http/1.1, and refuses peers that want another protocol (RFC 7301)", function()
    local server, client = join(nil, { alpn = "h2" })
    local code, why = ended(server)
    assert.equal("ETLS", code)
    assert.matches("protocol", why)
    assert.equal("ETLSREFUSED", (ended(client)))
    -- A peer without ALPN is accepted.
    local a, b = loop:pair()
    server = assert(a:wrap(server_context()))
    client = assert(b:wrap(assert(openssl.tls { role = "client", ca = ca.cert }), "localhost"))
    assert(server:start())
    assert(client:start())
    assert(server:send "hello")
    came(client, "hello")
  end)
end)

describe("TLS against the openssl command", function()
  local folder, children

  setup(function()
    folder = scratch()
    for name, text in pairs { ["ca.pem"] = ca.cert, ["cert.pem"] = own.cert, ["key.pem"] = own.key }
    do
      folder:write(name, text)
    end
  end)

  teardown(function() folder:remove() end)

  before_each(function()
    loop = stream.loop()
    children = {}
  end)

  after_each(function()
    loop:close()
    for _, child in ipairs(children) do child:close() end
  end)

  local server_more

  -- s_client connected to a server of ours, and that server's stream.
  local function from_command(...)
    local port = loop:listen()
    local child = system.spawn { "openssl", "s_client", "-connect", "127.0.0.1:" .. port,
      "-CAfile", folder.path .. "/ca.pem", "-verify_return_error", "-servername", "localhost", ... }
    children[#children + 1] = child
    local raw = wait(function() return loop:accept() end, "s_client")
    local server = assert(raw:wrap(server_context(server_more)))
    assert(server:start())
    return server, child
  end

  local function said(child, pattern)
    local text = ""
    wait(function()
      text = text .. (child:read(0) or "") .. (child:read_error(0) or "")
      return text:find(pattern)
    end, pattern)
    return text
  end

  for option, version in pairs { ["-tls1_2"] = "TLSv1.2", ["-tls1_3"] = "TLSv1.3" } do
    it("serves its client with " .. version, function()
      local server, child = from_command(option)
      assert.equal(9, (child:write "question\n"))
      came(server, "question\n")
      assert(server:send "the answer\n")
      local text = said(child, "the answer")
      assert.matches(version, text)
      assert.matches("Verify return code: 0", text)
      -- s_client says its end.
      child:close_stdin()
      assert.equal("", (ended(server)))
    end)

    it("is a client of its server with " .. version, function()
      local child = system.spawn { "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
        folder.path .. "/cert.pem", "-key", folder.path .. "/key.pem", option }
      children[#children + 1] = child
      local port = said(child, "ACCEPT [^\n]*:%d+\n"):match "ACCEPT [^\n]*:(%d+)\n"
      local raw = assert(loop:connect(math.tointeger(port)))
      local client = assert(raw:wrap(client_context(), "localhost"))
      assert(client:start())
      assert(client:send "question\n")
      said(child, "question")
      assert.equal(11, (child:write "the answer\n"))
      came(client, "the answer\n")
    end)
  end

  describe("tells clients whose certificates it takes:", function()
    after_each(function() server_more = nil end)

    local function write(name, text)
      folder:write(name, text)
    end

    -- The names in the request for a certificate, sorted.
    local function announced(client_ca)
      server_more = { client_ca = client_ca }
      local _, child = from_command "-tls1_2"
      local text, names = said(child, "Requested Signature Algorithms"), {}
      local list = text:match "Acceptable client certificate CA names\n(.-)\nClient Certificate"
      for name in (list or ""):gmatch "CN ?= ?([^\n]+)" do names[#names + 1] = name end
      table.sort(names)
      return names
    end

    it("those of a text or a file", function()
      assert.same({ "Spec CA" }, announced(ca.cert))
      assert.same({ "Other CA", "Spec CA" }, announced(ca.cert .. other_ca.cert))
      assert.same({ "Spec CA" }, announced(folder.path .. "/ca.pem"))
    end)

    it("those of a folder, of each file in it that is one", function()
      assert(os.execute(("mkdir %s/cas"):format(folder.path)))
      write("cas/one.pem", ca.cert)
      assert.same({ "Spec CA" }, announced(folder.path .. "/cas"))
      write("cas/two.crt", other_ca.cert)
      write("cas/three.cer", certificate.make({ name = "Third CA", ca = true }).cert)
      write("cas/README", certificate.make({ name = "No CA", ca = true }).cert)
      assert.same({ "Other CA", "Spec CA", "Third CA" }, announced(folder.path .. "/cas"))
      -- A name by which OpenSSL would look there changes nothing of it.
      write("cas/0123abcd.0", ca.cert)
      assert.same({ "Other CA", "Spec CA", "Third CA" }, announced(folder.path .. "/cas"))
    end)
  end)

  it("refuses TLS 1.1, and says why", function()
    local server, child = from_command("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    local code, why = ended(server)
    assert.equal("ETLSVERSION", code)
    assert.equal("no TLS version in common: expected 1.2 or 1.3", why)
    assert.matches("alert protocol version", said(child, "alert"))
  end)

  it("reports a peer that speaks only TLS 1.1", function()
    local a, b = loop:pair()
    local client = assert(b:wrap(client_context(), "localhost"))
    assert(a:start())
    assert(client:start())
    -- The alert of RFC 8446 6: fatal, protocol_version.
    assert(a:send "\21\3\1\0\2\2\70")
    assert.equal("ETLSVERSION", (ended(client)))
  end)

  for _, cipher in ipairs { "AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA" } do
    it("refuses what has no forward secrecy or is no AEAD: " .. cipher, function()
      local server = from_command("-tls1_2", "-cipher", cipher .. ":@SECLEVEL=0")
      local code, why = ended(server)
      assert.equal("ETLS", code)
      assert.matches("no shared cipher", why)
    end)
  end

  it("refuses to negotiate again (TLS 1.2)", function()
    local server, child = from_command("-tls1_2")
    assert(server:send "ready\n")
    said(child, "ready")
    assert.equal(2, (child:write "R\n"))
    local text = said(child, "no renegotiation")
    assert.matches("no renegotiation", text)
  end)

  it("follows a change of keys (TLS 1.3)", function()
    local server, child = from_command("-tls1_3")
    assert(server:send "ready\n")
    said(child, "ready")
    assert.equal(2, (child:write "K\n"))
    assert(server:send "first\n")
    said(child, "first")
    assert.equal(6, (child:write "after\n"))
    came(server, "after\n")
    assert(server:send "last\n")
    said(child, "last")
  end)
end)

describe("TLS without memory", function()
  it("ends the connection, whichever allocation fails", function()
    if not stream.fail(0) then
      pending "only a build with -DMCP_MEM_FAULTS can fail allocations"
      return
    end
    local server_tls, client_tls = server_context(), client_context()
    local text = ("x"):rep(300000)
    for _, onward in ipairs { false, true } do
      local nth, whole = 0, false
      while not whole do
        nth = nth + 1
        loop = stream.loop()
        local a, b = loop:pair()
        stream.fail(nth, onward)
        local s, c = a:wrap(server_tls), b:wrap(client_tls, "localhost")
        local fine = s and c and s:start() and c:start()
        if fine then
          c:send "hello"
          c:pause(true)
          s:send(text)
          for _ = 1, 12 do loop:step(0) end
          c:pause(false)
          for _ = 1, 40 do loop:step(0) end
          whole = c:facts().received == #text and s:facts().received == 5
        end
        if s then s:close(true) end
        if c then c:close() end
        for _ = 1, 10 do loop:step(0) end
        stream.fail(0)
        loop:close()
        assert.is_true(nth < 500)
      end
      assert.is_true(nth > 5)
    end
  end)
end)
