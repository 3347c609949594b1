-- SPDX-License-Identifier: MIT
-- Workers, for `make bench ONLY=worker`: what four threads do beside one, and what a call costs
-- beside a direct one. Rounds take turns; each prints one line.
--   luamcp run bench/worker.lua ROUNDS SECONDS
local mcp = require "mcp"
local core = require "mcp.core"

local rounds, seconds = tonumber(arg[1]), tonumber(arg[2])

local code = function()
  return {
    add = function(a, b) return a + b end,
    -- Some milliseconds of a processor.
    work = function()
      local sum = 0.0
      for i = 1, 200000 do sum = sum + i % 7 end
      return sum
    end,
  }
end

-- Calls a second that so many callers get.
local function rate(own, callers)
  local count, begun = 0, core.now()
  mcp.run(function()
    local waiter = core.waiter()
    for _ = 1, callers do
      waiter:spawn(function()
        repeat
          assert(own:work())
          count = count + 1
        until core.now() - begun > seconds
      end)
    end
    waiter:wait()
  end)
  return count / (core.now() - begun)
end

-- Processor time of one call, of all threads, in seconds.
local function cost(call, argument, count)
  local begun
  mcp.run(function()
    for _ = 1, 200 do call(argument, 1, 2) end
    begun = os.clock()
    for _ = 1, count do call(argument, 1, 2) end
  end)
  return (os.clock() - begun) / count
end

local single <close> = mcp.worker { code, threads = 1 }
local four <close> = mcp.worker { code, threads = 4 }
local process <close> = mcp.worker { code, process = true }
local direct = code()
rate(four, 4)
for _ = 1, rounds do print(("threads %.3f %.3f"):format(rate(single, 4), rate(four, 4))) end
for _ = 1, rounds do
  print(("call %.9f %.9f"):format(cost(single.add, single, 5000),
    cost(function(_, a, b) return direct.add(a, b) end, nil, 5000)))
end
for _ = 1, rounds do print(("process %.9f %.9f"):format(cost(process.add, process, 2000), 0)) end
