-- SPDX-License-Identifier: MIT
-- http_head_spec.lua: src/wire/http_head.c: one whole head at a time. How heads are gathered from
-- pieces, and what bodies make of them, is in http_spec.lua and its kin.
local http = require "codecs.http_head"

local function request(line, ...)
  return line .. "\r\n" .. table.concat({ ... }, "\r\n") .. (... and "\r\n\r\n" or "\r\n")
end

-- A POST with these fields.
local function post(...) return request("POST / HTTP/1.1", "Host: h", ...) end

local function refused(why, bytes, response, name)
  assert.same({ nil, name or "EHTTP", why }, { http.scan(bytes, response) }, bytes)
end

describe("a request line", function()
  local function parts(target)
    local head = assert(http.scan(request(("GET %s HTTP/1.1"):format(target), "Host: h")))
    return { head.path, head.query }
  end

  it("has a target that is cut into path and query", function()
    assert.same({ "/", "" }, parts "/")
    assert.same({ "/a/b", "x=1&y" }, parts "/a/b?x=1&y")
    assert.same({ "/", "" }, parts "/?")
    assert.same({ "/a", "?b?c" }, parts "/a??b?c")
    assert.same({ "/", "" }, parts "http://h")
    assert.same({ "/", "q" }, parts "HTTP://h?q")
    assert.same({ "/p", "q" }, parts "https://h/p?q")
    assert.equal("*", assert(http.scan(request("OPTIONS * HTTP/1.1", "Host: h"))).path)
  end)

  it("is refused for what is no target", function()
    local function target(why, text)
      refused(why, request(("GET %s HTTP/1.1"):format(text), "Host: h"))
    end
    target("target * is for OPTIONS only", "*")
    target("invalid target: expected a path or an http URL", "a")
    target("invalid target: expected a path or an http URL", "ftp://h/")
    target("invalid target: expected a path or an http URL", "**")
    target("bad host in the target", "http:///a")
    target("bad host in the target", "http://a,b/")
    target("fragment in the target", "/a#b")
    target("byte beyond ASCII in the target", "/\xc3\xa4")
    target("control character in the target", "/\1")
    target("control character in the target", "/\x7f")
    target("malformed request line", " /")
    refused("Host differs from the target", request("GET http://a/ HTTP/1.1", "Host: b"))
    assert(http.scan(request("GET http://A/ HTTP/1.1", "Host: a")))
    refused("target too long", request("GET /" .. ("a"):rep(8192) .. " HTTP/1.1", "Host: h"),
      false, "ETARGET")
    assert(http.scan(request("GET /" .. ("a"):rep(8191) .. " HTTP/1.1", "Host: h")))
  end)

  it("has a method that is a token of 32 bytes at most, and not of a tunnel", function()
    local function method(text) return request(text .. " / HTTP/1.1", "Host: h") end
    assert(http.scan(method(("M"):rep(32))))
    refused("method too long", method(("M"):rep(33)))
    refused("bad method", method "")
    refused("bad method", method "GE\"T")
    refused("bad method", request("GET", "Host: h"))
    refused("CONNECT", method "CONNECT")
    refused("PRI, the preface of HTTP/2", method "PRI")
  end)

  it("ends with a version, 1.0 or 1.1", function()
    local function version(text) return request("GET / " .. text, "Host: h") end
    assert.is_true(assert(http.scan(version "HTTP/1.0")).http_1_0)
    assert.is_nil(assert(http.scan(version "HTTP/1.1")).http_1_0)
    for _, other in ipairs { "HTTP/1.2", "HTTP/0.9", "HTTP/2.0", "HTTP/9.1" } do
      refused("HTTP version not 1.0 or 1.1", version(other), false, "EVERSION")
    end
    for _, bad in ipairs { "HTTP/1.1 ", "HTTP/1", "HTTP/11", "http/1.1", "HTTP/1.a", "HTTP/a.1",
      "HTTP/1,1", "HTTPS/1.1", "" } do
      refused("bad HTTP version", version(bad))
    end
    refused("no HTTP version", request("GET /", "Host: h"))
  end)
end)

describe("a status line", function()
  it("has three digits, from 100, and perhaps a reason", function()
    for _, line in ipairs { "HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200",
      "HTTP/1.1 200 all is\twell" } do
      assert.equal(200, assert(http.scan(request(line), true)).status)
    end
    assert.equal(100, assert(http.scan(request "HTTP/1.1 100 Continue", true)).status)
    assert.equal(999, assert(http.scan(request "HTTP/1.0 999", true)).status)
    for _, line in ipairs { "HTTP/1.1 099 x", "HTTP/1.1 2000", "HTTP/1.1 2x0 x" } do
      refused("bad status", request(line), true)
    end
    refused("bad status line", request "HTTP/1.1 20", true)
    refused("bad status line", request "HTTP/1.1\t200 OK", true)
    refused("control character in the reason", request "HTTP/1.1 200 O\1K", true)
    refused("control character in the reason", request "HTTP/1.1 200 all is well\x7f", true)
    refused("HTTP version not 1.0 or 1.1", request "HTTP/2.0 200 OK", true, "EVERSION")
  end)

  it("of an interim answer has no body, of 101 an upgrade, of 204 the end", function()
    refused("interim response with a body", request("HTTP/1.1 103 x", "Content-Length: 1"), true)
    refused("101 without an upgrade", request "HTTP/1.1 101 x", true)
    local asked = { "Connection: upgrade", "Upgrade: websocket" }
    assert.is_true(http.scan(request("HTTP/1.1 101 x", table.unpack(asked)), true).upgrade)
    assert.is_nil(http.scan(request("HTTP/1.1 200 x", table.unpack(asked)), true).upgrade)
    assert.is_true(http.scan(request("HTTP/1.1 204 x", "Content-Length: 0"), true).keep_alive)
    assert.is_nil(http.scan(request("HTTP/1.1 204 x", "Content-Length: 1"), true).keep_alive)
    assert.is_nil(http.scan(request("HTTP/1.1 204 x", "Transfer-Encoding: chunked"), true)
      .keep_alive)
  end)
end)

describe("a field", function()
  it("is a name, a colon and a value, trimmed", function()
    local head = assert(http.scan(post("A:b", "C-d: \t e f\t ", "E:", "F: \xff", "A: again")))
    assert.same({ { "Host", "h" }, { "A", "b" }, { "C-d", "e f" }, { "E", "" }, { "F", "\xff" },
      { "A", "again" } }, head.fields)
  end)

  it("may be one of many: the table grows", function()
    local fields = {}
    for i = 1, 100 do fields[i] = ("N%d: v%d"):format(i, i) end
    local head = assert(http.scan(post(table.unpack(fields))))
    assert.equal(101, #head.fields)
    for i = 1, 100 do assert.same({ "N" .. i, "v" .. i }, head.fields[i + 1]) end
  end)

  it("is refused where a front might read another", function()
    for line, why in pairs {
      ["A"] = "field without a colon", [": b"] = "empty field name",
      ["A : b"] = "blank before the colon or in a field name",
      [" A: b"] = "obsolete line folding",
      ["\tA: b"] = "obsolete line folding",
      ["A\1: b"] = "bad character in a field name", ["\xff: b"] = "bad character in a field name",
      ["A: b\1c"] = "control character in a field value",
      ["A: b\0"] = "control character in a field value",
      ["A: abcdefghi\x7f"] = "control character in a field value",
      ["A: b\rc"] = "CR without LF", ["A\rb: c"] = "CR without LF",
    } do
      refused(why, post(line))
      assert.same({ nil, "EHTTP", why }, { http.trailer(line .. "\r\n\r\n") })
    end
  end)

  it("of a trailer is none that frames, nor looks like one", function()
    assert.is_true(http.trailer "\r\n")
    assert.is_true(http.trailer "A: b\r\nContent-Type: x\r\n\r\n")
    for _, name in ipairs { "Content-Length", "transfer-encoding", "Content_Length",
      "Transfer.Encoding", "ContentLength" } do
      assert.same({ nil, "EHTTP", "framing field in a trailer" },
        { http.trailer(name .. ": 1\r\n\r\n") }, name)
    end
  end)
end)

describe("the fields that frame a message", function()
  it("are a length or chunks, and each once", function()
    assert.equal(-1, assert(http.scan(post())).length)
    assert.equal(0, assert(http.scan(post "content-length: 0")).length)
    assert.equal(9223372036854775807,
      assert(http.scan(post "Content-Length: 9223372036854775807")).length)
    assert.is_true(assert(http.scan(post "Transfer-Encoding: Chunked")).chunked)
    refused("two Content-Length fields", post("Content-Length: 1", "Content-Length: 1"))
    refused("two Transfer-Encoding fields",
      post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"))
    refused("Content-Length and Transfer-Encoding",
      post("Content-Length: 1", "Transfer-Encoding: chunked"))
    refused("unsupported Transfer-Encoding: expected chunked",
      post "Transfer-Encoding: gzip, chunked")
    refused("Transfer-Encoding in HTTP/1.0",
      request("POST / HTTP/1.0", "Host: h", "Transfer-Encoding: chunked"))
    refused("empty Content-Length", post "Content-Length:")
    refused("Content-Length too large", post "Content-Length: 9223372036854775808")
    for _, length in ipairs { "+1", "-1", "1 1", "1,1", "0x1", "1.0", "a" } do
      refused("Content-Length is not a number", post("Content-Length: " .. length))
    end
  end)

  it("have no near relations: a front may take them for the field itself", function()
    for _, name in ipairs { "Content_Length", "Content--Length", "ContentLength", "content.length",
      "Transfer_Encoding", "TransferEncoding", "-Content-Length-" } do
      refused("field name resembles a framing field", post(name .. ": 1"))
    end
    for _, name in ipairs { "Content-Length1", "Content-Lengths", "X-Content-Length",
      "Content-Lengt", "Transfer-Encodin" } do
      assert(http.scan(post(name .. ": 1")))
    end
  end)

  it("give no body to GET and HEAD", function()
    for _, method in ipairs { "GET", "HEAD" } do
      refused("GET or HEAD with a body",
        request(method .. " / HTTP/1.1", "Host: h", "Content-Length: 1"))
      refused("GET or HEAD with a body",
        request(method .. " / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked"))
      assert(http.scan(request(method .. " / HTTP/1.1", "Host: h", "Content-Length: 0")))
    end
    assert(http.scan(request("DELETE / HTTP/1.1", "Host: h", "Content-Length: 1")))
  end)

  it("are one Host, and a good one", function()
    refused("no Host field", "GET / HTTP/1.1\r\n\r\n")
    assert(http.scan "GET / HTTP/1.0\r\n\r\n")
    refused("two Host fields", request("GET / HTTP/1.1", "Host: a", "Host: a"))
    for _, host in ipairs { "a", "a.b-c_d~e", "1.2.3.4", "a:1", "a:65535", "[::1]", "[::1]:80",
      "[::ffff:1.2.3.4]" } do
      assert.equal(host, assert(http.scan(request("GET / HTTP/1.1", "Host: " .. host))).host)
    end
    for _, host in ipairs { "", ":80", "a:", "a:65536", "a:123456", "a:b", "a b", "a,b", "a/b",
      "a%41", "[]", "[1]", "[::1", "[::1]x", "[::g]", "::1", "a:1:2", "a@b" } do
      refused("bad Host", request("GET / HTTP/1.1", "Host: " .. host))
    end
  end)

  it("say whether the connection goes on, and to what", function()
    local function facts(version, ...)
      local head = assert(http.scan(request("POST / HTTP/" .. version, "Host: h", ...)))
      return { head.keep_alive or false, head.upgrade or false }
    end
    assert.same({ true, false }, facts "1.1")
    assert.same({ false, false }, facts "1.0")
    assert.same({ true, false }, facts("1.0", "Connection: Keep-Alive"))
    assert.same({ false, false }, facts("1.1", "Connection: a, CLOSE ,b"))
    assert.same({ false, false }, facts("1.1", "Connection: keep-alive", "Connection: close"))
    assert.same({ false, false }, facts("1.0", "Connection: keep-alive, close"))
    assert.same({ true, true }, facts("1.1", "Connection: Upgrade,", "Upgrade: websocket"))
    assert.same({ true, false }, facts("1.1", "Connection: upgrade"))
    assert.same({ true, false }, facts("1.1", "Connection: upgrade", "Upgrade:"))
    assert.same({ true, false }, facts("1.1", "Upgrade: websocket"))
    assert.same({ false, false }, facts("1.0", "Connection: upgrade", "Upgrade: websocket"))
    assert.same({ true, true }, facts("1.1", "Connection: upgrade", "Upgrade: a", "Upgrade:"))
  end)

  it("say what is expected before the body", function()
    local function facts(version, value)
      local head = assert(http.scan(request("POST / HTTP/" .. version, "Host: h",
        "Expect: " .. value)))
      return { head.expect_continue or false, head.expect_other or false }
    end
    assert.same({ true, false }, facts("1.1", "100-Continue"))
    assert.same({ false, true }, facts("1.1", "200-ok"))
    assert.same({ false, true }, facts("1.1", ""))
    assert.same({ false, false }, facts("1.0", "100-continue"))
  end)
end)

describe("a part of a head that is to be written", function()
  it("is judged byte by byte", function()
    local function bytes(test, before)
      local list = {}
      for byte = 0, 255 do
        if test((before or "") .. string.char(byte)) then list[#list + 1] = string.char(byte) end
      end
      return table.concat(list)
    end
    local alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" .. "abcdefghijklmnopqrstuvwxyz"
    local function sorted(text)
      local list = { text:byte(1, -1) }
      table.sort(list)
      return string.char(table.unpack(list))
    end
    assert.equal(sorted("!#$%&'*+-.^_`|~" .. alphanumeric), bytes(http.is_token))
    assert.equal(sorted("-._~:" .. alphanumeric), bytes(http.is_name))
    local visible = {}
    for byte = 0x21, 0x7e do visible[#visible + 1] = byte ~= 0x23 and string.char(byte) or "" end
    assert.equal(table.concat(visible), bytes(http.is_target))
    local value = { "\t" }
    for byte = 0x20, 0xff do value[#value + 1] = byte ~= 0x7f and string.char(byte) or "" end
    -- Eight bytes at a time: at each place of them.
    for before = 0, 16 do
      assert.equal(table.concat(value), bytes(http.is_value, ("x"):rep(before)), before)
      for byte = 0, 255 do
        local char = string.char(byte)
        assert.equal(http.is_value(char), http.is_value(("x"):rep(before) .. char .. "yyyyyyyyy"))
      end
    end
  end)

  it("is something, but for a value", function()
    assert.is_false(http.is_token "")
    assert.is_false(http.is_name "")
    assert.is_false(http.is_target "")
    assert.is_true(http.is_value "")
    assert.is_false(http.is_token "a b")
    assert.is_false(http.is_target "/a b")
  end)
end)
