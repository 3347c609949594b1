-- SPDX-License-Identifier: MIT
local at_random = require("spec.wire.pieces").at_random
local sse = require "codecs.sse"
local buf = require "codecs.buf"

--- An event as a spec writes it: only what differs from an empty one.
local function event(fields)
  return {
    name = fields.name or "",
    data = fields.data or "",
    id = fields.id or "",
    has_id = fields.has_id or false,
    retry = fields.retry or -1,
  }
end

--- All events of the pieces; an error ends them with its name.
local function collect(pieces, limit)
  local reader, events = assert(sse.new(limit)), {}
  for _, piece in ipairs(pieces) do
    reader:feed(piece)
    repeat
      local got, err = reader:next()
      if err then
        events[#events + 1] = err
        assert.same({ nil, err }, { reader:next() }, "an error is final")
        reader:feed "data: x\n\n"
        assert.same({ nil, err }, { reader:next() }, "an error is final")
        return events
      end
      if got then
        got.in_feed = nil
        events[#events + 1] = got
      end
    until not got
  end
  return events
end

--- The same events however the bytes are cut.
local function gives(expected, bytes, limit)
  local events = {}
  for i, e in ipairs(expected) do events[i] = type(e) == "table" and event(e) or e end
  assert.same(events, collect({ bytes }, limit))
  local single = {}
  for i = 1, #bytes do
    single[i] = bytes:sub(i, i)
    assert.same(events, collect({ bytes:sub(1, i), bytes:sub(i + 1) }, limit))
  end
  assert.same(events, collect(single, limit))
  for most = 2, 6 do assert.same(events, collect(at_random(bytes, most), limit)) end
end

describe("wire/sse reading (HTML 9.2.5, 9.2.6)", function()
  before_each(function() math.randomseed(20250326) end)

  it("reads the fields of an event", function()
    gives(
      { { name = "message", data = '{"a":1}', id = "7", has_id = true, retry = 2000 } },
      'event: message\nid: 7\nretry: 2000\ndata: {"a":1}\n\n')
  end)

  it("ends lines at LF, CR and CRLF, mixed and cut", function()
    for _, eol in ipairs { "\n", "\r", "\r\n" } do
      gives({ { name = "a", data = "1\n2" }, { data = "3" } },
        (("event: a|data: 1|data: 2||data: 3||"):gsub("|", eol)))
    end
    gives({ { data = "1\n2\n3" }, { data = "4" } },
      "data: 1\rdata: 2\r\ndata: 3\n\r\ndata: 4\r\r")
  end)

  it("takes LF CR as two line ends", function()
    gives({ { data = "1" }, { data = "2" } }, "data: 1\n\rdata: 2\n\r")
  end)

  it("gives the event at the CR of its empty line, without waiting for an LF", function()
    local reader = sse.new()
    reader:feed "data: 1\r\n\r"
    assert.equal("1", reader:next().data)
    assert.is_false(reader:next())
    reader:feed "\ndata: 2\r\n\r\n"
    assert.equal("2", reader:next().data)
    assert.is_false(reader:next())
  end)

  it("skips one BOM at the start and only there", function()
    gives({ { data = "1" } }, "\xEF\xBB\xBFdata: 1\n\n")
    gives({ { data = "1" } }, "\xEF\xBB\xBF\ndata: 1\n\n")
    gives({}, "\xEF\xBB\xBF\xEF\xBB\xBFdata: 1\n\n")
    gives({}, "\n\xEF\xBB\xBFdata: 1\n\n")
    gives({ { data = "\xEF\xBB\xBF1" } }, "data: \xEF\xBB\xBF1\n\n")
    gives({}, "\xEF\xBB\x80data: 1\n\n") -- U+FEC0 begins like a BOM
  end)

  it("drops one leading space of a value, and no more", function()
    gives({ { data = "1" }, { data = "1" }, { data = " 1 " }, { data = "\t1" } },
      "data:1\n\ndata: 1\n\ndata:  1 \n\ndata:\t1\n\n")
  end)

  it("takes a line without colon as a field with an empty value", function()
    gives({ { data = "" }, { data = "\n" } }, "data\n\ndata\ndata\n\n")
    gives({ { id = "1", has_id = true }, { id = "", has_id = true } }, "id: 1\n\nid\n\n")
  end)

  it("cuts at the first colon only", function()
    gives({ { data = "a: b:c" } }, "data:a: b:c\n\n")
  end)

  it("ignores fields it does not know; names have case and no spaces", function()
    gives({ { data = "1" } },
      "Data: 2\n data: 3\ndata : 4\nfoo: 5\nfoo\nDATA: 6\ndatax: 7\ndat: 8\ndata: 1\n\n")
    gives({}, "foo: 1\n\n")
  end)

  it("HL-26, HM-66: ignores comments, also in the middle of an event", function()
    gives({ { data = "1\n2" } }, ": ping\n\n:\n\n:data: 0\n\ndata: 1\n: ping\ndata: 2\n\n")
    gives({}, ": ping\n\n: ping\r\r")
  end)

  it("joins data lines by LF", function()
    gives({ { data = "\n\na\n" } }, "data:\ndata\ndata: a\ndata: \n\n")
  end)

  it("says nothing for empty lines alone", function()
    gives({ { data = "1" } }, "\n\n\r\n\r\rdata: 1\n\n\n\n")
  end)

  it("HL-23: gives the priming event, an id and empty data", function()
    gives({ { id = "p1", has_id = true } }, "id: p1\ndata: \n\n")
    gives({ { id = "p1", has_id = true } }, "id: p1\n\n")
  end)

  it("HL-24: gives a retry that comes alone, and it belongs to that event only", function()
    gives({ { retry = 2000 }, { data = "1" } }, "retry: 2000\n\ndata: 1\n\n")
  end)

  it("gives an event that has a name only; the last name counts, for that event", function()
    gives({ { name = "b" }, { data = "1" } }, "event: a\nevent: b\n\ndata: 1\n\n")
    gives({ { name = "", data = "1" } }, "event: a\nevent\ndata: 1\n\n")
  end)

  it("carries the last id over to later events", function()
    gives({
      { id = "1", has_id = true, data = "a" },
      { id = "1", data = "b" },
      { id = "", has_id = true, data = "c" },
      { id = "", data = "d" },
    }, "id: 1\ndata: a\n\ndata: b\n\nid:\ndata: c\n\ndata: d\n\n")
  end)

  it("ignores an id that holds NUL", function()
    gives({ { id = "1", has_id = true }, { id = "1", data = "a" } },
      "id: 1\n\nid: 2\0\ndata: a\n\nid: \0\n\n")
  end)

  it("reads retry of digits only, and bounds it", function()
    for _, bad in ipairs { "-1", "+1", "1.5", "1e3", "", " 5", "5 ", "0x10", "٣", "5:", "1\0" } do
      gives({}, "retry: " .. bad .. "\n\n")
    end
    gives({ { retry = 0 }, { retry = 7 } }, "retry: 0\n\nretry:007\n\n")
    assert.equal(86400000, sse.RETRY)
    gives({ { retry = 86400000 } }, "retry: 86400001\n\n")
    gives({ { retry = 86399999 } }, "retry: 86399999\n\n")
    gives({ { retry = sse.RETRY } }, "retry: 99999999999999999999999999999999\n\n")
    gives({ { retry = sse.RETRY } }, "retry: 18446744073709551617\n\n")
    gives({ { retry = 3 } }, "retry: 3\nretry: x\n\n")
  end)

  it("does not give an event that the end of the stream cuts", function()
    gives({ { data = "1" } }, "data: 1\n\ndata: 2\n")
    gives({}, "data: 2")
    gives({}, "id: 3\ndata: 2\n")
  end)

  it("passes NUL and other controls in data through, for JSON to judge", function()
    gives({ { data = "a\0b\x1Bc" } }, "data: a\0b\x1Bc\n\n")
  end)

  it("hands data out of the feed where it lies whole in it", function()
    local reader = sse.new()
    reader:feed "data: whole\n\ndata: 1\ndata: 2\n\ndata: cut"
    assert.is_true(reader:next().in_feed)
    local second = reader:next()
    assert.same({ "1\n2", false }, { second.data, second.in_feed })
    assert.is_false(reader:next())
    reader:feed "\n"
    assert.is_false(reader:next())
    reader:feed "\n"
    assert.equal("cut", reader:next().data)
  end)

  it("keeps data alive when its event goes on in the next feed", function()
    local reader = sse.new()
    for _, piece in ipairs { "data: one\n", "da", "ta: two\nevent: e\n" } do
      reader:feed(piece)
      assert.is_false(reader:next())
    end
    reader:feed "\n"
    local got = reader:next()
    assert.same({ "one\ntwo", "e" }, { got.data, got.name })
  end)
end)

describe("wire/sse and bad streams", function()
  it("refuses bad UTF-8 in any line, comments too", function()
    for _, bad in ipairs {
      "\x80", "\xFF", "\xC0\x80", "\xC3", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80",
    } do
      gives({ { data = "1" }, "EUTF8" }, "data: 1\n\ndata: " .. bad .. "\n\n")
      gives({ "EUTF8" }, ": " .. bad .. "\ndata: 1\n\n")
      gives({ "EUTF8" }, "id: " .. bad .. "\ndata: 1\n\n")
    end
    gives({ { data = "é€𝄞" } }, "data: é€𝄞\n\n")
  end)

  it("bounds an event: its line, its lines together, its name and id", function()
    gives({ { data = "1234" } }, "data: 1234\n\n", 10)
    gives({ "ETOOBIG" }, "data: 12345\n\n", 10)
    gives({ "ETOOBIG" }, "data: 12345", 10)
    gives({ "ETOOBIG" }, ": 123456789\n\n", 10)
    gives({ { data = "1\n2" }, { data = "3\n4" } }, "data:1\ndata:2\n\ndata:3\ndata:4\n\n", 10)
    gives({ "ETOOBIG" }, "data:1\ndata:2\ndata:3\ndata:4\n\n", 10)
    gives({ "ETOOBIG" }, "event:1234\ndata:12\n\n", 10)
    gives({ { name = "1234", data = "1" } }, "event:1234\ndata:1\n\n", 10)
    gives({ "ETOOBIG" }, "id:1234567\ndata:\n\n", 10)
  end)

  it("counts the same with a BOM and for every cut", function()
    gives({ { data = "12345" } }, "\xEF\xBB\xBFdata:12345\n\n", 13)
    gives({ "ETOOBIG" }, "\xEF\xBB\xBFdata:12345\n\n", 12)
  end)

  it("does not count an id of before, nor comments that are over", function()
    local expected = { { id = "12345", has_id = true } }
    for i = 1, 20 do expected[i + 1] = { id = "12345", data = "12345" } end
    gives(expected, "id:12345\n\n" .. (":12345678\ndata:12345\n\n"):rep(20), 10)
  end)

  it("stops at 4 MiB without a newline", function()
    local reader, piece = sse.new(), ("x"):rep(64 * 1024)
    assert.equal(4 * 1024 * 1024, sse.LENGTH)
    reader:feed "data:"
    assert.is_false(reader:next())
    for i = 1, 160 do
      reader:feed(piece)
      local got, err = reader:next()
      if i < 64 then
        assert.is_false(got)
      else
        assert.same({ nil, "ETOOBIG" }, { got, err })
      end
    end
  end)

  it("stops at data lines without end, with and without text", function()
    for _, line in ipairs { "data\n", "data: xxxxxxxxxxxxxxxx\r\n" } do
      local reader, piece, n, err = sse.new(100000), line:rep(1000), 0
      repeat
        reader:feed(piece)
        err = select(2, reader:next())
        n = n + 1
      until err or n > 200
      assert.equal("ETOOBIG", err)
    end
  end)

  -- Milliseconds each; searching for the LF again at every line takes half a minute.
  it("reads a million empty lines, comments and CR lines in no time", function()
    for _, unit in ipairs { "\n", "\r", "\r\n", ":\n", ": ping\r", "foo\n", "event\r" } do
      local reader, started = sse.new(), os.clock()
      reader:feed(unit:rep(1000000) .. "data: 1\n\n")
      local got = reader:next()
      assert.equal("1", got.data)
      assert.is_true(os.clock() - started < 5, "slow: " .. ("%q"):format(unit))
    end
  end)

  it("agrees with itself on random fields, line ends and cuts", function()
    math.randomseed(20250618)
    local bits = {
      "data", "data:", "data: ", "id: ", "event:", "retry: ", ":", "x", "é", "\r", "\n", "\r\n",
      "\n\n", "12", "\0", " ", "\xEF\xBB\xBF",
    }
    for _ = 1, 2000 do
      local parts = {}
      for i = 1, math.random(0, 40) do parts[i] = bits[math.random(#bits)] end
      local bytes, limit = table.concat(parts), math.random(6, 40)
      local whole = collect({ bytes }, limit)
      assert.same(whole, collect(at_random(bytes, 1), limit))
      assert.same(whole, collect(at_random(bytes, 9), limit))
    end
  end)
end)

describe("wire/sse writing", function()
  it("writes fields in a fixed order and leaves out what is empty", function()
    assert.equal("event: message\nid: 7\nretry: 2000\ndata: {}\n\n",
      sse.write("{}", "message", "7", 2000))
    assert.equal("data: {}\n\n", sse.write "{}")
    assert.equal("data: {}\n\n", sse.write("{}", "", "", -1))
    assert.equal("id: 7\ndata: {}\n\n", sse.write("{}", nil, "7"))
    assert.equal("retry: 0\ndata: \n\n", sse.write("", nil, nil, 0))
    assert.equal("retry: 9223372036854775807\ndata: \n\n", sse.write("", nil, nil, math.maxinteger))
  end)

  it("HL-23: writes a priming event that the reader understands", function()
    gives({ { id = "s/1", has_id = true, retry = 500 } }, sse.write("", nil, "s/1", 500))
  end)

  it("refuses CR, LF and NUL in name and id, and writes nothing then", function()
    for _, bad in ipairs { "\r", "\n", "\0", "a\nb", "a\r", "\0a", "x\r\ndata: forged" } do
      assert.same({ nil, "ESSE", "" }, { sse.write("{}", bad) })
      assert.same({ nil, "ESSE", "" }, { sse.write("{}", "ok", bad) })
    end
  end)

  it("HL-29: writes comments, and refuses those that would be more", function()
    assert.equal(": ping\n\n", sse.comment "ping")
    assert.equal(":\n\n", sse.comment "")
    for _, bad in ipairs { "\n", "\r", "ping\n\ndata: forged", "ping\rdata: forged" } do
      assert.same({ nil, "ESSE", "" }, { sse.comment(bad) })
    end
    gives({}, sse.comment "data: 1")
  end)

  it("reads back what it wrote", function()
    gives({
      { name = "a b", data = " {} ", id = "é", has_id = true, retry = 12 },
      { data = ":", id = "é" },
    }, sse.comment "x" .. sse.write(" {} ", "a b", "é", 12) .. sse.write ":")
  end)
end)

describe("wire/sse without memory", function()
  -- Only a build with MCP_MEM_FAULTS can let memory fail.
  if not buf.fail(0, false) then return end

  it("ends with ENOMEM at every allocation and gives everything back", function()
    local bytes = "id: 12\nevent: e\ndata: 1\ndata: 2\n\ndata: " .. ("x"):rep(5000) .. "\n\n"
    local pieces = at_random(bytes, 300)
    local before, n, failed = buf.memory(), 0
    repeat
      n = n + 1
      failed = false
      buf.fail(n, false)
      local reader, err = sse.new()
      if reader then
        for _, piece in ipairs(pieces) do
          reader:feed(piece)
          local got
          repeat got, err = reader:next() until not got
          if err then break end
        end
        buf.fail(0, false)
        getmetatable(reader).__close(reader)
      end
      buf.fail(0, false)
      if err then
        assert.equal("ENOMEM", err)
        failed = true
      end
      assert.equal(before, buf.memory())
    until not failed
    assert.is_true(n > 5)
  end)
end)
