-- SPDX-License-Identifier: MIT
-- Listeners over real sockets, many of them: streams of sessions and listens of the stateless era.
-- Each hears of a change once; one that does not read costs the others nothing; all of them end
-- with the server.
local support = require "spec.support"
local system = support.system

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local about = options.app or {}
options.app, about.name = nil, "spec"
local app = mcp.server(about)
local LONG = "test://long/" .. ("x"):rep(1000)

app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)

app:tool "change" { input = { kind = "string" } } (function(a)
  app:changed(a.kind)
  return "changed"
end)

app:tool "flood" { input = { count = "integer" } } (function(a, ctx)
  for _ = 1, a.count do
    app:resource_updated(LONG)
    ctx:sleep(0)
  end
  return "flooded"
end)

app:tool "sleep" { input = { seconds = "number" } } (function(a, ctx)
  io.stderr:write "began\n"
  ctx:sleep(a.seconds)
  return "slept"
end)

app:prompt "ask" (function() return "?" end)
app:resource(LONG) (function() return "" end)
app:run(options)
]==]

local LONG = "test://long/" .. ("x"):rep(1000)
local TAG = "io.modelcontextprotocol/subscriptionId"
local ACK = "notifications/subscriptions/acknowledged"
local TOOLS, PROMPTS = "notifications/tools/list_changed", "notifications/prompts/list_changed"

local function start(options) return support.http(options, { script = SCRIPT }) end

-- Begins a listen; its answer has begun and what is honoured has come when this returns.
local function listen(server, id, filter, receive_buffer)
  local client = support.client(server, receive_buffer)
  client:send(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
    ["Mcp-Method"] = "subscriptions/listen" },
    support.modern_body(id, "subscriptions/listen", { notifications = filter })))
  local head = client:head()
  assert.equal(200, head.status)
  assert.equal("text/event-stream", head.fields["content-type"])
  local first = client:event()
  assert.equal(ACK, first.method)
  assert.equal(id, first.params._meta[TAG])
  return client
end

-- Opens the stream of a new session; returns its client and the session's id.
local function open_stream(server, through)
  local sid = through:initialize()
  local client = support.client(server)
  client:send(support.request("GET", { Accept = "text/event-stream", ["Mcp-Session-Id"] = sid,
    ["MCP-Protocol-Version"] = "2025-11-25" }))
  assert.equal(200, client:head().status)
  return client, sid
end

-- How many descriptors a process may have.
local function descriptors()
  local pipe <close> = io.popen "ulimit -n"
  return tonumber(pipe:read "l") or math.huge
end

local function say(...) io.stdout:write("  ", string.format(...), "\n") end

describe("listeners over sockets", function()
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

  it("a thousand hear of a change once each, by one stream each (HL-34)", function()
    local count = 1000
    if descriptors() < 2 * count then
      count = 400
      say("only 400 listeners: more need a limit of descriptors (ulimit -n) of 2000")
    end
    local server = start()
    local caller = add(support.client(server))
    local before = server:rss()
    for i = 1, count // 2 do
      add(listen(server, i, { toolsListChanged = true, promptsListChanged = true }))
      add((open_stream(server, caller)))
    end
    local grown = server:rss() - before
    local began = system.now()
    caller:call(1, "change", { kind = "tools" })
    caller:call(2, "change", { kind = "prompts" })
    local told = system.now() - began
    for i = 2, #open do
      local first, second = open[i]:event(), open[i]:event()
      assert.same({ TOOLS, PROMPTS }, { first.method, second.method })
      -- A listen's are tagged, a session's have no params at all.
      local tag = first.params and first.params._meta[TAG]
      assert.equal(i % 2 == 0 and i // 2 or nil, tag)
    end
    say("%d listeners: %.2f KB each; two changes to all of them in %.0f ms", count,
      grown / count / 1024, told * 1000)
    for i = 2, #open do
      open[i]:close()
      open[i] = nil
    end
    server:wait_fd_count(20)
    -- Those that are gone make room.
    add(listen(server, "again", { toolsListChanged = true }))
    caller:call(3, "change", { kind = "tools" })
    assert.equal("again", open[2]:event().params._meta[TAG])
  end)

  it("one that never reads is ended, and the others hear all of it (4, outgoing queue)", function()
    local server = start()
    local caller = add(support.client(server))
    local deaf = add(listen(server, "deaf", { resourceSubscriptions = { LONG } }, 4096))
    local others = {}
    for i = 1, 4 do others[i] = add(listen(server, i, { resourceSubscriptions = { LONG } })) end
    for _, other in ipairs(others) do other.heard = 0 end
    local before, most, sent, slowest = server:rss(), 0, 0, 0
    local function ended()
      return server:told():find("closing subscription: notification", 1, true)
    end
    while not ended() and sent < 20000 do
      local began = system.now()
      assert.equal("flooded", caller:call(sent, "flood", { count = 200 }))
      sent = sent + 200
      slowest = math.max(slowest, system.now() - began)
      for _, other in ipairs(others) do
        while other.heard < sent do
          local piece = assert(other.socket:receive(support.LIMIT))
          other.buffer = other.buffer .. piece
          local lines
          lines, other.buffer = other.buffer:match "^(.*)\n(.*)$"
          other.heard = other.heard + select(2, lines:gsub("data: ", ""))
        end
        assert.equal(sent, other.heard)
      end
      most = math.max(most, server:rss() - before)
    end
    assert.is_truthy(ended(), "it was never ended")
    say("ended after %d notices; the server grew by %.2f MB; 200 notices to 5 took %.0f ms at most",
      sent, most / (1 << 20), slowest * 1000)
    assert.is_true(most < (1 << 20) + support.ROOM, ("grew by %d bytes"):format(most))
    -- It finds its connection cut: there is no end of the stream that it could take for one.
    -- What the system holds for it, some megabytes, comes first, through a window of 4 KiB.
    local rest, why = deaf:rest(12 * support.LIMIT)
    assert.not_equal("timeout", why)
    assert.is_nil(rest:find("\r\n0\r\n\r\n", 1, true))
    assert.equal("alive", caller:call(0, "echo", { text = "alive" }))
  end)

  it("do not hold up the end of the server, and have theirs (T-83)", function()
    local server = start()
    local caller = add(support.client(server))
    local listener = add(listen(server, "l", { toolsListChanged = true }))
    local stream = add((open_stream(server, caller)))
    caller:send(support.call(5, "sleep", { seconds = 0.3 }))
    server:wait_said "began"
    local began = system.now()
    server.process:kill "TERM"
    local last = listener:event()
    assert.same({ "l", "complete", "l" },
      { last.id, last.result.resultType, last.result._meta[TAG] })
    assert.is_nil(listener:event())
    assert.is_nil(stream:event())
    -- The call under way has its time; nobody waits for the listeners.
    assert.equal("slept", caller:answer().json.result.content[1].text)
    assert.same({ "exit", 0 }, { server:wait_end() })
    assert.is_true(system.now() - began < 3)
  end)

  it("that end leave a connection that works, what was sent meanwhile included", function()
    local server = start()
    local caller = add(support.client(server))
    local stream, sid = open_stream(server, caller)
    add(stream)
    stream:send(support.call(1, "echo", { text = "meanwhile" }))
    caller:call(2, "change", { kind = "tools" })
    assert.equal(TOOLS, stream:event().method)
    assert.equal(200, caller:ask(support.request("DELETE", { ["Mcp-Session-Id"] = sid })).status)
    assert.is_nil(stream:event())
    assert.equal("meanwhile", stream:answer().json.result.content[1].text)
    assert.equal("later", stream:call(3, "echo", { text = "later" }))
    -- And it can become a stream again.
    local again = caller:initialize()
    stream:send(support.request("GET", { Accept = "text/event-stream",
      ["Mcp-Session-Id"] = again }))
    assert.equal(200, stream:head().status)
    caller:call(4, "change", { kind = "prompts" })
    assert.equal(PROMPTS, stream:event().method)
  end)

  it("of a session are one; when it is gone there can be another, that tells what was missed",
    function()
      local server = start()
      local caller = add(support.client(server))
      local stream, sid = open_stream(server, caller)
      local fields = { Accept = "text/event-stream", ["Mcp-Session-Id"] = sid }
      local second = add(support.client(server))
      assert.equal(409, second:ask(support.request("GET", fields)).status)
      local count = server:fd_count()
      stream:close()
      server:wait_fd_count(count - 1)
      caller:call(1, "change", { kind = "tools" })
      caller:call(2, "change", { kind = "tools" })
      second:send(support.request("GET", fields))
      assert.equal(200, second:head().status)
      assert.equal(TOOLS, second:event().method)
      caller:call(3, "change", { kind = "prompts" })
      assert.equal(PROMPTS, second:event().method)
    end)

  it("have comments while there is silence, and no pings (HM-65, T-92)", function()
    local server = start "limits = { heartbeat = 1 }"
    local listener = add(listen(server, 1, { toolsListChanged = true }))
    assert.equal("comment", (listener:event()))
  end)

  it("are refused where their limit is reached; others are served", function()
    local server = start "app = { subscriptions = { max = 5 } }"
    for i = 1, 5 do add(listen(server, i, {})) end
    local sixth = add(support.client(server))
    local answer = sixth:ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
      ["Mcp-Method"] = "subscriptions/listen" },
      support.modern_body(6, "subscriptions/listen", { notifications = {} })))
    assert.equal(-32603, answer.json.error.code)
    assert.equal("yes", sixth:call(7, "echo", { text = "yes" }))
    local count = server:fd_count()
    open[1]:close()
    server:wait_fd_count(count - 1)
    add(listen(server, 8, {}))
  end)
end)
