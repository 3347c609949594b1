-- SPDX-License-Identifier: MIT
-- gateway: `luamcp gateway mcp.json --http 8000`: every server of an mcpServers file at one URL:
-- /mcp has all of them, each under its name, and /NAME/mcp has one. Each is connected to once.
local bridge = require "mcp.cli.bridge"
local config = require "mcp.client.config"
local exit = require "mcp.cli.exit"
local single = require "mcp.later" "mcp.mount.single"

local gateway = { example = { "luamcp gateway mcp.json --http 8000",
  "luamcp gateway --no-prefix" } }

function gateway.define(parser)
  parser:argument "config" :args "?"
    :description "The mcpServers file; default: .mcp.json, then the user's."
  bridge.define_listeners(parser)
  parser:option "--only" :argname "NAME" :count "*" :description "Only these servers of the file."
  parser:flag "--no-prefix"
    :description("Keep names as they are at /mcp; of two of the same name the server that comes "
      .. "first in the file keeps it, and the log names the other.")
  parser:option "--sessions" :argname "auto|shared|client" :choices { "auto", "shared", "client" }
    :description "A connection for each client, or one for all; default: auto."
  parser:option "--tls-cert" :argname "FILE" :description "Certificate of the listeners, PEM."
  parser:option "--tls-key" :argname "FILE" :description "Its key."
  parser:flag "--health" :description "Answer at /healthz: the process runs."
  parser:flag "--ready" :description "Answer at /readyz: it serves."
  parser:flag "--metrics" :description "Serve figures for Prometheus at /metrics."
  parser:option "--access-log" :argname "FILE"
    :description "A line for each request; - is standard output."
  parser:option "--log-format" :argname "text|json" :choices { "text", "json" }
    :description "How lines of the log are written; default: MCP_LOG_FORMAT, else text."
end

local function warn(text)
  local core = require "mcp.core"
  if core.log_format() == "json" then return core.log("warning", text) end
  io.stderr:write("luamcp: ", require("mcp.cli.terminal").clean(text), "\n")
end

-- The certificate and its key, or nil; nil and what is wrong with them.
local function tls_of(options)
  local cert, key = options.tls_cert, options.tls_key
  if not cert and not key then return nil end
  if not (cert and key) then
    return nil, ("--tls-%s needs --tls-%s beside it"):format(cert and "cert" or "key",
      cert and "key" or "cert")
  end
  if not (options.http or options.sse or options.websocket) then
    return nil, "--tls-cert needs --http, --sse or --websocket"
  end
  return { cert = cert, key = key }
end

-- An option of operation that needs a listener which is not there, or nil.
local function lonely(options)
  if options.http or options.unix or options.sse or options.websocket then return nil end
  for _, name in ipairs { "health", "ready", "metrics", "access_log" } do
    if options[name] then
      return ("--%s needs --http, --sse, --websocket or --unix"):format((name:gsub("_", "-")))
    end
  end
  return nil
end

-- The servers that are wanted, by name, and all names in the order of the file; nil and the status.
local function servers_of(options)
  local found, text = config.find(options.config)
  if not found then return nil, exit.usage("%s", text) end
  local nearest = require "mcp.nearest"
  local servers, wrong, disabled = config.targets(found)
  local wanted, order = servers, config.order(found)
  if options.only and options.only[1] then
    wanted = {}
    for _, name in ipairs(options.only) do
      if not servers[name] then
        return nil, exit.usage("--only: %s", wrong[name]
          or disabled[name] and ("%s: %s is disabled"):format(found.path, name)
          or nearest.unknown("server", name, nearest.keys(servers)))
      end
      wanted[name] = servers[name]
    end
  else
    for _, name in ipairs(order) do
      if wrong[name] then
        warn(wrong[name] .. "; it is left out")
      elseif disabled[name] then
        warn(("%s: %s is disabled, so it is left out"):format(found.path, name))
      end
    end
  end
  if next(wanted) == nil then
    return nil, exit.usage(next(found.entries) ~= nil
      and "no servers: none of the file can be served"
      or "no servers: there is no mcpServers file, or none in it (--help)")
  end
  return wanted, order
end

-- The name of a server in paths and in front of names: any text is a name in such a file.
local function short_name(name) return (name:gsub("[^%w_.-]", "-"):gsub("^[^%a]+", "")) end

-- Adds a server; raises if that is not possible.
local function add(app, paths, name, target, options)
  local short = short_name(name)
  if short == "" then error(("%q: expected a name with a letter in it"):format(name), 0) end
  local path = "/" .. short .. "/mcp"
  if paths[path] then
    error(("%q and %q would both be %q: give one of them another name"):format(
      options.names[short], name, short), 0)
  end
  local own = single.new(name, short, target, { sessions = options.sessions,
    auth = options.provider and target.url and options.provider(target) or nil })
  local ok, text = pcall(app.mount, app, short, own, { prefix = not options.no_prefix })
  if not ok then
    single.close(own)
    error(text, 0)
  end
  options.names[short], paths[path] = name, own
end

---The app of a gateway, and those of its servers by path.
---@param servers table<string, table> targets of mcp.connect by name
---@param options table|nil no_prefix, sessions, provider (of tokens, for a server at an address),
---order (names: of two entries with one name the server that comes first keeps it; default:
---alphabetical)
---@return mcp.App app
---@return table<string, mcp.App> paths
---@return string[] left_out what is wrong with the servers that cannot be added
function gateway.apps(servers, options)
  local own = { names = {} }
  for key, member in pairs(options or {}) do own[key] = member end
  local mcp = require "mcp"
  local app, paths = mcp.server { name = "gateway", version = require("mcp.core").version }, {}
  local left_out = {}
  for _, name in ipairs(own.order or require("mcp.nearest").keys(servers)) do
    local target = servers[name]
    local ok, raised = true, nil
    if target then ok, raised = pcall(add, app, paths, name, target, own) end
    if not ok then
      left_out[#left_out + 1] = ("%s: %s"):format(name,
        (tostring(raised):gsub("^[^\n:]+:%d+: ", "")))
    end
  end
  return app, paths, left_out
end

function gateway.run(options)
  if options.log_format then require("mcp.core").log_format(options.log_format) end
  local tls, wrong = tls_of(options)
  wrong = wrong or lonely(options)
  if wrong then return exit.usage("%s", wrong) end
  local servers, order = servers_of(options)
  if not servers then return order end
  options.order = order
  function options.provider(target)
    local headers = target.headers or {}
    if headers.Authorization or headers.authorization then return nil end
    return require("mcp.cli.target").provider {}
  end
  local app, paths, left_out = gateway.apps(servers, options)
  if next(paths) == nil then return exit.usage("%s", left_out[1]) end
  for _, text in ipairs(left_out) do warn(text .. "; it is left out") end
  local http = options.http or options.unix
  local ok, raised = pcall(app.run, app, { http = options.http, sse = options.sse,
    websocket = options.websocket, unix = options.unix, paths = http and paths or nil,
    tls = tls, health = options.health, ready = options.ready, metrics = options.metrics,
    access_log = options.access_log })
  for _, own in pairs(paths) do single.close(own) end
  if not ok then return exit.usage("%s", (tostring(raised):gsub("^[^:]+:%d+: ", ""))) end
  return exit.OK
end

return gateway
