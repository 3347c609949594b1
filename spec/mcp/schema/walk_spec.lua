-- SPDX-License-Identifier: MIT
local walk = require "mcp.schema.walk"

describe("schema.walk", function()
  local function children(schema)
    local out = {}
    walk.children(schema, function(child, keyword, name)
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
