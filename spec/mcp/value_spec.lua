-- SPDX-License-Identifier: MIT
-- How JSON looks in Lua.

local value = require "mcp.value"

describe("value", function()
  it("has lua-cjson's null", function()
    assert.equal("userdata", type(value.null))
    local found, cjson = pcall(require, "cjson")
    if found then assert.equal(cjson.null, value.null) end
  end)

  it("tells arrays from objects", function()
    assert.is_true(value.is_array(value.array()))
    assert.is_true(value.is_array { 1 })
    assert.is_true(value.is_array { false })
    assert.is_false(value.is_array {})
    assert.is_false(value.is_array { a = 1 })
    assert.is_false(value.is_array "a")
    assert.is_true(value.is_object {})
    assert.is_true(value.is_object { a = 1 })
    assert.is_false(value.is_object(value.array()))
    assert.is_false(value.is_object { 1 })
    assert.is_false(value.is_object(value.null))
    -- Members that its metatable gives count; without arguments it is neither.
    assert.is_true(value.is_array(setmetatable({}, { __index = { 1 } })))
    assert.is_true(value.is_object(setmetatable({}, {})))
    assert.is_false(value.is_array())
    assert.is_false(value.is_object())
    local t = { 1 }
    assert.equal(t, value.array(t))
  end)

  it("names every kind, a float without a fraction as an integer", function()
    local kinds = {
      { {}, "object" }, { { 1 }, "array" }, { "", "string" }, { 1, "integer" }, { 1.0, "integer" },
      { 1e300, "integer" }, { 1.5, "number" }, { 1 / 0, "number" }, { true, "boolean" },
      { value.null, "null" }, { print, "function" }, { nil, "nil" },
    }
    for _, case in ipairs(kinds) do assert.equal(case[2], value.kind(case[1])) end
  end)
end)
