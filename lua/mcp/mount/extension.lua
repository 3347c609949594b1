-- SPDX-License-Identifier: MIT
-- extension: the extensions of mounted servers as those of the app. A server declares an extension
-- but not its methods, so a method that the app does not know is asked of the servers with
-- extensions, until one knows it. Skills, whose methods are known, are put together. Tasks and
-- pages have files of their own: mount/task.lua, mount/names.lua.
local call = require "mcp.client.call"
local core = require "mcp.core"
local dispatch = require "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local facts_of = require "mcp.protocol.extension"
local feature = require "mcp.server.feature.extension"
local link = require "mcp.mount.link"
local methods = require "mcp.protocol.methods"
local protocol = require "mcp.protocol"
local request = require "mcp.client.request"
local value = require "mcp.value"

local extension = {}

---Pages of the skills of one server that are read for one list.
extension.PAGES = 100
---Methods of which it is remembered which server has them.
extension.KNOWN = 256
---How often it is looked whether a client still listens, for which a server is listened to; and the
---pause before that is begun again where it has ended. In seconds.
extension.LOOK = 1

local SKILLS = protocol.PREFIX .. "skills"
local SEPARATE = { [protocol.UI] = true, [protocol.TASKS] = true }

-- Does any server have it now?
local function has(mounts, id)
  for _, each in ipairs(mounts.list) do
    if each:extensions()[id] then return true end
  end
  return false
end

---The extensions that a server declares, as far as they pass this way.
---@param capabilities any
---@return table<string, table> settings by identifier
function extension.of(capabilities)
  local out = {}
  local all = value.is_object(capabilities) and capabilities.extensions
  for id in pairs(value.object(all)) do
    if not SEPARATE[id] and not facts_of.problem(id) then
      out[id] = facts_of.declared(capabilities, id) or nil
    end
  end
  return out
end

-- Registers one with the app.
local function declare(mounts, id, settings)
  local app, own, revision = mounts.app, {}, nil
  for key, member in pairs(settings) do own[key] = member end
  if type(own.revision) == "string" and own.revision ~= "" then revision = own.revision end
  own.revision = nil
  feature.add(app, { id = id, settings = own, revision = revision, open = true },
    "a mounted server", function() return app.mounts and has(app.mounts, id) or false end)
  local def = app.extensions.by_id[id]
  -- Any member of a filter may be one of a server's.
  def.passed, def.filters = true, setmetatable({}, { __index = function() return true end })
  -- What is not known of a method is that its handler may not ask.
  app.extensions.unknown = { extension = id, asks = true }
end

---Declares the extensions that servers have.
---@param mounts table
function extension.offer(mounts)
  for _, each in ipairs(mounts.list) do
    for id, settings in pairs(each:extensions()) do
      local set = mounts.app.extensions
      local ok, text = true, nil
      if not (set and set.by_id[id]) then ok, text = pcall(declare, mounts, id, settings) end
      if not ok then core.log("warning", ("%s: %s: %s"):format(each.title, id, text)) end
    end
  end
end

-- --- methods -----------------------------------------------------------------------------------

local function has_any(each) return next(each:extensions()) ~= nil end

-- The params as a server knows them, if an address or a name in them is one of its own.
local function inner_params(each, params)
  if not each.names.prefix then return nil end
  local member, inner = "uri", each.names:inner_uri(params.uri)
  if not inner and each.names:has_name(params.name) then
    member, inner = "name", params.name:sub(#each.names.front + 1)
  end
  if not inner then return nil end
  local out = {}
  for key, given in pairs(params) do out[key] = given end
  out[member] = inner
  return out
end

-- The servers to ask, each with the params for it.
local function candidates(mounts, ctx, params)
  local found, named = {}, {}
  for _, each in ipairs(mounts.list) do
    if has_any(each) then
      local own = inner_params(each, params)
      if own then named[#named + 1] = { each, own } end
      local pair = { each, params }
      if mounts.methods_of[ctx.method] == each then
        table.insert(found, 1, pair)
      else
        found[#found + 1] = pair
      end
    end
  end
  return named[1] and named or found
end

local function remember(mounts, method, each)
  if mounts.methods_of[method] == each then return end
  if not mounts.methods_of[method] then
    if mounts.methods_count >= extension.KNOWN then
      mounts.methods_of, mounts.methods_count = {}, 0
    end
    mounts.methods_count = mounts.methods_count + 1
  end
  mounts.methods_of[method] = each
end

-- A result with what this hop says of it.
local function shaped(app, ctx, result)
  local row = methods[ctx.method]
  local hints = row and row.cache_key or result.ttlMs ~= nil
  return hints and app:cacheable(ctx.revision, result) or result
end

-- Asks one server after the other, until one knows the method.
local function route(mounts, ctx, params)
  local first
  for _, pair in ipairs(candidates(mounts, ctx, params)) do
    local each, given = pair[1], pair[2]
    local result, err = each:pass(ctx, ctx.method, given)
    if result then
      remember(mounts, ctx.method, each)
      return shaped(mounts.app, ctx, result)
    end
    if err.code ~= errors.METHOD_NOT_FOUND then return nil, err end
    -- Servers with sessions say why in the text: their clients have no other code.
    first = first or err
  end
  local unknown = dispatch.unknown(ctx.revision.era, ctx.method)
  if first then first.status = unknown.status end
  return nil, first or unknown
end

---Lets methods that nothing of the app has be asked of the servers.
---@param mounts table
---@param era "legacy"|"modern"
---@param handlers table<string, function>
function extension.open(mounts, era, handlers)
  setmetatable(handlers, { __index = function(_, method)
    local row = methods[method]
    -- Those of the protocol itself are the app's, or no one's.
    if type(method) ~= "string" or row and not (row.extension and row[era]) then return nil end
    return function(_, ctx, params) return route(mounts, ctx, params) end
  end })
end

-- --- skills ------------------------------------------------------------------------------------

-- Resources with the app's addresses. Those of an app of this process are its own tables.
local function with_addresses(names, list)
  local out = value.array {}
  for i, item in ipairs(list) do
    out[i] = item
    if type(item) == "table" and type(item.uri) == "string" then
      out[i] = {}
      for key, member in pairs(item) do out[i][key] = member end
      out[i].uri = names:uri(item.uri)
    end
  end
  return out
end

-- A skill with the app's addresses.
local function renamed(names, skill)
  if not names.prefix then return skill end
  -- Those of an app of this process are kept as text.
  if type(skill) == "userdata" then skill = core.decode(core.encode(skill)) end
  if type(skill) ~= "table" then return skill end
  local out = {}
  for key, member in pairs(skill) do out[key] = member end
  if type(out.uri) == "string" then out.uri = names:uri(out.uri) end
  if value.is_array(out.resources) then
    out.resources = with_addresses(names, out.resources)
  end
  return out
end

-- All skills of a server. What cannot be read is left out.
local function gather(each, ctx, into)
  local following
  for _ = 1, extension.PAGES do
    local result, err = each:pass(ctx, "skills/list", { cursor = following })
    if not result or not value.is_array(result.skills) then
      return core.log("warning", ("%s: skills/list: %s"):format(each.title,
        err and err.message or "skills: expected an array"))
    end
    for _, skill in ipairs(result.skills) do into[#into + 1] = renamed(each.names, skill) end
    following = result.nextCursor
    if type(following) ~= "string" then return end
  end
end

local function with_skills(mounts)
  local list = {}
  for _, each in ipairs(mounts.list) do
    if each:extensions()[SKILLS] then list[#list + 1] = each end
  end
  return list
end

-- One answer of all: those of the app itself, then those of each server.
local function list_skills(mounts, own)
  return function(app, ctx, params)
    local list = with_skills(mounts)
    if not own and not list[2] and list[1] and not list[1].names.prefix then
      return route(mounts, ctx, params)
    end
    local all, following = value.array {}, nil
    repeat
      local result, err
      if own then result, err = own(app, ctx, { cursor = following }) end
      if err then return nil, err end
      for _, skill in ipairs(result and result.skills or {}) do all[#all + 1] = skill end
      following = result and result.nextCursor
    until not following
    for _, each in ipairs(list) do gather(each, ctx, all) end
    return app:cacheable(ctx.revision, { skills = all })
  end
end

-- The app's own, else that of the server whose address it is.
local function by_address(mounts, own)
  return function(app, ctx, params)
    for _, each in ipairs(with_skills(mounts)) do
      local given = inner_params(each, params)
      if given then
        local result, err = each:pass(ctx, ctx.method, given)
        if not result then return nil, err end
        result.skill = renamed(each.names, result.skill)
        if value.is_array(result.resources) then
          result.resources = with_addresses(each.names, result.resources)
        end
        return shaped(app, ctx, result)
      end
    end
    if own then return own(app, ctx, params) end
    return route(mounts, ctx, params)
  end
end

---Puts the skills of servers beside those of the app.
---@param mounts table
---@param era "legacy"|"modern"
---@param handlers table<string, function>
function extension.adapt(mounts, era, handlers)
  if not methods["skills/list"][era] or not with_skills(mounts)[1] then return end
  handlers["skills/list"] = list_skills(mounts, handlers["skills/list"])
  for _, method in ipairs { "skills/get", "resources/directory/read" } do
    handlers[method] = by_address(mounts, handlers[method])
  end
end

-- --- notifications -----------------------------------------------------------------------------

---The first extension that both a server and a client have, in whatever revision.
---@param offered table<string, table> of the server
---@param capabilities table of the client
---@return string|nil id
---@return string|nil revision that the client declares
function extension.shared(offered, capabilities)
  for id in pairs(offered) do
    local settings = facts_of.declared(capabilities, id)
    if settings then
      local revision = settings.revision
      return id, revision ~= value.null and revision or nil
    end
  end
  return nil
end

local function sends(ctx)
  return not ctx.own_session or ctx.own_session.initialized
end

---A notification of a server that the protocol does not know: to the client of the call that it
---belongs to, else to the sessions that have one of its extensions.
---@param each mcp.mount.Server
---@param made mcp.mount.Link
---@param method string
---@param params table
---@param of table|nil the call
function extension.notice(each, made, method, params, of)
  local offered, app = each:extensions(), each.mounts.app
  if next(offered) == nil then return end
  if of then
    local ctx = of.ctx
    if extension.shared(offered, ctx.capabilities) and sends(ctx) then
      ctx.exchange:send(method, params)
    end
    return
  end
  local meta = value.object(params._meta)
  local tag = meta[protocol.KEY_SUBSCRIPTION]
  if tag ~= nil then
    -- Of a stateless server, for one client that listens.
    local subscriber = made.listens and made.listens[core.id_key(tag)]
    if not subscriber then return end
    meta[protocol.KEY_SUBSCRIPTION] = nil
    subscriber:send(method, params)
  elseif made.session then
    if extension.shared(offered, made.session.capabilities) then
      app.bus:announce(made.session, method, params)
    end
  else
    -- A client may have several of its extensions.
    local sent = {}
    local function where(subscriber)
      local key = subscriber.session or subscriber.exchange
      if sent[key] then return false end
      sent[key] = true
      return true
    end
    for id in pairs(offered) do each.mounts:notify(id, method, params, { where = where }) end
  end
end

-- --- listening at stateless servers ------------------------------------------------------------

local LISTEN = "subscriptions/listen"

-- Listens at one server until the client does not listen any more.
local function follow(each, subscriber, filter, declared)
  while subscriber:is_open() and not each.upstream.closed do
    local made = each.upstream:await(extension.LOOK)
    if made and made.client.era == "modern" then
      local stop, key, over = call.canceller(), nil, false
      core.spawn(function()
        while subscriber:is_open() and not over do core.sleep(extension.LOOK) end
        stop:cancel "the client does not listen any more"
      end)
      made.listens = made.listens or {}
      request.run(made.client, LISTEN, { notifications = filter }, { cancel = stop },
        { declared = declared, level = false, rounds = false, started = function(id)
          key = core.id_key(id)
          made.listens[key] = subscriber
        end })
      over = true
      if key then made.listens[key] = nil end
    end
    if not core.sleep(extension.LOOK) then return end
  end
end

---Listens at the servers for members of a client's filter that the app does not know.
---@param mounts table
---@param subscriber mcp.Subscriber
---@param filter table<string, any>
---@param capabilities table of the client
function extension.listen(mounts, subscriber, filter, capabilities)
  local declared
  for _, each in ipairs(mounts.list) do
    if not extension.shared(each:extensions(), capabilities) then goto next end
    if each.app then
      if each.app.mounts then each.app.mounts:listen(subscriber, filter, capabilities) end
    elseif each.client.era == "modern" then
      declared = declared or core.raw(link.declared(capabilities))
      core.spawn(follow, each, subscriber, filter, declared)
    end
    ::next::
  end
end

---A notification of a client that the app does not know: to the servers that have one of its
---extensions.
---@param mounts table
---@param ctx mcp.Context
---@param method string
---@param params table
function extension.forward(mounts, ctx, method, params)
  for _, each in ipairs(mounts.list) do
    if extension.shared(each:extensions(), ctx.capabilities) then
      each:notify(ctx, method, params)
    end
  end
end

return extension
