-- SPDX-License-Identifier: MIT
-- signature_spec.lua: lua/mcp/signature.lua. What strange schemas come to is in
-- spec/mcp/cli/foreign_spec.lua.
local signature = require "mcp.signature"
local value = require "mcp.value"

describe("a signature", function()
  it("has the required arguments first, and the types in short", function()
    assert.equal("()", signature.of(nil))
    assert.equal("()", signature.of { type = "object" })
    assert.equal("(b: integer, a?: string, list?: string[])", signature.of {
      required = value.array { "b" },
      properties = { a = { type = "string" }, b = { type = "integer" },
        list = { type = "array", items = { type = "string" } } },
    })
  end)

  it("follows references, choices and enumerations", function()
    local root = { ["$defs"] = { one = { type = "number" } } }
    assert.equal("number", signature.type_name({ ["$ref"] = "#/$defs/one" }, root))
    assert.equal("string|number", signature.type_name({ anyOf = value.array {
      { type = "string" }, { ["$ref"] = "#/$defs/one" } } }, root))
    assert.equal("red|blue", signature.type_name({ enum = value.array { "red", "blue" } }, root))
    assert.equal("any", signature.type_name({}, root))
    assert.equal("any", signature.type_name({ type = ("x"):rep(signature.NAME + 1) }, root))
  end)
end)
