-- SPDX-License-Identifier: MIT
-- bodies.lua: the body of a request, from the arguments and the plan of an operation: JSON, a form,
-- multipart with files, or bytes.
local core = require "mcp.core"
local keys = require("mcp.nearest").keys
local media = require "mcp.openapi.media"
local styles = require "mcp.openapi.styles"
local value = require "mcp.value"

local bodies = {}

local is_object, is_array = value.is_object, value.is_array

-- The value of the body, or nil if there is none.
local function gather(plan, args, known)
  if plan.whole then return args[plan.whole] end
  local out, any = {}, false
  for name, constant in next, plan.constants do
    out[name], any = constant, true
  end
  for argument, name in next, plan.fields do
    if args[argument] ~= nil then
      out[name], any = args[argument], true
    end
  end
  if plan.more then
    for argument, given in next, args do
      if not known[argument] then
        out[argument], any = given, true
      end
    end
  end
  if not any and not plan.required then return nil end
  return out
end

-- The bytes, name and media type of a file, or nil and a text.
local function read_file(given, what)
  if type(given) == "string" then return { bytes = given } end
  if not is_object(given) then
    return nil, ("%s: expected a text or an object with text or base64"):format(what)
  end
  local bytes = given.text
  if given.base64 ~= nil then
    bytes = type(given.base64) == "string" and core.unbase64(given.base64) or nil
    if not bytes then return nil, ("%s: base64: not valid Base64"):format(what) end
  end
  if type(bytes) ~= "string" then
    return nil, ("%s: expected an object with text or base64"):format(what)
  end
  return { bytes = bytes, name = given.name, type = given.type }
end

-- --- forms ------------------------------------------------------------------------------------

local function encoding_of(plan, name)
  local encoding = plan.encoding[name]
  return is_object(encoding) and encoding or {}
end

local function form(plan, given)
  local out = {}
  for _, name in ipairs(keys(given)) do
    local encoding, v = encoding_of(plan, name), given[name]
    local style = encoding.style or "form"
    local parameter = { name = name, style = style, reserved = encoding.allowReserved == true,
      explode = encoding.explode == nil and style == "form" or encoding.explode == true,
      -- An object in a form is JSON unless a style says otherwise.
      media = encoding.style == nil and is_object(v) and "application/json" or nil }
    styles.query(parameter, v, out)
  end
  return table.concat(out, "&")
end

-- --- multipart --------------------------------------------------------------------------------

-- A name in quotes, as browsers write it.
local function quoted(text)
  return '"' .. text:gsub('[\r\n"]', { ["\r"] = "%0D", ["\n"] = "%0A", ['"'] = "%22" }) .. '"'
end

-- A media type that cannot become another header field.
local function safe_type(text)
  if type(text) ~= "string" then return nil end
  return text:match "^[%w!#$&^_.+-]+/[%w!#$&^_.+-]+[%g ]*$"
end

-- Adds one part; nil and a text if it cannot be written.
local function add_part(out, name, v, encoding, is_file)
  local default = type(encoding.contentType) == "string"
    and encoding.contentType:match "^%s*([^,]-)%s*$" or nil
  if default and default:find("*", 1, true) then default = nil end
  local head = "Content-Disposition: form-data; name=" .. quoted(name)
  local kind = safe_type(default)
  local bytes
  if is_file then
    local file, text = read_file(v, name)
    if not file then return nil, text end
    head = head .. "; filename=" .. quoted(type(file.name) == "string" and file.name or name)
    bytes = file.bytes
    kind = safe_type(file.type) or kind or "application/octet-stream"
  elseif type(v) == "table" then
    bytes, kind = styles.text(v), kind or "application/json"
  else
    bytes = styles.text(v)
  end
  out[#out + 1] = head .. (kind and "\r\nContent-Type: " .. kind or "") .. "\r\n\r\n" .. bytes
  return true
end

local function multipart(plan, given)
  local parts = {}
  for _, name in ipairs(keys(given)) do
    local v, encoding = given[name], encoding_of(plan, name)
    local is_file = plan.files and plan.files[name]
    for _, each in ipairs(is_array(v) and v or { v }) do
      local ok, text = add_part(parts, name, each, encoding, is_file)
      if not ok then return nil, text end
    end
  end
  local boundary = "mcp-" .. core.random_id()
  local out = {}
  for i, part in ipairs(parts) do out[i] = "--" .. boundary .. "\r\n" .. part .. "\r\n" end
  out[#out + 1] = "--" .. boundary .. "--\r\n"
  return table.concat(out), "multipart/form-data; boundary=" .. boundary
end

---The body of a call.
---@param plan table of mcp.openapi.Plan: its `body`
---@param args table
---@param known table<string, boolean> the arguments that have a place of their own
---@return string? body nil if there is none
---@return string? media_type or a text that says what is wrong
---@return boolean? failed
function bodies.write(plan, args, known)
  local given = gather(plan, args, known)
  if given == nil then return nil end
  if plan.kind == "json" then
    local text, reason = core.encode(given, true)
    if not text then return nil, reason, true end
    return text, media.is_json(plan.media) and plan.media or "application/json"
  end
  if plan.kind == "raw" then
    local file, text = read_file(given, plan.whole)
    if not file then return nil, text, true end
    return file.bytes, plan.media:find("*", 1, true) and (safe_type(file.type)
      or "application/octet-stream") or plan.media
  end
  if not is_object(given) then return nil, plan.whole .. ": expected an object", true end
  if plan.kind == "form" then return form(plan, given), "application/x-www-form-urlencoded" end
  local body, kind = multipart(plan, given)
  if not body then return nil, kind, true end
  return body, kind
end

return bodies
