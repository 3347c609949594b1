-- SPDX-License-Identifier: MIT
-- arena_spec.lua: src/base/arena.c, which gives the program's Lua its memory: what Lua gives back
-- is given back, whatever sizes it had on its way.
local helper = require "spec.helper"

-- How many bytes 300 rounds of the work in `source` leave allocated after a warm-up.
local function growth(source)
  local path = helper.file(([[
    local system = require "codecs.system"
    local function work() %s end
    local function held(rounds)
      for _ = 1, rounds do work() end
      collectgarbage()
      collectgarbage()
      return system.heap()
    end
    local before = held(200)
    io.write(("%%d\n"):format(held(300) - before))
  ]]):format(source))
  local said, status = helper.shell(helper.quote(helper.program()) .. " run " .. path)
  helper.remove_files()
  assert.equal(0, status)
  return assert(math.tointeger(tonumber(said)), said)
end

describe("the program's memory", function()
  for what, source in pairs {
    ["of tables that grow"] = "local t = {} for i = 1, 300 do t[i] = i end",
    ["of tables that shrink to little"] = [[
      local t = {}
      for i = 1, 2000 do t["k" .. i] = true end
      for i = 1, 2000 do t["k" .. i] = nil end
      t.a = 1 t.b = 2 t.c = 3
      for i = 1, 3000 do t[i] = i t[i] = nil end
    ]],
    ["of arrays that become small"] = [[
      local t = {}
      for i = 1, 64 do t[i] = i end
      for i = 4, 64 do t[i] = nil end
      t.x = 1 -- a new size is chosen
    ]],
    ["of texts of all lengths"] = "for i = 0, 12 do local _ = ('x'):rep(1 << i) .. i end",
    ["of buffers that grow by pieces"] = [[
      local parts = {}
      for i = 1, 200 do parts[i] = ('y'):rep(i) end
      local _ = table.concat(parts)
    ]],
    ["of functions that are compiled"] = [[
      for n = 1, 60 do assert(load(("local a = b.c "):rep(n))) end
    ]],
    ["of coroutines, their stacks deep and flat"] = [[
      local function down(n) if n > 0 then return 1 + down(n - 1) end return 0 end
      local co = coroutine.wrap(function()
        coroutine.yield(down(300))
        return 1
      end)
      co() collectgarbage() co()
    ]],
  } do
    it(what .. " is given back", function()
      local left = growth(source)
      assert.is_true(left < 65536, left)
    end)
  end

  it("is returned to the system after many small values were kept near the memory limit", function()
    -- What a task with such a result was, and is dropped: blocks of all sizes, and a few that stay.
    local path = helper.file [[
      local core = require "mcp.core"
      local system = require "codecs.system"
      core.limit_memory(32 << 20)
      local share <close> = core.share()
      local stay = {}
      local function fill()
        local all = {}
        for i = 1, 100000 do
          all[i] = { i, { name = "n" .. i } }
          if i % 20000 == 0 then stay[#stay + 1] = { "stays", tostring(i) } end
        end
        return all
      end
      local before = system.heap()
      local all = fill()
      local most = system.heap() - before
      all = nil
      assert(share:charge(4 << 20))
      share:release(4 << 20)
      print(most, system.heap() - before)
      -- What stayed is whole, and the memory is used again.
      for round = 1, 3 do
        all = fill()
        for i, entry in ipairs(all) do assert(entry[1] == i and entry[2].name == "n" .. i) end
        all = nil
        assert(share:charge(4 << 20))
        share:release(4 << 20)
      end
      for i, entry in ipairs(stay) do
        assert(entry[1] == "stays" and entry[2] == tostring(((i - 1) % 5 + 1) * 20000))
      end
      print(system.heap() - before)
    ]]
    local said, status = helper.shell(helper.quote(helper.program()) .. " run " .. path)
    helper.remove_files()
    assert.equal(0, status, said)
    local most, left, after = said:match "(%d+)%s+(%-?%d+)%s+(%-?%d+)"
    -- Under a sanitizer, whose allocator this is not, all three are 0.
    assert.is_true(tonumber(most) > 10 << 20 or tonumber(most) == 0, said)
    -- Values that stay keep the pieces that they are in.
    assert.is_true(tonumber(left) <= most / 8, said)
    assert.is_true(tonumber(after) <= most / 8, said)
  end)
end)
