-- SPDX-License-Identifier: MIT
-- The request of a client, written: what comes out is what our own strict reader takes, and nothing
-- that is put in can become more than it was meant to be (RFC 9112 3, 5, 11.1; HM-36).
local request = require "codecs.http_request"
local pull = require "spec.wire.http_pull"

local function write(given)
  return request.write(given.method or "GET", given.target or "/", given.host or "h",
    given.port or 0, given.fields or {}, given.body)
end

describe("a request", function()
  it("is a line, Host first, the fields, and the body", function()
    assert.equal("POST /mcp?x HTTP/1.1\r\nHost: a.example:8000\r\nA: b\r\nC: \r\n"
      .. "Content-Length: 5\r\n\r\nhello",
      write { method = "POST", target = "/mcp?x", host = "a.example", port = 8000,
        fields = { { "A", "b" }, { "C", "" } }, body = "hello" })
  end)

  it("writes an IPv6 host in brackets, and no port where none is given (RFC 9110 7.2)", function()
    assert.equal("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", write { host = "::1", port = 80 })
    assert.equal("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", write { host = "::1" })
  end)

  it("says that there is no body where one would be expected (RFC 9110 8.6)", function()
    for _, method in ipairs { "POST", "PUT", "PATCH" } do
      assert.is_truthy(write { method = method }:find("\r\nContent-Length: 0\r\n\r\n", 1, true))
    end
    for _, method in ipairs { "GET", "HEAD", "DELETE", "OPTIONS" } do
      assert.is_nil(write { method = method }:find("Content-Length", 1, true))
    end
    assert.is_truthy(write { method = "DELETE", body = "" }:find("Content-Length: 0", 1, true))
  end)

  it("trims values, and takes tabs, any byte beyond ASCII, and all of a token's", function()
    local bytes = write { fields = { { "!#$%&'*+-.^_`|~09azAZ", " \ta\tb\xff \t" } } }
    assert.equal("GET / HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~09azAZ: a\tb\xff\r\n\r\n", bytes)
  end)

  it("is read by our own reader as it was meant", function()
    local bytes = write { method = "POST", target = "/a?b=c", host = "::1", port = 8080,
      fields = { { "Accept", "application/json" }, { "X", "" } }, body = '{"a":1}' }
    local result = pull.decode(bytes)
    assert.is_nil(result.code, result.why)
    assert.equal("POST", result[1].head.method)
    assert.equal("/a?b=c", result[1].head.target)
    assert.equal("[::1]:8080", result[1].head.host)
    assert.equal('{"a":1}', result[1].body)
    assert.same({ "Accept", "application/json" }, result[1].head.headers[2])
  end)

  it("knows which methods mean the same sent twice (RFC 9110 9.2.2)", function()
    for _, method in ipairs { "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE" } do
      assert.is_true(request.is_idempotent(method), method)
    end
    for _, method in ipairs { "POST", "PATCH", "get", "BREW", "" } do
      assert.is_false(request.is_idempotent(method), method)
    end
  end)
end)

describe("a request is refused", function()
  local function refused(given, why)
    local bytes, code, said = write(given)
    assert.is_nil(bytes)
    assert.equal("EHTTP", code)
    assert.is_truthy(said:find(why, 1, true), said)
  end

  it("for a method that is none", function()
    for _, method in ipairs { "", "GE T", "GET\r\n", "GET / HTTP/1.1\r\nX:", "G\0T", "G\xc3\xa9T",
      "CONNECT" } do
      refused({ method = method }, "the method")
    end
  end)

  it("for a target that is more than one", function()
    for _, target in ipairs { "", "x", "http://h/", "/a b", "/a\r\nX: y", "/a\nb", "/a\0", "/\t",
      "/a#b", "/\xc3\xa9", "/\x7f", "/" .. ("x"):rep(8192) } do
      refused({ target = target }, "the target")
    end
    assert.is_truthy(write { target = "*", method = "OPTIONS" })
    assert.is_truthy(write { target = "/" .. ("x"):rep(8191) })
  end)

  it("for a host that is more than one", function()
    for _, host in ipairs { "", "a b", "a\r\nX: y", "a/b", "a@b", "a,b", "a\0", "[::1]" } do
      refused({ host = host }, "the host")
    end
  end)

  it("for each byte that a field name cannot have", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      if not c:find "^[!#$%%&'*+%-.^_`|~%w]$" or byte > 127 then
        refused({ fields = { { "A" .. c .. "B", "x" } } }, "field name")
      end
    end
    refused({ fields = { { "", "x" } } }, "field name")
  end)

  it("for each control character in a value", function()
    for byte = 0, 255 do
      local given = { fields = { { "A", "x" .. string.char(byte) .. "y" } } }
      if byte ~= 9 and (byte < 32 or byte == 127) then
        refused(given, "control character")
      else
        assert.is_truthy(write(given))
      end
    end
    refused({ fields = { { "A", "x\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1" } } }, "control")
  end)

  it("for fields that say where it ends, or are between neighbours, in any case", function()
    for _, name in ipairs { "Host", "Content-Length", "Transfer-Encoding", "Connection",
      "Keep-Alive", "Proxy-Connection", "Upgrade", "TE", "Trailer", "Expect" } do
      refused({ fields = { { name, "1" } } }, "reserved header field")
      refused({ fields = { { name:lower(), "1" } } }, "reserved header field")
    end
  end)
end)
