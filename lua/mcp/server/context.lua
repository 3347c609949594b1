-- SPDX-License-Identifier: MIT
-- context: the second argument of a handler: the caller and the request. What a handler can do with
-- it is in context_methods.lua. It reads the facts of a revision, never its name.
local core = require "mcp.core"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local trace = require "mcp.later" "mcp.trace"

core.watch_meta(protocol.WATCHED)
core.watch_trace(function(...) trace.arrived(...) end)

local context = {}

---@class mcp.Context
---@field exchange userdata|mcp.Channel the response path (internal)
---@field revision table facts of the negotiated or claimed revision
---@field session table|nil the session, in the revisions that have them
---@field meta table the request's _meta, or an empty table
---@field capabilities table what the client declared
---@field client table|nil the client's name and version, as it says
---@field headers table<string, string> HTTP header fields, lower-case names: of the request; over
---WebSocket of its handshake; over HTTP+SSE of the POST
---@field transport string "stdio", "http", …
---@field uri string|nil of a resource that is read
---@field row mcp.Method facts about the method (internal)
---@field trace mcp.Trace|nil what the request belongs to, if it came with a traceparent or the
---server makes spans; inside ctx:span that span
---@field auth mcp.Principal|nil the caller, if the server has authorization; nil over stdio
local Context = { __name = "mcp.context" }

-- Loaded by the first handler that calls one.
local methods

---The header fields of exchanges that have none themselves: those of a WebSocket handshake, unless
---its session has them, or of the POST of HTTP+SSE.
context.fields = setmetatable({}, { __mode = "k" })

local EMPTY = setmetatable({}, { __newindex = function() error("read-only", 2) end })

-- Facts that are computed on first use.
local facts = {}

function facts.session(ctx) return ctx.own_session or nil end

function facts.meta(ctx)
  return ctx.meta_text and core.decode(ctx.meta_text) or EMPTY
end

function facts.capabilities(ctx)
  if ctx.own_session then return ctx.own_session.capabilities end
  return value.drop_nulls(ctx.meta[protocol.KEY_CAPABILITIES], true) or EMPTY
end

function facts.client(ctx)
  if ctx.own_session then return ctx.own_session.client end
  return ctx.meta[protocol.KEY_CLIENT]
end

-- Where streams can be resumed (legacy.request), the response path outlives the connection.
function facts.exchange(ctx)
  return require("mcp.server.resumable").of(ctx.app, ctx.own_session, ctx.own_exchange)
end

function facts.headers(ctx)
  local session = ctx.own_session
  local shared = context.fields[rawget(ctx, "own_exchange") or ctx.exchange]
    or session and session.fields
  local fields = shared and {} or ctx.exchange:headers()
  for name, field in pairs(shared or EMPTY) do fields[name] = field end
  -- The token is for this server; a handler must not pass it on.
  if ctx.auth then fields.authorization = nil end
  return fields
end

function facts.transport(ctx) return ctx.exchange:transport() end

local rows

---What is known of a method (protocol/methods.lua): of an extension, by the app.
---@param app table
---@param method string
---@return mcp.Method
function context.row(app, method)
  local extensions = app.extensions
  -- With the first request.
  rows = rows or require "mcp.protocol.methods"
  return rows[method]
    or extensions and (extensions.rows[method] or extensions.unknown) or EMPTY
end

function facts.row(ctx) return context.row(ctx.app, ctx.method) end

-- Members that a context need not have.
local ABSENT = { app = true, asking = true, auth = true, beaten = true, beats = true, level = true,
  meta_text = true, own_exchange = true, reported = true, task = true, token = true, uri = true }

local function method_of(key)
  methods = methods or require("mcp.server.context_methods").open(Context)
  return methods[key]
end

local function members()
  local list = { "auth", "method", "revision", "task", "trace", "uri" }
  for _, known in ipairs { methods, facts } do
    for name in pairs(known) do list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- Loaded when an unknown member is read. Short names are left to programs.
local misspelt

function Context.__index(ctx, key)
  local fact = facts[key]
  if not fact then
    -- Not kept: it changes in ctx:span.
    if key == "trace" then return core.trace() and trace.shown() end
    if ABSENT[key] then return nil end
    local method = method_of(key)
    if method then return method end
    misspelt = misspelt or require("mcp.misspelt").index("ctx", members, 4)
    return misspelt(ctx, key)
  end
  local found = fact(ctx)
  rawset(ctx, key, found)
  return found
end

function Context.__tostring(ctx)
  return ("mcp.context (%s, %s)"):format(ctx.method, ctx.revision.name)
end

---@param exchange userdata|nil nil: made when it is asked for
---@param revision table facts
---@param session table|false
---@param method string
---@param meta_text string|nil the text of the request's _meta
---@param app table
---@return mcp.Context without the level and the token that few requests have: with those, the
---table would be twice as large
function context.new(exchange, revision, session, method, meta_text, app)
  return setmetatable({
    exchange = exchange, revision = revision, own_session = session, method = method,
    meta_text = meta_text, app = app, entry = false, asking = false,
  }, Context)
end

return context
