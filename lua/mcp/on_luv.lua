-- SPDX-License-Identifier: MIT
-- on_luv: luamcp on the loop of luv. `local mcp = require "mcp.on_luv"` in place of
-- `require "mcp"`, before anything else requires it. luv's handles and ours then share one
-- `uv.run()`.
--
-- Inside luv's callbacks nothing may wait, for the loop is running: mcp.spawn a task that does.
local luv = require "luv"

if package.loaded["mcp.core"] then
  if not debug.getregistry()["mcp.luv"] then
    error("mcp.on_luv: require it before anything else of mcp; the core has a loop already", 2)
  end
else
  local registry = debug.getregistry()
  registry["mcp.luv"] = package.searchpath("luv", package.cpath) or true
  registry["mcp.luv_mode"], registry["mcp.luv_run"] = luv.loop_mode, luv.run
end

return require "mcp"
