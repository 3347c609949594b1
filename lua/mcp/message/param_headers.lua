-- SPDX-License-Identifier: MIT
-- param_headers: what a client repeats of a request in header fields of HTTP, so that proxies can
-- route by it without reading the body: Mcp-Method, Mcp-Name and, for the arguments that a tool's
-- input schema marks with "x-mcp-header", Mcp-Param-*. The client writes the fields, and the server
-- compares them with the body. It knows messages and schemas, but no connections.
local header = require "mcp.header"
local methods = require "mcp.protocol.methods"
local value = require "mcp.value"
local walk = require "mcp.schema.walk"

local param_headers = {}

---Bytes of all Mcp-Param-* fields of one call, names and values; HTTP heads are limited (HM-49). A
---call that needs more fails in the client, rather than at some proxy.
param_headers.LENGTH = 16384

local KEYWORD = "x-mcp-header"
local TYPES = { string = true, integer = true, boolean = true }

-- The integers that every JSON reader represents exactly (HM-41).
local SAFE = 2 ^ 53 - 1

-- --- what a schema marks --------------------------------------------------------

local function complain(path, text, ...)
  error(("input: %s: %s: %s"):format(#path > 0 and '"' .. table.concat(path, ".") .. '"'
    or "the root", KEYWORD, text:format(...)), 0)
end

-- One annotation, checked.
local function annotation(schema, path, reachable)
  local name = schema[KEYWORD]
  if type(name) ~= "string" then
    complain(path, "expected a string, got %s", value.kind(name))
  elseif not header.is_token(name) then
    complain(path, "%q cannot be part of a header's name (RFC 9110 5.6.2)", name)
  elseif not reachable then
    complain(path, "the property must be reachable through properties alone")
  elseif not TYPES[schema.type] then
    complain(path, 'the property must have the type "string", "integer" or "boolean"')
  end
  return { name = name, field = "mcp-param-" .. name:lower(), type = schema.type, path = path }
end

---The marked arguments of an input schema that compiles; nil if it marks none. Raises (level 0)
---what is wrong with a mark (HM-41).
---@param schema table
---@return table[]|nil mirrors
function param_headers.find(schema)
  local found = {}
  local function visit(node, path, reachable)
    if node[KEYWORD] ~= nil then
      found[#found + 1] = annotation(node, path, reachable and #path > 0)
    end
    walk.children(node, function(child, keyword, name)
      local step = name == nil and keyword or tostring(name)
      visit(child, table.move(path, 1, #path, 1, { [#path + 1] = step }),
        reachable and keyword == "properties")
    end)
  end
  visit(schema, {}, true)
  if not found[1] then return nil end
  table.sort(found, function(a, b)
    return table.concat(a.path, "\0") < table.concat(b.path, "\0")
  end)
  local taken = {}
  for _, mirror in ipairs(found) do
    local other = taken[mirror.field]
    if other then
      complain(mirror.path, '"%s" has the same header name %q', table.concat(other.path, "."),
        mirror.name)
    end
    taken[mirror.field] = mirror
  end
  return found
end

---The marked arguments of a schema that another party wrote: nil if it marks none; false and the
---reason if a mark is invalid. A client ignores such a tool (HM-41, HM-42).
---@param schema any its inputSchema
---@return table[]|false|nil mirrors
---@return string|nil reason
function param_headers.read(schema)
  if type(schema) ~= "table" or not value.is_object(schema) then return nil end
  local ok, found = pcall(param_headers.find, schema)
  if ok then return found end
  return false, (tostring(found):gsub("^input: ", ""))
end

---The tools of a list whose marks are valid, in their order. The others are reported to `log`.
---@param tools table[] as the server sent them
---@param log fun(text: string)
---@return table[] tools
---@return table<string, table[]> mirrors by the name of the tool
function param_headers.sift(tools, log)
  local kept, mirrors = value.array {}, {}
  for _, tool in ipairs(tools) do
    local found, reason = param_headers.read(type(tool) == "table" and tool.inputSchema)
    if found == false then
      log(("ignoring tool %q: its input schema asks for an invalid header: %s")
        :format(tostring(tool.name), reason))
    else
      kept[#kept + 1] = tool
      if found and type(tool.name) == "string" then mirrors[tool.name] = found end
    end
  end
  return kept, mirrors
end

-- --- the client's side ------------------------------------------------------------

---The fields of any request: its method, and the name of what it is about (HM-24).
---@param method string
---@param params table|nil
---@param row mcp.Method|nil what is known of the method; the protocol's own if not given
---@return table[] list of { name, value }
function param_headers.of_request(method, params, row)
  local out = { { "Mcp-Method", header.encode(method) } }
  row = row or methods[method]
  local target = row and row.target
  local name = target and type(params) == "table" and params[target]
  if type(name) == "string" then out[2] = { "Mcp-Name", header.encode(name) } end
  return out
end

-- The text of an argument; nil if no field can carry it (the server then reports the argument).
local function text_of(given)
  local kind = type(given)
  if kind == "string" then return utf8.len(given) and given or nil end
  if kind == "boolean" then return tostring(given) end
  if kind ~= "number" or given > SAFE or given < -SAFE then return nil end
  local whole = math.tointeger(given)
  return whole and ("%d"):format(whole) or nil
end

---The fields of a call's marked arguments (HM-30 to HM-35, HM-44).
---@param mirrors table[]|nil
---@param arguments table|nil
---@return table[]|nil list of { name, value }
---@return string|nil message
---@return string|nil code "ETOOBIG"
function param_headers.of_arguments(mirrors, arguments)
  local out, length = {}, 0
  for _, mirror in ipairs(mirrors or {}) do
    local text = text_of(value.at(arguments, mirror.path))
    if text then
      local field = { "Mcp-Param-" .. mirror.name, header.encode(text) }
      length = length + #field[1] + #field[2]
      out[#out + 1] = field
    end
  end
  if length > param_headers.LENGTH then
    return nil, ("arguments in header fields: %d bytes, at most %d are sent")
      :format(length, param_headers.LENGTH), "ETOOBIG"
  end
  return out
end

-- --- the server's side ------------------------------------------------------------

-- The number that a JSON text stands for; nil if it is not a number.
local function number_of(text)
  local whole, rest = text:match "^%-?(%d+)(.*)$"
  if not whole or (#whole > 1 and whole:sub(1, 1) == "0") then return nil end
  rest = rest:gsub("^%.%d+", "")
  if rest ~= "" and not rest:find "^[eE][+-]?%d+$" then return nil end
  return tonumber(text)
end

-- What is wrong with a field that should repeat `given`; nil if nothing is.
local function compare(given, field)
  -- Text outside of visible ASCII must be encoded (HM-30).
  local text = not field:find "[^\t\x20-\x7e]" and header.decode(field)
  if not text then return "is malformed" end
  if type(given) == "string" then return text ~= given and "does not match" or nil end
  if type(given) == "boolean" then return text ~= tostring(given) and "does not match" or nil end
  if type(given) ~= "number" then return "does not match" end
  if given > SAFE or given < -SAFE then
    return "stands for an integer beyond 2^53 - 1, which no header may carry;"
  end
  return number_of(text) ~= given and "does not match" or nil
end

---Compares header fields with arguments (HM-33, HM-45, HM-46).
---@param mirrors table[]
---@param arguments table
---@param x userdata the exchange
---@return string|nil text what is wrong
function param_headers.check(mirrors, arguments, x)
  for _, mirror in ipairs(mirrors) do
    local given, field = value.at(arguments, mirror.path), x:header(mirror.field)
    local wrong
    if field == false then
      wrong = "was sent twice for"
    elseif given == nil then
      wrong = field and "was sent without" or nil
    elseif field then
      wrong = compare(given, field)
    elseif type(given) ~= "table" then
      -- A table cannot be repeated in a field; it is refused as an argument.
      wrong = "is missing for"
    end
    if wrong then
      return ("Mcp-Param-%s %s params.arguments.%s"):format(mirror.name, wrong,
        table.concat(mirror.path, "."))
    end
  end
  return nil
end

return param_headers
