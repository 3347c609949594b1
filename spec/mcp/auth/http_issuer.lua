-- SPDX-License-Identifier: MIT
-- An authorization server over HTTP, in this process: clients register, its user says yes, tokens
-- are JWTs for the resource they were asked for. All that must stay secret is kept in `secrets`.
local core = require "mcp.core"
local jwt = require "mcp.auth.jwt"
local raw_server = require "spec.raw_server"

local http_issuer = {}

local function values_of(text)
  local values = {}
  for name, value in text:gmatch "([^&=]+)=([^&]*)" do
    values[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
  end
  return values
end

local Issuer = {}
Issuer.__index = Issuer
Issuer.__close = function(self) self.server:close() end

-- Something new that nobody may see.
function Issuer:secret(what)
  local text = what .. core.random_id()
  self.secrets[#self.secrets + 1] = text
  return text
end

function Issuer:metadata()
  return { issuer = self.url, authorization_endpoint = self.url .. "/authorize",
    token_endpoint = self.url .. "/token", registration_endpoint = self.url .. "/register",
    jwks_uri = self.url .. "/jwks", code_challenge_methods_supported = { "S256" },
    response_types_supported = { "code" }, scopes_supported = { "notes", "notes:write" },
    token_endpoint_auth_methods_supported = { "client_secret_post" },
    authorization_response_iss_parameter_supported = true }
end

local routes = {}

routes["GET /.well-known/oauth-authorization-server"] = function(self) return self:metadata() end

routes["GET /jwks"] = function(self) return { keys = { self.jwk } } end

routes["POST /register"] = function(self, request)
  self.registered = self.registered + 1
  self.scope = request.message.scope
  return { client_id = "client", client_secret = self:secret "cs-",
    registration_access_token = self:secret "rat-",
    token_endpoint_auth_method = "client_secret_post" }
end

routes["GET /authorize"] = function(self, request, connection)
  local values = values_of(request.target:match "%?(.*)")
  local code = self:secret "ac-"
  self.authorized[#self.authorized + 1] = values
  self.codes[code] = values
  connection:answer(302, { Location = ("%s?code=%s&state=%s&iss=%s"):format(values.redirect_uri,
    code, values.state, self.url) })
end

routes["POST /token"] = function(self, request)
  local form = values_of(request.body)
  self.asked[#self.asked + 1] = form
  self.secrets[#self.secrets + 1] = form.code_verifier
  local grant = self.codes[form.code or form.refresh_token]
  assert(grant, "an unknown grant")
  self.codes[form.code or form.refresh_token] = nil
  if form.code_verifier then
    assert(grant.code_challenge
      == jwt.to_base64url(require("mcp.openssl").sha256(form.code_verifier)))
  end
  local refresh = self:secret "rt-"
  self.codes[refresh] = grant
  local access = assert(jwt.sign({ alg = "EdDSA" }, { iss = self.url, aud = form.resource,
    sub = "ada", scope = grant.scope, exp = os.time() + 60, jti = core.random_id() }, self.pem))
  self.secrets[#self.secrets + 1] = access
  return { access_token = access, token_type = "Bearer", refresh_token = refresh,
    -- The first one is over before it is used.
    expires_in = #self.asked == 1 and 1 or 60 }
end

function http_issuer.start()
  local self = setmetatable({ secrets = {}, codes = {}, asked = {}, authorized = {},
    registered = 0 }, Issuer)
  self.pem, self.jwk = require("mcp.openssl").generate_key "EdDSA"
  self.server = raw_server.start(function(request, connection)
    local route = routes[request.method .. " " .. request.target:match "^[^?]*"]
    if not route then return 404, {}, "" end
    local value = route(self, request, connection)
    if value then connection:json(200, value) end
  end)
  self.url = ("http://127.0.0.1:%d"):format(self.server.port)
  return self
end

return http_issuer
