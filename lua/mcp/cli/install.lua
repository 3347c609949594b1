-- SPDX-License-Identifier: MIT
-- install: `luamcp install FILE|URL --client HOST`: puts a server into the configuration of a host.
-- Edits the text where it stands, shows the change, asks, and keeps a copy.
local exit = require "mcp.cli.exit"
local file = require "mcp.cli.host.file"
local hosts = require "mcp.cli.host.hosts"
local place = require "mcp.cli.host.place"
local secrets = require "mcp.cli.host.secrets"
local terminal = require "mcp.cli.terminal"

local install = { example = { "luamcp install server.lua --client cursor",
  "luamcp install server.lua --client vscode --scope project -- --db notes.db",
  "luamcp install https://example.com/mcp --client claude-desktop",
  "luamcp install server.lua --mcpb -o server.mcpb" } }

---The longest name of a server. In bytes.
install.NAME = 64

function install.define(parser)
  parser:argument "server" :argname "FILE|URL"
    :description "A Lua script, whose own arguments follow after --, or the address of a server."
  place.define(parser)
  parser:option "--name" :argname "NAME"
    :description "What the host calls the server; default: from the file or the address."
  parser:option "-e --env" :argname "NAME[=VALUE]" :count "*"
    :description("A variable for the server. Without a value, and for ${OTHER} in it, the host "
      .. "reads it from its own environment.")
  parser:option "-H --header" :argname "NAME:VALUE" :count "*"
    :description "A header field for each request to an address; ${VARIABLE} as in --env."
  parser:flag "--force" :description("Change an entry that exists; members that luamcp does not "
    .. "know stay. Make the folder of the host if it is missing.")
  parser:flag "--print" :description("Print the entry and change nothing; a link that installs it, "
    .. "where the host has such links, on standard error.")
  parser:flag "--mcpb" :description "Make a bundle for Claude Desktop of the script and luamcp."
  parser:option "-o --output" :argname "OUT"
    :description "The file of the bundle; default: NAME.mcpb."
  parser:option "--author" :argname "NAME"
    :description "The author in the bundle; default: the name of the user."
end

local function is_address(word)
  return word:find "^%a[%w+.-]*://" ~= nil or word:find "^unix:" ~= nil
end

-- The path by which luamcp was called, absolute. Links stay: package managers change their targets.
local function program_path(called)
  if called and called:find "/" then return file.absolute(called) end
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local path = file.absolute(folder .. "/" .. (called or "luamcp"))
    if called and file.exists(path) then return path end
  end
  local program = package.loaded["mcp.program"]
  return program and program.path() or "luamcp"
end

-- Names of files that say nothing about what a server is.
local COMMON = { server = true, init = true, main = true, app = true, index = true }

local function default_name(server)
  local name
  if is_address(server) then
    name = server:match "^%a[%w+.-]*://([^/:?#]+)" or server:match "([^/:]+)$"
    name = name:gsub("^www%.", ""):gsub("^mcp%.", "")
  else
    local folder, base = file.absolute(server):match "^(.*)/([^/]+)$"
    name = base:gsub("%.lua$", ""):gsub("%.ya?ml$", ""):gsub("%.json$", "")
    if COMMON[name] then name = folder:match "([^/]+)$" or name end
  end
  return (name:gsub("[^%w_-]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")):sub(1, install.NAME)
end

-- The variables or header fields of the command line: lists of { name, text }. Nil and a message.
local function given_pairs(list, pattern, what)
  local out = {}
  for _, word in ipairs(list) do
    local name, text = word:match(pattern)
    if what == "--env" and word:find "^[%a_][%w_]*$" then name, text = word, "${" .. word .. "}" end
    if not name then
      return nil, ("install: %s, got %s"):format(what == "--env"
        and "--env: expected NAME or NAME=VALUE" or "--header: expected NAME:VALUE", word)
    end
    out[#out + 1] = { name, secrets.template(text) }
  end
  return out
end

-- Replaces secrets in the texts of a server by their variables, with a word about it.
local function protect(server)
  local list = secrets.list()
  if #list == 0 then return true end
  local function hide(text, where)
    local hidden, names = secrets.hide(text, list)
    for _, name in ipairs(names) do
      io.stderr:write(("%s holds the value of %s; the entry refers to the variable\n"):format(
        terminal.clean(where), name))
    end
    return hidden
  end
  for _, pair in ipairs(server.env) do pair[2] = hide(pair[2], "--env " .. pair[1]) end
  for _, pair in ipairs(server.headers) do pair[2] = hide(pair[2], "--header " .. pair[1]) end
  for i, text in ipairs(server.args) do server.args[i] = hide(text, "argument " .. i) end
  if server.url and #select(2, secrets.hide(server.url, list)) > 0 then
    return nil, ("install: the address holds the value of %s; send it with --header"):format(
      select(2, secrets.hide(server.url, list))[1])
  end
  return true
end

-- The server of the command line; nil and a message.
local function server_of(options, program)
  local server = { name = options.name or default_name(options.server), args = {}, headers = {} }
  local text
  if not server.name:find "^[%w_-]+$" or #server.name > install.NAME then
    return nil, ('install: --name: expected up to %d letters, digits, "-" and "_", got %q'):format(
      install.NAME, server.name)
  end
  server.env, text = given_pairs(options.env or {}, "^([%a_][%w_]*)=(.*)$", "--env")
  if not server.env then return nil, text end
  server.headers, text = given_pairs(options.header or {}, "^([%w!#$%%&'*+.^_`|~-]+):%s*(.*)$",
    "--header")
  if not server.headers then return nil, text end
  if is_address(options.server) then
    if #server.env > 0 or options.command then
      return nil, "install: --env and arguments are for scripts; this is an address"
    end
    server.url = options.server
  else
    if #server.headers > 0 then
      return nil, "install: --header is for addresses; this is a script"
    end
    local path = file.absolute(options.server)
    if not file.exists(path) then
      return nil, ("install: %s: no such file, and no address"):format(options.server)
    end
    server.command, server.path = program, path
    server.args = { "run", path, table.unpack(options.command or {}) }
  end
  local ok
  ok, text = protect(server)
  if not ok then return nil, text end
  for _, list in ipairs { server.args, { program }, { server.url }, options.env or {},
    options.header or {} } do
    for _, word in ipairs(list) do
      if type(word) == "string" and not utf8.len(word) then
        return nil, ("install: expected UTF-8, which configuration files are in, got %s"):format(
          terminal.clean(word))
      end
    end
  end
  return server
end

-- Does a link with this entry carry what others must not see?
local function may_be_secret(server)
  for _, list in ipairs { server.env, server.headers } do
    for _, pair in ipairs(list) do
      if type(pair[2]) == "string" then return true end
    end
  end
  return server.url and server.url:find "^[^/]*//[^/]*@" ~= nil
end

local function print_entry(host, server, entry)
  local editor = hosts.editor(host)
  io.stdout:write(editor.show(host.keys, server.name, entry))
  if not host.link then return exit.OK end
  if may_be_secret(server) then
    io.stderr:write "no link: it would carry the values of --env and --header\n"
  else
    io.stderr:write(host.link(server.name, entry), "\n")
  end
  return exit.OK
end

-- The new text of the file, what to remember, or nil and a message.
local function changed(at, server, entry, own, options)
  local text, name = at.file.text or "", server.name
  local found, wrong = at.editor.find(text, at.keys, name)
  if wrong then return nil, ("%s: %s"):format(at.file.path, wrong) end
  if not found then
    local new, undo = at.editor.put(text, at.keys, name, entry)
    if not new then return nil, ("%s: %s"):format(at.file.path, undo) end
    return new, undo
  end
  local new
  new, wrong = at.editor.update(text, at.keys, name, entry, own)
  if not new then return nil, ("%s: %s"):format(at.file.path, wrong) end
  if new ~= text and not options.force then
    return nil, ("install: %s has a server %s already: --force changes it, --name gives this "
      .. "one another name"):format(at.host.title, name)
  end
  return new
end

local function write(at, server, new, undo)
  local record, text = place.record(at)
  if text then return exit.fail(exit.OTHER, "nothing was changed: " .. text) end
  local kept, status = place.keep(at)
  if not kept then return status end
  local folders
  folders, text = file.write(at.file, new, at.scope == "user")
  if not folders then return exit.fail(exit.OTHER, "nothing was changed: " .. text) end
  if undo then
    record = record or { undo = undo, names = {}, created = at.file.text == nil,
      folders = require("mcp.value").array(folders) }
    record.names[server.name] = true
    local ok
    ok, text = file.remember(at.file.real, record)
    if not ok then
      io.stderr:write("luamcp: warning: uninstall may leave an empty table: ",
        terminal.clean(text), "\n")
    end
  end
  return exit.OK
end

function install.run(options)
  local program = program_path(options.called)
  local server, text = server_of(options, program)
  if not server then return exit.usage("%s", text) end
  if options.mcpb then return require("mcp.cli.host.mcpb").make(server, options) end
  if options.output or options.author then
    return exit.usage "install: --output and --author are for --mcpb"
  end
  local host, status
  if options.print and not options.client then
    host = hosts.GENERIC
  else
    host, status = place.host("install", options)
    if not host then return status end
  end
  local entry, own, is_bridged = hosts.entry(host, server, program)
  if not entry then return exit.usage("install: %s", own) end
  if options.print then return print_entry(host, server, entry) end
  local at
  at, status = place.open("install", options)
  if not at then return status end
  local folder = at.file.path:match "^(.*)/"
  if options.scope == "user" and not options.force and not file.exists(folder) then
    return exit.usage("install: %s: no such folder: is %s installed, and has it been started? "
      .. "--force makes the folder", folder, host.title)
  end
  local new, undo = changed(at, server, entry, own, options)
  if not new then return exit.fail(exit.OTHER, undo) end
  if new == at.file.text then
    io.stderr:write(("%s has the server %s already\n"):format(host.title, server.name))
    return exit.OK
  end
  local go
  go, status = place.agree(at, new, options)
  if not go then return status end
  at.scope = options.scope
  status = write(at, server, new, undo)
  if status ~= exit.OK then return status end
  io.stderr:write(("%s: %s is in %s%s\nnext: %s\n"):format(host.title, server.name,
    terminal.clean(at.file.path), is_bridged and ", by way of luamcp bridge" or "", host.restart))
  return exit.OK
end

return install
