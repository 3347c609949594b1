-- SPDX-License-Identifier: MIT
-- middleware: functions around every request that is dispatched, of both eras:
--
--   app:use(function(request, next) … return next(request) end)
--
-- The first that was registered is outermost. `next` gives the result, or nil and an mcp.error. An
-- app without middleware has the handlers themselves in its table, so it pays nothing.
--
-- The check of a tool's arguments is no middleware, though it could be written as one: it is
-- compiled for each tool when the tool is declared, so there is nothing to run before the tool has
-- been looked up, and what it finds goes to the model as the tool's result. Neither are the checks
-- of the fronts, which decide whether there is a request at all. initialize and methods that are
-- not there are answered without any of this.
local core = require "mcp.core"
local dispatch = require "mcp.server.dispatch"
local failure = require "mcp.failure"
local methods = require "mcp.protocol.methods"
local cut = require("mcp.text").cut

local middleware = {}

---@class mcp.Request
---@field method string "tools/call", …
---@field params table what came with it, without _meta
---@field kind "tool"|"prompt"|"resource"|"list"|"completion"|"other"
---@field name string|nil of the tool or prompt, or the URI
---@field ctx mcp.Context

-- What a function of middleware gave, as dispatch wants it.
local function given(request, fn, ...)
  local result, err = ...
  if select("#", ...) == 0 then
    local info = debug.getinfo(fn, "S")
    error(("%s:%d: app:use: the function returned nothing for %s: return next(request) in it")
      :format(info.short_src, info.linedefined, request.method), 0)
  end
  if result ~= nil and type(result) ~= "table" and type(result) ~= "userdata" then
    error(("middleware around %s: expected a result table, or nil and an error, got a %s")
      :format(request.method, type(result)), 0)
  end
  if result == nil and err ~= nil and not failure.is(err) then error(tostring(err), 0) end
  return ...
end

local function check_request(request)
  if type(request) ~= "table" or not request.ctx then
    error("next: expected the request, got " .. type(request), 3)
  end
end

-- The innermost `next`. `plain`: the handlers of each era without middleware.
local function handle(app, plain)
  return function(request)
    check_request(request)
    local ctx, method = request.ctx, request.method
    local handler = plain[ctx.revision.era][method]
    if not handler then return nil, dispatch.unknown(ctx.revision.era, method) end
    return dispatch.judged(ctx, handler, app, ctx, request.params)
  end
end

-- A function, and what it gets as `next`: what it finds there never raises.
local function link(fn, following)
  local function run(request) return given(request, fn, fn(request, following)) end
  return run, function(request)
    check_request(request)
    return dispatch.judged(request.ctx, run, request)
  end
end

-- The handler of a method with all middleware around it.
local function around(app, chain, method)
  local row = methods[method] or app.extensions.rows[method]
  local kind = row.kind or "other"
  local member = row.kind and row.target
  return function(_, ctx, params)
    local name = member and params[member] or nil
    -- What is raised on the way to a tool is the tool's failure, whether there is one or not.
    if member then ctx.entry = { kind = kind, name = tostring(name) } end
    return chain { method = method, params = params, kind = kind, name = name, ctx = ctx }
  end
end

---Puts a function around every request. Raises (at the caller's line) if it is not a function.
---@param app mcp.App
---@param fn fun(request: mcp.Request, next: fun(request: mcp.Request): table|nil, table|nil)
function middleware.use(app, fn)
  if type(fn) ~= "function" and not (getmetatable(fn) or {}).__call then
    error("app:use: expected a function, got " .. type(fn), 2)
  end
  for name, member in pairs(middleware) do
    if fn == member then
      error(("app:use: mcp.middleware.%s makes a function: call it, mcp.middleware.%s { … }")
        :format(name, name), 2)
    end
  end
  local list = app.middleware or {}
  list[#list + 1] = fn
  -- Of this chain alone: a call that waits in it finds its handler there, whatever is added or
  -- loaded again meanwhile.
  local plain = {}
  local chain, following = nil, handle(app, plain)
  for i = #list, 1, -1 do chain, following = link(list[i], following) end
  app.middleware, app.chain, app.handlers = list, chain, {}
  ---Puts it around the handlers of an era, which are kept for the chain's end.
  function app.wrap(era, handlers)
    plain[era] = handlers
    local wrapped = {}
    for method in pairs(handlers) do wrapped[method] = around(app, chain, method) end
    return wrapped
  end
end

-- --- ready-made -------------------------------------------------------------

-- Raises what is wrong with the options of one, at the line where it is made.
local function check(what, options, known)
  require("mcp.options").check("mcp.middleware." .. what, options, known, 3)
end

-- The outcome, as in middleware.timing.
local function outcome(ctx, result, err)
  local cancelled, code = (rawget(ctx, "own_exchange") or ctx.exchange):is_cancelled()
  if cancelled then return code == "ETIMEDOUT" and "timed out" or "cancelled" end
  if err then return ("error %d"):format(err.code) end
  if type(result) ~= "table" then return "ok" end
  if result.resultType == "input_required" then return "asks" end
  return result.isError and "failed" or "ok"
end

---Calls `fn(request, seconds, outcome)` when a request has ended, in whatever way: outcome is
---"ok", "failed" (a tool's error result), "asks" (its client), "error -32602" or the like,
---"cancelled" or "timed out".
---@param fn fun(request: mcp.Request, seconds: number, outcome: string)
---@return function
function middleware.timing(fn)
  if type(fn) ~= "function" then
    error("mcp.middleware.timing: expected a function, got " .. type(fn), 2)
  end
  return function(request, next)
    local _, start = core.time()
    local result, err
    -- A handler that is cancelled and waits again does not return; what closes does run.
    local _ <close> = setmetatable({}, { __close = function()
      -- Not core.now, which counts milliseconds: many calls take less.
      local _, now = core.time()
      fn(request, now - start, outcome(request.ctx, result, err))
    end })
    result, err = next(request)
    return result, err
  end
end

-- Controls of terminals, and what turns the direction of a text (U+061C, U+200E, U+2066, …).
local UNSEEN = { "[%c\127]", "\xC2[\x80-\x9F]", "\xD8\x9C", "\xE2\x80[\x8E\x8F\xA8-\xAE]",
  "\xE2\x81[\xA6-\xA9]" }

local function in_hex(bytes)
  return (bytes:gsub(".", function(c) return ("\\x%02X"):format(c:byte()) end))
end

-- Names come from clients; a line stays a line.
local function printable(text)
  for _, pattern in ipairs(UNSEEN) do text = text:gsub(pattern, in_hex) end
  return text
end

local LEVELS = { debug = true, info = true, notice = true, warning = true, error = true }

-- What the name of a request is, in a log of JSON.
local KINDS = { ["tools/call"] = "tool", ["prompts/get"] = "prompt",
  ["resources/read"] = "resource" }

---A line for each request: method, name, how it went, milliseconds; never arguments. It goes to the
---log whatever MCP_LOG says; with a `level`, if MCP_LOG shows that level; with `write`, to that
---function.
---@param options table|nil level, write
---@return function
function middleware.log(options)
  options = options or {}
  check("log", options, { level = "string", write = "function" })
  local level = options.level
  if level and not LEVELS[level] then
    error(('mcp.middleware.log: option "level": unknown level %q'):format(level), 2)
  end
  local write = options.write and function(line) options.write(line) end
    or level and function(line, kind, name) core.log(level, line, kind, name) end
    or core.log_asked
  return middleware.timing(function(request, seconds, how)
    local name = request.name
    write(("%s%s: %s, %.1f ms"):format(request.method,
      name ~= nil and " " .. printable(cut(tostring(name), 200)) or "", how, seconds * 1000),
      KINDS[request.method], name ~= nil and tostring(name) or nil)
  end)
end

---Allows `concurrent` requests at once; the others get "Busy".
---@param options table concurrent
---@return function
function middleware.limit(options)
  check("limit", options, { concurrent = "number" })
  local most, count = options.concurrent, 0
  if not math.tointeger(most) or most < 1 then
    error("mcp.middleware.limit: concurrent: expected a whole number, 1 or more, got "
      .. tostring(most), 2)
  end
  local guard = setmetatable({}, { __close = function() count = count - 1 end })
  return function(request, next)
    if count >= most then
      return nil, failure.busy("concurrent",
        ("Busy: %d requests in progress"):format(most), nil, 503)
    end
    count = count + 1
    local _ <close> = guard
    return next(request)
  end
end

-- Each in a file of its own, loaded when it is first asked for.
local MORE = { cache = true, retry = true, rate_limit = true, response_limit = true,
  redact = true }

local function names()
  local list = {}
  for _, members in ipairs { middleware, MORE } do
    for name in pairs(members) do list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- Loaded at the first read of a field that does not exist.
local misspelt

return setmetatable(middleware, { __index = function(_, key)
  if not MORE[key] then
    misspelt = misspelt or require("mcp.misspelt").index("mcp.middleware", names)
    return misspelt(middleware, key)
  end
  local made = require("mcp.server.middleware." .. key)
  rawset(middleware, key, made)
  return made
end })
