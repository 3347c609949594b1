-- SPDX-License-Identifier: MIT
-- mount: other servers as part of an app:
--
--   app:mount("gh", "https://mcp.github.example/mcp", { auth = mcp.auth.bearer(token) })
--
-- Their entries are entries of the app, in its own registries: what lists, scopes, middleware and
-- limits do with its own holds for them, and a list of them is kept as bytes like any other.
local core = require "mcp.core"
local entries = require "mcp.mount.entries"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local names = require "mcp.mount.names"

local mount = {}

-- Options of a mount itself; the others are those of mcp.connect.
local OPTIONS = { prefix = "string|boolean", separator = "string", sessions = "string",
  transform = "function|table", deadline = "number", timeout = "number", ttl = "number",
  scopes = "table", visible = "function", on_clash = "function" }

-- Other options of a mounted server: those of mcp.connect. Callbacks and roots are the clients'.
local CONNECT = { headers = "table", auth = "table", tls = "table|userdata",
  proxy = "string|boolean", env = "table", cwd = "string", stderr = "string|function",
  args = "table", program = "string", revision = "string", era = "string", limits = "table",
  probe_timeout = "number", client = "table", method = "string", stream = "boolean",
  pinned = "string|table" }

local SESSIONS = { auto = true, shared = true, client = true }

local KINDS = { "tools", "prompts", "resources", "templates" }

-- Methods that ask for one entry: the member of params that names it, and the kinds that it may be.
local TARGETS = {
  ["tools/call"] = { "name", "tools" }, ["prompts/get"] = { "name", "prompts" },
  ["resources/read"] = { "uri", "resources" }, ["resources/subscribe"] = { "uri", "resources" },
}

local Mounts = { __name = "mcp.mounts" }
Mounts.__index = {}

-- --- before a request ----------------------------------------------------------------------------

-- Is it known what every server has? Each list asks for this, and there may be hundreds of servers.
local function is_settled(mounts, now)
  local mortal = mounts.mortal
  for i = 1, #mortal do
    local each = mortal[i]
    local live = each.live
    if not (live and live.state == "open" and now < each.fresh) then
      local inner = each.app and each.app.mounts
      if inner then
        if not is_settled(inner, now) then return false end
      elseif not each:is_settled(now) then
        return false
      end
    end
  end
  return true
end

---@return boolean settled it is known what every server has
function Mounts.__index:is_settled() return is_settled(self, core.now()) end

---Begins to find out what the servers have.
function Mounts.__index:start()
  for _, each in ipairs(self.mortal) do each:start() end
end

---Waits until it is known what the servers have, side by side.
---@param deadline number
function Mounts.__index:settle(deadline)
  self:start()
  for _, each in ipairs(self.mortal) do
    if not each:is_settled() then each:settle(deadline) end
  end
end

local LISTS = { initialize = true, ["server/discover"] = true, ["subscriptions/listen"] = true,
  ["completion/complete"] = true }

-- The error for an entry of a server that cannot be reached, or nil.
local function absent(each, what)
  local state, text = each:state()
  if state == "up" then return nil end
  return failure.new(errors.INTERNAL_ERROR, ("%s: %s cannot be reached: %s")
    :format(what, each.described, text or "it is still starting"))
end

-- Waits for the servers that a name or URI may be of; the error if they cannot be reached.
local function find(self, method, params)
  local member, kind = table.unpack(TARGETS[method])
  local asked = params and params[member]
  if type(asked) ~= "string" then return nil end
  if kind ~= "resources" and self.app[kind].by_name[asked] then return nil end
  for _, each in ipairs(self.mortal) do
    local may = kind == "resources" and each.names:inner_uri(asked)
      or kind ~= "resources" and each.names:has_name(asked)
    if may and each.app then
      local inner = kind == "resources" and may or asked:sub(#each.names.front + 1)
      local err = each.app.mounts:prepare(method, { [member] = inner })
      if err and not self.app[kind].by_name[asked] then return err end
    elseif may and not (each:is_settled() and each:state() == "up") then
      each:start()
      each:await(core.now() + require("mcp.mount.server").START)
      if kind == "resources" or not self.app[kind].by_name[asked] then
        local err = absent(each, ("%s %q"):format(method, asked))
        if err then return err end
      end
    end
    if may and not each.app and kind ~= "resources" and not self.app[kind].by_name[asked] then
      local err = each:unpinned(kind, asked:sub(#each.names.front + 1))
      if err then return err end
    end
  end
  return nil
end

-- An app that is one server has nothing without it.
local function prepare_alone(each, method)
  local now = core.now()
  if each:state() ~= "up" or not each:is_settled(now) then
    each:start()
    each:await(now + require("mcp.mount.server").START)
    if each:state() == "up" then each:settle(now + each.deadline) end
  end
  return absent(each, method)
end

---Called before each request: sees that what it needs to know of the servers is known.
---@param method string
---@param params table|nil
---@return table|nil err in place of an answer
function Mounts.__index:prepare(method, params)
  local target = TARGETS[method]
  if target then
    if target[2] ~= "resources" and params and self.app[target[2]].by_name[params.name] then
      return nil
    end
    return self.mortal[1] and find(self, method, params) or nil
  end
  if LISTS[method] or method:find "/list$" then
    if self.alone then return prepare_alone(self.alone, method) end
    if not self:is_settled() then self:settle(core.now() + self.deadline) end
    if self.unreported then self:report() end
  end
  return nil
end

---Logs which names that transforms of mounted apps were given are those of no entry: an app may get
---its entries after it was mounted, so that is known when a list is first asked for. A server's are
---when its lists have been read.
function Mounts.__index:report()
  self.unreported = false
  for _, each in ipairs(self.list) do
    if each.app then
      if each.app.mounts then each.app.mounts:report() end
      if each.report and not each:is_settled() then
        self.unreported = true
      elseif each.report then
        each:report()
        each.report = false
      end
    end
  end
end

---May there be something of this capability that is not registered yet?
---@param capability string
---@return boolean
function Mounts.__index:may_have(capability)
  for _, each in ipairs(self.list) do
    if each:may_have(capability) then return true end
  end
  return false
end

---Is this extension of the stateless era passed on between a server and the app's clients?
---@param id string
---@return boolean
function Mounts.__index:passes(id)
  for _, each in ipairs(self.list) do
    if each:passes(id) then return true end
  end
  return false
end

-- Has any server extensions?
local function has_extensions(self)
  for _, each in ipairs(self.list) do
    if next(each:extensions()) then return true end
  end
  return false
end

---Puts what belongs to servers around the methods of the app.
---@param era "legacy"|"modern"
---@param handlers table<string, function>
function Mounts.__index:adapt(era, handlers)
  if self.alone then require("mcp.mount.alone").adapt(self.alone, handlers) end
  if has_extensions(self) then require("mcp.mount.extension").adapt(self, era, handlers) end
end

---Lets methods that the app does not know be asked of servers.
---@param era "legacy"|"modern"
---@param handlers table<string, function>
function Mounts.__index:open(era, handlers)
  if has_extensions(self) then require("mcp.mount.extension").open(self, era, handlers) end
end

---The entry for a tool or prompt that is in no list of the app.
---@param ctx mcp.Context
---@param kind "tools"|"prompts"
---@param name any
---@return table|nil entry
function Mounts.__index:named(ctx, kind, name)
  return self.alone and require("mcp.mount.alone").find(self.alone, ctx, kind, name) or nil
end

---Tells clients of a change that a server has announced, also of one that was taken back before its
---list was read. Changes of what a transform hides are not announced.
---@param each table the server
---@param what "tools"|"prompts"|"resources"
function Mounts.__index:announce(each, what)
  if each.options.transform or self.app.transforms then return end
  self.app.bus:publish(what)
end

---What a server declares is known, or known again: the app's methods depend on it, and those of
---apps that this one is mounted in.
function Mounts.__index:offer()
  self.app.handlers = {}
  if has_extensions(self) then require("mcp.mount.extension").offer(self) end
  for outer in pairs(self.app.mounted_in or {}) do outer:offer() end
end

---The first extension that a server and a client have.
---@param capabilities table of the client
---@return string|nil id
function Mounts.__index:shared(capabilities)
  if not has_extensions(self) then return nil end
  local shared = require("mcp.mount.extension").shared
  for _, each in ipairs(self.list) do
    local id = shared(each:extensions(), capabilities)
    if id then return id end
  end
  return nil
end

---Listens at the servers for what only they know of a client's filter.
---@param subscriber mcp.Subscriber of that client
---@param filter table<string, any>
---@param capabilities table of that client
function Mounts.__index:listen(subscriber, filter, capabilities)
  require("mcp.mount.extension").listen(self, subscriber, filter, capabilities)
end

---Sends a notification of an extension to the clients of the app that have it.
---@param id string
---@param method string
---@param params table|nil
---@param options table of extension:notify
---@return integer count
function Mounts.__index:notify(id, method, params, options)
  local def = self.app.extensions and self.app.extensions.by_id[id]
  return def and def.passed and def:notify(method, params, options) or 0
end

---Passes a notification of a client on that the app does not know.
---@param ctx mcp.Context
---@param method string
---@param params table
function Mounts.__index:forward(ctx, method, params)
  if not has_extensions(self) then return end
  require("mcp.mount.extension").forward(self, ctx, method, params)
end

-- --- the registries ------------------------------------------------------------------------------

-- Logs what is wrong with a list that is being made, unless it was in the list before. What is no
-- longer wrong is forgotten: another server may change its names without end.
local function note(self, kind, made, text)
  local before = self.noted[kind]
  if not made.noted[text] and not (before and before[text]) then core.log("error", text) end
  made.noted[text] = true
end

---Where an entry comes from, for messages.
---@param entry table
---@return string
function mount.origin(entry)
  if entry.mount then return ("%q of the mount %q"):format(entry.inner, entry.mount.name) end
  return "registered at " .. tostring(entry.at or "?")
end

-- An entry after the transforms of the app, each time the same.
local function shown(self, entry)
  if not self.app.transforms then return entry end
  local known = self.shown[entry]
  if known == nil then
    local ok, made = pcall(require("mcp.server.transform").of, self.app, entry)
    if not ok then
      core.log("error", ("mount %q: %s is left out: %s"):format(entry.mount.name, entry.name, made))
    end
    known = ok and made or false
    self.shown[entry] = known
  end
  return known
end

-- What the option on_clash says of two entries of one name: nil, as without it, if it raises.
local function decide(self, kind, made, first, second, rule)
  local ok, verdict = pcall(rule, kind, second.name, mount.origin(first), mount.origin(second))
  if ok then return verdict end
  note(self, kind, made, ("mount %q: on_clash: %s"):format(second.mount.name, tostring(verdict)))
  return nil
end

-- Puts an entry into the list that is being made, unless its name is taken.
local function put(self, kind, made, entry, rule)
  entry = shown(self, entry)
  if not entry then return end
  entry.token = self.app.token
  local key = entries.key(kind, entry)
  local there = made.by_name[key]
  if there then
    local verdict = rule and decide(self, kind, made, there, entry, rule)
    if verdict == "second" then
      for i, other in ipairs(made.order) do
        if other == there then made.order[i] = entry end
      end
      made.by_name[key] = entry
    elseif verdict ~= "first" then
      note(self, kind, made, ("%s %q: it is %s, and %s; the second is left out (give a mount "
        .. "another prefix, or a rule with on_clash)"):format(there.kind, there.name,
        mount.origin(there), mount.origin(entry)))
    end
    return
  end
  made.by_name[key] = entry
  made.order[#made.order + 1] = entry
end

---Makes lists again: the app's own entries, then those of each mount.
---@param kinds string[]
function Mounts.__index:rebuild(kinds)
  local app = self.app
  for _, kind in ipairs(kinds) do
    local registry, made = app[kind], { by_name = {}, order = {}, noted = {} }
    for key, entry in pairs(registry.by_name) do
      if not entry.mount then made.by_name[key] = entry end
    end
    for _, entry in ipairs(registry.order) do
      if not entry.mount then made.order[#made.order + 1] = entry end
    end
    for _, each in ipairs(self.list) do
      for _, entry in ipairs(each:list(kind)) do
        put(self, kind, made, entry, each.options.on_clash)
      end
    end
    self.noted[kind] = made.noted
    if registry:replace(made.by_name, made.order) then self:count() end
  end
end

---Counts again what app keeps count of.
function Mounts.__index:count()
  local app = self.app
  local pages = false
  app.listers, app.scoped = 0, 0
  for _, kind in ipairs(KINDS) do
    for _, entry in ipairs(app[kind].order) do
      if entry.lister then app.listers = app.listers + 1 end
      if entry.scopes then app.scoped = app.scoped + 1 end
      pages = pages or entry.ui ~= nil
    end
  end
  if pages then require("mcp.server.feature.ui").declare(app, "app:mount") end
end

---Gives an app the mounts of another, in place of its own; see mcp.mount.replace.
---@param app mcp.App
---@param made mcp.App
---@return table[] gone
function Mounts.__index.replace(app, made)
  return require("mcp.mount.replace").take(app, made)
end

---Does any client watch this resource, here or where this app is mounted?
---@param uri string
---@return boolean
function Mounts.__index:watches(uri)
  return self.app.bus:watches(uri)
    or self.app.bus.also_watches ~= nil and self.app.bus.also_watches(uri)
end

---The entry for a resource that is in no list: servers have more than they list.
---@param asked string
---@param ctx mcp.Context
---@return table|nil entry
function Mounts.__index:find(asked, ctx)
  for _, each in ipairs(self.list) do
    local inner = each.names:inner_uri(asked)
    -- Without a prefix nothing says whose it is, unless there is one server.
    if inner and (each.names.prefix or not self.list[2]) then
      if each.find then return each:find(inner, ctx) end
      local entry = entries.unlisted(each, inner)
      return require("mcp.server.feature.gate").sees(entry, ctx) and entry or nil
    end
  end
  return nil
end

---@return table[] mounts each with name, state, text (why it is down), tools, prompts, resources,
---templates (their numbers)
function Mounts.__index:status()
  local out = {}
  for i, each in ipairs(self.list) do
    local state, text = each:state()
    out[i] = { name = each.name, state = state, text = text }
    for _, kind in ipairs(KINDS) do out[i][kind] = #each:list(kind) end
  end
  return out
end

-- --- mounting ------------------------------------------------------------------------------------

local function fail(level, text, ...) error(("app:mount: " .. text):format(...), level + 1) end

-- Options in two: those of the mount, and those of mcp.connect.
local function split(given, level)
  local known = {}
  for name, kinds in pairs(OPTIONS) do known[name] = kinds end
  for name, kinds in pairs(CONNECT) do known[name] = kinds end
  require("mcp.options").check("app:mount", given, known, level + 1)
  local own, others = {}, {}
  for name, member in pairs(given) do
    if OPTIONS[name] then own[name] = member else others[name] = member end
  end
  return own, others
end

-- A function from entry to entry out of the option `transform`, and the one that logs names that do
-- not exist.
local function transformer(given, level)
  if given == nil then return function(_, entry) return entry end end
  local list = type(given) == "function" and { given } or given
  for i, fn in ipairs(list) do
    if type(fn) ~= "function" then
      fail(level + 1, "transform[%d]: expected a function, got %s", i, type(fn))
    end
  end
  return require("mcp.mount.transforms").new(list)
end

local function check_name(self, name, prefix, level)
  if type(name) ~= "string" or not names.is_prefix(name) then
    fail(level + 1, 'expected a name of letters, digits, "_", "-" and ".", a letter first, got %s',
      type(name) == "string" and ("%q"):format(name) or type(name))
  end
  if self.by_name[name] then fail(level + 1, "%q is mounted already", name) end
  if type(prefix) == "string" and not names.is_prefix(prefix) then
    fail(level + 1, 'prefix: expected letters, digits, "_", "-" and ".", a letter first, got %q',
      prefix)
  end
end

---The mounts of an app.
---@param app mcp.App
---@return table mounts
function mount.of(app)
  if not app.mounts then
    app.mounts = setmetatable({ app = app, list = {}, mortal = {}, by_name = {}, noted = {},
      shown = setmetatable({}, { __mode = "k" }), turns = { count = 0, waiting = {} },
      deadline = 0, alone = false, unreported = false, methods_of = {}, methods_count = 0 }, Mounts)
  end
  return app.mounts
end

-- Takes a server, or an app, into the list.
local function enter(self, name, made, transform, report)
  made.transform, made.report = transform, report or false
  if made.app then self.unreported = true end
  self.list[#self.list + 1], self.by_name[name] = made, made
  if made.mortal then
    self.mortal[#self.mortal + 1] = made
    self.deadline = math.max(self.deadline, made.deadline)
  end
  self.app.handlers = {}
  return made
end

---A server that is reached by `connect`, as part of an app, under its own names.
---@param app mcp.App
---@param name string for messages
---@param connect fun(options: table): mcp.Client|nil, string|nil, any
---@param options table those of app:mount that are the mount's own, and title, described (what
---messages call it), on_demand, hand_over, declare of mount/upstream.lua
---@return mcp.mount.Server
function mount.reach(app, name, connect, options)
  local self = mount.of(app)
  local made = require("mcp.mount.server").new(self, name, names.new(false, "_"), connect, options)
  return enter(self, name, made, transformer(nil, 1))
end

---Makes another server, or another app of this program, part of the app: its entries appear under
---`NAME_…` and `NAME+scheme://…`. A server is started, or connected to, when it is first needed.
---@param app mcp.App
---@param name string
---@param target any as mcp.connect takes it
---@param options table|nil prefix, separator, sessions, transform, deadline, timeout, ttl, scopes,
---visible, on_clash; and headers, auth, tls, env, … of mcp.connect
---@param level integer|nil
---@return mcp.App app
function mount.add(app, name, target, options, level)
  level = (level or 1) + 1
  local own, others = split(options or {}, level)
  local self = mount.of(app)
  local prefix = own.prefix
  if prefix == nil or prefix == true then prefix = name end
  check_name(self, name, prefix, level)
  if own.sessions and not SESSIONS[own.sessions] then
    fail(level, 'sessions: expected "auto", "shared" or "client", got %q', own.sessions)
  end
  for _, option in ipairs { "deadline", "timeout", "ttl" } do
    if own[option] and not (own[option] >= 0 and own[option] < 1e9) then
      fail(level, "%s: expected seconds, 0 or more, got %s", option, own[option])
    end
  end
  if own.scopes and not app.auth then
    fail(level, "scopes: this server has no authorization (mcp.server { auth = … })")
  end
  local made_names = names.new(prefix, own.separator or "_")
  local transform, report = transformer(own.transform, level)
  local is_app = require("mcp.client.transport.memory").is_app(target)
  local made
  if is_app and others.era == nil and others.revision == nil then
    if target == app then fail(level, "an app cannot be mounted in itself") end
    if others.pinned then
      fail(level, "pinned: expected a server that is connected to, got an app of this program")
    end
    made = require("mcp.mount.inner").new(self, name, made_names, target, own)
  else
    local connect = require "mcp.client.connect"
    -- A mistake in the target or its options is found now.
    local ok, text = pcall(connect.check, "app:mount", target, others)
    if ok and others.pinned then
      ok, text = pcall(require("mcp.client.pinned").check, "app:mount", others.pinned, target)
    end
    if not ok then error((tostring(text):gsub("^[^:\n]+:%d+: ", "")), level) end
    made = require("mcp.mount.server").new(self, name, made_names, function(more)
      local with = {}
      for key, member in pairs(others) do with[key] = member end
      for key, member in pairs(more) do with[key] = member end
      if others.era or others.revision then with.era = others.era end
      return connect.open(target, with)
    end, own)
  end
  made.given = { target = target, options = options }
  enter(self, name, made, transform, report)
  if not made.mortal then
    -- An app is known at once, unless it has servers itself.
    if target.mounts then
      self.mortal[#self.mortal + 1] = made
      self.deadline = math.max(self.deadline, target.mounts.deadline)
    end
    self:rebuild(KINDS)
    self:offer()
  end
  return app
end

---Takes a mounted server away again.
---@param app mcp.App
---@param name string
---@return boolean removed
function mount.remove(app, name)
  local self = app.mounts
  local made = self and self.by_name[name]
  if not made then return false end
  self.by_name[name] = nil
  for _, list in ipairs { self.list, self.mortal } do
    for i, each in ipairs(list) do
      if each == made then
        table.remove(list, i)
        break
      end
    end
  end
  self:rebuild(KINDS)
  made:close()
  return true
end

return mount
