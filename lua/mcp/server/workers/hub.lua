-- SPDX-License-Identifier: MIT
-- hub: a supervisor's side of the store that its workers share (lua/mcp/store/hub.lua is theirs):
-- carries out their calls on a memory, and passes on what they publish. Calls do not wait, so the
-- order of each worker's is kept.
local core = require "mcp.core"
local frames = require "mcp.store.frames"

local hub = {}

local Hub = {}
Hub.__index = Hub

local Member = {}
Member.__index = Member

-- A worker that does not read its answers is at its end: it will be seen to hang.
local function send(self, ...)
  local ok, text, code = self.channel:send(...)
  if not ok and code == "EBUSY" and not self.slow then
    self.slow = true
    core.log("warning", ("%s does not read from the supervisor: texts and answers are lost")
      :format(self.name))
  end
  return ok, text, code
end

local function call(self, name, id, ...)
  local driver = self.store.driver
  if id == 0 then
    local ok, text = driver:later(name, ...)
    if not ok then send(self, frames.FAILED, text) end
    return
  end
  local value, second, code = driver[name](driver, ...)
  local ok, _, problem = send(self, frames.answer(name, id, value, second, code))
  if ok then return end
  if problem == "ETOOBIG" then
    send(self, frames.answer(name, id, nil, "the answer is larger than a frame", "ETOOBIG"))
  elseif problem == "EBUSY" then
    -- A small one may still have room.
    send(self, frames.answer(name, id, nil, "the worker does not read its answers", "EUNAVAILABLE"))
  end
end

local function listen(self, frame)
  local _, id, at = string.unpack("<c1I4", frame)
  self.topics[frame:sub(at)] = true
  send(self, frames.answer("listen", id, true))
end

local function publish(self, frame)
  local topic, at = string.unpack("<s4", frame, 2)
  self.store.driver:publish(topic, frame:sub(at))
end

---Carries out a frame of the worker.
---@param frame string
---@return boolean known false: it is not about the store
function Member:take_frame(frame)
  local kind = frame:sub(1, 1)
  if kind == frames.CALL then
    call(self, frames.read_call(frame))
  elseif kind == frames.PUBLISH then
    publish(self, frame)
  elseif kind == frames.LISTEN then
    listen(self, frame)
  elseif kind == frames.UNLISTEN then
    self.topics[frame:sub(2)] = nil
  else
    return false
  end
  return true
end

---The worker has ended: its node is gone.
function Member:leave() self.store:close() end

---One more worker.
---@param channel mcp.core.Channel
---@param name string for the log
---@param node string|nil the id of its store; random if not given
---@return table member with `node`
function Hub:join(channel, name, node)
  local store = self.memory:node(node)
  local member = setmetatable({ channel = channel, name = name, store = store, topics = {},
    slow = false, node = store.node }, Member)
  -- In place of subscriptions in this process.
  function store.deliver(_, topic, text, sender)
    if member.topics[topic] then
      send(member, string.pack("<c1s4s4", frames.DELIVER, topic, sender), text)
    end
  end
  return member
end

---A hub without workers.
---@param memory mcp.store.Memory|nil
---@return table
function hub.new(memory)
  return setmetatable({ memory = memory or require("mcp.store.memory").new() }, Hub)
end

return hub
