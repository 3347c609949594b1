-- SPDX-License-Identifier: MIT
-- all_transports.lua: one set of handlers, and every way to reach it. A word says which:
--
--   luamcp run examples/all_transports.lua                    # standard input and output
--   luamcp run examples/all_transports.lua http [PORT]        # PORT 0: any free one
--   luamcp run examples/all_transports.lua sse [PORT]
--   luamcp run examples/all_transports.lua websocket [PORT]
--   luamcp run examples/all_transports.lua multi              # all three at once
--
-- `app:run()` alone leaves the choice to the options of luamcp (--http, --sse, --websocket, …).
local mcp = require "mcp"

local app = mcp.server { name = "multi-transport-server", version = "1.0.0" }

app:tool "universal_tool" {
  description = "Tool available on all transports.",
  input = { message = "string" },
} (function(args, ctx)
  return ("Processed: %s (%s)"):format(args.message, ctx.transport)
end)

app:resource "config://server" {
  description = "Server configuration accessible via all transports.",
} (function() return "transport=multi\nstatus=active" end)

app:prompt "generate_report" { arguments = { data_type = "string" } } (function(args)
  return ("Report for %s: [generated content]"):format(args.data_type)
end)

-- On loopback, requests with a foreign Host or Origin are refused by default. Pages of the allowed
-- origin may call the server.
local security = {
  dns_rebinding_protection = true,
  allowed_origins = { "http://localhost:3000" },
}

local function port(number) return math.tointeger(tonumber(arg[2])) or number end

local transports = {
  stdio = function() app:run_stdio() end,
  http = function() app:run_http { port = port(8000), security = security } end,
  sse = function() app:run_sse { host = "localhost", port = port(8080), security = security } end,
  websocket = function() app:run_websocket { port = port(8081), security = security } end,
  multi = function()
    app:run { http = port(8000), sse = port(8080), websocket = port(8081), security = security }
  end,
}

local name = arg[1] or "stdio"
local run = transports[name] or error(
  ("transport: expected stdio, http, sse, websocket or multi, got %q"):format(name), 0)
run()
