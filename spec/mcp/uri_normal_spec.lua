-- SPDX-License-Identifier: MIT
local normal = require "mcp.uri_normal"

describe("the normal form of an address (RFC 3986 6.2.2, 6.2.3)", function()
  local function same(given, wanted)
    assert.equal(wanted, normal.of(given), given)
    assert.equal(wanted, normal.of(wanted), "twice: " .. wanted)
  end

  it("has scheme and host in lower case, and nothing else", function()
    same("HTTP://WWW.Example.COM/Path?Query#Frag", "http://www.example.com/Path?Query#Frag")
    same("Config://App/X", "config://app/X")
    same("URN:ISBN:Abc", "urn:ISBN:Abc")
    same("http://User:Pass@HOST/", "http://User:Pass@host/")
    same("http://[2001:DB8::1]:8080/A", "http://[2001:db8::1]:8080/A")
    same("x+Y-1.z:A", "x+y-1.z:A")
  end)

  it("has escapes in upper case, and none that is not needed", function()
    same("a://h/%7euser%2f%3a", "a://h/~user%2F%3A")
    same("a://h/%41%2d%5F%7e%2E", "a://h/A-_~.")
    same("a://h/caf%c3%a9?q=%c3", "a://h/caf%C3%A9?q=%C3")
    same("a://%45xample%c3%A9/", "a://example%C3%A9/")
    same("a://h/%2541", "a://h/%2541")
    same("a:%7eb?%41#%42", "a:~b?A#B")
    same("a://h/%zz%4", "a://h/%zz%4")
  end)

  it("has no dot segments", function()
    for given, wanted in pairs { ["/a/b/c/./../../g"] = "/a/g", ["/a/./b/../c"] = "/a/c",
      ["/.."] = "/", ["/."] = "/", ["/a/.."] = "/", ["/a/b/.."] = "/a/", ["/a/."] = "/a/",
      ["/../../a"] = "/a", ["/a/../../b"] = "/b", ["/a//../b"] = "/a/b",
      ["/a/..b/.c"] = "/a/..b/.c",
      ["/a/b/../"] = "/a/", ["/..."] = "/...", ["/%2e%2E/a"] = "/a", ["//a/.."] = "//" } do
      same("s://h" .. given, "s://h" .. wanted)
    end
    same("file:///a/../b", "file:///b")
    same("file:/a/../b", "file:/b")
    -- Not in what is no path that begins with "/", nor behind it.
    same("urn:a/../b", "urn:a/../b")
    same("s://h/a?b/../c#d/./e", "s://h/a?b/../c#d/./e")
    -- It must not turn into an authority.
    same("s:/.//a", "s:/.//a")
  end)

  it("has no empty port, and not the scheme's own", function()
    same("http://h:80/", "http://h/")
    same("https://h:443/a", "https://h/a")
    same("ws://h:80/a", "ws://h/a")
    same("wss://h:443/a", "wss://h/a")
    same("http://h:443/", "http://h:443/")
    same("foo://h:80/", "foo://h:80/")
    same("foo://h:/a", "foo://h/a")
    same("http://[::1]:80/", "http://[::1]/")
    same("http://[::1]", "http://[::1]/")
    same("http://u:80@h:80/", "http://u:80@h/")
  end)

  it("has a path behind an authority", function()
    same("http://h", "http://h/")
    same("notes://today", "notes://today/")
    same("http://h?q", "http://h/?q")
    same("http://h#f", "http://h/#f")
    same("file://", "file:///")
    same("urn:", "urn:")
  end)

  it("is the text itself where that is no address", function()
    for _, text in ipairs { "", "a", "/a/../B", "//H/a", "1a://H", "%41", "\xff://X", "{s}://H" } do
      same(text, text)
    end
  end)

  it("is the same for any spelling, whichever way it comes about", function()
    math.randomseed(3986)
    local pieces = { "A", "b", "%41", "%c3%a9", ".", "..", "/", "/./", ":", "@", "?", "#", "%2F" }
    for _ = 1, 3000 do
      local text = "S://"
      for _ = 1, math.random(0, 8) do text = text .. pieces[math.random(#pieces)] end
      local once = normal.of(text)
      assert.equal(once, normal.of(once), text)
      -- Escapes of letters, and capitals of the scheme, make no difference.
      assert.equal(once, normal.of((text:gsub("b", "%%62"):gsub("^S", "s"))), text)
    end
  end)

  it("is remembered for no more than a few addresses", function()
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    for i = 1, 5000 do
      normal.of(("a://h/%d%s"):format(i, ("x"):rep(500)))
      normal.spellings("A://H/" .. i .. ("y"):rep(200))
      assert.equal("a://h/" .. i, normal.of("A://H/" .. i))
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 600)
  end)

  it("costs time in proportion to the length", function()
    local began = os.clock()
    for _, piece in ipairs { "/..", "/.", "%41", "@", ":", "/a/..", "[" } do
      normal.of("s://" .. piece:rep(8000 // #piece))
      normal.of("s:/" .. piece:rep(8000 // #piece))
      normal.spellings("s://" .. piece:rep(8000 // #piece))
    end
    assert.is_true(os.clock() - began < 1)
  end)

  describe("of a template", function()
    it("is about what stands around its expressions", function()
      assert.equal("kbinfo://{P}/", normal.template "KBInfo://{P}")
      assert.equal("http://example.com/{+Path}{?Q}",
        normal.template "HTTP://Example.com:80/x/../{+Path}{?Q}")
      assert.equal("kbinfo://{P}", normal.matched "KBInfo://{P}")
      assert.equal("a://{H}.example.com/%C3%A9{x}", normal.matched "A://{H}.EXAMPLE.com/%c3%a9{x}")
      assert.equal("{s}://H/{x}", normal.template "{s}://H/{x}")
    end)

    it("is the same where its braces are escaped", function()
      assert.equal("kbinfo://{p}/", normal.template "kbinfo://%7Bp%7d")
      assert.equal(normal.template "a://h/{x}/{?q,r}", normal.template "a://h/%7bx%7D/%7B?q,r%7D")
    end)
  end)
end)
