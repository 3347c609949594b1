-- SPDX-License-Identifier: MIT
-- lhttp_pool_spec.lua: src/lua/lhttp_pool.c and src/lua/lhttp_call.c: pools, requests and responses
-- as Lua sees them. What goes over the sockets is in transport/http_call_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local openssl = require "mcp.openssl"
local raw_server = require "spec.raw_server"
local system = require "codecs.system"

local function raises(words, fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_truthy(text:find(words, 1, true), text)
end

describe("http_pool", function()
  it("refuses what is no option of its own", function()
    raises('http_pool: unknown option "conections"', core.http_pool, { conections = 1 })
    raises('http_pool: unknown option ""', core.http_pool, { "x" })
    raises("table expected", core.http_pool, 5)
    for _, bad in ipairs { 0, -1, 65536, 1.5, "x", true } do
      raises("http_pool: connections: expected an integer from 1 to 65535", core.http_pool,
        { connections = bad })
    end
    for _, name in ipairs { "idle_timeout", "connect_timeout", "body_timeout" } do
      raises(name .. ": expected seconds, got boolean", core.http_pool, { [name] = true })
      for _, bad in ipairs { -1, 0 / 0, 1 / 0, 1e12 } do
        raises(name .. ": expected seconds, 0 or more", core.http_pool, { [name] = bad })
      end
    end
    local pool <close> = core.http_pool { connections = 65535, idle_timeout = 0,
      connect_timeout = 0, body_timeout = 0.5 }
    assert.same({ 0, 0, 0 }, { pool:connections() })
    core.http_pool():close()
  end)

  it("is closed by close, by the end of a scope and by the collector, and stays closed", function()
    local pool = core.http_pool()
    do
      local same <close> = pool
      assert.equal(pool, same)
    end
    pool:close()
    assert.is_nil((pool:request { host = "127.0.0.1", port = 1 }))
    assert.same({ 0, 0, 0 }, { pool:connections() })
    pool = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
  end)
end)

describe("a request", function()
  local pool, server

  before_each(function()
    pool = core.http_pool()
    server = raw_server.start(function() return 200, { ["X-A"] = "b" }, "body" end)
  end)
  after_each(function()
    pool:close()
    server:close()
    helper.leftovers()
  end)

  local function request(options)
    local all = { host = "127.0.0.1", port = server.port, timeout = 5 }
    for name, value in pairs(options or {}) do all[name] = value end
    for name, value in pairs(all) do
      if value == "none" then all[name] = nil end
    end
    return pool:request(all)
  end

  it("refuses what is no option, or of another type, and says which", function()
    raises("table expected", pool.request, pool, "x")
    raises('request: unknown option "path"', request, { path = "/" })
    raises("request: expected host and port, or unix", request, { host = "none" })
    raises("request: expected host and port, or unix", request, { port = "none" })
    for _, bad in ipairs { 0, 65536, 1.5, "x" } do
      raises("request: port: expected an integer from 1 to 65535", request, { port = bad })
      raises("request: head_limit: expected an integer from 1 to 1048576", request,
        { head_limit = bad ~= 65536 and bad or 1048577 })
    end
    raises("request: event_limit: expected an integer from 1 to 1073741824", request,
      { event_limit = 1073741825 })
    for _, name in ipairs { "host", "unix", "server_name", "method", "target", "body", "only" } do
      raises(("request: %s: expected a string, got table"):format(name), request, { [name] = {} })
    end
    for _, name in ipairs { "host", "unix", "server_name", "only" } do
      raises(("request: %s: contains a zero byte"):format(name), request, { [name] = "a\0b" })
    end
    raises('request: only: expected "public" or "loopback", got "private"', request,
      { only = "private" })
    raises("request: tls: expected a client's TLS context, got boolean", request, { tls = true })
    local certificate = require("codecs.certificate").make {}
    raises("request: tls: expected a client's TLS context, got a server's", request,
      { tls = assert(openssl.tls { role = "server", cert = certificate.cert,
        key = certificate.key }) })
    raises("request: timeout: expected seconds, got string", request, { timeout = "x" })
    raises("request: timeout: expected seconds, 0 or more", request, { timeout = -1 })
    raises("request: headers: expected a table, got string", request, { headers = "x" })
    for _, bad in ipairs { "x", {}, { "A" }, { "A", 1 }, { 1, "b" } } do
      raises("request: headers: expected { name, value } at 2", request,
        { headers = { { "A", "b" }, bad } })
    end
    -- Nothing was sent.
    helper.settle()
    assert.equal(0, #server.requests)
    assert.same({ 0, 0, 0 }, { pool:connections() })
    -- Names are not looked at if it says that they are known.
    local response <close>, status, kind = request { path = "/", known = true }
    assert.equal(200, status)
    assert.equal(response:header "content-type", kind)
  end)

  it("that cannot be written is a failure that names its part", function()
    local function failed(options)
      local none, text, code = request(options)
      assert.is_nil(none)
      return code .. " " .. text
    end
    assert.matches('^EHTTP request: headers: "A": ', failed { headers = { { "A", "b\nc" } } })
    assert.matches('^EHTTP request: headers: "A b": ', failed { headers = { { "A b", "c" } } })
    assert.matches("^EHTTP request: ", failed { target = "a b" })
    assert.matches("^EHTTP request: ", failed { method = "A B" })
    assert.equal(0, #server.requests)
  end)

  it("has the fields of a list that does not change, and of one that does", function()
    local function ask(list)
      local response <close> = assert(request { headers = list })
      assert(response:read(100))
      local fields = server.requests[#server.requests].fields
      return fields["x-a"], fields["x-b"], fields["accept-encoding"]
    end
    local fixed = { { "X-A", "1" }, { "X-B", "2" }, { "Accept-Encoding", "identity" },
      fixed = true }
    local other = { { "X-A", "3" }, fixed = true }
    for _ = 1, 3 do assert.same({ "1", "2", "identity" }, { ask(fixed) }) end
    assert.equal("3", (ask(other)))
    assert.same({ "1", "2", "identity" }, { ask(fixed) })
    local free = { { "X-A", "4" } }
    assert.equal("4", (ask(free)))
    free[1][2] = "5"
    assert.equal("5", (ask(free)))
    assert.equal("3", (ask(other)))
    -- Its place in memory may be another list's later.
    other = nil -- luacheck: ignore 311
    for i = 1, 50 do
      collectgarbage()
      assert.equal(tostring(i), (ask { { "X-A", tostring(i) }, fixed = true }))
    end
  end)

  it("that fails says where it went", function()
    server:close()
    local text = select(2, request {})
    assert.matches("^127%.0%.0%.1:" .. server.port .. ": ", text)
    text = select(2, request { host = "::1" })
    assert.matches("^%[::1%]:" .. server.port .. ": ", text)
    text = select(2, pool:request { unix = "/there/is/none" })
    assert.matches("^/there/is/none: ", text)
  end)

  it("gives a connection only so long to be made", function()
    -- The queue of this listener is full: who comes later hears nothing.
    local listener <close>, port = system.listen("127.0.0.2", 0, 0)
    assert(listener)
    local waiting = {}
    for i = 1, 3 do waiting[i] = system.begin("127.0.0.2", port) end
    local hurried <close> = core.http_pool { connect_timeout = 0.2 }
    local from = core.now()
    local _, _, code = hurried:request { host = "127.0.0.2", port = port, timeout = 5 }
    assert.equal("ETIMEDOUT", code)
    assert.is_true(core.now() - from < 3)
    for _, socket in ipairs(waiting) do socket:close() end
  end)

  it("waits outside of tasks and in them, and nowhere else", function()
    local response <close> = assert(request())
    assert.equal(200, response.status)
    local within, ok, text
    core.spawn(function()
      local second <close> = assert(request())
      within = second:read()
      ok, text = coroutine.resume(coroutine.create(function() request() end))
    end)
    helper.wait_until(function() return text end, "the task")
    assert.equal("body", within)
    assert.is_false(ok)
    assert.matches("cannot wait in a coroutine of your own", text)
  end)
end)

describe("an answer", function()
  local pool, server

  before_each(function() pool = core.http_pool() end)
  after_each(function()
    pool:close()
    server:close()
    helper.leftovers()
  end)

  local function ask(...)
    local answer = table.pack(...)
    server = raw_server.start(function() return table.unpack(answer, 1, answer.n) end)
    return assert(pool:request { host = "127.0.0.1", port = server.port, timeout = 5 })
  end

  it("has a status and fields, also when its body has been read", function()
    local response = ask(404, { ["X-A"] = "b" }, "gone")
    for round = 1, 2 do
      assert.equal(404, response.status)
      assert.equal("b", response:header "X-a")
      assert.is_nil(response:header "x")
      assert.equal("b", response:headers()["x-a"])
      assert.is_nil(response.nothing)
      assert.is_nil(response[1])
      assert.matches("%(404%)$", tostring(response))
      if round == 1 then assert.equal("gone", response:read()) end
    end
    raises("its body has been read", response.read, response)
    raises("its body has been read", response.json, response)
    raises("its body has been read", response.event, response)
  end)

  it("that is closed is good for nothing but to be closed again", function()
    local response = ask(200, {}, "body")
    response:close()
    response:close()
    for _, method in ipairs { "read", "json", "event", "headers" } do
      raises("closed response", response[method], response)
    end
    raises("closed response", response.header, response, "a")
    assert.equal(200, response.status)
    assert.matches("%(200, closed%)$", tostring(response))
  end)

  it("has a body up to a limit, which may be 0", function()
    assert.equal("", ask(200, {}, ""):read(0))
    server:close()
    assert.equal("body", ask(200, {}, "body"):read(4))
    server:close()
    assert.equal("ETOOBIG", select(3, ask(200, {}, "body"):read(3)))
    server:close()
    local response = ask(200, {}, "body")
    raises("expected a number of bytes", response.read, response, -1)
    raises("timeout: expected seconds, got boolean", response.read, response, 4, true)
    raises("timeout: expected seconds, 0 or more", response.read, response, 4, -1)
    assert.equal("body", response:read(4, 5))
  end)

  it("is waited for by one at a time", function()
    local release
    server = raw_server.start(function(_, connection)
      connection:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
      release = function() connection:send "body" end
    end)
    local response = assert(pool:request { host = "127.0.0.1", port = server.port, timeout = 5 })
    local got
    core.spawn(function() got = response:read() end)
    for _, method in ipairs { "read", "json", "event" } do
      raises("another method of this response is waiting", response[method], response)
    end
    assert.is_nil(got)
    release()
    helper.wait_until(function() return got end, "the body")
    assert.equal("body", got)
  end)
end)
