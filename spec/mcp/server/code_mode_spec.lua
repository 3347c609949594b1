-- SPDX-License-Identifier: MIT
-- code_mode_spec.lua: lua/mcp/server/code_mode.lua and lua/mcp/server/nested.lua. What hostile
-- scripts come to is in sandbox_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local pace = require "spec.pace"

local BOTH = { "2025-11-25", "2026-07-28" }

local function app_of(options)
  local app = mcp.server { name = "spec", timeout = options and options.timeout }
  app:tool "add" { description = "Adds two numbers", input = { a = "number", b = "number" } }
    (function(args) return { sum = args.a + args.b, none = mcp.null } end)
  app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
  app:tool "list" (function() return mcp.array { 1, 2, 3 } end)
  app:tool "wrapped" (function() return { result = 5 } end)
  app:tool "get-user" (function() return { name = "ada" } end)
  app:tool "fail" (function() return nil, "it is broken" end)
  app:tool "picture" (function() return mcp.image("\0\1", "image/png") end)
  return app
end

-- The match of a pattern in a file of /proc, or nil.
local function member(pid, file, pattern)
  local from <close> = io.open(("/proc/%s/%s"):format(pid, file))
  return from and (from:read "a" or ""):match(pattern)
end

-- The processes of scripts: a guard is our child, they are its children.
local function processes()
  local me, out = member("self", "stat", "^%d+"), {}
  local list <close> = assert(io.popen "ls /proc")
  for pid in list:read "a":gmatch "%d+" do
    local guard = member(pid, "status", "PPid:\t(%d+)")
    if guard and member(guard, "status", "PPid:\t(%d+)") == me
      and (member(pid, "cmdline", ".*") or ""):find "worker" then
      out[#out + 1] = pid
    end
  end
  return out
end

describe("app:code_mode", function()
  after_each(helper.leftovers)

  for _, revision in ipairs(BOTH) do
    describe("in " .. revision, function()
      local app, client
      before_each(function() app, client = app_of(), nil end)
      after_each(function() if client then client:close() end end)

      local progress
      local function run(code, options)
        client = client or assert(mcp.connect(app, { revision = revision, timeout = pace.limit(20),
          on_elicit = function() return { name = "ada" } end }))
        progress = {}
        local result, reason
        local log = helper.logged(function()
          options = options or {}
          options.on_progress = function(done, _, text)
            progress[#progress + 1] = { done, text }
          end
          result, reason = client:call_tool("run_lua", { code = code }, options)
        end)
        if not result then return reason, "call", log end
        return result.content[1].text, result.isError or false, log
      end

      it("lists one tool and those that are pinned", function()
        app:code_mode { pinned = { "list" } }
        run ""
        local names = {}
        for i, tool in ipairs(assert(client:list_tools())) do names[i] = tool.name end
        assert.same({ "list", "run_lua" }, names)
      end)

      it("hides none if that is wanted", function()
        app:code_mode { hide = false }
        run ""
        assert.equal(8, #assert(client:list_tools()))
      end)

      it("gives back what a script returns, and what it prints before", function()
        app:code_mode()
        assert.equal("1", (run "return 1"))
        assert.equal("3", (run "1 + 2"))
        assert.equal('a\tb\n{"x":1}\n5', (run "print('a', 'b') print { x = 1 } return 5"))
        assert.equal('x\n[1,2]\ntrue', (run "return 'x', { 1, 2 }, true"))
        assert.equal("", (run "local x = 1"))
        local text, failed = run "print 'before' error 'stop'"
        assert.equal("before\nscript:1: stop\n(no tool was called)", text)
        assert.is_true(failed)
        text, failed = run "return ("
        assert.matches("^script:1: unexpected symbol", text)
        assert.is_true(failed)
      end)

      it("calls tools as functions, and gives what they return as Lua values", function()
        app:code_mode()
        assert.equal('{"sum":3}', (run "return tools.add { a = 1, b = 2 }"))
        assert.equal("nil", (run "return tostring(tools.add { a = 1, b = 2 }.none)"))
        assert.equal("hello", (run "return tools.echo { text = 'hello' }"))
        assert.equal("3 2", (run "local l = tools.list() return #l .. ' ' .. l[2]"))
        assert.equal("5", (run "return tools.wrapped().result"))
        assert.equal("ada ada", (run [[
          return tools["get-user"]().name .. ' ' .. tools.get_user {}.name]]))
        assert.equal("image/png", (run "return tools.picture()[1].mimeType"))
        assert.equal("3", (run "return json.decode(tools.echo { text = '[1,2,3]' })[3]"))
        assert.equal('{"a":null}', (run "return json.encode { a = json.null }"))
      end)

      it("raises what went wrong, at the line of the script", function()
        app:code_mode()
        local text, failed = run "\nlocal x = tools.fail()\nreturn x"
        assert.equal("script:2: fail: it is broken\n(called before: fail)", text)
        assert.is_true(failed)
        assert.equal("false\nscript:1: fail: it is broken",
          (run "return pcall(function() local x = tools.fail() end)"))
        assert.matches('argument "b" is missing (expected number)', run "tools.add { a = 1 }", 1,
          true)
        assert.matches("there is no tool ad, did you mean add?", run "tools.ad {}", 1, true)
        assert.matches('there is no tool xyzzy: search("words") finds tools', run "tools.xyzzy {}",
          1, true)
        assert.matches("tools.add is called with a dot", run "tools:add {}", 1, true)
        assert.matches("tools.add: expected one table of arguments", run "tools.add(1, 2)", 1, true)
        assert.matches("there is no add here: tools are tools.NAME", run "add {}", 1, true)
      end)

      it("runs functions at the same time, and keeps their order", function()
        local now, most = 0, 0
        app:tool "wait" { input = { n = "integer" } } (function(args)
          now = now + 1
          most = math.max(most, now)
          mcp.sleep(0.01)
          now = now - 1
          return args.n
        end)
        app:code_mode { budget = { parallel = 3 } }
        local text = run [[
          local list = {}
          for i = 1, 8 do
            list[i] = function() return tonumber(tools.wait { n = i }) end
          end
          return parallel(list)]]
        assert.equal("[1,2,3,4,5,6,7,8]", text)
        assert.equal(3, most)
        assert.equal(8, progress[#progress][1])
      end)

      it("waits for all branches, also inside each other, and raises the first error", function()
        app:code_mode()
        assert.equal('[["a","b"],"c",null]', (run [[
          return parallel {
            function() return parallel {
              function() return tools.echo { text = 'a' } end,
              function() return tools.echo { text = 'b' } end } end,
            function() return tools.echo { text = 'c' } end,
            function() end,
          }]]))
        local text = run [[
          parallel { function() local x = tools.fail() end, function() tools.list() end }]]
        assert.equal("parallel: [1]: script:1: fail: it is broken\n(called before: fail, list)",
          text)
        assert.matches("parallel: [1]: expected a function, got table: write function()",
          run "parallel { tools.list() }", 1, true)
        -- Where a coroutine cannot yield, the others wait.
        assert.equal('["ab"]', (run [[
          return parallel { function()
            local t = { 'b', 'a' }
            table.sort(t, function(x, y)
              return tools.echo { text = x } < tools.echo { text = y }
            end)
            return table.concat(t)
          end }]]))
        assert.equal('["x"]', (run [[
          return parallel { function()
            return coroutine.wrap(function() return tools.echo { text = 'x' } end)()
          end }]]))
      end)

      it("finds tools by the same search, and gives their schemas", function()
        app:code_mode()
        local found = core.decode((run "return search('add numbers')"))
        assert.same({ { name = "add", description = "Adds two numbers",
          parameters = "(a: number, b: number)" } }, helper.plain(found))
        assert.same({ "a", "b" },
          helper.plain(core.decode((run "return schema('add')")).input.required))
        assert.matches("there is no tool ad, did you mean add?", run "schema 'ad'", 1, true)
        assert.equal("[]", (run "return search('zebra')"))
      end)

      it("calls through middleware, visibility and limits, with progress for each call", function()
        app:tool "secret" { visible = function() return false end } (function() return "" end)
        app:tool "slow" { timeout = 0.02 } (function(_, ctx) ctx:sleep(60) end)
        app:tool "steps" (function(_, ctx)
          ctx:progress(1, 2, "half")
          return "done"
        end)
        app:code_mode()
        local seen = {}
        app:use(function(request, next)
          seen[#seen + 1] = request.name
          return next(request)
        end)
        assert.equal("done", (run "tools.echo { text = '' } return tools.steps()"))
        assert.same({ "run_lua", "echo", "steps" }, seen)
        assert.same({ { 1, "echo" }, { 1.5, "steps: half" }, { 2, "steps" } }, progress)
        assert.matches("there is no tool secret", run "tools.secret()", 1, true)
        local text, _, log = run "local x = tools.slow()"
        assert.matches('script:1: tool "slow" timed out after 0.02 s', text, 1, true)
        assert.matches('tool "slow" timed out', log, 1, true)
      end)

      it("keeps to its budgets of calls, code and output", function()
        app:code_mode { budget = { calls = 3, code = 200, output = 100 } }
        local text, failed = run "for i = 1, 4 do tools.list() end"
        assert.matches("list: the budget of 3 calls is used up", text, 1, true)
        assert.matches("(called before: list (3 times))", text, 1, true)
        assert.is_true(failed)
        text, failed = run(("x"):rep(201))
        assert.matches("at most 200", text, 1, true)
        assert.is_true(failed)
        text = run "return ('é'):rep(100)"
        assert.equal(("é"):rep(50) .. "\n[cut: 100 of 200 bytes; return less]", text)
      end)

      it("does not count the time of tools as computing", function()
        app:tool "wait" (function() mcp.sleep(pace.limit(0.6)) return "ok" end)
        app:code_mode { budget = { time = pace.limit(0.5) } }
        assert.equal("ok", (run "tools.wait() return tools.wait()"))
        local text = run "tools.list() while true do end"
        assert.matches("longer than its budget of .* of computing; called before: list", text)
      end)

      it("ends with the call, and its calls with it", function()
        local ended
        app:tool "wait" (function(_, ctx)
          local _ <close> = setmetatable({}, { __close = function() ended = true end })
          ctx:sleep(60)
          ctx:sleep(60)
        end)
        app:code_mode { timeout = 0.3 }
        local text = run "tools.wait()"
        assert.equal('tool "run_lua" timed out after 0.3 s', text)
        helper.wait_until(function() return ended end, "the end of the inner call")
      end)

      it("asks the user where there are sessions", function()
        app:tool "ask" (function(_, ctx)
          local answer, text = ctx:elicit("Name?", { name = "string" })
          return answer and answer.name or text
        end)
        app:code_mode()
        local text, failed = run "return tools.ask()"
        if revision == BOTH[1] then
          assert.equal("ada", text)
        else
          assert.matches("Client capability required", text, 1, true)
          assert.is_true(failed)
        end
      end)

      it("shows no tools for pages, nor those that stand for others", function()
        app:tool "save" { ui = { visibility = { "app" } } } (function() return "" end)
        app:search()
        app:code_mode()
        for _, name in ipairs { "save", "search_tools", "call_tool", "run_lua" } do
          local _, failed = run(("tools.%s {}"):format(name))
          assert.is_true(failed)
        end
        local names = {}
        for i, tool in ipairs(assert(client:list_tools())) do names[i] = tool.name end
        assert.same({ "save", "search_tools", "call_tool", "run_lua" }, names)
        local result = assert(client:call_tool("call_tool",
          { name = "run_lua", arguments = { code = "return 7" } }))
        assert.equal("7", result.content[1].text)
      end)
    end)
  end

  it("calls only what the token of the caller has a scope for", function()
    local principal = require "mcp.auth.server.principal"
    local app = app_of()
    local me = principal.new { subject = "ada", scopes = {} }
    app.auth = { of = setmetatable({}, { __index = function() return me end }), scopes = {},
      insufficient = function() return mcp.error(-32001, "lacks a scope") end,
      key = function() return "ada" end }
    app:tool "wipe" { scopes = { "root" } } (function() return "wiped" end)
    app:code_mode()
    local peer = helper.open(app, BOTH[2])
    local function text()
      return peer:call("run_lua", { code = "return tools.wipe()" }).content[1].text
    end
    assert.matches("there is no tool wipe", text(), 1, true)
    me = principal.new { subject = "ada", scopes = { "root" } }
    assert.equal("wiped", text())
    app.auth = false
  end)

  it("refuses more scripts than may wait", function()
    local code_mode = require "mcp.server.code_mode"
    local queue = code_mode.QUEUE
    code_mode.QUEUE = 0
    finally(function() code_mode.QUEUE = queue end)
    local app = app_of()
    app:tool "wait" (function() mcp.sleep(0.2) return "" end)
    app:code_mode { scripts = 1 }
    local client <close> = assert(mcp.connect(app, { timeout = pace.limit(20) }))
    local texts = mcp.run(function()
      local function run()
        local result = client:call_tool("run_lua", { code = "return tools.wait()" })
        return result.content[1].text
      end
      return mcp.all { run, run }
    end)
    assert.matches("too many scripts are running, try again later", table.concat(texts), 1, true)
  end)

  it("is explained to the model in less than 400 tokens", function()
    local app = app_of()
    app:code_mode()
    local text = app.tools.by_name.run_lua.definition.description
    assert.is_true(#text / 3.5 < 400, #text .. " bytes")
    local words = 0
    for _ in text:gmatch "[%w_]+" do words = words + 1 end
    for _ in text:gmatch "[^%w_%s]" do words = words + 1 end
    assert.is_true(words < 400, words .. " words and signs")
    assert.matches("Limits: 50 calls, 2 s of computing, 64 MiB of memory, 24000 bytes", text, 1,
      true)
  end)

  it("runs scripts in a process that opens nothing", function()
    local app = app_of()
    local found
    app:tool "look" (function()
      local pid = processes()[1]
      found = { files = member(pid, "limits", "Max open files +(%d+)"),
        privileges = member(pid, "status", "NoNewPrivs:\t(%d)"),
        calls = member(pid, "status", "Seccomp:\t(%d)") }
      return ""
    end)
    app:code_mode()
    local client <close> = assert(mcp.connect(app, { timeout = pace.limit(20) }))
    local result = assert(client:call_tool("run_lua", { code = "return tools.look()" }))
    assert.equal("", result.content[1].text)
    -- The library of a sanitizer opens files.
    if (os.getenv "LD_PRELOAD" or "") ~= "" then return end
    assert.same({ files = "1", privileges = "1", calls = "2" }, found)
  end)

  it("leaves no process behind when its calls are cancelled", function()
    local app = app_of()
    app:tool "wait" (function(_, ctx)
      ctx:sleep(60)
      ctx:sleep(60)
    end)
    app:code_mode { timeout = 0.2, scripts = 4 }
    local client <close> = assert(mcp.connect(app, { timeout = pace.limit(20) }))
    local list = {}
    for i = 1, 8 do
      list[i] = function()
        return client:call_tool("run_lua", { code = i % 2 == 0 and "while true do end"
          or "parallel { function() tools.wait() end, function() tools.wait() end }" })
      end
    end
    helper.logged(function() mcp.run(function() mcp.all(list) end) end)
    helper.wait_until(function() return #processes() == 0 end, "the end of all processes")
    -- The client has some itself.
    client:close()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  end)

  it("says what is wrong with its options at the caller's line", function()
    local function refused(text, fn)
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.matches("code_mode_spec.lua:%d+: ", message)
      assert.matches(text, message, 1, true)
    end
    local app = app_of()
    refused('app:code_mode: unknown option "budgt", did you mean "budget"?',
      function() app:code_mode { budgt = {} } end)
    refused('app:code_mode: budget: unknown option "call", did you mean "calls"?',
      function() app:code_mode { budget = { call = 1 } } end)
    refused("app:code_mode: budget.calls: expected a whole number from 1 to 10000, got 0",
      function() app:code_mode { budget = { calls = 0 } } end)
    refused("app:code_mode: budget.time: expected seconds, more than 0",
      function() app:code_mode { budget = { time = 0 } } end)
    refused("app:code_mode: scripts: expected a whole number from 1 to 64",
      function() app:code_mode { scripts = 65 } end)
    app:code_mode()
    refused('app:code_mode: tool "run_lua" is registered already', function() app:code_mode() end)
  end)
end)
