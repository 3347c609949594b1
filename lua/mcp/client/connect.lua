-- SPDX-License-Identifier: MIT
-- connect: makes a client for a target: an app, a child process, a script, an address or a
-- transport.
local client = require "mcp.client"
local handshake = require "mcp.client.handshake"
local usage = require "mcp.client.usage"
local settings = require "mcp.client.settings"

local connect = {}

---Children whose era is remembered; the oldest goes first.
connect.VERDICTS = 256

-- The options and limits of transports, in addition to those of every client.
local HTTP = { headers = "table", auth = "table", tls = "table|userdata", stream = "boolean",
  method = "string", terminate_on_close = "boolean", proxy = "string|boolean" }
local HTTP_LIMITS = { message = true, resumes = true, connections = true, stream_wait = true }
local SSE_LIMITS = { message = true, connections = true }
local WEBSOCKET = { headers = "table", auth = "table", tls = "table|userdata", ping = "number",
  proxy = "string|boolean" }
local SCRIPT = { args = "table", env = "table", cwd = "string", stderr = "string|function",
  program = "string" }
local CHILD = { env = "table", cwd = "string", stderr = "string|function" }
local MESSAGE = { message = true }

-- What is known about the era of apps and children: { era = "legacy" } or empty. Apps are
-- remembered while they live.
local of_apps = setmetatable({}, { __mode = "k" })
local of_children, order = {}, {}

local function verdict_of_child(child)
  local words = { child.command, child.cwd or "", table.unpack(child.args) }
  local key = table.concat(words, "\0")
  if not of_children[key] then
    of_children[key] = {}
    order[#order + 1] = key
    if #order > connect.VERDICTS then of_children[table.remove(order, 1)] = nil end
  end
  return of_children[key]
end

-- Checks a table with options of the client and of its transport: raises for an unknown one.
local function check(what, options, more, limits)
  local known = {}
  for name, kinds in pairs(settings.OPTIONS) do known[name] = kinds end
  for name, kinds in pairs(more or {}) do known[name] = kinds end
  if known.auth and type(options) == "table" and type(options.auth) == "string" then
    usage.raise("%s: auth: expected a provider such as mcp.auth.bearer(token), got string", what)
  end
  options = usage.check(what, options, known)
  settings.check_limits(what, options.limits, limits)
  local message = options.limits and options.limits.message
  if message ~= nil and (math.type(message) ~= "integer" or message < 1) then
    usage.raise("%s: limits: message: expected bytes, 1 or more, got %s", what, tostring(message))
  end
  return options
end

local function pick(options, known)
  local out = {}
  for name in pairs(known) do out[name] = options and options[name] end
  return out
end

-- Makes a transport. An error that it raises is the user's: it is raised at the user's line.
local function made(maker, ...)
  local ok, transport = pcall(maker, ...)
  if not ok then usage.raise("%s", (tostring(transport):gsub("^[^:]+%.lua:%d+: ", ""))) end
  return transport
end

-- The function that opens a client over a duplex connection; `make` makes a transport each time.
local function over(make)
  return function(self)
    local ok, text, code = self:attach(make())
    if not ok then return nil, text, code end
    return handshake.duplex(self, function()
      self.transport:close()
      self.state = "opening"
      return self:attach(make())
    end)
  end
end

-- --- the targets ----------------------------------------------------------------------------

local function to_app(what, app, options)
  options = check(what, options, nil, MESSAGE)
  of_apps[app] = of_apps[app] or {}
  local limit = { message_limit = options.limits and options.limits.message }
  return client.new(what, options, over(function()
    return require("mcp.client.transport.memory").new(app, limit)
  end)), of_apps[app]
end

-- The description of a child with env, cwd and stderr of the options.
local function with_options(what, given, options)
  local out = given
  for name in pairs(CHILD) do
    if options[name] ~= nil then
      if given[name] ~= nil then
        usage.raise("%s: %s: given in the target and in the options: drop one of them", what, name)
      end
      if out == given then out = table.move(given, 1, #given, 1, {}) end
      for key, member in pairs(given) do out[key] = member end
      out[name] = options[name]
    end
  end
  return out
end

local function to_child(what, given, options, more)
  local stdio = require "mcp.client.transport.stdio"
  options = check(what, options, more or CHILD, MESSAGE)
  if not more then given = with_options(what, given, options) end
  local child = stdio.child(what, given)
  child.message_limit = options.limits and options.limits.message
  local function make()
    local transport = stdio.new(child)
    transport.is_script = more == SCRIPT
    return transport
  end
  return client.new(what, options, over(make), nil,
    table.concat({ "child", child.command, table.unpack(child.args) }, " ")),
    verdict_of_child(child)
end

local function exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

-- The luamcp program: this one if it is that and no bundle, else next to these modules, where they
-- were built or installed, or on PATH.
local function find_program()
  local program = package.loaded["mcp.program"]
  local bundle = package.loaded["mcp.bundle"]
  local own = program and not (bundle and bundle.opened) and program.path()
  if own then return own end
  for folder in package.cpath:gmatch "([^;]+)/%?%.so" do
    for _, place in ipairs { "/luamcp", "/../../../bin/luamcp" } do
      -- A module of ours next to it shows that it is not another program of that name.
      if exists(folder .. place) and (exists(folder .. "/mcp/core.so")
        or exists(folder .. "/mcp/openssl.so")) then
        return folder .. place
      end
    end
  end
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    if exists(folder .. "/luamcp") then return folder .. "/luamcp" end
  end
  return nil
end

-- Its number, as io.open returns it: the same on all systems.
local ENOENT = 2

local function to_script(what, path, options)
  options = check(what, options, SCRIPT, MESSAGE)
  local file, reason, number = io.open(path, "rb")
  if not file then
    if number == ENOENT then return nil, ("%s: no such file"):format(path), "ENOENT" end
    return nil, reason, "EACCES"
  end
  file:close()
  local program = options.program or find_program()
  if not program then
    return nil, ("%s: the program luamcp, which runs it, was not found: add it to PATH or set the "
      .. "option program"):format(path), "ENOENT"
  end
  -- The words after a script are its own, those after an OpenAPI document are luamcp's.
  local args = { "run", path, "--stdio", path:find "%.lua$" and "--" or nil }
  table.move(options.args or {}, 1, #(options.args or {}), #args + 1, args)
  -- Its log is part of ours.
  local env = { MCP_LOG = os.getenv "MCP_LOG", MCP_LOG_TIME = os.getenv "MCP_LOG_TIME",
    MCP_LOG_FORMAT = os.getenv "MCP_LOG_FORMAT" }
  for name, given in pairs(options.env or {}) do env[name] = given end
  return to_child(what, { command = program, args = args, env = env, cwd = options.cwd,
    stderr = options.stderr }, options, SCRIPT)
end

local function to_http(what, address, options)
  options = check(what, options, HTTP, HTTP_LIMITS)
  local common = pick(options, HTTP)
  common.limits = pick(options.limits, HTTP_LIMITS)
  local http = require "mcp.client.transport.http"
  local function make() return made(http.new, address, common) end
  -- Made now so that an error in the options is raised at the user's line.
  local first = make()
  local older = { headers = options.headers, auth = options.auth, tls = options.tls,
    proxy = options.proxy, limits = pick(options.limits, SSE_LIMITS) }
  return client.new(what, options, function(self)
    return handshake.http(self, address, {
      fresh = true,
      http = function()
        local transport = first or make()
        first = nil
        return transport
      end,
      sse = function() return made(require("mcp.client.transport.sse").new, address, older) end,
    })
  end, nil, address)
end

-- HTTP+SSE and nothing else.
function connect.older(what, address, options)
  options = check(what, options, HTTP, SSE_LIMITS)
  local given = pick(options, { headers = true, auth = true, tls = true })
  given.limits = pick(options.limits, SSE_LIMITS)
  local sse = require "mcp.client.transport.sse"
  made(sse.new, address, given)
  return client.new(what, options, over(function() return sse.new(address, given) end), nil,
    address)
end

local function to_websocket(what, address, options)
  options = check(what, options, WEBSOCKET, MESSAGE)
  local websocket = require "mcp.client.transport.websocket"
  local given = pick(options, WEBSOCKET)
  given.message_limit = options.limits and options.limits.message
  given.timeout = options.timeout
  websocket.new(address, given)
  return client.new(what, options, over(function() return websocket.new(address, given) end), nil,
    address)
end

local SCHEMES = { http = to_http, https = to_http, unix = to_http, ws = to_websocket,
  wss = to_websocket }

-- Members of a table that names an address, as entries of mcpServers files have them.
local ENTRY = { url = "string", type = "string", headers = "table", pinned = "string|table" }

-- A client for an entry with an address. Its type decides between transports of the same scheme.
local function to_entry(what, entry, options)
  usage.check(what, entry, ENTRY)
  local to = SCHEMES[(entry.url:match "^(%a[%w+.-]*):" or ""):lower()]
  if not to then
    usage.raise('%s: url: expected an address such as "http://127.0.0.1:8000/mcp", got %q', what,
      entry.url)
  end
  if entry.headers then
    local all, own = { headers = entry.headers }, options or {}
    if own.headers then
      usage.raise("%s: headers: given in the target and in the options: drop one of them", what)
    end
    for name, member in pairs(own) do all[name] = member end
    options = all
  end
  if entry.type == "sse" then return connect.older(what, entry.url, options) end
  return to(what, entry.url, options)
end

local EXPECTED = "expected an app, { command =, args = }, the path of a .lua file or an address "
  .. '("http://…", "ws://…", "unix:/…")'

local function is_transport(given)
  return type(given) == "table" and type(given.open) == "function"
    and type(given.request) == "function"
end

-- A client for a target, and the table in which its era is remembered.
local function aim(what, target, options)
  if type(target) == "table" and require("mcp.client.transport.memory").is_app(target) then
    return to_app(what, target, options)
  end
  if is_transport(target) then return connect.session(target, options) end
  if type(target) == "table" and type(target.url) == "string" then
    return to_entry(what, target, options)
  end
  if type(target) == "table" then
    if target.command == nil and target[1] == nil then
      usage.raise("%s: %s, got a table without command", what, EXPECTED)
    end
    return to_child(what, target, options)
  end
  if type(target) ~= "string" then
    usage.raise("%s: %s, got %s", what, EXPECTED, target == nil and "nothing" or type(target))
  end
  local to = SCHEMES[(target:match "^(%a[%w+.-]*):" or ""):lower()]
  if to then return to(what, target, options) end
  if target:find "%.lua$" or target:find "%.%a+$"
    and require("mcp.openapi.document").is_path(target) then
    return to_script(what, target, options)
  end
  local host = target:match "^%[?[%w.:-]+%]?:%d+$" or target:match "^%[?[%w.:-]+%]?:%d+/[^%s]*$"
  if host then
    usage.raise('%s: expected an address with its scheme, got %q; did you mean "http://%s%s"?',
      what, target, host, host:find("/", 1, true) and "" or "/mcp")
  end
  local runner = target:find "%.[cm]?js$" and "node" or target:find "%.py$" and "python3"
  if runner then
    usage.raise('%s: expected a target, got the path %q; did you mean { "%s", "%s" }?', what,
      target, runner, target)
  end
  usage.raise("%s: %s, got %q", what, EXPECTED, target)
end

---Raises, at the user's line, what is wrong with a target and its options.
---@param what string the function they belong to
---@param target any see connect.open
---@param options table|nil
function connect.check(what, target, options) aim(what, target, options) end

---Connects to a server: finds out its revision and performs the handshake.
---@param target any an app, { command =, args =, env =, cwd =, stderr = }, { "command", "arg", … },
---{ url =, type =, headers = } as in an mcpServers file, the path of a .lua file, an address of
---http, https, ws, wss or unix, or a transport
---@param options table|nil see docs/client.md
---@param recorder table|nil of mcp.testing: wraps each transport
---@return mcp.Client|nil client
---@return string|nil message
---@return any code
---@return any data
function connect.open(target, options, recorder)
  if recorder ~= nil and type(recorder) ~= "userdata"
    and not (type(recorder) == "table" and type(recorder.wrap) == "function") then
    usage.raise("mcp.connect: expected a target and one table of options, got a third argument "
      .. "(%s): put all options in one table", type(recorder))
  end
  local self, text, code = aim("mcp.connect", target, options)
  if not self then return nil, text, code end
  local given = options and options.pinned
  -- An entry of an mcpServers file may say it itself.
  if given == nil and type(target) == "table" then given = rawget(target, "pinned") end
  if given ~= nil then
    local pins, reason, name = require("mcp.client.pinned").read("mcp.connect", given, target)
    if not pins then return nil, reason, name end
    self.pins = pins
  end
  self.recorder = recorder
  if type(text) == "table" then self.verdict = text end
  local ok, reason, name, data = self:initialize()
  if ok then return self end
  self:close()
  return nil, reason, name, data
end

---A client over a transport, not opened yet: `client:initialize()` does that.
---@param transport table such as mcp.stdio_client { … } returns
---@param options table|nil see docs/client.md
---@return mcp.Client
function connect.session(transport, options)
  if not is_transport(transport) then
    usage.raise("mcp.session: expected a transport such as mcp.stdio_client { … }, got %s",
      type(transport))
  end
  options = usage.check("mcp.session", options, settings.OPTIONS)
  if options.pinned ~= nil then
    usage.raise "mcp.session: pinned: only mcp.connect has this option: use that"
  end
  settings.check_limits("mcp.session", options.limits)
  return client.new("mcp.session", options, nil, transport)
end

return connect
