-- SPDX-License-Identifier: MIT
-- proof_spec.lua: lua/mcp/auth/server/proof.lua: tokens that are bound to a key (RFC 9449), at our
-- server, shown by our own client's proofs and by what no client of ours would make.
local core = require "mcp.core"
local dpop = require "mcp.auth.client.dpop"
local helper = require "spec.helper"
local jwt = require "mcp.auth.jwt"
local mcp = require "mcp"
local openssl = require "mcp.openssl"
local proof = require "mcp.auth.server.proof"
local value = require "mcp.value"

local PEM, JWK = openssl.generate_key "EdDSA"
local ISSUER, RESOURCE = "https://as.example", "https://mcp.example/api/mcp"

-- An access token; `print` is the key that it is bound to, false for none.
local function token(print, changes)
  local claims = { iss = ISSUER, sub = "ada", aud = RESOURCE, exp = os.time() + 100,
    cnf = print and { jkt = print } or nil }
  for name, member in pairs(changes or {}) do claims[name] = member end
  return assert(jwt.sign({ alg = "EdDSA" }, claims, PEM))
end

local function guard_with(options)
  return mcp.server { name = "spec", auth = { resource = RESOURCE, dpop = options,
    verify = mcp.auth.jwt { issuer = ISSUER, jwks = JWK } } }.auth
end

local function exchange(fields)
  local x = { fields = fields, set = {} }
  function x:header(name) return self.fields[name] end
  function x:set_header(name, text) self.set[name] = text end
  return x
end

-- What a guard makes of a request: the principal, or nil, the status, the error of the challenge
-- that was used, and the exchange.
local function check(guard, authorization, field, kind)
  local x = exchange { authorization = authorization, dpop = field }
  local found, err
  helper.logged(function() found, err = guard:check(x, kind or "request") end)
  if found then return found, nil, nil, x end
  local challenge = err.challenge or ""
  return nil, err.status, challenge:match 'error="([%w_]+)"', x, challenge
end

-- A client with a key, and the nonce of the guard.
local function client_of(guard)
  local prover = dpop.prover()
  prover.print = proof.thumbprint(prover.jwk)
  if guard.dpop.nonces then prover:learn(RESOURCE, guard.dpop:nonce()) end
  return prover
end

-- A proof that is changed: claims and header; false takes a member away.
local function forged(prover, access, claims, header)
  local payload = { jti = core.random_id(), htm = "POST", iat = os.time(), htu = RESOURCE,
    nonce = prover.nonces["https://mcp.example"], ath = jwt.to_base64url(openssl.sha256(access)) }
  for name, member in pairs(claims or {}) do payload[name] = member or nil end
  local head = { typ = "dpop+jwt", alg = "ES256", jwk = prover.jwk }
  for name, member in pairs(header or {}) do head[name] = member or nil end
  return assert(jwt.sign(head, payload, prover.pem))
end

describe("a thumbprint", function()
  it("is that of RFC 7638 3.1, and of RFC 8037 A.3", function()
    assert.equal("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", proof.thumbprint { kty = "RSA",
      n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        .. "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ"
        .. "R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-b"
        .. "FTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
      e = "AQAB", alg = "RS256", kid = "2011-04-29" })
    assert.equal("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", proof.thumbprint { kty = "OKP",
      crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
  end)

  it("is none of what is no public key", function()
    for _, key in ipairs { {}, { kty = "oct", k = "x" }, { kty = "EC", crv = "P-256", x = "a" },
      { kty = "RSA", n = 7, e = "AQAB" }, "x", 7, true } do
      assert.is_nil(proof.thumbprint(key))
    end
    assert.is_nil(proof.thumbprint(nil))
  end)
end)

describe("a token that is bound to a key", function()
  after_each(helper.leftovers)

  it("is taken with a proof of our client, each time with a new one", function()
    local guard = guard_with(true)
    local client = client_of(guard)
    local access = token(client.print)
    for _ = 1, 3 do
      local found = check(guard, "DPoP " .. access, client:proof("POST", RESOURCE, access))
      assert.equal("ada", found.subject)
    end
    for kind, method in pairs { get = "GET", delete = "DELETE", upgrade = "GET",
      notification = "POST" } do
      assert(check(guard, "dpop " .. access, client:proof(method, RESOURCE, access), kind))
      assert.is_nil((check(guard, "DPoP " .. access, client:proof("PUT", RESOURCE, access), kind)))
    end
    -- HTTP+SSE POSTs beside the stream.
    assert(check(guard, "DPoP " .. access, client:proof("POST", RESOURCE .. "/message?session_id=1",
      access), "post"))
  end)

  it("is good for a head and the body behind it, and for no other request", function()
    local guard = guard_with(true)
    local client = client_of(guard)
    local access = token(client.print)
    local served = 0
    local receive = guard:receiver(function()
      served = served + 1
      return {}
    end)
    for kind, head in pairs { request = "head", post = "post head" } do
      local path = kind == "post" and RESOURCE .. "/message" or RESOURCE
      local field = client:proof("POST", path, access)
      local function arrive(as, ticket)
        local x = exchange { authorization = "DPoP " .. access, dpop = field }
        function x.ticket() return ticket end
        function x.expire() end
        function x.charge_to() return true end
        local result, err
        helper.logged(function() result, err = receive(x, nil, as) end)
        return result, err and err.status
      end
      served = 0
      assert.same({}, { arrive(head, 1) })
      assert.same({ {} }, { arrive(kind, 1) })
      assert.same({ nil, 401 }, { arrive(kind, 2) })
      assert.same({ nil, 401 }, { arrive(head, 3) })
      assert.equal(1, served)
    end
  end)

  it("is not taken without one, nor as a bearer token (RFC 9449 7.2)", function()
    local guard = guard_with(true)
    local client = client_of(guard)
    local access = token(client.print)
    local _, status, code = check(guard, "Bearer " .. access)
    assert.same({ 401, "invalid_token" }, { status, code })
    _, status, code = check(guard, "Bearer " .. access, client:proof("POST", RESOURCE, access))
    assert.same({ 401, "invalid_token" }, { status, code })
    _, status, code = check(guard, "DPoP " .. access)
    assert.same({ 401, "invalid_dpop_proof" }, { status, code })
    -- Sent twice.
    _, status, code = check(guard, "DPoP " .. access, false)
    assert.same({ 401, "invalid_dpop_proof" }, { status, code })
  end)

  it("is not taken by a server that asks for no proofs", function()
    local guard = guard_with(nil)
    local prover = dpop.prover()
    local access = token(proof.thumbprint(prover.jwk))
    for _, scheme in ipairs { "Bearer ", "DPoP " } do
      local _, status = check(guard, scheme .. access, prover:proof("POST", RESOURCE, access))
      assert.equal(401, status)
    end
  end)

  it("is not taken with a proof of another key, nor one that is bound to none", function()
    local guard = guard_with(true)
    local client, thief = client_of(guard), client_of(guard)
    local access = token(client.print)
    local _, status, code = check(guard, "DPoP " .. access, thief:proof("POST", RESOURCE, access))
    assert.same({ 401, "invalid_token" }, { status, code })
    access = token(false)
    _, status, code = check(guard, "DPoP " .. access, client:proof("POST", RESOURCE, access))
    assert.same({ 401, "invalid_token" }, { status, code })
    -- As a bearer token it is good, unless all must be bound.
    assert.equal("ada", check(guard, "Bearer " .. access).subject)
    _, status, code = check(guard_with { required = true }, "Bearer " .. access)
    assert.same({ 401, "invalid_token" }, { status, code })
  end)

  it("is not taken with a proof twice", function()
    local guard = guard_with(true)
    local client = client_of(guard)
    local access = token(client.print)
    local one = client:proof("POST", RESOURCE, access)
    assert(check(guard, "DPoP " .. access, one))
    local _, status, code = check(guard, "DPoP " .. access, one)
    assert.same({ 401, "invalid_dpop_proof" }, { status, code })
  end)

  it("is not taken with a proof that is wrong in anything", function()
    local guard = guard_with(true)
    local client = client_of(guard)
    local access = token(client.print)
    local pem = openssl.generate_key "ES256"
    local good = forged(client, access)
    for i, field in ipairs {
      "", "x", "a.b.c", good .. "x", good:sub(1, -5), ("x"):rep(9000), good .. "," .. good,
      forged(client, access, { htm = "GET" }), forged(client, access, { htm = false }),
      forged(client, access, { htm = "post" }),
      forged(client, access, { htu = RESOURCE .. "/x" }), forged(client, access, { htu = false }),
      forged(client, access, { htu = "https://evil.example/api/mcp" }),
      forged(client, access, { htu = "http://mcp.example/api/mcp" }),
      forged(client, access, { htu = 7 }), forged(client, access, { htu = "mcp" }),
      forged(client, access, { iat = os.time() - 200 }), forged(client, access, { iat = false }),
      forged(client, access, { iat = os.time() + 200 }), forged(client, access, { iat = "now" }),
      forged(client, access, { jti = false }), forged(client, access, { jti = "" }),
      forged(client, access, { jti = 7 }), forged(client, access, { jti = ("x"):rep(300) }),
      forged(client, access, { ath = false }),
      forged(client, access, { ath = jwt.to_base64url(openssl.sha256 "other") }),
      forged(client, access, nil, { typ = false }), forged(client, access, nil, { typ = "JWT" }),
      forged(client, access, nil, { jwk = false }), forged(client, access, nil, { jwk = "x" }),
      forged(client, access, nil, { crit = value.array { "x" } }),
      forged(client, access, nil, { jwk = { kty = "EC", crv = "P-256", x = client.jwk.x,
        y = client.jwk.y, d = "secret" } }),
      forged(setmetatable({ pem = pem }, { __index = client }), access),
    } do
      local found, status, code = check(guard, "DPoP " .. access, field)
      assert.is_nil(found, i)
      assert.same({ 401, "invalid_dpop_proof" }, { status, code }, i)
    end
    -- htu is looked at without query and fragment (RFC 9449 4.3).
    assert(check(guard, "DPoP " .. access, forged(client, access, { htu = RESOURCE .. "?a#b" })))
  end)

  it("needs the nonce that it is given, and learns the next one in time (RFC 9449 9)", function()
    local guard = guard_with(true)
    local client = dpop.prover()
    local access = token(proof.thumbprint(client.jwk))
    local _, status, code, x = check(guard, "DPoP " .. access,
      client:proof("POST", RESOURCE, access))
    assert.same({ 401, "use_dpop_nonce" }, { status, code })
    local nonce = x.set["DPoP-Nonce"]
    assert.is_true(client:learn(RESOURCE, nonce))
    _, _, _, x = check(guard, "DPoP " .. access, client:proof("POST", RESOURCE, access))
    assert.is_nil(x.set["DPoP-Nonce"])
    -- The one before counts still, and the answer has the new one; the one before that is over.
    local now = os.time
    finally(function() os.time = now end) -- luacheck: ignore
    for slots, expected in ipairs { true, false } do
      local at = now() + slots * proof.NONCE_TIME
      os.time = function() return at end -- luacheck: ignore
      local fresh = token(proof.thumbprint(client.jwk))
      local found
      found, _, code, x = check(guard, "DPoP " .. fresh, client:proof("POST", RESOURCE, fresh))
      assert.equal(expected, found ~= nil)
      assert.is_true(x.set["DPoP-Nonce"] ~= nonce)
      if not expected then assert.equal("use_dpop_nonce", code) end
    end
  end)

  it("needs none where none are wanted, and any process takes it where the key is given", function()
    local guard = guard_with { nonces = false }
    local client = dpop.prover()
    local access = token(proof.thumbprint(client.jwk))
    assert(check(guard, "DPoP " .. access, client:proof("POST", RESOURCE, access)))
    local key = ("k"):rep(32)
    local one, other = guard_with { key = key }, guard_with { key = key }
    client:learn(RESOURCE, one.dpop:nonce())
    assert(check(other, "DPoP " .. access, client:proof("POST", RESOURCE, access)))
    client:learn(RESOURCE, guard_with(true).dpop:nonce())
    assert.equal("use_dpop_nonce", (select(3, check(one, "DPoP " .. access,
      client:proof("POST", RESOURCE, access)))))
  end)

  it("is refused where proofs cannot be remembered any more, until they are forgotten", function()
    local guard = guard_with { proofs = 2 }
    local client = client_of(guard)
    local access = token(client.print)
    local function once()
      return (select(2, check(guard, "DPoP " .. access, client:proof("POST", RESOURCE, access))))
    end
    assert.is_nil(once())
    assert.is_nil(once())
    assert.equal(503, once())
    local now = os.time
    finally(function() os.time = now end) -- luacheck: ignore
    os.time = function() return now() + proof.AGE + 61 end -- luacheck: ignore
    client:learn(RESOURCE, guard.dpop:nonce())
    access = token(client.print)
    assert.is_nil(once())
  end)

  it("makes challenges for both schemes, which the document names (RFC 9449 7.1)", function()
    local guard = guard_with(true)
    local _, _, _, _, challenge = check(guard)
    assert.matches('^Bearer resource_metadata="[^"]*", DPoP algs="ES256 RS256 PS256 EdDSA", ',
      challenge)
    assert.same({ "ES256", "RS256", "PS256", "EdDSA" },
      helper.plain(guard.document.dpop_signing_alg_values_supported))
    assert.is_nil(guard.document.dpop_bound_access_tokens_required)
    guard = guard_with { required = true }
    _, _, _, _, challenge = check(guard)
    assert.matches('^DPoP algs="ES256 RS256 PS256 EdDSA", ', challenge)
    assert.is_nil(challenge:find "Bearer")
    assert.is_true(guard.document.dpop_bound_access_tokens_required)
    -- Our client reads them.
    local found = require("mcp.auth.client.challenge").bearer(challenge, "dpop")
    assert.equal("dpop", found.scheme)
  end)

  it("has options that are checked", function()
    for text, options in pairs {
      ["nonces"] = { nonce = true }, ['"age": expected a number'] = { age = "x" },
      ["age: expected seconds"] = { age = 0 }, ["proofs: expected an integer"] = { proofs = 0 },
      ["key: expected 32 bytes"] = { key = "short" } } do
      assert.error_matches(function() guard_with(options) end, text)
    end
    assert.error_matches(function() guard_with "yes" end, '"dpop": expected a boolean or table')
  end)
end)
