-- SPDX-License-Identifier: MIT
-- target: the TARGET of a command: an address, a script, a name from an mcpServers file, or a
-- command after `--`. Adds the options that all of these share, and connects.
local exit = require "mcp.cli.exit"

local target = {}

---Adds TARGET and its options.
---@param parser table of argparse
---@param command string[]|nil the words after `--`, which then are the target
function target.define(parser, command)
  if not command then
    parser:argument "target"
      :description "An address, a .lua file, or a name from an mcpServers file."
  end
  parser:option "--config" :argname "FILE"
    :description "The mcpServers file with the names; default: .mcp.json, then the user's."
  parser:option "-H --header" :argname "NAME:VALUE" :count "*"
    :description "A header field for each HTTP request."
  parser:option "--auth" :argname "oauth|none|TOKEN"
    :description("How to authenticate over HTTP: log in with a browser (the token is stored), "
      .. "not at all, or with this bearer token. Default: oauth on a terminal, else stored tokens.")
  parser:option "-e --env" :argname "NAME=VALUE" :count "*"
    :description "A variable for a server that is started."
  parser:option "--cwd" :argname "FOLDER"
    :description "The working directory of a server that is started."
  parser:option "--revision" :argname "DATE"
    :description "Use exactly this revision of the protocol."
  parser:option "--timeout" :argname "SECONDS" :convert(tonumber)
    :description "How long a request may take; default 60, 0 for no limit."
  parser:flag "--json" :description "Print the protocol's own JSON."
end

-- Splits `name=value` or `name: value` pairs. Returns nil and the first that is no pair.
local function pairs_of(list, separator)
  local out = {}
  for _, word in ipairs(list) do
    local name, given = word:match("^([^" .. separator .. "]+)" .. separator .. "%s*(.*)$")
    if not name then return nil, word end
    out[name] = given
  end
  return out
end

local function is_address(word)
  return word:find "^%a[%w+.-]*://" ~= nil or word:find "^unix:" ~= nil
end

-- The entry of a name in an mcpServers file, or nil and what is wrong.
local function from_config(name, path)
  local config = require "mcp.client.config"
  local servers, text = config.find(path)
  if not servers then return nil, text end
  if servers.entries[name] then return config.target(servers, name) end
  if name:find "^[%w.-]+:%d+$" or name:find "^[%w.-]+:%d+/" then
    return nil, ("%s: no address; did you mean http://%s%s?"):format(name, name,
      name:find "/" and "" or "/mcp")
  end
  if name:find "%s" or name:find "%.%w+$" then
    return nil, ("%s: no address, no .lua file and no name of a server; a program follows "
      .. "after --, such as luamcp list -- %s"):format(name,
        name:find "%s" and name or name:find "%.py$" and "python3 " .. name
        or name:find "%.[cm]?js$" and "node " .. name or name)
  end
  local nearest = require "mcp.nearest"
  local known = nearest.keys(servers.entries)
  local hint
  if #known == 0 then
    hint = servers.path and servers.path .. " has no servers"
      or "there is no mcpServers file (./.mcp.json, " .. config.user_path() .. ")"
  else
    local meant = nearest.find(name, known)
    hint = meant and ("did you mean %s?"):format(meant)
      or ("%s has %s"):format(servers.path, nearest.list(known))
  end
  return nil, ("%s: no address, no .lua file and no name of a server: %s"):format(name, hint)
end

-- What mcp.connect takes for the words of the command line; nil and a text.
local function resolve(options)
  if options.command then
    if #options.command == 0 then return nil, "--: expected a command after it" end
    local args = table.move(options.command, 2, #options.command, 1, {})
    return { command = options.command[1], args = args }
  end
  local word = options.target
  if is_address(word) or word:find "%.lua$" or word:find "%.%a+$"
    and require("mcp.openapi.document").is_path(word) then
    return word
  end
  return from_config(word, options.config)
end

-- The folder for tokens, made for its owner only where it is missing, as XDG's base directory
-- specification says.
local function token_folder()
  local folder = require("mcp.cli.host.file").state_folder()
  if not require("mcp.core").real_path(folder) then
    os.execute(("mkdir -p -m 700 -- '%s' 2>/dev/null"):format((folder:gsub("'", "'\\''"))))
  end
  return folder
end

-- The provider of tokens for `--auth`, or nil: none.
local function provider(options)
  local auth, given = require "mcp.auth", options.auth
  local terminal = require "mcp.cli.terminal"
  if given == "none" then return nil end
  if given and given ~= "oauth" then return auth.bearer(given) end
  local ok, store = pcall(auth.file_store, token_folder() .. "/tokens.json")
  if not ok then return nil end
  local interactive = given == "oauth" or terminal.is_terminal(0) and terminal.is_terminal(2)
  return auth.oauth {
    client_name = "luamcp", store = store,
    on_authorize = not interactive and function()
      return nil, "a login is necessary: run the command with --auth oauth on a terminal"
    end or nil,
  }
end

-- Options of mcp.connect that follow from the command line, or nil and a text.
local function options_of(options, to)
  local out = { timeout = options.timeout, revision = options.revision,
    client = { name = "luamcp", version = require("mcp.core").version } }
  local headers, wrong = pairs_of(options.header or {}, ":")
  if not headers then return nil, ("--header: expected NAME:VALUE, got %s"):format(wrong) end
  local env
  env, wrong = pairs_of(options.env or {}, "=")
  if not env then return nil, ("--env: expected NAME=VALUE, got %s"):format(wrong) end
  local address = type(to) == "table" and to.url or type(to) == "string" and is_address(to) and to
  if address then
    if next(headers) then out.headers = headers end
    if next(env) or options.cwd then
      return nil, "--env and --cwd are for a server that is started; this target is an address"
    end
    local has_token = type(to) == "table" and to.headers and to.headers.Authorization
      or headers.Authorization or headers.authorization
    if not has_token then out.auth = provider(options) end
  else
    if next(headers) or options.auth then
      return nil, "--header and --auth are for addresses; this target is a program"
    end
    if type(to) == "table" then
      to.env = to.env or {}
      for name, given in pairs(env) do to.env[name] = given end
      to.cwd = options.cwd or to.cwd
    else
      if next(env) then out.env = env end
      out.cwd = options.cwd
    end
  end
  return out
end

---The provider of tokens for a server at an address, as `--auth` asks for it, or nil.
---@param options table auth: "oauth", "none", a token, or nil
---@return table|nil
function target.provider(options) return provider(options) end

---The address for messages; nil for a program.
---@param options table
---@return string|nil
function target.url(options)
  return options.target and is_address(options.target) and options.target or nil
end

---The header fields of the command line.
---@param options table
---@return table<string, string>|nil
function target.headers(options)
  return pairs_of(options.header or {}, ":") or nil
end

-- A mistake in the command line, which connect reports as wrong usage.
local USAGE = "EUSAGE"

-- A program that reads the output gets it before the server has ended, which takes milliseconds.
local function flush_first(client)
  local close = client.close
  client.close = function(...)
    io.stdout:flush()
    return close(...)
  end
end

---The lock file that the target's entry in an mcpServers file names, and its name there.
---@param options table of the parser
---@return { file: string, name: string }|nil pinned nil if the target is no entry, or has none
function target.pinned(options)
  local to = resolve(options)
  return type(to) == "table" and to.pinned or nil
end

---Connects to the target, without printing a failure.
---@param options table of the parser
---@param more table|nil further options of mcp.connect, such as on_elicit
---@param recorder table|nil of mcp.testing.record
---@return mcp.Client|nil client
---@return string|nil text
---@return any code "EUSAGE" for a mistake in the command line
function target.try(options, more, recorder)
  local to, text = resolve(options)
  if not to then return nil, text, USAGE end
  if options.unpinned and type(to) == "table" then to.pinned = nil end
  local given
  given, text = options_of(options, to)
  if not given then return nil, text, USAGE end
  for name, member in pairs(more or {}) do given[name] = member end
  -- What the command line says wrong (a bad address, an unknown revision) raises.
  local result = table.pack(pcall(require("mcp.client.connect").open, to, given, recorder))
  if result[1] then
    local client = result[2]
    if client then flush_first(client) end
    return client, result[3], result[4]
  end
  return nil, (tostring(result[2]):gsub("^[^:]+:%d+: ", ""):gsub("^mcp%.connect: ", "")), USAGE
end

---Connects to the target.
---@param options table of the parser
---@param more table|nil further options of mcp.connect, such as on_elicit
---@return mcp.Client|nil client
---@return integer|nil status what the verb returns if there is none; the failure was printed
function target.connect(options, more)
  local client, text, code = target.try(options, more)
  if client then return client end
  if code == USAGE then return nil, exit.usage("%s", text) end
  local status = exit.status_of(code)
  return nil, exit.fail(status == exit.TOOL and exit.UNREACHABLE or status, text, code,
    target.url(options))
end

return target
