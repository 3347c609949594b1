-- SPDX-License-Identifier: MIT
-- address: where to listen, from an option such as 8000, "127.0.0.1:8000", "[::1]:8000/mcp",
-- a table. It raises, without a place, what is wrong with it.
local nearest = require "mcp.nearest"

local address = {}

---Where clients look for a server if nothing else was said.
address.HOST, address.DEFAULT_PATH = "127.0.0.1", "/mcp"
local PORT = 8000

local HTTP = { host = "string", port = "number", path = "string" }
local UNIX = { path = "string", mode = "number" }

---Names of a table, sorted, for an error that says what would have been right.
---@param what string
---@param name any
---@param known table
function address.unknown(what, name, known)
  error(nearest.unknown(what, tostring(name), nearest.keys(known)), 0)
end

local function from_table(what, given)
  local out = { host = address.HOST, port = PORT, path = address.DEFAULT_PATH }
  for key, value in pairs(given) do
    if not HTTP[key] then address.unknown(what .. " option", key, HTTP) end
    if type(value) ~= HTTP[key] then
      error(("%s: %s: expected a %s, got %s"):format(what, key, HTTP[key], type(value)), 0)
    end
    out[key] = value
  end
  local port = math.tointeger(out.port)
  if not port or port < 0 or port > 65535 then
    error(("%s: port: expected an integer from 0 to 65535, got %s"):format(what, out.port), 0)
  end
  if out.path:sub(1, 1) ~= "/" then
    error(("%s: path: %q does not begin with /"):format(what, out.path), 0)
  end
  if out.path:find "[%s?#%c]" then
    error(("%s: path: %q has a character that a path cannot have"):format(what, out.path), 0)
  end
  out.port = port
  return out
end

---Reads an address: 8000, "8000", "127.0.0.1:8000", "[::1]:8000", "localhost:8000/mcp", true for
---port 8000, or a table of host, port, path.
---@param given any
---@param what string|nil the option it was given for; "http" if not said
---@return table address { host, port, path }
function address.read(given, what)
  what = what or "http"
  if given == true then return from_table(what, {}) end
  if math.type(given) == "integer" then given = tostring(given) end
  if type(given) == "table" then return from_table(what, given) end
  if type(given) ~= "string" then
    error(('%s: expected an address such as "127.0.0.1:8000", got %s'):format(what, type(given)), 0)
  end
  local text = given:gsub("^%a+://", "")
  local authority, path = text:match "^([^/]*)(/.*)$"
  authority = authority or text
  local host, port = authority:match "^%[([%x:.]+)%]:(%d+)$"
  if not host then host, port = authority:match "^([^:%s]*):(%d+)$" end
  if not host then port = authority:match "^(%d+)$" end
  if not port then
    error(('%s: expected an address such as "127.0.0.1:8000" or "8000", got %q')
      :format(what, given), 0)
  end
  if tonumber(port) > 65535 then
    error(("%s: port: expected at most 65535, got %s"):format(what, port), 0)
  end
  if host == "*" then host = "0.0.0.0" end
  return from_table(what, {
    host = host ~= "" and host or nil, port = math.tointeger(tonumber(port)),
    path = path ~= "/" and path or nil,
  })
end

---Does only this machine reach it, by a name that Host may have? Decided from the text alone.
---@param at table what `read` gave
---@return boolean
function address.is_loopback(at)
  return at.host == "localhost" or at.host == "::1" or at.host == address.HOST
end

---Reads where a socket file shall be: its path, or a table of path and mode.
---@param given any
---@return table address { unix, mode, path }
function address.unix(given)
  if type(given) == "string" then given = { path = given } end
  if type(given) ~= "table" then
    error(('unix: expected a path such as "/run/mcp.sock", got %s'):format(type(given)), 0)
  end
  for key, value in pairs(given) do
    if not UNIX[key] then address.unknown("unix option", key, UNIX) end
    if type(value) ~= UNIX[key] then
      error(("unix: %s: expected a %s, got %s"):format(key, UNIX[key], type(value)), 0)
    end
  end
  local path = given.path and given.path:gsub("^unix:", "")
  if not path or path == "" then error("unix: path: expected the path of a socket file", 0) end
  local mode = given.mode and math.tointeger(given.mode)
  if given.mode and not (mode and mode >= 0 and mode <= 0x1ff) then
    error(("unix: mode: expected the bits of a file mode such as tonumber(\"600\", 8), got %s")
      :format(given.mode), 0)
  end
  return { unix = path, mode = mode, path = address.DEFAULT_PATH }
end

---Where clients find it.
---@param at table what `read` or `unix` gave
---@param scheme string
---@param port integer|nil the real one
---@return string url
function address.url(at, scheme, port)
  if at.unix then return "unix:" .. at.unix end
  local host = at.host:find(":", 1, true) and "[" .. at.host .. "]" or at.host
  return ("%s://%s:%d%s"):format(scheme, host, port, at.path)
end

return address
