-- SPDX-License-Identifier: MIT
-- Answers as a client meets them, one after the other on a connection that is kept. The grammar of
-- each part is spec/wire/http_spec.lua's.
local http = require "codecs.http"
local pull = require "spec.wire.http_pull"

local function head(fields, status)
  return ("HTTP/1.1 %s\r\n%s\r\n"):format(status or "200 OK", fields or "")
end

-- Answers as servers give them: { what, bytes, status, body, is the connection kept? }
local ANSWERS = {
  { "JSON with a length", head "Content-Type: application/json\r\nContent-Length: 2\r\n" .. "{}",
    200, "{}", true },
  { "an empty 202", head("Content-Length: 0\r\n", "202 Accepted"), 202, "", true },
  { "a 204", head("", "204 No Content"), 204, "", true },
  { "a 304 that speaks of a body", head("Content-Length: 100\r\nETag: x\r\n", "304 Not Modified"),
    304, "", true },
  { "chunks", head "Transfer-Encoding: chunked\r\n" .. "3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
    200, "abcd", true },
  { "chunks with trailers", head "Transfer-Encoding: Chunked\r\nTrailer: X\r\n"
    .. "1\r\na\r\n000\r\nX: y\r\nMcp-Session-Id: stolen\r\n\r\n", 200, "a", true },
  { "interim answers before it", "HTTP/1.1 100 Continue\r\n\r\n"
    .. "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" .. head "Content-Length: 1\r\n" .. "x",
    200, "x", true },
  { "no reason", "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", 200, "x", true },
  { "Connection: close", head "Connection: close\r\nContent-Length: 1\r\n" .. "x", 200, "x",
    false },
  { "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", false },
  { "HTTP/1.0 that is kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
    .. "Content-Length: 1\r\n\r\nx", 200, "x", true },
  { "a body until the end", head "Content-Type: text/event-stream\r\n" .. "data: 1\n\n", 200,
    "data: 1\n\n", false },
  { "HTTP/1.0 until the end", "HTTP/1.0 500 Oops\r\n\r\n<html>", 500, "<html>", false },
}

describe("an answer: ", function()
  for _, case in ipairs(ANSWERS) do
    local what, bytes, status, body, kept = table.unpack(case)

    it(what .. ", in steps of any size", function()
      for step = 1, #bytes do
        local result = pull.decode(bytes, { responses = true, step = step })
        assert.is_nil(result.code, result.why)
        assert.equal(1, #result)
        assert.equal(status, result[1].head.status)
        assert.equal(body, result[1].body)
        assert.is_true(result[1].ended)
        assert.equal(kept, result[1].head.keep_alive)
        for _, field in ipairs(result[1].head.headers) do
          assert.is_not_equal("Mcp-Session-Id", field[1], "a trailer is no header")
        end
      end
    end)

    it(what .. ", cut anywhere is never whole", function()
      local until_end = not kept and not bytes:find "Length"
      for length = 1, #bytes - 1 do
        local result = pull.decode(bytes:sub(1, length), { responses = true })
        assert.is_nil(result.code, result.why)
        local begun = result[1] ~= nil
        if until_end and begun then
          -- Only the one below knows whether this end was meant: TLS says so.
          assert.is_true(result.finish)
        else
          local last = result[1]
          assert.is_true(result.finish ~= true or not begun and bytes:find "^HTTP/1.1 1" ~= nil,
            ("%d bytes"):format(length))
          assert.is_falsy(last and last.ended)
        end
      end
    end)

    if kept then
      it(what .. ", and the next one after it", function()
        local next_one = head "Content-Length: 4\r\n" .. "next"
        for _, step in ipairs { 1, 7, #bytes + #next_one } do
          local result = pull.decode(bytes .. next_one, { responses = true, step = step })
          assert.is_nil(result.code, result.why)
          assert.equal(2, #result)
          assert.equal("next", result[2].body)
        end
      end)
    else
      it(what .. ", and nothing after it", function()
        local result = pull.decode(bytes .. head "Content-Length: 0\r\n", { responses = true })
        if bytes:find "Length" then
          assert.equal("EHTTP", result.code)
          assert.equal("bytes after the last message", result.why)
        else
          assert.equal(1, #result)
        end
      end)
    end
  end
end)

describe("a hostile answer", function()
  local BAD = {
    { "two equal lengths", head "Content-Length: 1\r\nContent-Length: 1\r\n" .. "x" },
    { "two lengths", head "Content-Length: 1\r\nContent-Length: 2\r\n" .. "xy" },
    { "a list of lengths", head "Content-Length: 1, 1\r\n" .. "x" },
    { "a signed length", head "Content-Length: +1\r\n" .. "x" },
    { "a length of letters", head "Content-Length: 0x1\r\n" .. "x" },
    { "a length over 2^63", head "Content-Length: 9223372036854775808\r\n" },
    { "length and chunks", head "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" },
    { "chunks and length", head "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n" },
    { "another coding", head "Transfer-Encoding: gzip, chunked\r\n" },
    { "chunks twice", head "Transfer-Encoding: chunked, chunked\r\n" },
    { "a length in disguise", head "Content_Length: 5\r\n" },
    { "a folded field", head "A: b\r\n c\r\n" },
    { "a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n" },
    { "a bare LF at the end", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n" },
    { "a bare CR", "HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n" },
    { "a NUL in a value", head "A: b\0c\r\n" },
    { "a NUL in a name", head "A\0: b\r\n" },
    { "a blank before the colon", head "Content-Length : 0\r\n" },
    { "a field without a name", head ": x\r\n" },
    { "an unasked upgrade", head("", "101 Switching Protocols") },
    { "HTTP/2", "HTTP/2 200\r\n\r\n" },
    { "TLS", "\x15\x03\x03\x00\x02\x02\x28" },
    { "a mail server", "220 mail.example ESMTP\r\n" },
    { "a chunk size that is none", head "Transfer-Encoding: chunked\r\n" .. "x\r\n" },
    { "a signed chunk size", head "Transfer-Encoding: chunked\r\n" .. "-1\r\n" },
    { "a chunk size over 2^64", head "Transfer-Encoding: chunked\r\n" .. "10000000000000000\r\n" },
    { "a chunk longer than its size", head "Transfer-Encoding: chunked\r\n" .. "1\r\nxy\r\n" },
    { "a bare LF after a chunk size", head "Transfer-Encoding: chunked\r\n" .. "1\nx\r\n" },
    { "a length among trailers", head "Transfer-Encoding: chunked\r\n"
      .. "0\r\nContent-Length: 5\r\n\r\n" },
  }

  for _, case in ipairs(BAD) do
    it("is refused: " .. case[1], function()
      for _, step in ipairs { #case[2], 1 } do
        local result = pull.decode(case[2], { responses = true, step = step })
        local code = case[1] == "HTTP/2" and result.code == "EVERSION" or result.code == "EHTTP"
        assert.is_true(code, tostring(result.code))
        assert.is_true(#result.why > 3)
        assert.is_falsy(result[1] and result[1].ended)
      end
    end)
  end
end)

describe("the limit of a head", function()
  local function feed(limit, bytes)
    local decoder = http.new(true)
    decoder:limit_head(limit)
    decoder:feed(bytes)
    return decoder:next()
  end

  it("is what was said, to the byte", function()
    local bytes = head("A: " .. ("x"):rep(100) .. "\r\nContent-Length: 0\r\n")
    assert.equal("start", feed(#bytes, bytes))
    local kind, code = feed(#bytes - 1, bytes)
    assert.is_nil(kind)
    assert.equal("EHEADERS", code)
  end)

  it("may be more than the usual one, and 0 is that", function()
    local bytes = head("A: " .. ("x"):rep(http.HEAD_LENGTH) .. "\r\nContent-Length: 0\r\n")
    assert.equal("start", feed(2 * http.HEAD_LENGTH, bytes))
    assert.is_nil((feed(0, bytes)))
  end)

  it("counts each head for itself", function()
    local bytes = head "Content-Length: 0\r\n"
    local decoder = http.new(true)
    decoder:limit_head(#bytes)
    decoder:feed(("HTTP/1.1 100 C\r\n\r\n" .. bytes):rep(3))
    for _ = 1, 3 do
      assert.equal("start", decoder:next())
      assert.equal("end", decoder:next())
    end
  end)
end)
