-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local seal = require "mcp.server.seal"

local A, B = ("a"):rep(32), ("b"):rep(40)

describe("seal", function()
  local real = os.time
  after_each(function() os.time = real end) -- luacheck: ignore 122

  local function at(seconds)
    os.time = function() return real() + seconds end -- luacheck: ignore 122
  end

  it("gives back what it was given, in another process's ring too", function()
    local plain = { method = "tools/call", round = 3, answers = { x = { 1, 2.5, "ü" } } }
    local text = assert(seal.ring({ A }):seal("p", plain))
    local opened = assert(seal.ring({ A }):open("p", text))
    assert.equal("tools/call", opened.method)
    assert.equal(3, opened.round)
    assert.equal("ü", opened.answers.x[3])
  end)

  it("cannot be read, and is never the same twice", function()
    local ring = seal.ring { A }
    local one, two = ring:seal("p", { word = "hidden" }), ring:seal("p", { word = "hidden" })
    assert.not_equal(one, two)
    local body = one:match "^v1%.[%w_-]+%.([%w_-]+)$"
    local bytes = core.unbase64((body:gsub("[-_]", { ["-"] = "+", ["_"] = "/" }))
      .. ("="):rep(-#body % 4))
    assert.is_nil(bytes:find("hidden", 1, true))
  end)

  it("every byte and every bit of the text counts", function()
    local ring = seal.ring { A }
    local text = ring:seal("p", { x = 1 })
    for i = 1, #text do
      for bit = 0, 7 do
        local changed = text:sub(1, i - 1) .. string.char(text:byte(i) ~ 1 << bit)
          .. text:sub(i + 1)
        assert.is_nil(ring:open("p", changed), i)
      end
      assert.is_nil(ring:open("p", text:sub(1, i - 1)))
      assert.is_nil(ring:open("p", text:sub(1, i) .. text:sub(i)))
    end
    assert.is_table(ring:open("p", text))
  end)

  it("nothing may come behind it, nor in other letters", function()
    local ring = seal.ring { A }
    local text = ring:seal("p", { x = 1 })
    for _, junk in ipairs { "-TAMPERED", "=", "==", "A", " ", "\n", "\0", ".", "." .. text } do
      assert.is_nil(ring:open("p", text .. junk))
      assert.is_nil(ring:open("p", junk .. text))
    end
    for _, odd in ipairs { "", "v1", "v1..", "v1.x.y", "v2" .. text:sub(3), 5, true, {},
      core.null } do
      assert.is_nil(ring:open("p", odd))
    end
    assert.is_nil(ring:open("p", nil))
  end)

  it("is for one purpose", function()
    local ring = seal.ring { A }
    assert.is_nil(ring:open("q", ring:seal("p", { x = 1 })))
  end)

  it("the first key seals and all of them open: keys can be changed", function()
    local old, both, new = seal.ring { A }, seal.ring { B, A }, seal.ring { B }
    local text = old:seal("p", { x = 1 })
    assert.is_table(both:open("p", text))
    assert.is_nil(new:open("p", text))
    local later = both:seal("p", { x = 1 })
    assert.is_table(new:open("p", later))
    assert.is_nil(old:open("p", later))
  end)

  it("has a key of its own when it is given none", function()
    local one, two = seal.ring(), seal.ring()
    local text = one:seal("p", { x = 1 })
    assert.is_table(one:open("p", text))
    assert.is_nil(two:open("p", text))
  end)

  it("is good for 600 seconds, or as long as it is told, and not a moment longer", function()
    for _, case in ipairs { { 600, seal.ring { A } }, { 2, seal.ring({ A }, 2) } } do
      os.time = real -- luacheck: ignore 122
      local text = case[2]:seal("p", { x = 1 })
      local made = assert(case[2]:open("p", text)).iat
      os.time = function() return made + case[1] - 1 end -- luacheck: ignore 122
      assert.is_table(case[2]:open("p", text))
      os.time = function() return made + case[1] end -- luacheck: ignore 122
      assert.is_nil(case[2]:open("p", text))
      at(100000)
      assert.is_nil(case[2]:open("p", text))
    end
  end)

  it("is at most 16 KiB, both ways", function()
    local ring = seal.ring { A }
    local text, message = ring:seal("p", { x = ("x"):rep(16 * 1024) })
    assert.is_nil(text)
    assert.matches("at most 16384 are allowed", message, 1, true)
    local low, high = 0, 16384
    while high - low > 1 do
      local middle = (low + high) // 2
      if ring:seal("p", { x = ("x"):rep(middle) }) then low = middle else high = middle end
    end
    local longest = ring:seal("p", { x = ("x"):rep(low) })
    assert.is_true(#longest <= 16384 and #longest > 16380)
    assert.is_table(ring:open("p", longest))
    finally(function() seal.LENGTH = 16 * 1024 end)
    seal.LENGTH = 20000
    local longer = ring:seal("p", { x = ("x"):rep(low + 3) })
    seal.LENGTH = 16 * 1024
    assert.is_nil(ring:open("p", longer))
  end)

  it("refuses secrets that can be guessed", function()
    for _, case in ipairs {
      { {}, "at least one secret" },
      { { "short" }, "state_keys[1]: expected a secret of 32 bytes or more" },
      { { A, ("x"):rep(31) }, "state_keys[2]: expected a secret of 32 bytes or more, got 31" },
      { { 5 }, "got number" },
    } do
      local ok, message = pcall(seal.ring, case[1])
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
    end
    for _, ttl in ipairs { 0, -1, 0 / 0, math.huge } do
      assert.is_false((pcall(seal.ring, { A }, ttl)))
    end
  end)

  it("digests a value whatever the order of its keys", function()
    local one, two = {}, {}
    for i = 1, 50 do one["k" .. i] = i end
    for i = 50, 1, -1 do two["k" .. i] = i end
    assert.equal(seal.digest(core.encode(one, true)), seal.digest(core.encode(two, true)))
    two.k7 = "7"
    assert.not_equal(seal.digest(core.encode(one, true)), seal.digest(core.encode(two, true)))
  end)
end)
