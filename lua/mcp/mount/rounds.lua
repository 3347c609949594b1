-- SPDX-License-Identifier: MIT
-- rounds: questions of a mounted server to a client of the stateless era, whose call ends with them
-- and is repeated with the answers. A stateless server is asked again with the answers and its own
-- state, which travels through the client inside ours, sealed. The call of a server with sessions
-- goes on meanwhile, in this process, until the answers come.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local question = require "mcp.message.question"
local replay = require "mcp.server.ask.replay"
local state = require "mcp.server.ask.state"
local value = require "mcp.value"

local rounds = {}

---Calls of one mount that wait for a client's answers at once.
rounds.MAX = 256
---How long such a call waits, in seconds: as long as the sealed state of the client is valid.
rounds.TIME = 600

local REFUSED = "Invalid or expired requestState"

-- What was remembered of the last round; nil in the first.
local function remembered(asking, key) return asking.kept[key] end

-- --- pages to visit first ----------------------------------------------------------------------

---Ends a call with the pages that the other server wants to be visited first: 2025-11-25 has an
---error for that, the stateless era questions. The call is made again with the answers. Returns if
---the client cannot be asked.
---@param ctx mcp.Context
---@param name string of the mount
---@param data any of the error
function rounds.ask_pages(ctx, name, data)
  local list, items = type(data) == "table" and data.elicitations, {}
  for i, params in ipairs(value.list(list)) do
    local asked = type(params) == "table" and params.mode == "url"
      and question.relayed("elicitation/create", params)
    if asked then
      if not asked:is_offered(ctx.revision, ctx.capabilities) then return end
      local item = { key = ("%s/page %d"):format(name, i) }
      item.method, item.params = asked:request(ctx.revision)
      items[#items + 1] = item
    end
  end
  local asking = state.of(ctx)
  if not items[1] or not asking.app then return end
  asking.kept["mount " .. name] = { pages = #items }
  replay.stop(ctx, asking, items)
end

-- After a round that has asked for pages: were all of them visited? If so the call is made again.
-- nil, text, code if not.
local function visited(asking, key, last)
  if not last or not last.pages then return true end
  local count = 0
  for _, answer in pairs(asking.given) do
    if type(answer) == "table" and answer.action == "accept" then count = count + 1 end
  end
  asking.kept[key], asking.given = nil, {}
  if count >= last.pages then return true end
  return nil, "the page that the server needs to be visited first was not visited",
    errors.INVALID_REQUEST
end

-- --- a stateless server ------------------------------------------------------------------------

---Makes one round of a call.
---@param ctx mcp.Context
---@param name string of the mount
---@param send fun(more: table|nil): table|nil, string|nil, any, any sends the request, with these
---members added to its params
---@return table|nil result
---@return string|nil text
---@return any code
---@return any data
function rounds.pass(ctx, name, send)
  local key, asking = "mount " .. name, state.of(ctx)
  local last, more = remembered(asking, key), nil
  local fine, reason, number = visited(asking, key, last)
  if not fine then return nil, reason, number end
  last = remembered(asking, key)
  if last or next(asking.given) then
    more = { requestState = last and last.state,
      inputResponses = next(asking.given) and asking.given or nil }
  end
  local result, text, code, data = send(more)
  if not result or result.resultType ~= "input_required" then
    asking.kept[key] = nil
    return result, text, code, data
  end
  if not asking.app then
    return nil, "the server asks, and the client declares that it cannot be asked",
      errors.MISSING_CAPABILITY
  end
  local items = {}
  for asked, item in pairs(type(result.inputRequests) == "table" and result.inputRequests or {}) do
    if type(item) == "table" then
      items[#items + 1] = { key = asked, method = item.method, params = item.params }
    end
  end
  asking.kept[key] = { state = result.requestState }
  replay.stop(ctx, asking, items)
end

-- --- a server with sessions --------------------------------------------------------------------

-- A call that goes on while its client thinks.
local Job = { __name = "mcp.mount.job" }
Job.__index = {}

---Asks the client of the call. Waits for the answer, which comes with another request.
---@param method string
---@param params table
---@return table|nil answer
---@return table|nil err
function Job.__index:ask(method, params)
  local ctx = self.call.ctx
  local asked = self.call.link.hooks.question(ctx, method, params)
  if not asked or not asked:is_offered(ctx.revision, ctx.capabilities) then
    return nil, failure.new(errors.INVALID_REQUEST, "Client capability required: " .. method)
  end
  self.count = self.count + 1
  local item = { key = ("%s/%d"):format(self.name, self.count), waiter = core.waiter() }
  item.method, item.params = asked:request(ctx.revision)
  self.open[item.key] = item
  self.changed:wake()
  local answer, text, code = item.waiter:wait(rounds.TIME)
  self.open[item.key] = nil
  if answer then return answer end
  if code == "ETIMEDOUT" then text = "the client has not answered" end
  return nil, failure.new(errors.INTERNAL_ERROR, text)
end

local function forget(self)
  if self.jobs.by_id[self.id] ~= self then return end
  self.jobs.by_id[self.id], self.jobs.count = nil, self.jobs.count - 1
end

-- Ends a call that no client waits for any more.
local function abandon(self)
  forget(self)
  if not self.over then self.task:cancel() end
end

-- A request that follows a call: if it ends before the call asks, the call ends.
local Following = { __close = function(following)
  local job = following.job
  job.followed = false
  if not following.parked then abandon(job) end
end }

-- Waits for the end of the call, or its next question, which ends the request.
local function follow(self, ctx, asking, key)
  local following <close> = setmetatable({ job = self, parked = false }, Following)
  self.followed, self.call.ctx = true, ctx
  while not self.over do
    local items = {}
    for _, item in pairs(self.open) do items[#items + 1] = item end
    if items[1] then
      self.since, following.parked = core.now(), true
      asking.kept[key] = { id = self.id }
      replay.stop(ctx, asking, items)
    end
    self.changed = core.waiter()
    local ok, text, code = self.changed:wait()
    if not ok then return nil, text, code end
  end
  asking.kept[key] = nil
  if self.raised ~= nil then error(self.raised, 0) end
  return table.unpack(self.results, 1, 4)
end

-- Makes room: ends the calls that have waited too long.
local function has_room(jobs)
  local now = core.now()
  for _, job in pairs(jobs.by_id) do
    if not job.followed and now - job.since > rounds.TIME then abandon(job) end
  end
  return jobs.count < rounds.MAX
end

---The calls of a mount that clients of the stateless era have begun.
---@return table jobs
function rounds.jobs() return { by_id = {}, count = 0 } end

---Ends all of them.
---@param jobs table
function rounds.close(jobs)
  for _, job in pairs(jobs.by_id) do abandon(job) end
end

---Makes one round of a call: begins it, or goes on with the answers to what it has asked.
---@param jobs table
---@param ctx mcp.Context
---@param name string of the mount
---@param begin fun(): table makes the call's record
---@param send fun(call: table): table|nil, string|nil, any, any makes the call
---@return table|nil result
---@return string|nil text
---@return any code
---@return any data
function rounds.run(jobs, ctx, name, begin, send)
  local key, asking = "mount " .. name, state.of(ctx)
  local fine, reason, number = visited(asking, key, remembered(asking, key))
  if not fine then return nil, reason, number end
  local last = remembered(asking, key)
  local job = last and jobs.by_id[last.id]
  if last and (not job or job.followed) then return nil, REFUSED, errors.INVALID_PARAMS end
  if not job then
    if not has_room(jobs) then
      return nil, ("Busy: %d calls wait for answers"):format(jobs.count), errors.BUSY
    end
    job = setmetatable({ jobs = jobs, name = name, id = core.random_id(), open = {}, count = 0,
      changed = core.waiter(), task = core.waiter(), since = core.now(), over = false }, Job)
    jobs.by_id[job.id], jobs.count = job, jobs.count + 1
    job.call = { ctx = ctx }
    job.task:spawn(function()
      local ok, raised = pcall(function()
        local call <close> = begin()
        call.job, job.call = job, call
        job.results = table.pack(send(call))
      end)
      if not ok then job.raised = raised end
      job.over = true
      job.changed:wake()
    end)
  else
    for asked, item in pairs(job.open) do
      local answer = asking.given[asked]
      if type(answer) == "table" then
        job.open[asked] = nil
        item.waiter:wake(answer)
      end
    end
  end
  return follow(job, ctx, asking, key)
end

return rounds
