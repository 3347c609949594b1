-- SPDX-License-Identifier: MIT
-- subscription: how clients subscribe to changes: resources/subscribe and resources/unsubscribe in
-- the revisions with sessions; subscriptions/listen, a request that stays open, in the stateless
-- ones. server/bus.lua delivers the changes.
local bus = require "mcp.server.bus"
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local resource = require "mcp.server.feature.resource"
local sessions = require "mcp.server.session"
local value = require "mcp.value"

local subscription = {}

-- Bytes of an entry in a session's table of subscriptions.
local ENTRY = 64

-- What a subscription costs: the URI and its normal form, which may be a little shorter.
local function cost_of(key) return 2 * core.weight(key) + ENTRY end

local function invalid(text, ...)
  return nil, failure.new(errors.INVALID_PARAMS, text:format(...))
end

local function described(given) return given == nil and "nothing" or value.kind(given) end

-- Clients can only subscribe to resources that exist and that they may read.
local function is_there(app, ctx, uri)
  local entry = #uri <= bus.URI_LENGTH and resource.find(app, uri, ctx)
  if not entry then return false end
  return not entry.scopes or not ctx.auth
    or not require("mcp.auth.server.principal").lacks(ctx.auth, entry.scopes)
end

---resources/subscribe
function subscription.subscribe(app, ctx, params)
  local uri, session = params.uri, ctx.session
  if type(uri) ~= "string" then
    return invalid("resources/subscribe: uri: expected a string, got %s", described(uri))
  end
  if not is_there(app, ctx, uri) then return nil, resource.not_found(ctx, uri) end
  local subscribed, count, key = session.subscribed or {}, 0, bus.key(uri)
  for _ in pairs(subscribed) do count = count + 1 end
  if not subscribed[key] and count >= app.bus.max_uris then
    return nil, failure.new(errors.BUSY,
      ("Busy: a session can subscribe to %d resources"):format(app.bus.max_uris))
  end
  if not subscribed[key] and not sessions.charge(session, cost_of(key)) then
    return nil, failure.new(errors.BUSY, "Busy: not enough memory, try again later")
  end
  subscribed[key] = uri
  session.subscribed = subscribed
  return {}
end

---resources/unsubscribe. Succeeds without a subscription, too.
function subscription.unsubscribe(_, ctx, params)
  local uri, session = params.uri, ctx.session
  if type(uri) ~= "string" then
    return invalid("resources/unsubscribe: uri: expected a string, got %s", described(uri))
  end
  local key = bus.key(uri)
  if session.subscribed and session.subscribed[key] then
    session.subscribed[key] = nil
    sessions.release(session, cost_of(key))
  end
  return {}
end

local LISTS = { "toolsListChanged", "promptsListChanged", "resourcesListChanged" }

-- The part of the filter that is honoured, and the set for the bus; or nil and the error.
local function read_filter(app, ctx, filter)
  local honoured = {}
  for _, name in ipairs(LISTS) do
    local wanted = filter[name]
    if wanted ~= nil and type(wanted) ~= "boolean" then
      return invalid("subscriptions/listen: notifications.%s: expected a boolean, got %s", name,
        described(wanted))
    end
    honoured[name] = wanted or nil
  end
  local uris = filter.resourceSubscriptions
  if uris ~= nil then
    if not value.is_array(uris) then
      return invalid("subscriptions/listen: notifications.resourceSubscriptions: expected an "
        .. "array, got %s", described(uris))
    end
    if #uris > app.bus.max_uris then
      return invalid("subscriptions/listen: notifications.resourceSubscriptions: at most %d "
        .. "resources, got %d", app.bus.max_uris, #uris)
    end
    local there = value.array {}
    for i, uri in ipairs(uris) do
      if type(uri) ~= "string" then
        return invalid("subscriptions/listen: notifications.resourceSubscriptions[%d]: expected "
          .. "a string, got %s", i - 1, described(uri))
      end
      if is_there(app, ctx, uri) then there[#there + 1] = uri end
    end
    honoured.resourceSubscriptions = there[1] and there or nil
  end
  return honoured, bus.set(honoured.toolsListChanged, honoured.promptsListChanged,
    honoured.resourcesListChanged, honoured.resourceSubscriptions)
end

local function busy(text, ...)
  return nil, failure.new(errors.INTERNAL_ERROR, ("Busy: " .. text):format(...))
end

---subscriptions/listen: acknowledged at once; the response is sent when the server closes.
function subscription.listen(app, ctx, params)
  local filter, x = params.notifications, ctx.exchange
  if not value.is_object(filter) then
    return invalid("subscriptions/listen: notifications: expected an object, got %s",
      described(filter))
  end
  local honoured, set = read_filter(app, ctx, value.drop_nulls(filter))
  if not honoured then return nil, set end
  local tasks, err
  if filter.taskIds ~= nil and app:has "tasks" then
    -- Loaded by clients that know tasks.
    tasks, err = require("mcp.server.feature.task").listenable(app, ctx, filter.taskIds)
    if not tasks then return nil, err end
    local ids = value.array {}
    for i, task in ipairs(tasks) do ids[i] = task.id end
    honoured.taskIds = ids[1] and ids or nil
  end
  if not app.bus:has_room() then
    return busy("%d subscriptions are open, the limit", app.bus.max)
  end
  local kept, _, code = x:keep()
  if not kept then
    if code == "ENOSTREAM" then
      return nil, failure.new(errors.INVALID_REQUEST, "subscriptions/listen: Accept: "
        .. "expected text/event-stream, because the response is an event stream", nil, 406)
    end
    if code == "EBUSY" then return busy "too many subscriptions on this connection" end
    return nil, failure.new(errors.INTERNAL_ERROR, "The connection is closed")
  end
  app.bus:add(x, set)
  x:send("notifications/subscriptions/acknowledged",
    { notifications = honoured, _meta = { [protocol.KEY_SUBSCRIPTION] = x:id() } })
  if tasks then require("mcp.server.feature.task").listen(tasks, x) end
  return nil
end

return subscription
