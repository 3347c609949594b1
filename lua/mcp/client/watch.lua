-- SPDX-License-Identifier: MIT
-- watch: notifications of changes. In a session the client subscribes to each resource, and changes
-- of lists are always sent. A stateless server has one long request for all of them
-- (subscriptions/listen), which is replaced when the subscriptions change, and repeated when its
-- connection is lost.
local call = require "mcp.client.call"
local core = require "mcp.core"
local request = require "mcp.client.request"
local protocol = require "mcp.protocol"
local callbacks = require "mcp.client.callbacks"
local tools = require "mcp.client.tools"
local value = require "mcp.value"
local uris = require "mcp.later" "mcp.uri"

local watch = {}

---Time for a server to acknowledge subscriptions/listen, in seconds.
watch.ACKNOWLEDGE = 10
---Resources that a client may subscribe to.
watch.URIS = 1024
---The pause before a lost subscriptions/listen is repeated, doubled each time, and its maximum, in
---seconds.
watch.PAUSE = 1
watch.PAUSE_MAX = 60

local METHOD = "subscriptions/listen"

-- The kinds of lists: the member of a filter, and the methods whose cached results are dropped.
local KINDS = {
  tools = { filter = "toolsListChanged", drop = { "tools/list" } },
  prompts = { filter = "promptsListChanged", drop = { "prompts/list" } },
  resources = { filter = "resourcesListChanged",
    drop = { "resources/list", "resources/templates/list", "skills/list", "skills/get" } },
}

-- --- notifying the program --------------------------------------------------------

local function drop(client, method, detail)
  if client.cache then client.cache:drop(client.place, method, detail) end
end

local function notify(client, what, uri)
  if client.settings.on_change then callbacks.run(client, client.settings.on_change, what, uri) end
end

local function list_changed(client, kind)
  for _, method in ipairs(KINDS[kind].drop) do
    drop(client, method)
    if client.pins then client.pins:forget(method) end
  end
  if kind == "tools" then tools.forget(client) end
  notify(client, kind)
end

-- Calls the functions for a resource. A server may name a part of a subscribed resource.
local function updated(client, uri)
  drop(client, "resources/read", uri)
  local found, came = {}, uris.normal(uri)
  for wanted, functions in pairs(client.subscribed) do
    wanted = uris.normal(wanted)
    local whole = wanted:find "/$" and wanted or wanted .. "/"
    if came == wanted or came:sub(1, #whole) == whole then
      for fn in pairs(functions) do found[#found + 1] = fn end
    end
  end
  for _, fn in ipairs(found) do callbacks.run(client, fn, uri) end
  notify(client, "resource", uri)
end

---Handles a notification of the server; false if it is not about changes.
---@param client table
---@param method string
---@param params table
---@return boolean taken
function watch.notice(client, method, params)
  local kind = method:match "^notifications/(%a+)/list_changed$"
  local meta = value.object(params._meta)
  local tag = meta[protocol.KEY_SUBSCRIPTION]
  if method == "notifications/subscriptions/acknowledged" then
    local subscription = client.opening
    if subscription and core.id_key(subscription.id) == core.id_key(tag) then
      subscription.honoured = value.object(params.notifications)
      -- From here on its notifications count, and those of its predecessor no longer.
      client.opening, client.listening = nil, subscription
      subscription.acknowledged:wake(true)
    end
    return true
  end
  if not KINDS[kind] and method ~= "notifications/resources/updated" then return false end
  -- Without sessions a notification names the subscription by id, with its type (IO-64).
  if client.era == "modern" then
    local subscription = client.listening
    if not subscription or core.id_key(subscription.id) ~= core.id_key(tag) then return true end
  end
  if kind then
    list_changed(client, kind)
  elseif type(params.uri) == "string" then
    updated(client, params.uri)
  end
  return true
end

-- --- listening (without sessions) ---------------------------------------------------

-- The filter of a subscriptions/listen for all that the program subscribes to; nil if nothing.
local function wanted(client)
  local filter, any = {}, false
  if client.settings.on_change then
    for name, kind in pairs(KINDS) do
      local offered = client.capabilities[name]
      if value.is_object(offered) and offered.listChanged == true then
        filter[kind.filter], any = true, true
      end
    end
  end
  local all = value.array {}
  for uri in pairs(client.subscribed) do all[#all + 1] = uri end
  if all[1] then
    table.sort(all)
    filter.resourceSubscriptions, any = all, true
  end
  local extensions = client.settings.extensions
  for name, member in pairs(extensions and extensions:filter(client) or {}) do
    filter[name], any = member, true
  end
  return any and filter or nil
end

-- Notifications were missed while the connection was lost: everything may have changed.
local function assume_changes(client)
  for kind in pairs(KINDS) do
    local offered = client.capabilities[kind]
    if value.is_object(offered) then list_changed(client, kind) end
  end
  for uri in pairs(client.subscribed) do updated(client, uri) end
end

-- Runs changes of the subscriptions one after the other.
local function change(client, fn)
  while client.changing do
    local waiter = core.waiter()
    client.changing[#client.changing + 1] = waiter
    local ok, text, code = waiter:wait()
    if not ok then return nil, text, code end
  end
  local queue = {}
  client.changing = queue
  local _ <close> = setmetatable({}, { __close = function()
    client.changing = nil
    for _, waiter in ipairs(queue) do waiter:wake() end
  end })
  return fn()
end

local listen

-- A subscriptions/listen has ended by itself.
local function ended(client, subscription, text)
  if client.listening ~= subscription or client.closed then return end
  client.listening = nil
  core.log("info", ("%s: %s"):format(METHOD, text or "the server ended the subscription"))
  if client.transport.duplex and client.state ~= "open" then return end
  -- Cached results may be out of date from now on.
  drop(client)
  local pause = watch.PAUSE
  while not client.closed and not client.listening and not client.opening do
    if not core.sleep(pause) then return end
    if client.closed or client.listening or client.opening or not wanted(client) then return end
    if change(client, function() return client.listening or listen(client) end) then
      return assume_changes(client)
    end
    pause = math.min(pause * 2, watch.PAUSE_MAX)
  end
end

-- Sends subscriptions/listen, waits for its acknowledgement, and then ends its predecessor.
function listen(client)
  local filter, before = wanted(client), client.listening
  if not filter then
    client.listening = nil
    if before then client.transport:cancel(before.call, "No longer wanted") end
    return true
  end
  local subscription = { filter = filter, acknowledged = core.waiter() }
  client.opening = subscription
  local reason, name, number
  client.background:spawn(function()
    core.trace(false) -- it lasts longer than what has asked for it
    local reply, text, code = call.send(client, METHOD, { notifications = filter }, {}, {
      time = 0, started = function(id, made) subscription.id, subscription.call = id, made end })
    local data, result
    if reply then result, text, code, data = call.read(METHOD, reply) end
    subscription.over = true
    if not result then reason, name, number = text, code, data end
    if subscription.acknowledged:is_woken() then return ended(client, subscription, text) end
    subscription.acknowledged:wake(false)
  end)
  local good, text, code = subscription.acknowledged:wait(watch.ACKNOWLEDGE)
  if client.opening == subscription then client.opening = nil end
  if not good then
    if client.listening == subscription then client.listening = before end
    if subscription.call then client.transport:cancel(subscription.call, "Not acknowledged") end
    if good == false then
      return nil, reason or METHOD .. ": the server ended the subscription", name or "EGONE",
        number
    end
    return nil, code == "ETIMEDOUT" and METHOD .. ": not acknowledged" or text, code
  end
  if before then client.transport:cancel(before.call, "Replaced by another subscription") end
  if subscription.over then core.spawn(ended, client, subscription, reason) end
  return true
end

-- Did the server acknowledge this resource?
local function honours(subscription, uri)
  local honoured = subscription and subscription.honoured
  local list = honoured and honoured.resourceSubscriptions
  if type(list) ~= "table" then return false end
  for _, name in ipairs(list) do
    if name == uri or type(name) == "string" and uris.normal(name) == uris.normal(uri) then
      return true
    end
  end
  return false
end

-- --- for the verbs ----------------------------------------------------------------------

---Subscribes after a handshake: to the changes that the program's options ask for, and to the
---resources of an earlier connection.
---@param client table
function watch.start(client)
  if client.era == "modern" then
    if not wanted(client) then return end
    local ok, text = change(client, function() return listen(client) end)
    if not ok then core.log("warning", "not subscribed to changes: " .. text) end
    return
  end
  for uri in pairs(client.subscribed) do
    local ok, text = request.run(client, "resources/subscribe", { uri = uri }, {})
    if not ok then core.log("warning", ("no longer subscribed to %s: %s"):format(uri, text)) end
  end
end

---Calls `fn(uri)` whenever the resource changes.
---@param client table
---@param uri string
---@param fn function
---@param options table
---@return true|nil subscribed
---@return string|nil message
---@return any code
---@return any data
function watch.subscribe(client, uri, fn, options)
  return change(client, function()
    local functions = client.subscribed[uri]
    if functions then
      functions[fn] = true
      return true
    end
    local count = 0
    for _ in pairs(client.subscribed) do count = count + 1 end
    if count >= watch.URIS then
      return nil, ("subscribed to %d resources, which is the limit"):format(count), "EBUSY"
    end
    client.subscribed[uri] = { [fn] = true }
    local ok, text, code, data
    if client.era == "modern" then
      ok, text, code, data = listen(client)
      if ok and not honours(client.listening, uri) then
        ok, text, code = nil, ("the server does not send changes of %s"):format(uri), "ENOTSUP"
        client.subscribed[uri] = nil
        listen(client)
      end
    else
      ok, text, code, data = request.run(client, "resources/subscribe", { uri = uri }, options)
    end
    if ok then return true end
    client.subscribed[uri] = nil
    return nil, text, code, data
  end)
end

---Listens to other things of an extension than before.
---@param client table
---@param own table the extension, as client/extension.lua has it
---@param filter table|nil
---@return table|nil honoured what the server honours of the filter
---@return string|nil message
---@return any code
---@return any data
function watch.listen(client, own, filter)
  return change(client, function()
    local before = own.listen
    own.listen = filter
    local ok, text, code, data = listen(client)
    if not ok then
      own.listen = before
      return nil, text, code, data
    end
    local honoured, out = client.listening and client.listening.honoured or {}, {}
    for name in pairs(filter or {}) do out[name] = honoured[name] end
    return out
  end)
end

---Ends the subscription of one function, or of all functions of the resource.
---@param client table
---@param uri string
---@param fn function|nil
---@param options table
---@return true|nil unsubscribed
---@return string|nil message
---@return any code
---@return any data
function watch.unsubscribe(client, uri, fn, options)
  return change(client, function()
    local functions = client.subscribed[uri]
    if not functions then return true end
    if fn then functions[fn] = nil end
    if fn and next(functions) then return true end
    client.subscribed[uri] = nil
    if client.era == "modern" then return listen(client) end
    local ok, text, code, data = request.run(client, "resources/unsubscribe", { uri = uri },
      options)
    if ok then return true end
    return nil, text, code, data
  end)
end

return watch
