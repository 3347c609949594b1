-- SPDX-License-Identifier: MIT
-- task: calls of tools that go on after they have been answered, and what clients may ask about
-- them. There is one store of tasks (server/task_store.lua) and two views of it: the tasks
-- extension of the revisions without sessions, where the server decides what becomes a task and
-- its questions lie in it, and the experimental tasks of the last one with sessions, where the
-- client decides and a task's questions go out on the stream of whoever waits for its result.
local core = require "mcp.core"
local cursor = require "mcp.server.feature.cursor"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local principal = require "mcp.auth.server.principal"
local protocol = require "mcp.protocol"
local task_store = require "mcp.server.task_store"
local value = require "mcp.value"

local task = {}

---Requests of a session that wait for the result of one task; the oldest makes room.
task.WAITING = 16

local function invalid(text, ...)
  return nil, failure.new(errors.INVALID_PARAMS, text:format(...))
end

local function unknown_method(method)
  return nil, failure.new(errors.METHOD_NOT_FOUND, "Method not found: " .. method)
end

local function object(given) return type(given) == "table" and value.is_object(given) end

-- Tells a listen of a task as it is now. Whoever does not read loses its stream.
local function tell(one, x)
  local ok, text = true, nil
  if x:is_open() then
    local view = task.view(one)
    view._meta = { [protocol.KEY_SUBSCRIPTION] = x:id() }
    ok, text = x:send("notifications/tasks", view)
  end
  if not ok and x:is_open() then
    core.log("warning", ("a listen is ended, for it could not be told of a task: %s"):format(text))
    x:cut()
  end
  if not x:is_open() or task_store.is_over(one) then one.listens[x] = nil end
end

-- A session is told when its task's status has changed, if it can be told anything now: it may
-- always ask (4.16: optional).
local function tell_session(one)
  local view = task.session_view(one)
  if view.status == one.told then return end
  one.told = view.status
  one.app.bus:announce(one.owner, "notifications/tasks/status", view)
end

local function tell_all(one)
  for x in pairs(one.listens) do tell(one, x) end
  if one.related then tell_session(one) end
end

local function store_of(app)
  local store = app.task_store
  if not store then
    store = task_store.new(app.task_settings)
    store.on_change = tell_all
    app.task_store = store
  end
  return store
end

-- Whose task it is: the session's or, where there is none, whoever has been authorized. Two who
-- have not are told apart by nothing but what they know: ids cannot be guessed.
local function owner_of(ctx)
  if ctx.own_session then return ctx.own_session end
  return principal.key(ctx)
end

-- The stream of somebody who waits for its result.
local function stream_of(one)
  for i = #one.streams, 1, -1 do
    local x = one.streams[i].exchange
    if x:is_open() then return x end
  end
  return nil
end

local function is_watched(one)
  for x in pairs(one.listens) do
    if x:is_open() then return true end
  end
  return stream_of(one) ~= nil
end

-- --- how a task looks -----------------------------------------------------

local function milliseconds(seconds) return math.floor(seconds * 1000 + 0.5) end

---What the sessions' revision shows. There a result that says it is an error is a failure.
---@param one mcp.Task
---@return table
function task.session_view(one)
  local status = one.status
  if status == "completed" and one.is_error then status = "failed" end
  return {
    taskId = one.id, status = status, statusMessage = one.message, createdAt = one.created,
    lastUpdatedAt = one.updated, ttl = milliseconds(one.ttl),
    pollInterval = milliseconds(one.store.poll_interval),
  }
end

-- What the extension shows when a task is made.
local function short_view(one)
  return {
    taskId = one.id, status = one.status, statusMessage = one.message, createdAt = one.created,
    lastUpdatedAt = one.updated, ttlMs = milliseconds(one.ttl),
    pollIntervalMs = milliseconds(one.store.poll_interval),
  }
end

---What the extension shows of a task: what it asks or how it ended is in it.
---@param one mcp.Task
---@return table
function task.view(one)
  local view = short_view(one)
  if one.status == "input_required" then
    view.inputRequests = require("mcp.server.ask.parked").requests(one)
  elseif one.status == "completed" then
    view.result = one.result
  elseif one.status == "failed" then
    view.error = one.err
  end
  return view
end

-- --- the way out of a task --------------------------------------------------

-- What a task's handler has in the place of an exchange. Its request is answered, so there is no
-- stream of its own; what belongs to it may go out on one of those that wait for its result.
local Outlet = { __name = "mcp.outlet" }
Outlet.__index = {}

-- Sends the questions that are open and that nobody has got. On a stream that is gone, nobody has.
local function send_questions(one)
  local x = stream_of(one)
  if not x then return end
  for _, sent in ipairs { table.unpack(one.outbox) } do
    if not (sent.over or sent.exchange and sent.exchange:is_open()) then
      sent.exchange = x
      if not x:send(sent.method, sent.params, sent.id) then
        sent.exchange = nil
        return
      end
    end
  end
end

local function take_back(one, params)
  for i, sent in ipairs(one.outbox) do
    if sent.id == params.requestId then
      table.remove(one.outbox, i)
      sent.over = true
      if sent.exchange then
        sent.exchange:send("notifications/cancelled", params, nil, true)
      end
      return
    end
  end
end

function Outlet.__index:send(method, params, id)
  local one = self.task
  if id then
    -- What has been answered is left in it until the next question.
    local open = {}
    local known = self.session.questions.by_id
    for _, sent in ipairs(one.outbox) do
      if known[tostring(sent.id)] then open[#open + 1] = sent end
    end
    open[#open + 1] = { method = method, params = params, id = id }
    one.outbox = open
    send_questions(one)
    return true
  end
  if method == "notifications/cancelled" then
    take_back(one, params)
    return true
  end
  if method == "notifications/progress" then
    if params.message then one.store:tell(one, params.message) end
    local x = self.token ~= nil and stream_of(one)
    if not x then return false end
    params._meta = one.related
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

-- What else an exchange can do is done to a request, and there is none.
setmetatable(Outlet.__index, { __index = function() return function() end end })
function Outlet.__index.restart_clock() end
function Outlet.__index.stop_clock() end

-- The context of a task: all that its call knew, and another way out.
local function context_of(ctx, one)
  local own = { headers = ctx.headers, transport = ctx.transport }
  for key, member in pairs(ctx) do own[key] = member end
  local token = ctx.token
  if type(token) == "boolean" then token = nil end
  own.exchange = setmetatable({
    task = one, session = ctx.own_session, token = token, fields = own.headers,
    name = own.transport,
  }, Outlet)
  -- Its texts are shown in the status, whether or not anybody asked for progress. Log messages go
  -- nowhere (4.16), and what the call has asked is not what the task asks.
  own.task, own.token, own.level, own.asking = one, token or 0, nil, nil
  -- Nor does its clock, or its stream, belong to the call that has been answered.
  own.own_exchange, own.reported, own.beats, own.beaten = nil, nil, nil, nil
  return setmetatable(own, getmetatable(ctx))
end

-- --- calling ----------------------------------------------------------------

-- Does this request declare the extension?
local function declares(ctx)
  local extensions = ctx.capabilities.extensions
  return object(extensions) and object(extensions[protocol.TASKS])
end

local function need_extension()
  return nil, failure.new(errors.MISSING_CAPABILITY,
    "Client capability required: extensions[\"" .. protocol.TASKS .. "\"]",
    { requiredCapabilities = { extensions = { [protocol.TASKS] = {} } } }, 400)
end

local function only_as_task(entry)
  return nil, failure.new(errors.METHOD_NOT_FOUND,
    ("tool %q can only be called as a task"):format(entry.name))
end

-- Is the call to become a task? nil and the error if it may not be what it is.
local function is_wanted(app, ctx, entry, params)
  local required = entry.task == "required"
  if ctx.revision.tasks == "extension" then
    if entry.task and declares(ctx) then return true end
    if required then return need_extension() end
    return false -- a member `task` means nothing here
  end
  local asked = params.task
  if ctx.revision.tasks ~= "params" or asked == nil or not app:has "tasks" then
    if required then return only_as_task(entry) end
    return false
  end
  if not object(asked) then
    return invalid("tools/call: task: object expected, got %s", value.kind(asked))
  end
  local ttl = asked.ttl
  if ttl ~= nil and ttl ~= value.null and not (math.type(ttl) and ttl >= 0) then
    return invalid("tools/call: task.ttl: milliseconds expected, 0 or more")
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
  local prepared, why = entry.prepare(args, ctx)
  if prepared == nil and type(why) == "string" then return nil, tool.failed(why) end
  return args, prepared
end

local function call_at_once(app, ctx, entry, params, tool)
  local args, prepared, err = prepare(ctx, entry, params, tool)
  if not args then return prepared, err end
  return tool.run(app, ctx, entry, args, prepared)
end

-- The result of a task as it is kept.
local function result_of(one, facts, result)
  if facts.stamp then
    result.resultType = "complete"
  else
    local meta = { [protocol.KEY_TASK] = one.related[protocol.KEY_TASK] }
    for key, member in pairs(result._meta or {}) do meta[key] = member end
    result._meta = meta
  end
  return result
end

local function error_of(err) return { code = err.code, message = err.message, data = err.data } end

-- Keeps what the work has come to.
local function keep(one, ctx, tool, result, err)
  local store, facts = one.store, ctx.revision
  local text, why = core.encode(err and error_of(err) or result_of(one, facts, result), true)
  if not text then
    result, err = tool.mend(ctx, why, err)
    text = core.encode(err and error_of(err) or result_of(one, facts, result), true)
  end
  if err then
    store:fail(one, error_of(err))
  else
    store:finish(one, core.raw(text, true), result.isError == true)
  end
end

-- Makes a task that does work(its ctx), for which `params` are kept.
local function start(app, ctx, tool, ttl, params, work)
  local one = store_of(app):create(owner_of(ctx), ttl, core.weight(params))
  if not one then
    return nil, failure.new(ctx.own_session and errors.BUSY or errors.INTERNAL_ERROR,
      "Busy: too many tasks")
  end
  one.outbox, one.streams, one.listens, one.is_watched = {}, {}, {}, is_watched
  one.app, one.told = app, one.status
  if ctx.own_session then one.related = { [protocol.KEY_TASK] = { taskId = one.id } } end
  local own = context_of(ctx, one)
  one.store:run(one, function()
    local result, err = tool.guarded(own, work, own)
    -- Encoding is work for nothing when nobody will see it.
    if not one.cancelled then keep(one, own, tool, result, err) end
  end)
  return one
end

---tools/call of a tool that can be a task, or with a wish for one.
---@param app table
---@param ctx table
---@param entry table
---@param params table
---@param tool table arguments, run, guarded, failed of server/feature/tool.lua, which is above
---@return table|nil result
---@return table|nil err
function task.call(app, ctx, entry, params, tool)
  local wanted, err = is_wanted(app, ctx, entry, params)
  if err then return nil, err end
  if not wanted then return call_at_once(app, ctx, entry, params, tool) end
  local one
  if ctx.revision.tasks == "params" then
    local ttl = params.task.ttl
    if ttl == value.null then ttl = math.huge end
    one, err = start(app, ctx, tool, ttl and ttl / 1000, params, function(own)
      return call_at_once(app, own, entry, params, tool)
    end)
    if not one then return nil, err end
    return { task = task.session_view(one) }
  end
  -- What the call itself asks is asked before there is a task.
  local args, prepared, failed = prepare(ctx, entry, params, tool)
  if not args then return prepared, failed end
  one, err = start(app, ctx, tool, nil, params, function(own)
    return tool.run(app, own, entry, args, prepared)
  end)
  if not one then return nil, err end
  local view = short_view(one)
  view.resultType, view._meta = "task", app.server_meta
  return view
end

-- --- listening ---------------------------------------------------------------

---Which of these tasks a listen can hear of: those that are the caller's. nil and the error if it
---may not ask.
---@param app table
---@param ctx table
---@param ids any taskIds of the filter
---@return table|nil tasks
---@return table|nil err
function task.listenable(app, ctx, ids)
  if not declares(ctx) then return need_extension() end
  if not value.is_array(ids) and not (type(ids) == "table" and next(ids) == nil) then
    return invalid("%s: notifications.taskIds: array expected, got %s", ctx.method, value.kind(ids))
  end
  local out, seen, store = {}, {}, store_of(app)
  if #ids > store.most then
    return invalid("%s: notifications.taskIds: at most %d, got %d", ctx.method, store.most, #ids)
  end
  for i, id in ipairs(ids) do
    if type(id) ~= "string" then
      return invalid("%s: notifications.taskIds[%d]: string expected, got %s", ctx.method, i - 1,
        value.kind(id))
    end
    local one = not seen[id] and store:find(id, owner_of(ctx))
    if one then out[#out + 1] = one end
    seen[id] = true
  end
  return out
end

---From now on the exchange, which is kept, hears of these tasks; first how they are.
---@param tasks table what `listenable` gave
---@param x userdata
function task.listen(tasks, x)
  for _, one in ipairs(tasks) do
    one.listens[x] = true
    tell(one, x)
  end
end

-- --- asking about tasks -----------------------------------------------------

-- The task that is meant, or nil and the error: the same for one that never was, is no more, or is
-- somebody else's.
local function find(app, ctx, params)
  local id = params.taskId
  if type(id) ~= "string" then
    return invalid("%s: taskId: string expected, got %s", ctx.method,
      id == nil and "nothing" or value.kind(id))
  end
  local one = store_of(app):find(id, owner_of(ctx))
  if not one then return invalid("%s: there is no such task", ctx.method) end
  return one
end

-- Methods by the kind of tasks that a revision has.
local methods = { extension = {}, params = {} }

-- One that any revision may be asked for.
local function method(name)
  return function(app, ctx, params)
    local kind = ctx.revision.tasks
    local fn = methods[kind] and methods[kind][name]
    if not fn then return unknown_method(ctx.method) end
    if kind == "extension" and not declares(ctx) then return need_extension() end
    local one, err
    if name ~= "list" then
      one, err = find(app, ctx, params)
      if not one then return nil, err end
    end
    return fn(app, ctx, params, one)
  end
end

---tasks/get
task.get = method "get"
function methods.extension.get(_, _, _, one) return task.view(one) end
function methods.params.get(_, _, _, one) return task.session_view(one) end

---tasks/cancel
task.cancel = method "cancel"

function methods.extension.cancel(_, _, _, one)
  one.store:cancel(one)
  return {}
end

function methods.params.cancel(_, _, _, one)
  if not one.store:cancel(one) then
    return invalid("tasks/cancel: the task is over: %s", task.session_view(one).status)
  end
  return task.session_view(one)
end

---tasks/update: answers to what a task asks.
task.update = method "update"

function methods.extension.update(_, _, params, one)
  local answers = params.inputResponses
  if not object(answers) then
    return invalid("tasks/update: inputResponses: object expected, got %s",
      answers == nil and "nothing" or value.kind(answers))
  end
  if one.pending then require("mcp.server.ask.parked").answer(one, answers) end
  return {}
end

---tasks/list
task.list = method "list"

function methods.params.list(app, ctx, params)
  -- What is oldest comes first, so pages do not move while new ones come: any cursor is good.
  return cursor.slice(app, "tasks", 0, params, function()
    local list = value.array {}
    for i, one in ipairs(store_of(app):list(owner_of(ctx))) do list[i] = task.session_view(one) end
    return list
  end, function(list, following) return { tasks = list, nextCursor = following } end)
end

---tasks/result: waits for the end of a task, and is answered as its call would have been.
task.result = method "result"

function methods.params.result(_, ctx, _, one)
  if not task_store.is_over(one) then
    local mine = { exchange = ctx.exchange, waiter = core.waiter() }
    table.insert(one.streams, mine)
    if #one.streams > task.WAITING then table.remove(one.streams, 1).waiter:wake() end
    local _ <close> = setmetatable({}, { __close = function()
      for i, other in ipairs(one.streams) do
        if other == mine then
          table.remove(one.streams, i)
          break
        end
      end
    end })
    send_questions(one)
    -- It takes as long as the task does.
    ctx.exchange:limit(0)
    one.store:await(one, mine.waiter)
  end
  if one.status == "completed" then return one.result end
  if one.status == "failed" then
    return nil, failure.new(one.err.code, one.err.message, one.err.data)
  end
  if one.status == "cancelled" then
    return nil, failure.new(errors.INVALID_REQUEST, "The task was cancelled: it has no result")
  end
  return nil, failure.new(errors.BUSY, "Busy: too many wait for the result of this task")
end

return task
