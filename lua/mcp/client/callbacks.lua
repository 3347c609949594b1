-- SPDX-License-Identifier: MIT
-- callbacks: calls the program's functions for notifications, each in a task of its own, so that it
-- may wait. While too many have not returned, further notifications are dropped.
local core = require "mcp.core"

local callbacks = {}

---Functions of one client that have not returned yet.
callbacks.MAX = 1024

-- Accounts for the memory of the arguments; created with the first call.
local share

local Running = { __name = "mcp.client.callback" }
Running.__close = function(self)
  self.client.callbacks = self.client.callbacks - 1
  share:release(self.bytes)
end

local function run(client, bytes, fn, ...)
  local open <close> = setmetatable({ client = client, bytes = bytes }, Running) -- luacheck: ignore
  fn(...)
end

---Runs `fn(…)`; an error in it goes to the log.
---@param client table
---@param fn function
---@param ... any
function callbacks.run(client, fn, ...)
  local bytes = core.weight(...)
  share = share or core.share()
  if client.callbacks >= callbacks.MAX or not share:charge(bytes) then
    if not client.dropping then
      client.dropping = true
      core.log("warning", ("%d notifications of the server are in progress: dropping further ones")
        :format(client.callbacks))
    end
    return
  end
  client.callbacks, client.dropping = client.callbacks + 1, false
  core.spawn(run, client, bytes, fn, ...)
end

return callbacks
