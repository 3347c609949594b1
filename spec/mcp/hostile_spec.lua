-- SPDX-License-Identifier: MIT
-- hostile_spec.lua: code that does not want to end or to stop growing, as a tool of a real server:
-- in a worker's process, on a worker's thread, and in a plain handler. Each ends as docs/workers.md
-- and docs/server.md say, and other calls go on meanwhile.
local helper = require "spec.helper"
local support = require "spec.support"
local system = support.system

-- Sanitizers take their time, and need memory of their own.
local SANITIZED = (os.getenv "LD_PRELOAD" or "") ~= ""
local SLOW = SANITIZED and 5 or 1
local TIME, MEMORY = 0.3, 16 << 20

-- The file of the tool.
local ATTACKS = [[
  local A = {}
  local function spin() while true do end end
  A.loop = spin
  A["pcall trap"] = function() while true do pcall(spin) end end
  A["coroutine nest"] = function()
    local function deeper(n)
      if n == 0 then spin() end
      while true do coroutine.resume(coroutine.create(deeper), n - 1) end
    end
    deeper(20)
  end
  A["pattern blow-up"] = function() return ("a"):rep(40):find(("a?"):rep(40) .. ("a"):rep(40)) end
  A["string.rep"] = function() while true do local _ = ("x"):rep(1 << 21) end end
  A["table bomb"] = function() local t = {} while true do t[#t + 1] = { t } end end
  A["1 GiB concat"] = function() return #(("x"):rep(1 << 29) .. ("x"):rep(1 << 29)) end
  A["os.exit"] = function() os.exit(3) end
  A["__gc trap"] = function()
    setmetatable({}, { __gc = spin })
    collectgarbage()
    return "no finalizer ran"
  end
  A.fine = function() return "fine" end
  return function(args) return A[args.name]() end
]]

local SCRIPT = [[
  local mcp = require "mcp"
  local app = mcp.server { name = "hostile", timeout = 30 }
  local file, TIME, MEMORY = os.getenv "SPEC_FILE", tonumber(os.getenv "SPEC_TIME"),
    math.tointeger(os.getenv "SPEC_MEMORY")
  local input = { name = "string" }
  local budget = { time = TIME, memory = MEMORY }
  app:tool "process" { input = input, worker = file, process = true, budget = budget }
  app:tool "thread" { input = input, worker = file, budget = budget, stuck = 1 }
  app:tool "plain" { input = input, budget = { time = TIME } } (dofile(file))
  app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
  app:run { http = { port = 0 } }
]]

-- What each ends with: a pattern of the text that the model reads.
local EXCEEDED = {
  time = "longer than its budget of 0.3 s", memory = "its budget is 16777216 bytes",
  plain = 'tool "plain" exceeded its time budget of 0.3 s in line %d+',
}
EXCEEDED.either = { EXCEEDED.time, EXCEEDED.memory }
local OUTCOMES = {
  process = {
    loop = EXCEEDED.time, ["pcall trap"] = EXCEEDED.time, ["coroutine nest"] = EXCEEDED.time,
    ["pattern blow-up"] = EXCEEDED.time, ["string.rep"] = EXCEEDED.time,
    -- Whichever comes first.
    ["table bomb"] = EXCEEDED.either, ["1 GiB concat"] = EXCEEDED.either,
    ["os.exit"] = "its process ended with status 3", ["__gc trap"] = EXCEEDED.time,
  },
  thread = {
    loop = EXCEEDED.time, ["pcall trap"] = EXCEEDED.time, ["coroutine nest"] = EXCEEDED.time,
    -- Lua's own function runs on in its thread, which is abandoned.
    ["pattern blow-up"] = EXCEEDED.time, ["string.rep"] = EXCEEDED.time,
    ["table bomb"] = EXCEEDED.either, ["1 GiB concat"] = EXCEEDED.either,
    ["os.exit"] = "os.exit: this worker is a thread of the program", ["__gc trap"] = EXCEEDED.time,
  },
  plain = {
    loop = EXCEEDED.plain, ["pcall trap"] = EXCEEDED.plain, ["coroutine nest"] = EXCEEDED.plain,
    ["pattern blow-up"] = EXCEEDED.plain, ["string.rep"] = EXCEEDED.plain,
    -- Its memory is the server's: it grows until its time is spent.
    ["table bomb"] = EXCEEDED.plain,
    -- string.rep is stopped; an allocation that fails is an error like any other, and one that
    -- takes all the time ends in no line.
    ["1 GiB concat"] = { EXCEEDED.plain, "not enough memory", "its time budget of 0.3 s$" },
    -- These two are not stopped, as the docs say.
    ["os.exit"] = "exit 3", ["__gc trap"] = "held",
  },
}
local NAMES = { "loop", "pcall trap", "coroutine nest", "pattern blow-up", "string.rep",
  "table bomb", "1 GiB concat", "os.exit", "__gc trap" }

-- What the thread's worker loses to functions that nothing stops.
local LOST = { ["pattern blow-up"] = true, ["__gc trap"] = true }

local function is_one_of(text, patterns)
  if type(patterns) == "string" then return text:find(patterns) ~= nil end
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return true end
  end
  return false
end

describe("hostile code", function()
  after_each(function()
    support.stop_all()
    helper.remove_files()
  end)

  -- `wall` in KiB of address space.
  local function start(wall)
    local server = support.start("{}", { script = SCRIPT, wall = wall, env = {
      "SPEC_FILE=" .. helper.file(ATTACKS, ".lua"), "SPEC_TIME=" .. TIME,
      "SPEC_MEMORY=" .. MEMORY } })
    server.port = math.tointeger(tonumber((server:wait_said "answers at http://[^%s]-:(%d+)/")))
    return server
  end

  -- Calls the tool with an attack, and others while it runs. The text of its result, the seconds
  -- until then, how many others were answered and how long the slowest took.
  local function attack(server, tool, name)
    local client <close> = support.client(server)
    local other <close> = support.client(server)
    local began, others, slowest = system.now(), 0, 0
    client:send(support.call(1, tool, { name = name }))
    repeat
      local sent = system.now()
      assert.equal("yes", other:call(2, "echo", { text = "yes" }))
      slowest = math.max(slowest, system.now() - sent)
      others = others + 1
      client:more(0.005)
    until client.buffer ~= "" or system.now() - began > support.LIMIT
    local took = system.now() - began
    local result = client:answer().json.result
    return result.isError and result.content[1].text or "(no error) " .. result.content[1].text,
      took, others, slowest
  end

  for _, tool in ipairs { "process", "thread" } do
    it(("in a worker's %s ends within its budget, and disturbs no other call"):format(tool),
      function()
        local server = start()
        -- The state is made, and the process started.
        assert.equal("(no error) fine", (attack(server, tool, "fine")))
        for _, name in ipairs(NAMES) do
          local text, took, others, slowest = attack(server, tool, name)
          local seen = ("%s: %s, %.2f s, %d others, the slowest %.3f s"):format(name, text, took,
            others, slowest)
          assert.is_true(is_one_of(text, OUTCOMES[tool][name]), seen)
          -- A state and a process are made anew in that time.
          assert.is_true(took < (2 * TIME + 0.5) * SLOW, seen)
          if text:find(EXCEEDED.time, 1, true) then assert.is_true(others >= 5, seen) end
          assert.is_true(slowest < 0.3 * SLOW, seen)
          assert.equal("(no error) fine", (attack(server, tool, "fine")), name)
          if tool == "thread" and LOST[name] then
            server:wait_said "its thread keeps running"
            server.said = ""
          else
            assert.is_nil(server:told():find("its thread keeps running", 1, true), name)
          end
        end
      end)
  end

  it("in a plain handler ends with what the docs promise", function()
    for _, name in ipairs(NAMES) do
      local wanted = OUTCOMES.plain[name]
      local server = start(not SANITIZED and 1 << 20 or nil)
      local client <close> = support.client(server)
      local began = system.now()
      client:send(support.call(1, "plain", { name = name }))
      if wanted == "exit 3" then
        assert.same({ "exit", 3 }, { server:wait_end() })
      elseif wanted == "held" then
        server:wait_said "a handler still holds the loop after 1 s"
        assert.equal("", client.buffer)
        -- Its owner can end it.
        server.process:kill "TERM"
        system.block(0.2)
        server.process:kill "TERM"
        assert.same({ "exit", 143 }, { server:wait_end() })
      else
        local result = client:answer().json.result
        local took = system.now() - began
        local seen = ("%s: %s, %.2f s"):format(name, result.content[1].text, took)
        assert.is_true(result.isError, seen)
        assert.is_true(is_one_of(result.content[1].text, wanted), seen)
        assert.is_true(took < (2 * TIME + 0.3) * SLOW, seen)
        assert.is_true(support.alive(server), name)
      end
      support.stop_all()
    end
  end)
end)
