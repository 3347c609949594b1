-- SPDX-License-Identifier: MIT
-- service: a process that serves as a service of the system: it notifies the service manager
-- (sd_notify(3)) of its state, writes its number to a file, and gives up the rights of root once
-- its listeners are open.
local core = require "mcp.core"

local service = {}

-- How often the manager's watchdog is notified, as a part of the time that it allows.
local PART = 0.5

-- --- notifying -----------------------------------------------------------------------------------

---@class mcp.ServiceManager
local Manager = { __name = "mcp.service_manager" }
Manager.__index = {}

local function send(self, text)
  local ok, message = core.notify(self.address, text)
  if ok or self.failed then return end
  self.failed = true -- once is enough: nothing else would be in the log
  core.log("warning", ("NOTIFY_SOCKET: %s: %s"):format(self.address, message))
end

---The service has started, or has been reloaded.
---@param status string|nil what it does, for people
function Manager.__index:ready(status)
  self.status = status or self.status
  send(self, ("READY=1\nSTATUS=%s"):format(self.status))
  if self.interval and not self.beats then
    self.beats = core.waiter()
    self.beats:spawn(function()
      repeat send(self, "WATCHDOG=1") until not core.sleep(self.interval)
    end)
  end
end

---It reads what it is made of again; `ready` follows.
function Manager.__index:reloading()
  local _, now = core.time()
  -- The second line is what Type=notify-reload needs.
  send(self, ("RELOADING=1\nMONOTONIC_USEC=%d"):format(now * 1000000 // 1 | 0))
end

---It ends. Only the first time counts.
---@param status string
function Manager.__index:stopping(status)
  if self.ending then return end
  self.ending = true
  send(self, "STOPPING=1\nSTATUS=" .. status)
end

---Nothing more is sent.
function Manager.__index:close()
  if self.beats then self.beats:cancel() end
  self.beats = nil
end

local manager

---The manager that has started this process, if it wants to be notified. Its variables are taken
---out of the environment: children are not the service.
---@return mcp.ServiceManager|nil
function service.manager()
  local address = core.take_variable "NOTIFY_SOCKET"
  if not address or address == "" then return manager end
  local microseconds = tonumber(core.take_variable "WATCHDOG_USEC" or "")
  local pid = tonumber(core.take_variable "WATCHDOG_PID" or "")
  local interval = microseconds and microseconds > 0 and (pid == nil or pid == core.pid())
    and microseconds / 1000000 * PART or nil
  manager = setmetatable({ address = address, interval = interval, status = "", failed = false,
    ending = false, beats = nil }, Manager)
  return manager
end

-- --- the file with the number ----------------------------------------------------------------

local function read(path)
  local file <close> = io.open(path, "r")
  return file and file:read(32)
end

-- Where there is no /proc, a number that was left behind is of no process.
local function is_alive(pid) return read(("/proc/%d/stat"):format(pid)) ~= nil end

---Writes the number of this process to a file. Raises (level 0) if that is impossible, or if the
---process whose number is in it is alive.
---@param path string
---@return fun() remove removes it, if it is still ours
function service.write_pid(path)
  local own = core.pid()
  local there = tonumber((read(path) or ""):match "^%d+")
  if there and there ~= own and is_alive(there) then
    error(("pid_file: %s: process %d is running; remove the file if it is another program"):format(
      path, there), 0)
  end
  local fresh = ("%s.%d"):format(path, own)
  local file, text = io.open(fresh, "w")
  -- The name in the text is that of the file which is renamed at the end.
  if not file then
    error(("pid_file: %s: %s"):format(path, text:sub(#fresh + 3)), 0)
  end
  local written = file:write(own, "\n") and file:close()
  local ok
  ok, text = os.rename(fresh, path)
  if not (written and ok) then
    os.remove(fresh)
    text = text and text:match "([^:]*)$":match "^%s*(.*)" or "cannot be written"
    error(("pid_file: %s: %s"):format(path, text), 0)
  end
  return function()
    if tonumber((read(path) or ""):match "^%d+") == own then os.remove(path) end
  end
end

-- --- another user --------------------------------------------------------------------------------

---Lets the process go on as another user. Raises (level 0) what is wrong. If the system refuses a
---step in the middle the process ends: it must not serve with half of its rights.
---@param user string|nil
---@param group string|nil the user's own if not given
---@param files string[] socket files, which that user is to own
function service.become(user, group, files)
  local uid, gid = core.find_user(user, group)
  if not uid then
    local unknown = gid
    error(("%s: there is no %s %q"):format(unknown == user and "user" or "group",
      unknown == user and "user" or "group", unknown), 0)
  end
  for _, path in ipairs(files) do core.change_owner(path, uid, gid) end
  local ok, text, code = core.become(user, group)
  if ok then return end
  if code == "EPERM" then
    error(("%s: only root can give up its rights: start the program as root, or without %s"):format(
      user and "user" or "group", user and "user" or "group"), 0)
  end
  io.stderr:write(("luamcp: user: the rights of root cannot be given up: %s\n"):format(text))
  os.exit(1, false)
end

---Does what they ask for, once the listeners are open. Raises (level 0) what is wrong.
---@param listening mcp.Listening
---@return fun()|nil finish to be called at the end
function service.enter(listening)
  local given, finish = listening.given, nil
  -- The number of a service with workers is that of their supervisor.
  if given.pid_file and not listening.member then finish = service.write_pid(given.pid_file) end
  if not (given.user or given.group) then return finish end
  local files = {}
  for _, shown in ipairs(listening.shown) do files[#files + 1] = shown.place.unix end
  local ok, text = pcall(service.become, given.user, given.group, files)
  if ok then return finish end
  if finish then finish() end
  error(text, 0)
end

return service
