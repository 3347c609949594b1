-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local jwt = require "mcp.auth.jwt"
local openssl = require "mcp.openssl"
local value = require "mcp.value"

local NOW = 1800000000
local KEYS = {}
for _, alg in ipairs { "RS256", "ES256", "EdDSA" } do
  local pem, jwk = openssl.generate_key(alg)
  jwk.kid = "key of " .. alg
  KEYS[alg] = { pem = pem, jwk = jwk }
end
KEYS.PS256 = { pem = KEYS.RS256.pem, jwk = KEYS.RS256.jwk }

local function with(given, changes)
  local out = {}
  for name, member in pairs(given) do out[name] = member end
  for name, member in pairs(changes or {}) do
    if member == "none" then out[name] = nil else out[name] = member end
  end
  return out
end

local CLAIMS = { iss = "https://as.example", sub = "ada", aud = "https://mcp.example/mcp",
  exp = NOW + 300, iat = NOW - 10, nbf = NOW - 10 }

-- A token; changes of "none" take a member away.
local function token(claims, header, pem)
  header = with({ alg = "ES256", typ = "at+jwt", kid = "key of ES256" }, header)
  return assert(jwt.sign(header, with(CLAIMS, claims), pem or KEYS[header.alg].pem))
end

-- What no signer of ours would write: texts as header and claims, bytes as signature.
local function forged(header, claims, signature)
  return jwt.to_base64url(header) .. "." .. jwt.to_base64url(claims or core.encode(CLAIMS)) .. "."
    .. jwt.to_base64url(signature or "x")
end

local OPTIONS = { keys = { KEYS.RS256.jwk, KEYS.ES256.jwk, KEYS.EdDSA.jwk },
  issuer = "https://as.example", audience = "https://mcp.example/mcp", now = NOW }

local function accepted(text, options)
  local claims, why = jwt.verify(text, with(OPTIONS, options))
  assert.is_nil(why)
  return claims
end

local function refused(pattern, text, options)
  local claims, why = jwt.verify(text, with(OPTIONS, options))
  assert.is_nil(claims)
  assert.matches(pattern, why)
  -- Nothing of it goes to a log or a client.
  for part in tostring(text):gmatch "[^.%s]+" do
    if #part > 12 then assert.is_nil(why:find(part, 1, true)) end
  end
end

describe("mcp.auth.jwt", function()
  it("takes what it has signed, with each algorithm", function()
    for _, alg in ipairs { "RS256", "PS256", "ES256", "EdDSA" } do
      local claims = accepted(token({ jti = alg }, { alg = alg, kid = KEYS[alg].jwk.kid }))
      assert.equal("ada", claims.sub)
      assert.equal(alg, claims.jti)
    end
  end)

  it("reads the example of RFC 7515 A.3", function()
    local text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9"
      .. "leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjD"
      .. "xw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    local key = { kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }
    local claims = assert(jwt.verify(text, { keys = key, now = 1300819379 }))
    assert.equal("joe", claims.iss)
    assert.is_true(claims["http://example.com/is_root"])
    local _, why = jwt.verify(text, { keys = key })
    assert.matches("expired", why)
  end)

  it("refuses alg none, in all its spellings (SEC-70, RFC 8725 3.2)", function()
    for _, alg in ipairs { "none", "None", "NONE", "nOnE", "" } do
      refused("algorithm is not supported", forged(('{"alg":"%s"}'):format(alg)))
      local text = jwt.to_base64url(('{"alg":"%s"}'):format(alg)) .. "."
        .. jwt.to_base64url(core.encode(CLAIMS)) .. "."
      refused("not a signed JWT", text)
    end
    refused("algorithm is not supported", forged "{}")
    refused("algorithm is not supported", forged '{"alg":null}')
    refused("algorithm is not supported", forged '{"alg":["ES256"]}')
  end)

  it("refuses HS256 signed with the public key, of whatever spelling (SEC-70)", function()
    local jwk = KEYS.RS256.jwk
    for _, secret in ipairs { jwk.n, jwt.from_base64url(jwk.n), core.encode(jwk, true) } do
      local signed = jwt.to_base64url '{"alg":"HS256","kid":"key of RS256"}' .. "."
        .. jwt.to_base64url(core.encode(CLAIMS))
      refused("algorithm is not supported",
        signed .. "." .. jwt.to_base64url(openssl.hmac_sha256(secret, signed)))
    end
  end)

  it("refuses an algorithm that is not allowed, though it is known", function()
    refused("not allowed here", token(nil, { alg = "RS256", kid = "key of RS256" }),
      { algorithms = { "ES256", "EdDSA" } })
    accepted(token(), { algorithms = { "ES256" } })
  end)

  it("takes a key for its own algorithm only: the header cannot choose", function()
    refused("no key", token(nil, { kid = "key of RS256" }))
    refused("no key", token(nil, { alg = "RS256", kid = "key of EdDSA" }))
    refused("no key", token(), { keys = with(KEYS.ES256.jwk, { alg = "RS256" }) })
    refused("no key", token(), { keys = with(KEYS.ES256.jwk, { use = "enc" }) })
    refused("no key", token(), { keys = with(KEYS.ES256.jwk, { key_ops = { "sign" } }) })
    accepted(token(), { keys = with(KEYS.ES256.jwk, { use = "sig", alg = "ES256",
      key_ops = { "verify" } }) })
  end)

  it("never looks at a key that the token brings along (RFC 8725 3.10)", function()
    local pem, jwk = openssl.generate_key "ES256"
    refused("signature is wrong", token(nil, { jwk = jwk, jku = "https://evil.example/jwks",
      x5u = "https://evil.example", kid = "key of ES256" }, pem))
    refused("no key", token(nil, { jwk = jwk, kid = "mine" }, pem))
  end)

  it("refuses a signature of another key, and a token that was changed", function()
    local pem = openssl.generate_key "ES256"
    refused("signature is wrong", token(nil, nil, pem))
    local text = token()
    local header, claims, signature = text:match "^([^.]+)%.([^.]+)%.([^.]+)$"
    local other = jwt.to_base64url(core.encode(with(CLAIMS, { sub = "eve" }), true))
    refused("signature is wrong", header .. "." .. other .. "." .. signature)
    refused("signature is wrong", jwt.to_base64url '{"alg":"ES256"}' .. "." .. claims .. "."
      .. signature)
    refused("signature is wrong", header .. "." .. claims .. "." .. signature:sub(1, 80))
  end)

  it("tries each key that fits where the token names none", function()
    local pem, jwk = openssl.generate_key "ES256"
    local keys = { KEYS.ES256.jwk, KEYS.RS256.jwk, jwk }
    accepted(token(nil, { kid = "none" }, pem), { keys = keys })
    accepted(token(nil, { kid = "none" }), { keys = keys })
    refused("signature is wrong", token(nil, { kid = "none" }), { keys = { jwk } })
  end)

  it("refuses extensions that it does not know (crit, RFC 7515 4.1.11)", function()
    refused("extensions", token(nil, { crit = value.array { "exp" }, exp = 1 }))
    refused("extensions", token(nil, { crit = value.array {} }))
    refused("extensions", token(nil, { b64 = false }))
  end)

  it("looks at exp, nbf and iat, with clocks a little apart", function()
    accepted(token { exp = NOW - 29 })
    refused("expired", token { exp = NOW - 30 })
    refused("expired", token { exp = NOW }, { clock_skew = 0 })
    accepted(token { exp = NOW + 1 }, { clock_skew = 0 })
    refused("expired", token { exp = 0 })
    accepted(token { nbf = NOW + 30 })
    refused("not valid yet", token { nbf = NOW + 31 })
    accepted(token { iat = NOW + 30 })
    refused("in the future", token { iat = NOW + 31 })
    accepted(token { exp = NOW + 0.5 })
  end)

  it("refuses times that are none, and a token without end", function()
    for _, wrong in ipairs { "soon", tostring(NOW + 100), true, value.null, -1, 1e300, {} } do
      refused("times cannot be read", token { exp = wrong })
      refused("times cannot be read", token { nbf = wrong })
      refused("times cannot be read", token { iat = wrong })
    end
    refused("no expiry", token { exp = "none" })
    accepted(token { exp = "none" }, { endless = true })
  end)

  it("compares the issuer byte for byte", function()
    for _, issuer in ipairs { "https://as.example/", "https://AS.example", "http://as.example",
      "https://as.example:443", "", "none", 7 } do
      refused("issuer is not accepted", token { iss = issuer })
    end
    accepted(token { iss = "https://b.example" },
      { issuer = { "https://a.example", "https://b.example" } })
    -- A list of issuers is not one.
    refused("issuer", token { iss = value.array { "https://as.example" } })
  end)

  it("wants its audience among the token's (RFC 8707)", function()
    for _, audience in ipairs { "https://mcp.example", "https://mcp.example/mcp/",
      "https://other.example/mcp", "", "none", value.array {}, value.array { "x", "y" }, 7,
      { ["https://mcp.example/mcp"] = true } } do
      refused("another audience", token { aud = audience })
    end
    accepted(token { aud = value.array { "x", "https://mcp.example/mcp" } })
    accepted(token { aud = "b" }, { audience = { "a", "b" } })
  end)

  it("tells access tokens from others by their type, if it is told to (RFC 9068 4)", function()
    accepted(token(), { typ = "at+jwt" })
    accepted(token(nil, { typ = "application/at+jwt" }), { typ = "at+jwt" })
    accepted(token(nil, { typ = "AT+JWT" }), { typ = "at+jwt" })
    refused("another type", token(nil, { typ = "JWT" }), { typ = "at+jwt" })
    refused("another type", token(nil, { typ = "none" }), { typ = "at+jwt" })
  end)

  it("asks for no key before the rest of the token is fine", function()
    local asked = 0
    local function keys() asked = asked + 1 return {} end
    for _, text in ipairs { token { exp = 1 }, token { iss = "x" }, token { aud = "x" },
      forged '{"alg":"none"}', token(nil, { crit = value.array {} }), "x" } do
      assert.is_nil((jwt.verify(text, with(OPTIONS, { keys = keys }))))
    end
    assert.equal(0, asked)
    refused("no key", token(), { keys = keys })
    assert.equal(1, asked)
  end)

  describe("remembers good signatures", function()
    local real, count = openssl.verify, 0

    before_each(function()
      count = 0
      openssl.verify = function(...)
        count = count + 1
        return real(...)
      end
    end)

    after_each(function() openssl.verify = real end)

    it("and nothing else: times, audience and the rest are looked at each time", function()
      local memo, text = jwt.memo(), token()
      for _ = 1, 5 do accepted(text, { memo = memo }) end
      assert.equal(1, count)
      refused("expired", text, { memo = memo, now = NOW + 1000 })
      refused("audience", text, { memo = memo, audience = "other" })
      refused("issuer", text, { memo = memo, issuer = "other" })
      refused("not allowed", text, { memo = memo, algorithms = { "RS256" } })
      assert.equal(1, count)
    end)

    it("but no bad ones, and of a text that differs in anything nothing", function()
      local memo, text = jwt.memo(), token()
      accepted(text, { memo = memo })
      local bad = text:sub(1, -22) .. (text:sub(-21, -21) == "A" and "B" or "A") .. text:sub(-20)
      for _ = 1, 3 do refused("signature is wrong", bad, { memo = memo }) end
      assert.equal(4, count)
    end)

    it("until the keys change: a key that was withdrawn is good for nothing", function()
      local memo, text = jwt.memo(), token()
      accepted(text, { memo = memo })
      refused("no key", text, { memo = memo, keys = { KEYS.RS256.jwk } })
      accepted(text, { memo = memo, keys = { KEYS.ES256.jwk } })
      assert.equal(2, count)
    end)

    it("of so many, and of those that are used longest", function()
      local memo, keys = jwt.memo(), { {} }
      assert.is_false(memo:has(keys, "first"))
      memo:add "first"
      for i = 1, 10 * jwt.MEMO do
        memo:add("other " .. i)
        assert.is_true(memo:has(keys, "first"))
      end
      local held = 0
      for _, half in ipairs { memo.new, memo.old } do
        for _ in pairs(half) do held = held + 1 end
      end
      assert.is_true(held <= jwt.MEMO)
      assert.is_false(memo:has(keys, "other 1"))
    end)
  end)

  it("passes on why there are no keys", function()
    local claims, why, code = jwt.verify(token(), with(OPTIONS, { keys = function()
      return nil, "the keys could not be loaded", "EUNREACHABLE"
    end }))
    assert.is_nil(claims)
    assert.equal("the keys could not be loaded", why)
    assert.equal("EUNREACHABLE", code)
  end)

  it("reads nothing but three parts of base64url, as it is written", function()
    local text = token()
    local header, claims, signature = text:match "^([^.]+)%.([^.]+)%.([^.]+)$"
    for _, wrong in ipairs { "", ".", "..", "...", "a.b", text .. ".", "." .. text, text .. ".x",
      text .. "=", " " .. text, text .. "\n", header .. "." .. claims, text:gsub("%.", ".="),
      header .. ".." .. signature, text .. "\0", text:gsub("%.", "%%2E"), header .. "+." .. claims
        .. "." .. signature, header .. "." .. claims .. "/." .. signature } do
      local claims_of, why = jwt.verify(wrong, OPTIONS)
      assert.is_nil(claims_of)
      assert.matches("not a signed JWT", why)
    end
    -- Unused bits that are not zero.
    local last = { A = "B", Q = "R", g = "h", w = "x" }
    for name, part in pairs { header = header, signature = signature } do
      if last[part:sub(-1)] then
        local changed = part:sub(1, -2) .. last[part:sub(-1)]
        local wrong = name == "header" and changed .. "." .. claims .. "." .. signature
          or header .. "." .. claims .. "." .. changed
        refused("malformed", wrong)
      end
    end
    for _, given in ipairs { 7, true, {} } do
      assert.is_nil((jwt.verify(given, OPTIONS)))
    end
    assert.is_nil((jwt.verify(nil, OPTIONS)))
  end)

  it("reads objects of strict JSON, and no doubled names", function()
    refused("malformed", forged("[]"))
    refused("malformed", forged("null"))
    refused("malformed", forged('"x"'))
    refused("malformed", forged('{"alg":"ES256"} {}'))
    refused("malformed", forged('{"alg":"none","alg":"ES256"}'))
    refused("malformed", forged('{"alg":"ES256",}'))
    refused("malformed", forged('{"alg":"ES256"}', "[]"))
    refused("malformed", forged('{"alg":"ES256"}', '{"exp":9e9,"exp":1}'))
    refused("malformed", forged('{"alg":"ES256"}', '{"sub":"\xff"}'))
    refused("malformed", forged('{"alg":"ES256"}', ("["):rep(10000)))
    refused("key id is not a string", forged('{"alg":"ES256","kid":7}'))
  end)

  it("looks at no token that is longer than its limit", function()
    local text = token { filler = ("x"):rep(jwt.LENGTH) }
    refused("too long", text)
    accepted(token { filler = ("x"):rep(jwt.LENGTH // 2) })
  end)

  it("cannot sign by what is no key for it", function()
    local text, why = jwt.sign({ alg = "RS256" }, {}, KEYS.ES256.pem)
    assert.is_nil(text)
    assert.matches("does not match the algorithm", why)
    text, why = jwt.sign({ alg = "HS256" }, {}, KEYS.ES256.pem)
    assert.is_nil(text)
    assert.matches("unsupported algorithm", why)
  end)
end)
