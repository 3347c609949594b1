-- SPDX-License-Identifier: MIT
-- HTTP+SSE against a server that says what it is told to. Rules HS-nn are of 2024-11-05.
local core = require "mcp.core"
local helper = require "spec.helper"
local raw_server = require "spec.raw_server"
local sse = require "mcp.client.transport.sse"

local function result(id, text)
  return { jsonrpc = "2.0", id = id, result = { text = text or "ok" } }
end

-- A server with one stream: `events` gets the connection of each GET, `post` each message.
local function start(events, post)
  local self
  self = raw_server.start(function(request, c)
    if request.method == "GET" then
      self.streams = (self.streams or 0) + 1
      self.stream = c
      return events(c, self, request)
    end
    c:answer(202, {}, "Accepted")
    if post then post(request.message, self, request) end
  end)
  return self
end

-- The usual one: says where to POST, and stays open.
local function usual(c)
  c:stream()
  c:event "event: endpoint\ndata: /messages?session_id=1"
  c:wait_end()
end

local function echo(message, self)
  if message.method and message.id then self.stream:event(result(message.id, message.method)) end
end

local function open(server, options)
  local transport = sse.new(server.url, options)
  local told = { notices = {}, forgotten = 0 }
  local ok, text, code = transport:open {
    notice = function(method, params) table.insert(told.notices, { method, params }) end,
    serve = function(method, params) return told.serve(method, params) end,
    forgotten = function() told.forgotten = told.forgotten + 1 end,
  }
  if not ok then
    transport:close()
    return nil, text, code
  end
  return transport, told
end

describe("HTTP+SSE, from the client's side", function()
  after_each(helper.leftovers)

  it("opens a stream, and POSTs where its first event says (HS-02 to HS-04)", function()
    local server <close> = start(usual, echo)
    local t, told = open(server, { headers = { Authorization = "Bearer x" } })
    local close <close> = t -- luacheck: ignore
    assert.equal("initialize", assert(t:request(1, "initialize", {}, {})).result.text)
    t:settle("legacy", "2025-06-18")
    assert(t:notify("notifications/initialized"))
    assert.equal("tools/list", assert(t:request(2, "tools/list")).result.text)
    local get, post = server.requests[1], server.requests[2]
    assert.equal("text/event-stream", get.fields.accept)
    assert.equal("/mcp", get.target)
    for i = 2, 4 do
      assert.equal("POST", server.requests[i].method)
      assert.equal("/messages?session_id=1", server.requests[i].target)
      assert.equal("Bearer x", server.requests[i].fields.authorization)
      assert.equal("application/json", server.requests[i].fields["content-type"])
    end
    assert.is_nil(post.fields["mcp-protocol-version"])
    assert.equal("2025-06-18", server.requests[4].fields["mcp-protocol-version"])
    assert.equal(0, told.forgotten)
    assert.equal("sse", t.name)
    assert.is_false(t.duplex)
    assert.equal("legacy", t.only_era)
  end)

  it("takes relative and absolute places of the same origin, and no other (HS-05)", function()
    for place, target in pairs { ["messages"] = "/messages", ["?s=1"] = "/mcp?s=1",
      ["/a/../b"] = "/b" } do
      local server <close> = start(function(c)
        c:stream()
        c:event("event: endpoint\ndata: " .. place)
        c:wait_end()
      end, echo)
      local t <close> = assert(open(server))
      assert(t:request(1, "x"))
      assert.equal(target, server.requests[2].target)
    end
    for _, place in ipairs { "http://127.0.0.1:1/m", "https://127.0.0.1/m", "//evil/m",
      "http://me@127.0.0.1/m", "file:///etc/passwd", "http://[" } do
      local server <close> = start(function(c)
        c:stream()
        c:event("event: endpoint\ndata: " .. place)
        c:wait_end()
      end)
      local none, text, code = open(server)
      assert.is_nil(none)
      assert.matches("the endpoint event", text, 1, true)
      assert.equal("ESSE", code)
      assert.equal(1, #server.requests)
    end
    local server <close> = start(function(c, self)
      c:stream()
      c:event(("event: endpoint\ndata: http://127.0.0.1:%d/abs?x"):format(self.port))
      c:wait_end()
    end, echo)
    local t <close> = assert(open(server))
    assert(t:request(1, "x"))
    assert.equal("/abs?x", server.requests[2].target)
  end)

  it("says what is wrong with what is no such stream", function()
    local cases = {
      { function(c) c:answer(405) end, "status 405", "EHTTP405" },
      { function(c) c:answer(401) end, "requires authorization", "EHTTP401" },
      { function(c) c:json(200, {}) end, "expected an event stream", "EHTTP" },
      { function(c) c:stream() c:close() end, "ended before its endpoint event", "EGONE" },
      { function(c) c:stream() c:event(result(1)) c:wait_end() end,
        "does not begin with an endpoint event", "ESSE" },
      { function(c) c:stream() c:send(("x"):rep(70000)) c:wait_end() end, "limit", "ETOOBIG" },
    }
    for i, case in ipairs(cases) do
      local server <close> = start(case[1])
      local t, text, code = open(server, { limits = { message = 65536 } })
      assert.is_nil(t, i)
      assert.matches(case[2], text, 1, true)
      assert.equal(case[3], code)
    end
  end)

  it("does not wait for ever for its first event", function()
    local server <close> = start(function(c)
      c:stream()
      c:send ": nothing\n\n"
      c:wait_end()
    end)
    local began = core.now()
    local t, _, code = open(server, { timeout = 0.05 })
    assert.is_nil(t)
    assert.equal("ETIMEDOUT", code)
    assert.is_true(core.now() - began < 2)
  end)

  it("finds for each answer who waits for it, whatever the order", function()
    local kept = {}
    local server <close> = start(usual, function(message, self)
      kept[#kept + 1] = message.id
      if #kept == 3 then
        for i = 3, 1, -1 do self.stream:event(result(kept[i], "for " .. kept[i])) end
        self.stream:event(result(99))
      end
    end)
    local t <close> = assert(open(server))
    local all, texts = core.waiter(), {}
    for i = 1, 3 do
      all:spawn(function() texts[i] = assert(t:request(i, "x")).result.text end)
    end
    all:wait(helper.LIMIT)
    assert.same({ "for 1", "for 2", "for 3" }, texts)
  end)

  it("brings notices and requests, which are answered by POST", function()
    local server <close> = start(usual, function(message, self)
      if message.method == "x" then
        self.stream:event { jsonrpc = "2.0", method = "notifications/a", params = { n = 1 } }
        self.stream:send "data: {\n\n" -- no JSON
        self.stream:event { jsonrpc = "2.0", id = "q", method = "ping" }
      elseif message.id == "q" then
        self.stream:event(result(1, core.encode(message, true)))
      end
    end)
    local t, told = open(server)
    local close <close> = t -- luacheck: ignore
    told.serve = function(method) return { method = method } end
    local log = helper.logged(function()
      assert.equal('{"id":"q","jsonrpc":"2.0","result":{"method":"ping"}}',
        assert(t:request(1, "x")).result.text)
    end)
    assert.same({ { "notifications/a", { n = 1 } } }, helper.plain(told.notices))
    assert.matches("an event that is not JSON", log, 1, true)
  end)

  it("tells what a refused POST was refused with", function()
    local server <close> = raw_server.start(function(request, c)
      if request.method == "GET" then return usual(c) end
      c:answer(404)
    end)
    local t <close> = assert(open(server))
    local reply, text, code = t:request(1, "x")
    assert.is_nil(reply)
    assert.matches("status 404", text, 1, true)
    assert.equal("EHTTP404", code)
    assert.equal("EHTTP404", (select(3, t:notify "x")))
  end)

  it("ends the session with its stream; initialize begins another (HS-08)", function()
    local server <close> = start(function(c, self)
      c:stream()
      c:event(("event: endpoint\ndata: /m?s=%d"):format(self.streams))
      c:wait_end()
    end, function(message, self)
      if message.method == "die" then
        self.stream:close()
      else
        echo(message, self)
      end
    end)
    local t, told = open(server)
    local close <close> = t -- luacheck: ignore
    local reply, text, code = t:request(1, "die")
    assert.is_nil(reply)
    assert.matches("the stream ended", text, 1, true)
    assert.equal("EGONE", code)
    assert.equal(1, told.forgotten)
    assert.equal("ESESSION", (select(3, t:request(2, "x"))))
    assert.equal("ESESSION", (select(3, t:notify "x")))
    assert.equal("initialize", assert(t:request(3, "initialize")).result.text)
    assert.equal("x", assert(t:request(4, "x")).result.text)
    assert.equal(2, server.streams)
    assert.equal("/m?s=2", server.requests[#server.requests].target)
  end)

  it("can be cancelled, and is told so; so does the end of its time", function()
    local server <close> = start(usual)
    local t <close> = assert(open(server))
    local call, answer = {}, nil
    core.spawn(function() answer = table.pack(t:request(5, "x", nil, call)) end)
    helper.wait_until(function() return server.requests[2] end)
    t:cancel(call, "enough")
    -- Once is enough.
    t:cancel(call, "twice")
    helper.wait_until(function() return answer and server.requests[3] end)
    assert.same({ "enough", "ECANCELED" }, { answer[2], answer[3] })
    assert.same({ requestId = 5, reason = "enough" },
      helper.plain(server.requests[3].message.params))
    t:cancel(call)
    local deadline = core.now() + 0.02
    local _, text, code = t:request(6, "x", nil,
      { left = function() return deadline - core.now() end })
    assert.same({ "no answer in time", "ETIMEDOUT" }, { text, code })
    helper.wait_until(function() return server.requests[5] end)
    assert.equal(6, server.requests[5].message.params.requestId)
    -- initialize cannot be given up (4.2).
    call = {}
    core.spawn(function() t:request(7, "initialize", nil, call) end)
    helper.wait_until(function() return server.requests[6] end)
    t:cancel(call)
    helper.settle()
    assert.equal(6, #server.requests)
  end)

  it("closes the stream, and ends who waits", function()
    local server <close> = start(usual)
    local t, told = open(server)
    local code
    core.spawn(function() code = select(3, t:request(1, "x")) end)
    helper.wait_until(function() return server.requests[2] end)
    t:close()
    t:close()
    helper.wait_until(function() return code and server.stream.ended end)
    assert.equal("ECLOSED", code)
    assert.equal(0, told.forgotten)
    assert.equal("ECLOSED", (select(3, t:request(2, "x"))))
    assert.equal("ECLOSED", (select(3, t:notify "x")))
  end)

  it("has options that are checked", function()
    local function refusal(options, address)
      local ok, why = pcall(sse.new, address or "http://127.0.0.1:1/sse", options)
      assert.is_false(ok)
      return why
    end
    assert.matches('unknown option "stream"', refusal { stream = true }, 1, true)
    assert.matches("Accept is set by", refusal { headers = { Accept = "x" } }, 1, true)
    assert.matches('unknown option "resumes"', refusal { limits = { resumes = 1 } }, 1, true)
    assert.matches("an http, https or unix address", refusal({}, "ws://127.0.0.1/"), 1, true)
    assert.equal("mcp.sse_client (http://127.0.0.1:1/sse)",
      tostring(sse.new "http://127.0.0.1:1/sse"))
  end)
end)
