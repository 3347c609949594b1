-- SPDX-License-Identifier: MIT
-- grants: the ways to a token. Each is a function that has what was discovered and returns tokens;
-- which one is used is the provider's setting. Those without a user are the extensions: client
-- credentials, enterprise-managed authorization, workload identity.
local code = require "mcp.auth.client.code"
local identity = require "mcp.auth.client.identity"
local token = require "mcp.auth.client.token"
local url = require "mcp.url"

local grants = {}

local JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
local TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
local ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
local ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"

-- The settings of one flow, with where the browser comes back to: the user's own affair, or a
-- listener of ours, to be closed afterwards.
local function flow_of(options, kept, scope)
  local flow = setmetatable({ wanted_scope = scope }, { __index = options })
  if options.on_authorize then return flow end
  local before = kept.client and kept.client.redirect_uri
  local listening, message = require("mcp.auth.client.loopback").open(options.redirect_uri,
    before, options.loopback)
  if not listening then return nil, message end
  flow.redirect_uri = listening.uri
  flow.on_authorize = function(address) return listening:come(address) end
  return flow, nil, listening
end

---The user, in a browser.
function grants.authorization_code(session, found, settings, kept, scope)
  local options, problem, listening = flow_of(settings, kept, scope)
  local _ <close> = listening
  if not options then return nil, problem, "EINVAL" end
  local client, message = identity.of(session, found, options, kept)
  if not client then return nil, message, "EINVAL" end
  local tokens, text, reason = code.run(session, found, client, options, scope)
  if not tokens and reason == "invalid_client" and client.registered then
    -- The server has forgotten us: once more from the start.
    kept.client = nil
    client, message = identity.of(session, found, options, kept)
    if not client then return nil, message, "EINVAL" end
    tokens, text, reason = code.run(session, found, client, options, scope)
  end
  -- It is the one who may refresh them.
  if tokens then tokens.client = client end
  return tokens, text, reason
end

---The client itself, by its secret or its key.
function grants.client_credentials(session, found, options, _, scope)
  local client, message = identity.agreed(session, found, options)
  if not client then return nil, message, "EINVAL" end
  return token.ask(session, found, client, { grant_type = "client_credentials", scope = scope })
end

-- A setting that may be a function which finds it.
local function value_of(setting, name, ...)
  if type(setting) == "function" then
    local fine, value, reason = pcall(setting, ...)
    if not fine then return nil, name .. ": " .. tostring(value) end
    setting = value
    if setting == nil and reason then return nil, name .. ": " .. tostring(reason) end
  end
  if type(setting) ~= "string" or setting == "" then
    return nil, ("%s: expected a string, got %s"):format(name, type(setting))
  end
  return setting
end

---A company's identity provider vouches for the user (enterprise-managed authorization): its id
---token becomes an assertion for the authorization server (RFC 8693), and that a token.
function grants.enterprise(session, found, options, _, scope)
  local client, message = identity.agreed(session, found, options)
  if not client then return nil, message, "EINVAL" end
  -- What vouches for the user is for the issuer: metadata must not take it elsewhere.
  local issuer, endpoint = url.parse(found.issuer), url.parse(found.metadata.token_endpoint or "")
  if not issuer or not endpoint or issuer.origin ~= endpoint.origin then
    return nil, ("%s has its token_endpoint at another origin"):format(found.issuer), "EINVAL"
  end
  local id_token
  id_token, message = value_of(options.id_token, "id_token")
  if not id_token then return nil, message, "EINVAL" end
  local form = {
    grant_type = TOKEN_EXCHANGE, subject_token = id_token, subject_token_type = ID_TOKEN,
    requested_token_type = ID_JAG, audience = found.issuer, resource = found.resource,
    client_id = options.idp_client_id, client_secret = options.idp_client_secret, scope = scope,
  }
  -- The proof of a key belongs to the token, not to the assertion.
  local plain = setmetatable({ prover = false }, { __index = session })
  local value, text, reason = token.post(plain, options.idp_token_endpoint, form, {})
  if not value then return nil, "the identity provider: " .. text, reason end
  if type(value.access_token) ~= "string" or value.issued_token_type ~= ID_JAG then
    return nil, "the identity provider gives no assertion of the type " .. ID_JAG, "EINVAL"
  end
  return token.ask(session, found, client,
    { grant_type = JWT_BEARER, assertion = value.access_token, scope = scope })
end

---The platform vouches for what runs on it (workload identity): its assertion becomes a token.
function grants.workload(session, found, options, _, scope)
  if options.issuer and options.issuer ~= found.issuer then
    return nil, ("the assertion is for %s, and the server wants tokens of %s"):format(
      options.issuer, found.issuer), "EINVAL"
  end
  local assertion, message = value_of(options.assertion, "assertion", found.issuer)
  if not assertion then return nil, message, "EINVAL" end
  local client
  if options.client_id then
    client, message = identity.agreed(session, found, options)
    if not client then return nil, message, "EINVAL" end
  end
  return token.ask(session, found, client,
    { grant_type = JWT_BEARER, assertion = assertion, scope = scope })
end

---A new token for an old one (RFC 6749 6). The refresh token that comes with it replaces the old.
function grants.refresh(session, found, client, tokens)
  local new, text, reason = token.ask(session, found, client,
    { grant_type = "refresh_token", refresh_token = tokens.refresh })
  if not new then return nil, text, reason end
  new.refresh = new.refresh or tokens.refresh
  new.scope = new.scope or tokens.scope
  new.client = client
  return new
end

return grants
