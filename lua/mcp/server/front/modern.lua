-- SPDX-License-Identifier: MIT
-- modern: a request of the revisions without sessions, whichever transport carries it. Its checks
-- have a fixed order, and the first that fails decides the error: `check`, then what the transport
-- checks (front/http.lua: header fields), then `run`.
local context = require "mcp.server.context"
local dispatch = require "mcp.later" "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local state = require "mcp.later" "mcp.server.ask.state"
local tool = require "mcp.later" "mcp.server.feature.tool"

local modern = {}

local KEY_CAPABILITIES = protocol.KEY_CAPABILITIES
local KEY_CLIENT, KEY_LOG_LEVEL = protocol.KEY_CLIENT, protocol.KEY_LOG_LEVEL

local function refuse(code, message, data)
  return nil, failure.new(code, message, data, 400)
end

local JSON_NAME = { [true] = "object", [false] = "something else", ["nil"] = "nothing" }

local function described(watched)
  if watched == nil then return "nothing" end
  return JSON_NAME[watched] or type(watched)
end

-- The members of the envelope other than the version: true, or nil and the error.
local function check_envelope(capabilities, client, level, token)
  if capabilities ~= true then
    return refuse(errors.INVALID_PARAMS, ("_meta[%q]: expected an object, got %s")
      :format(KEY_CAPABILITIES, described(capabilities)))
  end
  if client ~= nil and client ~= true then
    return refuse(errors.INVALID_PARAMS, ("_meta[%q]: expected an object with name and version")
      :format(KEY_CLIENT))
  end
  if level ~= nil and not protocol.LOG_RANK[level] then
    return refuse(errors.INVALID_PARAMS, ("_meta[%q]: unknown level %s")
      :format(KEY_LOG_LEVEL, tostring(level)))
  end
  if token == false or token == true then
    return refuse(errors.INVALID_PARAMS, "_meta.progressToken: expected a string or an integer")
  end
  return true
end

---Checks the envelope of a request.
---@param claim any the revision that it claims
---@param capabilities any true if they are an object
---@param client any true if it is an object
---@param level any
---@param token any
---@return table|nil facts of the revision
---@return table|nil err
function modern.check(claim, capabilities, client, level, token)
  local facts = protocol.revision(claim)
  if not facts or facts.era ~= "modern" then
    return refuse(errors.UNSUPPORTED_VERSION, protocol.unsupported_text(claim),
      protocol.unsupported_data(claim))
  end
  if capabilities ~= true or client ~= true or level ~= nil or token ~= nil then
    local ok, err = check_envelope(capabilities, client, level, token)
    if not ok then return nil, err end
  end
  return facts
end

---What is known of requests with this method and this envelope, which has been checked.
---@param app table
---@param facts table of the revision
---@param method string
---@param meta string|nil
---@param level string|nil
---@param token string|integer|nil
---@param framed boolean the caller of modern.run knows frames
---@return table envelope
function modern.envelope(app, facts, method, meta, level, token, framed)
  local row = context.row(app, method)
  return { facts = facts, method = method, meta = meta, level = level, token = token,
    target = row.target, asks = state.need(facts, row, meta), framed = framed, spare = false }
end

local function context_of(app, x, envelope)
  local ctx = context.new(x, envelope.facts, false, envelope.method, envelope.meta, app)
  if envelope.level ~= nil then ctx.level = envelope.level end
  if envelope.token ~= nil then ctx.token = envelope.token end
  return ctx
end

---Serves a request whose envelope has been checked.
---@param app table
---@param x userdata the exchange
---@param envelope table
---@param params table
---@param admit function|false|nil the transport's last check, for which the caller must be known:
---admit(app, ctx, x, params) returns true, or nil and the error
---@return table|userdata|string|nil result
---@return table|nil err
---@return function|nil mend
---@return table|nil ctx
---@return userdata|nil frame
function modern.run(app, x, envelope, params, admit)
  local method, sent = envelope.method, params
  if app.redirect and method == "tools/call" then params = app.redirect(params) end
  if app.mounts then
    local err = app.mounts:prepare(method, params)
    if err then return nil, err end
  end
  local handler = (app.handlers.modern or dispatch.handlers(app, "modern"))[method]
  if not handler then return nil, dispatch.unknown("modern", method) end
  local ctx = envelope.spare
  if ctx then
    envelope.spare, ctx.exchange, ctx.entry = false, x, false
  else
    ctx = context_of(app, x, envelope)
  end
  if app.auth then
    -- Loaded by servers that have authorization.
    local err = require("mcp.server.feature.scope").admit(app, ctx, x, method, params)
    if err then return nil, err end
  end
  if admit then
    local ok, err = admit(app, ctx, x, sent)
    if not ok then return nil, err end
  end
  local asks = envelope.asks
  if asks and (asks == true or params.inputResponses ~= nil or params.requestState ~= nil) then
    local err = state.begin(app, ctx, params)
    if err then return nil, err, dispatch.mend, ctx end
  end
  return dispatch.request(app, ctx, handler, params, envelope.framed and envelope or true)
end

---What serves calls of one tool with an envelope, of which all has been checked but what
---`arguments` are: the way of modern.run, without its steps that have nothing to do for them.
---@param app table
---@param envelope table
---@param name string
---@param run fun(x: userdata, params: table): ... the full way
---@return fun(x: userdata, params: table|nil, session: nil, arguments: table|nil): ...
function modern.caller(app, envelope, name, run)
  local request, called = dispatch.request, tool.called
  return function(x, params, _, arguments)
    if arguments then
      local tools, ctx = app.handlers.modern_tools, envelope.spare
      local entry = tools and tools[name]
      if entry and entry.task == false and not entry.gated then
        if ctx then
          envelope.spare, ctx.exchange = false, x
        elseif envelope.asks ~= true or tool.is_blind(entry) then
          -- What cannot ask needs no state for questions.
          ctx = context_of(app, x, envelope)
        end
        if ctx then
          ctx.entry = entry
          return request(app, ctx, called, arguments, envelope)
        end
      end
      params = { name = name, arguments = arguments }
    end
    return run(x, params)
  end
end

---A notification without a session, of an app with extensions: without its envelope it is ignored.
---@param app table
---@param x userdata its exchange
---@param method string
---@param params table|nil
---@param meta string|nil
---@param claim any
---@param capabilities any
function modern.notification(app, x, method, params, meta, claim, capabilities)
  if not protocol.is_envelope(claim, capabilities) then return end
  require("mcp.server.feature.extension").notice(app, x, protocol.revision(claim), false, method,
    params, meta)
end

return modern
