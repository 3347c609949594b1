-- SPDX-License-Identifier: MIT
-- sizes: processor time and memory against the size of a result.
local clients = require "clients"
local figures = require "figures"

-- The most memory that a process has had, in KB, since the last call.
local function peak(pid)
  local file <close> = assert(io.open(("/proc/%d/status"):format(pid)))
  local kb = tonumber(file:read("a"):match "VmHWM:%s*(%d+)")
  local reset <close> = assert(io.open(("/proc/%d/clear_refs"):format(pid), "w"))
  reset:write "5"
  return kb
end

local function name_of(bytes)
  return bytes < 1 << 20 and ("%d KB"):format(bytes >> 10) or ("%d MB"):format(bytes >> 20)
end

local function sizes(bench)
  local counts = bench.quick and { 1 << 10, 1 << 20 }
    or { 1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20 }
  local rows, points, held = {}, {}, {}
  for i, bytes in ipairs(counts) do
    local server = clients.start { core = bench.core, env = { "SIZE=" .. bytes } }
    local group, pid = clients.connect(server, 1), server.child:pid()
    group:load({ clients.call(false) }, 0, 1)
    group:load({ clients.call(false) }, 0.05, 1)
    local texts, before = { clients.call(false, "large") }, server.child:rss()
    peak(pid)
    group:load(texts, 0.1, 1)
    held[i] = { more = peak(pid) - before, server = server, group = group }
    points[i] = function()
      return (figures.cost({ pid }, function() return group:load(texts, bench.seconds, 1) end))
    end
  end
  local costs = figures.rounds(points, bench.rounds)
  for i, bytes in ipairs(counts) do
    local it = held[i]
    rows[i] = { name_of(bytes), figures.thousands(costs[i] * 1e6),
      figures.thousands(costs[i] * 1e6 / bytes * (1 << 20)),
      ("%.1f"):format(it.more / 1024),
      bytes < 1 << 18 and "–" or ("%.2f"):format(it.more * 1024 / bytes) }
    it.group:close()
    it.server.child:stop()
  end
  figures.print("Sizes of a result", { "size", "us a call", "us a MB", "memory at most, MB",
    "that by the size" }, rows)
end

return { { name = "sizes", run = sizes } }
