-- SPDX-License-Identifier: MIT
-- measuring: what a server reports to a collector of how long its requests and sessions took. Names
-- and attributes are those of the OpenTelemetry conventions for MCP. Names that clients make up are
-- no attributes.
local meters = require "mcp.otlp.meter"
local metrics = require "mcp.server.listen.metrics"
local middleware = require "mcp.server.middleware"
local recorder = require "mcp.otlp.recorder"
local session_clock = require "mcp.server.session_clock"

local measuring = {}

local KINDS = { tool = "gen_ai.tool.name", prompt = "gen_ai.prompt.name" }

-- error.type and the code of the response, by an outcome of middleware.timing.
local function failure_of(outcome)
  if outcome == "failed" then return "tool_error" end
  if outcome == "cancelled" then return outcome end
  if outcome == "timed out" then return "timeout" end
  local code = outcome:match "^error (.*)$"
  return code, code
end

local function add_network(list, transport)
  list:set("network.transport", recorder.TRANSPORTS[transport])
  if transport == "websocket" then
    list:set("network.protocol.name", transport)
  elseif transport == "http" or transport == "sse" then
    list:set("network.protocol.name", "http")
  end
end

---Measures an app: an object that is to be finished with its listeners.
---@param app table
---@param settings table see mcp.otlp.settings
---@return mcp.Meter
function measuring.open(app, settings)
  local meter = meters.new(settings)
  metrics.lasting(app, middleware.timing(function(request, seconds, outcome)
    local method, name = metrics.subject(app, request)
    local list, failed, code = meters.attributes(), failure_of(outcome)
    list:set("mcp.method.name", method)
    if request.kind == "tool" then list:set("gen_ai.operation.name", "execute_tool") end
    if name ~= "" then list:set(KINDS[request.kind], name) end
    list:set("error.type", failed)
    list:set("rpc.response.status_code", code)
    list:set("mcp.protocol.version", request.ctx.revision.name)
    add_network(list, request.ctx.transport)
    meter:record("mcp.server.operation.duration", seconds, list)
  end))
  session_clock.watch(app, function(session, transport, seconds)
    local list = meters.attributes()
    list:set("mcp.protocol.version", session.revision.name)
    add_network(list, transport)
    meter:record("mcp.server.session.duration", seconds, list)
  end)
  return meter
end

return measuring
