-- SPDX-License-Identifier: MIT
-- tasks: tasks that any process can be asked about. The work of a task stays in the process that
-- began it; the store has a record of its state, which is written whenever that changes. Another
-- process makes of the record a task that looks like one of its own (`elsewhere` is true), and
-- passes what changes it to the process of the work.
--
-- When that process has died, the task has failed.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local feature = require "mcp.server.feature.task"
local task_store = require "mcp.server.task_store"

local tasks = {}

---How often a request that waits for the result of a task looks whether its process is alive, in
---seconds.
tasks.LOOK = 2

local DIED = "The process that ran the task has ended"
local TOO_LARGE = "The result is too large for the store that the processes of this server share"

local ID = "^[%w_-]+$"
local ID_LENGTH = #core.random_id()

-- The owner as it is written. nil: only this process can be asked, as by the connection of a
-- session.
local function owner_text(owner)
  if type(owner) ~= "table" then return "principal/" .. tostring(owner or "") end
  return owner.id and "session/" .. owner.id
end

local function key_of(self, id) return self:key("task", id) end

-- Longer than the process of the work keeps it, which removes the record.
local function time_of(self, ttl) return ttl + 2 * self.interval end

-- --- where the work is ---------------------------------------------------------------------------

local function record_of(self, task, owner)
  local requests
  if task.status == "input_required" then
    requests = task.remote and task.remote.requests
      or require("mcp.server.ask.parked").requests(task)
  end
  return { process = self.number, owner = owner, status = task.status, message = task.message,
    created = task.created, updated = task.updated, ttl = task.ttl,
    poll = task.poll or task.store.poll_interval, is_error = task.is_error, result = task.result,
    err = task.err, requests = requests, mounted = task.remote and true or nil }
end

---Writes the state of a task.
---@param self mcp.Shared
---@param task mcp.Task
---@param is_new boolean|nil waits until it is written, and lists it with those of its session
function tasks.save(self, task, is_new)
  local owner = owner_text(task.owner)
  if not owner then return end
  local record = record_of(self, task, owner)
  local text = core.encode(record)
  if not text or #text > require("mcp.store.methods").VALUE then
    record.status, record.message, record.result = "failed", TOO_LARGE, nil
    record.err = { code = errors.INTERNAL_ERROR, message = TOO_LARGE }
    text = assert(core.encode(record))
  end
  local key, ttl = key_of(self, task.id), time_of(self, task.ttl)
  if is_new then
    self.store:put(key, text, ttl)
    if type(task.owner) == "table" then
      self.store:append_later(self:key("tasks", task.owner.id), task.id, "",
        { events = task.store.max, ttl = time_of(self, task.store.max_ttl) })
    end
    return
  end
  self.store:put_later(key, text, ttl)
  for number in pairs(task.watchers or {}) do
    self:tell(number, { verb = "task_changed", task = task.id })
  end
  if not task_store.is_over(task) then return end
  for _, stream in ipairs(task.streams) do
    if stream.wait then self:tell(stream.to, { verb = "task_over", wait = stream.wait }) end
  end
end

---A task is no longer kept here.
---@param self mcp.Shared
---@param task mcp.Task
function tasks.forget(self, task)
  if owner_text(task.owner) then self.store:delete_later(key_of(self, task.id)) end
end

local function local_task(self, id)
  local store = self.app.task_store
  return store and store.by_id[id]
end

-- In the place of the exchange of a request that waits for a result at another process.
local Outlet = { __name = "mcp.remote_outlet" }
Outlet.__index = {}

function Outlet.__index:send(method, params, id)
  if not self.open then return nil, "the stream is closed", "ECLOSED" end
  return self.shared:tell(self.to, { verb = "task_message", wait = self.wait, method = method,
    params = params, id = id })
end

function Outlet.__index:is_open() return self.open end

local function wait_here(self, message)
  local task = local_task(self, message.task)
  if not task or task_store.is_over(task) then return { over = true } end
  local to, wait = message.from, message.wait
  local outlet = setmetatable({ shared = self, to = to, wait = wait, open = true }, Outlet)
  feature.attend(task, { exchange = outlet, to = to, wait = wait, waiter = { wake = function()
    outlet.open = false
    self:tell(to, { verb = "task_over", wait = wait, busy = true })
  end } })
  return { over = false }
end

-- The request has ended, or its process does not know it.
local function left(self, message)
  local task = local_task(self, message.task)
  for i, stream in ipairs(task and task.streams or {}) do
    if stream.wait == message.wait and stream.to == message.from then
      stream.exchange.open = false
      table.remove(task.streams, i)
      return
    end
  end
end

local function cancel_here(self, message)
  local task = local_task(self, message.task)
  if not task then return {} end
  if task.remote then
    local err = not task_store.is_over(task) and task.remote:cancel()
    return { message = err and err.message or nil }
  end
  return { cancelled = task.store:cancel(task) }
end

local function update_here(self, message)
  local task = local_task(self, message.task)
  if not task or task_store.is_over(task) then return {} end
  if task.remote then
    local err = task.remote:update(message.inputs)
    return { message = err and err.message or nil }
  end
  if task.pending then require("mcp.server.ask.parked").answer(task, message.inputs) end
  return {}
end

-- The task of a mounted server: asks that server.
local function fetch_here(self, message)
  local task = local_task(self, message.task)
  local err = task and task.remote and not task_store.is_over(task) and task.remote:fetch(task)
  return { message = err and err.message or nil }
end

local function used_here(self, message)
  local task = local_task(self, message.task)
  if not task then return end
  if not task_store.is_over(task) then task.expires = core.now() + task.ttl end
  if message.watch then
    task.watchers = task.watchers or {}
    task.watchers[message.from] = true
  end
end

-- --- where it is asked about ---------------------------------------------------------------------

local function unreachable()
  return failure.new(errors.BUSY,
    "Busy: the process that runs the task cannot be reached; try again later", nil, 503)
end

-- The record with this id: a table, or nil; or nil and true if the store is away.
local function read(self, id)
  local text, _, code = self.store:get(key_of(self, id))
  if not text then return nil, code ~= nil end
  local record = core.decode(text)
  if task_store.is_over(record) or record.process == self.number
    or self:is_alive(record.process) then
    return record
  end
  record.status, record.message, record.requests = "failed", DIED, nil
  record.err = { code = errors.INTERNAL_ERROR, message = DIED }
  self.store:put_later(key_of(self, id), assert(core.encode(record)), time_of(self, record.ttl))
  return record
end

-- What a record says, put into the task that stands for it. Has it changed?
local function put(task, record)
  local changed = task.status ~= record.status or task.updated ~= record.updated
  task.status, task.message, task.updated = record.status, record.message, record.updated
  task.is_error, task.err = record.is_error, record.err
  task.result = record.result ~= nil and core.raw(record.result) or nil
  task.remote.requests = record.requests
  return changed
end

-- What the task of another process is asked by.
local Remote = { __name = "mcp.remote_task" }
Remote.__index = {}

-- Reads the state again; notifies those who listen if it has changed.
local function refresh(self)
  local record, away = read(self.shared, self.task.id)
  if away then return end
  if not record then
    record = { status = "failed", message = DIED, updated = self.task.updated,
      err = { code = errors.INTERNAL_ERROR, message = DIED } }
  end
  if put(self.task, record) then feature.notify(self.task) end
end

local function ask(self, message)
  message.task = self.task.id
  local answer = self.shared:ask(self.process, message)
  if not answer then return unreachable() end
  if answer.message then return failure.new(errors.INTERNAL_ERROR, answer.message) end
  refresh(self)
  return nil
end

function Remote.__index:fetch()
  if self.mounted then return ask(self, { verb = "task_fetch" }) end
  -- It has just been read.
  if self.fresh then
    self.fresh = false
    return nil
  end
  self.shared:tell(self.process, { verb = "task_used", task = self.task.id, watch = self.watch })
  refresh(self)
  return nil
end

function Remote.__index:cancel() return ask(self, { verb = "task_cancel" }) end

function Remote.__index:update(answers)
  return ask(self, { verb = "task_update", inputs = answers })
end

---The task with this id, if the owner has it and another process runs it.
---@param self mcp.Shared
---@param id string
---@param owner any
---@return mcp.Task|nil task
---@return boolean|nil away the store cannot be reached
function tasks.find(self, id, owner)
  local text = owner_text(owner)
  if not text or #id ~= ID_LENGTH or not id:find(ID) then return nil end
  local record, away = read(self, id)
  if not record then return nil, away end
  if record.owner ~= text then return nil end
  if record.process == self.number then return nil end
  if not task_store.is_over(record) then
    self:tell(record.process, { verb = "task_used", task = id })
  end
  local task = { id = id, owner = owner, created = record.created, ttl = record.ttl,
    poll = record.poll, store = { poll_interval = record.poll }, app = self.app, elsewhere = true,
    listens = {}, streams = {} }
  task.remote = setmetatable({ shared = self, process = record.process, task = task, fresh = true,
    mounted = record.mounted }, Remote)
  put(task, record)
  return task
end

---The tasks of a session, oldest first, in whichever process they run.
---@param self mcp.Shared
---@param session table
---@param own fun(id: string): mcp.Task|nil finds one of this process
---@return mcp.Task[]|nil nil: the store cannot be reached
function tasks.list(self, session, own)
  local list, _, code = self.store:range(self:key("tasks", session.id))
  if code then return nil end
  local out = {}
  for _, entry in ipairs(list or {}) do
    out[#out + 1] = own(entry[1]) or tasks.find(self, entry[1], session)
  end
  return out
end

---A listen request is to hear of the task of another process.
---@param self mcp.Shared
---@param task mcp.Task
function tasks.watch(self, task)
  task.remote.watch = true
  self.watched[task.id] = self.watched[task.id] or setmetatable({}, { __mode = "k" })
  self.watched[task.id][task] = true
  self:tell(task.remote.process, { verb = "task_used", task = task.id, watch = true })
end

local function changed(self, message)
  local watched = self.watched[message.task]
  for task in pairs(watched or {}) do core.spawn(refresh, task.remote) end
end

---Waits, for a request, until the task of another process is over. Its questions go out on the
---stream of the request.
---@param self mcp.Shared
---@param ctx table of the request
---@param task mcp.Task still unfinished if too many requests wait
function tasks.await(self, ctx, task)
  self.wait_count = self.wait_count + 1
  local id, process = self.wait_count, task.remote.process
  local entry = { exchange = ctx.exchange, waiter = core.waiter() }
  self.waits[id] = entry
  local _ <close> = setmetatable({}, { __close = function()
    self.waits[id] = nil
    self:tell(process, { verb = "task_left", task = task.id, wait = id })
  end })
  ctx.exchange:limit(0)
  self:ask(process, { verb = "task_wait", task = task.id, wait = id })
  while true do
    refresh(task.remote)
    if entry.busy or task_store.is_over(task) then return end
    local _, _, code = entry.waiter:wait(tasks.LOOK)
    if code == "ECANCELED" then return end
    if not code then entry.waiter = core.waiter() end
  end
end

local function over(self, message)
  local entry = self.waits[message.wait]
  if not entry then return end
  entry.busy = entry.busy or message.busy
  entry.waiter:wake()
end

local function pass_message(self, message)
  local entry = self.waits[message.wait]
  if entry then entry.exchange:send(message.method, message.params, message.id) end
end

-- --- beside requests ---------------------------------------------------------------------------

-- Keeps what belongs to unfinished tasks, and forgets what is not watched any more.
local function care(self)
  local store = self.app.task_store
  for _, task in ipairs(store and store.order or {}) do
    if not task_store.is_over(task) and owner_text(task.owner) then
      self.store:touch_later(key_of(self, task.id), time_of(self, task.ttl))
      -- Its questions wait there for answers.
      if type(task.owner) == "table" then task.owner.last_used = core.now() end
    end
  end
  for id, watched in pairs(self.watched) do
    if not next(watched) then self.watched[id] = nil end
  end
end

---The app stops: the tasks that run here fail, and their records say so.
---@param self mcp.Shared
function tasks.fail_all(self)
  local store = self.app.task_store
  for _, task in ipairs(store and { table.unpack(store.order) } or {}) do
    if not task_store.is_over(task) then
      store:fail(task, { code = errors.INTERNAL_ERROR, message = DIED })
      task.cancelled = true
      if task.job then task.job:cancel() end
    end
  end
end

---@param shared mcp.Shared
function tasks.share(shared)
  shared.watched, shared.waits, shared.wait_count = {}, {}, 0
  shared.asked.task_wait, shared.asked.task_cancel = wait_here, cancel_here
  shared.asked.task_update, shared.asked.task_fetch = update_here, fetch_here
  shared.verbs.task_used, shared.verbs.task_left = used_here, left
  shared.verbs.task_changed, shared.verbs.task_over = changed, over
  shared.verbs.task_message = pass_message
  table.insert(shared.cares, care)
end

return tasks
