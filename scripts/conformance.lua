-- SPDX-License-Identifier: MIT
-- conformance.lua: the official conformance suite against spec/conformance/server.lua, and with
-- spec/conformance/client.lua as its client, judged more strictly than the suite judges: every
-- scenario needs a success and may have neither a failure nor a warning, and a skipped check only
-- where it is listed below; a client may fail only where refusing is what is wanted. What cannot
-- pass yet is listed with its reason; an entry that passes is an error too, so the list can only
-- shrink.
--
--   lua5.4 scripts/conformance.lua                      all legs
--   lua5.4 scripts/conformance.lua 2026-07-28           one of them
--   lua5.4 scripts/conformance.lua client-2026-07-28    one with us as the client
--   lua5.4 scripts/conformance.lua gateway-2026-07-28   one through `luamcp gateway`; bridge-…:
--                                                       through `luamcp bridge`
--   lua5.4 scripts/conformance.lua workers-2026-07-28   one against two workers; nginx-…: against
--                                                       two servers that share a Redis
--   lua5.4 scripts/conformance.lua --self-test          no server, or no client: the gate
--                                                       has to notice
--
-- MCP_BUILD is the build folder (build), PROGRAM the program in it. What the suite said stays in
-- BUILD/conformance/.
package.path = "./scripts/?.lua;" .. package.path
local background = require "background"
local cjson = require "cjson"
local several = require "several"

local quote = background.quote

local BUILD = os.getenv "MCP_BUILD" or "build"
local PROGRAM = os.getenv "PROGRAM" or BUILD .. "/luamcp"
local OUT = BUILD .. "/conformance"
local SERVER = "spec/conformance/server.lua"

-- The two sets of requirements, and the older revisions as the filter the suite has for them. The
-- numbers are those of the pinned suite: with fewer the gate would have been open.
local SETS = {
  { name = "2025-11-25", select = "--requirements 2025-11-25", server = 33, client = 25,
    through = true },
  { name = "2026-07-28", select = "--requirements 2026-07-28", server = 50, client = 39,
    through = true },
  { name = "2025-06-18", select = "--suite all --spec-version 2025-06-18", server = 27,
    client = 5 },
  -- Authorization of a client as it was then: without a document of the server's.
  { name = "2025-03-26", select = "--suite all --spec-version 2025-03-26", server = 1,
    client = 2 },
}

-- The same server through another of ours: what passes through scores as what is asked directly.
-- And as several processes: two workers, and two servers that share a Redis with nginx in front.
local THROUGH = { "gateway", "bridge", "workers", "nginx" }

local LEGS = {}

local function add_leg(name, set, side, through)
  LEGS[#LEGS + 1] = { name = name, select = set.select, scenarios = set[side],
    client = side == "client" or nil, through = through }
end

for _, set in ipairs(SETS) do add_leg(set.name, set, "server") end
for _, set in ipairs(SETS) do add_leg("client-" .. set.name, set, "client") end
for _, through in ipairs(THROUGH) do
  for _, set in ipairs(SETS) do
    if set.through then add_leg(through .. "-" .. set.name, set, "server", through) end
  end
end

-- In no set: each is named, and forced.
local SKILLS = "--spec-version 2026-07-28 --force"
LEGS[#LEGS + 1] = { name = "skills", select = SKILLS, scenarios = 3,
  names = { "sep-2640-skills-directory", "sep-2640-skills-enumeration",
    "sep-2640-skills-manifest" } }
LEGS[#LEGS + 1] = { name = "client-skills", select = SKILLS, scenarios = 4, client = true,
  names = { "sep-2640-client-no-prefetch", "sep-2640-client-verify-digest",
    "sep-2640-client-verify-frontmatter", "sep-2640-client-verify-size" } }

-- By the side under test.
local NOT_YET = {
  server = {
    ["tasks-status-notifications"] = "the suite skips its only check, whatever the server does",
  },
  client = {},
}

-- Scenarios of a client in which the server lies or asks for too much: the client has to end
-- with an error.
local REFUSED = {}
for name in ([[scope-retry-limit resource-mismatch iss-supported-missing iss-wrong-issuer
  iss-unexpected iss-normalized metadata-issuer-mismatch]]):gmatch "%S+" do
  REFUSED["auth/" .. name] = true
end
for name in ("digest frontmatter size"):gmatch "%S+" do
  REFUSED["sep-2640-client-verify-" .. name] = true
end

-- Checks that may be skipped, by scenario, and what they say then.
local SKIPPED = {
  -- This revision has neither.
  ["http-standard-headers"] = { ["sep-2243-client-includes-standard-headers"] =
    "did not send a %S-initialized? request" },
}

local function shell(format, ...)
  return os.execute(format:format(...))
end

local function read_json(path)
  local file <close> = assert(io.open(path, "rb"))
  return cjson.decode(file:read "a")
end

-- The client under test, as the suite starts it.
local CLIENT = PROGRAM .. " run spec/conformance/client.lua"

-- Runs one leg against `target`: the address of a server, or the command of a client. The folder
-- of each scenario by its name.
local function run_suite(leg, target, out)
  shell("rm -rf %s && mkdir -p %s", quote(out), quote(out))
  shell("rm -f %s", quote(out .. ".log"))
  for _, name in ipairs(leg.names or { false }) do
    -- Its status is its own opinion; ours is made of the checks it wrote down.
    shell("PATH=%s:$PATH conformance %s %s %s%s --timeout %d -o %s >>%s 2>&1 </dev/null",
      quote(BUILD .. "/node/node_modules/.bin"),
      leg.client and "client --command" or "server --url", quote(target), leg.select,
      name and " --scenario " .. name or "", leg.client and 30000 or 10000, quote(out),
      quote(out .. ".log"))
  end
  local folders, count = {}, 0
  -- A folder without checks.json counts too: the suite gave up on that one.
  local pipe <close> = assert(io.popen(("cd %s && find . -type d"):format(quote(out))))
  for path in pipe:lines() do
    local folder = path:match "^%./(.+)$"
    local name = folder and folder:match "^(.+)%-%d%d%d%d%-%d%d%-%d%dT[%dZ-]+$"
    if name and not leg.client then name = name:match "^server%-(.+)$" end
    if name and not folders[name] then
      folders[name] = out .. "/" .. folder
      count = count + 1
    end
  end
  return folders, count
end

-- Adds to `wrong` how a client ended, if that is not as it should be. The suite does not look.
local function judge_end(name, folder, wrong)
  local file <close> = assert(io.open(folder .. "/stderr.txt", "rb"))
  local said = ("\n" .. file:read "a"):match "\nluamcp: ([^\n]*)\nstack traceback:"
  if said and not REFUSED[name] then
    wrong[#wrong + 1] = "the client failed: " .. said
  elseif REFUSED[name] and not said then
    wrong[#wrong + 1] = "the client took what it has to refuse"
  end
end

-- What is wrong with a scenario, as lines; none if it passed. And how many successes it had.
local function judge(name, checks)
  local wrong, successes, may_skip, skipped = {}, 0, SKIPPED[name] or {}, {}
  for _, check in ipairs(checks) do
    local text = type(check.errorMessage) == "string" and ": " .. check.errorMessage or ""
    if check.status == "SUCCESS" then
      successes = successes + 1
    elseif check.status == "SKIPPED" and may_skip[check.id] and text:find(may_skip[check.id]) then
      skipped[check.id] = true
    elseif check.status ~= "INFO" then
      wrong[#wrong + 1] = ("%s %s%s"):format(check.status, check.id, text)
    end
  end
  if successes == 0 then wrong[#wrong + 1] = "no check succeeded" end
  for id in pairs(may_skip) do
    if not skipped[id] then
      wrong[#wrong + 1] = id .. " was not skipped: take it off the list of SKIPPED"
    end
  end
  table.sort(wrong)
  return wrong, successes
end

-- Runs and judges a leg; calls report(name, wrong, successes) for each scenario in order.
local function each_scenario(leg, target, out, report)
  local folders, count = run_suite(leg, target, out)
  local names = {}
  for name in pairs(folders) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local ok, checks = pcall(read_json, folders[name] .. "/checks.json")
    if ok then
      local wrong, successes = judge(name, checks)
      if leg.client then judge_end(name, folders[name], wrong) end
      report(name, wrong, successes)
    else
      report(name, { "no checks.json that can be read" }, 0)
    end
  end
  return count
end

local function start_server()
  return background.start({ PROGRAM, "run", SERVER, "--http", "127.0.0.1:0" },
    OUT .. "/server.log")
end

-- What stands in front of the server, by its name in a leg.
local FRONTS = {
  -- One server under the names that it has: the suite asks for those.
  gateway = function(url)
    local path = OUT .. "/gateway.json"
    local file <close> = assert(io.open(path, "wb"))
    file:write(cjson.encode { mcpServers = { fixture = { url = url } } })
    -- Each client is served in its own era: only sessions have streams to come back to.
    return { "gateway", "--no-prefix", "--sessions", "client", path }
  end,
  bridge = function(url) return { "bridge", url } end,
}

local function start_front(name, url)
  if name == "workers" then return several.workers(PROGRAM, OUT, { SERVER }) end
  if name == "nginx" then return several.machines(PROGRAM, OUT, { SERVER }) end
  local words = FRONTS[name](url)
  table.insert(words, 1, PROGRAM)
  table.move({ "--http", "127.0.0.1:0" }, 1, 2, #words + 1, words)
  return background.start(words, ("%s/%s.log"):format(OUT, name))
end

local function say(...)
  io.write(string.format(...), "\n")
  io.flush()
end

local function shorten(line)
  line = line:gsub("%s+", " ")
  return #line > 300 and line:sub(1, 300) .. " …" or line
end

-- The gate. Returns whether it opened.
local function gate(legs)
  local server <close> = start_server()
  local passed, waiting, bad = 0, 0, 0
  local seen = {}
  for _, leg in ipairs(legs) do
    local side = leg.client and "client" or "server"
    local front <close> = leg.through and start_front(leg.through, server.url) or nil
    local target = leg.client and CLIENT or front and front.url or server.url
    local count = each_scenario(leg, target, OUT .. "/" .. leg.name,
      function(name, wrong, successes)
        local reason = NOT_YET[side][name]
        seen[side .. name] = true
        if #wrong == 0 and not reason then
          passed = passed + 1
          say("%s  ok       %s (%d)", leg.name, name, successes)
        elseif #wrong > 0 and reason then
          waiting = waiting + 1
          say("%s  not yet  %s: %s", leg.name, name, reason)
        elseif reason then
          bad = bad + 1
          say("%s  PASSED   %s: take it off the list of NOT_YET", leg.name, name)
        else
          bad = bad + 1
          say("%s  FAILED   %s", leg.name, name)
          for _, line in ipairs(wrong) do say("             %s", shorten(line)) end
        end
      end)
    if count ~= leg.scenarios then
      bad = bad + 1
      say("%s  FAILED   %d scenarios were run, and %d should have been; see %s/%s.log", leg.name,
        count, leg.scenarios, OUT, leg.name)
    end
    for _, each in ipairs { server, front } do
      if not each:is_alive() then error("the server is gone; see " .. each.log, 0) end
    end
    local status = front and front:stop() or 0
    if status ~= 0 then
      bad = bad + 1
      say("%s  FAILED   %s ended with status %d; see %s", leg.name, leg.through, status,
        front.log)
    end
  end
  if #legs == #LEGS then
    for side, list in pairs(NOT_YET) do
      for name in pairs(list) do
        if not seen[side .. name] then
          bad = bad + 1
          say("FAILED   there is no scenario %s, but it is on the list of NOT_YET", name)
        end
      end
    end
  end
  local status = server:stop()
  if status ~= 0 then
    bad = bad + 1
    say("FAILED   the server ended with status %d; see %s", status, server.log)
  end
  say("conformance: %d passed, %d not yet, %d failed", passed, waiting, bad)
  return bad == 0
end

-- Without a server every scenario has to fail, those on the lists too; and so with a client that
-- does nothing.
local function self_test(legs)
  local server = start_server()
  server:stop() -- a port that was free a moment ago, and is dead now
  local noticed, missed = 0, 0
  for _, leg in ipairs(legs) do
    -- What stands in front of a dead server is not what the gate has to notice.
    if leg.through then goto next end
    local target, missing = server.url, "a server"
    if leg.client then target, missing = "true", "a client" end
    local count = each_scenario(leg, target, OUT .. "/dead-" .. leg.name, function(name, wrong)
      if #wrong > 0 then
        noticed = noticed + 1
      else
        missed = missed + 1
        say("%s  FAILED   %s passes without %s", leg.name, name, missing)
      end
    end)
    if count ~= leg.scenarios then
      missed = missed + 1
      say("%s  FAILED   %d scenarios were run, and %d should have been", leg.name, count,
        leg.scenarios)
    end
    ::next::
  end
  say("conformance self-test: %d scenarios without a peer, %d noticed", noticed + missed, noticed)
  return missed == 0 and noticed > 0
end

local function main(words)
  local test, legs = gate, {}
  for _, word in ipairs(words) do
    local found = nil
    for _, leg in ipairs(LEGS) do found = leg.name == word and leg or found end
    if word == "--self-test" then
      test = self_test
    elseif found then
      legs[#legs + 1] = found
    else
      io.stderr:write(("conformance.lua: %q is neither a leg nor --self-test\n"):format(word))
      return false
    end
  end
  if not legs[1] then legs = LEGS end
  if not shell("BUILD=%s scripts/deps conformance", quote(BUILD)) then return false end
  shell("mkdir -p %s", quote(OUT))
  return test(legs)
end

os.exit(main(arg), true)
