-- SPDX-License-Identifier: MIT
-- methods: what every store can do, whatever keeps its values: checks arguments, delivers the texts
-- of topics, and hands the rest to a driver. What the methods mean is described here alone.
--
-- A store joins processes that serve the same app: values of bytes under keys, and a bus of short
-- texts. Methods may wait and never block the loop; on failure they return nil, a text and a code:
--
--   EUNAVAILABLE  the other side is away, or has not answered in time. What was sent may have been
--                 carried out, unless the text says that it was not sent
--   ETOOBIG       the value is larger than methods.VALUE
--   EBUDGET       the store is full, or the memory limit of its process is reached
--   EKIND         the key holds something else: a list, a bucket, no number
--   ERANGE        a count beyond 64 bits
--   ECLOSED       the store is closed
--   ECANCELED     the task was cancelled
--
-- A driver has the methods get, put, add, touch, delete, take, release, count, append, range,
-- bucket and nodes with the arguments below, checked; and
--   driver:later(name, …)          one of these methods, without waiting
--   driver:publish(topic, text)    without waiting
--   driver:listen(topic)           before the first subscription of a topic; waits
--   driver:unlisten(topic)         after the last
--   driver:connect(), driver:is_ready()
--   driver:close()                 may be called again
-- It calls store:deliver(topic, text, node, inside) with what others have published, and
-- store:came_back().
local core = require "mcp.core"

local methods = {}

---The largest value, in bytes: a client's state must not take the memory of all processes.
methods.VALUE = 16 << 20
---The largest key, topic, or id of an entry, in bytes.
methods.KEY = 1024
---The longest time to keep a value, in seconds: some thirty years.
methods.TTL = 1e9
---The shortest.
methods.SHORTEST = 0.001
---What a list keeps unless its limits say something else: entries, and bytes of ids and values.
methods.EVENTS = 256
methods.BYTES = 1 << 20
---Texts of one subscription whose function has not returned yet, and their bytes: a slow function
---must not fill the memory. What comes after is lost, as it is while the other side is away.
methods.WAITING = 4096
methods.WAITING_BYTES = 16 << 20

---@class mcp.Store
---@field node string the id of this process, random, made at the start
local Store = { __name = "mcp.store" }
Store.__index = {}

function Store.__tostring(self)
  return ("mcp.store (%s%s)"):format(self.name, self.closed and ", closed" or "")
end

-- --- arguments --------------------------------------------------------------------------------

-- Raises at the line of the user, `level` calls above: 3 if a method calls this itself.
local function refuse(level, name, text, ...)
  error(("store:%s: %s"):format(name, text:format(...)), level)
end

local function check_self(self, name)
  if getmetatable(self) ~= Store then
    error(("store:%s is called with a colon, not with a dot"):format(name), 3)
  end
end

local function check_key(name, what, key)
  if type(key) ~= "string" then
    refuse(4, name, "%s: expected a string, got %s", what, type(key))
  end
  if key == "" or #key > methods.KEY then
    refuse(4, name, "%s: expected 1 to %d bytes, got %d", what, methods.KEY, #key)
  end
end

local function check_text(name, what, text)
  if type(text) ~= "string" then
    refuse(4, name, "%s: expected a string, got %s", what, type(text))
  end
end

local function check_number(name, what, value, least, most, level)
  if math.type(value) == nil then
    refuse(level or 4, name, "%s: expected a number, got %s", what, type(value))
  end
  if not (value >= least and value <= most) then
    refuse(level or 4, name, "%s: expected %s to %.0f, got %s", what, least, most, value)
  end
end

local function check_ttl(name, ttl)
  check_number(name, "ttl", ttl, methods.SHORTEST, methods.TTL, 5)
end

local function check_function(name, fn)
  if type(fn) ~= "function" then refuse(4, name, "expected a function, got %s", type(fn)) end
end

local LIMITS = { events = "number", bytes = "number", ttl = "number", spare = "boolean" }

-- The limits of a list with all their members.
local function read_limits(name, given)
  if type(given) ~= "table" then
    refuse(4, name, "limits: expected a table with ttl, got %s", type(given))
  end
  local message = require("mcp.options").error_in(given, LIMITS, "limit")
  if message then refuse(4, name, "%s", message) end
  local out = { events = given.events or methods.EVENTS, bytes = given.bytes or methods.BYTES,
    ttl = given.ttl, spare = given.spare or false }
  check_number(name, "limits: ttl", out.ttl, methods.SHORTEST, methods.TTL, 5)
  for _, member in ipairs { "events", "bytes" } do
    local limit = math.tointeger(out[member])
    if not limit or limit < 1 then
      refuse(4, name, "limits: %s: expected an integer, 1 or more, got %s", member, out[member])
    end
    out[member] = limit
  end
  return out
end

local function too_large(what, text)
  return nil, ("%s: expected at most %d bytes, got %d"):format(what, methods.VALUE, #text),
    "ETOOBIG"
end

local function closed() return nil, "the store is closed", "ECLOSED" end

-- --- values -----------------------------------------------------------------------------------

---The value of a key.
---@param key string
---@return string|nil value nil alone: there is none
---@return string|nil text, string|nil code
function Store.__index:get(key)
  check_self(self, "get")
  check_key("get", "key", key)
  if self.closed then return closed() end
  return self.driver:get(key)
end

---Sets a value, whatever was there.
---@param key string
---@param value string
---@param ttl number seconds until it is forgotten
---@return true|nil done, string|nil text, string|nil code
function Store.__index:put(key, value, ttl)
  check_self(self, "put")
  check_key("put", "key", key)
  check_text("put", "value", value)
  check_ttl("put", ttl)
  if self.closed then return closed() end
  if #value > methods.VALUE then return too_large("value", value) end
  return self.driver:put(key, value, ttl)
end

---Sets a value if the key holds nothing.
---@param key string
---@param value string
---@param ttl number
---@return boolean|nil added, string|nil text, string|nil code
function Store.__index:add(key, value, ttl)
  check_self(self, "add")
  check_key("add", "key", key)
  check_text("add", "value", value)
  check_ttl("add", ttl)
  if self.closed then return closed() end
  if #value > methods.VALUE then return too_large("value", value) end
  return self.driver:add(key, value, ttl)
end

---Starts the time of a value, a list or a count again.
---@param key string
---@param ttl number
---@return boolean|nil there false: the key holds nothing
---@return string|nil text, string|nil code
function Store.__index:touch(key, ttl)
  check_self(self, "touch")
  check_key("touch", "key", key)
  check_ttl("touch", ttl)
  if self.closed then return closed() end
  return self.driver:touch(key, ttl)
end

---Removes a value, a list, a count or a bucket.
---@param key string
---@return boolean|nil removed false: the key held nothing
---@return string|nil text, string|nil code
function Store.__index:delete(key)
  check_self(self, "delete")
  check_key("delete", "key", key)
  if self.closed then return closed() end
  return self.driver:delete(key)
end

---Removes a value and returns it, in one step: of several callers, one gets it.
---@param key string
---@return string|nil value nil alone: there is none
---@return string|nil text, string|nil code
function Store.__index:take(key)
  check_self(self, "take")
  check_key("take", "key", key)
  if self.closed then return closed() end
  return self.driver:take(key)
end

---Removes a value if it is this one, in one step: the end of a lock that `add` has taken with a
---value of one's own. Another holder's stays.
---@param key string
---@param value string
---@return boolean|nil released false: the key held nothing, or another value
---@return string|nil text, string|nil code
function Store.__index:release(key, value)
  check_self(self, "release")
  check_key("release", "key", key)
  check_text("release", "value", value)
  if self.closed then return closed() end
  if #value > methods.VALUE then return too_large("value", value) end
  return self.driver:release(key, value)
end

---Adds to a count, in one step. It starts at 0, and its time is that of the call that made it.
---@param key string
---@param n integer what to add
---@param ttl number
---@return integer|nil count, string|nil text, string|nil code
function Store.__index:count(key, n, ttl)
  check_self(self, "count")
  check_key("count", "key", key)
  if math.type(n) ~= "integer" then
    refuse(3, "count", "n: expected an integer, got %s", tostring(n))
  end
  check_ttl("count", ttl)
  if self.closed then return closed() end
  return self.driver:count(key, n, ttl)
end

-- --- lists ------------------------------------------------------------------------------------

---Adds an entry to the end of a list and starts the list's time again. The oldest entries go while
---there are more than `limits.events`, or more than `limits.bytes` of ids and values. An id that
---the list has is not added again, so that a call can be repeated. With `limits.spare` the list may
---go before its time where the store is full; a store in Redis leaves that to Redis.
---@param list string the key
---@param id string of the entry
---@param value string
---@param limits { events: integer?, bytes: integer?, ttl: number, spare: boolean? }
---@return true|nil done, string|nil text, string|nil code
function Store.__index:append(list, id, value, limits)
  check_self(self, "append")
  check_key("append", "list", list)
  check_key("append", "id", id)
  check_text("append", "value", value)
  limits = read_limits("append", limits)
  if self.closed then return closed() end
  if #value > methods.VALUE then return too_large("value", value) end
  return self.driver:append(list, id, value, limits)
end

---The entries of a list, oldest first.
---@param list string the key
---@param after string|nil only those after this id
---@return { [1]: string, [2]: string }[]|nil entries id and value; nil alone: no such list, or id
---@return string|nil text, string|nil code
function Store.__index:range(list, after)
  check_self(self, "range")
  check_key("range", "list", list)
  if after ~= nil then check_key("range", "after", after) end
  if self.closed then return closed() end
  return self.driver:range(list, after)
end

-- --- buckets ----------------------------------------------------------------------------------

---Takes tokens out of a bucket, which is full at first.
---@param key string
---@param rate number tokens that come back in a second
---@param burst number tokens of a full bucket
---@param cost number|nil tokens to take, 1 if not given; at most `burst`
---@return boolean|nil allowed false: nothing was taken
---@return number|string seconds until there are enough, 0 if allowed; or a text
---@return string|nil code
function Store.__index:bucket(key, rate, burst, cost)
  check_self(self, "bucket")
  check_key("bucket", "key", key)
  check_number("bucket", "rate", rate, 1e-6, 1e9)
  check_number("bucket", "burst", burst, 1e-6, 1e9)
  if cost == nil then cost = 1 end
  check_number("bucket", "cost", cost, 0, burst)
  if self.closed then return closed() end
  return self.driver:bucket(key, rate, burst, cost)
end

-- --- without waiting --------------------------------------------------------------------------

-- Failures of such calls are logged, once until one succeeds again.
local function report(self, ok, text)
  if ok then
    self.reported = false
  elseif not self.reported and not self.closed then
    self.reported = true
    core.log("warning", ("%s: what was to be kept is lost: %s"):format(self.name, text))
  end
end

-- Hands one of the methods over. The driver calls `report` if it fails later.
local function later(self, name, ...)
  if self.closed then return end
  local ok, text = self.driver:later(name, ...)
  report(self, ok, text)
end

---As `put`, without waiting and without a result: carried out after all that this process has sent
---before. A failure is logged.
---@param key string
---@param value string
---@param ttl number
function Store.__index:put_later(key, value, ttl)
  check_self(self, "put_later")
  check_key("put_later", "key", key)
  check_text("put_later", "value", value)
  check_ttl("put_later", ttl)
  if #value > methods.VALUE then return report(self, too_large("value", value)) end
  later(self, "put", key, value, ttl)
end

---As `append`, without waiting.
---@param list string
---@param id string
---@param value string
---@param limits table
function Store.__index:append_later(list, id, value, limits)
  check_self(self, "append_later")
  check_key("append_later", "list", list)
  check_key("append_later", "id", id)
  check_text("append_later", "value", value)
  limits = read_limits("append_later", limits)
  if #value > methods.VALUE then return report(self, too_large("value", value)) end
  later(self, "append", list, id, value, limits)
end

---As `touch`, without waiting.
---@param key string
---@param ttl number
function Store.__index:touch_later(key, ttl)
  check_self(self, "touch_later")
  check_key("touch_later", "key", key)
  check_ttl("touch_later", ttl)
  later(self, "touch", key, ttl)
end

---As `delete`, without waiting.
---@param key string
function Store.__index:delete_later(key)
  check_self(self, "delete_later")
  check_key("delete_later", "key", key)
  later(self, "delete", key)
end

---As `release`, without waiting: also after an `add` that may still be carried out.
---@param key string
---@param value string
function Store.__index:release_later(key, value)
  check_self(self, "release_later")
  check_key("release_later", "key", key)
  check_text("release_later", "value", value)
  if #value > methods.VALUE then return report(self, too_large("value", value)) end
  later(self, "release", key, value)
end

---What a driver calls when a call without waiting has failed, or succeeded again.
---@param ok any
---@param text string|nil
function Store.__index:report(ok, text) report(self, ok, text) end

-- --- the bus ----------------------------------------------------------------------------------

---Sends a text to the subscribers of a topic in the other processes. Does not wait; it arrives at
---most once, and in the order in which this process has published.
---@param topic string
---@param text string
---@return true|nil sent, string|nil text, string|nil code
function Store.__index:publish(topic, text)
  check_self(self, "publish")
  check_key("publish", "topic", topic)
  check_text("publish", "text", text)
  if self.closed then return closed() end
  if #text > methods.VALUE then return too_large("text", text) end
  return self.driver:publish(topic, text)
end

---@class mcp.store.Subscription
local Subscription = { __name = "mcp.store.subscription" }
Subscription.__index = {}

function Subscription.__tostring(self)
  return ("mcp.store.subscription (%s)"):format(self.topic)
end

---Ends it: the function is not called any more.
function Subscription.__index:close()
  if self.closed then return end
  self.closed = true
  self.queue, self.first, self.last, self.bytes = {}, 1, 0, 0
  local store = self.store
  local list = store.topics[self.topic]
  for i, other in ipairs(list or {}) do
    if other == self then table.remove(list, i) break end
  end
  if list and not list[1] then
    store.topics[self.topic] = nil
    if not store.closed then store.driver:unlisten(self.topic) end
  end
end
Subscription.__close = function(self) self:close() end

---Calls `fn(text, node)` with what other processes publish, one text after the other in a task of
---its own. Waits until the subscription is in effect. While the other side is away the subscription
---is made nevertheless and takes effect once it is back.
---@param topic string
---@param fn fun(text: string, node: string)
---@return mcp.store.Subscription|nil subscription, string|nil text, string|nil code
function Store.__index:subscribe(topic, fn)
  check_self(self, "subscribe")
  check_key("subscribe", "topic", topic)
  check_function("subscribe", fn)
  if self.closed then return closed() end
  local subscription = setmetatable({ store = self, topic = topic, fn = fn, queue = {}, first = 1,
    last = 0, bytes = 0, running = false, closed = false, lost = false }, Subscription)
  local list = self.topics[topic]
  if list then
    list[#list + 1] = subscription
  else
    self.topics[topic] = { subscription }
  end
  self.driver:listen(topic)
  return subscription
end

local function run(subscription, text, node)
  local ok, err = xpcall(subscription.fn, debug.traceback, text, node)
  if not ok then
    core.log_lines("error", ("%s: topic %q: %s"):format(subscription.store.name, subscription.topic,
      tostring(err)))
  end
end

-- The task of a subscription: as long as there are texts. Of a text out of this process it begins
-- in the next turn, so that `publish` never runs a subscriber; one from outside came before the
-- requests that are read after it, and counts for those.
local function drain(subscription, inside)
  if not inside or core.sleep(0) then
    while subscription.first <= subscription.last do
      local first = subscription.first
      local item = subscription.queue[first]
      subscription.queue[first], subscription.first = nil, first + 1
      subscription.bytes = subscription.bytes - #item[1]
      run(subscription, item[1], item[2])
    end
  end
  subscription.running = false
end

local function push(subscription, text, node, inside)
  if subscription.last - subscription.first + 1 >= methods.WAITING
    or subscription.bytes + #text > methods.WAITING_BYTES then
    if not subscription.lost then
      subscription.lost = true
      core.log("warning", ("%s: topic %q: its function is slower than what arrives: texts are lost")
        :format(subscription.store.name, subscription.topic))
    end
    return
  end
  subscription.lost = false
  subscription.last = subscription.last + 1
  subscription.queue[subscription.last] = { text, node }
  subscription.bytes = subscription.bytes + #text
  if subscription.running then return end
  subscription.running = true
  core.spawn(drain, subscription, inside)
end

---What a driver calls with a text that a process has published. This process's own are dropped.
---@param topic string
---@param text string
---@param node string
---@param inside boolean|nil that is another node of this process
function Store.__index:deliver(topic, text, node, inside)
  if node == self.node or self.closed then return end
  local list = self.topics[topic] or {}
  -- A copy: what runs may close its subscription.
  for _, subscription in ipairs(table.move(list, 1, #list, 1, {})) do
    push(subscription, text, node, inside)
  end
end

---Calls `fn()`, in a task, each time the other side is back after it was away. What was subscribed
---is subscribed again by then; texts that were published meanwhile are lost.
---@param fn function
function Store.__index:on_back(fn)
  check_self(self, "on_back")
  check_function("on_back", fn)
  self.back[#self.back + 1] = fn
end

---What a driver calls after the other side was away and is back.
function Store.__index:came_back()
  for _, fn in ipairs(self.back) do core.spawn(fn) end
end

-- --- itself -----------------------------------------------------------------------------------

---The ids of the processes that use the store and are alive, this one included.
---@return table<string, true>|nil nodes, string|nil text, string|nil code
function Store.__index:nodes()
  check_self(self, "nodes")
  if self.closed then return closed() end
  return self.driver:nodes()
end

---Connects, and waits for it. Without it the first call connects.
---@return true|nil connected, string|nil text
---@return string|nil code EUNAVAILABLE: it will be tried again; anything else has to be corrected
function Store.__index:connect()
  check_self(self, "connect")
  if self.closed then return closed() end
  return self.driver:connect()
end

---Can it be used at this moment?
---@return boolean
function Store.__index:is_ready()
  check_self(self, "is_ready")
  return not self.closed and self.driver:is_ready()
end

---Closes it, after what was sent without waiting. Calls in progress return nil, a text, "ECLOSED".
function Store.__index:close()
  check_self(self, "close")
  self.closed = true
  for _, list in pairs(self.topics) do
    for _, subscription in ipairs(list) do subscription.closed = true end
  end
  -- Called again where the first time there was not enough memory.
  self.driver:close()
  self.topics, self.back = {}, {}
end
Store.__close = function(self) self:close() end

---The names of the methods that users call.
methods.NAMES = { "get", "put", "add", "touch", "delete", "take", "release", "count", "append",
  "range", "bucket", "put_later", "append_later", "touch_later", "delete_later", "release_later",
  "publish", "subscribe", "on_back", "nodes", "connect", "is_ready", "close" }

---A store on top of a driver.
---@param name string for messages: "memory", "redis 127.0.0.1:6379"
---@param driver table
---@param node string|nil the id of this process
---@return mcp.Store
function methods.new(name, driver, node)
  return setmetatable({ name = name, driver = driver, node = node or core.random_id(),
    topics = {}, back = {}, closed = false, reported = false }, Store)
end

---Is it one of these?
---@param given any
---@return boolean
function methods.is_store(given) return getmetatable(given) == Store end

return methods
