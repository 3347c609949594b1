-- SPDX-License-Identifier: MIT
-- address: reads where to listen from an option such as 8000, "127.0.0.1:8000", "[::1]:8000/mcp" or
-- a table. Errors are raised without a position; the caller adds the user's line.
local check = require("mcp.options").check

local address = {}

---The default host and path, which clients expect.
address.HOST, address.DEFAULT_PATH = "127.0.0.1", "/mcp"
local PORT = 8000

local HTTP = { host = "string", port = "number", path = "string" }
local UNIX = { path = "string", mode = "number" }


local function from_table(what, given)
  local out = { host = address.HOST, port = PORT, path = address.DEFAULT_PATH }
  check(what, given, HTTP, 0)
  for key, value in pairs(given) do out[key] = value end
  local port = math.tointeger(out.port)
  if not port or port < 0 or port > 65535 then
    error(("%s: port: expected an integer from 0 to 65535, got %s"):format(what, out.port), 0)
  end
  if out.path:sub(1, 1) ~= "/" then
    error(("%s: path: expected a path that begins with /, got %q"):format(what, out.path), 0)
  end
  if out.path:find "[%s?#%c]" then
    error(("%s: path: expected the characters of a path, got %q"):format(what, out.path), 0)
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

---Is it reachable from this machine only, under a name that Host may have? Decided from the text.
---@param at table as `read` returns it
---@return boolean
function address.is_loopback(at)
  return at.host == "localhost" or at.host == "::1" or at.host == address.HOST
end

---Reads the place of a socket file: its path, or a table of path and mode.
---@param given any
---@return table address { unix, mode, path }
function address.unix(given)
  if type(given) == "string" then given = { path = given } end
  if type(given) ~= "table" then
    error(('unix: expected a path such as "/run/mcp.sock", got %s'):format(type(given)), 0)
  end
  check("unix", given, UNIX, 0)
  local path = given.path and given.path:gsub("^unix:", "")
  if not path or path == "" then error("unix: path: expected the path of a socket file", 0) end
  local mode = given.mode and math.tointeger(given.mode)
  if given.mode and not (mode and mode >= 0 and mode <= 0x1ff) then
    error(("unix: mode: expected the bits of a file mode such as tonumber(\"600\", 8), got %s")
      :format(given.mode), 0)
  end
  return { unix = path, mode = mode, path = address.DEFAULT_PATH }
end

---The address for clients.
---@param at table as `read` or `unix` returns it
---@param scheme string
---@param port integer|nil the real one
---@return string url
function address.url(at, scheme, port)
  if at.unix then return "unix:" .. at.unix end
  local host = at.host:find(":", 1, true) and "[" .. at.host .. "]" or at.host
  return ("%s://%s:%d%s"):format(scheme, host, port, at.path)
end

---What to say where an address cannot be had.
---@param at table as `read` or `unix` returns it, with `what`: the option it was given for
---@param text string why
---@param code string
---@return string line
function address.refusal(at, text, code)
  local advice = ""
  if code == "EADDRINUSE" then
    advice = at.port and ("; choose another with %s = PORT or --%s PORT"):format(at.what, at.what)
      or "; a server answers there, or it is no socket"
  end
  return ("cannot listen on %s: %s%s"):format(at.unix or ("%s port %d"):format(at.host, at.port),
    text, advice)
end

return address
