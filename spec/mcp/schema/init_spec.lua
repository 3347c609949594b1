-- SPDX-License-Identifier: MIT
-- The schema module beyond the official suite: what it says about bad values and bad schemas, what
-- it bounds, the shorthand, the defaults. T-58: nothing is ever fetched.

local value = require "mcp.value"
local schema = require "mcp.schema"
local nearest = require "mcp.nearest"

local null, array = value.null, value.array

local function compiled(definition, options)
  return assert(schema.compile(definition, options))
end

local function holds(definition, v, options)
  return (compiled(definition, options)(v))
end

-- The explanation of why `v` does not hold.
local function why(definition, v, options)
  local valid, errors = compiled(definition, options)(v)
  assert.is_false(valid)
  return schema.explain(errors, v, definition)
end

-- The complaint about a bad schema.
local function refused(definition, options)
  local validator, message = schema.compile(definition, options)
  assert.is_nil(validator)
  return message
end

-- The message of what `fn` raises.
local function raised(fn)
  local good, message = pcall(fn)
  assert.is_false(good)
  return message
end

-- The message without the place it blames, which has to be in this file.
local function blamed(fn)
  local message = raised(fn)
  local text = message:match "^[^\n]*init_spec%.lua:%d+: (.*)$"
  assert.is_string(text, "not blamed on the caller: " .. tostring(message))
  return text
end

describe("schema: values as Lua has them", function()
  it("takes 1.0 for an integer and for equal to 1 (core 4.2.2)", function()
    assert.is_true(holds({ type = "integer" }, 1.0))
    assert.is_true(holds({ type = "integer" }, 1e300))
    assert.is_false(holds({ type = "integer" }, 1.5))
    assert.is_true(holds({ const = 1 }, 1.0))
    assert.is_true(holds({ enum = { 1.0, "a" } }, 1))
    assert.is_true(holds({ const = { a = { 1 } } }, { a = { 1.0 } }))
    assert.is_false(holds({ uniqueItems = true }, { { 1 }, { 1.0 } }))
    assert.is_true(holds({ const = 9007199254740993 }, 9007199254740993))
    assert.is_false(holds({ const = 9007199254740993 }, 9007199254740992.0))
  end)

  it("tells an empty array from an empty object", function()
    assert.is_true(holds({ type = "array" }, array {}))
    assert.is_false(holds({ type = "array" }, {}))
    assert.is_true(holds({ type = "object" }, {}))
    assert.is_false(holds({ const = array {} }, {}))
    assert.is_false(holds({ enum = { {} } }, array {}))
  end)

  it("takes null for a value", function()
    assert.is_true(holds({ type = "null" }, null))
    assert.is_true(holds({ required = { "a" } }, { a = null }))
    assert.is_false(holds({ properties = { a = { type = "string" } } }, { a = null }))
  end)

  it("takes false for a value", function()
    assert.is_true(holds({ required = { "a" } }, { a = false }))
    assert.is_false(holds({ properties = { a = { const = true } } }, { a = false }))
    assert.is_true(holds({ enum = { false } }, false))
    assert.is_false(holds({ enum = { null } }, false))
  end)

  it("counts characters, not bytes (validation 6.3)", function()
    assert.is_true(holds({ minLength = 2, maxLength = 2 }, "\u{1F600}\u{E4}"))
    assert.is_false(holds({ minLength = 3 }, "\u{1F600}\u{E4}"))
    assert.is_false(holds({ maxLength = 1 }, "\u{1F600}\u{E4}"))
  end)

  it("divides decimals as people do, and large numbers exactly (validation 6.2.1)", function()
    assert.is_true(holds({ multipleOf = 0.01 }, 4.02))
    assert.is_true(holds({ multipleOf = 0.0001 }, 0.0075))
    assert.is_false(holds({ multipleOf = 0.01 }, 4.025))
    assert.is_true(holds({ multipleOf = 0.1 }, 1e300))
    assert.is_true(holds({ multipleOf = 3 }, 9223372036854775806))
    assert.is_false(holds({ multipleOf = 3 }, 9223372036854775807))
    assert.is_true(holds({ multipleOf = 1e-300 }, 0))
    assert.is_true(holds({ multipleOf = 0.5 }, -1.5))
  end)

  it("takes lists in a schema with or without the mark of an array", function()
    assert.is_true(holds({ type = { "string", "null" }, enum = array { "a" } }, "a"))
    assert.is_true(holds({ required = {}, properties = array {} }, {}))
  end)

  it("is not changed by what happens to the schema later", function()
    local definition = { properties = { a = { type = "string" } } }
    local validator = compiled(definition)
    definition.properties.a.type = "number"
    assert.is_true((validator { a = "x" }))
  end)

  it("takes the same table in several places of a schema", function()
    local text = { type = "string" }
    local validator = compiled { properties = { a = text, b = text }, items = text }
    assert.is_false((validator { a = "x", b = 1 }))
  end)
end)

describe("schema: why a value is refused", function()
  it("lists errors with JSON pointers (RFC 6901)", function()
    local _, errors = compiled({ properties = { ["a/b~"] = { items = { type = "null" } } } })
      { ["a/b~"] = { null, 1 } }
    assert.same({ { path = "/a~1b~0/1", keyword = "type",
      message = "expected null, got number 1" } }, errors)
  end)

  it("names the argument, what was expected and what came", function()
    local input = {
      type = "object", properties = { a = { type = "number" }, b = { type = "number" } },
      required = { "a", "b" }, additionalProperties = false,
    }
    assert.equal('argument "a": expected number, got string "x"', why(input, { a = "x", b = 1 }))
    assert.equal('argument "b" is missing (expected number)', why(input, { a = 1 }))
    assert.equal('unknown argument "bb", did you mean "b"?', why(input, { a = 1, b = 2, bb = 3 }))
    assert.equal('unknown argument "other", expected one of a, b',
      why(input, { a = 1, b = 2, other = 3 }))
    assert.equal('arguments: expected object, got string "x"', why(input, "x"))
    assert.equal("arguments: expected object, got array", why(input, array {}))
    assert.equal('argument "a" is missing (expected number)\nargument "b" is missing' ..
      " (expected number)", why(input, {}))
    local _, errors = compiled(input) { a = true, b = 1 }
    assert.equal('field "a": expected number, got boolean true',
      schema.explain(errors, { a = true, b = 1 }, input, "field"))
  end)

  it("names nested members and items", function()
    local input = { properties = { list = { items = {
      properties = { x = { type = "integer" } }, required = { "x" },
      additionalProperties = false,
    } } } }
    assert.equal('argument "list[1].x": expected integer, got number 1.5',
      why(input, { list = { { x = 1 }, { x = 1.5 } } }))
    assert.equal('argument "list[0].x" is missing (expected integer)\n' ..
      'unknown argument "list[0].X", did you mean "list[0].x"?',
      why(input, { list = { { X = 1 } } }))
  end)

  it("says bounds with the value found", function()
    assert.equal("arguments: must be at least 1, got 0", why({ minimum = 1 }, 0))
    assert.equal("arguments: must be at most 7.5, got 8", why({ maximum = 7.5 }, 8))
    assert.equal("arguments: must be more than 1, got 1", why({ exclusiveMinimum = 1 }, 1))
    assert.equal("arguments: must be less than 1, got 1", why({ exclusiveMaximum = 1 }, 1))
    assert.equal("arguments: must be a multiple of 5, got 7", why({ multipleOf = 5 }, 7))
    assert.equal("arguments: expected at least 2 characters, got 1", why({ minLength = 2 }, "a"))
    assert.equal("arguments: expected at most 1 character, got 2", why({ maxLength = 1 }, "ab"))
    assert.equal("arguments: expected at least 1 item, got 0", why({ minItems = 1 }, array {}))
    assert.equal("arguments: expected at most 1 item, got 2", why({ maxItems = 1 }, { 1, 2 }))
    assert.equal("arguments: items must differ, numbers 1 and 3 are equal",
      why({ uniqueItems = true }, { { a = 1 }, 2, { a = 1 } }))
    assert.equal('arguments: must match the pattern "^a$", got string "b"',
      why({ pattern = "^a$" }, "b"))
    assert.equal("arguments: expected at least 2 properties", why({ minProperties = 2 }, { a = 1 }))
    assert.equal("arguments: expected at most 1 properties",
      why({ maxProperties = 1 }, { a = 1, b = 1 }))
  end)

  it("names the nearest allowed value of an enum", function()
    assert.equal('arguments: must be one of "red", "green", got string "gren"; ' ..
      'did you mean "green"?', why({ enum = { "red", "green" } }, "gren"))
    assert.equal('arguments: must be one of "red", 5, got string "mauve"',
      why({ enum = { "red", 5 } }, "mauve"))
    local _, errors = compiled({ enum = { "red" } }) "Red"
    assert.equal("red", errors[1].meant)
  end)

  it("gives four reasons of many alternatives, and the first 300 bytes of each", function()
    local forms = {}
    for i = 1, 6 do forms[i] = { minimum = i + 1 } end
    assert.equal("arguments: does not match any of the allowed forms: must be at least 2, got 1; "
      .. "or must be at least 3, got 1; or must be at least 4, got 1; "
      .. "or must be at least 5, got 1; or 2 more", why({ anyOf = forms }, 1))
    forms[5], forms[6] = nil, nil
    assert.is_nil(why({ anyOf = forms }, 1):find("more", 1, true))
    local inner = {}
    for i = 1, 4 do inner[i] = { required = { ("n"):rep(100) .. i } } end
    local text = why({ anyOf = { { type = "number" }, { anyOf = inner } } }, { a = 1 })
    local reason = text:match "; or (does not match any of the allowed forms: property .*)$"
    assert.equal(300 + #"...", #reason)
    assert.equal("...", reason:sub(-3))
  end)

  it("joins the types of alternatives, else gives a reason for each", function()
    assert.equal("arguments: expected string or null, got number 5",
      why({ anyOf = { { type = "string" }, { type = "null" } } }, 5))
    assert.equal(
      "arguments: does not match any of the allowed forms: must be at least 3, got 1; or " ..
      "expected string, got number 1", why({ oneOf = { { minimum = 3 }, { type = "string" } } }, 1))
    assert.matches("more than one", why({ oneOf = { true, true } }, 1))
    assert.equal("arguments: must not be string, got string \"a\"",
      why({ ["not"] = { type = "string" } }, "a"))
  end)

  it("looks through references, conditions and dependencies", function()
    assert.equal('argument "a": expected string, got number 1', why({
      ["$ref"] = "#/$defs/x", ["$defs"] = { x = { properties = { a = { type = "string" } } } },
    }, { a = 1 }))
    assert.equal("arguments: must be at least 5, got 3",
      why({ ["if"] = { type = "number" }, ["then"] = { minimum = 5 } }, 3))
    assert.equal('arguments: property "b" is missing, it goes with "a"',
      why({ dependentRequired = { a = { "b" } } }, { a = 1 }))
    assert.equal('argument "b" is missing',
      why({ dependentSchemas = { a = { required = { "b" } } } }, { a = 1 }))
    assert.equal('unknown argument "nme", did you mean "name"?', why({
      properties = { name = true }, unevaluatedProperties = false,
    }, { nme = 1 }))
    assert.equal('argument "a": no value is allowed here', why({ properties = { a = false } },
      { a = 1 }))
    assert.equal('arguments: property name "abc": expected at most 2 characters, got 3',
      why({ propertyNames = { maxLength = 2 } }, { abc = 1 }))
  end)

  it("shows no more of a value than a line, and no control characters", function()
    local text = why({ type = "number" }, ("\u{E4}"):rep(100) .. "\n")
    assert.is_true(#text < 150)
    assert.is_truthy(utf8.len(text))
    assert.equal('arguments: expected number, got string "a\\u000a\\"b"',
      why({ type = "number" }, 'a\n"b'))
  end)

  it("shows whole numbers beyond Lua's integers as they are", function()
    local check = schema.compile { type = "number", maximum = 5 }
    for given, shown in pairs { [1e300] = "1e+300", [2 ^ 63] = "9.2233720368548e+18", [7.0] = "7",
      [7.5] = "7.5" } do
      local ok, errors = check(given)
      assert.is_false(ok)
      assert.equal("must be at most 5, got " .. shown, errors[1].message)
    end
  end)

  it("stops at a number of errors", function()
    local list = {}
    for i = 1, 100 do list[i] = i end
    local _, errors = compiled({ items = { type = "string" } })(list)
    assert.equal(20, #errors)
    _, errors = compiled({ items = { type = "string" } }, { limits = { errors = 3 } })(list)
    assert.equal(3, #errors)
  end)
end)

describe("schema: bad schemas", function()
  it("are refused with the place and what was expected", function()
    for text, definition in pairs {
      ['schema at #/type: unknown type "nubmer", did you mean "number"?'] = { type = "nubmer" },
      ["schema at #/properties/a/minimum: expected a number, got string"] =
        { properties = { a = { minimum = "x" } } },
      ["schema at #/properties: expected a table, got integer"] = { properties = 5 },
      ["schema at #/items: expected a table or a boolean as a schema, got string"] =
        { items = "string" },
      ["schema at #/items: expected a table or a boolean as a schema, got an array"] =
        { items = { "string" } },
      ["schema at #/required: expected an array, got string"] = { required = "a" },
      ["schema at #/minLength: expected an integer, 0 or more"] = { minLength = -1 },
      ["schema at #/multipleOf: expected a number above 0"] = { multipleOf = 0 },
      ["schema at #/enum: expected an array"] = { enum = "a" },
      ["schema at #/allOf: expected an array of at least one schema"] = { allOf = {} },
      ["schema at #/x: a function is not JSON"] = { x = print },
      ['schema at #/pattern: bad pattern "(": missing closing parenthesis'] = { pattern = "(" },
      ["schema: a number as a key"] = { a = 1, [2] = 3 },
    } do
      assert.equal(text, refused(definition))
    end
    assert.matches("table or a boolean", refused(5))
    assert.matches("table or a boolean", refused(nil))
  end)

  it("are refused with at most 200 bytes of the place", function()
    local function place_of(name)
      return refused({ properties = { [name] = { minimum = "x" } } }):match "^schema at #(.-): "
    end
    -- "/properties/" and "/minimum" are 20 bytes.
    local name = ("n"):rep(180)
    assert.equal("/properties/" .. name .. "/minimum", place_of(name))
    local cut = place_of(name .. "n")
    assert.is_true(#cut <= 200 + #"…")
    assert.is_true(#place_of(("n"):rep(5000)) <= 200 + #"…")
  end)

  it("are refused in another dialect, which is named (protocol 4.9)", function()
    for uri, name in pairs {
      ["http://json-schema.org/draft-04/schema#"] = "draft 4",
      ["http://json-schema.org/draft-06/schema#"] = "draft 6",
      ["https://json-schema.org/draft/2019-09/schema"] = "2019%-09",
      ["https://example.com/my/dialect"] = "my/dialect",
    } do
      local message = refused { ["$schema"] = uri }
      assert.matches(name, message)
      assert.matches("only 2020%-12 and draft 7", message)
    end
    assert.is_true(holds({ ["$schema"] = "https://json-schema.org/draft/2020-12/schema#" }, 1))
  end)

  it("are refused when they need a vocabulary that is not known (core 8.1.2)", function()
    local registry = { ["https://example.com/meta"] = {
      ["$vocabulary"] = { ["https://example.com/vocab"] = true },
    } }
    assert.matches("example.com/vocab", refused({ ["$schema"] = "https://example.com/meta" },
      { registry = registry }))
    registry["https://example.com/meta"]["$vocabulary"]["https://example.com/vocab"] = false
    compiled({ ["$schema"] = "https://example.com/meta" }, { registry = registry })
  end)

  it("take draft 7 as generators still write it", function()
    local validator = compiled {
      ["$schema"] = "http://json-schema.org/draft-07/schema#", type = "object",
      properties = { a = { ["$ref"] = "#/definitions/a", type = "string" } },
      definitions = { a = { items = { { type = "integer" } }, additionalItems = false } },
      dependencies = { b = { "a" } },
    }
    assert.is_true((validator { a = { 1 } }))
    assert.is_false((validator { a = { "x" } }))
    assert.is_false((validator { a = { 1, 2 } }))
    assert.is_false((validator { b = 1 }))
  end)
end)

describe("schema: members of an object", function()
  -- What holds of the values, as a text of "+" and "-".
  local function signs(definition, ...)
    local validator, out = compiled(definition), {}
    for i = 1, select("#", ...) do out[i] = validator((select(i, ...))) and "+" or "-" end
    return table.concat(out)
  end

  it("are looked at by one pattern, whatever stands beside it", function()
    local number = { type = "number" }
    local one = { ["^n"] = number }
    assert.equal("+-++", signs({ patternProperties = one }, { n = 1 }, { n = "x" }, { x = "x" },
      "no object"))
    assert.equal("+-", signs({ type = "object", patternProperties = one }, { n = 1 }, { n = "x" }))
    local both = { properties = { a = { type = "string" } }, patternProperties = one }
    assert.equal("+---", signs(both, { a = "x", n = 1 }, { a = 1 }, { n = "x" },
      { a = "x", n = "x" }))
    both.type, both.required = "object", { "a" }
    assert.equal("+---", signs(both, { a = "x", n = 1 }, { n = 1 }, { a = "x", n = "x" }, "x"))
    both.additionalProperties = false
    assert.equal("+--", signs(both, { a = "x", n = 1 }, { a = "x", n = "x" }, { a = "x", b = 1 }))
    both.additionalProperties = number
    assert.equal("++-", signs(both, { a = "x", n = 1 }, { a = "x", b = 1 }, { a = "x", b = "x" }))
  end)

  it("are looked at by each of several patterns, and by their name as well", function()
    local schemas = { properties = { ab = { minimum = 1 } },
      patternProperties = { ["^a"] = { maximum = 5 }, ["b$"] = { multipleOf = 2 } } }
    assert.equal("+----", signs(schemas, { ab = 4 }, { ab = 0 }, { ab = 6 }, { ab = 3 },
      { ab = 4, a = 6 }))
  end)

  it("with open and closed objects in one check are what they are in several", function()
    local string = { type = "string" }
    for _, case in ipairs {
      { {}, "+++++" }, { { additionalProperties = true }, "+++++" },
      { { properties = { a = string } }, "++-++" },
      { { properties = { a = string }, required = { "a" } }, "-+--+" },
      { { properties = { a = string }, additionalProperties = false }, "++---" },
      { { properties = { a = string }, additionalProperties = string }, "++-++" },
      { { additionalProperties = string }, "++-++" },
      { { additionalProperties = false }, "+----" },
    } do
      case[1].type = "object"
      local values = { {}, { a = "x" }, { a = 1 }, { b = "x" }, { a = "x", b = "x" } }
      assert.equal(case[2], signs(case[1], table.unpack(values)))
      case[1].minProperties = 0
      assert.equal(case[2], signs(case[1], table.unpack(values)))
    end
  end)
end)

describe("schema: references", function()
  it("T-58: an unknown one is refused by name and never fetched", function()
    local message = refused { properties = { a = { ["$ref"] = "https://example.com/x.json#/y" } } }
    assert.matches('at #/properties/a: $ref "https://example.com/x.json#/y"', message, 1, true)
    assert.matches("nothing is fetched", message)
    assert.matches("leads nowhere", refused { ["$ref"] = "#/$defs/missing" })
    assert.matches("leads nowhere", refused { ["$ref"] = "#missing" })
    -- What is there is no schema.
    assert.matches("leads nowhere", refused { title = "x", ["$ref"] = "#/title" })
    assert.matches("leads nowhere", refused { default = { 5 }, ["$ref"] = "#/default/0" })
    assert.matches("not in the registry", refused { ["$dynamicRef"] = "other#x" })
  end)

  it("find what is registered, by its URI and by its $id", function()
    local registry = {
      ["https://example.com/a.json"] = { ["$id"] = "https://example.com/b.json", type = "string",
        ["$defs"] = { n = { ["$anchor"] = "number", type = "number" } } },
      ["local"] = { type = "null" },
    }
    local function check(ref, v) return holds({ ["$ref"] = ref }, v, { registry = registry }) end
    assert.is_true(check("https://example.com/a.json", "x"))
    assert.is_false(check("https://example.com/a.json", 1))
    assert.is_true(check("https://example.com/a.json#number", 1))
    assert.is_true(check("local", null))
  end)

  it("know the metaschema", function()
    local meta = compiled { ["$ref"] = "https://json-schema.org/draft/2020-12/schema" }
    assert.is_true((meta { type = "object", properties = { a = { ["$ref"] = "#" } } }))
    local definition = { properties = { a = { minimum = "x" } } }
    local valid, errors = meta(definition)
    assert.is_false(valid)
    assert.equal("/properties/a/minimum", errors[1].path)
    assert.is_false((meta { allOf = array {} }))
    assert.is_false((meta { allOf = array {} }))
    -- Each vocabulary has its part.
    for name, wrong in pairs { core = { ["$anchor"] = 5 }, applicator = { items = 5 },
      unevaluated = { unevaluatedItems = 5 }, validation = { minLength = -1 },
      ["meta-data"] = { title = 5 }, ["format-annotation"] = { format = 5 },
      content = { contentEncoding = 5 }, schema = { definitions = 5 } } do
      assert.is_false((meta(wrong)), name)
    end
  end)

  it("may lead in a circle among schemas, but not at one value", function()
    local tree = compiled { type = "object", properties = { next = { ["$ref"] = "#" } },
      additionalProperties = false }
    assert.is_true((tree { next = { next = {} } }))
    assert.is_false((tree { next = { nxt = {} } }))
    for _, definition in ipairs {
      { ["$ref"] = "#" }, { ["not"] = { ["$ref"] = "#" } }, { anyOf = { { ["$ref"] = "#" } } },
    } do
      local valid, errors = compiled(definition)(1)
      assert.is_false(valid)
      assert.equal("limit", errors[1].keyword)
      assert.matches("256 references", errors[1].message)
    end
  end)

  it("reach a schema that is still being compiled", function()
    local validator = compiled {
      ["$ref"] = "#/$defs/p/properties/x",
      ["$defs"] = { p = { properties = { x = { type = "object",
        properties = { p = { ["$ref"] = "#/$defs/p" } } } } } },
    }
    assert.is_true((validator { p = { x = {} } }))
    assert.is_false((validator { p = { x = 1 } }))
  end)
end)

describe("schema: limits", function()
  -- Generous for a slow machine; without the limits these take from minutes to ages.
  local SECONDS = 5

  local function bounded(definition, v, options)
    local validator = compiled(definition, options)
    local start = os.clock()
    local valid, errors = validator(v)
    assert.is_true(os.clock() - start < SECONDS, "took too long")
    return valid, errors and errors[1]
  end

  local function gives_up(definition, v, options)
    local valid, err = bounded(definition, v, options)
    assert.is_false(valid)
    assert.equal("limit", err.keyword)
    return err.message
  end

  it("bound subschemas, depth and values of a schema (SEC-60)", function()
    local many = { allOf = {} }
    for i = 1, 2000 do many.allOf[i] = true end
    assert.matches("more than 2000 subschemas", refused(many))
    table.remove(many.allOf)
    compiled(many)
    local deep = {}
    for _ = 1, 64 do deep = { items = deep } end
    compiled(deep)
    assert.matches("deeper than 64", refused { items = deep })
    local circle = {}
    circle["not"] = circle
    assert.matches("deeper than 64", refused(circle))
    local values = {}
    for i = 1, 50001 do values[i] = i end
    assert.matches("more than 50000 values", refused { enum = values })
    local doubled = {}
    for _ = 1, 40 do doubled = { contains = doubled, ["not"] = doubled } end
    assert.matches("more than", refused(doubled))
  end)

  it("count each item that contains and its like look at", function()
    local list = {}
    for i = 1, 1000 do list[i] = i end
    for _, definition in ipairs { { contains = { type = "string" } },
      { contains = { type = "string" }, minContains = 0, maxContains = 3 },
      { items = { type = "integer" } }, { uniqueItems = true } } do
      assert.matches("steps", gives_up(definition, list, { limits = { steps = 100 } }))
      assert.is_boolean((bounded(definition, list, { limits = { steps = 1000000 } })))
    end
  end)

  it("count every member of a keyword that has many", function()
    local names, map, list, tables, values = {}, {}, {}, {}, {}
    for i = 1, 100 do
      names[i], map["n" .. i], list[i] = "n" .. i, { type = "object" }, { type = "object" }
      tables[i] = { i }
    end
    for i = 1, 10 do values[i] = {} end
    local heavy = { required = names }
    for name, definition in pairs { required = heavy,
      dependentRequired = { dependentRequired = { n1 = names } },
      properties = { properties = map }, dependentSchemas = { dependentSchemas = map },
      allOf = { allOf = list }, anyOf = { anyOf = list }, oneOf = { oneOf = list },
      prefixItems = { prefixItems = list }, enum = { enum = tables }, ["not"] = { ["not"] = heavy },
      ["if"] = { ["if"] = heavy }, ["then"] = { ["if"] = true, ["then"] = heavy },
      ["else"] = { ["if"] = true, ["else"] = heavy } } do
      definition = { items = definition }
      assert.matches("steps", gives_up(definition, values, { limits = { steps = 600 } }), name)
      assert.is_boolean((bounded(definition, values, { limits = { steps = 6000 } })))
    end
  end)

  it("are settable, and unknown ones are refused", function()
    assert.matches("more than 2 subschemas",
      refused({ items = { items = {} } }, { limits = { subschemas = 2 } }))
    assert.equal('limits: unknown option "step", did you mean "steps"?',
      blamed(function() return (schema.compile({}, { limits = { step = 1 } })) end))
    assert.equal("limits: steps: expected an integer, 1 or more, got 0",
      blamed(function() return (schema.compile({}, { limits = { steps = 0 } })) end))
    assert.equal('unknown option "format", did you mean "formats"?',
      blamed(function() return (schema.compile({}, { format = true })) end))
    assert.equal('option "formats": expected a boolean, got number',
      blamed(function() return (schema.compile({}, { formats = 1 })) end))
  end)

  it("stop references that double at every level", function()
    for _, keyword in ipairs { "allOf", "anyOf", "oneOf" } do
      local defs = { a0 = { type = "string" } }
      for i = 1, 60 do
        local one = { ["$ref"] = "#/$defs/a" .. i - 1 }
        defs["a" .. i] = { [keyword] = { one, one } }
      end
      gives_up({ ["$defs"] = defs, ["$ref"] = "#/$defs/a60" }, keyword == "anyOf" and 1 or "x")
    end
  end)

  it("stop unevaluated keywords inside each other", function()
    local nested = { unevaluatedProperties = false, properties = { a = true } }
    for _ = 1, 55 do nested = { unevaluatedProperties = false, anyOf = { nested } } end
    gives_up(nested, { a = 1 })
  end)

  it("stop many items against many subschemas, and a value nested to match recursion", function()
    local many, list, deep = {}, {}, array {}
    for i = 1, 1900 do many[i] = { type = "integer" } end
    for i = 1, 20000 do list[i] = i end
    gives_up({ items = { allOf = many } }, list)
    for _ = 1, 5000 do deep = { deep } end
    assert.matches("references", gives_up({ items = { ["$ref"] = "#" } }, deep))
  end)

  it("stop hostile patterns, whatever stands around them (SEC-60)", function()
    local subject = ("a"):rep(5000) .. "b"
    for _, definition in ipairs {
      { pattern = "(a+)+$" }, { ["not"] = { pattern = "(a+)+$" } },
      { anyOf = { { pattern = "(a+)+$" }, true } }, { contains = { pattern = "(a+)+$" } },
    } do
      local v = definition.contains and { subject } or subject
      local valid, err = bounded(definition, v)
      if definition.anyOf then
        -- What is tried and fails for its cost must not count as tried.
        assert.is_false(valid)
      end
      assert.is_false(valid)
      assert.matches("more work", err.message)
    end
    assert.matches("longer than the limit", refused { pattern = ("a"):rep(1025) })
    compiled({ pattern = ("a"):rep(1025) }, { limits = { pattern = 2000 } })
  end)

  it("charge for long strings", function()
    local lengths, patterns, formats = {}, {}, {}
    for i = 1, 1000 do
      lengths[i] = { minLength = i * 700 }
      patterns[i] = { pattern = "^[a-z:]*$" }
      formats[i] = { format = "uri" }
    end
    gives_up({ allOf = lengths }, ("\u{E4}"):rep(700000))
    gives_up({ allOf = patterns }, ("a"):rep(1400000))
    gives_up({ allOf = formats }, "http:" .. ("a"):rep(1400000), { formats = true })
  end)

  it("look for equal items in one pass", function()
    local list = {}
    for i = 1, 100000 do list[i] = i end
    assert.is_true((bounded({ uniqueItems = true }, list)))
    list[100001] = 1.0
    assert.is_false((bounded({ uniqueItems = true }, list)))
    for i = 1, 50000 do list[i] = { i } end
    assert.is_true((bounded({ uniqueItems = true }, { table.unpack(list, 1, 5000) })))
  end)

  it("leave no trace in the next validation", function()
    local validator = compiled { pattern = "(a+)+$" }
    assert.is_false((validator(("a"):rep(5000) .. "b")))
    assert.is_true((validator "aaa"))
    local circle = compiled { anyOf = { { type = "null" }, { ["$ref"] = "#" } } }
    assert.is_false((circle(1)))
    assert.is_true((circle(null)))
  end)
end)

describe("schema: formats", function()
  it("are remarks unless asked for (validation 7.2)", function()
    assert.is_true(holds({ format = "email" }, "nobody"))
    assert.is_false(holds({ format = "email" }, "nobody", { formats = true }))
    assert.is_true(holds({ format = "made-up" }, "x", { formats = true }))
    assert.is_true(holds({ format = "email" }, 5, { formats = true }))
  end)

  it("of elicitation say what is expected (protocol 4.13)", function()
    local options = { formats = true }
    for name, text in pairs {
      email = "an email address", uri = "an absolute URI", date = "a date",
      ["date-time"] = "a date and time",
    } do
      assert.matches(text, why({ format = name }, "x y", options))
    end
  end)

  it("have the longest host name of RFC 1035", function()
    local host = table.concat({ ("a"):rep(63), ("b"):rep(63), ("c"):rep(63), ("d"):rep(61) }, ".")
    assert.equal(253, #host)
    assert.is_true(holds({ format = "hostname" }, host, { formats = true }))
    assert.is_false(holds({ format = "hostname" }, host .. "d", { formats = true }))
  end)

  it("take one pass over a hostile string", function()
    local start = os.clock()
    for _, name in ipairs { "email", "uri", "uri-reference", "date", "time", "date-time",
      "duration", "hostname", "ipv4", "ipv6", "uuid", "json-pointer", "relative-json-pointer" } do
      local validator = compiled({ format = name }, { formats = true })
      for _, s in ipairs { "a", ".", ":", "1", "%", "1D", "/~0", "a.b-" } do
        for _, before in ipairs { "", "P", "http://", "http://[", '"', "12:00:00." } do
          validator(before .. s:rep(100000))
          validator(before .. s:rep(100000) .. ":y")
        end
      end
    end
    assert.is_true(os.clock() - start < 10)
  end)
end)

describe("schema: shorthand", function()
  it("makes an object that is closed, with sorted required members", function()
    assert.same({
      type = "object",
      properties = {
        b = { type = "string" }, a = { type = "number" }, c = { type = "boolean" },
        tags = { type = "array", items = { type = "string" } },
        lists = { type = "array", items = { type = "array", items = { type = "integer" } } },
        nested = { type = "object", properties = { x = { type = "integer" } },
          required = { "x" }, additionalProperties = false },
        whatever = {}, maybe = { type = "array", items = { type = "number" } },
      },
      required = { "a", "b", "lists", "nested", "tags" },
      additionalProperties = false,
    }, schema.from_shorthand {
      b = "string", a = "number", c = "boolean?", tags = "string[]", lists = "integer[][]",
      nested = { x = "integer" }, whatever = "any?", maybe = "number[]?",
    })
    local empty = schema.from_shorthand {}
    assert.same({ type = "object", properties = {}, additionalProperties = false }, empty)
    assert.is_true(value.is_array(schema.from_shorthand({ a = "any" }).required))
    assert.same({ type = "array", items = { type = "string" } }, schema.from_shorthand "string[]")
  end)

  it("has constructors with options", function()
    assert.same({ type = "integer", minimum = 1, maximum = 7, default = 3, description = "n" },
      schema.from_shorthand(schema.integer { min = 1, max = 7, default = 3, description = "n" }))
    assert.same({ type = "number", exclusiveMinimum = 0, exclusiveMaximum = 1, multipleOf = 0.1 },
      schema.from_shorthand(schema.number { above = 0, below = 1, multiple_of = 0.1 }))
    assert.same({ type = "string", minLength = 1, maxLength = 5, pattern = "^a", format = "email",
      title = "t" }, schema.from_shorthand(schema.string { min = 1, max_length = 5, pattern = "^a",
        format = "email", title = "t" }))
    assert.same({ type = "array", items = { type = "string" }, minItems = 1, uniqueItems = true },
      schema.from_shorthand(schema.array { "string", min = 1, unique = true }))
    assert.same({ type = "string", enum = { "a", "b" } },
      schema.from_shorthand(schema.enum { "a", "b" }))
    assert.same({ enum = { "a", 1 } }, schema.from_shorthand(schema.enum { "a", 1 }))
    assert.same({ type = "object", properties = { x = { type = "integer" } }, required = { "x" },
      additionalProperties = false, description = "d" },
      schema.from_shorthand(schema.object { properties = { x = "integer" }, description = "d" }))
    assert.same({ type = "object", additionalProperties = { type = "string" } },
      schema.from_shorthand(schema.object { additional = "string" }))
    assert.same({ description = "d" }, schema.from_shorthand(schema.any { description = "d" }))
  end)

  it("takes a constructor without options, and what is optional or has a default", function()
    assert.same({ "a" }, schema.from_shorthand({
      a = schema.integer, b = schema.boolean { optional = true },
      c = schema.boolean { default = false },
    }).required)
  end)

  it("raises a plain mistake at the caller's line", function()
    assert.equal('"a": unknown type "nubmer", expected one of any, array, boolean, integer, ' ..
      'null, number, object, string; did you mean "number"?',
      blamed(function() return (schema.from_shorthand { a = "nubmer" }) end))
    assert.matches('^"a%.b": unknown type "strng"',
      blamed(function() return (schema.from_shorthand { a = { b = "strng" } }) end))
    assert.matches("expected one like",
      blamed(function() return (schema.from_shorthand { a = "string][" }) end))
    assert.matches("got number 5", blamed(function() return (schema.from_shorthand { a = 5 }) end))
    assert.matches("enum",
      blamed(function() return (schema.from_shorthand { a = { "x", "y" } }) end))
    assert.matches("string { description",
      blamed(function()
        return (schema.from_shorthand { a = { type = "string", description = "The name" } })
      end), 1, true)
    assert.equal('integer: unknown option "mni", did you mean "min"?',
      blamed(function() return (schema.integer { mni = 1 }) end))
    assert.equal('integer: option "min": expected a number, got string',
      blamed(function() return (schema.integer { min = "1" }) end))
    assert.equal("integer: default: must be at most 7, got 9",
      blamed(function() return (schema.integer { max = 7, default = 9 }) end))
    assert.equal("enum: expected at least one value",
      blamed(function() return (schema.enum {}) end))
    assert.matches("bad pattern", blamed(function() return (schema.string { pattern = "(" }) end))
    assert.matches("one table of options",
      blamed(function() return (schema.string "description") end))
    local circle = {}
    circle.again = circle
    assert.matches("deeper than 64", blamed(function() return (schema.from_shorthand(circle)) end))
  end)

  it("can leave the blame out", function()
    assert.matches('^"a": unknown', raised(function() schema.from_shorthand({ a = "x" }, 0) end))
  end)

  it("is the same on every start, and holds for what it describes", function()
    local input = schema.from_shorthand { a = "number", b = "string?" }
    assert.is_true(holds(input, { a = 1 }))
    assert.equal('unknown argument "c", expected one of a, b', why(input, { a = 1, c = 1 }))
    assert.is_true((compiled { ["$ref"] = "https://json-schema.org/draft/2020-12/schema" }(input)))
  end)
end)

describe("schema: defaults", function()
  it("are put in where a member is absent, nested ones too", function()
    local input = schema.from_shorthand {
      n = schema.integer { default = 3 }, off = schema.boolean { default = false },
      nested = { x = schema.string { default = "d" } },
      list = schema.array { schema.object { { q = schema.any { default = { 1 } } } } },
    }
    local args = { nested = {}, list = { {}, { q = null } } }
    assert.equal(args, schema.apply_defaults(input, args))
    assert.same({ n = 3, off = false, nested = { x = "d" },
      list = { { q = { 1 } }, { q = null } } }, args)
    assert.same({ n = 3, off = false }, schema.apply_defaults(input, {}))
  end)

  it("are copied, so that a handler cannot change them", function()
    local input = { properties = { list = { default = array { 1 } } } }
    local first = schema.apply_defaults(input, {})
    first.list[1] = 2
    assert.same({ 1 }, schema.apply_defaults(input, {}).list)
    assert.is_true(value.is_array(first.list))
  end)

  it("are put in as deep as a schema may be", function()
    local input, args = { properties = { a = { default = 1 } } }, {}
    local innermost = args
    for _ = 1, 64 do input, args = { properties = { a = input } }, { a = args } end
    schema.apply_defaults(input, args)
    assert.equal(1, innermost.a)
    innermost.a = nil
    schema.defaults(input)(args)
    assert.equal(1, innermost.a)
  end)

  it("cost nothing where there are none", function()
    assert.is_nil(schema.defaults { properties = { a = { type = "string" } } })
    assert.is_function(schema.defaults { properties = { a = { default = 1 } } })
    assert.equal("x", schema.apply_defaults({ properties = { a = { default = 1 } } }, "x"))
  end)
end)

describe("schema: nearest names", function()
  it("finds what was meant and nothing far-fetched", function()
    assert.equal("number", nearest.find("nubmer", { "string", "number" }))
    assert.equal("Name", nearest.find("name", { "Name" }))
    assert.is_nil(nearest.find("xyz", { "string", "number" }))
    assert.is_nil(nearest.find("", { "a" }))
    assert.is_nil(nearest.find(5, { "a" }))
    assert.equal(1, nearest.distance("ab", "ba"))
    assert.equal(3, nearest.distance("kitten", "sitting"))
  end)

  it("does not compare names made to be slow", function()
    local start, names = os.clock(), {}
    for i = 1, 5000 do names[i] = ("x"):rep(64) .. i end
    assert.is_nil(nearest.find(("y"):rep(1000000), names))
    assert.is_nil(nearest.find(("y"):rep(64), names))
    assert.is_true(os.clock() - start < 1)
  end)
end)

describe("schema: cost", function()
  it("makes no garbage where a value holds", function()
    for _, case in ipairs {
      { schema.from_shorthand { a = "number", b = "number" }, { a = 1, b = 2 } },
      { { properties = { a = { type = "string", minLength = 1 }, l = { items = { minimum = 0 } } },
        required = { "a" } }, { a = "x", l = { 1, 2, 3 } } },
    } do
      local validator, v = compiled(case[1]), case[2]
      validator(v)
      collectgarbage()
      collectgarbage "stop"
      local before = collectgarbage "count"
      for _ = 1, 1000 do validator(v) end
      local grown = collectgarbage "count" - before
      collectgarbage "restart"
      assert.is_true(grown < 1, ("%.1f KB for 1000 validations"):format(grown))
    end
  end)
end)
