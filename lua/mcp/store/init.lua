-- SPDX-License-Identifier: MIT
-- store: what joins several processes that serve the same app. Makes a store of what a user gives:
-- an address, or an object. What a store can do is in lua/mcp/store/methods.lua.
--
--   memory:                                    within this process
--   redis://[[user]:password@]host[:port][/db][?prefix=…]      rediss:// with TLS
--   redis+unix:///path/of/socket[?db=…&prefix=…]
local methods = require "mcp.store.methods"

local store = {}

-- Which module opens an address, by its scheme. Loaded when it is asked for.
local SCHEMES = {
  redis = "mcp.store.redis", rediss = "mcp.store.redis", ["redis+unix"] = "mcp.store.redis",
}

---A store in the memory of this process, for several apps in it: give each app the same one, or
---`memory:node()`.
---@param options table|nil bytes (of all values together)
---@return mcp.store.Memory
function store.memory(options) return require("mcp.store.memory").new(options) end

-- What is missing in an object that was given as a store.
local function lacks(given)
  for _, name in ipairs(methods.NAMES) do
    local ok, member = pcall(function() return given[name] end)
    if not ok or type(member) ~= "function" then
      return ("expected a store, but it has no function %q"):format(name)
    end
  end
  return type(given.node) ~= "string" and "expected a store, but its node is no string" or nil
end

-- The address without what may be a password.
local function shown(address) return (address:gsub("//[^/]*@", "//(hidden)@")) end

---Makes a store of what a user gives: an address, a memory, or a store, which is returned. Nothing
---is connected yet. Raises (level 0) what is wrong with it.
---@param given string|table
---@param options table|nil for an address: timeout (seconds of a call), tls
---@return mcp.Store
function store.open(given, options)
  if type(given) == "string" then
    local scheme = given:match "^([%w+.-]+):"
    if scheme == "memory" then return store.memory():node() end
    local name = SCHEMES[scheme and scheme:lower()]
    if not name then
      error(("store: expected an address such as redis://127.0.0.1:6379, rediss://…, "
        .. "redis+unix:///path or memory:, got %q"):format(shown(given)), 0)
    end
    return require(name).open(given, options)
  end
  if options and next(options) then error("store: options: only for an address", 0) end
  if type(given) ~= "table" and type(given) ~= "userdata" then
    error("store: expected an address or a store, got " .. type(given), 0)
  end
  if methods.is_store(given) then return given end
  if require("mcp.store.memory").is_memory(given) then return given:node() end
  local message = lacks(given)
  if message then error("store: " .. message, 0) end
  return given
end

return store
