-- SPDX-License-Identifier: MIT
-- `luamcp run` runs its script again: at SIGHUP, when a file changes, and when the script asks.
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"
local testing = require "mcp.testing"

describe("a script that is run again", function()
  local folder, server, client
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    helper.shell("mkdir -p " .. helper.quote(folder .. "/parts"))
  end)
  after_each(function()
    if client then client:close() end
    client, server = nil, nil
    support.stop_all()
    helper.shell("rm -rf " .. helper.quote(folder))
  end)

  local function write(name, text)
    -- As editors do it.
    local path = folder .. "/" .. name
    local file <close> = assert(io.open(path .. ".new", "w"))
    file:write(text)
    file:close()
    assert(os.rename(path .. ".new", path))
  end

  local SCRIPT = [==[
    local mcp = require "mcp"
    local words = require "parts.words"
    local app = mcp.server { name = "again", version = "1" }
    app.state.loads = (app.state.loads or 0) + 1
    local load = app.state.loads
    local function note(...) io.stderr:write(string.format(...), "\n") end
    local guard <close> = setmetatable({}, { __close = function() note("closed %d", load) end })
    mcp.spawn(function()
      note("task %d", load)
      mcp.sleep(1000)
      note("task over %d", load)
    end)
    app:tool "say" (function() return words .. load end)
    app:tool "wait" (function(_, ctx)
      note("waits %d", load)
      ctx:sleep(0.4)
      return words .. load
    end)
    app:tool "again" (function()
      local ok, text = app:reload()
      return ok and "reloaded" or text
    end)
    MORE
    app:run { http = { port = 0 } }
    note("after run %d", load)
  ]==]

  local function script(more) write("server.lua", (SCRIPT:gsub("MORE", more or ""))) end

  local function start(words, env)
    script()
    write("parts/words.lua", 'return "one"')
    server = support.start("{}", { path = folder .. "/server.lua", words = words,
      env = { "MCP_LOG=info", table.unpack(env or {}) } })
    local port = server:wait_said "at http://[^%s]-:(%d+)/"
    client = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(port)))
    return server
  end

  local function say(name) return testing.text(client:call_tool(name or "say")) end

  it("at SIGHUP, with its modules", function()
    start()
    assert.equal("one1", say())
    write("parts/words.lua", 'return "two"')
    server.process:kill "HUP"
    server:wait_said "server.lua reloaded"
    assert.equal("two2", say())
    -- What the first one started has ended. Its app:run returns when the process ends.
    server:wait_said "task over 1"
    assert.is_nil(server:told():find "after run 1")
    server.process:kill "HUP"
    server:wait_said "closed 2"
    server:wait_said "after run 2"
    server:wait_said "task over 2"
    server.process:kill "TERM"
    assert.same({ "exit", 0 }, { server:wait_end() })
    assert.matches("closed 1", server:told(), 1, true)
  end)

  it("at a SIGHUP that came while it was loading, once it serves", function()
    write("server.lua", [[
      local mcp = require "mcp"
      local app = mcp.server "early"
      io.stderr:write "loading\n"
      while not io.open(os.getenv "SPEC_GO") do os.execute "sleep 0.01" end
      app.state.loads = (app.state.loads or 0) + 1
      local load = app.state.loads
      app:tool "say" (function() return "early" .. load end)
      app:run()]])
    server = support.start("{}", { path = folder .. "/server.lua", words = { "--http", "0" },
      env = { "MCP_LOG=info", "SPEC_GO=" .. folder .. "/go" } })
    server:wait_said "loading"
    server.process:kill "HUP"
    write("go", "")
    local port = server:wait_said "at http://[^%s]-:(%d+)/"
    server:wait_said "server.lua reloaded"
    client = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(port)))
    assert.equal("early2", say())
  end)

  it("a call in progress ends in the old script, which ends after it", function()
    start()
    server.process:kill "HUP"
    server:wait_said "server.lua reloaded"
    local answer
    local function until_true(condition)
      local deadline = os.time() + support.LIMIT
      while not condition() and os.time() <= deadline do mcp.sleep(0.01) end
      assert.is_truthy(condition())
    end
    mcp.run(function()
      local done = mcp.waiter()
      done:spawn(function() answer = say "wait" end)
      until_true(function() return server:told():find "waits 2" end)
      write("parts/words.lua", 'return "three"')
      server.process:kill "HUP"
      until_true(function() return server:told():find "task 3" end)
      until_true(function() return say() == "three3" end)
      assert.is_nil(server:told():find "closed 2")
      done:wait()
    end)
    assert.equal("one2", answer)
    server:wait_said "closed 2"
  end)

  it("keeps the old one and says why when it fails", function()
    start()
    for _, case in ipairs {
      { "error 'as asked'", "not reloaded, .-server.lua:%d+: as asked" },
      { "local = 1", "not reloaded, .-server.lua:%d+: " },
      { "app:tool 'open'", "not reloaded, .- never got its function" },
      { "app:tool 'say' (print)", "not reloaded, .-registered already" },
      { "do return end", "not reloaded, .- ends without app:run%(%)" },
      { "do return app:listen { http = 0 } end", "not reloaded, .-app:listen: a script that is" },
    } do
      script(case[1])
      local from = #server:told() + 1
      server.process:kill "HUP"
      server:wait_said(case[2], from)
      assert.equal("one1", say())
    end
    write("parts/words.lua", "return nosuch.member")
    script()
    server.process:kill "HUP"
    server:wait_said "not reloaded, .-words.lua:1: attempt to index a nil value"
    assert.equal("one1", say())
    write("parts/words.lua", 'return "good"')
    server.process:kill "HUP"
    server:wait_said "server.lua reloaded"
    assert.matches("^good", say())
  end)

  it("when a tool asks for it, also while listing changes and options do", function()
    start()
    script [[app:tool "more" (function() return "more" end)
      app:route("/new", function() return "route" end)]]
    assert.equal("reloaded", say "again")
    assert.equal("more", say "more")
    local address = ("http://127.0.0.1:%s/new"):format(server:told():match ":(%d+)/mcp")
    assert.equal("route", mcp.fetch(address).body)
    script()
    assert.equal("reloaded", say "again")
    assert.equal(404, mcp.fetch(address).status)
    write("server.lua", (SCRIPT:gsub("MORE", ""):gsub("port = 0 }", "port = 1 }, drain = 3")))
    assert.equal("reloaded", say "again")
    server:wait_said "reload: app:run: drain, http: takes effect at the next start"
  end)

  it("when a file changes, with --watch", function()
    start { "--watch" }
    assert.equal("one1", say())
    write("parts/words.lua", 'return "two"')
    server:wait_said "server.lua reloaded"
    assert.equal("two2", say())
    -- In place, and several changes at once.
    local from = #server:told() + 1
    for i = 1, 5 do
      local file <close> = assert(io.open(folder .. "/parts/words.lua", "w"))
      file:write(('return "in place %d "'):format(i))
    end
    server:wait_said("server.lua reloaded", from)
    assert.equal("in place 5 3", say())
    write("notes.txt", "nothing of it")
    mcp.sleep(0.2)
    assert.equal("in place 5 3", say())
  end)

  it("with other apps at paths of their own", function()
    local text = [[
      local mcp = require "mcp"
      local app, other = mcp.server "main", mcp.server "other"
      other.state.loads = (other.state.loads or 0) + 1
      local load = other.state.loads
      app:tool "say" (function() return "main NUMBER" end)
      other:tool "say" (function() return "other NUMBER " .. load end)
      app:run { http = { port = 0 }, paths = { ["/other/mcp"] = other } }]]
    write("server.lua", (text:gsub("NUMBER", "1")))
    server = support.start("{}", { path = folder .. "/server.lua", env = { "MCP_LOG=info" } })
    local port = server:wait_said "at http://[^%s]-:(%d+)/"
    client = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(port)))
    local second <close> = assert(mcp.connect(("http://127.0.0.1:%d/other/mcp"):format(port)))
    assert.equal("main 1", say())
    assert.equal("other 1 1", testing.text(second:call_tool "say"))
    write("server.lua", (text:gsub("NUMBER", "2")))
    server.process:kill "HUP"
    server:wait_said "server.lua reloaded"
    assert.equal("main 2", say())
    assert.equal("other 2 2", testing.text(second:call_tool "say"))
    assert.is_nil(server:told():find("takes effect", 1, true))
  end)

  it("an OpenAPI document", function()
    local text = [[{ "openapi": "3.1.0", "info": { "title": "d", "version": "1" },
      "servers": [{ "url": "http://127.0.0.1:1" }], "paths": { "/a": { "get": {
        "operationId": "NAME", "responses": { "200": { "description": "ok" } } } } } }]]
    write("api.json", (text:gsub("NAME", "first")))
    server = support.start("{}", { path = folder .. "/api.json",
      words = { "--http", "0", "--watch" }, env = { "MCP_LOG=info" } })
    local port = server:wait_said "at http://[^%s]-:(%d+)/"
    client = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(port)))
    assert.equal("first", client:list_tools()[1].name)
    write("api.json", (text:gsub("NAME", "second")))
    server:wait_said "api.json reloaded"
    assert.equal("second", client:list_tools({ fresh = true })[1].name)
    local from = #server:told() + 1
    write("api.json", "{")
    server:wait_said("api.json not reloaded", from)
    assert.equal("second", client:list_tools({ fresh = true })[1].name)
  end)

  it("a script that returns its app", function()
    write("server.lua", [[
      local mcp = require "mcp"
      local app = mcp.server "r"
      app.state.n = (app.state.n or 0) + 1
      local n = app.state.n
      app:tool "say" (function() return "r" .. n end)
      return app]])
    server = support.start("{}", { path = folder .. "/server.lua", words = { "--http", "0" },
      env = { "MCP_LOG=info" } })
    local port = server:wait_said "at http://[^%s]-:(%d+)/"
    client = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(port)))
    assert.equal("r1", say())
    server.process:kill "HUP"
    server:wait_said "server.lua reloaded"
    assert.equal("r2", say())
  end)
end)
