-- SPDX-License-Identifier: MIT
-- mixed.lua: the server that all kinds of clients call at the same time, on one listener and a
-- socket file; it counts the calls by who made them.
--
--   luamcp run scripts/interop/mixed.lua --http 127.0.0.1:0 --unix PATH CLIENTS
local mcp = require "mcp"

local app = mcp.server { name = "mixed", version = "1.0.0" }

-- So many there are, and nobody is answered before all have called.
local CLIENTS = math.tointeger(tonumber(arg[1]))
local PATIENCE = 10 -- seconds

local counts, clients = {}, 0

local function meet(ctx)
  local deadline = os.time() + PATIENCE
  while clients < CLIENTS do
    if os.time() > deadline then error(("only %d have come"):format(clients)) end
    ctx:sleep(0.01)
  end
end

app:tool "count" {
  description = "Counts the call and gives back what it was called with",
  input = { n = "integer" },
} (function(args, ctx)
  local who = ctx.client.name
  if not counts[who] then
    counts[who] = { calls = 0, sum = 0, transport = ctx.transport, revision = ctx.revision.name }
    clients = clients + 1
  end
  counts[who].calls = counts[who].calls + 1
  counts[who].sum = counts[who].sum + args.n
  meet(ctx)
  ctx:progress(1, 2)
  ctx:sleep(0.001)
  return { n = args.n, who = who }
end)

app:tool "counts" { description = "All that was counted" } (function() return counts end)

app:run()
