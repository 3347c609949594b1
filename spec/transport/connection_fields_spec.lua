-- SPDX-License-Identifier: MIT
-- connection_fields_spec.lua: the header fields of a connection reach handlers however messages
-- come: of a WebSocket those of its handshake, over HTTP+SSE those of the POST. And a stream that
-- only listens ends with the token it was opened with.
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local support = require "spec.support"

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
-- A token says how long it lasts: "3" ends three seconds from now.
local auth = os.getenv "SPEC_AUTH" and { resource = "https://mcp.example/mcp",
  authorization_servers = { "https://as.example" },
  verify = function(token)
    return { subject = "ada", scopes = {}, expires = os.time() + tonumber(token) }
  end } or nil
local app = mcp.server { name = "spec", auth = auth }
app:tool "fields" (function(_, ctx)
  ctx.headers.scribbled = "by a handler"
  if ctx.headers["x-wait"] then ctx:sleep(0.05) end
  return ("%s|%s|%s"):format(ctx.headers["x-spec"] or "none",
    ctx.headers["x-posted"] or "none", ctx.headers.authorization or "hidden")
end)
app:tool "clean" (function(_, ctx) return tostring(ctx.headers.scribbled) end)
app:tool "slow" (function(_, ctx)
  ctx:sleep(3)
  return "slow"
end)
app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
app:run(options)
]==]

local UPGRADE = { Upgrade = "websocket", Connection = "Upgrade", ["Sec-WebSocket-Version"] = "13",
  ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Protocol"] = "mcp" }
local READY = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

local function with(fields, more)
  local all = {}
  for name, one in pairs(fields or {}) do all[name] = one end
  for name, one in pairs(more or {}) do all[name] = one end
  return all
end

local function call(id, name) return support.legacy_body(id, "tools/call",
  { name = name, arguments = core.decode "{}" }) end

local function start(more, env)
  return support.http(more, { script = SCRIPT, env = { "MCP_LOG=info", env } })
end

-- --- the two ways ---------------------------------------------------------------------

local ways = {}

function ways.websocket(server, fields)
  local client = support.client(server)
  client:send(support.request("GET", with(UPGRADE, fields)))
  assert.equal(101, client:head().status)
  local way = { client = client }
  function way.send(body) client:send(frames.text(body)) end
  -- The next frame; nil at the end of the connection.
  function way.frame()
    while true do
      local found, after = frames.read(client.buffer)
      if found then
        client.buffer = client.buffer:sub(after)
        return found
      end
      if not client:more(support.LIMIT) then return nil end
    end
  end
  function way.receive() return core.decode(way.frame().payload) end
  way.send(support.initialize_body(0, "2025-11-25"))
  assert.equal(0, way.receive().id)
  way.send(READY)
  return way
end

function ways.sse(server, fields)
  local stream, poster = support.client(server), support.client(server)
  stream:send(support.request("GET", with({ Accept = "text/event-stream" }, fields)))
  assert.equal(200, stream:head().status)
  local address, pending = stream:chunk():match "data: ([^\n]*)", ""
  local way = { client = stream }
  function way.send(body, posted)
    poster:send(support.request("POST", with(fields, posted), body, address))
    assert.equal(202, poster:answer().status)
  end
  function way.receive()
    if pending == "" then pending = stream:chunk() end
    local data
    data, pending = pending:match "^event: message\ndata: ([^\n]*)\n\n(.*)$"
    return core.decode(data)
  end
  way.send(support.initialize_body(0, "2024-11-05"))
  assert.equal(0, way.receive().id)
  way.send(READY)
  return way
end

local function text_of(message) return message.result.content[1].text end

describe("the fields of a connection", function()
  after_each(support.stop_all)

  it("are those of the handshake over WebSocket, for every message", function()
    local way = ways.websocket(start(), { ["X-Spec"] = "hand", ["X-Wait"] = "1" })
    for id = 1, 3 do
      way.send(call(id, "fields"))
      assert.equal("hand|none|hidden", text_of(way.receive()))
    end
    -- A handler's table is its own.
    way.send(call(4, "clean"))
    assert.equal("nil", text_of(way.receive()))
  end)

  it("are those of the stateless era, too", function()
    local server = start()
    local client = support.client(server)
    client:send(support.request("GET", with(UPGRADE, { ["X-Spec"] = "hand" })))
    assert.equal(101, client:head().status)
    client:send(frames.text(support.call_body(1, "fields")))
    local found
    repeat
      found = frames.read(client.buffer)
    until found or not client:more(support.LIMIT)
    assert.equal("hand|none|hidden", text_of(core.decode(found.payload)))
  end)

  it("are those of the POST over HTTP+SSE, each message its own", function()
    local way = ways.sse(start(), { ["X-Spec"] = "both" })
    -- Both are under way at once.
    way.send(call(1, "fields"), { ["X-Posted"] = "first", ["X-Wait"] = "1" })
    way.send(call(2, "fields"), { ["X-Posted"] = "second" })
    way.send(call(3, "fields"), { ["X-Spec"] = false })
    local got = {}
    for _ = 1, 3 do
      local message = way.receive()
      got[message.id] = text_of(message)
    end
    assert.same({ "both|first|hidden", "both|second|hidden", "none|none|hidden" }, got)
  end)

  it("hide the token, whatever brought it", function()
    local server = start("", "SPEC_AUTH=1")
    for _, name in ipairs { "websocket", "sse" } do
      local way = ways[name](server, { Authorization = "Bearer 60", ["X-Spec"] = name })
      way.send(call(1, "fields"))
      assert.equal(name .. "|none|hidden", text_of(way.receive()))
    end
  end)

  it("are none over standard input", function()
    local server = support.start("{ stdio = true }", { script = SCRIPT })
    server:write(support.call_body(1, "fields") .. "\n")
    assert.equal("none|none|hidden", text_of(server:read_line()))
  end)
end)

describe("the end of a token", function()
  after_each(support.stop_all)

  -- Seconds until a token of two seconds has ended a stream: its time, a sweep, what a busy
  -- machine adds.
  local function ended(client)
    local from = support.system.now()
    local rest = client:rest()
    local took = support.system.now() - from
    assert.is_true(took > 0.5 and took < 5, took)
    return rest
  end

  it("ends a session's stream, and says so in the log", function()
    local server = start("", "SPEC_AUTH=1")
    local client = support.client(server)
    local sid = client:ask(support.request("POST", { Authorization = "Bearer 60" },
      support.initialize_body())).fields["mcp-session-id"]
    local stream = support.client(server)
    stream:send(support.request("GET", { Accept = "text/event-stream", ["Mcp-Session-Id"] = sid,
      ["MCP-Protocol-Version"] = "2025-11-25", Authorization = "Bearer 2" }))
    assert.equal(200, stream:head().status)
    -- The stream has its proper end.
    assert.is_truthy(ended(stream):find("0\r\n\r\n", 1, true))
    server:wait_said "event stream closed: its access token has expired"
    -- The session goes on, with another token.
    stream = support.client(server)
    stream:send(support.request("GET", { Accept = "text/event-stream", ["Mcp-Session-Id"] = sid,
      ["MCP-Protocol-Version"] = "2025-11-25", Authorization = "Bearer 60" }))
    assert.equal(200, stream:head().status)
  end)

  it("ends a listen of the stateless era", function()
    local server = start("", "SPEC_AUTH=1")
    local client = support.client(server)
    client:send(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
      ["Mcp-Method"] = "subscriptions/listen", Authorization = "Bearer 2" },
      support.modern_body(1, "subscriptions/listen",
        { notifications = { toolsListChanged = true } })))
    assert.equal(200, client:head().status)
    assert.equal("notifications/subscriptions/acknowledged", client:event().method)
    assert.is_truthy(ended(client):find("0\r\n\r\n", 1, true))
  end)

  it("ends HTTP+SSE, unless a POST has brought a longer one", function()
    local server = start("", "SPEC_AUTH=1")
    local short = ways.sse(server, { Authorization = "Bearer 2" })
    local renewed = ways.sse(server, { Authorization = "Bearer 2" })
    renewed.send(call(1, "fields"), { Authorization = "Bearer 60" })
    assert.equal(1, renewed.receive().id)
    ended(short.client)
    renewed.send(call(2, "fields"), { Authorization = "Bearer 60" })
    assert.equal(2, renewed.receive().id)
  end)

  it("ends a WebSocket with 1008 once nothing is under way", function()
    local server = start("", "SPEC_AUTH=1")
    local way = ways.websocket(server, { Authorization = "Bearer 2" })
    way.send(call(1, "slow"))
    assert.equal("slow", text_of(way.receive()))
    local frame = way.frame()
    assert.equal(frames.CLOSE, frame.op)
    assert.equal(1008, (">I2"):unpack(frame.payload))
    assert.equal("The access token has expired", frame.payload:sub(3))
  end)

  it("that is far off ends nothing", function()
    local server = start("", "SPEC_AUTH=1")
    local kept = { ways.sse(server, { Authorization = "Bearer 600" }),
      ways.websocket(server, { Authorization = "Bearer 600" }) }
    local short = ways.sse(server, { Authorization = "Bearer 2" })
    ended(short.client)
    for _, way in ipairs(kept) do
      way.send(call(1, "fields"))
      assert.equal(1, way.receive().id)
    end
  end)
end)
