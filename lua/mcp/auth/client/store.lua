-- SPDX-License-Identifier: MIT
-- store: where registrations and tokens are kept: in memory, or in a file that only its owner can
-- read. Two kinds of keys: `issuer ISSUER` and `resource ADDRESS`; values are plain tables. Another
-- store, a keyring say, has the same two methods.
local core = require "mcp.core"

local store = {}

---@class mcp.auth.Store
---@field get fun(self, key: string): table|nil
---@field set fun(self, key: string, value: table|nil): boolean|nil, string|nil

local Memory = { __name = "mcp.auth.store" }
Memory.__index = Memory
-- Never prints the tokens.
Memory.__tostring = function() return "mcp.auth.store (in memory)" end

function Memory:get(key) return self.values[key] end
function Memory:set(key, value)
  self.values[key] = value
  return true
end

---@return mcp.auth.Store
function store.memory() return setmetatable({ values = {} }, Memory) end

local File = { __name = "mcp.auth.store" }
File.__index = File
File.__tostring = function(self) return ("mcp.auth.store (%s)"):format(self.path) end

function File:get(key) return self.values[key] end

---Keeps it in the file: a new one takes the place of the old, so that there is always a whole one.
function File:set(key, value)
  self.values[key] = value
  local text, message = core.encode(self.values, true)
  if not text then return nil, message end
  local written, reason = core.write_private(self.path, text .. "\n")
  if not written then
    core.log("error", ("%s cannot be written: %s"):format(self.path, reason))
    return nil, reason
  end
  return true
end

---A file with mode 0600. It is made at the first write; one that others can read is refused.
---@param path string
---@return mcp.auth.Store
function store.file(path)
  if type(path) ~= "string" or path == "" then
    error("mcp.auth.file_store: expected a path, got " .. type(path), 2)
  end
  local text, message, code = core.read_private(path)
  local values = {}
  if text then
    local reason
    values, reason = core.decode(text)
    if type(values) ~= "table" then
      error(("%s is not a token store: %s"):format(path, reason or "expected a JSON object"), 2)
    end
  elseif code ~= "ENOENT" then
    error(("%s cannot be used: %s"):format(path, message), 2)
  end
  return setmetatable({ path = path, values = values }, File)
end

return store
