-- SPDX-License-Identifier: MIT
-- machine: how busy this one is, and servers that begin to listen on it.
local drive = require "drive"

local machine = {}

---Busy seconds of all cores together, since the machine was started.
---@return number
function machine.busy()
  local file <close> = assert(io.open "/proc/stat")
  local user, nice, system, _, _, irq, soft, steal =
    file:read("l"):match "cpu +(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)"
  return (user + nice + system + irq + soft + steal) / 100
end

---Waits until a server listens. Raises if it ends, or takes too long.
---@param server table { child, port }
---@param command string[] how it was started
---@param log string where it writes
---@param patience number seconds
---@return table server
function machine.await(server, command, log, patience)
  local deadline, name = drive.now() + patience, table.concat(command, " ")
  while true do
    local fd = drive.connect(server.port)
    if fd then
      drive.close(fd)
      return server
    end
    if not server.child:alive() then
      error(("the server ended at its start, see %s: %s"):format(log, name), 0)
    end
    if drive.now() > deadline then
      error("the server does not listen: " .. name, 0)
    end
    drive.sleep(0.002)
  end
end

return machine
