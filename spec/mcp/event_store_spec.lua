-- SPDX-License-Identifier: MIT
-- The store of events: what is replayed, and its bounds.
local event_store = require "mcp.event_store"

local function replayed(store, session, after)
  local list = {}
  local known = store:replay(session, after, function(id, text)
    list[#list + 1] = id .. "=" .. text
  end)
  return known, table.concat(list, " ")
end

local function fill(store, session, stream, from, to, text)
  for i = from, to do store:append(session, stream, stream .. "_" .. i, text or "t" .. i) end
end

describe("event store", function()
  local store
  before_each(function() store = event_store.new() end)

  it("replays what came after an event, in order (HL-42)", function()
    fill(store, "s", "a", 1, 4)
    assert.same({ true, "a_2=t2 a_3=t3 a_4=t4" }, { replayed(store, "s", "a_1") })
    assert.same({ true, "a_4=t4" }, { replayed(store, "s", "a_3") })
    assert.same({ true, "" }, { replayed(store, "s", "a_4") })
  end)

  it("never replays another stream's (HL-42)", function()
    for i = 1, 3 do
      fill(store, "s", "a", i, i)
      fill(store, "s", "b", i, i, "other")
    end
    assert.same({ true, "a_2=t2 a_3=t3" }, { replayed(store, "s", "a_1") })
    assert.same({ true, "b_3=other" }, { replayed(store, "s", "b_2") })
  end)

  it("does not know another session's ids, nor made up ones (HL-43)", function()
    fill(store, "s", "a", 1, 2)
    fill(store, "t", "b", 1, 2)
    assert.same({ false, "" }, { replayed(store, "t", "a_1") })
    assert.same({ false, "" }, { replayed(store, "nobody", "a_1") })
    assert.same({ false, "" }, { replayed(store, "s", "a_3") })
    assert.same({ false, "" }, { replayed(store, "s", "") })
  end)

  it("forgets a session", function()
    fill(store, "s", "a", 1, 2)
    fill(store, "t", "b", 1, 2)
    store:drop "s"
    store:drop "s"
    assert.same({ false, "" }, { replayed(store, "s", "a_1") })
    assert.same({ true, "b_2=t2" }, { replayed(store, "t", "b_1") })
    store:drop "t"
    assert.equal(0, store.bytes)
    assert.is_nil(next(store.sessions))
  end)

  it("keeps 256 events of a session, the oldest goes first", function()
    fill(store, "s", "a", 1, 256)
    assert.is_true((replayed(store, "s", "a_1")))
    fill(store, "s", "a", 257, 257)
    assert.is_false((replayed(store, "s", "a_1")))
    assert.is_true((replayed(store, "s", "a_2")))
    fill(store, "s", "b", 1, 300)
    assert.is_false((replayed(store, "s", "a_257")))
    assert.is_false((replayed(store, "s", "b_44")))
    assert.is_true((replayed(store, "s", "b_45")))
  end)

  it("keeps 1 MiB of a session, what is larger not at all", function()
    local text = ("x"):rep(300000)
    fill(store, "s", "a", 1, 4, text)
    assert.is_false((replayed(store, "s", "a_1")))
    assert.is_true((replayed(store, "s", "a_2")))
    assert.is_true(store.bytes <= 1 << 20)
    fill(store, "s", "a", 5, 5, ("x"):rep(1 << 20))
    assert.is_false((replayed(store, "s", "a_5")))
    assert.equal(0, store.bytes)
    fill(store, "s", "a", 6, 7)
    assert.same({ true, "a_7=t7" }, { replayed(store, "s", "a_6") })
  end)

  it("keeps 64 MiB of all sessions, the oldest of all goes first", function()
    assert.equal(64 << 20, store.max_total)
    store = event_store.new { total = 10000 }
    for i = 1, 8 do fill(store, "s" .. i, "a", 1, 1, ("x"):rep(1000)) end
    assert.is_true((replayed(store, "s1", "a_1")))
    fill(store, "s1", "b", 1, 1, ("x"):rep(1000))
    assert.is_true(store.bytes <= 10000)
    assert.is_false((replayed(store, "s1", "a_1")))
    assert.is_true((replayed(store, "s1", "b_1")))
    assert.is_true((replayed(store, "s2", "a_1")))
    fill(store, "s9", "a", 1, 1, ("x"):rep(5000))
    assert.is_true(store.bytes <= 10000)
    assert.is_nil(store.sessions.s2, "a session without events is not kept")
    assert.is_true((replayed(store, "s9", "a_1")))
  end)

  it("has settings, and refuses others", function()
    store = event_store.new { events = 2, bytes = 5000 }
    fill(store, "s", "a", 1, 3)
    assert.is_false((replayed(store, "s", "a_1")))
    assert.is_true((replayed(store, "s", "a_2")))
    assert.has_error(function() event_store.new { event = 1 } end,
      'event store: unknown option "event", did you mean "events"?')
    assert.error_matches(function() event_store.new { events = -1 } end,
      "events: expected an integer")
    assert.error_matches(function() event_store.new { bytes = "1" } end,
      'option "bytes": expected a number')
  end)

  it("of somebody else's is checked for its functions", function()
    local function nothing() end
    assert.is_nil(event_store.lacks(store))
    assert.is_nil(event_store.lacks { append = nothing, replay = nothing, drop = nothing })
    assert.matches("drop is nil", event_store.lacks { append = nothing, replay = nothing })
    assert.matches("got string", event_store.lacks "redis")
    assert.matches("append is not accessible", event_store.lacks(io.stdout) and
      event_store.lacks(setmetatable({}, { __index = function() error "no" end })))
  end)
end)
