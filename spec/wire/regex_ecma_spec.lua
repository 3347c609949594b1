-- SPDX-License-Identifier: MIT
-- ecma_spec.lua: src/wire/regex_ecma.c: patterns of ECMA-262 as PCRE2 is to read them. What they
-- then match is in regex_spec.lua.
local ecma = require "codecs.ecma"

local function becomes(expected, pattern)
  assert.equal(expected, (ecma.pcre(pattern)), pattern)
end

local function refused(what, offset, pattern)
  assert.same({ nil, "EPATTERN", what, offset }, { ecma.pcre(pattern) }, pattern)
end

describe("a pattern", function()
  it("is the same where the two agree", function()
    for _, same in ipairs { "", "abc", "a|b", "^a$", "a*b+c?", "a*?b+?c??", "(a)(?:b)(?=c)(?!d)",
      "(?<=e)(?<!f)", "(?<name>g)\\k<name>", "a{2}b{2,}c{2,3}d{2,3}?", "[a-z]", "[^a-z0-9]",
      "\\d\\D\\w\\W\\b\\B", "(?i:a)(?-i:b)", "é€🙂", "[é-🙂]" } do
      becomes(same, same)
    end
  end)

  it("has its own dot, space and empty classes", function()
    becomes("[^\\n\\r\\x{2028}\\x{2029}]+", ".+")
    local space = "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
      .. "\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
    becomes("[" .. space .. "]", "\\s")
    becomes("[" .. space .. "x]", "[\\sx]")
    -- What is no space is every other character, once.
    local points, not_space = {}, assert(ecma.pcre("[\\S]"))
    for _, class in ipairs { space, not_space:sub(2, -2) } do
      for from, to in (class:gsub("\\x{(%x+)}(%-?)", function(hex, dash)
        return hex .. (dash == "-" and "-" or ";")
      end)):gmatch "(%x+)%-?(%x*);" do
        points[#points + 1] = { tonumber(from, 16), tonumber(to ~= "" and to or from, 16) }
      end
    end
    table.sort(points, function(a, b) return a[1] < b[1] end)
    local next_point = 0
    for _, range in ipairs(points) do
      assert.equal(next_point, range[1])
      next_point = range[2] + 1
    end
    assert.equal(0x110000, next_point)
    becomes("(?!)", "[]")
    becomes("[\\x{0}-\\x{10ffff}]", "[^]")
    becomes("(?!)x", "[]x")
  end)

  it("names characters in all of its ways", function()
    becomes("\\x{9}\\x{a}\\x{b}\\x{c}\\x{d}", "\\t\\n\\v\\f\\r")
    becomes("\\x{0}\\x{41}\\x{ff}", "\\0\\x41\\xFf")
    becomes("\\x{41}\\x{1f642}\\x{1f642}", "\\u0041\\ud83d\\ude42\\u{1F642}")
    becomes("\\x{10000}\\x{10ffff}", "\\ud800\\udc00\\udbff\\udfff")
    becomes("\\x{1}\\x{1a}\\x{1}", "\\cA\\cz\\ca")
    becomes("[\\x{8}\\x{41}-\\x{5a}]", "[\\b\\u0041-\\x5a]")
    becomes("\\x{10ffff}", "\\u{00000010ffff}")
  end)

  it("has punctuation that is itself, with a backslash or without", function()
    becomes("\\}\\]\\{a", "}]{a")
    becomes("a\\{\\,3\\}", "a{,3}")
    becomes("a\\{x\\}", "a{x}")
    becomes("a\\{1\\,2\\,3\\}", "a{1,2,3}")
    becomes("\\/\\.\\-\\@", "\\/\\.\\-\\@")
    becomes("\\@\\# x x", "@# x\\ x")
    becomes("[\\[\\&\\&\\:\\]a]", "[[&&:\\]a]")
    -- Sets and comments of PCRE2 are letters here.
    becomes("[\\[\\:alpha\\:]\\]", "[[:alpha:]]")
  end)

  it("names properties by the names that PCRE2 knows", function()
    becomes("\\p{L}\\P{L}\\p{Lu}", "\\p{Letter}\\P{L}\\p{Uppercase_Letter}")
    becomes("\\p{Nd}\\p{Nd}\\p{Nd}", "\\p{digit}\\p{gc=Nd}\\p{General_Category=Decimal_Number}")
    becomes("[\\p{Greek}\\p{Script=Han}]", "[\\p{Greek}\\p{Script=Han}]")
    becomes("\\p{L&}\\p{L&}", "\\p{LC}\\p{Cased_Letter}")
    -- One name is no beginning of another.
    becomes("\\p{Lette}\\p{Letters}", "\\p{Lette}\\p{Letters}")
  end)

  it("tells the matcher what it refers to and how often it repeats", function()
    local function facts(pattern) return select(2, ecma.pcre(pattern)) end
    assert.same({ most = 0, numbered = false, referring = false }, facts "a*")
    assert.same({ most = 12, numbered = false, referring = false }, facts "a{3}b{2,12}c{1,}")
    assert.same({ most = 0, numbered = true, referring = true }, facts "(a)\\1")
    assert.same({ most = 0, numbered = false, referring = true }, facts "(?<n>a)\\k<n>")
    assert.same({ most = 0, numbered = false, referring = false }, facts "a{3")
    assert.is_true(facts("a{99999999999999999999}").most >= 1000000)
    becomes("(a)\\g{10}", "(a)\\10")
  end)

  it("that ECMA-262 does not know is refused, and where", function()
    refused("\\ at the end", 1, "\\")
    refused("\\ at the end", 4, "abc\\")
    for _, letter in ipairs { "a", "A", "C", "e", "E", "G", "h", "H", "K", "l", "N", "Q", "R", "X",
      "y", "z", "Z", "g" } do
      refused("unknown escape", 2, "x\\" .. letter)
      refused("unknown escape", 2, "[\\" .. letter .. "]")
    end
    refused("unknown escape", 1, "\\00")
    refused("unknown escape", 2, "[\\1]")
    refused("\\x: expected two hexadecimal digits", 2, "\\x4")
    refused("\\x: expected two hexadecimal digits", 2, "\\x{41}")
    refused("\\u: expected four hexadecimal digits or {...}", 2, "\\u004")
    refused("\\u{: expected }", 5, "\\u{41")
    refused("unpaired surrogate", 8, "\\ud83d\\uzzzz")
    refused("unpaired surrogate", 12, "\\ud83d\\u0041x")
    refused("not a Unicode character", 6, "\\ude42")
    refused("not a Unicode character", 6, "\\ud83d")
    refused("not a Unicode character", 10, "\\u{110000}")
    refused("not a Unicode character", 18, "\\u{10000000000041}")
    refused("\\c: expected a letter", 2, "\\c1")
    refused("\\p: expected {name}", 2, "\\pL")
    refused("\\p: expected {name}", 2, "\\p{L")
    refused("\\p: unknown property name", 3, "\\p{L l}")
    refused("\\p: unknown property name", 3, "\\p{^L}")
    refused("\\k: expected <name>", 1, "\\k")
    refused("\\k: expected <name>", 1, "\\k<n")
    refused("\\k: expected <name>", 1, "\\k{n}")
    refused("[: expected ]", 4, "[abc")
    for _, group in ipairs { "(?>a)", "(?#a)", "(?|a)", "(?P<n>a)", "(?1)", "(?R)", "(?&n)", "(?x)",
      "(?'n'a)", "(?" } do
      refused("unsupported group syntax", 0, group)
    end
    refused("invalid group name", 0, "(?<1>a)")
    refused("invalid group name", 0, "(?<n m>a)")
    for pattern, offset in pairs { ["*"] = 1, ["a**"] = 3, ["a*+"] = 3, ["a++"] = 3, ["a??+"] = 4,
      ["^*"] = 2, ["(*a)"] = 2, ["a|+"] = 3, ["\\b+"] = 3, ["a{2}{3}"] = 7, ["{2}"] = 3 } do
      refused("nothing to repeat", offset, pattern)
    end
  end)

  it("that is not UTF-8 is refused", function()
    assert.same({ nil, "EUTF8" }, { table.unpack({ ecma.pcre "a\xff" }, 1, 2) })
  end)
end)
