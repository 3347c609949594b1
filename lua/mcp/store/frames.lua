-- SPDX-License-Identifier: MIT
-- frames: what a supervisor and its workers write to each other over a channel, as strings. The
-- first byte of a frame says what it is:
--
--   call      worker: a method of a driver (lua/mcp/store/methods.lua) with a number for its
--             answer, or 0 for a call without waiting
--   answer    supervisor: the number, and the results
--   failed    supervisor: why a call without waiting failed
--   listen, unlisten, publish, deliver    the bus; listen has an answer
--   ping, pong, ready, roll, figures, summed, changed
--             the workers themselves: see lua/mcp/server/workers
--
-- Both sides are of the same version, as they are of the same program.
local frames = {}

---The kinds of frames.
frames.CALL, frames.ANSWER, frames.FAILED = "C", "A", "F"
frames.LISTEN, frames.UNLISTEN, frames.PUBLISH, frames.DELIVER = "L", "U", "P", "D"
frames.PING, frames.PONG, frames.READY, frames.ROLL = "i", "o", "r", "R"
frames.FIGURES, frames.SUMMED, frames.CHANGED = "f", "s", "c"

-- The methods, and their arguments for string.pack.
local METHODS = {
  { "get", "s4" }, { "put", "s4s4n" }, { "add", "s4s4n" }, { "touch", "s4n" }, { "delete", "s4" },
  { "take", "s4" }, { "count", "s4jn" }, { "append", "s4s4s4jjnB" }, { "range", "s4s4" },
  { "bucket", "s4nnn" }, { "nodes", "" }, { "release", "s4s4" },
}
local NUMBERS = {}
for number, method in ipairs(METHODS) do NUMBERS[method[1]] = number end

-- How each method writes its arguments, if they are not what string.pack takes.
local WRITE = {
  append = function(list, id, value, limits)
    return list, id, value, limits.events, limits.bytes, limits.ttl, limits.spare and 1 or 0
  end,
  -- An id is never empty.
  range = function(list, after) return list, after or "" end,
}

local READ = {
  append = function(list, id, value, events, bytes, ttl, spare)
    return list, id, value, { events = events, bytes = bytes, ttl = ttl, spare = spare == 1 }
  end,
  range = function(list, after) return list, after ~= "" and after or nil end,
}

local function same(...) return ... end

---A call of a driver's method.
---@param name string
---@param id integer 0: no answer
---@return string frame
function frames.call(name, id, ...)
  local number = NUMBERS[name]
  return string.pack("<c1BI4" .. METHODS[number][2], frames.CALL, number, id,
    (WRITE[name] or same)(...))
end

---Reads a call: the method's name, the number, and the arguments.
---@param frame string
---@return string name, integer id, any ...
function frames.read_call(frame)
  local _, number, id, at = string.unpack("<c1BI4", frame)
  local method = METHODS[number]
  local values = table.pack(string.unpack("<" .. method[2], frame, at))
  -- The last one is a position.
  return method[1], id, (READ[method[1]] or same)(table.unpack(values, 1, values.n - 1))
end

-- --- results -----------------------------------------------------------------------------------

local function entries_of(list)
  local parts = {}
  for i, entry in ipairs(list) do parts[i] = string.pack("<s4s4", entry[1], entry[2]) end
  return "l" .. table.concat(parts)
end

local function names_of(set)
  local parts = {}
  for name in pairs(set) do parts[#parts + 1] = string.pack("<s4", name) end
  return "n" .. table.concat(parts)
end

---The answer to a call.
---@param name string the method
---@param id integer
---@param value any its results
---@return string ... parts of the frame
function frames.answer(name, id, value, second, code)
  local head = string.pack("<c1I4", frames.ANSWER, id)
  if code then return head .. string.pack("<c1s4s4", "e", tostring(second), code) end
  if value == nil then return head .. "0" end
  if value == true and name ~= "bucket" then return head .. "t" end
  if name == "bucket" then return head .. string.pack("<c1Bn", "b", value and 1 or 0, second) end
  if value == false then return head .. "f" end
  if type(value) == "string" then return head .. "s", value end
  if math.type(value) == "integer" then return head .. string.pack("<c1j", "i", value) end
  return head, name == "range" and entries_of(value) or names_of(value)
end

local function read_entries(frame, at)
  local out = {}
  while at <= #frame do
    local id, value
    id, value, at = string.unpack("<s4s4", frame, at)
    out[#out + 1] = { id, value }
  end
  return out
end

local function read_names(frame, at)
  local out = {}
  while at <= #frame do
    local name, after = string.unpack("<s4", frame, at)
    out[name], at = true, after
  end
  return out
end

---Reads an answer: the number, and the results.
---@param frame string
---@return integer id, any ...
function frames.read_answer(frame)
  local _, id, kind, at = string.unpack("<c1I4c1", frame)
  if kind == "t" then return id, true end
  if kind == "0" then return id, nil end
  if kind == "f" then return id, false end
  if kind == "s" then return id, frame:sub(at) end
  if kind == "i" then return id, (string.unpack("<j", frame, at)) end
  if kind == "l" then return id, read_entries(frame, at) end
  if kind == "n" then return id, read_names(frame, at) end
  if kind == "b" then
    local allowed, seconds = string.unpack("<Bn", frame, at)
    return id, allowed == 1, seconds
  end
  local text, code = string.unpack("<s4s4", frame, at)
  return id, nil, text, code
end

return frames
