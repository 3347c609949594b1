-- SPDX-License-Identifier: MIT
-- Which traces are read, and how they go from a request to the requests of its handler.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"
local trace = require "mcp.trace"

local ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
local PARENT = "00-" .. ID .. "-" .. SPAN .. "-01"

describe("a traceparent", function()
  it("is read if it is valid", function()
    assert.same({ ID, SPAN, true }, { trace.parse(PARENT) })
    assert.same({ ID, SPAN, false }, { trace.parse("00-" .. ID .. "-" .. SPAN .. "-00") })
    -- Other flags are not known, and are not passed on.
    assert.same({ ID, SPAN, true }, { trace.parse("00-" .. ID .. "-" .. SPAN .. "-ff") })
    assert.same({ ID, SPAN, false }, { trace.parse("00-" .. ID .. "-" .. SPAN .. "-fe") })
  end)

  it("of a later version is read as far as it is known", function()
    local later = "cc-" .. ID .. "-" .. SPAN .. "-01"
    assert.equal(ID, (trace.parse(later)))
    assert.equal(ID, (trace.parse(later .. "-what-comes")))
    assert.is_nil(trace.parse(later .. "x"))
    assert.is_nil(trace.parse(later .. "-" .. ("a"):rep(trace.PARENT)))
  end)

  it("that is not valid is ignored", function()
    for _, text in ipairs { "", "00", PARENT .. "-x", PARENT .. " ", " " .. PARENT,
      PARENT:upper(), PARENT:gsub("^00", "ff"), PARENT:gsub("^00", "0"),
      "00-" .. ("0"):rep(32) .. "-" .. SPAN .. "-01", "00-" .. ID .. "-" .. ("0"):rep(16) .. "-01",
      "00-" .. ID:sub(2) .. "-" .. SPAN .. "-01", "00-" .. ID .. "-" .. SPAN .. "-1",
      "00_" .. ID .. "_" .. SPAN .. "_01", "00-" .. ID:gsub("^0", "g") .. "-" .. SPAN .. "-01" } do
      assert.is_nil((trace.parse(text)), text)
    end
    for i = 1, #PARENT do
      assert.is_nil((trace.parse(PARENT:sub(1, i - 1))))
      assert.is_nil((trace.parse(PARENT:sub(1, i - 1) .. "é" .. PARENT:sub(i + 1))))
    end
    for _, other in ipairs { 1, true, {}, core.null } do assert.is_nil((trace.parse(other))) end
    assert.is_nil((trace.parse(nil)))
  end)
end)

describe("a tracestate", function()
  it("is passed on if it is valid", function()
    for _, text in ipairs { "a=1", "a=1,b=2", "a=1, b=2 ,\tc=3", "a=1,,b=2", "t61@sys=x", "1t@s=x",
      "a/b*c_d-e=!\"#$~" } do
      assert.equal(text, trace.state(text))
    end
    local most = {}
    for i = 1, trace.STATE_MEMBERS do most[i] = ("k%d=v"):format(i) end
    assert.is_string(trace.state(table.concat(most, ",")))
  end)

  it("that is not valid is ignored", function()
    local more = {}
    for i = 1, trace.STATE_MEMBERS + 1 do more[i] = ("k%d=v"):format(i) end
    for _, text in ipairs { "", ",", "a", "a=", "=1", "A=1", "1a=1", "a=1,a=2", "a=b=c", "a=\1",
      "a=é", "a b=1", "@s=x", "t@=x", "t@s@u=x", "t@" .. ("s"):rep(15) .. "=x",
      ("k"):rep(257) .. "=x", "a=" .. ("v"):rep(257), "a=" .. ("v"):rep(trace.STATE),
      table.concat(more, ",") } do
      assert.is_nil(trace.state(text), text)
    end
    assert.is_nil(trace.state(nil))
    assert.is_nil(trace.state(7))
  end)
end)

describe("a baggage", function()
  it("is passed on if it is valid", function()
    for _, text in ipairs { "a=1", "a=", "a=1,b=%20x", "a = 1 ; p ; q = 2 , b=3", "a.b!=x=y" } do
      assert.equal(text, trace.baggage(text))
    end
  end)

  it("that is not valid is ignored", function()
    local more = {}
    for i = 1, trace.BAGGAGE_MEMBERS + 1 do more[i] = ("k%d=v"):format(i) end
    for _, text in ipairs { "", "a", "=1", "a=1,", "a=\"1\"", "a=1;", "a=b c", "a=é", "a=\\",
      "a=1\n", "a=" .. ("v"):rep(trace.BAGGAGE), table.concat(more, ",") } do
      assert.is_nil(trace.baggage(text), text)
    end
    assert.is_nil(trace.baggage(nil))
    assert.is_nil(trace.baggage {})
  end)
end)

describe("the trace of a request", function()
  local app, seen, listening, servers

  before_each(function()
    seen, servers = {}, {}
    app = mcp.server "spec"
    app:tool "look" (function(_, ctx)
      seen[#seen + 1] = ctx.trace or "none"
      return ""
    end)
  end)
  after_each(function()
    if listening then listening:close() end
    for _, server in ipairs(servers) do server:close() end
    listening = nil
    helper.leftovers()
  end)

  for _, revision in ipairs { "2026-07-28", "2025-11-25" } do
    describe("of revision " .. revision, function()
      local function call(peer, name, meta)
        local params = { name = name, arguments = {} }
        if revision == "2026-07-28" then return peer:modern("tools/call", params, meta) end
        params._meta = meta
        return peer:request("tools/call", params)
      end

      it("is what _meta says", function()
        local peer <close> = helper.open(app, revision)
        call(peer, "look", { traceparent = PARENT, tracestate = "a=b", baggage = "u=1" })
        assert.same({ trace_id = ID, span_id = SPAN, sampled = true, traceparent = PARENT,
          tracestate = "a=b", baggage = "u=1" }, seen[1])
      end)

      it("without a valid one is absent, and the request is served", function()
        local peer <close> = helper.open(app, revision)
        for _, wrong in ipairs { "x", PARENT .. "-", 7, true, { a = PARENT } } do
          assert.is_nil(call(peer, "look", { traceparent = wrong, tracestate = "a=b" }).error)
        end
        call(peer, "look")
        call(peer, "look", { tracestate = "a=b", baggage = "u=1" })
        assert.equal(7, #seen)
        for i = 1, 7 do assert.equal("none", seen[i]) end
      end)

      it("goes on without a tracestate or a baggage that is not valid", function()
        local peer <close> = helper.open(app, revision)
        call(peer, "look", { traceparent = PARENT, tracestate = "A", baggage = { "x" } })
        assert.same({ trace_id = ID, span_id = SPAN, sampled = true, traceparent = PARENT },
          seen[1])
      end)

      it("goes with the requests of clients, through tasks of the handler", function()
        local other_app = mcp.server "other"
        local got = {}
        other_app:tool "got" (function(_, ctx)
          got[#got + 1] = ("%s %s %s"):format(ctx.meta.traceparent, ctx.meta.tracestate,
            ctx.meta.baggage)
          return ""
        end)
        app:tool "ask" (function()
          local client <close> = assert(mcp.connect(other_app))
          assert(client:call_tool "got")
          mcp.all { function() assert(client:call_tool "got") end }
          local done = core.waiter()
          mcp.spawn(function()
            assert(client:call_tool "got")
            done:wake()
          end)
          done:wait()
          coroutine.wrap(function() assert(client.call_tool) end)()
          -- What the program sets counts.
          assert(client:call_tool("got", {}, { meta = { traceparent = "mine" } }))
          return ""
        end)
        local peer <close> = helper.open(app, revision)
        assert.is_nil(call(peer, "ask", { traceparent = PARENT, tracestate = "a=b",
          baggage = "u=1" }).error)
        local whole = PARENT .. " a=b u=1"
        assert.same({ whole, whole, whole, "mine nil nil" }, got)
        got = {}
        assert.is_nil(call(peer, "ask").error)
        assert.same({ "nil nil nil", "nil nil nil", "nil nil nil", "mine nil nil" }, got)
      end)

      it("goes through a mounted server", function()
        local other_app, got = mcp.server "other", {}
        other_app:tool "got" (function(_, ctx)
          got[#got + 1] = ("%s %s"):format(ctx.meta.traceparent, ctx.meta.tracestate)
          return ""
        end)
        -- An app in the same process would get the context of the request itself.
        listening = other_app:listen { http = "127.0.0.1:0", quiet = true }
        app:mount("b", listening.urls[1])
        local peer <close> = helper.open(app, revision)
        call(peer, "b_got", { traceparent = PARENT, tracestate = "a=b" })
        call(peer, "b_got", { traceparent = "wrong" })
        assert.same({ PARENT .. " a=b", "nil nil" }, got)
        app:unmount "b"
      end)
    end)
  end

  it("is that of the header field where _meta has none", function()
    listening = app:listen { http = "127.0.0.1:0", quiet = true }
    local function call(meta, fields)
      local headers = { Accept = "application/json, text/event-stream",
        ["MCP-Protocol-Version"] = "2026-07-28", ["Mcp-Method"] = "tools/call",
        ["Mcp-Name"] = "look" }
      for name, text in pairs(fields) do headers[name] = text end
      local answer = assert(fetch.post(listening.urls[1], { headers = headers, json = {
        jsonrpc = "2.0", id = 1, method = "tools/call",
        params = { name = "look", _meta = helper.envelope(meta) } } }))
      assert.equal(200, answer.status)
    end
    local other = PARENT:gsub("^00%-0", "00-f")
    call({}, { traceparent = PARENT, tracestate = "a=b", baggage = "u=1" })
    call({ traceparent = PARENT }, { traceparent = other, tracestate = "c=d" })
    call({ traceparent = "wrong", tracestate = "x=y" }, { traceparent = other })
    call({}, { traceparent = "wrong", tracestate = "a=b" })
    assert.same({ PARENT, "a=b", "u=1" }, { seen[1].traceparent, seen[1].tracestate,
      seen[1].baggage })
    assert.same({ PARENT }, { seen[2].traceparent, seen[2].tracestate })
    assert.same({ other }, { seen[3].traceparent, seen[3].tracestate })
    assert.equal("none", seen[4])
  end)

  it("is that of each request on a connection, however often the same comes", function()
    listening = app:listen { http = "127.0.0.1:0", quiet = true }
    local pool <close> = core.http_pool {}
    local function call(fields, meta, id)
      local headers = { Accept = "application/json, text/event-stream",
        ["MCP-Protocol-Version"] = "2026-07-28", ["Mcp-Method"] = "tools/call",
        ["Mcp-Name"] = "look" }
      for name, text in pairs(fields) do headers[name] = text end
      local answer = assert(fetch.post(listening.urls[1], { headers = headers, pool = pool, json = {
        jsonrpc = "2.0", id = id or 1, method = "tools/call",
        params = { name = "look", _meta = helper.envelope(meta) } } }))
      assert.equal(200, answer.status)
    end
    local field, meta = { traceparent = PARENT }, { traceparent = PARENT }
    for _ = 1, 5 do call(field, {}) end
    for _ = 1, 5 do call({}, {}) end
    for _ = 1, 5 do call({}, meta) end
    for _ = 1, 5 do call({}, {}) end
    for i = 1, 20 do
      local expected = (i - 1) // 5 % 2 == 0 and PARENT or nil
      assert.equal(expected, seen[i].traceparent, "request " .. i)
    end
  end)

  it("goes with what a handler fetches, without the baggage", function()
    local got = {}
    servers[1] = raw_server.start(function(request)
      got[#got + 1] = { request.fields.traceparent, request.fields.tracestate,
        request.fields.baggage }
      return 200, {}, ""
    end)
    local address = ("http://127.0.0.1:%d/"):format(servers[1].port)
    app:tool "fetch" (function()
      assert(mcp.fetch(address))
      assert(mcp.fetch(address, { headers = { TraceParent = "mine" } }))
      return ""
    end)
    local peer <close> = helper.open(app, "2026-07-28")
    local meta = { traceparent = PARENT, tracestate = "a=b", baggage = "u=1" }
    assert.is_nil(peer:modern("tools/call", { name = "fetch" }, meta).error)
    assert.is_nil(peer:modern("tools/call", { name = "fetch" }).error)
    assert.same({ { PARENT, "a=b" }, { "mine" }, {}, { "mine" } }, got)
  end)

  it("is each message's own in a batch", function()
    local peer <close> = helper.open(app, "2025-03-26")
    local batch = {}
    for i, meta in ipairs { { traceparent = PARENT }, {}, { traceparent = "wrong" } } do
      batch[i] = { jsonrpc = "2.0", id = "b" .. i, method = "tools/call",
        params = { name = "look", _meta = meta } }
    end
    peer:send(assert(core.encode(batch)))
    assert(peer:receive())
    assert.equal(PARENT, seen[1].traceparent)
    assert.same({ "none", "none" }, { seen[2], seen[3] })
  end)

  it("is not that of the next request in the same coroutine", function()
    local peer <close> = helper.open(app, "2026-07-28")
    for _ = 1, 3 do
      peer:modern("tools/call", { name = "look" }, { traceparent = PARENT })
      peer:modern("tools/call", { name = "look" })
    end
    for i = 2, 6, 2 do assert.equal("none", seen[i]) end
    assert.is_nil(core.trace())
  end)

  it("is called as a plain function by ctx:span, which checks what it gets", function()
    app:tool "part" (function(_, ctx)
      local a, b = ctx:span("name", function(...) return select("#", ...), ... end, "x", nil)
      assert(a == 2 and b == "x")
      local ok, text = pcall(ctx.span, ctx, "name")
      assert(not ok and text:find("ctx:span: expected a function, got nil", 1, true), text)
      ok, text = pcall(ctx.span, ctx, "", print)
      assert(not ok and text:find("name: expected a string, got an empty one", 1, true), text)
      return "well"
    end)
    local peer <close> = helper.open(app, "2026-07-28")
    local result = peer:modern("tools/call", { name = "part" }).result
    assert.same({ "well", nil }, { result.content[1].text, result.isError })
  end)
end)

describe("ids of traces", function()
  it("are digits of the system's generator", function()
    local first, other = core.random_hex(16), core.random_hex(16)
    assert.matches("^" .. ("[0-9a-f]"):rep(32) .. "$", first)
    assert.are_not.equal(first, other)
    assert.equal(2, #core.random_hex(1))
    for _, wrong in ipairs { 0, 17, -1 } do
      assert.is_false(pcall(core.random_hex, wrong))
    end
  end)
end)
