-- SPDX-License-Identifier: MIT
-- equal.lua: equality of JSON values (JSON Schema core 4.2.2: 1 equals 1.0, the order of members
-- does not matter), and a key that equal values share, so that finding a pair takes one pass.

local value = require "mcp.value"

local type, next, tointeger = type, next, math.tointeger
local is_array = value.is_array
local format, concat, sort = string.format, table.concat, table.sort

local equal = {}

local function same(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  local array = is_array(a)
  if array ~= is_array(b) then return false end
  if array then
    if #a ~= #b then return false end
    for i = 1, #a do
      if not same(a[i], b[i]) then return false end
    end
    return true
  end
  local members = 0
  for name, item in next, a do
    local other = b[name]
    if other == nil or not same(item, other) then return false end
    members = members + 1
  end
  for _ in next, b do members = members - 1 end
  return members == 0
end

--- Are two JSON values equal?
---@param a any
---@param b any
---@return boolean
equal.same = same

-- Appends to `out`; returns how many values it went through.
local function write(v, out)
  local t = type(v)
  if t == "table" then
    local visited = 1
    if is_array(v) then
      out[#out + 1] = "["
      for i = 1, #v do visited = visited + write(v[i], out) end
      out[#out + 1] = "]"
      return visited
    end
    local names = {}
    for name in next, v do names[#names + 1] = name end
    sort(names)
    out[#out + 1] = "{"
    for i = 1, #names do
      write(names[i], out)
      visited = visited + 1 + write(v[names[i]], out)
    end
    out[#out + 1] = "}"
    return visited
  elseif t == "string" then
    out[#out + 1] = format("s%d:", #v)
    out[#out + 1] = v
  elseif t == "number" then
    local integer = tointeger(v)
    out[#out + 1] = integer and format("i%d;", integer) or format("f%.17g;", v)
  elseif t == "boolean" then
    out[#out + 1] = v and "t" or "f!"
  else
    out[#out + 1] = "n"
  end
  return 1
end

--- A string that equal arrays or objects share and others do not, and how many values it took.
---@param v table
---@return string key
---@return integer visited
function equal.key(v)
  local out = {}
  local visited = write(v, out)
  return concat(out), visited
end

--- The places of the first two equal items, or nil; and how many values that took.
---@param items any[]
---@return integer? first
---@return integer? second
---@return integer visited
function equal.pair(items)
  local scalars, tables, visited = {}, nil, #items
  for i = 1, #items do
    local item = items[i]
    local seen = scalars
    if type(item) == "table" then
      local count
      item, count = equal.key(item)
      visited = visited + count
      tables = tables or {}
      seen = tables
    end
    local first = seen[item]
    if first then return first, i, visited end
    seen[item] = i
  end
  return nil, nil, visited
end

return equal
