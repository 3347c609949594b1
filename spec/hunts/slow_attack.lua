-- SPDX-License-Identifier: MIT
-- slow_attack: many connections that send or read a byte at a time, of each kind at once. Each must
-- be gone soon after its limit, and honest calls must all be answered meanwhile.
local hunt = require "spec.hunts.hunt"
local support = hunt.support

local LIMIT = 3
-- Limits are looked at once a second, and one who goes on sending after its 408 is listened to for
-- two seconds more (docs/limits.md, "lingering"). Half a second of grace; a busy machine gets two.
local LATE = 3 + (hunt.shallow and 2 or 0.5)

local HEAD = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"

-- What is sent at once, and what then trickles.
local KINDS = {
  { name = "head", first = HEAD, trickle = "X-Slow: 1\r\n" },
  { name = "request line", first = "P", trickle = "O" },
  { name = "body", first = HEAD .. "Content-Type: application/json\r\nContent-Length: 100000\r\n"
    .. "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\r\n{",
    trickle = " " },
  { name = "chunks", first = HEAD .. "Content-Type: application/json\r\n"
    .. "Accept: application/json, text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    trickle = "1\r\n \r\n" },
  { name = "read", first = support.call(1, "steps", { count = 100000, size = 1000 }) },
  { name = "tls", secure = true, first = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    trickle = "\0" },
  { name = "websocket upgrade", first = "GET /mcp HTTP/1.1\r\nHost: localhost\r\n"
    .. "Upgrade: websocket\r\n", trickle = "X-Slow: 1\r\n" },
  -- A frame that never ends, and a message whose next fragment never is the last.
  { name = "websocket frame", upgrade = true, first = "\x81\xfe\x7f\xff\0\0\0\0", trickle = " " },
  { name = "websocket fragments", upgrade = true, first = "\x01\x81\0\0\0\0{",
    trickle = "\0\x81\0\0\0\0 " },
}

local function begin(server, kind)
  local socket = assert(hunt.system.connect("127.0.0.1", kind.secure and server.secure
    or server.port, 4096))
  if kind.upgrade then
    socket:send(hunt.UPGRADE)
    assert(hunt.until_text(socket, "\r\n\r\n", 15))
  end
  socket:send(kind.first)
  return { socket = socket, kind = kind, began = hunt.now() }
end

-- Sends a little more; true once the other side has closed.
local function go_on(one)
  if one.kind.trickle then
    local _, why = one.socket:send(one.kind.trickle, 0)
    if why == "closed" or why == "reset" then return true end
    local _, end_ = one.socket:receive(0)
    return end_ == "closed" or end_ == "reset"
  end
  return false
end

hunt.run("slow_attack", function(h)
  local each = hunt.depth(125, 10)
  local server = hunt.server(("limits = { head_timeout = %d, body_timeout = %d, "
    .. "stall_timeout = %d, ping = 1, silence = %d, connections = %d }"):format(LIMIT, LIMIT, LIMIT,
    LIMIT, each * #KINDS + 200), { tls = true, env = { "MCP_LOG=off" } })
  hunt.latency(server, 200)
  local fds = hunt.fds(server.pid)
  local open, late = {}, {}
  for _, kind in ipairs(KINDS) do
    for _ = 1, each do open[#open + 1] = begin(server, kind) end
  end
  local deadline = hunt.now() + LIMIT + 12
  local honest, failed, taken = 0, 0, {}
  local next_look = 0
  while #open > 0 and hunt.now() < deadline do
    if hunt.now() >= next_look then
      next_look = hunt.now() + 0.5
      for i = #open, 1, -1 do
        local one = open[i]
        if go_on(one) then
          local age = hunt.now() - one.began
          late[one.kind.name] = math.max(late[one.kind.name] or 0, age)
          one.socket:close()
          table.remove(open, i)
        end
      end
    end
    local times, bad = hunt.latency(server, 10)
    honest, failed = honest + #times + bad, failed + bad
    table.move(times, 1, #times, #taken + 1, taken)
    -- Those that do not read see no end; the server's descriptors do.
    if hunt.fds(server.pid) <= fds then break end
  end
  for _, one in ipairs(open) do
    if one.kind.name ~= "read" and not go_on(one) then
      h:check(false, "%s: open after %.0f s", one.kind.name, hunt.now() - one.began)
    end
    one.socket:close()
  end
  local slowest = 0
  for name, age in pairs(late) do
    h:check(age <= LIMIT + LATE, "%s: gone only after %.1f s, its limit is %d s", name, age, LIMIT)
    slowest = math.max(slowest, age)
  end
  h:check(failed == 0, "%d of %d honest calls failed", failed, honest)
  h:check(hunt.wait(5, function() return hunt.fds(server.pid) <= fds end),
    "%d descriptors more than before", hunt.fds(server.pid) - fds)
  h:figure("%d attackers of %d kinds, limit %d s: the last gone after %.1f s", each * #KINDS,
    #KINDS, LIMIT, slowest)
  h:figure("%d of %d honest calls answered, p99 %.1f ms", honest - failed, honest,
    hunt.percentile(taken, 0.99) * 1e3)
end)
