-- SPDX-License-Identifier: MIT
-- reload: puts a new app in the place of one that serves. What the new app has registered replaces
-- what the old one had in one step: the object that listeners, sessions and streams refer to stays,
-- calls in progress finish in the old code, and clients are notified of the lists that differ.
--
-- Afterwards the new app is another name of the one that serves: what its script does with it
-- later, such as app:resource_updated, reaches the clients.
local core = require "mcp.core"
local identity = require "mcp.server.identity"
local lists = require "mcp.server.lists"
local same = require "mcp.same"
local pages = require "mcp.later" "mcp.server.listen.shown"
local middleware = require "mcp.later" "mcp.server.middleware"
local probe = require "mcp.later" "mcp.server.listen.probe"

local reload = {}

---How long a script may take until it serves, in seconds: while one is loaded no other is.
reload.LIMIT = 60

---How long after a reload the collector is run again at most, in seconds, until what the old script
---held is gone. Longer than most calls take.
reload.COLLECT = 120

-- Options of mcp.server that are what they were at the start: open sessions and connections depend
-- on them.
local LASTING = { "auth", "sessions", "subscriptions", "event_store", "tasks", "state_keys",
  "state_ttl", "store", "watchdog" }

-- Members of an app that are what its script has said.
local SAID = { "name", "cache", "clock", "budget", "listers", "scoped", "middleware", "chain",
  "wrap", "skill_set", "extensions", "listed", "redirect", "catalog", "transforms",
  "token", "given" }

local KINDS = lists.KINDS

-- --- comparing ---------------------------------------------------------------------------------

-- Are two options the same, as far as that can be seen? Functions and objects of a script are made
-- again each time it runs, so they count as the same.
local function as_far_as_seen(a, b)
  if type(a) ~= type(b) then return false end
  if type(a) ~= "table" then
    return a == b or type(a) == "function" or type(a) == "userdata"
  end
  local name = (getmetatable(a) or {}).__name
  if a == b or name == "mcp.server" or name and name:find "^mcp%.store" then return true end
  return nil
end

-- The names of what is not the same, in order.
local function differing(before, after, names)
  local out = {}
  for _, name in ipairs(names) do
    if not same(before[name], after[name], as_far_as_seen) then out[#out + 1] = name end
  end
  return out
end

local function warn(what, names)
  if not names[1] then return end
  core.log("warning", ("reload: %s: %s: takes effect at the next start"):format(what,
    table.concat(names, ", ")))
end

-- --- replacing ---------------------------------------------------------------------------------

-- Routes of the script, and those that the options of the listeners have added.
local function put_routes(app, made)
  local routes = made.routes or {}
  for path, each in pairs(app.routes or {}) do
    if each.probe then routes[path] = each end
  end
  app.routes = next(routes) and routes or false
end

-- Listen requests go on, with the extension of the same name.
local function put_listens(before, after)
  if not (before and before.listens and after) then return end
  after.listens, after.listen_count = before.listens, before.listen_count
  after.listen_sweep, after.listen_share = before.listen_sweep, before.listen_share
  for _, record in pairs(after.listens) do
    local by_def = {}
    for def, own in pairs(record.by_def) do by_def[after.by_id[def.id] or def] = own end
    record.by_def = by_def
  end
end

-- Raises (level 0) what keeps the new app from taking the place of the old one.
local function check(app, made)
  for path, each in pairs(made.routes or {}) do
    local there = app.routes and app.routes[path]
    if there and there.probe and not each.probe then
      error(("app:route: %q is taken: it is the path of %s"):format(path, there.probe), 0)
    end
  end
  for listening in pairs(app.listening) do
    if listening.app == app then pages.check_pages(listening, made) end
  end
end

-- Everything at once: nothing here waits or raises.
local function replace(app, made, alias)
  local before = {}
  for _, kind in ipairs(KINDS) do before[kind] = lists.text(app, kind) end
  put_listens(app.extensions, made.extensions)
  put_routes(app, made)
  local token, lasting, extensions = app.token, app.lasting, made.extensions
  for _, name in ipairs(SAID) do app[name] = rawget(made, name) end
  identity.set(app, made.info, rawget(made, "instructions"))
  if (made.pager and made.pager.size) ~= (app.pager and app.pager.size) then
    app.pager = made.pager
  end
  for _, def in ipairs(extensions and extensions.order or {}) do def.app = app end
  local mounts = app.mounts or made.mounts
  local old_mounts = mounts and mounts.replace(app, made) or nil
  for _, kind in ipairs(KINDS) do
    local from, into = made[kind], app[kind]
    into.by_name, into.order = from.by_name, from.order
    into.choosy, into.mirrored = from.choosy, from.mirrored
  end
  alias(made)
  if app.mounts then app.mounts:rebuild(KINDS) end
  for _, fn in ipairs(lasting or {}) do middleware.use(app, fn) end
  app.handlers = {}
  for _, kind in ipairs(KINDS) do
    if lists.text(app, kind) ~= before[kind] then app[kind]:changed() end
  end
  -- Apps that have this one mounted have copies of its entries.
  for outer in pairs(app.mounted_in or {}) do outer:rebuild(KINDS) end
  for listening in pairs(app.listening) do
    if listening.app == app then pages.show_again(listening) end
  end
  return token, old_mounts
end

-- --- what the old script has started -------------------------------------------------------------

-- What is to end: it would be collected together with the token otherwise.
local registry <const> = debug.getregistry()

local function finish(record)
  registry[record] = nil
  if record.tasks then record.tasks:cancel() end
  for _, each in ipairs(record.mounts) do each:close() end
end

-- Nothing but entries, and calls that are in progress, refers to the token of a script that was
-- replaced. What it started while it loaded ends when the token is collected: a worker, because it
-- is garbage itself; the rest here. An app without a token has no such tasks.
local function retire(token, old_mounts)
  local record = { tasks = token and token.started.tasks or nil, mounts = old_mounts or {} }
  local ended = token and token.ended
  registry[record] = true
  core.spawn(function()
    if ended then ended:wait() elseif record.mounts[1] then core.sleep(reload.COLLECT) end
    finish(record)
  end)
  local weak = setmetatable({ token }, { __mode = "v" })
  core.spawn(function()
    local pause = 0.01
    while weak[1] and pause < reload.COLLECT and core.sleep(pause) do
      pause = pause * 2
      collectgarbage()
    end
  end)
end

-- --- the public function -------------------------------------------------------------------------

-- What app:reload(fn) calls: the app that the function makes.
local function call(app, fn)
  local ok, made = xpcall(fn, function(raised) return require "mcp.script_error"(raised) end)
  if not ok then return nil, made end
  if (getmetatable(made) or {}).__name ~= "mcp.server" then
    return nil, "the function must return an app, got " .. type(made)
  end
  if made == app then return nil, "the function returned the app that serves: make a new one" end
  return { app = made }
end

-- The apps that serve together, by path.
local function beside(app)
  local out = {}
  for listening in pairs(app.listening) do
    for path, other in pairs(listening.app == app and listening.given.paths or {}) do
      out[path] = other
    end
  end
  return out
end

local function put_all(app, found, alias)
  local made, options = found.app, found.options
  local pairs_of = { { app, made } }
  local others = options and options.paths or {}
  for path, other in pairs(beside(app)) do
    if others[path] and others[path] ~= other then
      pairs_of[#pairs_of + 1] = { other, others[path] }
    end
  end
  for _, each in ipairs(pairs_of) do check(each[1], each[2]) end
  for _, each in ipairs(pairs_of) do
    warn("mcp.server", differing(each[1].given, each[2].given, LASTING))
  end
  for listening in pairs(options and app.listening or {}) do
    if listening.app == app then
      local names, all = {}, {}
      for _, given in ipairs { listening.given, options } do
        for name in pairs(given) do names[name] = name ~= "paths" and name ~= "quiet" or nil end
      end
      for name in pairs(names) do all[#all + 1] = name end
      table.sort(all)
      warn("app:run", differing(listening.given, options, all))
      if type(options.ready) == "function" and listening.given.ready then
        probe.add(app, { ready = options.ready })
      end
    end
  end
  for i, each in ipairs(pairs_of) do
    local token, old_mounts = replace(each[1], each[2], function(of)
      alias(each[1], of)
    end)
    -- One script has made them all.
    retire(i == 1 and token or nil, old_mounts)
  end
end

---Runs what makes an app again, and puts the new app in the place of the one that serves.
---@param server table mcp.server: `building` is set meanwhile, alias makes one app another's name
---@param app mcp.App
---@param fn function|nil makes the app; by default the script that the program runs is run again
---@return true|nil reloaded
---@return string|nil message
---@return string|nil code "EBUSY": a reload is in progress already
function reload.run(server, app, fn)
  if server.building then return nil, "a reload is in progress", "EBUSY" end
  if app.draining then return nil, "the server is ending", "ECLOSED" end
  local states = { [app.name] = app.state }
  for _, other in pairs(beside(app)) do states[other.name] = states[other.name] or other.state end
  local building = { states = states, first = app.state, token = server.new_token() }
  server.building, server.token = building, building.token
  local found, text
  do
    local _ <close> = setmetatable({}, { __close = function()
      server.building, server.token = nil, nil
    end })
    if fn then
      found, text = call(app, fn)
    else
      found, text = app.script.build(building)
    end
  end
  if not found then return nil, text end
  local ok, problem = pcall(server.check_complete, found.app)
  if ok then ok, problem = pcall(put_all, app, found, server.alias) end
  if found.finish then found.finish(ok) end
  if not ok then return nil, tostring(problem) end
  return true
end

return reload
