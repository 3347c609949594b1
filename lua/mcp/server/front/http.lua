-- SPDX-License-Identifier: MIT
-- http: the front of Streamable HTTP. Both eras use one path; the body of a message decides its
-- era. Checks what HTTP adds to a message: header fields, sessions, methods other than POST.
local arrival = require "mcp.server.front.arrival"
local bus = require "mcp.server.bus"
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local header = require "mcp.header"
local legacy = require "mcp.server.front.legacy"
local methods = require "mcp.protocol.methods"
local modern = require "mcp.server.front.modern"
local protocol = require "mcp.protocol"
local refusal = require "mcp.refusal"
local route = require "mcp.later" "mcp.server.front.route"
local resumable = require "mcp.later" "mcp.server.resumable"
local session_clock = require "mcp.later" "mcp.server.session_clock"
local sessions = require "mcp.server.session"
local tool = require "mcp.later" "mcp.server.feature.tool"
local trace = require "mcp.later" "mcp.trace"

local http = {}

local fail = refusal.new

-- A limit is reached.
local function busy(limit, text)
  local err = failure.busy(limit, text, nil, 503)
  refusal.log(err)
  return nil, err
end

-- An id is a secret, so it is not in the message.
local UNKNOWN = "Session not found: it has expired or ended, or belongs to another caller (the "
  .. "server's option sessions decides)"

-- The store of the sessions may know it, but cannot be reached.
local function away(app, x) return app.shared:unavailable(x) end

-- Messages of a session, or of a stream that any process may have.
local BOUND = { get = true, post = true, delete = true, batch = true }

local function unknown_session() return fail(404, errors.SESSION_NOT_FOUND, UNKNOWN) end

-- --- requests without a session ----------------------------------------------

-- What every encoded field begins with: "=".
local ENCODED = 61

local function mismatch(text, ...)
  return fail(400, errors.HEADER_MISMATCH, text:format(...))
end

-- Proxies route by Mcp-Method and Mcp-Name without reading the body, so both must repeat what the
-- body says (HM-23 to HM-27).
local function check_headers(method, params, target, mcp_method, mcp_name)
  if mcp_method ~= method then
    if not mcp_method then return mismatch("Mcp-Method must be sent once and say %s", method) end
    return mismatch("Mcp-Method is %s, but the body says %s", mcp_method, method)
  end
  if not target then return true end
  local name = params[target]
  if type(name) ~= "string" then return true end -- the handler reports it
  if not mcp_name then
    if name == "" and mcp_name == nil then return true end
    return mismatch("Mcp-Name must be sent once and equal params.%s", target)
  end
  -- A name that looks like an encoding stands for what it decodes to, and not for itself.
  if header.decode(mcp_name) ~= name then
    return mismatch("Mcp-Name does not match params.%s", target)
  end
  return true
end

-- Arguments that header fields repeat, for the tools that have such (HM-45).
local function check_param_headers(app, ctx, x, params)
  local entry, arguments = app.tools.by_name[params.name], params.arguments
  if not entry or not entry.mirrors or not gate.sees(entry, ctx) then return true end
  if arguments ~= nil and type(arguments) ~= "table" then return true end -- the handler reports it
  -- Loaded by servers that have such tools.
  local wrong = require("mcp.message.param_headers").check(entry.mirrors, arguments or {}, x)
  if wrong then return mismatch("%s", wrong) end
  return true
end

-- What serves requests with this envelope and these header fields, which have been checked.
local function runner(app, envelope, mcp_method, mcp_name)
  local method, target = envelope.method, envelope.target
  local plain = mcp_method == method and not (mcp_name and mcp_name:byte() == ENCODED)
  local tools = method == "tools/call" and app.tools
  return function(x, params)
    if not plain or mcp_name ~= (target and params[target]) then
      local ok, err = check_headers(method, params, target, mcp_method, mcp_name)
      if not ok then return nil, err end
    end
    return modern.run(app, x, envelope, params,
      tools and tools.mirrored > 0 and check_param_headers)
  end
end

local function serve_modern(app, x, method, params, meta, claim, capabilities, client, level,
  token, version, mcp_method, mcp_name, direct, repeated)
  if version ~= claim then
    return mismatch("MCP-Protocol-Version must be sent and equal the envelope's %s", claim)
  end
  local facts, err = modern.check(claim, capabilities, client, level, token)
  if not facts then
    refusal.log(err)
    return nil, err
  end
  local envelope = modern.envelope(app, facts, method, meta, level, token, direct)
  local run = runner(app, envelope, mcp_method, mcp_name)
  -- The next one with this envelope goes on there. Rows of extensions may change.
  if repeated and direct and methods[method] and arrival.is_kept(method, meta) then
    if method == "tools/call" and mcp_name == params.name and app.tools.by_name[mcp_name] then
      x:remember(modern.caller(app, envelope, mcp_name, run), method, meta, nil, mcp_name)
    else
      x:remember(run, method, meta)
    end
  end
  return run(x, params)
end

-- --- sessions ------------------------------------------------------------------

-- The session a message belongs to, or nil and the error (HL-53, HL-54). The session of another
-- principal is reported as unknown (HL-58).
local function find_session(app, x, sid, version)
  if not sid then
    return fail(400, errors.INVALID_REQUEST, sid == false and "Mcp-Session-Id was sent twice"
      or "Mcp-Session-Id is missing; a session begins with initialize")
  end
  local session, is_away = app.sessions:find(sid, app.auth and app.auth:key(x))
  if not session then
    if is_away then return away(app, x) end
    return unknown_session()
  end
  if version == false then
    return fail(400, errors.INVALID_REQUEST, "MCP-Protocol-Version was sent twice")
  end
  if version and not protocol.revision(version) then
    return fail(400, errors.INVALID_REQUEST, ("MCP-Protocol-Version %s is not supported; "
      .. "this server speaks %s"):format(version, table.concat(protocol.names, ", ")))
  end
  return session
end

local function initialize(app, x, params, sid)
  local owner = app.auth and app.auth:key(x)
  if sid and app.sessions:find(sid, owner) then
    return fail(400, errors.INVALID_REQUEST, "This session has been initialized already")
  end
  local session, result = legacy.initialize(app, params)
  if not session then return nil, result end
  session.owner = owner or nil
  local taken, is_away = app.sessions:add(session)
  if not taken then
    if is_away then return away(app, x) end
    return busy("sessions", "Busy: too many sessions (the server's option sessions decides)")
  end
  if app.session_clock then session_clock.begin(app, session, x:transport()) end
  x:set_header("Mcp-Session-Id", session.id)
  return result
end

local function in_progress()
  return fail(400, errors.INVALID_REQUEST, "A request with this id is in progress")
end

-- The answer goes another way than to the caller.
local function finish_stream(app, x, stream, result, err, mend, ctx, frame)
  if frame then result = tool.stamped_text(app, stream.session.revision, result) end
  if app.recorder or app.access then
    trace.settled[x] = { result = result, err = err, ctx = ctx }
  end
  return stream:finish(result, err, mend, ctx)
end

-- A request of a session, which may be among those in progress and have a stream, has returned.
local function settle(app, x, session, envelope, result, err, mend, ctx, frame)
  local stream = session.streams and session.streams.calls[x]
  session.running:remove(stream or x)
  -- One that was cancelled may have had a stream.
  if stream or x:is_cancelled() then envelope.spare = false end
  if stream then return finish_stream(app, x, stream, result, err, mend, ctx, frame) end
  return result, err, mend, ctx, frame
end

-- What serves requests like this one that come by the pass of the session. They are entered among
-- those in progress once they wait, or where their id may be that of another.
local function passing(app, envelope, name)
  local function run(x, params, session)
    return legacy.request(app, x, session, envelope, params)
  end
  local call = name and legacy.caller(app, envelope, name, run) or run
  return function(x, params, session, arguments)
    local running = session.running
    if running.count > 0 and not running:add(core.key_of(x), x) then return in_progress() end
    local result, err, mend, ctx, frame = call(x, params, session, arguments)
    if running.count > 0 or session.streams then
      return settle(app, x, session, envelope, result, err, mend, ctx, frame)
    end
    return result, err, mend, ctx, frame
  end
end

local function serve_legacy(app, x, kind, id, method, params, meta, token, version, sid, direct,
  repeated)
  if method == "initialize" and kind == "request" then return initialize(app, x, params, sid) end
  local session, err = find_session(app, x, sid, version)
  if not session then return nil, err end
  if kind == "request" then
    -- A dropped connection is no cancellation here (HL-27).
    x:survive()
    local envelope = legacy.envelope(app, session, method, meta, token, direct)
    if repeated and direct and arrival.is_kept(method, meta) then
      -- The next one goes on there, and survives as well.
      local name = legacy.callee(app, method, params)
      x:remember(passing(app, envelope, name), method, meta, app.sessions:pass(session), name)
    end
    if not session.running:add(id, x) then return in_progress() end
    return settle(app, x, session, envelope, legacy.request(app, x, session, envelope, params))
  end
  if kind == "notification" then
    legacy.notification(x, session, method, params, app, meta)
  else
    local _, is_away = legacy.answer(app, session, kind, id, params)
    if is_away then return away(app, x) end
  end
  if kind == "bad response" then return fail(400, params.code, params.message) end
  return 202
end

-- The standalone stream of a session (HL-30 to HL-36).
local function listen(app, x, version, sid)
  local session, err = find_session(app, x, sid, version)
  if not session then return nil, err end
  local can_resume, last_id = sessions.is_resumable(app, session), nil
  if can_resume then last_id = x:header "last-event-id" end
  local shared = app.shared
  if last_id ~= nil then
    local status, failed, stream
    if shared and shared.keeps_events then
      status, failed, stream = shared:resume(session, x, last_id)
    else
      status, failed, stream = resumable.resume(session, x, last_id)
    end
    if stream then
      session.stream = stream
      bus.catch_up(session, stream)
    end
    return status, failed
  end
  if sessions.stream_of(session) or shared and not shared:claim_stream(session) then
    return fail(409, errors.INVALID_REQUEST, "This session has a stream already")
  end
  session.stream = x
  if x:keep() and session.missed then
    session.stream = can_resume and resumable.standalone(app, session, x) or x
    bus.catch_up(session, session.stream)
  end
  return 200
end

-- Does any message of a batch carry an envelope?
local function has_claim(messages)
  for _, message in ipairs(messages) do
    if arrival.has_claim(message) then return true end
  end
  return false
end

local function serve_batch(app, x, messages, version, sid)
  local verdict, detail = protocol.classify("result", nil, nil, nil, version)
  if verdict == "reject" then return fail(400, detail.code, detail.message) end
  if #messages == 0 or has_claim(messages) then
    return fail(400, errors.INVALID_REQUEST, #messages == 0 and "An empty batch"
      or "Batches are not part of this revision")
  end
  local session, err = find_session(app, x, sid, version)
  if not session then return nil, err end
  x:survive()
  local answers
  answers, err = legacy.batch(app, x, session, messages)
  if err then return nil, err end
  local stream = session.streams and session.streams.calls[x]
  if stream then return stream:finish(answers) or 202 end
  return answers or 202
end

-- --- connections with more than one answer --------------------------------------

-- The header fields of a handshake that the connection keeps for `ctx.headers`, without those of
-- the handshake itself and the token: there may be thousands of connections. Over HTTP+SSE each
-- POST has its own fields.
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

-- Opens a connection with more than one response: a WebSocket, or the stream of HTTP+SSE. Its
-- messages go to front/duplex.lua.
local function upgrade(app, x)
  local auth, fields, shared = app.auth and app.auth.of[x], fields_of(app, x), app.shared
  -- A message for HTTP+SSE may arrive at another process.
  local id = nil
  if shared and fields == NONE then
    local joined, err = shared:need(x)
    if not joined then return nil, err end
    id = shared:name_post_stream()
    if not id then return away(app, x) end
  end
  local link, text, code = x:upgrade(id)
  if link then
    if id then shared:open_post_stream(id, link) end
    link.auth, link.fields = auth, fields
  elseif code ~= "ECLOSED" then
    return busy("connections", "Busy: " .. text)
  end
  return 503
end

-- Hands a message to its stream, here or at another process. The stream of another principal is
-- reported as unknown (HS-07).
local function feed(app, x, link)
  local auth = app.auth and app.auth.of[x]
  if not link and app.shared then return app.shared:pass_post(x, auth) end
  if not link or auth and not (link.auth and link.auth.key == auth.key) then
    return nil, "no such stream", "ECLOSED"
  end
  link.auth = auth -- a token that was renewed counts from now on
  -- feed() reads the message before it returns.
  link.posted = x:headers()
  local ok, text, code = x:feed()
  link.posted = nil
  return ok, text, code
end

-- A message for the stream of HTTP+SSE, where its response is sent (HS-06).
local function post(app, x, link)
  local ok, text, code = feed(app, x, link)
  if ok then return 202 end
  if code == "ECLOSED" then return unknown_session() end
  if code == "EUNAVAILABLE" then return away(app, x) end
  if code == "ETIMEDOUT" then
    return fail(504, errors.BUSY, "The process that has the event stream does not answer; it may "
      .. "have got the message")
  end
  if code == "ETOOBIG" then
    return fail(413, errors.INVALID_REQUEST, "The message is too large to be passed to the process "
      .. "that has the event stream: " .. text)
  end
  if code == "EFULL" then return busy("questions", "Busy: " .. text) end
  if code == "EBUDGET" then return busy("memory", "Busy: not enough memory, try again later") end
  if code == "EBUSY" then return busy("streams", "Busy: the event stream is not read") end
  if code == "ENOMEM" then return 503 end
  if code == "ERPC" then return fail(400, errors.INVALID_REQUEST, "Invalid Request") end
  return fail(400, errors.PARSE_ERROR, "Parse error: " .. text)
end

---Makes the function that gets every message of an HTTP listener, as front/arrival.lua says. It
---returns a result; nil and an error; or an integer, a status without a body.
---@param app table
---@param pages table|nil which inspect pages may connect, where clients need a token or may not
---@return function receive
function http.receiver(app, pages)
  if app.event_store == nil then app.event_store = require("mcp.event_store").new() end
  -- A token, and whether a page may connect, is checked for each request; and each has a trace of
  -- its own if there are traces.
  local checked = app.auth or pages
  local shared = app.shared
  local function receive(x, link, kind, id, method, params, meta, claim, capabilities, client,
    level, token, version, mcp_method, mcp_name, session_id, repeated)
    -- What belongs to a session is served once this process has joined the others.
    if shared and not shared.number and BOUND[kind] then
      local joined, err = shared:need(x)
      if not joined then return nil, err end
    end
    if kind == "get" then return listen(app, x, version, session_id) end
    if kind == "post" then return post(app, x, link) end
    if kind == "upgrade" then return upgrade(app, x) end
    if kind == "delete" then
      local session, err = find_session(app, x, session_id, version)
      if not session then return nil, err end
      if not app.sessions:finish(session.id) then return away(app, x) end
      return 200
    end
    if kind == "route" then return route.serve(app, x) end
    if kind == "batch" then return serve_batch(app, x, params, version, session_id) end
    local verdict, detail = protocol.classify(kind, method, claim, capabilities, version)
    -- Does the result go to lhandler.c from here? What stands around this function and looks at
    -- results or requests passes no `repeated` on.
    local direct = repeated ~= nil and not (checked or core.trace())
    if verdict == "modern" then
      return serve_modern(app, x, method, params, meta, claim, capabilities, client, level, token,
        version, mcp_method, mcp_name, direct, repeated)
    elseif verdict == "legacy" then
      if shared and not shared.number then
        local joined, err = shared:need(x)
        if not joined then return nil, err end
      end
      return serve_legacy(app, x, kind, id, method, params, meta, token, version, session_id,
        direct, repeated)
    elseif verdict == "drop" then
      if app.extensions then
        modern.notification(app, x, method, params, meta, claim, capabilities)
      end
      return 202
    end
    return fail(detail.status or 400, detail.code, detail.message, detail.data)
  end
  if app.auth then return app.auth:receiver(receive, pages) end
  return pages and pages:receiver(receive) or receive
end

return http
