-- SPDX-License-Identifier: MIT
-- auth: how a client authenticates: `auth = mcp.auth.bearer(token)` of any
-- transport over HTTP. A provider gives the fields that go along with a request
-- and is called when they were refused:
--
--   provider:headers { url =, method = }  -> { { name, value }, … } | nil, text, code
--   provider:challenged { status =, url =, method =, header = function(name), sent = fields,
--     memory = {} }                       -> true to send it again | nil, text, code
--
-- `sent` is what `headers` gave for the request that was refused; `memory` a table that is empty
-- at a request's first refusal and the same at each later one, for what the provider likes.
--
-- What fetches tokens is loaded when it is first asked for.
local core = require "mcp.core"
local header = require "mcp.header"
local url = require "mcp.url"

local auth = {}

---A token longer than that fits into no head (RFC 6750 has no limit of its own).
auth.LENGTH = 8192

local Bearer = { __name = "mcp.auth.bearer" }
Bearer.__index = {}

-- Never the token.
function Bearer.__tostring() return "mcp.auth.bearer" end

-- A token as an issuer may give it (RFC 6749 A.12: visible ASCII and blanks) and as a field can
-- carry it (no blank at either end), or nil, text. It is the server's to judge.
local function judge(token)
  if type(token) ~= "string" then
    return nil, ("mcp.auth.bearer: a token is a string, not %s"):format(type(token))
  elseif #token > auth.LENGTH then
    return nil, ("mcp.auth.bearer: the token is longer than %d bytes"):format(auth.LENGTH)
  elseif token == "" then
    return nil, "mcp.auth.bearer: the token is empty"
  end
  local odd = header.misspelt(token)
  if odd then return nil, "mcp.auth.bearer: a character of the token is in no token: " .. odd end
  return token
end

---The fields of a request; also good as `headers` of a transport.
---@param request table|nil url, method
---@return table[]|nil fields { { "Authorization", "Bearer …" } }
---@return string|nil message, string|nil code
function Bearer.__index:headers(request)
  local token = self.token
  if type(token) == "function" then
    local reason, code
    token, reason, code = token()
    if token == nil then
      return nil, reason or "mcp.auth.bearer: the function returned no token", code or "EAUTH"
    end
    token, reason = judge(token)
    if not token then return nil, reason, "EAUTH" end
  end
  if request and request.url and not self.warned then
    self.warned = true
    local parsed = url.parse(request.url)
    if parsed and not parsed.secure and not url.is_loopback(parsed) then
      core.log("warning", ("a token is sent to %s, unencrypted: use https")
        :format(parsed.origin))
    end
  end
  return { { "Authorization", "Bearer " .. token } }
end

-- How much of a server's description of a fault is shown, in bytes.
local DESCRIPTION = 200

-- What the challenge says about the fault, as text after a colon; "" if it says nothing.
local function description_of(field)
  local asked = field and require("mcp.auth.client.challenge").bearer(field)
  local text = asked and (asked.params.error_description or asked.params.error)
  if not text or not utf8.len(text) then return "" end
  return ": " .. require("mcp.text").cut((text:gsub("%c", " ")), DESCRIPTION)
end

---A token that was refused stays refused; a function may have another by now.
---@param facts table status, url, method, header, memory
---@return true|nil again, string|nil message, string|nil code
function Bearer.__index:challenged(facts)
  local memory = facts.memory or {}
  if type(self.token) == "function" and facts.status == 401 and not memory.again then
    memory.again = true
    return true
  end
  return nil, ("%s: the server refused the token (status %d)%s"):format(facts.url, facts.status,
    description_of(facts.header and facts.header "www-authenticate")), "EHTTP" .. facts.status
end

---A token that is known. A function is asked for it before each request, and may wait.
---@param token string|fun(): string|nil, string|nil, string|nil
---@return table provider
function auth.bearer(token)
  if type(token) ~= "function" then
    local ok, reason = judge(token)
    if not ok then error(reason, 2) end
  end
  return setmetatable({ token = token, warned = false }, Bearer)
end

-- Modules that few programs need, loaded at the first use.
local LATER = {
  jwt = "mcp.auth.server.verifier", introspection = "mcp.auth.server.introspection",
  oauth = "mcp.auth.client", client_credentials = "mcp.auth.client",
  enterprise = "mcp.auth.client", workload = "mcp.auth.client",
  file_store = "mcp.auth.client", memory_store = "mcp.auth.client",
}

return setmetatable(auth, {
  __index = function(_, key)
    local name = LATER[key]
    if not name then return nil end
    local found = require(name)[key]
    rawset(auth, key, found)
    return found
  end,
})
