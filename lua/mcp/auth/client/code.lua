-- SPDX-License-Identifier: MIT
-- code: the authorization code grant with PKCE (RFC 7636) and the checks of its redirect, in their
-- order: state, issuer (RFC 9207), and only then what it says.
local core = require "mcp.core"
local discovery = require "mcp.auth.client.discovery"
local jwt = require "mcp.auth.jwt"
local token = require "mcp.auth.client.token"
local cut = require("mcp.text").cut

local code = {}

local function escape(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- An address with more in its query, in the order given.
local function with_query(address, list)
  local parts = {}
  for _, pair in ipairs(list) do
    if pair[2] then parts[#parts + 1] = pair[1] .. "=" .. escape(pair[2]) end
  end
  return address .. (address:find("?", 1, true) and "&" or "?") .. table.concat(parts, "&")
end

---The query of a redirect; nil if a name comes twice, which is ambiguous.
---@param address string
---@return table<string, string>|nil
---@return string|nil message
function code.query(address)
  local query, values = address:match "%?([^#]*)" or "", {}
  for pair in query:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    name = unescape(name)
    if values[name] ~= nil then return nil, ("the redirect has %s twice"):format(name) end
    values[name] = unescape(value)
  end
  return values
end

-- Does the redirect come from the issuer that was asked? Byte for byte (RFC 9207 2.4).
local function check_issuer(found, iss)
  local advertised = found.metadata.authorization_response_iss_parameter_supported == true
  if iss == nil then
    if not advertised then return true end
    return nil, ("the redirect does not say that it is from %s, which always says so"):format(
      found.issuer)
  end
  if iss == found.issuer then return true end
  return nil, ("the redirect is not from %s"):format(found.issuer)
end

-- The code of a redirect; nil, text, code.
local function read(found, address, state)
  if type(address) ~= "string" then
    return nil, "on_authorize: expected the redirect's address, got " .. type(address),
      "EINVAL"
  end
  local values, message = code.query(address)
  if not values then return nil, message, "EINVAL" end
  if values.state ~= state then
    return nil, "the redirect's state is not the one that was sent", "EINVAL"
  end
  local fine
  fine, message = check_issuer(found, values.iss)
  if not fine then return nil, message, "EINVAL" end
  if values.error then
    return nil, ("authorization was refused: %s%s"):format(cut(values.error, 100):gsub("%c", " "),
      values.error_description
        and " (" .. cut(values.error_description, 300):gsub("%c", " ") .. ")" or ""),
      values.error
  end
  if not values.code or values.code == "" then
    return nil, "the redirect has no code", "EINVAL"
  end
  return values.code
end

---Has the user authorize us, and fetches the tokens.
---@param session table
---@param found mcp.auth.Found
---@param client table
---@param options table redirect_uri, on_authorize
---@param scope string|nil
---@return mcp.auth.Tokens|nil
---@return string|nil text
---@return string|nil code
function code.run(session, found, client, options, scope)
  local metadata = found.metadata
  if not metadata.authorization_endpoint then
    return nil, ("%s has no authorization_endpoint"):format(found.issuer), "EINVAL"
  end
  if not discovery.has(metadata.code_challenge_methods_supported, "S256") then
    return nil, ("%s does not say that it checks PKCE with S256; it is not asked for anything")
      :format(found.issuer), "EINVAL"
  end
  -- Two of 128 bits: 43 characters are the least a verifier may have (RFC 7636 4.1).
  local verifier = core.random_id() .. core.random_id()
  local state = core.random_id()
  local address = with_query(metadata.authorization_endpoint, {
    { "response_type", "code" }, { "client_id", client.id },
    { "redirect_uri", options.redirect_uri },
    { "code_challenge", jwt.to_base64url(require("mcp.openssl").sha256(verifier)) },
    { "code_challenge_method", "S256" }, { "state", state }, { "resource", found.resource },
    { "scope", scope },
    { "prompt", scope and scope:find("offline_access", 1, true) and "consent" or nil },
  })
  local fine, redirect, message = pcall(options.on_authorize, address)
  if not fine then return nil, "on_authorize: " .. tostring(redirect), "ECANCELED" end
  if redirect == nil then
    return nil, "authorization was not granted" .. (message and ": " .. tostring(message) or ""),
      "ECANCELED"
  end
  local value, text, reason = read(found, redirect, state)
  if not value then return nil, text, reason end
  return token.ask(session, found, client, {
    grant_type = "authorization_code", code = value, redirect_uri = options.redirect_uri,
    code_verifier = verifier,
  }, scope)
end

return code
