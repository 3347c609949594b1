-- SPDX-License-Identifier: MIT
-- copy: copies of tables, so that what is kept of a value does not change with it.
-- Metatables are shared: they say what is an array.
local copy = {}

---A copy of a JSON value, with copies of all that is in it.
---@param given any
---@return any
local function deep(given)
  if type(given) ~= "table" then return given end
  local out = {}
  for key, member in next, given do out[key] = deep(member) end
  return setmetatable(out, getmetatable(given))
end
copy.deep = deep

---A copy of a table, with the same members.
---@param given table
---@return table
function copy.flat(given)
  local out = {}
  for key, member in pairs(given) do out[key] = member end
  return setmetatable(out, getmetatable(given))
end

return copy
