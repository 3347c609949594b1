-- SPDX-License-Identifier: MIT
-- Regular expressions: ECMA-262's meaning on PCRE2's engine, and no pattern that can hang it.

local regex = require "codecs.regex"

local function matches(pattern, subject, ...)
  return (assert(regex.compile(pattern)):matches(subject, ...))
end

local function refused(pattern, ...)
  local object, message = regex.compile(pattern, ...)
  assert.is_nil(object, pattern)
  assert.is_string(message)
  return message
end

describe("regex: what ECMA-262 means", function()
  it("matches anywhere (JSON Schema validation 6.3.3)", function()
    assert.is_true(matches("b+", "abbc"))
    assert.is_false(matches("^b+", "abbc"))
    assert.is_true(matches("", ""))
    assert.is_true(matches("^$", ""))
  end)

  it("has $ at the very end only, not before a newline", function()
    assert.is_true(matches("a$", "a"))
    assert.is_false(matches("a$", "a\n"))
  end)

  it("has . for anything but a LineTerminator (12.3)", function()
    assert.is_true(matches("^.$", "\u{1F600}"))
    assert.is_true(matches("^.$", "\v"))
    for _, terminator in ipairs { "\n", "\r", "\u{2028}", "\u{2029}" } do
      assert.is_false(matches("^.$", terminator))
    end
  end)

  it("keeps \\d, \\w and \\b to ASCII", function()
    assert.is_true(matches("^\\d\\w$", "1_"))
    assert.is_false(matches("^\\d$", "\u{661}"))
    assert.is_false(matches("^\\w$", "\u{E9}"))
    assert.is_true(matches("^[\\W]$", "\u{E9}"))
    assert.is_true(matches("\\bx\\b", "\u{E9}x"))
  end)

  it("has every WhiteSpace and LineTerminator in \\s, and the rest in \\S", function()
    for _, space in ipairs { " ", "\t", "\v", "\f", "\n", "\r", "\u{A0}", "\u{1680}", "\u{2003}",
      "\u{2028}", "\u{202F}", "\u{205F}", "\u{3000}", "\u{FEFF}" } do
      assert.is_true(matches("^\\s$", space))
      assert.is_true(matches("^[\\s]$", space))
      assert.is_false(matches("^\\S$", space))
      assert.is_false(matches("^[x\\S]$", space))
      assert.is_false(matches("^[^\\s]$", space))
    end
    for _, other in ipairs { "a", "\u{200B}", "\u{180E}", "\u{1F600}", "\0" } do
      assert.is_false(matches("^\\s$", other))
      assert.is_true(matches("^\\S$", other))
      assert.is_true(matches("^[\\S]$", other))
    end
  end)

  it("knows its escapes", function()
    assert.is_true(matches("^\\t\\n\\v\\f\\r\\0$", "\t\n\v\f\r\0"))
    assert.is_true(matches("^\\cC\\x41\\u0042\\u{43}$", "\3ABC"))
    assert.is_true(matches("^\\uD83D\\uDE00$", "\u{1F600}"))
    assert.is_true(matches("^[\\b]$", "\b"))
    assert.is_true(matches("^\\/\\-\\.$", "/-."))
  end)

  it("knows properties by their long names too", function()
    assert.is_true(matches("^\\p{Letter}\\p{Lu}\\p{digit}$", "\u{E9}\u{C9}\u{661}"))
    assert.is_true(matches("^\\p{gc=Lu}\\P{General_Category=Letter}$", "A1"))
    assert.is_true(matches("^[\\p{Script=Greek}]$", "\u{3B1}"))
    refused "\\p{Nonsense}"
    refused "\\pL"
    refused "\\p{L}\\p{x:y}"
  end)

  it("has [] for nothing, [^] for anything, and no POSIX classes", function()
    assert.is_false(matches("[]", "a"))
    assert.is_true(matches("^[^]$", "\n"))
    assert.is_true(matches("^[[:alpha:]]$", "a]"))
    assert.is_true(matches("^[a-c-]+$", "a-c"))
    assert.is_true(matches("^[\\]\\\\^]+$", "]\\^"))
  end)

  it("takes a lone brace or bracket as itself", function()
    assert.is_true(matches("^{a}]{,2}$", "{a}]{,2}"))
    assert.is_true(matches("^a{2}b{1,}c{1,2}?$", "aabcc"))
  end)

  it("has groups, references and assertions", function()
    assert.is_true(matches("^(a)(?:b)\\1(?<n>c)\\k<n>$", "abacc"))
    assert.is_false(matches("^(a|b)\\1$", "ab"))
    assert.is_true(matches("^(?=a)(?!b)a(?<=a)(?<!b)$", "a"))
    assert.is_true(matches("^(?:(a)|b)\\1$", "b"), "unset groups match nothing, not never")
    assert.is_true(matches("^(?i:a)b$", "Ab"))
  end)

  it("refuses what only PCRE2 has", function()
    for _, pattern in ipairs { "(*ACCEPT)a", "(*LIMIT_MATCH=1)a", "a++", "a*+", "a{2}+",
      "a{2}{3}", "(?>a)", "(?R)", "(?1)", "(?&n)", "(?P<n>a)", "(?#x)", "(?(1)a)", "(?|a)", "\\K",
      "\\X", "\\C", "\\R", "\\Qa\\E", "\\A", "\\z", "\\G", "\\h", "\\N", "\\g1", "\\o{1}",
      "\\e", "\\a", "\\01" } do
      refused(pattern)
    end
  end)

  it("says what is wrong and where", function()
    assert.equal("nothing to repeat (at byte 2)", refused "*a")
    assert.matches("unknown escape %(at byte 4%)", refused "ab\\Q")
    assert.matches("parenthesis", refused "(a")
    assert.matches("%[: expected %]", refused "[a")
    assert.matches("out of order", refused "[b-a]")
    assert.matches("UTF%-8", refused "\xFF")
    assert.matches("Unicode character", refused "\\u{110000}")
    assert.matches("Unicode character", refused "\\uD800")
  end)

  it("gives a clean error for a pattern cut short anywhere", function()
    local whole = "^(?<n>[^\\]a-z\\u{1F600}]{2,3}?|\\p{Letter}\\uD83D\\uDE00)(?i:\\k<n>)\\cA\\x41$"
    assert(regex.compile(whole))
    for length = 0, #whole - 1 do
      local object, message = regex.compile(whole:sub(1, length))
      assert.is_true(object ~= nil or type(message) == "string" and message ~= "")
    end
  end)
end)

describe("regex: hostile patterns and subjects", function()
  -- Generous for a slow machine under a sanitizer; without the meter these take minutes to ages.
  local LIMIT = require("spec.pace").limit(5)

  local function bounded(pattern, subject)
    local start = os.clock()
    local matched, message = regex.compile(pattern):matches(subject)
    assert.is_true(os.clock() - start < LIMIT, pattern)
    return matched, message
  end

  it("gives up on exponential backtracking with an error, not with no", function()
    for _, pattern in ipairs { "(a+)+$", "(a|a)*$", "(a|aa)+$", "^(a?){30}a{30}$", "^(a*)*\\1c" } do
      local matched, message = bounded(pattern, ("a"):rep(5000) .. "b")
      assert.is_nil(matched, pattern)
      assert.matches("more work", message)
    end
  end)

  it("gives up on quadratic scans that no match limit sees", function()
    assert.is_nil((bounded("a*[bc]", ("a"):rep(4000000))))
    assert.is_nil((bounded("[ab]{60000}c$|x[yz]", ("a"):rep(4000000))))
    assert.is_nil((bounded("(a*)\\1[bd]", ("a"):rep(1000000) .. "c")))
  end)

  it("bounds the frames of a repeated group", function()
    local matched = bounded("^(?:a|b)*$", ("ab"):rep(2000000))
    assert.is_nil(matched)
  end)

  it("still takes ordinary patterns over long subjects", function()
    assert.is_true(matches("^[A-Za-z0-9+/]*={0,2}$", ("abcd"):rep(1000000)))
    assert.is_true(matches("^(?:[0-9a-f]{2})+$", ("0f"):rep(20000)))
  end)

  it("bounds the pattern, and what it becomes", function()
    assert(regex.compile(("a"):rep(1024)))
    assert.matches("limit", refused(("a"):rep(1025)))
    assert.matches("limit", refused("abc", 2))
    assert(regex.compile(("a"):rep(2000), 2000))
    assert.matches("too large", refused(("(?:a?){1,64}"):rep(40)))
    assert.matches("deeply", refused(("("):rep(300) .. (")"):rep(300)))
  end)

  it("takes what a match cost from the steps it was given", function()
    local object = regex.compile "^[a-z]+$"
    local matched, used = object:matches "hello"
    assert.is_true(matched)
    assert.is_true(used > 0 and used < 20)
    assert.is_nil((object:matches("hello", 1)))
    assert.is_true((object:matches("hello", used)))
  end)

  it("refuses a subject that is not UTF-8", function()
    local matched, message = regex.compile("a"):matches("a\xFF")
    assert.is_nil(matched)
    assert.matches("UTF%-8", message)
  end)
end)

describe("regex: the object", function()
  it("is closed twice safely and then raises", function()
    local object = regex.compile "a"
    object:close()
    object:close()
    assert.has_error(function() object:matches "a" end)
    do
      local other <close> = regex.compile "a"
      assert.is_true((other:matches "a"))
    end
  end)

  it("raises programming errors", function()
    assert.has_error(function() regex.compile(nil) end)
    assert.has_error(function() regex.compile("a", 0) end)
    assert.has_error(function() regex.compile("a"):matches(nil) end)
    assert.has_error(function() regex.compile("a"):matches("a", -1) end)
  end)
end)
