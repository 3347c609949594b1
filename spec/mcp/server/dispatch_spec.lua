-- SPDX-License-Identifier: MIT
-- From a line to a line: what the runtime does with requests whatever they ask for.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("dispatch", function()
  after_each(helper.leftovers)

  local function app_with_echo()
    local app = mcp.server "spec"
    app:tool "echo" (function() return "ok" end)
    return app
  end

  -- The id of the answer to a call with this id, as it stands in the line.
  local function id_of_answer(peer, raw)
    peer:send(('{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"echo"}}')
      :format(raw))
    local line = peer:receive_line()
    return assert(line):match '"id":(.-),"result"' or line
  end

  describe("ids", function()
    it("go back byte for byte (T-64)", function()
      local peer = helper.open(app_with_echo())
      for _, raw in ipairs { "0", '""', "12345678901234567890123", '"\\u0041"', "-0", "-1", "1.0",
        "1e3", '"a\\/b"', '"\\ud83d\\ude00"', '"é"', '"null"', "9007199254740993",
        "-9223372036854775808", '"' .. ("x"):rep(126) .. '"' } do
        assert.equal(raw, id_of_answer(peer, raw))
      end
    end)

    it("1 and \"1\" are two ids", function()
      local app = mcp.server "spec"
      app:tool "wait" (function(_, ctx) ctx:sleep(30) end)
      app:tool "echo" (function() return "ok" end)
      local peer = helper.open(app)
      peer:send { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "wait" } }
      assert.equal('"1"', id_of_answer(peer, '"1"'))
    end)

    it("null, a fraction, a table or one that is too long is no id", function()
      local peer = helper.open(app_with_echo())
      for _, raw in ipairs { "null", "1.5", "{}", "[1]", "true", '"' .. ("x"):rep(127) .. '"' } do
        peer:send(('{"jsonrpc":"2.0","id":%s,"method":"ping"}'):format(raw))
        local message, line = peer:receive()
        assert.equal(-32600, message.error.code, raw)
        assert.matches('"id":null', line, 1, true)
      end
    end)

    it("one that is under way is refused, the first goes on", function()
      for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
        local app = mcp.server "spec"
        local waiter = core.waiter()
        app:tool "wait" (function() waiter:wait() return "done" end)
        local peer = helper.open(app, revision)
        local params = { name = "wait", _meta = peer.era and helper.envelope() or nil }
        local call = { jsonrpc = "2.0", id = "x", method = "tools/call", params = params }
        peer:send(call)
        peer:send(call)
        local second = peer:receive()
        assert.equal("x", second.id)
        assert.equal(-32600, second.error.code)
        assert.matches("in progress", second.error.message, 1, true)
        waiter:wake()
        assert.equal("done", peer:receive().result.content[1].text)
        -- Afterwards it is free again.
        peer:send(call)
        assert.equal("done", peer:receive().result.content[1].text)
        peer:close()
      end
    end)

    it("one is free again whatever became of its request", function()
      local app = mcp.server "spec"
      app:tool "yield" (function() coroutine.yield() end)
      app:tool "raise" (function() error "x" end)
      app:tool "nan" (function() return { content = { { type = "text", text = 0 / 0 } } } end)
      for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
        local peer = helper.open(app, revision)
        local meta = peer.era and helper.envelope() or nil
        helper.logged(function()
          for _, name in ipairs { "yield", "yield", "raise", "nan", "nosuch", "raise" } do
            local response = peer:request("tools/call", { name = name, _meta = meta }, "same")
            local text = response.error and response.error.message or "result"
            assert.is_nil(text:find("under way", 1, true), name)
          end
        end)
        peer:close()
      end
    end)
  end)

  describe("what is no message", function()
    it("is a parse error with its place, id null; the connection stays (IO-08, T-35)", function()
      local peer = helper.open(app_with_echo())
      for _, case in ipairs { { "{", "at byte 1" }, { '{"a":1,}', "at byte 7" },
        { "nonsense", "at byte 0" }, { '{"a":1,"a":2}', "at byte" }, { '"\xff"', "at byte 1" },
        { '{"jsonrpc":"2.0"} x', "at byte" }, { '{"x":"\\ud800"}', "at byte" },
        { ("["):rep(100000), "at byte" },
        { ('{"a":'):rep(200) .. "1" .. ("}"):rep(200), "at byte" } } do
        peer:send(case[1])
        local message, line = peer:receive()
        assert.equal(-32700, message.error.code, case[1]:sub(1, 30))
        assert.matches(case[2], message.error.message, 1, true)
        assert.matches('"id":null', line, 1, true)
      end
      assert.is_table(peer:request("ping").result)
    end)

    it("is an invalid request, with the id if there is one", function()
      local peer = helper.open(app_with_echo())
      local cases = {
        { '{"id":7,"method":"ping"}', 7 }, { '{"jsonrpc":"1.0","id":7,"method":"ping"}', 7 },
        { '{"jsonrpc":2.0,"id":7,"method":"ping"}', 7 }, { '{"jsonrpc":"2.0","id":7}', 7 },
        { '{"jsonrpc":"2.0","id":7,"method":5}', 7 }, { "5", helper.null }, { '"x"', helper.null },
        { "null", helper.null }, { "true", helper.null },
        { '{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}', 7 },
        { '{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}', 7 },
        { '{"jsonrpc":"2.0","id":7,"method":"ping","params":"x"}', 7 },
      }
      for _, case in ipairs(cases) do
        peer:send(case[1])
        local message = peer:receive()
        assert.equal(-32600, message.error.code, case[1])
        assert.equal(case[2], message.id, case[1])
      end
      assert.is_table(peer:request("ping").result)
    end)

    it("empty lines and CRLF are no matter (IO-07)", function()
      local peer = helper.open(app_with_echo())
      peer:send ""
      peer:send "\r"
      peer:send '{"jsonrpc":"2.0","id":1,"method":"ping"}\r'
      assert.same({}, peer:receive().result)
    end)

    it("responses nobody asked for are dropped", function()
      local peer = helper.open(app_with_echo())
      peer:send '{"jsonrpc":"2.0","id":1,"result":{}}'
      peer:send '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}'
      peer:send '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}'
      peer:silent()
    end)

    it("unknown notifications are ignored, whatever they carry", function()
      local peer = helper.open(app_with_echo())
      for _, method in ipairs { "notifications/nosuch", "tools/call", "", "initialize",
        "notifications/cancelled", "notifications/initialized" } do
        peer:send { jsonrpc = "2.0", method = method }
        peer:send { jsonrpc = "2.0", method = method, params = { requestId = {} } }
      end
      peer:silent()
      assert.is_table(peer:request("ping").result)
    end)
  end)

  it("an unknown method is -32601 and named, in both eras", function()
    local peer = helper.open(app_with_echo())
    local err = peer:request("tools/lst").error
    assert.equal(-32601, err.code)
    assert.matches("tools/lst", err.message, 1, true)
    peer:close()
    peer = helper.open(app_with_echo(), "2026-07-28")
    err = peer:modern("tools/lst").error
    assert.equal(-32601, err.code)
    assert.is_nil(err.status)
  end)

  it("a method name of odd bytes goes back unbroken", function()
    local peer = helper.open(app_with_echo())
    local method = 'a"\\\n\u{2028}\u{1F600}'
    assert.equal("Method not found: " .. method, peer:request(method).error.message)
  end)

  it("empty results are exactly {} in the session era (T-66)", function()
    local peer = helper.open(app_with_echo())
    local _, line = peer:request("ping", nil, 9)
    assert.equal('{"jsonrpc":"2.0","id":9,"result":{}}', line)
    _, line = peer:request("logging/setLevel", { level = "debug" }, 10)
    assert.equal('{"jsonrpc":"2.0","id":10,"result":{}}', line)
  end)

  it("an unknown log level is invalid params", function()
    local peer = helper.open(app_with_echo())
    for _, level in ipairs { "loud", 5, mcp.null, mcp.array {} } do
      assert.equal(-32602, peer:request("logging/setLevel", { level = level }).error.code)
    end
    assert.equal(-32602, peer:request("logging/setLevel").error.code)
  end)

  it("params null is params absent", function()
    local peer = helper.open(app_with_echo())
    peer:send '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}'
    assert.same({}, peer:receive().result)
  end)

  describe("handlers at the same time", function()
    it("yield, and finish in their own order", function()
      local app = mcp.server "spec"
      local waiters = {}
      for _, name in ipairs { "a", "b", "c" } do waiters[name] = core.waiter() end
      app:tool "wait" { input = { on = "string" } } (function(args)
        return args.on .. waiters[args.on]:wait()
      end)
      local peer = helper.open(app)
      for _, name in ipairs { "a", "b", "c" } do
        peer:send { jsonrpc = "2.0", id = name, method = "tools/call",
          params = { name = "wait", arguments = { on = name } } }
      end
      assert.is_table(peer:request("ping").result) -- IO-43
      for _, name in ipairs { "c", "a", "b" } do
        waiters[name]:wake "!"
        local message = peer:receive()
        assert.equal(name, message.id)
        assert.equal(name .. "!", message.result.content[1].text)
      end
    end)

    it("64 of a connection, then busy; and room again afterwards", function()
      local app = mcp.server "spec"
      local waiters = {}
      app:tool "wait" (function()
        local waiter = core.waiter()
        waiters[#waiters + 1] = waiter
        waiter:wait()
        return "ok"
      end)
      local peer = helper.open(app)
      for id = 1, 65 do
        peer:send { jsonrpc = "2.0", id = id, method = "tools/call", params = { name = "wait" } }
      end
      local busy = peer:receive()
      assert.equal(65, busy.id)
      assert.equal(-32000, busy.error.code)
      assert.matches("[Bb]usy", busy.error.message)
      assert.equal(64, #waiters)
      -- Notifications still come through: they could be cancellations.
      peer:notify("notifications/cancelled", { requestId = 64 })
      helper.settle()
      waiters[1]:wake()
      assert.equal(1, peer:receive().id)
      for i = 2, 63 do waiters[i]:wake() end
      for _ = 2, 63 do assert.is_table(peer:receive().result) end
      assert.is_table(peer:request("ping").result)
    end)

    it("one that fails does not disturb the others", function()
      local app = mcp.server "spec"
      local waiter = core.waiter()
      app:tool "wait" (function() waiter:wait() return "fine" end)
      app:tool "fail" (function() error "x" end)
      app:tool "yield" (function() coroutine.yield() end)
      local peer = helper.open(app)
      peer:send { jsonrpc = "2.0", id = "w", method = "tools/call", params = { name = "wait" } }
      helper.logged(function()
        assert.is_true(peer:call("fail").isError)
        local _, err = peer:call "yield"
        assert.equal(-32603, err.code)
      end)
      waiter:wake()
      assert.equal("fine", peer:response("w").result.content[1].text)
    end)
  end)

  describe("coroutines of the handler's own", function()
    it("may yield to the handler as they like", function()
      local app = mcp.server "spec"
      app:tool "t" (function()
        local out = {}
        for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do
          out[#out + 1] = i
        end
        return table.concat(out, ",")
      end)
      assert.equal("1,2,3", helper.open(app):call("t").content[1].text)
    end)

    it("coroutine.yield by the handler itself is an internal error; its <close> runs", function()
      local app = mcp.server "spec"
      local closed = 0
      app:tool "t" (function()
        local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        coroutine.yield "anything"
        closed = closed + 100
      end)
      local peer = helper.open(app)
      local _, err = peer:call "t"
      assert.equal(-32603, err.code)
      assert.equal(1, closed)
    end)

    it("waiting in one is a clear error", function()
      local app = mcp.server "spec"
      app:tool "wrap" (function(_, ctx) coroutine.wrap(function() ctx:sleep(1) end)() end)
      app:tool "resume" (function()
        local _, err = coroutine.resume(coroutine.create(function() mcp.sleep(1) end))
        error(err, 0)
      end)
      local peer = helper.open(app)
      helper.logged(function()
        for _, name in ipairs { "wrap", "resume" } do
          local result = peer:call(name)
          assert.is_true(result.isError)
          assert.matches("cannot wait in a coroutine of your own inside a handler; use mcp.spawn",
            result.content[1].text, 1, true)
        end
      end)
    end)

    it("waiting where Lua cannot yield is a clear error (SEC-100)", function()
      local app = mcp.server "spec"
      app:tool "t" (function(_, ctx)
        local list = { 2, 1 }
        table.sort(list, function(a, b) ctx:sleep(0) return a < b end)
      end)
      local peer = helper.open(app)
      helper.logged(function()
        assert.matches("cannot wait here", peer:call("t").content[1].text, 1, true)
      end)
    end)

    it("the loop cannot be turned from inside a handler", function()
      local app = mcp.server "spec"
      app:tool "t" (function() mcp.step(0) end)
      helper.logged(function()
        assert.matches("from inside a handler", helper.open(app):call("t").content[1].text, 1, true)
      end)
    end)
  end)

  it("deep recursion in a handler is an error like any other", function()
    local app = mcp.server "spec"
    local function deep(n) return 1 + deep(n + 1) end
    app:tool "t" (function() return deep(1) end)
    local peer = helper.open(app)
    helper.logged(function()
      local result = peer:call "t"
      assert.is_true(result.isError)
      assert.matches("stack overflow", result.content[1].text, 1, true)
      assert.is_true(#result.content[1].text < 4096)
      assert.is_nil(result.content[1].text:find "traceback")
    end)
    assert.is_table(peer:request("ping").result)
  end)

  -- The suite's own error() (spec/own_line.lua) stands in every traceback.
  local function traced(fn)
    return (helper.logged(fn):gsub("\nerror:   [^\n]*spec/own_line%.lua:[^\n]*", "")
      :gsub("\nerror: stack traceback:$", ""))
  end

  it("a traceback in the log has spaces, for a tab would be an escape there", function()
    local app = mcp.server "spec"
    app:tool "t" (function() error "as told" end)
    local peer <close> = helper.open(app)
    local log = traced(function() peer:call "t" end)
    assert.matches("error: stack traceback:\nerror:   [^\n]*dispatch_spec%.lua:%d+: in ", log)
    assert.is_nil(log:find("\t", 1, true))
  end)

  it("a traceback shows the user's frames alone", function()
    local app = mcp.server "spec"
    app:tool "t" (function(_, ctx) ctx:progess(1) end)
    app:resource "notes://today" (function() return print end)
    local peer <close> = helper.open(app)
    local log = traced(function() peer:call "t" end)
    assert.matches("stack traceback:\nerror:   [^\n]*dispatch_spec%.lua:%d+: in [^\n]*$", log)
    log = traced(function() peer:request("resources/read", { uri = "notes://today" }) end)
    assert.equal('error: resource "notes://today" returned a function', log)
  end)

  it("arguments as deep as the limit come through, deeper ones do not", function()
    local app = mcp.server "spec"
    local seen
    app:tool "t" (function(args) seen = args return "ok" end)
    local peer = helper.open(app)
    local function call(depth)
      peer:send('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":'
        .. ('{"a":'):rep(depth) .. "1" .. ("}"):rep(depth) .. "}}")
      return peer:receive()
    end
    assert.equal("ok", call(120).result.content[1].text)
    local depth = 0
    while type(seen) == "table" do seen, depth = seen.a, depth + 1 end
    assert.equal(120, depth)
    assert.equal(-32700, call(130).error.code)
  end)

  it("a peer that goes while handlers run ends them", function()
    local app = mcp.server "spec"
    local closed, code = 0, nil
    app:tool "wait" (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
      local _, _, why = ctx:sleep(30)
      code = why
      ctx:sleep(30)
      closed = closed + 100
    end)
    local peer = helper.open(app)
    peer:send { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "wait" } }
    helper.settle()
    assert.equal(1, core.task_count())
    peer:close()
    assert.equal("ECANCELED", code)
    assert.equal(1, closed)
    assert.equal(0, core.task_count())
  end)
end)
