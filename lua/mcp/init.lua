-- SPDX-License-Identifier: MIT
-- mcp: the public module. `local mcp = require "mcp"`.
--
-- What a server needs is loaded at once; the rest is loaded at first use, so that a program starts
-- within milliseconds.

-- Before anything else is loaded: other files have syntax that an older Lua cannot read, and this
-- one must not have any.
if _VERSION ~= "Lua 5.4" then
  local jit = rawget(_G, "jit")
  error("mcp needs Lua 5.4; this is " .. (jit and jit.version or _VERSION), 2)
end

local core = require "mcp.core"
local failure = require "mcp.failure"
local server = require "mcp.server"
local value = require "mcp.value"

local mcp = {
  _VERSION = "luamcp " .. core.version,
  server = server.new,
  error = failure.new,

  -- JSON: what Lua has no word for
  null = value.null,
  array = value.array,

  waiter = core.waiter,
}

-- What our own source names begin with: errors of the core are raised at the first line that is not
-- ours.
debug.getregistry()["mcp.sources"] = debug.getinfo(1, "S").source:match "^(.*)init%.lua$"

-- Methods of apps that need clients, which apps know nothing of.
local methods, check_self = server.methods, server.check_self

---Makes another server, or another app of this program, part of the app: its entries appear as
---`NAME_…` and `NAME+scheme://…`. A server is started, or connected to, when it is first needed.
---@param name string
---@param target any as mcp.connect takes it
---@param options table|nil see docs/mount.md
---@return mcp.App app
function methods.mount(app, name, target, options)
  check_self("mount", app)
  return require("mcp.mount").add(app, name, target, options, 1)
end

---Takes a mounted server away again, and ends its connections.
---@param name string
---@return boolean removed
function methods.unmount(app, name)
  check_self("unmount", app)
  return require("mcp.mount").remove(app, name)
end

---What is mounted, and how it is.
---@return table[] mounts each with name, state ("new", "starting", "up", "lost", "down"), text (why
---it is down) and how many tools, prompts, resources and templates there are
function methods.mounted(app)
  check_self("mounted", app)
  return app.mounts and app.mounts:status() or {}
end

---The options that describe an argument: mcp.integer { min = 1 }, mcp.enum { "a", "b" }, …
local SCHEMA = {
  string = true, number = true, integer = true, boolean = true, object = true, enum = true,
  any = true, list = "array",
}

---What is loaded at its first use: the module, and the member of it that it is (true: the module
---itself).
local LATER = {
  -- several things at once
  run = { "mcp.async", "run" },
  spawn = { "mcp.async", "spawn" },
  sleep = { "mcp.async", "sleep" },
  all = { "mcp.async", "all" },
  step = { "mcp.async", "step" },
  fd = { "mcp.async", "fd" },
  timeout = { "mcp.async", "timeout" },
  -- what handlers return besides strings and tables
  text = { "mcp.content", "text" },
  image = { "mcp.content", "image" },
  audio = { "mcp.content", "audio" },
  resource_link = { "mcp.content", "resource_link" },
  embedded = { "mcp.content", "embedded" },
  blob = { "mcp.content", "blob" },
  user = { "mcp.content", "user" },
  assistant = { "mcp.content", "assistant" },
  -- what a client needs
  connect = { "mcp.client.connect", "open" },
  session = { "mcp.client.connect", "session" },
  connect_all = { "mcp.client.connect_all", true },
  config = { "mcp.client.config", "load" },
  stdio_client = { "mcp.client.transport.stdio", "new" },
  websocket_client = { "mcp.client.transport.websocket", "new" },
  canceller = { "mcp.client.call", "canceller" },
  client_cache = { "mcp.client.cache", "new" },
  streamable_http_client = { "mcp.client.transport.http", "new" },
  sse_client = { "mcp.client.transport.sse", "new" },
  auth = { "mcp.auth", true },
  -- not a client's, and as rarely needed
  transform = { "mcp.server.transform", true },
  worker = { "mcp.worker", "open" },
  process = { "mcp.process", true },
  fetch = { "mcp.fetch", "request" },
  folder = { "mcp.folder", "open" },
  asset = { "mcp.bundle", "asset" },
  chart = { "mcp.chart", "new" },
  json = { "mcp.json", true },
  ui = { "mcp.ui", true },
  uri = { "mcp.uri_tools", true },
  time = { "mcp.time", "now" },
  timestamp = { "mcp.time", "text" },
}

---Questions to the client: ctx:ask { name = mcp.elicit("Your name?", { name = "string" }) }, …
local QUESTION = { elicit = true, elicit_url = true, sample = true, roots = true }

-- Loaded at the first read of a field that does not exist.
local misspelt

local function names()
  local list = { "middleware" }
  for _, members in ipairs { mcp, SCHEMA, LATER, QUESTION } do
    for name in pairs(members) do list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

return setmetatable(mcp, {
  __index = function(_, key)
    if key == "middleware" then
      local found = require "mcp.server.middleware"
      rawset(mcp, key, found)
      return found
    end
    if key == "limits" then
      local found = require("mcp.limits").set
      rawset(mcp, key, found)
      return found
    end
    local later = LATER[key]
    if later then
      local found = require(later[1])
      if later[2] ~= true then found = found[later[2]] end
      rawset(mcp, key, found)
      return found
    end
    if QUESTION[key] then
      local found = require("mcp.message.question")[key]
      rawset(mcp, key, found)
      return found
    end
    local name = SCHEMA[key]
    if not name then
      misspelt = misspelt or require("mcp.misspelt").index("mcp", names)
      return misspelt(mcp, key)
    end
    local found = require("mcp.schema")[name == true and key or name]
    rawset(mcp, key, found)
    return found
  end,
})
