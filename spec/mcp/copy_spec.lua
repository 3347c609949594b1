-- SPDX-License-Identifier: MIT
local copy = require "mcp.copy"
local value = require "mcp.value"

describe("a copy", function()
  it("of a value has nothing in common with it but what an array is", function()
    local given = { list = value.array { { 1 } }, text = "x", null = value.null,
      empty = value.array {} }
    local made = copy.deep(given)
    assert.same(given, made)
    assert.is_true(value.is_array(made.empty))
    assert.not_equal(given.list[1], made.list[1])
    made.list[1][1] = 2
    assert.equal(1, given.list[1][1])
    assert.equal("x", copy.deep "x")
  end)

  it("of a table has the same members", function()
    local given = value.array { {} }
    local made = copy.flat(given)
    assert.not_equal(given, made)
    assert.equal(given[1], made[1])
    assert.is_true(value.is_array(made))
  end)
end)
