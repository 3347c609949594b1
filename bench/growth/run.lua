-- SPDX-License-Identifier: MIT
-- make bench-growth: how cost grows. Prints the tables of docs/scale.md, which says what they show;
-- bench/README.md says how to run it. It talks to 127.0.0.1 only and ends only what it started.

local build = os.getenv "BUILD" or "build"
package.cpath = build .. "/bench/?.so;" .. package.cpath
package.path = "bench/growth/?.lua;" .. package.path
local clients = require "clients"
local crowd = require "crowd"
local drive = require "drive"
local machine = require "bench.machine"
local settings = require "bench.settings"

local option = settings.option
local QUICK = option("QUICK", "") ~= ""
local ONLY = option("ONLY", "")
local bench = {
  quick = QUICK,
  rounds = settings.whole("ROUNDS", QUICK and 1 or 7),
  seconds = settings.number("SECONDS", QUICK and 0.1 or 0.4),
  cores = drive.cores(),
  files = crowd.files(),
}
clients.log = build .. "/bench/growth.log"
os.remove(clients.log)
-- The server has one core, this process the other.
if bench.cores > 1 then drive.pin(1) end
bench.core = bench.cores > 1 and 0 or nil

local function wanted(name)
  if ONLY == "" then return true end
  for word in ONLY:gmatch "[^|]+" do
    if name:find(word, 1, true) then return true end
  end
  return false
end

print(("luamcp bench-growth: %d rounds of %g s, %d cores, %d descriptors a process"):format(
  bench.rounds, bench.seconds, bench.cores, bench.files))
local begun, used = drive.now(), machine.busy()
for _, part in ipairs { "calls", "notes", "sizes", "processes", "streams" } do
  for _, it in ipairs(require(part)) do
    if wanted(it.name) then
      local ok, message = pcall(it.run, bench)
      if not ok then print(("\n%s BROKEN: %s"):format(it.name, message)) end
      collectgarbage() -- ends what a broken part left running
    end
  end
end
print(("\n%.0f s, in which the machine was busy for %.0f %% of its time."):format(
  drive.now() - begun, (machine.busy() - used) / (drive.now() - begun) / bench.cores * 100))
