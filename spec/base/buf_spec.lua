-- SPDX-License-Identifier: MIT
local buf = require "codecs.buf"

describe("base/buf", function()
  it("is empty and holds no memory at first", function()
    assert.same({ "", 0, true }, { buf.new():text() })
  end)

  it("appends bytes, characters, literals and numbers, NUL included", function()
    local b = buf.new()
    assert.is_true(b:append "a\0b")
    assert.is_true(b:append "")
    assert.is_true(b:append_char "c")
    assert.is_true(b:append_literal())
    assert.is_true(b:append_uint(0))
    assert.is_true(b:append_uint(1234567890))
    assert.is_true(b:append_uint(-1))
    assert.equal("a\0bclite\0ral0123456789018446744073709551615", (b:text()))
  end)

  it("appends a character when it is full", function()
    local b, expected = buf.new(), {}
    for i = 1, 1025 do
      local c = string.char(33 + i % 90)
      expected[i] = c
      assert.is_true(b:append_char(c))
    end
    assert.equal(table.concat(expected), (b:text()))
  end)

  it("grows by doubling, and reserving does not change the bytes", function()
    local b, growths, last = buf.new(), 0, 0
    for _ = 1, 100000 do
      b:append "0123456789"
      local cap = b:capacity()
      if cap ~= last then
        growths, last = growths + 1, cap
      end
    end
    assert.equal(("0123456789"):rep(100000), (b:text()))
    assert.is_true(growths <= 13, growths .. " growths")
    assert.is_true(b:reserve(2000000))
    local text, cap = b:text()
    assert.equal(1000000, #text)
    assert.is_true(cap >= 3000000)
    assert.is_true(b:reserve(0))
  end)

  it("refuses sizes that overflow, and stays as it was", function()
    local b = buf.new()
    b:append "abc"
    for _, size in ipairs { -1, -2, -3, -4, math.maxinteger, math.mininteger } do
      assert.same({ nil, "ETOOBIG" }, { b:reserve(size) })
    end
    assert.equal("abc", (b:text()))
  end)

  it("consumes from the front", function()
    local b = buf.new()
    b:append "abcdef"
    b:consume(0)
    assert.equal("abcdef", (b:text()))
    b:consume(2)
    assert.equal("cdef", (b:text()))
    b:append "gh"
    b:consume(5)
    assert.equal("h", (b:text()))
    b:consume(99)
    assert.equal("", (b:text()))
    buf.new():consume(1)
  end)

  it("moves its bytes out and is empty then", function()
    local b = buf.new()
    b:append "abc"
    local taken = b:take()
    assert.equal("abc", (taken:text()))
    assert.same({ "", 0, true }, { b:text() })
    b:append "d"
    assert.same({ "abc", "d" }, { (taken:text()), (b:text()) })
  end)

  it("keeps a small capacity on reset, gives a big one back", function()
    local b = buf.new()
    b:append(("x"):rep(1000))
    b:reset(1024)
    assert.same({ "", 1024, false }, { b:text() })
    b:append "y"
    assert.equal("y", (b:text()))
    b:reset(1023)
    assert.same({ "", 0, true }, { b:text() })
    b:append "z"
    b:deinit()
    b:deinit()
    assert.same({ "", 0, true }, { b:text() })
  end)

  -- Only a build with MCP_MEM_FAULTS can let memory fail.
  if buf.fail(0, false) then
    it("gives ENOMEM and stays as it was", function()
      local b = buf.new()
      b:append "abc"
      buf.fail(1, false)
      local ok, err = b:append(("x"):rep(1000))
      buf.fail(0, false)
      assert.same({ nil, "ENOMEM" }, { ok, err })
      assert.equal("abc", (b:text()))
    end)
  end
end)

describe("base/buf slices", function()
  it("compares exactly", function()
    assert.is_true(buf.equal("", ""))
    assert.is_true(buf.equal("a\0b", "a\0b"))
    assert.is_false(buf.equal("a\0b", "a\0c"))
    assert.is_false(buf.equal("a", "A"))
    assert.is_false(buf.equal("a", "ab"))
  end)

  it("compares without case, ASCII letters only (RFC 9110 5.1)", function()
    assert.is_true(buf.equal_nocase("Content-TYPE", "content-type"))
    assert.is_true(buf.equal_nocase("", ""))
    assert.is_false(buf.equal_nocase("a", "ab"))
    for a = 0, 255 do
      for b = 0, 255 do
        local x, y = string.char(a), string.char(b)
        local letters = x:find "%a" and y:find "%a"
        local expected = a == b or letters and x:lower() == y:lower() or false
        if buf.equal_nocase(x, y) ~= expected then error(("%q %q"):format(x, y)) end
      end
    end
  end)

  it("trims spaces and tabs only (RFC 9110 5.6.3)", function()
    assert.equal("a b", buf.trim " \t a b\t ")
    assert.equal("", buf.trim " \t ")
    assert.equal("", buf.trim "")
    assert.equal("\r\na\0", buf.trim " \r\na\0 ")
  end)
end)

describe("base/err", function()
  local list = buf.errors()

  it("has a name and a text for every code of its list, all different", function()
    assert.is_true(#list > 10)
    local names, codes, texts = {}, {}, {}
    for _, row in ipairs(list) do
      assert.same({ row.name, row.text }, { buf.error(row.code) })
      assert.is_truthy(row.name:find "^E[A-Z0-9]+$")
      assert.is_true(#row.text > 0 and not row.text:find "[\r\n%%]")
      assert.is_nil(names[row.name], row.name .. " twice")
      assert.is_nil(codes[row.code], row.code .. " twice")
      assert.is_nil(texts[row.text], row.text .. " twice")
      names[row.name], codes[row.code], texts[row.text] = true, true, true
    end
  end)

  it("begins at -20000, where libuv's codes do not reach", function()
    for _, row in ipairs(list) do assert.is_true(row.code <= -20000 and row.code > -21000) end
  end)

  it("passes libuv's codes on", function()
    assert.same({ "EINVAL", "invalid argument" }, { buf.error(-22) })
    assert.same({ "EOF", "end of file" }, { buf.error(-4095) })
  end)

  it("has a text for an unknown code", function()
    -- libuv has no name for these two of Linux.
    assert.same({ "EDQUOT", "disk quota exceeded" }, { buf.error(-122) })
    assert.same({ "ESTALE", "stale file handle" }, { buf.error(-116) })
    assert.same({ "EUNKNOWN", "unknown error" }, { buf.error(-20999) })
    for _, code in ipairs { 0x7fffffff, 1, -5000, -19999, -20999, -0x7fffffff } do
      assert.same({ "EUNKNOWN", "unknown error" }, { buf.error(code) }, code)
    end
    assert.same({ "EUNKNOWN", "no error" }, { buf.error(0) })
  end)

  it("leaks nothing for an unknown code", function()
    local ws = require "codecs.ws"
    local before = ws.resident()
    -- 200,000 texts of libuv's would be 10 MB. A sanitizer keeps what is freed.
    for code = -300000, -200001 do buf.error(code) end
    local room = (os.getenv "LD_PRELOAD" or ""):find("asan", 1, true) and 200 or 4
    assert.is_true(ws.resident() - before < room << 20)
  end)

  it("gives a text that stays where it is, for any code", function()
    for _, code in ipairs { -20999, -19999, -22, -20000, 0 } do
      local name, text = buf.error_at(code)
      local again, other = buf.error_at(code)
      assert.is_true(name == again and text == other, code)
    end
  end)
end)
