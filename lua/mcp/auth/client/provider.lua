-- SPDX-License-Identifier: MIT
-- provider: gives a client's transport its tokens, and learns from it when one was refused. It
-- knows grants, not transports. Metadata is kept by resource, registrations and tokens by issuer; a
-- request that needs a new token while one is being fetched waits for it.
local core = require "mcp.core"
local challenge = require "mcp.auth.client.challenge"
local discovery = require "mcp.auth.client.discovery"
local dpop = require "mcp.auth.client.dpop"
local grants = require "mcp.auth.client.grants"
local policy = require "mcp.auth.client.policy"
local store = require "mcp.auth.client.store"
local url = require "mcp.url"

local provider = {}

---A token that expires within this time is replaced before it is used. In seconds.
provider.SLACK = 30
---How often a server may ask for more scopes. Each time there must be a new one among them.
provider.STEP_UPS = 8

local Provider = { __name = "mcp.auth" }
Provider.__index = Provider

function Provider.__tostring(self) return ("mcp.auth.%s"):format(self.name) end

-- The union of some scopes, in order and without repeats. Values that are not strings are ignored:
-- they come from servers.
local function union(...)
  local seen, list, scopes = {}, {}, table.pack(...)
  for i = 1, scopes.n do
    local scope = type(scopes[i]) == "string" and scopes[i] or ""
    for word in scope:gmatch "%S+" do
      if not seen[word] then
        seen[word] = true
        list[#list + 1] = word
      end
    end
  end
  return list[1] and table.concat(list, " ") or nil
end

-- The same for a list in a document.
local function scope_of(list)
  local texts = {}
  for _, word in ipairs(type(list) == "table" and list or {}) do
    if type(word) == "string" then texts[#texts + 1] = word end
  end
  return union(table.concat(texts, " "))
end

local function is_within(scope, other)
  return union(other, scope) == union(other)
end

-- The upgrade to WebSocket is a request of HTTP, and so are those for metadata.
local function as_http(address)
  return (address:gsub("^[wW][sS]([sS]?:)", "http%1"))
end

-- The address that tokens are kept under: the server's, without query.
local function resource_of(address)
  address = as_http(address)
  local parsed, message = url.parse(address)
  if not parsed then return nil, message end
  parsed.text = address
  return parsed.origin .. (parsed.path or "/"), parsed
end

-- What the store has of the issuer: a registration, and tokens by resource.
local function kept_of(self, record)
  local kept = self.store:get("issuer " .. record.found.issuer) or {}
  kept.tokens = kept.tokens or {}
  return kept
end

local function keep(self, record, kept)
  self.store:set("issuer " .. record.found.issuer, kept)
  self.store:set("resource " .. record.key, { found = record.found })
end

-- What it has for a server; no token whose key is gone with an earlier process (RFC 9449 6).
local function tokens_of(self, record)
  local tokens = record.found and kept_of(self, record).tokens[record.key]
  if not tokens or tokens.kind ~= "DPoP" then return tokens end
  local prover = record.session.prover
  return prover and tokens.bound == prover.jwk.x and tokens or nil
end

-- Are the credentials that the user gave for this issuer? Where the user has not said so, they are
-- for the first one that asked for them (SEC-78).
local function is_mine(self, issuer)
  if self.options.issuer then return self.options.issuer == issuer end
  local key = "client " .. self.options.client_id
  local kept = self.store:get(key)
  if not kept then
    self.store:set(key, { issuer = issuer })
    return true
  end
  return kept.issuer == issuer
end

-- What is known about one server.
local function record_of(self, address)
  -- Nearly all requests go to the address of the one before.
  if self.address == address then return self.last end
  local key, parsed = resource_of(address)
  if not key then return nil, parsed end
  local record = self.records[key]
  if record then
    self.address, self.last = address, record
    return record
  end
  record = { key = key, step_ups = 0 }
  record.session = {
    server = parsed, revision = self.revision, tls = self.options.tls,
    proxy = self.options.proxy,
    policy = policy.for_server(parsed, self.options.allow_private),
    fetch = self.options.fetch or function(where, options)
      return require("mcp.fetch").request(where, options)
    end,
    choose = function(issuers) return self:choose(issuers) end,
    is_mine = function(issuer) return is_mine(self, issuer) end,
    prover = self.prover,
  }
  local kept = self.store:get("resource " .. key)
  if kept and kept.found then
    record.found = kept.found
    local tokens = tokens_of(self, record)
    record.scope = tokens and tokens.scope
  end
  self.records[key] = record
  return record
end

-- Which of several authorization servers: the user's choice, or the one that the credentials are
-- for, or the first.
function Provider:choose(issuers)
  if self.options.choose_issuer then return self.options.choose_issuer(issuers) end
  if self.options.issuer and discovery.has(issuers, self.options.issuer) then
    return self.options.issuer
  end
  return issuers[1]
end

-- One flight at a time for each server (SEC-80): other callers wait for its result. If the caller
-- that leads it is cancelled, one of the others takes over.
local function fly(record, fn)
  while record.flight do
    record.flight[#record.flight + 1] = core.waiter()
    local outcome, text, code = record.flight[#record.flight]:wait()
    if not outcome then return nil, text, code end
    if outcome.over then return table.unpack(outcome, 1, 3) end
  end
  if not fn then return true end
  local waiting, outcome = {}, { over = false }
  record.flight = waiting
  local _ <close> = setmetatable({}, { __close = function()
    record.flight = nil
    for _, waiter in ipairs(waiting) do waiter:wake(outcome) end
  end })
  outcome = { fn() }
  outcome.over = true
  return table.unpack(outcome, 1, 3)
end

-- A new token by the refresh token. true; or nil, text, code.
local function refresh(self, record)
  local kept = kept_of(self, record)
  local tokens = kept.tokens[record.key]
  if not tokens or not tokens.refresh then return nil, "no refresh token", "ENOENT" end
  local client = tokens.client
  local new, text, code = grants.refresh(record.session, record.found, client, tokens)
  if not new then
    if code == "invalid_grant" or code == "invalid_client" then
      kept.tokens[record.key] = nil
      if code == "invalid_client" then kept.client = nil end
      keep(self, record, kept)
    end
    return nil, text, code
  end
  kept.tokens[record.key] = new
  -- The new refresh token is safe before the access token is used.
  keep(self, record, kept)
  return true
end

-- Can a token be renewed there without the user? Silence about the grants leaves it open.
local function may_renew(metadata)
  local known = metadata.grant_types_supported
  return discovery.has(metadata.scopes_supported, "offline_access")
    and (type(known) ~= "table" or discovery.has(known, "refresh_token"))
end

-- The scope to ask for (protocol: scope selection).
local function scope_for(self, found, demanded)
  local scope = demanded or self.options.scope or scope_of(found.scopes)
  if self.offline and may_renew(found.metadata) then scope = union(scope, "offline_access") end
  return scope
end

-- The whole way to a token, from what the server said. true; or nil, text, code.
local function authorize(self, record, asked)
  local announced = asked and asked.params.resource_metadata
  local demanded = asked and asked.params.scope
  local session = record.session
  local found, text = discovery.find(session, announced)
  if not found then return nil, text, "EACCES" end
  if record.found and record.found.issuer ~= found.issuer then
    core.log("notice", ("%s has another authorization server now: %s"):format(record.key,
      found.issuer))
    -- What the old one granted says nothing about the new one.
    record.scope = nil
  end
  record.found = found
  local bound = found.dpop or asked and asked.scheme == "dpop"
  if bound and not session.prover then session.prover = dpop.prover() end
  local kept = kept_of(self, record)
  -- What was granted before is not given up for what is wanted now.
  local scope = scope_for(self, found, union(record.scope, demanded))
  local tokens, reason, code = self.grant(session, found, self.options, kept, scope)
  if not tokens then
    keep(self, record, kept)
    return nil, reason, code
  end
  record.scope = union(record.scope, scope, tokens.scope)
  kept.tokens[record.key] = tokens
  keep(self, record, kept)
  return true
end

local function is_fresh(tokens)
  return not tokens.expires or tokens.expires - os.time() > provider.SLACK
end

---The fields that go with a request. None if there is no token yet: the server will say what it
---wants.
---@param request table url, method
---@return table|nil fields { { name, value }, … }; nil, text, code if no token could be had
---@return string|nil text
---@return string|nil code
function Provider:headers(request)
  local record, message = record_of(self, request.url)
  if not record then return nil, message, "EINVAL" end
  if record.flight then
    local fine, text, code = fly(record)
    if not fine then return nil, text, code end
  end
  local tokens = tokens_of(self, record)
  if tokens and not is_fresh(tokens) and tokens.refresh then
    -- What fails here is settled when the server refuses the old one.
    fly(record, function() return refresh(self, record) end)
    tokens = tokens_of(self, record)
  end
  if not tokens then return {} end
  local fields = { { "Authorization", tokens.kind .. " " .. tokens.access } }
  if tokens.kind == "DPoP" then
    local prover = record.session.prover
    fields[2] = { "DPoP", prover:proof(request.method, as_http(request.url), tokens.access) }
  end
  return fields
end

-- Was it sent with the token that is in use now?
local function is_current(self, record, sent)
  local tokens = tokens_of(self, record)
  if not tokens then return true end
  for _, field in ipairs(sent or {}) do
    if field[1] == "Authorization" then return field[2] == tokens.kind .. " " .. tokens.access end
  end
  return sent == nil
end

-- A request is refreshed for once and authorized for once: a server that takes no token that was
-- just issued will take none.
local function unauthorized(self, record, asked, facts)
  local prover, memory = record.session.prover, facts.memory or {}
  local nonce = facts.header "dpop-nonce"
  if prover and prover:learn(as_http(facts.url), nonce) and asked
    and asked.params.error == "use_dpop_nonce" then
    return true
  end
  -- Another call has fetched a new one meanwhile.
  if not is_current(self, record, facts.sent) then return true end
  if memory.authorized then
    return nil, "the server refuses a token that was just issued for it (401)", "EACCES"
  end
  local fine, text, code = fly(record, function()
    local tokens = tokens_of(self, record)
    if tokens and tokens.refresh and not memory.refreshed then
      memory.refreshed = true
      if refresh(self, record) then return true end
    end
    memory.authorized = true
    return authorize(self, record, asked)
  end)
  return fine, text, code
end

local function forbidden(self, record, asked, facts)
  if not asked or asked.params.error ~= "insufficient_scope" then
    return nil, "the server forbids it (403)", "EACCES"
  end
  -- Another call has obtained more scopes meanwhile.
  if not is_current(self, record, facts.sent) then return true end
  local wanted = asked.params.scope
  if not wanted or (record.scope and is_within(wanted, record.scope)) then
    return nil, ("the server wants the scope %s, which the token has already been asked for")
      :format(wanted or "(it does not say which)"), "EACCES"
  end
  if record.step_ups >= provider.STEP_UPS then
    return nil, ("the server has asked for more scopes %d times"):format(record.step_ups), "EACCES"
  end
  -- A refresh cannot widen: the user is asked again, for all of it (T-100).
  return fly(record, function()
    record.step_ups = record.step_ups + 1
    return authorize(self, record, asked)
  end)
end

---A request was refused.
---@param facts table status, url, method, header (function), sent (the fields it went out with),
---memory (what we keep of this one request)
---@return boolean|nil again true: send it again
---@return string|nil text
---@return string|nil code
function Provider:challenged(facts)
  local record, message = record_of(self, facts.url)
  if not record then return nil, message, "EINVAL" end
  local asked = challenge.bearer(facts.header "www-authenticate", record.session.prover and "dpop")
  if facts.status == 403 then return forbidden(self, record, asked, facts) end
  if facts.status ~= 401 then return nil, "not a matter of authorization", "EINVAL" end
  return unauthorized(self, record, asked, facts)
end

---@param name string
---@param grant function
---@param options table checked
---@return table
function provider.new(name, grant, options)
  return setmetatable({
    name = name, grant = grant, options = options, records = {},
    store = options.store or store.memory(),
    prover = options.dpop and dpop.prover() or nil,
    revision = options.revision, offline = options.offline,
  }, Provider)
end

return provider
