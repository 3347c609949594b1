-- SPDX-License-Identifier: MIT
-- Event streams of sessions that several processes serve: what is resumed where.
local core = require "mcp.core"
local helper = require "spec.helper"
local several = require "spec.several"
local shared = require "mcp.server.shared"
local streams = require "mcp.server.shared.streams"

describe("a stream of several processes", function()
  local all, gates, watch, timeout, ended

  local function make(app)
    app:tool "steps" { input = { count = "integer" } } (function(args, ctx)
      for i = 1, args.count do
        ctx:log("error", i)
        if gates[i] then gates[i]:wait(helper.LIMIT) end
      end
      return "done"
    end)
    app:tool "short" (function(_, ctx)
      ctx:log("error", "first")
      ctx:close_stream(0)
      ctx:log("error", "second")
      gates[1]:wait(helper.LIMIT)
      return "done"
    end)
  end

  before_each(function()
    gates, watch, timeout, ended = {}, streams.WATCH, shared.TIMEOUT, streams.ENDED
    all = several.open(3, make)
  end)
  after_each(function()
    streams.WATCH, shared.TIMEOUT, streams.ENDED = watch, timeout, ended
    for _, gate in pairs(gates) do gate:wake() end
    all:close()
    helper.leftovers()
  end)

  -- The messages that are left, as texts.
  local function rest(stream)
    local list = {}
    while true do
      local message = stream:next()
      if not message then return table.concat(list, " ") end
      list[#list + 1] = message.method and tostring(message.params.data)
        or message.result and message.result.content[1].text or message.error.message
    end
  end

  it("that is over is replayed by any of them", function()
    several.run(function()
      local sid = all:session(1, 1)
      local stream = all:open_call(1, sid, "steps", { count = 3 })
      assert.equal(1, stream:next().params.data)
      local last = stream.last
      stream:close()
      several.eventually(function() return all.apps[1].sessions.by_id[sid].running.count == 0 end)
      assert.equal("2 3 done", rest(all:get(2, sid, last)))
      assert.equal("2 3 done", rest(all:get(3, sid, last)))
      assert.equal("2 3 done", rest(all:get(1, sid, last)))
    end)
  end)

  -- A call of two steps at 1: the id of its first event. `wait`: it waits after the second.
  local function begin(sid, wait)
    gates[2] = wait and core.waiter() or nil
    local stream = all:open_call(1, sid, "steps", { count = 2 })
    assert.equal(1, stream:next().params.data)
    return stream.last, stream
  end

  it("that is over is kept for a minute after its answer was sent", function()
    several.run(function()
      local sid = all:session(1, 1)
      local last, stream = begin(sid)
      assert.equal("2 done", rest(stream))
      assert.equal("2 done", rest(all:get(2, sid, last)))
      for key, item in pairs(all.memory.items) do
        assert.is_nil(key:find "^spec/stream/")
        local left = item.expires - core.now()
        if key:find "^spec/events/" then assert.is_true(left > 30 and left <= 60) end
      end
      -- One that goes on has a longer time, and so has one whose answer no client has got.
      streams.ENDED = 0.05
      local unsent, closed = begin(sid, true)
      closed:close()
      local channel = select(2, next(all.apps[1].sessions.by_id[sid].streams.live))
      several.eventually(function() return not channel:is_open() end)
      gates[2]:wake()
      several.eventually(function()
        return all.apps[1].sessions.by_id[sid].running.count == 0
      end)
      last, stream = begin(sid)
      assert.equal("2 done", rest(stream))
      local live = begin(sid, true)
      several.eventually(function() return all:get(2, sid, last).status == 400 end)
      assert.equal(400, all:get(1, sid, last).status)
      assert.equal("2 done", rest(all:get(2, sid, unsent)))
      -- The other process may be slow to follow it.
      streams.ENDED = ended
      local other = all:get(2, sid, live)
      gates[2]:wake()
      assert.equal("2 done", rest(other))
    end)
  end)

  it("that ends while another process reads its events is replayed as a whole", function()
    several.run(function()
      local sid = all:session(1, 2)
      local last = begin(sid, true)
      local driver = all.nodes[2].driver
      local range = driver.range
      function driver.range(...)
        driver.range = range
        local result = table.pack(range(...))
        gates[2]:wake()
        several.eventually(function()
          return all.apps[1].sessions.by_id[sid].running.count == 0
        end)
        return table.unpack(result, 1, result.n)
      end
      assert.equal("2 done", rest(all:get(2, sid, last)))
    end)
  end)

  it("that is over gives way where the store is full", function()
    if several.address then return end
    several.run(function()
      local sid = all:session(1, 1)
      local live = begin(sid, true)
      local gate = gates[2]
      local last, stream = begin(sid)
      assert.equal("2 done", rest(stream))
      local bank = all.memory
      bank.max_bytes = bank.bytes + 100
      assert.is_true(all.nodes[2]:put("more", ("x"):rep(400), 10))
      assert.equal(400, all:get(2, sid, last).status)
      gate:wake()
      assert.equal("2 done", rest(all:get(2, sid, live)))
    end)
  end)

  it("whose call runs elsewhere goes on at the process that is asked", function()
    several.run(function()
      gates[2] = core.waiter()
      local sid = all:session(1, 1)
      local stream = all:open_call(1, sid, "steps", { count = 4 })
      assert.equal(1, stream:next().params.data)
      local last = stream.last
      assert.equal(2, stream:next().params.data)
      stream:close()
      local other = all:get(2, sid, last)
      assert.equal(2, other:next().params.data)
      assert.is_true(other:is_quiet())
      -- And at a third one, which takes it away from the second.
      local third = all:get(3, sid, other.last)
      assert.is_true(third:is_quiet())
      gates[2]:wake()
      assert.equal("3 4 done", rest(third))
      assert.equal("", rest(other))
    end)
  end)

  it("that the server has ended early goes on anywhere", function()
    several.run(function()
      gates[1] = core.waiter()
      local sid = all:session(1, 2)
      local stream = all:open_call(3, sid, "short")
      assert.equal("first", stream:next().params.data)
      assert.is_nil(stream:next())
      local other = all:get(1, sid, stream.last)
      assert.equal("second", other:next().params.data)
      gates[1]:wake()
      assert.equal("done", rest(other))
    end)
  end)

  it("whose call was cancelled ends without an answer", function()
    several.run(function()
      gates[1] = core.waiter()
      local sid = all:session(1, 1)
      local stream = all:open_call(1, sid, "steps", { count = 2 })
      assert.equal(1, stream:next().params.data)
      all:notify(1, sid, "notifications/cancelled", { requestId = stream.id })
      assert.equal("", rest(all:get(2, sid, stream.last)))
    end)
  end)

  it("whose process has died ends with an error for its request, once", function()
    several.run(function()
      gates[2] = core.waiter()
      local sid = all:session(1, 2)
      local stream = all:open_call(1, sid, "steps", { count = 2 })
      assert.equal(1, stream:next().params.data)
      local last = stream.last
      stream:next()
      all:kill(1)
      for _ = 1, 2 do
        local other = all:get(2, sid, last)
        assert.equal(2, other:next().params.data)
        local message, id = other:next()
        assert.equal(stream.id, message.id)
        assert.same({ -32603, "The process that ran this call has ended before its answer" },
          { message.error.code, message.error.message })
        assert.is_nil(other:next())
        assert.equal("", rest(all:get(3, sid, id)))
      end
    end)
  end)

  it("that is forwarded ends with that error when the process dies", function()
    streams.WATCH = 0.05
    several.run(function()
      gates[1] = core.waiter()
      local sid = all:session(1, 2)
      local stream = all:open_call(1, sid, "steps", { count = 1 })
      assert.equal(1, stream:next().params.data)
      local other = all:get(2, sid, stream.last)
      assert.is_true(other:is_quiet())
      all:kill(1)
      assert.equal("The process that ran this call has ended before its answer", rest(other))
    end)
  end)

  -- The stream of a call at 1 that is forwarded by 2 after its first event. The log is dropped.
  local function with_forwarded(count, fn)
    helper.logged(function()
      several.run(function()
        for i = 1, count do gates[i] = core.waiter() end
        local sid = all:session(1, 2)
        local stream = all:open_call(1, sid, "steps", { count = count })
        assert.equal(1, stream:next().params.data)
        local other = all:get(2, sid, stream.last)
        assert.is_true(other:is_quiet())
        fn(other, sid, function()
          for i = 1, count do gates[i]:wake() end
          several.eventually(function()
            return all.apps[1].sessions.by_id[sid].running.count == 0
          end)
        end)
        assert.is_nil(next(all.apps[1].shared.remotes))
        assert.is_nil(next(all.apps[2].shared.follows))
      end)
    end)
  end

  it("that is forwarded gets the answer after the store was away for its process", function()
    streams.WATCH = 0.05
    with_forwarded(1, function(other, _, finish)
      all:away(1, true)
      finish()
      all:away(1, false)
      assert.equal("done", rest(other))
    end)
  end)

  it("that is forwarded gets the answer once the store is back for the other process", function()
    streams.WATCH = 60
    with_forwarded(1, function(other, _, finish)
      all:away(2, true)
      finish()
      all:away(2, false)
      assert.equal("done", rest(other))
    end)
  end)

  it("that is forwarded, but has lost an event on the way, ends: the rest is resumed", function()
    streams.WATCH = 60
    with_forwarded(2, function(other, sid, finish)
      all:away(2, true)
      gates[1]:wake()
      assert.is_true(other:is_quiet())
      all:away(2, false)
      assert.equal(2, other:next().params.data)
      assert.is_nil(other:next())
      local again = all:get(2, sid, other.last)
      assert.is_true(again:is_quiet())
      finish()
      assert.equal("done", rest(again))
    end)
  end)

  it("that is forwarded stays as it is where nothing was lost", function()
    streams.WATCH = 0.05
    with_forwarded(1, function(other, _, finish)
      all:away(2, true)
      assert.is_true(other:is_quiet())
      all:away(2, false)
      all:away(1, true)
      assert.is_true(other:is_quiet())
      all:away(1, false)
      assert.is_true(other:is_quiet())
      finish()
      assert.equal("done", rest(other))
    end)
  end)

  it("whose process does not answer in time ends without an error: it is resumed", function()
    with_forwarded(1, function(other, sid, finish)
      local last = all.streams[1].last
      shared.TIMEOUT = 0.05
      all:away(1, true)
      assert.equal("", rest(all:get(2, sid, last)))
      all:away(1, false)
      shared.TIMEOUT = timeout
      other:close()
      local again = all:get(2, sid, last)
      assert.is_true(again:is_quiet())
      finish()
      assert.equal("done", rest(again))
      several.eventually(function() return not next(all.apps[2].shared.follows) end)
    end)
  end)

  it("of a session goes on, with what was missed, at any of them", function()
    several.run(function()
      local sid = all:session(1, 1)
      local stream = all:get(1, sid)
      all.apps[2]:changed "tools"
      assert.equal("notifications/tools/list_changed", stream:next().method)
      local last = stream.last
      assert.is_string(last)
      all.apps[1]:changed "tools"
      stream:next()
      -- It has lost the last one.
      local other = all:get(2, sid, last)
      assert.equal(200, other.status)
      assert.equal("notifications/tools/list_changed", other:next().method)
      assert.is_true(other:is_quiet())
      all.apps[3]:changed "tools"
      assert.equal("notifications/tools/list_changed", other:next().method)
      assert.is_nil((stream:next()))
      assert.equal(409, all:get(1, sid).status)
      local third = all:get(3, sid, other.last)
      assert.is_true(third:is_quiet())
      all.apps[1]:changed "tools"
      assert.equal("notifications/tools/list_changed", third:next().method)
    end)
  end)

  it("of a session is kept as long as its session, though no process has it for long", function()
    several.run(function()
      local sid = all:session(1, 1)
      local stream = all:get(1, sid)
      all.apps[2]:changed "tools"
      stream:next()
      local ends = {}
      for key, item in pairs(all.memory.items) do
        if key:find "^spec/events/" or key:find "^spec/stream/" then ends[item] = item.expires end
      end
      assert.is_truthy(next(ends) or several.address)
      core.sleep(0.05)
      assert.is_true(all:get(3, sid, stream.last):is_quiet())
      for item, before in pairs(ends) do assert.is_true(item.expires > before + 0.04) end
    end)
  end)

  it("is refused to other sessions, and if no event has that id", function()
    several.run(function()
      local sid, other = all:session(1, 1), all:session(2, 2)
      local stream = all:open_call(1, sid, "steps", { count = 1 })
      stream:next()
      assert.equal(400, all:get(2, other, stream.last).status)
      for _, id in ipairs { "x", "abn1.1_1", ("n"):rep(300), "abn99999999999999999999.1_1" } do
        assert.equal(400, all:get(2, sid, id).status)
      end
    end)
  end)
end)
