-- SPDX-License-Identifier: MIT
-- Connecting to every server of a file.
local helper = require "spec.helper"
local mcp = require "mcp"

describe("mcp.connect_all", function()
  after_each(function()
    helper.remove_files()
    mcp.sleep(0.01)
    helper.leftovers()
  end)

  it("connects to all, and names those that cannot be reached", function()
    local app = mcp.server "one"
    app:tool "t" (function() return "x" end)
    local script = helper.file('local app = require "mcp".server "two" app:run()', ".lua")
    local clients, failed = mcp.connect_all({ one = app, two = script, three = { "false" },
      four = "http://127.0.0.1:1/mcp", five = 7 }, { client = { name = "all" } })
    local names = {}
    for name, client in pairs(clients) do names[#names + 1] = name .. client.server.name end
    table.sort(names)
    assert.same({ "oneone", "twotwo" }, names)
    assert.matches("process ended with status 1", failed.three, 1, true)
    assert.matches("connection refused", failed.four, 1, true)
    -- No line in front: none is the user's.
    assert.matches("^mcp.connect: expected an app, {", failed.five)
    for _, client in pairs(clients) do client:close() end
  end)

  it("reads a file", function()
    local path = helper.file('{ "mcpServers": { "a": { "command": "false" } } }', ".json")
    local clients, failed = mcp.connect_all(path)
    assert.same({}, clients)
    assert.is_truthy(failed.a)
    path = helper.file([[{ "mcpServers": { "a": { "command": "false" }, "b": {},
      "off": { "command": "false", "disabled": true } } }]], ".json")
    local lines = helper.logged(function() clients, failed = mcp.connect_all(path) end)
    assert.equal(("info: %s: off: disabled, so it is left out"):format(path), lines)
    assert.same({}, clients)
    assert.matches("process ended", failed.a, 1, true)
    assert.matches('b: expected "command" or "url"', failed.b, 1, true)
    assert.is_nil(failed.off)
    local none, text, code = mcp.connect_all "/nowhere/mcp.json"
    assert.same({ nil, "ENOENT" }, { none, code })
    assert.matches("No such file", text, 1, true)
    assert.has_error(function() mcp.connect_all(7) end,
      "mcp.connect_all: expected the path of a file, or servers by name, got number")
  end)
end)
