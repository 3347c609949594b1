-- SPDX-License-Identifier: MIT
-- The stateless era's own: mirrored header fields, discovery. The ladder as a whole is in
-- http_spec (with header fields) and duplex_spec (without).
local header = require "mcp.header"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("the modern front", function()
  after_each(helper.leftovers)

  it("decodes mirrored values (HM-30 to HM-33)", function()
    local cases = {
      ["plain"] = "plain", [""] = "", ["two words"] = "two words",
      ["=?base64?cMO8?="] = "pü", ["=?base64??="] = "",
      -- Only one of the two marks, or another case: literal text.
      ["=?base64?cMO8"] = "=?base64?cMO8", ["cMO8?="] = "cMO8?=",
      ["=?BASE64?cMO8?="] = "=?BASE64?cMO8?=", ["x=?base64?cMO8?="] = "x=?base64?cMO8?=",
      -- Text that looks like the mark travels encoded.
      ["=?base64?PT9iYXNlNjQ/eD89?="] = "=?base64?x?=",
    }
    for field, text in pairs(cases) do assert.equal(text, header.decode(field), field) end
  end)

  it("refuses a mark around what is no canonical Base64 of UTF-8 (HM-33)", function()
    for _, field in ipairs { "=?base64?cMO8=?=", "=?base64?c?=", "=?base64?cM O8?=",
      "=?base64?cMO-?=", "=?base64?/w==?=", "=?base64?eA?=", "=?base64?eB==?=",
      "=?base64?eA==eA==?=", "=?base64?7aCA?=" } do
      assert.is_nil(header.decode(field), field)
    end
  end)

  it("server/discover tells versions, capabilities, instructions and identity (4.1)", function()
    local app = mcp.server { name = "n", version = "1", instructions = "Be kind.",
      cache = { ttl = 60 } }
    app:tool "t" (function() end)
    local peer = helper.connect(app)
    local response, line = peer:modern "server/discover"
    local result = response.result
    local names = {}
    for name in pairs(result) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "_meta", "cacheScope", "capabilities", "instructions", "resultType",
      "supportedVersions", "ttlMs" }, names)
    assert.equal("Be kind.", result.instructions)
    assert.equal(60000, result.ttlMs)
    assert.same({ name = "n", version = "1" }, result._meta[helper.PREFIX .. "serverInfo"])
    assert.equal("2026-07-28", result.supportedVersions[1])
    assert.matches('"capabilities":{', line, 1, true)
  end)

  it("versions in -32022 are all in supportedVersions (4.1)", function()
    local peer = helper.connect(mcp.server "spec")
    local discovered, known = peer:modern("server/discover").result.supportedVersions, {}
    for _, name in ipairs(discovered) do known[name] = true end
    local err = peer:modern("tools/list", nil, { [helper.PREFIX .. "protocolVersion"] = "x" }).error
    for _, name in ipairs(err.data.supported) do assert.is_true(known[name], name) end
  end)

  it("a server without anything still answers discovery", function()
    local _, line = helper.connect(mcp.server "spec"):modern "server/discover"
    assert.matches('"capabilities":{}', line, 1, true)
  end)

  it("keeps nothing from one request for the next (3.1)", function()
    local app = mcp.server "spec"
    app:tool "t" (function(_, ctx)
      local client = ctx.client
      return (client and client.name or "-") .. (ctx:log("error", "x") and "+" or "-")
    end)
    local peer = helper.open(app, "2026-07-28")
    local function call(more)
      return peer:modern("tools/call", { name = "t" }, more).result.content[1].text
    end
    assert.equal("me+", call { [helper.PREFIX .. "clientInfo"] = { name = "me", version = "1" },
      [helper.PREFIX .. "logLevel"] = "debug" })
    assert.equal("--", call())
  end)
end)
