-- SPDX-License-Identifier: MIT
-- lua/mcp/server/task_store.lua without a server: life, times and bounds of tasks. A clock that
-- the spec turns stands in for core.now where time has to pass.
local core = require "mcp.core"
local helper = require "spec.helper"
local task_store = require "mcp.server.task_store"

local RESULT = core.raw { content = {} }

describe("a store of tasks", function()
  local real, ahead

  before_each(function()
    real, ahead = core.now, 0
    core.now = function() return real() + ahead end
  end)

  after_each(function()
    core.now = real
    helper.leftovers()
  end)

  -- A store, and a function that makes a task in it which runs until it is cancelled.
  local function with(settings)
    local store = task_store.new(settings)
    local seen = { ended = 0 }
    return store, function(owner, ttl)
      local one = store:create(owner or "me", ttl)
      if not one then return nil end
      store:run(one, function()
        local _ <close> = setmetatable({}, { __close = function() seen.ended = seen.ended + 1 end })
        core.sleep(60)
        core.sleep(60)
      end)
      helper.settle()
      return one
    end, seen
  end

  it("gives ids that cannot be guessed (SEC-55)", function()
    local store = task_store.new()
    local seen = {}
    for _ = 1, 200 do
      local id = store:create("me").id
      assert.is_true(#id >= 22)
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("knows a task by its owner only", function()
    local store = task_store.new()
    local session = {}
    local one, other = store:create "me", store:create(session)
    assert.equal(one, store:find(one.id, "me"))
    assert.is_nil(store:find(one.id, "you"))
    assert.is_nil(store:find(one.id, session))
    assert.equal(other, store:find(other.id, session))
    assert.is_nil(store:find(other.id, {}))
    assert.is_nil(store:find("nosuch", "me"))
    assert.same({ one }, store:list "me")
    assert.same({ other }, store:list(session))
  end)

  it("begins work only after its maker is through, and shows ISO 8601 times", function()
    local store = task_store.new()
    local one, ran = store:create "me", false
    store:run(one, function()
      ran = true
      store:finish(one, RESULT, false)
    end)
    assert.is_false(ran)
    assert.equal("working", one.status)
    helper.wait_until(function() return ran end)
    assert.equal("completed", one.status)
    assert.equal(RESULT, one.result)
    for _, text in ipairs { one.created, one.updated } do
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", text)
    end
    assert.equal(0, store.running)
  end)

  it("lets nothing leave a status that is final", function()
    local store = task_store.new()
    local ways = {
      completed = function(one) store:finish(one, RESULT, false) end,
      failed = function(one) store:fail(one, { code = -1, message = "no" }) end,
      cancelled = function(one) store:cancel(one) end,
    }
    for status, reach in pairs(ways) do
      local one = store:create "me"
      reach(one)
      assert.equal(status, one.status)
      for _, other in pairs(ways) do other(one) end
      store:ask(one, 1)
      store:tell(one, "more")
      assert.equal(status, one.status)
      assert.is_true(task_store.is_over(one))
      assert.is_false(store:cancel(one))
      assert.is_true(status ~= "failed" or one.result == nil)
    end
  end)

  it("is input_required as long as anything waits for an answer", function()
    local store = task_store.new()
    local one = store:create "me"
    store:ask(one, 1)
    store:ask(one, 1)
    assert.equal("input_required", one.status)
    store:ask(one, -1)
    assert.equal("input_required", one.status)
    store:ask(one, -1)
    assert.equal("working", one.status)
  end)

  it("says when a status has changed", function()
    local store, seen = task_store.new(), {}
    store.on_change = function(one) seen[#seen + 1] = one.status .. (one.message or "") end
    local one = store:create "me"
    store:tell(one, ": half")
    store:tell(one, ": half")
    store:ask(one, 1)
    store:ask(one, -1)
    store:finish(one, RESULT, false)
    assert.same({ "working: half", "input_required: half", "working: half", "completed: half" },
      seen)
  end)

  it("cancels the work: its <close> variables run", function()
    local store, make, seen = with()
    local one = make()
    assert.equal(1, store.running)
    assert.is_true(store:cancel(one))
    assert.equal("cancelled", one.status)
    assert.is_true(one.cancelled)
    helper.settle()
    assert.equal(1, seen.ended)
    assert.equal(0, store.running)
    assert.equal(0, core.task_count())
    assert.equal(one, store:find(one.id, "me"))
  end)

  it("cancels work that has not begun, which then never does", function()
    local store, ran = task_store.new(), false
    local one = store:create "me"
    store:run(one, function() ran = true end)
    store:cancel(one)
    helper.settle()
    assert.is_false(ran)
    assert.equal(0, store.running)
  end)

  it("calls work failed that ends without a word", function()
    local store = task_store.new()
    local one = store:create "me"
    helper.logged(function()
      store:run(one, function() end)
      helper.settle()
    end)
    assert.equal("failed", one.status)
    assert.equal(-32603, one.err.code)
  end)

  it("wakes whoever waits for the end", function()
    local store = task_store.new()
    local one, ended = store:create "me", 0
    for _ = 1, 3 do
      core.spawn(function()
        store:await(one, core.waiter())
        ended = ended + 1
      end)
    end
    assert.equal(0, ended)
    store:finish(one, RESULT, false)
    helper.settle()
    assert.equal(3, ended)
    store:await(one, core.waiter()) -- returns at once
  end)

  it("keeps nothing of a wait for the end that is cancelled", function()
    local store = task_store.new()
    local task, work, ended = store:create "me", core.waiter(), 0
    for _ = 1, 2 do
      core.spawn(function()
        store:await(task, core.waiter())
        ended = ended + 1
      end)
    end
    work:spawn(function() store:await(task, core.waiter()) end)
    assert.equal(3, #task.waiting)
    work:cancel()
    helper.settle()
    assert.equal(2, #task.waiting)
    store:finish(task, RESULT, false)
    helper.settle()
    assert.equal(2, ended)
  end)

  it("keeps a result for its ttl and no longer, however often it is read", function()
    local store = task_store.new { ttl = 100 }
    local one = store:create "me"
    store:finish(one, RESULT, false)
    for _ = 1, 9 do
      ahead = ahead + 11
      assert.equal(one, store:find(one.id, "me"))
    end
    ahead = ahead + 2
    assert.is_nil(store:find(one.id, "me"))
    assert.equal(0, store.count)
  end)

  it("keeps what has not ended while somebody asks for it, and then cancels it", function()
    local store, make, seen = with { ttl = 100 }
    local one = make()
    for _ = 1, 5 do
      ahead = ahead + 90
      assert.equal(one, store:find(one.id, "me"))
      assert.is_nil(store:find(one.id, "you")) -- which keeps nothing alive
    end
    ahead = ahead + 101
    assert.equal(1, store.count)
    store:create "you" -- sweeps
    assert.equal(1, store.count)
    assert.is_nil(store:find(one.id, "me"))
    assert.equal("cancelled", one.status)
    helper.settle()
    assert.equal(1, seen.ended)
  end)

  it("forgets the tasks of a session that is closed", function()
    local store, make, seen = with()
    local session = {}
    local one = make(session)
    session.closed = true
    assert.is_nil(store:find(one.id, session))
    helper.settle()
    assert.equal(1, seen.ended)
    assert.equal(0, store.count)
  end)

  it("gives the ttl that is asked for, within bounds", function()
    local store = task_store.new { ttl = 10, max_ttl = 50 }
    assert.equal(10, store:create("me").ttl)
    assert.equal(20, store:create("me", 20).ttl)
    assert.equal(50, store:create("me", math.huge).ttl)
    assert.equal(1, store:create("me", 0).ttl)
    assert.equal(7200, task_store.new { ttl = 7200 }:create("me", math.huge).ttl)
  end)

  it("is bounded: the one that ended longest ago goes, and what has not ended stays", function()
    local store = task_store.new { max = 3 }
    local first, second, third = store:create "me", store:create "me", store:create "me"
    assert.is_nil(store:create "me")
    store:finish(third, RESULT, false)
    ahead = 1
    store:finish(first, RESULT, false)
    local fourth = store:create "me"
    assert.is_nil(store:find(third.id, "me"))
    local fifth = store:create "me"
    assert.is_nil(store:find(first.id, "me"))
    assert.is_nil(store:create "me")
    assert.same({ second, fourth, fifth }, store:list "me")
    assert.equal(3, store.count)
  end)

  it("is bounded in what runs, so that requests have room", function()
    local store, make = with { max_running = 2 }
    local one = make()
    assert.is_table(make())
    assert.is_nil(make())
    store:cancel(one)
    helper.settle()
    assert.is_table(make())
    store:clear()
    helper.settle()
    assert.equal(0, store.running)
    assert.equal(0, store.count)
  end)

  it("costs little with many (SEC-55)", function()
    local store = task_store.new { max = 100 }
    for _ = 1, 2000 do store:finish(store:create "me", RESULT, false) end
    assert.equal(100, store.count)
    assert.equal(100, #store.order)
    local held = 0
    for _ in pairs(store.by_id) do held = held + 1 end
    assert.equal(100, held)
  end)
end)
