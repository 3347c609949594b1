-- SPDX-License-Identifier: MIT
-- Texts with random faults: what an editor accepts, it changes into what it accepts, and back to
-- the same bytes; what it does not understand, it refuses without an error of Lua.
local core = require "mcp.core"
local jsonc = require "mcp.jsonc"

local ENTRY = { { "command", "/u" }, { "args", { "run", "/a" } }, { "env", { { "K", "v" },
  map = true } } }

local KINDS = {
  json = { keys = { "mcpServers" }, texts = {
    "{ }\n", "\u{FEFF}{ // c\r\n}", '{"mcpServers": { /* none */ }, "a": [1, {}]}',
    '{\n\t"a": 1, // x\n\t"mcpServers": {\n\t\t"o": {"b": "c"}, // hey\n\t\t// d\n\t},\n}\n',
    '{"mcpServers":{"N":{"url":"x","env":{"A":"b",},},"b":{"k":[1]}},"z":1}',
    '{\r\n  "mcpServers": {\r\n    "N": {} /* a\n b */\r\n  }\r\n}',
  }, pieces = { "{", "}", "[", "]", ",", ":", '"', "//", "/*", "*/", "\n", "\r\n", " ", "\t", "1",
    '"a"', '"N"', "\\", '"mcpServers"' } },
  toml = { keys = { "mcp_servers" }, texts = {
    "# c\nmodel = 'x' # y", "a = 1\r\n[mcp_servers.o]\r\nargs = [\r\n 'a', # [b]\r\n]\r\n",
    '[p."x.y"]\nt = """\n[mcp_servers.N]\n"""\nd = 1979-05-27 07:32:00\n\n\n',
    "[[list]]\na = '''\n[mcp_servers.N]'''\n[ mcp_servers . N ]\nenv = { A = 'b', c.d = [1, {}] }",
    "[mcp_servers.N]\nurl = 1\n\n# c\n[mcp_servers.N.env]\nK = '1'\n[z]\na = 1\n",
  }, pieces = { "[", "]", "=", "\n", "\r\n", "#", '"', "'", '"""', "{", "}", ".", "a", "N",
    "mcp_servers", ",", "\\", " " } },
  yaml = { keys = { "extensions" }, texts = {
    "A: 1", "extensions: { } # none\n", "extensions:\r\nB: x\r\n", "\u{FEFF}A: 1\n",
    "# c\nextensions:\n    dev:\n        args:\n        - a\n\n    # trailing\nX: 1\n",
    "---\nL:\n- a\nextensions:\n  N: {type: x}\n  'b c': |\n    N: text\n",
    "extensions:\n  N:\n    url: u\n    env:\n      O: '1'\n    tools:\n    - a\n\n  z: {}\n",
  }, pieces = { "\n", "  ", "- ", ":", " ", "#", "{}", "[", "a:", "N:", "extensions:", "|", "'",
    '"',
    "\r\n", "\t", "---\n" } },
}

-- A text with up to four pieces inserted, removed or replaced.
local function broken(kind)
  local text = kind.texts[math.random(#kind.texts)]
  for _ = 1, math.random(0, 4) do
    local at, piece = math.random(0, #text), kind.pieces[math.random(#kind.pieces)]
    local gone = math.random(0, 2)
    text = text:sub(1, at) .. (math.random(3) == 1 and "" or piece) .. text:sub(at + 1 + gone)
  end
  return text
end

-- What a JSON text says beside the entry; nil for other texts.
local function rest_of(text)
  local decoded = core.decode(jsonc.plain(text))
  if type(decoded) ~= "table" then return nil end
  local servers = decoded.mcpServers
  if servers then servers.N = nil end
  if servers and not next(servers) then decoded.mcpServers = nil end
  return core.encode(decoded, true)
end

local function check_change(edit, keys, text)
  local removed = edit.remove(text, keys, "N")
  assert(rest_of(text) == rest_of(removed), "the rest is another")
  assert(edit.check(removed))
  assert(not edit.find(removed, keys, "N"))
  local new = edit.update(text, keys, "N", ENTRY, { url = true })
  if not new then return end
  assert(edit.check(new))
  assert(rest_of(text) == rest_of(new), "the rest is another")
  assert(edit.find(new, keys, "N"))
  assert(new == edit.update(new, keys, "N", ENTRY, { url = true }), "a second update changes it")
end

local function check_put(edit, keys, text)
  local one, undo = edit.put(text, keys, "N", ENTRY)
  if not one then return false end
  assert(undo.blank or rest_of(text) == rest_of(one), "the rest is another")
  assert(edit.check(one))
  assert(edit.find(one, keys, "N"))
  local two, second = edit.put(one, keys, "M", ENTRY)
  assert(edit.check(two))
  assert(edit.remove(two, keys, "M", second) == one, "the second entry leaves a trace")
  local other = edit.remove(two, keys, "N", undo)
  assert(edit.check(other))
  undo.last = true
  local left, left_too = edit.remove(one, keys, "N", undo), edit.remove(other, keys, "M", undo)
  if undo.blank then
    assert(edit.is_empty(left) and edit.is_empty(left_too))
  else
    assert(left == text and left_too == text, "the entry leaves a trace")
  end
  return true
end

describe("an editor of configuration files", function()
  for name, kind in pairs(KINDS) do
    it("of " .. name .. " changes correctly or not at all", function()
      local edit, count = require("mcp.cli.host.edit_" .. name), 0
      math.randomseed(20261129)
      for _ = 1, 1500 do
        local text = broken(kind)
        local ok, message = xpcall(function()
          if not edit.check(text) then return end
          local found, wrong = edit.find(text, kind.keys, "N")
          if wrong then return end
          if found then
            check_change(edit, kind.keys, text)
          elseif check_put(edit, kind.keys, text) then
            count = count + 1
          end
        end, debug.traceback)
        if not ok then error(("%q\n%s"):format(text, message), 0) end
      end
      assert.is_true(count > 150, count .. " texts were changed")
    end)
  end
end)
