-- SPDX-License-Identifier: MIT
-- extension_definition: reads what `app:extension { … }` is given, and raises (level 0) what is
-- wrong with it: names that are taken, options that do not exist, settings that JSON cannot carry.
local core = require "mcp.core"
local gate = require "mcp.server.feature.gate"
local metadata = require "mcp.server.feature.metadata"
local methods = require "mcp.protocol.methods"
local nearest = require "mcp.nearest"
local options = require "mcp.options"
local value = require "mcp.value"

local definition = {}

local OPTIONS = {
  id = "string", settings = "table", revision = "string", methods = "table",
  notifications = "table", listen = "table", results = "table", meta = "function",
  open = "boolean", legacy = "boolean", modern = "boolean",
}

local METHOD = {
  handler = "function|table", target = "string", asks = "boolean", idempotent = "boolean",
  cache_key = "string", cache = "table", scope = "string", scopes = "table", timeout = "number",
  budget = "table", open = "boolean", legacy = "boolean", modern = "boolean",
}

-- What a method can take its scopes from (protocol/methods.lua).
local SCOPES = { tool = true, prompt = true, resource = true, ref = true }

-- Names of the protocol itself, by kind; those of methods are in protocol/methods.lua.
local OWN = {
  notification = { ["notifications/initialized"] = true, ["notifications/cancelled"] = true,
    ["notifications/progress"] = true, ["notifications/roots/list_changed"] = true,
    ["notifications/message"] = true, ["notifications/resources/updated"] = true,
    ["notifications/resources/list_changed"] = true, ["notifications/tools/list_changed"] = true,
    ["notifications/prompts/list_changed"] = true },
  filter = { toolsListChanged = true, promptsListChanged = true, resourcesListChanged = true,
    resourceSubscriptions = true },
  ["result type"] = { complete = true, input_required = true },
}

local function is_callable(given)
  return type(given) == "function"
    or type(given) == "table" and (getmetatable(given) or {}).__call ~= nil
end

-- Raises unless it is a name.
local function check_name(what, example, name)
  if type(name) ~= "string" or name == "" then
    error(("%s: expected names such as %q, got %s"):format(what, example,
      name == "" and "an empty one" or type(name)), 0)
  end
end

-- Raises unless a name of this kind is free: the protocol's own are not, nor those of others.
local function check_free(taken, kind, name, own)
  local other = taken[kind .. " " .. name]
  if own or other then
    error(("%s %q belongs to %s"):format(kind, name, own and "the protocol itself"
      or ("the extension %q, registered at %s"):format(other.id, other.at)), 0)
  end
end

-- One method: its row (protocol/methods.lua), with what only a server knows of it.
local function read_method(app, def, name, given)
  if is_callable(given) then given = { handler = given } end
  if type(given) ~= "table" then
    error(("expected a function or a table with a handler, got %s"):format(type(given)), 0)
  end
  options.check("options", given, METHOD, 0)
  if not is_callable(given.handler) then
    error(("handler: expected a function, got %s"):format(type(given.handler)), 0)
  end
  if given.scope and not SCOPES[given.scope] then
    error(nearest.unknown("scope", given.scope, nearest.keys(SCOPES)), 0)
  end
  local row = gate.add({ name = name, handler = given.handler, extension = def.id,
    target = given.target, asks = given.asks, idempotent = given.idempotent,
    cache_key = given.cache_key, cache = metadata.cache(given.cache), scope = given.scope,
    legacy = def.legacy and given.legacy ~= false, modern = def.modern and given.modern ~= false,
    open = given.open or given.open == nil and def.open,
  }, { timeout = given.timeout, scopes = given.scopes })
  if row.scopes and not app.auth then
    error("scopes: this server has no authorization (mcp.server { auth = … })", 0)
  end
  -- What is built in keeps to none.
  if app.budget and not def.when or given.budget then
    local entry = { kind = "method", name = name, handler = row.handler }
    require("mcp.server.feature.budget").put(app, entry, given.budget)
    row.handler = entry.handler
  end
  return row
end

local function read_methods(app, taken, def, given)
  local rows = {}
  for name, method in pairs(given or {}) do
    check_name("methods", "thing/do", name)
    if name:find "^notifications/" or name:find "^rpc%." then
      error(("methods: %q cannot be the name of a method"):format(name), 0)
    end
    local own = methods[name]
    check_free(taken, "method", name, own and own.extension ~= def.id)
    local ok, row = pcall(read_method, app, def, name, method)
    if not ok then error(("method %q: %s"):format(name, row), 0) end
    rows[name] = row
  end
  return rows
end

local function read_notifications(taken, given)
  local out = {}
  for name, fn in pairs(given or {}) do
    check_name("notifications", "notifications/thing", name)
    if not name:find "^notifications/." then
      error(('notifications: expected a name that begins with "notifications/", got %q'):format(
        name), 0)
    end
    check_free(taken, "notification", name, OWN.notification[name])
    if not is_callable(fn) then
      error(("notification %q: expected a function, got %s"):format(name, type(fn)), 0)
    end
    out[name] = fn
  end
  return out
end

local function read_filters(taken, given)
  local out = {}
  for name, fn in pairs(given or {}) do
    check_name("listen", "thingIds", name)
    check_free(taken, "filter", name, OWN.filter[name])
    if fn ~= true and not is_callable(fn) then
      error(("filter %q: expected true or a function, got %s"):format(name, type(fn)), 0)
    end
    out[name] = fn
  end
  return out
end

local function read_results(taken, given)
  local out = {}
  local problem = given and options.list_problem(given)
  if problem then error("results" .. problem, 0) end
  for i, name in ipairs(given or {}) do
    if name == "" then error(("results[%d]: expected a text, got an empty one"):format(i), 0) end
    check_free(taken, "result type", name, OWN["result type"][name])
    out[name] = true
  end
  return out
end

-- What is declared: the settings, and the revision among them.
local function read_settings(given, revision)
  if given ~= nil and not value.is_object(given) then
    error("settings: expected a table with names, got an array", 0)
  end
  local settings = {}
  for key, member in pairs(given or {}) do settings[key] = member end
  if settings.revision ~= nil and settings.revision ~= revision then
    error("settings: revision: is an option of its own: revision = …", 0)
  end
  if revision == "" then error("revision: expected a text, got an empty one", 0) end
  settings.revision = revision
  local text, reason = core.encode(settings)
  if not text then error("settings: " .. reason, 0) end
  return core.raw(settings)
end

---Reads a definition.
---@param app table
---@param def mcp.Extension gets what is read
---@param given table
---@param taken table<string, mcp.Extension> names of other extensions, each after its kind
---@return mcp.Extension def
function definition.read(app, def, given, taken)
  options.check("options", given, OPTIONS, 0)
  def.revision, def.open = given.revision, given.open or false
  def.legacy, def.modern = given.legacy ~= false, given.modern ~= false
  if not (def.legacy or def.modern) then
    error("legacy, modern: one of them must not be false", 0)
  end
  def.settings = read_settings(given.settings, given.revision)
  def.rows = read_methods(app, taken, def, given.methods)
  def.notices = read_notifications(taken, given.notifications)
  def.filters = read_filters(taken, given.listen)
  def.results = read_results(taken, given.results)
  def.meta = given.meta or false
  return def
end

return definition
