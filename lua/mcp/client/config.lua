-- SPDX-License-Identifier: MIT
-- config: mcpServers files, as hosts keep them: `mcp.config "mcp.json"` gives the servers by name,
-- each as mcp.connect takes it. Variables of the environment are replaced as Claude Code
-- (`${NAME}`, `${NAME:-default}`) and Cursor (`${env:NAME}`) write them. Comments and trailing
-- commas are accepted, as VS Code and Zed do.
local core = require "mcp.core"
local value = require "mcp.value"

local config = {}

---The file of a project, in the working directory.
config.PROJECT = ".mcp.json"

---The largest file that is read, in bytes.
config.SIZE = 4 << 20

---The file of the user.
---@return string path
function config.user_path()
  local folder = os.getenv "XDG_CONFIG_HOME"
  if not folder or folder == "" then folder = (os.getenv "HOME" or ".") .. "/.config" end
  return folder .. "/luamcp/mcp.json"
end

-- Hosts name the table of servers differently: most use the first, VS Code the second, Zed the
-- third.
local TABLES = { "mcpServers", "servers", "context_servers" }

-- Other names for the same member of an entry (Windsurf, Gemini CLI).
local ADDRESSES = { "url", "serverUrl", "httpUrl" }

---How an entry's `type` is written by hosts, and what it means.
local TYPES = { stdio = "stdio", http = "http", ["streamable-http"] = "http",
  streamableHttp = "http", streamable_http = "http", sse = "sse", ws = "ws", websocket = "ws" }

-- Text with its variables replaced; nil and the name of the first that is not set.
local function expand(text)
  local missing
  local out = text:gsub("%${([^}]*)}", function(inside)
    local name, default = inside:match "^([%a_][%w_]*):%-(.*)$"
    name = name or inside:match "^env:([%a_][%w_]*)$" or inside:match "^([%a_][%w_]*)$"
    if not name then return nil end
    local found = os.getenv(name)
    if (not found or found == "") and default then return default end
    if not found then missing = missing or name end
    return found
  end)
  if missing then return nil, missing end
  return out
end

-- Reads a file; nil, a text and a code if that fails.
local function read(path)
  local file, text, code = io.open(path, "rb")
  if not file then return nil, text, code == 2 and "ENOENT" or "EIO" end
  local bytes
  bytes, text = file:read(config.SIZE + 1)
  file:close()
  if not bytes then return nil, ("%s: %s"):format(path, text or "the file is empty"), "EIO" end
  if #bytes > config.SIZE then
    return nil, ("%s: larger than %d bytes"):format(path, config.SIZE), "ETOOBIG"
  end
  return bytes
end

---Reads a file without looking at its entries.
---@param path string
---@return { path: string, entries: table<string, table>, text: string,
---table: string }|nil servers
---@return string|nil text
---@return string|nil code "ENOENT", "EIO", "ETOOBIG", or of the JSON reader
function config.read(path)
  local bytes, text, code = read(path)
  if not bytes then return nil, text, code end
  local decoded, wrong = core.decode(require("mcp.jsonc").plain(bytes))
  if type(decoded) ~= "table" or value.kind(decoded) ~= "object" then
    return nil, ("%s: expected a JSON object%s"):format(path,
      wrong and ": " .. wrong or ""), "EJSON"
  end
  for _, name in ipairs(TABLES) do
    local entries = decoded[name]
    if type(entries) == "table" and value.kind(entries) == "object" then
      return { path = path, entries = entries, text = bytes, table = name }
    end
  end
  return nil, ('%s: expected an object "mcpServers"'):format(path), "EJSON"
end

---The file to use: the given one, the project's, or the user's.
---@param path string|nil
---@return { path: string|nil, entries: table<string, table> }|nil servers without a path if there
---is no file
---@return string|nil text
---@return string|nil code
function config.find(path)
  if path then return config.read(path) end
  for _, place in ipairs { config.PROJECT, config.user_path() } do
    local servers, text, code = config.read(place)
    if servers or code ~= "ENOENT" then return servers, text, code end
  end
  return { entries = {} }
end

-- Replaces the variables in a string, or in the strings of a table. `where` is for messages.
local function filled(given, where)
  if type(given) == "string" then
    local out, missing = expand(given)
    if not out then
      return nil, ("%s: the variable %s is not set"):format(where, missing)
    end
    return out
  end
  local out = {}
  for key, member in pairs(given) do
    if type(member) == "number" then member = tostring(member) end
    if type(member) ~= "string" then
      return nil, ("%s.%s: expected a string, got %s"):format(where, key, value.kind(member))
    end
    local text, wrong = filled(member, ("%s.%s"):format(where, key))
    if not text then return nil, wrong end
    out[key] = text
  end
  return out
end

local MEMBERS = {
  command = "string", args = "array", env = "object", cwd = "string", headers = "object",
}

---One entry as mcp.connect takes it.
---@param servers { path: string, entries: table<string, table> }
---@param name string
---@return table|nil target `{ command =, args =, env =, cwd = }` or `{ url =, type =, headers = }`,
---each with `pinned = { file =, name = }` if the entry names a lock file
---@return string|nil text what is wrong with the entry
function config.target(servers, name)
  local entry, where = servers.entries[name], ("%s: %s"):format(servers.path, name)
  if type(entry) ~= "table" then return nil, where .. ": expected an object" end
  local kind = entry.type and TYPES[entry.type]
  if entry.type ~= nil and not kind then
    return nil, ('%s: type: expected "stdio", "http", "sse" or "ws", got %s'):format(where,
      tostring(entry.type))
  end
  local out = {}
  for member, expected in pairs(MEMBERS) do
    local given = entry[member]
    if given ~= nil and given ~= value.null then
      if value.kind(given) ~= expected then
        return nil, ("%s: %s: expected a JSON %s, got %s"):format(where, member, expected,
          value.kind(given))
      end
      local text
      out[member], text = filled(given, ("%s: %s"):format(where, member))
      if not out[member] then return nil, text end
    end
  end
  for _, member in ipairs(ADDRESSES) do
    if type(entry[member]) == "string" then
      local text
      out.url, text = filled(entry[member], ("%s: %s"):format(where, member))
      if not out.url then return nil, text end
      break
    end
  end
  if entry.pinned ~= nil and entry.pinned ~= value.null then
    if type(entry.pinned) ~= "string" then
      return nil, ("%s: pinned: expected the path of a lock file, got %s"):format(where,
        value.kind(entry.pinned))
    end
    -- From the folder of this file, like its name for the server.
    local path = entry.pinned
    if not path:find "^/" then path = (servers.path:match "^(.*/)" or "") .. path end
    out.pinned = { file = path, name = name }
  end
  if out.url then
    return { url = out.url, headers = out.headers, type = kind, pinned = out.pinned }
  elseif out.command then
    return { command = out.command, args = out.args, env = out.env, cwd = out.cwd,
      pinned = out.pinned }
  end
  return nil, where .. ': expected "command" or "url"'
end

---The names of a file's entries, in the order in which they stand there.
---@param servers table of config.find
---@return string[] names
function config.order(servers)
  local names, seen = {}, {}
  local function add(name)
    if name and servers.entries[name] ~= nil and not seen[name] then
      seen[name], names[#names + 1] = true, name
    end
  end
  for _, part in ipairs(servers.text and require("mcp.jsonc").scan(servers.text).members or {}) do
    if part.name == servers.table then
      for _, member in ipairs(part.value.members or {}) do
        add((core.decode(('"%s"'):format(member.name))))
      end
    end
  end
  -- What was not found in the text, such as the entries of a table whose name has escapes.
  for _, name in ipairs(require("mcp.nearest").keys(servers.entries)) do add(name) end
  return names
end

-- How hosts switch an entry off: most by the first, Zed by the second.
local function is_disabled(entry)
  return type(entry) == "table" and (entry.disabled == true or entry.enabled == false)
end

---All entries of a file as mcp.connect takes them.
---@param servers table of config.find
---@return table<string, table> targets by name, without those below
---@return table<string, string> wrong by name, what is wrong with an entry
---@return table<string, true> disabled by name, the entries that are switched off
function config.targets(servers)
  local targets, wrong, disabled = {}, {}, {}
  for name, entry in pairs(servers.entries) do
    if is_disabled(entry) then
      disabled[name] = true
    else
      targets[name], wrong[name] = config.target(servers, name)
    end
  end
  return targets, wrong, disabled
end

---Says in the log which entries are left out because they are switched off.
---@param servers table of config.find
---@param disabled table<string, true> of config.targets
function config.log_disabled(servers, disabled)
  for _, name in ipairs(require("mcp.nearest").keys(disabled)) do
    core.log("info", ("%s: %s: disabled, so it is left out"):format(servers.path, name))
  end
end

---Reads an mcpServers file: `local servers = mcp.config "mcp.json"`, then
---`mcp.connect(servers.weather)`. Entries that are switched off are left out, with a line in the
---log, and so are those that are wrong.
---@param path string|nil default: ./.mcp.json, then the user's
---@return table<string, table>|nil servers by name, each as mcp.connect takes it; nil if the file
---cannot be read, or if entries are wrong and no other is left
---@return string|nil text
---@return string|nil code "EINVAL": an entry; else of the file
function config.load(path)
  if path ~= nil and type(path) ~= "string" then
    error(("mcp.config: path: expected a string, got %s"):format(type(path)), 2)
  end
  local servers, text, code = config.find(path)
  if not servers then return nil, text, code end
  local targets, wrong, disabled = config.targets(servers)
  local names = require("mcp.nearest").keys(wrong)
  if names[1] and next(targets) == nil then return nil, wrong[names[1]], "EINVAL" end
  for _, name in ipairs(names) do core.log("warning", wrong[name] .. "; it is left out") end
  config.log_disabled(servers, disabled)
  return targets
end

return config
