-- SPDX-License-Identifier: MIT
-- rate_limit: so many requests in so much time, for each caller and, if wanted, for each tool. A
-- bucket holds what may be used at once and fills steadily, so a caller that was quiet may be quick
-- for a moment.
local core = require "mcp.core"
local failure = require "mcp.failure"
local options = require "mcp.options"
local principal = require "mcp.auth.server.principal"

local KNOWN = { calls = "number", per = "number", burst = "number", by = "string|function",
  each = "boolean", kinds = "table" }
local KINDS = { tool = true, prompt = true, resource = true, list = true, completion = true,
  other = true }

-- All buckets of one limit, in bytes, and one bucket beside its key.
local BYTES, COST = 4 << 20, 200

local Buckets = {}
Buckets.__index = Buckets

-- Full buckets say nothing that a new one would not say.
function Buckets:sweep(now)
  for key, bucket in pairs(self.of) do
    if bucket.left + (now - bucket.at) * self.rate >= self.burst then
      self.of[key] = nil
      local bytes = COST + #key
      self.held = self.held - bytes
      self.share:release(bytes)
    end
  end
end

function Buckets:bucket(key, now)
  local found = self.of[key]
  if found then return found end
  local bytes = COST + #key
  if self.held + bytes > BYTES then self:sweep(now) end
  if self.held + bytes > BYTES or not self.share:charge(bytes) then return nil end
  self.held = self.held + bytes
  local made = { left = self.burst, at = now }
  self.of[key] = made
  return made
end

-- 0 if the request may go on, or the seconds after which it may.
function Buckets:take(key)
  local now = core.now()
  local bucket = self:bucket(key, now)
  if not bucket then return 1 / self.rate end
  bucket.left = math.min(self.burst, bucket.left + (now - bucket.at) * self.rate)
  bucket.at = now
  if bucket.left >= 1 then
    bucket.left = bucket.left - 1
    return 0
  end
  return (1 - bucket.left) / self.rate
end

-- What a request is about, for counts of its own; one for all names that the server does not have,
-- since a client may make up more than there is room for.
local REGISTRIES = { tool = "tools", prompt = "prompts" }

local function subject(request)
  local name, registry = request.name, REGISTRIES[request.kind]
  if registry and not (name and request.ctx.app[registry].by_name[name]) then name = "" end
  return request.kind .. "\0" .. tostring(name)
end

local function positive(given, name)
  local number = given[name]
  if number ~= nil and not (number > 0 and number < math.huge) then
    error(("mcp.middleware.rate_limit: %s: expected a number above 0, got %s"):format(name, number),
      3)
  end
end

---Limits how often a caller may ask. What is too much gets an error -32000 that says when to try
---again, with status 429 and Retry-After over HTTP.
---@param given table calls, per (seconds, 60), burst (at once, as many as calls), by ("principal",
---"all", or a function of the request that returns a key, or nil for no limit), each (each tool,
---prompt or URI has a count of its own), kinds (of requests that count; { "tool" })
---@return function
return function(given)
  options.check("mcp.middleware.rate_limit", given, KNOWN, 2)
  for _, name in ipairs { "calls", "per", "burst" } do positive(given, name) end
  if not given.calls then
    error("mcp.middleware.rate_limit: calls: expected a number, got nothing", 2)
  end
  if given.burst and given.burst < 1 then
    error("mcp.middleware.rate_limit: burst: expected 1 or more, got " .. given.burst, 2)
  end
  local by = given.by or "principal"
  if type(by) == "string" and by ~= "principal" and by ~= "all" then
    error(('mcp.middleware.rate_limit: by: expected "principal", "all" or a function, got %q')
      :format(by), 2)
  end
  options.check_list("mcp.middleware.rate_limit", given, "kinds", 2)
  local counted = {}
  for i, kind in ipairs(given.kinds or { "tool" }) do
    if not KINDS[kind] then
      error(("mcp.middleware.rate_limit: kinds[%d]: expected the kind of a request, got %q"):format(
        i, kind), 2)
    end
    counted[kind] = true
  end
  local per = given.per or 60
  local buckets = setmetatable({ of = {}, held = 0, share = core.share(),
    rate = given.calls / per, burst = math.max(1, given.burst or given.calls) }, Buckets)
  -- What the buckets of several processes have in common: the limit itself.
  local kinds = require("mcp.nearest").keys(counted)
  table.sort(kinds)
  local name = ("%g/%g/%g/%s/%s"):format(given.calls, per, buckets.burst,
    type(by) == "string" and by or "function", table.concat(kinds, "+"))
  return function(request, next)
    if not counted[request.kind] then return next(request) end
    local key
    if type(by) == "function" then
      key = by(request)
      if key == nil then return next(request) end
      if type(key) ~= "string" and type(key) ~= "number" then
        error("mcp.middleware.rate_limit: by: expected a function that returns a string, a number "
          .. "or nil, got " .. type(key), 0)
      end
      key = tostring(key)
    else
      key = by == "principal" and principal.key(request.ctx) or ""
    end
    if given.each then key = key .. "\0" .. subject(request) end
    local shared = request.ctx.app.shared
    -- While the store cannot be reached each process counts alone.
    local wait = shared and shared:take_token(name, key, buckets.rate, buckets.burst)
      or buckets:take(key)
    if wait == 0 then return next(request) end
    local seconds = math.max(1, math.ceil(wait))
    request.ctx.exchange:set_header("Retry-After", tostring(seconds))
    return nil, failure.busy("rate",
      ("Too many requests: at most %g in %g s; try again in %d s"):format(given.calls, per,
        seconds), { retryAfter = seconds }, 429)
  end
end
