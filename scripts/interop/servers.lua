-- SPDX-License-Identifier: MIT
-- servers.lua: the servers of others that our client is tried with: how they are started, where
-- they answer, in which eras, and which errand (in ours/) is for them.
local background = require "background"

local servers = {}

local AUTO, LEGACY = { "auto" }, { "legacy", "auto" }
local BOTH = { "legacy", "modern", "auto" }

---@param build string the build folder
---@param version integer of the Python SDK
---@return string command
---@return string|nil missing why it cannot be used
function servers.python(build, version)
  local python = ("%s/python%d/bin/python"):format(build, version)
  if os.execute(python .. " -c 'import mcp' 2>/dev/null") then return python end
  return python, "it is not installed; that takes Python 3.10 or newer, with venv and pip"
end

---@param place { build: string, node: string, scripts: string, scratch: string }
function servers.list(place)
  local packages = place.build .. "/node/node_modules/@modelcontextprotocol/"
  local function package_of(name) return ("%sserver-%s/dist/index.js"):format(packages, name) end

  local everything = package_of "everything"
  local list = {
    {
      name = "server-everything", errand = "everything.lua",
      stdio = { eras = LEGACY, command = { place.node, everything } },
      http = { eras = LEGACY, command = { place.node, everything, "streamableHttp" },
        port = true, says = "listening on port (%d+)", path = "/mcp" },
      sse = { eras = AUTO, command = { place.node, everything, "sse" },
        port = true, says = "running on port (%d+)", path = "/sse" },
    },
    {
      name = "server-filesystem", errand = "filesystem.lua",
      stdio = { eras = LEGACY, command = { place.node, package_of "filesystem", "examples" } },
    },
    {
      name = "server-memory", errand = "memory.lua",
      stdio = { eras = LEGACY, command = { place.node, package_of "memory" } },
    },
  }

  local small = place.scripts .. "/small.mjs"
  list[#list + 1] = {
    name = "npm server 2", errand = "small.lua",
    stdio = { eras = BOTH, command = { place.node, small, "stdio" } },
    http = { eras = BOTH, command = { place.node, small, "http" }, path = "" },
  }

  for version = 1, 2 do
    local python, missing = servers.python(place.build, version)
    local script = ("scripts/interop/small%d.py"):format(version)
    local eras = version == 1 and LEGACY or BOTH
    local says = "running on (http://%S+)"
    list[#list + 1] = {
      name = "PyPI mcp " .. version, errand = "small.lua", missing = missing,
      stdio = { eras = eras, command = { python, script, "stdio" } },
      http = { eras = eras, command = { python, script, "http" }, says = says, path = "/mcp" },
      sse = { eras = AUTO, command = { python, script, "sse" }, says = says, path = "/sse" },
    }
  end
  return list
end

---Starts one of them beside us.
---@param how table from the list
---@param program string ours
---@param log string
function servers.start(how, program, log)
  local command = how.command
  if how.port then
    command = { "env", "PORT=" .. background.free_port(program, log), table.unpack(command) }
  end
  local server = background.start(command, log, how.says)
  if how.port then server.url = "http://127.0.0.1:" .. server.port end
  return server
end

return servers
