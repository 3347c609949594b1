-- SPDX-License-Identifier: MIT
-- bench: `luamcp bench TARGET [TOOL key=value…]`: how many requests a server answers, and how fast.
-- A figure of this machine at this moment: compare servers in one sitting only.
local arguments = require "mcp.cli.arguments"
local core = require "mcp.core"
local exit = require "mcp.cli.exit"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"

local bench = { example = { "luamcp bench server.lua", "luamcp bench server.lua add a=1 b=2 -c 16",
  "luamcp bench http://127.0.0.1:8000/mcp search q=shoes --seconds 10" } }

---So many failures before the first success end the measurement.
bench.HOPELESS = 100

function bench.define(parser, command)
  target.define(parser, command)
  parser:argument "tool" :args "?" :description "The tool to call; without one, pings are sent."
  parser:argument "arguments" :args "*" :argname "key=value" :description "Its arguments."
  parser:option "-c --concurrency" :argname "N" :convert(math.tointeger) :default "1"
    :description "Requests in progress at a time."
  parser:option "--seconds" :argname "SECONDS" :convert(tonumber) :default "5"
    :description "How long to measure. A second before it is not counted."
end

-- Seconds of a clock that never goes back, now.
local function now() return (select(2, core.time())) end

-- Runs `request` in `count` coroutines for so many seconds. The durations of the requests that
-- succeeded in seconds, how many failed, the seconds it took, why the last one failed, and whether
-- it gave up.
local function measure(request, count, seconds)
  local times, failures, last, gave_up = {}, 0, nil, false
  local began = now()
  local deadline = began + seconds
  local tasks = {}
  for i = 1, count do
    tasks[i] = function()
      while true do
        local from = now()
        if from >= deadline then return end
        local ok, text = request()
        -- A refusal is quick: it says nothing about how fast requests are answered.
        if ok then
          times[#times + 1] = now() - from
        else
          failures, last = failures + 1, text
        end
        -- A server that is gone answers at once, for ever.
        if #times == 0 and failures >= bench.HOPELESS then
          gave_up = true
          return
        end
      end
    end
  end
  require("mcp.async").all(tasks)
  return times, failures, now() - began, last, gave_up
end

-- The value below which the part of the sorted list lies.
local function percentile(sorted, part)
  return sorted[math.max(1, math.ceil(#sorted * part))] -- nil of an empty one
end

local function milliseconds(seconds) return ("%.3f ms"):format(seconds * 1000) end

function bench.run(options)
  if not options.concurrency or options.concurrency < 1 or options.concurrency > 256 then
    return exit.usage "bench: --concurrency: expected a whole number from 1 to 256"
  end
  if not options.seconds or options.seconds <= 0 then
    return exit.usage "bench: --seconds: expected a number above 0"
  end
  local client <close>, status = target.connect(options)
  if not client then return status end
  local request = function() return client:ping() end
  if options.tool then
    local tools, text, code = client:list_tools()
    if not tools then return exit.fail(exit.status_of(code), text, code) end
    local schema
    for _, tool in ipairs(tools) do
      if tool.name == options.tool then schema = tool.inputSchema end
    end
    local given
    given, text = arguments.read(options.arguments, schema)
    if not given then return exit.usage("%s: %s", options.tool, text) end
    request = function()
      local result, reason = client:call_tool(options.tool, given)
      if result and result.isError then return nil, "the tool reported an error" end
      return result, reason
    end
  end
  local interrupt <close> = require("mcp.cli.interrupt").new()
  measure(request, options.concurrency, math.min(1, options.seconds / 5))
  local times, failures, took, text, gave_up = measure(request, options.concurrency,
    options.seconds)
  if #times + failures == 0 then return exit.fail(exit.OTHER, "bench: no request ended in time") end
  table.sort(times)
  local report = {
    requests = #times, failures = failures, seconds = took, per_second = #times / took,
    concurrency = options.concurrency, p50 = percentile(times, 0.5), p90 = percentile(times, 0.9),
    p99 = percentile(times, 0.99), max = times[#times],
  }
  if options.json then
    show.json(report)
  elseif #times == 0 then
    io.stdout:write(("no request of %d succeeded in %.2f s, %d at a time\n"):format(failures, took,
      report.concurrency))
  else
    io.stdout:write(("%d requests in %.2f s, %d at a time: %.0f a second\n"):format(report.requests,
      took, report.concurrency, report.per_second),
      ("p50 %s, p90 %s, p99 %s, longest %s\n"):format(milliseconds(report.p50),
        milliseconds(report.p90), milliseconds(report.p99), milliseconds(report.max)))
  end
  if interrupt.happened then return exit.INTERRUPTED end
  if failures > 0 then
    return exit.fail(exit.TOOL, ("%d of %d requests failed, the last one: %s%s"):format(failures,
      #times + failures, tostring(text), gave_up and "; bench gave up, as none succeeded" or ""),
      "ETOOL")
  end
  return exit.OK
end

return bench
