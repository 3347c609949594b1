-- SPDX-License-Identifier: MIT
-- nearest: which known name was meant, and the bounds of the search.
local nearest = require "mcp.nearest"

describe("the nearest name", function()
  it("is near enough to be meant: one letter, or a third of them", function()
    assert.equal("name", nearest.find("nmae", { "title", "name" }))
    assert.equal("name", nearest.find("NAEM", { "name" }))
    assert.equal("abcdef", nearest.find("abcdxy", { "abcdef" }))
    assert.is_nil(nearest.find("abcxyz", { "abcdef" }))
    assert.is_nil(nearest.find("a", { "b" }))
    assert.equal("A", nearest.find("a", { "A" }))
  end)

  it("is another name, the nearest, and the first of two", function()
    assert.equal("names", nearest.find("name", { "name", "names" }))
    assert.equal("abcdefg", nearest.find("abcdefx", { "abcdxxx", "abcdefg", "abcdefh" }))
    assert.is_nil(nearest.find("", { "a" }))
    assert.is_nil(nearest.find(7, { "7" }))
    assert.is_nil(nearest.find("name", { 7, {} }))
  end)

  it("is not looked for among very long names, nor in very long lists", function()
    local long = ("x"):rep(64)
    assert.equal(long, nearest.find(("x"):rep(63) .. "y", { long }))
    assert.is_nil(nearest.find(("x"):rep(64) .. "y", { long }))
    assert.is_nil(nearest.find(("x"):rep(64), { ("x"):rep(65) }))
    local list = {}
    for i = 1, 500 do list[i] = "another" .. i end
    list[500] = "name"
    assert.equal("name", nearest.find("nmae", list))
    table.insert(list, 1, "another")
    assert.is_nil(nearest.find("nmae", list))
  end)
end)
