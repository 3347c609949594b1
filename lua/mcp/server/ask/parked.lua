-- SPDX-License-Identifier: MIT
-- parked: questions of a task, whose request has been answered long ago. In a revision without
-- sessions they lie in the task until the client fetches and answers them (protocol, Tasks
-- extension: input_required); in a session they go out as ever, by whichever way the task has.
local core = require "mcp.core"

local parked = {}

---Questions of one task that nobody has answered yet.
parked.MOST = 64

-- One call of ask is a round: it ends with its last answer.
local function finish(one, round)
  if round.over then return end
  round.over = true
  one.store:ask(one, -1)
end

local function park(ctx, one, list, timeout)
  local pending = one.pending or {}
  one.pending = pending
  local count = #list
  for _ in pairs(pending) do count = count + 1 end
  if count > parked.MOST then
    return nil, ("a task can have %d questions open"):format(parked.MOST), "EBUSY"
  end
  local round = { waiter = core.waiter(), left = #list, answers = {} }
  for _, item in ipairs(list) do
    pending[item.key] = { item = item, facts = ctx.revision, round = round }
  end
  one.store:ask(one, 1)
  local _ <close> = setmetatable({}, { __close = function()
    for _, item in ipairs(list) do pending[item.key] = nil end
    finish(one, round)
  end })
  local ok, text, code = round.waiter:wait(timeout)
  if not ok then return nil, text, code end
  return round.answers
end

---Asks and waits.
---@param ctx table of a task
---@param one mcp.Task
---@param asking mcp.Asking
---@param list table[] each with key, question, method, params
---@param timeout number seconds, for all of them
---@return table|nil answers by key, or nil, text and code
---@return string|nil text
---@return any code
function parked.run(ctx, one, asking, list, timeout)
  if ctx.revision.rounds then return park(ctx, one, list, timeout) end
  one.store:ask(one, 1)
  local _ <close> = setmetatable({}, { __close = function() one.store:ask(one, -1) end })
  return require("mcp.server.ask.live").run(ctx, asking, list, timeout)
end

---What the client is asked now.
---@param one mcp.Task
---@return table<string, table> requests by key
function parked.requests(one)
  local requests = {}
  for key, open in pairs(one.pending or {}) do
    requests[key] = { method = open.item.method, params = open.item.params }
  end
  return requests
end

---Takes answers; one to what is not asked, or not any more, is dropped, and a bad one leaves its
---question open.
---@param one mcp.Task
---@param answers table<string, any>
function parked.answer(one, answers)
  local pending = one.pending or {}
  local found = {}
  for key, open in pairs(pending) do
    if answers[key] ~= nil then found[key] = open end
  end
  for key, open in pairs(found) do
    local answer, message = open.item.question:read(open.facts, answers[key])
    if answer and not one.store:charge(one, core.weight(answers[key])) then
      answer, message = nil, "over the memory limit"
    end
    if answer then
      local round = open.round
      pending[key] = nil
      round.answers[key], round.left = answer, round.left - 1
      if round.left == 0 then
        finish(one, round)
        round.waiter:wake()
      end
    else
      core.log("info", ("%s: a bad answer to %q, which stays open: %s"):format(open.item.method,
        key, message))
    end
  end
end

return parked
