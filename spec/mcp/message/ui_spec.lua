-- SPDX-License-Identifier: MIT
-- What a tool and a page say of each other in MCP Apps, and what can be a page.
local helper = require "spec.helper"
local mcp = require "mcp"
local ui = require "mcp.message.ui"

-- The error text of a call that must fail.
local function failure(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("the option ui of a tool", function()
  it("is the address of a page, in the nested and the old flat form (APP-11, APP-12)", function()
    local meta, uri = ui.of_tool "ui://garden/plan"
    assert.same({ ui = { resourceUri = "ui://garden/plan" },
      ["ui/resourceUri"] = "ui://garden/plan" }, helper.plain(meta))
    assert.equal("ui://garden/plan", uri)
  end)

  it("may say who sees the tool, with or without a page (APP-11, APP-17)", function()
    local meta, uri = ui.of_tool { visibility = { "app" } }
    assert.same({ ui = { visibility = { "app" } } }, helper.plain(meta))
    assert.is_nil(uri)
    for _, who in ipairs { { "model" }, { "model", "app" } } do
      meta, uri = ui.of_tool { uri = "ui://a", visibility = who }
      assert.same(who, helper.plain(meta).ui.visibility)
      assert.equal("ui://a", uri)
    end
    assert.is_nil(ui.of_tool({ uri = "ui://a" }).ui.visibility)
  end)

  for expected, given in pairs {
    ['ui: uri: expected the address of a page, such as "ui://garden/plan", got "https://a/b"'] =
      "https://a/b",
    ['ui: uri: expected the address of a page, such as "ui://garden/plan", got "ui://"'] = "ui://",
    ['ui: uri: expected the address of a page, such as "ui://garden/plan", got "UI://a"'] =
      "UI://a",
    ['ui: uri: expected the address of a page, such as "ui://garden/plan", got table'] =
      { uri = {} },
    ['ui: uri: expected the address of one page, got the template "ui://a/{b}"'] = "ui://a/{b}",
    ['ui: visibility: expected a list such as { "app" }, got "app"'] =
      { uri = "ui://a", visibility = "app" },
    ['ui: visibility: expected a list such as { "app" }, got a table with the key "app"'] =
      { uri = "ui://a", visibility = { app = true } },
    ['ui: visibility[2]: expected "model" or "app", got "modle"; did you mean "model"?'] =
      { visibility = { "app", "modle" } },
    ['ui: visibility[1]: expected "model" or "app", got boolean'] = { visibility = { true } },
    ['ui: visibility: expected "model", "app" or both, got an empty list'] = { visibility = {} },
    ['ui: unknown member "resourceUri", did you mean "uri"?'] = { resourceUri = "ui://a" },
    ['ui: "csp" belongs to the page, not to the tool: app:ui("ui://a", { csp = … })'] =
      { uri = "ui://a", csp = {} },
    ['ui: "prefersBorder" belongs to the page, not to the tool: '
      .. 'app:ui("ui://…", { prefers_border = … })'] = { prefersBorder = true },
    ['ui: expected the address of a page, as in ui = "ui://garden/plan", or visibility'] = {},
  } do
    it("is refused: " .. expected .. " (APP-13, APP-24)", function()
      assert.equal(expected, failure(ui.of_tool, given))
    end)
  end

  it("is the only way to write its members of _meta", function()
    ui.check_meta(nil)
    ui.check_meta { other = 1 }
    assert.matches('meta: "ui" is written by luamcp', failure(ui.check_meta, { ui = {} }), 1, true)
    assert.matches('meta: "ui/resourceUri" is written',
      failure(ui.check_meta, { ["ui/resourceUri"] = "ui://a" }), 1, true)
  end)
end)

describe("what a page says of itself", function()
  it("has the members of the protocol (APP-28, APP-32, APP-39)", function()
    assert.same({
      csp = { connectDomains = { "https://a.example" }, resourceDomains = { "https://*.b.example" },
        frameDomains = { "https://c.example:8443" }, baseUriDomains = { "http://localhost" } },
      permissions = { camera = {}, clipboardWrite = {} },
      domain = "a.hosts.example", prefersBorder = false,
    }, helper.plain(ui.of_page {
      csp = { connect = { "https://a.example" }, resource = { "https://*.b.example" },
        frame = { "https://c.example:8443" }, base_uri = { "http://localhost" } },
      permissions = { "camera", "clipboard_write" },
      domain = "a.hosts.example", prefers_border = false,
    }))
  end)

  it("is nothing if nothing is said; an empty csp is not the same as none", function()
    assert.is_nil(ui.of_page {})
    assert.is_nil(ui.of_page { permissions = {} })
    assert.same({ csp = {} }, ui.of_page { csp = {} })
    assert.same({ csp = {} }, ui.of_page { csp = { connect = {} } })
  end)

  for expected, given in pairs {
    ['csp: expected a table, got string'] = { csp = "https://a.example" },
    ['csp: unknown member "connectDomains", did you mean "connect"?'] =
      { csp = { connectDomains = {} } },
    ['csp: unknown member "baseUriDomains", did you mean "base_uri"?'] =
      { csp = { baseUriDomains = {} } },
    ['csp: connect: expected a list such as { "https://api.example" }, got "https://a.example"'] =
      { csp = { connect = "https://a.example" } },
    ['csp: resource[1]: expected an origin such as "https://api.example", got "wss://a.example": '
      .. 'the scheme is https or http'] = { csp = { resource = { "wss://a.example" } } },
    ['permissions: expected a list such as { "camera" }, got a table with the key "camera"'] =
      { permissions = { camera = {} } },
    ['permissions[1]: unknown permission "clipboardWrite", did you mean "clipboard_write"?'] =
      { permissions = { "clipboardWrite" } },
    ['permissions[1]: expected a name, got boolean'] = { permissions = { true } },
    ['domain: expected a name, got an empty one'] = { domain = "" },
  } do
    it("is refused: " .. expected, function()
      assert.equal(expected, failure(ui.of_page, given))
    end)
  end

  describe("an origin of a policy (APP-38)", function()
    for _, origin in ipairs { "https://api.example", "http://localhost:8000", "wss://a.b.example",
      "ws://127.0.0.1:1", "https://*.example.com", "HTTPS://Example.com:65535", "https://a-b.c1",
      "https://xn--bcher-kva.example" } do
      it("may be " .. origin, function() assert.is_nil(ui.origin_problem(origin)) end)
    end

    for origin, reason in pairs {
      ["https://a.example/"] = 'leave out what follows "https://a.example"',
      ["https://a.example/v1?x"] = 'leave out what follows "https://a.example"',
      ["https://a.example#x"] = 'leave out what follows "https://a.example"',
      ["a.example"] = "scheme://host", ["*"] = "scheme://host", ["'self'"] = "scheme://host",
      ["data:"] = "scheme://host", [""] = "scheme://host", ["https:"] = "scheme://host",
      ["https://*"] = "it names every host", ["https://"] = "it has no host",
      ["ftp://a.example"] = "the scheme is https, http, wss or ws",
      ["https://[::1]:80"] = "a policy cannot name an IPv6 address",
      ["https://b\u{FC}cher.example"] = "write the host in ASCII (xn--…)",
      ["https://a.example:0"] = "a port is a number from 1 to 65535",
      ["https://a.example:65536"] = "a port is a number from 1 to 65535",
      ["https://a.example:"] = "a port is a number from 1 to 65535",
      ["https://a.example:*"] = "a host has letters, digits, hyphens and dots",
      ["https://a.*.example"] = "a host has letters",
      ["https://*.*.example"] = "a host has letters",
      ["https://-a.example"] = "a host has letters",
      ["https://a..example"] = "a host has letters",
      ["https://user@a.example"] = "a host has letters",
      ["https://a.example; script-src *"] = "a host has letters",
      ["https://a.example,https://b.example"] = "a host has letters",
      ["https://a.example 'unsafe-eval'"] = "a host has letters",
      ["https://a.example\n"] = "a host has letters",
      ["https://a\".example"] = "a host has letters",
    } do
      it(("is not %q"):format(origin), function()
        local problem = assert.is_string(ui.origin_problem(origin)) and ui.origin_problem(origin)
        assert.matches('expected an origin such as "https://api.example", got "', problem, 1, true)
        assert.matches(": " .. reason, problem, 1, true)
      end)
    end

    it("is a text", function()
      assert.equal('expected an origin such as "https://api.example", got boolean',
        ui.origin_problem(true))
    end)
  end)
end)

describe("a page (APP-27)", function()
  for _, text in ipairs {
    "<!doctype html><p>x", "<!DOCTYPE HTML>\n<html></html>", "\u{FEFF}<!doctype html>x",
    " \n<!-- a --><!-- b -->\n<!doctype html>x", "<!doctype html >x", "<!doctype\nhtml>x",
    '<!DOCTYPE html SYSTEM "about:legacy-compat">x', "<!doctype html>\u{E9}",
  } do
    it(("may be %q"):format(text), function() assert.is_nil(ui.html_problem(text)) end)
  end

  for text, expected in pairs {
    [""] = "the page is empty", [" \n"] = "the page is empty",
    ["\u{FEFF}"] = "expected a complete document that begins with <!doctype html>",
    ["<p>hello\nworld"] =
      'expected a complete document that begins with <!doctype html>, got "<p>hello"',
    ["<html></html>"] = "expected a complete document that begins with <!doctype html>",
    ["<!-- <!doctype html> -->"] =
      "expected a complete document that begins with <!doctype html>, got comments alone",
    ["<!-- <!doctype html>"] = "got comments alone",
    ["<!doctype htmlx>y"] = "expected a complete document",
    ['<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN">x'] = "the doctype of an older HTML",
    ["<!doctype html> "] = "the page has nothing after its doctype",
    ["<!doctype html>caf\xe9"] = "not valid UTF-8 at byte 19; save the page as UTF-8",
  } do
    it(("cannot be %q"):format(text), function()
      assert.matches(expected, ui.html_problem(text), 1, true)
    end)
  end
end)

describe("a client that shows pages (APP-02, APP-07)", function()
  it("has named the media type of pages", function()
    assert.is_true(ui.supported { mimeTypes = mcp.array { ui.MIME } })
    assert.is_true(ui.supported { mimeTypes = mcp.array { "other/type", ui.MIME }, features = {} })
    assert.equal("text/html;profile=mcp-app", ui.MIME)
  end)

  for name, settings in pairs {
    ["no settings"] = false, ["an empty object"] = {}, ["an array"] = mcp.array { ui.MIME },
    ["no list"] = { mimeTypes = ui.MIME }, ["null"] = { mimeTypes = mcp.null },
    ["other types"] = { mimeTypes = mcp.array { "text/html", "text/html; profile=mcp-app" } },
    ["no texts"] = { mimeTypes = mcp.array { true, {} } },
  } do
    it("has not with " .. name, function() assert.is_false(ui.supported(settings)) end)
  end
end)
