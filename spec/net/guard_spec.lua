-- SPDX-License-Identifier: MIT
-- guard_spec.lua: src/net/guard.c: the process that watches over a child, talked to over its line.
-- What a client sees of it is in process_spec.lua.
local guard = require "codecs.guard"
local process_facts = require "spec.process_facts"
local system = require "codecs.system"

local LOOP = "while :; do sleep 0.01; done"
local DEAF = "trap '' TERM; " .. LOOP

local state = process_facts.state

local function until_true(test, what)
  local deadline = system.now() + 5
  while not test() do
    assert(system.now() < deadline, "waited in vain for " .. what)
    os.execute "sleep 0.01"
  end
end

-- A guard whose child is a shell script, and the child's number. The shell has got as far as its
-- first loop or wait: its traps are set.
local function shell(script, grace)
  local path = os.tmpname()
  local held = guard.start(grace or 5000, "sh", "-c", ("%s\nrm %s; %s"):format(
    script:match "^trap[^;]*;" or ":", path, script))
  local kind, child = held:news()
  assert.equal("started", kind)
  until_true(function()
    local file <close> = io.open(path)
    return file == nil
  end, "the script")
  return held, child
end

-- Waits for the child's end, and then for the guard's; the reported status, and how long it took.
local function ends(held, from)
  local status = { held:news() }
  local took = system.now() - from
  assert.equal("exited", status[1])
  assert.same({ nil, "closed" }, { held:news() })
  assert.is_true(held:wait())
  return { status[2], status[3] }, took
end

describe("a guard", function()
  it("tells that the child runs, and how it ended; then it ends itself", function()
    for script, expected in pairs { ["exit 0"] = { 0, 0 }, ["exit 7"] = { 7, 0 },
      ["exit 255"] = { 255, 0 }, ["kill -ABRT $$"] = { 0, 6 }, ["kill -KILL $$"] = { 0, 9 } } do
      local held <close> = guard.start(5000, "sh", "-c", script)
      local kind, child = held:news()
      assert.equal("started", kind)
      assert.is_true(child > 0 and child ~= held:pid())
      assert.same(expected, (ends(held, 0)), script)
      assert.is_nil(state(child))
    end
  end)

  it("tells what could not be started, and why", function()
    local held <close> = guard.start(5000, "/there/is/no/such/program")
    assert.same({ "failed", 2, 2 }, { held:news() })
    assert.is_true(held:wait())
    local folder <close> = guard.start(5000, "/etc")
    assert.same({ "failed", 2, 13 }, { folder:news() })
    assert.is_true(folder:wait())
  end)

  it("is a process of its own: by name, descriptors, folder, group and signals", function()
    -- What we have open is not its own.
    local file <close> = assert(io.open "/etc/passwd")
    assert.equal("file", io.type(file))
    local held <close>, child = shell(LOOP)
    local pid = held:pid()
    local function read(what)
      local from <close> = assert(io.popen(("%s 2>/dev/null"):format(what)))
      return from:read "a"
    end
    assert.equal("mcp-guard\n", read(("cat /proc/%d/comm"):format(pid)))
    assert.equal("/\n", read(("readlink /proc/%d/cwd"):format(pid)))
    local links = read(("cd /proc/%d/fd && for i in *; do echo $i $(readlink $i); done")
      :format(pid))
    assert.matches("^0 /dev/null\n1 /dev/null\n2 /dev/null\n3 socket:%[%d+%]\n$", links)
    -- It leads a session, and so does the child.
    for _, leader in ipairs { pid, child } do
      local group, session = process_facts.of(leader):match "^%a %d+ (%d+) (%d+)"
      assert.same({ leader, leader }, { tonumber(group), tonumber(session) })
    end
    assert.equal(pid, process_facts.parent(child))
    for _, name in ipairs { "HUP", "INT", "TERM", "PIPE", "USR1" } do
      os.execute(("kill -%s %d"):format(name, pid))
    end
    assert.same({ nil, "timeout" }, { held:news(0.1) })
    held:word(0)
    ends(held, 0)
  end)

  it("waits for the whole group, and buries what the child has left", function()
    local held <close> = guard.start(5000, "sh", "-c", "sleep 0.3 & exit 3")
    held:news()
    local from = system.now()
    assert.same({ "exited", 3, 0 }, { held:news() })
    assert.same({ nil, "closed" }, { held:news() })
    assert.is_true(system.now() - from > 0.2)
    assert.is_true(held:wait())
  end)
end)

describe("a word to the guard", function()
  it("is the time until TERM, and from there to KILL", function()
    local held <close> = shell("trap 'exit 5' TERM; " .. LOOP)
    local from = system.now()
    held:word(200)
    local status, took = ends(held, from)
    assert.same({ 5, 0 }, status)
    assert.is_true(took > 0.19 and took < 1.5, took)

    local deaf <close> = shell(DEAF)
    from = system.now()
    deaf:word(200)
    status, took = ends(deaf, from)
    assert.same({ 0, 9 }, status)
    assert.is_true(took > 0.39 and took < 2, took)
  end)

  it("of 0 is KILL at once, in every stage", function()
    for _, before in ipairs { false, 5000, 1 } do
      local held <close> = shell(DEAF)
      if before then held:word(before) end
      -- After 1 ms TERM has been sent, and perhaps KILL: it is the same end.
      local from = system.now()
      held:word(0)
      local status, took = ends(held, from)
      assert.same({ 0, 9 }, status)
      assert.is_true(took < 1, took)
    end
  end)

  it("may come again: the end comes sooner, and never later", function()
    local held <close> = shell("trap 'exit 5' TERM; " .. LOOP)
    held:word(60000)
    local from = system.now()
    held:word(100)
    local status, took = ends(held, from)
    assert.same({ 5, 0 }, status)
    assert.is_true(took > 0.09 and took < 1.5, took)

    local other <close> = shell("trap 'exit 5' TERM; " .. LOOP)
    from = system.now()
    other:word(200)
    other:word(60000)
    status, took = ends(other, from)
    assert.same({ 5, 0 }, status)
    assert.is_true(took < 1.5, took)
  end)

  it("may begin with TERM, and only make that sooner", function()
    local TERM <const>, SIGNAL <const> = 0x40000000, 0x80000000
    local held <close> = shell("trap 'exit 5' TERM; " .. LOOP)
    local from = system.now()
    held:word(TERM | 5000)
    local status, took = ends(held, from)
    assert.same({ 5, 0 }, status)
    assert.is_true(took < 1.5, took)
    -- KILL after the number, in place of a step that has begun, and not twice.
    for _, before in ipairs { false, 60000, TERM | 60000 } do
      local deaf <close> = shell(DEAF)
      if before then deaf:word(before) end
      from = system.now()
      deaf:word(TERM | 300)
      status, took = ends(deaf, from)
      assert.same({ 0, 9 }, status)
      assert.is_true(took > 0.29 and took < 1.5, took)
    end
    local now <close> = shell(DEAF)
    now:word(TERM)
    assert.same({ 0, 9 }, (ends(now, 0)))
    -- A signal alone ends nothing.
    local deaf <close> = shell("trap 'exit 6' USR1; " .. LOOP)
    deaf:word(SIGNAL | 18)
    assert.same({ nil, "timeout" }, { deaf:news(0.1) })
    deaf:word(SIGNAL | 10)
    assert.same({ 6, 0 }, (ends(deaf, 0)))
  end)

  it("wakes what is stopped", function()
    local held <close>, child = shell("trap 'exit 5' TERM; kill -STOP $$; " .. LOOP)
    until_true(function() return state(child) == "T" end, "the stop")
    local from = system.now()
    held:word(300)
    local status, took = ends(held, from)
    assert.same({ 5, 0 }, status)
    assert.is_true(took < 0.59, took)
  end)

  it("has no first step where the child is gone and its group is not", function()
    local held <close> = guard.start(200, "sh", "-c", "(trap '' TERM; " .. LOOP .. ") & exit 4")
    held:news()
    assert.same({ "exited", 4, 0 }, { held:news() })
    assert.same({ nil, "timeout" }, { held:news(0.2) })
    -- TERM at once; KILL after the orphans' grace, not after the longer one.
    local from = system.now()
    held:word(60000)
    assert.same({ nil, "closed" }, { held:news() })
    local took = system.now() - from
    assert.is_true(took > 0.19 and took < 1.5, took)
    assert.is_true(held:wait())
  end)
end)

describe("when we are gone", function()
  it("the guard ends the child, in steps of its own grace", function()
    local held <close>, child = shell(DEAF, 200)
    local from = system.now()
    held:leave()
    assert.is_true(held:wait())
    local took = system.now() - from
    assert.is_true(took > 0.39 and took < 2, took)
    assert.is_nil(state(child))
  end)

  it("a shorter grace that was said before holds, a longer one does not", function()
    for word, most in pairs { [100] = 1, [60000] = 3 } do
      local held <close>, child = shell(DEAF, 600)
      held:word(word)
      local from = system.now()
      held:leave()
      assert.is_true(held:wait())
      local took = system.now() - from
      assert.is_true(took < most and took > (word == 100 and 0.19 or 1.1), took)
      assert.is_nil(state(child))
    end
  end)
end)
