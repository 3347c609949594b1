-- SPDX-License-Identifier: MIT
-- The exit status that a failure of the client becomes.
local exit = require "mcp.cli.exit"

describe("the exit status of a failure", function()
  it("is 4 for every code of TLS, and for what keeps a connection from being made", function()
    local file <close> = assert(io.open "src/base/err.h")
    local seen = 0
    for code in file:read("a"):gmatch "X%((ETLS%u*)," do
      assert.equal(exit.UNREACHABLE, exit.status_of(code), code)
      seen = seen + 1
    end
    assert.is_true(seen > 5)
    for _, code in ipairs { "ECONNREFUSED", "EAI_NONAME", "EAI_FAIL", "EPROXY", "EHTTP503",
      "EREVISION", "EGONE" } do
      assert.equal(exit.UNREACHABLE, exit.status_of(code), code)
    end
  end)

  it("is that of its kind for others", function()
    for code, status in pairs { EHTTP401 = exit.NEEDS_AUTH, EAUTH = exit.NEEDS_AUTH,
      [-32602] = exit.TOOL, EINVAL = exit.OTHER, ETOOBIG = exit.OTHER } do
      assert.equal(status, exit.status_of(code), tostring(code))
    end
  end)
end)
