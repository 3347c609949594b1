-- SPDX-License-Identifier: MIT
-- calls: messages of a client about a call that runs in another process: answers to its questions,
-- and its cancellation.
--
-- The id of a question names the process that asks: it is the number of the process times 2^32,
-- and a count. Ids stay below 2^53, so a client that reads numbers as doubles returns them as they
-- came.
local core = require "mcp.core"

local calls = {}

local BITS = 32

---What the ids of this process's questions begin after.
---@param self mcp.Shared
---@return integer
function calls.first_question(self) return self.number << BITS end

---Passes a response to the process that has asked.
---@param self mcp.Shared
---@param session table
---@param kind "result"|"error"|"bad response"
---@param id string the key of its id
---@param payload any
---@return boolean passed false: no other process has asked it
---@return boolean|nil away the store cannot be reached
function calls.pass_answer(self, session, kind, id, payload)
  -- A string that should have been a number is reported where the question is known.
  local number = math.tointeger(tonumber(id:match '^"?(%d+)$'))
  number = number and number >> BITS
  if not number or number == 0 or number == self.number then return false end
  if self:tell(number, { verb = "answer", session = session.id, kind = kind, id = id,
    payload = payload }) then
    return true
  end
  return false, true
end

---Cancels a request of a session, in whichever process it runs.
---@param self mcp.Shared
---@param session table
---@param id any as it stands in notifications/cancelled
function calls.pass_cancel(self, session, id)
  if not core.id_key(id) then return end
  self:tell_all { verb = "cancel", session = session.id, id = id }
end

local function take_answer(self, message)
  local session = self.app.sessions.by_id[message.session]
  if session and session.questions then
    session.questions:answer(message.kind, message.id, message.payload)
  end
end

local function cancel(self, message)
  local session = self.app.sessions.by_id[message.session]
  if session then session.running:cancel(message.id) end
end

---@param shared mcp.Shared
function calls.share(shared)
  shared.verbs.answer, shared.verbs.cancel = take_answer, cancel
end

return calls
