-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local MODERN = "2026-07-28"
local BOTH = { "2025-11-25", MODERN }

describe("ctx", function()
  after_each(helper.leftovers)

  -- A peer of an app with one tool "t".
  local function with(handler, revision, capabilities)
    local app = mcp.server "spec"
    app:tool "t" (handler)
    local peer = helper.connect(app)
    if revision == MODERN then
      peer.era = "modern"
    else
      peer:initialize(revision, capabilities)
    end
    return peer
  end

  -- Calls "t" with members of _meta. Gives the response; notices are in peer.notices.
  local function call(peer, meta)
    peer.notices = {}
    local _meta = peer.era and helper.envelope(meta) or meta
    return peer:request("tools/call", { name = "t", _meta = _meta })
  end

  describe("facts", function()
    it("of a session", function()
      local seen = {}
      local peer = with(function(_, ctx)
        for _, key in ipairs { "client", "capabilities", "meta", "headers", "transport", "session",
          "revision", "uri" } do seen[key] = ctx[key] end
        return tostring(ctx)
      end, "2025-06-18", { sampling = {} })
      local response = call(peer, { ["my.org/x"] = 1 })
      assert.equal("spec", seen.client.name)
      assert.same({}, helper.plain(seen.capabilities.sampling))
      assert.equal(1, seen.meta["my.org/x"])
      assert.same({}, seen.headers)
      assert.equal("memory", seen.transport)
      assert.is_table(seen.session)
      assert.equal("2025-06-18", seen.revision.name)
      assert.is_nil(seen.uri)
      assert.equal("mcp.context (tools/call, 2025-06-18)", response.result.content[1].text)
    end)

    it("of an envelope: nothing of an earlier request (IO-69)", function()
      local seen
      local peer = with(function(_, ctx)
        seen = { client = ctx.client, sampling = ctx.capabilities.sampling, session = ctx.session,
          revision = ctx.revision.name, mine = ctx.meta["my.org/x"] }
        return "ok"
      end, MODERN)
      call(peer, { [helper.PREFIX .. "clientInfo"] = { name = "c", version = "2" },
        [helper.PREFIX .. "clientCapabilities"] = { sampling = {} }, ["my.org/x"] = "m" })
      assert.equal("c", seen.client.name)
      assert.is_table(seen.sampling)
      assert.equal("m", seen.mine)
      assert.is_nil(seen.session)
      assert.equal(MODERN, seen.revision)
      call(peer)
      assert.same({ revision = MODERN }, seen)
    end)

    it("meta is there and empty when the request has none; members that are unknown are nil",
      function()
        local seen
        local peer = with(function(_, ctx)
          seen = { ctx.meta, ctx.nosuch }
          return "ok"
        end)
        call(peer)
        assert.is_table(seen[1])
        assert.is_nil(next(seen[1]))
        assert.is_nil(seen[2])
      end)

    it("a _meta that is no object is none, where it is allowed to be absent", function()
      local seen
      local peer = with(function(_, ctx) seen = ctx.meta return "ok" end)
      for _, odd in ipairs { 5, "x", mcp.null, mcp.array { 1 } } do
        seen = nil
        local response = peer:request("tools/call", { name = "t", _meta = odd })
        if response.result then assert.is_nil(next(seen)) end
      end
    end)
  end)

  describe("progress", function()
    it("goes out with the token it was asked with, 0 and \"\" too (T-63)", function()
      for _, revision in ipairs(BOTH) do
        local peer = with(function(_, ctx)
          assert.is_true(ctx:progress(1, 2, "half"))
          assert.is_true(ctx:progress(2))
          return "ok"
        end, revision)
        for _, token in ipairs { 0, "", "a7", 7, -1, 9007199254740993 } do
          local response = call(peer, { progressToken = token })
          assert.equal("ok", response.result.content[1].text)
          assert.equal(2, #peer.notices)
          assert.same({ jsonrpc = "2.0", method = "notifications/progress", params =
            { progressToken = token, progress = 1, total = 2, message = "half" } }, peer.notices[1])
          assert.same({ progressToken = token, progress = 2 }, peer.notices[2].params)
        end
      end
    end)

    it("does not go out when nobody asked", function()
      for _, revision in ipairs(BOTH) do
        local peer = with(function(_, ctx) return tostring(ctx:progress(1)) end, revision)
        local response = call(peer)
        assert.equal("false", response.result.content[1].text)
        assert.same({}, peer.notices)
      end
    end)

    it("a token that is none is as if nobody had asked, or is refused", function()
      for _, revision in ipairs(BOTH) do
        local peer = with(function(_, ctx) return tostring(ctx:progress(1)) end, revision)
        for _, odd in ipairs { true, mcp.array {}, 1.5 } do
          local response = call(peer, { progressToken = odd })
          assert.same({}, peer.notices)
          if peer.era then
            assert.equal(-32602, response.error.code)
          else
            assert.equal("false", response.result.content[1].text)
          end
        end
      end
    end)

    it("a fraction is fine, anything but a number is an error at the handler's line", function()
      local peer = with(function(_, ctx)
        ctx:progress(0.5, 1.0)
        ctx:progress "x"
      end)
      helper.logged(function()
        local response = call(peer, { progressToken = 1 })
        assert.equal(0.5, peer.notices[1].params.progress)
        assert.equal("ctx:progress: expected a number, got string", response.result.content[1].text)
      end)
    end)

    it("what JSON cannot carry breaks no line", function()
      local peer = with(function(_, ctx) ctx:progress(0 / 0) end)
      helper.logged(function()
        local response = call(peer, { progressToken = 1 })
        assert.is_true(response.result.isError)
        assert.same({}, peer.notices)
      end)
    end)

    it("comes before the answer, in order", function()
      local peer = with(function(_, ctx)
        for i = 1, 50 do ctx:progress(i) end
        return "ok"
      end)
      call(peer, { progressToken = 1 })
      for i = 1, 50 do assert.equal(i, peer.notices[i].params.progress) end
    end)

    it("waits while the client does not read", function()
      local sent = 0
      local peer = with(function(_, ctx)
        for i = 1, 64 do
          ctx:progress(i, 64, ("x"):rep(65536))
          sent = i
        end
        return "ok"
      end)
      peer.wire:pause(true)
      peer:send { jsonrpc = "2.0", id = "big", method = "tools/call",
        params = { name = "t", _meta = { progressToken = 1 } } }
      helper.settle()
      assert.is_true(sent < 64, "the handler was not held up")
      peer.wire:pause(false)
      assert.equal("ok", peer:response("big").result.content[1].text)
      assert.equal(64, sent)
    end)
  end)

  describe("log", function()
    local LEVELS = { "debug", "info", "notice", "warning", "error", "critical", "alert",
      "emergency" }

    local function logging(_, ctx)
      for _, level in ipairs(LEVELS) do ctx:log(level, { at = level }, "spec") end
      return "ok"
    end

    it("keeps to the session's level, info at first (4.4)", function()
      local peer = with(logging)
      call(peer)
      assert.equal(7, #peer.notices)
      assert.same({ jsonrpc = "2.0", method = "notifications/message",
        params = { level = "info", logger = "spec", data = { at = "info" } } }, peer.notices[1])
      for i, level in ipairs(LEVELS) do
        assert.same({}, peer:request("logging/setLevel", { level = level }).result)
        call(peer)
        assert.equal(#LEVELS - i + 1, #peer.notices, level)
        assert.equal(level, peer.notices[1].params.level)
      end
    end)

    it("goes out in the modern era only where the request names a level", function()
      local peer = with(logging, MODERN)
      call(peer)
      assert.same({}, peer.notices)
      for i, level in ipairs(LEVELS) do
        call(peer, { [helper.PREFIX .. "logLevel"] = level })
        assert.equal(#LEVELS - i + 1, #peer.notices, level)
      end
      call(peer)
      assert.same({}, peer.notices)
      local response = call(peer, { [helper.PREFIX .. "logLevel"] = "loud" })
      assert.equal(-32602, response.error.code)
      assert.equal(-32602, call(peer, { [helper.PREFIX .. "logLevel"] = 3 }).error.code)
    end)

    it("a level of one session is not another's", function()
      local app = mcp.server "spec"
      app:tool "t" (logging)
      local one, two = helper.open(app), helper.open(app)
      one:request("logging/setLevel", { level = "emergency" })
      call(one)
      assert.equal(1, #one.notices)
      call(two)
      assert.equal(7, #two.notices)
    end)

    it("data may be anything JSON carries, false and null too", function()
      local peer = with(function(_, ctx)
        for _, data in ipairs { "x", 5, false, mcp.null, mcp.array {} } do
          ctx:log("error", data)
        end
        ctx:log("error")
        return "ok"
      end)
      call(peer)
      local seen = {}
      for i, notice in ipairs(peer.notices) do seen[i] = helper.plain(notice.params.data) end
      assert.same({ "x", 5, false, helper.null, {}, "" }, seen)
    end)

    it("an unknown level is an error", function()
      local peer = with(function(_, ctx) ctx:log("warn", "x") end)
      helper.logged(function()
        assert.matches('unknown level "warn"', call(peer).result.content[1].text, 1, true)
      end)
    end)
  end)

  describe("cancellation", function()
    -- A tool that waits, and what became of it.
    local function waiting(revision, handler)
      local app = mcp.server "spec"
      local seen = { closed = 0 }
      app:tool "wait" (function(args, ctx)
        local _ <close> = setmetatable({}, { __close = function()
          seen.closed = seen.closed + 1
        end })
        return handler(args, ctx, seen)
      end)
      app:tool "echo" (function() return "ok" end)
      local peer = helper.open(app, revision)
      local function start(id, meta)
        peer:send { jsonrpc = "2.0", id = id, method = "tools/call", params = { name = "wait",
          _meta = peer.era and helper.envelope(meta) or meta } }
        helper.settle()
      end
      return peer, seen, start
    end

    for _, revision in ipairs(BOTH) do
      describe("in " .. revision, function()
        it("a wait returns, the handler may tidy up, nothing is sent for it (IO-62, IO-63)",
          function()
            local peer, seen, start = waiting(revision, function(_, ctx, s)
              assert.is_false(ctx:cancelled())
              s.wait = table.pack(ctx:sleep(30))
              s.cancelled = ctx:cancelled()
              s.progress = table.pack(ctx:progress(1))
              s.log = table.pack(ctx:log("error", "x"))
              return "an answer nobody wants"
            end)
            start(7, { progressToken = 1, [helper.PREFIX .. "logLevel"] = "debug" })
            peer:notify("notifications/cancelled", { requestId = 7, reason = "because" })
            peer:silent()
            assert.equal(nil, seen.wait[1])
            assert.equal("ECANCELED", seen.wait[3])
            assert.is_true(seen.cancelled)
            assert.equal("ECANCELED", seen.progress[3])
            assert.equal("ECANCELED", seen.log[3])
            assert.equal(1, seen.closed)
            assert.equal(0, core.task_count())
          end)

        it("a second wait ends the coroutine, its <close> variables run", function()
          local peer, seen, start = waiting(revision, function(_, ctx, s)
            ctx:sleep(30)
            s.once = true
            ctx:sleep(30)
            s.twice = true
          end)
          start(7)
          peer:notify("notifications/cancelled", { requestId = 7 })
          peer:silent()
          assert.is_true(seen.once)
          assert.is_nil(seen.twice)
          assert.equal(1, seen.closed)
          assert.equal(0, core.task_count())
        end)

        it("an error raised after it is not sent either", function()
          local peer, seen, start = waiting(revision, function(_, ctx)
            ctx:sleep(30)
            error "too late"
          end)
          start(7)
          helper.logged(function()
            peer:notify("notifications/cancelled", { requestId = 7 })
            peer:silent()
          end)
          assert.equal(1, seen.closed)
        end)

        it("other calls go on meanwhile, and the id is free again", function()
          local peer, seen, start = waiting(revision, function(_, ctx) ctx:sleep(30) return "x" end)
          start(7)
          start("8")
          peer:notify("notifications/cancelled", { requestId = 7 })
          assert.equal("ok", peer:call("echo").content[1].text)
          assert.equal(1, seen.closed)
          assert.equal(1, core.task_count())
          start(7)
          assert.equal(2, core.task_count())
          peer:notify("notifications/cancelled", { requestId = "8" })
          peer:notify("notifications/cancelled", { requestId = 7 })
          peer:silent()
          assert.equal(3, seen.closed)
        end)

        it("the type of an id counts: \"7\" is not 7", function()
          local peer, seen, start = waiting(revision, function(_, ctx) ctx:sleep(30) return "x" end)
          start(7)
          peer:notify("notifications/cancelled", { requestId = "7" })
          peer:silent()
          assert.equal(0, seen.closed)
          peer:notify("notifications/cancelled", { requestId = 7 })
          peer:silent()
          assert.equal(1, seen.closed)
        end)

        it("ids of every spelling can be cancelled", function()
          local peer, seen, start = waiting(revision, function(_, ctx) ctx:sleep(30) return "x" end)
          local cancelled = 0
          for _, raw in ipairs { "0", '""', '"\\u0041"', '"a\\/b"', "-1" } do
            start(0)
            peer:notify("notifications/cancelled", { requestId = 0 })
            peer:silent()
            cancelled = cancelled + 1
            peer:send(('{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":%s}'):format(raw,
              core.encode { name = "wait", _meta = peer.era and helper.envelope() or nil }))
            helper.settle()
            peer:send(('{"jsonrpc":"2.0","method":"notifications/cancelled",'
              .. '"params":{"requestId":%s}}'):format(raw))
            peer:silent()
            cancelled = cancelled + 1
            assert.equal(cancelled, seen.closed, raw)
          end
        end)

        it("an id spelled otherwise in the cancellation is the same id", function()
          local peer, seen, start = waiting(revision, function(_, ctx) ctx:sleep(30) return "x" end)
          start "A"
          peer:send('{"jsonrpc":"2.0","method":"notifications/cancelled",'
            .. '"params":{"requestId":"\\u0041"}}')
          peer:silent()
          assert.equal(1, seen.closed)
        end)

        it("unknown, finished and malformed references are ignored (4.2, T-62)", function()
          local peer, seen, start = waiting(revision, function(_, ctx) ctx:sleep(30) return "x" end)
          start(7)
          for _, odd in ipairs { 99, "nosuch", mcp.null, mcp.array { 7 }, true, 1.5 } do
            peer:notify("notifications/cancelled", { requestId = odd })
          end
          peer:notify("notifications/cancelled", {})
          peer:notify "notifications/cancelled"
          peer:silent()
          assert.equal(0, seen.closed)
        end)

        it("a handler that pcalls its waits ends all the same", function()
          local peer, seen, start = waiting(revision, function(_, ctx, s)
            s.turns = 0
            while true do
              pcall(ctx.sleep, ctx, 30)
              s.turns = s.turns + 1
              if s.turns > 10 then return "escaped" end
            end
          end)
          start(7)
          peer:notify("notifications/cancelled", { requestId = 7 })
          peer:silent()
          assert.equal(1, seen.turns)
          assert.equal(1, seen.closed)
        end)
      end)
    end

    it("mcp.all within a cancelled handler returns ECANCELED", function()
      local peer, seen, start = waiting("2025-11-25", function(_, _, s)
        s.all = table.pack(mcp.all { function() mcp.sleep(0.02) end })
        return "x"
      end)
      start(7)
      peer:notify("notifications/cancelled", { requestId = 7 })
      peer:silent()
      assert.equal("ECANCELED", seen.all[3])
      helper.wait_until(function() return core.task_count() == 0 end, "the spawned task")
    end)
  end)

  describe("sleep", function()
    it("lets others go on, and returns true", function()
      local peer = with(function(_, ctx) return tostring(ctx:sleep(0.001)) end)
      assert.equal("true", call(peer).result.content[1].text)
    end)

    it("refuses what is no time", function()
      for _, odd in ipairs { -1, 0 / 0, math.huge, "x", {} } do
        local peer = with(function(_, ctx) ctx:sleep(odd) end)
        helper.logged(function() assert.is_true(call(peer).result.isError) end)
        peer:close()
      end
    end)
  end)

  describe("require_capability", function()
    local function handler(_, ctx)
      ctx:require_capability { elicitation = { url = {} } }
      return "ok"
    end

    it("raises -32021 with a capabilities object in the modern era", function()
      local peer = with(handler, MODERN)
      local err = call(peer).error
      assert.equal(-32021, err.code)
      assert.same({ requiredCapabilities = { elicitation = { url = {} } } }, helper.plain(err.data))
      err = call(peer, { [helper.PREFIX .. "clientCapabilities"] = { elicitation = {} } }).error
      assert.equal(-32021, err.code)
      assert.equal("ok", call(peer, { [helper.PREFIX .. "clientCapabilities"] =
        { elicitation = { url = {} } } }).result.content[1].text)
    end)

    it("raises an invalid request in a session", function()
      local peer = with(handler, nil, { elicitation = {} })
      local err = call(peer).error
      assert.equal(-32600, err.code)
      assert.matches("elicitation", err.message, 1, true)
      peer:close()
      peer = with(handler, nil, { elicitation = { url = {} } })
      assert.equal("ok", call(peer).result.content[1].text)
    end)
  end)

  -- What an exchange does when its way back is lost: HL-27 by way of memory.
  describe("a lost connection that does not cancel (HL-27)", function()
    it("leaves the handler running and uncancelled, and x:cancel still reaches it", function()
      local waiter, seen, exchange = core.waiter(), {}, nil
      local peer = helper.peer(function(x)
        exchange = x
        x:survive()
        waiter:wait()
        seen.cancelled = x:is_cancelled()
        seen.open = x:is_open()
        seen.sleep = table.pack(core.sleep(30))
        return {}
      end)
      peer:send '{"jsonrpc":"2.0","id":1,"method":"x"}'
      helper.settle()
      peer:close()
      assert.equal(1, core.task_count())
      waiter:wake()
      helper.settle()
      assert.is_false(seen.open)
      assert.is_false(seen.cancelled, "ctx:cancelled() is true for a handler nobody cancelled")
      exchange:cancel()
      helper.settle()
      local ended = seen.sleep
      -- So that nothing is left if it was not.
      if not ended then
        collectgarbage()
        error "x:cancel() does not reach a handler whose connection was lost"
      end
      assert.equal("ECANCELED", ended[3])
    end)
  end)
end)
