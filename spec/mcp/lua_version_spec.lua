-- SPDX-License-Identifier: MIT
-- Another Lua that loads mcp gets one line that says so, and no error of syntax.
local helper = require "spec.helper"

local PATHS = { mcp = "lua/mcp/init.lua", ["mcp.on_luv"] = "lua/mcp/on_luv.lua" }

-- What there is on this machine beside Lua 5.4.
local function others()
  local found = {}
  for _, name in ipairs { "lua5.1", "luajit", "lua5.2", "lua5.3", "lua5.5" } do
    local out = helper.shell(("command -v %s"):format(name))
    if out:find "/" then found[#found + 1] = name end
  end
  return found
end

describe("a Lua that is not 5.4", function()
  after_each(helper.remove_files)

  it("is named by what is loaded first, before it loads anything else", function()
    for module, path in pairs(PATHS) do
      local asked = {}
      for version, jit in pairs { ["Lua 5.1"] = false, ["Lua 5.3"] = false, ["Lua 5.5"] = false,
        ["Lua 5.1 "] = "LuaJIT 2.1.0" } do
        local env
        env = { _VERSION = version:match "^.-%d", error = error, rawget = rawget, pcall = pcall,
          require = function(name)
            asked[#asked + 1] = name
            return assert(loadfile(PATHS[name], "t", env))()
          end }
        env._VERSION, env._G = version:match "^(.-%d%.%d)", env
        if jit then env.jit = { version = jit } end
        local ok, text = pcall(assert(loadfile(path, "t", env)))
        assert.is_false(ok)
        assert.matches("mcp needs Lua 5.4; this is " .. (jit or env._VERSION), text, 1, true)
      end
      assert.equal(module == "mcp" and 0 or 4, #asked)
    end
  end)

  local list = others()
  local test = list[1] and it or function(name)
    pending(name .. ": SKIPPED, there is no other Lua here (Debian: lua5.1, luajit)")
  end
  test("says so itself, in one line at the user's (" .. table.concat(list, ", ") .. ")", function()
    for _, name in ipairs(list) do
      for module in pairs(PATHS) do
        local script = helper.file(([[
          local ok, text = pcall(function()
            local mcp = require "%s"
          end)
          io.write(tostring(ok), " ", text, "\n")]]):format(module), ".lua")
        local out, status = helper.shell(("env -u LUA_INIT LUA_PATH='lua/?.lua;lua/?/init.lua' "
          .. "%s %s 2>&1"):format(name, script))
        assert.equal(0, status, out)
        assert.equal(1, select(2, out:gsub("\n", "")), out)
        assert.matches("^false [^\n]*mcp needs Lua 5%.4; this is Lua[^\n]+\n$", out)
      end
    end
  end)
end)
