-- SPDX-License-Identifier: MIT
-- access: the access log: a line for each HTTP request. C writes what every request has
-- (src/transport/http_access.c); this adds what its message was. Arguments and results are never
-- part of it. Lines are key=value, or JSON objects.
local core = require "mcp.core"
local cut = require("mcp.text").cut
local error_in = require("mcp.options").error_in
local methods = require "mcp.protocol.methods"
local trace = require "mcp.trace"

local access = {}

---The longest name, method or subject in a line, in bytes: they come from clients.
access.TEXT = 128

local OPTIONS = { file = "string", format = "string" }

---@class mcp.AccessLog
---@field file string path of a file, or "-" for standard output
---@field format? "text"|"json" by default that of the log

---Opens the log. Raises (level 0) what is wrong with the option.
---@param given string|mcp.AccessLog
---@param stdio boolean standard output carries messages
---@return table log the file, and whether its lines are JSON
function access.open(given, stdio)
  if type(given) == "string" then given = { file = given } end
  local message = error_in(given, OPTIONS)
  if message then error("access_log: " .. message, 0) end
  local file, format = given.file, given.format or core.log_format()
  if not file or file == "" then
    error('access_log: expected the path of a file, or "-" for standard output', 0)
  end
  if format ~= "text" and format ~= "json" then
    error(('access_log: format: expected "text" or "json", got %q'):format(format), 0)
  end
  if file == "-" and stdio then
    error("access_log: standard output carries the messages of this server: name a file", 0)
  end
  local log, text = core.access_log(file ~= "-" and file or nil, format == "json")
  if not log then error(("access_log: cannot open %s: %s"):format(file, text), 0) end
  return { file = log, path = file, json = format == "json", expired = access.expired,
    traces = setmetatable({}, { __mode = "k" }), kept = {}, count = 0 }
end

---Opens the file again: the one that was open may have been renamed.
---@param log table
function access.reopen(log)
  local ok, text = log.file:reopen()
  if ok then return core.log("notice", "access log opened again: " .. log.path) end
  core.log("error", ("access log not opened again: %s: %s"):format(log.path, text))
end

-- --- what a line says of a message --------------------------------------------------------------

-- A value of key=value: in quotes if it has more than plain characters.
local function quoted(text)
  if text:find "^[%w_./:@+-]+$" then return text end
  return '"' .. text:gsub('[%c\127-\255"\\]', function(c)
    return (c == '"' or c == "\\") and "\\" .. c or ("\\x%02X"):format(c:byte())
  end) .. '"'
end

local function member(log, key, given)
  local text = cut(tostring(given), access.TEXT)
  if log.json then return (',"%s":%s'):format(key, core.encode(text) or '"?"') end
  return (" %s=%s"):format(key, quoted(text))
end

-- How it went, as in the metrics.
local function outcome(x, result, err)
  local cancelled, code = x:is_cancelled()
  if cancelled then return code == "ETIMEDOUT" and "timed_out" or "cancelled" end
  if err then return ("error %s"):format(err.code) end
  if type(result) ~= "table" then return "ok" end
  if result.resultType == "input_required" then return "asks" end
  return result.isError and "failed" or "ok"
end

-- Texts that are remembered; names that clients make up must not fill it for good.
local REMEMBERED = 256

-- What make(log, first, second) gives, which most lines have had before.
local function remembered(log, first, second, make)
  local kept = log.kept[first]
  local text = kept and kept[second]
  if text then return text end
  text = make(log, first, second)
  if #first + #second > access.TEXT then return text end
  if not kept or log.count >= REMEMBERED then
    if log.count >= REMEMBERED then log.kept, log.count = {}, 0 end
    kept = {}
    log.kept[first] = kept
  end
  kept[second], log.count = text, log.count + 1
  return text
end

-- The method, and the tool, prompt or resource.
local function subject(log, method, name)
  local text = member(log, "rpc", method)
  return name ~= "" and text .. member(log, methods[method].kind, name) or text
end

local function ending(log, how, era)
  local text = member(log, "outcome", how)
  return era ~= "" and text .. member(log, "era", era) or text
end

-- Notes what is known of a request.
local function note(log, x, method, params, how, ctx, current)
  local row = methods[method]
  local name = row and row.kind and type(params) == "table" and params[row.target]
  if type(name) ~= "string" then name = "" end
  local text = remembered(log, method, name, subject) .. remembered(log, how,
    not ctx and "" or ctx.revision.era == "modern" and "stateless" or "session", ending)
  local caller = ctx and rawget(ctx, "auth")
  if caller then
    text = text .. member(log, "principal", caller.subject or caller.client or caller.key)
  end
  current = current or core.trace()
  if current then text = text .. member(log, "trace_id", current.trace_id) end
  core.access_note(x, text)
end

---The time of a request is over: it is answered before its handler ends.
---@param log table
---@param ctx table
function access.expired(log, ctx)
  local entry = ctx.entry or nil
  -- Another coroutine answers it.
  note(log, nil, ctx.method, entry and { name = entry.name, uri = entry.name }, "timed_out", ctx,
    log.traces[rawget(ctx, "own_exchange") or ctx.exchange])
end

local Scope = {}
function Scope.__close(scope)
  local done = trace.settled[scope.x] or scope
  note(scope.log, scope.x, scope.method, scope.params, outcome(scope.x, done.result, done.err),
    done.ctx)
end

---Notes what the requests of a listener are (lua/mcp/server/front/arrival.lua).
---@param log table
---@param receive function
---@return function
function access.around(log, receive)
  return function(x, link, kind, id, method, params, meta, claim, capabilities, client, level,
    token, version, mcp_method, mcp_name, session_id)
    if kind ~= "request" then
      if kind == "batch" then core.access_note(x, member(log, "rpc", "batch")) end
      return receive(x, link, kind, id, method, params, meta, claim, capabilities, client, level,
        token, version, mcp_method, mcp_name, session_id)
    end
    -- What stands if the client goes away: the line is written before the handler ends.
    note(log, x, method, params, "cancelled")
    log.traces[x] = core.trace()
    local scope <close> = setmetatable({ log = log, x = x, method = method, params = params },
      Scope)
    -- Without `repeated`: the next request has a line of its own.
    local result, err, mend, ctx = receive(x, link, kind, id, method, params, meta, claim,
      capabilities, client, level, token, version, mcp_method, mcp_name, session_id)
    scope.result, scope.err, scope.ctx = result, err, ctx
    return result, err, mend, ctx
  end
end

return access
