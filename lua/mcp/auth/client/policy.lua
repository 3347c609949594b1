-- SPDX-License-Identifier: MIT
-- policy: which addresses a client may ask for metadata and tokens. They come from servers, so a
-- server could have us call whatever we can reach: https only, nothing private. In development,
-- which is a server on loopback, http to loopback is fine too.
local url = require "mcp.url"

local policy = {}

---One answer of an authorization server or a metadata document. In bytes.
policy.LENGTH = 256 * 1024
---How long one may take, in seconds.
policy.TIME = 15
---Redirects followed for metadata; tokens are never sent on.
policy.REDIRECTS = 3

---@class mcp.auth.Policy
---@field development boolean the server itself is on loopback
---@field allow_private boolean the user has said that private addresses are fine
local Policy = { __name = "mcp.auth.policy" }
Policy.__index = Policy

---@param server table the parsed address of the MCP server
---@param allow_private boolean|nil
---@return mcp.auth.Policy
function policy.for_server(server, allow_private)
  return setmetatable({
    development = url.is_loopback(server),
    allow_private = allow_private == true,
  }, Policy)
end

---May it be asked?
---@param text any an address, as a server gave it
---@param what string for the message
---@return table|nil parsed
---@return string|nil message
function Policy:check(text, what)
  if type(text) ~= "string" then
    return nil, ("%s: expected an https address, got %s"):format(what, type(text))
  end
  local parsed, reason = url.parse(text)
  if not parsed then return nil, ("%s: %s"):format(what, reason) end
  if text:find("#", 1, true) then return nil, ("%s: %s has a fragment"):format(what, text) end
  if parsed.scheme == "https" then return parsed end
  if parsed.scheme == "http" and self.development and url.is_loopback(parsed) then
    return parsed
  end
  return nil, ("%s: %s is not https"):format(what, text)
end

---The option `only` of a fetch: the socket is opened to a public address only, except in
---development or if the user allows other addresses.
---@return string|nil
function Policy:only()
  if self.development or self.allow_private then return nil end
  return "public"
end

return policy
