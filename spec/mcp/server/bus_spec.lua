-- SPDX-License-Identifier: MIT
-- What has changed, and who hears of it: once, by one stream, in the way of its era.
local core = require "mcp.core"
local bus = require "mcp.server.bus"
local helper = require "spec.helper"
local mcp = require "mcp"
local sessions = require "mcp.server.session"

local TAG = helper.PREFIX .. "subscriptionId"
local LIST = { tools = "notifications/tools/list_changed",
  prompts = "notifications/prompts/list_changed",
  resources = "notifications/resources/list_changed" }
local UPDATED = "notifications/resources/updated"

describe("the bus", function()
  local app, peer
  before_each(function()
    app = mcp.server "spec"
    app:tool "echo" (function() return "ok" end)
    app:prompt "ask" (function() return "?" end)
    app:resource "test://one" (function() return "1" end)
    app:resource "test://two" (function() return "2" end)
  end)
  after_each(function()
    app.sessions:clear()
    app.bus:close()
    helper.leftovers()
  end)

  local function passing(kind, name)
    app[kind](app, name)(function() return "gone" end)
    app:remove(kind, name)
  end

  -- The methods of all that has come.
  local function methods(of)
    local out = {}
    for i, message in ipairs((of or peer):rest_of_messages()) do out[i] = message.method end
    return out
  end

  local function listen(of, filter, id)
    of:send { jsonrpc = "2.0", id = id, method = "subscriptions/listen",
      params = { notifications = filter, _meta = helper.envelope() } }
    local first = of:receive()
    assert.equal("notifications/subscriptions/acknowledged", first.method, core.encode(first))
    return first
  end

  -- A session as it is kept for HTTP, with a stream that writes down what it is told.
  local function session_with_stream()
    local one = require("mcp.server.front.legacy").initialize(app,
      { protocolVersion = "2025-11-25" })
    app.sessions:add(one)
    require("mcp.server.front.legacy").notification(nil, one, "notifications/initialized",
      nil, app)
    local stream = { told = {} }
    function stream:is_cancelled() return self.over end
    function stream:is_open() return not self.over end
    function stream:release() self.over = true end
    function stream:cut() self.over, self.was_cut = true, true end
    function stream:send(method, params)
      if self.over then return nil, "closed", "ECLOSED" end
      if self.deaf then return nil, "too many at once", "EBUSY" end
      self.told[#self.told + 1] = params and method .. " " .. params.uri or method
      return true
    end
    return one, stream
  end

  describe("tells a session", function()
    before_each(function() peer = helper.open(app) end)

    it("has one coroutine for all changes of a turn", function()
    local real, count = core.spawn, 0
    core.spawn = function(...) -- luacheck: ignore
      count = count + 1
      return real(...)
    end
    app.sessions.count = app.sessions.count + 1
    app.bus:publish "tools"
    app.bus:publish "prompts"
    app.bus:publish "test://one"
    app.sessions.count = app.sessions.count - 1
    core.spawn = real -- luacheck: ignore
    assert.equal(1, count)
    helper.settle()
  end)

  it("of what comes and goes, once for each turn and kind (T-85)", function()
      passing("tool", "a")
      passing("tool", "b")
      app:changed "tools"
      assert.same({ LIST.tools }, methods())
    end)

    it("of each kind by its own notification, without params", function()
      for _, kind in ipairs { "tool", "prompt" } do
        passing(kind, "passing")
        assert.equal('{"jsonrpc":"2.0","method":"' .. LIST[kind .. "s"] .. '"}',
          peer:receive_line())
      end
      passing("resource", "test://passing")
      assert.equal(LIST.resources, peer:receive().method)
      passing("resource", "test://{passing}")
      assert.equal(LIST.resources, peer:receive().method)
      peer:silent()
    end)

    it("of several in the order in which they changed", function()
      app:changed "resources"
      app:changed "tools"
      app:changed "resources"
      app:changed "prompts"
      assert.same({ LIST.resources, LIST.tools, LIST.prompts }, methods())
    end)

    it("again in a later turn", function()
      for _ = 1, 3 do
        app:changed "tools"
        assert.same({ LIST.tools }, methods())
      end
    end)

    it("of a resource only if it has subscribed to just that URI, coalesced", function()
      peer:request("resources/subscribe", { uri = "test://one" })
      for _ = 1, 10 do
        app:resource_updated "test://one"
        app:resource_updated "test://two"
        app:resource_updated "test://one/part"
        app:resource_updated "TEST://one"
      end
      assert.equal('{"jsonrpc":"2.0","method":"' .. UPDATED .. '","params":{"uri":"test://one"}}',
        peer:receive_line())
      peer:silent()
    end)

    it("from inside a handler, after what was changed there has changed", function()
      app:tool "grow" (function(_, ctx)
        passing("tool", "x")
        ctx:sleep(0)
        passing("tool", "y")
        return "grown"
      end)
      assert.same({ LIST.tools }, methods())
      peer:call "grow"
      peer:rest_of_messages()
      local told = 0
      for _, notice in ipairs(peer.notices) do
        if notice.method == LIST.tools then told = told + 1 end
      end
      assert.is_true(told >= 1, "nobody was told of a change before a wait")
    end)

    it("nothing before it is initialized (IO-41)", function()
      local early = helper.connect(app)
      early:request("initialize", { protocolVersion = "2025-11-25", capabilities = {},
        clientInfo = { name = "c", version = "1" } })
      app:changed "tools"
      early:silent()
      early:notify "notifications/initialized"
      helper.settle()
      app:changed "tools"
      assert.same({ LIST.tools }, methods(early))
      early:notify "notifications/initialized"
      helper.settle()
      app:changed "tools"
      assert.same({ LIST.tools }, methods(early))
    end)

    it("nothing of a kind that was not declared to it", function()
      local bare = mcp.server "bare"
      bare:tool "t" (function() end)
      local other = helper.open(bare)
      bare:prompt "new" (function() end)
      bare:resource "a:b" (function() end)
      bare:tool "new" (function() end)
      assert.same({ LIST.tools }, methods(other))
      assert.same({ LIST.tools, LIST.prompts, LIST.resources }, (function()
        local late = helper.open(bare)
        for _, kind in ipairs { "tools", "prompts", "resources" } do bare:changed(kind) end
        return methods(late)
      end)())
    end)

    it("that is gone nothing, and forgets it", function()
      helper.settle()
      peer:close()
      app:changed "tools"
      helper.settle()
      assert.is_nil(next(app.bus.links))
    end)

    it("that does not read, no more than it can hold; and what it missed when it reads", function()
      peer:request("resources/subscribe", { uri = "test://one" })
      local long = "test://" .. ("x"):rep(1000)
      app:resource(long) (function() return "" end)
      helper.settle()
      peer:rest_of_messages()
      peer:request("resources/subscribe", { uri = long })
      peer.wire:pause(true)
      local log = helper.logged(function()
        for _ = 1, 1200 do
          app:resource_updated(long)
          core.step(0)
        end
        app:changed "tools"
        core.step(0)
        core.step(0)
      end)
      assert.equal(1, select(2, log:gsub("does not read", "")), log)
      peer.wire:pause(false)
      local came, bytes = peer:rest_of_messages(), 0
      for _, message in ipairs(came) do
        bytes = bytes + #core.encode(message) + 1
        assert.equal(long, message.params.uri)
      end
      assert.is_true(bytes > 1 << 20 and bytes < (1 << 20) + 3000, bytes .. " bytes were queued")
      -- The next notice brings what is missing, each once.
      app:changed "prompts"
      local told = methods()
      table.sort(told)
      assert.same({ LIST.prompts, UPDATED, LIST.tools }, told)
    end)
  end)

  describe("tells a session that is stored", function()
    it("of a resource without asking the others, and no session of another app", function()
      local one, stream = session_with_stream()
      one.stream = stream
      sessions.subscribe(one, bus.key "test://one", "test://one")
      for _ = 1, 3 do
        -- Whatever a change would read of these is an error.
        local other = session_with_stream()
        app.sessions.by_id[other.id] = setmetatable({ id = other.id }, { __index = error })
      end
      local elsewhere = mcp.server "elsewhere"
      elsewhere:resource "test://one" (function() return "1" end)
      local far <close> = assert(mcp.connect(elsewhere, { revision = "2025-11-25" }))
      local heard = 0
      assert(far:subscribe("test://one", function() heard = heard + 1 end))
      app:resource_updated "test://one"
      helper.settle()
      assert.same({ UPDATED .. " test://one" }, stream.told)
      assert.equal(0, heard)
      elsewhere:resource_updated "test://one"
      helper.wait_until(function() return heard == 1 end, "the notification of the other app")
      assert.equal(1, #stream.told)
      assert.is_true(app.bus:watches "test://one")
      sessions.close(one)
      assert.is_false(app.bus:watches "test://one")
      for id in pairs(app.sessions.by_id) do app.sessions.by_id[id] = nil end
    end)

    it("by its stream, and by no other (HL-34, HL-33)", function()
      local one, stream = session_with_stream()
      local _, other = session_with_stream()
      one.stream = stream
      sessions.subscribe(one, bus.key "test://one", "test://one")
      app:changed "tools"
      app:resource_updated "test://one"
      helper.settle()
      assert.same({ LIST.tools, UPDATED .. " test://one" }, stream.told)
      assert.same({}, other.told)
    end)

    it("when it opens a stream, of what it has missed, once", function()
      local one, stream = session_with_stream()
      for _, uri in ipairs { "test://one", "test://two" } do
        sessions.subscribe(one, bus.key(uri), uri)
      end
      for _ = 1, 3 do
        app:changed "tools"
        app:resource_updated "test://one"
        app:resource_updated "test://two"
        helper.settle()
      end
      sessions.unsubscribe(one, bus.key "test://two")
      bus.catch_up(one, stream)
      table.sort(stream.told)
      assert.same({ UPDATED .. " test://one", LIST.tools }, stream.told)
      bus.catch_up(one, stream)
      assert.equal(2, #stream.told)
    end)

    it("that does not read no more: its stream is cut, the session goes on", function()
      local one, stream = session_with_stream()
      one.stream, stream.deaf = stream, true
      local log = helper.logged(function()
        app:changed "tools"
        helper.settle()
      end)
      assert.is_true(stream.was_cut)
      assert.matches("closing the stream of a session: notification could not be delivered", log)
      assert.is_nil(one.stream)
      assert.equal(one, app.sessions:find(one.id))
      assert.same({ tools = true }, one.missed)
    end)
  end)

  describe("tells a listen", function()
    it("of what it asked for, tagged, and of nothing else", function()
      peer = helper.open(app, "2026-07-28")
      listen(peer, { toolsListChanged = true, resourceSubscriptions = { "test://one" } }, 7)
      for kind in pairs(LIST) do app:changed(kind) end
      app:resource_updated "test://one"
      app:resource_updated "test://two"
      local came = {}
      for _, message in ipairs(peer:rest_of_messages()) do
        came[message.method] = message.params
      end
      assert.same({
        [LIST.tools] = { _meta = { [TAG] = 7 } },
        [UPDATED] = { uri = "test://one", _meta = { [TAG] = 7 } },
      }, helper.plain(came))
    end)

    it("and sessions of one change by one publication (T-85)", function()
      local old, new = helper.open(app), helper.open(app, "2026-07-28")
      listen(new, { toolsListChanged = true }, "a")
      listen(new, { toolsListChanged = true }, "b")
      passing("tool", "x")
      local tags = {}
      for _, message in ipairs(new:rest_of_messages()) do
        tags[#tags + 1] = message.params._meta[TAG]
      end
      table.sort(tags)
      assert.same({ "a", "b" }, tags)
      assert.same({ LIST.tools }, methods(old))
    end)

    it("not of what changed before it was there", function()
      local old, new = helper.open(app), helper.open(app, "2026-07-28")
      new:send { jsonrpc = "2.0", id = 1, method = "subscriptions/listen",
        params = { notifications = { toolsListChanged = true }, _meta = helper.envelope() } }
      app.bus.noted.tools, app.bus.changes[1] = true, "tools" -- published, and not told yet
      assert.equal("notifications/subscriptions/acknowledged", new:receive().method)
      new:silent()
      assert.same({ LIST.tools }, methods(old))
    end)

    it("that does not read no more: it is ended, the others are told", function()
      local deaf, good = helper.open(app, "2026-07-28"), helper.open(app, "2026-07-28")
      local long = "test://" .. ("x"):rep(1000)
      app:resource(long) (function() return "" end)
      listen(deaf, { resourceSubscriptions = { long } }, 1)
      listen(good, { resourceSubscriptions = { long } }, 1)
      deaf.wire:pause(true)
      local count = 0
      local log = helper.logged(function()
        for _ = 1, 1200 do
          app:resource_updated(long)
          core.step(0)
          core.step(0)
          count = count + #good:rest_of_messages()
        end
      end)
      assert.equal(1200, count)
      assert.equal(1, app.bus.count)
      assert.equal(1, select(2, log:gsub("closing subscription: notification could not be "
        .. "delivered", "")), log)
      deaf.wire:pause(false)
      local came = deaf:rest_of_messages()
      local last = came[#came]
      assert.same({ -32000, 1 }, { last.error.code, last.id })
      assert.is_true(#came < 1100, #came .. " notices were queued")
    end)

    it("for the last time when it closes: each has its result (T-83)", function()
      peer = helper.open(app, "2026-07-28")
      listen(peer, { toolsListChanged = true }, "x")
      app:changed "tools"
      app.bus:close()
      local came = peer:rest_of_messages()
      assert.equal(LIST.tools, came[1].method)
      assert.same({ jsonrpc = "2.0", id = "x", result = { resultType = "complete", _meta = {
        [TAG] = "x", [helper.PREFIX .. "serverInfo"] = { name = "spec", version = "0.0.0" } } } },
        helper.plain(came[2]))
      assert.is_nil(came[3])
      assert.equal(0, app.bus.count)
      app:changed "tools"
      peer:silent()
    end)
  end)

  it("does nothing while nobody is there", function()
    for kind in pairs(LIST) do app:changed(kind) end
    app:resource_updated "test://one"
    assert.equal(0, #app.bus.changes)
    assert.equal(0, core.task_count())
  end)

  it("raises, where it was called, what is no kind and no URI", function()
    local function raises(pattern, fn)
      local ok, why = pcall(fn)
      assert.is_false(ok)
      assert.matches("^spec/mcp/server/bus_spec.lua:%d+: " .. pattern, why)
    end
    raises('app:changed: .*got "tool"', function() app:changed "tool" end)
    raises("app:changed: .*got nil", function() app:changed() end)
    raises("app:resource_updated: .*got table", function() app:resource_updated {} end)
    raises('app:resource_updated: .*got "tools"', function() app:resource_updated "tools" end)
    raises("app:resource_updated: .*got", function() app:resource_updated "a:\xff" end)
    raises("mcp.server: subscriptions: unknown option",
      function() mcp.server { name = "a", subscriptions = { most = 1 } } end)
  end)

  it("makes one set of kinds for all who want the same", function()
    assert.equal(bus.set(true, false, nil), bus.set(1, nil, nil, {}))
    assert.same({ tools = true, resources = true, ["a:b"] = "a:b" },
      bus.set(true, nil, true, { "a:b" }))
    assert.same({ tools = true, resources = true }, bus.set(true, nil, true))
  end)
end)
