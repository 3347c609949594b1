-- SPDX-License-Identifier: MIT
-- cache: keeps results for a while, so that a slow tool or a mounted server is not asked the same
-- thing again. Only what the program names is kept: whether a result depends on its arguments alone
-- is nothing that can be seen from outside.
local copy = require("mcp.copy").deep
local core = require "mcp.core"
local json = require "mcp.json"
local options = require "mcp.options"
local principal = require "mcp.auth.server.principal"

local KNOWN = { ttl = "number", names = "table", when = "function", bytes = "number",
  shared = "boolean" }

-- Members of params that a cached request may have: with any other (an answer to a question, a
-- task) a request is more than its name and arguments.
local PLAIN = { name = true, uri = true, arguments = true, cursor = true, _meta = true }

local TTL, BYTES = 60, 8 << 20
-- Of an entry, beside its key and its result.
local OVERHEAD = 300

local function key_of(request, shared)
  for member in pairs(request.params or {}) do
    if not PLAIN[member] then return nil end
  end
  local params = request.params or {}
  local arguments = json.encode(params.arguments or {}, { sorted = true })
  if not arguments then return nil end
  return table.concat({ request.ctx.revision.name, request.method, tostring(params.name),
    tostring(params.uri), tostring(params.cursor), arguments,
    shared and "" or principal.key(request.ctx) }, "\0")
end

local function is_kept(result)
  return type(result) == "table" and not result.isError
    and (result.resultType == nil or result.resultType == "complete")
end

local Store = {}
Store.__index = Store

function Store:drop(key)
  local entry = self.entries[key]
  if not entry then return end
  self.entries[key], self.order[entry.place] = nil, nil
  self.held = self.held - entry.bytes
  self.share:release(entry.bytes)
end

-- The oldest goes first.
function Store:make_room(bytes)
  while self.held + bytes > self.most and self.first <= self.last do
    -- A place is empty once its entry is gone: what was kept again has a later one.
    local key = self.order[self.first]
    if key then self:drop(key) end
    self.first = self.first + 1
  end
  return self.held + bytes <= self.most
end

function Store:put(key, result)
  local bytes = core.weight(result) + #key + OVERHEAD
  self:drop(key)
  if not self:make_room(bytes) or not self.share:charge(bytes) then return end
  self.last = self.last + 1
  self.order[self.last] = key
  self.held = self.held + bytes
  self.entries[key] = { result = copy(result), bytes = bytes, place = self.last,
    expires = core.now() + self.ttl }
end

function Store:get(key)
  local entry = self.entries[key]
  if not entry then return nil end
  if core.now() < entry.expires then return copy(entry.result) end
  self:drop(key)
end

---Keeps results.
---@param given table names (of tools and prompts, and URIs) or when (a function of the request),
---and ttl (seconds, 60), bytes (of all results, 8 MiB), shared (callers with different tokens get
---the same results)
---@return function
return function(given)
  options.check("mcp.middleware.cache", given, KNOWN, 2)
  if not given.names and not given.when then
    error("mcp.middleware.cache: expected names, a list of what may be kept, or when, a function "
      .. "of the request", 2)
  end
  for _, name in ipairs { "ttl", "bytes" } do
    -- Not a number is not more than 0 either.
    local fine = given[name] == nil or given[name] > 0
    if not fine then
      error(("mcp.middleware.cache: %s: expected more than 0, got %s"):format(name, given[name]), 2)
    end
  end
  options.check_list("mcp.middleware.cache", given, "names", 2)
  local named = {}
  for _, name in ipairs(given.names or {}) do named[name] = true end
  local store = setmetatable({ entries = {}, order = {}, first = 1, last = 0, held = 0,
    most = given.bytes or BYTES, ttl = given.ttl or TTL, share = core.share() }, Store)
  return function(request, next)
    local wanted = request.name and named[request.name] or given.when and given.when(request)
    local key = wanted and key_of(request, given.shared)
    local found = key and store:get(key)
    if found then return found end
    local result, err = next(request)
    if key and is_kept(result) then store:put(key, result) end
    return result, err
  end
end
