-- SPDX-License-Identifier: MIT
-- stdio: a server that runs as a child process, reached by its standard input and output. It is
-- started without a shell and with few of our environment variables; src/net/process.c ends it.
local core = require "mcp.core"
local duplex = require "mcp.client.transport.duplex"
local usage = require "mcp.client.usage"

local stdio = {}

local OPTIONS = { command = "string|table", args = "table", env = "table", cwd = "string",
  stderr = "string|function", message_limit = "number",
  -- Of an entry of an mcpServers file; the client reads it.
  pinned = "string|table" }

local STDERR = { inherit = true, null = true }

-- Appends the strings of a list of arguments to `out`.
local function strings_of(what, name, given, out)
  for i, word in ipairs(given or {}) do
    if type(word) == "number" then word = tostring(word) end
    if type(word) ~= "string" or word:find("\0", 1, true) then
      usage.raise("%s: %s[%d]: expected a string, got %s", what, name, i,
        type(word) == "string" and "a string with a NUL" or type(word))
    end
    out[#out + 1] = word
  end
  return out
end

---Reads the description of a child: { command =, args =, env =, cwd =, stderr = },
---{ "command", "arg", … }, or { command = { "command", "arg", … } }. Raises on an error in it.
---@param what string
---@param given table
---@return table child as core.connect_child takes it
function stdio.child(what, given)
  local named, listed = {}, {}
  for key, member in pairs(given) do
    if math.type(key) == "integer" then listed[key] = member else named[key] = member end
  end
  usage.check(what, named, OPTIONS)
  if listed[1] ~= nil and named.command ~= nil then
    usage.raise("%s: the command is given twice: drop the option command or the list", what)
  end
  local command = listed[1] ~= nil and listed or named.command
  local words = strings_of(what, "command", type(command) == "table" and command or { command }, {})
  if words[1] == nil or words[1] == "" then
    usage.raise("%s: command: expected the name of a program, got %s", what,
      words[1] and "an empty string" or "nothing")
  end
  if type(named.stderr) == "string" and not STDERR[named.stderr] then
    usage.raise('%s: stderr: expected "inherit", "null" or a function, got %q', what, named.stderr)
  end
  local env = {}
  for name, text in pairs(named.env or {}) do
    if type(text) == "number" then text = tostring(text) end
    -- false: the child does not inherit this variable.
    if type(name) ~= "string" or name == "" or name:find "[=%z]"
      or (text ~= false and (type(text) ~= "string" or text:find("\0", 1, true))) then
      usage.raise("%s: env: expected names with strings or false, such as { LANG = \"C\" }", what)
    end
    env[name] = text
  end
  local args = strings_of(what, "args", named.args, table.move(words, 2, #words, 1, {}))
  return {
    command = words[1], args = args,
    env = env, cwd = named.cwd, stderr = named.stderr or "inherit",
  }
end

---How much of a child's standard error is kept for an error's text, in bytes.
stdio.SAID = 1024

-- A function for the lines of standard error that keeps the last ones in `said`.
local function keeper(said, tell)
  local bytes = 0
  return function(line)
    local kept = line:sub(1, stdio.SAID)
    said[#said + 1], bytes = kept, bytes + #kept
    while bytes > stdio.SAID do bytes = bytes - #table.remove(said, 1) end
    if tell then return tell(line) end
  end
end

---A transport to a child, not started yet. Raises on an error in the options.
---@param given table command, args, env, cwd, stderr, message_limit
---@return mcp.client.Duplex
function stdio.new(given)
  if type(given) ~= "table" then
    usage.raise("mcp.stdio_client: expected { command =, args = }, got %s", type(given))
  end
  local child = stdio.child("mcp.stdio_client", given)
  local tell = child.stderr
  local self
  self = duplex.new("stdio", function(receive)
    if tell ~= "inherit" then
      self.said = {}
      child.stderr = keeper(self.said, type(tell) == "function" and tell or nil)
    end
    local host, text, code = core.connect_child(child, receive)
    if host then return host end
    if code == "ENOENT" and child.command:find " " and #child.args == 0 then
      text = text .. " (put only the program in command and its arguments in args)"
    end
    return nil, ("cannot start %s: %s"):format(child.command, text), code
  end, given)
  self.is_child, self.child = true, child
  return self
end

return stdio
