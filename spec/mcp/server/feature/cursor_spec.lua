-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local mcp = require "mcp"

local METHODS = {
  { "tools/list", "tools", function(app, i) app:tool("t" .. i) (function() end) end },
  { "prompts/list", "prompts", function(app, i) app:prompt("p" .. i) (function() end) end },
  { "resources/list", "resources", function(app, i) app:resource("a:r" .. i) (function() end) end },
  { "resources/templates/list", "resourceTemplates",
    function(app, i) app:resource("a:t" .. i .. "/{x}") (function() end) end },
}

describe("cursor", function()
  after_each(helper.leftovers)

  local function filled(size, count)
    local app = mcp.server { name = "spec", page_size = size }
    for i = 1, count do
      for _, method in ipairs(METHODS) do method[3](app, i) end
    end
    return app
  end

  local function ask(peer, method, params)
    if peer.era then return peer:modern(method, params) end
    return peer:request(method, params)
  end

  -- All pages: the names in order, the sizes of the pages, the cursors.
  local function walk(peer, method, member)
    local names, sizes, cursors, cursor = {}, {}, {}, nil
    repeat
      local result = assert(ask(peer, method, { cursor = cursor }).result)
      for _, one in ipairs(result[member]) do names[#names + 1] = one.uri or one.name end
      sizes[#sizes + 1] = #result[member]
      cursor = result.nextCursor
      cursors[#cursors + 1] = cursor
    until cursor == nil or #sizes > 20
    return names, sizes, cursors
  end

  local function refused(response)
    assert.is_table(response.error, "nothing was refused")
    assert.equal(-32602, response.error.code)
    assert.matches("^Invalid cursor", response.error.message)
  end

  it("all four lists come in pages, in both eras, in order (4.5)", function()
    local app = filled(3, 7)
    for _, revision in ipairs(helper.revisions) do
      local peer = helper.open(app, revision)
      for _, method in ipairs(METHODS) do
        local names, sizes, cursors = walk(peer, method[1], method[2])
        assert.same({ 3, 3, 1 }, sizes)
        assert.equal(2, #cursors)
        for i, name in ipairs(names) do assert.matches(tostring(i), name) end
        assert.equal(7, #names)
      end
      peer:close()
    end
  end)

  it("the last page has no nextCursor, even when it is full; an empty list is one page", function()
    for count, expected in pairs { [1] = { 1 }, [3] = { 3 }, [6] = { 3, 3 } } do
      local peer = helper.open(filled(3, count))
      local _, sizes = walk(peer, "tools/list", "tools")
      assert.same(expected, sizes)
      peer:close()
    end
    local app = filled(2, 0)
    app:resource "a:{x}" (function() end)
    local peer = helper.open(app)
    local response, line = peer:request("resources/list")
    assert.matches('"resources":[]', line, 1, true)
    assert.is_nil(response.result.nextCursor)
    peer:close()
  end)

  it("without page_size, and with 0, there is one page and no cursor", function()
    for _, size in ipairs { false, 0 } do
      local peer = helper.open(filled(size or nil, 30))
      local _, sizes = walk(peer, "tools/list", "tools")
      assert.same({ 30 }, sizes)
      refused(peer:request("tools/list", { cursor = "1" }))
      peer:close()
    end
  end)

  it("anything but what was given out is invalid (4.5: -32602)", function()
    local peer = helper.open(filled(1, 3))
    local _, _, cursors = walk(peer, "tools/list", "tools")
    local first = cursors[1]
    local made_up = { "", " ", "2", "x", first .. "0", "0" .. first, first:upper() .. " ",
      first:sub(1, -2), cursors[2]:match "^%x+" .. first:match "%-.*", "0-0000000000000000",
      "-1" .. first:match "%-.*", ("f"):rep(40) .. "-0", ("9"):rep(100000), "\0", "☃" }
    for at = 1, #first do
      local byte = first:sub(at, at) == "1" and "2" or "1"
      made_up[#made_up + 1] = first:sub(1, at - 1) .. byte .. first:sub(at + 1)
    end
    for _, cursor in ipairs(made_up) do
      if cursor ~= first then refused(peer:request("tools/list", { cursor = cursor })) end
    end
    for _, odd in ipairs { 1, true, { "x" }, {} } do
      refused(peer:request("tools/list", { cursor = odd }))
    end
    assert.equal("t2", peer:request("tools/list", { cursor = first }).result.tools[1].name)
    peer:close()
  end)

  it("null is no cursor, the empty string is one (T-56)", function()
    local peer = helper.open(filled(1, 3))
    assert.equal("t1", peer:request("tools/list", { cursor = mcp.null }).result.tools[1].name)
    refused(peer:request("tools/list", { cursor = "" }))
    peer:close()
  end)

  it("one list's cursor is none of another's, nor of another app's", function()
    local app, other = filled(1, 3), filled(1, 3)
    local peer, stranger = helper.open(app), helper.open(other)
    for _, from in ipairs(METHODS) do
      local _, _, cursors = walk(peer, from[1], from[2])
      for _, to in ipairs(METHODS) do
        local response = peer:request(to[1], { cursor = cursors[1] })
        if from == to then assert.is_table(response.result) else refused(response) end
      end
      refused(stranger:request(from[1], { cursor = cursors[1] }))
    end
    peer:close()
    stranger:close()
  end)

  it("a list that has changed has new cursors, those of other lists stay", function()
    local app = filled(2, 5)
    local peer = helper.open(app)
    local _, _, tools = walk(peer, "tools/list", "tools")
    local _, _, prompts = walk(peer, "prompts/list", "prompts")
    app:tool "new" (function() end)
    refused(peer:request("tools/list", { cursor = tools[1] }))
    assert.is_table(peer:request("prompts/list", { cursor = prompts[1] }).result)
    local names = walk(peer, "tools/list", "tools")
    assert.equal("new", names[6])
    app:remove("tool", "new")
    refused(peer:request("tools/list", { cursor = tools[1] }))
    peer:close()
  end)

  it("nothing is kept for a client: any connection and revision goes on where one began", function()
    local app = filled(2, 5)
    local one, two = helper.open(app), helper.open(app, "2026-07-28")
    local cursor = one:request("tools/list").result.nextCursor
    one:close()
    assert.equal("t3", two:modern("tools/list", { cursor = cursor }).result.tools[1].name)
    two:close()
  end)

  it("pages are encoded once", function()
    local app = filled(2, 5)
    local peer = helper.open(app)
    peer:request("tools/list")
    local facts = require("mcp.protocol").revision "2025-11-25"
    local kept = app.tools.kept[facts]
    assert.equal(3, #kept)
    walk(peer, "tools/list", "tools")
    assert.equal(kept, app.tools.kept[facts])
    assert.equal("userdata", type(kept[1]))
    peer:close()
  end)

  it("every page carries the hints of the modern era, one scope for all (4.8)", function()
    local app = mcp.server { name = "spec", page_size = 1, cache = { ttl = 2, scope = "public" } }
    for i = 1, 2 do app:tool("t" .. i) (function() end) end
    local peer = helper.open(app, "2026-07-28")
    local first = peer:modern("tools/list").result
    local last = peer:modern("tools/list", { cursor = first.nextCursor }).result
    for _, page in ipairs { first, last } do
      assert.same({ 2000, "public", "complete" }, { page.ttlMs, page.cacheScope, page.resultType })
      assert.equal("spec", page._meta[helper.PREFIX .. "serverInfo"].name)
    end
    peer:close()
  end)

  describe("of resources that a template lists", function()
    local things, app, peer
    before_each(function()
      things = { "a:x/1", "a:x/2", "a:x/3" }
      app = mcp.server { name = "spec", page_size = 2 }
      app:resource "a:first" (function() end)
      app:resource "a:x/{n}" { list = function() return things end } (function() end)
      peer = helper.open(app)
    end)
    after_each(function() peer:close() end)

    it("the list comes in pages too, fixed ones first", function()
      local names, sizes = walk(peer, "resources/list", "resources")
      assert.same({ "a:first", "a:x/1", "a:x/2", "a:x/3" }, names)
      assert.same({ 2, 2 }, sizes)
    end)

    it("one that has shrunk meanwhile ends", function()
      local cursor = peer:request("resources/list").result.nextCursor
      things = {}
      local response, line = peer:request("resources/list", { cursor = cursor })
      assert.matches('"resources":[]', line, 1, true)
      assert.is_nil(response.result.nextCursor)
    end)

    it("registering a resource or a template makes its cursors stale", function()
      for _, uri in ipairs { "a:second", "a:y/{n}" } do
        local cursor = peer:request("resources/list").result.nextCursor
        app:resource(uri) (function() end)
        refused(peer:request("resources/list", { cursor = cursor }))
      end
    end)
  end)

  it("a page_size that is none is an error at its line", function()
    for _, size in ipairs { -1, 1.5, 0 / 0 } do
      local ok, err = pcall(function() mcp.server { name = "x", page_size = size } end)
      assert.is_false(ok)
      assert.matches("cursor_spec%.lua:%d+: mcp.server: page_size: expected a whole number", err)
    end
    assert.is_false((pcall(mcp.server, { name = "x", page_size = "3" })))
  end)
end)
