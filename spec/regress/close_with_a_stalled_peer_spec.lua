-- SPDX-License-Identifier: MIT
-- A connection closed while its peer did not read made the loop turn for ever within one step; and
-- a close must not cut off what was written before it.
local core = require "mcp.core"
local wait_until = require("spec.helper").wait_until

describe("closing a connection", function()
  it("ends though the peer has stopped reading", function()
    local host, wire = core.memory_pair(function() return {} end)
    wire:pause(true)
    assert(wire:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n')
    core.step(0)
    host:close()
    -- The loop waited for the peer to read, and never left this step.
    wait_until(function() return host:is_gone() end)
    wire:close()
  end)

  it("delivers the response written before it", function()
    local host, wire = core.memory_pair(function() return {} end)
    assert(wire:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n')
    core.step(0)
    host:close()
    wait_until(function() return not wire:is_open() end)
    assert.equal('{"jsonrpc":"2.0","id":1,"result":{}}\n', wire:take())
    wire:close()
  end)
end)
