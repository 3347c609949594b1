-- SPDX-License-Identifier: MIT
-- command: runs one verb: parses its words, with argparse where they are not plain (plain.lua), and
-- prints mistakes in them.
--
-- A verb is a module with
--   define(parser, command)   adds arguments and options; `command` are the words after `--`
--   run(options)              returns the exit status
--   example                   one or more command lines for its help
local exit = require "mcp.cli.exit"
local verbs = require "mcp.cli.verbs"

local command = {}

---The widest that help is printed, in columns.
command.WIDTH = 80
-- The same for its first lines, which show how the command is used.
local USAGE_WIDTH = 70

-- Divides the words at the first `--`.
local function divide(words)
  for i, word in ipairs(words) do
    if word == "--" then
      return table.move(words, 1, i - 1, 1, {}), table.move(words, i + 1, #words, 1, {})
    end
  end
  return words, nil
end

local function asks_for_help(words)
  for _, word in ipairs(words) do
    if word == "--help" or word == "-h" then return true end
  end
  return false
end

---The parser of a verb.
---@param name string
---@param rest string[]|nil the words after `--`
---@return table parser of argparse
function command.parser(name, rest)
  local known, verb = verbs.known(name), require("mcp.cli." .. name)
  local found, argparse = pcall(require, "argparse")
  if not found then
    error("the Lua module argparse was not found when luamcp was built, nor now: "
      .. "apt-get install lua-argparse, or luarocks install argparse", 0)
  end
  local parser = argparse("luamcp " .. name)
    :add_help(false)
    :description(known[3]:gsub("^%l", string.upper) .. ".")
    :epilog("example: " .. table.concat(type(verb.example) == "table" and verb.example
      or { verb.example }, "\n         "))
    :help_max_width(math.min(command.WIDTH, require("mcp.cli.terminal").width(1)))
    :usage_max_width(math.min(USAGE_WIDTH, require("mcp.cli.terminal").width(1)))
  verb.define(parser, rest)
  parser:flag "-h --help" :description "Show this text."
  return parser
end

---A parser that knows all verbs: only for what is made from it, completions and the man page.
---@return table parser of argparse
function command.root()
  local root = require "argparse" "luamcp":add_help(false):help_max_width(command.WIDTH)
  for _, name in ipairs(verbs.names()) do
    local known = verbs.known(name)
    local parser = root:command(name):summary(known[3]):add_help(false)
    parser:description(known[3]:gsub("^%l", string.upper) .. ".")
    local verb = require(name == "run" and "mcp.cli.run_help" or "mcp.cli." .. name)
    verb.define(parser)
    parser:flag "-h --help" :description "Show this text."
  end
  return root
end

-- How the checks of the client begin, which raise where a verb calls it: a name that is empty, an
-- argument that JSON cannot hold. Here they are mistakes in the words of the command line.
local MISTAKES = { "^client:[%w_]+: ", "^mcp%.auth%.[%w_]+: ",
  "^[%w/]+: params cannot be JSON: " }

-- What is wrong with the command line, or the error with its traceback.
local function describe(raised)
  -- Without a position where no line of the stack is a user's.
  local text = tostring(raised):match "mcp/cli/[%w_]+%.lua:%d+: (.*)$"
    or type(raised) == "string" and raised
  for _, pattern in ipairs(MISTAKES) do
    if text and text:find(pattern) then
      return { mistake = text:gsub("^client:[%w_]+: ", ""):gsub("^mcp%.auth%.[%w_]+: ", "") }
    end
  end
  return { traceback = debug.traceback(tostring(raised), 2) }
end

local function report(name, failed)
  if failed.mistake then return exit.usage("%s: %s", name, failed.mistake) end
  io.stderr:write("luamcp: ", failed.traceback, "\n")
  return exit.OTHER
end

-- The status if what was printed is lost, on a full disk for example. That a reader has read enough
-- (`| head`) is no failure.
local function output_lost(status)
  local program = package.loaded["mcp.program"]
  if not program or status ~= exit.OK then return nil end
  local _, text = program.output()
  return text and exit.fail(exit.OTHER, "standard output: " .. text, "EOUTPUT")
end

---Runs a verb.
---@param name string
---@param words string[] what follows it on the command line
---@param program string|nil how luamcp was called: `options.called`
---@return integer status
function command.run(name, words, program)
  local own, rest = divide(words)
  local verb = require("mcp.cli." .. name)
  for _, word in ipairs(own) do exit.json = exit.json or word == "--json" end
  local options = require("mcp.cli.plain").read(verb.define, own, rest)
  if not options then
    local parser = command.parser(name, rest)
    if asks_for_help(own) then
      io.stdout:write(parser:get_help(), "\n")
      return exit.OK
    end
    local ok
    ok, options = parser:pparse(own)
    if not ok then
      return exit.usage("%s: %s; luamcp %s --help shows the usage", name,
        (tostring(options):gsub("^%u", string.lower):gsub("%.$", ""):gsub("\n", " ")), name)
    end
  end
  options.command, options.called = rest, program
  local ran, status = xpcall(verb.run, describe, options)
  if not ran then status = report(name, status) end
  local closing = package.loaded["mcp.closing"]
  if closing then closing.await() end
  return output_lost(status) or status
end

return command
