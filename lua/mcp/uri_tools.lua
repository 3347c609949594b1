-- SPDX-License-Identifier: MIT
-- uri_tools.lua: mcp.uri, the functions on URIs that handlers need. They stand on uri.lua, whose
-- templates resources use, and on url.lua.
local uri = require "mcp.uri"
local url = require "mcp.url"

local find, sub, match = string.find, string.sub, string.match

local tools = {}

-- Templates that were used lately; bounded, for a program may make them.
local TEMPLATES = 64

local function check_text(what, name, text)
  if type(text) ~= "string" then
    error(("mcp.uri.%s: %s: expected a string, got %s"):format(what, name, type(text)), 3)
  end
end

local known, count = {}, 0

-- The template of a text; level as for error.
local function template_of(what, text, purpose, level)
  local key = purpose .. text
  local found = known[key]
  if found then return found end
  local made, message = uri.template(text, purpose)
  if not made then error(("mcp.uri.%s: %s"):format(what, message), level + 1) end
  if count >= TEMPLATES then known, count = {}, 0 end
  known[key], count = made, count + 1
  return made
end

---Percent-encodes a text: everything but A-Z a-z 0-9 - . _ ~ and the characters of `keep`.
---@param text string bytes
---@param keep? string "/" for a path of several segments
---@return string
function tools.escape(text, keep)
  check_text("escape", "text", text)
  local class = "[^A-Za-z0-9%-._~]"
  if keep ~= nil then
    check_text("escape", "keep", keep)
    class = "[^A-Za-z0-9%-._~" .. keep:gsub("%W", "%%%0") .. "]"
  end
  return (text:gsub(class, function(c) return ("%%%02X"):format(c:byte()) end))
end

---Undoes percent-encoding. "+" stays "+": it is a space in forms only.
---@param text string
---@return string? bytes which need not be UTF-8
---@return string? message a "%" without two hexadecimal digits after it
function tools.unescape(text)
  check_text("unescape", "text", text)
  for at in text:gmatch "()%%" do
    if not find(text, "^%x%x", at + 1) then
      return nil, ("\"%%\" without two hexadecimal digits at byte %d"):format(at)
    end
  end
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

---Fills in a URI template (RFC 6570, level 4). Raises for a bad template, and for values that are
---neither strings, numbers nor lists or maps of them.
---@param template string "folder:///{+path}{?page}"
---@param vars table<string, string|number|table> a missing variable leaves nothing
---@return string
function tools.expand(template, vars)
  check_text("expand", "template", template)
  if type(vars) ~= "table" then
    error(("mcp.uri.expand: vars: expected a table, got %s"):format(type(vars)), 2)
  end
  return template_of("expand", template, "expand", 2):expand(vars)
end

---Takes the variables out of a URI, as a resource template does. Raises for a template that cannot
---be matched without doubt.
---@param template string
---@param text string
---@return table<string, string|string[]>? vars nil if it is not a URI of this template
function tools.match(template, text)
  check_text("match", "template", template)
  check_text("match", "uri", text)
  return template_of("match", template, "match", 2):match(text)
end

---The spelling to compare when two URIs may be the same (RFC 3986 6.2.2): scheme and host in lower
---case, escapes that need not be, dot segments and the scheme's own port removed.
---@param text string
---@return string
function tools.normalize(text)
  check_text("normalize", "uri", text)
  return uri.normal(text)
end

---@class mcp.UriParts
---@field scheme string lower case
---@field authority string? what follows "//", as it is
---@field userinfo string?
---@field host string? an IPv6 address without brackets
---@field port integer?
---@field path string escaped, as it is; may be ""
---@field query string? without "?"
---@field fragment string? without "#"

-- host, port and userinfo of an authority; nothing that valid_absolute would let through is lost.
local function split_authority(authority, parts)
  local rest = authority
  local user, place = match(rest, "^(.*)@(.*)$")
  if user then parts.userinfo, rest = user, place end
  local host, port = match(rest, "^%[(.*)%]:?(%d*)$")
  if not host then host, port = match(rest, "^([^:]*):?(%d*)$") end
  parts.host = host
  if port ~= "" then parts.port = math.tointeger(tonumber(port)) end
end

---Takes a URI apart (RFC 3986). It must have a scheme, and no character that needs escaping.
---@param text string
---@return mcp.UriParts? parts
---@return string? message
function tools.parse(text)
  check_text("parse", "uri", text)
  if not uri.valid_absolute(text) then
    local shown = #text > 200 and sub(text, 1, 200) .. "…" or text
    return nil, ("not a URI with a scheme, as RFC 3986 has it: %q"):format(shown)
  end
  local scheme, rest = match(text, "^([^:]*):(.*)$")
  local parts = { scheme = scheme:lower() }
  local before, fragment = match(rest, "^([^#]*)#(.*)$")
  if before then rest, parts.fragment = before, fragment end
  local path, query = match(rest, "^([^?]*)%?(.*)$")
  if path then rest, parts.query = path, query end
  local authority, after = match(rest, "^//([^/]*)(.*)$")
  if authority then
    parts.authority, rest = authority, after
    split_authority(authority, parts)
  end
  parts.path = rest
  return parts
end

---Resolves a reference against a URI (RFC 3986 5.2).
---@param base string with a scheme
---@param reference string
---@return string? uri
---@return string? message
function tools.resolve(base, reference)
  check_text("resolve", "base", base)
  check_text("resolve", "reference", reference)
  return url.resolve(base, reference)
end

return tools
