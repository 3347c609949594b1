-- SPDX-License-Identifier: MIT
-- filesystem.lua: our client with the npm package server-filesystem, over stdio. Its folder comes
-- from our roots, and what it answers is held against the folder itself.
--
--   luamcp run scripts/interop/ours/filesystem.lua ERA COMMAND [ARGUMENT…]
package.path = "./scripts/interop/ours/?.lua;" .. package.path
local mcp = require "mcp"
local check = require "check"
local same, has, text, soon = check.same, check.has, check.text, check.soon

local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "l"
end

local HERE = shell "pwd"
local LIBRARY = HERE .. "/examples/library"
local SCRATCH = HERE .. "/" .. os.getenv "INTEROP_SCRATCH"

local roots = { LIBRARY }

check.errand({ roots = function() return roots end }, function(client)
  same(client.server.name, "secure-filesystem-server")
  local call = function(...) return assert(client:call_tool(...)) end
  local allowed = function() return text(call "list_allowed_directories") end
  soon("our root is taken", function() return allowed():find(LIBRARY, 1, true) end)

  local names = check.set(assert(client:list_tools()))
  same({ names.read_text_file, names.write_file, names.search_files }, { true, true, true })

  local folder <close> = assert(mcp.folder(LIBRARY))
  local listed = text(call("list_directory", { path = LIBRARY }))
  for _, entry in ipairs(folder:list()) do has(listed, entry.name or entry) end
  local paths = { "rain.txt", "tea.md", "planets.csv", "garden/spring.md", "garden/herbst.txt" }
  local jobs = {}
  for i, path in ipairs(paths) do
    jobs[i] = function()
      return client:call_tool("read_text_file", { path = LIBRARY .. "/" .. path })
    end
  end
  for i, result in ipairs(mcp.all(jobs)) do
    same(text(result), folder:read(paths[i]))
    same(result.structuredContent, { content = folder:read(paths[i]) })
  end

  -- A failure of a tool is a result, and says why.
  local outside = call("read_text_file", { path = HERE .. "/README.md" })
  same(outside.isError, true)
  has(outside.content[1].text, "Access denied")

  -- Another list of roots, and back what was written, large enough to come in pieces.
  roots = { SCRATCH }
  assert(client:roots_changed())
  soon("the other root is taken", function() return allowed():find(SCRATCH, 1, true) end)
  local lines = {}
  for i = 1, 60000 do lines[i] = ("line %d of sixty thousand"):format(i) end
  local big = table.concat(lines, "\n")
  call("write_file", { path = SCRATCH .. "/big.txt", content = big })
  same(text(call("read_text_file", { path = SCRATCH .. "/big.txt" })), big)
  has(text(call("search_files", { path = SCRATCH, pattern = "**/*.txt" })), "big.txt")
end)
