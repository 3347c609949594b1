-- SPDX-License-Identifier: MIT
local same = require "mcp.same"

describe("what scripts have given twice", function()
  -- Equal values are the same, tables by their members.
  local function plain(a, b)
    if a == b then return true end
    if type(a) ~= "table" or type(b) ~= "table" then return false end
    return nil
  end

  it("is the same if all members are, on both sides", function()
    assert.is_true(same({ 1, { x = "y" } }, { 1, { x = "y" } }, plain))
    assert.is_false(same({ 1, { x = "y" } }, { 1, { x = "z" } }, plain))
    assert.is_false(same({ 1 }, { 1, 2 }, plain))
    assert.is_false(same({ 1, 2 }, { 1 }, plain))
    assert.is_false(same({ a = {} }, { b = {} }, plain))
  end)

  it("is what the caller says it is, at each depth", function()
    local function lenient(a, b)
      if type(a) == "function" and type(b) == "function" then return true end
      return plain(a, b)
    end
    local a, b = { on = { print } }, { on = { error } }
    assert.is_true(same(a, b, lenient))
    assert.is_false(same(a, b, plain))
  end)
end)
