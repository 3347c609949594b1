-- SPDX-License-Identifier: MIT
-- init_spec.lua: lua/mcp/client/init.lua: the life of a client.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local function sleeper()
  local app, log = mcp.server "own", {}
  app:tool "sleep" (function(_, ctx)
    local _ <close> = setmetatable({}, { __close = function() log.closed = true end })
    log.began = true
    ctx:sleep(10)
    return "slept"
  end)
  return app, log
end

describe("a client", function()
  after_each(scripted.leftovers)

  it("is closed at the end of its block, with calls in flight, outside of tasks", function()
    local app, log = sleeper()
    local code
    do
      local client <close> = assert(mcp.connect(app))
      mcp.spawn(function() code = select(3, client:call_tool "sleep") end)
      helper.wait_until(function() return log.began end)
    end
    helper.wait_until(function() return code end)
    assert.equal("ECLOSED", code)
    helper.wait_until(function() return log.closed end)
    helper.wait_until(function() return core.task_count() == 0 end)
  end)

  it("is closed at the end of its block in a task, and of the task that is cancelled", function()
    local app, log = sleeper()
    mcp.run(function()
      local client <close> = assert(mcp.connect(app))
      mcp.spawn(function() client:call_tool "sleep" end)
      while not log.began do mcp.sleep(0.001) end
    end)
    helper.wait_until(function() return core.task_count() == 0 end)
    assert.is_true(log.closed)
    app, log = sleeper()
    local tasks = core.waiter()
    tasks:spawn(function()
      local client <close> = assert(mcp.connect(app))
      client:call_tool "sleep"
      client:call_tool "sleep"
    end)
    helper.wait_until(function() return log.began end)
    tasks:cancel()
    helper.wait_until(function() return core.task_count() == 0 end)
    assert.is_true(log.closed)
  end)

  it("that is dropped is closed, and so is the connection", function()
    local app = mcp.server "own"
    app:tool "t" (function() return "x" end)
    local client = assert(mcp.connect(app))
    assert(client:call_tool "t")
    local held = setmetatable({ client, client.transport.host }, { __mode = "v" })
    client = nil -- luacheck: ignore
    helper.wait_until(function()
      collectgarbage()
      return held[1] == nil and held[2] == nil
    end, "the collector")
    helper.settle()
    assert.equal(0, core.task_count())
  end)

  it("leaves nothing behind, however often", function()
    local app = mcp.server "own"
    app:tool "t" (function() return "x" end)
    app:resource "r://a" (function() return "x" end)
    local function round()
      for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
        local client <close> = assert(mcp.connect(app, { revision = revision,
          on_change = function() end }))
        assert(client:call_tool "t")
        assert(client:subscribe("r://a", function() end))
      end
      helper.settle()
      collectgarbage()
      collectgarbage()
      helper.settle()
    end
    for _ = 1, 3 do round() end
    local before = core.bytes_held()
    for _ = 1, 10 do round() end
    assert.is_true(core.bytes_held() <= before + 8192,
      ("%d bytes more"):format(core.bytes_held() - before))
    assert.equal(0, core.task_count())
  end)

  it("waits in tasks and outside of them alike", function()
    local app = mcp.server "own"
    app:tool "t" (function(_, ctx)
      ctx:sleep(0.002)
      return "x"
    end)
    local client <close> = assert(mcp.connect(app))
    local function call() return assert(client:call_tool "t").content[1].text end
    assert.equal("x", call())
    assert.equal("x", mcp.run(call))
    assert.same({ "x", "x", "x" }, mcp.all { call, call, call })
  end)

  it("may be used by the handlers of another server", function()
    local inner, outer = mcp.server "inner", mcp.server "outer"
    inner:tool "greet" { input = { name = "string" } } (function(args)
      return "Hello, " .. args.name
    end)
    local inside <close> = assert(mcp.connect(inner))
    outer:tool "greet" { input = { name = "string" } } (function(args)
      return inside:call_tool("greet", args)
    end)
    local client <close> = assert(mcp.connect(outer))
    assert.equal("Hello, Ada", assert(client:call_tool("greet", { name = "Ada" })).content[1].text)
  end)

  it("is told when the connection is gone, and opens another one", function()
    local transport = scripted.transport(scripted.modern(function(far, message)
      if message.method == "die" then return far:close() end
      far:result(message.id, {})
    end))
    local client = scripted.keep(mcp.session(transport))
    assert.equal(client, client:initialize())
    assert.equal(client, client:initialize())
    local _, text, code = client:request "die"
    assert.equal("EGONE", code)
    assert.matches("^scripted: connection lost: ", text)
    assert.is_false(client:is_open())
    assert.equal("mcp.client (scripted, lost)", tostring(client))
    assert.equal("EGONE", select(3, client:request "x"))
    assert.equal(client, client:initialize())
    assert.is_table(client:request "x")
    assert.equal(2, #transport.fars)
  end)

  it("whose handshake has failed closes the transport", function()
    local transport = scripted.transport(scripted.modern(nil,
      { supportedVersions = value.array { "2099-01-01" } }))
    local client = mcp.session(transport)
    local _, text, code = client:initialize()
    assert.equal("EREVISION", code)
    assert.is_true(transport.closed)
    assert.same({ nil, "the transport cannot be opened again: " .. text, "ECLOSED" },
      { client:initialize() })
    assert.equal("EREVISION", select(3, client:list_tools()))
  end)

  it("may be closed in the middle of its handshake, and begins only one", function()
    local transport = scripted.transport(function() end)
    local client = mcp.session(transport)
    local code
    mcp.spawn(function() code = select(3, client:initialize()) end)
    helper.wait_until(function() return transport.far and transport.far.got[1] end)
    local ok, text = pcall(function() client:initialize() end)
    assert.is_false(ok)
    assert.matches("init_spec.lua:%d+: client:initialize: already in progress", text)
    client:close()
    helper.wait_until(function() return code end)
    assert.equal("ECLOSED", code)
  end)

  describe("whose session was forgotten", function()
    -- A transport as those of HTTP are: the third request of a session finds out that it is over.
    local function forgetful()
      local transport = scripted.transport(scripted.legacy(function(far, message)
        if message.id then
          core.spawn(function()
            core.sleep(0.002)
            far:result(message.id, { n = #far:all "initialize" })
          end)
        end
      end, nil, { capabilities = { logging = {}, resources = { subscribe = true } } }))
      transport.duplex, transport.only_era = false, "legacy"
      local request, sent = transport.request, {}
      transport.request = function(self, id, method, params, one)
        sent[#sent + 1] = method
        if transport.over and method ~= "initialize" then
          if not transport.told then
            transport.told = true
            self.peer.forgotten()
          end
          return nil, "the server has forgotten the session", "ESESSION"
        end
        if method == "initialize" then transport.over, transport.told = false, false end
        return request(self, id, method, params, one)
      end
      return transport, sent
    end

    it("begins another one and asks again", function()
      local transport, sent = forgetful()
      local client = scripted.keep(mcp.session(transport, { log_level = "error" }))
      assert(client:initialize())
      assert(client:subscribe("r://a", print))
      transport.over = true
      assert.equal(2, assert(client:request "x").n)
      assert.same({ "initialize", "logging/setLevel", "resources/subscribe", "x", "initialize",
        "logging/setLevel", "resources/subscribe", "x" }, sent)
    end)

    it("begins only one for all that find out", function()
      local transport, sent = forgetful()
      local client = scripted.keep(mcp.session(transport))
      assert(client:initialize())
      transport.over = true
      local ways = {}
      for i = 1, 5 do ways[i] = function() return assert(client:request "x").n end end
      assert.same({ 2, 2, 2, 2, 2 }, mcp.all(ways))
      local count = 0
      for _, method in ipairs(sent) do if method == "initialize" then count = count + 1 end end
      assert.equal(2, count)
    end)

    it("says so when no other can be had", function()
      local transport = forgetful()
      local client = scripted.keep(mcp.session(transport))
      assert(client:initialize())
      transport.over = true
      transport.notify = function() return nil, "gone", "EGONE" end
      local _, text, code = client:request "x"
      assert.same({ "the session was lost: gone", "EGONE" }, { text, code })
    end)
  end)

  it("hears so much at once and no more; what comes then is dropped", function()
    local tell = require "mcp.client.callbacks"
    local real, heard = tell.MAX, 0
    tell.MAX = 3
    local log = helper.logged(function()
      local client, far = scripted.connect(scripted.legacy(function(end_, message)
        end_:result(message.id, {})
      end), { on_log = function()
        heard = heard + 1
        mcp.sleep(0.02)
      end })
      for _ = 1, 10 do far:notify("notifications/message", { level = "info", data = 1 }) end
      assert(client:ping())
      assert.equal(3, heard)
      helper.wait_until(function() return client.callbacks == 0 end)
      far:notify("notifications/message", { level = "info", data = 1 })
      helper.wait_until(function() return heard == 4 end)
    end)
    tell.MAX = real
    assert.matches("^warning: 3 notifications of the server are in progress[^\n]*$", log)
  end)

  it("has one face for both eras, and gives facts", function()
    local app = mcp.server { name = "own", version = "1.2", instructions = "Be kind." }
    app:tool "t" (function() end)
    for _, revision in ipairs(helper.revisions) do
      local client <close> = assert(mcp.connect(app, { revision = revision }))
      assert.equal("own", client.server.name)
      assert.equal("1.2", client.server.version)
      assert.equal("Be kind.", client.instructions)
      assert.is_true(client.capabilities.tools.listChanged)
      assert.equal(revision, client.revision)
    end
  end)
end)
