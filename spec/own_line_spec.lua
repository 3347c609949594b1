-- SPDX-License-Identifier: MIT
-- spec/own_line.lua: an error of luamcp that begins with luamcp's own line fails the test.

-- A function of luamcp that raises, at a level.
local function raising(level)
  return assert(load("local message = ...; error(message, " .. level .. ")",
    "@/usr/share/lua/mcp/some/module.lua"))
end

describe("an error raised by luamcp", function()
  it("may not begin with its own line", function()
    local ok, err = pcall(raising(1), "expected a string")
    assert.is_false(ok)
    assert.equal("an error() of lua/mcp/some/module.lua:1 names a line of luamcp", err)
  end)

  it("begins with the line of the caller, or with none", function()
    local _, err = pcall(function() raising(2) "expected a string" end)
    assert.matches("^spec/own_line_spec.lua:%d+: expected a string$", err)
    assert.equal("expected a string", select(2, pcall(raising(0), "expected a string")))
    local object = {}
    assert.equal(object, select(2, pcall(raising(1), object)))
  end)

  it("is left alone after a tail call, for then the caller has no line", function()
    local inner = load("local f = ...; f()", "@/usr/share/lua/mcp/other.lua")
    local _, err = pcall(inner, function() return raising(2) "expected a string" end)
    assert.matches("expected a string$", err)
  end)
end)

it("an error of a spec is as ever", function()
  local _, err = pcall(function() error "x" end)
  assert.matches("^spec/own_line_spec.lua:%d+: x$", err)
end)
