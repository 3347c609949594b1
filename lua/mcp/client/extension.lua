-- SPDX-License-Identifier: MIT
-- extension: the extensions that a program declares with the option `extensions`: their settings,
-- and what it knows of their methods, notifications and results. Loaded by programs that declare
-- some.
local callbacks = require "mcp.client.callbacks"
local core = require "mcp.core"
local facts_of = require "mcp.protocol.extension"
local list_problem = require("mcp.options").list_problem
local methods = require "mcp.protocol.methods"
local protocol = require "mcp.protocol"
local usage = require "mcp.client.usage"
local value = require "mcp.value"

local extension = {}

local OPTIONS = { id = "string", settings = "table", revision = "string", methods = "table",
  notifications = "table", requests = "table", results = "table", listen = "table" }

local METHOD = { target = "string", asks = "boolean", idempotent = "boolean",
  cache_key = "string" }

-- Members of the filter of subscriptions/listen that are the protocol's.
local OWN_FILTERS = { toolsListChanged = true, promptsListChanged = true,
  resourcesListChanged = true, resourceSubscriptions = true }

-- What servers send by the protocol itself: it has callbacks of its own.
local OWN = {
  notifications = { ["notifications/cancelled"] = true, ["notifications/progress"] = true,
    ["notifications/message"] = true, ["notifications/resources/updated"] = true,
    ["notifications/resources/list_changed"] = true, ["notifications/tools/list_changed"] = true,
    ["notifications/prompts/list_changed"] = true,
    ["notifications/elicitation/complete"] = true,
    ["notifications/subscriptions/acknowledged"] = true },
  requests = { ping = true, ["roots/list"] = true, ["sampling/createMessage"] = true,
    ["elicitation/create"] = true },
}

local Set = { __name = "mcp.client.extensions" }
Set.__index = {}

-- --- reading the option -------------------------------------------------------------------------

-- The settings as they are declared.
local function read_settings(where, given, revision)
  if not value.is_object(given) then
    usage.raise("%s: settings: expected a table with names, got an array", where)
  end
  local settings = {}
  for key, member in pairs(given) do settings[key] = member end
  if settings.revision ~= nil and settings.revision ~= revision then
    usage.raise("%s: settings: revision: is an option of its own: revision = …", where)
  end
  settings.revision = revision
  local text, reason = core.encode(settings)
  if not text then usage.raise("%s: settings: %s", where, reason) end
  return core.raw(settings)
end

local function read_functions(set, where, def, kind, given)
  for name, fn in pairs(given or {}) do
    if type(name) ~= "string" or name == "" then
      usage.raise("%s: %s: expected the names of methods, got %s", where, kind, tostring(name))
    end
    if OWN[kind][name] then
      usage.raise("%s: %s: %q belongs to the protocol itself", where, kind, name)
    end
    if type(fn) ~= "function" then
      usage.raise("%s: %s: %q: expected a function, got %s", where, kind, name, type(fn))
    end
    local other = set[kind][name]
    if other then
      usage.raise("%s: %s: %q belongs to the extension %q", where, kind, name, other.def.id)
    end
    set[kind][name] = { def = def, fn = fn }
  end
end

local function read_methods(set, where, def, given)
  for name, row in pairs(given or {}) do
    if type(name) ~= "string" or name == "" then
      usage.raise("%s: methods: expected the names of methods, got %s", where, tostring(name))
    end
    local own, other = methods[name], set.rows[name]
    if own and own.extension ~= def.id or other then
      usage.raise("%s: methods: %q belongs to %s", where, name,
        other and ("the extension %q"):format(other.extension) or "the protocol itself")
    end
    usage.check(("%s: methods: %q"):format(where, name), row, METHOD)
    set.rows[name] = { extension = def.id, target = row.target, asks = row.asks,
      idempotent = row.idempotent, cache_key = row.cache_key }
  end
end

---A filter of an extension, or nil if it has no member. Raises at the user's line what is wrong.
---@param where string for error texts
---@param given any
---@return table|nil
function extension.read_filter(where, given)
  if given == nil or type(given) == "table" and next(given) == nil then return nil end
  if not value.is_object(given) then
    usage.raise("%s: expected a table with the names of a filter, got %s", where,
      value.kind(given))
  end
  for name in pairs(given) do
    if type(name) ~= "string" or OWN_FILTERS[name] then
      usage.raise("%s: %q belongs to the protocol itself", where, tostring(name))
    end
  end
  return given
end

local function add(set, where, id, settings, revision, results)
  local problem = facts_of.problem(id)
  if problem then usage.raise("%s: %s", where, problem) end
  if set.by_id[id] then usage.raise("%s: %q is declared twice", where, id) end
  local def = { id = id, revision = revision, results = results }
  def.settings = read_settings(("%s: %q"):format(where, id), settings, revision)
  set.by_id[id] = def
  return def
end

-- One that is declared by its settings alone may send any type of result.
local function add_settings(set, where, id, settings)
  if settings == true then settings = {} end
  if type(settings) ~= "table" then
    usage.raise("%s: %q: expected a table of settings, got %s", where, tostring(id),
      type(settings))
  end
  local revision = settings.revision
  if revision ~= nil and type(revision) ~= "string" then revision = nil end
  add(set, where, id, settings, revision)
end

local function add_definition(set, where, given)
  usage.check(where, given, OPTIONS)
  local results = {}
  local wrong = given.results and list_problem(given.results)
  if wrong then usage.raise("%s: results%s", where, wrong) end
  for _, kind in ipairs(given.results or {}) do results[kind] = true end
  local def = add(set, where, given.id, given.settings or {}, given.revision, results)
  where = ("%s: %q"):format(where, def.id)
  read_methods(set, where, def, given.methods)
  read_functions(set, where, def, "notifications", given.notifications)
  read_functions(set, where, def, "requests", given.requests)
  def.listen = extension.read_filter(where .. ": listen", given.listen)
end

---Reads the option `extensions`: settings by identifier, and in its list part whole definitions.
---Raises at the user's line what is wrong.
---@param what string the function it belongs to, for error texts
---@param given table
---@param capabilities table|nil the option of that name, which may declare some, too
---@return table extensions
function extension.read(what, given, capabilities)
  local set = setmetatable({ by_id = {}, rows = {}, notifications = {}, requests = {} }, Set)
  local where = what .. ": extensions"
  for key, member in pairs(given) do
    if math.type(key) == "integer" then
      add_definition(set, ("%s[%d]"):format(where, key), member)
    else
      add_settings(set, where, key, member)
    end
  end
  local also = capabilities and capabilities.extensions
  for id, settings in pairs(type(also) == "table" and also or {}) do
    add_settings(set, what .. ": capabilities: extensions", id, settings)
  end
  return set
end

-- --- what is active -----------------------------------------------------------------------------

---What is declared to the server.
---@return table<string, userdata>
function Set.__index:declared()
  local out = {}
  for id, def in pairs(self.by_id) do out[id] = def.settings end
  return out
end

---The settings of the server, if both sides declare the extension in the same revision.
---@param capabilities table|nil of the server
---@param id string
---@return table|nil
function Set.__index:settings(capabilities, id)
  local def = self.by_id[id]
  return def and facts_of.active(capabilities, id, def.revision) or nil
end

---May a result have this type?
---@param client table
---@param kind any
---@return boolean
function Set.__index:allows(client, kind)
  for id, def in pairs(self.by_id) do
    if not def.results or def.results[kind] and self:settings(client.capabilities, id) then
      return true
    end
  end
  return false
end

-- The function for a message of the server, if its extension is active.
local function function_for(self, client, kind, method)
  local found = self[kind][method]
  return found and self:settings(client.capabilities, found.def.id) and found.fn
end

---What the program listens to: the members of the filter of subscriptions/listen.
---@param client table
---@return table<string, any>
function Set.__index:filter(client)
  local out = {}
  for id, def in pairs(self.by_id) do
    if def.listen and self:settings(client.capabilities, id) then
      for name, member in pairs(def.listen) do out[name] = member end
    end
  end
  return out
end

---Handles a notification; false if it belongs to no extension that is active.
---@param client table
---@param method string
---@param params table
---@param sent table|nil the call by whose stream it came
---@return boolean taken
function Set.__index:notice(client, method, params, sent)
  local fn = function_for(self, client, "notifications", method)
  local meta = value.object(params._meta)
  local tag = meta[protocol.KEY_SUBSCRIPTION]
  if fn and tag ~= nil and client.era == "modern" then
    -- Those of a subscription that has been replaced come twice.
    local subscription = client.listening
    if not subscription or core.id_key(subscription.id) ~= core.id_key(tag) then return true end
  end
  if not fn then return false end
  local info = tag == nil and require("mcp.client.serve").call_of(client, sent) or nil
  -- The client is no argument: callbacks.run weighs those.
  callbacks.run(client, function(given) fn(given, client, info) end, params)
  return true
end

---The function that answers a request of the server.
---@param client table
---@param method any
---@return function|nil
function Set.__index:answers(client, method)
  return function_for(self, client, "requests", method) or nil
end

return extension
