-- SPDX-License-Identifier: MIT
-- redis: a store whose values are in Redis (6.2 or newer, or what speaks its protocol). This file
-- turns the methods of a store into commands; the connections are link.lua's: one for commands, one
-- for the texts of topics, which is opened with the first subscription.
--
--   PREFIX k: KEY        a value, a count, a list or a bucket; it ends by itself
--   PREFIX nodes         a sorted set: the nodes alive, by when they end unless they say otherwise
--   PREFIX t DB : TOPIC  the channel of a topic; databases do not separate channels
local address = require "mcp.store.redis.address"
local connection = require "mcp.store.redis.connection"
local core = require "mcp.core"
local link = require "mcp.store.redis.link"
local methods = require "mcp.store.methods"
local scripts = require "mcp.store.redis.scripts"

local redis = {}

---How long a call waits for the server, in seconds.
redis.TIMEOUT = 2
---The interval between signs of life of a node, in seconds.
redis.BEAT = 5
---How long a node counts as alive after the last of them, in seconds.
redis.LIFE = 15
-- Topics in one command.
local TOGETHER = 32

local Driver = {}
Driver.__index = Driver

local function ms(ttl) return math.max(1, math.ceil(ttl * 1000)) end

-- Commands, by the method: how its arguments become one. Each returns an item for the link.
local COMMANDS = {}

function COMMANDS.get(self, key)
  return { words = { "GET", self.keys .. key }, again = true, key = key }
end

function COMMANDS.put(self, key, value, ttl)
  return { words = { "SET", self.keys .. key, value, "PX", ms(ttl) }, key = key }
end

function COMMANDS.add(self, key, value, ttl)
  return { words = { "SET", self.keys .. key, value, "PX", ms(ttl), "NX" }, key = key }
end

function COMMANDS.touch(self, key, ttl)
  return { words = { "PEXPIRE", self.keys .. key, ms(ttl) }, again = true, key = key }
end

function COMMANDS.delete(self, key)
  return { words = { "UNLINK", self.keys .. key }, key = key }
end

function COMMANDS.take(self, key)
  return { words = { "GETDEL", self.keys .. key }, key = key }
end

-- Sent twice it removes no other value.
function COMMANDS.release(self, key, value)
  return { script = "release", words = { self.keys .. key, value }, again = true, key = key }
end

function COMMANDS.count(self, key, n, ttl)
  return { script = "count", words = { self.keys .. key, n, ms(ttl) }, key = key, kind = "count" }
end

-- An id that is there is not added again, so this may be sent twice.
function COMMANDS.append(self, key, id, value, limits)
  return { script = "append", words = { self.keys .. key, id, value, limits.events, limits.bytes,
    ms(limits.ttl) }, again = true, key = key, kind = "list" }
end

function COMMANDS.range(self, key, after)
  return { script = "range", words = { self.keys .. key, after }, again = true, key = key,
    kind = "list" }
end

function COMMANDS.bucket(self, key, rate, burst, cost)
  return { script = "bucket", words = { self.keys .. key, ("%.17g"):format(rate),
    ("%.17g"):format(burst), ("%.17g"):format(cost) }, key = key, kind = "bucket" }
end

local function call(self, name, ...)
  return self.commands:call(COMMANDS[name](self, ...))
end

function Driver:get(key) return call(self, "get", key) end

function Driver:take(key) return call(self, "take", key) end

function Driver:put(key, value, ttl)
  local _, text, code = call(self, "put", key, value, ttl)
  if code then return nil, text, code end
  return true
end

function Driver:add(key, value, ttl)
  local done, text, code = call(self, "add", key, value, ttl)
  if code then return nil, text, code end
  return done ~= nil
end

function Driver:touch(key, ttl)
  local count, text, code = call(self, "touch", key, ttl)
  if code then return nil, text, code end
  return count == 1
end

function Driver:delete(key)
  local count, text, code = call(self, "delete", key)
  if code then return nil, text, code end
  return count == 1
end

function Driver:release(key, value)
  local count, text, code = call(self, "release", key, value)
  if code then return nil, text, code end
  return count == 1
end

function Driver:count(key, n, ttl)
  local count, text, code = call(self, "count", key, n, ttl)
  if code then return nil, text, code end
  return math.tointeger(tonumber(count))
end

function Driver:append(key, id, value, limits)
  local _, text, code = call(self, "append", key, id, value, limits)
  if code then return nil, text, code end
  return true
end

function Driver:range(key, after)
  local entries, text, code = call(self, "range", key, after)
  if code then return nil, text, code end
  if not entries then return nil end
  for i, entry in ipairs(entries) do
    local digits = entry:match "^%d+"
    local last = #digits + 1 + tonumber(digits)
    entries[i] = { entry:sub(#digits + 2, last), entry:sub(last + 1) }
  end
  return entries
end

function Driver:bucket(key, rate, burst, cost)
  local seconds, text, code = call(self, "bucket", key, rate, burst, cost)
  if code then return nil, text, code end
  seconds = tonumber(seconds)
  return seconds == 0, seconds == 0 and 0 or seconds
end

function Driver:later(name, ...)
  local item = COMMANDS[name](self, ...)
  item.reported = self.reported
  return self.commands:submit(item)
end

-- --- the bus ----------------------------------------------------------------------------------

function Driver:publish(topic, text)
  return self.commands:submit { words = { "PUBLISH", self.channels .. topic,
    self.node .. ":" .. text }, now = true }
end

-- Are both connections as they should be? Subscribers learn once that they were not.
local function check_back(self)
  if self.was_lost and self:is_ready() then
    self.was_lost = false
    self.store:came_back()
  end
end

local function confirmed(self, channel)
  local topic = self.topics[channel:sub(#self.channels + 1)]
  if not topic or topic.confirmed then return end
  topic.confirmed = true
  self.unconfirmed = self.unconfirmed - 1
  topic.waiter:wake()
  if self.unconfirmed == 0 then check_back(self) end
end

-- What comes by the connection of subscriptions.
local function arrive(self, kind, value)
  if kind == "error" then
    return self.subscriber:drop(connection.explain(value))
  elseif type(value) ~= "table" then
    return
  end
  if value[1] == "message" then
    local node, text = value[3]:match "^([^:]*):(.*)$"
    if node then self.store:deliver(value[2]:sub(#self.channels + 1), text, node) end
  elseif value[1] == "subscribe" then
    confirmed(self, value[2])
  elseif value[1] == "pong" then
    self.asked = false
  end
end

-- Subscribes to everything again.
local function subscribe_all(self)
  local names = {}
  self.asked, self.unconfirmed = false, 0
  for name, topic in pairs(self.topics) do
    topic.confirmed = false
    if topic.waiter:is_woken() then topic.waiter = core.waiter() end
    self.unconfirmed = self.unconfirmed + 1
    names[#names + 1] = self.channels .. name
  end
  for i = 1, #names, TOGETHER do
    self.subscriber:push("SUBSCRIBE", table.unpack(names, i, math.min(#names, i + TOGETHER - 1)))
  end
  if self.unconfirmed == 0 then check_back(self) end
end

local function new_link(self, subscriber)
  local function on_away()
    self.was_lost = true
    -- Is the other one still there?
    if self.tick then self.tick:wake() end
  end
  local made, text = link.new {
    name = self.place.name .. (subscriber and " (subscriptions)" or ""), place = self.place,
    timeout = self.timeout, scripts = scripts,
    subscriber = subscriber, on_away = on_away,
    on_up = function()
      if subscriber then return subscribe_all(self) end
      -- A server that was started again knows no nodes.
      if self.tick then self.tick:wake() end
      check_back(self)
    end,
    on_push = function(kind, value) arrive(self, kind, value) end }
  if not made then error("store: " .. text, 0) end
  return made
end

function Driver:listen(name)
  local topic = { confirmed = false, waiter = core.waiter() }
  self.topics[name] = topic
  self.subscriber = self.subscriber or new_link(self, true)
  local up = self.subscriber.up
  self.subscriber:start()
  self:live()
  if up then
    self.unconfirmed = self.unconfirmed + 1
    self.subscriber:push("SUBSCRIBE", self.channels .. name)
  elseif self.subscriber.reason then
    -- It is away: in effect once it is back.
    return
  end
  topic.waiter:wait(self.timeout)
end

function Driver:unlisten(name)
  local topic = self.topics[name]
  self.topics[name] = nil
  if not topic.confirmed and self.subscriber.up then self.unconfirmed = self.unconfirmed - 1 end
  self.subscriber:push("UNSUBSCRIBE", self.channels .. name)
end

-- --- life -------------------------------------------------------------------------------------

-- Says for how long this node is alive. The nodes alive, or nil, text and code.
local function beat(self, life)
  return self.commands:call { script = "nodes", again = life > 0,
    words = { self.nodes_key, self.node, ms(life) } }
end

-- Ends the connection of subscriptions if it has not answered since the last time.
local function probe(self)
  local subscriber = self.subscriber
  if not subscriber or not subscriber.up then return end
  if self.asked then return subscriber:drop "no answer" end
  self.asked = true
  subscriber:push "PING"
end

---Starts the task that says that this node is alive.
function Driver:live()
  if self.living or self.closed then return end
  self.living = true
  core.spawn(function()
    while not self.closed do
      local _, _, code = beat(self, redis.LIFE)
      if code == "ECANCELED" or self.closed then break end
      probe(self)
      self.tick = core.waiter()
      _, _, code = self.tick:wait(redis.BEAT)
      if code == "ECANCELED" then break end
    end
    self.living = false
  end)
end

function Driver:nodes()
  local list, text, code = beat(self, redis.LIFE)
  if not list then return nil, text, code end
  local out = {}
  for _, node in ipairs(list) do out[node] = true end
  return out
end

function Driver:connect()
  local ok, text, code = self.commands:connect()
  if not ok then
    self:live()
    return nil, text, code
  end
  -- May it do what is needed?
  local list
  list, text, code = beat(self, redis.LIFE)
  self:live()
  if not list then return nil, text, code end
  return true
end

function Driver:is_ready()
  return self.commands.up
    and (not self.subscriber or self.subscriber.up and self.unconfirmed == 0)
end

function Driver:close()
  local first = not self.closed
  self.closed = true
  if self.tick then self.tick:wake() end
  if first and self.living and self.commands.up then
    self.commands:submit { script = "nodes", words = { self.nodes_key, self.node, 0 } }
  end
  self.commands:close()
  if self.subscriber then self.subscriber:close() end
  for _, topic in pairs(self.topics) do topic.waiter:wake() end
end

local OPTIONS = { timeout = "number", tls = "any" }

---A store in the Redis of an address; see address.lua. Nothing is connected yet. Raises (level 0)
---what is wrong.
---@param text string
---@param options table|nil timeout (seconds of a call), tls (options of mcp.tls.client)
---@return mcp.Store
function redis.open(text, options)
  options = options or {}
  local message = require("mcp.options").error_in(options, OPTIONS)
  if message then error("store: " .. message, 0) end
  local timeout = options.timeout or redis.TIMEOUT
  if not (timeout > 0 and timeout <= 60) then
    error(("store: timeout: expected more than 0 and at most 60 seconds, got %s"):format(timeout),
      0)
  end
  local place = address.read(text)
  if options.tls then
    if not place.tls then error("store: tls: expected the address to begin with rediss://", 0) end
    place.tls = options.tls
  end
  local self = setmetatable({ place = place, timeout = timeout, topics = {}, unconfirmed = 0,
    keys = place.prefix .. "k:", nodes_key = place.prefix .. "nodes",
    channels = ("%st%d:"):format(place.prefix, place.db), asked = false, was_lost = false,
    closed = false, living = false }, Driver)
  self.commands = new_link(self, false)
  self.store = methods.new(place.name, self)
  self.node = self.store.node
  self.reported = function(ok, reason) self.store:report(ok, reason) end
  return self.store
end

return redis
