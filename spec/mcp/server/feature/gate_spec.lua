-- SPDX-License-Identifier: MIT
-- gate_spec.lua: lua/mcp/server/feature/gate.lua: what some callers see and others do not.
local helper = require "spec.helper"
local mcp = require "mcp"

local BOTH = { "2025-11-25", "2026-07-28" }

describe("visible", function()
  after_each(helper.leftovers)

  local function is_boss(ctx) return ctx.client ~= nil and ctx.client.name == "boss" end

  local function app_of(options)
    options = options or {}
    options.name = "spec"
    local app = mcp.server(options)
    app:tool "open" (function() return "open" end)
    app:tool "secret" { visible = is_boss, timeout = 5 } (function() return "secret" end)
    app:resource "r://open" (function() return "open" end)
    app:resource "r://secret" { visible = is_boss } (function() return "secret" end)
    app:resource "r://secret/{id}" {
      visible = is_boss, list = function() return { "r://secret/1" } end,
      complete = { id = { "1" } },
    } (function(vars) return "secret " .. vars.id end)
    app:prompt "open" (function() return "open" end)
    app:prompt "secret" { visible = is_boss, arguments = { "a" }, complete = { a = { "x" } } }
      (function() return "secret" end)
    return app
  end

  -- A function that makes requests as `name`.
  local function as(app, revision, name)
    local peer = helper.connect(app)
    if revision == "2026-07-28" then
      return function(method, params)
        return (peer:modern(method, params, {
          [helper.PREFIX .. "clientInfo"] = { name = name, version = "1" } }))
      end
    end
    peer:request("initialize", { protocolVersion = revision, capabilities = {},
      clientInfo = { name = name, version = "1" } })
    return function(method, params) return (peer:request(method, params)) end
  end

  local function names(response, list, key)
    local out = {}
    for i, item in ipairs(response.result[list]) do out[i] = item[key] end
    return out
  end

  local LISTS = {
    { "tools/list", "tools", "name", { "open" }, { "open", "secret" } },
    { "prompts/list", "prompts", "name", { "open" }, { "open", "secret" } },
    { "resources/list", "resources", "uri", { "r://open" },
      { "r://open", "r://secret", "r://secret/1" } },
    { "resources/templates/list", "resourceTemplates", "uriTemplate", {}, { "r://secret/{id}" } },
  }

  for _, revision in ipairs(BOTH) do
    it("leaves entries out of lists, for each caller anew, in " .. revision, function()
      local app = app_of { cache = { ttl = 60, scope = "public" } }
      local clerk, boss = as(app, revision, "clerk"), as(app, revision, "boss")
      for _ = 1, 2 do
        for _, list in ipairs(LISTS) do
          local seen, all = clerk(list[1]), boss(list[1])
          assert.same(list[4], names(seen, list[2], list[3]))
          assert.same(list[5], names(all, list[2], list[3]))
          if revision == "2026-07-28" then
            -- Somebody else's cache must not give it away.
            assert.equal("private", seen.result.cacheScope)
            assert.equal("private", all.result.cacheScope)
            assert.equal(60000, all.result.ttlMs)
            assert.equal("complete", all.result.resultType)
          end
        end
      end
    end)

    it("makes what is hidden unknown, in the very words, in " .. revision, function()
      local app = app_of()
      local clerk, boss = as(app, revision, "clerk"), as(app, revision, "boss")
      local function same_as_unknown(method, params, hidden, unknown)
        local function ask(name)
          local copy = helper.plain(params)
          if copy.ref then copy.ref[copy.ref.uri and "uri" or "name"] = name
          else copy[copy.uri and "uri" or "name"] = name end
          return clerk(method, copy).error
        end
        local a, b = ask(hidden), ask(unknown)
        assert.is_number(a.code)
        assert.equal(b.code, a.code)
        local from, to = a.message:find(hidden, 1, true)
        assert.equal(b.message, a.message:sub(1, from - 1) .. unknown .. a.message:sub(to + 1))
        assert.not_matches("did you mean", a.message)
      end
      same_as_unknown("tools/call", { name = "" }, "secret", "zzzzzz")
      same_as_unknown("prompts/get", { name = "" }, "secret", "zzzzzz")
      same_as_unknown("resources/read", { uri = "" }, "r://secret", "r://zzzzzz")
      same_as_unknown("resources/read", { uri = "" }, "r://secret/1", "r://zzzzzz/1")
      local argument = { name = "a", value = "" }
      same_as_unknown("completion/complete", { ref = { type = "ref/prompt", name = "" },
        argument = argument }, "secret", "zzzzzz")
      same_as_unknown("completion/complete", { ref = { type = "ref/resource", uri = "" },
        argument = { name = "id", value = "" } }, "r://secret/{id}", "r://zzzzzz/{id}")

      assert.equal("secret", boss("tools/call", { name = "secret" }).result.content[1].text)
      assert.equal("secret", boss("resources/read", { uri = "r://secret" }).result.contents[1].text)
      assert.equal("secret 1",
        boss("resources/read", { uri = "r://secret/1" }).result.contents[1].text)
      assert.is_table(boss("prompts/get", { name = "secret", arguments = { a = "" } }).result)
      assert.same({ "x" }, helper.plain(boss("completion/complete",
        { ref = { type = "ref/prompt", name = "secret" }, argument = argument })
        .result.completion.values))
    end)

    it("is not told by the names that are suggested, in " .. revision, function()
      local clerk = as(app_of(), revision, "clerk")
      assert.equal("Unknown tool: secrets", clerk("tools/call", { name = "secrets" }).error.message)
      assert.matches("did you mean open", clerk("tools/call", { name = "opem" }).error.message)
      assert.equal("Unknown prompt: secrets",
        clerk("prompts/get", { name = "secrets" }).error.message)
    end)

    it("that fails hides, in " .. revision, function()
      local app = mcp.server "spec"
      app:tool "t" { visible = function() error "broken" end } (function() return "t" end)
      local ask = as(app, revision, "clerk")
      helper.logged(function()
        assert.equal(-32603, ask("tools/call", { name = "t" }).error.code)
        assert.equal(-32603, ask("tools/list").error.code)
      end)
    end)
  end

  it("may be in pages", function()
    local app = app_of { page_size = 1 }
    local clerk, boss = as(app, BOTH[1], "clerk"), as(app, BOTH[1], "boss")
    assert.is_nil(clerk("tools/list").result.nextCursor)
    local first = boss("tools/list").result
    local second = boss("tools/list", { cursor = first.nextCursor }).result
    assert.equal("secret", second.tools[1].name)
    assert.is_nil(second.nextCursor)
  end)

  it("costs other lists nothing: they are kept as before, and again when it is gone", function()
    local app = app_of()
    as(app, BOTH[1], "clerk") "tools/list"
    assert.is_nil(next(app.tools.kept))
    app:remove("tool", "secret")
    assert.equal(0, app.tools.choosy)
    as(app, BOTH[1], "clerk") "tools/list"
    assert.is_table(app.tools.kept)
    assert.is_truthy(next(app.tools.kept))
  end)

  it("may wait", function()
    local app = mcp.server "spec"
    app:tool "t" { visible = function(ctx) return ctx:sleep(0.001) end } (function() return "t" end)
    local ask = as(app, BOTH[1], "clerk")
    assert.equal(1, #ask("tools/list").result.tools)
    assert.equal("t", ask("tools/call", { name = "t" }).result.content[1].text)
  end)

  it("that is no function is refused", function()
    for _, kind in ipairs { "tool", "prompt", "resource" } do
      local app = mcp.server "x"
      assert.error_matches(function() app[kind](app, "a:b") { visible = true } end,
        'option "visible": expected a function, got boolean')
    end
  end)

  it("hides what one could subscribe to", function()
    local app = app_of()
    local clerk, boss = as(app, BOTH[1], "clerk"), as(app, BOTH[1], "boss")
    assert.is_table(clerk("resources/subscribe", { uri = "r://secret" }).error)
    assert.is_table(boss("resources/subscribe", { uri = "r://secret" }).result)
  end)
end)
