-- SPDX-License-Identifier: MIT
-- proof: the server's side of DPoP (RFC 9449): does the sender of a token hold the key that the
-- token is bound to? A proof is a JWT for one request, signed by that key:
--
--   header  { "typ": "dpop+jwt", "alg": …, "jwk": the public key }
--   claims  { "jti", "htm": the method, "htu": the address, "iat",
--             "ath": the token's digest, "nonce" }
--
-- A proof is taken once. Nonces are ours, and good for a few minutes: with them a client cannot
-- make proofs for later. Knows no exchange.
local core = require "mcp.core"
local jwt = require "mcp.auth.jwt"
local check_options = require("mcp.options").check
local url = require "mcp.url"

local proof = {}

---Length of a proof, in bytes; a longer one is refused unread.
proof.LENGTH = 8192
---Age of a proof, in seconds, in addition to the clock skew.
proof.AGE = 60
---How long a nonce is issued, in seconds; it is accepted for twice that.
proof.NONCE_TIME = 300
---Proofs that are remembered for each `AGE` and the clocks' skew, of 32 bytes each, twice over.
---When there are more a replay could not be recognized, and requests are refused (503).
proof.PROOFS = 65536
---Length of a `jti`, in bytes.
proof.JTI = 256
---The algorithms of proofs that the server announces.
proof.ALGORITHMS = { "ES256", "RS256", "PS256", "EdDSA" }

local OPTIONS = { required = "boolean", nonces = "boolean", age = "number", proofs = "number",
  key = "string" }

local PRIVATE = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" }
-- The members of a key that make its thumbprint (RFC 7638 3.2, RFC 8037 2).
local MEMBERS = { EC = { "crv", "kty", "x", "y" }, RSA = { "e", "kty", "n" },
  OKP = { "crv", "kty", "x" } }

local function openssl() return require "mcp.openssl" end

local function digest(text) return jwt.to_base64url(openssl().sha256(text)) end

---The thumbprint of a public key (RFC 7638); nil if it is not supported.
---@param key any a JWK
---@return string|nil
function proof.thumbprint(key)
  local members = type(key) == "table" and MEMBERS[key.kty]
  if not members then return nil end
  local out = {}
  for _, name in ipairs(members) do
    if type(key[name]) ~= "string" then return nil end
    out[name] = key[name]
  end
  return digest(assert(core.encode(out, true)))
end

local Checker = { __name = "mcp.auth.dpop" }
Checker.__index = {}

---Makes a checker. Raises (level 0) on an error in the options.
---@param options table required (true: a token must be bound), nonces (false: none are asked for),
---age (seconds), proofs (how many are remembered), key (32 bytes or more: what nonces are made of,
---the same in all processes of a server; a random one if not given)
---@return table
function proof.new(options)
  check_options("auth: dpop", options, OPTIONS, 0)
  if options.age and not (options.age >= 1 and options.age <= 3600) then
    error("auth: dpop: age: expected seconds from 1 to 3600", 0)
  end
  if options.proofs and not (math.type(options.proofs) == "integer" and options.proofs >= 1) then
    error("auth: dpop: proofs: expected an integer, 1 or more", 0)
  end
  if options.key and #options.key < 32 then
    error("auth: dpop: key: expected 32 bytes or more", 0)
  end
  return setmetatable({
    required = options.required or false, nonces = options.nonces ~= false,
    age = options.age or proof.AGE, most = options.proofs or proof.PROOFS,
    key = options.key or core.random_id() .. core.random_id(),
    algorithms = proof.ALGORITHMS,
    new = {}, old = {}, count = 0, turned = 0, -- thumbprint and jti, digested
  }, Checker)
end

local function nonce_of(self, slot)
  return jwt.to_base64url(openssl().hmac_sha256(self.key, "dpop nonce " .. slot):sub(1, 18))
end

---The nonce that is issued now.
---@return string
function Checker.__index:nonce()
  return nonce_of(self, os.time() // proof.NONCE_TIME)
end

-- Is this nonce ours and still valid? If so, also whether a new one must be issued.
local function judge_nonce(self, given)
  if given == self:nonce() then return true, false end
  return given == nonce_of(self, os.time() // proof.NONCE_TIME - 1), true
end

-- Remembers a proof; false if it was there before, nil if there is no room.
local function remember(self, id)
  local now, turn = os.time(), self.age + 2 * jwt.CLOCK_SKEW
  if now - self.turned >= 2 * turn then
    self.new, self.old, self.count, self.turned = {}, {}, 0, now
  elseif now - self.turned >= turn then
    self.new, self.old, self.count, self.turned = {}, self.new, 0, now
  end
  if self.new[id] or self.old[id] then return false end
  if self.count >= self.most then return nil end
  self.new[id], self.count = true, self.count + 1
  return true
end

local function address_of(text)
  local parsed = type(text) == "string" and url.parse(text)
  return parsed and parsed.origin .. (parsed.path or "/")
end

-- The header, and the key in it.
local function check_header(header)
  if header.typ ~= "dpop+jwt" then return nil, "typ is not dpop+jwt" end
  if type(header.alg) ~= "string" or not jwt.ALGORITHMS[header.alg] then
    return nil, "its algorithm is not supported"
  end
  if header.crit ~= nil or header.b64 ~= nil then return nil, "it needs extensions" end
  local key = header.jwk
  local print = proof.thumbprint(key)
  if not print or key.kty ~= jwt.ALGORITHMS[header.alg] then
    return nil, "it has no public key of its algorithm"
  end
  for _, name in ipairs(PRIVATE) do
    if key[name] ~= nil then return nil, "it has a private key in it" end
  end
  return print
end

-- Checks the claims, except the nonce.
local function check_claims(self, claims, about)
  local now = os.time()
  if type(claims.jti) ~= "string" or claims.jti == "" or #claims.jti > proof.JTI then
    return nil, "jti: expected a short string"
  elseif claims.htm ~= about.method then
    return nil, "htm is not the method"
  elseif math.type(claims.iat) == nil or claims.iat > now + jwt.CLOCK_SKEW
    or claims.iat < now - self.age - jwt.CLOCK_SKEW then
    return nil, "iat is not about now"
  elseif claims.ath ~= digest(about.token) then
    return nil, "ath is not that of the token"
  end
  local address = address_of(claims.htu)
  for _, expected in ipairs(about.addresses) do
    if address and address == address_of(expected) then return true end
  end
  return nil, "htu is not the address"
end

---Judges the proof of a request.
---@param about table field (the DPoP field; nil: none, false: twice), method, addresses (the
---request may have gone to one of these), token, bound (the thumbprint that the token names)
---@return string|nil thumbprint of the key that has been proved; nil: code and reason
---@return string|boolean code "invalid_dpop_proof", "use_dpop_nonce", "invalid_token", "busy"; with
---a thumbprint: is a new nonce to be given out?
---@return string|nil reason for the log; nothing of the proof or the token is in it
function Checker.__index:check(about)
  local field = about.field
  local function bad(reason) return nil, "invalid_dpop_proof", "the proof: " .. reason end
  if field == nil then return bad "there is none" end
  if field == false then return bad "there are several" end
  if #field > proof.LENGTH then return bad "it is too long" end
  local read = jwt.parse(field)
  if not read then return bad "it is not a signed JWT" end
  local print, reason = check_header(read.header)
  if not print then return bad(reason) end
  local fine
  fine, reason = check_claims(self, read.claims, about)
  if not fine then return bad(reason) end
  if print ~= about.bound then
    return nil, "invalid_token", "the token is bound to another key, or to none"
  end
  local fresh, stale = not self.nonces, false
  if self.nonces then fresh, stale = judge_nonce(self, read.claims.nonce) end
  if not fresh then return nil, "use_dpop_nonce", "the proof: unknown nonce" end
  if not openssl().verify(read.header.alg, read.header.jwk, read.signed, read.signature) then
    return bad "its signature is wrong"
  end
  fine = remember(self, openssl().sha256(print .. "." .. read.claims.jti))
  if fine == false then return bad "it has been used before" end
  if fine == nil then
    return nil, "busy", ("%d proofs in %d s are all that is remembered; see auth.dpop.proofs")
      :format(self.most, self.age + 2 * jwt.CLOCK_SKEW)
  end
  return print, stale
end

return proof
