-- SPDX-License-Identifier: MIT
-- call.lua: one request to the API, from the arguments of a tool, and its response. Nothing of the
-- client that calls the tool goes along: no token and no header field.
local bodies = require "mcp.openapi.bodies"
local fetch = require "mcp.fetch"
local styles = require "mcp.openapi.styles"
local unescape = require("mcp.uri_tools").unescape
local url = require "mcp.url"

local call = {}

-- Leaves a literal of a path template as an address has it.
local function literal(text)
  return (text:gsub("[^%w%-._~:/?@!$&'()*+,;=%%]", function(c)
    return ("%%%02X"):format(c:byte())
  end))
end

-- The path with its values, or nil and a text. Some documents tell operations of one path apart by
-- a fragment, which is no part of a request. A value must not make another path of it: servers
-- and proxies remove "..", and DELETE /pets/ is not DELETE /pets/{id}.
local function expand_path(template, values)
  local out, at = {}, 1
  template = template:match "^[^#]*"
  for open, name, close in template:gmatch "(){([^{}]+)}()" do
    local text = values[name]
    if text == nil then return nil, ("%s: missing"):format(name) end
    if text == "" then return nil, ("%s: expected a value that is not empty"):format(name) end
    out[#out + 1] = literal(template:sub(at, open - 1))
    out[#out + 1] = text
    at = close
  end
  out[#out + 1] = literal(template:sub(at))
  local path = table.concat(out)
  local decoded = unescape(path) or path
  for segment in decoded:gmatch "[^/\\]+" do
    if segment == ".." or segment == "." then
      return nil, ("a path must not contain %q"):format(segment)
    end
  end
  return path
end

-- Puts the value of a parameter where it belongs.
local function place(request, parameter, v)
  if parameter.location == "path" then
    request.path[parameter.name] = styles.path(parameter, v)
  elseif parameter.location == "query" then
    styles.query(parameter, v, request.query)
  elseif parameter.location == "header" then
    local text = styles.header(parameter, v)
    if text:find "[%z\1-\31\127]" then
      return nil, ("%s: a header field must not contain control characters"):format(parameter.name)
    end
    request.headers[#request.headers + 1] = { parameter.name, text }
  else
    styles.cookie(parameter, v, request.cookies)
  end
  return true
end

local function accept_of(op)
  local media = require "mcp.openapi.media"
  local list, seen = {}, {}
  for status, response in next, op.responses do
    local content = tostring(status):find "^2" and type(response) == "table" and response.content
    for name in next, type(content) == "table" and content or {} do
      if type(name) == "string" and not seen[name] and not name:find "[%c,]" then
        seen[name] = true
        list[#list + 1] = name
      end
    end
  end
  table.sort(list, function(a, b)
    local json, other = media.is_json(a), media.is_json(b)
    if json ~= other then return json end
    return a < b
  end)
  list[#list + 1] = "*/*;q=0.1"
  if #list == 1 then table.insert(list, 1, "application/json") end
  return table.concat(list, ", ")
end

---What an operation asks for with these arguments.
---@param api table of mcp.openapi
---@param op mcp.openapi.Operation
---@param plan mcp.openapi.Plan
---@param args table
---@return table? request method, path, query, headers, cookies, secrets, body
---@return string? message
function call.prepare(api, op, plan, args)
  local request = { method = op.method, path = {}, query = {}, headers = {}, cookies = {},
    secrets = {} }
  local known = {}
  for _, each in ipairs(plan.parameters) do
    known[each.argument] = true
    local given = args[each.argument]
    if given ~= nil then
      local ok, text = place(request, each.parameter, given)
      if not ok then return nil, text end
    end
  end
  for _, each in ipairs(plan.fixed) do
    local ok, text = place(request, each.parameter, each.value)
    if not ok then return nil, text end
  end
  if plan.body then
    if plan.body.whole then known[plan.body.whole] = true end
    for argument in next, plan.body.fields or {} do known[argument] = true end
    local body, kind, failed = bodies.write(plan.body, args, known)
    if failed then return nil, kind end
    request.body = body
    if body then request.headers[#request.headers + 1] = { "Content-Type", kind } end
  end
  local text
  request.path, text = expand_path(op.path, request.path)
  if not request.path then return nil, text end
  request.headers[#request.headers + 1] = { "Accept", accept_of(op) }
  for name, field in pairs(api.headers) do
    request.headers[#request.headers + 1] = { name, field }
  end
  return request
end

-- Methods that may be sent again when a kept connection turns out to be closed. Others get a
-- connection of their own: whether the API has seen them is not known then.
local REPEATABLE = { GET = true, HEAD = true, QUERY = true, PUT = true, DELETE = true }

-- Sends a request to an address.
local function send(api, request, address, only)
  local headers, accept = table.move(request.headers, 1, #request.headers, 1, {}), "*/*"
  for _, field in ipairs(headers) do
    if field[1] == "Accept" then accept = field[2] end
  end
  if request.cookies[1] then
    headers[#headers + 1] = { "Cookie", table.concat(request.cookies, "; ") }
  end
  local base, elsewhere = url.parse(request.address), nil
  local response, text, code = fetch.request(address, { method = request.method,
    headers = headers, body = request.body, timeout = api.timeout, limit = api.limit, only = only,
    tls = api.tls, proxy = api.proxy, pool = REPEATABLE[request.method] and api.pool or nil,
    check = function(to)
      local at = url.parse(to)
      if at and base and at.origin == base.origin then return true end
      elsewhere = to
      return false, "the API redirects to another server, which is not followed"
    end })
  if not elsewhere or request.method ~= "GET" then return response, text, code end
  -- The address is the API's choice: it may lead to the network of this server.
  return fetch.get(elsewhere, { headers = { Accept = accept }, timeout = api.timeout,
    limit = api.limit, proxy = api.proxy,
    only = not (base and url.is_loopback(base)) and "public" or nil })
end

---Sends what `prepare` has made.
---@param api table
---@param op mcp.openapi.Operation
---@param request table
---@return mcp.FetchResponse? response
---@return string? message
---@return string? code
function call.send(api, op, request)
  local base, only = api:base(op)
  if not base then return nil, only, "EBASE" end
  local ok, text = api.security:apply(op, request)
  if not ok then return nil, text, "EAUTH" end
  local query = table.concat(request.query, "&")
  local mark = request.path:find("?", 1, true) and "&" or "?"
  request.only = only
  request.address = base .. request.path .. (query ~= "" and mark .. query or "")
  return send(api, request, request.address, only)
end

---Sends the same request to another address of the same origin: the next page.
---@param api table
---@param request table as `send` left it
---@param address string
---@return mcp.FetchResponse? response
---@return string? message
---@return string? code
function call.again(api, request, address)
  local from, to = url.parse(request.address), url.parse(address)
  if not to or not from or to.origin ~= from.origin or to.unix ~= from.unix then
    return nil, "the next page is at another server", "EORIGIN"
  end
  return send(api, request, address, request.only)
end

return call
