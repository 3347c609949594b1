-- SPDX-License-Identifier: MIT
-- sandbox_spec.lua: what scripts of a model may try (lua/mcp/server/sandbox.lua, by run_lua): each
-- ends within its budget with an error that says what happened, and the server goes on.
local helper = require "spec.helper"
local mcp = require "mcp"

local pace = require "spec.pace"

-- Seconds for scripts that are to be stopped, and for those that are not.
local SHORT, LONG = pace.limit(0.4), pace.limit(20)
local MEMORY = 24 << 20

local LATE = "longer than its budget of"
local FULL = "more than its budget of 24 MiB of memory"
local EITHER = "than its budget of"

-- What it is, the script, and what it comes to: `says` in the error, or `returns`.
local ATTEMPTS = {
  -- --- stopped by a hook or an allocator elsewhere, too ---
  { "an endless loop", "while true do end", says = LATE },
  { "goto", "::a:: goto a", says = LATE },
  { "recursion", "local function f() return 1 + f() end return f()", says = "stack overflow",
    or_says = FULL },
  { "recursion in a trap", "local function f() pcall(f) f() end f()", says = EITHER,
    or_says = "stack overflow" },
  { "string.format in a loop", "while true do string.format('%99.99f', 1e308) end", says = LATE },
  { "doubling by ..", "local s = 'x' while true do s = s .. s end", says = FULL,
    or_says = "not enough memory" },
  { "tables of coroutines", [[
    local t = {}
    while true do t[#t + 1] = coroutine.wrap(function() coroutine.yield() end) t[#t]() end]],
    says = FULL },
  { "string.rep", "return #('x'):rep(1 << 30)", says = FULL, or_says = "not enough memory" },
  { "string.rep over all limits", "return ('x'):rep(1 << 62)",
    says = "resulting string too large" },
  { "nested coroutines", [[
    local function f() return coroutine.wrap(f)() end return f()]], says = "C stack overflow",
    or_says = EITHER },
  { "__tostring that loops", [[
    print(setmetatable({}, { __tostring = function() while true do end end }))]], says = LATE },
  { "__tostring of the error", [[
    error(setmetatable({}, { __tostring = function() while true do end end }))]], says = LATE },
  { "__close that loops", [[
    local x <close> = setmetatable({}, { __close = function() while true do end end })]],
    says = LATE },
  { "a comparison that loops", "table.sort({ 2, 1 }, function() while true do end end)",
    says = LATE },
  { "a callback of gsub that loops", [[
    return (('x'):gsub('x', function() while true do end end))]], says = LATE },
  { "memory in a trap", [[
    while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(9999) end end)
    end]], says = EITHER, or_says = "not enough memory" },
  { "a deep expression", ("("):rep(60000), says = "C stack overflow" },
  { "a long chain of calls", "return " .. ("f("):rep(15000), says = "C stack overflow" },
  { "garbage", "while true do local t = { {}, {}, {} } end", says = LATE },
  { "table.unpack of millions", "return table.unpack({}, 1, 1e7)",
    says = "too many results to unpack", or_says = FULL },

  -- --- what a hook does not stop ---
  { "a trap in a loop", "while true do pcall(error) end", says = LATE },
  { "a trap around an endless loop", "while true do pcall(function() while true do end end) end",
    says = LATE },
  { "coroutines in a trap", [[
    while true do pcall(coroutine.wrap(function() while true do end end)) end]], says = LATE },
  { "a message handler that loops", "xpcall(error, function() while true do end end)",
    says = LATE },
  { "a message handler of the error of an endless loop", [[
    xpcall(function() while true do end end, function() while true do end end)]], says = LATE },
  { "a finalizer", "setmetatable({}, { __gc = function() while true do end end })",
    says = "__gc is not allowed" },
  { "a finalizer that comes later", [[
    local mt = {}
    setmetatable({}, mt)
    mt.__gc = function() while true do end end
    for i = 1, 1e5 do local t = {} end
    return "no finalizer"]], returns = "no finalizer" },
  { "a pattern", "return ('a'):rep(3000):find(('.-'):rep(12) .. 'b')", says = LATE },
  { "a pattern that doubles", "return ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))",
    says = LATE, or_says = "pattern too complex", or_returns = "1\n40" },
  { "gsub over a megabyte", "return #('a'):rep(1 << 20):gsub('a*b', '')", says = LATE },
  { "plain find of a megabyte in two", [[
    return (('a'):rep(2 << 20):find(('a'):rep(1 << 20) .. 'b', 1, true))]], says = LATE,
    or_returns = "" },
  { "table.move over all integers", "table.move({}, 1, 1 << 50, 2)", says = "too many elements" },
  { "table.insert with a __len that lies", [[
    table.insert(setmetatable({}, { __len = function() return 1 << 50 end }), 1, 1)]],
    says = "__len is not accepted" },
  { "table.remove with a __len that lies", [[
    table.remove(setmetatable({}, { __len = function() return 1 << 50 end }), 1)]],
    says = "__len is not accepted" },
  { "table.concat with bounds", "return table.concat({}, '', 1, 1 << 60)", says = "invalid value" },
  { "keys that collide", [[
    local t = {}
    for i = 1, 1e9 do t[i << 32] = i end]], says = EITHER, or_says = "not enough memory" },

  { "stopping the collector", "collectgarbage 'stop'", says = "there is no collectgarbage here" },
  { "JSON without an end", "json.decode(('['):rep(1e6))", says = "json.decode: line 1" },
  { "much JSON", "return #json.decode('[' .. ('[],'):rep(5e6) .. '0]')", says = EITHER,
    or_says = "not enough memory" },
  { "JSON of a table in itself", "local t = {} t.t = t json.encode(t)", says = "json.encode: " },
  { "branches that are not there", [[
    parallel(setmetatable({}, { __len = function() return 1 << 50 end }))]],
    says = "parallel: [1]: expected a function, got nil" },
  { "words without an end", "return #search(('echo '):rep(1e5))", returns = "1" },

  -- --- out of the state ---
  { "names that are gone", [[
    local found = {}
    for _, name in ipairs { "io", "debug", "package", "require", "dofile", "loadfile", "load",
      "collectgarbage", "arg", "mcp", "ctx" } do
      if rawget(_G, name) ~= nil then found[#found + 1] = name end
    end
    for name in pairs(os) do if name ~= "time" and name ~= "clock" then found[1] = name end end
    found[#found + 1] = string.dump and "dump"
    return table.concat(found, " ") .. "."]], returns = "." },
  { "a global that is not there", "return io.open", says = "there is no io here" },
  { "the environment of the runner", "return getmetatable(_G), getmetatable(tools), _G._G == _G",
    returns = "false\nfalse\ntrue" },
  { "the metatable of strings", "return getmetatable(''), pcall(setmetatable, '', {})",
    returns = "false\nfalse\n*" },
  { "addresses", [[
    return tostring({}) .. tostring(print) .. ("%s"):format(print) .. tostring(json.null)]],
    returns = "tablefunctionfunctionnull" },
  { "addresses by %p", "return ('%-20p'):format({})", says = "scripts see no addresses" },
  { "bytecode as a script", "\27Lua" .. ("\0"):rep(100), says = "attempt to load a binary chunk" },
  { "yielding out of the script", "coroutine.yield(1)", says = "outside a coroutine" },
  { "yielding out of a branch", "parallel { function() coroutine.yield(1) end }",
    says = "coroutine.yield outside of a coroutine" },
  { "closing a branch", [[
    local co
    parallel { function() co = coroutine.running() tools.echo { text = "" } end,
      function() coroutine.close(co) end }]], says = "cannot resume dead coroutine" },
  { "other functions of tools", "tools.echo = print", says = "tools cannot be changed" },
  { "broken libraries", [[
    string.format, string.find, table.concat, string.match = nil, nil, nil, nil
    return tools.echo { text = "still here" }]], returns = "still here" },

  -- --- the server ---
  { "more calls than there may be", "while true do tools.echo { text = '' } end",
    says = "the budget of 20 calls is used up" },
  { "calls in a trap", "while true do pcall(tools.echo, { text = '' }) end",
    says = "goes on asking though it is refused" },
  { "calls of what is not there", "while true do pcall(tools.nothing) end",
    says = "goes on asking though it is refused" },
  { "searches", "while true do pcall(search, 'echo') end",
    says = "goes on asking though it is refused" },
  { "thousands of branches", [[
    local list = {}
    for i = 1, 5000 do list[i] = function() return tools.echo { text = '' } end end
    return #parallel(list)]], says = "goes on asking though it is refused" },
  { "calls of itself", "return tools.run_lua { code = '1' }",
    says = "cannot be called by a script" },
  { "a table in itself as arguments", "local t = {} t.t = t tools.echo(t)",
    says = "inside itself" },
  { "a function as an argument", "tools.echo { text = print }", says = "text: function" },
  { "huge arguments", "tools.echo { text = ('x'):rep(8 << 20) }",
    says = "arguments: larger than its limit" },
  { "a huge result of a tool", "return #tools.huge()", says = "the result cannot be passed" },
  { "results that fill the memory", [[
    local kept = {}
    for i = 1, 20 do kept[i] = tools.large() end]], says = EITHER, or_says = "not enough memory" },
  { "a huge result", "return ('x'):rep(4 << 20)", returns = "*[cut: 2000 of 4194304 bytes*" },
  { "much that is printed", "for i = 1, 1e5 do print(('x'):rep(100)) end return 'end'",
    returns = "*[cut: *print less]\nend" },
  { "a huge error", "error(('x'):rep(4 << 20))", says = "xxxx" },
  { "an error that is no text", "error({ code = 5 })", says = '{"code":5}' },
  { "no error", "error()", says = "nil" },
  { "a result that is no JSON", "return { f = print }", says = "cannot be sent: f: function" },
  { "a result in itself", "local t = {} t.t = t return t", says = "cannot be sent" },
  { "a deep result", "local t = {} for i = 1, 1e4 do t = { t } end return t",
    says = "cannot be sent" },
  { "numbers that JSON lacks", "return 0/0 ~= 0/0, 1/0", returns = "true\ninf" },
  { "bytes that are no UTF-8", "return '\\xFF\\xFE'", returns = "??" },
  { "no script", "-- nothing", returns = "" },
}

describe("a script", function()
  local clients = {}
  setup(function()
    for _, time in ipairs { SHORT, LONG } do
      local app = mcp.server { name = "spec", watchdog = false }
      app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
      app:tool "huge" (function() return ("x"):rep(5 << 20) end)
      app:tool "large" (function() return ("x"):rep(3 << 20) end)
      app:code_mode { budget = { time = time, memory = MEMORY, calls = 20, output = 2000 } }
      clients[time] = assert(mcp.connect(app, { timeout = LONG }))
    end
  end)
  teardown(function()
    for _, client in pairs(clients) do client:close() end
    helper.leftovers()
  end)

  local function matches(text, wanted)
    if not wanted then return false end
    if not wanted:find("*", 1, true) then return text == wanted end
    local pattern = wanted:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
    return text:find("^" .. pattern .. "$") ~= nil
  end

  local function contains(text, wanted) return wanted and text:find(wanted, 1, true) ~= nil end

  for _, attempt in ipairs(ATTEMPTS) do
    it("may try: " .. attempt[1], function()
      local late = attempt.says == LATE or attempt.says == EITHER or attempt.or_says == EITHER
      local client, result, reason = clients[late and SHORT or LONG], nil, nil
      helper.logged(function()
        result, reason = client:call_tool("run_lua", { code = attempt[2] })
      end)
      assert(result, reason)
      local text = result.content[1].text
      local shown = text:sub(1, 300)
      if result.isError then
        assert.is_true(contains(text, attempt.says) or contains(text, attempt.or_says) or false,
          shown)
      else
        assert.is_true(matches(text, attempt.returns) or matches(text, attempt.or_returns), shown)
      end
      assert.is_true(#text < 4 * 2000)
    end)
  end

  it("is ended at its limits, with what it was", function()
    local client = clients[LONG]
    local function run(code)
      local result
      helper.logged(function() result = assert(client:call_tool("run_lua", { code = code })) end)
      return result.content[1].text
    end
    assert.equal("200", (run [[
      local count = 0
      while pcall(search, "echo") do count = count + 1 end
      return count]]))
    assert.equal("script:1: a script may search 200 times\n(no tool was called)",
      run "for _ = 1, 201 do search 'echo' end")
    assert.equal("run_lua: the script goes on asking though it is refused; no tool was called",
      run "while true do pcall(tools.nothing) end")
    assert.equal("script:1: arguments: larger than its limit\n(no tool was called)",
      run "local x = tools.echo { text = ('x'):rep((1 << 20) - 10) }")
    assert.equal("script:1: the result cannot be passed to a script: larger than its limit\n"
      .. "(called before: huge)", run "local x = tools.huge()")
    assert.equal("run_lua: the script used more than its budget of 24 MiB of memory; "
      .. "called before: echo", run [[
        tools.echo { text = "" }
        local t = {}
        for i = 1, 1e9 do t[i] = { i } end]])
  end)

  it("leaves the server as it was", function()
    for _, client in pairs(clients) do
      local result = assert(client:call_tool("echo", { text = "here" }))
      assert.equal("here", result.content[1].text)
    end
  end)
end)
