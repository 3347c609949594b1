-- SPDX-License-Identifier: MIT
local json = require "codecs.json"

local function decode(text)
  local value, code, offset, what = json.decode(text)
  assert.is_nil(code, ("%s at %s: %s"):format(code, offset, what))
  return value
end

local function refused(code, what, value, sorted)
  assert.are.same({ nil, code, what }, { json.encode(value, sorted) })
end

describe("values read", function()
  it("have the types that lose nothing (SEC-101)", function()
    assert.are.equal(json.null, decode "null")
    assert.are.equal(true, decode "true")
    assert.are.equal(false, decode "false")
    assert.are.equal("integer", math.type(decode "1"))
    assert.are.equal("float", math.type(decode "1.0"))
    assert.are.equal("integer", math.type(decode "123456789012345678"))
    assert.are.equal("a\0b", decode [["a\u0000b"]])
    assert.are.same({ a = { 1, "x", json.null }, b = {} }, decode '{"a":[1,"x",null],"b":{}}')
  end)

  it("null is lua-cjson's null", function()
    local found, cjson = pcall(require, "cjson")
    if not found then
      pending "SKIPPED: the comparison with lua-cjson, which is not installed"
      return
    end
    assert.are.equal(cjson.null, json.null)
  end)

  it("arrays bear the metatable of arrays, objects none", function()
    local value = decode '{"a":[],"b":[[1]],"c":{}}'
    assert.is_nil(getmetatable(value))
    assert.are.equal(json.array_mt, getmetatable(value.a))
    assert.are.equal(json.array_mt, getmetatable(value.b))
    assert.are.equal(json.array_mt, getmetatable(value.b[1]))
    assert.is_nil(getmetatable(value.c))
  end)

  it("are complete at every depth and width", function()
    local deep = decode(('[{"a":'):rep(64) .. "7" .. ("}]"):rep(64))
    for _ = 1, 64 do deep = deep[1].a end
    assert.are.equal(7, deep)
    local wide = {}
    for i = 1, 3000 do wide[i] = ('"k%d":[%d,[],{"x":%d}]'):format(i, i, -i) end
    local value = decode("{" .. table.concat(wide, ",") .. "}")
    for i = 1, 3000 do assert.are.same({ i, {}, { x = -i } }, value["k" .. i]) end
  end)

  it("survive a collection at every allocation", function()
    local long = ("x"):rep(3000) .. "\n"
    local text = assert(json.encode {
      list = { long, { long .. 1, "a\nb" }, long .. long }, ["key\n"] = { { {} }, 1.5 },
    })
    local before = collectgarbage("setpause", 0)
    local mul = collectgarbage("setstepmul", 1000)
    for _ = 1, 200 do
      local value = decode(text)
      assert.are.equal(long .. long, value.list[3])
      assert.are.equal(long .. 1, value.list[2][1])
      assert.are.same({ { {} }, 1.5 }, value["key\n"])
    end
    collectgarbage("setpause", before)
    collectgarbage("setstepmul", mul)
  end)
end)

describe("values written", function()
  it("come back with their types", function()
    for _, text in ipairs {
      "null", "true", "false", "0", "-1", "1.0", "1.5", '""', '"a"', "[]", "{}", "[[],{}]",
      '{"a":[1,2.0,"x",null,false]}', "[[[[[1]]]]]",
    } do
      assert.are.equal(text, json.encode(decode(text)))
    end
  end)

  it("tables are arrays by their mark or by [1], else objects", function()
    assert.are.equal("{}", json.encode {})
    assert.are.equal("[]", json.encode(json.array {}))
    assert.are.equal("[1,2]", json.encode { 1, 2 })
    assert.are.equal('[["a"],{}]', json.encode { { "a" }, {} })
    assert.are.equal('{"1":1}', json.encode { ["1"] = 1 })
  end)

  it("arrays may have been filled in any order", function()
    local t = {}
    for i = 100, 1, -1 do t[i] = i end
    assert.are.equal("[" .. table.concat(t, ",") .. "]", json.encode(t))
    for n = 1, 20 do
      for from = 1, n do
        local u = {}
        for i = from, n do u[i] = i end
        for i = from - 1, 1, -1 do u[i] = i end
        assert.are.equal("[" .. table.concat(u, ",") .. "]", json.encode(u))
        assert.are.equal("[" .. table.concat(u, ",") .. "]", json.encode(json.array(u)))
      end
    end
    local v = { x = 1, y = 2, z = 3 }
    for i = 1, 10 do v[i] = i end
    v.x, v.y, v.z = nil, nil, nil
    assert.are.equal("[1,2,3,4,5,6,7,8,9,10]", json.encode(v))
  end)

  it("other marks of arrays can be made known", function()
    local mt, other = {}, {}
    assert.are.equal("{}", json.encode(setmetatable({}, mt)))
    json.mark_array(mt)
    assert.are.equal("[]", json.encode(setmetatable({}, mt)))
    assert.are.equal("[1]", json.encode(setmetatable({ 1 }, mt)))
    assert.are.equal("{}", json.encode(setmetatable({}, other)))
    refused("EENCODE", "an array with string keys", setmetatable({ a = 1 }, mt))
  end)

  it("keys come sorted by their bytes where asked", function()
    local value = { b = 1, a = { z = 1, y = { 2, { d = 1, c = 2 } } }, B = 2, aa = 3, [""] = 4,
      ["é"] = 5, ["a\0"] = 6 }
    local text = '{"":4,"B":2,"a":{"y":[2,{"c":2,"d":1}],"z":1},"a\\u0000":6,"aa":3,"b":1,"é":5}'
    assert.are.equal(text, json.encode(value, true))
    assert.are.same(value, decode(json.encode(value)))
    assert.are.equal("{}", json.encode({}, true))
  end)

  it("raw text goes out as it is, on one line", function()
    assert.are.equal('{"id":12345678901234567890,"x":[1.50]}',
      json.encode({ id = json.raw "12345678901234567890", x = { json.raw "1.50" } }, true))
    assert.are.equal('{  "a":1 }', json.encode(json.raw '{\r\n"a":1\n}'))
    assert.are.equal(false, getmetatable(json.raw "1"))
    assert.is_truthy(tostring(json.raw "1"):find "^mcp%.raw: ")
  end)

  it("no metamethod is called", function()
    local function never() error "called" end
    local mt = { __index = never, __newindex = never, __len = never, __pairs = never,
      __eq = never, __tostring = never, __name = "x", __call = never, __concat = never }
    assert.are.equal('{"a":1}', json.encode(setmetatable({ a = 1 }, mt)))
    assert.are.equal('{"a":1}', json.encode(setmetatable({ a = 1 }, mt), true))
    assert.are.equal("[1,2]", json.encode(setmetatable({ 1, 2 }, mt)))
    assert.are.equal("{}", json.encode(setmetatable({}, mt)))
  end)

  it("the same table twice side by side is no cycle", function()
    local t = { 1 }
    assert.are.equal("[[1],[1]]", json.encode { t, t })
  end)
end)

describe("values that JSON cannot carry", function()
  it("are named by their path", function()
    refused("EENCODE", "content[1].text: function", { content = { { text = print } } })
    refused("EENCODE", "function", print)
    refused("EENCODE", "nil", nil)
    refused("EENCODE", "[2].a[1][3]: thread",
      { 1, { a = { { 1, 2, coroutine.create(print) } } } })
    refused("EENCODE", "f: userdata", { f = io.stdout })
    refused("EENCODE", "n: NaN", { n = 0 / 0 })
    refused("EENCODE", "[1]: infinity", { -1 / 0 })
    refused("EENCODE", "a.b.c: function", { a = { b = { c = print } } }, true)
  end)

  it("strings and keys that are not UTF-8 (RFC 8259 8.1)", function()
    refused("EUTF8", "not valid UTF-8 at byte 1", "\xff")
    refused("EUTF8", "a[1]: not valid UTF-8 at byte 2", { a = { "x\xc0\x80" } })
    refused("EUTF8", "a[1]: not valid UTF-8 at byte 41",
      { a = { ("\u{20ac}"):rep(13) .. "x\xe2\x82" } })
    refused("EUTF8", "a?b: a key that is not valid UTF-8", { ["a\xffb"] = 1 })
    refused("EUTF8", "a?b: a key that is not valid UTF-8", { ["a\xffb"] = 1 }, true)
    refused("EUTF8", "not valid UTF-8 at byte 1", "\u{d800}")
  end)

  it("keys that are neither all strings nor 1 to n", function()
    local object = " in an object (keys are neither all strings nor 1 to n)"
    refused("EENCODE", "integer key 2" .. object, { [2] = 1 })
    refused("EENCODE", "t: integer key 0" .. object, { t = { [0] = 1 } })
    refused("EENCODE", "integer key -1" .. object, { [-1] = 1 })
    refused("EENCODE", "a key that is a float", { [1.5] = 1 })
    refused("EENCODE", "a key that is a boolean", { [true] = 1 })
    refused("EENCODE", "a key that is a table", { [{}] = 1 })
    refused("EENCODE", "a key that is a userdata", { [json.null] = 1 }, true)
    for _, sorted in ipairs { false, true } do
      local _, code, what = json.encode({ 1, 2, a = 3 }, sorted)
      assert.are.equal("EENCODE", code)
      assert.are.equal("an array with string keys", what)
      for i = 1, 20 do
        local mixed = { ["k" .. i] = 1, [i] = 1 }
        assert.are.equal("EENCODE", (select(2, json.encode(mixed, sorted))))
      end
    end
    refused("EENCODE", "an array with keys that are no positions", { 1, [2.5] = 1 })
    refused("EENCODE", "an array with keys that are no positions", { 1, [0] = 1 })
    refused("EENCODE", "an array with string keys", json.array { a = 1 })
  end)

  it("holes in an array, by their place", function()
    refused("EENCODE", "[2]: a hole in an array", { 1, nil, 3 })
    refused("EENCODE", "a[4]: a hole in an array", { a = { 1, 2, 3, [5] = 5 } })
    refused("EENCODE", "[1]: a hole in an array", json.array { nil, 2 })
    refused("EENCODE", "[1]: a hole in an array", json.array { [1000000] = 1 })
    refused("EENCODE", "[2]: a hole in an array", { 1, [math.maxinteger] = 1 })
  end)

  it("tables deeper than MCP_JSON_DEPTH, or in themselves", function()
    local deep = "x"
    for _ = 1, 128 do deep = { deep } end
    assert.are.equal(("["):rep(128) .. '"x"' .. ("]"):rep(128), json.encode(deep))
    local text, code, what = json.encode { deep }
    assert.is_nil(text)
    assert.are.equal("EENCODE", code)
    assert.is_truthy(what:find ": nested deeper than the limit, or cyclic$")
    local cycle = {}
    cycle.self = cycle
    text, code, what = json.encode(cycle)
    assert.is_nil(text)
    assert.are.equal("EENCODE", code)
    assert.is_truthy(what:find "^%.%.%.self%.self%..*: nested deeper than the limit, or cyclic$")
  end)

  it("have a path that is cut, clean and UTF-8", function()
    local _, _, what = json.encode { [("k"):rep(1000)] = print }
    assert.are.equal(("k"):rep(40) .. ": function", what)
    _, _, what = json.encode { [("я"):rep(1000)] = print }
    assert.are.equal(("я"):rep(20) .. ": function", what)
    _, _, what = json.encode { [("x"):rep(39) .. "🙂y"] = print }
    assert.are.equal(("x"):rep(39) .. "🙂: function", what)
    _, _, what = json.encode { ["a\nb\0"] = { print } }
    assert.are.equal("a?b?[1]: function", what)
    local value = print
    for i = 1, 30 do value = { [("%02d"):format(i) .. ("語"):rep(10)] = { value } } end
    _, _, what = json.encode(value)
    assert.is_true(#what < 192 and #what > 100)
    assert.is_truthy(utf8.len(what))
    assert.is_truthy(what:find "^%.%.%.")
    assert.is_truthy(what:find("01" .. ("語"):rep(10) .. "[1]: function", 1, true))
  end)

  it("give back what they took for sorting, written whole or not", function()
    local core, system = require "mcp.core", require "codecs.system"
    local good, bad = {}, {}
    for i = 1, 100 do good["key" .. i], bad["key" .. i] = { a = i, b = i }, i end
    bad.key50 = { x = { y = print } }
    local function rounds()
      for _ = 1, 50 do
        assert(core.encode(good, true))
        assert.is_nil((core.encode(bad, true)))
      end
      collectgarbage()
      collectgarbage()
      return system.heap()
    end
    rounds()
    local before = rounds()
    -- A block of 100 keys has 2400 bytes, and 100 of them were taken.
    assert.is_true(rounds() <= before + 20000)
  end)

  it("leave the writer ready for the next", function()
    for _ = 1, 100 do
      json.encode { ("x"):rep(1000), print }
      assert.are.equal("[1]", json.encode { 1 })
    end
  end)
end)
