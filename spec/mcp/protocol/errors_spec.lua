-- SPDX-License-Identifier: MIT
-- The codes of errors: one name for each in Lua, and the same numbers in C.
local errors = require "mcp.protocol.errors"

-- Calls visit(text) for each line that the command prints.
local function each_line(command, visit)
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do visit(line) end
  pipe:close()
end

describe("the codes of errors", function()
  it("are the same in C, under names with the same end", function()
    local seen = 0
    each_line("grep -rhE 'define +MCP_[A-Z_]+ +.?-32[0-9]{3}' src", function(line)
      local name, code = line:match "define +MCP_([%u_]+) +%(?(%-%d+)"
      local known
      for own, number in pairs(errors) do
        if name:sub(-#own) == own then known = number end
      end
      assert.equal(known, tonumber(code), line)
      seen = seen + 1
    end)
    assert.is_true(seen >= 5)
  end)

  it("stand in no other file of lua/mcp as numbers", function()
    local wrong = {}
    each_line("grep -rnE -- '-32[0-9]{3}' lua/mcp", function(line)
      -- Scripts of pages have their own copies: they run in a browser.
      local code = line:gsub("^[^:]*:%d+:", ""):gsub("%-%-[^\n]*", "")
      if code:find "%-32%d%d%d" and not line:find "^lua/mcp/protocol/errors%.lua"
        and not line:find "^[^:]*%.js:" then
        wrong[#wrong + 1] = line
      end
    end)
    assert.equal("", table.concat(wrong, "\n"))
  end)
end)
