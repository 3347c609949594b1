-- SPDX-License-Identifier: MIT
-- options: checks the options of `app:run` and `app:listen` and makes the list of what to open from
-- them. It opens nothing. Errors are raised without a position; the caller adds the user's line.
local address = require "mcp.server.listen.address"
local check = require("mcp.options").check
local error_in = require("mcp.options").error_in

local options = {}

local OPTIONS = { stdio = "boolean", http = "any", sse = "any", websocket = "any", unix = "any",
  tls = "any", security = "table", limits = "table", quiet = "boolean",
  inspect = "boolean|string", card = "boolean|table",
  health = "boolean|string", ready = "boolean|string|function", metrics = "boolean|string",
  drain = "number", paths = "table", tracing = "boolean|table", workers = "number",
  access_log = "string|table", store = "string|table|userdata", pid_file = "string",
  user = "string", group = "string" }

---The most workers: each is a process with a Lua state.
options.WORKERS = 64

local TLS = { cert = "string", key = "string", client_ca = "string", require = "boolean" }

local SECURITY = { dns_rebinding_protection = "boolean", allowed_hosts = "table",
  allowed_origins = "table", allowed_headers = "table", any_subprotocol = "boolean",
  prefix = "any" }

-- Limits of an HTTP listener: the names of the options, and those of the C module.
local LIMITS = {
  body = "body_limit", connections = "connections", connections_per_address = "per_address",
  head_timeout = "head_timeout", body_timeout = "body_timeout", idle_timeout = "idle_timeout",
  stall_timeout = "stall_timeout", heartbeat = "heartbeat", fragments = "fragments",
  control_rate = "control_rate", control_burst = "control_burst", ping = "ping",
  silence = "silence", close_timeout = "close_timeout",
}

local LIMIT_TYPES = {}
for name in pairs(LIMITS) do LIMIT_TYPES[name] = "number" end

-- Limits that are counts; the others are seconds.
local COUNTS = { body = true, connections = true, connections_per_address = true, fragments = true,
  control_rate = true, control_burst = true }

-- Options that are looked for at app:run, and where they are.
local ELSEWHERE = {
  port = "http = 8000, or http = { host =, port =, path = }", auth = "mcp.server { auth = … }",
  cors = "security = { allowed_origins = { … } }",
  origins = "security = { allowed_origins = { … } }",
  allowed_origins = "security = { allowed_origins = { … } }",
  hosts = "security = { allowed_hosts = { … } }",
  allowed_hosts = "security = { allowed_hosts = { … } }", cert = "tls = { cert =, key = }",
  transport = "stdio = true, or http = 8000", timeout = "limits = { … }, or the tool's own timeout",
}
ELSEWHERE.host, ELSEWHERE.path, ELSEWHERE.key = ELSEWHERE.port, ELSEWHERE.port, ELSEWHERE.cert

-- An option of app:run that stands in the table of a listener, or of another part of the server.
local function misplaced(what, given, known)
  for name in pairs(given) do
    local place = ELSEWHERE[name]
    if not known[name] and (place or OPTIONS[name]) then
      error(("%sunknown option %q, expected %s"):format(what and what .. ": " or "", name,
        place or ("it beside %s: app:run { %s = …, %s = … }"):format(what, what, name)), 0)
    end
  end
end

local LISTENER = { host = true, port = true, path = true }

-- The strings of a list, or an error that names the option.
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

-- Origins are compared as text, so a value that could never match is refused.
local function origins(list)
  local out = strings("allowed_origins", list)
  for i, item in ipairs(out or {}) do
    if item ~= "null" and not item:find "^%a[%w+.-]*://[^/%s*]+$"
      and not item:find "^%a[%w+.-]*://[^/%s*]+:%*$" then
      error(("security: allowed_origins[%d]: expected an origin such as \"https://app.example\" or "
        .. "\"http://localhost:*\", got %q"):format(i, item), 0)
    end
  end
  return out
end

local function hosts(list)
  local out = strings("allowed_hosts", list)
  for i, item in ipairs(out or {}) do
    if item:find "[/%s]" or item == "*" then
      error(("security: allowed_hosts[%d]: expected a host such as \"mcp.example\", got %q")
        :format(i, item), 0)
    end
  end
  return out
end

-- Refuses names that are not valid for header fields, and fields that a browser lets no page set
-- (Fetch 2.2.2).
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

-- The start of our paths that a proxy removes, or `true` if the proxy sends it in a header field.
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

-- The options that every HTTP listener gets, under the names of the C module.
local function shared(given)
  local security = given.security or {}
  check("security", security, SECURITY, 0)
  local out = {
    hosts = hosts(security.allowed_hosts), origins = origins(security.allowed_origins),
    guard = security.dns_rebinding_protection, any_protocol = security.any_subprotocol,
    headers = headers(security.allowed_headers), prefix = prefix(security.prefix),
  }
  local limits = given.limits or {}
  check("limits", limits, LIMIT_TYPES, 0)
  for key, value in pairs(limits) do
    if value < 0 then
      error(("limits: %s: expected a number, 0 or more, got %s"):format(key, value), 0)
    end
    if COUNTS[key] then
      value = math.tointeger(value)
      if not value or value > 0x7fffffff then
        error(("limits: %s: expected an integer below 2^31"):format(key), 0)
      end
    end
    out[LIMITS[key]] = value
  end
  return out
end

-- The files are checked when they are read, by mcp.tls.
local function check_tls(tls)
  if type(tls) == "userdata" then return end -- a TLS context
  check("tls", tls, TLS, 0)
  for _, name in ipairs { "cert", "key", "client_ca" } do
    if tls[name] == "" or name == "cert" and not tls.cert then
      error(("tls: %s: expected the path of a file, or its text"):format(name), 0)
    end
  end
end

local function placed(what, at, scheme, common, sse, websocket)
  for key, value in pairs(common) do at[key] = value end
  at.what, at.scheme, at.sse, at.websocket = what, scheme, sse, websocket
  if sse then at.message_path = at.path:gsub("/$", "") .. "/message" end
  return at
end

-- The inspect page at / can do everything that a client can.
local function check_inspect(given, place)
  if type(given.inspect) == "string" and given.inspect ~= "private" then
    error(('inspect: expected true, false or "private", got %q'):format(given.inspect), 0)
  end
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

-- Other apps at paths of their own, on the same listeners.
local function check_paths(given, places)
  local list, at = {}, places[1] and places[1].path
  for path, app in pairs(given) do
    if type(path) ~= "string" or not path:find "^/[%w/._~-]*[%w._~-]$" then
      error(("paths: expected a path such as \"/weather/mcp\", got %s"):format(
        type(path) == "string" and ("%q"):format(path) or type(path)), 0)
    end
    if (getmetatable(app) or {}).__name ~= "mcp.server" then
      error(("paths: %q: expected an app, got %s"):format(path, type(app)), 0)
    end
    if path == at then error(("paths: %q is the path of this app itself"):format(path), 0) end
    if app.auth then
      error(("paths: %q: an app with auth has a listener of its own"):format(path), 0)
    end
    list[#list + 1] = path
  end
  table.sort(list)
  if not at then error("paths: needs http: add it", 0) end
  for _, place in ipairs(places) do place.paths = list end
end

local function check_workers(given)
  local count = math.tointeger(given)
  if not count or count < 1 or count > options.WORKERS then
    error(("workers: expected an integer from 1 to %d, got %s"):format(options.WORKERS, given), 0)
  end
end

local function is_switch(value) return value == nil or type(value) == "boolean" end

---Do the options ask for any listener?
---@param given table
---@return boolean
function options.any(given)
  return given.stdio and true or given.http and true or given.unix and true
    or not is_switch(given.sse) or not is_switch(given.websocket)
end

---Reads the options of `app:run` and `app:listen`.
---@param given table
---@return table[] places what to open over HTTP, with the names of the C module, `what`, `scheme`
---@return boolean stdio
function options.read(given)
  local message = error_in(given, OPTIONS)
  if message then
    if type(given) == "table" then misplaced(nil, given, OPTIONS) end
    error(message, 0)
  end
  local common, places = shared(given), {}
  -- With an address, sse and websocket open a listener of their own; only `false` disables them.
  local sse, websocket = given.sse ~= false, given.websocket ~= false
  local secure = given.tls and "s" or ""
  local function add(what, scheme, with_sse, with_websocket)
    if type(given[what]) == "table" then misplaced(what, given[what], LISTENER) end
    places[#places + 1] = placed(what, address.read(given[what], what), scheme .. secure, common,
      with_sse, with_websocket)
  end
  if given.http then add("http", "http", sse, websocket) end
  if given.drain and not (given.drain >= 0 and given.drain <= 3600) then
    error(("drain: expected 0 to 3600 seconds, got %s"):format(given.drain), 0)
  end
  if given.workers then check_workers(given.workers) end
  for _, name in ipairs { "pid_file", "user", "group" } do
    if given[name] == "" then error(name .. ": expected a name, got an empty one", 0) end
  end
  if given.inspect then check_inspect(given, places[1]) end
  if not is_switch(given.sse) then add("sse", "http", true, false) end
  if not is_switch(given.websocket) then add("websocket", "ws", false, true) end
  if given.tls ~= nil then
    check_tls(given.tls)
    if not places[1] then error("tls: needs http, sse or websocket: add one of them", 0) end
  end
  if given.unix then
    places[#places + 1] = placed("unix", address.unix(given.unix), "unix", common, sse, websocket)
  end
  for _, name in ipairs { "health", "ready", "metrics" } do
    if given[name] and not places[1] then
      error(name .. ": needs http, unix, sse or websocket: add one of them", 0)
    end
  end
  if given.paths then check_paths(given.paths, places) end
  if not options.any(given) then
    error("nothing to listen on: expected stdio, http, unix, sse or websocket", 0)
  end
  return places, given.stdio == true
end

return options
