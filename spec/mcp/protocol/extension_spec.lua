-- SPDX-License-Identifier: MIT
-- Identifiers of extensions, and when the other side's declaration makes one active.
local extension = require "mcp.protocol.extension"
local value = require "mcp.value"

describe("the identifier of an extension", function()
  it("is a prefix of labels, a slash and a name", function()
    for _, id in ipairs { "io.example/thing", "a/b", "io.modelcontextprotocol/ui",
      "com.example-2.x1/a.b_c-d", "io.example/1" } do
      assert.is_nil(extension.problem(id), id)
    end
  end)

  it("is refused with what is wrong in it", function()
    local ROWS = {
      { nil, "got nil" }, { 7, "got number" }, { "thing", "a prefix, one slash" },
      { "", "a prefix, one slash" }, { "/thing", "labels before" }, { "a/b/c", "one slash" },
      { "io..example/x", "labels before" }, { "io.1x/x", "labels before" },
      { "io.x-/x", "labels before" }, { "io.example/", "after the slash" },
      { "io.example/-x", "after the slash" }, { "io.example/x.", "after the slash" },
      { "io.exämple/x", "labels before" }, { "io.example/x y", "after the slash" },
    }
    for i = 1, #ROWS do
      local problem = extension.problem(ROWS[i][1])
      assert.is_string(problem, tostring(ROWS[i][1]))
      assert.matches(ROWS[i][2], problem, 1, true)
    end
  end)
end)

describe("a declaration", function()
  local ID = "io.example/thing"

  local function active(settings, revision)
    return extension.active({ extensions = { [ID] = settings } }, ID, revision)
  end

  it("makes the extension active if the revisions are equal", function()
    assert.same({ a = 1 }, active({ a = 1 }))
    assert.same({ revision = "2" }, active({ revision = "2" }, "2"))
    assert.is_table(active({ revision = value.null }))
    assert.is_false(active({ revision = "2" }))
    assert.is_false(active({}, "2"))
    assert.is_false(active({ revision = "3" }, "2"))
    assert.is_false(active({ revision = 2 }, "2"))
  end)

  it("of another form is none", function()
    for _, settings in ipairs { true, 1, "x", value.array {}, value.null } do
      assert.is_false(active(settings))
    end
    for _, capabilities in ipairs { {}, { extensions = 1 }, { extensions = value.array {} }, 1,
      { extensions = value.null } } do
      assert.is_false(extension.active(capabilities, ID))
    end
    assert.is_false(extension.active(nil, ID))
  end)
end)
