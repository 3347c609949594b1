-- SPDX-License-Identifier: MIT
local http = require "codecs.http"
local pull = require "spec.wire.http_pull"

local decode = pull.decode
local HOST = "Host: a.example\r\n"
local CHUNKED = "POST / HTTP/1.1\r\n" .. HOST .. "Transfer-Encoding: chunked\r\n\r\n"

local function show(bytes)
  local text = bytes:gsub("[^\32-\126]", function(c) return ("\\x%02x"):format(c:byte()) end)
  return #text > 60 and text:sub(1, 60) .. "..." or text
end

local function request(fields, line)
  return (line or "GET / HTTP/1.1") .. "\r\n" .. fields .. "\r\n"
end

-- Fed whole and byte by byte, since a rule may hold in only one of the two.
local function refused(bytes, code, why, options)
  options = options or {}
  for _, step in ipairs { #bytes, 1 } do
    local result = decode(bytes, {
      step = step, responses = options.responses, no_body = options.no_body,
    })
    assert.are.equal(code or "EHTTP", result.code, show(bytes) .. " in steps of " .. step)
    if why then assert.are.equal(why, result.why) end
    assert.are.equal(options.before or 0, #result, "no event of it")
  end
end

local function accepted(bytes, options)
  local result = decode(bytes, options)
  assert.is_nil(result.code, show(bytes) .. ": " .. tostring(result.why))
  assert.is_true(result.finish, show(bytes))
  local last = result[#result]
  assert.is_true(last and last.ended, show(bytes))
  return last.head, last
end

local samples = {
  { name = "a GET", bytes = request(HOST), bodies = { "" } },
  {
    name = "a POST with a length",
    bytes = "POST /mcp?x=1 HTTP/1.1\r\nhost:a.example\r\ncontent-length:\t5 \r\n\r\nhello",
    bodies = { "hello" },
  },
  {
    name = "a POST in chunks, with extensions and trailers",
    bytes = CHUNKED ..
      "5;c;a=b\r\nhello\r\n1;d=\"e f\"\r\n,\r\nA\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n",
    bodies = { "hello,0123456789" },
  },
  {
    name = "an empty chunked body",
    bytes = CHUNKED .. "0\r\n\r\n",
    bodies = { "" },
  },
  {
    name = "pipelined requests with leading CRLFs",
    bytes = "\r\n" .. request(HOST) .. CHUNKED .. "3\r\nabc\r\n0\r\n\r\n" .. "\r\n\r\n" ..
      "PUT /2 HTTP/1.1\r\n" .. HOST .. "Content-Length: 2\r\n\r\nxy" ..
      "BREW /3 HTTP/1.1\r\n" .. HOST .. "Content-Length: 1\r\n\r\nz" ..
      request(HOST .. "Connection: Upgrade\r\nUpgrade: h2c\r\n") ..
      "POST /4 HTTP/1.0\r\nContent-Length: 3\r\n\r\nend",
    bodies = { "", "abc", "xy", "z", "", "end" },
  },
  {
    name = "responses",
    responses = true,
    bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n" ..
      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody" ..
      "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n" ..
      "HTTP/1.1 204\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" ..
      "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    bodies = { "body", "", "", "", "no" },
  },
  {
    name = "a response whose body ends with the connection",
    responses = true,
    until_close = true,
    bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n",
    bodies = { "data: 1\n\n" },
  },
}

describe("HTTP decoder: however the bytes come", function()
  for _, sample in ipairs(samples) do
    local options = { responses = sample.responses }

    it("reads " .. sample.name .. " whole, without copying a body", function()
      local result = decode(sample.bytes, options)
      assert.is_nil(result.code, result.why)
      assert.is_true(result.finish)
      assert.are.equal(#sample.bodies, #result)
      for i, body in ipairs(sample.bodies) do
        assert.are.equal(body, result[i].body)
        assert.is_true(result[i].ended)
      end
      assert.is_falsy(result.copied)
    end)

    it("reads " .. sample.name .. " byte by byte and in two parts alike", function()
      local whole = pull.text(decode(sample.bytes, options))
      for step = 1, 3 do
        assert.are.equal(whole,
          pull.text(decode(sample.bytes, { step = step, responses = sample.responses })))
      end
      for cut = 1, #sample.bytes - 1 do
        assert.are.equal(whole,
          pull.text(decode(sample.bytes, { cut = cut, responses = sample.responses })))
      end
    end)

    it("tells a cut at each byte of " .. sample.name, function()
      local whole = pull.messages(decode(sample.bytes, options))
      local idle = 0
      for cut = 0, #sample.bytes - 1 do
        local result = decode(sample.bytes:sub(1, cut), options)
        assert.is_nil(result.code, result.why)
        local last = result[#result]
        if result.finish == true then
          -- Between messages, or in a body that ends so.
          idle = idle + 1
          assert.is_true(not last or last.ended)
          if not sample.until_close then
            assert.are.equal(1, whole:find(pull.messages(result), 1, true))
          end
        else
          assert.are.equal("EHTTP", result.finish)
          assert.is_true(not last or last.ended == nil or
            sample.bytes:sub(1, cut):find("\r\n", 1, true) ~= nil)
        end
      end
      assert.is_true(idle >= #sample.bodies, "idle before each message")
      assert.is_true(idle < #sample.bytes / 4 or sample.until_close)
    end)
  end

  it("reads nothing of a message before the END of the one before was taken", function()
    local d = http.new()
    local second = "BAD"
    d:feed(request(HOST) .. second)
    assert.are.equal("start", d:next())
    assert.are.equal("end", d:next())
    assert.are.equal(second, d:rest())
    assert.are.equal("/", d:head().target)
    assert.are.equal("more", d:next())
    assert.is_true(d:begun())
    assert.are.equal("", d:rest())
  end)

  it("goes on where it stopped when the rest is fed later", function()
    local d = http.new()
    d:feed(request(HOST) .. request(HOST, "GET /2 HTTP/1.1"))
    d:next()
    d:next()
    d:feed(d:rest())
    assert.are.equal("start", d:next())
    assert.are.equal("/2", d:head().target)
  end)

  it("keeps the head until the next message begins", function()
    local d = http.new()
    d:feed(request(HOST, "GET /first HTTP/1.1"))
    d:next()
    d:next()
    assert.are.equal("more", d:next())
    d:feed("\r\n")
    assert.are.equal("more", d:next())
    assert.are.equal("/first", d:head().target)
    assert.is_false(d:begun())
  end)

  it("says the same error again and again", function()
    local d = http.new()
    d:feed("\1")
    for _ = 1, 3 do
      local kind, code = d:next()
      assert.is_nil(kind)
      assert.are.equal("EHTTP", code)
      d:feed(request(HOST))
    end
    assert.are.same({ nil, "EHTTP" }, { d:finish() })
  end)

  it("gives memory back only between messages", function()
    local d = http.new()
    d:shrink()
    d:feed("GET / HTTP/1.1\r\nHo")
    d:next()
    d:shrink()
    d:feed("st: a.example\r\nX: " .. ("y"):rep(9000) .. "\r\n\r\n")
    assert.are.equal("start", d:next())
    d:shrink()
    assert.are.equal(2, #d:head().headers)
    assert.are.equal("end", d:next())
    d:shrink()
    assert.are.equal(0, #d:head().headers)
    d:feed(request(HOST))
    assert.are.equal("start", d:next())
    assert.are.equal("a.example", d:head().host)
  end)

  it("knows when a message has begun", function()
    local d = http.new()
    assert.is_false(d:begun())
    d:feed("\r\n")
    d:next()
    assert.is_false(d:begun(), "leading CRLFs are not part of it")
    d:feed("P")
    d:next()
    assert.is_true(d:begun())
    d:feed("OST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 1\r\n\r\n")
    d:next()
    d:next()
    assert.is_true(d:begun())
    d:feed("x")
    d:next()
    assert.is_true(d:begun())
    assert.are.equal("end", d:next())
    assert.is_false(d:begun())
  end)

  it("survives a failed allocation with ENOMEM", function()
    if not http.fail_allocation(0) then
      pending("SKIPPED: this build cannot fail allocations (make failalloc can)")
      return
    end
    local bytes = CHUNKED:gsub("\r\n\r\n", "\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n" ..
      ("C: d\r\n"):rep(20) .. "\r\n") .. "1\r\nx\r\n0\r\nT: u\r\n\r\n"
    local failures = 0
    for n = 1, 20 do
      local d = http.new()
      http.fail_allocation(n)
      local code
      for i = 1, #bytes do
        d:feed(bytes:sub(i, i))
        repeat
          local kind, why = d:next()
          if not kind then code = why end
        until not kind or kind == "more"
        if code then break end
      end
      http.fail_allocation(0)
      if code then
        failures = failures + 1
        assert.are.equal("ENOMEM", code)
      end
    end
    assert.is_true(failures >= 3)
  end)
end)

describe("HTTP request line (RFC 9112 3)", function()
  for _, case in ipairs {
    { "GET /\r\n", nil, "no HTTP version" },
    { "GET / \r\n", nil, "bad HTTP version" },
    { "GET  / HTTP/1.1\r\n", nil, "malformed request line" },
    { "GET /  HTTP/1.1\r\n", nil, "bad HTTP version" },
    { "GET / HTTP/1.1 \r\n", nil, "bad HTTP version" },
    { " GET / HTTP/1.1\r\n", nil, "bad method" },
    { "GET\t/ HTTP/1.1\r\n", nil, "bad method" },
    { "GET /\tHTTP/1.1\r\n", nil, "control character in the target" },
    { "\22\3\1\2", nil, "bad method" },
    { "\200", nil, "bad method" },
    { "G(T / HTTP/1.1\r\n", nil, "bad method" },
    { "G\195\156T / HTTP/1.1\r\n", nil, "bad method" },
    { "GET\r\n", nil, "bad method" },
    { ("M"):rep(33) .. " / HTTP/1.1\r\n", nil, "method too long" },
    { "CONNECT a:1 HTTP/1.1\r\n", nil, "CONNECT" },
    { "CONNECT / HTTP/1.1\r\n", nil, "CONNECT" },
    { "PRI * HTTP/2.0\r\n", "EVERSION" },
    { "PRI / HTTP/1.1\r\n", nil, "PRI, the preface of HTTP/2" },
    { "GET / HTTP/1.2\r\n", "EVERSION" },
    { "GET / HTTP/0.9\r\n", "EVERSION" },
    { "GET / HTTP/2.0\r\n", "EVERSION" },
    { "GET / HTTP/3\r\n", nil, "bad HTTP version" },
    { "GET / HTTP/1.10\r\n", nil, "bad HTTP version" },
    { "GET / HTTP/01.1\r\n", nil, "bad HTTP version" },
    { "GET / http/1.1\r\n", nil, "bad HTTP version" },
    { "GET / HTTPS/1.1\r\n", nil, "bad HTTP version" },
    { "GET / HTTP/1,1\r\n", nil, "bad HTTP version" },
    { "GET / RTSP/1.0\r\n", nil, "bad HTTP version" },
    { "GET / ICE/1.0\r\n", nil, "bad HTTP version" },
    { "GET /a#b HTTP/1.1\r\n", nil, "fragment in the target" },
    { "GET /a\127 HTTP/1.1\r\n", nil, "control character in the target" },
    { "GET /a\0 HTTP/1.1\r\n", nil, "control character in the target" },
    { "GET /\195\164 HTTP/1.1\r\n", nil, "byte beyond ASCII in the target" },
    { "GET * HTTP/1.1\r\n", nil, "target * is for OPTIONS only" },
    { "OPTIONS ** HTTP/1.1\r\n", nil, "invalid target: expected a path or an http URL" },
    { "GET a.example:80 HTTP/1.1\r\n", nil, "invalid target: expected a path or an http URL" },
    { "GET path HTTP/1.1\r\n", nil, "invalid target: expected a path or an http URL" },
    { "GET ?q HTTP/1.1\r\n", nil, "invalid target: expected a path or an http URL" },
    { "GET ftp://a.example/ HTTP/1.1\r\n", nil, "invalid target: expected a path or an http URL" },
    { "GET http:/a.example HTTP/1.1\r\n", nil, "invalid target: expected a path or an http URL" },
    { "GET http:///x HTTP/1.1\r\n", nil, "bad host in the target" },
    { "GET http://u:p@a.example/ HTTP/1.1\r\n", nil, "bad host in the target" },
    { "GET http://b.example/ HTTP/1.1\r\n", nil, "Host differs from the target" },
    { "GET http://a.example:80/ HTTP/1.1\r\n", nil, "Host differs from the target" },
    { "GET https://a.example.b/ HTTP/1.1\r\n", nil, "Host differs from the target" },
  } do
    it("refuses " .. show(case[1]), function()
      refused(case[1] .. HOST .. "\r\n", case[2], case[3])
    end)
  end

  it("refuses what cannot become a message at its first byte, such as TLS", function()
    for _, first in ipairs { "\22", "\0", " ", "\127", "\200" } do
      assert.are.equal("EHTTP", decode(first).code)
      assert.are.equal("EHTTP", decode(request(HOST) .. first).code)
      assert.are.equal("EHTTP", decode(first, { responses = true }).code)
    end
    assert.are.equal("EHTTP", decode("G", { responses = true }).code)
  end)

  for _, case in ipairs {
    { "/", "/", "" },
    { "/mcp", "/mcp", "" },
    { "/mcp?", "/mcp", "" },
    { "/mcp?a=b?c", "/mcp", "a=b?c" },
    { "//x", "//x", "" },
    { "/?/", "/", "/" },
    { "/a%20b%0d%00", "/a%20b%0d%00", "" },
    { "/a|b\"c<d>{e}^`\\", "/a|b\"c<d>{e}^`\\", "" },
    { "http://a.example", "/", "" },
    { "HTTP://A.example/x?y", "/x", "y" },
    { "https://a.example?y", "/", "y" },
  } do
    it("reads the target " .. case[1] .. " (RFC 9112 3.2)", function()
      local head = accepted(request(HOST, "GET " .. case[1] .. " HTTP/1.1"))
      assert.are.equal(case[1], head.target)
      assert.are.equal(case[2], head.path)
      assert.are.equal(case[3], head.query)
      assert.are.equal("a.example", head.host)
    end)
  end

  it("takes * for OPTIONS (RFC 9112 3.2.4)", function()
    local head = accepted(request(HOST, "OPTIONS * HTTP/1.1"))
    assert.are.equal("*", head.path)
    assert.are.equal("OPTIONS", head.method)
  end)

  it("names our methods and lets any other token through (RFC 9110 9.1)", function()
    for _, name in ipairs { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS" } do
      assert.are.equal(name, (accepted(request(HOST, name .. " / HTTP/1.1"))).method)
    end
    for _, name in ipairs { "get", "PATCH", "TRACE", "BREW", "M-SEARCH", "!#$%&'*+.^_`|~", "SOURCE",
      "DESCRIBE", "QUERY", "P", ("M"):rep(32) } do
      local head = accepted(request(HOST, name .. " / HTTP/1.1"))
      assert.are.equal("OTHER", head.method)
      assert.are.equal(name, head.method_name)
    end
  end)
end)

describe("HTTP Host (RFC 9110 7.2, RFC 9112 3.2)", function()
  it("must be there once in HTTP/1.1, and may be in HTTP/1.0", function()
    refused(request(""), nil, "no Host field")
    refused(request(HOST .. HOST), nil, "two Host fields")
    refused(request(HOST .. "X: y\r\nhOST: b\r\n"), nil, "two Host fields")
    refused(request(HOST .. HOST, "GET / HTTP/1.0"), nil, "two Host fields")
    assert.are.equal("", (accepted(request("", "GET / HTTP/1.0"))).host)
    assert.are.equal("a.example", (accepted(request(HOST, "GET / HTTP/1.0"))).host)
  end)

  for _, host in ipairs { "a", "a.b.", "A-b_c~.d", "127.0.0.1:8000", "localhost:0", "a:65535",
    "[::1]",
    "[::1]:80", "[2001:db8::192.0.2.1]:8443" } do
    it("takes " .. host, function()
      assert.are.equal(host, (accepted(request("Host: \t" .. host .. " \r\n"))).host)
    end)
  end

  for _, host in ipairs { "", ":80", "a:", "a:b", "a:65536", "a:000080", "a:1:2", "a b", "a,b",
    "a, a",
    "u@a", "a/b", "a?b", "http://a", "[::1", "::1", "[]", "[1]", "[::1]x", "[::g]", "[v1.x:y]",
    "a%41", "\195\164", "a\tb", "[::1%25lo]", "a\\b", "a;b" } do
    it("refuses \"" .. show(host) .. "\"", function()
      refused(request("Host: " .. host .. "\r\n"), nil, "bad Host")
      refused(request("Host: " .. host .. "\r\n", "GET / HTTP/1.0"), nil, "bad Host")
    end)
  end
end)

describe("HTTP fields (RFC 9110 5.5, 5.6, RFC 9112 5)", function()
  for _, case in ipairs {
    { "X : y\r\n", "blank before the colon or in a field name" },
    { "X\t: y\r\n", "blank before the colon or in a field name" },
    { "X Y: y\r\n", "blank before the colon or in a field name" },
    { " X: y\r\n", "obsolete line folding" },
    { "\tX: y\r\n", "obsolete line folding" },
    { "X: y\r\n z\r\n", "obsolete line folding" },
    { "X: y\r\n\t\r\n", "obsolete line folding" },
    { ": y\r\n", "empty field name" },
    { ":\r\n", "empty field name" },
    { "X\r\n", "field without a colon" },
    { "X\0: y\r\n", "bad character in a field name" },
    { "X\1: y\r\n", "bad character in a field name" },
    { "X\127: y\r\n", "bad character in a field name" },
    { "X\128: y\r\n", "bad character in a field name" },
    { "X(: y\r\n", "bad character in a field name" },
    { "\"X\": y\r\n", "bad character in a field name" },
    { "X: \0\r\n", "control character in a field value" },
    { "X: y\0\r\n", "control character in a field value" },
    { "X: 0123456789\8abcdef\r\n", "control character in a field value" },
    { "X: \27[31m\r\n", "control character in a field value" },
    { "X: y\127\r\n", "control character in a field value" },
    { "X: \11\r\n", "control character in a field value" },
    { "X: y\rZ: z\r\n", "CR without LF" },
    { "X: y\r\r\n", "CR without LF" },
    { "X: \r\r\n", "CR without LF" },
    { "\rX: y\r\n", "CR without LF" },
    { "X\r: y\r\n", "CR without LF" },
    { "X: y\nZ: z\r\n", "LF without CR" },
    { "X: y\n\r\n", "LF without CR" },
    { "\nX: y\r\n", "LF without CR" },
  } do
    it("refuses " .. show(case[1]), function()
      refused(request(HOST .. case[1] .. "A: b\r\n"), nil, case[2])
      refused(request(case[1] .. HOST), nil, case[2])
      refused(CHUNKED .. "0\r\n" .. case[1] .. "\r\n", nil, case[2], { before = 1 })
    end)
  end

  it("finds a control character at any place of a value", function()
    for _, bad in ipairs { "\0", "\8", "\11", "\31", "\127" } do
      for at = 0, 40 do
        local value = ("\t"):rep(at % 3) .. ("\200y"):rep(at) .. bad .. ("z"):rep(40 - at)
        local result = decode(request(HOST .. "X:" .. value .. "\r\n"))
        assert.are.equal("EHTTP", result.code)
        result = decode(request(HOST .. "X: " .. value:gsub(bad, "\t", 1) .. "\r\n"))
        assert.is_nil(result.code, result.why)
      end
    end
  end)

  it("keeps names and order, trims values, takes obs-text, tabs and empty values", function()
    local head = accepted(request(
      HOST .. "X-a:\r\nx-A: \t \r\nB!#$%&'*+.^_`|~0:  b \t c\t\r\nU: \128\255\r\n"))
    assert.are.same({
      { "Host", "a.example" }, { "X-a", "" }, { "x-A", "" }, { "B!#$%&'*+.^_`|~0", "b \t c" },
      { "U", "\128\255" },
    }, head.headers)
  end)

  it("finds a field whatever its case, and says when there are two (HM-26, HM-27, T-08)", function()
    local d = http.new()
    d:feed(request(HOST .. "Mcp-Method: tools/call\r\nA: 1\r\nMCP-METHOD: ping\r\n"))
    d:next()
    assert.are.same({ "tools/call", true }, { d:header("mcp-method") })
    assert.are.same({ "1", false }, { d:header("a") })
    assert.is_nil((d:header("b")))
    assert.is_nil((d:header("")))
  end)
end)

describe("HTTP framing of requests (RFC 9112 6)", function()
  local function post(fields, version)
    return request(HOST .. fields, "POST / " .. (version or "HTTP/1.1"))
  end

  for _, case in ipairs {
    { "Content-Length: 1\r\nContent-Length: 1\r\n", "two Content-Length fields" },
    { "Content-Length: 1\r\nA: b\r\ncontent-length: 2\r\n", "two Content-Length fields" },
    { "Content-Length:\r\n", "empty Content-Length" },
    { "Content-Length: +1\r\n", "Content-Length is not a number" },
    { "Content-Length: -1\r\n", "Content-Length is not a number" },
    { "Content-Length: 1, 1\r\n", "Content-Length is not a number" },
    { "Content-Length: 1 1\r\n", "Content-Length is not a number" },
    { "Content-Length: 1.0\r\n", "Content-Length is not a number" },
    { "Content-Length: 0x1\r\n", "Content-Length is not a number" },
    { "Content-Length: 1e1\r\n", "Content-Length is not a number" },
    { "Content-Length: \194\1781\r\n", "Content-Length is not a number" },
    { "Content-Length: 9223372036854775808\r\n", "Content-Length too large" },
    { "Content-Length: 18446744073709551617\r\n", "Content-Length too large" },
    { "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
      "Content-Length and Transfer-Encoding" },
    { "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
      "Content-Length and Transfer-Encoding" },
    { "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
      "Content-Length and Transfer-Encoding" },
    { "Transfer-Encoding: gzip, chunked\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: chunked, identity\r\n",
      "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: chunked, chunked\r\n",
      "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: chunked,\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: ,chunked\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: chunked;q=1\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: xchunked\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: identity\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: \"chunked\"\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding:\r\n", "unsupported Transfer-Encoding: expected chunked" },
    { "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "two Transfer-Encoding fields" },
    { "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
      "two Transfer-Encoding fields" },
    { "Transfer_Encoding: chunked\r\n", "field name resembles a framing field" },
    { "Transfer--Encoding: chunked\r\n", "field name resembles a framing field" },
    { "TransferEncoding: chunked\r\n", "field name resembles a framing field" },
    { "-content.length_: 1\r\n", "field name resembles a framing field" },
    { "ContentLength: 1\r\n", "field name resembles a framing field" },
  } do
    it("refuses " .. show(case[1]), function()
      refused(post(case[1]), nil, case[2])
    end)
  end

  it("lets names be that only hold such a name", function()
    accepted(request(HOST ..
      "X-Content-Length: 1\r\nContent-Lengths: 1\r\nContent-Length2: 1\r\n" ..
      "Content-Leng: 1\r\nX-Transfer-Encoding: y\r\nTE: trailers\r\nAccept-Encoding: chunked\r\n"))
  end)

  it("refuses Transfer-Encoding in HTTP/1.0 (6.1)", function()
    refused(post("Transfer-Encoding: chunked\r\n", "HTTP/1.0"), nil,
      "Transfer-Encoding in HTTP/1.0")
  end)

  it("refuses a GET or HEAD with a body (RFC 9110 9.3.1)", function()
    for _, method in ipairs { "GET", "HEAD" } do
      for _, fields in ipairs { "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n" } do
        refused(request(HOST .. fields, method .. " / HTTP/1.1"), nil, "GET or HEAD with a body")
      end
      accepted(request(HOST .. "Content-Length: 0\r\n", method .. " / HTTP/1.1"))
    end
    local _, message = accepted(request(HOST .. "Content-Length: 1\r\n", "DELETE / HTTP/1.1") ..
      "x")
    assert.are.equal("x", message.body)
  end)

  it("reads lengths and codings", function()
    assert.are.equal(-1, (accepted(post(""))).content_length)
    assert.are.equal(0, (accepted(post("Content-Length: 0\r\n"))).content_length)
    assert.are.equal(3, (accepted(post("Content-Length: 0003\r\n") .. "abc")).content_length)
    assert.are.equal(9223372036854775807,
      decode(post("Content-Length: 9223372036854775807\r\n"))[1].head.content_length)
    local head = accepted(post("TRANSFER-ENCODING:\tCHUNKED \r\n") .. "0\r\n\r\n")
    assert.is_true(head.chunked)
    assert.are.equal(-1, head.content_length)
  end)

  it("keeps or ends the connection (9.3)", function()
    for _, case in ipairs {
      { "", true, false },
      { "Connection: close\r\n", false, false },
      { "Connection: Close\r\n", false, false },
      { "Connection: keep-alive\r\n", true, true },
      { "Connection: x, ,KEEP-ALIVE\t,\r\n", true, true },
      { "Connection: keep-alive, close\r\n", false, false },
      { "Connection: close\r\nConnection: keep-alive\r\n", false, false },
      { "Connection: closed\r\n", true, false },
    } do
      assert.are.equal(case[2], (accepted(request(HOST .. case[1]))).keep_alive, case[1])
      assert.are.equal(case[3], (accepted(request(HOST .. case[1], "GET / HTTP/1.0"))).keep_alive)
    end
  end)

  it("takes nothing after the last message (9.6)", function()
    for _, first in ipairs { request(HOST .. "Connection: close\r\n"), request("",
      "GET / HTTP/1.0"),
      CHUNKED:gsub("\r\n\r\n", "\r\nConnection: close\r\n\r\n") .. "0\r\n\r\n" } do
      refused(first .. request(HOST), nil, "bytes after the last message", { before = 1 })
      refused(first .. "\r\n", nil, "bytes after the last message", { before = 1 })
      accepted(first)
    end
  end)

  it("sees an upgrade that is asked for (RFC 9110 7.8)", function()
    for _, case in ipairs {
      { "Connection: Upgrade\r\nUpgrade: websocket\r\n", true },
      { "upgrade: websocket\r\nconnection: keep-alive, upgrade\r\n", true },
      { "Upgrade: websocket\r\n", false },
      { "Connection: upgrade\r\n", false },
      { "Connection: upgrade\r\nUpgrade:\r\n", false },
      { "Connection: upgrades\r\nUpgrade: x\r\n", false },
    } do
      assert.are.equal(case[2], (accepted(request(HOST .. case[1]))).upgrade, case[1])
      assert.is_false((accepted(request(HOST .. case[1], "GET / HTTP/1.0"))).upgrade)
    end
  end)

  it("leaves the bytes after an upgrade to the new protocol, or continues", function()
    local d = http.new()
    local ask = request(HOST .. "Connection: upgrade\r\nUpgrade: websocket\r\n")
    d:feed(ask .. request(HOST, "GET /2 HTTP/1.1"))
    assert.are.equal("start", d:next())
    assert.are.equal("end", d:next())
    assert.are.equal(request(HOST, "GET /2 HTTP/1.1"), d:rest())
    assert.are.equal("start", d:next())
    assert.are.equal("/2", d:head().target)
    assert.is_false(d:head().upgrade)
  end)

  it("reads the body of an upgrade request first (RFC 9110 7.8)", function()
    local head, message = accepted(
      post("Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n") .. "hi")
    assert.is_true(head.upgrade)
    assert.are.equal("hi", message.body)
  end)

  it("sees expectations (RFC 9110 10.1.1)", function()
    for _, case in ipairs {
      { "", false, false },
      { "Expect: 100-continue\r\n", true, false },
      { "expect: 100-Continue\r\n", true, false },
      { "Expect: 200-ok\r\n", false, true },
      { "Expect: 100-continue, x\r\n", false, true },
      { "Expect: 100-continue\r\nExpect: x\r\n", true, true },
      { "Expect:\r\n", false, true },
    } do
      local head = accepted(post(case[1]))
      assert.are.same({ case[2], case[3] }, { head.expect_continue, head.expect_other }, case[1])
    end
    assert.is_false((accepted(post("Expect: 100-continue\r\n", "HTTP/1.0"))).expect_continue)
  end)
end)

describe("HTTP chunked bodies (RFC 9112 7.1)", function()
  for _, body in ipairs {
    "0x1\r\nx\r\n0\r\n\r\n", "+1\r\nx\r\n0\r\n\r\n", "-1\r\nx\r\n0\r\n\r\n", " 1\r\nx\r\n0\r\n\r\n",
    "1 \r\nx\r\n0\r\n\r\n", "1\t\r\nx\r\n0\r\n\r\n", "g\r\n", "\r\n", "\n", ";a\r\n",
    "1\nx\r\n0\r\n\r\n", "1\r\nx\n0\r\n\r\n", "1\r\nxx\r\n0\r\n\r\n", "2\r\nx\r\n0\r\n\r\n",
    "1\rx\r\n0\r\n\r\n", "1\r\nx\r0\r\n\r\n", "1\r\nx0\r\n\r\n", "1\r\n\r\nx\r\n0\r\n\r\n",
    "1;a\nx\r\n0\r\n\r\n", "1;a\rx\r\n0\r\n\r\n", "1;a=\"\n\"\r\nx\r\n0\r\n\r\n",
      "1;a=\0\r\nx\r\n0\r\n\r\n",
    "10000000000000001\r\nx\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "1_\r\nx\r\n0\r\n\r\n",
    "0\r\n\n", "0\n\r\n", "0\r\r\n", "0\r\n\rX", "0;\n\r\n", "1.\r\nx\r\n0\r\n\r\n",
      "\0001\r\nx\r\n",
  } do
    it("refuses " .. show(body), function()
      for _, step in ipairs { 1, #CHUNKED + #body } do
        local result = decode(CHUNKED .. body .. request(HOST), { step = step })
        assert.are.equal("EHTTP", result.code, "in steps of " .. step)
        assert.are.equal(1, #result)
        assert.is_nil(result[1].ended)
      end
    end)
  end

  it("drops trailers: they never show among the headers (RFC 9110 6.5.1)", function()
    local _, message = accepted(CHUNKED ..
      "1\r\nx\r\n0\r\nAuthorization: y\r\nMcp-Session-Id: z\r\n" ..
      "Host: b\r\nConnection: close\r\n\r\n" .. request(HOST))
    assert.is_true(message.head.keep_alive)
    local d = http.new()
    d:feed(CHUNKED .. "0\r\nAuthorization: y\r\n\r\n")
    assert.are.equal("start", d:next())
    assert.are.equal("end", d:next())
    assert.are.equal(2, #d:head().headers)
    assert.is_nil((d:header("authorization")))
  end)

  for _, field in ipairs { "Content-Length: 40", "transfer-encoding: chunked",
    "Content_Length: 40" } do
    it("refuses the trailer " .. field .. " (RFC 9110 6.5.1)", function()
      refused(CHUNKED .. "0\r\n" .. field .. "\r\n\r\n", nil, "framing field in a trailer",
        { before = 1 })
    end)
  end

  it("takes as many small chunks as a body has", function()
    local d = http.new()
    d:feed(CHUNKED)
    assert.are.equal("start", d:next())
    assert.are.equal("more", d:next())
    local hundred = ("001\r\nx\r\n"):rep(100)
    local length = 0
    for _ = 1, 200 do
      d:feed(hundred)
      while true do
        local kind, piece = d:next()
        if kind ~= "body" then
          assert.are.equal("more", kind)
          break
        end
        length = length + #piece
      end
    end
    d:feed("0\r\n\r\n")
    assert.are.equal("end", d:next())
    assert.are.equal(20000, length)
  end)
end)

describe("HTTP responses (RFC 9112 4)", function()
  local responses = { responses = true }

  for _, case in ipairs {
    { "HTTP/1.1 200 OK\n\r\n" },
    { "HTTP/1.1 200 OK\n\n" },
    { "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n" },
    { "HTTP/1.1 200 OK\r\n: b\r\n\r\n" },
    { "HTTP/1.1 200 OK\r\nA : b\r\n\r\n" },
    { "HTTP/1.1 200 O\0K\r\n\r\n" },
    { "HTTP/1.1 200 O\rK\r\n\r\n" },
    { "HTTP/1.1 200 OK\r\r\n\r\n" },
    { "HTTP/1.1  200 OK\r\n\r\n" },
    { "HTTP/1.1\t200 OK\r\n\r\n" },
    { "HTTP/1.1 20 OK\r\n\r\n" },
    { "HTTP/1.1 2000 OK\r\n\r\n" },
    { "HTTP/1.1 099 OK\r\n\r\n" },
    { "HTTP/1.1 2x0 OK\r\n\r\n" },
    { "HTTP/1.1 +20 OK\r\n\r\n" },
    { "HTTP/1.1 200\tOK\r\n\r\n" },
    { "HTTP/1.1\r\n\r\n" },
    { "HTTP/1.2 200 OK\r\n\r\n", "EVERSION" },
    { "HTTP/2.0 200 OK\r\n\r\n", "EVERSION" },
    { "HTTP/0.9 200 OK\r\n\r\n", "EVERSION" },
    { "http/1.1 200 OK\r\n\r\n" },
    { "ICY 200 OK\r\n\r\n" },
    { "\r\nHTTP/1.1 200 OK\r\n\r\n" },
    { " HTTP/1.1 200 OK\r\n\r\n" },
    { "GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n" },
    { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
    { "HTTP/1.1 101 S\r\n\r\n" },
    { "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n" },
    { "HTTP/1.1 100 C\r\nContent-Length: 1\r\n\r\n" },
    { "HTTP/1.1 100 C\r\nTransfer-Encoding: chunked\r\n\r\n" },
  } do
    it("refuses " .. show(case[1]), function()
      refused(case[1], case[2], nil, responses)
    end)
  end

  it("takes any status and reason, and none", function()
    for _, line in ipairs { "HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200",
      "HTTP/1.1 999 \200 x\ty",
      "HTTP/1.0 599 X" } do
      local head = accepted(line .. "\r\nContent-Length: 0\r\n\r\n", responses)
      assert.are.equal(tonumber(line:sub(10, 12)), head.status)
    end
  end)

  it("passes over " .. http.INTERIM_COUNT .. " interim responses and no more (RFC 9110 15.2)",
    function()
    local interim = "HTTP/1.1 102 Processing\r\nX: y\r\n\r\n"
    local final = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    local result = decode((interim:rep(http.INTERIM_COUNT) .. final):rep(3), responses)
    assert.is_nil(result.code)
    assert.are.equal(3, #result)
    refused(interim:rep(http.INTERIM_COUNT + 1) .. final, nil, "too many interim responses",
      responses)
  end)

  it("reads no body in 204, 304 and answers to HEAD (RFC 9112 6.3)", function()
    local after = "HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nabc"
    for _, first in ipairs { "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 N\r\n\r\n" } do
      local result = decode(first .. after, responses)
      assert.is_nil(result.code, result.why)
      assert.are.equal(2, #result)
      assert.are.equal("", result[1].body)
    end
    for _, fields in ipairs { "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "" } do
      local result = decode("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n" .. fields .. "\r\n" ..
        after,
        { responses = true, no_body = true })
      assert.is_nil(result.code, result.why)
      assert.are.same({ 200, 500 }, { result[1].head.status, result[2].head.status })
      assert.are.same({ "", "abc" }, { result[1].body, result[2].body })
      assert.is_true(result[1].head.keep_alive)
    end
  end)

  it("never reads a body that a 204 has nevertheless as the next response", function()
    refused("HTTP/1.1 204 N\r\nContent-Length: 38\r\n\r\n" ..
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      nil, "bytes after the last message", { responses = true, before = 1 })
  end)

  it("ends a body without a length with the connection (RFC 9112 6.3)", function()
    for _, line in ipairs { "HTTP/1.1 200 OK", "HTTP/1.0 200 OK\r\nConnection: keep-alive" } do
      local head, message = accepted(line .. "\r\n\r\n" .. "abc\r\n\r\nHTTP/1.1", responses)
      assert.are.equal("abc\r\n\r\nHTTP/1.1", message.body)
      assert.is_false(head.keep_alive)
    end
    local d = http.new(true)
    d:feed("HTTP/1.1 200 OK\r\n\r\nx")
    d:next()
    d:next()
    assert.are.equal("more", d:next())
    assert.is_true(d:finish())
    assert.are.equal("end", d:next())
    assert.are.equal("more", d:next())
    assert.is_true(d:finish())
  end)

  it("ends HTTP at a granted upgrade (RFC 9110 15.2.2)", function()
    local d = http.new(true)
    d:feed("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" ..
      "Upgrade: websocket\r\n\r\n\x81\x01x")
    assert.are.equal("start", d:next())
    assert.is_true(d:head().upgrade)
    assert.are.equal("end", d:next())
    assert.are.equal("\x81\x01x", d:rest())
    assert.are.equal("more", d:next())
    assert.are.equal("\x81\x01x", d:rest())
    assert.is_true(d:finish())
  end)

  it("sees no upgrade where one is only offered", function()
    local head = accepted("HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" ..
      "Content-Length: 0\r\n\r\n", responses)
    assert.is_false(head.upgrade)
    assert.is_true(head.keep_alive)
  end)
end)

describe("HTTP limits", function()
  local function line(length)
    return "GET /" .. ("x"):rep(length - 1) .. " HTTP/1.1\r\n" .. HOST .. "\r\n"
  end

  it("takes a target of the limit and no longer: 414", function()
    assert.are.equal(http.TARGET_LENGTH, #(accepted(line(http.TARGET_LENGTH))).target)
    refused(line(http.TARGET_LENGTH + 1), "ETARGET")
    refused(line(http.TARGET_LENGTH + 1000), "ETARGET")
    refused(line(http.HEAD_LENGTH + 1000), "ETARGET")
  end)

  it("takes as many fields as the limit says and no more: 431", function()
    local fields = HOST .. ("a:\r\n"):rep(http.HEADER_COUNT - 1)
    assert.are.equal(http.HEADER_COUNT, #(accepted(request(fields))).headers)
    refused(request(fields .. "b:\r\n"), "EHEADERS")
    refused(request(fields .. ("b:\r\n"):rep(50)), "EHEADERS")
  end)

  it("takes a head of the limit and no longer: 431", function()
    local bare = request(HOST .. "X: \r\n")
    local function of(length)
      return request(HOST .. "X: " .. ("y"):rep(length - #bare) .. "\r\n")
    end
    accepted(of(http.HEAD_LENGTH))
    accepted("\r\n" .. of(http.HEAD_LENGTH))
    refused(of(http.HEAD_LENGTH + 1), "EHEADERS")
    refused("HTTP/1.1 200 " .. ("x"):rep(http.HEAD_LENGTH), "EHEADERS", nil, { responses = true })
  end)

  it("takes two leading CRLFs and no third (RFC 9112 2.2)", function()
    accepted(("\r\n"):rep(http.LEADING_CRLF) .. request(HOST))
    accepted(request(HOST) .. ("\r\n"):rep(http.LEADING_CRLF) .. request(HOST))
    refused(("\r\n"):rep(http.LEADING_CRLF + 1) .. request(HOST))
    refused("\n" .. request(HOST))
    refused("\r" .. request(HOST))
    refused("\r\r\n" .. request(HOST))
    refused(" \r\n" .. request(HOST))
  end)

  it("takes chunk extensions up to the limit of a message", function()
    local function body(length)
      return CHUNKED .. "1;" .. ("a"):rep(length - 3) .. "=bcd\r\nx\r\n0\r\n\r\n"
    end
    accepted(body(http.EXTENSION_LENGTH))
    local split = "1;" .. ("a"):rep(http.EXTENSION_LENGTH // 2) .. "\r\nx\r\n"
    accepted(CHUNKED .. split:rep(2) .. "0\r\n\r\n")
    for _, bytes in ipairs { body(http.EXTENSION_LENGTH + 1), CHUNKED .. split:rep(3) ..
      "0\r\n\r\n" } do
      for _, step in ipairs { 1, 100, #bytes } do
        local result = decode(bytes, { step = step })
        assert.are.equal("chunk extensions too long", result.why)
        assert.is_nil(result[1].ended)
      end
    end
  end)

  it("takes trailers up to their limit", function()
    local function body(length)
      return CHUNKED .. "0\r\nX: " .. ("y"):rep(length - 7) .. "\r\n\r\n"
    end
    accepted(body(http.TRAILER_LENGTH))
    for _, step in ipairs { 1, 1000, 10000 } do
      assert.are.equal("trailer section too long",
        decode(body(http.TRAILER_LENGTH + 1), { step = step }).why)
    end
  end)

  -- Fed without end, in pieces: it must stop soon, and for its reason.
  local function endless(prefix, piece, code, most)
    local d = http.new()
    d:feed(prefix)
    repeat until assert(d:next()) == "more"
    for round = 1, 64 do
      d:feed(piece)
      while true do
        local kind, name = d:next()
        if kind == "more" then break end
        if not kind then
          assert.are.equal(code, name)
          assert.is_true(round * #piece - #d:rest() <= most + #piece)
          assert.is_true(round <= 2)
          return
        end
      end
    end
    error("took all of it")
  end

  local MIB = 1 << 20
  it("stops an endless request line", function()
    endless("GET /", ("x"):rep(MIB), "ETARGET", http.HEAD_LENGTH)
    endless("", ("x"):rep(MIB), "ETARGET", http.HEAD_LENGTH)
  end)
  it("stops a field of a megabyte", function()
    endless("GET / HTTP/1.1\r\nX: ", ("x"):rep(MIB), "EHEADERS", http.HEAD_LENGTH)
    endless("GET / HTTP/1.1\r\n", ("x"):rep(MIB), "EHEADERS", http.HEAD_LENGTH)
  end)
  it("stops a million header lines", function()
    endless("GET / HTTP/1.1\r\n", ("a:\r\n"):rep(1000000), "EHEADERS", http.HEAD_LENGTH)
    endless("GET / HTTP/1.1\r\n", ("a:\r\n"):rep(100), "EHEADERS", 500)
  end)
  it("stops a million leading CRLFs", function()
    endless("", ("\r\n"):rep(1000000), "EHTTP", 6)
  end)
  it("stops 64 MiB of chunk extension, of semicolons and of leading zeros", function()
    endless(CHUNKED .. "5;", ("a"):rep(MIB), "EHTTP", 2048)
    endless(CHUNKED .. "5;a=\"b", ("a"):rep(MIB), "EHTTP", 2048)
    endless(CHUNKED .. "5", (";"):rep(MIB), "EHTTP", 2048)
    endless(CHUNKED, ("0"):rep(MIB), "EHTTP", 2048)
  end)
  it("stops a megabyte of trailers", function()
    endless(CHUNKED .. "0\r\n", ("a: b\r\n"):rep(200000), "EHTTP", 8192)
    endless(CHUNKED .. "0\r\nX: ", ("x"):rep(MIB), "EHTTP", 8192)
  end)
end)

describe("HTTP media types", function()
  for _, case in ipairs {
    { "application/json", true },
    { "Application/JSON", true },
    { "application/json; charset=utf-8", true },
    { "application/json;charset=\"a;b\"", true },
    { " application/json \t;", true },
    { "application/json,text/html", false },
    { "application/json text", false },
    { "application/jsonx", false },
    { "application/json-rpc", false },
    { "text/plain", false },
    { "text/plain; application/json", false },
    { "*/*", false },
    { ";application/json", false },
    { "", false },
  } do
    it(("HL-07: %q %s application/json"):format(case[1], case[2] and "is" or "is not"), function()
      assert.are.equal(case[2], http.media_is(case[1], "application/json"))
    end)
  end

  local JSON, SSE = "application/json", "text/event-stream"
  for _, case in ipairs {
    -- value, takes JSON, takes an event stream
    { "application/json, text/event-stream", true, true },
    { "application/json,text/event-stream", true, true },
    { "APPLICATION/JSON , TEXT/Event-Stream", true, true },
    { "application/json", true, false },
    { "text/event-stream", false, true },
    { "*/*", true, true },
    { "application/*", true, false },
    { "text/*", false, true },
    { "application/*, text/*", true, true },
    { "application/json;charset=utf-8, text/event-stream; x=\"a,b;q=0\"", true, true },
    -- weights: only 0 counts (HL-06)
    { "application/json;q=0.1, text/event-stream;q=0.001", true, true },
    { "application/json;q=0", false, false },
    { "application/json; Q = 0.000 , */*", false, true },
    { "*/*;q=0", false, false },
    { "*/*;q=0, application/json", true, false },
    { "application/json;q=0.0;x=y, text/event-stream", false, true },
    { "application/json;q=", true, false },
    { "application/json;q=.0", true, false },
    { "application/json;q=00", true, false },
    { "application/json;q=1;ext=0", true, false },
    -- the most specific range decides, wherever it stands (RFC 9110 12.5.1)
    { "*/*, application/json;q=0", false, true },
    { "application/json, */*;q=0", true, false },
    { "application/*;q=0, application/json", true, false },
    { "application/*;q=0, */*", false, true },
    { "application/json;q=0, application/json", true, false },
    { "application/json, application/json;q=0", true, false },
    -- not ranges, or of others
    { "", false, false },
    { ",, ,", false, false },
    { "json", false, false },
    { "*", false, false },
    { "*/json", false, false },
    { "application", false, false },
    { "application/", false, false },
    { "applicatio/*", false, false },
    { "application/jsonx, text/event-streams", false, false },
    { "text/html, image/png", false, false },
    { "x=\"application/json, text/event-stream\"", false, false },
    { "text/html;x=\"\\\", application/json\", text/event-stream", false, true },
    { "\"application/json", false, false },
  } do
    it(("HL-06: Accept %q"):format(case[1]), function()
      assert.are.equal(case[2], http.accepts(case[1], JSON))
      assert.are.equal(case[3], http.accepts(case[1], SSE))
    end)
  end

  it("HL-06: several Accept fields count as one list, none as anything (RFC 9110 5.2)", function()
    for _, case in ipairs {
      { "", true, true },
      { "Accept: application/json\r\naccept: text/event-stream\r\n", true, true },
      { "Accept: */*\r\nAccept: text/event-stream;q=0\r\n", true, false },
      { "Accept: text/event-stream;q=0\r\nAccept: */*\r\n", true, false },
      { "Accept:\r\n", false, false },
    } do
      local d = http.new()
      d:feed(request(HOST .. case[1]))
      assert.are.equal("start", d:next())
      assert.are.equal(case[2], d:accepts(JSON))
      assert.are.equal(case[3], d:accepts(SSE))
    end
  end)

  it("knows the reason of each status the server sends (RFC 9110 15)", function()
    for status, reason in pairs {
      [200] = "OK", [202] = "Accepted", [400] = "Bad Request", [401] = "Unauthorized",
      [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
        [406] = "Not Acceptable",
      [408] = "Request Timeout", [409] = "Conflict", [413] = "Content Too Large",
      [414] = "URI Too Long", [415] = "Unsupported Media Type", [417] = "Expectation Failed",
      [426] = "Upgrade Required", [431] = "Request Header Fields Too Large",
      [500] = "Internal Server Error", [501] = "Not Implemented", [503] = "Service Unavailable",
      [505] = "HTTP Version Not Supported", [299] = "", [0] = "",
    } do
      assert.are.equal(reason, http.reason(status))
    end
  end)
end)
