-- SPDX-License-Identifier: MIT
-- verifier: functions for the `verify` of a server's `auth`: from a token to its principal. They
-- know nothing of HTTP.
local jwks = require "mcp.auth.jwks"
local jwt = require "mcp.auth.jwt"
local check_options = require("mcp.options").check
local principal = require "mcp.auth.server.principal"
local url = require "mcp.url"
local value = require "mcp.value"

local verifier = {}

local OPTIONS = { issuer = "string", issuers = "table", audience = "string|table",
  jwks = "string|table", algorithms = "table", clock_skew = "number", typ = "string",
  refresh = "number", ttl = "number", fetch = "function", tls = "any",
  proxy = "string|boolean" }

local function fail(text, ...) error("mcp.auth.jwt: " .. text:format(...), 0) end

local function check(options)
  check_options("mcp.auth.jwt", options, OPTIONS, 0)
  for _, name in ipairs(options.algorithms or {}) do
    if not jwt.ALGORITHMS[name] then
      fail("algorithms: unsupported algorithm %q; supported are RS256, PS256, ES256 and EdDSA",
        tostring(name))
    end
  end
  if options.algorithms and not options.algorithms[1] then
    fail "algorithms: expected at least one, got an empty list"
  end
  if options.clock_skew and not (options.clock_skew >= 0 and options.clock_skew <= 300) then
    fail "clock_skew: expected seconds from 0 to 300"
  end
end

-- An issuer has neither query nor fragment (RFC 8414 2).
local function check_issuer(text)
  local parsed, reason = url.parse(text)
  if not parsed then fail("issuer: %s", reason) end
  if parsed.query or parsed.fragment then
    fail("issuer: expected a URL without query and fragment, got %s", text)
  end
end

-- The key sets by issuer. Each issuer has its own, so that none can sign for another.
local function sets_of(options)
  local function set(given)
    local with = type(given) == "table" and (given.url or given.file or given.keys and given.fetch)
      and given or nil
    if not with then
      with = type(given) == "table" and { keys = given }
        or given:find "^https?://" and { url = given } or { file = given }
    end
    local own = { fetch = options.fetch, tls = options.tls, proxy = options.proxy,
      refresh = options.refresh, ttl = options.ttl }
    for name, member in pairs(with) do own[name] = member end
    local made = jwks.new(own)
    made.memo = jwt.memo()
    return made
  end
  local sets = {}
  if options.issuers then
    if options.issuer or options.jwks then fail "issuer and jwks, or issuers; not both" end
    for issuer, given in pairs(options.issuers) do
      check_issuer(issuer)
      sets[issuer] = set(given)
    end
    if not next(sets) then fail "issuers: there is none" end
    return sets
  end
  if not options.issuer then fail "issuer is missing" end
  if not options.jwks then fail "jwks is missing: an address, a file, or a table of keys" end
  check_issuer(options.issuer)
  sets[options.issuer] = set(options.jwks)
  return sets
end

local Verifier = { __name = "mcp.auth.jwt" }

function Verifier.__tostring(self)
  return ("mcp.auth.jwt (%s)"):format(table.concat(self.issuers, ", "))
end

-- The key that a token is bound to (RFC 7800): the thumbprint of one that DPoP can show, false if
-- it is bound to none. Other bindings (mTLS) cannot be checked here: nil and a reason.
local function bound_to(cnf)
  if cnf == nil then return false end
  local print = value.is_object(cnf) and cnf.jkt
  if type(print) ~= "string" then return nil, "the token is bound to a key that is not DPoP's" end
  for name in pairs(cnf) do
    if name ~= "jkt" then return nil, "the token is bound to a key that is not DPoP's" end
  end
  return print
end

-- Claims that must be strings if present (RFC 7519 4.1, RFC 9068 2.2).
local TEXTS = { "sub", "client_id", "azp", "jti" }

---The principal of a token by its claims, as RFC 9068 2.2 and older servers name them. A
---claim of another kind than it must be makes the token malformed; null is as if it were not there.
---@param claims table
---@param issuer string|nil where the claims do not say
---@param proved boolean|nil the client will have to prove that key: else it is refused
---@return table|nil found as `verify` returns it, and bound_to: the thumbprint of the key that the
---token is bound to (RFC 9449 6), if it is
---@return string|nil reason
function verifier.read(claims, issuer, proved)
  local bound, wrong = bound_to(claims.cnf)
  if bound == nil then return nil, wrong end
  if bound and not proved then
    return nil, "the token is bound to a key, and was shown without a proof"
  end
  local texts = {}
  for _, name in ipairs(TEXTS) do
    local given = claims[name]
    if type(given) == "string" then
      texts[name] = given
    elseif given ~= nil and given ~= value.null then
      return nil, ("the token is malformed: %s: expected a string"):format(name)
    end
  end
  local name = (claims.scope ~= nil and claims.scope ~= value.null) and "scope" or "scp"
  local scopes = claims[name]
  if scopes == value.null then scopes = nil end
  if type(scopes) == "table" and not value.is_array(scopes) then
    return nil, ("the token is malformed: %s: expected a string or a list"):format(name)
  end
  local list, reason = principal.scopes(scopes)
  if not list then return nil, ("the token is malformed: %s%s"):format(name, reason) end
  local found = { subject = texts.sub, client = texts.client_id or texts.azp,
    issuer = claims.iss or issuer, expires = claims.exp, claims = claims, scopes = scopes,
    bound_to = bound or nil }
  if (found.subject or "") == "" and (found.client or "") == "" then
    return nil, "the token says neither subject nor client"
  end
  return found
end

function Verifier.__call(self, token, request)
  local unread, reason = jwt.parse(token)
  if not unread then return nil, reason end
  -- Before verification only the issuer is read, to choose the keys.
  local issuer = unread.claims.iss
  local set = type(issuer) == "string" and self.sets[issuer]
  if not set then return nil, "the token's issuer is not accepted" end
  local claims, text, code = jwt.verify(token, {
    issuer = issuer, audience = self.audience or request.resource, algorithms = self.algorithms,
    typ = self.typ, clock_skew = self.clock_skew, memo = set.memo,
    keys = function(header) return set:find(header) end,
  })
  if not claims then return nil, text, code end
  return verifier.read(claims, nil, request.scheme == "dpop")
end

---Checks access tokens that are JWTs (RFC 9068, RFC 8725). Raises what is wrong with the options.
---@param options table issuer (byte for byte) and jwks (an address, a file, a table of keys), or
---issuers { [issuer] = jwks, … }; audience (text or list; the server's `resource` if not given),
---algorithms (of RS256, PS256, ES256, EdDSA; all of them), clock_skew (seconds), typ ("at+jwt" to
---take nothing else), refresh (seconds between two looks for an unknown key id), ttl (seconds a set
---is kept), fetch (in place of mcp.fetch's get), tls (a context, for fetching), proxy (its
---URL, or false)
---@return table verify callable: (token, request) -> principal | nil, reason, code
function verifier.jwt(options)
  local ok, made = pcall(function()
    check(options)
    local sets, issuers = sets_of(options), {}
    for issuer in pairs(sets) do issuers[#issuers + 1] = issuer end
    table.sort(issuers)
    return setmetatable({
      sets = sets, issuers = issuers, audience = options.audience,
      algorithms = options.algorithms, clock_skew = options.clock_skew, typ = options.typ,
    }, Verifier)
  end)
  if not ok then error(made, 2) end
  return made
end

return verifier
