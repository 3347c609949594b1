-- SPDX-License-Identifier: MIT
-- Operations as a document has them: parameters of the path, defects, names and rules.
local document = require "mcp.openapi.document"
local mcp = require "mcp"
local names = require "mcp.openapi.names"
local operations = require "mcp.openapi.operations"
local rules = require "mcp.openapi.rules"

local array = mcp.array

local function read(paths, more)
  local warnings = {}
  local root = { openapi = "3.0.0", paths = paths }
  for name, member in pairs(more or {}) do root[name] = member end
  return operations.read(assert(document.open(root)), function(text)
    warnings[#warnings + 1] = text
  end), warnings
end

local function name(id, method, path)
  return names.of({ id = id, method = method or "GET", path = path or "/x" }, 0)
end

describe("operations", function()
  it("come in the order of paths and methods", function()
    local list = {}
    for i, op in ipairs(read { ["/b"] = { get = {}, post = {} }, ["/a"] = { put = {},
      ["x-internal"] = {}, parameters = array {}, trace = {} }, ["x-y"] = {} }) do
      list[i] = op.method .. " " .. op.path
    end
    assert.same({ "PUT /a", "TRACE /a", "GET /b", "POST /b" }, list)
  end)

  it("have the parameters of their path, and their own in place of these", function()
    local ops = read({ ["/a/{id}"] = { parameters = array { { name = "id", ["in"] = "path" },
      { name = "q", ["in"] = "query", description = "path's" } },
      get = { parameters = array { { name = "q", ["in"] = "query", description = "own" },
        { ["$ref"] = "#/components/parameters/H" } } } } },
      { components = { parameters = { H = { name = "X-H", ["in"] = "header" } } } })
    local list = ops[1].parameters
    assert.equal(3, #list)
    assert.is_true(list[1].required)
    assert.equal("own", list[2].description)
    assert.equal("X-H", list[3].name)
  end)

  it("have the styles of their locations", function()
    local function style(location, given, explode)
      local parameter = read { ["/a"] = { get = { parameters = array { { name = "p",
        ["in"] = location, style = given, explode = explode } } } } }[1].parameters[1]
      return parameter.style .. " " .. tostring(parameter.explode)
    end
    assert.equal("form true", style "query")
    assert.equal("form false", style("query", nil, false))
    assert.equal("deepObject false", style("query", "deepObject"))
    assert.equal("simple false", style("path", "deepObject"))
    assert.equal("label false", style("path", "label"))
    assert.equal("simple false", style "header")
    assert.equal("form true", style "cookie")
  end)

  it("ignore what HTTP sets itself, and say what else they ignore", function()
    local ops, warnings = read { ["/a/{x}"] = { get = { parameters = array {
      { name = "Authorization", ["in"] = "header" }, { name = "Host", ["in"] = "header" },
      { name = "a b", ["in"] = "header" }, { name = "q", ["in"] = "body" }, 7,
      { ["$ref"] = "#/none" } }, requestBody = { ["$ref"] = "#/none" } } },
      ["/b"] = { ["$ref"] = "#/none" } }
    assert.equal(1, #ops)
    assert.equal(1, #ops[1].parameters)
    assert.equal("x", ops[1].parameters[1].name)
    assert.is_nil(ops[1].body)
    assert.equal(7, #warnings)
  end)

  it("have names that hosts accept", function()
    assert.equal("repos_list_for_org", name "repos/list-for-org")
    assert.equal("getPetById", name "getPetById")
    assert.equal("get_pets_by_id_toys", name(nil, "GET", "/pets/{id}/toys"))
    assert.equal("get", name(nil, "GET", "/"))
    assert.equal("get_pets_by_id", name("é", "GET", "/pets/{id}"))
    assert.equal("read_item", name("read_item_items__item_id__get", "GET", "/items/{item_id}"))
    assert.equal("get_pets_all", name("get_pets__all", "GET", "/pets"))
    assert.equal(56, #name(("x"):rep(100)))
    assert.equal(56, names.LENGTH)
    local taken = { a = true, a_2 = true, [("x"):rep(56)] = true }
    local function free(wanted)
      return names.free(wanted, function(each) return taken[each] end)
    end
    assert.equal("b", free "b")
    assert.equal("a_3", free "a")
    assert.equal(("x"):rep(54) .. "_2", free(("x"):rep(56)))
  end)

  it("become what the first rule that fits says", function()
    local function decide(given, op)
      op = op or {}
      local all = { method = "GET", path = "/a/b", tags = { "t" }, id = "go", deprecated = false }
      for key, member in pairs(op) do all[key] = member end
      return rules.compile(given)(all).as
    end
    assert.equal("tool", decide(nil))
    assert.equal("exclude", decide(nil, { method = "HEAD" }))
    assert.equal("tool", decide({ { as = "tool" } }, { method = "HEAD" }))
    local list = { { tags = "admin", as = "exclude" }, { methods = { "get" }, path = "/b$",
      as = "resource" }, { deprecated = true, as = "exclude" }, { id = "^secret", as = "exclude" } }
    assert.equal("resource", decide(list))
    assert.equal("exclude", decide(list, { tags = { "x", "admin" } }))
    assert.equal("tool", decide(list, { method = "POST" }))
    assert.equal("exclude", decide(list, { method = "POST", deprecated = true }))
    assert.equal("exclude", decide(list, { method = "POST", id = "secret_x" }))
    assert.equal("exclude", decide(function() return false end))
    assert.equal("tool", decide(function() end))
    assert.equal("resource", decide(function() return "resource" end))
    assert.equal("exclude", decide(function(op) return { as = op.id == "go" and "exclude" } end))
    assert.has_error(function() decide(function() return { ass = "tool" } end) end)
    assert.has_error(function() rules.compile { as = "tool" } end)
  end)
end)
