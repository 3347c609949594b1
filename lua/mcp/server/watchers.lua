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
---@param subscriber table|userdata
function watchers.add(key, subscriber)
  local there = by_key[key]
  if there == nil then
    by_key[key] = subscriber
  elseif getmetatable(there) ~= Several then
    if there == subscriber then return end
    local members = { [there] = true, [subscriber] = true }
    by_key[key] = setmetatable({ count = 2, members = members }, Several)
  elseif not there.members[subscriber] then
    there.members[subscriber], there.count = true, there.count + 1
  end
end

---Removes it.
---@param key string
---@param subscriber table|userdata
function watchers.remove(key, subscriber)
  local there = by_key[key]
  if there == subscriber then
    by_key[key] = nil
  elseif getmetatable(there) == Several and there.members[subscriber] then
    there.members[subscriber], there.count = nil, there.count - 1
    if there.count == 0 then by_key[key] = nil end
  end
end

---Removes a subscriber from all resources of a set.
---@param set table<string, any>|nil by the keys of resources; may have other keys
---@param subscriber table|userdata
function watchers.drop(set, subscriber)
  for key in pairs(set or NONE) do watchers.remove(key, subscriber) end
end

---The subscribers of a resource. The caller may remove some while it goes through them, and add
---none.
---@param key string
---@return table<table|userdata, true> read-only
function watchers.of(key)
  local there = by_key[key]
  if there == nil then return NONE end
  return getmetatable(there) == Several and there.members or { [there] = true }
end

return watchers
