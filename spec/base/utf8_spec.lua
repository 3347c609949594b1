-- SPDX-License-Identifier: MIT
local text = require "codecs.utf8"

describe("base/utf8 (RFC 3629, Unicode table 3-7)", function()
  it("agrees with Lua on every code point, surrogates and what is beyond", function()
    for code = 0, 0x110400 do
      local char = utf8.char(code)
      local good = code <= 0x10FFFF and not (code >= 0xD800 and code <= 0xDFFF)
      if text.valid(char) ~= good or text.step(char .. "\x80a") ~= (good and #char or 0) then
        error(("U+%X: expected %s"):format(code, good))
      end
    end
  end)

  it("agrees with Lua on every pair and triple of byte classes", function()
    local classes = {
      0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC,
      0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFC, 0xFE, 0xFF,
    }
    local function check(...)
      local bytes = string.char(...)
      if text.valid(bytes) ~= (utf8.len(bytes) ~= nil) then error(("%q"):format(bytes)) end
    end
    for _, a in ipairs(classes) do
      check(a)
      for _, b in ipairs(classes) do
        check(a, b)
        for _, c in ipairs(classes) do
          check(a, b, c)
          check(a, b, c, 0x80)
          check(a, b, c, 0x41)
        end
      end
    end
  end)

  it("finds one bad byte at every place of a long text", function()
    for n = 0, 80 do
      local before = ("a"):rep(n)
      for after = 0, 40, 13 do
        assert.is_true(text.valid(before .. "é" .. ("b"):rep(after)))
        assert.is_false(text.valid(before .. "\xFF" .. ("b"):rep(after)))
        assert.is_false(text.valid(before .. "é\x80" .. ("b"):rep(after)))
      end
      assert.is_false(text.valid(before .. "\xE2\x82"), "cut short")
    end
  end)

  it("takes empty text, which has no first character", function()
    assert.is_true(text.valid "")
    assert.equal(0, text.step "")
  end)

  it("finds the first bad byte, as Lua does", function()
    for _, good in ipairs { "", "a", ("a"):rep(40), "\u{e9}", ("a"):rep(31) .. "\u{20ac}",
      "\u{10348}" } do
      assert.equal(#good, text.prefix(good))
      for _, bad in ipairs { "\xff", "\xe2\x82", "\xed\xa0\x80", "\x80" } do
        assert.equal(select(2, utf8.len(good .. bad .. "a")) - 1, text.prefix(good .. bad .. "a"))
      end
    end
  end)

  it("is cut between characters, at every length", function()
    for _, given in ipairs { "a\u{e9}\u{20ac}\u{10348}b", ("\u{10348}"):rep(5), "abc" } do
      for most = 0, #given + 2 do
        local length = text.cut(given, most)
        assert.is_true(length <= most and length > most - 4 or length == #given)
        assert.is_truthy(utf8.len(given:sub(1, length)))
        if length < #given then
          assert.is_true(length + #given:match(utf8.charpattern, length + 1) > most)
        end
      end
    end
    -- What is no text is cut all the same.
    assert.equal(5, text.cut(("\x80"):rep(10), 5))
    assert.equal(0, text.cut(("\x80"):rep(10), 0))
  end)
end)
