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
