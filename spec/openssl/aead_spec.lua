-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local openssl = require "mcp.openssl"

local function bytes(hex)
  return (hex:gsub("%s+", ""):gsub("%x%x", function(byte)
    return string.char(tonumber(byte, 16))
  end))
end

describe("mcp.openssl", function()
  -- The GCM specification's test cases 15 and 16 (McGrew and Viega), nonces of 96 bits.
  local KEY = bytes "feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308"
  local NONCE = bytes "cafebabefacedbaddecaf888"
  local PLAIN = bytes [[d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
    1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b391aafd255]]
  local CIPHER = bytes [[522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa
    8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662898015ad]]

  it("opens AES-256-GCM (test case 15)", function()
    local sealed = NONCE .. CIPHER .. bytes "b094dac5d93471bdec1a502270e3cc6c"
    assert.equal(PLAIN, openssl.open(KEY, "", sealed))
  end)

  it("opens AES-256-GCM with what it is about (test case 16)", function()
    local about = bytes "feedfacedeadbeeffeedfacedeadbeef abaddad2"
    local sealed = NONCE .. CIPHER:sub(1, 60) .. bytes "76fc6ece0f4e1768cddf8853bb2d551b"
    assert.equal(PLAIN:sub(1, 60), openssl.open(KEY, about, sealed))
    assert.is_nil(openssl.open(KEY, about .. "x", sealed))
    assert.is_nil(openssl.open(KEY, "", sealed))
  end)

  it("opens what it sealed, of any length, and nothing that has a bit changed", function()
    for _, plain in ipairs { "", "x", ("y"):rep(1000), "\0\255" } do
      local sealed = openssl.seal(KEY, "about", plain)
      assert.equal(#plain + 28, #sealed)
      assert.equal(plain, openssl.open(KEY, "about", sealed))
      for at = 1, math.min(#sealed, 40) do
        for bit = 0, 7 do
          local changed = sealed:sub(1, at - 1) .. string.char(sealed:byte(at) ~ 1 << bit)
            .. sealed:sub(at + 1)
          assert.is_nil(openssl.open(KEY, "about", changed))
        end
      end
      for length = 0, 27 do
        assert.is_nil(openssl.open(KEY, "about", sealed:sub(1, length)))
      end
      assert.is_nil(openssl.open(KEY, "about", sealed .. "\0"))
      assert.is_nil(openssl.open(("k"):rep(32), "about", sealed))
    end
  end)

  it("never uses a nonce twice", function()
    local seen = {}
    for _ = 1, 200 do
      local nonce = openssl.seal(KEY, "", "x"):sub(1, 12)
      assert.is_nil(seen[nonce])
      seen[nonce] = true
    end
  end)

  it("takes a key of 32 bytes and no other", function()
    for _, n in ipairs { 0, 16, 31, 33 } do
      assert.has_error(function() openssl.seal(("k"):rep(n), "", "") end)
      assert.has_error(function() openssl.open(("k"):rep(n), "", ("x"):rep(28)) end)
    end
  end)

  it("knows SHA-256 (FIPS 180-2 appendix B.1) and HMAC (RFC 4231 test case 2)", function()
    assert.equal(bytes "ba7816bf8f01cfea414140de5dae2223 b00361a396177a9cb410ff61f20015ad",
      openssl.sha256 "abc")
    assert.equal(bytes "5bdcc146bf60754e6a042426089575c7 5a003f089d2739839dec58b964ec3843",
      openssl.hmac_sha256("Jefe", "what do ya want for nothing?"))
  end)

  it("is in a module of its own: neither mcp.core nor the program loads libcrypto", function()
    local build = assert(os.getenv "MCP_BUILD")
    for _, name in ipairs { "mcp/core.so", "luamcp" } do
      local needed = helper.shell("readelf -d " .. helper.quote(build .. "/" .. name))
      assert.matches("NEEDED", needed)
      assert.is_nil(needed:find("libcrypto", 1, true), name)
    end
  end)
end)
