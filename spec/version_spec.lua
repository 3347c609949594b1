-- SPDX-License-Identifier: MIT
-- src/base/version.h names the version; everything that goes out with it says the same.
local core = require "mcp.core"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function rockspec(version)
  local path, env = ("rockspec/luamcp-%s.rockspec"):format(version), {}
  assert(loadfile(path, "t", env))()
  return env
end

describe("the version", function()
  local version = read "src/base/version.h":match 'MCP_VERSION "([^"]+)"'

  it("is the module's", function() assert.equal(core.version, version) end)

  it("is that of the release's rockspec, which is the clone's but for its source", function()
    local release, clone = rockspec(version .. "-1"), rockspec "scm-1"
    assert.equal(version .. "-1", release.version)
    assert.equal("v" .. version, release.source.tag)
    assert.equal(("git+%s.git"):format(release.description.homepage), release.source.url)
    for _, env in ipairs { release, clone } do env.version, env.source = nil, nil end
    assert.same(clone, release)
    local pipe <close> = io.popen "ls rockspec"
    assert.equal(("luamcp-%s-1.rockspec\nluamcp-scm-1.rockspec\n"):format(version), pipe:read "a")
  end)

  it("heads the list of changes", function()
    assert.equal(version, read "CHANGELOG.md":match "\n## (%S+)")
  end)

  it("every package names the same place of the project", function()
    local home = rockspec "scm-1".description.homepage
    for _, path in ipairs { "Dockerfile", "SECURITY.md", "debian/control",
      "debian/copyright" } do
      local found = read(path):match "https://github%.com/[%w/-]+"
      assert.equal(home, found, path)
    end
  end)
end)
