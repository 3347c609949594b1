-- SPDX-License-Identifier: MIT
-- styles.lua: values as texts in a path, query, header field, cookie or form, in the styles of
-- OpenAPI. simple, label, matrix and form are those of RFC 6570; deepObject, spaceDelimited and
-- pipeDelimited are OpenAPI's own. What OpenAPI leaves open is decided here:
--
--   * a list or an object inside of one is sent as JSON, except with deepObject
--   * deepObject nests: a[b][c]=1; a list of plain values is a[b][]=1, one of objects a[b][0][c]=1
--   * a list of a cookie that explodes is the cookie several times
local core = require "mcp.core"
local escape = require("mcp.uri_tools").escape
local value = require "mcp.value"

local styles = {}

-- Characters that may stay in a value of a query with allowReserved: not "&", "#", "+" and
-- brackets, with which a value could become another parameter.
local RESERVED = ":/?@!$'()*,;="

local is_array, is_object = value.is_array, value.is_object

---A value that is neither a list nor an object, or that is sent as if it were none, as text.
---@param v any
---@return string
function styles.text(v)
  if type(v) == "string" then return v end
  if math.type(v) == "float" then return tostring(math.tointeger(v) or v) end
  if type(v) == "table" then return (assert(core.encode(v, true))) end
  if v == value.null then return "null" end
  return tostring(v)
end

local text = styles.text

local function plain(v) return escape(v) end

-- With allowReserved, escapes stay as they are.
local function reserved(v)
  return (escape(v, RESERVED .. "%"):gsub("%%(%x?%x?)", function(digits)
    return #digits == 2 and "%" .. digits or "%25" .. digits
  end))
end

local function same(v) return v end

local function sorted_keys(map)
  local keys = {}
  for key in next, map do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  return keys
end

-- The parts of a list or an object: texts that are encoded, "name=value" for a member of an object
-- that explodes, name and value one after the other otherwise.
local function parts_of(v, explode, encode)
  local parts = {}
  if is_array(v) then
    for i, each in ipairs(v) do parts[i] = encode(text(each)) end
    return parts
  end
  for _, key in ipairs(sorted_keys(v)) do
    if explode then
      parts[#parts + 1] = encode(key) .. "=" .. encode(text(v[key]))
    else
      parts[#parts + 1] = encode(key)
      parts[#parts + 1] = encode(text(v[key]))
    end
  end
  return parts
end

local function is_list_or_object(v) return type(v) == "table" end

-- simple: a,b and x,1,y,2 or x=1,y=2
local function simple(v, explode, encode)
  if not is_list_or_object(v) then return encode(text(v)) end
  return table.concat(parts_of(v, explode, encode), ",")
end

-- label: .a.b and .x.1.y.2 or .x=1.y=2 (a,b after one dot if it does not explode)
local function label(v, explode, encode)
  if not is_list_or_object(v) then return "." .. encode(text(v)) end
  return "." .. table.concat(parts_of(v, explode, encode), explode and "." or ",")
end

-- matrix: ;p=a,b or ;p=a;p=b, and ;p=x,1 or ;x=1
local function matrix(name, v, explode, encode)
  local head = ";" .. encode(name)
  if not is_list_or_object(v) then
    local encoded = encode(text(v))
    return encoded == "" and head or head .. "=" .. encoded
  end
  local parts = parts_of(v, explode, encode)
  if not explode then return head .. "=" .. table.concat(parts, ",") end
  if is_object(v) then return ";" .. table.concat(parts, ";") end
  local out = {}
  for i, part in ipairs(parts) do out[i] = part == "" and head or head .. "=" .. part end
  return table.concat(out)
end

---A value of a path parameter.
---@param parameter mcp.openapi.Parameter
---@param v any
---@return string
function styles.path(parameter, v)
  if parameter.media then return plain(text(v)) end
  if parameter.style == "label" then return label(v, parameter.explode, plain) end
  if parameter.style == "matrix" then
    return matrix(parameter.name, v, parameter.explode, plain)
  end
  return simple(v, parameter.explode, plain)
end

---A value of a header field.
---@param parameter mcp.openapi.Parameter
---@param v any
---@return string
function styles.header(parameter, v)
  if parameter.media then return text(v) end
  return simple(v, parameter.explode, same)
end

-- deepObject: a[b]=1, and what is inside.
local function deep(name, v, add, encode)
  if is_array(v) then
    for i, each in ipairs(v) do
      local nested = is_list_or_object(each)
      deep(name .. plain(nested and ("[%d]"):format(i - 1) or "[]"), each, add, encode)
    end
  elseif is_object(v) then
    for _, key in ipairs(sorted_keys(v)) do
      deep(name .. plain("[" .. key .. "]"), v[key], add, encode)
    end
  else
    add(name, encode(text(v)))
  end
end

local DELIMITERS = { spaceDelimited = "%20", pipeDelimited = "%7C", form = "," }

-- Adds the pairs of one parameter, already encoded, with `add(name, value)`.
local function pairs_of(parameter, v, add)
  local name, encode = plain(parameter.name), parameter.reserved and reserved or plain
  if parameter.media or not is_list_or_object(v) then return add(name, encode(text(v))) end
  if parameter.style == "deepObject" then return deep(name, v, add, encode) end
  if next(v) == nil then
    if parameter.empty then add(name, "") end
    return
  end
  if not parameter.explode then
    local delimiter = DELIMITERS[parameter.style] or ","
    return add(name, table.concat(parts_of(v, false, encode), delimiter))
  end
  if is_array(v) then
    for _, each in ipairs(v) do add(name, encode(text(each))) end
  else
    for _, key in ipairs(sorted_keys(v)) do add(plain(key), encode(text(v[key]))) end
  end
end

---Adds the "name=value" texts of a query parameter, or of a field of a form, to a list.
---@param parameter mcp.openapi.Parameter or a table with the same members
---@param v any
---@param out string[]
function styles.query(parameter, v, out)
  pairs_of(parameter, v, function(name, encoded) out[#out + 1] = name .. "=" .. encoded end)
end

---Adds the "name=value" texts of a cookie parameter to a list.
---@param parameter mcp.openapi.Parameter
---@param v any
---@param out string[]
function styles.cookie(parameter, v, out)
  pairs_of(parameter, v, function(name, encoded) out[#out + 1] = name .. "=" .. encoded end)
end

return styles
