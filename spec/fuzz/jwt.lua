-- SPDX-License-Identifier: MIT
-- Any bytes as a token. Without a key nothing is believed, and what is read has
-- one spelling.
local jwt = require "mcp.auth.jwt"

local NO_KEYS = { keys = {}, algorithms = { "RS256", "ES256" }, issuer = "i", audience = "a" }

return function(bytes)
  local raw = jwt.from_base64url(bytes)
  if raw then assert(jwt.to_base64url(raw) == bytes) end
  local token, why = jwt.parse(bytes)
  assert(token and type(token.header) == "table" or type(why) == "string")
  local claims, text = jwt.verify(bytes, NO_KEYS)
  assert(claims == nil and type(text) == "string")
end
