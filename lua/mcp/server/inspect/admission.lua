-- SPDX-License-Identifier: MIT
-- admission: which inspect pages may connect, where not everyone may. The address of the page has a
-- token that works once: the page shows it with a key that it has made up, and from then on the key
-- is enough. Both travel as subprotocols of the WebSocket, since a browser lets no page set header
-- fields there. Nothing of it is stored.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local refusal = require "mcp.refusal"

local admission = {}

---Keys that are remembered. A page that is loaded again has a new one; the oldest is forgotten.
admission.KEYS = 16

-- 128 bits in base64url have 22 characters.
local KEY, TOKEN = "%f[%w]mcp%.page%.([%w_-]+)", "%f[%w]mcp%.token%.([%w_-]+)"
local LENGTH = 22

local Admission = { __name = "mcp.inspect.admission" }
local methods = {}
Admission.__index = methods

-- The caller of the page's requests, for handlers and their scopes: it may do everything.
local PRINCIPAL = { subject = "inspect", claims = {}, key = '["","","inspect"]',
  scopes = setmetatable({}, { __index = function(_, name)
    return type(name) == "string" or nil
  end }) }

---@param renewed fun(token: string) called with each token after the first
---@return table
function admission.new(renewed)
  return setmetatable({ token = core.random_id(), keys = {}, order = {}, renewed = renewed },
    Admission)
end

local function remember(self, key)
  self.keys[key] = true
  table.insert(self.order, key)
  if #self.order > admission.KEYS then self.keys[table.remove(self.order, 1)] = nil end
end

---May the page that sends this request connect? If not, and the token has been used, there is
---another token.
---@param x userdata the exchange of a WebSocket handshake
---@return boolean
function methods.admits(self, x)
  local field = x:header "sec-websocket-protocol" or ""
  local key, token = field:match(KEY), field:match(TOKEN)
  if key and self.keys[key] then return true end
  if key and #key >= LENGTH and token and token == self.token then
    self.token = nil
    remember(self, key)
    return true
  end
  if key and not self.token then
    self.token = core.random_id()
    self.renewed(self.token)
  end
  return false
end

---The principal of a page that connects, or nil.
---@param x userdata
---@param kind string what came
---@return table|nil
function methods.principal(self, x, kind)
  return kind == "upgrade" and self:admits(x) and PRINCIPAL or nil
end

---A receiver that serves pages and no other clients.
---@param receive function
---@return function
function methods.receiver(self, receive)
  return function(x, link, kind, ...)
    if kind == "upgrade" and self:admits(x) then return receive(x, link, kind, ...) end
    return refusal.new(403, errors.INVALID_REQUEST,
      "Only the inspect page is served here, at the address that the program has printed")
  end
end

return admission
