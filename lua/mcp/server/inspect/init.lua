-- SPDX-License-Identifier: MIT
-- inspect: a page to look at a server with: it connects by WebSocket, lists tools, resources and
-- prompts with forms made of their schemas, and shows the messages as they pass. One document, no
-- request to anywhere else; what may run in it is fixed by a Content-Security-Policy with digests.
local core = require "mcp.core"
local protocol = require "mcp.protocol"

local inspect = {}

local PAGE = [[
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="mcp-path" content="%s">
<meta name="mcp-version" content="%s">
<meta name="mcp-software" content="%s">
<link rel="icon" href="data:,">
<title>MCP: %s</title>
<style>%s</style>
<header><h1 id="name">%s</h1><output id="state"></output>
<label hidden>Log from <select id="level">%s</select></label>
<button id="reconnect" class="quiet" type="button">Reconnect</button></header>
<main>
<p id="about"></p>
<div class="bar"><input id="search" type="search" placeholder="Find by name or text ( / )"
 aria-label="Find a tool, resource or prompt"></div>
<section hidden><h2>Tools <small></small></h2><div id="tools"></div></section>
<section hidden><h2>Resources <small></small></h2><div id="resources"></div></section>
<section hidden><h2>Prompts <small></small></h2><div id="prompts"></div></section>
<section><h2>This connection</h2>
<details class="plain"><summary>what the server can do</summary>
<pre id="capabilities"></pre></details>
<details class="plain"><summary>roots that the server may ask for</summary>
<div><label for="roots">One URI a line</label>
<textarea id="roots" rows="2" placeholder="file:///home/ada/notes"></textarea></div></details>
</section>
</main>
<aside>
<div id="logs" hidden><div class="bar"><h2>Notices</h2>
<button id="clear-log" class="quiet" type="button">Clear</button></div>
<div id="log" role="log"></div></div>
<div class="bar"><h2>Messages</h2><input id="filter" type="search" placeholder="Filter"
 aria-label="Filter the messages">
<button id="clear" class="quiet" type="button">Clear</button></div>
<div id="traffic"></div>
</aside>
<script>%s</script>
</html>]]

-- The first one is chosen: who inspects wants to hear all of it.
local LEVELS = ("debug info notice warning error critical alert emergency")
  :gsub("%a+ ?", "<option>%0")

local FIELDS = table.concat({
  "Content-Security-Policy: default-src 'none'; script-src %s; style-src %s; connect-src 'self'; "
    .. "img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
    .. "frame-ancestors 'none'",
  "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "Cache-Control: no-store",
  "Cross-Origin-Opener-Policy: same-origin", "Cross-Origin-Resource-Policy: same-origin", "",
}, "\r\n")

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }
local function escape(text) return (text:gsub('[&<>"]', ESCAPES)) end

local function digest(text)
  local found, openssl = pcall(require, "mcp.openssl")
  if not found then
    core.log("error", "mcp.openssl cannot be loaded: " .. tostring(openssl))
    error("inspect: the page needs mcp.openssl, which cannot be loaded", 0)
  end
  return "'sha256-" .. core.base64(openssl.sha256(text)) .. "'"
end

---The page, for a listener. Raises (level 0) where there is no SHA-256.
---@param name string of the server
---@param path string where its messages are answered
---@return mcp.Page page with its `path`
function inspect.page(name, path)
  local style = require "mcp.server.inspect.style"
  -- The last one begins to talk.
  local script = '"use strict";\n' .. require "mcp.server.inspect.form"
    .. require "mcp.server.inspect.result"
    .. require "mcp.server.inspect.script"
  return {
    path = "/", type = "text/html; charset=utf-8",
    body = PAGE:format(escape(path), protocol.negotiate("").name, core.version, escape(name), style,
      escape(name), LEVELS, script),
    fields = FIELDS:format(digest(script), digest(style)),
  }
end

return inspect
