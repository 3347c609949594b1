-- SPDX-License-Identifier: MIT
-- time_spec.lua: lua/mcp/time.lua.
local core = require "mcp.core"
local mcp = require "mcp"

describe("mcp.time", function()
  it("is the time of the day, and of a clock that never goes back", function()
    local wall, monotonic = mcp.time()
    assert.equal("float", math.type(wall))
    assert.equal("float", math.type(monotonic))
    assert.is_true(math.abs(wall - os.time()) < 2)
    mcp.sleep(0.01)
    local later_wall, later = mcp.time()
    assert.is_true(later - monotonic >= 0.009)
    assert.is_true(later_wall > wall - 1)
    -- The clock of the loop.
    assert.is_true(math.abs(later - core.now()) < 1)
  end)

  it("moves while a handler computes, unlike the loop's", function()
    local _, before = mcp.time()
    local after = before
    for _ = 1, 1e7 do
      _, after = mcp.time()
      if after > before then break end
    end
    assert.is_true(after > before)
  end)
end)

describe("mcp.timestamp", function()
  it("is RFC 3339 in UTC", function()
    assert.equal("1970-01-01T00:00:00Z", mcp.timestamp(0))
    assert.equal("2026-11-29T23:14:53Z", mcp.timestamp(1795994093))
    assert.equal("2026-11-29T23:14:53Z", mcp.timestamp(1795994093.999))
    assert.equal("2026-11-29T23:14:53.999Z", mcp.timestamp(1795994093.9995, 3))
    assert.equal("2026-11-29T23:14:53.5000000Z", mcp.timestamp(1795994093.5, 7))
    assert.equal("1969-12-31T23:59:59.25Z", mcp.timestamp(-0.75, 2))
    assert.equal("0000-01-01T00:00:00Z", mcp.timestamp(-62167219200))
    assert.equal("9999-12-31T23:59:59Z", mcp.timestamp(253402300799))
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", mcp.timestamp())
    assert.is_true(require("mcp.schema.format")["date-time"].check(mcp.timestamp(nil, 9)))
  end)

  it("just before a second has as many digits as elsewhere", function()
    for digits = 1, 9 do
      assert.equal("1969-12-31T23:59:59." .. ("9"):rep(digits) .. "Z",
        mcp.timestamp(-1e-17, digits))
    end
  end)

  it("refuses what it cannot write", function()
    for _, seconds in ipairs { 253402300800, -62167219201, 0 / 0, math.huge } do
      assert.error_matches(function() mcp.timestamp(seconds) end, "years 0 to 9999")
    end
    assert.error_matches(function() mcp.timestamp "x" end, "expected seconds.*got string")
    assert.error_matches(function() mcp.timestamp(0, 10) end, "digits: expected")
    assert.error_matches(function() mcp.timestamp(0, 1.5) end, "digits: expected")
  end)
end)
