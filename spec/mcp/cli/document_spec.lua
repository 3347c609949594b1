-- SPDX-License-Identifier: MIT
-- OpenAPI documents on the command line: served, checked, and as targets of other commands.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"

local quote = helper.quote
local BOOKSHOP = "examples/bookshop.yaml"

describe("an OpenAPI document", function()
  after_each(helper.remove_files)

  -- Standard output, standard error and status of a command line.
  local function luamcp(...)
    local words = { ... }
    for i, word in ipairs(words) do words[i] = quote(word) end
    local errors = helper.file ""
    local out, status = helper.shell(("timeout 20 %s %s </dev/null 2>%s"):format(
      quote(helper.program()), table.concat(words, " "), quote(errors)))
    local file <close> = assert(io.open(errors))
    return out, file:read "a", status
  end

  it("is checked operation by operation", function()
    local out, err, status = luamcp("check", BOOKSHOP)
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = (line:gsub(" +", " ")) end
    assert.same({
      "GET /books tool listBooks(author?: string, page?: integer, tags?: string[])",
      "POST /books tool addBook(author: string, title: string, sequel?: object, tags?: string[])",
      "GET /books/{id} tool getBook(id: integer)",
      "DELETE /books/{id} tool removeBook(id: integer)" }, lines)
    assert.equal("luamcp: warning: 4 operations need credentials: token; --credential "
      .. "token=VARIABLE names the variable with it\n", err)
    assert.equal(0, status)
    assert.equal(1, select(3, luamcp("check", BOOKSHOP, "--strict")))
    out = luamcp("check", BOOKSHOP, "--json")
    local report = assert(core.decode(out))
    assert.equal("Bookshop", report.title)
    assert.equal("listBooks", report.operations[1].name)
  end)

  it("is limited to what is asked for", function()
    local function kept(...)
      local out = luamcp("check", BOOKSHOP, ...)
      local names = {}
      for name in out:gmatch "tool (%w+)" do names[#names + 1] = name end
      return table.concat(names, " ")
    end
    assert.equal("listBooks getBook", kept "--read-only")
    assert.equal("getBook", kept("--only", "getBook"))
    assert.equal("listBooks addBook", kept("--only", "/books"))
    assert.equal("getBook removeBook", kept("--only", "/books/*"))
    assert.equal("listBooks getBook", kept("--only", "GET /books*"))
    assert.equal("addBook removeBook", kept("--only", "add*", "--only", "remove*"))
  end)

  it("is served with what the options say", function()
    local server = raw_server.start(function()
      return 200, { ["Content-Type"] = "application/json" },
        '{"id": 1, "title": "Emma", "author": "Jane Austen"}'
    end)
    local client = assert(mcp.connect { command = helper.program(), env = { KEY = "k", WORD = "w" },
      args = { "run", "--field", "X-A: ${WORD}", BOOKSHOP, "--read-only", "--credential", "KEY",
        "--base-url", ("http://127.0.0.1:%d/v2"):format(server.port), "--stdio" } })
    assert.equal("Bookshop", client.server.name)
    local result = assert(client:call_tool("getBook", { id = 1 }))
    assert.equal("Emma", result.structuredContent.title)
    local request = server.requests[1]
    assert.equal("/v2/books/1", request.target)
    assert.equal("Bearer k", request.fields.authorization)
    assert.equal("w", request.fields["x-a"])
    assert.equal(2, #assert(client:list_tools()))
    client:close()
    server:close()
    helper.leftovers()
  end)

  it("is a target", function()
    local out, _, status = luamcp("list", BOOKSHOP)
    assert.equal(0, status)
    assert.is_truthy(out:find("removeBook(id: integer)", 1, true), out)
    local client = assert(mcp.connect(BOOKSHOP, { args = { "--read-only" } }))
    assert.equal(2, #assert(client:list_tools()))
    client:close()
    helper.leftovers()
  end)

  it("with a mistake in its options says so", function()
    local function fails(words, ...)
      local _, err, status = luamcp(...)
      assert.equal(1, status)
      assert.is_truthy(err:find(words, 1, true), err)
    end
    fails("the environment has no variable NOT_SET", "run", BOOKSHOP, "--credential", "NOT_SET")
    fails('unknown security scheme "tokn", did you mean "token"?', "check", BOOKSHOP,
      "--credential", "tokn=PATH")
    fails("--field: expected NAME:VALUE, got x", "run", BOOKSHOP, "--field", "x")
    fails("--base-url needs an address", "run", BOOKSHOP, "--base-url")
    fails("unexpected word more after the document", "run", BOOKSHOP, "more")
    fails("none.yaml: No such file", "run", "none.yaml")
    fails("base_url: ", "run", BOOKSHOP, "--base-url", "nowhere")
    fails("--read-only is for OpenAPI documents", "run", "--read-only", "examples/hello.lua")
    local path = helper.file('{"openapi": "3.0.0", "paths": {}, "components": {"securitySchemes":'
      .. '{"a": {"type": "http"}, "b": {"type": "http"}}}}', ".json")
    fails("the document has the schemes a, b", "run", path, "--credential", "PATH")
  end)
end)
