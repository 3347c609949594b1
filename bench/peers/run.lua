-- SPDX-License-Identifier: MIT
-- make bench-peers: luamcp and other MCP servers, the same calls to all of them in turns, in one
-- run. ../README.md says what is compared; the page is RESULTS.md.

local kit = require "bench.kit" -- first: it says where drive is
local drive = require "drive"
local list = require "bench.peers.list"
local measure = require "bench.peers.measure"
local report = require "bench.peers.report"

local PEERS = kit.option("PEERS", "")
-- What was cut short is no result to publish.
local CUT = kit.quick or PEERS ~= ""
local FOLDER = kit.option("RESULTS", CUT and kit.build .. "/peers/" or "bench/")

local function first_line(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local line = pipe:read "l"
  pipe:close()
  return line or ""
end

local function field_of(path, pattern)
  for line in io.lines(path) do
    local value = line:match(pattern)
    if value then return value end
  end
  return "?"
end

local function wanted(id)
  if PEERS == "" then return true end
  for word in PEERS:gmatch "[^,%s]+" do
    if word == id then return true end
  end
  return false
end

local servers = { list.luamcp }
local shown = { { id = "limit", title = "bare limit" }, list.luamcp }
for _, it in ipairs(list.peers) do
  if wanted(it.id) then
    shown[#shown + 1] = it
    if it.missing then
      io.stderr:write(it.title, " is left out: ", it.missing, "\n")
    else
      servers[#servers + 1] = it
    end
  end
end

os.remove(kit.log)
local begun = drive.now()
local run = { servers = shown, conns = measure.conns, seconds = kit.seconds,
  streams = measure.streams, failures = measure.failures }
run.start = measure.start(servers)
run.http = measure.http("http", servers)
run.session = measure.http("session", servers)
run.stdio = measure.stdio(servers)
run.idle_streams = measure.idle_streams(servers)

local others = kit.median(kit.foreign)
local commit = first_line "git rev-parse --short HEAD"
local changed = first_line "git status --porcelain -uno -- lua src" ~= ""
run.facts = {
  { "day", os.date "!%Y-%m-%d" },
  { "machine", ("%s, %d cores, %.0f GB: the server on one core, the load on %s"):format(
    field_of("/proc/cpuinfo", "^model name%s*: (.+)"), kit.cores,
    field_of("/proc/meminfo", "^MemTotal:%s*(%d+)") / 1024 ^ 2,
    kit.cores > 1 and "another" or "the same") },
  { "system", ("%s, %s"):format(field_of("/etc/os-release", '^PRETTY_NAME="(.+)"'),
    (first_line "uname -sr":match "^[^-]*")) },
  { "luamcp", ("%s%s%s"):format(list.luamcp.version or "?", commit ~= "" and " at " .. commit or "",
    changed and " with changes" or "") },
  { "rounds", ("%d of %d s, %d starts, in %.0f s"):format(kit.rounds, kit.seconds, measure.starts,
    drive.now() - begun) },
  { "other programs", ("used %.0f %% of the machine%s"):format(others * 100,
    others > kit.shaky and ": **the figures are shaky, run it again**" or "") },
}
run.command = ("    make bench-peers ROUNDS=%d SECONDS=%d CONNS=%s STREAMS=%d STARTS=%d"):format(
  kit.rounds, kit.seconds, table.concat(measure.conns, ","), measure.streams, measure.starts)
io.stderr:write(("%s, %.0f s\n"):format(report.write(run, FOLDER), drive.now() - begun))
