-- SPDX-License-Identifier: MIT
-- later: a module that is loaded when one of its members is first used. For modules that a plain
-- server never needs: starting takes milliseconds, and an idle server is small.

-- The key of the module's name, which no member has.
local NAME = {}

local Later = {}

function Later.__index(self, member)
  local found = require(self[NAME])[member]
  rawset(self, member, found)
  return found
end

---`local uri = later "mcp.uri"`, then as if it were the module. Members that are functions or
---constants are remembered; a member that changes later must not be read this way.
---@param name string of a module that returns a table
---@return table module
return function(name) return setmetatable({ [NAME] = name }, Later) end
