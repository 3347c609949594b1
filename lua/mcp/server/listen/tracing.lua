-- SPDX-License-Identifier: MIT
-- tracing: a span for each request that a listener gets, whatever becomes of it. Names, attributes
-- and status are those of the OpenTelemetry conventions for MCP.
local core = require "mcp.core"
local methods = require "mcp.protocol.methods"
local recorder = require "mcp.otlp.recorder"
local settings = require "mcp.otlp.settings"
local trace = require "mcp.trace"
local value = require "mcp.value"

local tracing = {}

---How long the end of a process may wait for the collector, in seconds.
tracing.FLUSH = 3

---The recorder that the options ask for, or the environment, or nil. Raises (level 0) what is wrong
---with them.
---@param app table
---@param given mcp.Tracing|boolean|nil
---@return table|nil
function tracing.open(app, given)
  if given == false then return nil end
  local asked = settings.environment(os.getenv)
  if asked == false or not (given or asked) then return nil end
  return recorder.new(settings.read(given or true, app, os.getenv))
end

-- A name that clients have made up must not become the name of a span.
local function is_known(app, kind, params, row)
  local name = row.target and params and params[row.target]
  if kind == "tool" then return app.tools.by_name[name] ~= nil end
  if kind == "prompt" then return app.prompts.by_name[name] ~= nil end
  return false
end

-- How the exchange carries messages.
local function add_network(span, x)
  local transport = x:transport()
  local peer = core.peer_of(x)
  span:set("network.transport", peer == "unix" and "unix" or recorder.TRANSPORTS[transport])
  span:set("client.address", peer ~= "unix" and peer or nil)
  if transport == "http" or transport == "sse" then
    span:set("network.protocol.name", "http")
  elseif transport == "websocket" then
    span:set("network.protocol.name", "websocket")
  end
end

-- An id of JSON as text.
local function text_of(raw)
  local id = raw and core.decode(core.encode(raw))
  return id ~= nil and tostring(id) or nil
end

-- The request has ended: with an answer, or because it was cancelled.
local Scope = {}
function Scope.__close(scope, problem)
  local span, x = scope.span, scope.x
  local outcome = trace.settled[x] or scope
  local result, err, ctx = outcome.result, outcome.err, outcome.ctx
  local cancelled, code = x:is_cancelled()
  if ctx then
    span:set("mcp.protocol.version", ctx.revision.name)
    local session = rawget(ctx, "own_session")
    if session then span:set("mcp.session.id", session.id) end
  elseif type(scope.claim) == "string" then
    span:set("mcp.protocol.version", scope.claim)
  end
  if cancelled then
    span:fail(code == "ETIMEDOUT" and "timeout" or "cancelled")
  elseif problem ~= nil then
    span:fail("error", type(problem) == "string" and problem or nil)
  else
    span:judge(result, err)
    if scope.method == "tools/call" and result ~= nil then
      span:content("gen_ai.tool.call.result", result)
    end
  end
  span:finish()
end

-- The span of a request, or nil if it is not recorded. The running coroutine works for it from now
-- on.
local function begin(app, rec, x, raw_id, method, params, claim)
  local rows = app.extensions and app.extensions.rows
  local row = methods[method] or rows and rows[method] or method == "initialize" and {}
  local context, span = rec:begin(core.trace(), recorder.SERVER, row and method or "_OTHER")
  core.trace(context)
  if not span then return nil end
  span:set("mcp.method.name", method)
  if row then
    recorder.describe(span, row, params,
      value.is_object(params) and is_known(app, row.kind, params, row))
  end
  span:set("jsonrpc.request.id", text_of(raw_id))
  add_network(span, x)
  return setmetatable({ span = span, x = x, claim = claim, method = method }, Scope)
end

---Puts spans around what gets messages (lua/mcp/server/front/arrival.lua).
---@param app table
---@param rec table
---@param receive function
---@return function
function tracing.around(app, rec, receive)
  return function(x, link, kind, id, method, params, meta, claim, capabilities, client, level,
    token, version, mcp_method, mcp_name, session_id)
    if kind ~= "request" then
      return receive(x, link, kind, id, method, params, meta, claim, capabilities, client, level,
        token, version, mcp_method, mcp_name, session_id)
    end
    local scope <close> = begin(app, rec, x, x:id(), method, params, claim)
    -- Without `repeated`: the next request has a span of its own.
    local result, err, mend, ctx = receive(x, link, kind, id, method, params, meta, claim,
      capabilities, client, level, token, version, mcp_method, mcp_name, session_id)
    if scope then
      scope.result, scope.err, scope.ctx = result, err, ctx
    end
    return result, err, mend, ctx
  end
end

---The same for the requests of batches, which one message carries together.
---@param app table
---@param rec table
function tracing.add_batches(app, rec)
  function app.trace_request(send, _, x, session, id, method, params, meta, token)
    local scope <close> = begin(app, rec, x, id, method, params)
    local result, err, mend, ctx = send(app, x, session, method, params, meta, token)
    if scope then scope.result, scope.err, scope.ctx = result, err, ctx end
    return result, err, mend, ctx
  end
end

return tracing
