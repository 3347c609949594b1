-- SPDX-License-Identifier: MIT
-- task: calls of tools that go on after they have been answered, and what clients may ask about
-- them. There is one store of tasks (server/task_store.lua) and two views of it: the tasks
-- extension of the revisions without sessions, where the server decides what becomes a task and
-- its questions lie in it, and the experimental tasks of the last one with sessions, where the
-- client decides and a task's questions go out on the stream of a request that waits for its
-- result.
local core = require "mcp.core"
local cursor = require "mcp.server.feature.cursor"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local principal = require "mcp.auth.server.principal"
local protocol = require "mcp.protocol"
local task_store = require "mcp.server.task_store"
local value = require "mcp.value"

local tasks = {}

---Requests of a session that wait for the result of one task; the oldest makes room.
tasks.WAITING = 16

local function invalid(text, ...)
  return nil, failure.new(errors.INVALID_PARAMS, text:format(...))
end

local function unknown_method(method)
  return nil, failure.new(errors.METHOD_NOT_FOUND, "Method not found: " .. method)
end

local function object(given) return type(given) == "table" and value.is_object(given) end

-- Sends the state of a task to a listen request. One that does not read loses its stream.
local function tell(task, x)
  local ok, text = true, nil
  if x:is_open() then
    local view = tasks.view(task)
    view._meta = { [protocol.KEY_SUBSCRIPTION] = x:id() }
    ok, text = x:send("notifications/tasks", view)
  end
  if not ok and x:is_open() then
    core.log("warning", ("closing subscription: task notification could not be delivered: %s")
      :format(text))
    x:cut()
  end
  if not x:is_open() or task_store.is_over(task) then task.listens[x] = nil end
end

-- Notifies the session of a changed status, if the session has a stream: a client can always ask
-- (4.16: optional).
local function tell_session(task)
  local view = tasks.session_view(task)
  if view.status == task.announced then return end
  task.announced = view.status
  task.app.bus:announce(task.owner, "notifications/tasks/status", view)
end

---Notifies those who listen of how a task is.
---@param task mcp.Task
function tasks.notify(task)
  for x in pairs(task.listens) do tell(task, x) end
  if task.related then tell_session(task) end
end

local function store_of(app)
  local store = app.task_store
  if not store then
    store = task_store.new(app.task_settings)
    store.on_change = tasks.notify
    local shared = app.shared
    if shared then
      -- Other processes first: they may ask as soon as a client knows.
      function store.on_change(task)
        shared:save_task(task)
        tasks.notify(task)
      end
      function store.on_forget(task) shared:forget_task(task) end
      function store.on_answer(task) shared:save_task(task) end
    end
    app.task_store = store
  end
  return store
end

-- The owner of a task: the session or, without one, the principal. Callers without authorization
-- differ only in the ids they know, which cannot be guessed.
local function owner_of(ctx)
  if ctx.own_session then return ctx.own_session end
  return principal.key(ctx)
end

-- The stream of a request that waits for the result.
local function stream_of(task)
  for i = #task.streams, 1, -1 do
    local x = task.streams[i].exchange
    if x:is_open() then return x end
  end
  return nil
end

local function is_watched(task)
  for x in pairs(task.listens) do
    if x:is_open() then return true end
  end
  return stream_of(task) ~= nil
end

-- --- how a task looks -----------------------------------------------------

local function milliseconds(seconds) return math.floor(seconds * 1000 + 0.5) end

---What the sessions' revision shows. There a result that says it is an error is a failure.
---@param task mcp.Task
---@return table
function tasks.session_view(task)
  local status = task.status
  if status == "completed" and task.is_error then status = "failed" end
  return {
    taskId = task.id, status = status, statusMessage = task.message, createdAt = task.created,
    lastUpdatedAt = task.updated, ttl = milliseconds(task.ttl),
    pollInterval = milliseconds(task.store.poll_interval),
  }
end

-- What the extension shows when a task is made.
local function short_view(task)
  return {
    taskId = task.id, status = task.status, statusMessage = task.message, createdAt = task.created,
    lastUpdatedAt = task.updated, ttlMs = milliseconds(task.ttl),
    pollIntervalMs = milliseconds(task.poll or task.store.poll_interval),
  }
end

---What the extension shows of a task: what it asks or how it ended is in it.
---@param task mcp.Task
---@return table
function tasks.view(task)
  local view = short_view(task)
  if task.status == "input_required" then
    view.inputRequests = task.remote and task.remote.requests
      or require("mcp.server.ask.parked").requests(task)
  elseif task.status == "completed" then
    view.result = task.result
  elseif task.status == "failed" then
    view.error = task.err
  end
  return view
end

-- --- the way out of a task --------------------------------------------------

-- What a task's handler has in the place of an exchange. Its request is answered, so there is no
-- stream of its own; what belongs to it may go out on one of those that wait for its result.
local Outlet = { __name = "mcp.outlet" }
Outlet.__index = {}

-- Sends the open questions that no client has received. Those sent on a closed stream are sent
-- again.
local function send_questions(task)
  local x = stream_of(task)
  if not x then return end
  for _, sent in ipairs { table.unpack(task.outbox) } do
    if not (sent.over or sent.exchange and sent.exchange:is_open()) then
      sent.exchange = x
      if not x:send(sent.method, sent.params, sent.id) then
        sent.exchange = nil
        return
      end
    end
  end
end

local function take_back(task, params)
  for i, sent in ipairs(task.outbox) do
    if sent.id == params.requestId then
      table.remove(task.outbox, i)
      sent.over = true
      if sent.exchange then
        sent.exchange:send("notifications/cancelled", params, nil, true)
      end
      return
    end
  end
end

function Outlet.__index:send(method, params, id)
  local task = self.task
  if id then
    -- What has been answered is left in it until the next question.
    local open = {}
    local known = self.session.questions.by_id
    for _, sent in ipairs(task.outbox) do
      if known[tostring(sent.id)] then open[#open + 1] = sent end
    end
    open[#open + 1] = { method = method, params = params, id = id }
    task.outbox = open
    send_questions(task)
    return true
  end
  if method == "notifications/cancelled" then
    take_back(task, params)
    return true
  end
  if method == "notifications/progress" then
    if params.message then task.store:tell(task, params.message) end
    local x = self.token ~= nil and stream_of(task)
    if not x then return false end
    params._meta = task.related
    return x:send(method, params)
  end
  return false
end

function Outlet.__index:is_cancelled() return self.task.cancelled end
function Outlet.__index:is_open() return not task_store.is_over(self.task) end
function Outlet.__index:cancel() self.task.store:cancel(self.task) end
function Outlet.__index:headers() return self.fields end
function Outlet.__index:header(name) return self.fields[name:lower()] end
function Outlet.__index:transport() return self.name end
function Outlet.__index.open_stream() return true end

-- The other methods of an exchange do nothing: the request has been answered.
setmetatable(Outlet.__index, { __index = function() return function() end end })
function Outlet.__index.restart_clock() end
function Outlet.__index.stop_clock() end

-- The context of a task: all that its call knew, and another way out.
local function context_of(ctx, task)
  local own = { headers = ctx.headers, transport = ctx.transport }
  for key, member in pairs(ctx) do own[key] = member end
  local token = ctx.token
  if type(token) == "boolean" then token = nil end
  own.exchange = setmetatable({
    task = task, session = ctx.own_session, token = token, fields = own.headers,
    name = own.transport,
  }, Outlet)
  -- Its texts are shown in the status, whether or not the client asked for progress. Log messages
  -- go nowhere (4.16), and what the call has asked is not what the task asks.
  own.task, own.token, own.level, own.asking = task, token or 0, nil, nil
  -- Nor does its clock, or its stream, belong to the call that has been answered.
  own.own_exchange, own.reported, own.beats, own.beaten = nil, nil, nil, nil
  return setmetatable(own, getmetatable(ctx))
end

-- --- calling ----------------------------------------------------------------

local function only_as_task(entry)
  return nil, failure.new(errors.METHOD_NOT_FOUND,
    ("tool %q can only be called as a task"):format(entry.name))
end

-- Is the call to become a task? nil and the error if it may not be what it is.
local function is_wanted(app, ctx, entry, params)
  local required = entry.task == "required"
  if ctx.revision.tasks == "extension" then
    if entry.task and ctx:has_extension(protocol.TASKS) then return true end
    -- server/feature/task_extension.lua has registered it.
    local set = app.extensions
    if required then return nil, set:refusal(ctx, set.by_id[protocol.TASKS]) end
    return false -- a member `task` means nothing here
  end
  local asked = params.task
  if ctx.revision.tasks ~= "params" or asked == nil or not app:has "tasks" then
    if required then return only_as_task(entry) end
    return false
  end
  if not object(asked) then
    return invalid("tools/call: task: expected an object, got %s", value.kind(asked))
  end
  local ttl = asked.ttl
  if ttl ~= nil and ttl ~= value.null and not (math.type(ttl) and ttl >= 0) then
    return invalid("tools/call: task.ttl: expected milliseconds, 0 or more")
  end
  if not entry.task then
    return nil, failure.new(errors.METHOD_NOT_FOUND,
      ("tool %q cannot be called as a task"):format(entry.name))
  end
  return true
end

-- The arguments and what `prepare` has made of them, or nil and how the call ends.
local function prepare(ctx, entry, params, tool)
  local args, result, err = tool.arguments(entry, params)
  if not args then return nil, result, err end
  if not entry.prepare then return args end
  local prepared, reason = entry.prepare(args, ctx)
  if prepared == nil and type(reason) == "string" then return nil, tool.failed(reason) end
  return args, prepared
end

local function call_at_once(app, ctx, entry, params, tool)
  local args, prepared, err = prepare(ctx, entry, params, tool)
  if not args then return prepared, err end
  return tool.run(app, ctx, entry, args, prepared)
end

-- The result of a task as it is kept.
local function result_of(task, facts, result)
  if facts.stamp then
    result.resultType = "complete"
  else
    local meta = { [protocol.KEY_TASK] = task.related[protocol.KEY_TASK] }
    for key, member in pairs(result._meta or {}) do meta[key] = member end
    result._meta = meta
  end
  return result
end

local function error_of(err) return { code = err.code, message = err.message, data = err.data } end

-- Keeps what the work has come to.
local function keep(task, ctx, tool, result, err)
  local store, facts = task.store, ctx.revision
  local text, reason = core.encode(err and error_of(err) or result_of(task, facts, result), true)
  if not text then
    result, err = tool.mend(ctx, reason, err)
    text = core.encode(err and error_of(err) or result_of(task, facts, result), true)
  end
  if err then
    store:fail(task, error_of(err))
  else
    store:finish(task, core.raw(text, true), result.isError == true)
  end
end

-- Other processes are to be asked about a task, unless its owner is a connection.
local function can_share(app, ctx)
  local session, shared = ctx.own_session, app.shared
  if not shared or shared.number or session and not session.id then return true end
  return shared:need(ctx.exchange)
end

-- Makes a task that does work(its ctx), for which `params` are kept.
local function start(app, ctx, tool, ttl, params, work)
  local joined, away = can_share(app, ctx)
  if not joined then return nil, away end
  local task = store_of(app):create(owner_of(ctx), ttl, core.weight(params))
  if not task then
    local err = failure.busy("tasks", "Busy: too many tasks")
    if not ctx.own_session then err.code = errors.INTERNAL_ERROR end
    return nil, err
  end
  task.outbox, task.streams, task.listens, task.is_watched = {}, {}, {}, is_watched
  task.app, task.announced = app, task.status
  if ctx.own_session then task.related = { [protocol.KEY_TASK] = { taskId = task.id } } end
  local own = context_of(ctx, task)
  if app.shared then app.shared:save_task(task, true) end
  task.store:run(task, function()
    local result, err = tool.guarded(own, work, own)
    -- A result that will not be sent is not encoded.
    if not task.cancelled then keep(task, own, tool, result, err) end
  end)
  return task
end

---tools/call of a tool that can be a task, or with a wish for one.
---@param app table
---@param ctx table
---@param entry table
---@param params table
---@param tool table arguments, run, guarded, failed of server/feature/tool.lua, which is above
---@return table|nil result
---@return table|nil err
function tasks.call(app, ctx, entry, params, tool)
  local wanted, err = is_wanted(app, ctx, entry, params)
  if err then return nil, err end
  if not wanted then return call_at_once(app, ctx, entry, params, tool) end
  local task
  if ctx.revision.tasks == "params" then
    local ttl = params.task.ttl
    if ttl == value.null then ttl = math.huge end
    task, err = start(app, ctx, tool, ttl and ttl / 1000, params, function(own)
      return call_at_once(app, own, entry, params, tool)
    end)
    if not task then return nil, err end
    return { task = tasks.session_view(task) }
  end
  -- What the call itself asks is asked before there is a task.
  local args, prepared, failed = prepare(ctx, entry, params, tool)
  if not args then return prepared, failed end
  task, err = start(app, ctx, tool, nil, params, function(own)
    return tool.run(app, own, entry, args, prepared)
  end)
  if not task then return nil, err end
  local view = short_view(task)
  view.resultType, view._meta = "task", app.server_meta
  return view
end

---A task that another server carries out, as one of the app's.
---@param ctx table of the call
---@param ttl number|nil seconds
---@param poll number|nil seconds between two status requests
---@param remote table fetch(task), update(answers), cancel() return nil or the error; `requests` is
---what it asks now
---@return mcp.Task|nil task nil: there is no room
---@return table|nil result that answers the call; without a task: the error, if it is another one
function tasks.adopt(ctx, ttl, poll, remote)
  local app = ctx.app
  local joined, away = can_share(app, ctx)
  if not joined then return nil, away end
  local task = store_of(app):create(owner_of(ctx), ttl)
  if not task then return nil end
  task.listens, task.streams, task.is_watched = {}, {}, is_watched
  task.app, task.announced, task.remote, task.poll = app, task.status, remote, poll
  if app.shared then app.shared:save_task(task, true) end
  return task, app.extensions:as_result("task", short_view(task))
end

-- Asks how a task of another server is, as long as a client listens to it.
local function follow(task)
  local remote = task.remote
  if not remote or remote.followed or task_store.is_over(task) then return end
  remote.followed = true
  core.spawn(function()
    local _ <close> = setmetatable({}, { __close = function() remote.followed = false end })
    while not task_store.is_over(task) and is_watched(task)
      and core.sleep(task.poll or task.store.poll_interval) do
      remote:fetch(task)
    end
  end)
end

-- --- listening ---------------------------------------------------------------

-- The task with this id if it is the caller's, in whichever process it runs. nil, and perhaps the
-- error.
local function lookup(app, ctx, id)
  local task = store_of(app):find(id, owner_of(ctx))
  if not task and app.shared then
    local is_away
    task, is_away = app.shared:find_task(id, owner_of(ctx))
    if is_away then return app.shared:unavailable(ctx.exchange) end
  end
  return task
end

---Which of these tasks a listen can hear of: those that are the caller's. nil and the error if
---`ids` is not a list of them.
---@param app table
---@param ctx table
---@param ids any taskIds of the filter
---@return table|nil tasks
---@return table|nil err
function tasks.listenable(app, ctx, ids)
  if not value.is_array(ids) and not (type(ids) == "table" and next(ids) == nil) then
    return invalid("%s: notifications.taskIds: expected an array, got %s", ctx.method,
      value.kind(ids))
  end
  local out, seen, store = {}, {}, store_of(app)
  if #ids > store.max then
    return invalid("%s: notifications.taskIds: at most %d, got %d", ctx.method, store.max, #ids)
  end
  for i, id in ipairs(ids) do
    if type(id) ~= "string" then
      return invalid("%s: notifications.taskIds[%d]: expected a string, got %s", ctx.method, i - 1,
        value.kind(id))
    end
    local task, err
    if not seen[id] then task, err = lookup(app, ctx, id) end
    if err then return nil, err end
    if task then out[#out + 1] = task end
    seen[id] = true
  end
  return out
end

---From now on the exchange, which is kept, hears of these tasks; first how they are.
---@param listed table what `listenable` gave
---@param x userdata
function tasks.listen(listed, x)
  for _, task in ipairs(listed) do
    task.listens[x] = true
    tell(task, x)
    if task.elsewhere then task.app.shared:watch_task(task) end
    follow(task)
  end
end

-- --- asking about tasks -----------------------------------------------------

-- The task that is meant, or nil and the error: the same for one that never was, is no more, or is
-- that of another owner.
local function find(app, ctx, params)
  local id = params.taskId
  if type(id) ~= "string" then
    return invalid("%s: taskId: expected a string, got %s", ctx.method,
      id == nil and "nothing" or value.kind(id))
  end
  local task, err = lookup(app, ctx, id)
  if err then return nil, err end
  if not task then return invalid("%s: unknown task", ctx.method) end
  return task
end

-- Methods by the kind of tasks that a revision has.
local methods = { extension = {}, params = {} }

-- One that any revision may be asked for.
local function method(name)
  return function(app, ctx, params)
    local kind = ctx.revision.tasks
    local fn = methods[kind] and methods[kind][name]
    if not fn then return unknown_method(ctx.method) end
    local task, err
    if name ~= "list" then
      task, err = find(app, ctx, params)
      if not task then return nil, err end
    end
    return fn(app, ctx, params, task)
  end
end

---tasks/get
tasks.get = method "get"
function methods.extension.get(_, _, _, task)
  local err = task.remote and not task_store.is_over(task) and task.remote:fetch(task)
  if err then return nil, err end
  return tasks.view(task)
end
function methods.params.get(_, _, _, task) return tasks.session_view(task) end

---tasks/cancel
tasks.cancel = method "cancel"

function methods.extension.cancel(_, _, _, task)
  if task.remote then
    local err = not task_store.is_over(task) and task.remote:cancel()
    if err then return nil, err end
    return {}
  end
  task.store:cancel(task)
  return {}
end

function methods.params.cancel(_, _, _, task)
  local cancelled
  if not task.elsewhere then
    cancelled = task.store:cancel(task)
  elseif not task_store.is_over(task) then
    local err = task.remote:cancel()
    if err then return nil, err end
    cancelled = task.status == "cancelled"
  end
  if not cancelled then
    return invalid("tasks/cancel: the task has ended: %s", tasks.session_view(task).status)
  end
  return tasks.session_view(task)
end

---tasks/update: answers to what a task asks.
tasks.update = method "update"

function methods.extension.update(_, _, params, task)
  local answers = params.inputResponses
  if not object(answers) then
    return invalid("tasks/update: inputResponses: expected an object, got %s",
      answers == nil and "nothing" or value.kind(answers))
  end
  if task.remote then
    local err = not task_store.is_over(task) and task.remote:update(answers)
    if err then return nil, err end
    return {}
  end
  if task.pending then require("mcp.server.ask.parked").answer(task, answers) end
  return {}
end

-- All tasks of a session; while the store is away, those of this process.
local function all_of(app, ctx)
  local store, session = store_of(app), ctx.own_session
  local list = app.shared and session and session.id
    and app.shared:list_tasks(session, function(id) return store:find(id, session) end)
  return list or store:list(owner_of(ctx))
end

---tasks/list
tasks.list = method "list"

function methods.params.list(app, ctx, params)
  -- What is oldest comes first, so pages do not move while new ones come: any cursor is good.
  return cursor.slice(app, "tasks", 0, params, function()
    local list = value.array {}
    for i, task in ipairs(all_of(app, ctx)) do list[i] = tasks.session_view(task) end
    return list
  end, function(list, following) return { tasks = list, nextCursor = following } end)
end

---A request waits for the result of a task, whose questions may go out on its stream.
---@param task mcp.Task
---@param request table exchange, waiter (woken if it makes room for others)
function tasks.attend(task, request)
  table.insert(task.streams, request)
  if #task.streams > tasks.WAITING then table.remove(task.streams, 1).waiter:wake() end
  send_questions(task)
end

---tasks/result: waits for the end of a task, and is answered as its call would have been.
tasks.result = method "result"

function methods.params.result(app, ctx, _, task)
  if task.elsewhere and not task_store.is_over(task) then
    app.shared:await_task(ctx, task)
  elseif not task_store.is_over(task) then
    local mine = { exchange = ctx.exchange, waiter = core.waiter() }
    local _ <close> = setmetatable({}, { __close = function()
      for i, other in ipairs(task.streams) do
        if other == mine then
          table.remove(task.streams, i)
          break
        end
      end
    end })
    tasks.attend(task, mine)
    -- It takes as long as the task does.
    ctx.exchange:limit(0)
    task.store:await(task, mine.waiter)
  end
  if task.status == "completed" then return task.result end
  if task.status == "failed" then
    return nil, failure.new(task.err.code, task.err.message, task.err.data)
  end
  if task.status == "cancelled" then
    return nil, failure.new(errors.INVALID_REQUEST, "The task was cancelled: it has no result")
  end
  return nil, failure.busy("results", "Busy: too many requests wait for the result of this task")
end

return tasks
