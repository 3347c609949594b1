-- SPDX-License-Identifier: MIT
-- extension_listen: the members that extensions add to the filter of subscriptions/listen, and the
-- notifications that they send. server/feature/subscription.lua serves the method.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local facts_of = require "mcp.protocol.extension"
local failure = require "mcp.failure"
local check_options = require("mcp.options").check
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local listening = {}

-- Between two searches for listen requests that have ended, at least so many are added.
local SWEEP = 16

---@class mcp.Subscriber
---@field settings table what the client says of the extension
---@field filter table what it listens to: the members of its filter that are honoured
---@field auth mcp.Principal|nil
---@field session table|nil in the revisions with sessions, where there is no filter
local Subscriber = { __name = "mcp.subscriber" }
Subscriber.__index = {}

-- --- listening ---------------------------------------------------------------------------------

-- The listen requests of an app that have members of extensions, by exchange; the memory of what
-- they asked for.
local function listens_of(app)
  local set = app.extensions
  if not set.listens then
    set.listens, set.listen_count, set.listen_sweep = {}, 0, SWEEP
    set.listen_share = core.share()
  end
  return set
end

local function forget(set, x)
  local record = set.listens[x]
  if not record then return end
  set.listens[x], set.listen_count = nil, set.listen_count - 1
  set.listen_share:release(record.bytes)
end

-- No event tells that a listen request has ended.
local function sweep(set)
  for x in pairs(set.listens) do
    if not x:is_open() then forget(set, x) end
  end
  set.listen_sweep = set.listen_count + SWEEP
end

-- A member of a filter: what is honoured, and a function for when it begins; or nil, nil and the
-- error.
local function read_member(ctx, def, name, wanted)
  if not def.open and not facts_of.active(ctx.capabilities, def.id, def.revision) then
    return nil, nil, def.app.extensions:refusal(ctx, def)
  end
  local read = def.filters[name]
  if read == true then
    if type(wanted) ~= "boolean" then
      return nil, nil, failure.new(errors.INVALID_PARAMS,
        ("%s: notifications.%s: expected a boolean, got %s"):format(ctx.method, name,
          value.kind(wanted)))
    end
    return wanted or nil
  end
  local honoured, began = read(ctx, wanted)
  if honoured == nil then return nil, nil, failure.is(began) and began or nil end
  -- Once the stream is kept there is no error to answer with.
  local text, reason = core.encode(honoured)
  if not text then
    error(("filter %q: expected what JSON can hold, got %s"):format(name, reason), 0)
  end
  if began and type(began) ~= "function" then
    error(("filter %q: expected a function as the second value, got %s"):format(name,
      type(began)), 0)
  end
  return honoured, began
end

-- Members of a filter that are the protocol's.
local OWN = { toolsListChanged = true, promptsListChanged = true, resourcesListChanged = true,
  resourceSubscriptions = true }

-- What a listen has of one extension, made with the first member.
local function part_of(ctx, record, def)
  local own = record.by_def[def]
  if not own then
    own = setmetatable({ filter = {}, auth = ctx.auth,
      settings = facts_of.active(ctx.capabilities, def.id, def.revision) or {} }, Subscriber)
    record.by_def[def] = own
  end
  return own
end

-- Members that only a mounted server can know are for the servers with an extension of the client.
local function read_passed(app, ctx, filter, honoured, record)
  local set = app.extensions
  local id = set.unknown and app.mounts and app.mounts:shared(ctx.capabilities)
  local def = id and set.by_id[id]
  if not def or not def.passed then return record end
  local passed
  for name, wanted in pairs(filter) do
    if not OWN[name] and not set.filters[name] then
      passed = passed or {}
      passed[name], honoured[name] = wanted, wanted
    end
  end
  if not passed then return record end
  record = record or { by_def = {}, began = {}, auth = ctx.auth }
  local own = part_of(ctx, record, def)
  for name, wanted in pairs(passed) do own.filter[name] = wanted end
  local capabilities = ctx.capabilities
  record.began[#record.began + 1] = { function(subscriber)
    app.mounts:listen(subscriber, passed, capabilities)
  end, own }
  return record
end

---Reads the members of a filter that are those of extensions.
---@param app table
---@param ctx table
---@param filter table
---@param honoured table gets what is honoured
---@return table|nil record for `begin`; nil if there are none
---@return table|nil err
function listening.read(app, ctx, filter, honoured)
  local names, record = {}, nil
  for name, def in pairs(app.extensions.filters) do
    if filter[name] ~= nil and def.modern and (not def.when or def.when(app)) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local def = app.extensions.filters[name]
    local found, began, err = read_member(ctx, def, name, filter[name])
    if err then return nil, err end
    if found ~= nil then
      record = record or { by_def = {}, began = {}, auth = ctx.auth }
      honoured[name] = found
      local own = part_of(ctx, record, def)
      own.filter[name] = found
      if began then record.began[#record.began + 1] = { began, own } end
    end
  end
  record = read_passed(app, ctx, filter, honoured, record)
  if not record then return nil end
  local set = listens_of(app)
  record.bytes = 0
  for _, own in pairs(record.by_def) do
    record.bytes = record.bytes + core.weight(own.filter, own.settings)
  end
  if not set.listen_share:charge(record.bytes) then
    sweep(set)
    if not set.listen_share:charge(record.bytes) then
      return nil, failure.new(errors.INTERNAL_ERROR, "Busy: not enough memory, try again later")
    end
  end
  return record
end

---What `read` has charged for a listen request that is not opened.
---@param app table
---@param record table
function listening.drop(app, record) app.extensions.listen_share:release(record.bytes) end

---The listen request has been acknowledged.
---@param app table
---@param record table
---@param x userdata its exchange, which is kept
function listening.begin(app, record, x)
  local set = listens_of(app)
  if set.listen_count >= set.listen_sweep then sweep(set) end
  set.listens[x], set.listen_count = record, set.listen_count + 1
  for _, own in pairs(record.by_def) do own.exchange = x end
  local began = record.began
  record.began = nil
  for _, pair in ipairs(began) do pair[1](pair[2]) end
end

-- --- notifying ---------------------------------------------------------------------------------

-- Params with the id of the listen request that they are sent for.
local function tagged(params, x)
  local out, meta = {}, { [protocol.KEY_SUBSCRIPTION] = x:id() }
  for key, member in pairs(params or {}) do out[key] = member end
  for key, member in pairs(value.object(out._meta)) do
    if meta[key] == nil then meta[key] = member end
  end
  out._meta = meta
  return out
end

-- A client that does not read loses its stream; the sender never waits.
local function tell(x, method, params)
  if not x:is_open() then return false end
  local ok, text = x:send(method, tagged(params, x))
  if ok then return true end
  if x:is_open() then
    core.log("warning", ("closing subscription: notification could not be delivered: %s")
      :format(text))
    x:cut()
  end
  return false
end

---Sends a notification to this listen request alone.
---@param method string
---@param params table|nil
---@return boolean sent
function Subscriber.__index:send(method, params)
  return self.exchange ~= nil and tell(self.exchange, method, params)
end

---@return boolean
function Subscriber.__index:is_open() return self.exchange ~= nil and self.exchange:is_open() end

-- Raises, at the line of the caller of the handle's method, what is wrong.
local function check(what, method, params)
  if type(method) ~= "string" or not method:find "^notifications/." then
    error(('extension:%s: method: expected a name that begins with "notifications/", got %s')
      :format(what, type(method) == "string" and ("%q"):format(method) or type(method)), 3)
  end
  if params ~= nil and not value.is_object(params) then
    error(("extension:%s: params: expected a table with names, got %s"):format(what,
      value.kind(params)), 3)
  end
  local text, reason = core.encode(params or {})
  if not text then error(("extension:%s: params: %s"):format(what, reason), 3) end
end

local OPTIONS = { filter = "string", value = "any", where = "function", sessions = "boolean" }

-- Does what a client listens to include this?
local function includes(filter, name, wanted)
  if name == nil then return true end
  local given = filter[name]
  if given == nil then return false end
  if wanted == nil or given == true then return true end
  if type(given) ~= "table" then return given == wanted end
  for _, member in ipairs(given) do
    if member == wanted then return true end
  end
  return false
end

local function notify_listens(def, method, params, options)
  local set, count = def.app.extensions, 0
  for x, record in pairs(set.listens or {}) do
    local own = record.by_def[def]
    if not x:is_open() then
      forget(set, x)
    elseif own and includes(own.filter, options.filter, options.value)
      and (not options.where or options.where(own)) and tell(x, method, params) then
      count = count + 1
    end
  end
  return count
end

-- `everywhere`: the other processes do the same, so each notifies the streams that it has.
local function notify_session(def, session, method, params, options, everywhere)
  if not session.initialized then return 0 end
  if everywhere and not session.sender and not session.seen then return 0 end
  local settings = facts_of.active(session.capabilities, def.id, def.revision)
  if not settings then return 0 end
  if options.where and not options.where { settings = settings, session = session } then
    return 0
  end
  return def.app.bus:announce(session, method, params or {}) and 1 or 0
end

-- Notifies the clients of this process.
local function notify_here(def, method, params, options, everywhere)
  local count = notify_listens(def, method, params, options)
  local sessions = options.sessions
  if sessions == nil then sessions = options.value == nil end
  if not sessions or not def.legacy then return count end
  local app = def.app
  for _, session in pairs(app.sessions.by_id) do
    count = count + notify_session(def, session, method, params, options, everywhere)
  end
  for link in pairs(app.bus.links) do
    count = count + notify_session(def, link.session, method, params, options, everywhere)
  end
  return count
end

---As handle:notify says.
---@param def mcp.Extension
---@param method string
---@param params table|nil
---@param options table|nil
---@return integer count
function listening.notify(def, method, params, options)
  options = options or {}
  check_options("extension:notify", options, OPTIONS, 2)
  check("notify", method, params)
  if options.filter and not def.filters[options.filter] then
    error(("extension:notify: %s"):format(require("mcp.nearest").unknown("filter", options.filter,
      require("mcp.nearest").keys(def.filters))), 2)
  end
  -- A function cannot be passed on.
  local everywhere = def.app.shared and not options.where
    and def.app.shared:notify(def, method, params, options)
  local count = notify_here(def, method, params, options, everywhere)
  -- Clients of an app that has mounted this one.
  for outer in pairs(def.app.mounted_in or {}) do
    count = count + outer:notify(def.id, method, params, options)
  end
  return count
end

---Does what another process has asked of all.
---@param app table
---@param message table id (of the extension), method, params, options
function listening.notify_for(app, message)
  local def = app.extensions and app.extensions.by_id[message.id]
  if def then notify_here(def, message.method, message.params, message.options, true) end
end

---As handle:send says.
---@param def mcp.Extension
---@param ctx table
---@param method string
---@param params table|nil
---@return boolean|nil sent
---@return string|nil message
---@return string|nil code
function listening.send(def, ctx, method, params)
  check("send", method, params)
  if not def.app.extensions:settings(ctx, def.id) then return false end
  -- Before notifications/initialized only responses, pings and log messages may be sent (IO-41).
  if ctx.own_session and not ctx.own_session.initialized then return false end
  local sent, text, code = ctx.exchange:send(method, params or {})
  if sent == nil then return nil, text, code end
  return sent
end

return listening
