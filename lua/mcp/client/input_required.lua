-- SPDX-License-Identifier: MIT
-- input_required: a stateless server asks questions by ending a call with input_required. The
-- program's callbacks answer them, and the call is repeated with the answers and the server's state
-- unchanged, until there is a result (protocol, 4.15).
local core = require "mcp.core"
local failure = require "mcp.failure"
local malformed = require("mcp.client.call").malformed
local serve = require "mcp.later" "mcp.client.serve"
local value = require "mcp.value"

local input_required = {}

---How often one call may end with questions.
input_required.MAX = 10
---Questions of one round.
input_required.QUESTIONS = 64
---The pause before repeating a call that got only a state and no questions, doubled each time, and
---its maximum, in seconds.
input_required.PAUSE = 0.05
input_required.PAUSE_MAX = 0.25

---Has the program declared an extension with results of this type? One that is declared by its
---settings alone may have any.
---@param client table
---@param kind any
---@return boolean
function input_required.may_extend(client, kind)
  -- A program that passes questions on passes such results on, too.
  if client.settings.on_question then return true end
  local own = client.settings.extensions
  if own then return own:allows(client, kind) end
  local capabilities = client.settings.capabilities
  local extensions = capabilities and capabilities.extensions
  return type(extensions) == "table" and next(extensions) ~= nil
end


---The error for a result whose type the client does not know.
---@param method string
---@param kind any
---@return nil, string, string
function input_required.unknown_type(method, kind)
  return malformed(method, 'resultType: expected "complete" or "input_required", got %q',
    tostring(kind))
end

-- What is wrong with the questions, or nil.
local function complaint(requests)
  if not value.is_object(requests) then
    return "inputRequests: expected an object, got " .. value.kind(requests)
  end
  local count = 0
  for key, question in pairs(requests) do
    count = count + 1
    if count > input_required.QUESTIONS then
      return ("inputRequests: expected at most %d questions"):format(input_required.QUESTIONS)
    end
    if not value.is_object(question) or type(question.method) ~= "string"
      or (question.params ~= nil and not value.is_object(question.params)) then
      return ("inputRequests[%q]: expected method and params"):format(key)
    end
  end
  return nil
end

-- Answers the questions side by side; the first failure ends the others. nil, text, code, data.
local function answer_all(client, method, params, requests, options)
  local cancel = options.cancel
  local answers, failed, open = {}, nil, 0
  local waiter, stop = core.waiter(), nil
  for key, question in pairs(requests) do
    if not serve.is_question(client, question.method) then
      return malformed(method, "inputRequests[%q]: %s is not a known question", key,
        question.method)
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
  -- However this ends, the callbacks still running are cancelled.
  local _ <close> = setmetatable({}, { __close = function()
    if stop then cancel.ends[stop] = nil end
    waiter:cancel()
  end })
  local sent = { method = method, params = params, context = options.context }
  for key, question in pairs(requests) do
    if failed then break end
    waiter:spawn(function()
      local result, err = serve.answer(client, question.method, question.params, sent)
      if result then
        answers[key], open = result, open - 1
      elseif not failed then
        -- The stateless revision cannot return an error to the server: the call ends here.
        failed = { ("%s: could not answer the server's question %q: %s"):format(method, key,
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

---Goes on with a call whose result is no usual one: repeats it with answers as long as it gets
---questions.
---@param client table
---@param method string
---@param params table
---@param options table
---@param send fun(params: table): table|nil, string|nil, any, any makes the call once
---@param result table of the first call
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
---@return boolean|nil first the result came without a question
function input_required.run(client, method, params, options, send, result)
  local max, asked, pause = client.settings.limits.rounds, 0, input_required.PAUSE
  local with, text, code, data = nil, nil, nil, nil
  while true do
    if with then result, text, code, data = send(with) end
    if not result then return nil, text, code, data end
    local kind = result.resultType
    if kind == nil or kind == "complete" then return result, nil, nil, nil, asked == 0 end
    if kind ~= "input_required" then
      if input_required.may_extend(client, kind) then return result end
      return input_required.unknown_type(method, kind)
    end
    local requests, state = result.inputRequests, result.requestState
    if requests == nil and state == nil then
      return malformed(method, "input_required without inputRequests and requestState")
    end
    local wrong = requests ~= nil and complaint(requests)
    if wrong then return malformed(method, "%s", wrong) end
    asked = asked + 1
    if asked > max then
      return nil, ("%s: the server asked more than %d times: raise limits.rounds if it should")
        :format(method, max), "ETOOBIG"
    end
    with = {}
    for key, member in pairs(params) do with[key] = member end
    -- The server's state goes back unchanged, or not at all if there was none.
    with.requestState = state
    if requests ~= nil then
      with.inputResponses, text, code = answer_all(client, method, params, requests,
        options)
      if not with.inputResponses then return nil, text, code end
    else
      local ok
      ok, text, code = core.sleep(pause)
      if not ok then return nil, text, code end
      pause = math.min(pause * 2, input_required.PAUSE_MAX)
    end
  end
end

return input_required
