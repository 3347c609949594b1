-- SPDX-License-Identifier: MIT
-- task_store: work that continues after its request has been answered: the state of each task, its
-- owner, how long it is kept, and how it is cancelled. An app has one store. It knows neither tools
-- nor messages: see server/feature/task.lua.
--
--   working <-> input_required -> completed | failed | cancelled
--
-- There is no timer: an expired task is removed when it is requested, and all of them when a task
-- is created.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local owners = require "mcp.server.owners"

local task_store = {}

---How long a result is kept, and how long an unfinished task continues while no client asks about
---it or listens for its end.
task_store.TTL = 300 -- seconds
---The longest ttl that a client can ask for.
task_store.MAX_TTL = 3600 -- seconds
---Tasks at once; the one that ended longest ago is removed for a new one.
task_store.MAX = 1024
---Tasks that have not ended. Each is a coroutine; tasks and requests together are limited, and the
---limit must leave capacity for requests that cancel tasks.
task_store.MAX_RUNNING = 256
---The interval that clients are asked to leave between two status requests.
task_store.POLL = 1 -- seconds
---What a task is charged for, in addition to its arguments and its result.
task_store.COST = 4096 -- bytes

---@class mcp.Task
---@field store table
---@field id string
---@field owner any the session, or the key of the principal, that may use it
---@field status "working"|"input_required"|"completed"|"failed"|"cancelled"
---@field message string|nil the text of the status
---@field created string ISO 8601
---@field updated string
---@field ttl number seconds
---@field result userdata|nil of a completed one
---@field err table|nil of a failed one: code, message, data
---@field is_error boolean its result says that it is an error
---@field cancelled boolean
---@field is_watched nil|fun(task: mcp.Task): boolean is any client waiting for it?
---@field asking integer the number of rounds of questions that wait for answers
---@field pending table|nil what it asks: server/ask/parked.lua
---@field related table|nil what marks messages that belong to it
---@field remote table|nil of one that another server carries out: mount/task.lua
---@field poll number|nil seconds between two status requests, if not those of the store
---@field job userdata|nil what runs it (internal)
---@field expires number of core.now
---@field finished number|nil of core.now
---@field waiting userdata[]|nil waiters for its end (internal)
---@field charged integer bytes of the account (internal)
---@field asked integer bytes of these that go with its coroutine (internal)

local Store = { __name = "mcp.tasks" }
Store.__index = {}

function Store.__tostring(self)
  return ("mcp.tasks (%d, %d running)"):format(self.count, self.running)
end

local function timestamp() return os.date "!%Y-%m-%dT%H:%M:%SZ" end

local TERMINAL = { completed = true, failed = true, cancelled = true }

---@param task mcp.Task
---@return boolean
function task_store.is_over(task) return TERMINAL[task.status] == true end

---@param settings table|nil ttl, max_ttl, max, max_running, poll_interval
---@return table
function task_store.new(settings)
  settings = settings or {}
  local ttl = settings.ttl or task_store.TTL
  return setmetatable({
    ttl = ttl, max_ttl = math.max(settings.max_ttl or task_store.MAX_TTL, ttl),
    max = settings.max or task_store.MAX,
    max_running = settings.max_running or task_store.MAX_RUNNING,
    poll_interval = settings.poll_interval or task_store.POLL,
    by_id = {}, order = {}, count = 0, running = 0, owners = owners.new(),
    on_change = nil, -- called with each task whose status has changed
    on_forget = nil, -- called with each task that is removed
    on_answer = nil, -- called with each task that has got some of the answers that it waits for
  }, Store)
end

-- Has the task expired, or its session ended?
local function is_gone(task, now)
  -- A process may forget a session that goes on in others.
  local owner = task.owner
  if type(owner) == "table" and owner.closed and not owner.forgotten then return true end
  if now <= task.expires then return false end
  if TERMINAL[task.status] or not (task.is_watched and task.is_watched(task)) then return true end
  task.expires = now + task.ttl
  return false
end

-- Of a session there may have been several copies in this process.
local function is_owner(task, owner)
  local own = task.owner
  return own == owner
    or type(own) == "table" and type(owner) == "table" and own.id ~= nil and own.id == owner.id
end

local function touch(self, task)
  task.updated = timestamp()
  if self.on_change then self.on_change(task) end
end

-- Ends a task, once. The result of a handler that still runs is ignored.
local function settle(self, task, status, message)
  task.status, task.message = status, message
  task.finished = core.now()
  task.expires = task.finished + task.ttl
  touch(self, task)
  -- Before waiters resume: the handler may withdraw questions.
  if task.cancelled and task.job then task.job:cancel() end
  local waiting = task.waiting
  task.waiting = nil
  for _, waiter in ipairs(waiting or {}) do waiter:wake() end
end

-- The principal that is charged for a task of this owner.
local function key_of(owner)
  if type(owner) == "table" then return owner.owner end
  return owner
end

-- Removes a task from the store; references to it stay valid.
local function forget(self, task)
  if self.by_id[task.id] ~= task then return end
  self.by_id[task.id] = nil
  self.count = self.count - 1
  self.owners:release(task.key, task.charged)
  task.charged, task.asked = 0, 0
  for i, other in ipairs(self.order) do
    if other == task then
      table.remove(self.order, i)
      break
    end
  end
  self:cancel(task)
  if self.on_forget then self.on_forget(task) end
end

---Removes the expired tasks; those that still run are cancelled.
function Store.__index:sweep()
  local now, gone = core.now(), {}
  for _, task in ipairs(self.order) do
    if is_gone(task, now) then gone[#gone + 1] = task end
  end
  for _, task in ipairs(gone) do forget(self, task) end
end

-- Removes the task that ended longest ago; of one principal, if its key is given.
local function make_room(self, key)
  local oldest
  for _, task in ipairs(self.order) do
    local is_over = TERMINAL[task.status] and (not key or task.key == key)
    if is_over and (not oldest or task.finished < oldest.finished) then oldest = task end
  end
  if oldest then forget(self, oldest) end
  return oldest ~= nil
end

-- Charges bytes to a task. Tasks that ended longest ago are removed to make room, unless it wants
-- more than half of the limit. A principal that has used up its half makes room itself.
local function charge(self, task, bytes)
  local key = task.key
  local ok, own
  repeat
    ok, own = self.owners:charge(key, bytes)
    if ok then
      task.charged = task.charged + bytes
      return true
    end
  until bytes > self.owners:limit(key) // 2 or not make_room(self, own and key)
  return false
end

---A new task, or nil if there is no room for one.
---@param owner any
---@param ttl number|nil seconds; what the client has asked for
---@param bytes integer|nil the bytes of the request that its work keeps
---@return mcp.Task|nil
function Store.__index:create(owner, ttl, bytes)
  self:sweep()
  if self.running >= self.max_running then return nil end
  if self.count >= self.max and not make_room(self) then return nil end
  ttl = math.max(1, math.min(ttl or self.ttl, self.max_ttl))
  local now = timestamp()
  local task = {
    store = self, id = core.random_id(), owner = owner, key = key_of(owner), status = "working",
    created = now, updated = now, ttl = ttl, expires = core.now() + ttl,
    is_error = false, cancelled = false, asking = 0, charged = 0, asked = bytes or 0,
  }
  if not charge(self, task, task_store.COST + task.asked) then return nil end
  self.by_id[task.id] = task
  self.order[#self.order + 1] = task
  self.count = self.count + 1
  return task
end

-- The coroutine has ended.
local function ended(self, task)
  task.job = nil
  self.running = self.running - 1
  -- The arguments were freed with the coroutine.
  self.owners:release(task.key, task.asked)
  task.charged, task.asked = task.charged - task.asked, 0
  if not TERMINAL[task.status] then
    task.err = { code = errors.INTERNAL_ERROR, message = "Internal error" }
    settle(self, task, "failed", task.err.message)
  end
end

---Runs `fn` as the work of a task, starting in the next turn of the loop, after the response to its
---creation. `fn` calls finish or fail.
---@param task mcp.Task
---@param fn fun()
function Store.__index:run(task, fn)
  task.job = core.waiter()
  self.running = self.running + 1
  local ok, err = pcall(task.job.spawn, task.job, function()
    local _ <close> = setmetatable({}, { __close = function() ended(self, task) end })
    if core.sleep(0) then fn() end
  end)
  if ok then return end
  -- No coroutine could be made.
  ended(self, task)
  forget(self, task)
  error(err, 0)
end

---The work has a result.
---@param task mcp.Task
---@param result userdata raw
---@param is_error boolean the result says that it is an error
function Store.__index:finish(task, result, is_error)
  if TERMINAL[task.status] then return end
  if not charge(self, task, core.weight(result)) then
    core.log("warning", "dropping the result of a task: memory limit reached")
    task.err = { code = errors.BUSY, message = "Busy: not enough memory to keep the result" }
    return settle(self, task, "failed", task.err.message)
  end
  task.result, task.is_error = result, is_error
  settle(self, task, "completed", task.message)
end

---The work has failed.
---@param task mcp.Task
---@param err table code, message, data
function Store.__index:fail(task, err)
  if TERMINAL[task.status] then return end
  if not charge(self, task, core.weight(err.data)) then
    err = { code = err.code, message = err.message }
  end
  task.err = err
  settle(self, task, "failed", err.message)
end

---Cancels a task; its work is cancelled as a request would be.
---@param task mcp.Task
---@return boolean cancelled false if it had ended already
function Store.__index:cancel(task)
  if TERMINAL[task.status] then return false end
  task.cancelled = true
  settle(self, task, "cancelled", "The task was cancelled")
  return true
end

---The status of a task that another server carries out. It ends by finish, fail or cancel.
---@param task mcp.Task
---@param status "working"|"input_required"
---@param text string|nil
function Store.__index:note(task, status, text)
  if TERMINAL[task.status] or task.status == status and task.message == text then return end
  task.status, task.message = status, text
  touch(self, task)
end

---Sets the text of the status.
---@param task mcp.Task
---@param text string
function Store.__index:tell(task, text)
  if TERMINAL[task.status] or task.message == text then return end
  task.message = text
  touch(self, task)
end

---Changes the number of rounds of questions that wait for answers.
---@param task mcp.Task
---@param change integer
function Store.__index:ask(task, change)
  task.asking = task.asking + change
  if TERMINAL[task.status] then return end
  task.status = task.asking > 0 and "input_required" or "working"
  touch(self, task)
end

---The task with this id, if the owner has it. A request for an unfinished task extends its life.
---@param id string
---@param owner any
---@return mcp.Task|nil
function Store.__index:find(id, owner)
  local task = self.by_id[id]
  if not task or not is_owner(task, owner) then return nil end
  local now = core.now()
  if is_gone(task, now) then
    forget(self, task)
    return nil
  end
  if not TERMINAL[task.status] then task.expires = now + task.ttl end
  return task
end

---The owner's tasks, oldest first.
---@param owner any
---@return mcp.Task[]
function Store.__index:list(owner)
  self:sweep()
  local out = {}
  for _, task in ipairs(self.order) do
    if is_owner(task, owner) then out[#out + 1] = task end
  end
  return out
end

---Charges bytes to a task, such as those of an answer. They are released with the task.
---@param task mcp.Task
---@param bytes integer
---@return boolean charged false: there is no room, so it must not be kept
function Store.__index:charge(task, bytes)
  return self.by_id[task.id] == task and charge(self, task, bytes)
end

---Waits until the task has ended.
---@param task mcp.Task
---@param waiter userdata may be woken by others, too
function Store.__index.await(_, task, waiter)
  if TERMINAL[task.status] then return end
  task.waiting = task.waiting or {}
  table.insert(task.waiting, waiter)
  local _ <close> = setmetatable({}, { __close = function()
    for i, other in ipairs(task.waiting or {}) do
      if other == waiter then
        table.remove(task.waiting, i)
        break
      end
    end
  end })
  waiter:wait()
end

---Removes all tasks; those that still run are cancelled.
function Store.__index:clear()
  -- Other processes may be asked about them.
  local on_forget = self.on_forget
  self.on_forget = nil
  while self.order[1] do forget(self, self.order[1]) end
  self.on_forget = on_forget
end

return task_store
