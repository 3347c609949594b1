-- SPDX-License-Identifier: MIT
-- examples/openapi.lua against an API on loopback.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"

local BOOK = { id = 1, title = "Emma", author = "Jane Austen" }

describe("examples/openapi.lua", function()
  local server, client

  before_each(function()
    server = raw_server.start(function(request)
      local fields = { ["Content-Type"] = "application/json" }
      if request.fields.authorization ~= "Bearer secret" then return 401, fields, "{}" end
      if request.method == "POST" then
        local book = core.decode(request.body)
        book.id = 2
        return 201, fields, core.encode(book)
      elseif request.target == "/books/1" then
        return 200, fields, core.encode(BOOK)
      elseif request.target:find "page=2" then
        return 200, fields, core.encode { BOOK }
      end
      fields.Link = '</books?page=2>; rel="next"'
      return 200, fields, core.encode { BOOK }
    end)
    client = assert(mcp.connect { command = helper.program(), env = { BOOKSHOP_TOKEN = "secret" },
      args = { "run", "examples/openapi.lua", ("http://127.0.0.1:%d"):format(server.port) } })
  end)

  after_each(function()
    client:close()
    server:close()
    helper.leftovers()
  end)

  it("offers what its rules leave", function()
    local names = {}
    for i, tool in ipairs(assert(client:list_tools())) do names[i] = tool.name end
    assert.same({ "listBooks", "addBook" }, names)
    assert.equal("api:///books/{id}", assert(client:list_resource_templates())[1].uriTemplate)
  end)

  it("calls the API", function()
    local result = assert(client:call_tool("listBooks", { author = "Austen", tags = { "a", "b" } }))
    assert.equal(2, #result.structuredContent)
    assert.equal("/books?author=Austen&tags=a,b", server.requests[1].target)
    result = assert(client:call_tool("addBook", { title = "Persuasion", author = "Jane Austen" }))
    assert.equal(2, result.structuredContent.id)
    assert.same({ title = "Persuasion", author = "Jane Austen" },
      helper.plain(core.decode(server.requests[#server.requests].body)))
    local read = assert(client:read_resource "api:///books/1")
    assert.equal("Emma", core.decode(read.contents[1].text).title)
  end)
end)
