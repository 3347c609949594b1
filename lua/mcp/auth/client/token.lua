-- SPDX-License-Identifier: MIT
-- token: requests to a token endpoint (RFC 6749): how the client authenticates, and what a
-- valid answer is. Secrets and tokens are in no message and in no line of the log.
local core = require "mcp.core"
local header = require "mcp.header"
local jwt = require "mcp.auth.jwt"
local policy = require "mcp.auth.client.policy"
local cut = require("mcp.text").cut

local token = {}

---How long an assertion of ours is good for, in seconds.
token.ASSERTION_TIME = 300

local ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

-- application/x-www-form-urlencoded, as RFC 6749 2.3.1 asks for before Base64.
local function form_encode(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- Adds the client's credentials to the form or to the headers.
local function authenticate(found, client, form, headers)
  local how = client.method
  if how == "client_secret_basic" then
    headers[#headers + 1] = { "Authorization", "Basic "
      .. core.base64(form_encode(client.id) .. ":" .. form_encode(client.secret)) }
    return
  end
  form.client_id = client.id
  if how == "client_secret_post" then
    form.client_secret = client.secret
  elseif how == "private_key_jwt" then
    form.client_assertion_type = ASSERTION
    local now = os.time()
    form.client_assertion = jwt.sign({ typ = "JWT", alg = client.algorithm, kid = client.key_id },
      { iss = client.id, sub = client.id, aud = found.issuer, jti = core.random_id(), iat = now,
        exp = now + token.ASSERTION_TIME }, client.private_key)
  end
end

-- A text of a server, fit for a message.
local function plain(text)
  if type(text) ~= "string" then return nil end
  return (cut(text, 300):gsub("[%c\x7f]", " "))
end

-- What was refused, as text and code.
local function refusal(answer, value)
  local code = type(value) == "table" and plain(value.error)
  local text = type(value) == "table" and plain(value.error_description)
  return ("the token endpoint answers with status %d%s%s"):format(answer.status,
    code and ": " .. code or "", text and " (" .. text .. ")" or ""), code or "EACCES"
end

---Tokens as they are kept.
---@class mcp.auth.Tokens
---@field access string
---@field kind "Bearer"|"DPoP"
---@field bound string|nil the public key that it is bound to
---@field refresh string|nil
---@field expires integer|nil when, in seconds of the epoch
---@field scope string|nil what was given, separated by blanks

-- Reads an answer; or nil and a reason.
local function read(session, value, asked_scope)
  if type(value.access_token) ~= "string" or value.access_token == "" then
    return nil, "the token endpoint gives no access_token"
  end
  local odd = header.misspelt(value.access_token)
  if odd then
    return nil, "the token endpoint gives an access_token with a character that none has: " .. odd
  end
  local kind = type(value.token_type) == "string" and value.token_type:lower()
  if kind ~= "bearer" and kind ~= "dpop" then
    return nil, ("the token endpoint: token_type: expected Bearer or DPoP, got %s")
      :format(plain(value.token_type) or "(none)")
  end
  if kind == "dpop" and not session.prover then
    return nil, "the token endpoint binds the token to a key, and was shown none"
  end
  local lifetime = math.tointeger(tonumber(value.expires_in))
  return {
    access = value.access_token,
    kind = kind == "dpop" and "DPoP" or "Bearer",
    bound = kind == "dpop" and session.prover.jwk.x or nil,
    refresh = type(value.refresh_token) == "string" and value.refresh_token or nil,
    expires = lifetime and lifetime > 0 and os.time() + lifetime or nil,
    -- Absent: as it was asked for (RFC 6749 5.1).
    scope = type(value.scope) == "string" and value.scope or asked_scope,
  }
end

---Sends one form to an endpoint and gives its answer, decoded, whatever it says.
---@param session table fetch, policy, tls, prover
---@param endpoint string
---@param form table<string, string>
---@param headers table
---@return table|nil value nil: text and code
---@return string|nil text
---@return string|nil code
function token.post(session, endpoint, form, headers)
  local fine, reason = session.policy:check(endpoint, "token_endpoint")
  if not fine then return nil, reason, "EINVAL" end
  local tries = 0
  while true do
    tries = tries + 1
    local sent = { { "Accept", "application/json" }, table.unpack(headers) }
    if session.prover then
      sent[#sent + 1] = { "DPoP", session.prover:proof("POST", endpoint) }
    end
    local answer, text, code = session.fetch(endpoint, { method = "POST", form = form,
      headers = sent, limit = policy.LENGTH, timeout = policy.TIME, only = session.policy:only(),
      redirects = 0, tls = session.tls, proxy = session.proxy })
    if not answer then return nil, "the token endpoint: " .. text, code end
    local value = core.decode(answer.body)
    local new = session.prover and session.prover:learn(endpoint, answer.headers["dpop-nonce"])
    if answer.status == 200 and type(value) == "table" then return value end
    if not (new and tries == 1 and type(value) == "table" and value.error == "use_dpop_nonce") then
      return nil, refusal(answer, value)
    end
  end
end

---Asks for tokens.
---@param session table fetch, policy, tls, prover
---@param found mcp.auth.Found
---@param client table|nil id, secret, method, …; nil: the grant identifies the client
---@param form table<string, string> the grant
---@param scope string|nil what was asked for, if the form does not say
---@return mcp.auth.Tokens|nil
---@return string|nil text
---@return string|nil code the endpoint's own, such as "invalid_grant"
function token.ask(session, found, client, form, scope)
  local headers = {}
  if client then authenticate(found, client, form, headers) end
  form.resource = found.resource
  local value, text, code = token.post(session, found.metadata.token_endpoint, form, headers)
  if not value then return nil, text, code end
  local tokens, reason = read(session, value, scope or form.scope)
  if not tokens then return nil, reason, "EINVAL" end
  return tokens
end

return token
