-- SPDX-License-Identifier: MIT
-- cache: results of the stateless revision that the server allows clients to cache (protocol, 4.8).
-- The caller decides which results to keep and when they are out of date.
local copy = require("mcp.copy").deep
local core = require "mcp.core"
local uri = require "mcp.later" "mcp.uri"

local cache = {}

---Number of results; the oldest makes room.
cache.MAX = 1000
---A result is kept no longer than this, whatever the server says, in seconds.
cache.MAX_TTL = 86400

---@class mcp.client.Cache
local Cache = { __name = "mcp.client_cache" }
Cache.__index = {}

function Cache.__tostring(self) return ("mcp.client_cache (%d results)"):format(self.count) end

---An empty cache. Clients of one server may share it: private results are kept apart by principal.
---@param max integer|nil number of results
---@return mcp.client.Cache
function cache.new(max)
  return setmetatable({ max = max or cache.MAX, count = 0, entries = {}, order = {}, from = 1,
    last = 0, generation = 0, share = core.share() }, Cache)
end

local function remove(self, key)
  local entry = self.entries[key]
  if not entry then return end
  self.entries[key], self.count = nil, self.count - 1
  -- The entry stays in `order`, without its result.
  self.share:release(entry.bytes)
  entry.result = nil
end

local function drop_first(self)
  local order = self.order
  local first = order[self.from]
  order[self.from] = nil
  self.from = self.from + 1
  if self.entries[first.key] == first then remove(self, first.key) end
end

-- Removes the oldest results. Entries that were removed or replaced stay in `order` until they are
-- more than the rest.
local function make_room(self)
  local order, entries = self.order, self.entries
  while self.count > self.max do drop_first(self) end
  if self.last - self.from < 2 * self.max then return end
  local kept, count = {}, 0
  for i = self.from, self.last do
    local entry = order[i]
    if entries[entry.key] == entry then
      count = count + 1
      kept[count] = entry
    end
  end
  self.order, self.from, self.last = kept, 1, count
end

-- The keys of a result: the public one and that of the principal.
local function keys_of(place, method, detail)
  local rest = ("\0%s\0%s"):format(method, detail or "")
  return place.server .. "\0public\0" .. rest,
    place.server .. "\0private\0" .. place.principal .. rest
end

---A copy of a result that is still valid, or nil.
---@param place table server, principal
---@param method string
---@param detail string|nil the param that tells results apart
---@return table|nil
function Cache.__index:get(place, method, detail)
  local now = core.now()
  for _, key in ipairs { keys_of(place, method, detail) } do
    local entry = self.entries[key]
    if entry and entry.until_then > now then return copy(entry.result) end
    if entry then remove(self, key) end
  end
  return nil
end

---Keeps a result for the time that it states.
---@param place table server, principal
---@param method string
---@param detail string|nil
---@param result table
---@param generation integer that of the cache when the request was sent: changes since count
function Cache.__index:put(place, method, detail, result, generation)
  local ttl = math.type(result.ttlMs) and math.tointeger(result.ttlMs)
  if not ttl or ttl <= 0 or generation ~= self.generation then return end
  local public, private = keys_of(place, method, detail)
  local key = result.cacheScope == "public" and public or private
  remove(self, public)
  remove(self, private)
  local bytes = core.weight(result, key)
  while not self.share:charge(bytes) do
    if self.count == 0 then return end
    drop_first(self)
  end
  local entry = { key = key, server = place.server, method = method, detail = detail,
    bytes = bytes, result = copy(result),
    until_then = core.now() + math.min(ttl / 1000, cache.MAX_TTL) }
  self.count = self.count + 1
  self.entries[key] = entry
  self.last = self.last + 1
  self.order[self.last] = entry
  make_room(self)
end

---Forgets the results of a method, or the one of `detail`. Results of requests in progress are not
---kept.
---@param place table server
---@param method string|nil nil: all of the server
---@param detail string|nil
function Cache.__index:drop(place, method, detail)
  self.generation = self.generation + 1
  for key, entry in pairs(self.entries) do
    if entry.server == place.server and (method == nil or entry.method == method)
      and (detail == nil or entry.detail == detail
        or entry.detail and uri.normal(entry.detail) == uri.normal(detail)) then
      remove(self, key)
    end
  end
end

return cache
