-- SPDX-License-Identifier: MIT
-- loopback: brings the user to the authorization page and waits for the browser to come back to a
-- listener of ours (RFC 8252 7.3). The address is printed; nothing is launched (SEC-76).
local core = require "mcp.core"
local url = require "mcp.url"

local loopback = {}

---How long the user may take, in seconds.
loopback.TIME = 300

-- Tells the user where to go. On standard error: standard output may carry a protocol.
local function show(address)
  io.stderr:write("To authorize, open this address in a browser:\n\n  ", address, "\n\n")
end

-- What waits for one redirect: `uri` for the authorization server, `come` for the user's way.
local Wait = { __name = "mcp.auth.loopback" }
Wait.__index = Wait

function Wait.__close(self) self.listener:close() end

---Brings the user to the address and returns the one that the browser came back with.
---@param address string
---@return string|nil redirect
---@return string|nil text
---@return string|nil code "ETIMEDOUT", "ECANCELED"
function Wait:come(address)
  self.show(address)
  local target, text, code = self.waiter:wait(self.time)
  if code == "ETIMEDOUT" then
    return nil, ("the browser did not come back within %g s"):format(self.time), code
  end
  if not target then return nil, text, code end
  return self.origin .. target
end

---Listens. Without a port in the address any free one will do: that of `before` is tried first, so
---that what was registered with it stays good.
---@param redirect_uri string http, loopback
---@param before string|nil the address that was used last time
---@param settings table|nil show (function), time (seconds)
---@return table|nil
---@return string|nil message
function loopback.open(redirect_uri, before, settings)
  local parsed, message = url.parse(redirect_uri)
  if not parsed then return nil, "redirect_uri: " .. message end
  if parsed.scheme ~= "http" or not url.is_loopback(parsed) then
    return nil, ("redirect_uri: %s is not http on loopback; give on_authorize to receive it")
      :format(redirect_uri)
  end
  local waiter = core.waiter()
  local function catch(port)
    return core.listen_redirect(parsed.host, port, parsed.path, function(target)
      waiter:wake(target)
    end)
  end
  local listener, port
  local any = not redirect_uri:find "^http://[^/]*:%d+"
  local last = any and before and url.parse(before)
  if last and last.host == parsed.host and last.path == parsed.path then
    listener, port = catch(last.port)
  end
  if not listener then listener, port = catch(any and 0 or parsed.port) end
  if not listener then return nil, ("cannot listen at %s: %s"):format(redirect_uri, port) end
  local host = parsed.host:find(":", 1, true) and "[" .. parsed.host .. "]"
    or parsed.host
  local origin = ("http://%s:%d"):format(host, port)
  return setmetatable({ listener = listener, waiter = waiter, origin = origin,
    uri = origin .. parsed.path, show = settings and settings.show or show,
    time = settings and settings.time or loopback.TIME }, Wait)
end

return loopback
