-- SPDX-License-Identifier: MIT
-- watchers: which subscribers a resource has, so that a change costs as much as it has subscribers,
-- however many others there are. A subscriber is a session, or the exchange of a listen request.
-- One index serves all apps of the Lua state; the caller knows which subscribers are its own.
local watchers = {}

-- Of most resources there is one subscriber, which stands here itself; several are in a Several.
local by_key = {}

-- The number is kept because asking a table that was emptied for its first entry takes time.
local Several = {}

local NONE = setmetatable({}, { __newindex = function() error("read-only", 2) end })

---Adds a subscriber to a resource.
---@param key string the normal form of its URI
---@param who table|userdata
function watchers.add(key, who)
  local there = by_key[key]
  if there == nil then
    by_key[key] = who
  elseif getmetatable(there) ~= Several then
    if there == who then return end
    by_key[key] = setmetatable({ count = 2, members = { [there] = true, [who] = true } }, Several)
  elseif not there.members[who] then
    there.members[who], there.count = true, there.count + 1
  end
end

---Removes it.
---@param key string
---@param who table|userdata
function watchers.remove(key, who)
  local there = by_key[key]
  if there == who then
    by_key[key] = nil
  elseif getmetatable(there) == Several and there.members[who] then
    there.members[who], there.count = nil, there.count - 1
    if there.count == 0 then by_key[key] = nil end
  end
end

---Removes a subscriber from all resources of a set.
---@param set table<string, any>|nil by the keys of resources; may have other keys
---@param who table|userdata
function watchers.drop(set, who)
  for key in pairs(set or NONE) do watchers.remove(key, who) end
end

---The subscribers of a resource. Some may be removed while the caller goes through them, none
---added.
---@param key string
---@return table<table|userdata, true> read-only
function watchers.of(key)
  local there = by_key[key]
  if there == nil then return NONE end
  return getmetatable(there) == Several and there.members or { [there] = true }
end

return watchers
