-- SPDX-License-Identifier: MIT
-- connect_all: connects to every server of an mcpServers file, side by side. One that cannot be
-- reached, or whose entry is wrong, takes nothing from the others.
local async = require "mcp.async"
local config = require "mcp.client.config"
local connect = require "mcp.client.connect"

---Connects to all servers of a file, or of a table as mcp.config gives it.
---@param given string|table<string, any>|nil the path; by default ./.mcp.json, then the user's
---@param options table|nil of mcp.connect, for each
---@return table<string, mcp.Client>|nil clients by name
---@return table<string, string>|string failed by name, why a server could not be reached; or why
---the file could not be read
---@return string|nil code
return function(given, options)
  if given ~= nil and type(given) ~= "string" and type(given) ~= "table" then
    error(("mcp.connect_all: expected the path of a file, or servers by name, got %s"):format(
      type(given)), 2)
  end
  local servers, failed = given, {}
  if type(given) ~= "table" then
    local found, text, code = config.find(given)
    if not found then return nil, text, code end
    local disabled
    servers, failed, disabled = config.targets(found)
    config.log_disabled(found, disabled)
  end
  local clients, tasks = {}, {}
  for name, target in pairs(servers) do
    tasks[#tasks + 1] = function()
      local own = {}
      for key, member in pairs(options or {}) do own[key] = member end
      local ok, client, reason = pcall(connect.open, target, own)
      if ok and client then
        clients[name] = client
      else
        failed[name] = tostring(ok and reason or client)
      end
      return true
    end
  end
  if tasks[1] then async.all(tasks) end
  return clients, failed
end
