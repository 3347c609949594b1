-- SPDX-License-Identifier: MIT
-- discovery: from a refused request to the authorization server's endpoints: the protected
-- resource's metadata (RFC 9728), then the authorization server's (RFC 8414, OpenID Connect
-- Discovery). A document is trusted only for the issuer or resource that it names.
local core = require "mcp.core"
local policy = require "mcp.auth.client.policy"
local value = require "mcp.value"

local discovery = {}

---What was found about one server.
---@class mcp.auth.Found
---@field resource string|nil what tokens are asked for, byte for byte; nil: there is no document
---@field scopes string[]|nil scopes_supported of the resource
---@field dpop boolean the resource takes tokens bound by DPoP only
---@field issuer string
---@field metadata table the authorization server's

-- A document: its table, or nil and a reason; the third result says that there is none. A guessed
-- address may return something else, such as a page of the site: a valid document is a JSON object
-- that names its subject in `member` (RFC 8414 3.2, RFC 9728 3.2).
local function document(session, address, what, member)
  local parsed, message = session.policy:check(address, what)
  if not parsed then return nil, message, false end
  local answer, text, code = session.fetch(address, {
    headers = { { "Accept", "application/json" }, { "MCP-Protocol-Version", session.revision } },
    limit = policy.LENGTH, timeout = policy.TIME, only = session.policy:only(),
    redirects = policy.REDIRECTS, tls = session.tls, proxy = session.proxy,
    check = function(hop) return session.policy:check(hop, what) end,
  })
  if not answer then
    return nil, ("%s: %s: %s"):format(what, address, text), code == "ETOOBIG"
  end
  if answer.status ~= 200 then
    return nil, ("%s: %s answers with status %d"):format(what, address, answer.status),
      answer.status < 500
  end
  local found, reason = core.decode(answer.body)
  if not value.is_object(found) then
    return nil, ("%s: %s is no JSON object%s"):format(what, address,
      reason and ": " .. reason or ""),
      true
  end
  if type(found[member]) ~= "string" then
    return nil, ("%s: %s: %s: expected a string, got %s"):format(what, address, member,
      found[member] == nil and "none" or value.kind(found[member])), true
  end
  return found
end

-- A well-known address: the name goes between the authority and the path (RFC 9728 3.1).
local function well_known(parsed, name, path)
  if path == "/" then path = "" end
  return parsed.origin .. "/.well-known/" .. name .. path
end

-- Is `resource` the server or above it: the same origin, and its path or a parent of it?
local function covers(session, resource)
  local parsed = session.policy:check(resource, "resource")
  if not parsed or parsed.origin ~= session.server.origin then return false end
  local parent, path = (parsed.path or "/"):gsub("/+$", ""), session.server.path or "/"
  return path == parent or path:sub(1, #parent + 1) == parent .. "/" or parent == ""
end

-- The resource's own document, or nil and the reason; nil alone where there is none at all.
local function resource_document(session, announced)
  local server = session.server
  local places = { well_known(server, "oauth-protected-resource", server.path or "/"),
    well_known(server, "oauth-protected-resource", "") }
  if announced then
    -- Only a document of the server's own is its word (RFC 9728 3.3 compares what it says).
    places = { announced }
  elseif places[1] == places[2] then
    places[2] = nil
  end
  for _, place in ipairs(places) do
    local found, message, missing = document(session, place, "protected resource metadata",
      "resource")
    if found then
      if not covers(session, found.resource) then
        return nil, ("protected resource metadata: %s is about %s, not about %s"):format(place,
          tostring(found.resource), session.server.text)
      end
      return found
    end
    if announced or not missing then return nil, message end
  end
  return nil
end

local function has(list, wanted)
  for _, item in ipairs(type(list) == "table" and list or {}) do
    if item == wanted then return true end
  end
  return false
end
discovery.has = has

-- The addresses of an issuer's metadata, in the order of the specification: never the root where
-- the issuer has a path.
local function metadata_places(parsed)
  local path = (parsed.path or "/"):gsub("/+$", "")
  if path == "" then
    return { well_known(parsed, "oauth-authorization-server", ""),
      well_known(parsed, "openid-configuration", "") }
  end
  return { well_known(parsed, "oauth-authorization-server", path),
    well_known(parsed, "openid-configuration", path),
    parsed.origin .. path .. "/.well-known/openid-configuration" }
end

local ENDPOINTS = { "authorization_endpoint", "token_endpoint", "registration_endpoint" }

-- The metadata of `issuer`, or nil and the reason; nil alone where there is none.
local function issuer_document(session, issuer)
  local parsed, message = session.policy:check(issuer, "authorization server")
  if not parsed then return nil, message end
  for _, place in ipairs(metadata_places(parsed)) do
    local found, reason, missing = document(session, place, "authorization server metadata",
      "issuer")
    if found then
      -- RFC 8414 3.3: the very same string, or the document belongs to another issuer.
      if found.issuer ~= issuer then
        return nil, ("authorization server metadata: %s names the issuer %s, not %s"):format(
          place, tostring(found.issuer), issuer)
      end
      for _, name in ipairs(ENDPOINTS) do
        if found[name] == core.null then found[name] = nil end
        if found[name] ~= nil then
          local fine, problem = session.policy:check(found[name], name)
          if not fine then return nil, problem end
        end
      end
      return found
    end
    if not missing then return nil, reason end
  end
  return nil
end

-- What a server of 2025-03-26 has: no resource document; its own root is the issuer, and if that
-- has no metadata its endpoints stand at their usual places.
local function of_origin(session)
  local issuer = session.server.origin
  local metadata, message = issuer_document(session, issuer)
  if message then return nil, message end
  return { issuer = issuer, dpop = false, metadata = metadata or {
    issuer = issuer, authorization_endpoint = issuer .. "/authorize",
    token_endpoint = issuer .. "/token", registration_endpoint = issuer .. "/register",
    code_challenge_methods_supported = { "S256" },
    token_endpoint_auth_methods_supported = { "none", "client_secret_post" },
  } }
end

---Finds the authorization server of a resource server.
---@param session table server (parsed, with `text`), policy, fetch, revision, tls, choose
---@param announced string|nil resource_metadata of the challenge
---@return mcp.auth.Found|nil
---@return string|nil message
function discovery.find(session, announced)
  local resource, message = resource_document(session, announced)
  if message then return nil, message end
  if not resource then return of_origin(session) end
  local servers = resource.authorization_servers
  if type(servers) ~= "table" or type(servers[1]) ~= "string" then
    return nil, "protected resource metadata: authorization_servers is empty"
  end
  local issuer = session.choose(servers)
  if not has(servers, issuer) then
    return nil, ("authorization server %s is not one of those that the server names"):format(
      tostring(issuer))
  end
  local metadata
  metadata, message = issuer_document(session, issuer)
  if not metadata then
    return nil, message or ("authorization server metadata: %s has none"):format(issuer)
  end
  return { resource = resource.resource, scopes = resource.scopes_supported, issuer = issuer,
    dpop = resource.dpop_bound_access_tokens_required == true, metadata = metadata }
end

return discovery
