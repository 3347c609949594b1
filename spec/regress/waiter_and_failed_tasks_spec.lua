-- SPDX-License-Identifier: MIT
-- A waiter counted only the tasks that returned: one that raised, or yielded to no wait of ours,
-- made it wait for ever.
local core = require "mcp.core"
local mcp = require "mcp"

describe("a waiter", function()
  it("ends when its tasks end, whether they return, raise or are closed", function()
    local waiter = core.waiter()
    waiter:spawn(function() coroutine.yield() end) -- not ours: its task is closed
    waiter:spawn(function() error("uncaught", 0) end)
    waiter:spawn(function() mcp.sleep(0.001) end)
    assert.is_true(waiter:wait(1))
    assert.is_true(core.waiter():wait(0.001) == nil)
  end)
end)
