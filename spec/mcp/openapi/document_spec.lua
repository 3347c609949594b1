-- SPDX-License-Identifier: MIT
-- Documents: JSON and YAML, other files, references, and what is too much.
local document = require "mcp.openapi.document"
local helper = require "spec.helper"
local operations = require "mcp.openapi.operations"

local folder

local function write(name, text)
  local path = folder .. "/" .. name
  helper.shell("mkdir -p " .. helper.quote(path:match "^(.*)/"))
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

local function read(doc)
  local warnings = {}
  return operations.read(doc, function(text) warnings[#warnings + 1] = text end), warnings
end

describe("documents", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    helper.shell("mkdir " .. helper.quote(folder))
  end)
  after_each(function() helper.shell("rm -rf " .. helper.quote(folder)) end)

  it("are JSON or YAML, whatever the file is called", function()
    for name, text in pairs {
      ["a.json"] = '\xEF\xBB\xBF{"openapi":"3.0.1","paths":{}}',
      ["a.yaml"] = "openapi: 3.0.1\npaths: {}\n", ["b.json"] = "---\nopenapi: 3.0.1\n",
      ["c.yaml"] = "{openapi: 3.0.1, paths: {}}" } do
      assert.is_true(assert(document.open(write(name, text)), name).legacy)
    end
    assert.is_false(assert(document.open { openapi = "3.1.0" }).legacy)
    assert.is_false(assert(document.open { openapi = "3.2.0" }).legacy)
    local doc = assert(document.open(write("on.yml", "openapi: '3.0.0'\npaths:\n  /a:\n    get:\n"
      .. "      operationId: on\n      parameters:\n        - {name: no, in: query, schema: {enum: "
      .. "[on, no, 2020-01-01]}}\n      responses:\n        200: {description: x}\n")))
    local op = read(doc)[1]
    assert.equal("on", op.id)
    assert.equal("no", op.parameters[1].name)
    assert.same({ "on", "no", "2020-01-01" }, helper.plain(op.parameters[1].schema.enum))
    assert.equal("x", op.responses["200"].description)
  end)

  it("that cannot be read say where", function()
    for text, words in pairs { ['{"openapi": "3.0.0",,}'] = "line 1",
      ["openapi: [3"] = "line 2", ["[1]"] = "expected an OpenAPI document, got array",
      [""] = "" } do
      local nothing, message = document.open(write("x.json", text))
      assert.is_nil(nothing)
      assert.is_truthy(message:find("x.json: ", 1, true), message)
      assert.is_truthy(message:find(words, 1, true), message)
    end
  end)

  it("refer to files below their folder, and to nothing else", function()
    write("parts/pet.yaml", "Pet:\n  $ref: '../other.json#/Pet'\nget:\n  operationId: far\n"
      .. "  parameters: [{$ref: '#/Id'}]\nId: {name: id, in: query}\n")
    write("other.json", '{"Pet": {"type": "object"}}')
    write("../" .. folder:match "[^/]*$" .. ".outside.json", "{}")
    local path = write("api.json", [[{"openapi": "3.0.0", "paths": {
      "/a": {"$ref": "parts/pet.yaml"},
      "/b": {"$ref": "../]] .. folder:match "[^/]*$" .. [[.outside.json"},
      "/c": {"$ref": "http://127.0.0.1:1/x.json"}, "/d": {"$ref": "none.json"},
      "/e": {"$ref": "#/paths/~1e"}}}]])
    local doc = assert(document.open(path))
    local ops, warnings = read(doc)
    assert.equal(1, #ops)
    assert.equal("far", ops[1].id)
    assert.equal("id", ops[1].parameters[1].name)
    assert.equal(4, #warnings)
    assert.is_truthy(warnings[2]:find("other addresses are not read", 1, true), warnings[2])
    assert.is_truthy(warnings[4]:find("in a circle", 1, true), warnings[4])
    local found, file = doc:object({ ["$ref"] = "parts/pet.yaml#/Pet" }, doc.main)
    assert.equal("object", found.type)
    assert.equal("other.json", file.name)
    os.remove(folder .. ".outside.json")
  end)

  it("that are too much are refused", function()
    local function with(constant, number, fn)
      local old = document[constant]
      document[constant] = number
      local ok, text = pcall(fn)
      document[constant] = old
      assert(ok, text)
    end
    local path = write("a.json", '{"openapi": "3.0.0", "paths": {}, "x": [1, 2, 3, 4, 5, 6]}')
    with("LIMIT", 20, function()
      local _, message = document.open(path)
      assert.is_truthy(message:find("more than 20 bytes", 1, true), message)
    end)
    with("VALUES", 5, function()
      local _, message = document.open(path)
      assert.is_truthy(message:find("values", 1, true), message)
    end)
    with("FILES", 2, function()
      write("b.json", "{}")
      write("c.json", "{}")
      local doc = assert(document.open(path))
      assert.is_table(doc:find("b.json", doc.main))
      local _, message = doc:find("c.json", doc.main)
      assert.is_truthy(message:find("more than 2 files", 1, true), message)
    end)
    local chain = { openapi = "3.0.0", c = {} }
    for i = 1, document.REFERENCES + 2 do
      chain.c["n" .. i] = { ["$ref"] = "#/c/n" .. i + 1 }
    end
    chain.c["n" .. document.REFERENCES + 3] = { fine = true }
    local doc = assert(document.open(chain))
    assert.is_nil((doc:object(chain.c.n1, doc.main)))
    assert.is_true(doc:object(chain.c.n9, doc.main).fine)
  end)

  it("are read as deep as JSON is read anywhere", function()
    local function nested(levels)
      return document.open(write("deep.json", ('{"openapi":"3.0.0","paths":{},"x":%s1%s}'):format(
        ("["):rep(levels - 1), ("]"):rep(levels - 1))))
    end
    assert.is_table(nested(128))
    local nothing, message = nested(129)
    assert.is_nil(nothing)
    assert.matches("deep", message)
  end)

  it("have operations up to a limit", function()
    local old = operations.MAX
    operations.MAX = 2
    local ops, warnings = read(assert(document.open { openapi = "3.0.0", paths = {
      ["/a"] = { get = {}, put = {} }, ["/b"] = { get = {} } } }))
    operations.MAX = old
    assert.equal(2, #ops)
    assert.same({ "more than 2 operations: the others are ignored" }, warnings)
  end)
end)
