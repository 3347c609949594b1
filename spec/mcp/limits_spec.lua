-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local limits = require "mcp.limits"
local mcp = require "mcp"

describe("mcp.limits", function()
  after_each(function() core.limit_memory(256 << 20) end)

  it("says what is set, and sets it", function()
    assert.equal(256 << 20, mcp.limits().memory)
    assert.equal(64 << 20, mcp.limits { memory = 64 << 20 }.memory)
    assert.equal(64 << 20, (select(2, core.memory())))
    assert.equal(64 << 20, mcp.limits {}.memory)
    assert.equal(0, mcp.limits { memory = 0 }.memory)
    assert.equal((core.memory()), mcp.limits().held)
  end)

  it("raises on what is none, at the caller's line", function()
    local here = "^spec/mcp/limits_spec%.lua:%d+: mcp%.limits: "
    for _, case in ipairs {
      { { memory = "64M" }, "memory: expected bytes, 0 or at least 1048576, got 64M$" },
      { { memory = 1.5 }, "memory: expected bytes, 0 or at least 1048576, got 1.5$" },
      { { memory = 1000 }, "memory: expected bytes, 0 or at least 1048576, got 1000$" },
      { { memory = -1 }, "memory: expected bytes, 0 or at least 1048576, got %-1$" },
      { { memroy = 1 }, 'unknown option "memroy", did you mean "memory"%?$' } } do
      local ok, why = pcall(function() mcp.limits(case[1]) end)
      assert.is_false(ok)
      assert.matches(here .. case[2], why)
    end
    assert.equal(256 << 20, mcp.limits().memory)
  end)

  it("reads sizes", function()
    assert.same({ 0, 1, 1024, 64 << 20, 2 << 30 }, { limits.size "0", limits.size "1",
      limits.size "1k", limits.size "64M", limits.size "2G" })
    for _, text in ipairs { "", "M", "64m", "64 M", "-1", "1.5M", "64MB", "0x10",
      "99999999999999999999", "9999999999999G" } do
      assert.is_nil(limits.size(text), text)
    end
  end)
end)

describe("a share of the account", function()
  it("charges, refuses and releases", function()
    local before = core.memory()
    local share = core.share()
    assert.is_true(share:charge(1000))
    assert.same({ 1000, before + 1000 }, { share:held(), (core.memory()) })
    local _, limit, refused = core.memory()
    assert.same({ nil, "memory limit of the process exceeded", "EBUDGET" },
      { share:charge(limit // 4) })
    assert.equal(refused + 1, (select(3, core.memory())))
    assert.is_false(share:is_tight())
    assert.is_true(share:charge(limit // 16 * 3))
    assert.is_true(share:is_tight())
    assert.has_error(function() share:release(limit) end)
    share:release(limit // 16 * 3)
    share:close()
    assert.equal(before, (core.memory()))
    assert.equal(0, share:held())
    -- Closed, it counts nothing, and closing again is harmless.
    share:close()
  end)

  it("is released when it is collected", function()
    local before = core.memory()
    core.share():charge(5000)
    collectgarbage()
    collectgarbage()
    assert.equal(before, (core.memory()))
  end)
end)
