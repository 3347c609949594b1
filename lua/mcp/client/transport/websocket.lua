-- SPDX-License-Identifier: MIT
-- websocket: a server reached by WebSocket (ws, wss, or a socket file): one text message each way
-- for each message of the protocol. The upgrade is an HTTP request, so that is where the user's
-- header fields, a token and TLS belong. No status of a refused upgrade says anything about an era
-- (WS-16).
local core = require "mcp.core"
local duplex = require "mcp.client.transport.duplex"
local endpoint = require "mcp.client.transport.endpoint"
local fields = require "mcp.client.fields"
local usage = require "mcp.client.usage"
local url = require "mcp.url"

local websocket = {}

---How long the connection and its upgrade may take, in seconds.
websocket.OPEN_TIME = 30

---What is asked for at a socket file whose address does not say.
websocket.PATH = "/mcp"

local OPTIONS = { headers = "table", auth = "table", tls = "table|userdata", ping = "number",
  timeout = "number", message_limit = "number" }

-- The fields of the upgrade, and those among them that the provider gave.
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
  return core.connect_websocket({
    host = not at.unix and at.host or nil, port = at.port, unix = at.unix,
    target = at.target or websocket.PATH, tls = context,
    server_name = self.secure and at.host or nil, headers = list, timeout = self.timeout,
    ping = self.ping, message_limit = self.message_limit,
  }, receive)
end

-- Connects; challenges are met with the provider's help.
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
      return nil, ("%s: %s"):format(at.text, text), code
    end
    met = met + 1
    local again, why, name = self.auth:challenged {
      status = status, url = at.text, method = "GET", sent = proof, memory = memory,
      header = function(field) return said and said[field:lower()] end,
    }
    if not again then return nil, why or text, name or code end
  end
end

---A transport to an address, not opened yet. Raises what is wrong with what is given.
---@param address string ws, wss, or unix:/path/of/socket[:/target]
---@param options table|nil headers, auth, tls, ping (seconds), timeout (seconds), message_limit
---@return mcp.client.Duplex
function websocket.new(address, options)
  local what = "mcp.websocket_client"
  options = usage.check(what, options, OPTIONS)
  usage.seconds(what, "ping", options.ping)
  usage.seconds(what, "timeout", options.timeout)
  local at, why = url.parse(usage.text(what, "address", address))
  if not at then usage.raise("%s: %s", what, why) end
  if at.scheme ~= "ws" and at.scheme ~= "wss" and at.scheme ~= "unix" then
    usage.raise("%s: %q: ws, wss or unix expected", what, address)
  end
  local ok, list, taken = pcall(fields.check, options.headers)
  if not ok then usage.raise("%s: %s", what, list) end
  if options.auth and type(options.auth.headers) ~= "function" then
    usage.raise("%s: auth: a provider expected, such as mcp.auth.bearer(token)", what)
  elseif options.auth and taken.authorization then
    usage.raise("%s: headers: Authorization is what auth is for; give one of the two", what)
  end
  local self
  self = duplex.new("websocket", function(receive) return connect(self, at, receive) end, options)
  self.fields, self.auth, self.tls = list, options.auth, options.tls
  self.secure = at.scheme == "wss"
  self.ping, self.timeout = options.ping, options.timeout or websocket.OPEN_TIME
  return self
end

return websocket
