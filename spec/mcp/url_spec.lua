-- SPDX-License-Identifier: MIT
-- Addresses: what is read, what is refused, how references are resolved (RFC 3986), forms.
local url = require "mcp.url"

describe("url.parse", function()
  -- address, and of what it gives: scheme, host, port, target, authority, the text in one spelling
  local READ = {
    { "http://example.com", "http", "example.com", 80, "/", "example.com", "http://example.com/" },
    { "HTTPS://Example.COM:443/A?b", "https", "example.com", 443, "/A?b", "example.com",
      "https://example.com/A?b" },
    { "https://example.com:8443/mcp", "https", "example.com", 8443, "/mcp", "example.com:8443",
      "https://example.com:8443/mcp" },
    { "http://example.com:443/", "http", "example.com", 443, "/", "example.com:443",
      "http://example.com:443/" },
    { "http://example.com:", "http", "example.com", 80, "/", "example.com",
      "http://example.com/" },
    { "http://example.com?q", "http", "example.com", 80, "/?q", "example.com",
      "http://example.com/?q" },
    { "http://a_b.example.com./x", "http", "a_b.example.com.", 80, "/x", "a_b.example.com.",
      "http://a_b.example.com./x" },
    { "ws://127.0.0.1:9000/ws", "ws", "127.0.0.1", 9000, "/ws", "127.0.0.1:9000",
      "ws://127.0.0.1:9000/ws" },
    { "wss://h/", "wss", "h", 443, "/", "h", "wss://h/" },
    { "http://[::1]:8000/mcp", "http", "::1", 8000, "/mcp", "[::1]:8000",
      "http://[::1]:8000/mcp" },
    { "http://[0:0:0:0:0:0:0:1]", "http", "::1", 80, "/", "[::1]", "http://[::1]/" },
    { "http://[2001:DB8:0:0:1:0:0:1]/", "http", "2001:db8::1:0:0:1", 80, "/",
      "[2001:db8::1:0:0:1]", "http://[2001:db8::1:0:0:1]/" },
    { "http://[::]/", "http", "::", 80, "/", "[::]", "http://[::]/" },
    { "http://[1::]/", "http", "1::", 80, "/", "[1::]", "http://[1::]/" },
    { "http://[1:2:3:4:5:6:7:8]/", "http", "1:2:3:4:5:6:7:8", 80, "/", "[1:2:3:4:5:6:7:8]",
      "http://[1:2:3:4:5:6:7:8]/" },
    { "http://[1:0:3:4:5:6:7:8]/", "http", "1:0:3:4:5:6:7:8", 80, "/", "[1:0:3:4:5:6:7:8]",
      "http://[1:0:3:4:5:6:7:8]/" },
    { "http://[::ffff:127.0.0.1]/", "http", "::ffff:7f00:1", 80, "/", "[::ffff:7f00:1]",
      "http://[::ffff:7f00:1]/" },
    { "http://h/a%20b;c=d@e:f?x=%2F&y", "http", "h", 80, "/a%20b;c=d@e:f?x=%2F&y", "h",
      "http://h/a%20b;c=d@e:f?x=%2F&y" },
  }

  for _, case in ipairs(READ) do
    it("reads " .. case[1], function()
      local parsed = assert(url.parse(case[1]))
      assert.same({ table.unpack(case, 2) }, { parsed.scheme, parsed.host, parsed.port,
        parsed.target, parsed.authority, parsed.text })
      assert.equal(parsed.scheme .. "://" .. parsed.authority, parsed.origin)
      assert.equal(parsed.scheme == "https" or parsed.scheme == "wss", parsed.secure)
      assert.is_nil(parsed.unix)
      -- One spelling: read again it is the same.
      assert.same(parsed, url.parse(parsed.text))
    end)
  end

  it("tells path, query and fragment apart", function()
    local parsed = assert(url.parse "https://h/p/q?a=1?b#frag?x#y")
    assert.equal("/p/q", parsed.path)
    assert.equal("a=1?b", parsed.query)
    assert.equal("frag?x#y", parsed.fragment)
    assert.equal("/p/q?a=1?b", parsed.target)
    parsed = assert(url.parse "https://h")
    assert.equal("/", parsed.path)
    assert.is_nil(parsed.query)
    assert.is_nil(parsed.fragment)
    assert.equal("", assert(url.parse "https://h/?").query)
  end)

  it("reads socket files, with and without a target", function()
    local parsed = assert(url.parse "unix:/run/my%20app/a%3Ab.sock")
    assert.equal("/run/my app/a:b.sock", parsed.unix)
    assert.is_nil(parsed.target)
    assert.is_nil(parsed.path)
    assert.is_nil(parsed.port)
    assert.equal("localhost", parsed.authority)
    parsed = assert(url.parse "unix:/run/a.sock:/mcp?x=1")
    assert.equal("/run/a.sock", parsed.unix)
    assert.equal("/mcp?x=1", parsed.target)
    assert.equal("/mcp", parsed.path)
    assert.equal("x=1", parsed.query)
    assert.equal("unix:/run/a.sock", parsed.origin)
    assert.is_true(url.is_loopback(parsed))
    assert.equal(103, #url.parse("unix:/" .. ("x"):rep(102)).unix)
  end)

  -- address, and words of the message
  local REFUSED = {
    { "", "no scheme" }, { "example.com", "no scheme" }, { "//example.com", "no scheme" },
    { "ftp://example.com", "got ftp" }, { "file:///etc/passwd", "got file" },
    { "javascript:alert(1)", "got javascript" },
    { "http:example.com", "no // after" }, { "http:/example.com", "no // after" },
    { "http://", "no host" }, { "http:///path", "no host" }, { "http://:80/", "no host" },
    { "http://user@example.com/", "user or password" },
    { "http://user:secret@example.com/", "user or password" },
    { "http://evil.example\\@good.example/", "user or password" },
    { "http://good.example\\.evil.example/", "cannot stand in a host" },
    { "http://exa mple.com/", "cannot stand in a host" },
    { "http://exa%6dple.com/", "cannot stand in a host" },
    { "http://b\xc3\xbccher.example/", "cannot stand in a host" },
    { "http://a..b/", "empty label" }, { "http://.a/", "empty label" },
    { "http://" .. ("a"):rep(254), "longer than 253" },
    { "http://h:x/", "port that is no number" }, { "http://h:80:80/", "port that is no number" },
    { "http://h:0/", "port 0" }, { "http://h:65536/", "port 65536" },
    { "http://h:99999999999999999999/", "port that is no number" },
    { "http://h:-1/", "port that is no number" },
    { "http://127.1/", "not an IPv4 address" }, { "http://2130706433/", "not an IPv4 address" },
    { "http://0x7f.1/", "not an IPv4 address" }, { "http://0x7f000001/", "not an IPv4 address" },
    { "http://0177.0.0.1/", "not an IPv4 address" }, { "http://1.2.3.256/", "not an IPv4" },
    { "http://1.2.3.4.5/", "not an IPv4 address" }, { "http://1.2.3.4./", "not an IPv4 address" },
    { "http://[::1/", "cannot stand in a host" }, { "http://::1/", "no host" },
    { "http://[]/", "not an IPv6 address" }, { "http://[:]/", "not an IPv6 address" },
    { "http://[1:2:3:4:5:6:7]/", "not an IPv6" }, { "http://[1:2:3:4:5:6:7:8:9]/", "not an IPv6" },
    { "http://[1::2::3]/", "not an IPv6 address" }, { "http://[:::1]/", "not an IPv6 address" },
    { "http://[12345::]/", "not an IPv6 address" }, { "http://[::g]/", "not an IPv6 address" },
    { "http://[fe80::1%25eth0]/", "not an IPv6 address" },
    { "http://[v1.fe80::a]/", "not an IPv6 address" },
    { "http://[::1.2.3]/", "not an IPv6 address" }, { "http://[::1.2.3.256]/", "not an IPv6" },
    { "http://[1:2:3:4:5:6:7::8]/", "not an IPv6 address" },
    { "http://[::1]x/", "port that is no number" },
    { "http://h/a b", "percent-encoded" }, { "http://h/\r\nX: y", "percent-encoded" },
    { "http://h/\0", "percent-encoded" }, { "http://h/\xc3\xa9", "percent-encoded" },
    { "http://h/<script>", "percent-encoded" }, { "http://h/a\\b", "percent-encoded" },
    { "http://h/%", "two digits" }, { "http://h/%zz", "two digits" },
    { "http://h/%4", "two digits" },
    { "http://h/" .. ("a"):rep(8192), "longer than 8192" },
    { "unix:run/a.sock", "begins with one /" }, { "unix://run/a.sock", "begins with one /" },
    { "unix:", "begins with one /" }, { "unix:/run/%00", "control character" },
    { "unix:/run/a.sock:mcp", "begins with /" }, { "unix:/run/a.sock#x", "no fragment" },
    { "unix:/run/a.sock?x", "a ? in the path" },
    { "unix:/" .. ("x"):rep(103), "longer than 103" },
  }

  for _, case in ipairs(REFUSED) do
    it(("refuses %q"):format(case[1]:sub(1, 60)), function()
      local parsed, why = url.parse(case[1])
      assert.is_nil(parsed)
      assert.is_truthy(why:find(case[2], 1, true), why)
      assert.is_true(#why < 400)
    end)
  end

  it("does not say a password again", function()
    local _, why = url.parse "https://me:secret@example.com/"
    assert.is_nil(why:find("secret", 1, true))
    _, why = url.parse "https:me:secret@example.com/"
    assert.is_nil(why:find("secret", 1, true))
  end)

  it("raises what is no text", function()
    assert.has_error(function() url.parse(7) end, "an address: expected a string, got number")
  end)

  it("knows this machine, and addresses", function()
    for address, loopback in pairs {
      ["http://localhost/"] = true, ["http://LOCALHOST:80/"] = true, ["http://a.localhost/"] = true,
      ["http://127.0.0.1/"] = true, ["http://127.9.9.9/"] = true, ["http://[::1]/"] = true,
      ["http://[0:0::1]/"] = true, ["http://localhost.evil.example/"] = false,
      ["http://127.0.0.1.evil.example/"] = false, ["http://10.0.0.1/"] = false,
      ["http://notlocalhost/"] = false, ["http://[::2]/"] = false,
    } do
      assert.equal(loopback, url.is_loopback(url.parse(address)), address)
    end
    assert.is_true(url.is_address(url.parse "http://1.2.3.4/"))
    assert.is_true(url.is_address(url.parse "http://[::2]/"))
    assert.is_false(url.is_address(url.parse "http://h1.example/"))
  end)
end)

describe("url.resolve", function()
  local BASE = "http://a/b/c/d;p?q"
  -- RFC 3986 5.4.1 and 5.4.2
  local EXAMPLES = {
    ["g:h"] = "g:h", ["g"] = "http://a/b/c/g", ["./g"] = "http://a/b/c/g",
    ["g/"] = "http://a/b/c/g/", ["/g"] = "http://a/g", ["//g"] = "http://g",
    ["?y"] = "http://a/b/c/d;p?y", ["g?y"] = "http://a/b/c/g?y", ["#s"] = "http://a/b/c/d;p?q#s",
    ["g#s"] = "http://a/b/c/g#s", ["g?y#s"] = "http://a/b/c/g?y#s", [";x"] = "http://a/b/c/;x",
    ["g;x"] = "http://a/b/c/g;x", ["g;x?y#s"] = "http://a/b/c/g;x?y#s",
    [""] = "http://a/b/c/d;p?q", ["."] = "http://a/b/c/", ["./"] = "http://a/b/c/",
    [".."] = "http://a/b/", ["../"] = "http://a/b/", ["../g"] = "http://a/b/g",
    ["../.."] = "http://a/", ["../../"] = "http://a/", ["../../g"] = "http://a/g",
    ["../../../g"] = "http://a/g", ["../../../../g"] = "http://a/g", ["/./g"] = "http://a/g",
    ["/../g"] = "http://a/g", ["g."] = "http://a/b/c/g.", [".g"] = "http://a/b/c/.g",
    ["g.."] = "http://a/b/c/g..", ["..g"] = "http://a/b/c/..g", ["./../g"] = "http://a/b/g",
    ["./g/."] = "http://a/b/c/g/", ["g/./h"] = "http://a/b/c/g/h", ["g/../h"] = "http://a/b/c/h",
    ["g;x=1/./y"] = "http://a/b/c/g;x=1/y", ["g;x=1/../y"] = "http://a/b/c/y",
    ["g?y/./x"] = "http://a/b/c/g?y/./x", ["g?y/../x"] = "http://a/b/c/g?y/../x",
    ["g#s/./x"] = "http://a/b/c/g#s/./x", ["g#s/../x"] = "http://a/b/c/g#s/../x",
    ["http:g"] = "http:g",
  }

  it("gives what RFC 3986 5.4 says", function()
    local count = 0
    for reference, expected in pairs(EXAMPLES) do
      assert.equal(expected, url.resolve(BASE, reference), reference)
      count = count + 1
    end
    assert.equal(42, count)
  end)

  it("knows a base without a path, and one that was read", function()
    assert.equal("http://h/g", url.resolve("http://h", "g"))
    assert.equal("http://h?y", url.resolve("http://h", "?y"))
    assert.equal("https://h/messages?id=1",
      url.resolve(assert(url.parse "https://h:443/sse"), "/messages?id=1"))
    assert.equal("https://other/x", url.resolve("https://h/sse", "//other/x"))
    assert.is_nil(url.resolve("h/sse", "x"))
    assert.is_nil(url.resolve("http://h/", ("x"):rep(9000)))
  end)

  it("stays with the socket file", function()
    assert.equal("unix:/run/a.sock:/messages?id=1",
      url.resolve("unix:/run/a.sock:/sse", "/messages?id=1"))
    assert.equal("unix:/run/a.sock:/x/z", url.resolve(url.parse "unix:/run/a.sock:/x/y", "z"))
    assert.equal("unix:/run/a.sock:/z", url.resolve("unix:/run/a.sock", "../../z"))
    assert.equal("http://h/", url.resolve("unix:/run/a.sock:/sse", "http://h/"))
    assert.is_nil(url.resolve("unix:/run/a.sock:/sse", "//h/x"))
  end)
end)

describe("url.form", function()
  it("writes fields in order, encoded, lists as several", function()
    assert.equal("a=1&b=x+y%26%3D%2B%25&c=true&d=1&d=2&e=%C3%A9%0D%0A",
      url.form { b = "x y&=+%", a = 1, c = true, d = { "1", "2" }, e = "é\r\n" })
    assert.equal("", url.form {})
    assert.equal("a=", url.form { a = "" })
  end)

  it("is read back", function()
    local fields = { a = "1", ["b c"] = "x y&=+%", e = "é\r\n", empty = "" }
    assert.same(fields, url.parse_form(url.form(fields)))
    assert.same({ a = "", b = "=" }, url.parse_form "a&&b==")
  end)

  it("refuses what has two meanings", function()
    assert.is_nil(url.parse_form "a=1&a=2")
    assert.is_nil(url.parse_form "code=%4")
    assert.has_error(function() url.form { a = {}, b = { {} } } end,
      "a form: b: expected a string, got table")
    assert.has_error(function() url.form { "x" } end, "a form: names are strings, got number")
  end)

  it("goes into a query", function()
    assert.equal("http://h/?a=1", url.with_query("http://h/", { a = 1 }))
    assert.equal("http://h/?x&a=1", url.with_query("http://h/?x#f", { a = 1 }))
    assert.equal("http://h/?a=1", url.with_query("http://h/?", { a = 1 }))
    assert.equal("http://h/?x", url.with_query("http://h/?x#f", {}))
  end)
end)
