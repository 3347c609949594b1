-- SPDX-License-Identifier: MIT
-- fields: the header fields that a user passes to a transport (`headers = …`): checked once, kept
-- as a list. Fields that the protocol sets are refused.
local header = require "mcp.header"
local usage = require "mcp.client.usage"

local fields = {}

---Number of fields; servers accept about a hundred in all.
fields.COUNT = 64
---Length of a value, in bytes; many servers refuse heads of 8 KiB and more.
fields.LENGTH = 8192

-- Set by the transport: fields of framing and of the protocol. All of Mcp-* as well.
local OURS = {}
for name in ([[accept accept-encoding connection content-encoding content-length content-type
  expect host keep-alive last-event-id proxy-connection sec-websocket-accept
  sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version te
  trailer transfer-encoding upgrade]]):gmatch "%S+" do
  OURS[name] = true
end

local function complain(text, ...) usage.raise("headers: " .. text, ...) end

-- Appends one field, or raises.
local function add(out, taken, name, value)
  if type(name) ~= "string" or not header.is_token(name) then
    complain("expected a field name (RFC 9110 5.6.2), got %s",
      type(name) == "string" and ("%q"):format(name) or type(name))
  end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    complain("%s: expected a string, got %s", name, type(value))
  end
  -- A control character could end the field and begin another (HM-36).
  if value:find "[%z\1-\8\10-\31\127]" then
    complain("%s: expected text without control characters such as line ends", name)
  elseif #value > fields.LENGTH then
    complain("%s: expected at most %d bytes, got %d", name, fields.LENGTH, #value)
  end
  value = value:match "^[ \t]*(.-)[ \t]*$"
  local lower = name:lower()
  -- The value that the transport sets anyway is accepted; users copy it from examples.
  if lower == "content-type" and value:lower() == "application/json" then return end
  if OURS[lower] or lower:find "^mcp%-" then
    complain("%s is set by the transport: leave it out", name)
  elseif taken[lower] then
    complain("%s is given twice", name)
  end
  taken[lower] = true
  out[#out + 1] = { name, value }
  if #out > fields.COUNT then complain("expected at most %d fields", fields.COUNT) end
end

---Reads `headers`: { name = value, … }, or a list of { name, value }. Raises on an error in it.
---@param given table|nil
---@return table[] list of { name, value }; those given by name in order of the names
---@return table<string, true> names in lower case
function fields.check(given)
  local out, taken = {}, {}
  if given == nil then return out, taken end
  if type(given) ~= "table" then complain("expected a table, got %s", type(given)) end
  if given[1] ~= nil then
    for _, pair in ipairs(given) do
      if type(pair) ~= "table" then complain("expected { name, value }, got %s", type(pair)) end
      add(out, taken, pair[1], pair[2])
    end
    return out, taken
  end
  local names = {}
  for name in pairs(given) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do add(out, taken, name, given[name]) end
  return out, taken
end

return fields
