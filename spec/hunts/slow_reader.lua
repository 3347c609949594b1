-- SPDX-License-Identifier: MIT
-- slow_reader: peers that ask for much and read nothing, on each transport. The server's memory
-- must stay where it was, and others must be answered as before.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local support = hunt.support

-- What one peer may cost, in bytes: its queue, and what the kernel does not count.
local MOST = 2 << 20
local SIZE = 100

local function flood(count)
  return support.call(1, "steps", { count = count, size = SIZE })
end

-- Each begins the flood and returns what must be closed in the end.
local BEGIN = {
  http = function(server, count)
    local socket = assert(hunt.system.connect("127.0.0.1", server.port, 4096))
    socket:send(flood(count))
    return socket
  end,
  unix = function(server, count)
    local socket = assert(hunt.system.connect(server.path, 0))
    socket:send(flood(count))
    return socket
  end,
  websocket = function(server, count)
    local socket = assert(hunt.system.connect("127.0.0.1", server.port, 4096))
    socket:send(hunt.UPGRADE)
    assert(hunt.until_text(socket, "\r\n\r\n"))
    socket:send(hunt.frame(support.call_body(1, "steps", { count = count, size = SIZE })))
    return socket
  end,
  sse = function(server, count)
    local socket = assert(hunt.system.connect("127.0.0.1", server.port, 4096))
    socket:send(support.request("GET", { Accept = "text/event-stream" }))
    local heard, target = "", nil
    while not target do
      heard = heard .. assert(socket:receive())
      target = heard:match "data: (/[^\r\n]+)"
    end
    local client <close> = support.client(server)
    client:ask(support.request("POST", {}, support.initialize_body(1, "2024-11-05"), target))
    client:ask(support.request("POST", {}, core.encode { jsonrpc = "2.0",
      method = "notifications/initialized" }, target))
    client:ask(support.request("POST", {}, support.legacy_body(2, "tools/call", { name = "steps",
      arguments = { count = count, size = SIZE }, _meta = { progressToken = 1 } }), target))
    return socket
  end,
}

hunt.run("slow_reader", function(h)
  local count = hunt.depth(1000000, 20000)
  local path = os.tmpname()
  os.remove(path)
  local server = hunt.server(("unix = %q, limits = { stall_timeout = 4 }"):format(path),
    { env = { "MCP_LOG=off" } })
  server.path = path
  hunt.latency(server, 200)
  local alone = hunt.percentile(hunt.latency(server, 2000), 0.99)
  local fds = hunt.fds(server.pid)
  for _, kind in ipairs { "http", "unix", "websocket", "sse" } do
    local base, most = hunt.rss(server.pid), 0
    local peer = BEGIN[kind](server, count)
    local taken, deadline = {}, hunt.now() + 2
    while hunt.now() < deadline do
      table.move(hunt.latency(server, 20), 1, 20, #taken + 1, taken)
      most = math.max(most, hunt.rss(server.pid) - base)
    end
    local p99 = hunt.percentile(taken, 0.99)
    h:check(most <= MOST, "%s: a peer that does not read costs %d KiB", kind, most // 1024)
    h:check(p99 <= math.max(alone * 3, hunt.shallow and 0.1 or 0.01),
      "%s: p99 of others is %.2f ms, alone %.2f ms", kind, p99 * 1e3, alone * 1e3)
    -- It is cut when it has not read for stall_timeout; a look a second.
    local gone = hunt.wait(8, function() return hunt.fds(server.pid) <= fds end)
    h:check(gone, "%s: a peer that does not read is not cut after its time", kind)
    h:figure("%s: %d progress notices asked, %+d KiB, p99 of others %.2f ms (alone %.2f)", kind,
      count, most // 1024, p99 * 1e3, alone * 1e3)
    peer:close()
  end
  -- One that listens to changes: nobody waits for it.
  local base = hunt.rss(server.pid)
  local listener = assert(hunt.system.connect("127.0.0.1", server.port, 4096))
  listener:send(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
    ["Mcp-Method"] = "subscriptions/listen" }, support.modern_body(1, "subscriptions/listen",
    { notifications = { resourceSubscriptions = { "hunt://changing" } } })))
  assert(hunt.until_text(listener, "acknowledged"))
  local client <close> = support.client(server)
  local changes = count // 10
  for i = 1, math.max(1, changes // 1000) do client:call(i, "change", { count = 1000 }) end
  local grown = hunt.rss(server.pid) - base
  h:check(grown <= MOST, "listener: %d changes cost %d KiB", changes, grown // 1024)
  h:figure("listener: %d changes, %+d KiB", changes, grown // 1024)
  listener:close()
  h:check(hunt.answers(server), "a fresh call is not answered")
end)
