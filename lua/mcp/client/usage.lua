-- SPDX-License-Identifier: MIT
-- usage.lua: checks the arguments of the client's functions. An error is raised at the user's line,
-- however deep in luamcp it is found.
local error_in = require("mcp.options").error_in

local usage = {}

-- What the files of luamcp begin with: levels of the stack that are in them are skipped, for
-- mcp.connect_all and app:mount call the client, too.
local HERE = debug.getinfo(1, "S").source:match "^(.*)client[./]usage%.?l?u?a?$"

-- Options of a client that users look for in its transport.
local OF_CLIENT = { timeout = true, max_timeout = true, client = true, roots = true,
  on_elicit = true, on_sample = true, on_change = true, on_log = true }

---Raises an error at the first line of the stack that is outside of luamcp, or without a line if
---there is none, as in a task of luamcp's own.
---@param text string
---@param ... any for string.format
function usage.raise(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  local level = 2
  while true do
    local info = debug.getinfo(level, "S")
    if not info then error(text, 0) end
    if info.what ~= "C" and info.source:sub(1, #HERE) ~= HERE then break end
    level = level + 1
  end
  error(text, level)
end

---Raises unless each option is known and has its type.
---@param what string the function they belong to
---@param given any nil, or a table
---@param known table<string, string> the types of each option, see `mcp.options`
---@return table given
function usage.check(what, given, known)
  if given == nil then return {} end
  local message = error_in(given, known)
  if not message then return given end
  for name in pairs(type(given) == "table" and given or {}) do
    if OF_CLIENT[name] and not known[name] then
      usage.raise("%s: %q is not an option of the transport: pass it in the second argument of "
        .. "mcp.session or mcp.connect", what, name)
    end
  end
  usage.raise("%s: %s", what, message)
end

---Raises unless it is a duration in seconds, 0 or more.
---@param what string
---@param name string
---@param given number|nil
function usage.seconds(what, name, given)
  if given ~= nil and not (given >= 0 and given < 1e9) then
    usage.raise("%s: option %q: expected seconds, 0 or more, got %s", what, name, given)
  end
end

---Raises unless it is a string that is not empty.
---@param what string
---@param name string
---@param given any
---@return string given
function usage.text(what, name, given)
  if type(given) ~= "string" or given == "" then
    usage.raise("%s: %s: expected a string, got %s", what, name,
      given == "" and "an empty one" or type(given))
  end
  return given
end

return usage
