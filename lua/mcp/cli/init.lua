-- SPDX-License-Identifier: MIT
-- cli: the luamcp command. Chooses the verb; each verb is a module of its own beside this one.
-- `run` is the only one that starts without the command-line parser, so that a server starts fast.
local exit = require "mcp.cli.exit"

local cli = {}

-- Is the first word a script, rather than a misspelt verb?
local function is_script(word)
  if word:find "%.lua$" or word:find "/" then return true end
  local file <close> = io.open(word, "rb")
  return file ~= nil
end

local function unknown_word(word)
  local verbs = require "mcp.cli.verbs"
  local meant = require("mcp.nearest").find(word, verbs.names())
  return exit.usage("%s: no such command or file; %s", word,
    meant and ("did you mean luamcp %s?"):format(meant) or "luamcp --help lists the commands")
end

---Runs the command line.
---@param args table the words of the command line, [0] is the program
---@return integer status see mcp.cli.exit
function cli.main(args)
  local bundled = package.loaded["mcp.bundle"] -- the program was made by luamcp bundle
  if bundled and bundled.opened then
    local wrong = require("mcp.cli.log_level").error()
    if wrong then return exit.usage("%s", wrong) end
    return require "mcp.cli.run" (args, bundled)
  end
  local word = args[1]
  if word == "help" and not is_script(word) then
    -- As other programs have it: luamcp help call.
    if args[2] then return cli.main { [0] = args[0], args[2], "--help" } end
    word = "--help"
  end
  if word == "--help" or word == "-h" then
    io.stdout:write(require("mcp.cli.verbs").help())
    return exit.OK
  end
  if word == "--version" or word == "-v" then word = "version" end
  if word == nil then
    io.stderr:write(require("mcp.cli.verbs").help())
    return exit.OTHER
  end
  local wrong = require("mcp.cli.log_level").error()
  if wrong then return exit.usage("%s", wrong) end
  -- All others need the core, which cannot start without descriptors and memory.
  local started, reason = pcall(require, "mcp.core")
  if not started then return exit.usage("%s", tostring(reason)) end
  if word == "run" then return require "mcp.cli.run" (table.move(args, 2, #args, 1, {})) end
  if word:sub(1, 1) == "-" then return require "mcp.cli.run" (args) end
  local verbs = require "mcp.cli.verbs"
  if verbs.known(word) then
    return require("mcp.cli.command").run(word, table.move(args, 2, #args, 1, {}), args[0])
  end
  if is_script(word) then return require "mcp.cli.run" (args) end
  return unknown_word(word)
end

return cli.main
