-- SPDX-License-Identifier: MIT
-- What is taken for granted of plain schemas is what the compiler says of them. Schemas and values
-- are made at random, most of them nearly right.
local plain = require "mcp.schema.plain"
local schema = require "mcp.schema"
local shorthand = require "mcp.schema.shorthand"
local value = require "mcp.value"

local function pick(list) return list[math.random(#list)] end

local KEYWORDS = { "type", "type", "type", "properties", "properties", "required",
  "additionalProperties", "title", "description", "default", "const", "enum", "examples", "format",
  "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
  "minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems", "items", "anyOf",
  "oneOf", "allOf", "pattern", "multipleOf", "$ref", "$schema", "$id", "$defs", "not", "unknown",
  "x-mcp-header" }
local SCALARS = { 0, 1, 2, -1, 2.0, 0.5, "", "a", "string", "integer", "object", "(", true, false,
  value.null, 0 / 0, math.huge }
local NAMES = { "a", "b", "c" }

local make

local function odd(depth)
  local kind = math.random(10)
  if kind == 1 then return {} end
  if kind == 2 then return value.array {} end
  if kind == 3 then return { make(depth + 1) } end
  if kind == 4 then return { pick(SCALARS), x = 1 } end
  if kind == 5 then return print end
  return pick(SCALARS)
end

local TYPES = { "string", "number", "integer", "boolean", "null", "array", "object" }

-- What mostly stands at a keyword.
local function usual(keyword, depth)
  if keyword == "type" then return math.random(4) > 1 and pick(TYPES) or { pick(TYPES), "null" } end
  if keyword == "properties" or keyword == "$defs" then
    local out = {}
    for _, name in ipairs(NAMES) do
      if math.random(2) == 1 then out[name] = make(depth + 1) end
    end
    return out
  end
  if keyword == "required" then return { pick(NAMES), pick(NAMES) } end
  if keyword == "enum" or keyword == "examples" then return { pick(SCALARS), pick(SCALARS) } end
  if keyword == "items" or keyword == "additionalProperties" or keyword == "not" then
    return make(depth + 1)
  end
  if keyword:find "Of$" and keyword ~= "multipleOf" then
    return { make(depth + 1), make(depth + 1) }
  end
  if keyword:find "^m[ia][nx]" then return math.random(0, 3) end
  return pick(SCALARS)
end

function make(depth)
  if depth > 3 or math.random(12) == 1 then return math.random(2) == 1 end
  local out = {}
  for _ = 1, math.random(0, 4) do
    local keyword = pick(KEYWORDS)
    if math.random(12) == 1 then out[keyword] = odd(depth) else
      out[keyword] = usual(keyword, depth)
    end
  end
  return out
end

describe("plain schemas", function()
  -- The same ones each time.
  before_each(function() math.randomseed(16) end)

  it("compile", function()
    local sound = 0
    for _ = 1, 4000 do
      local made = make(0)
      if plain.is_sound(made) then
        sound = sound + 1
        local validator, message = schema.compile(made)
        assert.is_truthy(validator, message)
      end
    end
    assert.is_true(sound > 400, sound)
  end)

  it("and others are not taken for such: what is wrong has its message", function()
    for _, case in ipairs {
      { { type = "strnig" }, 'schema at #/type: unknown type "strnig"' },
      { { properties = { a = { minLength = -1 } } }, "#/properties/a/minLength: expected an int" },
      { { required = { "a", 5 } }, "#/required: expected a string, got integer" },
      { { anyOf = {} }, "#/anyOf: expected an array of at least one schema" },
      { { pattern = "(" }, "bad pattern" },
      { { ["$ref"] = "#/$defs/none" }, "leads nowhere" },
      { { properties = { a = print } }, "a function is not JSON" },
      { { default = { print } }, "a function is not JSON" },
    } do
      assert.matches(case[2], schema.problem(case[1]), 1, true)
      assert.equal(select(2, schema.compile(case[1])), schema.problem(case[1]))
    end
    local deep = { type = "object" }
    for _ = 1, 70 do deep = { items = deep } end
    assert.matches("nested deeper", schema.problem(deep), 1, true)
    -- Only in a schema of our own.
    for _, keyword in ipairs { "properties", "patternProperties", "dependentSchemas" } do
      local empty = { [keyword] = value.array {} }
      assert.matches("got an empty array", schema.problem(empty), 1, true)
      assert.is_truthy(schema.compile(empty))
      assert.is_nil(schema.problem { [keyword] = {} })
    end
    local wide = { properties = {} }
    for i = 1, 2001 do wide.properties["p" .. i] = {} end
    assert.matches("more than 2000 subschemas", schema.problem(wide), 1, true)
  end)

  it("are what shorthands of texts make", function()
    for _, spec in ipairs { {}, { a = "string" }, { a = "number?", b = "integer[]", c = "any" },
      { a = "object[][]?", b = "array", c = "null" } } do
      assert.is_true(shorthand.is_sound(spec))
      assert.is_truthy(schema.compile(shorthand.schema(spec)))
    end
    assert.is_false(shorthand.is_sound { a = schema.string { min = -1 } })
    assert.is_false(shorthand.is_sound { a = { b = "string" } })
  end)

  -- An object of scalars, and a value for it.
  local function flat()
    local out = { type = "object", properties = {} }
    for _, name in ipairs(NAMES) do
      if math.random(3) > 1 then
        out.properties[name] = { type = TYPES[math.random(4)], description = "d" }
      end
    end
    if math.random(2) == 1 then out.required = { pick(NAMES) } end
    local open = math.random(3)
    if open < 3 then out.additionalProperties = open == 1 end
    return out
  end

  local VALUES = { "text", 1, 1.0, 1.5, true, false, value.null, {}, value.array {}, math.huge,
    0 / 0, -0.0 }

  local function arguments()
    local kind = math.random(12)
    if kind == 1 then return pick(VALUES) end
    if kind == 2 then return { "list" } end
    local out = {}
    for _, name in ipairs { "a", "b", "c", "d" } do
      if math.random(3) > 1 then out[name] = pick(VALUES) end
    end
    if kind == 3 then return setmetatable(out, { __index = { a = 1 } }) end
    return out
  end

  it("of scalars are checked as the compiler does, with its reasons", function()
    local quick, passed = 0, 0
    for _ = 1, 1000 do
      local made, asked = flat(), 0
      local validator = plain.validator(made, function(given)
        asked = asked + 1
        return assert(schema.compile(given))
      end)
      assert.is_function(validator)
      local whole = assert(schema.compile(made))
      for _ = 1, 4 do
        local v = arguments()
        local ok, more = validator(v)
        local expected, expected_more = whole(v)
        assert.equal(expected, ok)
        assert.same(expected_more, more)
        if ok then passed = passed + 1 end
        if ok and asked == 0 then quick = quick + 1 end
      end
      assert.is_true(asked <= 1, "it was compiled more than once")
    end
    assert.is_true(passed > 200 and quick > 100, passed .. " " .. quick)
  end)

  it("with more than types are the compiler's", function()
    for _, member in ipairs { { type = "string", minLength = 1 }, { type = "array" }, true, {},
      { type = { "string", "number" } }, { type = "string", unknown = 1 } } do
      assert.is_nil(plain.validator({ type = "object", properties = { a = member } }, error))
    end
    for _, made in ipairs { true, { type = "object" }, { type = "array", properties = {} },
      { type = "object", properties = {}, additionalProperties = {} },
      { type = "object", properties = {}, minProperties = 1 } } do
      assert.is_nil(plain.validator(made, error))
    end
  end)
end)
