-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local mcp = require "mcp"
local skill = require "mcp.message.skill"
local skill_folder = require "mcp.server.feature.skill_folder"

local function head(name, more)
  return ("---\nname: %s\ndescription: About %s\n%s---\n"):format(name, name, more or "")
end

describe("the skills of a folder", function()
  local top, folder
  before_each(function()
    top = os.tmpname()
    os.remove(top)
    folder = assert(mcp.folder(top, { create = true, limit = 32 << 20 }))
  end)
  after_each(function()
    folder:close()
    helper.shell("rm -rf " .. helper.quote(top))
  end)

  local function put(path, text)
    folder:make_folder(path:match "^(.*)/" or "", { parents = true })
    assert(folder:write(path, text or "x"))
  end

  local function scan(prefix, path)
    local source = assert(skill_folder.open(path or top, prefix))
    return source:scan()
  end

  local function uris(found)
    local list = {}
    for i, each in ipairs(found.skills) do list[i] = each.uri end
    return list
  end

  it("are the folders that have a SKILL.md, however deep, and those in skills", function()
    put("b/SKILL.md", head "b")
    put("acme/billing/refunds/SKILL.md", head "refunds")
    put("b/inner/SKILL.md", head "inner")
    put("b/inner/x.md")
    put("none/README.md")
    put("readme.txt")
    local found = scan()
    assert.same({ "skill://acme/billing/refunds/SKILL.md", "skill://b/SKILL.md",
      "skill://b/inner/SKILL.md" }, uris(found))
    assert.same({}, found.problems)
    local files = {}
    for i, file in ipairs(found.skills[2].files) do files[i] = file.uri end
    assert.same({ "skill://b/SKILL.md", "skill://b/inner/SKILL.md", "skill://b/inner/x.md" }, files)
    assert.same({ "skill://acme/b/SKILL.md" }, { uris(scan "acme")[2] })
  end)

  it("has one of the folder's own name if the folder is a skill", function()
    put("refunds/SKILL.md", head "refunds")
    put("refunds/a/b.txt")
    local found = scan(nil, top .. "/refunds/")
    assert.same({ "skill://refunds/SKILL.md" }, uris(found))
    assert.equal("skill://refunds/a/b.txt", found.skills[1].files[2].uri)
    assert.same({ "skill://x/y/refunds/SKILL.md" }, uris(scan("x/y", top .. "/refunds")))
  end)

  it("have the digest, size and type of each file", function()
    put("a/SKILL.md", head "a")
    put("a/DATA.JSON", "{}")
    put("a/b c%.txt", "é")
    put("a/x.unknown", "")
    local files = {}
    for _, file in ipairs(scan().skills[1].files) do
      files[file.name] = { file.uri, file.size, file.digest, file.mime }
    end
    assert.same({
      ["SKILL.md"] = { "skill://a/SKILL.md", #head "a", skill.digest(head "a"), "text/markdown" },
      ["DATA.JSON"] = { "skill://a/DATA.JSON", 2, skill.digest "{}", "application/json" },
      ["b c%.txt"] = { "skill://a/b%20c%25.txt", 2, skill.digest "é", "text/plain" },
      ["x.unknown"] = { "skill://a/x.unknown", 0, skill.digest "", nil },
    }, files)
  end)

  it("leaves out names that begin with a dot, and follows links inside", function()
    put("a/SKILL.md", head "a")
    put("a/.git/config")
    put("a/.hidden")
    put("shared/x.txt", "shared")
    helper.shell(("ln -s ../shared/x.txt %s/a/y.txt && ln -s ../shared %s/a/more"):format(top, top))
    local found = scan()
    local names = {}
    for i, file in ipairs(found.skills[1].files) do names[i] = file.path end
    table.sort(names)
    assert.same({ "a/SKILL.md", "a/more/x.txt", "a/y.txt" }, names)
    assert.same({}, found.problems)
  end)

  it("reads a file again only when its size or time has changed", function()
    put("a/SKILL.md", head "a")
    put("a/x.txt", "one")
    local source = assert(skill_folder.open(top))
    local before = source:scan().skills[1].files[2].digest
    local read, reads = source.folder.read, {}
    source.folder = setmetatable({ read = function(_, path, ...)
      reads[#reads + 1] = path
      return read(folder, path, ...)
    end, list = function(_, ...) return folder:list(...) end }, {})
    assert.equal(before, source:scan().skills[1].files[2].digest)
    assert.same({}, reads)
    put("a/x.txt", "three")
    assert.equal(skill.digest "three", source:scan().skills[1].files[2].digest)
    assert.same({ "a/x.txt" }, reads)
  end)

  it("learns nothing from a scan that is cancelled", function()
    put("a/SKILL.md", head "a")
    put("a/x.txt", "one")
    local source = assert(skill_folder.open(top))
    source:scan()
    local known, real = source.known, source.folder
    put("a/x.txt", "three")
    for _, name in ipairs { "list", "read" } do
      source.folder = setmetatable({ [name] = function() return nil, "cancelled", "ECANCELED" end },
        { __index = function(_, other)
          return function(_, ...) return real[other](real, ...) end
        end })
      local found, _, code = source:scan()
      assert.same({ nil, "ECANCELED" }, { found, code })
      assert.equal(known, source.known)
      assert.same({}, source.problems)
    end
    source.folder = real
    assert.equal(skill.digest "three", source:scan().skills[1].files[2].digest)
  end)

  it("says what is wrong, and keeps the rest", function()
    local ROWS = {
      { "a/SKILL.md", head "b", 'a/SKILL.md: name: expected "a", as the folder is called, got' },
      { "a/SKILL.md", "# A", "a/SKILL.md: expected a first line of ---" },
      { "a/SKILL.md", head("a", "metadata: {io.modelcontextprotocol/x: 1}\n"),
        'a/SKILL.md: metadata: "io.modelcontextprotocol/x" is reserved' },
      { "A/SKILL.md", head "A", "A/SKILL.md: name: expected 1 to 64" },
    }
    put("good/SKILL.md", head "good")
    for _, row in ipairs(ROWS) do
      put(row[1], row[2])
      local found = scan()
      assert.same({ "skill://good/SKILL.md" }, uris(found))
      assert.equal(1, #found.problems)
      assert.is_truthy(found.problems[1]:find(row[3], 1, true), found.problems[1])
      assert(folder:remove(row[1]))
    end
    helper.shell(("mkfifo %s/good/pipe; ln -s / %s/good/out"):format(top, top))
    local problems = scan().problems
    assert.matches("^good/out: ", problems[1])
    assert.equal("good/pipe: expected a file or a folder", problems[2])
  end)

  it("ends at its limits", function()
    put("a/SKILL.md", head "a")
    helper.shell(("cd %s/a && seq 2 513 | xargs touch"):format(top))
    assert.matches("the skill has 513 files: expected at most 512", scan().problems[1])
    assert(folder:remove "a/513")
    assert.same({}, scan().problems)
    put("a/512", ("x"):rep(skill.SIZE - #head "a"))
    local found = scan()
    assert.same({}, found.problems)
    assert.equal(skill.SIZE, found.skills[1].size)
    put("a/511", "x")
    assert.matches("a: the skill has more than 16777216 bytes", scan().problems[1])
  end)

  it("is not read where it is too deep or too large", function()
    put(("d/"):rep(skill_folder.DEPTH) .. "x")
    assert.is_table(scan())
    put(("d/"):rep(skill_folder.DEPTH + 1) .. "x")
    local found, text = scan()
    assert.is_nil(found)
    assert.matches("more than 16 folders inside each other", text)
    local most = skill_folder.ENTRIES
    finally(function() skill_folder.ENTRIES = most end)
    assert.equal(16384, most)
    skill_folder.ENTRIES = 40
    helper.shell(("rm -rf %s/d; mkdir %s/e; cd %s/e && seq 1 39 | xargs touch"):format(top, top,
      top))
    assert.is_table(scan())
    helper.shell(("touch %s/e/40"):format(top))
    found, text = scan()
    assert.is_nil(found)
    assert.matches("more than 40 files", text)
  end)
end)
