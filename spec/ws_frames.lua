-- SPDX-License-Identifier: MIT
-- ws_frames: frames of RFC 6455 written in Lua, right and wrong ones, and taken apart again. What
-- the specs of WebSocket send does not come from the code under test.
local frames = {}

frames.CONTINUATION, frames.TEXT, frames.BINARY = 0, 1, 2
frames.CLOSE, frames.PING, frames.PONG = 8, 9, 10

local KEY = "\x37\xfa\x21\x3d"

local function mask(payload, key)
  local k = { key:byte(1, 4) }
  local out = {}
  for from = 1, #payload, 4096 do
    local piece = { payload:byte(from, math.min(from + 4095, #payload)) }
    for i, byte in ipairs(piece) do piece[i] = byte ~ k[(from + i - 2) % 4 + 1] end
    out[#out + 1] = string.char(table.unpack(piece))
  end
  return table.concat(out)
end
frames.mask = mask

--- One frame: op, payload; fin (true if not said), rsv (0 to 7), masked (true if not said), key;
--- size, a length to claim; form, 7, 16 or 64 bits of it.
---@param f table
---@return string
function frames.frame(f)
  local payload = f.payload or ""
  local size = f.size or #payload
  local form = f.form or size > 65535 and 64 or size > 125 and 16 or 7
  local bit = f.masked ~= false and 128 or 0
  local head = string.char((f.fin ~= false and 128 or 0) | (f.rsv or 0) << 4 | f.op)
  if form == 7 then
    head = head .. string.char(bit | size)
  elseif form == 16 then
    head = head .. string.char(bit | 126) .. (">I2"):pack(size)
  else
    head = head .. string.char(bit | 127) .. (">I8"):pack(size)
  end
  if bit == 0 then return head .. payload end
  local key = f.key or KEY
  return head .. key .. mask(payload, key)
end

function frames.text(payload, more)
  local f = { op = frames.TEXT, payload = payload }
  for key, value in pairs(more or {}) do f[key] = value end
  return frames.frame(f)
end

function frames.close(status, reason, more)
  local payload = (status and (">I2"):pack(status) or "") .. (reason or "")
  local f = { op = frames.CLOSE, payload = payload }
  for key, value in pairs(more or {}) do f[key] = value end
  return frames.frame(f)
end

--- Takes one frame off the front: the frame, and where the next begins; nil if it is not whole.
---@param bytes string
---@param at? integer
---@return table|nil frame, integer|nil next
function frames.read(bytes, at)
  at = at or 1
  local b1, b2 = bytes:byte(at, at + 1)
  if not b2 then return nil end
  local f = { fin = b1 & 128 ~= 0, rsv = b1 >> 4 & 7, op = b1 & 15, masked = b2 & 128 ~= 0 }
  local size, from = b2 & 127, at + 2
  local form = size == 126 and 2 or size == 127 and 8 or 0
  if #bytes < from + form - 1 then return nil end
  if form > 0 then
    size = ((form == 2) and ">I2" or ">I8"):unpack(bytes, from)
    from = from + form
  end
  f.form = form
  local key
  if f.masked then
    key, from = bytes:sub(from, from + 3), from + 4
    f.key = key
  end
  if #bytes < from + size - 1 then return nil end
  f.payload = bytes:sub(from, from + size - 1)
  if f.masked then f.payload = mask(f.payload, key) end
  if f.op == frames.CLOSE and size >= 2 then
    f.status, f.reason = (">I2"):unpack(f.payload), f.payload:sub(3)
  end
  return f, from + size
end

return frames
