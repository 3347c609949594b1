-- SPDX-License-Identifier: MIT
-- foreign_spec.lua: lua/mcp/foreign.lua: what has another type than expected counts as absent.
local foreign = require "mcp.foreign"
local value = require "mcp.value"

describe("what a peer sent", function()
  local ANY = { "text", 7, 7.5, true, value.null, { a = 1 }, { "x" }, value.array {} }

  it("is a string or absent", function()
    for _, given in ipairs(ANY) do
      assert.equal(type(given) == "string" and given or nil, (foreign.string(given)))
    end
    assert.is_nil(foreign.string(nil))
    assert.equal("b", foreign.first(7, "", value.null, "b", "c"))
    assert.is_nil(foreign.first(7, ""))
  end)

  it("is an object, or an empty one", function()
    for _, given in ipairs(ANY) do
      local object = value.is_object(given) and given or {}
      assert.same(object, foreign.object(given))
    end
    assert.same({}, foreign.object(nil))
  end)

  it("is an array, and of this only the members of one type", function()
    local mixed = { "a", 1, { b = 2 }, value.null, "c", value.array {} }
    assert.equal(mixed, foreign.array(mixed))
    assert.same({ "a", "c" }, foreign.strings(mixed))
    assert.same({ { b = 2 } }, foreign.objects(mixed))
    for _, given in ipairs { "text", 7, true, value.null, { a = "b" } } do
      assert.same({ {}, {}, {} },
        { foreign.array(given), foreign.strings(given), foreign.objects(given) })
    end
  end)
end)
