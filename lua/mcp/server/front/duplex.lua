-- SPDX-License-Identifier: MIT
-- duplex: the front of connections that carry messages both ways: stdio and transports that frame
-- messages alike. The first message that belongs to one era settles the era of the connection;
-- server/discover does not. An initialize can come at any time.
local arrival = require "mcp.server.front.arrival"
local context = require "mcp.server.context"
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local legacy = require "mcp.server.front.legacy"
local methods = require "mcp.later" "mcp.protocol.methods"
local modern = require "mcp.later" "mcp.server.front.modern"
local protocol = require "mcp.protocol"
local session_clock = require "mcp.later" "mcp.server.session_clock"
local sessions = require "mcp.server.session"

local duplex = {}

local function invalid(text)
  return nil, failure.new(errors.INVALID_REQUEST, text)
end

local MISSING = "params._meta needs " .. protocol.KEY_VERSION .. " and "
  .. protocol.KEY_CAPABILITIES

-- What is known of a request is kept with its connection: those like it go to `run` at once. Over
-- HTTP+SSE each has header fields of its own.
local function keep(x, link, envelope, run, name)
  if not link.posted and arrival.is_kept(envelope.method, envelope.meta) then
    x:remember(run, envelope.method, envelope.meta, nil, name)
  end
end

local function serve_legacy(app, x, link, method, params, meta, token, direct)
  local envelope = legacy.envelope(app, link.session, method, meta, token, direct)
  if direct then
    local name = legacy.callee(app, method, params)
    local function run(other, its_params)
      return legacy.request(app, other, link.session, envelope, its_params)
    end
    keep(x, link, envelope, name and legacy.caller(app, envelope, name, run, link) or run, name)
  end
  return legacy.request(app, x, link.session, envelope, params)
end

-- What gets requests with an envelope that has been checked.
local function runner(app, link, envelope)
  local fields = link.fields
  return function(x, params)
    if fields then context.fields[x] = fields end
    return modern.run(app, x, envelope, params)
  end
end

-- A request with an envelope.
local function serve_modern(app, x, link, method, params, meta, claim, capabilities, client, level,
  token, direct)
  if type(claim) ~= "string" then
    return nil, failure.new(errors.INVALID_PARAMS,
      ("_meta[%q]: expected a string"):format(protocol.KEY_VERSION))
  end
  if not link.era and method ~= "server/discover" then
    local facts = protocol.revision(claim)
    if facts and facts.era == "modern" then link.era = "modern" end
  end
  local facts, err = modern.check(claim, capabilities, client, level, token)
  if not facts then return nil, err end
  local envelope = modern.envelope(app, facts, method, meta, level, token, direct)
  -- Rows of extensions may change.
  if direct and methods[method] then
    local name = not link.fields and envelope.asks ~= true and legacy.callee(app, method, params)
    local run = runner(app, link, envelope)
    keep(x, link, envelope, name and modern.caller(app, envelope, name, run) or run, name or nil)
  end
  return modern.run(app, x, envelope, params)
end

-- The connection carried the session, so the session ends with it; its tasks end, too, since no
-- client can ask about them any more.
local function close(app, link)
  app.bus:leave(link)
  sessions.close(link.session)
  if app.task_store then app.task_store:sweep() end
end

-- A second initialize starts over: a bridge may serve one client after another by the same
-- connection. Requests in progress end, whether they belong to a session or not.
local function initialize(app, x, link, params)
  local session, result = legacy.initialize(app, params)
  if not session then return nil, result end
  if not sessions.admit(session) then
    return nil, failure.busy("memory", "Busy: not enough memory, try again later")
  end
  if link.era then
    core.log("info", "initialize on a connection that is in use: ending its earlier requests")
    x:end_others()
    if link.session then close(app, link) end
  end
  if app.session_clock then session_clock.begin(app, session, x:transport()) end
  link.era, link.session = "legacy", session
  x:remember()
  session.sender, session.fields = link.sender, link.fields
  app.bus:join(link)
  link.closed = function() close(app, link) end
  return result
end

local function request(app, x, link, method, params, meta, claim, capabilities, client, level,
  token, direct)
  if claim ~= nil and x:transport() == "sse" then
    return invalid("HTTP+SSE does not carry this revision (HS-10): POST the message to the address "
      .. "that the stream was opened at")
  end
  if link.era == "legacy" then
    if claim ~= nil then
      return invalid("This connection was opened by initialize; it cannot change its era")
    end
    if method == "initialize" then return initialize(app, x, link, params) end
    return serve_legacy(app, x, link, method, params, meta, token, direct)
  end
  -- An initialize with a whole envelope is a modern request for a method that does not exist there;
  -- otherwise it is a handshake.
  if method == "initialize" and not protocol.is_envelope(claim, capabilities) then
    return initialize(app, x, link, params)
  end
  if claim ~= nil then
    return serve_modern(app, x, link, method, params, meta, claim, capabilities, client, level,
      token, direct)
  end
  if method == "ping" and not link.era then return {} end
  return nil, failure.new(errors.INVALID_PARAMS, link.era and MISSING
    or MISSING .. "; older clients begin with initialize")
end

local function notification(app, x, link, method, params, meta, claim, capabilities)
  if link.era == "legacy" then
    legacy.notification(x, link.session, method, params, app, meta)
  elseif method == "notifications/cancelled" and params then
    x:cancel_other(params.requestId)
  elseif app.extensions then
    modern.notification(app, x, method, params, meta, claim, capabilities)
  end
end

-- What is left for ctx.headers: a session has the fields of its handshake itself.
local function note_fields(x, link)
  local fields = link.posted or not link.session and link.fields
  if fields then context.fields[x] = fields end
end

---Makes the function that gets every message of a connection, as front/arrival.lua says; `link` is
---the connection's own table.
---@param app table
---@return function receive
function duplex.receiver(app)
  -- luacheck: no unused args
  return function(x, link, kind, id, method, params, meta, claim, capabilities, client, level,
    token, version, mcp_method, mcp_name, session_id, repeated)
    if kind == "request" then
      note_fields(x, link)
      return request(app, x, link, method, params, meta, claim, capabilities, client, level,
        token, repeated and not (app.auth or core.trace()))
    elseif kind == "notification" then
      notification(app, x, link, method, params, meta, claim, capabilities)
    elseif kind == "batch" then
      if not link.session then return invalid("Batches are not part of this revision") end
      note_fields(x, link)
      return legacy.batch(app, x, link.session, params)
    elseif link.session and link.session.questions
      and (kind == "result" or kind == "error" or kind == "bad response") then
      link.session.questions:answer(kind, id, params)
    end
    return nil
  end
end

return duplex
