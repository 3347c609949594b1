-- SPDX-License-Identifier: MIT
-- sessions: clients that initialize and never come back. What one costs, that the number has an
-- end, and what is given back when their time is over.
local hunt = require "spec.hunts.hunt"
local support = hunt.support

local EACH = 8 << 10

-- `count` sessions over connections that are kept.
local function open(h, server, count)
  local client <close> = support.client(server)
  local body = support.request("POST", {}, support.initialize_body())
  for _ = 1, count do
    local answer = client:ask(body)
    if not h:check(answer.status == 200, "initialize: status %d", answer.status) then return end
  end
end

hunt.run("sessions", function(h)
  local count = hunt.depth(100000, 3000)
  local most = math.min(10000, count // 2)
  local idle = 3
  local server = hunt.server(("app = { sessions = { max = %d, idle = %d } }"):format(most, idle),
    { env = { "MCP_LOG=off" } })
  open(h, server, 100)
  local base, base_heap = hunt.rss(server.pid), hunt.facts(server).heap
  open(h, server, most - 100)
  local full, full_heap = hunt.rss(server.pid), hunt.facts(server).heap
  open(h, server, most)
  local plateau = hunt.facts(server).heap
  open(h, server, math.max(0, count - 2 * most))
  local last = hunt.facts(server).heap
  local each = (full - base) // (most - 100)
  h:check(each <= EACH, "a session costs %d bytes, at most %d expected", each, EACH)
  -- A tenth of the cap goes at a time, so the number itself swings by that much.
  h:check(last - plateau <= plateau // 5, "from the %dth to the %dth session: heap %+d KiB",
    2 * most, count, (last - plateau) // 1024)
  h:figure("%d initialize, cap %d: %d bytes each (Lua heap %d), then %+d KiB", count, most, each,
    (full_heap - base_heap) // (most - 100), (last - plateau) // 1024)
  -- After their time they are found when somebody comes.
  hunt.wait(2 * idle + 1, function() end)
  open(h, server, 1)
  local heap = hunt.facts(server).heap
  -- The table that held them keeps its slots, 40 bytes each, until Lua makes it anew.
  h:check(heap <= base_heap * 1.1 + (64 << 10) + 80 * most,
    "after expiry the heap is %d KiB, it began with %d", heap // 1024, base_heap // 1024)
  h:figure("heap %d KiB at first, %d full, %d after expiry", base_heap // 1024, full_heap // 1024,
    heap // 1024)
  h:check(hunt.answers(server), "a fresh call is not answered")
end)
