-- SPDX-License-Identifier: MIT
-- Inside other people's programs: on luv's loop, and in a C program that has a loop of its own.
local helper = require "spec.helper"
local support = require "spec.support"
local system = require "codecs.system"

-- What a script prints, and how it ended, run by the plain interpreter, or by the program.
local function run(text, command)
  local path = helper.file(text, ".lua")
  return helper.shell(("timeout 10 %s %s 2>&1 </dev/null"):format(command or os.getenv "LUA"
    or "lua5.4", helper.quote(path)))
end

local PROGRAM = helper.quote(helper.program()) .. " run"

describe("on luv's loop", function()
  after_each(helper.remove_files)

  local found = pcall(require, "luv")
  local test = found and it or function(name)
    pending(name .. ": SKIPPED, luv is not installed (Debian: lua-luv)")
  end

  test("timers of luv and MCP calls share one uv.run, in both programs", function()
    for _, command in ipairs { false, PROGRAM } do
      local out, status = run([[
        local uv = require "luv"
        local mcp = require "mcp.on_luv"
        local ticks, timer = 0, uv.new_timer()
        timer:start(0, 20, function() ticks = ticks + 1 end)
        local app = mcp.server "ticker"
        app:tool "ticks" (function(_, ctx)
          ctx:sleep(0.05)
          return ticks
        end)
        local listening = app:listen { http = "127.0.0.1:0", quiet = true }
        mcp.spawn(function()
          local client <close> = mcp.connect(listening.urls[1])
          for _ = 1, 3 do
            print("ticks so far: " .. client:call_tool("ticks").content[1].text)
          end
          timer:close()
          listening:close()
        end)
        uv.run()]], command or nil)
      assert.equal(0, status, out)
      local before, count = -1, 0
      for ticks in out:gmatch "ticks so far: (%d+)" do
        -- Each call waits for longer than two ticks take.
        assert.is_true(tonumber(ticks) > before, out)
        before, count = tonumber(ticks), count + 1
      end
      assert.equal(3, count, out)
    end
  end)

  test("the core may have a loop already, if nothing uses it", function()
    for _, command in ipairs { false, PROGRAM } do
      local out, status = run([[
        local mcp = require "mcp"
        local core = require "mcp.core"
        local waiter = mcp.waiter()
        mcp.spawn(function() mcp.sleep(0.001) end)
        mcp.sleep(0.002)
        assert(require "mcp.on_luv" == mcp and require "mcp.on_luv" == mcp)
        local uv, order = require "luv", {}
        local function note(name) order[#order + 1] = name end
        mcp.spawn(function() mcp.sleep(0.06) note "task" end)
        mcp.spawn(function() mcp.sleep(30) note "never" end)
        mcp.spawn(function() note(waiter:wait(10)) end)
        local timer = uv.new_timer()
        timer:start(1, 0, function()
          waiter:wake "woken"
          note "luv"
          timer:close()
        end)
        assert(core.fd() == uv.backend_fd())
        mcp.sleep(0.1)
        print(table.concat(order, " "))]], command or nil)
      assert.equal("luv woken task\n", out)
      assert.equal(0, status)
    end
  end)

  test("workers move to it as one process does", function()
    local out, status = run([[
      local uv = require "luv"
      local mcp = require "mcp.on_luv"
      local ticks, timer = 0, uv.new_timer()
      timer:start(0, 20, function() ticks = ticks + 1 end)
      timer:unref()
      local app = mcp.server "ticker"
      app:tool "ticks" (function(_, ctx)
        ctx:sleep(0.05)
        return ticks > 0 and "both"
      end)
      local supervisors = require "mcp.server.workers.supervisor"
      local make = supervisors.new
      function supervisors.new(...)
        local supervisor = make(...)
        mcp.spawn(function()
          local url = ("http://127.0.0.1:%d/mcp"):format(supervisor.sockets[1].socket:port())
          local client <close> = assert(mcp.connect(url))
          print(client:call_tool("ticks").content[1].text)
          supervisor:stop()
        end)
        return supervisor
      end
      app:run { http = 0, workers = 2, quiet = true }]], PROGRAM)
    assert.equal("both\n", out)
    assert.equal(0, status)
  end)

  test("a script may have the name of the module that it requires", function()
    local folder = helper.shell("mktemp -d"):match "[^\n]+"
    local function write(name, text)
      local file <close> = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
    end
    write("luv.lua", "print(require 'luv'.version ~= nil, require 'beside', ...)")
    write("beside.lua", "return 'beside'")
    for where, from in pairs { [folder .. "/luv.lua"] = "/", ["luv.lua"] = folder,
      ["./luv.lua"] = folder } do
      local out, status = helper.shell(("cd %s && timeout 10 %s %s word 2>&1"):format(from,
        PROGRAM, where))
      assert.equal("true\tbeside\tword\n", out)
      assert.equal(0, status)
    end
    for _, name in ipairs { "/luv.lua", "/beside.lua", "" } do os.remove(folder .. name) end
  end)

  test("wake from callbacks of luv, in every way to run its loop", function()
    local ways = {
      ["uv.run"] = "uv.run()",
      ["uv.run in a coroutine"] = "coroutine.wrap(uv.run)()",
      ["mcp.run"] = "mcp.run()",
      ["mcp.step"] = "while mcp.step(1) do end",
      ["a wait on the main thread"] = "mcp.sleep(0.1)",
    }
    for name, way in pairs(ways) do
      for _, command in ipairs { false, PROGRAM } do
        local out, status = run([[
          local uv, mcp = require "luv", require "mcp.on_luv"
          local count = 0
          local function wait(start)
            mcp.spawn(function()
              local waiter, inside = mcp.waiter(), false
              start(function(...)
                inside = true
                assert(waiter:wake(...))
                assert(not waiter:wake "again")
                inside = false
              end)
              local result, text = waiter:wait(5)
              assert(not inside, "continued inside the callback")
              if result == nil then print(text) end
              count = count + 1
            end)
          end
          local timer = uv.new_timer()
          wait(function(wake) timer:start(1, 0, function() timer:close() wake "timer" end) end)
          local async
          async = uv.new_async(function(...) async:close() wake_async(...) end)
          wait(function(wake) wake_async = wake end)
          thread = uv.new_thread(function(async) async:send "from a thread" end, async)
          wait(function(wake) uv.fs_stat(".", function(_, stat) wake(stat) end) end)
          wait(function(wake) uv.fs_stat("/nowhere", function(err) wake(nil, err) end) end)
          wait(function(wake)
            uv.getaddrinfo("127.0.0.1", nil, {}, function(_, list) wake(list) end)
          end)
          wait(function(wake)
            work = uv.new_work(function(n) return n * 2 end, wake) -- luv does not keep it
            work:queue(21)
          end)
          local idle = uv.new_idle()
          wait(function(wake) idle:start(function() idle:close() wake() end) end)
          ]] .. way .. [[

          print(count)]], command or nil)
        assert.equal("ENOENT: no such file or directory: /nowhere\n7\n", out, name)
        assert.equal(0, status)
      end
    end
  end)

  test("nothing can wait inside luv's callbacks, and it says so", function()
    local out, status = run [[
      local uv, mcp = require "luv", require "mcp.on_luv"
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        for _, wait in ipairs { function() mcp.sleep(1) end, function() mcp.step(1) end,
          function() mcp.run(function() mcp.sleep(1) end) end } do
          print(select(2, pcall(wait)))
        end
        mcp.spawn(function() mcp.sleep(0.01) print "in a task it can" end)
        timer:close()
      end)
      uv.run()
      mcp.sleep(0.01)
      print "outside of it as well"]]
    assert.equal(0, status, out)
    local _, refused = out:gsub("luv's loop is running", "")
    assert.equal(3, refused, out)
    assert.matches("in a task it can", out, 1, true)
    assert.matches("outside of it as well", out, 1, true)
  end)

  test("nothing can connect or be asked inside them either", function()
    local out, status = run [[
      local uv, mcp = require "luv", require "mcp.on_luv"
      local core = require "mcp.core"
      local pool, nothing = core.http_pool(), function() end
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        for _, wait in ipairs {
          function() core.connect_socket({ unix = "/nowhere" }, nothing) end,
          function() core.connect_websocket({ unix = "/nowhere" }, nothing) end,
          function() pool:request { unix = "/nowhere" } end } do
          print(select(2, pcall(wait)))
        end
        timer:close()
      end)
      uv.run()]]
    assert.equal(0, status, out)
    assert.equal(3, select(2, out:gsub("luv's loop is running", "")), out)
  end)

  test("the host's handles live on when ours are gone", function()
    local out, status = run [[
      local uv = require "luv"
      local mcp = require "mcp.on_luv"
      local app = mcp.server "x"
      app:tool "t" (function() end)
      local listening = app:listen { http = "127.0.0.1:0", quiet = true }
      local timer, ticks = uv.new_timer(), 0
      timer:start(1, 1, function()
        ticks = ticks + 1
        if ticks == 3 then listening:close() end
        if ticks == 10 then timer:close() end
      end)
      uv.run()
      print("ticks", ticks)]]
    assert.equal(0, status, out)
    assert.matches("ticks\t10", out, 1, true)
  end)

  test("a state that ends in the middle of everything ends well", function()
    local out, status = run [[
      local uv = require "luv"
      local mcp = require "mcp.on_luv"
      local app = mcp.server "x"
      app:listen { http = "127.0.0.1:0", quiet = true }
      mcp.spawn(function() mcp.sleep(100) end)
      local timer = uv.new_timer()
      timer:start(1000000, 0, function() end)
      uv.run "nowait"
      print "the end"]]
    assert.equal(0, status, out)
    assert.equal("the end\n", out)
  end)

  test("and so does one with lookups, connections and a child under way", function()
    local out, status = run [[
      local uv, mcp = require "luv", require "mcp.on_luv"
      local core = require "mcp.core"
      local pool, nothing = core.http_pool(), function() end
      local listening = assert(core.listen_http({ host = "127.0.0.1", port = 0 }, nothing))
      for _ = 1, 8 do
        mcp.spawn(function() core.connect_socket({ host = "localhost", port = 1 }, nothing) end)
      end
      mcp.spawn(function() core.connect_websocket({ host = "127.0.0.1",
        port = listening:port() }, nothing) end)
      mcp.spawn(function() pool:request { host = "127.0.0.1", port = listening:port() } end)
      child = assert(core.connect_child({ command = "cat" }, nothing))
      local timer = uv.new_timer()
      timer:start(1000000, 0, function() end)
      uv.run "nowait"
      print "the end"]]
    assert.equal(0, status, out)
    assert.equal("the end\n", out)
  end)

  test("comes too late once something uses the core's loop, which goes on", function()
    for _, command in ipairs { false, PROGRAM } do
      for _, use in ipairs { "x = app:listen { http = '127.0.0.1:0', quiet = true }",
        "x = mcp.connect(app)", "x = mcp.connect(app) x:close() x = nil collectgarbage()",
        "x = core.connect_child({ command = 'cat' }, print)", "x = core.http_pool()",
        "mcp.spawn(function() mcp.sleep(1) end)",
        "mcp.spawn(function() require 'mcp.on_luv' end) mcp.spawn(mcp.sleep, 1)",
        "x = mcp.worker { 'spec/pace.lua' } x:limit(1)" } do
        local out, status = run(([[
          local mcp, core = require "mcp", require "mcp.core"
          local app = mcp.server "x"
          app:tool "t" (function() end)
          %s
          local _, text = pcall(require, "mcp.on_luv")
          mcp.sleep(0.002)
          print(text)]]):format(use), command or nil)
        assert.matches("mcp.on_luv: luamcp's own loop is in use", out, 1, true)
        -- The program says in the end that the app was never run.
        assert.is_true(status == 0 or out:find("app:run() is missing", 1, true) ~= nil, out)
      end
    end
  end)

  test("names the package where luv is missing", function()
    local out, status = run [[
      package.cpath = package.cpath:gsub("[^;]*luv[^;]*", "")
      package.preload.luv = function() error "no luv here" end
      require "mcp.on_luv"]]
    assert.equal(1, status)
    assert.matches("Debian: lua-luv", out, 1, true)
  end)
end)

describe("in a C program (examples/host)", function()
  it("poll drives both: its own input, and MCP calls", function()
    local host = system.spawn { os.getenv "MCP_BUILD" .. "/host" }
    local _ <close> = setmetatable({}, { __close = function() host:close() end })
    local said, deadline = "", system.now() + 5
    while not said:find "\n" and system.now() < deadline do
      said = said .. (host:read(0.1) or "")
    end
    local port = math.tointeger(tonumber(said:match "http://127%.0%.0%.1:(%d+)/mcp"))
    local client = support.client { host = "127.0.0.1", port = port }
    local function ask()
      local body = support.modern_body(1, "resources/read", { uri = "host://last-line" })
      return client:ask(support.request("POST", { ["Mcp-Method"] = "resources/read",
        ["Mcp-Name"] = "host://last-line", ["MCP-Protocol-Version"] = support.MODERN }, body))
        .json.result.contents[1].text
    end
    assert.equal("(nothing yet)", ask())
    assert(host:write "one line\n")
    deadline = system.now() + 5
    local last
    repeat last = ask() until last == "one line" or system.now() > deadline
    assert.equal("one line", last)
    -- The end of its own input ends it, whatever is open.
    host:close_stdin()
    assert.same({ "exit", 0 }, { host:wait(5) })
  end)
end)
