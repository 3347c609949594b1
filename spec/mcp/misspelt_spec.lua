-- SPDX-License-Identifier: MIT
-- What somebody is told who nearly wrote the right thing.
local helper = require "spec.helper"
local mcp = require "mcp"
local misspelt = require "mcp.misspelt"

local HERE = "^spec/mcp/misspelt_spec%.lua:%d+: "

local function raises(text, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "nothing was raised: " .. text)
  assert.matches(HERE, err)
  assert.matches(text, err, 1, true)
end

describe("a member that is not there", function()
  after_each(helper.leftovers)

  it("of mcp: the nearest one is named, at the line that reads it", function()
    for wrong, right in pairs { txt = "text", servr = "server", conect = "connect",
      integr = "integer", elict = "elicit", midleware = "middleware", Server = "server" } do
      raises(("mcp has no member %q, did you mean %q?"):format(wrong, right),
        function() return mcp[wrong] end)
    end
  end)

  it("of an app", function()
    local app = mcp.server "spec"
    for wrong, right in pairs { tol = "tool", resourse = "resource", promt = "prompt",
      listn = "listen", run_htpp = "run_http" } do
      raises(("app has no member %q, did you mean %q?"):format(wrong, right),
        function() return app[wrong](app, "x") end)
    end
  end)

  it("of a context: methods and what it knows", function()
    local app = mcp.server "spec"
    app:tool "t" (function(_, ctx)
      for wrong, right in pairs { progess = "progress", elict = "elicit", slep = "sleep",
        cancled = "cancelled", heders = "headers", clinet = "client", transprot = "transport" } do
        raises(("ctx has no member %q, did you mean %q?"):format(wrong, right),
          function() return ctx[wrong](ctx, 1) end)
      end
      return "ok"
    end)
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      local peer = helper.open(app, revision)
      assert.equal("ok", peer:call("t").content[1].text)
    end
  end)

  it("of a client: methods and what it knows", function()
    local app = mcp.server "spec"
    app:tool "t" (function() return "x" end)
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = assert(mcp.connect(app, { era = era }))
      for wrong, right in pairs { call_tol = "call_tool", callTool = "call_tool",
        list_tool = "list_tools", read_resorce = "read_resource", getprompt = "get_prompt",
        is_opened = "is_open", sever = "server", revison = "revision",
        capabilites = "capabilities", unsubscrib = "unsubscribe", tols = "tools",
        tool_ = "tools", supportet = "supported" } do
        raises(("client has no member %q, did you mean %q?"):format(wrong, right),
          function() return client[wrong](client, "x") end)
      end
      for _ = 1, 2 do
        assert.is_nil(client.something_else)
        assert.is_nil(client[1])
      end
      client.tag = "mine"
      assert.equal("mine", client.tag)
    end
  end)

  it("of a client that is not open yet, or no longer: what it will know is nil", function()
    local client = mcp.session(mcp.stdio_client { command = "none" })
    for _, name in ipairs { "server", "capabilities", "instructions", "revision", "era",
      "supported" } do
      assert.is_nil(client[name])
    end
    client:close()
  end)

  it("is nil where nothing of ours has nearly that name, also the second time", function()
    local app = mcp.server "spec"
    app:use(function(request, following)
      request.ctx.user = request.ctx.user or "ada"
      return following(request)
    end)
    app:tool "t" (function(_, ctx)
      for _ = 1, 2 do
        assert.is_nil(ctx.tenant)
        assert.is_nil(ctx.db)
        assert.is_nil(ctx.tag) -- too short to be a slip for "task"
        assert.is_nil(ctx[1])
      end
      assert.is_nil(ctx.auth)
      assert.is_nil(ctx.task)
      assert.is_nil(ctx.uri)
      return ctx.user
    end)
    for _ = 1, 2 do
      assert.is_nil(mcp.something_else)
      assert.is_nil(app.something_else)
      assert.is_nil(mcp[1])
    end
    assert.equal("ada", helper.open(app):call("t").content[1].text)
  end)

  it("costs a bounded memory however many names are made up", function()
    local calls = 0
    local index = misspelt.index("it", function()
      calls = calls + 1
      return { "name" }
    end)
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    for i = 1, 20000 do assert.is_nil(index(nil, "something " .. i)) end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 100)
    assert.equal(1, calls)
  end)
end)

describe("a method without its colon", function()
  after_each(helper.leftovers)

  it("of a context names the colon, at the handler's line", function()
    local app = mcp.server "spec"
    app:tool "t" (function(_, ctx)
      for _, name in ipairs { "progress", "log", "sleep", "cancelled", "close_stream", "elicit",
        "elicit_url", "sample", "roots", "ask", "once", "require_capability" } do
        for _, given in ipairs { 1, "info" } do
          raises(("ctx:%s is called with a colon, not with a dot"):format(name),
            function()
              local _ = ctx[name](given)
            end)
        end
        raises(("ctx:%s is called with a colon"):format(name), function()
          local _ = ctx[name]()
        end)
      end
      return "ok"
    end)
    assert.equal("ok", helper.open(app):call("t").content[1].text)
  end)

  it("is told to the model, and to the log with the line", function()
    local app = mcp.server "spec"
    app:tool "t" (function(_, ctx)
      local _ = ctx.progress(1)
      return "ok"
    end)
    local result
    local log = helper.logged(function() result = helper.open(app):call("t") end)
    assert.is_true(result.isError)
    assert.equal("ctx:progress is called with a colon, not with a dot", result.content[1].text)
    assert.matches('error: tool "t": spec/mcp/misspelt_spec.lua:', log, 1, true)
  end)

  it("of a client, a canceller and what listens", function()
    local app = mcp.server "spec"
    local client <close> = assert(mcp.connect(app))
    local methods = { "initialize", "close", "is_open", "request", "notify", "list_tools",
      "list_resources", "list_resource_templates", "list_prompts", "tools", "resources",
      "resource_templates", "prompts", "call_tool", "read_resource", "get_prompt", "complete",
      "subscribe", "unsubscribe", "roots_changed", "set_log_level", "ping" }
    for _, name in ipairs(methods) do
      for _, given in ipairs { "x", 1, {}, app, io.stdout } do
        raises(("client:%s is called with a colon, not with a dot"):format(name), function()
          local _ = client[name](given, {})
        end)
      end
      raises(("client:%s is called with a colon"):format(name), function()
        local _ = client[name]()
      end)
    end
    local canceller = mcp.canceller()
    raises("canceller:cancel is called with a colon, not with a dot", function()
      canceller.cancel "enough"
    end)
    local listening <close> = app:listen { http = "127.0.0.1:0", quiet = true }
    for _, name in ipairs { "close", "is_open", "is_gone", "reload_tls" } do
      raises(("listening:%s is called with a colon, not with a dot"):format(name), function()
        local _ = listening[name](1)
      end)
    end
  end)

  it("of a process and of a folder", function()
    local process <close> = assert(mcp.process.start { "true" }) -- luacheck: ignore process
    for _, name in ipairs { "read", "read_error", "line", "lines", "write", "close_stdin", "wait",
      "kill", "close" } do
      assert.is_function(process[name])
      for _, given in ipairs { "1", "'x'", "{}", "io.stdout" } do
        local text = ("local process = ... local _ = process.%s(%s)"):format(name, given)
        local ok, err = pcall(assert(load(text, "=(user)")), process)
        assert.is_false(ok)
        assert.equal(("(user):1: process:%s is called with a colon, not with a dot"):format(name),
          err)
      end
      assert.matches("is called with a colon", select(2, pcall(process[name])), 1, true)
    end
    local folder <close> = assert(mcp.folder "examples")
    for _, name in ipairs { "read", "list", "stat" } do
      local ok, err = pcall(function() local _ = folder[name] "README.md" end)
      assert.is_false(ok)
      assert.matches(HERE .. "folder", err)
      assert.matches("folder:" .. name, err, 1, true)
    end
  end)

  it("of an app", function()
    local app = mcp.server "spec"
    for _, name in ipairs { "tool", "resource", "prompt", "use", "remove", "changed",
      "resource_updated", "listen", "run", "run_http" } do
      raises(("app:%s is called with a colon, not with a dot"):format(name), function()
        local _ = app[name]("tool", "x")
      end)
    end
  end)
end)

describe("a handler that returns nothing", function()
  after_each(helper.leftovers)

  it("is not said of a call whose result is dropped", function()
    local app = mcp.server "spec"
    app:tool "t" { timeout = 0.01 } (function(_, ctx) ctx:sleep(5) end)
    local peer = helper.open(app)
    local log = helper.logged(function() assert.is_true(peer:call("t").isError) end)
    assert.matches("timed out", log, 1, true)
    assert.is_nil(log:find("returned nothing", 1, true))
  end)

  it("is said once for each tool", function()
    local app = mcp.server "spec"
    app:tool "a" (function() end)
    app:tool "b" (function() return nil end)
    app:tool "c" (function() return "" end)
    local peer = helper.open(app)
    local log = helper.logged(function()
      for _ = 1, 3 do
        for _, name in ipairs { "a", "b", "c" } do assert.is_nil(peer:call(name).isError) end
      end
    end)
    local lines = {}
    for line in log:gmatch "[^\n]+" do lines[#lines + 1] = line:match "^%a+: tool \"%a\"" end
    assert.same({ 'warning: tool "a"', 'warning: tool "b"' }, lines)
  end)
end)

describe("an option of a type", function()
  it("by the name that JSON Schema has for it", function()
    for _, case in ipairs { { "string", "minimum", "min" }, { "string", "maxLength", "max" },
      { "integer", "minimum", "min" }, { "number", "exclusiveMaximum", "below" },
      { "number", "multipleOf", "multiple_of" }, { "list", "minItems", "min" },
      { "list", "uniqueItems", "unique" }, { "object", "additionalProperties", "additional" },
      { "boolean", "required", "optional" }, { "any", "desc", "description" } } do
      local kind, wrong, right = table.unpack(case)
      raises(('unknown option "%s", did you mean "%s"?'):format(wrong, right), function()
        local _ = mcp[kind] { [wrong] = 1 }
      end)
    end
    -- What the type has not is not meant.
    raises('unknown option "minimum", expected one of', function()
      local _ = mcp.boolean { minimum = 1 }
    end)
  end)
end)

describe("a type that is not there", function()
  local nothing = nil -- as an unknown global is

  it("is an error where it can be seen", function()
    raises('list: expected the type of the items, such as mcp.list { "string" }',
      function() return (mcp.list { nothing }) end)
    raises('expected the type of the items',
      function() return (mcp.list { nothing, min = 1, description = "x" }) end)
    raises("enum: value 2 is nil; a name without quotes is a variable",
      function() return (mcp.enum { "a", nothing, "c" }) end)
    raises("enum: expected at least one value", function() return (mcp.enum { nothing }) end)
    local app = mcp.server "spec"
    for text, input in pairs {
      ['"a": expected a type, got a library of Lua: write "string" in quotes'] = { a = string },
      ['"b": expected a type, got a library of Lua: write "object" or "array"'] = { b = table },
      ['"c": expected a type, got function'] = { c = type },
      ['"d": bad type "", expected one like "string"'] = { d = "" },
      ['"e": an empty table allows no members: name them, or write "object" for any'] = { e = {} },
      ['"f.g": an empty table allows no members'] = { f = { g = {} } },
    } do
      raises(text, function() app:tool "t" { input = input } (function() end) end)
    end
    raises("an empty table allows no members", function() return (mcp.list { {} }) end)
  end)

  it("and an empty input is one without arguments", function()
    local app = mcp.server "spec"
    app:tool "t" { input = {} } (function() return "x" end)
    app:tool "u" { input = { a = mcp.list { "any" }, b = mcp.list, c = mcp.object {} } }
      (function() return "x" end)
    assert.equal("x", helper.open(app):call("t").content[1].text)
  end)
end)

describe("the same name twice", function()
  it("says where the first one stands", function()
    local app = mcp.server "spec"
    app:tool "t" (function() end)
    app:prompt "p" (function() return "x" end)
    app:resource "test://a" (function() return "x" end)
    app:resource "test://{b}" (function() return "x" end)
    for kind, name in pairs { tool = "t", prompt = "p", resource = "test://a" } do
      raises(("%s %q is registered already, at spec/mcp/misspelt_spec.lua:"):format(kind, name),
        function() app[kind](app, name) (function() end) end)
    end
    raises('resource "test://{b}" is registered already, at spec/mcp/misspelt_spec.lua:',
      function() app:resource "test://{b}" (function() end) end)
    -- Between a decorator and its function, too.
    local open = app:tool "u"
    app:tool "u" (function() end)
    raises('tool "u" is registered already, at spec/mcp/misspelt_spec.lua:',
      function() open(function() end) end)
    app.pending[open] = nil
  end)
end)
