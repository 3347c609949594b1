-- SPDX-License-Identifier: MIT
-- watch: being told of changes. A session subscribes to resources one by one and is told of lists
-- unasked; without sessions there is one long request (subscriptions/listen) for all of it, which
-- is made anew when what is wanted changes, and when its connection has broken.
local call = require "mcp.client.call"
local core = require "mcp.core"
local fetch = require "mcp.client.request"
local protocol = require "mcp.protocol"
local tells = require "mcp.client.callbacks"
local tools = require "mcp.client.tools"
local value = require "mcp.value"
local normal = require("mcp.uri").normal

local watch = {}

---How long a server has to acknowledge a listening, in seconds.
watch.ACKNOWLEDGE = 10
---Resources of one client that are subscribed to.
watch.URIS = 1024
---The pause before a listening that broke is made anew, doubled each time up to the second, in
---seconds.
watch.PAUSE = 1
watch.PAUSE_MOST = 60

local METHOD = "subscriptions/listen"

-- The kinds of lists: the notice, the member of a filter, and what our cache forgets.
local KINDS = {
  tools = { filter = "toolsListChanged", drop = { "tools/list" } },
  prompts = { filter = "promptsListChanged", drop = { "prompts/list" } },
  resources = { filter = "resourcesListChanged",
    drop = { "resources/list", "resources/templates/list" } },
}

-- --- telling the program ----------------------------------------------------------

local function drop(client, method, detail)
  if client.cache then client.cache:drop(client.place, method, detail) end
end

local function tell(client, what, uri)
  if client.settings.on_change then tells.run(client, client.settings.on_change, what, uri) end
end

local function list_changed(client, kind)
  for _, method in ipairs(KINDS[kind].drop) do drop(client, method) end
  if kind == "tools" then tools.forget(client) end
  tell(client, kind)
end

-- The functions for a resource. A server may name a part of what was subscribed to.
local function updated(client, uri)
  drop(client, "resources/read", uri)
  local found, came = {}, normal(uri)
  for wanted, functions in pairs(client.subscribed) do
    wanted = normal(wanted)
    local whole = wanted:find "/$" and wanted or wanted .. "/"
    if came == wanted or came:sub(1, #whole) == whole then
      for fn in pairs(functions) do found[#found + 1] = fn end
    end
  end
  for _, fn in ipairs(found) do tells.run(client, fn, uri) end
  tell(client, "resource", uri)
end

---A notice of the server; false if it is none of these.
---@param client table
---@param method string
---@param params table
---@return boolean taken
function watch.notice(client, method, params)
  local kind = method:match "^notifications/(%a+)/list_changed$"
  local meta = value.is_object(params._meta) and params._meta or {}
  local tag = meta[protocol.KEY_SUBSCRIPTION]
  if method == "notifications/subscriptions/acknowledged" then
    local subscription = client.opening
    if subscription and core.id_key(subscription.id) == core.id_key(tag) then
      subscription.honoured = value.is_object(params.notifications) and params.notifications or {}
      -- From here on its notices count, and no longer those of the one before.
      client.opening, client.listening = nil, subscription
      subscription.acknowledged:wake(true)
    end
    return true
  end
  if not KINDS[kind] and method ~= "notifications/resources/updated" then return false end
  -- Without sessions a notice is for the listening whose id it names, with its type (IO-64).
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

-- What is wanted, as the filter of a request; nil if it is nothing.
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
  local uris = value.array {}
  for uri in pairs(client.subscribed) do uris[#uris + 1] = uri end
  if uris[1] then
    table.sort(uris)
    filter.resourceSubscriptions, any = uris, true
  end
  return any and filter or nil
end

-- What was told while nobody listened is not known: it may all have changed.
local function assume_changes(client)
  for kind in pairs(KINDS) do
    local offered = client.capabilities[kind]
    if value.is_object(offered) then list_changed(client, kind) end
  end
  for uri in pairs(client.subscribed) do updated(client, uri) end
end

-- Changes of what is wanted, one after the other.
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

-- A listening has ended by itself.
local function ended(client, subscription, text)
  if client.listening ~= subscription or client.closed then return end
  client.listening = nil
  core.log("info", ("%s: %s"):format(METHOD, text or "the server has ended it"))
  if client.transport.duplex and client.state ~= "open" then return end
  -- What is kept is out of date from now on.
  drop(client)
  local pause = watch.PAUSE
  while not client.closed and not client.listening and not client.opening do
    if not core.sleep(pause) then return end
    if client.closed or client.listening or client.opening or not wanted(client) then return end
    if change(client, function() return client.listening or listen(client) end) then
      return assume_changes(client)
    end
    pause = math.min(pause * 2, watch.PAUSE_MOST)
  end
end

-- Begins to listen to what is wanted and waits until the server has said that it will tell. Then
-- the one before it ends.
function listen(client)
  local filter, before = wanted(client), client.listening
  if not filter then
    client.listening = nil
    if before then client.transport:cancel(before.call, "No longer wanted") end
    return true
  end
  local subscription = { filter = filter, acknowledged = core.waiter() }
  client.opening = subscription
  local why, name, number
  client.background:spawn(function()
    local reply, text, code = call.send(client, METHOD, { notifications = filter }, {}, {
      time = 0, started = function(id, made) subscription.id, subscription.call = id, made end })
    local data, result
    if reply then result, text, code, data = call.read(METHOD, reply) end
    subscription.over = true
    if not result then why, name, number = text, code, data end
    if subscription.acknowledged:is_woken() then return ended(client, subscription, text) end
    subscription.acknowledged:wake(false)
  end)
  local ok, good, code = subscription.acknowledged:wait(watch.ACKNOWLEDGE)
  if client.opening == subscription then client.opening = nil end
  if not ok or not good then
    if client.listening == subscription then client.listening = before end
    if subscription.call then client.transport:cancel(subscription.call, "Not acknowledged") end
    if ok then return nil, why or METHOD .. ": the server has ended it", name or "EGONE", number end
    return nil, code == "ETIMEDOUT" and METHOD .. ": not acknowledged" or good, code
  end
  if before then client.transport:cancel(before.call, "Another one takes its place") end
  if subscription.over then core.spawn(ended, client, subscription, why) end
  return true
end

-- Whether what was acknowledged has this resource.
local function honours(subscription, uri)
  local honoured = subscription and subscription.honoured
  local list = honoured and honoured.resourceSubscriptions
  if type(list) ~= "table" then return false end
  for _, name in ipairs(list) do
    if name == uri or type(name) == "string" and normal(name) == normal(uri) then return true end
  end
  return false
end

-- --- for the verbs ----------------------------------------------------------------------

---Begins to watch after a handshake: what the program wants to be told from the start, and what was
---subscribed to before.
---@param client table
function watch.start(client)
  if client.era == "modern" then
    if not wanted(client) then return end
    local ok, text = change(client, function() return listen(client) end)
    if not ok then core.log("warning", "notifications of changes are not delivered: " .. text) end
    return
  end
  for uri in pairs(client.subscribed) do
    local ok, text = fetch.run(client, "resources/subscribe", { uri = uri }, {})
    if not ok then core.log("warning", ("not subscribed to %s any more: %s"):format(uri, text)) end
  end
end

---Has `fn(uri)` called whenever the resource changes.
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
      return nil, ("%d resources are subscribed to, which is the limit"):format(count), "EBUSY"
    end
    client.subscribed[uri] = { [fn] = true }
    local ok, text, code, data
    if client.era == "modern" then
      ok, text, code, data = listen(client)
      if ok and not honours(client.listening, uri) then
        ok, text, code = nil, ("the server does not tell of changes of %s"):format(uri), "ENOTSUP"
        client.subscribed[uri] = nil
        listen(client)
      end
    else
      ok, text, code, data = fetch.run(client, "resources/subscribe", { uri = uri }, options)
    end
    if ok then return true end
    client.subscribed[uri] = nil
    return nil, text, code, data
  end)
end

---The opposite: for one function, or for all.
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
    local ok, text, code, data = fetch.run(client, "resources/unsubscribe", { uri = uri }, options)
    if ok then return true end
    return nil, text, code, data
  end)
end

return watch
