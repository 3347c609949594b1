-- SPDX-License-Identifier: MIT
-- on_luv: luamcp on the loop of luv. `local mcp = require "mcp.on_luv"` in place of
-- `require "mcp"`, before anything of mcp is opened. luv's handles and ours then share one loop:
-- `uv.run()`, `app:run()` and every wait on the main thread run both.
--
-- Inside luv's callbacks nothing may wait, for the loop is running: wake a waiter, or mcp.spawn a
-- task that waits.
if _VERSION ~= "Lua 5.4" then return require "mcp" end -- which says so

local found, luv = pcall(require, "luv")
if not found then
  error("mcp.on_luv: needs luv, the Lua binding of libuv (Debian: lua-luv): " .. tostring(luv), 2)
end

local registry = debug.getregistry()

if not registry["mcp.luv"] then
  registry["mcp.luv"] = package.searchpath("luv", package.cpath) or true
  registry["mcp.luv_mode"], registry["mcp.luv_run"] = luv.loop_mode, luv.run
  -- `luamcp run` has loaded the core already, and so may have the program.
  local core = package.loaded["mcp.core"]
  local moved, text, code = true, nil, nil
  if core then moved, text, code = core.move_to_luv() end
  if not moved then
    registry["mcp.luv"], registry["mcp.luv_mode"], registry["mcp.luv_run"] = nil, nil, nil
    error("mcp.on_luv: " .. (code == "EBUSY" and "luamcp's own loop is in use already; require "
      .. "mcp.on_luv at the beginning of the program" or text), 2)
  end
end

return require "mcp"
