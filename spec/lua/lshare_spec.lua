-- SPDX-License-Identifier: MIT
-- lshare_spec.lua: src/lua/lshare.c: what the stores of a state release is memory of the process
-- until the collector has run.
local core = require "mcp.core"

local MiB <const> = 1 << 20

describe("a share of a store", function()
  local limit
  before_each(function() limit = select(2, core.memory()) end)
  after_each(function() core.limit_memory(limit == math.maxinteger and 0 or limit) end)

  -- A store of large values that drops its oldest, as those of tasks and events do: the largest
  -- heap in bytes, without what was there before, and what it held.
  local function largest_heap(share, count, size)
    local kept, oldest, last, largest = {}, 1, 0, 0
    collectgarbage()
    local before = collectgarbage "count" * 1024
    for i = 1, count do
      while not share:charge(size) do
        kept[oldest] = nil
        oldest = oldest + 1
        share:release(size)
      end
      kept[i], last = core.raw(("x"):rep(size - 8)), i
      -- Before that, the strings of which they are made are most of the garbage.
      if oldest > 8 then largest = math.max(largest, collectgarbage "count" * 1024) end
    end
    assert(kept[last])
    return largest - before, share:held()
  end

  for _, mode in ipairs { "incremental", "generational" } do
    it("keeps little garbage beside what it holds, " .. mode, function()
      local previous = collectgarbage(mode)
      core.limit_memory(64 * MiB)
      local share <close> = core.share()
      local heap, held = largest_heap(share, 400, 256 << 10)
      collectgarbage(previous)
      assert.equal(16 * MiB, held)
      -- Each value is made of a string of the same size.
      assert.is_true(heap < 1.5 * held, heap / held)
    end)
  end

  it("does not collect for a few bytes", function()
    local share <close> = core.share()
    assert.is_true(share:charge(1000))
    local weak = setmetatable({ {} }, { __mode = "v" })
    collectgarbage "stop"
    share:release(1000)
    local left = weak[1]
    collectgarbage "restart"
    assert.is_table(left)
  end)
end)
