-- SPDX-License-Identifier: MIT
-- owners: a share of the memory limit for a store, of which each principal may hold a half, so that
-- one principal cannot drop what the store keeps for others.
local core = require "mcp.core"

local owners = {}

local Owners = { __name = "mcp.owners" }
Owners.__index = {}

---A new share of a store.
---@return table
function owners.new()
  return setmetatable({ share = core.share(), parts = {} }, Owners)
end

---Charges bytes for a principal.
---@param key string|nil of the principal; nil or "": without authorization
---@param bytes integer
---@return boolean charged false: there is no room
---@return boolean|nil own the principal holds its half, or would; so others need not make room
function Owners.__index:charge(key, bytes)
  if not key or key == "" then return self.share:charge(bytes) == true end
  local part = self.parts[key]
  if not part then
    part = self.share:part()
    self.parts[key] = part
  end
  if part:charge(bytes) then return true end
  local held = part:held()
  if held == 0 then self.parts[key] = nil end
  return false, held + bytes > part:limit()
end

---Releases bytes that were charged for a principal.
---@param key string|nil
---@param bytes integer
function Owners.__index:release(key, bytes)
  if not key or key == "" then return self.share:release(bytes) end
  local part = self.parts[key]
  if not part then return end
  part:release(bytes)
  if part:held() == 0 then self.parts[key] = nil end
end

---The bytes that one principal may hold.
---@param key string|nil
---@return integer
function Owners.__index:limit(key)
  local limit = self.share:limit()
  return (key or "") == "" and limit or limit // 2
end

return owners
