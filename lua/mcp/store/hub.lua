-- SPDX-License-Identifier: MIT
-- hub: the store of a worker, which its supervisor keeps (lua/mcp/server/workers/hub.lua). A driver
-- over a channel: see lua/mcp/store/methods.lua and lua/mcp/store/frames.lua.
local core = require "mcp.core"
local frames = require "mcp.store.frames"
local methods = require "mcp.store.methods"

local hub = {}

---How long a call waits for its answer, in seconds: a supervisor that hangs.
hub.TIMEOUT = 2

-- The time after that in which an answer is read that had come, where this process was held up: its
-- clock runs before its sockets are read.
local LATE = 0.02

local Driver = {}
Driver.__index = Driver

local function away(text) return nil, "the supervisor " .. text, "EUNAVAILABLE" end

-- Sends a frame. The queue is bounded: a supervisor that does not read.
local function send(self, ...)
  local ok, text, code = self.channel:send(...)
  if ok then return true end
  if code == "ETOOBIG" then return nil, "the call is larger than a frame", code end
  return away(code == "EBUSY" and "does not read" or "is away: " .. text)
end

local function ask(self, make, ...)
  if self.gone then return away "is away" end
  local id = self.last % 0xffffffff + 1
  self.last = id
  local ok, text, code = send(self, make(id, ...))
  if not ok then return nil, text, code end
  local waiter = core.waiter()
  self.calls[id] = waiter
  local results = table.pack(waiter:wait(hub.TIMEOUT))
  if results[3] == "ETIMEDOUT" and not waiter:is_woken() then
    results = table.pack(waiter:wait(LATE))
  end
  self.calls[id] = nil
  if waiter:is_woken() then return table.unpack(results[1], 1, results[1].n) end
  if results[3] == "ETIMEDOUT" then return away "has not answered in time" end
  return nil, results[2], results[3]
end

for _, name in ipairs { "get", "put", "add", "touch", "delete", "take", "release", "count",
  "append", "range", "bucket", "nodes" } do
  local function make(id, ...) return frames.call(name, id, ...) end
  Driver[name] = function(self, ...) return ask(self, make, ...) end
end

function Driver:later(name, ...)
  if self.gone then return away "is away" end
  return send(self, frames.call(name, 0, ...))
end

function Driver:publish(topic, text)
  if self.gone then return away "is away" end
  return send(self, frames.PUBLISH, string.pack("<s4", topic), text)
end

local function listen(id, topic) return string.pack("<c1I4", frames.LISTEN, id) .. topic end

function Driver:listen(topic) return ask(self, listen, topic) end

function Driver:unlisten(topic)
  if not self.gone then send(self, frames.UNLISTEN, topic) end
end

function Driver:connect()
  if self.gone then return away "is away" end
  return true
end

function Driver:is_ready() return not self.gone end

local function wake_all(self, ...)
  self.gone = true
  local calls = self.calls
  self.calls = {}
  for _, waiter in pairs(calls) do waiter:wake(table.pack(...)) end
end

function Driver:close()
  wake_all(self, nil, "the store is closed", "ECLOSED")
end

---What the owner of the channel calls with each frame that it has received.
---@param frame string
---@return boolean known false: it is not about the store
function Driver:take_frame(frame)
  local kind = frame:sub(1, 1)
  if kind == frames.ANSWER then
    local results = table.pack(frames.read_answer(frame))
    local waiter = self.calls[results[1]]
    if waiter then waiter:wake(table.pack(table.unpack(results, 2, results.n))) end
  elseif kind == frames.DELIVER then
    local _, topic, node, at = string.unpack("<c1s4s4", frame)
    self.store:deliver(topic, frame:sub(at), node)
  elseif kind == frames.FAILED then
    self.store:report(nil, frame:sub(2))
  else
    return false
  end
  return true
end

---The channel has ended: calls in progress fail, and all that follow.
function Driver:lose() wake_all(self, away "is away") end

---A store over a channel. Its owner receives, and hands frames to `driver:take_frame`.
---@param channel mcp.core.Channel
---@param node string the id of this process, which the supervisor knows
---@return mcp.Store store, table driver
function hub.new(channel, node)
  local driver = setmetatable({ channel = channel, calls = {}, last = 0, gone = false }, Driver)
  driver.store = methods.new("supervisor's store", driver, node)
  return driver.store, driver
end

return hub
