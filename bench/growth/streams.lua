-- SPDX-License-Identifier: MIT
-- streams: the memory of idle streams, and the processor time of the comments that keep them open.
local clients = require "clients"
local drive = require "drive"
local figures = require "figures"

-- Descriptors that a server, and this process, need for other things.
local OTHERS <const> = 400

-- Clients connect at a time, before they open their streams.
local AT_A_TIME <const> = 200

-- Opens streams; returns the groups of their connections.
local function open(server, modern, count, from)
  local groups = {}
  local group = not modern and clients.connect(server, clients.WINDOW)
  for first = 1, count, AT_A_TIME do
    local some = math.min(AT_A_TIME, count - first + 1)
    local streams = clients.connect(server, some, from)
    if modern then
      clients.listen(streams, some)
    else
      clients.streams(streams, clients.sessions(group, some))
    end
    groups[#groups + 1] = streams
  end
  if group then group:close() end
  return groups
end

local function close(groups)
  for _, streams in ipairs(groups) do streams:close() end
end

-- The slope of a line through the points, by least squares.
local function slope(xs, ys)
  local n, sx, sy, sxx, sxy = #xs, 0, 0, 0, 0
  for i, x in ipairs(xs) do
    sx, sy, sxx, sxy = sx + x, sy + ys[i], sxx + x * x, sxy + x * ys[i]
  end
  return (n * sxy - sx * sy) / (n * sxx - sx * sx)
end

local function memory(bench)
  local most = math.min(20000, bench.files - OTHERS)
  local counts = bench.quick and { 100, 500, 1000 } or { 100, 1000, 2000, 5000, 10000, 15000, most }
  local rows, bytes = {}, {}
  for i, count in ipairs(counts) do rows[i] = { figures.thousands(count) } end
  for _, modern in ipairs { false, true } do
    local server = clients.start { core = bench.core }
    -- What grows only once has grown.
    close(open(server, modern, AT_A_TIME, 2))
    drive.sleep(0.5)
    local empty, held, used = server.child:rss(), {}, {}
    for i, count in ipairs(counts) do
      held[i] = open(server, modern, count - (counts[i - 1] or 0), 3 + 2 * i)
      drive.sleep(0.5)
      used[i] = (server.child:rss() - empty) * 1024
      table.insert(rows[i], ("%.1f"):format(used[i] / (1 << 20)))
      table.insert(rows[i], figures.thousands(used[i] / count))
    end
    bytes[#bytes + 1] = slope(counts, used)
    for _, groups in ipairs(held) do close(groups) end
    server.child:stop()
  end
  figures.print("Idle streams", { "streams", "sessions: MB", "bytes a stream", "listen: MB",
    "bytes a stream" }, rows)
  print(("\nThe slope is %.0f bytes for the stream of a session, with the session, and %.0f for a "
    .. "request that listens."):format(bytes[1], bytes[2]))
end

local function comments(bench)
  local counts = bench.quick and { 100, 500 } or { 100, 1000, 10000 }
  local rows = {}
  for i, count in ipairs(counts) do rows[i] = { figures.thousands(count) } end
  for _, modern in ipairs { false, true } do
    for i, count in ipairs(counts) do
      local server = clients.start { core = bench.core, env = { "HEARTBEAT=2" } }
      local groups = open(server, modern, count, 2)
      local rounds = {}
      for round = 1, bench.quick and 1 or 2 do
        local before = drive.cpu_of(server.child:pid())
        local ends, bytes = drive.now() + 8, 0
        while drive.now() < ends do
          for _, streams in ipairs(groups) do
            local _, more = streams:drain(0)
            bytes = bytes + more
          end
          drive.sleep(0.1)
        end
        -- A comment is a chunk of 19 bytes.
        local cpu = drive.cpu_of(server.child:pid()) - before
        rounds[round] = { cpu / (bytes / 19), bytes / 19 / count / 8 }
      end
      local costs, rates = {}, {}
      for k, it in ipairs(rounds) do costs[k], rates[k] = it[1], it[2] end
      table.insert(rows[i], ("%.1f"):format(figures.median(costs) * 1e6))
      table.insert(rows[i], ("%.2f"):format(figures.median(rates)))
      close(groups)
      server.child:stop()
    end
  end
  figures.print("Comments that keep streams open", { "streams", "sessions: us a comment",
    "comments a stream and second", "listen: us a comment", "comments a stream and second" }, rows)
end

return { { name = "memory", run = memory }, { name = "comments", run = comments } }
