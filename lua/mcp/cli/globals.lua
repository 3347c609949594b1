-- SPDX-License-Identifier: MIT
-- globals: the global variables that a script reads and that are never set: misspelt names, which
-- Lua itself notices only when the line runs, if at all. They are read from the compiled script, so
-- code counts that does not run while the script is loaded. The format is that of Lua 5.4
-- (ldump.c); another one is reported as such and never guessed.
local globals = {}

local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n"
-- Opcodes (lopcodes.h), the lowest seven bits of an instruction.
local GETTABUP, SETTABUP = 11, 15
-- Marks a line that is not the last one plus a small number.
local ABSOLUTE = -0x80

local Reader = {}
Reader.__index = Reader

function Reader:byte()
  self.at = self.at + 1
  return self.code:byte(self.at - 1)
end

function Reader:skip(count) self.at = self.at + count end

-- A number of any size, seven bits a byte, the last one marked.
function Reader:size()
  local out = 0
  while true do
    local byte = self:byte()
    out = out << 7 | byte & 0x7F
    if byte & 0x80 ~= 0 then return out end
  end
end

function Reader:string()
  local length = self:size()
  if length == 0 then return nil end
  self.at = self.at + length - 1
  return self.code:sub(self.at - length + 1, self.at - 1)
end

function Reader:constant()
  local kind = self:byte()
  if kind == 0x04 or kind == 0x14 then return self:string() end
  if kind == 0x03 or kind == 0x13 then self:skip(8) end -- an integer, a float
  return false
end

local read_function

-- The lines of the instructions.
local function lines_of(reader, first)
  local count = reader:size()
  local deltas = {}
  for i = 1, count do
    local byte = reader:byte()
    deltas[i] = byte < 128 and byte or byte - 256
  end
  local absolute = {}
  for _ = 1, reader:size() do
    local pc = reader:size()
    absolute[pc + 1] = reader:size()
  end
  local lines, line = {}, first
  for i = 1, count do
    line = deltas[i] == ABSOLUTE and absolute[i] or line + deltas[i]
    lines[i] = line
  end
  return lines
end

function read_function(reader, found)
  reader:string() -- source
  local first = reader:size()
  reader:size() -- last line
  reader:skip(3) -- parameters, vararg, stack
  local code = {}
  for i = 1, reader:size() do
    code[i] = string.unpack("<I4", reader.code, reader.at)
    reader:skip(4)
  end
  local constants = {}
  for i = 1, reader:size() do constants[i] = reader:constant() end
  reader:skip(3 * reader:size()) -- upvalues
  for _ = 1, reader:size() do read_function(reader, found) end
  local lines = lines_of(reader, first)
  for _ = 1, reader:size() do -- local variables
    reader:string()
    reader:size()
    reader:size()
  end
  local upvalues = {}
  for i = 1, reader:size() do upvalues[i] = reader:string() or "" end
  for i, instruction in ipairs(code) do
    local op = instruction & 0x7F
    local a, b, c = instruction >> 7 & 0xFF, instruction >> 16 & 0xFF, instruction >> 24 & 0xFF
    if op == GETTABUP and upvalues[b + 1] == "_ENV" and constants[c + 1] then
      found.read[#found.read + 1] = { name = constants[c + 1], line = lines[i] }
    elseif op == SETTABUP and upvalues[a + 1] == "_ENV" and constants[b + 1] then
      found.set[constants[b + 1]] = true
    end
  end
end

---@class mcp.cli.Global
---@field name string
---@field line integer

---The globals of a compiled script.
---@param chunk function a main chunk
---@return { read: mcp.cli.Global[], set: table<string, boolean> }|nil found nil: an unknown format
function globals.of(chunk)
  local code = string.dump(chunk)
  -- After the header: sizes of an instruction, an integer and a number, and one of each kind.
  if code:sub(1, #HEADER) ~= HEADER or code:sub(13, 15) ~= "\4\8\8" then return nil end
  local reader = setmetatable({ code = code, at = #HEADER + 3 + 16 + 1 }, Reader)
  reader:byte() -- the number of upvalues
  local found = { read = {}, set = {} }
  read_function(reader, found)
  table.sort(found.read, function(x, y) return x.line < y.line end)
  return found
end

---The globals that a script reads although neither it nor the environment has them, the first use
---of each.
---@param chunk function
---@param environment table
---@return mcp.cli.Global[]
function globals.undefined(chunk, environment)
  local found, seen, out = globals.of(chunk), {}, {}
  for _, use in ipairs(found and found.read or {}) do
    if environment[use.name] == nil and not found.set[use.name] and not seen[use.name] then
      seen[use.name] = true
      out[#out + 1] = use
    end
  end
  return out
end

return globals
