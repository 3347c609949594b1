-- SPDX-License-Identifier: MIT
-- children.lua: processes beside a script that luamcp runs, and ports for them. background.lua is
-- the same for scripts that plain Lua runs.
local mcp = require "mcp"

local children = {}

---A port that was free a moment ago, for a program that cannot choose one itself.
---@return integer
function children.free_port()
  local listening <close> = mcp.server("port"):listen { http = "127.0.0.1:0", quiet = true }
  return listening.port
end

---Starts a program and reads along.
---@param command table as mcp.process.start takes it
---@return table process
---@return string[] lines of both its outputs, so far
function children.start(command)
  command.stderr = "merge"
  local process, lines = assert(mcp.process.start(command)), {}
  mcp.spawn(function()
    for line in process:lines() do lines[#lines + 1] = line end
  end)
  return process, lines
end

return children
