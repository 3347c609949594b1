-- SPDX-License-Identifier: MIT
-- examples/chart.lua: three files drawn in three ways, and files that are no good.
local helper = require "spec.helper"
local mcp = require "mcp"

describe("examples/chart.lua", function()
  local session

  local function start(...)
    session = mcp.session(mcp.stdio_client {
      command = helper.program(), args = { "run", "examples/chart.lua", ... },
    }, { timeout = 10 })
    assert(session:initialize())
  end

  after_each(function()
    session:close()
    helper.remove_files()
    helper.leftovers()
  end)

  local function chart(arguments)
    local result = assert(session:call_tool("chart", arguments))
    if result.isError then return nil, result.content[1].text end
    assert.equal("image/svg+xml", result.content[2].mimeType)
    return result.content[1].text, result.content[2].data
  end

  it("lists files and columns", function()
    start()
    local files = assert(session:call_tool "columns").structuredContent.files
    assert.same({ "plants.csv", "rain.csv", "visits.csv" }, helper.plain(files))
    local told = assert(session:call_tool("columns", { file = "plants.csv" })).structuredContent
    assert.equal(60, told.rows)
    assert.same({ column = "bed, row", first = "1, 1" }, helper.plain(told.columns[1]))
  end)

  it("has a page for hosts that show pages", function()
    start()
    local tools = assert(session:list_tools())
    assert.equal("chart", tools[2].name)
    assert.equal("ui://chart/picture", tools[2]._meta.ui.resourceUri)
    local page = assert(session:read_resource "ui://chart/picture").contents[1]
    assert.equal("text/html;profile=mcp-app", page.mimeType)
    assert.truthy(page.text:find("const mcp=", 1, true))
  end)

  it("draws bars, lines and points", function()
    start()
    assert.matches("rain: 12 values, lowest 36 %(April%), highest 78 %(July%)", (chart {
      file = "rain.csv", kind = "bar", x = "month", y = { "rain", "sunshine" } }))
    assert.matches("visitors: 327 values, lowest 223 %(2026%-01%-03%)", (chart {
      file = "visits.csv", kind = "line", x = "day", y = { "visitors", "signups" } }))
    assert.matches("^Plants\nleaves: 60 values", (chart { file = "plants.csv", kind = "scatter",
      x = "height, cm", y = { "leaves" }, title = "Plants" }))
  end)

  it("says what is wrong with a column or a file", function()
    local path = helper.file('a,b\n"x\n""y""",1\r\nz,\n', ".csv")
    local folder, name = path:match "^(.*)/([^/]+)$"
    start(folder)
    assert.matches('b: 1 value, lowest 1 %(x\n"y"%)', (chart { file = name, kind = "bar", x = "a",
      y = { "b" } }))
    local _, message = chart { file = name, kind = "bar", x = "a", y = { "bb" } }
    assert.matches('y: unknown field "bb", did you mean "b"?', message, 1, true)
    local file = assert(io.open(path, "w"))
    file:write 'a,b\n"x" y,1\n'
    file:close()
    _, message = chart { file = name, kind = "bar", x = "a", y = { "b" } }
    assert.matches("line 2: expected a comma or the line's end", message, 1, true)
    _, message = chart { file = "../none.csv", kind = "bar", x = "a", y = { "b" } }
    assert.truthy(message)
  end)
end)
