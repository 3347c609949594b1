-- SPDX-License-Identifier: MIT
local header = require "mcp.header"

describe("header", function()
  it("plain fields stand for themselves, a field in Base64 for its bytes (HM-30, HM-31)", function()
    for field, text in pairs {
      [""] = "", ["plain"] = "plain", ["with space"] = "with space",
      ["=?base64?SGVsbG8=?="] = "Hello", ["=?base64??="] = "", ["=?base64?cMO8?="] = "pü",
    } do
      assert.equal(text, header.decode(field), field)
    end
  end)

  it("one of the marks alone is text (HM-33)", function()
    for _, field in ipairs { "=?base64?SGVsbG8=", "SGVsbG8=?=", "=?BASE64?SGVsbG8=?=",
      "=?base64?=" } do
      assert.equal(field, header.decode(field))
    end
  end)

  it("what is no canonical Base64 of UTF-8 is malformed (HM-33)", function()
    for _, body in ipairs { "SGVsbG8", "SGVs!!!bG8=", "SGVsbG9=", "SGVsbG8==", "/w==",
      " SGVsbG8=" } do
      assert.is_nil(header.decode("=?base64?" .. body .. "?="), body)
    end
  end)

  it("tokens are those of RFC 9110 5.6.2", function()
    for _, name in ipairs { "a", "Region", "x-1", "!#$%&'*+-.^_`|~" } do
      assert.is_true(header.is_token(name), name)
    end
    for _, name in ipairs { "", "a b", "a:b", "a/b", "ü", "a\n", "(a)", "a\0" } do
      assert.is_false(header.is_token(name), name)
    end
  end)
end)
