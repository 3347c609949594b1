-- SPDX-License-Identifier: MIT
-- same: compares what scripts have given twice, such as options before and after a reload. JSON
-- values have mcp.schema.equal.

---Are two values the same, member by member?
---@param a any
---@param b any
---@param decide fun(a: any, b: any): boolean|nil whether two values are the same; nil for two
---tables whose members decide. Functions and objects are a matter of the caller
---@return boolean
local function same(a, b, decide)
  local decided = decide(a, b)
  if decided ~= nil then return decided end
  for key, member in pairs(a) do
    if not same(member, b[key], decide) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

return same
