-- SPDX-License-Identifier: MIT
-- live: questions in a session. Each is sent as a request on the stream of the call that asks, and
-- the handler waits; the client's response is a message of its own, by any connection.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"

local live = {}

---Unanswered questions of one session.
live.MAX = 64
---How long a question waits for notifications/initialized, before which none may go out, in
---seconds.
live.INITIALIZED = 10

local Questions = { __name = "mcp.questions" }
Questions.__index = {}

-- The open questions of a session. Any of several processes may get an answer, so ids differ;
-- that of a connection (a session without an id) comes by the connection.
local function questions_of(session, shared)
  local questions = session.questions
  if not questions then
    questions = setmetatable({
      last_id = shared and session.id and shared:first_question() or 0, count = 0,
      by_id = {} }, Questions)
    session.questions = questions
  end
  return questions
end

---Gives a response to the handler that waits for it. Other responses are ignored.
---@param kind "result"|"error"|"bad response"
---@param id string the key of its id
---@param payload any
---@return boolean taken a handler was waiting for it
function Questions.__index:answer(kind, id, payload)
  local item = self.by_id[id]
  if not item and id then
    item = self.by_id[id:match '^"(%d+)$']
    if item then
      kind, payload = "bad response", { message = ("its id is the string %q, and the request had "
        .. "the number %s"):format(item.id, item.id) }
    end
  end
  if not item then return false end
  self:forget(item)
  item.answered = true
  item.waiter:wake { kind = kind, payload = payload }
  return true
end

function Questions.__index:forget(item)
  if self.by_id[item.id] ~= item then return end
  self.by_id[item.id] = nil
  self.count = self.count - 1
end

-- Cancels the unanswered questions, and notifies the client.
local function withdraw(exchange, questions, asking, sent, reason)
  for _, item in ipairs(sent) do
    asking.sent[item] = nil
    if not item.answered then
      questions:forget(item)
      exchange:send("notifications/cancelled",
        { requestId = math.tointeger(tonumber(item.id)), reason = reason }, nil, true)
    end
  end
end

-- What an answer says: the answer as it is read, or nil, text and code.
local function read(ctx, item, came)
  local payload = came.payload
  if came.kind == "over" then return nil, "the call has ended", "ECANCELED" end
  if came.kind == "bad response" then
    core.log("info", ("%s: %s"):format(item.method, payload.message))
    return nil, "the client's answer cannot be used: " .. payload.message, "ERPC"
  end
  if came.kind == "error" then
    if type(payload) ~= "table" then payload = {} end
    return nil, type(payload.message) == "string" and payload.message or "the client has failed",
      math.tointeger(payload.code) or errors.INTERNAL_ERROR
  end
  local answer, message = item.question:read(ctx.revision, payload)
  if answer then return answer end
  core.log("info", ("%s: a bad answer of the client: %s"):format(item.method, message))
  return nil, "the client's answer is not what was asked for: " .. message, errors.INVALID_PARAMS
end

-- Until the client has said that it is ready, nothing but pings and log messages may go to it
-- (IO-41). A call that came before that, which is the client's mistake, waits.
local function await_ready(session, timeout)
  if session.initialized then return true end
  local waiter, waiting = core.waiter(), session.waiting or {}
  session.waiting = waiting
  waiting[waiter] = true
  local _ <close> = setmetatable({}, { __close = function() waiting[waiter] = nil end })
  local ok, text, code = waiter:wait(timeout)
  if ok then return true end
  if code == "ETIMEDOUT" then text = "it has not sent notifications/initialized" end
  return nil, text, code
end

---The client has said that it is ready.
---@param session table
function live.ready(session)
  local waiting = session.waiting
  session.waiting = nil
  for waiter in pairs(waiting) do waiter:wake() end
end

---Asks the questions and waits for the answers.
---@param ctx table
---@param asking mcp.Asking
---@param list table[] each with key, question, method, params
---@param timeout number seconds, for all of them
---@return table|nil answers by key, or nil, text and code
---@return string|nil text
---@return any code
function live.run(ctx, asking, list, timeout)
  local exchange, questions = ctx.exchange, questions_of(ctx.own_session, ctx.app.shared)
  if questions.count + #list > live.MAX then
    return nil, ("%d questions are open in this session, at most %d are allowed")
      :format(questions.count, live.MAX), "EBUSY"
  end
  local deadline, sent, ending = core.now() + timeout, {}, "The call has ended"
  -- However this ends, the other questions are withdrawn.
  local _ <close> = setmetatable({}, { __close = function()
    withdraw(exchange, questions, asking, sent, ending)
    exchange:restart_clock()
  end })
  -- Questions have a timeout of their own.
  exchange:stop_clock()
  local ready, lacking, reason = await_ready(ctx.own_session, math.min(timeout, live.INITIALIZED))
  if not ready then return nil, "the client cannot be asked: " .. lacking, reason end
  asking.sent = asking.sent or {}
  for i, item in ipairs(list) do
    questions.last_id = questions.last_id + 1
    local open = { id = tostring(questions.last_id), waiter = core.waiter() }
    questions.by_id[open.id], questions.count = open, questions.count + 1
    sent[i] = open
    asking.sent[open] = true
    local ok, text, code = exchange:send(item.method, item.params, questions.last_id)
    if not ok then
      -- It may have gone out, if the wait for a slow client was what ended.
      if code ~= "ECANCELED" then
        open.answered = true
        questions:forget(open)
      end
      return nil, "the client cannot be asked: " .. text, code
    end
  end
  local answers = {}
  for i, item in ipairs(list) do
    local came, text, code = sent[i].waiter:wait(math.max(0, deadline - core.now()))
    if not came then
      if code == "ETIMEDOUT" then ending = "Timed out" end
      return nil, text, code
    end
    local answer
    answer, text, code = read(ctx, item, came)
    if not answer then return nil, text, code end
    answers[item.key] = answer
  end
  return answers
end

---The handler has returned; tasks of its own may still wait.
---@param sent table<table, true>
function live.finish(sent)
  for item in pairs(sent) do item.waiter:wake { kind = "over" } end
end

return live
