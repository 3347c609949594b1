-- SPDX-License-Identifier: MIT
-- process: commands of other programs, run without blocking and without a shell. Checks what the
-- user wrote and says what went wrong; src/lua/lprocess.c starts, reads and ends.
local core = require "mcp.core"
local error_in = require("mcp.options").error_in

local process = {}

-- Output that fills memory: what `run` keeps of both outputs together. In bytes.
process.LIMIT = 4 << 20
-- Arguments from a list without end; the system would refuse them anyway.
process.WORDS = 4096

local START = {
  cwd = "string", env = "table", clean_env = "boolean", stdin = "string", stdout = "string",
  stderr = "string",
}
local RUN = { timeout = "number", limit = "number" }
for name, types in pairs(START) do RUN[name] = types end

local STDOUT = { capture = true, discard = true }
local STDERR = { capture = true, merge = true, inherit = true, discard = true }

-- Ends of a wait after which a loop over lines ends quietly: its task ends as well.
local QUIET = { ECANCELED = true, ETIMEDOUT = true, ECLOSED = true }

local SHELL = 'option "shell": no shell is used, because it would run text from a client as '
  .. 'commands; write the program and each argument apart, such as { "git", "log", path }. If you '
  .. 'need a pipeline, name the shell and give values as arguments: '
  .. '{ "sh", "-c", "sort \\"$1\\" | uniq", "sh", path }'

-- What can be done about a failure to start.
local ADVICE = {
  EACCES = "is it a file that may be executed?",
  E2BIG = "pass large data through stdin or a file",
  EMFILE = "close what is not needed, or raise the limit of open files (ulimit -n)",
  ENFILE = "the whole system has too many open files",
  EAGAIN = "the limit of processes is reached (ulimit -u)",
  ENOEXEC = "it is not a program of this machine",
}

-- --- options ----------------------------------------------------------------------------------

-- The program and its arguments, as strings.
local function words_of(given)
  local words, count = {}, #given
  for key, value in pairs(given) do
    if math.type(key) == "integer" then
      if key < 1 or key > count then error(("argument %d: a nil precedes it"):format(key), 0) end
      if math.type(value) then value = tostring(value) end
      if type(value) ~= "string" then
        error(("argument %d: expected a string, got %s"):format(key, type(value)), 0)
      end
      if value:find("\0", 1, true) then
        error(("argument %d: contains a zero byte; pass such data through stdin"):format(key), 0)
      end
      words[key] = value
    end
  end
  if not words[1] or words[1] == "" then
    error('expected the program and its arguments, such as { "git", "log" }', 0)
  end
  return words
end

local function check_choice(name, value, choices)
  if value == nil or choices[value] then return end
  error(("option %q: expected one of %s, got %q"):format(name,
    require("mcp.nearest").list(require("mcp.nearest").keys(choices)), value), 0)
end

local function check_env(env)
  for name, value in pairs(env or {}) do
    if type(name) ~= "string" or name == "" or name:find("[=%z]") then
      error(("env: expected a name without \"=\", got %q"):format(tostring(name)), 0)
    end
    if value ~= false and (type(value) ~= "string" or value:find("\0", 1, true)) then
      error(("env: %s: expected a string, or false to remove it"):format(name), 0)
    end
  end
end

-- Splits what the user wrote into words and options; raises (level 0).
local function read(given, known)
  if type(given) ~= "table" then
    error(('expected a table such as { "git", "log" }, got %s'):format(type(given)), 0)
  end
  if given.shell then error(SHELL, 0) end
  local words, options = words_of(given), {}
  for name, value in pairs(given) do
    if math.type(name) ~= "integer" then options[name] = value end
  end
  local message = error_in(options, known)
  if message then error(message, 0) end
  check_env(options.env)
  check_choice("stdout", options.stdout, STDOUT)
  check_choice("stderr", options.stderr, STDERR)
  local limit, timeout = options.limit, options.timeout
  if limit and not (math.type(limit) == "integer" and limit >= 0) then
    error(("option \"limit\": expected a whole number of bytes, got %s"):format(limit), 0)
  end
  if timeout and not (timeout > 0 and timeout < 1e9) then
    error(("option \"timeout\": expected seconds, more than 0, got %s"):format(timeout), 0)
  end
  return words, options
end

-- --- starting ---------------------------------------------------------------------------------

local function failure_to_start(words, text, code)
  if code == "ENOENT" and not text:find("^cwd ") then
    text = words[1]:find("/", 1, true) and "no such program" or "no such program in PATH"
    if #words == 1 and words[1]:find " " then
      local apart = {}
      for word in words[1]:gmatch "%S+" do apart[#apart + 1] = ("%q"):format(word) end
      text = ("%s; write the program and its arguments apart: { %s }"):format(text,
        table.concat(apart, ", "))
    end
  elseif ADVICE[code] then
    text = ("%s; %s"):format(text, ADVICE[code])
  end
  return nil, ("cannot start %q: %s"):format(words[1], text), code
end

local function open(words, options)
  if #words > process.WORDS then
    return failure_to_start(words, ("%d arguments, at most %d can be passed"):format(#words,
      process.WORDS), "E2BIG")
  end
  local made, text, code = core.process {
    command = words[1], args = table.move(words, 2, #words, 1, {}), env = options.env,
    cwd = options.cwd, clean_env = options.clean_env, stderr = options.stderr,
    no_output = options.stdout == "discard",
  }
  if not made then return failure_to_start(words, text, code) end
  return made
end

-- A process need not read all of its input, so that it does not is no failure.
local function feed(made, text)
  made:write(text)
  made:close_stdin()
end

local function give_input(made, text)
  if text == "" then
    made:close_stdin()
  else
    core.spawn(feed, made, text)
  end
end

-- --- public -----------------------------------------------------------------------------------

---@class mcp.ProcessOptions
---@field [integer] string|number the program and its arguments, each one apart
---@field cwd? string the folder it starts in
---@field env? table<string, string|false> variables added to those of this process; false removes
---@field clean_env? boolean start without the variables of this process
---@field stdin? string what it reads; its input has ended after that
---@field stdout? "capture"|"discard"
---@field stderr? "capture"|"merge"|"inherit"|"discard" merge: into stdout; inherit: ours

---@class mcp.ProcessRunOptions: mcp.ProcessOptions
---@field timeout? number seconds until it is ended, not limited if not given
---@field limit? integer bytes of stdout and stderr together, 4 MiB if not given

---@class mcp.ProcessResult
---@field code? integer its exit status, unless a signal ended it
---@field signal? string such as "SIGKILL"
---@field stdout string
---@field stderr string

---Runs a program to its end and returns what it wrote. No shell is involved. When the task that
---calls this is cancelled, fails or times out, the program and its descendants are ended: TERM,
---after a second KILL.
---@param options mcp.ProcessRunOptions
---@return mcp.ProcessResult? result
---@return string? message
---@return string? code "ENOENT", "EACCES", "E2BIG", "EMFILE"; "ETIMEDOUT", "ETOOBIG", "ECANCELED"
---@return mcp.ProcessResult? partial what it had written by then; stdout and stderr only
function process.run(options)
  local ok, words, rest = pcall(read, options, RUN)
  if not ok then error("mcp.process.run: " .. words, 2) end
  local made <close>, text, code = open(words, rest)
  if not made then return nil, text, code end
  give_input(made, rest.stdin or "")
  local limit = rest.limit or process.LIMIT
  local result
  result, text, code = made:collect(limit, rest.timeout)
  local stdout, stderr = made:take()
  if result then
    result.stdout, result.stderr = stdout, stderr
    return result
  end
  if code == "ETOOBIG" then
    text = ("it wrote more than %d bytes and was ended; raise the limit, or read bit by bit with "
      .. "mcp.process.start"):format(limit)
  elseif code == "ETIMEDOUT" and rest.timeout then
    text = ("it ran longer than %g seconds and was ended"):format(rest.timeout)
  end
  return nil, ("%q: %s"):format(words[1], text), code, { stdout = stdout, stderr = stderr }
end

---Starts a program and returns at once. It ends, with its descendants, when the process is closed
---or collected, and at the latest when the handler (the task) that started it ends. A process that
---is started outside any handler ends with this program.
---@param options mcp.ProcessOptions
---@return mcp.Process? process
---@return string? message
---@return string? code "ENOENT", "EACCES", "E2BIG", "EMFILE", …
function process.start(options)
  local ok, words, rest = pcall(read, options, START)
  if not ok then error("mcp.process.start: " .. words, 2) end
  local made, text, code = open(words, rest)
  if not made then return nil, text, code end
  if rest.stdin then give_input(made, rest.stdin) end
  return made
end

local methods = core.process_methods()
local misspelt = require("mcp.misspelt").index("a process", function()
  local names = require("mcp.nearest").keys(methods)
  names[#names + 1] = "pid"
  return names
end, 3)

-- Between the user's line and this function is the C function that looks members up.
setmetatable(methods, { __index = function(object, key)
  local ok, text = pcall(misspelt, object, key)
  if not ok then error(text, 3) end
  return nil
end })

---The lines of its standard output, without their ends ("\n" or "\r\n"); a last one without an end
---too. The loop ends with the output, or when the task is cancelled. Raises what else goes wrong.
---@param longest? integer bytes; a longer line comes in pieces, 1 MiB if not given
---@return fun(): string?
function methods:lines(longest)
  if (debug.getmetatable(self) or {}).__name ~= "mcp.process" then
    error("process:lines is called with a colon, not with a dot", 2)
  end
  return function()
    local line, text, code = self:line(longest)
    if line or not text or QUIET[code] then return line end
    error(text, 2)
  end
end

return process
