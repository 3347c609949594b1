-- SPDX-License-Identifier: MIT
-- Bundles and the archive that they are; spec/mcp/cli/install_spec.lua runs one.
local helper = require "spec.helper"
local mcpb = require "mcp.cli.host.mcpb"
local zip = require "mcp.cli.host.zip"

describe("zip.stored", function()
  after_each(helper.remove_files)

  it("has the checksum of the standard", function()
    assert.equal(0xCBF43926, zip.crc32 "123456789")
    assert.equal(0, zip.crc32 "")
    assert.equal(0xE8B7BE43, zip.crc32 "a")
    assert.equal(0x352441C2, zip.crc32 "abc")
  end)

  it("makes what other programs read", function()
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    local bytes = table.concat(all)
    local path = helper.file(zip.stored { { name = "a.txt", bytes = "", mode = 420 },
      { name = "dir/ü.bin", bytes = bytes:rep(300), mode = 493 } }, ".zip")
    local out, status = helper.shell(("unzip -t %s"):format(helper.quote(path)))
    assert.equal(0, status, out)
    assert.matches("No errors detected", out, 1, true)
    assert.equal(bytes:rep(300), (helper.shell(("unzip -p %s 'dir/*'"):format(helper.quote(path)))))
  end)
end)

describe("the manifest of a bundle", function()
  it("asks for variables, and hides secret ones", function()
    local manifest = mcpb.manifest({ name = "n", path = "/x/n.lua", args = { "run", "/x/n.lua",
      { "--as=", { variable = "WHO" } } }, env = { { "A", { "Bearer ",
        { variable = "A_TOKEN" } } } } },
      { info = {}, tools = {} }, "macos", "Ada")
    assert.same({ "darwin" }, helper.plain(manifest.compatibility.platforms))
    assert.same({ "run", "${__dirname}/server/n.lua", "--as=${user_config.WHO}" },
      helper.plain(manifest.server.mcp_config.args))
    assert.same({ A = "Bearer ${user_config.A_TOKEN}" }, manifest.server.mcp_config.env)
    assert.same({ false, true }, { manifest.user_config.WHO.sensitive,
      manifest.user_config.A_TOKEN.sensitive })
    assert.same({ "0.0.0", "The MCP server n" }, { manifest.version, manifest.description })
    manifest = mcpb.manifest({ name = "n", path = "/x/n.lua", args = {}, env = {} },
      { info = {}, tools = {} }, "linux", "Ada")
    assert.is_nil(manifest.user_config)
  end)
end)

describe("a bundle", function()
  after_each(helper.remove_files)

  it("refuses a script that is too large", function()
    local script = helper.file("require 'mcp'.server 'x':run()\n", ".lua")
    helper.shell(("truncate -s %d %s"):format(zip.SIZE + 1, helper.quote(script)))
    assert.same({ ("luamcp: %s: larger than 268435456 bytes\n"):format(script), 1 },
      { helper.shell(("%s install %s --mcpb -o %s.out 2>&1"):format(
        helper.quote(helper.program()), helper.quote(script), script)) })
  end)
end)
