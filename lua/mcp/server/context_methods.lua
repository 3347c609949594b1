-- SPDX-License-Identifier: MIT
-- context_methods: what a handler can do with its context: send progress, log messages and
-- questions before the response, wait, and look at what the client can do. context.lua loads it
-- when the first of them is called: the handlers of many servers only take arguments and return.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"

local context_methods = {}

-- The metatable of contexts, set by `open`.
local Context

---@class mcp.Context
local methods = {}

-- Raises, at the line of the handler, that a method was called without its context.
local function check_self(ctx, name)
  if getmetatable(ctx) ~= Context then
    error(("ctx:%s is called with a colon, not with a dot"):format(name), 3)
  end
end

-- What a message that could not be sent raises at the line of the handler: what JSON cannot carry
-- is found by the encoder alone.
local function unsendable(name, err)
  local reason = type(err) == "string" and err:match "params cannot be JSON: (.*)$"
  return reason and ("ctx:%s: %s"):format(name, reason) or err
end

---Sends progress, if the client asked for it with a token. Waits while the client does not read.
---@param done number must grow from call to call
---@param total number|nil
---@param text string|nil
---@return boolean|nil sent, string|nil message, string|nil code
function methods.progress(ctx, done, total, text)
  check_self(ctx, "progress")
  if type(done) ~= "number" then
    error("ctx:progress: expected a number, got " .. type(done), 2)
  end
  local token, session = ctx.token, ctx.own_session
  if token == nil or type(token) == "boolean" then return false end
  -- Before notifications/initialized only responses, pings and log messages may be sent (IO-41).
  if session and not session.initialized then return false end
  if rawget(ctx, "beaten") then
    done = require("mcp.server.heartbeat").reported(ctx, done) -- loaded by servers that have beats
  else
    ctx.reported = done
  end
  local params = { progressToken = token, progress = done, total = total }
  -- A message came with the second revision; older clients ignore it.
  params.message = text
  local exchange = ctx.exchange
  local ok, sent, message, code = pcall(exchange.send, exchange, "notifications/progress", params)
  if not ok then error(unsendable("progress", sent), 2) end
  if sent == nil then return nil, message, code end
  -- Progress extends the timeout.
  if sent then (rawget(ctx, "own_exchange") or ctx.exchange):restart_clock() end
  return sent
end

-- May a message of this level be sent? A session has a level; a request of the modern era must name
-- one.
local function wants_log(ctx, rank)
  local session = ctx.own_session
  if session then return rank >= (session.log_rank or protocol.LOG_RANK.info) end
  local level = ctx.level
  return level ~= nil and rank >= (protocol.LOG_RANK[level] or math.huge)
end

---Sends a log message to the client, if it wants messages of that level.
---@param level "debug"|"info"|"notice"|"warning"|"error"|"critical"|"alert"|"emergency"
---@param data any anything JSON can carry
---@param logger string|nil the name of the part that logs
---@return boolean|nil sent, string|nil message, string|nil code
function methods.log(ctx, level, data, logger)
  check_self(ctx, "log")
  local rank = protocol.LOG_RANK[level]
  if not rank then error(("ctx:log: unknown level %q"):format(tostring(level)), 2) end
  if not wants_log(ctx, rank) then return false end
  local exchange = ctx.exchange
  local ok, sent, message, code = pcall(exchange.send, exchange, "notifications/message",
    { level = level, logger = logger, data = data == nil and "" or data })
  if not ok then error(unsendable("log", sent), 2) end
  if sent == nil then return nil, message, code end
  return sent
end

---Waits; other calls run meanwhile.
---@param seconds number
---@return boolean|nil slept, string|nil message, string|nil code "ECANCELED"
function methods.sleep(ctx, seconds)
  check_self(ctx, "sleep")
  return core.sleep(seconds)
end

---Runs `fn(…)` as a part of its own in the trace of the request, and returns what it returns.
---Without tracing it is a plain call.
---@param name string
---@param fn function
---@param ... any for fn
---@return any ... what fn returns
function methods.span(ctx, name, fn, ...)
  check_self(ctx, "span")
  if type(name) ~= "string" or name == "" then
    error("ctx:span: name: expected a string, got "
      .. (name == "" and "an empty one" or type(name)), 2)
  end
  if type(fn) ~= "function" then error("ctx:span: expected a function, got " .. type(fn), 2) end
  local current = core.trace()
  if not current or not current.recorder then return fn(...) end
  return current.recorder:part(current, name, fn, ...)
end

---Ends the HTTP response early, for work that takes long: the handler continues, and the client
---reconnects for the rest. Does nothing over other transports, with clients of other revisions, or
---without an event store.
---@param retry number|nil seconds that the client should wait before it reconnects; 1 by default
---@return boolean closed
function methods.close_stream(ctx, retry)
  check_self(ctx, "close_stream")
  if retry ~= nil and not (type(retry) == "number" and retry >= 0 and retry < math.huge) then
    error("ctx:close_stream: expected seconds, got " .. tostring(retry), 2)
  end
  local exchange = ctx.exchange
  return exchange.close_stream ~= nil and exchange:close_stream(retry)
end

---Has the client cancelled the call, has it timed out, or is the server closing?
---@return boolean cancelled
---@return string|nil code "ECANCELED" or "ETIMEDOUT"
function methods.cancelled(ctx)
  check_self(ctx, "cancelled")
  return ctx.exchange:is_cancelled()
end

-- Questions to the client: server/ask/init.lua, loaded by the first question.
for _, name in ipairs { "elicit", "elicit_url", "sample", "roots", "ask", "once" } do
  methods[name] = function(ctx, ...)
    check_self(ctx, name)
    return require("mcp.server.ask")[name](ctx, ...)
  end
end

-- Does `declared` lack any part of `wanted`?
local function lacking(declared, wanted)
  for key, member in pairs(wanted) do
    local have = declared[key]
    if have == nil then return true end
    if type(member) == "table" and type(have) == "table" and lacking(have, member) then
      return true
    end
  end
  return false
end

---Has the client declared this extension, and does the app offer it? In the stateless revision each
---request declares it.
---@param id string
---@return table|false settings what the client says of it
function methods.has_extension(ctx, id)
  check_self(ctx, "has_extension")
  if type(id) ~= "string" then
    error('ctx:has_extension: expected an identifier such as "io.example/thing", got ' .. type(id),
      2)
  end
  local extensions = ctx.app.extensions
  return extensions and extensions:settings(ctx, id)
end

---Can the client show pages (MCP Apps)? In the stateless revision each request
---declares it.
---@return boolean
function methods.has_ui(ctx)
  check_self(ctx, "has_ui")
  return require("mcp.message.ui").supported(
    require("mcp.protocol.extension").declared(ctx.capabilities, protocol.UI))
end

---Raises the protocol's error unless the client declared these capabilities.
---@param wanted table shaped as capabilities are: `{ sampling = {} }`
function methods.require_capability(ctx, wanted)
  check_self(ctx, "require_capability")
  if not lacking(ctx.capabilities, wanted) then return end
  local names = {}
  for name in pairs(wanted) do names[#names + 1] = name end
  table.sort(names)
  local text = "Client capability required: " .. table.concat(names, ", ")
  core.log("info", ("%s: %s"):format(ctx.entry and ("%s %q"):format(ctx.entry.kind, ctx.entry.name)
    or ctx.method, text))
  if ctx.own_session then error(failure.new(errors.INVALID_REQUEST, text)) end
  error(failure.new(errors.MISSING_CAPABILITY, text, { requiredCapabilities = wanted }, 400))
end

---The methods.
---@param of table the metatable of contexts
---@return table<string, function>
function context_methods.open(of)
  Context = of
  return methods
end

return context_methods
