-- SPDX-License-Identifier: MIT
-- tell: tells the program something: its function runs in a task of its own and may wait. A server
-- that talks faster than the program listens is not heard for as long.
local core = require "mcp.core"

local tell = {}

---Functions of one client that have not returned yet.
tell.MOST = 1024

local Telling = { __name = "mcp.client.telling" }
Telling.__close = function(self) self.client.telling = self.client.telling - 1 end

local function run(client, fn, ...)
  local open <close> = setmetatable({ client = client }, Telling) -- luacheck: ignore
  fn(...)
end

---Runs `fn(…)`; an error in it goes to the log.
---@param client table
---@param fn function
---@param ... any
function tell.run(client, fn, ...)
  if client.telling >= tell.MOST then
    if not client.deaf then
      client.deaf = true
      core.log("warning", ("%d notices of the server are being worked on: further ones are dropped")
        :format(tell.MOST))
    end
    return
  end
  client.telling, client.deaf = client.telling + 1, false
  core.spawn(run, client, fn, ...)
end

return tell
