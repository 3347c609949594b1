-- SPDX-License-Identifier: MIT
-- plain: reads the words of a command where nothing about them is unusual, without argparse, which
-- takes a fifth of the time of `luamcp list`. What needs a message or a help text is left to
-- argparse, with the same definitions and the same words.
-- spec/mcp/cli/plain_spec.lua compares what both make of the same command lines.
local plain = {}

-- An argument or an option, defined with the methods of argparse that our commands use.
local Element = {}
Element.__index = Element
for _, property in ipairs { "args", "choices", "convert", "count", "default", "target" } do
  Element[property] = function(self, given)
    self.has[property] = given
    return self
  end
end
-- Only help texts have these.
function Element:description() return self end
Element.argname = Element.description

local Definitions = {}
Definitions.__index = Definitions

local function add(self, kind, names)
  local element = setmetatable({ kind = kind, has = {} }, Element)
  for name in names:gmatch "%S+" do
    element.name = name
    if kind == "argument" then self.arguments[#self.arguments + 1] = element
    else self.options[name] = element end
  end
  self[#self + 1] = element
  return element
end

function Definitions:argument(name) return add(self, "argument", name) end
function Definitions:option(names) return add(self, "option", names) end
function Definitions:flag(names) return add(self, "flag", names) end

-- The member that an element fills. The long name is the last one.
local function target_of(element)
  return element.has.target or (element.name:gsub("^%-+", ""):gsub("%-", "_"))
end

-- A value as its element wants it; nil: not valid.
local function accepted(element, word)
  local has = element.has
  for i, choice in ipairs(has.choices or {}) do
    if choice == word then break end
    if i == #has.choices then return nil end
  end
  if has.convert then return (has.convert(word)) end
  return word
end

-- Puts the words that stand alone where the arguments want them.
local function place(arguments, words, out)
  local at = 1
  for _, element in ipairs(arguments) do
    local many = element.has.args
    if many == "*" then
      local list = {}
      for i = at, #words do
        list[#list + 1] = accepted(element, words[i])
        if #list < i - at + 1 then return false end
      end
      out[target_of(element)], at = list, #words + 1
    elseif words[at] then
      local got = accepted(element, words[at])
      if got == nil then return false end
      out[target_of(element)], at = got, at + 1
    elseif many ~= "?" then
      return false
    end
  end
  return at > #words
end

-- What an option that stands in the words fills; nil if it is given twice or not as it must be.
local function take(element, given, out)
  local target = target_of(element)
  if element.kind == "flag" then
    out[target] = true
    return true
  end
  local got = given and given:sub(1, 1) ~= "-" and accepted(element, given)
  if got == nil or got == false then return nil end
  if element.has.count == "*" then
    table.insert(out[target], got)
  elseif out[target] ~= nil then
    return nil
  else
    out[target] = got
  end
  return true
end

---Reads words by the definitions of a command.
---@param define fun(parser: table, command: string[]|nil)
---@param words string[]
---@param command string[]|nil the words after `--`
---@return table|nil options nil: argparse is needed
function plain.read(define, words, command)
  local definitions = setmetatable({ arguments = {}, options = {} }, Definitions)
  define(definitions, command)
  local out, alone, i = {}, {}, 1
  for _, element in ipairs(definitions) do
    if element.has.count == "*" then out[target_of(element)] = {} end
  end
  while i <= #words do
    local word = words[i]
    if word:sub(1, 1) ~= "-" then
      alone[#alone + 1] = word
    else
      local element = definitions.options[word]
      if not element or not take(element, words[i + 1], out) then return nil end
      if element.kind == "option" then i = i + 1 end
    end
    i = i + 1
  end
  for _, element in ipairs(definitions) do
    local default, target = element.has.default, target_of(element)
    if default ~= nil and out[target] == nil then out[target] = accepted(element, default) end
    if element.has.count == 1 and out[target] == nil then return nil end
  end
  return place(definitions.arguments, alone, out) and out or nil
end

return plain
