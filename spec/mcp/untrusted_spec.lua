-- SPDX-License-Identifier: MIT
-- untrusted_spec.lua: what code that is not trusted (mcp.worker, untrusted = true) may try: to get
-- outside of its state, to hold its thread in C, to take memory, to confuse its caller.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"
local system = support.system
local worker = require "mcp.worker"

local SANITIZED = (os.getenv "LD_PRELOAD" or "") ~= ""
local SLOW = SANITIZED and 5 or 1
local TIME = 0.3
local MEMORY = 48 << 20

-- What each attempt must come to: `returns` a value; `raises` an error with this text; `stopped` by
-- its budget of time or memory; `code` of a failure.
local ATTEMPTS = {
  -- --- out of the state ---
  { "names of what reaches outside", [[
    local out = {}
    for _, name in ipairs { "io", "debug", "package", "require", "dofile", "loadfile", "arg",
      "mcp", "ctx" } do
      if _G[name] ~= nil then out[#out + 1] = name end
    end
    for name in pairs(os) do if name ~= "time" and name ~= "clock" then out[#out + 1] = name end end
    return table.concat(out, " ")]], returns = "" },
  { "the metatable of strings", "return getmetatable('')", returns = false },
  { "a new metatable of strings", "return pcall(setmetatable, '', {})", returns = false },
  { "functions of strings that are not in `string`", [[return ("").dump == nil]], returns = true },
  { "bytecode as text", [[return (load("\27Lua" .. ("\0"):rep(100)))]], returns = nil },
  { "bytecode by its mode", [[return (load("\27Lua", "=x", "b"))]], returns = nil },
  { "bytecode in pieces", [[
    local pieces = { "\27", "Lua", "\x54\0\x19\x93\r\n\x1a\n" }
    local i = 0
    return (load(function() i = i + 1 return pieces[i] end))]], returns = nil },
  { "globals through load", "return load('return io or require or debug or package')()",
    returns = nil },
  { "globals through an environment", [[
    local seen = {}
    local env = setmetatable({}, { __index = function(_, name) seen[#seen + 1] = name end })
    load("return io, os", "=x", "t", env)()
    return #seen]], returns = 2 },
  { "an environment of nil", "return pcall(load('return x', '=x', 't', nil))", returns = false },
  { "a function of C as an upvalue", [[
    local keep = {}
    for name, fn in pairs(string) do keep[#keep + 1] = name end
    return load("return ...", "=x")(#keep > 5)]], returns = true },
  { "the state through a message handler", [[
    return select(2, xpcall(error, function(...) return select("#", ...) end, "x"))]],
    returns = 1 },
  { "coroutine.running of the caller", [[
    local co, main = coroutine.running()
    return main and not pcall(coroutine.close, co)]], returns = true },
  { "resuming what runs", [[
    local co = coroutine.running()
    return select(2, coroutine.resume(co))]], returns = "cannot resume non-suspended coroutine" },
  { "resuming what has ended", [[
    local co = coroutine.create(function() end)
    coroutine.resume(co)
    return select(2, coroutine.resume(co))]], returns = "cannot resume dead coroutine" },
  { "yielding out of the call", "return pcall(coroutine.yield, 1)", returns = false },
  { "a finalizer", "setmetatable({}, { __gc = function() end })", raises = "__gc is not allowed" },
  { "a finalizer that comes later", [[
    local ran = false
    do
      local mt = {}
      local t = setmetatable({}, mt)
      mt.__gc = function() ran = true end
      t = nil
    end
    collectgarbage()
    collectgarbage()
    return ran]], returns = false },
  { "a finalizer through __index", [[
    local mt = setmetatable({}, { __index = { __gc = function() while true do end end } })
    setmetatable({}, mt)
    collectgarbage()
    return "collected"]], returns = "collected" },
  { "stopping the collector", "collectgarbage 'stop'", raises = "invalid option" },
  { "the date of the machine", "return os.date == nil and os.getenv == nil", returns = true },
  { "arguments of os.time", [[
    return math.type(os.time { year = 1 << 40, month = math.huge, day = {} })]],
    returns = "integer" },
  { "math.random without a range", [[
    math.randomseed(1)
    return math.random(0) ~= nil and math.random(math.mininteger, math.maxinteger) ~= nil
      and not pcall(math.random, 2, 1)]], returns = true },

  -- --- errors as messages ---
  { "an error object that loops as text", [[
    error(setmetatable({}, { __tostring = function() while true do end end }))]], stopped = true },
  { "an error object that raises as text", "error(setmetatable({}, { __tostring = error }))",
    raises = "an error object whose __tostring fails" },
  { "an error object without a text", [[
    error(setmetatable({}, { __tostring = function() return {} end }))]],
    raises = "an error object whose __tostring fails" },
  { "an error that is not one of ours", [[
    error(setmetatable({ code = {}, message = {}, status = "x" }, { __name = "mcp.error" }))]],
    raises = "table: " },
  { "an error of ours that cannot be sent", [[
    error(setmetatable({ code = 1, message = print }, { __name = "mcp.error" }))]],
    raises = "mcp.error: 0x" },
  { "a name that is no text", "error(setmetatable({}, { __name = print }))", raises = "table: " },
  { "a huge error", "error(big('x', 4 << 20))", raises = "xxxx" },
  { "no error", "error()", raises = "nil" },
  { "an error in a trap", "while true do pcall(error, ('x'):rep(100)) end", stopped = true },
  { "a message handler that raises", [[
    local function bad() error(bad) end
    return (xpcall(error, bad))]], returns = false },
  { "a message handler that loops",
    "while true do xpcall(error, function() while true do end end) end", stopped = true },

  -- --- depth ---
  { "recursion", "local function f() return 1 + f() end return f()",
    raises = "stack overflow", or_stopped = true },
  { "recursion in a trap", [[
    local function f() return 1 + f() end
    while true do pcall(f) end]], stopped = true },
  { "a long chain of __index", [[
    local t = {}
    for _ = 1, 5000 do t = setmetatable({}, { __index = t }) end
    return t.x]], raises = "chain too long" },
  { "__index of itself", "local t = {} t = setmetatable(t, { __index = t }) return t.x",
    raises = "loop" },
  { "coroutines inside each other", [[
    local function f() return coroutine.wrap(f)() end
    f()]], raises = "C stack overflow" },
  { "brackets inside each other", "assert(load('return ' .. big('(', 1 << 20)))",
    raises = "overflow" },
  { "callbacks of C inside each other", [[
    local function f() return (("x"):gsub("x", f)) end
    f()]], raises = "C stack overflow" },
  { "sorting inside sorting", [[
    local function less() table.sort({ 1, 2, 3 }, less) return true end
    less()]], raises = "C stack overflow" },
  { "tables inside each other as a result", [[
    local t = {}
    for _ = 1, 1000 do t = { t } end
    return t]], raises = "result 1 cannot be sent" },
  { "a table inside itself", "local t = {} t.t = t return t", raises = "a table inside itself" },

  -- --- C functions that hold the thread ---
  { "table.insert with a length that changes", [[
    local n = 0
    local t = setmetatable({}, { __len = function()
      n = n + 1
      return n % 2 == 1 and 1 or 1 << 60
    end })
    table.insert(t, 1, 1)]], raises = "__len is not accepted" },
  { "table.remove with such a length", [[
    table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)]],
    raises = "__len is not accepted" },
  { "table.sort with such a length", [[
    table.sort(setmetatable({}, { __len = function() return 1 << 30 end }))]],
    raises = "__len is not accepted" },
  { "table.concat over what a C function returns", [[
    return table.concat(setmetatable({}, { __index = table.concat }), "", 1, 1 << 60)]],
    stopped = true },
  { "table.concat over nothing", "return table.concat({}, '', 1, 1 << 60)",
    raises = "invalid value" },
  { "table.unpack of a range", "return table.unpack({}, 1, 1 << 30)", raises = "too many results" },
  { "table.move of a range", "table.move({}, 1, 1 << 60, 2)", raises = "too many elements" },
  { "table.move of a range that overflows", "table.move({}, math.mininteger, math.maxinteger, 1)",
    raises = "too many elements" },
  { "table.move into C functions", [[
    local sink = setmetatable({}, { __newindex = rawequal })
    while true do table.move({ 1 }, 1, 9999999, 1, sink) end]], stopped = true },
  { "sorting long texts", [[
    local a, b = big("x", 4 << 20) .. "a", big("x", 4 << 20) .. "b"
    local t = {}
    for i = 1, 200000 do t[i] = i % 2 == 0 and a or b end
    table.sort(t)]], stopped = true },
  { "sorting with an order that is none", [[
    local t = {}
    for i = 1, 100000 do t[i] = i end
    while true do pcall(table.sort, t, function() return true end) end]], stopped = true },
  { "string.rep of nothing", "return #(''):rep(1 << 62)", returns = 0 },
  { "string.rep with nothing between", "return #(''):rep(1 << 62, '')", returns = 0 },
  { "string.rep of too much", "return ('x'):rep(1 << 62)", raises = "too large" },
  { "string.format with a width", "return ('%1000d'):format(1)", raises = "invalid conversion" },
  { "string.format of long numbers", "while true do ('%99.99f'):format(1e308) end",
    stopped = true },
  { "string.format of what loops as text", [[
    return ("%s"):format(setmetatable({}, { __tostring = function() while true do end end }))]],
    stopped = true },
  { "string.pack of many options", "while true do string.pack(big('!', 1 << 20)) end",
    stopped = true },
  { "string.packsize that overflows", "return string.packsize(big('i16', 1 << 20) .. 's8')",
    raises = "variable" },
  { "string.unpack past the end", "return string.unpack('s8', ('\\xFF'):rep(8))",
    raises = "data string too short" },
  { "plain find, the worst case", [[
    return (big("a", 8 << 20)):find(big("a", 4 << 20) .. "b", 1, true)]], stopped = true },
  { "find without special characters", [[
    return (big("a", 8 << 20)):find(big("a", 4 << 20) .. "b")]], stopped = true },
  { "a backtracking pattern", "return (('a'):rep(40)):find(('a?'):rep(40) .. ('a'):rep(40))",
    stopped = true },
  { "a huge set", [[
    return (big("a", 1 << 20)):find("[" .. big("b", 4 << 20) .. "]")]], stopped = true },
  { "a huge set at a frontier", [[
    return (big("a", 1 << 20)):find("%f[" .. big("b", 4 << 20) .. "]")]], stopped = true },
  { "long captures compared", [[
    return (big("a", 8 << 20)):find "^(.-)%1b"]], stopped = true },
  { "a replacement of empty captures", [[
    return (big("a", 1 << 20)):gsub("(b?)", big("%1", 4 << 20))]], stopped = true },
  { "patterns inside each other", "return (('a'):rep(300)):find(('(a'):rep(300))",
    raises = "too many captures" },
  { "utf8 over long texts", [[
    local text = big("x", 4 << 20)
    while true do utf8.len(text) utf8.offset(text, -1) end]], stopped = true },
  { "utf8.codepoint of a long text", "return utf8.codepoint(big('x', 4 << 20), 1, -1)",
    raises = "string slice too long" },
  { "utf8.char of what is no character", "return utf8.char(1 << 40)",
    raises = "value out of range" },
  { "a number with millions of digits", [[
    return tonumber(big("9", 8 << 20)) == math.huge]], returns = true },
  { "select from the far end", "return pcall(select, -(1 << 60), 1)", returns = false },
  { "collections without end", "while true do collectgarbage() end", stopped = true },
  { "compiling names that are searched far", [[
    local source, depth = { ("local function f() " .. LOCALS):rep(150) }, 150
    source[#source + 1] = big("y=y ", 1 << 20)
    source[#source + 1] = (" end"):rep(depth)
    return load(table.concat(source))]], stopped = true },
  { "compiling the same from a function", [[
    local source, depth = { ("local function f() " .. LOCALS):rep(150) }, 150
    source[#source + 1] = big("y=y ", 1 << 20)
    local text = table.concat(source)
    return load(function()
      local now = text
      text = nil
      return now
    end)]], stopped = true },
  { "compiling a long comment", "return load('--' .. big('x', 8 << 20)) ~= nil", returns = true },
  { "compiling many labels", [[
    local source = {}
    for i = 1, 32000 do source[i] = ("::l%d::"):format(i) end
    local text = table.concat(source)
    while true do load(text) end]], stopped = true },
  { "a reader without end", "return load(function() return 'x=1 ' end)", stopped = true },
  { "a reader that returns no text", "return (assert(load(function() return {} end)))",
    raises = "reader function must return a string" },

  -- --- memory and output ---
  { "a text that doubles", "local s = 'x' while true do s = s .. s end", stopped = true },
  { "a table that grows", "local t = {} while true do t[#t + 1] = {} end", stopped = true },
  { "the same in a trap", [[
    local t = {}
    while true do pcall(function() t[#t + 1] = big("x", 1 << 16) .. #t end) end]],
    stopped = true },
  { "coroutines that are kept", [[
    local t = {}
    while true do t[#t + 1] = coroutine.create(function() end) end]], stopped = true },
  { "huge keys", "return { [big('k', 2 << 20)] = 1 }", code = "ETOOBIG" },
  { "a value under a huge key that cannot be sent", "return { [('\\27k'):rep(9999)] = print }",
    raises = "result 1 cannot be sent: ?k?k" },
  { "one text many times", [[
    local t, text = {}, big("x", 1 << 16)
    for i = 1, 1000 do t[i] = text end
    return t]], code = "ETOOBIG" },
  { "many results", "return table.unpack({}, 1, 200000)", returns = nil },
  { "results that fill a stack", "return table.unpack({}, 1, 900000)", raises = "stack overflow",
    or_stopped = true },
}

describe("code that is not trusted", function()
  local open = {}
  local function start(text, more)
    local options = { helper.file(text, ".lua"), untrusted = true,
      budget = { time = TIME, memory = MEMORY }, stuck = 2 * SLOW }
    for key, value in pairs(more or {}) do options[key] = value end
    local made = mcp.worker(options)
    open[#open + 1] = made
    return made
  end

  after_each(function()
    for _, made in ipairs(open) do made:close() end
    for _, made in ipairs(open) do
      helper.wait_until(function() return worker.counts(made).slots == 0 end, "its end", 5 * SLOW)
    end
    open = {}
    helper.remove_files()
    helper.leftovers()
  end)

  -- A long text, quickly: string.rep copies piece by piece.
  local source = { "local function big(text, n) return text:rep(1024):rep(n // 1024) end\n"
    .. "local names = {} for i = 1, 180 do names[i] = 'a' .. i end\n"
    .. "local LOCALS = 'local ' .. table.concat(names, ',') .. '\\n'\n"
    .. "local attempts = {}\n" }
  for i, attempt in ipairs(ATTEMPTS) do
    source[#source + 1] = ("function attempts.n%d()\n%s\nend\n"):format(i, attempt[2])
  end
  source[#source + 1] = "function attempts.add(a, b) return a + b end return attempts"
  source = table.concat(source)

  local function check(own, i, attempt)
    local name = attempt[1]
    local began = system.now()
    local got = table.pack(pcall(own["n" .. i], own))
    local took = system.now() - began
    -- What is above twice its budget is the start of a state, or of a process.
    assert.is_true(took < (2 * TIME + 0.4) * SLOW, ("%s: %.2f s"):format(name, took))
    local seen = ("%s: %s %s %s"):format(name, tostring(got[1]), tostring(got[2]):sub(1, 300),
      tostring(got[4]))
    if attempt.stopped or attempt.or_stopped and got[4] then
      assert.is_true(got[1] and (got[4] == "ETIMEDOUT" or got[4] == "ENOMEM"), seen)
    elseif attempt.code then
      assert.equal(attempt.code, got[4], seen)
    elseif attempt.raises then
      assert.is_false(got[1], seen)
      local text = tostring(got[2])
      assert.is_true(text:find(attempt.raises, 1, true) ~= nil, seen)
      assert.is_true(#text <= 5000, #text)
    else
      assert.is_true(got[1], seen)
      assert.equal(attempt.returns, got[2], seen)
      assert.is_nil(got[4], seen)
    end
    helper.wait_until(function() return worker.counts(own).busy == 0 end, name, 1.5 * SLOW)
    assert.equal(0, worker.counts(own).lost, name)
    assert.equal(3, own:add(1, 2), name)
  end

  for _, process in ipairs { false, true } do
    it(("gets nowhere with %d attempts, %s"):format(#ATTEMPTS,
      process and "in a process" or "on a thread"), function()
      assert.is_true(#ATTEMPTS >= 40)
      local own = start(source, { process = process })
      for i, attempt in ipairs(ATTEMPTS) do check(own, i, attempt) end
    end)
  end

  it("is not compiled on the loop, and cannot hold its worker there", function()
    local text = { "return { add = function(a, b) return a + b end }, function() " }
    for level = 1, 150 do
      text[#text + 1] = "local function f() local x"
      for i = 1, 180 do text[#text + 1] = (", a%d_%d"):format(level, i) end
      text[#text + 1] = "\n"
    end
    text[#text + 1] = ("y=y "):rep(1 << 20) .. (" end"):rep(151)
    local began = system.now()
    local own = start(table.concat(text))
    assert.is_true(system.now() - began < 0.3 * SLOW)
    local _, _, code = own:add(1, 2)
    assert.equal("ETIMEDOUT", code)
    helper.wait_until(function() return worker.counts(own).busy == 0 end, "its end", 1.5 * SLOW)
    assert.equal(0, worker.counts(own).lost)
  end)

  it("that does not compile says so at its first call", function()
    local own = start "this is no Lua"
    local ok, err = pcall(function() return own:add() end)
    assert.is_false(ok)
    assert.matches("it does not start: .*syntax error near 'is'", err)
    own = start "\xEF\xBB\xBF#!/usr/bin/lua\nreturn { line = function() error 'here' end }"
    ok, err = pcall(own.line, own)
    assert.is_false(ok)
    assert.matches(":2: here$", err)
    own = start "\27Lua"
    ok, err = pcall(function() return own:add() end)
    assert.is_false(ok)
    assert.matches("attempt to load a binary chunk", err, 1, true)
  end)

  it("cannot forge what its call came to", function()
    local app = mcp.server "spec"
    app:tool "t" {
      worker = helper.file([[
        local kinds = {
          status = function()
            error(setmetatable({ code = -32001, message = "no", status = 200 },
              { __name = "mcp.error" }))
          end,
          number = function() return 0 / 0 end,
          bytes = function() return "\xFF" end,
          keys = function() return { [true] = 1, [1.5] = 2 } end,
          progress = function(ctx) ctx:progress(0 / 0) return "went on" end,
          log = function(ctx) ctx:log("no level", {}) return "went on" end,
          ctx = function(ctx)
            ctx.progress = nil
            ctx.log = nil
            return "went on"
          end,
        }
        return function(args, ctx) return kinds[args.kind](ctx) end
      ]], ".lua"), untrusted = true, input = { kind = "string" },
    }
    local peer <close> = helper.open(app)
    for _, kind in ipairs { "status", "number", "bytes", "keys", "progress", "log", "ctx",
      "missing" } do
      local answered
      helper.logged(function()
        answered = peer:request("tools/call", { name = "t", arguments = { kind = kind },
          _meta = { progressToken = 1 } })
      end)
      assert.is_true(answered.result ~= nil or answered.error ~= nil, kind)
      helper.logged(function()
        answered = peer:request("tools/call", { name = "t", arguments = { kind = "ctx" } })
      end)
      assert.equal("went on", answered.result.content[1].text, kind)
    end
    assert.equal(0, core.task_count())
  end)

  it("prints little, no control characters, and waits for no reader", function()
    local script = helper.file(([[
      local mcp = require "mcp"
      local own = mcp.worker { %q, untrusted = true }
      print(own:talk(), own:flood())
    ]]):format(helper.file([[return {
        talk = function() print("red \27[31m", 1, nil) return "talked" end,
        flood = function() for _ = 1, 1000 do print(("x"):rep(1000)) end return "flooded" end,
      }]], ".lua")))
    local out, status = helper.shell(("%s run %s 2>&1"):format(helper.program(), script))
    assert.equal(0, status)
    assert.matches("red ?[31m\t1\tnil\n", out, 1, true)
    assert.matches("talked\tflooded\n", out, 1, true)
    assert.is_true(#out < 70000, #out)
    -- One that does not read.
    local began = system.now()
    out, status = helper.shell(("sh -c '%s run %s 2>&1 >/dev/null; echo status $? >&3' 3>&1 "
      .. "| (sleep 2; cat | tail -c 20)"):format(helper.program(), script))
    assert.matches("status 0", out)
    assert.equal(0, status)
    assert.is_true(system.now() - began < 6 * SLOW)
  end)
end)
