-- SPDX-License-Identifier: MIT
-- replay: a transport that answers as a recording says (record.lua has the format). A request is
-- matched by method and params; what differs between any two runs (`_meta`, `requestState`) is left
-- out of that. Notices and questions come at their place, before the answer that they preceded.
local core = require "mcp.core"
local nearest = require "mcp.nearest"
local record = require "mcp.testing.record"

local replay = {}

-- Members of params that differ from run to run.
local VOLATILE = { _meta = true, requestState = true }

local function key_of(method, params)
  local kept = {}
  for name, member in pairs(type(params) == "table" and params or {}) do
    if not VOLATILE[name] then kept[name] = member end
  end
  -- What a client says of itself changes with each version.
  if method == "initialize" then kept = {} end
  return method .. " " .. (core.encode(kept, true) or "?")
end

-- --- reading --------------------------------------------------------------------------------

---@param path string
---@return table[]|nil events
---@return string|nil text
function replay.read(path)
  local file <close>, text = io.open(path, "rb")
  if not file then return nil, text end
  local events, number = {}, 0
  for line in file:lines() do
    number = number + 1
    local event, wrong = core.decode(line)
    if type(event) ~= "table" then
      return nil, ("%s:%d: expected a JSON object%s"):format(path, number,
        wrong and ": " .. wrong or "")
    end
    if number == 1 and event.recording ~= record.FORMAT then
      return nil, ("%s: expected a recording of format %d"):format(path, record.FORMAT)
    end
    events[#events + 1] = event
  end
  if number == 0 then return nil, path .. ": expected a recording, got an empty file" end
  return events
end

-- A request that stays open: its answer is the end of the conversation.
local LISTEN = "subscriptions/listen"
local ACKNOWLEDGED = "notifications/subscriptions/acknowledged"

-- The calls of a recording in order: each with its key, with what came between its beginning and
-- its answer (`before`), and with what came between its answer and the next call (`after`).
local function calls_of(events)
  local calls, by_number, open, last, listening = {}, {}, {}, nil, nil
  for _, event in ipairs(events) do
    if event.call then
      local call = { key = key_of(event.method, event.params), method = event.method,
        at = event.at, before = {}, after = {} }
      calls[#calls + 1], by_number[event.call] = call, call
      if event.method == LISTEN then
        listening = call
      else
        open[#open + 1], last = call, call
      end
    elseif event.answer or event.lost then
      local call = by_number[event.answer or event.lost]
      if call then call.ending = event end
      for at = #open, 1, -1 do
        if open[at] == call then table.remove(open, at) end
      end
    elseif event.notice == ACKNOWLEDGED and listening then
      listening.before[#listening.before + 1] = event
    elseif event.notice or event.ask then
      -- It belongs to the request that was begun last and has not ended.
      local call = open[#open]
      if call then
        call.before[#call.before + 1] = event
      elseif last then
        last.after[#last.after + 1] = event
      end
    end
  end
  return calls
end

-- --- the transport --------------------------------------------------------------------------

local Replay = { __name = "mcp.transport" }
Replay.__index = Replay

function Replay:open(peer)
  self.peer = peer
  return true
end

-- The first recorded call that matches and was not used, or nil and a text.
local function find(self, method, params)
  local key = key_of(method, params)
  for _, call in ipairs(self.calls) do
    if not call.used and call.key == key then
      call.used = true
      return call
    end
  end
  local names = {}
  for _, call in ipairs(self.calls) do
    if call.method == method then names[#names + 1] = call.key end
  end
  local meant = nearest.find(key, names) or names[1]
  return nil, ("replay: no such request was recorded%s: %s%s"):format(
    meant and #names > 0 and self.used[key] and " again" or "", key,
    meant and "; the nearest is " .. meant or "")
end

-- What a test can ask for: the connection is lost instead of the answer with this number.
local function is_cut(self)
  self.answers = self.answers + 1
  return self.cut_at and self.answers >= self.cut_at
end

-- Progress goes to the token of this run.
local function with_token(event, params)
  -- The client keeps what is the same in many requests as text: a token is never in that.
  local meta = params and params._meta
  local token = type(meta) == "table" and meta.progressToken or nil
  if event.notice ~= "notifications/progress" or token == nil then return event.params end
  local out = {}
  for name, member in pairs(event.params) do out[name] = member end
  out.progressToken = token
  return out
end

-- Gives the client what the server sent by itself.
local function deliver(self, event, params)
  if event.notice then
    self.peer.notice(event.notice, with_token(event, params))
  else
    self.peer.serve(event.method, event.params, { is_cancelled = function() return false end })
  end
end

-- A request that stayed open does so again, until the client ends it.
local function stay_open(self, call)
  call.waiter = core.waiter()
  self.standing[call] = true
  call.waiter:wait()
  self.standing[call] = nil
  return nil, self.lost or "replay: ended", self.lost and "EGONE" or "ECANCELED"
end

local function lose(self, text)
  self.lost = text
  for call in pairs(self.standing) do call.waiter:wake() end
  self.peer.lost(text, "EGONE")
  return nil, text, "EGONE"
end

---As of any transport: see client/transport/duplex.lua.
function Replay:request(_, method, params, call)
  if self.lost then return nil, self.lost, "EGONE" end
  local found, text = find(self, method, params)
  if not found then return nil, text, "ENOENT" end
  self.used[found.key] = true
  local last = found.at
  local function wait_until(at)
    if not self.delays or not at then return end
    core.sleep(math.max(0, math.min(at - last, call:left())))
    last = at
  end
  for _, event in ipairs(found.before) do
    wait_until(event.at)
    deliver(self, event, params)
  end
  local ending = found.ending
  if not ending and method == LISTEN then return stay_open(self, call) end
  if not ending or is_cut(self) then return lose(self, "replay: the connection was cut") end
  wait_until(ending.at)
  if found.after[1] then
    core.spawn(function()
      for _, event in ipairs(found.after) do
        wait_until(event.at)
        if self.lost then return end
        deliver(self, event, params)
      end
    end)
  end
  if ending.lost then return nil, ending.text or "lost", ending.code or "EGONE" end
  return { result = ending.result, error = ending.error }
end

function Replay:notify()
  if self.lost then return nil, self.lost, "EGONE" end
  return true
end

function Replay.cancel(_, call)
  if call.waiter then call.waiter:wake() end
end

-- Any era is replayed.
function Replay.settle() end

function Replay:close()
  self.lost = self.lost or "replay: closed"
  for call in pairs(self.standing) do call.waiter:wake() end
end

---A transport that replays a file.
---@param path string
---@param options table|nil delays (true: at the speed of the recording), cut (the number of the
---answer before which the connection is lost)
---@return table|nil transport
---@return string|nil text
function replay.new(path, options)
  local events, text = replay.read(path)
  if not events then return nil, text end
  options = options or {}
  return setmetatable({ name = "replay", duplex = true, timed = true, calls = calls_of(events),
    used = {}, standing = {}, answers = 0, delays = options.delays, cut_at = options.cut,
    lost = false }, Replay)
end

---The requests of the recording that were not made.
---@param transport table
---@return string[] requests
function replay.unused(transport)
  local out = {}
  for _, call in ipairs(transport.calls) do
    if not call.used then out[#out + 1] = call.key end
  end
  return out
end

return replay
