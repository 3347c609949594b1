-- SPDX-License-Identifier: MIT
local fields = require "mcp.client.fields"
local helper = require "spec.helper"

-- What is wrong, in words.
local function refusal(given)
  local ok, why = pcall(fields.check, given)
  assert.is_false(ok, "it was taken")
  return why
end

describe("fields of a user", function()
  it("are a list, in an order that does not change", function()
    local list, names = fields.check { ["X-B"] = "2", Authorization = "Bearer x", ["x-a"] = 1 }
    assert.same({ { "Authorization", "Bearer x" }, { "X-B", "2" }, { "x-a", "1" } }, list)
    assert.same({ authorization = true, ["x-a"] = true, ["x-b"] = true }, names)
    assert.same({ { "X-Z", "1" }, { "X-A", "2" } },
      (fields.check { { "X-Z", "1" }, { "X-A", "2" } }))
    assert.same({}, (fields.check(nil)))
    assert.same({}, (fields.check {}))
  end)

  it("cannot end a line (HM-36)", function()
    for _, value in ipairs { "a\r\nEvil: 1", "a\nb", "a\rb", "a\0b", "a\127" } do
      assert.matches("X-A: expected text without control", refusal { ["X-A"] = value }, 1, true)
    end
    for _, name in ipairs { "", "X A", "X:A", "X\r\nEvil", "Ré", "X-A\0" } do
      assert.matches("expected a field name", refusal { [name] = "1" }, 1, true)
    end
    -- A tab and what lies beyond ASCII may stand in a value (RFC 9110 5.5).
    assert.same({ { "X-A", "a\tb é" } }, (fields.check { ["X-A"] = " a\tb é " }))
  end)

  it("are not ours", function()
    for _, name in ipairs { "Host", "content-length", "Transfer-Encoding", "Connection", "Accept",
      "Mcp-Session-Id", "MCP-Protocol-Version", "mcp-method", "Mcp-Param-Region", "Last-Event-ID",
      "Upgrade", "Sec-WebSocket-Key", "Expect", "TE", "Trailer" } do
      assert.equal("headers: " .. name .. " is set by the transport: leave it out",
        (refusal({ [name] = "x" }):gsub("^.-:%d+: ", "")))
    end
  end)

  it("may say what we say anyway", function()
    assert.same({ { "User-Agent", "x" } }, (fields.check {
      ["Content-Type"] = "application/json", ["User-Agent"] = "x" }))
    assert.matches("Content-Type is set", refusal { ["Content-Type"] = "text/plain" }, 1, true)
  end)

  it("come once each, as strings, and not too many", function()
    assert.matches('expected a field name (RFC 9110 5.6.2), got "a b"',
      refusal { ["a b"] = "1" }, 1, true)
    assert.matches("expected a field name (RFC 9110 5.6.2), got boolean",
      refusal { [true] = "1" }, 1, true)
    assert.matches("given twice", refusal { ["X-A"] = "1", ["x-a"] = "2" }, 1, true)
    assert.matches("expected a string, got table", refusal { ["X-A"] = {} }, 1, true)
    assert.matches("expected a table, got string", refusal "X-A: 1", 1, true)
    assert.matches("expected { name, value }", refusal { "X-A: 1" }, 1, true)
    assert.matches("expected at most 8192 bytes", refusal { ["X-A"] = ("x"):rep(8193) }, 1, true)
    assert.is_table(fields.check { ["X-A"] = ("x"):rep(8192) })
    local many = {}
    for i = 1, fields.COUNT do many[i] = { "X-" .. i, "1" } end
    assert.equal(fields.COUNT, #fields.check(many))
    many[#many + 1] = { "X-Last", "1" }
    assert.matches("expected at most 64 fields", refusal(many), 1, true)
  end)

  it("are blamed on the line that gave them", function()
    local chunk = assert(load("local fields = ... fields.check { Host = 'x' }", "@user.lua"))
    local _, why = pcall(chunk, fields)
    assert.equal("user.lua:1: headers: Host is set by the transport: leave it out", why)
    helper.leftovers()
  end)
end)
