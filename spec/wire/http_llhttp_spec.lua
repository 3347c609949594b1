-- SPDX-License-Identifier: MIT
-- What llhttp was seen to take, in one version or build or another, that a proxy in front may
-- read otherwise: each row must come out as written here with whatever llhttp is linked.
local http = require "codecs.http"
local pull = require "spec.wire.http_pull"

local HOST = "Host: a\r\n"
local SECOND = "GET /second HTTP/1.1\r\n" .. HOST .. "\r\n"

local function get(fields)
  return "GET / HTTP/1.1\r\n" .. HOST .. fields .. "\r\n"
end

local function post(fields)
  return "POST / HTTP/1.1\r\n" .. HOST .. fields .. "\r\n"
end

local function chunked(body)
  return post("Transfer-Encoding: chunked\r\n") .. body
end

-- name, bytes, code or nil if taken, messages that were complete before
local requests = {
  { "CR alone ends a header (CVE-2023-30589)",
    post("x:\rTransfer-Encoding: chunked\r\n") .. "1\r\nA\r\n0\r\n\r\n", "EHTTP", 0 },
  { "obs-fold hides Content-Length (CVE-2024-27982)",
    post("Foo: bar\r\n Content-Length: 5\r\n") .. "hello", "EHTTP", 0 },
  { "bytes CR X after a header block (CVE-2025-23167)", get("") .. "\rGET /evil HTTP/1.1\r\n\r\n",
    "EHTTP", 1 },
  { "header block ended by CR LF CR X (CVE-2025-23167)", get("\rX-evil: 1\r\n") .. SECOND, "EHTTP",
    0 },
  { "bare LF line ends", "GET / HTTP/1.1\nHost: a\nX: y\n\n", "EHTTP", 0 },
  { "bare LF after one header", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "EHTTP", 0 },
  { "Transfer-Encoding and Content-Length",
    post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") .. "0\r\n\r\n", "EHTTP", 0 },
  { "two equal Content-Lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n") .. "hello",
    "EHTTP", 0 },
  { "two different Content-Lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n") .. "hello!",
    "EHTTP", 0 },
  { "Content-Length '5, 5'", post("Content-Length: 5, 5\r\n") .. "hello", "EHTTP", 0 },
  { "Content-Length '+5'", post("Content-Length: +5\r\n") .. "hello", "EHTTP", 0 },
  { "Content-Length '0x5'", post("Content-Length: 0x5\r\n") .. "hello", "EHTTP", 0 },
  { "Content-Length 2^64+5", post("Content-Length: 18446744073709551621\r\n") .. "hello", "EHTTP",
    0 },
  { "empty Content-Length", post("Content-Length: \r\n") .. "hello", "EHTTP", 0 },
  { "Content-Length '5 5'", post("Content-Length: 5 5\r\n") .. "hello", "EHTTP", 0 },
  { "Transfer-Encoding 'chunked, identity'",
    post("Transfer-Encoding: chunked, identity\r\n") .. "0\r\n\r\n", "EHTTP", 0 },
  { "Transfer-Encoding 'xchunked'", post("Transfer-Encoding: xchunked\r\n") .. "0\r\n\r\n",
    "EHTTP", 0 },
  { "Transfer-Encoding 'identity'", post("Transfer-Encoding: identity\r\n") .. "0\r\n\r\n",
    "EHTTP", 0 },
  { "Transfer-Encoding twice",
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") .. "0\r\n\r\n", "EHTTP",
      0 },
  { "Transfer-Encoding on a folded line", post("Transfer-Encoding:\r\n chunked\r\n") .. "0\r\n\r\n",
    "EHTTP", 0 },
  { "space before the colon", post("Content-Length : 5\r\n") .. "hello", "EHTTP", 0 },
  { "empty field name", get(": x\r\n"), "EHTTP", 0 },
  { "NUL in a value", get("X: a\0b\r\n"), "EHTTP", 0 },
  { "NUL in a name", get("X\0: b\r\n"), "EHTTP", 0 },
  { "chunk size beyond 64 bits", chunked("FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"), "EHTTP", 0 },
  { "chunk size '0x5'", chunked("0x5\r\nhello\r\n0\r\n\r\n"), "EHTTP", 0 },
  { "chunk size '5 '", chunked("5 \r\nhello\r\n0\r\n\r\n"), "EHTTP", 0 },
  { "chunk data not followed by CR LF", chunked("5\r\nhelloXX0\r\n\r\n"), "EHTTP", 0 },
  { "chunk data followed by LF", chunked("5\r\nhello\n0\r\n\r\n"), "EHTTP", 0 },
  { "chunk size ended by LF", chunked("5\nhello\r\n0\r\n\r\n"), "EHTTP", 0 },
  { "chunk extension ended by LF", chunked("5;a\nhello\r\n0\r\n\r\n"), "EHTTP", 0 },
  { "no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", "EHTTP", 0 },
  { "two Hosts", get("Host: b\r\n"), "EHTTP", 0 },
  { "two equal Hosts", get(HOST), "EHTTP", 0 },
  { "HTTP/1.2", "GET / HTTP/1.2\r\n" .. HOST .. "\r\n", "EVERSION", 0 },
  { "HTTP/0.9", "GET /\r\n\r\n", "EHTTP", 0 },
  { "two spaces in the request line", "GET  / HTTP/1.1\r\n" .. HOST .. "\r\n", "EHTTP", 0 },
  { "control character in the target", "GET /a\1b HTTP/1.1\r\n" .. HOST .. "\r\n", "EHTTP", 0 },
  { "absolute-form with another host", "GET http://evil/ HTTP/1.1\r\n" .. HOST .. "\r\n", "EHTTP",
    0 },
  { "three leading CRLFs", "\r\n\r\n\r\n" .. get(""), "EHTTP", 0 },
  { "bytes after a Connection: close request", get("Connection: close\r\n") .. SECOND, "EHTTP", 1 },
  { "header without a colon", get("badheader\r\n"), "EHTTP", 0 },
  { "obs-text in a value (RFC 9110 5.5 has it)", get("X: \255\254\r\n"), nil, 1 },
  { "chunked in HTTP/1.0",
    "POST / HTTP/1.0\r\n" .. HOST .. "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "EHTTP", 0 },
  { "Transfer-Encoding 'Chunked' (RFC 9112 7)",
    post("Transfer-Encoding: Chunked \r\n") .. "0\r\n\r\n", nil, 1 },
  { "Transfer-Encoding 'chunked' and a tab: llhttp refuses it and no client sends it",
    post("Transfer-Encoding: chunked\t\r\n") .. "0\r\n\r\n", "EHTTP", 0 },
  { "method in lower case: another token (RFC 9110 9.1)", "get / HTTP/1.1\r\n" .. HOST .. "\r\n",
    nil, 1 },
  { "preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "EVERSION", 0 },
  { "Content-Length in a trailer", chunked("0\r\nContent-Length: 40\r\n\r\n") .. SECOND, "EHTTP",
    0 },
  { "obs-fold in a trailer", chunked("0\r\nX: y\r\n z\r\n\r\n") .. SECOND, "EHTTP", 0 },
  { "empty field name in a trailer", chunked("0\r\n: y\r\n\r\n") .. SECOND, "EHTTP", 0 },
  { "bare LF in a trailer", chunked("0\r\nX: y\n\r\n") .. SECOND, "EHTTP", 0 },
  { "a thousand fields", get(("a:\r\n"):rep(1000)), "EHEADERS", 0 },
  { "CR in a value", get("X: a\rY: b\r\n"), "EHTTP", 0 },
  { "LF in a value", get("X:\nY: b\r\n"), "EHTTP", 0 },
  { "CR in a name", get("X\r: b\r\n"), "EHTTP", 0 },
  { "blank before the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "EHTTP", 0 },
  { "upgrade with a body, which is read (RFC 9110 7.8)",
    post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n") .. "hello" ..
      SECOND, nil, 2 },
}

local responses = {
  { "bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "EHTTP", 0 },
  { "folded header", "HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 5\r\n\r\nhello", "EHTTP", 0 },
  { "a thousand interim responses",
    ("HTTP/1.1 100 C\r\n\r\n"):rep(1000) .. "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      "EHTTP", 0 },
  { "body of a 204", "HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\nHTTP/", "EHTTP", 1 },
  { "length of a 304, without a body (RFC 9110 15.4.5)",
    "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 N\r\n\r\n", nil, 2 },
  { "Transfer-Encoding 'gzip'", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "EHTTP", 0 },
  { "Content-Length in a trailer",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n", "EHTTP",
      0 },
}

local function rows(title, list, answers)
  describe(title .. " (llhttp " .. http.LLHTTP .. ")", function()
    for _, row in ipairs(list) do
      local name, bytes, code, complete = table.unpack(row, 1, 4)
      it((code and "refuses: " or "takes: ") .. name, function()
        for _, step in ipairs { 1, 7, #bytes } do
          local result = pull.decode(bytes, { step = step, responses = answers })
          assert.are.equal(code, result.code, result.why)
          if not code then assert.is_true(result.finish) end
          local ended = 0
          for _, message in ipairs(result) do
            if message.ended then ended = ended + 1 end
            assert.is_nil(message.head.target:find("evil", 1, true))
          end
          assert.are.equal(complete, ended)
        end
      end)
    end
  end)
end

rows("HTTP requests that readers differ on", requests, false)
rows("HTTP responses that readers differ on", responses, true)

-- The second opinion: mutations of good messages. What we take, we take in the same way however
-- it is cut, and it never holds a line we would refuse elsewhere.
describe("HTTP mutations", function()
  local seeds = {
    get("Accept: */*\r\n"), post("Content-Length: 5\r\n") .. "hello" .. SECOND,
    chunked("5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n") .. SECOND,
    get("Connection: close\r\n"), "\r\n" .. SECOND,
  }
  local pieces = { "\r", "\n", "\r\n", " ", "\t", "\0", ":", ";", "0", "5", "a", ",", "\255",
    "\r\n ",
    "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "chunked",
      "HTTP/1.1", "" }

  it("come out the same whole and byte by byte", function()
    local state = 20251125
    local function random(n)
      state = (state * 6364136223846793005 + 1442695040888963407)
      return (state >> 33) % n + 1
    end
    local taken, refused = 0, 0
    for _ = 1, 4000 do
      local bytes = seeds[random(#seeds)]
      for _ = 1, random(2) do
        local at, gone = random(#bytes), random(3) - 1
        bytes = bytes:sub(1, at - 1) .. pieces[random(#pieces)] .. bytes:sub(at + gone)
      end
      local whole = pull.decode(bytes)
      local pieced = pull.decode(bytes, { step = 1 })
      -- A refusal may come sooner or later in the body, but it comes.
      assert.are.equal(whole.code, pieced.code, bytes)
      assert.are.equal(whole.finish, pieced.finish, bytes)
      assert.are.equal(#whole, #pieced, bytes)
      if whole.code then
        refused = refused + 1
      else
        taken = taken + 1
        assert.are.equal(pull.text(whole), pull.text(pieced))
        for _, message in ipairs(whole) do
          for _, field in ipairs(message.head.headers) do
            assert.is_truthy(field[1]:find("^[%w!#$%%&'*+%-.^_`|~]+$"))
            assert.is_nil(field[2]:find("[\0-\8\10-\31\127]"))
          end
        end
      end
    end
    assert.is_true(taken > 200 and refused > 1000, taken .. " taken, " .. refused .. " refused")
  end)
end)
