-- SPDX-License-Identifier: MIT
-- tell: tells the program something: its function runs in a task of its own and may wait. A server
-- that talks faster than the program listens is not heard for as long.
local core = require "mcp.core"

local tell = {}

---Functions of one client that have not returned yet.
tell.MOST = 1024

-- What the arguments of these functions take; made with the first.
local share

local Telling = { __name = "mcp.client.telling" }
Telling.__close = function(self)
  self.client.telling = self.client.telling - 1
  share:release(self.bytes)
end

local function run(client, bytes, fn, ...)
  local open <close> = setmetatable({ client = client, bytes = bytes }, Telling) -- luacheck: ignore
  fn(...)
end

---Runs `fn(…)`; an error in it goes to the log.
---@param client table
---@param fn function
---@param ... any
function tell.run(client, fn, ...)
  local bytes = core.weight(...)
  share = share or core.share()
  if client.telling >= tell.MOST or not share:charge(bytes) then
    if not client.deaf then
      client.deaf = true
      core.log("warning", ("%d notices of the server are being worked on: further ones are dropped")
        :format(client.telling))
    end
    return
  end
  client.telling, client.deaf = client.telling + 1, false
  core.spawn(run, client, bytes, fn, ...)
end

return tell
