-- SPDX-License-Identifier: MIT
-- The loops for long strings of each kind of processor, beside what Lua makes of the same text
-- piece by piece. They may end early, but not between the bytes of a piece, and not for nothing.
local kinds = require "codecs.json_blocks"

local SHORT = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r",
  t = "\t" }
local LETTER = { ['"'] = '"', ["\\"] = "\\", ["\b"] = "b", ["\f"] = "f", ["\n"] = "n",
  ["\r"] = "r", ["\t"] = "t" }
-- So near to the end of the text, or of the room, a block may not fit.
local NEAR = 130

-- The piece at `at` of the text of a string: its length and value; nothing if no block takes it.
local function piece_at(text, at)
  local c = text:sub(at, at)
  if c == "\\" then
    local value = SHORT[text:sub(at + 1, at + 1)]
    return value and 2, value
  end
  if c:find "^[ -\x7f]" and c ~= '"' then return 1, c end
end

-- How many bytes are pieces, what they stand for, and a set of the places where one ends.
local function read(text)
  local at, values, ends = 1, {}, { [0] = 0 }
  while true do
    local size, value = piece_at(text, at)
    if not size then break end
    values[#values + 1] = value
    at = at + size
    ends[at - 1] = #values
  end
  return at - 1, values, ends
end

local function written(text)
  local out = {}
  for i = 1, #text do
    local c = text:sub(i, i)
    local letter = LETTER[c]
    if not letter and not c:find "^[ -\x7f]" then return i - 1, out end
    out[i] = letter and "\\" .. letter or c
  end
  return #text, out
end

local function expect(ok, name, what, text)
  if not ok then error(("%s %s: %q"):format(name, what, text), 0) end
end

local function check_read(name, blocks, text)
  local good, values, ends = read(text)
  local n = blocks.skip(text)
  expect(n <= good and ends[n], name, "skip ends inside a piece", text)
  expect(name ~= "wide" or n == good or #text - n < NEAR, name, "skip ends too early", text)
  local taken, wrote = blocks.read(text)
  expect(not taken or taken == n, name, "read ends where skip does not", text)
  expect(not taken or wrote == table.concat(values, "", 1, ends[n]), name,
    "read writes something else", text)
  -- What is undone was checked before.
  if good < #text and text:sub(good + 1, good + 2) ~= "\\u" then return end
  local used, out = blocks.undo(text)
  expect(used <= good and ends[used], name, "undo ends inside a piece", text)
  expect(out == table.concat(values, "", 1, ends[used]), name, "undo writes something else", text)
  expect(name ~= "wide" or used == good or #text - used < NEAR, name, "undo ends too early", text)
end

local function check_write(name, blocks, text, room)
  local good, out = written(text)
  local used, wrote = blocks.write(text, room)
  expect(used <= good, name, "write takes what it cannot write", text)
  expect(wrote == table.concat(out, "", 1, used), name, "write writes something else", text)
  expect(room - #wrote >= #text - used, name, "write leaves no room for the rest", text)
  expect(name ~= "wide" or used == good or #text - used < NEAR
    or room - #wrote < #text - used + 64, name, "write ends too early", text)
end

local PIECES = { "\\n", '\\"', "\\\\", "\\t", "\\/", "\\u0041", "\\x", '"', "\n", "\0", "\x7f",
  "\xe2", "\\\xe2", "\\\n", "\\" }
local RAW = { "\n", '"', "\\", "\\\\\\", "\t", "\0", "\31", "\xc3\xa9", "/", "\x7f" }

for name, blocks in pairs(kinds) do
  describe("blocks of long strings, " .. name, function()
    it("take every piece at every place", function()
      for _, piece in ipairs(PIECES) do
        for before = 0, 132 do
          local text = ("x"):rep(before) .. piece
          check_read(name, blocks, text .. ("y"):rep(200))
          check_read(name, blocks, text .. "\\n" .. ("y"):rep(200 - before))
        end
      end
      for _, piece in ipairs(RAW) do
        for before = 0, 132 do
          local text = ("x"):rep(before) .. piece .. ("y"):rep(200)
          check_write(name, blocks, text, #text * 2 + 64)
        end
      end
    end)

    it("take any mixture", function()
      local random = 7
      local function below(n)
        random = (random * 1103515245 + 12345) % 2147483648
        return random // 65536 % n
      end
      local function mixture(pieces, plain, common)
        local list = {}
        for i = 1, 20 + below(60) do
          list[i] = below(10) < plain and ("z"):rep(below(30))
            or pieces[1 + below(below(40) == 0 and #pieces or common)]
        end
        return table.concat(list) .. ("z"):rep(below(140))
      end
      for round = 1, 400 do
        check_read(name, blocks, mixture(PIECES, round % 10, 5))
        local text = mixture(RAW, round % 10, 5)
        for _, extra in ipairs { 0, 63, 64, 65, 100, #text + 64 } do
          check_write(name, blocks, text, #text + extra)
        end
      end
    end)

    it("take nothing of what is short", function()
      for size = 0, 63 do
        local text = ("x"):rep(size)
        assert.are.equal(0, blocks.skip(text))
        assert.are.equal(0, (blocks.undo(text)))
        assert.are.equal(0, (blocks.write(text, 1000)))
      end
    end)
  end)
end
