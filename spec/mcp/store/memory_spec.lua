-- SPDX-License-Identifier: MIT
-- A store in memory: the common cases, and its bounds.
local cases = require "spec.mcp.store.cases"
local core = require "mcp.core"
local helper = require "spec.helper"
local memory = require "mcp.store.memory"

local shared

cases.declare(_ENV, "memory", function()
  shared = shared or memory.new()
  return shared:node()
end, function() shared = nil end)

describe("a store in memory", function()
  it("counts the bytes that it keeps, also for the process", function()
    local before = core.memory()
    local bank = memory.new()
    local node = bank:node()
    node:put("k", ("x"):rep(1000), 10)
    local held = bank.bytes
    -- The key, what an entry costs besides, and the value.
    assert.equal(#"k" + 200 + 1000, held)
    assert.equal(before + held, (core.memory()))
    node:put("k", ("x"):rep(500), 10)
    assert.equal(held - 500, bank.bytes)
    for i = 1, 10 do
      node:append("l", "e" .. i, ("x"):rep(100), { ttl = 10, events = 2, bytes = 250 })
    end
    node:count("n", 1, 10)
    node:bucket("b", 1, 1)
    for _, key in ipairs { "k", "l", "n", "b" } do assert.is_true(node:delete(key)) end
    assert.same({ 0, 0 }, { bank.bytes, bank.count })
    assert.equal(before, (core.memory()))
  end)

  it("refuses what does not fit, and makes room by what has expired", function()
    local bank = memory.new { bytes = 10000 }
    local node = bank:node()
    assert.is_true(node:put("old", ("x"):rep(8000), 0.01))
    local ok, text, code = node:put("k", ("x"):rep(3000), 10)
    assert.is_nil(ok)
    assert.matches("^the store is full: %d+ of 10000 bytes are used, and %d+ more are needed$",
      text)
    assert.equal("EBUDGET", code)
    assert.equal("EBUDGET", (select(3, node:append("l", "e", ("x"):rep(3000), { ttl = 10 }))))
    core.sleep(0.02)
    assert.is_true(node:put("k", ("x"):rep(3000), 10))
    assert.is_nil(node:get "old")
  end)

  it("says that it was the memory limit of the process, where that has refused", function()
    core.limit_memory(1 << 20)
    local _ <close> = setmetatable({}, { __close = function() core.limit_memory(256 << 20) end })
    local bank = memory.new()
    local ok, text, code = bank:node():put("k", ("x"):rep(2 << 20), 10)
    assert.same({ nil, "EBUDGET" }, { ok, code })
    assert.matches("^not enough memory for the store: it keeps 0 bytes, and the memory limit of "
      .. "the process %(%-%-memory%-limit%) has no room for %d+ more$", text)
  end)

  it("makes room by lists that can be spared, those first that have been so for longest", function()
    local bank = memory.new { bytes = 10000 }
    local node = bank:node()
    local value, spare = ("x"):rep(1000), { ttl = 10, spare = true }
    node:append("kept", "e", value, { ttl = 10 })
    for i = 1, 3 do node:append("spared" .. i, "e", value, spare) end
    -- This one goes on, and then ends as the last.
    node:append("spared1", "e2", "x", { ttl = 10 })
    node:append("spared1", "e3", "x", spare)
    local function what_is_left()
      local left = {}
      for i = 1, 3 do left[i] = node:range("spared" .. i) and i or "-" end
      return table.concat(left, " ")
    end
    assert.is_true(node:put("k", ("x"):rep(3400), 10))
    assert.equal("1 2 3", what_is_left())
    assert.is_true(node:put("l", ("x"):rep(500), 10))
    assert.equal("1 - 3", what_is_left())
    -- A list does not make room for itself.
    local ok = node:append("spared3", "e2", ("x"):rep(2000), spare)
    assert.is_true(ok)
    assert.equal("- - 3", what_is_left())
    assert.equal(2, #node:range "spared3")
    assert.equal("EBUDGET", (select(3, node:append("spared3", "e3", ("x"):rep(9000), spare))))
    assert.equal(2, #node:range "spared3")
    assert.is_true(node:put("k", ("x"):rep(7000), 10))
    assert.equal("- - -", what_is_left())
    assert.equal(1, #node:range "kept")
    for _, key in ipairs { "kept", "k", "l" } do assert.is_true(node:delete(key)) end
    assert.same({ 0, 0 }, { bank.bytes, bank.count })
    assert.is_nil(next(bank.spare))
  end)

  it("holds 256 MiB unless the options say something else", function()
    local bank = memory.new()
    local node = bank:node()
    bank.bytes = (256 << 20) - 1000
    assert.equal("EBUDGET", (select(3, node:put("k", ("x"):rep(2000), 10))))
    assert.is_true(node:put("k", ("x"):rep(500), 10))
  end)

  it("keeps 256 entries and 1 MiB of a list unless its limits say something else", function()
    local node = memory.new():node()
    for i = 1, 300 do node:append("l", "e" .. i, "x", { ttl = 10 }) end
    assert.equal(256, #node:range "l")
    for i = 1, 20 do node:append("bytes", "e" .. i, ("x"):rep(100000), { ttl = 10 }) end
    assert.equal(10, #node:range "bytes")
  end)

  it("refuses values over 16 MiB", function()
    local node = memory.new():node()
    assert.is_true(node:put("k", ("x"):rep(16 << 20), 10))
    assert.equal("ETOOBIG", (select(3, node:put("k", ("x"):rep((16 << 20) + 1), 10))))
    assert.matches("lost: value: expected at most 16777216 bytes, got 16777217",
      helper.logged(function() node:put_later("k", ("x"):rep((16 << 20) + 1), 10) end), 1, true)
  end)

  it("logs once what is lost without waiting", function()
    local node = memory.new { bytes = 1000 }:node()
    local log = helper.logged(function()
      node:put_later("a", ("x"):rep(3000), 10)
      node:put_later("a", ("x"):rep(3000), 10)
      node:put_later("a", "x", 10)
      node:put_later("a", ("x"):rep(3000), 10)
    end)
    local _, count = log:gsub("warning: memory store: what was to be kept is lost: the store is "
      .. "full", "")
    assert.equal(2, count)
  end)

  it("forgets expired keys that are not asked for", function()
    local bank = memory.new()
    local node = bank:node()
    for i = 1, 1000 do node:put("k" .. i, "x", 0.01) end
    core.sleep(0.02)
    for i = 1, 100 do node:put("n" .. i, "x", 10) end
    assert.is_true(bank.count <= 100, tostring(bank.count))
  end)

  it("takes the id of a node", function()
    local bank = memory.new()
    local left, right = bank:node "one", bank:node()
    assert.equal("one", left.node)
    assert.same({ one = true, [right.node] = true }, right:nodes())
    assert.matches("^mcp%.store%.memory %(0 keys, 0 bytes%)$", tostring(bank))
  end)

  it("loses texts of a subscriber that is too slow, and says so once", function()
    local bank = memory.new()
    local left, right = bank:node(), bank:node()
    local got = 0
    right:subscribe("t", function() got = got + 1 end)
    local text = ("x"):rep(1 << 20)
    local log = helper.logged(function() for _ = 1, 20 do left:publish("t", text) end end)
    local _, count = log:gsub("its function is slower than what arrives", "")
    assert.equal(1, count)
    helper.wait_until(function() return got == 16 end, "the texts that fit")
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the task")
    log = helper.logged(function() for _ = 1, 5000 do left:publish("t", "x") end end)
    _, count = log:gsub("its function is slower than what arrives", "")
    assert.equal(1, count)
    helper.wait_until(function() return got == 16 + 4096 end, "the texts that fit")
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the task")
  end)

  it("refuses wrong options", function()
    for given, text in pairs {
      [{ byte = 1 }] = 'memory store: unknown option "byte", did you mean "bytes"?',
      [{ bytes = -1 }] = "memory store: bytes: expected an integer, 0 or more, got -1",
    } do
      local ok, message = pcall(memory.new, given)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
  end)
end)
