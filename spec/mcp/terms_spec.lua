-- SPDX-License-Identifier: MIT
-- terms_spec.lua: lua/mcp/terms.lua.
local terms = require "mcp.terms"

local function of(text) return table.concat(terms.of(text), " ") end

describe("terms of a text", function()
  it("are split at case, digits and separators, and kept whole as well", function()
    assert.equal("get user id 2 getuserbyid2", of "getUserByID2")
    assert.equal("http client httpclient", of "HTTPClient")
    assert.equal("oauth 2 oauth2", of "oauth2")
    assert.equal("gh list pull request", of "gh_list-pull.requests")
    assert.equal("url", of "URLs")
  end)

  it("have one form for each form of a word", function()
    for _, list in ipairs { "create creates created creating creation", "query queries queried",
      "stop stops stopped stopping", "box boxes", "branch branches", "delete deleted deletion" } do
      local forms = {}
      for word in list:gmatch "%S+" do forms[of(word)] = true end
      local count = 0
      for _ in pairs(forms) do count = count + 1 end
      assert.equal(1, count, list)
    end
    assert.equal("status string red class bus", of "status string red class bus")
  end)

  it("lack words and single letters that say nothing", function()
    assert.equal("user fil", of "I want to use the user's file")
    assert.equal("", of "what is it?")
    assert.equal("", of "")
  end)

  it("of other scripts are in lower case, and characters where there are no spaces", function()
    assert.equal("größe über", of "GRÖßE — «Über»")
    assert.equal("цена ёж", of "ЦЕНА, ЁЖ")
    assert.equal("čas šířka", of "ČAS Šířka")
    assert.equal("日 本 語", of "日本語。")
  end)

  it("of what is not UTF-8 are those in ASCII", function()
    assert.equal("tea cup", of "\xFFtea\xC3 \xF8cup\x80")
  end)
end)
