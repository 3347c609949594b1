-- SPDX-License-Identifier: MIT
-- openssl.types: what the C module mcp.openssl holds, for language servers. Never loaded.
---@meta mcp.openssl
-- luacheck: ignore

---The C side of sealing. Internal: see seal.lua.
---@class mcp.openssl
local openssl = {}

---Seals bytes with AES-256-GCM and a random nonce.
---@param key string of 32 bytes
---@param about string what must be the same when it is opened
---@param plain string
---@return string bytes nonce, ciphertext and tag
function openssl.seal(key, about, plain) end

---Opens what was sealed by this key and about the same.
---@param key string of 32 bytes
---@param about string
---@param bytes string
---@return string|nil plain
function openssl.open(key, about, bytes) end

---@param bytes string
---@return string digest 32 bytes
function openssl.sha256(bytes) end

---@param key string
---@param bytes string
---@return string mac 32 bytes
function openssl.hmac_sha256(key, bytes) end

return openssl
