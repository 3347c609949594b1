-- SPDX-License-Identifier: MIT
-- lwait_spec.lua: src/lua/lwait.c: the coroutines of a waiter, and sleep. How a waiter is woken and
-- waited for is in waiter_spec.lua.
local core = require "mcp.core"

describe("a waiter", function()
  after_each(function() assert.equal(0, core.task_count()) end)

  it("cancels the tasks that it has started: their <close> variables run", function()
    local waiter, closed, codes = core.waiter(), 0, {}
    for i = 1, 3 do
      waiter:spawn(function()
        local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        codes[i] = select(3, core.sleep(60))
        core.sleep(60)
      end)
    end
    core.spawn(function() codes[4] = select(3, core.sleep(0.001)) end)
    waiter:cancel()
    assert.same({ "ECANCELED", "ECANCELED", "ECANCELED" }, codes)
    assert.equal(3, closed)
    waiter:cancel()
    assert.is_true(waiter:wait())
    while core.task_count() > 0 do core.step(1) end
    assert.is_nil(codes[4])
  end)

  it("cancels its tasks from inside one of them, which hears of it at its next wait", function()
    local waiter, codes = core.waiter(), {}
    waiter:spawn(function() codes[1] = select(3, core.sleep(60)) end)
    waiter:spawn(function()
      waiter:cancel()
      codes[2] = select(3, core.sleep(60))
    end)
    waiter:wait()
    while core.task_count() > 0 do core.step(1) end
    assert.same({ "ECANCELED", "ECANCELED" }, codes)
  end)

  it("cancels its tasks though the first one ends the others and starts more", function()
    for _, how in ipairs { "cancel", "wake", "spawn", "close" } do
      local waiter, codes, other, ends = core.waiter(), {}, core.waiter(), 0
      local function wait(name)
        local _ <close> = setmetatable({}, { __close = function() ends = ends + 1 end })
        codes[name] = select(3, core.sleep(60)) or "woken"
      end
      waiter:spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          ends = ends + 1
          if how == "close" then waiter:cancel() end
        end })
        codes.first = select(3, core.sleep(60))
        -- Here the walk over the waiter's tasks has only begun.
        if how == "cancel" then waiter:cancel() end
        if how == "wake" then other:wake() end
        if how == "spawn" then
          for i = 1, 3 do waiter:spawn(wait, "late " .. i) end
        end
        -- To wait once more is the end: what is to be closed is closed at once.
        if how == "close" then core.sleep(60) end
      end)
      waiter:spawn(function()
        local _ <close> = setmetatable({}, { __close = function() ends = ends + 1 end })
        local ok, _, code = other:wait()
        codes.second = ok and "woken" or code
      end)
      waiter:spawn(wait, "third")
      waiter:cancel()
      assert.is_true(waiter:wait(5), how)
      assert.equal("ECANCELED", codes.first)
      assert.equal(how == "wake" and "woken" or "ECANCELED", codes.second, how)
      assert.equal("ECANCELED", codes.third)
      for i = 1, how == "spawn" and 3 or 0 do assert.equal("ECANCELED", codes["late " .. i]) end
      assert.equal(how == "spawn" and 6 or 3, ends)
      assert.equal(0, core.task_count())
    end
  end)

  it("may be collected with its timer", function()
    for _ = 1, 100 do
      local waiter = core.waiter()
      waiter:wait(0)
    end
    collectgarbage()
    core.step(0)
  end)

  it("refuses what is no time", function()
    for _, seconds in ipairs { -1, 0 / 0, 1 / 0, 1e13, "x", {} } do
      assert.error(function() core.waiter():wait(seconds) end)
      assert.error(function() core.sleep(seconds) end)
    end
  end)
end)

describe("sleep", function()
  it("never ends early, in a task or outside", function()
    local from = core.now()
    core.sleep(0.0151)
    core.step(0)
    assert.is_true(core.now() - from >= 0.015)
    local slept
    core.spawn(function()
      local begin = core.now()
      assert.is_true(core.sleep(0.0151))
      slept = core.now() - begin
    end)
    while not slept do core.step(1) end
    assert.is_true(slept >= 0.015)
  end)

  it("ends in the order of time", function()
    local order = {}
    for i = 5, 1, -1 do
      core.spawn(function()
        core.sleep(i * 0.003)
        order[#order + 1] = i
      end)
    end
    while core.task_count() > 0 do core.step(1) end
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("in a coroutine of one's own inside a task is an error that says what to do", function()
    local ok, text
    core.spawn(function()
      ok, text = coroutine.resume(coroutine.create(function() core.sleep(0) end))
    end)
    assert.is_false(ok)
    assert.matches("use mcp.spawn", text)
  end)

  it("where nothing can yield is an error", function()
    local ok, text
    core.spawn(function()
      ok, text = pcall(table.sort, { 2, 1 }, function() core.sleep(0) end)
    end)
    assert.is_false(ok)
    assert.matches("cannot wait here", text)
  end)

  it("inside pcall, metamethods and iterators goes on where it was", function()
    local got = {}
    core.spawn(function()
      local t = setmetatable({}, { __index = function(_, k)
        core.sleep(0.001)
        return k .. "!"
      end })
      got[1] = t.key
      got[2] = select(2, pcall(function()
        core.sleep(0.001)
        error "after"
      end)):match "after$"
      for i in function(_, i)
        core.sleep(0.001)
        return i < 3 and i + 1 or nil
      end, nil, 0 do
        got[2 + i] = i
      end
    end)
    while core.task_count() > 0 do core.step(1) end
    assert.same({ "key!", "after", 1, 2, 3 }, got)
  end)
end)
