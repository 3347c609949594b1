-- SPDX-License-Identifier: MIT
-- operations.lua: the operations of a document, each with its parameters, body, responses, servers
-- and security, references followed as far as an import needs it. Schemas stay as they are.
local value = require "mcp.value"

local operations = {}

local is_object, is_array = value.is_object, value.is_array

-- A document of countless operations.
operations.MAX = 5000

-- In the order in which the operations of a path are imported.
local METHODS = { "get", "post", "put", "patch", "delete", "head", "options", "query", "trace" }

local LOCATIONS = { path = "simple", query = "form", header = "simple", cookie = "form" }
-- The styles that a location has.
local STYLES = {
  path = { simple = true, label = true, matrix = true },
  query = { form = true, spaceDelimited = true, pipeDelimited = true, deepObject = true },
  header = { simple = true },
  cookie = { form = true },
}

-- Header parameters that OpenAPI tells to ignore, and those that belong to HTTP itself.
local RESERVED = { accept = true, ["content-type"] = true, authorization = true, host = true,
  ["content-length"] = true, ["transfer-encoding"] = true, connection = true, cookie = true,
  upgrade = true, te = true, trailer = true, expect = true, ["keep-alive"] = true }

---@class mcp.openapi.Parameter
---@field name string
---@field location "path"|"query"|"header"|"cookie"
---@field required boolean
---@field style string
---@field explode boolean
---@field reserved boolean allowReserved
---@field empty boolean allowEmptyValue
---@field media string? the media type, for a parameter with "content"
---@field schema any
---@field description string?
---@field file mcp.openapi.File

---@class mcp.openapi.Operation
---@field id string? operationId
---@field method string upper case
---@field path string
---@field tags string[]
---@field summary string?
---@field description string?
---@field deprecated boolean
---@field parameters mcp.openapi.Parameter[]
---@field body table? required, content, description, file
---@field responses table
---@field security table?
---@field servers table?
---@field file mcp.openapi.File
---@field node table as the document has it

local function text_of(v) return type(v) == "string" and v ~= "" and v or nil end

-- A parameter, or nil and why it is ignored.
local function read_parameter(doc, node, file)
  local found, where = doc:object(node, file)
  if not found then return nil, where end
  local name, location = found.name, found["in"]
  if type(name) ~= "string" or not LOCATIONS[location] then
    return nil, ("expected a name and one of path, query, header and cookie, got %q in %q"):format(
      tostring(name), tostring(location))
  end
  if location == "header" and RESERVED[name:lower()] then return nil end
  if location == "header" and name:find "[^%w!#$%%&'*+.^_`|~-]" then
    return nil, ("%q is no name of a header field"):format(name)
  end
  local style = found.style
  if not STYLES[location][style] then style = LOCATIONS[location] end
  local explode = found.explode
  if type(explode) ~= "boolean" then explode = style == "form" end
  local media, schema = nil, found.schema
  if is_object(found.content) then
    local type_of
    media, type_of = next(found.content)
    if is_object(type_of) then schema = type_of.schema end
  end
  return { name = name, location = location, required = found.required == true
    or location == "path", style = style, explode = explode,
    reserved = location == "query" and found.allowReserved == true,
    empty = location == "query" and found.allowEmptyValue == true, media = media, schema = schema,
    description = text_of(found.description), deprecated = found.deprecated == true, file = where }
end

-- The parameters of an operation: its own, and those of its path that it does not replace.
local function read_parameters(doc, op, item, item_file, warn)
  local list, at = {}, {}
  for _, each in ipairs { { item.parameters, item_file }, { op.node.parameters, op.file } } do
    for _, node in ipairs(is_array(each[1]) and each[1] or {}) do
      local parameter, reason = read_parameter(doc, node, each[2])
      if parameter then
        local key = parameter.location .. " " .. parameter.name
        at[key] = at[key] or #list + 1
        list[at[key]] = parameter
      elseif reason then
        warn(("%s %s: a parameter is ignored: %s"):format(op.method, op.path, reason))
      end
    end
  end
  -- A path must not be sent with braces.
  for name in op.path:gmatch "{([^{}]+)}" do
    if not at["path " .. name] then
      warn(("%s %s: the path parameter %q is not described"):format(op.method, op.path, name))
      list[#list + 1] = { name = name, location = "path", required = true, style = "simple",
        explode = false, reserved = false, empty = false, schema = { type = "string" },
        file = op.file }
    end
  end
  return list
end

local function read_body(doc, op, warn)
  local node = op.node.requestBody
  if node == nil then return nil end
  local found, where = doc:object(node, op.file)
  if not found or not is_object(found.content) then
    warn(("%s %s: the body is ignored: %s"):format(op.method, op.path,
      found and "no content" or where))
    return nil
  end
  if next(found.content) == nil then return nil end
  return { required = found.required == true, content = found.content,
    description = text_of(found.description), file = where }
end

local function read_tags(node)
  local tags = {}
  for _, tag in ipairs(is_array(node.tags) and node.tags or {}) do
    if type(tag) == "string" then tags[#tags + 1] = tag end
  end
  return tags
end

local function read_operation(doc, path, method, item, file, warn)
  local node = item[method]
  if not is_object(node) then return nil end
  local op = { id = text_of(node.operationId), method = method:upper(), path = path, file = file,
    node = node, tags = read_tags(node), summary = text_of(node.summary) or text_of(item.summary),
    description = text_of(node.description) or text_of(item.description),
    deprecated = node.deprecated == true,
    responses = is_object(node.responses) and node.responses or {},
    security = is_array(node.security) and node.security
      or is_array(doc.root.security) and doc.root.security or nil,
    servers = is_array(node.servers) and node.servers[1] and node.servers
      or is_array(item.servers) and item.servers[1] and item.servers
      or is_array(doc.root.servers) and doc.root.servers or nil }
  op.parameters = read_parameters(doc, op, item, file, warn)
  op.body = read_body(doc, op, warn)
  return op
end

---The operations of a document, by path and method.
---@param doc mcp.openapi.Document
---@param warn fun(text: string)
---@return mcp.openapi.Operation[]
function operations.read(doc, warn)
  local paths, list = {}, {}
  if is_object(doc.root.paths) then
    for path in next, doc.root.paths do
      if type(path) == "string" and path:sub(1, 1) == "/" then paths[#paths + 1] = path end
    end
  end
  table.sort(paths)
  for _, path in ipairs(paths) do
    local item, file = doc:object(doc.root.paths[path], doc.main)
    if item then
      for _, method in ipairs(METHODS) do
        if #list >= operations.MAX then
          warn(("more than %d operations: the others are ignored"):format(operations.MAX))
          return list
        end
        list[#list + 1] = read_operation(doc, path, method, item, file, warn)
      end
    else
      warn(("%s is ignored: %s"):format(path, file))
    end
  end
  return list
end

return operations
