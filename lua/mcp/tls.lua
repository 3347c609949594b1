-- SPDX-License-Identifier: MIT
-- tls: contexts of TLS, for listeners and for clients: which certificate we show, and whose we
-- believe. Nothing loads OpenSSL before the first of them is made.
local core = require "mcp.core"
local check_options = require("mcp.options").check

local tls = {}

---The protocol that is spoken inside (RFC 7301).
tls.PROTOCOL = "http/1.1"

local SERVER = { cert = "string", key = "string", client_ca = "string", require = "boolean" }
local CLIENT = { ca = "string", cert = "string", key = "string", verify = "boolean" }

local function openssl()
  local found, module = pcall(require, "mcp.openssl")
  if found then return module end
  -- The paths that were searched go to the log only.
  core.log("error", "mcp.openssl cannot be loaded; it belongs beside mcp.core: "
    .. tostring(module))
  return nil
end

-- Options whose names and types are right, or an error at the caller's caller.
local function check(options, known, level)
  check_options("tls", options, known, level + 1)
  for key, value in pairs(options) do
    if value == "" then
      error(("tls: option %q: expected a file name or PEM text, got an empty string"):format(key),
        level + 1)
    end
  end
end

-- A context is as good as what it is made of.
local function as_context(given, role, level)
  if type(given) ~= "userdata" then return nil end
  local found, is = pcall(function() return given:role() end)
  if not found or is ~= role then
    error(("tls: expected options or a %s's context, got %s"):format(role,
      found and "a " .. is .. "'s" or "userdata"), level + 1)
  end
  return given
end

local function make(role, options)
  local module = openssl()
  if not module then return nil, "tls: mcp.openssl cannot be loaded", "ETLS" end
  local own = { role = role, alpn = tls.PROTOCOL }
  for key, value in pairs(options) do own[key] = value end
  local context, text = module.tls(own)
  if not context then return nil, "tls: " .. text, "ETLS" end
  return context
end

---A context for a listener: `cert` and `key` are names of files or PEM texts (`cert` with the whole
---chain; without `key` it holds that too), `client_ca` (a file, a folder, a text) whose
---certificates clients must show, or may with `require = false`. Raises on an unknown option.
---@param options table|userdata cert, key, client_ca, require; or a context, which is returned
---@return userdata|nil context
---@return string|nil text why there is none
---@return string|nil code
function tls.server(options)
  local context = as_context(options, "server", 2)
  if context then return context end
  check(options, SERVER, 2)
  return make("server", options)
end

-- Contexts by their options; unused contexts are collected.
local clients = setmetatable({}, { __mode = "v" })

---A context for clients: `ca` (file, folder or text) whose certificates are trusted in place of
---the system's; `cert` and `key`, sent if the server requests a certificate. `verify = false`
---accepts any certificate and logs a warning. The same options give the same context. Raises on an
---unknown option.
---@param options table|userdata|nil ca, cert, key, verify; or a context, which is returned
---@return userdata|nil context
---@return string|nil text why there is none
---@return string|nil code
function tls.client(options)
  options = options or {}
  local context = as_context(options, "client", 2)
  if context then return context end
  check(options, CLIENT, 2)
  local name = ("s1s8s8s8"):pack(options.verify == false and "any" or "known", options.ca or "",
    options.cert or "", options.key or "")
  if clients[name] then return clients[name] end
  local text, code
  context, text, code = make("client", options)
  if not context then return nil, text, code end
  if options.verify == false then
    core.log("warning", "tls: verify = false: any certificate is accepted, so the server is not "
      .. "authenticated")
  end
  clients[name] = context
  return context
end

return tls
