-- SPDX-License-Identifier: MIT
-- legacy: what the revisions with a handshake have in common, whichever transport carries them:
-- initialize, requests, notifications and batches of a session.
local arrival = require "mcp.server.front.arrival"
local bus = require "mcp.server.bus"
local context = require "mcp.server.context"
local core = require "mcp.core"
local dispatch = require "mcp.later" "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local sessions = require "mcp.server.session"
local tool = require "mcp.later" "mcp.server.feature.tool"
local trace = require "mcp.later" "mcp.trace"
local value = require "mcp.value"

local legacy = {}

local function invalid_params(text)
  return nil, failure.new(errors.INVALID_PARAMS, text)
end

---Answers initialize: a new session and its result, or nil and the error.
---@param app table
---@param params any
---@return table|nil session
---@return table result or error
function legacy.initialize(app, params)
  if type(params) ~= "table" then
    return invalid_params("initialize: params: expected an object")
  end
  value.drop_nulls(params, true)
  -- What is mounted decides what is declared.
  local err = app.mounts and app.mounts:prepare "initialize"
  if err then return nil, err end
  local requested = params.protocolVersion
  if type(requested) ~= "string" then
    return invalid_params("initialize: protocolVersion: expected a string, got " .. type(requested))
  end
  local facts = protocol.negotiate(requested)
  local session = sessions.new(facts, params)
  -- A list whose capability was not declared is never announced as changed.
  session.declared = bus.set(app:has "tools", app:has "prompts", app:has "resources")
  return session, {
    protocolVersion = facts.name,
    capabilities = app:capabilities(facts),
    serverInfo = app:implementation(facts),
    instructions = app.instructions,
  }
end

---What is known of requests of a session with this method and this _meta.
---@param app table
---@param session table
---@param method string
---@param meta string|nil the text of _meta
---@param token any its progressToken
---@param framed boolean the caller of legacy.request knows frames
---@return table envelope
function legacy.envelope(app, session, method, meta, token, framed)
  return { method = method, meta = meta, token = token, framed = framed, spare = false,
    resumable = sessions.is_resumable(app, session) }
end

-- Makes a context that a call has left that of the next one in its session. That call had no
-- stream.
local function reuse(ctx, x, session, envelope, entry, resumable)
  envelope.spare, ctx.entry, ctx.own_session = false, entry, session
  if resumable then ctx.own_exchange = x else ctx.exchange = x end
end

-- The context of a request. Where streams can be resumed, the stream is made on first use: most
-- calls never use it.
local function context_of(app, x, session, envelope)
  local spare, resumable = envelope.spare, envelope.resumable
  if spare then
    reuse(spare, x, session, envelope, false, resumable)
    return spare
  end
  local ctx = context.new(not resumable and x or nil, session.revision, session, envelope.method,
    envelope.meta, app)
  if resumable then ctx.own_exchange = x end
  if envelope.token ~= nil then ctx.token = envelope.token end
  return ctx
end

---The tool that is called, if arguments alone are enough for others like this (legacy.caller).
---@param app table
---@param method string
---@param params any
---@return string|nil name
function legacy.callee(app, method, params)
  local name = method == "tools/call" and type(params) == "table" and params.name
  return type(name) == "string" and app.tools.by_name[name] and name or nil
end

---A request within a session.
---@param app table
---@param x userdata
---@param session table
---@param envelope table
---@param params table|nil
---@return table|userdata|string|nil result
---@return table|nil err
---@return function|nil mend
---@return table|nil ctx
---@return userdata|nil frame
function legacy.request(app, x, session, envelope, params)
  local method = envelope.method
  if app.redirect and params and method == "tools/call" then params = app.redirect(params) end
  if app.mounts then
    local err = app.mounts:prepare(method, params)
    if err then return nil, err end
  end
  local handler = (app.handlers.legacy or dispatch.handlers(app, "legacy"))[method]
  if not handler then return nil, dispatch.unknown("legacy", method) end
  local ctx = context_of(app, x, session, envelope)
  if app.auth then
    -- Loaded by servers that have authorization.
    local err = require("mcp.server.feature.scope").admit(app, ctx, x, method, params or {})
    if err then return nil, err end
  end
  return dispatch.request(app, ctx, handler, params, envelope.framed and envelope or true)
end

---What serves calls of one tool in a session with an envelope, of which all has been checked but
---what `arguments` are: the way of legacy.request, without its steps that have nothing to do for
---them, and with the context that the call before has left.
---@param app table
---@param envelope table
---@param name string
---@param run fun(x: userdata, params: table, session: table): ... the full way
---@param link table|nil has the session where no caller gives it
---@return fun(x: userdata, params: table|nil, session: table|nil, arguments: table|nil): ...
function legacy.caller(app, envelope, name, run, link)
  local request, called, resumable = dispatch.request, tool.called, envelope.resumable
  return function(x, params, session, arguments)
    session = session or link.session
    if arguments then
      local tools, ctx = app.handlers.legacy_tools, envelope.spare
      local entry = tools and tools[name]
      if ctx and entry and entry.task == false and not entry.gated then
        reuse(ctx, x, session, envelope, entry, resumable)
        return request(app, ctx, called, arguments, envelope)
      end
      params = { name = name, arguments = arguments }
    end
    return run(x, params, session)
  end
end

---A notification within a session. Unknown ones are ignored, as are those about requests that have
---ended.
---@param x userdata its exchange
---@param session table
---@param method string
---@param params table|nil
---@param app table
---@param meta string|nil the text of _meta
function legacy.notification(x, session, method, params, app, meta)
  if method == "notifications/initialized" then
    if session.initialized then return end
    -- A server has many sessions: the field makes room for the other.
    session.initialized, session.declared = session.declared or true, nil
    if session.waiting then require("mcp.server.ask.live").ready(session) end
    if app.shared and session.id then app.shared:announce_ready(session) end
  elseif method == "notifications/cancelled" and params then
    -- Over HTTP the request came by another connection, so the session has a list of its requests.
    -- A connection that carries the whole session has one itself.
    if session.running then
      if not session.running:cancel(params.requestId) and app.shared then
        app.shared:pass_cancel(session, params.requestId)
      end
    else
      x:cancel_other(params.requestId)
    end
  elseif app.extensions then
    -- Loaded by servers that have extensions.
    require("mcp.server.feature.extension").notice(app, x, session.revision, session, method,
      params, meta)
  end
end

local function one_of_batch(app, x, session, method, params, meta, token)
  return legacy.request(app, x, session,
    legacy.envelope(app, session, method, meta, token, false), params)
end

-- A request of a batch, which may be part of a trace of its own.
local function batched(app, x, session, id, method, params, meta, token)
  local before = core.trace()
  if meta and meta:find('"traceparent"', 1, true) then trace.read(x, meta) end
  local send = app.trace_request
  local result, err, mend, ctx
  if send then
    result, err, mend, ctx = send(one_of_batch, app, x, session, id, method, params, meta, token)
  else
    result, err, mend, ctx = one_of_batch(app, x, session, method, params, meta, token)
  end
  if core.trace() ~= before then core.trace(before or false) end
  return result, err, mend, ctx
end

---A response to a question of the server. It may be that of another process.
---@param app table
---@param session table
---@param kind "result"|"error"|"bad response"
---@param id string|nil the key of its id
---@param payload any
---@return boolean taken
---@return boolean|nil away the store of the processes cannot be reached
function legacy.answer(app, session, kind, id, payload)
  if session.questions and session.questions:answer(kind, id, payload) then return true end
  if app.shared and session.id and id then
    return app.shared:pass_answer(session, kind, id, payload)
  end
  return false
end

-- One message of a batch: what its request returns, or an error; otherwise nothing.
local function serve(app, x, session, message, kind, id, method, params, meta, token)
  if kind == "request" and method == "initialize" then
    return nil, failure.new(errors.INVALID_REQUEST, "initialize cannot be part of a batch")
  elseif kind == "request" then
    return batched(app, x, session, message.raw_id, method, params, meta, token)
  elseif kind == "notification" then
    legacy.notification(x, session, method, params, app, meta)
  elseif kind == "invalid" then
    if method == nil
      and legacy.answer(app, session, "bad response", id, { message = message.reason }) then
      return nil
    end
    return nil, failure.new(errors.INVALID_REQUEST, message.reason)
  else
    legacy.answer(app, session, kind, id, params)
  end
  return nil
end

---The position of `messages` among the arguments of legacy.batch: server/timeout.lua reads it from
---the stack of a coroutine that waits.
legacy.batch_messages = 4

---A batch (2025-03-26): its messages run one after the other; the responses go out as one array.
---@param app table
---@param x userdata
---@param session table
---@param messages table
---@return table|nil answers nil if the batch has no request
---@return table|nil err
function legacy.batch(app, x, session, messages)
  if not session.revision.batch then
    return nil, failure.new(errors.INVALID_REQUEST,
      "Batches are not part of revision " .. session.revision.name, nil, 400)
  end
  if #messages == 0 or #messages > legacy.BATCH then
    return nil, failure.new(errors.INVALID_REQUEST,
      ("A batch has 1 to %d messages"):format(legacy.BATCH), nil, 400)
  end
  local answers = {}
  -- For server/timeout.lua, which completes them if the batch takes too long.
  messages.answers = answers
  for i, message in ipairs(messages) do
    messages.at = i
    x:limit(app.clock.time) -- each has its own
    local result, err, mend, ctx = serve(app, x, session, message, arrival.unpack(message))
    -- One that cannot be encoded must not take the others with it.
    local sent = err and { message = err.message, data = err.data } or result
    local text, reason = true, nil
    if sent ~= nil then text, reason = core.encode(sent) end
    if not text then result, err = mend(ctx, reason, err) end
    if err then
      answers[#answers + 1] = { jsonrpc = "2.0", id = message.raw_id or value.null,
        error = { code = err.code, message = err.message, data = err.data } }
    elseif result ~= nil then
      answers[#answers + 1] = { jsonrpc = "2.0", id = message.raw_id, result = result }
    end
  end
  if #answers == 0 then return nil end
  return answers
end

---Messages of one batch: bounds the work that one message can ask for. Implementations without a
---limit have been overloaded this way.
legacy.BATCH = 32

return legacy
