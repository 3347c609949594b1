-- SPDX-License-Identifier: MIT
-- jsonc: JSON as people keep it in configuration files: with comments (`//`, `/* */`), commas after
-- the last member, and a byte order mark. `plain` makes strict JSON of it; `scan` says where each
-- value stands in the text, so that one can be changed and the rest stays as it is.
local jsonc = {}

-- Where a string that begins at `at` ends, or nil.
local function string_end(text, at)
  local from = at + 1
  while true do
    local found = text:find('["\\\r\n]', from)
    if not found then return nil end
    local byte = text:sub(found, found)
    if byte == '"' then return found end
    if byte ~= "\\" then return nil end
    from = found + 2
  end
end

-- Where the comment at `at` ends, without the end of its line; nil if it has no end. False: there
-- is no comment.
local function comment_end(text, at)
  local two = text:sub(at, at + 1)
  if two == "//" then
    return (text:find("[\r\n]", at) or #text + 1) - 1
  elseif two == "/*" then
    local _, last = text:find("*/", at + 2, true)
    return last
  end
  return false
end

---Where the spaces before a token begin, after the comments that stand between.
---@param text string
---@param from integer where the token before ends
---@param to integer where the token begins
---@return integer first `to` if there are no spaces
---@return boolean needs_line before them is a comment that ends with its line
function jsonc.spaces(text, from, to)
  local at, needs_line = from + 1, false
  while true do
    local start = text:find("%S", at)
    if not start or start >= to then return at, needs_line end
    at, needs_line = comment_end(text, start) + 1, text:sub(start + 1, start + 1) == "/"
  end
end

local BOM = "\u{FEFF}"

---Strict JSON of the same length: each byte of a comment, a trailing comma and a byte order mark is
---a space, so a position in the one text is that position in the other. Other faults stay, for the
---JSON reader to report.
---@param text string
---@return string
function jsonc.plain(text)
  if text:sub(1, 3) == BOM then text = "   " .. text:sub(4) end
  if not text:find("/", 1, true) and not text:find ",%s*[%]}]" then return text end
  local out, from, at = {}, 1, 1
  -- The last byte outside of spaces and comments, and where the comma stands if it is a comma that
  -- follows a value.
  local before, comma = "", nil
  local function blank(first, last)
    out[#out + 1] = text:sub(from, first - 1)
    out[#out + 1] = text:sub(first, last):gsub("[^\r\n]", " ")
    from = last + 1
  end
  local commas = {}
  while true do
    at = text:find("%S", at)
    if not at then break end
    local byte = text:sub(at, at)
    local last = at
    if byte == '"' then
      last = string_end(text, at)
      if not last then break end
      before, comma = byte, nil
    elseif byte == "/" then
      last = comment_end(text, at)
      if not last then break end
      blank(at, last)
    elseif byte == "," then
      comma = not before:find "[%[{,:]" and before ~= "" and at or nil
      before = byte
    else
      if comma and byte:find "[%]}]" then commas[#commas + 1] = comma end
      before, comma = byte, nil
    end
    at = last + 1
  end
  out[#out + 1] = text:sub(from)
  local plain = table.concat(out)
  if #commas == 0 then return plain end
  out, from = {}, 1
  for _, place in ipairs(commas) do
    out[#out + 1] = plain:sub(from, place - 1)
    from = place + 1
  end
  out[#out + 1] = plain:sub(from)
  return table.concat(out, " ")
end

---@class mcp.JsoncMember
---@field name string the name as JSON has it, without quotes; escapes are not resolved
---@field first integer where its quote stands
---@field value mcp.JsoncNode
---@field comma integer|nil where the comma that follows stands

---@class mcp.JsoncNode
---@field kind "object"|"array"|"other"
---@field first integer the first byte
---@field last integer the last byte
---@field members mcp.JsoncMember[]|nil of an object

-- The first byte from `at` on that belongs to neither a space nor a comment.
local function skip(text, at)
  while true do
    at = text:find("%S", at)
    if not at then return #text + 1 end
    local last = comment_end(text, at)
    if not last then return at end
    at = last + 1
  end
end
jsonc.skip = skip

local scan_value

local function scan_object(text, at)
  local node = { kind = "object", first = at, members = {} }
  at = skip(text, at + 1)
  while text:sub(at, at) == '"' do
    local last = string_end(text, at)
    local member = { name = text:sub(at + 1, last - 1), first = at }
    at = skip(text, last + 1)
    member.value = scan_value(text, skip(text, at + 1))
    node.members[#node.members + 1] = member
    at = skip(text, member.value.last + 1)
    if text:sub(at, at) == "," then
      member.comma = at
      at = skip(text, at + 1)
    end
  end
  node.last = at
  return node
end

local function scan_array(text, at)
  local node = { kind = "array", first = at }
  at = skip(text, at + 1)
  while text:sub(at, at) ~= "]" do
    local item = scan_value(text, at)
    at = skip(text, item.last + 1)
    if text:sub(at, at) == "," then at = skip(text, at + 1) end
  end
  node.last = at
  return node
end

function scan_value(text, at)
  local byte = text:sub(at, at)
  if byte == "{" then return scan_object(text, at) end
  if byte == "[" then return scan_array(text, at) end
  if byte == '"' then return { kind = "other", first = at, last = string_end(text, at) } end
  return { kind = "other", first = at, last = text:find("[%s,%]}/]", at) and
    text:find("[%s,%]}/]", at) - 1 or #text }
end

---Where the values of a text stand. The text must be correct: decode `plain(text)` first.
---@param text string
---@return mcp.JsoncNode root
function jsonc.scan(text)
  return scan_value(text, skip(text, text:sub(1, 3) == BOM and 4 or 1))
end

return jsonc
