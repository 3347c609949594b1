-- SPDX-License-Identifier: MIT
-- mixed.lua: the server that all kinds of clients call at the same time, on one listener and a
-- socket file; it counts the calls of each client.
--
--   luamcp run scripts/interop/mixed.lua --http 127.0.0.1:0 --unix PATH CLIENTS
local mcp = require "mcp"

local app = mcp.server { name = "mixed", version = "1.0.0" }

-- The number of clients; no call is answered before all of them have called.
local CLIENTS = math.tointeger(tonumber(arg[1]))
local PATIENCE = 10 -- seconds

local counts, clients = {}, 0

local function meet(ctx)
  local deadline = os.time() + PATIENCE
  while clients < CLIENTS do
    if os.time() > deadline then error(("expected %d clients, got %d"):format(CLIENTS, clients)) end
    ctx:sleep(0.01)
  end
end

app:tool "count" {
  description = "Counts the call and gives back what it was called with",
  input = { n = "integer" },
} (function(args, ctx)
  local client = ctx.client.name
  if not counts[client] then
    counts[client] = { calls = 0, sum = 0, transport = ctx.transport, revision = ctx.revision.name }
    clients = clients + 1
  end
  counts[client].calls = counts[client].calls + 1
  counts[client].sum = counts[client].sum + args.n
  meet(ctx)
  ctx:progress(1, 2)
  ctx:sleep(0.001)
  return { n = args.n, client = client }
end)

app:tool "counts" { description = "All that was counted" } (function() return counts end)

app:run()
