-- SPDX-License-Identifier: MIT
-- route: paths of a program's own on its HTTP listeners, beside the MCP endpoint: pages, hooks,
-- probes. They are no part of the protocol: no session, no middleware, and no token unless the
-- route asks for one.
local core = require "mcp.core"
local check = require("mcp.options").check
local is_token = require("mcp.header").is_token

local route = {}

---@class mcp.RouteRequest
---@field method "GET"|"HEAD"|"POST"
---@field path string
---@field query string as it came, without "?"
---@field params table<string, string> the same decoded; of several with one name the last
---@field headers table<string, string> by lower-case name
---@field body string
---@field auth mcp.Principal|nil the caller, of a route with `auth`

local OPTIONS = { auth = "boolean", any_host = "boolean", type = "string", timeout = "number" }
local RESPONSE = { status = "number", type = "string", headers = "table" }

-- Fields of a response that say how it is sent, by who may set them: two that differ make the
-- client lose its place among the responses of a connection.
local OURS = { ["content-length"] = "is the length of the body", ["content-type"] = "is an option "
  .. "of its own: type" }
for _, name in ipairs { "transfer-encoding", "connection", "keep-alive", "date", "trailer",
  "upgrade" } do
  OURS[name] = "belongs to the connection"
end

local function decoded(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function params_of(query)
  local out = {}
  for pair in query:gmatch "[^&]+" do
    local name, given = pair:match "^([^=]*)=?(.*)$"
    out[decoded(name)] = decoded(given)
  end
  return out
end

-- What no field can carry: a line break ends it, and what follows would be the next.
local function is_value(text) return not text:find "%c" end

---Declares a path. Raises, at the line of its caller, what is wrong.
---@param app mcp.App
---@param path string
---@param options table|function
---@param fn function|nil
function route.add(app, path, options, fn)
  if fn == nil then options, fn = {}, options end
  local function fail(text, ...) error("app:route: " .. text:format(...), 3) end
  if type(path) ~= "string" or not path:find "^/[%w%-._~!$&'()*+,;=:@/%%]*$" then
    fail('path: expected a path such as "/status", got %s',
      type(path) == "string" and ("%q"):format(path) or type(path))
  end
  check("app:route", options, OPTIONS, 2)
  if type(fn) ~= "function" then fail("expected a function, got %s", type(fn)) end
  if options.auth and not app.auth then
    fail("auth: this server has no authorization: add auth to mcp.server, or leave it out here")
  end
  local timeout, kind = options.timeout, options.type
  if timeout and not (timeout >= 0 and timeout < math.huge) then
    fail("timeout: expected seconds, 0 or more, got %s", timeout)
  end
  if kind and (kind == "" or not is_value(kind)) then
    fail('type: expected a media type such as "text/html", got %q', kind)
  end
  app.routes = app.routes or {}
  if app.routes[path] then fail("%q is a route already", path) end
  app.routes[path] = { fn = fn, auth = options.auth, any_host = options.any_host,
    type = options.type, timeout = options.timeout }
end

---Adds the paths to the pages of a listener. Raises (level 0) for one that is taken.
---@param app mcp.App
---@param own table<string, any>
---@param endpoint string the path of MCP on the listener
function route.pages(app, own, endpoint)
  for path, each in pairs(app.routes) do
    if own[path] or path == endpoint then
      error(("app:route: %q is taken: %s"):format(path, path == endpoint
        and "MCP is served there (http = { path = … } decides)"
        or "this server has a page there"), 0)
    end
    own[path] = { route = true, any_host = each.any_host or false }
  end
end

-- The fields of a response, checked before the first of them is set: an error has none of them.
local function fields_of(path, headers)
  local out = {}
  for name, text in pairs(headers) do
    if type(name) ~= "string" or not is_token(name) then
      error(("route %s: headers: expected the names of fields, got %s"):format(path,
        type(name) == "string" and ("%q"):format(name) or tostring(name)), 0)
    end
    if OURS[name:lower()] then
      error(("route %s: headers: %s %s"):format(path, name, OURS[name:lower()]), 0)
    end
    if type(text) ~= "string" and type(text) ~= "number" or not is_value(tostring(text)) then
      error(("route %s: headers: %s: expected text without control characters, got %s"):format(
        path, name, type(text) == "string" and ("%q"):format(text) or type(text)), 0)
    end
    out[name:lower()] = { name, tostring(text) }
  end
  return out
end

-- Answers with a short text.
local function say(x, status, text)
  x:set_header("Content-Type", "text/plain; charset=utf-8")
  x:set_header("X-Content-Type-Options", "nosniff")
  x:respond(status, text .. "\n")
end

local function answer(x, path, given, body, how)
  if how ~= nil and type(how) ~= "table" then
    error(("route %s: expected a table of options as the second value, got %s"):format(path,
      type(how)), 0)
  end
  how = how or {}
  check("route " .. path, how, RESPONSE, 0)
  local status = how.status or (body == nil and 404 or 200)
  if math.type(status) ~= "integer" or status < 200 or status > 599 then
    error(("route %s: status: expected 200 to 599, got %s"):format(path, status), 0)
  end
  local kind = how.type or given.type
  if type(body) == "table" then
    local text, message = core.json_encode(body)
    if not text then error(("route %s: %s"):format(path, message), 0) end
    body, kind = text, kind or "application/json"
  elseif body == nil then
    body = ""
  elseif type(body) ~= "string" then
    error(("route %s: expected a string or a table, got %s"):format(path, type(body)), 0)
  end
  if kind and (kind == "" or not is_value(kind)) then
    error(("route %s: type: expected a media type, got %q"):format(path, kind), 0)
  end
  local fields = fields_of(path, how.headers or {})
  if body ~= "" or kind then x:set_header("Content-Type", kind or "text/plain; charset=utf-8") end
  if not fields["x-content-type-options"] then x:set_header("X-Content-Type-Options", "nosniff") end
  for _, field in pairs(fields) do x:set_header(field[1], field[2]) end
  x:respond(status, body)
end

---Serves a request for a route.
---@param app mcp.App
---@param x userdata its exchange
function route.serve(app, x)
  local method, path, query, body = x:request()
  local given = app.routes and app.routes[path]
  -- A reload has taken it away since the head of the request was read.
  if not given then return say(x, 404, "not found") end
  local request = { method = method, path = path, query = query, params = params_of(query),
    headers = x:headers(), body = body }
  request.headers.authorization = nil
  if given.auth then
    local found, err = app.auth:check(x, "route")
    if not found then
      if err.challenge then x:set_header("WWW-Authenticate", err.challenge) end
      return say(x, err.status or 401, err.message)
    end
    request.auth = found
  end
  if given.timeout then x:limit(given.timeout) end
  local made = table.pack(pcall(given.fn, request))
  local ok, message = made[1], made[2]
  if ok then ok, message = pcall(answer, x, path, given, made[2], made[3]) end
  if ok or not x:is_open() then return end
  core.log("error", ("route %s: %s"):format(path, tostring(message)))
  say(x, 500, "internal error")
end

return route
