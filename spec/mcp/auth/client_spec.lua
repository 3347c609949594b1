-- SPDX-License-Identifier: MIT
local fake = require "spec.mcp.auth.fake_issuer"

local client = require "mcp.auth.client"

local REQUEST = { url = "http://localhost:1001/mcp", method = "POST" }
local METADATA = "http://localhost:1001/.well-known/oauth-protected-resource/mcp"
local BEARER = 'Bearer resource_metadata="' .. METADATA .. '"'

-- A provider against an issuer in memory.
local function oauth(issuer, options, change)
  local all = { fetch = issuer:fetch(), on_authorize = issuer:authorize(change) }
  for key, value in pairs(options or {}) do all[key] = value end
  return client.oauth(all)
end

local function sent(provider)
  local fields = assert(provider:headers(REQUEST))
  return fields[1] and fields[1][2]
end

local function has(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then return true end
  end
  return false
end

describe("discovery (protocol 5.2)", function()
  it("begins with the 401 and ends with a token that the retry carries", function()
    local issuer = fake.new()
    local provider = oauth(issuer)
    assert.is_nil(sent(provider))
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal("Bearer token-1", sent(provider))
    assert.same({ "GET " .. METADATA,
      "GET http://localhost:1002/.well-known/oauth-authorization-server",
      "POST http://localhost:1002/register", "POST http://localhost:1002/token" }, issuer.seen)
  end)

  it("without resource_metadata tries the path's document, then the root's", function()
    local issuer = fake.new()
    issuer.documents = {
      ["http://localhost:1001/.well-known/oauth-protected-resource"] = function()
        return { resource = "http://localhost:1001", authorization_servers = { issuer.issuer } }
      end,
      ["http://localhost:1002/.well-known/openid-configuration"] = function()
        return issuer.metadata
      end,
    }
    local provider = oauth(issuer)
    assert.is_true(provider:challenged(issuer:refusal(401, "Bearer")))
    assert.same({ "GET " .. METADATA,
      "GET http://localhost:1001/.well-known/oauth-protected-resource",
      "GET http://localhost:1002/.well-known/oauth-authorization-server",
      "GET http://localhost:1002/.well-known/openid-configuration" },
      { table.unpack(issuer.seen, 1, 4) })
    -- Byte for byte, without a slash that nobody wrote.
    assert.equal("http://localhost:1001", issuer.authorized[1].resource)
    assert.equal("http://localhost:1001", issuer.asked[1].form.resource)
  end)

  it("asks once where the path is the root", function()
    for _, at in ipairs { "http://localhost:1001", "http://localhost:1001/" } do
      local issuer = fake.new()
      issuer.server = at
      assert.is_nil((oauth(issuer):challenged(issuer:refusal(401, "Bearer"))))
      local asked = 0
      for _, line in ipairs(issuer.seen) do
        if line:find "oauth%-protected%-resource" then asked = asked + 1 end
      end
      assert.equal(1, asked)
    end
  end)

  it("never looks at the root of an issuer that has a path", function()
    local issuer = fake.new { issuer = "http://localhost:1002/tenant" }
    issuer.metadata.issuer = issuer.issuer
    issuer.resource.authorization_servers = { issuer.issuer }
    issuer.documents["http://localhost:1002/tenant/.well-known/openid-configuration"] = function()
      return issuer.metadata
    end
    local provider = oauth(issuer)
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.same({
      "GET http://localhost:1002/.well-known/oauth-authorization-server/tenant",
      "GET http://localhost:1002/.well-known/openid-configuration/tenant",
      "GET http://localhost:1002/tenant/.well-known/openid-configuration" },
      { table.unpack(issuer.seen, 2, 4) })
  end)

  it("falls back to the server's root where there is no document (2025-03-26, T-105)", function()
    local issuer = fake.new { issuer = "http://localhost:1001" }
    issuer.metadata = { token_endpoint = "http://localhost:1001/token",
      registration_endpoint = "http://localhost:1001/register" }
    issuer.documents = {}
    local provider = oauth(issuer, nil, function(answer) answer.iss = nil end)
    assert.is_true(provider:challenged(issuer:refusal(401, "Bearer")))
    assert.equal("Bearer token-1", sent(provider))
    assert.is_nil(issuer.asked[1].form.resource)
  end)

  it("refuses a document about another server (SEC-71, T-104)", function()
    local issuer = fake.new()
    issuer.resource.resource = "https://evil.example.com/mcp"
    local ok, text, code = oauth(issuer):challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("is about https://evil.example.com/mcp, not about", text, 1, true)
    assert.equal("EACCES", code)
    assert.same({}, issuer.authorized)
  end)

  it("refuses metadata of another issuer, and uses none of its endpoints (SEC-71)", function()
    local issuer = fake.new()
    issuer.metadata.issuer = "https://attacker.example.com"
    local ok, text = oauth(issuer):challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("names the issuer https://attacker.example.com", text, 1, true)
    assert.equal(2, #issuer.seen)
  end)

  it("refuses an issuer without PKCE", function()
    local issuer = fake.new()
    issuer.metadata.code_challenge_methods_supported = nil
    local ok, text = oauth(issuer):challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("PKCE with S256", text, 1, true)
    assert.same({}, issuer.authorized)
  end)

  it("refuses an issuer with PKCE of another kind only (SEC-74)", function()
    local issuer = fake.new()
    issuer.metadata.code_challenge_methods_supported = { "plain" }
    assert.is_nil((oauth(issuer):challenged(issuer:refusal(401, BEARER))))
    assert.same({}, issuer.authorized)
  end)

  it("4xx is no document, 5xx and no answer are the end (T-107)", function()
    for status, goes_on in pairs { [404] = true, [401] = true, [500] = false, [503] = false,
      [0] = false } do
      local issuer = fake.new()
      issuer.documents["http://localhost:1002/.well-known/openid-configuration"] = function()
        return issuer.metadata
      end
      issuer.fetched = function(address)
        if address:find("oauth-authorization-server", 1, true) then
          if status == 0 then return nil, "refused", "ECONNREFUSED" end
          return { status = status, headers = {}, body = "" }
        end
      end
      local ok = oauth(issuer):challenged(issuer:refusal(401, BEARER))
      assert.equal(goes_on, ok == true, status)
    end
  end)

  it("an endpoint that is null is none", function()
    local issuer = fake.new()
    issuer.metadata.registration_endpoint = require("mcp.core").null
    local ok, text = oauth(issuer):challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("has no dynamic registration", text, 1, true)
  end)

  it("of a WebSocket is that of its address over HTTP", function()
    local issuer = fake.new()
    local provider = oauth(issuer)
    local facts = issuer:refusal(401, "Bearer")
    facts.url = "ws://localhost:1001/mcp"
    assert.is_true(provider:challenged(facts))
    assert.equal("GET " .. METADATA, issuer.seen[1])
    assert.equal("Bearer token-1", provider:headers { url = facts.url, method = "GET" }[1][2])
    assert.equal("Bearer token-1", sent(provider))
  end)
end)

describe("what may be fetched (SSRF)", function()
  local function refused(change, server)
    local issuer = fake.new()
    change(issuer)
    local provider = oauth(issuer)
    local facts = issuer:refusal(401, BEARER)
    facts.url = server or facts.url
    if server then
      facts.header = function() return nil end
    end
    local ok, text = provider:challenged(facts)
    assert.is_nil(ok)
    return text, issuer
  end

  it("http is for loopback only (T-106)", function()
    assert.matches("is not https", refused(function(issuer)
      issuer.resource.authorization_servers = { "http://as.example.com" }
    end), 1, true)
  end)

  it("a server on the network cannot send us to loopback", function()
    local text, issuer = refused(function(issuer)
      issuer.fetched = function(address)
        if address:find "oauth%-protected%-resource" then
          return { status = 200, headers = {}, body = '{"resource":"https://mcp.example.com/mcp",'
            .. '"authorization_servers":["http://127.0.0.1:6379"]}' }
        end
      end
    end, "https://mcp.example.com/mcp")
    assert.matches("http://127.0.0.1:6379 is not https", text, 1, true)
    -- And what is asked for is asked at public addresses only.
    assert.equal("public", issuer.last.only)
  end)

  it("each hop of a redirect is judged", function()
    local _, issuer = refused(function(issuer)
      issuer.fetched = function(_, options)
        local fine, text = options.check "http://10.0.0.1/metadata"
        assert.is_nil(fine)
        return nil, text
      end
    end)
    assert.equal(1, #issuer.seen)
  end)

  it("a name is judged by the address it leads to, at the first hop and after (SEC-75)", function()
    local raw_server = require "spec.raw_server"
    local fetch = require "mcp.fetch"
    local reached = false
    local private <close> = raw_server.start(function()
      reached = true
      return 200, {}, "{}"
    end)
    -- The system resolves it, to this machine.
    local name = ("http://localhost:%d/"):format(private.port)
    local answer, _, code = fetch.get(name, { only = "public" })
    assert.is_nil(answer)
    assert.equal("ENOTPUBLIC", code)
    -- A hop from a place that may be asked to one that may not.
    local asked = {}
    local open <close> = raw_server.start(function() return 302, { Location = name }, "" end)
    answer, _, code = fetch.get(("http://127.0.0.1:%d/"):format(open.port), { redirects = 3,
      check = function(hop)
        asked[#asked + 1] = hop
        return hop ~= name, "is not https"
      end })
    assert.is_nil(answer)
    assert.equal("EREDIRECT", code)
    assert.equal(name, asked[2])
    assert.is_false(reached)
    -- And the policy says so for a server on the network: for metadata, registration and tokens.
    local policy = require "mcp.auth.client.policy"
    local url = require "mcp.url"
    local network = policy.for_server(url.parse "https://mcp.example.com/mcp")
    assert.equal("public", network:only())
    assert.is_nil((network:check("http://169.254.169.254/latest", "metadata")))
    assert.is_nil((network:check("file:///etc/passwd", "metadata")))
    assert.is_nil(policy.for_server(url.parse "https://mcp.example.com/mcp", true):only())
  end)

  it("a page that is no address of the web is not shown (SEC-76)", function()
    for _, address in ipairs { "javascript:alert(1)", "file:///etc/passwd", "http://evil.example/",
      "https://a.example/`id`", "https://a.example/\27[2J" } do
      local issuer = fake.new()
      issuer.metadata.authorization_endpoint = address
      assert.is_nil((oauth(issuer):challenged(issuer:refusal(401, BEARER))))
      assert.same({}, issuer.authorized)
    end
  end)

  it("an endpoint that the metadata names is judged before it is used", function()
    assert.matches("token_endpoint: http://10.0.0.1/token is not https", refused(function(issuer)
      issuer.metadata.token_endpoint = "http://10.0.0.1/token"
    end), 1, true)
  end)
end)

describe("the redirect", function()
  -- What comes of it, with the answer changed and the metadata too.
  local function outcome(change, advertised)
    local issuer = fake.new()
    issuer.metadata.authorization_response_iss_parameter_supported = advertised
    local ok, text = oauth(issuer, nil, change):challenged(issuer:refusal(401, BEARER))
    return ok, text, #issuer.asked
  end

  it("with another state is refused before anything else is looked at (SEC-73)", function()
    local ok, text, asked = outcome(function(answer)
      answer.state, answer.error = "forged", "access_denied"
    end, true)
    assert.is_nil(ok)
    assert.equal("the redirect's state is not the one that was sent", text)
    assert.equal(0, asked)
  end)

  it("without a state, or with that of another flow, is refused (SEC-73)", function()
    assert.is_nil((outcome(function(answer) answer.state = nil end)))
    local first
    assert.is_true((outcome(function(answer) first = answer.state end)))
    local ok, _, asked = outcome(function(answer) answer.state = first end)
    assert.is_nil(ok)
    assert.equal(0, asked)
  end)

  it("iss: the four rows of RFC 9207, byte for byte (SEC-72, T-103)", function()
    local rows = {
      { advertised = true, iss = "http://localhost:1002", fine = true },
      { advertised = true, iss = nil, fine = false },
      { advertised = nil, iss = "http://localhost:1002", fine = true },
      { advertised = nil, iss = nil, fine = true },
      { advertised = true, iss = "http://localhost:1002/", fine = false },
      { advertised = nil, iss = "https://evil.example.com", fine = false },
      { advertised = true, iss = "HTTP://localhost:1002", fine = false },
    }
    for i, row in ipairs(rows) do
      local ok, _, asked = outcome(function(answer) answer.iss = row.iss end, row.advertised)
      assert.equal(row.fine, ok == true, "row " .. i)
      assert.equal(row.fine and 1 or 0, asked, "row " .. i)
    end
  end)

  it("an error is told only when the issuer is right (SEC-72)", function()
    local _, text = outcome(function(answer)
      answer.code, answer.error, answer.error_description = nil, "access_denied", "no%20way"
    end, true)
    assert.equal("authorization was refused: access_denied (no way)", text)
    _, text = outcome(function(answer)
      answer.error, answer.iss = "access_denied", "https://evil.example.com"
    end, true)
    assert.equal("the redirect is not from http://localhost:1002", text)
  end)

  it("with a name twice is refused", function()
    local issuer = fake.new()
    local provider = oauth(issuer, { on_authorize = function(address)
      return issuer:authorize()(address) .. "&code=other"
    end })
    local ok, text = provider:challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.equal("the redirect has code twice", text)
  end)

  it("that nobody came back with is an error that says so", function()
    local issuer = fake.new()
    local provider = oauth(issuer, { on_authorize = function() return nil, "closed the page" end })
    local ok, text, code = provider:challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.equal("authorization was not granted: closed the page", text)
    assert.equal("ECANCELED", code)
  end)
end)

describe("who the client is", function()
  it("application_type is native for loopback and web for https (SEP-837)", function()
    local identity = require "mcp.auth.client.identity"
    assert.equal("native", identity.application_type "http://127.0.0.1:8000/callback")
    assert.equal("native", identity.application_type "http://localhost/callback")
    assert.equal("native", identity.application_type "com.example.app:/callback")
    assert.equal("web", identity.application_type "https://example.com/callback")
    local issuer = fake.new()
    oauth(issuer):challenged(issuer:refusal(401, BEARER))
    assert.equal("native", issuer.registration.application_type)
    assert.same({ "authorization_code", "refresh_token" }, issuer.registration.grant_types)
  end)

  it("is a metadata document where the server takes one", function()
    local issuer = fake.new()
    issuer.metadata.client_id_metadata_document_supported = true
    local provider = oauth(issuer, { client_metadata_url = "https://example.com/client.json" })
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal("https://example.com/client.json", issuer.authorized[1].client_id)
    assert.equal(0, issuer.registered)
  end)

  it("what was agreed with one issuer is never shown to another", function()
    local issuer = fake.new()
    local provider = oauth(issuer, { client_id = "mine", client_secret = "s3cret",
      issuer = "https://other.example.com" })
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal("client-1", issuer.authorized[1].client_id)
    assert.is_nil(issuer.asked[1].form.client_secret)
  end)

  it("credentials for nobody in particular are for who asks first (SEC-78, T-101)", function()
    local store = client.memory_store()
    local function program(issuer)
      return client.client_credentials { fetch = issuer:fetch(), client_id = "me",
        client_secret = "s", store = store }
    end
    local first, other = fake.new(), fake.new()
    first.metadata.token_endpoint_auth_methods_supported = { "client_secret_post" }
    assert.is_true(program(first):challenged(first:refusal(401, BEARER)))
    other.issuer = "https://evil.example.com"
    other.resource.authorization_servers = { other.issuer }
    other.metadata.issuer = other.issuer
    other.documents[other.issuer .. "/.well-known/oauth-authorization-server"] = function()
      return other.metadata
    end
    local provider = program(other)
    local ok, text = provider:challenged(other:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("another issuer, the first that asked", text, 1, true)
    assert.same({}, other.asked)
  end)

  it("a registration that the server no longer knows is made again, once", function()
    for _, known in ipairs { true, false } do
      local store = client.memory_store()
      local issuer = fake.new()
      assert.is_true(oauth(issuer, { store = store }):challenged(issuer:refusal(401, BEARER)))
      -- The server has lost what it knew of its clients; or never knows any.
      issuer.refuse_token = function(form)
        if known and form.client_id ~= "client-1" then return nil end
        return 401, { error = "invalid_client" }
      end
      local kept = assert(store:get("issuer " .. issuer.issuer))
      assert.equal("client-1", kept.client.id)
      kept.tokens = {}
      assert(store:set("issuer " .. issuer.issuer, kept))
      local provider = oauth(issuer, { store = store })
      local ok, _, code = provider:challenged(issuer:refusal(401, BEARER))
      assert.equal(2, issuer.registered)
      assert.equal(3, #issuer.authorized)
      assert.equal("client-1", issuer.authorized[2].client_id)
      assert.equal("client-2", issuer.authorized[3].client_id)
      if known then
        assert.is_true(ok)
        assert.equal("Bearer token-2", sent(provider))
        assert.equal("client-2", store:get("issuer " .. issuer.issuer).client.id)
      else
        assert.is_nil(ok)
        assert.equal("invalid_client", code)
      end
    end
  end)

  it("a registration that a refresh finds unknown is forgotten with its tokens", function()
    local issuer = fake.new { refresh = "r1" }
    local store = client.memory_store()
    local provider = oauth(issuer, { store = store })
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    issuer.refuse_token = function(form)
      if form.client_id == "client-1" then return 401, { error = "invalid_client" } end
    end
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    -- Nobody is asked with a client that is known to be unknown.
    assert.equal(2, issuer.registered)
    assert.equal(2, #issuer.authorized)
    assert.equal("client-2", issuer.authorized[2].client_id)
    assert.equal("Bearer token-2", sent(provider))
  end)

  it("what was agreed and is not known any more is an error, and nothing is registered", function()
    local issuer = fake.new()
    issuer.refuse_token = function() return 401, { error = "invalid_client" } end
    local provider = oauth(issuer, { client_id = "agreed" })
    local ok, text = provider:challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("invalid_client", text)
    assert.equal(0, issuer.registered)
    assert.equal(1, #issuer.authorized)
  end)

  it("a registration that wants what was not asked for is refused", function()
    for method, secret in pairs { private_key_jwt = "s", client_secret_basic = false } do
      local issuer = fake.new()
      issuer.fetched = function(address)
        if address == issuer.metadata.registration_endpoint then
          return { status = 201, headers = {}, body = require("mcp.core").encode {
            client_id = "c", client_secret = secret or nil, token_endpoint_auth_method = method } }
        end
      end
      local ok, text = oauth(issuer):challenged(issuer:refusal(401, BEARER))
      assert.is_nil(ok)
      assert.matches("wants " .. method .. ", which was not asked for", text, 1, true)
      assert.same({}, issuer.authorized)
    end
  end)

  it("says so by Basic, in the form, or not at all", function()
    for method, expected in pairs {
      client_secret_basic = function(asked)
        -- RFC 6749 2.3.1: encoded as a form before Base64.
        assert.is_true(has({ asked.headers[2][1], asked.headers[2][2] },
          "Basic " .. require("mcp.core").base64 "mine%2Bid:s3%20cret"))
        assert.is_nil(asked.form.client_secret)
      end,
      client_secret_post = function(asked)
        assert.equal("s3 cret", asked.form.client_secret)
        assert.equal("mine+id", asked.form.client_id)
      end,
    } do
      local issuer = fake.new()
      issuer.metadata.token_endpoint_auth_methods_supported = { method }
      local provider = oauth(issuer, { client_id = "mine+id", client_secret = "s3 cret" })
      assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
      expected(issuer.asked[1])
    end
  end)
end)

describe("scopes", function()
  local function asked(challenge, change)
    local issuer = fake.new()
    if change then change(issuer) end
    local provider = oauth(issuer)
    assert.is_true(provider:challenged(issuer:refusal(401, challenge)))
    return issuer.authorized[1].scope, issuer, provider
  end

  it("are those of the challenge, else all that are supported, else none", function()
    local function supported(issuer) issuer.resource.scopes_supported = { "a", "b" } end
    assert.equal("c", (asked(BEARER .. ', scope="c"', supported)))
    assert.equal("a b", (asked(BEARER, supported)))
    assert.is_nil((asked(BEARER)))
  end)

  it("a list that is none is none", function()
    local scope = asked(BEARER, function(issuer)
      issuer.resource.scopes_supported = { 1, "a", {}, "b" }
    end)
    assert.equal("a b", scope)
  end)

  it("that a client was not registered with take another registration", function()
    local _, issuer, provider = asked(BEARER .. ', scope="read"')
    assert.equal("read", issuer.registration.scope)
    assert.is_true(provider:challenged(issuer:refusal(403,
      'Bearer error="insufficient_scope", scope="write"')))
    assert.equal(2, issuer.registered)
    assert.equal("read write", issuer.registration.scope)
    assert.equal("client-2", issuer.authorized[2].client_id)
    -- And none where the registration covers them.
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER .. ', scope="read"')))
    assert.equal(2, issuer.registered)
  end)

  it("that were wanted are not forgotten with the process", function()
    local store = client.memory_store()
    local issuer = fake.new()
    local first = oauth(issuer, { store = store })
    assert.is_true(first:challenged(issuer:refusal(401, BEARER .. ', scope="read"')))
    local second = oauth(issuer, { store = store })
    assert.is_true(second:challenged(issuer:refusal(403,
      'Bearer error="insufficient_scope", scope="write"')))
    assert.equal("read write", issuer.authorized[2].scope)
  end)

  it("of a 403 to a token that has been replaced meanwhile need nobody", function()
    local _, issuer, provider = asked(BEARER .. ', scope="read"')
    local facts = issuer:refusal(403, 'Bearer error="insufficient_scope", scope="write"')
    facts.sent = { { "Authorization", "Bearer token-0" } }
    assert.is_true(provider:challenged(facts))
    assert.equal(1, #issuer.authorized)
  end)

  it("offline_access is asked for only where it is known (T-102)", function()
    assert.equal("c offline_access", (asked(BEARER .. ', scope="c"', function(issuer)
      issuer.metadata.scopes_supported = { "c", "offline_access" }
    end)))
    -- Where nothing can be renewed it would only frighten the user.
    assert.equal("c", (asked(BEARER .. ', scope="c"', function(issuer)
      issuer.metadata.scopes_supported = { "c", "offline_access" }
      issuer.metadata.grant_types_supported = { "authorization_code" }
    end)))
  end)

  it("grow by what a 403 asks for, and keep what was granted (T-100)", function()
    local _, issuer, provider = asked(BEARER .. ', scope="read"')
    local more = 'Bearer error="insufficient_scope", scope="write"'
    assert.is_true(provider:challenged(issuer:refusal(403, more)))
    assert.equal("read write", issuer.authorized[2].scope)
    assert.equal("Bearer token-2", sent(provider))
    -- The same once more can bring nothing new.
    local ok, text = provider:challenged(issuer:refusal(403, more))
    assert.is_nil(ok)
    assert.matches("wants the scope write, which the token has already been asked for", text, 1,
      true)
    assert.equal(2, #issuer.authorized)
  end)

  it("a server that always wants another is left in the end", function()
    local _, issuer, provider = asked(BEARER)
    local count = 0
    repeat
      count = count + 1
      local ok = provider:challenged(issuer:refusal(403,
        ('Bearer error="insufficient_scope", scope="s%d"'):format(count)))
    until not ok
    -- After eight.
    assert.equal(8 + 1, count)
  end)

  it("a 403 of another kind is not ours", function()
    local _, issuer, provider = asked(BEARER)
    local ok, _, code = provider:challenged(issuer:refusal(403, nil))
    assert.is_nil(ok)
    assert.equal("EACCES", code)
  end)
end)

describe("tokens", function()
  it("are renewed before they end, and the new refresh token is kept", function()
    local issuer = fake.new { expires = 1, refresh = "r1" }
    local provider = oauth(issuer)
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    issuer.refresh, issuer.expires = "r2", 3600
    assert.equal("Bearer token-2", sent(provider))
    assert.equal("refresh_token", issuer.asked[2].form.grant_type)
    assert.equal("r1", issuer.asked[2].form.refresh_token)
    assert.equal("http://localhost:1001/mcp", issuer.asked[2].form.resource)
    assert.equal("Bearer token-2", sent(provider))
    assert.equal(2, #issuer.asked)
  end)

  it("a refresh that is refused leads to a new authorization", function()
    local issuer = fake.new { refresh = "r1" }
    local provider = oauth(issuer)
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    issuer.refuse_token = function(form)
      if form.grant_type == "refresh_token" then return 400, { error = "invalid_grant" } end
    end
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal(2, #issuer.authorized)
    assert.equal("Bearer token-2", sent(provider))
  end)

  it("that were just issued and are refused are not asked for again (SEC-77)", function()
    local issuer = fake.new { refresh = "r1" }
    local provider = oauth(issuer)
    local facts = issuer:refusal(401, BEARER)
    facts.memory = {}
    local count = 0
    while true do
      facts.sent = assert(provider:headers(REQUEST))
      local ok, text = provider:challenged(facts)
      if not ok then
        assert.matches("refuses a token that was just issued", text, 1, true)
        break
      end
      count = count + 1
    end
    assert.equal(1, count)
    assert.equal(1, #issuer.authorized)
    -- Of another request: refreshed first, then authorized, and no more.
    facts.memory = {}
    for again, authorized in ipairs { 1, 2 } do
      facts.sent = provider:headers(REQUEST)
      assert.is_true(provider:challenged(facts))
      assert.equal(authorized, #issuer.authorized, again)
    end
    facts.sent = provider:headers(REQUEST)
    assert.is_nil((provider:challenged(facts)))
    assert.equal(2, #issuer.authorized)
  end)

  it("are fetched by who waits when who leads falls (SEC-80)", function()
    local async = require "mcp.async"
    local helper = require "spec.helper"
    local issuer = fake.new()
    local tries, fell, answer = 0, nil, nil
    local provider = oauth(issuer, { choose_issuer = function(issuers)
      tries = tries + 1
      if tries == 1 then
        async.sleep(0.02)
        error "not today"
      end
      return issuers[1]
    end })
    async.spawn(function()
      fell = not pcall(provider.challenged, provider, issuer:refusal(401, BEARER))
    end)
    async.spawn(function() answer = provider:challenged(issuer:refusal(401, BEARER)) end)
    helper.wait_until(function() return answer ~= nil end)
    assert.is_true(fell)
    assert.is_true(answer)
    assert.equal(1, #issuer.authorized)
    assert.equal(2, tries)
  end)

  it("are fetched by one flight however many are refused at once (SEC-80)", function()
    local async = require "mcp.async"
    local issuer = fake.new()
    local provider
    provider = oauth(issuer, { on_authorize = function(address)
      async.sleep(0.02)
      return issuer:authorize()(address)
    end })
    async.run(function()
      local answers = async.all {
        function() return provider:challenged(issuer:refusal(401, BEARER)) end,
        function() return provider:challenged(issuer:refusal(401, BEARER)) end,
        function() return provider:challenged(issuer:refusal(401, BEARER)) end,
      }
      assert.same({ true, true, true }, answers)
    end)
    assert.equal(1, #issuer.authorized)
    assert.equal(1, #issuer.asked)
  end)

  it("of one issuer are not shown when the server has another", function()
    local issuer = fake.new()
    local provider = oauth(issuer)
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    local second = "http://localhost:1003"
    issuer.issuer = second
    issuer.resource.authorization_servers = { second }
    local metadata = {}
    for key, value in pairs(issuer.metadata) do
      metadata[key] = type(value) == "string" and value:gsub("1002", "1003") or value
    end
    issuer.metadata = metadata
    issuer.documents[second .. "/.well-known/oauth-authorization-server"] = function()
      return metadata
    end
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal(2, issuer.registered)
    assert.equal("client-2", issuer.authorized[2].client_id)
    assert.equal("Bearer token-2", sent(provider))
  end)

  it("that are none are refused", function()
    for answer, text in pairs {
      ["{}"] = "gives no access_token",
      ['{"access_token":"a\\r\\nb","token_type":"Bearer"}'] = "0x0d at position 2",
      ['{"access_token":"a","token_type":"mac"}'] = "expected Bearer or DPoP, got mac",
    } do
      local issuer = fake.new()
      issuer.fetched = function(address)
        if address == issuer.metadata.token_endpoint then
          return { status = 200, headers = {}, body = answer }
        end
      end
      local ok, message = oauth(issuer):challenged(issuer:refusal(401, BEARER))
      assert.is_nil(ok)
      assert.matches(text, message, 1, true)
    end
  end)

  it("and secrets are in no text that a provider shows", function()
    local issuer = fake.new { refresh = "r1" }
    local provider = oauth(issuer, { client_id = "mine", client_secret = "s3cret" })
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal("mcp.auth.oauth", tostring(provider))
    assert.equal("mcp.auth.store (in memory)", tostring(provider.store))
  end)

  it("live in a file of mode 0600 from one process to the next", function()
    local path = os.tmpname()
    os.remove(path)
    local issuer = fake.new()
    local provider = oauth(issuer, { store = client.file_store(path) })
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    local again = oauth(issuer, { store = client.file_store(path) })
    assert.equal("Bearer token-1", sent(again))
    local pipe = assert(io.popen("stat -c %a " .. path))
    assert.equal("600", pipe:read "l")
    pipe:close()
    os.execute("chmod 644 " .. path)
    assert.error_matches(function() client.file_store(path) end,
      "cannot be used: expected a file that only its owner can read", 1, true)
    os.execute("chmod 600 " .. path)
    for text, why in pairs { ["5"] = "expected a JSON object", ["{"] = "" } do
      local file <close> = assert(io.open(path, "w"))
      file:write(text)
      file:flush()
      local here = debug.getinfo(1, "l").currentline
      local ok, message = pcall(function() local _ = client.file_store(path) end)
      assert.is_false(ok)
      local begin = ("spec/mcp/auth/client_spec.lua:%d: %s is not a token store: %s"):format(
        here + 1, path, why)
      assert.equal(begin, message:sub(1, #begin))
    end
    os.remove(path)
  end)
end)

describe("DPoP (RFC 9449)", function()
  local core = require "mcp.core"
  local jwt = require "mcp.auth.jwt"

  local function part(proof, index)
    local parts = {}
    for piece in proof:gmatch "[^.]+" do parts[#parts + 1] = piece end
    return core.decode(jwt.from_base64url(parts[index]))
  end

  it("binds the token to a key: proofs at the token endpoint and with every request", function()
    local issuer = fake.new { kind = "DPoP" }
    local provider = oauth(issuer, { dpop = true })
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    local first = assert(provider:headers(REQUEST))
    local second = assert(provider:headers(REQUEST))
    assert.equal("DPoP token-1", first[1][2])
    assert.equal("DPoP", first[2][1])
    local header, payload = part(first[2][2], 1), part(first[2][2], 2)
    assert.equal("dpop+jwt", header.typ)
    assert.equal("ES256", header.alg)
    assert.is_nil(header.jwk.d)
    assert.equal("POST", payload.htm)
    assert.equal("http://localhost:1001/mcp", payload.htu)
    assert.equal(jwt.to_base64url(require("mcp.openssl").sha256 "token-1"), payload.ath)
    assert.not_equal(payload.jti, part(second[2][2], 2).jti)
  end)

  it("a token whose key is gone with its process is not shown", function()
    local store = client.memory_store()
    local issuer = fake.new { kind = "DPoP" }
    assert.is_true(oauth(issuer, { dpop = true, store = store })
      :challenged(issuer:refusal(401, BEARER)))
    for _, dpop in ipairs { true, false } do
      local again = oauth(issuer, { dpop = dpop, store = store })
      assert.is_nil(sent(again))
      local facts = issuer:refusal(401, 'DPoP algs="ES256"')
      facts.sent = {}
      assert.is_true(again:challenged(facts))
      assert.matches("^DPoP token%-", sent(again))
    end
  end)

  it("a token that is bound to a key that nobody showed is refused", function()
    local issuer = fake.new { kind = "DPoP" }
    local ok, text = oauth(issuer):challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("was shown none", text, 1, true)
  end)

  it("takes up the server's nonce, once for each", function()
    local issuer = fake.new { kind = "DPoP" }
    local provider = oauth(issuer, { dpop = true })
    local nonces = 0
    issuer.fetched = function(address, options)
      if address ~= issuer.metadata.token_endpoint then return nil end
      local proof
      for _, field in ipairs(options.headers) do
        if field[1] == "DPoP" then proof = field[2] end
      end
      if part(proof, 2).nonce == "n1" then return nil end
      nonces = nonces + 1
      return { status = 400, headers = { ["dpop-nonce"] = "n1" },
        body = '{"error":"use_dpop_nonce"}' }
    end
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal(1, nonces)
    assert.is_true(provider:challenged(issuer:refusal(401, 'DPoP error="use_dpop_nonce"',
      { ["dpop-nonce"] = "n2" })))
    assert.equal("n2", part(assert(provider:headers(REQUEST))[2][2], 2).nonce)
    assert.equal(1, issuer.tokens)
  end)
end)

describe("programs without a user", function()
  it("client credentials, by a secret", function()
    local issuer = fake.new()
    issuer.metadata.token_endpoint_auth_methods_supported = { "client_secret_basic" }
    local provider = client.client_credentials { fetch = issuer:fetch(), client_id = "me",
      client_secret = "s" }
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER .. ', scope="a"')))
    assert.same({ grant_type = "client_credentials", scope = "a",
      resource = "http://localhost:1001/mcp" }, issuer.asked[1].form)
    assert.equal("Bearer token-1", sent(provider))
  end)

  it("client credentials, by a key: the assertion is for the issuer and soon over", function()
    local jwt = require "mcp.auth.jwt"
    local core = require "mcp.core"
    local issuer = fake.new()
    local pem = require("mcp.openssl").generate_key "ES256"
    local provider = client.client_credentials { fetch = issuer:fetch(), client_id = "me",
      private_key = pem, key_id = "k1" }
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    local form = issuer.asked[1].form
    assert.equal("urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      form.client_assertion_type)
    local payload = core.decode(jwt.from_base64url(form.client_assertion:match "%.([^.]+)%."))
    assert.equal("me", payload.iss)
    assert.equal("me", payload.sub)
    assert.equal("http://localhost:1002", payload.aud)
    assert.is_true(payload.exp - payload.iat <= 300)
  end)

  it("workload identity: the platform's assertion is the grant", function()
    local issuer = fake.new()
    local provider = client.workload { fetch = issuer:fetch(), assertion = function(about)
      return "assertion-for-" .. about
    end }
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal("assertion-for-http://localhost:1002", issuer.asked[1].form.assertion)
    assert.equal("urn:ietf:params:oauth:grant-type:jwt-bearer", issuer.asked[1].form.grant_type)
  end)

  it("enterprise-managed: an id token becomes an assertion, and that a token", function()
    local issuer = fake.new()
    local exchange
    issuer.fetched = function(address, options)
      if address ~= "http://localhost:1009/token" then return nil end
      exchange = options.form
      return { status = 200, headers = {}, body = '{"access_token":"jag","token_type":"N_A",'
        .. '"issued_token_type":"urn:ietf:params:oauth:token-type:id-jag"}' }
    end
    local provider = client.enterprise { fetch = issuer:fetch(), client_id = "me",
      client_secret = "s", idp_token_endpoint = "http://localhost:1009/token",
      idp_client_id = "idp-me", id_token = "the-id-token" }
    assert.is_true(provider:challenged(issuer:refusal(401, BEARER)))
    assert.equal("http://localhost:1002", exchange.audience)
    assert.equal("the-id-token", exchange.subject_token)
    assert.equal("jag", issuer.asked[1].form.assertion)
    -- What vouches for the user is for the issuer: not for an endpoint elsewhere.
    issuer.metadata.token_endpoint = "http://localhost:1004/token"
    local ok, text = provider:challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("token_endpoint at another origin", text, 1, true)
  end)

  it("workload identity: an assertion for one issuer is for no other (SEC-78)", function()
    local issuer = fake.new()
    local provider = client.workload { fetch = issuer:fetch(), assertion = "a",
      issuer = "https://as.example.com" }
    local ok, text = provider:challenged(issuer:refusal(401, BEARER))
    assert.is_nil(ok)
    assert.matches("is for https://as.example.com", text, 1, true)
    assert.same({}, issuer.asked)
  end)
end)

describe("options", function()
  it("that are unknown, missing or of another type are named", function()
    assert.error_matches(function() client.oauth { client_nam = "x" } end, "client_name", 1, true)
    assert.error_matches(function() client.oauth { scope = 1 } end,
      'option "scope": expected a string, got number', 1, true)
    assert.error_matches(function() client.client_credentials { client_id = "x" } end,
      "client_secret or private_key is missing", 1, true)
    assert.error_matches(function() client.enterprise {} end, "is missing", 1, true)
    assert.error_matches(function() client.workload {} end, "assertion is missing", 1, true)
    assert.error_matches(function()
      client.oauth { client_metadata_url = "https://example.com" }
    end, "expected an https address with a path", 1, true)
  end)
end)
