-- SPDX-License-Identifier: MIT
local json = require "codecs.json"

-- The code of the refusal of `text`, and where; nothing if it was taken.
local function refusal(text, limits)
  local _, code, offset, what = json.decode(text, limits)
  return code, offset, what
end

local function refused(text, code, offset, what)
  assert.are.same({ code, offset, what }, { refusal(text) }, text:sub(1, 80))
end

-- The value of a text that must be good.
local function decode(text)
  local value, code, offset, what = json.decode(text)
  assert.is_nil(code, ("%s at %s: %s"):format(code, offset, what))
  return value
end

describe("the tokens of a text", function()
  local function brief(text)
    local list = {}
    for i, t in ipairs(assert(json.tokens(text))) do
      list[i] = ("%s %s +%d n%d c%d%s"):format(
        t.kind, t.text, t.start, t.next, t.count, t.escaped and " e" or "")
    end
    return list
  end

  it("stand in the order of the text, each knowing its end", function()
    assert.are.same({
      [[object {"a": [1, {}], "b\n" : -2.5 } +1 n7 c2]],
      "string a +3 n2 c0",
      "array [1, {}] +7 n5 c2",
      "integer 1 +8 n4 c0",
      "object {} +11 n5 c0",
      [[string b\n +17 n6 c0 e]],
      "double -2.5 +24 n7 c0",
    }, brief [[ {"a": [1, {}], "b\n" : -2.5 } ]])
  end)

  it("may be a single one", function()
    assert.are.same({ "null null +0 n1 c0" }, brief "null")
    assert.are.same({ "false false +1 n1 c0" }, brief " false ")
    assert.are.same({ "true true +0 n1 c0" }, brief "true")
    assert.are.same({ "string  +1 n1 c0" }, brief '""')
  end)

  it("may be more than there is room for without memory", function()
    local list = assert(json.tokens("[" .. ("[7],"):rep(5000) .. "7]"))
    assert.are.equal(10002, #list)
    assert.are.equal(5001, list[1].count)
    assert.are.equal(10002, list[1].next)
    assert.are.equal(10001, list[10001].next)
  end)
end)

describe("a text that is no JSON (RFC 8259)", function()
  local open_array = "expected ',' or ']' after an element"
  local open_object = "expected ',' or '}' after a member"
  local due = "unexpected end of text: expected a value"

  it("says where and why: structure (2, 4, 5)", function()
    refused("", "EJSON", 0, "empty text: expected a value")
    refused(" \n\t\r", "EJSON", 4, "empty text: expected a value")
    refused("[", "EJSON", 1, due)
    refused("[1,", "EJSON", 3, due)
    refused("[1", "EJSON", 2, open_array)
    refused("[1 2]", "EJSON", 3, open_array)
    refused("[1}", "EJSON", 2, open_array)
    refused("[1,]", "EJSON", 3, "expected a value")
    refused("[,1]", "EJSON", 1, "expected a value")
    refused("]", "EJSON", 0, "expected a value")
    refused("{", "EJSON", 1, "expected a key in quotes or '}'")
    refused("{1:2}", "EJSON", 1, "expected a key in quotes or '}'")
    refused('{"a"', "EJSON", 4, "expected ':' after a key")
    refused('{"a" 1}', "EJSON", 5, "expected ':' after a key")
    refused('{"a":', "EJSON", 5, due)
    refused('{"a":}', "EJSON", 5, "expected a value")
    refused('{"a":1', "EJSON", 6, open_object)
    refused('{"a":1]', "EJSON", 6, open_object)
    refused('{"a":1 "b":2}', "EJSON", 7, open_object)
    refused('{"a":1,}', "EJSON", 7, "expected a key in quotes after ','")
    refused('{"a":1,2}', "EJSON", 7, "expected a key in quotes after ','")
    refused("1 2", "EJSON", 2, "unexpected text after the value")
    refused("{}\0", "EJSON", 2, "unexpected text after the value")
    refused("[1]]", "EJSON", 3, "unexpected text after the value")
  end)

  it("says where and why: names and foreign spellings (3)", function()
    for _, text in ipairs {
      "tru", "nul", "True", "NULL", "NaN", "Infinity", "-Infinity", "undefined", "'a'", "+1",
      ".5", "0x10", "//", "/**/1", "\v1", "\f1", "\xa0", "trve", "nan", "inf", "falsy",
    } do
      local code, offset = refusal(text)
      assert.are.equal("EJSON", code, text)
      assert.are.equal((text:find "^%-" or text:find "^0x") and 1 or 0, offset, text)
    end
    refused("truex", "EJSON", 4, "unexpected text after the value")
  end)

  it("says where and why: numbers (6)", function()
    refused("-", "EJSON", 1, "expected a digit after '-'")
    refused("[-a]", "EJSON", 2, "expected a digit after '-'")
    refused("[-01]", "EJSON", 1, "number with leading zeros")
    refused("[00]", "EJSON", 1, "number with leading zeros")
    refused("1.", "EJSON", 2, "expected a digit after '.'")
    refused("[1.e1]", "EJSON", 3, "expected a digit after '.'")
    refused("1e", "EJSON", 2, "expected a digit in the exponent")
    refused("[1E+]", "EJSON", 4, "expected a digit in the exponent")
    refused("[ 1e309]", "ENUMBER", 2, "number too large for a double")
    refused("-1e99999999999999999999", "ENUMBER", 0, "number too large for a double")
    refused("[" .. ("9"):rep(129) .. "]", "ENUMBER", 1, "number longer than its limit")
    assert.are.equal(tonumber(("9"):rep(128) .. ".0"), decode(("9"):rep(128)))
  end)

  it("says where and why: strings (7)", function()
    refused('"', "EJSON", 1, "unterminated string")
    refused('"a\\', "EJSON", 3, "unterminated string")
    refused('"a\\u12', "EJSON", 6, "unterminated string")
    refused('["a\\x"]', "EJSON", 3, "unknown escape in a string")
    refused('"\\u12g4"', "EJSON", 5, "expected four hexadecimal digits after \\u")
    refused('"\\u 123"', "EJSON", 3, "expected four hexadecimal digits after \\u")
    for c = 0, 31 do
      for before = 0, 40, 5 do
        refused('"' .. ("a"):rep(before) .. string.char(c) .. ("b"):rep(20) .. '"', "EJSON",
          before + 1, "unescaped control character in a string")
      end
    end
    assert.are.equal("\x7f", decode '"\x7f"')
  end)

  it("is refused with unexpected byte order mark (8.1)", function()
    refused("\xef\xbb\xbf{}", "EUTF8", 0, "unexpected byte order mark")
    assert.are.equal("\u{feff}", decode '"\xef\xbb\xbf"')
  end)
end)

describe("a string's UTF-8 (RFC 3629 3, 4)", function()
  -- Bytes that are wrong from their first on, wherever they stand.
  local bad = {
    "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2a", "\xc2\xc2", "\xe0\x80\x80",
    "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80a", "\xe1a\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
    "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf1\x80\x80", "\xf1\x80\x80a", "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
  }
  local good = {
    "\u{80}", "\u{7ff}", "\u{800}", "\u{fff}", "\u{1000}", "\u{cfff}", "\u{d000}", "\u{d7ff}",
    "\u{e000}", "\u{ffff}", "\u{10000}", "\u{3ffff}", "\u{40000}", "\u{fffff}", "\u{100000}",
    "\u{10ffff}", "я", "語", "🙂",
  }
  local fillers = { "", "a", "я", "語", "🙂", "aя語🙂" }

  it("is taken in all its forms at any place", function()
    for _, letter in ipairs(good) do
      for _, filler in ipairs(fillers) do
        for n = 0, 20 do
          local text = filler:rep(n) .. letter .. filler:rep(20 - n)
          assert.are.equal(text, decode('"' .. text .. '"'))
          assert.are.equal('"' .. text .. '"', json.encode(text))
        end
      end
    end
  end)

  it("is refused where it is wrong, with its place", function()
    for _, bytes in ipairs(bad) do
      for _, filler in ipairs(fillers) do
        for n = 0, 20 do
          local before = filler:rep(n)
          refused('"' .. before .. bytes .. '"', "EUTF8", 1 + #before, "not valid UTF-8")
          refused('"' .. before .. bytes .. ("b"):rep(20) .. '"', "EUTF8", 1 + #before,
            "not valid UTF-8")
          local text, code = json.encode(before .. bytes .. filler)
          assert.are.equal("EUTF8", code)
          assert.is_nil(text)
        end
      end
    end
  end)

  it("is refused when the text ends inside a character", function()
    for _, letter in ipairs(good) do
      for cut = 1, #letter - 1 do
        refused('"' .. letter:sub(1, cut), "EUTF8", 1, "not valid UTF-8")
      end
    end
  end)

  it("goes wrong at every byte that is changed in a long text", function()
    local text = ("Слова und 言葉, 🙂. "):rep(3)
    for i = 1, #text do
      for _, byte in ipairs { "\x80", "\xc0", "\xed", "\xff" } do
        local changed = text:sub(1, i - 1) .. byte .. text:sub(i + 1)
        assert.are.equal(utf8.len(changed) == nil and "EUTF8" or nil,
          (refusal('"' .. changed .. '"')), changed)
      end
    end
  end)
end)

describe("a string's escapes (RFC 8259 7)", function()
  it("are undone", function()
    assert.are.equal('"\\/\b\f\n\r\t', decode [["\"\\\/\b\f\n\r\t"]])
    assert.are.equal("\0A\u{e9}\u{20ac}\u{ffff}", decode [["\u0000\u0041\u00E9\u20aC\uffff"]])
    assert.are.equal("\u{10000}\u{1f642}\u{10ffff}",
      decode [["\ud800\udc00\uD83D\uDE42\udbff\udfff"]])
  end)

  it("are undone in strings of any length, at any place", function()
    for _, n in ipairs { 0, 1, 7, 8, 15, 16, 17, 31, 33, 100, 1023, 1024, 1025, 5000 } do
      local text = ("x"):rep(n)
      assert.are.equal(text .. "\n" .. text, decode('"' .. text .. "\\n" .. text .. '"'))
      assert.are.equal(("\n"):rep(n) .. text, decode('"' .. ("\\n"):rep(n) .. text .. '"'))
      assert.are.equal(text .. ("é"):rep(n), decode('"' .. text .. ("\\u00e9"):rep(n) .. '"'))
    end
  end)

  it("are refused as halves of a surrogate pair, with their place", function()
    local first, second =
      "unpaired high surrogate", "unpaired low surrogate"
    refused([["a\ud800"]], "EUTF8", 2, first)
    refused([["a\udbffb"]], "EUTF8", 2, first)
    refused([["a\ud800\n"]], "EUTF8", 2, first)
    refused([["a\ud800\u0041"]], "EUTF8", 2, first)
    refused([["a\ud800\ud800"]], "EUTF8", 2, first)
    refused([["a\udc00"]], "EUTF8", 2, second)
    refused([["\ud83d\ude42\udfff"]], "EUTF8", 13, second)
    refused([[{"\ud800":1}]], "EUTF8", 2, first)
  end)

  it("are written where they must be and nowhere else", function()
    assert.are.equal([["\u0000\u0001\b\t\n\u000b\f\r\u001f \"\\/]] .. '\x7f"',
      json.encode "\0\1\b\t\n\v\f\r\x1f \"\\/\x7f")
    for n = 0, 40 do
      for c = 0, 127 do
        local text = ("a"):rep(n) .. string.char(c) .. ("я"):rep(n % 3) .. "b"
        local out = json.encode(text)
        assert.is_nil(out:find "%c" and c ~= 127 or nil)
        assert.are.equal(text, decode(out))
      end
    end
    local controls = ("\1"):rep(10000)
    assert.are.equal('"' .. ("\\u0001"):rep(10000) .. '"', json.encode(controls))
  end)
end)

describe("what is asked of a token", function()
  it("member finds a key however it is spelled", function()
    local text = [[{"a":1,"b\u0063":{"a":2},"":3,"\ud83d\ude42":4,"bcd":5}]]
    assert.are.equal("1", json.member(text, "a"))
    assert.are.equal('{"a":2}', json.member(text, "bc"))
    assert.are.equal("3", json.member(text, ""))
    assert.are.equal("4", json.member(text, "🙂"))
    assert.are.equal("5", json.member(text, "bcd"))
    assert.is_nil(json.member(text, "b"))
    assert.is_nil(json.member(text, "b\\u0063"))
    assert.is_nil(json.member("[1]", "a"))
    assert.is_nil(json.member('"a"', "a"))
    assert.is_nil(json.member("{}", "a"))
  end)

  it("string_is compares what a string reads", function()
    assert.is_true(json.string_is('"abc"', "abc"))
    assert.is_true(json.string_is([["\u0061b\u0063"]], "abc"))
    assert.is_true(json.string_is([["\u20ac\/\\"]], "€/\\"))
    assert.is_true(json.string_is('""', ""))
    assert.is_false(json.string_is([["\u0061b"]], "abc"))
    assert.is_false(json.string_is([["\u0061bcd"]], "abc"))
    assert.is_false(json.string_is([["\u20ac"]], "\xe2\x82"))
    assert.is_false(json.string_is("1", "1"))
    assert.is_false(json.string_is("null", ""))
  end)
end)

describe("the limits", function()
  it("hold the depth at MCP_JSON_DEPTH", function()
    assert.is_table(decode(("["):rep(128) .. ("]"):rep(128)))
    assert.is_table(decode(('{"a":'):rep(127) .. "[]" .. ("}"):rep(127)))
    refused(("["):rep(129) .. ("]"):rep(129), "EDEPTH", 128, "nested deeper than the limit")
    refused(('{"a":'):rep(129), "EDEPTH", 128 * 5, "nested deeper than the limit")
  end)

  it("can be set lower, not higher", function()
    assert.are.same({ nil, "EDEPTH", 2, "nested deeper than the limit" },
      { json.check("[[[]]]", { depth = 2 }) })
    assert.is_true(json.check("[[],[]]", { depth = 2 }))
    assert.are.equal("EDEPTH", (refusal("[]", { depth = 0 })))
    assert.is_true(json.check("1", { depth = 0 }))
    assert.are.equal("EDEPTH", (refusal(("["):rep(1000), { depth = 1000 })))
  end)

  it("count every value and every key", function()
    assert.is_true(json.check('{"a":[1]}', { nodes = 4 }))
    assert.are.same({ nil, "ENODES", 6, "too many values" },
      { json.check('{"a":[1]}', { nodes = 3 }) })
    assert.are.same({ nil, "ENODES", 1, "too many values" },
      { json.check('["a"]', { nodes = 1 }) })
    assert.are.same({ nil, "ENODES", 0, "too many values" },
      { json.check("1", { nodes = 0 }) })
    assert.is_true(json.check("[" .. ("1,"):rep(999) .. "1]", { nodes = 1001 }))
    assert.are.equal("ENODES", (refusal("[" .. ("1,"):rep(999) .. "1]", { nodes = 1000 })))
  end)

  it("hold a key at MCP_JSON_KEY_LENGTH bytes of text", function()
    local key = ("k"):rep(1024)
    assert.are.same({ [key] = 1 }, decode('{"' .. key .. '":1}'))
    refused('{"a":1,"k' .. key .. '":1}', "ETOOBIG", 7, "key longer than its limit")
    refused('{"' .. ("\\u0061"):rep(171) .. '":1}', "ETOOBIG", 1, "key longer than its limit")
  end)
end)

describe("hostile sizes", function()
  -- All of these must be over before anybody notices.
  local function quickly(text, code)
    local start = os.clock()
    assert.are.equal(code, (refusal(text)))
    assert.is_true(os.clock() - start < 1, "took too long")
  end

  it("of depth", function()
    quickly(("["):rep(100000), "EDEPTH")
    quickly(("["):rep(10 << 20), "EDEPTH")
    quickly(('{"a":'):rep(1 << 20), "EDEPTH")
    quickly(("]"):rep(100000), "EJSON")
  end)

  it("of number", function()
    quickly("[" .. ("[],"):rep(1 << 20) .. "1]", "ENODES")
    quickly("[" .. ("0,"):rep(1 << 20) .. "1]", "ENODES")
    quickly("[" .. ("[],"):rep(199997) .. "1]", nil)
  end)

  it("of length", function()
    quickly(("1"):rep(1 << 20), "ENUMBER")
    quickly("0." .. ("0"):rep(1 << 20), "ENUMBER")
    quickly("1e" .. ("0"):rep(1 << 20), "ENUMBER")
    quickly((" "):rep(10 << 20), "EJSON")
    quickly('"' .. ("a"):rep(10 << 20), "EJSON")
    quickly('"' .. ("\\u0061"):rep(1 << 20) .. '"', nil)
    quickly('"' .. ("я"):rep(1 << 20) .. '"', nil)
    quickly('{"' .. ("a"):rep(10 << 20) .. '":1}', "ETOOBIG")
  end)
end)

describe("random documents", function()
  local random = math.random
  math.randomseed(20260728)

  local letters = { "a", "Z", " ", "\n", '"', "\\", "/", "\0", "\x1f", "é", "語", "🙂", "\x7f" }
  local function text()
    local parts = {}
    for i = 1, random(0, 3) ^ 3 do parts[i] = letters[random(#letters)] end
    return table.concat(parts)
  end

  local function number()
    local kind = random(5)
    if kind == 1 then return random(-100, 100) end
    if kind == 2 then return random(0) end
    if kind == 3 then return random(-1000, 1000) / 8 end
    if kind == 4 then return random() end
    local n
    repeat n = string.unpack("d", string.pack("j", random(0))) until n - n == 0
    return n
  end

  local function value(depth)
    local kind = random(depth > 4 and 5 or 7)
    if kind == 1 then return json.null end
    if kind == 2 then return random(2) == 1 end
    if kind <= 4 then return number() end
    if kind == 5 then return text() end
    local t = {}
    if kind == 6 then
      for i = 1, random(0, 6) do t[i] = value(depth + 1) end
      return json.array(t)
    end
    for _ = 1, random(0, 6) do t[text()] = value(depth + 1) end
    return t
  end

  -- Equal and of the same types, and arrays still arrays.
  local function same(a, b)
    if type(a) ~= "table" then return a == b and math.type(a) == math.type(b) end
    if type(b) ~= "table" or getmetatable(a) ~= getmetatable(b) then return false end
    for k in next, a do if not same(a[k], b[k]) then return false end end
    for k in next, b do if a[k] == nil then return false end end
    return true
  end

  it("come back as they were", function()
    for _ = 1, 2000 do
      local before = value(0)
      local out = assert(json.encode(before))
      local after = decode(out)
      assert.is_true(same(before, after), out)
      assert.are.equal(json.encode(before, true), json.encode(after, true))
    end
  end)

  it("cut, or with a byte changed, give a value or a clean refusal", function()
    for _ = 1, 300 do
      local out = json.encode { value(0), value(0) }
      for _ = 1, 20 do
        local at = random(#out)
        local broken = random(2) == 1 and out:sub(1, at - 1)
          or out:sub(1, at - 1) .. string.char(random(0, 255)) .. out:sub(at + 1)
        local back, code, offset, what = json.decode(broken)
        if code then
          assert.is_nil(back)
          assert.is_true(offset >= 0 and offset <= #broken)
          assert.is_true(#what > 0)
        else
          assert.is_truthy(json.encode(back))
        end
      end
    end
  end)
end)

describe("without memory", function()
  local texts = {
    list = "[" .. ("1,"):rep(1000) .. "1]",
    keys = nil, -- made below: many, one of them with an escape
    value = '{"a":1,"\\u0062":2}',
  }
  local keys = { '"\\u0061":0' }
  for i = 2, 100 do keys[i] = ('"k%d":%d'):format(i, i) end
  texts.keys = "{" .. table.concat(keys, ",") .. "}"

  it("reading fails cleanly wherever it runs out", function()
    if not json.mem_fail(0) then
      pending "SKIPPED: the walk over allocations, this build is without MCP_MEM_FAULTS"
      return
    end
    for name, text in pairs(texts) do
      for _, onward in ipairs { false, true } do
        local held, n, done = json.mem_held(), 0
        repeat
          n = n + 1
          json.mem_fail(n, onward)
          local value, code = json.decode(text)
          json.mem_fail(0)
          done = code == nil
          if not done then
            assert.are.equal("ENOMEM", code, name)
            assert.is_nil(value)
          end
          assert.are.equal(held, json.mem_held(), name)
        until done or n > 100
        assert.is_true(done and n > 1, name)
      end
    end
  end)

  it("writing fails cleanly wherever it runs out", function()
    if not json.mem_fail(0) then
      pending "SKIPPED: the walk over allocations, this build is without MCP_MEM_FAULTS"
      return
    end
    local value = { ("x"):rep(100000), { a = ("\n"):rep(100000) }, 1, 2.5, true, json.null }
    local n, done = 0
    repeat
      n = n + 1
      json.mem_fail(n)
      local text, code, what = json.encode(value)
      json.mem_fail(0)
      done = text ~= nil
      if not done then
        assert.are.equal("ENOMEM", code)
        assert.is_truthy(what:find("not enough memory", 1, true))
      end
    until done or n > 100
    assert.is_true(done and n > 1)
  end)
end)

-- Long texts are read and written in blocks of 64 bytes.
describe("a string with escapes", function()
  local PIECES = {
    { '"', '\\"' }, { "\\", "\\\\" }, { "\n", "\\n" }, { "\t", "\\t" }, { "\0", "\\u0000" },
    { "\31", "\\u001f" }, { "\u{e9}", "\u{e9}" }, { "\u{1f600}", "\u{1f600}" },
  }

  local function check(plain, written)
    assert.are.equal('"' .. written .. '"', assert(json.encode(plain)))
    assert.are.equal(plain, decode('"' .. written .. '"'))
  end

  it("has them at any place", function()
    for _, piece in ipairs(PIECES) do
      for before = 0, 140 do
        local left, right = ("x"):rep(before), ("y"):rep(200 - before)
        check(left .. piece[1] .. right, left .. piece[2] .. right)
      end
    end
  end)

  it("may be short", function()
    for _, piece in ipairs(PIECES) do
      for size = 0, 20 do
        for before = 0, size do
          local left, right = ("x"):rep(before), ("y"):rep(size - before)
          check(left .. piece[1] .. right, left .. piece[2] .. right)
        end
      end
    end
  end)

  it("has two in a row, or a run of them, or nothing else", function()
    for _, one in ipairs(PIECES) do
      for _, two in ipairs(PIECES) do
        for before = 54, 66 do
          local left, right = ("x"):rep(before), ("y"):rep(150)
          check(left .. one[1] .. two[1] .. right, left .. one[2] .. two[2] .. right)
        end
      end
      for _, count in ipairs { 63, 64, 65, 127, 128, 129, 5000 } do
        check(one[1]:rep(count), one[2]:rep(count))
      end
    end
  end)

  it("is undone while it is read where it is long", function()
    -- So much has to be read before it counts as long, and a second one does not.
    local lines, written = ("line\n"):rep(600), ("line\\n"):rep(600)
    local UNDO = { undo = true }
    for _, piece in ipairs(PIECES) do
      for before = 0, 80 do
        local left, right = ("x"):rep(before), ("y"):rep(20 * (before % 9)) .. piece[1]
        local text = written .. left .. piece[2] .. ("y"):rep(20 * (before % 9)) .. piece[2]
        local values = assert(json.decode(('["a\\n","%s","%sz",7]'):format(text, text), UNDO))
        assert.are.equal(lines .. left .. piece[1] .. right, values[2])
        assert.are.same({ "a\n", values[2], values[2] .. "z", 7 }, values)
      end
    end
    for before = 0, 80 do
      local left = '"' .. written .. ("x"):rep(before)
      for _, tail in ipairs { "", ("y"):rep(70) } do
        for _, it in ipairs { { "\\x", "EJSON" }, { "\1", "EJSON" }, { "\xff", "EUTF8" },
          { "\\ud800", "EUTF8" } } do
          local _, code, offset = json.decode(left .. it[1] .. tail .. '"', UNDO)
          assert.are.same({ it[2], #left }, { code, offset })
        end
        assert.are.equal("EJSON", (select(2, json.decode(left .. tail, UNDO))))
        assert.are.equal("EJSON", (select(2, json.decode(left .. tail .. "\\", UNDO))))
      end
    end
  end)

  it("is refused where an escape is wrong or not whole, wherever that is", function()
    for before = 0, 140 do
      local left = '"\\n' .. ("x"):rep(before)
      local at = #left
      refused(left .. "\\x" .. ("y"):rep(200) .. '"', "EJSON", at, "unknown escape in a string")
      refused(left .. "\\", "EJSON", at + 1, "unterminated string")
      refused(left .. "\1" .. ("y"):rep(200) .. '"', "EJSON", at,
        "unescaped control character in a string")
      refused(left .. "\xff" .. ("y"):rep(200) .. '"', "EUTF8", at, "not valid UTF-8")
    end
  end)
end)
