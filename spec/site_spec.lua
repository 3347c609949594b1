-- SPDX-License-Identifier: MIT
-- scripts/site/html.lua: the parts of the site that can be tested without the converter. The links
-- of the whole site are checked by `make site`.
local html = dofile "scripts/site/html.lua"

describe("the site", function()
  local PAGES = { ["README.md"] = true, ["docs/server.md"] = true, ["docs/client.md"] = true }

  it("gives headings the anchors of GitHub", function()
    local markup, headings = html.add_anchors
      "<h1>Use <code>ctx</code> &amp; wait (now)</h1><h2>Same</h2><h2>Same</h2>"
    assert.equal("use-ctx--wait-now", headings[1].anchor)
    assert.equal("same-1", headings[3].anchor)
    assert.matches('<h2 id="same%-1">Same <a class="self" href="#same%-1"', markup)
  end)

  it("turns links of the repository into links of the site", function()
    local function relinked(markup, page) return html.relink(markup, page, PAGES) end
    assert.equal('<a href="server.html#x">s</a>',
      (relinked('<a href="docs/server.md#x">s</a>', "README.md")))
    assert.equal('<a href="index.html#install">i</a>',
      (relinked('<a href="../README.md#install">i</a>', "docs/server.md")))
    assert.equal('<a href="client.html">c</a>',
      (relinked('<a href="client.md">c</a>', "docs/server.md")))
    assert.equal('<a href="https://a.example/docs/x.md">a</a> <a href="#b">b</a>',
      (relinked('<a href="https://a.example/docs/x.md">a</a> <a href="#b">b</a>', "README.md")))
    local _, files = relinked('<img src="pictures/list.svg"/>', "docs/client.md")
    assert.same({ "docs/pictures/list.svg" }, files)
  end)

  it("links names of pages, but not twice and not to the page itself", function()
    local markup = 'see <code>docs/server.md</code>, <code>docs/no.md</code>, '
      .. '<a href="docs/client.md"><code>docs/client.md</code></a>'
    local got = html.relink(markup, "README.md", PAGES)
    assert.matches('see <a href="server.html"><code>docs/server.md</code></a>, ', got, 1, true)
    assert.matches(', <code>docs/no.md</code>', got, 1, true)
    assert.matches('<a href="client.html"><code>docs/client.md</code></a>', got, 1, true)
    got = html.relink("x <code>docs/server.md</code>", "docs/server.md", PAGES)
    assert.equal("x <code>docs/server.md</code>", got)
  end)

  it("divides a page into sections of plain text", function()
    local markup = html.add_anchors (
      "<h1>A</h1><p>one <a href='x'>&lt;two&gt;</a>.</p><p>end</p><h2>B</h2><p>three</p>\n")
    assert.same({ { anchor = "a", title = "A", text = "one <two>. end" },
      { anchor = "b", title = "B", text = "three" } }, html.sections(markup))
  end)

  it("finds links that lead nowhere", function()
    local wrong, count = html.check {
      ["a.html"] = '<h1 id="x"></h1><a href="#x"></a><a href="b.html#y"></a><img src="c.svg">'
        .. '<a href="#no"></a><a href="no.html"></a><a href="b.html#no"></a><img src="no.svg">'
        .. '<a href="https://elsewhere.example/"></a>',
      ["b.html"] = '<h1 id="y"></h1>', ["c.svg"] = "",
    }
    assert.equal(7, count)
    assert.same({ 'a.html: no file "no.html"', 'a.html: no file "no.svg"',
      'a.html: no heading for "#no"', 'a.html: no heading for "b.html#no"' }, wrong)
  end)
end)

describe("pictures of the terminal", function()
  local svg = dofile "scripts/pictures/svg.lua"

  it("show commands and output, with colours, as text", function()
    local got = svg.draw({ { command = "echo '<a>'",
      output = "\27[1;31mred\27[0m & <plain>\n\27[32mgreen\n" } }, "T & t")
    assert.matches("<title>T &amp; t</title>", got, 1, true)
    assert.matches('<tspan class="b">echo \'&lt;a&gt;\'</tspan>', got, 1, true)
    assert.matches('<tspan class="b r">red</tspan> &amp; &lt;plain&gt;</text>', got, 1, true)
    assert.matches('<tspan class="g">green</tspan></text>', got, 1, true)
    assert.is_nil(got:find "\27")
  end)

  it("are as large as their longest line", function()
    local narrow = svg.draw({ { command = "x", output = "" } }, "x")
    local wide = svg.draw({ { command = "x", output = ("ä"):rep(80) .. "\n" } }, "x")
    local function size(text) return text:match 'width="(%d+)" height="(%d+)"' end
    assert.same({ "368", "48" }, { size(narrow) })
    assert.same({ "704", "68" }, { size(wide) })
  end)
end)
