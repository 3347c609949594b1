-- SPDX-License-Identifier: MIT
-- deadline_states_spec.lua: every deadline and every close of the HTTP server, in every state of a
-- connection, over plain TCP and TLS: what the peer sees, that the handler is told, that nothing is
-- left behind, and that the next connection is served. Meant for AddressSanitizer, since what goes
-- wrong here is a view into bytes that are gone: make asan SPEC=…
--
-- The server sweeps its connections once a second, so all states of a carrier wait side by side.
local certificate = require "codecs.certificate"
local frames = require "spec.ws_frames"
local mcp = require "mcp"
local stream = require "codecs.stream"
local support = require "spec.support"
local tls = require "mcp.tls"
local two_ends = require "spec.two_ends"

-- Seconds: a limit under test, one that must not be reached, and how long a limit under test may
-- take at most: itself, a sweep, what a busy machine adds.
local SHORT, NEVER, PATIENCE = 0.2, 60, 4
local ORIGIN = "https://app.example"
-- More than a decoder keeps of a head, so that its bytes go when the next one begins.
local LARGE = { Origin = ORIGIN, ["X-Large"] = ("x"):rep(6000) }
local STREAM = { Accept = "text/event-stream" }
local UPGRADE = { Upgrade = "websocket", Connection = "Upgrade", ["Sec-WebSocket-Version"] = "13",
  ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Protocol"] = "mcp" }

local ca = certificate.make { name = "Spec CA", ca = true }
local own = certificate.make { issuer = ca, names = "DNS:localhost,IP:127.0.0.1", serial = 2 }

local loop
local carriers = {
  plain = {},
  tls = {
    server = function() return assert(tls.server { cert = own.cert, key = own.key }) end,
    wrap = function(under) return under:wrap(tls.client { ca = ca.cert }, "localhost") end,
  },
}

-- --- what is under test --------------------------------------------------------------

local app, listening, released, running

local function make_app()
  app, released, running = mcp.server { name = "spec" }, false, 0
  app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
  -- Works until it is released, or cancelled.
  app:tool "work" (function(_, ctx)
    running = running + 1
    local _ <close> = setmetatable({}, { __close = function() running = running - 1 end })
    while not released do
      if not ctx:sleep(0.01) then return nil, "cancelled" end
    end
    return "released"
  end)
  app:tool "tell" (function(_, ctx)
    running = running + 1
    local _ <close> = setmetatable({}, { __close = function() running = running - 1 end })
    ctx:progress(1, 2)
    while not released do
      if not ctx:sleep(0.01) then return nil, "cancelled" end
    end
    return "released"
  end)
  app:tool "flood" (function() return ("x"):rep(16 << 20) end)
end

local function listen(carrier, limits)
  local all = { head_timeout = NEVER, body_timeout = NEVER, idle_timeout = NEVER,
    stall_timeout = NEVER, heartbeat = NEVER, ping = NEVER, silence = NEVER, close_timeout = NEVER }
  for key, value in pairs(limits or {}) do all[key] = value end
  make_app()
  listening = app:listen { http = { port = 0 }, sse = true, websocket = true, quiet = true,
    tls = carrier.server and carrier.server(), limits = all,
    security = { allowed_origins = { ORIGIN } } }
end

local function connect(carrier) return two_ends.connect(listening.port, loop, carrier.wrap) end

local function connections() return listening.hosts[1]:connections() end

local function wait(ends, condition, what, limit)
  if not two_ends.wait(ends, condition, limit or 5) then
    error("waited in vain for " .. what, 2)
  end
end

-- --- the states of a connection ----------------------------------------------------------

local BODY = support.call_body(9, "echo", { text = ("y"):rep(200) })

local function answered(peer)
  peer:send(support.call(1, "echo", { text = "first" }, LARGE))
  peer:wait(function() return peer.buffer:find('"first"', 1, true) end, "the first answer")
  peer.buffer = ""
end

local function wait_running(peer)
  local before = running
  return function() peer:wait(function() return running > before end, "the handler") end
end

local function upgraded(peer)
  peer:send(support.request("GET", UPGRADE))
  peer:wait(function() return peer.buffer:find("\r\n\r\n", 1, true) end, "the upgrade")
  assert.equal(101, peer:status())
  peer.buffer = ""
end

local function in_session(peer)
  peer:send(support.request("POST", nil, support.initialize_body(1)))
  peer:wait(function() return peer.buffer:find('"serverInfo"', 1, true) end, "initialize")
  local sid = peer.buffer:match "\r\nMcp%-Session%-Id: ([^\r]+)\r\n"
  peer.buffer = ""
  return sid
end

local HEAD, PART = support.call(9, "echo", { text = "late" }, LARGE), 60

-- Each: how a connection is brought there, and `deadline`: what then becomes of it when its time is
-- over. A status and the end; "end": only that; "stays": nothing; "beats": signs of life.
local STATES = {
  { "connected", function() end, deadline = "end" },
  { "in the first head", function(peer) peer:send(HEAD:sub(1, PART)) end, deadline = 408 },
  { "in the first head, all but its last byte",
    function(peer) peer:send(HEAD:match "^(.-\r\n\r)\n") end, deadline = 408 },
  { "in the first body", function(peer)
    peer:send(HEAD:sub(1, #HEAD - 10))
  end, deadline = 408, shares = true },
  { "in the first body, of chunks", function(peer)
    peer:send(support.request("POST", { ["Transfer-Encoding"] = "chunked",
      ["Content-Type"] = "application/json" }) .. "5\r\n{")
  end, deadline = 408 },
  { "in the trailers", function(peer)
    peer:send(support.request("POST", { ["Transfer-Encoding"] = "chunked",
      ["Content-Type"] = "application/json" }) .. "2\r\n{}\r\n0\r\nX-Trailer: ")
  end, deadline = 408 },
  { "idle after an answer", answered, deadline = "end" },
  { "idle after a refusal", function(peer)
    peer:send(support.request("PUT", LARGE))
    peer:wait(function() return peer:status() end, "405")
    peer.buffer = ""
  end, deadline = "end" },
  { "in the second head", function(peer)
    answered(peer)
    peer:send "P"
  end, deadline = 408 },
  { "in the second head, further", function(peer)
    answered(peer)
    peer:send(HEAD:sub(1, PART))
  end, deadline = 408 },
  { "in the second body", function(peer)
    answered(peer)
    peer:send(support.request("POST", nil, BODY):sub(1, -5))
  end, deadline = 408 },
  { "in the second head, after a refusal", function(peer)
    peer:send(support.request("PUT", LARGE) .. "POST /")
    peer:wait(function() return peer:status() end, "405")
    peer.buffer = ""
  end, deadline = 408 },
  { "busy", function(peer)
    local wait_it = wait_running(peer)
    peer:send(support.call(2, "work", nil, LARGE))
    wait_it()
  end, deadline = "stays", calls = true },
  { "busy, with a head behind it", function(peer)
    local wait_it = wait_running(peer)
    peer:send(support.call(2, "work", nil, LARGE) .. HEAD:sub(1, PART))
    wait_it()
  end, deadline = "stays", calls = true },
  { "streaming", function(peer)
    local wait_it = wait_running(peer)
    peer:send(support.call(2, "tell", nil, LARGE))
    wait_it()
    peer:wait(function() return peer.buffer:find "notifications/progress" end, "its notice")
    peer.buffer = ""
  end, deadline = "beats", calls = true },
  { "listening", function(peer)
    local sid = in_session(peer)
    peer:send(support.request("GET", { Accept = "text/event-stream", ["Mcp-Session-Id"] = sid,
      ["MCP-Protocol-Version"] = "2025-11-25" }))
    peer:wait(function() return peer:status() == 200 end, "the stream")
    peer.buffer = ""
  end, deadline = "beats", ends_well = true },
  { "an event stream for which nothing was posted", function(peer)
    peer:send(support.request("GET", STREAM))
    peer:wait(function() return peer.buffer:find "event: endpoint" end, "its address")
    peer.buffer = ""
  end, deadline = "end" },
  { "lingering", function(peer)
    peer:send(support.request("POST", { ["Content-Type"] = "text/plain",
      ["Content-Length"] = "1000" }) .. "part")
    peer:wait(function() return peer:status() == 415 end, "the refusal")
    peer.buffer = ""
  end, deadline = "end" },
  { "not reading its answer", function(peer)
    peer:send(support.call(2, "flood"))
    peer.deaf = true
    for _ = 1, 50 do peer:turn() end
  end, deadline = "cut" },
  { "a WebSocket", upgraded, deadline = "end", socket = true },
  { "a WebSocket in the head of a frame", function(peer)
    upgraded(peer)
    peer:send "\x81"
  end, deadline = "end", socket = true },
  { "a WebSocket in a frame", function(peer)
    upgraded(peer)
    peer:send(frames.text(("z"):rep(1000)):sub(1, 700))
  end, deadline = "end", socket = true },
  { "a WebSocket between fragments", function(peer)
    upgraded(peer)
    peer:send(frames.text('{"jsonrpc"', { fin = false }))
  end, deadline = "end", socket = true },
  { "a WebSocket that is closing", function(peer)
    upgraded(peer)
    -- A broken rule: we say 1002, and the peer never answers.
    peer:send(frames.frame { op = 3 })
    peer:wait(function() return peer.buffer:find("\x88", 1, true) end, "its close frame")
  end, deadline = "end", socket = true },
}

local ONLY_TLS = {
  { "before the handshake", function() end, deadline = "end", bare = true },
  { "in the handshake", function(peer)
    -- The beginning of a ClientHello that claims 512 bytes.
    peer:send_raw "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
  end, deadline = "end", bare = true },
}

local function states_of(name)
  local all = table.move(STATES, 1, #STATES, 1, {})
  if name == "tls" then table.move(ONLY_TLS, 1, #ONLY_TLS, #all + 1, all) end
  return all
end

local function bring(carrier, state)
  local peer = connect(state.bare and carriers.plain or carrier)
  if carrier.wrap and not state.bare then
    -- A state is one of HTTP: the handshake is over.
    for _ = 1, 20 do peer:turn() end
  end
  state[2](peer)
  return peer
end

-- --- ends -------------------------------------------------------------------------------------

local function served(carrier)
  local peer <close> = connect(carrier)
  peer:send(support.call(3, "echo", { text = "still here" }))
  peer:wait(function() return peer.buffer:find("still here", 1, true) end, "the next connection")
end

local function assert_end(state, peer)
  local label = state[1] .. ": "
  if math.type(state.deadline) then
    assert.equal(state.deadline, peer:status(), label .. peer.buffer)
    local shared = peer.buffer:match "Access%-Control%-Allow%-Origin: ([^\r]+)"
    assert.equal(state.shares and ORIGIN or nil, shared, label .. "the CORS fields of its own head")
    assert.is_truthy(peer.ended, label .. "it has ended")
  elseif state.deadline == "end" then
    assert.is_truthy(peer.ended, label .. "it has ended")
    assert.is_nil(peer:status(), label .. peer.buffer)
  elseif state.deadline == "stays" then
    assert.is_falsy(peer.ended, label .. "it goes on")
    assert.equal("", peer.buffer, label)
  elseif state.deadline == "beats" then
    assert.is_falsy(peer.ended, label .. "it goes on")
    assert.is_truthy(peer.buffer:find(": keep-alive", 1, true), label .. peer.buffer)
  end
end

for _, name in ipairs { "plain", "tls" } do
  local carrier = carriers[name]
  describe("a connection (" .. name .. ")", function()
    before_each(function() loop = stream.loop() end)
    after_each(function()
      released = true
      if listening then
        listening:close()
        wait({}, function() return listening:is_gone() end, "the end of the listener")
        listening = nil
      end
      assert.equal(0, running)
      for _ = 1, 10 do loop:step(0) end
      loop:close()
    end)

    it("whose time is over, in each state", function()
      listen(carrier, { head_timeout = SHORT, body_timeout = SHORT, idle_timeout = SHORT,
        stall_timeout = SHORT, heartbeat = SHORT, ping = SHORT, silence = 2 * SHORT,
        close_timeout = SHORT })
      local peers, ending, going = {}, 0, 0
      for i, state in ipairs(states_of(name)) do
        peers[i] = bring(carrier, state)
        local stays = state.deadline == "stays" or state.deadline == "beats"
        if stays then going = going + 1 else ending = ending + 1 end
      end
      assert.is_true(ending > 0 and going > 0)
      wait(peers, function() return connections() == going end, "their ends", 2 * PATIENCE)
      -- One more sweep, for those that go on.
      two_ends.wait(peers, function() return false end, 1.2)
      for i, state in ipairs(states_of(name)) do assert_end(state, peers[i]) end
      served(carrier)
      released = true
      for i, state in ipairs(states_of(name)) do
        if state.calls then
          wait({ peers[i] }, function() return peers[i].buffer:find '"released"' end,
            state[1] .. ": its answer")
        end
        peers[i]:stop "close"
      end
    end)

    -- The rate is judged in one place, whatever carries it: five seconds are enough once.
    if name == "plain" then it("whose body trickles is ended by its rate", function()
      listen(carrier)
      local peer <close> = connect(carrier)
      local slow = support.request("POST", { ["Content-Length"] = "5000",
        ["Content-Type"] = "application/json" })
      peer:send(slow)
      local from = support.system.now()
      peer:wait(function()
        if support.system.now() - from > 0.1 then
          from = support.system.now()
          peer:send " "
        end
        return peer:status()
      end, "408", 9)
      assert.equal(408, peer:status())
      served(carrier)
    end) end

    local ways = name == "tls" and { "close", "cut", "reset", "half" }
      or { "close", "reset", "half" }
    for _, way in ipairs(ways) do
      it("whose peer ends it (" .. way .. "), in each state", function()
        listen(carrier)
        for _, state in ipairs(states_of(name)) do
          local peer <close> = bring(carrier, state)
          peer:stop(way)
          peer.deaf = nil
          wait({ peer }, function() return connections() == 0 and running == 0 end,
            ("the end of one that is %s; %d connections, %d handlers"):format(state[1],
              connections(), running))
        end
        served(carrier)
      end)
    end

    it("whose server closes at once, in each state", function()
      listen(carrier)
      local peers = {}
      for i, state in ipairs(states_of(name)) do peers[i] = bring(carrier, state) end
      listening:close()
      for _, peer in ipairs(peers) do peer.deaf = nil end
      wait(peers, function() return listening:is_gone() and running == 0 end, "the end")
      wait(peers, function()
        for _, peer in ipairs(peers) do if not peer.ended then return false end end
        return true
      end, "what they see of it")
      for _, peer in ipairs(peers) do peer:stop "close" end
    end)

    it("whose server drains, in each state", function()
      listen(carrier)
      local peers = {}
      for i, state in ipairs(states_of(name)) do peers[i] = bring(carrier, state) end
      listening:close(4)
      released = true
      for _, peer in ipairs(peers) do peer.deaf = nil end
      wait(peers, function()
        for i, state in ipairs(states_of(name)) do
          if not peers[i].ended and not state.socket then return false end
        end
        return true
      end, "their ends")
      for i, state in ipairs(states_of(name)) do
        local label = state[1] .. ": " .. peers[i].buffer:sub(1, 200)
        if state.calls then
          assert.is_truthy(peers[i].buffer:find '"released"', label)
        elseif state.ends_well then
          assert.is_truthy(peers[i].buffer:find("0\r\n\r\n", 1, true), label)
        elseif state.socket then
          -- Going away, said once; a closing one has said something else.
          assert.is_truthy(peers[i].buffer:find("\x88", 1, true), label)
          peers[i]:send(frames.close(1001))
        else
          assert.not_equal(408, peers[i]:status(), label)
        end
      end
      wait(peers, function() return listening:is_gone() and running == 0 end, "the end of all", 6)
      for _, peer in ipairs(peers) do peer:stop "close" end
    end)
  end)
end
