-- SPDX-License-Identifier: MIT
-- thread_spec.lua: src/net/thread.c: work for a thread, what comes back, and how it is stopped.
local pace = require "spec.pace"
local system = require "codecs.system"
local thread = require "codecs.thread"

local LIMIT = pace.limit(5)
-- mcp_thread_note waits above this, in bytes (MCP_THREAD_NOTES).
local NOTES = 64 << 10

describe("a thread", function()
  local loop, own
  before_each(function()
    loop = thread.open()
    own = loop:start()
  end)
  after_each(function()
    loop:close()
    loop, own = nil, nil
    collectgarbage()
  end)

  local function wait_for(test, what)
    local deadline = system.now() + LIMIT
    while not test(own:seen()) do
      assert(system.now() < deadline, what)
      loop:step(5)
    end
    return own:seen()
  end

  local function answers(text)
    return wait_for(function(seen) return seen.answers == text end, "answers: " .. text)
  end

  it("answers one piece of work after the other", function()
    own:post "echo 1"
    answers "echo 1;"
    own:post "echo 2"
    assert.is_false(answers("echo 1;echo 2;").ended)
  end)

  it("keeps the loop alive while it is held", function()
    assert.equal(0, loop:step(0))
    own:hold(true)
    assert.equal(1, loop:step(0))
    own:hold(false)
    assert.equal(0, loop:step(0))
  end)

  it("stops: a loop by the interrupt, a sleep and a full queue of notes by waking", function()
    for _, case in ipairs { { "spin", "interrupted" }, { "sleep 60000", "stopped" },
      { "notes 1000", "stopped" } } do
      local before = own:seen().answers
      own:post(case[1])
      local began = system.now()
      while system.now() < began + 0.03 do loop:step(5) end
      assert.equal(before, own:seen().answers)
      own:stop()
      answers(before .. case[2] .. ";")
    end
    assert.is_true(own:seen().interrupts > 0)
  end)

  it("a stop holds until the next piece of work, and no longer", function()
    own:post "echo 1"
    answers "echo 1;"
    own:stop()
    own:post "sleep 20"
    answers "echo 1;slept;"
  end)

  it("waits when its notes are not used, and goes on when they are", function()
    own:post "notes 200"
    local full = NOTES // 1024 + 1
    wait_for(function(seen) return seen.notes == full end, "the limit of notes")
    loop:step(30)
    assert.equal(full, own:seen().notes)
    own:credit(10 * 1024)
    wait_for(function(seen) return seen.notes == full + 10 end, "ten more")
    -- More than it has is no credit for later.
    own:credit(1 << 40)
    wait_for(function(seen) return seen.notes == 2 * full + 10 end, "the rest of them")
    own:stop()
    answers "stopped;"
  end)

  it("that is closed ends, idle or at work", function()
    own:close()
    wait_for(function(seen) return seen.ended end, "its end")
    own = loop:start()
    own:post "spin"
    own:close()
    wait_for(function(seen) return seen.ended end, "its end")
  end)

  it("work that is posted to a thread that is closing is not done", function()
    own:post "block 30"
    own:close()
    own:post "echo never"
    wait_for(function(seen) return seen.ended end, "its end")
    assert.is_nil(own:seen().answers:find "never")
  end)

  it("no interrupt comes once it has let go of what the interrupt uses", function()
    own:post "spin"
    loop:step(5)
    local shared = own
    assert.is_true(own:end_by(LIMIT * 1000))
    assert.equal(0, shared:seen().late)
    assert.is_true(shared:seen().interrupts > 0)
  end)

  it("one that does not stop is left in time, and ends later", function()
    own:post "block 300"
    loop:step(20)
    local began = system.now()
    assert.is_false(own:end_by(50))
    local took = system.now() - began
    assert.is_true(took >= 0.049 and took < 0.25 * pace.limit(1), took)
    -- No callback comes, and the loop does not wait for it.
    assert.equal(0, loop:step(0))
    assert.is_false(own:seen().ended)
    system.block(0.4)
  end)

  it("200 that come and go, some at work, leave no memory and no descriptor", function()
    local function round()
      local list = {}
      for i = 1, 50 do
        list[i] = loop:start()
        list[i]:post(i % 2 == 0 and "spin" or "echo")
      end
      for _, one in ipairs(list) do one:close() end
      for _, one in ipairs(list) do
        local deadline = system.now() + LIMIT
        while not one:seen().ended do
          assert(system.now() < deadline)
          loop:step(5)
        end
      end
    end
    round()
    loop:step(0)
    collectgarbage()
    local bytes, fds = system.heap(), system.fd_count "self"
    for _ = 1, 4 do round() end
    loop:step(0)
    collectgarbage()
    collectgarbage()
    local grown = system.heap() - bytes
    -- A thread that stayed would hold its struct, 200 of them 80 KiB.
    assert.is_true(grown < 64 << 10, grown)
    assert.equal(fds, system.fd_count "self")
  end)
end)
