-- SPDX-License-Identifier: MIT
-- endpoint: an HTTP address that requests go to, and what is sent with each of them: the user's
-- header fields, a token, TLS. It follows redirects within the origin and answers a challenge with
-- the help of the auth provider. It knows nothing of JSON-RPC.
local core = require "mcp.core"
local fields = require "mcp.client.fields"
local usage = require "mcp.client.usage"
local url = require "mcp.url"
local cut = require("mcp.text").cut

local endpoint = {}

---How many redirects of one request are followed. Only within the origin, since the token must not
---go elsewhere, and only 307 and 308, since a POST must stay a POST.
endpoint.REDIRECTS = 3
---How many challenges of one request are answered: for a token, a nonce in its proof (RFC 9449 9),
---more scopes, and by then a new nonce. The provider decides each time whether to try again
---(SEC-77).
endpoint.CHALLENGES = 4
---How much of an unwanted response is read so that its connection can be reused, in bytes and in
---seconds.
endpoint.DRAIN = 16384
endpoint.DRAIN_TIME = 1
---How much of the text of a refusal is shown, in bytes.
endpoint.REFUSAL_TEXT = 400
---Requests and answers of one client in progress at once, each on a connection of its own. Further
---requests wait.
endpoint.CONNECTIONS = 64
---Further connections for messages that must not wait when all of these are taken.
endpoint.ASIDE = 4
---Further connections for streams that last: calls must not wait for what never ends (HM-72).
endpoint.LASTING = 16

local SCHEMES = { http = true, https = true, unix = true }

---Merges a table of limits into their defaults. Raises on an error in it.
---@param what string the function they belong to, for error texts
---@param given table|nil
---@param defaults table<string, number>
---@return table<string, number>
function endpoint.limits(what, given, defaults)
  local known, out = {}, {}
  for name in pairs(defaults) do known[name] = "number" end
  for name, number in pairs(usage.check(what .. ": limits", given, known)) do
    if number < 0 or number ~= number then
      usage.raise("%s: limits: %s: expected a number, 0 or more, got %s", what, name, number)
    end
  end
  for name, number in pairs(defaults) do out[name] = given and given[name] or number end
  return out
end

---@class mcp.client.Endpoint
---@field url mcp.Url
---@field text string the address as messages show it and providers get it
local Endpoint = { __name = "mcp.endpoint" }
Endpoint.__index = {}

function Endpoint.__tostring(self) return ("mcp.endpoint (%s)"):format(self.text) end

-- The TLS context. Wrong options raise. A file that cannot be read is a runtime error: the first
-- request returns it.
local function context_of(what, parsed, given)
  if not parsed.secure then
    if given ~= nil then
      usage.raise("%s: tls: expected an https address, got %s", what, parsed.text)
    end
    return nil
  end
  local ok, context, text, code = pcall(require("mcp.tls").client, given)
  if not ok then usage.raise("%s: %s", what, (tostring(context):gsub("^[^:]+:%d+: ", ""))) end
  return context, text, code
end

---@param what string the function it is for, in error texts
---@param address string
---@param options table headers, auth, tls, proxy, connections
---@return mcp.client.Endpoint
function endpoint.new(what, address, options)
  if type(address) ~= "string" then
    usage.raise("%s: expected an address such as \"http://127.0.0.1:8000/mcp\", got %s", what,
      type(address))
  end
  local parsed, reason = url.parse(address)
  if not parsed then usage.raise("%s: %s", what, reason) end
  if not SCHEMES[parsed.scheme] then
    usage.raise("%s: expected an http, https or unix address, got %q", what, address)
  end
  if parsed.unix and not parsed.target then
    parsed = url.parse(parsed.text:gsub(":$", "") .. ":/mcp")
  end
  local list, taken = fields.check(options.headers)
  local auth = options.auth
  if auth ~= nil then
    if type(auth.headers) ~= "function" then
      usage.raise("%s: auth: expected a provider such as mcp.auth.bearer(token)", what)
    elseif taken.authorization then
      usage.raise("%s: headers: Authorization is set by the option auth: give one of the two", what)
    end
  end
  local wrong = options.proxy ~= nil and require("mcp.proxy").error_in(options.proxy)
  if wrong then usage.raise("%s: %s", what, wrong) end
  local via, proxy_text, proxy_code = require("mcp.proxy").find(parsed, options.proxy)
  local context, text, code = context_of(what, parsed, options.tls)
  -- No time limit for bodies: a stream may be silent, and each call has its own timeout.
  local count = options.connections or endpoint.CONNECTIONS
  return setmetatable({
    url = parsed, text = parsed.text, fields = list, auth = auth,
    tls = context, tls_text = text, tls_code = code,
    via = via, proxy = via and require("mcp.proxy").fields(via, parsed) or nil,
    proxy_text = proxy_text, proxy_code = proxy_code,
    pool = core.http_pool { connections = count, body_timeout = 0 }, connections = count,
    answered = false,
    -- What a request is asked with, and the address that is in it: it is read before anything else
    -- happens.
    ask = { known = true }, asked = false,
  }, Endpoint)
end

local function further_pool(self, name, connections)
  if not self[name] then
    self[name] = core.http_pool { connections = connections, body_timeout = 0 }
  end
  return self[name]
end

-- The connections to use. When all are taken by waiting calls, the answers that these calls wait
-- for must still go out.
local function pool_for(self, request)
  if request.lasting then return further_pool(self, "lasting_pool", endpoint.LASTING) end
  local open, idle = self.pool:connections()
  if open - idle < self.connections then return self.pool end
  return further_pool(self, "side_pool", endpoint.ASIDE)
end

---Is an address of the same origin?
---@param parsed mcp.Url
---@return boolean
function Endpoint.__index:is_ours(parsed)
  return parsed.origin == self.url.origin
end

local function append(list, more)
  return table.move(more, 1, #more, #list + 1, list)
end

-- As most servers write them: nothing is to be found out.
local PLAIN_TYPES = { ["application/json"] = true, ["text/event-stream"] = true }

-- The essence of a Content-Type field, or nil: type and subtype, in lower case.
local function essence(field)
  if PLAIN_TYPES[field or ""] then return field end
  return field and field:match "^[ \t]*([^;, \t]*)":lower() or ""
end

-- Discards a response; its connection can be reused if little of it was left.
local function drop(response)
  response:read(endpoint.DRAIN, endpoint.DRAIN_TIME)
  response:close()
end

-- The address that a redirect leads to, or nil, text, code.
local function redirect(self, at, response, hops)
  local status, location = response.status, response:header "location"
  local shown = location and cut(location, 200)
  local function refuse(text, ...)
    return nil, ("%s: redirected (status %d) to %s: %s"):format(self.text, status,
      shown or "nowhere", text:format(...)), "EHTTP" .. status
  end
  if not location then return refuse "the redirect has no Location header" end
  if status ~= 307 and status ~= 308 then
    return refuse "only 307 and 308 keep a request as it is"
  end
  if hops >= endpoint.REDIRECTS then return refuse("more than %d redirects", endpoint.REDIRECTS) end
  local address, reason = url.resolve(at, location)
  local parsed
  if address then parsed, reason = url.parse(address) end
  if not parsed then return refuse("%s", reason) end
  if not self:is_ours(parsed) then return refuse "only redirects within the origin are followed" end
  return parsed
end

-- The header fields of a request: the user's, the provider's (which are also the second value), and
-- those of the request. nil, nil, text, code if there is no token.
local function head(self, request, at)
  local proof
  if self.auth then
    local text, code
    proof, text, code = self.auth:headers { url = at.text, method = request.method }
    if not proof then return nil, nil, text, code end
  end
  local own = request.fields or {}
  if not self.fields[1] and not (proof and proof[1]) then return own, proof end
  local list = append({}, self.fields)
  if proof then append(list, proof) end
  return append(list, own), proof
end

-- A server with TLS ends a connection that begins without it; one that has answered has none.
local function hint_of(self, at, text, code)
  if at.unix or self.answered then return "" end
  if not text:find("before the response head arrived", 1, true) then return "" end
  if code == "ETLSPLAIN" then return "; use http" end
  if not at.secure and (code == "EGONE" or code == "EHTTP") then
    return "; if the server has TLS, use https"
  end
  return ""
end

-- What does not change from one request to an address to the next.
local function address(self, at)
  local ask = self.ask
  ask.host, ask.port, ask.unix, ask.target = at.host, at.port, at.unix, at.target
  ask.tls = at.secure and self.tls or nil
  ask.server_name = at.secure and at.host or nil
  ask.proxy = self.proxy
  self.asked = at
end

---Sends a request and waits for the head of the response. A status is an error only where a
---redirect is not followed or a challenge is not answered.
---@param request table method, fields, body, timeout (seconds), event_limit (bytes), idempotent, at
---(an mcp.Url), aside: it must not wait for a free connection; lasting: its response may never end
---@return table|nil response
---@return integer|string|nil status or a message
---@return string|nil media_type or a code
function Endpoint.__index:send(request)
  local at, hops, met, memory = request.at or self.url, 0, 0, nil
  while true do
    if at.secure and not self.tls then return nil, self.tls_text, self.tls_code end
    if self.proxy_code then return nil, self.proxy_text, self.proxy_code end
    local list, proof, text, code
    if self.auth or self.fields[1] then
      list, proof, text, code = head(self, request, at)
      if not list then return nil, text, code end
    else
      list = request.fields
    end
    local pool = (request.lasting or request.aside) and pool_for(self, request) or self.pool
    local ask = self.ask
    if self.asked ~= at then address(self, at) end
    ask.method, ask.headers, ask.body = request.method, list, request.body
    ask.timeout, ask.event_limit = request.timeout, request.event_limit
    ask.idempotent = request.idempotent
    local response, status, kind = pool:request(ask)
    ask.body = ""
    if not response then
      return nil, ("%s: %s%s%s"):format(at.text, status, hint_of(self, at, status, kind),
        self.via and ", through the proxy " .. self.via.text or ""), kind
    end
    self.answered = true
    if status < 300 then return response, status, essence(kind) end
    if status >= 300 and status < 400 and status ~= 304 then
      local to
      to, text, code = redirect(self, at, response, hops)
      drop(response)
      if not to then return nil, text, code end
      at, hops = to, hops + 1
    elseif (status == 401 or status == 403) and self.auth and self.auth.challenged
      and met < endpoint.CHALLENGES then
      met, memory = met + 1, memory or {}
      local all = response:headers()
      drop(response)
      local again
      again, text, code = self.auth:challenged {
        status = status, url = at.text, method = request.method, sent = proof, memory = memory,
        header = function(name) return all[name:lower()] end,
      }
      if not again then
        return nil, text or ("%s: %s"):format(at.text, endpoint.refusal(status)),
          code or "EHTTP" .. status
      end
    else
      return response, status, essence(kind)
    end
  end
end

-- The first line of the body of a refusal, if that is plain text.
local function text_of(response)
  if endpoint.media_type(response) ~= "text/plain" then return drop(response) end
  local body = response:read(endpoint.DRAIN, endpoint.DRAIN_TIME)
  response:close()
  local line = body and body:match "^%s*([^\r\n]*)"
  if not line or line == "" or not utf8.len(line) then return nil end
  if #line > endpoint.REFUSAL_TEXT then
    line = line:sub(1, utf8.offset(line, 0, endpoint.REFUSAL_TEXT) - 1)
  end
  return (line:gsub("%c", " "))
end

---The error text for a status other than success, with what the server says about it. The response,
---if one is given, is read and closed.
---@param status integer
---@param response userdata|nil
---@return string
function endpoint.refusal(status, response)
  local text = status == 401 and "the server requires authorization (status 401)"
    or status == 403 and "the server denied access (status 403)"
    or status >= 500 and ("the server failed (status %d)"):format(status)
    or ("the server refused the request (status %d)"):format(status)
  local detail = response and text_of(response)
  return detail and ("%s: %s"):format(text, detail) or text
end

---Closes its connections; requests in progress on them fail.
function Endpoint.__index:close()
  self.pool:close()
  if self.side_pool then self.side_pool:close() end
  if self.lasting_pool then self.lasting_pool:close() end
end

---The essence of the Content-Type of a response.
---@param response table
---@return string "" if it has none
function endpoint.media_type(response) return essence(response:header "content-type") end

endpoint.drop = drop

return endpoint
