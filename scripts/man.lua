-- SPDX-License-Identifier: MIT
-- man.lua: writes the man page luamcp(1), from the same table of commands as the help. Usage: lua
-- scripts/man.lua > luamcp.1
local verbs = require "mcp.cli.verbs"
local command = require "mcp.cli.command"

local function escape(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("…", "..."):gsub("\n([.'])", "\n\\&%1")
    :gsub("^([.'])", "\\&%1"))
end

local function write(...) io.write(...) end

write('.TH LUAMCP 1 "" "luamcp ', (require "mcp"._VERSION:match "%S+$"), '" "User Commands"\n')
write(".SH NAME\nluamcp \\- serve and use MCP servers\n.SH SYNOPSIS\n")
for _, name in ipairs(verbs.names()) do
  local known = verbs.known(name)
  write(".B luamcp ", name, "\n", escape(known[2]), "\n.br\n")
end
write(".SH DESCRIPTION\n", escape([[
luamcp runs Lua scripts that are MCP servers, and uses any MCP server from a shell.
A TARGET is an address, a Lua script, or a name from an mcpServers file; a command is given after
--, and TARGET is then left out.
]]))
write ".SH COMMANDS\n"
for _, name in ipairs(verbs.names()) do
  local known = verbs.known(name)
  write('.SS "luamcp ', name, " ", escape(known[2]), '"\n', escape((known[3]:gsub("^%l",
    string.upper))), ".\n")
  local parser
  if name == "run" then
    parser = require "argparse" "luamcp run":add_help(false)
      :help_max_width(command.WIDTH)
    require("mcp.cli.run_help").define(parser)
  else
    parser = command.parser(name)
  end
  local help = parser:get_help()
  local options = help:match "\nOptions:\n(.-)\n\n" or help:match "\nOptions:\n(.*)$"
  if options then write(".nf\n", escape(options), "\n.fi\n") end
end
write(".SH EXIT STATUS\n", [[
.TP
.B 0
success
.TP
.B 1
wrong usage, or a failure without its own number
.TP
.B 2
the tool has no app
.TP
.B 3
the server requires authorization
.TP
.B 4
the server cannot be reached, or the connection was lost
.TP
.B 5
the tool reported an error, or what was asked for does not exist
.TP
.B 130
interrupted
]])
write(".SH ENVIRONMENT\n", escape [[
MCP_LOG: wire, debug, info, notice, warning, error or off. NO_COLOR, CLICOLOR_FORCE: colours.
]])
write(".SH FILES\n", escape [[
.mcp.json, ~/.config/luamcp/mcp.json: servers by name. ~/.local/state/luamcp/tokens.json: tokens.
]])
