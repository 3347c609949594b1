-- SPDX-License-Identifier: MIT
-- stdio: a server that is a child of ours, reached by its standard input and output. It is started
-- without a shell and with little of our environment; how it is ended, src/net/process.c knows.
local core = require "mcp.core"
local duplex = require "mcp.client.transport.duplex"
local usage = require "mcp.client.usage"

local stdio = {}

local OPTIONS = { command = "string|table", args = "table", env = "table", cwd = "string",
  stderr = "string|function", message_limit = "number" }

local STDERR = { inherit = true, null = true }

-- The words of a command, as a list of strings.
local function words_of(what, name, given, out)
  for i, word in ipairs(given or {}) do
    if type(word) == "number" then word = tostring(word) end
    if type(word) ~= "string" or word:find("\0", 1, true) then
      usage.raise("%s: %s[%d]: string expected, got %s", what, name, i,
        type(word) == "string" and "one with a NUL" or type(word))
    end
    out[#out + 1] = word
  end
  return out
end

---Reads what a child is: { command =, args =, env =, cwd =, stderr = }, { "command", "arg", … }, or
---{ command = { "command", "arg", … } }. Raises what is wrong with it.
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
    usage.raise("%s: command is there twice, by name and in the list", what)
  end
  local command = listed[1] ~= nil and listed or named.command
  local words = words_of(what, "command", type(command) == "table" and command or { command }, {})
  if words[1] == nil or words[1] == "" then usage.raise("%s: command: a string expected", what) end
  if type(named.stderr) == "string" and not STDERR[named.stderr] then
    usage.raise('%s: stderr: "inherit", "null" or a function expected, got %q', what, named.stderr)
  end
  local env = {}
  for name, text in pairs(named.env or {}) do
    if type(text) == "number" then text = tostring(text) end
    -- false: what the child would have of ours is taken away.
    if type(name) ~= "string" or name == "" or name:find "[=%z]"
      or (text ~= false and (type(text) ~= "string" or text:find("\0", 1, true))) then
      usage.raise("%s: env: names and strings expected", what)
    end
    env[name] = text
  end
  local args = words_of(what, "args", named.args, table.move(words, 2, #words, 1, {}))
  return {
    command = words[1], args = args,
    env = env, cwd = named.cwd, stderr = named.stderr or "inherit",
  }
end

---A transport to a child, not started yet. Raises what is wrong with what is given.
---@param given table command, args, env, cwd, stderr, message_limit
---@return mcp.client.Duplex
function stdio.new(given)
  if type(given) ~= "table" then
    usage.raise("mcp.stdio_client: { command =, args = } expected, got %s", type(given))
  end
  local child = stdio.child("mcp.stdio_client", given)
  local self = duplex.new("stdio", function(receive)
    local host, text, code = core.connect_child(child, receive)
    if host then return host end
    if code == "ENOENT" and child.command:find " " and #child.args == 0 then
      text = text .. " (command is the program alone; its arguments go in args)"
    end
    return nil, ("%s cannot be started: %s"):format(child.command, text), code
  end, given)
  self.is_child, self.child = true, child
  return self
end

return stdio
