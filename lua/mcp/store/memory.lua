-- SPDX-License-Identifier: MIT
-- memory: a store in the memory of one process. It keeps values for several nodes, which may be
-- apps of this process (so specs try what several processes would do) or other processes that reach
-- it over connections.
local core = require "mcp.core"
local methods = require "mcp.store.methods"

local memory = {}

---Bytes of all values together, with what they cost besides.
memory.BYTES = 256 << 20
-- What a key, and an entry of a list, costs beside its bytes.
local OVERHEAD = 200
-- Keys that may be added until what has expired is looked for.
local SWEEP = 1024
-- Of a full store this part is emptied at a time where lists can be spared: what has expired is not
-- looked for with each call.
local PART = 16

---@class mcp.store.Memory
local Memory = { __name = "mcp.store.memory" }
Memory.__index = {}

function Memory.__tostring(self)
  return ("mcp.store.memory (%d keys, %d bytes)"):format(self.count, self.bytes)
end

-- --- keys -------------------------------------------------------------------------------------
-- An item is { kind =, size =, expires =, … }: kind "value" has `value`, "list" has `ids`,
-- `entries`, `first`, `last` and `held`, "bucket" has `tokens` and `at`. A list that can be spared
-- has `spare`, its place in the queue of these.

local function keep_list(self, list)
  if list.spare then self.spare[list.spare] = nil end
  list.spare = nil
end

-- To the end of the queue: of lists that can be spared the one goes first that has been so for
-- longest.
local function spare_list(self, key, list)
  self.last_spare = self.last_spare + 1
  self.spare[self.last_spare], list.spare = key, self.last_spare
end

local function remove(self, key, item)
  keep_list(self, item)
  self.items[key] = nil
  self.count = self.count - 1
  self.bytes = self.bytes - item.size
  self.share:release(item.size)
end

-- The item of a key, unless its time is over.
local function find(self, key)
  local item = self.items[key]
  if item and item.expires <= core.now() then
    remove(self, key, item)
    return nil
  end
  return item
end

-- Removes all that has expired.
local function sweep(self)
  local now, old = core.now(), {}
  for key, item in pairs(self.items) do
    if item.expires <= now then old[key] = item end
  end
  for key, item in pairs(old) do remove(self, key, item) end
  self.sweep_at = self.count * 2 + SWEEP
end

local function charge(self, size)
  return self.bytes + size <= self.max_bytes and self.share:charge(size)
end

-- Lists that can be spared go until there is room for `size` more bytes, and some more.
local function charge_in_place(self, size)
  local enough = self.bytes - self.bytes // PART
  local charged = charge(self, size)
  while self.first_spare <= self.last_spare and not (charged and self.bytes <= enough) do
    local key = self.spare[self.first_spare]
    if key then remove(self, key, self.items[key]) end
    self.first_spare = self.first_spare + 1
    charged = charged or charge(self, size)
  end
  return charged
end

-- Which of its two limits leaves no room for `size` more bytes.
local function refusal(self, size)
  if self.bytes + size > self.max_bytes then
    return ("the store is full: %d of %d bytes are used, and %d more are needed"):format(
      self.bytes, self.max_bytes, size)
  end
  return ("not enough memory for the store: it keeps %d bytes, and the memory limit of the process "
    .. "(--memory-limit) has no room for %d more"):format(self.bytes, size)
end

-- Makes room for `size` more bytes.
local function grow(self, item, size)
  if size > 0 and not charge(self, size) then
    sweep(self)
    if not charge_in_place(self, size) then
      return nil, refusal(self, size), "EBUDGET"
    end
  elseif size < 0 then
    self.share:release(-size)
  end
  self.bytes = self.bytes + size
  item.size = item.size + size
  return true
end

local function insert(self, key, item, size)
  if self.count >= self.sweep_at then sweep(self) end
  item.size = 0
  local ok, text, code = grow(self, item, #key + OVERHEAD + size)
  if not ok then return nil, text, code end
  self.items[key] = item
  self.count = self.count + 1
  return item
end

local function wrong_kind(key, item, kind)
  return nil, ("key %q: expected a %s, found a %s"):format(key, kind, item.kind), "EKIND"
end

-- --- the driver: one for each node, with the store of the node --------------------------------

local Driver = {}
Driver.__index = Driver

function Driver:get(key)
  local item = find(self.memory, key)
  if not item then return nil end
  if item.kind ~= "value" then return wrong_kind(key, item, "value") end
  return item.value
end

function Driver:put(key, value, ttl)
  local bank = self.memory
  local item = find(bank, key)
  if item and item.kind == "value" then
    local ok, text, code = grow(bank, item, #value - #item.value)
    if not ok then return nil, text, code end
    item.value, item.expires = value, core.now() + ttl
    return true
  end
  if item then remove(bank, key, item) end
  local text, code
  item, text, code = insert(bank, key,
    { kind = "value", value = value, expires = core.now() + ttl }, #value)
  if not item then return nil, text, code end
  return true
end

function Driver:add(key, value, ttl)
  if find(self.memory, key) then return false end
  return self:put(key, value, ttl)
end

function Driver:touch(key, ttl)
  local item = find(self.memory, key)
  if not item then return false end
  item.expires = core.now() + ttl
  return true
end

function Driver:delete(key)
  local item = find(self.memory, key)
  if not item then return false end
  remove(self.memory, key, item)
  return true
end

function Driver:take(key)
  local item = find(self.memory, key)
  if not item then return nil end
  if item.kind ~= "value" then return wrong_kind(key, item, "value") end
  remove(self.memory, key, item)
  return item.value
end

function Driver:release(key, value)
  local item = find(self.memory, key)
  if not item then return false end
  if item.kind ~= "value" then return wrong_kind(key, item, "value") end
  if item.value ~= value then return false end
  remove(self.memory, key, item)
  return true
end

function Driver:count(key, n, ttl)
  local item = find(self.memory, key)
  if item and item.kind ~= "value" then return wrong_kind(key, item, "count") end
  local count = 0
  if item then
    count = item.value:find "^%-?%d+$" and math.tointeger(tonumber(item.value))
    if not count then
      return nil, ("key %q: expected a count, found a value that is no integer"):format(key),
        "EKIND"
    end
  end
  local sum = count + n
  if (n > 0 and sum < count) or (n < 0 and sum > count) then
    return nil, ("key %q: the count does not fit into 64 bits"):format(key), "ERANGE"
  end
  local left = item and item.expires - core.now() or ttl
  local ok, text, code = self:put(key, ("%d"):format(sum), left)
  if not ok then return nil, text, code end
  return sum
end

-- The oldest entry goes.
local function shift(self, list)
  local entry = list.entries[list.first]
  list.entries[list.first] = nil
  list.first = list.first + 1
  list.ids[entry[1]] = nil
  local size = #entry[1] + #entry[2]
  list.held = list.held - size
  grow(self, list, -size - OVERHEAD)
end

function Driver:append(key, id, value, limits)
  local bank = self.memory
  local list = find(bank, key)
  if list and list.kind ~= "list" then return wrong_kind(key, list, "list") end
  local ok, text, code
  if not list then
    list, text, code = insert(bank, key, { kind = "list", ids = {}, entries = {}, first = 1,
      last = 0, held = 0, expires = core.now() + limits.ttl }, 0)
    if not list then return nil, text, code end
  end
  list.expires = core.now() + limits.ttl
  if list.ids[id] then return true end
  -- It must not make room for itself.
  local spared = list.spare
  keep_list(bank, list)
  local size = #id + #value
  ok, text, code = grow(bank, list, size + OVERHEAD)
  if not ok then
    if spared then spare_list(bank, key, list) end
    return nil, text, code
  end
  list.last = list.last + 1
  list.entries[list.last] = { id, value }
  list.ids[id] = list.last
  list.held = list.held + size
  while list.first <= list.last
    and (list.last - list.first >= limits.events or list.held > limits.bytes) do
    shift(bank, list)
  end
  if limits.spare then spare_list(bank, key, list) end
  return true
end

function Driver:range(key, after)
  local list = find(self.memory, key)
  if not list then return nil end
  if list.kind ~= "list" then return wrong_kind(key, list, "list") end
  local at = list.first - 1
  if after then
    at = list.ids[after]
    if not at then return nil end
  end
  local out = {}
  for i = at + 1, list.last do
    local entry = list.entries[i]
    out[#out + 1] = { entry[1], entry[2] }
  end
  return out
end

function Driver:bucket(key, rate, burst, cost)
  local now = core.now()
  local item = find(self.memory, key)
  if item and item.kind ~= "bucket" then return wrong_kind(key, item, "bucket") end
  if not item then
    local text, code
    item, text, code = insert(self.memory, key,
      { kind = "bucket", tokens = burst, at = now, expires = math.huge }, 0)
    if not item then return nil, text, code end
  end
  item.tokens = math.min(burst, item.tokens + (now - item.at) * rate)
  item.at = now
  -- By then it is full, as if there were none.
  item.expires = now + burst / rate + 1
  if item.tokens < cost then return false, (cost - item.tokens) / rate end
  item.tokens = item.tokens - cost
  return true, 0
end

function Driver:later(name, ...)
  local _, text, code = self[name](self, ...)
  if code then return nil, text, code end
  return true
end

function Driver:publish(topic, text)
  for id, store in pairs(self.memory.stores) do
    if id ~= self.node then store:deliver(topic, text, self.node, true) end
  end
  return true
end

function Driver.listen() return true end

function Driver.unlisten() return true end

function Driver:nodes()
  local out = {}
  for id in pairs(self.memory.stores) do out[id] = true end
  return out
end

function Driver.connect() return true end

function Driver.is_ready() return true end

function Driver:close() self.memory.stores[self.node] = nil end

---A store for one more node.
---@param id string|nil of the node; random if not given
---@return mcp.Store
function Memory.__index:node(id)
  local driver = setmetatable({ memory = self }, Driver)
  local store = methods.new("memory store", driver, id)
  driver.node = store.node
  self.stores[store.node] = store
  return store
end

---What nodes share. The bytes count towards the memory limit of the process, too.
---@param options table|nil bytes (of all values together)
---@return mcp.store.Memory
function memory.new(options)
  require("mcp.options").check("memory store", options or {}, { bytes = "number" }, 2)
  local bytes = options and options.bytes or memory.BYTES
  if math.type(bytes) ~= "integer" or bytes < 0 then
    error(("memory store: bytes: expected an integer, 0 or more, got %s"):format(bytes), 2)
  end
  return setmetatable({ items = {}, count = 0, bytes = 0, max_bytes = bytes, share = core.share(),
    stores = {}, sweep_at = SWEEP, spare = {}, first_spare = 1, last_spare = 0 }, Memory)
end

---Is it one of these?
---@param given any
---@return boolean
function memory.is_memory(given) return getmetatable(given) == Memory end

return memory
