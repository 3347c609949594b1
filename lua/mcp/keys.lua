-- SPDX-License-Identifier: MIT
-- keys: the string keys of a table in order, so that what is made of them is the same every time.

---The string keys of a table, sorted.
---@param t table
---@return string[]
return function(t)
  local keys = {}
  for key in next, t do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end
