-- SPDX-License-Identifier: MIT
-- search_spec.lua: lua/mcp/server/search.lua and lua/mcp/server/catalog.lua.
local catalog = require "mcp.server.catalog"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local BOTH = { "2025-11-25", "2026-07-28" }

local function app_of(options)
  local app = mcp.server { name = "spec", timeout = options and options.timeout }
  app:tool "create_issue" {
    description = "Creates an issue in a repository", input = { title = "string" },
  } (function(args) return "made " .. args.title end)
  app:tool "close_issue" { description = "Closes an issue", input = { number = "integer" } }
    (function(args) return { closed = args.number } end)
  app:tool "delete_file" {
    description = "Deletes a file", input = { path = mcp.string { description = "of the blob" } },
  } (function(args) return "gone " .. args.path end)
  app:tool "help" (function() return "helped" end)
  return app
end

describe("app:search", function()
  after_each(helper.leftovers)

  for _, revision in ipairs(BOTH) do
    describe("in " .. revision, function()
      local app, peer
      before_each(function() app = app_of() end)

      local function ask(method, params)
        if not peer then peer = helper.open(app, revision) end
        return peer.era == "modern" and peer:modern(method, params) or peer:request(method, params)
      end
      before_each(function() peer = nil end)

      local function listed()
        local names = {}
        for i, tool in ipairs(ask("tools/list").result.tools) do names[i] = tool.name end
        return table.concat(names, " ")
      end

      local function call(name, arguments)
        local answer = ask("tools/call", { name = name, arguments = arguments })
        return answer.result, answer.error
      end

      local function found(query, limit)
        local result = call("search_tools", { query = query, limit = limit })
        local of, names = core.decode(result.content[1].text), {}
        if not of then return "", result.content[1].text end
        for i, tool in ipairs(of.tools) do names[i] = tool.name end
        return table.concat(names, " "), of.found, of.tools
      end

      it("lists two tools and those that are pinned", function()
        app:search { pinned = { "help" } }
        assert.equal("help search_tools call_tool", listed())
      end)

      it("pins by a function, and what has a page", function()
        app:tool "chart" { ui = "ui://chart" } (function() return "" end)
        app:tool "save_chart" { ui = { visibility = { "app" } } } (function() return "" end)
        app:search { pinned = function(entry) return entry.name:find "^close" end }
        assert.equal("close_issue chart save_chart search_tools call_tool", listed())
      end)

      it("does not find what is for pages alone (APP-22)", function()
        app:tool "chart" { ui = "ui://chart" } (function() return "" end)
        app:tool "save_chart" { ui = { visibility = { "app" } } } (function() return "" end)
        app:search()
        assert.equal("chart", (found "chart"))
        assert.equal('call_tool cannot call "save_chart": give the name of a tool that '
          .. "search_tools has found", call("call_tool", { name = "save_chart" }).content[1].text)
        assert.is_nil(call("save_chart").isError) -- the page's own call
      end)

      it("finds definitions by name, description and parameters", function()
        app:search()
        local names, count, tools = found "open a new issue"
        assert.equal("create_issue close_issue", names)
        assert.equal("2 tools", count)
        assert.same({ "title" }, tools[1].inputSchema.required)
        assert.equal("Creates an issue in a repository", tools[1].description)
        assert.equal("delete_file", (found "remove files"))
        assert.equal("close_issue", (found "number"))
        assert.equal("delete_file", (found "blob"))
        assert.equal("close_issue", (found "close_issue"):match "%S+")
        local _, text = found "zebra"
        assert.matches('No tool fits "zebra"', text, 1, true)
      end)

      it("gives so many as are asked for, and says how many there are", function()
        app:search { limit = 1 }
        local names, count = found "issue"
        assert.equal("close_issue", names)
        assert.equal("1 of 2 tools", count)
        names, count = found("issue", 2)
        assert.equal("close_issue create_issue", names)
        assert.equal("2 tools", count)
        local result = call("search_tools", { query = "issue", limit = catalog.RESULTS_MAX + 1 })
        assert.is_true(result.isError)
        result = call("search_tools", { query = ("x"):rep(catalog.QUERY + 1) })
        assert.is_true(result.isError)
      end)

      it("calls what was found as a direct call does", function()
        app:search()
        for _, case in ipairs {
          { "create_issue", { title = "a" } }, { "close_issue", { number = 3 } }, { "help" },
          { "create_issue", {} }, { "create_issue", { titel = "a" } }, { "nosuch", {} },
          { "search_tools", { query = "" } },
        } do
          local direct, direct_error = call(case[1], case[2])
          local through, through_error = call("call_tool", { name = case[1], arguments = case[2] })
          assert.same(direct, through)
          assert.same(direct_error, through_error)
          assert.is_true(direct ~= nil or direct_error ~= nil)
        end
      end)

      it("refuses to call itself, and says what is wrong with its arguments", function()
        app:search()
        for _, case in ipairs {
          { { name = "call_tool", arguments = { name = "help" } }, 'cannot call "call_tool"' },
          { { name = "help", arguments = "x" }, '"arguments": expected object' },
          { { name = "help", args = {} }, 'unknown argument "args"' },
          { { name = 5 }, '"name": expected string' },
          { {}, '"name" is missing' },
        } do
          local result = call("call_tool", case[1])
          assert.is_true(result.isError)
          assert.matches(case[2], result.content[1].text, 1, true)
        end
      end)

      it("shows nobody what he may not see", function()
        local who
        app:tool "secret_issue" { visible = function() return who == "ada" end }
          (function() return "secret" end)
        app:search()
        assert.equal("close_issue create_issue", (found "issue"))
        local _, err = call("call_tool", { name = "secret_issue" })
        assert.matches("Unknown tool: secret_issue", err.message, 1, true)
        who = "ada"
        assert.equal("close_issue create_issue secret_issue",
          (found("issue"):gsub("secret_issue (.*)$", "%1 secret_issue")))
        assert.equal("secret", call("call_tool", { name = "secret_issue" }).content[1].text)
      end)

      it("goes through middleware once, as the tool that is called", function()
        app:search()
        local seen = {}
        app:use(function(request, next)
          seen[#seen + 1] = ("%s %s"):format(request.name, core.encode(request.params.arguments))
          return next(request)
        end)
        call("call_tool", { name = "close_issue", arguments = { number = 3 } })
        assert.same({ 'close_issue {"number":3}' }, seen)
      end)

      it("keeps to the limits of the tool that is called", function()
        app:tool "slow" { timeout = 0.01 } (function(_, ctx) ctx:sleep(60) end)
        app:search()
        local result
        helper.logged(function() result = call("call_tool", { name = "slow" }) end)
        assert.equal('tool "slow" timed out after 0.01 s', result.content[1].text)
      end)

      it("sends the progress of the tool that is called", function()
        app:tool "steps" (function(_, ctx)
          ctx:progress(1, 2, "half")
          return "done"
        end)
        app:search()
        listed()
        local params = { name = "call_tool", arguments = { name = "steps" } }
        local answer
        if peer.era == "modern" then
          answer = peer:modern("tools/call", params, { progressToken = "p" })
        else
          params._meta = { progressToken = "p" }
          answer = peer:request("tools/call", params)
        end
        assert.equal("done", answer.result.content[1].text)
        local notice = peer.notices[#peer.notices]
        assert.equal("notifications/progress", notice.method)
        assert.equal("half", notice.params.message)
      end)

      it("finds what is registered later, and not what was removed", function()
        app:search()
        assert.equal("", (found "kettle"))
        app:tool "boil_kettle" (function() return "" end)
        assert.equal("boil_kettle", (found "kettle"))
        assert.equal("search_tools call_tool", listed())
        app:remove("tool", "boil_kettle")
        assert.equal("", (found "kettle"))
      end)

      it("keeps what it says within a size", function()
        local long = ("kettle "):rep(catalog.ANSWER // 7 - 100)
        for i = 1, 3 do
          app:tool("kettle" .. i) { description = long } (function() return "" end)
        end
        app:search()
        local _, _, tools = found "kettle"
        assert.equal(long, tools[1].description)
        assert.is_nil(tools[2].description)
        assert.matches("too long here", tools[2].omitted, 1, true)
      end)
    end)
  end

  it("lacks what the token of the caller has no scope for", function()
    local principal = require "mcp.auth.server.principal"
    local app = app_of()
    app.auth = { of = {}, scopes = {}, insufficient = function(_, all)
      return mcp.error(-32001, "lacks " .. table.concat(all, " "))
    end }
    app:tool "wipe_disk" { scopes = { "root" } } (function() return "wiped" end)
    app:search()
    local ctx = { auth = principal.new { subject = "ada", scopes = {} } }
    assert.same({}, (catalog.find(app, ctx, "wipe", 5)))
    ctx.auth = principal.new { subject = "ada", scopes = { "root" } }
    assert.equal("wipe_disk", catalog.find(app, ctx, "wipe", 5)[1].name)
    app.auth = false
  end)

  it("lets other calls have a turn while it makes the index", function()
    local app = app_of()
    app:search()
    local slice, turns, over = catalog.SLICE, 0, false
    catalog.SLICE = 0
    finally(function() catalog.SLICE = slice end)
    mcp.spawn(function()
      while not over do
        turns = turns + 1
        mcp.sleep(0)
      end
    end)
    local peer = helper.open(app, BOTH[2])
    local before = turns
    assert.matches("close_issue", peer:call("search_tools", { query = "issue" }).content[1].text)
    assert.is_true(turns - before >= 4)
    over = true
    helper.settle()
  end)

  it("indexes so many bytes of a tool", function()
    local fields = catalog.fields { name = "t", description = ("x"):rep(catalog.TEXT) .. " tail",
      inputSchema = { properties = { unseen = { description = "unseen" } } } }
    local size = 0
    for _, field in ipairs(fields) do size = size + #field[1] end
    assert.equal(catalog.TEXT, size)
  end)

  it("says what is wrong with its options at the caller's line", function()
    local function refused(text, fn)
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.matches("search_spec.lua:%d+: ", message)
      assert.matches(text, message, 1, true)
    end
    local app = app_of()
    refused('app:search: unknown option "pined", did you mean "pinned"?',
      function() app:search { pined = {} } end)
    refused("app:search: pinned: [1]: expected the name of a tool, got number",
      function() app:search { pinned = { 1 } } end)
    refused("app:search: limit: expected a whole number from 1 to 25, got 0",
      function() app:search { limit = 0 } end)
    refused("app:search is called with a colon", function() app.search {} end)
    app:search()
    refused("app:search: this app has a search already", function() app:search() end)
    local other = mcp.server "other"
    other:tool "call_tool" (function() return "" end)
    refused('app:search: tool "call_tool" is registered already, at spec/mcp/server/search_spec',
      function() other:search() end)
    assert.is_nil(other.tools.by_name.search_tools)
  end)

  it("logs what is pinned and is not there, with the nearest name", function()
    local app = app_of()
    app:search { pinned = { "hlep" } }
    local peer = helper.open(app, BOTH[1])
    local log = helper.logged(function() peer:call("search_tools", { query = "issue" }) end)
    assert.matches('pinned: unknown tool "hlep", did you mean "help"?', log, 1, true)
  end)
end)
