-- SPDX-License-Identifier: MIT
-- connect: from what a program wants to talk to, to a client that talks with it: an app, a child, a
-- script, an address.
local client = require "mcp.client"
local handshake = require "mcp.client.handshake"
local usage = require "mcp.client.usage"
local settings = require "mcp.client.settings"

local connect = {}

---Children whose era is remembered; the oldest goes first.
connect.VERDICTS = 256

-- What transports are told beside the options of every client, and their limits.
local HTTP = { headers = "table", auth = "table", tls = "table|userdata", stream = "boolean",
  method = "string", terminate_on_close = "boolean" }
local HTTP_LIMITS = { message = true, resumes = true, connections = true, stream_wait = true }
local SSE_LIMITS = { message = true, connections = true }
local WEBSOCKET = { headers = "table", auth = "table", tls = "table|userdata", ping = "number" }
local SCRIPT = { args = "table", env = "table", cwd = "string", stderr = "string|function",
  program = "string" }
local MESSAGE = { message = true }

-- Is an app or a child one that does not know the stateless era? Apps are remembered while they
-- live.
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

-- Options of the client and of its transport in one table: raises what neither knows.
local function check(what, options, more, limits)
  local known = {}
  for name, kinds in pairs(settings.OPTIONS) do known[name] = kinds end
  for name, kinds in pairs(more or {}) do known[name] = kinds end
  options = usage.check(what, options, known)
  settings.check_limits(what, options.limits, limits)
  local message = options.limits and options.limits.message
  if message ~= nil and (math.type(message) ~= "integer" or message < 1) then
    usage.raise("%s: limits: message: bytes expected, 1 or more", what)
  end
  return options
end

local function pick(options, known)
  local out = {}
  for name in pairs(known) do out[name] = options and options[name] end
  return out
end

-- What a maker of transports raises is the caller's to mend.
local function made(maker, ...)
  local ok, transport = pcall(maker, ...)
  if not ok then usage.raise("%s", (tostring(transport):gsub("^[^:]+%.lua:%d+: ", ""))) end
  return transport
end

-- A way over a duplex connection, which `make` makes anew each time.
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

local function to_child(what, given, options, more)
  local stdio = require "mcp.client.transport.stdio"
  options = check(what, options, more, MESSAGE)
  local child = stdio.child(what, given)
  child.message_limit = options.limits and options.limits.message
  return client.new(what, options, over(function() return stdio.new(child) end), nil,
    table.concat({ "child", child.command, table.unpack(child.args) }, " ")),
    verdict_of_child(child)
end

local function exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

-- The luamcp program: beside our own modules, where they were built or installed, or on PATH.
local function find_program()
  for folder in package.cpath:gmatch "([^;]+)/%?%.so" do
    for _, place in ipairs { "/luamcp", "/../../../bin/luamcp" } do
      -- Beside it lies what makes it ours and not another's file of that name.
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

local function to_script(what, path, options)
  options = check(what, options, SCRIPT, MESSAGE)
  if not exists(path) then return nil, ("%s: no such file"):format(path), "ENOENT" end
  local program = options.program or find_program()
  if not program then
    return nil, ("%s: the program luamcp, which runs it, was not found; PATH or the option program "
      .. "can say where it is"):format(path), "ENOENT"
  end
  local args = { "run", path, "--stdio", "--" }
  table.move(options.args or {}, 1, #(options.args or {}), #args + 1, args)
  return to_child(what, { command = program, args = args, env = options.env, cwd = options.cwd,
    stderr = options.stderr }, options, SCRIPT)
end

local function to_http(what, address, options)
  options = check(what, options, HTTP, HTTP_LIMITS)
  local common = pick(options, HTTP)
  common.limits = pick(options.limits, HTTP_LIMITS)
  local http = require "mcp.client.transport.http"
  local function make() return made(http.new, address, common) end
  -- What is wrong with the options is told here, and at this line.
  local first = make()
  local older = { headers = options.headers, auth = options.auth, tls = options.tls,
    limits = pick(options.limits, SSE_LIMITS) }
  return client.new(what, options, function(self)
    return handshake.http(self, address, {
      anew = true,
      http = function()
        local transport = first or make()
        first = nil
        return transport
      end,
      sse = function() return made(require("mcp.client.transport.sse").new, address, older) end,
    })
  end, nil, address)
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

local EXPECTED = "an app, { command =, args = }, the path of a .lua file or an address "
  .. '("http://…", "ws://…", "unix:/…") expected'

local function is_transport(given)
  return type(given) == "table" and type(given.open) == "function"
    and type(given.request) == "function"
end

-- A client on the way to a target, and where its era is remembered.
local function aim(what, target, options)
  if require("mcp.client.transport.memory").is_app(target) then
    return to_app(what, target, options)
  end
  if is_transport(target) then return connect.session(target, options) end
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
  if target:find "%.lua$" then return to_script(what, target, options) end
  usage.raise("%s: %s, got %q", what, EXPECTED, target)
end

---Connects to a server, finds out what it speaks, and shakes hands.
---@param target any an app, { command =, args =, env =, cwd =, stderr = }, { "command", "arg", … },
---the path of a .lua file, an address of http, https, ws, wss or unix, or a transport
---@param options table|nil see docs/client.md
---@return mcp.Client|nil client
---@return string|nil message
---@return any code
---@return any data
function connect.open(target, options)
  local self, text, code = aim("mcp.connect", target, options)
  if not self then return nil, text, code end
  if type(text) == "table" then self.verdict = text end
  local ok, why, name, data = self:initialize()
  if ok then return self end
  self:close()
  return nil, why, name, data
end

---A client over a transport, not opened yet: `client:initialize()` does that.
---@param transport table such as mcp.stdio_client { … } returns
---@param options table|nil see docs/client.md
---@return mcp.Client
function connect.session(transport, options)
  if not is_transport(transport) then
    usage.raise("mcp.session: a transport expected, such as mcp.stdio_client { … }, got %s",
      type(transport))
  end
  options = usage.check("mcp.session", options, settings.OPTIONS)
  settings.check_limits("mcp.session", options.limits)
  return client.new("mcp.session", options, nil, transport)
end

return connect
