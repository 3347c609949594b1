-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("resource", function()
  after_each(helper.leftovers)

  local function with(revision, build)
    local app = mcp.server "spec"
    build(app)
    return helper.open(app, revision), app
  end

  local function ask(peer, method, params)
    local response, line
    helper.logged(function()
      if peer.era then
        response, line = peer:modern(method, params)
      else
        response, line = peer:request(method, params)
      end
    end)
    return response.result, response.error, line
  end

  -- The contents that a handler's value becomes.
  local function read(value, options, revision)
    local peer = with(revision, function(app)
      app:resource "a:b" (options or {}) (function() return value end)
    end)
    local result, err = ask(peer, "resources/read", { uri = "a:b" })
    return result and result.contents, err, result
  end

  describe("contents", function()
    it("is found by the longest URI, and by no longer one", function()
    local app = mcp.server "spec"
    local longest = "a:" .. ("x"):rep(require("mcp.uri").LENGTH - 2)
    app:resource "{+all}" (function(address) return "template " .. #address end)
    app:resource(longest) (function() return "found" end)
    local peer = helper.open(app)
    assert.equal("found",
      peer:request("resources/read", { uri = longest }).result.contents[1].text)
    assert.is_nil(peer:request("resources/read", { uri = longest .. "x" }).result)
  end)

  it("a string is text", function()
      assert.same({ { uri = "a:b", mimeType = "text/plain", text = "hi" } },
        helper.plain(read "hi"))
    end)

    it("a string has the media type that was declared, and is bytes if that is no text", function()
      assert.same({ { uri = "a:b", mimeType = "text/html", text = "hi" } },
        helper.plain(read("hi", { mime = "text/html" })))
      assert.same({ { uri = "a:b", mimeType = "image/png", blob = core.base64 "hi" } },
        helper.plain(read("hi", { mime = "image/png" })))
      assert.equal("{}", read("{}", { mime = "application/geo+json" })[1].text)
    end)

    it("bytes that are no UTF-8 go out as a blob", function()
      assert.same({ { uri = "a:b", mimeType = "application/octet-stream", blob = "/w==" } },
        helper.plain(read "\xff"))
      assert.equal("/w==", read(mcp.blob("\xff", "text/html"), { mime = "text/html" })[1].blob)
    end)

    it("text that is no UTF-8 is refused by name", function()
      for expected, value in pairs { ["text/html"] = "<p>\xff", ["text/plain"] = mcp.text "<p>\xff",
        ["text/html "] = { "ok", "<p>\xff" } } do
        local mime = expected == "text/html " and "text/html" or expected
        local peer = with(nil, function(app)
          app:resource "a:b" { mime = mime == "text/html" and mime or nil } (function()
            return value
          end)
        end)
        local log, response
        log = helper.logged(function()
          response = peer:request("resources/read", { uri = "a:b" })
        end)
        assert.equal('Internal error in resource "a:b"', response.error.message)
        assert.matches('resource "a:b": ' .. mime
          .. " is text, but it is not valid UTF-8 at byte 4", log, 1, true)
        peer:close()
      end
    end)

    it("a table is its JSON", function()
      assert.same({ { uri = "a:b", mimeType = "application/json", text = '{"a":1,"b":[]}' } },
        helper.plain(read { b = mcp.array {}, a = 1 }))
      assert.equal("7", read(7)[1].text)
      assert.equal("false", read(false)[1].text)
    end)

    it("content keeps what it is", function()
      assert.equal("hi", read(mcp.text "hi")[1].text)
      assert.same({ { uri = "a:b", mimeType = "image/gif", blob = "AA==" } },
        helper.plain(read(mcp.image("\0", "image/gif"))))
      assert.same({ { uri = "a:b", mimeType = "application/pdf", blob = "AA==" } },
        helper.plain(read(mcp.blob("\0", "application/pdf"))))
      assert.equal("c:d", read(mcp.embedded("c:d", "x"))[1].uri)
    end)

    it("several contents, as a list or in full", function()
      assert.equal(2, #read { mcp.text "a", "b" })
      local contents, _, result = read { contents = { "a", { uri = "c:d", text = "b" } },
        _meta = { ["x.org/y"] = 1 } }
      assert.equal("c:d", contents[2].uri)
      assert.equal(1, result._meta["x.org/y"])
    end)

    it("several contents, as a list of tables of the protocol", function()
      local contents = read { { uri = "c:d", text = "a", mimeType = "text/x" },
        { uri = "e:f", blob = "AA==" }, "c" }
      assert.same({ { uri = "c:d", text = "a", mimeType = "text/x" },
        { uri = "e:f", blob = "AA==" }, { uri = "a:b", text = "c", mimeType = "text/plain" } },
        helper.plain(contents))
      assert.same({ { uri = "a:b", text = "a" }, { uri = "a:b", text = "b" } },
        helper.plain(read { { text = "a" }, { text = "b" } }))
      -- Rows that happen to have a text stay data.
      assert.equal('[{"id":1,"text":"a"}]', read({ { text = "a", id = 1 } })[1].text)
      assert.equal('[{"text":"a"},{"id":1}]', read({ { text = "a" }, { id = 1 } })[1].text)
      local _, err = read { { uri = "c:d", text = "a" }, { uri = "e:f", test = "b" } }
      assert.equal(-32603, err.code)
    end)

    it("empty contents stay an array", function()
      local peer = with(nil, function(app)
        app:resource "a:b" (function() return { contents = {} } end)
      end)
      local _, _, line = ask(peer, "resources/read", { uri = "a:b" })
      assert.matches('"contents":[]', line, 1, true)
    end)

    it("what JSON cannot carry is an internal error without a path to the script", function()
      for _, odd in ipairs { print, 0 / 0, { f = print }, { contents = { 5 } },
        { text = "x", uir = "y" } } do
        local _, err = read(odd)
        assert.equal(-32603, err.code)
        assert.equal('Internal error in resource "a:b"', err.message)
      end
    end)
  end)

  describe("what is not there", function()
    it("is -32002 with the URI in sessions, -32602 in the modern era (T-53, T-55)", function()
      for _, revision in ipairs(helper.revisions) do
        local peer = with(revision, function(app)
          app:resource "a:b" (function() end)
          app:resource "t:{x}" (function() return nil end)
        end)
        for _, uri in ipairs { "no:such", "a:b", "t:1" } do
          local _, err = ask(peer, "resources/read", { uri = uri })
          assert.equal(revision == "2026-07-28" and -32602 or -32002, err.code)
          assert.same({ uri = uri }, err.data)
        end
        peer:close()
      end
    end)

    it("a uri that is no string is invalid params", function()
      local peer = with(nil, function(app) app:resource "a:b" (function() return "" end) end)
      for _, odd in ipairs { 5, mcp.null, mcp.array {} } do
        local _, err = ask(peer, "resources/read", { uri = odd })
        assert.equal(-32602, err.code)
      end
      local _, err = ask(peer, "resources/read", {})
      assert.matches("got nothing", err.message, 1, true)
    end)
  end)

  describe("errors", function()
    it("are an internal error without text, path or traceback for the peer (E2)", function()
      local peer = with(nil, function(app)
        app:resource "a:b" (function() error "secret detail" end)
        app:resource "t:{x}" (function() error { secret = 1 } end)
      end)
      for uri, name in pairs { ["a:b"] = 'resource "a:b"', ["t:1"] = 'template "t:{x}"' } do
        local _, err, line = ask(peer, "resources/read", { uri = uri })
        assert.equal(-32603, err.code)
        assert.equal("Internal error in " .. name, err.message)
        assert.is_nil(line:find "secret")
        assert.is_nil(line:find "%.lua")
      end
    end)

    it("mcp.error goes out as it is", function()
      local peer = with(nil, function(app)
        app:resource "a:b" (function() error(mcp.error(-32050, "locked", { by = "me" })) end)
      end)
      local _, err = ask(peer, "resources/read", { uri = "a:b" })
      assert.same({ code = -32050, message = "locked", data = { by = "me" } }, err)
    end)
  end)

  describe("templates", function()
    it("give the handler their variables, decoded once", function()
      local seen
      local peer = with(nil, function(app)
        app:resource "greeting://{name}" (function(vars) seen = vars return "Hi " .. vars.name end)
      end)
      local result = ask(peer, "resources/read", { uri = "greeting://A%20%2541" })
      assert.equal("Hi A %41", result.contents[1].text)
      assert.equal("greeting://A%20%2541", result.contents[1].uri)
      assert.equal("A %41", seen.name)
    end)

    it("come after resources, in order of registration", function()
      local peer = with(nil, function(app)
        app:resource "x:{a}" (function() return "first" end)
        app:resource "x:{b}" (function() return "second" end)
        app:resource "x:exact" (function() return "exact" end)
      end)
      assert.equal("exact", ask(peer, "resources/read", { uri = "x:exact" }).contents[1].text)
      assert.equal("first", ask(peer, "resources/read", { uri = "x:other" }).contents[1].text)
    end)

    it("the handler knows the URI that was asked for", function()
      local peer = with(nil, function(app)
        app:resource "x:{a}" (function(_, ctx) return ctx.uri end)
      end)
      assert.equal("x:1", ask(peer, "resources/read", { uri = "x:1" }).contents[1].text)
    end)
  end)

  describe("lists", function()
    local function build(app)
      app:resource "a:b" { name = "ab", title = "T", description = "D", mime = "text/plain",
        size = 5, annotations = { priority = 1 }, icons = { { src = "https://x/i" } },
        meta = { ["x.org/y"] = 1 } } (function() end)
      app:resource "t:{x}" { title = "TT", mime = "text/plain" } (function() end)
    end

    it("show each revision what it knows (1.7)", function()
      local expected = {
        ["2024-11-05"] = "annotations description mimeType name size uri",
        ["2025-03-26"] = "annotations description mimeType name size uri",
        ["2025-06-18"] = "_meta annotations description mimeType name size title uri",
        ["2025-11-25"] = "_meta annotations description icons mimeType name size title uri",
        ["2026-07-28"] = "_meta annotations description icons mimeType name size title uri",
      }
      for revision, members in pairs(expected) do
        local peer = with(revision, build)
        local one = ask(peer, "resources/list").resources[1]
        local names = {}
        for name in pairs(one) do names[#names + 1] = name end
        table.sort(names)
        assert.equal(members, table.concat(names, " "), revision)
        local template = ask(peer, "resources/templates/list").resourceTemplates[1]
        assert.equal("t:{x}", template.uriTemplate)
        assert.equal(revision >= "2025-06-18" and "TT" or nil, template.title)
        assert.is_nil(template.uri)
        peer:close()
      end
    end)

    it("hold resources and templates apart, empty as []", function()
      local peer = with(nil, function(app) app:resource "t:{x}" (function() end) end)
      local _, _, line = ask(peer, "resources/list")
      assert.matches('"resources":[]', line, 1, true)
      peer:close()
      peer = with(nil, function(app) app:resource "a:b" (function() end) end)
      _, _, line = ask(peer, "resources/templates/list")
      assert.matches('"resourceTemplates":[]', line, 1, true)
    end)

    it("a template's list is asked every time", function()
      local there = { "t:1" }
      local peer = with(nil, function(app)
        app:resource "t:{x}" { mime = "text/plain", list = function() return there end }
          (function() end)
      end)
      local list = ask(peer, "resources/list").resources
      assert.same({ uri = "t:1", name = "t:1", mimeType = "text/plain" }, list[1])
      there = { "t:1", { uri = "t:2", name = "two", size = 3, mime = "text/css", title = "hm" } }
      list = ask(peer, "resources/list").resources
      assert.same({ uri = "t:2", name = "two", mimeType = "text/css", size = 3, title = "hm" },
        list[2])
      there = nil
      assert.same({}, helper.plain(ask(peer, "resources/list").resources))
    end)

    it("a list with a wrong entry, or that fails, is an internal error", function()
      for _, lister in ipairs { function() return { {} } end, function() error "secret" end,
        function() return { { uri = "t:1", nmae = "x" } } end } do
        local peer = with(nil, function(app)
          app:resource "t:{x}" { list = lister } (function() end)
        end)
        local _, err, line = ask(peer, "resources/list")
        assert.equal(-32603, err.code)
        assert.is_nil(line:find "secret")
        assert.is_nil(line:find "%.lua")
        peer:close()
      end
    end)

    it("a template that is removed takes its list with it", function()
      local peer, app = with(nil, function(app)
        app:resource "t:{x}" { list = function() return { "t:1" } end } (function() end)
        app:resource "a:b" (function() end)
      end)
      assert.equal(2, #ask(peer, "resources/list").resources)
      assert.is_true(app:remove("resource", "t:{x}"))
      assert.equal(1, #ask(peer, "resources/list").resources)
      assert.is_false(app:remove("resource", "t:{x}"))
    end)

    it("and reading carry caching hints in the modern era (4.8)", function()
      local peer = with("2026-07-28", function(app)
        app:resource "a:b" (function() return "x" end)
        app:resource "t:{x}" (function() end)
      end)
      for _, result in ipairs { ask(peer, "resources/list"), ask(peer, "resources/templates/list"),
        (ask(peer, "resources/read", { uri = "a:b" })) } do
        assert.equal(0, result.ttlMs)
        assert.equal("private", result.cacheScope)
        assert.equal("complete", result.resultType)
      end
    end)

    it("an empty list of what templates list stays [] in the modern era", function()
      local peer = with("2026-07-28", function(app)
        app:resource "t:{x}" { list = function() return {} end } (function() end)
      end)
      local _, _, line = ask(peer, "resources/list")
      assert.matches('"resources":[]', line, 1, true)
    end)
  end)

  describe("declarations that are wrong", function()
    local function declaring(uri, options)
      local app = mcp.server "spec"
      local ok, err = pcall(function() app:resource(uri) (options or {}) (function() end) end)
      assert.is_false(ok)
      return err
    end

    it("are errors at the line of the declaration", function()
      assert.matches("resource_spec%.lua:%d+: .*no absolute URI", declaring "notes")
      assert.matches("resource_spec%.lua:%d+: ", declaring "t:{x")
      assert.matches("only a template lists", declaring("a:b", { list = function() end }), 1, true)
      assert.matches('unknown option "mine", did you mean "mime"?',
        declaring("a:b", { mine = "x" }), 1, true)
    end)

    it("the same URI twice", function()
      local app = mcp.server "spec"
      app:resource "a:b" (function() end)
      app:resource "t:{x}" (function() end)
      for _, uri in ipairs { "a:b", "t:{x}" } do
        local ok, err = pcall(function() app:resource(uri) (function() end) end)
        assert.is_false(ok)
        assert.matches("registered already", err, 1, true)
      end
    end)
  end)
end)
