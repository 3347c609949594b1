-- SPDX-License-Identifier: MIT
-- lendpoint_spec.lua: src/lua/lendpoint.c, lconnection.c, lreceiver.c and lmemory.c: the life of an
-- endpoint in a process that goes on after it.
local core = require "mcp.core"
local system = require "codecs.system"

local function gone(host)
  local deadline = system.now() + 5
  while not host:is_gone() do
    assert(system.now() < deadline, "it does not end")
    core.step(1)
  end
end

local POST = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
  .. 'Content-Length: 37\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"m"}'

describe("a host", function()
  local held, descriptors
  before_each(function()
    -- What a first use allocates for good is there.
    gone((function()
      local host = core.listen_http({ port = 0 }, print)
      host:close()
      return host
    end)())
    collectgarbage()
    held, descriptors = core.bytes_held(), system.fd_count("self")
  end)
  after_each(function()
    collectgarbage()
    collectgarbage()
    core.step(0)
    core.step(0)
    assert.equal(0, core.task_count())
    assert.equal(descriptors, system.fd_count("self"))
    assert.is_true(core.bytes_held() <= held + 4096)
  end)

  it("tells what it is", function()
    local host <close> = core.listen_http({ port = 0 }, print)
    assert.is_true(host:is_open())
    assert.is_false(host:is_gone())
    assert.is_true(host:port() > 0)
    assert.is_true(host:is_loopback())
    assert.equal(0, host:connections())
    assert.equal("mcp.endpoint (open)", tostring(host))
    host:close()
    assert.is_false(host:is_open())
    assert.equal("mcp.endpoint (closed)", tostring(host))
    gone(host)
    host:close()
    assert.is_nil(host:port())
    assert.equal(0, host:connections())
  end)

  it("says why it cannot listen, and leaves nothing behind", function()
    local host <close> = core.listen_http({ port = 0 }, print)
    local second, text, code = core.listen_http({ port = host:port() }, print)
    assert.is_nil(second)
    assert.equal("EADDRINUSE", code)
    assert.equal("address already in use", text)
    assert.equal("EADDRNOTAVAIL", select(3, core.listen_http({ host = "192.0.2.1" }, print)))
    host:close()
    gone(host)
  end)

  it("refuses what is no option", function()
    assert.error(function() core.listen_http() end)
    assert.error(function() core.listen_http({}, 5) end)
    assert.error(function() core.listen_http({ port = "x" }, print) end)
    assert.error(function() core.listen_http({ head_timeout = {} }, print) end)
    assert.error(function() core.memory_pair() end)
  end)

  it("that nobody keeps is closed with its connections", function()
    local port = (core.listen_http({ port = 0 }, print)):port()
    local socket <close> = system.connect("127.0.0.1", port)
    collectgarbage()
    collectgarbage()
    for _ = 1, 5 do core.step(0) end
    assert.is_nil((socket:receive()))
    assert.same({ nil, "refused" }, { system.connect("127.0.0.1", port) })
  end)

  it("that is closed cancels what it runs, and may be closed by what it runs", function()
    local code, closed
    local host
    host = core.listen_http({ port = 0 }, function(x)
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      if x:header "x" then host:close() end
      code = select(3, core.sleep(60))
      return {}
    end)
    local one <close> = system.connect("127.0.0.1", host:port())
    one:send(POST)
    while core.task_count() == 0 do core.step(1) end
    assert.equal(1, host:connections())
    local two <close> = system.connect("127.0.0.1", host:port())
    two:send((POST:gsub("\r\n", "\r\nX: 1\r\n", 1)))
    gone(host)
    assert.equal("ECANCELED", code)
    assert.is_true(closed)
  end)

  it("with a grace lets it finish; a second close without one hurries", function()
    local count = 0
    local function receive()
      local ok = core.sleep(count == 0 and 0.05 or 60)
      count = count + 1
      return { ok = ok or false }
    end
    for round = 1, 2 do
      local host = core.listen_http({ port = 0 }, receive)
      local socket <close> = system.connect("127.0.0.1", host:port())
      socket:send(POST)
      while core.task_count() == 0 do core.step(1) end
      host:close(5)
      core.step(0)
      assert.is_false(host:is_gone())
      if round == 2 then host:close() end
      gone(host)
      local text = socket:receive()
      if round == 1 then assert.is_truthy(text:find('"result":{"ok":true}', 1, true)) end
      if round == 2 then assert.is_nil(text) end
    end
  end)

  it("comes and goes a hundred times", function()
    for _ = 1, 100 do
      local host = core.listen_http({ port = 0 }, function() return {} end)
      local socket <close> = system.connect("127.0.0.1", host:port())
      socket:send(POST)
      while host:connections() == 0 do core.step(1) end
      local end_host, peer = core.memory_pair(function() return {} end)
      peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
      core.step(0)
      host:close()
      end_host:close()
      gone(host)
      gone(end_host)
    end
  end)

  it("in memory ends when its peer does, and tells its peer when it ends", function()
    local host, peer = core.memory_pair(function() return {} end)
    assert.is_true(peer:is_open())
    peer:close()
    gone(host)
    host, peer = core.memory_pair(function() return {} end)
    host:close()
    gone(host)
    for _ = 1, 3 do core.step(0) end
    assert.is_false(peer:is_open())
    assert.is_nil((peer:send "x"))
    peer:close()
  end)

  it("in memory sends nothing as well as something", function()
    local got = {}
    local host, peer = core.memory_pair(function(_, _, kind, id) got[#got + 1] = { kind, id } end)
    assert.is_true(peer:send "")
    core.step(0)
    assert.is_true(host:is_open())
    assert.same({}, got)
    assert.is_true(peer:send '{"jsonrpc":"2.0","method":"m"}\n')
    assert.is_true(peer:send "")
    for _ = 1, 3 do core.step(0) end
    assert.equal(1, #got)
    host:close()
    gone(host)
    peer:close()
  end)

  it("in memory that nobody keeps is gone", function()
    for _ = 1, 50 do core.memory_pair(function() return {} end) end
    collectgarbage()
    collectgarbage()
    for _ = 1, 5 do core.step(0) end
  end)
end)

describe("a link in memory", function()
  local function deaf() return nil end

  it("joins two connections: what one sends the other receives", function()
    local got
    local one, other = core.memory_link(deaf, function(_, _, kind, id, method, params)
      got = { kind, id, method, params }
      return { fine = true }
    end)
    assert(one:sender():send("note", { a = 1 }))
    while not got do core.step(1) end
    assert.same({ "notification", nil, "note", { a = 1 } }, got)
    got = nil
    assert(one:sender():send("ask", nil, 7))
    while not got do core.step(1) end
    assert.same({ "request", "7", "ask" }, got)
    one:close()
    gone(one)
    gone(other)
    assert.is_nil(one:sender())
    assert.error(function() core.memory_link(deaf) end)
  end)

  it("tells of its end, once, to both", function()
    local told = {}
    local one, other = core.memory_link(deaf, deaf)
    one:on_closed(function(...) told.one = { ... } end)
    other:on_closed(function(...) told.other = { ... } end)
    other:close()
    gone(one)
    gone(other)
    assert.same({ "closed", "ECLOSED" }, told.one)
    assert.same({ "closed", "ECLOSED" }, told.other)
    assert.error(function() one:on_closed(print) end)
    local listener <close> = core.listen_http({ port = 0 }, print)
    assert.error(function() listener:on_closed(print) end)
    assert.is_nil(listener:sender())
    assert.has_no_error(function() listener:as_client() end)
    listener:close()
    gone(listener)
  end)

  it("as a client answers nothing that it cannot read, and bounds what it reads", function()
    local code
    local host, wire = core.memory_pair(function() return {} end)
    wire:send "no JSON\n"
    while true do
      local text = wire:take()
      if text ~= "" then
        assert.matches("-32700", text, 1, true)
        break
      end
      core.step(1)
    end
    host:as_client(100)
    host:on_closed(function(_, name) code = name end)
    wire:send('no JSON\n{"jsonrpc":"2.0"}\n{"jsonrpc":"2.0","id":1,"method":"m"}\n')
    local said = ""
    while said == "" do
      core.step(1)
      said = wire:take()
    end
    assert.equal('{"jsonrpc":"2.0","id":1,"result":{}}\n', said)
    wire:send(("x"):rep(101) .. "\n")
    gone(host)
    assert.equal("ETOOBIG", code)
    assert.equal("", wire:take())
    assert.error(function() host:as_client(-1) end)
  end)

  it("that nobody keeps is closed", function()
    local _, other = core.memory_link(deaf, deaf)
    _ = nil -- luacheck: ignore
    local deadline = system.now() + 5
    while not other:is_gone() do
      collectgarbage()
      core.step(0)
      assert(system.now() < deadline, "it does not end")
    end
  end)
end)

describe("a wire", function()
  it("takes no more than a mebibyte that is not read, and says EBUSY", function()
    local host, peer = core.memory_pair(function() end)
    peer:pause(true)
    local sender, sent, code = host:sender(), 0, nil
    repeat
      local ok, _, why = sender:send("note", { text = ("x"):rep(100000) })
      if ok then sent = sent + 1 else code = why end
    until code or sent > 100
    assert.equal("EBUSY", code)
    -- The one that goes over the mark is still taken.
    assert.equal(11, sent)
    peer:pause(false)
    for _ = 1, 20 do core.step(0) end
    assert.is_true(#peer:take() > 1100000)
    assert.is_true(sender:send("note", {}))
    host:close()
    peer:close()
    while not host:is_gone() do core.step(1) end
  end)
end)
