-- SPDX-License-Identifier: MIT
-- ws_spec.lua: src/wire/ws.c, against RFC 6455. Case numbers such as 7.3.2 are those of the public
-- Autobahn list.
local frames = require "spec.ws_frames"
local ws = require "codecs.ws"

local frame, text, close = frames.frame, frames.text, frames.close

-- All events of the pieces, each as a short line; a failure ends them with its close code.
local function collect(pieces, options)
  local reader <close>, events = assert(ws.new(options or {})), {}
  for _, piece in ipairs(pieces) do
    reader:feed(piece)
    repeat
      local got, err, status, why = reader:next()
      if err then
        events[#events + 1] = ("%s %d"):format(err, status)
        assert.is_true(#why > 0)
        reader:feed(text "more")
        assert.same({ nil, err, status, why }, { reader:next() }, "a failure is final")
        return events
      end
      if got then
        events[#events + 1] = got.kind .. (got.binary and " binary" or "")
          .. (got.status and " " .. got.status or "") .. ": " .. got.text
      end
    until not got
  end
  return events
end

-- The same events however the bytes are cut.
local function gives(expected, bytes, options)
  assert.same(expected, collect({ bytes }, options))
  local single = {}
  for i = 1, #bytes do
    single[i] = bytes:sub(i, i)
    if #bytes < 400 then
      assert.same(expected, collect({ bytes:sub(1, i), bytes:sub(i + 1) }, options))
    end
  end
  if #bytes < 4000 then assert.same(expected, collect(single, options)) end
end

local function unmasked(f)
  f.masked = false
  return frame(f)
end

describe("frames", function()
  it("are the examples of RFC 6455 5.7", function()
    gives({ "message: Hello" }, "\x81\x05\x48\x65\x6c\x6c\x6f", { client = true })
    gives({ "message: Hello" }, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    gives({ "message: Hello" }, "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", { client = true })
    gives({ "ping: Hello" }, "\x89\x05\x48\x65\x6c\x6c\x6f", { client = true })
    gives({ "pong: Hello" }, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    local many = ("x"):rep(256)
    gives({ "message binary: " .. many }, "\x82\x7E\x01\x00" .. many,
      { client = true, binary = true })
    many = ("x"):rep(65536)
    gives({ "message binary: " .. many }, "\x82\x7F\0\0\0\0\0\1\0\0" .. many,
      { client = true, binary = true })
  end)

  it("have any size, around each form of the length and of a buffer (1.1, 1.2)", function()
    for _, size in ipairs { 0, 1, 124, 125, 126, 127, 128, 255, 256, 4083, 4084, 4090, 4095, 4096,
      4097, 8192, 65535, 65536, 65537, 200000 } do
      local payload = ("*"):rep(size)
      for _, client in ipairs { false, true } do
        local bytes = frame { op = 1, payload = payload, masked = not client }
        assert.same({ "message: " .. payload, "ping: p" },
          collect({ bytes .. frame { op = 9, payload = "p", masked = not client } },
            { client = client }))
        assert.same({ "message: " .. payload },
          collect({ bytes:sub(1, 9), bytes:sub(10, 5000), bytes:sub(5001) }, { client = client }))
      end
    end
  end)

  it("are unmasked wherever reads cut them (5.3)", function()
    local letters = {}
    for i = 1, 700 do letters[i] = string.char(97 + i * i % 23) end
    for _, size in ipairs { 255, 256, 257, 259, 700 } do
      local payload = table.concat(letters, "", 1, size)
      local bytes = text(payload) .. text "next"
      for cut = 1, #bytes - 1 do
        assert.same({ "message: " .. payload, "message: next" },
          collect { bytes:sub(1, cut), bytes:sub(cut + 1, cut + 5), bytes:sub(cut + 6) })
      end
    end
  end)

  it("are read by many readers at once, each cut anywhere", function()
    local long = ("y"):rep(300)
    local bytes = text "one" .. text(long) .. frame { op = 9, payload = "p" } .. text "last"
    local expected = { "message: one", "message: " .. long, "ping: p", "message: last" }
    for _, step in ipairs { 1, 2, 7, 301 } do
      local readers, events = {}, {}
      for i = 1, 5 do readers[i], events[i] = assert(ws.new {}), {} end
      -- Each is at another place of its bytes, and one of them fails on its way.
      for at = 1, #bytes + 5 * step, step do
        for i, reader in ipairs(readers) do
          local from = at - (i - 1) * step
          local piece = bytes:sub(math.max(1, from), from + step - 1)
          if i == 3 and from > 20 then piece = "\xff\xff" end
          if from >= 1 then
            reader:feed(piece)
            local got = reader:next()
            while got do
              table.insert(events[i], got.kind .. ": " .. got.text)
              got = reader:next()
            end
          end
        end
      end
      for i, list in ipairs(events) do
        if i ~= 3 then assert.same(expected, list) end
      end
    end
  end)

  it("follow each other in one read", function()
    local bytes, expected = {}, {}
    for i = 1, 1000 do
      bytes[i], expected[i] = text("m" .. i), "message: m" .. i
    end
    assert.same(expected, collect { table.concat(bytes) })
  end)

  it("may not set a reserved bit (3.1 to 3.7)", function()
    for rsv = 1, 7 do
      for _, op in ipairs { 1, 2, 8, 9, 10 } do
        gives({ "EFRAME 1002" }, frame { op = op, rsv = rsv, payload = "ab" }, { binary = true })
        gives({ "EFRAME 1002" }, frame { op = op, rsv = rsv }, { binary = true })
      end
      gives({ "EFRAME 1002" }, text("a", { fin = false }) .. frame { op = 0, rsv = rsv })
    end
  end)

  it("have no other opcodes (4.1, 4.2)", function()
    for _, op in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      gives({ "EFRAME 1002" }, frame { op = op })
      gives({ "EFRAME 1002" }, frame { op = op, payload = "x" })
      gives({ "message: a", "EFRAME 1002" }, text "a" .. frame { op = op })
      gives({ "EFRAME 1002" }, text("a", { fin = false }) .. frame { op = op, payload = "b" })
    end
  end)

  it("are masked by clients, and only by them (5.1)", function()
    for _, op in ipairs { 1, 8, 9, 10 } do
      gives({ "EFRAME 1002" }, unmasked { op = op, payload = "ab" })
      gives({ "EFRAME 1002" }, unmasked { op = op })
      gives({ "EFRAME 1002" }, frame { op = op, payload = "ab" }, { client = true })
      gives({ "EFRAME 1002" }, frame { op = op }, { client = true })
    end
    -- Within a message, too.
    gives({ "EFRAME 1002" }, text("a", { fin = false }) .. unmasked { op = 0, payload = "b" })
  end)

  it("have the shortest form of their length (5.2)", function()
    for _, wrong in ipairs { { 0, 16 }, { 125, 16 }, { 0, 64 }, { 125, 64 }, { 126, 64 },
      { 65535, 64 } } do
      gives({ "EFRAME 1002" }, frame { op = 1, payload = ("x"):rep(wrong[1]), form = wrong[2] })
    end
  end)

  it("that claim hostile sizes are refused, and cost no memory", function()
    for _, size in ipairs { (4 << 20) + 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 53,
      math.maxinteger } do
      gives({ "ETOOBIG 1009" }, frame { op = 1, size = size, payload = "x" })
    end
    gives({ "EFRAME 1002" }, frame { op = 1, size = math.mininteger, form = 64, payload = "x" })
    gives({ "EFRAME 1002" }, frame { op = 1, size = -1, form = 64, payload = "x" })
  end)

  it("are refused as soon as their length is known, before any payload", function()
    local limit = { message_limit = 200 }
    local head = frame { op = 1, size = 201 }
    -- Neither the payload nor the masking key is waited for.
    for size = 4, #head do gives({ "ETOOBIG 1009" }, head:sub(1, size), limit) end
    gives({ "ETOOBIG 1009" }, frame({ op = 1, size = 1 << 40 }):sub(1, 10))
    gives({ "ETOOBIG 1009" }, unmasked { op = 1, size = 201 },
      { client = true, message_limit = 200 })
    -- The sum of the fragments counts.
    local begun = text(("x"):rep(150), { fin = false })
    gives({ "ETOOBIG 1009" }, begun .. frame({ op = 0, size = 51 }):sub(1, 2), limit)
    gives({ "ETOOBIG 1009" }, unmasked { op = 1, payload = ("x"):rep(150), fin = false }
      .. unmasked { op = 0, size = 51 }, { client = true, message_limit = 200 })
    gives({}, begun .. frame { op = 0, size = 50 }, limit)
  end)

  it("are refused by what else their head says, before any payload", function()
    gives({ "EFRAME 1002" }, frame({ op = 3, size = 100 }):sub(1, 2))
    gives({ "EFRAME 1002" }, frame({ op = 1, size = 100, rsv = 4 }):sub(1, 2))
    gives({ "EFRAME 1002" }, unmasked { op = 1, size = 100 })
    gives({ "EFRAME 1002" }, frame({ op = 1, size = 100 }):sub(1, 2), { client = true })
    gives({ "EFRAME 1003" }, frame({ op = 2, size = 100 }):sub(1, 2))
    gives({ "EFRAME 1002" }, frame({ op = 9, size = 126 }):sub(1, 2))
    gives({ "EFRAME 1002" }, frame({ op = 8, size = 100, fin = false }):sub(1, 2))
    gives({ "EFRAME 1002" }, frame({ op = 0, size = 100 }):sub(1, 2))
    gives({ "ETOOBIG 1009" }, text("", { fin = false })
      .. frame({ op = 0, size = 100 }):sub(1, 2), { fragments = 1 })
  end)

  it("that claim much within the limit take memory as it comes", function()
    local readers = {}
    local before = ws.resident()
    for i = 1, 200 do
      readers[i] = assert(ws.new {})
      readers[i]:feed(frame { op = 1, size = 4 << 20, payload = ("x"):rep(5000) })
      assert.is_false(readers[i]:next())
    end
    -- 800 MiB have been promised. A sanitizer keeps what is freed.
    local room = (os.getenv "LD_PRELOAD" or ""):find("asan", 1, true) and 200 or 32
    assert.is_true(ws.resident() - before < room << 20)
    for _, reader in ipairs(readers) do reader:__close() end
  end)
end)

describe("control frames", function()
  it("carry up to 125 bytes, and no more (2.3, 2.5)", function()
    local most = ("\xfe"):rep(125)
    gives({ "ping: " .. most }, frame { op = 9, payload = most })
    for _, op in ipairs { 8, 9, 10 } do
      gives({ "EFRAME 1002" }, frame { op = op, payload = ("x"):rep(126) })
      gives({ "EFRAME 1002" }, frame { op = op, payload = ("x"):rep(70000) })
    end
  end)

  it("are not fragmented (5.1, 5.2)", function()
    for _, op in ipairs { 8, 9, 10 } do
      gives({ "EFRAME 1002" }, frame { op = op, fin = false })
      gives({ "EFRAME 1002" }, frame { op = op, fin = false, payload = "ab" })
    end
  end)

  it("come between the fragments of a message (5.6 to 5.8)", function()
    gives({ "ping: x", "pong: y", "message: fragment" },
      text("frag", { fin = false }) .. frame { op = 9, payload = "x" }
      .. frame { op = 0, payload = "m", fin = false } .. frame { op = 10, payload = "y" }
      .. frame { op = 0, payload = "ent" })
  end)

  it("that close end it, whatever follows (7.1)", function()
    gives({ "close 1000: " }, close(1000) .. text "late" .. frame { op = 9 } .. "\xff\xff")
    gives({ "close 1001: bye" }, text("half", { fin = false }) .. close(1001, "bye")
      .. frame { op = 0, payload = "x" })
  end)

  it("that close say nothing, or a code and a reason in UTF-8 (7.3)", function()
    gives({ "close 1005: " }, close())
    gives({ "close 1000: " }, close(1000))
    local reason = ("x"):rep(123)
    gives({ "close 4999: " .. reason }, close(4999, reason))
    gives({ "close 1000: Käse \u{1F9C0}" }, close(1000, "Käse \u{1F9C0}"))
    gives({ "EUTF8 1007" }, close(1000, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80"))
    gives({ "EUTF8 1007" }, close(1000, "\xff\xfe"))
    gives({ "EUTF8 1007" }, close(1000, "cut \xe2\x82"))
  end)

  it("that close with one byte are wrong (7.3.2, RFC 6455 5.5.1)", function()
    gives({ "EFRAME 1002" }, frame { op = 8, payload = "a" })
    gives({ "EFRAME 1002" }, frame { op = 8, payload = "\3" })
  end)

  it("may say these codes and no others (7.7, 7.9, 7.13)", function()
    local good = {}
    for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
      3000, 3999, 4000, 4999 } do
      good[code] = true
    end
    for _, code in ipairs { 0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009,
      1010, 1011, 1012, 1013, 1014, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000,
      65535 } do
      gives({ good[code] and ("close %d: "):format(code) or "EFRAME 1002" }, close(code))
      assert.equal(good[code] or false, ws.may_say(code))
    end
  end)
end)

describe("messages", function()
  it("come in fragments, in order (5.3 to 5.20)", function()
    local f = frames
    gives({ "message: abc" }, text("a", { fin = false })
      .. frame { op = f.CONTINUATION, payload = "b", fin = false }
      .. frame { op = f.CONTINUATION, payload = "c" })
    gives({ "message: " }, text("", { fin = false }) .. frame { op = 0, fin = false }
      .. frame { op = 0 })
    gives({ "message: x" }, text("", { fin = false })
      .. frame { op = 0, payload = "x", fin = false } .. frame { op = 0 })
    gives({ "EFRAME 1002" }, frame { op = 0, payload = "x" })
    gives({ "EFRAME 1002" }, frame { op = 0, payload = "x", fin = false })
    gives({ "EFRAME 1002" }, text("a", { fin = false }) .. text "b")
    gives({ "message: ab", "EFRAME 1002" }, text("a", { fin = false })
      .. frame { op = 0, payload = "b" } .. frame { op = 0, payload = "c" })
  end)

  it("are text; binary ones are refused with 1003 (WS-02, WS-11)", function()
    gives({ "EFRAME 1003" }, frame { op = 2, payload = "x" })
    gives({ "EFRAME 1003" }, frame { op = 2, fin = false })
    gives({ "message binary: \xff\0" }, frame { op = 2, payload = "\xff\0" }, { binary = true })
  end)

  it("have a limit over all fragments, 1009 (WS-11)", function()
    local limit = { message_limit = 10 }
    gives({ "message: 0123456789" }, text "0123456789", limit)
    gives({ "ETOOBIG 1009" }, text "0123456789a", limit)
    gives({ "message: 0123456789" }, text("01234", { fin = false })
      .. frame { op = 0, payload = "56789", fin = false } .. frame { op = 0 }, limit)
    gives({ "ETOOBIG 1009" }, text("01234", { fin = false })
      .. frame { op = 0, payload = "56789a" }, limit)
    gives({ "ETOOBIG 1009" }, text("01234", { fin = false })
      .. frame { op = 0, size = math.maxinteger, payload = "x" }, limit)
    -- Each has its own; pings do not count.
    gives({ "message: 012345", "ping: abcdefghijk", "message: 012345" },
      text "012345" .. frame { op = 9, payload = "abcdefghijk" } .. text "012345", limit)
  end)

  it("of 4 MiB are read, one byte more is not", function()
    local big = ("x"):rep(ws.LENGTH)
    assert.equal(4 << 20, ws.LENGTH)
    assert.same({ "message: " .. big }, collect { text(big) })
    assert.same({ "ETOOBIG 1009" }, collect { text(big .. "x") })
  end)

  it("have so many fragments and no more, 1009 (WS-11)", function()
    assert.equal(1024, ws.FRAGMENTS)
    local function fragments(n, payload)
      return text(payload, { fin = false })
        .. frame { op = 0, payload = payload, fin = false }:rep(n - 2)
        .. frame { op = 0, payload = payload }
    end
    assert.same({ "message: " .. ("x"):rep(1024) }, collect { fragments(1024, "x") })
    assert.same({ "ETOOBIG 1009" }, collect { fragments(1025, "x") })
    assert.same({ "ETOOBIG 1009" }, collect { fragments(1025, "") })
    assert.same({ "message: " }, collect({ fragments(3, "") }, { fragments = 3 }))
    assert.same({ "ETOOBIG 1009" }, collect({ fragments(4, "") }, { fragments = 3 }))
    assert.same({ "message: xxx", "message: xxx" },
      collect({ fragments(3, "x"):rep(2) }, { fragments = 3 }))
  end)
end)

describe("text", function()
  -- From section 6 of the Autobahn list: all that is UTF-8, and its neighbours that are not.
  local GOOD = { "κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\0", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}",
    "\u{ffff}", "\u{10000}", "\u{10ffff}", "\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{fffe}",
    "\u{1fffe}", "\u{10fffe}", "a\u{20ac}b\u{1d11e}c", ("\u{20ac}"):rep(50) }
  local BAD = { "\x80", "\xbf", "\x80\xbf\x80", "\xc0", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
    "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf8\x88\x80\x80\x80",
    "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\xfe\xfe\xff\xff", "\xed\xa0\x80", "\xed\xbf\xbf",
    "\xed\xa0\x80\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf7\xbf\xbf\xbf",
    "\xc3", "\xe2\x82", "\xf0\x9f\xa7", "\xc3(", "\xe2(\xa1", "\xe2\x82(", "\xf0(\x8c\xbc",
    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited" }

  it("is UTF-8, in one frame and over fragments cut anywhere (6)", function()
    for _, good in ipairs(GOOD) do
      assert.same({ "message: " .. good }, collect { text(good) })
      for i = 0, #good do
        local bytes = text(good:sub(1, i), { fin = false })
          .. frame { op = 9 } .. frame { op = 0, payload = good:sub(i + 1) }
        assert.same({ "ping: ", "message: " .. good }, collect { bytes })
      end
      local single = { text("", { fin = false }) }
      for i = 1, #good do
        single[#single + 1] = frame { op = 0, payload = good:sub(i, i), fin = false }
      end
      single[#single + 1] = frame { op = 0 }
      assert.same({ "message: " .. good }, collect { table.concat(single) })
    end
  end)

  it("that is not gets 1007, in one frame and over fragments cut anywhere (6, WS-11)", function()
    for _, bad in ipairs(BAD) do
      for _, around in ipairs { bad, "before " .. bad, bad .. " after", ("a"):rep(40) .. bad } do
        gives({ "EUTF8 1007" }, text(around))
        for i = 0, #around do
          assert.same({ "EUTF8 1007" }, collect { text(around:sub(1, i), { fin = false })
            .. frame { op = 0, payload = around:sub(i + 1) } })
        end
      end
    end
  end)

  it("that cannot become UTF-8 any more is refused at once (6.3, 6.4)", function()
    for _, bad in ipairs { "\x80", "\xc0", "\xe0\x80", "\xed\xa0", "\xf0\x80", "\xf4\x90", "\xf5",
      "ok\xff", "\xe2\x28" } do
      assert.same({ "EUTF8 1007" }, collect { text(bad, { fin = false }) }, bad)
      -- In the middle of a frame that is not whole yet.
      assert.same({ "EUTF8 1007" }, collect { text(bad .. ("x"):rep(100)):sub(1, 6 + #bad) }, bad)
    end
    for _, good in ipairs { "\xc3", "\xe0", "\xe0\xa0", "\xed", "\xed\x9f", "\xf0\x90",
      "\xf4\x8f\xbf", "\xf0" } do
      assert.same({}, collect { text(good, { fin = false }) }, good)
    end
  end)

  it("is not asked of binary messages", function()
    for _, bad in ipairs(BAD) do
      assert.same({ "message binary: " .. bad },
        collect({ frame { op = 2, payload = bad } }, { binary = true }))
    end
  end)
end)

describe("writing", function()
  it("gives what can be read again, whatever stands before it", function()
    for _, size in ipairs { 0, 1, 7, 8, 9, 124, 125, 126, 127, 65535, 65536, 100000 } do
      local payload = ("payload "):rep(size // 8 + 1):sub(1, size)
      for _, client in ipairs { false, true } do
        for _, op in ipairs { 1, 2 } do
          local bytes = assert(ws.write(op, payload, client, "before"))
          assert.equal("before", bytes:sub(1, 6))
          local f, after = frames.read(bytes, 7)
          assert.equal(#bytes + 1, after)
          assert.equal(size > 65535 and 8 or size > 125 and 2 or 0, f.form)
          assert.same({ true, 0, op, client, payload }, { f.fin, f.rsv, f.op, f.masked, f.payload })
        end
      end
    end
  end)

  it("masks each frame of a client with a key of its own", function()
    local seen = {}
    for _ = 1, 200 do
      local f = frames.read(assert(ws.write(1, "x", true)))
      seen[f.key] = true
    end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.is_true(count >= 199)
  end)

  it("closes with a code and a reason, which is cut between characters", function()
    for _, client in ipairs { false, true } do
      local f = frames.read(ws.write_close(1001, "bye", client))
      assert.same({ 8, 1001, "bye", client }, { f.op, f.status, f.reason, f.masked })
      f = frames.read(ws.write_close(1005, "ignored", client))
      assert.same({ 8, "" }, { f.op, f.payload })
    end
    for n = 118, 123 do
      local f = frames.read(ws.write_close(1000, ("x"):rep(n) .. "\u{20ac}\u{20ac}"))
      assert.is_true(#f.payload <= 125)
      assert.is_truthy(utf8.len(f.reason))
      assert.equal(("x"):rep(n), f.reason:sub(1, n))
      assert.is_true(#f.reason > 120)
    end
  end)
end)
