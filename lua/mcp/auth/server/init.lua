-- SPDX-License-Identifier: MIT
-- auth.server: authorization of a server: an OAuth 2.1 resource server, as MCP requires. It guards
-- the receivers of messages from a network: a request without a valid token is refused. stdio has
-- no authorization: the server works for the user that started it.
--
--   mcp.server { name = "x", auth = { verify = mcp.auth.jwt { … }, resource = "https://…" } }
--
-- A token is taken out of the Authorization field, handed to `verify`, and forgotten.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local metadata = require "mcp.auth.server.metadata"
local check_options = require("mcp.options").check
local principal = require "mcp.auth.server.principal"
local refusal = require "mcp.refusal"
local url = require "mcp.url"

local server = {}

---Admitted bodies that have not arrived: so many are remembered, twice as many at most.
server.ADMITTED = 5000

---The clock skew that a verifier may allow, in seconds. A token that expired earlier is refused in
---any case.
server.LATE = 300
---Retry-After for clients whose user has used up the share of the memory limit, in seconds.
server.RETRY = 5 -- seconds

local OPTIONS = { verify = "function|table", resource = "string", authorization_servers = "table",
  scopes = "table", scopes_supported = "table", includes = "table", resource_name = "string",
  resource_documentation = "string", metadata = "table", authorization_server_metadata = "table",
  dpop = "boolean|table" }

-- The message to a client, the same for every fault of a token; the log has the reason.
local INVALID = "The access token is expired, or was not issued for this server"

local Guard = { __name = "mcp.auth.server" }
local methods = {}
Guard.__index = methods

function Guard.__tostring(self)
  return ("mcp.auth.server (%s)"):format(self.resource or "not open")
end

local function scopes_of(name, given)
  local list, reason = principal.scopes(given or {})
  if not list then error(("auth: %s%s"):format(name, reason), 0) end
  return list
end

local function includes_of(given)
  if not given then return nil end
  local out = {}
  for scope, list in pairs(given) do
    if type(list) ~= "table" then
      error(("auth: includes[%q]: expected a list of scopes"):format(tostring(scope)), 0)
    end
    out[scopes_of("includes", { scope })[1]] = scopes_of("includes: ", list)
  end
  return out
end

local function servers_of(options)
  local list = options.authorization_servers
  if not list and type(options.verify) == "table" then list = options.verify.issuers end
  if not list or not list[1] then
    error("auth: authorization_servers: the issuer of the tokens is needed", 0)
  end
  for i, issuer in ipairs(list) do
    local parsed, reason = url.parse(issuer)
    if not parsed then error(("auth: authorization_servers[%d]: %s"):format(i, reason), 0) end
  end
  return list
end

---Makes the guard of a server. Raises (level 0) on an error in the options.
---@param options table verify, resource, authorization_servers, scopes, scopes_supported, includes,
---resource_name, resource_documentation, metadata, authorization_server_metadata, dpop
---@return table
function server.new(options)
  if type(options.headers) == "function" then
    error("auth: expected { verify = … }, got a provider of tokens for clients", 0)
  elseif getmetatable(options) and options.verify == nil then
    error("auth: expected { verify = … }, got the verifier alone", 0)
  end
  check_options("auth", options, OPTIONS, 0)
  local verify = options.verify
  if verify == nil or type(verify) == "table" and not (getmetatable(verify) or {}).__call then
    error("auth: verify: expected a function (token, request) or mcp.auth.jwt { … }", 0)
  end
  local dpop = nil
  if options.dpop then
    -- Loaded by servers that take bound tokens.
    dpop = require("mcp.auth.server.proof").new(options.dpop == true and {} or options.dpop)
  end
  local self = setmetatable({
    dpop = dpop, verify = verify, scopes = scopes_of("scopes", options.scopes),
    includes = includes_of(options.includes),
    -- The principal of each exchange, while the exchange exists.
    of = setmetatable({}, { __mode = "k" }),
    newer = {}, older = {}, admitted = 0,
    own = {
      authorization_servers = servers_of(options), metadata = options.metadata,
      scopes_supported = scopes_of("scopes_supported", options.scopes_supported or options.scopes),
      resource_name = options.resource_name,
      resource_documentation = options.resource_documentation,
      dpop_bound_access_tokens_required = dpop and dpop.required or nil,
      dpop_signing_alg_values_supported = dpop
        and require("mcp.auth.server.proof").ALGORITHMS or nil,
    },
    server_metadata = options.authorization_server_metadata,
    resource = nil, address = nil, -- of this server, and of its metadata
  }, Guard)
  if options.resource then self:name(options.resource) end
  return self
end

---Sets the resource that tokens must name. Raises (level 0) on an error in it.
---@param text string
function methods.name(self, text)
  self.parsed = metadata.resource(text)
  self.resource, self.address = text, metadata.address(self.parsed)
  self.document = metadata.document(text, self.own)
end

-- The value of a WWW-Authenticate field. It names all scopes that the operation requires. If tokens
-- may be bound to keys there is a challenge for each scheme, and the error is in that of the scheme
-- that was used (RFC 9449 7.1).
local function challenge(self, code, text, scopes, scheme)
  local dpop, out = self.dpop, {}
  local function add(name, used)
    out[#out + 1] = name .. " " .. metadata.parameters {
      name == "DPoP" and { "algs", table.concat(dpop.algorithms, " ") } or false,
      used and code and { "error", code } or false,
      used and text and { "error_description", text } or false,
      scopes and scopes[1] and { "scope", table.concat(scopes, " ") } or false,
      { "resource_metadata", self.address },
    }
  end
  if not (dpop and dpop.required) then add("Bearer", not (dpop and scheme == "dpop")) end
  if dpop then add("DPoP", scheme == "dpop" or dpop.required) end
  return table.concat(out, ", ")
end

-- The log gets `reason`, the client only `text`.
local function refuse(self, status, code, text, scopes, scheme, reason)
  local err = failure.new(errors.INVALID_REQUEST, text, nil, status)
  refusal.log(err, (reason or text) .. (" (the server's option %s decides)"):format(
    reason and "auth.verify" or "auth"))
  err.challenge = challenge(self, code, code and text, scopes, scheme)
  return nil, err
end

---Puts the guard before a listener that has just been opened. Raises (level 0) if the
---resource that tokens have to name is unknown.
---@param host userdata
---@param place table path, and what else the listener was opened with
---@param address string where it answers
---@param pages table<string, any> what else it shows without a token
function methods.protect(self, host, place, address, pages)
  if not self.resource then
    -- The listener's own address is used as the resource only on loopback, for development.
    if place.unix or not host:is_loopback() then
      error("auth: resource: the address that clients know this server by is needed", 0)
    end
    self:name((address:gsub("^ws", "http")))
  end
  for path, document in pairs(metadata.pages(self.parsed, place.path, self.document,
    self.server_metadata)) do
    pages[path] = document
  end
  host:protect(challenge(self, nil, nil, self.scopes):sub(#"Bearer " + 1), pages)
end

---@class mcp.AuthRequest
---@field resource string what the token must be for
---@field kind string "request" (or any other message that is POSTed), "get", "delete", "post", …
---@field scheme string "bearer", or "dpop": then the key that the token is bound to is asked for
---@field header fun(name: string): string|nil any field but Authorization
local Request = {}
Request.__index = Request

function Request:header(name)
  if name:lower() == "authorization" then return nil end
  return self.x:header(name) or nil
end

-- The text of a verifier may contain the token.
local function without(text, token)
  text = tostring(text)
  local from, to = text:find(token, 1, true)
  while from do
    text = text:sub(1, from - 1) .. "[hidden]" .. text:sub(to + 1)
    from, to = text:find(token, from, true)
  end
  return text
end

local function failed(status, text)
  return nil, failure.new(errors.INTERNAL_ERROR, text, nil, status)
end

-- What is wrong with a token that no header field of RFC 6750 2.1 carries: one character of it, and
-- where; that helps the author of the client, and one character reveals nothing.
local function misspelt(token, at)
  if at > #token then at = 1 end
  local byte = token:byte(at)
  local shown = byte > 0x20 and byte < 0x7f and byte ~= 0x22 and byte ~= 0x5c
    and "'" .. string.char(byte) .. "'" or ("0x%02x"):format(byte)
  return ("The access token has a character that no bearer token has (RFC 6750 2.1): %s at "
    .. "position %d"):format(shown, at)
end

-- The token of a request and its scheme; nil and the error if there is none, or no single one.
local function token_of(self, x)
  local field = x:header "authorization"
  if field == nil then return refuse(self, 401, nil, "An access token is needed", self.scopes) end
  if field == false then
    return refuse(self, 400, "invalid_request", "Authorization was sent twice")
  end
  local scheme, token = field:match "^([^ ]+) *(.-)$"
  scheme = scheme and scheme:lower()
  if scheme ~= "bearer" and not (self.dpop and scheme == "dpop") then
    return refuse(self, 401, nil, ("An access token is needed, by the scheme %s"):format(
      self.dpop and (self.dpop.required and "DPoP" or "Bearer or DPoP") or "Bearer"), self.scopes)
  end
  if token == "" then
    return refuse(self, 400, "invalid_request", "Authorization has no token in it")
  end
  local odd = token:match "^[%w%-._~+/]*=*()"
  if odd <= #token or token:find "^=" then
    return refuse(self, 401, "invalid_token", misspelt(token, odd), self.scopes, scheme)
  end
  return token, nil, scheme
end

-- The method and the addresses that a proof may name.
local METHODS = { get = "GET", upgrade = "GET", delete = "DELETE" }

-- Checks that the client holds the key that the token is bound to, if any; or nil and the error.
local function check_key(self, x, kind, token, scheme, bound)
  local dpop = self.dpop
  local function no(code, reason, text)
    return refuse(self, 401, code, text or INVALID, self.scopes, scheme, reason)
  end
  if scheme == "bearer" then
    if bound then
      return no("invalid_token", "the token is bound to a key, and was shown without a proof")
    elseif dpop and dpop.required then
      return no("invalid_token", "the token is bound to no key")
    end
    return true
  end
  local method = METHODS[kind] or "POST"
  local found, code, reason = dpop:check { field = x:header "dpop", method = method, token = token,
    addresses = kind == "post" and { self.resource, self.resource:gsub("/$", "") .. "/message" }
      or { self.resource }, bound = bound }
  if found then
    if code then x:set_header("DPoP-Nonce", dpop:nonce()) end
    return true
  end
  if code == "busy" then
    core.log("warning", "auth: dpop: " .. reason)
    return failed(503, "The access token cannot be checked now")
  elseif code == "use_dpop_nonce" then
    x:set_header("DPoP-Nonce", dpop:nonce())
    return no(code, reason, "The proof needs the nonce of the DPoP-Nonce field")
  elseif code == "invalid_dpop_proof" then
    return no(code, reason, "The DPoP proof is missing, malformed, or not for this request")
  end
  return no(code, reason)
end

-- The key that a token is bound to, by what `verify` has returned.
local function bound_key(given)
  if given.bound_to ~= nil then return given.bound_to end
  local cnf = type(given.claims) == "table" and given.claims.cnf
  return type(cnf) == "table" and type(cnf.jkt) == "string" and cnf.jkt or nil
end

---The principal of a request; or nil and the error.
---@param x userdata its exchange
---@param kind string what came
---@return mcp.Principal|nil
---@return table|nil err
function methods.check(self, x, kind)
  local token, err, scheme = token_of(self, x)
  if not token then return nil, err end
  local request = setmetatable({ resource = self.resource, kind = kind, scheme = scheme, x = x },
    Request)
  local ok, given, reason, code = pcall(self.verify, token, request)
  local bound = ok and type(given) == "table" and bound_key(given) or nil
  if ok and given then
    ok, given = pcall(principal.new, given, self.includes)
  end
  if not ok then
    core.log("error", "auth: verify: " .. without(given, token))
    return failed(500, "The access token could not be checked")
  end
  if not given then
    reason = without(reason or "no reason given", token)
    if code == "EUNREACHABLE" then
      err = select(2, failed(503, "The access token cannot be checked now"))
      refusal.log(err, reason)
      return nil, err
    end
    return refuse(self, 401, "invalid_token", INVALID, self.scopes, scheme, reason)
  end
  if given.expires and given.expires <= os.time() - server.LATE then
    return refuse(self, 401, "invalid_token", INVALID, self.scopes, scheme,
      "the token has expired")
  end
  ok, err = check_key(self, x, kind, token, scheme, bound)
  if not ok then return nil, err end
  if principal.lacks(given, self.scopes) then
    err = self:insufficient(self.scopes, given)
    refusal.log(err, err.message .. " (the server's option auth.scopes decides)")
    return nil, err
  end
  return given
end

---What a request is answered with that needs more scopes.
---@param scopes string[] all that it needs
---@param found mcp.Principal
---@return table err
function methods.insufficient(self, scopes, found)
  local text, lacking = "The access token does not allow this", {}
  for _, scope in ipairs(scopes) do
    if not found.scopes[scope] then lacking[#lacking + 1] = scope end
  end
  local err = failure.new(errors.INVALID_REQUEST, ("%s: it lacks the scope%s %s"):format(text,
    lacking[2] and "s" or "", table.concat(lacking, ", ")), nil, 403)
  err.challenge = challenge(self, "insufficient_scope", text, scopes)
  return err
end

---How long what a principal has opened may last, in seconds; nil: its token has no end. One that
---`verify` accepts after its expiry (clock skew) lasts as long as the skew allows.
---@param found mcp.Principal
---@return number|nil
function methods.left(_, found)
  local left = found.expires and found.expires - os.time()
  return left and (left > 0 and left or left + server.LATE)
end

---A key that identifies the principal of an exchange.
---@param x userdata
---@return string|nil
function methods.key(self, x)
  local found = self.of[x]
  return found and found.key
end

-- Sets the header field of a refusal, unless the head has been sent.
local function answered(x, result, err, ...)
  if err and err.challenge then x:set_header("WWW-Authenticate", err.challenge) end
  return result, err, ...
end

-- The arrival that follows each kind of head.
local HEADS = { head = "request", ["post head"] = "post" }

-- Counts what the connection holds towards the principal; or nil and the error. A principal with
-- many addresses may hold as much as one address, whatever the addresses have left.
local function charge(x, found)
  local ok, text, code = x:charge_to(found.key)
  if ok then return true end
  x:set_header("Retry-After", tostring(server.RETRY))
  local err = failure.busy("memory", code == "ENOMEM" and "Busy: out of memory"
    or "Busy: requests of this user hold too much memory, try again later", nil, 503)
  refusal.log(err, "the principal is over its share of the memory limit (mcp.limits): " .. text)
  return nil, err
end

-- Remembers the principal that may send the body of a message. Entries of bodies that never arrive
-- would accumulate: when a table is full, the older of the two is dropped.
local function admit(self, ticket, found)
  if self.admitted >= server.ADMITTED then
    self.older, self.newer, self.admitted = self.newer, {}, 0
  end
  self.newer[ticket], self.admitted = found, self.admitted + 1
end

-- The principal that may send the body that has arrived, if it is still remembered.
local function take(self, ticket)
  local found = self.newer[ticket] or self.older[ticket]
  self.newer[ticket], self.older[ticket] = nil, nil
  return found
end

---Puts the guard before the receiver of a listener.
---@param receive function
---@param pages table|nil the pages that connect without a token (mcp.server.inspect.admission)
---@return function
function methods.receiver(self, receive, pages)
  return function(x, link, kind, ...)
    -- It says itself whether it needs a token.
    if kind == "route" then return receive(x, link, kind, ...) end
    local as, ticket = HEADS[kind], x:ticket()
    local found, err = not as and ticket and take(self, ticket), nil
    if not found then
      found = pages and pages:principal(x, kind)
      if not found then found, err = self:check(x, as or kind) end
      if found then
        local ok
        ok, err = charge(x, found)
        if not ok then found = nil end
      end
    end
    if not found then return answered(x, nil, err) end
    -- The body may be sent. A token is checked once, since a proof is valid only once.
    if as then return admit(self, ticket, found) end
    self.of[x] = found
    -- A stream that only listens ends when its token expires.
    local left = self:left(found)
    if left then x:expire(left) end
    return answered(x, receive(x, link, kind, ...))
  end
end

-- Closes a connection after the current answers have been sent; a WebSocket sends the reason
-- (WS-10).
local function end_expired(sender)
  core.spawn(function()
    core.sleep(0)
    sender:close(1008, "The access token has expired")
  end)
end

---Puts the guard before the receiver of connections that were let in once (WebSocket, HTTP+SSE);
---`link.auth` is the principal that opened them.
---@param receive function
---@return function
function methods.duplex(self, receive)
  return function(x, link, kind, ...)
    local found = link.auth
    if not found or found.expires and found.expires <= os.time() - server.LATE then
      if found and link.sender then end_expired(link.sender) end
      -- Only a request is answered.
      if kind ~= "request" then return nil end
      return nil, failure.new(errors.INVALID_REQUEST,
        found and "The access token has expired: reconnect with a new one" or "Not authorized")
    end
    self.of[x] = found
    return receive(x, link, kind, ...)
  end
end

return server
