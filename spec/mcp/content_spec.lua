-- SPDX-License-Identifier: MIT
local content = require "mcp.content"
local core = require "mcp.core"
local mcp = require "mcp"

describe("content", function()
  local function plain(item)
    local out = {}
    for key, member in pairs(item) do out[key] = member end
    return out
  end

  it("text", function()
    assert.same({ type = "text", text = "a" }, plain(mcp.text "a"))
    assert.same({ type = "text", text = "a", annotations = { priority = 1 }, _meta = { x = 1 } },
      plain(mcp.text("a", { annotations = { priority = 1 }, meta = { x = 1 } })))
  end)

  it("annotations take the names and values that resources take", function()
    local given = { last_modified = 0, audience = "user", priority = 1 }
    assert.same({ lastModified = "1970-01-01T00:00:00Z", audience = { "user" }, priority = 1 },
      mcp.text("a", { annotations = given }).annotations)
    assert.same({ last_modified = 0, audience = "user", priority = 1 }, given)
    assert.same({ lastModified = "2025-01-12", audience = { "user", "assistant" } },
      mcp.image("a", nil, { annotations = { lastModified = "2025-01-12",
        audience = { "user", "assistant" } } }).annotations)
  end)

  it("image and audio take bytes; Base64 is ours", function()
    assert.same({ type = "image", data = "AP8=", mimeType = "image/png" },
      plain(mcp.image "\0\xff"))
    assert.same({ type = "audio", data = "", mimeType = "audio/ogg" },
      plain(mcp.audio("", "audio/ogg")))
    assert.equal("audio/wav", mcp.audio("x").mimeType)
  end)

  it("resource_link is named by its URI unless it has a name", function()
    assert.same({ type = "resource_link", uri = "a:b", name = "a:b" },
      plain(mcp.resource_link "a:b"))
    assert.same({ type = "resource_link", uri = "a:b", name = "N", title = "T", description = "D",
      mimeType = "text/x", size = 1, annotations = {}, icons = {}, _meta = {} },
      plain(mcp.resource_link("a:b", { name = "N", title = "T", description = "D", mime = "text/x",
        size = 1, annotations = {}, icons = {}, meta = {} })))
  end)

  it("embedded resources are text, or bytes where they must be", function()
    assert.same({ uri = "a:b", mimeType = "text/plain", text = "hi" },
      mcp.embedded("a:b", "hi").resource)
    assert.same({ uri = "a:b", mimeType = "text/x", blob = "aGk=" },
      mcp.embedded("a:b", "hi", { mime = "text/x", blob = true }).resource)
    assert.same({ uri = "a:b", mimeType = "application/octet-stream", blob = "/w==" },
      mcp.embedded("a:b", "\xff").resource)
    local ok, message = pcall(mcp.embedded, "a:b", "\xff", { mime = "text/html" })
    assert.is_false(ok)
    assert.matches("^mcp.embedded: text/html is text, but", (message:gsub("^[^ ]*:%d+: ", "")))
    assert.same({ priority = 1 }, mcp.embedded("a:b", "x", { annotations = { priority = 1 } })
      .annotations)
  end)

  it("media types decide between text and bytes", function()
    local function kind(mime, body)
      return content.contents("a:b", body or "x", mime).text and "text" or "blob"
    end
    for _, mime in ipairs { "text/plain", "text/html; charset=utf-8", "application/json",
      "application/ld+json", "image/svg+xml", "application/yaml" } do
      assert.equal("text", kind(mime), mime)
      local made, message = content.contents("a:b", "xy\xff", mime)
      assert.is_nil(made)
      assert.equal(("%s is text, but it is not valid UTF-8 at byte 3: convert it, or give the "
        .. "bytes with mcp.blob(bytes, %q)"):format(mime, mime), message)
      assert.equal("eHn/", content.contents("a:b", "xy\xff", mime, true).blob)
    end
    for _, mime in ipairs { "image/png", "application/octet-stream", "application/pdf",
      "application/jsonx", "context/plain" } do
      assert.equal("blob", kind(mime), mime)
    end
    assert.equal("text", content.contents("a:b", "x", "image/png", false).text and "text")
  end)

  it("messages of a prompt", function()
    assert.same({ role = "user", content = { type = "text", text = "q" } },
      { role = mcp.user("q").role, content = plain(mcp.user("q").content) })
    assert.equal("assistant", mcp.assistant(mcp.image "x").role)
  end)

  it("knows its own", function()
    assert.is_true(content.is(mcp.text "a"))
    for _, odd in ipairs { { type = "text", text = "a" }, "a", 5, mcp.user "a", mcp.null } do
      assert.is_false(content.is(odd))
    end
    assert.is_false(content.is(nil))
  end)

  it("goes out as plain JSON", function()
    assert.equal('{"text":"a","type":"text"}', core.encode(mcp.text "a", true))
  end)

  it("misuse is an error at the caller's line (E1)", function()
    local cases = {
      { function() mcp.text(5) end, "mcp.text: argument 1: expected a string, got number" },
      { function() mcp.text() end, "mcp.text: argument 1: expected a string, got nil" },
      { function() mcp.image {} end, "mcp.image: argument 1: expected a string, got table" },
      { function() mcp.audio(nil) end, "mcp.audio" },
      { function() mcp.blob(1) end, "mcp.blob" },
      { function() mcp.resource_link(1) end, "mcp.resource_link" },
      { function() mcp.embedded("a:b") end,
        "mcp.embedded: argument 2: expected a string, got nil" },
      { function() mcp.text("a", { anotations = {} }) end,
        'mcp.text: unknown option "anotations"' },
      { function() mcp.embedded("a:b", "x", { mine = "x" }) end,
        'mcp.embedded: unknown option "mine"' },
      { function() mcp.user(5) end, "mcp.user: expected a string or content, got number" },
      { function() mcp.assistant { type = "text" } end, "mcp.assistant" },
    }
    for i, case in ipairs(cases) do
      local ok, err = pcall(case[1])
      assert.is_false(ok, i)
      assert.matches(case[2], err, 1, true)
      assert.matches("content_spec.lua:%d+: ", err)
    end
  end)
end)
