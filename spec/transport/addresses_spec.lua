-- SPDX-License-Identifier: MIT
-- addresses_spec.lua: the ways an address of the server comes in: with a slash at its end, behind a
-- proxy that cuts off a prefix, and by a first GET that says a version.
local core = require "mcp.core"
local support = require "spec.support"

local BODY = support.call_body(1, "echo", { text = "in" })
local IN = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
  ["Mcp-Name"] = "echo" }
local EVENTS = { Accept = "text/event-stream" }

local function ask(server, method, fields, body, target)
  local client <close> = support.client(server)
  return client:ask(support.request(method, fields, body, target))
end

-- The address that a stream of HTTP+SSE begins with, and the client that has the stream.
local function endpoint(server, fields, target)
  local client = support.client(server)
  local all = { Accept = "text/event-stream" }
  for name, value in pairs(fields or {}) do all[name] = value end
  client:send(support.request("GET", all, nil, target))
  assert.equal(200, client:head().status)
  local event = client:chunk()
  return event:match "^event: endpoint\ndata: ([^\n]*)\n\n$", client, event
end

-- A whole conversation by HTTP+SSE.
local function talk(server, address, stream)
  local poster <close> = support.client(server)
  poster:send(support.request("POST", nil, support.initialize_body(7, "2024-11-05"), address))
  assert.equal(202, poster:answer().status)
  local data = stream:chunk():match "data: ([^\n]*)"
  assert.equal(7, core.decode(data).id)
  stream:close()
end

describe("a trailing slash", function()
  after_each(support.stop_all)

  it("is the same address: every method, every way in", function()
    local server = support.http()
    assert.equal("in", ask(server, "POST", IN, BODY, "/mcp/").json.result.content[1].text)
    assert.equal(200, ask(server, "POST", IN, BODY, "/mcp/?x=1").status)
    assert.equal(204, ask(server, "OPTIONS", nil, nil, "/mcp/").status)
    assert.equal(400, ask(server, "DELETE", nil, nil, "/mcp/").status)
    assert.equal(405, ask(server, "PUT", nil, nil, "/mcp/").status)
    for _, other in ipairs { "/mcp//", "//mcp", "/mcp/x", "/", "/MCP", "/mcp%2f", "/mcp;/" } do
      assert.equal(404, ask(server, "POST", IN, BODY, other).status, other)
    end
  end)

  it("of our own path is as good as none", function()
    local server = support.start [[{ http = "127.0.0.1:0/tools/" }]]
    server.port = math.tointeger(server:wait_said "answers at http://[^%s]-:(%d+)/")
    assert.equal(200, ask(server, "POST", IN, BODY, "/tools/").status)
    assert.equal(200, ask(server, "POST", IN, BODY, "/tools").status)
    assert.equal(404, ask(server, "POST", IN, BODY, "/").status)
  end)

  it("goes with HTTP+SSE, its stream and its messages", function()
    local server = support.http "sse = true"
    for _, target in ipairs { "/mcp", "/mcp/" } do
      local address, stream = endpoint(server, nil, target)
      talk(server, address, stream)
      address, stream = endpoint(server, nil, target)
      talk(server, (address:gsub("%?", "/?")), stream)
    end
  end)
end)

describe("a prefix that a proxy cuts off", function()
  after_each(support.stop_all)

  it("is nowhere unless it is set: a client's word is not taken", function()
    local server = support.http "sse = true"
    local address, stream = endpoint(server, { ["X-Forwarded-Prefix"] = "/tools" })
    assert.matches("^/mcp/message%?session_id=", address)
    stream:close()
  end)

  it("stands in the address of messages: as set", function()
    for _, given in ipairs { "/tools", "/tools/", "/a/b.c" } do
      local server = support.http(("sse = true, security = { prefix = %q }"):format(given))
      local address, stream = endpoint(server)
      local bare = given:gsub("/$", "")
      assert.equal(bare .. "/mcp/message?session_id=", address:sub(1, -23))
      talk(server, address:sub(#bare + 1), stream)
    end
  end)

  it("stands there as X-Forwarded-Prefix says, if it is trusted and a path", function()
    local server = support.http "sse = true, security = { prefix = true }"
    for given, expected in pairs {
      ["/tools"] = "/tools", ["/tools/"] = "/tools", ["/"] = "", ["/a/b"] = "/a/b",
      ["//evil.example"] = "", ["/a//b"] = "", ["tools"] = "", ["/\\evil"] = "",
      ["/a\r\nX-Forwarded-Prefix: /b"] = "",
      ["http://evil.example"] = "", ["/a?b"] = "", ["/a#b"] = "", ["/a%2f"] = "", ["/a b"] = "",
      ["/" .. ("a"):rep(300)] = "",
    } do
      local address, stream = endpoint(server, { ["X-Forwarded-Prefix"] = given })
      assert.equal(expected .. "/mcp/message?session_id=", address:sub(1, -23), given)
      stream:close()
    end
  end)

  it("that is none is refused at the start", function()
    for _, given in ipairs { '"tools"', '"//x"', '"/a b"', '"/a?b"', "7", "{}" } do
      local server = support.start(("{ http = { port = 0 }, security = { prefix = %s } }")
        :format(given))
      assert.same({ "exit", 1 }, { server:wait_end() })
      assert.is_truthy(server:told():find("security: prefix: expected a path such as", 1, true),
        given)
    end
  end)
end)

describe("a first GET", function()
  after_each(support.stop_all)

  it("that names no session is one of HTTP+SSE, whatever version it says", function()
    local server = support.http "sse = true"
    for _, version in ipairs { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28",
      "1999-01-01" } do
      local address, stream = endpoint(server, { ["MCP-Protocol-Version"] = version })
      talk(server, address, stream)
    end
    -- With a session it is that one's, or nobody's.
    local fields = { ["Mcp-Session-Id"] = "none", Accept = EVENTS.Accept }
    assert.equal(404, ask(server, "GET", fields).status)
  end)

  it("is missing its session where there is no HTTP+SSE", function()
    local server = support.http "sse = false"
    for _, version in ipairs { false, "2024-11-05", "2025-11-25" } do
      assert.equal(400, ask(server, "GET", { Accept = EVENTS.Accept,
        ["MCP-Protocol-Version"] = version }).status)
    end
  end)
end)
