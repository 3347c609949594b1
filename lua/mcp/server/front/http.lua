-- SPDX-License-Identifier: MIT
-- http: the front of Streamable HTTP. Both eras come in at one path; the body
-- decides which it is, then a session or an envelope takes over.
local bus = require "mcp.server.bus"
local channel = require "mcp.server.resumable"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local legacy = require "mcp.server.front.legacy"
local modern = require "mcp.server.front.modern"
local protocol = require "mcp.protocol"
local session = require "mcp.server.session"

local http = {}

local function fail(status, code, message, data)
  return nil, failure.new(code, message, data, status)
end

-- The session a message belongs to, or nil and the error (HL-53, HL-54). Somebody else's is as good
-- as none (HL-58).
local function find_session(app, x, sid, version)
  if not sid then
    return fail(400, errors.INVALID_REQUEST, sid == false and "Mcp-Session-Id was sent twice"
      or "Mcp-Session-Id is missing; a session begins with initialize")
  end
  local one = app.sessions:find(sid, app.auth and app.auth:key(x))
  if not one then return fail(404, errors.SESSION_NOT_FOUND, "Session not found") end
  if version == false then
    return fail(400, errors.INVALID_REQUEST, "MCP-Protocol-Version was sent twice")
  end
  if version and not protocol.revision(version) then
    return fail(400, errors.INVALID_REQUEST, ("MCP-Protocol-Version %s is not supported; "
      .. "this server speaks %s"):format(version, table.concat(protocol.names, ", ")))
  end
  return one
end

local function initialize(app, x, params, sid)
  local owner = app.auth and app.auth:key(x)
  if sid and app.sessions:find(sid, owner) then
    return fail(400, errors.INVALID_REQUEST, "This session has been initialized already")
  end
  local one, result = legacy.initialize(app, params)
  if not one then return nil, result end
  one.owner = owner or nil
  if not app.sessions:add(one) then
    return fail(503, errors.BUSY, "Busy: too many sessions")
  end
  x:set_header("Mcp-Session-Id", one.id)
  return result
end

local function serve_legacy(app, x, kind, id, method, params, meta, token, version, sid)
  if method == "initialize" and kind == "request" then return initialize(app, x, params, sid) end
  local one, err = find_session(app, x, sid, version)
  if not one then return nil, err end
  if kind == "request" then
    -- A dropped connection is no cancellation here (HL-27).
    x:survive()
    if not one.running:add(id, x) then
      return fail(400, errors.INVALID_REQUEST, "A request with this id is under way")
    end
    local result, mend, ctx
    result, err, mend, ctx = legacy.request(app, x, one, method, params, meta, token)
    local way = one.streams and one.streams.calls[x]
    one.running:remove(way or x)
    if way then return way:finish(result, err, mend, ctx) end
    return result, err, mend, ctx
  end
  if kind == "notification" then
    legacy.notification(x, one, method, params)
  elseif one.questions then
    one.questions:answer(kind, id, params)
  end
  if kind == "bad response" then return fail(400, params.code, params.message) end
  return 202
end

-- The standalone stream of a session (HL-30 to HL-36).
local function listen(app, x, version, sid)
  local one, err = find_session(app, x, sid, version)
  if not one then return nil, err end
  local resumable, last = session.is_resumable(app, one), nil
  if resumable then last = x:header "last-event-id" end
  if last ~= nil then
    local status, why, stream = channel.resume(one, x, last)
    if stream then
      one.stream = stream
      bus.catch_up(one, stream)
    end
    return status, why
  end
  if session.stream_of(one) then
    return fail(409, errors.INVALID_REQUEST, "This session has a stream already")
  end
  one.stream = x
  if x:keep() and one.missed then
    one.stream = resumable and channel.standalone(app, one, x) or x
    bus.catch_up(one, one.stream)
  end
  return 200
end

-- Does any message of a batch carry an envelope? [6] is what it claims.
local function has_claim(messages)
  for _, message in ipairs(messages) do
    if message[6] ~= nil then return true end
  end
  return false
end

local function serve_batch(app, x, messages, version, sid)
  local verdict, detail = protocol.classify("result", nil, nil, nil, version)
  if verdict == "reject" then return nil, failure.new(detail.code, detail.message, nil, 400) end
  if #messages == 0 or has_claim(messages) then
    return fail(400, errors.INVALID_REQUEST, #messages == 0 and "An empty batch"
      or "Batches are not part of this revision")
  end
  local one, err = find_session(app, x, sid, version)
  if not one then return nil, err end
  x:survive()
  local answers
  answers, err = legacy.batch(app, x, one, messages)
  if err then return nil, err end
  local way = one.streams and one.streams.calls[x]
  if way then return way:finish(answers) or 202 end
  return answers or 202
end

-- What a connection keeps of its handshake's fields for those who look at `ctx.headers`. There may
-- be thousands of them, so what only the handshake is about goes; so does the token. Over HTTP+SSE
-- each POST has fields of its own.
local NONE = {}
local function fields_of(app, x)
  local fields = x:headers()
  if not fields.upgrade then return NONE end
  fields.upgrade, fields.connection = nil, nil
  for name in pairs(fields) do
    if name:find "^sec%-websocket%-" then fields[name] = nil end
  end
  if app.auth then fields.authorization = nil end
  return fields
end

-- A connection that asks for more than one answer, and may have it: a WebSocket, or the stream of
-- HTTP+SSE. From here on it is duplex.lua's.
local function upgrade(app, x)
  local auth, fields = app.auth and app.auth.of[x], fields_of(app, x)
  local link, text, code = x:upgrade()
  if link then
    link.auth, link.fields = auth, fields
  elseif code ~= "ECLOSED" then
    return fail(503, errors.BUSY, "Busy: " .. text)
  end
  return 503
end

-- A message for a connection of HTTP+SSE (HS-06). What answers it goes out there. Somebody else's
-- session is as good as none (HS-07).
local function post(app, x, link)
  local auth = app.auth and app.auth.of[x]
  if not link or auth and not (link.auth and link.auth.key == auth.key) then
    return fail(404, errors.SESSION_NOT_FOUND, "Session not found")
  end
  link.auth = auth -- a token that was renewed counts from now on
  -- Its message is taken in before that returns.
  link.posted = x:headers()
  local ok, text, code = x:feed()
  link.posted = nil
  if ok then return 202 end
  if code == "ECLOSED" then return fail(404, errors.SESSION_NOT_FOUND, "Session not found") end
  if code == "EBUSY" then return fail(503, errors.BUSY, "Busy: the event stream is not read") end
  if code == "ENOMEM" then return 503 end
  if code == "ERPC" then return fail(400, errors.INVALID_REQUEST, "Invalid Request") end
  return fail(400, errors.PARSE_ERROR, "Parse error: " .. text)
end

---Makes the function that gets every message of an HTTP listener. What it
---returns: a result; nil and an error; or an integer, a status without body.
---@param app table
---@return function receive
function http.receiver(app)
  if app.event_store == nil then app.event_store = require("mcp.event_store").new() end
  local function receive(x, link, kind, id, method, params, meta, claim, capabilities, client,
    level, token, version, mcp_method, mcp_name, sid)
    if kind == "get" then return listen(app, x, version, sid) end
    if kind == "post" then return post(app, x, link) end
    if kind == "upgrade" then return upgrade(app, x) end
    if kind == "delete" then
      local one, err = find_session(app, x, sid, version)
      if not one then return nil, err end
      app.sessions:remove(one.id)
      return 200
    end
    if kind == "batch" then return serve_batch(app, x, params, version, sid) end
    local verdict, detail = protocol.classify(kind, method, claim, capabilities, version)
    if verdict == "modern" then
      return modern.serve(app, x, method, params, meta, claim, capabilities, client, level, token,
        true, version, mcp_method, mcp_name)
    elseif verdict == "legacy" then
      return serve_legacy(app, x, kind, id, method, params, meta, token, version, sid)
    elseif verdict == "drop" then
      return 202
    end
    return nil, failure.new(detail.code, detail.message, detail.data, detail.status)
  end
  return app.auth and app.auth:receiver(receive) or receive
end

return http
