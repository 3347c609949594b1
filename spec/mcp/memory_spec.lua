-- SPDX-License-Identifier: MIT
-- What Lua code keeps for peers is charged to the account of the process before it is kept, makes
-- room by dropping the oldest, and is released when it goes: tasks, events, sessions, what a client
-- keeps of a server. The C side is in spec/transport/memory_limit_spec.lua.
local cache = require "mcp.client.cache"
local core = require "mcp.core"
local event_store = require "mcp.event_store"
local helper = require "spec.helper"
local incoming = require "mcp.client.transport.incoming"
local mcp = require "mcp"
local protocol = require "mcp.protocol"
local session = require "mcp.server.session"
local task_store = require "mcp.server.task_store"
local tell = require "mcp.client.callbacks"
local value = require "mcp.value"

local LIMIT = 8 << 20
local MOST = LIMIT // 4 -- of one store

local function held() return (core.memory()) end

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("memory that Lua keeps for peers", function()
  local begun

  before_each(function()
    collect()
    begun = held()
    core.limit_memory(LIMIT)
  end)

  after_each(function()
    core.limit_memory(256 << 20)
    helper.leftovers()
  end)

  local function raw(size) return core.raw { text = ("x"):rep(size) } end

  describe("tasks", function()
    -- One that has ended with a result of that size.
    local function ended(store, owner, size)
      local one = assert(store:create(owner, 60))
      store:run(one, function() store:finish(one, raw(size), false) end)
      helper.settle()
      return one
    end

    it("are charged with their results, and make room when they are full", function()
      local store = task_store.new()
      local all = {}
      for i = 1, 100 do
        all[i] = ended(store, "", 100000)
        assert.equal("completed", all[i].status)
        assert.is_true(store.owners.share:held() <= MOST)
      end
      -- The last of them are there; what ended first has made room.
      assert.is_true(store.count > 15 and store.count < 21, store.count .. " are kept")
      assert.is_nil(store:find(all[1].id, ""))
      assert.equal(all[100], store:find(all[100].id, ""))
      store:clear()
      assert.same({ 0, begun }, { store.owners.share:held(), held() })
    end)

    it("fail with Busy where a result does not fit, and leave the others theirs", function()
      local store = task_store.new()
      local first = ended(store, "", 100000)
      local large = ended(store, "", MOST + 1)
      assert.same({ "failed", -32000 }, { large.status, large.err.code })
      assert.equal("completed", first.status)
      assert.equal(first, store:find(first.id, ""))
      store:clear()
      assert.equal(begun, held())
    end)

    it("hold what was asked as long as they run", function()
      local store = task_store.new()
      local one = assert(store:create("", 60, 500000))
      assert.equal(500000 + task_store.COST, store.owners.share:held())
      store:run(one, function() store:finish(one, raw(1000), false) end)
      helper.settle()
      assert.is_true(store.owners.share:held() < task_store.COST + 2000)
      -- Forgotten while it runs.
      local other = assert(store:create("", 60, 500000))
      store:run(other, function() core.sleep(60) end)
      store:clear()
      helper.settle()
      assert.same({ 0, begun }, { store.owners.share:held(), held() })
    end)

    it("are refused when nothing can make room", function()
      local store = task_store.new()
      for _ = 1, 3 do assert(store:create("", 60, 600000)) end
      assert.is_nil(store:create("", 60, 600000))
      assert.equal(3, store.count)
      store:clear()
      assert.equal(begun, held())
    end)

    it("hold no more answers than there is room for", function()
      local store = task_store.new()
      local one = assert(store:create("", 60))
      assert.is_true(store:charge(one, 1000))
      assert.is_false(store:charge(one, MOST))
      store:clear()
      -- It is no task of the store any more.
      assert.is_false(store:charge(one, 1))
      assert.equal(begun, held())
    end)

    it("are a half of that for one principal, which makes room for itself", function()
      local store = task_store.new()
      local others = ended(store, "bob", 100000)
      local last
      for _ = 1, 40 do
        last = ended(store, "ada", 100000)
        assert.equal("completed", last.status)
        assert.is_true(store.owners.share:held() <= MOST // 2 + 110000)
      end
      assert.equal(last, store:find(last.id, "ada"))
      assert.equal(others, store:find(others.id, "bob"))
      -- Of sessions, the principal that opened them counts.
      local session_one, session_two = { owner = "ada" }, { owner = "ada" }
      assert(ended(store, session_one, 100000))
      assert(ended(store, session_two, 100000))
      assert.is_true(store.owners.share:held() <= MOST // 2 + 110000)
      -- Others drop the oldest of all, once the store is full.
      for _ = 1, 9 do assert.equal("completed", ended(store, "carol", 100000).status) end
      assert.is_true(store.owners.share:held() > MOST // 2 + 110000)
      store:clear()
      assert.same({ 0, begun }, { store.owners.share:held(), held() })
      assert.is_nil(next(store.owners.parts))
    end)
  end)

  describe("events", function()
    it("are charged, and the oldest go, of whichever session", function()
      local store = event_store.new { bytes = 100 << 20, total = 100 << 20, events = 10000 }
      for i = 1, 60 do
        store:append("s" .. i % 3, "a", "a_" .. i, ("x"):rep(100000))
        assert.is_true(store.share:held() <= MOST)
        assert.equal(store.bytes, store.share:held())
      end
      assert.is_false(store:replay("s1", "a_1", print))
      assert.is_true(store:replay("s0", "a_60", print))
      for i = 0, 2 do store:drop("s" .. i) end
      assert.same({ 0, begun }, { store.share:held(), held() })
    end)

    it("go while the process is short of memory, and are not kept where there is none", function()
      local store = event_store.new()
      for i = 1, 10 do store:append("s", "a", "a_" .. i, ("x"):rep(50000)) end
      local others <close> = core.share()
      local more <close> = core.share()
      local further <close> = core.share()
      local last <close> = core.share()
      assert.is_true(others:charge(MOST))
      assert.is_true(more:charge(MOST))
      assert.is_true(further:charge(MOST))
      local before = store.bytes
      store:append("s", "a", "a_11", "small")
      assert.is_true(store.bytes < before // 2)
      -- All of the rest.
      assert.is_true(last:charge(LIMIT - held()))
      store:append("s", "a", "a_12", ("x"):rep(500000))
      assert.is_false(store:replay("s", "a_12", print))
      store:drop("s")
    end)

    it("are released with their store", function()
      event_store.new():append("s", "a", "a_1", ("x"):rep(1000))
      collect()
      assert.equal(begun, held())
    end)
  end)

  describe("sessions", function()
    local facts = protocol.revision "2025-11-25"

    local function with(size)
      return session.new(facts, { clientInfo = { name = ("n"):rep(size) } })
    end

    it("are charged with what clients say of themselves; those used longest ago go", function()
      local store = session.store()
      for i = 1, 40 do
        local one = with(200000)
        one.last_used = one.last_used + i / 1000
        assert.is_true(store:add(one))
      end
      assert.is_true(store.count < 11, store.count .. " are there")
      assert.is_true(held() - begun <= MOST)
      assert.is_false(store:add(with(MOST)))
      store:clear()
      assert.equal(begun, held())
    end)

    it("of one principal have a half, and make room for one another", function()
      local store = session.store()
      local function of(owner, size)
        local one = with(size)
        one.owner = owner
        return one
      end
      local others = of("bob", 200000)
      assert.is_true(store:add(others))
      for i = 1, 20 do
        local one = of("ada", 200000)
        one.last_used = one.last_used + i / 1000
        assert.is_true(store:add(one))
        assert.is_true(held() - begun <= MOST // 2 + 210000)
      end
      assert.equal(others, store:find(others.id, "bob"))
      assert.is_false(store:add(of("ada", MOST // 2 + 1)))
      assert.equal(others, store:find(others.id, "bob"))
      store:clear()
      assert.equal(begun, held())
    end)

    it("are charged with what they are subscribed to, until that is over", function()
      local app = mcp.server "memory"
      local uri = "test://" .. ("x"):rep(900)
      app:resource(uri) (function() return "" end)
      local client <close> = assert(mcp.connect(app, { revision = "2025-11-25" }))
      local function twice()
        assert(client:subscribe(uri, function() end))
        local most = held()
        assert(client:unsubscribe(uri))
        return most, held()
      end
      twice()
      local before = held()
      for _ = 1, 20 do
        local most, after = twice()
        assert.is_true(most - after > 900)
        assert.equal(before, after)
      end
    end)
  end)

  describe("a call that may ask the client", function()
    local state = require "mcp.server.ask.state"

    -- The state of a call with such arguments, and how many bytes were charged to it.
    local function began(arguments, has_room)
      local charged = 0
      local ctx = { method = "tools/call", exchange = {}, row = { target = "name" } }
      function ctx.exchange:charge(bytes) -- luacheck: ignore self
        charged = charged + bytes
        return has_room
      end
      return state.begin({}, ctx, { name = "t", arguments = arguments }), ctx.asking, charged
    end

    it("keeps its arguments as text, and is charged with that", function()
      local arguments = {}
      for i = 1, 20000 do arguments[i] = { a = i } end
      local weight = core.weight(arguments)
      collect()
      local before = collectgarbage "count" * 1024
      local err, asking, charged = began(arguments, true)
      collect()
      local used = collectgarbage "count" * 1024 - before
      assert.is_nil(err)
      assert.equal(#asking.arguments, charged)
      assert.is_true(used < weight / 4, used / weight)
      -- They are those that came, whatever the handler does.
      arguments[1].a = 0
      assert.is_truthy(asking.arguments:find('^%[{"a":1},'))
    end)

    it("is refused where there is no room for them, and small ones cost nothing", function()
      local err, asking = began({ text = ("x"):rep(2000) }, false)
      assert.same({ -32000, 503 }, { err.code, err.status })
      assert.is_nil(asking)
      local none, _, charged = began({ text = "x" }, false)
      assert.same({ nil, 0 }, { none, charged })
    end)

    it("keeps nothing of a client that cannot be asked, however its JSON is spaced", function()
      assert.is_true(state.need({ rounds = true }, { asks = true },
        '{"x/clientCapabilities":{"elicitation":{}}}'))
      assert.is_false(state.need({ rounds = true }, {}, nil))
      for _, text in ipairs { '{"x/clientCapabilities":{}}', '{"x/clientCapabilities" : { } }' } do
        assert.equal("answers", state.need({ rounds = true }, { asks = true }, text))
      end
    end)
  end)

  describe("of a client", function()
    it("a cache is charged, and the oldest result makes room", function()
      local kept = cache.new()
      local place = { server = "s", principal = "p" }
      for i = 1, 60 do
        kept:put(place, "m", "d" .. i, { ttlMs = 60000, text = ("x"):rep(100000) }, kept.generation)
        assert.is_true(kept.share:held() <= MOST)
      end
      assert.is_nil(kept:get(place, "m", "d1"))
      assert.equal(100000, #kept:get(place, "m", "d60").text)
      kept:put(place, "m", "large", { ttlMs = 60000, text = ("x"):rep(MOST) }, kept.generation)
      assert.is_nil(kept:get(place, "m", "large"))
      kept:put(place, "m", "d60", { ttlMs = 60000, text = "small" }, kept.generation)
      assert.equal("small", kept:get(place, "m", "d60").text)
      kept:drop(place)
      assert.same({ 0, 0, begun }, { kept.count, kept.share:held(), held() })
    end)

    it("notices being worked on are bounded in bytes", function()
      local client, gates = { callbacks = 0 }, {}
      for _ = 1, 100 do
        tell.run(client, function()
          local gate = core.waiter()
          gates[#gates + 1] = gate
          gate:wait()
        end, { text = ("x"):rep(100000) })
      end
      helper.settle()
      assert.is_true(#gates > 15 and #gates < 21, #gates .. " were told")
      for _, gate in ipairs(gates) do gate:wake() end
      helper.settle()
      assert.same({ 0, begun }, { client.callbacks, held() })
    end)

    -- What a server asks, and the answers that have not gone out.
    local function flooded(serve)
      local out = { answers = {}, gates = {} }
      out.incoming = incoming.new({ serve = serve, notice = function() end }, function(text)
        local gate = core.waiter()
        out.gates[#out.gates + 1] = gate
        gate:wait()
        out.answers[#out.answers + 1] = core.decode(text)
      end)
      return out
    end

    local function ask(id, params)
      return { jsonrpc = "2.0", id = id, method = "ping", params = params }
    end

    it("refusals under way are bounded: the server is not read from meanwhile", function()
      local server = flooded(function() return {} end)
      local taken = 0
      core.spawn(function()
        for i = 1, 500 do
          server.incoming:take(ask(i), true)
          taken = taken + 1
        end
      end)
      helper.settle()
      local most = incoming.SERVING + incoming.REFUSING
      assert.is_true(taken < most, taken .. " were taken")
      assert.is_true(#server.gates <= most, #server.gates .. " answers are under way")
      -- One that goes out lets one more in; all are answered in the end.
      local at = 1
      while server.gates[at] do
        server.gates[at]:wake()
        at = at + 1
        helper.settle()
        assert.is_true(#server.gates - #server.answers <= most)
      end
      assert.same({ 500, 500 }, { taken, #server.answers })
      assert.equal(begun, held())
    end)

    it("requests that it serves are bounded in bytes, and refused beyond", function()
      local server = flooded(function() return {} end)
      core.spawn(function()
        for i = 1, 10 do
          server.incoming:take(ask(i, { text = ("x"):rep(MOST // 4) }), true)
        end
      end)
      helper.settle()
      assert.is_true(held() - begun <= MOST)
      for i = 1, 10 do server.gates[i]:wake() end
      helper.settle()
      local busy = 0
      for _, answer in ipairs(server.answers) do
        if answer.error then busy = busy + 1 end
      end
      assert.same({ 10, 7 }, { #server.answers, busy })
      assert.equal(begun, held())
    end)
  end)
end)

describe("core.weight", function()
  it("weighs what came as JSON", function()
    assert.equal(0, core.weight(1, true, nil, value.null))
    assert.is_true(core.weight(("x"):rep(1000)) >= 1000)
    assert.is_true(core.weight(core.raw { ("x"):rep(1000) }) >= 1000)
    local list = {}
    for i = 1, 1000 do list[i] = i end
    assert.is_true(core.weight(list) >= 16000)
    assert.equal(core.weight(list) + core.weight "x", core.weight(list, "x"))
    -- As many bytes as Lua takes, about: never much less.
    for _, text in ipairs { '[{},{},{}]', '{"a":{"b":{"c":[1,2,3]}}}', '["one","two","three"]',
      '[[[[[[[[]]]]]]]]', '{"name":"a name","value":1.5,"list":[true,false,null]}' } do
      local all = {}
      collectgarbage()
      collectgarbage()
      local before = collectgarbage "count"
      for i = 1, 1000 do all[i] = core.decode(text) end
      collectgarbage()
      collectgarbage()
      local real = (collectgarbage "count" - before) * 1024
      assert.is_true(core.weight(all) > real * 0.75, ("%s: %d of %d"):format(text,
        core.weight(all), real))
    end
  end)

  it("ends where a table holds itself, or is deep", function()
    local deep = {}
    for _ = 1, 10000 do deep = { deep } end
    assert.is_true(core.weight(deep) > 0)
    local round = {}
    round[1] = round
    assert.is_true(core.weight(round) > 0)
  end)
end)
