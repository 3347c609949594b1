-- SPDX-License-Identifier: MIT
-- pieces.lua: cuts bytes as a network may.
local pieces = {}

---Pieces of 0 to `max` bytes, at random.
---@param bytes string
---@param max integer
---@return string[]
function pieces.at_random(bytes, max)
  local out, at = {}, 1
  while at <= #bytes do
    local n = math.random(0, max)
    out[#out + 1] = bytes:sub(at, at + n - 1)
    at = at + n
  end
  return out
end

return pieces
