-- SPDX-License-Identifier: MIT
-- mcpb: a bundle for Claude Desktop (modelcontextprotocol/mcpb, MANIFEST.md 0.3): an archive with
-- luamcp, a script and a manifest, installed by opening it. Variables become questions that Claude
-- Desktop asks at installation; it keeps what is secret in the keychain.
local core = require "mcp.core"
local exit = require "mcp.cli.exit"
local secrets = require "mcp.cli.host.secrets"
local value = require "mcp.value"
local zip = require "mcp.cli.host.zip"

local mcpb = {}

local function read(path)
  local file, text = io.open(path, "rb")
  if not file then return nil, text end
  local size, bytes = file:seek "end", nil
  if size and size > zip.SIZE then
    text = ("%s: larger than %d bytes"):format(path, zip.SIZE)
  elseif size and file:seek "set" then
    bytes, text = file:read "a"
  else
    text = path .. ": no regular file"
  end
  file:close()
  return bytes, text
end

-- What the server says of itself, and its tools; nil and a message.
local function facts(server, args)
  local testing = require "mcp.testing"
  local ok, client = pcall(testing.load, server.path, { args = args })
  if not ok then return nil, (tostring(client):gsub("^[^\n]-testing%.load: ", "")) end
  local lists, text = require("mcp.cli.offers").read(client)
  local info = client.server or {}
  client:close()
  if not lists then return nil, text end
  local tools = value.array {}
  for i, tool in ipairs(lists.tools or {}) do
    tools[i] = { name = tool.name, description = tool.description }
  end
  return { info = info, tools = tools }
end

-- A text of the manifest: variables become the user's answers, which `asked` collects.
local function text_of(given, asked)
  if type(given) == "string" then return given end
  local out = {}
  for i, part in ipairs(given) do
    if type(part) == "table" then
      asked[part.variable] = { type = "string", title = part.variable, required = true,
        description = "The value of " .. part.variable,
        sensitive = secrets.is_secret(part.variable) }
      part = "${user_config." .. part.variable .. "}"
    end
    out[i] = part
  end
  return table.concat(out)
end

---The manifest.
---@param server table of the command line
---@param found { info: table, tools: table }
---@param system string "linux" or "macos"
---@param author string
---@return table
function mcpb.manifest(server, found, system, author)
  local script = "${__dirname}/server/" .. server.path:match "[^/]+$"
  local asked, env = {}, {}
  local args = value.array { "run", script }
  for i = 3, #server.args do args[i] = text_of(server.args[i], asked) end
  for _, pair in ipairs(server.env) do env[pair[1]] = text_of(pair[2], asked) end
  local info = found.info
  return {
    manifest_version = "0.3", name = server.name, display_name = info.title or info.name,
    version = info.version or "0.0.0",
    description = info.description or ("The MCP server %s"):format(info.name or server.name),
    author = { name = author }, tools = found.tools,
    server = { type = "binary", entry_point = "server/luamcp",
      mcp_config = { command = "${__dirname}/server/luamcp", args = args, env = env } },
    compatibility = { platforms = value.array { system == "macos" and "darwin" or "linux" } },
    user_config = next(asked) and asked or nil,
  }
end

---Makes the bundle of a command line.
---@param server table
---@param options table
---@return integer status
function mcpb.make(server, options)
  if server.url then return exit.usage "install: --mcpb: expected a script, got an address" end
  local out = options.output or server.name .. ".mcpb"
  local old = io.open(out, "rb")
  if old then
    old:close()
    if not options.force then
      return exit.usage("install: %s exists already: --force replaces it", out)
    end
  end
  local program = package.loaded["mcp.program"]
  local path = program and program.path()
  if not path then return exit.fail(exit.OTHER, "--mcpb: luamcp does not find its own file") end
  local binary, text = read(path)
  local script, found
  if binary then script, text = read(server.path) end
  if not script then return exit.fail(exit.OTHER, text) end
  found, text = facts(server, options.command or {})
  if not found then return exit.fail(exit.OTHER, text, "ESCRIPT") end
  local author = options.author or os.getenv "USER" or "unknown"
  local manifest = mcpb.manifest(server, found, program.system, author)
  local json = assert(core.json_encode(manifest, true, 2))
  local bytes = zip.stored {
    { name = "manifest.json", bytes = json .. "\n", mode = 420 },
    { name = "server/luamcp", bytes = binary, mode = 493 },
    { name = "server/" .. server.path:match "[^/]+$", bytes = script, mode = 420 },
  }
  if options.dry_run then
    io.stdout:write(json, "\n")
    return exit.OK
  end
  local file
  file, text = io.open(out, "wb")
  if not file then return exit.fail(exit.OTHER, text) end
  local ok
  ok, text = file:write(bytes)
  ok = file:close() and ok
  if not ok then return exit.fail(exit.OTHER, text or out) end
  io.stderr:write(("%s: %d bytes; open it with Claude Desktop\n"):format(
    require("mcp.cli.terminal").clean(out), #bytes))
  return exit.OK
end

return mcpb
