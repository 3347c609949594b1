-- SPDX-License-Identifier: MIT
-- identity: the registration of the client at one authorization server. In the order of the
-- specification: a registration made beforehand, a metadata document of the client, dynamic
-- registration (RFC 7591). Credentials of one issuer are never sent to another.
local core = require "mcp.core"
local discovery = require "mcp.auth.client.discovery"
local policy = require "mcp.auth.client.policy"
local url = require "mcp.url"
local cut = require("mcp.text").cut

local identity = {}

---How a client may authenticate, in order of preference.
identity.METHODS = { "none", "client_secret_basic", "client_secret_post" }

-- What the server takes; silence means client_secret_basic (RFC 8414 2).
local function methods_of(metadata)
  local listed = metadata.token_endpoint_auth_methods_supported
  return type(listed) == "table" and listed[1] ~= nil and listed or { "client_secret_basic" }
end

-- The method for credentials that are at hand; nil and the reason if the server takes none of them.
local function method_for(metadata, credentials)
  if credentials.method then return credentials.method end
  local taken = methods_of(metadata)
  if credentials.private_key then return "private_key_jwt" end
  if not credentials.secret then return "none" end
  for _, method in ipairs { "client_secret_basic", "client_secret_post" } do
    if discovery.has(taken, method) then return method end
  end
  return "client_secret_basic"
end

-- What was agreed beforehand, if it was with this issuer.
local function agreed(session, found, options)
  if not options.client_id or not session.is_mine(found.issuer) then return nil end
  local client = { id = options.client_id, secret = options.client_secret,
    private_key = options.private_key, key_id = options.key_id,
    algorithm = options.algorithm, method = options.token_endpoint_auth_method }
  client.method = method_for(found.metadata, client)
  return client
end

-- Native applications have their redirect on loopback, or a scheme of their own (OIDC DCR 2).
local function application_type(redirect)
  local parsed = url.parse(redirect)
  return parsed and parsed.scheme == "https" and not url.is_loopback(parsed) and "web" or "native"
end
identity.application_type = application_type

local function register(session, found, options)
  local endpoint = found.metadata.registration_endpoint
  local taken, wanted = methods_of(found.metadata), nil
  for _, method in ipairs(identity.METHODS) do
    if not wanted and discovery.has(taken, method) then wanted = method end
  end
  if not wanted then
    return nil, ("%s takes only %s to tell clients apart; register one beforehand"):format(
      found.issuer, table.concat(taken, ", "))
  end
  local answer, text = session.fetch(endpoint, {
    method = "POST", limit = policy.LENGTH, timeout = policy.TIME, only = session.policy:only(),
    redirects = 0, tls = session.tls, proxy = session.proxy,
    headers = { { "Accept", "application/json" } },
    json = {
      client_name = options.client_name, client_uri = options.client_uri,
      redirect_uris = { options.redirect_uri },
      grant_types = { "authorization_code", "refresh_token" }, response_types = { "code" },
      token_endpoint_auth_method = wanted,
      application_type = application_type(options.redirect_uri),
      scope = options.wanted_scope,
    },
  })
  if not answer then return nil, "registration: " .. text end
  local value = core.decode(answer.body)
  if answer.status ~= 201 and answer.status ~= 200 or type(value) ~= "table"
    or type(value.client_id) ~= "string" then
    local said = type(value) == "table" and type(value.error) == "string" and ": "
      .. cut(value.error, 200):gsub("%c", " ") or ""
    return nil, ("registration: %s answers with status %d%s"):format(endpoint, answer.status, said)
  end
  local secret = type(value.client_secret) == "string" and value.client_secret or nil
  local method = type(value.token_endpoint_auth_method) == "string"
    and value.token_endpoint_auth_method or (secret and wanted) or "none"
  if method == "none" then secret = nil end
  if not discovery.has(identity.METHODS, method) or method ~= "none" and not secret then
    return nil, ("registration: %s wants %s, which was not asked for"):format(endpoint,
      cut(method, 100):gsub("%c", " "))
  end
  local expires = math.tointeger(tonumber(value.client_secret_expires_at))
  return { id = value.client_id, secret = secret, method = method, registered = true,
    expires = secret and expires and expires > 0 and expires or nil,
    redirect_uri = options.redirect_uri, scope = options.wanted_scope }
end

-- Is what was registered earlier still good? Servers let a client ask for no more than the scopes
-- it was registered with.
local function is_good(client, options)
  if not client or client.redirect_uri ~= options.redirect_uri
    or client.expires and client.expires <= os.time() then
    return false
  end
  local scope = " " .. (client.scope or "") .. " "
  for word in (options.wanted_scope or ""):gmatch "%S+" do
    if not scope:find(" " .. word .. " ", 1, true) then return false end
  end
  return true
end

---The registration at this issuer. A dynamic registration is kept with the issuer.
---@param session table
---@param found mcp.auth.Found
---@param options table of the provider
---@param kept table what the store has of this issuer
---@return table|nil client id, secret, method, …
---@return string|nil message
function identity.of(session, found, options, kept)
  local client = agreed(session, found, options)
  if client then return client end
  local metadata = found.metadata
  if options.client_metadata_url and metadata.client_id_metadata_document_supported == true then
    return { id = options.client_metadata_url, method = "none" }
  end
  if is_good(kept.client, options) then return kept.client end
  if not metadata.registration_endpoint then
    return nil, ("%s has no dynamic registration: give client_id (and client_secret) of a client "
      .. "that it knows"):format(found.issuer)
  end
  local message
  client, message = register(session, found, options)
  if not client then return nil, message end
  kept.client = client
  return client
end

---The same for grants that no redirect belongs to.
---@param session table
---@param found mcp.auth.Found
---@param options table
---@return table|nil
---@return string|nil message
function identity.agreed(session, found, options)
  local client = agreed(session, found, options)
  if client then return client end
  return nil, ("the credentials are for %s, and the server wants tokens of %s"):format(
    options.issuer or "another issuer, the first that asked for them", found.issuer)
end

return identity
