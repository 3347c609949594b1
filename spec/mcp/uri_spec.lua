-- SPDX-License-Identifier: MIT
-- uri_spec.lua: expansion by the RFC's own examples; matching by the rules at the head of
-- uri_matcher.lua; work counted in steps of the virtual machine, not in seconds.
local uri = require "mcp.uri"

-- RFC 6570 section 3.2, with section 1.2's variables (it uses the same names and values).
local VARS = {
  count = { "one", "two", "three" },
  dom = { "example", "com" },
  dub = "me/too",
  hello = "Hello World!",
  half = "50%",
  var = "value",
  who = "fred",
  base = "http://example.com/home/",
  path = "/foo/bar",
  list = { "red", "green", "blue" },
  keys = { semi = ";", dot = ".", comma = "," },
  v = "6",
  x = "1024",
  y = "768",
  empty = "",
  empty_keys = {},
}

-- Maps have no order in the RFC; ours go out by key.
local EXPANSIONS = {
  ["1.2 level 1"] = {
    { "{var}", "value" }, { "{hello}", "Hello%20World%21" },
  },
  ["1.2 level 2"] = {
    { "{+var}", "value" }, { "{+hello}", "Hello%20World!" },
    { "{+path}/here", "/foo/bar/here" }, { "here?ref={+path}", "here?ref=/foo/bar" },
    { "X{#var}", "X#value" }, { "X{#hello}", "X#Hello%20World!" },
  },
  ["1.2 level 3"] = {
    { "map?{x,y}", "map?1024,768" }, { "{x,hello,y}", "1024,Hello%20World%21,768" },
    { "{+x,hello,y}", "1024,Hello%20World!,768" }, { "{+path,x}/here", "/foo/bar,1024/here" },
    { "{#x,hello,y}", "#1024,Hello%20World!,768" }, { "{#path,x}/here", "#/foo/bar,1024/here" },
    { "X{.var}", "X.value" }, { "X{.x,y}", "X.1024.768" },
    { "{/var}", "/value" }, { "{/var,x}/here", "/value/1024/here" },
    { "{;x,y}", ";x=1024;y=768" }, { "{;x,y,empty}", ";x=1024;y=768;empty" },
    { "{?x,y}", "?x=1024&y=768" }, { "{?x,y,empty}", "?x=1024&y=768&empty=" },
    { "?fixed=yes{&x}", "?fixed=yes&x=1024" }, { "{&x,y,empty}", "&x=1024&y=768&empty=" },
  },
  ["1.2 level 4"] = {
    { "{var:3}", "val" }, { "{var:30}", "value" },
    { "{list}", "red,green,blue" }, { "{list*}", "red,green,blue" },
    { "{keys}", "comma,%2C,dot,.,semi,%3B" }, { "{keys*}", "comma=%2C,dot=.,semi=%3B" },
    { "{+path:6}/here", "/foo/b/here" },
    { "{+list}", "red,green,blue" }, { "{+list*}", "red,green,blue" },
    { "{+keys}", "comma,,,dot,.,semi,;" }, { "{+keys*}", "comma=,,dot=.,semi=;" },
    { "{#path:6}/here", "#/foo/b/here" },
    { "{#list}", "#red,green,blue" }, { "{#list*}", "#red,green,blue" },
    { "{#keys}", "#comma,,,dot,.,semi,;" }, { "{#keys*}", "#comma=,,dot=.,semi=;" },
    { "X{.var:3}", "X.val" }, { "X{.list}", "X.red,green,blue" },
    { "X{.list*}", "X.red.green.blue" }, { "X{.keys}", "X.comma,%2C,dot,.,semi,%3B" },
    { "X{.keys*}", "X.comma=%2C.dot=..semi=%3B" },
    { "{/var:1,var}", "/v/value" }, { "{/list}", "/red,green,blue" },
    { "{/list*}", "/red/green/blue" }, { "{/list*,path:4}", "/red/green/blue/%2Ffoo" },
    { "{/keys}", "/comma,%2C,dot,.,semi,%3B" }, { "{/keys*}", "/comma=%2C/dot=./semi=%3B" },
    { "{;hello:5}", ";hello=Hello" }, { "{;list}", ";list=red,green,blue" },
    { "{;list*}", ";list=red;list=green;list=blue" },
    { "{;keys}", ";keys=comma,%2C,dot,.,semi,%3B" },
    { "{;keys*}", ";comma=%2C;dot=.;semi=%3B" },
    { "{?var:3}", "?var=val" }, { "{?list}", "?list=red,green,blue" },
    { "{?list*}", "?list=red&list=green&list=blue" },
    { "{?keys}", "?keys=comma,%2C,dot,.,semi,%3B" },
    { "{?keys*}", "?comma=%2C&dot=.&semi=%3B" },
    { "{&var:3}", "&var=val" }, { "{&list}", "&list=red,green,blue" },
    { "{&list*}", "&list=red&list=green&list=blue" },
    { "{&keys}", "&keys=comma,%2C,dot,.,semi,%3B" },
    { "{&keys*}", "&comma=%2C&dot=.&semi=%3B" },
  },
  ["3.2.1 variable expansion"] = {
    { "{count}", "one,two,three" }, { "{count*}", "one,two,three" },
    { "{/count}", "/one,two,three" }, { "{/count*}", "/one/two/three" },
    { "{;count}", ";count=one,two,three" }, { "{;count*}", ";count=one;count=two;count=three" },
    { "{?count}", "?count=one,two,three" }, { "{?count*}", "?count=one&count=two&count=three" },
    { "{&count*}", "&count=one&count=two&count=three" },
  },
  ["3.2.2 simple"] = {
    { "{var}", "value" }, { "{hello}", "Hello%20World%21" }, { "{half}", "50%25" },
    { "O{empty}X", "OX" }, { "O{undef}X", "OX" }, { "{x,y}", "1024,768" },
    { "{x,hello,y}", "1024,Hello%20World%21,768" }, { "?{x,empty}", "?1024," },
    { "?{x,undef}", "?1024" }, { "?{undef,y}", "?768" }, { "{var:3}", "val" },
    { "{var:30}", "value" }, { "{list}", "red,green,blue" }, { "{list*}", "red,green,blue" },
    { "{keys}", "comma,%2C,dot,.,semi,%3B" }, { "{keys*}", "comma=%2C,dot=.,semi=%3B" },
  },
  ["3.2.3 reserved"] = {
    { "{+var}", "value" }, { "{+hello}", "Hello%20World!" }, { "{+half}", "50%25" },
    { "{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex" },
    { "{+base}index", "http://example.com/home/index" }, { "O{+empty}X", "OX" },
    { "O{+undef}X", "OX" }, { "{+path}/here", "/foo/bar/here" },
    { "here?ref={+path}", "here?ref=/foo/bar" }, { "up{+path}{var}/here", "up/foo/barvalue/here" },
    { "{+x,hello,y}", "1024,Hello%20World!,768" }, { "{+path,x}/here", "/foo/bar,1024/here" },
    { "{+path:6}/here", "/foo/b/here" }, { "{+list}", "red,green,blue" },
    { "{+list*}", "red,green,blue" }, { "{+keys}", "comma,,,dot,.,semi,;" },
    { "{+keys*}", "comma=,,dot=.,semi=;" },
  },
  ["3.2.4 fragment"] = {
    { "{#var}", "#value" }, { "{#hello}", "#Hello%20World!" }, { "{#half}", "#50%25" },
    { "foo{#empty}", "foo#" }, { "foo{#undef}", "foo" },
    { "{#x,hello,y}", "#1024,Hello%20World!,768" }, { "{#path,x}/here", "#/foo/bar,1024/here" },
    { "{#path:6}/here", "#/foo/b/here" }, { "{#list}", "#red,green,blue" },
    { "{#list*}", "#red,green,blue" }, { "{#keys}", "#comma,,,dot,.,semi,;" },
    { "{#keys*}", "#comma=,,dot=.,semi=;" },
  },
  ["3.2.5 label"] = {
    { "{.who}", ".fred" }, { "{.who,who}", ".fred.fred" }, { "{.half,who}", ".50%25.fred" },
    { "www{.dom*}", "www.example.com" }, { "X{.var}", "X.value" }, { "X{.empty}", "X." },
    { "X{.undef}", "X" }, { "X{.var:3}", "X.val" }, { "X{.list}", "X.red,green,blue" },
    { "X{.list*}", "X.red.green.blue" }, { "X{.keys}", "X.comma,%2C,dot,.,semi,%3B" },
    { "X{.keys*}", "X.comma=%2C.dot=..semi=%3B" }, { "X{.empty_keys}", "X" },
    { "X{.empty_keys*}", "X" },
  },
  ["3.2.6 path segment"] = {
    { "{/who}", "/fred" }, { "{/who,who}", "/fred/fred" }, { "{/half,who}", "/50%25/fred" },
    { "{/who,dub}", "/fred/me%2Ftoo" }, { "{/var}", "/value" }, { "{/var,empty}", "/value/" },
    { "{/var,undef}", "/value" }, { "{/var,x}/here", "/value/1024/here" },
    { "{/var:1,var}", "/v/value" }, { "{/list}", "/red,green,blue" },
    { "{/list*}", "/red/green/blue" }, { "{/list*,path:4}", "/red/green/blue/%2Ffoo" },
    { "{/keys}", "/comma,%2C,dot,.,semi,%3B" }, { "{/keys*}", "/comma=%2C/dot=./semi=%3B" },
  },
  ["3.2.7 path parameters"] = {
    { "{;who}", ";who=fred" }, { "{;half}", ";half=50%25" }, { "{;empty}", ";empty" },
    { "{;v,empty,who}", ";v=6;empty;who=fred" }, { "{;v,bar,who}", ";v=6;who=fred" },
    { "{;x,y}", ";x=1024;y=768" }, { "{;x,y,empty}", ";x=1024;y=768;empty" },
    { "{;x,y,undef}", ";x=1024;y=768" }, { "{;hello:5}", ";hello=Hello" },
    { "{;list}", ";list=red,green,blue" }, { "{;list*}", ";list=red;list=green;list=blue" },
    { "{;keys}", ";keys=comma,%2C,dot,.,semi,%3B" },
    { "{;keys*}", ";comma=%2C;dot=.;semi=%3B" },
  },
  ["3.2.8 query"] = {
    { "{?who}", "?who=fred" }, { "{?half}", "?half=50%25" }, { "{?x,y}", "?x=1024&y=768" },
    { "{?x,y,empty}", "?x=1024&y=768&empty=" }, { "{?x,y,undef}", "?x=1024&y=768" },
    { "{?var:3}", "?var=val" }, { "{?list}", "?list=red,green,blue" },
    { "{?list*}", "?list=red&list=green&list=blue" },
    { "{?keys}", "?keys=comma,%2C,dot,.,semi,%3B" },
    { "{?keys*}", "?comma=%2C&dot=.&semi=%3B" },
  },
  ["3.2.9 query continued"] = {
    { "{&who}", "&who=fred" }, { "{&half}", "&half=50%25" },
    { "?fixed=yes{&x}", "?fixed=yes&x=1024" }, { "{&x,y,empty}", "&x=1024&y=768&empty=" },
    { "{&x,y,undef}", "&x=1024&y=768" }, { "{&var:3}", "&var=val" },
    { "{&list}", "&list=red,green,blue" }, { "{&list*}", "&list=red&list=green&list=blue" },
    { "{&keys}", "&keys=comma,%2C,dot,.,semi,%3B" },
    { "{&keys*}", "&comma=%2C&dot=.&semi=%3B" },
  },
}

local function expanded(template, vars)
  return assert(uri.template(template, "expand")):expand(vars)
end

-- The instructions of the virtual machine that a call takes, to the nearest 100.
local function steps(fn)
  local count = 0
  debug.sethook(function() count = count + 100 end, "", 100)
  fn()
  debug.sethook()
  return count
end

describe("URI template expansion", function()
  for section, cases in pairs(EXPANSIONS) do
    it("follows the examples of RFC 6570 section " .. section, function()
      for _, case in ipairs(cases) do
        assert.equal(case[2], expanded(case[1], VARS), case[1])
      end
    end)
  end

  it("encodes UTF-8 byte by byte, in values, literals and keys (RFC 6570 3.1)", function()
    assert.equal("/dr%C3%BCcken", expanded("/{word}", { word = "drücken" }))
    assert.equal("/caf%C3%A9/x", expanded("/café/{v}", { v = "x" }))
    assert.equal("?%C3%9F=1", expanded("{?m*}", { m = { ["ß"] = 1 } }))
    assert.equal("?Stra%C3%9Fe=Gr%C3%BCn", expanded("{?Stra%C3%9Fe}",
    { ["Stra%C3%9Fe"] = "Grün" }))
  end)

  it("keeps whole escapes in reserved expansion only (RFC 6570 1.5, 3.2.3)", function()
    assert.equal("a%2Fb", expanded("{+v}", { v = "a%2Fb" }))
    assert.equal("#a%2Fb", expanded("{#v}", { v = "a%2Fb" }))
    assert.equal("a%252Fb", expanded("{v}", { v = "a%2Fb" }))
    assert.equal("%25foo", expanded("{+v}", { v = "%foo" }))
    assert.equal("%254", expanded("{+v}", { v = "%4" }))
    assert.equal("%25%41%25", expanded("{+v}", { v = "%%41%" }))
    assert.equal("[::1]", expanded("{+v}", { v = "[::1]" }))
  end)

  it("cuts prefixes between characters, never inside one (RFC 6570 2.4.1)", function()
    assert.equal("%C3%BC", expanded("{v:1}", { v = "üb" }))
    assert.equal("%C3%BCb", expanded("{v:2}", { v = "übx" }))
    assert.equal("%C3%BC", expanded("{+v:1}", { v = "%C3%BCb" }))
    assert.equal("%25", expanded("{v:1}", { v = "%C3%BCb" }))
    assert.equal("a", expanded("{v:9999}", { v = "a" }))
  end)

  it("takes numbers, leaves out what is missing or empty (RFC 6570 2.3)", function()
    assert.equal("/set?n=6&lat=-122.427&whole=3",
      expanded("/set{?n,lat,whole}", { n = 6, lat = -122.427, whole = 3.0 }))
    assert.equal("", expanded("{/l*}{?l,m*,u}", { l = {}, m = {} }))
    assert.equal("x", expanded("x{?a}"))
    assert.equal("?11=elf&12=zw%C3%B6lf", expanded("{?m*}",
      { m = { ["12"] = "zwölf", ["11"] = "elf" } }))
  end)

  it("raises for what is no value, naming the variable", function()
    for _, bad in ipairs { true, print, 0 / 0, 1 / 0, { { "nested" } }, { a = {} } } do
      assert.error_matches(function() expanded("{a}", { a = bad }) end, 'variable "a"')
    end
    assert.error_matches(function() expanded("{a:2}", { a = { "x" } }) end, "has no prefix")
  end)
end)

describe("URI template syntax", function()
  it("is refused with what is wrong and where (RFC 6570 section 2)", function()
    local cases = {
      { "{/id*", 1, "without" }, { "/id*}", 5, "without" }, { "ab{cd{e}", 3, "without" },
      { "{/?id}", 3, "variable name" }, { "{var:prefix}", 5, ":prefix" },
      { "{hello:2*}", 7, "" }, { "{var:0}", 5, "" }, { "{var:10000}", 5, "" },
      { "{??hello}", 3, "" }, { "{!hello}", 2, "reserved" }, { "{=path}", 2, "reserved" },
      { "{|var*}", 2, "reserved" }, { "{@v}", 2, "reserved" }, { "{,v}", 2, "reserved" },
      { "{$var}", 2, "operator" }, { "{*keys?}", 2, "operator" }, { "{~thing}", 2, "operator" },
      { "{?empty=default,var}", 8, "" }, { "{var}{-prefix|/-/|var}", 7, "operator" },
      { "?q={example:color?}", 12, "" }, { "/h{#hello+}", 10, "" },
      { "/sparql{?query){&graph*}", 8, "without" }, { "/resolution{?x, y}", 16, "" },
      { "{a,}", 4, "variable name" }, { "{.}", 3, "variable name" }, { "{}", 1, "empty" },
      { "{a..b}", 3, "" }, { "{a.}", 3, "" }, { "{%4}", 2, "variable name" },
      { "{user-id}", 6, "-id" }, { "a b", 2, "outside" }, { "a\0b", 2, "outside" },
      { "a%zz", 2, "hexadecimal" }, { "a%4", 2, "hexadecimal" }, { "ab\xff", 3, "UTF%-8" },
      { "a<b>", 2, "outside" },
    }
    for _, case in ipairs(cases) do
      local template, message = uri.template(case[1], "expand")
      assert.is_nil(template, case[1])
      assert.matches(("position %d: .*%s"):format(case[2], case[3]), message)
    end
  end)

  it("allows dots, digits, underscores and escapes in names (RFC 6570 2.3)", function()
    assert.same({ "last.name", "42", "_a", "Some%20Thing" },
      assert(uri.template("{last.name}/{42}/{_a}/{Some%20Thing}")).variables)
  end)

  it("lists variables once each, in order, and knows a static text", function()
    local t = assert(uri.template("{b}/{a}/{b}{?c}", "expand"))
    assert.same({ "b", "a", "c" }, t.variables)
    assert.is_false(t:is_static())
    assert.is_true(assert(uri.template "demo://static/text"):is_static())
    assert.equal("mcp.uri.template: x/{y}", tostring(uri.template "x/{y}"))
  end)

  it("has limits of length and of variables", function()
    assert.is_table(uri.template(("a"):rep(uri.TEMPLATE_LENGTH)))
    local _, message = uri.template(("a"):rep(uri.TEMPLATE_LENGTH + 1))
    assert.matches("longer than 8192 bytes", message)
    local names = {}
    for i = 1, uri.TEMPLATE_VARIABLES do names[i] = "v" .. i end
    assert.is_table(uri.template("{?" .. table.concat(names, ",") .. "}"))
    _, message = uri.template("{?" .. table.concat(names, ",") .. ",more}")
    assert.matches("more than 256 variables", message)
  end)

  it("raises for a template that is no text, or an unknown purpose", function()
    assert.error_matches(function() uri.template(7) end, "string expected, got number")
    assert.error_matches(function() uri.template("a", "guess") end, "purpose")
  end)
end)

describe("URI template matching", function()
  local function match(template, text)
    return assert(uri.template(template)):match(text)
  end

  it("takes values by each operator, levels 1 to 3 (RFC 6570 section 3.2)", function()
    local cases = {
      { "greeting://{name}", "greeting://Bob", { name = "Bob" } },
      { "test://template/{id}/data", "test://template/123/data", { id = "123" } },
      { "map?{x,y}", "map?1024,768", { x = "1024", y = "768" } },
      { "folder:///{+path}", "folder:///notes/a.md", { path = "notes/a.md" } },
      { "here?ref={+path}", "here?ref=/foo/bar", { path = "/foo/bar" } },
      { "up{+path}/here", "up/foo/bar/here", { path = "/foo/bar" } },
      { "x{#frag}", "x#a/b", { frag = "a/b" } },
      { "x{#a,b}", "x#1,2", { a = "1", b = "2" } },
      { "X{.a,b}", "X.1024.768", { a = "1024", b = "768" } },
      { "f{/a,b}", "f/1/2", { a = "1", b = "2" } },
      { "f{/a,b}/here", "f/1/2/here", { a = "1", b = "2" } },
      { "f{;x,y}", "f;x=1024;y=768", { x = "1024", y = "768" } },
      { "f{?x,y}", "f?x=1024&y=768", { x = "1024", y = "768" } },
      { "f?fixed=yes{&x}", "f?fixed=yes&x=1024", { x = "1024" } },
      { "f?a=1&b={b}{&x,y}", "f?a=1&b=2&y=3&x=4", { b = "2", x = "4", y = "3" } },
      { "{a}x{b}/y", "1x2x3/y", { a = "1", b = "2x3" } },
    }
    for _, case in ipairs(cases) do
      assert.same(case[3], match(case[1], case[2]), case[1])
    end
  end)

  it("gives lists for exploded variables", function()
    local cases = {
      { "f/{l*}", "f/red,green", { l = { "red", "green" } } },
      { "f/{x,l*}", "f/1,red,green", { x = "1", l = { "red", "green" } } },
      { "www{.dom*}", "www.example.com", { dom = { "example", "com" } } },
      { "www{.dom*}", "www", {} },
      { "f{/l*}", "f/red/gr%2Feen", { l = { "red", "gr/een" } } },
      { "f{/l*}", "f", {} },
      { "f{/l*}/end", "f/1/2/end", { l = { "1", "2" } } },
      { "f{/l*,last}", "f/1/2/3", { l = { "1", "2" }, last = "3" } },
      { "{a}{/l*}{?q}", "x/1/2?q=3", { a = "x", l = { "1", "2" }, q = "3" } },
      { "{a}{.l*}{;p}", "x.1.2;p=1.5", { a = "x", l = { "1", "2" }, p = "1.5" } },
      { "{a}{.l*}{;p}", "x;p=1.5", { a = "x", p = "1.5" } },
      { "f{;l*}", "f;l=1;l=2", { l = { "1", "2" } } },
      { "f{?l*}", "f?l=1&l=2", { l = { "1", "2" } } },
      { "f{?l*}", "f", {} },
      { "f{+l*}", "fa/b,c", { l = { "a/b", "c" } } },
    }
    for _, case in ipairs(cases) do
      assert.same(case[3], match(case[1], case[2]), case[1] .. " on " .. case[2])
    end
    assert.is_nil(match("www{.dom*}", "wwwexample"))
  end)

  it("takes query parameters in any order, none of them needed", function()
    local t = assert(uri.template "f{?q,r}")
    assert.same({ q = "1", r = "2" }, t:match "f?r=2&q=1")
    assert.same({ r = "2" }, t:match "f?r=2")
    assert.same({}, t:match "f")
    assert.same({ q = "" }, t:match "f?q=")
    assert.same({ q = "" }, t:match "f?q")
    assert.same({ q = "a+b=c/d?e" }, t:match "f?q=a+b=c/d?e")
  end)

  it("refuses unknown, repeated and empty query parameters", function()
    local t = assert(uri.template "f{?q,r}")
    for _, text in ipairs { "f?z=1", "f?q=1&z=2", "f?q=1&q=2", "f?", "f?q=1&", "f?&q=1", "f?=1",
      "f?q=1#x", "f?Q=1" } do
      assert.is_nil(t:match(text), text)
    end
  end)

  it("leaves query and fragment to those who ask for them", function()
    assert.same({ path = "a?b#c" }, match("f:///{+path}", "f:///a?b#c"))
    assert.same({ path = "a", q = "b" }, match("f:///{+path}{?q}", "f:///a?q=b"))
    assert.is_nil(match("f:///{+path}{?q}", "f:///a?z=b"))
    assert.same({ path = "a?b", frag = "c" }, match("f:///{+path}{#frag}", "f:///a?b#c"))
    assert.is_nil(match("f:///{+path}?v={v}", "f:///a?v=1?v=2"))
  end)

  it("gives the multi-segment variable what both ends leave", function()
    assert.same({ path = "x/a.tar", ext = "gz" }, match("{+path}.{ext}", "x/a.tar.gz"))
    assert.same({ name = "a", ext = "tar.gz" }, match("{name}.{ext}", "a.tar.gz"))
    assert.same({ path = "a/b", name = "c" }, match("f/{+path}/{name}", "f/a/b/c"))
    assert.same({ b = "1", c = "2/d/3", e = "4" }, match("a/{b}/{+c}/d/{e}", "a/1/2/d/3/d/4"))
    assert.same({ p = "aaa" }, match("aa{+p}aa", "aaaaaaa"))
    assert.is_nil(match("aa{+p}aa", "aaaa"))
    assert.is_nil(match("aa{+p}aa", "aaa"))
  end)

  it("never lets a simple variable take a slash, a query or nothing", function()
    for _, text in ipairs { "x://a/b", "x://", "x://a//", "x://a?b", "x://a#b", "x:/a", "y://a",
      " x://a", "" } do
      assert.is_nil(match("x://{a}", text), text)
    end
    assert.is_nil(match("{a}/x/{+p}", "1/2/x/3"))
    assert.is_nil(match("f?a={a}", "f?a=1&b=2"))
    assert.is_nil(match("{x,y}", "1"))
    assert.is_nil(match("{x,y}", "1,2,3"))
    assert.is_nil(match("f{/a,b}", "f/1"))
  end)

  it("compares literals in their normal, encoded form", function()
    assert.same({}, match("demo://x", "demo://x"))
    assert.same({}, match("demo://x/a", "DEMO://X/a"))
    assert.is_nil(match("demo://x/a", "demo://x/A"))
    assert.same({ a = "1" }, match("/café/{a}", "/caf%C3%A9/1"))
    assert.same({ a = "1" }, match("x:/café/{a}", "x:/caf%c3%a9/1"))
    -- Without a scheme it is no address: byte for byte.
    assert.is_nil(match("/café/{a}", "/caf%c3%a9/1"))
  end)

  it("decodes exactly once (SEC-62)", function()
    assert.same({ a = "a/b" }, match("x://{a}", "x://a%2Fb"))
    assert.same({ a = "%2e%2e" }, match("x://{a}", "x://%252e%252e"))
    assert.same({ a = "%2F" }, match("x://{a}", "x://%252F"))
    assert.same({ a = "ü" }, match("x://{a}", "x://%C3%BC"))
    assert.same({ p = "../../etc/passwd" }, match("x:///{+p}", "x:///..%2f..%2fetc/passwd"))
    assert.same({ q = "100%" }, match("x{?q}", "x?q=100%25"))
  end)

  it("refuses bad escapes, NUL and bad UTF-8 in any kind of value (SEC-62)", function()
    local bad = { "%", "%4", "%zz", "a%", "%%41", "%00", "a\0b", "%FF", "%C3", "\xff",
      "%ED%A0%80", "%C0%AF", "%F4%90%80%80" }
    for _, template in ipairs { "x/{v}", "x/{v*}", "x/{+v}", "x/{w,v}", "x/{#v}", "x/{?v}",
      "x/{?v*}",
      "x/{;v}", "x/.{v}", "x{/v*}", "x/a{.v*}" } do
      local t = assert(uri.template(template))
      local good = t:expand { v = "GOOD", w = "1" }
      assert.is_table(t:match(good), good)
      for _, value in ipairs(bad) do
        assert.is_nil(t:match((good:gsub("GOOD", (value:gsub("%%", "%%%%"))))), template .. value)
      end
    end
  end)

  it("refuses an address over 8 KiB", function()
    local t = assert(uri.template "x{+a}")
    assert.is_table(t:match("x" .. ("a"):rep(uri.LENGTH - 1)))
    assert.is_nil(t:match("x" .. ("a"):rep(uri.LENGTH)))
  end)

  it("refuses templates that leave a doubt when they are made, not when they are used", function()
    local cases = {
      { "{a}{b}", 4, "where {b} begins" }, { "{+a}{b}", 5, "where {b}" },
      { "{+a}{/b*}", 5, "second" },
      { "{+a}{;b}", 5, "where" }, { "{.a*}{.b*}", 6, "where" }, { "{.a*}{b}", 6, "where" },
      { "{+a,b}", 1, "more than one variable that spans" },
      { "{+a}/{+b}", 6, "second variable that spans" },
      { "{/a*}/x{/b*}", 8, "second variable that spans" }, { "{a}/{a}", 6, "twice" },
      { "{a:3}", 2, "prefix" }, { "{a*,b}", 2, "list" }, { "x{?a}y", 6, "follows a" },
      { "x{#a}{?b}", 6, "follows a" }, { "x{#a}/y", 6, "follows a" },
      { "x{?a}{?b}", 6, "perhaps {&" },
      { "x?a=1{?b}", 6, "perhaps {&" }, { "x{&a}", 2, "without a" }, { "x#y{#a}", 4, "a second" },
      { "x{?a}{b}", 6, "follows a" },
    }
    for _, case in ipairs(cases) do
      local template, message = uri.template(case[1])
      assert.is_nil(template, case[1])
      assert.matches(("position %d: cannot be matched: "):format(case[2]), message, 1, true)
      assert.matches(case[3], message, 1, true)
      template = assert(uri.template(case[1], "expand"), case[1])
      assert.error_matches(function() template:match "x" end, "cannot be matched")
    end
  end)

  it("gives back what was put in", function()
    math.randomseed(6570)
    local alphabet = { "a", "b", "/", ".", "..", "?", "#", "&", "=", "%", "%2F", ",", ";", " ", "+",
      "é", "日", "\\", "{", "}", "-", "~", "\n" }
    local function value()
      local out = {}
      for i = 1, math.random(1, 6) do out[i] = alphabet[math.random(#alphabet)] end
      return table.concat(out)
    end
    for _, text in ipairs { "x://{a}", "x://{a}/y/{b}", "x://{a}/{+c}", "x{/a,b}{?q,r}",
      "x{/l*}{?q,m*}",
      "x/{a,b}{#c}", "x?a={a}&b={b}{&q,m*}", "x/{a}{;q,r}/z", "x/{l*}", "{l*}/x{/a}" } do
      local t = assert(uri.template(text))
      for _ = 1, 200 do
        local vars = {}
        for _, name in ipairs(t.variables) do
          if name == "l" or name == "m" then
            vars[name] = { value(), value(), value() }
          else
            vars[name] = value()
          end
        end
        -- {+c} and {#c} keep escapes as they are: there the value goes in encoded.
        if vars.c then vars.c = expanded("{v}", { v = vars.c }) end
        local address = t:expand(vars)
        if vars.c then vars.c = assert(uri.template "{v}"):match(vars.c).v end
        -- A segment ".." of an address with a scheme is no value, but a step up (RFC 3986 6.2.2.3).
        if not (address:find "^x:" and (address .. "/"):find "/%.%.?[/?#]") then
          assert.same(vars, t:match(address), address)
        end
      end
    end
  end)
end)

describe("the work of matching (CVE-2026-0621)", function()
  -- Each template with the part of an address that makes it search longest.
  local names = {}
  for i = 1, 256 do names[i] = "v" .. i end
  local NASTY = {
    { ("{v%d}a"):rep(200), nil, "a" },
    { "{v}" .. ("a"):rep(4000) .. "b{w}", nil, "a" },
    { "{+v}" .. ("a"):rep(4000) .. "b{w}", nil, "a" },
    { "{w}" .. ("ab"):rep(2000) .. "c{+v}", nil, "ab" },
    { "{l*}x", nil, "," },
    { "{/l*}/x", nil, "/" },
    { "a{.l*}", nil, "." },
    { "a{;l*}", nil, ";l" },
    { "a{?l*}", nil, "l&" },
    { "a{?" .. table.concat(names, ",") .. "}", "a?", "&v1=" },
    { "{+p}/{" .. table.concat(names, "}/{", 1, 200) .. "}", nil, "/" },
    { "{" .. table.concat(names, "}-{", 1, 200) .. "}-/", nil, "-" },
    { "{+p}", nil, "%41" },
    { "{+p}", nil, "%4" },
    { "{+p}", nil, "%" },
  }

  it("is at most 60 steps a byte, whatever the template and the address", function()
    for i, case in ipairs(NASTY) do
      local n = 0
      local text = case[1]:gsub("%%d", function() n = n + 1 return n end)
      local t = assert(uri.template(text))
      for _, ending in ipairs { "", "x", "/x", "b", "c" } do
        local body = case[3]:rep(uri.LENGTH // #case[3])
        local address = ((case[2] or "") .. body):sub(1, uri.LENGTH - #ending) .. ending
        local count = steps(function() t:match(address) end)
        assert.is_true(count <= 60 * uri.LENGTH, ("case %d: %d steps"):format(i, count))
      end
    end
  end)

  it("grows with the length, not with its square", function()
    for i, case in ipairs(NASTY) do
      local n = 0
      local t = assert(uri.template((case[1]:gsub("%%d", function() n = n + 1 return n end))))
      local function cost(length)
        local address = ((case[2] or "") .. case[3]:rep(length)):sub(1, length)
        return steps(function() t:match(address) end)
      end
      local half, whole = cost(uri.LENGTH // 2), cost(uri.LENGTH)
      assert.is_true(whole <= 2.5 * half + 20000, ("case %d: %d, then %d"):format(i, half, whole))
    end
  end)

  it("is as modest for making a matcher", function()
    for _, text in ipairs {
      ("{v%d}a"):rep(255), ("a"):rep(8000) .. "{v}" .. ("a"):rep(180),
      "{v}" .. ("a"):rep(8000) .. "b{w}", "{?" .. table.concat(names, ",") .. "}",
      ("{"):rep(8192), ("}"):rep(8192), ("%"):rep(8192), ("%41"):rep(2700),
      "{" .. ("a."):rep(4000) .. "}",
      "{" .. (","):rep(8000) .. "}", ("?a=&"):rep(2000) .. "{&x}", ("&a?"):rep(2000) .. "{&x}{&y}",
    } do
      local n = 0
      text = text:gsub("%%d", function() n = n + 1 return n end)
      local count = steps(function() uri.template(text) end)
      assert.is_true(count <= 100 * 8192, ("%s: %d steps"):format(text:sub(1, 20), count))
    end
  end)
end)

describe("uri.valid_absolute", function()
  it("accepts the examples of RFC 3986 section 1.1.2 and their like", function()
    for _, text in ipairs {
      "ftp://ftp.is.co.za/rfc/rfc1808.txt", "http://www.ietf.org/rfc/rfc2396.txt",
      "ldap://[2001:db8::7]/c=GB?objectClass?one", "mailto:John.Doe@example.com",
      "news:comp.infosystems.www.servers.unix", "tel:+1-816-555-1212",
      "telnet://192.0.2.16:80/", "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
      "file:///a/b", "folder:///notes/a.md", "test://static-text", "x:", "x:/", "x:/a//b",
      "a+b-c.d:e",
      "http://u:p@h:80/p?q#f", "http://h:", "http://[::]", "http://[::1]:80", "http://[v1.a:b]/",
      "http://[::ffff:1.2.3.4]", "http://[1:2:3:4:5:6:7:8]", "http://[1:2:3:4:5:6:1.2.3.4]",
      "http://[1::8]", "x:%41", "x:a?b/c?d#e/f?g",
    } do
      assert.is_true(uri.valid_absolute(text), text)
    end
  end)

  it("refuses what is relative, malformed or too long", function()
    for _, text in ipairs {
      "", "a", "a/b", "/a", "//h/p", "?q", "#f", ":a", "1a:b", "a b:c", "x:a b", "x:\0", "x:é",
      "x:%",
      "x:%4", "x:%zz", "x:%4%411", "x:a[b]", "x:<a>", "x:a\\b", "x:{a}", "x:a^b", "x:a|b", "x:a`b",
      'x:"', "x:a#b#c", "http://h:8a/", "http://a@b@c/", "http://[::1", "http://::1/",
      "http://[::1]a/",
      "http://[1:2:3:4:5:6:7]", "http://[1:2:3:4:5:6:7:8:9]", "http://[1::2::3]",
      "http://[12345::]",
      "http://[:::]", "http://[::1.2.3.256]", "http://[1.2.3.4::]", "http://[::01.2.3.4]",
      "http://[]",
      "http://[v.a]", "http://[vz.a]", "http://h:80:80/", "http://[::1]:80:80",
      "http://[1:2:3:4::5:6:7:8]", "x:" .. ("a"):rep(8191),
    } do
      assert.is_false(uri.valid_absolute(text), text)
    end
    assert.is_true(uri.valid_absolute("a:" .. ("b"):rep(uri.LENGTH - 2)))
    assert.is_false(uri.valid_absolute("a:" .. ("b"):rep(uri.LENGTH - 1)))
    assert.is_false(uri.valid_absolute(nil))
    assert.is_false(uri.valid_absolute(7))
  end)

  it("takes work in proportion to the length", function()
    for _, body in ipairs { "%41", "%", "[", ":", "//", "@", "?", "#", "::" } do
      for _, start in ipairs { "x:", "x://", "x://[", "x://[::" } do
        local text = (start .. body:rep(8192)):sub(1, 8191) .. "]"
        local count = steps(function() uri.valid_absolute(text) end)
        assert.is_true(count <= 60 * 8192, ("%s%s: %d"):format(start, body, count))
      end
    end
  end)
end)

describe("uri.file_path_safe", function()
  it("accepts names that stay below their folder", function()
    for _, name in ipairs { "", "a", "a/b.md", "a\\b", "..a", "a..", "a/..b/c", "...", ".",
      "./a", "a//b",
      "a/", "%2e%2e", "ab:c" } do
      assert.is_true(uri.file_path_safe(name), name)
    end
  end)

  it("refuses the others, in both spellings of a slash (SEC-62)", function()
    for _, name in ipairs { "..", "../a", "a/..", "a/../b", "..\\a", "a\\..", "a\\..\\b", "a/..\\b",
      "a\\../b", "/a", "\\a", "//host/a", "\\\\host\\a", "C:\\a", "c:/a", "C:a", "C:", "a\0",
      "\0" } do
      local safe, reason = uri.file_path_safe(name)
      assert.is_false(safe, name)
      assert.is_string(reason)
    end
    assert.is_false(uri.file_path_safe(nil))
    assert.is_false(uri.file_path_safe(7))
  end)
end)
