-- SPDX-License-Identifier: MIT
-- inspect: a web page that shows a server. It connects by WebSocket, lists tools, resources and
-- prompts with forms made from their schemas, shows the messages as they are exchanged, and is a
-- host of MCP Apps: the page of a tool is in a frame, behind a proxy of another origin. It is
-- one document, made of page.html, page.css and the files of `script`, and loads nothing else; a
-- Content-Security-Policy with digests allows only its own script and style.
local core = require "mcp.core"
local protocol = require "mcp.protocol"

local inspect = {}

-- Where this module was found: its file, or ":embedded:" in the program.
local MODULE, LOCATION = ...

-- The files of the page's script: one text, in this order.
local SCRIPT = { "dom", "traffic", "connection", "fields", "form", "results", "questions",
  "apps/policy", "apps/resource", "apps/host_context", "apps/bridge", "apps/consent",
  "apps/requests", "apps/view", "apps/views", "session", "entries", "page" }

-- The text of a file beside this one. The program contains it as a module.
local function text_of(name)
  local folder = LOCATION and LOCATION:match "^(.*/)init%.lua$"
  if not folder then return require(MODULE .. "." .. name:gsub("/", ".")) end
  local file <close>, reason = io.open(folder .. name, "rb")
  if not file then error("inspect: cannot read " .. reason .. "; install luamcp again", 0) end
  return file:read "a"
end

-- A browser selects the first option: the page asks for every level of the log.
local LEVELS = ("debug info notice warning error critical alert emergency")
  :gsub("%a+ ?", "<option>%0")

local FIELDS = table.concat({
  "Content-Security-Policy: default-src 'none'; script-src %s; style-src %s; connect-src 'self'; "
    .. "img-src data:; media-src data:; frame-src %s; base-uri 'none'; form-action 'none'; "
    .. "frame-ancestors 'none'",
  "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "Cache-Control: no-store",
  "Cross-Origin-Opener-Policy: same-origin", "Cross-Origin-Resource-Policy: same-origin", "",
}, "\r\n")

-- The page in its frame inherits the policy of the proxy: what is here holds for each of them. The
-- rest of its policy comes with it.
local PROXY_FIELDS = table.concat({
  "Content-Security-Policy: frame-ancestors %s", "X-Content-Type-Options: nosniff",
  "Referrer-Policy: no-referrer", "Cache-Control: no-store", "X-DNS-Prefetch-Control: off", "",
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

local function script_of(names)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = text_of("script/" .. name .. ".js") end
  return table.concat(parts, "\n")
end

local Inspected = { __name = "mcp.inspect" }
Inspected.__index = {}

---Reads the files of the page. Raises (level 0) if SHA-256 or one of them is missing.
---@param name string name of the server
---@return table
function inspect.new(name)
  local self = setmetatable({ name = name, style = text_of "page.css" .. text_of "apps.css",
    script = script_of(SCRIPT) }, Inspected)
  self.style_digest, self.script_digest = digest(self.style), digest(self.script)
  return self
end

local function fill(document, values)
  -- The C side ends every text with a newline of its own.
  return (text_of(document):gsub("\n$", ""):gsub("{{(%l+)}}", values))
end

---The page for a listener.
---@param path string path of the MCP endpoint
---@param hosts string[] the origins of the page
---@param proxies string[] the origins of the proxy
---@param guarded boolean does the page need a key to connect?
---@return mcp.Page page the document, its path and its header fields
function Inspected.__index:document(path, hosts, proxies, guarded)
  local proxy = table.concat(proxies, " ")
  return {
    path = "/", type = "text/html; charset=utf-8",
    body = fill("page.html", { path = escape(path), version = protocol.negotiate("").name,
      software = core.version, name = escape(self.name), levels = LEVELS, style = self.style,
      script = self.script, proxy = escape(proxy), hosts = escape(table.concat(hosts, " ")),
      guarded = guarded and "yes" or "no" }),
    fields = FIELDS:format(self.script_digest, self.style_digest, proxy),
  }
end

---The document of the proxy: the frame between the page and the pages of tools.
---@param hosts string[] the origins that may frame it
---@return mcp.Page
function inspect.proxy(hosts)
  return {
    path = "/", type = "text/html; charset=utf-8",
    body = fill("proxy/proxy.html", { hosts = escape(table.concat(hosts, " ")),
      style = text_of "proxy/proxy.css", script = text_of "proxy/proxy.js" }),
    fields = PROXY_FIELDS:format(table.concat(hosts, " ")),
  }
end

return inspect
