-- SPDX-License-Identifier: MIT
-- bridge: `luamcp bridge TARGET`: serves another server by another transport: an address to a host
-- that can only start programs, or a program to clients that speak HTTP.
local exit = require "mcp.cli.exit"
local protocol = require "mcp.protocol"
local single = require "mcp.later" "mcp.mount.single"
local target = require "mcp.cli.target"

local bridge = { example = { "luamcp bridge https://mcp.example/mcp",
  "luamcp bridge --http 8000 -- npx -y some-server" } }

---Adds the options that choose by which transports to serve.
---@param parser table of argparse
function bridge.define_listeners(parser)
  parser:option "--http" :argname "[HOST:]PORT"
    :description "Serve HTTP at /mcp, not standard input and output."
  parser:option "--sse" :argname "[HOST:]PORT" :description "A listener for HTTP+SSE."
  parser:option "--websocket" :argname "[HOST:]PORT" :description "A listener for WebSocket."
  parser:option "--unix" :argname "PATH" :description "Serve HTTP on a socket file."
end

function bridge.define(parser, command)
  target.define(parser, command)
  bridge.define_listeners(parser)
end

-- The inspect page shows the pages of tools.
local function pages()
  return { [protocol.UI] = {
    mimeTypes = require("mcp.value").array { "text/html;profile=mcp-app" } } }
end

---Serves another server until it is ended.
---@param options table of the parser
---@param connect fun(options: table): mcp.Client|nil, string|nil, any see mcp.mount.single
---@return integer status
function bridge.serve(options, connect)
  local name = options.target or options.file or options.command[1]
  local app, text, code = single.open(name, connect,
    { declare = options.inspect and pages() or nil })
  if not app then
    if code == "EUSAGE" then return exit.usage("%s", text) end
    return exit.fail(exit.status_of(code), text, code, target.url(options))
  end
  local asked = { http = options.http, sse = options.sse, websocket = options.websocket,
    unix = options.unix, inspect = options.inspect }
  local ok, raised = pcall(app.run, app, asked)
  single.close(app)
  if not ok then return exit.usage("%s", (tostring(raised):gsub("^[^:]+:%d+: ", ""))) end
  return exit.OK
end

function bridge.run(options)
  -- The host that starts this has no terminal, but its user has a browser.
  if not options.auth and target.url(options) then options.auth = "oauth" end
  return bridge.serve(options, function(more) return target.try(options, more) end)
end

return bridge
