-- SPDX-License-Identifier: MIT
-- lwebsocket_spec.lua: src/lua/lwebsocket.c: opening a WebSocket as a client: what it takes, and
-- what it says of a failure. What goes over the connection is in transport/websocket_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local openssl = require "mcp.openssl"
local raw_server = require "spec.raw_server"

local function nothing() end

local function raises(words, options, ...)
  local arguments = table.pack(...)
  if arguments.n == 0 then arguments = { nothing, n = 1 } end
  local ok, text = pcall(core.connect_websocket, options, table.unpack(arguments, 1, arguments.n))
  assert.is_false(ok)
  assert.is_truthy(text:find(words, 1, true), text)
end

-- What is asked for one that leads to a port of loopback.
local function options_of(more)
  local all = { host = "127.0.0.1", port = 1 }
  for name, value in pairs(more) do all[name] = value end
  return all
end

describe("connect_websocket", function()
  after_each(function()
    collectgarbage()
    helper.leftovers()
  end)

  it("wants a table, and a function for what comes", function()
    raises("table expected", "ws://x")
    raises("function expected", { host = "x" }, 5)
    raises("function expected", { host = "x" }, nil)
  end)

  it("wants a place: a host or a socket file, and one of the two", function()
    raises("expected host or unix", {})
    raises("expected host or unix", { host = "a", unix = "/b" })
    for _, name in ipairs { "host", "unix", "server_name", "only", "target" } do
      local options = options_of { [name] = 5 }
      if name == "unix" then options.host = nil end
      raises(name .. ": expected a string, got number", options)
      options[name] = "a\0b"
      raises(name .. ": contains a zero byte", options)
    end
    for _, port in ipairs { 0, -1, 65536 } do
      raises("port: expected an integer from 1 to 65535", options_of { port = port })
    end
    raises("number", options_of { port = "x" })
    raises('only: expected "public" or "loopback"', options_of { only = "private" })
  end)

  it("wants times, TLS of a client, and fields that are fields", function()
    for _, bad in ipairs { -1, 0 / 0, 1e12 } do
      raises("timeout: expected seconds, 0 or more", options_of { timeout = bad })
    end
    raises("tls: expected a client's TLS context, got boolean", options_of { tls = true })
    local certificate = require("codecs.certificate").make {}
    raises("tls: expected a client's TLS context, got a server's", options_of {
      tls = assert(openssl.tls { role = "server", cert = certificate.cert,
        key = certificate.key }) })
    raises("headers: expected a table, got string", options_of { headers = "x" })
    for _, bad in ipairs { "x", {}, { "A" }, { "A", 1 }, { 1, "b" } } do
      raises("headers: expected { name, value } at 2",
        options_of { headers = { { "A", "b" }, bad } })
    end
    raises("headers: A: ", options_of { headers = { { "A", "b\r\nC: d" } } })
    raises("headers: A b: ", options_of { headers = { { "A b", "c" } } })
    for _, name in ipairs { "Sec-WebSocket-Key", "sec-websocket-protocol", "SEC-WEBSOCKET-X" } do
      raises("set by the handshake itself",
        options_of { headers = { { name, "x" } } })
    end
  end)

  it("refuses a target that would become more than one line", function()
    for _, target in ipairs { "a b", "/\r\nA: b", "/#x", "" } do
      assert.is_false((pcall(core.connect_websocket, options_of { target = target }, nothing)))
    end
  end)

  it("asks in one head, with what it was given", function()
    local server <close> = raw_server.start(function() return 418, { ["X-A"] = "b" }, "no tea" end)
    local host, text, code, fields = core.connect_websocket({ host = "127.0.0.1",
      port = server.port, target = "/mcp?a=b", headers = { { "X-B", "c" }, { "User-Agent", "me" } },
    }, nothing)
    assert.is_nil(host)
    assert.equal("EHTTP418", code)
    assert.matches("no tea", text)
    assert.equal("b", fields["x-a"])
    local asked = server.requests[1]
    assert.equal("/mcp?a=b", asked.target)
    assert.equal("127.0.0.1:" .. server.port, asked.fields.host)
    assert.equal("c", asked.fields["x-b"])
    assert.equal("me", asked.fields["user-agent"])
    assert.equal("mcp", asked.fields["sec-websocket-protocol"])
    assert.equal("13", asked.fields["sec-websocket-version"])
    assert.equal(24, #asked.fields["sec-websocket-key"])
    -- Without a name of the caller's own it says who it is; each key is another.
    core.connect_websocket({ host = "127.0.0.1", port = server.port }, nothing)
    assert.equal("luamcp/" .. core.version, server.requests[2].fields["user-agent"])
    assert.equal("/", server.requests[2].target)
    assert.not_equal(asked.fields["sec-websocket-key"],
      server.requests[2].fields["sec-websocket-key"])
  end)

  it("waits for no more of a refusal than its first 1024 bytes", function()
    local server <close> = raw_server.start(function(request, connection)
      connection:answer(403, { ["Content-Length"] = "100000" },
        ("x"):rep(tonumber(request.target:sub(2))))
      connection:wait_end()
    end)
    local function took(length)
      local from = core.now()
      local _, text, code = core.connect_websocket({ host = "127.0.0.1", port = server.port,
        target = "/" .. length, timeout = 0.5 }, nothing)
      assert.matches(length == 1024 and "^EHTTP403$" or "^E", code)
      assert.is_true(#text < 1024)
      return core.now() - from
    end
    assert.is_true(took(1024) < 0.4)
    assert.is_true(took(1023) >= 0.49)
  end)

  it("says why it is not open: nobody there, no answer in time, another answer", function()
    local function failed(options) return select(3, core.connect_websocket(options, nothing)) end
    assert.equal("ECONNREFUSED", failed { host = "127.0.0.1", port = 1 })
    assert.equal("ENOENT", failed { unix = "/there/is/none" })
    local silent <close> = raw_server.start(function(_, connection) connection:wait_end() end)
    local from = core.now()
    assert.equal("ETIMEDOUT", failed { host = "127.0.0.1", port = silent.port, timeout = 0.1 })
    assert.is_true(core.now() - from < 3)
    local plain <close> = raw_server.start(function() return 200, {}, "hello" end)
    assert.matches("^EHTTP", failed { host = "127.0.0.1", port = plain.port })
  end)

  it("in a task holds up nobody, and a task that is cancelled gives it up", function()
    local silent <close> = raw_server.start(function(_, connection) connection:wait_end() end)
    local waiter, code = core.waiter(), nil
    waiter:spawn(function()
      code = select(3, core.connect_websocket({ host = "127.0.0.1", port = silent.port }, nothing))
    end)
    helper.wait_until(function() return silent.requests[1] end, "the request")
    assert.is_nil(code)
    waiter:cancel()
    assert.equal("ECANCELED", code)
    helper.wait_until(function() return next(silent.connections) == nil end, "its connection's end")
    local ok, text
    core.spawn(function()
      ok, text = coroutine.resume(coroutine.create(function()
        core.connect_websocket({ host = "127.0.0.1", port = silent.port }, nothing)
      end))
    end)
    assert.is_false(ok)
    assert.matches("cannot wait in a coroutine of your own", text)
  end)
end)
