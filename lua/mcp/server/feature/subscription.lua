-- SPDX-License-Identifier: MIT
-- subscription: how clients subscribe to changes: resources/subscribe and resources/unsubscribe in
-- the revisions with sessions; subscriptions/listen, a request that stays open, in the stateless
-- ones. server/bus.lua delivers the changes.
local bus = require "mcp.server.bus"
local errors = require "mcp.protocol.errors"
-- Loaded by servers that have extensions.
local extension_listen = require "mcp.later" "mcp.server.feature.extension_listen"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local resource = require "mcp.server.feature.resource"
local sessions = require "mcp.server.session"
local value = require "mcp.value"

local subscription = {}

local function invalid(text, ...)
  return nil, failure.new(errors.INVALID_PARAMS, text:format(...))
end

local function described(given) return given == nil and "nothing" or value.kind(given) end

-- Clients can only subscribe to resources that exist and that they may read.
local function is_there(app, ctx, uri)
  local entry = #uri <= bus.URI_LENGTH and resource.find(app, uri, ctx)
  if not entry then return false end
  -- The file of a page is looked at from now on.
  if entry.followed then entry.followed(app) end
  if entry.scopes and ctx.auth
    and require("mcp.auth.server.principal").lacks(ctx.auth, entry.scopes) then
    return false
  end
  -- A mounted server says so when its own changes.
  return not entry.watch or entry.watch(ctx, uri)
end

-- Adds a subscription to a session.
local function add(app, session, uri)
  local subscribed, count, key = session.subscribed or {}, 0, bus.key(uri)
  for _ in pairs(subscribed) do count = count + 1 end
  if not subscribed[key] and count >= app.bus.max_uris then
    return nil, failure.busy("subscriptions",
      ("Busy: a session can subscribe to %d resources"):format(app.bus.max_uris))
  end
  if not sessions.subscribe(session, key, uri) then
    return nil, failure.busy("memory", "Busy: not enough memory, try again later")
  end
  return {}
end

local function remove(session, uri)
  sessions.unsubscribe(session, bus.key(uri))
  return {}
end

---resources/subscribe
function subscription.subscribe(app, ctx, params)
  local uri, session = params.uri, ctx.session
  if type(uri) ~= "string" then
    return invalid("resources/subscribe: uri: expected a string, got %s", described(uri))
  end
  if not is_there(app, ctx, uri) then return nil, resource.not_found(ctx, uri) end
  return sessions.change(ctx, add, app, session, uri)
end

---resources/unsubscribe. Succeeds without a subscription, too.
function subscription.unsubscribe(_, ctx, params)
  local uri, session = params.uri, ctx.session
  if type(uri) ~= "string" then
    return invalid("resources/unsubscribe: uri: expected a string, got %s", described(uri))
  end
  return sessions.change(ctx, remove, session, uri)
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
  filter = value.drop_nulls(filter)
  local honoured, set = read_filter(app, ctx, filter)
  if not honoured then return nil, set end
  local record, err
  if app.extensions then
    record, err = extension_listen.read(app, ctx, filter, honoured)
    if err then return nil, err end
  end
  -- From here on it hears of changes at other processes.
  if app.shared then app.shared:settle() end
  -- Not before: the program's functions for a filter may wait.
  if not app.bus:has_room() then
    if record then extension_listen.drop(app, record) end
    return busy("%d subscriptions are open, the limit", app.bus.max)
  end
  local kept, _, code = x:keep()
  if not kept then
    if record then extension_listen.drop(app, record) end
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
  if record then extension_listen.begin(app, record, x) end
  return nil
end

return subscription
