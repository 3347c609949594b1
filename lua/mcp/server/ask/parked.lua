-- SPDX-License-Identifier: MIT
-- parked: questions of a task, whose request has been answered long ago. In a stateless revision
-- they are kept in the task until the client fetches and answers them (protocol, Tasks extension:
-- input_required); in a session they are sent as usual, over the connection that the task uses.
local core = require "mcp.core"

local parked = {}

---Unanswered questions of one task.
parked.MAX = 64

-- One call of ask is a round: it ends with its last answer.
local function finish(task, round)
  if round.over then return end
  round.over = true
  task.store:ask(task, -1)
end

local function park(ctx, task, list, timeout)
  local pending = task.pending or {}
  task.pending = pending
  local count = #list
  for _ in pairs(pending) do count = count + 1 end
  if count > parked.MAX then
    return nil, ("a task can have %d questions open"):format(parked.MAX), "EBUSY"
  end
  local round = { waiter = core.waiter(), left = #list, answers = {} }
  for _, item in ipairs(list) do
    pending[item.key] = { item = item, facts = ctx.revision, round = round }
  end
  task.store:ask(task, 1)
  local _ <close> = setmetatable({}, { __close = function()
    for _, item in ipairs(list) do pending[item.key] = nil end
    finish(task, round)
  end })
  local ok, text, code = round.waiter:wait(timeout)
  if not ok then return nil, text, code end
  return round.answers
end

---Asks the questions and waits for the answers.
---@param ctx table of a task
---@param task mcp.Task
---@param asking mcp.Asking
---@param list table[] each with key, question, method, params
---@param timeout number seconds, for all of them
---@return table|nil answers by key, or nil, text and code
---@return string|nil text
---@return any code
function parked.run(ctx, task, asking, list, timeout)
  if ctx.revision.rounds then return park(ctx, task, list, timeout) end
  task.store:ask(task, 1)
  local _ <close> = setmetatable({}, { __close = function() task.store:ask(task, -1) end })
  return require("mcp.server.ask.live").run(ctx, asking, list, timeout)
end

---The questions that wait for answers.
---@param task mcp.Task
---@return table<string, table> requests by key
function parked.requests(task)
  local requests = {}
  for key, open in pairs(task.pending or {}) do
    requests[key] = { method = open.item.method, params = open.item.params }
  end
  return requests
end

---Takes answers; one to what is not asked, or not any more, is dropped, and a bad one leaves its
---question open.
---@param task mcp.Task
---@param answers table<string, any>
function parked.answer(task, answers)
  local pending = task.pending or {}
  local found = {}
  for key, open in pairs(pending) do
    if answers[key] ~= nil then found[key] = open end
  end
  for key, open in pairs(found) do
    local answer, message = open.item.question:read(open.facts, answers[key])
    if answer and not task.store:charge(task, core.weight(answers[key])) then
      answer, message = nil, "over the memory limit"
    end
    if answer then
      local round = open.round
      pending[key] = nil
      round.answers[key], round.left = answer, round.left - 1
      if round.left == 0 then
        finish(task, round)
        round.waiter:wake()
      elseif task.store.on_answer then
        task.store.on_answer(task)
      end
    else
      core.log("info", ("%s: a bad answer to %q, which stays open: %s"):format(open.item.method,
        key, message))
    end
  end
end

return parked
