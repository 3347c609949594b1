-- SPDX-License-Identifier: MIT
-- collect.lua: starts the servers of bench/search/servers.lua, which are installed below a folder,
-- and writes the definitions of their tools to a file. Nothing of them is called.
--
--   luamcp run bench/search/collect.lua FOLDER OUT
local mcp = require "mcp"

local folder, out = arg[1], arg[2]
local servers = dofile "bench/search/servers.lua"

-- The programs need to be able to start, no more: they are never asked to do anything.
local function environment(of)
  local env = { PATH = os.getenv "PATH", HOME = folder }
  for name, given in pairs(of.env or {}) do env[name] = given end
  return env
end

local function tools_of(of)
  local args = { ("%s/node_modules/%s/%s"):format(folder, of.package, of.script) }
  for _, word in ipairs(of.args or {}) do args[#args + 1] = word end
  local client <close>, text = mcp.connect({ command = "node", args = args,
    env = environment(of) }, { timeout = 60 })
  if not client then return nil, text end
  local list
  list, text = client:list_tools()
  return list, text
end

mcp.run(function()
  local all, failed = mcp.array {}, 0
  for _, of in ipairs(servers) do
    local list, text = tools_of(of)
    if list then
      print(("%-28s %3d tools"):format(of.name, #list))
      for _, tool in ipairs(list) do
        all[#all + 1] = { server = of.name, name = tool.name, title = tool.title,
          description = tool.description, inputSchema = tool.inputSchema }
      end
    else
      failed = failed + 1
      print(("%-28s failed: %s"):format(of.name, text))
    end
  end
  local file <close> = assert(io.open(out, "w"))
  file:write(mcp.json.encode(all))
  print(("%d tools of %d servers, %d failed"):format(#all, #servers - failed, failed))
end)
