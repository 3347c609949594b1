-- SPDX-License-Identifier: MIT
-- principal: the authorized caller, as handlers see it in `ctx.auth`. It holds the facts of a
-- token, and never the token.
local core = require "mcp.core"
local value = require "mcp.value"

local principal = {}

---@class mcp.Principal
---@field subject string|nil the user; nil for a program that acts for itself
---@field client string|nil the program
---@field issuer string|nil the authorization server
---@field scopes table what was granted, as a list and as a set: `scopes["files:read"]`
---@field expires number|nil when the token ends, in seconds of the epoch
---@field claims table what else the token says
---@field key string unique to the issuer, client and subject

-- The characters of a scope (RFC 6749 3.3), which need no quoting in a header field either.
local SCOPE = '^[^%c "\\\x7f-\xff]+$'

---Scopes from a list, or from a text with blanks between them; or nil and a reason.
---@param given any
---@return string[]|nil
---@return string|nil reason
function principal.scopes(given)
  local out = {}
  if type(given) == "string" then
    for scope in given:gmatch "[^ ]+" do out[#out + 1] = scope end
  elseif type(given) == "table" then
    for i, scope in ipairs(given) do out[i] = scope end
  elseif given ~= nil then
    return nil, "expected a list of scopes, got " .. type(given)
  end
  for i, scope in ipairs(out) do
    if type(scope) ~= "string" or not scope:find(SCOPE) then
      return nil, ("[%d]: a scope has printable characters, no blanks, quotes or backslashes")
        :format(i)
    end
  end
  return out
end

-- Adds a scope and what it includes to a set.
local function add(set, scope, includes)
  if set[scope] then return end
  set[scope] = true
  for _, other in ipairs(includes and includes[scope] or {}) do add(set, other, includes) end
end

local function key_of(self)
  return core.encode(value.array { self.issuer or "", self.client or "", self.subject or "" })
end

local function text_of(given, name)
  if given == nil or type(given) == "string" then return given end
  error(("%s: expected a string, got %s"):format(name, type(given)), 0)
end

---Makes a principal from the result of `verify`. Raises (level 0) on an error in it.
---@param given any
---@param includes table<string, string[]>|nil scopes that stand for others
---@return mcp.Principal
function principal.new(given, includes)
  if type(given) ~= "table" then
    error(("expected a table with subject or client, got %s"):format(type(given)), 0)
  end
  local granted, reason = principal.scopes(given.scopes)
  if not granted then error("scopes: " .. reason, 0) end
  for _, scope in ipairs { table.unpack(granted) } do add(granted, scope, includes) end
  local self = {
    subject = text_of(given.subject, "subject"), client = text_of(given.client, "client"),
    issuer = text_of(given.issuer, "issuer"), scopes = granted, expires = given.expires,
    claims = given.claims or {},
  }
  if (self.subject or "") == "" and (self.client or "") == "" then
    -- Without this, all callers would have the same principal.
    error("neither subject nor client: cannot identify the caller", 0)
  end
  if self.expires ~= nil and not math.type(self.expires) then
    error("expires: expected a number, got " .. type(self.expires), 0)
  end
  self.key = key_of(self)
  return self
end

---The owner of the objects that a request creates or asks for; "" without authorization.
---@param ctx table
---@return string key
function principal.key(ctx)
  local auth = ctx.auth
  return auth and (auth.key or key_of(auth)) or ""
end

---The required scopes that the token does not have.
---@param auth mcp.Principal
---@param wanted string[]
---@return boolean lacks
function principal.lacks(auth, wanted)
  for _, scope in ipairs(wanted) do
    if not auth.scopes[scope] then return true end
  end
  return false
end

return principal
