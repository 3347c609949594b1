-- SPDX-License-Identifier: MIT
-- dpop: proofs that the sender of a token holds a key (RFC 9449). One key for one provider; nonces
-- are kept for each origin that gives them.
local core = require "mcp.core"
local jwt = require "mcp.auth.jwt"
local url = require "mcp.url"

local dpop = {}

local Prover = { __name = "mcp.auth.dpop" }
Prover.__index = Prover

---@return table prover with a new key
function dpop.prover()
  local openssl = require "mcp.openssl"
  local pem, jwk = openssl.generate_key "ES256"
  return setmetatable({ pem = pem, nonces = {},
    jwk = { kty = jwk.kty, crv = jwk.crv, x = jwk.x, y = jwk.y } }, Prover)
end

---A proof for one request.
---@param method string
---@param address string
---@param token string|nil the access token that goes with it
---@return string
function Prover:proof(method, address, token)
  local parsed = assert(url.parse(address))
  local payload = {
    jti = core.random_id(), htm = method, iat = os.time(),
    -- Without query and fragment (RFC 9449 4.2).
    htu = parsed.origin .. (parsed.path or "/"), nonce = self.nonces[parsed.origin],
  }
  if token then
    payload.ath = jwt.to_base64url(require("mcp.openssl").sha256(token))
  end
  return jwt.sign({ typ = "dpop+jwt", alg = "ES256", jwk = self.jwk }, payload, self.pem)
end

---Keeps the nonce of an answer. Is it a new one?
---@param address string
---@param nonce string|nil
---@return boolean
function Prover:learn(address, nonce)
  local parsed = url.parse(address)
  if not parsed or not nonce or nonce == self.nonces[parsed.origin] then return false end
  self.nonces[parsed.origin] = nonce
  return true
end

return dpop
