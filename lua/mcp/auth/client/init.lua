-- SPDX-License-Identifier: MIT
-- auth.client: how a client comes to its tokens, by what the user has: `oauth` for a user with a
-- browser, the others for programs. All make providers for the `auth` option of mcp.connect.
local grants = require "mcp.auth.client.grants"
local check_options = require("mcp.options").check
local provider = require "mcp.auth.client.provider"
local store = require "mcp.auth.client.store"

local client = {}

client.file_store = store.file
client.memory_store = store.memory

---Where the browser comes back to if nothing else is said: any free port of loopback.
client.REDIRECT_URI = "http://127.0.0.1/callback"

local METHODS = { client_secret_basic = true, client_secret_post = true, none = true,
  private_key_jwt = true }

-- What every provider takes.
local COMMON = { scope = "string", store = "table", dpop = "boolean", tls = "table",
  issuer = "string", allow_private = "boolean", choose_issuer = "function", fetch = "function",
  revision = "string", proxy = "string|boolean" }
-- The credentials of a client that was registered beforehand.
local CREDENTIALS = { client_id = "string", client_secret = "string", private_key = "string",
  key_id = "string", algorithm = "string", token_endpoint_auth_method = "string" }
local OAUTH = { client_name = "string", client_uri = "string", client_metadata_url = "string",
  redirect_uri = "string", on_authorize = "function", offline = "boolean",
  loopback = "table" }
local ENTERPRISE = { idp_token_endpoint = "string", idp_client_id = "string",
  idp_client_secret = "string", id_token = "string|function" }
local WORKLOAD = { assertion = "string|function" }

local function check(name, given, ...)
  local known, options = {}, {}
  for _, list in ipairs { ... } do
    for key, types in pairs(list) do known[key] = types end
  end
  check_options("mcp.auth." .. name, given, known, 3)
  for key, value in pairs(given) do options[key] = value end
  local wrong = options.proxy ~= nil and require("mcp.proxy").error_in(options.proxy)
  if wrong then error(("mcp.auth.%s: %s"):format(name, wrong), 3) end
  options.revision = options.revision or require("mcp.protocol").names[1]
  return options
end

local function need(name, options, ...)
  for _, key in ipairs { ... } do
    if options[key] == nil then error(("mcp.auth.%s: %s is missing"):format(name, key), 3) end
  end
end

local function check_credentials(name, options)
  local method = options.token_endpoint_auth_method
  if method and not METHODS[method] then
    error(("mcp.auth.%s: token_endpoint_auth_method: %q is not supported"):format(name,
      method), 3)
  end
  if options.private_key then
    options.algorithm = options.algorithm or "ES256"
  elseif method == "private_key_jwt" then
    error(("mcp.auth.%s: private_key_jwt needs private_key"):format(name), 3)
  end
  if (method == "client_secret_basic" or method == "client_secret_post")
    and not options.client_secret then
    error(("mcp.auth.%s: %s needs client_secret"):format(name, method), 3)
  end
end

---A user at a browser: the authorization code grant with PKCE. `on_authorize(url)` brings the user
---there and returns the address that the browser was sent back to; without it the address is
---printed and a listener on loopback waits for the browser.
---@param given table|nil client_name, client_metadata_url, client_id, client_secret, scope,
---redirect_uri, on_authorize, store, dpop, tls, issuer, choose_issuer, allow_private, …
---@return table provider
function client.oauth(given)
  local options = check("oauth", given or {}, COMMON, CREDENTIALS, OAUTH)
  check_credentials("oauth", options)
  options.client_name = options.client_name or "luamcp"
  options.offline = options.offline ~= false
  options.redirect_uri = options.redirect_uri or client.REDIRECT_URI
  local document = options.client_metadata_url
  if document and not document:find "^https://[^/]+/." then
    error("mcp.auth.oauth: client_metadata_url: expected an https address with a path", 2)
  end
  return provider.new("oauth", grants.authorization_code, options)
end

---A program of its own, by a secret or a key (client credentials).
---@param given table client_id, client_secret or private_key (PEM) with key_id and algorithm; scope
---@return table provider
function client.client_credentials(given)
  local options = check("client_credentials", given, COMMON, CREDENTIALS)
  need("client_credentials", options, "client_id")
  if not options.client_secret and not options.private_key then
    error("mcp.auth.client_credentials: client_secret or private_key is missing", 2)
  end
  check_credentials("client_credentials", options)
  return provider.new("client_credentials", grants.client_credentials, options)
end

---A company's identity provider vouches for the user (enterprise-managed authorization).
---@param given table idp_token_endpoint, idp_client_id, id_token (string, or a function that
---returns it), client_id, client_secret; scope
---@return table provider
function client.enterprise(given)
  local options = check("enterprise", given, COMMON, CREDENTIALS, ENTERPRISE)
  need("enterprise", options, "idp_token_endpoint", "idp_client_id", "id_token", "client_id")
  check_credentials("enterprise", options)
  return provider.new("enterprise", grants.enterprise, options)
end

---The platform vouches for the program that runs on it (workload identity).
---@param given table assertion (string, or a function of the issuer that returns it); client_id,
---client_secret where the server wants them; scope
---@return table provider
function client.workload(given)
  local options = check("workload", given, COMMON, CREDENTIALS, WORKLOAD)
  need("workload", options, "assertion")
  check_credentials("workload", options)
  return provider.new("workload", grants.workload, options)
end

return client
