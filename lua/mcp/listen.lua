-- SPDX-License-Identifier: MIT
-- listen: from what `app:run` and the command line were told to open
-- listeners, and from them to the end of the process.
local core = require "mcp.core"
local timeout = require "mcp.timeout"

local listen = {}

---How long calls under way may go on after SIGINT or SIGTERM, in seconds.
listen.GRACE = 10

local OPTIONS = { stdio = true, http = true, security = true, limits = true, quiet = true }

local SECURITY = { dns_rebinding_protection = "boolean", allowed_hosts = "table",
  allowed_origins = "table" }

-- Limits of an HTTP listener: our names, the core's names, and their type.
local LIMITS = {
  body = "body_limit", connections = "connections", head_timeout = "head_timeout",
  body_timeout = "body_timeout", idle_timeout = "idle_timeout", stall_timeout = "stall_timeout",
  heartbeat = "heartbeat",
}

local HTTP = { host = "string", port = "number", path = "string" }

local function unknown(what, name, known, level)
  local names = {}
  for key in pairs(known) do names[#names + 1] = key end
  error(require("mcp.schema.nearest").unknown(what, tostring(name), names), level)
end

---Reads an address: 8000, "8000", "127.0.0.1:8000", "[::1]:8000", "localhost:8000/mcp", or a
---table of host, port, path. Raises what is wrong with it.
---@param given any
---@return table address { host, port, path }
function listen.address(given)
  if given == true then return { host = "127.0.0.1", port = 8000, path = "/mcp" } end
  if math.type(given) == "integer" then given = tostring(given) end
  if type(given) == "table" then
    local address = { host = "127.0.0.1", port = 8000, path = "/mcp" }
    for key, value in pairs(given) do
      if not HTTP[key] then unknown("http option", key, HTTP, 0) end
      if type(value) ~= HTTP[key] then
        error(("http: %s: %s expected, got %s"):format(key, HTTP[key], type(value)), 0)
      end
      address[key] = value
    end
    local port = math.tointeger(address.port)
    if not port or port < 0 or port > 65535 then
      error(("http: port: an integer from 0 to 65535 expected, got %s"):format(address.port), 0)
    end
    if address.path:sub(1, 1) ~= "/" then
      error(("http: path: %q does not begin with /"):format(address.path), 0)
    end
    address.port = port
    return address
  end
  if type(given) ~= "string" then
    error(('http: an address such as "127.0.0.1:8000" expected, got %s'):format(type(given)), 0)
  end
  local text = given:gsub("^http://", "")
  local authority, path = text:match "^([^/]*)(/.*)$"
  authority = authority or text
  local host, port = authority:match "^%[([%x:.]+)%]:(%d+)$"
  if not host then host, port = authority:match "^([^:%s]*):(%d+)$" end
  if not host then port = authority:match "^(%d+)$" end
  if not port then
    error(('http: %q is no address; "127.0.0.1:8000" or "8000" is one'):format(given), 0)
  end
  if not host or host == "" then host = "127.0.0.1" end
  if host == "*" then host = "0.0.0.0" end
  if tonumber(port) > 65535 then error(("http: port %s is over 65535"):format(port), 0) end
  if path == "/" then path = nil end
  return { host = host, port = math.tointeger(tonumber(port)), path = path or "/mcp" }
end

-- Strings of a list, or an error that names the option.
local function strings(name, list)
  local out = {}
  for i, item in ipairs(list or {}) do
    if type(item) ~= "string" then
      error(("security: %s[%d]: string expected, got %s"):format(name, i, type(item)), 0)
    end
    out[i] = item
  end
  return out[1] and out or nil
end

local function http_options(given, options)
  local out = listen.address(given)
  for _, name in ipairs { "security", "limits" } do
    local kind = type(options[name])
    if kind ~= "table" and kind ~= "nil" then
      error(("%s: table expected, got %s"):format(name, kind), 0)
    end
  end
  local security = options.security or {}
  for key, value in pairs(security) do
    if not SECURITY[key] then unknown("security option", key, SECURITY, 0) end
    if type(value) ~= SECURITY[key] then
      error(("security: %s: %s expected, got %s"):format(key, SECURITY[key], type(value)), 0)
    end
  end
  out.hosts = strings("allowed_hosts", security.allowed_hosts)
  out.origins = strings("allowed_origins", security.allowed_origins)
  out.guard = security.dns_rebinding_protection
  for key, value in pairs(options.limits or {}) do
    if not LIMITS[key] then unknown("limit", key, LIMITS, 0) end
    if type(value) ~= "number" or value < 0 then
      error(("limits: %s: a number, 0 or more, expected"):format(key), 0)
    end
    out[LIMITS[key]] = value
  end
  return out
end

local function url_of(address, port)
  local host = address.host:find(":", 1, true) and "[" .. address.host .. "]" or address.host
  return ("http://%s:%d%s"):format(host, port, address.path)
end

---@class mcp.Listening
---@field hosts userdata[] what is open
---@field urls string[] where HTTP is answered
local Listening = { __name = "mcp.listening" }
Listening.__index = {}

function Listening.__tostring(self)
  return ("mcp.listening (%s)"):format(table.concat(self.urls, ", "))
end

---Closes all of it. What is under way may go on for `grace` seconds.
---@param grace number|nil 0 if not given
function Listening.__index:close(grace)
  -- Listens have their end, so that nobody waits for it. Those of a listener that
  -- is not the last end with their streams.
  local last = true
  for other in pairs(self.app.listening) do last = last and other == self end
  if last then self.app.bus:close() end
  for _, host in ipairs(self.hosts) do host:close(grace) end
  self.app.listening[self] = nil
  -- Calls under way may belong to a session: with a grace it outlives them.
  if next(self.app.listening) == nil and not (grace and grace > 0) then
    self.app.sessions:clear()
    if self.app.task_store then self.app.task_store:clear() end
  end
end
Listening.__close = function(self) self:close() end

---@return boolean open
function Listening.__index:is_open()
  for _, host in ipairs(self.hosts) do
    -- The end of standard input ends it all.
    if not host:is_open() then return false end
  end
  return true
end

---Has everything ended, calls under way included?
---@return boolean
function Listening.__index:is_gone()
  for _, host in ipairs(self.hosts) do
    if not host:is_gone() then return false end
  end
  return true
end

-- What lua-cjson's forks mark arrays with goes out as arrays too.
local function learn_arrays()
  local cjson = package.loaded.cjson
  for _, name in ipairs { "array_mt", "empty_array_mt", "empty_array" } do
    local mark = type(cjson) == "table" and cjson[name]
    if type(mark) == "table" or (type(mark) == "userdata" and mark ~= cjson.null) then
      core.mark_array(mark)
    end
  end
end

---Opens what `options` ask for.
---@param app table
---@param options table stdio (boolean), http (address), security, limits
---@return mcp.Listening
function listen.open(app, options)
  for key in pairs(options) do
    if not OPTIONS[key] then unknown("option", key, OPTIONS, 0) end
  end
  learn_arrays()
  local self = setmetatable({ app = app, hosts = {}, urls = {} }, Listening)
  if options.http then
    local address = http_options(options.http, options)
    local host, text, code = core.listen_http(address, require("mcp.front.http").receiver(app))
    if not host then
      error(("cannot listen on %s port %d: %s%s"):format(address.host, address.port, text,
        code == "EADDRINUSE" and "; choose another with http = PORT or --http PORT" or ""), 0)
    end
    self.hosts[#self.hosts + 1] = host
    timeout.watch(app, host)
    self.port = host:port()
    self.urls[#self.urls + 1] = url_of(address, host:port())
    if not host:is_loopback() and not address.hosts and not options.quiet then
      core.log("warning", ("%s is open to the network, and any Host is answered: "
        .. "name yours in security.allowed_hosts, and put authorization in front")
        :format(self.urls[#self.urls]))
    end
  end
  if options.stdio then
    local host, text = core.serve_stdio(require("mcp.front.duplex").receiver(app))
    if not host then
      self:close()
      error("cannot serve standard input and output: " .. text, 0)
    end
    timeout.watch(app, host)
    self.hosts[#self.hosts + 1] = host
  end
  app.listening[self] = true
  return self
end

---Turns the loop until everything is closed. SIGINT and SIGTERM close it, with
---a grace for what is under way; the second one at once.
---@param self mcp.Listening
---@param announce boolean say on standard error where HTTP is answered
function listen.serve(self, announce)
  local asked = 0
  core.catch_signals(function()
    asked = asked + 1
    self:close(asked == 1 and listen.GRACE or 0)
  end)
  -- Only now: whoever reads this may send a signal at once.
  for _, url in ipairs(announce and self.urls or {}) do
    io.stderr:write(("%s %s answers at %s\n"):format(self.app.name, self.app.version, url))
  end
  while self:is_open() do core.step() end
  if asked == 0 then self:close(0) end
  while not self:is_gone() do core.step() end
  self:close()
  core.catch_signals(nil)
end

return listen
