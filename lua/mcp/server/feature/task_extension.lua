-- SPDX-License-Identifier: MIT
-- task_extension: tasks as the extension that they are in the stateless revisions, in the terms of
-- server/feature/extension.lua. What the methods do is server/feature/task.lua's, which is loaded
-- by the first request that needs it. Loaded by apps that have tools with the option `task`.
local extension = require "mcp.server.feature.extension"
local protocol = require "mcp.protocol"
local value = require "mcp.value"
local tasks = require "mcp.later" "mcp.server.feature.task"

local task_extension = {}

local function method(name)
  return function(ctx, params) return tasks[name](ctx.app, ctx, params) end
end

-- The tasks that a listen request names, as far as they are the caller's.
local function listen(ctx, ids)
  local listed, err = tasks.listenable(ctx.app, ctx, ids)
  if not listed then return nil, err end
  local honoured = value.array {}
  for i, task in ipairs(listed) do honoured[i] = task.id end
  if not honoured[1] then return nil end
  return honoured, function() tasks.listen(listed, ctx.exchange) end
end

local DEFINITION = {
  id = protocol.TASKS,
  legacy = false,
  methods = {
    ["tasks/get"] = { target = "taskId", idempotent = true, handler = method "get" },
    ["tasks/cancel"] = { target = "taskId", handler = method "cancel" },
    ["tasks/update"] = { target = "taskId", handler = method "update" },
  },
  listen = { taskIds = listen },
  results = { "task" },
}

---Does the app have tasks for clients of the stateless era: of its own tools, or of servers that it
---has mounted?
---@param app table
---@return boolean
function task_extension.is_offered(app)
  return app:has "tasks" or app.mounts and app.mounts:passes(protocol.TASKS) or false
end

---Registers the extension with an app; once.
---@param app table
function task_extension.add(app)
  if app.extensions and app.extensions.by_id[protocol.TASKS] then return end
  extension.add(app, DEFINITION, "the option task of a tool", task_extension.is_offered)
end

return task_extension
