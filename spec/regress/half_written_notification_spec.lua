-- SPDX-License-Identifier: MIT
-- A notification that could not be encoded left its first bytes in front of the response.
local core = require "mcp.core"

describe("a notification that cannot be encoded", function()
  it("leaves no bytes in front of the response", function()
    local receiver = function(x)
      assert(not pcall(x.send, x, "m", { deep = { print } }))
      return { ok = true }
    end
    local host, wire = core.memory_pair(receiver)
    assert(wire:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n')
    core.step(0)
    core.step(0)
    assert.equal('{"jsonrpc":"2.0","id":1,"result":{"ok":true}}\n', wire:take())
    host:close()
    wire:close()
  end)
end)
