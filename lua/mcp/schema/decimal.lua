-- SPDX-License-Identifier: MIT
-- decimal.lua: is one number a multiple of another, in decimal as people mean it: 0.0075 is one of
-- 0.0001, although neither is exact as a double. Both are taken as their shortest decimal form.

local math_type, tonumber, format, match = math.type, tonumber, string.format, string.match

-- A mantissa below this can be multiplied by ten in 64 bits.
local SAFE = 900000000000000000

local decimal = {}

-- The mantissa (an integer without trailing zeros) and the exponent of `n`, which is mantissa *
-- 10^exponent; nil for NaN and infinities.
local function split(n)
  local mantissa, exponent
  if math_type(n) == "integer" then
    mantissa, exponent = n, 0
  else
    local text
    for digits = 14, 16 do
      text = format("%." .. digits .. "e", n)
      if tonumber(text) == n then break end
    end
    local whole, fraction, power = match(text, "^(-?%d)%D(%d*)e([-+]%d+)$")
    if not whole then return nil end
    mantissa = math.tointeger(tonumber(whole .. fraction))
    exponent = math.tointeger(tonumber(power)) - #fraction
  end
  while mantissa ~= 0 and mantissa % 10 == 0 do
    mantissa, exponent = mantissa // 10, exponent + 1
  end
  return mantissa, exponent
end

--- A function that says whether a number is a multiple of `divisor` (greater than 0).
---@param divisor number
---@return fun(n: number): boolean
function decimal.multiple_of(divisor)
  local whole = math.tointeger(divisor)
  local by, by_exponent = split(divisor)
  return function(n)
    if whole and math_type(n) == "integer" then return n % whole == 0 end
    local mantissa, exponent = split(n)
    if not mantissa or by >= SAFE then return math.fmod(n, divisor) == 0 end
    if mantissa == 0 then return true end
    -- The mantissa has no factor ten left, so it cannot be a multiple of by * 10^k.
    if exponent < by_exponent then return false end
    local rest = mantissa % by
    for _ = 1, exponent - by_exponent do
      if rest == 0 then return true end
      rest = rest * 10 % by
    end
    return rest == 0
  end
end

return decimal
