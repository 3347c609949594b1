-- SPDX-License-Identifier: MIT
-- Whether the client of a call can be asked at all is seen in the text of its _meta, without
-- reading it. What only looks like a declaration must not count, whatever else stands there.
local helper = require "spec.helper"
local mcp = require "mcp"
local state = require "mcp.server.ask.state"

local KEY = '"io.modelcontextprotocol/clientCapabilities":'
local CAN, CANNOT = KEY .. '{"elicitation":{}}', KEY .. "{}"

describe("what a call needs to ask its client", function()
  after_each(helper.leftovers)

  local function asks(meta)
    local app = mcp.server "spec"
    app:tool "asks" (function(_, ctx) return tostring(ctx:elicit("Sure?", { a = "string" })) end)
    local peer <close> = helper.open(app, "2026-07-28")
    peer:send(('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"asks","_meta":{'
      .. '"io.modelcontextprotocol/protocolVersion":"2026-07-28",%s}}}'):format(meta))
    local answer = peer:response(1)
    if answer.error then
      assert.matches("Client capability required: elicitation", answer.error.message)
      return false
    end
    assert.equal("input_required", answer.result.resultType)
    return true
  end

  it("depends on the declaration alone", function()
    for _, other in ipairs { '"x":1', '"com.example/clientCapabilities":{}',
      '"x":{' .. CANNOT .. "}",
      '"com.example/clientCapabilities":{"elicitation":{}}', '"x":{' .. CAN .. "}",
      '"x":"' .. CANNOT:gsub('"', '\\"') .. '"', '"/clientCapabilities":{}' } do
      for expected, declared in pairs { [true] = CAN, [false] = CANNOT } do
        for _, spelled in ipairs { declared, (declared:gsub("client", "\\u0063lient")),
          (declared:gsub("/", "\\/")), (declared:gsub(":", " :\t")) } do
          for _, meta in ipairs { other .. "," .. spelled, spelled .. "," .. other } do
            assert.equal(expected, asks(meta), meta)
          end
        end
      end
    end
  end)

  it("is nothing for a client that declares nothing, as most write it", function()
    local facts, row = { rounds = true }, { asks = true }
    for _, meta in ipairs { "{" .. CANNOT .. "}", '{"x":1,' .. KEY .. " { }}" } do
      assert.equal("answers", state.need(facts, row, meta))
    end
    for _, meta in ipairs { "{" .. CAN .. "}", "{}", '{"x":{' .. CANNOT .. "}," .. CAN .. "}" } do
      assert.is_true(state.need(facts, row, meta))
    end
    assert.is_false(state.need({}, row, "{" .. CAN .. "}"))
    assert.is_false(state.need(facts, {}, "{" .. CAN .. "}"))
  end)
end)
