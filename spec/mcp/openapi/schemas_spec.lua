-- SPDX-License-Identifier: MIT
-- Schemas of 3.0 and 3.1 as JSON Schema 2020-12: what is kept, changed and left out, references
-- included.
local document = require "mcp.openapi.document"
local helper = require "spec.helper"
local mcp = require "mcp"
local schema = require "mcp.schema"
local schemas = require "mcp.openapi.schemas"

local array, null = mcp.array, mcp.null

-- A converter for a document with these components, and the list of its warnings.
local function converter(components, version)
  local warnings = {}
  local doc = assert(document.open { openapi = version or "3.0.3", paths = {},
    components = { schemas = components or {} } })
  return schemas.new(doc, function(text) warnings[#warnings + 1] = text end), warnings, doc
end

local function convert(node, components, version, direction)
  local self, warnings, doc = converter(components, version)
  local uses = {}
  direction = direction or "in"
  local made = self:schema(node, doc.main, direction, uses)
  if type(made) == "table" then made = self:complete(made, direction, uses) end
  return helper.plain(made), warnings
end

local function ref(name) return { ["$ref"] = "#/components/schemas/" .. name } end

local function accepts(definition, v)
  local check = assert(schema.compile(definition))
  return (check(v))
end

describe("schemas of OpenAPI", function()
  it("3.0: nullable, exclusive bounds and tuples", function()
    assert.same({ type = { "string", "null" } }, convert { type = "string", nullable = true })
    assert.same({ type = { "string", "null" }, enum = { "a", "null" } },
      convert { type = "string", nullable = true, enum = array { "a", "null" } }.enum
        and { type = { "string", "null" }, enum = { "a", "null" } })
    local made = convert { type = "string", nullable = true, enum = array { "a" } }
    assert.equal("a", made.enum[1])
    assert.equal(2, #made.enum)
    assert.same({ type = "integer", exclusiveMinimum = 3, maximum = 9 },
      convert { type = "integer", minimum = 3, exclusiveMinimum = true, maximum = 9,
        exclusiveMaximum = false })
    assert.same({ type = "number", exclusiveMinimum = 3 },
      convert({ type = "number", exclusiveMinimum = 3 }, nil, "3.1.0"))
    assert.same({ type = "array", prefixItems = { { type = "string" }, {} } },
      convert { type = "array", items = array { { type = "string" }, {} } })
  end)

  it("null is allowed beside a reference and alternatives", function()
    local components = { A = { type = "string" } }
    local node = { ["$ref"] = "#/components/schemas/A", nullable = true }
    local self, _, doc = converter(components)
    local uses = {}
    local made = self:complete(self:schema(node, doc.main, "in", uses), "in", uses)
    assert.is_true(accepts(made, null))
    assert.is_true(accepts(made, "x"))
    assert.is_false(accepts(made, 1))
    for _, keyword in ipairs { "allOf", "anyOf", "oneOf" } do
      uses = {}
      made = self:complete(self:schema({ [keyword] = array { ref "A" }, nullable = true },
        doc.main, "in", uses), "in", uses)
      assert.is_true(accepts(made, null), keyword)
      assert.is_false(accepts(made, 1), keyword)
    end
  end)

  it("leave out all that JSON Schema does not have, and examples that look like schemas", function()
    assert.same({ type = "object", properties = { a = { type = "string", format = "uuid" } } },
      convert { type = "object", xml = {}, example = { ["$id"] = "x" }, ["x-internal"] = true,
        externalDocs = {}, discriminator = { propertyName = "a" }, ["$id"] = "http://x/y",
        properties = { a = { type = "string", format = "uuid", examples = array { "$ref" } } } })
    -- A member may have the name of a keyword.
    assert.same({ properties = { example = { type = "string" }, ["$ref"] = { type = "string" } } },
      convert { properties = { example = { type = "string" }, ["$ref"] = { type = "string" } } })
  end)

  it("leave out keywords with values that mean nothing", function()
    assert.same({ type = "string" }, convert { type = "string", minLength = -1, maxLength = "9",
      required = true, enum = array {}, minimum = "0", pattern = 7, properties = array {} })
    assert.same({}, convert { type = "file" })
    assert.same({}, convert(mcp.null))
    assert.is_true(convert(true, nil, "3.1.0"))
    local made, warnings = convert { type = "string", pattern = "[" }
    assert.same({ type = "string" }, made)
    assert.is_truthy(warnings[1]:find('the pattern "[" is ignored', 1, true), warnings[1])
  end)

  it("follow references through all that holds schemas, and in circles", function()
    local made = convert({ type = "object", additionalProperties = ref "B",
      propertyNames = ref "N", patternProperties = { ["^x"] = ref "C" },
      allOf = array { ref "D" }, ["not"] = ref "E" }, {
      B = { type = "object", properties = { c = ref "C" } }, N = { type = "string" },
      C = { type = "array", items = ref "C2" }, C2 = ref "C3", C3 = { type = "integer" },
      D = { type = "object", properties = { d = ref "D", b = ref "B" } }, E = { type = "null" },
      Unused = { type = "string" },
    }, "3.1.0")
    local names = {}
    for name in pairs(made["$defs"]) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "B", "C", "C2", "C3", "D", "E", "N" }, names)
    assert.equal("#/$defs/D", made["$defs"].D.properties.d["$ref"])
    assert(schema.compile(made))
    assert.is_true(accepts(made, { xa = mcp.array { 1 } }))
    assert.is_false(accepts(made, { xa = mcp.array { "y" } }))
  end)

  it("give definitions names of their own", function()
    local doc = assert(document.open { openapi = "3.1.0", components = {
      schemas = { ["A b"] = { type = "string" } },
      responses = { ["A~b"] = { type = "integer" } } } })
    local self = schemas.new(doc, print)
    local uses = {}
    local made = self:complete(self:schema({ anyOf = array {
      { ["$ref"] = "#/components/schemas/A%20b" }, { ["$ref"] = "#/components/responses/A~0b" } } },
      doc.main, "in", uses), "in", uses)
    assert.equal("#/$defs/A_b", made.anyOf[1]["$ref"])
    assert.is_truthy(made.anyOf[2]["$ref"] ~= made.anyOf[1]["$ref"])
    assert(schema.compile(made))
  end)

  it("accept anything where a reference leads nowhere", function()
    local made, warnings = convert { type = "object", properties = { a = ref "None",
      b = { ["$ref"] = "other.json#/X" } } }
    assert.same({}, made.properties.a)
    assert.same({}, made.properties.b)
    assert.equal(2, #warnings)
    assert.is_truthy(table.concat(warnings):find('"#/components/schemas/None" leads nowhere', 1,
      true))
  end)

  it("hide readOnly from requests and writeOnly from answers", function()
    local components = { Id = { type = "integer", readOnly = true } }
    local node = { type = "object", required = array { "id", "key", "name" }, properties = {
      id = ref "Id", name = { type = "string" }, key = { type = "string", writeOnly = true } } }
    local made = convert(node, components)
    assert.is_nil(made.properties.id)
    assert.same({ "key", "name" }, made.required)
    made = convert(node, components, nil, "out")
    assert.is_nil(made.properties.key)
    assert.same({ "id", "name" }, made.required)
  end)

  it("take oneOf as anyOf, and answers as open", function()
    local node = { oneOf = array { { type = "integer" }, { type = "number" } } }
    assert.is_true(accepts(convert(node), 3))
    local closed = { type = "object", properties = {}, additionalProperties = false }
    assert.is_false(convert(closed).additionalProperties)
    assert.is_nil(convert(closed, nil, nil, "out").additionalProperties)
    local both = convert { anyOf = array { { type = "string" } }, oneOf = array {
      { minLength = 2 } } }
    assert.is_true(accepts(both, "xy"))
    assert.is_false(accepts(both, "x"))
  end)

  it("3.1: types in lists, const, and what stands beside a reference", function()
    local made = convert({ ["$ref"] = "#/components/schemas/A", description = "d", maxLength = 3 },
      { A = { type = array { "string", "null" } } }, "3.1.0")
    assert.equal("d", made.description)
    assert.is_true(accepts(made, null))
    assert.is_false(accepts(made, "long"))
    assert.same({ const = 1 }, convert({ const = 1 }, nil, "3.1.0"))
    -- 3.0 ignores what stands beside it.
    made = convert({ ["$ref"] = "#/components/schemas/A", description = "d", maxLength = 3 },
      { A = { type = "string" } })
    assert.is_nil(made.maxLength)
    assert.equal("d", made.description)
  end)

  it("know which of them describe objects only", function()
    local self, _, doc = converter { O = { type = "object" }, S = { type = "string" },
      Circle = { allOf = array { ref "Circle" } } }
    local function is(node) return self:describes_object(node, doc.main) end
    assert.is_true(is(ref "O"))
    assert.is_true(is { properties = {} })
    assert.is_true(is { allOf = array { ref "S", ref "O" } })
    assert.is_true(is { oneOf = array { ref "O", { type = "object" } } })
    assert.is_false(is { oneOf = array { ref "O", ref "S" } })
    assert.is_false(is { type = "object", nullable = true })
    assert.is_false(is(ref "Circle"))
    assert.is_false(is {})
  end)
end)
