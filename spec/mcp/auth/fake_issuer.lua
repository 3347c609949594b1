-- SPDX-License-Identifier: MIT
-- An authorization server and a protected server's documents in memory: what a client's fetches get
-- instead of the network. Everything it is told can be seen afterwards.
local core = require "mcp.core"
local jwt = require "mcp.auth.jwt"

local fake = {}

local SERVER, ISSUER = "http://localhost:1001", "http://localhost:1002"

local Issuer = {}
Issuer.__index = Issuer

local function json(status, value)
  return { status = status, headers = { ["content-type"] = "application/json" },
    body = core.encode(value) }
end

-- The values of a query or a form.
local function values_of(text)
  local values = {}
  for name, value in text:gmatch "([^&=]+)=([^&]*)" do
    values[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
  end
  return values
end

function fake.new(settings)
  local self = setmetatable({
    seen = {}, asked = {}, tokens = 0, registered = 0, authorized = {}, refused = {},
    server = SERVER .. "/mcp", issuer = ISSUER,
  }, Issuer)
  self.resource = { resource = SERVER .. "/mcp", authorization_servers = { ISSUER } }
  self.metadata = {
    issuer = ISSUER, authorization_endpoint = ISSUER .. "/authorize",
    token_endpoint = ISSUER .. "/token", registration_endpoint = ISSUER .. "/register",
    code_challenge_methods_supported = { "S256" },
    grant_types_supported = { "authorization_code", "refresh_token" },
    token_endpoint_auth_methods_supported = { "none" },
    authorization_response_iss_parameter_supported = true,
  }
  self.documents = {
    [SERVER .. "/.well-known/oauth-protected-resource/mcp"] = function() return self.resource end,
    [ISSUER .. "/.well-known/oauth-authorization-server"] = function() return self.metadata end,
  }
  for key, value in pairs(settings or {}) do self[key] = value end
  return self
end

---What the provider fetches with.
function Issuer:fetch()
  return function(address, options)
    self.seen[#self.seen + 1] = (options.method or "GET") .. " " .. address
    self.last = options
    if self.fetched then
      local answer, text, code = self.fetched(address, options)
      if answer ~= nil or text then return answer, text, code end
    end
    local document = self.documents[address]
    if document then return json(200, document()) end
    if address == self.metadata.registration_endpoint then
      self.registered = self.registered + 1
      self.registration = options.json
      return json(201, { client_id = "client-" .. self.registered,
        client_secret = self.secret,
        token_endpoint_auth_method = options.json.token_endpoint_auth_method })
    end
    if address == self.metadata.token_endpoint then return self:token(options) end
    return { status = 404, headers = {}, body = "" }
  end
end

function Issuer:token(options)
  local form = options.form
  self.asked[#self.asked + 1] = { form = form, headers = options.headers }
  if self.refuse_token then
    local status, value = self.refuse_token(form, options)
    if status then return json(status, value) end
  end
  if form.grant_type == "authorization_code" then
    local challenge = jwt.to_base64url(require("mcp.openssl").sha256(form.code_verifier))
    if challenge ~= self.challenge then return json(400, { error = "invalid_grant" }) end
  end
  self.tokens = self.tokens + 1
  return json(200, { access_token = "token-" .. self.tokens, token_type = self.kind or "Bearer",
    expires_in = self.expires or 3600, scope = self.granted, refresh_token = self.refresh })
end

---The user: says yes, and the browser comes back.
function Issuer:authorize(change)
  return function(address)
    local values = values_of(address:match "%?(.*)")
    self.authorized[#self.authorized + 1] = values
    self.challenge = values.code_challenge
    local answer = { code = "code-1", state = values.state, iss = self.issuer }
    if change then change(answer) end
    local parts = {}
    for key, value in pairs(answer) do parts[#parts + 1] = key .. "=" .. value end
    return values.redirect_uri .. "?" .. table.concat(parts, "&")
  end
end

---A refusal as the transport tells it.
function Issuer:refusal(status, challenge, more)
  local fields = { ["www-authenticate"] = challenge }
  for key, value in pairs(more or {}) do fields[key] = value end
  return { status = status, url = self.server, method = "POST",
    header = function(name) return fields[name:lower()] end }
end

return fake
