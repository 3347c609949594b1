-- SPDX-License-Identifier: MIT
-- task: a task of a mounted stateless server as a task of the app: under an id of the app's, for
-- the caller that began it. Its state is asked there when a client asks here; its questions and
-- their answers pass through. What it has come to is kept here.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local request = require "mcp.client.request"
local tasks = require "mcp.server.feature.task"
local value = require "mcp.value"

local task = {}

---@class mcp.mount.Remote
---@field mount table
---@field client mcp.Client
---@field id string there
---@field names table[] what the addresses in its result pass on the way out, inner first
---@field requests table<string, table> what it asks now
local Remote = { __name = "mcp.mount.task" }
Remote.__index = {}

-- Sends a request about the task; nil and the error if it fails.
local function ask(self, method, params)
  params = params or {}
  params.taskId = self.id
  local result, text, code, data = request.run(self.client, method, params, {},
    { declared = self.declared, level = false, rounds = false })
  if result then return result end
  if math.type(code) == "integer" then return nil, failure.new(code, text, data) end
  return nil, failure.new(errors.INTERNAL_ERROR,
    ("the mounted server %q cannot be reached: %s"):format(self.mount.name, text))
end

-- The result of the task with the app's addresses.
local function result_of(self, given)
  local result = {}
  for key, member in pairs(given) do result[key] = member end
  if value.is_array(result.content) then
    for _, names in ipairs(self.names) do names:contents(result.content) end
  end
  local meta = type(result._meta) == "table" and result._meta
  if meta then
    meta[protocol.KEY_SERVER] = nil
    if next(meta) == nil then result._meta = nil end
  end
  result.resultType = "complete"
  return result
end

local function object(given) return type(given) == "table" and value.is_object(given) end

local function text_of(given) return type(given) == "string" and given or nil end

-- Takes over how the task is.
local function take(self, own, view)
  local store, status, text = own.store, view.status, text_of(view.statusMessage)
  self.requests = {}
  if status == "completed" and object(view.result) then
    own.message = text
    local result = result_of(self, view.result)
    return store:finish(own, core.raw(core.encode(result), true), result.isError == true)
  elseif status == "failed" or status == "completed" then
    local err = object(view.error) and view.error or {}
    return store:fail(own, {
      code = math.type(err.code) == "integer" and err.code or errors.INTERNAL_ERROR,
      message = text_of(err.message) or "the mounted server does not say what has failed",
      data = err.data })
  elseif status == "cancelled" then
    store:cancel(own)
  elseif status == "input_required" then
    self.requests = object(view.inputRequests) and view.inputRequests or {}
    store:note(own, status, text)
  elseif status == "working" then
    store:note(own, status, text)
  end
end

---Asks how the task is.
---@param own mcp.Task
---@return table|nil err
function Remote.__index:fetch(own)
  local view, err = ask(self, "tasks/get")
  if not view then return err end
  take(self, own, view)
end

---Passes answers on.
---@param answers table<string, any>
---@return table|nil err
function Remote.__index:update(answers)
  return select(2, ask(self, "tasks/update", { inputResponses = answers }))
end

---@return table|nil err
function Remote.__index:cancel() return select(2, ask(self, "tasks/cancel")) end

-- Milliseconds as seconds, or nil.
local function seconds(given) return math.type(given) and given >= 0 and given / 1000 or nil end

---Makes a task of the app out of one that a call has become there. Raises what is wrong.
---@param ctx mcp.Context
---@param mount table
---@param client mcp.Client of the other server
---@param view table the result of the call
---@param declared userdata what is declared with each request about the task
---@return table result that answers the call
function task.adopt(ctx, mount, client, view, declared)
  local id = view.taskId
  if type(id) ~= "string" then
    error(failure.new(errors.INTERNAL_ERROR,
      ("the mounted server %q: taskId: expected a string, got %s"):format(mount.name,
        value.kind(id))), 0)
  end
  local self = setmetatable({ mount = mount, client = client, id = id, declared = declared,
    names = { mount.names }, requests = {}, followed = false }, Remote)
  local made, result = tasks.adopt(ctx, seconds(view.ttlMs), seconds(view.pollIntervalMs), self)
  if made then return result end
  core.spawn(self.cancel, self)
  error(result or failure.new(errors.INTERNAL_ERROR, "Busy: too many tasks"), 0)
end

---The call that has become a task came through another mount.
---@param ctx mcp.Context
---@param id string of the app's task
---@param names table of that mount
function task.pass(ctx, id, names)
  local own = ctx.app.task_store and ctx.app.task_store.by_id[id]
  if own and own.remote then table.insert(own.remote.names, names) end
end

return task
