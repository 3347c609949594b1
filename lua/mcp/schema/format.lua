-- SPDX-License-Identifier: MIT
-- format.lua: the values of "format" that can be checked (JSON Schema validation 7.3). A check sees
-- strings only. A format that is not here is a remark and never fails.
--
-- Every Lua pattern here is anchored and has no two repeats that can take the same character, so
-- each check takes one pass.

local find, match, sub, gmatch = string.find, string.match, string.sub, string.gmatch

-- RFC 5321 4.5.3.1: the longest address and the longest part before its "@".
local LONGEST_ADDRESS, LONGEST_LOCAL = 320, 64
-- RFC 1035 2.3.4.
local LONGEST_HOST = 253

---@type table<string, { check: (fun(s: string): boolean), text: string }>
local format = {}

local function define(name, text, check)
  format[name] = { check = check, text = text }
end

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- RFC 3339 5.6 full-date.
local function is_date(s)
  local y, m, d = match(s, "^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  if not y then return false end
  y, m, d = tonumber(y), tonumber(m), tonumber(d)
  local days = DAYS[m]
  if m == 2 and (y % 4 == 0 and y % 100 ~= 0 or y % 400 == 0) then days = 29 end
  return days ~= nil and d >= 1 and d <= days
end

-- RFC 3339 5.6 full-time. A leap second ends a day of UTC.
local function is_time(s)
  local h, m, sec, rest = match(s, "^(%d%d):(%d%d):(%d%d)(.+)$")
  if not h then return false end
  h, m, sec = tonumber(h), tonumber(m), tonumber(sec)
  local zone = match(rest, "^%.%d+(.+)$") or rest
  local shift = 0
  if zone ~= "Z" and zone ~= "z" then
    local sign, zh, zm = match(zone, "^([+-])(%d%d):(%d%d)$")
    if not sign then return false end
    zh, zm = tonumber(zh), tonumber(zm)
    if zh > 23 or zm > 59 then return false end
    shift = (zh * 60 + zm) * (sign == "+" and 1 or -1)
  end
  if h > 23 or m > 59 or sec > 60 then return false end
  return sec < 60 or (h * 60 + m - shift) % 1440 == 1439
end

define("date", "a date (like 2025-12-31)", is_date)
define("time", "a time (like 23:59:59Z)", is_time)
define("date-time", "a date and time (like 2025-12-31T23:59:59Z)", function(s)
  return #s > 11 and find(sub(s, 11, 11), "[Tt]") ~= nil and is_date(sub(s, 1, 10))
    and is_time(sub(s, 12))
end)

-- ISO 8601 as in RFC 3339 appendix A: a letter "P", then parts from large to small.
define("duration", "a duration (like P1DT12H)", function(s)
  if find(s, "^P%d+W$") then return true end
  local days, time = match(s, "^P([%dYMD]*)(.*)$")
  if not days or days == "" and time == "" then return false end
  local function in_order(text, units)
    -- A text that ends in digits alone would be searched from each of them.
    if not find(text, "^%d") or not find(text, "%D$") or find(text, "%D%D") then return false end
    local at = 1
    for unit in gmatch(text, "%d*(%D)") do
      local place = find(units, unit, at, true)
      -- No unit is left out between two others.
      if not place or at > 1 and place > at then return false end
      at = place + 1
    end
    return true
  end
  if days ~= "" and not in_order(days, "YMD") then return false end
  if time == "" then return true end
  return sub(time, 1, 1) == "T" and in_order(sub(time, 2), "HMS")
end)

local function is_ipv4(s)
  local count = 0
  for part in gmatch(s .. ".", "([^.]*)%.") do
    count = count + 1
    if count > 4 or not find(part, "^%d%d?%d?$") or tonumber(part) > 255
      or #part > 1 and sub(part, 1, 1) == "0" then
      return false
    end
  end
  return count == 4
end

-- RFC 4291 2.2.
local function is_ipv6(s)
  if #s > 45 or find(s, "[^%x:.]") or find(s, ":::", 1, true) then return false end
  local groups = 0
  local head, tail = match(s, "^(.-)::(.*)$")
  if head and find(tail, "::", 1, true) then return false end
  local function count(text, may_end_in_ipv4)
    if text == "" then return true end
    local parts = {}
    for part in gmatch(text .. ":", "([^:]*):") do parts[#parts + 1] = part end
    for i, part in ipairs(parts) do
      if find(part, "^%x%x?%x?%x?$") then
        groups = groups + 1
      elseif may_end_in_ipv4 and i == #parts and is_ipv4(part) then
        groups = groups + 2
      else
        return false
      end
    end
    return true
  end
  if not head then return count(s, true) and groups == 8 end
  return count(head, false) and count(tail, true) and groups <= 7
end

define("ipv4", "an IPv4 address", is_ipv4)
define("ipv6", "an IPv6 address", is_ipv6)

-- RFC 1123 2.1.
local function is_hostname(s)
  if #s > LONGEST_HOST or s == "" then return false end
  for label in gmatch(s .. ".", "([^.]*)%.") do
    if #label > 63 or not find(label, "^%w[%w-]*$") or sub(label, -1) == "-"
      or find(label, "^..%-%-") and not find(label, "^[xX][nN]") then
      return false
    end
  end
  return true
end

define("hostname", "a host name", is_hostname)

-- RFC 5321 4.1.2 Mailbox.
define("email", "an email address", function(s)
  if #s > LONGEST_ADDRESS then return false end
  local before, host = match(s, '^("[^%c"]*")@([^@]+)$')
  if not before then
    before, host = match(s, "^([^@]+)@([^@]+)$")
    if not before or find(before, "[^%w!#$%%&'*+/=?^_`{|}~.-]") or find(before, "..", 1, true)
      or sub(before, 1, 1) == "." or sub(before, -1) == "." then
      return false
    end
  end
  if #before > LONGEST_LOCAL then return false end
  local literal = match(host, "^%[(.*)%]$")
  if not literal then return is_hostname(host) end
  local ipv6 = match(literal, "^[Ii][Pp][Vv]6:(.*)$")
  if ipv6 then return is_ipv6(ipv6) end
  return is_ipv4(literal)
end)

-- RFC 3986, all but what a scheme adds to it.
local function is_reference(s)
  if find(s, "[^%w%-._~:/?#%[%]@!$&'()*+,;=%%]") or find(s .. "  ", "%%%X")
    or find(s .. "  ", "%%%x%X") then
    return false
  end
  local rest, fragment = match(s, "^([^#]*)#?(.*)$")
  if find(fragment, "[#%[%]]") then return false end
  local scheme = match(rest, "^(%a[%w+.-]*):")
  if scheme then rest = sub(rest, #scheme + 2) end
  local authority, path = match(rest, "^//([^/?]*)(.*)$")
  if not authority then
    -- A first segment with a colon would be a scheme.
    if not scheme and find(rest, "^[^/?]*:") then return false end
    return not find(rest, "[%[%]]")
  end
  local user, host = match(authority, "^([^@]*)@([^@]*)$")
  host = user and host or authority
  if user and find(user, "[%[%]]") or find(host, "@", 1, true) or find(path, "[%[%]]") then
    return false
  end
  local literal, after = match(host, "^%[([^%[%]]*)%](.*)$")
  if literal then
    return (is_ipv6(literal) or find(literal, "^[vV]%x+%.[%w:!$&'()*+,;=._~-]+$") ~= nil)
      and find(after, "^:?%d*$") ~= nil and (after == "" or sub(after, 1, 1) == ":")
  end
  local port = match(host, "^[^:]*(.*)$")
  return not find(host, "[%[%]]") and (port == "" or find(port, "^:%d*$") ~= nil)
end

define("uri", "an absolute URI", function(s)
  return find(s, "^%a[%w+.-]*:") ~= nil and is_reference(s)
end)
define("uri-reference", "a URI or a relative reference", is_reference)

define("uuid", "a UUID", function(s)
  return #s == 36 and find(s, "^%x+%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+$") == 1
    and sub(s, 9, 9) == "-"
end)

local function is_pointer(s)
  return (s == "" or sub(s, 1, 1) == "/") and not find(s .. " ", "~[^01]")
end

define("json-pointer", "a JSON pointer", is_pointer)
define("relative-json-pointer", "a relative JSON pointer", function(s)
  local digits, rest = match(s, "^(%d+)(.*)$")
  if not digits or #digits > 1 and sub(digits, 1, 1) == "0" then return false end
  return rest == "#" or is_pointer(rest)
end)

return format
