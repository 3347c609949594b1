-- SPDX-License-Identifier: MIT
-- figures: what is computed from samples, and how numbers are shown.

local figures = {}

---@param list number[]
---@return number|nil nil of an empty list
function figures.median(list)
  local sorted = { table.unpack(list) }
  table.sort(sorted)
  local n = #sorted
  if n == 0 then return nil end
  return n % 2 == 1 and sorted[(n + 1) // 2] or (sorted[n // 2] + sorted[n // 2 + 1]) / 2
end

---@param list table[]
---@return any[] the field `key` of each
function figures.pick(list, key)
  local values = {}
  for i, item in ipairs(list) do values[i] = item[key] end
  return values
end

---1234567 as 1,234,567.
---@param n number
---@return string
function figures.thousands(n)
  local text = ("%d"):format(n // 1)
  repeat
    local count
    text, count = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
  until count == 0
  return text
end

---The median of the ratios of one round each: what changes in the machine between rounds falls out.
---@param above table[] samples
---@param below table[] as many
---@param key string
---@return number|nil
function figures.ratio(above, below, key)
  local list = {}
  for i = 1, #above do list[i] = above[i][key] / below[i][key] end
  return figures.median(list)
end

return figures
