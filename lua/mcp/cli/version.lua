-- SPDX-License-Identifier: MIT
-- version: `luamcp version`, also `luamcp --version`.
local core = require "mcp.core"
local exit = require "mcp.cli.exit"

local version = { example = "luamcp version" }

function version.define() end

function version.run()
  io.stdout:write("luamcp ", core.version, " (", _VERSION, ")\n")
  return exit.OK
end

return version
