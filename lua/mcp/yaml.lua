-- SPDX-License-Identifier: MIT
-- yaml: YAML as values that look like those of JSON. libyaml reads the syntax (mcp.libyaml, loaded
-- at the first text); this file decides what a node is, by the core schema of YAML 1.2: `yes`, `on`
-- and dates are strings. It takes what JSON can hold and refuses the rest.
local value = require "mcp.value"

local yaml = {}

--- Bytes of one text: a description of an interface of the largest kind has 10 MB.
yaml.MAX_TEXT = 16 << 20
--- Values of one document, copies by aliases included: nine lines of aliases can mean a thousand
--- million values.
yaml.MAX_NODES = 1000000
--- Sequences and mappings inside each other: each is a call of `node`.
yaml.MAX_DEPTH = 100

local null, array_mt = value.null, value.array_mt
local CORE = "tag:yaml.org,2002:"

-- Plain scalars that are not strings, besides numbers.
local WORDS = {
  [""] = null, ["~"] = null, null = null, Null = null, NULL = null,
  ["true"] = true, True = true, TRUE = true, ["false"] = false, False = false, FALSE = false,
}

-- Numbers without a value in JSON.
local NO_JSON = {}
for _, word in ipairs { ".inf", ".Inf", ".INF" } do
  for _, sign in ipairs { "", "-", "+" } do NO_JSON[sign .. word] = true end
end
for _, word in ipairs { ".nan", ".NaN", ".NAN" } do NO_JSON[word] = true end

-- The number that a plain scalar stands for; nil if it is a string, false if it is too large.
local function number_of(text)
  local digits = text:match "^0x(%x+)$"
  if digits then
    return #digits:gsub("^0+", "") < 16 and tonumber(digits, 16)
  end
  digits = text:match "^0o([0-7]+)$"
  if digits then return #digits:gsub("^0+", "") <= 20 and tonumber(digits, 8) end
  local rest = text:gsub("^[-+]", "")
  local mantissa = rest:gsub("[eE][-+]?%d+$", "")
  if not mantissa:find "^%d+%.?%d*$" and not mantissa:find "^%.%d+$" then return nil end
  local number = tonumber(text)
  if not number or number - number ~= 0 then return false end
  return number
end

---@class mcp.yaml.reader what one call of decode holds
---@field parser userdata
---@field line integer where the last event began
---@field column integer
---@field nodes integer
---@field anchors table<string, any>|nil nil: aliases are refused

-- Ends the call: decode catches it. A table, so that it differs from an error in here.
local function refuse(reader, text, line, column)
  error({ refused = ("line %d, column %d: %s"):format(line or reader.line,
    column or reader.column, text) }, 0)
end

local function next_event(reader)
  local kind, text, plain, tag, anchor, line, column = reader.parser:next()
  if not kind then refuse(reader, text, plain, tag) end
  reader.line, reader.column = line, column
  return kind, text, plain, tag, anchor
end

local function count(reader)
  reader.nodes = reader.nodes + 1
  if reader.nodes > yaml.MAX_NODES then
    refuse(reader, ("more than %d values"):format(yaml.MAX_NODES))
  end
end

local function wrong_tag(reader, tag, text)
  refuse(reader, ("%q is no %s"):format(text:sub(1, 40), tag:sub(#CORE + 1)))
end

-- What the tag of a scalar asks for.
local function tagged(reader, text, tag)
  local name = tag:sub(1, #CORE) == CORE and tag:sub(#CORE + 1)
  if tag == "!" or name == "str" then return text end
  if name ~= "null" and name ~= "bool" and name ~= "int" and name ~= "float" then
    refuse(reader, ("the tag %q is not supported"):format(tag))
  end
  local found = WORDS[text]
  if found == nil then found = number_of(text) or nil end
  if name == "null" and found == null or name == "bool" and type(found) == "boolean" then
    return found
  elseif type(found) == "number" then
    if name == "int" and math.type(found) == "integer" then return found end
    if name == "float" then return found + 0.0 end
  end
  return wrong_tag(reader, tag, text)
end

local function scalar(reader, text, plain, tag)
  if tag then return tagged(reader, text, tag) end
  if not plain then return text end
  local word = WORDS[text]
  if word ~= nil then return word end
  if NO_JSON[text] then refuse(reader, text .. " has no place in JSON; quote it for a string") end
  local number = number_of(text)
  if number == false then refuse(reader, "the number is too large; quote it for a string") end
  if number then return number end
  return text
end

local function copy(reader, v, depth)
  count(reader)
  if type(v) ~= "table" then return v end
  if depth >= yaml.MAX_DEPTH then refuse(reader, "nested too deeply") end
  local new = setmetatable({}, getmetatable(v))
  for key, member in next, v do new[key] = copy(reader, member, depth + 1) end
  return new
end

local function referred(reader, name, depth)
  if not reader.anchors then
    refuse(reader, ("an alias, *%s: aliases are not taken here"):format(name))
  end
  local found = reader.anchors[name]
  if found == nil then
    refuse(reader, ("the alias *%s comes before its anchor ends"):format(name))
  end
  return copy(reader, found, depth)
end

local node

local function key_of(reader, kind, text, plain, anchor)
  if kind ~= "scalar" or anchor then refuse(reader, "a key is a plain or quoted text") end
  if plain and text == "" then refuse(reader, "a key is missing") end
  return text
end

local function mapping(reader, tag, depth)
  if tag and tag ~= "!" and tag ~= CORE .. "map" then
    refuse(reader, ("the tag %q is not supported"):format(tag))
  end
  local object = {}
  while true do
    local kind, text, plain, key_tag, anchor = next_event(reader)
    if kind == "}" then return object end
    local key = key_of(reader, kind, text, plain, anchor)
    if key_tag and key_tag ~= CORE .. "str" and key_tag ~= "!" then
      refuse(reader, ("the tag %q is not supported"):format(key_tag))
    end
    if object[key] ~= nil then refuse(reader, ("the key %q appears twice"):format(key)) end
    object[key] = node(reader, depth, next_event(reader))
  end
end

local function sequence(reader, tag, depth)
  if tag and tag ~= "!" and tag ~= CORE .. "seq" then
    refuse(reader, ("the tag %q is not supported"):format(tag))
  end
  local list, n = setmetatable({}, array_mt), 0
  while true do
    local kind, text, plain, own_tag, anchor = next_event(reader)
    if kind == "]" then return list end
    n = n + 1
    list[n] = node(reader, depth, kind, text, plain, own_tag, anchor)
  end
end

function node(reader, depth, kind, text, plain, tag, anchor)
  if kind == "alias" then return referred(reader, text, depth) end
  count(reader)
  if anchor and not reader.anchors then
    refuse(reader, ("an anchor, &%s: anchors are not taken here"):format(anchor))
  end
  local found
  if kind == "scalar" then
    found = scalar(reader, text, plain, tag)
  else
    if depth >= yaml.MAX_DEPTH then refuse(reader, "nested too deeply") end
    -- Unknown until it is complete: a value that holds itself has no end.
    if anchor then reader.anchors[anchor] = nil end
    found = (kind == "{" and mapping or sequence)(reader, tag, depth + 1)
  end
  if anchor then reader.anchors[anchor] = found end
  return found
end

local function document(reader)
  if next_event(reader) ~= "document" then refuse(reader, "there is no document") end
  local found = node(reader, 0, next_event(reader))
  if next_event(reader) ~= "end" then refuse(reader, "a second document: only one is taken") end
  return found
end

---Reads one document.
---@param text string in UTF-8
---@param options { aliases?: boolean }|nil aliases: take anchors and aliases; each alias is a copy
---@return any|nil v what mcp.json would make of the same in JSON
---@return string|nil err with line and column
---@return string|nil code "EPROTO"; "ETOOBIG" for a text above MAX_TEXT; "ENOTSUP" without libyaml
function yaml.decode(text, options)
  local found, libyaml = pcall(require, "mcp.libyaml")
  if not found then
    return nil, "the module mcp.libyaml cannot be loaded; it belongs beside mcp.core and needs the "
      .. "library libyaml (Debian: libyaml-0-2): " .. tostring(libyaml), "ENOTSUP"
  end
  if #text > yaml.MAX_TEXT then
    return nil, ("the YAML has %d bytes: expected at most %d"):format(#text, yaml.MAX_TEXT),
      "ETOOBIG"
  end
  local parser <close> = libyaml.parser(text)
  local reader = { parser = parser, line = 1, column = 1, nodes = 0,
    anchors = options and options.aliases and {} or nil }
  local ok, result = pcall(document, reader)
  if ok then return result end
  if type(result) == "table" and result.refused then return nil, result.refused, "EPROTO" end
  error(result, 0)
end

return yaml
