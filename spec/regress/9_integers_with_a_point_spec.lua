-- SPDX-License-Identifier: MIT
-- JSON Schema counts 3.0 and 3e0 as integers. Where a schema says "integer", the handler gets a Lua
-- integer, however the number was written.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local schema = require "mcp.schema"

-- The value of a JSON text after it has been checked and changed by a schema.
local function read(definition, text)
  local check = assert(schema.compile(definition))
  local given = assert(core.decode(text))
  assert.is_true(check(given), text)
  return schema.apply_integers(definition, given)
end

-- The types of numbers in it, by path.
local function kinds(given, path, out)
  path, out = path or "", out or {}
  if type(given) == "table" then
    for key, member in pairs(given) do kinds(member, path .. "/" .. key, out) end
  elseif math.type(given) then
    out[path] = math.type(given)
  end
  return out
end

describe("an integer with a point", function()
  after_each(helper.leftovers)

  it("is looked for in 100,000 places, the list among them", function()
    local list = {}
    for i = 1, 100001 do list[i] = 3.0 end
    list = schema.apply_integers({ type = "array", items = { type = "integer" } }, mcp.array(list))
    assert.equal("integer", math.type(list[1]))
    assert.equal("integer", math.type(list[99999]))
    assert.equal("float", math.type(list[100000]))
  end)

  local function call(input, arguments, options)
    local app, got = mcp.server "spec", nil
    options = options or {}
    options.input = input
    app:tool "t" (options) (function(args)
      got = args
      return "ok"
    end)
    local peer = helper.open(app)
    peer:send('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":'
      .. arguments .. "}}")
    local response = peer:response(1)
    assert.is_nil(response.result.isError, core.encode(response))
    return got
  end

  it("is an integer for the handler: 3.0, 3e0, 30E-1", function()
    for _, text in ipairs { "3.0", "3e0", "30E-1", "0.3e1", "3" } do
      local args = call({ n = "integer" }, '{"n":' .. text .. "}")
      assert.equal("integer", math.type(args.n), text)
      assert.equal(3, args.n)
    end
    assert.equal("integer", math.type(call({ n = "integer" }, '{"n":-0.0}').n))
  end)

  it("is one in nested tables and lists", function()
    local args = call({ at = { x = "integer", y = "number" }, list = "integer[]",
      rows = mcp.list { { n = "integer" } } },
      '{"at":{"x":1.0,"y":2.0},"list":[1.0,2,3e0],"rows":[{"n":4.0},{"n":5}]}')
    assert.same({ ["/at/x"] = "integer", ["/at/y"] = "float", ["/list/1"] = "integer",
      ["/list/2"] = "integer", ["/list/3"] = "integer", ["/rows/1/n"] = "integer",
      ["/rows/2/n"] = "integer" }, kinds(args))
  end)

  it("stays a float where the schema says number", function()
    assert.equal("float", math.type(call({ n = "number" }, '{"n":3.0}').n))
    assert.equal("float", math.type(read({ type = { "integer", "number" } }, "3.0")))
    assert.equal("float", math.type(read({}, "3.0")))
  end)

  it("is one by every keyword that can say so", function()
    local INTEGER = { type = "integer" }
    for name, case in pairs {
      nullable = { { type = { "integer", "null" } }, "3.0", { [""] = "integer" } },
      prefix = { { prefixItems = { { type = "string" }, INTEGER }, items = INTEGER },
        '["a",1.0,2.0]', { ["/2"] = "integer", ["/3"] = "integer" } },
      additional = { { properties = { a = true }, additionalProperties = INTEGER },
        '{"a":1.0,"b":2.0}', { ["/a"] = "float", ["/b"] = "integer" } },
      patterns = { { patternProperties = { ["^n_"] = INTEGER },
        additionalProperties = { type = "number" } },
        '{"n_a":1.0,"b":2.0}', { ["/n_a"] = "integer", ["/b"] = "float" } },
      all = { { allOf = { { minimum = 1 }, INTEGER } }, "2.0", { [""] = "integer" } },
      any = { { anyOf = { { type = "string" }, INTEGER } }, "2.0", { [""] = "integer" } },
      one = { { oneOf = { { type = "null" }, { items = INTEGER, type = "array" } } }, "[2.0]",
        { ["/1"] = "integer" } },
      condition = { { ["if"] = { type = "number" }, ["then"] = INTEGER }, "2.0",
        { [""] = "integer" } },
      pointer = { { properties = { n = { ["$ref"] = "#/$defs/count" } },
        ["$defs"] = { count = INTEGER } }, '{"n":2.0}', { ["/n"] = "integer" } },
      anchor = { { properties = { n = { ["$ref"] = "#count" } },
        ["$defs"] = { c = { ["$anchor"] = "count", type = "integer" } } }, '{"n":2.0}',
        { ["/n"] = "integer" } },
      recursive = { { properties = { n = INTEGER, inner = { ["$ref"] = "#" } } },
        '{"n":1.0,"inner":{"n":2.0,"inner":{"n":3.0}}}', { ["/n"] = "integer",
        ["/inner/n"] = "integer", ["/inner/inner/n"] = "integer" } },
      draft7 = { { ["$schema"] = "http://json-schema.org/draft-07/schema#",
        items = { { type = "string" }, INTEGER }, additionalItems = INTEGER }, '["a",1.0,2.0]',
        { ["/2"] = "integer", ["/3"] = "integer" } },
    } do
      assert.same(case[3], kinds(read(case[1], case[2])), name)
    end
  end)

  it("that no Lua integer equals stays a float", function()
    assert.equal(1e300, read({ type = "integer" }, "1e300"))
    assert.equal("integer", math.type(read({ type = "integer" }, "9007199254740992.0")))
  end)

  it("is found in a schema that refers to itself in a circle", function()
    local circle = { properties = { n = { type = "integer" } } }
    circle.allOf = { { ["$ref"] = "#" } }
    assert.same({ n = 1 }, schema.apply_integers(circle, { n = 1.0 }))
  end)

  it("costs nothing where no schema says integer", function()
    local compile = require("mcp.schema.integers").compile
    assert.is_nil(compile { properties = { a = { type = "number" } } })
    assert.is_nil(compile(true))
    assert.is_nil(compile { enum = { { type = "integer" } },
      default = { type = "integer" } })
  end)

  it("is one as the default of an argument, and in a form", function()
    local args = call({ n = mcp.integer { default = 30.0 } }, "{}")
    assert.equal("integer", math.type(args.n))
    local form = require "mcp.message.question_form"
    local read_form = assert(form.read { n = "integer", share = "number" })
    local content = assert(form.check(read_form, { n = 3.0, share = 3.0 }, read_form))
    assert.equal("integer", math.type(content.n))
    assert.equal("float", math.type(content.share))
  end)

  it("may be the token of progress, and goes back as it came", function()
    local app = mcp.server "spec"
    app:tool "t" (function(_, ctx) return tostring(ctx:progress(1)) end)
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      local peer = helper.open(app, revision)
      local envelope = core.encode(peer.era and helper.envelope() or {}):sub(2)
      peer:send('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":'
        .. '{"progressToken":7.0' .. (peer.era and "," or "") .. envelope .. "}}")
      local notice, line = peer:receive()
      assert.equal(7, notice.params.progressToken)
      assert.matches('"progressToken":7.0', line, 1, true)
      assert.equal("true", peer:response(1).result.content[1].text)
    end
  end)

  it("may be the number of completions that a handler tells", function()
    local app = mcp.server "spec"
    app:prompt "p" { arguments = { a = "string?" }, complete = {
      a = function() return { "x" }, 6 / 2 end } } (function() return "x" end)
    local peer = helper.open(app)
    local result = peer:request("completion/complete", { ref = { type = "ref/prompt", name = "p" },
      argument = { name = "a", value = "" } }).result
    assert.equal("integer", math.type(result.completion.total))
    assert.equal(3, result.completion.total)
  end)
end)
