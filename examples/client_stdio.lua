-- SPDX-License-Identifier: MIT
-- client_stdio.lua: starts a server as a child and talks with it over standard input and output.
--
--   luamcp run examples/client_stdio.lua luamcp run examples/hello.lua
local mcp = require "mcp"

local transport = mcp.stdio_client {
  command = arg[1] or "luamcp",
  args = arg[1] and { table.unpack(arg, 2) } or { "run", "examples/hello.lua" },
  env = { DEBUG = "1" },
}

local session <close> = mcp.session(transport)
assert(session:initialize())
print(("%s, revision %s"):format(session.server.name, session.revision))

for _, tool in ipairs(assert(session:list_tools())) do
  print(("%s: %s"):format(tool.name, tool.description))
end

-- A tool that fails gives a result, too, which says why; `nil` means that there was none.
for _, arguments in ipairs { { name = "Ada" }, { nam = "Ada" } } do
  local result, text, code = session:call_tool("greet", arguments)
  if not result then
    print(("(error %s) %s"):format(code, text))
  else
    print((result.isError and "(failed) " or "") .. result.content[1].text)
  end
end
