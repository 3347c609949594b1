-- SPDX-License-Identifier: MIT
-- zip: an archive whose files are stored as they are (APPNOTE.TXT 4.3), the same bytes for the same
-- files. Our own, because a bundle must be made where no program `zip` is installed, the format
-- without compression is three records, and no Lua library for it is packaged.
local zip = {}

---The largest file, in bytes: sizes have 32 bits, and a Lua checksum is slow.
zip.SIZE = 256 << 20

local TABLE = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = c & 1 == 1 and 0xEDB88320 ~ c >> 1 or c >> 1 end
  TABLE[i] = c
end

---The checksum of ISO 3309.
---@param bytes string
---@return integer
function zip.crc32(bytes)
  local c, byte = 0xFFFFFFFF, string.byte
  for at = 1, #bytes, 4 do
    local w, x, y, z = byte(bytes, at, at + 3)
    c = TABLE[(c ~ w) & 255] ~ c >> 8
    if x then c = TABLE[(c ~ x) & 255] ~ c >> 8 end
    if y then c = TABLE[(c ~ y) & 255] ~ c >> 8 end
    if z then c = TABLE[(c ~ z) & 255] ~ c >> 8 end
  end
  return c ~ 0xFFFFFFFF
end

-- Version 2.0; names in UTF-8; stored; 1980-01-01 00:00, the first date that there is.
local COMMON = "<I2I2I2I2I2I4I4I4I2I2"
local UTF8, DATE = 1 << 11, 1 << 5 | 1

local function common(file, crc)
  return COMMON:pack(20, UTF8, 0, 0, DATE, crc, #file.bytes, #file.bytes, #file.name, 0)
end

---An archive.
---@param files { name: string, bytes: string, mode: integer }[]
---@return string bytes
function zip.stored(files)
  local out, directory, at = {}, {}, 0
  for _, file in ipairs(files) do
    local crc = zip.crc32(file.bytes)
    local head = "PK\3\4" .. common(file, crc) .. file.name
    out[#out + 1], out[#out + 2] = head, file.bytes
    -- Made on Unix: its mode, that of a regular file, is in the upper half of the attributes.
    directory[#directory + 1] = "PK\1\2" .. ("<I2"):pack(3 << 8 | 20) .. common(file, crc)
      .. ("<I2I2I2I4I4"):pack(0, 0, 0, (1 << 15 | file.mode) << 16, at) .. file.name
    at = at + #head + #file.bytes
  end
  local list = table.concat(directory)
  out[#out + 1] = list
  out[#out + 1] = "PK\5\6" .. ("<I2I2I2I2I4I4I2"):pack(0, 0, #files, #files, #list, at, 0)
  return table.concat(out)
end

return zip
