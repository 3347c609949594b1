-- SPDX-License-Identifier: MIT
-- card_spec.lua: lua/mcp/server/listen/card.lua: a server card, for clients without a connection.
local cjson = require "cjson"
local helper = require "spec.helper"
local mcp = require "mcp"

local NAME, TEXT = "com.example/weather", "Says what the weather will be"

local function server(options)
  local all = { name = "weather", version = "1.2.3", description = TEXT }
  for name, given in pairs(options or {}) do all[name] = given or nil end
  return mcp.server(all)
end

describe("a server card", function()
  after_each(function()
    helper.wait_until(function() return require("mcp.core").task_count() == 0 end, "all tasks")
    helper.leftovers()
  end)

  local function serve(app, card, more)
    local options = { http = 0, quiet = true, card = card }
    for name, given in pairs(more or {}) do options[name] = given end
    return app:listen(options)
  end

  local function fetch(listening, options, path)
    return assert(mcp.fetch(listening.urls[1] .. (path or "/server-card"), options))
  end

  it("is at the endpoint, and says what the server is and where", function()
    local app = server { title = "Weather", website = "https://weather.example/",
      icons = { { src = "https://weather.example/i.png", sizes = "48x48" } } }
    local listening <close> = serve(app, { name = NAME, url = "https://weather.example/mcp",
      repository = { url = "https://git.example/weather", source = "github" },
      headers = { { name = "X-Team", isRequired = true } }, meta = { ["com.example/x"] = 1 } })
    local response = fetch(listening)
    assert.equal(200, response.status)
    assert.equal("application/mcp-server-card+json", response.headers["content-type"])
    assert.equal("*", response.headers["access-control-allow-origin"])
    assert.equal("public, max-age=3600", response.headers["cache-control"])
    assert.same({
      ["$schema"] = "https://static.modelcontextprotocol.io/schemas/v2/server-card.schema.json",
      name = NAME, version = "1.2.3", description = TEXT, title = "Weather",
      websiteUrl = "https://weather.example/",
      icons = { { src = "https://weather.example/i.png", sizes = { "48x48" } } },
      repository = { url = "https://git.example/weather", source = "github" },
      remotes = { { type = "streamable-http", url = "https://weather.example/mcp",
        headers = { { name = "X-Team", isRequired = true } },
        supportedProtocolVersions = { "2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26",
          "2024-11-05" } } },
      _meta = { ["com.example/x"] = 1 },
    }, cjson.decode(response.body))
  end)

  it("takes what the server has of its own, and the address on this machine", function()
    local listening <close> = serve(server { name = NAME }, true)
    local document = cjson.decode(fetch(listening).body)
    assert.equal(NAME, document.name)
    assert.equal(listening.urls[1], document.remotes[1].url)
    local other <close> = serve(server { name = NAME }, true, { http = { port = 0, path = "/" } })
    assert.equal(200, assert(mcp.fetch(other.urls[1] .. "server-card")).status)
  end)

  it("is read without a token and from every origin, and by no other method", function()
    local app = server { auth = { verify = function() return nil end,
      resource = "https://weather.example/mcp",
      authorization_servers = { "https://issuer.example" } } }
    local listening <close> = serve(app, { name = NAME })
    local response = fetch(listening, { headers = { Origin = "https://elsewhere.example" } })
    assert.equal(200, response.status)
    assert.equal("https://weather.example/mcp", cjson.decode(response.body).remotes[1].url)
    assert.equal(401, fetch(listening, { method = "POST", body = "{}",
      headers = { ["Content-Type"] = "application/json" } }, "").status)
    assert.equal(405, fetch(listening, { method = "DELETE" }).status)
    assert.equal(200, assert(mcp.fetch((listening.urls[1]:gsub("/mcp$",
      "/.well-known/oauth-protected-resource/mcp")))).status)
  end)

  it("is not there unless it is asked for", function()
    for _, card in ipairs { false, nil } do
      local listening <close> = serve(server { name = NAME }, card)
      assert.equal(404, fetch(listening).status)
    end
  end)

  it("names what is wrong, and opens nothing then", function()
    local function refused(options, given)
      local ok, text = pcall(function() server(options):listen(given):close() end)
      assert.is_false(ok)
      assert.matches("card_spec.lua:%d+: ", text)
      return text
    end
    for expected, card in pairs {
      ['card: name: expected one such as "com.example/weather", got "weather" (the server\'s own)']
        = true,
      ['got "com.example"'] = { name = "com.example" },
      ['got "a/b/c"'] = { name = "a/b/c" },
      ['unknown option "nmae", did you mean "name"'] = { nmae = NAME },
      ["card: description: expected a text of 1 to 100 characters, got one of 101"] =
        { name = NAME, description = ("x"):rep(101) },
      ["got one of 0"] = { name = NAME, description = "" },
      ['card: url: expected an address such as "https://mcp.example/mcp", got "x"'] =
        { name = NAME, url = "x" },
      ["card: repository: expected url and source"] =
        { name = NAME, repository = { url = "https://x.example" } },
      ['repository: unknown option "uri"'] = { name = NAME, repository = { uri = "x" } },
      ["card: meta"] = { name = NAME, meta = { f = print } },
      ["card: meta: expected a table with names, got an array"] = { name = NAME, meta = { 1 } },
      ["card: variables: expected a table with names, got an array"] =
        { name = NAME, variables = { "x" } },
      ["card: headers[1]: expected a table such as { name = \"X-Key\" }, got string"] =
        { name = NAME, headers = { "X-Key" } },
      ["card: headers[1]: expected a table such as { name = \"X-Key\" }, got one without a name"] =
        { name = NAME, headers = { { value = "x" } } },
      ["card: headers: expected a list of tables"] =
        { name = NAME, headers = { ["X-Key"] = "x" } },
    } do
      local text = refused({}, { http = 0, quiet = true, card = card })
      assert.matches(expected == "card: meta" and "function" or expected, text, 1, true)
    end
    assert.matches("none: the server has none either", refused({ description = false },
      { http = 0, quiet = true, card = { name = NAME } }), 1, true)
    assert.matches("card: needs http, sse or websocket", refused({}, { stdio = true, card = true }),
      1, true)
    assert.matches("card: url: the address that clients know this server by is needed",
      refused({}, { http = { host = "0.0.0.0", port = 0 }, quiet = true, card = { name = NAME } }),
      1, true)
    assert.matches('option "card": expected a boolean or table',
      refused({}, { http = 0, card = 1 }), 1, true)
  end)
end)
