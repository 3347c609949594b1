-- SPDX-License-Identifier: MIT
-- The list of hosts: its rows are complete, and lead to files; spec/mcp/cli/install_spec.lua writes
-- them.
local helper = require "spec.helper"
local hosts = require "mcp.cli.host.hosts"
local secrets = require "mcp.cli.host.secrets"

describe("the hosts", function()
  local function path(id, system, environment)
    return hosts.path(hosts.find(id), "user", "/p", system, function(name)
      return name == "HOME" and "/h" or (environment or {})[name]
    end)
  end

  it("have complete rows", function()
    for _, id in ipairs(hosts.ids()) do
      local host = hosts.find(id)
      for _, member in ipairs { "title", "user", "format", "keys", "stdio", "restart" } do
        assert.is_truthy(host[member], id .. ": " .. member)
      end
      for _, system in ipairs { "linux", "macos" } do
        assert.matches("^/h/", path(id, system), id)
      end
      assert.is_table(hosts.editor(host))
    end
    assert.is_nil(hosts.find "netscape")
  end)

  it("have files by system and variables", function()
    assert.equal("/h/.config/Claude/claude_desktop_config.json", path("claude-desktop", "linux"))
    assert.equal("/c/Claude/claude_desktop_config.json",
      path("claude-desktop", "linux", { XDG_CONFIG_HOME = "/c" }))
    assert.equal("/h/.config/Claude/claude_desktop_config.json",
      path("claude-desktop", "linux", { XDG_CONFIG_HOME = "relative" }))
    assert.equal("/h/Library/Application Support/Claude/claude_desktop_config.json",
      path("claude-desktop", "macos", { XDG_CONFIG_HOME = "/c" }))
    assert.equal("/h/Library/Application Support/Code/User/mcp.json", path("vscode", "macos"))
    assert.equal("/f.json", path("cline", "linux", { CLINE_MCP_SETTINGS_PATH = "/f.json",
      CLINE_DIR = "/d" }))
    assert.equal("/d/data/settings/cline_mcp_settings.json", path("cline", "linux",
      { CLINE_DIR = "/d" }))
    assert.equal("/p/.vscode/mcp.json", hosts.path(hosts.find "vscode", "project", "/p", "linux",
      os.getenv))
    assert.is_nil(hosts.path(hosts.find "goose", "project", "/p", "linux", os.getenv))
  end)
end)

describe("secrets", function()
  it("are found in texts, the longest first", function()
    local list = { { name = "LONG", value = "abcdefghij" }, { name = "SHORT", value = "abcdefgh" } }
    assert.same({ { "x", { variable = "LONG" }, "y", { variable = "SHORT" } }, { "LONG",
      "SHORT" } },
      { secrets.hide("xabcdefghijyabcdefgh", list) })
    assert.same({ "plain", {} }, { secrets.hide("plain", list) })
    assert.same({ "", {} }, { secrets.hide("", list) })
    assert.same({ { "a", { variable = "B" }, "c" }, {} },
      { secrets.hide({ "a", { variable = "B" }, "c" }, list) })
  end)

  it("are values of eight bytes or more, of variables that look secret", function()
    local out = helper.shell(("env -i A_TOKEN=12345678 B_TOKEN=1234567 C_KEY=123456789 "
      .. "PLAIN=abcdefghijkl D_KEY=/home/user/key PATH=%s LUA_PATH=%s lua5.4 -e %s"):format(
      helper.quote(os.getenv "PATH"), helper.quote(os.getenv "LUA_PATH"), helper.quote [[
        for _, secret in ipairs(require "mcp.cli.host.secrets".list()) do
          io.write(secret.name, "=", secret.value, " ")
        end]]))
    assert.equal("C_KEY=123456789 A_TOKEN=12345678 ", out)
  end)

  it("have variables written as ${NAME}", function()
    assert.equal("$A ${1} ${", secrets.template "$A ${1} ${")
    assert.equal("", secrets.template "")
    assert.same({ "Bearer ", { variable = "T" }, "." }, secrets.template "Bearer ${T}.")
    assert.same({ { variable = "T" } }, secrets.template "${T}")
  end)

  it("have names that look so", function()
    for _, name in ipairs { "API_KEY", "gh_token", "GITHUB_PAT", "PASSWORD", "MY_CREDENTIALS" } do
      assert.is_true(secrets.is_secret(name), name)
    end
    for _, name in ipairs { "PATH", "HOME", "LANG", "USER" } do
      assert.is_false(secrets.is_secret(name), name)
    end
  end)
end)
