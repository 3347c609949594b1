-- SPDX-License-Identifier: MIT
-- Lists in pages: what a model reads about the next one, and several pages as one answer.
local api = require "spec.mcp.openapi.api"
local mcp = require "mcp"

local array = mcp.array

-- Three pages of two numbers each, linked by the field Link; `wrap` makes the body.
local function linked(wrap)
  local server
  server = api.serve(function(request)
    local page = tonumber(request.target:match "page=(%d+)" or 1)
    local list = array { 2 * page - 1, 2 * page }
    local link = page < 3 and ('<%s/x?page=%d&k=secret>; rel="next", </x?page=3>; rel=last'):format(
      server.at, page + 1) or nil
    return 200, { Link = link, ["Content-Type"] = "application/json" },
      wrap and wrap(list, page) or list
  end)
  return server
end

local function client_of(server, pages, more)
  local options = { base_url = server.at, pages = pages, auth = { key = "secret" } }
  for name, member in pairs(more or {}) do options[name] = member end
  return api.client(api.document({ ["/x"] = { get = api.operation {
    api.parameter("query", "page", { type = "integer" }) } } }, { components = {
      securitySchemes = { key = { type = "apiKey", ["in"] = "query", name = "k" } } } }), options)
end

local function numbers(result, member)
  local list = result.structuredContent
  if member then list = list[member] end
  local out = {}
  for i, each in ipairs(list) do out[i] = each end
  return table.concat(out, " ")
end

describe("pages", function()
  after_each(api.close)

  it("that follow are mentioned", function()
    local client = client_of(linked())
    local result = assert(client:call_tool("go", {}))
    assert.equal("1 2", numbers(result))
    assert.equal("There are more results: the next page has page=2.", result.content[2].text)
    result = assert(client:call_tool("go", { page = 3 }))
    assert.equal("5 6", numbers(result))
    assert.is_nil(result.content[2])
  end)

  it("are read up to a limit", function()
    local server = linked()
    local client = client_of(server, { max = 10 })
    local result = assert(client:call_tool("go", {}))
    assert.equal("1 2 3 4 5 6", numbers(result))
    assert.is_nil(result.content[2])
    assert.equal(3, #server.requests)
    assert.equal("/x?page=3&k=secret", server.requests[3].target)
    client = client_of(server, { max = 2 })
    result = assert(client:call_tool("go", {}))
    assert.equal("1 2 3 4", numbers(result))
    assert.equal("There are more results: the next page has page=3.", result.content[2].text)
  end)

  it("are no more bytes than one answer may have", function()
    local server = linked(function(list) return { list = list, pad = ("x"):rep(300) } end)
    local client = client_of(server, { max = 10 }, { limit = 700 })
    assert.equal("1 2 3 4", numbers(assert(client:call_tool("go", {})), "list"))
  end)

  it("are linked by what a body says", function()
    local server = api.serve(function(request)
      local at = tonumber(request.target:match "after=(%d+)" or 0)
      return { data = array { at + 1 }, other = array {}, meta = {
        after = at < 4 and at + 1 or mcp.null, url = at < 4 and "x?after=" .. at + 1 or "" } }
    end)
    for _, pages in ipairs {
      { max = 3, next = "/meta/after", parameter = "after", items = "/data" },
      { max = 3, next = "/meta/url", items = "/data" },
      { max = 3, items = "/data", next = function(body)
        return body.meta.after ~= mcp.null and { after = body.meta.after } or nil
      end },
    } do
      local result = assert(client_of(server, pages):call_tool("go", {}))
      assert.equal("1 2 3", numbers(result, "data"))
      assert.equal("There are more results: the next page has after=3.", result.content[2].text)
    end
    local result = assert(client_of(server, { max = 100, next = "/meta/after",
      parameter = "after", items = "/data" }):call_tool("go", {}))
    assert.equal("1 2 3 4 5", numbers(result, "data"))
    -- Which list is meant is not clear.
    result = assert(client_of(server, { next = "/meta/after", parameter = "after" })
      :call_tool("go", {}))
    assert.equal("1", numbers(result, "data"))
    assert.is_string(result.content[2].text)
  end)

  it("of another server, or that fail, end the list", function()
    local far = api.serve(function() return array { 9 } end)
    local server = api.serve(function(request)
      if request.target:find "page=2" then return 500, {}, "" end
      if request.target:find "page=9" then
        return 200, { Link = ("<%s/x>; rel=next"):format(far.at),
          ["Content-Type"] = "application/json" }, "[1]"
      end
      return 200, { Link = "</x?page=2>; rel=next", ["Content-Type"] = "application/json" }, "[1]"
    end)
    local client = client_of(server, { max = 5 })
    assert.equal("The next page could not be read: status 500.",
      assert(client:call_tool("go", {})).content[2].text)
    assert.equal("The next page could not be read: the next page is at another server.",
      assert(client:call_tool("go", { page = 9 })).content[2].text)
    assert.equal(0, #far.requests)
  end)

  it("have settings that are checked", function()
    local server = api.serve(function() return {} end)
    for words, pages in pairs { ["expected an integer from 1 to 100, got 101"] = { max = 101 },
      ['unknown option "mox", did you mean "max"?'] = { mox = 1 } } do
      local ok, text = pcall(client_of, server, pages)
      assert.is_false(ok)
      assert.is_truthy(text:find(words, 1, true), text)
    end
    assert.equal(100, require("mcp.openapi.pages").MAX)
  end)
end)
