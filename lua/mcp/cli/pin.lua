-- SPDX-License-Identifier: MIT
-- pin: `luamcp pin TARGET`: keeps fingerprints of what a server says of its tools, prompts and
-- resources, and shows what has changed since.
local exit = require "mcp.cli.exit"
local pin = require "mcp.pin"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"
local terminal = require "mcp.cli.terminal"

local verb = { example = { "luamcp pin https://mcp.example/mcp",
  "luamcp pin --check -- npx -y some-server" } }

function verb.define(parser, command)
  target.define(parser, command)
  parser:option "--file" :argname "FILE"
    :description("The lock file; default: the one that the entry of an mcpServers file names "
      .. "(pinned), else mcp.lock.")
  parser:option "--name" :argname "NAME"
    :description "The server's name in it; default: its address or command."
  parser:flag "--check"
    :description "Write nothing; exit with status 1 if something has changed."
  parser:flag "--yes" :description "Accept changes without asking."
end

local COLOURS = { ["+"] = "green", ["-"] = "red", ["~"] = "yellow" }

local function count(pins)
  local entries = 0
  for _, list in pairs(pin.LISTS) do
    for _ in pairs(pins[list.key] or {}) do entries = entries + 1 end
  end
  return entries
end

local function accepted(options)
  if options.yes then return true end
  if not (terminal.is_terminal(0) and terminal.is_terminal(2)) then return false end
  io.stderr:write "Accept these changes? [y/N] "
  return (io.stdin:read "l" or ""):lower():find "^%s*y" ~= nil
end

local function say(options, changes, written, pins, name)
  if options.json then
    show.json { name = name, file = options.file, entries = count(pins), written = written,
      changes = require("mcp.value").array(changes) }
    return
  end
  for _, change in ipairs(changes) do
    io.stdout:write(terminal.paint(1, COLOURS[change:sub(1, 1)], terminal.line(change)), "\n")
  end
end

function verb.run(options)
  local own = target.pinned(options)
  options.file = options.file or own and own.file or pin.FILE
  local name = options.name or own and own.name or pin.name_of(options.command or options.target)
  local servers, text, code = pin.read(options.file)
  if not servers then return exit.fail(exit.OTHER, text, code) end
  -- What has changed is to be seen.
  options.unpinned = true
  local client <close>, status = target.connect(options)
  if not client then return status end
  local pins
  pins, text, code = pin.take(client)
  if not pins then return exit.fail(exit.status_of(code), text, code, target.url(options)) end
  local before = servers[name]
  local changes = before and pin.changes(before, pins) or {}
  local missing = options.check and not before
  if missing or #changes > 0 then
    local write = before and not options.check
    if write and not options.json then say(options, changes, nil, pins, name) end
    write = write and accepted(options)
    if options.json or not before or options.check then say(options, changes, write, pins, name) end
    if missing then
      return exit.fail(exit.OTHER, ("%s: no pins of %s; luamcp pin makes them"):format(options.file,
        name), "EPIN")
    end
    if not write then
      return exit.fail(exit.OTHER, ("%s: %s has changed: %d %s"):format(options.file, name,
        #changes, #changes == 1 and "entry" or "entries")
        .. (options.check and "" or "; nothing was written (--yes accepts)"), "EPIN")
    end
  elseif options.json then
    say(options, changes, not before, pins, name)
  end
  if not options.check and (not before or #changes > 0) then
    servers[name] = pins
    local ok
    ok, text, code = pin.write(options.file, servers)
    if not ok then return exit.fail(exit.OTHER, text, code) end
  end
  if not options.json then
    io.stderr:write(("luamcp: %s: %s %d %s of %s\n"):format(options.file,
      (not before or #changes > 0) and "pinned" or "nothing has changed:", count(pins),
      count(pins) == 1 and "entry" or "entries", terminal.clean(name)))
  end
  return exit.OK
end

return verb
