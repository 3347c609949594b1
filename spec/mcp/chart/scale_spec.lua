-- SPDX-License-Identifier: MIT
local scale = require "mcp.chart.scale"

local function texts(made)
  local list = {}
  for i, mark in ipairs(made.marks) do list[i] = mark.text end
  return list
end

describe("scale of numbers", function()
  it("has marks at round numbers around the values", function()
    assert.same({ "0", "20", "40", "60", "80", "100" }, texts(scale.number(3, 97, 5)))
    assert.same({ "-10,000", "-5,000", "0", "5,000" }, texts(scale.number(-7500, 4999, 4)))
    assert.same({ "0.10", "0.12", "0.14", "0.16" }, { table.unpack(texts(scale.number(0.1, 0.2, 5)),
      1, 4) })
  end)

  it("writes what is large with a letter, and never minus nothing", function()
    assert.same({ "0", "0.5M", "1M", "1.5M" }, texts(scale.number(0, 1.4e6, 3)))
    assert.same({ "-1M", "0", "1M" }, texts(scale.number(-1e6, 1e6, 2)))
    assert.equal("0", scale.text(-0.0001, 1))
    assert.equal("1e+18", scale.text(1e18, 1e17))
  end)

  it("ends at the values where that is asked for", function()
    local exact = scale.number(1, 200, 4, true)
    assert.equal(1, exact.low)
    assert.equal(200, exact.high)
    assert.same({ "50", "100", "150", "200" }, texts(exact))
  end)

  it("has room around a single value, and around values that are next to each other", function()
    for _, value in ipairs { 0, 5, -5, 1e300, 1e-300 } do
      local made = scale.number(value, value, 4)
      assert.is_true(made.place(value) > 0 and made.place(value) < 1, tostring(value))
    end
    local near = scale.number(1, 1 + 2 ^ -52, 5)
    assert.is_true(#near.marks < 20)
    for _, mark in ipairs(near.marks) do assert.equal(mark.at, mark.at) end
  end)

  it("places from 0 to 1", function()
    local made = scale.number(0, 100, 5)
    assert.equal(0, made.place(0))
    assert.equal(0.5, made.place(50))
    assert.equal(1, made.place(100))
  end)
end)

describe("scale of times", function()
  local function time(text) return assert(scale.time_of(text)) end

  it("reads dates, months, and times of the day with an offset", function()
    assert.equal(0, time "1970-01-01")
    assert.equal(951782400, time "2000-02-29")
    assert.equal(time "2026-11-01", time "2026-11")
    assert.equal(time "2026-11-30T06:00:00Z", time "2026-11-30T07:00:00+01:00")
    assert.equal(time "2026-11-30 06:00", time "2026-11-30T06:00:00Z")
    assert.equal(0.5, time "1970-01-01T00:00:00.5Z")
    assert.equal(-86400, time "1969-12-31")
  end)

  it("agrees with the calendar of the system for a hundred years", function()
    for day = -18262, 18262, 97 do
      assert.equal(day * 86400, time(os.date("!%Y-%m-%d", day * 86400)))
      assert.equal(os.date("!%Y-%m-%d", day * 86400), scale.time_text(day * 86400))
    end
  end)

  it("takes nothing else for a time", function()
    for _, text in ipairs { "2026-02-30", "2026-13-01", "2026-00-01", "20261130",
      "2026-11-30T25:00", "2026-11-30T10:60", "2026-11-30Tx", "2026-11-30T10:00:00+1",
      "Monday", "" } do
      assert.is_nil(scale.time_of(text), text)
    end
  end)

  it("has marks at the beginnings of years, months, days and hours", function()
    assert.same({ "2020", "2021", "2022", "2023" },
      texts(scale.time(time "2019-12-01", time "2023-02-01", 4)))
    assert.same({ "Nov", "2026", "Mar" },
      texts(scale.time(time "2025-10-15", time "2026-04-02", 4)))
    assert.same({ "28 Feb", "2 Mar", "4 Mar" },
      texts(scale.time(time "2026-02-28", time "2026-03-05", 4)))
    assert.same({ "18:00", "2 Mar", "06:00" },
      texts(scale.time(time "2026-03-01T13:00", time "2026-03-02T11:00", 5)))
    assert.same({ "10:00:05", "10:00:10" },
      texts(scale.time(time "2026-03-01T10:00:01", time "2026-03-01T10:00:12", 3)))
    assert.same({ "1000", "1500", "2000" },
      texts(scale.time(time "0800-01-01", time "2030-01-01", 3)))
  end)
end)

describe("scale of categories", function()
  it("gives each a band, and leaves out names that would touch", function()
    local made = scale.category({ "a", "b", "c", "d" }, 2)
    assert.equal(0.25, made.band)
    assert.equal(0.125, made.place(1))
    assert.equal(0.875, made.place(4))
    assert.same({ "a", "c" }, texts(made))
    assert.same({ "a", "b", "c", "d" }, texts(scale.category({ "a", "b", "c", "d" }, 9)))
    assert.same({ "a" }, texts(scale.category({ "a", "b" }, 0)))
  end)
end)
