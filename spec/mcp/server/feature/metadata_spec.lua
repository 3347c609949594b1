-- SPDX-License-Identifier: MIT
-- What describes a tool, resource or prompt: as it is declared, and as it goes over the wire.
local helper = require "spec.helper"
local mcp = require "mcp"

local KINDS = {
  tool = { "t", "tools/list", "tools" }, prompt = { "p", "prompts/list", "prompts" },
  resource = { "a:r", "resources/list", "resources" },
  template = { "a:{x}", "resources/templates/list", "resourceTemplates" },
}

describe("metadata", function()
  after_each(helper.leftovers)

  local function declare(kind, options, name)
    local app = mcp.server "spec"
    local how = kind == "template" and "resource" or kind
    app[how](app, name or KINDS[kind][1]) (options) (function() return "x" end)
    return app
  end

  local function listed(kind, options, revision)
    local peer = helper.open(declare(kind, options), revision)
    local response, line = (peer.era and peer.modern or peer.request)(peer, KINDS[kind][2])
    peer:close()
    return response.result[KINDS[kind][3]][1], line
  end

  local function wrong(text, kind, options, name)
    local ok, err = pcall(declare, kind, options, name)
    assert.is_false(ok, "nothing was refused: " .. text)
    assert.matches("metadata_spec%.lua:%d+: ", err)
    assert.matches(text, err, 1, true)
  end

  describe("names of tools (4.9)", function()
    it("1 to 128 of A-Za-z0-9_.-", function()
      for _, name in ipairs { "a", "A.b-c_D9", ("x"):rep(128), "-", "." } do
        assert.equal(name, declare("tool", {}, name).tools.order[1].name)
      end
    end)

    it("anything else is an error that says what is wrong", function()
      for name, text in pairs {
        ["a b"] = 'got " "', ["a/b"] = 'got "/"', ["a\n"] = "the byte 10",
        ["ü"] = "the byte 195", ["a\0"] = "the byte 0", ["(a)"] = 'got "("',
        [("x"):rep(129)] = "at most 128 characters, got 129",
      } do
        wrong(text, "tool", {}, name)
      end
    end)
  end)

  describe("icons", function()
    it("go out in the protocol's words, of all kinds, from 2025-11-25 on (1.7)", function()
      local icons = {
        { src = "https://example.org/i.png", mime = "image/png", sizes = { "48x48", "any" } },
        { src = "data:image/png;base64,AAAA", theme = "dark" },
        { src = "HTTPS://x", sizes = "1x1" },
      }
      for kind in pairs(KINDS) do
        for _, revision in ipairs(helper.revisions) do
          local out = listed(kind, { icons = icons }, revision).icons
          if revision < "2025-11-25" then
            assert.is_nil(out)
          else
            assert.same({
              { src = "https://example.org/i.png", mimeType = "image/png",
                sizes = { "48x48", "any" } },
              { src = "data:image/png;base64,AAAA", theme = "dark" },
              { src = "HTTPS://x", sizes = { "1x1" } },
            }, helper.plain(out))
          end
        end
      end
    end)

    it("come from https: or data: only (4.9, SEC-63)", function()
      for _, src in ipairs { "http://x/i", "file:///i", "javascript:alert(1)", "/i.png", "i.png",
        "https:", "https:///x", "", "ftp://x", "httpsx://a" } do
        for kind in pairs(KINDS) do
          wrong("icons[1]: src: expected an https: or data: URI", kind,
            { icons = { { src = src } } })
        end
      end
    end)

    it("are checked member by member", function()
      for text, icon in pairs {
        ["icons[1]: src is missing"] = {}, ['unknown member "mimeType"'] = { mimeType = "x" },
        ['unknown member "scr", did you mean "src"?'] = { scr = "https://x" },
        ['"src": expected a string, got number'] = { src = 5 },
        ['theme: expected "light" or "dark"'] = { src = "data:,", theme = "blue" },
        ["sizes[2]: expected a size like"] = { src = "data:,", sizes = { "any", "big" } },
        ["sizes: expected a list"] = { src = "data:,", sizes = 48 },
      } do
        wrong(text, "tool", { icons = { icon } })
      end
      wrong("icons[1]: expected a table, got string", "tool", { icons = { "https://x" } })
      wrong("icons: expected a list of tables", "tool", { icons = { src = "https://x" } })
    end)

    it("of the server itself too", function()
      local ok, err = pcall(mcp.server, { name = "x", icons = { { src = "http://x" } } })
      assert.is_false(ok)
      assert.matches("mcp.server: icons[1]: src: expected an https: or data: URI", err, 1, true)
    end)
  end)

  describe("annotations of a tool", function()
    it("are hints, from 2025-03-26 on (1.7)", function()
      local options = { annotations = { title = "T", read_only = true, destructive = false,
        idempotent = true, open_world = false } }
      for _, revision in ipairs(helper.revisions) do
        local out = listed("tool", options, revision).annotations
        if revision == "2024-11-05" then
          assert.is_nil(out)
        else
          assert.same({ title = "T", readOnlyHint = true, destructiveHint = false,
            idempotentHint = true, openWorldHint = false }, helper.plain(out))
        end
      end
      local _, line = listed("tool", { annotations = {} })
      assert.matches('"annotations":{}', line, 1, true)
    end)

    it("unknown ones and other types are errors", function()
      for text, given in pairs {
        ['unknown annotation "readonly", did you mean "read_only"?'] = { readonly = true },
        ['unknown annotation "readOnlyHint"'] = { readOnlyHint = true },
        ['"read_only": expected a boolean, got string'] = { read_only = "yes" },
        ['"title": expected a string, got boolean'] = { title = true },
        ['unknown annotation "audience"'] = { audience = { "user" } },
      } do
        wrong(text, "tool", { annotations = given })
      end
    end)
  end)

  describe("annotations of resources and templates", function()
    it("audience and priority in all revisions, lastModified from 2025-06-18 (1.7)", function()
      local options = { annotations = { audience = { "user", "assistant" }, priority = 0.5,
        last_modified = "2025-01-12T15:00:58Z" } }
      for _, kind in ipairs { "resource", "template" } do
        for _, revision in ipairs(helper.revisions) do
          assert.same({ audience = { "user", "assistant" }, priority = 0.5,
            lastModified = revision >= "2025-06-18" and "2025-01-12T15:00:58Z" or nil },
            helper.plain(listed(kind, options, revision).annotations))
        end
      end
    end)

    it("an audience of one; a time in seconds", function()
      assert.same({ audience = { "user" }, priority = 0, lastModified = "1970-01-02T00:00:00Z" },
        helper.plain(listed("resource", { annotations = { audience = "user", priority = 0,
          last_modified = 86400.5 } }).annotations))
      assert.equal("2025-01-12",
        listed("resource", { annotations = { last_modified = "2025-01-12" } }).annotations
          .lastModified)
    end)

    it("what is none of that is an error", function()
      for text, given in pairs {
        ['unknown annotation "audiense", did you mean "audience"?'] = { audiense = "user" },
        ['unknown annotation "lastModified", did you mean "last_modified"?'] = {
          lastModified = "2025-01-12" },
        ['expected "user" or "assistant", got "users"'] = { audience = { "users" } },
        ['expected "user" or "assistant", got number'] = { audience = { 5 } },
        ['"audience": expected a list'] = { audience = 5 },
        ['"priority": expected a number from 0 to 1, got 1.5'] = { priority = 1.5 },
        ['expected a number from 0 to 1, got -1'] = { priority = -1 },
        ['"priority": expected a number, got string'] = { priority = "1" },
        ['"last_modified": expected a time like'] = { last_modified = "yesterday" },
        ["a time like"] = { last_modified = "2025-13-01" },
        ["or seconds"] = { last_modified = 1 / 0 },
      } do
        for _, kind in ipairs { "resource", "template" } do
          wrong(text, kind, { annotations = given })
        end
      end
      wrong("expected a number from 0 to 1, got", "resource",
        { annotations = { priority = 0 / 0 } })
    end)

    it("what a template lists is checked and shown likewise", function()
      local item = { uri = "a:1", annotations = { last_modified = 0, priority = 1 },
        icons = { { src = "data:,", mime = "image/png" } } }
      local app = mcp.server "spec"
      app:resource "a:{x}" { list = function() return { item } end } (function() end)
      local peer = helper.open(app)
      local out = peer:request("resources/list").result.resources[1]
      assert.equal("1970-01-01T00:00:00Z", out.annotations.lastModified)
      assert.equal("image/png", out.icons[1].mimeType)
      peer:close()
      peer = helper.open(app, "2025-03-26")
      out = peer:request("resources/list").result.resources[1]
      assert.same({ priority = 1 }, helper.plain(out.annotations))
      assert.is_nil(out.icons)
      item.annotations = { priority = 2 }
      local err
      helper.logged(function() err = peer:request("resources/list").error end)
      assert.equal(-32603, err.code)
      peer:close()
    end)
  end)

  it("meta goes out as _meta from 2025-06-18 on, and must be JSON (1.7)", function()
    for kind in pairs(KINDS) do
      for _, revision in ipairs(helper.revisions) do
        local out = listed(kind, { meta = { ["example.org/x"] = { 1 } } }, revision)._meta
        if revision < "2025-06-18" then
          assert.is_nil(out)
        else
          assert.same({ ["example.org/x"] = { 1 } }, helper.plain(out))
        end
      end
      wrong("meta: ", kind, { meta = { x = print } })
      wrong("meta: ", kind, { meta = { x = "\xff" } })
      wrong("meta: expected names as keys", kind, { meta = { "x" } })
    end
  end)

  it("texts are UTF-8, as one that is not would spoil the whole list", function()
    for kind in pairs(KINDS) do
      wrong("title: not valid UTF-8 at byte 1", kind, { title = "\xff" })
      wrong("description: not valid UTF-8 at byte 2", kind, { description = "a\xc3" })
    end
    wrong("a prompt's name must be UTF-8", "prompt", {}, "\xff")
    wrong("name: not valid UTF-8 at byte 1", "prompt", { arguments = { { name = "\xff" } } })
    wrong("mime: not valid UTF-8 at byte 1", "resource", { mime = "\xff" })
  end)

  describe("caching hints (4.8)", function()
    local function read(app, uri, revision)
      local peer = helper.open(app, revision or "2026-07-28")
      local response = (peer.era and peer.modern or peer.request)(peer, "resources/read",
        { uri = uri })
      peer:close()
      return response.result
    end

    it("of a resource or template count before the server's", function()
      local app = mcp.server { name = "spec", cache = { ttl = 60, scope = "public" } }
      app:resource "a:plain" (function() return "x" end)
      app:resource "a:own" { cache = { ttl = 1.5 } } (function() return "x" end)
      app:resource "a:t/{x}" { cache = { ttl = 0, scope = "public" } } (function() return "x" end)
      app:resource "a:says" { cache = { ttl = 5 } } (function()
        return { contents = { "x" }, ttlMs = 7, cacheScope = "public" }
      end)
      for uri, expected in pairs {
        ["a:plain"] = { 60000, "public" }, ["a:own"] = { 1500, "private" },
        ["a:t/1"] = { 0, "public" }, ["a:says"] = { 7, "public" },
      } do
        local result = read(app, uri)
        assert.same(expected, { result.ttlMs, result.cacheScope }, uri)
        assert.equal("integer", math.type(result.ttlMs))
      end
    end)

    it("do not go to older revisions, whoever gave them (3.9)", function()
      local app = mcp.server { name = "spec", cache = { ttl = 60 } }
      app:resource "a:b" { cache = { ttl = 5 } } (function()
        return { contents = { "x" }, ttlMs = 7, cacheScope = "public" }
      end)
      local result = read(app, "a:b", "2025-11-25")
      assert.is_nil(result.ttlMs)
      assert.is_nil(result.cacheScope)
    end)

    it("are checked", function()
      for text, given in pairs {
        ["ttl: expected seconds, 0 or more, got -1"] = { ttl = -1 },
        ["0 or more, got inf"] = { ttl = 1 / 0 },
        ['unknown member "tll", did you mean "ttl"?'] = { tll = 1 },
        ['"ttl": expected a number'] = { ttl = "1" },
        ['scope: expected "public" or "private"'] = { scope = "world" },
      } do
        wrong(text, "resource", { cache = given })
      end
    end)
  end)
end)
