-- SPDX-License-Identifier: MIT
local ws = require "codecs.ws"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("sha1", function()
  it("gives the digests of FIPS 180 and RFC 3174", function()
    for text, digest in pairs {
      [""] = "da39a3ee5e6b4b0d3255bfef95601890afd80709",
      abc = "a9993e364706816aba3e25717850c26c9cd0d89d",
      ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"] =
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
      [("0123456701234567012345670123456701234567012345670123456701234567"):rep(10)] =
        "dea356a2cddd90c7a7ecedc5ebb563934f460452",
      [("a"):rep(1000000)] = "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
    } do
      assert.equal(digest, hex(ws.sha1(text)))
    end
  end)

  it("knows where a block ends", function()
    -- Around 55, 56 and 64 bytes the padding takes another block; any change shows.
    local seen = {}
    for n = 0, 130 do
      local digest = ws.sha1(("x"):rep(n))
      assert.equal(20, #digest)
      assert.is_nil(seen[digest])
      seen[digest] = true
    end
    assert.equal("c1c8bbdc22796e28c0e15163d20899b65621d65a", hex(ws.sha1(("a"):rep(55))))
    assert.equal("c2db330f6083854c99d4b5bfb6e8f29f201be699", hex(ws.sha1(("a"):rep(56))))
    assert.equal("0098ba824b5c16427bd7a1122a5a442a25ec644d", hex(ws.sha1(("a"):rep(64))))
  end)
end)
