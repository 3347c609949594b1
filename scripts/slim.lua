-- SPDX-License-Identifier: MIT
-- slim.lua: compiled code without the names of local variables and upvalues, a fifth of it. Line
-- numbers stay. For the program, which has a fifth less to do at its start. The format is that of
-- Lua 5.4 (ldump.c); what another Lua compiled is returned as it is.
local slim = {}

-- What a dump begins with, up to the number of upvalues: signature, version, format, data, sizes of
-- an instruction, an integer and a number, and one of each of these two.
local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8"
local REST = 16
-- A size of nothing.
local NONE = "\x80"

local Reader = {}
Reader.__index = Reader

function Reader:size()
  local out = 0
  while true do
    local byte = self.code:byte(self.at)
    self.at = self.at + 1
    out = out << 7 | byte & 0x7F
    if byte & 0x80 ~= 0 then return out end
  end
end

function Reader:skip(count) self.at = self.at + count end

function Reader:string()
  local size = self:size()
  if size > 0 then self:skip(size - 1) end
end

function Reader:constant()
  local kind = self.code:byte(self.at)
  self:skip(1)
  if kind == 0x04 or kind == 0x14 then return self:string() end
  if kind == 0x03 or kind == 0x13 then self:skip(8) end -- an integer, a float
end

-- Adds what stands from `from` up to here.
function Reader:keep(out, from) out[#out + 1] = self.code:sub(from, self.at - 1) end

local function copy(reader, out)
  local from = reader.at
  reader:string() -- source
  reader:size() -- first and last line
  reader:size()
  reader:skip(3)
  reader:skip(4 * reader:size())
  for _ = 1, reader:size() do reader:constant() end
  reader:skip(3 * reader:size())
  local functions = reader:size()
  reader:keep(out, from)
  for _ = 1, functions do copy(reader, out) end
  from = reader.at
  reader:skip(reader:size()) -- lines
  for _ = 1, reader:size() do
    reader:size()
    reader:size()
  end
  reader:keep(out, from)
  for _ = 1, reader:size() do -- local variables
    reader:string()
    reader:size()
    reader:size()
  end
  for _ = 1, reader:size() do reader:string() end -- upvalues
  out[#out + 1] = NONE .. NONE
end

---@param code string of string.dump
---@return string code
function slim.code(code)
  if code:sub(1, #HEADER) ~= HEADER then return code end
  local reader = setmetatable({ code = code, at = #HEADER + REST + 2 }, Reader)
  local out = { code:sub(1, reader.at - 1) }
  copy(reader, out)
  return table.concat(out)
end

return slim
