-- SPDX-License-Identifier: MIT
-- One loop for two libraries: handlers wait for luv's timers, files and name lookups.
--
--   luamcp run examples/with_luv.lua [--http 8000]       (Debian: lua-luv)
--   lua5.4 examples/with_luv.lua
local uv = require "luv"
local mcp = require "mcp.on_luv" -- instead of require "mcp": all of luamcp runs on luv's loop

local app = mcp.server "luv"

-- Calls a function of luv that takes a callback, and waits for what the callback gets.
local function await(fn, ...)
  local waiter = mcp.waiter()
  local arguments = table.pack(...)
  arguments[arguments.n + 1] = function(err, result)
    if err then waiter:wake(nil, err) else waiter:wake(result) end
  end
  local request, problem = fn(table.unpack(arguments, 1, arguments.n + 1))
  if not request then return nil, problem end
  return waiter:wait(10)
end

-- A timer that goes on whether a call is in progress or not.
local ticks, heart = 0, uv.new_timer()
heart:start(0, 20, function() ticks = ticks + 1 end)
heart:unref() -- the program ends without it

app:tool "ticks" {
  description = "How often luv's timer has ticked",
} (function(_, ctx)
  ctx:sleep(0.05) -- the timer ticks meanwhile
  return ticks
end)

app:tool "timer" {
  description = "Wait for a timer of luv",
  input = { milliseconds = mcp.integer { min = 0, max = 60000 } },
} (function(args)
  local waiter, timer = mcp.waiter(), uv.new_timer()
  local _ <close> = setmetatable({}, { __close = function() timer:close() end })
  timer:start(args.milliseconds, 0, function() waiter:wake(uv.now()) end)
  local begin = uv.now()
  local now, text = waiter:wait() -- cancelling the call ends the wait and closes the timer
  if not now then return nil, text end
  return now - begin
end)

app:tool "stat" {
  description = "Size and kind of a file, read by a thread of luv",
  input = { path = "string" },
} (function(args)
  local stat, text = await(uv.fs_stat, args.path)
  if not stat then return nil, text end
  return { size = stat.size, kind = stat.type }
end)

app:tool "resolve" {
  description = "The addresses of a host name",
  input = { host = "string" },
} (function(args)
  local found, text = await(uv.getaddrinfo, args.host, nil, { socktype = "stream" })
  if not found then return nil, text end
  local addresses = mcp.array {}
  for i, entry in ipairs(found) do addresses[i] = entry.addr end
  return addresses
end)

app:run()
