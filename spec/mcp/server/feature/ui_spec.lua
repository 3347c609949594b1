-- SPDX-License-Identifier: MIT
-- Pages of MCP Apps and the tools that show them: what is registered, listed, read and declared, in
-- both eras. The rules are those of docs/rules.md, APP.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local page_file = require "mcp.server.feature.page_file"
local ui = require "mcp.message.ui"

local PAGE = "<!doctype html><title>Plan</title><p>hello"
local URI = "ui://garden/plan"

-- What a client declares that shows pages.
local DECLARED = { [ui.ID] = { mimeTypes = mcp.array { ui.MIME } } }

-- The text of what a call must raise, without the place.
local function raised(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

-- An app with one page, and a tool that shows it.
local function garden(options, tool)
  local app = mcp.server "garden"
  app:ui(URI, options or { html = PAGE })
  app:tool "watering" { ui = tool or URI, input = { bed = "string?" } } (function(args)
    return { days = mcp.array { args.bed or "all" } }
  end)
  return app
end

describe("app:ui", function()
  after_each(helper.leftovers)
  after_each(helper.remove_files)

  describe("registers a page that is read", function()
    for _, revision in ipairs { "2025-06-18", "2025-11-25", "2026-07-28" } do
      it("with its type and what it says of itself, by " .. revision
        .. " (APP-24, APP-25, APP-26, APP-28)", function()
        local app = garden { html = PAGE, csp = { connect = { "https://a.example" } },
          permissions = { "camera" }, domain = "x.example", prefers_border = true }
        local peer = helper.open(app, revision)
        local read = helper.plain((peer.era == "modern" and peer.modern or peer.request)(peer,
          "resources/read", { uri = URI }).result.contents)
        assert.same({ { uri = URI, mimeType = "text/html;profile=mcp-app", text = PAGE,
          _meta = { ui = { csp = { connectDomains = { "https://a.example" } },
            permissions = { camera = {} }, domain = "x.example", prefersBorder = true } } } }, read)
      end)
    end

    it("without members that the oldest revisions do not know (T-50)", function()
      local peer = helper.open(garden { html = PAGE, prefers_border = true }, "2024-11-05")
      assert.same({ { uri = URI, mimeType = ui.MIME, text = PAGE } },
        helper.plain(peer:request("resources/read", { uri = URI }).result.contents))
    end)

    it("in the list, with the same _meta.ui (APP-25, APP-29)", function()
      local peer = helper.open(garden { html = PAGE, prefers_border = false, name = "plan",
        description = "Beds", meta = { ["io.example/x"] = 1 } })
      assert.same({ { uri = URI, name = "plan", description = "Beds", mimeType = ui.MIME,
        _meta = { ui = { prefersBorder = false }, ["io.example/x"] = 1 } } },
        helper.plain(peer:request("resources/list").result.resources))
    end)

    it("with nothing of itself where nothing is said (APP-31, APP-32)", function()
      local peer = helper.open(garden())
      assert.is_nil(peer:request("resources/list").result.resources[1]._meta)
      assert.is_nil(peer:request("resources/read", { uri = URI }).result.contents[1]._meta)
    end)
  end)

  it("keeps a page out of the list, and serves it (APP-16)", function()
    local app = garden { html = PAGE, listed = false }
    local peer = helper.open(app)
    assert.same({}, helper.plain(peer:request("resources/list").result.resources))
    assert.equal(PAGE, peer:request("resources/read", { uri = URI }).result.contents[1].text)
    assert.is_true(helper.plain(peer:request("initialize", { protocolVersion = "2025-11-25",
      capabilities = {}, clientInfo = { name = "a", version = "1" } })) ~= nil)
  end)

  it("makes a page for each read, if html is a function", function()
    local app = garden { html = function(ctx)
      return PAGE .. (ctx:has_ui() and "for a host" or "for others")
    end }
    local peer = helper.open(app)
    assert.equal(PAGE .. "for others",
      peer:request("resources/read", { uri = URI }).result.contents[1].text)
    local client <close> = assert(mcp.connect(app, { extensions = DECLARED }))
    assert.equal(PAGE .. "for a host", assert(client:read_resource(URI)).contents[1].text)
  end)

  for name, case in pairs {
    ["is a number"] = { 7, "expected the function to return a string, got number" },
    ["is not UTF-8"] = { PAGE .. "\xff", "not valid UTF-8 at byte 43" },
    ["is empty"] = { "", "the page is empty" },
  } do
    it("does not send what a function made that " .. name .. " (APP-26, APP-27)", function()
      local app = garden { html = function() return case[1] end }
      local err
      local log = helper.logged(function()
        err = helper.open(app):request("resources/read", { uri = URI }).error
      end)
      assert.equal(-32603, err.code)
      assert.matches(case[2], log, 1, true)
    end)
  end

  it("is not found where the function gives nothing", function()
    local peer = helper.open(garden { html = function() end })
    assert.equal(-32002, peer:request("resources/read", { uri = URI }).error.code)
  end)

  it("puts the view kit into the page (mcp.ui)", function()
    local app = garden { html = "<!doctype html><!-- mcp.ui.kit --><p>x" }
    assert.equal("<!doctype html>" .. mcp.ui.kit .. "<p>x", helper.open(app)
      :request("resources/read", { uri = URI }).result.contents[1].text)
  end)

  describe("says how long hosts may keep a page (APP-33)", function()
    local function hints(options, server)
      local app = mcp.server(server or "hints")
      app:ui(URI, options)
      local result = helper.open(app, "2026-07-28"):modern("resources/read", { uri = URI }).result
      return { result.ttlMs, result.cacheScope }
    end

    it("a text for a day, a file for a minute, what a function makes as the server says", function()
      assert.same({ 86400000, "public" }, hints { html = PAGE })
      assert.same({ 60000, "public" }, hints { file = helper.file(PAGE, ".html") })
      assert.same({ 0, "private" }, hints { html = function() return PAGE end })
      assert.same({ 5000, "private" }, hints { html = PAGE, cache = { ttl = 5 } })
    end)

    it("in a cache of one user, if not everybody sees it", function()
      assert.same({ 86400000, "private" }, hints { html = PAGE,
        visible = function() return true end })
    end)
  end)

  describe("refuses at the line of the script", function()
    local line

    -- What `app:ui` raises for these arguments.
    local function refused(...)
      local app = mcp.server "refused"
      local given = table.pack(...)
      local text = raised(function()
        line = debug.getinfo(1, "l").currentline + 1
        app:ui(table.unpack(given, 1, given.n))
      end)
      local place, rest = text:match "^(.-:%d+): (.*)$"
      assert.equal(("spec/mcp/server/feature/ui_spec.lua:%d"):format(line), place)
      assert.is_false(app:has "ui")
      return rest
    end

    for expected, given in pairs {
      ["app:ui: expected an address and a table of options, as in "
        .. 'app:ui("ui://garden/plan", { file = "plan.html" }); got string and nil'] = { URI },
      ['page "http://x": expected the address of a page, such as "ui://garden/plan", '
        .. 'got "http://x"'] = { "http://x", { html = PAGE } },
      ['page "ui://a/{b}": expected the address of one page, got the template "ui://a/{b}"'] =
        { "ui://a/{b}", { html = PAGE } },
      ['page "ui://a": expected file = "page.html", or html with a string or a function'] =
        { "ui://a", {} },
      ['page "ui://a": file, html: expected one of them, got both'] =
        { "ui://a", { html = PAGE, file = "x" } },
      ['page "ui://a": unknown option "prefersBorder", did you mean "prefers_border"?'] =
        { "ui://a", { html = PAGE, prefersBorder = true } },
      ['page "ui://a": option "html": expected a string or function, got table'] =
        { "ui://a", { html = {} } },
      ['page "ui://a": html: expected a complete document that begins with <!doctype html>, '
        .. 'got "<p>x"'] = { "ui://a", { html = "<p>x" } },
      ['page "ui://a": html: the page is empty'] = { "ui://a", { html = "" } },
      ['page "ui://a": html: not valid UTF-8 at byte 43; save the page as UTF-8'] =
        { "ui://a", { html = PAGE .. "\xff" } },
      ['page "ui://a": csp: connect[1]: expected an origin such as "https://api.example", '
        .. 'got "https://x/y": leave out what follows "https://x"'] =
        { "ui://a", { html = PAGE, csp = { connect = { "https://x/y" } } } },
      ['page "ui://a": meta: "ui" is written by luamcp: give a tool ui = "ui://…", and a page its '
        .. "own options"] = { "ui://a", { html = PAGE, meta = { ui = {} } } },
      ['page "ui://a": scopes: this server has no authorization (mcp.server { auth = … })'] =
        { "ui://a", { html = PAGE, scopes = { "x" } } },
      ['page "ui://a": file: nowhere/page.html: No such file or directory'] =
        { "ui://a", { file = "nowhere/page.html" } },
    } do
      it(expected, function()
        local text = refused(table.unpack(given, 1, 2))
        assert.equal(expected, (text:gsub("file: [^ ]*nowhere", "file: nowhere")))
      end)
    end

    it("the same page twice, and names the first", function()
      local app = garden()
      assert.matches('page "ui://garden/plan" is registered already, at spec/mcp/server/feature/'
        .. "ui_spec.lua:", raised(app.ui, app, URI, { html = PAGE }), 1, true)
      assert.matches("called with a colon", raised(app.ui, URI, {}), 1, true)
    end)

    it("what is served under ui:// and is no page (APP-25)", function()
      local app = mcp.server "other"
      for mime, shown in pairs { ["text/html"] = '"text/html"', [""] = "nothing",
        ["text/html; profile=mcp-app"] = '"text/html; profile=mcp-app"' } do
        local text = raised(function()
          app:resource(URI) { mime = mime ~= "" and mime or nil } (function() end)
        end)
        assert.matches(('resource "ui://garden/plan": mime: a page has "text/html;profile=mcp-app"'
          .. ', got %s; app:ui("ui://garden/plan", { file = … }) sets it'):format(shown), text, 1,
          true)
      end
      app:resource(URI) { mime = ui.MIME } (function() return PAGE end)
      assert.equal(PAGE, helper.open(app):request("resources/read", { uri = URI })
        .result.contents[1].text)
    end)
  end)
end)

describe("a tool with a page", function()
  after_each(helper.leftovers)

  it("names it in its definition for every client, so that lists can be shared "
    .. "(APP-10, APP-11, APP-12, APP-17, APP-23)", function()
    local app = garden(nil, { uri = URI, visibility = { "app" } })
    local expected = { ui = { resourceUri = URI, visibility = { "app" } },
      ["ui/resourceUri"] = URI }
    for _, revision in ipairs { "2025-06-18", "2025-11-25", "2026-07-28" } do
      local peer = helper.open(app, revision)
      local result = (peer.era == "modern" and peer.modern or peer.request)(peer, "tools/list")
        .result
      assert.same(expected, helper.plain(result.tools[1]._meta))
    end
    local client <close> = assert(mcp.connect(app, { extensions = DECLARED }))
    assert.same(expected, helper.plain(assert(client:list_tools())[1]._meta))
  end)

  it("keeps the rest of its _meta", function()
    local app = mcp.server "meta"
    app:tool "a" { ui = { visibility = { "model" } }, meta = { ["io.example/x"] = 1 } }
      (function() return "x" end)
    assert.same({ ui = { visibility = { "model" } }, ["io.example/x"] = 1 },
      helper.plain(helper.open(app):request("tools/list").result.tools[1]._meta))
  end)

  describe("is refused at the line of the script (APP-13)", function()
    for expected, options in pairs {
      ['tool "t": ui: visibility: expected a list such as { "app" }, got "app"'] =
        { ui = { uri = URI, visibility = "app" } },
      ['tool "t": ui: uri: expected the address of a page, such as "ui://garden/plan", '
        .. 'got "plan.html"'] = { ui = "plan.html" },
      ['tool "t": "csp" belongs to the page, not to the tool: '
        .. 'app:ui("ui://garden/plan", { csp = … })'] = { ui = URI, csp = {} },
      ['tool "t": "permissions" belongs to the page, not to the tool: '
        .. 'app:ui("ui://…", { permissions = … })'] = { permissions = { "camera" } },
      ['tool "t": ui: "domain" belongs to the page, not to the tool: '
        .. 'app:ui("ui://garden/plan", { domain = … })'] = { ui = { uri = URI, domain = "x" } },
      ['tool "t": meta: "ui" is written by luamcp: give a tool ui = "ui://…", and a page its own '
        .. "options"] = { meta = { ui = { resourceUri = URI } } },
      ['tool "t": option "ui": expected a string or table, got boolean'] = { ui = true },
    } do
      it(expected, function()
        local app = mcp.server "refused"
        local text = raised(function() app:tool "t" (options) (function() end) end)
        assert.equal("spec/mcp/server/feature/ui_spec.lua:" .. debug.getinfo(1, "l").currentline - 1
          .. ": " .. expected, text)
      end)
    end
  end)

  describe("whose page nobody registers (APP-14)", function()
    -- What starting the server raises.
    local function started(build)
      local app = mcp.server "dangling"
      build(app)
      return raised(app.listen, app, { http = 0 })
    end

    it("stops the start, and names tool, page and place", function()
      local line
      local text = started(function(app)
        line = debug.getinfo(1, "l").currentline + 1
        app:tool "watering" { ui = URI } (function() end)
      end)
      assert.equal(('spec/mcp/server/feature/ui_spec.lua:%d: tool "watering": ui: no page '
        .. '"ui://garden/plan" is registered; add one: app:ui("ui://garden/plan", { file = … })')
        :format(line), text)
    end)

    it("is told the nearest one", function()
      assert.matches('no page "ui://garden/plan" is registered; did you mean "ui://garden/plans"?',
        started(function(app)
          app:tool "watering" { ui = URI } (function() end)
          app:ui("ui://garden/plans", { html = PAGE })
          app:resource "test://garden/plan" (function() end)
        end), 1, true)
    end)

    it("is there if the page comes later, or a template serves it", function()
      for _, build in ipairs {
        function(app) app:ui(URI, { html = PAGE }) end,
        function(app) app:ui("ui://garden/%70lan", { html = PAGE }) end,
        function(app) app:resource "ui://garden/{name}" { mime = ui.MIME } (function() end) end,
      } do
        local app = mcp.server "later"
        app:tool "watering" { ui = URI } (function() end)
        build(app)
        app:listen({ http = 0, quiet = true }):close()
        helper.wait_until(function() return core.task_count() == 0 end, "the end of the listener")
      end
    end)
  end)

  it("may show the page of a mounted server", function()
    local app = mcp.server "front"
    app:mount("g", garden())
    app:tool "own" { ui = "ui://g+garden/plan" } (function() end)
    app:listen({ http = 0, quiet = true }):close()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the listener")
    local client <close> = assert(mcp.connect(app))
    assert.equal(PAGE, assert(client:read_resource "ui://g+garden/plan").contents[1].text)
    client:close()
    app:unmount "g"
  end)

  it("answers with content for the model, data for the page, and extras in _meta "
    .. "(APP-09, APP-84)", function()
    local app = garden()
    app:tool "more" { ui = URI } (function()
      return { content = { mcp.text "Roses: Monday" }, structuredContent = { days = { "Monday" } },
        _meta = { ["io.example/colors"] = { "red" } } }
    end)
    local peer = helper.open(app)
    local result = peer:call("watering", { bed = "roses" })
    assert.equal('{"days":["roses"]}', result.content[1].text)
    assert.same({ days = { "roses" } }, helper.plain(result.structuredContent))
    result = helper.plain((peer:call "more"))
    assert.equal("Roses: Monday", result.content[1].text)
    assert.same({ "Monday" }, result.structuredContent.days)
    assert.same({ "red" }, result._meta["io.example/colors"])
  end)
end)

describe("a tool for pages alone", function()
  after_each(helper.leftovers)

  local function app_with_hidden()
    local app = mcp.server "hidden"
    app:tool "move_bed" { ui = { visibility = { "app" } } } (function() return "moved" end)
    app:tool "list_beds" (function() return "beds" end)
    return app
  end

  it("is listed and called like any other: hosts tell model and page apart (APP-21, APP-23)",
    function()
      local peer = helper.open(app_with_hidden())
      assert.equal(2, #peer:request("tools/list").result.tools)
      assert.equal("moved", (peer:call "move_bed").content[1].text)
    end)

  it("is not named to a model that has misspelt a name (APP-22)", function()
    local peer = helper.open(app_with_hidden())
    assert.equal("Unknown tool: move_bad", select(2, peer:call "move_bad").message)
    assert.equal("Unknown tool: list_bed (did you mean list_beds?)",
      select(2, peer:call "list_bed").message)
  end)

  it("is left out by gate.for_model and gate.names (APP-22)", function()
    local gate = require "mcp.server.feature.gate"
    local app = app_with_hidden()
    local ctx = {}
    assert.same({ "move_bed", "list_beds" }, gate.names(app.tools, ctx))
    assert.same({ "list_beds" }, gate.names(app.tools, ctx, gate.for_model))
    app:tool "secret" { visible = function() return false end } (function() end)
    assert.same({ "list_beds" }, gate.names(app.tools, ctx, gate.for_model))
    assert.is_false(gate.for_model(app.tools.by_name.move_bed))
    assert.is_true(gate.for_model(app.tools.by_name.list_beds))
  end)
end)

describe("the extension io.modelcontextprotocol/ui", function()
  after_each(helper.leftovers)

  local function declared(app, era)
    local peer = helper.connect(app)
    local capabilities = era == "modern"
      and peer:modern("server/discover").result.capabilities
      or peer:initialize().capabilities
    return capabilities.extensions and helper.plain(capabilities.extensions)
  end

  it("is declared in both eras while there is a page or a tool with one (APP-01, APP-05)",
    function()
      local app = mcp.server "declares"
      app:tool "plain" (function() end)
      for _, era in ipairs { "legacy", "modern" } do assert.is_nil(declared(app, era)) end
      app:ui(URI, { html = PAGE })
      for _, era in ipairs { "legacy", "modern" } do
        assert.same({ ["io.modelcontextprotocol/ui"] = {} }, declared(app, era))
      end
      app:remove("resource", URI)
      for _, era in ipairs { "legacy", "modern" } do assert.is_nil(declared(app, era)) end
      app:tool "app_only" { ui = { visibility = { "app" } } } (function() end)
      for _, era in ipairs { "legacy", "modern" } do
        assert.same({ ["io.modelcontextprotocol/ui"] = {} }, declared(app, era))
      end
    end)

  -- A tool that has a variant for hosts that show nothing.
  local function two_variants()
    local app = garden()
    app:tool "show" { ui = URI } (function(_, ctx)
      return ctx:has_ui() and "see the page" or "a table as text"
    end)
    return app
  end

  it("is read from the handshake of a session (APP-03, APP-08)", function()
    local app = two_variants()
    for expected, capabilities in pairs {
      ["see the page"] = { extensions = DECLARED },
      ["a table as text"] = { extensions = { [ui.ID] = {} } },
    } do
      for _, revision in ipairs { "2024-11-05", "2025-11-25" } do
        local peer = helper.connect(app)
        peer:initialize(revision, capabilities)
        assert.equal(expected, (peer:call "show").content[1].text)
      end
    end
  end)

  it("is read from each request of the stateless revision, and never remembered "
    .. "(APP-04, APP-07)", function()
    local peer = helper.open(two_variants(), "2026-07-28")
    local params = { name = "show", arguments = {} }
    for _ = 1, 2 do
      assert.equal("see the page", peer:modern("tools/call", params,
        { [helper.PREFIX .. "clientCapabilities"] = { extensions = DECLARED } })
        .result.content[1].text)
      assert.equal("a table as text", peer:modern("tools/call", params).result.content[1].text)
    end
  end)

  it("is among the extensions that ctx:has_extension knows (APP-02)", function()
    local app = garden()
    local seen
    app:tool "look" (function(_, ctx)
      seen = { ctx:has_extension(ui.ID), ctx:has_ui() }
      return "x"
    end)
    local client <close> = assert(mcp.connect(app, { extensions = {
      [ui.ID] = { mimeTypes = mcp.array { ui.MIME }, features = { "x" } } } }))
    assert(client:call_tool "look")
    assert.same({ { mimeTypes = { ui.MIME }, features = { "x" } }, true }, helper.plain(seen))
    assert.same({}, helper.plain(client:extension(ui.ID)))
  end)
end)

describe("the file of a page (APP-33)", function()
  local clock = require("mcp.testing").clock()
  local path, app, peer

  before_each(function()
    path = helper.file(PAGE, ".html")
    app = garden { file = path }
    peer = helper.open(app)
  end)
  after_each(function()
    peer:close()
    -- The look after the last subscription is the last one.
    clock:advance(page_file.PAUSE)
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the looking")
    helper.leftovers()
    helper.remove_files()
  end)

  local function write(text)
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
  end

  local function read()
    return peer:request("resources/read", { uri = URI }).result.contents[1].text
  end

  local UPDATED = { "notifications/resources/updated", { uri = URI } }

  it("is looked at once a second while somebody has subscribed to the page", function()
    peer:request("resources/subscribe", { uri = URI })
    peer:request("resources/subscribe", { uri = URI })
    assert.equal(1, core.task_count())
    for i = 1, 2 do
      write(PAGE .. ("."):rep(i))
      peer:silent()
      clock:advance(page_file.PAUSE)
      local note = peer:receive()
      assert.same(UPDATED, { note.method, note.params })
      assert.equal(PAGE .. ("."):rep(i), read())
    end
    assert.equal(1, page_file.PAUSE)
    peer:request("resources/unsubscribe", { uri = URI })
    clock:advance(page_file.PAUSE)
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the looking")
  end)

  it("is looked at for each read, and whoever reads a change first tells the others", function()
    assert.equal(PAGE, read())
    peer:request("resources/subscribe", { uri = URI })
    write(PAGE .. " again")
    local other <close> = helper.open(app)
    assert.equal(PAGE .. " again",
      other:request("resources/read", { uri = URI }).result.contents[1].text)
    assert.equal("notifications/resources/updated", peer:receive().method)
    peer:silent()
  end)

  it("is looked at for those who listen without a session", function()
    local modern = helper.open(app, "2026-07-28")
    modern:send { jsonrpc = "2.0", id = "l", method = "subscriptions/listen", params = {
      notifications = { resourceSubscriptions = { URI } }, _meta = helper.envelope() } }
    assert.equal("notifications/subscriptions/acknowledged", modern:receive().method)
    write(PAGE .. " again")
    clock:advance(page_file.PAUSE)
    assert.equal(URI, modern:receive().params.uri)
    modern:close()
  end)
end)
