-- SPDX-License-Identifier: MIT
-- jwks: the keys that tokens are checked with (RFC 7517 5): a table, a file, or an address where
-- they are fetched, kept, and fetched again: when they are old, and when a token names a key that
-- is not among them. Any client can cause the latter with a made-up name in a token, so it is
-- limited to one request per REFRESH seconds; concurrent callers share one request.
local core = require "mcp.core"
local check_options = require("mcp.options").check

local jwks = {}

---Keys older than that are fetched again, while they go on being used. In seconds.
jwks.TTL = 600
---Keys older than that are not used, though nothing newer can be had.
jwks.STALE = 86400
---The shortest time between two requests for unknown key ids: clients choose the ids.
jwks.REFRESH = 60
---How long to wait after a failure before the next request.
jwks.RETRY = 5
---A set that is longer is not read, in bytes; of more keys than that the rest is not looked at.
jwks.LENGTH = 256 * 1024
jwks.KEYS = 100
---How long fetching may take.
jwks.TIME = 10

local OPTIONS = { url = "string", file = "string", keys = "table", fetch = "function",
  ttl = "number", refresh = "number", tls = "table", proxy = "string|boolean" }

local Set = { __name = "mcp.jwks" }
Set.__index = {}

function Set.__tostring(self)
  return ("mcp.jwks (%s)"):format(self.url or self.file or "given")
end

-- The keys of a set, or nil and the reason. Those of kinds that we do not know stay out.
local function keys_of(given)
  local list = type(given) == "table" and (given.keys or given)
  if type(list) ~= "table" then return nil, "no set of keys" end
  if list.kty then list = { list } end
  local out = {}
  for i, key in ipairs(list) do
    if #out >= jwks.KEYS then break end
    if type(key) ~= "table" or type(key.kty) ~= "string" then
      return nil, ("keys[%d]: expected a JWK"):format(i)
    end
    if key.kty == "RSA" or key.kty == "EC" or key.kty == "OKP" then out[#out + 1] = key end
  end
  return out
end

-- A secret in a public place is worth a word, and a shared one must not become a public key.
local function check_given(list)
  for i, key in ipairs(list) do
    if key.d ~= nil then error(("jwks: keys[%d] is a private key"):format(i), 0) end
  end
  if not list[1] then error("jwks: no key of a supported type", 0) end
end

---Whether keys may be fetched from a URL: over plain http an attacker could replace them.
---@param text string
---@return boolean|nil fine
---@return string|nil reason
function jwks.check_url(text)
  local url = require "mcp.url"
  local parsed, reason = url.parse(text)
  if not parsed then return nil, reason end
  if parsed.scheme == "https" or parsed.scheme == "http" and url.is_loopback(parsed) then
    return true
  end
  return nil, ("%s: https expected (or http on this machine)"):format(text)
end

---Makes a set of keys. Raises (level 0) what is wrong with the options.
---@param given string|table an address; a path; a table { keys = { … } } or a list of keys; or
---options: url, file or keys, and fetch (as mcp.fetch's get), ttl, refresh (seconds), tls,
---proxy
---@return table
function jwks.new(given)
  local options = given
  if type(given) == "string" then
    options = given:find "^https?://" and { url = given } or { file = given }
  elseif type(given) ~= "table" then
    error(("jwks: expected an address, a path or a table, got %s"):format(type(given)), 0)
  elseif given[1] ~= nil or given.kty ~= nil then
    options = { keys = given }
  end
  check_options("jwks", options, OPTIONS, 0)
  local wrong = options.proxy ~= nil and require("mcp.proxy").error_in(options.proxy)
  if wrong then error("jwks: " .. wrong, 0) end
  local sources = (options.url and 1 or 0) + (options.file and 1 or 0) + (options.keys and 1 or 0)
  if sources ~= 1 then error("jwks: expected one of url, file and keys", 0) end
  local self = setmetatable({
    url = options.url, file = options.file, fetch = options.fetch, tls = options.tls,
    proxy = options.proxy, ttl = options.ttl or jwks.TTL, refresh = options.refresh or jwks.REFRESH,
    list = nil, read_at = nil, -- when what there is was read
    tried_at = nil, failed = false, -- when it was last tried, and how that went
    waiting = nil, -- callers waiting for the request in progress
  }, Set)
  if options.keys then
    local list, reason = keys_of(options.keys)
    if not list then error("jwks: " .. reason, 0) end
    check_given(list)
    self.list = list
  elseif options.url then
    local fine, reason = jwks.check_url(options.url)
    if not fine then error("jwks: " .. reason, 0) end
  end
  return self
end

local function read_file(self)
  local file, reason = io.open(self.file, "rb")
  if not file then return nil, reason end
  local text = file:read(jwks.LENGTH + 1)
  file:close()
  if not text or #text > jwks.LENGTH then return nil, self.file .. ": empty, or too long" end
  return text
end

local function read_url(self)
  local fetch = self.fetch or require("mcp.fetch").get
  local answer, reason = fetch(self.url, {
    timeout = jwks.TIME, limit = jwks.LENGTH, redirects = 0, tls = self.tls,
    only = self.url:find "^http:" and "loopback" or nil,
    proxy = not self.url:find "^http:" and self.proxy,
    headers = { { "Accept", "application/jwk-set+json, application/json" } },
  })
  if not answer then return nil, reason end
  if answer.status ~= 200 then return nil, ("%s: status %d"):format(self.url, answer.status) end
  return answer.body
end

-- Reads the set again. If that fails, the old set stays.
local function read(self)
  local text, reason = (self.url and read_url or read_file)(self)
  local value, list
  if text then value, reason = core.decode(text) end
  if value ~= nil then list, reason = keys_of(value) end
  self.tried_at, self.failed = core.now(), not list
  if list then
    self.list, self.read_at = list, self.tried_at
  else
    core.log("warning", ("cannot load keys: %s"):format(tostring(reason)))
  end
end

-- Reads it in a coroutine of its own, so that cancelling one caller does not cancel the others.
local function start(self)
  self.waiting = {}
  core.spawn(function()
    local ok, reason = pcall(read, self)
    if not ok then
      self.tried_at, self.failed = core.now(), true
      core.log("error", "cannot load keys: " .. tostring(reason))
    end
    local waiting = self.waiting
    self.waiting = nil
    for _, waiter in ipairs(waiting) do waiter:wake() end
  end)
end

-- Waits for the request in progress. nil, text, code if this caller is cancelled meanwhile.
local function wait(self)
  if not self.waiting then start(self) end
  if not self.waiting then return true end -- it did not have to wait
  local waiter = core.waiter()
  self.waiting[#self.waiting + 1] = waiter
  return waiter:wait()
end

local function is_among(list, header)
  for _, key in ipairs(list) do
    if header.kid == nil or key.kid == header.kid then return true end
  end
  return false
end

local function may_ask(self, interval)
  if not self.tried_at then return true end
  return core.now() - self.tried_at >= (self.failed and math.min(jwks.RETRY, interval) or interval)
end

---The keys that may have signed a token of that header.
---@param header table
---@return table[]|nil list
---@return string|nil reason
---@return string|nil code "EUNREACHABLE": they cannot be had now; "ECANCELED"
function Set.__index:find(header)
  if not self.url and not self.file then return self.list end
  local now = core.now()
  if self.list and now - self.read_at > jwks.STALE then self.list = nil end
  if not self.list then
    if may_ask(self, jwks.RETRY) then
      local ok, text, code = wait(self)
      if not ok then return nil, text, code end
    end
    if not self.list then return nil, "the keys could not be loaded", "EUNREACHABLE" end
    return self.list
  end
  if not is_among(self.list, header) and may_ask(self, self.refresh) then
    local ok, text, code = wait(self)
    if not ok then return nil, text, code end
  elseif now - self.read_at > self.ttl and not self.waiting and may_ask(self, jwks.RETRY) then
    start(self)
  end
  return self.list
end

return jwks
