-- SPDX-License-Identifier: MIT
-- Holds the conversations of scenarios.lua with an app, over a pair of ends in
-- memory or over a socket of the same process. Everything a conversation opens
-- it puts into its state, so that whoever made it fail can still close it.
local core = require "mcp.core"

local talk = {}

-- Turns of the loop after each text: enough for every handler but the slow
-- ones.
local TURNS = 8

local function turn(times)
  for _ = 1, times do core.step(0) end
end

---Turns the loop until `done()`, a little longer from turn to turn.
---@param done fun(): boolean
---@return boolean
function talk.settle(done)
  for i = 1, 60 do
    if done() then return true end
    core.step(i < 20 and 0 or 0.02)
  end
  return done()
end

-- --- in memory --------------------------------------------------------------

local duplex = {}
talk.duplex = duplex

---@param state table what is open afterwards
function duplex.converse(app, scenario, state)
  -- What is assigned while memory fails must have its place before.
  state.host, state.wire, state.heard, state.sent = false, false, "", 0
  local receiver = require("mcp.server.front.duplex").receiver(app)
  local host, wire = core.memory_pair(receiver)
  if not host then error(wire, 0) end
  state.host, state.wire = host, wire
  for i = 1, #scenario.lines do
    assert(wire:send(scenario.lines[i]))
    assert(wire:send "\n")
    state.sent = i
    turn(TURNS)
  end
end

local function id_of(line)
  local value = core.decode(line)
  if type(value) ~= "table" then return nil, "no JSON: " .. line end
  if value.jsonrpc ~= "2.0" and not value[1] then return nil, "no message: " .. line end
  local ids = {}
  for _, message in ipairs(value[1] and value or { value }) do
    local id = message.id
    if message.method == nil and id ~= nil and id ~= core.null then
      ids[#ids + 1] = type(id) == "string" and '"' .. id .. '"' or tostring(id)
    end
  end
  return ids
end

-- The ids that are owed for the first `sent` lines.
local function owed_for(scenario, sent)
  local owed = {}
  for _, id in ipairs(scenario.owed) do
    local at = #scenario.lines
    for i, line in ipairs(scenario.lines) do
      if line:find('"id":' .. id, 1, true) then
        at = i
        break
      end
    end
    if at <= sent then owed[id] = true end
  end
  return owed
end

---What is wrong with what was heard: each line a message, nothing answered
---twice, what is owed answered unless the connection is closed.
---@return string|nil problem
function duplex.judge(scenario, state)
  if not state.wire then return nil end
  local owed, missing = owed_for(scenario, state.sent), nil
  -- An error without an id may be about any of them.
  local blamed = false
  local seen = {}
  local function listen()
    state.heard = state.heard .. state.wire:take()
    seen = {}
    for line in state.heard:gmatch "([^\n]+)\n" do
      local ids, why = id_of(line)
      if not ids then return why end
      blamed = blamed or line:find('"id":null', 1, true) ~= nil
      for _, id in ipairs(ids) do
        if seen[id] then return ("id %s was answered twice"):format(id) end
        seen[id] = true
      end
    end
    return nil
  end
  local problem
  talk.settle(function()
    problem = listen()
    missing = nil
    for id in pairs(owed) do
      if not seen[id] then missing = id end
    end
    return problem ~= nil or not missing or blamed or not state.wire:is_open()
  end)
  if problem and state.wire:is_open() then return problem end
  if missing and not blamed and state.wire:is_open() then
    return ("id %s was not answered, and the connection is open"):format(missing)
  end
  return nil
end

-- --- HTTP -------------------------------------------------------------------

local http = {}
talk.http = http

-- One whole response at the beginning of `text`: its length, head and body.
local function response(text)
  local from = 1
  while true do
    local status, headers, behind = text:match("^HTTP/1%.1 (%d+)[^\r\n]*(.-)\r\n\r\n()", from)
    if not status then return nil end
    if status:sub(1, 1) ~= "1" then
      local length = headers:match "[Cc]ontent%-[Ll]ength: (%d+)"
      local stop = behind - 1
      if length then
        stop = stop + math.tointeger(tonumber(length))
      elseif headers:find "[Tt]ransfer%-[Ee]ncoding: chunked" then
        local _, last = text:find("\r\n0\r\n\r\n", behind - 2, true)
        if not last then return nil end
        stop = last
      end
      if #text < stop then return nil end
      return stop, status, headers, text:sub(behind, stop)
    end
    from = behind
  end
end

local function pull(state)
  local text, closed = state.peer:receive()
  state.closed = closed
  return response(text)
end

local function send(state, text, pieces)
  local size = pieces or #text
  for from = 1, #text, size do
    assert(state.peer:send(text:sub(from, from + size - 1)))
    if pieces then turn(3) end
  end
end

function http.converse(app, scenario, state)
  local session = ""
  -- What is assigned while memory fails must have its place before.
  state.host, state.peer, state.heard, state.waiting = false, false, {}, false
  state.host = assert(core.listen_http({ host = "127.0.0.1", port = 0 },
    require("mcp.server.front.http").receiver(app)))
  state.peer = assert(require("codecs.peer").connect(state.host:port()))
  for i = 1, #scenario.texts do
    send(state, (scenario.texts[i]:gsub("SESSION", session)), scenario.pieces)
    state.waiting = i
    local stop, status, headers, body
    for _ = 1, 4 * TURNS do
      turn(1)
      stop, status, headers, body = pull(state)
      if stop or state.closed then break end
    end
    if not stop then return end
    state.waiting = false
    state.peer:drop(stop)
    local id = headers:match "[Mm]cp%-[Ss]ession%-[Ii]d: ([^\r\n]+)"
    if id then session = "Mcp-Session-Id: " .. id .. "\r\n" end
    state.heard[i] = status .. "\n" .. body
    if headers:find "[Cc]onnection: close" then return end
  end
end

function http.judge(_, state)
  if not state.peer then return nil end
  if not state.waiting or state.closed then return nil end
  local answered = talk.settle(function()
    return pull(state) ~= nil or state.closed
  end)
  return not answered and ("request %d was not answered, and the connection is open: %q")
    :format(state.waiting, state.peer:receive():sub(1, 400)) or nil
end

-- --- both -------------------------------------------------------------------

---Closes what a conversation has opened, and waits until it is gone.
---@return string|nil problem
function talk.close(state)
  if state.wire then state.wire:close() end
  if state.peer then state.peer:close() end
  if state.host then state.host:close() end
  local host = state.host
  if host and not talk.settle(function() return host:is_gone() end) then
    return "the host does not go"
  end
  if not talk.settle(function() return core.task_count() == 0 end) then
    return ("%d tasks are left"):format(core.task_count())
  end
  return nil
end

---A whole conversation with nothing failing: all that was heard.
---@return string|nil heard, string|nil problem
function talk.whole(app, scenario)
  local state = {}
  talk[scenario.kind].converse(app, scenario, state)
  local problem = talk[scenario.kind].judge(scenario, state)
  local heard = state.heard
  if scenario.kind == "http" then heard = table.concat(heard, "\n") end
  return heard, talk.close(state) or problem
end

return talk
