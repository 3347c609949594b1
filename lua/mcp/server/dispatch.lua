-- SPDX-License-Identifier: MIT
-- dispatch: finds the handler of a method, and turns errors into responses; no other file does. The
-- fronts decide which messages are accepted (server/front/http.lua, server/front/duplex.lua).
local completion = require "mcp.later" "mcp.server.feature.completion"
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local methods = require "mcp.protocol.methods"
local protocol = require "mcp.protocol"
local prompt = require "mcp.later" "mcp.server.feature.prompt"
local resource = require "mcp.later" "mcp.server.feature.resource"
local sessions = require "mcp.server.session"
local state = require "mcp.later" "mcp.server.ask.state"
local subscription = require "mcp.later" "mcp.server.feature.subscription"
local task = require "mcp.later" "mcp.server.feature.task"
local tool = require "mcp.server.feature.tool"

local xpcall = xpcall

local dispatch = {}

local EMPTY = {}

-- What is kept beside the handlers, see dispatch.handlers.
local TOOLS = { legacy = "legacy_tools", modern = "modern_tools" }

-- Some revisions require a result type and the server's name in every result. Lists are cached with
-- them, and tools add them as they make their results.
local function stamp(app, result)
  result.resultType = "complete"
  if result._meta == nil then
    result._meta = app.server_meta
    return result
  end
  local meta = {}
  for key, member in pairs(result._meta) do meta[key] = member end
  if meta[protocol.KEY_SERVER] == nil then meta[protocol.KEY_SERVER] = app.server_info end
  result._meta = meta
  return result
end

-- A function of a feature that is loaded with the first request that needs it.
local function of(feature, name)
  return function(app, ctx, params) return feature[name](app, ctx, params) end
end

local function set_level(_, ctx, params)
  local rank = protocol.LOG_RANK[params.level]
  if not rank then
    return nil, failure.new(errors.INVALID_PARAMS,
      ("logging/setLevel: unknown level %s"):format(tostring(params.level)))
  end
  local session = ctx.session
  return sessions.change(ctx, function()
    session.log_rank = rank
    return {}
  end)
end

local function discover(app, ctx)
  return app:cacheable(ctx.revision, {
    supportedVersions = protocol.names,
    capabilities = app:capabilities(ctx.revision),
    instructions = app.instructions,
  })
end

---The function that serves each method: fn(app, ctx, params) returns a result, or nil and the
---error. What else there is to know about a method is its row in protocol/methods.lua.
---@type table<string, function>
dispatch.serve = {
  ["tools/list"] = tool.list,
  ["tools/call"] = tool.call,
  ["resources/list"] = of(resource, "list"),
  ["resources/templates/list"] = of(resource, "list_templates"),
  ["resources/read"] = of(resource, "read"),
  ["resources/subscribe"] = of(subscription, "subscribe"),
  ["resources/unsubscribe"] = of(subscription, "unsubscribe"),
  ["prompts/list"] = of(prompt, "list"),
  ["prompts/get"] = of(prompt, "get"),
  ["completion/complete"] = of(completion, "complete"),
  ["tasks/get"] = of(task, "get"),
  ["tasks/cancel"] = of(task, "cancel"),
  ["tasks/list"] = of(task, "list"),
  ["tasks/result"] = of(task, "result"),
  ["subscriptions/listen"] = of(subscription, "listen"),
  ["logging/setLevel"] = set_level,
  ["server/discover"] = discover,
  ping = function() return {} end,
}

---The handlers of the methods that an app offers now. The table is rebuilt after something has
---been registered or removed.
---@param app table
---@param era "legacy"|"modern"
---@return table<string, function>
function dispatch.handlers(app, era)
  local handlers = app.handlers[era]
  if handlers then return handlers end
  -- Where a process serves, what watches over it starts before any handler does.
  if app.before_work then app.before_work() end
  handlers = {}
  for method, handler in pairs(dispatch.serve) do
    local row = methods[method] or error(method .. ": no row in protocol/methods.lua")
    if row[era] and (not row.capability or app:has(row.capability)) then
      handlers[method] = handler
    end
  end
  -- Tasks are an extension in some revisions. Both are loaded by servers that have them.
  if app:has "tasks" or app.mounts and app.mounts:passes(protocol.TASKS) then
    require("mcp.server.feature.task_extension").add(app)
  end
  if app.extensions then
    require("mcp.server.feature.extension").add_handlers(app, era, handlers)
  end
  if app.mounts then app.mounts:adapt(era, handlers) end
  -- What server/middleware.lua puts around them.
  if app.wrap then handlers = app.wrap(era, handlers) end
  if app.mounts then app.mounts:open(era, handlers) end
  app.handlers[era] = handlers
  -- The tools by name, if nothing comes between a message and tool.call.
  app.handlers[TOOLS[era]] = handlers["tools/call"] == tool.call
    and not (app.redirect or app.mounts or app.auth) and app.tools.mirrored == 0
    and app.tools.by_name
  return handlers
end

---The error for an unknown method.
---@param era "legacy"|"modern"
---@param method string
---@return table err
function dispatch.unknown(era, method)
  return failure.new(errors.METHOD_NOT_FOUND, "Method not found: " .. method, nil,
    era == "modern" and 404 or nil)
end

-- Positions in our own modules, which a coroutine of the handler may have put into an error text.
local OURS = "^[^\n:]*mcp/[%w_/]+%.lua:%d+: "

-- The position at the start of `text` that error() or a coroutine put there: the position of a
-- function that is running, or of one of ours. Other text is left alone.
local function position_of(text)
  if text:find("^[^\n]-:%d+: ") then
    for level = 3, 20 do
      local info = debug.getinfo(level, "S")
      if not info then break end
      local source = info.short_src .. ":"
      if text:sub(1, #source) == source then
        local digits = text:match("^%d+: ", #source + 1)
        if digits then return source .. digits end
      end
    end
    local worker = package.loaded["mcp.worker"]
    local place = worker and worker.place_of(text) or 0
    if place > 0 then return text:sub(1, place) end
    return text:match(OURS)
  end
  return nil
end

-- An error that was raised again, or passed through a coroutine, has several positions.
local function without_position(text)
  for _ = 1, 4 do
    local position = position_of(text)
    if not position then break end
    text = text:sub(#position + 1)
  end
  return text
end

-- What our sources begin with.
local HERE = debug.getinfo(1, "S").source:match "^(.*)server/dispatch%.lua$"

-- The traceback of an error as the author of a handler reads it: without frames of the runtime,
-- unless it was raised there.
local function traceback_of(text)
  local ours, inner = {}, 0
  for level = 3, 40 do
    local info = debug.getinfo(level, "S")
    if not info then break end
    if HERE and info.source:sub(1, #HERE) == HERE then ours[info.short_src] = true end
  end
  local whole = debug.traceback(text, 3)
  if ours[text:match "^([^\n]-):%d+: "] then return whole end
  local lines, frames = {}, false
  for line in whole:gmatch "[^\n]+" do
    local frame = frames and line:match "^\t(.*)"
    local source = frame and frame:match "^(.-):"
    if line == "stack traceback:" then frames = true end
    if not frame or source and source ~= "[C]" and not ours[source] then
      lines[#lines + 1] = line
      if frame then inner = inner + 1 end
    end
  end
  if inner == 0 and lines[#lines] == "stack traceback:" then lines[#lines] = nil end
  return table.concat(lines, "\n")
end

-- What `raised` gives, so that it is left alone when it is raised again.
local Raised = {}

-- An error, with the parts that need the stack on which it was raised.
local function raised(value)
  if failure.is(value) or getmetatable(value) == Raised then return value end
  local text
  if type(value) == "string" then
    text = without_position(value)
  elseif type(value) == "table" and getmetatable(value) and getmetatable(value).__tostring then
    text = tostring(value)
  else
    text = ("(an error of type %s)"):format(type(value))
  end
  return setmetatable({ text = text, traceback = traceback_of(tostring(value)) }, Raised)
end

tool.raised = raised

-- The tool, prompt or resource of a request, for error texts.
local function named(ctx)
  return ctx.entry and ("%s %q"):format(ctx.entry.kind, ctx.entry.name) or ctx.method
end

-- The same for a log of JSON: a kind and a name, or nothing.
local function about(ctx)
  if ctx.entry then return ctx.entry.kind, ctx.entry.name end
end

---The response in place of a result or an error that cannot be encoded as JSON.
---@param ctx table
---@param reason string the place in it, and what is wrong there
---@param err table|nil the error, if it was one
---@param framed string|nil what stood in a frame, which has no places
---@return table|nil result
---@return table|nil err
local function mend(ctx, reason, err, framed)
  if framed then
    local _
    _, reason = core.encode(tool.stamped_text(ctx.app, ctx.revision, framed))
  end
  local text = ("%s: %s%s"):format(named(ctx), err and "error: " or "", reason)
  core.log("error", text, about(ctx))
  if err then
    -- The text of the error is better, unless it is what cannot be encoded.
    return nil, failure.new(err.code, utf8.len(err.message) and err.message or text, nil,
      err.status)
  end
  if ctx.entry and ctx.entry.kind == "tool" then
    return dispatch.stamped(ctx.app, ctx, tool.failed(text))
  end
  return nil, failure.new(errors.INTERNAL_ERROR, "Internal error in " .. text)
end

dispatch.mend, tool.mend = mend, mend

-- Turns an error into a response. An mcp.error is sent as it is. Others are logged; the text of a
-- tool's error goes to the model.
local function judge(ctx, problem)
  if failure.is(problem) then
    if problem.for_model and ctx.entry and ctx.entry.kind == "tool" then
      return tool.failed(problem.message)
    end
    return nil, problem
  end
  -- Lua does not call `raised` for errors of memory.
  if type(problem) ~= "table" then
    problem = { text = tostring(problem), traceback = tostring(problem) }
  end
  local what = named(ctx)
  local report = problem.traceback
  -- A handler that ends with `return ctx:f(…)` is not on the stack any more.
  local tail = ctx.entry and report:match "^[^\n:]*mcp/server/feature/%a+%.lua:%d+: ([^\n]*)"
  local info = tail and debug.getinfo(ctx.entry.handler, "S")
  if info and info.source:sub(1, #HERE) ~= HERE then
    report = ("%s (in the function at %s:%d)"):format(tail, info.short_src, info.linedefined)
  end
  -- Texts of our own name it already.
  if report:sub(1, #what) ~= what then report = what .. ": " .. report end
  core.log_lines("error", report, about(ctx))
  if ctx.entry and ctx.entry.kind == "tool" then return tool.failed(problem.text) end
  return nil, failure.new(errors.INTERNAL_ERROR, "Internal error in " .. what)
end

---Calls `fn(…)` within a request and returns its result, or the response to what it raised.
---@param ctx table
---@param fn function
---@return table|userdata|nil result
---@return table|nil err
function dispatch.judged(ctx, fn, ...)
  local ok, result, err = xpcall(fn, raised, ...)
  if not ok then result, err = judge(ctx, result) end
  local asking = ctx.asking
  if asking and asking.result then return asking.result end
  return result, err
end

-- Errors of a task, whose request has been answered, are handled alike.
function tool.guarded(ctx, fn, ...)
  local result, err = dispatch.judged(ctx, fn, ...)
  local asking = ctx.asking
  if asking then state.finish(asking) end
  return result, err
end

---The result with the members that the revision adds to results.
---@param app table
---@param ctx table
---@param result table
---@return table
function dispatch.stamped(app, ctx, result)
  return ctx.revision.stamp and stamp(app, result) or result
end

---The position of `ctx` among the arguments of dispatch.request: server/timeout.lua reads it from
---the stack of a coroutine that waits.
dispatch.request_ctx = 2

---Runs one request to its end.
---@param app table
---@param ctx table
---@param handler function
---@param params table|nil
---@param outgoing boolean|table as tool.call takes it
---@return table|userdata|string|nil result
---@return table|nil err
---@return function mend called for a response that cannot be encoded
---@return table ctx the first argument of mend
---@return userdata|nil frame core.frame, in which the result stands
function dispatch.request(app, ctx, handler, params, outgoing)
  local ok, result, err, frame = xpcall(handler, raised, app, ctx, params or EMPTY, outgoing)
  if not ok then result, err = judge(ctx, result) end
  if ctx.asking then
    -- A question ends a handler by an error, which the handler may have caught.
    local ended = state.finish(ctx.asking)
    if ended then return ended, nil, mend, ctx end
  end
  if err then return nil, err, mend, ctx end
  if frame and outgoing ~= true then return result, nil, mend, ctx, frame end
  if ctx.revision.stamp and type(result) == "table" and result.resultType == nil then
    result = stamp(app, result)
  end
  return result, nil, mend, ctx
end

return dispatch
