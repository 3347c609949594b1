-- SPDX-License-Identifier: MIT
-- examples/search.lua and examples/code_mode.lua, by the program.
local helper = require "spec.helper"
local mcp = require "mcp"

describe("examples/search.lua", function()
  it("lists three tools, finds the others and calls them", function()
    local client <close> = assert(mcp.connect({ command = helper.program(),
      args = { "run", "examples/search.lua" } }, { timeout = 10 }))
    local names = {}
    for i, tool in ipairs(assert(client:list_tools())) do names[i] = tool.name end
    assert.same({ "list_units", "search_tools", "call_tool" }, names)
    local found = assert(client:call_tool("search_tools", { query = "how long is a mile in km" }))
    assert.equal("mile_to_kilometre", found.structuredContent.tools[1].name)
    local result = assert(client:call_tool("call_tool",
      { name = "mile_to_kilometre", arguments = { value = 10 } }))
    assert.equal("16.09344", result.content[1].text)
  end)
end)

describe("examples/code_mode.lua", function()
  it("runs examples/code_mode_script.lua", function()
    local client <close> = assert(mcp.connect({ command = helper.program(),
      args = { "run", "examples/code_mode.lua" } }, { timeout = 10 }))
    assert.equal("run_lua", assert(client:list_tools())[1].name)
    local file <close> = assert(io.open "examples/code_mode_script.lua")
    local result = assert(client:call_tool("run_lua", { code = file:read "a" }))
    assert.equal('["Aurora, berth 3","Ceres, berth 1"]', result.content[1].text)
    result = assert(client:call_tool("run_lua", { code = "tools.get_ship { name = 'Dione' }" }))
    assert.is_true(result.isError)
    assert.matches('there is no ship "Dione"; list_ships has the names', result.content[1].text, 1,
      true)
  end)
end)
