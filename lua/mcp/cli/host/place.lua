-- SPDX-License-Identifier: MIT
-- place: the file of a host that a command changes: options, finding it, asking and writing.
local diff = require "mcp.cli.diff"
local exit = require "mcp.cli.exit"
local file = require "mcp.cli.host.file"
local hosts = require "mcp.cli.host.hosts"
local terminal = require "mcp.cli.terminal"

local place = {}

---@param parser table of argparse
function place.define(parser)
  parser:option "--client" :argname "HOST"
    :description("The host: " .. table.concat(hosts.ids(), ", ") .. ".")
  parser:option "--scope" :argname "user|project" :choices { "user", "project" } :default "user"
    :description "Whose configuration: the user's, or that of the project in the working directory."
  parser:flag "--dry-run" :description "Show the change and make none."
  parser:flag "-y --yes" :description "Do not ask."
end

local function path_of(host, scope)
  local program = package.loaded["mcp.program"]
  local path = hosts.path(host, scope, file.here(), program and program.system or "linux",
    os.getenv)
  if path and host.other and not file.exists(path) then
    local other = path:gsub(host.other, host.other_name)
    if file.exists(other) then return other end
  end
  return path
end

-- The hosts that seem to be here: those that have their file, or its folder.
local function present()
  local list = {}
  for _, id in ipairs(hosts.ids()) do
    local path = path_of(hosts.find(id), "user")
    local folder = path:match "^(.*)/"
    if file.exists(path) or folder ~= os.getenv "HOME" and file.exists(folder) then
      list[#list + 1] = id
    end
  end
  return list
end

---The host of the command line, or nil and the exit status.
---@param verb string
---@param options table
---@return table|nil host
---@return integer|nil status
function place.host(verb, options)
  if not options.client then
    local list = present()
    return nil, exit.usage("%s: expected --client HOST; %s", verb, #list > 0
      and "here are " .. table.concat(list, ", ")
      or "hosts are " .. table.concat(hosts.ids(), ", "))
  end
  local host = hosts.find(options.client)
  if host then return host end
  local meant = require("mcp.nearest").find(options.client, hosts.ids())
  return nil, exit.usage("%s: --client: unknown host %q; %s", verb, options.client,
    meant and ("did you mean %s?"):format(meant)
    or "hosts are " .. table.concat(hosts.ids(), ", "))
end

---@class mcp.cli.Place
---@field host table
---@field editor table
---@field file mcp.cli.HostFile
---@field keys string[] the way to the table of servers

---Reads the file of the host.
---@param verb string
---@param options table
---@return mcp.cli.Place|nil
---@return integer|nil status
function place.open(verb, options)
  local host, status = place.host(verb, options)
  if not host then return nil, status end
  local path = path_of(host, options.scope)
  if not path then
    return nil, exit.usage("%s: %s has no file for a project; use --scope user", verb, host.title)
  end
  local read, text = file.read(file.absolute(path))
  if not read then return nil, exit.fail(exit.OTHER, text) end
  local editor = hosts.editor(host)
  local ok
  ok, text = editor.check(read.text or "")
  if not ok then
    return nil, exit.fail(exit.OTHER, ("%s: %s; correct it first, it has not been changed"):format(
      read.path, text))
  end
  local keys = host.keys
  if host.keys_of and (read.text or ""):find "%S" then
    local decoded = require("mcp.core").decode(require("mcp.jsonc").plain(read.text))
    keys = host.keys_of(decoded) or keys
  end
  return { host = host, editor = editor, file = read, keys = keys }
end

---Shows the change. Asks whether to make it, unless the command line says so already.
---@param at mcp.cli.Place
---@param new string|nil nil: the file is removed
---@param options table
---@return boolean go
---@return integer|nil status if it does not go on
function place.agree(at, new, options)
  io.stdout:write(diff.text(at.file.path, at.file.text, new))
  io.stdout:flush()
  if options.dry_run then return false, exit.OK end
  if options.yes then return true end
  if not (terminal.is_terminal(0) and terminal.is_terminal(2)) then
    return false, exit.usage("nothing was changed: there is no terminal to ask at; "
      .. "--yes makes the change")
  end
  io.stderr:write(("change %s? [y/N] "):format(terminal.clean(at.file.path)))
  local line = io.stdin:read "l"
  if line and line:find "^[yY]" then return true end
  io.stderr:write "nothing was changed\n"
  return false, exit.OTHER
end

---Keeps a copy of the file as it was, and says where.
---@param at mcp.cli.Place
---@return boolean kept
---@return integer|nil status
function place.keep(at)
  if not at.file.text then return true end
  local path, text = file.keep(at.file, at.host)
  if not path then
    return false, exit.fail(exit.OTHER, "nothing was changed: no copy could be kept: " .. text)
  end
  io.stderr:write("a copy of the file is ", terminal.clean(path), "\n")
  return true
end

---The entries of luamcp that are still in the file, by its record; nil: none.
---@param at mcp.cli.Place
---@return mcp.cli.HostRecord|nil record
---@return string|nil message
function place.record(at)
  local record, text = file.record(at.file.real)
  if not record then return nil, text end
  for name in pairs(record.names) do
    if not (at.file.text and at.editor.find(at.file.text, at.keys, name)) then
      record.names[name] = nil
    end
  end
  return next(record.names) and record or nil
end

return place
