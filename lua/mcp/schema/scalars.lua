-- SPDX-License-Identifier: MIT
-- scalars.lua: the keywords of the validation vocabulary that look at one value: its type, its
-- value, numbers and strings (JSON Schema validation 6.1 to 6.3 and 7).

local value = require "mcp.value"
local equal = require "mcp.schema.equal"
local describe = require "mcp.schema.describe"
local nearest = require "mcp.nearest"

local type, math_type, utf8_len, getmetatable = type, math.type, utf8.len, getmetatable
local null, array_mt, kind_of = value.null, value.array_mt, value.kind

local TYPES = {
  string = function(v) return type(v) == "string" end,
  number = function(v) return type(v) == "number" end,
  boolean = function(v) return type(v) == "boolean" end,
  null = function(v) return v == null end,
  integer = function(v, state)
    local t = math_type(v)
    if t == "integer" then return true end
    if t ~= "float" or v % 1 ~= 0 then return false end
    state.floats = true -- work for integers.lua
    return true
  end,
  array = function(v)
    return type(v) == "table" and (getmetatable(v) == array_mt or v[1] ~= nil)
  end,
  object = function(v)
    return type(v) == "table" and getmetatable(v) ~= array_mt and v[1] == nil
  end,
}

local NAMES = nearest.keys(TYPES)

-- Types that are types of Lua, so that `type(v)` alone decides.
local PLAIN = { string = true, number = true, boolean = true }

local scalars = {}

local function keywords(entry)
  scalars[#scalars + 1] = entry
end

keywords { "type", part = function(c, schema, at)
  local wanted = schema.type
  local names = type(wanted) == "table" and wanted or { wanted }
  local set = {}
  for _, name in ipairs(names) do
    if not TYPES[name] then
      local known = type(name) == "string" and nearest.unknown("type", name, NAMES)
      c:complain(at, "type", known or "expected a string, got " .. kind_of(name))
    end
    set[name] = true
  end
  if #names == 0 then c:complain(at, "type", "expected at least one type") end
  local text = table.concat(names, " or ")
  local part = {
    wanted = text,
    message = function(v) return ("expected %s, got %s"):format(text, describe.got(v)) end,
  }
  if #names == 1 then
    part.only = names[1]
    part.check = TYPES[names[1]]
    part.plain = PLAIN[names[1]] and names[1] or nil
  else
    set.integer = set.integer or set.number
    part.check = function(v, state)
      local kind = kind_of(v)
      if kind == "integer" and math_type(v) == "float" then state.floats = true end
      return set[kind] or false
    end
  end
  return part
end }

keywords { "const", part = function(_, schema)
  local const = schema.const
  local check
  if type(const) == "table" then
    check = function(v) return equal.same(v, const) end
  else
    check = function(v) return v == const end
  end
  return { check = check, message = function(v)
    if type(const) == "table" then return "is not the one value that is allowed" end
    return ("must be %s, got %s"):format(describe.literal(const), describe.got(v))
  end }
end }

keywords { "enum", part = function(c, schema, at)
  local enum = schema.enum
  if type(enum) ~= "table" then c:complain(at, "enum", "expected an array") end
  local set, tables = {}, {}
  for _, allowed in ipairs(enum) do
    if type(allowed) == "table" then tables[#tables + 1] = allowed else set[allowed] = true end
  end
  local function check(v)
    if set[v] then return true end
    if type(v) == "table" then
      for i = 1, #tables do
        if equal.same(v, tables[i]) then return true end
      end
    end
    return false
  end
  return { check = check, weight = 1 + #tables, explain = function(part, v, report)
    local meant = nearest.find(v, enum)
    local text = ("must be one of %s, got %s"):format(describe.choices(enum), describe.got(v))
    if meant then text = ("%s; did you mean %s?"):format(text, describe.quote(meant)) end
    report:add(part.keyword, text, { meant = meant })
  end }
end }

-- A keyword whose value is a number, for values that are numbers.
local function bound(keyword, text, make)
  keywords { keyword, part = function(c, schema, at)
    local limit = schema[keyword]
    if type(limit) ~= "number" then
      c:complain(at, keyword, "expected a number, got " .. kind_of(limit))
    elseif keyword == "multipleOf" and limit <= 0 then
      c:complain(at, keyword, "expected a number above 0")
    end
    return { check = make(limit), message = function(v)
      return ("must be %s %s, got %s"):format(text, describe.literal(limit), describe.literal(v))
    end }
  end }
end

bound("minimum", "at least", function(limit)
  return function(v) return type(v) ~= "number" or v >= limit end
end)

bound("maximum", "at most", function(limit)
  return function(v) return type(v) ~= "number" or v <= limit end
end)

bound("exclusiveMinimum", "more than", function(limit)
  return function(v) return type(v) ~= "number" or v > limit end
end)

bound("exclusiveMaximum", "less than", function(limit)
  return function(v) return type(v) ~= "number" or v < limit end
end)

-- A mantissa below this can be multiplied by ten in 64 bits.
local SAFE = 900000000000000000

-- The mantissa (an integer without trailing zeros) and the exponent of `n`, which is mantissa *
-- 10^exponent; nil for NaN and infinities.
local function split(n)
  local mantissa, exponent
  if math_type(n) == "integer" then
    mantissa, exponent = n, 0
  else
    local text
    for digits = 14, 16 do
      text = ("%." .. digits .. "e"):format(n)
      if tonumber(text) == n then break end
    end
    local whole, fraction, power = text:match("^(-?%d)%D(%d*)e([-+]%d+)$")
    if not whole then return nil end
    mantissa = math.tointeger(tonumber(whole .. fraction))
    exponent = math.tointeger(tonumber(power)) - #fraction
  end
  while mantissa ~= 0 and mantissa % 10 == 0 do
    mantissa, exponent = mantissa // 10, exponent + 1
  end
  return mantissa, exponent
end

-- A function that says whether a number is a multiple of `divisor` (greater than 0), both taken in
-- their shortest decimal form: 0.0075 is a multiple of 0.0001, although neither is exact as a
-- double.
local function multiple_of(divisor)
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

bound("multipleOf", "a multiple of", function(limit)
  local holds = multiple_of(limit)
  return function(v) return type(v) ~= "number" or holds(v) end
end)

-- The number of characters, and its price, for counting reads the whole string; NaN, which no
-- comparison holds for, when there are no steps left.
local function length(v, state)
  state.steps = state.steps - (#v >> 4)
  if state.steps < 0 then return 0 / 0 end
  return utf8_len(v, 1, -1, true) or #v
end

local function characters(count)
  return count == 1 and "1 character" or count .. " characters"
end

local function length_message(text, limit)
  return function(v)
    return ("expected %s %s, got %d"):format(text, characters(limit), utf8_len(v) or #v)
  end
end

keywords { "minLength", part = function(c, schema, at)
  local limit = c:count(schema, at, "minLength")
  return {
    check = function(v, state)
      if type(v) ~= "string" then return true end
      -- A character takes 1 to 4 bytes, so mostly there is nothing to count.
      local bytes = #v
      if bytes < limit then return false end
      return bytes >= 4 * limit or length(v, state) >= limit
    end,
    message = length_message("at least", limit),
  }
end }

keywords { "maxLength", part = function(c, schema, at)
  local limit = c:count(schema, at, "maxLength")
  return {
    check = function(v, state)
      if type(v) ~= "string" then return true end
      local bytes = #v
      if bytes <= limit then return true end
      return bytes <= 4 * limit and length(v, state) <= limit
    end,
    message = length_message("at most", limit),
  }
end }

keywords { "pattern", part = function(c, schema, at)
  local text = schema.pattern
  local matches = c:pattern(text, at, "pattern")
  return {
    check = function(v, state) return type(v) ~= "string" or matches(v, state) end,
    message = function(v)
      return ("must match the pattern %s, got %s"):format(describe.quote(text), describe.got(v))
    end,
  }
end }

keywords { "format", part = function(c, schema, at)
  local name = schema.format
  if type(name) ~= "string" then
    c:complain(at, "format", "expected a string, got " .. kind_of(name))
  end
  if not (c.formats or at.info.resource.dialect.assert_formats) then return nil end
  -- Loaded only where a format is a demand.
  local known = require("mcp.schema.format")[name]
  if not known then return nil end
  local check = known.check
  return {
    check = function(v, state)
      if type(v) ~= "string" then return true end
      state.steps = state.steps - (#v >> 2)
      return state.steps >= 0 and check(v)
    end,
    message = function(v) return ("expected %s, got %s"):format(known.text, describe.got(v)) end,
  }
end }

return scalars
