-- SPDX-License-Identifier: MIT
-- jwt: JSON Web Tokens (RFC 7519) as JWS compact texts (RFC 7515), read and judged as RFC 8725
-- asks:
--
--   BASE64URL(header) "." BASE64URL(claims) "." BASE64URL(signature)
--
-- The algorithm is one of those that the caller allows, and the key is of its kind; "none" and MACs
-- do not exist. What the header brings along as a key is never looked at. Why a token is refused
-- is said in words that hold nothing of it.
local core = require "mcp.core"

local jwt = {}

---A token that is longer is not looked at. In bytes.
jwt.LENGTH = 16 * 1024
---How far the clocks of two machines may be apart, in seconds.
jwt.CLOCK_SKEW = 30
---Tokens whose signature is remembered to be good. A token comes with every request, and to check
---one takes longer than all else that is done for a small call.
jwt.MEMO = 1000
---The algorithms that are known, and the kind of key each takes.
jwt.ALGORITHMS = { RS256 = "RSA", PS256 = "RSA", ES256 = "EC", EdDSA = "OKP" }

-- Loaded by the first token: OpenSSL takes its time to load.
local function openssl() return require "mcp.openssl" end

---Bytes in base64url, not padded (RFC 7515 2).
---@param bytes string
---@return string
function jwt.to_base64url(bytes)
  return (core.base64(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

---The bytes of a base64url text; nil unless it is their one spelling.
---@param text string
---@return string|nil
function jwt.from_base64url(text)
  if text:find "[^%w_-]" then return nil end
  text = text:gsub("[-_]", { ["-"] = "+", ["_"] = "/" })
  return core.unbase64(text .. ("="):rep(-#text % 4))
end

---@class mcp.Jwt
---@field header table
---@field claims table
---@field signed string what the signature is about
---@field signature string

local function object(text)
  local bytes = jwt.from_base64url(text)
  -- An array has a metatable, which distinguishes it from an object.
  local value = bytes and bytes:find "^%s*{" and core.decode(bytes)
  return type(value) == "table" and value or nil
end

---Takes a token apart. Nothing of it may be believed before it is verified.
---@param text any
---@return mcp.Jwt|nil token
---@return string|nil reason
function jwt.parse(text)
  if type(text) ~= "string" then return nil, "the token is not a string" end
  if #text > jwt.LENGTH then return nil, "the token is too long" end
  local signed, head, body, tail = text:match "^(([%w_-]+)%.([%w_-]+))%.([%w_-]+)$"
  if not signed then return nil, "the token is not a signed JWT" end
  local header, claims, signature = object(head), object(body), jwt.from_base64url(tail)
  if not header or not claims or not signature then return nil, "the token is malformed" end
  return { header = header, claims = claims, signed = signed, signature = signature }
end

local function holds(list, item)
  for _, known in ipairs(list) do
    if known == item then return true end
  end
  return false
end

---Is a key meant for checking signatures of this algorithm (RFC 7517 4)?
---@param key table a JWK
---@param alg string
---@return boolean
function jwt.fits(key, alg)
  return type(key) == "table" and key.kty == jwt.ALGORITHMS[alg]
    and (key.use == nil or key.use == "sig") and (key.alg == nil or key.alg == alg)
    and (key.key_ops == nil
      or type(key.key_ops) == "table" and holds(key.key_ops, "verify"))
end

-- The media type that a header's `typ` stands for (RFC 7515 4.1.9).
local function type_of(typ)
  if type(typ) ~= "string" then return nil end
  typ = typ:lower()
  return typ:find("/", 1, true) and typ or "application/" .. typ
end

local function check_header(header, options)
  local alg = header.alg
  if type(alg) ~= "string" or not jwt.ALGORITHMS[alg] then
    return nil, "the token's algorithm is not supported"
  end
  if options.algorithms and not holds(options.algorithms, alg) then
    return nil, "the token's algorithm is not allowed here"
  end
  if header.crit ~= nil or header.b64 ~= nil then
    return nil, "the token needs extensions that are not supported"
  end
  if header.kid ~= nil and type(header.kid) ~= "string" then
    return nil, "the token's key id is not a string"
  end
  if header.typ ~= nil and type(header.typ) ~= "string" then
    return nil, "the token's type is not a string"
  end
  if options.typ and type_of(header.typ) ~= type_of(options.typ) then
    return nil, "the token is of another type"
  end
  return true
end

local Memo = { __name = "mcp.jwt.memo" }
Memo.__index = {}

---What `verify` may remember from one token to the next: that a text has been signed by a key of a
---list. Nothing else is, so a token still ends when it ends, and with its key.
---@return table
function jwt.memo() return setmetatable({ list = nil, new = {}, old = {}, count = 0 }, Memo) end

function Memo.__index:has(list, digest)
  if self.list ~= list then self.list, self.new, self.old, self.count = list, {}, {}, 0 end
  if not self.new[digest] and not self.old[digest] then return false end
  if not self.new[digest] then self:add(digest) end
  return true
end

-- Those that have not been seen for long go with the older half.
function Memo.__index:add(digest)
  if self.count >= jwt.MEMO // 2 then self.old, self.new, self.count = self.new, {}, 0 end
  self.new[digest], self.count = true, self.count + 1
end

-- `keys`: a JWK, a list of them, or a function of the header that returns a list, or nil and a
-- reason.
local function check_signature(token, text, keys, memo)
  local header = token.header
  local list = keys
  if type(keys) == "function" then
    local reason, code
    list, reason, code = keys(header)
    if not list then return nil, reason, code end
  elseif keys.kty ~= nil then
    list = { keys }
  end
  local digest = memo and openssl().sha256(text)
  if memo and memo:has(list, digest) then return true end
  local fit = 0
  for _, key in ipairs(list) do
    if jwt.fits(key, header.alg) and (header.kid == nil or key.kid == nil
      or key.kid == header.kid) then
      fit = fit + 1
      local valid, reason = openssl().verify(header.alg, key, token.signed, token.signature)
      if valid then
        if memo then memo:add(digest) end
        return true
      end
      if valid == nil then core.log("warning", "unusable key in the set: " .. reason) end
    end
  end
  return nil, fit == 0 and "no key for the token" or "the token's signature is wrong"
end

-- The claim as a time, or nil if it is no NumericDate (RFC 7519 2).
local function moment(value)
  if math.type(value) == nil or value ~= value or value < 0 or value > 1e12 then return nil end
  return value
end

---Judges the times of a token: exp, nbf, iat.
---@param claims table
---@param options table clock_skew (seconds), now, endless (true: there may be no exp)
---@return true|nil fine
---@return string|nil reason
function jwt.check_times(claims, options)
  local skew = options.clock_skew or jwt.CLOCK_SKEW
  local now = options.now or os.time()
  for _, name in ipairs { "exp", "nbf", "iat" } do
    if claims[name] ~= nil and not moment(claims[name]) then
      return nil, "the token's times cannot be read"
    end
  end
  if not claims.exp then
    if options.endless then return true end
    return nil, "the token has no expiry"
  end
  if now >= claims.exp + skew then return nil, "the token has expired" end
  if claims.nbf and now < claims.nbf - skew then return nil, "the token is not valid yet" end
  if claims.iat and now < claims.iat - skew then
    return nil, "the token was issued in the future"
  end
  return true
end

local function any_of(accepted, given)
  if type(accepted) == "string" then accepted = { accepted } end
  if type(given) == "string" then return holds(accepted, given) end
  if type(given) ~= "table" then return false end
  for _, audience in ipairs(given) do
    if type(audience) == "string" and holds(accepted, audience) then return true end
  end
  return false
end

---Judges a token: its form, algorithm, times, issuer, audience, and last its signature, so
---that keys are fetched only for a token that is otherwise valid.
---@param text any
---@param options table keys (a JWK, a list of them, or a function of the header that returns a
---list, or nil, reason, code), algorithms (list), issuer (text or list; compared byte for byte),
---audience (likewise; one of the token's must be one of ours), typ, clock_skew (seconds), now,
---endless (true: a token may have no exp), memo (of jwt.memo)
---@return table|nil claims
---@return string|nil reason nothing of the token is in it
---@return string|nil code what `keys` gave, and then the token may be good
---@return table|nil header
function jwt.verify(text, options)
  local token, reason = jwt.parse(text)
  if not token then return nil, reason end
  local claims = token.claims
  local ok, wrong = check_header(token.header, options)
  if ok then ok, wrong = jwt.check_times(claims, options) end
  if not ok then return nil, wrong end
  if options.issuer and (type(claims.iss) ~= "string" or not any_of(options.issuer, claims.iss))
  then
    return nil, "the token's issuer is not accepted"
  end
  if options.audience and not any_of(options.audience, claims.aud) then
    return nil, "the token is for another audience"
  end
  local signed, fault, code = check_signature(token, text, options.keys, options.memo)
  if not signed then return nil, fault, code end
  return claims, nil, nil, token.header
end

---Signs claims.
---@param header table alg, kid, typ, …
---@param claims table
---@param pem string a private key
---@return string|nil token
---@return string|nil reason
function jwt.sign(header, claims, pem)
  local signed = jwt.to_base64url(assert(core.encode(header, true))) .. "."
    .. jwt.to_base64url(assert(core.encode(claims, true)))
  local signature, reason = openssl().sign(header.alg, pem, signed)
  if not signature then return nil, reason end
  return signed .. "." .. jwt.to_base64url(signature)
end

return jwt
