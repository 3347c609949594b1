-- SPDX-License-Identifier: MIT
-- metadata: what a protected resource says of itself (RFC 9728): the document, where it lies, and
-- the challenges that lead to it (RFC 6750 3). Texts only.
local core = require "mcp.core"
local url = require "mcp.url"
local value = require "mcp.value"

local metadata = {}

---The well-known paths of the documents (RFC 9728 3.1, RFC 8414 3).
metadata.RESOURCE = "/.well-known/oauth-protected-resource"
metadata.SERVER = "/.well-known/oauth-authorization-server"

---The members that this file sets; `more` must not.
local OWN = { resource = true, authorization_servers = true, scopes_supported = true,
  bearer_methods_supported = true }

---Reads the address under which clients know this server. Raises (level 0) on an error in it.
---@param text string
---@return mcp.Url
function metadata.resource(text)
  local parsed, reason = url.parse(text)
  if not parsed then error("auth: resource: " .. reason, 0) end
  if parsed.scheme ~= "https" and parsed.scheme ~= "http" then
    error(("auth: resource: expected an http or https URL, got %s"):format(text), 0)
  end
  if parsed.query or parsed.fragment then
    error(("auth: resource: expected a URL without query and fragment, got %s"):format(text), 0)
  end
  return parsed
end

-- The well-known address of a resource or issuer with a path; "/" counts as no path.
local function inserted(where, path) return path == "/" and where or where .. path end

---The address of the document, as clients reach it.
---@param resource mcp.Url
---@return string
function metadata.address(resource)
  return resource.origin .. inserted(metadata.RESOURCE, resource.path)
end

---The document.
---@param text string the resource, byte for byte as tokens name it
---@param options table authorization_servers, scopes_supported, resource_name,
---resource_documentation, metadata (further members)
---@return table
function metadata.document(text, options)
  local out = {
    resource = text,
    authorization_servers = value.array { table.unpack(options.authorization_servers) },
    scopes_supported = options.scopes_supported[1]
      and value.array { table.unpack(options.scopes_supported) } or nil,
    bearer_methods_supported = value.array { "header" },
    resource_name = options.resource_name,
    resource_documentation = options.resource_documentation,
    dpop_bound_access_tokens_required = options.dpop_bound_access_tokens_required,
    dpop_signing_alg_values_supported = options.dpop_signing_alg_values_supported
      and value.array { table.unpack(options.dpop_signing_alg_values_supported) } or nil,
  }
  for name, member in pairs(options.metadata or {}) do
    if OWN[name] then error(("auth: metadata: %s has an option of its own"):format(name), 0) end
    out[name] = member
  end
  return out
end

---The documents that are served without a token, by path: for the path of the resource, for that of
---the listener (a proxy may have changed it), and for the root, since there is only one resource.
---@param resource mcp.Url
---@param path string of the listener
---@param document table
---@param server table|nil metadata of the authorization server, for clients of 2025-03-26
---@return table<string, string> pages
function metadata.pages(resource, path, document, server)
  local pages, text = {}, assert(core.encode(document, true))
  for _, place in ipairs { resource.path, path, "/" } do
    pages[inserted(metadata.RESOURCE, place)] = text
  end
  if server then pages[metadata.SERVER] = assert(core.encode(server, true)) end
  return pages
end

local function quoted(text) return (text:gsub('[\\"]', "\\%0"):gsub("[^\x20-\x7e]", "?")) end

---The parameters of a challenge, in the order given.
---@param list table[] each { name, value }, or false to be left out
---@return string
function metadata.parameters(list)
  local out = {}
  for _, pair in ipairs(list) do
    if pair then out[#out + 1] = ('%s="%s"'):format(pair[1], quoted(pair[2])) end
  end
  return table.concat(out, ", ")
end

return metadata
