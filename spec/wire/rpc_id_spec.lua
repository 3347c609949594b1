-- SPDX-License-Identifier: MIT
-- rpc_id_spec.lua: src/wire/rpc_id.c: which ids are the same, and the id of a message that could
-- not be read.
local rpc = require "codecs.rpc_id"

describe("ids", function()
  it("are the same where they are the same number, however it is written", function()
    local same = {
      { "7", "7.0", "7e0", "70e-1", "0.7e1", "7.00", "0.07E+2" },
      { "0", "-0", "0.0", "-0.0", "0e5" },
      { "-12", "-12.0", "-1.2e1" },
      { "100000000000000000000", "1e20", "1E+20", "100000000000000000000.0" },
      { "9223372036854775807" }, { "9223372036854775806" }, { "-9223372036854775808" },
      { '"7"', '"\\u0037"' }, { '"7.0"' }, { '"a/b"', '"a\\/b"', '"\\u0061/b"' }, { '""' },
      { '"-0"' }, { '"\\""', '"\\u0022"' },
    }
    for i, group in ipairs(same) do
      for _, a in ipairs(group) do
        for j, other in ipairs(same) do
          for _, b in ipairs(other) do
            assert.equal(i == j, rpc.equal(a, b), a .. " and " .. b)
            assert.equal(i == j, rpc.key(a) == rpc.key(b), "keys of " .. a .. " and " .. b)
          end
        end
      end
    end
  end)

  it("have keys that are their digits, or a quote and the string", function()
    assert.equal("7", rpc.key "7.0")
    assert.equal("-9223372036854775808", rpc.key "-9223372036854775808")
    assert.equal('"7', rpc.key '"7"')
    assert.equal('"\xc3\xa9"', rpc.key '"\\u00e9\\""')
    assert.equal('"' .. ("x"):rep(126), rpc.key('"' .. ("x"):rep(126) .. '"'))
  end)
end)

describe("the id of a message that could not be read", function()
  local function finds(id, is_response, text)
    local found, response = rpc.find(text)
    assert.equal(id, found, text)
    assert.equal(is_response, response, text)
  end

  it("is found whatever is wrong elsewhere", function()
    finds("7", true, '{"jsonrpc":"2.0","id":7,"result":{"text":"cut \\ud83d"}}')
    finds("7", true, '{"result":{"text":"\xff\\q\n"},"id":7}')
    finds("7", true, '{"jsonrpc":"2.0","result":{' .. ('"a":1,'):rep(2000) .. '"a":1},"id":7}')
    finds("7", true, '{"id":7,"result":[' .. ("["):rep(5000))
    finds("7", true, '{"id":7,"result":[' .. ("1,"):rep(250000) .. "1]}")
    finds("7", true, '{"id":7,"result":{"' .. ("k"):rep(1100) .. '":1}}')
    finds("7", true, ' \r\n{ "id" : 7 , "result" : NaN }')
    finds("7", true, '\xef\xbb\xbf{"id":7,"result":1}')
    finds("7", true, '{"id":7,"result":1} trailing')
    finds("7", true, '{"id":7,"result":1,"result":2}')
    finds("7.0", true, '{"id":7.0,"error":{"code":1e999}}')
    finds('"a\\"b"', false, '{"id":"a\\"b","method":"x","params":{"y":01}}')
    finds("7", false, '{"id":7,"method":"x","result":tru')
    finds("7", false, [[{"id":7 ,]])
    finds("7", false, '{"id":7,"params":{"result":1,"id":8},')
  end)

  it("is not made up", function()
    finds(nil, false, "")
    finds(nil, false, "   ")
    finds(nil, false, "garbage")
    finds(nil, false, '[{"id":7,"result":1}]')
    finds(nil, true, '{"result":{"id":7}}')
    finds(nil, true, '{"id":7,"id":8,"result":1}')
    finds(nil, true, '{"id":7,"result":1,"id":7}')
    finds(nil, true, '{"id":null,"error":{}}')
    finds(nil, true, '{"id":7.5,"result":1}')
    finds(nil, true, '{"id":true,"result":1}')
    finds(nil, true, '{"id":[7],"result":1}')
    finds(nil, true, '{"id":{"id":7},"result":1}')
    finds(nil, true, '{"id":"\\ud83d","result":1}')
    finds(nil, true, '{"id":"\xff","result":1}')
    finds(nil, true, '{"id":07,"result":1}')
    finds(nil, true, '{"id":,"result":1}')
    finds(nil, true, '{"id":"' .. ("x"):rep(127) .. '","result":1}')
    finds(nil, false, '{id:7,"result":1}')
    finds(nil, false, '{"text":"not closed, "id":7')
    finds(nil, false, '{"id')
    finds(nil, false, '{"id":7') -- it may go on
    finds(nil, false, '{"id":"7')
  end)

  it("is looked for within the text, wherever that is cut", function()
    local whole = '{"jsonrpc":"2.0","a":[{"b":"\\"}"},"\\\\"],"id":"seven\\u0037","result":{"x":"\\'
    for size = 0, #whole do
      local id = rpc.find(whole:sub(1, size))
      assert.is_true(id == nil or id == '"seven\\u0037"', size)
    end
    finds('"seven\\u0037"', true, whole)
  end)
end)
