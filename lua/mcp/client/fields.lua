-- SPDX-License-Identifier: MIT
-- fields: the header fields that a user gives along with a transport
-- (`headers = …`): checked once, kept as a list. What the protocol itself says
-- in a field is not theirs to say.
local header = require "mcp.header"
local usage = require "mcp.client.usage"

local fields = {}

---More than that is no configuration: a server takes a hundred in all.
fields.COUNT = 64
---Of one value, in bytes; servers end heads of 8 KiB and more.
fields.LENGTH = 8192

-- Ours, and why: framing, or what the transport says by itself. All of Mcp-* too.
local OURS = {}
for name in ([[accept accept-encoding connection content-encoding content-length content-type
  expect host keep-alive last-event-id proxy-connection sec-websocket-accept
  sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version te
  trailer transfer-encoding upgrade]]):gmatch "%S+" do
  OURS[name] = true
end

local function complain(text, ...) usage.raise("headers: " .. text, ...) end

-- Appends one field, or raises what is wrong with it.
local function add(out, taken, name, value)
  if type(name) ~= "string" or not header.is_token(name) then
    complain("%s is not a valid field name (RFC 9110 5.6.2)",
      type(name) == "string" and ("%q"):format(name) or type(name))
  end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    complain("%s: string expected, got %s", name, type(value))
  end
  -- A control character could end the field and begin another (HM-36).
  if value:find "[%z\1-\8\10-\31\127]" then
    complain("%s: a control character, such as the end of a line", name)
  elseif #value > fields.LENGTH then
    complain("%s: longer than %d bytes", name, fields.LENGTH)
  end
  value = value:match "^[ \t]*(.-)[ \t]*$"
  local lower = name:lower()
  -- What we would say ourselves may be said; people copy it from examples.
  if lower == "content-type" and value:lower() == "application/json" then return end
  if OURS[lower] or lower:find "^mcp%-" then
    complain("%s is set by the transport", name)
  elseif taken[lower] then
    complain("%s is there twice", name)
  end
  taken[lower] = true
  out[#out + 1] = { name, value }
  if #out > fields.COUNT then complain("more than %d fields", fields.COUNT) end
end

---Reads `headers`: { name = value, … }, or a list of { name, value }. Raises what
---is wrong with it.
---@param given table|nil
---@return table[] list of { name, value }; those given by name in order of the names
---@return table<string, true> names in lower case
function fields.check(given)
  local out, taken = {}, {}
  if given == nil then return out, taken end
  if type(given) ~= "table" then complain("table expected, got %s", type(given)) end
  if given[1] ~= nil then
    for _, pair in ipairs(given) do
      if type(pair) ~= "table" then complain("{ name, value } expected, got %s", type(pair)) end
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
