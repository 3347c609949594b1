-- SPDX-License-Identifier: MIT
-- inner: another app of this process as a mounted server, without a connection: its entries are
-- taken over as they are, under the names of the app that has it. Their handlers get the context of
-- the client's own request, so nothing has to be passed on.
local bus = require "mcp.server.bus"
local content = require "mcp.content"
local core = require "mcp.core"
local definitions = require "mcp.server.feature.definition"
local dispatch = require "mcp.server.dispatch"
local entries = require "mcp.mount.entries"
local protocol = require "mcp.protocol"
local resource = require "mcp.server.feature.resource"
local uri = require "mcp.uri"

local inner = {}

local KINDS = { "tools", "prompts", "resources", "templates" }
local METHODS = { tools = "tools/call", prompts = "prompts/get" }

-- Extensions that pass in another way: mount/task.lua, and the _meta of entries.
local SEPARATE = { [protocol.UI] = true, [protocol.TASKS] = true }

---@class mcp.mount.Inner
local Inner = { __name = "mcp.mount.inner" }
Inner.__index = {}

function Inner.__tostring(self) return ("mcp.mount (%s, an app)"):format(self.name) end

local function copy(given)
  local out = {}
  for key, member in pairs(given) do out[key] = member end
  return out
end

-- Content, a message, or a list of such, with the app's addresses.
local function with_addresses(names, given)
  if type(given) ~= "table" then return given end
  if content.is(given) or given.type ~= nil then return names:content(given) end
  local out = copy(given)
  if type(given.content) == "table" then out.content = with_addresses(names, given.content) end
  if type(given.messages) == "table" then out.messages = with_addresses(names, given.messages) end
  for i, item in ipairs(given) do out[i] = with_addresses(names, item) end
  return setmetatable(out, getmetatable(given))
end

-- What a handler has returned, with the app's addresses. Other tables are structured content.
local function renamed(names, first, ...)
  if type(first) == "table" and (content.is(first) or content.is(first[1]) or first.role
    or type(first.content) == "table" or type(first.messages) == "table"
    or type(first[1]) == "string" or type(first[1]) == "table" and first[1].role) then
    return with_addresses(names, first), ...
  end
  return first, ...
end

-- A call that has become a task of another server: its result will have the app's addresses.
local function note_task(ctx, result, names)
  if result.kind ~= "task" then return end
  require("mcp.mount.task").pass(ctx, result.members.taskId, names)
end

-- The handler of a tool or prompt: the app's own, or all that its middleware makes of it.
local function handler_of(self, kind, entry)
  local app, names, method = self.app, self.names, METHODS[kind]
  local direct = entry.handler
  local function call(args, ctx, prepared)
    if not app.chain or ctx.task then
      local made = table.pack(direct(args, ctx, prepared))
      local outer = ctx.app.extensions
      local set = outer or app.extensions
      if set and set:is_result(made[1]) then
        -- A client of the outer app can have it only if that has it, too.
        if not (outer and outer.by_id[made[1].def.id]) then
          error(set:refusal(ctx, made[1].def), 0)
        end
        note_task(ctx, made[1], names)
      end
      return table.unpack(made, 1, made.n)
    end
    local handler = dispatch.handlers(app, ctx.revision.era)[method]
    local own = rawget(ctx, "entry")
    local result, err = handler(app, ctx, { name = entry.name, arguments = args })
    ctx.entry = own
    if not result then error(err, 0) end
    local answer = result.resultType
    if answer ~= nil and answer ~= "complete" and ctx.app.extensions then
      result = ctx.app.extensions:as_result(answer, result)
      note_task(ctx, result, names)
      return result
    end
    -- Middleware may keep what it gives.
    result = copy(result)
    result.resultType = nil
    if result._meta == app.server_meta then result._meta = nil end
    return result
  end
  local relayed = kind == "tools" and entry.relayed
  local renames = names.prefix and function(args, ctx, prepared)
    return renamed(names, call(args, ctx, prepared))
  end or call
  if not relayed then return renames end
  -- What the mount of another server has made is this call's own: it is changed in place.
  return function(args, ctx, prepared)
    if app.chain or app.extensions then return renames(args, ctx, prepared) end
    local result = direct(args, ctx, prepared)
    if result.content == nil then
      note_task(ctx, result, names)
      return result
    end
    names:contents(result.content)
    return result
  end
end

-- The handler of a resource sees its own address.
local function reader_of(self, entry)
  local names = self.names
  return function(vars, ctx)
    local asked = ctx.uri
    ctx.uri = names:inner_uri(asked)
    local given = entry.handler(vars, ctx)
    ctx.uri = asked
    if entry.mount and not names.prefix or type(given) ~= "table" then return given end
    if type(given.contents) == "table" then
      given = copy(given)
      given.contents = table.move(given.contents, 1, #given.contents, 1, {})
      for i, item in ipairs(given.contents) do
        if type(item) == "table" then given.contents[i] = copy(item) end
      end
      names:read(given.contents)
    elseif type(given.uri) == "string" and (given.text or given.blob) then
      given = copy(given)
      given.uri = names:uri(given.uri)
    end
    return given
  end
end

-- An entry of the app as one of ours. Its options, checks and completers are taken over.
local function adopted(self, kind, entry)
  local made = setmetatable(copy(entry), getmetatable(entry))
  made.inner, made.mount, made.at, made.text = entry.name, self, nil, nil
  local definition = copy(entry.definition)
  definition._meta = self.names:meta(definition._meta)
  made.definition = definition
  if type(entry.page) == "string" then made.page = self.names:uri(entry.page) end
  if kind == "tools" or kind == "prompts" then
    made.name = self.names:name(entry.name)
    definition.name = made.name
    made.handler = handler_of(self, kind, entry)
  else
    made.name = self.names:uri(entry.name)
    made.handler = reader_of(self, entry)
    if entry.watch then
      function made.watch(ctx, asked) return entry.watch(ctx, self.names:inner_uri(asked)) end
    end
    definition[kind == "resources" and "uri" or "uriTemplate"] = made.name
    if kind == "templates" then made.template = uri.template(made.name) end
    if entry.lister then
      function made.lister(ctx)
        local list = {}
        for i, item in ipairs(entry.lister(ctx) or {}) do
          list[i] = type(item) == "string" and self.names:uri(item) or copy(item)
          if type(list[i]) == "table" then list[i].uri = self.names:uri(list[i].uri) end
        end
        return list
      end
    end
  end
  -- What it returns is already what goes out only if a server's handler made it.
  made.relayed = entry.mount and (entry.relayed or not entry.mount.app)
  local shown, text = self:transform(entries.gated(self, definitions.settle(made, entry)))
  if text then entries.note_left_out(self, made, text) end
  return shown
end

---What stands in the lists now. An entry that is as before is the same table.
---@param kind string
---@return table[] entries
function Inner.__index:list(kind)
  local before, kept, out = self.kept[kind], {}, {}
  for _, entry in ipairs(self.app[kind].order) do
    local made = before[entry]
    if made == nil then made = adopted(self, kind, entry) or false end
    kept[entry] = made
    if made then out[#out + 1] = made end
  end
  self.kept[kind] = kept
  return out
end

function Inner.__index.state() return "up" end

function Inner.__index:is_settled()
  return not self.app.mounts or self.app.mounts:is_settled()
end

function Inner.__index:start() if self.app.mounts then self.app.mounts:start() end end

function Inner.__index:settle(deadline)
  if self.app.mounts then self.app.mounts:settle(deadline) end
end

---Waits until its servers are known.
---@param deadline number
function Inner.__index:await(deadline) self:settle(deadline) end

function Inner.__index:may_have(capability) return self.app:has(capability) end

---@param id string
---@return boolean
function Inner.__index:passes(id) return self.app.mounts and self.app.mounts:passes(id) or false end

---The extensions of the app, and of servers that it has mounted, as far as they pass.
---@return table<string, table> settings by identifier
function Inner.__index:extensions()
  local out, set = {}, self.app.extensions
  for _, def in ipairs(set and set.order or {}) do
    if not SEPARATE[def.id] and (not def.when or def.when(self.app)) then
      out[def.id] = core.decode(core.encode(def.settings))
    end
  end
  return out
end

---Makes a request of an extension.
---@param ctx mcp.Context
---@param method string
---@param params table
---@return table|nil result
---@return table|nil err
function Inner.__index:pass(ctx, method, params)
  local handler = dispatch.handlers(self.app, ctx.revision.era)[method]
  if not handler then return nil, dispatch.unknown(ctx.revision.era, method) end
  -- Its handler asks the context for the app that it belongs to.
  local outer = ctx.app
  local _ <close> = setmetatable({}, { __close = function() ctx.app = outer end })
  ctx.app = self.app
  local result, err = handler(self.app, ctx, params)
  if not result then return nil, err end
  if result.resultType == "complete" then result.resultType = nil end
  if result._meta == self.app.server_meta then result._meta = nil end
  return result
end

---Passes a notification of a client on.
---@param ctx mcp.Context
---@param method string
---@param params table
function Inner.__index:notify(ctx, method, params)
  if not self.app.extensions then return end
  require("mcp.server.feature.extension").notice(self.app, ctx.exchange, ctx.revision,
    ctx.own_session, method, params, rawget(ctx, "meta_text"))
end

---A resource that no list has: one of a server that the app has mounted.
---@param ctx mcp.Context
---@param asked string
---@return table|nil entry
function Inner.__index:find(asked, ctx)
  if not self.app.mounts then return nil end
  local entry = resource.find(self.app, asked, ctx)
  return entry and adopted(self, "resources", entry)
end

---Becomes one of the mounts of another app.
---@param mounts table
function Inner.__index:move(mounts)
  self.app.mounted_in[self.mounts], self.app.mounted_in[mounts] = nil, true
  self.mounts = mounts
end

function Inner.__index:close()
  for i, registry in ipairs(self.registries) do registry.on_change = self.before[i] end
  self.app.bus.also = self.also
  self.app.mounted_in[self.mounts] = nil
end

---Another app of this process.
---@param mounts table
---@param name string
---@param names table
---@param app mcp.App
---@param options table of app:mount
---@return mcp.mount.Inner
function inner.new(mounts, name, names, app, options)
  local self = setmetatable({ mounts = mounts, name = name, names = names, app = app,
    options = options, title = ("mount %q"):format(name), mortal = false, registries = {},
    before = {}, also = nil, live = false,
    kept = { tools = {}, prompts = {}, resources = {}, templates = {} } }, Inner)
  for i, kind in ipairs(KINDS) do
    local registry = app[kind]
    local before = registry.on_change
    self.registries[i], self.before[i] = registry, before
    function registry.on_change()
      before()
      self.mounts:rebuild { kind }
    end
  end
  app.mounted_in = app.mounted_in or {}
  app.mounted_in[mounts] = true
  local also = app.bus.also
  self.also = also
  function app.bus.also(change)
    if also then also(change) end
    if bus.is_kind(change) then return self.mounts:announce(self, change) end
    self.mounts.app:resource_updated(names:uri(change))
  end
  return self
end

return inner
