-- SPDX-License-Identifier: MIT
-- endpoint: an address of HTTP that requests go to, with what goes along with
-- each of them: the user's fields, a token, TLS. It follows a redirect within
-- the origin and meets a challenge with the provider's help. It knows nothing
-- of JSON-RPC.
local core = require "mcp.core"
local fields = require "mcp.client.fields"
local usage = require "mcp.client.usage"
local url = require "mcp.url"
local cut = require("mcp.text").cut

local endpoint = {}

---How many redirects of one request are followed, within the origin only: the
---token must not be taken elsewhere, and a POST has to stay one (307, 308).
endpoint.REDIRECTS = 3
---How often one request may be refused and go out again with the provider's help: for a token, for
---a nonce in its proof (RFC 9449 9), for more scopes, and a new nonce by then. Whether it is worth
---it is the provider's to say each time (SEC-77).
endpoint.CHALLENGES = 4
---What is read of an answer that nobody wants, so that its connection can be
---used again. In bytes, and in seconds.
endpoint.DRAIN = 16384
endpoint.DRAIN_TIME = 1
---How much of what a refusal says is shown, in bytes.
endpoint.WORDS = 400
---Calls under way and answers of one client at once, on a connection each. In a row
---behind them wait the rest.
endpoint.CONNECTIONS = 64
---And for what must not wait, when all of these are taken.
endpoint.ASIDE = 4
---And for streams that last: calls must not wait behind what never ends (HM-72).
endpoint.LASTING = 16

local SCHEMES = { http = true, https = true, unix = true }

---Reads a table of limits over their defaults. Raises what is wrong with it.
---@param what string whose they are
---@param given table|nil
---@param defaults table<string, number>
---@return table<string, number>
function endpoint.limits(what, given, defaults)
  local nearest, out = require "mcp.nearest", {}
  for name, number in pairs(given or {}) do
    if not defaults[name] then
      usage.raise("%s: %s", what, nearest.unknown("limit", name, nearest.keys(defaults)))
    elseif type(number) ~= "number" or number < 0 or number ~= number then
      usage.raise("%s: limits: %s: a number, 0 or more, expected", what, name)
    end
  end
  for name, number in pairs(defaults) do out[name] = given and given[name] or number end
  return out
end

---@class mcp.client.Endpoint
---@field url mcp.Url
---@field text string the address as texts and providers are told it
local Endpoint = { __name = "mcp.endpoint" }
Endpoint.__index = {}

function Endpoint.__tostring(self) return ("mcp.endpoint (%s)"):format(self.text) end

-- The context of TLS. What is no option is raised; a file that cannot be read is
-- bad luck, and told with the first request.
local function context_of(what, parsed, given)
  if not parsed.secure then
    if given ~= nil then usage.raise("%s: tls: %s is not https", what, parsed.text) end
    return nil
  end
  local ok, context, text, code = pcall(require("mcp.tls").client, given)
  if not ok then usage.raise("%s: %s", what, (tostring(context):gsub("^[^:]+:%d+: ", ""))) end
  return context, text, code
end

---@param what string who it is for, in texts
---@param address string
---@param options table headers, auth, tls, connections
---@return mcp.client.Endpoint
function endpoint.new(what, address, options)
  if type(address) ~= "string" then
    usage.raise("%s: an address such as \"http://127.0.0.1:8000/mcp\" expected, got %s", what,
      type(address))
  end
  local parsed, why = url.parse(address)
  if not parsed then usage.raise("%s: %s", what, why) end
  if not SCHEMES[parsed.scheme] then
    usage.raise("%s: %q: http, https or unix expected", what, address)
  end
  if parsed.unix and not parsed.target then
    parsed = url.parse(parsed.text:gsub(":$", "") .. ":/mcp")
  end
  local list, taken = fields.check(options.headers)
  local auth = options.auth
  if auth ~= nil then
    if type(auth.headers) ~= "function" then
      usage.raise("%s: auth: a provider expected, such as mcp.auth.bearer(token)", what)
    elseif taken.authorization then
      usage.raise("%s: headers: Authorization is what auth is for; give one of the two", what)
    end
  end
  local context, text, code = context_of(what, parsed, options.tls)
  -- A stream may be silent for as long as it likes: who waits for an answer has a clock.
  local most = options.connections or endpoint.CONNECTIONS
  return setmetatable({
    url = parsed, text = parsed.text, fields = list, auth = auth,
    tls = context, tls_text = text, tls_code = code,
    pool = core.http_pool { connections = most, body_timeout = 0 }, connections = most,
  }, Endpoint)
end

local function further_pool(self, name, most)
  if not self[name] then
    self[name] = core.http_pool { connections = most, body_timeout = 0 }
  end
  return self[name]
end

-- The connections to use. When all are taken by calls that wait, the answers
-- these wait for must not wait behind them.
local function pool_for(self, request)
  if request.lasting then return further_pool(self, "lasting_pool", endpoint.LASTING) end
  if not request.aside then return self.pool end
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

-- Lets go of an answer that nobody wants; its connection if there is little of it.
local function drop(response)
  response:read(endpoint.DRAIN, endpoint.DRAIN_TIME)
  response:close()
end

-- Where a redirect leads, or nil, text, code.
local function redirect(self, at, response, hops)
  local status, location = response.status, response:header "location"
  local shown = location and cut(location, 200)
  local function refuse(text, ...)
    return nil, ("%s redirects (status %d) to %s: %s"):format(self.text, status, shown or "nowhere",
      text:format(...)), "EHTTP" .. status
  end
  if not location then return refuse "the redirect has no Location header" end
  if status ~= 307 and status ~= 308 then
    return refuse "only 307 and 308 keep a request as it is"
  end
  if hops >= endpoint.REDIRECTS then return refuse("more than %d of them", endpoint.REDIRECTS) end
  local address, why = url.resolve(at, location)
  local parsed
  if address then parsed, why = url.parse(address) end
  if not parsed then return refuse("%s", why) end
  if not self:is_ours(parsed) then return refuse "only redirects within the origin are followed" end
  return parsed
end

-- What goes along with every request: the user's fields, the provider's (which
-- come second again), those given. nil, nil, text, code if there is no token.
local function head(self, request, at)
  local list, proof = append({}, self.fields), nil
  if self.auth then
    local text, code
    proof, text, code = self.auth:headers { url = at.text, method = request.method }
    if not proof then return nil, nil, text, code end
    append(list, proof)
  end
  return append(list, request.fields or {}), proof
end

---Sends a request and waits for the head of its answer. Statuses are no errors
---here, but for redirects that are not followed and challenges that are not met.
---@param request table method, fields, body, timeout, event_limit, idempotent, at (an mcp.Url),
---aside: it must not wait behind what is under way; lasting: its answer may last for ever
---@return table|nil response, string|nil message, string|nil code
function Endpoint.__index:send(request)
  local at, hops, met, memory = request.at or self.url, 0, 0, {}
  while true do
    if at.secure and not self.tls then return nil, self.tls_text, self.tls_code end
    local list, proof, text, code
    list, proof, text, code = head(self, request, at)
    if not list then return nil, text, code end
    local pool = pool_for(self, request)
    local response
    response, text, code = pool:request {
      host = at.host, port = at.port, unix = at.unix,
      tls = at.secure and self.tls or nil,
      server_name = at.secure and at.host or nil, method = request.method, target = at.target,
      headers = list, body = request.body, timeout = request.timeout,
      event_limit = request.event_limit, idempotent = request.idempotent,
    }
    if not response then return nil, ("%s: %s"):format(at.text, text), code end
    local status = response.status
    if status >= 300 and status < 400 and status ~= 304 then
      local to
      to, text, code = redirect(self, at, response, hops)
      drop(response)
      if not to then return nil, text, code end
      at, hops = to, hops + 1
    elseif (status == 401 or status == 403) and self.auth and self.auth.challenged
      and met < endpoint.CHALLENGES then
      met = met + 1
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
      return response
    end
  end
end

-- What the body of a refusal says, if that is plain text: its first line.
local function words_of(response)
  if endpoint.media_type(response) ~= "text/plain" then return drop(response) end
  local body = response:read(endpoint.DRAIN, endpoint.DRAIN_TIME)
  response:close()
  local line = body and body:match "^%s*([^\r\n]*)"
  if not line or line == "" or not utf8.len(line) then return nil end
  if #line > endpoint.WORDS then line = line:sub(1, utf8.offset(line, 0, endpoint.WORDS) - 1) end
  return (line:gsub("%c", " "))
end

---What a status that is no success means to who called, with what the server says about it. The
---response, if it is given, is done with.
---@param status integer
---@param response userdata|nil
---@return string
function endpoint.refusal(status, response)
  local text = status == 401 and "the server wants authorization (status 401)"
    or status == 403 and "the server forbids it (status 403)"
    or status >= 500 and ("the server failed (status %d)"):format(status)
    or ("the server refused it (status %d)"):format(status)
  local words = response and words_of(response)
  return words and ("%s: %s"):format(text, words) or text
end

---Closes its connections; what is under way on them ends.
function Endpoint.__index:close()
  self.pool:close()
  if self.side_pool then self.side_pool:close() end
  if self.lasting_pool then self.lasting_pool:close() end
end

---The essence of a Content-Type field: type and subtype, in lower case.
---@param response table
---@return string "" if there is none
function endpoint.media_type(response)
  local field = response:header "content-type"
  return field and field:match "^[ \t]*([^;, \t]*)":lower() or ""
end

endpoint.drop = drop

return endpoint
