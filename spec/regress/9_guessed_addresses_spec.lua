-- SPDX-License-Identifier: MIT
-- At an address that a client guesses (RFC 9728 3.1, RFC 8414 3) something else may lie: a page of
-- the site, an empty object, somebody's list. Then there is no document, and the next place is
-- asked (RFC 9728 3.2, RFC 8414 3.2: a successful answer is 200 and a JSON object).
local client = require "mcp.auth.client"
local fake = require "spec.mcp.auth.fake_issuer"

local SERVER, ISSUER = "http://localhost:1001", "http://localhost:1002"
local REQUEST = { url = SERVER .. "/mcp", method = "POST" }
local AT_PATH = SERVER .. "/.well-known/oauth-protected-resource/mcp"
local AT_ROOT = SERVER .. "/.well-known/oauth-protected-resource"

local function answer(status, kind, body)
  return { status = status, headers = { ["content-type"] = kind }, body = body }
end

-- What lies there and is no document.
local SOMETHING = {
  ["a page"] = answer(200, "text/html", "<!doctype html><title>App</title>"),
  ["a page that says it is JSON"] = answer(200, "application/json", "<html></html>"),
  ["an empty object"] = answer(200, "application/json", "{}"),
  ["another object"] = answer(200, "application/json", '{"status":"ok"}'),
  ["a list"] = answer(200, "application/json", "[]"),
  ["null"] = answer(200, "application/json", "null"),
  ["a text"] = answer(200, "application/json", '"ok"'),
  ["nothing"] = answer(200, "text/plain", ""),
  ["no content"] = answer(204, "text/plain", ""),
  ["a subject that is none"] = answer(200, "application/json", '{"resource":null,"issuer":7}'),
  ["half a document"] = answer(200, "application/json", '{"resource":"http'),
  ["bytes"] = answer(200, "application/octet-stream", "\xff\xfe\0"),
  ["a redirect to nowhere"] = answer(300, "text/html", ""),
  ["not here"] = answer(410, "text/plain", ""),
}

local function oauth(issuer)
  return client.oauth { fetch = issuer:fetch(), on_authorize = issuer:authorize() }
end

describe("something else at a guessed address", function()
  it("of the resource's document leads to the next place", function()
    for name, what in pairs(SOMETHING) do
      local issuer = fake.new()
      issuer.documents[AT_PATH] = nil
      issuer.documents[AT_ROOT] = function()
        return { resource = SERVER, authorization_servers = { ISSUER } }
      end
      function issuer.fetched(address) return address == AT_PATH and what or nil end
      local provider = oauth(issuer)
      assert.is_true(provider:challenged(issuer:refusal(401, "Bearer")), name)
      assert.equal("Bearer token-1", provider:headers(REQUEST)[1][2])
      assert.same({ "GET " .. AT_PATH, "GET " .. AT_ROOT }, { table.unpack(issuer.seen, 1, 2) })
    end
  end)

  it("of the issuer's metadata leads to the next place, and the one after it", function()
    local places = { ISSUER .. "/.well-known/oauth-authorization-server/tenant",
      ISSUER .. "/.well-known/openid-configuration/tenant",
      ISSUER .. "/tenant/.well-known/openid-configuration" }
    for name, what in pairs(SOMETHING) do
      for last = 2, 3 do
        local issuer = fake.new { issuer = ISSUER .. "/tenant" }
        issuer.metadata.issuer = issuer.issuer
        issuer.resource.authorization_servers = { issuer.issuer }
        issuer.documents[places[last]] = function() return issuer.metadata end
        function issuer.fetched(address)
          for i = 1, last - 1 do
            if address == places[i] then return what end
          end
          return nil
        end
        local provider = oauth(issuer)
        assert.is_true(provider:challenged(issuer:refusal(401, "Bearer")), name)
        assert.equal("Bearer token-1", provider:headers(REQUEST)[1][2])
      end
    end
  end)

  it("that is larger than any document leads to the next place", function()
    local issuer = fake.new()
    issuer.documents[AT_PATH] = nil
    issuer.documents[AT_ROOT] = function()
      return { resource = SERVER, authorization_servers = { ISSUER } }
    end
    function issuer.fetched(address)
      if address == AT_PATH then return nil, "larger than its limit", "ETOOBIG" end
      return nil
    end
    assert.is_true(oauth(issuer):challenged(issuer:refusal(401, "Bearer")))
  end)

  it("everywhere means that there is no document: the server's root is the issuer", function()
    local issuer = fake.new { issuer = SERVER }
    issuer.metadata = { token_endpoint = SERVER .. "/token",
      registration_endpoint = SERVER .. "/register" }
    issuer.documents = {}
    function issuer.fetched(address)
      return address:find("/.well-known/", 1, true) and SOMETHING["a page"] or nil
    end
    local provider = client.oauth { fetch = issuer:fetch(),
      on_authorize = issuer:authorize(function(given) given.iss = nil end) }
    assert.is_true(provider:challenged(issuer:refusal(401, "Bearer")))
    assert.equal("Bearer token-1", provider:headers(REQUEST)[1][2])
  end)

  it("is an error at an address that the server has named, and says what lies there", function()
    for name, pattern in pairs { ["a page"] = "is no JSON object",
      ["an empty object"] = "resource: expected a string, got none",
      ["a subject that is none"] = "resource: expected a string, got null" } do
      local issuer = fake.new()
      issuer.documents[AT_PATH] = nil
      function issuer.fetched(address) return address == AT_PATH and SOMETHING[name] or nil end
      local ok, text = oauth(issuer):challenged(issuer:refusal(401,
        'Bearer resource_metadata="' .. AT_PATH .. '"'))
      assert.is_nil(ok)
      assert.matches(pattern, text, 1, true)
      assert.equal(1, #issuer.seen)
    end
  end)

  it("does not hide a document about another, nor a server that fails", function()
    for name, what in pairs {
      ["another resource"] = answer(200, "application/json",
        '{"resource":"https://evil.example/mcp","authorization_servers":["https://evil.example"]}'),
      ["a failure"] = answer(503, "text/html", "<html>"),
    } do
      local issuer = fake.new()
      function issuer.fetched(address) return address == AT_PATH and what or nil end
      assert.is_nil((oauth(issuer):challenged(issuer:refusal(401, "Bearer"))), name)
      assert.equal(1, #issuer.seen)
    end
  end)
end)
