-- SPDX-License-Identifier: MIT
-- hosts: where each host keeps its servers and how it writes them. The only list of hosts.
--
-- A row has
--   id, title   the name on the command line, and the one for people
--   user        where the user's file is: the first variable that is set, or the path of the system
--   project     the project's file, relative to its folder
--   format      "json", "toml" or "yaml"
--   keys        the way to the table of servers in it
--   variable    how the host writes a variable of the environment, for string.format
--   stdio, url  functions that make an entry of a server (see `server` below); url may return
--               nothing for an address that the host cannot use: the entry is `luamcp bridge` then
--   restart     what makes the host read the file
--   link        makes a link that installs the server
--
-- A `server` is `{ name, command, args, env, url, headers }`: args a list of texts, env and headers
-- lists of { name, text }. A text is a string, or a list of strings and `{ variable = name }`; the
-- address and the command are strings.
local core = require "mcp.core"
local edit_json = require "mcp.cli.host.edit_json"

local hosts = {}

-- Members of an entry that say how a server is reached: an update removes those that it does not
-- set. Variables stay while the server is still a program.
local OF_URLS = { type = true, transport = true, url = true, serverUrl = true, httpUrl = true,
  uri = true, headers = true, bearer_token_env_var = true, http_headers = true,
  env_http_headers = true }
local OF_PROGRAMS = { type = true, command = true, args = true, cmd = true, env = true, envs = true,
  environment = true, env_vars = true, cwd = true, envFile = true, transport = true }

local function map(list)
  list.map = true
  return list
end

-- An entry without the members that are empty.
local function entry(list)
  local out = {}
  for _, pair in ipairs(list) do
    local given = pair[2]
    if given ~= nil and not (type(given) == "table" and given.map and #given == 0) then
      out[#out + 1] = pair
    end
  end
  return out
end

local function plain(server)
  return entry { { "command", server.command }, { "args", server.args },
    { "env", map(server.env) } }
end

local function typed_plain(server)
  local out = plain(server)
  table.insert(out, 1, { "type", "stdio" })
  return out
end

local function is_http(server) return server.url:find "^https?://" ~= nil end

-- What makes the entry of an address: its member for the address, and its type.
local function address(member, kind)
  return function(server)
    if not is_http(server) then return nil end
    return entry { { "type", kind }, { member, server.url }, { "headers", map(server.headers) } }
  end
end

local function claude_code_url(server)
  local kind = server.url:find "^wss?://" and "ws" or is_http(server) and "http"
  return kind and entry { { "type", kind }, { "url", server.url },
    { "headers", map(server.headers) } }
end

local function vscode_url(server)
  local url = server.url
  local path, page = url:match "^unix:(/[^:]*):?(.*)$"
  if path then url = ("unix://%s#%s"):format(path, page ~= "" and page or "/mcp") end
  if not path and not is_http(server) then return nil end
  return entry { { "type", "http" }, { "url", url }, { "headers", map(server.headers) } }
end

local function opencode_stdio(server)
  return entry { { "type", "local" },
    { "command", table.move(server.args, 1, #server.args, 2, { server.command }) },
    { "environment", map(server.env) } }
end

local function goose(kind, members)
  return function(server)
    if server.url and not is_http(server) then return nil end
    local list = { { "type", kind }, { "name", server.name } }
    for _, pair in ipairs(members(server)) do list[#list + 1] = pair end
    -- Goose waits five minutes for a tool itself when it adds a server.
    table.move({ { "enabled", true }, { "timeout", 300 } }, 1, 2, #list + 1, list)
    return list
  end
end

-- The name of the variable if a text is that variable alone, after `before`.
local function variable_of(text, before)
  if type(text) ~= "table" then return nil end
  if before then return text[1] == before and #text == 2 and text[2].variable or nil end
  return #text == 1 and text[1].variable or nil
end

-- Codex has no variables in texts; it takes their names.
local function codex_stdio(server)
  local names, env = {}, {}
  for _, pair in ipairs(server.env) do
    local variable = variable_of(pair[2])
    if variable == pair[1] then
      names[#names + 1] = variable
    else
      env[#env + 1] = pair
    end
  end
  return entry { { "command", server.command }, { "args", server.args },
    { "env_vars", #names > 0 and names or nil }, { "env", map(env) } }
end

local function codex_url(server)
  if not is_http(server) then return nil end
  local token
  local headers, from_env = {}, {}
  for _, pair in ipairs(server.headers) do
    local bearer = pair[1]:lower() == "authorization" and variable_of(pair[2], "Bearer ")
    if bearer then
      token = bearer
    elseif variable_of(pair[2]) then
      from_env[#from_env + 1] = { pair[1], variable_of(pair[2]) }
    else
      headers[#headers + 1] = pair
    end
  end
  return entry { { "url", server.url }, { "bearer_token_env_var", token },
    { "http_headers", map(headers) }, { "env_http_headers", map(from_env) } }
end

local function escape(text)
  return (text:gsub("[^%w%-._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- A link with the entry in Base64.
local function base64_link(start)
  return function(name, given)
    return ("%s?name=%s&config=%s"):format(start, escape(name),
      escape(core.base64(edit_json.line(given))))
  end
end

local function vscode_link(name, given)
  local with_name = table.move(given, 1, #given, 2, { { "name", name } })
  return "vscode:mcp/install?" .. escape(edit_json.line(with_name))
end

local SERVERS = { "mcpServers" }

local LIST = {
  { id = "claude-desktop", title = "Claude Desktop", format = "json", keys = SERVERS,
    user = { linux = "$CONFIG/Claude/claude_desktop_config.json",
      macos = "$HOME/Library/Application Support/Claude/claude_desktop_config.json" },
    stdio = plain, restart = "quit Claude Desktop and start it again" },
  { id = "claude-code", title = "Claude Code", format = "json", keys = SERVERS,
    user = { { "CLAUDE_CONFIG_DIR", "/.claude.json" }, any = "$HOME/.claude.json" },
    project = ".mcp.json", variable = "${%s}", stdio = typed_plain, url = claude_code_url,
    restart = "start a new session of Claude Code; it asks before it uses a server of a project" },
  { id = "cursor", title = "Cursor", format = "json", keys = SERVERS,
    user = { any = "$HOME/.cursor/mcp.json" }, project = ".cursor/mcp.json",
    variable = "${env:%s}", stdio = plain, url = address "url", restart = "reload Cursor",
    link = base64_link "cursor://anysphere.cursor-deeplink/mcp/install" },
  { id = "vscode", title = "VS Code", format = "json", keys = { "servers" },
    user = { linux = "$CONFIG/Code/User/mcp.json",
      macos = "$HOME/Library/Application Support/Code/User/mcp.json" },
    project = ".vscode/mcp.json", variable = "${env:%s}", stdio = typed_plain, url = vscode_url,
    restart = "start the server in VS Code: MCP: List Servers", link = vscode_link },
  { id = "windsurf", title = "Windsurf", format = "json", keys = SERVERS,
    user = { any = "$HOME/.codeium/windsurf/mcp_config.json" }, variable = "${env:%s}",
    stdio = plain, url = address "serverUrl", restart = "refresh the servers in Windsurf" },
  { id = "cline", title = "Cline", format = "json", keys = SERVERS,
    user = { { "CLINE_MCP_SETTINGS_PATH", "" },
      { "CLINE_DATA_DIR", "/settings/cline_mcp_settings.json" },
      { "CLINE_DIR", "/data/settings/cline_mcp_settings.json" },
      any = "$HOME/.cline/data/settings/cline_mcp_settings.json" },
    stdio = plain, url = address("url", "streamableHttp"),
    restart = "Cline reads the file by itself; otherwise reload the window" },
  { id = "zed", title = "Zed", format = "json", keys = { "context_servers" },
    user = { any = "$CONFIG/zed/settings.json", macos = "$HOME/.config/zed/settings.json" },
    project = ".zed/settings.json", stdio = plain, url = address "url",
    restart = "Zed reads the file by itself" },
  { id = "gemini-cli", title = "Gemini CLI", format = "json", keys = SERVERS,
    user = { any = "$HOME/.gemini/settings.json" }, project = ".gemini/settings.json",
    variable = "${%s}", stdio = plain, url = address("url", "http"),
    restart = "start a new session of Gemini CLI, in a folder that it trusts" },
  { id = "codex", title = "Codex", format = "toml", keys = { "mcp_servers" },
    user = { { "CODEX_HOME", "/config.toml" }, any = "$HOME/.codex/config.toml" },
    project = ".codex/config.toml", stdio = codex_stdio, url = codex_url,
    restart = "start a new session of Codex; it reads a project's file only in trusted projects" },
  { id = "goose", title = "Goose", format = "yaml", keys = { "extensions" },
    user = { any = "$CONFIG/goose/config.yaml" },
    stdio = goose("stdio", function(server)
      return { { "cmd", server.command }, { "args", server.args }, { "envs", map(server.env) } }
    end),
    url = goose("streamable_http", function(server)
      return { { "uri", server.url }, { "headers", map(server.headers) } }
    end),
    restart = "start a new session of Goose" },
  { id = "opencode", title = "opencode", format = "json", keys = { "mcp" },
    -- Version 2 moved the table into a table of its own.
    keys_of = function(found)
      local inner = found.mcp and found.mcp.servers
      return type(inner) == "table" and inner.type == nil and { "mcp", "servers" } or nil
    end,
    user = { any = "$CONFIG/opencode/opencode.json" }, project = "opencode.json",
    other = "%.json$", other_name = ".jsonc", variable = "{env:%s}", stdio = opencode_stdio,
    url = address("url", "remote"), restart = "start opencode again" },
  { id = "kiro", title = "Kiro", format = "json", keys = SERVERS,
    user = { any = "$HOME/.kiro/settings/mcp.json" }, project = ".kiro/settings/mcp.json",
    stdio = plain, url = address "url", restart = "Kiro reads the file by itself" },
  { id = "lm-studio", title = "LM Studio", format = "json", keys = SERVERS,
    user = { any = "$HOME/.lmstudio/mcp.json" }, stdio = plain, url = address "url",
    restart = "LM Studio reads the file by itself",
    link = base64_link "lmstudio://add_mcp" },
  { id = "junie", title = "Junie", format = "json", keys = SERVERS,
    user = { any = "$HOME/.junie/mcp/mcp.json" }, project = ".junie/mcp/mcp.json",
    stdio = plain, restart = "start a new task in Junie" },
}

---The row of what `--print` shows without a host: the form that most hosts accept.
hosts.GENERIC = { id = "generic", title = "the host", format = "json", keys = SERVERS,
  variable = "${%s}", stdio = plain, url = claude_code_url }

local IDS, BY_ID = {}, {}
for i, host in ipairs(LIST) do IDS[i], BY_ID[host.id] = host.id, host end

---@return string[] ids in the order of the documentation
function hosts.ids() return IDS end

---@param id string
---@return table|nil host
function hosts.find(id) return BY_ID[id] end

-- A path with its placeholders replaced.
local function placed(path, getenv)
  local home = getenv "HOME" or "."
  local config = getenv "XDG_CONFIG_HOME"
  -- Relative paths there are to be ignored, says the base directory specification.
  if not config or config:sub(1, 1) ~= "/" then config = home .. "/.config" end
  return (path:gsub("^%$(%u+)", { HOME = home, CONFIG = config }))
end

---The file of a host.
---@param host table
---@param scope "user"|"project"
---@param folder string the project's folder, absolute
---@param system string "linux" or "macos"
---@param getenv fun(name: string): string|nil
---@return string|nil path nil: the host has no file of this scope
function hosts.path(host, scope, folder, system, getenv)
  if scope == "project" then return host.project and folder .. "/" .. host.project end
  for _, each in ipairs(host.user) do
    local given = getenv(each[1])
    if given and given ~= "" then return given .. each[2] end
  end
  return placed(host.user[system] or host.user.any, getenv)
end

-- A text as the host writes it; nil and a message if it cannot write variables.
local function text_for(host, given, where)
  if type(given) == "string" then return given end
  local out = {}
  for i, part in ipairs(given) do
    if type(part) == "table" then
      if not host.variable then
        return nil, ("%s: %s cannot read the variable %s from its environment there"):format(where,
          host.title, part.variable)
      end
      part = host.variable:format(part.variable)
    end
    out[i] = part
  end
  return table.concat(out)
end

-- An entry with its texts as the host writes them.
local function spelled(host, given)
  local out = {}
  for i, pair in ipairs(given) do
    local member = pair[2]
    if type(member) == "table" then
      local list = { map = member.map }
      for k, item in ipairs(member) do
        local text, wrong = text_for(host, member.map and item[2] or item,
          member.map and item[1] or pair[1])
        if not text then return nil, wrong end
        list[k] = member.map and { item[1], text } or text
      end
      member = list
    end
    out[i] = { pair[1], member }
  end
  return out
end

-- A server that speaks stdio and passes on to the address of another.
local function bridged(server, program)
  local args = { "bridge", server.url }
  for _, pair in ipairs(server.headers) do
    args[#args + 1] = "--header"
    local text = { pair[1] .. ": " }
    if type(pair[2]) == "string" then
      text = text[1] .. pair[2]
    else
      table.move(pair[2], 1, #pair[2], 2, text)
    end
    args[#args + 1] = text
  end
  return { name = server.name, command = program, args = args, env = {} }
end

---The entry of a server in the file of a host.
---@param host table
---@param server table
---@param program string the path of luamcp
---@return table|nil entry
---@return table|string own the members that an update removes; a message on failure
---@return boolean|nil is_bridged
function hosts.entry(host, server, program)
  local made, own = nil, OF_URLS
  local is_bridged = false
  if server.url then
    made = host.url and host.url(server)
    own = made and OF_PROGRAMS or OF_URLS
    if not made then
      server, is_bridged = bridged(server, program), true
    end
  end
  made = made or host.stdio(server)
  local entry_of, wrong = spelled(host, made)
  if not entry_of then return nil, wrong end
  return entry_of, own, is_bridged
end

---The module that edits the files of a host.
---@param host table
---@return table
function hosts.editor(host) return require("mcp.cli.host.edit_" .. host.format) end

return hosts
