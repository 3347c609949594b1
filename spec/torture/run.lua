-- SPDX-License-Identifier: MIT
-- The hunts' driver, run by the program itself:
--   luamcp spec/torture/run.lua failalloc [SHARE [NAME…]]   every allocation fails once
--   luamcp spec/torture/run.lua once                        each conversation, nothing fails
local core = require "mcp.core"
local scenarios = require "spec.torture.scenarios"
local talk = require "spec.torture.talk"

local what, share = arg[1], tonumber(arg[2] or 1)
local chosen = {}
for i = 3, #arg do chosen[arg[i]] = true end

local function wanted(name) return next(chosen) == nil or chosen[name] end

local new_app = require "spec.torture.app"
local conversations = {}
for _, scenario in ipairs(scenarios.duplex) do conversations[#conversations + 1] = scenario end
for _, scenario in ipairs(scenarios.http) do conversations[#conversations + 1] = scenario end

-- What was heard, without what is made by time and chance.
local function plain(heard)
  return (heard:gsub("\nid: [^\n]+", "\nid:"):gsub('"requestState":"[^"]*"', '"requestState":""'))
end

-- From where two texts differ.
local function difference(heard, expected)
  local at = 1
  while heard:byte(at) == expected:byte(at) do at = at + 1 end
  local from = math.max(1, at - 100)
  return ("%q instead of %q"):format(heard:sub(from, at + 200), expected:sub(from, at + 200))
end

local function run_once()
  for _, scenario in ipairs(conversations) do
    if wanted(scenario.name) then
      local heard, problem = talk.whole(new_app(), scenario)
      if arg[2] == "loud" then print(scenario.name, heard) end
      if problem then error(scenario.name .. ": " .. problem, 0) end
    end
  end
  local clients = require "spec.torture.clients"
  for _, work in ipairs(clients) do
    if wanted(work.name) then
      local state = {}
      work.run(state)
      local problem = work.mend(state)
      if problem then error(work.name .. ": " .. problem, 0) end
    end
  end
  print(("%d conversations held, and %d clients"):format(#conversations, #clients))
end

-- A conversation as a work for the walk. The app outlives all of them, so that
-- what a failure left behind in it is found by the next.
local function conversation(app, scenario)
  local way = talk[scenario.kind]
  talk.whole(app, scenario)
  local expected = plain(talk.whole(app, scenario))
  return {
    name = scenario.name,
    run = function(state) way.converse(app, scenario, state) end,
    mend = function(state)
      local problem = way.judge(scenario, state)
      problem = talk.close(state) or problem
      -- A client that never heard of its session, a listen whose client went: time, or
      -- the want of room, would end them.
      app.sessions:clear()
      for x in pairs(app.bus.listens) do
        if not x:is_open() then app.bus:forget(x) end
      end
      if problem then return problem end
      local heard, why = talk.whole(app, scenario)
      if why then return "the next conversation: " .. why end
      if plain(heard) ~= expected then
        return "the next conversation differs: " .. difference(plain(heard), expected)
      end
      return nil
    end,
  }
end

-- Some are held as well with an app that is made anew each time.
local COLD = { ["failures"] = true, ["modern"] = true, ["lists, first revision"] = true,
  ["http session"] = true }

local function cold(name, scenario)
  local way = talk[scenario.kind]
  return {
    name = name,
    run = function(state) way.converse(new_app(), scenario, state) end,
    mend = function(state)
      local problem = way.judge(scenario, state)
      return talk.close(state) or problem
    end,
  }
end

local function failalloc()
  local walk = require "spec.torture.walk"
  assert(core.fail_allocation(0), "this build cannot fail: it needs -DMCP_MEM_FAULTS")
  local started = os.time()
  walk.share = share
  walk.note_place(os.getenv "MCP_BUILD" .. "/torture.at")
  local app = new_app()
  for _, scenario in ipairs(conversations) do
    if wanted(scenario.name) then walk.over(conversation(app, scenario)) end
  end
  for _, scenario in ipairs(conversations) do
    local name = "cold " .. scenario.name
    if COLD[scenario.name] and wanted(name) then walk.over(cold(name, scenario)) end
  end
  for _, work in ipairs(require "spec.torture.works") do
    if wanted(work.name) then walk.over(work) end
  end
  -- Whole clients have ten times the points, and share most of them. Where an answer cannot come
  -- they wait, which a slow tool makes long: TORTURE_CLIENTS=no leaves them out.
  walk.share = share / 5
  if os.getenv "TORTURE_CLIENTS" ~= "no" then
    for _, work in ipairs(require "spec.torture.clients") do
      if wanted(work.name) then walk.over(work) end
    end
  end
  print(("%d points walked in %d s, %d findings"):format(walk.points, os.time() - started,
    walk.findings))
  return walk.findings == 0
end

if what == "failalloc" then
  if not failalloc() then os.exit(false, true) end
elseif what == "once" then
  run_once()
else
  error("failalloc or once expected", 0)
end
