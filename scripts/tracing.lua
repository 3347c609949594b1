-- SPDX-License-Identifier: MIT
-- tracing.lua: spans in a real collector. Runs the collector and a server, calls the server, and
-- reads in what the collector writes how it understood the spans.
--
--   luamcp run scripts/tracing.lua COLLECTOR PROGRAM
package.path = "./scripts/?.lua;" .. package.path
local children = require "children"
local core = require "mcp.core"
local mcp = require "mcp"

local free_port, start = children.free_port, children.start

local collector_path, program = arg[1], arg[2]

local CONFIGURATION = [[yaml:
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:%d" } } } }
exporters: { debug: { verbosity: detailed } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { traces: { receivers: [otlp], exporters: [debug] } }
]]

local SERVER = [[
local mcp = require "mcp"
local inner = mcp.server "inner"
inner:tool "leaf" (function() return "leaf" end)
local app = mcp.server { name = "outer", version = "1" }
app:tool "work" (function(_, ctx)
  local client <close> = assert(mcp.connect(inner))
  return ctx:span("part", function() return (client:call_tool "leaf").content[1].text end)
end)
app:tool "fails" (function() error "as asked" end)
app:run { http = 0, metrics = true }
]]

local ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

-- Waits until one of the lines has `pattern`.
local function wait_for(lines, pattern)
  local deadline = core.now() + 30
  repeat
    for _, line in ipairs(lines) do
      local found = line:match(pattern)
      if found then return found end
    end
    mcp.sleep(0.05)
  until core.now() > deadline
  error(("%s did not come:\n%s"):format(pattern, table.concat(lines, "\n")))
end

-- The spans in what the collector wrote, by name.
local function spans_in(lines)
  local spans, span = {}, nil
  for _, line in ipairs(lines) do
    if line:find "^Span #" then span = { attributes = {} } end
    local key, value = line:match "^%s+(%u[%w ]-)%s*: (.*)$"
    if span and key then
      span[key] = value
      if key == "Name" then spans[value] = span end
    end
    key, value = line:match "^%s+%-> ([%w._]+): %w+%((.*)%)$"
    if span and key then span.attributes[key] = value end
  end
  return spans
end

local failed = 0
local function check(what, expected, got)
  local same = expected == got
  if not same then failed = failed + 1 end
  print(("%s  %s%s"):format(same and "ok " or "BAD", what,
    same and "" or (": expected %s, got %s"):format(expected, got)))
end

local function check_metrics(url)
  local found = mcp.process.run { "promtool", "--version", timeout = 10 }
  if not found then return print "--   /metrics: promtool is not installed (Debian: prometheus)" end
  local answer = assert(mcp.fetch(url))
  local result = assert(mcp.process.run { "promtool", "check", "metrics", stdin = answer.body,
    timeout = 10 })
  check("promtool check metrics", "0 ", ("%s %s"):format(result.code,
    result.stdout .. result.stderr))
end

mcp.run(function()
  local port = free_port()
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(SERVER)
  file:close()
  local collector <close>, written = start { collector_path, "--config",
    CONFIGURATION:format(port) }
  wait_for(written, "Everything is ready")
  local server <close>, said = start { program, "run", path, "--otlp",
    "http://127.0.0.1:" .. port,
    env = { OTEL_RESOURCE_ATTRIBUTES = "deployment.environment=check" } }
  local url = wait_for(said, "answers at (%S+)")
  local client <close> = assert(mcp.connect(url))
  assert(client:call_tool("work", {}, { meta = {
    traceparent = ("00-%s-%s-01"):format(ID, SPAN), tracestate = "vendor=1" } }))
  assert(client:call_tool "fails")
  check_metrics((url:gsub("/mcp$", "/metrics")))
  client:close()
  server:kill "TERM"
  wait_for(written, "Name%s+: (tools/call fails)")
  mcp.sleep(0.5)
  local spans = spans_in(written)
  local work, part = spans["tools/call work"] or {}, spans.part or {}
  local leaf, fails = spans["tools/call leaf"] or {}, spans["tools/call fails"] or {}
  check("the request has the caller's trace", ID, work["Trace ID"])
  check("and the caller's span as its parent", SPAN, work["Parent ID"])
  check("its state", "vendor=1", work.TraceState)
  check("its kind", "Server", work.Kind)
  check("its tool", "work", work.attributes and work.attributes["gen_ai.tool.name"])
  check("its operation", "execute_tool", work.attributes
    and work.attributes["gen_ai.operation.name"])
  check("its transport", "tcp", work.attributes and work.attributes["network.transport"])
  check("a part of the handler", work.ID, part["Parent ID"])
  check("its kind", "Internal", part.Kind)
  check("a request in that part", part.ID, leaf["Parent ID"])
  check("its kind", "Client", leaf.Kind)
  check("a failed tool", "Error", fails["Status code"])
  check("why it failed", "tool_error", fails.attributes and fails.attributes["error.type"])
  local whole = table.concat(written, "\n")
  check("the service", "outer", whole:match "service%.name: Str%((.-)%)")
  check("the environment", "check", whole:match "deployment%.environment: Str%((.-)%)")
  collector:kill "TERM"
  os.remove(path)
end)
if failed > 0 then
  print(failed .. " checks failed")
  os.exit(1)
end
