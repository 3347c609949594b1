-- SPDX-License-Identifier: MIT
-- single: an app that is one other server, under the names and the description that it has there.
-- While that server cannot be reached, clients get an error that names it, where an app with
-- entries of its own would go on with those.
local mount = require "mcp.mount"
local server = require "mcp.server"

local single = {}

---An app that is another server, which is reached now, once.
---@param name string the address or the command, for messages
---@param connect fun(options: table): mcp.Client|nil, string|nil, any connects to it with these
---options of mcp.connect, to which it may add
---@param options table|nil declare: extensions that are declared to it, settings by identifier
---@return mcp.App|nil app
---@return string|nil text why it cannot be reached
---@return any code
function single.open(name, connect, options)
  local app = server.new { name = "bridge" }
  local made = mount.reach(app, name, connect, { sessions = "client", on_demand = true,
    hand_over = true, title = name, described = ("the server %q"):format(name),
    declare = options and options.declare })
  app.mounts.alone = made
  local ok, text, code = made.upstream:open()
  if ok then return app end
  mount.remove(app, name)
  return nil, text, code
end

---An app that is a server of a file, which is reached when it is first needed.
---@param name string
---@param short string letters, digits, "_", "-" and "."
---@param target any of mcp.connect
---@param options table of app:mount
---@return mcp.App
function single.new(name, short, target, options)
  local app = server.new { name = name, version = require("mcp.core").version }
  options.prefix = false
  mount.add(app, short, target, options)
  local made = app.mounts.by_name[short]
  made.described, app.mounts.alone = ("the server %q"):format(name), made
  return app
end

---Ends the connections of an app that is another server.
---@param app mcp.App
function single.close(app)
  while app.mounts and app.mounts.list[1] do mount.remove(app, app.mounts.list[1].name) end
end

return single
