-- SPDX-License-Identifier: MIT
-- examples/garden.lua: a tool with a page, and one for the page alone. How the page looks and works
-- in a browser is tried by scripts/browser/kit.lua.
local helper = require "spec.helper"
local mcp = require "mcp"
local testing = require "mcp.testing"
local ui = require "mcp.message.ui"

describe("examples/garden.lua", function()
  after_each(helper.leftovers)

  it("has a page that hosts find through its tool", function()
    local client <close> = testing.load("examples/garden.lua", { extensions = {
      [ui.ID] = { mimeTypes = mcp.array { ui.MIME } } } })
    assert.same({}, helper.plain(client:extension(ui.ID)))
    local tools = {}
    for _, tool in ipairs(assert(client:list_tools())) do tools[tool.name] = tool end
    assert.equal("ui://garden/plan", tools.watering_plan._meta.ui.resourceUri)
    assert.same({ "app" }, helper.plain(tools.water._meta.ui.visibility))
    local page = assert(client:read_resource "ui://garden/plan").contents[1]
    assert.equal(ui.MIME, page.mimeType)
    assert.is_true(page._meta.ui.prefersBorder)
    assert.is_nil(ui.html_problem(page.text))
    assert.is_truthy(page.text:find(mcp.ui.kit, 1, true))
    assert.is_nil(page.text:find("innerHTML", 1, true))
  end)

  it("tells the plan in words and as data, and notes what was watered (APP-08, APP-09)", function()
    local client <close> = testing.load "examples/garden.lua"
    local result = assert(client:call_tool "watering_plan")
    assert.matches("^roses: Monday, Friday; last watered: never\n", testing.text(result))
    assert.equal("herbs", result.structuredContent.beds[3].name)
    assert.is_nil(result.structuredContent.beds[3].watered)
    result = assert(client:call_tool("water", { bed = "herbs" }))
    assert.matches("^%d%d%d%d%-%d%d%-%d%d$", result.structuredContent.beds[3].watered)
    assert.matches('must be one of "roses", "tomatoes", "herbs"',
      client:call_tool("water", { bed = "weeds" }).content[1].text, 1, true)
  end)
end)
