-- SPDX-License-Identifier: MIT
-- inspect: a web page that shows a server. It connects by WebSocket, lists tools, resources and
-- prompts with forms made from their schemas, and shows the messages as they are exchanged. It is
-- one document, made of page.html, page.css and page.js, and loads nothing else; a
-- Content-Security-Policy with digests allows only its own script and style.
local core = require "mcp.core"
local protocol = require "mcp.protocol"

local inspect = {}

-- Where this module was found: its file, or ":embedded:" in the program.
local MODULE, LOCATION = ...

-- The text of a file beside this one. The program contains it as a module.
local function text_of(name)
  local folder = LOCATION and LOCATION:match "^(.*/)init%.lua$"
  if not folder then return require(MODULE .. "." .. name) end
  local file <close>, reason = io.open(folder .. name, "rb")
  if not file then error("inspect: cannot read " .. reason .. "; install luamcp again", 0) end
  return file:read "a"
end

-- A browser selects the first option: the page asks for every level of the log.
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

---Builds the page for a listener. Raises (level 0) if SHA-256 or a file of the page is missing.
---@param name string name of the server
---@param path string path of the MCP endpoint
---@return mcp.Page page the document, its path and its header fields
function inspect.page(name, path)
  local style, script = text_of "page.css", text_of "page.js"
  local values = {
    path = escape(path), version = protocol.negotiate("").name, software = core.version,
    name = escape(name), levels = LEVELS, style = style, script = script,
  }
  return {
    path = "/", type = "text/html; charset=utf-8",
    -- The C side ends every text with a newline of its own.
    body = text_of("page.html"):gsub("\n$", ""):gsub("{{(%l+)}}", values),
    fields = FIELDS:format(digest(script), digest(style)),
  }
end

return inspect
