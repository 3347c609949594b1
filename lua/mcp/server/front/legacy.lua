-- SPDX-License-Identifier: MIT
-- legacy: what the revisions with a handshake have in common, whichever
-- transport carries them: initialize, requests and notifications of a session.
local bus = require "mcp.server.bus"
local context = require "mcp.server.context"
local core = require "mcp.core"
local dispatch = require "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local session = require "mcp.server.session"
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
  if type(params) ~= "table" then return invalid_params("initialize: params: object expected") end
  value.drop_nulls(params, true)
  local requested = params.protocolVersion
  if type(requested) ~= "string" then
    return invalid_params("initialize: protocolVersion: string expected, got " .. type(requested))
  end
  local facts = protocol.negotiate(requested)
  local one = session.new(facts, params)
  -- Of what was not declared it is never told.
  one.declared = bus.set(app:has "tools", app:has "prompts", app:has "resources")
  return one, {
    protocolVersion = facts.name,
    capabilities = app:capabilities(facts),
    serverInfo = app:implementation(facts),
    instructions = app.instructions,
  }
end

---A request within a session.
---@param app table
---@param x userdata
---@param one table the session
---@param method string
---@param params table|nil
---@param meta string|nil the text of _meta
---@param token any its progressToken
---@return table|userdata|nil result, table|nil err
function legacy.request(app, x, one, method, params, meta, token)
  local handler = (app.handlers.legacy or dispatch.handlers(app, "legacy"))[method]
  if not handler then return nil, dispatch.unknown("legacy", method) end
  local resumable = session.is_resumable(app, one)
  local ctx = context.new(not resumable and x or nil, one.revision, one, method, meta, nil, token)
  -- Its way back is made when it is asked for: most calls never look at it.
  if resumable then ctx.own_exchange = x end
  ctx.app = app
  if app.auth then
    -- Loaded by servers that have authorization.
    local err = require("mcp.server.feature.scope").admit(app, ctx, x, method, params or {})
    if err then return nil, err end
  end
  return dispatch.request(app, ctx, handler, params)
end

---A notification within a session. Unknown ones are ignored, as are those
---about requests that are over.
---@param x userdata its exchange
---@param one table the session
---@param method string
---@param params table|nil
function legacy.notification(x, one, method, params)
  if method == "notifications/initialized" then
    if one.initialized then return end
    -- One field fewer, for sessions are many.
    one.initialized, one.declared = one.declared or true, nil
    if one.waiting then require("mcp.server.ask.live").ready(one) end
  elseif method == "notifications/cancelled" and params then
    -- Over HTTP the request came by another connection, so the session knows;
    -- a connection that carries it all knows by itself.
    if one.running then
      one.running:cancel(params.requestId)
    else
      x:cancel_other(params.requestId)
    end
  end
end

---A batch (2025-03-26): one after the other; the answers come as one array.
---@param app table
---@param x userdata
---@param one table the session
---@param messages table
---@return table|nil answers nil if none is owed
---@return table|nil err
function legacy.batch(app, x, one, messages)
  if not one.revision.batch then
    return nil, failure.new(errors.INVALID_REQUEST,
      "Batches are not part of revision " .. one.revision.name, nil, 400)
  end
  if #messages == 0 or #messages > legacy.BATCH then
    return nil, failure.new(errors.INVALID_REQUEST,
      ("A batch has 1 to %d messages"):format(legacy.BATCH), nil, 400)
  end
  local answers = {}
  -- For who answers in our place when this takes too long.
  messages.answers = answers
  for i, message in ipairs(messages) do
    messages.at = i
    x:limit(app.clock.time) -- each has its own
    local kind, _, method, params, meta, _, _, _, _, token = table.unpack(message, 1, 10)
    local result, err, mend, ctx
    if kind == "request" and method ~= "initialize" then
      result, err, mend, ctx = legacy.request(app, x, one, method, params, meta, token)
    elseif kind == "notification" then
      legacy.notification(x, one, method, params)
    elseif kind == "request" then
      err = failure.new(errors.INVALID_REQUEST, "initialize cannot be part of a batch")
    elseif kind == "invalid" and method == nil and one.questions
      and one.questions:answer("bad response", message[2], { message = message.why }) then
      err = nil
    elseif kind == "invalid" then
      err = failure.new(errors.INVALID_REQUEST, message.why)
    elseif one.questions then
      one.questions:answer(kind, message[2], params)
    end
    -- One that cannot go out must not take the others with it.
    local sent = err and { message = err.message, data = err.data } or result
    local text, why = true, nil
    if sent ~= nil then text, why = core.encode(sent) end
    if not text then result, err = mend(ctx, why, err) end
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

---Work that one message can ask for (a defect of peers fixed with 32, too).
legacy.BATCH = 32

return legacy
