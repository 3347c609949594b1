-- SPDX-License-Identifier: MIT
-- src/lua/lconnection.c: a connection whose peer has closed while a call is in progress. The rest
-- is specified through its transports, in spec/transport and spec/mcp/client/transport.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("a connection that its peer has closed", function()
  after_each(helper.leftovers)

  it("waits for the call in progress, and leaves no timer behind", function()
    local app, done = mcp.server "spec", false
    app:tool "t" (function(_, ctx)
      done = ctx:sleep(0.03)
      return ""
    end)
    local peer = helper.open(app)
    peer:send { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "t" } }
    helper.settle()
    assert.equal(1, core.task_count())
    peer.wire:close()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the call")
    assert.is_true(done)
    -- What looked whether it had ended came every 10 ms.
    local at = core.now() + 0.05
    while core.now() < at do core.step(0.01) end
    local left = core.timeout()
    assert.is_true(left == nil or left > 0.02, left)
  end)
end)
