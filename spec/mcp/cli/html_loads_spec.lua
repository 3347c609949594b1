-- SPDX-License-Identifier: MIT
-- What an HTML document loads.
local html_loads = require "mcp.cli.html_loads"

local function loads(html)
  local out = {}
  for i, load in ipairs(html_loads(html)) do out[i] = load.kind .. " " .. load.url end
  return table.concat(out, ", ")
end

describe("what a document loads", function()
  for html, expected in pairs {
    [""] = "", ["text < 3"] = "", ["<p>x</p>"] = "", ["<"] = "", ["<img"] = "",
    ['<script src="https://a.example/x.js"></script>'] = "resource https://a.example/x.js",
    ["<SCRIPT SRC='app.js' defer></SCRIPT>"] = "resource app.js",
    ["<img alt=x src=picture.png>"] = "resource picture.png",
    ['<img src="a.png" srcset="b.png 1x, https://c.example/d.png 2x">'] =
      "resource a.png, resource b.png, resource https://c.example/d.png",
    ['<link rel="stylesheet" href="style.css">'] = "resource style.css",
    ['<link rel="preload stylesheet" href=style.css>'] = "resource style.css",
    ['<link rel="canonical" href="https://a.example/"><a href="https://b.example/">'] = "",
    ['<iframe src="https://a.example/f?a=1&amp;b=2">'] = "frame https://a.example/f?a=1&b=2",
    ['<object data="x.pdf"></object><video src=v.mp4></video>'] =
      "resource x.pdf, resource v.mp4",
    ['<img src="data:image/png;base64,x"><a href="#top"><img src="">'] = "",
    ['<img src=" x.png ">'] = "resource x.png",
    ["<!-- <img src=x.png> --><img src=y.png>"] = "resource y.png",
    ["<!-- never closed <img src=x.png>"] = "",
    ["<style>@import 'a.css'; /* url(no) */ p { background: url( \"b.png\" ) }</style>"] =
      "resource b.png, resource a.css",
    ['<p style="background: url(x.png)">'] = "resource x.png",
    ["<script>const s = '<img src=no.png>'; fetch('https://a.example/v1', {})</script>"] =
      "connect https://a.example/v1",
    ['<script>fetch("/api"); new WebSocket("wss://a.example"); new EventSource(`/e`)</script>'] =
      "connect /api, connect wss://a.example, connect /e",
    ['<script>fetch("https://a.example/" + path); fetch("x" + y); prefetch("z")</script>'] =
      "connect https://a.example/",
    ["<script type=module>import { a } from './a.js'; import 'https://b.example/b.js'</script>"] =
      "resource ./a.js, resource https://b.example/b.js",
    ["<script>fetch('x')"] = "connect x",
  } do
    it(("in %q"):format(html), function() assert.equal(expected, loads(html)) end)
  end

  it("is found in linear time", function()
    local began = os.clock()
    for _, piece in ipairs { "<", "<!--", "<script>", "<a ", "<img src=", "fetch('", "url(" } do
      loads(piece:rep(20000))
    end
    assert.is_true(os.clock() - began < 20)
  end)
end)
