-- SPDX-License-Identifier: MIT
-- rounds: the stateless era asks by ending a call with questions (input_required). Here they are
-- answered by the program's callbacks and the call is made again, with the server's state as it
-- came, until there is a result (protocol, 4.15).
local core = require "mcp.core"
local failure = require "mcp.failure"
local serve = require "mcp.client.serve"
local value = require "mcp.value"

local rounds = {}

---How often one call may be ended with questions. A server that asks for ever has lost the thread.
rounds.MOST = 10
---Questions of one round.
rounds.QUESTIONS = 64
---The pause before a call is repeated that has got nothing but a state, in seconds; doubled each
---time, up to the second.
rounds.PAUSE = 0.05
rounds.PAUSE_MOST = 0.25

---Has the program declared an extension? Those have types of results of their own.
---@param client table
---@return boolean
function rounds.may_extend(client)
  local capabilities = client.settings.capabilities
  local extensions = capabilities and capabilities.extensions
  return type(extensions) == "table" and next(extensions) ~= nil
end

local function malformed(method, text, ...)
  return nil, ("%s: the server's answer is malformed: %s"):format(method, text:format(...)), "ERPC"
end

-- What is wrong with the questions, or nil.
local function complaint(requests)
  if not value.is_object(requests) then
    return "inputRequests: object expected, got " .. value.kind(requests)
  end
  local count = 0
  for key, question in pairs(requests) do
    count = count + 1
    if count > rounds.QUESTIONS then
      return ("more than %d questions at once"):format(rounds.QUESTIONS)
    end
    if not value.is_object(question) or type(question.method) ~= "string"
      or (question.params ~= nil and not value.is_object(question.params)) then
      return ("inputRequests[%q]: method and params expected"):format(key)
    end
  end
  return nil
end

-- Answers all of them side by side; the first that fails ends the others. nil, text, code, data.
local function answer_all(client, method, requests, cancel)
  local answers, failed, open = {}, nil, 0
  local waiter, stop = core.waiter(), nil
  for key, question in pairs(requests) do
    if not serve.is_question(question.method) then
      return nil, ("%s: the server asks for %s, which is not a known question")
        :format(method, question.method),
        "ERPC"
    end
    open = open + 1
    answers[key] = value.null
  end
  if open == 0 then return answers end
  if cancel then
    stop = function(reason)
      failed = failed or { ("%s: %s"):format(method, reason), "ECANCELED" }
      waiter:wake()
    end
    cancel.ends[stop] = true
  end
  -- However this ends, nobody goes on answering.
  local _ <close> = setmetatable({}, { __close = function()
    if stop then cancel.ends[stop] = nil end
    waiter:cancel()
  end })
  for key, question in pairs(requests) do
    if failed then break end
    waiter:spawn(function()
      local result, err = serve.answer(client, question.method, question.params)
      if result then
        answers[key], open = result, open - 1
      elseif not failed then
        -- In this era no error can be told: the call ends here.
        failed = { ("%s: the server's question %q was not answered: %s"):format(method, key,
          err.message), failure.is(err) and err.code or "ECANCELED" }
        waiter:wake()
      end
    end)
  end
  local ok, text, code = waiter:wait()
  if not ok then return nil, text, code end
  if failed then return nil, failed[1], failed[2] end
  if open > 0 then return nil, method .. ": not enough memory", "ENOMEM" end
  return answers
end

---Makes a call whose result may be questions, as often as it takes.
---@param client table
---@param method string
---@param params table
---@param options table
---@param send fun(params: table): table|nil, string|nil, any, any makes it once
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
---@return boolean|nil first the result came without a question
function rounds.run(client, method, params, options, send)
  local most, asked, pause = client.settings.limits.rounds, 0, rounds.PAUSE
  local with = params
  while true do
    local result, text, code, data = send(with)
    if not result then return nil, text, code, data end
    local kind = result.resultType
    if kind == nil or kind == "complete" then return result, nil, nil, nil, asked == 0 end
    if kind ~= "input_required" then
      if rounds.may_extend(client) then return result end
      return malformed(method, "resultType %q is not known", tostring(kind))
    end
    local requests, state = result.inputRequests, result.requestState
    if requests == nil and state == nil then
      return malformed(method, "input_required without inputRequests and requestState")
    end
    local wrong = requests ~= nil and complaint(requests)
    if wrong then return malformed(method, "%s", wrong) end
    asked = asked + 1
    if asked > most then
      return nil, ("%s: the server has asked %d times and does not come to an end"):format(method,
        most), "ETOOBIG"
    end
    with = {}
    for key, member in pairs(params) do with[key] = member end
    -- What the server keeps with us goes back as it came, and is absent where it was.
    with.requestState = state
    if requests ~= nil then
      with.inputResponses, text, code = answer_all(client, method, requests, options.cancel)
      if not with.inputResponses then return nil, text, code end
    else
      local ok
      ok, text, code = core.sleep(pause)
      if not ok then return nil, text, code end
      pause = math.min(pause * 2, rounds.PAUSE_MOST)
    end
  end
end

return rounds
