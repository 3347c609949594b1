-- SPDX-License-Identifier: MIT
-- Walks over every allocation of a piece of work: each fails once alone, and
-- once with all that come after it. Needs a build with MCP_MEM_FAULTS.
local core = require "mcp.core"

local walk = {}

-- Bytes that Lua may hold more than before without having lost any: tables and
-- stacks that grew, coroutines kept for the next message.
local SLACK = 2048
-- A leak shows again each time, round after round; a table that happens to grow
-- in one of them has not lost anything.
local REPEATS, ROUNDS = 8, 6
-- A connection that was never told to close waits for the other side to close: what it
-- holds is given back later, and is not lost. In seconds, more than any such wait.
local PATIENCE = 12

walk.points, walk.findings = 0, 0
walk.share = 1 -- of the points; less than 1 takes a sample

-- Where the walk is, for whoever finds the process dead.
local place

---@param path string a file that always names the point at hand
function walk.note_place(path) place = assert(io.open(path, "w")) end

local function note(name, nth, onward)
  if not place then return end
  place:seek "set"
  place:write(("%s: allocation %d%-40s\n"):format(name, nth, onward and " and all after" or ""))
  place:flush()
end

local function finding(name, nth, onward, text)
  walk.findings = walk.findings + 1
  io.stdout:write(("FOUND %s: allocation %d%s: %s\n"):format(name, nth,
    onward and " and all after" or "", text))
  io.stdout:flush()
end

local function held()
  collectgarbage()
  collectgarbage()
  return core.bytes_held()
end

---@class walk.Work
---@field name string
---@field run fun(state: table) done while memory fails; may raise
---@field mend fun(state: table): string|nil afterwards: closes, checks; the problem

-- One run with one failure.
local function fail_once(work, nth, onward)
  local state = {}
  note(work.name, nth, onward)
  core.fail_allocation(nth, onward)
  local ok, message = pcall(work.run, state)
  core.fail_allocation(0)
  if not ok and type(message) == "string" and not message:find("memory", 1, true)
    and not message:find("ENOMEM", 1, true) and not message:find("error in error", 1, true) then
    -- Some failures are told in other words; what they may not be is a fault of
    -- the program.
    if message:find("attempt to", 1, true) then return "raised: " .. message end
  end
  local fine, problem = pcall(work.mend, state)
  if not fine then return "afterwards: " .. tostring(problem) end
  return problem
end

local function check_leak(work, nth, onward, before)
  local now = held()
  if now <= before + SLACK then return now end
  for _ = 1, REPEATS do fail_once(work, nth, onward) end
  local first = held()
  local last = first
  for _ = 1, ROUNDS do
    for _ = 1, REPEATS do fail_once(work, nth, onward) end
    local after = held()
    if after - last < 8 * REPEATS then return after end
    last = after
  end
  local deadline = core.now() + PATIENCE
  repeat
    core.step(0.05)
    if held() <= first + SLACK then return held() end
  until core.now() > deadline
  finding(work.name, nth, onward, ("%.0f bytes are lost each time")
    :format((last - first) / (REPEATS * ROUNDS)))
  return last
end

---@param work walk.Work
function walk.over(work)
  local count = 0
  for _ = 1, 9 do
    local state, before = {}, core.allocation_count()
    work.run(state)
    count = math.max(count, core.allocation_count() - before)
    local problem = work.mend(state)
    if problem then error(("%s fails with all memory: %s"):format(work.name, problem), 0) end
  end
  local started, before = core.now(), held()
  local stride = math.max(1, math.floor(1 / walk.share))
  local checked = 0
  for _, onward in ipairs { false, true } do
    for nth = 1 + (walk.points % stride), count, stride do
      local problem = fail_once(work, nth, onward)
      walk.points = walk.points + 1
      checked = checked + 1
      if problem then finding(work.name, nth, onward, problem) end
      before = check_leak(work, nth, onward, before)
    end
  end
  io.stdout:write(("%-28s %6d points, %6d walked, %6.1f s\n"):format(work.name, count, checked,
    core.now() - started))
  io.stdout:flush()
end

return walk
