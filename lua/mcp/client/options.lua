-- SPDX-License-Identifier: MIT
-- misuse: what is said to who calls the client wrongly: an error at the line of the call, and the
-- nearest of the names that would have been right.
local misuse = {}

-- Where our own files are: a level of the stack that is there is not the caller's.
local HERE = debug.getinfo(1, "S").source:match "^(.*)options%.?l?u?a?$"

-- Options of a client that others look for in its transport.
local OF_CLIENT = { timeout = true, max_timeout = true, client = true, roots = true,
  on_elicit = true, on_sample = true, on_change = true, on_log = true }

---Raises an error at the first line of the stack that is not the client's.
---@param text string
---@param ... any for string.format
function misuse.raise(text, ...)
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

---Raises unless each member of `given` is known and of its type.
---@param what string whose options they are
---@param given any nil, or a table
---@param known table<string, string> types by name, several split by "|"; "any"
---@return table given
function misuse.check(what, given, known)
  if given == nil then return {} end
  if type(given) ~= "table" then
    misuse.raise("%s: a table of options expected, got %s", what, type(given))
  end
  for name, member in pairs(given) do
    local kinds = known[name]
    if not kinds then
      local nearest = require "mcp.nearest"
      if OF_CLIENT[name] then
        misuse.raise("%s: %q is no option here, but one of the options (second argument) of "
          .. "mcp.session and mcp.connect", what, name)
      end
      misuse.raise("%s: %s", what, nearest.unknown("option", tostring(name), nearest.keys(known)))
    end
    if kinds ~= "any" and not ("|" .. kinds .. "|"):find("|" .. type(member) .. "|", 1, true) then
      misuse.raise("%s: option %q: %s expected, got %s", what, name, (kinds:gsub("|", " or ")),
        type(member))
    end
  end
  return given
end

---Raises unless it is seconds.
---@param what string
---@param name string
---@param given number|nil
function misuse.seconds(what, name, given)
  if given ~= nil and not (given >= 0 and given < 1e9) then
    misuse.raise("%s: option %q: seconds, 0 or more, expected, got %s", what, name, given)
  end
end

---Raises unless it is a text that is not empty.
---@param what string
---@param name string
---@param given any
---@return string given
function misuse.text(what, name, given)
  if type(given) ~= "string" or given == "" then
    misuse.raise("%s: %s: a string expected, got %s", what, name,
      given == "" and "an empty one" or type(given))
  end
  return given
end

return misuse
