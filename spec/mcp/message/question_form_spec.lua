-- SPDX-License-Identifier: MIT
local form = require "mcp.message.question_form"
local helper = require "spec.helper"
local mcp = require "mcp"
local protocol = require "mcp.protocol"

local FULL, PLAIN = protocol.revision "2025-11-25", protocol.revision "2025-06-18"

local TITLED = { { const = "a", title = "A" }, { const = "b", title = "B" } }

local EVERYTHING = {
  type = "object",
  properties = {
    text = { type = "string", title = "T", description = "D", minLength = 1, maxLength = 9,
      default = "x" },
    mail = { type = "string", format = "email" },
    number = { type = "number", minimum = 0, maximum = 1, default = 0.5 },
    integer = { type = "integer", default = 3 },
    yes = { type = "boolean", default = true },
    untitled = { type = "string", enum = { "a", "b" }, default = "a" },
    titled = { type = "string", oneOf = TITLED, default = "b" },
    legacy = { type = "string", enum = { "a", "b" }, enumNames = { "A", "B" } },
    several = { type = "array", items = { type = "string", enum = { "a", "b" } }, minItems = 1,
      maxItems = 2, default = { "a" } },
    titled_several = { type = "array", items = { anyOf = TITLED } },
  },
  required = { "text" },
}

describe("a form (protocol 4.13)", function()
  it("in full is taken as it is", function()
    local schema = assert(form.read(EVERYTHING))
    assert.same(EVERYTHING, helper.plain(schema))
    assert.same(EVERYTHING, helper.plain(form.shape(FULL, schema)))
  end)

  it("in shorthand says nothing that a form has no words for", function()
    assert.same({ type = "object", required = { "name" }, properties = {
      name = { type = "string" }, age = { type = "integer", minimum = 0 },
      color = { type = "string", enum = { "red", "blue" }, default = "red" },
      tags = { type = "array", items = { type = "string", enum = { "x", "y" } } },
    } }, helper.plain(form.read {
      name = "string", age = mcp.integer { min = 0, optional = true },
      color = mcp.enum { "red", "blue", default = "red" },
      tags = mcp.list { mcp.enum { "x", "y" }, optional = true },
    }))
  end)

  it("without a member is a question of yes or no", function()
    assert.same({ type = "object", properties = {} }, helper.plain(form.read {}))
  end)

  it("keeps an empty list of what is required", function()
    local schema = form.read { type = "object", properties = {}, required = {} }
    assert.equal('{"properties":{},"required":[],"type":"object"}',
      require("mcp.core").encode(schema, true))
  end)

  it("is refused when it is not flat, or asks for what is no single value", function()
    for _, case in ipairs {
      { "text", "schema: expected a table, got string" },
      { nil, "schema: expected a table, got nothing" },
      { { a = { b = "string" } }, '"a": expected a string, number, boolean or choice, '
        .. "got object" },
      { { a = "string[]" }, '"a": items: ' },
      { { a = "any" }, '"a": expected a string' },
      { { a = "null" }, "got null" },
      { { a = "strin" }, 'unknown type "strin"' },
      { { a = mcp.string { pattern = "x" } }, '"a": unknown keyword "pattern"' },
      { { a = mcp.number { above = 1 } }, '"a": unknown keyword "exclusiveMinimum"' },
      { { a = mcp.string { format = "uuid" } },
        '"a": format: expected one of date, date-time, email, uri' },
      { { a = mcp.enum { 1, 2 } }, '"a": expected a choice of strings' },
      { { type = "object" }, "properties: expected an object" },
      { { type = "object", properties = {}, allOf = {} }, 'unknown keyword "allOf"' },
      { { type = "object", properties = {}, required = { "x" } },
        'required: "x" is not one of the' },
      { { type = "object", properties = {}, required = "x" }, "required: expected a list" },
      { { type = "object", properties = { a = { type = "string", enum = {} } } },
        "enum: expected a list of strings" },
      { { type = "object", properties = { a = { type = "string", enum = { "x" },
        enumNames = { "X", "Y" } } } }, "enumNames: expected a list of strings" },
      { { type = "object", properties = { a = { type = "string", oneOf = { { const = 1 } } } } },
        "oneOf[1]:" },
      { { type = "object", properties = { a = { type = "string", oneOf = TITLED,
        enum = { "a" } } } }, "expected enum or oneOf" },
      { { type = "object", properties = { a = { type = "array", items = { type = "number" } } } },
        "items: expected a choice of strings" },
      { { type = "object", properties = { a = { type = "array" } } },
        "items: expected the choices" },
      { { type = "object", properties = { a = { type = "string", minLength = -1 } } }, "schema: " },
      { { type = "object", properties = { a = { type = "string", default = 5 } } },
        'keyword "default": expected a string' },
      { { type = "object", properties = { a = "string" } }, "expected a schema, got string" },
    } do
      local schema, message = form.read(case[1])
      assert.is_nil(schema)
      assert.matches(case[2], message, 1, true)
    end
  end)

  it("for 2025-06-18 has no lists, no titles but enumNames, and defaults of booleans only",
    function()
      assert.same({ type = "object", required = { "text" }, properties = {
        text = { type = "string", title = "T", description = "D", minLength = 1, maxLength = 9 },
        mail = { type = "string", format = "email" },
        number = { type = "number", minimum = 0, maximum = 1 },
        integer = { type = "integer" },
        yes = { type = "boolean", default = true },
        untitled = { type = "string", enum = { "a", "b" } },
        titled = { type = "string", enum = { "a", "b" }, enumNames = { "A", "B" } },
        legacy = { type = "string", enum = { "a", "b" }, enumNames = { "A", "B" } },
      } }, helper.plain(form.shape(PLAIN, form.read(EVERYTHING))))
    end)

  it("for 2025-06-18 cannot need what that has no form for", function()
    local schema, message = form.shape(PLAIN, form.read { tags = mcp.list { mcp.enum { "x" } } })
    assert.is_nil(schema)
    assert.matches('"tags": protocol revision 2025-06-18', message, 1, true)
  end)

  describe("filled in", function()
    local schema = form.read(EVERYTHING)

    it("gives what was asked for and nothing else", function()
      assert.same({ text = "x", several = { "a", "b" }, number = 0.25, integer = 5, yes = false,
        untitled = "b", titled = "a" },
        helper.plain(form.check(schema, { text = "x", several = mcp.array { "a", "b" },
          number = 0.25, integer = 5, yes = false, untitled = "b", titled = "a", evil = true })))
    end)

    it("gets the defaults of what is missing and not required", function()
      local content = form.check(schema, { text = "y" })
      assert.same({ text = "y", number = 0.5, integer = 3, yes = true, untitled = "a",
        titled = "b", several = { "a" } }, helper.plain(content))
      -- The list is the handler's own.
      table.insert(content.several, "b")
      assert.same({ "a" }, helper.plain(form.check(schema, { text = "y" }).several))
      -- Also what an older revision has no form for.
      content = form.check(form.shape(PLAIN, schema), { text = "y" }, schema)
      assert.same({ "a" }, helper.plain(content.several))
      assert.equal(3, content.integer)
    end)

    it("wrongly is refused, with the field named", function()
      for _, case in ipairs {
        { {}, '"text"' }, { { text = 5 }, '"text"' }, { { text = "" }, '"text"' },
        { { text = "x", mail = "nobody" }, '"mail"' },
        { { text = "x", titled = "c" }, '"titled"' },
        { { text = "x", untitled = "c" }, '"untitled"' },
        { { text = "x", several = mcp.array { "c" } }, '"several' },
        { { text = "x", several = mcp.array {} }, '"several"' },
        { { text = "x", titled_several = mcp.array { "c" } }, '"titled_several' },
        { { text = "x", integer = 1.5 }, '"integer"' }, { { text = "x", yes = "true" }, '"yes"' },
        { mcp.null, "expected an object" }, { nil, "expected an object" },
        { "x", "expected an object" },
        { mcp.array {}, "expected an object" },
      } do
        local content, message = form.check(schema, case[1])
        assert.is_nil(content)
        assert.matches(case[2], message, 1, true)
      end
    end)
  end)
end)
