-- SPDX-License-Identifier: MIT
-- rpc_spec.lua: src/wire/rpc.c: what kind of message a JSON text is (JSON-RPC 2.0), and how an
-- answer is written.
local json = require "codecs.json"
local rpc = require "codecs.rpc"

local function is(expected, text)
  assert.same(expected, rpc.read(text), text)
end

-- `id` is what an error is to be answered with.
local function invalid(why, text, id)
  local read = rpc.read(text)
  assert.same({ "invalid", why, id }, { read.kind, read.why, read.id }, text)
end

describe("a message", function()
  it("is a request, a notification, a result or an error", function()
    is({ kind = "request", id = "1", method = "m", params = '{"a":[1]}' },
      '{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[1]}}')
    is({ kind = "request", id = '"x"', method = "" }, '{"jsonrpc":"2.0","id":"x","method":""}')
    is({ kind = "notification", method = "m", params = "{}" },
      '{"jsonrpc":"2.0","method":"m","params":{}}')
    is({ kind = "result", id = "-7", payload = "[1,2]" },
      '{"jsonrpc":"2.0","id":-7,"result":[1,2]}')
    is({ kind = "result", id = "0", payload = "null" }, '{"jsonrpc":"2.0","id":0,"result":null}')
    is({ kind = "error", id = "1", payload = '{"code":-1,"message":""}' },
      '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}')
  end)

  it("has its members in any order, spelled in any way, and others beside them", function()
    is({ kind = "request", id = "1", method = "m", params = "{}" },
      '{"params":{},"x":{"id":2,"method":"n","jsonrpc":"1"},"method":"m","id":1,"jsonrpc":"2.0"}')
    is({ kind = "request", id = "1", method = "m" },
      [[{"json\u0072pc":"2.0","\u0069d":1,"\u006dethod":"m"}]])
    is({ kind = "result", id = "1", payload = "2" },
      [[{"jsonrpc":"\u0032.0","id":1,"r\u0065sult":2}]])
    is({ kind = "error", id = "1", payload = "{}" },
      [[{"jsonrpc":"2.0","id":1,"\u0065rror":{}}]])
    is({ kind = "notification", method = "m", params = "{}" },
      [[{"jsonrpc":"2.0","method":"m","\u0070arams":{}}]])
  end)

  it("has params that are an object; null is none", function()
    is({ kind = "notification", method = "m" }, '{"jsonrpc":"2.0","method":"m","params":null}')
    for _, params in ipairs { "[]", "[1]", '"x"', "1", "true" } do
      invalid("params must be an object",
        ('{"jsonrpc":"2.0","id":5,"method":"m","params":%s}'):format(params), "5")
    end
  end)

  it("has a version, and that is 2.0", function()
    invalid('jsonrpc must be "2.0"', '{"id":1,"method":"m"}', "1")
    for _, version in ipairs { '"1.0"', '"2"', '"2.00"', "2.0", "2", "null", '["2.0"]' } do
      invalid('jsonrpc must be "2.0"', ('{"jsonrpc":%s,"id":1,"method":"m"}'):format(version), "1")
    end
  end)

  it("is an object", function()
    for _, text in ipairs { "[]", '"x"', "1", "null", "true" } do
      invalid("a message must be an object", text)
    end
    invalid('jsonrpc must be "2.0"', "{}")
  end)

  it("has a method that is a string, or one of result and error", function()
    for _, method in ipairs { "1", "null", "{}", "[]", "true" } do
      invalid("method must be a string",
        ('{"jsonrpc":"2.0","id":1,"method":%s}'):format(method), "1")
    end
    invalid("a message needs a method, a result or an error", '{"jsonrpc":"2.0","id":1}', "1")
    for _, more in ipairs { '"result":1', '"error":{}' } do
      invalid("a message has a method, or a result or error, not both",
        ('{"jsonrpc":"2.0","id":1,"method":"m",%s}'):format(more), "1")
    end
    invalid("a response has a result or an error, not both",
      '{"jsonrpc":"2.0","id":1,"result":1,"error":{}}', "1")
    for _, value in ipairs { "1", "[]", '"x"', "null" } do
      invalid("error must be an object",
        ('{"jsonrpc":"2.0","id":1,"error":%s}'):format(value), "1")
    end
  end)
end)

describe("an id", function()
  local BAD = "id must be a string or an integer"

  it("is a string or an integer, and kept as it stands in the text", function()
    for _, id in ipairs { "0", "-0", "1", "9223372036854775807", "9223372036854775808", "1e3",
      "7.0", "-12345678901234567890123", '""', '"x"', '"\\u0041\\n"', '"ä"' } do
      is({ kind = "request", id = id, method = "m" },
        ('{"jsonrpc":"2.0","id":%s,"method":"m"}'):format(id))
      is({ kind = "result", id = id, payload = "1" },
        ('{"jsonrpc":"2.0","id":%s,"result":1}'):format(id))
    end
  end)

  it("is nothing else: the answer to that has none", function()
    for _, id in ipairs { "null", "true", "false", "1.5", "-0.1", "{}", "[]", "[1]" } do
      invalid(BAD, ('{"jsonrpc":"2.0","id":%s,"method":"m"}'):format(id))
      invalid(BAD, ('{"jsonrpc":"2.0","id":%s,"result":1}'):format(id))
    end
  end)

  it("has 128 bytes of text at most, its quotes among them", function()
    for _, id in ipairs { '"' .. ("x"):rep(126) .. '"', "1" .. ("0"):rep(127) } do
      is({ kind = "request", id = id, method = "m" },
        ('{"jsonrpc":"2.0","id":%s,"method":"m"}'):format(id))
    end
    -- A number of more than 128 bytes is no JSON here at all.
    invalid("id is longer than 128 bytes",
      ('{"jsonrpc":"2.0","id":"%s","method":"m"}'):format(("x"):rep(127)))
    invalid("id is longer than 128 bytes",
      ('{"jsonrpc":"2.0","id":"%s","result":1}'):format(("x"):rep(200)))
  end)

  it("is wanted in a result; an error about what could not be read has none", function()
    invalid("a result needs the id of its request", '{"jsonrpc":"2.0","result":1}')
    is({ kind = "error", payload = "{}" }, '{"jsonrpc":"2.0","error":{}}')
    is({ kind = "error", payload = "{}" }, '{"jsonrpc":"2.0","id":null,"error":{}}')
    invalid(BAD, '{"jsonrpc":"2.0","id":1.5,"error":{}}')
    invalid(BAD, '{"jsonrpc":"2.0","id":{},"error":{}}')
  end)

  it("is shown with a message that is wrong otherwise", function()
    invalid("params must be an object", '{"jsonrpc":"2.0","id":"a","method":"m","params":1}', '"a"')
    invalid('jsonrpc must be "2.0"', '{"jsonrpc":"3","id":7.0,"method":"m"}', "7.0")
  end)
end)

describe("an answer", function()
  it("begins with its id as it came; without one it is null", function()
    assert.equal('{"jsonrpc":"2.0","id":"\\u0041","result":', rpc.result '"\\u0041"')
    assert.equal('{"jsonrpc":"2.0","id":7.0,"result":', rpc.result "7.0")
    assert.equal('{"jsonrpc":"2.0","id":null,"result":', rpc.result "")
  end)

  it("that is an error is whole, its text made into JSON", function()
    assert.equal('{"jsonrpc":"2.0","id":1,"error":{"code":-32700,"message":"a \\"b\\"\\n"}}',
      rpc.error("1", -32700, 'a "b"\n'))
    assert.equal('{"jsonrpc":"2.0","id":null,"error":{"code":0,"message":""}}',
      rpc.error("", 0, ""))
    local text = rpc.error('"' .. ("x"):rep(126) .. '"', -2147483648, ("ä\1"):rep(1000))
    assert.equal(("ä\1"):rep(1000), json.decode(text).error.message)
    assert.equal("error", rpc.read(text).kind)
  end)
end)
