-- SPDX-License-Identifier: MIT
-- workers: serves an app with several processes. Opens the sockets that the options ask for and
-- leaves the rest to workers/supervisor.lua. Loaded only where more than one worker is asked for.
local address = require "mcp.later" "mcp.server.listen.address"
local core = require "mcp.core"
local inherited = require "mcp.server.listen.inherited"
local options = require "mcp.server.listen.options"
local service = require "mcp.later" "mcp.server.listen.service"

local workers = {}

-- The program that runs this script, and its words: those before the script (arg[-1] and below),
-- the script and what follows.
local function command_of_lua()
  local first = 0
  local words = rawget(_G, "arg")
  if type(words) ~= "table" or type(words[0]) ~= "string" then
    error("workers: cannot tell how this script was started: `arg` is missing", 0)
  end
  while words[first - 1] do first = first - 1 end
  if first == 0 then
    error("workers: cannot tell which program runs this script: arg[-1] is missing", 0)
  end
  local out = {}
  for i = first, #words do out[#out + 1] = tostring(words[i]) end
  return out
end

local function close(sockets)
  for _, item in ipairs(sockets) do
    item.socket:remove_file()
    item.socket:close()
  end
end

-- The sockets of the list of what is to be opened, with names by which workers tell them apart.
local function open(places)
  local sockets = {}
  for i, place in ipairs(places) do
    local socket, text, code = place.socket, nil, nil
    if not socket then
      socket, text, code = core.open_socket { host = place.host, port = place.port,
        unix = place.unix, mode = place.mode }
    end
    if not socket then
      close(sockets)
      error(address.refusal(place, text, code), 0)
    end
    sockets[i] = { name = place.what, socket = socket }
  end
  return sockets
end

---What is wrong with the options where there are workers, as an error (level 0).
---@param given table
local function check(given)
  if given.stdio then
    error("workers: standard input is for one process: expected http, unix, sse or websocket", 0)
  end
  if given.inspect then
    error("workers: the inspect page is for one process: expected workers = 1 with inspect", 0)
  end
end

---Serves with `given.workers` processes until the end. Raises (level 0) what is wrong with the
---options, or why the first worker did not start.
---@param given table the options of app:run
---@param command string[]|nil what starts a worker; nil: as this script was started
function workers.run(given, command)
  -- Where the script is not loaded here, they were not taken yet.
  if os.getenv "LISTEN_FDS" then inherited.take() end
  given = inherited.extend(given)
  check(given)
  local places = options.read(given)
  command = command or command_of_lua()
  places = inherited.assign(places, given)
  local program = package.loaded["mcp.program"]
  local sockets = open(places)
  local supervisor = require("mcp.server.workers.supervisor").new {
    command = command, count = given.workers, sockets = sockets,
  }
  local written, remove_file = true, nil
  if given.pid_file then written, remove_file = pcall(service.write_pid, given.pid_file) end
  if not written then
    close(sockets)
    error(remove_file, 0)
  end
  workers.supervisor = supervisor
  if program then program.settle() end
  local ok, text = supervisor:run()
  workers.supervisor = nil
  if remove_file then remove_file() end
  if not ok then error(text, 0) end
end

return workers
