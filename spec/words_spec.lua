-- SPDX-License-Identifier: MIT
-- Texts are in plain technical English: no file has a word of scripts/words.lua, but for the uses
-- that spec/words_left.lua lists with their number and the reason.
local words = require "scripts.words"
local left = require "spec.words_left"

describe("the words of the tree", function()
  it("are found by the list, and plain English is not", function()
    for _, text in ipairs { "a connection is opened anew", "expected ':' behind a key",
      "log_level: %q is none", "nobody is authorized", "const mcp_exchange_ways_t *ways;",
      "for _, one in ipairs(list) do", "const char *why", "Misuse raises" } do
      assert.is_true(#words.hits(text) > 0, text)
    end
    for _, text in ipairs { "a server behind a reverse proxy", "there are two ways to stop it",
      "a person who reads this", "this is why it is closed", "one of them", "renewed",
      "watchdog" } do
      assert.same({}, words.hits(text), text)
    end
  end)

  it("are as many as allowed in each file", function()
    local counts, total = words.count(os.getenv "MCP_BUILD" .. "/luamcp")
    local wrong = {}
    for path, count in pairs(counts) do
      local allowed = left[path] and left[path][1] or 0
      if count > allowed then
        wrong[#wrong + 1] = ("%s: %d hits, %d allowed; show them: lua scripts/words.lua %s")
          :format(path, count, allowed, path)
      end
    end
    for path, entry in pairs(left) do
      local count, allowed = counts[path] or 0, entry[1]
      if #entry[2] < 10 then wrong[#wrong + 1] = path .. ": the reason is missing" end
      if count < allowed then
        wrong[#wrong + 1] = ("%s: %d hits, fewer than the %d allowed; lower the number: "
          .. "lua scripts/words.lua --write"):format(path, count, allowed)
      end
    end
    table.sort(wrong)
    assert.same({}, wrong)
    print(("words: %d hits left"):format(total))
  end)
end)
