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
  if bytes >= 1 << 30 then return ("%d GB"):format(bytes >> 30) end
  return bytes < 1 << 20 and ("%d KB"):format(bytes >> 10) or ("%d MB"):format(bytes >> 20)
end

local LINE = 'a line of text with "quotes" and a tail of plain words, 64 bytes\n'

-- A file of text; in the cache of the system afterwards, so that no disk is measured.
local function write_file(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  local block = LINE:rep(1 << 14)
  for left = bytes, 1, -#block do assert(file:write(block:sub(1, left))) end
end

-- Files that are sent as they are read, as text and as bytes.
local function files(bench)
  local counts = bench.quick and { 1 << 20, 16 << 20 }
    or { 64 << 10, 1 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30 }
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local server = clients.start { core = bench.core, env = { "FILES=" .. folder } }
  local group, pid = clients.connect(server, 1), server.child:pid()
  local rows, points = {}, {}
  local ok, message = pcall(function()
    write_file(folder .. "/first", 1 << 20)
    group:load({ clients.read "bytes:///first" }, 0.1, 1)
    for i, bytes in ipairs(counts) do
      write_file(folder .. "/" .. bytes, bytes)
      rows[i] = { name_of(bytes) }
      for _, kind in ipairs { "text", "bytes" } do
        local texts = { clients.read(("%s:///%d"):format(kind, bytes)) }
        local before = server.child:rss()
        peak(pid)
        local done = group:load(texts, 0.01, 1)
        assert(done.bad == 0 and done.bytes > bytes, "an answer is not whole")
        rows[i][#rows[i] + 1] = ("%.1f"):format(math.max(peak(pid) - before, 0) / 1024)
        points[#points + 1] = function()
          return (figures.cost({ pid }, function() return group:load(texts, bench.seconds, 1) end))
        end
      end
    end
    local costs = figures.rounds(points, math.min(bench.rounds, 3))
    for i, bytes in ipairs(counts) do
      for k = 1, 2 do
        table.insert(rows[i], 2 * k, figures.thousands(costs[2 * i - 2 + k] * 1e6 / bytes
          * (1 << 20)))
      end
    end
  end)
  group:close()
  server.child:stop()
  os.execute("rm -r " .. folder)
  if not ok then error(message, 0) end
  figures.print("Sizes of a file", { "size", "text: us a MB", "more memory at most, MB",
    "bytes: us a MB", "more memory at most, MB" }, rows)
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

return { { name = "sizes", run = sizes }, { name = "files", run = files } }
