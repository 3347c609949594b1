-- SPDX-License-Identifier: MIT
-- misspelt.lua: an error for a member whose name is misspelt. Lua returns nil for it, and calling
-- nil names neither the member nor the right name. Names that resemble no member stay nil, so that
-- programs may test for members and keep fields of their own.
local nearest = require "mcp.nearest"

local misspelt = {}

-- Names without a similar member that are remembered. Programs use few; one that makes up names is
-- limited to this.
local NAMES = 200

---Makes the last function of an `__index`: raises an error with the name that was probably meant.
---@param what string the object, as programs call it
---@param names fun(): string[] the names of the members; called once, when needed
---@param shortest? integer shorter names are never compared, in bytes; 1 if not given
---@return fun(t: any, key: any): nil
function misspelt.index(what, names, shortest)
  local known, fine, count = nil, {}, 0
  return function(_, key)
    if fine[key] or type(key) ~= "string" or #key < (shortest or 1) then return nil end
    known = known or names()
    local meant = nearest.find(key, known)
    if meant then error(("%s has no member %q, did you mean %q?"):format(what, key, meant), 2) end
    if count < NAMES then
      fine[key], count = true, count + 1
    end
    return nil
  end
end

return misspelt
