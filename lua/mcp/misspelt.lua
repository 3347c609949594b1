-- SPDX-License-Identifier: MIT
-- misspelt.lua: a member that is not there, but one with nearly that name is. Lua gives nil for it,
-- and a call of nil names neither. What has no near name stays nil, so that a program may look
-- whether something is there, and keep fields of its own.
local nearest = require "mcp.nearest"

local misspelt = {}

-- Names that have been looked up and mean nothing of ours. Names stand in programs, so there are
-- few; one that makes them up costs no more than this.
local MOST = 200

---Makes the last resort of an `__index`: raises, where the member is read, what was probably meant.
---@param what string the thing, as programs call it
---@param names fun(): string[] the members that there are; called once, when it is needed
---@param shortest? integer names with fewer bytes are never taken for another, 1 if not given
---@return fun(t: any, key: any): nil
function misspelt.index(what, names, shortest)
  local known, fine, count = nil, {}, 0
  return function(_, key)
    if fine[key] or type(key) ~= "string" or #key < (shortest or 1) then return nil end
    known = known or names()
    local meant = nearest.find(key, known)
    if meant then error(("%s has no member %q, did you mean %q?"):format(what, key, meant), 2) end
    if count < MOST then
      fine[key], count = true, count + 1
    end
    return nil
  end
end

return misspelt
