-- SPDX-License-Identifier: MIT
local json = require "codecs.json"

-- The members of an object from keys as they are spelled in the text.
local function object(keys)
  local members = {}
  for i, key in ipairs(keys) do members[i] = ('"%s":%d'):format(key, i) end
  return "{" .. table.concat(members, ",") .. "}"
end

local function refused(text, offset)
  assert.are.same({ nil, "EDUPLICATE", offset, "duplicate key in an object" },
    { json.decode(text) }, text:sub(1, 80))
end

local function many(n)
  local keys = {}
  for i = 1, n do keys[i] = "key" .. i end
  return keys
end

describe("duplicate keys (RFC 8259 4)", function()
  it("are refused at the second one", function()
    refused('{"a":1,"a":1}', 7)
    refused('{"a":1,"b":2,"a":3}', 13)
    refused('{"":1,"":2}', 6)
    refused('[{"x":{"a":1,"b":[{}],"a":2}}]', 22)
    refused('{"a":{"a":1},"a":1}', 13)
  end)

  it("are refused in every spelling", function()
    refused([[{"a":1,"\u0061":2}]], 7)
    refused([[{"\u0061":1,"a":2}]], 12)
    refused([[{"\u0061":1,"\u0061":2}]], 12)
    refused([[{"\u00e9":1,"é":2}]], 12)
    refused([[{"\u00e9":1,"\u00E9":2}]], 12)
    refused([[{"\ud83d\ude42":1,"🙂":2}]], 18)
    refused([[{"\/":1,"/":2}]], 8)
    refused([[{"\n":1,"\u000a":2}]], 8)
    refused([[{"a\u0000":1,"\u0061\u0000":2}]], 13)
  end)

  it("are the same bytes, not the same letter", function()
    assert.is_true(json.check [[{"a":1,"A":2,"aa":3,"":4,"a\u0000":5,"é":6,"é":7}]])
    assert.is_true(json.check '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}')
    assert.is_true(json.check [[{"\\u0061":1,"a":2}]])
  end)

  it("are found at any place of an object of any size", function()
    for _, n in ipairs { 2, 3, 8, 31, 32, 33, 34, 64, 100, 300 } do
      local keys = many(n)
      assert.is_true(json.check(object(keys)))
      for _, at in ipairs { 2, n // 2 + 1, n } do
        for _, of in ipairs { 1, at // 2, at - 1 } do
          if of >= 1 and of < at then
            local copy = table.move(keys, 1, n, 1, {})
            copy[at] = copy[of]
            local place = #object(table.move(copy, 1, at - 1, 1, {})) + (at > 1 and 0 or 1)
            refused(object(copy), place)
            copy[at] = ("\\u%04x"):format(copy[of]:byte()) .. copy[of]:sub(2)
            refused(object(copy), place)
          end
        end
      end
    end
  end)

  it("are named by the first in the text, of several", function()
    local keys = many(50)
    keys[20], keys[30], keys[40] = keys[2], keys[1], keys[2]
    refused(object(keys), #object(table.move(keys, 1, 19, 1, {})))
  end)

  it("differ in any letter, at any length", function()
    for _, n in ipairs { 1, 5, 7, 8, 9, 16, 17, 40, 200 } do
      local keys = {}
      for i = 1, n do
        keys[i] = ("a"):rep(i - 1) .. "b" .. ("a"):rep(n - i)
      end
      assert.is_true(json.check(object(keys)))
      keys[n + 1] = keys[(n + 1) // 2]
      refused(object(keys), #object(table.move(keys, 1, n, 1, {})))
    end
  end)

  it("cost no more than linear time, whatever the keys are", function()
    local function seconds(text, code)
      local start = os.clock()
      local _, refusal = json.check(text, { nodes = 1 << 20 })
      assert.are.equal(code, refusal)
      return os.clock() - start
    end
    local keys = many(100000)
    assert.is_true(seconds(object(keys)) < 1)
    keys[100000] = keys[1]
    assert.is_true(seconds(object(keys), "EDUPLICATE") < 1)
    -- Equal in length, first and last letter, and equal for 1,000 bytes.
    local long = ("x"):rep(1000)
    for i = 1, 4000 do keys[i] = ("%s%06dx"):format(long, i) end
    assert.is_true(seconds(object(table.move(keys, 1, 4000, 1, {}))) < 1)
    -- All of one hash, because all are one key.
    for i = 1, 100000 do keys[i] = "same" end
    assert.is_true(seconds(object(keys), "EDUPLICATE") < 2)
    -- Many objects that each have just too many keys for comparing in pairs.
    local one = object(many(33))
    assert.is_true(seconds("[" .. (one .. ","):rep(3000) .. one .. "]") < 1)
    -- And as many as are compared in pairs, all on one bit.
    for i = 1, 32 do keys[i] = ("%s%02dx"):format(("x"):rep(1000), i) end
    one = object(table.move(keys, 1, 32, 1, {}))
    assert.is_true(seconds("[" .. (one .. ","):rep(120) .. one .. "]") < 1)
  end)
end)
