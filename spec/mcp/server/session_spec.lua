-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local protocol = require "mcp.protocol"
local session = require "mcp.server.session"

describe("session", function()
  local FACTS = protocol.revision "2025-11-25"
  local now, real_now

  -- The clock stands still unless a test moves it.
  before_each(function()
    real_now, now = core.now, 1000
    core.now = function() return now end
  end)
  after_each(function() core.now = real_now end)

  local function new(params) return session.new(FACTS, params or {}) end

  -- What a session does with an exchange, without one.
  local function exchange()
    local x = { cancelled = 0, released = 0 }
    function x:cancel() self.cancelled = self.cancelled + 1 end
    function x:release() self.released = self.released + 1 end
    function x:is_cancelled() return self.dead or self.cancelled > 0 end
    return x
  end

  it("keeps what initialize said, if it is what it should be", function()
    local one = new { capabilities = { roots = {} }, clientInfo = { name = "c" } }
    assert.same({ roots = {} }, one.capabilities)
    assert.equal("c", one.client.name)
    one = new { capabilities = "x", clientInfo = 5 }
    assert.same({}, one.capabilities)
    assert.is_nil(one.client)
    assert.equal(FACTS, one.revision)
    assert.is_false(one.initialized)
  end)

  it("ids are 128 random bits in visible ASCII (HL-51)", function()
    local store, seen = session.store(), {}
    for _ = 1, 200 do
      local one = new()
      store:add(one)
      assert.matches("^[%w_-]+$", one.id)
      assert.equal(22, #one.id)
      assert.is_nil(seen[one.id])
      seen[one.id] = true
    end
    assert.equal(200, store.count)
  end)

  it("belongs to whoever began it: for others there is none (HL-58, T-34)", function()
    local store, one = session.store { idle = 10 }, new()
    one.owner = "ada"
    store:add(one)
    now = now + 9
    assert.is_nil(store:find(one.id))
    assert.is_nil(store:find(one.id, "eve"))
    assert.equal(1000, one.last_used)
    assert.equal(one, store:find(one.id, "ada"))
    assert.equal(now, one.last_used)
    local open = new()
    store:add(open)
    assert.is_nil(store:find(open.id, "ada"))
    assert.equal(open, store:find(open.id))
  end)

  it("makes room for its owner among the owner's own (HL-59)", function()
    local store, mine = session.store { max_per_principal = 3 }, {}
    local function add(owner)
      local one = new()
      one.owner = owner
      now = now + 1
      return store:add(one) and one
    end
    local other = add "eve"
    for i = 1, 3 do mine[i] = add "ada" end
    store:find(mine[1].id, "ada")
    mine[3].stream = exchange() -- who listens is not idle
    assert.is_table(add "ada")
    assert.is_true(mine[2].closed)
    assert.is_nil(mine[1].closed or mine[3].closed or other.closed)
    mine[1].running:add("1", exchange())
    assert.is_table(add "ada")
    for _ = 1, 5 do assert.is_table(add "ada") end
    assert.is_nil(mine[1].closed)
    for _, one in pairs(store.by_id) do
      if one.owner == "ada" then one.running:add("1", exchange()) end
    end
    assert.is_false(add "ada")
    assert.is_table(add "eve")
    -- What is counted is what there is.
    store:clear()
    assert.same({}, store.owners)
  end)

  it("is found until it is removed, then never again (HL-54)", function()
    local store, one = session.store(), new()
    store:add(one)
    assert.equal(one, store:find(one.id))
    store:remove(one.id)
    assert.is_nil(store:find(one.id))
    assert.is_true(one.closed)
    assert.equal(0, store.count)
    store:remove(one.id)
    assert.equal(0, store.count)
    assert.is_nil(store:find "nosuch")
  end)

  it("ends when it is idle for too long (HL-59)", function()
    local store, one = session.store { idle = 60 }, new()
    store:add(one)
    assert.equal(one, store:find(one.id))
    now = now + 59
    assert.equal(one, store:find(one.id))
    now = now + 60
    assert.equal(one, store:find(one.id)) -- finding it was use
    now = now + 61
    assert.is_nil(store:find(one.id))
    assert.equal(0, store.count)
  end)

  it("that never went on after initialize ends sooner", function()
    local store, one = session.store(), new()
    store:add(one)
    now = now + session.INITIALIZE + 1
    assert.is_nil(store:find(one.id))
  end)

  it("any message that names it means that its client goes on", function()
    local store, one = session.store(), new()
    store:add(one)
    now = now + session.INITIALIZE - 1
    assert.equal(one, store:find(one.id))
    for _ = 1, 3 do
      now = now + store.idle - 1
      store:sweep()
      assert.equal(one, store:find(one.id))
    end
    now = now + store.idle + 1
    assert.is_nil(store:find(one.id))
  end)

  it("gives its memory back though nobody asks for it, once another is begun or used", function()
    local store, mine = session.store { idle = 60 }, new()
    store:add(mine)
    for _ = 1, 10 do store:add(new()) end
    for _ = 1, 5 do
      now = now + 25
      assert.equal(mine, store:find(mine.id))
    end
    assert.equal(1, store.count)
    now = now + 1000
    store:add(new())
    assert.equal(1, store.count)
  end)

  it("with a stream, or at work, is not idle", function()
    local store, listening, working = session.store { idle = 1 }, new(), new()
    store:add(listening)
    store:add(working)
    listening.stream = exchange()
    assert.is_true(working.running:add('"1', exchange()))
    now = now + 1000
    store:sweep()
    assert.equal(2, store.count)
    working.running:remove(working.running.exchanges[1])
    store:sweep()
    assert.equal(1, store.count)
  end)

  it("what a handler that died left behind does not count as work", function()
    local store, one = session.store { idle = 1 }, new()
    store:add(one)
    local x = exchange()
    one.running:add("1", x)
    assert.is_false(one.running:is_empty())
    x.dead = true
    assert.is_true(one.running:add("1", exchange()), "the id is free again")
    one.running.exchanges[1].dead = true
    now = now + 1000
    store:sweep()
    assert.equal(0, store.count)
  end)

  it("closing cancels what runs and releases the stream", function()
    local store, one = session.store(), new()
    store:add(one)
    local a, b, stream = exchange(), exchange(), exchange()
    one.running:add("1", a)
    one.running:add('"1', b)
    one.stream = stream
    store:remove(one.id)
    assert.same({ 1, 1, 1 }, { a.cancelled, b.cancelled, stream.released })
    assert.is_nil(one.stream)
  end)

  it("gives back what it is charged, once, and is charged nothing after its end", function()
    local parts = require("mcp.server.owners")
    local real, memory = parts.new, nil
    local held = 0
    parts.new = function()
      memory = { charge = function(_, _, bytes) held = held + bytes return true end,
        release = function(_, _, bytes) held = held - bytes end }
      return memory
    end
    -- A module of its own, whose memory is the one above.
    local own = assert(loadfile(package.searchpath("mcp.server.session", package.path)))()
    local store, one = own.store(), own.new(FACTS, {})
    store:add(one)
    parts.new = real
    local base = held
    assert.is_true(base >= own.COST)
    assert.is_true(own.charge(one, 100))
    assert.is_true(own.charge(one, 20))
    assert.equal(base + 120, held)
    own.release(one, 50)
    assert.equal(base + 70, held)
    assert.equal(70, one.charged)
    store:remove(one.id)
    assert.equal(0, held)
    own.close(one)
    own.release(one, 70)
    assert.is_false(own.charge(one, 10))
    assert.equal(0, held)
  end)

  it("is charged for a subscription about what it takes", function()
    local one = new()
    session.subscribe(one, "r://0", "R://0")
    local cost = one.charged
    collectgarbage()
    local before = collectgarbage "count"
    for i = 1, 1000 do
      assert.is_true(session.subscribe(one, ("r://%04d"):format(i), ("R://%04d"):format(i)))
    end
    collectgarbage()
    local took = (collectgarbage "count" - before) * 1024
    cost = one.charged - cost
    session.close(one)
    assert.is_true(cost > 0.8 * took and cost < 1.5 * took, cost / took)
  end)

  it("clear ends all", function()
    local store = session.store()
    for _ = 1, 5 do store:add(new()) end
    store:clear()
    assert.equal(0, store.count)
    assert.is_nil(next(store.by_id))
  end)

  describe("when the store is full", function()
    it("the one that was idle longest makes room", function()
      local store, all = session.store { max = 3 }, {}
      for i = 1, 3 do
        all[i] = new()
        store:add(all[i])
        now = now + 1
      end
      store:find(all[1].id)
      assert.is_true(store:add(new()))
      assert.equal(3, store.count)
      assert.equal(all[1], store:find(all[1].id))
      assert.is_nil(store:find(all[2].id))
    end)

    it("of busy ones, there is no room", function()
      local store = session.store { max = 2 }
      for i = 1, 2 do
        local one = new()
        store:add(one)
        one.running:add(tostring(i), exchange())
      end
      assert.is_false(store:add(new()))
      assert.equal(2, store.count)
    end)

    it("a flood of newcomers does not sort at each arrival, and stays within the limit", function()
      local store, least = session.store { max = 100 }, 100
      for i = 1, 1000 do
        now = now + 0.001
        assert.is_true(store:add(new()))
        assert.is_true(store.count <= 100)
        if i > 100 then least = math.min(least, store.count) end
      end
      -- A tenth made room for the newcomer.
      assert.equal(91, least)
    end)
  end)

  describe("requests under way", function()
    local running
    before_each(function()
      local one = new()
      session.store():add(one)
      running = one.running
    end)

    it("have one exchange for an id", function()
      local x = exchange()
      assert.is_true(running:add("1", x))
      assert.is_false(running:add("1", exchange()))
      assert.is_true(running:add('"1', exchange()))
      running:remove(x)
      assert.is_true(running:add("1", exchange()))
      running:remove(x)
    end)

    it("are cancelled by id and type", function()
      local a, b = exchange(), exchange()
      running:add("1", a)
      running:add('"1', b)
      running:cancel "1"
      assert.same({ 0, 1 }, { a.cancelled, b.cancelled })
      running:cancel(1)
      running:cancel(1)
      assert.same({ 1, 1 }, { a.cancelled, b.cancelled })
      assert.equal(0, running.count)
      for _, odd in ipairs { 1.5, true, {}, 99, "" } do running:cancel(odd) end
      running:cancel(nil)
    end)

    it("many come and go", function()
      local xs = {}
      for i = 1, 100 do
        xs[i] = exchange()
        assert.is_true(running:add(tostring(i), xs[i]))
      end
      for i = 100, 1, -3 do running:remove(xs[i]) end
      running:clear()
      local cancelled = 0
      for i = 1, 100 do cancelled = cancelled + xs[i].cancelled end
      assert.equal(66, cancelled)
      assert.equal(0, running.count)
    end)
  end)
end)
