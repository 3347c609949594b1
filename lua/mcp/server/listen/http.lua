-- SPDX-License-Identifier: MIT
-- http: opens the listeners of HTTP, HTTP+SSE and WebSocket of what app:run has been asked for. A
-- server on standard input and output does without it.
local address = require "mcp.server.listen.address"
local core = require "mcp.core"
local shown = require "mcp.later" "mcp.server.listen.shown"
local timeout = require "mcp.server.timeout"

local http = {}

---Opens one listener.
---@param self mcp.Listening
---@param place table where, and with which options (server/listen/options.lua)
---@param receive function gets the messages of HTTP
---@param duplex function gets those of WebSocket and HTTP+SSE
---@param quiet boolean|nil no warning of a listener that is open to everyone
function http.open(self, place, receive, duplex, quiet)
  place.tls = place.scheme:sub(-1) == "s" and self.tls or nil
  place.duplex = duplex
  local host, text, code = core.listen_http(place, receive)
  if not host then
    error(address.refusal(place, text, code), 0)
  end
  self.hosts[#self.hosts + 1] = host
  self.watched[#self.watched + 1] = host
  timeout.watch(self.app, host)
  local port = not place.unix and host:port() or nil
  self.port = self.port or port
  local url = address.url(place, place.scheme, port)
  self.urls[#self.urls + 1] = url
  local open = not place.unix and not host:is_loopback()
    and shown.warning(self.app, place, url)
  if open and not quiet then core.log("warning", open) end
  -- What changes at a reload may show more.
  local entry = { host = host, place = place, url = url, own = {} }
  self.shown[#self.shown + 1] = entry
  if self.card or place.inspect or self.app.routes or self.app.auth then
    shown.show(self, entry)
  end
end

local SLASH = ("/"):byte()

---What gets the messages of several apps: the path of a request says which one.
---@param self mcp.Listening
---@param paths table<string, mcp.App>
---@param receive function of the listener's own app
---@return function receive
function http.with_paths(self, paths, receive)
  if self.app.auth then error("paths: an app with auth has a listener of its own", 0) end
  local receivers = {}
  for path, app in pairs(paths) do
    receivers[path] = require("mcp.server.front.http").receiver(app)
    self.others[#self.others + 1] = app
    app.listening[self] = true
  end
  return function(x, link, kind, ...)
    local path = x:header ":path" or ""
    local other = receivers[path]
    if not other and #path > 1 and path:byte(-1) == SLASH then
      other = receivers[path:sub(1, -2)]
    end
    if not other then return receive(x, link, kind, ...) end
    -- WebSocket and HTTP+SSE are those of the listener's own app.
    if kind == "upgrade" or kind == "post" then return 404 end
    return other(x, link, kind, ...)
  end
end

return http
