-- SPDX-License-Identifier: MIT
-- uri_tools_spec.lua: lua/mcp/uri_tools.lua. What templates do is in uri_spec.lua.
local mcp = require "mcp"

local uri = mcp.uri

describe("mcp.uri", function()
  it("escapes and unescapes bytes", function()
    assert.equal("a%20b%2Fc%C3%A9%00~-._", uri.escape "a b/cé\0~-._")
    assert.equal("a%20b/c", uri.escape("a b/c", "/"))
    assert.equal("]^-%%3F", uri.escape("]^-%?", "]^-%"))
    assert.equal("a b/cé\0", uri.unescape "a%20b%2fc%C3%A9%00")
    assert.equal("a+b", uri.unescape "a+b")
    for byte = 0, 255 do
      local c = string.char(byte)
      assert.equal(c, uri.unescape(uri.escape(c)))
    end
    local text, message = uri.unescape "ab%4"
    assert.is_nil(text)
    assert.equal('"%" without two hexadecimal digits at byte 3', message)
    assert.is_nil((uri.unescape "%"))
    assert.is_nil((uri.unescape "%%41"))
  end)

  it("expands templates and matches them", function()
    assert.equal("notes:///a%20b/c?page=2", uri.expand("notes:///{+path}{?page,missing}",
      { path = "a b/c", page = 2 }))
    assert.equal("/x;k=1,2?a=1&b=2",
      uri.expand("/x{;k}{?m*}", { k = { 1, 2 }, m = { b = 2, a = 1 } }))
    assert.same({ path = "a b/c" }, uri.match("notes:///{+path}", "notes:///a%20b/c"))
    assert.same({ id = "1" }, uri.match("Notes://Host/{id}", "notes://host/%31"))
    assert.is_nil(uri.match("notes:///{id}", "notes:///a/b"))
    for _, path in ipairs { "a", "a b", "ä/ö", "100%", "x?y#z" } do
      local text = uri.expand("notes:///{path}", { path = path })
      assert.same({ path = path }, uri.match("notes:///{path}", text))
    end
    -- More templates than are remembered.
    for round = 1, 2 do
      for i = 1, 100 do
        assert.equal(("t%d:%d"):format(i, round), uri.expand(("t%d:{x}"):format(i), { x = round }))
      end
    end
  end)

  it("remembers 64 templates", function()
    local templates, loaded = require "mcp.uri", package.loaded["mcp.uri_tools"]
    package.loaded["mcp.uri_tools"] = nil
    local fresh = require "mcp.uri_tools"
    package.loaded["mcp.uri_tools"] = loaded
    local original, made = templates.template, 0
    templates.template = function(...)
      made = made + 1
      return original(...)
    end
    local function made_by(from, to)
      made = 0
      for i = from, to do fresh.expand(("t%d:{x}"):format(i), { x = 1 }) end
      return made
    end
    local counts = { made_by(1, 64), made_by(1, 64), made_by(65, 65), made_by(1, 1) }
    templates.template = original
    assert.same({ 64, 0, 1, 1 }, counts)
  end)

  it("takes a URI apart", function()
    assert.same({ scheme = "http", authority = "me@[::1]:80", userinfo = "me", host = "::1",
      port = 80, path = "/a%20b", query = "c=d?e", fragment = "f" },
      uri.parse "HTTP://me@[::1]:80/a%20b?c=d?e#f")
    assert.same({ scheme = "file", authority = "", host = "", path = "/etc/x" },
      uri.parse "file:///etc/x")
    assert.same({ scheme = "urn", path = "isbn:123" }, uri.parse "urn:isbn:123")
    assert.same({ scheme = "a", authority = "h:", host = "h", path = "" }, uri.parse "a://h:")
    assert.same({ scheme = "a", path = "", query = "", fragment = "" }, uri.parse "a:?#")
    for _, text in ipairs { "", "a", "/a", "a b:c", "a:b c", "a:%4", "http://[::1/", "a:ü" } do
      local parts, message = uri.parse(text)
      assert.is_nil(parts, text)
      assert.equal(("not a URI with a scheme, as RFC 3986 has it: %q"):format(text), message)
    end
  end)

  it("normalizes and resolves", function()
    assert.equal("http://example.com/b", uri.normalize "HTTP://EXAMPLE.com:80/a/../%62")
    assert.equal("notes://h/a/c?q", uri.resolve("notes://h/a/b", "c?q"))
    assert.equal("notes://h/c", uri.resolve("notes://h/a/b", "../../c"))
    assert.equal("other:x", uri.resolve("notes://h/a", "other:x"))
    assert.is_nil((uri.resolve("no scheme", "x")))
  end)

  it("names what is wrong with a call, at the caller's line", function()
    local function complains(text, fn, ...)
      local ok, message = pcall(fn, ...)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
      assert.truthy(message:find("uri_tools_spec.lua:", 1, true), message)
    end
    complains("mcp.uri.escape: text: expected a string, got number", function() uri.escape(1) end)
    complains("mcp.uri.expand: vars: expected a table", function() local _ = uri.expand "a" end)
    complains("mcp.uri.expand: bad URI template at position 3", function()
      local _ = uri.expand("a:{", {})
    end)
    complains("variable \"x\"", function()
      local _ = uri.expand("a:{x}", { x = true })
    end)
    complains("mcp.uri.match: ", function() local _ = uri.match("a:{x}{y}", "a:b") end)
    complains("mcp.uri.match: uri: expected a string, got nil",
      function() local _ = uri.match "a:{x}" end)
  end)
end)
