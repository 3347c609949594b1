-- SPDX-License-Identifier: MIT
-- listen: from what `app:run` and the command line were told to open listeners, all with one set
-- of handlers and one end. What they were told is read in server/listen/options.lua; how a process
-- serves is server/listen/serve.lua's.
local address = require "mcp.server.listen.address"
local core = require "mcp.core"
local options = require "mcp.server.listen.options"
local timeout = require "mcp.server.timeout"

local listen = {}

---Reads an address; see server/listen/address.lua.
listen.address = address.read

---Serves until the end; see server/listen/serve.lua.
---@param listening mcp.Listening
---@param announce boolean
function listen.serve(listening, announce)
  require("mcp.server.listen.serve").run(listening, announce)
end

---Is any way in asked for?
listen.asks = options.any

---@class mcp.Listening
---@field hosts userdata[] what is open
---@field urls string[] where HTTP is answered
---@field port integer|nil the first of their ports
---@field inspect string|nil where the page is to look at the server with
local Listening = { __name = "mcp.listening" }
Listening.__index = {}

function Listening.__tostring(self)
  return ("mcp.listening (%s)"):format(table.concat(self.urls, ", "))
end

---Closes all of it. Requests in progress may continue for `grace` seconds.
---@param grace number|nil 0 if not given
function Listening.__index:close(grace)
  -- Listens have their end, so that nobody waits for it. Those of a listener that
  -- is not the last end with their streams.
  local last = true
  for other in pairs(self.app.listening) do last = last and other == self end
  if last then self.app.bus:close() end
  for _, host in ipairs(self.hosts) do host:close(grace) end
  self.app.listening[self] = nil
  -- Calls in progress may belong to a session: with a grace it outlives them.
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

---Has everything ended, including calls in progress?
---@return boolean
function Listening.__index:is_gone()
  for _, host in ipairs(self.hosts) do
    if not host:is_gone() then return false end
  end
  return true
end

---Reads the files of TLS again: connections from now on are served with what they hold. On
---failure what was there goes on.
---@return true|nil reloaded, string|nil message
function Listening.__index:reload_tls()
  if not self.tls then return nil, "this server has no TLS" end
  return self.tls:reload()
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

-- What a listener on a public address leaves open, in words, or nil.
local function warning(app, place, url)
  local open = {}
  if not app.auth then
    open[#open + 1] = "any client that reaches it can call everything (put authorization in front)"
  end
  if not place.tls then
    open[#open + 1] = "nothing is encrypted (tls, or a proxy that does it)"
  end
  if place.guard == false then
    open[#open + 1] = "neither Host nor Origin is checked (security.dns_rebinding_protection)"
  elseif not place.hosts and not place.guard then
    open[#open + 1] = "any Host is answered (name yours in security.allowed_hosts)"
  end
  if not open[1] then return nil end
  return ("%s is open to the network: %s"):format(url, table.concat(open, "; "))
end

-- The page to look at the server with.
local function show_page(self, host, place, url)
  -- What localhost is, the system says.
  if not host:is_loopback() then
    error(("inspect: %s is not loopback on this machine"):format(place.host), 0)
  end
  host:protect(nil, { [self.page.path] = self.page })
  self.inspect = url:match "^%a+://[^/]+" .. self.page.path
end

local function open_http(self, place, receive, duplex, quiet)
  place.tls = place.scheme:sub(-1) == "s" and self.tls or nil
  place.duplex = duplex
  local host, text, code = core.listen_http(place, receive)
  if not host then
    error(("cannot listen on %s: %s%s"):format(
      place.unix or ("%s port %d"):format(place.host, place.port), text,
      code == "EADDRINUSE" and place.port
        and ("; choose another with %s = PORT or --%s PORT"):format(place.what, place.what)
        or code == "EADDRINUSE" and "; a server answers there, or it is no socket" or ""), 0)
  end
  self.hosts[#self.hosts + 1] = host
  timeout.watch(self.app, host)
  local port = not place.unix and host:port() or nil
  self.port = self.port or port
  local url = address.url(place, place.scheme, port)
  self.urls[#self.urls + 1] = url
  local open = not place.unix and not host:is_loopback() and warning(self.app, place, url)
  if open and not quiet then core.log("warning", open) end
  if self.app.auth then self.app.auth:protect(host, place, url) end
  if place.inspect then show_page(self, host, place, url) end
end

local function open_stdio(self, duplex)
  local host, text = core.serve_stdio(duplex)
  if not host then error("cannot serve standard input and output: " .. text, 0) end
  timeout.watch(self.app, host)
  self.hosts[#self.hosts + 1] = host
end

local function open_all(self, given, places, stdio)
  if given.inspect then
    if self.app.auth then error("inspect: the page has no token, and auth wants one", 0) end
    self.page = require("mcp.server.inspect").page(self.app.name, places[1].path)
  end
  if given.tls then
    local context, text = require("mcp.tls").server(given.tls)
    if not context then error(text, 0) end
    self.tls = context
  end
  local duplex = require("mcp.server.front.duplex").receiver(self.app)
  local receive = places[1] and require("mcp.server.front.http").receiver(self.app)
  -- Network transports are authorized; standard input is not.
  local asked = self.app.auth and self.app.auth:duplex(duplex) or duplex
  for _, place in ipairs(places) do open_http(self, place, receive, asked, given.quiet) end
  if stdio then open_stdio(self, duplex) end
end

---Opens what `given` asks for: all of it, or nothing.
---@param app table
---@param given table stdio, http, sse, websocket, unix, tls, security, limits, inspect, quiet
---@return mcp.Listening
function listen.open(app, given)
  local places, stdio = options.read(given)
  learn_arrays()
  local self = setmetatable({ app = app, hosts = {}, urls = {} }, Listening)
  local ok, message = pcall(open_all, self, given, places, stdio)
  if not ok then
    for _, host in ipairs(self.hosts) do host:close() end
    error(message, 0)
  end
  app.listening[self] = true
  return self
end

return listen
