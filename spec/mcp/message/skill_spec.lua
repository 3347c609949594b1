-- SPDX-License-Identifier: MIT
local json = require "mcp.json"
local skill = require "mcp.message.skill"
local value = require "mcp.value"

local HEAD = "---\nname: refunds\ndescription: Refunds\n---\n"

local function entry(changes)
  local out = { uri = "skill://acme/refunds/SKILL.md",
    frontmatter = { name = "refunds", description = "Refunds" },
    resources = value.array {
      { uri = "skill://acme/refunds/SKILL.md", digest = skill.digest(HEAD), size = #HEAD },
      { uri = "skill://acme/refunds/a/b.txt", digest = skill.digest "", size = 0 },
    } }
  for name, member in pairs(changes or {}) do out[name] = member end
  return out
end

describe("skill.digest", function()
  it("is SHA-256 in small hexadecimal digits", function()
    assert.equal("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      skill.digest "abc")
  end)
end)

describe("skill.head", function()
  it("is what stands between two lines of ---", function()
    for _, text in ipairs { HEAD, HEAD .. "body", "\u{FEFF}" .. HEAD, HEAD:gsub("\n", "\r\n"),
      (HEAD:gsub("%-%-%-\n", "--- \t\n")), HEAD:sub(1, -2),
      HEAD .. "\n---\nname: other\n---\n" } do
      assert.same({ name = "refunds", description = "Refunds" }, (assert(skill.head(text))))
    end
    local head = assert(skill.head(
      '---\nname: a\ndescription: >\n  two\n  ---\n  lines\nn: 1.0\nl: []\no: {}\nv: "1"\n'
      .. "d: 2026-01-01\nb: yes\nz:\n---\n"))
    assert.equal('{"b":"yes","d":"2026-01-01","description":"two --- lines\\n","l":[],"n":1.0,'
      .. '"name":"a","o":{},"v":"1","z":null}', json.encode(head, { sorted = true }))
  end)

  for text, expected in pairs {
    [""] = "expected a first line of ---",
    ["# Title\n" .. HEAD] = "expected a first line of ---",
    ["\n" .. HEAD] = "expected a first line of ---",
    ["----\nname: x\n---\n"] = "expected a first line of ---",
    ["---\nname: x\n"] = "has no end",
    ["---\nname: x\n----\n --- \n"] = "has no end",
    ["---\n---\n"] = "there is no document",
    ["---\n- a\n---\n"] = "expected names with values, got array",
    ["---\nname: [\n---\n"] = "the head: line 2",
    ["---\ndescription: x\n---\n"] = "name: expected 1 to 64 of a-z, 0-9",
    ["---\nname: 12\ndescription: x\n---\n"] = "hyphens between them, got integer",
    ["---\nname: x\n---\n"] = "description: expected a text of 1 to 1024 characters, got nil",
    ["---\nname: x\ndescription: ''\n---\n"] = "got one of 0",
    ["---\nname: x\ndescription: " .. ("é"):rep(1025) .. "\n---\n"] = "got one of 1025",
    ["---\nname: x\ndescription: x\n---\n\xff"] = "not valid UTF-8 at byte 32",
    ["---\nname: &a x\ndescription: *a\n---\n"] = "an anchor, &a",
    ["---\nx: " .. ("x"):rep(64 << 10) .. "\n---\n"] = "the head has more than 65536 bytes",
  } do
    it(("refuses %q"):format(#text > 60 and text:sub(1, 60) or text), function()
      local head, message = skill.head(text)
      assert.is_nil(head)
      assert.is_truthy(message:find(expected, 1, true), message)
    end)
  end

  it("knows the names that a skill may have", function()
    for _, name in ipairs { "a", "pdf-processing", "7zip", ("x"):rep(64) } do
      assert.is_nil(skill.name_problem(name))
    end
    for _, name in ipairs { "", "A", "a_b", "-a", "a-", "a--b", "a b", "é", ("x"):rep(65), 5 } do
      assert.matches("^name: expected", skill.name_problem(name))
    end
  end)
end)

describe("skill.difference", function()
  it("finds the first, and takes numbers for what they are", function()
    local function of(a, b) return skill.difference(json.decode(a), json.decode(b)) end
    for _, pair in ipairs { { "{}", "{}" }, { '{"a":1}', '{"a":1.0}' }, { "[]", "[]" },
      { '{"a":[1,{"b":null}]}', '{"a":[1,{"b":null}]}' } } do
      assert.is_nil(of(pair[1], pair[2]))
    end
    for path, pair in pairs {
      [".a"] = { '{"a":1}', '{"a":"1"}' }, [".b"] = { '{"a":1}', '{"a":1,"b":null}' },
      [".c"] = { '{"c":false}', "{}" }, [".d.1"] = { '{"d":["x"]}', '{"d":["y"]}' },
      [".e"] = { '{"e":[]}', '{"e":{}}' }, [".f.2"] = { '{"f":[1]}', '{"f":[1,2]}' },
      [".g"] = { '{"g":null}', '{"g":false}' }, [""] = { "{}", "[]" },
    } do
      assert.equal(path, of(pair[1], pair[2]))
    end
  end)
end)

describe("skill.entry_problem", function()
  it("is nil for an entry that is right", function()
    assert.is_nil(skill.entry_problem(entry()))
    assert.is_nil(skill.entry_problem(entry { resources = "dynamic" }))
    assert.is_nil(skill.entry_problem(entry { more = 1 }))
  end)

  it("says what is wrong with another", function()
    local function file(changes)
      local list = entry().resources
      for name, member in pairs(changes) do list[2][name] = member end
      return { resources = list }
    end
    local main = entry().resources[1]
    local ROWS = {
      { { uri = 5 }, "uri: expected the URI of a SKILL.md, got integer" },
      { { uri = "skill://acme/refunds" }, 'got "skill://acme/refunds"' },
      { { uri = "skill:///SKILL.md" }, "uri: expected" },
      { { frontmatter = value.null }, "frontmatter: expected names with values" },
      { { frontmatter = { name = "x" } }, "frontmatter: description" },
      { { frontmatter = { name = "other", description = "x" } },
        'the name is "other", and the folder\'s is "refunds"' },
      { { resources = value.null }, 'resources: expected a list or "dynamic", got null' },
      { { resources = "static" }, "got string" },
      { { resources = value.array {} }, "SKILL.md itself is missing" },
      { { resources = value.array { 5 } }, "a file has no uri" },
      { { resources = value.array { main, main } }, "is listed twice" },
      { file { uri = "skill://acme/other/x" }, "is not in the folder of the skill" },
      { file { uri = "skill://acme/refunds/../other/x" }, "is not in the folder of the skill" },
      { file { uri = "skill://acme/refunds/%2e%2E/x" }, "is not in the folder of the skill" },
      { file { digest = "sha256:AB" }, "digest: expected sha256: and 64" },
      { file { digest = skill.digest("x"):upper() }, "digest: expected" },
      { file { size = -1 }, "size: expected a number of bytes" },
      { file { size = 0.5 }, "size: expected a number of bytes" },
      { file { size = "5" }, "size: expected a number of bytes" },
    }
    for _, row in ipairs(ROWS) do
      local problem, code = skill.entry_problem(entry(row[1]))
      assert.is_truthy(problem and problem:find(row[2], 1, true), tostring(problem))
      assert.equal("EPROTO", code)
    end
    assert.equal("EPROTO", select(2, skill.entry_problem "x"))
  end)

  it("keeps to the limits of the extension, to the last file and byte", function()
    local files = value.array { { uri = "skill://acme/refunds/SKILL.md", size = 100,
      digest = skill.digest "x" } }
    for i = 2, 512 do
      files[i] = { uri = "skill://acme/refunds/" .. i, digest = skill.digest "x", size = 0 }
    end
    files[512].size = (16 << 20) - 100
    assert.is_nil(skill.entry_problem(entry { resources = files }))
    files[512].size = files[512].size + 1
    local problem, code = skill.entry_problem(entry { resources = files })
    assert.matches("its files have 16777217 bytes: expected at most 16777216", problem)
    assert.equal("ETOOBIG", code)
    -- Together they would be a small number.
    files[511].size, files[512].size = math.maxinteger, math.maxinteger
    assert.equal("ETOOBIG", select(2, skill.entry_problem(entry { resources = files })))
    files[513] = { uri = "skill://acme/refunds/513", digest = skill.digest "x", size = 0 }
    problem, code = skill.entry_problem(entry { resources = files })
    assert.matches("it has 513 files: expected at most 512", problem)
    assert.equal("ETOOBIG", code)
  end)
end)

describe("skill.fingerprint", function()
  it("is another one for other files, and the same in another order", function()
    local one = skill.fingerprint(entry())
    assert.matches("^sha256:%x+$", one)
    local other = entry()
    other.resources[1], other.resources[2] = other.resources[2], other.resources[1]
    assert.equal(one, skill.fingerprint(other))
    other.resources[3] = { uri = "skill://acme/refunds/c", digest = skill.digest "", size = 0 }
    assert.not_equal(one, skill.fingerprint(other))
    local changed = entry()
    changed.resources[2].digest = skill.digest "x"
    assert.not_equal(one, skill.fingerprint(changed))
    assert.is_nil(skill.fingerprint(entry { resources = "dynamic" }))
  end)
end)
