-- SPDX-License-Identifier: MIT
-- text.lua: other people's text in our messages: names, addresses and errors that a peer sent. Cut
-- to a bearable length it must still be UTF-8, or the message could not go out as JSON.
local text = {}

---The beginning of a text, at most `most` bytes of it, cut between two characters.
---@param given string
---@param most integer
---@param mark string|nil appended where the text was cut, "..." if not given
---@return string
function text.cut(given, most, mark)
  if #given <= most then return given end
  local at = most
  -- Back to the beginning of the character that the cut would go through, if there is one.
  while at > most - 3 and at > 0 and given:byte(at + 1) & 0xC0 == 0x80 do at = at - 1 end
  if given:byte(at + 1) & 0xC0 == 0x80 then at = most end
  return given:sub(1, at) .. (mark or "...")
end

---The character that begins at a position; the byte there where the text is not UTF-8.
---@param given string
---@param at integer
---@return string
function text.character(given, at)
  local found = given:match("^" .. utf8.charpattern, at)
  return found and utf8.len(found) and found or given:sub(at, at)
end

return text
