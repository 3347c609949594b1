-- SPDX-License-Identifier: MIT
-- watched: resources of another server that clients of this side watch (a mount): one
-- subscription there for all of them, ended only when there is no room for more.
local core = require "mcp.core"

local watched = {}

---Resources that no client watches any more are unsubscribed from when there is no room for more:
---so many at a time,
watched.SWEPT = 64
---and after so many seconds.
watched.KEPT = 10

local function sweep(since, client, in_use)
  local unused = {}
  for uri, at in pairs(since) do
    -- A client that has just asked may not be on the bus yet.
    if #unused < watched.SWEPT and core.now() - at >= watched.KEPT and not in_use(uri) then
      unused[#unused + 1] = uri
    end
  end
  for _, uri in ipairs(unused) do
    since[uri] = nil
    client:unsubscribe(uri)
  end
  return unused[1] ~= nil
end

---Subscribes to a resource, unless that has been done.
---@param since table<string, number> when each was last asked for; changed
---@param client mcp.Client of the other server
---@param uri string
---@param in_use fun(uri: string): boolean does a client of this side watch it?
---@param on_change fun(uri: string) called with each change
---@return boolean watched
function watched.add(since, client, uri, in_use, on_change)
  if not since[uri] then
    local ok, _, code = client:subscribe(uri, on_change)
    if code == "EBUSY" and sweep(since, client, in_use) then
      ok = client:subscribe(uri, on_change)
    end
    if not ok then return false end
  end
  since[uri] = core.now()
  return true
end

return watched
