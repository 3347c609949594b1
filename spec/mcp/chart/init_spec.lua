-- SPDX-License-Identifier: MIT
-- mcp.chart: what is drawn from rows, what the model reads, and what is refused.
local data = require "mcp.chart.data"
local mcp = require "mcp"
local svg = require "mcp.chart.svg"

local ROWS = {
  { month = "Jan", rain = 40, sun = 60.5 },
  { month = "Feb", rain = "35", sun = "" },
  { month = "Mar", rain = -5, sun = mcp.null },
}

local function count(text, pattern)
  local _, times = text:gsub(pattern, "")
  return times
end

-- The document as a parser sees it: the elements must close, and nothing but the five escapes may
-- stand in a text.
local function well_formed(text)
  local open = {}
  for closing, name, tail in text:gmatch "<(/?)([%a]+)[^>]-(/?)>" do
    if closing == "/" then
      assert.equal(table.remove(open), name)
    elseif tail == "" then
      open[#open + 1] = name
    end
  end
  assert.equal(0, #open)
  for entity in text:gmatch "&(.-);" do
    assert.truthy(({ amp = 1, lt = 1, gt = 1, quot = 1, ["#39"] = 1 })[entity], entity)
  end
  assert.is_nil(text:find "[%z\1-\8\11\12\14-\31]")
  assert.truthy(utf8.len(text))
end

describe("mcp.chart", function()
  it("draws bars: one for each value, from zero up or down", function()
    local made = mcp.chart { kind = "bar", rows = ROWS, x = "month", y = { "rain", "sun" } }
    well_formed(made.svg)
    -- ground, two of the legend, three and one bars
    assert.equal(1 + 2 + 4, count(made.svg, "<rect"))
    assert.truthy(made.svg:find(">Jan</text>", 1, true))
    assert.truthy(made.svg:find(">rain</text>", 1, true))
  end)

  it("draws lines: a missing value is a gap, and a value alone a point", function()
    local rows = {}
    for i = 1, 7 do rows[i] = { x = i, y = i ~= 3 and i ~= 5 and i * i or nil } end
    local made = mcp.chart { kind = "line", rows = rows, x = "x", y = "y" }
    well_formed(made.svg)
    assert.equal(2, count(made.svg, "<polyline"))
    assert.equal(1, count(made.svg, "<circle"))
  end)

  it("draws the points of a line in the order of the x axis", function()
    local rows = { { at = "2026-03-01", n = 3 }, { at = "2026-01-01", n = 1 },
      { at = "2026-02-01", n = 2 } }
    local made = mcp.chart { kind = "line", x = "at", y = "n", rows = rows }
    local xs = {}
    for x in made.svg:match('points="(.-)"'):gmatch "([%d.]+)," do xs[#xs + 1] = tonumber(x) end
    assert.equal(3, #xs)
    assert.is_true(xs[1] < xs[2] and xs[2] < xs[3])
  end)

  it("draws every point of a scatter chart", function()
    local rows = {}
    for i = 1, 250 do rows[i] = { i % 17, i % 23 } end
    local made = mcp.chart { kind = "scatter", rows = rows, x = 1, y = 2 }
    well_formed(made.svg)
    assert.equal(250, count(made.svg, "<circle"))
  end)

  it("keeps the peaks of a line that has more values than pixels", function()
    local rows = {}
    for i = 1, 50000 do rows[i] = { i, i == 31234 and 1000 or i % 10 } end
    local made = mcp.chart { kind = "line", rows = rows, x = 1, y = 2 }
    assert.is_true(#made.svg < 60000, #made.svg)
    local top = math.huge
    for y in made.svg:match('points="(.-)"'):gmatch ",([%d.]+)" do
      top = math.min(top, tonumber(y))
    end
    local highest = made.svg:match '<line [^>]*y1="([%d.]+)"[^\n]-\n<text[^>]*>1,000<'
    assert.equal(tonumber(highest), top)
  end)

  it("has a summary for the model, which the picture has too", function()
    local made = mcp.chart { kind = "bar", title = "Weather", rows = ROWS, x = "month",
      y = { "rain", "sun" }, labels = { sun = "Sunshine" } }
    assert.equal("Weather\nrain: 3 values, lowest -5 (Mar), highest 40 (Jan), last -5 (Mar)\n"
      .. "Sunshine: 1 value, lowest 60.5 (Jan), highest 60.5 (Jan), last 60.5 (Jan)", made.summary)
    assert.truthy(made.svg:find("lowest -5 (Mar)", 1, true))
    assert.truthy(made.svg:find(">Sunshine</text>", 1, true))
  end)

  it("escapes what the rows say", function()
    local evil = [[<script>alert("1")</script>&'\]] .. "\0\1"
    local made = mcp.chart { kind = "bar", title = evil, x_label = evil, y_label = evil,
      rows = { { name = evil, value = 1 }, { name = ("ü"):rep(300), value = 2 } }, x = "name",
      y = "value", labels = { value = evil } }
    well_formed(made.svg)
    assert.is_nil(made.svg:find("<script", 1, true))
  end)

  it("has the colours of a theme, or of the one that the viewer prefers", function()
    local function ground(theme)
      return mcp.chart { kind = "bar", rows = ROWS, x = "month", y = "rain", theme = theme }.svg
    end
    assert.truthy(ground():find("prefers-color-scheme:dark", 1, true))
    assert.is_nil(ground "dark":find("prefers-color-scheme", 1, true))
    assert.is_nil(ground "light":find("#16191d", 1, true))
    assert.truthy(ground "dark":find("#16191d", 1, true))
  end)

  it("begins at zero where that is asked for", function()
    local rows = { { 1, 100 }, { 2, 104 } }
    local function has_zero(zero)
      return mcp.chart { kind = "line", rows = rows, x = 1, y = 2, zero = zero }.svg
        :find('class="mark" text%-anchor="end">0</text>') ~= nil
    end
    assert.is_true(has_zero(true))
    assert.is_false(has_zero(false))
  end)

  it("is the result of a tool: a summary and a picture", function()
    local app = mcp.server "charts"
    app:tool "weather" (function()
      return mcp.chart { kind = "bar", rows = ROWS, x = "month", y = "rain" }:result()
    end)
    local client <close> = assert(mcp.connect(app))
    local result = assert(client:call_tool "weather")
    assert.equal("text", result.content[1].type)
    assert.equal("image", result.content[2].type)
    assert.equal("image/svg+xml", result.content[2].mimeType)
  end)

  local function refused(options, text)
    local ok, message = pcall(mcp.chart, options)
    assert.is_false(ok, text)
    assert.truthy(tostring(message):find(text, 1, true), tostring(message))
  end

  it("says what is wrong, with the row and the field", function()
    local row = { { a = 1, b = 2 } }
    for text, options in pairs {
      ['kind: expected bar, line, scatter, got "pie"'] = { kind = "pie" },
      ["kind: expected bar, line, scatter, got nothing"] = {},
      ['unknown option "kynd", did you mean "kind"?'] = { kynd = "bar" },
      ["rows: expected at least one row, got none"] = { kind = "bar", rows = {} },
      ["row 2: expected a table, got number"] = { kind = "bar", rows = { {}, 7 } },
      ["x: the field of the rows for the x axis is missing"] = { kind = "bar", rows = row },
      ["y: the field of the rows for the y axis is missing"] =
        { kind = "bar", rows = row, x = "a" },
      ["y: expected at least one field, got none"] = { kind = "bar", rows = row, x = "a", y = {} },
      ['x: unknown field "c", expected one of a, b'] =
        { kind = "bar", rows = row, x = "c", y = "b" },
      ['y: unknown field "bb", did you mean "b"?'] =
        { kind = "bar", rows = row, x = "a", y = "bb" },
      ['row 1: b: expected a number, got "x"'] =
        { kind = "line", rows = { { a = 1, b = "x" } }, x = "a", y = "b" },
      ["row 1: b: expected a number, got boolean"] =
        { kind = "line", rows = { { a = 1, b = true } }, x = "a", y = "b" },
      ["row 1: b: inf cannot be shown on an axis"] =
        { kind = "line", rows = { { a = 1, b = math.huge } }, x = "a", y = "b" },
      ["row 1: a: inf cannot be shown on an axis"] =
        { kind = "line", rows = { { a = math.huge, b = 1 } }, x = "a", y = "b" },
      ["row 1: b: -1e+301 cannot be shown on an axis"] =
        { kind = "line", rows = { { a = 1, b = -1e301 } }, x = "a", y = "b" },
      ["row 1: a: 1e999 cannot be shown on an axis"] =
        { kind = "line", rows = { { a = "1e999", b = 1 } }, x = "a", y = "b" },
      ["row 2: expected a table, got nil"] =
        { kind = "line", rows = { { a = 1, b = 1 }, nil, { a = 2, b = 2 } }, x = "a", y = "b" },
      ['row 2 has no "a", which is the x axis'] =
        { kind = "line", rows = { { a = 1, b = 1 }, { b = 2 } }, x = "a", y = "b" },
      ["row 1: a: expected a number or text, got table"] =
        { kind = "line", rows = { { a = {}, b = 1 } }, x = "a", y = "b" },
      ["row 1: a is not UTF-8"] =
        { kind = "bar", rows = { { a = "\xff", b = 1 } }, x = "a", y = "b" },
      ["title is not UTF-8"] = { kind = "bar", title = "\xff" },
      ["y: no row has a value"] = { kind = "bar", rows = { { a = 1, b = "" } }, x = "a", y = "b" },
      ['labels: unknown field "c", expected one of b'] =
        { kind = "bar", rows = row, x = "a", y = "b", labels = { c = "C" } },
      ["labels: b: expected text, got number"] =
        { kind = "bar", rows = row, x = "a", y = "b", labels = { b = 7 } },
      ["width: expected 240 to 4000 pixels, got 10"] = { kind = "bar", width = 10 },
      ['theme: expected auto, dark, light, got "blue"'] = { kind = "bar", theme = "blue" },
    } do
      refused(options, text)
    end
    local labels = {}
    for i = 1, 6 do labels[i] = ("long name %d"):format(i):rep(4) end
    refused({ kind = "bar", rows = { { n = "a", 1, 2, 3, 4, 5, 6 } }, x = "n",
      y = { 1, 2, 3, 4, 5, 6 }, labels = labels, height = 160, width = 240 },
      "height: 160 pixels leave no room under the legend")
    local _, message = pcall(function() mcp.chart { kind = "pie" } end)
    assert.truthy(message:find("chart/init_spec.lua:%d+: mcp.chart: kind"), message)
  end)

  it("is bounded: points, bars, text, and bytes of the picture", function()
    local rows = {}
    for i = 1, data.SCATTER + 1 do rows[i] = { i, i } end
    refused({ kind = "scatter", rows = rows, x = 1, y = 2 },
      "5001 points are more than the 5000 that a scatter chart shows")
    refused({ kind = "bar", rows = rows, x = 1, y = 2 }, "5001 bars do not fit into 720 pixels")
    local same = {}
    for i = 1, 1000 do same[i] = rows[1] end
    local fields = {}
    for i = 1, data.POINTS / 1000 + 1 do fields[i] = 2 end
    refused({ kind = "line", rows = same, x = 1, y = fields }, "more than 1000000 points")
    refused({ kind = "bar", rows = { { ("x"):rep(data.TEXT + 1), 1 } }, x = 1, y = 2 },
      "its text is more than 65536 bytes")
    local wide, many = {}, {}
    for i = 1, 9000 do wide[i] = { i, i % 2, (i + 1) % 2 } end
    for i = 1, 60 do many[i] = 2 + i % 2 end
    refused({ kind = "line", rows = wide, x = 1, y = many, width = 4000, height = 4000 },
      ("the picture is larger than %d bytes"):format(svg.SIZE))
  end)
end)
