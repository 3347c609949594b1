-- SPDX-License-Identifier: MIT
-- Requests that repeat the envelope of the one before them on their connection go a shorter way
-- (src/lua/lrepeat.h). That the answers of both ways are the same is the matter of
-- both_ways_spec.lua.
local arrival = require "mcp.server.front.arrival"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw = require "codecs.raw"

local MODERN = "2026-07-28"

describe("a request that repeats an envelope", function()
  local app, listening, remembered, methods
  local remember_of
  local alone -- how many have come as arguments without params

  before_each(function()
    app = mcp.server { name = "repeat", version = "1" }
    app:tool "echo" { input = { text = "string?", n = "integer?", list = "string[]?" } }
    (function(args) return args.text or "nothing" end)
    app:tool "table" { input = { text = "string?" } } (function(args)
      return { text = args.text, list = mcp.array {} }
    end)
    app:tool "fails" (function() error("as expected", 0) end)
    listening = app:listen { http = 0, quiet = true }
    methods = debug.getregistry()["mcp.exchange"].__index
    remember_of, remembered, alone = methods.remember, 0, 0
    methods.remember = function(x, fn, method, meta, pass, name)
      remembered = remembered + 1
      return remember_of(x, function(...)
        alone = select(4, ...) and alone + 1 or alone
        return fn(...)
      end, method, meta, pass, name)
    end
  end)

  after_each(function()
    methods.remember = remember_of
    listening:close()
    helper.leftovers()
  end)

  -- A connection that sends texts as they are and reads the answers one by one.
  local function connect()
    local socket = assert(raw.connect(listening.port))
    local client, came = setmetatable({}, { __close = function()
      socket:close()
      helper.settle()
    end }), ""
    local function following()
      came = came .. socket:receive()
      local head = came:match "^(.-\r\n\r\n)"
      local length = head and tonumber(head:lower():match "content%-length: (%d+)")
      if not length or #came < #head + length then return nil end
      local answer = came:sub(1, #head + length):gsub("Date: [^\r]*", "Date:", 1)
      came = came:sub(#head + length + 1)
      return answer, answer:sub(#head + 1)
    end
    function client.say(text) assert(socket:send(text) == #text) end
    function client.ask(text)
      assert(socket:send(text) == #text)
      local answer, body
      helper.wait_until(function()
        answer, body = following()
        return answer
      end, "an answer to " .. text)
      return answer, body
    end
    return client
  end

  local function post(fields, body)
    local head = { "POST /mcp HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
      "Accept: application/json, text/event-stream" }
    table.move(fields, 1, #fields, #head + 1, head)
    head[#head + 1] = "Content-Length: " .. #body
    return table.concat(head, "\r\n") .. "\r\n\r\n" .. body
  end

  local ENVELOPE = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    .. '"io.modelcontextprotocol/clientCapabilities":{}}'

  -- Of the stateless era, with a header of its own that says `name`.
  local function modern(method, name, params, id, envelope)
    local fields = { "MCP-Protocol-Version: " .. MODERN, "Mcp-Method: " .. method }
    if name then fields[3] = "Mcp-Name: " .. name end
    return post(fields, ('{"jsonrpc":"2.0","id":%s,"method":"%s","params":{%s%s}}'):format(
      id or 1, method, params == "" and "" or params .. ",", envelope or ENVELOPE))
  end

  local session
  local function legacy(method, params, id)
    return post({ "Mcp-Session-Id: " .. session, "MCP-Protocol-Version: 2025-11-25" },
      ('{"jsonrpc":"2.0",%s"method":"%s"%s}'):format(id and ('"id":%d,'):format(id) or "", method,
        params and ',"params":' .. params or ""))
  end

  local function open_session()
    local client <close> = connect()
    local answer = client.ask(post({}, '{"jsonrpc":"2.0","id":0,"method":"initialize","params":'
      .. '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c",'
      .. '"version":"1"}}}'))
    session = answer:match "Mcp%-Session%-Id: ([^\r]+)"
    client.ask(legacy("notifications/initialized", nil, false))
  end

  it("has been left a function for, from the third on", function()
    local client <close> = connect()
    for i = 1, 5 do
      assert.matches('"text":"a"', client.ask(modern("tools/call", "echo",
        '"name":"echo","arguments":{"text":"a"}', i)), 1, true)
    end
    assert.equal(1, remembered)
    open_session()
    for i = 1, 5 do
      assert.matches('"text":"a"', client.ask(legacy("tools/call",
        '{"name":"echo","arguments":{"text":"a"}}', i)), 1, true)
    end
    assert.equal(2, remembered)
  end)

  -- What is a plain request of the method, which the others follow.
  local function warm(client, build)
    for i = 1, 4 do client.ask(build(i)) end
  end

  it("comes as its arguments where params has nothing else that is new", function()
    local client <close> = connect()
    local function call(params, name)
      local before = alone
      local _, body = client.ask(modern("tools/call", name or "echo", params))
      return body, alone > before
    end
    for _ = 1, 4 do call '"name":"echo"' end
    for params, expected in pairs {
      ['"name":"echo","arguments":{"text":"a"}'] = true,
      ['"arguments":{},"name":"echo"'] = true,
      ['"name":"echo"'] = false,
      ['"name":"echo","arguments":[]'] = false,
      ['"name":"echo","arguments":{"text":"a"},"x":null'] = false,
      ['"name":"echo","x":{}'] = false,
      ['"n\\u0061me":"echo","arguments":{}'] = false,
    } do
      local _, was = call(params)
      assert.equal(expected, was, params)
    end
    -- Another tool has another header.
    assert.is_false(select(2, call('"name":"table","arguments":{}', "table")))
    for _ = 1, 4 do call '"name":"echo"' end
  end)

  it("has no state for questions where the tool cannot ask and the client can answer", function()
    local state = require "mcp.server.ask.state"
    local begin, begun = state.begin, 0
    state.begin = function(...)
      begun = begun + 1
      return begin(...)
    end
    local _ <close> = setmetatable({}, { __close = function() state.begin = begin end })
    local envelope = ENVELOPE:gsub('Capabilities":{}', 'Capabilities":{"elicitation":{}}')
    app:tool "asks" (function(_, ctx) return tostring(ctx:elicit("Sure?", { a = "string" })) end)
    for name, expected in pairs { echo = 0, asks = 3 } do
      local client <close> = connect()
      local function call()
        return (client.ask(modern("tools/call", name, ('"name":"%s","arguments":{}'):format(name),
          1, envelope)))
      end
      for _ = 1, 4 do call() end
      begun = 0
      for _ = 1, 3 do
        assert.matches(name == "echo" and '"nothing"' or '"input_required"', call(), 1, true)
      end
      assert.equal(expected, begun, name)
    end
  end)

  -- A call of `name` with these arguments, with a header that repeats one of them or without.
  local function calls(era, name, arguments, mirror)
    local params = ('"name":"%s","arguments":{%s}'):format(name, arguments)
    if era == "legacy" then return legacy("tools/call", "{" .. params .. "}", 1) end
    local text = modern("tools/call", name, params)
    return mirror and text:gsub("Mcp%-Name", "Mcp-Param-Text: a\r\n%0") or text
  end

  for _, era in ipairs { "modern", "legacy" } do
    it("comes so while what the server offers changes, era " .. era, function()
      open_session()
      local client <close> = connect()
      local other <close> = connect()
      local seen
      local function expect(text)
        for _ = 1, 3 do
          local before = alone
          local _, body = client.ask(calls(era, "echo", '"text":"a"'))
          assert.equal(before + 1, alone)
          assert.matches(text, body, 1, true)
        end
      end
      local function set(options, handler)
        app:remove("tool", "echo")
        app:tool "echo" (options) (handler or function(args) return args.text end)
      end
      for _ = 1, 4 do client.ask(calls(era, "echo", "")) end
      for _, case_of in ipairs {
        { "Unknown tool: echo", function() app:remove("tool", "echo") end },
        { "expected integer", function() set { input = { text = "integer" } } end },
        { "Unknown tool: echo", function() set { visible = function() return seen end } end },
        { era == "modern" and "Client capability required" or "as a task", function()
          set { input = { text = "string" }, task = "required" }
        end },
        { era == "modern" and "Mcp-Param-Text" or '"a"', function()
          set { input_schema = { type = "object", properties = {
            text = { type = "string", ["x-mcp-header"] = "Text" } } } }
        end },
        { '"tools/call"', function() set({}, function(_, ctx) return ctx.method end) end },
        { "around a", function()
          app:use(function(request, following)
            local result = following(request)
            result.content[1].text = "around " .. result.content[1].text
            return result
          end)
        end },
      } do
        app:remove("tool", "echo")
        app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
        expect '"a"'
        case_of[2]()
        -- It may be another connection that finds the change.
        seen = true
        other.ask(calls(era, "echo", '"text":"a"', true))
        seen = false
        expect(case_of[1])
      end
    end)

    it("is read as the call that a search makes of it, from the next on, era " .. era, function()
      open_session()
      local client <close> = connect()
      local other <close> = connect()
      local function call(name)
        return (client.ask(calls(era, "call_tool", ('"name":"%s"%s'):format(name,
          name == "echo" and ',"arguments":{"text":"a"}' or ""))))
      end
      app:tool "call_tool" (function() return "not yet" end)
      for _ = 1, 4 do assert.matches("not yet", call "echo") end
      app:remove("tool", "call_tool")
      app:search()
      other.ask(calls(era, "call_tool", '"name":"call_tool"'))
      for _ = 1, 3 do
        assert.matches('"a"', call "echo")
        assert.matches("cannot call", call "call_tool")
      end
    end)
  end

  it("gets the context of the one before only if no other code has seen it", function()
    local context = require "mcp.server.context"
    local kept, made, new = {}, 0, context.new
    local function keep(ctx) kept[#kept + 1] = ctx return "kept" end
    app:tool "keeps" (function(_, ctx) return keep(ctx) end)
    app:tool "rest" (function(...) return keep((select(2, ...))) end)
    app:tool "seen" { visible = function(ctx) return keep(ctx) == "kept" end }
      (function() return "x" end)
    context.new = function(...)
      made = made + 1
      return new(...)
    end
    local _ <close> = setmetatable({}, { __close = function() context.new = new end })
    open_session()
    for _, era in ipairs { "modern", "legacy" } do
      local client <close> = connect()
      local function call(name)
        local params = ('"name":"%s"'):format(name)
        local answer = client.ask(era == "modern" and modern("tools/call", name, params)
          or legacy("tools/call", "{" .. params .. "}", 1))
        assert.matches("^HTTP/1.1 200", answer)
        assert.is_nil(answer:find('"error"', 1, true))
      end
      for _, name in ipairs { "keeps", "rest", "seen" } do
        for _ = 1, 6 do call(name) end
        assert.equal(6, #kept)
        local seen = {}
        for _, ctx in ipairs(kept) do
          assert.is_nil(seen[ctx])
          seen[ctx] = true
          assert.equal(name, ctx.entry.name)
          assert.equal("tools/call", ctx.method)
        end
        kept = {}
      end
      for _ = 1, 4 do call "echo" end
      local before = made
      for _ = 1, 6 do call "echo" end
      assert.equal(before, made, era)
      -- An error may be kept with what it has on its stack.
      call "fails"
      call "echo"
      assert.is_true(made > before, era)
    end
  end)

  it("is checked in full where anything of it differs", function()
    local client <close> = connect()
    local function call(...)
      local _, body = client.ask(modern(...))
      return body
    end
    local plain = { "tools/call", "echo", '"name":"echo"' }
    for i = 1, 4 do call(plain[1], plain[2], plain[3], i) end
    -- Another method, another envelope, none.
    assert.matches('Mcp%-Method is tools/call', (client.ask((modern("tools/call", "echo",
      '"name":"echo"', 5):gsub('"tools/call"', '"tools/list"')))))
    for i = 1, 4 do call(plain[1], plain[2], plain[3], i) end
    assert.matches("the body says 2099", call(plain[1], plain[2], plain[3], 6,
      (ENVELOPE:gsub("2026%-07%-28", "2099-01-01"))) or "")
    for i = 1, 4 do call(plain[1], plain[2], plain[3], i) end
    assert.matches("clientCapabilities", call(plain[1], plain[2], plain[3], 7,
      '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}'))
    -- A name that the header does not say.
    for i = 1, 4 do call(plain[1], plain[2], plain[3], i) end
    assert.matches("Mcp%-Name does not match", call("tools/call", "echo", '"name":"table"', 8))
    -- What the server offers may change between two.
    for i = 1, 4 do call(plain[1], plain[2], plain[3], i) end
    app:remove("tool", "echo")
    assert.matches("Unknown tool", call(plain[1], plain[2], plain[3], 9))
    app:tool "echo" (function() return "again" end)
    assert.matches('"again"', call(plain[1], plain[2], plain[3], 10))
    app:use(function(request, following)
      local result = following(request)
      result.content[1].text = "around " .. result.content[1].text
      return result
    end)
    assert.matches('"around again"', call(plain[1], plain[2], plain[3], 11))
  end)

  it("belongs to a session that may end", function()
    open_session()
    local client <close> = connect()
    for i = 1, 4 do client.ask(legacy("ping", nil, i)) end
    app.sessions:remove(session)
    assert.matches("^HTTP/1.1 404", client.ask(legacy("ping", nil, 5)))
  end)

  it("keeps no session that has ended", function()
    open_session()
    local client <close> = connect()
    local seen = setmetatable({ (app.sessions:find(session)) }, { __mode = "v" })
    assert.is_table(seen[1])
    for i = 1, 4 do client.ask(legacy("tools/call", '{"name":"echo"}', i)) end
    app.sessions:remove(session)
    collectgarbage()
    collectgarbage()
    assert.is_nil(seen[1])
    assert.matches("^HTTP/1.1 404", client.ask(legacy("tools/call", '{"name":"echo"}', 5)))
  end)

  it("is in progress for others once it waits", function()
    local ended = {}
    app:tool "waits" (function(args, ctx)
      local ok, text, code = ctx:sleep(60)
      ended[#ended + 1] = code or ok or text
      return args.text
    end)
    open_session()
    local running = app.sessions.by_id[session].running
    local function echo(id) return legacy("tools/call", '{"name":"echo"}', id) end
    local function waits(id) return legacy("tools/call", '{"name":"waits"}', id) end
    local one <close> = connect()
    local other <close> = connect()
    warm(one, echo)
    warm(other, echo)
    assert.equal(2, remembered)
    assert.equal(0, running.count)
    one.say(waits(7))
    helper.wait_until(function() return running.count == 1 end, "a request that waits")
    -- Its id is taken, by either way; others go on beside it.
    local third <close> = connect()
    for _, client in ipairs { other, third } do
      assert.matches("A request with this id is in progress", (client.ask(echo(7))))
      assert.matches('"nothing"', (client.ask(echo(8))), 1, true)
      assert.equal(1, running.count)
    end
    other.ask(legacy("notifications/cancelled", '{"requestId":7}', false))
    helper.wait_until(function() return ended[1] end, "the end of a request")
    assert.same({ "ECANCELED" }, ended)
    assert.equal(0, running.count)
    local before = remembered
    assert.matches('"nothing"', (other.ask(echo(7))), 1, true)
    assert.equal(before, remembered)
    -- It keeps its session from ending, and ends with it.
    local two <close> = connect()
    warm(two, echo)
    two.say(waits(9))
    helper.wait_until(function() return running.count == 1 end, "a request that waits")
    assert.is_false(running:is_empty())
    app.sessions:remove(session)
    helper.wait_until(function() return ended[2] end, "the end of a request")
    assert.equal("ECANCELED", ended[2])
    assert.equal(0, running.count)
  end)

  it("has a stream that is in progress in its place", function()
    app:tool "streams" (function(_, ctx)
      ctx:log("error", "first")
      local _, _, code = ctx:sleep(60)
      return code or "done"
    end)
    open_session()
    local running = app.sessions.by_id[session].running
    local client <close> = connect()
    warm(client, function(id) return legacy("tools/call", '{"name":"echo"}', id) end)
    client.say(legacy("tools/call", '{"name":"streams"}', 7))
    helper.wait_until(function() return running.count == 1 end, "a request that waits")
    assert.equal(app.sessions.by_id[session].streams.calls[running.exchanges[1].own],
      running.exchanges[1])
    assert.is_true(running:cancel(7))
    helper.settle()
    assert.equal(0, running.count)
    assert.is_nil(next(app.sessions.by_id[session].streams.calls))
  end)

  it("does not look for its session while nothing of that has to be looked at", function()
    local sessions = require "mcp.server.session"
    local methods_of_store = getmetatable(app.sessions).__index
    local find, found = methods_of_store.find, 0
    methods_of_store.find = function(...)
      found = found + 1
      return find(...)
    end
    local _ <close> = setmetatable({}, { __close = function() methods_of_store.find = find end })
    open_session()
    local one = app.sessions.by_id[session]
    local client <close> = connect()
    local id = 0
    local function call()
      id = id % 9 + 1
      assert.matches('"nothing"', (client.ask(legacy("tools/call", '{"name":"echo"}', id))), 1,
        true)
    end
    for _ = 1, 4 do call() end
    found = 0
    for _ = 1, 5 do call() end
    assert.equal(0, found)
    -- That it was used is known all the same.
    one.last_used = one.last_used - 60
    assert.equal(one.running.used:used(), sessions.last_used(one))
    assert.is_true(core.now() - sessions.last_used(one) < 30)
    -- The store is searched in time.
    one.running.used:open(core.now())
    app.sessions.look_at = core.now() - 1
    for _ = 1, 3 do call() end
    assert.equal(1, found)
    assert.is_true(app.sessions.look_at > core.now())
  end)

  it("is given up where methods take turns under one head", function()
    open_session()
    local client <close> = connect()
    for i = 1, 40 do
      client.ask(legacy(i % 2 == 0 and "ping" or "tools/list", nil, i))
    end
    assert.is_true(remembered > 0 and remembered < 20, remembered)
  end)

  -- An envelope with which method and _meta take so many bytes.
  local function envelope_of(method, size)
    local short = #ENVELOPE - #'"_meta":' + #',"x":""' + #method
    return ENVELOPE:sub(1, -2) .. (',"x":"%s"}'):format(("x"):rep(size - short))
  end

  it("is remembered up to a number of bytes, whatever the era", function()
    open_session()
    for _, method in ipairs { "tools/call", "ping" } do
      for more = 0, 1 do
        local envelope = envelope_of(method, arrival.KEPT + more)
        local client <close> = connect()
        local before = remembered
        for i = 1, 4 do
          local answer
          if method == "ping" then
            answer = client.ask(legacy(method, "{" .. envelope:gsub("io%.model", "no.model") .. "}",
              i))
          else
            answer = client.ask(modern(method, "echo", '"name":"echo"', i, envelope))
          end
          assert.matches("^HTTP/1.1 200", answer)
        end
        assert.equal(before + 1 - more, remembered, method)
      end
    end
    -- A method that does not exist is as long as a client likes.
    local client <close> = connect()
    local before = remembered
    for i = 1, 4 do
      assert.matches("Method not found", client.ask(legacy(("x"):rep(arrival.KEPT + 1), "{}", i)),
        1, true)
    end
    assert.equal(before, remembered)
  end)

  it("is remembered with a head up to 4 KiB", function()
    for size, expected in pairs { [3000] = 1, [4200] = 0 } do
      local client <close> = connect()
      remembered = 0
      for i = 1, 4 do
        assert.matches('"nothing"', client.ask((modern("tools/call", "echo", '"name":"echo"', i)
          :gsub("\r\n", "\r\nX-Long: " .. ("x"):rep(size) .. "\r\n", 1))), 1, true)
      end
      assert.equal(expected, remembered, size)
    end
  end)

  it("keeps nothing of a long envelope while its connection is idle", function()
    local CONNECTIONS, LENGTH = 6, 1 << 20
    open_session()
    local function held()
      helper.settle()
      collectgarbage()
      collectgarbage()
      return core.bytes_held() + math.floor(collectgarbage "count" * 1024), (core.memory())
    end
    local envelope = envelope_of("tools/call", LENGTH)
    local other = envelope:gsub("io%.model", "no.model")
    local function rounds()
      local clients = {}
      local before, charged = held()
      for i = 1, CONNECTIONS do
        clients[i] = connect()
        for id = 1, 3 do
          clients[i].ask(i % 2 == 0 and modern("tools/call", "echo", '"name":"echo"', id, envelope)
            or legacy("tools/call", '{"name":"echo",' .. other .. "}", id))
        end
      end
      local bytes, charge = held()
      for i = 1, CONNECTIONS do getmetatable(clients[i]).__close() end
      return bytes - before, charge - charged
    end
    rounds()
    local bytes, charge = rounds()
    assert.is_true(bytes < CONNECTIONS * 32768, bytes .. " bytes")
    assert.is_true(charge < CONNECTIONS * 32768, charge .. " bytes of the account")
  end)

  it("leaves nothing when its connection ends", function()
    local function rounds()
      for _ = 1, 20 do
        local client <close> = connect()
        for i = 1, 4 do client.ask(modern("tools/call", "echo", '"name":"echo"', i)) end
      end
      helper.settle()
      collectgarbage()
      collectgarbage()
      return core.bytes_held()
    end
    rounds()
    local before = rounds()
    assert.is_true(rounds() - before < 4096)
  end)
end)
