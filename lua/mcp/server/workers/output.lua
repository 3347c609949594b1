-- SPDX-License-Identifier: MIT
-- output: what workers write to standard error, line by line on the supervisor's, with the number
-- of the worker.
local core = require "mcp.core"

local output = {}

---A line without an end, in bytes: it is passed on in pieces.
output.LINE = 64 << 10

---Writes a line that is for people or for programs that wait for it, not for a log.
---@param text string
function output.say(text)
  if core.log_format() == "json" then return core.log_asked(text) end
  io.stderr:write(text, "\n")
end

-- A line of JSON stays one.
local function marked(line, number)
  if not number then return line end
  if core.log_format() == "json" and line:find '^{"' then
    return ('{"worker":%d,%s'):format(number, line:sub(2))
  end
  return ("[%d] %s"):format(number, line)
end

-- A message of several lines is kept as one, up to so many bytes.
local SAID = 1024

---Makes a function that gets lines one by one and returns what the last message of them says: in
---one line, without a traceback.
---@return fun(line: string): string
function output.last_message()
  local said, in_trace = "", false
  return function(line)
    if core.log_format() == "json" and line:find "^{" then
      local entry = core.decode(line)
      line = type(entry) == "table" and type(entry.message) == "string" and entry.message or line
    end
    local text = line:gsub("^luamcp: ", ""):gsub("^error: ", "")
    if text:find "^stack traceback:" then
      in_trace = true
    elseif not text:find "^%s" then
      said, in_trace = text, false
    elseif not in_trace and #said < SAID then
      said = said .. " " .. text:match "^%s*(.*)"
    end
    return said
  end
end

---Passes on what a process writes to standard error, to its end.
---@param process mcp.Process
---@param number fun(): integer|false the worker's, or false: lines are passed on as they are
---@param on_line fun(line: string)
function output.relay(process, number, on_line)
  local rest = ""
  local function pass(line)
    if line:find "%S" then on_line(line) end
    io.stderr:write(marked(line, number()), "\n")
  end
  for piece in function() return (process:read_error()) end do
    rest = rest .. piece
    local at = 1
    while true do
      local stop = rest:find("\n", at, true)
      if not stop then break end
      pass(rest:sub(at, stop - 1))
      at = stop + 1
    end
    rest = rest:sub(at)
    if #rest > output.LINE then
      pass(rest)
      rest = ""
    end
  end
  if rest ~= "" then pass(rest) end
end

return output
