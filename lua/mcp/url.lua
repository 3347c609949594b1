-- SPDX-License-Identifier: MIT
-- url.lua: addresses of servers: read, resolved, written (RFC 3986). Knows nothing of connections.
--
--   http://host[:port][/path][?query]      https, ws and wss alike
--   unix:/path/of/socket[:/target]         a socket file, and what is asked for there; a colon in
--                                          the file's path is written %3A
--
-- Narrower than the RFC where two readers could see two hosts: no userinfo, no percent-encoding
-- and no zone in a host, no IPv4 address but in four decimal numbers, nothing beyond ASCII.
local texts = require "mcp.text"

local cut, character = texts.cut, texts.character

local url = {}

-- An address sent to make us copy megabytes: longer than any request target we would take.
url.LENGTH = 8192

local sub, find, match = string.sub, string.find, string.match

local PORTS = { http = 80, https = 443, ws = 80, wss = 443 }
-- sun_path holds 108 bytes on Linux, 104 elsewhere, with the NUL.
local SOCKET_PATH = 103

---------------------------------------------------------------------------------------------
-- Hosts

local function is_ipv4(text)
  local parts = { match(text, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  if not parts[1] then return false end
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 or find(part, "^0%d") then return false end
  end
  return true
end

-- The eight numbers of an IPv6 address (RFC 4291 2.2), or nil.
local function read_ipv6(text)
  local quad = match(text, ":([%d.]+)$")
  if quad and find(quad, ".", 1, true) then
    if not is_ipv4(quad) then return nil end
    local a, b, c, d = match(quad, "(%d+)%.(%d+)%.(%d+)%.(%d+)")
    text = sub(text, 1, #text - #quad) .. ("%x:%x"):format(a * 256 + b, c * 256 + d)
  end
  local function groups(part)
    local out = {}
    if part == "" then return out end
    for group in (part .. ":"):gmatch "([^:]*):" do
      if not find(group, "^%x%x?%x?%x?$") then return nil end
      out[#out + 1] = tonumber(group, 16)
    end
    return out
  end
  local gap = find(text, "::", 1, true)
  local head = groups(gap and sub(text, 1, gap - 1) or text)
  local tail = groups(gap and sub(text, gap + 2) or "")
  if not head or not tail then return nil end
  local missing = 8 - #head - #tail
  if gap and missing < 1 or not gap and missing ~= 0 then return nil end
  for _ = 1, missing do head[#head + 1] = 0 end
  return table.move(tail, 1, #tail, #head + 1, head)
end

-- The one spelling of an IPv6 address (RFC 5952 4): the longest run of zeros left out.
local function write_ipv6(groups)
  local best, length = nil, 1
  local i = 1
  while i <= 8 do
    local from = i
    while groups[i] == 0 do i = i + 1 end
    if i - from > length then best, length = from, i - from end
    i = i + 1
  end
  local function text(from, to)
    local out = {}
    for at = from, to do out[#out + 1] = ("%x"):format(groups[at]) end
    return table.concat(out, ":")
  end
  if not best then return text(1, 8) end
  return text(1, best - 1) .. "::" .. text(best + length, 8)
end

local NOT_NAME = "[^A-Za-z0-9._-]"

-- The host as it is compared and looked up: lower case, IPv6 without brackets; or nil, text.
local function read_host(text)
  local inner = match(text, "^%[(.*)%]$")
  if inner then
    local groups = read_ipv6(inner)
    if not groups then return nil, ("[%s] is not an IPv6 address"):format(inner) end
    return write_ipv6(groups)
  end
  if text == "" then return nil, "no host" end
  if find(text, NOT_NAME) then
    return nil, ("%q cannot stand in a host"):format(character(text, find(text, NOT_NAME)))
  end
  local name = text:lower()
  if find(name, "^%.") or find(name, "..", 1, true) then
    return nil, "a host with an empty label"
  end
  if #name > 253 then return nil, "a host longer than 253 bytes" end
  -- What ends in a number is an IPv4 address to some readers ("0x7f.1", "2130706433").
  local last = match(name, "([^.]*)%.?$")
  if (find(last, "^%d+$") or find(last, "^0x%x*$")) and not is_ipv4(name) then
    return nil, ("%s is not an IPv4 address in four decimal numbers"):format(text)
  end
  return name
end

---------------------------------------------------------------------------------------------
-- Paths

-- What may not stand in path or query (RFC 3986 3.3, 3.4); "%" is looked at by itself.
local FOREIGN = "[^A-Za-z0-9%-._~!$&'()*+,;=:@/?%%]"

local function lone_percent(text)
  return find(text:gsub("%%%x%x", ""), "%", 1, true) ~= nil
end

local function check_target(text)
  local bad = match(text, FOREIGN)
  if bad then return nil, ("%q has to be percent-encoded"):format(bad) end
  if lone_percent(text) then return nil, "a % without two digits after it" end
  return true
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

---------------------------------------------------------------------------------------------
-- Reading

---@class mcp.Url
---@field scheme string "http", "https", "ws", "wss" or "unix", lower case
---@field host string lower case, IPv6 without brackets; "localhost" of a socket file
---@field port integer? given, or the scheme's; nil of a socket file
---@field path string "/" if there is none; of a socket file nil unless a target is given
---@field query string? without "?"
---@field fragment string? without "#"
---@field target string what a request asks for: path and query; as path of a socket file
---@field authority string for the Host field: the port is left out where it is the scheme's
---@field origin string scheme and authority; of a socket file "unix:" and its path
---@field unix string? the path of the socket file
---@field secure boolean https or wss
---@field text string all of it but the fragment, in one spelling

local function parse_unix(rest)
  local path, target = match(rest, "^([^:]*):(.*)$")
  path = path or rest
  if sub(path, 1, 1) ~= "/" or sub(path, 1, 2) == "//" then
    return nil, "the path of a socket file begins with one /"
  end
  local ok, reason = check_target(path)
  if not ok then return nil, reason end
  if find(path, "?", 1, true) then
    return nil, "a ? in the path of a socket file; the target of the request follows a colon"
  end
  local file = unescape(path)
  if find(file, "[%c]") then return nil, "a control character in the path of a socket file" end
  if #file > SOCKET_PATH then
    return nil, ("the path of a socket file is longer than %d bytes"):format(SOCKET_PATH)
  end
  local out = { scheme = "unix", host = "localhost", authority = "localhost", unix = file,
    origin = "unix:" .. path, secure = false, text = "unix:" .. rest }
  if target then
    if sub(target, 1, 1) ~= "/" then
      return nil, "the target after a socket file begins with /"
    end
    ok, reason = check_target(target)
    if not ok then return nil, reason end
    out.target = target
    out.path, out.query = match(target, "^([^?]*)%??(.*)$")
    if not find(target, "?", 1, true) then out.query = nil end
  end
  return out
end

local function parse(text)
  if #text > url.LENGTH then return nil, ("longer than %d bytes"):format(url.LENGTH) end
  local body, fragment = match(text, "^([^#]*)#(.*)$")
  body = body or text
  local scheme, rest = match(body, "^(%a[%w+.-]*):(.*)$")
  if not scheme then return nil, "no scheme such as https" end
  scheme = scheme:lower()
  if scheme == "unix" then
    if fragment then return nil, "a socket file has no fragment" end
    return parse_unix(rest)
  end
  if not PORTS[scheme] then
    return nil, ("the scheme: expected http, https, ws, wss or unix, got %s"):format(scheme)
  end
  local authority, target = match(rest, "^//([^/?]*)(.*)$")
  if not authority then return nil, ("no // after %s:"):format(scheme) end
  if find(authority, "@", 1, true) then return nil, "a user or password in it" end
  local name, port = match(authority, "^(%[[^%]]*%])(.*)$")
  if not name then name, port = match(authority, "^([^:]*)(.*)$") end
  local host, reason = read_host(name)
  if not host then return nil, reason end
  local number = PORTS[scheme]
  if port ~= "" and port ~= ":" then
    if not find(port, "^:%d+$") or #port > 6 then return nil, "a port that is no number" end
    number = math.tointeger(tonumber(sub(port, 2)))
    if number < 1 or number > 65535 then return nil, ("the port %d is not one"):format(number) end
  end
  local ok
  ok, reason = check_target(target)
  if not ok then return nil, reason end
  if sub(target, 1, 1) ~= "/" then target = "/" .. target end
  local path, query = match(target, "^([^?]*)%?(.*)$")
  local shown = find(host, ":", 1, true) and "[" .. host .. "]" or host
  if number ~= PORTS[scheme] then shown = ("%s:%d"):format(shown, number) end
  local origin = scheme .. "://" .. shown
  return { scheme = scheme, host = host, port = number, path = path or target, query = query,
    fragment = fragment, target = target, authority = shown, origin = origin,
    secure = scheme == "https" or scheme == "wss", text = origin .. target }
end

---Reads an address.
---@param text string
---@return mcp.Url? parsed
---@return string? message with the address in it
function url.parse(text)
  if type(text) ~= "string" then
    error(("an address: expected a string, got %s"):format(type(text)), 2)
  end
  local parsed, reason = parse(text)
  if parsed then return parsed end
  text = cut(text, 200)
  -- What stands before "@" may be a password.
  text = text:gsub("[^/?#]*@", "(hidden)@")
  return nil, ("%q is not a supported address: %s"):format(text, reason)
end

---Is it this machine, by name or address alone? (A name that only resolves to it is not.)
---@param parsed mcp.Url
---@return boolean
function url.is_loopback(parsed)
  local host = parsed.host
  return parsed.unix ~= nil or host == "localhost" or host == "::1"
    or find(host, "%.localhost$") ~= nil or (is_ipv4(host) and find(host, "^127%.") ~= nil)
end

---Is the host an address, and not a name?
---@param parsed mcp.Url
---@return boolean
function url.is_address(parsed)
  return find(parsed.host, ":", 1, true) ~= nil or is_ipv4(parsed.host)
end

---The bytes of an address: 4 of IPv4, 16 of IPv6, in the order of the network.
---@param host string without brackets
---@return string|nil bytes nil if it is a name
function url.address_bytes(host)
  if is_ipv4(host) then
    return string.char(match(host, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"))
  end
  local groups = find(host, ":", 1, true) and read_ipv6(host)
  return groups and (">" .. ("I2"):rep(8)):pack(table.unpack(groups)) or nil
end

---------------------------------------------------------------------------------------------
-- Resolving: RFC 3986 section 5

-- 5.2.4
local function remove_dots(path)
  local out = {}
  local absolute = sub(path, 1, 1) == "/"
  local segments = {}
  for segment in ((absolute and sub(path, 2) or path) .. "/"):gmatch "([^/]*)/" do
    segments[#segments + 1] = segment
  end
  for i, segment in ipairs(segments) do
    local last = i == #segments
    if segment == "." or segment == ".." then
      if segment == ".." then out[#out] = nil end
      if last then out[#out + 1] = "" end
    else
      out[#out + 1] = segment
    end
  end
  return (absolute and "/" or "") .. table.concat(out, "/")
end

-- scheme, authority, path, query, fragment (Appendix B); nil where there is none.
local function split(text)
  local rest, fragment = match(text, "^([^#]*)#(.*)$")
  rest = rest or text
  local query
  local before, after = match(rest, "^([^?]*)%?(.*)$")
  if before then rest, query = before, after end
  local scheme, other = match(rest, "^(%a[%w+.-]*):(.*)$")
  rest = other or rest
  local authority, path = match(rest, "^//([^/]*)(.*)$")
  return scheme, authority, path or rest, query, fragment
end

local function join(scheme, authority, path, query, fragment)
  return table.concat {
    scheme and scheme .. ":" or "", authority and "//" .. authority or "", path,
    query and "?" .. query or "", fragment and "#" .. fragment or "",
  }
end

-- 5.2.2
local function transform(base, reference)
  local scheme, authority, path, query, fragment = split(reference)
  if scheme then return join(scheme, authority, remove_dots(path), query, fragment) end
  local base_scheme, base_authority, base_path, base_query = split(base)
  if authority then
    path = remove_dots(path)
  else
    authority = base_authority
    if path == "" then
      path, query = base_path, query or base_query
    elseif sub(path, 1, 1) == "/" then
      path = remove_dots(path)
    elseif base_authority and base_path == "" then
      path = remove_dots("/" .. path)
    else
      path = remove_dots((match(base_path, "^(.*/)") or "") .. path)
    end
  end
  return join(base_scheme, authority, path, query, fragment)
end

---Resolves a reference against an address (RFC 3986 5.2, strict). What comes out is a text and
---has not been judged: `url.parse` does that.
---@param base string|mcp.Url absolute
---@param reference string
---@return string? address
---@return string? message
function url.resolve(base, reference)
  if type(base) == "table" then base = base.text end
  if #reference > url.LENGTH then return nil, ("longer than %d bytes"):format(url.LENGTH) end
  local file, target = match(base, "^[Uu][Nn][Ii][Xx]:([^:]*):?(.*)$")
  if file then
    -- After a socket file comes a path of its own.
    if find(reference, "^%a[%w+.-]*:") then return reference end
    if sub(reference, 1, 2) == "//" then return nil, "another host, relative to a socket file" end
    local resolved = transform("http://localhost" .. (target == "" and "/" or target), reference)
    return "unix:" .. file .. ":" .. sub(resolved, #"http://localhost" + 1)
  end
  if not find(base, "^%a[%w+.-]*:") then return nil, "the base has no scheme" end
  return transform(base, reference)
end

---------------------------------------------------------------------------------------------
-- Forms: application/x-www-form-urlencoded

local function escape(text)
  return (text:gsub("[^A-Za-z0-9%-._~]", function(c)
    return c == " " and "+" or ("%%%02X"):format(c:byte())
  end))
end

---Writes fields as a form, or as the query of an address, sorted by name.
---@param fields table<string, string|number|boolean|table> a list stands for several of that name
---@return string
function url.form(fields)
  local names, out = {}, {}
  for name in pairs(fields) do
    if type(name) ~= "string" then
      error(("a form: names are strings, got %s"):format(type(name)), 2)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = fields[name]
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      local kind = type(item)
      if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        error(("a form: %s: expected a string, got %s"):format(name, kind), 2)
      end
      out[#out + 1] = escape(name) .. "=" .. escape(tostring(item))
    end
  end
  return table.concat(out, "&")
end

---Reads a form or a query.
---@param text string
---@return table<string, string>? fields nil where it cannot be read, or a name comes twice
---@return string? message
function url.parse_form(text)
  local out = {}
  for pair in text:gmatch "[^&]+" do
    local name, value = match(pair, "^([^=]*)=?(.*)$")
    if lone_percent(pair) then return nil, "a % without two digits after it" end
    name, value = unescape((name:gsub("+", " "))), unescape((value:gsub("+", " ")))
    if out[name] then return nil, ("%q comes twice"):format(name) end
    out[name] = value
  end
  return out
end

---Adds fields to the query of an address; the fragment is lost.
---@param text string
---@param fields table as for `url.form`
---@return string
function url.with_query(text, fields)
  local body = match(text, "^[^#]*")
  local more = url.form(fields)
  if more == "" then return body end
  local mark = not find(body, "?", 1, true) and "?" or find(body, "[?&]$") and "" or "&"
  return body .. mark .. more
end

return url
