-- SPDX-License-Identifier: MIT
-- What a server's authorization is made of, without a network: options, principals, metadata, the
-- verifier. Heads and bodies are looked at in spec/transport/http_auth_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local jwt = require "mcp.auth.jwt"
local mcp = require "mcp"
local metadata = require "mcp.auth.server.metadata"
local openssl = require "mcp.openssl"
local principal = require "mcp.auth.server.principal"
local value = require "mcp.value"

local PEM, JWK = openssl.generate_key "EdDSA"
local ISSUER, RESOURCE = "https://as.example", "https://mcp.example/mcp"

local function verify() return { subject = "ada" } end

local function app_with(options)
  local auth = { verify = verify, resource = RESOURCE, authorization_servers = { ISSUER } }
  for name, given in pairs(options or {}) do auth[name] = given or nil end
  return mcp.server { name = "spec", auth = auth }
end

-- A stand-in for an exchange over HTTP.
local function exchange(fields)
  local x = { fields = fields, set = {} }
  function x:header(name) return self.fields[name] end
  function x:ticket() return self.fields.ticket end
  function x:charge_to(key)
    self.charged_to = key
    if self.fields.no_room then return nil, "over the memory limit", "EBUDGET" end
    return true
  end
  function x:set_header(name, text) self.set[name] = text end
  return x
end

-- What a guard makes of a request: status and error, or the principal.
local function checked(guard, authorization, fields)
  local all = { authorization = authorization }
  for name, text in pairs(fields or {}) do all[name] = text end
  local found, err = guard:check(exchange(all), "request")
  if found then return found end
  return err.status, err
end

describe("the option auth of a server", function()
  after_each(helper.leftovers)

  it("is checked, and says what is wrong", function()
    local function wrong(options, pattern)
      assert.error_matches(function() app_with(options) end, pattern)
    end
    wrong({ verify = false }, "verify: expected a function")
    wrong({ verify = {} }, "verify: expected a function")
    wrong({ verify = "x" }, 'option "verify": expected a function or table, got string')
    wrong({ verfy = verify }, "verify")
    wrong({ resource = "mcp.example" }, "resource")
    wrong({ resource = "ftp://mcp.example" }, "resource")
    wrong({ resource = "ws://mcp.example" }, "expected an http or https URL")
    wrong({ resource = RESOURCE .. "?x" }, "without query and fragment")
    wrong({ resource = RESOURCE .. "#x" }, "without query and fragment")
    wrong({ authorization_servers = false }, "authorization_servers")
    wrong({ authorization_servers = {} }, "authorization_servers")
    wrong({ authorization_servers = { "as" } }, "authorization_servers%[1%]")
    wrong({ scopes = "mcp" }, 'option "scopes": expected a table, got string')
    wrong({ scopes = { "a b" } }, "scopes%[1%]: a scope has")
    wrong({ scopes = { 'a"b' } }, "scopes%[1%]")
    wrong({ scopes = { "a\nb" } }, "scopes%[1%]")
    wrong({ scopes = { "" } }, "scopes%[1%]")
    wrong({ includes = { a = "b" } }, 'includes%["a"%]: expected a list of scopes')
    wrong({ includes = { ["a b"] = {} } }, "includes%[1%]")
    wrong({ metadata = { resource = "x" } }, "metadata: resource has an option of its own")
    assert.error_matches(function() mcp.server { name = "x", auth = true } end, "auth")
  end)

  it("takes its authorization servers from the verifier", function()
    local app = app_with { authorization_servers = false,
      verify = mcp.auth.jwt { issuer = ISSUER, jwks = JWK } }
    assert.same({ ISSUER }, helper.plain(app.auth.document.authorization_servers))
    assert.equal("mcp.auth.server (https://mcp.example/mcp)", tostring(app.auth))
  end)

  it("is needed by a tool that has scopes", function()
    local app = mcp.server "spec"
    for _, kind in ipairs { "tool", "prompt" } do
      assert.error_matches(function()
        app[kind](app, "x") { scopes = { "a" } } (function() end)
      end, "this server has no authorization")
    end
    assert.error_matches(function()
      app_with():tool "x" { scopes = { "a b" } } (function() end)
    end, "scopes%[1%]: a scope has")
    assert.error_matches(function() app:tool "x" { scopes = "a" } end, '"scopes": expected a table')
  end)

  it("asks nothing over standard input and output, which have no token (IO-27)", function()
    local app = app_with { scopes = { "mcp" } }
    app:tool "t" { scopes = { "a" } } (function(_, ctx) return tostring(ctx.auth) end)
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      local peer <close> = helper.open(app, revision)
      assert.equal("nil", peer:call("t").content[1].text)
    end
  end)

  it("needs a resource where others reach it", function()
    local app = app_with { resource = false }
    assert.error_matches(function()
      app:listen { http = "0.0.0.0:0", quiet = true }
    end, "auth: resource")
    helper.settle()
    -- On loopback it is where it listens.
    local listening <close> = app:listen { http = { port = 0 } }
    assert.equal(listening.urls[1], app.auth.resource)
    assert.equal(listening.urls[1], app.auth.document.resource)
    assert.matches("^http://127%.0%.0%.1:%d+/%.well%-known/oauth%-protected%-resource/mcp$",
      app.auth.address)
  end)
end)

describe("the guard", function()
  it("hands the token to verify, and what else the request has but the token", function()
    local seen
    local guard = app_with({ verify = function(token, request)
      seen = { token, request.resource, request.kind, request:header "x-a",
        request:header "Authorization", request:header "nothing" }
      return { subject = "ada", scopes = "a b", client = "c", issuer = "i", expires = 4e9 }
    end }).auth
    local found = checked(guard, "Bearer abc.d~e+f/g==", { ["x-a"] = "1" })
    assert.same({ "abc.d~e+f/g==", RESOURCE, "request", "1" }, seen)
    assert.equal("ada", found.subject)
    assert.is_true(found.scopes.a and found.scopes.b)
    assert.same({ "a", "b" }, { table.unpack(found.scopes) })
    assert.is_nil(found.scopes.c)
    assert.same({}, found.claims)
    assert.equal('["i","c","ada"]', found.key)
  end)

  it("lets verify wait", function()
    local waiter = core.waiter()
    local guard = app_with({ verify = function()
      waiter:wait()
      return { subject = "ada" }
    end }).auth
    local found
    core.spawn(function() found = checked(guard, "Bearer x") end)
    helper.settle()
    assert.is_nil(found)
    waiter:wake()
    helper.settle()
    assert.equal("ada", found.subject)
  end)

  it("says nothing of why to the client, and nothing of the token to the log", function()
    local guard = app_with({ verify = function(token)
      return nil, "the token " .. token .. " (" .. token .. ") is not in the table"
    end }).auth
    core.spawn(function() end)
    local log = helper.logged(function()
      local status, err = checked(guard, "Bearer secret-token")
      assert.equal(401, status)
      assert.is_nil((err.message .. err.challenge):find("table", 1, true))
    end)
    assert.equal("info: http: request refused with 401: the token [hidden] ([hidden]) is not in "
      .. "the table (the server's option auth.verify decides)", log)
  end)

  it("fails closed where verify does: 500, and the token in no line of the log", function()
    for _, broken in ipairs {
      function(token) error("cannot look up " .. token) end,
      function() return true end, function() return "ada" end, function() return {} end,
      function() return { subject = "" } end, function() return { subject = 7 } end,
      function() return { subject = "ada", scopes = 7 } end,
      function() return { subject = "ada", scopes = { "a b" } } end,
      function() return { subject = "ada", expires = "soon" } end,
      function(token) error { token = token } end,
    } do
      local status, err
      local log = helper.logged(function()
        status, err = checked(app_with({ verify = broken }).auth, "Bearer secret-token")
      end)
      assert.equal(500, status)
      assert.is_nil(err.challenge)
      assert.equal("The access token could not be checked", err.message)
      assert.matches("^error: auth: verify: ", log)
      assert.is_nil(log:find("secret-token", 1, true))
    end
  end)

  it("refuses what verify says has expired", function()
    local function at(expires)
      return (checked(app_with({ verify = function()
        return { subject = "ada", expires = expires }
      end }).auth, "Bearer x"))
    end
    helper.logged(function() assert.equal(401, at(os.time() - 301)) end)
    assert.is_table(at(os.time() + 10))
  end)

  it("checks a token once for a head and the body behind it, and for nobody else", function()
    local checks = 0
    local guard = app_with { verify = function()
      checks = checks + 1
      return { subject = "ada" }
    end }.auth
    local seen = {}
    local receive = guard:receiver(function(x)
      seen[#seen + 1] = guard:key(x)
      return {}
    end)
    local function arrive(kind, ticket)
      return receive(exchange { authorization = "Bearer a", ticket = ticket }, nil, kind)
    end
    assert.is_nil(arrive("head", 7))
    assert.same({ 1, 0 }, { checks, #seen })
    arrive("request", 7)
    assert.same({ 1, 1 }, { checks, #seen })
    -- It is used up; another number, or none, is nobody's.
    arrive("request", 7)
    arrive("request", 8)
    arrive("request")
    assert.same({ 4, 4 }, { checks, #seen })
    -- Bodies that never come push the oldest out, which are checked anew.
    for ticket = 1, 3 * require("mcp.auth.server").ADMITTED do arrive("post head", ticket) end
    checks = 0
    arrive("post", 1)
    arrive("post", 3 * require("mcp.auth.server").ADMITTED)
    assert.equal(1, checks)
  end)

  it("gives each exchange its own principal, and forgets it with the exchange (SEC-102)", function()
    local guard = app_with({ verify = function(token) return { subject = token } end }).auth
    local seen = {}
    local receive = guard:receiver(function(x) seen[#seen + 1] = guard:key(x) return {} end)
    for _, name in ipairs { "ada", "eve" } do
      receive(exchange { authorization = "Bearer " .. name }, nil, "request")
    end
    assert.same({ '["","","ada"]', '["","","eve"]' }, seen)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(guard.of))
  end)

  it("puts its challenges into the head, and quotes what stands in them (SEC-06)", function()
    local guard = app_with().auth
    local x = exchange {}
    local result, err = guard:receiver(function() error "not reached" end)(x, nil, "request")
    assert.is_nil(result)
    assert.equal(401, err.status)
    assert.equal('Bearer resource_metadata="https://mcp.example/.well-known/'
      .. 'oauth-protected-resource/mcp"', x.set["WWW-Authenticate"])
    assert.equal([[a="x\"y\\z", b="?n?"]],
      metadata.parameters { { "a", [[x"y\z]] }, false, { "b", "\nn\xff" } })
  end)

  describe("before connections that were let in once", function()
    local guard, receive, served

    before_each(function()
      served = 0
      guard = app_with().auth
      receive = guard:duplex(function() served = served + 1 return {} end)
    end)

    it("serves whoever opened them", function()
      local found = principal.new { subject = "ada" }
      local x = exchange {}
      assert.same({}, receive(x, { auth = found }, "request"))
      assert.equal(found, guard.of[x])
    end)

    it("serves nobody who is not known", function()
      local result, err = receive(exchange {}, {}, "request")
      assert.is_nil(result)
      assert.equal("Not authorized", err.message)
      assert.is_nil(receive(exchange {}, {}, "notification"))
      assert.equal(0, served)
    end)

    it("serves nobody whose token has expired since", function()
      local link = { auth = principal.new { subject = "ada", expires = os.time() - 301 } }
      local result, err = receive(exchange {}, link, "request")
      assert.is_nil(result)
      assert.matches("has expired", err.message)
      assert.is_nil(receive(exchange {}, link, "notification"))
      assert.equal(0, served)
    end)
  end)
end)

describe("principals", function()
  it("are told apart by issuer, client and subject, whatever stands in them (HL-58)", function()
    local seen = {}
    for _, given in ipairs { { subject = "a" }, { client = "a" }, { subject = "a", client = "b" },
      { subject = "b", client = "a" }, { issuer = "a", subject = "b" }, { subject = '","a' },
      { subject = "a", client = '"' }, { issuer = "i", subject = "a" } } do
      local key = principal.new(given).key
      assert.is_nil(seen[key])
      seen[key] = true
    end
    assert.equal("", principal.key {})
    assert.equal(principal.new({ subject = "a" }).key, principal.key { auth = { subject = "a" } })
  end)

  it("have the scopes that theirs include, in a circle, too", function()
    local found = principal.new({ subject = "a", scopes = { "x" } },
      { x = { "y" }, y = { "z", "x" }, other = { "w" } })
    assert.is_true(found.scopes.x and found.scopes.y and found.scopes.z)
    assert.is_nil(found.scopes.w)
    assert.equal(1, #found.scopes)
    assert.is_false(principal.lacks(found, { "z", "y" }))
    assert.is_true(principal.lacks(found, { "z", "w" }))
    assert.is_false(principal.lacks(found, {}))
  end)
end)

describe("metadata", function()
  it("lies where RFC 9728 3.1 puts it", function()
    for text, address in pairs {
      ["https://h/mcp"] = "https://h/.well-known/oauth-protected-resource/mcp",
      ["https://h/a/b"] = "https://h/.well-known/oauth-protected-resource/a/b",
      ["https://h"] = "https://h/.well-known/oauth-protected-resource",
      ["https://h/"] = "https://h/.well-known/oauth-protected-resource",
      ["http://127.0.0.1:8000/mcp"] =
        "http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp",
    } do
      assert.equal(address, metadata.address(metadata.resource(text)))
    end
  end)

  it("names the resource byte for byte, and leaves out what there is not", function()
    local document = metadata.document("https://H.example/mcp", {
      authorization_servers = { ISSUER }, scopes_supported = {}, metadata = { tos_uri = "x" } })
    assert.equal('{"authorization_servers":["https://as.example"],'
      .. '"bearer_methods_supported":["header"],"resource":"https://H.example/mcp",'
      .. '"tos_uri":"x"}', core.encode(document, true))
  end)
end)

describe("mcp.auth.jwt", function()
  local function token(changes, header)
    local claims = { iss = ISSUER, sub = "ada", aud = RESOURCE, exp = os.time() + 100 }
    for name, member in pairs(changes or {}) do claims[name] = member or nil end
    local head = { alg = "EdDSA" }
    for name, member in pairs(header or {}) do head[name] = member end
    return assert(jwt.sign(head, claims, PEM))
  end
  local REQUEST = { resource = RESOURCE }

  it("reads who it is", function()
    local check = mcp.auth.jwt { issuer = ISSUER, jwks = JWK }
    local found = check(token { client_id = "c", scope = "a b", x = 1 }, REQUEST)
    assert.equal("ada", found.subject)
    assert.equal("c", found.client)
    assert.equal(ISSUER, found.issuer)
    assert.equal("a b", found.scopes)
    assert.equal(1, found.claims.x)
    assert.equal("z", check(token { azp = "z" }, REQUEST).client)
    assert.equal("a", check(token { scp = value.array { "a" } }, REQUEST).scopes[1])
    assert.equal("mcp.auth.jwt (https://as.example)", tostring(check))
  end)

  it("wants the server's address as audience, or what it is told", function()
    local check = mcp.auth.jwt { issuer = ISSUER, jwks = JWK }
    assert.is_nil((check(token { aud = "other" }, REQUEST)))
    assert.is_nil((check(token(), { resource = "https://other.example/mcp" })))
    check = mcp.auth.jwt { issuer = ISSUER, jwks = JWK, audience = { "one", "two" } }
    assert.is_table(check(token { aud = "two" }, REQUEST))
    assert.is_nil((check(token(), REQUEST)))
  end)

  it("keeps the keys of issuers apart: none signs for another", function()
    local pem, jwk = openssl.generate_key "EdDSA"
    local check = mcp.auth.jwt { issuers = { [ISSUER] = JWK, ["https://b.example"] = { jwk } } }
    assert.same({ ISSUER, "https://b.example" }, check.issuers)
    assert.is_table(check(token(), REQUEST))
    assert.is_nil((check(token { iss = "https://b.example" }, REQUEST)))
    local claims = { iss = "https://b.example", sub = "x", aud = RESOURCE, exp = os.time() + 9 }
    assert.is_table(check(assert(jwt.sign({ alg = "EdDSA" }, claims, pem)), REQUEST))
    claims.iss = ISSUER
    assert.is_nil((check(assert(jwt.sign({ alg = "EdDSA" }, claims, pem)), REQUEST)))
  end)

  it("takes no token that is bound to a key, for it asks nobody for it (RFC 9449 7.2)", function()
    local check = mcp.auth.jwt { issuer = ISSUER, jwks = JWK }
    local found, why = check(token { cnf = { jkt = "x" } }, REQUEST)
    assert.is_nil(found)
    assert.matches("bound to a key", why)
    assert.is_nil((check(token { cnf = value.null }, REQUEST)))
    -- Unless the key is asked for.
    local proved = { resource = RESOURCE, scheme = "dpop" }
    assert.equal("x", check(token { cnf = { jkt = "x" } }, proved).bound_to)
    assert.is_nil((check(token { cnf = { ["x5t#S256"] = "x" } }, proved)))
    assert.is_nil((check(token { cnf = { jkt = "x", jwk = {} } }, proved)))
  end)

  it("passes its options on", function()
    local check = mcp.auth.jwt { issuer = ISSUER, jwks = JWK, typ = "at+jwt", clock_skew = 0,
      algorithms = { "EdDSA" } }
    assert.is_nil((check(token(), REQUEST)))
    assert.is_table(check(token(nil, { typ = "at+jwt" }), REQUEST))
    assert.is_nil((check(token({ exp = os.time() }, { typ = "at+jwt" }), REQUEST)))
    check = mcp.auth.jwt { issuer = ISSUER, jwks = JWK, algorithms = { "RS256" } }
    assert.is_nil((check(token(), REQUEST)))
  end)

  it("is checked, and says what is wrong", function()
    local function wrong(options, pattern)
      assert.error_matches(function() mcp.auth.jwt(options) end, pattern)
    end
    wrong(nil, "expected a table of options, got nil")
    wrong({}, "issuer is missing")
    wrong({ issuer = ISSUER }, "jwks is missing")
    wrong({ issuer = "as", jwks = JWK }, "issuer")
    wrong({ issuer = ISSUER .. "?a", jwks = JWK }, "without query and fragment")
    wrong({ issuer = ISSUER, jwks = JWK, issuers = {} }, "not both")
    wrong({ issuers = {} }, "issuers: there is none")
    wrong({ issuer = ISSUER, jwks = "http://as.example/jwks" }, "https expected")
    wrong({ issuer = ISSUER, jwks = JWK, isuer = "x" }, "issuer")
    wrong({ issuer = ISSUER, jwks = JWK, audience = 7 }, "expected a string or table, got number")
    wrong({ issuer = ISSUER, jwks = JWK, algorithms = { "HS256" } },
      'unsupported algorithm "HS256"; supported are RS256')
    wrong({ issuer = ISSUER, jwks = JWK, algorithms = { "none" } }, 'unsupported algorithm "none"')
    wrong({ issuer = ISSUER, jwks = JWK, algorithms = {} }, "at least one, got an empty list")
    wrong({ issuer = ISSUER, jwks = JWK, clock_skew = -1 }, "clock_skew")
    wrong({ issuer = ISSUER, jwks = JWK, clock_skew = 1e4 }, "clock_skew")
  end)
end)
