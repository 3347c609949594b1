-- SPDX-License-Identifier: MIT
-- uninstall: `luamcp uninstall NAME --client HOST`: takes a server out of the configuration of a
-- host. What install has made for it goes too: the table, the file, its folder.
local exit = require "mcp.cli.exit"
local file = require "mcp.cli.host.file"
local place = require "mcp.cli.host.place"
local terminal = require "mcp.cli.terminal"

local uninstall = { example = { "luamcp uninstall weather --client cursor",
  "luamcp uninstall weather --client vscode --scope project" } }

function uninstall.define(parser)
  parser:argument "name" :description "The name of the server in the host's file."
  place.define(parser)
end

-- The text without the entry; nil if the file goes; and what to remember then.
local function without(at, name, record)
  local undo = {}
  if record then
    record.names[name] = nil
    undo = record.undo
    undo.last = next(record.names) == nil
  end
  local new = at.editor.remove(at.file.text, at.keys, name, undo)
  if undo.last and at.editor.is_empty(new) then
    if record.created then return nil, nil end
    new = undo.blank or new
  end
  if undo.last then return new, nil end
  return new, record
end

function uninstall.run(options)
  local at, status = place.open("uninstall", options)
  if not at then return status end
  local name = options.name
  local found, wrong
  if at.file.text then found, wrong = at.editor.find(at.file.text, at.keys, name) end
  if wrong then
    return exit.fail(exit.OTHER, ("%s: %s; it has not been changed"):format(at.file.path, wrong))
  end
  if not found then
    return exit.fail(exit.TOOL, ("uninstall: %s has no server %s in %s"):format(at.host.title, name,
      at.file.path))
  end
  local record, text = place.record(at)
  if text then return exit.fail(exit.OTHER, "nothing was changed: " .. text) end
  local folders = record and record.folders
  local new, left = without(at, name, record)
  local go
  go, status = place.agree(at, new, options)
  if not go then return status end
  go, status = place.keep(at)
  if not go then return status end
  local ok
  if new then
    ok, text = file.write(at.file, new)
  else
    ok, text = file.remove(at.file, folders)
  end
  if not ok then return exit.fail(exit.OTHER, "nothing was changed: " .. text) end
  ok, text = file.remember(at.file.real, left)
  if not ok then io.stderr:write("luamcp: warning: ", terminal.clean(text), "\n") end
  io.stderr:write(("%s: %s is no longer in %s\nnext: %s\n"):format(at.host.title,
    terminal.clean(name), terminal.clean(at.file.path), at.host.restart))
  return exit.OK
end

return uninstall
