-- SPDX-License-Identifier: MIT
-- copy_spec.lua: src/lua/copy.c: Lua values as bytes and back.
local copy = require "codecs.copy"
local json = require "codecs.json"

local function bytes_of(...)
  local bytes, what = copy.write(nil, ...)
  assert.is_string(bytes, what)
  return bytes
end

local function again(...)
  local got = table.pack(copy.read(bytes_of(...)))
  assert.equal(select("#", ...), got[1])
  return table.unpack(got, 2, got.n)
end

local function refused(what, code, ...)
  local bytes, why, name = copy.write(nil, ...)
  assert.is_nil(bytes)
  assert.equal(what, why)
  assert.equal(code, name)
end

describe("values copied", function()
  it("are what they were", function()
    assert.is_nil(again(nil))
    assert.is_true(again(true))
    assert.is_false(again(false))
    assert.equal("", again "")
    assert.equal("a\0b\xFF\n", again "a\0b\xFF\n")
    assert.equal(json.null, again(json.null))
    for _, n in ipairs { 0, -1, 1 << 62, math.mininteger, math.maxinteger, 123456789012345678 } do
      assert.equal(n, again(n))
      assert.equal("integer", math.type(again(n)))
    end
    for _, n in ipairs { 0.0, 1.0, -1.5, 1 / 0, -1 / 0, 5e-324, 0.1, 2 ^ 53 } do
      assert.equal(n, again(n))
      assert.equal("float", math.type(again(n)))
    end
    assert.equal(-1 / 0, 1 / again(-0.0))
    local nan = again(0 / 0)
    assert.is_true(nan ~= nan)
  end)

  it("keep their number, nils in between and at the end too", function()
    assert.same({ n = 4, nil, 1, nil, nil }, table.pack(again(nil, 1, nil, nil)))
    assert.same({ n = 0 }, table.pack(again()))
  end)

  it("are tables with any keys", function()
    local given = { 1, "two", { 3 }, a = { b = { c = true } }, [0] = "zero", [-1] = 1.5,
      [1.5] = "float", [true] = false, ["\0"] = "\0", [100] = "far" }
    assert.same(given, again(given))
    assert.same({}, again {})
    assert.same({ nil, nil, 3 }, again { nil, nil, 3 })
    assert.equal("v", select(2, next(again { [json.null] = "v" })))
  end)

  it("an array stays one, also when it is empty; no other metatable is kept", function()
    local mt = getmetatable(json.decode "[]")
    assert.equal(mt, getmetatable(again(setmetatable({}, mt))))
    assert.equal("[]", json.encode(again(json.decode "[]")))
    assert.equal('{"a":[],"b":{}}', json.encode(again(json.decode '{"a":[],"b":{}}'), true))
    local object = setmetatable({ 1, x = 2 }, { __index = function() error "called" end,
      __len = function() error "called" end, __pairs = function() error "called" end })
    local got = again(object)
    assert.is_nil(getmetatable(got))
    assert.same({ 1, x = 2 }, got)
  end)

  it("a table that occurs twice becomes two", function()
    local shared = { 1 }
    local got = again { shared, shared }
    assert.same({ { 1 }, { 1 } }, got)
    assert.is_false(rawequal(got[1], got[2]))
  end)

  it("large ones too", function()
    local list = {}
    for i = 1, 20000 do list[i] = i end
    assert.same(list, again(list))
    local text = ("x"):rep(500000)
    assert.equal(text, again(text))
    local deep = {}
    for _ = 2, 100 do deep = { deep } end
    assert.same(deep, again(deep))
  end)
end)

describe("values refused", function()
  it("with the place", function()
    refused("function", "EENCODE", print)
    refused("thread", "EENCODE", coroutine.create(print))
    refused("userdata", "EENCODE", io.stdout)
    refused("[1]: function", "EENCODE", { print })
    refused("rows[2].close: function", "EENCODE", { rows = { 1, { close = print } } })
    refused("[-3].a: userdata", "EENCODE", { [-3] = { a = io.stdout } })
    refused("[boolean].x: function", "EENCODE", { [true] = { x = print } })
    refused("(a key): function", "EENCODE", { [print] = 1 })
    refused("a?b: function", "EENCODE", { ["a\nb"] = print })
  end)

  it("inside themselves", function()
    local ring = { 1 }
    ring.self = ring
    refused("self: a table inside itself", "EENCODE", ring)
    local one, two = {}, {}
    one.two, two.one = two, one
    refused("two.one: a table inside itself", "EENCODE", one)
  end)

  it("too deep, with a path that has an end", function()
    local deep = {}
    for _ = 2, 101 do deep = { deep } end
    local bytes, what, code = copy.write(nil, deep)
    assert.is_nil(bytes)
    assert.equal("EDEPTH", code)
    assert.is_true(#what < 192)
    assert.matches("nested deeper than its limit", what, 1, true)
    local named = { print }
    for _ = 1, 40 do named = { a_rather_long_name = named } end
    bytes, what, code = copy.write(nil, named)
    assert.is_nil(bytes)
    assert.equal("EENCODE", code)
    assert.matches("%[1%]: function$", what)
  end)

  it("larger than allowed, before the memory is taken", function()
    for limit = 0, 5 do
      local bytes, _, code = copy.write(limit, "x")
      assert.is_nil(bytes)
      assert.equal("ETOOBIG", code)
    end
    assert.equal(6, #copy.write(6, "x"))
    -- A few tables that say a lot.
    local bomb = "x"
    for _ = 1, 60 do bomb = { bomb, bomb } end
    local bytes, _, code = copy.write(1 << 20, bomb)
    assert.is_nil(bytes)
    assert.equal("ETOOBIG", code)
  end)
end)

describe("bytes that are no copy", function()
  it("are refused, wherever they are cut", function()
    local bytes = bytes_of { 1, 2.5, "text", { a = true, b = json.null }, false }
    for n = 1, #bytes - 1 do assert.equal(-1, copy.read(bytes:sub(1, n)), n) end
    assert.equal(0, copy.read "")
  end)

  it("are refused, whatever they say", function()
    for _, odd in ipairs { "x", "s\xFF\xFF\xFF\xFFx", "T\xFF\xFF\xFF\xFF\0\0\0\0",
      "A\0\0\0\0\xFF\xFF\xFF\xFF", "T\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F",
      -- nil, NaN and a value without its key
      "T\0\0\0\0\1\0\0\0nt", "T\0\0\0\0\1\0\0\0d" .. string.pack("d", 0 / 0) .. "t",
      "T\0\0\0\0\1\0\0\0t" } do
      assert.equal(-1, copy.read(odd))
    end
    assert.equal(-1, copy.read(("T\1\0\0\0\0\0\0\0"):rep(200)))
    assert.equal(-1, copy.read("n" .. "T"))
  end)

  it("any of them change nothing but the answer", function()
    local bytes = bytes_of({ 1, { "two", x = { y = 3.5 } }, true }, "text")
    for i = 1, #bytes do
      for _, byte in ipairs { 0, 1, 0x7F, 0xFF, ("T"):byte(), ("s"):byte() } do
        local count = copy.read(bytes:sub(1, i - 1) .. string.char(byte) .. bytes:sub(i + 1))
        assert.is_true(count >= -1)
      end
    end
  end)
end)
