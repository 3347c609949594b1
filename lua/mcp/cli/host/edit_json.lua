-- SPDX-License-Identifier: MIT
-- edit_json: one entry in a JSON text, with comments or without: puts it in, updates it, takes it
-- out. Every other byte stays. It has the same functions as edit_toml and edit_yaml:
--
--   check(text)                         true, or nil and what is wrong
--   find(text, keys, name)              the entry in some form, or nil
--   put(text, keys, name, entry)        the text with a new entry, and what remove needs later: the
--                                       members `made`, `inner`, `blank`, `bare` of a table
--   update(text, keys, name, entry, own)  the text with the entry changed, its other members kept
--   remove(text, keys, name, undo)      the text without the entry; undo.last: no other was put
--   is_empty(text)                      nothing is left but what put has made
--   show(keys, name, entry)             a text with this entry alone
--
-- `keys` is the way to the table of servers; `entry` a list of { member, value }, where a value is
-- a string, a number, a boolean, a list of strings, or a list of { key, string } with `map = true`;
-- `own` the members that an update removes if the new entry lacks them.
local core = require "mcp.core"
local jsonc = require "mcp.jsonc"
local value = require "mcp.value"

local edit_json = {}

local function is_blank(text) return not text:find "[^%s\u{FEFF}]" end

local function decoded(text) return core.decode(jsonc.plain(text)) end

---@param text string
---@return true|nil ok
---@return string|nil message
function edit_json.check(text)
  if is_blank(text) then return true end
  local root, wrong = decoded(text)
  if root == nil then return nil, wrong end
  if value.kind(root) ~= "object" then return nil, "expected a JSON object" end
  return true
end

-- How a text is laid out: its line end, and what one level is indented by.
local function layout(text, root)
  local first = root.members[1]
  local unit = first and text:sub(1, first.first - 1):match "[\r\n]([ \t]+)$"
  return { eol = text:find("\r\n", 1, true) and "\r\n" or "\n", unit = unit or "  " }
end

-- The blanks at the start of the line on which `at` stands.
local function indent_at(text, at)
  return text:sub(1, at):match "[^\r\n]*$":match "^[ \t]*"
end

local render

-- Members of an object, each on a line of its own; on one line without an indentation.
local function render_map(map, indent, style)
  if #map == 0 then return "{}" end
  local out = {}
  local inner = indent and indent .. style.unit
  for i, pair in ipairs(map) do
    out[i] = ("%s: %s"):format(core.encode(pair[1]), render(pair[2], inner, style))
  end
  if not indent then return "{" .. table.concat(out, ", ") .. "}" end
  local between = style.eol .. inner
  return "{" .. between .. table.concat(out, "," .. between) .. style.eol .. indent .. "}"
end

function render(given, indent, style)
  if type(given) ~= "table" then return core.encode(given) end
  if given.map then return render_map(given, indent, style) end
  local out = {}
  for i, item in ipairs(given) do out[i] = core.encode(item) end
  return "[" .. table.concat(out, ", ") .. "]"
end

local function as_map(entry)
  local map = table.move(entry, 1, #entry, 1, {})
  map.map = true
  return map
end

local function find_member(node, name)
  for i, member in ipairs(node.members) do
    if core.decode('"' .. member.name .. '"') == name then return member, i end
  end
end

-- The objects on the way along `keys`, as far as they exist. Nil and a text if something else
-- stands there.
local function walk(root, keys)
  local chain = { root }
  for i, key in ipairs(keys) do
    local member = find_member(chain[i], key)
    if not member then break end
    if member.value.kind ~= "object" then
      return nil, ("%s: expected a JSON object"):format(table.concat(keys, ".", 1, i))
    end
    chain[i + 1] = member.value
  end
  return chain
end

-- Where the comments that begin on the line of `at` end; `at` if there are none.
local function after_comments(text, at)
  while true do
    local start = text:match("^[ \t]*()/[/*]", at + 1)
    if not start then return at end
    local _, last = nil, (text:find("[\r\n]", start) or #text + 1) - 1
    if text:sub(start + 1, start + 1) == "*" then _, last = text:find("*/", start + 2, true) end
    at = last
  end
end

-- Adds a member at the end of an object that has others.
local function append(text, node, name, given, style)
  local last = node.members[#node.members]
  local at = after_comments(text, last.comma or last.value.last)
  local own_line = text:sub(1, last.first - 1):match "[\r\n]([ \t]*)$"
  local lines = own_line or text:sub(last.value.last, at):find("//", 1, true)
  local indent = own_line or indent_at(text, last.first)
  local piece = ("%s%s: %s%s"):format(lines and style.eol .. indent or " ", core.encode(name),
    render(given, lines and indent, style), last.comma and "," or "")
  local head = text:sub(1, at)
  if not last.comma then
    head = text:sub(1, last.value.last) .. "," .. text:sub(last.value.last + 1, at)
  end
  return head .. piece .. text:sub(at + 1)
end

-- Adds the first member of an object, after the comments in it.
local function fill(text, node, name, given, style)
  local inner = text:sub(node.first + 1, node.last - 1)
  local comments = inner:match "^(.-)%s*$"
  local base = indent_at(text, node.first)
  local indent = base .. style.unit
  local rest = inner:sub(#comments + 1)
  if not rest:find "[\r\n]" then rest = style.eol .. base end
  return ("%s%s%s%s%s: %s%s%s"):format(text:sub(1, node.first), comments, style.eol, indent,
    core.encode(name), render(given, indent, style), rest, text:sub(node.last)), inner
end

local function insert(text, node, name, given, style)
  if #node.members > 0 then return append(text, node, name, given, style) end
  return fill(text, node, name, given, style)
end

---@param text string
---@param keys string[]
---@param name string
---@return table|nil entry decoded
---@return string|nil message
function edit_json.find(text, keys, name)
  if is_blank(text) then return nil end
  local chain, wrong = walk(jsonc.scan(text), keys)
  if not chain then return nil, wrong end
  local node = chain[#keys + 1]
  local member = node and find_member(node, name)
  return member and decoded(text:sub(member.value.first, member.value.last)) or nil
end

---@param text string
---@param keys string[]
---@param name string
---@param entry table
---@return string|nil text
---@return table|string undo what `remove` needs; a message on failure
function edit_json.put(text, keys, name, entry)
  local undo = {}
  if is_blank(text) then
    undo.blank = text
    text = (text:match "^\u{FEFF}" or "") .. "{}\n"
  end
  local root = jsonc.scan(text)
  local chain, wrong = walk(root, keys)
  if not chain then return nil, wrong end
  local way = table.move(keys, 1, #keys, 1, {})
  way[#way + 1] = name
  local given = as_map(entry)
  for i = #way, #chain + 1, -1 do given = { { way[i], given }, map = true } end
  undo.made = #way - #chain
  text, undo.inner = insert(text, chain[#chain], way[#chain], given, layout(text, root))
  return text, undo
end

-- Takes a member out of an object.
local function drop(text, node, index, inner)
  local member, before = node.members[index], node.members[index - 1]
  local from = before and (before.comma or before.value.last) or node.first
  local spaces, needs_line = jsonc.spaces(text, from, member.first)
  local tail = text:sub((member.comma or member.value.last) + 1)
  if needs_line and not tail:find "^[\r\n]" then spaces = member.first end
  local head = text:sub(1, spaces - 1)
  if #node.members == 1 and inner then
    local left = head:sub(node.first + 1) .. text:sub(#text - #tail + 1, node.last - 1)
    if left:gsub("%s", "") == inner:gsub("%s", "") then
      return text:sub(1, node.first) .. inner .. text:sub(node.last)
    end
  elseif before and not node.members[index + 1] and not member.comma then
    head = head:sub(1, before.comma - 1) .. head:sub(before.comma + 1)
  end
  return head .. tail
end

-- Is the member all that an object holds, comments included?
local function is_alone(text, node)
  local member = node.members[1]
  return #node.members == 1 and jsonc.skip(text, node.first + 1) == member.first
    and not text:sub(node.first + 1, member.first - 1):find "%S"
    and not text:sub((member.comma or member.value.last) + 1, node.last - 1):find "%S"
end

---@param text string
---@param keys string[]
---@param name string
---@param undo table|nil of `put`
---@return string text
function edit_json.remove(text, keys, name, undo)
  undo = undo or {}
  local chain = assert(walk(jsonc.scan(text), keys))
  local way = table.move(keys, 1, #keys, 1, {})
  way[#way + 1] = name
  local level, made = #way, undo.made or 0
  while made > 0 and is_alone(text, chain[level]) do
    level, made = level - 1, made - 1
  end
  local _, index = find_member(chain[level], way[level])
  return drop(text, chain[level], index, made == 0 and undo.inner or nil)
end

-- The object of an entry in a text that has been changed.
local function entry_node(text, way)
  local root = jsonc.scan(text)
  local chain = assert(walk(root, way))
  return chain[#way + 1], root
end

local function merge(text, way, pair)
  local node, root = entry_node(text, way)
  local member = find_member(node, pair[1])
  local style = layout(text, root)
  if not member then return (insert(text, node, pair[1], pair[2], style)) end
  local given = pair[2]
  if type(given) == "table" and given.map and member.value.kind == "object" then
    local inner = table.move(way, 1, #way, 1, {})
    inner[#inner + 1] = pair[1]
    for _, each in ipairs(given) do text = merge(text, inner, each) end
    return text
  end
  local new = render(given, indent_at(text, member.first), style)
  local old = text:sub(member.value.first, member.value.last)
  if core.encode(decoded(old), true) == core.encode(core.decode(new), true) then return text end
  return text:sub(1, member.value.first - 1) .. new .. text:sub(member.value.last + 1)
end

---@param text string
---@param keys string[]
---@param name string
---@param entry table
---@param own table<string, true>
---@return string text
function edit_json.update(text, keys, name, entry, own)
  local way = table.move(keys, 1, #keys, 1, {})
  way[#way + 1] = name
  local chain = walk(jsonc.scan(text), way)
  if not chain then
    -- No object stands there: nothing of it can be kept.
    local root = jsonc.scan(text)
    local member = find_member(assert(walk(root, keys))[#keys + 1], name)
    return text:sub(1, member.value.first - 1)
      .. render(as_map(entry), indent_at(text, member.first), layout(text, root))
      .. text:sub(member.value.last + 1)
  end
  local new = {}
  for _, pair in ipairs(entry) do
    text = merge(text, way, pair)
    new[pair[1]] = true
  end
  for member in pairs(own) do
    local node = entry_node(text, way)
    local _, index = find_member(node, member)
    if index and not new[member] then text = drop(text, node, index) end
  end
  return text
end

---@param text string
---@return boolean
function edit_json.is_empty(text)
  if is_blank(text) then return true end
  local root = jsonc.scan(text)
  return #root.members == 0 and not text:sub(root.first + 1, root.last - 1):find "%S"
end

---The entry alone, on one line.
---@param entry table
---@return string text
function edit_json.line(entry) return render_map(entry, nil) end

---@param keys string[]
---@param name string
---@param entry table
---@return string text
function edit_json.show(keys, name, entry)
  return (edit_json.put("", keys, name, entry))
end

return edit_json
