-- SPDX-License-Identifier: MIT
-- heartbeat_spec.lua: lua/mcp/server/heartbeat.lua: progress that nobody told of.
local core = require "mcp.core"
local heartbeat = require "mcp.server.heartbeat"
local helper = require "spec.helper"
local mcp = require "mcp"

local BOTH = { "2025-11-25", "2026-07-28" }

describe("a heartbeat", function()
  after_each(helper.leftovers)

  -- The handler gets the peer, too.
  local function call(options, revision, handler, token)
    local app, peer = mcp.server(options), nil
    app:tool "t" (function(arguments, ctx) return handler(arguments, ctx, peer) end)
    peer = helper.open(app, revision)
    local meta = peer.era and helper.envelope { progressToken = token } or { progressToken = token }
    local response = peer:request("tools/call", { name = "t", _meta = meta })
    return response, peer
  end

  -- The values of all progress that came; each is more than the one before (protocol, Progress:
  -- MUST).
  local function values(peer)
    local list = {}
    for i, notice in ipairs(peer.notices) do
      assert.equal("notifications/progress", notice.method)
      list[i] = notice.params.progress
      assert.is_true(i == 1 or list[i] > list[i - 1], "it must grow")
    end
    return list
  end

  -- Waits until the peer has so many notices, for 5 s at most. How many come in a time depends on
  -- the load of the machine.
  local function until_heard(ctx, peer, count)
    local deadline = core.now() + 5
    repeat ctx:sleep(0.005) until #peer.notices >= count or core.now() > deadline
  end

  for _, revision in ipairs(BOTH) do
    it("goes out while a handler waits and says nothing, in " .. revision, function()
      local took
      local response, peer = call({ name = "s", heartbeat = 0.01 }, revision,
        function(_, ctx, own)
          local began = core.now()
          until_heard(ctx, own, 4)
          took = core.now() - began
          return "ok"
        end, "mine")
      assert.equal("ok", response.result.content[1].text)
      local list = values(peer)
      assert.is_true(#list >= 4 and #list <= took / 0.01 + 2, #list)
      assert.equal(0, list[1])
      assert.is_true(list[#list] < heartbeat.TRIFLE)
      for _, notice in ipairs(peer.notices) do
        assert.equal("mine", notice.params.progressToken)
        assert.is_nil(notice.params.total)
      end
    end)

    it("stays between what the handler tells, in " .. revision, function()
      local told = { 0, 1, 1.5, 100 }
      local _, peer = call({ name = "s", heartbeat = 0.01 }, revision, function(_, ctx, own)
        for _, done in ipairs(told) do
          local before = #own.notices
          ctx:progress(done, 100)
          -- That, and at least one heartbeat.
          until_heard(ctx, own, before + 2)
        end
      end, 7)
      local list, at = values(peer), 1
      assert.is_true(#list >= 8)
      for _, value in ipairs(list) do
        if value == told[at] then
          at = at + 1
        else
          assert.is_true(value > told[at - 1] and value < told[at - 1] + 1e-3)
        end
      end
      assert.equal(#told + 1, at)
    end)
  end

  it("does not go out without a token, without the setting, or while the handler tells", function()
    local function wait(_, ctx) ctx:sleep(0.05) end
    local _, peer = call({ name = "s", heartbeat = 0.01 }, nil, wait)
    assert.same({}, peer.notices)
    _, peer = call({ name = "s", heartbeat = 0.01 }, nil, wait, true)
    assert.same({}, peer.notices)
    _, peer = call({ name = "s" }, nil, wait, "t")
    assert.same({}, peer.notices)
    -- Longer than the interval, in steps that are much shorter than it.
    _, peer = call({ name = "s", heartbeat = 0.3 }, nil, function(_, ctx)
      for step = 1, 20 do
        ctx:progress(step)
        ctx:sleep(0.02)
      end
    end, "t")
    local steps = values(peer)
    assert.equal(20, #steps)
    assert.equal(20, steps[20])
  end)

  it("puts a handler's first 0 above those that went before", function()
    local _, peer = call({ name = "s", heartbeat = 0.01 }, nil, function(_, ctx, own)
      until_heard(ctx, own, 1)
      ctx:progress(0)
      until_heard(ctx, own, #own.notices + 2)
      ctx:progress(1)
    end, "t")
    local list = values(peer)
    assert.is_true(#list >= 4)
    assert.equal(1, list[#list])
  end)

  it("does not put off a timeout", function()
    helper.logged(function()
      local response = call({ name = "s", heartbeat = 0.01, timeout = 0.05 }, nil,
        function(_, ctx) ctx:sleep(60) end, "t")
      assert.is_true(response.result.isError)
    end)
  end)

  it("goes out without any timeout, too", function()
    local _, peer = call({ name = "s", heartbeat = 0.01, timeout = 0 }, nil,
      function(_, ctx, own) until_heard(ctx, own, 1) end, "t")
    assert.is_true(#values(peer) >= 1)
  end)

  it("is kept back while the client does not read", function()
    local app = mcp.server { name = "s", heartbeat = 0.005 }
    app:tool "t" (function(_, ctx)
      ctx:log("info", ("x"):rep(400000))
      return "ok"
    end)
    local peer = helper.open(app)
    peer.wire:pause(true)
    peer:send { jsonrpc = "2.0", id = 5, method = "tools/call",
      params = { name = "t", _meta = { progressToken = 1 } } }
    core.sleep(0.05)
    peer.wire:pause(false)
    peer:response(5)
    assert.equal(1, #peer.notices)
    assert.equal("notifications/message", peer.notices[1].method)
  end)

  it("has values that grow for longer than any call lasts", function()
    for _, last in ipairs { -5, 0, 0.5, 1, 1e6, 1e12 } do
      local before = last
      for count = 1, 20000 do
        local value = heartbeat.value(last, count)
        assert(value > before, "it must grow")
        before = value
      end
      assert.is_true(before < last + 1e-6 * math.max(1, math.abs(last)))
    end
    assert.equal(0, heartbeat.value(nil, 1))
    assert.is_true(heartbeat.value(nil, 2) > 0)
  end)
end)
