-- SPDX-License-Identifier: MIT
-- openssl.types: what the C module mcp.openssl holds, for language servers. Never loaded.
---@meta mcp.openssl
-- luacheck: ignore

---The C side of sealing. Internal: see server/seal.lua.
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

---A key as JSON Web Key (RFC 7517), of the kinds that are known here: RSA, EC with P-256, OKP with
---Ed25519. Members in base64url.
---@class mcp.openssl.jwk
---@field kty "RSA"|"EC"|"OKP"
---@field crv string|nil "P-256" or "Ed25519"
---@field n string|nil
---@field e string|nil
---@field x string|nil
---@field y string|nil

---Checks a signature of JWS (RFC 7518, 8037). ES256 signatures are r and s, 32 bytes each. Refuses
---RSA keys below 2048 and above 8192 bits, exponents below 65537, other curves, points not on them,
---and a key of another kind than the algorithm's. Other algorithms do not exist here.
---@param alg "RS256"|"PS256"|"ES256"|"EdDSA"|string as the token says
---@param key mcp.openssl.jwk|string a JWK (other members are not looked at), or a public key in PEM
---@param data string what was signed
---@param signature string its bytes
---@return boolean|nil valid nil: not known, or the key is not fit for it
---@return string|nil text why
function openssl.verify(alg, key, data, signature) end

---Signs. The key has no password and passes the checks of verify.
---@param alg "RS256"|"PS256"|"ES256"|"EdDSA"|string
---@param pem string a private key: PKCS #8, or what OpenSSL wrote before it
---@param data string
---@return string|nil signature its bytes; nil: not known, or the key is not fit for it
---@return string|nil text why
function openssl.sign(alg, pem, data) end

---Makes a private key that is fit for an algorithm (RSA of 2048 bits, P-256, Ed25519).
---@param alg "RS256"|"PS256"|"ES256"|"EdDSA"|string
---@return string|nil pem PKCS #8
---@return mcp.openssl.jwk|string jwk its public half; or why there is none
function openssl.generate_key(alg) end

---The public half of a key in PEM, private or public.
---@param pem string
---@return mcp.openssl.jwk|nil jwk
---@return string|nil text why there is none
function openssl.public_jwk(pem) end

---What TLS is to be like, for connections of one role: certificates, and whose are believed. TLS 1.2
---and 1.3, forward secrecy and authenticated ciphers only. mcp.core takes it where an option is
---called `tls`. Made by lua/mcp/tls.lua, which checks what it is given and keeps clients' contexts.
---@class mcp.openssl.tls: userdata
local context = {}

---Reads certificates and keys again, for connections that are still to come. If anything is wrong
---with them, what was there stays in use.
---@return boolean|nil done
---@return string|nil text what is wrong
function context:reload() end

---@return "client"|"server"
function context:role() end

---Encrypts the session tickets of a server's context from now on with the key that a secret gives.
---Tickets with the key before it can still be used. A process with the same secret and the same
---certificates resumes them. Without a call the keys are random, each for an hour.
---@param secret string of 32 bytes
function context:tickets(secret) end

---Handshakes that were completed since the context was made: in full, and by continuing an earlier
---session.
---@return integer full, integer resumed
function context:handshakes() end

---Makes a context. Options: role ("client" or "server"); cert and key, the chain that is shown and
---its private key (files or PEM texts; without key it is in cert); for clients ca (file, folder or
---text; without it the system's) and verify (false: accept any certificate); for servers client_ca (whose
---certificates clients must show) and require (false: may show); alpn, the protocol inside.
---@param options table
---@return mcp.openssl.tls|nil context
---@return string|nil text why there is none
function openssl.tls(options) end

return openssl
