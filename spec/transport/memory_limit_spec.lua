-- SPDX-License-Identifier: MIT
-- memory_limit_spec.lua: what peers can make a server hold, in bytes that it counts and in bytes
-- that it has. Each limit of docs/limits.md, "Memory", is reached here, and each counter comes back
-- to where it was.
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local support = require "spec.support"

local system = support.system

-- It says how many bytes are counted whenever that changes, so that asking costs no connection.
local SCRIPT = [==[
local core = require "mcp.core"
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local about = options.app or {}
mcp.limits { memory = options.memory }
options.app, options.memory, about.name = nil, nil, "spec"
local app = mcp.server(about)
app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
app:tool "big" { input = { n = "integer" } } (function(a) return ("x"):rep(a.n) end)
app:tool "sleep" {} (function(_, ctx) ctx:sleep(60) return "slept" end)
app:tool "rest" { input = { value = "any" } } (function(_, ctx) ctx:sleep(60) return "rested" end)
app:tool "steps" {} (function(_, ctx)
  ctx:progress(1)
  ctx:sleep(60)
  return "done"
end)
local LONG = "test://long/" .. ("x"):rep(100)
app:resource(LONG) (function() return "" end)
app:tool "flood" { input = { count = "integer" } } (function(a, ctx)
  for _ = 1, a.count do
    app:resource_updated(LONG)
    ctx:sleep(0)
  end
  return "flooded"
end)
-- Not the handler itself: it never waits for the peer.
app:tool "aside" { input = { n = "integer" } } (function(a, ctx)
  local text, said = ("x"):rep(a.n), {}
  core.spawn(function()
    for i = 1, 3 do said[i] = select(3, ctx:progress(i, 3, text)) or "sent" end
  end)
  ctx:sleep(0.1)
  io.stderr:write("aside ", table.concat(said, " "), "\n")
  return "done"
end)
core.spawn(function()
  local last
  while true do
    local held = core.memory()
    if held ~= last then io.stderr:write(("held %d\n"):format(held)) end
    last = held
    core.sleep(0.02)
  end
end)
app:run(options)
]==]

local MEBI = 1 << 20

local function start(options)
  return support.http(options, { script = SCRIPT, env = { "MCP_LOG=info" } })
end

-- What the server counts now: it has had time to say so.
local function held(server)
  server:wait_said "held %d+\n"
  return math.tointeger(tonumber(server:told():match ".*held (%d+)\n"))
end

-- A WebSocket that is cut is given up after 5 s, the time of its close handshake.
local GIVEN_BACK = 3 * support.LIMIT

-- Waits until `test(held)`; returns what is held then.
local function wait_held(server, test)
  local deadline = system.now() + GIVEN_BACK
  while true do
    local now = held(server)
    if test(now) then return now end
    assert.is_true(system.now() < deadline, ("%d bytes are still held"):format(now))
    local piece = server.process:read_error(0.02)
    if piece then server.said = server.said .. piece end
  end
end

local function settled(server)
  local before
  return wait_held(server, function(now)
    local same = now == before
    before = now
    return same
  end)
end

local UPGRADE = { Connection = "Upgrade", Upgrade = "websocket", ["Sec-WebSocket-Version"] = "13",
  ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Protocol"] = "mcp" }

-- A WebSocket that has said initialize.
local function websocket(server, receive_buffer)
  local client = support.client(server, receive_buffer)
  client:send(support.request("GET", UPGRADE))
  client:take "^HTTP/1.1 101 .-\r\n\r\n"
  client:send(frames.text(support.initialize_body(0)))
  return client
end

-- The next frame's text.
local function text_of(client)
  while true do
    local found, after = frames.read(client.buffer)
    if found then
      client.buffer = client.buffer:sub(after)
      return found.payload, found.op
    end
    assert(client:more(support.LIMIT))
  end
end

local function requests(count, name, arguments)
  local out = {}
  for i = 1, count do
    out[i] = support.legacy_body(i, "tools/call", { name = name, arguments = arguments })
  end
  return out
end

-- A POST whose body is announced and not sent to its end.
local function half_post(length, sent)
  return support.request("POST", { ["Content-Type"] = "application/json",
    ["Content-Length"] = tostring(length) }) .. ("x"):rep(sent)
end

describe("memory for peers", function()
  local open

  before_each(function() open = {} end)
  after_each(function()
    for _, client in ipairs(open) do client:close() end
    support.stop_all()
  end)

  local function add(client)
    open[#open + 1] = client
    return client
  end

  local function close_all()
    for i, client in ipairs(open) do
      client:close()
      open[i] = nil
    end
  end

  -- How a connection looks in each of its states, and what it has at least made the server hold.
  local STATES = {
    { "connected", function() end, 1000 },
    { "in the middle of a head", function(c) c:send("POST /mcp HTTP/1.1\r\nX: " ..
      ("a"):rep(5000)) end, 6000 },
    { "in the middle of a body", function(c) c:send(half_post(100000, 50000)) end, 50000 },
    { "in the middle of a chunked body", function(c)
      c:send(support.request("POST", { ["Content-Type"] = "application/json",
        ["Transfer-Encoding"] = "chunked" }) .. "FFFF\r\n" .. ("x"):rep(20000))
    end, 20000 },
    { "with a handler at work", function(c)
      c:send(support.call(1, "sleep"))
      c.server.calls = (c.server.calls or 0) + 1
    end, 3000 },
    { "with requests behind that", function(c)
      c:send(support.call(1, "sleep") .. support.call(2, "echo", { text = ("x"):rep(20000) }))
    end, 20000 },
    { "in the middle of a stream", function(c) c:send(support.call(1, "steps")) end, 3000 },
    { "with an answer that is not read", function(c)
      c:send(support.call(1, "big", { n = 8 * MEBI }))
    end, MEBI, 8 },
    { "kept alive", function(c)
      c:send(support.call(1, "echo", { text = "x" }))
      assert.equal(200, c:answer().status)
    end, 1000 },
    { "listening", function(c)
      c:send(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
        ["Mcp-Method"] = "subscriptions/listen" }, support.modern_body(1, "subscriptions/listen",
        { notifications = { toolsListChanged = true } })))
      assert.equal(200, c:head().status)
    end, 3000 },
    { "a WebSocket in the middle of a message", function(c)
      c:send(support.request("GET", UPGRADE))
      c:take "^HTTP/1.1 101 .-\r\n\r\n"
      c:send(frames.text(("x"):rep(30000), { size = 60000 }))
    end, 30000 },
    { "a WebSocket with handlers at work", function(c)
      c:send(support.request("GET", UPGRADE))
      c:take "^HTTP/1.1 101 .-\r\n\r\n"
      c:send(frames.text(support.initialize_body(0)))
      for _, text in ipairs(requests(5, "sleep")) do c:send(frames.text(text)) end
    end, 15000 },
    { "HTTP+SSE", function(c)
      c:send(support.request("GET", { Accept = "text/event-stream" }))
      c:take "event: endpoint"
    end, 1000 },
  }

  for _, state in ipairs(STATES) do
    it("is given back when it is cut " .. state[1], function()
      local server = start ""
      local begun = settled(server)
      local rounds, at_once = state[4] and 1 or 3, state[4] or 40
      for _ = 1, rounds do
        for _ = 1, at_once do
          local client = add(support.client(server))
          state[2](client)
        end
        wait_held(server, function(now) return now - begun >= at_once * state[3] end)
        close_all()
        wait_held(server, function(now) return now <= begun end)
      end
      assert.equal(begun, settled(server))
    end)
  end

  it("is given back, and so are places, when more calls are cut than may be under way", function()
    local server = start ""
    local begun = settled(server)
    for _ = 1, 22 do
      for _ = 1, 50 do
        local client = add(support.client(server))
        client:send(support.call(1, "sleep"))
      end
      wait_held(server, function(now) return now - begun > 50 * 3000 end)
      close_all()
      wait_held(server, function(now) return now <= begun end)
    end
    local client = add(support.client(server))
    assert.equal("still", client:call(1, "echo", { text = "still" }))
  end)

  it("is bounded while one read of a WebSocket has many requests, and all are answered", function()
    local server = start ""
    local client = add(websocket(server, 4096))
    text_of(client)
    local before, begun = server:rss(), settled(server)
    local burst = {}
    for i, text in ipairs(requests(58, "big", { n = MEBI })) do burst[i] = frames.text(text) end
    client:send(table.concat(burst))
    local most = wait_held(server, function(now) return now - begun > 256 << 10 end)
    most = math.max(most, settled(server))
    assert.is_true(most - begun < 4 * MEBI, most - begun .. " bytes are held")
    assert.is_true(server:rss() - before < 8 * MEBI + support.ROOM)
    -- They go on when it reads.
    for i = 1, 58 do
      local text = text_of(client)
      assert.equal(i, assert(core.decode(text)).id)
      assert.is_true(#text > MEBI)
    end
    wait_held(server, function(now) return now <= begun + (64 << 10) end)
  end)

  it("is bounded while one read of a pipe has many requests, and the end of input waits", function()
    local server = support.start("{ stdio = true }", { script = SCRIPT })
    local begun = settled(server)
    local lines = { support.initialize_body(0) }
    for _, text in ipairs(requests(58, "big", { n = 200000 })) do lines[#lines + 1] = text end
    server:write(table.concat(lines, "\n") .. "\n")
    server.process:close_stdin()
    wait_held(server, function(now) return now - begun > 256 << 10 end)
    assert.is_true(settled(server) - begun < MEBI + (512 << 10))
    for i = 0, 58 do assert.equal(i, server:read_line().id) end
    assert.is_false(server:read_line())
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)

  it("is bounded while requests are sent ahead over HTTP", function()
    local server = start ""
    local client = add(support.client(server, 4096))
    local begun = settled(server)
    local all = {}
    for i = 1, 40 do all[i] = support.call(i, "big", { n = 300000 }) end
    client:send(table.concat(all))
    wait_held(server, function(now) return now - begun > 256 << 10 end)
    assert.is_true(settled(server) - begun < 2 * MEBI)
    for i = 1, 40 do assert.equal(i, client:answer().json.id) end
  end)

  it("counts what a queue holds, not what it carries", function()
    local server = start ""
    local deaf = add(support.client(server, 4096))
    local begun = settled(server)
    local uri = "test://long/" .. ("x"):rep(100)
    deaf:send(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
      ["Mcp-Method"] = "subscriptions/listen" }, support.modern_body(1, "subscriptions/listen",
      { notifications = { resourceSubscriptions = { uri } } })))
    assert.equal(200, deaf:head().status)
    local before, caller = server:rss(), add(support.client(server))
    local most = 0
    for i = 1, 200 do
      caller:send(support.call(i, "flood", { count = 200 }))
      assert.equal(200, caller:answer().status)
      most = math.max(most, held(server) - begun)
      if server:told():find("closing subscription: notification", 1, true) then break end
    end
    server:wait_said "closing subscription: notification"
    assert.is_true(most <= MEBI + (64 << 10), most .. " bytes were held")
    assert.is_true(server:rss() - before < 2 * MEBI + support.ROOM)
  end)

  it("holds one message over the limit of a queue, and no further one", function()
    local server = start ""
    local client = add(support.client(server, 4096))
    -- Too much for the buffers of the sockets.
    client:send(support.call(1, "aside", { n = 6 * MEBI }))
    assert.equal("sent EBUSY EBUSY", server:wait_said "aside ([^\n]+)\n")
    local answer = client:answer()
    assert.equal(2, #answer.events)
    assert.equal(6 * MEBI, #answer.events[1].params.message)
    -- Small ones have room until it is reached.
    client:send(support.call(2, "aside", { n = 1000 }))
    assert.equal("sent sent sent", server:wait_said("aside ([^\n]+)\n", #server:told()))
  end)

  it("is an eighth of the limit for one connection", function()
    local server = start("memory = 8 << 20,")
    local begun = settled(server)
    local client = add(support.client(server))
    client:send(half_post(3 * MEBI, 3 * MEBI - 1))
    local head = client:head()
    assert.same({ 503, "5", "close" },
      { head.status, head.fields["retry-after"], head.fields.connection })
    -- A message that the connection may hold, and one of values that it may not.
    local other = add(support.client(server))
    assert.equal("x", other:call(1, "echo", { text = "x" }))
    other:send(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
      ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "echo" }, support.modern_body(7, "tools/call",
      { name = "echo", arguments = { text = "x", list = core.decode("[" .. ("1,"):rep(20000)
        .. "1]") } })))
    head = other:answer()
    assert.same({ 503, "5", -32000, 7 },
      { head.status, head.fields["retry-after"], head.json.error.code, head.json.id })
    local socket = add(websocket(server))
    text_of(socket)
    socket:send(frames.text(support.legacy_body(7, "tools/call", { name = "echo",
      arguments = { text = "x", list = core.decode("[" .. ("1,"):rep(20000) .. "1]") } })))
    local answer = core.decode((text_of(socket)))
    assert.same({ -32000, 7 }, { answer.error.code, answer.id })
    -- What comes in pieces, and is too much: 1011, and the end.
    for i = 1, 30 do
      socket:send(frames.frame { op = i == 1 and 1 or 0, fin = false, payload = ("x"):rep(60000) })
    end
    local payload, op = text_of(socket)
    assert.same({ frames.CLOSE, 1011 }, { op, ((">I2"):unpack(payload)) })
    close_all()
    wait_held(server, function(now) return now <= begun end)
  end)

  it("is a half of the limit for one address, and no new work is taken before that", function()
    local server = start("memory = 8 << 20,")
    local begun = settled(server)
    local kept = add(support.client(server))
    assert.equal("x", kept:call(1, "echo", { text = "x" }))
    -- Each holds half a megabyte; six are three quarters of the address's four.
    for i = 1, 7 do
      local client = add(support.client(server))
      client:send(half_post(MEBI, 500000))
      if i < 6 then wait_held(server, function(now) return now - begun > i * 500000 end) end
    end
    wait_held(server, function(now) return now - begun >= 3 * MEBI end)
    kept:send(support.call(2, "echo", { text = "x" }))
    local head = kept:head()
    assert.same({ 503, "5" }, { head.status, head.fields["retry-after"] })
    -- A new connection is closed at once.
    local late = add(support.client(server))
    local piece, why = late.socket:receive(support.LIMIT)
    assert.same({ nil, "closed" }, { piece, why })
    close_all()
    wait_held(server, function(now) return now <= begun end)
    assert.equal("again", add(support.client(server)):call(1, "echo", { text = "again" }))
  end)

  it("is not taken for a body before its token is checked", function()
    local server = start [[app = { auth = { verify = function(token)
      io.stderr:write("verified ", token, "\n")
      require "mcp.core".sleep(0.01)
      if token == "right" then return { subject = "a", expires = os.time() + 60 } end
      return nil, "wrong"
    end, authorization_servers = { "https://issuer.example" } } }]]
    local begun = settled(server)
    for _, case in ipairs {
      { nil, 401, 'Bearer ' }, { "Bearer wrong", 401, 'error="invalid_token"' } } do
      local fields = { Authorization = case[1], ["Content-Type"] = "application/json",
        ["Content-Length"] = "3000000" }
      -- With a part of the body, and without.
      for _, part in ipairs { ("x"):rep(200000), "" } do
        local client = add(support.client(server))
        client:send(support.request("POST", fields) .. part)
        local head = client:answer()
        assert.equal(case[2], head.status)
        assert.equal("close", head.fields.connection)
        assert.is_truthy(head.fields["www-authenticate"]:find(case[3], 1, true))
      end
      fields["Content-Length"], fields["Transfer-Encoding"] = nil, "chunked"
      local client = add(support.client(server))
      client:send(support.request("POST", fields))
      assert.equal(case[2], client:answer().status)
    end
    close_all()
    wait_held(server, function(now) return now <= begun end)
    -- Who may goes on, and is asked for the body only then.
    local client = add(support.client(server))
    local body = support.call_body(1, "echo", { text = ("y"):rep(100000) })
    local request = support.call(1, "echo", { text = ("y"):rep(100000) },
      { Authorization = "Bearer right", Expect = "100-continue" })
    client:send(request:sub(1, -#body - 1))
    client:take "^HTTP/1.1 100 Continue\r\n\r\n"
    for from = 1, #body, 30000 do client:send(body:sub(from, from + 29999)) end
    local answer = client:answer()
    assert.equal(200, answer.status)
    assert.equal(100000, #answer.json.result.content[1].text)
    assert.equal(1, select(2, server:told():gsub("verified right\n", "")))
    -- And once more on the same connection, all at once.
    client:send(support.call(2, "echo", { text = ("y"):rep(200000) },
      { Authorization = "Bearer right" }))
    assert.equal(2, client:answer().json.id)
  end)

  -- What is counted is what the process has, whatever peers send: texts, bodies and values of Lua,
  -- and what is left of those after them.
  it("is the memory of the process, within a tenth, for each kind of value in turn", function()
    local LIMIT = 32 * MEBI
    local server = start(("memory = %d,"):format(LIMIT))
    local kinds = {
      { "numbers", "[" .. ("1,"):rep(40000) .. "1]" },
      { "empty arrays", "[" .. ("[[]],"):rep(20000) .. "1]" },
      { "objects", "[" .. ('{"a": 1},'):rep(10000) .. "1]" },
      { "a text", '"' .. ("x"):rep(500000) .. '"' },
    }
    local before = server:rss()
    for round = 1, 2 do
      for _, kind in ipairs(kinds) do
        local value = core.decode(kind[2])
        local text = support.call(1, "rest", { value = value })
        for i = 1, 80 do
          local client = add(support.client(server, nil, "127.0.0." .. i % 8 + 1))
          client:send(text)
        end
        wait_held(server, function(now) return now > LIMIT // 2 end)
        settled(server)
        local most = server:rss() - before
        -- A sanitizer's own memory is not ours; nor is what of the program was first used, and so
        -- loaded, since `before`.
        local max = support.ROOM == math.huge and math.huge or LIMIT * 1.1 + MEBI
        assert.is_true(most < max, ("%s, round %d: %d KiB"):format(kind[1], round,
          most // 1024))
        close_all()
        wait_held(server, function(now) return now < LIMIT // 8 end)
      end
    end
  end)

  describe("and authorization", function()
    local AUTH = [[memory = 8 << 20, app = { auth = {
      verify = function(token) return { subject = token } end,
      authorization_servers = { "https://issuer.example" } } }]]

    local function from(server, address)
      return add(support.client(server, nil, "127.0.0." .. address))
    end

    -- A request whose body stays half a megabyte.
    local function half(token)
      return support.request("POST", { ["Content-Type"] = "application/json",
        ["Content-Length"] = tostring(MEBI), Authorization = "Bearer " .. token })
        .. ("x"):rep(500000)
    end

    local function ask(client, token)
      return client:ask(support.call(1, "echo", { text = "x" },
        { Authorization = "Bearer " .. token }))
    end

    -- Three addresses hold a megabyte each, of the four that each may hold.
    local function fill(server, begun, token)
      for i = 1, 6 do
        from(server, i % 3 + 1):send(half(token))
        wait_held(server, function(now) return now - begun > i * 500000 end)
      end
    end

    it("is a half of the limit for one principal, whatever its addresses", function()
      local server = start(AUTH)
      local begun = settled(server)
      fill(server, begun, "ada")
      local refused = from(server, 4)
      refused:send(half "ada")
      local head = refused:head()
      assert.same({ 503, "5" }, { head.status, head.fields["retry-after"] })
      -- The log names the option, and not the user.
      server:wait_said "refused with 503: the principal [^\n]*mcp%.limits"
      assert.is_nil(server:told():find("ada", 1, true))
      -- The process has room for others, and so has each address.
      for i = 2, 4 do assert.equal(200, ask(from(server, i), "bob").status) end
      close_all()
      wait_held(server, function(now) return now <= begun end)
      assert.equal(200, ask(from(server, 1), "ada").status)
    end)

    it("is that of whose request a connection carries", function()
      local server = start(AUTH)
      local begun = settled(server)
      fill(server, begun, "ada")
      local proxy = from(server, 4)
      assert.equal(200, ask(proxy, "bob").status)
      assert.equal(503, ask(proxy, "ada").status)
    end)

    it("is shared by principals whose keys begin with the same 512 bytes", function()
      local server = start(AUTH)
      local begun = settled(server)
      local long = ("a"):rep(512)
      fill(server, begun, long .. "1")
      assert.equal(503, ask(from(server, 4), long .. "2").status)
      assert.equal(200, ask(from(server, 5), long:sub(1, 400)).status)
    end)
  end)
end)
