-- SPDX-License-Identifier: MIT
-- One table in TOML texts of many layouts.
local edit = require "mcp.cli.host.edit_toml"

local KEYS = { "mcp_servers" }
local ENTRY = { { "command", "/usr/bin/luamcp" }, { "args", { "run", '/a "b"/ü\127.lua' } },
  { "env", { { "K", "v" }, { "a.b", "w" }, map = true } } }
local BLOCK = [==[
[mcp_servers.N]
command = "/usr/bin/luamcp"
args = ["run", "/a \"b\"/ü\u007F.lua"]
env = { K = "v", "a.b" = "w" }
]==]

describe("edit_toml", function()
  for _, text in ipairs {
    'model = "o3"\n', "# c\nmodel = 'x' # y", "\u{FEFF}a = 1\n",
    "a = 1\r\n[mcp_servers.o]\r\ncommand = \"c\" # z\r\nargs = [\r\n 'a', # [b]\r\n]\r\n",
    '[profiles."x.y"]\nt = """\n[mcp_servers.N]\n\\"""\n"""\nd = 1979-05-27 07:32:00\n\n\n',
    "[[list]]\na = '''\n[mcp_servers.N]'''\n[ mcp_servers . o ]\nenv = { A = 'b', c.d = [1, {}] }",
    'a.b = 1\n"mcp_servers.N" = 2\n',
  } do
    it(("puts a table into %q and takes it out"):format(text), function()
      assert.is_true(edit.check(text))
      assert.is_nil((edit.find(text, KEYS, "N")))
      local one, undo = edit.put(text, KEYS, "N", ENTRY)
      assert.is_true(edit.check(one))
      assert.equal(text, one:sub(1, #text))
      assert.is_truthy(edit.find(one, KEYS, "N"))
      assert.is_truthy((one:gsub("\r", "")):find(BLOCK, 1, true))
      local two, second = edit.put(one, KEYS, "M", ENTRY)
      assert.equal(one, edit.remove(two, KEYS, "M", second))
      local other = edit.remove(two, KEYS, "N", undo)
      assert.is_true(edit.check(other))
      assert.is_truthy(edit.find(other, KEYS, "M"))
      undo.last = true
      assert.equal(text, edit.remove(one, KEYS, "N", undo))
      assert.equal(text, edit.remove(other, KEYS, "M", undo))
    end)
  end

  it("makes a text where there is none", function()
    local text, undo = edit.put("\n", KEYS, "N", ENTRY)
    assert.equal(BLOCK, text)
    assert.equal("\n", undo.blank)
    assert.is_true(edit.is_empty(edit.remove(text, KEYS, "N", undo)))
  end)

  local OLD = [==[
[mcp_servers.N]
command = "a" # mine
startup_timeout_sec = 3
url = "u"

# its variables
[mcp_servers.N.env]
K = "1"
O = "2"
# next
[z]
a = 1]==]

  it("updates its own members and keeps the others as they are", function()
    assert.equal([==[
[mcp_servers.N]
command = "/usr/bin/luamcp" # mine
startup_timeout_sec = 3
args = ["run", "/a \"b\"/ü\u007F.lua"]

# its variables
[mcp_servers.N.env]
K = "v"
O = "2"
"a.b" = "w"
# next
[z]
a = 1]==], edit.update(OLD, KEYS, "N", ENTRY, { url = true }))
    assert.equal("[mcp_servers.N]\nstartup_timeout_sec = 3\nurl = \"y\"\n\n# its variables\n"
      .. "# next\n[z]\na = 1", edit.update(OLD, KEYS, "N", { { "url", "y" } },
      { command = true, args = true, env = true }))
    assert.equal('[mcp_servers.N]\nenv = { O = "2", K = "v", "a.b" = "w" }',
      edit.update('[mcp_servers.N]\nenv = { K = "1", O = "2" }', KEYS, "N", { ENTRY[3] }, {}))
  end)

  it("removes the tables of an entry and leaves comments", function()
    assert.equal("\n# its variables\n# next\n[z]\na = 1", edit.remove(OLD, KEYS, "N"))
  end)

  it("finds entries in other forms, and refuses to change them", function()
    for _, text in ipairs { "[mcp_servers]\nN = { command = 'x' }\n", "mcp_servers.N.command = 'x'",
      "[mcp_servers]\nN.command = 'x'\n", "mcp_servers.N = {}" } do
      local found, message = edit.find(text, KEYS, "N")
      assert.is_truthy(found)
      assert.equal("N is an inline table or has dotted keys", message)
    end
    assert.same({ nil, "mcp_servers: expected a table with a header of its own" },
      { edit.find("mcp_servers = {}\n", KEYS, "N") })
  end)

  for text, expected in pairs {
    ["a = "] = "line 1: expected a value", ["[x"] = 'line 1: expected "]"',
    ["\na = [1"] = 'line 2: expected "," or "]"', ['a = "x'] = "line 1: a string without an end",
    ["a = '''x"] = "line 1: a string without an end", ["x = {a=1"] = 'line 1: expected "," or "}"',
    ["= 1"] = "line 1: expected a key", ["a = 1 2"] = "line 1: expected the end of the line",
    ["{}"] = "line 1: expected a key", ["a"] = 'line 1: expected "="',
  } do
    it("refuses " .. text, function() assert.same({ nil, expected }, { edit.check(text) }) end)
  end
end)
