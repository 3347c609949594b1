-- SPDX-License-Identifier: MIT
-- bm25_spec.lua: lua/mcp/bm25.lua.
local bm25 = require "mcp.bm25"

local function index(documents)
  local made = bm25.new()
  for i, document in ipairs(documents) do
    made:add(i, type(document) == "table" and document or { { document, 1 } })
  end
  return made
end

describe("an index", function()
  it("finds what has a word of the query, and nothing else", function()
    local found = index { "boil water", "pour tea", "water the plants" }:find "water"
    assert.same({ 1, 3 }, found)
    assert.same({}, index { "boil water" }:find "coffee")
    assert.same({}, index { "boil water" }:find "?")
    assert.same({}, index {}:find "water")
  end)

  it("puts first what has more words of it, rarer ones and is shorter", function()
    assert.same({ 2, 1, 3 }, index { "water one", "water tea", "water three and much more" }
      :find "tea water")
    -- "tea" is in one document, "water" in three.
    assert.equal(4, index { "water", "water", "water", "tea" }:find "water tea"[1])
  end)

  it("counts a field by its weight", function()
    assert.same({ 2, 1 }, index {
      { { "pot", 1 }, { "tea", 1 } }, { { "tea", 3 }, { "pot", 1 } },
    }:find "tea")
  end)

  it("counts a word less each time that it is repeated", function()
    local found = index { "tea tea tea tea tea tea cup", "tea milk cup" }:find "tea milk"
    assert.same({ 2, 1 }, found)
  end)

  it("takes verbs that mean the same, for less", function()
    local made = index { "remove note", "delete note", "paint note" }
    assert.same({ 2, 1, 3 }, made:find "delete note")
  end)

  it("keeps the order of what fits equally", function()
    local many = {}
    for i = 1, 50 do many[i] = "tea" end
    local found = index(many):find "tea"
    for i = 1, 50 do assert.equal(i, found[i]) end
  end)
end)
