-- SPDX-License-Identifier: MIT
-- uri_normal.lua: the one spelling that is compared when two addresses may be the same (RFC 3986
-- 6.2.2 and 6.2.3). It is for comparing only: what is listed, sent and handed to handlers stays as
-- it was written.
--
--   case           scheme and host in lower case, %3a as %3A
--   escapes        what needs none is written out: %7E is ~
--   dot segments   /a/./b/../c is /a/c, where the path begins with "/"
--   port           an empty one, and the scheme's own one, is left out
--   empty path     after an authority it is "/"
--
-- Userinfo, path, query and fragment keep their case. A text without a scheme is no address, and
-- stays as it is.
local find, sub, gsub, match = string.find, string.sub, string.gsub, string.match
local lower, upper, char = string.lower, string.upper, string.char

local uri_normal = {}

local PORTS = { http = "80", https = "443", ws = "80", wss = "443", ftp = "21" }

local function escape(digits)
  local c = char(tonumber(digits, 16))
  if find(c, "^[A-Za-z0-9%-._~]") then return c end
  return "%" .. upper(digits)
end

local function escapes(text) return (gsub(text, "%%(%x%x)", escape)) end

-- In lower case but for the digits of escapes.
local function lower_host(text) return (gsub(lower(text), "%%%x%x", upper)) end

-- RFC 3986 5.2.4, for a path that begins with "/".
local function remove_dots(path)
  if not find(path, "/.", 1, true) then return path end
  local out, open = {}, false
  for segment in path:gmatch "/([^/]*)" do
    open = segment == "." or segment == ".."
    if segment == ".." then
      out[#out] = nil
    elseif segment ~= "." then
      out[#out + 1] = segment
    end
  end
  return "/" .. table.concat(out, "/") .. (open and out[1] and "/" or "")
end

local function authority_of(text, scheme, keep_host)
  local user, place = match(text, "^(.*@)(.*)$")
  if not user then user, place = "", text end
  local host, port = match(place, "^([^:]*):(%d*)$")
  if not host then host, port = match(place, "^(%[.*%]):(%d*)$") end
  if not host then host, port = place, "" end
  if port == PORTS[scheme] then port = "" end
  return user .. (keep_host and host or lower_host(host)) .. (port ~= "" and ":" .. port or "")
end

-- The normal form; with `keep_host` the host keeps its case, with `keep_path` an empty path stays.
local function normal(text, keep_host, keep_path)
  local scheme, rest = match(text, "^(%a[%w+.-]*):(.*)$")
  if not scheme then return text end
  scheme, rest = lower(scheme), escapes(rest)
  local before, after = match(rest, "^([^?#]*)(.*)$")
  local authority, path = match(before, "^//([^/]*)(.*)$")
  if not authority then
    local clean = sub(before, 1, 1) == "/" and remove_dots(before) or before
    -- /.//a must not become //a, which would be an authority.
    if sub(clean, 1, 2) ~= "//" then before = clean end
    return scheme .. ":" .. before .. after
  end
  path = remove_dots(path)
  if path == "" and not keep_path then path = "/" end
  return scheme .. "://" .. authority_of(authority, scheme, keep_host) .. path .. after
end

-- Normal forms, and spellings, of addresses that were asked for lately: the same few are asked for
-- again and again. Bounded in number and in length, for any client may send them.
local COUNT, LENGTH = 128, 256

local function remembered(make)
  local known, count = {}, 0
  return function(text)
    local found = known[text]
    if found then return found end
    found = make(text)
    if #text > LENGTH then return found end
    if count >= COUNT then known, count = {}, 0 end
    known[text], count = found, count + 1
    return found
  end
end

---The normal form of an address.
---@param text string
---@return string
uri_normal.of = remembered(function(text) return normal(text) end)

-- Expressions stand aside while the text around them is changed: a mark of control characters,
-- which no address has, takes their place.
local function aside(text)
  local kept = {}
  local plain = gsub(text, "{[^{}]*}", function(expression)
    kept[#kept + 1] = expression
    return "\1" .. #kept .. "\2"
  end)
  return plain, kept
end

local function back(plain, kept)
  return (gsub(plain, "\1(%d+)\2", function(n) return kept[tonumber(n)] end))
end

---The normal form of a template: of what stands around its expressions, which stay as they are.
---Braces may be escaped, as programs do that take a template for an address.
---@param text string
---@return string
function uri_normal.template(text)
  local plain, kept = aside(gsub(text, "%%7([BbDd])", { B = "{", b = "{", D = "}", d = "}" }))
  return back(normal(plain), kept)
end

---The template that addresses are matched with: as above, but an empty path stays, for a variable
---may be what ends there.
---@param text string
---@return string
function uri_normal.matched(text)
  local plain, kept = aside(text)
  return back(normal(plain, false, true), kept)
end

---The spellings of an address to match with a template, nearest to the original first. A variable
---in the place of the host gets what was sent, with its case, where that fits.
---@param text string
---@return string[] each once, not to be changed
uri_normal.spellings = remembered(function(text)
  local list = {}
  local function add(spelling)
    for _, known in ipairs(list) do
      if known == spelling then return end
    end
    list[#list + 1] = spelling
  end
  for _, keep_path in ipairs { true, false } do
    add(normal(text, true, keep_path))
    add(normal(text, false, keep_path))
  end
  local whole = list[1]
  local bare = match(whole, "^(%a[%w+.-]*://[^/?#]*)/$")
  if bare then
    add(bare)
    add(normal(bare, false, true))
  end
  return list
end)

return uri_normal
