-- SPDX-License-Identifier: MIT
-- Arguments mirrored in header fields. The front gets real exchanges of a memory pair, with the
-- fields that HTTP would have put in by hand.
local core = require "mcp.core"
local helper = require "spec.helper"
local http = require "mcp.server.front.http"
local mcp = require "mcp"

describe("mirror", function()
  after_each(helper.leftovers)

  describe("declarations (HM-41)", function()
    local function declare(schema, shorthand)
      local app = mcp.server "spec"
      app:tool "t" { input_schema = schema, input = shorthand } (function() end)
      return app.tools.by_name.t.mirrors
    end

    local function wrong(text, schema, shorthand)
      local ok, err = pcall(declare, schema, shorthand)
      assert.is_false(ok, "nothing was refused")
      assert.matches('param_headers_spec%.lua:%d+: tool "t": ', err)
      assert.matches(text, err, 1, true)
    end

    local function properties(list)
      return { type = "object", properties = list }
    end

    it("a tool without annotations has none", function()
      assert.is_nil(declare(properties { a = { type = "string" } }))
      assert.is_nil(declare(nil, { a = "string" }))
    end)

    it("strings, integers and booleans, however deep in properties", function()
      local found = declare(properties {
        b = { type = "integer", ["x-mcp-header"] = "B" },
        a = properties { c = { type = "boolean", ["x-mcp-header"] = "A-C" } },
        d = { type = "string", enum = { "x" }, ["x-mcp-header"] = "d" },
      })
      local shown = {}
      for i, one in ipairs(found) do
        shown[i] = table.concat(one.path, ".") .. " " .. one.field .. " " .. one.type
      end
      assert.same({ "a.c mcp-param-a-c boolean", "b mcp-param-b integer",
        "d mcp-param-d string" }, shown)
    end)

    it("the shorthand has an option for it, and lists it as the keyword (HM-40)", function()
      local app = mcp.server "spec"
      app:tool "t" { input = {
        region = mcp.string { header = "Region" }, count = mcp.integer { header = "Count" },
        dry = mcp.boolean { header = "Dry", optional = true },
        kind = mcp.enum { "a", "b", header = "Kind" },
        nested = { zone = mcp.string { header = "Zone" } },
      } } (function() end)
      local peer = helper.open(app, "2026-07-28")
      local input = peer:modern("tools/list").result.tools[1].inputSchema
      peer:close()
      assert.equal("Region", input.properties.region["x-mcp-header"])
      assert.equal("Zone", input.properties.nested.properties.zone["x-mcp-header"])
      assert.is_nil(input.properties.region.header)
      assert.equal(5, #app.tools.by_name.t.mirrors)
    end)

    it("numbers, lists and the like have no such option (T-24)", function()
      for _, kind in ipairs { "number", "list", "object", "any" } do
        local ok, err = pcall(mcp[kind], { header = "X" })
        assert.is_false(ok)
        assert.matches('unknown option "header"', err, 1, true)
      end
      wrong('the property must have the type "string", "integer" or "boolean"', nil,
        { a = mcp.enum { 1, "x", header = "X" } })
      wrong("the property must be reachable", nil, { a = mcp.list { mcp.string { header = "X" } } })
    end)

    it("names are tokens (RFC 9110 5.6.2)", function()
      for _, name in ipairs { "", "a b", "a:b", "ü", "a\r\nX: y", "a/b" } do
        wrong("cannot be part of a header's name",
          properties { a = { type = "string", ["x-mcp-header"] = name } })
      end
      for _, odd in ipairs { 5, true, {} } do
        wrong("x-mcp-header: expected a string, got ",
          properties { a = { type = "string", ["x-mcp-header"] = odd } })
      end
    end)

    it("names are unique, ignoring case, in the whole schema", function()
      wrong('"b": x-mcp-header: "a.x" has the same header name "Region"', properties {
        a = properties { x = { type = "string", ["x-mcp-header"] = "REGION" } },
        b = { type = "string", ["x-mcp-header"] = "Region" },
      })
    end)

    it("types are one of three, alone", function()
      for _, kind in ipairs { "number", "object", "array", "null", { "string" },
        { "string", "null" }, false } do
        wrong("must have the type", properties {
          a = { type = kind or nil, ["x-mcp-header"] = "A" } })
      end
    end)

    it("nothing but properties may lead there", function()
      local bad = { type = "string", ["x-mcp-header"] = "A" }
      for _, schema in ipairs {
        { items = bad }, { prefixItems = { bad } }, { allOf = { { properties = { a = bad } } } },
        { anyOf = { bad } }, { oneOf = { bad } }, { ["not"] = bad }, { ["if"] = bad },
        { ["then"] = bad }, { ["else"] = bad }, { additionalProperties = bad },
        { patternProperties = { a = bad } }, { ["$defs"] = { a = bad } },
        { definitions = { a = bad } }, { dependentSchemas = { a = bad } },
        { propertyNames = bad }, { contains = bad }, { unevaluatedProperties = bad },
        { properties = { a = { items = { properties = { b = bad } } } } },
        { odd = { properties = { a = bad } }, properties = { b = { ["$ref"] = "#/odd" } } },
      } do
        schema.type = "object"
        wrong("the property must be reachable through properties alone", schema)
      end
      wrong("the root: x-mcp-header: the property must be reachable",
        { type = "object", ["x-mcp-header"] = "A" })
    end)

    it("a property of that name, and a value with such a member, are no annotations", function()
      assert.is_nil(declare(properties {
        ["x-mcp-header"] = { type = "number" },
        a = { default = { ["x-mcp-header"] = 5 }, enum = { { ["x-mcp-header"] = 5 } },
          const = { ["x-mcp-header"] = 5 }, examples = { { ["x-mcp-header"] = 5 } } },
      }))
    end)
  end)

  describe("over HTTP", function()
    local fields, asked, peer, client_fields

    -- The front of HTTP with fields of a table: lower-case name to value, false if it came twice.
    local function connect(app)
      local receive = http.receiver(app)
      return helper.peer(function(x, _, kind, id, method, params, meta, claim, capabilities, client,
        level, token)
        local with = setmetatable({}, { __index = function(_, name)
          if name == "header" then
            return function(_, field)
              asked = asked + 1
              return fields[field]
            end
          end
          return function(_, ...) return x[name](x, ...) end
        end })
        return receive(with, nil, kind, id, method, params, meta, claim, capabilities, client,
          level, token, client_fields.version, method, params.name)
      end)
    end

    before_each(function()
      asked, fields, client_fields = 0, {}, { version = "2026-07-28" }
      local app = mcp.server "spec"
      app:tool "t" { input = {
        s = mcp.string { header = "S", optional = true },
        i = mcp.integer { header = "Int", optional = true },
        b = mcp.boolean { header = "b", optional = true, default = true },
        deep = mcp.object { { x = mcp.string { header = "X", optional = true } }, optional = true },
      } } (function() return "ok" end)
      app:tool "plain" { input = { s = "string?" } } (function() return "ok" end)
      peer = connect(app)
    end)
    after_each(function() peer:close() end)

    local function call(arguments, with, name)
      fields = with or {}
      return peer:modern("tools/call", { name = name or "t", arguments = arguments })
    end

    local function accepted(arguments, with)
      local response = call(arguments, with)
      assert.is_nil(response.error, core.encode { arguments, with })
      assert.equal("ok", response.result.content[1].text)
    end

    local function refused(text, arguments, with)
      local response = call(arguments, with)
      assert.is_table(response.error, "nothing was refused")
      assert.equal(-32020, response.error.code)
      assert.matches(text, response.error.message, 1, true)
    end

    it("what is the same is accepted (HM-45)", function()
      accepted({}, {})
      accepted(nil, {})
      accepted({ s = "eu" }, { ["mcp-param-s"] = "eu" })
      accepted({ i = 42 }, { ["mcp-param-int"] = "42" })
      accepted({ i = -7 }, { ["mcp-param-int"] = "-7" })
      accepted({ b = false }, { ["mcp-param-b"] = "false" })
      accepted({ b = true }, { ["mcp-param-b"] = "true" })
      accepted({ deep = { x = "y" } }, { ["mcp-param-x"] = "y" })
    end)

    it("null is absent (HM-44)", function()
      local response = call({ s = mcp.null }, {})
      assert.is_nil(response.error) -- the schema refuses it, as it does on every transport
      assert.is_true(response.result.isError)
      refused("Mcp-Param-S was sent without params.arguments.s", { s = mcp.null },
        { ["mcp-param-s"] = "null" })
    end)

    it("what is not the same is refused (HM-45)", function()
      refused("Mcp-Param-S does not match params.arguments.s", { s = "eu" },
        { ["mcp-param-s"] = "us" })
      refused("does not match", { s = "eu" }, { ["mcp-param-s"] = "EU" })
      refused("Mcp-Param-Int does not match", { i = 42 }, { ["mcp-param-int"] = "43" })
      refused("Mcp-Param-b does not match", { b = true }, { ["mcp-param-b"] = "false" })
      refused("does not match", { b = true }, { ["mcp-param-b"] = "True" })
      refused("Mcp-Param-X does not match params.arguments.deep.x", { deep = { x = "y" } },
        { ["mcp-param-x"] = "z" })
    end)

    it("a missing one is refused, a default needs none (HM-45)", function()
      refused("Mcp-Param-S is missing for params.arguments.s", { s = "eu" }, {})
      refused("is missing", { i = 0 }, {})
      refused("is missing", { b = false }, {})
      accepted({}, {})
    end)

    it("one without an argument is refused (HM-46, T-25)", function()
      refused("Mcp-Param-S was sent without params.arguments.s", {}, { ["mcp-param-s"] = "eu" })
      refused("was sent without", nil, { ["mcp-param-b"] = "true" })
      refused("was sent without", { deep = {} }, { ["mcp-param-x"] = "" })
      accepted({}, { ["mcp-param-other"] = "whoever wants it" })
    end)

    it("one that came twice is refused (HM-27, T-22)", function()
      refused("Mcp-Param-S was sent twice", { s = "eu" }, { ["mcp-param-s"] = false })
      refused("was sent twice", {}, { ["mcp-param-s"] = false })
    end)

    it("an empty string comes empty or encoded, but comes (HM-35, T-23)", function()
      accepted({ s = "" }, { ["mcp-param-s"] = "" })
      accepted({ s = "" }, { ["mcp-param-s"] = "=?base64??=" })
      refused("is missing", { s = "" }, {})
      refused("does not match", { s = "x" }, { ["mcp-param-s"] = "" })
    end)

    it("Base64 is undone before comparing (HM-31 to HM-33)", function()
      accepted({ s = "Hello" }, { ["mcp-param-s"] = "=?base64?SGVsbG8=?=" })
      accepted({ s = "pü\n" }, { ["mcp-param-s"] = "=?base64?cMO8Cg==?=" })
      accepted({ s = "SGVsbG8=" }, { ["mcp-param-s"] = "SGVsbG8=" })
      accepted({ s = "=?base64?SGVsbG8=" }, { ["mcp-param-s"] = "=?base64?SGVsbG8=" })
      accepted({ i = 42 }, { ["mcp-param-int"] = "=?base64?NDI=?=" })
      -- A text that looks encoded has to be encoded itself (HM-32).
      local looks = "=?base64?SGVsbG8=?="
      refused("does not match", { s = looks }, { ["mcp-param-s"] = looks })
      accepted({ s = looks }, { ["mcp-param-s"] = "=?base64?" .. core.base64(looks) .. "?=" })
      for _, body in ipairs { "SGVsbG8", "SGVs!!!bG8=", "SGVsbG9=", "/w==" } do
        refused("Mcp-Param-S is malformed", { s = "Hello" },
          { ["mcp-param-s"] = "=?base64?" .. body .. "?=" })
      end
      refused("is malformed", { s = "pü" }, { ["mcp-param-s"] = "pü" })
    end)

    it("integers are compared as numbers (HM-45)", function()
      for _, text in ipairs { "42", "42.0", "4.2e1", "420E-1" } do
        accepted({ i = 42 }, { ["mcp-param-int"] = text })
      end
      for _, text in ipairs { "042", "+42", "0x2a", " 42", "42 ", "42.", ".42e2", "4.2e", "4e1.0",
        "forty", "", "nan", "inf", "42,42", "--42", "1e999" } do
        refused("does not match", { i = 42 }, { ["mcp-param-int"] = text })
      end
    end)

    it("integers that not every reader has exactly are refused (HM-41)", function()
      local most = 9007199254740991
      for _, good in ipairs { most, -most } do
        accepted({ i = good }, { ["mcp-param-int"] = tostring(good) })
        refused("does not match", { i = good }, { ["mcp-param-int"] = "9007199254740990" })
      end
      for _, big in ipairs { most + 1, -most - 1, math.maxinteger } do
        refused("beyond 2^53 - 1", { i = big }, { ["mcp-param-int"] = tostring(big) })
      end
    end)

    it("an argument of another type is the schema's business, unless a field lies", function()
      local response = call({ s = { 1 } }, {})
      assert.is_true(response.result.isError)
      response = call({ i = "42" }, { ["mcp-param-int"] = "42" })
      assert.is_true(response.result.isError)
      refused("does not match", { s = { 1 } }, { ["mcp-param-s"] = "[1]" })
      refused("was sent without", { deep = "x" }, { ["mcp-param-x"] = "x" })
      for _, odd in ipairs { 5, "x" } do assert.equal(-32602, call(odd, {}).error.code) end
    end)

    it("comes after the rows before it: an unknown tool is -32602 (3.3 row 8)", function()
      assert.equal(-32602, call({ s = "x" }, {}, "nosuch").error.code)
    end)

    it("costs tools without annotations nothing", function()
      assert.equal("ok", call({ s = "x" }, { ["mcp-param-s"] = "y" }, "plain").result.content[1]
        .text)
      assert.equal(0, asked)
      accepted({}, {})
      assert.equal(4, asked)
    end)

    it("the header's status is 400", function()
      local app = mcp.server "spec"
      app:tool "t" { input = { s = mcp.string { header = "S" } } } (function() return "ok" end)
      local seen
      local receive = http.receiver(app)
      local other = helper.peer(function(x, _, kind, id, method, params, ...)
        local list = table.pack(...)
        list[list.n + 1], list[list.n + 2], list[list.n + 3] = "2026-07-28", method, params.name
        local result, err = receive(x, nil, kind, id, method, params,
          table.unpack(list, 1, list.n + 3))
        seen = err
        return result, err
      end)
      other:modern("tools/call", { name = "t", arguments = { s = "x" } })
      other:close()
      assert.same({ -32020, 400 }, { seen.code, seen.status })
    end)
  end)

  it("other transports have no fields, and none are missed (HM-43)", function()
    local app = mcp.server "spec"
    app:tool "t" { input = { s = mcp.string { header = "S" } } } (function(a) return a.s end)
    for _, revision in ipairs(helper.revisions) do
      local peer = helper.open(app, revision)
      assert.equal("x", peer:call("t", { s = "x" }).content[1].text)
      peer:close()
    end
  end)
end)
