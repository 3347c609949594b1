-- SPDX-License-Identifier: MIT
local walk = require "mcp.schema.walk"
local helper = require "spec.helper"
local mcp = require "mcp"
local schema = require "mcp.schema"

describe("schema.walk", function()
  local function children(given)
    local out = {}
    walk.children(given, function(child, keyword, name)
      out[#out + 1] = ("%s %s %s"):format(keyword, tostring(name), child.id)
    end)
    table.sort(out)
    return out
  end

  it("visits schemas alone, by name and in lists, known keyword or not", function()
    assert.same({
      "$defs default d", "allOf 1 e", "allOf 2 f", "items nil a", "odd nil g", "properties enum c",
      "properties x b",
    }, children {
      items = { id = "a" }, properties = { x = { id = "b" }, enum = { id = "c" }, y = true },
      ["$defs"] = { default = { id = "d" } }, allOf = { { id = "e" }, { id = "f" }, false },
      odd = { id = "g" }, type = { "object", "null" }, required = { "x" }, minimum = 1,
      additionalProperties = false,
    })
  end)

  it("passes values over (core 7.7.1: only keywords apply schemas)", function()
    local like = { id = "x" }
    assert.same({}, children { const = like, enum = { like }, default = like, examples = { like } })
  end)
end)

describe("walk.wrap", function()
  local function both(definition, good, bad)
    local plain = assert(schema.compile(definition))
    local wrapped = assert(schema.compile(walk.wrap(definition)))
    assert.is_true(plain(good))
    assert.is_false((plain(bad)))
    assert.is_true(wrapped { result = good })
    assert.is_false((wrapped { result = bad }))
    assert.is_false((wrapped {}))
  end

  it("holds for { result = v } where the schema holds for v (T-52)", function()
    both({ type = "array", items = { type = "integer" } }, mcp.array { 1 }, mcp.array { "a" })
    both({ type = "string" }, "x", 5)
    both({ anyOf = { { type = "null" }, { type = "object", required = { "a" } } } }, mcp.null,
      { b = 1 })
  end)

  it("moves references from the root, and those alone (T-52)", function()
    both({ type = "array", items = { ["$ref"] = "#/$defs/n" },
      ["$defs"] = { n = { type = "integer" } } }, mcp.array { 1 }, mcp.array { "a" })
    -- a tree
    both({ type = "array", items = { ["$ref"] = "#" } }, mcp.array { mcp.array {} },
      mcp.array { 1 })
    -- by an anchor
    both({ type = "array", items = { ["$ref"] = "#n" },
      ["$defs"] = { x = { ["$anchor"] = "n", type = "integer" } } }, mcp.array { 1 },
      mcp.array { "a" })
    -- through properties that have a keyword's name
    both({ anyOf = { { properties = { default = { ["$ref"] = "#/$defs/n" } },
      required = { "default" } } }, ["$defs"] = { n = { type = "integer" } } },
      { default = 1 }, { default = "a" })
    -- to where only a reference makes a schema of it
    both({ type = "array", items = { ["$ref"] = "#/odd/place" },
      odd = { place = { ["$ref"] = "#/$defs/n" } }, ["$defs"] = { n = { type = "integer" } } },
      mcp.array { 1 }, mcp.array { "a" })
  end)

  it("leaves values alone that only look like references", function()
    local like = { ["$ref"] = "#/x" }
    local out = walk.wrap { const = like, enum = { like }, default = like, examples = { like } }
    local inner = out.properties.result
    for _, held in ipairs { inner.const, inner.enum[1], inner.default, inner.examples[1] } do
      assert.equal("#/x", held["$ref"])
    end
  end)

  it("leaves a part with an $id alone, which is a document of its own (core 8.2.1)", function()
    both({ ["$id"] = "https://example.org/list", type = "array",
      items = { ["$ref"] = "#/$defs/n" }, ["$defs"] = { n = { type = "integer" } } },
      mcp.array { 1 }, mcp.array { "a" })
    both({ type = "array", items = { ["$ref"] = "#/$defs/inner" }, ["$defs"] = { inner = {
      ["$id"] = "https://example.org/inner", ["$ref"] = "#/$defs/n",
      ["$defs"] = { n = { type = "integer" } } } } }, mcp.array { 1 }, mcp.array { "a" })
  end)

  it("the dialect stays at the root (core 8.1.1)", function()
    for _, dialect in ipairs { "https://json-schema.org/draft/2020-12/schema",
      "http://json-schema.org/draft-07/schema#" } do
      local definition = { ["$schema"] = dialect, type = "array",
        items = { ["$ref"] = "#/definitions/n" }, definitions = { n = { type = "integer" } } }
      local out = walk.wrap(definition)
      assert.equal(dialect, out["$schema"])
      assert.is_nil(out.properties.result["$schema"])
      assert.equal(dialect, definition["$schema"])
      both(definition, mcp.array { 1 }, mcp.array { "a" })
    end
  end)

  it("does not touch what it is given; empty arrays stay arrays", function()
    local definition = { type = "array", prefixItems = mcp.array {}, items = { ["$ref"] = "#" } }
    local out = walk.wrap(definition)
    assert.equal("#", definition.items["$ref"])
    assert.equal(getmetatable(mcp.array {}), getmetatable(out.properties.result.prefixItems))
    assert.same({ "result" }, helper.plain(out.required))
  end)

  it("takes true and false", function()
    assert.is_true(walk.wrap(true).properties.result)
    assert.is_false(walk.wrap(false).properties.result)
  end)
end)
