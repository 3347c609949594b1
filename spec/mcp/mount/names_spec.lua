-- SPDX-License-Identifier: MIT
-- Names and addresses of a mounted server's entries, both ways.
local mcp = require "mcp"
local names = require "mcp.mount.names"

describe("names of a mount", function()
  local gh, none = names.new("My_Hub", "_"), names.new(false, "_")

  it("have a prefix", function()
    assert.equal("My_Hub_add", gh:name "add")
    assert.is_true(gh:has_name "My_Hub_add")
    assert.is_false(gh:has_name "My_Hub_")
    assert.is_false(gh:has_name(7))
    assert.equal("add", none:name "add")
    assert.equal("gh__add", names.new("gh", "__"):name "add")
  end)

  it("of resources have it in their scheme, which is lower case and has no _", function()
    for inner, outer in pairs { ["file:///a"] = "my-hub+file:///a", ["urn:x:y"] = "my-hub+urn:x:y",
      ["https://a.example/b"] = "my-hub+https://a.example/b", ["n://{i}"] = "my-hub+n://{i}",
      ["ui://page/a"] = "ui://my-hub+page/a" } do
      assert.equal(outer, gh:uri(inner))
      assert.equal(inner, gh:inner_uri(outer))
      assert.equal(inner, none:uri(inner))
      assert.equal(inner, none:inner_uri(inner))
      assert.is_nil(gh:inner_uri(inner))
    end
    assert.equal("file:///a", gh:inner_uri "MY-HUB+file:///a")
    assert.is_nil(gh:inner_uri(7))
  end)

  it("are put wherever an address stands, in a copy", function()
    local link = mcp.resource_link "n://a"
    assert.equal("my-hub+n://a", gh:content(link).uri)
    assert.equal("n://a", link.uri)
    local embedded = mcp.embedded("n://a", "x")
    assert.equal("my-hub+n://a", gh:content(embedded).resource.uri)
    assert.equal("n://a", embedded.resource.uri)
    assert.equal("x", gh:content(mcp.text "x").text)
    local messages = gh:messages { { role = "user", content = { link, embedded } },
      { role = "user", content = link }, { role = "user", content = "x" } }
    assert.equal("my-hub+n://a", messages[1].content[2].resource.uri)
    assert.equal("my-hub+n://a", messages[2].content.uri)
    assert.equal("my-hub+n://a", gh:read({ { uri = "n://a" } })[1].uri)
    local meta = { ui = { resourceUri = "ui://p", other = 1 }, ["ui/resourceUri"] = "ui://p" }
    assert.same({ ui = { resourceUri = "ui://my-hub+p", other = 1 },
      ["ui/resourceUri"] = "ui://my-hub+p" }, gh:meta(meta))
    assert.equal("ui://p", meta.ui.resourceUri)
    assert.equal(meta, none:meta(meta))
    for _, odd in ipairs { 7, "x", true } do
      assert.same({ odd, odd, odd, odd },
        { gh:meta(odd), gh:content(odd), gh:messages(odd), gh:read(odd) })
    end
  end)

  it("begin with a letter", function()
    assert.is_true(names.is_prefix "a1-._")
    for _, wrong in ipairs { "", "1a", "_a", "a b", "ä", "a/b" } do
      assert.is_false(names.is_prefix(wrong))
    end
  end)
end)

describe("addresses in what an app of this process returns", function()
  it("have the prefix, and stay as they are there", function()
    local inner, front = mcp.server "inner", mcp.server "front"
    local list = { mcp.resource_link "n://a", mcp.embedded("n://b", "x") }
    local forms = { list = list, link = list[1], result = { content = list } }
    for name, given in pairs(forms) do inner:tool(name)(function() return given end) end
    front:mount("gh", inner)
    local client <close> = assert(mcp.connect(front))
    for name in pairs(forms) do
      for _ = 1, 2 do
        local items = assert(client:call_tool("gh_" .. name)).content
        assert.equal("gh+n://a", items[1].uri)
        if items[2] then assert.equal("gh+n://b", items[2].resource.uri) end
      end
    end
    front:unmount "gh"
  end)
end)
