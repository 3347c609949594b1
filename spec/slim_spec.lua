-- SPDX-License-Identifier: MIT
-- scripts/slim.lua: what it leaves of compiled code runs as before, and has its line numbers.
local slim = dofile "scripts/slim.lua"

describe("slim code", function()
  it("is smaller for each of our files, and is code that Lua loads", function()
    local files <close> = assert(io.popen "find lua -name '*.lua' -not -name '*.types.lua'")
    local whole, left = 0, 0
    for path in files:lines() do
      local code = string.dump(assert(loadfile(path)))
      local small = slim.code(code)
      assert(load(small, path, "b"))
      whole, left = whole + #code, left + #small
    end
    assert.is_true(left < 0.9 * whole, ("%d of %d bytes"):format(left, whole))
  end)

  it("does what the code did, with the line in its errors", function()
    local source = "local a <const>, b = 1.5, 'text'\nlocal function f(x, ...)\n"
      .. "  local y = x + 1 << 40\n  return y, b, ..., function() return a end\nend\n"
      .. "local y, t, z, g = f(2, 'more')\nlocal n\nreturn y, t, z, g and g(), pcall(function()\n"
      .. "  return n.x\nend)"
    local whole = assert(load(source, "@file.lua"))
    local small = assert(load(slim.code(string.dump(whole)), "=", "b"))
    local expected, got = table.pack(whole()), table.pack(small())
    assert.same({ table.unpack(expected, 1, 5) }, { table.unpack(got, 1, 5) })
    assert.matches("^file.lua:9: attempt to index a nil value", got[6])
  end)

  it("is left as it is in another format", function()
    assert.equal("\27Lua\x53 and more", slim.code "\27Lua\x53 and more")
  end)
end)
