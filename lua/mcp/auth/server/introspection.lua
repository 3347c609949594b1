-- SPDX-License-Identifier: MIT
-- introspection: a ready-made `verify` that asks the authorization server about each token
-- (RFC 7662): for tokens that are not JWTs, or that may be withdrawn. Answers are kept for a short
-- while, within bounds of bytes and time. Whatever goes wrong, no token is accepted.
local core = require "mcp.core"
local jwks = require "mcp.auth.jwks"
local jwt = require "mcp.auth.jwt"
local check_options = require("mcp.options").check
local value = require "mcp.value"
local verifier = require "mcp.auth.server.verifier"

local introspection = {}

---Time for the endpoint to answer, in seconds.
introspection.TIME = 5
---The longest answer, in bytes.
introspection.LENGTH = 64 * 1024
---How long an answer is kept, in seconds. A token that was revoked is accepted for that long.
introspection.TTL = 30
---How long the answer for an invalid token is kept, in seconds.
introspection.REFUSED_TTL = 10
---Size of the cache, in bytes.
introspection.CACHE = 1 << 20
---Overhead of an entry of the cache, in bytes.
introspection.OVERHEAD = 512
---Introspection requests in progress at once; beyond them, clients get 503 and should retry.
introspection.ASKING = 32

local OPTIONS = { url = "string", client_id = "string", client_secret = "string",
  token = "string|function", method = "string", issuer = "string",
  audience = "string|table|boolean", ttl = "number", cache = "number", timeout = "number",
  clock_skew = "number", fetch = "function", tls = "any", proxy = "string|boolean" }

local function fail(text, ...) error("mcp.auth.introspection: " .. text:format(...), 0) end

local function check(options)
  check_options("mcp.auth.introspection", options, OPTIONS, 0)
  if not options.url then fail "url is missing: the introspection endpoint" end
  -- Tokens are sent there, so the connection has to be encrypted (RFC 7662 4).
  local fine, reason = jwks.check_url(options.url)
  if not fine then fail("url: %s", reason) end
  if (options.client_secret ~= nil) ~= (options.client_id ~= nil) then
    fail "client_id and client_secret: both or none"
  end
  if (options.token ~= nil) == (options.client_id ~= nil) then
    fail "expected client_id and client_secret, or token: the endpoint asks for one (RFC 7662 2.1)"
  end
  if options.method and options.method ~= "client_secret_basic"
    and options.method ~= "client_secret_post" then
    fail("method: expected \"client_secret_basic\" or \"client_secret_post\", got %q",
      options.method)
  end
  local wrong = options.proxy ~= nil and require("mcp.proxy").error_in(options.proxy)
  if wrong then fail("%s", wrong) end
  if options.audience == true then fail "audience: expected a string, a list or false" end
  for name, range in pairs { ttl = { 0, 3600 }, cache = { 0, 1 << 30 }, timeout = { 0.01, 60 },
    clock_skew = { 0, 300 } } do
    local given = options[name]
    if given and not (given >= range[1] and given <= range[2]) then
      fail("%s: expected a number from %s to %s, got %s", name, range[1], range[2], given)
    end
  end
end

local Introspection = { __name = "mcp.auth.introspection" }
Introspection.__index = {}

function Introspection.__tostring(self) return ("mcp.auth.introspection (%s)"):format(self.url) end

-- --- what is kept -----------------------------------------------------------------------------

-- Removes expired entries; if there is still no room, all entries.
local function make_room(self, size, now)
  for key, kept in pairs(self.kept) do
    if kept.till <= now then
      self.kept[key], self.held = nil, self.held - kept.size
    end
  end
  if self.held + size > self.most then self.kept, self.held = {}, 0 end
end

local function keep(self, key, answer, seconds)
  local now, size = core.now(), answer.size + introspection.OVERHEAD
  if seconds <= 0 or size > self.most then return end
  if self.held + size > self.most then make_room(self, size, now) end
  local before = self.kept[key]
  if before then self.held = self.held - before.size end
  self.kept[key] = { answer = answer, till = now + seconds, size = size }
  self.held = self.held + size
end

-- --- asking -----------------------------------------------------------------------------------

local function form_encode(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- Asks the endpoint. { active =, claims =, size = }, or nil and the reason why there is no answer.
local function ask(self, token)
  local form = { token = token, token_type_hint = "access_token" }
  local headers = { { "Accept", "application/json" } }
  if self.client_id and self.method == "client_secret_post" then
    form.client_id, form.client_secret = self.client_id, self.client_secret
  elseif self.client_id then
    headers[2] = { "Authorization", "Basic " .. core.base64(form_encode(self.client_id) .. ":"
      .. form_encode(self.client_secret)) }
  else
    local own, reason = self.token, nil
    if type(own) == "function" then own, reason = own() end
    if type(own) ~= "string" then return nil, "no token for the endpoint: " .. tostring(reason) end
    headers[2] = { "Authorization", "Bearer " .. own }
  end
  local answer, reason = self.fetch(self.url, { form = form, headers = headers, redirects = 0,
    timeout = self.timeout, limit = introspection.LENGTH, tls = self.tls,
    only = self.url:find "^http:" and "loopback" or nil,
    proxy = not self.url:find "^http:" and self.proxy })
  if not answer then return nil, reason end
  if answer.status ~= 200 then return nil, ("status %d"):format(answer.status) end
  local claims = core.decode(answer.body)
  if not value.is_object(claims) or type(claims.active) ~= "boolean" then
    return nil, "the answer is not an introspection response (RFC 7662 2.2)"
  end
  if not claims.active then return { active = false, size = 0 } end
  return { active = true, claims = claims, size = 4 * #answer.body }
end

-- Asks in a coroutine of its own, so that cancelling one caller does not cancel the others.
local function start(self, key, token)
  local flight = { waiting = {} }
  self.flights[key], self.asking = flight, self.asking + 1
  core.spawn(function()
    local ok, answer, reason = pcall(ask, self, token)
    if not ok then answer, reason = nil, answer end
    self.flights[key], self.asking = nil, self.asking - 1
    if answer then
      local exp = answer.claims and math.type(answer.claims.exp) and answer.claims.exp
      local left = exp and exp - os.time() or math.huge
      keep(self, key, answer, answer.active and math.min(self.ttl, left)
        or math.min(self.ttl, introspection.REFUSED_TTL))
    end
    flight.answer, flight.reason = answer, reason
    for _, waiter in ipairs(flight.waiting) do waiter:wake() end
  end)
  return flight
end

-- The answer for a token, from the cache or the endpoint; else nil, reason, code.
local function find(self, token)
  local key = require("mcp.openssl").sha256(token)
  local kept = self.kept[key]
  if kept and kept.till > core.now() then return kept.answer end
  local flight = self.flights[key]
  if not flight then
    if self.asking >= introspection.ASKING then
      return nil, "too many tokens are being asked about", "EUNREACHABLE"
    end
    flight = start(self, key, token)
  end
  if flight.answer == nil and not flight.reason then
    local waiter = core.waiter()
    flight.waiting[#flight.waiting + 1] = waiter
    local ok, text, code = waiter:wait()
    if not ok then return nil, text, code end
  end
  if flight.answer then return flight.answer end
  local reason = tostring(flight.reason)
  core.log("warning", ("introspection: %s: %s"):format(self.url, reason))
  return nil, "the token cannot be asked about: " .. reason, "EUNREACHABLE"
end

-- --- judging ----------------------------------------------------------------------------------

local function is_among(accepted, given)
  if type(accepted) == "string" then return given == accepted end
  for _, known in ipairs(accepted) do
    if known == given then return true end
  end
  return false
end

-- Is the token for this server? An answer without audience is refused.
local function is_for(accepted, aud)
  if type(aud) == "string" then return is_among(accepted, aud) end
  for _, audience in ipairs(type(aud) == "table" and aud or {}) do
    if is_among(accepted, audience) then return true end
  end
  return false
end

function Introspection.__call(self, token, request)
  if #token > jwt.LENGTH then return nil, "the token is too long" end
  local answer, reason, code = find(self, token)
  if not answer then return nil, reason, code end
  if not answer.active then return nil, "the token is not active" end
  local claims = answer.claims
  local fine
  fine, reason = jwt.check_times(claims, { clock_skew = self.clock_skew, endless = true })
  if not fine then return nil, reason end
  if self.issuer and claims.iss ~= nil and claims.iss ~= self.issuer then
    return nil, "the token's issuer is not accepted"
  end
  if self.audience ~= false and not is_for(self.audience or request.resource, claims.aud) then
    return nil, "the token is for another audience, or the answer does not say for which"
  end
  return verifier.read(claims, self.issuer, request.scheme == "dpop")
end

---Checks access tokens by asking the authorization server (RFC 7662). Raises what is wrong with the
---options.
---@param options table url (https, or http on this machine), client_id and client_secret, or token
---(text, or a function that gives one); method ("client_secret_basic", "client_secret_post"),
---issuer, audience (text or list; the server's `resource` if not given; false: the endpoint knows
---only tokens of this server), ttl (seconds an answer is kept), cache (bytes), timeout, clock_skew
---(seconds), tls, proxy (its URL, or false), fetch (in place of mcp.fetch's post)
---@return table verify callable: (token, request) -> principal | nil, reason, code
function introspection.new(options)
  local ok, reason = pcall(check, options)
  if not ok then error(reason, 2) end
  return setmetatable({
    url = options.url, client_id = options.client_id, client_secret = options.client_secret,
    token = options.token, method = options.method, issuer = options.issuer,
    issuers = options.issuer and { options.issuer } or nil, audience = options.audience,
    ttl = options.ttl or introspection.TTL, most = options.cache or introspection.CACHE,
    timeout = options.timeout or introspection.TIME, clock_skew = options.clock_skew,
    tls = options.tls, proxy = options.proxy, fetch = options.fetch or require("mcp.fetch").post,
    kept = {}, held = 0, flights = {}, asking = 0,
  }, Introspection)
end

introspection.introspection = introspection.new

return introspection
