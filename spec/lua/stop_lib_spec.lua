-- SPDX-License-Identifier: MIT
-- stop_lib_spec.lua: the functions of src/lua/stop_lib.c do what Lua's own do. A script runs each
-- case with Lua's own functions, then with ours, and compares.
local helper = require "spec.helper"

local SCRIPT = [==[
  local core = require "mcp.core"
  local own = { resume = coroutine.resume, wrap = coroutine.wrap, close = coroutine.close,
    xpcall = xpcall, rep = string.rep, find = string.find }
  local function closer(note) return setmetatable({}, { __close = function(_, e) note(e) end }) end
  local function handler(e) return "handled " .. tostring(e) end
  -- Each returns a list.
  local CASES = {
    function(l)
      return { l.resume(coroutine.create(function(...) return ... end), 1, nil, 3, nil) }
    end,
    function(l)
      local co = coroutine.create(function(a) return coroutine.yield(a + 1) end)
      return { l.resume(co, 1), "then", l.resume(co, "x") }
    end,
    function(l)
      local co = coroutine.create(function() end)
      l.resume(co)
      return { l.resume(co) }
    end,
    function(l) return { l.resume(coroutine.running()) } end,
    function(l) return { l.resume(coroutine.create(function() error "e" end)) } end,
    function(l) return { l.resume(coroutine.create(function() error({ 1 }) end)) } end,
    -- Its text is another in later versions of Lua.
    function(l) return { (pcall(l.resume, "x")) } end,
    function(l) return { pcall(l.wrap, "x") } end,
    function(l) return { l.wrap(function(...) return select("#", ...), ... end)(nil, nil) } end,
    function(l) return { pcall(l.wrap(function() error "in it" end)) } end,
    function(l) return { pcall(l.wrap(function() error({}) end)) } end,
    function(l)
      local f = l.wrap(function() end)
      f()
      return { pcall(f) }
    end,
    function(l)
      local seen
      local f = l.wrap(function()
        local _ <close> = closer(function(e) seen = e error "closing" end)
        error "first"
      end)
      return { pcall(f), seen }
    end,
    function(l) return { l.close(coroutine.create(print)) } end,
    function(l)
      local seen = "not yet"
      local co = coroutine.create(function()
        local _ <close> = closer(function(e) seen = e end)
        coroutine.yield()
      end)
      l.resume(co)
      return { l.close(co), seen, coroutine.status(co) }
    end,
    function(l)
      local co = coroutine.create(function()
        local _ <close> = closer(function() error "closing" end)
        coroutine.yield()
      end)
      l.resume(co)
      return { l.close(co) }
    end,
    function(l) return { pcall(l.close, (coroutine.running())) } end,
    function(l)
      local outer
      outer = coroutine.create(function()
        return l.resume(coroutine.create(function() return pcall(l.close, outer) end))
      end)
      return { l.resume(outer) }
    end,
    function(l)
      local co
      co = coroutine.create(function()
        return l.wrap(function() return coroutine.status(co), coroutine.isyieldable() end)()
      end)
      return { l.resume(co) }
    end,
    function(l) return { l.xpcall(function(...) return ... end, handler, 1, nil, nil) } end,
    function(l) return { l.xpcall(error, handler, "e", 0) } end,
    function(l) return { l.xpcall(error, handler) } end,
    function(l) return { l.xpcall(function() return nil + 1 end, handler) } end,
    function(l) return { pcall(l.xpcall, print) } end,
    function(l) return { l.xpcall(error, function() error "again" end, "e") } end,
    function(l)
      local function yield() return coroutine.yield "y" end
      local co = coroutine.create(function() return l.xpcall(yield, handler) end)
      return { l.resume(co), "then", l.resume(co, "z") }
    end,
    function(l)
      return { l.rep("ab", 3), l.rep("ab", 3, "--"), l.rep("ab", 1, "-"), l.rep("", 5, "x") }
    end,
    function(l) return { l.rep("ab", 0), l.rep("ab", -1), l.rep("", 9), l.rep("x", 0, "y") } end,
    function(l) return { l.rep("\0a", 2, "\0") == "\0a\0\0a", #l.rep("abc", 1000003, "de") } end,
    function(l)
      return { l.rep("abc", 700001, "d"):sub(-9), l.rep("x", 3000000) == own.rep("x", 3000000) }
    end,
    function(l) return { pcall(l.rep, "x", 1 << 40) } end,
    function(l) return { pcall(l.rep, "x", 1 << 30, "y") } end,
    function(l) return { pcall(l.rep, {}, 1) } end,
    function(l) return { pcall(l.rep, "x", 1.5) } end,
    function(l) return { l.find("abc", "b", 1, true) } end,
  }
  local function shown(list)
    local words = {}
    for i = 1, list.n do
      words[i] = type(list[i]) == "table" and "table" or tostring(list[i]):gsub("0x%x+", "")
    end
    return table.concat(words, " | ")
  end
  local function run(functions)
    local out = {}
    for i, case in ipairs(CASES) do
      local got = case(functions)
      local n = 0
      for key in pairs(got) do n = math.max(n, key) end
      got.n = n
      out[i] = shown(got)
    end
    return out
  end
  local expected = run(own)
  core.prepare_budgets()
  assert(coroutine.resume ~= own.resume and string.rep ~= own.rep and xpcall ~= own.xpcall)
  local got = run { resume = coroutine.resume, wrap = coroutine.wrap, close = coroutine.close,
    xpcall = xpcall, rep = string.rep, find = string.find }
  for i = 1, #CASES do
    if expected[i] ~= got[i] then
      print(("case %d\n  own:  %s\n  ours: %s"):format(i, expected[i], got[i]))
    end
  end
  print(#CASES, "cases")
]==]

-- A program that has put a function of its own in the place of Lua's.
local KEPT = [[
  local core = require "mcp.core"
  local own = function(...) return ... end
  local find = string.find
  coroutine.resume = own
  core.prepare_budgets()
  core.prepare_budgets()
  print(coroutine.resume == own, string.find == find)
]]

describe("functions that can be stopped", function()
  after_each(helper.remove_files)

  local function run(text)
    return helper.shell(("%s %s 2>&1"):format(os.getenv "LUA" or "lua5.4",
      helper.quote(helper.file(text))))
  end

  it("do what Lua's own do", function()
    local out, status = run(SCRIPT)
    assert.equal("35\tcases\n", out)
    assert.equal(0, status)
  end)

  it("leave a function of the program alone", function()
    assert.equal("true\tfalse\n", (run(KEPT)))
  end)
end)
