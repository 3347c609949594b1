-- SPDX-License-Identifier: MIT
-- json_spec.lua: lua/mcp/json.lua, and src/wire/json_place.c by it.
local core = require "mcp.core"
local mcp = require "mcp"

local encode, decode = mcp.json.encode, mcp.json.decode

describe("mcp.json", function()
  it("of very many values gives back once what it took", function()
    local many = {}
    for i = 1, 5000 do many[i] = i end
    local text = "[" .. table.concat(many, ",") .. "]"
    for _ = 1, 50 do assert.equal(5000, #core.json_decode(text)) end
    -- Twice would end the process here.
    collectgarbage()
    collectgarbage()
  end)

  it("keeps integers, floats, null, [] and {} as they are", function()
    for _, text in ipairs { "[]", "{}", "null", "true", "1", "1.0", "-0.0", "9223372036854775807",
      "-9223372036854775808", "0.1", "1e300", '"a\\u0000b"', '[[],{},[null]]',
      '{"a":{"b":[]}}' } do
      assert.equal(text, encode((decode(text))))
    end
    assert.equal("integer", math.type(decode "3"))
    assert.equal("float", math.type(decode "3.0"))
    assert.equal(mcp.null, decode "null")
    assert.equal("[]", encode(mcp.array {}))
    assert.equal("{}", encode {})
    -- Beyond 64 bits there are only floats.
    assert.equal("float", math.type(decode "9223372036854775808"))
  end)

  it("says what comes of what lua-cjson decoded", function()
    local found, cjson = pcall(require, "cjson")
    if not found then
      pending "SKIPPED: lua-cjson is not installed"
      return
    end
    assert.equal('{"a":[1,2,null],"b":"x","c":{}}',
      encode(cjson.decode '{"a":[1,2,null],"b":"x","c":{}}', { sorted = true }):gsub("%.0", ""))
    assert.equal("null", encode(cjson.null))
  end)

  it("knows the array marks of lua-cjson's forks, whenever they are loaded", function()
    local before = package.loaded.cjson
    local key = 1
    package.loaded.cjson = { null = mcp.null, array_mt = {}, empty_array_mt = {},
      empty_array = debug.upvalueid(function() return key end, 1) }
    local cjson = package.loaded.cjson
    local list = setmetatable({}, cjson.array_mt)
    local empty = setmetatable({}, cjson.empty_array_mt)
    assert.equal("[[],[],[]]", encode { list, empty, cjson.empty_array })
    package.loaded.cjson = before
  end)

  it("sorts keys where asked", function()
    local keys = {}
    for i = 1, 100 do keys[("k%03d"):format(i * 37 % 101)] = { z = 1, a = 2 } end
    local text = encode(keys, { sorted = true })
    assert.equal('{"k001":{"a":2,"z":1},"k002":{"a":2,"z":1}', text:sub(1, 42))
    local again = {}
    for i = 100, 1, -1 do again[("k%03d"):format(i)] = { a = 2, z = 1 } end
    assert.equal(text, encode(again, { sorted = true }))
  end)

  it("indents where asked", function()
    local value = { a = { 1, { b = "x,{}[]:\"\\" } }, c = mcp.array {}, d = {}, e = mcp.null }
    assert.equal([[
{
  "a": [
    1,
    {
      "b": "x,{}[]:\"\\"
    }
  ],
  "c": [],
  "d": {},
  "e": null
}]], encode(value, { sorted = true, indent = 2 }))
    local text = encode(value, { sorted = true, indent = 16 })
    assert.equal(encode(value, { sorted = true }), encode(decode(text), { sorted = true }))
    assert.equal("1", encode(1, { indent = 2 }))
    assert.equal("[]", encode(mcp.array {}, { indent = 2 }))
    assert.equal("[1]", encode({ 1 }, { indent = 0 }))
    local deep = mcp.array {}
    for _ = 2, 128 do deep = { deep } end
    assert.same(decode(encode(deep)), decode(encode(deep, { indent = 16 })))
  end)

  local function refused(code, message, ...)
    local result, text, got = ...
    assert.is_nil(result)
    assert.equal(message, text)
    assert.equal(code, got)
  end

  it("names what cannot be written, and where it is", function()
    refused("EENCODE", "items[2].price: NaN", encode { items = { {}, { price = 0 / 0 } } })
    refused("EENCODE", "function", encode(print))
    refused("EENCODE", "nil: use mcp.null for null", encode(nil))
    refused("EENCODE", "nil: use mcp.null for null", encode())
    assert.equal("EUTF8", select(3, encode { a = "\xff" }))
    local cycle = {}
    cycle.self = cycle
    assert.equal("EENCODE", select(3, encode(cycle)))
    assert.equal("EENCODE", select(3, encode { 1, 2, x = 3 }))
  end)

  it("holds to the limits of writing", function()
    assert.equal('"12345"', encode("12345", { limit = 7 }))
    refused("ETOOBIG", "larger than its limit", encode("12345", { limit = 6 }))
    assert.equal("[1,2]", encode({ 1, 2 }, { limit = 5 }))
    assert.equal("ETOOBIG", select(3, encode({ 1, 2 }, { limit = 4 })))
    assert.equal("ETOOBIG", select(3, encode({ 1, 2 }, { limit = 5, indent = 1 })))
    -- What is over the limit is not written on: a million elements, and memory of a few.
    local big = {}
    for i = 1, 1000000 do big[i] = "0123456789" end
    local held = core.bytes_held()
    assert.equal("ETOOBIG", select(3, encode(big, { limit = 1000 })))
    assert.is_true(core.bytes_held() - held < 100000)
  end)

  local function fails(text, code, message, place, given)
    local value, got, got_code, got_place = decode(text, given)
    assert.is_nil(value)
    assert.equal(message, got)
    assert.equal(code, got_code)
    assert.same(place, got_place)
  end

  it("says where a text is wrong", function()
    local text = '{\n  "items": [\n    {"a": 1},\n    {"ü": 1, "price" 3}\n  ]\n}'
    local value, message, code, place = decode(text)
    assert.is_nil(value)
    assert.equal("EJSON", code)
    assert.equal(4, place.line)
    assert.equal(22, place.column)
    assert.equal(text:find("3}", 1, true), place.byte)
    assert.equal("items[2]", place.path)
    assert.matches("^line 4, column 22 %(byte 52%), at items%[2%]: ", message)
  end)

  it("names the way to it through keys and positions", function()
    local function path_of(text) return select(4, decode(text)).path end
    assert.equal("", path_of "")
    assert.equal("", path_of "x")
    assert.equal("", path_of "[1] 2")
    assert.equal("[1]", path_of "[x]")
    assert.equal("[3]", path_of "[1,[2,3],x]")
    assert.equal("[2][1].a", path_of '[{"b":[1,2]},[{"a":x')
    assert.equal("a.b", path_of '{"a":{"c":{"d":1},"b":')
    assert.equal("a", path_of '{"a":"\\x"}')
    assert.equal("a", path_of '{"a":1e999}')
    assert.equal("", path_of '{"a":1,"a":2}')
    -- Brackets and quotes in strings are text.
    assert.equal('[2]', path_of '["[{\\"]}:,",x]')
    -- Long keys are cut between characters, and long paths lose their beginning.
    assert.equal(("ä"):rep(20) .. "…", path_of('{"' .. ("ä"):rep(50) .. '":x'))
    local deep = path_of(('{"abcdefghij":'):rep(100) .. "x")
    assert.matches("^…%.abcdefghij%.", deep)
    assert.matches("%.abcdefghij$", deep)
    assert.is_true(#deep < 192 and #deep > 170)
    assert.equal("", path_of(("["):rep(129)):gsub("%[1%]", ""):gsub("^…", ""))
    assert.equal("EDEPTH", select(3, decode(("["):rep(129))))
  end)

  it("locates a fault at every cut of a text", function()
    local text = '{"a":[1,{"b":"x\\u00e9","c":[true,null]}],"d":-1.5e3,"e":{}}'
    for i = 0, #text - 1 do
      local value, message, code, place = decode(text:sub(1, i))
      assert.is_nil(value)
      assert.is_string(code)
      assert.truthy(utf8.len(message))
      assert.is_true(place.byte >= 1 and place.byte <= i + 1)
    end
  end)

  it("holds to the limits of reading", function()
    assert.same({ 1 }, decode("[1]", { limit = 3 }))
    fails("[1] ", "ETOOBIG", "the text has 4 bytes, more than its limit of 3", nil, { limit = 3 })
    assert.same({ {} }, decode("[{}]", { depth = 2 }))
    assert.equal("EDEPTH", select(3, decode("[[{}]]", { depth = 2 })))
    assert.equal("EDEPTH", select(3, decode("[]", { depth = 0 })))
    assert.same({ 1, 2 }, decode("[1,2]", { values = 3 }))
    assert.equal("ENODES", select(3, decode("[1,2,3]", { values = 3 })))
    local many = "[" .. ("1,"):rep(300000) .. "1]"
    assert.equal("ENODES", select(3, decode(many)))
    assert.equal(300001, #decode(many, { values = 300002 }))
  end)

  it("names what is wrong with a call", function()
    assert.error_matches(function() decode(1) end, "expected a string, got number")
    assert.error_matches(function() decode("", { dpeth = 1 }) end,
      'unknown option "dpeth", did you mean "depth"')
    assert.error_matches(function() decode("", { depth = 129 }) end,
      'option "depth": expected an integer from 0 to 128, got 129')
    assert.error_matches(function() encode(1, { indent = 17 }) end,
      'option "indent": expected an integer from 0 to 16, got 17')
    assert.error_matches(function() encode(1, { indent = 1.5 }) end, "got 1.5")
    assert.error_matches(function() encode(1, { sortd = true }) end, "did you mean")
  end)
end)
