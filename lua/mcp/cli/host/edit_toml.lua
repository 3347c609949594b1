-- SPDX-License-Identifier: MIT
-- edit_toml: one entry in a TOML text, as a table of its own at the end; the functions are those of
-- edit_json. It reads just enough of TOML to know where each statement stands. An entry that is
-- written as an inline table or with dotted keys is found, but neither changed nor removed.
local core = require "mcp.core"

local edit_toml = {}

local function is_blank(text) return not text:find "[^%s\u{FEFF}]" end

-- Reading. Each function takes a position and returns the one after what it has read, or raises a
-- message, which `scan` catches.

local function fail(text, at, message)
  local _, lines = text:sub(1, at - 1):gsub("\n", "")
  error({ ("line %d: %s"):format(lines + 1, message) }, 0)
end

-- After spaces, line ends and comments.
local function skip(text, at)
  while true do
    at = text:match("^[ \t\r\n]*()", at)
    if text:sub(at, at) ~= "#" then return at end
    at = text:match("^[^\n]*()", at)
  end
end

local function read_string(text, at)
  local quote = text:sub(at, at)
  local many = text:sub(at, at + 2) == quote:rep(3)
  if many then
    local from = at + 3
    while true do
      local found = text:find(quote == '"' and '["\\]' or "'", from)
      if not found then fail(text, at, "a string without an end") end
      if text:sub(found, found) == "\\" then
        from = found + 2
      elseif text:sub(found, found + 2) == quote:rep(3) then
        -- Two more quotes may belong to the string.
        return text:match("^" .. quote .. "?" .. quote .. "?()", found + 3)
      else
        from = found + 1
      end
    end
  end
  local from = at + 1
  while true do
    local found = text:find(quote == '"' and '["\\\n]' or "['\n]", from)
    local byte = found and text:sub(found, found)
    if not found or byte == "\n" then fail(text, at, "a string without an end") end
    if byte == quote then return found + 1 end
    from = found + 2
  end
end

-- A key with dots: its parts, and the position after it.
local function read_key(text, at)
  local parts = {}
  while true do
    local byte = text:sub(at, at)
    if byte == '"' then
      local after = read_string(text, at)
      parts[#parts + 1] = core.decode(text:sub(at, after - 1)) or text:sub(at + 1, after - 2)
      at = after
    elseif byte == "'" then
      local after = read_string(text, at)
      parts[#parts + 1] = text:sub(at + 1, after - 2)
      at = after
    else
      local word = text:match("^[%w_-]+", at)
      if not word then fail(text, at, "expected a key") end
      parts[#parts + 1] = word
      at = at + #word
    end
    local dot = text:match("^[ \t]*%.[ \t]*()", at)
    if not dot then return parts, at end
    at = dot
  end
end

local read_value

-- `pairs_of`, if given, receives `{ path, first, last }` for each pair.
local function read_inline(text, at, pairs_of)
  local start = at
  at = skip(text, at + 1)
  while text:sub(at, at) ~= "}" do
    if at > #text then fail(text, start, "a table without an end") end
    local first = at
    local path, after = read_key(text, at)
    at = text:match("^[ \t]*=[ \t]*()", after) or fail(text, after, 'expected "="')
    at = read_value(text, at)
    if pairs_of then pairs_of[#pairs_of + 1] = { path = path, first = first, last = at - 1 } end
    at = skip(text, at)
    if text:sub(at, at) == "," then
      at = skip(text, at + 1)
    elseif text:sub(at, at) ~= "}" then
      fail(text, at, 'expected "," or "}"')
    end
  end
  return at + 1
end

local function read_array(text, at)
  local start = at
  at = skip(text, at + 1)
  while text:sub(at, at) ~= "]" do
    if at > #text then fail(text, start, "an array without an end") end
    at = skip(text, read_value(text, at))
    if text:sub(at, at) == "," then
      at = skip(text, at + 1)
    elseif text:sub(at, at) ~= "]" then
      fail(text, at, 'expected "," or "]"')
    end
  end
  return at + 1
end

function read_value(text, at)
  local byte = text:sub(at, at)
  if byte == '"' or byte == "'" then return read_string(text, at) end
  if byte == "[" then return read_array(text, at) end
  if byte == "{" then return read_inline(text, at) end
  return text:match("^%d%d%d%d%-%d%d%-%d%d %d%d:[%d:.%+Zz-]+()", at)
    or text:match("^[%w_.:+-]+()", at) or fail(text, at, "expected a value")
end

-- The rest of a line after a statement: spaces and a comment.
local function line_end(text, at)
  local last = text:match("^[ \t]*()", at)
  if text:sub(last, last) == "#" then last = text:match("^[^\n]*()", last) end
  if not text:find("^\r?\n", last) and last <= #text then
    fail(text, last, "expected the end of the line")
  end
  return last
end

-- The statements: `{ kind = "table"|"tables"|"pair", path, first, last, value_first, value_last }`.
-- `path` is from the root on; first and last are the bytes of whole lines, with the line end.
local function read_statements(text)
  local list, at, table_path = {}, text:sub(1, 3) == "\u{FEFF}" and 4 or 1, {}
  -- What is defined already; each table of a list begins a part of its own.
  local defined, part = {}, 0
  while true do
    at = skip(text, at)
    if at > #text then return list end
    local statement = { first = text:sub(1, at - 1):match "()[ \t]*$" }
    local brackets = text:match("^%[%[?", at)
    if brackets then
      local path
      path, at = read_key(text, text:match("^[ \t]*()", at + #brackets))
      at = text:match("^[ \t]*" .. ("%]"):rep(#brackets) .. "()", at)
        or fail(text, at, 'expected "]"')
      statement.kind, statement.path = #brackets == 2 and "tables" or "table", path
      table_path = path
    else
      local path
      path, at = read_key(text, at)
      at = text:match("^[ \t]*=[ \t]*()", at) or fail(text, at, 'expected "="')
      statement.kind, statement.value_first = "pair", at
      statement.path = table.move(path, 1, #path, #table_path + 1,
        table.move(table_path, 1, #table_path, 1, {}))
      statement.table = table_path
      at = read_value(text, at)
      statement.value_last = at - 1
    end
    if statement.kind == "tables" then part = part + 1 end
    local what = table.concat(statement.path, "\0") .. "\0" .. part
    if statement.kind ~= "tables" and defined[what] then
      fail(text, at, ("%s is there twice"):format(table.concat(statement.path, ".")))
    end
    defined[what] = true
    at = line_end(text, at)
    at = text:match("^\r?\n?()", at)
    statement.last = at - 1
    list[#list + 1] = statement
  end
end

local function scan(text)
  local ok, list = pcall(read_statements, text)
  if ok then return list end
  if type(list) ~= "table" then error(list, 0) end
  return nil, list[1]
end

---@param text string
---@return true|nil ok
---@return string|nil message
function edit_toml.check(text)
  if text:find "\r%f[^\r\n]" or text:find "\r\r" then
    return nil, "a carriage return that ends no line"
  end
  local list, wrong = scan(text)
  if not list then return nil, wrong end
  return true
end

local function begins(path, with)
  for i, part in ipairs(with) do
    if path[i] ~= part then return false end
  end
  return true
end

local function way_to(keys, ...)
  local way = table.move(keys, 1, #keys, 1, {})
  for _, name in ipairs { ... } do way[#way + 1] = name end
  return way
end

-- The statements of an entry, and whether each belongs to a table of the entry's own.
local function statements_of(text, keys, name)
  local way, found, plain = way_to(keys, name), {}, true
  for _, statement in ipairs(assert(scan(text))) do
    if #statement.path >= #way and begins(statement.path, way) then
      found[#found + 1] = statement
      if statement.kind == "tables"
        or statement.kind == "pair" and not begins(statement.table, way) then
        plain = false
      end
    end
  end
  return found, plain
end

---@param text string
---@param keys string[]
---@param name string
---@return table|nil entry
---@return string|nil message
function edit_toml.find(text, keys, name)
  local found, plain = statements_of(text, keys, name)
  if #found > 0 then
    return found, not plain and ("%s is an inline table or has dotted keys"):format(name) or nil
  end
  for _, statement in ipairs(assert(scan(text))) do
    if statement.kind == "pair" and #statement.path <= #keys and begins(keys, statement.path) then
      return nil, ("%s: expected a table with a header of its own"):format(
        table.concat(statement.path, "."))
    end
  end
  return nil
end

local function quoted(text)
  return (core.encode(text):gsub("\127", "\\u007F"))
end

local function key_text(name) return name:find "^[%w_-]+$" and name or quoted(name) end

local function render(given)
  if type(given) ~= "table" then
    return type(given) == "string" and quoted(given) or tostring(given)
  end
  local out = {}
  for i, item in ipairs(given) do
    out[i] = given.map and ("%s = %s"):format(key_text(item[1]), quoted(item[2])) or quoted(item)
  end
  if given.map then return #out == 0 and "{}" or "{ " .. table.concat(out, ", ") .. " }" end
  return "[" .. table.concat(out, ", ") .. "]"
end

local function eol_of(text) return text:find("\r\n", 1, true) and "\r\n" or "\n" end

local function header(way)
  local parts = {}
  for i, part in ipairs(way) do parts[i] = key_text(part) end
  return "[" .. table.concat(parts, ".") .. "]"
end

---@param text string
---@param keys string[]
---@param name string
---@param entry table
---@return string text
---@return table undo
function edit_toml.put(text, keys, name, entry)
  local eol, undo = eol_of(text), {}
  if is_blank(text) then
    undo.blank = text
    text = text:match "^\u{FEFF}" or ""
  else
    undo.bare = not text:find "\n$"
    text = text .. (undo.bare and eol or "") .. eol
  end
  local lines = { header(way_to(keys, name)) }
  for _, pair in ipairs(entry) do
    lines[#lines + 1] = ("%s = %s"):format(key_text(pair[1]), render(pair[2]))
  end
  return text .. table.concat(lines, eol) .. eol, undo
end

-- Removes statements, the last first, with what stands between those that follow each other.
local function cut(text, list)
  for i = #list, 1, -1 do
    text = text:sub(1, list[i].first - 1) .. text:sub(list[i].last + 1)
  end
  return text
end

---@param text string
---@param keys string[]
---@param name string
---@param undo table|nil of `put`
---@return string text
function edit_toml.remove(text, keys, name, undo)
  local found = statements_of(text, keys, name)
  local from = found[1].first
  text = cut(text, found)
  local head, tail = text:sub(1, from - 1), text:sub(from)
  -- The empty line before it.
  if head:find "\n\r?\n$" then head = head:gsub("\r?\n$", "") end
  if undo and undo.last and undo.bare and tail == "" then head = head:gsub("\r?\n$", "") end
  return head .. tail
end

local function find_pair(list, way)
  for _, statement in ipairs(list) do
    if statement.kind == "pair" and #statement.path == #way and begins(statement.path, way) then
      return statement
    end
  end
end

-- The last line of a table that has a header.
local function end_of_table(list, way)
  local last
  for _, statement in ipairs(list) do
    local own = statement.kind == "pair" and statement.table or statement.path
    if #own == #way and begins(own, way) then last = statement.last end
  end
  return last
end

-- An inline table with members changed and added.
local function merged(text, statement, map)
  local old, out, new = {}, {}, {}
  read_inline(text, statement.value_first, old)
  for _, pair in ipairs(map) do new[pair[1]] = true end
  for _, pair in ipairs(old) do
    if not (#pair.path == 1 and new[pair.path[1]]) then
      out[#out + 1] = text:sub(pair.first, pair.last)
    end
  end
  for _, pair in ipairs(map) do
    out[#out + 1] = ("%s = %s"):format(key_text(pair[1]), quoted(pair[2]))
  end
  return "{ " .. table.concat(out, ", ") .. " }"
end

local function insert_line(text, at, key, given)
  local eol = eol_of(text)
  local before = text:sub(1, at)
  if not before:find "\n$" then before = before .. eol end
  return ("%s%s = %s%s%s"):format(before, key_text(key), given, eol, text:sub(at + 1))
end

local function set(text, way, pair)
  local list = assert(scan(text))
  local member = way_to(way, pair[1])
  local old, given = find_pair(list, member), pair[2]
  if old then
    local is_map = type(given) == "table" and given.map
      and text:sub(old.value_first, old.value_first) == "{"
    return text:sub(1, old.value_first - 1)
      .. (is_map and merged(text, old, given) or render(given)) .. text:sub(old.value_last + 1)
  end
  local last = type(given) == "table" and given.map and end_of_table(list, member)
  if last then
    for _, each in ipairs(given) do text = set(text, member, each) end
    return text
  end
  return insert_line(text, end_of_table(list, way), pair[1], render(given))
end

---@param text string
---@param keys string[]
---@param name string
---@param entry table
---@param own table<string, true>
---@return string|nil text
---@return string|nil message
function edit_toml.update(text, keys, name, entry, own)
  local way = way_to(keys, name)
  if not end_of_table(assert(scan(text)), way) then
    return nil, ("%s has no header of its own"):format(header(way))
  end
  local new = {}
  for _, pair in ipairs(entry) do
    text = set(text, way, pair)
    new[pair[1]] = true
  end
  local gone = {}
  for _, statement in ipairs((statements_of(text, keys, name))) do
    local member = statement.path[#way + 1]
    if member and own[member] and not new[member] then gone[#gone + 1] = statement end
  end
  return cut(text, gone)
end

---@param text string
---@return boolean
function edit_toml.is_empty(text) return is_blank(text) end

---@param keys string[]
---@param name string
---@param entry table
---@return string text
function edit_toml.show(keys, name, entry) return (edit_toml.put("", keys, name, entry)) end

return edit_toml
