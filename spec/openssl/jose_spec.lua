-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local helper = require "spec.helper"
local openssl = require "mcp.openssl"

local function from_url(text)
  text = text:gsub("[-_]", { ["-"] = "+", ["_"] = "/" })
  return assert(core.unbase64(text .. ("="):rep(-#text % 4)))
end

local function to_url(bytes)
  return (core.base64(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

-- A copy of a key with some members changed; false takes one away.
local function with(key, changes)
  local out = {}
  for name, member in pairs(key) do out[name] = member end
  for name, member in pairs(changes) do out[name] = member or nil end
  return out
end

local PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
  .. "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

-- The examples of the standards.
local KNOWN = {
  { name = "RS256 (RFC 7515 A.2)", alg = "RS256", data = "eyJhbGciOiJSUzI1NiJ9." .. PAYLOAD,
    key = { kty = "RSA", e = "AQAB", n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPdd"
      .. "xHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47so"
      .. "MZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVM"
      .. "TBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2P"
      .. "AcDTW9gb54h4FRWyuXpoQ" },
    signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5"
      .. "YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLI"
      .. "ARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvh"
      .. "J1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
  { name = "ES256 (RFC 7515 A.3)", alg = "ES256", data = "eyJhbGciOiJFUzI1NiJ9." .. PAYLOAD,
    key = { kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
    signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6"
      .. "NU1Q" },
  { name = "EdDSA (RFC 8037 A.4)", alg = "EdDSA",
    data = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    key = { kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
    signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM"
      .. "0KAg" },
}
local RSA, EC, OKP = KNOWN[1], KNOWN[2], KNOWN[3]

describe("mcp.openssl verify", function()
  for _, known in ipairs(KNOWN) do
    it("knows the example of " .. known.name, function()
      local signature = from_url(known.signature)
      assert.is_true(openssl.verify(known.alg, known.key, known.data, signature))
      assert.is_false(openssl.verify(known.alg, known.key, known.data .. "x", signature))
      assert.is_false(openssl.verify(known.alg, known.key, "", signature))
    end)

    it("refuses each signature that is cut, longer or has a bit changed: " .. known.alg, function()
      local signature = from_url(known.signature)
      for at = 1, #signature, #signature > 64 and 7 or 1 do
        local changed = signature:sub(1, at - 1) .. string.char(signature:byte(at) ~ 1 << at % 8)
          .. signature:sub(at + 1)
        assert.is_false(openssl.verify(known.alg, known.key, known.data, changed))
        assert.is_false(openssl.verify(known.alg, known.key, known.data, signature:sub(1, at - 1)))
      end
      assert.is_false(openssl.verify(known.alg, known.key, known.data, signature .. "\0"))
      assert.is_false(openssl.verify(known.alg, known.key, known.data, "\0" .. signature))
    end)

    it("takes a key for its own algorithm and no other: " .. known.alg, function()
      local signature = from_url(known.signature)
      for _, alg in ipairs { "RS256", "PS256", "ES256", "EdDSA" } do
        local fits = alg == known.alg or known.alg == "RS256" and alg == "PS256"
        local valid, text = openssl.verify(alg, known.key, known.data, signature)
        if fits then
          assert.equal(alg == known.alg, valid)
        else
          assert.is_nil(valid)
          assert.equal("the key type does not match the algorithm", text)
        end
      end
    end)
  end

  it("knows no other algorithm: none, MACs, other spellings (SEC-70)", function()
    for _, alg in ipairs { "none", "None", "HS256", "HS384", "RS1", "RS384", "ES512", "rs256", "",
      "RS256\0", "Ed25519" } do
      local valid, text = openssl.verify(alg, RSA.key, RSA.data, from_url(RSA.signature))
      assert.is_nil(valid)
      assert.equal("unsupported algorithm", text)
    end
  end)

  it("tells ES256 of zeros, which other libraries have let pass, from a signature", function()
    assert.is_false(openssl.verify("ES256", EC.key, EC.data, ("\0"):rep(64)))
    assert.is_false(openssl.verify("ES256", EC.key, EC.data, ("\255"):rep(64)))
    -- DER is what OpenSSL writes, not what a token has (RFC 7518 3.4).
    assert.is_false(openssl.verify("ES256", EC.key, EC.data, "\x30\x06\x02\x01\x01\x02\x01\x01"))
  end)

  local function refused(pattern, alg, key)
    local valid, text = openssl.verify(alg, key, "data", ("s"):rep(64))
    assert.is_nil(valid)
    assert.matches(pattern, text)
  end

  it("refuses weak RSA keys (RFC 7518 3.3) and those that take too long", function()
    local n = from_url(RSA.key.n)
    refused("at least 2048 bits", "RS256", with(RSA.key, { n = to_url(n:sub(1, 128)) }))
    refused("at least 2048 bits", "PS256", with(RSA.key, { n = to_url("\1" .. n:sub(2)) }))
    refused("at most 8192 bits", "RS256", with(RSA.key, { n = to_url(n .. n .. n .. n .. n) }))
    refused("too long", "RS256", with(RSA.key, { n = ("A"):rep(100000) }))
    for _, e in ipairs { "\1", "\3", "\1\0\0", "\255\255", ("\1"):rep(9), "\1\0\1\0" } do
      refused("exponent", "RS256", with(RSA.key, { e = to_url(e) }))
    end
  end)

  it("refuses points that are not on the curve, and other curves", function()
    refused("not on its curve", "ES256", with(EC.key, { y = EC.key.x }))
    refused("not on its curve", "ES256",
      with(EC.key, { x = to_url(("\0"):rep(32)), y = to_url(("\0"):rep(32)) }))
    refused("not on its curve", "ES256", with(EC.key, { x = to_url(("\255"):rep(32)) }))
    refused("expected the curve P%-256", "ES256", with(EC.key, { crv = "secp256k1" }))
    refused("expected the curve P%-256", "ES256", with(EC.key, { crv = "P-384" }))
    refused("expected the curve Ed25519", "EdDSA", with(OKP.key, { crv = "Ed448" }))
    refused("expected the curve Ed25519", "EdDSA", with(OKP.key, { crv = "X25519" }))
  end)

  it("reads coordinates in their full length only (RFC 7518 6.2.1.2)", function()
    local x = from_url(EC.key.x)
    refused("32 bytes", "ES256", with(EC.key, { x = to_url(x:sub(1, 31)) }))
    refused("32 bytes", "ES256", with(EC.key, { x = to_url("\0" .. x) }))
    refused("32 bytes", "ES256",
      with(EC.key, { x = to_url(x:sub(1, 31)), y = to_url(from_url(EC.key.y) .. "y") }))
    refused("32 bytes", "EdDSA", with(OKP.key, { x = to_url(("x"):rep(31)) }))
  end)

  it("reads base64url as it is written, and nothing else", function()
    local x = OKP.key.x
    for _, wrong in ipairs { x .. "=", " " .. x, x .. "\n", x:gsub("_", "/"), x:sub(1, -2) .. "p",
      x .. "\0" } do
      refused("not base64url", "EdDSA", with(OKP.key, { x = wrong }))
    end
    refused("a member of the key is missing", "EdDSA", with(OKP.key, { x = false }))
    refused("a member of the key is missing", "EdDSA", with(OKP.key, { x = 12 }))
    refused("a member of the key is missing", "RS256", with(RSA.key, { e = false }))
  end)

  it("knows RSA, EC and OKP, and no shared secret", function()
    refused("unsupported key type", "RS256", { kty = "oct", k = "c2VjcmV0" })
    refused("unsupported key type", "RS256", {})
    refused("unsupported key type", "RS256", with(RSA.key, { kty = "rsa" }))
  end)

  it("looks at no metatable of a key", function()
    refused("unsupported key type", "RS256", setmetatable({}, { __index = RSA.key }))
  end)

  it("raises what is no key at all", function()
    for _, key in ipairs { 1, true, "" } do
      assert.has_error(function() openssl.verify("RS256", key, "", "") end)
    end
    assert.has_error(function() openssl.verify("RS256", nil, "", "") end)
    assert.has_error(function() openssl.verify(nil, RSA.key, "", "") end)
  end)

  it("refuses what is no public key in PEM", function()
    for _, pem in ipairs { "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
      openssl.generate_key "EdDSA", ("\0"):rep(100) } do
      refused("expected a public key", "EdDSA", pem)
    end
  end)
end)

describe("mcp.openssl sign", function()
  for _, alg in ipairs { "RS256", "PS256", "ES256", "EdDSA" } do
    it("makes what verify takes: " .. alg, function()
      local pem, jwk = openssl.generate_key(alg)
      assert.matches("^%-%-%-%-%-BEGIN PRIVATE KEY%-%-%-%-%-\n", pem)
      assert.same(jwk, openssl.public_jwk(pem))
      for _, data in ipairs { "", "x", ("y"):rep(5000), "\0\255" } do
        local signature = openssl.sign(alg, pem, data)
        assert.is_true(openssl.verify(alg, jwk, data, signature))
        assert.is_false(openssl.verify(alg, jwk, data .. "\0", signature))
      end
      local _, other = openssl.generate_key(alg)
      assert.is_false(openssl.verify(alg, other, "x", openssl.sign(alg, pem, "x")))
    end)
  end

  it("writes ES256 as r and s, 32 bytes each (RFC 7518 3.4)", function()
    local pem = openssl.generate_key "ES256"
    for _ = 1, 300 do assert.equal(64, #openssl.sign("ES256", pem, "x")) end
  end)

  it("fills coordinates up to 32 bytes", function()
    for _ = 1, 300 do
      local _, jwk = openssl.generate_key "ES256"
      assert.equal(32, #from_url(jwk.x))
      assert.equal(32, #from_url(jwk.y))
    end
  end)

  it("reads PEM that the openssl program wrote, of any of its forms", function()
    local pem, jwk = openssl.generate_key "ES256"
    local folder = helper.shell("mktemp -d"):match "%S+"
    local path = folder .. "/key.pem"
    local file = assert(io.open(path, "w"))
    file:write(pem)
    file:close()
    local old = helper.shell("openssl ec -in " .. path .. " 2>/dev/null")
    assert.matches("BEGIN EC PRIVATE KEY", old)
    local public = helper.shell("openssl pkey -pubout -in " .. path)
    local locked = helper.shell("openssl pkcs8 -topk8 -passout pass:secret -in " .. path)
    local weak = helper.shell "openssl genrsa 1024 2>/dev/null"
    local k1 = helper.shell "openssl ecparam -name secp256k1 -genkey -noout"
    helper.shell("rm -r " .. folder)
    assert.same(jwk, openssl.public_jwk(old))
    assert.same(jwk, openssl.public_jwk(public))
    assert.is_true(openssl.verify("ES256", public, "x", openssl.sign("ES256", old, "x")))
    -- No prompt for the password.
    local none, text = openssl.sign("ES256", locked, "x")
    assert.is_nil(none)
    assert.matches("expected a private key in PEM without a password", text)
    for _, use in ipairs { openssl.public_jwk, function(given)
      return openssl.sign("RS256", given, "x") end } do
      none, text = use(weak)
      assert.is_nil(none)
      assert.matches("at least 2048 bits", text)
    end
    none, text = openssl.sign("ES256", k1, "x")
    assert.is_nil(none)
    assert.matches("expected the curve P%-256", text)
    none, text = openssl.sign("RS256", pem, "x")
    assert.is_nil(none)
    assert.matches("does not match the algorithm", text)
    none, text = openssl.sign("ES256", public, "x")
    assert.is_nil(none)
    assert.matches("expected a private key", text)
  end)

  it("knows no other algorithm", function()
    for _, alg in ipairs { "none", "HS256", "", "RSA" } do
      local pem, text = openssl.generate_key(alg)
      assert.is_nil(pem)
      assert.equal("unsupported algorithm", text)
      pem, text = openssl.sign(alg, "x", "x")
      assert.is_nil(pem)
      assert.equal("unsupported algorithm", text)
    end
  end)
end)
