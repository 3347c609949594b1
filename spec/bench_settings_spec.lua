-- SPDX-License-Identifier: MIT
-- bench/settings.lua: what a benchmark is asked for, out of the environment.
local helper = require "spec.helper"

describe("bench/settings.lua", function()
  -- What a program prints with NAME=value, and its status.
  local function run(value, text)
    return helper.shell(("%s %s -e %s 2>&1"):format(value and "AMOUNT=" .. value or "",
      os.getenv "LUA" or "lua5.4",
      helper.quote('local settings = require "bench.settings" io.write(tostring(' .. text .. "))")))
  end

  it("reads what is set, and has defaults", function()
    assert.equal("7", (run(nil, 'settings.whole("AMOUNT", 7)')))
    assert.equal("7", (run("", 'settings.whole("AMOUNT", 7)')))
    assert.equal("3", (run("3", 'settings.whole("AMOUNT", 7)')))
    assert.equal("0.7", (run("0.7", 'settings.number("AMOUNT", 1)')))
    assert.equal("x", (run("x", 'settings.option("AMOUNT", "y")')))
  end)

  it("ends with one line where a value cannot be used", function()
    for text, case in pairs {
      ['expected a whole number, 1 or more (wrk measures whole seconds), got "0.7"'] =
        { "0.7", 'settings.whole("AMOUNT", 7, "wrk measures whole seconds")' },
      ['expected a whole number, 1 or more, got "0"'] = { "0", 'settings.whole("AMOUNT", 7)' },
      ['expected a number above 0, got "many"'] = { "many", 'settings.number("AMOUNT", 7)' },
      ['expected a number above 0, got "-1"'] = { "-1", 'settings.number("AMOUNT", 7)' },
    } do
      local out, status = run(case[1], case[2])
      assert.equal("bench: AMOUNT: " .. text .. "\n", out)
      assert.equal(2, status)
    end
  end)
end)
