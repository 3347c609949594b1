-- SPDX-License-Identifier: MIT
-- tickets: keys of TLS session tickets that the workers of a server share, so that a client resumes
-- at any of them. Each period has a key of its own, which the first worker makes and the
-- supervisor keeps until no ticket needs it any more. Without a shared key a worker has its own
-- (src/openssl/tls_tickets.c), so nothing here has to succeed.
local core = require "mcp.core"

local tickets = {}

---How long a key encrypts, in seconds: MCP_TLS_TICKET_TIME.
tickets.PERIOD = 3600
---Seconds between two attempts while the store is away.
tickets.AGAIN = 5

-- The secret of a period.
local function secret(store, period)
  local key = ("tls-tickets/%d"):format(period)
  local mine = require("mcp.openssl").sha256(core.random_id() .. core.random_id())
  local added, text = store:add(key, mine, 2 * tickets.PERIOD)
  if added then return mine end
  if added == nil then return nil, text end
  return store:get(key)
end

local function run(context, store)
  local pause
  repeat
    local time = os.time()
    local found = secret(store, time // tickets.PERIOD)
    if found then context:tickets(found) end
    pause = found and tickets.PERIOD - time % tickets.PERIOD or tickets.AGAIN
  until not core.sleep(pause)
end

---Lets a context have the keys of all processes that share a store.
---@param context mcp.openssl.tls a server's
---@param store mcp.Store
---@return mcp.core.Waiter job to be cancelled
function tickets.share(context, store)
  local job = core.waiter()
  job:spawn(run, context, store)
  return job
end

return tickets
