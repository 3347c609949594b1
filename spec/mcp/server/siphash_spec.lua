-- SPDX-License-Identifier: MIT
local siphash = require "mcp.server.siphash"

describe("siphash", function()
  local KEY = ""
  for byte = 0, 15 do KEY = KEY .. string.char(byte) end

  local function tag(length)
    local text = ""
    for byte = 0, length - 1 do text = text .. string.char(byte) end
    return ("%016x"):format(siphash.tag(KEY, text))
  end

  it("is SipHash-2-4, by the vectors of its paper and reference code", function()
    for length, expected in pairs {
      [0] = "726fdb47dd0e0e31", [1] = "74f839c593dc67fd", [2] = "0d6c8009d9a94f5a",
      [7] = "ab0200f58b01d137", [8] = "93f5f5799a932462", [15] = "a129ca6149be45e5",
    } do
      assert.equal(expected, tag(length), length)
    end
  end)

  it("depends on the key and on every byte", function()
    local text = ("x"):rep(40)
    local seen = { [siphash.tag(KEY, text)] = true }
    for at = 1, #text do
      local one = siphash.tag(KEY, text:sub(1, at - 1) .. "y" .. text:sub(at + 1))
      assert.is_nil(seen[one])
      seen[one] = true
    end
    assert.is_nil(seen[siphash.tag(KEY:reverse(), text)])
    assert.is_nil(seen[siphash.tag(KEY, text .. "\0")])
  end)
end)
