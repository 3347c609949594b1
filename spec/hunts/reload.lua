-- SPDX-License-Identifier: MIT
-- reload: a script is run again many times while clients of both eras call it: no call may fail,
-- and memory must not grow once it is warm. The script has a module, a worker, a task, middleware,
-- and a tool that comes and goes.
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"
local support = hunt.support

local GROWTH = 2 << 20

local SCRIPT = [==[
  local mcp = require "mcp"
  local app = mcp.server { name = "reload", version = "1" }
  app.state.loads = (app.state.loads or 0) + 1
  local load, ballast = app.state.loads, ("x"):rep(100000) .. app.state.loads
  local worker = mcp.worker { function() return { double = function(n) return 2 * n end } end }
  mcp.spawn(function() while mcp.sleep(0.05) do app:resource_updated "x://changing" end end)
  app:use(function(request, next) return next(request) end)
  app:tool "say" (function() return "load " .. load .. ballast:sub(1, 0) end)
  app:tool "wait" (function(_, ctx)
    ctx:sleep(math.random() * 0.02)
    return "waited " .. load
  end)
  app:tool "double" { input = { n = "integer" } } (function(a) return worker:double(a.n) end)
  app:resource "x://changing" (function() return "load " .. load end)
  if load % 2 == 0 then app:tool "even" (function() return "even" end) end
  app:run { http = { port = 0 } }
]==]

hunt.run("reload", function(h)
  local server = support.start("{}", { script = SCRIPT, env = { "MCP_LOG=notice" } })
  server.port = math.tointeger(server:wait_said "at http://[^%s]-:(%d+)/")
  local address = ("http://127.0.0.1:%d/mcp"):format(server.port)
  local rounds = hunt.depth(200, 20)
  local calls, failed, changes, stop, texts = 0, 0, 0, false, {}
  local warm, last
  local function call(client, name, arguments)
    local result, text = client:call_tool(name, arguments or {})
    calls = calls + 1
    if not result or result.isError then
      failed = failed + 1
      texts[#texts + 1] = ("%s: %s"):format(name, text or result.content[1].text)
    end
  end
  local function reloads()
    local _, count = server:told():gsub(" reloaded\n", "")
    return count
  end
  mcp.run(function()
    local all = {}
    for i = 1, 6 do
      all[i] = function()
        local client <close> = assert(mcp.connect(address, { era = i % 2 == 0 and "legacy" or nil,
          on_change = function() changes = changes + 1 end }))
        while not stop do
          call(client, "say")
          call(client, "wait")
          call(client, "double", { n = i })
        end
      end
    end
    all[7] = function()
      for i = 1, rounds do
        server.process:kill "HUP"
        local deadline = os.time() + 10
        while reloads() < i and os.time() < deadline do mcp.sleep(0.002) end
        if i == rounds // 2 then warm = server:rss() end
        mcp.sleep(0.01)
      end
      last = server:rss()
      stop = true
    end
    mcp.all(all)
  end)
  -- The worker of each old script has ended.
  local threads
  hunt.wait(5, function()
    local file <close> = assert(io.open(("/proc/%d/status"):format(server.process:pid())))
    threads = tonumber(file:read "a":match "Threads:%s*(%d+)")
    return threads <= 8
  end)
  h:check(threads <= 8, "%d threads are left", threads)
  local count = reloads()
  h:check(count == rounds, "%d of %d reloads", count, rounds)
  h:check(failed == 0, "%d of %d calls failed: %s", failed, calls, texts[1])
  h:check(last - warm <= GROWTH, "%d KiB more from the middle to the end", (last - warm) // 1024)
  h:check(changes > 0, "no client was notified of a change")
  h:figure("%d reloads: %d calls, %d failed, %d notifications, %+d KiB in the second half", count,
    calls, failed, changes, (last - warm) // 1024)
  server.process:kill "TERM"
  server:wait_end()
end)
