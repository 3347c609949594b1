-- SPDX-License-Identifier: MIT
-- server: an app: what it offers, and how it is run. Tools, resources and
-- prompts all have one decorator shape:
--
--   app:tool "name" { options } (handler)        the braces may be left out
local bus = require "mcp.server.bus"
local check_options = require("mcp.options").check
local completion = require "mcp.server.feature.completion"
local core = require "mcp.core"
local cursor = require "mcp.server.feature.cursor"
local metadata = require "mcp.server.feature.metadata"
local prompt = require "mcp.server.feature.prompt"
local protocol = require "mcp.protocol"
local registry = require "mcp.server.feature.registry"
local resource = require "mcp.server.feature.resource"
local session = require "mcp.server.session"
local timeout = require "mcp.server.timeout"
local tool = require "mcp.server.feature.tool"
local uri = require "mcp.uri"

local server = {}

---@class mcp.App
---@field name string
---@field version string
local App = { __name = "mcp.server" }
local methods = {}
App.__index = methods

function App.__tostring(app) return ("mcp.server (%s %s)"):format(app.name, app.version) end

-- What an app need not have, or not yet.
local ABSENT = { auth = true, chain = true, event_store = true, instructions = true,
  middleware = true, pager = true, plain = true, state = true, task_settings = true,
  task_store = true, wrap = true }

-- Loaded when an unknown member is read.
local misspelt

setmetatable(methods, { __index = function(app, key)
  if ABSENT[key] then return nil end
  misspelt = misspelt or require("mcp.misspelt").index("app", function()
    return require("mcp.nearest").keys(methods)
  end)
  return misspelt(app, key)
end })

local OPTIONS = {
  name = "string", version = "string", title = "string", description = "string",
  website = "string", icons = "table", instructions = "string", sessions = "table",
  subscriptions = "table", event_store = "any", tasks = "table",
  cache = "table", page_size = "number", state_keys = "table", state_ttl = "number",
  timeout = "number", timeout_max = "number", heartbeat = "number", auth = "table",
}

local SESSIONS = { idle = "number", max = "number", max_per_principal = "number" }

local TASKS = { ttl = "number", max_ttl = "number", max = "number", max_running = "number",
  poll_interval = "number" }

local SUBSCRIPTIONS = { max = "number", max_uris = "number" }

-- Where a decorator was written, for an error that comes later.
local function here(level)
  local info = debug.getinfo(level + 1, "Sl")
  return ("%s:%d"):format(info.short_src, info.currentline)
end

-- What a thing is registered under: a name, or the normal form of a URI.
local function key_of(kind, name)
  return kind == "resource" and uri.normal_template(name) or name
end

-- Raises, at `level`, that there is one of that name, and where it stands.
local function refuse_twice(what, entry, level)
  error(("%s is registered already, at %s%s"):format(what, entry.at,
    what:find(("%q"):format(entry.name), 1, true) and "" or (" as %q"):format(entry.name)),
    level + 1)
end

local Decorator = { __name = "mcp.decorator" }

function Decorator.__tostring(self) return ("app:%s %q"):format(self.kind, self.name) end

-- Takes options, then the handler. With the handler the thing is registered.
function Decorator.__call(self, given)
  local what = ("%s %q"):format(self.kind, self.name)
  if self.done then error(what .. " has its handler already", 2) end
  if type(given) == "table" and not (getmetatable(given) or {}).__call then
    if self.options then error(what .. ": options are given twice", 2) end
    check_options(what, given, self.feature.options, 2)
    self.options = given
    if given.worker == nil then return self end
    -- The whole handler is in the worker's file. Loaded by servers that have such tools.
    local ok, handler = pcall(require("mcp.worker").handler, self.name, given,
      debug.getinfo(2, "S").source)
    if not ok then error(("%s: %s"):format(what, handler), 2) end
    given = handler
  end
  if type(given) ~= "function" and type(given) ~= "table" then
    error(("%s: expected a table of options or a function, got %s"):format(what, type(given)), 2)
  end
  local ok, entry = pcall(self.feature.new, self.name, self.options or {}, given)
  if not ok then error(("%s: %s"):format(what, entry), 2) end
  if entry.scopes and not self.app.auth then
    error(what .. ": scopes: this server has no authorization (mcp.server { auth = … })", 2)
  end
  local into = entry.kind == "template" and self.app.templates or self.into
  entry.at = self.at
  if not into:add(key_of(self.kind, self.name), entry) then
    refuse_twice(what, into.by_name[key_of(self.kind, self.name)], 2)
  end
  if entry.lister then self.app.listers = self.app.listers + 1 end
  if entry.scopes then self.app.scoped = self.app.scoped + 1 end
  self.done = true
  self.app.pending[self] = nil
  return given
end

-- Called by the methods below as their last act, which leaves no frame of theirs
-- (a tail call): level 2 is the line where the decorator is written.
local function decorator(app, kind, feature, into, name, more)
  if getmetatable(app) ~= App then
    error(("app:%s is called with a colon, not with a dot"):format(kind), 2)
  end
  if more ~= nil then
    error(("app:%s: expected one name; options and function follow: app:%s %q { … } (function)")
      :format(kind, kind, tostring(name)), 2)
  end
  if type(name) ~= "string" or name == "" then
    error(("app:%s: expected a name, got %s"):format(kind,
      name == "" and "an empty one" or type(name)), 2)
  end
  local key = key_of(kind, name)
  local there = into.by_name[key] or (kind == "resource" and app.templates.by_name[key])
  if there then refuse_twice(("%s %q"):format(kind, name), there, 2) end
  local self = setmetatable({ app = app, kind = kind, feature = feature, into = into, name = name,
    at = here(2) }, Decorator)
  app.pending[self] = true
  return self
end

-- Raises, at the line of the caller's caller, that a method was called without its app.
local function check_self(name, app)
  if getmetatable(app) ~= App then
    error(("app:%s is called with a colon, not with a dot"):format(name), 3)
  end
end

---A tool: `app:tool "add" { input = { a = "number" } } (function(args, ctx) … end)`.
---@param name string
---@return table decorator
function methods.tool(app, name, ...)
  return decorator(app, "tool", tool, app.tools, name, ...)
end

---A resource, or a template if the URI has `{expressions}` (RFC 6570). Its
---handler gets the template's variables.
---@param address string the URI or template
---@return table decorator
function methods.resource(app, address, ...)
  return decorator(app, "resource", resource, app.resources, address, ...)
end

---A prompt. Its handler gets the arguments, all strings.
---@param name string
---@return table decorator
function methods.prompt(app, name, ...)
  return decorator(app, "prompt", prompt, app.prompts, name, ...)
end

---Puts a function around every request: `app:use(function(request, next) … end)`. The first one is
---outermost. `next(request)` gives the result, or nil and an mcp.error.
---@param fn fun(request: mcp.Request, next: fun(request: mcp.Request): table|nil, table|nil)
function methods.use(app, fn)
  check_self("use", app)
  return require("mcp.server.middleware").use(app, fn)
end

---Takes a tool, resource or prompt away again.
---@param kind "tool"|"resource"|"prompt"
---@param name string
---@return boolean removed
function methods.remove(app, kind, name)
  check_self("remove", app)
  if kind == "tool" then return app.tools:remove(name) ~= nil end
  if kind == "prompt" then return app.prompts:remove(name) ~= nil end
  if kind ~= "resource" then
    error(('app:remove: expected "tool", "resource" or "prompt", got %q'):format(tostring(kind)), 2)
  end
  local key = type(name) == "string" and key_of(kind, name) or name
  local entry = app.resources:remove(key) or app.templates:remove(key)
  if entry and entry.lister then app.listers = app.listers - 1 end
  return entry ~= nil
end

---Announces that a resource's content has changed to the subscribers of its URI.
---@param address string its URI
function methods.resource_updated(app, address)
  check_self("resource_updated", app)
  if type(address) ~= "string" or bus.is_kind(address) or not utf8.len(address) then
    error("app:resource_updated: expected a URI, got " .. (type(address) == "string"
      and ("%q"):format(address) or type(address)), 2)
  end
  app.bus:publish(address)
end

---Says that a list has changed for a reason that only the app knows, such as a template's `list`
---that finds something new. Registering and removing say so themselves.
---@param kind "tools"|"prompts"|"resources"
function methods.changed(app, kind)
  check_self("changed", app)
  if not bus.is_kind(kind) then
    error(('app:changed: expected "tools", "prompts" or "resources", got %s'):format(
      type(kind) == "string" and ("%q"):format(kind) or type(kind)), 2)
  end
  app.bus:publish(kind)
end

---Is there anything of this capability?
---@param capability "tools"|"resources"|"prompts"|"completions"|"tasks"
---@return boolean
function methods.has(app, capability)
  if capability == "resources" then
    return app.resources.order[1] ~= nil or app.templates.order[1] ~= nil
  end
  if capability == "tasks" then
    for _, entry in ipairs(app.tools.order) do
      if entry.task then return true end
    end
    return false
  end
  if capability == "completions" then
    return completion.any(app.prompts.order) or completion.any(app.templates.order)
  end
  return app[capability].order[1] ~= nil
end

---What the server declares: what has been registered.
---@param facts table of a revision
---@return table
function methods.capabilities(app, facts)
  local out = {}
  for _, name in ipairs { "tools", "resources", "prompts" } do
    if app:has(name) then out[name] = { listChanged = true } end
  end
  if out.resources then out.resources.subscribe = true end
  if facts.completions and app:has "completions" then out.completions = {} end
  if facts.era == "legacy" then out.logging = {} end
  if facts.tasks and app:has "tasks" then
    if facts.tasks == "extension" then
      out.extensions = { [protocol.TASKS] = {} }
    else
      out.tasks = { list = {}, cancel = {}, requests = { tools = { call = {} } } }
    end
  end
  return out
end

---The server's identity as a revision knows it.
---@param facts table of the revision
---@return table
function methods.implementation(app, facts)
  return registry.view(app.info, facts.implementation)
end

---Adds the caching hints of the revisions that have them: what the result says
---of itself, else `hints`, else the server's.
---@param facts table
---@param result table
---@param hints table|nil ttl_ms, scope
---@return table result
function methods.cacheable(app, facts, result, hints)
  if not facts.stamp then
    result.ttlMs, result.cacheScope = nil, nil
    return result
  end
  hints = hints or app.cache
  result.ttlMs = result.ttlMs or hints.ttl_ms
  result.cacheScope = result.cacheScope or hints.scope
  result.resultType = "complete"
  result._meta = result._meta or app.server_meta
  return result
end

-- Raises, at `level`, that the method `name` was called without its app, or with something
-- other than a table of options.
local function check_call(name, app, options, example, level)
  if type(app) ~= "table" or getmetatable(app) ~= App then
    error(("app:%s is called with a colon, not with a dot"):format(name), level + 1)
  end
  if options ~= nil and type(options) ~= "table" then
    error(("app:%s: expected a table such as { %s }, got %s"):format(name, example,
      type(options)), level + 1)
  end
end

-- Every decorator must have got its function.
local function check_complete(app)
  local open = {}
  for self in pairs(app.pending) do
    open[#open + 1] = ("%s: %s never got its function"):format(self.at, tostring(self))
  end
  if open[1] then
    table.sort(open)
    error(table.concat(open, "\n"), 0)
  end
end

---Opens listeners and returns at once, for programs that turn the loop
---themselves (mcp.run, mcp.step).
---@param options table stdio, http, sse, websocket, unix, tls, security, limits
---@return mcp.Listening
function methods.listen(app, options)
  check_call("listen", app, options, "http = 8000", 2)
  check_complete(app)
  local ok, listening = pcall(require("mcp.server.listen").open, app, options or {})
  if not ok then error(listening, 2) end
  return listening
end

-- What is opened: the command line chooses the transports, the script the other options.
local function merged(options, asked)
  if not asked then return options end
  local out = {}
  for key, given in pairs(options) do out[key] = given end
  for _, way in ipairs { "stdio", "http", "unix", "sse", "websocket" } do
    -- An option that switches a transport off is kept.
    if asked[way] ~= nil or type(out[way]) ~= "boolean" or way == "stdio" or way == "http" then
      out[way] = asked[way]
    end
  end
  out.inspect = asked.inspect or out.inspect
  if asked.tls or not (out.http or asked.sse or asked.websocket) then out.tls = asked.tls end
  return out
end

-- Called by the methods below as their last act, which leaves no frame of theirs: level 2 is the
-- line where the app is run.
local function run(app, options)
  check_complete(app)
  local listen = require "mcp.server.listen"
  options = merged(options or {}, server.asked)
  if not listen.asks(options) then
    local with = { stdio = true }
    for key, given in pairs(options) do with[key] = with[key] or given end
    options = with
  end
  local ok, listening = pcall(listen.open, app, options)
  if not ok then error(listening, 2) end
  listen.serve(listening, not options.quiet)
end

-- Options of one listener: what is not said of the address is said of all.
local function one_listener(way, app, options)
  check_call("run_" .. way, app, options, "port = 8000", 3)
  local address, rest = {}, {}
  if options and options[way] ~= nil then
    error(("app:run_%s: unknown option %q: host, port and path say where"):format(way, way), 3)
  end
  for key, given in pairs(options or {}) do
    if key == "host" or key == "port" or key == "path" then
      address[key] = given
    else
      rest[key] = given
    end
  end
  rest[way] = address
  return rest
end

---Serves until it is stopped: standard input and output unless `options`
---or the command line say otherwise.
---@param options table|nil stdio, http, sse, websocket, unix, tls, security, limits, quiet
function methods.run(app, options)
  check_call("run", app, options, "http = 8000", 2)
  return run(app, options)
end

---Serves standard input and output.
---@param options table|nil it has none: what is given is refused
function methods.run_stdio(app, options)
  check_call("run_stdio", app, options, "", 2)
  if options and next(options) ~= nil then
    error(("app:run_stdio: unknown option %q: it takes no options")
      :format(tostring(next(options))), 2)
  end
  return run(app, { stdio = true })
end

---Serves Streamable HTTP, and at the same address whatever is not switched off.
---@param options table|nil host, port, path, sse, websocket, tls, security, limits, quiet
function methods.run_http(app, options) return run(app, one_listener("http", app, options)) end

---Serves HTTP+SSE, for clients of 2024-11-05. Streamable HTTP is answered at the same address.
---@param options table|nil host, port, path, tls, security, limits, quiet
function methods.run_sse(app, options) return run(app, one_listener("sse", app, options)) end

---Serves WebSocket. Streamable HTTP is answered at the same address.
---@param options table|nil host, port, path, tls, security, limits, quiet
function methods.run_websocket(app, options)
  return run(app, one_listener("websocket", app, options))
end

---Reads the certificates and keys of TLS again, of all that listens. A program of its own does it
---at SIGHUP. Where that fails, what was there goes on.
---@return true|nil reloaded
---@return string|nil message
function methods.reload_tls(app)
  local found, message = false, nil
  for listening in pairs(app.listening) do
    if listening.tls then
      found = true
      local ok, text = listening:reload_tls()
      if not ok then message = message or text end
    end
  end
  if not found then return nil, "this server has no TLS" end
  if message then return nil, message end
  return true
end

-- What `check` makes of an option; raises at the line of the caller's caller.
local function checked(check, given)
  local ok, made = pcall(check, given)
  if not ok then error("mcp.server: " .. made, 3) end
  return made
end

-- Authorization.
local function make_guard(options) return require("mcp.auth.server").new(options) end

-- The keys that what goes through a client is sealed with.
local function make_ring(options)
  return require("mcp.server.seal").ring(options.state_keys, options.state_ttl)
end

---What the command line asked for; set by the program.
server.asked = nil

---Whether any app was made; the program tells of one that is never run.
server.made = false

---Makes an app.
---@param options table|string name, version, title, description, website, icons, instructions,
---sessions { idle, max, max_per_principal }, subscriptions { max, max_uris },
---event_store (what streams of sessions are resumed from, see mcp.event_store; false: nothing),
---tasks { ttl, max_ttl, max, max_running, poll_interval },
---cache { ttl, scope }, page_size, state_keys (secrets of
---32 bytes or more, shared by all processes that serve the same clients), state_ttl (seconds),
---timeout, timeout_max, heartbeat (seconds, 0 for none), auth (see mcp.auth.server);
---a string is the name
---@return mcp.App
function server.new(options)
  if type(options) == "string" then options = { name = options } end
  if type(options) ~= "table" then
    error("mcp.server: expected a name or a table of options, got " .. type(options), 2)
  end
  check_options("mcp.server", options, OPTIONS, 2)
  if not options.name or options.name == "" then error("mcp.server: a name is needed", 2) end
  check_options("mcp.server: sessions", options.sessions or {}, SESSIONS, 2)
  check_options("mcp.server: subscriptions", options.subscriptions or {}, SUBSCRIPTIONS, 2)
  check_options("mcp.server: tasks", options.tasks or {}, TASKS, 2)
  for name, given in pairs(options.tasks or {}) do
    if not (given > 0 and given < 1e9) then
      error(("mcp.server: tasks: %s: expected more than 0"):format(name), 2)
    end
  end
  if options.event_store then
    local wrong = require("mcp.event_store").lacks(options.event_store)
    if wrong then error("mcp.server: event_store: " .. wrong, 2) end
  end
  local cache = checked(metadata.cache, options.cache or {})
  local size = options.page_size or 0
  if not math.tointeger(size) or size < 0 then
    error("mcp.server: page_size: expected a whole number, 0 or more, got " .. size, 2)
  end
  local info = {
    name = options.name, version = options.version or "0.0.0", title = options.title,
    description = options.description, websiteUrl = options.website,
    icons = checked(metadata.icons, options.icons),
  }
  for _, member in ipairs { { "instructions", options.instructions }, { "title", info.title },
    { "name", info.name }, { "version", info.version }, { "description", info.description },
    { "website", info.websiteUrl }, { "icons", info.icons } } do
    local text, reason = core.encode { [member[1]] = member[2] }
    if not text then error("mcp.server: " .. reason, 2) end
  end
  local app = setmetatable({
    name = info.name, version = info.version, instructions = options.instructions,
    server_info = core.raw(info),
    server_meta = core.raw { [protocol.KEY_SERVER] = info },
    cache = cache, pager = size > 0 and cursor.new(math.tointeger(size)) or nil,
    event_store = options.event_store, -- nil: made when it is needed
    clock = checked(timeout.settings, options),
    sessions = session.store(options.sessions), task_settings = options.tasks,
    pending = {}, listening = {}, listers = 0, scoped = 0,
    state = (options.state_keys or options.state_ttl)
      and checked(make_ring, options) or nil,
    auth = options.auth and checked(make_guard, options.auth) or false,
    wrap = false, -- what server/middleware.lua puts around handlers
  }, App)
  server.made = true
  app.info = info
  app.bus = bus.new(app, options.subscriptions)
  app.handlers = {}
  for name, kind in pairs { tools = "tools", resources = "resources", templates = "resources",
    prompts = "prompts" } do
    app[name] = registry.new(function()
      -- What is offered decides which methods there are.
      app.handlers = {}
      app.bus:publish(kind)
    end)
  end
  return app
end

return server
