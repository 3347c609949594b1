-- SPDX-License-Identifier: MIT
-- Streams of sessions that are resumed (HL-22 to HL-24, HL-40 to HL-43), over real sockets: the
-- connection is cut at every place, and nothing is lost, doubled or mixed up.
local support = require "spec.support"

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local about = options.app or {}
options.app, about.name = nil, "spec"
local app = mcp.server(about)
local function note(...) io.stderr:write(string.format(...), "\n") end

app:tool "notices" { input = { count = "integer", name = "string", delay = "number?" } } (
  function(a, ctx)
    for i = 1, a.count do
      ctx:progress(i, a.count, a.name .. i)
      if a.delay then ctx:sleep(a.delay) end
    end
    note("done %s", a.name)
    return a.name .. " done"
  end)

app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)

app:tool "poll" { input = { before = "integer", after = "integer", delay = "number" } } (
  function(a, ctx)
    for i = 1, a.before do ctx:progress(i, nil, "before" .. i) end
    local closed = ctx:close_stream(0.25)
    note("closed %s", closed)
    ctx:sleep(a.delay)
    for i = 1, a.after do ctx:progress(a.before + i, nil, "after" .. i) end
    return closed and "polled" or "streamed"
  end)

app:tool "ask" {} (function(_, ctx)
  local content = ctx:elicit("Your name?", { name = "string" })
  return "Hello, " .. content.name
end)

app:tool "wait" {} (function(_, ctx)
  local g <close> = setmetatable({}, { __close = function() note "wait ended" end })
  ctx:progress(1)
  ctx:sleep(60)
  return "never"
end)

app:tool "flood" { input = { count = "integer" } } (function(a, ctx)
  for i = 1, a.count do
    local ok, _, code = ctx:progress(i, nil, ("x"):rep(1000))
    if not ok then note("flood %s", code) break end
  end
  note "flood done"
  return "flooded"
end)

app:tool "change" {} (function()
  app:changed "tools"
  return "changed"
end)

app:run(options)
]==]

local client_of = support.client

describe("resuming over HTTP", function()
  local server
  before_each(function() server = support.http("", { script = SCRIPT }) end)
  after_each(support.stop_all)

  local function call(sid, id, tool, arguments, version)
    return support.legacy(sid, support.legacy_body(id, "tools/call",
      { name = tool, arguments = arguments or {}, _meta = { progressToken = id } }),
      { ["MCP-Protocol-Version"] = version })
  end

  local function get(sid, last, version)
    return support.request("GET", { ["Mcp-Session-Id"] = sid, ["Last-Event-ID"] = last,
      ["MCP-Protocol-Version"] = version or "2025-11-25" })
  end

  -- What a client makes of a message: a word.
  local function word(message)
    if message.method == "notifications/progress" then return message.params.message end
    if message.method then return message.method end
    if message.error then return message.error.message end
    return ("%s:%s"):format(message.id, message.result.content[1].text)
  end

  -- All that comes until the end of the stream.
  local function read_all(client, into)
    local words = into or {}
    for message in function() return (client:event()) end do
      if message ~= "comment" then words[#words + 1] = word(message) end
    end
    return words
  end

  local function session_of(version)
    local client <close> = client_of(server)
    return client:initialize(version)
  end

  -- A client that has resumed; the head is read.
  local function resumed(sid, last, version)
    local client = client_of(server)
    client:send(get(sid, last, version))
    local head = client:head()
    assert.equal(200, head.status)
    assert.equal("text/event-stream", head.fields["content-type"])
    client.last_id = last
    return client
  end

  local FIVE = { "n1", "n2", "n3", "n4", "n5", "1:n done" }

  describe("a call with five notices", function()
    for cut = 0, 5 do
      for _, delay in ipairs { 0.01, false } do
        local how = delay and "while it runs" or "when it is over"
        it(("cut after event %d, %s: each once, in order (HL-42)"):format(cut, how), function()
          local sid = session_of()
          local words = {}
          local last
          do
            local client <close> = client_of(server)
            client:send(call(sid, 1, "notices", { count = 5, name = "n", delay = delay or nil }))
            assert.equal("text/event-stream", client:head().fields["content-type"])
            if cut == 0 then
              last = client:chunk():match "^id: (%S+)\ndata: \n\n$" -- the priming event (HL-23)
            else
              for i = 1, cut do words[i] = word(client:event()) end
              last = client.last_id
            end
            if not delay then server:wait_said "done n" end
          end
          assert.matches("^%w+%.%d+_%d+$", last)
          local client <close> = resumed(sid, last)
          assert.same(FIVE, read_all(client, words))
        end)
      end
    end

    it("cut after every event, again and again", function()
      local sid = session_of()
      local words, ids = {}, {}
      local last
      do
        local client <close> = client_of(server)
        client:send(call(sid, 1, "notices", { count = 5, name = "n", delay = 0.005 }))
        client:head()
        words[1] = word(client:event())
        last = client.last_id
      end
      while #words < 6 do
        local client <close> = resumed(sid, last)
        words[#words + 1] = word(client:event())
        last = assert(client.last_id)
        assert.is_nil(ids[last], "an id comes once")
        ids[last] = true
      end
      assert.same(FIVE, words)
      -- There is nothing more, and the stream says so.
      local client <close> = resumed(sid, last)
      assert.same({}, read_all(client))
    end)

    it("can be resumed from any event of it, more than once", function()
      local sid = session_of()
      local ids = {}
      local first <close> = client_of(server)
      first:send(call(sid, 1, "notices", { count = 5, name = "n" }))
      first:head()
      for i = 1, 6 do
        first:event()
        ids[i] = first.last_id
      end
      for from = 6, 1, -1 do
        local client <close> = resumed(sid, ids[from])
        assert.same({ table.unpack(FIVE, from + 1) }, read_all(client))
      end
    end)
  end)

  it("two calls of a session never mix (HL-42)", function()
    local sid = session_of()
    local names, last, words = { "a", "b", "c" }, {}, {}
    for i, name in ipairs(names) do
      local client <close> = client_of(server)
      client:send(call(sid, i, "notices", { count = 20, name = name, delay = 0.005 }))
      client:head()
      words[i] = { word(client:event()) }
      last[i] = client.last_id
    end
    local clients = {}
    for i in ipairs(names) do clients[i] = resumed(sid, last[i]) end
    for i, name in ipairs(names) do
      local expected = {}
      for k = 1, 20 do expected[k] = name .. k end
      expected[21] = i .. ":" .. name .. " done"
      assert.same(expected, read_all(clients[i], words[i]))
      clients[i]:close()
      for k = 1, i - 1 do assert.is_not_equal(last[i]:match "^(.*)_", last[k]:match "^(.*)_") end
    end
  end)

  it("refuses what is not an event of this session (HL-43, SEC-41, SEC-46)", function()
    local mine, other = session_of(), session_of()
    local client <close> = client_of(server)
    client:send(call(mine, 1, "notices", { count = 2, name = "secret" }))
    client:head()
    client:event()
    local last = client.last_id
    read_all(client)
    -- The other session has streams of the same numbers, too.
    client:send(call(other, 1, "notices", { count = 2, name = "public" }))
    client:head()
    read_all(client)
    for _, id in ipairs { last, last:gsub("_%d+$", "_99"), "1", "nonsense", ("x"):rep(2000) } do
      local answer = client:ask(get(other, id))
      assert.equal(400, answer.status)
      assert.equal(-32600, answer.json.error.code)
      assert.matches("names no event", answer.json.error.message)
    end
    local twice = client:ask((get(mine, last):gsub("\r\n\r\n$", "\r\nLast-Event-ID: x%0")))
    assert.equal(400, twice.status)
    assert.matches("sent twice", twice.json.error.message)
    assert.equal(404, client:ask(get("none", last)).status)
    assert.equal(400, client:ask(get(nil, last)).status)
    -- Each has its own all the while.
    local good <close> = resumed(mine, last)
    assert.same({ "secret2", "1:secret done" }, read_all(good))
  end)

  it("whoever comes last has the stream", function()
    local sid = session_of()
    local first <close> = client_of(server)
    first:send(call(sid, 1, "notices", { count = 60, name = "n", delay = 0.005 }))
    first:head()
    local words = { word(first:event()) }
    local second <close> = resumed(sid, first.last_id)
    while #words < 20 do words[#words + 1] = word(second:event()) end
    local third <close> = resumed(sid, second.last_id)
    read_all(third, words)
    assert.equal(61, #words)
    for i = 1, 60 do assert.equal("n" .. i, words[i]) end
    -- The others have their end, and their connections serve.
    read_all(first)
    read_all(second)
    for i, client in ipairs { first, second } do
      assert.equal(200, client:ask(call(sid, 10 + i, "echo", { text = "on" })).status)
    end
  end)

  it("an id that is too old is refused: 256 events are kept of a session", function()
    local sid = session_of()
    local last
    do
      local client <close> = client_of(server)
      client:send(call(sid, 1, "notices", { count = 400, name = "n" }))
      client:head()
      client:event()
      last = client.last_id
    end
    server:wait_said "done n"
    local client <close> = client_of(server)
    local answer = client:ask(get(sid, last))
    assert.equal(400, answer.status)
    assert.matches("is kept for this session", answer.json.error.message)
    -- 400 notices, the priming event and the answer: the last 256 are there.
    local stream = last:match "^(.*)_"
    local good <close> = resumed(sid, ("%s_%d"):format(stream, 402 - 255))
    local words = read_all(good)
    assert.equal(255, #words)
    assert.equal("1:n done", words[255])
    assert.equal(400, client:ask(get(sid, ("%s_%d"):format(stream, 402 - 256))).status)
  end)

  it("a client that never reads costs a bounded store", function()
    local sid = session_of()
    local last
    do
      local client <close> = client_of(server, 4096)
      client:send(call(sid, 1, "flood", { count = 20000 }))
      client:head()
      client:event()
      last = client.last_id
    end
    local before = server:rss()
    server:wait_said "flood done"
    assert.is_true(server:rss() - before < support.ROOM)
    local client <close> = client_of(server)
    assert.equal(400, client:ask(get(sid, last)).status)
    assert.is_nil(server:told():find "flood E")
  end)

  it("replays to a slow reader while more is coming", function()
    local sid = session_of()
    local last
    do
      local client <close> = client_of(server)
      client:send(call(sid, 1, "notices", { count = 150, name = ("n"):rep(3000), delay = 0.002 }))
      client:head()
      client:event()
      last = client.last_id
    end
    local client <close> = client_of(server, 4096)
    client:send(get(sid, last))
    assert.equal(200, client:head().status)
    local words = { ("n"):rep(3000) .. 1 }
    read_all(client, words)
    assert.equal(151, #words)
    for i = 1, 150 do assert.is_true(words[i] == ("n"):rep(3000) .. i, "notice " .. i) end
  end)

  describe("polling: ctx:close_stream (HL-22, HL-24)", function()
    it("ends the response; the connection serves on, and the answer is fetched", function()
      local sid = session_of()
      local client <close> = client_of(server)
      client:send(call(sid, 1, "poll", { before = 0, after = 0, delay = 0.05 }))
      client:head()
      local id = client:chunk():match "^id: (%S+)\nretry: 250\ndata: \n\n$"
      assert.is_string(id)
      assert.equal("", client:chunk())
      -- The same connection, at once.
      client:send(get(sid, id))
      assert.equal(200, client:head().status)
      assert.same({ "1:polled" }, read_all(client))
      assert.is_nil((client.retry))
      assert.equal("on", client:ask(call(sid, 2, "echo", { text = "on" })).json.result.content[1]
        .text)
    end)

    it("in the middle of a stream, and when the answer is there already", function()
      local sid = session_of()
      local client <close> = client_of(server)
      client:send(call(sid, 1, "poll", { before = 2, after = 2, delay = 0 }))
      client:head()
      assert.same({ "before1", "before2" }, read_all(client))
      assert.equal("250", client.retry)
      server:wait_said "closed true"
      client:ask(call(sid, 2, "echo", { text = "x" }))
      local poll <close> = resumed(sid, client.last_id)
      assert.same({ "after1", "after2", "1:polled" }, read_all(poll))
    end)

    it("does nothing where the revision does not know it (HL-21), nor in the stateless era",
      function()
        for _, version in ipairs { "2025-03-26", "2025-06-18" } do
          local sid = session_of(version)
          local client <close> = client_of(server)
          client:send(call(sid, 1, "poll", { before = 1, after = 1, delay = 0.01 }, version))
          client:head()
          assert.same({ "before1", "after1", "1:streamed" }, read_all(client))
          assert.is_nil(client.retry)
        end
        local client <close> = client_of(server)
        client:send(support.call(1, "poll", { before = 1, after = 1, delay = 0.01 }))
        client:head()
        assert.same({ "before1", "after1", "1:streamed" }, read_all(client))
        assert.is_nil(client.last_id)
      end)
  end)

  describe("ids", function()
    it("stand on every event for the revisions that know them, and priming for one (T-31, HL-40)",
      function()
        local primed = { ["2025-03-26"] = false, ["2025-06-18"] = false, ["2025-11-25"] = true }
        for version, is_primed in pairs(primed) do
          local sid = session_of(version)
          local client <close> = client_of(server)
          client:send(call(sid, 1, "notices", { count = 2, name = "n" }, version))
          client:head()
          local text = {}
          for piece in function() return client:chunk() end do
            if piece == "" then break end
            text[#text + 1] = piece
          end
          text = table.concat(text)
          local _, events = text:gsub("\n\n", "")
          local _, ids = text:gsub("id: %S+\n", "")
          local _, empty = text:gsub("data: \n", "")
          assert.same({ is_primed and 4 or 3, is_primed and 1 or 0 }, { events, empty }, version)
          assert.equal(events, ids)
          -- And they do what they are for.
          local again <close> = resumed(sid, text:match "id: (%S+)\ndata: {", version)
          assert.same({ "n2", "1:n done" }, read_all(again))
        end
      end)

    it("are not there in the oldest revision, nor in the stateless era (HM-67)", function()
      local sid = session_of "2024-11-05"
      local client <close> = client_of(server)
      client:send(call(sid, 1, "notices", { count = 1, name = "n" }, "2024-11-05"))
      client:head()
      assert.same({ "n1", "1:n done" }, read_all(client))
      client:send(support.call(2, "notices", { count = 1, name = "n" }))
      client:head()
      assert.same({ "n1", "2:n done" }, read_all(client))
      assert.is_nil(client.last_id)
    end)

    it("do not make a stream of a plain answer", function()
      local client <close> = client_of(server)
      local sid = client:initialize()
      local answer = client:ask(call(sid, 1, "echo", { text = "plain" }))
      assert.equal("plain", answer.json.result.content[1].text)
    end)
  end)

  it("keeps a question that the client has not seen, and takes its answer", function()
    local client <close> = client_of(server)
    local answer = client:ask(support.request("POST", nil, support.legacy_body(0, "initialize",
      { protocolVersion = "2025-11-25", capabilities = { elicitation = {} },
        clientInfo = { name = "spec", version = "1" } })))
    local sid = answer.fields["mcp-session-id"]
    client:ask(support.legacy(sid, '{"jsonrpc":"2.0","method":"notifications/initialized"}'))
    local last
    do
      local asked <close> = client_of(server)
      asked:send(call(sid, 1, "ask"))
      asked:head()
      last = asked:chunk():match "^id: (%S+)"
    end
    local again <close> = resumed(sid, last)
    local question = again:event()
    assert.equal("elicitation/create", question.method)
    assert.equal(202, client:ask(support.legacy(sid, ('{"jsonrpc":"2.0","id":%d,"result":'
      .. '{"action":"accept","content":{"name":"Ada"}}}'):format(question.id))).status)
    assert.same({ "1:Hello, Ada" }, read_all(again))
  end)

  it("ends with the call when the client cancels it (T-29)", function()
    local sid = session_of()
    local last
    do
      local client <close> = client_of(server)
      client:send(call(sid, 1, "wait"))
      client:head()
      last = client:chunk():match "^id: (%S+)"
    end
    local again <close> = resumed(sid, last)
    assert.equal("notifications/progress", again:event().method)
    local other <close> = client_of(server)
    assert.equal(202, other:ask(support.legacy(sid, '{"jsonrpc":"2.0",'
      .. '"method":"notifications/cancelled","params":{"requestId":1}}')).status)
    assert.same({}, read_all(again))
    server:wait_said "wait ended"
  end)

  it("ends with the session, and nothing of it can be resumed", function()
    local sid = session_of()
    local last
    do
      local client <close> = client_of(server)
      client:send(call(sid, 1, "wait"))
      client:head()
      last = client:chunk():match "^id: (%S+)"
    end
    local again <close> = resumed(sid, last)
    again:event()
    local other <close> = client_of(server)
    assert.equal(200, other:ask(support.request("DELETE", { ["Mcp-Session-Id"] = sid })).status)
    assert.same({}, read_all(again))
    server:wait_said "wait ended"
    assert.equal(404, other:ask(get(sid, last)).status)
  end)

  it("tells who polls that the time was over", function()
    support.stop_all()
    server = support.http("app = { timeout = 0.2 }", { script = SCRIPT })
    local sid = session_of()
    local client <close> = client_of(server)
    client:send(call(sid, 1, "poll", { before = 0, after = 0, delay = 4 }))
    client:head()
    local id = client:chunk():match "^id: (%S+)"
    local again <close> = resumed(sid, id)
    local answer = again:event()
    assert.equal(-32001, answer.error.code)
    assert.equal(1, answer.id)
    assert.is_nil(again:event())
  end)

  it("does not hold up the end of the server", function()
    local sid = session_of()
    local client <close> = client_of(server)
    client:send(call(sid, 1, "wait"))
    client:head()
    local last = client:chunk():match "^id: (%S+)"
    client:close()
    local again <close> = resumed(sid, last)
    again:event()
    server.process:kill()
    assert.same({}, read_all(again))
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)

  describe("the standalone stream", function()
    local CHANGED = "notifications/tools/list_changed"

    it("has ids; what came while it was lost is told, answers are not (HL-32, HL-38)", function()
      local sid = session_of()
      local other <close> = client_of(server)
      local function change(id) other:ask(call(sid, id, "change")) end
      local last
      do
        local stream <close> = client_of(server)
        stream:send(get(sid))
        assert.equal(200, stream:head().status)
        change(1)
        assert.equal(CHANGED, stream:event().method)
        last = stream.last_id
        change(2)
        assert.equal(CHANGED, stream:event().method)
      end
      change(3)
      do
        -- The second was not seen by this one, nor was the third.
        local stream <close> = resumed(sid, last)
        assert.equal(CHANGED, stream:event().method)
        assert.matches("_2$", stream.last_id)
        assert.equal(CHANGED, stream:event().method)
        change(4)
        assert.equal(CHANGED, stream:event().method)
        -- Another one without an id has to wait (HL-36); one with an id takes over.
        assert.equal(409, other:ask(get(sid)).status)
        local taking <close> = resumed(sid, stream.last_id)
        assert.same({}, read_all(stream))
        change(5)
        assert.equal(CHANGED, taking:event().method)
      end
      -- Answers of calls are not on it (HL-32).
      other:send(call(sid, 6, "notices", { count = 1, name = "n" }))
      other:head()
      local call_id
      other:event()
      call_id = other.last_id
      read_all(other)
      assert.is_not_equal(last:match "^(.*)_", call_id:match "^(.*)_")
    end)
  end)

  it("answers of a batch are resumed, too (2025-03-26)", function()
    local version = "2025-03-26"
    local sid = session_of(version)
    local function one(id)
      return support.legacy_body(id, "tools/call", { name = "notices",
        arguments = { count = 2, name = "n", delay = 0.01 }, _meta = { progressToken = id } })
    end
    local last
    do
      local client <close> = client_of(server)
      client:send(support.legacy(sid, ("[%s,%s]"):format(one(1), one(2)),
        { ["MCP-Protocol-Version"] = version }))
      client:head()
      assert.equal("n1", word(client:event()))
      last = client.last_id
    end
    local again <close> = resumed(sid, last, version)
    for _, expected in ipairs { "n2", "n1", "n2" } do
      assert.equal(expected, word(again:event()))
    end
    local answers = again:event()
    assert.same({ "1:n done", "2:n done" }, { word(answers[1]), word(answers[2]) })
    assert.is_nil(again:event())
  end)
end)

describe("the store of events", function()
  after_each(support.stop_all)

  it("can be switched off: no ids, and Last-Event-ID says nothing", function()
    local server = support.http("app = { event_store = false }", { script = SCRIPT })
    local client <close> = client_of(server)
    local sid = client:initialize()
    client:send(support.legacy(sid, support.legacy_body(1, "tools/call", { name = "poll",
      arguments = { before = 1, after = 1, delay = 0 }, _meta = { progressToken = 1 } })))
    local answer = client:answer()
    assert.equal(3, #answer.events)
    assert.equal("streamed", answer.events[3].result.content[1].text)
    assert.is_nil(client.last_id)
    client:send(support.request("GET", { ["Mcp-Session-Id"] = sid, ["Last-Event-ID"] = "x" }))
    assert.equal(200, client:head().status)
  end)

  it("can be another, whose errors do not touch a call", function()
    local server = support.http([[app = { event_store = {
      append = function(_, session, stream, id, text)
        io.stderr:write(("append %s %s %d\n"):format(stream, id, #text))
        if id:find "_3$" then error "the disk is full" end
      end,
      replay = function(_, session, id, fn)
        fn("x_1", '{"jsonrpc":"2.0","method":"from/store"}')
        return id == "known"
      end,
      drop = function() io.stderr:write "dropped\n" end,
    } }]], { script = SCRIPT })
    local client <close> = client_of(server)
    local sid = client:initialize()
    client:send(support.legacy(sid, support.legacy_body(1, "tools/call", { name = "notices",
      arguments = { count = 2, name = "n" }, _meta = { progressToken = 1 } })))
    assert.equal(3, #client:answer().events)
    server:wait_said "event store: append: [^\n]*the disk is full"
    client:send(support.request("GET", { ["Mcp-Session-Id"] = sid, ["Last-Event-ID"] = "known" }))
    assert.same({ "from/store" }, { client:answer().events[1].method })
    client:ask(support.request("DELETE", { ["Mcp-Session-Id"] = sid }))
    server:wait_said "dropped"
  end)
end)
