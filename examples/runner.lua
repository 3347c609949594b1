-- SPDX-License-Identifier: MIT
-- Runs the targets of a Makefile, or the scripts of a folder, with live progress.
--
--   luamcp run examples/runner.lua [FOLDER]
local mcp = require "mcp"

local FOLDER = arg and arg[1] or "."

-- What clients may run: a fixed list, never their own words.
local COMMANDS = {
  status = { "git", "status", "--short" },
  log = { "git", "log", "--oneline", "-20" },
  count = { "sh", "-c", "for i in 1 2 3 4 5; do echo step $i of 5; sleep 0.1; done; exit 3" },
  files = { "find", ".", "-name", ".git", "-prune", "-o", "-type", "f", "-print" },
}

-- Lines of output that are returned; all of them are shown as progress.
local KEPT = 200

local names = {}
for name in pairs(COMMANDS) do names[#names + 1] = name end
table.sort(names)

local app = mcp.server { name = "runner", instructions = "Runs commands in " .. FOLDER }

app:tool "run" {
  description = "Run a command; each line of its output is reported as progress",
  input = { command = mcp.enum(names) },
} (function(args, ctx)
  local words = { stderr = "merge", stdin = "", cwd = FOLDER,
    table.unpack(COMMANDS[args.command]) }
  -- Cancelling the call ends the command and all that it has started.
  local process <close>, text = mcp.process.start(words)
  if not process then return nil, text end
  local lines, count = {}, 0
  for line in process:lines() do
    count = count + 1
    if count <= KEPT then lines[count] = line end
    ctx:progress(count, nil, line)
  end
  local result
  result, text = process:wait()
  if not result then return nil, text end
  return { code = result.code, signal = result.signal, count = count,
    output = table.concat(lines, "\n") }
end)

app:run()
