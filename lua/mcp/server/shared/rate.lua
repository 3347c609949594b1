-- SPDX-License-Identifier: MIT
-- rate: limits of requests that all processes count together.
local rate = {}

-- Longer keys are replaced by a digest: the store takes no long ones.
local LONGEST = 200

---Takes a token out of a bucket that all processes have.
---@param self mcp.Shared
---@param name string of the limit: the same in all processes
---@param key string
---@param per_second number
---@param burst number
---@return number|nil seconds until there is one, 0: taken; nil: the store cannot be reached
function rate.take(self, name, key, per_second, burst)
  if #key > LONGEST then key = require("mcp.server.seal").digest(key) end
  local allowed, seconds = self.store:bucket(self:key("rate", name .. "/" .. key), per_second,
    burst, 1)
  if allowed == nil then return nil end
  return allowed and 0 or math.max(seconds, 0.001)
end

return rate
