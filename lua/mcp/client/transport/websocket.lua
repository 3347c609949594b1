-- SPDX-License-Identifier: MIT
-- websocket: a server reached by WebSocket (ws, wss, or a socket file). Each MCP message is a text
-- message. The upgrade is an HTTP request and carries the user's header fields and a token. The
-- status of a refused upgrade says nothing about the era (WS-16).
local core = require "mcp.core"
local duplex = require "mcp.client.transport.duplex"
local endpoint = require "mcp.client.transport.endpoint"
local fields = require "mcp.client.fields"
local usage = require "mcp.client.usage"
local url = require "mcp.url"

local websocket = {}

---Time for the connection and its upgrade, in seconds.
websocket.OPEN_TIME = 30

---The request target for a socket file whose address has none.
websocket.PATH = "/mcp"

local OPTIONS = { headers = "table", auth = "table", tls = "table|userdata", ping = "number",
  timeout = "number", message_limit = "number", proxy = "string|boolean" }

-- The header fields of the upgrade, and those among them that came from the provider.
local function headers_of(self, at)
  local list, proof = table.move(self.fields, 1, #self.fields, 1, {}), nil
  if self.auth then
    local text, code
    proof, text, code = self.auth:headers { url = at.text, method = "GET" }
    if not proof then return nil, nil, text, code end
    table.move(proof, 1, #proof, #list + 1, list)
  end
  return list, proof
end

local function tls_of(self)
  if not self.secure then return nil end
  if type(self.tls) ~= "userdata" then
    local context, text, code = require("mcp.tls").client(self.tls or {})
    if not context then return nil, text, code end
    self.tls = context
  end
  return self.tls
end

local function upgrade(self, at, list, receive)
  local context, text, code
  context, text, code = tls_of(self)
  if self.secure and not context then return nil, text, code end
  local via
  via, text, code = require("mcp.proxy").find(at, self.proxy)
  if code then return nil, text, code end
  local host, said
  host, text, code, said = core.connect_websocket({
    host = not at.unix and at.host or nil, port = at.port, unix = at.unix,
    target = at.target or websocket.PATH, tls = context,
    server_name = self.secure and at.host or nil, headers = list, timeout = self.timeout,
    ping = self.ping, message_limit = self.message_limit,
    proxy = via and require("mcp.proxy").fields(via, at) or nil,
  }, receive)
  if not host and via then text = ("%s, through the proxy %s"):format(text, via.text) end
  return host, text, code, said
end

-- Connects, and answers challenges with the help of the provider.
local function connect(self, at, receive)
  local met, memory = 0, {}
  while true do
    local list, proof, text, code = headers_of(self, at)
    if not list then return nil, text, code end
    local host, said
    host, text, code, said = upgrade(self, at, list, receive)
    if host then return host end
    local status = math.tointeger(tonumber((tostring(code):match "^EHTTP(40[13])$")))
    if not status or not self.auth or not self.auth.challenged or met >= endpoint.CHALLENGES then
      local hint = code == "ETLSPLAIN" and "; use ws" or code == "EGONE" and at.scheme == "ws"
        and "; if the server has TLS, use wss" or ""
      return nil, ("%s: %s%s"):format(at.text, text, hint), code
    end
    met = met + 1
    local again, reason, name = self.auth:challenged {
      status = status, url = at.text, method = "GET", sent = proof, memory = memory,
      header = function(field) return said and said[field:lower()] end,
    }
    if not again then return nil, reason or text, name or code end
  end
end

---A transport to an address, not opened yet. Raises on an error in the arguments.
---@param address string ws, wss, or unix:/path/of/socket[:/target]
---@param options table|nil headers, auth, tls, proxy, ping (seconds), timeout (seconds),
---message_limit
---@return mcp.client.Duplex
function websocket.new(address, options)
  local what = "mcp.websocket_client"
  options = usage.check(what, options, OPTIONS)
  usage.seconds(what, "ping", options.ping)
  usage.seconds(what, "timeout", options.timeout)
  local at, reason = url.parse(usage.text(what, "address", address))
  if not at then usage.raise("%s: %s", what, reason) end
  if at.scheme ~= "ws" and at.scheme ~= "wss" and at.scheme ~= "unix" then
    usage.raise("%s: expected a ws, wss or unix address, got %q", what, address)
  end
  local wrong = options.proxy ~= nil and require("mcp.proxy").error_in(options.proxy)
  if wrong then usage.raise("%s: %s", what, wrong) end
  local list, taken = fields.check(options.headers)
  if options.auth and type(options.auth.headers) ~= "function" then
    usage.raise("%s: auth: expected a provider such as mcp.auth.bearer(token)", what)
  elseif options.auth and taken.authorization then
    usage.raise("%s: headers: Authorization is set by the option auth: give one of the two", what)
  end
  local self
  self = duplex.new("websocket", function(receive) return connect(self, at, receive) end, options)
  self.fields, self.auth, self.tls = list, options.auth, options.tls
  self.proxy = options.proxy
  self.secure = at.scheme == "wss"
  self.ping, self.timeout = options.ping, options.timeout or websocket.OPEN_TIME
  return self
end

return websocket
