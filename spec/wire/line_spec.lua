-- SPDX-License-Identifier: MIT
local at_random = require("spec.wire.pieces").at_random
local buf = require "codecs.buf"
local line = require "codecs.line"

--- What the reader has to say about `bytes`, found the slow way.
local function model(bytes, limit)
  local events = {}
  for text, lf in (bytes .. "\0end"):gmatch "([^\n]*)(\n?)" do
    if lf == "" then text = text:gsub("\0end$", "") end
    text = text:gsub("\r$", "")
    if limit and #text > limit then
      events[#events + 1] = "too_long:"
    elseif text ~= "" then
      events[#events + 1] = "text:" .. text
    end
    if lf == "" then break end
  end
  return events
end

local function collect(pieces, limit)
  local reader, events = line.new(limit), {}
  local function take(step)
    local kind, text = reader[step](reader)
    if kind == "more" then return false end
    -- How much of a long line is shown depends on the pieces.
    events[#events + 1] = kind .. ":" .. (kind == "text" and text or "")
    return true
  end
  for _, piece in ipairs(pieces) do
    reader:feed(piece)
    while take "next" do end -- luacheck: ignore 542
    local kept = reader:held()
    assert.is_true(kept <= (limit or line.LENGTH), "kept more than the limit")
  end
  while take "finish" do end -- luacheck: ignore 542
  return events
end

--- The same events however the bytes are cut.
local function gives(events, bytes, limit)
  assert.same(events, collect({ bytes }, limit))
  local single = {}
  for i = 1, #bytes do
    single[i] = bytes:sub(i, i)
    assert.same(events, collect({ bytes:sub(1, i), bytes:sub(i + 1) }, limit))
  end
  assert.same(events, collect(single, limit))
  for most = 2, 6 do assert.same(events, collect(at_random(bytes, most), limit)) end
end

describe("wire/line", function()
  before_each(function() math.randomseed(20241105) end)

  it("IO-01: gives one text per line, without the LF", function()
    gives({ 'text:{"a":1}', "text:[]" }, '{"a":1}\n[]\n')
  end)

  it("IO-07: drops one CR before the LF, and only that one", function()
    gives({ "text:a", "text:b\r", "text:\rc", "text:d\re" }, "a\r\nb\r\r\n\rc\nd\re\r\n")
  end)

  it("IO-07: skips empty lines of both kinds", function()
    gives({ "text:a", "text:b" }, "\n\r\n\n\na\n\r\n\r\nb\n\n")
    gives({}, "\n\r\n")
    gives({}, "")
  end)

  it("gives a last line without LF at the end of input, and no empty one", function()
    gives({ "text:a", "text:b" }, "a\nb")
    gives({ "text:a" }, "a\r")
    gives({}, "\r")
    gives({ "text:\r" }, "\r\r")
  end)

  it("starts afresh after the end of input", function()
    local reader = line.new()
    for _, left in ipairs { "\r", "a\r" } do
      reader:feed(left)
      repeat local kind = reader:finish() until kind == "more"
      reader:feed "b\n"
      assert.same({ "text", "b", true }, { reader:next() })
    end
  end)

  it("gives nothing for a line before its end has come", function()
    local reader = line.new()
    reader:feed "abc"
    assert.equal("more", (reader:next()))
    assert.equal("more", (reader:next()))
    reader:feed "def\n"
    assert.same({ "text", "abcdef", false }, { reader:next() })
  end)

  it("IO-08: passes NUL and bad UTF-8 through, the JSON reader refuses them", function()
    gives({ "text:a\0b", "text:\0", "text:\xFF\xC0" }, "a\0b\n\0\n\xFF\xC0\n")
  end)

  it("does not copy a line that lies whole in the feed", function()
    local reader = line.new()
    reader:feed "whole\r\nsecond\npart"
    assert.same({ "text", "whole", true }, { reader:next() })
    assert.same({ "text", "second", true }, { reader:next() })
    assert.equal("more", (reader:next()))
    assert.equal(4, (reader:held()))
    reader:feed "ial\nthird\n"
    assert.same({ "text", "partial", false }, { reader:next() })
    assert.same({ "text", "third", true }, { reader:next() })
  end)

  describe("the limit", function()
    it("counts the text and not its end", function()
      gives({ "text:1234" }, "1234\n", 4)
      gives({ "text:1234" }, "1234\r\n", 4)
      gives({ "text:1234" }, "1234", 4)
      gives({ "too_long:" }, "12345\n", 4)
      gives({ "too_long:" }, "1234\r\r\n", 4)
      gives({ "too_long:" }, "12345", 4)
    end)

    it("IO-07: says TOO_LONG once, skips to the LF, and goes on", function()
      gives({ "text:ab", "too_long:", "text:cd", "too_long:", "text:e" },
        "ab\n" .. ("x"):rep(50) .. "\r\ncd\n" .. ("\r"):rep(20) .. "\ne\n", 4)
    end)

    it("keeps nothing of a line that is too long", function()
      local reader = line.new(64 * 1024)
      reader:feed(("x"):rep(60 * 1024))
      assert.equal("more", (reader:next()))
      assert.equal(60 * 1024, (reader:held()))
      reader:feed(("x"):rep(60 * 1024))
      assert.equal("too_long", (reader:next()))
      assert.equal("more", (reader:next()))
      assert.same({ 0, 0 }, { reader:held() })
    end)

    it("is passed with the beginning of the line, at most that long", function()
      local reader = line.new(8)
      reader:feed "abc"
      assert.equal("more", (reader:next()))
      reader:feed "defghijkl\nok\n"
      assert.same({ "too_long", "abc", false }, { reader:next() })
      assert.same({ "text", "ok", true }, { reader:next() })
      reader:feed "abcdefghijkl\n"
      assert.same({ "too_long", "abcdefgh", true }, { reader:next() })
      assert.equal("more", (reader:next()))
    end)

    it("is 4 MiB by default: 10 MiB without LF cost no more than that", function()
      local reader, piece, said = line.new(), ("x"):rep(64 * 1024), 0
      assert.equal(4 * 1024 * 1024, line.LENGTH)
      for _ = 1, 160 do
        reader:feed(piece)
        if reader:next() == "too_long" then said = said + 1 end
        assert.equal("more", (reader:next()))
        assert.is_true(select(2, reader:held()) <= line.LENGTH)
      end
      assert.equal(1, said)
      reader:feed "x\nok\n"
      assert.same({ "text", "ok", true }, { reader:next() })
    end)

    it("takes a line of exactly 4 MiB, fed in pieces", function()
      local reader, piece = line.new(), ("y"):rep(64 * 1024)
      for _ = 1, 64 do
        reader:feed(piece)
        assert.equal("more", (reader:next()))
      end
      reader:feed "\r"
      assert.equal("more", (reader:next()))
      reader:feed "\n"
      local kind, text = reader:next()
      assert.equal("text", kind)
      assert.is_true(text == piece:rep(64))
    end)
  end)

  it("gives the memory of a big line back", function()
    local reader = line.new()
    reader:feed(("x"):rep(1024 * 1024))
    reader:next()
    reader:feed "\n"
    assert.equal("text", (reader:next()))
    assert.equal("more", (reader:next()))
    local len, cap = reader:held()
    assert.equal(0, len)
    assert.is_true(cap <= 4096, "an idle reader holds " .. cap .. " bytes")
  end)

  it("reads a million empty lines in no time", function()
    local bytes, started = ("\r\n"):rep(1000000) .. "x\n", os.clock()
    assert.same({ "text:x" }, collect { bytes })
    assert.is_true(os.clock() - started < 5)
  end)

  -- Only a build with MCP_MEM_FAULTS can let memory fail.
  if buf.fail(0, false) then
    it("can be asked again after ENOMEM, and nothing is lost", function()
      local reader, texts = line.new(), {}
      for _, piece in ipairs { "one\ntw\r", ("o"):rep(1000), ("o"):rep(9000) .. "\r", "\nthree" } do
        reader:feed(piece)
        repeat
          buf.fail(1, false)
          local kind, text = reader:next()
          buf.fail(0, false)
          if kind == nil then
            assert.equal("ENOMEM", text)
            kind, text = reader:next()
          end
          if kind == "text" then texts[#texts + 1] = text end
        until kind == "more"
      end
      assert.same({ "one", "tw\r" .. ("o"):rep(10000) }, texts)
      assert.same({ "text", "three", false }, { reader:finish() })
    end)
  end

  it("agrees with the slow way on random bytes, limits and cuts", function()
    local letters = { "a", "bb", "\r", "\n", "\n", "\r\n", "\0", "é" }
    for _ = 1, 3000 do
      local parts = {}
      for i = 1, math.random(0, 24) do parts[i] = letters[math.random(#letters)] end
      local bytes, limit = table.concat(parts), math.random(1, 8)
      assert.same(model(bytes, limit), collect(at_random(bytes, 5), limit))
    end
  end)
end)
