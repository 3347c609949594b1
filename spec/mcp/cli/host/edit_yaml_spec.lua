-- SPDX-License-Identifier: MIT
-- One mapping in YAML texts of many layouts.
local edit = require "mcp.cli.host.edit_yaml"

local KEYS = { "extensions" }
local ENTRY = { { "type", "stdio" }, { "cmd", "/usr/bin/luamcp" }, { "args", { "run",
  "/x: y.lua" } },
  { "envs", { { "K", "v" }, map = true } }, { "enabled", true }, { "timeout", 300 } }
local BLOCK = [==[
  N:
    type: "stdio"
    cmd: "/usr/bin/luamcp"
    args:
      - "run"
      - "/x: y.lua"
    envs:
      K: "v"
    enabled: true
    timeout: 300
]==]

describe("edit_yaml", function()
  for _, text in ipairs {
    "GOOSE_MODEL: o3\n", "A: 1", "extensions: {}\nB: x\n", "extensions: { } # none\n",
    "extensions:\nB: x\n", "extensions: # none\r\n", "extensions:\n  a:\n    type: builtin",
    "# c\nextensions:\n    dev:\n        enabled: true\n        args:\n        - a\n\n"
      .. "    # trailing\nX: 1\n",
    "---\nL:\n- a\n- b\nextensions:\n  a: {type: x}\n  'b c': |\n    N: text\n",
    "a: [\n  'x', # c\n  {}]\nb: 'it''s\n  long'\nc: |-\n  \"\n",
      "T: |\n  extensions:\n    N: x\n", "\u{FEFF}A: 1\n",
  } do
    it(("puts a mapping into %q and takes it out"):format(text), function()
      assert.is_true(edit.check(text))
      assert.is_nil((edit.find(text, KEYS, "N")))
      local one, undo = edit.put(text, KEYS, "N", ENTRY)
      assert.is_true(edit.check(one))
      assert.is_truthy(edit.find(one, KEYS, "N"))
      local two, second = edit.put(one, KEYS, "M", ENTRY)
      assert.equal(one, edit.remove(two, KEYS, "M", second))
      local other = edit.remove(two, KEYS, "N", undo)
      undo.last = true
      assert.equal(text, edit.remove(one, KEYS, "N", undo))
      assert.equal(text, edit.remove(other, KEYS, "M", undo))
    end)
  end

  it("makes a text where there is none", function()
    local text, undo = edit.put("", KEYS, "N", ENTRY)
    assert.equal("extensions:\n" .. BLOCK, text)
    undo.last = true
    assert.is_true(edit.is_empty(edit.remove(text, KEYS, "N", undo)))
  end)

  it("has the indentation of its neighbours", function()
    local text = edit.put("extensions:\n    a:\n        type: x\nB: 1\n", KEYS, "N",
      { { "type", "y" } })
    assert.equal('extensions:\n    a:\n        type: x\n    N:\n      type: "y"\nB: 1\n', text)
  end)

  it("updates its own members and keeps the others as they are", function()
    local old = "extensions:\n  N:\n    bundled: null\n    uri: u\n    envs:\n      O: '1'\n"
      .. "      K: '2'\n    available_tools:\n    - a\n\n  z: {}\n"
    assert.equal([==[
extensions:
  N:
    bundled: null
    envs:
      K: "v"
      O: '1'
    available_tools:
    - a
    type: "stdio"
    cmd: "/usr/bin/luamcp"
    args:
      - "run"
      - "/x: y.lua"
    enabled: true
    timeout: 300

  z: {}
]==], edit.update(old, KEYS, "N", ENTRY, { uri = true }))
    assert.same({ nil, "line 2: N: expected a block mapping" },
      { edit.update("extensions:\n  N: {type: x}\n", KEYS, "N", ENTRY, {}) })
    assert.same({ nil, "line 3: envs: expected a block mapping" },
      { edit.update("extensions:\n  N:\n    envs: {A: b}\n", KEYS, "N", ENTRY, {}) })
  end)

  for text, expected in pairs {
    ["{a: 1}"] = "line 1: expected a key of a block mapping",
      ["\ta: 1"] = "line 1: a tab in the indentation",
    ["a: 1\na: 2"] = 'line 2: the key "a" is there twice',
    ["a: 1\n---\nb: 1"] = "line 2: expected a key of a block mapping",
    ["- a"] = "line 1: expected a key of a block mapping", ["  a: 1"] =
      "line 1: expected a key of a block mapping",
    ["---\n a: 1"] = "line 2: expected a key of a block mapping",
    ["a: {\nb: c}\n"] = "line 2: expected more indentation",
    ["a:\n  - 'b\n  c: d'"] = "line 3: expected more indentation",
    ['a: "b\\"'] = "line 1: a value without an end",
    ["a: |\n  b: '"] = "line 2: expected a line end after a block scalar",
    ["a: 1\r\r\n"] = "a carriage return that ends no line",
  } do
    it(("refuses %q"):format(text), function()
      assert.same({ nil, expected }, { edit.check(text) })
    end)
  end

  it("refuses a table of servers that is no block mapping", function()
    for _, text in ipairs { "extensions: {a: 1}\n", "extensions:\n- a\n", "extensions: x",
      "extensions: &a\n  b: c\n" } do
      assert.same({ nil, "extensions: expected a block mapping" }, { edit.find(text, KEYS, "N") })
      assert.same({ nil, "extensions: expected a block mapping" },
        { edit.put(text, KEYS, "N", ENTRY) })
    end
    assert.is_nil((edit.find("extensions:\n  - a\n", KEYS, "N")))
    assert.is_nil((edit.put("extensions:\n  - a\n", KEYS, "N", ENTRY)))
  end)
end)
