-- SPDX-License-Identifier: MIT
-- Any bytes from a client on a duplex connection. Whatever comes back is one
-- JSON value a line; afterwards nothing is left, and a ping is answered.
local core = require "mcp.core"
local receiver = require("mcp.server.front.duplex").receiver(require "spec.torture.app"())

local PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

local function turn(times)
  for _ = 1, times do core.step(0) end
end

-- All lines that come back for `text`.
local function say(text)
  local host, wire = core.memory_pair(receiver)
  wire:send(text)
  turn(12)
  local heard = wire:take()
  wire:close()
  host:close()
  turn(6)
  assert(host:is_gone(), "the host does not go")
  return heard
end

return function(bytes)
  for line in say(bytes):gmatch "[^\n]+" do
    assert(core.decode(line), line)
  end
  assert(core.task_count() == 0, "a task is left")
  local heard = say(PING)
  assert(heard == '{"jsonrpc":"2.0","id":1,"result":{}}\n', heard)
end
