-- SPDX-License-Identifier: MIT
-- http_tls_spec.lua: HTTP over TLS: src/transport/http_server.c with a context, in this process;
-- its clients are streams that know nothing of HTTP, and curl.
local certificate = require "codecs.certificate"
local core = require "mcp.core"
local patience = require "spec.patience"
local scratch = require "spec.scratch"
local stream = require "codecs.stream"
local system = require "codecs.system"
local tls = require "mcp.tls"

local BODY = '{"jsonrpc":"2.0","id":1,"method":"m"}'

local function post(more)
  return ("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    .. "Accept: application/json, text/event-stream\r\n%sContent-Length: %d\r\n\r\n%s")
    :format(more or "", #BODY, BODY)
end

describe("HTTP over TLS", function()
  local ca, own, folder, loop, host

  setup(function()
    ca = certificate.make { name = "Spec CA", ca = true }
    own = certificate.make { issuer = ca, names = "DNS:localhost,IP:127.0.0.1", serial = 2 }
    folder = scratch()
  end)

  teardown(function() folder:remove() end)

  local function file(name, text) return folder:write(name, text) end

  before_each(function() loop = stream.loop() end)

  -- Both loops turn in here.
  local function wait(condition, what)
    return patience(condition, what, function()
      core.step(0)
      loop:step(0.001)
    end)
  end

  local function close()
    if not host then return end
    host:close()
    wait(function() return host:is_gone() end, "the end of the listener")
    host = nil
  end

  after_each(function()
    close()
    loop:close()
  end)

  local function listen(more, receive)
    local options = { port = 0, tls = assert(tls.server { cert = own.cert, key = own.key }) }
    for key, value in pairs(more or {}) do options[key] = value end
    host = assert(core.listen_http(options, receive or function() return { ok = true } end))
    return host
  end

  local function connect(context)
    local raw = assert(loop:connect(host:port()))
    local client = assert(raw:wrap(context or tls.client { ca = ca.cert }, "localhost"))
    assert(client:start())
    return client
  end

  -- Sends one request, and gives the whole answer.
  local function ask(client, more)
    assert(client:send(post(more)))
    local text = ""
    wait(function()
      text = text .. client:take()
      return text:find('"ok":true}}', 1, true) or client:facts().ended
    end, "an answer")
    return text
  end

  it("answers, again and again on one connection", function()
    listen()
    local client = connect()
    for _ = 1, 3 do assert.matches("^HTTP/1.1 200 OK\r\n", ask(client)) end
    assert.equal(1, host:connections())
    client:close(true)
    wait(function() return host:connections() == 0 end)
  end)

  it("says its end after the last answer", function()
    listen()
    local client = connect()
    assert.matches("200 OK", ask(client, "Connection: close\r\n"))
    wait(function() return client:facts().ended end)
    assert.equal("", client:facts().code)
  end)

  it("answers curl, which checks who we are", function()
    listen()
    local path = file("ca.pem", ca.cert)
    local child <close> = system.spawn { "env", "-u", "LD_PRELOAD", "curl", "-sS", "--cacert", path,
      "--data", BODY, "-H", "Content-Type: application/json", "-H",
      "Accept: application/json, text/event-stream",
      ("https://localhost:%d/mcp"):format(host:port()) }
    local text = ""
    wait(function()
      text = text .. (child:read(0) or "") .. (child:read_error(0) or "")
      return text:find '"ok":true}}'
    end, "curl")
    assert.same({ "exit", 0 }, { child:wait() })
  end)

  it("an origin is ours with https, not with http (SEC-01)", function()
    listen()
    local client = connect()
    assert.matches("^HTTP/1.1 200", ask(client, "Origin: https://localhost\r\n"))
    assert(client:send(post "Origin: http://localhost\r\n"))
    wait(function() return client:facts().received > 0 end)
    assert.matches("^HTTP/1.1 403", client:take())
  end)

  it("closes on who does not speak TLS, who never sees an answer", function()
    listen()
    local socket <close> = system.connect("127.0.0.1", host:port())
    socket:send(post())
    local why
    wait(function()
      local piece
      piece, why = socket:receive(0)
      assert.is_nil(piece)
      return why ~= "timeout"
    end)
    assert.is_true(why == "closed" or why == "reset", why)
  end)

  it("gives a handshake the time that a head has", function()
    listen { head_timeout = 0.2 }
    local socket <close> = system.connect("127.0.0.1", host:port())
    -- The beginning of a hello, and nothing more.
    socket:send "\22\3\1\2\0\1\0\1\252\3\3"
    local began = system.now()
    wait(function() return select(2, socket:receive(0)) ~= "timeout" end, "the end")
    assert.is_true(system.now() - began < 3)
    wait(function() return host:connections() == 0 end)
    -- The same for who shakes hands and is silent then.
    local client = connect()
    wait(function() return client:facts().ended end)
  end)

  it("an answer of 1 MB waits for who does not read, and nothing is lost", function()
    local text = ("0123456789abcdef"):rep(1 << 16)
    listen(nil, function() return { text = text } end)
    local client = connect()
    client:pause(true)
    assert(client:send(post()))
    for _ = 1, 100 do
      core.step(0)
      loop:step(0.001)
    end
    assert.equal(0, client:facts().received)
    client:pause(false)
    local got = ""
    wait(function()
      got = got .. client:take()
      return got:sub(-3) == '"}}'
    end, "all of it")
    assert.is_truthy(got:find(text, 1, true))
  end)

  it("new certificates are for new connections", function()
    local cert, key = file("cert.pem", own.cert), file("key.pem", own.key)
    local context = assert(tls.server { cert = cert, key = key })
    listen { tls = context }
    local old = connect()
    assert.matches("200 OK", ask(old))
    local other_ca = certificate.make { name = "New CA", ca = true }
    local new = certificate.make { issuer = other_ca, names = "DNS:localhost" }
    file("cert.pem", new.cert)
    file("key.pem", new.key)
    assert.is_true(context:reload())
    assert.matches("200 OK", ask(old))
    local refused = connect()
    wait(function() return refused:facts().ended end)
    assert.equal("ETLSISSUER", refused:facts().code)
    assert.matches("200 OK", ask(connect(tls.client { ca = other_ca.cert })))
  end)

  it("takes a server's context only", function()
    local function raises(context)
      return select(2, pcall(core.listen_http, { port = 0, tls = context }, print))
    end
    assert.matches("tls: expected a server's TLS context, got a client's", raises(tls.client()))
    assert.matches("tls: expected a server's TLS context, got table", raises {})
    assert.matches("tls: expected a server's TLS context, got boolean", raises(true))
  end)

  it("loses no more than a connection when there is no memory", function()
    if not core.fail_allocation(0) then
      pending "only a build with -DMCP_MEM_FAULTS can fail allocations"
      return
    end
    listen()
    local context = tls.client { ca = ca.cert }
    local nth, whole = 0, false
    while not whole do
      nth = nth + 1
      local raw = assert(loop:connect(host:port()))
      local before = core.allocation_count()
      core.fail_allocation(nth, nth % 2 == 0)
      local client = assert(raw:wrap(context, "localhost"))
      assert(client:start())
      assert(client:send(post "Connection: close\r\n"))
      local turns = 0
      wait(function()
        turns = turns + 1
        return client:facts().ended or turns > 200
      end)
      core.fail_allocation(0)
      -- One that fails alone may be made up for: it is over when none is left to fail.
      whole = core.allocation_count() - before < nth
      if whole then assert.matches('"ok":true}}', client:take()) end
      client:close()
      wait(function() return host:connections() == 0 end)
      assert.is_true(nth < 300)
    end
    assert.is_true(nth > 5)
    assert.matches("200 OK", ask(connect()))
  end)

  it("a hundred connections leave neither memory nor descriptors", function()
    listen()
    local context = tls.client { ca = ca.cert }
    local function round(i)
      local client = connect(context)
      if i % 3 == 0 then
        assert.matches("200 OK", ask(client))
      elseif i % 3 == 1 then
        wait(function() return host:connections() > 0 end)
      end
      client:close(i % 2 == 0)
      wait(function() return client:facts().closed and host:connections() == 0 end)
    end
    for i = 1, 6 do round(i) end
    collectgarbage()
    collectgarbage()
    local held, descriptors, here = core.bytes_held(), system.fd_count "self", stream.held()
    for i = 1, 100 do round(i) end
    collectgarbage()
    collectgarbage()
    assert.equal(descriptors, system.fd_count "self")
    assert.is_true(core.bytes_held() <= held)
    assert.is_true(stream.held() <= here)
  end)
end)
