-- SPDX-License-Identifier: MIT
local failure = require "mcp.failure"
local mcp = require "mcp"

describe("mcp.error", function()
  it("holds what goes over the wire", function()
    local err = mcp.error(-32001, "no", { a = 1 }, 404)
    assert.equal(-32001, err.code)
    assert.equal("no", err.message)
    assert.same({ a = 1 }, err.data)
    assert.equal(404, err.status)
    assert.equal("mcp.error -32001: no", tostring(err))
  end)

  it("is told from everything else", function()
    assert.is_true(failure.is(mcp.error(1, "x")))
    for _, odd in ipairs { { code = 1, message = "x" }, "x", 5, mcp.null, mcp.text "x" } do
      assert.is_false(failure.is(odd))
    end
    assert.is_false(failure.is(nil))
  end)

  it("refuses what cannot be one, at the caller's line", function()
    local cases = {
      { function() mcp.error("x", "y") end, "code: expected an integer, got string" },
      { function() mcp.error(1.5, "y") end, "code: expected an integer, got number" },
      { function() mcp.error() end, "code: expected an integer, got nil" },
      { function() mcp.error(1) end, "message: expected a string, got nil" },
      { function() mcp.error(1, {}) end, "message: expected a string, got table" },
    }
    for _, case in ipairs(cases) do
      local ok, err = pcall(case[1])
      assert.is_false(ok)
      assert.matches(case[2], err, 1, true)
      assert.matches("failure_spec.lua:%d+: mcp.error: ", err)
    end
  end)
end)
