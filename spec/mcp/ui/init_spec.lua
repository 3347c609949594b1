-- SPDX-License-Identifier: MIT
-- The view kit as text, and values inside scripts. What the kit does in a page is tried in a
-- browser: scripts/browser/kit.lua.
local helper = require "spec.helper"
local mcp = require "mcp"

describe("the view kit", function()
  it("is one inline script of at most 2048 bytes, which loads nothing (APP-40)", function()
    local kit = mcp.ui.kit
    assert.matches("^<script>const mcp=.*</script>$", kit)
    assert.equal(2048, require("mcp.ui").SIZE)
    assert.is_true(#kit <= 2048, ("%d bytes"):format(#kit))
    for _, word in ipairs { "eval", "Function(", "fetch", "import", "http", "blob:", "src=" } do
      assert.is_nil(kit:find(word, 1, true), word)
    end
    -- Nothing in it ends the script.
    assert.equal(1, select(2, kit:gsub("</", "")))
    assert.is_nil(kit:find("<!--", 1, true))
  end)

  it("is in the page of pictures, which is a whole document", function()
    local page = mcp.ui.with_kit(mcp.ui.pictures)
    assert.matches("^<!doctype html>", page)
    assert.truthy(page:find(mcp.ui.kit, 1, true))
    assert.is_nil(page:find("innerHTML", 1, true))
    assert.is_nil(page:find("https?:"))
  end)

  it("is the same text each time", function() assert.equal(mcp.ui.kit, mcp.ui.kit) end)

  it("is JavaScript", function()
    if os.execute "command -v node >/dev/null 2>&1" ~= true then
      return pending "SKIPPED: there is no node"
    end
    local path = helper.file(mcp.ui.kit:match "^<script>(.*)</script>$", ".js")
    local out, status = helper.shell("node --check " .. helper.quote(path) .. " 2>&1")
    helper.remove_files()
    assert.same({ "", 0 }, { out, status })
  end)

  it("has no comment of its source and no space that it does not need", function()
    local kit = mcp.ui.kit
    assert.is_nil(kit:find("The view kit", 1, true))
    assert.is_nil(kit:find("//", 1, true))
    assert.is_nil(kit:find "\n")
    assert.is_nil(kit:find "  ")
    assert.is_truthy(kit:find('"Unknown method"', 1, true))
  end)

  it("takes the place of the first comment that asks for it", function()
    local with = require("mcp.ui").with_kit
    assert.equal("a" .. mcp.ui.kit .. "b", with "a<!-- mcp.ui.kit -->b")
    assert.equal("a" .. mcp.ui.kit .. "b", with "a<!--mcp.ui.kit-->b")
    assert.equal(mcp.ui.kit .. "<!-- mcp.ui.kit -->",
      with "<!-- mcp.ui.kit --><!-- mcp.ui.kit -->")
    assert.equal("a<!-- mcp.ui.kits -->b", with "a<!-- mcp.ui.kits -->b")
    assert.equal("", with "")
  end)
end)

describe("mcp.ui.json", function()
  it("is JSON that a script element can contain (APP-91)", function()
    local hostile = "</script><!--<script>&\u{2028}\u{2029}\""
    local text = mcp.ui.json { text = hostile, list = { 1, 2.5, true, mcp.null } }
    assert.equal('{"list":[1,2.5,true,null],"text":"\\u003c/script\\u003e\\u003c!--'
      .. '\\u003cscript\\u003e\\u0026\\u2028\\u2029\\""}', text)
    assert.same({ list = { 1, 2.5, true, mcp.null }, text = hostile },
      helper.plain(mcp.json.decode(text)))
    assert.equal('"plain \u{E9}"', mcp.ui.json "plain \u{E9}")
  end)

  it("raises at the caller's line what JSON cannot carry", function()
    local ok, text = pcall(function() mcp.ui.json { f = print } end)
    assert.is_false(ok)
    assert.matches("^spec/mcp/ui/init_spec.lua:%d+: mcp.ui.json: ", text)
  end)
end)
