-- SPDX-License-Identifier: MIT
-- idle: thousands of streams that are silent, plain, over WebSocket and over TLS; what each costs,
-- how quickly others are answered meanwhile, and that one change reaches all of them.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"
local support = hunt.support

local MOST = { sse = 8 << 10, websocket = 8 << 10, tls = 25 << 10 }
-- On a machine that does other things, a tenth of a second.
local P99 = hunt.shallow and 0.1 or 0.005

local LISTEN = support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
  ["Mcp-Method"] = "subscriptions/listen" }, support.modern_body(1, "subscriptions/listen",
  { notifications = { resourceSubscriptions = { "hunt://changing" } } }))
local OPEN = {
  sse = function(server)
    local socket = assert(hunt.system.connect("127.0.0.1", server.port))
    socket:send(LISTEN)
    assert(hunt.until_text(socket, "acknowledged"))
    return socket
  end,
  websocket = function(server)
    local socket = assert(hunt.system.connect("127.0.0.1", server.port))
    socket:send(hunt.UPGRADE)
    assert(hunt.until_text(socket, "\r\n\r\n"))
    socket:send(hunt.frame(support.modern_body(1, "subscriptions/listen",
      { notifications = { resourceSubscriptions = { "hunt://changing" } } })))
    assert(hunt.until_text(socket, "acknowledged"))
    return socket
  end,
}

local function open_plain(server, kind, count)
  local streams = {}
  for i = 1, count do streams[i] = OPEN[kind](server) end
  return streams, function()
    local reached = 0
    for _, socket in ipairs(streams) do
      if hunt.until_text(socket, "resources/updated") then reached = reached + 1 end
    end
    return reached
  end
end

local function open_tls(server, _, count)
  local context = assert(require("mcp.tls").client { ca = server.ca })
  local streams = {}
  local pool = core.http_pool { connections = count }
  local fields = { { "Content-Type", "application/json" },
    { "Accept", "application/json, text/event-stream" }, { "Mcp-Method", "subscriptions/listen" },
    { "MCP-Protocol-Version", support.MODERN } }
  local body = support.modern_body(1, "subscriptions/listen",
    { notifications = { resourceSubscriptions = { "hunt://changing" } } })
  mcp.run(function()
    for i = 1, count do
      local response = assert(pool:request { host = "127.0.0.1", port = server.secure,
        tls = context, target = "/mcp", method = "POST", headers = fields, body = body,
        timeout = 10 })
      assert(response:event(10))
      streams[i] = response
    end
  end)
  return { pool }, function()
    local reached = 0
    mcp.run(function()
      for _, response in ipairs(streams) do
        if response:event(10) then reached = reached + 1 end
      end
    end)
    return reached
  end
end

hunt.run("idle", function(h)
  local count = hunt.depth(10000, 300)
  for _, kind in ipairs { "sse", "websocket", "tls" } do
    -- They all come from one address, which may hold three eighths of the limit: with the default,
    -- 256 MiB, ten thousand over TLS are refused.
    local server = hunt.server(("memory = 1 << 30, limits = { connections = %d }, ")
      :format(count + 100)
      .. ("app = { subscriptions = { max = %d } }"):format(count + 100),
      { tls = true, env = { "MCP_LOG=off" } })
    assert(hunt.answers(server))
    local base = hunt.rss(server.pid)
    local streams, reached = (kind == "tls" and open_tls or open_plain)(server, kind, count)
    local each = (hunt.rss(server.pid) - base) // count
    local taken = hunt.latency(server, 1000)
    local p99 = hunt.percentile(taken, 0.99)
    local began = hunt.now()
    local client <close> = support.client(server) -- luacheck: ignore
    client:call(1, "change", { count = 1 })
    local heard = reached()
    local spread = hunt.now() - began
    h:check(each <= MOST[kind], "%s: %d bytes each, at most %d expected", kind, each, MOST[kind])
    h:check(p99 <= P99, "%s: p99 of a call is %.1f ms with %d idle streams", kind, p99 * 1e3, count)
    h:check(heard == count, "%s: the change reached %d of %d", kind, heard, count)
    h:figure("%d %s: %.1f KiB each, p99 %.1f ms, one change to %d in %.2f s", count, kind,
      each / 1024, p99 * 1e3, heard, spread)
    for _, stream in ipairs(streams) do stream:close() end
    hunt.wait(5, function() return hunt.fds(server.pid) < 40 end)
    h:check(hunt.fds(server.pid) < 40, "%s: %d descriptors are left", kind, hunt.fds(server.pid))
    server.process:close()
  end
end)
