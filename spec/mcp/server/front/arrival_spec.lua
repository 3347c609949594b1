-- SPDX-License-Identifier: MIT
local arrival = require "mcp.server.front.arrival"
local mcp = require "mcp"

describe("the order of a message", function()
  -- The parameters of a function, in order.
  local function parameters(fn)
    local names = {}
    for i = 1, debug.getinfo(fn, "u").nparams do names[i] = debug.getlocal(fn, i) end
    return names
  end

  for _, front in ipairs { "http", "duplex" } do
    it("is that of arrival.lua in front/" .. front, function()
      local app = mcp.server "order"
      local names = parameters(require("mcp.server.front." .. front).receiver(app))
      assert.is_true(#names >= 12)
      assert.same(table.move(arrival.ORDER, 1, #names, 1, {}), names)
    end)
  end

  it("is that of a message of a batch, without exchange and link", function()
    local message = table.move(arrival.ORDER, 3, 12, 1, {})
    assert.same({ "kind", "id", "method", "params", "meta", "token" },
      { arrival.unpack(message) })
    assert.is_true(arrival.has_claim(message))
    message[6] = nil
    assert.is_false(arrival.has_claim(message))
  end)

  it("of a batch begins with what the message is", function()
    assert.is_true(arrival.is_request { "request", 1, "notification" })
    assert.is_false(arrival.is_request { "notification", false, "request" })
  end)
end)
