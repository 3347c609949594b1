-- SPDX-License-Identifier: MIT
-- terms: the words of a text, in the form in which an index compares them: lower case, split where
-- names are split (case, digits, separators), without common endings. Made for names and texts of
-- tools in English; words of other languages are compared as they stand. Text that is not UTF-8
-- does no harm.
local terms = {}

-- Words that say nothing about what a tool does.
local COMMON = {}
for word in ([[a about all an and any are as at be been by can do does each for from has have how i
  if in into is it its me my of on one or our please so some that the their them then there these
  they this those to up use used using want was we what when where which will with you
  your]]):gmatch "%S+" do
  COMMON[word] = true
end

-- Letters that differ from their lower case by a constant: first, last, what is added.
local CASES = { { 0xC0, 0xD6, 32 }, { 0xD8, 0xDE, 32 }, { 0x391, 0x3A9, 32 }, { 0x400, 0x40F, 80 },
  { 0x410, 0x42F, 32 } }
-- Those that alternate with it.
local PAIRS = { { 0x100, 0x137 }, { 0x14A, 0x177 }, { 0x460, 0x481 }, { 0x48A, 0x4BF } }
-- Punctuation and spaces.
local SEPARATORS = { { 0x80, 0xA9 }, { 0xAB, 0xB4 }, { 0xB6, 0xB9 }, { 0xBB, 0xBF }, { 0xD7, 0xD7 },
  { 0xF7, 0xF7 }, { 0x2000, 0x2BFF }, { 0x3000, 0x303F }, { 0xFE30, 0xFE4F }, { 0xFF00, 0xFF0F } }
-- Scripts that put no space between words: each character is a word.
local UNSPACED = { { 0xE00, 0xEFF }, { 0x2E80, 0x2FFF }, { 0x3040, 0x9FFF }, { 0xAC00, 0xD7A3 },
  { 0xF900, 0xFAFF }, { 0x20000, 0x3FFFF } }

local function within(ranges, code)
  for _, range in ipairs(ranges) do
    if code >= range[1] and code <= range[2] then return range end
  end
  return nil
end

-- A character beyond ASCII as an index has it.
local function fold(character)
  local code = utf8.codepoint(character)
  if within(SEPARATORS, code) then return " " end
  if within(UNSPACED, code) then return " " .. character .. " " end
  local case = within(CASES, code)
  if case then return utf8.char(code + case[3]) end
  if within(PAIRS, code) and code % 2 == 0 then return utf8.char(code + 1) end
  return character
end

-- `word` without `ending`, if what is left is a word; doubled consonants become one.
local function without(word, ending)
  local rest = word:sub(1, -#ending - 1)
  if #rest < 3 or not rest:find "[aeiouy]" then return nil end
  local last = rest:match "([^aeioulsz])%1$"
  return last and rest:sub(1, -2) or rest
end

-- Makes one form of "create", "creates", "created", "creating" and "creation". Not a word any more,
-- and not always right: what counts is that both sides do the same.
local function stem(word)
  if #word < 4 or word:find "[^a-z]" then return word end
  if word:find "ies$" and #word > 4 then
    word = word:sub(1, -4) .. "y"
  elseif word:find "[sxz]es$" or word:find "[cs]hes$" then
    word = word:sub(1, -3)
  elseif word:find "[^sui]s$" then
    word = word:sub(1, -2)
  end
  word = word:find "ing$" and without(word, "ing") or word:find "ed$" and without(word, "ed")
    or word:find "[st]ion$" and without(word, "ion") or word
  if #word < 4 then return word end
  return (word:gsub("([^aeiou])y$", "%1i"):gsub("e$", ""))
end

-- The parts of a name: "getUserByID2" has get, User, By, ID and 2; "URLs" and "HTTPGet" have one
-- and two.
local function split(word)
  return (word:gsub("(%l)(%u)", "%1 %2"):gsub("(%u)(%u%l%l)", "%1 %2"):gsub("(%a)(%d)", "%1 %2")
    :gsub("(%d)(%a)", "%1 %2"))
end

-- Appends a word. Single letters are left out: they are what is left of "user's", or articles.
local function add(list, word)
  word = word:lower()
  if COMMON[word] or word:find "^%a$" then return end
  list[#list + 1] = stem(word)
end

-- What is indexed of one word as it stands in a text.
local function forms_of(word)
  local list, parts = {}, split(word)
  if parts ~= word then
    for part in parts:gmatch "%S+" do add(list, part) end
  end
  add(list, word)
  return list
end

---The words of `text`, in their order. A name of several parts is there in parts and as a whole:
---"oauth2" gives oauth, 2 and oauth2.
---@param text string
---@param known table<string, string[]>|nil what was found of words before, for many texts
---@return string[]
function terms.of(text, known)
  local list = {}
  known = known or {}
  if not utf8.len(text) then
    text = text:gsub("[\x80-\xFF]", " ")
  elseif text:find "[\x80-\xFF]" then
    text = text:gsub("[\xC2-\xF4][\x80-\xBF]+", fold)
  end
  for word in text:gmatch "[%w\x80-\xFF]+" do
    local forms = known[word]
    if not forms then
      forms = forms_of(word)
      known[word] = forms
    end
    for i = 1, #forms do list[#list + 1] = forms[i] end
  end
  return list
end

return terms
