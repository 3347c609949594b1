-- SPDX-License-Identifier: MIT
-- The pages of a server as commands describe them, and luamcp check with pages.
local check = require "spec.mcp.cli.checked"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local pages = require "mcp.cli.pages"

local KIT = "<!doctype html><!-- mcp.ui.kit -->"

describe("the pages of a server", function()
  after_each(helper.leftovers)

  local function read(build)
    local app = mcp.server "pages"
    build(app)
    local client <close> = assert(mcp.connect(app))
    local lists = { tools = client:list_tools() or {}, resources = client:list_resources() or {} }
    local found
    helper.logged(function() found = pages.read(client, lists) end)
    return found
  end

  it("are those that are listed and those that tools name", function()
    local found = read(function(app)
      app:ui("ui://a", { html = KIT })
      app:ui("ui://b", { html = KIT, listed = false, permissions = { "camera" },
        csp = { connect = { "https://a.example", "https://b.example" } } })
      app:resource "test://x" (function() return "x" end)
      for name, uri in pairs { one = "ui://b", two = "ui://b" } do
        app:tool(name) { ui = uri } (function() end)
      end
    end)
    assert.equal(2, #found)
    assert.same({ "ui://a", "ui://b" }, { found[1].uri, found[2].uri })
    table.sort(found[2].tools)
    assert.equal("2.1 KB; no tool shows it", pages.describe(found[1]))
    assert.equal("2.1 KB; shown by one, two; connect https://a.example https://b.example; "
      .. "asks for camera", pages.describe(found[2]))
    for _, page in ipairs(found) do
      assert.is_nil(page.problem)
      assert.same({}, helper.plain(page.warnings))
    end
  end)

  -- What is said of one page that a resource serves.
  local function page_of(handler, options)
    local found = read(function(app)
      options = options or {}
      options.mime = "text/html;profile=mcp-app"
      app:resource "ui://x" (options) (handler)
    end)
    return found[1]
  end

  for name, case in pairs {
    ["that fail"] = { function() error "no" end, "cannot be read: " },
    ["that are gone"] = { function() return nil end, "cannot be read: " },
    ["that are bytes"] = { function() return mcp.blob "x" end, "is not sent as text" },
    ["without contents"] = { function() return { contents = mcp.array() } end, "has no contents" },
    ["of another type"] = {
      function() return { uri = "ui://x", text = KIT, mimeType = "text/html" } end,
      'mimeType: expected "text/html;profile=mcp-app", got "text/html"' },
    ["that are no document"] = { function() return "<p>x" end, "expected a complete document" },
    ["that are empty"] = { function() return "" end, "the page is empty" },
  } do
    it("cannot be shown: " .. name .. " (APP-25, APP-26, APP-27)", function()
      local page = page_of(case[1])
      assert.matches('page "ui://x": ' .. case[2], page.problem, 1, true)
      assert.equal("cannot be shown; no tool shows it", pages.describe(page))
    end)
  end

  describe("have warnings (APP-40)", function()
    local CSP = { csp = { resourceDomains = { "https://cdn.example", "https://*.wide.example" },
      connectDomains = { "https://api.example:8443" }, frameDomains = { "https://maps.example" } } }

    local function warnings(body, meta)
      local html = "<!doctype html>" .. mcp.ui.kit .. body
      local page = page_of(function()
        return { uri = "ui://x", text = html, _meta = { ui = meta or CSP } }
      end)
      assert.is_nil(page.problem)
      return table.concat(page.warnings, "\n")
    end

    it("about what hosts would not load", function()
      assert.equal('page "ui://x" loads "app.js", and a page has no folder: it is one document; '
        .. "put that into it", warnings "<script src=app.js></script>")
      assert.equal('page "ui://x" loads https://other.example/a.js, which its csp does not allow: '
        .. 'csp = { resource = { "https://other.example" } }',
        warnings("<script src=https://other.example/a.js></script>"
          .. "<img src=https://other.example/b>"))
      assert.matches('csp = { connect = { "https://cdn.example" } }',
        warnings "<script>fetch('https://cdn.example/x')</script>", 1, true)
      assert.matches('csp = { frame = { "https://cdn.example" } }',
        warnings "<iframe src='//cdn.example/x'></iframe>", 1, true)
    end)

    it("but not about what the policy allows", function()
      for _, body in ipairs { "<script src=https://cdn.example/a.js></script>",
        "<script src=https://cdn.example:443/a.js></script>", "<img src=HTTPS://CDN.example/x>",
        "<img src=//cdn.example/x>", "<img src=https://a.b.wide.example/x>",
        "<script>fetch('https://api.example:8443/v1')</script>",
        "<iframe src=https://maps.example/x></iframe>", "<img src=data:image/png,x>" } do
        assert.equal("", warnings(body), body)
      end
    end)

    it("and entries match scheme, port and whole labels alone", function()
      for _, url in ipairs { "http://cdn.example/", "https://cdn.example:444/",
        "https://wide.example/", "https://evilwide.example/", "https://cdn.example.org/" } do
        assert.matches("which its csp does not allow", warnings("<img src=" .. url .. ">"), 1, true)
      end
    end)

    it("about a policy that another server wrote", function()
      assert.matches("csp: connect: expected an origin", warnings("",
        { csp = { connectDomains = { "https://a.example/path" } } }), 1, true)
    end)

    it("about a page that waits for nobody, and a kit that was asked for twice", function()
      local page = page_of(function() return "<!doctype html><p>x" end)
      assert.equal('page "ui://x" never sends ui/initialize, so hosts wait for it: add '
        .. "<!-- mcp.ui.kit --> to its head", page.warnings[1])
      assert.equal('page "ui://x" asks for the view kit more than once',
        warnings "<!-- mcp.ui.kit -->")
    end)
  end)

  it("say of themselves what the list says, where the contents say nothing (APP-29, APP-30)",
    function()
      local page = page_of(function() return KIT .. "ui/initialize" end,
        { meta = { ui = { permissions = { camera = {} } } } })
      assert.same({ permissions = { camera = {} } }, helper.plain(page.ui))
    end)

  it("of foreign servers may be anything", function()
    for _, meta in ipairs { 1, "x", mcp.array { 1 }, { ui = 1 }, { ui = { resourceUri = 7,
      visibility = "app" } }, { ["ui/resourceUri"] = {} }, { ui = { visibility = { 1 } } } } do
      assert.same({ n = 2, [2] = false }, table.pack(pages.of_tool { _meta = meta }))
    end
    assert.same({ "ui://a", true }, { pages.of_tool { _meta = { ["ui/resourceUri"] = "ui://a",
      ui = { visibility = mcp.array { "app" } } } } })
    assert.same({ "ui://b", false }, { pages.of_tool { _meta = { ["ui/resourceUri"] = "ui://a",
      ui = { resourceUri = "ui://b", visibility = mcp.array { "app", "model" } } } } })
  end)
end)

describe("luamcp check", function()
  after_each(helper.remove_files)

  local SERVER = [[
    local app = require "mcp".server "x"
    app:tool "show" { description = "Show", ui = "ui://x/page" } (function() return "x" end)
    app:ui("ui://x/page", { html = %q, description = "A page" })
    app:run()]]

  it("shows pages, as text and as JSON", function()
    assert.same({ "tool      show()\nresource  ui://x/page\npage      ui://x/page  2.1 KB; "
      .. "shown by show\n", "", 0 }, { check(SERVER:format(KIT), "--strict") })
    local lists = core.decode((check(SERVER:format(KIT), "--json")))
    assert.same({ { uri = "ui://x/page", tools = { "show" }, bytes = #KIT - 19 + #mcp.ui.kit,
      warnings = {} } }, helper.plain(lists.pages))
  end)

  it("warns about a page", function()
    local _, err, status = check(SERVER:format(KIT .. "<img src=a.png>"))
    assert.equal('luamcp: warning: page "ui://x/page" loads "a.png", and a page has no folder: it '
      .. "is one document; put that into it\n", err)
    assert.equal(0, status)
  end)

  it("fails for a page that cannot be shown", function()
    local out, err, status = check((SERVER:gsub("%%q", 'function() return "<p>" end')))
    assert.matches("page      ui://x/page  cannot be shown; shown by show\n", out, 1, true)
    assert.matches('luamcp: page "ui://x/page": cannot be read: ', err, 1, true)
    assert.equal(1, status)
  end)

  it("names the line of a tool whose page nobody registered (APP-14)", function()
    assert.same({ "", 'luamcp: FILE:2: tool "show": ui: no page "ui://x/page" is registered; did '
      .. 'you mean "ui://x/pages"?\n', 1 },
      { check((SERVER:format(KIT):gsub('ui%("ui://x/page"', 'ui("ui://x/pages"'))) })
    local _, err = check(SERVER:format "<p>")
    assert.equal('luamcp: FILE:3: page "ui://x/page": html: expected a complete document that '
      .. 'begins with <!doctype html>, got "<p>"\n', err)
  end)
end)
