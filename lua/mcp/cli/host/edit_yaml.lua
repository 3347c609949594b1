-- SPDX-License-Identifier: MIT
-- edit_yaml: one entry of a mapping in a YAML text; the functions are those of edit_json, with one
-- key. It works on lines and indentation, so it accepts block mappings only, at the root and in the
-- table of servers, and refuses what it does not understand.
local core = require "mcp.core"

local edit_yaml = {}

local UNIT = "  "

local function is_blank(text) return not text:find "[^%s\u{FEFF}]" end
local function eol_of(text) return text:find("\r\n", 1, true) and "\r\n" or "\n" end

-- The lines: first and last byte (with the line end), the text without it, its indentation, and
-- whether it is only a comment or empty.
local function lines_of(text)
  local list, at = {}, text:sub(1, 3) == "\u{FEFF}" and 4 or 1
  while at <= #text do
    local last = text:find("\n", at, true) or #text
    local line = text:sub(at, last):gsub("\r?\n$", "")
    list[#list + 1] = { first = at, last = last, text = line, indent = #line:match "^ *",
      is_idle = line:find "^%s*$" ~= nil or line:find "^%s*#" ~= nil }
    at = last + 1
  end
  return list
end

-- The key of a line and what follows its colon; nil if it has none.
local function key_of(line)
  local text = line.text:sub(line.indent + 1)
  local key, rest = text:match "^([%w_./][%w_./@-]*)%s*:(.*)$"
  if not key then key, rest = text:match '^"([^"\\]*)"%s*:(.*)$' end
  if not key then key, rest = text:match "^'([^']*)'%s*:(.*)$" end
  if not key or rest ~= "" and not rest:find "^%s" then return nil end
  return key, rest
end

-- Is there no value after the colon?
local function has_no_value(rest) return rest:find "^%s*$" ~= nil or rest:find "^%s+#" ~= nil end

-- Where the quoted text, list or mapping that begins at `at` ends; nil if it has no end.
local function flow_end(text, at)
  local depth = 0
  while at <= #text do
    local byte = text:sub(at, at)
    if byte == '"' then
      local from = at + 1
      repeat
        at = text:find('["\\]', from)
        from = at and at + 2
      until not at or text:sub(at, at) == '"'
      if not at then return nil end
    elseif byte == "'" then
      at = text:find("'", at + 1, true)
      if not at then return nil end
    elseif byte:find "[%[{]" then
      depth = depth + 1
    elseif byte:find "[%]}]" then
      depth = depth - 1
    end
    if depth <= 0 then return at end
    at = text:find("[\"'%[%]{}]", at + 1) or #text + 1
  end
  return nil
end

-- What a line begins after its indentation, the dashes of lists and its key.
local function value_start(line)
  local at = line.indent + 1
  while true do
    local after = line.text:match("^%-%s+()", at)
    if not after then break end
    at = after
  end
  local _, rest = key_of { text = line.text, indent = at - 1 }
  if rest then at = #line.text - #rest:gsub("^%s+", "") + 1 end
  return at
end

-- A value over several lines is clear to a reader of indentation if those are indented more than
-- its first line. Block scalars are so by definition. Nil and a message for others.
local function check_values(text, lines)
  local i = 1
  while i <= #lines do
    local line, last = lines[i], i
    local at = not line.is_idle and value_start(line)
    if at and line.text:find("^[|>][+-]?%d?[+-]?%s*$", at)
      or at and line.text:find("^[|>][+-]?%d?[+-]?%s+#", at) then
      while lines[last + 1] and (lines[last + 1].indent > line.indent
        or lines[last + 1].text:find "^%s*$") do last = last + 1 end
      if last == #lines and not text:find "\n$" then
        return nil, ("line %d: expected a line end after a block scalar"):format(last)
      end
    elseif at and line.text:find("^[\"'%[{]", at) then
      local till = flow_end(text, line.first + at - 1)
      if not till then return nil, ("line %d: a value without an end"):format(i) end
      while lines[last].last < till do
        last = last + 1
        if lines[last].indent <= line.indent then
          return nil, ("line %d: expected more indentation"):format(last)
        end
      end
    end
    i = last + 1
  end
  return true
end

---@param text string
---@return true|nil ok
---@return string|nil message
function edit_yaml.check(text)
  if text:find "\r%f[^\r\n]" or text:find "\r\r" then
    return nil, "a carriage return that ends no line"
  end
  local started, seen, lines = false, {}, lines_of(text)
  for number, line in ipairs(lines) do
    local where = ("line %d: "):format(number)
    if line.text:find "^ *\t" and not line.is_idle then
      return nil, where .. "a tab in the indentation"
    end
    if not line.is_idle and line.indent == 0 then
      local key = key_of(line)
      if key then
        if seen[key] then return nil, ("%sthe key %q is there twice"):format(where, key) end
        seen[key] = true
      elseif not line.text:find(started and "^%- " or "^%-%-%-%s*$") then
        return nil, where .. "expected a key of a block mapping"
      end
      started = true
    elseif not line.is_idle and not next(seen) then
      return nil, where .. "expected a key of a block mapping"
    end
  end
  return check_values(text, lines)
end

-- The blocks of lines `from` to `to` at one indentation: `{ key, rest, from, to }`, where `to` is
-- the last line with content. The items of a list may have the indentation of their key. Nil and a
-- message if that is no block mapping.
local function blocks(lines, from, to)
  local list, seen, indent = {}, {}, nil
  for i = from, to do
    local line = lines[i]
    if not line.is_idle then
      indent = indent or line.indent
      if line.indent < indent then return nil, ("line %d: unexpected indentation"):format(i) end
      if line.indent == indent and not (list[1] and line.text:find("^%- ", indent + 1)) then
        local key, rest = key_of(line)
        if not key then return nil, ("line %d: expected a key of a block mapping"):format(i) end
        if seen[key] then return nil, ("line %d: the key %q is there twice"):format(i, key) end
        seen[key] = true
        list[#list + 1] = { key = key, rest = rest, from = i, to = i }
      else
        list[#list].to = i
      end
    end
  end
  return list, indent
end

-- The table of servers: `{ line, rest, to, list, indent }`; false if there is none.
local function section(lines, key)
  for i, line in ipairs(lines) do
    local name, rest = nil, nil
    if not line.is_idle and line.indent == 0 then name, rest = key_of(line) end
    if name == key then
      local to = i
      while lines[to + 1] and (lines[to + 1].is_idle or lines[to + 1].indent > 0) do to = to + 1 end
      local next_line = lines[to + 1]
      while lines[to].is_idle do to = to - 1 end
      local is_list = next_line and next_line.text:find "^%- "
      local empty = rest:match "^%s*{%s*}"
      if is_list or not (has_no_value(rest) or empty and has_no_value(rest:sub(#empty + 1))) then
        return nil, key .. ": expected a block mapping"
      end
      local list, indent = blocks(lines, i + 1, to)
      if not list then return nil, indent end
      return { line = i, empty = empty, to = to, list = list, indent = indent }
    end
  end
  return false
end

local function block_of(found, name)
  for _, block in ipairs(found and found.list or {}) do
    if block.key == name then return block end
  end
end

---@param text string
---@param keys string[]
---@param name string
---@return table|nil entry
---@return string|nil message
function edit_yaml.find(text, keys, name)
  local found, wrong = section(lines_of(text), keys[1])
  if found == nil then return nil, wrong end
  return block_of(found, name)
end

local function scalar(given)
  return type(given) == "string" and core.encode(given) or tostring(given)
end

local function key_text(name) return name:find "^%a[%w_-]*$" and name or core.encode(name) end

-- The lines of a member; `inner` is the indentation of what it holds.
local function render(out, indent, key, given, inner)
  local start = (" "):rep(indent) .. key_text(key) .. ":"
  if type(given) ~= "table" then
    out[#out + 1] = start .. " " .. scalar(given)
  elseif #given == 0 then
    out[#out + 1] = start .. (given.map and " {}" or " []")
  else
    out[#out + 1] = start
    for _, item in ipairs(given) do
      out[#out + 1] = (" "):rep(inner or indent + #UNIT) .. (given.map
        and ("%s: %s"):format(key_text(item[1]), scalar(item[2])) or "- " .. scalar(item))
    end
  end
end

-- Lines put after the line that ends at `at`; at the end of a text that has no line end there, the
-- new text has none either.
local function insert_after(text, at, list, eol)
  local piece = table.concat(list, eol)
  if at == 0 or text:sub(at, at) == "\n" then
    return text:sub(1, at) .. piece .. eol .. text:sub(at + 1)
  end
  return text:sub(1, at) .. eol .. piece .. text:sub(at + 1)
end

---@param text string
---@param keys string[]
---@param name string
---@param entry table
---@return string|nil text
---@return table|string undo
function edit_yaml.put(text, keys, name, entry)
  local undo, eol = {}, eol_of(text)
  if is_blank(text) then
    undo.blank = text
    text = text:match "^\u{FEFF}" or ""
  end
  local lines = lines_of(text)
  local found, wrong = section(lines, keys[1])
  if found == nil then return nil, wrong end
  local indent = found and found.indent or #UNIT
  local out = {}
  if not found then
    out[1] = key_text(keys[1]) .. ":"
    undo.made = 1
  end
  out[#out + 1] = (" "):rep(indent) .. key_text(name) .. ":"
  for _, pair in ipairs(entry) do render(out, indent + #UNIT, pair[1], pair[2]) end
  if not found then
    if undo.blank then return text .. table.concat(out, eol) .. eol, undo end
    return insert_after(text, #text, out, eol), undo
  end
  local at = lines[found.to].last
  if #found.list == 0 then
    undo.inner = found.empty or ""
    local line = lines[found.line]
    local colon = line.first + line.text:find(":", 1, true) - 1
    text = text:sub(1, colon) .. text:sub(colon + 1 + #undo.inner)
    at = at - #undo.inner
  end
  return insert_after(text, at, out, eol), undo
end

-- Removes lines; without a line end at the end of the text if there was none.
local function cut(text, first, last)
  local head, tail = text:sub(1, first - 1), text:sub(last + 1)
  if tail == "" and not text:find "\n$" then head = head:gsub("\r?\n$", "") end
  return head .. tail
end

---@param text string
---@param keys string[]
---@param name string
---@param undo table|nil of `put`
---@return string text
function edit_yaml.remove(text, keys, name, undo)
  local lines = lines_of(text)
  local found = assert(section(lines, keys[1]))
  local block = block_of(found, name)
  local first, last = lines[block.from].first, lines[block.to].last
  if #found.list > 1 then return cut(text, first, last) end
  if undo and undo.made == 1 and block.from == found.line + 1 then
    return cut(text, lines[found.line].first, last)
  end
  text = cut(text, first, last)
  local line = lines[found.line]
  local colon = line.first + line.text:find(":", 1, true) - 1
  return text:sub(1, colon) .. (undo and undo.inner or " {}") .. text:sub(colon + 1)
end

-- The members of an old mapping that a new one does not set, as lines; and its indentation.
local function kept(lines, member, map)
  if #map == 0 and member.from == member.to then return {} end
  local list, indent = blocks(lines, member.from + 1, member.to)
  if not list then return nil, indent end
  if not has_no_value(member.rest) and not member.rest:find "^%s*{%s*}%s*$" then
    return nil, ("line %d: %s: expected a block mapping"):format(member.from, member.key)
  end
  local new, out = {}, {}
  for _, pair in ipairs(map) do new[pair[1]] = true end
  for _, each in ipairs(list) do
    if not new[each.key] then
      for i = each.from, each.to do out[#out + 1] = lines[i].text end
    end
  end
  return out, indent
end

---@param text string
---@param keys string[]
---@param name string
---@param entry table
---@param own table<string, true>
---@return string|nil text
---@return string|nil message
function edit_yaml.update(text, keys, name, entry, own)
  local lines = lines_of(text)
  local block = block_of(assert(section(lines, keys[1])), name)
  if not has_no_value(block.rest) then
    return nil, ("line %d: %s: expected a block mapping"):format(block.from, name)
  end
  local list, indent = blocks(lines, block.from + 1, block.to)
  if not list then return nil, indent end
  indent = indent or lines[block.from].indent + #UNIT
  local given, out, done = {}, { lines[block.from].text }, {}
  for _, pair in ipairs(entry) do given[pair[1]] = pair[2] end
  for _, member in ipairs(list) do
    local new = given[member.key]
    done[member.key] = true
    if type(new) == "table" and new.map then
      local old, inner = kept(lines, member, new)
      if not old then return nil, inner end
      render(out, indent, member.key, new, inner)
      if #old > 0 and #new == 0 then out[#out] = out[#out]:gsub(" {}$", "") end
      table.move(old, 1, #old, #out + 1, out)
    elseif new ~= nil then
      render(out, indent, member.key, new)
    elseif not own[member.key] then
      for i = member.from, member.to do out[#out + 1] = lines[i].text end
    end
  end
  for _, pair in ipairs(entry) do
    if not done[pair[1]] then render(out, indent, pair[1], pair[2]) end
  end
  local last = lines[block.to]
  return text:sub(1, lines[block.from].first - 1) .. table.concat(out, eol_of(text))
    .. text:sub(last.first + #last.text)
end

---@param text string
---@return boolean
function edit_yaml.is_empty(text) return is_blank(text) end

---@param keys string[]
---@param name string
---@param entry table
---@return string text
function edit_yaml.show(keys, name, entry) return (edit_yaml.put("", keys, name, entry)) end

return edit_yaml
