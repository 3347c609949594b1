-- SPDX-License-Identifier: MIT
-- skill_spec.lua: app:skills: what clients get, in both eras, and what follows when files change.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local shared = require "mcp.message.skill"
local testing = require "mcp.testing"

local function head(name, more)
  return ("---\nname: %s\ndescription: About %s\n%s---\n"):format(name, name, more or "")
end

describe("app:skills", function()
  local top, folder
  before_each(function()
    top = os.tmpname()
    os.remove(top)
    folder = assert(mcp.folder(top, { create = true }))
  end)
  after_each(function()
    folder:close()
    helper.shell("rm -rf " .. helper.quote(top))
    helper.leftovers()
  end)

  local function put(path, text)
    folder:make_folder(path:match "^(.*)/" or "", { parents = true })
    assert(folder:write(path, text or "x"))
  end

  -- Two skills, one with folders.
  local function fill()
    put("git/SKILL.md", head("git", "license: MIT\n"))
    put("git/docs/a.md", "# A")
    put("git/docs/more/b.txt", "b")
    put("git/logo.png", "\x89PNG")
    put("acme/refunds/SKILL.md", head "refunds")
  end

  local function serve(options, with)
    local app = mcp.server(with or "spec")
    app:skills(top, options)
    return app
  end

  local function raised(fn, ...)
    local ok, text = pcall(fn, ...)
    assert.is_false(ok)
    return text
  end

  local function connect(app, options) return assert(mcp.connect(app, options)) end

  local function uris(list)
    local out = {}
    for i, each in ipairs(list) do out[i] = each.uri end
    return out
  end

  it("returns the URIs of the skills, and offers them in every revision", function()
    fill()
    local app = mcp.server "spec"
    assert.same({ "skill://acme/refunds/SKILL.md", "skill://git/SKILL.md" }, app:skills(top))
    for _, revision in ipairs(helper.revisions) do
      local client <close> = connect(app, { revision = revision })
      assert.same({ [shared.ID] = { directoryRead = true } }, client.capabilities.extensions)
      assert.is_table(client.capabilities.resources)
      local result = assert(client:request("skills/list", {}))
      assert.same({ "skill://acme/refunds/SKILL.md", "skill://git/SKILL.md" }, uris(result.skills))
      local modern = revision == "2026-07-28"
      assert.equal(modern and 0 or nil, result.ttlMs)
      assert.equal(modern and "private" or nil, result.cacheScope)
      assert.equal(modern and "complete" or nil, result.resultType)
      local skill = result.skills[2]
      assert.same({ name = "git", description = "About git", license = "MIT" }, skill.frontmatter)
      assert.same({
        { uri = "skill://git/SKILL.md", digest = shared.digest(head("git", "license: MIT\n")),
          size = #head("git", "license: MIT\n") },
        { uri = "skill://git/docs/a.md", digest = shared.digest "# A", size = 3 },
        { uri = "skill://git/docs/more/b.txt", digest = shared.digest "b", size = 1 },
        { uri = "skill://git/logo.png", digest = shared.digest "\x89PNG", size = 4 },
      }, helper.plain(skill.resources))
      local one = assert(client:request("skills/get", { uri = "skill://git/SKILL.md" }))
      assert.same(helper.plain(skill), helper.plain(one.skill))
      assert.is_nil(one.nextCursor)
      assert.equal(modern and 0 or nil, one.ttlMs)
    end
  end)

  it("lists each SKILL.md as a resource, and reads every file", function()
    fill()
    local client <close> = connect(serve())
    local list = assert(client:list_resources())
    assert.same({ "skill://acme/refunds/SKILL.md", "skill://git/SKILL.md" }, uris(list))
    assert.same({ uri = "skill://git/SKILL.md", name = "git", description = "About git",
      mimeType = "text/markdown", size = #head("git", "license: MIT\n") }, helper.plain(list[2]))
    local function read(uri) return assert(client:read_resource(uri)).contents[1] end
    assert.same({ uri = "skill://git/SKILL.md", mimeType = "text/markdown",
      text = head("git", "license: MIT\n") }, helper.plain(read "skill://git/SKILL.md"))
    assert.equal("# A", read("skill://git/docs/a.md").text)
    assert.same({ uri = "skill://git/logo.png", mimeType = "image/png",
      blob = core.base64 "\x89PNG" }, helper.plain(read "skill://git/logo.png"))
    assert.equal("b", read("skill://git/docs/%6dore/b.txt").text)
    for _, uri in ipairs { "skill://git/docs", "skill://git/none", "skill://git/../x",
      "skill://git/docs/../../../etc/passwd", "skill://none/SKILL.md" } do
      assert.equal(-32602, select(3, client:read_resource(uri)))
    end
  end)

  it("sends text that is not UTF-8 as the bytes of its digest", function()
    put("a/SKILL.md", head "a")
    put("a/latin.txt", "caf\xe9")
    local client <close> = connect(serve())
    local got = assert(client:read_resource "skill://a/latin.txt").contents[1]
    assert.same({ "text/plain", core.base64 "caf\xe9" }, { got.mimeType, got.blob })
  end)

  it("lists the folders, without the files that are of no skill", function()
    fill()
    put("acme/notes.txt")
    local client <close> = connect(serve())
    local function list(uri)
      local out = {}
      for i, each in ipairs(assert(client:request("resources/directory/read", { uri = uri }))
        .resources) do
        out[i] = ("%s %s %s"):format(each.uri, each.name, each.mimeType)
      end
      return out
    end
    assert.same({ "skill://git/docs docs inode/directory", "skill://git/SKILL.md git text/markdown",
      "skill://git/logo.png logo.png image/png" }, list "skill://git")
    assert.same({ "skill://git/docs/more more inode/directory",
      "skill://git/docs/a.md a.md text/markdown" }, list "skill://git/docs")
    assert.same({ "skill://acme/refunds refunds inode/directory" }, list "skill://acme")
    for uri, text in pairs { ["skill://git/SKILL.md"] = "skill://git/SKILL.md is not a directory",
      ["skill://git/none"] = "There is no directory skill://git/none",
      ["skill://acme/notes.txt"] = "There is no directory",
      ["file:///etc"] = "There is no directory", [("x"):rep(10000)] = "uri: too long" } do
      local result, message, code = client:request("resources/directory/read", { uri = uri })
      assert.is_nil(result)
      assert.equal(-32602, code)
      assert.matches(text, message, 1, true)
    end
  end)

  it("refuses URIs that are none (-32602)", function()
    fill()
    local client <close> = connect(serve())
    for _, method in ipairs { "skills/get", "resources/directory/read" } do
      for _, params in ipairs { {}, { uri = 5 }, { uri = mcp.null } } do
        local _, text, code = client:request(method, params)
        assert.equal(-32602, code)
        assert.matches("uri: expected a string", text)
      end
    end
    local _, text, code = client:request("skills/get", { uri = "skill://none/SKILL.md" })
    assert.same({ "No skill is served at skill://none/SKILL.md", -32602 }, { text, code })
    assert.equal(-32602, select(3, client:request("skills/get", { uri = "skill://git" })))
  end)

  it("comes in pages that hold whole entries", function()
    for i = 1, 5 do put(("s%d/SKILL.md"):format(i), head("s" .. i)) end
    put("s1/a/1")
    put("s1/a/2")
    put("s1/a/3")
    local client <close> = connect(serve(nil, { name = "spec", page_size = 2 }))
    local first = assert(client:request("skills/list", {}))
    assert.equal(2, #first.skills)
    assert.equal(4, #first.skills[1].resources)
    assert.equal(5, #assert(client:list_skills()))
    assert.equal(3, #assert(client:list_directory "skill://s1/a"))
    local _, _, code = client:request("skills/list", { cursor = "x" })
    assert.equal(-32602, code)
    -- The cursor of one list is none of another.
    local _, _, other = client:request("resources/list", { cursor = first.nextCursor })
    assert.equal(-32602, other)
  end)

  it("may have a prefix, and several folders", function()
    fill()
    put("more/a/SKILL.md", head "a")
    local app = mcp.server "spec"
    assert.same({ "skill://team/x/a/SKILL.md" }, app:skills(top .. "/more", { prefix = "team/x" }))
    app:skills(top .. "/git", { prefix = "team" })
    local client <close> = connect(app)
    assert.same({ "skill://team/x/a/SKILL.md", "skill://team/git/SKILL.md" },
      uris(assert(client:list_skills())))
    assert.same({ "skill://team/x/a", "skill://team/git" },
      { assert(client:list_directory "skill://team/x")[1].uri,
        client:get_skill("skill://team/git/SKILL.md").uri:match "^(.*)/" })
    local text = raised(function() app:skills(top .. "/git", { prefix = "team" }) end)
    assert.matches('resource "skill://team/git/SKILL.md" is registered already, at '
      .. ".*skill_spec.lua:%d+$", text)
    assert.equal(2, #assert(client:list_skills { fresh = true }))
  end)

  it("is found beside the script first", function()
    fill()
    local script = assert(load("local app, path = ... local uris = app:skills(path) return uris",
      "@" .. top .. "/server.lua"))
    assert.equal(1, #script(mcp.server "spec", "git"))
  end)

  it("shows whom it may concern", function()
    fill()
    local app = serve { visible = function(ctx) return ctx.client.name == "friend" end }
    local friend <close> = connect(app, { client = { name = "friend", version = "1" } })
    local other <close> = connect(app, { client = { name = "other", version = "1" } })
    assert.equal(2, #assert(friend:list_skills()))
    assert.same({}, helper.plain(assert(other:list_skills())))
    assert.same({}, helper.plain(assert(other:list_resources())))
    for _, uri in ipairs { "skill://git/SKILL.md", "skill://git/docs/a.md" } do
      assert.is_table(friend:read_resource(uri))
      assert.equal(-32602, select(3, other:read_resource(uri)))
    end
    assert.equal(-32602, select(3, other:get_skill "skill://git/SKILL.md"))
    assert.equal(-32602, select(3, other:list_directory "skill://git"))
    assert.is_table(friend:list_directory "skill://git")
    assert.equal("private", assert(friend:request("skills/list", {})).cacheScope)
  end)

  it("asks for scopes where files are read, and where one is asked for", function()
    fill()
    local app = mcp.server "spec"
    app.auth = { of = {}, scopes = {}, insufficient = function() return { status = 403,
      message = "lacks" } end }
    app:skills(top, { scopes = { "skills:read" } })
    local x = { transport = function() return "http" end }
    local function refused(method, uri, ...)
      app.auth.of[x] = require("mcp.auth.server.principal").new { subject = "ada",
        scopes = { ... } }
      local err
      local ctx = { method = method, app = app, row = require "mcp.protocol.methods"[method] }
      helper.logged(function()
        err = require("mcp.server.feature.scope").admit(app, ctx, x, method, { uri = uri })
      end)
      return err ~= nil
    end
    for _, method in ipairs { "resources/read", "skills/get" } do
      assert.is_true(refused(method, "skill://git/SKILL.md"))
      assert.is_false(refused(method, "skill://git/SKILL.md", "skills:read"))
    end
    assert.is_true(refused("resources/read", "skill://git/docs/a.md"))
    assert.is_false(refused("resources/read", "skill://git/none"))
    assert.is_false(refused("skills/list"))
  end)

  it("has the caching hints of the server, and its own for the files", function()
    fill()
    local client <close> = connect(serve({ cache = { ttl = 5, scope = "public" } },
      { name = "spec", cache = { ttl = 60, scope = "public" } }))
    local list = assert(client:request("skills/list", {}))
    assert.same({ 60000, "public" }, { list.ttlMs, list.cacheScope })
    local file = assert(client:read_resource "skill://git/docs/a.md")
    assert.same({ 5000, "public" }, { file.ttlMs, file.cacheScope })
  end)

  it("names what is wrong, at the line of the caller", function()
    local app = mcp.server "spec"
    fill()
    local ROWS = {
      { { nil }, "app:skills: expected the path of a folder, got nil" },
      { { "" }, "got an empty one" },
      { { top .. "/none" }, 'skills in ".*/none": ' },
      { { top .. "/git/docs" }, "no folder in it has a SKILL.md: expected FOLDER/NAME/SKILL.md" },
      { { top, { prefx = "x" } }, 'unknown option "prefx", did you mean "prefix"' },
      { { top, { prefix = "/x" } }, 'prefix: expected a path such as "acme/billing", got "/x"' },
      { { top, { prefix = "x/" } }, "prefix: expected" },
      { { top, { prefix = "a//b" } }, "prefix: expected" },
      { { top, { prefix = "../x" } }, "prefix: expected" },
      { { top, { prefix = "a/../x" } }, "prefix: expected" },
      { { top, { cache = { ttl = -1 } } }, "cache: ttl" },
      { { top, { timeout = -1 } }, "timeout: expected seconds" },
      { { top, { scopes = { "x" } } }, "scopes: this server has no authorization" },
    }
    for _, row in ipairs(ROWS) do
      local text = raised(function() app:skills(row[1][1], row[1][2]) end)
      assert.matches("^[^:]*skill_spec.lua:%d+: ", text)
      assert.matches((row[2]:gsub("[%[%]()?]", "%%%0")), text)
    end
    put("git/SKILL.md", "# no head")
    put("acme/refunds/SKILL.md", head "other")
    local text = raised(function() app:skills(top) end)
    assert.matches('acme/refunds/SKILL.md: name: expected "refunds"', text, 1, true)
    assert.matches("git/SKILL.md: expected a first line of ---", text, 1, true)
    assert.matches("colon", raised(function() app.skills(top) end))
    assert.is_false(app.skill_set)
    assert.is_false(app.extensions)
    assert.is_false(app:has "resources")
  end)

  describe("when files change", function()
    local clock
    before_each(function() clock = testing.clock() end)

    it("shows the new state, not more often than once a second", function()
      fill()
      local app = serve()
      local client <close> = connect(app)
      local function digest()
        local entry = assert(client:get_skill "skill://git/SKILL.md")
        return entry.resources[2].digest
      end
      put("git/docs/a.md", "# Another")
      assert.equal(shared.digest "# A", digest())
      clock:advance(1)
      assert.equal(shared.digest "# Another", digest())
      put("new/SKILL.md", head "new")
      folder:remove "acme/refunds/SKILL.md"
      clock:advance(1)
      assert.same({ "skill://git/SKILL.md", "skill://new/SKILL.md" },
        uris(assert(client:list_skills())))
      assert.same({ "skill://git/SKILL.md", "skill://new/SKILL.md" },
        uris(assert(client:list_resources())))
      assert.equal(-32602, select(3, client:read_resource "skill://acme/refunds/SKILL.md"))
    end)

    it("is not misled by a look that ends early", function()
      fill()
      local app = serve()
      local client <close> = connect(app)
      local disk = app.skill_set.sources[1].disk
      put("git/docs/a.md", "# Another")
      local function digest()
        return assert(client:get_skill "skill://git/SKILL.md").resources[2].digest
      end
      clock:advance(1)
      disk.scan = function() return nil, "cancelled", "ECANCELED" end
      assert.equal("", helper.logged(function() assert.equal(shared.digest "# A", digest()) end))
      disk.bytes = function() return nil, "cancelled", "ECANCELED" end
      assert.equal("", helper.logged(function()
        assert.is_nil((client:read_resource "skill://git/SKILL.md"))
      end))
      disk.bytes = nil
      disk.scan = function() error "broken" end
      helper.logged(function() assert.equal(-32603, select(3, client:list_skills())) end)
      disk.scan = nil
      assert.equal(shared.digest "# Another", digest())
    end)

    it("lets a client go on with its pages while they do not", function()
      for i = 1, 4 do put(("s%d/SKILL.md"):format(i), head("s" .. i)) end
      local client <close> = connect(serve(nil, { name = "spec", page_size = 2 }))
      local first = assert(client:request("skills/list", {}))
      clock:advance(5)
      local second = assert(client:request("skills/list", { cursor = first.nextCursor }))
      assert.same({ "skill://s3/SKILL.md", "skill://s4/SKILL.md" }, uris(second.skills))
      folder:make_folder "s1/empty"
      clock:advance(5)
      assert.equal(-32602, select(3, client:request("skills/list", { cursor = first.nextCursor })))
      assert.equal("skill://s1/empty", assert(client:list_directory "skill://s1")[1].uri)
    end)

    it("tells those who have subscribed", function()
      fill()
      local app = serve()
      local seen, changes = {}, 0
      local client <close> = connect(app, { on_change = function(what)
        if what == "resources" then changes = changes + 1 end
      end })
      assert(client:subscribe("skill://git/docs/a.md", function(uri) seen[#seen + 1] = uri end))
      put("git/docs/a.md", "# Another")
      put("git/SKILL.md", head("git", "license: ISC\n"))
      put("new/SKILL.md", head "new")
      clock:advance(1)
      assert(client:list_skills())
      helper.wait_until(function() return seen[1] and changes > 0 end, "the changes")
      assert.same({ "skill://git/docs/a.md" }, seen)
    end)

    it("leaves out what is wrong now, and says so once", function()
      fill()
      local client <close> = connect(serve())
      local log = helper.logged(function()
        put("git/SKILL.md", "---\nname: [\n---\n")
        for _ = 1, 3 do
          clock:advance(1)
          assert.same({ "skill://acme/refunds/SKILL.md" }, uris(assert(client:list_skills())))
        end
      end)
      assert.equal(1, select(2, log:gsub("git/SKILL.md: the head: line 2", "")))
      put("git/SKILL.md", head "git")
      clock:advance(1)
      assert.equal(2, #assert(client:list_skills()))
      -- All of them gone: the server has skills and resources, but none now.
      helper.shell(("rm -rf %s/*"):format(top))
      clock:advance(1)
      assert.same({}, helper.plain(assert(client:list_skills())))
      assert.same({}, helper.plain(assert(client:list_resources())))
      put("git/SKILL.md", head "git")
      clock:advance(1)
      assert.equal(1, #assert(client:list_skills()))
    end)
  end)

  it("is not loaded by servers without skills", function()
    local out = {}
    local pipe = assert(io.popen(("%s -e '%s'"):format(os.getenv "LUA" or "lua5.4",
      ([[package.path = %q package.cpath = %q
      local app = require "mcp".server "x"
      app:resource "a:b" (function() end)
      for name in pairs(package.loaded) do if name:find "skill" then print(name) end end]])
        :format(package.path, package.cpath))))
    for line in pipe:lines() do out[#out + 1] = line end
    pipe:close()
    assert.same({}, out)
  end)
end)
