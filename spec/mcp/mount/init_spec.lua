-- SPDX-License-Identifier: MIT
-- Another server as part of an app: every pair of eras, an app without a connection, names.
local cases = require "spec.mcp.mount.cases"
local helper = require "spec.helper"
local mcp = require "mcp"

local function text_of(result) return result.content[1].text end

-- A server with one of everything.
local function everything()
  local behind = mcp.server { name = "behind" }
  behind:tool "add" {
    description = "Add", input = { a = "number", b = "number" }, output = { sum = "number" },
    ui = "ui://add/page",
  } (function(args) return { sum = args.a + args.b } end)
  behind:tool "slow" (function(_, ctx)
    for i = 1, 3 do ctx:progress(i, 3, "s" .. i) end
    ctx:log("info", "logged")
    return "done"
  end)
  behind:tool "asks" (function(_, ctx)
    local first = ctx:elicit("Name?", { name = "string" })
    local second = ctx:elicit("Age?", { age = "integer" })
    return first and second and ("%s %d"):format(first.name, second.age) or "nobody"
  end)
  behind:tool "page" (function(_, ctx)
    return tostring(ctx:elicit_url("Log in", "https://login.example/"))
  end)
  behind:tool "samples" (function(_, ctx)
    return ctx:sample { messages = "hi", max_tokens = 5, tools = { { name = "t" } },
      model_preferences = { hints = { "small" } } }.content.text
  end)
  behind:tool "roots" (function(_, ctx) return ctx:roots()[1].uri end)
  behind:tool "fails" (function() return nil, "no luck" end)
  behind:tool "broken" (function() error(mcp.error(-32001, "Broken", { part = 7 })) end)
  behind:tool "links" (function()
    return { mcp.resource_link "notes://today", mcp.embedded("notes://today", "# Milk") }
  end)
  behind:tool "meta" (function(_, ctx)
    return { content = { mcp.text(tostring(ctx.meta["x/trace"])) }, _meta = { ["x/back"] = 1 } }
  end)
  behind:tool "capability" { ui = { visibility = { "app" } } } (function(_, ctx)
    return ctx:has_ui() and "a page" or "text"
  end)
  behind:resource "notes://today" { mime = "text/markdown" } (function() return "# Milk" end)
  behind:resource "ui://add/page" { mime = "text/html;profile=mcp-app" } (function()
    return "<p>"
  end)
  behind:resource "n://{i}" { complete = { i = { "one", "two" } } } (function(vars)
    return "n" .. vars.i
  end)
  behind:prompt "review" {
    arguments = { code = "string", language = "string?" },
    complete = { language = { "C", "Lua" } },
  } (function(args) return { args.code, mcp.embedded("notes://today", "x") } end)
  return behind
end

-- What a host declares that shows pages.
local PAGES = { ["io.modelcontextprotocol/ui"] = {
  mimeTypes = mcp.array { "text/html;profile=mcp-app" } } }

describe("a mount", function()
  local behind, front, clients

  before_each(function() behind, clients = everything(), {} end)
  after_each(function()
    for _, client in ipairs(clients) do client:close() end
    for _, each in ipairs(front and front:mounted() or {}) do front:unmount(each.name) end
    front = nil
    mcp.sleep(0.01)
    helper.leftovers()
  end)

  -- A client of an app that has `behind` as "gh", and what it was sent.
  local function connect(front_era, behind_era, options, extensions)
    front = mcp.server "front"
    front:tool "own" (function() return "own" end)
    options = options or {}
    options = options or {}
    options.era = behind_era ~= "app" and behind_era or nil
    front:mount("gh", behind, options)
    local seen = {}
    local client = assert(mcp.connect(front, {
      era = front_era, roots = { "/home/me" }, log_level = "debug", sampling = { tools = true },
      on_elicit = function(text) return text == "Name?" and { name = "Ann" } or { age = 7 } end,
      on_elicit_url = function() return true end,
      on_sample = function(params)
        return ("%s %s %s"):format(params.messages[1].content.text, params.tools[1].name,
          params.modelPreferences.hints[1].name)
      end,
      on_log = function(_, data) seen[#seen + 1] = "log " .. data end,
      on_change = function(what, uri) seen[#seen + 1] = "change " .. (uri or what) end,
      extensions = extensions,
    }))
    clients[#clients + 1] = client
    return client, seen
  end

  local function names_of(list, member)
    local out = {}
    for i, item in ipairs(list) do out[i] = item[member or "name"] end
    return table.concat(out, " ")
  end

  for _, pair in ipairs { { "legacy", "legacy" }, { "legacy", "modern" }, { "modern", "legacy" },
    { "modern", "modern" }, { "legacy", "app" }, { "modern", "app" } } do
    describe(("for a client (%s) of a server (%s)"):format(pair[1], pair[2]), function()
      it("has the other's entries beside its own", function()
        local client = connect(pair[1], pair[2])
        local tools = client:list_tools()
        assert.equal("own gh_add gh_slow gh_asks gh_page gh_samples gh_roots gh_fails gh_broken "
          .. "gh_links gh_meta gh_capability", names_of(tools))
        assert.equal("ui://gh+add/page", tools[2]._meta.ui.resourceUri)
        assert.equal("gh+notes://today ui://gh+add/page", names_of(client:list_resources(), "uri"))
        assert.equal("gh+n://{i}", names_of(client:list_resource_templates(), "uriTemplate"))
        assert.equal("gh_review", names_of(client:list_prompts()))
        assert.is_truthy(client.capabilities.completions)
        if pair[1] == "modern" then
          assert.is_truthy(client.capabilities.extensions["io.modelcontextprotocol/ui"])
        end
      end)

      it("declares its pages, and the server learns if the client shows them (APP-05, APP-07)",
        function()
          local client = connect(pair[1], pair[2], nil, PAGES)
          assert.is_truthy(client.capabilities.extensions["io.modelcontextprotocol/ui"])
          -- A session that several clients share cannot say what each of them can do.
          assert.equal(pair[2] == "legacy" and "text" or "a page",
            text_of(client:call_tool "gh_capability"))
        end)

      it("serves clients that show no pages, too", function()
        assert.equal("text", text_of(connect(pair[1], pair[2]):call_tool "gh_capability"))
      end)

      it("does not name a tool for pages alone to a model (APP-22)", function()
        local client = connect(pair[1], pair[2])
        client:list_tools()
        assert.equal("Unknown tool: gh_capabilit", select(2, client:call_tool "gh_capabilit"))
      end)

      it("calls, reads, gets and completes", function()
        local client = connect(pair[1], pair[2])
        assert.equal("own", text_of(client:call_tool "own"))
        assert.equal(3, client:call_tool("gh_add", { a = 1, b = 2 }).structuredContent.sum)
        assert.is_true(client:call_tool("gh_add", { a = "x" }).isError)
        assert.equal("no luck", text_of(client:call_tool "gh_fails"))
        local read = client:read_resource("gh+notes://today").contents[1]
        assert.same({ "gh+notes://today", "# Milk", "text/markdown" },
          { read.uri, read.text, read.mimeType })
        assert.equal("ntwo", client:read_resource("gh+n://two").contents[1].text)
        assert.equal("<p>", client:read_resource("ui://gh+add/page").contents[1].text)
        local messages = client:get_prompt("gh_review", { code = "x" }).messages
        assert.same({ "x", "gh+notes://today" },
          { messages[1].content.text, messages[2].content.resource.uri })
        assert.same({ "Lua" }, client:complete({ prompt = "gh_review" }, "language", "L").values)
        assert.same({ "two" }, client:complete({ resource = "gh+n://{i}" }, "i", "t").values)
      end)

      it("rewrites addresses, and passes _meta and errors on", function()
        local client = connect(pair[1], pair[2])
        local links = client:call_tool("gh_links").content
        assert.same({ "gh+notes://today", "gh+notes://today" },
          { links[1].uri, links[2].resource.uri })
        local result = client:call_tool("gh_meta", {}, { meta = { ["x/trace"] = "t1" } })
        assert.same({ "t1", 1 }, { text_of(result), result._meta["x/back"] })
        if pair[1] == "modern" then
          assert.equal("front", result._meta["io.modelcontextprotocol/serverInfo"].name)
        end
        local _, text, code, data = client:call_tool "gh_broken"
        assert.same({ "Broken", -32001, 7 }, { text, code, data.part })
        _, text, code = client:read_resource "gh+notes://none"
        assert.same({ "Resource not found: gh+notes://none",
          pair[1] == "modern" and -32602 or -32002 }, { text, code })
        assert.equal(-32602, (select(3, client:call_tool "gh_nothing")))
      end)

      it("passes progress, log messages and changes on", function()
        local client, seen = connect(pair[1], pair[2])
        local steps, updated = {}, {}
        assert.equal("done", text_of(client:call_tool("gh_slow", {}, {
          on_progress = function(_, _, text) steps[#steps + 1] = text end,
        })))
        assert.same({ "s1", "s2", "s3" }, steps)
        assert.same({ "log logged" }, seen)
        assert(client:subscribe("gh+notes://today", function(uri) updated[#updated + 1] = uri end))
        assert.is_nil((client:subscribe("gh+notes://none", function() end)))
        behind:resource_updated "notes://today"
        helper.wait_until(function() return updated[1] end, "the change")
        assert.same({ "gh+notes://today" }, updated)
        behind:tool "grown" (function() return "x" end)
        helper.wait_until(function() return seen[#seen] == "change tools" end, "the new list")
        assert.equal("x", text_of(client:call_tool "gh_grown"))
        assert.matches("gh_grown$", names_of(client:list_tools()))
      end)

      it("passes questions on", function()
        local client = connect(pair[1], pair[2])
        assert.equal("Ann 7", text_of(client:call_tool "gh_asks"))
        assert.equal("true", text_of(client:call_tool "gh_page"))
        assert.equal("hi t small", text_of(client:call_tool "gh_samples"))
        assert.equal("file:///home/me", text_of(client:call_tool "gh_roots"))
      end)

      it("passes a cancellation on", function()
        cases.cancels(behind, connect(pair[1], pair[2]), "gh_")
      end)
    end)
  end

  it("tells clients of each change of a list that the other server tells of", function()
    for _, era in ipairs { "legacy", "modern", "app" } do
      local client, seen = connect("legacy", era)
      assert.is_truthy(client:list_tools()[1])
      -- Taken back before any client can have seen it.
      behind:tool "passing" (function() return "x" end)
      behind:remove("tool", "passing")
      helper.wait_until(function() return seen[1] end, "the change")
      mcp.sleep(0.02)
      assert.same({ "change tools" }, seen)
      front:unmount "gh"
    end
  end)

  it("tells of a list with a transform only if the list that clients see has changed", function()
    local client, seen = connect("legacy", "legacy",
      { transform = mcp.transform.only { "add" } })
    assert.equal("own gh_add", names_of(client:list_tools()))
    behind:tool "more" (function() return "x" end)
    behind:resource_updated "notes://today"
    behind:prompt "another" (function() return "x" end)
    mcp.sleep(0.05)
    assert.same({}, seen)
  end)

  it("may leave the prefix out, and separate it otherwise", function()
    local client = connect("legacy", "legacy", { prefix = false })
    assert.equal(3, client:call_tool("add", { a = 1, b = 2 }).structuredContent.sum)
    assert.equal("# Milk", client:read_resource("notes://today").contents[1].text)
    front:unmount "gh"
    client = connect("legacy", "legacy", { prefix = "hub", separator = "__" })
    assert.equal(3, client:call_tool("hub__add", { a = 1, b = 2 }).structuredContent.sum)
    assert.equal("# Milk", client:read_resource("hub+notes://today").contents[1].text)
  end)

  it("reads what the other server has without listing it", function()
    behind:remove("resource", "notes://today")
    behind:resource "notes://{day}" { visible = function(ctx) return ctx.method ~= "resources/list"
      and ctx.method ~= "resources/templates/list" end } (function(vars) return vars.day end)
    for _, era in ipairs { "legacy", "app" } do
      local client = connect("legacy", era)
      assert.is_false((names_of(client:list_resource_templates(), "uriTemplate")
        :find("notes", 1, true) or false) and true)
      assert.equal("monday", client:read_resource("gh+notes://monday").contents[1].text)
      front:unmount "gh"
    end
  end)

  it("of one name for two entries names both, and keeps the first", function()
    local one, two = mcp.server "one", mcp.server "two"
    one:tool "b_c" (function() return "one" end)
    two:tool "c" (function() return "two" end)
    for rule, wanted in pairs { none = "one", first = "one", second = "two" } do
      front = mcp.server "front"
      front:mount("a", one)
      local lines = helper.logged(function()
        front:mount("a_b", two, { on_clash = rule ~= "none" and function(kind, name, first, second)
          assert.same({ "tools", "a_b_c", '"b_c" of the mount "a"', '"c" of the mount "a_b"' },
            { kind, name, first, second })
          return rule
        end or nil })
      end)
      assert.equal(rule == "none", lines:find(
        'tool "a_b_c": it is "b_c" of the mount "a", and "c" of the mount "a_b"; the second is '
        .. "left out", 1, true) ~= nil)
      local client <close> = assert(mcp.connect(front))
      assert.equal(wanted, text_of(client:call_tool "a_b_c"))
      front:unmount "a"
      front:unmount "a_b"
    end
  end)

  it("names a clash once while it lasts, and remembers none that is over", function()
    front = mcp.server "front"
    front:mount("a", behind)
    local two = mcp.server "two"
    front:mount("a_b", two)
    behind:tool "b_0" (function() end)
    local client <close> = assert(mcp.connect(front))
    local lines = helper.logged(function()
      for i = 0, 5 do
        two:tool(tostring(i)) (function() end)
        behind:tool("b_" .. i + 1) (function() end)
        client:list_tools()
        if i > 0 then two:remove("tool", tostring(i - 1)) end
        client:list_tools()
        client:list_tools()
      end
    end)
    for i = 0, 5 do
      local text = ('tool "a_b_%d": it is'):format(i)
      assert.equal(1, select(2, lines:gsub(text, "")), text)
    end
    local count = 0
    for _ in pairs(front.mounts.noted.tools) do count = count + 1 end
    assert.equal(1, count)
  end)

  it("has the options of entries: who sees them, scopes, middleware, a time limit", function()
    behind:tool "wait" (function(_, ctx) ctx:sleep(60) end)
    local client = connect("legacy", "legacy", { timeout = 0.05,
      visible = function(ctx) return ctx.transport ~= "http" end })
    local names = {}
    front:use(function(request, next)
      names[#names + 1] = request.name
      return next(request)
    end)
    local result
    helper.logged(function() result = client:call_tool "gh_wait" end)
    assert.matches("timed out after 0.05 s", text_of(result))
    assert.same({ "gh_wait" }, names)
    assert.has_error(function() front:mount("x", behind, { scopes = { "a" } }) end)
  end)

  it("inside a mounted app is part of it", function()
    local middle = mcp.server "middle"
    middle:mount("in", behind, { era = "legacy" })
    front = mcp.server "front"
    front:mount("out", middle)
    local client <close> = assert(mcp.connect(front, { era = "modern",
      on_elicit = function(text) return text == "Name?" and { name = "Ann" } or { age = 7 } end }))
    assert.equal(3, client:call_tool("out_in_add", { a = 1, b = 2 }).structuredContent.sum)
    assert.equal("Ann 7", text_of(client:call_tool "out_in_asks"))
    assert.equal("# Milk", client:read_resource("out+in+notes://today").contents[1].text)
    local updated
    assert(client:subscribe("out+in+notes://today", function(uri) updated = uri end))
    behind:resource_updated "notes://today"
    helper.wait_until(function() return updated end, "the change")
    assert.equal("out+in+notes://today", updated)
    client:close()
    middle:unmount "in"
  end)

  it("is refused at the user's line when it cannot be", function()
    front = mcp.server "front"
    local function refused(text, ...)
      local args = table.pack(...)
      local ok, message = pcall(function() front:mount(table.unpack(args, 1, args.n)) end)
      assert.is_false(ok)
      assert.matches("^spec/mcp/mount/init_spec.lua:%d+: app:mount: ", message)
      assert.matches(text, message, 1, true)
    end
    refused('unknown option "prefx", did you mean "prefix"?', "gh", behind, { prefx = "x" })
    refused('a letter first, got "1x"', "1x", behind)
    refused('a letter first, got nil', nil, behind)
    refused('sessions: expected "auto", "shared" or "client", got "one"', "gh", behind,
      { sessions = "one" })
    refused("deadline: expected seconds", "gh", behind, { deadline = -1 })
    refused("expected an app, {", "gh", 7)
    refused("an app cannot be mounted in itself", "gh", front)
    refused("transform[1]: expected a function, got string", "gh", behind, { transform = { "x" } })
    front:mount("gh", behind)
    refused('"gh" is mounted already', "gh", behind)
    assert.has_error(function() front.mount("gh", behind) end)
    assert.is_false(front:unmount "none")
    assert.same({ { name = "gh", state = "up", tools = 11, prompts = 1, resources = 2,
      templates = 1 } }, front:mounted())
  end)
end)
