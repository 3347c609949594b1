-- SPDX-License-Identifier: MIT
-- http_guard_spec.lua: src/transport/http_guard.c: what a listener answers by itself, from the head
-- alone. The same over sockets is in http_auth_spec.lua.
local http = require "codecs.http_head"

local function head(line, fields)
  return line .. " HTTP/1.1\r\nHost: h\r\n" .. (fields or "") .. "\r\n"
end

describe("a request without a token", function()
  local CHALLENGE = 'resource_metadata="x"'

  it("is 401 where one is wanted, and nowhere else", function()
    assert.equal(0, (http.judge(head "POST /mcp")))
    assert.equal(401, (http.judge(head "POST /mcp", CHALLENGE)))
    for _, value in ipairs { "Bearer x", "Basic y", "" } do
      assert.equal(0, (http.judge(head("POST /mcp", "authorization: " .. value .. "\r\n"),
        CHALLENGE)))
    end
  end)

  it("is 400 when it has one in its address too (RFC 6750 2.3)", function()
    local token = "Authorization: Bearer x\r\n"
    for _, query in ipairs { "access_token=x", "access_token", "a=b&access_token=x",
      "access_token&a", "a&access_token", "&&access_token=" } do
      assert.equal(400, (http.judge(head("POST /mcp?" .. query, token), CHALLENGE)), query)
      -- Without the field it is no token at all.
      assert.equal(401, (http.judge(head("POST /mcp?" .. query), CHALLENGE)), query)
      assert.equal(0, (http.judge(head("POST /mcp?" .. query, token))), query)
    end
    for _, query in ipairs { "", "x", "access_tokens=x", "xaccess_token=x", "a=access_token",
      "access_toke", "ACCESS_TOKEN=x", "a;access_token=x" } do
      assert.equal(0, (http.judge(head("POST /mcp?" .. query, token), CHALLENGE)), query)
    end
  end)

  it("passes with the key of a page, if there is a page of ours", function()
    local function judge(protocols, ...)
      return (http.judge(head("GET /mcp", "Sec-WebSocket-Protocol: " .. protocols .. "\r\n"),
        CHALLENGE, ...))
    end
    for _, protocols in ipairs { "mcp, mcp.page.x", "mcp.page.", "mcp,mcp.page.x, mcp.token.y" } do
      assert.equal(0, judge(protocols, "/a", "*/"), protocols)
      assert.equal(401, judge(protocols, "/a"), protocols)
      assert.equal(401, judge(protocols), protocols)
    end
    for _, protocols in ipairs { "mcp", "mcp.page", "mcp.pages", "MCP.PAGE.x", "m" } do
      assert.equal(401, judge(protocols, "*/"), protocols)
    end
    assert.equal(401, (http.judge(head "GET /mcp", CHALLENGE, "*/")))
  end)

  it("is told which one is wanted, and a wrong one what is wrong", function()
    assert.equal('WWW-Authenticate: Bearer resource_metadata="x"\r\n',
      http.challenge(CHALLENGE, 401))
    assert.equal('WWW-Authenticate: Bearer error="invalid_request", resource_metadata="x"\r\n',
      http.challenge(CHALLENGE, 400))
  end)
end)

describe("a page", function()
  it("is at its own path, query or not, and at no other", function()
    local function page(target)
      return select(2, http.judge(head("GET " .. target), nil, "/a", "/b"))
    end
    assert.equal("/a", page "/a")
    assert.equal("/b", page "/b?x")
    assert.equal("/b", page "http://h/b")
    for _, other in ipairs { "/", "/a/", "/A", "/ab", "/c", "/?/a" } do
      assert.is_nil(page(other))
    end
    assert.is_nil((select(2, http.judge(head "GET /a", nil))))
  end)

  it("that is JSON may be read by pages of any origin, for an hour", function()
    assert.equal("Content-Type: application/json\r\nAccess-Control-Allow-Origin: *\r\n"
      .. "Cache-Control: public, max-age=3600\r\n", http.page(head "GET /a"))
    assert.equal("Content-Type: application/x+json\r\nAccess-Control-Allow-Origin: *\r\n"
      .. "Cache-Control: public, max-age=3600\r\n", http.page(head "GET /a", "application/x+json"))
    assert.equal("Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET\r\n"
      .. "Access-Control-Allow-Headers: Accept, Content-Type, MCP-Protocol-Version\r\n"
      .. "Access-Control-Max-Age: 3600\r\n", http.page(head "OPTIONS /a"))
  end)

  it("with fields of its own has those, and no origin is let in", function()
    for _, method in ipairs { "GET", "OPTIONS" } do
      assert.equal("Content-Type: text/html\r\nX: y\r\n",
        http.page(head(method .. " /a"), "text/html", "X: y\r\n"))
    end
  end)
end)
