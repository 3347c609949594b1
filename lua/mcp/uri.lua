-- SPDX-License-Identifier: MIT
-- uri.lua: URI templates (RFC 6570, levels 1 to 4) expanded and matched, and two checks on
-- addresses. Knows nothing of resources, files or the network.
--
--   {a} {a,b}    simple: everything but A-Z a-z 0-9 - . _ ~ is percent-encoded
--   {+a}         reserved: / ? # : @ and their like stay as they are
--   {#a}         fragment: "#", then as {+a}
--   {.a} {/a}    label, path segment: "." or "/" before each value
--   {;a,b}       path parameters: ";a=1;b=2"
--   {?a,b} {&c}  query, and more of it: "?a=1&b=2", "&c=3"
--   {a:3} {a*}   the first three characters; exploded: a list's or map's members one by one
--
-- The RFC defines expansion only; uri_matcher.lua defines matching.
local character = require("mcp.text").character
local matcher = require "mcp.uri_matcher"
local normal = require "mcp.uri_normal"

local uri = {}

-- A template that costs more to compile than any is worth.
uri.TEMPLATE_LENGTH = 8192
-- "{a,a,a,…": work per match that the length alone does not bound.
uri.TEMPLATE_VARIABLES = 256
-- An address sent to make each of many templates scan megabytes.
uri.LENGTH = 8192

local sub, find = string.sub, string.find

---------------------------------------------------------------------------------------------
-- Percent-encoding

local HEX = {}
for code = 0, 255 do HEX[string.char(code)] = ("%%%02X"):format(code) end

local NOT_UNRESERVED = "[^A-Za-z0-9%-._~]"
local NOT_RESERVED = "[^A-Za-z0-9%-._~:/?#%[%]@!$&'()*+,;=%%]"

local function keep_escape(digits)
  if #digits < 2 then return "%25" .. digits end
end

-- With `reserved`, reserved characters and whole escapes stay as they are.
local function encode(text, reserved)
  if not reserved then return (text:gsub(NOT_UNRESERVED, HEX)) end
  return (text:gsub(NOT_RESERVED, HEX):gsub("%%(%x?%x?)", keep_escape))
end

---------------------------------------------------------------------------------------------
-- Reading a template: RFC 6570 section 2

local OPERATORS = {
  [""] = { first = "", sep = "," },
  ["+"] = { first = "", sep = ",", reserved = true },
  ["#"] = { first = "#", sep = ",", reserved = true },
  ["."] = { first = ".", sep = "." },
  ["/"] = { first = "/", sep = "/" },
  [";"] = { first = ";", sep = ";", named = true, empty = "" },
  ["?"] = { first = "?", sep = "&", named = true, empty = "=" },
  ["&"] = { first = "&", sep = "&", named = true, empty = "=" },
}

local function fault(at, text, ...)
  return nil, ("bad URI template at position %d: " .. text):format(at, ...)
end

-- The length of the varname at the start of `spec`; 0 if there is none.
local function name_length(spec)
  local at = 1
  while true do
    local stop = select(2, find(spec, "^[A-Za-z0-9_]+", at))
      or select(2, find(spec, "^%%%x%x", at))
    if stop then
      at = stop + 1
    elseif at > 1 and find(spec, "^%.[A-Za-z0-9_%%]", at) then
      at = at + 1
    else
      return at - 1
    end
  end
end

-- "name", "name*" or "name:12" -> variable.
local function parse_variable(spec, at)
  local length = name_length(spec)
  local name, modifier = sub(spec, 1, length), sub(spec, length + 1)
  if length == 0 then
    return fault(at, "expected a variable name, found %q", spec)
  elseif modifier == "" then
    return { name = name, at = at }
  elseif modifier == "*" then
    return { name = name, at = at, explode = true }
  elseif find(modifier, "^:[1-9]%d?%d?%d?$") then
    return { name = name, at = at, prefix = tonumber(sub(modifier, 2)) }
  end
  return fault(at + length, "expected \"*\", \":1\" to \":9999\", \",\" or \"}\", found %q",
    modifier)
end

-- What stands between "{" at `at` and "}" -> expression part.
local function parse_expression(body, at)
  local operator = find(body, "^[A-Za-z0-9_%%]") and "" or sub(body, 1, 1)
  if body == "" then return fault(at, "empty expression {}") end
  if find(operator, "[=,!@|]") then
    return fault(at + 1, "operator %q is reserved by RFC 6570", operator)
  elseif not OPERATORS[operator] then
    return fault(at + 1, "unknown operator %q", character(body, 1))
  end
  local part = { operator = operator, at = at, text = "{" .. body .. "}" }
  local from = #operator + 1
  repeat
    local comma = find(body, ",", from, true)
    local variable, message = parse_variable(sub(body, from, comma and comma - 1), at + from)
    if not variable then return nil, message end
    part[#part + 1] = variable
    from = comma and comma + 1
  until not from
  return part
end

local function check_literal(text, at)
  local bad = find(text, "[%c \"<>\\^`{|}]")
  if bad then
    return fault(at + bad - 1, sub(text, bad, bad) == "}" and "%q without \"{\""
      or "%q may not stand outside an expression", sub(text, bad, bad))
  end
  for escape in text:gmatch("()%%") do
    if not find(text, "^%x%x", escape + 1) then
      return fault(at + escape - 1, "\"%%\" is not followed by two hexadecimal digits")
    end
  end
  return true
end

-- The template as a list of parts: literal strings, and expressions, which are lists of
-- variables with `operator`, `at` (where in the template) and `text`.
local function parse(text)
  if #text > uri.TEMPLATE_LENGTH then
    return fault(uri.TEMPLATE_LENGTH + 1, "longer than %d bytes", uri.TEMPLATE_LENGTH)
  end
  local valid, wrong = utf8.len(text)
  if not valid then return fault(wrong, "not valid UTF-8") end
  local parts, count, at = {}, 0, 1
  while at <= #text do
    local open = find(text, "{", at, true) or #text + 1
    if open > at then
      local literal = sub(text, at, open - 1)
      local good, message = check_literal(literal, at)
      if not good then return nil, message end
      parts[#parts + 1] = encode(literal, true)
    end
    if open > #text then break end
    local close = find(text, "[{}]", open + 1)
    if not close or sub(text, close, close) == "{" then
      return fault(open, "\"{\" without \"}\"")
    end
    local part, message = parse_expression(sub(text, open + 1, close - 1), open)
    if not part then return nil, message end
    count = count + #part
    if count > uri.TEMPLATE_VARIABLES then
      return fault(open, "more than %d variables", uri.TEMPLATE_VARIABLES)
    end
    parts[#parts + 1] = part
    at = close + 1
  end
  return parts
end

---------------------------------------------------------------------------------------------
-- Expansion: RFC 6570 section 3.2.1

-- The first `count` characters. An escape that stays as it is counts with those that belong to
-- the same character (section 2.4.1).
local function prefix(text, count, reserved)
  local at = 1
  for _ = 1, count do
    local escape = reserved and find(text, "^%%%x%x", at)
    at = at + (escape and 3 or 1)
    while find(text, escape and "^%%[89ABab]%x" or "^[\x80-\xBF]", at) do
      at = at + (escape and 3 or 1)
    end
  end
  return sub(text, 1, at - 1)
end

local function scalar(value, name)
  if math.type(value) == "float" then
    if value ~= value or value == math.huge or value == -math.huge then
      error(("variable %q: %s has no place in a URI"):format(name, value), 0)
    end
    value = math.tointeger(value) or value
  elseif type(value) ~= "string" and type(value) ~= "number" then
    error(("variable %q: string or number expected, got %s"):format(name, type(value)), 0)
  end
  return tostring(value)
end

local function pair(operator, name, value)
  return name .. (value == "" and operator.empty or "=" .. value)
end

local function expand_list(operator, variable, list, out)
  local members = {}
  for i = 1, #list do
    members[i] = encode(scalar(list[i], variable.name), operator.reserved)
    if variable.explode then
      out[#out + 1] = operator.named and pair(operator, variable.name, members[i]) or members[i]
    end
  end
  if not variable.explode then
    local joined = table.concat(members, ",")
    out[#out + 1] = operator.named and pair(operator, variable.name, joined) or joined
  end
end

-- Maps go out in the order of their keys, so that one map is always one address.
local function expand_map(operator, variable, map, out)
  local keys, members = {}, {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do
    local name = encode(scalar(key, variable.name), operator.reserved)
    local value = encode(scalar(map[key], variable.name), operator.reserved)
    if variable.explode then
      out[#out + 1] = operator.named and pair(operator, name, value) or name .. "=" .. value
    else
      members[2 * i - 1], members[2 * i] = name, value
    end
  end
  if not variable.explode then
    local joined = table.concat(members, ",")
    out[#out + 1] = operator.named and pair(operator, variable.name, joined) or joined
  end
end

local function expand_variable(operator, variable, value, out)
  if type(value) == "table" then
    if next(value) == nil then return end -- an empty list or map is undefined: section 2.3
    if variable.prefix then
      error(("variable %q: a list or map has no prefix"):format(variable.name), 0)
    end
    return (value[1] ~= nil and expand_list or expand_map)(operator, variable, value, out)
  end
  local text = scalar(value, variable.name)
  if variable.prefix then text = prefix(text, variable.prefix, operator.reserved) end
  text = encode(text, operator.reserved)
  out[#out + 1] = operator.named and pair(operator, variable.name, text) or text
end

local function expand(parts, vars)
  local out = {}
  for i, part in ipairs(parts) do
    if type(part) == "string" then
      out[i] = part
    else
      local operator, values = OPERATORS[part.operator], {}
      for _, variable in ipairs(part) do
        local value = vars[variable.name]
        if value ~= nil then expand_variable(operator, variable, value, values) end
      end
      out[i] = values[1] and operator.first .. table.concat(values, operator.sep) or ""
    end
  end
  return table.concat(out)
end

---------------------------------------------------------------------------------------------
-- The object

---@class mcp.uri.template
---@field text string the template as it was given
---@field variables string[] the names of its variables, each once, in order
local methods = {}
local metatable = { __name = "mcp.uri.template", __index = methods }

function metatable:__tostring()
  return ("%s: %s"):format(metatable.__name, self.text)
end

---Puts values in. A value is a string, a number, a list or a map of them; a missing one leaves
---nothing. Raises for any other value.
---@param vars? table<string, string|number|table>
---@return string uri
function methods:expand(vars)
  local good, result = pcall(expand, self.parts, vars or {})
  if not good then error(result, 2) end
  return result
end

---Takes values out: a string for each variable, a list of strings for each exploded one. Two
---spellings of one address (RFC 3986 6.2.2) give the same; values keep their case.
---@param text string
---@param spellings? string[] what uri.spellings gave for it, where many templates are asked
---@return table<string, string|string[]>? vars nil when the address is not one of this template
function methods:match(text, spellings)
  if not self.program then error(self.unmatchable, 2) end
  if #text > uri.LENGTH then return nil end
  for _, spelling in ipairs(spellings or normal.spellings(text)) do
    local vars = matcher.match(self.program, spelling)
    if vars then return vars end
  end
  return nil
end

---Whether the template has no variables, and so is the address of one thing.
---@return boolean
function methods:is_static()
  return self.variables[1] == nil
end

---Reads a template. One that cannot be matched without doubt (two variables side by side, two
---that span segments, a prefix, …) is refused, unless it is only meant to be expanded.
---@param text string
---@param purpose? "match"|"expand" what it is for; "match" (expands as well) unless given
---@return mcp.uri.template? template
---@return string? message what is wrong, and at which position
function uri.template(text, purpose)
  if type(text) ~= "string" then
    error(("URI template: string expected, got %s"):format(type(text)), 2)
  elseif purpose and purpose ~= "match" and purpose ~= "expand" then
    error(("URI template: purpose \"match\" or \"expand\" expected, got %q"):format(purpose), 2)
  end
  local parts, message = parse(text)
  if not parts then return nil, message end
  local program, unmatchable = matcher.compile(parts)
  if not program and purpose ~= "expand" then return nil, unmatchable end
  -- Complaints are about the text as it was given; what matches is its normal form.
  local compared = program and normal.matched(text)
  if compared and compared ~= text then
    program = matcher.compile(assert(parse(compared))) or program
  end
  local variables, seen = {}, {}
  for _, part in ipairs(parts) do
    for _, variable in ipairs(type(part) == "table" and part or {}) do
      if not seen[variable.name] then variables[#variables + 1] = variable.name end
      seen[variable.name] = true
    end
  end
  return setmetatable({ text = text, variables = variables, parts = parts, program = program,
    unmatchable = unmatchable }, metatable)
end

---------------------------------------------------------------------------------------------
-- Comparing

---The one spelling that is compared when two addresses may be the same.
---@param text string
---@return string
uri.normal = normal.of

---The same for two templates.
---@param text string
---@return string
uri.normal_template = normal.template

---What an address is matched with templates by: see `match`.
---@param text string
---@return string[]
uri.spellings = normal.spellings

---------------------------------------------------------------------------------------------
-- Checks on addresses and file names

local function is_ipv4(text)
  local count = 0
  for octet in (text .. "."):gmatch("([^.]*)%.") do
    if not find(octet, "^%d%d?%d?$") or tonumber(octet) > 255
      or (#octet > 1 and sub(octet, 1, 1) == "0") then
      return false
    end
    count = count + 1
  end
  return count == 4
end

-- The 16-bit pieces of a part of an IPv6 address; an IPv4 address, only last, counts as two.
local function count_pieces(text, last)
  if text == "" then return 0 end
  local count, at = 0, 1
  repeat
    local colon = find(text, ":", at, true)
    local piece = sub(text, at, colon and colon - 1)
    if last and not colon and find(piece, ".", 1, true) then
      if not is_ipv4(piece) then return nil end
      count = count + 1
    elseif not find(piece, "^%x%x?%x?%x?$") then
      return nil
    end
    count, at = count + 1, colon and colon + 1
  until not at
  return count
end

local function is_ipv6(text)
  local gap = find(text, "::", 1, true)
  if not gap then return count_pieces(text, true) == 8 end
  local before = count_pieces(sub(text, 1, gap - 1), false)
  local after = count_pieces(sub(text, gap + 2), true)
  return before ~= nil and after ~= nil and before + after <= 7
end

local function is_authority(text)
  local at = find(text, "@", 1, true)
  if at then
    if find(sub(text, 1, at - 1), "[^A-Za-z0-9%-._~!$&'()*+,;=:%%]") then return false end
    text = sub(text, at + 1)
  end
  local literal, port = text:match("^%[(.*)%](.*)$")
  if literal then
    return (is_ipv6(literal) or find(literal, "^[vV]%x+%.[A-Za-z0-9%-._~!$&'()*+,;=:]+$") ~= nil)
      and (port == "" or find(port, "^:%d*$") ~= nil)
  end
  local host = text:match("^([^:]*):%d*$") or text
  return not find(host, "[^A-Za-z0-9%-._~!$&'()*+,;=%%]")
end

---Whether a text is an absolute URI by the grammar of RFC 3986: scheme, ":", the rest. A fragment
---is allowed (the RFC's "URI"; its "absolute-URI" has none), a relative reference is not.
---@param text any
---@return boolean
function uri.valid_absolute(text)
  if type(text) ~= "string" or #text > uri.LENGTH then return false end
  local stop = select(2, find(text, "^[A-Za-z][A-Za-z0-9+.%-]*:"))
  if not stop then return false end
  local rest = sub(text, stop + 1)
  if find(rest:gsub("%%%x%x", ""), "%", 1, true) then return false end
  local hash = find(rest, "#", 1, true)
  if hash then
    if find(rest, "[^A-Za-z0-9%-._~!$&'()*+,;=:@/?%%]", hash + 1) then return false end
    rest = sub(rest, 1, hash - 1)
  end
  local mark = find(rest, "?", 1, true)
  if mark then
    if find(rest, "[^A-Za-z0-9%-._~!$&'()*+,;=:@/?%%]", mark + 1) then return false end
    rest = sub(rest, 1, mark - 1)
  end
  if sub(rest, 1, 2) == "//" then
    local slash = find(rest, "/", 3, true) or #rest + 1
    if not is_authority(sub(rest, 3, slash - 1)) then return false end
    rest = sub(rest, slash)
  end
  return not find(rest, "[^A-Za-z0-9%-._~!$&'()*+,;=:@/%%]")
end

---Whether a decoded value may become part of a file name below some folder: no ".." component,
---not absolute on any system, no NUL; "/" and "\" both count as separators. This looks at the
---name only: links are the business of `mcp.folder`.
---@param value any
---@return boolean safe
---@return string? reason
function uri.file_path_safe(value)
  if type(value) ~= "string" then return false, "not a string" end
  if find(value, "\0", 1, true) then return false, "holds a NUL" end
  if find(value, "^[/\\]") or find(value, "^%a:") then return false, "is absolute" end
  for component in value:gmatch("[^/\\]+") do
    if component == ".." then return false, "holds \"..\"" end
  end
  return true
end

return uri
