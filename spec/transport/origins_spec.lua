-- SPDX-License-Identifier: MIT
-- origins_spec.lua: the ports that schemes have by themselves are the same written or not (RFC 6454
-- 4, 6.1), in origins and in names of hosts; and nothing else is.
local support = require "spec.support"

local BODY = support.call_body(1, "echo", { text = "in" })

local function status(server, fields)
  local client <close> = support.client(server)
  local all = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
    ["Mcp-Name"] = "echo" }
  for name, value in pairs(fields) do all[name] = value end
  return client:ask(support.request("POST", all, BODY)).status
end

local function served(list, field)
  local server = support.http(("security = { %s = { %s }, dns_rebinding_protection = true }")
    :format(field, list))
  server.shares = true
  return server
end

describe("origins", function()
  after_each(support.stop_all)

  it("with the port of their scheme and without are the same", function()
    local server = served('"https://a.example:443", "http://b.example", "http://c.example:80", '
      .. '"https://D.example", "wss://e.example:443", "ws://f.example", "https://g.example:8443", '
      .. '"http://[::1]:80", "vscode-webview://h", "null"', "allowed_origins")
    for origin, expected in pairs {
      ["https://a.example"] = 200, ["https://a.example:443"] = 200, ["HTTPS://A.Example"] = 200,
      ["https://a.example:80"] = 403, ["http://a.example"] = 403, ["http://a.example:443"] = 403,
      ["http://b.example"] = 200, ["http://b.example:80"] = 200, ["https://b.example"] = 403,
      ["http://b.example:443"] = 403, ["http://b.example:8080"] = 403,
      ["http://c.example"] = 200, ["https://d.example:443"] = 200, ["https://d.example:0443"] = 200,
      ["wss://e.example"] = 200, ["ws://e.example"] = 403, ["ws://f.example:80"] = 200,
      ["https://g.example:8443"] = 200, ["https://g.example"] = 403,
      ["http://[::1]"] = 200, ["http://[::1]:80"] = 200, ["http://[::1]:81"] = 403,
      ["vscode-webview://h"] = 200, ["vscode-webview://h:80"] = 403, ["null"] = 200,
      ["https://a.example:"] = 403, ["https://a.example:443:443"] = 403,
      ["https://a.example/"] = 403, ["https://u@a.example"] = 403, ["a.example"] = 403,
      ["https://a.example:443 "] = 200, ["https://a.example.evil.example"] = 403,
      ["https://a.example:65979"] = 403, ["https://"] = 403, ["https://:443"] = 403,
    } do
      assert.equal(expected, status(server, { Origin = origin }), origin)
    end
  end)

  it("of any port are no others", function()
    local server = served('"http://localhost:*", "https://a.example:*"', "allowed_origins")
    for origin, expected in pairs {
      ["http://localhost"] = 200, ["http://localhost:1"] = 200, ["http://localhost:65535"] = 200,
      ["http://localhost:65536"] = 403, ["http://localhost:1x"] = 403,
      ["https://localhost"] = 403, ["https://a.example:9"] = 200, ["https://a.example:*"] = 403,
    } do
      assert.equal(expected, status(server, { Origin = origin }), origin)
    end
  end)

  it("of the server itself have the port that Host has, said or not", function()
    local server = support.http()
    for _, case in ipairs {
      { "localhost", "http://localhost", 200 }, { "localhost:80", "http://localhost", 200 },
      { "localhost", "http://localhost:80", 200 }, { "localhost:81", "http://localhost", 403 },
      { "localhost", "https://localhost", 403 }, { "localhost:443", "https://localhost", 403 },
    } do
      assert.equal(case[3], status(server, { Host = case[1], Origin = case[2] }),
        case[1] .. " " .. case[2])
    end
  end)

  it("name hosts: with the port of http or https, or without", function()
    local server = served('"a.example", "b.example:443", "c.example:80", "d.example:8443", '
      .. '"[2001:db8::1]:443"', "allowed_hosts")
    for host, expected in pairs {
      ["a.example"] = 200, ["a.example:1"] = 200, ["b.example"] = 200, ["b.example:443"] = 200,
      ["B.EXAMPLE"] = 200, ["b.example:80"] = 421, ["c.example"] = 200, ["c.example:80"] = 200,
      ["c.example:443"] = 421, ["d.example"] = 421, ["d.example:8443"] = 200,
      ["[2001:db8::1]"] = 200, ["[2001:db8::1]:443"] = 200, ["[2001:db8::2]"] = 421,
      ["e.example"] = 421,
    } do
      assert.equal(expected, status(server, { Host = host }), host)
    end
  end)
end)
