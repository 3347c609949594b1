-- SPDX-License-Identifier: MIT
-- mcp: the public module. `local mcp = require "mcp"`.
--
-- What a server needs is loaded at once; the rest is loaded at first use, so that a program starts
-- within milliseconds.

-- Before anything else is loaded: other files have syntax that an older Lua cannot read, and this
-- one must not have any.
if _VERSION ~= "Lua 5.4" then
  local jit = rawget(_G, "jit")
  error("mcp needs Lua 5.4; this is " .. (jit and jit.version or _VERSION), 2)
end

local core = require "mcp.core"
local failure = require "mcp.failure"
local server = require "mcp.server"
local value = require "mcp.value"

local mcp = {
  _VERSION = "luamcp " .. core.version,
  server = server.new,
  error = failure.new,

  -- JSON: what Lua has no word for
  null = value.null,
  array = value.array,

  waiter = core.waiter,
}

-- What our own source names begin with: errors of the core are raised at the first line that is not
-- ours.
debug.getregistry()["mcp.sources"] = debug.getinfo(1, "S").source:match "^(.*)init%.lua$"

-- Methods of apps that need clients, which apps know nothing of.
local methods, check_self = server.methods, server.check_self

---Makes another server, or another app of this program, part of the app: its entries appear as
---`NAME_…` and `NAME+scheme://…`. A server is started, or connected to, when it is first needed.
---@param name string
---@param target any as mcp.connect takes it
---@param options table|nil see docs/mount.md
---@return mcp.App app
function methods.mount(app, name, target, options)
  check_self("mount", app)
  return require("mcp.mount").add(app, name, target, options, 1)
end

---Takes a mounted server away again, and ends its connections.
---@param name string
---@return boolean removed
function methods.unmount(app, name)
  check_self("unmount", app)
  return require("mcp.mount").remove(app, name)
end

---What is mounted, and how it is.
---@return table[] mounts each with name, state ("new", "starting", "up", "lost", "down"), text (why
---it is down) and how many tools, prompts, resources and templates there are
function methods.mounted(app)
  check_self("mounted", app)
  return app.mounts and app.mounts:status() or {}
end

-- What is not loaded yet: members.lua, which is loaded by the first that a script names.
return setmetatable(mcp, { __index = function(_, key)
  return require("mcp.members").find(mcp, key)
end })
