-- SPDX-License-Identifier: MIT
-- text.lua: texts of a peer in our messages: names, addresses, errors. They are shortened, and stay
-- valid UTF-8, since the message may be sent as JSON.
local text = {}

---Entries of a peer's list that a message shows.
text.SHOWN = 10
-- Bytes of each.
local LENGTH = 20

---The first `max` bytes of a text or fewer, cut between two characters.
---@param given string
---@param max integer
---@param mark string|nil appended where the text was cut, "..." if not given
---@return string
function text.cut(given, max, mark)
  if #given <= max then return given end
  local at = max
  -- Back to the start of the character that the cut would split.
  while at > max - 3 and at > 0 and given:byte(at + 1) & 0xC0 == 0x80 do at = at - 1 end
  if given:byte(at + 1) & 0xC0 == 0x80 then at = max end
  return given:sub(1, at) .. (mark or "...")
end

---A peer's list of names as one text: the first ten, shortened, in ASCII.
---@param list any[]
---@return string "none" if it is empty
function text.list(list)
  local out, count = {}, #list
  for i = 1, math.min(count, text.SHOWN) do
    out[i] = tostring(list[i]):sub(1, LENGTH):gsub("[^ -~]", "?")
  end
  if count > text.SHOWN then out[#out + 1] = ("and %d more"):format(count - text.SHOWN) end
  return out[1] and table.concat(out, ", ") or "none"
end

---The character that begins at a position, or the byte there if the text is not UTF-8.
---@param given string
---@param at integer
---@return string
function text.character(given, at)
  local found = given:match("^" .. utf8.charpattern, at)
  return found and utf8.len(found) and found or given:sub(at, at)
end

return text
