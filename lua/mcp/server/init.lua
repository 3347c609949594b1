-- SPDX-License-Identifier: MIT
-- server: an app: what it offers, and how it is run. Tools, resources and
-- prompts all have one decorator shape:
--
--   app:tool "name" { options } (handler)        the braces may be left out
local bus = require "mcp.server.bus"
local check_options = require("mcp.options").check
local error_in = require("mcp.options").error_in
local completion = require "mcp.later" "mcp.server.feature.completion"
local core = require "mcp.core"
local cursor = require "mcp.later" "mcp.server.feature.cursor"
local identity = require "mcp.server.identity"
local metadata = require "mcp.later" "mcp.server.feature.metadata"
local prompt = require "mcp.later" "mcp.server.feature.prompt"
local protocol = require "mcp.protocol"
local registry = require "mcp.server.feature.registry"
local resource = require "mcp.later" "mcp.server.feature.resource"
local session = require "mcp.server.session"
local timeout = require "mcp.server.timeout"
local tool_entry = require "mcp.server.feature.tool_entry"
local uri = require "mcp.later" "mcp.uri"

local server = {}

---@class mcp.App
---@field name string
---@field version string
local App = { __name = "mcp.server" }
local methods = {}
App.__index = methods

function App.__tostring(app) return ("mcp.server (%s %s)"):format(app.name, app.version) end

-- What an app need not have, or not yet.
local ABSENT = { access = true, auth = true, before_work = true, budget = true, catalog = true,
  chain = true, event_store = true, figures = true, instructions = true, lasting = true,
  middleware = true, pager = true, recorder = true, ring = true, script = true,
  session_clock = true, sum_figures = true, task_settings = true, task_store = true, token = true,
  trace_request = true, wrap = true }

-- Loaded when an unknown member is read.
local misspelt

-- Methods that few scripts call are added when the first of them is.
local is_whole = false

setmetatable(methods, { __index = function(app, key)
  if ABSENT[key] then return nil end
  if not is_whole then
    is_whole = true
    local others = require("mcp.server.occasional").open(server)
    for name, method in pairs(others) do methods[name] = method end
    if others[key] then return others[key] end
  end
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
  watchdog = "number|boolean", budget = "table", store = "string|table|userdata",
}

local SESSIONS = { idle = "number", max = "number", max_per_principal = "number" }

local TASKS = { ttl = "number", max_ttl = "number", max = "number", max_running = "number",
  poll_interval = "number" }

local SUBSCRIPTIONS = { max = "number", max_uris = "number" }

-- The file of a function.
local files = setmetatable({}, { __mode = "k" })

-- Where a decorator was written, for an error that comes later.
local function here(level)
  local info = debug.getinfo(level + 1, "fl")
  local fn = info.func
  local file = files[fn]
  if not file then
    file = debug.getinfo(fn, "S").short_src
    files[fn] = file
  end
  return file .. ":" .. info.currentline
end

-- What a thing is registered under: a name, or the normal form of a URI.
local function key_of(kind, name)
  return kind == "resource" and uri.normal_template(name) or name
end

-- Raises, at `level` (0: without a position), that there is one of that name, and where it stands.
local function refuse_twice(what, entry, level)
  error(("%s is registered already, at %s%s"):format(what, entry.at,
    what:find(("%q"):format(entry.name), 1, true) and "" or (" as %q"):format(entry.name)),
    level > 0 and level + 1 or 0)
end

-- Is it an app, or another name of one (server.alias)?
local function is_app(given)
  local meta = type(given) == "table" and getmetatable(given)
  return meta == App or meta and meta[App] == true
end

---The methods of apps, for those that are not part of this module: what they need knows apps.
server.methods = methods

-- Of a thing that was given none.
local NO_OPTIONS = {}

local Decorator = { __name = "mcp.decorator" }

function Decorator.__tostring(self) return ("app:%s %q"):format(self.kind, self.name) end

-- What a decorator makes, for messages.
local function named(self) return ("%s %q"):format(self.kind, self.name) end

-- Makes the entry of what a decorator stands for, and adds it. Returns the entry that has its name
-- already, if there is one. Raises (level 0) what is wrong.
local function add(self, options, handler)
  local app = self.app
  local entry = self.feature.new(self.name, options, handler, app)
  -- A worker keeps to its budget itself. Loaded by servers that have such handlers.
  if (app.budget or options.budget) and options.worker == nil then
    require("mcp.server.feature.budget").put(app, entry, options.budget)
  end
  if entry.scopes and not app.auth then
    error("scopes: this server has no authorization (mcp.server { auth = … })", 0)
  end
  local into = entry.kind == "template" and app.templates or self.into
  entry.at, entry.token = self.at, app.token
  local name = self.name
  if app.transforms then
    local shown = require("mcp.server.transform").of(app, entry)
    if not shown then return end
    entry, name = shown, shown.name
  end
  if not into:add(key_of(self.kind, name), entry) then
    return into.by_name[key_of(self.kind, name)]
  end
  if entry.lister then app.listers = app.listers + 1 end
  if entry.scopes then app.scoped = app.scoped + 1 end
  if entry.ui then require("mcp.server.feature.ui").declare(app, entry.at) end
end

-- The same; raises, at the line of the caller's caller, what is wrong.
local function register(self, options, handler, what)
  local ok, other = pcall(add, self, options, handler)
  if not ok then error(("%s: %s"):format(what or named(self), other), 3) end
  if other then refuse_twice(what or named(self), other, 3) end
end

-- Takes options, then the handler. With the handler the thing is registered.
function Decorator.__call(self, given)
  if self.done then error(named(self) .. " has its handler already", 2) end
  if type(given) == "table" and not (getmetatable(given) or {}).__call then
    if self.options then error(named(self) .. ": options are given twice", 2) end
    local misplaced = self.feature.misplaced and self.feature.misplaced(given)
        misplaced = misplaced or error_in(given, self.feature.options)
    if misplaced then error(("%s: %s"):format(named(self), misplaced), 2) end
    self.options = given
    if given.worker == nil then return self end
    -- The whole handler is in the worker's file. Loaded by servers that have such tools.
    local ok, handler = pcall(require("mcp.worker").handler, self.name, given,
      debug.getinfo(2, "S").source)
    if not ok then error(("%s: %s"):format(named(self), handler), 2) end
    given = handler
  end
  if type(given) ~= "function" and type(given) ~= "table" then
    error(("%s: expected a table of options or a function, got %s"):format(named(self),
      type(given)), 2)
  end
  register(self, self.options or NO_OPTIONS, given)
  self.done = true
  self.app.pending[self] = nil
  return given
end

-- The sockets that this process was started with; nil for most.
local inherited

-- Called by the methods below as their last act, which leaves no frame of theirs
-- (a tail call): level 2 is the line where the decorator is written.
local function decorator(app, kind, feature, list, name, more)
  if not is_app(app) then
    error(("app:%s is called with a colon, not with a dot"):format(kind), 2)
  end
  local into = app[list]
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
local function check_self(name, app, level)
  if not is_app(app) then
    error(("app:%s is called with a colon, not with a dot"):format(name), level or 3)
  end
end

-- The same for the methods that luamcp itself calls, with the facts of a revision.
local function check_facts(name, app, facts)
  check_self(name, app, 4)
  if type(facts) ~= "table" or not facts.era then
    error(("app:%s: expected the facts of a revision, got %s"):format(name,
      type(facts) == "table" and "another table" or type(facts)), 3)
  end
end

server.check_self = check_self

---A tool: `app:tool "add" { input = { a = "number" } } (function(args, ctx) … end)`.
---@param name string
---@return table decorator
function methods.tool(app, name, ...)
  return decorator(app, "tool", tool_entry, "tools", name, ...)
end

---A resource, or a template if the URI has `{expressions}` (RFC 6570). Its
---handler gets the template's variables.
---@param address string the URI or template
---@return table decorator
function methods.resource(app, address, ...)
  return decorator(app, "resource", resource, "resources", address, ...)
end

---A prompt. Its handler gets the arguments, all strings.
---@param name string
---@return table decorator
function methods.prompt(app, name, ...)
  return decorator(app, "prompt", prompt, "prompts", name, ...)
end

local LISTS = { tools = true, prompts = true }

---Is there anything of this capability?
---@param capability "tools"|"resources"|"prompts"|"completions"|"tasks"|"ui"
---@return boolean
function methods.has(app, capability)
  check_self("has", app)
  -- A mounted server may have it, though it is not known yet.
  if app.mounts and app.mounts:may_have(capability) then return true end
  if capability == "resources" then
    -- A server with skills declares resources, even while a folder is empty.
    return app.resources.order[1] ~= nil or app.templates.order[1] ~= nil or app.skill_set ~= false
  end
  if capability == "tasks" or capability == "ui" then
    local member = capability == "tasks" and "task" or "ui"
    for _, entry in ipairs(app.tools.order) do
      if entry[member] then return true end
    end
    for _, entry in ipairs(app.resources.order) do
      if entry[member] then return true end
    end
    return false
  end
  if capability == "completions" then
    local prompts, templates = app.prompts.order, app.templates.order
    return prompts[1] ~= nil and completion.any(prompts)
      or templates[1] ~= nil and completion.any(templates)
  end
  local entries = LISTS[capability] and app[capability]
  if not entries then
    error(('app:has: expected "tools", "resources", "prompts", "completions" or "tasks", got %s')
      :format(type(capability) == "string" and ("%q"):format(capability) or type(capability)), 2)
  end
  return entries.order[1] ~= nil
end

---What the server declares: what has been registered.
---@param facts table of a revision
---@return table
function methods.capabilities(app, facts)
  check_facts("capabilities", app, facts)
  local out = {}
  for _, name in ipairs { "tools", "resources", "prompts" } do
    if app:has(name) then out[name] = { listChanged = true } end
  end
  if out.resources then out.resources.subscribe = true end
  if facts.completions and app:has "completions" then out.completions = {} end
  if facts.era == "legacy" then out.logging = {} end
  if facts.tasks == "extension" then
    if app:has "tasks" or app.mounts and app.mounts:passes(protocol.TASKS) then
      require("mcp.server.feature.task_extension").add(app)
    end
  elseif facts.tasks and app:has "tasks" then
    out.tasks = { list = {}, cancel = {}, requests = { tools = { call = {} } } }
  end
  -- Those of mounted servers are declared, too.
  if app.mounts and app:has "ui" then
    require("mcp.server.feature.ui").declare(app, "the pages of a mounted server")
  end
  if app.extensions then out.extensions = app.extensions:declared(facts.era) end
  return out
end

---The server's identity as a revision knows it.
---@param facts table of the revision
---@return table
function methods.implementation(app, facts)
  check_facts("implementation", app, facts)
  return registry.view(app.info, facts.implementation)
end

---Adds the caching hints of the revisions that have them: what the result says
---of itself, else `hints`, else the server's.
---@param facts table
---@param result table
---@param hints table|nil ttl_ms, scope
---@return table result
function methods.cacheable(app, facts, result, hints)
  check_facts("cacheable", app, facts)
  if type(result) ~= "table" then
    error("app:cacheable: expected a result, got " .. type(result), 2)
  end
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
  if not is_app(app) then
    error(("app:%s is called with a colon, not with a dot"):format(name), level + 1)
  end
  if options ~= nil and type(options) ~= "table" then
    error(("app:%s: expected a table such as { %s }, got %s"):format(name, example,
      type(options)), level + 1)
  end
end

-- Every decorator must have got its function, and every tool its page.
local function check_complete(app)
  local open = {}
  for self in pairs(app.pending) do
    open[#open + 1] = ("%s: %s never got its function"):format(self.at, tostring(self))
  end
  -- A tool names its page, which may be registered after it.
  if app:has "ui" then require("mcp.server.feature.ui").find_dangling(app, open) end
  if open[1] then
    table.sort(open)
    error(table.concat(open, "\n"), 0)
  end
end

server.check_complete = check_complete

---Opens listeners and returns at once, for programs that turn the loop
---themselves (mcp.run, mcp.step).
---@param options table stdio, http, sse, websocket, unix, tls, security, limits
---@return mcp.Listening
function methods.listen(app, options)
  check_call("listen", app, options, "http = 8000", 2)
  local building = server.building
  if building and building.thread == coroutine.running() then
    error("app:listen: a script that is reloaded must end in app:run() or return its app", 2)
  end
  check_complete(app)
  if options and options.workers and options.workers ~= 1 then
    error("app:listen: workers: only app:run and luamcp run start them", 2)
  end
  for _, name in ipairs { "pid_file", "user", "group" } do
    if options and options[name] ~= nil then
      error(("app:listen: %s: it is an option of app:run, which has the process for itself")
        :format(name), 2)
    end
  end
  local ok, listening = pcall(require("mcp.server.listen").open, app, options or {})
  if not ok then error(listening, 2) end
  return listening
end

-- What is opened: the command line chooses the transports, the script the other options.
local function merged(options, asked)
  if not asked then return options end
  local out = {}
  for key, given in pairs(options) do out[key] = given end
  -- Those of the script are kept if the command line names none.
  local chooses = asked.stdio or asked.http or asked.unix or asked.sse or asked.websocket
  for _, way in ipairs(chooses and { "stdio", "http", "unix", "sse", "websocket" } or {}) do
    -- An option that switches a transport off is kept.
    if asked[way] ~= nil or type(out[way]) ~= "boolean" or way == "stdio" or way == "http" then
      out[way] = asked[way]
    end
  end
  for _, name in ipairs { "inspect", "health", "ready", "metrics", "drain", "store", "workers",
    "pid_file", "user", "group" } do
    if asked[name] then out[name] = asked[name] end
  end
  out.access_log = asked.access_log or out.access_log
  if asked.otlp then
    out.tracing = {}
    for key, given in pairs(type(options.tracing) == "table" and options.tracing or {}) do
      out.tracing[key] = given
    end
    out.tracing.endpoint = asked.otlp
  end
  if asked.allowed_hosts then
    out.security = {}
    for key, given in pairs(options.security or {}) do out.security[key] = given end
    out.security.allowed_hosts = asked.allowed_hosts
  end
  if asked.tls or chooses and not (out.http or asked.sse or asked.websocket) then
    out.tls = asked.tls
  end
  return out
end

-- Called by the methods below as their last act, which leaves no frame of theirs: level 2 is the
-- line where the app is run.
local function run(app, options)
  check_complete(app)
  local listen = require "mcp.server.listen"
  if server.instead_of_running then return server.instead_of_running(app, options) end
  options = merged(options or {}, server.asked)
  if inherited then
    local ok, extended = pcall(inherited.extend, options)
    if not ok then error(extended, 2) end
    options = extended
  end
  if not listen.asks(options) then
    local with = { stdio = true }
    for key, given in pairs(options) do with[key] = with[key] or given end
    options = with
  end
  local building = server.building
  if building then
    if building.serve then return building.serve(app, options) end
    error("app:run: return the app to app:reload, which serves it", 2)
  end
  if options.workers and options.workers ~= 1 and not server.member then
    local done, text = pcall(require("mcp.server.workers").run, options,
      server.started_as)
    if not done then error(text, 2) end
    return
  end
  local worker = server.member
  if worker then
    options = worker.options(app, options)
    inherited.store = worker.store
  end
  if server.script then app.script, server.token = server.script, nil end
  if server.script and worker then worker.lead(server.script) end
  local ok, listening = pcall(listen.open, app, options, inherited)
  if not ok then error(listening, 2) end
  listening.member = worker
  listen.serve(listening, not options.quiet)
end

---What server/occasional.lua is made of.
server.parts = { check_call = check_call, here = here, key_of = key_of,
  refuse_twice = refuse_twice, register = register, run = run }

---Serves until it is stopped: standard input and output unless `options`
---or the command line say otherwise.
---@param options table|nil stdio, http, sse, websocket, unix, tls, security, limits, quiet
function methods.run(app, options)
  check_call("run", app, options, "http = 8000", 2)
  return run(app, options)
end

---What all entries of a script refer to. `waiter` and `ended` are collected with it: what waits for
---them is cancelled then. `started` is that of mcp.async.
---@return table token
function server.new_token()
  return { waiter = core.waiter(), ended = core.waiter(), started = {} }
end

---Makes an app another name of one that serves, for the script that has made it.
---@param app mcp.App the one that serves
---@param made mcp.App loses what it had
function server.alias(app, made)
  for key in pairs(made) do made[key] = nil end
  setmetatable(made, { __name = App.__name, __tostring = App.__tostring, __index = app,
    __newindex = app, [App] = true, of = app })
end

-- The table `app.state`: that of the app of the same name which is reloaded, if one is.
local function state_for(name)
  local building = server.building
  if not building then return {} end
  local found = building.states[name] or building.first or {}
  building.first = nil
  return found
end

-- What `check` makes of an option; raises at the line of the caller's caller.
local function checked(check, ...)
  local ok, made = pcall(check, ...)
  if not ok then error("mcp.server: " .. made, 3) end
  return made
end

-- Authorization.
local function make_guard(options) return require("mcp.auth.server").new(options) end

-- What handlers may use.
local function read_budget(given)
  return require("mcp.server.feature.budget").of_server(given)
end

-- The keys that what goes through a client is sealed with.
local function make_ring(options)
  return require("mcp.server.seal").ring(options.state_keys, options.state_ttl)
end

---What the command line asked for; set by the program.
server.asked = nil

---The words of the command that runs this script: the program, and what it was given; set by the
---program.
---@type string[]|nil
server.started_as = nil

---In a worker, its side of the supervisor: server/workers/member.lua.
---@type table|nil
server.member = nil

-- Before the script runs, so that programs that it starts get none of the sockets.
if os.getenv "LISTEN_FDS" then
  inherited = require "mcp.server.listen.inherited"
  local as_worker = os.getenv "LUAMCP_WORKER"
  if as_worker then
    server.member = require "mcp.server.workers.member"
    inherited.take(server.member.join(as_worker))
    inherited.tally = server.member.tally
  else
    inherited.take()
  end
end

---Called with the app by app:run() and its kin, in place of serving; set by mcp.testing and by
---commands that load a script without serving it.
---@type nil|fun(app: mcp.App, options: table|nil)
server.instead_of_running = nil

---The script that the program runs, for SIGHUP, `--watch` and app:reload(): `name`, build(building)
---and watch(fn); set by the program.
---@type table|nil
server.script = nil

---While a script is loaded or an app is reloaded: what its entries refer to (see
---server/reload.lua).
---@type table|nil
server.token = nil

---The reload in progress; see server/reload.lua.
---@type table|nil
server.building = nil

---Whether any app was made; the program tells of one that is never run.
server.made = false

---Makes an app.
---@param options table|string name, version, title, description, website, icons, instructions,
---sessions { idle, max, max_per_principal }, subscriptions { max, max_uris },
---event_store (what streams of sessions are resumed from, see mcp.event_store; false: nothing),
---tasks { ttl, max_ttl, max, max_running, poll_interval },
---cache { ttl, scope }, page_size, state_keys (secrets of
---32 bytes or more, shared by all processes that serve the same clients), state_ttl (seconds),
---timeout, timeout_max, heartbeat (seconds, 0 for none), watchdog (seconds, false for none),
---budget (of handlers that have none of their own: time in seconds, output in bytes),
---auth (see mcp.auth.server), store (what several processes that serve the same clients share, see
---docs/scale.md: an address, or an object);
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
  local cache = options.cache and checked(metadata.cache, options.cache)
    or { ttl_ms = 0, scope = "private" }
  local size = options.page_size or 0
  if not math.tointeger(size) or size < 0 then
    error("mcp.server: page_size: expected a whole number, 0 or more, got " .. size, 2)
  end
  local info = {
    name = options.name, version = options.version or "0.0.0", title = options.title,
    description = options.description, websiteUrl = options.website,
    icons = options.icons and checked(metadata.icons, options.icons),
  }
  for _, member in ipairs { { "instructions", options.instructions }, { "title", info.title },
    { "name", info.name }, { "version", info.version }, { "description", info.description },
    { "website", info.websiteUrl }, { "icons", info.icons } } do
    local text, reason = core.encode { [member[1]] = member[2] }
    if not text then error("mcp.server: " .. reason, 2) end
  end
  local app = setmetatable({
    name = info.name, tools = false, prompts = false, resources = false, templates = false,
    cache = cache, pager = size > 0 and cursor.new(math.tointeger(size)) or nil,
    event_store = options.event_store, -- nil: made when it is needed
    clock = checked(timeout.settings, options),
    watchdog = checked(timeout.watchdog, options.watchdog),
    budget = options.budget and checked(read_budget, options.budget) or nil,
    counts = { stopped = 0, oversized = 0 },
    sessions = session.store(options.sessions), task_settings = options.tasks,
    pending = {}, listening = {}, listers = 0, scoped = 0,
    ring = (options.state_keys or options.state_ttl)
      and checked(make_ring, options) or nil,
    ---The program's own, and still there after a reload.
    state = state_for(info.name),
    given = options, -- compared when the app is reloaded
    token = server.token,
    auth = options.auth and checked(make_guard, options.auth) or false,
    wrap = false, -- what server/middleware.lua puts around handlers
    routes = false, -- by path, see server/front/route.lua
    loop_watch = false, -- what server/listen/metrics.lua measures the loop with
    draining = false, -- since the first signal to end
    skill_set = false, -- what server/feature/skill.lua has
    extensions = false, -- what server/feature/extension.lua has of them
    -- What server/search.lua puts in: which tools a list has, and what a call is read as.
    listed = false, redirect = false,
    mounts = false, -- other servers whose entries it has, see mcp.mount
    mounted_in = false, -- the mounts of other apps that have this one
    transforms = false, -- what server/transform.lua puts around entries
    shared = false, -- what it shares with other processes, see server/shared/init.lua
  }, App)
  server.made = true
  identity.set(app, info, options.instructions)
  app.bus = bus.new(app, options.subscriptions)
  -- Loaded by servers of several processes.
  -- An app that takes the place of another one has that one's.
  if options.store and not server.building then
    checked(require("mcp.server.shared").join, app, options.store)
  end
  app.handlers = {}
  for name, kind in pairs { tools = "tools", resources = "resources", templates = "resources",
    prompts = "prompts" } do
    app[name] = registry.new(function()
      -- What is offered decides which methods there are.
      if next(app.handlers) ~= nil then app.handlers = {} end
      app.bus:publish(kind)
    end)
  end
  return app
end

return server
