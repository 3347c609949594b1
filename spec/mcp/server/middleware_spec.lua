-- SPDX-License-Identifier: MIT
-- middleware_spec.lua: lua/mcp/server/middleware.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local BOTH = { "2025-11-25", "2026-07-28" }

local function text_of(result) return result.content[1].text end

describe("middleware", function()
  after_each(helper.leftovers)

  local function app_of(options)
    options = options or {}
    options.name = "spec"
    local app = mcp.server(options)
    app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
    app:tool "fail" (function() error "broken tool" end)
    app:tool "refuse" (function() error(mcp.error(-5, "refused", { x = 1 })) end)
    app:tool "wait" (function(_, ctx)
      ctx:sleep(60)
      ctx:sleep(60)
    end)
    app:resource "r://a" (function() return "a" end)
    app:prompt "p" (function() return "p" end)
    return app
  end

  for _, revision in ipairs(BOTH) do
    describe("in " .. revision, function()
      local app

      before_each(function() app = app_of() end)

      local function open() return helper.open(app, revision) end

      local function ask(peer, method, params)
        if peer.era then return (peer:modern(method, params)) end
        return (peer:request(method, params))
      end

      it("is around every request, the first outermost", function()
        local trace = {}
        for _, name in ipairs { "a", "b", "c" } do
          app:use(function(request, next)
            trace[#trace + 1] = name .. " " .. request.method
            local result, err = next(request)
            trace[#trace + 1] = name .. (err and " error" or " ok")
            return result, err
          end)
        end
        local peer = open()
        assert.equal("x", text_of(peer:call("echo", { text = "x" })))
        assert.same({ "a tools/call", "b tools/call", "c tools/call", "c ok", "b ok", "a ok" },
          trace)
        trace = {}
        local _, err = peer:call "nosuch"
        assert.equal(-32602, err.code)
        assert.same({ "c error", "b error", "a error" }, table.move(trace, 4, 6, 1, {}))
      end)

      it("is told what the request is", function()
        local seen
        app:use(function(request, next)
          seen = request
          return next(request)
        end)
        local peer = open()
        for _, case in ipairs {
          { "tools/call", { name = "echo", arguments = { text = "x" } }, "tool", "echo" },
          { "tools/call", { name = "nosuch" }, "tool", "nosuch" },
          { "prompts/get", { name = "p" }, "prompt", "p" },
          { "resources/read", { uri = "r://a" }, "resource", "r://a" },
          { "tools/list", { cursor = nil }, "list" },
          { "resources/templates/list", {}, "list" },
        } do
          seen = nil
          ask(peer, case[1], case[2])
          assert.equal(case[1], seen.method)
          assert.equal(case[3], seen.kind)
          assert.equal(case[4], seen.name)
          assert.equal(case[1], seen.ctx.method)
          assert.is_table(seen.params)
          assert.is_nil(seen.params._meta)
        end
        if peer.era then
          ask(peer, "server/discover")
        else
          ask(peer, "ping")
        end
        assert.equal("other", seen.kind)
      end)

      it("gets lists as they are kept, and hands them on", function()
        local kind
        app:use(function(request, next)
          local result = next(request)
          kind = type(result)
          return result
        end)
        local peer = open()
        assert.equal(4, #ask(peer, "tools/list").result.tools)
        assert.equal("userdata", kind)
      end)

      it("may answer by itself", function()
        app:use(function(request, next)
          if request.name == "echo" then return { content = { mcp.text "mine" } } end
          if request.name == "fail" then return nil, mcp.error(-7, "no") end
          return next(request)
        end)
        local peer = open()
        local result = peer:call("echo", { text = "x" })
        assert.equal("mine", text_of(result))
        if peer.era then
          assert.equal("complete", result.resultType)
          assert.is_table(result._meta)
        end
        local _, err = peer:call "fail"
        assert.same({ code = -7, message = "no" }, err)
        assert.equal("a", ask(peer, "resources/read", { uri = "r://a" }).result.contents[1].text)
      end)

      it("may change the arguments, and the result", function()
        app:use(function(request, next)
          if request.kind ~= "tool" then return next(request) end
          request.params.arguments.text = request.params.arguments.text:upper()
          local result, err = next(request)
          result.content[2] = mcp.text "after"
          return result, err
        end)
        local result = open():call("echo", { text = "x" })
        assert.equal("X", text_of(result))
        assert.equal("after", result.content[2].text)
      end)

      it("may hand on another request; what it becomes is checked as ever", function()
        app:use(function(request, next)
          if request.kind ~= "tool" then return next(request) end
          return next { method = request.method, ctx = request.ctx, kind = request.kind,
            params = { name = "echo", arguments = { text = 5 } } }
        end)
        local result = open():call "fail"
        assert.is_true(result.isError)
        assert.matches('tool "echo": argument "text": expected string', text_of(result))
      end)

      it("may try again, and wait before that", function()
        local count = 0
        app:tool "flaky" (function()
          count = count + 1
          if count < 3 then error "not yet" end
          return "at last"
        end)
        app:use(function(request, next)
          local result, err
          for _ = 1, 5 do
            result, err = next(request)
            if err or not result.isError then break end
            request.ctx:sleep(0.001)
          end
          return result, err
        end)
        helper.logged(function() assert.equal("at last", text_of((open():call "flaky"))) end)
        assert.equal(3, count)
      end)

      it("gets what a handler raises as what it becomes", function()
        local got = {}
        app:use(function(request, next)
          got = table.pack(next(request))
          return table.unpack(got, 1, got.n)
        end)
        local peer = open()
        local log = helper.logged(function()
          local result = peer:call "fail"
          assert.is_true(result.isError)
          assert.equal("broken tool", text_of(result))
          assert.equal("broken tool", text_of(got[1]))
        end)
        assert.matches('tool "fail": .*broken tool', log)
        assert.matches("traceback", log)
        local _, err = peer:call "refuse"
        assert.same({ code = -5, message = "refused", data = { x = 1 } }, helper.plain(err))
        assert.equal(-5, got[2].code)
      end)

      it("that raises is judged like a handler", function()
        local outer
        app:use(function(request, next)
          outer = table.pack(next(request))
          return outer[1], outer[2]
        end)
        app:use(function(request, next)
          if request.name == "refuse" then error(mcp.error(-9, "mine")) end
          if request.name == "wait" then return nil, "a text" end
          if request.name == "echo" then return 5 end
          if request.name == "fail" or request.kind ~= "tool" then error "in between" end
          return next(request)
        end)
        local peer = open()
        local log = helper.logged(function()
          assert.equal("in between", text_of((peer:call "fail")))
          assert.is_true(outer[1].isError)
          assert.equal("a text", text_of((peer:call "wait")))
          assert.equal("middleware around tools/call: expected a result table, or nil and "
            .. "an error, got a number", text_of((peer:call "echo")))
          local _, err = peer:call "refuse"
          assert.same({ code = -9, message = "mine" }, err)
          for method, uri in pairs { ["resources/read"] = "r://a", ["tools/list"] = "" } do
            err = ask(peer, method, { uri = uri }).error
            assert.equal(-32603, err.code)
            assert.not_matches("between", err.message)
          end
        end)
        assert.matches('tool "fail": .*in between', log)
      end)

      it("that forgets the request is told so", function()
        app:use(function(_, next) return next() end)
        helper.logged(function()
          local result = open():call "fail"
          assert.matches("next: expected the request, got nil", text_of(result))
        end)
      end)

      it("comes into force at once", function()
        local peer = open()
        assert.equal("x", text_of((peer:call("echo", { text = "x" }))))
        app:use(function() return { content = { mcp.text "now" } } end)
        assert.equal("now", text_of((peer:call("echo", { text = "x" }))))
        app:tool "late" (function() return "late" end)
        assert.equal("now", text_of((peer:call "late")))
      end)

      it("leaves cancelling and timeouts as they were", function()
        local closed = 0
        app = app_of { timeout = 0.03 }
        app:use(function(request, next)
          local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
          return next(request)
        end)
        local peer = open()
        helper.logged(function()
          assert.equal('tool "wait" timed out after 0.03 s', text_of((peer:call "wait")))
        end)
        local params = { name = "wait", arguments = {} }
        if peer.era then params._meta = helper.envelope() end
        peer:send { jsonrpc = "2.0", id = "c", method = "tools/call", params = params }
        peer:notify("notifications/cancelled", { requestId = "c" })
        helper.settle()
        peer:silent()
        assert.equal(2, closed)
      end)

      it("may wait before the handler, and is timed with it", function()
        app = app_of { timeout = 0.03 }
        app:use(function(request, next)
          request.ctx:sleep(60)
          return next(request)
        end)
        local peer = open()
        helper.logged(function()
          assert.equal('tool "echo" timed out after 0.03 s', text_of((peer:call "echo")))
          assert.equal(-32001, ask(peer, "tools/list").error.code)
        end)
      end)
    end)
  end

  it("lets a question end a call in the stateless era", function()
    local app, got = app_of(), nil
    app:tool "asks" (function(_, ctx) return ctx:elicit("Who?", { name = "string" }).name end)
    app:use(function(request, next)
      local result, err = next(request)
      got = err or result.resultType
      return result, err
    end)
    if not pcall(require, "mcp.openssl") then return pending "mcp.openssl is not there" end
    local peer = helper.open(app, BOTH[2])
    local result = peer:modern("tools/call", { name = "asks" },
      { [helper.PREFIX .. "clientCapabilities"] = { elicitation = { form = {} } } }).result
    assert.equal("input_required", result.resultType)
    assert.equal("input_required", got)
  end)

  it("does not see what is no request of the app's", function()
    local app, count = app_of(), 0
    app:use(function(request, next)
      count = count + 1
      return next(request)
    end)
    local peer = helper.open(app)
    peer:notify "notifications/initialized"
    assert.equal(-32601, peer:request("no/such").error.code)
    assert.equal(0, count)
  end)

  it("that is no function is refused where it is written", function()
    local app = app_of()
    local _, err = pcall(function() app:use "x" end)
    assert.matches("^%S*middleware_spec.lua:%d+: app:use: expected a function, got string", err)
    for _, name in ipairs { "timing", "cache" } do
      local _, message = pcall(function() app:use(mcp.middleware[name]) end)
      assert.matches("^%S*middleware_spec.lua:%d+: app:use: mcp.middleware." .. name
        .. " makes a function: call it", message)
    end
  end)

  it("costs an app without it nothing: its handlers are the plain ones", function()
    local app = app_of()
    local peer = helper.open(app)
    peer:call "echo"
    assert.equal(require("mcp.server.feature.tool").call, app.handlers.legacy["tools/call"])
  end)
end)

describe("mcp.server.middleware", function()
  after_each(helper.leftovers)

  local function app_of()
    local app = mcp.server { name = "spec", timeout = 0.03 }
    app:tool "ok" (function() return "ok" end)
    app:tool "bad" (function() return nil, "bad" end)
    app:tool "wait" (function(_, ctx)
      ctx:sleep(60)
      ctx:sleep(60)
    end)
    return app
  end

  it("timing tells how long each request took, and how it ended", function()
    local app, list = app_of(), {}
    app:use(mcp.middleware.timing(function(request, seconds, how)
      list[#list + 1] = how
      assert.is_true(seconds >= 0 and seconds < 5)
      assert.is_string(request.method)
    end))
    local peer = helper.open(app)
    peer:call "ok"
    peer:call "bad"
    peer:call "nosuch"
    helper.logged(function() peer:call "wait" end)
    helper.settle()
    peer:send { jsonrpc = "2.0", id = "c", method = "tools/call", params = { name = "wait" } }
    peer:notify("notifications/cancelled", { requestId = "c" })
    helper.settle()
    assert.same({ "ok", "failed", "error -32602", "timed out", "cancelled" }, list)
    assert.error_matches(function() mcp.middleware.timing {} end, "expected a function, got table")
  end)

  it("log writes a line for each, without arguments", function()
    local app, lines = app_of(), {}
    app:use(mcp.middleware.log { write = function(line) lines[#lines + 1] = line end })
    local peer = helper.open(app)
    peer:request("tools/call", { name = "ok", arguments = { password = "hush" } })
    peer:request("tools/call", { name = "new\nline\27", arguments = { password = "hush" } })
    peer:request "tools/list"
    assert.matches("^tools/call ok: ok, %d+%.%d ms$", lines[1])
    assert.matches("^tools/call new\\x0Aline\\x1B: error %-32602, %d+%.%d ms$", lines[2])
    assert.matches("^tools/list: ok, ", lines[3])
    assert.not_matches("hush", table.concat(lines))
  end)

  it("log shows names as they are, not as they would look (SEC-64)", function()
    local app, lines = app_of(), {}
    app:use(mcp.middleware.log { write = function(line) lines[#lines + 1] = line end })
    helper.open(app):request("tools/call", { name = "a\u{202E}b\u{9B}2J\u{2067}é\u{2010}" })
    assert.matches("^tools/call a\\xE2\\x80\\xAEb\\xC2\\x9B2J\\xE2\\x81\\xA7é\u{2010}: error ",
      lines[1])
  end)

  it("log with a level goes to the log", function()
    local app = app_of()
    app:use(mcp.middleware.log { level = "info" })
    local peer = helper.open(app)
    local log = helper.logged(function() peer:call "ok" end)
    assert.matches("^info: tools/call ok: ok, ", log)
  end)

  it("log without anything goes to standard error", function()
    local path = helper.file([[
      local mcp = require "mcp"
      local app = mcp.server "s"
      app:use(mcp.middleware.log())
      app:tool "t" (function() return "t" end)
      app:run_stdio()]], ".lua")
    local output = helper.shell(("printf '%s\\n%s\\n' | %s %s 2>&1 >/dev/null"):format(
      '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
        .. '"capabilities":{},"clientInfo":{"name":"c","version":"1"}}}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}',
      os.getenv "LUA" or "lua5.4", helper.quote(path)))
    helper.remove_files()
    assert.matches("^luamcp: info: tools/call t: ok, %d+%.%d ms\n$", output)
  end)

  it("limit sends away what is too much, and forgets nobody's end", function()
    local app = mcp.server { name = "spec" }
    app:use(mcp.middleware.limit { concurrent = 2 })
    app:tool "wait" (function(_, ctx)
      ctx:sleep(60)
      ctx:sleep(60)
    end)
    app:tool "fail" (function() error "x" end)
    local peer = helper.open(app)
    helper.logged(function()
      for _ = 1, 5 do assert.is_true((peer:call "fail").isError) end
    end)
    for round = 1, 3 do
      for id = 1, 2 do
        peer:send { jsonrpc = "2.0", id = round * 10 + id, method = "tools/call",
          params = { name = "wait" } }
      end
      local _, err = peer:call "fail"
      assert.equal(-32000, err.code)
      assert.matches("Busy: 2 requests", err.message)
      for id = 1, 2 do
        peer:notify("notifications/cancelled", { requestId = round * 10 + id })
      end
      helper.settle()
    end
    peer:silent()
    helper.logged(function() assert.is_true((peer:call "fail").isError) end)
  end)

  it("takes the least and the most of what its options may be", function()
    assert.is_function(mcp.middleware.limit { concurrent = 1 })
    assert.is_function(mcp.middleware.response_limit { bytes = 1000 })
    assert.has_error(function() mcp.middleware.response_limit { bytes = 999 } end)
  end)

  it("refuses options that are none", function()
    for _, case in ipairs {
      { "limit", {}, "concurrent: expected a whole number" },
      { "limit", { concurrent = 0 }, "concurrent: expected a whole number" },
      { "limit", { concurrent = "2" }, "expected a number, got string" },
      { "limit", { concurent = 2 }, "did you mean" },
      { "limit", 5, "expected a table of options, got number" },
      { "log", { level = "loud" }, 'unknown level "loud"' },
      { "log", { lvel = "info" }, "did you mean" },
    } do
      local _, err = pcall(function() mcp.middleware[case[1]](case[2]) end)
      assert.matches("^%S*middleware_spec.lua:%d+: mcp.middleware." .. case[1], err)
      assert.matches(case[3], err, 1, true)
    end
    assert.is_nil(core.nothing)
  end)
end)
