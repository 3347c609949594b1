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

-- Most requests of a session are alike in what is known of them.
local function envelope_of(link, method, meta, token)
  local kept = link.envelope
  if not kept or kept.method ~= method or kept.meta ~= meta or kept.token ~= token then
    kept = legacy.envelope(method, meta, token, false)
    if arrival.is_kept(method, meta) then link.envelope = kept end
  end
  return kept
end

-- Requests of a client without a session are as much alike. Rows of extensions may change.
local function modern_envelope_of(app, link, facts, method, meta, level, token)
  local kept = link.modern
  if not kept or kept.method ~= method or kept.meta ~= meta or kept.facts ~= facts
    or kept.level ~= level or kept.token ~= token then
    kept = modern.envelope(app, facts, method, meta, level, token, false)
    if arrival.is_kept(method, meta) and not app.extensions then link.modern = kept end
  end
  return kept
end

-- A request with an envelope.
local function serve_modern(app, x, link, method, params, meta, claim, capabilities, client, level,
  token)
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
  return modern.run(app, x, modern_envelope_of(app, link, facts, method, meta, level, token),
    params)
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
  session.sender = link.sender
  app.bus:join(link)
  link.closed = function() close(app, link) end
  return result
end

local function request(app, x, link, method, params, meta, claim, capabilities, client, level,
  token)
  if claim ~= nil and x:transport() == "sse" then
    return invalid("HTTP+SSE does not carry this revision (HS-10): POST the message to the address "
      .. "that the stream was opened at")
  end
  if link.era == "legacy" then
    if claim ~= nil then
      return invalid("This connection was opened by initialize; it cannot change its era")
    end
    if method == "initialize" then return initialize(app, x, link, params) end
    return legacy.request(app, x, link.session, envelope_of(link, method, meta, token), params)
  end
  -- An initialize with a whole envelope is a modern request for a method that does not exist there;
  -- otherwise it is a handshake.
  if method == "initialize" and not protocol.is_envelope(claim, capabilities) then
    return initialize(app, x, link, params)
  end
  if claim ~= nil then
    return serve_modern(app, x, link, method, params, meta, claim, capabilities, client, level,
      token)
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

---Makes the function that gets every message of a connection, as front/arrival.lua says; `link` is
---the connection's own table.
---@param app table
---@return function receive
function duplex.receiver(app)
  return function(x, link, kind, id, method, params, meta, claim, capabilities, client, level,
    token)
    if kind == "request" then
      if link.fields then context.fields[x] = link.posted or link.fields end
      return request(app, x, link, method, params, meta, claim, capabilities, client, level,
        token)
    elseif kind == "notification" then
      notification(app, x, link, method, params, meta, claim, capabilities)
    elseif kind == "batch" then
      if not link.session then return invalid("Batches are not part of this revision") end
      if link.fields then context.fields[x] = link.posted or link.fields end
      return legacy.batch(app, x, link.session, params)
    elseif link.session and link.session.questions
      and (kind == "result" or kind == "error" or kind == "bad response") then
      link.session.questions:answer(kind, id, params)
    end
    return nil
  end
end

return duplex
