-- SPDX-License-Identifier: MIT
-- bus: delivers changes to the subscribers: to a session by a notification on its stream, to a
-- listen request (subscriptions/listen) by a notification with its id on its exchange. Changes of
-- one turn of the loop are sent in the next, each once.
--
-- This file has the subscribers and notes the changes; server/delivery.lua, which is loaded by the
-- first, sends them. Subscribing is in server/feature/subscription.lua.
local core = require "mcp.core"
local delivery = require "mcp.later" "mcp.server.delivery"
local protocol = require "mcp.protocol"
local uris = require "mcp.later" "mcp.uri"
local watchers = require "mcp.later" "mcp.server.watchers"

local bus = {}

---Open listen requests of all clients.
bus.MAX = 1024
---Resources that one session, or one listen request, can subscribe to.
bus.MAX_URIS = 64
---Bytes of the URI of a subscription.
bus.URI_LENGTH = 1024

-- Between two searches for listen requests that have ended, at least so many are added.
local SWEEP = 16

-- A change is named by its kind or, of a resource, by its URI, which has a colon.
local KINDS = protocol.LISTS

-- A subscriber has a set of such names. Most sets have kinds only; subscribers share those, and
-- SHARED has them as its keys.
local SETS, SHARED = {}, {}

---Is it a kind of list? Everything else that can be published is a URI.
---@param kind any
---@return boolean
function bus.is_kind(kind) return KINDS[kind] ~= nil end

---A set of kinds, and of URIs if there are some.
---@param tools any
---@param prompts any
---@param resources any
---@param subscribed string[]|nil URIs
---@return table<string, true|string> read-only; the value of a URI is the spelling of the client
function bus.set(tools, prompts, resources, subscribed)
  local which = (tools and 1 or 0) | (prompts and 2 or 0) | (resources and 4 or 0)
  local shared = SETS[which]
  if not shared then
    shared = { tools = tools and true or nil, prompts = prompts and true or nil,
      resources = resources and true or nil }
    SETS[which], SHARED[shared] = shared, true
  end
  if not subscribed or not subscribed[1] then return shared end
  local set = {}
  for kind in pairs(shared) do set[kind] = true end
  for _, uri in ipairs(subscribed) do set[bus.key(uri)] = uri end
  return set
end

---The key of a resource: the same for all spellings of its URI.
---@param uri string
---@return string
function bus.key(uri) return uris.normal(uri) end

local Bus = { __name = "mcp.server.bus" }
Bus.__index = {}

---@param app table
---@param options table|nil max (listen requests), max_uris (of a session or a listen request)
---@return table
function bus.new(app, options)
  options = options or {}
  return setmetatable({
    app = app, max = options.max or bus.MAX, max_uris = options.max_uris or bus.MAX_URIS,
    listens = {}, count = 0, sweep_at = SWEEP, lost = 0, -- exchange -> set
    -- Connections that are a session, by themselves and by their session.
    links = setmetatable({}, { __mode = "k" }),
    link_of = setmetatable({}, { __mode = "k" }),
    changes = {}, noted = {}, -- not yet sent: in order, and as a set
    due = false,
  }, Bus)
end

---A connection has become a session.
---@param link table
function Bus.__index:join(link)
  self.links[link], self.link_of[link.session] = true, link
end

---It is gone.
---@param link table
function Bus.__index:leave(link) self.links[link] = nil end

---Forgets the listen requests that have ended, such as with their connection, which no event tells.
---@return integer open
function Bus.__index:sweep()
  for x in pairs(self.listens) do
    if not x:is_open() then self:forget(x) end
  end
  self.sweep_at = self.count + math.max(self.count, SWEEP)
  return self.count
end

---Is there room for one more listen? What is gone makes room.
---@return boolean
function Bus.__index:has_room() return self.count < self.max or self:sweep() < self.max end

---Subscribes an exchange to the changes in `set`, from now on. The exchange must be kept open
---(exchange:keep).
---@param x userdata
---@param set table<string, boolean>
function Bus.__index:add(x, set)
  self:flush()
  -- Loaded now: when all ends there may be no descriptor left to read a file.
  self.finish = delivery.finish
  if self.count >= self.sweep_at then self:sweep() end
  self.listens[x] = set
  self.count = self.count + 1
  if SHARED[set] then return end
  for key in pairs(set) do
    if not KINDS[key] then watchers.add(key, x) end
  end
end

---@param x userdata
function Bus.__index:forget(x)
  local set = self.listens[x]
  if not set then return end
  self.listens[x] = nil
  self.count = self.count - 1
  if not SHARED[set] then watchers.drop(set, x) end
end

---Does any subscriber want the changes of this resource?
---@param uri string
---@return boolean
function Bus.__index:watches(uri)
  for subscriber in pairs(watchers.of(bus.key(uri))) do
    if self.listens[subscriber] then
      if subscriber:is_open() then return true end
    elseif self.links[self.link_of[subscriber]]
      or self.app.sessions.by_id[subscriber.id] == subscriber then
      return true
    end
  end
  return false
end

---Sends a session the changes that it has missed.
---@param session table
---@param way userdata its stream or connection
function bus.catch_up(session, way)
  if session.missed then delivery.catch_up(session, way) end
end

---Sends a session a notification that belongs to no request. Without an open stream it is lost.
---@param session table the session
---@param method string
---@param params table
---@return true|nil sent, string|nil message, string|nil code
function Bus.__index:announce(session, method, params)
  return delivery.announce(self, session, method, params)
end

---Sends the changes that are due.
function Bus.__index:flush()
  if self.changes[1] then delivery.send(self) end
end

local function tell_soon(self)
  core.sleep(0)
  self.due = false
  self:flush()
end

---Records that a kind of list, or the resource with a URI, has changed.
---@param change string "tools", "prompts", "resources", or a URI
function Bus.__index:publish(change)
  -- An app that has this one mounted tells its own clients.
  if self.also then self.also(change) end
  if not KINDS[change] then change = bus.key(change) end
  local shared = self.app.shared
  if shared then shared:publish(change) end
  self:note(change)
end

---Records a change for the subscribers of this process.
---@param change string a kind, or the key of a resource
function Bus.__index:note(change)
  if self.noted[change] then return end
  if self.count == 0 and next(self.links) == nil and self.app.sessions.count == 0 then return end
  if not KINDS[change] and not self.app.shared and not next(watchers.of(change)) then return end
  self.noted[change] = true
  self.changes[#self.changes + 1] = change
  if self.due then return end
  self.due = true
  if not pcall(core.spawn, tell_soon, self) then
    -- No coroutine: the runtime is closing, or there is not enough memory.
    self.due = false
    self:flush()
  end
end

---Ends all listen requests, each with its result.
function Bus.__index:close()
  self:flush()
  -- Ending one may admit another at once, which is not ended here.
  local listens = self.listens
  if next(listens) == nil then return end
  self.listens, self.count = {}, 0
  for x, set in pairs(listens) do
    if not SHARED[set] then watchers.drop(set, x) end
    self:finish(x)
  end
end

return bus
