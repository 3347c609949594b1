-- SPDX-License-Identifier: MIT
-- A new app takes the place of one that serves. `luamcp run` and its script are in
-- spec/mcp/cli/reload_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local testing = require "mcp.testing"

describe("app:reload", function()
  local app, client
  local function load(options)
    client = testing.load(app, options)
    return client
  end
  after_each(function()
    if client then client:close() end
    client, app = nil, nil
    collectgarbage()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
    helper.leftovers()
  end)

  local function text_of(name, args) return testing.text(client:call_tool(name, args or {})) end

  local function names(kind)
    local out = {}
    for i, entry in ipairs(client["list_" .. kind](client)) do out[i] = entry.name end
    return table.concat(out, " ")
  end

  -- An app with one tool, and whatever `more` adds.
  local function make(text, more, options)
    options = options or {}
    options.name = options.name or "r"
    local made = mcp.server(options)
    made:tool "say" (function() return text end)
    if more then more(made) end
    return made
  end

  local function changes()
    mcp.sleep(0.02)
    local out = {}
    for i, each in ipairs(client.recorded.changes) do out[i] = each.what end
    client.recorded.changes = {}
    table.sort(out)
    return table.concat(out, " ")
  end

  for _, era in ipairs { "legacy", "modern" } do
    it("replaces what is registered, and tells of the lists that differ: " .. era, function()
      app = make("one", function(made)
        made:prompt "p" (function() return "p" end)
        made:resource "test://a" (function() return "a" end)
      end, { instructions = "first" })
      load { era = era }
      assert.equal("one", text_of "say")
      assert.is_true(app:reload(function()
        return make("two", function(made)
          made:prompt "p" (function() return "q" end)
          made:resource "test://a" (function() return "b" end)
        end, { instructions = "second" })
      end))
      assert.equal("two", text_of "say")
      assert.equal("q", testing.text(client:get_prompt("p")))
      assert.equal("b", testing.text(client:read_resource "test://a"))
      assert.equal("", changes())
      assert.equal("second", app.instructions)

      assert.is_true(app:reload(function()
        return make("three", function(made)
          made:tool "more" (function() return "m" end)
          made:prompt "p" (function() return "q" end)
          made:resource "test://a" (function() return "b" end)
        end)
      end))
      assert.equal("say more", names "tools")
      assert.equal("tools", changes())
      assert.is_nil(app.instructions)

      assert.is_true(app:reload(function() return make "four" end))
      assert.equal("prompts resources tools", changes())
      assert.equal("say", names "tools")
      local found, _, code = client:read_resource "test://a"
      assert.is_nil(found)
      assert.is_truthy(code)
    end)
  end

  it("lets calls in progress finish in the old code", function()
    local go = mcp.waiter()
    app = mcp.server "r"
    app:tool "wait" (function(_, ctx)
      ctx:progress(1)
      go:wait()
      return "old"
    end)
    load()
    local answer
    mcp.run(function()
      local done = mcp.waiter()
      done:spawn(function() answer = text_of "wait" end)
      mcp.sleep(0.02)
      assert.is_true(app:reload(function() return make "new" end))
      assert.equal("new", text_of "say")
      assert.is_nil(answer)
      go:wake()
      done:wait()
    end)
    assert.equal("old", answer)
  end)

  it("makes the new app another name of the one that serves", function()
    app = make "one"
    load()
    local inner
    assert.is_true(app:reload(function()
      inner = make "two"
      return inner
    end))
    assert.equal("", changes())
    inner:tool "late" (function() return "late" end)
    assert.equal("tools", changes())
    assert.equal("say late", names "tools")
    assert.equal("late", text_of "late")
    assert.is_true(inner:remove("tool", "late"))
    assert.equal("say", names "tools")
    assert.equal(app.tools, inner.tools)
    assert.matches("^mcp.server %(r", tostring(inner))
    -- And again, asked for by that name.
    assert.is_true(inner:reload(function() return make "three" end))
    assert.equal("three", text_of "say")
    assert.equal(app.tools, inner.tools)
  end)

  it("keeps app.state", function()
    app = make "one"
    app.state.count = 7
    local seen
    local function again()
      local made = make "two"
      seen = made.state.count
      made.state.count = made.state.count + 1
      return made
    end
    load()
    assert.is_true(app:reload(again))
    assert.equal(7, seen)
    assert.is_true(app:reload(again))
    assert.equal(8, seen)
    assert.equal(9, app.state.count)
    -- Under another name it is the same app.
    assert.is_true(app:reload(function()
      local made = make("three", nil, { name = "renamed" })
      seen = made.state.count
      return made
    end))
    assert.equal(9, seen)
    assert.equal("renamed", app.name)
  end)

  it("keeps what serves when the new app cannot be made", function()
    app = make "one"
    load()
    for _, case in ipairs {
      { function() error "as asked" end, "as asked" },
      { function() return 7 end, "must return an app, got number" },
      { function() return app end, "returned the app that serves" },
      { function() return make("x", function(made) made:tool "open" end) end, "never got its" },
      { function() make("x"):run() end, "return the app to app:reload" },
    } do
      local ok, text = app:reload(case[1])
      assert.is_nil(ok)
      assert.matches(case[2], text)
      assert.equal("one", text_of "say")
    end
    assert.equal("", changes())
  end)

  it("refuses values that are not functions, and a second one meanwhile", function()
    app = make "one"
    assert.has_error(function() app:reload(7) end,
      "app:reload: expected a function that makes an app, got number")
    assert.has_error(function() app:reload() end, "app:reload: expected a function that makes an "
      .. "app: this program is not luamcp run, or the app does not serve yet")
    mcp.run(function()
      local go = mcp.waiter()
      mcp.spawn(function()
        app:reload(function()
          go:wait()
          return make "two"
        end)
      end)
      local ok, text, code = app:reload(function() return make "three" end)
      assert.same({ nil, "a reload is in progress", "EBUSY" }, { ok, text, code })
      go:wake()
    end)
  end)

  for _, kept in ipairs { true, false } do
    it(("lets a call go on that waits in a middleware, which is %s"):format(
      kept and "there again" or "gone"), function()
      local waiting, go = false, core.waiter()
      local function slow(made)
        made:use(function(request, next)
          if request.name == "say" and not waiting then
            waiting = true
            go:wait(helper.LIMIT)
          end
          return next(request)
        end)
      end
      for _, era in ipairs { "legacy", "modern" } do
        waiting, go = false, core.waiter()
        app = make("one", slow)
        load { era = era }
        local text
        mcp.spawn(function() text = text_of "say" end)
        helper.wait_until(function() return waiting end, "the middleware")
        assert.is_true(app:reload(function() return make("two", kept and slow or nil) end))
        assert.equal("two", text_of "say")
        go:wake()
        helper.wait_until(function() return text end, "the answer")
        assert.is_true(text == "one" or text == "two", text)
        client:close()
      end
    end)
  end

  it("replaces middleware, transforms, search, completions and extensions", function()
    app = make("one", function(made)
      made:use(function(request, next) return next(request) end)
    end)
    load()
    assert.is_true(app:reload(function()
      return make("two", function(made)
        made:use(function(request, next)
          local result, err = next(request)
          if result and request.kind == "tool" then result.content[1].text = "around" end
          return result, err
        end)
        made:transform(mcp.transform.describe { say = "described" })
        made:prompt "p" { arguments = { a = "string" }, complete = { a = { "alpha" } } }
          (function() return "p" end)
        made:extension { id = "io.example/x", methods = {
          ["example/x"] = { handler = function() return { x = 1 } end } } }
      end)
    end))
    assert.equal("around", text_of "say")
    assert.equal("described", client:list_tools()[1].description)
    assert.same({ "alpha" }, client:complete({ prompt = "p" }, "a", "al").values)
    assert.is_true(app:reload(function()
      return make("three", function(made) made:search() end)
    end))
    assert.equal("search_tools call_tool", names "tools")
    assert.is_true(app:reload(function() return make "four" end))
    assert.equal("say", names "tools")
    assert.equal("four", text_of "say")
    assert.is_falsy(app.middleware)
  end)

  it("sends the new name and version with results, lists that are kept included", function()
    app = make("one", nil, { version = "1" })
    load { era = "modern" }
    local function versions()
      local out = {}
      for i, result in ipairs { client:request("tools/list"),
        client:request("tools/call", { name = "say" }) } do
        out[i] = result._meta["io.modelcontextprotocol/serverInfo"].version
      end
      return table.concat(out, " ")
    end
    assert.equal("1 1", versions())
    assert.is_true(app:reload(function() return make("one", nil, { version = "2" }) end))
    assert.equal("2 2", versions())
  end)

  it("names options that stay as they are", function()
    app = make("one", nil, { sessions = { max = 5 }, tasks = { max = 3 } })
    load()
    local log = helper.logged(function()
      assert.is_true(app:reload(function()
        return make("two", nil, { sessions = { max = 6 }, tasks = { max = 3 }, page_size = 1 })
      end))
    end)
    assert.matches("reload: mcp.server: sessions: takes effect at the next start", log, 1, true)
    assert.equal(1, app.pager.size)
  end)

  it("keeps a mount that is as before, and opens one that is new", function()
    local started = 0
    local inner = mcp.server "inner"
    inner:tool "in" (function() return "inside" end)
    app = make("one", function(made) made:mount("a", inner) end)
    load()
    assert.equal("say a_in", names "tools")
    assert.equal("inside", text_of "a_in")
    assert.is_true(app:reload(function()
      started = started + 1
      return make("two", function(made) made:mount("a", inner) end)
    end))
    assert.equal("inside", text_of "a_in")
    inner:tool "later" (function() return "l" end)
    assert.equal("say a_in a_later", names "tools")
    local second = mcp.server "second"
    second:tool "two" (function() return "2" end)
    assert.is_true(app:reload(function()
      return make("three", function(made) made:mount("b", second) end)
    end))
    assert.equal("say b_two", names "tools")
    assert.equal("2", text_of "b_two")
    assert.is_true(app:reload(function() return make "four" end))
    assert.equal("say", names "tools")
  end)

  it("keeps a mount whose options are the same, and no other", function()
    local inner = mcp.server "inner"
    local function with(options)
      return function() return make("x", function(made) made:mount("a", inner, options) end) end
    end
    app = with { era = "modern", limits = { message = 5000 } }()
    load()
    local kept = app.mounts.by_name.a
    assert.is_true(app:reload(with { era = "modern", limits = { message = 5000 } }))
    assert.equal(kept, app.mounts.by_name.a)
    for _, other in ipairs { { era = "modern", limits = { message = 6000 } }, { era = "legacy" },
      { era = "legacy", deadline = 5 } } do
      assert.is_true(app:reload(with(other)))
      assert.not_equal(kept, app.mounts.by_name.a)
      kept = app.mounts.by_name.a
    end
  end)

  it("reaches the clients of an app that it is mounted in", function()
    local inner = make "one"
    app = mcp.server "outer"
    app:mount("in", inner)
    load()
    assert.equal("one", text_of "in_say")
    assert.is_true(inner:reload(function() return make "two" end))
    assert.equal("two", text_of "in_say")
    assert.is_true(inner:reload(function()
      return make("three", function(made) made:tool "more" (function() return "m" end) end)
    end))
    assert.equal("in_say in_more", names "tools")
  end)

  it("holds nothing of what was replaced", function()
    app = make "one"
    load()
    local weak = setmetatable({}, { __mode = "k" })
    local function again()
      local made = make("two", function(it)
        local big = {}
        weak[big] = true
        it:tool "big" (function() return big and "b" end)
      end)
      return made
    end
    for _ = 1, 20 do assert.is_true(app:reload(again)) end
    mcp.sleep(0.05)
    collectgarbage()
    collectgarbage()
    local left = 0
    for _ in pairs(weak) do left = left + 1 end
    assert.equal(1, left)
  end)
end)
