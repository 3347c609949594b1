-- SPDX-License-Identifier: MIT
-- examples/skills.lua, by the program.
local helper = require "spec.helper"
local mcp = require "mcp"

describe("examples/skills.lua", function()
  local client
  before_each(function()
    client = assert(mcp.connect({ command = helper.program(),
      args = { "run", "examples/skills.lua" } }, { timeout = 10 }))
  end)
  after_each(function() client:close() end)

  it("serves a skill whose files are what its entry says", function()
    local skill = assert(client:read_skill "skill://release-notes/SKILL.md")
    assert.equal(skill.uri, client.instructions:match "skill://%S+%.md")
    local list = skill:files()
    assert.equal(2, #list)
    for _, uri in ipairs(list) do assert(skill:read(uri)) end
    -- What SKILL.md refers to is there, and so is the tool.
    local template = assert(skill.text:match "%]%((templates/[^)]+)%)")
    assert.matches("## Fixed", assert(skill:read(template)))
    local result = assert(client:call_tool(skill.text:match "tool `(%w+)`",
      { version = "1.2.1" }))
    assert.equal("fixed: a crash without a network", result.content[1].text)
  end)

  it("shows in luamcp list", function()
    local program = helper.quote(helper.program())
    local out, status = helper.shell(program .. " list --skills examples/skills.lua")
    assert.equal(0, status)
    assert.matches("^Skills\n  skill://release%-notes/SKILL.md %(2 files%)\n      Writes the", out)
    out = helper.shell(program .. " list --skills --json examples/skills.lua")
    assert.equal("release-notes", mcp.json.decode(out).skills[1].frontmatter.name)
    out = helper.shell(program .. " list --tools examples/skills.lua")
    assert.is_nil(out:find "skill:")
  end)
end)
