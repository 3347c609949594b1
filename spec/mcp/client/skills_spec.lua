-- SPDX-License-Identifier: MIT
-- skills_spec.lua: lua/mcp/client/skills.lua: what is fetched, and what is not taken.
local core = require "mcp.core"
local helper = require "spec.helper"
local scripted = require "spec.scripted"
local shared = require "mcp.message.skill"
local value = require "mcp.value"

local MAIN = "---\nname: refunds\ndescription: Handles refunds\n---\nRead a.\n"
local BASE = "skill://acme/refunds/"
local URI = BASE .. "SKILL.md"

describe("a client's skills", function()
  after_each(scripted.leftovers)

  local files, entry, reads, asked, hints, settings

  local function file(path, bytes)
    return { uri = BASE .. path, digest = shared.digest(bytes), size = #bytes }
  end

  before_each(function()
    files = { ["SKILL.md"] = MAIN, ["a/b.txt"] = "text", ["c%20d.bin"] = "\0\xff" }
    entry = { uri = URI, frontmatter = { name = "refunds", description = "Handles refunds" },
      resources = value.array { file("SKILL.md", MAIN), file("a/b.txt", "text"),
        file("c%20d.bin", "\0\xff") } }
    reads, asked, hints, settings = {}, {}, {}, { directoryRead = true }
  end)

  local function with(result)
    for name, member in pairs(hints) do result[name] = member end
    return result
  end

  local function script(far, message)
    local params = message.params or {}
    asked[#asked + 1] = message.method
    if message.method == "skills/list" then
      far:result(message.id, with { skills = value.array { entry } })
    elseif message.method == "skills/get" then
      if params.uri ~= entry.uri then return far:error(message.id, -32602, "no such skill") end
      far:result(message.id, with { skill = entry })
    elseif message.method == "resources/directory/read" then
      local second = params.cursor == "2"
      far:result(message.id, { nextCursor = not second and "2" or nil,
        resources = value.array { { uri = params.uri .. (second and "/y" or "/x"), name = "x" } } })
    elseif message.method == "resources/read" then
      reads[#reads + 1] = params.uri
      local bytes = files[params.uri:sub(#BASE + 1)]
      if not bytes then return far:error(message.id, -32602, "Resource not found") end
      local made = type(bytes) == "table" and bytes or { value.array { utf8.len(bytes)
        and not bytes:find "\0"
        and { uri = params.uri, mimeType = "text/plain", text = bytes }
        or { uri = params.uri, blob = core.base64(bytes) } } }
      far:result(message.id, with { contents = made[1] })
    end
  end

  local function connect(era, options)
    return (scripted.connect(scripted[era or "modern"](script, era == "legacy" and "2025-11-25"
      or { capabilities = { resources = {}, extensions = { [shared.ID] = settings } } },
      { capabilities = { resources = {}, extensions = { [shared.ID] = settings } } }), options))
  end

  for _, era in ipairs { "modern", "legacy" } do
    it("are listed without a file being fetched, and loaded when they are asked for, " .. era,
      function()
        local client = connect(era)
        local list = assert(client:list_skills())
        assert.equal(URI, list[1].uri)
        for each in client:skills() do assert.equal(URI, each.uri) end
        assert.equal(URI, assert(client:get_skill(URI)).uri)
        assert.same({}, reads)
        local skill = assert(client:read_skill(list[1]))
        assert.same({ URI }, reads)
        assert.same({ URI, "refunds", "Handles refunds", MAIN },
          { skill.uri, skill.name, skill.description, skill.text })
        assert.equal("mcp.skill (" .. URI .. ")", tostring(skill))
        assert.equal(shared.fingerprint(entry), skill.fingerprint)
        assert.same({ URI, BASE .. "a/b.txt", BASE .. "c%20d.bin" }, skill:files())
        local bytes, mime = skill:read "a/b.txt"
        assert.same({ "text", "text/plain" }, { bytes, mime })
        for _, name in ipairs { "./a/b.txt", "a/../a/b.txt", BASE .. "a/b.txt" } do
          assert.equal("text", (skill:read(name)))
        end
        assert.equal("\0\xff", (skill:read "c d.bin"))
        assert.equal("\0\xff", (skill:read "c%20d.bin"))
        assert.equal(MAIN, assert(client:read_skill(URI)).text)
      end)
  end

  it("gives one result where it succeeds", function()
    local client = connect()
    assert.equal(1, select("#", client:read_skill(URI)))
    assert.equal(1, select("#", client:get_skill(URI)))
    assert.equal(1, select("#", client:list_skills()))
  end)

  it("are asked for only where the server declares them", function()
    for _, era in ipairs { "modern", "legacy" } do
      settings = nil
      local client = connect(era)
      for _, call in ipairs { "list_skills", "get_skill", "read_skill", "list_directory" } do
        local result, text, code = client[call](client, call ~= "list_skills" and URI or nil)
        assert.is_nil(result)
        assert.equal("ENOTSUP", code)
        assert.equal("the server has no skills: it does not declare io.modelcontextprotocol/skills",
          text)
      end
      assert.has_error(function() client:skills() end)
      assert.same({}, asked)
    end
  end)

  it("are not loaded from other bytes, and nothing else of them is read", function()
    local client = connect()
    local ROWS = {
      { MAIN:gsub("Read a", "Take a"), "has another digest than its entry says" },
      { MAIN .. "more", ("has %d bytes, and its entry says %d"):format(#MAIN + 4, #MAIN) },
      { "", "has 0 bytes, and its entry says" },
    }
    for _, row in ipairs(ROWS) do
      files["SKILL.md"] = row[1]
      local skill, text, code = client:read_skill(entry)
      assert.is_nil(skill)
      assert.equal("EINTEGRITY", code)
      assert.matches(row[#row], text, 1, true)
    end
    files["SKILL.md"] = MAIN
    local skill = assert(client:read_skill(entry))
    files["a/b.txt"] = "test"
    local bytes, text, code = skill:read "a/b.txt"
    assert.is_nil(bytes)
    assert.equal("EINTEGRITY", code)
    assert.matches("a/b.txt has another digest", text, 1, true)
  end)

  it("are not loaded if the head differs from the entry's", function()
    local client = connect()
    local function loaded(head)
      files["SKILL.md"] = "---\n" .. head .. "\n---\n"
      entry.resources[1] = file("SKILL.md", files["SKILL.md"])
      local skill, text, code = client:read_skill(entry)
      if skill then return true end
      assert.equal("EINTEGRITY", code)
      return text:match "its head is not that of its entry: (%S+) differs" or text
    end
    assert.is_true(loaded "description: Handles refunds\nname: refunds")
    assert.equal("description", loaded "description: Steals\nname: refunds")
    assert.equal("allowed-tools",
      loaded "description: Handles refunds\nname: refunds\nallowed-tools: Bash")
    assert.matches("expected a first line of ---", (function()
      files["SKILL.md"] = "no head"
      entry.resources[1] = file("SKILL.md", "no head")
      return select(2, client:read_skill(entry))
    end)())
    entry.frontmatter.metadata = { n = 1, l = value.array {} }
    assert.equal("metadata", loaded "description: Handles refunds\nname: refunds")
    assert.is_true(loaded "description: Handles refunds\nname: refunds\nmetadata: {n: 1.0, l: []}")
    assert.equal("metadata.l",
      loaded "description: Handles refunds\nname: refunds\nmetadata: {n: 1, l: {}}")
  end)

  it("reads no file that the entry does not list", function()
    local skill = assert(connect():read_skill(entry))
    files["new.txt"] = "new"
    reads = {}
    for _, name in ipairs { "new.txt", "../other/SKILL.md", "a", "a/", "/etc/passwd",
      "skill://other/SKILL.md", "file:///etc/passwd", "a/b.txt/../../../refunds2/x" } do
      local bytes, text, code = skill:read(name)
      assert.is_nil(bytes)
      assert.equal("EINTEGRITY", code)
      assert.matches("its entry does not list it", text, 1, true)
    end
    assert.same({}, reads)
  end)

  it("are bound to what was approved", function()
    local client = connect()
    local approved = shared.fingerprint(entry)
    assert.is_table(client:read_skill(entry, { approved = approved }))
    local seen = {}
    local function approve(given, fingerprint)
      seen[#seen + 1] = { given.uri, fingerprint }
      return #seen > 1
    end
    assert.is_table(client:read_skill(entry, { approved = approved, approve = approve }))
    assert.same({}, seen)
    entry.resources[2] = file("a/b.txt", "other")
    reads = {}
    local skill, text, code = client:read_skill(entry, { approved = approved })
    assert.same({ nil, "ECHANGED" }, { skill, code })
    assert.matches("has other content than what was approved", text, 1, true)
    skill, text, code = client:read_skill(entry, { approved = approved, approve = approve })
    assert.same({ nil, "EREFUSED" }, { skill, code })
    assert.matches("was not approved", text, 1, true)
    -- Nothing was fetched for the question.
    assert.same({}, reads)
    assert.is_table(client:read_skill(entry, { approved = approved, approve = approve }))
    assert.same({ { URI, shared.fingerprint(entry) }, { URI, shared.fingerprint(entry) } }, seen)
  end)

  it("without digests are loaded only if that is wanted", function()
    local client = connect()
    entry.resources = "dynamic"
    local skill, text, code = client:read_skill(entry, { approved = "sha256:x" })
    assert.same({ nil, "EINTEGRITY" }, { skill, code })
    assert.matches("has no digests", text, 1, true)
    assert.same({}, reads)
    local asked_for
    skill = assert(client:read_skill(entry, { dynamic = true, approved = "sha256:x",
      approve = function(_, fingerprint)
        asked_for = { fingerprint }
        return true
      end }))
    assert.same({}, asked_for)
    assert.is_nil(skill.fingerprint)
    assert.is_nil(skill:files())
    assert.equal("text", (skill:read "a/b.txt"))
    for _, name in ipairs { "../x", "skill://acme/refunds2/x", "a/%2e%2e/%2e%2e/x" } do
      assert.equal("EINTEGRITY", select(3, skill:read(name)))
    end
    files["SKILL.md"] = MAIN:gsub("Handles", "Steals")
    assert.equal("EINTEGRITY", select(3, client:read_skill(entry, { dynamic = true })))
    -- The limit of bytes counts what was fetched.
    skill.taken = shared.SIZE - 3
    skill, text, code = skill:read "a/b.txt"
    assert.same({ nil, "ETOOBIG" }, { skill, code })
    assert.matches("have more than 16777216 bytes", text)
  end)

  it("above the limits are listed, and refused with the reason", function()
    for i = 4, 513 do entry.resources[i] = file(tostring(i), "x") end
    local client = connect()
    assert.equal(1, #assert(client:list_skills()))
    for _, which in ipairs { entry, URI } do
      local skill, text, code = client:read_skill(which)
      assert.same({ nil, "ETOOBIG" }, { skill, code })
      assert.matches("it has 513 files: expected at most 512", text)
    end
    assert.same({}, reads)
  end)

  it("that are not valid are left out, and never loaded", function()
    local client = connect()
    entry.resources = nil
    local log = helper.logged(function() assert.same({}, helper.plain(client:list_skills())) end)
    assert.matches("ignoring a skill: .*resources: expected a list", log)
    assert.equal("EPROTO", select(3, client:read_skill(entry)))
    assert.equal("ERPC", select(3, client:get_skill(URI)))
    local other = { uri = "skill://x/SKILL.md", frontmatter = { name = "x", description = "x" },
      resources = "dynamic" }
    entry, other.uri = other, "skill://x/SKILL.md"
    assert.equal(-32602, select(3, client:get_skill(URI)))
  end)

  it("are refused where the server answers with another one", function()
    local client = connect()
    local liar = scripted.connect(scripted.modern(function(far, message)
      far:result(message.id, { skill = entry })
    end, { capabilities = { extensions = { [shared.ID] = {} } } }))
    local skill, text, code = liar:get_skill "skill://other/SKILL.md"
    assert.same({ nil, "ERPC" }, { skill, code })
    assert.matches('expected the skill "skill://other/SKILL.md", got "' .. URI, text, 1, true)
    assert.is_table(client:get_skill(URI))
  end)

  it("are fetched again where a cache holds what was", function()
    hints = { ttlMs = 60000, cacheScope = "public" }
    local client = connect()
    assert.is_table(client:read_skill(URI))
    assert.same({ URI }, reads)
    assert.is_table(client:read_skill(URI))
    assert.same({ URI }, reads) -- as it was
    files["SKILL.md"] = MAIN .. "\nMore.\n"
    entry.resources[1] = file("SKILL.md", files["SKILL.md"])
    -- The entry is new, and the file in the cache old.
    assert.equal(files["SKILL.md"], assert(client:read_skill(entry)).text)
    -- The entry in the cache is old, and the file is new.
    assert.equal(files["SKILL.md"], assert(client:read_skill(URI)).text)
    local before = #asked
    assert.is_table(client:read_skill(URI))
    assert.equal(before, #asked)
  end)

  it("are refused where an answer is none", function()
    local client = connect()
    for _, contents in ipairs { value.array {}, value.null, value.array { 5 },
      value.array { { uri = URI } }, value.array { { uri = URI, blob = "?" } },
      value.array { { uri = URI, text = "a" }, { uri = URI, text = "b" } } } do
      files["SKILL.md"] = { contents }
      assert.equal("ERPC", select(3, client:read_skill(entry)))
    end
    files["SKILL.md"] = nil
    assert.equal(-32602, select(3, client:read_skill(entry)))
  end)

  it("has folders to look into, if the server reads them", function()
    local list = assert(connect():list_directory "skill://acme")
    assert.same({ "skill://acme/x", "skill://acme/y" }, { list[1].uri, list[2].uri })
    settings = {}
    local client = connect()
    asked = {}
    assert.equal("ENOTSUP", select(3, client:list_directory "skill://acme"))
    assert.same({}, asked)
  end)

  it("names mistakes at the line of the caller", function()
    local client = connect()
    local skill = assert(client:read_skill(URI))
    for text, fn in pairs {
      ["client:read_skill: skill: expected a string, got nil"] = function() client:read_skill() end,
      ["client:get_skill: uri: expected a string"] = function() client:get_skill "" end,
      ['unknown option "aproved", did you mean "approved"'] = function()
        client:read_skill(URI, { aproved = "x" })
      end,
      ["skill:read: file: expected a string"] = function() skill:read() end,
      ["skill:read is called with a colon"] = function() skill.read "x" end,
      ["skill:files is called with a colon"] = function() skill.files() end,
      ['unknown option "fresch"'] = function() skill:read("a/b.txt", { fresch = true }) end,
    } do
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
      assert.matches("skills_spec.lua:%d+: ", message)
    end
  end)
end)
