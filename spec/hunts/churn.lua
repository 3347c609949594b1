-- SPDX-License-Identifier: MIT
-- churn: connections that end at a random point, over plain HTTP, HTTP+SSE, WebSocket and TLS.
-- Descriptors must come back, and memory must not grow once it is warm.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"
local support = hunt.support

local GROWTH = 1 << 20


-- What a client of each kind sends until it goes.
local SAYS = {
  http = { support.call(1, "echo", { text = "x" }), support.call(2, "steps", { count = 50 }),
    support.request("POST", {}, support.initialize_body()) },
  sse = { support.request("GET", { Accept = "text/event-stream" }) },
  websocket = { hunt.UPGRADE .. hunt.frame(support.initialize_body())
    .. hunt.frame(support.call_body(2, "steps", { count = 50 })) },
}

local function abort(server, text)
  local socket = assert(hunt.system.connect("127.0.0.1", server.port))
  socket:send(text:sub(1, math.random(0, #text)))
  -- Some wait until something has come back.
  if math.random(4) == 1 then socket:receive(0.002) end
  if math.random(2) == 1 then socket:reset() else socket:close() end
end

local function abort_tls(server, context, count)
  mcp.run(function()
    for _ = 1, count do
      local pool <close> = core.http_pool { connections = 1 } -- luacheck: ignore
      local waiter = core.waiter()
      waiter:spawn(function()
        local response = pool:request { host = "127.0.0.1", port = server.secure, tls = context,
          target = "/mcp", timeout = 2 }
        if response then response:read() end
      end)
      waiter:wait(math.random() * 0.006)
      waiter:cancel()
    end
  end)
end

hunt.run("churn", function(h)
  local server = hunt.server("", { tls = true, env = { "MCP_LOG=off" } })
  local context = assert(require("mcp.tls").client { ca = server.ca })
  local count = hunt.depth(100000, 2000)
  local tenth = math.max(1, count // 10)
  -- A warm connection of each kind has its buffers; what is below is the base line.
  assert(hunt.answers(server))
  local fds = hunt.fds(server.pid)
  for _, kind in ipairs { "http", "sse", "websocket", "tls" } do
    local says, second = SAYS[kind], nil
    -- TLS costs a handshake of both sides in each.
    local portion = kind == "tls" and math.max(1, tenth // 10) or tenth
    for part = 1, 10 do
      if kind == "tls" then
        abort_tls(server, context, portion)
      else
        for _ = 1, portion do abort(server, says[math.random(#says)]) end
      end
      if part == 2 then second = hunt.rss(server.pid) end
    end
    h:check(hunt.answers(server), "%s: a fresh call is not answered", kind)
    hunt.wait(5, function() return hunt.fds(server.pid) <= fds end)
    local grown, left = hunt.rss(server.pid) - second, hunt.fds(server.pid) - fds
    h:check(left <= 0, "%s: %d descriptors are left after %d connections", kind, left, portion * 10)
    h:check(grown <= GROWTH, "%s: %d KiB more from the second to the last tenth of %d", kind,
      grown // 1024, portion * 10)
    h:figure("%s %d: %+d KiB, %d descriptors left", kind, portion * 10, grown // 1024, left)
  end
end)
