-- SPDX-License-Identifier: MIT
-- siphash: SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input
-- PRF", 2012): a tag of 64 bits that only the holder of the key can make. It is
-- made for short texts such as ours, and 64-bit integers are all it needs.
local siphash = {}

local function round(a, b, c, d)
  a = a + b
  c = c + d
  b = (b << 13 | b >> 51) ~ a
  d = (d << 16 | d >> 48) ~ c
  a = a << 32 | a >> 32
  c = c + b
  a = a + d
  b = (b << 17 | b >> 47) ~ c
  d = (d << 21 | d >> 43) ~ a
  c = c << 32 | c >> 32
  return a, b, c, d
end

---@param key string 16 bytes
---@param text string
---@return integer tag
function siphash.tag(key, text)
  local k0, k1 = ("<i8i8"):unpack(key)
  local a, b = k0 ~ 0x736f6d6570736575, k1 ~ 0x646f72616e646f6d
  local c, d = k0 ~ 0x6c7967656e657261, k1 ~ 0x7465646279746573
  -- The last word holds the length in its upper byte.
  local filled = text .. ("\0"):rep(7 - #text % 8) .. string.char(#text & 0xff)
  for at = 1, #filled, 8 do
    local word = ("<i8"):unpack(filled, at)
    d = d ~ word
    a, b, c, d = round(a, b, c, d)
    a, b, c, d = round(a, b, c, d)
    a = a ~ word
  end
  c = c ~ 0xff
  for _ = 1, 4 do a, b, c, d = round(a, b, c, d) end
  return a ~ b ~ c ~ d
end

return siphash
