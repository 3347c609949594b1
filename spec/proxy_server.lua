-- SPDX-License-Identifier: MIT
-- proxy_server.lua: an HTTP proxy in this process: requests in absolute form, and CONNECT. Every
-- host name is this machine, so that specs can use names that no resolver knows.
--
--   local proxy <close> = proxy_server.start { authorization = "Basic …", refuse = 403 }
local core = require "mcp.core"
local raw = require "codecs.raw"
local raw_server = require "spec.raw_server"

local proxy_server = {}

-- Moves what has arrived from one socket to the other; false at the end.
local function move(from, to)
  local bytes, ended = from:receive()
  while #bytes > 0 do
    local n = to:send(bytes)
    if not n then return false end
    bytes = bytes:sub(n + 1)
    if #bytes > 0 and not core.sleep(0.001) then return false end
  end
  return not ended
end

local function tunnel(connection, port)
  local far = assert(raw.connect(port))
  local open <close> = setmetatable({}, { __close = function() far:close() end }) -- luacheck: ignore
  connection:send "HTTP/1.1 200 Connection established\r\nVia: spec\r\n\r\n"
  local near = connection.socket
  while move(near, far) and move(far, near) do
    if not core.sleep(0.001) then return end
  end
end

local function forward(request, connection, host, port, target)
  local headers = {}
  for name, value in pairs(request.fields) do
    if not ({ host = 1, ["content-length"] = 1, ["proxy-authorization"] = 1 })[name] then
      headers[#headers + 1] = { name, value }
    end
  end
  local pool <close> = core.http_pool()
  local response, text = pool:request { host = "127.0.0.1", port = port, method = request.method,
    target = target, headers = headers, body = request.body ~= "" and request.body or nil }
  if not response then return connection:answer(502, {}, ("%s: %s"):format(host, text)) end
  local fields = response:headers()
  fields.connection, fields["transfer-encoding"] = "close", nil
  connection:answer(response.status, fields, false)
  for chunk in function() return response:chunk() end do
    if not connection:send(chunk) then return end
  end
end

---@param options? table authorization, the value that is required; refuse, a status for CONNECT;
---silent: CONNECT is never answered; extra: bytes sent after the answer to CONNECT
function proxy_server.start(options)
  options = options or {}
  local proxy
  proxy = raw_server.start(function(request, connection)
    proxy.seen[#proxy.seen + 1] = request.method .. " " .. request.target
    if options.authorization
      and request.fields["proxy-authorization"] ~= options.authorization then
      return 407, { ["Proxy-Authenticate"] = "Basic" }, "credentials, please"
    end
    if request.method ~= "CONNECT" then
      local host, port, target = request.target:match "^http://([^/:]+):?(%d*)(/.*)$"
      if not host then return 400, {}, "expected an absolute URL" end
      forward(request, connection, host, tonumber(port) or 80, target)
      return connection:close()
    end
    if options.silent then return connection:wait_end() end
    if options.refuse then return options.refuse, {}, "no" end
    if options.extra then
      return connection:send("HTTP/1.1 200 OK\r\n\r\n" .. options.extra) and connection:wait_end()
    end
    tunnel(connection, tonumber(request.target:match ":(%d+)$"))
    connection:close()
  end)
  proxy.seen = {}
  proxy.address = ("http://127.0.0.1:%d"):format(proxy.port)
  return proxy
end

return proxy_server
