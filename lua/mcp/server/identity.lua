-- SPDX-License-Identifier: MIT
-- identity: what an app says of itself, and the forms of it that go out with each result.
local core = require "mcp.core"
local protocol = require "mcp.protocol"

local identity = {}

local KINDS = { "tools", "prompts", "resources", "templates" }

---Sets what an app says of itself. Lists are encoded with it, so those that are kept are forgotten.
---@param app table
---@param info table name, version, and what else the protocol's Implementation has
---@param instructions string|nil
function identity.set(app, info, instructions)
  app.info, app.version, app.instructions = info, info.version, instructions
  app.server_info = core.raw(info)
  app.server_meta = core.raw { [protocol.KEY_SERVER] = info }
  -- By revision; filled by server/feature/tool.lua.
  app.text_frames = {}
  for _, kind in ipairs(KINDS) do
    if app[kind] then app[kind].kept = {} end
  end
end

return identity
