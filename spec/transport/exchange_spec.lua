-- SPDX-License-Identifier: MIT
-- exchange_spec.lua: src/transport/exchange.c: the id of an exchange, and an answer that needs no
-- Lua and hardly any memory.
local exchange = require "codecs.exchange"

local function request(id) return ('{"jsonrpc":"2.0","id":%s,"method":"m"}'):format(id) end

describe("the key of an exchange", function()
  local function has(id, key) return (exchange.has_key(request(id), key)) end

  it("is a number's text, or a string after a quote, its escapes undone", function()
    assert.is_true(has("7", "7"))
    assert.is_true(has('"7"', '"7'))
    assert.is_true(has('""', '"'))
    assert.is_true(has([["\u0041\n\\"]], '"A\n\\'))
    assert.is_true(has('"' .. ("x"):rep(126) .. '"', '"' .. ("x"):rep(126)))
    assert.is_false(has("7", '"7'))
    assert.is_false(has('"7"', "7"))
    assert.is_false(has("7", "70"))
    assert.is_false(has("70", "7"))
    assert.is_false(has('"a"', '"b'))
    assert.is_false(has([["\u0041"]], [["\u0041]]))
  end)

  it("is none where there is no id, or none that can be kept", function()
    for _, text in ipairs { '{"jsonrpc":"2.0","method":"m"}', request "null", request "1.5",
      request('"' .. ("x"):rep(127) .. '"') } do
      local found, id = exchange.has_key(text, "")
      assert.same({ false, "" }, { found, id })
    end
  end)

  it("leaves the id as it stood in the text", function()
    for _, id in ipairs { "7", "-0", '"\\u0041"', '"' .. ("x"):rep(126) .. '"' } do
      assert.equal(id, select(2, exchange.has_key(request(id), "")))
    end
  end)
end)

describe("an exchange that fails", function()
  it("is answered with its id", function()
    local text, how = exchange.fail(request '"a"', -32000, "Busy")
    assert.equal('{"jsonrpc":"2.0","id":"a","error":{"code":-32000,"message":"Busy"}}', text)
    assert.equal("answered", how)
  end)

  it("without memory is lost: its transport ends the connection", function()
    assert.same({ "", "lost" }, { exchange.fail(request "1", -32603, "x", true) })
  end)
end)
