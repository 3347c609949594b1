-- SPDX-License-Identifier: MIT
-- timeout_spec.lua: lua/mcp/server/timeout.lua and the clocks of src/lua/coroutine.c and lclock.c.
local core = require "mcp.core"
local helper = require "spec.helper"
local http = require "mcp.server.front.http"
local mcp = require "mcp"
local support = require "spec.support"
local timeout = require "mcp.server.timeout"

local BOTH = { "2025-11-25", "2026-07-28" }

local function text_of(result) return result.content[1].text end

describe("a timeout", function()
  local seen

  before_each(function() seen = {} end)
  after_each(helper.leftovers)

  -- An app whose handlers wait much longer than they may.
  local function app_of(options)
    options.name = "spec"
    local app = mcp.server(options)
    app:tool "slow" (function(_, ctx)
      seen.sleep = table.pack(ctx:sleep(60))
      seen.cancelled = table.pack(ctx:cancelled())
      return "done"
    end)
    app:tool "deaf" (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() seen.closed = true end })
      ctx:sleep(60)
      seen.first = true
      ctx:sleep(60)
      seen.second = true
    end)
    app:tool "patient" { timeout = 0 } (function(_, ctx)
      ctx:sleep(0.08)
      return "waited"
    end)
    app:tool "short" { timeout = 0.01 } (function(_, ctx) ctx:sleep(60) end)
    app:tool "quick" (function() return "at once" end)
    app:tool "working" (function(_, ctx)
      for step = 1, 6 do
        ctx:sleep(0.02)
        ctx:progress(step)
      end
      return "worked"
    end)
    app:tool "endless" (function(_, ctx)
      local step = 0
      repeat
        step = step + 1
        ctx:progress(step)
      until not ctx:sleep(0.01)
    end)
    app:resource "slow://r" { timeout = 0.02 } (function(_, ctx) ctx:sleep(60) end)
    app:resource "slow://{id}" { timeout = 0.02 } (function(_, ctx) ctx:sleep(60) end)
    app:prompt "slow" { timeout = 0.02 } (function(_, ctx) ctx:sleep(60) end)
    return app
  end

  local function request(peer, method, params, token)
    if peer.era == "modern" then return peer:modern(method, params, { progressToken = token }) end
    params._meta = { progressToken = token }
    return peer:request(method, params)
  end

  it("is that of a batch as well, all of it together (2025-03-26)", function()
    local peer = helper.open(app_of { timeout = 0.03 }, "2025-03-26")
    helper.logged(function()
      peer:send('[{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow"}},'
        .. '{"jsonrpc":"2.0","id":6,"method":"ping"}]')
      local answers = peer:receive()
      assert.equal(2, #answers)
      assert.equal(5, answers[1].id)
      assert.equal(-32001, answers[1].error.code)
    end)
    helper.settle()
    assert.equal("ETIMEDOUT", seen.sleep[3])
    peer:silent()
  end)

  for _, revision in ipairs(BOTH) do
    describe("in " .. revision, function()
      local peer

      local function open(options) peer = helper.open(app_of(options), revision) end

      local function quietly(fn)
        local log = helper.logged(fn)
        return log
      end

      it("ends a tool with an error for the model, and a line in the log", function()
        open { timeout = 0.03 }
        local log = quietly(function()
          local start = core.now()
          local result = peer:call "slow"
          assert.is_true(core.now() - start >= 0.029)
          assert.is_true(result.isError)
          assert.equal('tool "slow" timed out after 0.03 s', text_of(result))
          if revision == "2026-07-28" then
            assert.equal("complete", result.resultType)
            assert.equal("spec", result._meta[helper.PREFIX .. "serverInfo"].name)
          end
        end)
        assert.matches('warning: tool "slow" timed out after 0.03 s', log, 1, true)
        helper.settle()
        assert.same({ n = 3, [2] = "timed out", [3] = "ETIMEDOUT" }, seen.sleep)
        assert.same({ true, "ETIMEDOUT", n = 2 }, seen.cancelled)
        peer:silent()
      end)

      it("ends a handler that waits again, as cancelling does", function()
        open { timeout = 0.03 }
        quietly(function() assert.is_true(peer:call("deaf").isError) end)
        helper.settle()
        assert.is_true(seen.first)
        assert.is_nil(seen.second)
        assert.is_true(seen.closed)
        assert.equal(0, core.task_count())
      end)

      it("is a tool's own if it has one, and 0 is none", function()
        open { timeout = 0.03 }
        quietly(function()
          assert.equal('tool "short" timed out after 0.01 s', text_of(peer:call "short"))
        end)
        assert.equal("waited", text_of(peer:call "patient"))
        assert.equal("at once", text_of(peer:call "quick"))
      end)

      it("is none of the server's where that is 0", function()
        open { timeout = 0 }
        peer:send(core.encode({ jsonrpc = "2.0", id = "x", method = "tools/call", params = {
          name = "slow", arguments = {}, _meta = peer.era and helper.envelope() } }))
        core.step(0.05)
        peer:silent()
        quietly(function()
          assert.equal('tool "short" timed out after 0.01 s', text_of(peer:call "short"))
        end)
      end)

      it("of a resource, template or prompt is an error of the protocol", function()
        open {}
        quietly(function()
          for _, case in ipairs {
            { "resources/read", { uri = "slow://r" }, 'resource "slow://r"' },
            { "resources/read", { uri = "slow://7" }, 'template "slow://{id}"' },
            { "prompts/get", { name = "slow" }, 'prompt "slow"' },
          } do
            local err = request(peer, case[1], case[2]).error
            assert.equal(-32001, err.code)
            assert.equal(case[3] .. " timed out after 0.02 s", err.message)
          end
        end)
      end)

      it("is put off by progress that the client asked for (IO-44)", function()
        open { timeout = 0.06 }
        local response = request(peer, "tools/call", { name = "working" }, "t")
        assert.equal("worked", text_of(response.result))
        assert.equal(6, #peer.notices)
        quietly(function()
          response = request(peer, "tools/call", { name = "working" })
          assert.equal('tool "working" timed out after 0.06 s', text_of(response.result))
        end)
      end)

      it("cannot be put off for ever (IO-44)", function()
        open { timeout = 0.04, timeout_max = 0.1 }
        quietly(function()
          local start = core.now()
          local response = request(peer, "tools/call", { name = "endless" }, "t")
          assert.equal('tool "endless" timed out after 0.1 s', text_of(response.result))
          assert.is_true(core.now() - start >= 0.099)
        end)
      end)

      it("leaves cancelling as it was", function()
        open { timeout = 60 }
        local params = { name = "slow", arguments = {} }
        if peer.era then params._meta = helper.envelope() end
        peer:send { jsonrpc = "2.0", id = 7, method = "tools/call", params = params }
        peer:notify("notifications/cancelled", { requestId = 7 })
        helper.settle()
        peer:silent()
        assert.equal("ECANCELED", seen.sleep[3])
        assert.same({ true, "ECANCELED", n = 2 }, seen.cancelled)
      end)

      it("ends many at once, each with its answer", function()
        open { timeout = 0.03 }
        quietly(function()
          for id = 1, 50 do
            local params = { name = id % 2 == 0 and "slow" or "deaf", arguments = {} }
            if peer.era then params._meta = helper.envelope() end
            peer:send { jsonrpc = "2.0", id = id, method = "tools/call", params = params }
          end
          local answered = {}
          for _ = 1, 50 do
            local message = peer:receive()
            assert.is_true(message.result.isError)
            answered[message.id] = true
          end
          assert.equal(50, #answered)
        end)
        helper.settle()
        assert.equal(0, core.task_count())
        peer:silent()
      end)
    end)
  end

  it("finds its request under a deep stack", function()
    local app = mcp.server { name = "spec", timeout = 0.02 }
    app:tool "deep" (function(_, ctx)
      local function dive(n)
        if n == 0 then return (ctx:sleep(60)) end
        return (dive(n - 1))
      end
      return tostring(dive(20000))
    end)
    local peer = helper.open(app)
    helper.logged(function()
      local start = core.now()
      assert.equal('tool "deep" timed out after 0.02 s', text_of(peer:call "deep"))
      assert.is_true(core.now() - start < 1)
    end)
  end)

  it("does not count while the client is asked", function()
    local app = mcp.server { name = "spec", timeout = 0.05 }
    app:tool "asks" (function(_, ctx)
      local answer = ctx:elicit("Who?", { name = "string" })
      return answer.name
    end)
    local peer = helper.connect(app)
    peer:initialize("2025-11-25", { elicitation = { form = {} } })
    peer:send { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "asks" } }
    local question = peer:receive()
    assert.equal("elicitation/create", question.method)
    core.sleep(0.1)
    peer:send { jsonrpc = "2.0", id = question.id,
      result = { action = "accept", content = { name = "Ann" } } }
    assert.equal("Ann", text_of(peer:response(1).result))
  end)

  it("counts again when the client has answered", function()
    local app = mcp.server { name = "spec", timeout = 0.03 }
    app:tool "asks" (function(_, ctx)
      ctx:elicit("Who?", { name = "string" })
      ctx:sleep(60)
    end)
    local peer = helper.connect(app)
    peer:initialize("2025-11-25", { elicitation = { form = {} } })
    peer:send { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "asks" } }
    local question = peer:receive()
    helper.logged(function()
      peer:send { jsonrpc = "2.0", id = question.id,
        result = { action = "accept", content = { name = "Ann" } } }
      assert.is_true(peer:response(1).result.isError)
    end)
  end)

  it("of a batch answers what has been done, and what has not", function()
    local app = app_of { timeout = 0.03 }
    local peer = helper.open(app, "2025-03-26")
    local function call(id, name)
      return { jsonrpc = "2.0", id = id, method = "tools/call", params = { name = name } }
    end
    helper.logged(function()
      peer:send(mcp.array { call(1, "quick"), call("b", "slow"),
        { jsonrpc = "2.0", method = "notifications/none" }, call(3, "quick") })
      local answers = peer:receive()
      assert.equal(3, #answers)
      assert.equal("at once", text_of(answers[1].result))
      assert.equal("b", answers[2].id)
      assert.equal(-32001, answers[2].error.code)
      assert.equal(3, answers[3].id)
      assert.equal(-32001, answers[3].error.code)
    end)
    helper.settle()
    assert.equal(0, core.task_count())
  end)

  it("is each message's own in a batch", function()
    local app = mcp.server { name = "spec", timeout = 0.06 }
    app:tool "short" { timeout = 0.03 } (function(_, ctx) return tostring(ctx:sleep(0.02)) end)
    app:tool "long" (function(_, ctx) return tostring(ctx:sleep(0.045)) end)
    local peer = helper.open(app, "2025-03-26")
    local list = mcp.array {}
    for id, name in ipairs { "short", "long", "short", "long" } do
      list[id] = { jsonrpc = "2.0", id = id, method = "tools/call", params = { name = name } }
    end
    peer:send(list)
    for _, answer in ipairs(peer:receive()) do assert.equal("true", text_of(answer.result)) end
  end)

  it("ends a call over HTTP, in both eras, and leaves the connection", function()
    local app = app_of { timeout = 0.03 }
    local host = assert(core.listen_http({ host = "127.0.0.1", port = 0 }, http.receiver(app)))
    timeout.watch(app, host)
    local system = require "codecs.peer"
    local wire = assert(system.connect(host:port()))
    local function ask(text)
      assert.equal(#text, wire:send(text))
      local deadline = core.now() + helper.LIMIT
      while core.now() < deadline do
        local all = wire:receive()
        local head, length = all:match "^(.-Content%-Length: (%d+).-\r\n\r\n)"
        if head and #all >= #head + length then
          wire:drop(#head + length)
          return { head = head, json = assert(core.decode(all:sub(#head + 1, #head + length))) }
        end
        core.step(0.01)
      end
      error "no answer came"
    end
    helper.logged(function()
      assert.equal('tool "slow" timed out after 0.03 s',
        text_of(ask(support.call(1, "slow")).json.result))
      assert.equal("at once", text_of(ask(support.call(2, "quick")).json.result))
      local opened = ask(support.request("POST", nil, support.initialize_body(0)))
      local sid = assert(opened.head:match "[Mm]cp%-[Ss]ession%-[Ii]d: (%g+)")
      for id = 3, 4 do
        local answer = ask(support.legacy(sid, support.legacy_body(id, "tools/call",
          { name = "deaf" })))
        assert.equal('tool "deaf" timed out after 0.03 s', text_of(answer.json.result))
      end
    end)
    wire:close()
    host:close()
    helper.wait_until(function() return host:is_gone() end)
    app.sessions:clear()
  end)

  it("does not end what listens", function()
    local peer = helper.peer(function(x)
      x:hold()
      return {}
    end)
    timeout.watch(app_of { timeout = 0.02 }, peer.host)
    peer:send { jsonrpc = "2.0", id = 1, method = "held" }
    core.sleep(0.06)
    peer:silent()
  end)

  it("that is no time is refused where it is written", function()
    for _, name in ipairs { "timeout", "timeout_max", "heartbeat" } do
      for _, bad in ipairs { -1, 0 / 0, math.huge } do
        local _, err = pcall(function() mcp.server { name = "x", [name] = bad } end)
        assert.matches("^%S*timeout_spec.lua:%d+: mcp.server: " .. name .. ": expected seconds, "
          .. "0 or more, got", err)
      end
      assert.error_matches(function() mcp.server { name = "x", [name] = "1" } end,
        "expected a number, got string")
    end
    local _, err = pcall(function() mcp.server "x":tool "t" { timeout = -1 } (print) end)
    assert.matches('^%S*timeout_spec.lua:%d+: tool "t": timeout: expected seconds, 0 or more', err)
    assert.same({ time = 60, max = 600, interval = 0 }, mcp.server("x").clock)
    assert.equal(900, mcp.server { name = "x", timeout = 900 }.clock.max)
  end)

  it("finds the request at the position that dispatch and legacy declare", function()
    local dispatch, legacy = require "mcp.server.dispatch", require "mcp.server.front.legacy"
    assert.equal("ctx", debug.getlocal(dispatch.request, dispatch.request_ctx))
    assert.equal("messages", debug.getlocal(legacy.batch, legacy.batch_messages))
  end)

  it("of a handler that the runtime is to close dies with it", function()
    local code = [[
      local helper, mcp = require "spec.helper", require "mcp"
      local app = mcp.server { name = "s", timeout = 0.01 }
      app:tool "slow" (function(_, ctx) ctx:sleep(60) end)
      local peer = helper.open(app)
      peer:send { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "slow" } }
      for _ = 1, 3 do require("mcp.core").step(0) end
      print(require("mcp.core").task_count())
    ]]
    local output, status = helper.shell(("%s -e %s 2>&1"):format(os.getenv "LUA" or "lua5.4",
      helper.quote(code)))
    assert.equal("1\n", output)
    assert.equal(0, status)
  end)
end)
