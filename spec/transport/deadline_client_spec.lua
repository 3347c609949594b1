-- SPDX-License-Identifier: MIT
-- deadline_client_spec.lua: the other half of deadline_states_spec.lua: every deadline and end of
-- our clients (HTTP and WebSocket) in every state of a connection, over plain TCP and TLS. The
-- server is a script that stops where a state says. Meant for AddressSanitizer: make asan SPEC=…
local certificate = require "codecs.certificate"
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local helper = require "spec.helper"
local stream = require "codecs.stream"
local system = require "codecs.system"
local tls = require "mcp.tls"
local two_ends = require "spec.two_ends"
local ws = require "codecs.ws"

-- Seconds: a limit under test, one that must not be reached, the limit of every wait.
local SHORT, NEVER, LIMIT = 0.15, 60, 5
local LARGE = ("x"):rep(6000)

local ca = certificate.make { name = "Spec CA", ca = true }
local own = certificate.make { issuer = ca, names = "DNS:localhost,IP:127.0.0.1", serial = 2 }

local carriers = {
  plain = { options = {} },
  tls = {
    options = { tls = tls.client { ca = ca.cert }, server_name = "localhost" },
    wrap = function(under)
      return under:wrap(assert(tls.server { cert = own.cert, key = own.key }))
    end,
  },
}

local loop, listener, port, pool, waiter

local function accept(carrier)
  local socket = two_ends.wait({}, function() return (listener:accept(0)) end, LIMIT)
  assert(socket, "nobody connected")
  return two_ends.over(socket, loop, carrier and carrier.wrap)
end

local function with(carrier, more)
  local all = { host = "127.0.0.1", port = port, timeout = NEVER }
  for key, value in pairs(carrier.options) do all[key] = value end
  for key, value in pairs(more or {}) do all[key] = value end
  return all
end

-- Runs `fn` in a task; what it returns comes into the table that is returned.
local function begin(fn)
  local outcome = {}
  waiter:spawn(function()
    local got = table.pack(fn())
    for i = 1, got.n do outcome[i] = got[i] end
    outcome.n = got.n
  end)
  return outcome
end

local function wait(peers, condition, what)
  if not two_ends.wait(peers, condition, LIMIT) then error("waited in vain for " .. what, 2) end
end

local function wait_request(peer)
  peer:wait(function() return peer.buffer:find("\r\n\r\n", 1, true) end, "a request")
  peer.buffer = ""
end

-- --- the states of a connection of HTTP ----------------------------------------------------

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Large: " .. LARGE .. "\r\n\r\nok"

-- A whole exchange; the connection is kept.
local function first(peer, carrier)
  local outcome = begin(function() return assert(pool:request(with(carrier))):read(nil, LIMIT) end)
  peer = peer or accept(carrier)
  wait_request(peer)
  peer:send(OK)
  wait({ peer }, function() return outcome.n end, "the first answer")
  assert.equal("ok", outcome[1])
  return peer
end

local function ask(carrier, more)
  return begin(function() return pool:request(with(carrier, more)) end)
end

-- The head has come; what is waited for is the rest.
local function rest(carrier, read)
  return begin(function()
    local response, text, code = pool:request(with(carrier))
    if not response then return nil, text, code end
    local a, b, c = read(response)
    response:close()
    return a, b, c
  end)
end

local function read_all(response) return response:read() end
local function read_event(response)
  assert(response:event(LIMIT))
  return response:event(SHORT * 4)
end

-- Each brings a call to where it waits: the outcome that will be filled, and the server's end.
local STATES = {
  { "connected", function(carrier, more)
    local outcome = ask(carrier, more)
    -- TLS's first words are not answered.
    return outcome, accept()
  end },
  { "waiting for the head", function(carrier, more)
    local outcome = ask(carrier, more)
    local peer = accept(carrier)
    wait_request(peer)
    return outcome, peer
  end },
  { "in the head", function(carrier, more)
    local outcome = ask(carrier, more)
    local peer = accept(carrier)
    wait_request(peer)
    peer:send "HTTP/1.1 200 OK\r\nX-Half: a"
    return outcome, peer
  end },
  { "in the head after an interim one", function(carrier, more)
    local outcome = ask(carrier, more)
    local peer = accept(carrier)
    wait_request(peer)
    peer:send("HTTP/1.1 103 Early Hints\r\nX-Large: " .. LARGE .. "\r\n\r\nHTTP/1.1 2")
    return outcome, peer
  end },
  { "in the second head", function(carrier, more)
    local peer = first(nil, carrier)
    local outcome = ask(carrier, more)
    wait_request(peer)
    peer:send "HTTP/1.1 200 OK\r\nX-Half: a"
    return outcome, peer
  end },
  { "in the body", function(carrier)
    local outcome = rest(carrier, read_all)
    local peer = accept(carrier)
    wait_request(peer)
    peer:send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" .. ("b"):rep(900))
    return outcome, peer
  end },
  { "in the second body", function(carrier)
    local peer = first(nil, carrier)
    local outcome = rest(carrier, read_all)
    wait_request(peer)
    peer:send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" .. ("b"):rep(900))
    return outcome, peer
  end },
  { "in a chunk", function(carrier)
    local outcome = rest(carrier, read_all)
    local peer = accept(carrier)
    wait_request(peer)
    peer:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    return outcome, peer
  end },
  { "in the trailers", function(carrier)
    local outcome = rest(carrier, read_all)
    local peer = accept(carrier)
    wait_request(peer)
    peer:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer")
    return outcome, peer
  end },
  { "in the second event", function(carrier)
    local outcome = rest(carrier, read_event)
    local peer = accept(carrier)
    wait_request(peer)
    peer:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked"
      .. "\r\n\r\n1f\r\nid: 1\ndata: {\"a\":1}\n\ndata: {\"b\"\r\n")
    for _ = 1, 5 do peer:turn() end
    return outcome, peer
  end, unended = true },
}

local function served(carrier)
  local peer <close> = first(nil, carrier)
  return peer
end

for _, name in ipairs { "plain", "tls" } do
  local carrier = carriers[name]
  describe("a client's connection (" .. name .. ")", function()
    before_each(function()
      loop = stream.loop()
      waiter = core.waiter()
      listener, port = system.listen("127.0.0.1", 0, 16)
    end)
    after_each(function()
      waiter:cancel()
      if pool then pool:close() end
      pool = nil
      listener:close()
      collectgarbage()
      helper.settle()
      for _ = 1, 10 do loop:step(0) end
      loop:close()
    end)

    local function open(options) pool = core.http_pool(options or { idle_timeout = NEVER }) end

    local function assert_gone(state)
      wait({}, function() return (pool:connections()) == 0 end, state .. ": no connection left")
    end

    it("whose time is over, in each state", function()
      for _, state in ipairs(STATES) do
        open { body_timeout = SHORT, idle_timeout = NEVER }
        local outcome, peer = state[2](carrier, { timeout = SHORT })
        wait({ peer }, function() return outcome.n end, state[1])
        assert.equal("ETIMEDOUT", outcome[3], ("%s: %s"):format(state[1], outcome[2]))
        wait({ peer }, function() return peer.ended end, state[1] .. ": its end")
        peer:stop "close"
        assert_gone(state[1])
        served(carrier)
        pool:close()
      end
    end)

    it("that was idle for too long is closed", function()
      open { idle_timeout = SHORT }
      local peer = first(nil, carrier)
      wait({ peer }, function() return peer.ended end, "its end")
      assert_gone "idle"
      peer:stop "close"
      served(carrier)
    end)

    local ways = name == "tls" and { "close", "cut", "reset", "half" }
      or { "close", "reset", "half" }
    for _, way in ipairs(ways) do
      it("whose server ends it (" .. way .. "), in each state", function()
        open { body_timeout = NEVER, idle_timeout = NEVER }
        for _, state in ipairs(STATES) do
          local outcome, peer = state[2](carrier)
          peer:stop(way)
          wait({ peer }, function() return outcome.n end, state[1])
          assert.is_nil(outcome[1], state[1])
          assert.is_string(outcome[3], state[1])
          assert.not_equal("ETIMEDOUT", outcome[3], state[1])
          peer:stop "close"
          assert_gone(state[1])
        end
        local peer = first(nil, carrier)
        peer:stop(way)
        wait({ peer }, function() return (pool:connections()) == 0 end, "an idle one's end")
        peer:stop "close"
        served(carrier)
      end)
    end

    it("that is given up with its pool, in each state", function()
      for _, state in ipairs(STATES) do
        open { body_timeout = NEVER, idle_timeout = NEVER }
        local outcome, peer = state[2](carrier)
        pool:close()
        wait({ peer }, function() return outcome.n end, state[1])
        assert.equal("ECLOSED", outcome[3], state[1])
        wait({ peer }, function() return peer.ended end, state[1] .. ": its end")
        peer:stop "close"
      end
      open()
      served(carrier)
    end)

    it("whose task is cancelled, in each state", function()
      for _, state in ipairs(STATES) do
        open { body_timeout = NEVER, idle_timeout = NEVER }
        local outcome, peer = state[2](carrier)
        waiter:cancel()
        wait({ peer }, function() return outcome.n end, state[1])
        assert.equal("ECANCELED", outcome[3], state[1])
        wait({ peer }, function() return peer.ended end, state[1] .. ": its end")
        peer:stop "close"
        waiter = core.waiter()
        served(carrier)
        pool:close()
      end
    end)

    -- --- WebSocket -----------------------------------------------------------------------


    local function dial(more)
      return begin(function()
        return core.connect_websocket(with(carrier, more), function() return {} end)
      end)
    end

    local function granted(peer)
      peer:wait(function() return peer.buffer:find("\r\n\r\n", 1, true) end, "the handshake")
      local key = peer.buffer:match "Sec%-WebSocket%-Key: ([^\r]+)\r\n"
      peer.buffer = ""
      return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        .. "Sec-WebSocket-Protocol: mcp\r\nSec-WebSocket-Accept: " .. ws.accept(key) .. "\r\n\r\n"
    end

    -- Those before it is open: the outcome is a failure.
    local OPENING = {
      { "connected", function() return accept() end, code = "ETIMEDOUT" },
      { "waiting for the answer", function()
        local peer = accept(carrier)
        granted(peer)
        return peer
      end, code = "ETIMEDOUT" },
      { "in the answer's head", function()
        local peer = accept(carrier)
        peer:send(granted(peer):sub(1, 60))
        return peer
      end, code = "ETIMEDOUT" },
      { "in the body of a refusal", function()
        local peer = accept(carrier)
        granted(peer)
        peer:send("HTTP/1.1 403 Forbidden\r\nX-Large: " .. LARGE
          .. "\r\nContent-Length: 100\r\n\r\nnot you")
        for _ = 1, 5 do peer:turn() end
        return peer
      end, code = "EHTTP403" },
    }

    it("that becomes a WebSocket, whose time is over, in each state", function()
      for _, state in ipairs(OPENING) do
        local outcome = dial { timeout = SHORT * 3 }
        local peer = state[2]()
        wait({ peer }, function() return outcome.n end, state[1])
        assert.is_nil(outcome[1], state[1])
        assert.equal(state.code, outcome[3], ("%s: %s"):format(state[1], outcome[2]))
        if state.code == "EHTTP403" then
          assert.is_truthy(outcome[2]:find("not you", 1, true), outcome[2])
        end
        wait({ peer }, function() return peer.ended end, state[1] .. ": its end")
        peer:stop "close"
      end
    end)

    for _, way in ipairs(ways) do
      it("that becomes a WebSocket, whose server ends it (" .. way .. ")", function()
        for _, state in ipairs(OPENING) do
          local outcome = dial()
          local peer = state[2]()
          peer:stop(way)
          wait({ peer }, function() return outcome.n end, state[1])
          assert.is_nil(outcome[1], state[1])
          assert.is_string(outcome[3], state[1])
          peer:stop "close"
        end
      end)
    end

    local OPEN = {
      { "silent", "" },
      { "in the head of a frame", "\x81" },
      { "in a frame", (frames.text(("z"):rep(1000), { masked = false }):sub(1, 700)) },
      { "between fragments", frames.text('{"jsonrpc"', { fin = false, masked = false }) },
      { "closing", frames.frame { op = 3, masked = false } },
    }

    -- One that is open, in a state; `gone` is filled when the client has noticed its end.
    local function opened(state, more)
      local limits = { ping = NEVER, silence = NEVER, close_timeout = NEVER, stall_timeout = NEVER }
      for key, value in pairs(more or {}) do limits[key] = value end
      local outcome = dial(limits)
      local peer = accept(carrier)
      -- What comes right behind the handshake is read a turn later.
      peer:send(granted(peer) .. state[2])
      wait({ peer }, function() return outcome.n end, state[1])
      assert(outcome[1], outcome[2])
      for _ = 1, 5 do peer:turn() end
      return outcome[1], peer
    end

    it("that is a WebSocket, whose time is over, in each state", function()
      for _, state in ipairs(OPEN) do
        local host, peer = opened(state, { ping = SHORT, silence = SHORT * 2,
          close_timeout = SHORT })
        wait({ peer }, function() return host:is_gone() end, state[1])
        wait({ peer }, function() return peer.ended end, state[1] .. ": its end")
        peer:stop "close"
      end
    end)

    for _, way in ipairs(ways) do
      it("that is a WebSocket, whose server ends it (" .. way .. ")", function()
        for _, state in ipairs(OPEN) do
          local host, peer = opened(state)
          peer:stop(way)
          wait({ peer }, function() return host:is_gone() end, state[1])
          peer:stop "close"
        end
      end)
    end

    it("that is a WebSocket, which we close, in each state", function()
      for _, state in ipairs(OPEN) do
        for _, grace in ipairs { 0, 2 } do
          local host, peer = opened(state)
          host:close(grace)
          wait({ peer }, function() return peer.buffer:find("\x88", 1, true) or peer.ended end,
            state[1])
          peer:stop "close"
          wait({}, function() return host:is_gone() end, state[1] .. ": gone")
        end
      end
    end)

  end)
end
