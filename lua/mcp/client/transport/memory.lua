-- SPDX-License-Identifier: MIT
-- memory: connects a client to an app in the same program. It carries the same bytes as any other
-- connection, but ends in the app instead of a socket.
local core = require "mcp.core"
local duplex = require "mcp.client.transport.duplex"
local front = require "mcp.server.front.duplex"
local timeout = require "mcp.server.timeout"

local memory = {}

---@param given any
---@return boolean app
function memory.is_app(given)
  return type(given) == "table" and (getmetatable(given) or {}).__name == "mcp.server"
end

---A transport to an app, not opened yet.
---@param app mcp.App
---@param options table|nil message_limit
---@return mcp.client.Duplex
function memory.new(app, options)
  local self
  self = duplex.new("memory", function(receive)
    local near, far, code = core.memory_link(receive, front.receiver(app))
    if not near then return nil, far, code end
    timeout.watch(app, far)
    -- A reference to the far end keeps the connection open.
    self.far = far
    return near
  end, options)
  return self
end

return memory
