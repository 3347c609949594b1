-- SPDX-License-Identifier: MIT
-- new: `luamcp new NAME`: a folder with a server, a test and what a host needs to start it.
local exit = require "mcp.cli.exit"

local new = { example = { "luamcp new weather", "luamcp new weather --in ~/projects" } }

function new.define(parser)
  parser:argument "name" :description "The name of the server, and of its folder."
  parser:option "--in" :argname "FOLDER" :target "folder" :default "."
    :description "The folder to create it in."
end

local SERVER = [=[
-- %NAME%: an MCP server. Run it with `luamcp server.lua`, or over HTTP with
-- `luamcp server.lua --http 8000 --inspect`.
local mcp = require "mcp"

local app = mcp.server "%NAME%"

app:tool "greet" {
  description = "Greet a person",
  input = { name = mcp.string { description = "The name of the person" } },
} (function(args)
  return "Hello, " .. args.name .. "!"
end)

app:resource "%NAME%://about" {
  description = "What this server is for",
  mime = "text/plain",
} (function()
  return "%NAME% greets people."
end)

app:run()
]=]

local SPEC = [=[
-- Run with `busted`.
local testing = require "mcp.testing"

describe("%NAME%", function()
  it("greets", function()
    local client <close> = testing.load "server.lua"
    assert.returns_text("Hello, Ann!", client:call_tool("greet", { name = "Ann" }))
  end)
end)
]=]

-- busted starts the first Lua that it finds, which may be an older one.
local BUSTED = [=[
return { default = { lua = "lua5.4", ROOT = { "spec" } } }
]=]

local README = [=[
# %NAME%

An MCP server, written with luamcp.

    luamcp check server.lua            # what clients will see, and what is wrong
    luamcp call server.lua greet name=Ann
    busted                             # the tests
    luamcp server.lua --http 8000 --inspect    # a page to try it, at http://127.0.0.1:8000/

`.mcp.json` is for hosts that read it (Claude Code, for one), and for `luamcp list %NAME%`.
]=]

local CONFIG = [=[
{
  "mcpServers": {
    "%NAME%": {
      "command": "luamcp",
      "args": ["run", "server.lua"]
    }
  }
}
]=]

-- The files of a project in the order in which they are written.
local FILES = { { "server.lua", SERVER }, { "spec/server_spec.lua", SPEC }, { ".busted", BUSTED },
  { "README.md", README }, { ".mcp.json", CONFIG } }

local function quoted(path) return "'" .. path:gsub("'", "'\\''") .. "'" end

local function exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

function new.run(options)
  local name = options.name
  if not name:find "^%a[%w_-]*$" or #name > 64 then
    return exit.usage('new: expected a name of letters, digits, "-" and "_", got %q', name)
  end
  local folder = options.folder:gsub("/$", "") .. "/" .. name
  if exists(folder) then return exit.usage("new: %s exists already", folder) end
  if not os.execute(("mkdir -p -- %s"):format(quoted(folder .. "/spec"))) then
    return exit.fail(exit.OTHER, folder .. ": cannot be created")
  end
  for _, each in ipairs(FILES) do
    local path = folder .. "/" .. each[1]
    local file, text = io.open(path, "wb")
    if not file then return exit.fail(exit.OTHER, text) end
    local ok
    ok, text = file:write((each[2]:gsub("%%NAME%%", name)))
    -- What the system could not write, it may say at the end only.
    if ok then ok, text = file:close() end
    if not ok then return exit.fail(exit.OTHER, ("%s: %s"):format(path, text)) end
    io.stdout:write(path, "\n")
  end
  io.stderr:write(("Try it: cd %s && luamcp call server.lua greet name=Ann\n"):format(folder))
  return exit.OK
end

return new
