-- SPDX-License-Identifier: MIT
-- seal: encrypts and authenticates a table that a client keeps and sends back.
--
--   v1.KID.BASE64URL      KID: which key; the rest: nonce, ciphertext, tag of AES-256-GCM over JSON
--
-- The first key of a ring seals and all keys open, so keys can be changed while clients hold sealed
-- texts. A process can open what another process sealed with the same key. This file knows one
-- member of the table: `exp`, its expiry.
local core = require "mcp.core"

local seal = {}

---The shortest secret, in bytes: shorter ones can be guessed.
seal.SECRET = 32
---How long a sealed text is valid, in seconds.
seal.TTL = 600
---The longest sealed text, in bytes.
seal.LENGTH = 16 * 1024

local LABEL = "luamcp seal v1 "

-- Loaded on first use: loading OpenSSL takes time.
local function openssl()
  local found, module = pcall(require, "mcp.openssl")
  if found then return module end
  -- Clients must not see the paths that were searched.
  core.log("error", "mcp.openssl cannot be loaded; it belongs beside mcp.core: "
    .. tostring(module))
  error("mcp.openssl cannot be loaded", 0)
end

local function to_url(bytes)
  return (core.base64(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

-- nil unless it is the one spelling of the bytes.
local function from_url(text)
  if text:find "[^%w_-]" then return nil end
  text = text:gsub("[-_]", { ["-"] = "+", ["_"] = "/" })
  return core.unbase64(text .. ("="):rep(-#text % 4))
end

local Ring = { __name = "mcp.server.seal" }
Ring.__index = {}

function Ring.__tostring(self) return ("mcp.seal (%d keys)"):format(#self.secrets) end

---A ring of keys. Raises (level 0) what is wrong with them.
---@param secrets string[]|nil each of 32 bytes or more; one at random if there are none
---@param ttl number|nil how long a text is good for, in seconds
---@return table
function seal.ring(secrets, ttl)
  if secrets then
    if #secrets == 0 then error("state_keys: expected at least one secret", 0) end
    for i, secret in ipairs(secrets) do
      if type(secret) ~= "string" or #secret < seal.SECRET then
        error(("state_keys[%d]: expected a secret of %d bytes or more, got %s"):format(i,
          seal.SECRET, type(secret) == "string" and #secret .. " bytes" or type(secret)), 0)
      end
    end
  end
  if ttl and not (ttl > 0 and ttl < 1e9) then
    error("state_ttl: expected seconds, more than 0", 0)
  end
  return setmetatable({ secrets = secrets and { table.unpack(secrets) } or false,
    ttl = ttl or seal.TTL, keys = false }, Ring)
end

-- The keys that the secrets stand for, made when they are first needed: { id, key }, …
local function keys_of(ring)
  if ring.keys then return ring.keys end
  local crypto, keys = openssl(), {}
  ring.secrets = ring.secrets or { core.random_id() .. core.random_id() }
  for i, secret in ipairs(ring.secrets) do
    keys[i] = {
      id = to_url(crypto.hmac_sha256(secret, LABEL .. "id"):sub(1, 6)),
      key = crypto.hmac_sha256(secret, LABEL .. "key"),
    }
  end
  ring.keys = keys
  return keys
end

---Seals a table of JSON until `ttl` seconds from now.
---@param purpose string texts of one purpose are no good for another
---@param plain table gets the members `iat` and `exp`
---@return string|nil text nil if it would be too long
---@return string|nil message
function Ring.__index:seal(purpose, plain)
  local secret = keys_of(self)[1]
  plain.iat = os.time()
  plain.exp = plain.iat + self.ttl
  local json = assert(core.encode(plain, true))
  local text = ("v1.%s.%s"):format(secret.id,
    to_url(openssl().seal(secret.key, LABEL .. purpose, json)))
  if #text > seal.LENGTH then
    return nil, ("%d bytes, and at most %d are allowed"):format(#text, seal.LENGTH)
  end
  return text
end

---Opens what was sealed by any key of the ring.
---@param purpose string
---@param text any
---@return table|nil plain nil if anything at all is wrong with it
function Ring.__index:open(purpose, text)
  if type(text) ~= "string" or #text > seal.LENGTH then return nil end
  local id, body = text:match "^v1%.([%w_-]+)%.([%w_-]+)$"
  local sealed = id and from_url(body)
  if not sealed then return nil end
  for _, secret in ipairs(keys_of(self)) do
    if secret.id == id then
      local json = openssl().open(secret.key, LABEL .. purpose, sealed)
      local plain = json and core.decode(json)
      if not plain or os.time() >= plain.exp then return nil end
      return plain
    end
  end
  return nil
end

---A digest of a text.
---@param text string canonical JSON (`core.encode(value, true)`): the same for the same value
---@return string
function seal.digest(text) return to_url(openssl().sha256(text)) end

return seal
