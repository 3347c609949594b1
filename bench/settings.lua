-- SPDX-License-Identifier: MIT
-- settings: what `make bench NAME=value` says, out of the environment. A value that cannot be used
-- ends the program with one line.

local settings = {}

---@param name string
---@param default any
---@return any value a string, or the default where it is not set or empty
function settings.option(name, default)
  local value = os.getenv(name)
  if value == nil or value == "" then return default end
  return value
end

local function refuse(name, expected, value)
  io.stderr:write(("bench: %s: expected %s, got %q\n"):format(name, expected, value))
  os.exit(2)
end

---@param name string
---@param default number
---@return number value above 0
function settings.number(name, default)
  local value = settings.option(name, default)
  local n = tonumber(value)
  if not n or n <= 0 or n ~= n or n == math.huge then refuse(name, "a number above 0", value) end
  return n
end

---@param name string
---@param default integer
---@param reason string|nil why it cannot be a fraction
---@return integer value 1 or more
function settings.whole(name, default, reason)
  local value = settings.option(name, default)
  local n = math.tointeger(tonumber(value))
  if not n or n < 1 then
    refuse(name, "a whole number, 1 or more" .. (reason and (" (%s)"):format(reason) or ""), value)
  end
  return n
end

return settings
