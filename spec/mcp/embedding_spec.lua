-- SPDX-License-Identifier: MIT
-- Inside other people's programs: on luv's loop, and in a C program that has a loop of its own.
local helper = require "spec.helper"
local support = require "spec.support"
local system = require "codecs.system"

-- What a script prints, and how it ended, run by the plain interpreter.
local function run(text)
  local path = helper.file(text)
  return helper.shell(("timeout 10 %s %s 2>&1"):format(os.getenv "LUA" or "lua5.4",
    helper.quote(path)))
end

describe("on luv's loop", function()
  after_each(helper.remove_files)

  local found = pcall(require, "luv")
  local test = found and it or function(name)
    pending(name .. ": SKIPPED, luv is not installed (Debian: lua-luv)")
  end

  test("timers of luv and MCP calls share one uv.run (examples/luv.lua)", function()
    local out, status = helper.shell(("timeout 10 %s examples/luv.lua 2>&1"):format(
      os.getenv "LUA" or "lua5.4"))
    assert.equal(0, status, out)
    local before, count = -1, 0
    for ticks in out:gmatch "ticks so far: (%d+)" do
      -- Each call waits for longer than two ticks take.
      assert.is_true(tonumber(ticks) > before, out)
      before, count = tonumber(ticks), count + 1
    end
    assert.equal(3, count, out)
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

  test("comes too late once the core has a loop", function()
    local out, status = run [[require "mcp" require "mcp.on_luv"]]
    assert.equal(1, status)
    assert.matches("require it before anything else of mcp", out, 1, true)
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
