-- SPDX-License-Identifier: MIT
-- options_spec.lua: lua/mcp/options.lua, which checks tables of options.
local options = require "mcp.options"

local KNOWN = { min = "number", name = "string|table", extra = "any", flag = true,
  secret = "internal function" }

describe("the check of a table of options", function()
  it("accepts known options of the right type", function()
    for _, given in ipairs { {}, { min = 1 }, { name = "x" }, { name = {} }, { extra = false },
      { flag = "x" }, { secret = print } } do
      assert.is_nil(options.error_in(given, KNOWN))
    end
  end)

  it("names the nearest option, or all documented options", function()
    assert.equal('unknown option "mni", did you mean "min"?',
      options.error_in({ mni = 1 }, KNOWN))
    assert.equal('unknown option "1", expected one of extra, flag, min, name',
      options.error_in({ "x" }, KNOWN))
    assert.equal('unknown option "secrte", expected one of extra, flag, min, name',
      options.error_in({ secrte = 1 }, KNOWN))
  end)

  it("names the types that an option takes", function()
    assert.equal('option "min": expected a number, got string',
      options.error_in({ min = "1" }, KNOWN))
    assert.equal('option "name": expected a string or table, got boolean',
      options.error_in({ name = true }, KNOWN))
    assert.equal('option "secret": expected a function, got number',
      options.error_in({ secret = 5 }, KNOWN))
    assert.equal("expected a table of options, got nil", options.error_in(nil, KNOWN))
    assert.equal("expected a table of options, got string", options.error_in("x", KNOWN))
  end)

  it("raises at the line that the level says", function()
    local function outer(level) options.check("mcp.thing", { mni = 1 }, KNOWN, level) end
    local TEXT = 'mcp.thing: unknown option "mni", did you mean "min"?'
    local _, bare = pcall(outer, 0)
    assert.equal(TEXT, bare)
    local here = debug.getinfo(1, "l").currentline
    local _, at = pcall(function() outer(2) end)
    assert.equal(("spec/mcp/options_spec.lua:%d: %s"):format(here + 1, TEXT), at)
    _, at = pcall(outer)
    assert.equal(("spec/mcp/options_spec.lua:%d: %s"):format(here - 4, TEXT), at)
    assert.is_nil(options.check("mcp.thing", { min = 1 }, KNOWN, 2))
  end)

  it("takes a list of strings, and no table with names in its place", function()
    assert.is_nil(options.list_problem {})
    assert.is_nil(options.list_problem { "a", "b" })
    assert.equal("[1]: expected a string, got number", options.list_problem { 1 })
    assert.equal(': expected a list of strings, got a table with the key "a"',
      options.list_problem { a = true })
    local function outer(given) options.check_list("mcp.thing", given, "names", 2) end
    outer {}
    outer { names = { "a" } }
    local here = debug.getinfo(1, "l").currentline
    local _, at = pcall(function() outer { names = { a = true } } end)
    assert.equal(("spec/mcp/options_spec.lua:%d: mcp.thing: names: expected a list of strings, "
      .. 'got a table with the key "a"'):format(here + 1), at)
    -- Level 0 is no one's line.
    local _, plain = pcall(options.check_list, "mcp.thing",
      { names = { 1 } }, "names", 0)
    assert.equal("mcp.thing: names[1]: expected a string, got number", plain)
  end)
end)
