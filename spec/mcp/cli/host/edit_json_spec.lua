-- SPDX-License-Identifier: MIT
-- One entry in JSON texts of many layouts: what put writes is correct, holds the entry, and goes
-- again without a trace; every byte that was there stays.
local core = require "mcp.core"
local edit = require "mcp.cli.host.edit_json"
local jsonc = require "mcp.jsonc"

local KEYS = { "mcpServers" }
local ENTRY = { { "command", "/usr/bin/luamcp" }, { "args", { "run", "/a b/ü.lua" } },
  { "env", { { "K", "v" }, map = true } } }
local DECODED = { command = "/usr/bin/luamcp", args = { "run", "/a b/ü.lua" }, env = { K = "v" } }

local TEXTS = {
  "{}", "{}\n", "{ }", "{\n}\n", "{\r\n}\r\n", '{"mcpServers":{}}', '{ "mcpServers": { } }\n',
  '{\n  "mcpServers": {\n  }\n}\n', "{ // comment\n}", '{"mcpServers": { /* none */ }}',
  '{\n\t"a": 1, // x\n\t"mcpServers": {\n\t\t"o": {"command": "c"}, // hey\n\t\t// more\n\t},\n}\n',
  '{\r\n    "mcpServers": {\r\n        "o": {}\r\n    }\r\n}', '\u{FEFF}{\n "x":[1,2,]}',
  '{"mcpServers":{"a":{},"b":{"k":[1]}},"z":1}', '{"mcpServers":{"a":{} // x\n}}',
  '{"a":1 /*e*/ , /*f*/ }', '{ "a": {}   }  ', '{"a":1}// end', '// start\n{"a":1\n\n\n}\n\n',
  '{"mcpServers":{\n"o":{}}}', '{\n  "mcpServers": {\n    "o": {} /* a\n b */\n  }\n}',
  '{"mcp\\u0053ervers":{"o":{"x":1e3,"y":-0.5,"z":null}}}',
  '{\n  "mcpServers": {\n\n    // "N": old\n\n    "o": {}\n\n  }\n\n}\n',
}

local function decoded(text) return assert(core.decode(jsonc.plain(text))) end

-- Are all bytes of the one text in the other, in order?
local function assert_kept(old, new)
  local at = 1
  for byte in old:gmatch "." do
    at = (new:find(byte, at, true) or error(("%q is not kept in %q"):format(old, new))) + 1
  end
end

describe("edit_json", function()
  for _, text in ipairs(TEXTS) do
    it(("puts an entry into %q and takes it out"):format(text), function()
      assert.is_true(edit.check(text))
      assert.is_nil((edit.find(text, KEYS, "N")))
      local one, undo = edit.put(text, KEYS, "N", ENTRY)
      assert.is_true(edit.check(one))
      assert.same(DECODED, edit.find(one, KEYS, "N"))
      if not text:find "{%s*}" then assert_kept(text, one) end
      local rest = decoded(one)
      rest.mcpServers.N = nil
      local before = decoded(text)
      before.mcpServers = before.mcpServers or {}
      assert.same(before, rest)
      undo.last = true
      assert.equal(text, edit.remove(one, KEYS, "N", undo))
      -- A second entry, and each order of removal.
      local two, second = edit.put(one, KEYS, "M", ENTRY)
      assert.equal(one, edit.remove(two, KEYS, "M", second))
      local other = edit.remove(two, KEYS, "N", undo)
      assert.same(DECODED, edit.find(other, KEYS, "M"))
      assert.equal(text, edit.remove(other, KEYS, "M", undo))
    end)
  end

  it("has the line ends and the indentation of the text", function()
    local one = edit.put('{\r\n\t"mcpServers": {\r\n\t\t"o": {}\r\n\t}\r\n}', KEYS, "N", ENTRY)
    assert.equal('{\r\n\t"mcpServers": {\r\n\t\t"o": {},\r\n\t\t"N": {\r\n\t\t\t"command": '
      .. '"/usr/bin/luamcp",\r\n\t\t\t"args": ["run", "/a b/ü.lua"],\r\n\t\t\t"env": {\r\n'
      .. '\t\t\t\t"K": "v"\r\n\t\t\t}\r\n\t\t}\r\n\t}\r\n}', one)
    assert.equal('{"mcpServers":{"o":{}, "N": {"command": "x"}}}',
      (edit.put('{"mcpServers":{"o":{}}}', KEYS, "N", { { "command", "x" } })))
  end)

  it("makes a text where there is none", function()
    for _, blank in ipairs { "", "\n", "\u{FEFF}", "  \r\n" } do
      local text, undo = edit.put(blank, { "mcp", "servers" }, "N", { { "url", "x" } })
      assert.same({ mcp = { servers = { N = { url = "x" } } } }, decoded(text))
      assert.equal(blank, undo.blank)
      undo.last = true
      assert.is_true(edit.is_empty(edit.remove(text, { "mcp", "servers" }, "N", undo)))
    end
  end)

  it("leaves a table that others have filled since", function()
    local one, undo = edit.put("{}", KEYS, "N", ENTRY)
    local more = one:gsub('"mcpServers": {', '%0\n    "theirs": {},', 1)
    assert.equal('{\n  "mcpServers": {\n    "theirs": {}\n  }\n}',
      edit.remove(more, KEYS, "N", undo))
    local comment = one:gsub('"mcpServers": {', "%0 // mine", 1)
    assert.equal('{\n  "mcpServers": { // mine\n  }\n}', edit.remove(comment, KEYS, "N", undo))
  end)

  it("keeps the line end that a comment needs", function()
    assert.equal('{"mcpServers": {// c\n /* a */\n}}', (edit.remove(
      '{"mcpServers": {// c\n"N": {} /* a */\n}}', KEYS, "N")))
    assert.equal('{"mcpServers": {"a": 1, // c\n "b": 2}}', (edit.remove(
      '{"mcpServers": {"a": 1, // c\n"N": {}, "b": 2}}', KEYS, "N")))
  end)

  it("updates its own members and keeps the others as they are", function()
    local text = [[
{ "mcpServers": {
    "N": { // mine
      "autoApprove" : ["x"],
      "url": "https://old/mcp", "headers": {},
      "env": { "OLD": "1", "K": "2", },
      "disabled":false, // for now
    } } }
]]
    assert.equal([[
{ "mcpServers": {
    "N": { // mine
      "autoApprove" : ["x"],
      "env": { "OLD": "1", "K": "v", },
      "disabled":false, // for now
      "command": "/usr/bin/luamcp",
      "args": ["run", "/a b/ü.lua"],
    } } }
]], edit.update(text, KEYS, "N", ENTRY, { url = true, headers = true }))
    local new = edit.update('{"mcpServers":{"N":null}}', KEYS, "N", { { "command", "y" } }, {})
    assert.equal('{"mcpServers":{"N":{"command": "y"}}}', (new:gsub("%s*\n%s*", "")))
  end)

  it("changes nothing where an update has nothing to change", function()
    local one = edit.put(TEXTS[11], KEYS, "N", ENTRY)
    assert.equal(one, edit.update(one, KEYS, "N", ENTRY, { url = true }))
  end)

  for text, expected in pairs {
    ["{"] = "object", ["[]"] = "expected a JSON object", ['{"a":1 "b":2}'] = "",
      ['"x"'] = "expected a",
    ['{"a":1,"a":2}'] = "", ["{} {}"] = "",
  } do
    it("refuses " .. text, function()
      local ok, message = edit.check(text)
      assert.is_nil(ok)
      assert.is_string(message)
      assert.is_truthy(expected == "object" or message:find(expected, 1, true), message)
    end)
  end

  it("refuses a table of servers that is no object", function()
    for _, text in ipairs { '{"mcpServers":[]}', '{"mcpServers":null}', '{"mcpServers":"x"}' } do
      assert.same({ nil, "mcpServers: expected a JSON object" },
        { edit.find(text, KEYS, "N") })
      assert.same({ nil, "mcpServers: expected a JSON object" },
        { edit.put(text, KEYS, "N", ENTRY) })
    end
  end)
end)
