-- SPDX-License-Identifier: MIT
-- options: the options of `app:run` and `app:listen`, checked, as a list of what to open. It opens
-- nothing. It raises, without a place, what is wrong.
local address = require "mcp.server.listen.address"

local options = {}

local OPTIONS = { stdio = true, http = true, sse = true, websocket = true, unix = true,
  tls = true, security = true, limits = true, quiet = true, inspect = true }

local TLS = { cert = "string", key = "string", client_ca = "string", require = "boolean" }

local SECURITY = { dns_rebinding_protection = "boolean", allowed_hosts = "table",
  allowed_origins = "table", allowed_headers = "table", any_subprotocol = "boolean",
  prefix = "any" }

-- Limits of an HTTP listener: our names, and the core's.
local LIMITS = {
  body = "body_limit", connections = "connections", head_timeout = "head_timeout",
  body_timeout = "body_timeout", idle_timeout = "idle_timeout", stall_timeout = "stall_timeout",
  heartbeat = "heartbeat", fragments = "fragments", control_rate = "control_rate",
  control_burst = "control_burst", ping = "ping", silence = "silence",
  close_timeout = "close_timeout",
}

-- Those that are counts; the others are seconds.
local COUNTS = { body = true, connections = true, fragments = true, control_rate = true,
  control_burst = true }

-- Members of an option that is a table, each of its kind.
local function members(what, given, known)
  for key, value in pairs(given) do
    if not known[key] then address.unknown(what .. " option", key, known) end
    if known[key] ~= "any" and type(value) ~= known[key] then
      error(("%s: %s: expected a %s, got %s"):format(what, key, known[key], type(value)), 0)
    end
  end
end

-- Strings of a list, or an error that names the option.
local function strings(name, list)
  local out = {}
  for i, item in ipairs(list or {}) do
    if type(item) ~= "string" then
      error(("security: %s[%d]: expected a string, got %s"):format(name, i, type(item)), 0)
    end
    out[i] = item
  end
  return out[1] and out or nil
end

-- An origin is matched letter by letter: one that could never match is a mistake.
local function origins(list)
  local out = strings("allowed_origins", list)
  for i, item in ipairs(out or {}) do
    if item ~= "null" and not item:find "^%a[%w+.-]*://[^/%s*]+$"
      and not item:find "^%a[%w+.-]*://[^/%s*]+:%*$" then
      error(("security: allowed_origins[%d]: %q is no origin; \"https://app.example\" and "
        .. "\"http://localhost:*\" are"):format(i, item), 0)
    end
  end
  return out
end

local function hosts(list)
  local out = strings("allowed_hosts", list)
  for i, item in ipairs(out or {}) do
    if item:find "[/%s]" or item == "*" then
      error(("security: allowed_hosts[%d]: %q is no host; \"mcp.example\" is one"):format(i, item),
        0)
    end
  end
  return out
end

-- A field that a browser must not leave to a page (Fetch 2.2.2), or that is no name of a field,
-- could never be sent.
local function headers(list)
  local out = strings("allowed_headers", list)
  for i, item in ipairs(out or {}) do
    if not item:find "^[%w!#$%%&'*+%-.^_`|~]+$" or item == "*" or item:lower():find "^sec%-"
      or item:lower():find "^proxy%-" then
      error(("security: allowed_headers[%d]: expected the name of a header field such as "
        .. "\"X-API-Key\", got %q"):format(i, item), 0)
    end
  end
  return out
end

-- The beginning of our paths that a proxy cuts off: given here, or `true`: the proxy says it.
local function prefix(given)
  if type(given) == "boolean" or given == nil then return given or nil end
  if type(given) ~= "string" or #given > 256 or not given:find "^/[%w/._~-]*$"
    or given:find("//", 1, true) then
    error(("security: prefix: expected a path such as \"/tools\", or true for "
      .. "X-Forwarded-Prefix, got %s"):format(type(given) == "string" and ("%q"):format(given)
        or type(given)), 0)
  end
  return given
end

-- What every listener of HTTP gets, in the core's names.
local function shared(given)
  for _, name in ipairs { "security", "limits" } do
    local kind = type(given[name])
    if kind ~= "table" and kind ~= "nil" then
      error(("%s: expected a table, got %s"):format(name, kind), 0)
    end
  end
  local security = given.security or {}
  members("security", security, SECURITY)
  local out = {
    hosts = hosts(security.allowed_hosts), origins = origins(security.allowed_origins),
    guard = security.dns_rebinding_protection, any_protocol = security.any_subprotocol,
    headers = headers(security.allowed_headers), prefix = prefix(security.prefix),
  }
  for key, value in pairs(given.limits or {}) do
    if not LIMITS[key] then address.unknown("limit", key, LIMITS) end
    if type(value) ~= "number" or value < 0 then
      error(("limits: %s: expected a number, 0 or more, got %s"):format(key,
        type(value) == "number" and value or type(value)), 0)
    end
    if COUNTS[key] then
      value = math.tointeger(value)
      if not value or value > 0x7fffffff then
        error(("limits: %s: expected a whole number, less than 2^31"):format(key), 0)
      end
    end
    out[LIMITS[key]] = value
  end
  return out
end

-- What is in the files is found out when they are read: mcp.tls.
local function check_tls(tls)
  if type(tls) == "userdata" then return end -- a TLS context
  if type(tls) ~= "table" then error("tls: expected a table, got " .. type(tls), 0) end
  members("tls", tls, TLS)
  for _, name in ipairs { "cert", "key", "client_ca" } do
    if tls[name] == "" or name == "cert" and not tls.cert then
      error(("tls: %s: a file or its text is needed"):format(name), 0)
    end
  end
end

local function placed(what, at, scheme, common, sse, websocket)
  for key, value in pairs(common) do at[key] = value end
  at.what, at.scheme, at.sse, at.websocket = what, scheme, sse, websocket
  if sse then at.message_path = at.path:gsub("/$", "") .. "/message" end
  return at
end

-- The page at / can do everything that a client can, without authorization.
local function check_inspect(given, place)
  if given.websocket == false then error("inspect: the page needs websocket", 0) end
  if not place then error("inspect: the page needs http", 0) end
  if not address.is_loopback(place) then
    error(("inspect: the page is for this machine only: expected http at 127.0.0.1, ::1 or "
      .. "localhost, got %s"):format(place.host), 0)
  end
  if place.guard == false then
    error("inspect: the page needs security.dns_rebinding_protection", 0)
  end
  if place.path == "/" then
    error("inspect: the page is at /, so messages need another path", 0)
  end
  place.inspect = true
end

local function is_switch(value) return value == nil or type(value) == "boolean" end

---Is any way in asked for?
---@param given table
---@return boolean
function options.any(given)
  return given.stdio and true or given.http and true or given.unix and true
    or not is_switch(given.sse) or not is_switch(given.websocket)
end

---Reads what `app:run` and `app:listen` take.
---@param given table
---@return table[] places what to open over HTTP, in the core's names, with `what` and `scheme`
---@return boolean stdio
function options.read(given)
  for key in pairs(given) do
    if not OPTIONS[key] then address.unknown("option", key, OPTIONS) end
  end
  for _, name in ipairs { "stdio", "quiet", "inspect" } do
    if not is_switch(given[name]) then
      error(("%s: expected a boolean, got %s"):format(name, type(given[name])), 0)
    end
  end
  local common, places = shared(given), {}
  -- An address is a listener of its own, and switches nothing off.
  local sse, websocket = given.sse ~= false, given.websocket ~= false
  local secure = given.tls and "s" or ""
  local function add(what, scheme, with_sse, with_websocket)
    places[#places + 1] = placed(what, address.read(given[what], what), scheme .. secure, common,
      with_sse, with_websocket)
  end
  if given.http then add("http", "http", sse, websocket) end
  if given.inspect then check_inspect(given, places[1]) end
  if not is_switch(given.sse) then add("sse", "http", true, false) end
  if not is_switch(given.websocket) then add("websocket", "ws", false, true) end
  if given.tls ~= nil then
    check_tls(given.tls)
    if not places[1] then error("tls: expected http, sse or websocket beside it", 0) end
  end
  if given.unix then
    places[#places + 1] = placed("unix", address.unix(given.unix), "unix", common, sse, websocket)
  end
  if not options.any(given) then
    error("nothing to listen on: expected stdio, http, unix, sse or websocket", 0)
  end
  return places, given.stdio == true
end

return options
