-- SPDX-License-Identifier: MIT
local crypto = require "codecs.crypto"

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

local function to_url(text)
  return (text:gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

local function bytes_of(n)
  local bytes = {}
  for i = 1, n do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

--- Base64 by bits and by hand.
local function model(bytes, extra)
  local letters, bits = ALPHABET .. extra, {}
  for i = 1, #bytes do
    for shift = 7, 0, -1 do bits[#bits + 1] = bytes:byte(i) >> shift & 1 end
  end
  while #bits % 6 ~= 0 do bits[#bits + 1] = 0 end
  local out = {}
  for i = 1, #bits, 6 do
    local n = 0
    for j = i, i + 5 do n = n * 2 + bits[j] end
    out[#out + 1] = letters:sub(n + 1, n + 1)
  end
  return table.concat(out)
end

describe("base/crypto Base64 (RFC 4648)", function()
  before_each(function() math.randomseed(4648) end)

  it("section 10: writes and reads the test vectors", function()
    local vectors = {
      [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
      foobar = "Zm9vYmFy",
    }
    for bytes, text in pairs(vectors) do
      assert.equal(text, crypto.encode(bytes))
      assert.equal(bytes, crypto.decode(text))
      assert.equal(to_url(text), crypto.encode_url(bytes))
      assert.equal(bytes, crypto.decode_url(to_url(text)))
    end
  end)

  it("section 5: uses - and _ and no padding for base64url", function()
    assert.equal("+/+/", crypto.encode "\xFB\xFF\xBF")
    assert.equal("-_-_", crypto.encode_url "\xFB\xFF\xBF")
    assert.equal("\xFB\xFF\xBF", crypto.decode_url "-_-_")
  end)

  it("agrees with the slow way on every length and random bytes", function()
    for n = 0, 200 do
      local bytes = bytes_of(n)
      local plain = model(bytes, "+/")
      local padded = plain .. ("="):rep(-#plain % 4)
      assert.equal(padded, crypto.encode(bytes))
      assert.equal(model(bytes, "-_"), crypto.encode_url(bytes))
      assert.equal(bytes, crypto.decode(padded))
      assert.equal(bytes, crypto.decode_url(model(bytes, "-_")))
    end
  end)

  it("appends after the existing bytes, and leaves them unchanged on an error", function()
    assert.equal("x:Zm9v", crypto.encode("foo", "x:"))
    assert.equal("x:foob", crypto.decode_url("Zm9vYg", "x:"))
    assert.same({ nil, "EINVAL", "x:" }, { crypto.decode("Zm9vYg=v", "x:") })
    assert.same({ nil, "EINVAL", "x:" }, { crypto.decode("Zm9v!m9v", "x:") })
    assert.same({ nil, "EINVAL", "x:" }, { crypto.decode_url("Zm9vYh", "x:") })
  end)

  local function refuses(decode, text)
    local got, err = decode(text)
    if got or err ~= "EINVAL" then error(("%q was read as %q"):format(text, got)) end
  end

  it("section 3.3: refuses every byte outside of the alphabet, at every place", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      for at = 1, 8 do
        local text = ("AAAAAAAA"):sub(1, at - 1) .. c .. ("AAAAAAAA"):sub(at + 1)
        local plain = c:find "^[%w+/]$"
        -- One '=' at the end is padding, and AAAAAAA= has no bits set after it.
        if not plain and not (c == "=" and at == 8) then refuses(crypto.decode, text) end
        if not c:find "^[%w_-]$" then
          refuses(crypto.decode_url, text)
          if at <= 7 then refuses(crypto.decode_url, text:sub(1, 7)) end
          if at <= 6 then refuses(crypto.decode_url, text:sub(1, 6)) end
        end
        if plain then assert.is_truthy(crypto.decode(text)) end
      end
    end
  end)

  it("section 3.2: refuses padding that is missing, too much, or misplaced", function()
    for _, text in ipairs {
      "Zg", "Zg=", "Zg===", "Zm8", "Zm8==", "Zm9v=", "Zm9v==", "Zm9v====", "=", "==", "===",
      "====", "A===", "=AAA", "Zg==Zg==", "Zg==Zm9v", "Z=g=", "Zm=v", "Zm9vZ", "A",
    } do
      refuses(crypto.decode, text)
    end
    for _, text in ipairs { "Zg==", "Zg=", "Zm8=", "A", "Zm9vZ", "=", "Zm9v=" } do
      refuses(crypto.decode_url, text)
    end
  end)

  it("refuses white space anywhere (RFC 4648 3.1, unlike MIME)", function()
    for _, space in ipairs { " ", "\n", "\r\n", "\t", "\0" } do
      for _, text in ipairs { space .. "Zm9v", "Zm9v" .. space, "Zm" .. space .. "9v" } do
        refuses(crypto.decode, text)
        refuses(crypto.decode_url, text)
      end
    end
  end)

  it("section 3.5: refuses bits that the last letter has over", function()
    local letters, good = ALPHABET .. "+/", { 0, 0 }
    for i = 1, 64 do
      local c = letters:sub(i, i)
      for pad, tail in ipairs { "A" .. c .. "==", "AA" .. c .. "=" } do
        local zero = (i - 1) % (pad == 1 and 16 or 4) == 0
        if zero then
          good[pad] = good[pad] + 1
          assert.equal(tail, crypto.encode(crypto.decode(tail)))
        else
          refuses(crypto.decode, tail)
          refuses(crypto.decode_url, to_url(tail))
        end
      end
    end
    assert.same({ 4, 16 }, good)
  end)

  it("refuses a length whose text no memory can hold, before any", function()
    assert.same({ "ETOOBIG", "ETOOBIG" }, { crypto.encode_huge() })
  end)
end)

describe("base/crypto", function()
  it("fills random bytes of every length, across the kernel's piece of 256", function()
    for _, n in ipairs { 0, 1, 16, 255, 256, 257, 1000, 65536 } do
      local a, b = crypto.random(n), crypto.random(n)
      assert.equal(n, #a)
      if n >= 16 then
        assert.are_not.equal(a, b)
        -- Sixteen zero bytes in a row would be bytes that were never filled.
        assert.is_nil(a:find(("\0"):rep(16), 1, true))
        assert.are_not.equal(("\0"):rep(8), a:sub(-8))
      end
    end
  end)

  it("gives every byte value about equally often", function()
    local count = {}
    for byte = 0, 255 do count[byte] = 0 end
    for c in crypto.random(256 * 400):gmatch "." do
      count[c:byte()] = count[c:byte()] + 1
    end
    -- 400 expected, standard deviation 20: eight of them off means broken.
    for byte = 0, 255 do assert.is_true(math.abs(count[byte] - 400) < 160) end
  end)

  it("compares secrets", function()
    assert.is_true(crypto.equal("", ""))
    assert.is_true(crypto.equal("a\0b", "a\0b"))
    assert.is_false(crypto.equal("a\0b", "a\0c"))
    assert.is_false(crypto.equal("abc", "ab"))
    assert.is_false(crypto.equal("", "a"))
    local secret = crypto.random(64)
    for i = 1, 64 do
      for bit = 0, 7 do
        local flipped = string.char(secret:byte(i) ~ (1 << bit))
        assert.is_false(crypto.equal(secret, secret:sub(1, i - 1) .. flipped .. secret:sub(i + 1)))
      end
    end
  end)
end)
