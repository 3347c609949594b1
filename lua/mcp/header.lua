-- SPDX-License-Identifier: MIT
-- header: how a value of a message is written into a header field of HTTP and
-- read from it (protocol, Streamable HTTP: value encoding). Plain where a field
-- can carry it; otherwise `=?base64?…?=` around its bytes.
local core = require "mcp.core"

local header = {}

local EQUALS = ("="):byte()

---The text that a field stands for; nil if it is malformed (HM-30 to HM-33).
---With one of the two marks alone it stands for itself.
---@param field string
---@return string|nil
function header.decode(field)
  local body = field:match "^=%?base64%?(.*)%?=$"
  if not body then return field end
  local bytes = core.unbase64(body)
  if not bytes or not utf8.len(bytes) then return nil end
  return bytes
end

---The field that stands for a text: the text itself where a field can carry it,
---else its bytes in Base64 between the two marks (HM-30 to HM-32, HM-35).
---@param text string
---@return string field without any byte that could end it
function header.encode(text)
  -- What nearly all are, in one pass.
  if not text:find "[^!-~]" and text:byte(1) ~= EQUALS then return text end
  local plain = not text:find "[^ -~]" and not text:find "^ " and not text:find " $"
    and not text:find "^=%?base64%?.*%?=$"
  if plain then return text end
  return "=?base64?" .. core.base64(text) .. "?="
end

---Is it a name that a field can have (RFC 9110 5.6.2)?
---@param name string
---@return boolean
function header.is_token(name)
  return name:find "^[!#$%%&'*+%-.^_`|~%w]+$" ~= nil
end

---Which character of an access token no token has (RFC 6749 A.12: visible ASCII and blanks) or no
---header field carries (a blank at either end), and where; nil if there is none.
---@param token string
---@return string|nil
function header.misspelt(token)
  local at = token:find "[^\x20-\x7e]" or token:find "^ " or token:find " $"
  return at and ("0x%02x at position %d"):format(token:byte(at), at) or nil
end

return header
