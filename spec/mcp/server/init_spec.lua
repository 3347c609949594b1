-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local server = require "mcp.server"

local function here() return debug.getinfo(2, "l").currentline end

describe("server", function()
  after_each(helper.leftovers)

  local function refused(fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    return err
  end

  describe("decorators", function()
    it("take a name, then options, then the handler, which they return", function()
      local app = mcp.server "spec"
      local function handler() end
      assert.equal(handler, app:tool "a" { description = "A" } (handler))
      assert.equal("A", app.tools.by_name.a.definition.description)
    end)

    it("do without options, for every kind", function()
      local app = mcp.server "spec"
      local function handler() end
      assert.equal(handler, app:tool "a" (handler))
      assert.equal(handler, app:resource "a:b" (handler))
      assert.equal(handler, app:resource "a:{x}" (handler))
      assert.equal(handler, app:prompt "a" (handler))
    end)

    it("return themselves when given options", function()
      local app = mcp.server "spec"
      local decorator = app:tool "a"
      assert.equal(decorator, decorator { description = "A" })
      assert.equal('app:tool "a"', tostring(decorator))
      decorator(function() end)
    end)

    it("take a callable table for a handler", function()
      local app = mcp.server "spec"
      local handler = setmetatable({}, { __call = function(_, args) return "got " .. args.x end })
      assert.equal(handler, app:tool "a" { input = { x = "string" } } (handler))
      local peer = helper.open(app)
      assert.equal("got y", peer:call("a", { x = "y" }).content[1].text)
    end)

    it("the same name twice is an error at its line", function()
      local app = mcp.server "spec"
      app:tool "a" (function() end)
      app:prompt "a" (function() end)
      app:resource "a:a" (function() end)
      for kind, name in pairs { tool = "a", prompt = "a", resource = "a:a" } do
        local line = here() + 1
        local err = refused(function() app[kind](app, name) end)
        assert.matches(("init_spec.lua:%d: %s %q is registered already"):format(line, kind, name),
          err, 1, true)
      end
    end)

    it("the same name declared twice before either has its handler is caught as well", function()
      local app = mcp.server "spec"
      local first, second = app:tool "a", app:tool "a"
      first(function() end)
      local line = here() + 1
      local err = refused(function() second(function() end) end)
      assert.matches(("init_spec.lua:%d: tool \"a\" is registered already"):format(line), err, 1,
        true)
    end)

    it("one without its function is an error at run, naming file and line", function()
      local app = mcp.server "spec"
      local line = here() + 1
      app:tool "forgotten" { description = "x" }
      app:prompt "too"
      for _, method in ipairs { "run", "listen", "run_stdio", "run_http" } do
        local err = refused(app[method], app, method == "listen" and {} or nil)
        assert.matches(("init_spec.lua:%d: app:tool \"forgotten\" never got its function")
          :format(line), err, 1, true)
        assert.matches(("init_spec.lua:%d: app:prompt \"too\""):format(line + 1), err, 1, true)
      end
    end)

    it("and is told what it was called with, if that is not right", function()
      local app = mcp.server "spec"
      for _, name in ipairs { "run", "listen", "run_stdio", "run_http", "run_sse",
        "run_websocket" } do
        for _, given in ipairs { 8000, "127.0.0.1:8000", true } do
          local line = here() + 1
          local err = refused(function() app[name](app, given) end)
          assert.matches(("init_spec.lua:%d: app:%s: expected a table such as {"):format(line,
            name), err, 1, true)
          assert.matches("}, got " .. type(given), err, 1, true)
        end
        for _, wrong in ipairs { "", {} } do
          local line = here() + 1
          local err = refused(function() app[name](wrong) end)
          assert.matches(("init_spec.lua:%d: app:%s is called with a colon, not with a dot")
            :format(line, name), err, 1, true)
        end
      end
      assert.matches('app:run_stdio: unknown option "port"', refused(function()
        app:run_stdio { port = 1 }
      end), 1, true)
      for _, way in ipairs { "http", "sse", "websocket" } do
        assert.matches(('init_spec.lua:%d: app:run_%s: unknown option "%s": host, port'):format(
          here() + 1, way, way), refused(function()
            app["run_" .. way](app, { [way] = 0 }) end), 1, true)
      end
    end)

    it("a kind takes one name; what else there is follows it", function()
      local app = mcp.server "spec"
      for _, kind in ipairs { "tool", "resource", "prompt" } do
        local line = here() + 1
        local err = refused(function() app[kind](app, "a:b", function() end) end)
        assert.matches(('init_spec.lua:%d: app:%s: expected one name; options and function '
          .. 'follow: app:%s "a:b" { … } (function)'):format(line, kind, kind), err, 1, true)
        line = here() + 1
        err = refused(function() app[kind]("a:b") end)
        assert.matches(("init_spec.lua:%d: app:%s is called with a colon"):format(line, kind),
          err, 1, true)
      end
      -- Nothing of that is left half made.
      assert.is_nil(next(app.pending))
    end)

    it("the line is the decorator's in a coroutine and after a tail call, too", function()
      local app = mcp.server "spec"
      local line
      coroutine.wrap(function() line = here() app:tool "a" end)()
      assert.matches(("init_spec.lua:%d:"):format(line), refused(app.listen, app, {}), 1, true)
    end)

    it("an option that is unknown names the nearest, at its line", function()
      local app = mcp.server "spec"
      local cases = { { "tool", "a", "inptu", "input" }, { "tool", "b", "outpt", "output" },
        { "resource", "a:b", "mimee", "mime" }, { "prompt", "a", "argument", "arguments" } }
      for _, case in ipairs(cases) do
        local line = here() + 1
        local err = refused(function() app[case[1]](app, case[2]) { [case[3]] = {} } end)
        assert.matches(("init_spec.lua:%d: %s %q: unknown option %q, did you mean %q?")
          :format(line, case[1], case[2], case[3], case[4]), err, 1, true)
      end
    end)

    it("an option of a wrong type says what was expected", function()
      local app = mcp.server "spec"
      assert.matches('tool "a": option "input": expected a table, got string',
        refused(function() app:tool "a" { input = "x" } end), 1, true)
    end)

    it("options twice, a handler twice, or something else altogether", function()
      local app = mcp.server "spec"
      assert.matches("init_spec.lua:%d+: tool \"a\": options are given twice",
        refused(function() app:tool "a" {} {} end))
      local done = app:tool "b"
      done(function() end)
      assert.matches("init_spec.lua:%d+: tool \"b\" has its handler already",
        refused(function() done(function() end) end))
      assert.matches("init_spec.lua:%d+: tool \"c\": expected a table of options or a function, "
        .. "got number", refused(function() app:tool "c" (5) end))
    end)

    it("a name that is none", function()
      local app = mcp.server "spec"
      for _, name in ipairs { 5, {}, "" } do
        assert.matches("init_spec.lua:%d+: app:tool: expected a name",
          refused(function() app:tool(name) end))
      end
      assert.matches("expected a name, got nil", refused(function() app:prompt() end), 1, true)
    end)
  end)

  describe("mcp.server", function()
    it("takes a name or options", function()
      assert.equal("mcp.server (x 0.0.0)", tostring(mcp.server "x"))
      assert.equal("mcp.server (x 1.2)", tostring(mcp.server { name = "x", version = "1.2" }))
    end)

    it("refuses what it does not understand, at the caller's line", function()
      local cases = {
        { 5, "a name or a table" }, { {}, "a name is needed" }, { "", "a name is needed" },
        { { name = 5 }, 'option "name": expected a string, got number' },
        { { name = "x", verison = "1" }, 'did you mean "version"?' },
        { { name = "x", sessions = { idel = 1 } }, 'sessions: unknown option "idel"' },
        { { name = "x", sessions = { idle = "1" } }, "expected a number" },
        { { name = "x", cache = { scope = "world" } }, '"public" or "private"' },
        { { name = "x", cache = { tll = 1 } }, 'did you mean "ttl"?' },
      }
      for _, case in ipairs(cases) do
        local err = refused(function() mcp.server(case[1]) end)
        assert.matches(case[2], err, 1, true)
        assert.matches("^[^\n]*init_spec.lua:%d+: mcp.server", err)
      end
      assert.matches("got nil", refused(function() mcp.server() end), 1, true)
    end)

    it("shows each revision the identity it knows (1.7)", function()
      local app = mcp.server { name = "n", version = "v", title = "T", description = "D",
        website = "https://x", icons = { { src = "https://x/i" } }, instructions = "Do." }
      local expected = {
        ["2024-11-05"] = "name version", ["2025-03-26"] = "name version",
        ["2025-06-18"] = "name title version",
        ["2025-11-25"] = "description icons name title version websiteUrl",
      }
      local function members(of)
        local names = {}
        for name in pairs(of) do names[#names + 1] = name end
        table.sort(names)
        return table.concat(names, " ")
      end
      for revision, names in pairs(expected) do
        local peer = helper.connect(app)
        local result = peer:initialize(revision)
        assert.equal(names, members(result.serverInfo), revision)
        assert.equal("Do.", result.instructions)
        peer:close()
      end
      local peer = helper.connect(app)
      local result = peer:modern("server/discover").result
      assert.equal("description icons name title version websiteUrl",
        members(result._meta[helper.PREFIX .. "serverInfo"]))
      assert.equal("Do.", result.instructions)
    end)

    it("caching hints are seconds outside and milliseconds on the wire (4.8)", function()
      local app = mcp.server { name = "n", cache = { ttl = 1.5, scope = "public" } }
      app:tool "a" (function() end)
      local peer = helper.open(app, "2026-07-28")
      local result = peer:modern("tools/list").result
      assert.equal(1500, result.ttlMs)
      assert.equal("integer", math.type(result.ttlMs))
      assert.equal("public", result.cacheScope)
    end)
  end)

  describe("capabilities (T-65)", function()
    local function declared(build, revision)
      local app = mcp.server "spec"
      build(app)
      local peer = helper.connect(app)
      local result
      if revision then
        result = peer:modern("server/discover").result
      else
        result = peer:initialize()
      end
      peer:close()
      local names = {}
      for name in pairs(result.capabilities) do names[#names + 1] = name end
      table.sort(names)
      return names, result
    end

    it("are what has been registered", function()
      assert.same({ "logging" }, (declared(function() end)))
      assert.same({ "logging", "tools" },
        (declared(function(app) app:tool "a" (function() end) end)))
      assert.same({ "logging", "resources" },
        (declared(function(app) app:resource "a:{b}" (function() end) end)))
      assert.same({ "prompts" },
        (declared(function(app) app:prompt "a" (function() end) end, "2026-07-28")))
    end)

    it("an empty one goes out as an object", function()
      local app = mcp.server "spec"
      app:tool "a" (function() end)
      local peer = helper.connect(app)
      local _, line = peer:modern "server/discover"
      assert.matches('"tools":{', line, 1, true)
      assert.is_nil(line:find('"tools":[', 1, true))
    end)

    it("methods of what is not registered are not there", function()
      for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
        local app = mcp.server "spec"
        local peer = helper.open(app, revision)
        local function ask(method)
          return peer.era and peer:modern(method) or peer:request(method)
        end
        for _, method in ipairs { "tools/list", "tools/call", "resources/list", "resources/read",
          "resources/templates/list", "prompts/list", "prompts/get" } do
          assert.equal(-32601, ask(method).error.code, method)
        end
        app:tool "late" (function() end)
        assert.equal("late", ask("tools/list").result.tools[1].name)
        app:remove("tool", "late")
        assert.equal(-32601, ask("tools/list").error.code)
        peer:close()
      end
    end)
  end)

  describe("app:remove", function()
    it("takes away what is there, and says whether it was", function()
      local app = mcp.server "spec"
      app:tool "a" (function() end)
      app:prompt "a" (function() end)
      app:resource "a:b" (function() end)
      app:resource "a:{b}" (function() end)
      assert.is_true(app:remove("tool", "a"))
      assert.is_false(app:remove("tool", "a"))
      assert.is_true(app:remove("prompt", "a"))
      assert.is_true(app:remove("resource", "a:b"))
      assert.is_true(app:remove("resource", "a:{b}"))
      assert.is_false(app:has "resources")
    end)

    it("keeps no count of a template that lists", function()
      local app = mcp.server "spec"
      app:resource "a:{b}" { list = function() return {} end } (function() end)
      app:resource "c:{d}" (function() end)
      assert.equal(1, app.listers)
      app:remove("resource", "c:{d}")
      assert.equal(1, app.listers)
      -- Without one, resources/list is kept as bytes.
      app:remove("resource", "a:{b}")
      assert.equal(0, app.listers)
    end)

    it("frees the name", function()
      local app = mcp.server "spec"
      app:tool "a" (function() return "old" end)
      app:remove("tool", "a")
      app:tool "a" (function() return "new" end)
      assert.equal("new", helper.open(app):call("a").content[1].text)
    end)

    it("refuses a kind it does not know, at the caller's line", function()
      local app = mcp.server "spec"
      local err = refused(function() app:remove("tol", "a") end)
      assert.matches('init_spec.lua:%d+: app:remove: expected "tool", "resource" or "prompt"',
        err)
    end)
  end)

  describe("running", function()
    local opened

    -- What app:run would have opened, without opening or serving it.
    local function ran(asked, run)
      local listen = require "mcp.server.listen"
      local open, serve = listen.open, listen.serve
      opened = nil
      listen.open = function(_, options) opened = options return { urls = {} } end
      listen.serve = function() end
      server.asked = asked
      local ok, err = pcall(run, mcp.server "spec")
      listen.open, listen.serve, server.asked = open, serve, nil
      if not ok then error(err, 0) end
      return opened
    end

    it("is stdio unless something else is said", function()
      assert.same({ stdio = true }, ran(nil, function(app) app:run() end))
      assert.same({ stdio = true }, ran(nil, function(app) app:run_stdio() end))
      assert.same({ http = 8000 }, ran(nil, function(app) app:run { http = 8000 } end))
    end)

    it("the command line chooses the transports, the script the rest", function()
      assert.same({ http = "8001" }, ran({ http = "8001" }, function(app) app:run() end))
      assert.same({ stdio = true, limits = { body = 1 } }, ran({ stdio = true }, function(app)
        app:run { http = 8000, limits = { body = 1 } }
      end))
      -- One that names none leaves those of the script.
      assert.same({ http = 8000, metrics = true }, ran({ metrics = true }, function(app)
        app:run { http = 8000 }
      end))
    end)

    it("the command line names the collector, the script the rest of tracing", function()
      assert.same({ http = 8000, tracing = { endpoint = "http://c", sample = 0.5 } },
        ran({ otlp = "http://c" }, function(app)
          app:run { http = 8000, tracing = { endpoint = "http://other", sample = 0.5 } }
        end))
      assert.same({ stdio = true, tracing = { endpoint = "http://c" } },
        ran({ otlp = "http://c" }, function(app) app:run() end))
    end)

    it("run_http hands on address, security and limits", function()
      assert.same({ http = { host = "h", port = 1, path = "/p" }, security = {}, limits = {} },
        ran(nil, function(app)
          app:run_http { host = "h", port = 1, path = "/p", security = {}, limits = {} }
        end))
    end)

    it("an unknown option is an error at the line of the call", function()
      local app = mcp.server "spec"
      local line = here() + 1
      local err = refused(function() app:run { htpt = 8000 } end)
      assert.matches(("init_spec.lua:%d: unknown option \"htpt\", did you mean \"http\"?")
        :format(line), err, 1, true)
      line = here() + 1
      err = refused(function() app:listen { http = { prot = 1 } } end)
      assert.matches(("init_spec.lua:%d: http: unknown option \"prot\", did you mean \"port\"?")
        :format(line), err, 1, true)
    end)
  end)

  it("lets several peers talk to one app, each in its own revision", function()
    local app = mcp.server "spec"
    app:tool "revision" (function(_, ctx) return ctx.revision.name end)
    local peers = {}
    for i, revision in ipairs(helper.revisions) do peers[i] = helper.open(app, revision) end
    for i, revision in ipairs(helper.revisions) do
      assert.equal(revision, peers[i]:call("revision").content[1].text)
    end
  end)

  it("two apps know nothing of each other", function()
    local one, two = mcp.server "one", mcp.server "two"
    one:tool "a" (function() return "1" end)
    two:tool "a" (function() return "2" end)
    local p1, p2 = helper.open(one), helper.open(two)
    assert.equal("2", p2:call("a").content[1].text)
    assert.equal("1", p1:call("a").content[1].text)
  end)

  it("an app that nobody refers to any more is collected", function()
    local weak = setmetatable({}, { __mode = "v" })
    do
      local app = mcp.server "spec"
      app:tool "a" (function() return "x" end)
      local peer = helper.open(app)
      peer:call "a"
      peer:close()
      weak[1] = app
    end
    helper.settle()
    for _ = 1, 4 do collectgarbage() core.step(0) end
    assert.is_nil(weak[1])
  end)
end)
