-- SPDX-License-Identifier: MIT
-- extension: what an app has registered with `app:extension { … }`: methods, notifications and
-- filters that the protocol itself does not have, for the clients that declare the same extension.
-- What is declared by which side, and whether that makes it active, is
-- lua/mcp/protocol/extension.lua's. Loaded by apps that have extensions.
local context = require "mcp.server.context"
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local facts_of = require "mcp.protocol.extension"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local protocol = require "mcp.protocol"
local tool = require "mcp.server.feature.tool"
local value = require "mcp.value"

local extension = {}

---@class mcp.Extension
---@field id string
---@field revision string|nil
local Extension = { __name = "mcp.extension" }
local handle = {}
Extension.__index = handle

function Extension.__tostring(self) return ("mcp.extension (%s)"):format(self.id) end

---The extensions of an app.
local Set = { __name = "mcp.extensions" }
Set.__index = {}

-- A result of a type of its own, as `handle:result` makes it.
local Result = { __name = "mcp.extension.result" }

-- Loaded when something is sent, or listened to.
local listening = require "mcp.later" "mcp.server.feature.extension_listen"

-- --- registering -------------------------------------------------------------------------------

local function take(app, set, def)
  set.by_id[def.id] = def
  set.order[#set.order + 1] = def
  for name, row in pairs(def.rows) do
    set.rows[name], set.taken["method " .. name] = row, def
    if row.scopes then app.scoped = app.scoped + 1 end
  end
  for name in pairs(def.notices) do
    set.notices[name], set.taken["notification " .. name] = def, def
  end
  for name in pairs(def.filters) do
    set.filters[name], set.taken["filter " .. name] = def, def
  end
  for name in pairs(def.results) do set.taken["result type " .. name] = def end
  set.meta = set.meta or def.meta ~= false
  -- What is offered decides which methods there are.
  app.extensions, app.handlers = set, {}
  return def
end

---Registers an extension. Raises (level 0) what is wrong with it.
---@param app table
---@param given any
---@param at string where it is registered, for error texts
---@param when function|nil of the protocol's own ones: when(app) tells whether it is offered now
---@return mcp.Extension handle
function extension.add(app, given, at, when)
  if type(given) ~= "table" then
    error('app:extension: expected a table such as { id = "io.example/thing", methods = { … } }, '
      .. "got " .. type(given), 0)
  end
  local problem = facts_of.problem(given.id)
  if problem then error("app:extension: id: " .. problem, 0) end
  local set = app.extensions or setmetatable({ by_id = {}, order = {}, rows = {}, taken = {},
    filters = {}, notices = {}, meta = false,
    -- What is known of methods that a mounted server may have.
    unknown = false }, Set)
  local other = set.by_id[given.id]
  if other then
    error(("extension %q is registered already, at %s"):format(given.id, other.at), 0)
  end
  if given.id == protocol.TASKS and not when then
    error(("extension %q is built in: tools have the option task"):format(given.id), 0)
  end
  local def = setmetatable({ id = given.id, app = app, at = at, when = when or false,
    revision = false }, Extension)
  local ok, text = pcall(require("mcp.server.feature.extension_definition").read, app, def, given,
    set.taken)
  if not ok then error(("extension %q: %s"):format(given.id, text), 0) end
  return take(app, set, def)
end

-- --- both sides have it ------------------------------------------------------------------------

-- Does the app offer it to clients of an era now?
local function is_offered(def, era)
  return def[era] and (not def.when or def.when(def.app)) and true or false
end

---What the server declares to clients of an era; nil if it is nothing.
---@param era "legacy"|"modern"
---@return table|nil
function Set.__index:declared(era)
  local out
  for _, def in ipairs(self.order) do
    if is_offered(def, era) then
      out = out or {}
      out[def.id] = def.settings
    end
  end
  return out
end

---The settings that the client of a request has declared, if that makes the extension active.
---@param ctx table
---@param id string
---@return table|false settings
function Set.__index:settings(ctx, id)
  local def = self.by_id[id]
  if not def or not is_offered(def, ctx.revision.era) then return false end
  return facts_of.active(ctx.capabilities, id, def.revision)
end

---The error for a client that has not declared an extension.
---@param ctx table
---@param def mcp.Extension
---@return table err
function Set.__index.refusal(_, ctx, def)
  local text = ("Client capability required: extensions[%q]"):format(def.id)
  local given = facts_of.declared(ctx.capabilities, def.id) -- of another revision
  if given then
    local theirs = given.revision
    text = ("%s of %s (the client declares %s)"):format(text,
      def.revision and ("revision %q"):format(def.revision) or "no revision",
      theirs ~= nil and theirs ~= value.null and ("revision %q"):format(tostring(theirs))
      or "none")
  end
  local data = { requiredCapabilities = { extensions = {
    [def.id] = { revision = def.revision } } } }
  -- The revisions with sessions have no code for this: there the method does not exist.
  if ctx.own_session then
    return failure.new(errors.METHOD_NOT_FOUND, ("Method not found: %s. %s"):format(ctx.method,
      text), data)
  end
  return failure.new(errors.MISSING_CAPABILITY, text, data, 400)
end

-- Raises, at the line of the caller's caller, that a method was called without its handle.
local function check_self(self, name)
  if getmetatable(self) ~= Extension then
    error(("extension:%s is called with a colon, not with a dot"):format(name), 3)
  end
end

-- Raises, at the same line, that something else was passed than the context of a request.
local function check_context(name, ctx)
  if type(ctx) ~= "table" or not ctx.revision then
    error(("extension:%s: expected the context of a request, as handlers get it, got %s"):format(
      name, type(ctx) == "table" and "another table" or type(ctx)), 3)
  end
end

---The client's settings, as `ctx:has_extension` gives them.
---@param ctx mcp.Context
---@return table|false settings
function handle.settings_of(self, ctx)
  check_self(self, "settings_of")
  check_context("settings_of", ctx)
  return self.app.extensions:settings(ctx, self.id)
end

-- --- its methods -------------------------------------------------------------------------------

local function copy(given)
  local out = {}
  for key, member in pairs(given) do out[key] = member end
  return out
end

-- What a handler returned, as a result.
local function shaped(app, ctx, def, row, result, err)
  if result == nil then
    if err == nil then return {} end
    if failure.is(err) then return nil, err end
    error(("%s: %s"):format(row.name, tostring(err)), 0)
  end
  if type(result) ~= "table" or not value.is_object(result) then
    error(("%s: expected its handler to return a table with names, got %s"):format(row.name,
      value.kind(result)), 0)
  end
  if getmetatable(result) == Result then return app.extensions:result(ctx, result) end
  local kind = result.resultType
  if kind ~= nil and kind ~= "complete" and not def.results[kind] then
    error(('%s: resultType: expected one that the option "results" lists, got %s'):format(row.name,
      type(kind) == "string" and ("%q"):format(kind) or type(kind)), 0)
  end
  if row.cache_key then return app:cacheable(ctx.revision, copy(result), row.cache) end
  return result
end

-- The handler as dispatch calls it.
local function served(def, row)
  return function(app, ctx, params)
    if not row.open and not facts_of.active(ctx.capabilities, def.id, def.revision) then
      return nil, app.extensions:refusal(ctx, def)
    end
    gate.limit(row, ctx)
    -- Requests without params share one empty table.
    if next(params) == nil then params = {} end
    return shaped(app, ctx, def, row, row.handler(ctx, params))
  end
end

-- --- results -----------------------------------------------------------------------------------

---A result of a type of the extension, which a handler returns in place of others: a tool's as
---well, since the protocol lets extensions answer tools/call in ways of their own.
---@param kind string one that the option `results` lists
---@param members table
---@return table result
function handle.result(self, kind, members)
  check_self(self, "result")
  if not self.results[kind] then
    error(("extension:result: %s"):format(require("mcp.nearest").unknown("result type",
      tostring(kind), require("mcp.nearest").keys(self.results))), 2)
  end
  if not value.is_object(members) then
    error("extension:result: expected a table with names, got " .. value.kind(members), 2)
  end
  return setmetatable({ def = self, kind = kind, members = members }, Result)
end

---Is it what `handle:result` has made?
---@param given table
---@return boolean
function Set.__index.is_result(_, given) return getmetatable(given) == Result end

---A result of a type of one of the extensions, as their handlers make it. Without such an extension
---it is the same table.
---@param kind string
---@param members table
---@return table
function Set.__index:as_result(kind, members)
  local def = self.taken["result type " .. kind]
  return def and setmetatable({ def = def, kind = kind, members = members }, Result) or members
end

---Such a result as it is sent; nil and the error if the client does not have the extension.
---@param ctx table
---@param given table
---@return table|nil result
---@return table|nil err
function Set.__index:result(ctx, given)
  if not self:settings(ctx, given.def.id) then return nil, self:refusal(ctx, given.def) end
  local result = copy(given.members)
  result.resultType = given.kind
  if ctx.revision.stamp and result._meta == nil then result._meta = ctx.app.server_meta end
  return result
end

-- The result with the members of _meta that the extensions add for this client.
local function with_meta(set, ctx, result)
  local added
  for _, def in ipairs(set.order) do
    local meta = def.meta and set:settings(ctx, def.id) and def.meta(ctx, result)
    if meta then
      if not value.is_object(meta) then
        error(("extension %q: meta: expected a table with names, got %s"):format(def.id,
          value.kind(meta)), 0)
      end
      added = added or {}
      for key, member in pairs(meta) do added[key] = member end
    end
  end
  if not added then return result end
  local own = result._meta
  if own == ctx.app.server_meta then own = { [protocol.KEY_SERVER] = ctx.app.server_info } end
  for key, member in pairs(type(own) == "table" and own or {}) do added[key] = member end
  result = copy(result)
  result._meta = added
  return result
end

-- A handler whose results get what the extensions add to _meta. Lists that are kept encoded are
-- the same for all clients, so nothing is added to them.
local function contributing(set, handler)
  return function(app, ctx, params)
    local result, err = handler(app, ctx, params)
    if type(result) == "table" then return with_meta(set, ctx, result), err end
    return result, err
  end
end

---Adds the handlers of the methods that an app offers now.
---@param app table
---@param era "legacy"|"modern"
---@param handlers table<string, function>
function extension.add_handlers(app, era, handlers)
  local set = app.extensions
  for _, def in ipairs(set.order) do
    if is_offered(def, era) then
      for name, row in pairs(def.rows) do
        if row[era] then handlers[name] = served(def, row) end
      end
    end
  end
  if not set.meta then return end
  for name, handler in pairs(handlers) do handlers[name] = contributing(set, handler) end
end

-- --- notifications -----------------------------------------------------------------------------

---Handles a notification of a client, if it is one of an extension that the client declares.
---@param app table
---@param x userdata its exchange
---@param revision table facts
---@param session table|false
---@param method string
---@param params table|nil
---@param meta string|nil the text of _meta
function extension.notice(app, x, revision, session, method, params, meta)
  local def = app.extensions.notices[method]
  if not def and app.mounts then
    local passed = context.new(x, revision, session, method, meta, app)
    return app.mounts:forward(passed, method, params or {})
  end
  if not def or not is_offered(def, revision.era) then return end
  local ctx = context.new(x, revision, session, method, meta, app)
  ctx.auth = app.auth and app.auth.of[x] or nil
  if not def.open and not facts_of.active(ctx.capabilities, def.id, def.revision) then
    return core.log("debug", ("%s: the client has not declared %s"):format(method, def.id))
  end
  -- Nothing is sent, whatever comes of it: an error goes to the log.
  tool.guarded(ctx, def.notices[method], ctx, params or {})
end

---Sends a notification before the response of a request, on its stream.
---@param ctx mcp.Context of the request
---@param method string
---@param params table|nil
---@return boolean|nil sent false: the client does not have the extension
---@return string|nil message
---@return string|nil code
function handle.send(self, ctx, method, params)
  check_self(self, "send")
  check_context("send", ctx)
  return listening.send(self, ctx, method, params)
end

---Sends a notification that belongs to no request to all clients that have the extension: in the
---stateless revision to those that listen, otherwise to the sessions.
---@param method string
---@param params table|nil
---@param options table|nil filter, value, where, sessions
---@return integer count of the clients that it was sent to
function handle.notify(self, method, params, options)
  check_self(self, "notify")
  return listening.notify(self, method, params, options)
end

---A question of the extension to the client, for `ctx:ask`.
---@param method string
---@param params table|nil
---@return mcp.Question
function handle.question(self, method, params)
  check_self(self, "question")
  if type(method) ~= "string" or method == "" then
    error("extension:question: method: expected a string, got " .. type(method), 2)
  end
  if params ~= nil and not value.is_object(params) then
    error("extension:question: params: expected a table with names, got " .. value.kind(params), 2)
  end
  return require("mcp.message.question").own(self.id, self.revision, method, params)
end

return extension
