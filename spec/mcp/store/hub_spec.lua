-- SPDX-License-Identifier: MIT
-- The store of a worker: the common cases, over channels to a hub in this process.
local cases = require "spec.mcp.store.cases"
local core = require "mcp.core"
local frames = require "mcp.store.frames"
local helper = require "spec.helper"
local hub = require "mcp.server.workers.hub"
local store_hub = require "mcp.store.hub"

local shared

-- A worker of the hub: its end, and the supervisor's.
local function join()
  shared = shared or hub.new()
  local near, far = assert(core.channel_pair())
  local member = shared:join(far, "1")
  core.spawn(function()
    for frame in function() return (far:receive()) end do
      assert(member:take_frame(frame))
    end
    member:leave()
    far:close()
  end)
  local store, driver = store_hub.new(near, member.node)
  core.spawn(function()
    for frame in function() return (near:receive()) end do
      assert(driver:take_frame(frame))
    end
    driver:lose()
    near:close()
  end)
  local close = driver.close
  function driver.close(self)
    close(self)
    near:close()
  end
  return store, far, near
end

cases.declare(_ENV, "hub", join, function() shared = nil end)

describe("the store of a worker", function()
  after_each(function() shared = nil end)

  it("fails at once, and for ever, when its supervisor is away", cases.in_task(function()
    local store <close>, far = join()
    assert.is_true(store:put("k", "v", 10))
    assert.is_true(store:is_ready())
    far:close()
    cases.wait_for(function() return not store:is_ready() end, "the end")
    assert.same({ nil, "the supervisor is away", "EUNAVAILABLE" }, { store:get "k" })
    assert.same({ nil, "the supervisor is away", "EUNAVAILABLE" }, { store:publish("t", "x") })
  end))

  it("takes an answer that had come when its time was over", cases.in_task(function()
    local timeout = store_hub.TIMEOUT
    store_hub.TIMEOUT = 0.02
    local _ <close> = setmetatable({}, { __close = function() store_hub.TIMEOUT = timeout end })
    local near, far = assert(core.channel_pair())
    local store, driver = store_hub.new(near, "1")
    core.spawn(function()
      for frame in function() return (near:receive()) end do driver:take_frame(frame) end
      near:close()
    end)
    core.spawn(function()
      local _, id = frames.read_call(assert(far:receive()))
      far:send(frames.answer("get", id, "there"))
      -- What holds this process up.
      local began = os.clock()
      repeat until os.clock() - began > 0.1
      far:close()
    end)
    assert.equal("there", store:get "k")
    store:close()
  end))

  it("ends calls in progress when its supervisor ends", cases.in_task(function()
    local store <close>, far = join()
    local got
    core.spawn(function() got = table.pack(store:get "k") end)
    far:close()
    cases.wait_for(function() return got end, "the result")
    assert.equal("EUNAVAILABLE", got[3])
  end))

  it("leaves the nodes when its channel has ended", cases.in_task(function()
    local first <close> = join()
    local other, _, near = join()
    assert.is_true(first:nodes()[other.node])
    near:close()
    cases.wait_for(function() return not first:nodes()[other.node] end, "its end")
    other:close()
  end))

  it("makes room by a list that it may spare", cases.in_task(function()
    shared = hub.new(require("mcp.store.memory").new { bytes = 5000 })
    local store <close> = join()
    assert.is_true(store:append("kept", "e", ("x"):rep(1000), { ttl = 10 }))
    assert.is_true(store:append("spared", "e", ("x"):rep(1000), { ttl = 10, spare = true }))
    assert.is_true(store:put("k", ("x"):rep(3000), 10))
    assert.is_nil(store:range "spared")
    assert.equal(1, #store:range "kept")
  end))

  it("does not wait longer than its limit", cases.in_task(function()
    local near, far = assert(core.channel_pair())
    local before = store_hub.TIMEOUT
    store_hub.TIMEOUT = 0.02
    local store <close> = store_hub.new(near, "n")
    local result = table.pack(store:get "k")
    store_hub.TIMEOUT = before
    assert.same({ nil, "the supervisor has not answered in time", "EUNAVAILABLE", n = 3 }, result)
    near:close()
    far:close()
  end))

  it("hands on what came from outside at once and in order", cases.in_task(function()
    local near, far = assert(core.channel_pair())
    local store <close> = store_hub.new(near, "n")
    local got = {}
    local first
    core.spawn(function()
      first = store:subscribe("t", function(text)
        got[#got + 1] = "1 " .. text
        first:close()
      end)
      store:subscribe("t", function(text)
        got[#got + 1] = "2 " .. text
        core.sleep(0)
        got[#got + 1] = "after " .. text
      end)
    end)
    -- The answer to the first subscription's listen.
    local frame = assert((far:receive()))
    local _, id = string.unpack("<c1I4", frame)
    store.driver:take_frame(table.concat { frames.answer("listen", id, true) })
    while #store.topics.t < 2 do assert(core.sleep(0)) end
    store:deliver("t", "a", "other")
    assert.same({ "1 a", "2 a" }, got)
    store:deliver("t", "b", "other")
    while #got < 5 do assert(core.sleep(0)) end
    assert.same({ "1 a", "2 a", "after a", "2 b", "after b" }, got)
    near:close()
    far:close()
  end))

  it("holds no more for a supervisor that does not read than its queue", cases.in_task(function()
    local near, far = assert(core.channel_pair())
    local store <close> = store_hub.new(near, "n")
    local text = ("x"):rep(1 << 20)
    local ok, message, code
    for _ = 1, 40 do
      ok, message, code = store:publish("t", text)
      if not ok then break end
    end
    assert.same({ nil, "the supervisor does not read", "EUNAVAILABLE" }, { ok, message, code })
    near:close()
    far:close()
  end))

  it("loses no small answers for large texts that a worker does not read", cases.in_task(function()
    local near, far = assert(core.channel_pair())
    local member = hub.new():join(far, "worker 1")
    local large = ("x"):rep(1 << 20)
    member.topics.t = true
    local log = helper.logged(function()
      for _ = 1, 64 do member.store:deliver("t", large, "n") end
      member.store:put("large", large, 10)
      for id, key in ipairs { "large", "small" } do
        assert(member:take_frame(table.concat { frames.call("get", id, key) }))
      end
    end)
    assert.matches("worker 1 does not read from the supervisor", log, 1, true)
    assert.not_matches("worker worker", log, 1, true)
    far:close()
    local answers = {}
    for frame in function() return (near:receive()) end do
      if frame:sub(1, 1) == frames.ANSWER then
        answers[#answers + 1] = table.pack(frames.read_answer(frame))
      end
    end
    assert.same({ { 1, nil, "the worker does not read its answers", "EUNAVAILABLE", n = 4 },
      { 2, n = answers[2].n } }, answers)
    near:close()
  end))

  it("does not refuse small calls for large texts on their way", cases.in_task(function()
    local near, far = assert(core.channel_pair())
    local store <close> = store_hub.new(near, "n")
    local large, sent = ("x"):rep(1 << 20), 0
    while sent < 64 and store:publish("t", large) do sent = sent + 1 end
    assert.is_true(sent < 64)
    assert.is_true(store:publish("t", "small"))
    near:close()
    far:close()
  end))

  it("has a frame for what is larger than one", function()
    local parts = { frames.answer("range", 7, nil, "too large", "ETOOBIG") }
    assert.same({ 7, nil, "too large", "ETOOBIG" }, { frames.read_answer(table.concat(parts)) })
  end)
end)
