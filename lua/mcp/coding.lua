-- SPDX-License-Identifier: MIT
-- coding.lua: loads what decodes compressed responses, when the first one arrives:
-- src/lua/lcoding.c asks for it.
local core = require "mcp.core"

local coding = {}

---The decoder of gzip and deflate, for the core.
---@return userdata|nil decoder nil if the module cannot be loaded; the log says why
function coding.decoder()
  local found, module = pcall(require, "mcp.zlib")
  if found then return module.decoder end
  core.log("error", "mcp.zlib cannot be loaded; it belongs beside mcp.core: " .. tostring(module))
  return nil
end

return coding
